"""What a big log does as a whole: export, verification, evidence, start, writing, and the leaving of a day.

Everything that changes a log is done to a copy of it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
import resource as limits
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import whodid
from benchmarks.corpus import DAYS, START, events
from benchmarks.measure import percentile, timed
from benchmarks.stores import WORKSPACE, Place
from whodid import Actor
from whodid.evidence import ask, extract, make, verify
from whodid.export import export
from whodid.proof import leaf, tree
from whodid.retention import purge

__all__ = ["END", "Export", "Left", "copied", "evidence", "exported", "leaves", "left", "started", "written"]

END = START + timedelta(days=DAYS)
_AUDITOR = Actor(type="user", id="usr_auditor", name="Auditor")
_WANTED = 12
_BATCH = 100
_LEAVES = 50_000
_IDLE_SECONDS = 3
_PORT = re.compile(r"http://127\.0\.0\.1:(\d+)")


@contextmanager
def copied(place: Place, folder: Path) -> Iterator[Place]:
    """Copy a store that nobody has open; the copy goes at the end.

    Args:
        folder: Of the store.
    """
    # With a key file of its own: beside it stands up to where was signed, and the copy goes further than the store.
    aside = folder / "copy"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    key = Path(shutil.copy(place.key, aside / "audit.db.key"))
    try:
        if place.server is None:
            shutil.copy(folder / "sqlite" / "audit.db", aside / "audit.db")
            yield Place(f"sqlite:///{aside}/audit.db", key)
            return
        with place.server.connect("postgres") as connection:
            connection.execute("DROP DATABASE IF EXISTS bench_copy WITH (FORCE)")
            connection.execute("CREATE DATABASE bench_copy TEMPLATE bench OWNER whodid")
            try:
                yield Place(place.server.url("bench_copy"), key, place.server)
            finally:
                connection.execute("DROP DATABASE bench_copy WITH (FORCE)")
    finally:
        shutil.rmtree(aside)


# ------------------------------------------------------------------------------------------------------------- reading


class Export(NamedTuple):
    """What an export cost.

    Args:
        rate: Entries per second.
        busy: Entries per second of this process's processor time.
        grown: Bytes of memory that the second half needed beyond the first.
    """

    entries: int
    rate: float
    busy: float
    grown: int


def exported(place: Place, days: int) -> Export:
    """Export the newest days as NDJSON, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.millions_log", place.url, str(place.key), str(days)]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Export(*json.loads(ran.stdout))


class _Nowhere:
    """A file that forgets everything, and notes how much memory was needed up to the first half."""

    def __init__(self, half: int) -> None:
        self._half = half
        self.written = 0
        self.peak = 0

    def write(self, data: bytes) -> int:
        """Count."""
        self.written += data.count(b"\n")
        if self.written < self._half:
            self.peak = _peak()
        return len(data)


def _peak() -> int:
    """Return the most memory that this process ever had, in bytes."""
    return limits.getrusage(limits.RUSAGE_SELF).ru_maxrss * 1024


def _export(url: str, key: str, days: int) -> None:
    with whodid.open(url, key=key, clock=lambda: END) as log:
        query = f"date:>={END - timedelta(days=days):%Y-%m-%d}"
        out: Any = _Nowhere(log.count(WORKSPACE, query).value // 2)
        took = timed(lambda: export(log, WORKSPACE, query, "ndjson", out, actor=_AUDITOR))
    print(json.dumps([out.written, out.written / took.wall, out.written / took.cpu, _peak() - out.peak]))


def leaves() -> float:
    """Return how many leaf headers a second are read, hashed and folded to the root of a tree; the best of three."""
    draw = random.Random(7)
    headers = [
        leaf.Header(leaf.EVENT, number, draw.randbytes(32), tuple(draw.randbytes(16) for _ in range(3))).encode()
        for number in range(_LEAVES)
    ]

    def build() -> None:
        hashes = [tree.leaf_hash(leaf.Header.decode(one).encode()) for one in headers]
        tree.root(tree.extend((), 0, hashes)[0])

    return _LEAVES / min(timed(build).wall for _ in range(3))


def evidence(log: whodid.Log, drawn: list[whodid.Entry]) -> tuple[int, int, float, float]:
    """Make evidence about a resource with twelve entries, or as near as can be found.

    Returns:
        Entries, bytes of the file, seconds to make it, milliseconds to check it (the best of twenty).
    """
    named = {(one.resource.type, one.resource.id) for one in drawn}
    counted = {each: log.count(WORKSPACE, f"resource:{each[0]}:{each[1]}").value for each in sorted(named)}
    best = min(counted, key=lambda each: abs(counted[each] - _WANTED))
    question = ask([f"resource:{best[0]}:{best[1]}"], catalog=log.catalog)
    made = []
    making = timed(lambda: made.append(make(log, WORKSPACE, question, actor=_AUDITOR)))
    key = log.verifier_key(WORKSPACE)
    file = made[0].file
    assert verify(extract(file), trusted=[key]).ok
    checking = [timed(lambda: verify(extract(file), trusted=[key])).wall for _ in range(20)]
    return made[0].count, len(file), making.wall, min(checking) * 1e3


# ------------------------------------------------------------------------------------------------------------- writing


def started(place: Place) -> tuple[float, int]:
    """Start the server on a store; return seconds until it answers, and its memory when it then has nothing to do."""
    command = [sys.executable, "-m", "whodid", "serve", "--store", place.url, "--key-file", str(place.key)]
    command += ["--port", "0", "--set", "retention_minutes=0"]
    begun = time.perf_counter()
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=place.key.parent
    )
    try:
        assert server.stdout is not None
        port = next(int(found[1]) for line in server.stdout if (found := _PORT.search(line)))
        while True:
            try:
                connection = HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/healthz")
                if connection.getresponse().status == HTTPStatus.OK:
                    break
            except OSError:
                time.sleep(0.005)
        took = time.perf_counter() - begun
        time.sleep(_IDLE_SECONDS)
        status = Path(f"/proc/{server.pid}/status").read_text()
        return took, int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024  # type: ignore[index]
    finally:
        server.terminate()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


