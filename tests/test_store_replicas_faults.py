"""A replica that dies, hangs, lags, is promoted, or is none: left out, taken back, and no answer is wrong."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.replicating import Open, Pair, indexes, looked_at, opening, paused, state_of
from tests.test_store_postgres import MONDAY, WEEK, database_of, purge
from whodid.errors import StoreUnavailable
from whodid.query import Query
from whodid.testing import append, prepared

if TYPE_CHECKING:
    from tests.postgresing import Server
    from whodid.store.postgres.engine import Connection

pytestmark = pytest.mark.postgres


@pytest.fixture
def opened(replicated_url: tuple[str, str]) -> Iterator[Open]:
    """Lend a function that opens the database once more."""
    with opening(replicated_url) as another:
        yield another


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
            for _ in range(12_000):
                reader.value("SELECT count(*) FROM whodid.entry WHERE ws = %s", (ws,))
                time.sleep(0.005)
            raise AssertionError("The replica did not end the read")
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


def test_what_is_locked_by_replaying_is_read_at_the_primary(
    opened: Open, replicated: Pair, replicated_url: tuple[str, str]
) -> None:
    """A purge or a rewriting whose end the replica has not replayed keeps its readers out, and nobody waits for it."""
    primary, replica = replicated
    store = opened()
    append(store, "w", prepared(0, 3))
    replica.follow(primary)
    database = database_of(replicated_url[0])
    with primary.connect(database) as beside, replica.connect(database) as there:
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


def test_a_promoted_replica_is_not_read_as_one(opened: Open, replicated: Pair, replicated_url: tuple[str, str]) -> None:
    """It has a history of its own from then on, and neither is read beside the other."""
    from tests.postgresing import Server

    primary, follower = replicated
    database = database_of(replicated_url[0])
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
