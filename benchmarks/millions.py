"""The budget of a big log, on both engines and at several sizes, in one table with what was met and what was missed.

Method: a store of each size and engine is filled once, in `FOLDER` (see `stores.py`; ten million entries take an hour
of a small machine, 5 GB on SQLite and 15 GB on PostgreSQL, and twice that while they are measured), and measured ever
after. Lists are asked with values drawn from the entries themselves, `--tries` times each with different values, twice;
of the two p95 the better one counts, and the row shows the question that is worst. Below stands how each grew from the
smallest size to the largest. An export is that of the newest days with about a million entries, in a process of its
own. What changes a log is done to a copy.

    python -m benchmarks.millions FOLDER [--entries 1000000 --entries 10000000] [--engine sqlite] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import NamedTuple

import whodid
from benchmarks import millions_log as whole
from benchmarks.corpus import DAYS
from benchmarks.measure import machine, percentile, table
from benchmarks.read import lists, sample, sums
from benchmarks.stores import ENGINES, FILLING, WORKSPACE, StoryClock, fill, place, recorded

_NAMES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
_MIB = 1 << 20
_EXPORTED = 1_000_000
_APPENDED = 3_000


class Budget(NamedTuple):
    """A promise, and how it is written.

    Args:
        name: Short, for programs.
        least: Whether the figure must be at least the limit, not at most; None where nothing was promised.
    """

    name: str
    what: str
    limit: float
    unit: str
    least: bool | None = False
    form: str = ",.1f"

    def met(self, figure: float) -> bool:
        """Tell whether a figure keeps it."""
        return self.least is None or (figure >= self.limit if self.least else figure <= self.limit)

    def said(self, figure: float) -> str:
        """Write a figure."""
        return f"{figure:{self.form}} {self.unit}".strip()

    def __str__(self) -> str:
        return "–" if self.least is None else f"{'at least' if self.least else 'at most'} {self.said(self.limit)}"


BUDGETS = (
    LIST := Budget("list", "a list: the slowest question, p95", 20, "ms"),
    LIST_CPU := Budget("list_cpu", "the same in processor time (SQLite)", 20, "ms"),
    SUM := Budget("sum", "histogram and facets of 90 days: the slowest, p95", 50, "ms"),
    SUM_CPU := Budget("sum_cpu", "the same in processor time (SQLite)", 50, "ms"),
    BYTES := Budget("bytes", "bytes per entry, everything included (SQLite)", 450, "", form=",.0f"),
    BYTES_SERVER := Budget(
        "bytes", "bytes per entry, everything included (PostgreSQL)", 0, "", least=None, form=",.0f"
    ),
    APPEND := Budget("append", "append, batches of 100, proofs on", 0, "/s", least=None, form=",.0f"),
    EXPORT := Budget("export", "export to NDJSON", 100_000, "/s", least=True, form=",.0f"),
    EXPORT_CPU := Budget(
        "export_cpu", "the same per second of processor time (SQLite)", 100_000, "/s", least=True, form=",.0f"
    ),
    MEMORY := Budget("memory", "memory that the second half of an export adds", 8, "MiB"),
    LEAVES := Budget(
        "leaves", "verify: headers of leaves, hashed up to the root", 200_000, "/s", least=True, form=",.0f"
    ),
    VERIFY := Budget(
        "verify", "verify: everything, contents, indexes and counts included", 0, "/s", least=None, form=",.0f"
    ),
    FILE := Budget("file", "evidence of twelve entries: size", 150, "KiB", form=",.0f"),
    CHECK := Budget("check", "evidence of twelve entries: checking it", 10, "ms"),
    STEP := Budget("step", "purge of one day of ninety: the longest step", 1, "s", form=".2f"),
    WAIT := Budget("wait", "purge of one day of ninety: the longest wait of an append meanwhile", 1, "s", form=".2f"),
    GROWN := Budget("grown", "growth when as many are recorded again, by their own size (SQLite)", 0.5, "", form=".2f"),
    START := Budget("start", "start of the server", 1, "s", form=".2f"),
    IDLE := Budget("idle", "memory of the idle server", 120, "MiB", form=",.0f"),
)

Figures = dict[Budget, float]
Asked = dict[str, float]
"""Question → milliseconds."""


def questions(log: whodid.Log, tries: int) -> tuple[Asked, Asked]:
    """Ask everything twice; return the better p95 in milliseconds of lists, and of counts."""
    found: list[Asked] = []
    for ask in (lists, sums):
        rounds = [{title: percentile(each, 0.95) for title, each in ask(log, tries)} for _ in range(2)]
        found.append({title: min(one[title] for one in rounds) for title in rounds[0]})
    return found[0], found[1]


def measured(folder: Path, engine: str, count: int, tries: int, *, verify: bool) -> tuple[Figures, Asked]:
    """Measure one store."""
    found: Figures = {}
    with place(folder, engine) as at:
        now = [whole.END]
        with whodid.open(at.url, key=at.key, clock=lambda: now[0]) as log:
            size = log.head(WORKSPACE).size
            tell(f"{_NAMES[engine]}, {size:,} entries")
            found[BYTES if engine == "sqlite" else BYTES_SERVER] = log.stats(WORKSPACE)["bytes"] / size
            asked, summed = questions(log, tries)
            found[LIST], found[SUM] = max(asked.values()), max(summed.values())
            if engine == "sqlite":  # which works in this thread: what else the machine does is not counted
                for budget, each in ((LIST_CPU, lists), (SUM_CPU, sums)):
                    found[budget] = max(percentile(taken, 0.95) for _, taken in each(log, tries, time.thread_time))
            tell("questions")
            drawn = sample(log, 400)
        with whole.copied(at, folder) as copy:
            exported = whole.exported(copy, max(1, DAYS * _EXPORTED // max(count, _EXPORTED)))
            found[EXPORT], found[MEMORY] = exported.rate, exported.grown / _MIB
            if engine == "sqlite":
                found[EXPORT_CPU] = exported.busy
            tell(f"export of {exported.entries:,}")
            found[START], idle = whole.started(copy)
            found[IDLE] = idle / _MIB
            tell("start")
            with whodid.open(copy.url, key=copy.key, clock=lambda: now[0]) as log:
                found[LEAVES] = whole.leaves()
                if verify:
                    begun = time.perf_counter()
                    report = log.verify(WORKSPACE)
                    found[VERIFY] = size / (time.perf_counter() - begun)
                    assert report.ok, report.problems
                tell("verify")
                entries, length, _, found[CHECK] = whole.evidence(log, drawn)
                found[FILE] = length / 1024
                tell(f"evidence of {entries}")
                found[APPEND] = max(whole.written(log, _APPENDED, seed) for seed in range(5, 10))
                tell("append")
                left = whole.left(log, now)
                found[STEP], found[WAIT] = left.step, left.wait
                if engine == "sqlite":  # PostgreSQL gives space back by the week
                    found[GROWN] = left.grown
                tell(f"purge of {left.entries:,} in {left.seconds:.1f} s, {left.steps} steps")
    return found, {**asked, **summed}


def show(figures: dict[str, Figures], asked: dict[str, Asked]) -> None:
    """Print what was promised and what is, and each question by itself."""
    rows = []
    for budget in BUDGETS:
        have = {name: one[budget] for name, one in figures.items() if budget in one}
        if have:
            cells = [budget.said(have[name]) if name in have else "" for name in figures]
            met = "" if budget.least is None else "met" if all(map(budget.met, have.values())) else "missed"
            rows.append((budget.what, str(budget), *cells, met))
    table("The budget of a big log", ("what", "budget", *figures, ""), rows)
    titles = next(iter(asked.values()))
    table(
        "Milliseconds in the engine, p95, the better of two rounds",
        ("question", *asked),
        [(title, *(f"{one[title]:.1f}" for one in asked.values())) for title in titles],
    )


def flat(asked: dict[str, Asked], engine: str, sizes: list[int]) -> None:
    """Print how the questions grow from the smallest size to the largest."""
    small, large = asked[column(engine, min(sizes))], asked[column(engine, max(sizes))]
    grown = {title: large[title] / small[title] for title in small}
    worst = max(grown, key=lambda title: grown[title])
    middle = percentile(list(grown.values()), 0.5)
    print(
        f"\n{_NAMES[engine]}, {max(sizes):,} by {min(sizes):,} entries: median {middle:.2f} times, "
        f"most {grown[worst]:.2f} times ({worst})"
    )


def column(engine: str, count: int) -> str:
    """Name a column."""
    return f"{_NAMES[engine]}, {count:,}"


def main() -> None:
    """Fill what is not filled, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--entries", type=int, action="append")
    parser.add_argument("--engine", action="append", choices=ENGINES)
    parser.add_argument("--tries", type=int, default=40)
    parser.add_argument("--verify", action="store_true", help="verify everything, too: minutes a million")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()
    sizes = options.entries or [1_000_000, 10_000_000]
    engines = options.engine or list(ENGINES)
    print(f"A log of {' and '.join(f'{size:,}' for size in sizes)} entries.\n{machine()}", flush=True)
    figures: dict[str, Figures] = {}
    asked: dict[str, Asked] = {}
    for count in sizes:
        for engine in engines:
            folder = (options.folder / str(count)).resolve()
            filled(folder, engine, count)
            name = column(engine, count)
            figures[name], asked[name] = measured(folder, engine, count, options.tries, verify=options.verify)
    show(figures, asked)
    if len(sizes) > 1:
        for engine in engines:
            flat(asked, engine, sizes)
    if options.json:
        kept = [
            {"engine": engine, "entries": count, **{one.name: figure for one, figure in found.items()}}
            for count in sizes
            for engine in engines
            if (found := figures[column(engine, count)])
        ]
        options.json.write_text(json.dumps({"machine": machine(), "figures": kept, "asked": asked}, indent=1) + "\n")


def filled(folder: Path, engine: str, count: int) -> None:
    """Fill a store, or what is missing of it."""
    with place(folder, engine, **FILLING) as at:
        clock = StoryClock()
        with whodid.open(at.url, key=at.key, clock=clock) as log:
            if recorded(log) < count:
                fill(log, clock, count)


def tell(what: str) -> None:
    """Say what was done."""
    print(f"  {time.strftime('%H:%M:%S')} {what}", flush=True)


if __name__ == "__main__":
    main()
