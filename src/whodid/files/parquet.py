"""Entries as Apache Parquet, for analysis and archives.

The only file that imports pyarrow. A pure renderer: entries in, bytes out, one row group at a time, so memory does
not grow with the number of entries. The columns have the names of the CSV export, with types: instants are
microseconds in UTC, `related` and `changes` are lists of structs; values that may be any JSON (`before`, `after`,
`details` …) are JSON text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from msgspec import UNSET

from whodid.canonical import encode
from whodid.errors import InvalidSetting
from whodid.files.handed import Handed
from whodid.model import Change, Context, Entry

__all__ = ["ROW_GROUP", "read_ids", "render", "require"]

ROW_GROUP = 10_000

_NO_CONTEXT = Context()


def render(
    entries: Iterable[Entry], metadata: dict[str, str] | None = None, *, columns: Sequence[str] = ()
) -> Iterator[bytes]:
    """Write entries as one Parquet file.

    Args:
        entries: Consumed once, `ROW_GROUP` at a time.
        metadata: Key-value pairs for the footer (workspace, query …).
        columns: Some of the columns in the order wanted; all when empty.

    Returns:
        The bytes of the file in pieces; the last piece holds the footer, without which the file cannot be opened.

    Raises:
        InvalidSetting: pyarrow is not installed.
    """
    require()
    import pyarrow as pa
    import pyarrow.parquet as pq

    text, names = pa.string(), pa.dictionary(pa.int32(), pa.string())
    at = pa.timestamp("us", tz="UTC")
    related = pa.list_(pa.struct([("type", text), ("id", text), ("rel", text), ("name", text)]))
    changes = pa.list_(
        pa.struct(
            [(name, text) for name in ("path", "op", "class", "before", "after", "added", "removed")]
            + [(name, text) for name in ("before_fp", "after_fp", "from")]
        )
    )
    schema = pa.schema(
        [
            ("index", pa.int64()),
            ("id", text),
            ("occurred_at", at),
            ("recorded_at", at),
            ("actor_type", names),
            ("actor_id", text),
            ("actor_name", text),
            ("actor_email", text),
            ("actor_role", names),
            ("on_behalf_of", text),
            ("action", names),
            ("kind", names),
            ("severity", names),
            ("outcome", names),
            ("resource_type", names),
            ("resource_id", text),
            ("resource_name", text),
            ("related", related),
            ("changes", changes),
            ("reason_code", text),
            ("reason_text", text),
            ("cause", text),
            ("batch", text),
            ("source", names),
            ("ip", text),
            ("forwarded_ip", text),
            ("user_agent", text),
            ("country", names),
            ("city", text),
            ("request", text),
            ("session", text),
            ("details", text),
            ("marks", pa.list_(text)),
            ("workspace", names),
        ],
        metadata=metadata,
    )
    if columns:
        schema = pa.schema([schema.field(name) for name in columns], metadata=metadata)
    sink = Handed()
    source = iter(entries)
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd", version="2.6") as writer:
        while rows := [_row(entry) for entry in islice(source, ROW_GROUP)]:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema), row_group_size=ROW_GROUP)
            yield sink.take()
    yield sink.take()


def read_ids(file: bytes) -> list[str]:
    """Return the ids of the entries in a file that `render` wrote; none for anything else.

    Raises:
        InvalidSetting: pyarrow is not installed.
    """
    require()
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found: list[str] = pq.read_table(pa.BufferReader(file), columns=["id"]).column("id").to_pylist()
    except (pa.ArrowException, KeyError):
        return []
    return found


def require() -> None:
    """Insist on what Parquet needs.

    Raises:
        InvalidSetting: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise InvalidSetting(
            "Parquet needs pyarrow, which is not installed", "Run: pip install 'whodid[parquet]'"
        ) from None


def _row(entry: Entry) -> dict[str, Any]:
    actor, resource, reason = entry.actor, entry.resource, entry.reason
    context = entry.context or _NO_CONTEXT
    return {
        "index": entry.index,
        "id": entry.id,
        "occurred_at": entry.occurred_at,
        "recorded_at": entry.recorded_at,
        "actor_type": actor.type,
        "actor_id": actor.id,
        "actor_name": actor.name,
        "actor_email": actor.email,
        "actor_role": actor.role,
        "on_behalf_of": None if actor.on_behalf_of is None else _json(actor.on_behalf_of),
        "action": entry.action,
        "kind": entry.kind,
        "severity": entry.severity,
        "outcome": entry.outcome,
        "resource_type": resource.type,
        "resource_id": resource.id,
        "resource_name": resource.name,
        "related": [{"type": r.type, "id": r.id, "rel": r.rel, "name": r.name} for r in entry.related],
        "changes": [_change(change) for change in entry.changes],
        "reason_code": reason.code if reason else None,
        "reason_text": reason.text if reason else None,
        "cause": entry.cause,
        "batch": entry.batch,
        "source": context.source,
        "ip": context.ip,
        "forwarded_ip": context.forwarded_ip,
        "user_agent": context.user_agent,
        "country": context.country,
        "city": context.city,
        "request": context.request,
        "session": context.session,
        "details": None if entry.details is None else _json(entry.details),
        "marks": list(entry.marks),
        "workspace": entry.workspace,
    }


def _change(change: Change) -> dict[str, str | None]:
    return {
        "path": change.path,
        "op": change.op,
        "class": change.class_,
        "before": None if change.before is UNSET else _json(change.before),
        "after": None if change.after is UNSET else _json(change.after),
        "added": None if change.added is UNSET else _json(change.added),
        "removed": None if change.removed is UNSET else _json(change.removed),
        "before_fp": change.before_fp,
        "after_fp": change.after_fp,
        "from": change.from_,
    }


def _json(value: object) -> str:
    return encode(value).decode()
