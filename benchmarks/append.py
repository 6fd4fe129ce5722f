"""Durable append with everything on, against the bare engine that writes the very same rows.

Method: a whodid log on SQLite records the corpus in batches of a size, fsync on every commit; every statement it sends
to the engine is noted, and the same statements with the same values are then replayed on a second file by the engine
alone, in transactions of the same batches. Both start from a file that already holds `--warm` entries. Rounds of the
two are interleaved; printed are the rates and, per round, the ratio of the two (rate of whodid / rate of the engine).

    python -m benchmarks.append [--rounds 5] [--warm 20000]
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import whodid
from benchmarks.corpus import events
from benchmarks.measure import Timing, machine, spread, table, timed
from whodid.store.sqlite import SQLiteStore
from whodid.store.sqlite.engine import Connection

SIZES = ((1, 1_000), (10, 5_000), (100, 20_000), (1_000, 30_000))

Statement = tuple[str, Any, bool]


class Recorder(Connection):
    """A connection that notes what it is told."""

    noted: list[Statement] | None = None

    def execute(self, statements: str, bindings: Any = (), **options: Any) -> Any:
        """Note and pass on."""
        if self.noted is not None:
            self.noted.append((statements, bindings, False))
        return super().execute(statements, bindings, **options)

    def executemany(self, statements: str, sequenceofbindings: Iterable[Any], **options: Any) -> Any:
        """Note and pass on."""
        values = list(sequenceofbindings)
        if self.noted is not None:
            self.noted.append((statements, values, True))
        return super().executemany(statements, values, **options)


def replay(engine: Connection, batches: Sequence[Sequence[Statement]]) -> None:
    """Send noted statements to the engine, a transaction per batch."""
    for batch in batches:
        for statement, values, many in batch:
            if many:
                engine.executemany(statement, values)
            else:
                engine.execute(statement, values).fetchall()


def note(log: whodid.Log, store: SQLiteStore, batches: Sequence[Sequence[whodid.Event]]) -> list[list[Statement]]:
    """Record batches and return the statements that each of them sent."""
    recorder = store.engine.writer
    assert isinstance(recorder, Recorder)
    noted = []
    for batch in batches:
        recorder.noted = []
        log.record_many("bench", batch)
        noted.append([one for one in recorder.noted if not one[0].startswith("SELECT")])
        recorder.noted = None
    return noted


def record(log: whodid.Log, batches: Sequence[Sequence[whodid.Event]]) -> None:
    """Record batches."""
    for batch in batches:
        log.record_many("bench", batch)


def opened(path: Path) -> tuple[whodid.Log, SQLiteStore]:
    """Open a log and return its store beside it."""
    log = whodid.open(f"sqlite:///{path}")
    store = log._store  # noqa: SLF001
    assert isinstance(store, SQLiteStore)
    return log, store


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm", type=int, default=20_000)
    options = parser.parse_args()
    print(f"Durable append, whodid against the bare engine.\n{machine()}")
    rows = []
    for size, count in SIZES:
        supply = events(options.warm + count * (options.rounds + 1))
        ours: list[Timing] = []
        bare: list[Timing] = []
        with tempfile.TemporaryDirectory(prefix="whodid-bench-") as folder:
            first, second = Path(folder, "ours.db"), Path(folder, "bare.db")
            log, _ = opened(first)
            twin, twin_store = opened(second)
            twin_store.engine.writer = Recorder(str(second))
            for setting in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -16384"):
                twin_store.engine.writer.execute(f"PRAGMA {setting}")
            warm = list(itertools.islice(supply, options.warm))
            for at in range(0, len(warm), 1_000):
                log.record_many("bench", warm[at : at + 1_000])
                twin.record_many("bench", warm[at : at + 1_000])
            log.tend()
            twin.tend()
            # The engine's file is at the same state as ours; what it replays was noted on a third one.
            with tempfile.TemporaryDirectory(prefix="whodid-bench-") as aside:
                third = Path(aside, "noted.db")
                source, source_store = opened(third)
                source_store.engine.writer = Recorder(str(third))
                source_store.engine.writer.execute("PRAGMA synchronous = OFF")
                for at in range(0, len(warm), 1_000):
                    source.record_many("bench", warm[at : at + 1_000])
                source.tend()
                for number in range(options.rounds + 1):
                    chunk = list(itertools.islice(supply, count))
                    batches = [chunk[at : at + size] for at in range(0, count, size)]
                    noted = note(source, source_store, batches)
                    engine = timed(partial(replay, twin_store.engine.writer, noted))
                    whole = timed(partial(record, log, batches))
                    if number:  # the first round warms both
                        bare.append(engine)
                        ours.append(whole)
                source.close()
            log.close()
            twin.close()
        rows.append(
            (
                size,
                f"{count / min(one.wall for one in ours):,.0f}",
                f"{count / min(one.wall for one in bare):,.0f}",
                spread([b.wall / a.wall for a, b in zip(ours, bare, strict=True)]),
                f"{min(one.cpu for one in ours) / count * 1e6:.0f}",
                f"{min(one.cpu for one in bare) / count * 1e6:.0f}",
                spread([b.cpu / a.cpu for a, b in zip(ours, bare, strict=True)]),
            )
        )
    table(
        "Entries per second, best round; ratios are whodid / engine, median (least–greatest)",
        ("batch", "whodid/s", "engine/s", "ratio, wall", "whodid µs CPU", "engine µs CPU", "ratio, CPU"),
        rows,
    )


if __name__ == "__main__":
    main()
