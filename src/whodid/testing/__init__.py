"""For tests of stores and of applications: the store promise as a suite, and content to feed it.

`StoreContract` is what every engine must pass, third parties' too::

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self, tmp_path):
            store = MyStore(tmp_path / "audit.db")
            yield store
            store.close()

Never imported by the package itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise

import msgspec

from whodid import canonical, sequence
from whodid.errors import StoreError, StoreMoved
from whodid.model import Change, Resource
from whodid.proof import leaf, tree
from whodid.proof.tile import node_from_tiles
from whodid.query import Cursor, Query, compile_query, parse
from whodid.sequence import Batch, Head
from whodid.store.base import Known, Store, restore
from whodid.store.memory import MemoryStore
from whodid.store.moving import PROGRESS, Mark, Piece
from whodid.testing.volumes import VolumeContract
from whodid.testing.world import EPOCH, QUESTIONS, append, bind_next, close, content, drawer, prepared, seal_next

__all__ = [
    "EPOCH",
    "QUESTIONS",
    "StoreContract",
    "append",
    "bind_next",
    "close",
    "content",
    "drawer",
    "prepared",
    "seal_next",
]


class StoreContract(VolumeContract):
    """The promise of `Store`, as tests; subclass it and provide a fixture `store`."""

    def test_an_unknown_workspace_is_empty(self, store: Store) -> None:
        """A workspace without a log answers every question, and is not listed."""
        assert store.head("nobody") is None
        assert store.workspaces() == []
        assert store.get("nobody", 0) is None
        assert list(store.read("nobody", 0, 10)) == []
        assert store.find("nobody", Query(), None, 10).entries == ()
        assert store.count("nobody", Query(), 10) == (0, True)
        assert store.facets("nobody", Query(), "actor", 10).values == ()
        assert store.histogram("nobody", Query(), [EPOCH, EPOCH + timedelta(days=1)]).buckets == ({},)
        assert store.tiles("nobody", [(0, 0)]) == [b""]
        assert store.segments("nobody") == []
        assert store.state("nobody", "x") is None

    def test_what_was_appended_is_kept(self, store: Store) -> None:
        """Entries come back byte for byte, by index, by id and in ranges."""
        ready = prepared(0, 700)
        batches = [append(store, "w", ready[:1]), append(store, "w", ready[1:300]), append(store, "w", ready[300:])]

        head = store.head("w")
        assert head == batches[-1].head
        assert head is not None
        assert head.size == 700
        kept = list(store.read("w", 0, 700))
        assert [one.index for one in kept] == list(range(700))
        assert [one.payload for one in kept] == [one.payload for one in ready]
        assert [one.seed for one in kept] == [one.seed for one in ready]
        assert store.get("w", 511) == kept[511]
        assert store.get("w", ready[42].id) == kept[42]
        assert store.get("w", 700) is None
        assert store.workspaces() == ["w"]
        assert restore(kept[7], "w").resource.name == ready[7].content.resource.name
        assert list(store.check("w")) == []

    def test_tiles_hold_the_tree(self, store: Store) -> None:
        """The tiles fold to the root of the head at every size of a growing log."""
        for first, count in ((0, 1), (1, 254), (255, 1), (256, 1), (257, 300), (557, 1000)):
            append(store, "w", prepared(first, count))
            head = store.head("w")
            assert head is not None
            past = node_from_tiles(lambda level, number: store.tiles("w", [(level, number)])[0])
            assert tree.root_at(head.size, past) == head.root

    def test_an_assembly_that_fails_writes_nothing(self, store: Store) -> None:
        """Whatever happens while assembling, the log is as before."""
        append(store, "w", prepared(0, 3))
        before = store.head("w")

        def explode(head: Head | None, known: Known) -> Batch | None:
            raise RuntimeError("assembling failed")

        with suppress(RuntimeError):
            store.append("w", explode)
        assert store.append("w", lambda head, known: None) is None
        assert store.head("w") == before
        append(store, "w", prepared(3, 2))
        assert [one.index for one in store.read("w", 0, 10)] == [0, 1, 2, 3, 4]

    def test_known_ids_are_found_inside_the_transaction(self, store: Store) -> None:
        """The assembling function knows the entries with the ids that were named, in its workspace and in no other."""
        ready = prepared(0, 5)
        append(store, "w", ready)
        seen: list[Known] = []

        def look(head: Head | None, known: Known) -> Batch | None:
            seen.append(known)
            return None

        ids = [ready[2].id, b"\0" * 16]
        store.append("w", look, ids)
        store.append("other", look, ids)
        assert [one.index for one in seen[0].values()] == [2]
        assert seen[1] == {}

    def test_workspaces_do_not_see_one_another(self, store: Store) -> None:
        """The same content in two workspaces gives two logs; each answers for itself alone."""
        append(store, "a", prepared(0, 20))
        append(store, "b", prepared(0, 5))
        assert store.workspaces() == ["a", "b"]
        for workspace, size in (("a", 20), ("b", 5)):
            assert store.count(workspace, Query(), 100) == (size, True)
            assert {one.workspace for one in store.find(workspace, Query(), None, 100).entries} == {workspace}
            assert sum(facet.count for facet in store.facets(workspace, Query(), "actor", 50).values) == size
            assert len(list(store.read(workspace, 0, 1000))) == size
            assert list(store.check(workspace)) == []
        assert store.get("b", 7) is None

    def test_pages_neither_lose_nor_repeat(self, store: Store) -> None:
        """Cursor pages cover all entries once, same microsecond included, while others are recorded."""
        same = EPOCH + timedelta(days=1)
        append(store, "w", prepared(0, 40))
        append(store, "w", prepared(40, 30, occurred_at=same))
        seen: list[int] = []
        cursor: Cursor | None = None
        number = 100
        while True:
            page = store.find("w", Query(), cursor, 7)
            seen.extend(one.index for one in page.entries)
            # Newer and older events arrive between two pages.
            append(store, "w", prepared(number, 2, occurred_at=same + timedelta(days=2)))
            number += 2
            if page.next is None:
                break
            cursor = Cursor.parse(str(page.next))
        wanted = sorted(range(70), key=lambda index: self._place(store, index), reverse=True)
        assert seen == wanted

    @staticmethod
    def _place(store: Store, index: int) -> tuple[int, int]:
        kept = store.get("w", index)
        assert kept is not None
        return kept.occurred_at, index

    def test_every_question_agrees_with_its_meaning(self, store: Store) -> None:
        """Lists, counts, histograms and facets agree with the predicate applied entry by entry."""
        append(store, "w", prepared(0, 300))
        entries = [restore(one, "w") for one in store.read("w", 0, 300)]
        for text in QUESTIONS:
            query = parse(text, now=EPOCH + timedelta(days=30))
            wanted = compile_query(query)
            expected = [one.index for one in entries if wanted(one)]
            found = list(self._all(store, query))
            assert sorted(found) == expected, text
            assert sorted(one.index for one in store.stream("w", query, 300)) == expected, text
            count = store.count("w", query, 10_000)
            assert count.value == len(expected) or (not count.exact and count.value <= len(expected)), text
            edges = [EPOCH + timedelta(hours=5 * step, minutes=20) for step in range(-1, 12)]
            buckets = store.histogram("w", query, edges)
            for (low, high), bucket, denied in zip(pairwise(edges), buckets.buckets, buckets.denied, strict=True):
                inside = [one for one in entries if wanted(one) and low <= one.occurred_at < high]
                assert sum(bucket.values()) == len(inside), text
                assert denied == sum(one.outcome == "denied" for one in inside), text
                for kind, n in bucket.items():
                    assert n == sum(one.kind == kind for one in inside), text
            for field in ("actor", "action", "kind", "category", "type", "outcome", "severity", "via", "resource"):
                facets = store.facets("w", query, field, 500)
                assert sum(facet.count for facet in facets.values) == len(expected), (text, field)

    @staticmethod
    def _all(store: Store, query: Query) -> Iterator[int]:
        cursor: Cursor | None = None
        while True:
            page = store.find("w", query, cursor, 13)
            yield from (one.index for one in page.entries)
            if page.next is None:
                return
            cursor = page.next

    def test_a_purge_removes_content_and_keeps_proofs(self, store: Store) -> None:
        """What is forgotten is gone from every answer; the tree still proves what stays."""
        append(store, "w", prepared(0, 600))
        before = store.head("w")
        assert before is not None
        gone = [range(300), range(310, 320), range(590, 600)]
        record = sequence.prepare(content(9_000), b"\1" * 32, 4)

        def assemble(head: Head | None, known: Known) -> Batch | None:
            assert head is not None
            return sequence.assemble(msgspec.structs.replace(head, first=300), [record], EPOCH + timedelta(days=40))

        batch = store.forget("w", gone, assemble)
        assert batch is not None
        left = [index for index in range(601) if not any(index in one for one in gone)]
        assert [one.index for one in store.read("w", 0, 601)] == left
        assert store.get("w", 5) is None
        assert store.get("w", sequence.prepare(content(5), b"\1" * 32).id) is None
        assert store.count("w", Query(), 1000) == (len(left), True)
        assert sum(facet.count for facet in store.facets("w", Query(), "actor", 50).values) == len(left)
        found = parse("ticket", now=EPOCH)
        assert sorted(self._all(store, found)) == [
            index for index in left if (index == 600 and 9_000 % 3 == 0) or (index < 600 and index % 3 == 0)
        ]
        assert list(store.check("w")) == []
        head = store.head("w")
        assert head is not None
        assert head.first == 300
        assert store.tiles("w", [(0, 0)]) == [b""]
        past = node_from_tiles(lambda level, number: store.tiles("w", [(level, number)])[0])
        assert tree.root_at(head.size, past) == head.root
        for index in (300, 305, 320, 599, 600):
            proof = tree.inclusion_proof(index, head.size, past)
            (leaf_hash,) = past([(0, index)])
            tree.check_inclusion(index, head.size, leaf_hash, proof, head.root)
        tree.check_consistency(
            before.size, head.size, before.root, head.root, tree.consistency_proof(before.size, head.size, past)
        )

    def test_state_changes_only_from_what_it_was(self, store: Store) -> None:
        """Compare-and-set lets one of two writers win."""
        assert store.swap_state("w", "policy", None, b"90")
        assert not store.swap_state("w", "policy", None, b"30")
        assert store.state("w", "policy") == b"90"
        assert store.swap_state("w", "policy", b"90", b"365")
        assert store.state("other", "policy") is None
        assert store.swap_state("w", "policy", b"365", None)
        assert store.state("w", "policy") is None
        assert store.workspaces() == []

    def test_concurrent_appends_leave_no_gap(self, store: Store) -> None:
        """Threads that append at once get consecutive places; nothing is lost or doubled."""
        failures: list[StoreError] = []

        def work(first: int) -> None:
            try:
                for step in range(8):
                    append(store, "w", prepared(first + 10 * step, 10))
            except StoreError as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(1_000 * number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        kept = list(store.read("w", 0, 10_000))
        assert [one.index for one in kept] == list(range(480))
        assert len({one.id for one in kept}) == 480
        assert list(store.check("w")) == []

    def test_segments_keep_their_salts(self, store: Store) -> None:
        """A new day of recording opens a new segment with a salt of its own, once the one before the last is sealed."""
        for day in range(3):
            append(store, "w", prepared(10 * day, 10), EPOCH + timedelta(days=30 + day))
        assert [(one.number, one.start) for one in store.segments("w")] == [(0, 0), (1, 10)]
        head = store.head("w")
        assert head is not None
        assert head.next is None
        seal_next(store, "w", EPOCH + timedelta(days=32))
        append(store, "w", prepared(30, 10), EPOCH + timedelta(days=33))
        segments = store.segments("w")
        assert [(one.number, one.start) for one in segments] == [(0, 0), (1, 10), (2, 31)]
        assert len({one.salt for one in segments}) == 3

    def test_a_seal_is_kept_with_its_index(self, store: Store) -> None:
        """Seal and index come back as they were written, with the entry that carries the seal, once."""
        assert store.seals("nobody") == []
        assert store.postings("nobody", 0) is None
        append(store, "w", prepared(0, 10))
        closed = close(store, "w")
        assert closed is not None
        assert closed.rows == ()
        assert store.head("w") == closed.head
        assert close(store, "w") is None
        batch = seal_next(store, "w")
        assert batch is not None
        assert seal_next(store, "w") is None
        assert store.seals("w") == [batch.sealed]
        assert store.seals("w")[0].index == 10
        assert store.postings("w", 0) == batch.postings
        assert store.postings("w", 1) is None
        kept = store.get("w", 10)
        assert kept is not None
        assert kept.kind == leaf.SEAL
        assert store.head("w") == batch.head
        assert list(store.check("w")) == []

    def test_an_index_goes_with_its_segment_and_its_seal_stays(self, store: Store) -> None:
        """Salt and index of a sealed segment wholly below the first content go; an unsealed one keeps its salt."""
        for number in range(3):
            append(store, "w", prepared(10 * number, 10))
            close(store, "w")
            if number < 2:
                seal_next(store, "w")
        # Segments 0 [0, 10), 1 [10, 21), 2 [21, 32) and the open 3; the third is not sealed.
        record = sequence.prepare(content(9_000), b"\1" * 32, leaf.PURGE)

        def purge(first: int) -> None:
            def assemble(head: Head | None, known: Known) -> Batch | None:
                assert head is not None
                return sequence.assemble(msgspec.structs.replace(head, first=first), [record], EPOCH)

            store.forget("w", [range(first)], assemble)

        purge(9)
        assert [one.number for one in store.segments("w")] == [0, 1, 2, 3]
        record = sequence.prepare(content(9_001), b"\1" * 32, leaf.PURGE)
        purge(10)
        assert [one.number for one in store.segments("w")] == [1, 2, 3]
        assert store.postings("w", 0) is None
        assert store.postings("w", 1) is not None
        record = sequence.prepare(content(9_002), b"\1" * 32, leaf.PURGE)
        purge(32)
        assert [one.number for one in store.segments("w")] == [2, 3]
        assert store.postings("w", 1) is None
        assert [one.number for one in store.seals("w")] == [0, 1]
        assert list(store.check("w")) == []

    def test_threads_that_seal_at_once_write_one_seal(self, store: Store) -> None:
        """Whoever is second finds it done."""
        append(store, "w", prepared(0, 20))
        close(store, "w")
        written: list[Batch | None] = []
        threads = [threading.Thread(target=lambda: written.append(seal_next(store, "w"))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len([batch for batch in written if batch is not None]) == 1
        assert [one.number for one in store.seals("w")] == [0]
        assert [one.index for one in store.read("w", 0, 100)] == list(range(21))

    def test_values_survive_unchanged(self, store: Store) -> None:
        """Text of every script, control characters of text and long values come back exactly."""
        odd = content(
            0,
            resource=Resource(type="contact", id="x" * 200, name="नमस्ते 👋 \u202e tab\tline\n"),
            changes=(Change(path="notes", before="a" * 60_000, after=None),),
            details={"deep": {"list": [1, -(2**53) + 1, 0.5, True, None, {"": ""}]}},
        )
        append(store, "w", [sequence.prepare(odd, b"\2" * 32)])
        kept = store.get("w", 0)
        assert kept is not None
        entry = restore(kept, "w")
        assert canonical.fields(entry) == canonical.fields(odd)
        assert entry.resource == odd.resource
        assert entry.changes == odd.changes

    def test_a_mark_keeps_everything_as_it_is(self, store: Store) -> None:
        """While there is one nothing is written, by anybody, new workspaces included; without it everything goes on."""
        append(store, "w", prepared(0, 3))
        store.swap_state("w", "policy", None, b"90")
        mark = Mark("leaving", "token", "elsewhere")
        assert store.mark() is None
        assert not store.swap_mark(mark, None)
        assert store.swap_mark(None, mark)
        assert not store.swap_mark(None, mark)
        assert store.mark() == mark
        before = store.head("w")

        refused = 0
        for attempt in (
            lambda: append(store, "w", prepared(3, 1)),
            lambda: append(store, "new", prepared(3, 1)),
            lambda: store.forget("w", [range(1)], lambda head, known: None),
            lambda: store.swap_state("w", "policy", b"90", b"30"),
            lambda: store.swap_state("new", "policy", None, b"30"),
        ):
            try:
                attempt()
            except StoreMoved:
                refused += 1
        assert refused == 5
        assert (store.head("w"), store.workspaces(), store.states("w")) == (before, ["w"], {"policy": b"90"})
        assert len(store.find("w", Query(), None, 10).entries) == 3

        assert store.swap_mark(mark, None)
        append(store, "w", prepared(3, 1))

    def test_what_is_adopted_is_what_it_was(self, store: Store) -> None:
        """A log that comes in pieces from another store answers and proves as there, and goes on."""
        other = MemoryStore()
        append(other, "w", prepared(0, 600))
        close(other, "w")
        seal_next(other, "w")
        record = sequence.prepare(content(9_000), b"\1" * 32, leaf.PURGE)

        def purge(head: Head | None, known: Known) -> Batch | None:
            assert head is not None
            return sequence.assemble(msgspec.structs.replace(head, first=300), [record], EPOCH + timedelta(days=40))

        other.forget("w", [range(300), range(310, 320)], purge)
        head = other.head("w")
        assert head is not None
        kept = list(other.read("w", 0, head.size))
        rows = tuple(sequence.row_of(restore(one, "w"), one.kind, one.seed, one.payload) for one in kept)
        tiles = [(0, 1), (0, 2), (1, 0)]
        nodes = tuple(
            tree.Nodes(8 * level, 256 * number, hashes)
            for (level, number), hashes in zip(tiles, other.tiles("w", tiles), strict=True)
        )
        seals = tuple((sealed, other.postings("w", sealed.number)) for sealed in other.seals("w"))
        last = Piece(segments=tuple(other.segments("w")), seals=seals, states={"policy": b"90"}, head=head)

        assert store.swap_mark(None, Mark("arriving", "token", "elsewhere"))
        assert store.adopt("w", Piece(rows=rows[:100]), None, b"1")
        assert not store.adopt("w", Piece(rows=rows[:100]), None, b"1")
        assert store.head("w") is None
        assert store.states("w") == {PROGRESS: b"1"}
        assert store.adopt("w", Piece(rows=rows[100:], nodes=nodes), b"1", b"2")
        assert store.adopt("w", last, b"2", None)
        assert store.swap_mark(store.mark(), None)

        assert (store.head("w"), list(store.read("w", 0, head.size))) == (head, kept)
        assert (store.seals("w"), store.segments("w")) == (other.seals("w"), other.segments("w"))
        assert store.postings("w", 0) == other.postings("w", 0)
        assert store.states("w") == {"policy": b"90"}
        assert list(store.check("w")) == []
        for text in QUESTIONS:
            query = parse(text, now=EPOCH + timedelta(days=30))
            assert sorted(self._all(store, query)) == sorted(self._all(other, query)), text
        append(store, "w", prepared(600, 300), EPOCH + timedelta(days=41))
        grown = store.head("w")
        assert grown is not None
        past = node_from_tiles(lambda level, number: store.tiles("w", [(level, number)])[0])
        assert tree.root_at(grown.size, past) == grown.root
        assert list(store.check("w")) == []
