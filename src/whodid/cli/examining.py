"""The command that looks at an application: what of it is not recorded."""

from __future__ import annotations

from typing import Any

import msgspec

from whodid.cli import ui
from whodid.cli.opening import named

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


COMMANDS = {"doctor": doctor}
