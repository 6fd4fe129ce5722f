"""Kill whoever feeds sinks at random points, over and over: receivers miss nothing, and get little twice."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import whodid
from benchmarks.streaming import streaming
from tests.faults.test_kill import ROUNDS
from tests.faults.writer import event
from tests.receiving import receiving
from tests.sinking import managed
from whodid import Log

FEEDER = Path(__file__).with_name("feeder.py")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def feed(url: str) -> subprocess.Popen[bytes]:
    """Start a process that feeds sinks."""
    feeder = subprocess.Popen([sys.executable, str(FEEDER), url], stdout=subprocess.PIPE)
    assert feeder.stdout is not None
    assert feeder.stdout.readline() == b"ready\n"
    return feeder


def caught_up(log: Log) -> bool:
    """Tell whether no sink is behind."""
    return all(health.behind == 0 for health in managed(log, "w").all())


@pytest.mark.timeout(300)
def test_kill_9_leaves_no_gap(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """A file and a receiver over HTTP have every entry in the end: the file once, the receiver nearly so.

    Two processes feed at a time, and one of them is killed in every round.
    """
    url, out, secret = f"sqlite:///{tmp_path}/audit.db", tmp_path / "out.ndjson", tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    draw, rounds = random.Random(20261127), max(4, ROUNDS // 10)
    with whodid.open(url) as log, receiving() as receiver:
        log.record("w", event("first", 0))
        sinks = managed(log, "w")
        sinks.add("file", "file", str(out), start=0, heartbeat=0)
        sinks.add(
            "hook", "webhook", receiver.url, start=0, heartbeat=0, private=True, secret=f"file:{secret}", batch=10
        )
        feeders = [feed(url)]
        for number in range(rounds):
            feeders.append(feed(url))
            log.record_many("w", [event(f"round {number}", at) for at in range(1_000)])
            time.sleep(draw.random() * 0.2)
            dying = feeders.pop(draw.randrange(2))
            dying.kill()
            dying.communicate()
        until = time.monotonic() + 60
        while not caught_up(log) and time.monotonic() < until:
            time.sleep(0.02)
        assert caught_up(log)
        feeders[0].kill()
        feeders[0].communicate()
        size = log.head("w").size
        # A kill can cut a request off; no receiver takes half of one.
        whole = [got.body for got in receiver.got if len(got.body) == int(got.headers["content-length"])]
        came = [entry["index"] for body in whole for entry in json.loads(body)]

    lines = [json.loads(line)["index"] for line in out.read_text().split("\n")[:-1]]
    assert lines == [*range(size)]
    assert set(came) == {*range(size)}
    # Each kill can repeat one delivery, and so can each of two processes that has lost its lease to the other.
    assert max(Counter(came).values()) <= rounds + 1
    repeated = len(came) - size
    assert repeated <= 2 * rounds * 10
    record_property("delivered", size)
    record_property("repeated", repeated)


@pytest.mark.timeout(300)
def test_real_receivers_miss_nothing(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """A file, a webhook that verifies, a bucket, and rsyslog; `benchmarks/streaming.py` does it for longer."""
    rounds = max(3, ROUNDS // 12)
    found, _ = streaming(tmp_path, rounds, 500 * rounds, 20261127, lease=0.2)
    assert {"file", "webhook", "s3"} <= found.keys()
    size = 500 * rounds + len(found) + 1
    for name, came in found.items():
        assert (name, came.entries, came.missing) == (name, size, 0)
        # A kill can repeat one delivery, and so can a process that has lost its lease to the other.
        assert came.twice <= 2 * rounds * 20, name
        record_property(name, came.twice)
    # What they can compare with what they have comes once: the end of the file, and the objects of the bucket.
    assert found["file"].twice == found["s3"].twice == 0
    assert found["file"].disordered == found["webhook"].disordered == 0
