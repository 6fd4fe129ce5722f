"""What travels together between the PostgreSQL store and its server: how much, and what fails with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.test_store_postgres import beside, opened, store
from whodid.errors import StoreCorrupt, StoreUnavailable
from whodid.store.base import Known
from whodid.testing import append, content, prepared

if TYPE_CHECKING:
    from whodid.store.postgres import PostgresStore

__all__ = ["beside", "opened", "store"]

pytestmark = pytest.mark.postgres


def test_an_append_takes_two_messages(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once its week and its shapes are known: one asks for the head under the lock, one writes and commits."""
    import psycopg

    from whodid.store.postgres.line import Letter, Line

    ready, *others = [prepared(0, 1, id=content(number).id) for number in range(3)]
    append(store, "w", ready)
    append(store, "w", others[0])
    sent: list[int] = []
    send = Line.send

    def counted(self: Line, *letters: Letter) -> None:
        sent.append(len(letters))
        send(self, *letters)

    monkeypatch.setattr(Line, "send", counted)
    monkeypatch.setattr(psycopg.Connection, "execute", None)
    append(store, "w", others[1])
    assert sent == [2, 1]
    monkeypatch.undo()
    seen: list[Known] = []
    store.append("w", lambda _, known: seen.append(known), [ready[0].id])
    assert [one.index for one in seen[0].values()] == [0]
    assert list(store.check("w")) == []


def test_a_tile_that_is_not_what_the_head_says_is_not_written_on(store: PostgresStore, beside: Any) -> None:
    """The append is refused as a whole, with the commit that travels with it."""
    append(store, "w", prepared(0, 3))
    beside.execute("UPDATE whodid.tile SET hashes = substr(hashes, 1, 64)")
    for count in (1, 50):
        with pytest.raises(StoreCorrupt, match="does not hold the hashes"):
            append(store, "w", prepared(10, count))
    assert len(list(store.read("w", 0, 99))) == 3


def test_what_the_driver_throws_away_is_prepared_anew(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a change of a table the driver forgets all statements of its connection; the next append does not fail."""
    monkeypatch.setattr("whodid.store.postgres.store._TURNS", 1)
    append(store, "w", prepared(0, 1))
    for _ in range(8):
        assert store.head("w") is not None
    with store.engine.keeping() as connection:
        connection.execute("CREATE TABLE whodid.passing ()")
        connection.execute("DROP TABLE whodid.passing")
    append(store, "w", prepared(1, 1))
    with pytest.raises(StoreUnavailable), store.engine.keeping() as connection:
        raise StoreUnavailable("rolled back")
    append(store, "w", prepared(2, 1))
    assert len(list(store.read("w", 0, 9))) == 3
