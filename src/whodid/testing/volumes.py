"""The part of the store promise that is about volumes."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from whodid import sequence
from whodid.proof import leaf
from whodid.sequence import Batch, Head
from whodid.store.base import Known, Store
from whodid.store.memory import MemoryStore
from whodid.store.moving import Mark, Piece
from whodid.testing.world import EPOCH, append, bind_next, close, content, prepared, seal_next

__all__ = ["VolumeContract"]


class VolumeContract:
    """Segments that are bound under one index."""

    def test_a_volume_is_kept_with_its_index(self, store: Store) -> None:
        """Volume, salt and index come back as they were written, with the entry that carries the volume, once."""
        assert store.volumes("nobody") == []
        assert store.volume_postings("nobody", 0) is None
        assert store.second("nobody", 0) is None
        _sealed(store, 2)
        assert store.second("w", 0) is not None
        assert store.second("w", 0) != store.second("w", 1)
        batch = bind_next(store, "w")
        assert batch is not None
        assert batch.bound is not None
        assert bind_next(store, "w") is None
        assert store.volumes("w") == [batch.bound]
        assert store.volumes("w")[0].salt is not None
        assert store.volumes("other") == []
        assert store.volume_postings("w", 0) == batch.postings
        assert store.volume_postings("w", 1) is None
        assert store.volume_postings("other", 0) is None
        assert [store.second("w", number) for number in (0, 1)] == [None, None], "they have served"
        kept = store.get("w", batch.bound.index)
        assert kept is not None
        assert kept.kind == leaf.SEAL
        assert store.head("w") == batch.head
        assert batch.head.unbound.first == 2
        assert list(store.check("w")) == []

    def test_the_index_of_a_volume_goes_with_its_first_segment_and_the_volume_stays(self, store: Store) -> None:
        """So do the second tags of a segment that is not bound yet; the next volume keeps what it has."""
        _sealed(store, 2)
        bind_next(store, "w")
        _sealed(store, 3, first=100)
        bind_next(store, "w")
        _sealed(store, 2, first=200)
        starts = {one.number: one.start for one in store.segments("w")}
        _purge(store, starts[1] - 1, 9_000)
        assert [one.salt is None for one in store.volumes("w")] == [False, False]
        _purge(store, starts[1], 9_001)
        before = store.volumes("w")
        assert [one.salt is None for one in before] == [True, False]
        assert [store.volume_postings("w", number) is None for number in (0, 1)] == [True, False]
        _purge(store, starts[6], 9_002)
        assert [one.salt is None for one in store.volumes("w")] == [True, True]
        assert [one.volume for one in store.volumes("w")] == [one.volume for one in before]
        assert store.volume_postings("w", 1) is None
        assert store.second("w", 5) is None
        assert store.second("w", 6) is not None
        assert list(store.check("w")) == []

    def test_volumes_come_along_from_another_store(self, store: Store) -> None:
        """With their indexes, or without, and with the second tags that are not bound yet."""
        other = MemoryStore()
        _sealed(other, 2)
        bind_next(other, "w")
        _sealed(other, 2, first=100)
        bind_next(other, "w")
        _sealed(other, 1, first=200)
        _purge(other, other.segments("w")[1].start, 9_000)
        head = other.head("w")
        volumes = tuple((one, other.volume_postings("w", one.number)) for one in other.volumes("w"))
        second = {4: other.second("w", 4) or b""}
        assert store.swap_mark(None, Mark("arriving", "token", "elsewhere"))
        assert store.adopt("w", Piece(second=second, volumes=volumes, head=head), None, None)
        assert store.swap_mark(store.mark(), None)
        assert store.volumes("w") == other.volumes("w")
        assert [one.salt is None for one in store.volumes("w")] == [True, False]
        assert [store.volume_postings("w", number) for number in (0, 1)] == [None, volumes[1][1]]
        assert [store.second("w", number) for number in (3, 4)] == [None, second[4]]


def _sealed(store: Store, count: int, first: int = 0) -> None:
    """Append, close and seal segments of ten entries."""
    for number in range(count):
        append(store, "w", prepared(first + 10 * number, 10))
        close(store, "w")
        seal_next(store, "w", EPOCH + timedelta(days=30))


def _purge(store: Store, first: int, number: int) -> Batch | None:
    """Remove everything below an index."""
    record = sequence.prepare(content(number), b"\1" * 32, leaf.PURGE)

    def assemble(head: Head | None, known: Known) -> Batch | None:
        assert head is not None
        return sequence.assemble(msgspec.structs.replace(head, first=first), [record], EPOCH)

    return store.forget("w", [range(first)], assemble)
