"""Entries as the page shows them: one summary per row of the list, one full view for the drawer.

Presenters only: what they get is narrowed and hidden already (`reader`), what they return is plain JSON values. Text is
never markup; the page fills templates with text nodes.
"""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

import msgspec

from whodid.catalog import (
    Catalog,
    actor_label,
    category_label,
    detail_label,
    field_label,
    kind_label,
    outcome_label,
    second_line,
    sentence,
    severity_label,
    source_label,
    type_label,
    value_label,
)
from whodid.log import Facet
from whodid.model import KINDS, OUTCOMES, SEVERITIES, Entry
from whodid.viewer.reader import Seen
from whodid.viewer.veil import HIDDEN

__all__ = ["Stay", "catalog_view", "entry_view", "summary"]

_ROW = (
    "index",
    "id",
    "occurred_at",
    "recorded_at",
    "actor",
    "action",
    "kind",
    "severity",
    "resource",
    "related",
    "reason",
    "cause",
    "batch",
)
_SIDES = ("before", "after", "added", "removed")
_OF_ACTIONS = frozenset({"actions", "events"})


class Stay(NamedTuple):
    """How long an entry keeps its content.

    Args:
        removed_on: The day on which retention will remove it; None when it never will.
        held: Whether a legal hold keeps it, whatever the day.
    """

    removed_on: date | None
    held: bool


def summary(seen: Seen, lang: str, catalog: Catalog) -> dict[str, Any]:
    """Return the row of an entry.

    Args:
        seen: The entry as its viewer sees it.
        lang: Language of the sentence.
        catalog: Declares sentences and labels.
    """
    wire = seen.wire
    context = wire.get("context", {})
    row = {name: wire[name] for name in _ROW if name in wire}
    row["outcome"] = seen.entry.outcome
    row["marks"] = seen.entry.marks
    for name in ("source", "country", "city", "ip"):
        row[name] = context.get(name)
    return {**row, **_words(seen, lang, catalog)}


def entry_view(
    seen: Seen,
    lang: str,
    catalog: Catalog,
    *,
    cause: Seen | None = None,
    stay: Stay | None = None,
) -> dict[str, Any]:
    """Return everything about one entry.

    Args:
        cause: The entry that made this one happen, as the same viewer sees it.
        stay: How long it stays, if that is known.
    """
    view: dict[str, Any] = {
        "entry": {"outcome": "success", "marks": (), **seen.wire},
        **_words(seen, lang, catalog),
        "labels": _labels(seen.entry, lang),
        "values": values(seen.wire, lang, catalog),
        "removed_on": stay.removed_on.isoformat() if stay and stay.removed_on else None,
        "held": stay is not None and stay.held,
    }
    if cause is not None:
        view["cause"] = summary(cause, lang, catalog)
    return view


def catalog_view(catalog: Catalog, lang: str) -> dict[str, Any]:
    """Return what menus offer: actions, kinds, categories and types with their names in a language."""
    actions = [
        {"name": one.name, "kind": one.kind, "category": one.category, "label": one.label.get(lang, one.label["en"])}
        for one in catalog.values()
    ]
    return {
        "actions": actions,
        "kinds": [{"value": kind, "label": kind_label(kind, lang)} for kind in KINDS],
        "categories": [{"value": one, "label": category_label(one, lang)} for one in catalog.categories()],
        "types": [{"value": one, "label": type_label(one, lang)} for one in catalog.resource_types()],
        "outcomes": [{"value": one, "label": outcome_label(one, lang)} for one in OUTCOMES],
        "severities": [{"value": one, "label": severity_label(one, lang)} for one in SEVERITIES],
    }


def facet_label(field: str, one: Facet, lang: str, catalog: Catalog) -> str:
    """Return what a menu calls a value of a facet; values that name themselves keep their label."""
    value, label = one.value, one.label
    if field == "actor" and one.group == "anonymous" and label == value:
        return actor_label(one.group, lang)
    if field == "action":
        declared = catalog.get(value)
        return declared.label.get(lang, declared.label["en"]) if declared else label
    named = {
        "kind": kind_label,
        "category": category_label,
        "type": type_label,
        "outcome": outcome_label,
        "severity": severity_label,
        "via": source_label,
    }.get(field)
    return named(value, lang) if named else label


