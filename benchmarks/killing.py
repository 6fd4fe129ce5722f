"""Kill whatever is there, at random points, round after round: nothing acknowledged is lost, nothing is there twice.

Method: two servers, two processes that embed the log, a client with a spool, a sealer and a feeder of sinks work on one
database at once. In each round one of them gets SIGKILL after a random while, or, with PostgreSQL, every process of the
database does; with SQLite, all of them at once. Whatever was killed is started
again at once. Now and then, and at the end, the log is read: every event that a client or an embedding process was told
is safe is there exactly once, places have no gap, and `verify` finds nothing. At the end the file that the sinks fed
has every entry, in order.

    python -m benchmarks.killing [--engine sqlite|postgres] [--rounds 200] [--seed 1]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import whodid
from benchmarks.measure import machine, table
from whodid import Actor, Log
from whodid.errors import StoreError
from whodid.server.keys import KeyRing
from whodid.sinks import Sinks

if TYPE_CHECKING:
    from tests.postgresing import Server

__all__ = ["WORKSPACE", "Outcome", "Part", "Scene", "free_port", "insist", "killing", "wait_for"]

_ROOT = Path(__file__).resolve().parent.parent
_FAULTS = _ROOT / "tests" / "faults"
_PATHS = os.pathsep.join([str(_ROOT / "src"), str(_ROOT)])
WORKSPACE = "w"
_CHECKED_EVERY = 25
_PATIENCE_S = 120


class Outcome(NamedTuple):
    """What so many rounds came to.

    Args:
        killed: How often each kind of process was killed.
        acknowledged: How many events somebody was told are safe.
        recorded: How many entries there are.
        checks: How often the whole log was read and verified.
        seconds: How long it took.
    """

    killed: dict[str, int]
    acknowledged: int
    recorded: int
    checks: int
    seconds: float


class Part:
    """A process that is started again whenever it was killed; what it says is kept in files."""

    def __init__(self, name: str, folder: Path, command: list[str], *, numbered: bool = False) -> None:
        self.name = name
        self._folder = folder
        self._command = command
        self._numbered = numbered
        self._times = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, under a name of its own if it records events."""
        self._times += 1
        name = f"{self.name}.{self._times}"
        with (self._folder / f"{name}.out").open("wb") as out, (self._folder / f"{name}.err").open("wb") as err:
            self._process = subprocess.Popen(
                self._command + ([name] if self._numbered else []),
                stdout=out,
                stderr=err,
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": _PATHS},
            )

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def memory(self) -> int:
        """Return the bytes of it that are in memory."""
        insist(self._process is not None, "it does not run")
        pid = self._process.pid if self._process is not None else 0
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def gone(self) -> bool:
        """Tell whether it ended by itself, as one that embeds the log does when it cannot record."""
        return self._process is not None and self._process.poll() is not None

    def said(self) -> list[str]:
        """Return the ids that any of its processes was told are safe."""
        found = []
        for file in self._folder.glob(f"{self.name}.*.out"):
            # A line that the kill cut short was not said.
            lines = file.read_bytes().split(b"\n")[:-1]
            found += [line.split()[1].decode() for line in lines if not line.startswith(b"!")]
        return found


class Scene:
    """Everything that works on one database.

    Args:
        url: Of the store.
        server: PostgreSQL, if that is the engine.
    """

    def __init__(self, url: str, folder: Path, server: Server | None) -> None:
        self.url = url
        self.database = server
        self.folder = folder
        self.sunk = folder / "sunk.ndjson"
        with whodid.open(url) as log:
            self.key = KeyRing(log, WORKSPACE, actor=_ACTOR).create("rounds").text
            Sinks(log, WORKSPACE, actor=_ACTOR).add("file", "file", str(self.sunk), start=0, heartbeat=0)
        (folder / "key").write_text(self.key)
        python = sys.executable
        client = [python, str(_FAULTS / "client.py")]
        ports = [free_port() for _ in range(2)]
        self.address = f"http://127.0.0.1:{ports[0]}"
        serve = [python, "-m", "whodid", "serve", "--store", url, "--set", "rate=0"]
        self.parts = [
            *(Part(f"server{port}", folder, [*serve, "--port", str(port)]) for port in ports),
            Part(
                "client",
                folder,
                [*client, "remote", self.address, self.key, str(folder / "spool"), WORKSPACE],
                numbered=True,
            ),
            *(
                Part(f"embedded{number}", folder, [*client, "log", url, WORKSPACE], numbered=True)
                for number in range(2)
            ),
            Part("sealer", folder, [python, str(_FAULTS / "sealer.py"), url, WORKSPACE]),
            Part("feeder", folder, [python, str(_FAULTS / "feeder.py"), url]),
        ]

    def start(self) -> None:
        """Start every process."""
        for part in self.parts:
            part.start()

    def kill(self) -> None:
        """Kill every process."""
        for part in self.parts:
            part.kill()

    def hit(self, draw: random.Random) -> str:
        """Kill one thing and start it again; return what kind of thing it was."""
        victims: list[Part | None] = [*self.parts, None]
        victim = draw.choice(victims)
        if victim is not None:
            victim.kill()
            victim.start()
            return victim.name.rstrip("0123456789")
        if self.database is not None:
            self.database.kill()
            self.database.start()
            return "database"
        self.kill()
        self.start()
        return "all at once"

    def revive(self, *names: str) -> None:
        """Start again what ended by itself because the database was away; if names are given, only those."""
        for part in self.parts:
            if part.gone() and (not names or part.name.startswith(names)):
                part.start()

    def acknowledged(self) -> list[str]:
        """Return the ids of all events that somebody was told are safe on the disk of the log."""
        return [id_ for part in self.parts if part.name.startswith("embedded") for id_ in part.said()]

    def taken(self) -> list[str]:
        """Return the ids of all events that a spool has taken."""
        return [id_ for part in self.parts if part.name == "client" for id_ in part.said()]

    def check(self, expected: set[str]) -> int:
        """Read and verify the log; return its size."""
        with self._opened() as log:
            size = log.head(WORKSPACE).size
            entries = [entry for entry in log.read(WORKSPACE) if entry.index < size]
            insist([entry.index for entry in entries] == list(range(size)), "places have a gap")
            counts = Counter(entry.id for entry in entries)
            insist(max(counts.values()) == 1, "an event is there twice")
            lost = expected - counts.keys()
            insist(not lost, f"{len(lost)} acknowledged events are lost")
            report = log.verify(WORKSPACE)
            insist(report.ok, f"verify: {report.problems[:3]}")
        return size

    def settle(self, spool: Path, address: str) -> None:
        """Deliver what is left in a spool, with everything alive."""
        ship = [sys.executable, "-m", "whodid", "ship", str(spool), "--url", address]
        ship += ["--key-file", str(self.folder / "key"), "-w", WORKSPACE, "--timeout", str(_PATIENCE_S)]
        done = subprocess.run(ship, capture_output=True, text=True, check=False, cwd=self.folder)
        insist(done.returncode == 0, f"ship: {done.stdout}{done.stderr}")

    def check_sink(self) -> None:
        """Insist that the file has every entry, once and in order."""
        until = time.monotonic() + _PATIENCE_S
        with self._opened() as log:
            while True:
                indexes = [json.loads(line)["index"] for line in self.sunk.read_text().split("\n")[:-1]]
                if len(indexes) >= log.head(WORKSPACE).size or time.monotonic() > until:
                    break
                time.sleep(0.2)
            insist(indexes == list(range(len(indexes))), "the sink has a gap, or something twice")
            insist(len(indexes) >= log.head(WORKSPACE).size, "the sink did not get everything")

    def _opened(self) -> Log:
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return whodid.open(self.url)
            except StoreError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)


