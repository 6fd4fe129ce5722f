"""Compute what carries how many events a day, from figures that were measured.

The figures are those that `python -m benchmarks.millions FOLDER --json FILE` writes. Without arguments, the tables of
docs/operate/capacity.md are printed from the figures beside it; `--write` puts them there, and tests/test_capacity.py
fails when the page holds others. With `--events` one case is computed instead:

    python scripts/capacity.py --events 2000000 --days 365 [--figures FILE] [--append 9000] [--bytes 480]
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).resolve().parent.parent / "docs" / "operate"
PAGE, FIGURES = DOCS / "capacity.md", DOCS / "capacity.json"
BEGIN, END = "<!-- computed by scripts/capacity.py -->", "<!-- until here -->"
DAY = 86_400
PLANNED = 0.2
"""Share of what an engine can take that is planned for: the busiest hour has five times the average, or an hour of
arrears is made up in a quarter of an hour."""
HTTP = 0.5
"""What a server process takes in over HTTP by what the same core records in process."""
ROOM = 2
"""The log twice: an upgrade or an erasure writes it anew beside the old one."""
EXPORT_MIB = 40
"""For each export that runs at the same time; its memory does not grow with its length."""
IN_A_FILE = 100_000_000
"""Entries that one file is planned to hold: whatever writes it anew then takes an hour, not a day."""
CASES = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
_NAMES = {"sqlite": "SQLite in the application", "postgres": "one PostgreSQL"}


class Engine(NamedTuple):
    """What was measured of an engine.

    Args:
        append: Entries per second, batches of 100, one writer.
        bytes: Per entry, everything included.
        idle: MiB of the server that has nothing to do.
    """

    append: float
    bytes: float
    idle: float

    @property
    def planned(self) -> float:
        """Entries a day that are planned for."""
        return self.append * DAY * PLANNED


class Plan(NamedTuple):
    """What carries a number of events a day.

    Args:
        by: In words.
        servers: Processes of `whodid serve`; 0 where the application records by itself.
        log: Bytes of the log when it holds its full term.
        disk: Bytes to have for it.
        memory: MiB of all servers, with an export each.
    """

    by: str
    servers: int
    log: float
    disk: float
    memory: float


def read(file: Path) -> dict[str, Engine]:
    """Read the figures of the largest log of each engine."""
    found: dict[str, Engine] = {}
    for one in sorted(json.loads(file.read_text(encoding="utf-8"))["figures"], key=lambda one: one["entries"]):
        found[one["engine"]] = Engine(one["append"], one["bytes"], one["idle"])
    return found


def plan(engines: dict[str, Engine], events: float, days: int) -> Plan:
    """Choose what carries events, from the least that does.

    Args:
        events: A day.
        days: How long content is kept.
    """
    if events <= engines["sqlite"].planned and events * days <= IN_A_FILE:
        chosen, servers, by = engines["sqlite"], 0, _NAMES["sqlite"]
    else:
        chosen = engines["postgres"]
        nodes = math.ceil(events / chosen.planned)
        by = _NAMES["postgres"] if nodes == 1 else f"Citus, {nodes:,} nodes"
        servers = 1 + math.ceil(events / (chosen.planned * HTTP))  # one more than are needed: any of them may fail
    log = events * days * chosen.bytes
    return Plan(by, servers, log, log * ROOM, max(1, servers) * (chosen.idle + EXPORT_MIB))


def size(value: float) -> str:
    """Write bytes for people."""
    for unit in ("MB", "GB"):
        value /= 1_000
        if unit == "MB":
            value /= 1_000
        if value < 1_000:
            return f"{value:,.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"
    return f"{value / 1_000:,.1f} TB"


def rows(engines: dict[str, Engine], cases: tuple[int, ...], days: int) -> Iterator[str]:
    """Write the plans of cases as a table."""
    yield f"| Events a day | Carried by | Servers | Log, {days} days | Disk to have | Memory of the servers |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for events in cases:
        one = plan(engines, events, days)
        servers = f"{one.servers:,}" if one.servers else "in the application"
        yield f"| {events:,} | {one.by} | {servers} | {size(one.log)} | {size(one.disk)} | {one.memory:,.0f} MiB |"


def page(file: Path = FIGURES) -> str:
    """Return the computed part of the page."""
    engines = read(file)
    machine = json.loads(file.read_text(encoding="utf-8"))["machine"]
    lines = [f"Measured on: {machine}.", "", f"| | {' | '.join(_NAMES[name] for name in engines)} |"]
    lines.append(f"|{' --- |' * (len(engines) + 1)}")
    for what, said in (
        ("measured: entries a second, one writer", [f"{one.append:,.0f}" for one in engines.values()]),
        ("that is, a day", [f"{one.append * DAY / 1e6:,.0f} million" for one in engines.values()]),
        ("planned for, a day", [f"{one.planned / 1e6:,.0f} million" for one in engines.values()]),
        ("measured: bytes per entry", [f"{one.bytes:,.0f}" for one in engines.values()]),
        ("disk of 90 days of what is planned for", [size(one.planned * 90 * one.bytes) for one in engines.values()]),
        ("measured: memory of an idle server", [f"{one.idle:,.0f} MiB" for one in engines.values()]),
    ):
        lines.append(f"| {what} | {' | '.join(said)} |")
    return "\n".join([*lines, "", *rows(engines, CASES, 90)])


def written(text: str, computed: str) -> str:
    """Return a page with its computed part replaced."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{computed}\n\n{END}{after}"


def main() -> None:
    """Compute."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figures", type=Path, default=FIGURES)
    parser.add_argument("--write", action="store_true", help="put the tables into the page beside the figures")
    parser.add_argument("--events", type=int, help="a day")
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--append", type=float, help="entries per second, instead of what was measured")
    parser.add_argument("--bytes", type=float, help="per entry, likewise")
    options = parser.parse_args()
    if options.write:
        beside = options.figures.with_suffix(".md")
        beside.write_text(written(beside.read_text(encoding="utf-8"), page(options.figures)), encoding="utf-8")
        return
    if options.events is None:
        sys.stdout.write(page(options.figures) + "\n")
        return
    own = {"append": options.append, "bytes": options.bytes}
    given = {name: value for name, value in own.items() if value is not None}
    engines = {name: one._replace(**given) for name, one in read(options.figures).items()}
    sys.stdout.write("\n".join(rows(engines, (options.events,), options.days)) + "\n")


if __name__ == "__main__":
    main()
