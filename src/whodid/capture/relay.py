"""From the outbox to the log: a thread that takes what was committed, in order, and deletes what the log acknowledged.

A kill between any two steps loses nothing and doubles nothing: a row is deleted only after the log has it, and an event
that is sent again has the same id. Rows are taken because they are there, never because their place is higher than the
last one seen: a transaction that took its place early may commit late.

An event that the log refuses is set aside with the reason and the others flow on. While the log cannot be reached, the
rows stay where they are and the pauses grow to half a minute.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

import msgspec
from msgspec import Struct

from whodid.errors import ConflictingEvent, InvalidEvent, InvalidSetting, WhodidError
from whodid.model import Event

__all__ = ["Backlog", "Claim", "Quarantined", "Queue", "Recorder", "Relay", "RelayStatus", "Waiting"]

_decode = msgspec.json.Decoder(Event).decode

_log = logging.getLogger("whodid.capture")

_LONGEST_PAUSE = 30.0


class Waiting(Struct, frozen=True, kw_only=True):
    """A committed event that the log does not have yet.

    Args:
        place: Names the row; says nothing about the order of commits.
        event: The event as JSON.
    """

    place: int
    workspace: str
    event: bytes


class Quarantined(Struct, frozen=True, kw_only=True):
    """An event that was set aside: the log refused it, or it belongs to no workspace.

    Args:
        fault: Why.
    """

    place: int
    workspace: str
    event: bytes
    fault: str


class Backlog(Struct, frozen=True, kw_only=True):
    """What is in an outbox.

    Args:
        oldest: When the longest waiting event was written; None when none waits.
    """

    waiting: int
    oldest: datetime | None
    quarantined: int


class Claim(Protocol):
    """Rows that nobody else is delivering."""

    rows: Sequence[Waiting]

    def settle(self, delivered: Iterable[int], refused: Mapping[int, str]) -> None:
        """Delete the rows at the places `delivered`, and set aside `refused` (place → reason); all or nothing."""


class Queue(Protocol):
    """Where committed events wait: an outbox."""

    def claim(self, limit: int) -> AbstractContextManager[Claim]:
        """Take up to `limit` waiting rows, oldest place first.

        Raises:
            StoreUnavailable: The database cannot be reached or is busy.
        """


@runtime_checkable
class Recorder(Protocol):
    """What takes events: a log."""

    def record_many(self, workspace: str, events: Sequence[Event], /) -> Sequence[object | WhodidError]:
        """Record events; one answer per event in the same order, an error where it was refused."""


class RelayStatus(Struct, frozen=True, kw_only=True):
    """What the relay did since it was made.

    Args:
        failures: Times that a delivery stopped because the outbox or the log could not be reached.
        fault: Why the newest delivery stopped; empty when it did not.
    """

    delivered: int
    quarantined: int
    failures: int
    fault: str


class Relay:
    """Moves events from an outbox to a log.

    Args:
        outbox: Where committed events wait.
        log: What takes them.
        batch: Most events in one delivery.
        interval: Seconds until it looks by itself; a commit in this process wakes it at once.
    """

    def __init__(self, outbox: Queue, log: Recorder, *, batch: int = 500, interval: float = 1.0) -> None:
        self._outbox = outbox
        self._log = log
        self._batch = batch
        self._interval = interval
        self._delivery = threading.Lock()
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._status = RelayStatus(delivered=0, quarantined=0, failures=0, fault="")

    def start(self) -> None:
        """Start the thread."""
        self._ending.clear()
        self._thread = threading.Thread(target=self._run, name="whodid-relay", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End the thread after the delivery in hand; what still waits is delivered after the next start.

        Args:
            timeout: Seconds to wait for it.
        """
        self._ending.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout)
            self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def wake(self) -> None:
        """Say that something was committed."""
        self._wake.set()

    def drain(self, progress: Callable[[int], None] = lambda _: None) -> int:
        """Deliver everything that is committed now, in the calling thread.

        Called before a page of the log is read, it makes the relay invisible: whoever sees their change sees its entry.

        Args:
            progress: Called after each batch with how many events were delivered or set aside so far.

        Returns:
            How many events were delivered or set aside.

        Raises:
            StoreError: The outbox or the log cannot be reached; nothing is lost.
        """
        total = 0
        with self._delivery:
            while settled := self._deliver():
                total += settled
                progress(total)
        return total

    def status(self) -> RelayStatus:
        """Return what the relay did so far."""
        return self._status

    def _run(self) -> None:
        pause = self._interval
        while not self._ending.is_set():
            self._wake.clear()
            with self._delivery:
                try:
                    while not self._ending.is_set() and self._deliver():
                        pass
                    pause = self._interval
                    if self._status.fault:
                        self._note()  # both can be reached again, though there was nothing to deliver
                except WhodidError as error:
                    self._note(failures=1, fault=str(error))
                    pause = min(pause * 2, _LONGEST_PAUSE)
                except Exception as error:  # noqa: BLE001 - whatever it is, the next delivery is tried
                    # A thread that ends would leave every later event undelivered, and nobody the wiser.
                    _log.exception("a delivery stopped; it is tried again")
                    self._note(failures=1, fault=f"A delivery stopped: {type(error).__name__}")
                    pause = min(pause * 2, _LONGEST_PAUSE)
            self._wake.wait(pause)

    def _deliver(self) -> int:
        """Deliver one batch and return its size."""
        with self._outbox.claim(self._batch) as claim:
            if not claim.rows:
                return 0
            delivered: list[int] = []
            refused: dict[int, str] = {}
            fault: WhodidError | None = None
            for workspace, rows in _by_workspace(claim.rows).items():
                readable: list[tuple[int, Event]] = []
                for row in rows:
                    try:
                        readable.append((row.place, _decode(row.event)))
                    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                        refused[row.place] = f"It cannot be read: {error}"
                try:
                    answers = self._log.record_many(workspace, [event for _, event in readable]) if readable else ()
                except InvalidSetting as error:
                    # No log can have this name: waiting would not help, and would hold up what comes after.
                    refused.update((place, str(error)) for place, _ in readable)
                    continue
                except WhodidError as error:
                    fault = error  # of this workspace; the others go on
                    continue
                for (place, _), answer in zip(readable, answers, strict=True):
                    if isinstance(answer, (InvalidEvent, ConflictingEvent)):
                        refused[place] = str(answer)
                    elif isinstance(answer, WhodidError):
                        fault = answer
                    else:
                        delivered.append(place)
            claim.settle(delivered, refused)
        self._note(delivered=len(delivered), quarantined=len(refused))
        if fault is not None:
            raise fault
        return len(delivered) + len(refused)

    def _note(self, *, delivered: int = 0, quarantined: int = 0, failures: int = 0, fault: str = "") -> None:
        was = self._status
        self._status = RelayStatus(
            delivered=was.delivered + delivered,
            quarantined=was.quarantined + quarantined,
            failures=was.failures + failures,
            fault=fault,
        )


def _by_workspace(rows: Iterable[Waiting]) -> dict[str, list[Waiting]]:
    groups: dict[str, list[Waiting]] = {}
    for row in rows:
        groups.setdefault(row.workspace, []).append(row)
    return groups
