"""Kill whoever feeds four sinks: no receiver misses an entry, and under one in a hundred comes twice (T11).

Method: a log on SQLite with four sinks (a file, a webhook, syslog over TCP, Datadog) whose receivers run in this
process and keep what came whole. Two processes feed; entries are recorded all the while, and after each part of them
one of the two gets SIGKILL at a random moment and another takes its place. At the end each receiver must have every
entry. A duplicate is an entry that a receiver has more than once, which it can tell by the id that the entry carries.
The lease of a process that was killed is over after two seconds, so that a run takes minutes and not an hour.

    python -m benchmarks.streaming [--entries 50000] [--kills 20] [--seed 1]
"""

from __future__ import annotations

import argparse
import os
import random
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import whodid
from benchmarks.corpus import events
from benchmarks.measure import machine, table
from tests.receiving import receiving
from whodid.model import Actor
from whodid.sinks import Sinks

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORKSPACE = "bench"
_ACTOR = Actor(type="system", id="bench")
_FEEDER = Path(__file__).resolve().parent.parent / "tests" / "faults" / "feeder.py"
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_PATIENCE_S = 600


@contextmanager
def collecting() -> Iterator[tuple[int, list[int]]]:
    """Run a syslog receiver; yield its port and the indexes that came, of whole messages only."""
    came: list[int] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while length := self.rfile.read(1):
                while (more := self.rfile.read(1)).isdigit():
                    length += more
                body = self.rfile.read(int(length))
                if len(body) == int(length):
                    came.append(_index(body[body.index(b"{") :]))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1], came
        finally:
            server.shutdown()


def _index(body: bytes) -> int:
    found: int = msgspec.json.decode(body)["index"]
    return found


def feed(url: str) -> subprocess.Popen[bytes]:
    """Start a process that feeds the sinks."""
    feeder = subprocess.Popen([sys.executable, str(_FEEDER), url, "2"], stdout=subprocess.PIPE, env=os.environ)
    assert feeder.stdout is not None
    assert feeder.stdout.readline() == b"ready\n"
    return feeder


def end(feeder: subprocess.Popen[bytes]) -> None:
    """Kill a process that feeds."""
    feeder.kill()
    feeder.communicate()


def streaming(entries: int, kills: int, seed: int) -> dict[str, tuple[int, int, int]]:
    """Feed, kill and count.

    Returns:
        Per sink, how many entries there were, how many did not come, and how many came again.
    """
    draw = random.Random(seed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url, out, secret = f"sqlite:///{folder}/audit.db", folder / "out.ndjson", folder / "secret"
        secret.write_text(_SECRET)
        secret.chmod(0o600)
        log = stack.enter_context(whodid.open(url))
        hook, datadog = stack.enter_context(receiving()), stack.enter_context(receiving())
        port, syslog = stack.enter_context(collecting())
        made = events(entries)
        log.record(_WORKSPACE, next(made))
        sinks = Sinks(log, _WORKSPACE, actor=_ACTOR)
        sinks.add("file", "file", str(out), start=0, heartbeat=0)
        sinks.add("webhook", "webhook", hook.url, start=0, heartbeat=0, private=True, secret=f"file:{secret}")
        sinks.add("syslog", "syslog", f"tcp://localhost:{port}", start=0, heartbeat=0, private=True)
        sinks.add("datadog", "datadog", datadog.url, start=0, heartbeat=0, private=True, secret=f"file:{secret}")
        feeders = [feed(url), feed(url)]
        part = entries // kills
        for number in range(kills):
            more = list(islice(made, part + (entries - 1) % kills if number == kills - 1 else part))
            for at in range(0, len(more), 500):
                log.record_many(_WORKSPACE, more[at : at + 500])
            time.sleep(draw.random() * 0.5)
            end(feeders.pop(draw.randrange(2)))
            feeders.append(feed(url))
        until = time.monotonic() + _PATIENCE_S
        while any(health.behind for health in sinks.all()) and time.monotonic() < until:
            time.sleep(0.1)
        for feeder in feeders:
            end(feeder)
        size = log.head(_WORKSPACE).size
        file = [_index(line) for line in out.read_bytes().split(b"\n")[:-1]]
        bodies = {
            name: [
                one
                for got in receiver.got
                if len(got.body) == int(got.headers["content-length"])
                for one in msgspec.json.decode(got.body)
            ]
            for name, receiver in (("webhook", hook), ("datadog", datadog))
        }
        came = {
            "file": file,
            "webhook": [one["index"] for one in bodies["webhook"]],
            "syslog": list(syslog),
            "datadog": [_index(one["message"].encode()) for one in bodies["datadog"]],
        }
    counted = {name: Counter(found) for name, found in came.items()}
    return {name: (size, size - len(found), found.total() - len(found)) for name, found in counted.items()}


def main() -> None:
    """Run as a program."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--entries", type=int, default=50_000)
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    print(machine())
    found = streaming(chosen.entries, chosen.kills, chosen.seed)
    rows = [
        (name, f"{size:,}", f"{missed:,}", f"{again:,}", f"{again / size:.2%}")
        for name, (size, missed, again) in found.items()
    ]
    columns = ("Sink", "Entries", "Missed (aim 0)", "Came again", "of all (aim < 1 %)")
    table(f"T11: {chosen.kills} kills of a process that feeds", columns, rows)
    reached = all(missed == 0 and again < size / 100 for size, missed, again in found.values())
    print(f"\nT11: {'reached' if reached else 'missed'}")


if __name__ == "__main__":
    main()
