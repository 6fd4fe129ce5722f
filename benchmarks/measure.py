"""What every benchmark here shares: the machine in words, and a table of figures."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import apsw


class Timing(NamedTuple):
    """Wall and processor seconds of one round."""

    wall: float
    cpu: float


def timed(work: Callable[[], object]) -> Timing:
    """Run once and return how long it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Timing(time.perf_counter() - wall, time.process_time() - cpu)


def machine() -> str:
    """Describe where the figures come from."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = names[0] if names else "unknown processor"
    return (
        f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}; SQLite {apsw.sqlite_lib_version()}"
    )


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """Write the median with the least and the greatest value."""
    return f"{statistics.median(values):{form}} ({min(values):{form}}–{max(values):{form}})"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which that share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table in Markdown."""
    out = sys.stdout
    out.write(f"\n{title}\n\n| {' | '.join(columns)} |\n|{' --- |' * len(columns)}\n")
    for row in rows:
        out.write(f"| {' | '.join(str(cell) for cell in row)} |\n")
    out.flush()
