"""What an answer over very many segments costs: with one index per segment, and with the segments bound to volumes.

Method: whodid logs on SQLite take some entries a day and are sealed as the days end: one binds its segments as it does
by itself, the other not before it is asked to, once everything was measured without. The evidence that somebody who was
never there did nothing, and that about a contact that is there on a few days, is made and checked as in `evidence.py`.

    python -m benchmarks.volumes [--segments 1000] [--entries 100]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path

from msgspec.structs import replace

import whodid
from benchmarks.corpus import events
from benchmarks.evidence import Clock, measured
from benchmarks.measure import machine, table, timed
from whodid.evidence import ask
from whodid.log import binding

_SPREAD = 12
_NEVER = 1 << 40


def fill(log: whodid.Log, clock: Clock, segments: int, entries: int) -> None:
    """Record so many entries a day, and seal each day; one contact is there on a few of them."""
    given = events(segments * entries)
    contact = whodid.Resource(type="contact", id="con_wanted", name="Juan Pérez")
    for day in range(segments):
        today = [replace(one, occurred_at=clock.now) for one in islice(given, entries)]
        if day % (segments // _SPREAD) == segments // _SPREAD // 2:
            today[0] = replace(today[0], action="contact.updated", resource=contact, related=())
        log.record_many("bench", today)
        clock.now += timedelta(days=1)
        log.seal("bench")


@contextmanager
def filled(segments: int, entries: int, *, least: int) -> Iterator[tuple[whodid.Log, Path]]:
    """Lend a log that binds its segments from a number of them on."""
    clock = Clock()
    usual, binding.VOLUME_SEGMENTS = binding.VOLUME_SEGMENTS, least
    try:
        with (
            tempfile.TemporaryDirectory(prefix="whodid-bench-") as name,
            whodid.open(f"sqlite:///{Path(name, 'audit.db')}", clock=clock) as log,
        ):
            fill(log, clock, segments, entries)
            yield log, Path(name)
    finally:
        binding.VOLUME_SEGMENTS = usual


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segments", type=int, default=1_000)
    parser.add_argument("--entries", type=int, default=100)
    options = parser.parse_args()
    print(f"Volumes.\n{machine()}")
    rows = []
    with filled(options.segments, options.entries, least=_NEVER) as (log, folder):
        asked = {
            "nobody": ask(["actor:user:usr_nobody"], catalog=log.catalog),
            "one contact": ask(["resource:contact:con_wanted"], catalog=log.catalog),
        }
        rows += [
            [name, "no volume", *measured(log, question, folder, firefox=False)] for name, question in asked.items()
        ]
        took = timed(partial(log.bind, "bench"))
        rows += [
            [name, "one volume", *measured(log, question, folder, firefox=False)] for name, question in asked.items()
        ]
    with filled(options.segments, options.entries, least=binding.VOLUME_SEGMENTS) as (log, folder):
        by_itself = f"volumes of {binding.VOLUME_SEGMENTS}"
        rows += [[name, by_itself, *measured(log, question, folder, firefox=False)] for name, question in asked.items()]
    columns = (
        "question",
        "bound",
        "entries",
        "KiB",
        "s to make",
        "ms in Python, best / median",
        "ms in Chromium, first / best / median",
    )
    table(f"{options.segments:,} segments of {options.entries:,} entries; bound in {took.wall:.1f} s", columns, rows)


if __name__ == "__main__":
    main()
