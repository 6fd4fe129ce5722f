"""The register of erasures: who was erased, when and on which request, and what went from which entry.

A backup that is older than an erasure still has the values. The register stands beside the deployment key, apart from
the backups of the database, and says what has to go again. It holds ids and names of fields, and none of the values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from whodid.errors import InvalidSetting
from whodid.log import Log
from whodid.model import Actor, Entry

__all__ = ["ERASURE_RECORD", "Erased", "Gone", "read_erasures", "read_register", "write_register"]

ERASURE_RECORD = "audit.erased"


class Gone(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an entry lost.

    Args:
        id: Of the entry, which stays the same wherever the log is restored.
        paths: Its fields.
    """

    id: str
    paths: tuple[str, ...]


class Erased(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One erasure of a person.

    Args:
        workspace: Whose log.
        erasure: Id that its records have in common.
        person: `type:id`.
        at: When it began.
        actor: Who erased.
        reason: On which request.
        entries: How many entries lost fields.
        fields: How many fields they lost.
        records: Indexes of its records.
        elsewhere: How many things went from other places, by kind.
        gone: What went from which entry, as far as the entries are not purged; empty when not asked for.
    """

    workspace: str
    erasure: str
    person: str
    at: datetime
    actor: Actor
    reason: str
    entries: int = 0
    fields: int = 0
    records: tuple[int, ...] = ()
    elsewhere: dict[str, int] = {}
    gone: tuple[Gone, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Erased).decode


def read_erasures(log: Log, workspace: str, *, whole: bool = False) -> tuple[Erased, ...]:
    """Return the erasures of a workspace whose records are not purged, oldest first.

    Args:
        whole: Whether with what went from which entry, which takes reading all of those.

    Raises:
        NotFound: The workspace has no log.
    """
    log.head(workspace)
    found: dict[str, list[Entry]] = {}
    for record in log.stream(workspace, f"action:{ERASURE_RECORD} outcome:success"):
        key = str((record.details or {}).get("erasure", record.id))
        found.setdefault(key, []).append(record)
    listed = [_erased(log, workspace, key, sorted(records, key=_index), whole=whole) for key, records in found.items()]
    return tuple(sorted(listed, key=lambda one: one.records))


def write_register(erasures: Iterable[Erased]) -> bytes:
    """Write erasures, one per line of JSON."""
    return b"".join(_encode(one) + b"\n" for one in erasures)


def read_register(data: bytes) -> tuple[Erased, ...]:
    """Read what `write_register` wrote.

    Raises:
        InvalidSetting: A line is none of a register.
    """
    found = []
    for number, line in enumerate(data.splitlines(), 1):
        try:
            found.append(_decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidSetting(
                f"Line {number} is no erasure: {error}", "Give a file that `whodid erasures export` wrote"
            ) from None
    return tuple(found)


def _erased(log: Log, workspace: str, key: str, records: list[Entry], *, whole: bool) -> Erased:
    first, details = records[0], [record.details or {} for record in records]
    steps = details if whole else ()
    gone = tuple(one for step in steps for one in _gone(log, workspace, step.get("fields", {})))
    return Erased(
        workspace=workspace,
        erasure=key,
        person=str(details[0].get("subject", "")),
        at=first.occurred_at,
        actor=first.actor,
        reason=(first.reason.text if first.reason is not None else None) or "",
        entries=sum(step.get("entries", 0) for step in details),
        fields=sum(
            len(paths.split()) * (stop - start)
            for step in details
            for paths, ranges in step.get("fields", {}).items()
            for start, stop in ranges
        ),
        records=tuple(record.index for record in records),
        elsewhere={name: count for step in details for name, count in step.get("elsewhere", {}).items()},
        gone=gone,
    )


def _gone(log: Log, workspace: str, fields: Mapping[str, Any]) -> Iterator[Gone]:
    for paths, ranges in fields.items():
        for start, stop in ranges:
            for entry in log.read(workspace, start, stop):
                yield Gone(id=entry.id, paths=tuple(paths.split()))


def _index(entry: Entry) -> int:
    return entry.index
