"""What grows in a server that is busy with everything for minutes: memory, handles, threads, files, tables, lags.

Method: a log is filled with old days (recorded at their time). A real `whodid serve` starts on it, and for `--minutes`
takes half of what it can sustain, while everything else goes on: retention purges (each minute the policy keeps fewer
of the old days), detection follows, a file and a webhook receiver in a process of its own are fed, exports are ordered,
downloaded and removed, live views open and close, a reader asks for the newest page. Every tenth of a minute what the
server takes and what the store holds is written down; printed are the first and last values and the growth per minute,
by least squares over the second half: what a leak would be. Handles and threads are peaks of each part. At the end the
sender stops, the followers catch up, every acknowledged event has to be in the log once and in the file of the sink
once, and the log has to verify.

    python -m benchmarks.soak [--postgres] [--minutes 10] [--days 200] [--a-day 500]
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx2
import msgspec

import whodid
from benchmarks.corpus import events
from benchmarks.flood import Orders, Seen, begin, event_id, result
from benchmarks.measure import machine, table
from benchmarks.overload import numbers
from benchmarks.served import ACTOR, Place, Prober, Served, insist, place, slope
from benchmarks.sinking import RECEIVER, SECRET
from whodid.detect.follower import reach
from whodid.retention import Policy, change_policy, read_policy
from whodid.sinks import Sinks

_WORKSPACE = "soak"
_SAMPLE = 6.0
_PATIENCE = 300.0
_LINES = 4

_Sample = dict[str, float]


class _Story(NamedTuple):
    """What happened.

    Args:
        samples: With the seconds at which they were taken.
        end: The last one, when nothing was sent any more.
        rate: Events per second that were offered.
        done: How often everything else was done.
    """

    samples: list[tuple[float, _Sample]]
    end: _Sample
    seen: Seen
    rate: float
    done: Counter[str]
    reader: Prober


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL in the place of SQLite")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--days", type=int, default=200, help="old days before it begins")
    parser.add_argument("--a-day", type=int, default=500, help="entries of each of them")
    parser.add_argument("--share", type=float, default=0.5, help="of what it sustains with everything else going on")
    given = parser.parse_args()
    print(machine(), flush=True)
    with place("postgres" if given.postgres else "sqlite") as where, ExitStack() as stack:
        served = Served(where, "rate=0", "retention_minutes=1", "log_level=warning")
        fill(served, given.days, given.a_day)
        soak(where, served, given, stack)


def fill(served: Served, days: int, a_day: int) -> None:
    """Record the old days, each at its time."""
    now = datetime.now(UTC) - timedelta(days=days)
    key = served.key_file
    with whodid.open(served.url, key=key, clock=lambda: now) as log:
        change_policy(log, _WORKSPACE, Policy(days=days + 1), actor=ACTOR)
        supply = events(days * a_day)
        for _ in range(days):
            made = [msgspec.structs.replace(one, occurred_at=now) for one in itertools.islice(supply, a_day)]
            log.record_many(_WORKSPACE, made)
            log.seal(_WORKSPACE)
            now += timedelta(days=1)


def soak(where: Place, served: Served, given: argparse.Namespace, stack: ExitStack) -> None:
    """Run everything at once, check and print."""
    sunk, told = where.folder / "sunk.ndjson", [where.folder / "warm", where.folder / "told"]
    key, rights = served.key(_WORKSPACE, "write"), served.key(_WORKSPACE, "read", "export")
    log = stack.enter_context(served.log())
    first = log.head(_WORKSPACE).size
    add_sinks(log, where.folder, sunk, first, stack)
    stack.enter_context(served)
    base = Orders(
        port=served.port, key=key, batch=50, rate=0, seconds=15.0, connections=_LINES, told=str(told[0]), tenths=1
    )
    calm = result(begin(base))
    print(f"\nSustainable with everything on: {calm.rate:,.0f} events/s", flush=True)
    rate = given.share * calm.rate
    seconds = 60 * given.minutes
    orders = msgspec.structs.replace(
        base, rate=rate / base.batch, seconds=seconds, connections=64, first=calm.next, told=str(told[1]), tenths=10
    )
    stopping = threading.Event()
    done: Counter[str] = Counter()
    acts: list[Callable[[], None]] = [
        partial(_again, stopping, 7.0, partial(_export, served.port, rights, done)),
        *(partial(_again, stopping, 0.5, partial(_watch, served.port, rights, done, 2.0 + at)) for at in range(4)),
        partial(_again, stopping, 60.0, partial(_forget, log, given.days / max(1.0, given.minutes), done)),
    ]
    threads = [threading.Thread(target=act) for act in acts]
    samples: list[tuple[float, _Sample]] = []
    with Prober(served.port, rights, lambda _: ("GET", "/v1/entries?limit=50", None), every=0.5) as reader:
        sender, began = begin(orders), time.monotonic()
        for thread in threads:
            thread.start()
        try:
            while sender.poll() is None and (passed := time.monotonic() - began) < seconds:
                samples.append((passed, sample(where, served, log)))
                time.sleep(_SAMPLE)
            seen = result(sender)
        finally:
            sender.kill()
            stopping.set()
            for thread in threads:
                thread.join()
    settle(log)
    samples_end = sample(where, served, log)
    served.stop()
    show(_Story(samples, samples_end, seen, rate, done, reader))
    acknowledged = numbers(told)
    size = served.check(_WORKSPACE, acknowledged, base.batch)
    check_sink(log, sunk, first, acknowledged, base.batch)
    live = log.stats(_WORKSPACE)["entries"]
    print(
        f"\nEvery acknowledged event is in the log once and in the file of the sink once, and the log of {size:,} "
        f"places verifies; {size - live:,} were purged"
    )


def add_sinks(log: whodid.Log, folder: Path, sunk: Path, start: int, stack: ExitStack) -> None:
    """Add a file and a webhook with its receiver."""
    receiver = subprocess.Popen([sys.executable, "-c", RECEIVER], stdout=subprocess.PIPE, text=True)
    stack.callback(receiver.wait)
    stack.callback(receiver.kill)
    assert receiver.stdout is not None
    secret = folder / "hook.secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    sinks = Sinks(log, _WORKSPACE, actor=ACTOR)
    sinks.add("file", "file", str(sunk), start=start, options={"rotate_mb": "0"})
    address = f"http://127.0.0.1:{receiver.stdout.readline().strip()}/in"
    sinks.add("hook", "webhook", address, start=start, private=True, secret=f"file:{secret}", batch=500)


def sample(where: Place, served: Served, log: whodid.Log) -> _Sample:
    """Look at what the server takes and what the store holds."""
    taken, live = served.taken(), log.stats(_WORKSPACE)["entries"]
    found: _Sample = {
        "memory, MB": taken.rss / 1e6,
        "handles": taken.handles,
        "connections": taken.connections,
        "threads": taken.threads,
        "live entries": live,
    }
    if where.server is None:
        file = where.folder / "audit.db"
        found["database, MB"] = file.stat().st_size / 1e6
        found["write-ahead log, MB"] = Path(f"{file}-wal").stat().st_size / 1e6
        found["free in the database, MB"] = log.stats(_WORKSPACE)["free_bytes"] / 1e6
        found["bytes per live entry"] = (file.stat().st_size - log.stats(_WORKSPACE)["free_bytes"]) / live
    else:
        with where.server.connect("bench") as connection:
            row = connection.execute(
                "SELECT sum(n_dead_tup), sum(n_live_tup), pg_database_size(current_database()) FROM pg_stat_user_tables"
            ).fetchone()
            assert row is not None
        found["dead rows, thousands"] = float(row[0]) / 1e3
        found["dead rows per live row"] = float(row[0]) / max(1.0, float(row[1]))
        found["database, MB"] = float(row[2]) / 1e6
        found["bytes per live entry"] = float(row[2]) / live
    for health in Sinks(log, _WORKSPACE, actor=ACTOR).all():
        found[f"{health.sink.kind} behind, entries"] = health.behind
        found[f"{health.sink.kind} behind, s"] = health.lag
    found["detection behind, entries"] = log.head(_WORKSPACE).size - (reach(log, _WORKSPACE) or 0)
    return found


def _again(stopping: threading.Event, every: float, act: Callable[[], None]) -> None:
    while not stopping.is_set():
        act()
        stopping.wait(every)


def _client(port: int, key: str) -> httpx2.Client:
    return httpx2.Client(
        base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}, timeout=_PATIENCE
    )


def _export(port: int, key: str, done: Counter[str]) -> None:
    """Order an export, download it and remove it."""
    with _client(port, key) as http:
        form = ("csv", "ndjson")[done["exports"] % 2]
        ordered = http.post("/v1/exports", json={"format": form, "q": "kind:delete"})
        insist(ordered.status_code == 201, f"an export was refused: {ordered.text}")
        job = ordered.json()
        until = time.monotonic() + _PATIENCE
        while job["state"] not in {"ready", "failed"}:
            insist(time.monotonic() < until, "an export did not end")
            time.sleep(0.2)
            job = http.get(f"/v1/exports/{job['id']}").json()
        insist(job["state"] == "ready", f"an export failed: {job}")
        insist(len(http.get(f"/v1/exports/{job['id']}/file").content) == job["size"], "an export is not whole")
        http.delete(f"/v1/exports/{job['id']}")
        done["exports"] += 1


def _watch(port: int, key: str, done: Counter[str], seconds: float) -> None:
    """Open a live view, read what comes for a while, and leave."""
    with _client(port, key) as http, http.stream("GET", "/v1/stream") as stream:
        insist(stream.status_code == 200, f"a live view was refused: {stream.status_code}")
        until = time.monotonic() + seconds
        for line in stream.iter_lines():
            done["live parts"] += line.startswith("data:")
            if time.monotonic() > until:
                break
        done["live views"] += 1


def _forget(log: whodid.Log, days: float, done: Counter[str]) -> None:
    """Keep fewer of the old days."""
    kept = read_policy(log, _WORKSPACE).days or 0
    change_policy(log, _WORKSPACE, Policy(days=max(1, kept - round(days))), actor=ACTOR)
    done["policies"] += 1


def settle(log: whodid.Log) -> None:
    """Wait until the followers have everything that was sent."""
    until = time.monotonic() + _PATIENCE
    while any(health.behind for health in Sinks(log, _WORKSPACE, actor=ACTOR).all()):
        insist(time.monotonic() < until, "the sinks did not catch up")
        time.sleep(0.5)


def check_sink(log: whodid.Log, sunk: Path, first: int, acknowledged: list[int], batch: int) -> None:
    """Insist that the file has every entry from an index on, once and in order, every acknowledged event among them."""
    ids = []
    with sunk.open(encoding="utf-8") as lines:
        for at, line in enumerate(lines):
            entry = json.loads(line)
            insist(entry["index"] == first + at, f"the sink has a gap, or something twice, at {first + at}")
            ids.append(entry["id"])
    insist(len(ids) >= log.head(_WORKSPACE).size - first - 50, "the sink did not get everything")
    kept = set(ids)
    insist(all(event_id(one) in kept for at in acknowledged for one in range(at, at + batch)), "the sink lacks events")


def show(story: _Story) -> None:
    """Print what grew."""
    samples, end, seen, rate, done, reader = story
    half = samples[len(samples) // 2 :]
    table(
        f"{samples[-1][0] / 60:.0f} minutes at {rate:,.0f} events/s offered, {seen.rate:,.0f} taken",
        ("What", "first", "at half time", "last", "most", "afterwards", "growth a minute in the second half"),
        [
            (
                name,
                *(
                    f"{value:,.1f}"
                    for value in (
                        samples[0][1][name],
                        half[0][1][name],
                        samples[-1][1][name],
                        max(one[name] for _, one in samples),
                        end[name],
                    )
                ),
                f"{slope([(at, one[name]) for at, one in half]):+,.2f}",
            )
            for name in end
        ],
    )
    print(
        f"\nAnswers {seen.statuses}, not sent {seen.unsent}; accepted p50 {seen.whole[0]:,.0f} ms, "
        f"p99 {seen.whole[1]:,.0f} ms; newest page p50 {reader.told()[3]} ms, p99 {reader.told()[4]} ms, "
        f"{reader.refused + reader.broken} refused; {done['exports']} exports, {done['live views']} live views, "
        f"{done['policies']} shorter policies",
        flush=True,
    )


if __name__ == "__main__":
    main()
