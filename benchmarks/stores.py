"""Big logs, filled once and kept: what the measurements at a million and at ten million entries begin from.

The corpus (90 days, about 600 bytes of JSON each) is recorded through `Log.record_many` at the times of its events, in
batches of 4,000 at most, with everything on: proofs, seals and volumes, search, roll-ups, durable commits. Upkeep runs
twice a day of the corpus, as the server's worker would. PostgreSQL fills with more memory and rarer checkpoints than it
is measured with afterwards; that changes no byte of what it keeps. The fill may be killed at any time, and the same
command goes on where it was: the events are made by a seed number, and the log says how many of them it holds.

A store is a folder: `FOLDER/sqlite/audit.db`, or `FOLDER/postgres` with the data of a PostgreSQL of its own.

    python -m benchmarks.stores FOLDER [--entries 1000000] [--engine sqlite] [--engine postgres]
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import whodid
from benchmarks.corpus import DAYS, START, events
from benchmarks.measure import machine
from tests import postgresing

__all__ = ["ENGINES", "FILLING", "WORKSPACE", "Place", "StoryClock", "fill", "place", "recorded"]

ENGINES = ("sqlite", "postgres")
WORKSPACE = "bench"
_BATCH = 4_000  # and a quarter of a day at most: a batch is recorded at one time
_UPKEEPS = 2 * DAYS
_TOLD = 25
FILLING = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}


class StoryClock:
    """A clock that shows the time of the newest event."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        """Return that time."""
        return self.now


class Place(NamedTuple):
    """Where a store is.

    Args:
        url: Its address.
        key: Its key file.
        server: The process of its PostgreSQL and the folder of its data, if it has one.
    """

    url: str
    key: Path
    server: postgresing.Server | None = None


@contextmanager
def place(folder: Path, engine: str, **settings: str) -> Iterator[Place]:
    """Give the place of a store in a folder, with its server running.

    Args:
        settings: Of that server, where its own are not to hold.
    """
    inside = folder / engine
    inside.mkdir(parents=True, exist_ok=True)
    if engine == "sqlite":
        yield Place(f"sqlite:///{inside}/audit.db", inside / "audit.db.key")
        return
    programs = postgresing.programs()
    if programs is None:
        sys.exit(postgresing.MISSING)
    fresh = not (inside / "data").exists()
    server = postgresing.Server(programs, inside, settings=settings)
    try:
        url = server.database("bench") if fresh else server.url("bench")
        yield Place(url, folder / "postgres.key", server)
    finally:
        server.stop()


def recorded(log: whodid.Log) -> int:
    """Return how many events of the corpus a log holds: all but what the log says of itself."""
    if WORKSPACE not in log.workspaces():
        return 0
    return log.head(WORKSPACE).size - log.count(WORKSPACE, "action:audit.*").value


def fill(log: whodid.Log, clock: StoryClock, count: int) -> None:
    """Record what is missing of a corpus."""
    done = recorded(log)
    supply = itertools.islice(events(count), done, None)
    started, begun = time.perf_counter(), done
    size = max(1, min(_BATCH, count // DAYS // 4))
    upkeep = max(1, count // _UPKEEPS // size)
    for number in itertools.count(1):
        batch = list(itertools.islice(supply, size))
        if not batch:
            break
        clock.now = batch[-1].occurred_at
        log.record_many(WORKSPACE, batch)
        done += len(batch)
        if not number % upkeep or done == count:
            log.seal(WORKSPACE)
            log.tend()
        if not number % _TOLD or done == count:
            rate = (done - begun) / (time.perf_counter() - started)
            print(f"  {done:,} entries, {rate:,.0f}/s", flush=True)
    while log.tend():
        pass


def main() -> None:
    """Fill."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--engine", action="append", choices=ENGINES)
    options = parser.parse_args()
    print(machine())
    for engine in options.engine or ENGINES:
        with place(options.folder.resolve(), engine, **FILLING) as at:
            clock = StoryClock()
            with whodid.open(at.url, key=at.key, clock=clock) as log:
                fill(log, clock, options.entries)
                print(f"{engine}: {log.stats(WORKSPACE)}", flush=True)


if __name__ == "__main__":
    main()