def _labels(entry: Entry, lang: str) -> dict[str, str]:
    """Return what is called how: changed and compared fields, `related.<rel>`, `details.<name>`, `moved.<name>`."""
    details = entry.details or {}
    compared = details.get("fields")
    # Details are the host's own: what looks like a comparison may be anything.
    named = [one.get("path") for one in compared if isinstance(one, dict)] if isinstance(compared, list) else []
    paths = [change.path for change in entry.changes] + [path for path in named if isinstance(path, str)]
    fields = {path: field_label(path, lang) for path in paths}
    rels = {f"related.{one.rel}": detail_label(one.rel, lang) for one in entry.related}
    moved = details.get("moved")
    along = {f"moved.{name}": detail_label(name, lang) for name in moved} if isinstance(moved, dict) else {}
    return {**fields, **rels, **along, **{f"details.{name}": detail_label(name, lang) for name in details}}


def values(wire: dict[str, Any], lang: str, catalog: Catalog) -> dict[str, dict[str, str]]:
    """Return what codes are called, by the path of the field or `details.<name>` that holds them.

    Args:
        wire: The entry as its viewer sees it: what is hidden is not named either.
    """
    details = wire.get("details", {})
    held = [(f"details.{name}", value) for name, value in details.items()]
    held += [(one["path"], one.get(side)) for one in wire.get("changes", ()) for side in _SIDES]
    compared = details.get("fields")
    if isinstance(compared, list):
        # Details are the host's own: what looks like a comparison may be anything.
        fields = [one for one in compared if isinstance(one, dict) and isinstance(one.get("path"), str)]
        held += [(one["path"], one.get(side)) for one in fields for side in ("survivor", "absorbed")]
    called: dict[str, dict[str, str]] = {}
    for path, value in held:
        name = path.removeprefix("details.")
        for code in value if isinstance(value, list | tuple) else (value,):
            said = _code(name, code, lang, catalog) if isinstance(code, str) else None
            if said is not None and said != code:
                called.setdefault(path, {})[code] = said
    return called


def _code(name: str, code: str, lang: str, catalog: Catalog) -> str | None:
    """Return what a code is called; an action is called what the catalog calls it."""
    declared = catalog.get(code) if name in _OF_ACTIONS else None
    if declared is not None:
        return declared.label.get(lang, declared.label["en"])
    # A comparison tells since when something was so: the code, and a day.
    head, space, rest = code.partition(" ")
    said = value_label(name, head, lang)
    # Isolated, so that the parts of the day keep their order beside letters that run to the left.
    return f"{said}{space}\u2066{rest}\u2069" if said is not None and rest else said


def _words(seen: Seen, lang: str, catalog: Catalog) -> dict[str, Any]:
    said = sentence(seen.entry, lang, catalog)
    line = second_line(seen.shown, lang, catalog)
    second: dict[str, Any] = {"form": line.form}
    if line.text:
        second["text"] = line.text
    if line.summary is not None and any(part.type in {"date", "time"} for part in line.summary.parts.values()):
        second["summary"] = msgspec.to_builtins(line.summary)
    if line.changes:
        # The covers of hidden values are markers again here, so that the page shows them as what they are.
        second["changes"] = [
            {
                **_bare(msgspec.to_builtins(one)),
                **{side: HIDDEN for side in ("before", "after") if getattr(change, side) == HIDDEN},
                "class": one.class_,
            }
            for one, change in zip(line.changes, seen.shown.changes, strict=False)
        ]
        second["more"] = line.more
    return {
        "sentence": {"template": said.template, "parts": msgspec.to_builtins(said.parts)},
        "second": second,
    }


def _bare(change: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in change.items() if name != "class_" and value is not None and value != ()}
