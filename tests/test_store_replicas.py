"""A primary and its streaming replica: what is read where, and that no answer is older than the question."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tests.replicating import Open, Pair, indexes, looked_at, opening, paused, state_of
from tests.test_store_postgres import MONDAY, WEEK, purge
from whodid.errors import InvalidSetting, StoreUnavailable
from whodid.query import Query
from whodid.store.base import Store
from whodid.testing import append, prepared

pytestmark = pytest.mark.postgres


@pytest.fixture
def opened(replicated_url: tuple[str, str]) -> Iterator[Open]:
    """Lend a function that opens the database once more."""
    with opening(replicated_url) as another:
        yield another


# ---------------------------------------------------------------- what goes where


def test_a_reading_store_asks_the_replica_and_the_store_itself_does_not(opened: Open) -> None:
    """Entries and hashes come from the replica; states, marks and names do not."""
    store = opened()
    append(store, "w", prepared(0, 5))
    assert store.swap_state("w", "x", None, b"1")
    view = store.reading()
    assert indexes(view) == [4, 3, 2, 1, 0]
    assert [one.index for one in view.read("w", 0, 9)] == [0, 1, 2, 3, 4]
    assert (view.head("w"), view.count("w", Query(), 10)) == (store.head("w"), (5, True))
    assert view.tiles("w", [(0, 0)]) == store.tiles("w", [(0, 0)])
    answered = state_of(store).answered
    assert (answered, store.replicas().elsewhere) == (5, 0)
    assert (view.state("w", "x"), view.states("w"), view.workspaces(), view.mark()) == (b"1", {"x": b"1"}, ["w"], None)
    assert indexes(store) == indexes(view)
    assert state_of(store).answered == answered + 1
    assert view.deciding is store
    assert view.reading() is view


def test_nothing_is_left_to_chance() -> None:
    """Each promise of a store is either read where it may be, or the store's own; none is what a base class does."""
    from whodid.store.postgres.aside import ReplicaReading
    from whodid.store.postgres.read import Reading

    promised = {name for name in vars(Store) if not name.startswith("_")} - {"back_up"}
    assert promised - set(vars(Reading)) - set(vars(ReplicaReading)) == set()


def test_a_store_without_replicas_reads_by_itself(postgres_url: str) -> None:
    """There is nothing in between."""
    from whodid.store.postgres import PostgresStore

    store = PostgresStore(postgres_url)
    try:
        assert store.reading() is store
        assert store.replicas().replicas == ()
    finally:
        store.close()


def test_the_second_wall_stands_at_the_replica(opened: Open) -> None:
    """A connection to the replica sees one workspace, or none, and writes nothing."""
    store = opened()
    append(store, "a", prepared(0, 30))
    append(store, "b", prepared(0, 20))
    assert len(indexes(store.reading(), "a")) == 30
    assert store.copies is not None
    ws = store.coding.keys.workspace("b")
    (replica,) = store.copies._all
    tables = ("log", "segment", "entry", "entry_id", "touch", "shape", "tally", "tile")
    for table in tables:
        with replica.engine.reading(ws) as reader:
            assert [row[0] for row in reader.rows(f"SELECT DISTINCT ws FROM whodid.{table}")] == [ws]
        with replica.engine.listing() as reader:
            assert reader.value(f"SELECT count(*) FROM whodid.{table}") == (2 if table == "log" else 0)
    with pytest.raises(StoreUnavailable, match="takes no writes"), replica.engine.reading(ws) as reader:
        reader.execute("DELETE FROM whodid.entry")


def test_a_replica_that_is_not_there_keeps_nobody_from_opening(opened: Open, replicated: Pair) -> None:
    """Its address may be wrong for now, but not unreadable."""
    gone = opened(replicas=[f"postgresql://whodid@/nothing?host={replicated[1].folder}"], ok=False)
    append(gone, "w", prepared(0, 2))
    assert indexes(gone.reading()) == [1, 0]
    looked_at(gone, "unreachable")
    assert indexes(gone.reading()) == [1, 0]
    with pytest.raises(InvalidSetting):
        opened(replicas=["postgresql://[broken"], ok=False)


