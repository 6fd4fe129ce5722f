"""What ten times too much does to the server: latency, refusals, memory, others, and whether anything is lost.

Method: a real `whodid serve` (everything on; only the limit per key is off, so that the server and not the key is at
its limit) first takes what a few connections can bring for some seconds: the sustainable rate. Then a sender in a
process of its own offers a multiple of it for `--seconds`, in an open loop over up to `--connections` connections, into
one workspace. Meanwhile another workspace sends single events, a reader asks for its newest page, and somebody asks
`/healthz`. A request that the sender finds no free connection for is not sent. Everything runs on this machine, so what
the sender costs is taken from the server. At the end every acknowledged event has to be in the log exactly once, and
the log has to verify.

    python -m benchmarks.overload [--postgres] [--seconds 120] [--times 10] [--batch 100] [--connections 1024]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.corpus import events
from benchmarks.flood import Orders, begin, event_id, result
from benchmarks.measure import machine, table
from benchmarks.served import Prober, Served, Taken, insist, place, slope

_LOUD, _QUIET = "loud", "quiet"
_MANY = 1 << 40  # numbers of the quiet one's events, far from the others


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL in the place of SQLite")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--warm", type=float, default=10.0, help="seconds in which the sustainable rate is measured")
    parser.add_argument("--times", type=float, default=10.0)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--connections", type=int, default=1_024)
    parser.add_argument("--set", action="append", default=[], help="further settings of the server")
    given = parser.parse_args()
    with place("postgres" if given.postgres else "sqlite") as where:
        overload(Served(where, "rate=0", *given.set), given)


def overload(served: Served, given: argparse.Namespace) -> None:
    """Run, check and print."""
    print(machine())
    with tempfile.TemporaryDirectory(prefix="whodid-told-") as folder, served:
        key, quiet, reader = served.key(_LOUD, "write"), served.key(_QUIET, "write"), served.key(_QUIET, "read")
        told = [Path(folder, name) for name in ("warm", "flood")]
        lines = 64 if given.batch == 1 else 4
        base = Orders(
            port=served.port,
            key=key,
            batch=given.batch,
            rate=0,
            seconds=given.warm,
            connections=lines,
            told=str(told[0]),
        )
        calm = result(begin(base))
        print(
            f"\nSustainable: {calm.rate:,.0f} events/s over {lines} connections; p50 {calm.whole[0]:,.0f} ms, "
            f"p99 {calm.whole[1]:,.0f} ms; {calm.statuses}"
        )
        offered = given.times * calm.rate
        orders = msgspec.structs.replace(
            base,
            rate=offered / given.batch,
            seconds=given.seconds,
            connections=given.connections,
            first=calm.next,
            told=str(told[1]),
        )
        single = events(100_000, seed=7)

        def event(number: int) -> tuple[str, str, object]:
            made = msgspec.structs.replace(next(single), id=event_id(_MANY + number), occurred_at=datetime.now(UTC))
            return "POST", "/v1/events", msgspec.to_builtins(made)

        before = served.taken()
        others = {
            "single events of another workspace": Prober(served.port, quiet, event),
            "newest page of another workspace": Prober(
                served.port, reader, lambda _: ("GET", "/v1/entries?limit=50", None)
            ),
            "/healthz": Prober(served.port, reader, lambda _: ("GET", "/healthz", None)),
        }
        sender, began = begin(orders), time.monotonic()
        points: list[tuple[float, Taken]] = []
        for one in others.values():
            one.__enter__()
        try:
            while sender.poll() is None and len(points) < orders.tenths:
                time.sleep(max(0.0, (len(points) + 1) * given.seconds / orders.tenths - (time.monotonic() - began)))
                points.append((time.monotonic() - began, served.taken()))
            seen = result(sender)
        finally:
            sender.kill()
            for one in others.values():
                one.__exit__()
        after = served.taken()
        served.stop()
        sizes = [served.check(_LOUD, numbers(told), given.batch), served.check(_QUIET, [], 1)]
        with served.log() as log:
            kept = {entry.id for entry in log.read(_QUIET)}
        sent = len(others["single events of another workspace"].times)
        insist(all(event_id(_MANY + at) in kept for at in range(sent)), "an event of the other workspace is lost")

    answered = sum(seen.statuses.values())
    table(
        f"{given.times:g} times the sustainable rate: {offered:,.0f} events/s offered for {given.seconds:g} s",
        ("Tenth", "accepted/s", "p50 ms", "p99 ms", "memory MB", "handles", "connections", "threads"),
        [
            (
                at + 1,
                f"{seen.accepted[at] * orders.tenths / given.seconds:,.0f}",
                f"{seen.p50[at]:,.0f}",
                f"{seen.p99[at]:,.0f}",
                f"{taken.rss / 1e6:,.0f}",
                taken.handles,
                taken.connections,
                taken.threads,
            )
            for at, (_, taken) in enumerate(points)
        ],
    )
    rows = [
        (status or "broken", f"{count:,}", f"{count / answered:.1%}") for status, count in sorted(seen.statuses.items())
    ]
    table("Answers", ("status", "requests", "share"), [*rows, ("not sent", f"{seen.unsent:,}", "")])
    refused = seen.statuses.get(503, 0) + seen.statuses.get(429, 0)
    print(
        f"\nRefusals with Retry-After: {seen.again:,} of {refused:,}; p50 {seen.refused[0]:,.0f} ms, "
        f"p99 {seen.refused[1]:,.0f} ms. Connections opened: {seen.opened:,}"
    )
    print(
        f"Accepted: {seen.rate:,.0f} events/s, {seen.rate / calm.rate:.2f} of the sustainable rate; p50 "
        f"{seen.whole[0]:,.0f} ms, p99 {seen.whole[1]:,.0f} ms, longest {seen.whole[2]:,.0f} ms"
    )
    later = [(at, taken.rss / 1e6) for at, taken in points[len(points) // 5 :]]
    print(
        f"Memory: {before.rss / 1e6:,.0f} MB before, {max(taken.rss for _, taken in points) / 1e6:,.0f} at most, "
        f"{after.rss / 1e6:,.0f} after; {slope(later):+.1f} MB a minute from the third tenth on. "
        f"Handles: {before.handles} before, {after.handles} after"
    )
    table(
        "The others meanwhile",
        ("Who", "answered", "refused", "broken", "p50 ms", "p99 ms"),
        [(name, *one.told()) for name, one in others.items()],
    )
    print(f"\nEvery acknowledged event is in the log once, and the log verifies: {sizes[0]:,} and {sizes[1]:,} entries")


def numbers(files: list[Path]) -> list[int]:
    """Return what senders were told is recorded."""
    return [int(line) for file in files for line in file.read_text(encoding="ascii").split()]


if __name__ == "__main__":
    main()
