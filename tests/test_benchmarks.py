"""The one command of the benchmarks: it reads the tables that the scripts print, and draws them."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.__main__ import PLOTS, QUICK, SCRIPTS, Table, bars, paged, tables
from benchmarks.measure import table

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a script prints."""
    sys.stdout.write("Durable append, whodid against the bare engine.\nA machine\n")
    rows = [(1, "1,200", "2,400", "0.50 (0.49–0.51)"), (100, "9,000", "12,000", "0.75")]
    table("Entries per second; ratios are <these>", ("batch", "whodid/s", "engine/s", "ratio"), rows)
    table("Another", ("a", "b"), [(1, 2)])
    return capsys.readouterr().out


def test_tables_are_read_as_they_are_printed(printed: str) -> None:
    """Title, headings and every cell."""
    first, second = tables(printed)
    assert first.title == "Entries per second; ratios are <these>"
    assert first.columns == ("batch", "whodid/s", "engine/s", "ratio")
    assert first.rows[1] == ("100", "9,000", "12,000", "0.75")
    assert second.rows == (("1", "2"),)


def test_bars_are_as_long_as_their_numbers(printed: str) -> None:
    """A picture that any browser draws, the longest bar for the largest number."""
    drawn = ET.fromstring(bars(tables(printed)[0], ("whodid/s", "engine/s"), "batch", "A <machine>"))
    space = "{http://www.w3.org/2000/svg}"
    widths = [float(one.get("width", "")) for one in drawn.iter(f"{space}rect") if one.get("height") == "14"]
    assert [round(width / max(widths), 2) for width in widths] == [0.1, 0.2, 0.75, 1.0]
    texts = [one.text for one in drawn.iter(f"{space}text")]
    assert {"batch 1", "batch 100", "9,000", "A <machine>"} <= set(texts)


def test_a_group_with_a_name_is_called_by_it() -> None:
    """A peer needs no heading before its name; a number alone says nothing."""
    drawn = bars(Table("Peers", ("who", "entries/s"), (("one-that-has-a-long-name", "10"),)), ("entries/s",), "who", "")
    assert ">one-that-has-a-long-name<" in drawn


def test_what_is_drawn_is_in_the_documentation() -> None:
    """Every picture that the command makes is shown by a page."""
    pages = "".join(page.read_text() for page in (ROOT / "docs").rglob("*.md"))
    for name in PLOTS:
        assert (ROOT / "docs" / "images" / f"{name}.svg").exists()
        assert f"images/{name}.svg)" in pages


def test_tables_take_the_place_that_is_marked_for_them(printed: str) -> None:
    """What stood there goes, what stands around it stays, and a script without a place changes nothing."""
    page = "Before.\n\n<!-- peers -->\nold\n<!-- end of peers -->\n\nAfter.\n"
    new = paged(page, "peers", printed)
    assert new.startswith("Before.\n\n<!-- peers -->\n\nMeasured on: A machine.\n\nEntries per second;")
    assert "| 100 | 9,000 | 12,000 | 0.75 |" in new
    assert new.endswith("| 1 | 2 |\n\n<!-- end of peers -->\n\nAfter.\n")
    assert "old" not in new
    assert paged(new, "peers", printed) == new
    assert paged(page, "append", printed) == page


def test_every_script_that_it_runs_is_there() -> None:
    """And named in the README of the folder."""
    told = (ROOT / "benchmarks" / "README.md").read_text()
    for name in SCRIPTS.keys() | QUICK.keys():
        assert (ROOT / "benchmarks" / f"{name}.py").exists()
        assert f"`{name}.py`" in told
    assert "`python -m benchmarks`" in told
    assert "`killing.py`" in told
