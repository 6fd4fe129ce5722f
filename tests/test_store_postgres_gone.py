"""Locks of servers that are gone without a word, while the database still waits for what they began to say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

import whodid
from tests.faults.writer import event
from whodid import Log
from whodid.errors import StoreUnavailable
from whodid.store.postgres.gone import END_SILENT

if TYPE_CHECKING:
    from whodid.store.postgres.engine import Connection, Engine

pytestmark = pytest.mark.postgres


@pytest.fixture
def log(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    """Open a log of one entry; whoever is silent, is silent for too long at once."""
    hasty = END_SILENT.replace("interval '20000 ms'", "interval '0 ms'")
    assert hasty != END_SILENT
    monkeypatch.setattr("whodid.store.postgres.engine.END_SILENT", hasty)
    with whodid.open(postgres_url) as opened:
        opened.record("w", event("a", 0))
        yield opened


@pytest.fixture
def gone(postgres_url: str) -> Iterator[Engine]:
    """Connect as another server would."""
    from whodid.store.postgres.engine import Engine

    made = Engine(postgres_url)
    yield made
    made.close()


@contextmanager
def locking(log: Log, gone: Engine) -> Iterator[Connection]:
    """Hold the lock of the workspace, as an append does; in the end the connection is not there any more."""
    ws = log._store.coding.keys.workspace("w")  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable, match="cannot be reached"), gone.writing(ws) as writer:
        assert writer.row("SELECT 1 FROM whodid.log WHERE ws = %s FOR UPDATE", (ws,))
        yield writer


def hasten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait long for a lock."""
    from whodid.store.postgres import engine

    begin = tuple(part.replace("lock_timeout = 25000", "lock_timeout = 300") for part in engine._BEGIN_WRITING)
    monkeypatch.setattr(engine, "_BEGIN_WRITING", begin)


def test_a_lock_held_in_the_middle_of_a_copy_is_ended_by_who_waits_for_it(
    log: Log, gone: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL heeds no limit of time while it waits for the rows: one append is refused, the next one is taken."""
    hasten(monkeypatch)
    with locking(log, gone) as writer, writer.raw.cursor() as cursor, cursor.copy("COPY whodid.dictionary FROM STDIN"):
        with pytest.raises(StoreUnavailable, match="did not answer in time"):
            log.record("w", event("a", 1))
        assert log.record("w", event("a", 1)).index == 1
    assert log.verify("w").ok


def test_a_lock_held_in_the_middle_of_a_pipeline_is_ended_too(
    log: Log, gone: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL 16 and older have no limit for it."""
    hasten(monkeypatch)
    with locking(log, gone) as writer, writer.raw.pipeline():
        writer.raw.execute("SELECT 1")
        writer.raw.pgconn.send_flush_request()
        writer.raw.pgconn.flush()
        with pytest.raises(StoreUnavailable, match="did not answer in time"):
            log.record("w", event("a", 1))
        assert log.record("w", event("a", 1)).index == 1


def test_whoever_finds_the_database_back_ends_what_the_network_left(log: Log, gone: Engine) -> None:
    """Nobody waits for the lock first."""
    with locking(log, gone) as writer, writer.raw.cursor() as cursor, cursor.copy("COPY whodid.dictionary FROM STDIN"):
        log._store.engine._away = True  # type: ignore[attr-defined]
        assert log.record("w", event("a", 1)).index == 1


def test_whoever_reads_slowly_or_is_no_server_of_ours_stays(log: Log, gone: Engine, postgres_url: str) -> None:
    """A reader whose own client is slow, one that is idle, and what else uses the role."""
    from whodid.store.postgres.engine import Engine

    stranger = Engine(f"{postgres_url}&application_name=report")
    with gone.listing() as reader, stranger.keeping() as other:
        assert reader.value("SELECT 1") == 1
        with other.raw.cursor() as cursor, cursor.copy("COPY whodid.dictionary FROM STDIN"):
            log._store.engine.end_silent()  # type: ignore[attr-defined]
        assert reader.value("SELECT 2") == 2
        assert other.value("SELECT 3") == 3
    stranger.close()


def test_a_role_that_may_end_nothing_goes_on(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The right to end one's own sessions can be taken away."""
    monkeypatch.setattr("whodid.store.postgres.engine.END_SILENT", "SELECT no_such_right()")
    log._store.engine._away = True  # type: ignore[attr-defined]
    assert log.record("w", event("a", 1)).index == 1
