"""A sender for `overload` and `soak`: events at a fixed rate over many connections, from a process of its own.

It is cheap on purpose, because it shares the machine with the server: bodies are made of pieces that were written
beforehand, and only ids change. A request is due when the clock says so, whatever became of those before (an open
loop); its time counts from then, so that waiting for a connection is part of it. What finds every connection busy is
not sent and is counted. Nothing is sent again: what is asked here is what the server says.

    python -m benchmarks.flood '{"port": 8321, "key": "wk_…", …}'     (see `Orders`)
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import msgspec
import uvloop
from msgspec import Struct, field

from benchmarks.corpus import events
from benchmarks.measure import percentile

__all__ = ["Orders", "Seen", "begin", "event_id", "result"]

_TICK = 0.005
_PATIENCE = 30.0
_MADE = 2_000
_ID = "01940000-0000-7000-8000-"


class Orders(Struct, frozen=True):
    """What to send.

    Args:
        key: API key.
        batch: Events per request; 1 sends single events.
        rate: Requests per second; 0 sends the next one when a connection is free.
        seconds: How long.
        connections: At most.
        first: Number of the first event; every event has a number of its own.
        told: File that takes the number of the first event of each request that was acknowledged, one a line.
        tenths: Into how many parts the time is divided in what is told.
    """

    port: int
    key: str
    batch: int
    rate: float
    seconds: float
    connections: int
    told: str
    first: int = 0
    tenths: int = 10


class Seen(Struct):
    """What came of it.

    Args:
        statuses: Answers by status; 0 for a connection that broke or could not be made.
        again: Refusals (429, 503) that said when to come back.
        unsent: Requests that found every connection busy.
        accepted: Per tenth, acknowledged events.
        p50: Per tenth, milliseconds of what was accepted.
        p99: The same.
        whole: p50, p99 and the longest over all of the time.
        refused: p50 and p99 of refusals, in milliseconds.
        next: The first number that was not used.
        seconds: How long sending took.
        opened: Connections that were opened in all.
    """

    statuses: dict[int, int] = field(default_factory=dict)
    again: int = 0
    unsent: int = 0
    accepted: list[int] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    whole: tuple[float, float, float] = (0.0, 0.0, 0.0)
    refused: tuple[float, float] = (0.0, 0.0)
    next: int = 0
    seconds: float = 0.0
    opened: int = 0

    @property
    def rate(self) -> float:
        """Acknowledged events per second."""
        return sum(self.accepted) / self.seconds


def event_id(number: int) -> str:
    """Return the id of an event by its number."""
    return f"{_ID}{number:012x}"


def begin(orders: Orders) -> subprocess.Popen[bytes]:
    """Start a sender in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.flood", msgspec.json.encode(orders).decode()]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def result(sender: subprocess.Popen[bytes]) -> Seen:
    """Wait for a sender and return what it saw."""
    said, _ = sender.communicate()
    if sender.returncode:
        message = f"The sender ended with {sender.returncode}"
        raise RuntimeError(message)
    return msgspec.json.decode(said, type=Seen)


class _Answer:
    status = 0
    again = False
    closes = False
    whole = False


