"""What senders feel while the network between the server and PostgreSQL is slow, silent or cut, and after it is healed.

Method: `whodid serve` with its usual settings reaches PostgreSQL through a small proxy; sixteen senders send events,
one per request, and send one again until it is acknowledged, as fast as they are answered (after a 503 they wait for a
quarter of a second, less than they are asked to). One phase after the other: all is well, milliseconds are
added to every packet in both directions, nothing is forwarded while every connection stays open, connections are reset.
Of each phase the answers are counted and timed, and of the healing how long it takes until an event is acknowledged
again. In the end every event that was acknowledged is there once and `verify` finds nothing.

    python -m benchmarks.networking [--seconds 60]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import httpx2

import whodid
from benchmarks.killing import WORKSPACE, Part, free_port, insist, wait_for
from benchmarks.measure import machine, percentile, table
from tests.postgresing import MISSING, Server, programs
from tests.proxying import Network
from tests.sending import wire
from whodid import Actor
from whodid.server.keys import KeyRing

_SENDERS = 16
_AGAIN_S = 0.25


class _Answer(NamedTuple):
    """An answer: when it came, how long it took, and its status (0: none)."""

    at: float
    seconds: float
    status: int


class _Senders:
    """Send until told to stop."""

    def __init__(self, url: str, key: str) -> None:
        self.answers: list[_Answer] = []
        self.acknowledged: set[str] = set()
        self.stopping = threading.Event()
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(_SENDERS)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End once what is under way is answered."""
        self.stopping.set()
        for thread in self._threads:
            thread.join()

    def _send(self, number: int) -> None:
        with httpx2.Client(timeout=200) as http:
            while not self.stopping.is_set():
                event = wire(number, occurred_at="2026-11-01T12:00:00Z")
                number += _SENDERS
                status = 0
                # Whoever is told to stop need not be answered well: the server may be gone, or refuse for ever.
                while status not in {200, 201} and not self.stopping.is_set():
                    began = time.monotonic()
                    try:
                        status = http.post(f"{self._url}/v1/events", json=event, headers=self._headers).status_code
                    except httpx2.HTTPError:
                        status = 0
                    now = time.monotonic()
                    self.answers.append(_Answer(now, now - began, status))
                    if status not in {200, 201}:
                        time.sleep(_AGAIN_S)
                if status in {200, 201}:
                    self.acknowledged.add(event["id"])


def _wait_for_one(senders: _Senders, since: float, name: str) -> None:
    """Wait until an event is acknowledged that was answered after a moment; fail with what was answered instead."""
    before = len(senders.answers)
    try:
        wait_for(
            lambda: any(
                one.status in {200, 201} and one.at > since for one in senders.answers[max(0, before - _SENDERS) :]
            ),
            "",
        )
    except AssertionError:
        lately = senders.answers[before:]
        told = ", ".join(f"{count} times {status}" for status, count in Counter(one.status for one in lately).items())
        slowest = max((one.seconds for one in lately), default=0.0)
        insist(
            False, f"after {name!r} nothing is recorded: answered was {told or 'nothing'}, in {slowest:.1f} s at most"
        )


def _phase(senders: _Senders, network: Network, name: str, seconds: float) -> tuple[object, ...]:
    """Have one phase; return its row."""
    began, first = time.monotonic(), len(senders.answers)
    if name == "cut":
        network.cut()
    elif name.endswith("ms"):
        network.delay = float(name.removesuffix(" ms")) / 1000
        network.mode = "slow"
    else:
        network.mode = name
    time.sleep(seconds)
    network.heal()
    healed = time.monotonic()
    _wait_for_one(senders, healed, name)
    if name in {"silent", "cut"}:
        # The requests that were under way.
        time.sleep(1)
    answers = senders.answers[first:]
    good = [one.seconds for one in answers if one.status in {200, 201}]
    bad = [one for one in answers if one.status not in {200, 201}]
    insist({one.status for one in bad} <= {503}, f"other answers: { {one.status for one in bad} }")
    after = [one.at - healed for one in answers if one.status in {200, 201} and one.at > healed]
    return (
        name,
        f"{len(good):,}",
        f"{1000 * percentile(good, 0.5):,.0f} / {1000 * percentile(good, 0.95):,.0f} / {1000 * max(good):,.0f}",
        f"{len(bad):,}",
        f"{bad[0].at - began:.1f}" if bad else "",
        f"{1000 * percentile([one.seconds for one in bad], 0.5):,.0f} / {max(one.seconds for one in bad):.1f} s"
        if bad
        else "",
        f"{min(after):.1f}" if bad and after else "",
    )


def main() -> None:
    """Have every phase, and print what it came to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of a phase in which nothing gets through")
    given = parser.parse_args()
    place = programs()
    if place is None:
        sys.exit(MISSING)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whodid-networking-")))
        os.environ["WHODID_KEY_FILE"] = f"{folder}/audit.db.key"
        server = Server(place)
        stack.callback(server.stop)
        url = server.database("networking")
        with whodid.open(url) as log:
            key = KeyRing(log, WORKSPACE, actor=Actor(type="system", id="networking")).create("phases").text
        network = Network(server.folder / ".s.PGSQL.5432")
        stack.callback(network.close)
        port = free_port()
        serve = [sys.executable, "-m", "whodid", "serve", "--store", network.url("whodid", "networking")]
        program = Part("server", folder, [*serve, "--port", str(port), "--set", "rate=0"])
        program.start()
        stack.callback(program.kill)
        senders = _Senders(f"http://127.0.0.1:{port}", key)
        senders.start()
        stack.callback(senders.stopping.set)
        wait_for(lambda: bool(senders.acknowledged), "nothing is recorded")
        senders.answers.clear()
        before = program.memory()
        rows = [
            _phase(senders, network, name, seconds)
            for name, seconds in (
                ("fine", 10.0),
                ("5 ms", 10.0),
                ("50 ms", 20.0),
                ("silent", given.seconds),
                ("fine", 10.0),
                ("cut", given.seconds),
                ("fine", 10.0),
            )
        ]
        after = program.memory()
        senders.stop()
        with whodid.open(url) as log:
            ids = [entry.id for entry in log.read(WORKSPACE) if entry.action == "contact.created"]
            insist(len(ids) == len(set(ids)), "an event is there twice")
            insist(senders.acknowledged <= set(ids), "an acknowledged event is lost")
            insist(log.verify(WORKSPACE).ok, "the log does not verify")
        held = network.open
    print(machine())
    table(
        f"{len(ids):,} events acknowledged, none lost, none twice, `verify` clean; "
        f"memory of the server {before / 1e6:.0f} MB before, {after / 1e6:.0f} MB after; {held} connections",
        (
            "Network", "Acknowledged", "p50 / p95 / most, ms", "503", "First after, s", "p50 ms / most",
            "Healed to acknowledged, s",
        ),
        rows,
    )  # fmt: skip


if __name__ == "__main__":
    main()
