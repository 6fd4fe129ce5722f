"""The page of capacity says what its script computes from the measured figures beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.capacity import (
    CASES,
    FIGURES,
    HTTP,
    IN_A_FILE,
    PAGE,
    PLANNED,
    Engine,
    page,
    plan,
    read,
    rows,
    size,
    written,
)

ENGINES = {"sqlite": Engine(1_000, 500, 90), "postgres": Engine(2_000, 1_000, 100)}
A_DAY = 1_000 * 86_400 * PLANNED


def test_the_page_holds_what_is_computed() -> None:
    """Run `python scripts/capacity.py --write` when the figures changed."""
    text = PAGE.read_text(encoding="utf-8")
    assert written(text, page()) == text


def test_figures_are_those_of_the_largest_log(tmp_path: Path) -> None:
    """A small log says less about bytes and rates."""
    file = tmp_path / "figures.json"
    one = {"engine": "sqlite", "append": 9.0, "bytes": 460.0, "idle": 80.0, "entries": 10}
    file.write_text(json.dumps({"figures": [one | {"entries": 1_000, "append": 8.0}, one]}))
    assert read(file) == {"sqlite": Engine(8.0, 460.0, 80.0)}
    assert set(read(FIGURES)) == {"sqlite", "postgres"}


@pytest.mark.parametrize(
    ("events", "by", "servers"),
    [
        (A_DAY, "SQLite in the application", 0),
        (A_DAY + 1, "one PostgreSQL", 1 + round(1 / (2 * HTTP) + 0.5)),
        (A_DAY * 2, "one PostgreSQL", 1 + round(1 / HTTP)),
        (A_DAY * 2 + 1, "Citus, 2 nodes", 4),
        (A_DAY * 20, "Citus, 10 nodes", 21),
    ],
)
def test_the_least_that_carries_it_is_chosen(events: float, by: str, servers: int) -> None:
    """At the border, and one event beyond it."""
    found = plan(ENGINES, events, 5)
    assert (found.by, found.servers) == (by, servers)


def test_a_file_is_not_planned_to_grow_for_ever() -> None:
    """What would be written fast enough is still too much to be written anew."""
    a_day = IN_A_FILE // 90
    assert plan(ENGINES, a_day, 90).servers == 0
    assert plan(ENGINES, a_day + 1, 91).by == "one PostgreSQL"


def test_disk_is_what_the_term_holds_twice() -> None:
    """By the bytes of the engine that was chosen."""
    small = plan(ENGINES, 1_000, 30)
    assert (small.log, small.disk) == (15_000_000, 30_000_000)
    assert plan(ENGINES, A_DAY * 2, 30).log == A_DAY * 2 * 30 * 1_000


def test_bytes_are_written_for_people() -> None:
    """Two digits, in the unit that people would use."""
    assert [size(one) for one in (4_500_000, 43_000_000, 4.3e9, 430e9, 4.3e12)] == [
        "4.5 MB", "43 MB", "4.3 GB", "430 GB", "4.3 TB"
    ]  # fmt: skip


def test_every_case_has_its_row() -> None:
    """Under a heading of as many cells."""
    lines = list(rows(ENGINES, CASES, 90))
    assert len(lines) == len(CASES) + 2
    assert len({line.count("|") for line in lines}) == 1
