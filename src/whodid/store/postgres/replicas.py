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
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from whodid.errors import InvalidSetting, StoreError
from whodid.sequence import Batch
from whodid.store.base import Assemble, Problem, ReplicaReport, ReplicaState, Standing, Store
from whodid.store.moving import Mark, Piece
from whodid.store.packing import decode_head
from whodid.store.postgres.engine import Connection, Engine, Retry, TookTooLong
from whodid.store.postgres.read import Reading

__all__ = ["ReplicaReading", "Replicas"]

_logger = logging.getLogger(__name__)

_EVERY_S = 1.0  # between two looks at all replicas, and between two beacons
_GOOD_S = 1.0  # how long a look at the primary is good, for whoever reads on and on
_POLL_S = (0.002, 0.02)  # the first and the longest rest while a replica catches up
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
            self._thread.join()
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

    def count(self, answered: _Replica | None) -> None:
        """Count a read, by who answered it; None is the primary."""
        with self._counting:
            if answered is None:
                self._elsewhere += 1
            else:
                answered.answered += 1

    # ---------------------------------------------------------------- looking

    def _watch(self, every: float) -> None:
        while not self._closed.is_set():
            self.look()
            self._wake.wait(every)
            self._wake.clear()

    def look(self) -> None:
        """Have the primary show a beacon, and see which one each replica shows."""
        with self._looking:
            try:
                identity, beacon = self._sign()
            except (StoreError, InvalidSetting) as error:
                # Without the primary nothing is read anyway: what a replica shows is judged when it is back.
                _logger.debug("the primary cannot be asked: %s", error)
                return
            for one in self._all:
                self._look_at(one, identity, beacon)

    def _sign(self) -> tuple[int, bytes]:
        """Return the identity and the beacon of the primary, which gets a new one when its is old or it was started."""
        started = self._started
        with self._primary.keeping() as writer:
            writer.execute(_SIGN, (os.urandom(8), _EVERY_S, _EVERY_S))
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

    # ---------------------------------------------------------------- choosing

    def choose(self, ws: int) -> _Replica | None:
        """Return a replica that has everything of a workspace that the primary has now, or None.

        Raises:
            StoreUnavailable: The primary cannot be asked.
        """
        usable = [one for one in self._all if one.standing == "ok"]
        if not usable:
            return None
        started, newest = self._primary.glance(ws, _LOOK)
        if started != self._started:
            self._wake.set()
            return None
        self._turn += 1
        first = self._turn % len(usable)
        return self._caught_up(ws, usable[first:] + usable[:first], newest)

    def _caught_up(self, ws: int, asked: Sequence[_Replica], newest: bytes | None) -> _Replica | None:
        """Return the first that has a head, waiting for one as long as may be."""
        now = time.monotonic()
        # Who was waited for in vain a moment ago would keep everybody waiting.
        end = now + (self._wait if any(now >= one.impatient_until for one in asked) else 0.0)
        rest, longest = _POLL_S
        while True:
            for one in asked:
                if self._has(one, ws, newest):
                    return one
            now = time.monotonic()
            asked = [one for one in asked if one.standing == "ok"]
            if not asked or now + rest > end:
                break
            time.sleep(rest)
            rest = min(2 * rest, longest)
        for one in asked:
            one.impatient_until = now + _EVERY_S
        return None

    def _has(self, one: _Replica, ws: int, newest: bytes | None) -> bool:
        try:
            recovering, head = one.engine.glance(ws, _LOOK_ASIDE)
        except (StoreError, InvalidSetting) as error:
            self.failed(one, error)
            return False
        if not recovering:
            self._left_out(one, "promoted")
            return False
        return newest is None or head == newest or (head is not None and _grown(head) > _grown(newest))

    def failed(self, one: _Replica, error: Exception) -> None:
        """Note that a replica could not answer; only who is at odds with its own replaying stays in use."""
        if not isinstance(error, Retry):
            self._left_out(one, "unreachable", error)


def _grown(head: bytes) -> tuple[int, int]:
    """Return what grows with every batch: entries, or a segment that was opened."""
    decoded = decode_head(head)
    return decoded.size, decoded.segment.number


class _Look(NamedTuple):
    replica: _Replica | None
    until: float
    written: object


class ReplicaReading(Reading):
    """A store whose reads go to a replica where one is as new as the primary; for one request or one job.

    What it answers never goes back: each look finds the replica at least as new as the primary was at that moment.

    Args:
        origin: The store itself, for whatever writes, decides, or cannot be had at a replica.
        written: Returns another object whenever this process has written to a workspace.
    """

    def __init__(self, origin: Reading, replicas: Replicas, written: Callable[[int], object]) -> None:
        self.coding = origin.coding
        self._origin = origin
        self._replicas = replicas
        self._written = written
        self._looks: dict[int, _Look] = {}

    def within(self, ws: int, work: Callable[[Connection], _Found]) -> _Found:
        replica = self._chosen(ws)
        if replica is not None:
            try:
                with replica.engine.reading(ws) as reader:
                    found = work(reader)
            except TookTooLong:
                raise
            except (StoreError, InvalidSetting) as error:
                self._replicas.failed(replica, error)
                self._looks[ws] = self._looks[ws]._replace(replica=None)
            else:
                self._replicas.count(replica)
                return found
        self._replicas.count(None)
        return self._origin.within(ws, work)

    def _chosen(self, ws: int) -> _Replica | None:
        written = self._written(ws)
        look = self._looks.get(ws)
        if look is None or look.written is not written or time.monotonic() >= look.until:
            look = _Look(self._replicas.choose(ws), time.monotonic() + _GOOD_S, written)
            self._looks[ws] = look
        return look.replica

    @property
    def deciding(self) -> Store:
        return self._origin

    def reading(self) -> Store:
        return self

    def replicas(self) -> ReplicaReport:
        return self._replicas.report()

    # ---------------------------------------------------------------- what is the primary's

    def append(self, workspace: str, assemble: Assemble) -> Batch | None:
        return self._origin.append(workspace, assemble)

    def forget(self, workspace: str, ranges: Sequence[range], assemble: Assemble) -> Batch | None:
        return self._origin.forget(workspace, ranges, assemble)

    def workspaces(self) -> list[str]:
        return self._origin.workspaces()

    def state(self, workspace: str, name: str) -> bytes | None:
        return self._origin.state(workspace, name)

    def swap_state(self, workspace: str, name: str, old: bytes | None, new: bytes | None) -> bool:
        return self._origin.swap_state(workspace, name, old, new)

    def states(self, workspace: str) -> dict[str, bytes]:
        return self._origin.states(workspace)

    @property
    def name(self) -> str:
        return self._origin.name

    def mark(self) -> Mark | None:
        return self._origin.mark()

    def swap_mark(self, old: Mark | None, new: Mark | None) -> bool:
        return self._origin.swap_mark(old, new)

    def adopt(self, workspace: str, piece: Piece, old: bytes | None, new: bytes | None) -> bool:
        return self._origin.adopt(workspace, piece, old, new)

    def check(self, workspace: str) -> Iterator[Problem]:
        return self._origin.check(workspace)

    def tend(self) -> bool:
        return self._origin.tend()

    def compact(self) -> None:
        self._origin.compact()

    def stats(self, workspace: str) -> dict[str, int]:
        return self._origin.stats(workspace)

    def close(self) -> None:
        """Leave the store open: it belongs to whoever opened it."""
