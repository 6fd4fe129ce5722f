"""The command that looks at an application: what of it is not recorded."""

from __future__ import annotations

from typing import Any

import msgspec

from whodid.capture.triggers import Script
from whodid.cli import ui
from whodid.cli.opening import named
from whodid.errors import InvalidSetting

__all__ = ["COMMANDS"]


@ui.command
@ui.argument("sessions", metavar="MODULE:NAME")
@ui.option("--allow", multiple=True, metavar="NAME", help="A gap that is meant; may be repeated.")
@ui.json_option
def doctor(*, sessions: str, allow: tuple[str, ...], as_json: bool) -> None:
    r"""List what of an application is not recorded.

    MODULE:NAME is the sessionmaker that the application gave to install(). Listed
    are classes and tables that nobody watches, memberships without an owner, and
    ignored fields.

    \b
    whodid doctor shop.database:SessionLocal
    whodid doctor shop.database:SessionLocal --allow "Customer.updated_at"

    Exit code 1: there are gaps that were not allowed.
    """
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


@ui.command
@ui.argument("sessions", metavar="MODULE:NAME")
@ui.option("--remove", is_flag=True, help="Print the SQL that removes them.")
def triggers(*, sessions: str, remove: bool) -> None:
    r"""Print the SQL of the triggers that tell of changes in PostgreSQL.

    MODULE:NAME is the sessionmaker that the application gave to
    install(..., triggers=...), or a Script. Read what is printed, commit it as a
    migration, and run it whenever a table or its description changes; it can be
    run again at any time. Whether a database has it is told by doctor.

    \b
    whodid triggers shop.database:SessionLocal > triggers.sql
    psql --single-transaction -v ON_ERROR_STOP=1 -f triggers.sql shop
    """
    script = _script(named(sessions), sessions)
    ui.text(script.remove() if remove else script.install())


def _script(found: Any, name: str) -> Script:
    if isinstance(found, Script):
        return found
    from whodid.capture.sqlalchemy.install import installed

    handle = installed(found)
    if handle is None:
        raise InvalidSetting(f"Nothing is installed on {name}", "Import the module that calls install(...)")
    return handle.triggers()


COMMANDS = {"doctor": doctor, "triggers": triggers}
