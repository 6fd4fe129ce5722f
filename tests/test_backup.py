"""Backups and restores of both engines: nothing acknowledged before is missing, and signing knows an older copy."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import pytest

import whodid
from tests import shell
from tests.faults.test_kill import start
from tests.keeping import HOME, MARIA, event, record
from tests.shell import Run
from whodid import Reason
from whodid.errors import StoreCorrupt
from whodid.retention import erase_person

if TYPE_CHECKING:
    from tests.postgresing import Server

run = shell.run

# ------------------------------------------------------------------------------------------------------------- SQLite


def test_a_backup_of_a_store_in_use_holds_all_that_was_acknowledged(run: Run, tmp_path: Path) -> None:
    """A process writes meanwhile and loses nothing; the copy is its owner's alone, verified, and whole."""
    url = f"sqlite:///{tmp_path}/audit.db"
    writer = start(url, "meanwhile", threads=2)
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline().split()[1].decode() for _ in range(60)]

    done = run("backup", "--store", url, "backup.db", "--json")

    after = writer.stdout.readline()
    writer.kill()
    writer.communicate()
    assert done.code == 0, done.err
    assert after, "the writer goes on"
    (report,) = done.json()
    assert report["ok"]
    assert (tmp_path / "backup.db").stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in tmp_path.glob("backup*")) == ["backup.db"]
    with whodid.open(f"sqlite:///{tmp_path}/backup.db", key=tmp_path / "audit.db.key") as log:
        assert set(acknowledged) <= {entry.id for entry in log.read("w")}
        assert log.head("w").size == report["checked"]
        assert log.verify("w").ok


def test_a_backup_replaces_nothing_and_leaves_nothing_half(run: Run, tmp_path: Path) -> None:
    """An existing file stays; a place that cannot be written, and a store that is not there, are named."""
    url = f"sqlite:///{tmp_path}/audit.db"
    with whodid.open(url) as log:
        record(log, [event(1)])
    (tmp_path / "there.db").write_text("mine")

    there = run("backup", "--store", url, "there.db")
    nowhere = run("backup", "--store", url, "nowhere/backup.db")
    missing = run("backup", "--store", "sqlite:///missing.db", "backup.db")

    assert (there.code, nowhere.code, missing.code) == (2, 2, 3)
    assert "exists already" in there.err
    assert "nowhere/backup.db cannot be written" in nowhere.err
    assert (tmp_path / "there.db").read_text() == "mine"
    assert not list(tmp_path.glob("*.part"))


def test_a_backup_of_a_damaged_store_says_so(run: Run, tmp_path: Path) -> None:
    """What it copies is verified there and then, when the original can still be repaired from an older one."""
    url = f"sqlite:///{tmp_path}/audit.db"
    with whodid.open(url) as log:
        record(log, (event(number) for number in range(20)))
    connection = apsw.Connection(f"{tmp_path}/audit.db")
    connection.execute("UPDATE entry SET occurred_at = occurred_at + 1 WHERE pos = (SELECT min(pos) FROM entry)")
    connection.close()

    done = run("backup", "--store", url, "backup.db")

    assert done.code == 1
    assert "damaged" in done.out
    assert HOME in done.err


def test_what_was_erased_before_is_not_in_a_backup(run: Run, tmp_path: Path) -> None:
    """Pages that are free are not copied: a purged or erased value cannot be read from the file."""
    url = f"sqlite:///{tmp_path}/audit.db"
    with whodid.open(url) as log:
        record(log, [event(1, resource=whodid.Resource(type="contact", id="con_1", name="Zephyrine"))])
        erase_person(log, HOME, "contact:con_1", actor=MARIA, reason=Reason(text="Request 9"))
    assert run("backup", "--store", url, "backup.db").code == 0
    assert b"zephyrine" not in (tmp_path / "backup.db").read_bytes().lower()


def test_a_restored_backup_reads_and_records_but_does_not_sign(run: Run, tmp_path: Path) -> None:
    """More was signed than the copy has; erasures that it does not know are done again."""
    database = tmp_path / "audit.db"
    url = f"sqlite:///{database}"
    with whodid.open(url) as log:
        record(log, (event(number) for number in range(1, 20)))
        log.checkpoint(HOME)
    assert run("backup", "--store", url, "backup.db").code == 0
    with whodid.open(url) as log:
        record(log, (event(number) for number in range(20, 30)))
        erase_person(log, HOME, "contact:con_5", actor=MARIA, reason=Reason(text="Request 9"))
        log.checkpoint(HOME)

    database.unlink()
    shutil.move(tmp_path / "backup.db", database)

    verified = run("verify", "--store", url)
    assert verified.code == 1
    assert "30 entries were signed and only 19 are there" in verified.err
    with whodid.open(url) as log:
        assert log.find(HOME, '"contact 5"').entries
    assert run("erasures", "replay", "--store", url).code == 0
    with whodid.open(url) as log:
        assert not log.find(HOME, '"contact 5"').entries
        record(log, [event(1_000)])
        with pytest.raises(StoreCorrupt, match="were signed already"):
            log.checkpoint(HOME)


