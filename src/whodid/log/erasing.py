"""Erasing fields of entries: their values and their salts go, every leaf stays what it was.

One transaction puts what stays of each entry in the place of the entry, and appends the record that names the fields.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from whodid import canonical, sequence
from whodid.errors import StoreUnavailable
from whodid.log.commit import Receipt
from whodid.model import Content, Entry, Event
from whodid.proof import leaf
from whodid.sequence import Batch, Head, Row
from whodid.store.base import Kept, Known, Store, restore

__all__ = ["Erasure", "erase"]

_TRIES = 5


class Erasure(NamedTuple):
    """What one step of an erasure did.

    Args:
        entries: How many entries lost fields.
        fields: How many fields they lost.
        receipt: The place of the record of it.
    """

    entries: int
    fields: int
    receipt: Receipt


class _Wanted(NamedTuple):
    kept: Kept
    entry: Entry
    paths: tuple[str, ...]


def erase(
    store: Store,
    workspace: str,
    paths: Mapping[int, Collection[str]],
    event: Event,
    *,
    check: Callable[[Event], Content],
    clock: Callable[[], datetime],
    draw: Callable[[int], bytes],
) -> Erasure | None:
    """Erase fields of entries; see `Log.erase`.

    Args:
        check: Completes the event of the record.
        clock: Returns now, UTC.
        draw: Returns that many random bytes.
    """
    for _ in range(_TRIES):
        wanted = _wanted(store, workspace, paths)
        if not wanted:
            return None
        fields = sum(len(one.paths) for one in wanted)
        gone = sequence.runs([one.kept.index for one in wanted])
        details = {
            **(event.details or {}),
            "entries": len(wanted),
            "ranges": [[run.start, run.stop] for run in gone],
            "fields": _grouped(wanted),
        }
        content = check(replace(event, details=details))
        ready = sequence.prepare(content, draw(leaf.SEED_SIZE), leaf.ERASURE)

        # Bound now: the function is called before the next round, whatever the linter fears.
        def assemble(
            head: Head | None, known: Known, wanted: list[_Wanted] = wanted, ready: sequence.Prepared = ready
        ) -> Batch | None:
            if head is None:
                return None
            if any(known.get(one.kept.id) != one.kept for one in wanted):
                return None  # purged or erased meanwhile: the record would say what is not so
            batch = sequence.assemble(head, (ready,), clock())
            return batch._replace(
                rewritten=tuple([_row(one, head.size, canonical.from_micros(batch.head.recorded_at)) for one in wanted])
            )

        batch = store.forget(workspace, gone, assemble, [one.kept.id for one in wanted])
        if batch is not None:
            row = batch.rows[0]
            at = canonical.from_micros(row.recorded_at)
            receipt = Receipt(id=str(UUID(bytes=row.id)), index=row.index, recorded_at=at)
            return Erasure(len(wanted), fields, receipt)
    raise StoreUnavailable("The entries change while they are erased", "Erase again; what is done stays done")


def _wanted(store: Store, workspace: str, paths: Mapping[int, Collection[str]]) -> list[_Wanted]:
    """Return the entries that still have one of the fields, each with those that it has."""
    found = []
    for index in sorted(paths):
        kept = store.get(workspace, index)
        if kept is None:
            continue
        entry = restore(kept, workspace)
        left = canonical.without(entry, paths[index], record=0, at=entry.recorded_at)
        before = entry.erased.paths if entry.erased else ()
        gone = tuple(path for path in (left.erased.paths if left.erased else ()) if path not in before)
        if gone:
            found.append(_Wanted(kept, entry, gone))
    return found


def _row(one: _Wanted, record: int, at: datetime) -> Row:
    """Return what takes the place of an entry."""
    listed = canonical.fields(one.entry)
    gone = frozenset(path.encode() for path in one.paths)
    secret = leaf.puncture(leaf.openings(one.kept.seed, listed), listed, gone)
    return sequence.rewritten(canonical.without(one.entry, one.paths, record=record, at=at), one.kept.kind, secret)


def _grouped(wanted: Sequence[_Wanted]) -> dict[str, list[list[int]]]:
    """Write which fields went where: for each set of fields, in their order, ranges of indexes."""
    grouped: dict[str, list[int]] = {}
    for one in wanted:
        grouped.setdefault(" ".join(one.paths), []).append(one.kept.index)
    return {paths: [[run.start, run.stop] for run in sequence.runs(indexes)] for paths, indexes in grouped.items()}
