"""Entries as CSV for spreadsheets and people.

A pure renderer: entries in, bytes out, one row per entry. RFC 4180 with every cell quoted, CRLF, UTF-8, instants in
UTC. A cell that a spreadsheet could take for a formula begins with an apostrophe, so CSV is for reading; NDJSON is
exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from whodid.canonical import encode, time_text
from whodid.model import Context, Entry

__all__ = ["COLUMNS", "render"]

COLUMNS = (
    "index",
    "id",
    "occurred_at",
    "recorded_at",
    "actor_type",
    "actor_id",
    "actor_name",
    "actor_email",
    "actor_role",
    "on_behalf_of",
    "action",
    "kind",
    "severity",
    "outcome",
    "resource_type",
    "resource_id",
    "resource_name",
    "related",
    "changes",
    "reason_code",
    "reason_text",
    "cause",
    "batch",
    "source",
    "ip",
    "forwarded_ip",
    "user_agent",
    "country",
    "city",
    "request",
    "session",
    "details",
    "marks",
    "workspace",
)
"""The columns, in this order for good: a new one is only ever added at the end.

`on_behalf_of`, `related`, `changes` and `details` hold compact JSON, `marks` holds words separated by spaces, and a
cell is empty where the entry has no such value.
"""

BOM = b"\xef\xbb\xbf"

# What starts a formula in a spreadsheet, with the forms that an import folds to the same sign (NFKC: superscript,
# subscript, small, full-width), the minus sign, and the controls that make some spreadsheets look past them.
_FORMULA = frozenset("=+-@\t\r\n\u207a\u207c\u208a\u208c\u2212\ufb29\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20")
# Blank or invisible characters in front of a sign do not stop every spreadsheet.
_SPACES = " \u00a0\u3000\ufeff"
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069"
_SKIPPED = _SPACES + _INVISIBLE
_SUSPECT = _FORMULA.union(_SKIPPED)

_NO_CONTEXT = Context()


def render(entries: Iterable[Entry], *, bom: bool = False, columns: Sequence[str] = ()) -> Iterator[bytes]:
    """Write entries as CSV.

    Args:
        entries: Consumed once, one at a time.
        bom: Begin with a byte order mark, for programs that otherwise guess the encoding.
        columns: Some of `COLUMNS` in the order wanted; all when empty.

    Returns:
        The header row, then one row per entry, each with its line end.
    """
    yield (BOM if bom else b"") + _line(columns or COLUMNS)
    if not columns:
        for entry in entries:
            yield _line(_cells(entry))
        return
    places = [COLUMNS.index(name) for name in columns]
    for entry in entries:
        cells = _cells(entry)
        yield _line([cells[place] for place in places])


def _line(cells: Iterable[str]) -> bytes:
    # Most cells need nothing, and a call for each would take as long as all the rest.
    guarded = [_guard(cell) if cell and (cell[0] in _SUSPECT or '"' in cell) else cell for cell in cells]
    return ('"' + '","'.join(guarded) + '"\r\n').encode()


def _guard(cell: str) -> str:
    if cell[0] in _FORMULA or cell.lstrip(_SKIPPED)[:1] in _FORMULA:
        cell = "'" + cell
    return cell.replace('"', '""')


def _cells(entry: Entry) -> tuple[str, ...]:
    actor, resource, reason = entry.actor, entry.resource, entry.reason
    context = entry.context or _NO_CONTEXT
    return (
        str(entry.index),
        entry.id,
        time_text(entry.occurred_at),
        time_text(entry.recorded_at),
        actor.type,
        actor.id,
        actor.name or "",
        actor.email or "",
        actor.role or "",
        _json(actor.on_behalf_of),
        entry.action,
        entry.kind,
        entry.severity,
        entry.outcome,
        resource.type,
        resource.id,
        resource.name or "",
        _json(entry.related),
        _json(entry.changes),
        (reason.code or "") if reason else "",
        (reason.text or "") if reason else "",
        entry.cause or "",
        entry.batch or "",
        context.source or "",
        context.ip or "",
        context.forwarded_ip or "",
        context.user_agent or "",
        context.country or "",
        context.city or "",
        context.request or "",
        context.session or "",
        _json(entry.details),
        " ".join(entry.marks),
        entry.workspace,
    )


def _json(value: object) -> str:
    return "" if value is None or value == () else encode(value).decode()
