"""One turn of a sink: from its position to the end of the log, delivery by delivery.

The position moves only after the receiver has what is before it, so a crash repeats entries and never leaves one out.
What the receiver refuses for good is looked for by halving the delivery, and goes into quarantine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from secrets import SystemRandom
from typing import Any, Literal, NoReturn

import msgspec
from msgspec import Struct

from whodid.errors import InvalidSetting
from whodid.log import Holder, Log, leased, passed
from whodid.model import Actor, Context, Entry
from whodid.query import narrow, parse
from whodid.query.match import compile_query
from whodid.sinks.formats import CHAINED, FORMATS, Notice
from whodid.sinks.formats.integrity import Chain, Link, chained
from whodid.sinks.heads import HEAD, make_head, size_of
from whodid.sinks.kinds import KINDS, Message, Opening, Receiver, Result
from whodid.sinks.kinds.schedule import read_schedule
from whodid.sinks.language import read_language
from whodid.sinks.position import Position, Quarantined, read_position, swap_position
from whodid.sinks.secrets import secrets_of
from whodid.sinks.settings import STATE, Sink, pause_by_itself

__all__ = ["WAITS", "Turn", "due", "make_message", "make_notice", "open_receiver"]

WAITS = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 36_000.0)
"""Seconds between deliveries that fail; after the last of them the sink pauses. A tenth more or less, by chance."""

_LEASE = timedelta(seconds=30)
_RENEW = timedelta(seconds=8)
_FARTHEST = timedelta(days=2)  # what is to be tried again later than that was put off by a clock that was ahead
_MOST_READ = 10_000
_QUARANTINE = 100
_REFUSED_IN_A_ROW = 10


class _Batch(Struct, frozen=True):
    """Messages of one delivery, and where the log goes on after it."""

    messages: tuple[Message, ...]
    next: int
    purged: int


class _Over(Exception):
    """The turn is over: the lease, the position or the settings are not ours any more, or a delivery failed."""


def due(log: Log, workspace: str, sink: Sink, position: Position) -> bool:
    """Tell whether a sink has something to do now."""
    now = log.now()
    if not sink.active or (position.retry_at is not None and now < position.retry_at <= now + _FARTHEST):
        return False
    if sink.format == HEAD:
        return position.next < log.head(workspace).size and _silent(sink, position, now)
    behind = log.head(workspace).size - position.next
    return _ready(log, workspace, sink, position, behind) if behind > 0 else _silent(sink, position, now)


def _ready(log: Log, workspace: str, sink: Sink, position: Position, behind: int) -> bool:
    """Tell whether what waits is to go now: enough of it waits, it waits for long enough, and nobody is asleep."""
    usual, schedule = KINDS[sink.kind].gathers, read_schedule(sink.options)
    if (usual is None and schedule is None) or position.again:
        return True
    first = next(log.read(workspace, position.next), None)
    if first is None:
        return True
    if usual is not None:
        wait = timedelta(seconds=int(sink.options.get("every", usual)))
        return behind >= sink.batch or log.now() - first.recorded_at >= wait
    if schedule is None or schedule.lets(first.recorded_at, log.now()):
        return True
    if not schedule.urgent:
        return False
    urgent = parse(f"index:>={position.next} severity:{','.join(schedule.urgent)}", now=log.now())
    return bool(log.find(workspace, narrow(parse(sink.query, now=log.now()), urgent), limit=1).entries)


def open_receiver(log: Log, workspace: str, sink: Sink, *, again: bool) -> Receiver:
    """Make the receiver of a sink; see `Opening` for `again`.

    Raises:
        InvalidSetting: Its settings or its secret cannot be used.
    """
    secrets, lang = secrets_of(log, workspace, sink), read_language(log, workspace)
    return KINDS[sink.kind].open(Opening(sink, secrets, log.now, log.catalog, lang, again))


def make_message(entry: Entry, body: bytes, link: Link | None = None) -> Message:
    """Make the message with an entry.

    Args:
        body: In the format of the sink.
        link: What the next event of a chain refers to.
    """
    return Message(
        id=entry.id,
        index=entry.index,
        at=entry.occurred_at,
        workspace=entry.workspace,
        action=entry.action,
        severity=entry.severity,
        body=body,
        link=link,
    )


def make_notice(log: Log, workspace: str, sink: Sink, what: Literal["heartbeat", "test"], next: int) -> Message:
    """Make a message that is no entry."""
    if sink.format == HEAD:
        position = read_position(log, workspace, sink.id) or Position(next=next)
        return make_head(log, workspace, sink, position, "test")
    now = log.now()
    notice = Notice(
        what=what,
        id=f"{sink.id}-{what}-{int(now.timestamp() * 1_000_000)}",
        workspace=workspace,
        sink=sink.name,
        at=now,
        next=next,
        size=log.head(workspace).size,
    )
    return Message(
        id=notice.id,
        index=None,
        at=now,
        workspace=workspace,
        action=f"whodid.{what}",
        severity="info",
        body=FORMATS[sink.format].notice(notice),
    )


def _silent(sink: Sink, position: Position, now: datetime) -> bool:
    if not sink.heartbeat:
        return False
    return position.sent_at is None or passed(position.sent_at, timedelta(seconds=sink.heartbeat), now)


class Turn:
    """One turn of one sink, in one thread.

    Args:
        stopping: Whether the turn is to end after the present delivery.
    """

    def __init__(self, log: Log, workspace: str, sink: Sink, stopping: Callable[[], bool]) -> None:
        self._log = log
        self._workspace = workspace
        self._sink = sink
        self._stopping = stopping
        self._lease: Holder | None = None
        self._renewed = log.now()
        self._settings = log.state(workspace, STATE)
        self._position = Position(next=0)
        self._in_a_row = 0
        self._taken = 0

    def run(self, *, at_once: bool = False) -> int:
        """Deliver until the end of the log, a fault, or until told to stop.

        Args:
            at_once: Whether to do it even when nothing is due.

        Returns:
            How many entries, or heads, the receiver took.

        Raises:
            StoreError: The log cannot be read, or the position cannot be kept; what was delivered may be repeated.
        """
        with leased(self._log, self._workspace, f"sinks.lease.{self._sink.id}", _LEASE) as lease:
            position = read_position(self._log, self._workspace, self._sink.id)
            if lease is None or position is None:
                return 0
            if not at_once and not due(self._log, self._workspace, self._sink, position):
                return 0
            self._lease, self._renewed, self._position = lease, self._log.now(), position
            with suppress(_Over):
                self._deliver_all()
        return self._taken

    def _deliver_all(self) -> None:
        try:
            receiver = open_receiver(self._log, self._workspace, self._sink, again=self._position.again)
        except InvalidSetting as error:
            self._fail(Result(fault=str(error)))
        try:
            if self._sink.format == HEAD:
                self._deliver_head(receiver)
                return
            for batch in self._batches():
                self._still_ours()
                if batch.messages:
                    self._deliver(receiver, batch.messages)
                if batch.next != self._position.next or batch.purged:
                    self._save(next=batch.next, purged=self._position.purged + batch.purged)
            if _silent(self._sink, self._position, self._log.now()):
                self._still_ours()
                notice = make_notice(self._log, self._workspace, self._sink, "heartbeat", self._position.next)
                result = receiver.send((notice,))
                if result.fault:
                    self._fail(result)
                self._sent()
        finally:
            receiver.close()

    def _deliver_head(self, receiver: Receiver) -> None:
        """Deliver the newest head, and keep which one it was."""
        message = make_head(self._log, self._workspace, self._sink, self._position)
        self._still_ours()
        result = receiver.send((message,))
        fault = result.fault or result.refused.get(0, "")
        if fault:
            self._fail(msgspec.structs.replace(result, fault=fault))
        self._taken += 1
        self._sent(next=size_of(message), delivered=self._position.delivered + 1)

    def _batches(self) -> Iterator[_Batch]:
        """Yield what is left of the log, in deliveries."""
        query = parse(self._sink.query, now=self._log.now())
        wanted = compile_query(query)
        write, largest = self._writer(), KINDS[self._sink.kind].largest
        start, stop = self._position.next, self._log.head(self._workspace).size
        messages: list[Message] = []
        size = read = 0
        first = start
        for entry in self._log.read(self._workspace, start, stop):
            read += 1
            if wanted(entry):
                message = write(entry)
                messages.append(message)
                size += len(message.body)
            if len(messages) >= self._sink.batch or size >= largest or read >= _MOST_READ:
                yield _Batch(tuple(messages), entry.index + 1, entry.index + 1 - first - read)
                messages, size, read, first = [], 0, 0, entry.index + 1
        if first < stop:
            yield _Batch(tuple(messages), stop, stop - first - read)

    def _writer(self) -> Callable[[Entry], Message]:
        """Return what writes entries, one after the other; of a chain, each refers to the one before."""
        if self._sink.format != CHAINED:
            write = FORMATS[self._sink.format].entry
            return lambda entry: make_message(entry, write(entry))
        authority = self._log.head(self._workspace).origin
        began, last = self._position.chain, self._position.link

        def chain(entry: Entry) -> Message:
            nonlocal began, last
            began = entry.index if began is None else began
            body, last = chained(entry, Chain(f"{self._sink.id}-{began}", authority), last)
            return make_message(entry, body, last)

        return chain

    def _deliver(self, receiver: Receiver, messages: Sequence[Message]) -> None:
        """Deliver messages, in halves if the whole is refused for good; keep the position after each delivery."""
        result = receiver.send(messages)
        if not result.fault:
            refused = [(messages[at], fault) for at, fault in sorted(result.refused.items())]
            self._took(messages, refused)
        elif result.lasting and len(messages) > 1:
            middle = len(messages) // 2
            self._deliver(receiver, messages[:middle])
            self._still_ours()
            self._deliver(receiver, messages[middle:])
        elif result.lasting:
            self._took(messages, [(messages[0], result.fault)])
        else:
            self._fail(result)

    def _took(self, messages: Sequence[Message], refused: Sequence[tuple[Message, str]]) -> None:
        """Keep that the receiver has messages, but for those that it refuses for good."""
        now = self._log.now()
        new = tuple(
            Quarantined(index=message.index or 0, id=message.id, at=now, fault=fault) for message, fault in refused
        )
        taken = len(messages) - len(refused)
        self._taken += taken
        self._in_a_row = 0 if taken else self._in_a_row + len(refused)
        quarantine = (*self._position.quarantine, *new)
        if self._in_a_row >= _REFUSED_IN_A_ROW:
            # It is the receiver that is wrong, not the entries: they are tried again when somebody put it right.
            again = self._in_a_row
            self._save(
                next=quarantine[-again].index,
                chain=None,
                link=None,
                quarantine=quarantine[:-again][-_QUARANTINE:],
                refused=self._position.refused + len(new) - again,
                fault=new[-1].fault,
            )
            self._pause(f"The receiver refuses every entry: {new[-1].fault}")
        chain = messages[0].index if self._position.link is None else self._position.chain
        self._sent(
            next=(messages[-1].index or 0) + 1,
            chain=chain if messages[-1].link is not None else None,
            link=messages[-1].link,
            delivered=self._position.delivered + taken,
            refused=self._position.refused + len(new),
            quarantine=quarantine[-_QUARANTINE:],
        )

    def _sent(self, **more: Any) -> None:
        """Keep that the receiver is there."""
        self._save(
            sent_at=self._log.now(), attempts=0, fault="", failing_since=None, retry_at=None, again=False, **more
        )

    def _fail(self, result: Result) -> NoReturn:
        """Keep that a delivery failed, and when the next one is due; end the turn."""
        now, attempts = self._log.now(), self._position.attempts
        if result.gone:
            self._save(fault=result.fault, failing_since=self._position.failing_since or now)
            self._pause(result.fault)
        if attempts >= len(WAITS):
            self._save(fault=result.fault)
            self._pause(f"{len(WAITS) + 1} deliveries in a row failed: {result.fault}")
        wait = max(WAITS[attempts] * SystemRandom().uniform(0.9, 1.1), result.retry_after or 0.0)
        self._save(
            attempts=attempts + 1,
            fault=result.fault,
            failing_since=self._position.failing_since or now,
            retry_at=now + timedelta(seconds=wait),
        )
        raise _Over

    def _pause(self, why: str) -> NoReturn:
        pause_by_itself(
            self._log,
            self._workspace,
            self._sink.id,
            why,
            actor=Actor(type="system", id="sinks", name="Sinks"),
            context=Context(source="job"),
        )
        raise _Over

    def _save(self, **changed: Any) -> None:
        new = msgspec.structs.replace(self._position, **changed)
        if not swap_position(self._log, self._workspace, self._sink.id, self._position, new):
            raise _Over
        self._position = new

    def _still_ours(self) -> None:
        """End the turn when somebody asked for that, or when somebody else has the sink or changed it."""
        if self._stopping() or self._log.state(self._workspace, STATE) != self._settings:
            raise _Over
        now = self._log.now()
        if self._lease is not None and passed(self._renewed, _RENEW, now):
            if not self._lease.renewed():
                raise _Over
            self._renewed = now
