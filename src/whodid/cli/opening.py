"""From options to a log and a workspace, with errors that say which option is at fault."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from whodid.catalog import Catalog
from whodid.errors import InvalidSetting, NotFound, StoreUnavailable
from whodid.log import Log, open_log
from whodid.model import Actor, Context

__all__ = ["CONTEXT", "caller", "choose", "every", "listed", "named", "open_store", "read_keys"]

CONTEXT = Context(source="cli")
"""Where the acts of this program come from, in the entries that they leave behind."""

_SQLITE = "sqlite:///"


def open_store(
    url: str | None,
    key_file: str | None,
    *,
    create: bool = False,
    name: str | None = None,
    catalog: Catalog | None = None,
) -> Log:
    """Open the store that the options name.

    Args:
        create: Whether it may be made; a command that only reads must not answer a wrong address with an empty log.
        name: Of the deployment, for logs that are yet to begin.
        catalog: The declared actions; the built-in ones when absent.

    Raises:
        InvalidSetting: No store was named, or the address cannot be used.
        NotFound: Nothing was recorded in it, and it may not be made.
        StoreError: It cannot be opened.
    """
    if not url:
        raise InvalidSetting("No store was named", "Use --store sqlite:///audit.db, or set WHODID_STORE")
    if not create and url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).exists():
        raise StoreUnavailable(f"There is no database at {url}", "Check --store or WHODID_STORE")
    return open_log(url, key=key_file, name=name or "localhost", catalog=catalog, begin=create)


def every(log: Log, workspace: str | None) -> list[str]:
    """Return the workspace that was named, or all that the store has.

    Raises:
        NotFound: There is no such workspace, or none at all.
    """
    found = log.workspaces()
    if workspace is None and found:
        return found
    if workspace not in found:
        raise NotFound(
            f"Nothing was recorded for a workspace {workspace!r}" if workspace else "The store is empty",
            f"The store has {_listed(found)}" if found else "Record or import something first",
        )
    return [workspace]


def choose(log: Log, workspace: str | None) -> str:
    """Return the workspace that was named, or the only one that there is.

    Raises:
        NotFound: There is no such workspace, or none at all.
        InvalidSetting: There are several, and none was named.
    """
    found = every(log, workspace)
    if len(found) > 1:
        raise InvalidSetting(
            "The store has several workspaces, and none was named",
            f"Use --workspace with one of {_listed(found)}",
        )
    return found[0]


def caller() -> Actor:
    """Return who runs this program, for the entries that it leaves behind."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return Actor(type="system", id=f"cli:{name}", name=f"{name} (command line)")


def named(text: str) -> Any:
    """Return the object that MODULE:NAME names; modules of the present folder are found, too.

    Raises:
        InvalidSetting: There is none, or its module cannot be imported.
    """
    module, colon, name = text.partition(":")
    if not colon or not module or not name:
        raise InvalidSetting(f"{text!r} names no object", "Write MODULE:NAME, such as shop.database:SessionLocal")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = import_module(module)
    except ModuleNotFoundError as error:
        raise InvalidSetting(
            f"There is no module {error.name}", "Check MODULE, and that what it imports is installed"
        ) from error
    except Exception as error:  # whatever an application raises while it is imported is its own
        raise InvalidSetting(
            f"{module} cannot be imported: {type(error).__name__}: {error}", f"Try: python -c 'import {module}'"
        ) from error
    try:
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        raise InvalidSetting(f"{module} has no {name}", "Check NAME") from error
    return found


def read_keys(given: str) -> list[str]:
    """Return the keys of a file, one per line, or the key itself."""
    path = Path(given)
    if "+" in given and not path.is_file():
        return [given]
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def listed(given: Iterable[str]) -> list[str]:
    """Return the values of an option that may be repeated and takes several with commas between them."""
    return [one.strip() for text in given for one in text.split(",") if one.strip()]


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
