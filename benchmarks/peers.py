"""Durable entries per second, against the peers as their users run them.

Method: an application changes one field of a row and the library writes what changed, one transaction per change, with
the durability that each stack has by default (a sync per commit). whodid records the same change as an event with the
same values: one by one, as the peers do, and in batches of 100, as its outbox relay does, with everything on: proofs,
search, roll-ups, idempotency. Beside them stands the least that leaves a trace: the bare engine, a row of JSON.
Each contestant runs in its own process with an empty database, on SQLite and on a PostgreSQL that the script starts;
rounds are interleaved. Printed: entries per second, and how many times as fast whodid was in the same round.

The peers are no part of the project. They are installed by the first run, into a folder that nothing else uses
(`--peers`). immudb is a program of its own, which `immudb.sh` builds; it is measured where `--immudb` names it or where
it is on the path, and has its place beside SQLite, although its server is another process:

    python -m benchmarks.peers [--rounds 3] [--entries 300] [--engine sqlite] [--immudb FILE]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import machine, spread, table
from benchmarks.peering import CONTESTANTS, IMMUDB, NEEDS, OURS, Place

_LIST = Path(__file__).with_name("peers.txt")
_FOLDER = Path(__file__).resolve().parent.parent / "build" / "peers"
_BATCHES = "whodid, batches of 100"
_ONLY_POSTGRES = ("django-pghistory", "postgresql-audit")
_OWN = (IMMUDB, "immudb, batches of 100")


def installed(folder: Path) -> str:
    """Install the peers into a folder, unless they are there; return its path."""
    if not folder.exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, "--target", str(folder), "--requirement", str(_LIST)], check=True)
    return str(folder)


def chosen(engine: str, immudb: str | None) -> list[str]:
    """Return who takes part on an engine; immudb, which is its own engine, stands beside SQLite."""
    apart = (*(_OWN if not immudb or engine == "postgres" else ()), *(_ONLY_POSTGRES if engine == "sqlite" else ()))
    return [name for name in CONTESTANTS if name not in apart and _there(name)]


def _there(name: str) -> bool:
    return name not in NEEDS or importlib.util.find_spec(NEEDS[name]) is not None


def run(name: str, options: argparse.Namespace, postgres: str | None) -> float | None:
    """Run a contestant in a process of its own; None when it did not run, of which it has told."""
    command = [sys.executable, "-m", "benchmarks.peers", "--only", name, "--entries", str(options.entries)]
    command += ["--peers", str(options.peers)]
    command += ["--postgres", postgres] if postgres else []
    command += ["--immudb", options.immudb] if options.immudb else []
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.stderr.write(f"{name} did not run:\n{ran.stderr}\n")
        return None
    return float(json.loads(ran.stdout.splitlines()[-1]))


@contextmanager
def server(engine: str) -> Iterator[object]:
    """Start a PostgreSQL where it is needed."""
    if engine == "sqlite":
        yield None
        return
    from tests import postgresing

    place = postgresing.programs()
    if place is None:
        sys.exit(postgresing.MISSING)
    started = postgresing.Server(place)
    try:
        yield started
    finally:
        started.stop()


def compare(engine: str, options: argparse.Namespace) -> None:
    """Let the contestants of an engine take turns, and print."""
    rates: dict[str, list[float]] = {name: [] for name in chosen(engine, options.immudb)}
    with server(engine) as started:
        for number in range(options.rounds):
            for at, name in enumerate(list(rates)):
                url = None if started is None else started.database(f"bench_{number}_{at}")  # type: ignore[attr-defined]
                found = run(name, options, url)
                if found is None:
                    del rates[name]
                else:
                    rates[name].append(found)
    table(
        f"Entries per second on {'SQLite' if engine == 'sqlite' else 'PostgreSQL'}, median of {options.rounds} rounds",
        ("who", "entries/s", "whodid one by one ÷ it", "whodid in batches ÷ it"),
        [(name, f"{statistics.median(found):,.0f}", *ratios(rates, found)) for name, found in rates.items()],
    )


def ratios(rates: dict[str, list[float]], found: Sequence[float]) -> list[str]:
    """Write how many times as fast whodid was, round by round."""
    return [
        spread([mine / theirs for mine, theirs in zip(rates[name], found, strict=True)], ".1f")
        for name in (OURS, _BATCHES)
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--entries", type=int, default=300)
    parser.add_argument("--engine", action="append", choices=("sqlite", "postgres"))
    parser.add_argument("--peers", type=Path, default=_FOLDER, help="where the peers are installed")
    parser.add_argument("--immudb", default=shutil.which("immudb"), help="the program of immudb")
    parser.add_argument("--only", choices=sorted(CONTESTANTS), help=argparse.SUPPRESS)
    parser.add_argument("--postgres", help=argparse.SUPPRESS)
    options = parser.parse_args()
    # Behind everything else: what the project itself needs is not taken from there.
    sys.path.append(installed(options.peers))
    if options.only:
        with tempfile.TemporaryDirectory(prefix="whodid-bench-") as folder:
            place = Place(Path(folder), options.postgres, options.immudb)
            print(json.dumps(CONTESTANTS[options.only](place, options.entries)))
        return
    print(f"Durable entries, one transaction per change, against peers.\n{machine()}")
    for engine in options.engine or ("sqlite", "postgres"):
        compare(engine, options)


if __name__ == "__main__":
    main()
