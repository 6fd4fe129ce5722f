"""Everything that is asked of a big log: lists, counts, histogram, facets, export, verification, purge, bytes.

Method: a SQLite log is filled with the corpus (90 days, recorded as it happened, in batches of 1,000), or taken from
`--database`. Lists are asked with values drawn from the entries themselves, `--tries` times each with different values;
printed are p50 and p95 in milliseconds, next to the same rows fetched by the bare engine where one statement says the
same thing. Rates are entries per second of one process.

    python -m benchmarks.read [--entries 1000000] [--tries 60] [--database FILE] [--keep FILE]
"""

from __future__ import annotations

import argparse
import itertools
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import apsw

import whodid
from benchmarks.corpus import DAYS, START, events
from benchmarks.measure import machine, percentile, table
from whodid.model import Actor, Event, Resource

_BATCH = 1_000
_WORKSPACE = "bench"


class StoryClock:
    """A clock that shows the time of the newest event."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        """Return that time."""
        return self.now


def fill(path: Path, count: int) -> None:
    """Fill a log as it would have filled in 90 days; the worker's upkeep runs beside it."""
    clock = StoryClock()
    with whodid.open(f"sqlite:///{path}", clock=clock) as log:
        supply = events(count)
        started = time.perf_counter()
        done = 0
        while batch := list(itertools.islice(supply, _BATCH)):
            clock.now = batch[-1].occurred_at
            log.record_many(_WORKSPACE, batch)
            done += len(batch)
            if not done % 50_000:
                log.tend()
                print(f"  {done:,} entries, {done / (time.perf_counter() - started):,.0f}/s", flush=True)


def timed_each(questions: Iterator[Callable[[], object]]) -> list[float]:
    """Return the milliseconds of each question."""
    found = []
    for ask in questions:
        started = time.perf_counter()
        ask()
        found.append((time.perf_counter() - started) * 1e3)
    return found


def sample(log: whodid.Log, tries: int) -> list[whodid.Entry]:
    """Draw entries from the whole log."""
    head = log.head(_WORKSPACE)
    draw = random.Random(5)
    return [log.get(_WORKSPACE, draw.randrange(head.first, head.size)) for _ in range(tries)]


def lists(log: whodid.Log, tries: int) -> list[tuple[str, list[float]]]:
    """Ask the lists of the budget table."""
    drawn = sample(log, tries)
    week = timedelta(days=7)

    def asking(text: Callable[[whodid.Entry], str]) -> list[float]:
        return timed_each(partial(log.find, _WORKSPACE, text(entry)) for entry in drawn)

    def always(text: str) -> list[float]:
        return asking(lambda _: text)

    def around(entry: whodid.Entry) -> str:
        low = entry.occurred_at - week
        return f"date:{low:%Y-%m-%d}..{entry.occurred_at:%Y-%m-%d}"

    def request(entry: whodid.Entry) -> str:
        return (entry.context and entry.context.request) or "none"

    rows = [
        ("newest 50", always("")),
        ("one actor, 90 days", asking(lambda entry: f"actor:{entry.actor.id}")),
        ("one actor by name", asking(lambda entry: f'actor:"{entry.actor.name}"')),
        ("one resource (history)", asking(lambda entry: f"resource:{entry.resource.type}:{entry.resource.id}")),
        ("one action, 7 days", asking(lambda entry: f"action:{entry.action} {around(entry)}")),
        ("only deletes", always("kind:delete")),
        ("one resource type, 7 days", asking(lambda entry: f"type:{entry.resource.type} {around(entry)}")),
        (
            "actor + action + 7 days",
            asking(lambda entry: f"actor:{entry.actor.id} action:{entry.action} {around(entry)}"),
        ),
        ("denied, one category", asking(lambda entry: f"is:denied category:{entry.category}")),
        ("rare word", asking(request)),
        ("name of a contact", asking(lambda entry: f'"{entry.resource.name}"')),
        ("common word", always("refund")),
        ("one address", asking(lambda entry: f"ip:{entry.context.ip}" if entry.context else "")),
        ("changed field and value", always("change:city after:mumbai")),
        ("one entry by id", timed_each(partial(log.get, _WORKSPACE, entry.id) for entry in drawn)),
    ]
    cursor = log.find(_WORKSPACE).next
    for _ in range(40):
        page = log.find(_WORKSPACE, cursor=cursor, limit=1_000)
        cursor = page.next or cursor
    rows.append(("page 40,000 entries deep", timed_each(partial(log.find, _WORKSPACE, cursor=cursor) for _ in drawn)))
    return rows


