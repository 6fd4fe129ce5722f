"""Lets API keys in: finds them, turns others away alike, remembers for a second, and counts what each one sends.

A key that is refused although its id is known leaves an `api_key.denied` entry in the log of its workspace, one per
key, cause and hour: enough to see it, too few to flood the log.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import Struct

from whodid.errors import StoreError
from whodid.log import Log
from whodid.model import Context
from whodid.server.keys import USE_EVERY, ApiKey, find_key, key_digest, note_use
from whodid.server.meter import Meter
from whodid.server.refusals import Refusals
from whodid.server.signing import same

__all__ = ["KEPT_SECONDS", "LATELY", "Admitted", "Buckets", "Gate", "Pace", "TooFast"]

KEPT_SECONDS = 1.0
"""How long a key that was good is not looked up again: a revoked one is refused after at most this long."""

LATELY = timedelta(days=1)
"""How long ago a key may have been looked up to let in while the store is away, at a door that must not lose events."""

_AT_ONCE = 10
_MOST_KEPT = 10_000


class Admitted(NamedTuple):
    """Whom a key let in."""

    workspace: str
    key: ApiKey


class _Seen(Struct, frozen=True):
    admitted: Admitted
    at: float


class Gate:
    """Reads API keys; safe between threads.

    Args:
        secret: Makes the ids of the entries that refusals leave behind.
        tick: Monotonic seconds.
    """

    def __init__(self, log: Log, *, secret: bytes, tick: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._tick = tick
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._away_at: float | None = None
        self._seen: dict[str, _Seen] = {}
        self._used_at: dict[str, datetime] = {}
        self._refusals = Refusals(log, secret=secret)

    def remembered(self, text: str) -> Admitted | None:
        """Return whom a key lets in if that was found out within the last second; touches no store."""
        return self._lately(text, KEPT_SECONDS)

    def _lately(self, text: str, seconds: float) -> Admitted | None:
        seen = self._seen.get(key_digest(text))
        if seen is None or seen.at + seconds < self._tick() or seen.admitted.key.status(self._log.now()) != "active":
            return None
        return seen.admitted

    def admit_despite(self, text: str, *, route: str, context: Context) -> Admitted | None:
        """Return whom a key lets in, like `admit`; while the keys cannot be read, whom it let in within the last day.

        While the store is away it is asked once a second, by one request; the others do not wait for that.

        Raises:
            StoreError: The keys cannot be read, and this one was not seen lately.
        """
        known = self._lately(text, LATELY.total_seconds())
        away_at = self._away_at
        if known is None or away_at is None:
            return self._admit_or(known, text, route, context)
        if self._tick() < away_at + KEPT_SECONDS or not self._looking.acquire(blocking=False):
            return known
        try:
            return self._admit_or(known, text, route, context)
        finally:
            self._looking.release()

    def _admit_or(self, known: Admitted | None, text: str, route: str, context: Context) -> Admitted | None:
        try:
            admitted = self.admit(text, route=route, context=context)
        except StoreError:
            self._away_at = self._tick()
            if known is None:
                raise
            return known
        self._away_at = None
        return admitted

    def admit(self, text: str, *, route: str, context: Context) -> Admitted | None:
        """Return whom a key lets in, or None: for one that is unknown, false, expired or revoked alike.

        Args:
            text: What the caller showed.
            route: Method and address, for the entry that a refusal leaves behind.
            context: Where the request came from, for the same.

        Raises:
            StoreError: The keys cannot be read.
        """
        digest = key_digest(text)
        found = find_key(self._log, text)
        # Compared also when there is nothing to compare with, so that the same is done in either case.
        genuine = same((found[1].digest if found else "0" * 64).encode(), digest.encode())
        if found is None:
            self._forget(digest)
            return None
        admitted = Admitted(*found)
        status = admitted.key.status(self._log.now()) if genuine else "secret"
        if status != "active":
            self._forget(digest)
            self.denied(admitted, status, route=route, context=context)
            return None
        self._used(admitted)
        with self._lock:
            while len(self._seen) >= _MOST_KEPT:
                del self._seen[next(iter(self._seen))]
            self._seen.pop(digest, None)
            self._seen[digest] = _Seen(admitted, self._tick())
        return admitted

    def _forget(self, digest: str) -> None:
        """Let a key that is good no more not be good again when the store goes away."""
        with self._lock:
            self._seen.pop(digest, None)

    def _used(self, admitted: Admitted) -> None:
        """Remember that the key was used, once a minute; a store that cannot take that lets it in all the same."""
        key_id, now = admitted.key.id, self._log.now()
        with self._lock:
            if now - self._used_at.get(key_id, now - USE_EVERY) < USE_EVERY:
                return
            while len(self._used_at) >= _MOST_KEPT:
                del self._used_at[next(iter(self._used_at))]
            self._used_at[key_id] = now
        try:
            noted = note_use(self._log, admitted.workspace, key_id)
        except StoreError:
            return  # each try may take as long as the store lets a writer wait
        if not noted:
            with self._lock:
                self._used_at.pop(key_id, None)

    def denied(self, admitted: Admitted, cause: str, *, route: str, context: Context) -> None:
        """Record that a key was refused: once per key, cause and hour.

        A store that cannot take the entry changes nothing for the caller, who is refused anyway.
        """
        key = admitted.key
        self._refusals.record(
            admitted.workspace, key.actor(), "api_key.denied", key.resource(), cause=cause, route=route, context=context
        )


class TooFast(Exception):
    """Somebody reads faster than they may.

    Args:
        again: Whole seconds after which to try again.
    """

    def __init__(self, again: int) -> None:
        self.again = again
        super().__init__(f"again in {again} s")


class Buckets:
    """How much each key may send: tokens that come back with time.

    Args:
        rate: Events per second and key on average; 0 for no limit.
        least: A bucket holds at least this many, so that a full batch can ever pass.
        tick: Monotonic seconds.
    """

    def __init__(self, rate: int, *, least: int, tick: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._least = least
        self._tick = tick
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, bucket: str, count: int, *, rate: int | None = None) -> float:
        """Take tokens.

        Args:
            bucket: Id of the key, or what else names the sender.
            count: How many, at most `least`.
            rate: Of the sender itself; it counts where it is the smaller one.

        Returns:
            0 when they were taken, else the seconds after which they will be there.
        """
        rate = min((one for one in (self._rate, rate) if one), default=0)
        if not rate:
            return 0.0
        size, now = float(max(2 * rate, self._least)), self._tick()
        with self._lock:
            left, at = self._left.pop(bucket, (size, now))
            left = min(size, left + (now - at) * rate)
            short = count - left
            if short <= 0:
                left -= count
            while len(self._left) >= _MOST_KEPT:
                del self._left[next(iter(self._left))]
            self._left[bucket] = (left, now)
        return max(0.0, short / rate)


class Pace:
    """How fast each key and each viewer may read.

    Args:
        rate: Requests per second on average, ten seconds' worth of them at once after a rest; 0 for no limit.
        meter: Counts what is refused.
        tick: Monotonic seconds.
    """

    def __init__(self, rate: int, *, meter: Meter, tick: Callable[[], float] = time.monotonic) -> None:
        self._buckets = Buckets(rate, least=_AT_ONCE * rate, tick=tick)
        self._meter = meter

    def take(self, *who: str) -> None:
        """Take notice of one request.

        Args:
            who: What names the reader: the id of a key, or workspace, type and id of a viewer.

        Raises:
            TooFast: It is one too many.
        """
        pause = self._buckets.take("\0".join(who), 1)
        if pause:
            self._meter.limited("read")
            raise TooFast(math.ceil(pause))