class _Line(asyncio.Protocol):
    """A connection; one request at a time."""

    def __init__(self) -> None:
        self._heard = bytearray()
        self._wanted = 0
        self._answer = _Answer()
        self._done: asyncio.Future[_Answer] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._finish()

    def data_received(self, data: bytes) -> None:
        self._heard += data
        if not self._wanted:
            end = self._heard.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._heard[:end]).lower()
            self._answer.status = int(head[9:12])
            self._answer.again = b"\r\nretry-after:" in head
            self._answer.closes = b"\r\nconnection: close" in head
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            self._wanted = end + 4 + length
        if len(self._heard) >= self._wanted:
            self._answer.whole = True
            self._finish()

    def _finish(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(self._answer)

    async def ask(self, request: list[bytes]) -> _Answer:
        """Send a request and return its answer; status 0 when the line broke before the answer."""
        self._heard.clear()
        self._wanted, self._answer = 0, _Answer()
        if self.transport is None:
            return self._answer
        self._done = asyncio.get_running_loop().create_future()
        self.transport.writelines(request)
        try:
            await asyncio.wait_for(self._done, _PATIENCE)
        except TimeoutError:
            self.transport.abort()
        if self._answer.closes and self.transport is not None:
            self.transport.close()
            self.transport = None
        return self._answer


class _Sender:
    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._requests = self._written()
        self._numbers = itertools.count(orders.first, orders.batch)
        self._idle: list[_Line] = []
        self._open = 0
        self._under_way: set[asyncio.Task[None]] = set()
        self._seen = Seen()
        self._statuses: Counter[int] = Counter()
        self._times: list[list[float]] = [[] for _ in range(orders.tenths)]
        self._refusals: list[float] = []
        self.told: list[int] = []
        self._began = 0.0

    def _written(self) -> Iterator[list[bytes]]:
        """Yield requests, in pieces, with an empty place before every second piece for an id."""
        orders, now = self._orders, datetime.now(UTC)
        made = [
            msgspec.json.encode(
                msgspec.structs.replace(one, id=_ID, occurred_at=now - timedelta(milliseconds=_MADE - at))
            ).split(_ID.encode())
            for at, one in enumerate(events(max(_MADE, orders.batch)))
        ]
        wanted = []
        for at in range(0, len(made) - orders.batch + 1, orders.batch):
            pieces: list[bytes] = []
            for number, (before, after) in enumerate(made[at : at + orders.batch]):
                pieces += [b"," if number else b"", before, b"", after]
            if orders.batch > 1:
                pieces = [b'{"events":[', *pieces, b"]}"]
            length = sum(map(len, pieces)) + orders.batch * len(event_id(0))
            head = (
                f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {orders.key}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
            )
            wanted.append([head.encode(), *pieces])
        return itertools.cycle(wanted)

    def _next(self) -> tuple[int, list[bytes]]:
        first, pieces = next(self._numbers), list(next(self._requests))
        start = 4 if self._orders.batch > 1 else 3
        for at in range(self._orders.batch):
            pieces[start + 4 * at] = event_id(first + at).encode()
        return first, pieces

    async def run(self) -> Seen:
        """Send, and return what was seen."""
        self._began = time.perf_counter()
        if self._orders.rate:
            await self._at_a_rate()
        else:
            await asyncio.gather(*(self._one_by_one() for _ in range(self._orders.connections)))
        await asyncio.gather(*self._under_way)
        for line in self._idle:
            if line.transport is not None:
                line.transport.close()
        seen = self._seen
        seen.seconds = time.perf_counter() - self._began
        seen.statuses = dict(self._statuses)
        seen.accepted = [len(part) * self._orders.batch for part in self._times]
        seen.p50, seen.p99 = ([_share(part, share) for part in self._times] for share in (0.5, 0.99))
        whole = [one for part in self._times for one in part]
        seen.whole = (_share(whole, 0.5), _share(whole, 0.99), _share(whole, 1.0))
        seen.refused = (_share(self._refusals, 0.5), _share(self._refusals, 0.99))
        seen.next = next(self._numbers)
        return seen

    async def _at_a_rate(self) -> None:
        sent = 0
        while (passed := time.perf_counter() - self._began) < self._orders.seconds:
            due = int(self._orders.rate * passed)
            for at in range(sent, due):
                line = self._rested()
                if line is None and self._open >= self._orders.connections:
                    self._seen.unsent += 1
                    continue
                self._open += line is None
                task = asyncio.create_task(self._one(line, self._began + at / self._orders.rate))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
            sent = due
            await asyncio.sleep(_TICK)

    def _rested(self) -> _Line | None:
        """Return a connection that waits for its next request; the server may have closed it meanwhile."""
        while self._idle:
            line = self._idle.pop()
            if line.transport is not None and not line.transport.is_closing():
                return line
            self._open -= 1
        return None

    async def _one_by_one(self) -> None:
        while time.perf_counter() - self._began < self._orders.seconds:
            line = self._rested()
            self._open += line is None
            await self._one(line, time.perf_counter())

    async def _one(self, line: _Line | None, due: float) -> None:
        first, request = self._next()
        line = line or await self._connected()
        if line is None:
            self._open -= 1
            self._statuses[0] += 1
            return
        answer = await line.ask(request)
        took = 1e3 * (time.perf_counter() - due)
        self._statuses[answer.status if answer.whole else 0] += 1
        if answer.whole and answer.status in {200, 201}:
            part = int((due - self._began) / self._orders.seconds * self._orders.tenths)
            self._times[min(part, self._orders.tenths - 1)].append(took)
            self.told.append(first)
        elif answer.status in {429, 503}:
            self._seen.again += answer.again
            self._refusals.append(took)
        if line.transport is None or line.transport.is_closing():
            self._open -= 1
        else:
            self._idle.append(line)

    async def _connected(self) -> _Line | None:
        self._seen.opened += 1
        loop = asyncio.get_running_loop()
        try:
            return (await asyncio.wait_for(loop.create_connection(_Line, "127.0.0.1", self._orders.port), _PATIENCE))[1]
        except OSError:
            return None


def _share(values: list[float], share: float) -> float:
    return percentile(values, share) if values else 0.0


def main() -> None:
    """Send as ordered, and tell as JSON."""
    orders = msgspec.json.decode(sys.argv[1], type=Orders)
    sender = _Sender(orders)
    seen = uvloop.run(sender.run())
    Path(orders.told).write_text("".join(f"{one}\n" for one in sender.told), encoding="ascii")
    sys.stdout.buffer.write(msgspec.json.encode(seen))


if __name__ == "__main__":
    main()
