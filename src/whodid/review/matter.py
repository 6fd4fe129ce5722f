"""What of a log matters so much that a review looks at each of it; of the rest it draws a sample.

Pure: an entry in, the name of a reason out. What an action means comes from the catalog, never from its name alone
where the catalog knows it.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from whodid.catalog import Catalog
from whodid.catalog.topics import topics
from whodid.model import Entry

__all__ = ["WHYS", "Why", "group_of", "why"]

Why = Literal[
    "alert",
    "access",
    "keys",
    "log",
    "settings",
    "erasure",
    "export",
    "deletion",
    "sign_in",
    "refused",
    "grave",
    "sample",
]
WHYS: tuple[Why, ...] = get_args(Why)
"""Why something is in a review, in the order in which it is shown; `sample` is the rest, drawn."""

_ALERTS = "audit.alert_"
_GRAVE = frozenset({"warning", "critical"})
_ONE_BY_ONE = frozenset({"access", "keys", "log", "settings", "erasure"})


def why(entry: Entry, catalog: Catalog) -> Why | None:
    """Say why an entry has to be looked at; None for the rest, of which a sample is drawn."""
    verb = entry.action.rpartition(".")[2]
    if entry.action.startswith(_ALERTS):
        return "alert"
    if verb in {"exported", "erased"}:
        return "export" if verb == "exported" else "erasure"
    if entry.category == "audit":
        return "log" if entry.severity != "info" and not entry.action.startswith("audit.review_") else None
    about = topics(catalog, entry.action, entry.kind)
    if "keys" in about:
        return "keys"
    if "access" in about:
        return "access"
    if "sign_ins" in about:
        return "sign_in" if _stands_out(entry) else None
    return _other(entry, catalog)


def _other(entry: Entry, catalog: Catalog) -> Why | None:
    if entry.outcome != "success":
        return "refused"
    if entry.kind == "delete":
        return "deletion"
    declared = catalog.get(entry.action)
    touches_settings = declared is not None and "S" in declared.sensitivity
    if touches_settings or entry.category == "workspace" or "sensitive" in entry.marks:
        return "settings"
    return "grave" if entry.severity in _GRAVE else None


def _stands_out(entry: Entry) -> bool:
    """Tell whether a sign-in is out of the ordinary: refused, grave, or from a device or country that is not known."""
    said = entry.details or {}
    unknown = any(said.get(name) is False for name in ("known_device", "known_country"))
    return entry.outcome != "success" or entry.severity != "info" or unknown


def group_of(entry: Entry, because: Why) -> tuple[Any, ...]:
    """Return what makes two entries one item of a review.

    What was said of one alert is one item; so are the acts of one actor of the same kind. What concerns access, keys,
    settings and the log itself is looked at resource by resource.
    """
    if because == "alert":
        return because, (entry.details or {}).get("alert") or entry.index
    about = (entry.resource.type, entry.resource.id) if because in _ONE_BY_ONE else ()
    return because, entry.action, entry.outcome, entry.actor.type, entry.actor.id, about
