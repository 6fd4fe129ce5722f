"""Servers that are killed and started again in quick succession, while PostgreSQL goes and comes back.

Method: two servers on one database, and for each a client with a spool that records all the time through it. In each
turn one of the servers gets SIGKILL, before or after it began to listen, and is started again at once; a third and two
thirds of the way through (once, when it is short), PostgreSQL is killed as well and started again some turns later.
While it is away no server may say that it is ready; when it is back, both must. In the end the spools are delivered and
the log is read: every event that a client was told is safe is there once, places have no gap, the sink got everything
in order, and `verify` finds nothing.

    python -m benchmarks.storming [--restarts 100] [--seed 1]
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.killing import WORKSPACE, Part, Scene, insist, wait_for
from benchmarks.measure import machine, spread, table

if TYPE_CHECKING:
    from tests.postgresing import Server

__all__ = ["Storm", "storm"]

_CLIENT = Path(__file__).resolve().parent.parent / "tests" / "faults" / "client.py"
_AWAY = 2  # turns that PostgreSQL stays away
_LONG = 20  # turns from which on it goes twice


class Storm(NamedTuple):
    """What a storm came to.

    Args:
        restarts: Of servers.
        databases: How often PostgreSQL was killed.
        unready: Answers of servers that were not ready while it was away.
        ready: Seconds from its return until both servers were ready, each time.
        taken: How many events the clients were told are safe.
        recorded: How many entries there are.
        seconds: How long it took.
    """

    restarts: int
    databases: int
    unready: int
    ready: list[float]
    taken: int
    recorded: int
    seconds: float


class _Servers(Scene):
    """Two servers, and a client of each."""

    def __init__(self, url: str, folder: Path, server: Server) -> None:
        super().__init__(url, folder, server)
        self.servers = [part for part in self.parts if part.name.startswith("server")]
        self.addresses = [f"http://127.0.0.1:{part.name.removeprefix('server')}" for part in self.servers]
        spools = [folder / f"spool{number}" for number in range(2)]
        self.clients = [
            Part(
                f"client{number}",
                folder,
                [sys.executable, str(_CLIENT), "remote", address, self.key, str(spools[number]), WORKSPACE],
                numbered=True,
            )
            for number, address in enumerate(self.addresses)
        ]
        self.parts = [*self.servers, *self.clients]
        self.spools = spools

    def taken(self) -> list[str]:
        """Return the ids of all events that a spool has taken."""
        return [id_ for client in self.clients for id_ in client.said()]

    def readiness(self) -> list[int | None]:
        """Return what each server answers to whoever asks whether it is ready; None where nobody answers."""
        return [_status(f"{address}/readyz") for address in self.addresses]


def storm(url: str, folder: Path, database: Server, restarts: int, seed: int) -> Storm:
    """Kill and start servers so often.

    Raises:
        AssertionError: Something that was acknowledged is lost, is there twice, or does not verify; or a server said
            that it was ready when it was not.
    """
    draw = random.Random(seed)
    began = time.monotonic()
    scene = _Servers(url, folder, database)
    gone = {restarts // 3, 2 * restarts // 3} if restarts >= _LONG else {restarts // 2}
    back: dict[int, int] = {turn + _AWAY: turn for turn in gone}
    ready: list[float] = []
    unready = 0
    scene.start()
    try:
        wait_for(lambda: len(scene.taken()) > 10, "nothing is recorded")
        wait_for(lambda: scene.readiness() == [200, 200], "the servers do not become ready", scene.revive)
        for turn in range(restarts):
            if turn in back:
                insist(200 not in scene.readiness(), "a server without its database says that it is ready")
                database.start()
                returned = time.monotonic()
                wait_for(lambda: scene.readiness() == [200, 200], "the servers do not become ready", scene.revive)
                ready.append(time.monotonic() - returned)
            if turn in gone:
                # A server is asked while the database is away, so one of them must be there to answer.
                wait_for(lambda: 200 in scene.readiness(), "no server becomes ready", scene.revive)
                database.kill()
                wait_for(lambda: 503 in scene.readiness(), "a server without its database says that it is ready")
                unready += 1
            victim = scene.servers[turn % 2]
            victim.kill()
            victim.start()
            time.sleep(draw.random() * 0.8)
            scene.revive("client")
        wait_for(lambda: scene.readiness() == [200, 200], "the servers do not become ready", scene.revive)
        for client in scene.clients:
            client.kill()
        for number, spool in enumerate(scene.spools):
            scene.settle(spool, scene.addresses[number])
        scene.check_sink()
        taken = set(scene.taken())
        size = scene.check(taken)
        return Storm(restarts, len(gone), unready, ready, len(taken), size, time.monotonic() - began)
    finally:
        scene.kill()


def _status(url: str) -> int | None:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None


def main() -> None:
    """Have a storm, and print what it came to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--restarts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    from tests import postgresing

    place = postgresing.programs()
    if place is None:
        sys.exit(postgresing.MISSING)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whodid-storming-")))
        os.environ["WHODID_KEY_FILE"] = f"{folder}/audit.db.key"
        server = postgresing.Server(place)
        stack.callback(server.stop)
        done = storm(server.database("storming"), folder, server, given.restarts, given.seed)
    print(machine())
    table(
        f"Two servers restarted at once and again (seed {given.seed}): nothing lost, nothing twice, `verify` clean",
        ("Restarts", "Of PostgreSQL", "Ready after it, s", "Events told to be safe", "Entries", "Seconds"),
        [
            (
                done.restarts,
                done.databases,
                spread(done.ready, ".1f"),
                f"{done.taken:,}",
                f"{done.recorded:,}",
                f"{done.seconds:,.0f}",
            )
        ],
    )


if __name__ == "__main__":
    main()
