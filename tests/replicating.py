"""A store over a primary and its streaming replica, for the tests of replicas.

Replaying is paused where a test needs a replica that lags, so that nothing depends on how fast a machine is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from whodid.query import Query
from whodid.store.base import ReplicaState

if TYPE_CHECKING:
    from tests.postgresing import Server
    from whodid.store.postgres import PostgresStore

__all__ = ["Open", "Pair", "indexes", "looked_at", "opening", "paused", "state_of"]

Pair = tuple["Server", "Server"]
Open = Callable[..., "PostgresStore"]


@contextmanager
def opening(urls: tuple[str, str]) -> Iterator[Open]:
    """Lend a function that opens the database with its replica, as one more server would, and looks at the replica."""
    from whodid.store.postgres import PostgresStore

    url, replica = urls
    stores: list[PostgresStore] = []

    def another(*, lag: float = 3_600.0, wait: float = 60.0, ok: bool = True, **more: Any) -> PostgresStore:
        settings = {"url": url, "replicas": [replica], "replica_look": None, **more}
        stores.append(PostgresStore(**settings, replica_lag=lag, replica_wait=wait))
        if ok:
            looked_at(stores[-1])
        return stores[-1]

    try:
        yield another
    finally:
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
