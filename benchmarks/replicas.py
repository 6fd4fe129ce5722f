"""What a read replica takes off the primary: the same questions asked with and without one, on one machine.

Method: a primary and its streaming replica are started by this program with their default settings (see
tests/postgresing.py), and the corpus is recorded at the primary. Then each question is asked `--asked` times of the log
itself and of `log.reading()`, as a request does, in turns. Printed are the median milliseconds and the processor time
that the primary spent per question. On one machine the two share the processors, so only the second says what is won.
Last, the newest page is asked for again and again while another thread records into the same workspace without a
pause: how much of it the replica answers although every answer has to have the newest entry.

    python -m benchmarks.replicas [--entries 100000] [--asked 60] [--seconds 10]
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import whodid
from benchmarks.corpus import events
from benchmarks.measure import machine, table
from tests import postgresing
from whodid.export import export
from whodid.model import Actor

_BATCH = 1_000
_WORKSPACE = "bench"
_ROUNDS = 3
_AUDITOR = Actor(type="user", id="usr_auditor")

Ask = Callable[[whodid.Log], object]


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: bytes) -> int:
        """Take bytes."""
        return len(data)


def questions(log: whodid.Log) -> dict[str, tuple[Ask, int]]:
    """Return what is asked, by name, and by how much less often than the others."""
    newest = log.find(_WORKSPACE, "", limit=1).entries[0].occurred_at
    edges = [newest - timedelta(hours=step) for step in range(60, -1, -1)]
    return {
        "newest page": (lambda log: log.find(_WORKSPACE, ""), 1),
        "page of a word": (lambda log: log.find(_WORKSPACE, "madrid"), 1),
        "three filters": (lambda log: log.find(_WORKSPACE, "kind:delete severity:>=warning actor:usr_3"), 1),
        "histogram of 60 hours": (lambda log: log.histogram(_WORKSPACE, "", edges), 1),
        "facet actor": (lambda log: log.facets(_WORKSPACE, "", "actor"), 1),
        "export of all entries": (lambda log: export(log, _WORKSPACE, "", "ndjson", _Nowhere(), actor=_AUDITOR), 20),  # type: ignore[arg-type]
    }


def asked(ask: Ask, log: whodid.Log, times: int, primary: postgresing.Server, *, aside: bool) -> tuple[float, float]:
    """Return the median milliseconds of a question, and the primary's processor milliseconds for one."""
    taken = []
    spent = primary.cpu
    for _ in range(times):
        begun = time.perf_counter()
        ask(log.reading() if aside else log)
        taken.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(taken), (primary.cpu - spent) * 1e3 / times


def compare(log: whodid.Log, primary: postgresing.Server, times: int) -> None:
    """Ask everything both ways, in turns."""
    rows = []
    for name, (ask, rarer) in questions(log).items():
        found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
        for aside in (False, True) * _ROUNDS:
            found[aside].append(asked(ask, log, max(1, times // rarer), primary, aside=aside))
        (alone, alone_cpu), (beside, beside_cpu) = (
            (statistics.median(one[0] for one in found[aside]), statistics.mean(one[1] for one in found[aside]))
            for aside in (False, True)
        )
        ratio = f"{beside_cpu / alone_cpu:.2f}" if alone_cpu else "-"
        rows.append((name, f"{alone:.2f}", f"{beside:.2f}", f"{alone_cpu:.2f}", f"{beside_cpu:.2f}", ratio))
    columns = ("question", "ms without", "ms with", "primary's CPU ms without", "with", "ratio")
    table("Reads without and with a replica", columns, rows)


def beside_a_writer(log: whodid.Log, supply: list[whodid.Event], seconds: float) -> None:
    """Read the newest page while the same workspace is written."""
    over = threading.Event()
    recorded = 0

    def write() -> None:
        nonlocal recorded
        for at in range(0, len(supply), 10):
            if over.is_set():
                return
            log.record_many(_WORKSPACE, supply[at : at + 10])
            recorded += 10

    before = log.replicas()
    writer = threading.Thread(target=write)
    writer.start()
    taken = []
    end = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        log.reading().find(_WORKSPACE, "")
        taken.append((time.perf_counter() - begun) * 1e3)
    over.set()
    writer.join()
    after = log.replicas()
    answered = after.replicas[0].answered - before.replicas[0].answered
    share = answered / (answered + after.elsewhere - before.elsewhere)
    columns = ("entries/s written", "pages/s read", "median ms", "answered by the replica")
    row = (
        f"{recorded / seconds:,.0f}",
        f"{len(taken) / seconds:,.0f}",
        f"{statistics.median(taken):.2f}",
        f"{share:.1%}",
    )
    table("The newest page of a workspace that is written without a pause", columns, [row])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--asked", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    place = postgresing.programs()
    if place is None:
        parser.exit(1, f"{postgresing.MISSING}\n")
    with ExitStack() as stack:
        primary = postgresing.Server(place)
        stack.callback(primary.stop)
        replica = postgresing.Server(place, of=primary)
        stack.callback(replica.stop)
        key = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whodid-bench-")), "key")
        url = primary.database("bench")
        log = stack.enter_context(whodid.open(url, key=key, replicas=[replica.url("bench")]))
        supply = events(options.entries + 200_000)
        while batch := list(itertools.islice(supply, min(_BATCH, options.entries))):
            log.record_many(_WORKSPACE, batch)
            options.entries -= len(batch)
        with primary.connect("bench") as beside:
            beside.execute("VACUUM ANALYZE")
        replica.follow(primary)
        while log.replicas().replicas[0].standing != "ok":
            time.sleep(0.1)
        print(f"PostgreSQL {primary.version} and its replica, {machine()}")
        compare(log, primary, options.asked)
        beside_a_writer(log, list(supply), options.seconds)


if __name__ == "__main__":
    main()
