"""Every store passes the same suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from whodid.store.base import Store
from whodid.store.memory import MemoryStore
from whodid.store.sqlite import SQLiteStore
from whodid.testing import StoreContract


class TestMemoryStore(StoreContract):
    """The store in memory."""

    @pytest.fixture
    def store(self) -> Store:
        """Return an empty store."""
        return MemoryStore()


class TestSQLiteStore(StoreContract):
    """The embedded store."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        """Return an empty store in a new file."""
        store = SQLiteStore(str(tmp_path / "audit.db"))
        yield store
        store.close()


@pytest.mark.postgres
class TestPostgresStore(StoreContract):
    """The server's store."""

    @pytest.fixture
    def store(self, postgres_url: str) -> Iterator[Store]:
        """Return an empty store in an emptied database."""
        from whodid.store.postgres import PostgresStore

        store = PostgresStore(postgres_url)
        yield store
        store.close()


@pytest.mark.postgres
class TestPostgresReplica(StoreContract):
    """The server's store, written at a primary and read at its replica."""

    @pytest.fixture
    def store(self, replicated_url: tuple[str, str]) -> Iterator[Store]:
        """Return an empty store whose every read is the replica's."""
        from whodid.store.postgres import PostgresStore

        url, replica = replicated_url
        store = PostgresStore(url, replicas=[replica], replica_wait=60.0, replica_look=None)
        assert store.copies is not None
        while store.replicas().replicas[0].standing != "ok":
            store.copies.look()
        yield store.reading()
        assert store.replicas().elsewhere == 0
        store.close()
