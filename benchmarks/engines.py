"""The PostgreSQL store beside the SQLite store: the same events recorded and the same questions asked in one run.

Method: both logs record the same corpus in batches of a size, durably; rounds of the two are interleaved. Then the same
questions are asked of both, `--asked` times each. Printed are the best rates and the median times, and their ratios.
The server is started by this program with its default settings (see tests/postgresing.py).

    python -m benchmarks.engines [--rounds 3] [--warm 20000] [--asked 20]
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import whodid
from benchmarks.corpus import events
from benchmarks.measure import machine, table
from tests import postgresing

SIZES = ((1, 500), (10, 2_000), (100, 10_000), (1_000, 20_000))
QUESTIONS = ("", "kind:delete", "actor:usr_3", "contact", "severity:>=warning", "after:madrid")


def record(log: whodid.Log, chunk: list[whodid.Event], size: int) -> float:
    """Record in batches and return how long it took."""
    begun = time.perf_counter()
    for at in range(0, len(chunk), size):
        log.record_many("bench", chunk[at : at + size])
    return time.perf_counter() - begun


def asked(question: Callable[[], object], times: int) -> float:
    """Return the median milliseconds of a question."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        question()
        taken.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(taken)


def questions(log: whodid.Log) -> dict[str, Callable[[], object]]:
    """Return what is asked, by name."""
    newest = log.find("bench", "", limit=1).entries[0].occurred_at
    edges = [newest - timedelta(hours=step) for step in range(60, -1, -1)]
    lists = {f"list {text!r}": lambda text=text: log.find("bench", text) for text in QUESTIONS}
    return {
        **lists,
        "count kind:delete": lambda: log.count("bench", "kind:delete"),
        "histogram of 60 hours": lambda: log.histogram("bench", "", edges),
        "facet actor": lambda: log.facets("bench", "", "actor"),
        "all entries": lambda: sum(1 for _ in log.stream("bench", "")),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm", type=int, default=20_000)
    parser.add_argument("--asked", type=int, default=20)
    options = parser.parse_args()
    place = postgresing.programs()
    if place is None:
        parser.exit(1, f"{postgresing.MISSING}\n")
    server = postgresing.Server(place)
    try:
        with tempfile.TemporaryDirectory(prefix="whodid-bench-") as folder:
            key = Path(folder, "key")
            addresses = {"SQLite": f"sqlite:///{folder}/audit.db", "PostgreSQL": server.database("bench")}
            logs = {name: whodid.open(address, key=key) for name, address in addresses.items()}
            compare(logs, options)
            for log in logs.values():
                log.close()
    finally:
        server.stop()


def compare(logs: dict[str, whodid.Log], options: argparse.Namespace) -> None:
    """Ask and record the same of all logs."""
    print(f"PostgreSQL beside SQLite.\n{machine()}")
    supply = events(options.warm + sum(count for _, count in SIZES) * options.rounds)
    warm = list(itertools.islice(supply, options.warm))
    for log in logs.values():
        record(log, warm, 1_000)
        log.tend()
    rows: list[tuple[object, ...]] = []
    for size, count in SIZES:
        best = dict.fromkeys(logs, 0.0)
        for _ in range(options.rounds):
            chunk = list(itertools.islice(supply, count))
            for name, log in logs.items():
                best[name] = max(best[name], count / record(log, chunk, size))
        rows.append((size, *(f"{rate:,.0f}" for rate in best.values()), f"{best['PostgreSQL'] / best['SQLite']:.2f}"))
    table("Entries per second, best round", ("batch", *logs, "ratio"), rows)
    rows = []
    asking = {name: questions(log) for name, log in logs.items()}
    for question in asking["SQLite"]:
        once = question == "all entries"
        times = {name: asked(each[question], 3 if once else options.asked) for name, each in asking.items()}
        rows.append(
            (question, *(f"{one:.2f}" for one in times.values()), f"{times['PostgreSQL'] / times['SQLite']:.1f}")
        )
    table("Milliseconds, median", ("question", *logs, "ratio"), rows)
    size = logs["SQLite"].head("bench").size
    kept = [f"{name} {log.stats('bench')['bytes'] / size:.0f}" for name, log in logs.items()]
    print(f"\nBytes per entry of {size:,}: {', '.join(kept)}")


if __name__ == "__main__":
    main()
