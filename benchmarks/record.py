"""What `Capture.record` costs in the request: processor time per event, against a dictionary written as JSON.

    python -m benchmarks.record

The yardstick makes a dictionary with the same content, with a random UUID and the time, and writes it with `json`. That
is what an application does that logs by hand; it compares nothing and hides nothing. `record` builds a checked event
with an id, redacts, compares before and after, and hands it to a destination that keeps it in memory, or notes it in an
open transaction: what the outbox, the spool or the log then do with it is measured by their own scripts. The rounds of
all variants alternate, so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import argparse
import json
import statistics
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from benchmarks.measure import machine, percentile, spread, table, timed
from whodid import Actor, Event, Resource
from whodid.capture import Capture, context
from whodid.capture.pending import Pending
from whodid.capture.units import closed, opened
from whodid.catalog import builtin

AISHA = Actor(type="user", id="usr_1A", name="Aisha Khan", email="aisha@casalumen.es", role="Owner")
ABOUT = Resource(type="contact", id="con_7J2R", name="Juan Pérez")
BEFORE = {
    "name": "Juan Pérez", "phone_e164": "+34655018342", "email": "juan@correo.example", "city": "Madrid",
    "language": "es", "tags": ["vip", "madrid"], "consent": {"marketing": "opted_in", "source": "form"},
    "custom": {"loyalty": 3, "birthday": "1990-05-04"}, "notes": "Asks for the winter catalogue every year in October",
}  # fmt: skip
AFTER = {**BEFORE, "city": "Getafe", "consent": {"marketing": "opted_out", "source": "reply"}, "tags": ["vip"]}


class Kept:
    """A destination that forgets."""

    def take(self, workspace: str, events: Sequence[Event]) -> None:
        """Take events."""


class Unit:
    """An open transaction that notes and forgets."""

    def __init__(self) -> None:
        self.pending = Pending()

    def owns(self, subject: object) -> bool:
        """Own nothing."""
        return False


def by_hand(before: dict[str, object] | None, after: dict[str, object] | None) -> str:
    """Write what an application writes that logs by hand."""
    return json.dumps(
        {
            "id": str(uuid.uuid4()),
            "occurred_at": datetime.now(UTC).isoformat(),
            "actor": {"type": AISHA.type, "id": AISHA.id, "name": AISHA.name, "email": AISHA.email, "role": AISHA.role},
            "action": "contact.updated",
            "resource": {"type": ABOUT.type, "id": ABOUT.id, "name": ABOUT.name},
            "before": before,
            "after": after,
            "context": {"source": "web", "ip": "83.45.112.20", "user_agent": "Mozilla/5.0", "request": "req_1"},
        }
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2000, help="events per round (default: 2000)")
    parser.add_argument("--rounds", type=int, default=9)
    chosen = parser.parse_args()

    capture = Capture(builtin(), lambda *_: "9f2c41d07be85ae1", destination=Kept(), workspace="w1")
    sides: dict[str, tuple[dict[str, object] | None, dict[str, object] | None]] = {
        "without values": (None, None),
        "update, 9 fields, 4 of them changed": (dict(BEFORE), dict(AFTER)),
        "creation, 9 fields": (None, dict(AFTER)),
    }
    rows = []
    for name, (before, after) in sides.items():

        def hand(before: dict[str, object] | None = before, after: dict[str, object] | None = after) -> None:
            for _ in range(chosen.events):
                by_hand(before, after)

        def direct(before: dict[str, object] | None = before, after: dict[str, object] | None = after) -> None:
            for _ in range(chosen.events):
                capture.record("contact.updated", ABOUT, before=before, after=after)

        def noted(before: dict[str, object] | None = before, after: dict[str, object] | None = after) -> None:
            unit = Unit()
            opened(unit)
            try:
                for _ in range(chosen.events):
                    capture.record("contact.updated", ABOUT, before=before, after=after)
            finally:
                closed(unit)

        with context(actor=AISHA, source="web", ip="83.45.112.20", user_agent="Mozilla/5.0", request="req_1"):
            hand_us, direct_us, noted_us = _rounds((hand, direct, noted), chosen.events, chosen.rounds)
        rows += [
            (
                name,
                spread(hand_us, ".1f"),
                spread(direct_us, ".1f"),
                spread([one / other for one, other in zip(direct_us, hand_us, strict=True)]),
                spread(noted_us, ".1f"),
                spread([one / other for one, other in zip(noted_us, hand_us, strict=True)]),
            )
        ]
    print(machine())
    columns = ("Event", "by hand, µs", "to a destination, µs", "ratio", "in a transaction, µs", "ratio")
    table("Processor time per event: median (least–greatest) of the rounds", columns, rows)
    _print_latency(capture, chosen.events)
    _print_heaviest(capture)


def _rounds(works: Sequence[Callable[[], None]], events: int, rounds: int) -> list[list[float]]:
    """Run each in turn, so many times, and return processor microseconds per event."""
    for work in works:
        work()
    spent: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, times in zip(works, spent, strict=True):
            times.append(timed(work).cpu / events * 1e6)
    return spent


def _print_latency(capture: Capture, events: int) -> None:
    """Print what a single call takes, wall clock."""

    def call() -> object:
        return capture.record("contact.updated", ABOUT, before=BEFORE, after=AFTER)

    with context(actor=AISHA, source="web", ip="83.45.112.20"):
        calls = [timed(call).wall * 1e6 for _ in range(events)]
    print(f"\nOne call of an update: p50 {statistics.median(calls):.0f} µs, p99 {percentile(calls, 0.99):.0f} µs")


def _print_heaviest(capture: Capture) -> None:
    """Print x."""
    nest: object = "x"
    for _ in range(9):
        nest = [nest] * 10
    values: dict[str, object] = {
        "a text of 10 MB": "x" * 10_000_000,
        "100,000 keys": {f"key{number}": number for number in range(100_000)},
        "a nest of 10^9 items": nest,
        "200 texts of 16 KB": {f"k{number}": "x" * 16_000 for number in range(200)},
        "1,000 texts of 8 KB": ["é" * 4_000] * 1000,
    }
    print("\nOne creation with a heavy value, processor time, the quickest of nine (budget: 20 ms)")
    for name, value in values.items():

        def create(value: object = value) -> object:
            return capture.record("contact.created", ABOUT, after={"field": value, "other": "fine"})

        with context(actor=AISHA):
            print(f"  {name}: {min(timed(create).cpu for _ in range(9)) * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
