"""A primary and its streaming replica: what is read where, and that no answer is older than the question.

Replaying is paused where a test needs a replica that lags, so that nothing depends on how fast a machine is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.test_store_postgres import MONDAY, WEEK, purge
from whodid.errors import InvalidSetting, StoreUnavailable
from whodid.query import Query
from whodid.store.base import ReplicaState, Store
from whodid.testing import append, prepared

if TYPE_CHECKING:
    from tests.postgresing import Server
    from whodid.store.postgres import PostgresStore
    from whodid.store.postgres.engine import Connection

pytestmark = pytest.mark.postgres

Pair = tuple["Server", "Server"]
Open = Callable[..., "PostgresStore"]


@pytest.fixture
def opened(replicated_url: tuple[str, str]) -> Iterator[Open]:
    """Lend a function that opens the database with its replica, as one more server would, and looks at the replica."""
    from whodid.store.postgres import PostgresStore

    url, replica = replicated_url
    stores: list[PostgresStore] = []

    def another(*, lag: float = 3_600.0, wait: float = 60.0, ok: bool = True, **more: Any) -> PostgresStore:
        settings = {"url": url, "replicas": [replica], "replica_look": None, **more}
        stores.append(PostgresStore(**settings, replica_lag=lag, replica_wait=wait))
        if ok:
            looked_at(stores[-1])
        return stores[-1]

    yield another
    for store in stores:
        store.close()


def state_of(store: PostgresStore) -> ReplicaState:
    """Return how the only replica stands."""
    (state,) = store.replicas().replicas
    return state


def looked_at(store: PostgresStore, standing: str = "ok") -> None:
    """Look at the replica until it stands so: what the primary shows reaches it in its own time."""
    assert store.copies is not None
    end = time.monotonic() + 60
    while True:
        store.copies.look()
        if state_of(store).standing == standing:
            return
        assert time.monotonic() < end, f"The replica is {state_of(store)}, not {standing}"
        time.sleep(0.01)


@contextmanager
def paused(replica: Server) -> Iterator[Callable[[], None]]:
    """Have a replica replay nothing until the function is called that this lends, or to the end of the block."""
    with replica.connect("postgres") as beside:
        beside.execute("SELECT pg_wal_replay_pause()")
        while beside.execute("SELECT pg_get_wal_replay_pause_state()").fetchone() != ("paused",):
            time.sleep(0.01)

        def go_on() -> None:
            beside.execute("SELECT pg_wal_replay_resume()")

        try:
            yield go_on
        finally:
            go_on()


def indexes(store: Any, workspace: str = "w") -> list[int]:
    """Return the indexes of a list, newest first."""
    return [one.index for one in store.find(workspace, Query(), None, 100).entries]


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


# ---------------------------------------------------------------- faults, and back


def test_a_conflict_with_recovery_is_answered_by_the_primary(opened: Open, replicated: Pair) -> None:
    """The replica ends a read whose table goes; the read begins anew at the primary, and the replica stays in use."""
    primary, replica = replicated
    store, other = opened(), opened()
    append(store, "w", prepared(0, 10), MONDAY)
    looked_at(store)
    ws = store.coding.keys.workspace("w")
    tries: list[int] = []

    def work(reader: Connection) -> int:
        seen: int = reader.value("SELECT count(*) FROM whodid.entry WHERE ws = %s", (ws,))
        tries.append(seen)
        if len(tries) == 1:
            purge(other, "w", range(10), MONDAY + 5 * WEEK)
            # Replaying the purge has to wait for this very read, until it waits no more.
            while True:
                reader.value("SELECT count(*) FROM whodid.entry WHERE ws = %s", (ws,))
                time.sleep(0.005)
        return seen

    with replica.connect("postgres") as beside:
        beside.execute("ALTER SYSTEM SET max_standby_streaming_delay = '50ms'")
        beside.execute("SELECT pg_reload_conf()")
        try:
            assert store.reading().within(ws, work) == 1  # type: ignore[attr-defined]
        finally:
            beside.execute("ALTER SYSTEM RESET max_standby_streaming_delay")
            beside.execute("SELECT pg_reload_conf()")
    assert tries == [10, 1]
    assert (state_of(store).standing, state_of(store).answered, store.replicas().elsewhere) == ("ok", 0, 1)
    replica.follow(primary)
    assert indexes(store.reading()) == [10]
    assert state_of(store).answered == 1


def test_what_is_locked_by_replaying_is_read_at_the_primary(opened: Open, replicated: Pair) -> None:
    """A purge or a rewriting whose end the replica has not replayed keeps its readers out, and nobody waits for it."""
    primary, replica = replicated
    store = opened()
    append(store, "w", prepared(0, 3))
    replica.follow(primary)
    with primary.connect("t_test_store_replicas") as beside, replica.connect("t_test_store_replicas") as there:
        with beside.transaction():
            beside.execute("LOCK TABLE whodid.entry IN ACCESS EXCLUSIVE MODE")
            assert store.swap_state("w", "x", None, b"1")  # whose commit brings the lock to the replica
            held = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = %s::regclass"
            while there.execute(held, ("whodid.entry",)).fetchone() == (0,):
                time.sleep(0.01)
            there.execute("SELECT pg_wal_replay_pause()")
        with paused(replica):
            assert indexes(store.reading()) == [2, 1, 0]
            assert (state_of(store).standing, state_of(store).answered, store.replicas().elsewhere) == ("ok", 0, 1)
    replica.follow(primary)
    assert indexes(store.reading()) == [2, 1, 0]
    assert state_of(store).answered == 1


def test_what_takes_too_long_at_the_replica_is_not_tried_again(opened: Open) -> None:
    """The primary is not given what a replica could not do in a minute."""
    store = opened()
    append(store, "w", prepared(0, 1))
    ws = store.coding.keys.workspace("w")
    tries: list[int] = []

    def work(reader: Connection) -> None:
        tries.append(1)
        reader.execute("SET LOCAL statement_timeout = 20")
        reader.execute("SELECT pg_sleep(60)")

    with pytest.raises(StoreUnavailable, match="in time"):
        store.reading().within(ws, work)  # type: ignore[attr-defined]
    assert tries == [1]
    assert state_of(store).standing == "ok"


def test_a_replica_that_dies_is_left_out_and_taken_back(
    opened: Open, replicated: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    """The request under way is answered by the primary, and the log says so once."""
    primary, replica = replicated
    store = opened(ok=False)
    append(store, "w", prepared(0, 3))
    with caplog.at_level(logging.INFO, "whodid.store"):
        looked_at(store)
        view = store.reading()
        assert indexes(view) == [2, 1, 0]
        replica.kill()
        try:
            assert indexes(view) == [2, 1, 0]
            assert [indexes(store.reading()) for _ in range(3)] == [[2, 1, 0]] * 3
            assert (state_of(store).standing, store.replicas().elsewhere) == ("unreachable", 4)
            assert state_of(store).behind is None
        finally:
            replica.start()
        replica.follow(primary)
        looked_at(store)
    assert indexes(store.reading()) == [2, 1, 0]
    assert state_of(store).answered == 2
    said = [record.getMessage() for record in caplog.records if record.name.endswith("replicas")]
    assert [record.levelname for record in caplog.records if record.name.endswith("replicas")] == [
        "INFO",
        "WARNING",
        "INFO",
    ]
    assert said[0] == said[2] == f"replica {state_of(store).name} answers reads"
    assert said[1].startswith(f"replica {state_of(store).name} cannot be read: ")


def test_a_replica_that_hangs_is_left_out(opened: Open, replicated: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes connections and never answers: whoever asked it is answered by the primary, and nobody asks again."""
    store = opened()
    append(store, "w", prepared(0, 3))
    assert indexes(store.reading()) == [2, 1, 0]
    monkeypatch.setattr("whodid.store.postgres.engine._BEGUN_S", 0.05)
    with replicated[1].halted():
        assert indexes(store.reading()) == [2, 1, 0]
        assert state_of(store).standing == "unreachable"
        assert indexes(store.reading()) == [2, 1, 0]
    assert (state_of(store).answered, store.replicas().elsewhere) == (1, 2)
    monkeypatch.undo()
    looked_at(store)
    assert indexes(store.reading()) == [2, 1, 0]


