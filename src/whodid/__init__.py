"""The audit log for a workspace: who did what, when, and what changed; found in a second, provable offline.

The words of an event are here at once. What belongs to a part of the house (`_PARTS`) comes with the first use of its
name: a program that only sends to a server loads neither stores nor logs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from whodid import errors
from whodid.errors import WhodidError
from whodid.model import Actor, Change, Context, Entry, Erased, Event, Reason, Related, Resource, schema

if TYPE_CHECKING:
    from whodid.catalog import Action, Catalog, builtin
    from whodid.connecting import connect
    from whodid.log import Inclusion, Log, ProvenEntry, Receipt, Report
    from whodid.log import open_log as open
    from whodid.query import Cursor, Page, Query

__all__ = [
    "Action",
    "Actor",
    "Catalog",
    "Change",
    "Context",
    "Cursor",
    "Entry",
    "Erased",
    "Event",
    "Inclusion",
    "Log",
    "Page",
    "ProvenEntry",
    "Query",
    "Reason",
    "Receipt",
    "Related",
    "Report",
    "Resource",
    "WhodidError",
    "builtin",
    "connect",
    "errors",
    "open",
    "schema",
]

_PARTS = {
    "catalog": ("Action", "Catalog", "builtin"),
    "connecting": ("connect",),
    "log": ("Inclusion", "Log", "ProvenEntry", "Receipt", "Report", "open"),
    "query": ("Cursor", "Page", "Query"),
}

# Checkers of types would take it for a promise that every name is there.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Load the part that a name belongs to, and keep the name."""
        for part, names in _PARTS.items():
            if name in names:
                found = getattr(import_module(f"whodid.{part}"), "open_log" if name == "open" else name)
                globals()[name] = found
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Name what is here and what comes with its first use."""
    return sorted({*globals(), *__all__})
