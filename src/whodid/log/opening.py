"""From an address to a log: chooses the engine and finds the key. Engines are imported only when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from whodid.catalog import Catalog, builtin, without_password
from whodid.errors import InvalidSetting, NotFound
from whodid.log.keys import DeploymentKey
from whodid.log.log import Log
from whodid.store.base import Store

__all__ = ["engine", "key_of", "open_log"]

_SQLITE = "sqlite:///"
_POSTGRES = "postgresql://"


def open_log(
    url: str,
    *,
    catalog: Catalog | None = None,
    name: str = "localhost",
    strict: bool = False,
    key: str | os.PathLike[str] | None = None,
    replicas: Sequence[str] = (),
    replica_lag: float = 10.0,
    replica_wait: float = 0.2,
    clock: Callable[[], datetime] | None = None,
    draw: Callable[[int], bytes] = os.urandom,
    begin: bool = True,
) -> Log:
    """Open the logs of a deployment, creating the store and its key at first use.

    Args:
        url: `sqlite:///audit.db` (below the working folder), `sqlite:////srv/audit.db` (absolute),
            `postgresql://user@host/database` (needs the extra `postgres`) or `memory://`.
        catalog: The declared actions; the built-in ones when absent.
        name: The deployment's name, first part of every new log's origin. Witnesses see it: name no customer.
        strict: Refuse actions that the catalog does not declare, instead of marking their entries.
        key: The key file; by default the database's path with `.key` appended, with PostgreSQL the one that the
            variable WHODID_KEY_FILE names, or `whodid.key` in the working folder. Keep its backup apart from the
            database's.
        replicas: Addresses of streaming replicas of a PostgreSQL database, which answer what `log.reading()` is asked.
        replica_lag: Seconds that a replica may be behind; one that is further behind is left out.
        replica_wait: Seconds that a read may wait for a replica to have what the primary has.
        clock: Returns now, UTC; the machine's clock when not given, and the database's for what processes agree on.
        draw: Returns that many cryptographically random bytes.
        begin: Whether a store in which nothing was recorded yet may get a key; who only reads asks for none.

    Returns:
        The open log; close it, or use it as a context manager.

    Raises:
        InvalidSetting: The address cannot be used, or the key is missing or another's.
        NotFound: The store is empty and has no key, and may get none.
        StoreError: The store cannot be opened.
    """
    store, place = engine(url, replicas=replicas, replica_lag=replica_lag, replica_wait=replica_wait)
    file = place if key is None else Path(key)
    deployment = DeploymentKey(draw(32)) if file is None else key_of(store, file, begin=begin)
    try:
        return Log(store, deployment, catalog or builtin(), name=name, strict=strict, clock=clock, draw=draw)
    except BaseException:
        store.close()
        raise


def engine(
    url: str, *, replicas: Sequence[str] = (), replica_lag: float = 10.0, replica_wait: float = 0.2
) -> tuple[Store, Path | None]:
    """Open the store at an address; return it with the place where its key file is by default (None: in memory).

    Args:
        replicas: See `open_log`, as for the next two.

    Raises:
        InvalidSetting: The address cannot be used.
        StoreError: The store cannot be opened.
    """
    url = str(url)  # a caller without types may pass None: what the environment does not say
    if replicas and not url.startswith(_POSTGRES):
        raise InvalidSetting(f"{without_password(url)} has no replicas", "Name replicas of a PostgreSQL database only")
    if url == "memory://":
        from whodid.store.memory import MemoryStore

        return MemoryStore(), None
    if url.startswith("memory://"):
        raise InvalidSetting(f"{without_password(url)} is not an address", "A log in memory has no name: use memory://")
    if url.startswith(_SQLITE) and len(url) > len(_SQLITE):
        from whodid.store.sqlite import SQLiteStore

        path = url.removeprefix(_SQLITE)
        return SQLiteStore(path), Path(f"{path}.key")
    if url.startswith(_POSTGRES):
        try:
            from whodid.store.postgres import PostgresStore
        except ModuleNotFoundError as error:
            raise InvalidSetting(
                f"PostgreSQL needs {error.name}, which is not installed", "Run: pip install 'whodid[postgres]'"
            ) from None
        store = PostgresStore(url, replicas=replicas, replica_lag=replica_lag, replica_wait=replica_wait)
        return store, Path(os.environ.get("WHODID_KEY_FILE", "whodid.key"))
    raise InvalidSetting(
        f"{without_password(url)} is not the address of a store",
        "Use sqlite:///audit.db, sqlite:////absolute/path.db, postgresql://user@host/database or memory://",
    )


def key_of(store: Store, file: Path, *, begin: bool = True) -> DeploymentKey:
    """Read the key of a store, or make it where nothing was recorded yet.

    Args:
        begin: See `open_log`.
    """
    try:
        empty = not store.workspaces()
        if empty and not begin and not file.exists():
            raise NotFound("The store is empty", "Record or import something first")
        return DeploymentKey.at(file, create=empty)
    except BaseException:
        store.close()
        raise