def test_a_replica_that_is_too_far_behind_is_left_out(opened: Open, replicated: Pair) -> None:
    """It is not even asked, whatever the workspace, until it has caught up."""
    store = opened(lag=0.05)
    append(store, "w", prepared(0, 3))
    replicated[1].follow(replicated[0])
    with paused(replicated[1]):
        looked_at(store, "behind")
        behind = state_of(store).behind
        assert behind is not None
        assert behind > 0.05
        assert indexes(store.reading()) == [2, 1, 0]
        assert state_of(store).answered == 0
    looked_at(store)
    assert indexes(store.reading()) == [2, 1, 0]
    assert state_of(store).answered == 1


def test_the_thread_looks_by_itself(opened: Open) -> None:
    """Nobody has to ask for it, and it ends with the store."""
    store = opened(replica_look=0.01, ok=False)
    end = time.monotonic() + 60
    while state_of(store).standing != "ok":
        assert time.monotonic() < end
        time.sleep(0.01)
    assert any(one.name == "whodid-replicas" for one in threading.enumerate())
    store.close()
    assert not any(one.name == "whodid-replicas" for one in threading.enumerate())


def test_after_a_restart_of_the_primary_a_replica_is_seen_anew(opened: Open, replicated: Pair) -> None:
    """Whoever answers at the primary's address now may be another one: what was seen before does not count."""
    primary, replica = replicated
    store = opened()
    append(store, "w", prepared(0, 3))
    assert indexes(store.reading()) == [2, 1, 0]
    primary.kill()
    primary.start()
    assert indexes(store.reading()) == [2, 1, 0]
    assert (state_of(store).answered, store.replicas().elsewhere) == (1, 1)
    looked_at(store)  # it connects again by itself
    replica.follow(primary)
    assert indexes(store.reading()) == [2, 1, 0]
    assert state_of(store).answered == 2


