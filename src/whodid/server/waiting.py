"""Events of clients that never send again: kept on this server's disk while the store is away or behind.

Such a client takes any refusal for the end of its event. So where the log cannot take it at once, it goes into the
spool of the remote client, on the disk before the answer, and from there into the log, in order. Its id was given at
the door, so that an event which was recorded and not crossed off before a crash is recorded once all the same. While
anything waits, what comes waits behind it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from whodid.capture.remote.files import forget_refused
from whodid.capture.remote.sender import Sender
from whodid.capture.remote.spool import Spool
from whodid.capture.remote.transport import Later, Result
from whodid.errors import InvalidEvent, SpoolError, SpoolFull, StoreError, StoreUnavailable, WhodidError
from whodid.intake import decode_event
from whodid.log import Log, Receipt
from whodid.model import Event
from whodid.server.meter import Meter

__all__ = ["Waiting", "commit", "commit_or_keep"]

_log = logging.getLogger("whodid.server")

_LONGEST_PAUSE = 2.0
_AT_ONCE = 4
_PATIENCE = 1.0
_FLUSH_SECONDS = 2.0


class Waiting:
    """What waits for the store; a context that delivers while it is open.

    Args:
        folder: Of the spool, the server's own; servers on one machine may share it.
        most_bytes: What it may take on the disk; beyond that the clients are refused.
        meter: Counts what is recorded at last.
    """

    def __init__(self, log: Log, folder: Path, *, most_bytes: int, meter: Meter) -> None:
        self._log = log
        log.elsewhere.add("spool", lambda workspace, person: forget_refused(folder, workspace, person))
        self._spool = Spool(folder, max_bytes=most_bytes, wait_ms=0, durability="power")
        self._sender = Sender(self._spool, lambda: _Straight(log, meter), in_order=True, longest=_LONGEST_PAUSE)
        self.slots = threading.BoundedSemaphore(_AT_ONCE)
        """How many may wait for the store itself at once: it may take long to say that it is away."""
        meter.watch("events_spooled", lambda: self.depth)
        meter.watch("spool_age_seconds", lambda: self.age)
        meter.watch("spool_bytes", self._spool.used)

    def __enter__(self) -> Self:
        self._sender.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.shut()
        delivered = self._sender.flush(_FLUSH_SECONDS, once=True)
        self._sender.stop()
        self._spool.close(delivered=delivered)

    @property
    def depth(self) -> int:
        """How many events wait."""
        return self._sender.waiting()

    @property
    def age(self) -> float:
        """Seconds since the oldest of them was taken; 0 when none waits."""
        oldest = self._sender.oldest() if self.depth else None
        return 0.0 if oldest is None else max(0.0, time.time() - oldest / 1000)

    @property
    def full(self) -> bool:
        """Whether an event of the largest size would find no room."""
        return not self._spool.fits()

    def take(self, workspace: str, events: Sequence[Event]) -> None:
        """Keep events; they are on the disk when this returns.

        Raises:
            InvalidEvent: One of them would not be recorded; none was kept.
            StoreUnavailable: There is no room, or the disk failed.
        """
        if not self.depth:
            _log.error(
                "events of clients that never send again wait in %s until the store takes them", self._spool.folder
            )
        try:
            self._spool.take(workspace, [self._log.check(workspace, one) for one in events])
        except SpoolError as error:
            _log.error("events were not taken: %s: %s", type(error).__name__, error)
            fact = "is full" if isinstance(error, SpoolFull) else "cannot be written"
            raise StoreUnavailable(
                f"The store is away, and the spool of the server {fact}", "Try again in a moment"
            ) from error
        finally:
            # Also when there is no room: it comes from what is delivered.
            self._sender.wake()


def commit(log: Log, meter: Meter, workspace: str, events: Sequence[Event]) -> list[Receipt | WhodidError]:
    """Record events together, as `Log.record_many` does, and tell the meter how long it took."""
    began = time.perf_counter()
    try:
        return log.record_many(workspace, events)
    finally:
        meter.committed(len(events), time.perf_counter() - began)


def commit_or_keep(
    log: Log, meter: Meter, workspace: str, events: Sequence[Event], waiting: Waiting | None
) -> list[Receipt | WhodidError | None]:
    """Record events together, or keep them where the store is away or behind.

    Args:
        waiting: Where they wait; None where there is no such place.

    Returns:
        For each event its receipt or why it was refused; None for one that waits.

    Raises:
        StoreError: None of them was recorded, and none waits.
    """
    if waiting is None:
        return [*commit(log, meter, workspace, events)]
    if not waiting.depth and waiting.slots.acquire(timeout=_PATIENCE):
        try:
            return [*commit(log, meter, workspace, events)]
        except StoreError as error:
            meter.store_failed(type(error).__name__)
            _log.error("the store did not take events: %s: %s", type(error).__name__, error)
        finally:
            waiting.slots.release()
    waiting.take(workspace, events)
    return [None] * len(events)


class _Straight:
    """Takes events from the spool into the log of this process."""

    def __init__(self, log: Log, meter: Meter) -> None:
        self._log = log
        self._meter = meter

    def send(self, workspace: str, events: Sequence[bytes], *, timeout: float | None = None) -> list[Result]:
        """Record events.

        Raises:
            Later: The store is still away.
        """
        said = [_read(one) for one in events]
        try:
            placed = iter(commit(self._log, self._meter, workspace, [one for one in said if isinstance(one, Event)]))
        except StoreError as error:
            self._meter.store_failed(type(error).__name__)
            raise Later(str(error)) from None
        results = [_result(next(placed)) if isinstance(one, Event) else _result(one) for one in said]
        for fate in ("recorded", "known", "refused"):
            self._meter.events(fate, sum(one.status == fate for one in results))
        return results

    def close(self) -> None:
        """Leave the log to its owner."""


def _read(event: bytes) -> Event | InvalidEvent:
    try:
        return decode_event(event)
    except InvalidEvent as refusal:
        return refusal


def _result(one: Receipt | WhodidError) -> Result:
    if isinstance(one, Receipt):
        return Result(status="known" if one.duplicate else "recorded", id=one.id, index=one.index)
    _log.error("an event that had been taken was refused, and is set aside: %s", type(one).__name__)
    pointer = one.pointer if isinstance(one, InvalidEvent) else None
    return Result(status="refused", pointer=pointer, fault=one.fact, remedy=one.remedy)
