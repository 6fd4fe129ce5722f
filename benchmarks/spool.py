"""What it costs the caller to record to the spool, against a bare append and against SQLite.

Method: each contestant keeps the same events, one by one, in a process of its own without a server, so that nothing
else runs in it: `take` of the remote client's spool; the event as JSON with one `os.write` to an append-only file (the
floor: no marker, no checksum, no limit, no rotation); `INSERT` of the JSON into SQLite with WAL and
`synchronous=NORMAL`, one transaction per event; and the spool with `durability="power"`, which waits for the disk.
Printed: processor microseconds per event, the 99th percentile of a call in wall microseconds, events per second, and
the ratio to the floor, as medians of the rounds. Building the event is in nobody's figures but in those of `record`,
which is the spool with `context` and `Capture.event` before it.

    python -m benchmarks.spool [--rounds 5] [--events 20000]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import msgspec

import whodid
from benchmarks.corpus import events
from benchmarks.measure import machine, percentile, spread, table
from whodid import Actor, Event, Resource
from whodid.capture import Capture, context
from whodid.capture.remote.spool import Spool

_ROOM = 2**32


def bare(folder: Path) -> Callable[[Event], object]:
    """Append the JSON of an event to a file."""
    descriptor = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    encode = msgspec.json.Encoder().encode
    return lambda event: os.write(descriptor, encode(event) + b"\n")


def sqlite(folder: Path) -> Callable[[Event], object]:
    """Insert the JSON of an event into a table."""
    connection = apsw.Connection(str(folder / "queue.db"))
    for statement in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=NORMAL",
        "CREATE TABLE queue (event BLOB NOT NULL)",
    ):
        connection.execute(statement).fetchall()
    encode = msgspec.json.Encoder().encode
    return lambda event: connection.execute("INSERT INTO queue VALUES (?)", (encode(event),))


def spool(folder: Path) -> Callable[[Event], object]:
    """Keep an event in the spool."""
    kept = Spool(folder / "spool", max_bytes=_ROOM)
    return lambda event: kept.take("w", (event,))


def power(folder: Path) -> Callable[[Event], object]:
    """Keep an event in the spool, and wait for the disk."""
    kept = Spool(folder / "spool", max_bytes=_ROOM, durability="power")
    return lambda event: kept.take("w", (event,))


def record(folder: Path) -> Callable[[Event], object]:
    """Build an event from before and after, and keep it."""
    kept = Spool(folder / "spool", max_bytes=_ROOM)
    capture = Capture(whodid.builtin(), lambda *_: "0" * 16)
    resource = Resource(type="contact", id="con_1", name="Juan Pérez")
    before = {"city": "Getafe", "phone": "+34611204880", "consent": {"marketing": True}}
    after = before | {"city": "Madrid"}

    def work(_: Event) -> None:
        with context(actor=Actor(type="user", id="usr_1", name="Maria"), workspace="w", ip="203.0.113.7"):
            kept.take("w", (capture.event("contact.updated", resource, before=before, after=after),))

    return work


CONTESTANTS = {"bare": bare, "sqlite": sqlite, "spool": spool, "power": power, "record": record}


def contend(name: str, count: int) -> None:
    """Run one contestant in this process and print its figures."""
    made: Iterator[Event] = events(count)
    waiting = list(made)
    with tempfile.TemporaryDirectory() as folder:
        keep = CONTESTANTS[name](Path(folder))
        for event in waiting[:200]:
            keep(event)
        wall: list[float] = []
        cpu = time.process_time()
        started = time.perf_counter()
        for event in waiting:
            begun = time.perf_counter()
            keep(event)
            wall.append(time.perf_counter() - begun)
        seconds = time.perf_counter() - started
        cpu = time.process_time() - cpu
    said = {"cpu": 1e6 * cpu / count, "p99": 1e6 * percentile(wall, 0.99), "rate": count / seconds}
    sys.stdout.write(json.dumps(said) + "\n")


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--contestant", choices=sorted(CONTESTANTS))
    arguments = parser.parse_args()
    if arguments.contestant:
        contend(arguments.contestant, arguments.events)
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in CONTESTANTS}
    for _ in range(arguments.rounds):
        for name in CONTESTANTS:
            count = min(arguments.events, 500) if name == "power" else arguments.events
            command = [sys.executable, "-m", "benchmarks.spool", "--contestant", name, "--events", str(count)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[name].append(json.loads(done.stdout))
    rows = []
    for name, rounds in found.items():
        ratios = [one["cpu"] / floor["cpu"] for one, floor in zip(rounds, found["bare"], strict=True)]
        rows.append(
            (
                name,
                spread([one["cpu"] for one in rounds], ".1f"),
                f"{statistics.median(one['p99'] for one in rounds):.0f}",
                f"{statistics.median(one['rate'] for one in rounds):,.0f}",
                spread(ratios),
            )
        )
    sys.stdout.write(f"{machine()}\n")
    columns = ("", "CPU µs per event", "p99 of a call, wall µs", "events/s", "CPU against bare")
    table(f"Keeping {arguments.events:,} events one by one, {arguments.rounds} rounds", columns, rows)


if __name__ == "__main__":
    main()
