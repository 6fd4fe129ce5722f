"""Kill whoever feeds sinks twenty times: what real receivers miss (nothing) and get twice (under one in a hundred).

Method: a log on SQLite takes the entries, a part of them in each round, while two processes feed its sinks. After a
random while one of the two gets SIGKILL and another one takes its place. The receivers are real: a file; a
webhook whose every delivery is verified by the library of Standard Webhooks; a bucket on moto's double of S3, read back
by obstore; rsyslog over TLS, where it is installed (`rsyslogd` with its module for GnuTLS, or the variable
WHODID_RSYSLOG). At the end every entry must have come to each of them, and what came more than once is counted.

The lease of a feeder that was killed is over after a second here instead of half a minute, so that rounds are short.

    python -m benchmarks.streaming [--rounds 20] [--entries 50000] [--seed 1]
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import standardwebhooks

import whodid
from benchmarks.measure import machine, table
from tests.bucketing import KEYS, Bucket, serving
from tests.faults.writer import event
from tests.receiving import Receiver, receiving
from tests.syslogging import RSYSLOG, rsyslogging
from whodid import Actor, Log
from whodid.sinks import Sinks

__all__ = ["Came", "streaming"]

_FEEDER = Path(__file__).resolve().parent.parent / "tests" / "faults" / "feeder.py"
_WORKSPACE = "w"
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_PATIENCE_S = 240
_TARGET = 0.01


class Came(NamedTuple):
    """What came to one receiver.

    Args:
        entries: How many different ones.
        missing: How many did not come.
        twice: How many came once more than needed, each time counted.
        disordered: How often an entry came for the first time after a later one.
    """

    entries: int
    missing: int
    twice: int
    disordered: int


def streaming(
    folder: Path, rounds: int, entries: int, seed: int, *, lease: float = 1.0
) -> tuple[dict[str, Came], float]:
    """Kill so many times; return what came to whom, and the seconds from the first entry until all had come.

    Args:
        folder: Empty.
        lease: Seconds for which a feeder that was killed still holds a sink.
    """
    draw, url = random.Random(seed), f"sqlite:///{folder}/audit.db"
    with ExitStack() as stack:
        log = stack.enter_context(whodid.open(url))
        receiver = stack.enter_context(receiving())
        bucket = Bucket(stack.enter_context(serving()), "audit")
        log.record(_WORKSPACE, event("first", 0))
        heard = _add_all(log, folder, receiver, bucket, stack)
        feeders = [_fed(url, lease, stack)]
        began = time.perf_counter()
        for number in range(rounds):
            feeders.append(_fed(url, lease, stack))
            log.record_many(_WORKSPACE, [event(f"round {number}", at) for at in range(entries // rounds)])
            time.sleep(draw.random() * 2 * lease)
            dying = feeders.pop(draw.randrange(2))
            dying.kill()
            dying.wait()
        feeders.append(_fed(url, lease, stack))
        _wait(lambda: all(one.behind == 0 for one in _sinks(log).all()))
        size = log.head(_WORKSPACE).size
        if RSYSLOG is not None:
            _wait(lambda: len(set(heard["syslog"]())) >= size)
        took = time.perf_counter() - began
        return {name: _judged(list(came()), size) for name, came in heard.items()}, took


def _add_all(
    log: Log, folder: Path, receiver: Receiver, bucket: Bucket, stack: ExitStack
) -> dict[str, Callable[[], Iterator[int]]]:
    """Add the sinks; return for each of them what tells the indexes that came, in the order in which they did."""
    sinks, out = _sinks(log), folder / "out.ndjson"
    hook, keys = folder / "hook", folder / "keys"
    for path, text in ((hook, _SECRET), (keys, KEYS)):
        path.write_text(text)
        path.chmod(0o600)
    sinks.add("file", "file", str(out), start=0, heartbeat=0)
    sinks.add("webhook", "webhook", receiver.url, start=0, heartbeat=0, private=True, secret=f"file:{hook}", batch=20)
    sinks.add(
        "s3", "s3", bucket.url, start=0, heartbeat=0, private=True, secret=f"file:{keys}", batch=500,
        options={"every": "0"},
    )  # fmt: skip
    heard: dict[str, Callable[[], Iterator[int]]] = {
        "file": lambda: (json.loads(line)["index"] for line in out.read_text().split("\n")[:-1]),
        "webhook": lambda: _verified(receiver),
        "s3": lambda: iter(sorted(bucket.indexes())),  # which object came first, a bucket does not tell
    }
    if RSYSLOG is not None:
        (folder / "rsyslog").mkdir()
        syslog = stack.enter_context(rsyslogging(folder / "rsyslog", tls=True))
        sinks.add(
            "syslog", "syslog", syslog.url, start=0, heartbeat=0, private=True, batch=20,
            options={"ca": str(syslog.authority)},
        )  # fmt: skip
        heard["syslog"] = lambda: (json.loads(line[line.index("{") :])["index"] for line in syslog.lines())
    return heard


def _verified(receiver: Receiver) -> Iterator[int]:
    """Yield what came to the webhook; a delivery that is not signed by the log fails."""
    hook = standardwebhooks.Webhook(_SECRET)
    for got in list(receiver.got):
        if len(got.body) == int(
            got.headers["content-length"]
        ):  # a kill can cut a request off; nobody takes half of one
            hook.verify(got.body.decode(), got.headers)
            yield from (entry["index"] for entry in json.loads(got.body))


def _judged(came: list[int], size: int) -> Came:
    times = Counter(came)
    firsts = list(dict.fromkeys(came))
    return Came(
        entries=len(times),
        missing=len({*range(size)} - times.keys()),
        twice=len(came) - len(times),
        disordered=sum(after < before for before, after in pairwise(firsts)),
    )


def _fed(url: str, lease: float, stack: ExitStack) -> subprocess.Popen[bytes]:
    """Start a process that feeds sinks; it is killed at the end."""
    feeder = subprocess.Popen([sys.executable, str(_FEEDER), url, str(lease)], stdout=subprocess.PIPE)
    stack.callback(feeder.communicate)
    stack.callback(feeder.kill)
    assert feeder.stdout is not None
    assert feeder.stdout.readline() == b"ready\n"
    return feeder


def _sinks(log: Log) -> Sinks:
    return Sinks(log, _WORKSPACE, actor=Actor(type="system", id="bench", name="Benchmark"))


def _wait(until: Callable[[], bool]) -> None:
    latest = time.monotonic() + _PATIENCE_S
    while not until():
        if time.monotonic() > latest:
            message = f"It is not so after {_PATIENCE_S} seconds"
            raise TimeoutError(message)
        time.sleep(0.05)


def main() -> None:
    """Kill and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--entries", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"Sinks under kill -9.\n{machine()}")
    with tempfile.TemporaryDirectory(prefix="whodid-bench-") as text:
        found, took = streaming(Path(text), options.rounds, options.entries, options.seed)
    rows = [
        (
            name,
            f"{one.entries:,}",
            f"{one.missing:,}",
            f"{one.twice:,}",
            f"{one.twice / one.entries:.2%}",
            one.disordered,
        )
        for name, one in found.items()
    ]
    table(f"{options.rounds} kills", ("to", "entries", "missing", "twice", "share", "out of order"), rows)
    if "syslog" not in found:
        print("rsyslog is missing: syslog was not tried")
    entries = next(iter(found.values())).entries
    print(f"{entries / took:,.0f} entries/s to all of them at once, with what was repeated after kills and the kills")
    good = all(not one.missing and one.twice < _TARGET * one.entries for one in found.values())
    print(f"No gap, under {_TARGET:.0%} twice: {'yes' if good else 'NO'}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
