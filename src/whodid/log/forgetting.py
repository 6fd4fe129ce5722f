"""One step of a purge: what may go, what is said about it, and removing it in the transaction that says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from time import monotonic
from typing import Any, NamedTuple

import msgspec

from whodid import canonical, sequence
from whodid.log.commit import Receipt
from whodid.log.proving import Prover
from whodid.model import Content, Event
from whodid.proof import leaf, tree
from whodid.proof.seal import Seal
from whodid.sequence import Batch, Head
from whodid.store.base import Known, Store

__all__ = ["Forgotten", "Making", "forget"]


class Forgotten(NamedTuple):
    """What one step of a purge did.

    Args:
        entries: How many entries lost their content.
        first: Index below which no content is left.
        receipt: The place of the record of it.
        seconds: How long writers waited for it, at most.
    """

    entries: int
    first: int
    receipt: Receipt
    seconds: float


class Making(NamedTuple):
    """How the record of a purge is made.

    Args:
        check: Makes content of an event, as intake does.
        clock: Returns now, UTC.
        seed: Fresh random bytes, `leaf.SEED_SIZE`.
    """

    check: Callable[[Event], Content]
    clock: Callable[[], datetime]
    seed: bytes


def forget(
    store: Store,
    prover: Prover,
    ranges: Sequence[range],
    event: Event,
    making: Making,
    *,
    still: Callable[[], bool],
) -> Forgotten | None:
    """Remove the content of entries and record it; see `Log.forget`.

    Args:
        prover: Of the workspace.
        event: The `audit.purged` event.

    Returns:
        What was done, or None when nothing was left to remove or it may not be removed any more.
    """
    workspace, head = prover.workspace, prover.head
    gone = _removable(store, prover, ranges)
    if not gone:
        return None
    # The newest signed head must stay provable, so it may not end inside a tile that goes.
    prover.checkpoint()
    entries = sum(len(one) for one in gone)
    first = _first_after(store, prover, gone)
    said: dict[str, Any] = {
        "entries": entries,
        "first": first,
        "before": head.first,
        "ranges": [[one.start, one.stop] for one in gone],
        "root": tree.root_at(first, prover.hashes).hex(),
        **_last_seal(store, prover, first),
    }
    content = making.check(msgspec.structs.replace(event, details={**(event.details or {}), **said}))
    ready = sequence.prepare(content, making.seed, leaf.PURGE)

    def assemble(head: Head | None, _: Known) -> Batch | None:
        if head is None or not still():
            return None
        return sequence.assemble(msgspec.structs.replace(head, first=max(head.first, first)), (ready,), making.clock())

    begun = monotonic()
    batch = store.forget(workspace, gone, assemble)
    took = monotonic() - begun
    if batch is None:
        return None
    row = batch.rows[0]
    receipt = Receipt(id=content.id, index=row.index, recorded_at=canonical.from_micros(row.recorded_at))
    return Forgotten(entries, batch.head.first, receipt, took)


def _last_seal(store: Store, prover: Prover, first: int) -> dict[str, Any]:
    """Return the newest seal whose segment goes as a whole now, with its path in the tree as it is; hexadecimal.

    The path is frozen here because the tile that its leaf stands in may go with the same step or a later one.
    """
    passed = [one for one in store.seals(prover.workspace) if Seal.decode(one.seal).stop <= first]
    if not passed or Seal.decode(passed[-1].seal).stop <= prover.head.first:
        return {}
    index, size = passed[-1].index, prover.head.size
    (leaf_hash,) = prover.hashes([(0, index)])
    return {
        "seal": {
            "segment": passed[-1].number,
            "seal": passed[-1].seal.hex(),
            "index": index,
            "leaf": leaf_hash.hex(),
            "size": size,
            "path": [one.hex() for one in tree.inclusion_proof(index, size, prover.hashes)],
        }
    }


def _removable(store: Store, prover: Prover, ranges: Sequence[range]) -> list[range]:
    """Cut ranges down to entries that have content and may go."""
    size = prover.head.size
    present = [kept for one in ranges for kept in store.read(prover.workspace, one.start, min(one.stop, size))]
    wanted = {kept.index for kept in present}
    first = _first_after(store, prover, ranges)
    wanted -= {kept.index for kept in present if kept.kind in {leaf.PURGE, leaf.SEAL} and kept.index >= first}
    return sequence.runs(sorted(wanted))


def _first_after(store: Store, prover: Prover, gone: Sequence[range]) -> int:
    """Return the lowest index that keeps its content when the ranges are gone."""
    at, size = prover.head.first, prover.head.size
    for one in sorted(gone, key=lambda one: one.start):
        kept = next(store.read(prover.workspace, at, max(at, one.start)), None)
        if kept is not None:
            return kept.index
        at = max(at, one.stop)
    kept = next(store.read(prover.workspace, at, size), None)
    return size if kept is None else kept.index
