"""PostgreSQL on a disk that is full or fails: nothing acknowledged is lost, and writing goes on by itself after it."""

from __future__ import annotations

import errno
import itertools
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.remoting import WORKSPACE, Server, serving
from tests.sending import wire
from tests.serving import bearer

if TYPE_CHECKING:
    from tests.postgresing import Server as Postgres

httpx2 = pytest.importorskip("httpx2", reason="the client is missing: pip install 'whodid[client]'")
pytestmark = [pytest.mark.faults, pytest.mark.postgres, pytest.mark.timeout(300)]

BATCH = 20


class Sent:
    """What was sent to a server, and what it acknowledged."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.acknowledged: set[str] = set()
        self.numbers = itertools.count()
        self.refusals: list[tuple[int, str | None]] = []

    def send(self) -> bool:
        """Send the next events, and say whether they were taken."""
        events = [wire(next(self.numbers)) for _ in range(BATCH)]
        answer = httpx2.post(
            f"{self.server.url}/v1/events", json={"events": events}, headers=bearer(self.server.key), timeout=120
        )
        if answer.status_code == 200:
            assert {one["status"] for one in answer.json()["results"]} == {"recorded"}
            self.acknowledged.update(event["id"] for event in events)
            return True
        self.refusals.append((answer.status_code, answer.headers.get("retry-after")))
        return False

    def until(self, taken: bool, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Send until events are taken, or until they are refused."""
        end = time.monotonic() + 120
        while self.send() != taken:
            meanwhile()
            assert time.monotonic() < end, self.refusals[-3:]

    def check(self) -> None:
        """Insist that what was acknowledged is there, that nothing is there twice, and that the log is whole."""
        log = self.server.log
        ids = [entry.id for entry in log.read(WORKSPACE) if entry.action == "contact.created"]
        assert self.acknowledged <= set(ids)
        assert len(ids) == len(set(ids))
        report = log.verify(WORKSPACE)
        assert report.ok, report.problems


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount a small file system of its own."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(
            f"cannot mount a small file system ({mounted.stderr.strip()}); run the tests as root to enable this"
        )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave not a byte of room in a file system; return the file that takes it."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass
    with pytest.raises(OSError) as full:  # noqa: PT011 - looked at below
        (folder / "more").write_bytes(bytes(8192))
    assert full.value.errno == errno.ENOSPC
    (folder / "more").unlink()
    return ballast


@pytest.fixture(scope="module")
def own() -> Iterator[Postgres]:
    """Lend a PostgreSQL of this file's own: what happens to it concerns nobody else."""
    pytest.importorskip("psycopg", reason="the driver is missing: pip install 'psycopg[binary]'")
    from tests.postgresing import lent

    with lent() as server:
        yield server


@pytest.fixture(autouse=True)
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the key of the log beside the test, and do not look long after a commit whose answer was lost."""
    pytest.importorskip("psycopg", reason="the driver is missing: pip install 'psycopg[binary]'")
    monkeypatch.setattr("whodid.store.postgres.store._SETTLE_S", 1)
    monkeypatch.setenv("WHODID_KEY_FILE", str(tmp_path / "whodid.key"))


def run(own: Postgres, *statements: str) -> list[tuple[object, ...]]:
    """Execute statements as the operator; return the rows of the last."""
    rows: list[tuple[object, ...]] = []
    with own.connect("postgres") as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
            rows = cursor.fetchall() if cursor.description else []
    return rows


def said(own: Postgres, what: str) -> int:
    """Return how often the database said something."""
    return (own.folder / "log").read_text().count(what)


def test_tables_on_a_full_disk(own: Postgres, tmp_path: Path) -> None:
    """The sender is told when to come again; when there is room, the same server goes on."""
    folder = own.folder / "tables"
    own.make_folder(folder)
    with small_disk(folder, 40):
        url = own.database("tables")
        own.make_folder(folder / "space")
        run(
            own,
            f"CREATE TABLESPACE small LOCATION '{folder}/space'",
            "ALTER DATABASE tables SET TABLESPACE small",
        )
        try:
            with serving(tmp_path, url) as server:
                sent = Sent(server)
                assert sent.send()
                ballast = fill(folder)
                sent.until(taken=False)
                assert sent.refusals == [(503, "30")]
                assert httpx2.get(f"{server.url}/healthz").status_code == 200
                sent.check()
                ballast.unlink()
                sent.until(taken=True)
                sent.check()
        finally:
            run(own, "DROP DATABASE tables WITH (FORCE)", "DROP TABLESPACE small")


def test_the_write_ahead_log_on_a_full_disk(own: Postgres, tmp_path: Path) -> None:
    """The database ends, for there is nothing else that it could do; when it is back, the same server goes on."""
    from psycopg import Error

    folder, kept = own.folder / "wal", own.folder / "kept"
    for one in (folder, kept):
        own.make_folder(one)
    panics = said(own, "PANIC")
    with small_disk(folder, 96):
        own.make_folder(folder / "pg_wal")
        own.move_wal(folder / "pg_wal")
        try:
            with serving(tmp_path, own.database("wal")) as server:
                sent = Sent(server)
                assert sent.send()
                ballast = fill(folder)

                def waste() -> None:
                    """Begin another file of the log, so that the room that there is in this one need not be written."""
                    with suppress(Error):
                        run(own, "SELECT pg_switch_wal()")

                sent.until(taken=False, meanwhile=waste)
                ballast.unlink()

                def operator() -> None:
                    """Start the database again, if it could not by itself."""
                    if own.gone:
                        own.start()

                sent.until(taken=True, meanwhile=operator)
                assert {(status, again is not None) for status, again in sent.refusals} == {(503, True)}
                sent.check()
                assert said(own, "PANIC") > panics
        finally:
            own.move_wal(kept)


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is missing; install it (apt-get install strace)")
@pytest.mark.parametrize("call", ["fdatasync", "pwrite64"])
def test_the_disk_fails(own: Postgres, tmp_path: Path, call: str) -> None:
    """The kernel says EIO: a commit that was not made durable ends the database, which starts anew by itself.

    What it lost was not acknowledged, and what was acknowledged it did not lose. A table that cannot be written is
    an error of one transaction.
    """
    with serving(tmp_path, own.database("eio")) as server:
        sent = Sent(server)
        assert sent.send()
        found = run(own, "SELECT pid FROM pg_stat_activity WHERE application_name = 'whodid'")
        assert found
        panics = said(own, "PANIC")
        with failing(call, [str(pid) for (pid,) in found]):
            if call == "pwrite64":
                sent.until(taken=False)
            else:
                # Its answer says how the commit ended in the recovery, if that was found out in time.
                end = time.monotonic() + 60
                while said(own, "PANIC") == panics:
                    sent.send()
                    assert time.monotonic() < end, "the database did not notice"
        sent.until(taken=True)
        assert {(status, again is not None) for status, again in sent.refusals} <= {(503, True)}
        sent.check()
        assert not own.gone


@contextmanager
def failing(call: str, pids: list[str]) -> Iterator[None]:
    """Have the kernel say EIO to every such call of these processes."""
    command = ["strace", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:error=EIO"]
    for pid in pids:
        command += ["-p", pid]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        try:
            for _ in pids:
                said = strace.stderr.readline()
                if re.search("not permitted", said):
                    pytest.skip(
                        "this machine forbids ptrace; allow it (sysctl kernel.yama.ptrace_scope=0) to enable this"
                    )
                assert "attached" in said, said
            yield
        finally:
            strace.terminate()