@pytest.mark.skipif(
    not shutil.which("litestream"),
    reason="Litestream is missing: go install github.com/benbjohnson/litestream/cmd/litestream@v0.5.18",
)
def test_litestream_brings_back_what_it_had_copied(tmp_path: Path) -> None:
    """Writer and Litestream are killed; what had reached the other place is a whole log, up to some moment."""
    url, replica = f"sqlite:///{tmp_path}/audit.db", f"file://{tmp_path}/replica"
    with whodid.open(url) as log:
        record(log, (event(number) for number in range(50)), "w")
    copier = subprocess.Popen(
        ["litestream", "replicate", f"{tmp_path}/audit.db", replica], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    writer = start(url, "meanwhile", threads=1)
    try:
        restored, size, until = tmp_path / "restored.db", 0, time.monotonic() + 120
        while size <= 50:
            assert time.monotonic() < until
            restored.unlink(missing_ok=True)
            command = ["litestream", "restore", "-o", str(restored), replica]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                continue
            with whodid.open(f"sqlite:///{restored}", key=f"{tmp_path}/audit.db.key") as log:
                size = log.head("w").size
    finally:
        writer.kill()
        copier.kill()
        writer.communicate()
        copier.communicate()
    with whodid.open(f"sqlite:///{restored}", key=f"{tmp_path}/audit.db.key") as log:
        assert [entry.index for entry in log.read("w")] == list(range(size))
        assert log.verify("w").ok


# --------------------------------------------------------------------------------------------------------- PostgreSQL


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the key where a process of this test looks for it."""
    path = tmp_path / "whodid.key"
    monkeypatch.setenv("WHODID_KEY_FILE", str(path))
    return path


@pytest.mark.postgres
def test_postgres_is_backed_up_by_its_own_tools(postgres_url: str, run: Run, key: Path) -> None:
    """The command refuses, and says where the tools are described."""
    with whodid.open(postgres_url, key=key) as log:
        record(log, [event(1)])
    refused = run("backup", "--store", postgres_url, "--key-file", str(key), "backup.db")
    assert refused.code == 2
    assert "Use the tools of the database" in refused.err


@pytest.mark.postgres
def test_a_dump_of_postgres_comes_back_whole(postgres: Server, postgres_url: str, key: Path) -> None:
    """pg_dump by a superuser and pg_restore into an empty database: the same head, verified, and it goes on signing."""
    with whodid.open(postgres_url) as log:
        record(log, (event(number) for number in range(300)))
        log.seal(HOME, close=True)
        log.checkpoint(HOME)
        head = log.head(HOME)
    restored = postgres.database("t_restored")
    with postgres.connect("t_restored") as connection:
        connection.execute("DROP SCHEMA IF EXISTS whodid CASCADE")
    dump = postgres.folder / "dump"
    postgres.run("pg_dump", "--format=custom", f"--file={dump}", postgres.url("t_test_backup", "postgres"))
    postgres.run("pg_restore", "--exit-on-error", f"--dbname={postgres.url('t_restored', 'postgres')}", str(dump))
    with whodid.open(restored) as log:
        assert log.head(HOME) == head
        assert log.verify(HOME).ok
        record(log, [event(1_000)])
        assert log.checkpoint(HOME)
        assert log.verify(HOME).ok


@pytest.mark.postgres
def test_a_dump_by_the_role_of_the_log_is_not_a_backup(postgres: Server, postgres_url: str, key: Path) -> None:
    """It fails aloud: row-level security shows that role nothing."""
    with whodid.open(postgres_url) as log:
        record(log, [event(1)])
    with pytest.raises(AssertionError, match="row-level security"):
        postgres.run("pg_dump", f"--file={postgres.folder}/bad", postgres_url)


@pytest.mark.postgres
@pytest.mark.timeout(600)
def test_postgres_goes_back_to_a_point_in_time(key: Path) -> None:
    """A base backup and the log of the server: up to a moment, after which more was signed; that is noticed."""
    from tests.postgresing import lent

    with lent() as server:
        archive, base = server.folder / "archive", server.folder / "base"
        server.make_folder(archive)
        server.kill()
        server.start(archive_mode="on", archive_command=f"cp %p {archive}/%f", wal_level="replica")
        url = server.database("pitr")
        with whodid.open(url) as log:
            record(log, (event(number) for number in range(50)))
            server.run("pg_basebackup", "-D", str(base), "-h", str(server.folder), "-U", "postgres", "-c", "fast")
            record(log, (event(number) for number in range(50, 80)))
            with server.connect("pitr") as beside:
                ((moment,),) = beside.execute("SELECT clock_timestamp()::text").fetchall()
                time.sleep(0.01)
                record(log, (event(number) for number in range(80, 100)))
                log.checkpoint(HOME)
                beside.execute("SELECT pg_switch_wal()")
                name = beside.execute("SELECT last_archived_wal FROM pg_stat_archiver").fetchone()
                until = time.monotonic() + 60
                while not name or not name[0] or not any(archive.iterdir()):
                    assert time.monotonic() < until
                    name = beside.execute("SELECT last_archived_wal FROM pg_stat_archiver").fetchone()
        server.kill()
        server.restore(base, restore_command=f"cp {archive}/%f %p", recovery_target_time=str(moment))
        with whodid.open(url) as log:
            assert log.head(HOME).size == 80
            assert [entry.index for entry in log.read(HOME)] == list(range(80))
            report = log.verify(HOME)
            assert [one.fact for one in report.problems] == ["100 entries were signed and only 80 are there"]
            record(log, [event(1_000)])
            with pytest.raises(StoreCorrupt, match="100 were signed already"):
                log.checkpoint(HOME)
