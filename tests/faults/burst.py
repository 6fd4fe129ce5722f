"""A process that records far more than its spool may hold, and says what became of it as one line of JSON.

Usage: burst.py URL KEY SPOOL POLICY COUNT MODE. Mode is `threads`, or `gevent` for a process in which gevent has
replaced threads and sockets.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

if sys.argv[6] == "gevent":
    from gevent import monkey  # type: ignore[import-untyped]

    monkey.patch_all()

import whodid
from tests.capturing import event
from whodid.errors import SpoolFull


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Record, wait until it is settled, and tell."""
    url, key, spool, policy, count = sys.argv[1:6]
    refusals: list[float] = []
    ticks = 0
    with whodid.connect(url, key, spool=spool, max_bytes=5_000_000, on_full=policy, exit_flush_s=60) as client:  # type: ignore[arg-type]
        client.take("wsp", [event(number) for number in range(100)])
        warm = client.flush(30)
        before = resident()
        if sys.argv[6] == "gevent":
            import gevent

            def tick() -> None:
                nonlocal ticks
                while True:
                    gevent.sleep(0.01)
                    ticks += 1

            gevent.spawn(tick)
        peak = 0
        for number in range(100, int(count)):
            started = time.perf_counter()
            try:
                client.take("wsp", [event(number)])
            except SpoolFull:
                refusals.append(time.perf_counter() - started)
            if number % 500 == 0:
                peak = max(peak, client.status().spool_bytes)
        full = client.status()
        flushed = client.flush(60)
        growth = resident() - before
        status = client.status()
    refusals.sort()
    said = {
        "warm": warm,
        "flushed": flushed,
        "refused": len(refusals),
        "median_refusal_ms": 1000 * refusals[len(refusals) // 2] if refusals else 0,
        "accepted": status.accepted,
        "delivered": status.delivered,
        "dropped": status.dropped,
        "untold": status.gaps,
        "waited": full.waiting,
        "told_while_full": full.gaps,
        "peak_bytes": peak,
        "growth": growth,
        "ticks": ticks,
    }
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
