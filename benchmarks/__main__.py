"""One command that measures what people ask first, prints the tables, and draws the most important of them.

Method: the scripts of this folder, one after the other, each in a process of its own, with the sizes below; what each
does is written in it. `--quick` takes sizes for a look (a quarter of an hour), otherwise those of the claims (some
hours, of which the stores of ten million entries take most; they are kept in `--folder`, and the next run begins with
them). `--only` names those to run. `--docs` puts the tables, the pictures and what is computed from them into the
pages of that folder.

    python -m benchmarks [--quick] [--only append --only peers] [--folder build/stores] [--docs docs]
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from html import escape
from pathlib import Path
from typing import NamedTuple

__all__ = ["PLOTS", "QUICK", "SCRIPTS", "Table", "bars", "paged", "tables"]

SCRIPTS: dict[str, tuple[str, ...]] = {
    "append": (),
    "record": (),
    "spool": (),
    "ingest": (),
    "sealing": (),
    "capture": (),
    "peers": (),
    "millions": (),
    "overload": (),
}
QUICK: dict[str, tuple[str, ...]] = {
    "append": ("--rounds", "2", "--warm", "5000"),
    "record": ("--rounds", "3"),
    "spool": ("--rounds", "2", "--events", "5000"),
    "ingest": ("--rounds", "1"),
    "peers": ("--rounds", "1", "--entries", "100"),
    "millions": ("--entries", "20000", "--entries", "40000", "--tries", "10"),
    "overload": ("--seconds", "20", "--warm", "5"),
}
KEPT = {"millions"}
"""Scripts that are told a folder where they find again what they made."""
PLOTS: dict[str, tuple[tuple[str, ...], str]] = {
    "append": (("whodid/s", "engine/s"), "batch"),
    "peers": (("entries/s",), "who"),
}
"""Script → which columns of its first table are drawn, and which one names a row."""
_WIDTH, _RIGHT, _BAR, _GAP = 640, 110, 16, 14
_LETTER = 6.6
_FIGURES = Path("operate", "capacity.json")
_CAPACITY = Path(__file__).resolve().parent.parent / "scripts" / "capacity.py"
_FONT = 'font-family="sans-serif" font-size="12"'
_COLOURS = ("#2f6f4f", "#b8bfc6")


class Table(NamedTuple):
    """A table in Markdown, as the scripts print it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(text: str) -> list[Table]:
    """Find the tables in what a script printed."""
    found = []
    for match in re.finditer(r"^(?P<title>[^|\n].*)\n\n(?P<lines>(?:\|.*\n)+)", text, re.MULTILINE):
        head, _, *lines = [_cells(line) for line in match["lines"].splitlines()]
        found.append(Table(match["title"], head, tuple(lines)))
    return found


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().strip("|").split("|"))


def bars(table: Table, columns: tuple[str, ...], label: str, note: str) -> str:
    """Draw columns of a table as horizontal bars, in groups of one row each.

    Args:
        columns: Those with numbers, such as `12,345`.
        label: Of which column a group's name is made: its value, behind its heading where that is a number.
        note: What stands below: the machine.
    """
    at = [table.columns.index(name) for name in columns]
    texts = [row[table.columns.index(label)] for row in table.rows]
    names = [f"{label} {text}" if text.replace(",", "").isdecimal() else text for text in texts]
    left = 20 + _LETTER * max(map(len, names))
    values = [[float(row[place].replace(",", "")) for place in at] for row in table.rows]
    most = max(max(group) for group in values)
    height = 60 + len(values) * (len(columns) * _BAR + _GAP) + 40
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" {_FONT}>',
        f"<title>{escape(table.title)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="8" y="20" font-size="14">{escape(table.title.partition(";")[0])}</text>',
    ]
    for number, column in enumerate(columns):
        x = 8 + number * 120
        out.append(f'<rect x="{x}" y="32" width="10" height="10" fill="{_COLOURS[number]}"/>')
        out.append(f'<text x="{x + 15}" y="41">{escape(column.removesuffix("/s"))}</text>')
    y = 60
    for name, group in zip(names, values, strict=True):
        out.append(f'<text x="8" y="{y + _BAR * len(group) / 2 + 3:g}">{escape(name)}</text>')
        for number, value in enumerate(group):
            width = (_WIDTH - left - _RIGHT) * value / most
            out.append(
                f'<rect x="{left:g}" y="{y}" width="{width:.1f}" height="{_BAR - 2}" fill="{_COLOURS[number]}"/>'
            )
            out.append(f'<text x="{left + width + 6:.1f}" y="{y + 11}">{value:,.0f}</text>')
            y += _BAR
        y += _GAP
    out.append(f'<text x="8" y="{height - 12}" font-size="10" fill="#555">{escape(note)}</text>')
    return "\n".join([*out, "</svg>", ""])


def paged(text: str, name: str, printed: str) -> str:
    """Return a page with the tables of a script in the place that is marked for them, if there is one."""
    before, begin, rest = text.partition(f"<!-- {name} -->")
    _, end, after = rest.partition(f"<!-- end of {name} -->")
    if not end:
        return text
    parts = [f"Measured on: {printed.splitlines()[1]}."]
    for one in tables(printed):
        lines = [_line(one.columns), f"|{' --- |' * len(one.columns)}", *map(_line, one.rows)]
        parts.append("\n".join([f"{one.title}:", "", *lines]))
    return before + begin + "\n\n" + "\n\n".join(parts) + "\n\n" + end + after


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def written(docs: Path, name: str, printed: str) -> None:
    """Put what a script printed into the documentation."""
    page = docs / "operate" / "figures.md"
    page.write_text(paged(page.read_text(encoding="utf-8"), name, printed), encoding="utf-8")
    if name in PLOTS:
        columns, label = PLOTS[name]
        drawn = bars(tables(printed)[0], columns, label, printed.splitlines()[1])
        (docs / "images" / f"{name}.svg").write_text(drawn, encoding="utf-8")


def main() -> None:
    """Run the scripts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", choices=SCRIPTS)
    parser.add_argument("--folder", type=Path, default=Path("build", "stores"))
    parser.add_argument("--docs", type=Path, metavar="FOLDER")
    given = parser.parse_args()
    chosen = QUICK if given.quick else SCRIPTS
    for name in given.only or chosen:
        command = [sys.executable, "-m", f"benchmarks.{name}", *chosen.get(name, ())]
        if name in KEPT:
            command += [str(given.folder)]
            command += ["--json", str(given.docs / _FIGURES)] if given.docs else []
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        sys.stdout.write(f"\n## {name}\n\n{ran.stdout}")
        sys.stdout.flush()
        if given.docs:
            written(given.docs, name, ran.stdout)
            if name in KEPT:
                subprocess.run([sys.executable, _CAPACITY, "--write", "--figures", given.docs / _FIGURES], check=True)


if __name__ == "__main__":
    main()
