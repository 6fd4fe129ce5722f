"""Everything that is asked of a big log: lists, counts, histogram, facets, and where its bytes are.

Method: a SQLite log is filled with the corpus (see `stores.py`), in a temporary folder or in `--folder`, where it is
found again. Lists are asked with values drawn from the entries themselves, `--tries` times each with different values;
printed are p50 and p95 in milliseconds. `millions.py` asks the same on both engines and measures the rest.

    python -m benchmarks.read [--entries 1000000] [--tries 60] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import apsw

import whodid
from benchmarks.corpus import DAYS, START
from benchmarks.measure import machine, percentile, table
from benchmarks.stores import WORKSPACE, StoryClock, fill, place

Watch = Callable[[], float]
"""Tells seconds: of the wall, or of this thread's processor time."""


def timed_each(questions: Iterator[Callable[[], object]], clock: Watch = time.perf_counter) -> list[float]:
    """Return the milliseconds of each question."""
    found = []
    for ask in questions:
        started = clock()
        ask()
        found.append((clock() - started) * 1e3)
    return found


def sample(log: whodid.Log, tries: int) -> list[whodid.Entry]:
    """Draw entries from the whole log."""
    head = log.head(WORKSPACE)
    draw = random.Random(5)
    return [log.get(WORKSPACE, draw.randrange(head.first, head.size)) for _ in range(tries)]


def lists(log: whodid.Log, tries: int, clock: Watch = time.perf_counter) -> list[tuple[str, list[float]]]:
    """Ask the lists of the budget table."""
    drawn = sample(log, tries)
    week = timedelta(days=7)

    def asking(text: Callable[[whodid.Entry], str]) -> list[float]:
        return timed_each((partial(log.find, WORKSPACE, text(entry)) for entry in drawn), clock)

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
        ("one entry by id", timed_each((partial(log.get, WORKSPACE, entry.id) for entry in drawn), clock)),
    ]
    cursor = log.find(WORKSPACE).next
    for _ in range(40):
        page = log.find(WORKSPACE, cursor=cursor, limit=1_000)
        cursor = page.next or cursor
    rows.append(
        ("page 40,000 entries deep", timed_each((partial(log.find, WORKSPACE, cursor=cursor) for _ in drawn), clock))
    )
    return rows


def sums(log: whodid.Log, tries: int, clock: Watch = time.perf_counter) -> list[tuple[str, list[float]]]:
    """Ask for counts, histograms and facets over 90 days."""
    end = START + timedelta(days=DAYS)
    days = [START + timedelta(days=day) for day in range(DAYS + 1)]
    # A zone that is not on the hour, as India's: every border cuts an hour.
    india = [day - timedelta(hours=5, minutes=30) for day in days]
    hours = [end - timedelta(hours=hour) for hour in range(24 * 7, -1, -3)]
    times = max(5, tries // 4)

    def asking(ask: Callable[[], object]) -> list[float]:
        return timed_each(iter([ask] * times), clock)

    return [
        ("count, all", asking(lambda: log.count(WORKSPACE))),
        ("count, only deletes, 30 days", asking(lambda: log.count(WORKSPACE, "kind:delete date:30d"))),
        ("histogram, days of 90 d, UTC", asking(lambda: log.histogram(WORKSPACE, "", days))),
        ("histogram, days of 90 d, UTC+5:30", asking(lambda: log.histogram(WORKSPACE, "", india))),
        ("histogram, 3 h of 7 d", asking(lambda: log.histogram(WORKSPACE, "", hours))),
        ("facet action, 90 d", asking(lambda: log.facets(WORKSPACE, "", "action"))),
        ("facet actor, 90 d", asking(lambda: log.facets(WORKSPACE, "", "actor"))),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--tries", type=int, default=60)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    print(f"A log of {options.entries:,} entries.\n{machine()}")
    with (
        tempfile.TemporaryDirectory(prefix="whodid-bench-") as name,
        place(options.folder or Path(name), "sqlite") as at,
    ):
        clock = StoryClock()
        with whodid.open(at.url, key=at.key, clock=clock) as log:
            fill(log, clock, options.entries)
            clock.now = START + timedelta(days=DAYS)
            asked = [*lists(log, options.tries), *sums(log, options.tries)]
            table(
                "Milliseconds in the engine",
                ("question", "p50", "p95"),
                [(title, f"{percentile(each, 0.5):.2f}", f"{percentile(each, 0.95):.2f}") for title, each in asked],
            )
            shares(Path(at.url.removeprefix("sqlite:///")), log.head(WORKSPACE).size)


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
