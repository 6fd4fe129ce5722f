"""Kill the writer at random points, over and over: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import whodid
from tests.faults.writer import event

ROUNDS = int(os.environ.get("WHODID_KILL_ROUNDS", "50"))
WRITER = Path(__file__).with_name("writer.py")
SEALER = Path(__file__).with_name("sealer.py")


def start(url: str, name: str, *, threads: int = 4, count: int | None = None) -> subprocess.Popen[bytes]:
    """Start a writer process."""
    command = [sys.executable, str(WRITER), url, "w", name, str(threads)]
    return subprocess.Popen(command + ([] if count is None else [str(count)]), stdout=subprocess.PIPE)


def check(url: str, acknowledged: dict[str, str]) -> int:
    """Check the whole log against what was acknowledged; return its size."""
    with whodid.open(url) as log:
        entries = list(log.read("w")) if log.workspaces() else []
        assert [entry.index for entry in entries] == list(range(len(entries)))
        ids = {entry.id for entry in entries}
        assert len(ids) == len(entries), "an event was recorded twice"
        lost = acknowledged.keys() - ids
        assert not lost, f"{len(lost)} acknowledged events are missing"
        if entries:
            report = log.verify("w")
            assert report.ok, report.problems
        return len(entries)


@pytest.mark.timeout(600)
def test_kill_9_loses_nothing(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """After every kill all acknowledged events are there exactly once, and the log verifies."""
    url = f"sqlite:///{tmp_path}/audit.db"
    draw = random.Random(20261123)
    acknowledged: dict[str, str] = {}
    size = 0
    for number in range(ROUNDS):
        writer = start(url, f"round {number}")
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(draw.random() * 0.08)
        writer.send_signal(signal.SIGKILL)
        said = first + writer.communicate()[0]
        # The last line may have been cut by the kill: what was not said in full was not acknowledged.
        for line in said.split(b"\n")[:-1]:
            at, _, id_ = line.decode().partition(" ")
            assert at != "!", line
            acknowledged[id_] = at
        size = check(url, acknowledged)
    assert size >= len(acknowledged) >= ROUNDS
    record_property("acknowledged", len(acknowledged))


def test_a_killed_batch_can_be_sent_again(tmp_path: Path) -> None:
    """A client that repeats everything after a kill ends with each event exactly once."""
    url = f"sqlite:///{tmp_path}/audit.db"
    writer = start(url, "again", threads=1, count=100_000)
    assert writer.stdout is not None
    writer.stdout.readline()
    time.sleep(0.2)
    writer.kill()
    writer.communicate()
    with whodid.open(url) as log:
        before = log.head("w").size
        again = [event("again", number) for number in range(before + 10)]
        receipts = log.record_many("w", again)
        assert [getattr(receipt, "duplicate", None) for receipt in receipts] == [True] * before + [False] * 10
        assert log.head("w").size == before + 10
        assert log.verify("w").ok


@pytest.mark.timeout(300)
def test_sealers_that_are_killed_leave_nothing_half_done(tmp_path: Path) -> None:
    """Two processes seal while a third records, and all are killed: no seal is there twice, lost or half written."""
    url = f"sqlite:///{tmp_path}/audit.db"
    with whodid.open(url) as log:
        log.record("w", event("first", 0))
    draw = random.Random(20261127)
    said: set[int] = set()
    for number in range(max(3, ROUNDS // 20)):
        sealers = [subprocess.Popen([sys.executable, str(SEALER), url, "w"], stdout=subprocess.PIPE) for _ in range(2)]
        for sealer in sealers:
            assert sealer.stdout is not None
            assert sealer.stdout.readline() == b"ready\n"
        writer = start(url, f"sealed {number}")
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.05 + draw.random() * 0.2)
        for process in (*sealers, writer):
            process.send_signal(signal.SIGKILL)
        writer.communicate()
        for sealer in sealers:
            lines = [int(line) for line in sealer.communicate()[0].split(b"\n")[:-1]]
            assert said.isdisjoint(lines), "a segment was sealed twice"
            said.update(lines)
        check(url, {})
    with whodid.open(url) as log:
        log.seal("w", close=True)
        numbers = [
            entry.details["segment"] for entry in log.read("w") if entry.action == "audit.sealed" and entry.details
        ]
        assert numbers == list(range(log.head("w").sealed))
        assert said <= set(numbers) != set()
        assert log.verify("w").ok


def test_two_processes_write_one_database(tmp_path: Path) -> None:
    """Two writers at once: every event of both is there once, without a gap."""
    url = f"sqlite:///{tmp_path}/audit.db"
    writers = [start(url, name, threads=3, count=600) for name in ("one", "two")]
    said = b"".join(writer.communicate()[0] for writer in writers)
    assert [writer.returncode for writer in writers] == [0, 0]
    acknowledged = dict(line.split(" ")[::-1] for line in said.decode().splitlines())
    assert len(acknowledged) == 1_200
    assert check(url, acknowledged) == 1_200
