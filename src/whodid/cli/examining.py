"""The command that looks at an application: what of it is not recorded."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from whodid.cli import ui
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
    found = [gap for gap in _gaps(_named(sessions)) if gap.name not in allow]
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


def _named(text: str) -> Any:
    """Return the object that MODULE:NAME names; modules of the present folder are found, too."""
    module, colon, name = text.partition(":")
    if not colon or not module or not name:
        raise InvalidSetting(f"{text!r} names no object", "Write MODULE:NAME, such as shop.database:SessionLocal")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except ModuleNotFoundError as error:
        raise InvalidSetting(
            f"There is no module {error.name}", "Check MODULE, and that what it imports is installed"
        ) from error
    except AttributeError as error:
        raise InvalidSetting(f"{module} has no {name}", "Check NAME") from error
    return found


COMMANDS = {"doctor": doctor}
