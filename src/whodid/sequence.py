"""The one way from content to a place: (head, content, now) → batch.

Pure. The store calls the assembling function inside its own transaction, perhaps more than once, so nothing here keeps
state, reads a clock or draws a random number. `prepare` does whatever does not depend on the place, outside that
transaction; `assemble` does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct

from whodid import canonical
from whodid.model import Content
from whodid.proof import leaf, tree
from whodid.query import Shape, shape_of, words

__all__ = [
    "SEGMENT_ENTRIES",
    "Batch",
    "Head",
    "Prepared",
    "Row",
    "Segment",
    "assemble",
    "begin",
    "prepare",
]

SEGMENT_ENTRIES = 65_536
_DAY = 86_400_000_000


class Segment(Struct, frozen=True, kw_only=True):
    """A run of entries whose tags share one salt, closed at UTC midnight or when it is full.

    Args:
        number: Zero-based.
        start: Index of its first entry.
        salt: 32 random bytes.
    """

    number: int
    start: int
    salt: bytes


class Head(Struct, frozen=True, kw_only=True):
    """What the log of a workspace is right now.

    Args:
        origin: Name of the log in its checkpoints.
        size: Number of leaves.
        root: RFC 6962 root of the tree of that size, 32 bytes.
        frontier: Roots of the maximal complete subtrees, largest first.
        first: Index below which all content was purged.
        recorded_at: Microseconds since 1970 of the newest entry; the next is never earlier.
        segment: The open segment.
    """

    origin: str
    size: int
    root: bytes
    frontier: tuple[bytes, ...]
    first: int
    recorded_at: int
    segment: Segment


class Prepared(NamedTuple):
    """Content with everything that does not depend on its place.

    Args:
        kind: Leaf kind.
        seed: 32 random bytes from which the salts of the fields come.
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


class Row(Struct, frozen=True):
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
        seed: 32 bytes, never disclosed.
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
    """

    rows: tuple[Row, ...]
    nodes: tuple[tree.Nodes, ...]
    head: Head
    opened: tuple[Segment, ...]


def prepare(content: Content, seed: bytes, kind: int = leaf.EVENT) -> Prepared:
    """Do for an entry what does not depend on its place.

    Args:
        content: Checked content.
        seed: 32 fresh random bytes.
        kind: Leaf kind.

    Returns:
        A value that `assemble` can place, in any batch.
    """
    touched = [content.resource.id]
    touched.extend(related.id for related in content.related if related.id not in touched)
    return Prepared(
        content=content,
        kind=kind,
        id=bytes.fromhex(content.id.replace("-", "")),
        occurred_at=canonical.micros(content.occurred_at),
        shape=shape_of(content),
        actor=content.actor.id,
        touched=tuple(touched),
        text=" ".join(words(content)),
        seed=seed,
        payload=canonical.payload(content),
        root=canonical.content_root(content, seed),
        tags=tuple(canonical.tag_values(content)),
    )


def begin(origin: str, salt: bytes) -> Head:
    """Return the head of a log that has no entry yet.

    Args:
        origin: `<deployment>/audit/<random id>`; never the customer's name, because witnesses see it.
        salt: 32 fresh random bytes for the first segment.
    """
    segment = Segment(number=0, start=0, salt=salt)
    return Head(origin=origin, size=0, root=tree.root(()), frontier=(), first=0, recorded_at=0, segment=segment)


def assemble(head: Head, prepared: Sequence[Prepared], now: datetime, draw: Callable[[int], bytes]) -> Batch:
    """Give prepared content its places at the end of a log.

    A clock that went back does not show: `recorded_at` is never earlier than the newest entry's, because verifiers
    demand that it does not decrease along the index.

    Args:
        head: The head under the store's lock.
        prepared: At least one.
        now: UTC.
        draw: Returns that many fresh random bytes; called once per new segment.

    Returns:
        The batch that makes `head` its own `batch.head`.
    """
    recorded_at = max(canonical.micros(now), head.recorded_at)
    segment = head.segment
    opened: list[Segment] = []
    if head.size > segment.start and recorded_at // _DAY > head.recorded_at // _DAY:
        segment = Segment(number=segment.number + 1, start=head.size, salt=draw(32))
        opened.append(segment)
    elif head.size == 0:
        opened.append(segment)
    rows: list[Row] = []
    leaves: list[bytes] = []
    for index, ready in enumerate(prepared, head.size):
        if index - segment.start >= SEGMENT_ENTRIES:
            segment = Segment(number=segment.number + 1, start=index, salt=draw(32))
            opened.append(segment)
        salt = segment.salt
        tags = tuple([_tag(salt, dimension, value) for dimension, value in ready.tags])
        leaves.append(tree.leaf_hash(leaf.Header(ready.kind, recorded_at, ready.root, tags).encode()))
        rows.append(
            Row(
                index,
                ready.kind,
                ready.id,
                ready.occurred_at,
                recorded_at,
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
        recorded_at=recorded_at,
        segment=segment,
    )
    return Batch(tuple(rows), tuple(nodes), after, tuple(opened))


# Actors, actions and resources repeat within a segment far more often than not.
_tag = lru_cache(maxsize=8192)(leaf.tag)
