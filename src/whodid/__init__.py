"""The audit log for a workspace: who did what, when, and what changed; found in a second, provable offline."""

from whodid import errors
from whodid.catalog import Action, Catalog, builtin
from whodid.connecting import connect
from whodid.errors import WhodidError
from whodid.log import Inclusion, Log, ProvenEntry, Receipt, Report
from whodid.log import open_log as open
from whodid.model import Actor, Change, Context, Entry, Erased, Event, Reason, Related, Resource, schema
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
