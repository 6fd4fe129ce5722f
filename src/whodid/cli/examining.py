"""The command that looks at an application: what of it is not recorded."""

from __future__ import annotations

from typing import Any

import msgspec

from whodid.cli import ui
from whodid.cli.opening import named
from whodid.errors import InvalidSetting

__all__ = ["COMMANDS"]


@ui.command
@ui.argument("sessions", metavar="MODULE:NAME")
@ui.option("--allow", multiple=True, metavar="NAME", help="A gap that is meant; may be repeated.")
@ui.option("--sql", is_flag=True, help="Print the SQL of the triggers, and do not look.")
@ui.option("--remove", is_flag=True, help="Print the SQL that removes the triggers.")
@ui.json_option
def doctor(*, sessions: str, allow: tuple[str, ...], sql: bool, remove: bool, as_json: bool) -> None:
    r"""List what of an application is not recorded.

    MODULE:NAME is the sessionmaker that the application gave to install(). Listed
    are classes and tables that nobody watches, memberships without an owner,
    ignored fields, and triggers that the database lacks.

    \b
    whodid doctor shop.database:SessionLocal --allow "Customer.updated_at"
    whodid doctor shop.database:SessionLocal --sql > triggers.sql

    Exit code 1: there are gaps that were not allowed.
    """
    if sql or remove:
        ui.raw(_script(sessions, remove=remove).encode())
        return
    found = [gap for gap in _gaps(named(sessions)) if gap.name not in allow]
    if as_json:
        ui.json([msgspec.to_builtins(gap) for gap in found])
    elif found:
        ui.table(("Kind", "Name", "Why"), [(gap.kind, gap.name, gap.why) for gap in found], wide=2)
    else:
        ui.note("Everything is recorded.")
    ui.finish(ui.PROBLEM if found else ui.OK)


def _gaps(sessions: Any) -> list[Any]:
    from whodid.capture.sqlalchemy.coverage import gaps

    return list(gaps(sessions))


def _script(sessions: str, *, remove: bool) -> str:
    """Return the SQL of the triggers that were asked for in `install(..., triggers=...)`."""
    from whodid.capture.sqlalchemy.install import installed

    handle = installed(named(sessions))
    if handle is None or not handle.triggers().tables:
        raise InvalidSetting(
            f"No triggers are to tell of anything of {sessions}", "Name the classes: install(..., triggers=[...])"
        )
    return handle.triggers().remove() if remove else handle.triggers().install()


COMMANDS = {"doctor": doctor}
