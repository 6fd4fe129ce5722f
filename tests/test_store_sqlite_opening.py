"""What a SQLite file is opened with: nothing is written to read, and nothing of another program is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

import whodid
from tests.faults.writer import event
from whodid.errors import InvalidSetting, StoreCorrupt, StoreFull
from whodid.store.sqlite import engine
from whodid.store.sqlite.engine import Connection, Engine


def test_who_comes_to_read_waits_for_no_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is made while somebody writes asks for no lock: of the same process, and of another one."""
    monkeypatch.setattr(engine, "_BUSY_MS", 0)
    path = str(tmp_path / "audit.db")
    here, there = Engine(path), Engine(path)
    with here.transaction():
        for one in (here, there):
            with one.reading() as reader:
                assert reader.value("SELECT count(*) FROM migration") == one._known
    here.close()
    there.close()


def test_who_comes_to_read_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk the store is opened, read and verified, by a process that comes when it is full already too."""
    url = f"sqlite:///{tmp_path}/audit.db"
    with whodid.open(url) as first:
        first.record("w", event("before", 0))
        connect = Engine._connect

        def full(self: Engine, *, ours: bool = True) -> Connection:
            connection = connect(self, ours=ours)
            before = connection.total_changes()
            connection.execute(f"PRAGMA max_page_count = {connection.value('PRAGMA page_count')}")
            assert connection.total_changes() == before
            return connection

        monkeypatch.setattr(Engine, "_connect", full)
        wal = (tmp_path / "audit.db-wal").read_bytes()
        with whodid.open(url) as log:
            assert [entry.id for entry in log.find("w", "").entries] == [event("before", 0).id]
            assert log.verify("w").ok
            assert (tmp_path / "audit.db-wal").read_bytes() == wal
            with pytest.raises(StoreFull):
                log.record_many("w", [event("more", number) for number in range(500)])


def test_freed_room_is_given_back_in_steps(tmp_path: Path) -> None:
    """What a new file is told before its first table holds for ever, and for the copy that a backup is."""
    here = Engine(str(tmp_path / "audit.db"))
    here.copy_to(tmp_path / "copy.db")
    here.close()
    for name in ("audit.db", "copy.db"):
        again = Engine(str(tmp_path / name))
        assert again.writer.value("PRAGMA auto_vacuum") == 2  # incremental
        assert again.writer.value("PRAGMA journal_mode") == "wal"
        again.close()


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """A wrong address makes no tables in an application's own file, and changes no byte of it."""
    path = tmp_path / "shop.db"
    other = Connection(str(path))
    other.execute("CREATE TABLE basket (id INTEGER PRIMARY KEY)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(InvalidSetting, match="another program: it has a table basket") as caught:
        whodid.open(f"sqlite:///{path}")
    assert caught.value.remedy == "Name a file of its own for the log"
    assert path.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["shop.db"]


@pytest.mark.parametrize("content", [b"hello, world\n" * 1_000, b"SQLite format 3\0" + b"\xff" * 8_000])
def test_what_is_no_database_is_not_sent_to_verify(tmp_path: Path, content: bytes) -> None:
    """`whodid verify` cannot open it either."""
    path = tmp_path / "audit.db"
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt, match="no SQLite database") as caught:
        whodid.open(f"sqlite:///{path}")
    assert caught.value.remedy == "Check the address, or restore a backup"
    assert path.read_bytes() == content


def test_a_copy_of_a_damaged_database_blames_the_database(tmp_path: Path) -> None:
    """The disk of the copy is not at fault, and no copy is left."""
    path = tmp_path / "audit.db"
    with whodid.open(f"sqlite:///{path}") as log:
        log.record_many("w", [event("before", number) for number in range(200)])
    damaged = bytearray(path.read_bytes())
    damaged[-9_000:-100] = b"\x88" * 8_900
    path.write_bytes(damaged)
    store = Engine(str(path))
    with pytest.raises(StoreCorrupt) as caught:
        store.copy_to(tmp_path / "copy.db")
    assert caught.value.fact.startswith(f"{path} is damaged")
    store.close()
    assert not list(tmp_path.glob("copy*"))
