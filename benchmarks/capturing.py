"""What the benchmarks of capture share: contestants in processes of their own, and ratios to the plain ORM."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.measure import spread, table

__all__ = ["PHASES", "Figures", "rounds", "show"]

PHASES = ("create", "update", "delete", "load")

Figures = Mapping[str, float]
"""Phase → microseconds of processor time per row."""


def run(module: str, contestant: str, settings: Sequence[str]) -> Figures:
    """Run a contestant of a benchmark in a process of its own.

    Args:
        module: Of the benchmark; it prints its figures as JSON when it is called with `--only` and `--folder`.
    """
    with tempfile.TemporaryDirectory(prefix="whodid-bench-") as folder:
        command = [sys.executable, "-m", module, "--only", contestant, "--folder", folder, *settings]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(f"{contestant} did not run:\n{ran.stderr}\nInstall the peers: pip install -r benchmarks/peers.txt")
    found: Figures = json.loads(ran.stdout.splitlines()[-1])
    return found


def rounds(module: str, contestants: Sequence[str], count: int, settings: Sequence[str]) -> dict[str, list[Figures]]:
    """Run every contestant in every round, one after the other."""
    found: dict[str, list[Figures]] = {name: [] for name in contestants}
    for _ in range(count):
        for name, figures in found.items():
            figures.append(run(module, name, settings))
    return found


def show(title: str, found: Mapping[str, Sequence[Figures]], plain: str) -> None:
    """Print ratios to the plain ORM of the same round, and what is added per row."""
    rows = []
    for name, figures in found.items():
        cells: list[object] = [name]
        for phase in PHASES:
            base = [one[phase] for one in found[plain]]
            own = [one[phase] for one in figures]
            if name == plain:
                cells.append(f"{statistics.median(own):.0f} µs")
                continue
            ratios = [mine / theirs for mine, theirs in zip(own, base, strict=True)]
            added = statistics.median(mine - theirs for mine, theirs in zip(own, base, strict=True))
            cells.append(f"{spread(ratios)} {added:+.0f} µs")
        rows.append(cells)
    table(title, ("", *PHASES), rows)


def written(folder: str | None) -> Path:
    """Return the folder for databases."""
    if folder is None:
        sys.exit("--only needs --folder")
    return Path(folder)
