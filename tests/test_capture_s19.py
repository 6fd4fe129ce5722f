"""S19: pressure. A burst that the spool cannot hold is told to the caller or counted, to the last event."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import whodid
from tests.remoting import ROOT, WORKSPACE, Server, environment, event, ids, serving
from whodid.capture.remote.gaps import GAP, Gaps

pytestmark = pytest.mark.faults

BURST = 30_000
LIMIT = 5_000_000
MOST_GROWTH = 20_000_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Run a server that takes 50 ms for a batch."""
    with serving(tmp_path) as running:
        running.mode = "slow"
        yield running


def burst(server: Server, spool: Path, policy: str, mode: str) -> dict[str, Any]:
    """Run the burst in a process of its own and return what it tells."""
    program = ROOT / "tests" / "faults" / "burst.py"
    done = subprocess.run(
        [sys.executable, str(program), server.url, server.key, str(spool), policy, str(BURST), mode],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert said["warm"]
    assert said["flushed"]
    assert said["growth"] <= MOST_GROWTH, said
    assert said["peak_bytes"] <= LIMIT, said
    if mode == "gevent":
        assert said["ticks"] > 0, "nothing else ran while the burst was recorded"
    return said


@pytest.mark.parametrize("mode", ["threads", "gevent"])
def test_raise_tells_the_caller(server: Server, tmp_path: Path, mode: str) -> None:
    """Under `raise`, accepted and refused add up; the accepted ones arrive; a refusal takes as long as it may."""
    said = burst(server, tmp_path / "spool", "raise", mode)

    assert said["refused"] > 0
    assert said["accepted"] + said["refused"] == BURST
    assert said["delivered"] == said["accepted"] == len(set(ids(server.log))) == len(ids(server.log))
    assert 50 <= said["median_refusal_ms"] <= 60
    assert said["dropped"] == 0


@pytest.mark.parametrize("mode", ["threads", "gevent"])
def test_gap_counts_to_the_last_event(server: Server, tmp_path: Path, mode: str) -> None:
    """Under `gap`, the delivered entries and the counts of the gap entries add up to the burst exactly."""
    said = burst(server, tmp_path / "spool", "gap", mode)

    assert said["refused"] == 0
    assert said["dropped"] > 0
    assert said["untold"] == 0
    gaps = [entry for entry in server.log.read(WORKSPACE) if entry.action == GAP]
    counted = sum((entry.details or {})["count"] for entry in gaps)
    assert counted == said["dropped"]
    assert said["delivered"] == len(set(ids(server.log))) == len(ids(server.log))
    assert said["delivered"] + counted == BURST
    for entry in gaps:
        assert entry.details is not None
        assert entry.details["actions"] == {"thing.made": entry.details["count"]}
        assert entry.details["first_at"] <= entry.details["last_at"]
        assert entry.severity == "critical"


def test_a_gap_outlives_the_process(server: Server, tmp_path: Path) -> None:
    """A process that dropped events and died still has them told of, once, by whoever comes next."""
    spool = tmp_path / "spool"
    server.stop()
    program = (
        "import os, sys, whodid; from tests.capturing import event\n"
        "client = whodid.connect(*sys.argv[1:3], spool=sys.argv[3], max_bytes=2**20, on_full='gap')\n"
        "for number in range(8000): client.take('wsp', [event(number)])\n"
        "status = client.status()\n"
        "print(status.accepted, status.dropped, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, server.url, server.key, str(spool)],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=100,
    )
    accepted, dropped = map(int, done.stdout.split())
    assert dropped > 0
    assert accepted + dropped == 8000
    server.mode = "forgetful"
    server.start()
    with whodid.connect(server.url, server.key, spool=spool) as client:
        client.take(WORKSPACE, [event(9000)])
        client.flush(1)
        server.mode = "fine"
        assert client.flush(30)
        until = time.monotonic() + 60
        while not any(entry.action == GAP for entry in server.log.read(WORKSPACE)) and time.monotonic() < until:
            time.sleep(0.05)
    assert len(ids(server.log)) == len(set(ids(server.log))) == accepted + 1
    told = [entry.details for entry in server.log.read(WORKSPACE) if entry.action == GAP]
    assert [details and details["count"] for details in told] == [dropped]


def test_what_is_counted_while_a_gap_is_told_is_told_next(tmp_path: Path) -> None:
    """Sealed counts are fixed, their id included; later ones wait for their own entry."""
    gaps = Gaps(tmp_path / "one.gaps")
    gaps.count("a", "x.made", 1_000)
    gaps.count("a", "y.made", 3_000)
    gaps.count("b", "x.made", 2_000)
    first = gaps.untold()
    gaps.count("a", "x.made", 9_000)
    again = Gaps(tmp_path / "one.gaps")

    assert first == gaps.untold() == again.untold()
    assert [(workspace, one.details and one.details["count"]) for workspace, one in first] == [("a", 2), ("b", 1)]
    assert gaps.total() == 4
    gaps.told()
    ((workspace, later),) = gaps.untold()
    assert (workspace, later.details and later.details["actions"]) == ("a", {"x.made": 1})
    assert later.id not in {one.id for _, one in first}
    gaps.told()
    assert gaps.untold() == []
    assert gaps.total() == 0


def test_more_actions_than_there_is_room_for_are_still_counted(tmp_path: Path) -> None:
    """Past the reserved room, what is dropped counts as the rest, and so does what is no name."""
    gaps = Gaps(tmp_path / "one.gaps")
    for number in range(300):
        gaps.count("a", f"thing.made{number}", number)
    gaps.count("a", "é" * 10, 5)
    ((_, told),) = gaps.untold()
    assert told.details is not None
    assert told.details["count"] == 301
    assert told.details["actions"]["*"] == 301 - 127


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_file_of_counts_stops_nothing(tmp_path: Path, seed: int) -> None:
    """Whatever the bytes are, something can be told or nothing, and counting goes on."""
    path = tmp_path / "one.gaps"
    gaps = Gaps(path)
    gaps.count("a", "x.made", 1_000)
    gaps.close()
    chance = random.Random(seed)
    data = bytearray(path.read_bytes())
    for _ in range(chance.randrange(1, 50)):
        start = chance.randrange(600)
        data[start : start + 8] = chance.randbytes(8)
    path.write_bytes(bytes(data[: chance.choice([len(data), 700])]))

    gaps = Gaps(path)
    gaps.count("b", "y.made", 2_000)
    for _ in range(2):
        told = gaps.untold()
        assert all(msgspec.json.encode(one) for _, one in told)
        gaps.told()
    assert gaps.untold() == []
