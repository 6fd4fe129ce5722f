"""A process that records and says what was acknowledged; the fault tests kill it, starve it and lie to it.

Usage: writer.py URL WORKSPACE NAME THREADS [COUNT]

Each thread records events in turns of 1, 3 and 20, writes `NUMBER ID` per acknowledged event to standard output in one
write, and goes on until COUNT events (default: for ever). A refusal by the store is written as `! CLASS` and ends the
process with status 3. Ids follow from NAME and number, so that a second process can send the very same events again.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import sys
import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID

import whodid
from whodid import Actor, Change, Event, Resource

START = datetime(2026, 11, 1, tzinfo=UTC)


def event(name: str, number: int) -> Event:
    """Return the event of that number."""
    digest = hashlib.sha256(f"{name}/{number}".encode()).digest()
    return Event(
        id=str(UUID(bytes=digest[:16], version=4)),
        occurred_at=START + timedelta(seconds=number),
        actor=Actor(type="user", id=f"usr_{number % 9}", name=f"Person {number % 9}"),
        action="contact.updated",
        resource=Resource(type="contact", id=f"con_{number % 50}", name=f"Contact {number % 50}"),
        changes=(Change(path="city", before="Getafe", after=f"Madrid {number}"),),
    )


def main(url: str, workspace: str, name: str, threads: int, count: int) -> int:
    """Record until the count is reached or somebody ends the process."""
    try:
        log = whodid.open(url)
    except whodid.WhodidError as error:
        os.write(1, f"! {type(error).__name__}\n".encode())
        return 3
    numbers = itertools.count()
    failed: list[str] = []

    def work() -> None:
        for size in itertools.cycle((1, 3, 20)):
            mine = [number for number in itertools.islice(numbers, size) if number < count]
            if not mine or failed:
                return
            try:
                receipts = log.record_many(workspace, [event(name, number) for number in mine])
            except whodid.WhodidError as error:
                failed.append(type(error).__name__)
                os.write(1, f"! {type(error).__name__}\n".encode())
                return
            lines = [
                f"{number} {receipt.id}\n"
                for number, receipt in zip(mine, receipts, strict=True)
                if isinstance(receipt, whodid.Receipt)
            ]
            os.write(1, "".join(lines).encode())

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    log.close()
    return 3 if failed else 0


if __name__ == "__main__":
    url_, workspace_, name_, threads_, *count_ = sys.argv[1:]
    sys.exit(main(url_, workspace_, name_, int(threads_), int(count_[0]) if count_ else 1 << 60))
