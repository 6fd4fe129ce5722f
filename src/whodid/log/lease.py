"""A lease kept as state of the log: of several processes one works on a workspace at a time.

A process that dies holds it until its time is over, by the clock that all of them share. Whoever has it is never told
by a clock alone: each renewal compares it with what is kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from whodid.log.log import Log

__all__ = ["Holder", "leased", "passed"]


class _Lease(Struct, frozen=True):
    holder: str
    until: datetime


class Holder:
    """Whoever may work on a workspace for the time of a lease.

    Args:
        name: Of the state that keeps the lease.
        span: How long it holds without being renewed.
    """

    def __init__(self, log: Log, workspace: str, name: str, span: timedelta) -> None:
        self._log = log
        self._workspace = workspace
        self._state = name
        self._span = span
        self._name = os.urandom(8).hex()
        self._mine: bytes | None = None

    def acquired(self) -> bool:
        """Take the lease if nobody holds it; say whether it was taken."""
        held = self._log.state(self._workspace, self._state)
        if held is not None:
            now, until = self._log.shared_now(), msgspec.json.decode(held, type=_Lease).until
            # One that goes on for longer than leases do was taken by a clock that was ahead, and would never end.
            if now < until <= now + self._span:
                return False
        return self._put(held)

    def renewed(self) -> bool:
        """Hold it for its whole span again; say whether it still was ours."""
        return self._put(self._mine)

    def release(self) -> None:
        """Let others have it."""
        self._log.swap_state(self._workspace, self._state, self._mine, None)

    def _put(self, old: bytes | None) -> bool:
        lease = msgspec.json.encode(_Lease(self._name, self._log.shared_now() + self._span))
        if not self._log.swap_state(self._workspace, self._state, old, lease):
            return False
        self._mine = lease
        return True


@contextmanager
def leased(log: Log, workspace: str, name: str, span: timedelta) -> Iterator[Holder | None]:
    """Hold a lease while the body runs; None when somebody else holds it."""
    holder = Holder(log, workspace, name, span)
    if not holder.acquired():
        yield None
        return
    try:
        yield holder
    finally:
        holder.release()


def passed(since: datetime, span: timedelta, now: datetime) -> bool:
    """Tell whether a span has passed; what is to come for longer than the span was noted by a clock that was ahead."""
    return not -span <= now - since < span