def test_without_the_primary_nothing_is_read(opened: Open, replicated: Pair) -> None:
    """A replica alone cannot tell what was erased since."""
    primary, _ = replicated
    store = opened()
    append(store, "w", prepared(0, 3))
    primary.kill()
    try:
        with pytest.raises(StoreUnavailable):
            indexes(store.reading())
        assert store.copies is not None
        store.copies.look()
    finally:
        primary.start()
    assert indexes(store.reading()) == [2, 1, 0]


def test_a_copy_of_another_database_is_left_out(opened: Open, postgres: Server, postgres_url: str) -> None:
    """However much it looks like one."""
    from whodid.store.postgres import PostgresStore

    PostgresStore(postgres_url).close()
    store = opened(replicas=[postgres_url], ok=False)
    append(store, "w", prepared(0, 3))
    looked_at(store, "foreign")
    assert indexes(store.reading()) == [2, 1, 0]
    assert state_of(store).answered == 0


def test_a_promoted_replica_is_not_read_as_one(opened: Open, replicated: Pair) -> None:
    """It has a history of its own from then on, and neither is read beside the other."""
    from tests.postgresing import Server

    primary, follower = replicated
    database = "t_test_store_replicas"
    promoted = Server(primary.place, of=primary)
    try:
        url = promoted.url(database)
        store = opened(replicas=[url])
        append(store, "w", prepared(0, 3))
        promoted.follow(primary)
        assert indexes(store.reading()) == [2, 1, 0]
        assert state_of(store).answered == 1
        with promoted.connect("postgres") as beside:
            assert beside.execute("SELECT pg_promote()").fetchone() == (True,)
        # Found out by the request that comes first, before anybody looks.
        assert indexes(store.reading()) == [2, 1, 0]
        assert (state_of(store).standing, state_of(store).answered) == ("promoted", 1)
        looked_at(store, "promoted")
        # Now it is the primary, and the other one goes on following the old one, which goes on by itself.
        moved = opened(url=url, ok=False)
        append(moved, "w", prepared(3, 1))
        append(store, "w", prepared(4, 1))
        append(store, "w", prepared(5, 1))
        follower.follow(primary)
        for _ in range(3):
            assert moved.copies is not None
            moved.copies.look()
            assert state_of(moved).standing == "unknown"
        assert [one.id[-1] for one in moved.reading().find("w", Query(), None, 1).entries] == [
            prepared(3, 1)[0].content.id[-1]
        ]
        assert state_of(moved).answered == 0
    finally:
        promoted.stop()