def written(log: whodid.Log, count: int, seed: int) -> float:
    """Record events now, in batches of 100; return entries per second."""
    supply = later(count, seed)
    batches = iter(lambda: list(itertools.islice(supply, _BATCH)), [])
    ready = list(batches)
    took = timed(lambda: [log.record_many(WORKSPACE, one) for one in ready])
    return count / took.wall


def later(count: int, seed: int) -> Iterator[whodid.Event]:
    """Yield events of a corpus that is not recorded yet, as if all of them happened at the end of the ninety days."""
    import msgspec

    at = END
    for event in events(count, seed=seed):
        at += timedelta(milliseconds=1)
        yield msgspec.structs.replace(event, occurred_at=at)


class Left(NamedTuple):
    """What the leaving of a day cost.

    Args:
        step: Seconds of the longest step: writers wait for it.
        wait: Seconds that the slowest of single appends took, which went on meanwhile.
        usual: Their median.
        grown: Bytes by which the store is bigger when as many entries were recorded again, per byte that these take: 0
            where all space is used again or given back.
    """

    entries: int
    seconds: float
    steps: int
    step: float
    wait: float
    usual: float
    grown: float


def left(log: whodid.Log, now: list[datetime]) -> Left:
    """Purge the oldest of ninety days while somebody writes, give space back, and record as much again.

    Args:
        now: The time that the clock of the log shows; moved on.
    """
    now[0] = END + timedelta(days=1)
    log.seal(WORKSPACE)
    size = log.stats(WORKSPACE)
    each = (size["bytes"] - size.get("free_bytes", 0)) / size["entries"]
    waits: list[float] = []
    over = threading.Event()
    steps: list[float] = []
    real = log.forget

    def forget(*arguments: Any, **more: Any) -> Any:
        done = real(*arguments, **more)
        steps.append(done.seconds if done else 0.0)
        return done

    def write() -> None:
        for event in later(10_000_000, 3):
            if over.is_set():
                break
            begun = time.perf_counter()
            log.record(WORKSPACE, event)
            waits.append(time.perf_counter() - begun)
            over.wait(0.02)

    writer = threading.Thread(target=write)
    log.forget = forget  # type: ignore[method-assign]
    writer.start()
    begun = time.perf_counter()
    try:
        done = purge(log, WORKSPACE)
    finally:
        seconds = time.perf_counter() - begun
        over.set()
        writer.join()
    while log.tend():
        pass
    supply = later(max(1, done.entries - len(waits)), 4)
    while batch := list(itertools.islice(supply, 1_000)):
        log.record_many(WORKSPACE, batch)
    grown = (log.stats(WORKSPACE)["bytes"] - size["bytes"]) / (each * done.entries)
    return Left(done.entries, seconds, len(steps), max(steps), max(waits), percentile(waits, 0.5), grown)


def main() -> None:
    """Export; what `exported` runs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("key")
    parser.add_argument("days", type=int)
    options = parser.parse_args()
    _export(options.url, options.key, options.days)


if __name__ == "__main__":
    main()
