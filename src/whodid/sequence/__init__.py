"""The one way from content to a place: (head, content, now) → batch.

Pure. The store calls the assembling function inside its own transaction, perhaps more than once, so nothing here keeps
state, reads a clock or draws a random number. `prepare` does whatever does not depend on the place, outside that
transaction; `assemble` does the rest.

A segment ends at UTC midnight, when it is full, or on demand (`close`); the next one begins only with the salt that a
seal committed to, so no segment begins before the one before the present one is sealed. Until then the present one
stays open: nothing ever waits for a seal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from whodid import canonical
from whodid.model import Content, Entry
from whodid.proof import leaf, tree
from whodid.proof.seal import NOTHING, origin_id, salt_commitment
from whodid.query import Shape, shape_of, words
from whodid.sequence.parts import Binding, Bound, Head, Sealed, Sealing, Segment, Unbound

__all__ = [
    "DAY",
    "SEGMENT_ENTRIES",
    "Batch",
    "Binding",
    "Bound",
    "Head",
    "Prepared",
    "Row",
    "Sealed",
    "Sealing",
    "Segment",
    "Unbound",
    "assemble",
    "begin",
    "bind",
    "close",
    "due",
    "prepare",
    "recorded_at",
    "rewritten",
    "row_of",
    "runs",
    "seal",
]

SEGMENT_ENTRIES = 65_536
DAY = 86_400_000_000  # in microseconds


class Prepared(Struct, frozen=True, gc=False):
    """Content with everything that does not depend on its place.

    Args:
        kind: Leaf kind.
        seed: Random bytes from which the salts of the fields come.
    """

    content: Content
    kind: int
    id: bytes
    occurred_at: int
    shape: Shape
    actor: str
    touched: tuple[str, ...]
    text: str
    seed: bytes
    payload: bytes
    root: bytes
    tags: tuple[tuple[int, bytes], ...]


class Row(Struct, frozen=True, gc=False):
    """An entry as a store takes it.

    Args:
        kind: Leaf kind.
        id: The event id, 16 bytes.
        occurred_at: Microseconds since 1970.
        recorded_at: Microseconds since 1970.
        shape: What roll-ups count by.
        actor: Id of the actor.
        touched: Ids of the resource and of the related resources, without repeats.
        text: Tokens for the full-text index, separated by spaces.
        seed: Random bytes, never disclosed, or what stays of them (`leaf.puncture`).
        payload: What `canonical.payload` returned.
    """

    index: int
    kind: int
    id: bytes
    occurred_at: int
    recorded_at: int
    shape: Shape
    actor: str
    touched: tuple[str, ...]
    text: str
    seed: bytes
    payload: bytes


class Batch(NamedTuple):
    """What one transaction writes for one workspace.

    Args:
        rows: New entries with consecutive indexes.
        nodes: Hashes that the tiles gain.
        head: The head after them.
        opened: Segments that began within these rows.
        rewritten: What takes the place of entries whose content goes in the same transaction, each at its own index.
        sealed: The seal that one of these rows carries, if any does.
        postings: The stored index of the sealed segment, or of the bound volume.
        second: The second tags of the sealed segment, in the order of its index; kept until it is bound.
        bound: The volume that one of these rows carries, if any does.
    """

    rows: tuple[Row, ...]
    nodes: tuple[tree.Nodes, ...]
    head: Head
    opened: tuple[Segment, ...]
    rewritten: tuple[Row, ...] = ()
    sealed: Sealed | None = None
    postings: bytes = b""
    second: bytes = b""
    bound: Bound | None = None


def prepare(content: Content, seed: bytes, kind: int = leaf.EVENT, payload: bytes | None = None) -> Prepared:
    """Do for an entry what does not depend on its place.

    Args:
        content: Checked content.
        seed: Fresh random bytes, `leaf.SEED_SIZE`.
        kind: Leaf kind.
        payload: Its `canonical.payload`, from whoever has it already.

    Returns:
        A value that `assemble` can place, in any batch.
    """
    return Prepared(
        content,
        kind,
        bytes.fromhex(content.id.replace("-", "")),
        canonical.micros(content.occurred_at),
        shape_of(content),
        content.actor.id,
        _touched(content),
        " ".join(words(content)),
        seed,
        canonical.payload(content) if payload is None else payload,
        canonical.content_root(content, seed),
        tuple(canonical.tag_values(content)),
    )


def rewritten(entry: Entry, kind: int, secret: bytes) -> Row:
    """Return the row that takes the place of an entry when a part of its content was erased.

    Args:
        entry: What stays of it.
        kind: Its leaf kind.
        secret: What stays of its seed (`leaf.puncture`).

    Returns:
        A row with the index and the times of the entry; its leaf is not computed again, because it does not change.
    """
    return row_of(entry, kind, secret, canonical.payload(entry))


def row_of(entry: Entry, kind: int, secret: bytes, payload: bytes) -> Row:
    """Return the row of an entry that has its place already.

    Args:
        kind: Its leaf kind.
        secret: Its seed, or what stays of it.
        payload: Its content, as it is kept.
    """
    return Row(
        entry.index,
        kind,
        bytes.fromhex(entry.id.replace("-", "")),
        canonical.micros(entry.occurred_at),
        canonical.micros(entry.recorded_at),
        shape_of(entry),
        entry.actor.id,
        _touched(entry),
        " ".join(words(entry)),
        secret,
        payload,
    )


def begin(deployment: str, salts: tuple[bytes, bytes], kind: str = "audit") -> Head:
    """Return the head of a log that has no entry yet.

    Args:
        deployment: First part of the log's origin; never the customer's name, because witnesses see it.
        salts: 32 fresh random bytes for each of the first two segments; the origin commits to them.
        kind: What the log is, as its origin says: `audit`, or `anchors` for the one of the deployment.
    """
    commitments = (salt_commitment(0, salts[0]), salt_commitment(1, salts[1]))
    return Head(
        origin=f"{deployment}/{kind}/{origin_id(*commitments)}",
        size=0,
        root=tree.root(()),
        frontier=(),
        first=0,
        recorded_at=0,
        segment=Segment(number=0, start=0, salt=salts[0]),
        day=0,
        next=salts[1],
        chain=NOTHING,
        commitments=commitments,
    )


def due(head: Head, now: datetime) -> bool:
    """Tell whether the open segment ought to be closed: its day is over or it is full, and it holds something."""
    over = canonical.micros(now) // DAY > head.day or head.size - head.segment.start >= SEGMENT_ENTRIES
    return head.next is not None and not head.bare and over


def close(head: Head, now: datetime) -> Batch | None:
    """Begin the next segment without an entry.

    Returns:
        The batch, or None while nothing can be closed: the segment before is not sealed, or the open one is bare.
    """
    if head.next is None or head.bare:
        return None
    segment = Segment(number=head.segment.number + 1, start=head.size, salt=head.next)
    day = max(canonical.micros(now), head.recorded_at) // DAY
    return Batch((), (), replace(head, segment=segment, day=day, next=None), (segment,))


def seal(head: Head, ready: Prepared, now: datetime, sealing: Sealing) -> Batch | None:
    """Append the entry that seals the segment before the open one.

    Args:
        head: The head under the store's lock.
        ready: The entry, of kind SEAL.
        now: UTC.
        sealing: What the seal says and brings.

    Returns:
        The batch, or None when that segment is sealed already, or its seal does not follow the newest one.
    """
    if head.next is not None or head.segment.number != sealing.number + 1 or head.chain != sealing.previous:
        return None
    if head.unbound.salt not in {None, sealing.volume_salt}:
        return None
    batch = assemble(head, (ready,), now)
    unbound = replace(head.unbound, salt=sealing.volume_salt)
    return batch._replace(
        head=replace(batch.head, next=sealing.salt, chain=sealing.hash, unbound=unbound),
        sealed=Sealed(number=sealing.number, index=head.size, seal=sealing.seal),
        postings=sealing.postings,
        second=sealing.second,
    )


def bind(head: Head, ready: Prepared, now: datetime, binding: Binding) -> Batch | None:
    """Append the entry that binds segments to a volume.

    Args:
        head: The head under the store's lock.
        ready: The entry, of kind SEAL.
        now: UTC.
        binding: What the volume says and brings.

    Returns:
        The batch, or None when another volume holds these segments, or one of them was purged meanwhile.
    """
    unbound = head.unbound
    if (unbound.volumes, unbound.first) != (binding.number, binding.first) or head.first >= binding.least:
        return None
    batch = assemble(head, (ready,), now)
    # A salt serves one volume; that of the second tags still waits where another one was taken, or none.
    salt = None if binding.salt == unbound.salt else unbound.salt
    following = Unbound(
        volumes=binding.number + 1, first=binding.last + 1, start=binding.stop, chain=binding.hash, salt=salt
    )
    return batch._replace(
        head=replace(batch.head, unbound=following),
        postings=binding.postings,
        bound=Bound(
            number=binding.number, index=head.size, volume=binding.volume, first=binding.first, salt=binding.salt
        ),
    )


def recorded_at(head: Head, now: datetime) -> int:
    """Return when what comes after a head is recorded, in microseconds since 1970.

    A clock that went back does not show: that is never earlier than the newest entry's, because verifiers demand that
    it does not decrease along the index.
    """
    return max(canonical.micros(now), head.recorded_at)


def assemble(head: Head, prepared: Sequence[Prepared], now: datetime) -> Batch:
    """Give prepared content its places at the end of a log.

    Args:
        head: The head under the store's lock.
        prepared: At least one.
        now: UTC.

    Returns:
        The batch that makes `head` its own `batch.head`.
    """
    at = recorded_at(head, now)
    today = at // DAY
    segment, following, day = head.segment, head.next, head.day
    opened: list[Segment] = []
    if head.size == 0:
        opened.append(segment)
    if head.bare:
        day = today
    elif today > day and following is not None:
        segment, following, day = Segment(number=segment.number + 1, start=head.size, salt=following), None, today
        opened.append(segment)
    rows: list[Row] = []
    leaves: list[bytes] = []
    for index, ready in enumerate(prepared, head.size):
        if index - segment.start >= SEGMENT_ENTRIES and following is not None:
            segment, following, day = Segment(number=segment.number + 1, start=index, salt=following), None, today
            opened.append(segment)
        salt = segment.salt
        tags = tuple([_tag(salt, dimension, value) for dimension, value in ready.tags])
        leaves.append(tree.leaf_hash(leaf.Header(ready.kind, at, ready.root, tags).encode()))
        rows.append(
            Row(
                index,
                ready.kind,
                ready.id,
                ready.occurred_at,
                at,
                ready.shape,
                ready.actor,
                ready.touched,
                ready.text,
                ready.seed,
                ready.payload,
            )
        )
    frontier, nodes = tree.extend(head.frontier, head.size, leaves)
    after = Head(
        origin=head.origin,
        size=head.size + len(rows),
        root=tree.root(frontier),
        frontier=frontier,
        first=head.first,
        recorded_at=at,
        segment=segment,
        day=day,
        next=following,
        chain=head.chain,
        commitments=head.commitments,
        unbound=head.unbound,
    )
    return Batch(tuple(rows), tuple(nodes), after, tuple(opened))


def runs(indexes: Iterable[int]) -> list[range]:
    """Join ascending indexes to ranges."""
    found: list[range] = []
    for index in indexes:
        if found and found[-1].stop == index:
            found[-1] = range(found[-1].start, index + 1)
        else:
            found.append(range(index, index + 1))
    return found


def _touched(content: Content) -> tuple[str, ...]:
    touched = [content.resource.id]
    touched.extend(related.id for related in content.related if related.id not in touched)
    return tuple(touched)


# Actors, actions and resources repeat within a segment far more often than not.
_tag = lru_cache(maxsize=8192)(leaf.tag)