def killing(url: str, folder: Path, server: Server | None, rounds: int, seed: int) -> Outcome:
    """Kill for so many rounds.

    Raises:
        AssertionError: Something that was acknowledged is lost, is there twice, or does not verify.
    """
    draw = random.Random(seed)
    began = time.monotonic()
    killed: Counter[str] = Counter()
    checks = 0
    scene = Scene(url, folder, server)
    scene.start()
    try:
        wait_for(lambda: len(scene.taken()) > 5 and len(scene.acknowledged()) > 5, "nothing is recorded")
        for number in range(1, rounds + 1):
            time.sleep(draw.random() * 0.7)
            killed[scene.hit(draw)] += 1
            scene.revive()
            if not number % _CHECKED_EVERY:
                before = len(scene.acknowledged()), len(scene.taken())
                wait_for(lambda: _grew(scene, before), "nothing is recorded any more", scene.revive)  # noqa: B023
                scene.check(set(scene.acknowledged()))
                checks += 1
        for part in scene.parts:
            if part.name in {"client", "sealer"} or part.name.startswith("embedded"):
                part.kill()
        scene.revive("server", "feeder")
        scene.settle(folder / "spool", scene.address)
        scene.check_sink()
        told = {*scene.acknowledged(), *scene.taken()}
        size = scene.check(told)
        return Outcome(dict(sorted(killed.items())), len(told), size, checks + 1, time.monotonic() - began)
    finally:
        scene.kill()


_ACTOR = Actor(type="system", id="killing", name="Rounds")


def _grew(scene: Scene, before: tuple[int, int]) -> bool:
    return len(scene.acknowledged()) > before[0] and len(scene.taken()) > before[1]


def insist(holds: object, what: str) -> None:
    """Fail with what is wrong, unless it is right."""
    if not holds:
        raise AssertionError(what)


def wait_for(holds: Callable[[], bool], what: str, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Wait until something holds, doing something else meanwhile; fail with what is wrong after a while."""
    until = time.monotonic() + _PATIENCE_S
    while not holds():
        insist(time.monotonic() < until, what)
        meanwhile()
        time.sleep(0.05)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def main() -> None:
    """Kill on the engines that are asked for, and print what it came to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("sqlite", "postgres"), action="append", help="default: both")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rows = []
    for engine in given.engine or ("sqlite", "postgres"):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whodid-killing-")))
            url, server = f"sqlite:///{folder}/audit.db", None
            os.environ["WHODID_KEY_FILE"] = f"{folder}/audit.db.key"
            if engine == "postgres":
                from tests import postgresing

                place = postgresing.programs()
                if place is None:
                    sys.exit(postgresing.MISSING)
                server = postgresing.Server(place)
                stack.callback(server.stop)
                url = server.database("killing")
            done = killing(url, folder, server, given.rounds, given.seed)
            victims = ", ".join(f"{name} {count}" for name, count in done.killed.items())
            rows.append(
                (
                    engine,
                    sum(done.killed.values()),
                    victims,
                    f"{done.acknowledged:,}",
                    f"{done.recorded:,}",
                    done.checks,
                    f"{done.seconds:,.0f}",
                )
            )
    print(machine())
    table(
        f"Killed at random (seed {given.seed}): nothing lost, nothing twice, every check clean",
        ("Engine", "Kills", "Of them", "Events told to be safe", "Entries", "Whole log read and verified", "Seconds"),
        rows,
    )


if __name__ == "__main__":
    main()