# ---------------------------------------------------------------- never older


def test_what_was_acknowledged_is_in_the_next_answer(opened: Open, replicated: Pair) -> None:
    """While the replica lags the primary answers, whichever server wrote; afterwards the replica again."""
    store, other = opened(wait=0.0), opened()
    append(store, "w", prepared(0, 3))
    replicated[1].follow(replicated[0])
    assert indexes(store.reading()) == [2, 1, 0]
    assert state_of(store).answered == 1
    with paused(replicated[1]):
        append(store, "w", prepared(3, 1))
        assert indexes(store.reading()) == [3, 2, 1, 0]
        append(other, "w", prepared(4, 1))
        assert indexes(store.reading()) == [4, 3, 2, 1, 0]
        assert (state_of(store).answered, store.replicas().elsewhere) == (1, 2)
        # What is not behind for this workspace is answered: lag of others does not matter.
        append(store, "busy", prepared(0, 1))
        assert indexes(store.reading(), "nobody") == []
        assert state_of(store).answered == 2
    replicated[1].follow(replicated[0])
    assert indexes(store.reading()) == [4, 3, 2, 1, 0]
    assert state_of(store).answered == 3


def test_a_read_waits_for_the_replica_to_catch_up(opened: Open, replicated: Pair) -> None:
    """As long as it may: here longer than replaying takes."""
    store = opened()
    append(store, "w", prepared(0, 3))
    with paused(replicated[1]) as go_on:
        append(store, "w", prepared(3, 1))
        later = threading.Timer(0.05, go_on)
        later.start()
        assert indexes(store.reading()) == [3, 2, 1, 0]
        later.join()
    assert (state_of(store).answered, store.replicas().elsewhere) == (1, 0)


def test_nobody_waits_for_whom_somebody_waited_in_vain(opened: Open, replicated: Pair) -> None:
    """A lagging replica costs one request its patience, and not each of them."""
    store = opened(wait=0.05)
    append(store, "w", prepared(0, 1))
    replicated[1].follow(replicated[0])
    with paused(replicated[1]):
        append(store, "w", prepared(1, 1))
        assert store.copies is not None
        ws = store.coding.keys.workspace("w")
        newest = store.copies.newest(ws)
        assert newest is not None
        began = time.monotonic()
        assert store.copies.ask(ws, newest, lambda reader: reader) is None
        assert time.monotonic() - began >= 0.03
        rested: list[float] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("whodid.store.postgres.replicas.time.sleep", rested.append)
            patch.setattr("whodid.store.postgres.replicas.time.monotonic", lambda: began + 0.1)
            assert store.copies.ask(ws, newest, lambda reader: reader) is None
        assert rested == []


def test_a_request_does_not_go_back_from_one_replica_to_another(opened: Open, replicated: Pair) -> None:
    """One that is older than what was seen is not asked, although it is as new as the primary was at the look."""
    store, other = opened(wait=0.0), opened()
    append(store, "w", prepared(0, 1))
    replicated[1].follow(replicated[0])
    assert store.copies is not None
    ws = store.coding.keys.workspace("w")
    older = store.copies.newest(ws)
    assert older is not None
    append(other, "w", prepared(1, 1))
    replicated[1].follow(replicated[0])
    answer = store.copies.ask(ws, older, lambda reader: reader.value("SELECT count(*) FROM whodid.entry"))
    assert answer is not None
    assert (answer[0], answer[1]) == (2, other.copies.newest(ws) if other.copies else None)
    assert not answer[1].known_to(older.head)
    assert older.known_to(answer[1].head)


def test_replicas_take_turns(opened: Open, replicated: Pair, replicated_url: tuple[str, str]) -> None:
    """Requests are spread over all that are there, and one that is gone takes nothing from the others."""
    store = opened(
        replicas=[replicated_url[1], replicated_url[1], "postgresql://whodid@/nothing?host=/nowhere"], ok=False
    )
    append(store, "w", prepared(0, 1))
    replicated[1].follow(replicated[0])
    assert store.copies is not None
    while [one.standing for one in store.replicas().replicas] != ["ok", "ok", "unreachable"]:
        store.copies.look()
    for _ in range(4):
        assert indexes(store.reading()) == [0]
    assert [one.answered for one in store.replicas().replicas] == [2, 2, 0]


