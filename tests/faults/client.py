"""A process that records until somebody ends it, some hundred events per second, and says which of them are safe.

Usage: client.py remote URL KEY SPOOL WORKSPACE NAME, or client.py log URL WORKSPACE NAME. Each event that the spool or
the log has taken is written as `NUMBER ID` to standard output. A store that fails is written as `! CLASS` and ends the
process with status 3.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Callable

import whodid
from tests.faults.writer import event
from whodid import Event


def opened(kind: str, *where: str) -> Callable[[str, Event], object]:
    """Return what takes an event of a workspace."""
    if kind == "log":
        return whodid.open(*where).record
    url, key, spool = where
    client = whodid.connect(url, key, spool=spool)
    return lambda workspace, said: client.take(workspace, [said])


def main(*arguments: str) -> int:
    """Record for ever."""
    *where, workspace, name = arguments
    try:
        take = opened(*where)
        for number in itertools.count():
            said = event(name, number)
            take(workspace, said)
            os.write(1, f"{number} {said.id}\n".encode())
            time.sleep(0.003)
    except whodid.WhodidError as error:
        os.write(1, f"! {type(error).__name__}\n".encode())
    return 3


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