def sums(log: whodid.Log, tries: int) -> list[tuple[str, list[float]]]:
    """Ask for counts, histograms and facets over 90 days."""
    end = START + timedelta(days=DAYS)
    days = [START + timedelta(days=day) for day in range(DAYS + 1)]
    # A zone that is not on the hour, as India's: every border cuts an hour.
    india = [day - timedelta(hours=5, minutes=30) for day in days]
    hours = [end - timedelta(hours=hour) for hour in range(24 * 7, -1, -3)]
    times = max(5, tries // 4)

    def asking(ask: Callable[[], object]) -> list[float]:
        return timed_each(iter([ask] * times))

    return [
        ("count, all", asking(lambda: log.count(_WORKSPACE))),
        ("count, only deletes, 30 days", asking(lambda: log.count(_WORKSPACE, "kind:delete date:30d"))),
        ("histogram, days of 90 d, UTC", asking(lambda: log.histogram(_WORKSPACE, "", days))),
        ("histogram, days of 90 d, UTC+5:30", asking(lambda: log.histogram(_WORKSPACE, "", india))),
        ("histogram, 3 h of 7 d", asking(lambda: log.histogram(_WORKSPACE, "", hours))),
        ("facet action, 90 d", asking(lambda: log.facets(_WORKSPACE, "", "action"))),
        ("facet actor, 90 d", asking(lambda: log.facets(_WORKSPACE, "", "actor"))),
    ]


def rate(title: str, count: int, work: Callable[[], object]) -> tuple[str, str, str]:
    """Run once and write the rate."""
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    return title, f"{count / seconds:,.0f}/s", f"{seconds:.2f} s"


def drain(items: Iterator[object]) -> None:
    """Take everything and keep nothing."""
    for _ in items:
        pass


def purge_first_day(log: whodid.Log) -> tuple[int, float, float]:
    """Purge the oldest day in steps of 2,000; return entries, seconds in all, and the longest step."""
    until = START + timedelta(days=1)
    stop = next(entry.index for entry in log.read(_WORKSPACE) if entry.recorded_at >= until)
    steps = []
    for low in range(log.head(_WORKSPACE).first, stop, 2_000):
        event = Event(
            id=f"019ab000-0000-7000-8000-{low:012d}",
            occurred_at=log.now(),
            actor=Actor(type="system", id="retention"),
            action="audit.purged",
            resource=Resource(type="log", id=_WORKSPACE),
        )
        started = time.perf_counter()
        log.forget(_WORKSPACE, [range(low, min(low + 2_000, stop))], event)
        steps.append(time.perf_counter() - started)
    return stop, sum(steps), max(steps)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--tries", type=int, default=60)
    parser.add_argument("--database", type=Path)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    print(f"A log of {options.entries:,} entries.\n{machine()}")
    with tempfile.TemporaryDirectory(prefix="whodid-bench-") as folder:
        path = Path(folder, "audit.db")
        if options.database:
            shutil.copy(options.database, path)
            shutil.copy(f"{options.database}.key", f"{path}.key")
        else:
            fill(path, options.entries)
        if options.keep:
            shutil.copy(path, options.keep)
            shutil.copy(f"{path}.key", f"{options.keep}.key")
        clock = StoryClock()
        clock.now = START + timedelta(days=DAYS)
        with whodid.open(f"sqlite:///{path}", clock=clock) as log:
            size = log.head(_WORKSPACE).size
            print(f"{path.stat().st_size / size:.0f} bytes per entry on disk, everything included")
            shares(path, size)
            asked = [*lists(log, options.tries), *sums(log, options.tries)]
            table(
                "Milliseconds in the engine",
                ("question", "p50", "p95"),
                [(title, f"{percentile(each, 0.5):.2f}", f"{percentile(each, 0.95):.2f}") for title, each in asked],
            )
            _, proven = log.proven(_WORKSPACE)
            rates = [
                rate("export, wire form", size, lambda: drain(log.stream_wire(_WORKSPACE))),
                rate("export, decoded entries", size, lambda: drain(log.stream(_WORKSPACE))),
                rate("export with proofs, 20,000 entries", 20_000, lambda: drain(itertools.islice(proven, 20_000))),
                rate("verify everything stored", size, lambda: log.verify(_WORKSPACE)),
            ]
            table("Whole log", ("what", "rate", "time"), rates)
            entries, seconds, longest = purge_first_day(log)
            table(
                "Purge of the oldest day",
                ("entries", "in all", "longest step (writers wait)"),
                [(f"{entries:,}", f"{seconds:.2f} s", f"{longest * 1e3:.0f} ms")],
            )


def shares(path: Path, size: int) -> None:
    """Print where the bytes are."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found = connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 12")
    rows: list[Any] = found.fetchall()
    connection.close()
    table(
        "Where the bytes are",
        ("structure", "bytes per entry"),
        [(name, f"{bytes_ / size:.1f}") for name, bytes_ in rows],
    )


if __name__ == "__main__":
    main()