def test_replicas_that_nobody_looks_at_are_not_asked(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """If looking should ever stop, so does what rests on it."""
    store = opened(lag=5.0)
    append(store, "w", prepared(0, 1))
    now = time.monotonic()
    assert indexes(store.reading()) == [0]
    monkeypatch.setattr("whodid.store.postgres.replicas.time.monotonic", lambda: now + 20.0)
    assert indexes(store.reading()) == [0]
    assert (state_of(store).answered, store.replicas().elsewhere) == (1, 1)


def test_a_request_that_writes_reads_what_it_wrote(opened: Open, replicated: Pair) -> None:
    """Also when it has read before, and is not a second old."""
    store = opened(wait=0.0)
    append(store, "w", prepared(0, 1))
    replicated[1].follow(replicated[0])
    view = store.reading()
    with paused(replicated[1]):
        assert indexes(view) == [0]
        append(view, "w", prepared(1, 1))
        assert indexes(view) == [1, 0]
        assert [one.index for one in view.read("w", 0, 9)] == [0, 1]
    assert (state_of(store).answered, store.replicas().elsewhere) == (1, 2)


def test_what_was_purged_elsewhere_does_not_come_back(opened: Open, replicated: Pair) -> None:
    """Another server purges while the replica still has it all; this one has no way to know but the primary."""
    store, other = opened(wait=0.0), opened()
    append(store, "w", prepared(0, 10), MONDAY)
    replicated[1].follow(replicated[0])
    with paused(replicated[1]):
        purge(other, "w", range(10), MONDAY + 5 * WEEK)
        view = store.reading()
        assert indexes(view) == [10]
        assert view.get("w", 3) is None
        assert view.count("w", Query(), 100) == (1, True)
        assert state_of(store).answered == 0


def test_a_long_read_looks_again(opened: Open, replicated: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that began before a purge does not go on with what is gone: a look is good for a second."""
    store, other = opened(wait=0.0), opened()
    append(store, "w", prepared(0, 10), MONDAY)
    replicated[1].follow(replicated[0])
    monkeypatch.setattr("whodid.store.postgres.read._READ_CHUNK", 4)
    with paused(replicated[1]):
        entries = store.reading().read("w", 0, 20)
        assert [next(entries).index for _ in range(4)] == [0, 1, 2, 3]
        purge(other, "w", range(10), MONDAY + 5 * WEEK)
        now = time.monotonic()
        monkeypatch.setattr("whodid.store.postgres.aside.time.monotonic", lambda: now + 1.0)
        assert [one.index for one in entries] == [10]
    assert (state_of(store).answered, store.replicas().elsewhere) == (1, 1)


def test_pages_never_go_back(opened: Open, replicated: Pair) -> None:
    """The heads of the pages of one list only grow, and the pages together are the list, wherever each came from."""
    store = opened(wait=0.0)
    append(store, "w", prepared(0, 60))
    replicated[1].follow(replicated[0])
    found, sizes, cursor = list[int](), list[int](), None
    with paused(replicated[1]) as go_on:
        for turn in range(6):
            view = store.reading()
            if turn in {1, 3}:
                append(store, "w", prepared(60 + turn, 1))
            if turn == 4:
                go_on()
                replicated[1].follow(replicated[0])
            head = view.head("w")
            assert head is not None
            sizes.append(head.size)
            page = view.find("w", Query(until=prepared(60, 1)[0].content.occurred_at), cursor, 10)
            found += [one.index for one in page.entries]
            cursor = page.next
    assert found == list(range(59, -1, -1))
    assert sizes == [60, 61, 61, 62, 62, 62]
    assert state_of(store).answered == 6
    assert store.replicas().elsewhere == 6
