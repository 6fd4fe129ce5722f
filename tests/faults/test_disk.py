"""The disk is full, or fails: nothing is half written, reading goes on, and so does writing when there is space."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import whodid
from tests.faults.writer import event
from whodid.errors import StoreError, StoreFull, StoreUnavailable
from whodid.sequence import Batch
from whodid.store.base import Assemble
from whodid.store.sqlite import SQLiteStore

WRITER = Path(__file__).with_name("writer.py")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a file system of 3 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(
            f"cannot mount a small file system ({mounted.stderr.strip()}); run the tests as root to enable this"
        )
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(log: whodid.Log) -> None:
    """Record until the store refuses."""
    for number in itertools.count(step=10):
        log.record_many("w", [event("full", one) for one in range(number, number + 10)])


def test_a_full_database_refuses_and_recovers(tmp_path: Path) -> None:
    """At its page limit the store says so, keeps answering, and takes entries again when the limit is lifted."""
    with whodid.open(f"sqlite:///{tmp_path}/audit.db") as log:
        log.record_many("w", [event("before", number) for number in range(50)])
        store = log._store
        assert isinstance(store, SQLiteStore)
        (pages,) = store.engine.writer.rows("PRAGMA page_count")[0]
        store.engine.writer.execute(f"PRAGMA max_page_count = {pages + 5}")
        with pytest.raises(StoreFull, match="nothing was written"):
            fill(log)
        acknowledged = log.head("w").size
        assert acknowledged > 50
        assert log.count("w") == (acknowledged, True)
        assert log.verify("w").ok
        store.engine.writer.execute("PRAGMA max_page_count = 1073741823")
        assert not log.record("w", event("after", 0)).duplicate
        assert log.verify("w").ok


def test_a_full_disk_loses_nothing_acknowledged(small_disk: Path) -> None:
    """A process that fills the disk ends with a refusal; all it acknowledged is there, and it verifies."""
    url = f"sqlite:///{small_disk}/audit.db"
    ran = subprocess.run([sys.executable, str(WRITER), url, "w", "fill", "2"], capture_output=True, check=False)
    assert ran.returncode == 3
    said = ran.stdout.decode().splitlines()
    assert {line for line in said if line.startswith("!")} <= {"! StoreFull", "! StoreUnavailable"}
    acknowledged = {line.split(" ")[1] for line in said if not line.startswith("!")}
    assert acknowledged
    room = small_disk.parent / "room"
    shutil.copytree(small_disk, room)
    with whodid.open(f"sqlite:///{room}/audit.db") as log:
        ids = [entry.id for entry in log.read("w")]
        assert acknowledged <= set(ids)
        assert len(ids) == len(set(ids))
        assert log.verify("w").ok
        assert not log.record("w", event("more", 0)).duplicate


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is missing; install it (apt-get install strace)")
@pytest.mark.parametrize("call", ["fdatasync", "pwrite64"])
@pytest.mark.parametrize("when", [12, 40, 120])
def test_an_input_output_error_acknowledges_nothing_false(tmp_path: Path, call: str, when: int) -> None:
    """When the kernel says EIO, the write is refused; what was acknowledged before is all there."""
    url = f"sqlite:///{tmp_path}/audit.db"
    with whodid.open(url) as log:
        log.record("w", event("first", 0))
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
    command += ["-e", f"inject={call}:error=EIO:when={when}+"]
    command += [sys.executable, str(WRITER), url, "w", "eio", "1", "5000"]
    ran = subprocess.run(command, capture_output=True, check=False, timeout=120)
    if b"ptrace" in ran.stderr and b"not permitted" in ran.stderr:
        pytest.skip("this machine forbids ptrace; allow it to enable this")
    said = ran.stdout.decode().splitlines()
    assert ran.returncode == 3, ran.stderr.decode()
    assert said[-1] == f"! {StoreUnavailable.__name__}"
    acknowledged = {line.split(" ")[1] for line in said[:-1]}
    with whodid.open(url) as log:
        ids = [entry.id for entry in log.read("w")]
        assert acknowledged <= set(ids)
        assert len(ids) == len(set(ids))
        assert log.verify("w").ok


def test_a_store_that_fails_before_or_after_persisting_is_harmless() -> None:
    """Two lies of a store: «not written» when it is not, and «not written» when it is. Sending again settles both."""
    with whodid.open("memory://") as log:
        append = log._store.append
        for lie in ("before", "after"):

            def failing(workspace: str, assemble: Assemble, ids: Sequence[bytes] = (), lie: str = lie) -> Batch | None:
                if lie == "after":
                    append(workspace, assemble, ids)
                raise StoreUnavailable("The store lied", "Try again")

            log._store.append = failing  # type: ignore[method-assign]
            with pytest.raises(StoreError):
                log.record_many("w", [event(lie, number) for number in range(5)])
            log._store.append = append  # type: ignore[method-assign]
            receipts = log.record_many("w", [event(lie, number) for number in range(5)])
            assert [getattr(one, "duplicate", None) for one in receipts] == [lie == "after"] * 5
        assert log.head("w").size == 10
        assert log.verify("w").ok


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Errors at opening say which file and what to do."""
    with pytest.raises(whodid.WhodidError, match="does not exist"):
        whodid.open(f"sqlite:///{tmp_path}/nowhere/audit.db")
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is no database at all, but long enough to look like one" * 100)
    with pytest.raises(StoreError, match=r"broken\.db"):
        whodid.open(f"sqlite:///{broken}")
    if os.geteuid():
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o500)
        with pytest.raises(StoreError, match="permissions"):
            whodid.open(f"sqlite:///{locked}/audit.db")
