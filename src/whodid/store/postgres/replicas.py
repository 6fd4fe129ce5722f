"""Replicas that answer reads, and what keeps their answers as good as the primary's.

A replica lags. Before a workspace is read there the primary is asked for its head, which is one row, and the replica
answers only if it has that head or a newer one. So no answer is older than the beginning of the question: whatever was
acknowledged is in it, and whatever was erased or purged is not, whoever wrote it and through whatever server.

Whether a replica is one of this primary is not believed but seen: the primary writes a *beacon*, random bytes, about
once a second, and only who shows a beacon that this primary had is a copy of its present history. How long ago it had
that one is how far the replica is behind. A restarted primary (another machine, a restored backup) begins with a beacon
of its own, so that nothing that was seen before counts.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from whodid.errors import InvalidSetting, StoreError
from whodid.store.base import ReplicaReport, ReplicaState, Standing
from whodid.store.packing import decode_head
from whodid.store.postgres.engine import Connection, Engine, Retry, TookTooLong

__all__ = ["Newest", "Replicas"]

_logger = logging.getLogger(__name__)

_EVERY_S = 1.0  # between two looks at all replicas, and between two beacons
_BLIND_S = 10.0  # how long nobody may have looked at a replica, beyond what it may be behind
_POLL_S = (0.002, 0.02)  # the first and the longest rest while a replica catches up
_CLOSE_S = 5.0
_BEACON = "beacon"
_MOST_BEACONS = 256

_STARTED = "extract(epoch FROM pg_postmaster_start_time())::float8"
_HEAD = "(SELECT head FROM whodid.log WHERE ws = whodid.workspace())"
_LOOK = f"SELECT {_STARTED}, {_HEAD}"
_LOOK_ASIDE = f"SELECT pg_is_in_recovery(), {_HEAD}"
_IDENTITY = "(SELECT system_identifier FROM pg_control_system())"
# The time stands in front, so that of all servers only one writes a beacon at a time.
_SIGN = (
    "INSERT INTO whodid.setting VALUES ('beacon', int8send((extract(epoch FROM clock_timestamp()) * 1000000)::int8) "
    "|| %b) ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE NOT setting.value BETWEEN "
    "int8send(((extract(epoch FROM clock_timestamp()) - %s) * 1000000)::int8) AND "
    "int8send(((extract(epoch FROM clock_timestamp()) + %s) * 1000000)::int8)"
)
_SHOWN = f"(SELECT value FROM whodid.setting WHERE name = '{_BEACON}')"
_ASK = f"SELECT {_STARTED}, {_IDENTITY}, {_SHOWN}"
_ASK_ASIDE = f"SELECT pg_is_in_recovery(), {_IDENTITY}, {_SHOWN}"

_Found = TypeVar("_Found")

_FACTS: dict[Standing, str] = {
    "ok": "answers reads",
    "unknown": "has not shown yet that it follows the primary",
    "unreachable": "cannot be read",
    "promoted": "is no replica: it takes writes itself",
    "foreign": "is a copy of another database",
    "behind": "is too far behind, or follows another history than the primary's",
}


class _Replica:
    """One replica as this process has seen it."""

    def __init__(self, url: str) -> None:
        self.engine = Engine(url, aside=True)
        self.standing: Standing = "unknown"
        self.as_of: float | None = None  # when, by our clock, the primary still had what this one shows
        self.since = time.monotonic()  # since when it is waited for to show something
        self.answered = 0
        self.impatient_until = 0.0


class Newest(NamedTuple):
    """The head that an answer has at least; None where the workspace has no log."""

    head: bytes | None

    def known_to(self, head: bytes | None) -> bool:
        """Tell whether somebody who has a head has this one, too."""
        return self.head in {None, head} or (head is not None and _grown(head) > _grown(self.head or b""))


def _grown(head: bytes) -> tuple[int, int]:
    """Return what grows with every batch: entries, or a segment that was opened."""
    decoded = decode_head(head)
    return decoded.size, decoded.segment.number


class Replicas:
    """The replicas of one primary: looked at in a thread of their own, chosen in turn.

    Args:
        primary: Whose copies they are.
        urls: Their addresses.
        lag: Seconds that one may be behind and still be asked.
        wait: Seconds that a question may wait for one to catch up.
        every: Seconds between two looks; None looks only when `look` is called.

    Raises:
        InvalidSetting: An address cannot be read.
    """

    def __init__(
        self, primary: Engine, urls: Sequence[str], *, lag: float, wait: float, every: float | None = _EVERY_S
    ) -> None:
        self._primary = primary
        self._all = [_Replica(url) for url in urls]
        self._lag = lag
        self._wait = wait
        self._started: float | None = None
        self._beacons: dict[bytes, float] = {}
        self._turn = 0
        self._looking = threading.Lock()
        self._closed = threading.Event()
        self._wake = threading.Event()
        self._counting = threading.Lock()
        self._elsewhere = 0
        self._thread: threading.Thread | None = None
        if every is not None:
            self._thread = threading.Thread(target=self._watch, args=(every,), name="whodid-replicas", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread and close every connection; idempotent."""
        self._closed.set()
        self._wake.set()
        if self._thread is not None:
            # It may wait for a machine that does not say that it is gone; it ends by itself then.
            self._thread.join(_CLOSE_S)
        for one in self._all:
            one.engine.close()

    def report(self) -> ReplicaReport:
        """Tell how each of them stands, in the order of their addresses."""
        now = time.monotonic()
        states = [
            ReplicaState(
                name=one.engine.name,
                standing=one.standing,
                behind=None if one.as_of is None else max(0.0, now - one.as_of),
                answered=one.answered,
            )
            for one in self._all
        ]
        return ReplicaReport(replicas=tuple(states), elsewhere=self._elsewhere)

    def count_elsewhere(self) -> None:
        """Count a read that the primary answers."""
        with self._counting:
            self._elsewhere += 1

    def _count(self, one: _Replica) -> None:
        with self._counting:
            one.answered += 1

    # ---------------------------------------------------------------- looking

    def _watch(self, every: float) -> None:
        while not self._closed.is_set():
            try:
                self.look()
            except Exception:
                # Whatever it is, the next look may be better; without any, replicas are left out after a while.
                _logger.exception("the replicas could not be looked at")
            self._wake.wait(every)
            self._wake.clear()

    def look(self) -> None:
        """See which beacon the primary and each replica show, and have the primary show the next one."""
        with self._looking:
            try:
                identity, beacon = self._signed()
                for one in self._all:
                    self._look_at(one, identity, beacon)
                # Last: until the next look the replicas have time to get it.
                with self._primary.keeping() as writer:
                    writer.execute(_SIGN, (os.urandom(8), _EVERY_S, _EVERY_S))
            except (StoreError, InvalidSetting) as error:
                # Without the primary nothing is read anyway: what a replica shows is judged when it is back.
                _logger.debug("the primary cannot be asked: %s", error)

    def _signed(self) -> tuple[int, bytes]:
        """Return the identity and the beacon of the primary, which begins with one of its own when it was started."""
        started = self._started
        with self._primary.keeping() as writer:
            now, identity, beacon = writer.rows(_ASK)[0]
            if now != started:
                # What it showed before may come from a copy of it, or be shown by a copy of what it was.
                writer.execute(_SIGN, (os.urandom(8), -1, -1))
                _, identity, beacon = writer.rows(_ASK)[0]
        if now != started:
            for one in self._all:
                one.as_of, one.since = None, time.monotonic()
            self._beacons.clear()
            self._started = now
        self._beacons.pop(beacon, None)  # the one that was seen last stands last
        self._beacons[beacon] = time.monotonic()
        while len(self._beacons) > _MOST_BEACONS:
            del self._beacons[next(iter(self._beacons))]
        return identity, beacon

    def _look_at(self, one: _Replica, identity: int, beacon: bytes) -> None:
        try:
            with one.engine.listing() as reader:
                recovering, its, shown = reader.rows(_ASK_ASIDE)[0]
        except (StoreError, InvalidSetting) as error:
            self._left_out(one, "unreachable", error)
            return
        if its != identity:
            self._left_out(one, "foreign")
        elif not recovering:
            self._left_out(one, "promoted")
        else:
            now = time.monotonic()
            # A beacon that this process did not see, because another server wrote the next one, says nothing.
            one.as_of = now if shown == beacon else self._beacons.get(shown, one.as_of)
            if now - (one.since if one.as_of is None else one.as_of) > self._lag:
                self._left_out(one, "behind")
            elif one.as_of is None:
                one.standing = "unknown"
            elif one.standing != "ok":
                self._stands(one, "ok", logging.INFO)

    def _left_out(self, one: _Replica, standing: Standing, error: Exception | None = None) -> None:
        if standing != "behind":
            one.as_of, one.since = None, time.monotonic()
        if one.standing != standing:
            self._stands(one, standing, logging.WARNING, error)

    @staticmethod
    def _stands(one: _Replica, standing: Standing, level: int, error: Exception | None = None) -> None:
        one.standing = standing
        _logger.log(
            level, "replica %s %s%s", one.engine.name, _FACTS[standing], f": {error}" if error is not None else ""
        )

    # ---------------------------------------------------------------- asking

    def newest(self, ws: int) -> Newest | None:
        """Return what a replica must have of a workspace to be asked now, or None when none is to be asked.

        Raises:
            StoreUnavailable: The primary cannot be asked.
        """
        if not self._usable():
            return None
        self._turn += 1
        started, head = self._primary.glance(ws, _LOOK)
        if started != self._started:
            self._wake.set()
            return None
        return Newest(head)

    def _usable(self) -> list[_Replica]:
        """Return the replicas that may be asked, whose turn it is first."""
        oldest = time.monotonic() - self._lag - _BLIND_S
        usable = [one for one in self._all if one.standing == "ok" and one.as_of is not None and one.as_of >= oldest]
        first = self._turn % len(usable) if usable else 0
        return usable[first:] + usable[:first]

    def ask(self, ws: int, newest: Newest, work: Callable[[Connection], _Found]) -> tuple[_Found, Newest] | None:
        """Do something at a replica that has a head, waiting for one as long as may be.

        Returns:
            What came of it, with what the next one who is asked must have, or None: ask the primary.

        Raises:
            StoreUnavailable: It took too long there.
        """
        asked = self._usable()
        now = time.monotonic()
        # Who was waited for in vain a moment ago would keep everybody waiting.
        end = now + (self._wait if any(now >= one.impatient_until for one in asked) else 0.0)
        rest, longest = _POLL_S
        while asked:
            for one in asked:
                try:
                    with one.engine.reading(ws, _LOOK_ASIDE) as reader:
                        recovering, head = reader.first()
                        if recovering and newest.known_to(head):
                            found = work(reader)
                            self._count(one)
                            return found, Newest(head)
                except TookTooLong:
                    raise
                except Retry:
                    # It replays what stands against this read.
                    return None
                except (StoreError, InvalidSetting) as error:
                    self._left_out(one, "unreachable", error)
                else:
                    if not recovering:
                        self._left_out(one, "promoted")
            asked = [one for one in asked if one.standing == "ok"]
            now = time.monotonic()
            if now + rest > end:
                break
            time.sleep(rest)
            rest = min(2 * rest, longest)
        for one in asked:
            one.impatient_until = now + _EVERY_S
        return None
