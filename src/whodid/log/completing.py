"""Answers with proof that nothing is missing, from what a store keeps of sealed segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec import Struct

from whodid.errors import NotFound, Purged
from whodid.log.indexes import segment_index, volume_index
from whodid.log.proving import Prover
from whodid.model import Entry
from whodid.proof import leaf
from whodid.proof.complete import Answer, RangeProof, SegmentAnswer, range_proof
from whodid.proof.index import Index
from whodid.proof.seal import Seal
from whodid.proof.tile import TILE
from whodid.proof.volume import Volume
from whodid.query import parse
from whodid.sequence import Bound, Sealed
from whodid.store.base import Store, restore

__all__ = ["Complete", "Gone", "Headers", "complete", "covering", "headers", "purges"]

_ANY = datetime(1970, 1, 1, tzinfo=UTC)  # the query has no date in it


class Gone(Struct, frozen=True, kw_only=True):
    """An entry whose content left by retention.

    Args:
        record: Index of the entry that records it; None when no record covers it.
    """

    index: int
    record: int | None


class Complete(Struct, frozen=True, kw_only=True):
    """Every entry with a tag in a range, with proof that there are no others.

    Args:
        start: Index from which the answer covers everything: the start of a segment.
        stop: Index up to which it does: the end of a segment.
        answer: The proof.
        seal: The newest seal of the log, on which the answer hangs; prove the entry that carries it.
        volume: The newest volume, likewise, when volumes answer; None when none does.
        gone: Of the entries found, those that have no content any more.
    """

    start: int
    stop: int
    answer: Answer
    seal: Sealed
    volume: Bound | None
    gone: tuple[Gone, ...]


class Headers(Struct, frozen=True, kw_only=True):
    """Every leaf of a range, with proof that they are all.

    Args:
        start: Index of the first.
        headers: Encoded leaf headers; None where the content, and with it the header, is gone.
        hashes: Leaf hashes that stand for the missing headers, in order.
        size: Of the tree that the proof leads to.
        proof: From the leaves to the root.
    """

    start: int
    headers: tuple[bytes | None, ...]
    hashes: tuple[bytes, ...]
    size: int
    proof: RangeProof


def complete(store: Store, prover: Prover, dimension: int, value: bytes, bounds: range) -> Complete:
    """Answer with the sealed segments that a range touches and that still have their index; see `Log.complete`."""
    workspace = prover.workspace
    sealed = [one for one in store.seals(workspace) if one.number < prover.head.sealed]
    seals = {one.number: Seal.decode(one.seal) for one in sealed}
    salts = {segment.number: segment.salt for segment in store.segments(workspace)}
    asked = [
        seal
        for number, seal in seals.items()
        if number in salts and seal.start < bounds.stop and bounds.start < seal.stop
    ]
    if not asked:
        raise NotFound(f"No sealed segment is kept within [{bounds.start}, {bounds.stop})", "Seal the log first")
    volumes = store.volumes(workspace)[: prover.head.unbound.volumes]
    answering = [one for one in map(_Answering.of, volumes) if one.salt and one.within(asked)]
    inner = {number for one in answering for number in one.segments}
    segments = [
        _look_up(segment_index(store, workspace, seal.number), seal.number, salts[seal.number], dimension, value)
        for seal in asked
        if seal.number not in inner
    ]
    bound = [
        _look_up(volume_index(store, workspace, one.number), one.number, one.salt, dimension, value)
        for one in answering
    ]
    first = asked[0].number
    answer = Answer(
        dimension=dimension,
        value=value,
        commitments=prover.head.commitments if any(one.number < 2 for one in segments) else (),
        seals=tuple(one.seal for one in sealed[max(0, first - 2) :]),
        segments=tuple(segments),
        volumes=tuple(one.volume for one in volumes[answering[0].number :]) if answering else (),
        bound=tuple(bound),
    )
    found = sorted(position for one in (*segments, *bound) for position in one.positions)
    return Complete(
        start=asked[0].start,
        stop=asked[-1].stop,
        answer=answer,
        seal=sealed[-1],
        volume=volumes[-1] if answering else None,
        gone=_gone(store, workspace, found),
    )


class _Answering(NamedTuple):
    """A volume that may answer for its segments; without a salt it has no index."""

    number: int
    segments: range
    salt: bytes

    @classmethod
    def of(cls, kept: Bound) -> _Answering:
        volume = Volume.decode(kept.volume)
        return cls(kept.number, range(volume.first, volume.last + 1), kept.salt or b"")

    def within(self, asked: Sequence[Seal]) -> bool:
        """Tell whether it holds nothing but segments that are asked, which have no gap."""
        return asked[0].number <= self.segments.start and self.segments[-1] <= asked[-1].number


def _look_up(index: Index, number: int, salt: bytes, dimension: int, value: bytes) -> SegmentAnswer:
    return SegmentAnswer(number, salt, *index.look_up(leaf.tag(salt, dimension, value)))


def headers(store: Store, prover: Prover, start: int, stop: int) -> Headers:
    """Return every leaf of a range; see `Log.headers`."""
    if 0 <= start < prover.head.first // TILE * TILE:
        raise Purged(start)
    proof = range_proof(start, stop, prover.head.size, prover.hashes)
    found: list[bytes | None] = [None] * (stop - start)
    for kept in store.read(prover.workspace, start, stop):
        found[kept.index - start] = prover.header(kept)[0].encode()
    missing = [(0, start + at) for at, header in enumerate(found) if header is None]
    return Headers(
        start=start,
        headers=tuple(found),
        hashes=tuple(prover.hashes(missing)) if missing else (),
        size=prover.head.size,
        proof=proof,
    )


def _gone(store: Store, workspace: str, found: list[int]) -> tuple[Gone, ...]:
    """Name the entries without content and the record that covers each of them."""
    missing = [index for index in found if store.get(workspace, index) is None]
    if not missing:
        return ()
    records = list(purges(store, workspace))
    return tuple(Gone(index=index, record=covering(index, records)) for index in missing)


def covering(index: int, records: list[Entry]) -> int | None:
    """Find the record that names the entry, or else one that says that everything below a later one is gone."""
    below = None
    for record in records:
        details = record.details or {}
        if any(low <= index < high for low, high in details.get("ranges", ())):
            return record.index
        if index < details.get("first", 0):
            below = record.index
    return below


def purges(store: Store, workspace: str) -> Iterator[Entry]:
    """Iterate over the records of purges, newest first."""
    for kept in store.stream(workspace, parse("action:audit.purged", now=_ANY), 1 << 40):
        if kept.kind == leaf.PURGE:
            yield restore(kept, workspace)
