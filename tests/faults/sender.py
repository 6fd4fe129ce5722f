"""A process that records 300 events to a remote log and ends in the way that it is told.

Usage: sender.py URL KEY SPOOL ENDING [COUNT]. It prints `recorded` when the last event was taken, and at an orderly end
how long the client held it up.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time

held: list[float] = []


def say(text: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def tell() -> None:
    """Say how long the end was held up."""
    say(f"held {time.monotonic() - held[0]:.3f}" if held else "not held")


# Registered before the client registers its own, so it runs after it.
atexit.register(tell)

if sys.argv[4] == "gevent":
    from gevent import monkey  # type: ignore[import-untyped]

    monkey.patch_all()

import whodid  # noqa: E402
from tests.capturing import event  # noqa: E402
from whodid.capture.remote import Client  # noqa: E402


def record(client: Client, numbers: range) -> None:
    """Record events one by one."""
    for number in numbers:
        client.take("wsp", [event(number)])


def forked(client: Client, count: int) -> None:
    """Record a third here and in two children, as the workers of a pre-fork server do."""
    third = count // 3
    record(client, range(third))
    children = []
    for part in (1, 2):
        pid = os.fork()
        if not pid:
            record(client, range(part * third, (part + 1) * third))
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)


def main() -> None:
    """Record and end."""
    url, key, spool, ending = sys.argv[1:5]
    count = int(sys.argv[5]) if len(sys.argv) > 5 else 300
    client = whodid.connect(url, key, spool=spool)
    if ending == "fork":
        forked(client, count)
    elif ending == "shutdown":
        # Runs before the client's own hook is through, when no thread can be started any more on Python 3.12.
        atexit.register(record, client, range(count))
    elif ending == "threads":
        workers = [
            threading.Thread(target=record, args=(client, range(part * count // 6, (part + 1) * count // 6)))
            for part in range(6)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    else:
        record(client, range(count))
    say("recorded")
    match ending:
        case "exception":
            held.append(time.monotonic())
            message = "the application failed"
            raise RuntimeError(message)
        case "sigterm":
            os.kill(os.getpid(), signal.SIGTERM)
        case "sigkill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "_exit":
            os._exit(0)
        case _:
            held.append(time.monotonic())


if __name__ == "__main__":
    main()
