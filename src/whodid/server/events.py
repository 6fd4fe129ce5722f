"""`POST /v1/events`: the way in for whatever is not this process.

Plain ASGI, because every microsecond here is paid per event. A key is looked at before the body is read; the events of
all requests that wait go into the log together, and nothing is acknowledged before it is durable. Where that cannot be
had now, the answer says so and when to come back: whoever sends keeps the events until then.

More of a workspace than the log takes in a second does not wait here: the rest is refused before it is read. A
workspace that sends too much is refused for itself; what others send finds room, and its turn.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from msgspec import UNSET

from whodid.capture.middleware import Proxies
from whodid.errors import ConflictingEvent, InvalidEvent, StoreError, StoreFull, StoreUnavailable, WhodidError
from whodid.log import Log, Receipt
from whodid.model import Context, Event
from whodid.server.answers import Answer, answer_json, network_context
from whodid.server.bodies import LARGEST_BODY, MOST_EVENTS, Refused, Sent, read_events, unpack_body
from whodid.server.bounds import Bound, Drain
from whodid.server.concurrency import CancelScope, CapacityLimiter, fail_after, run_sync
from whodid.server.concurrency import Event as Signal
from whodid.server.described import Endpoint
from whodid.server.gate import Admitted, Buckets, Gate
from whodid.server.meter import Meter
from whodid.server.problems import leaving, problem, problem_of
from whodid.server.sending import SENDING, Result, Results, Taken
from whodid.server.traces import Tracer
from whodid.server.turns import Job, Turns

__all__ = ["Events"]

_log = logging.getLogger("whodid.server")

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]

_PATH = "/v1/events"
_ROUTE = f"POST {_PATH}"
_BEARER = b"bearer "
_BODY_SECONDS = 15
_DRAIN_SECONDS = 2
_DRAINED = 1024 * 1024
_MOST_WAITING = 512
_MOST_LOOKING = 64
_BEHIND_SECONDS = 1.0
_COMMIT_SECONDS = 0.25
_LEAST_BYTES = 128 * 1024
_MOST_BYTES = 32 * 1024 * 1024
# Who has waited that long to be written has mostly given up and will send again: the store is spared writing it now.
_PATIENCE_S = 15.0
_LARGE = 64 * 1024


class _Held:
    """What a request takes of the bounds, and gives back when it ends."""

    workspace = ""
    inside = 0
    size = 0
    whole = False
    """Whether its body was read to the end."""


class _Busy(Exception):
    """There is no room for a request now."""


class Events:
    """The route, as an ASGI application.

    Args:
        gate: Reads API keys.
        rate: Events per second and key; 0 for no limit.
        trusted_proxies: How many proxies of ours stand in front.
        meter: Counts events and commits.
        tracer: Measures reading and commits.
        ending: Tells whether the server is asked to stop: nothing is taken in then.
    """

    endpoint = Endpoint("POST", _PATH, SENDING)

    def __init__(
        self,
        log: Log,
        gate: Gate,
        *,
        rate: int,
        trusted_proxies: int,
        meter: Meter | None = None,
        tracer: Tracer | None = None,
        ending: Callable[[], bool] = lambda: False,
    ) -> None:
        self._log = log
        self._gate = gate
        self._buckets = Buckets(rate, least=MOST_EVENTS)
        self._proxies = Proxies(trusted_proxies)
        self._limiter = CapacityLimiter(4)
        self._writing = CapacityLimiter(1)
        self._waiting = Turns()
        self._busy = False
        self._looking: dict[str, Signal] = {}
        self._lookups = 0
        self._drained = Drain(_BEHIND_SECONDS, least=_LEAST_BYTES, most=_MOST_BYTES)
        self._requests = Bound(lambda: _MOST_WAITING)
        self._bytes = Bound(lambda: self._drained.share)
        self._meter = meter or Meter()
        self._tracer = tracer or Tracer()
        self._ending = ending
        self._meter.watch("events_waiting", lambda: self._waiting.events)
        self._meter.watch("events_inside", lambda: self._requests.total)

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Answer one request."""
        request_id: str = scope["state"]["request_id"]
        scope["state"]["route"] = _PATH
        held = _Held()
        try:
            answer = leaving(request_id) if self._ending() else await self._answer(scope, receive, request_id, held)
        except _Busy:
            self._leave(held)
            answer = problem(503, request_id, headers=(("Retry-After", str(self._drained.pause(self._bytes.total))),))
            if not held.whole:
                await self._drain(receive)
        except Exception:  # noqa: BLE001 - whatever it is, the caller gets a problem and the log the traceback
            _log.exception("request %s failed", request_id)
            answer = problem(500, request_id)
        finally:
            self._leave(held)
        body = answer.body if isinstance(answer.body, bytes) else b""
        headers = [
            (b"content-type", (answer.media_type or "application/json").encode()),
            (b"content-length", str(len(body)).encode()),
            *((name.lower().encode(), value.encode()) for name, value in answer.headers),
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: _Message, receive: _Receive, request_id: str, held: _Held) -> Answer:
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            headers[name] = headers[name] + b", " + value if name in headers else value
        early = self._at_the_door(scope, headers, request_id)
        if early is not None:
            await self._drain(receive)
            return early
        try:
            admitted = await self._admitted(scope, headers, request_id)
        except StoreError as error:
            _log.error("request %s: %s: %s", request_id, type(error).__name__, error)
            await self._drain(receive)
            return self._away(error, request_id)
        if isinstance(admitted, Answer):
            await self._drain(receive)
            return admitted
        self._enter(held, admitted.workspace, headers.get(b"content-length", b""))
        try:
            body = await self._body(receive, request_id, held)
            if isinstance(body, Answer):
                return body
            with self._tracer.span("whodid.intake", lambda: {"whodid.bytes": len(body)}):
                sent = await self._read(body, headers, held)
        except Refused as refused:
            return problem(refused.status, request_id, f"{refused.fact}.", f"{refused.remedy}.")
        pause = self._buckets.take(admitted.key.id, max(1, len(sent.events)), rate=admitted.key.rate)
        if pause:
            self._meter.limited("write")
            again = (("Retry-After", str(math.ceil(pause))),)
            return problem(429, request_id, "This key sends more than it may.", headers=again)
        job = Job(admitted.workspace, [one for one in sent.events if isinstance(one, Event)], held.size)
        if job.events:
            await self._write(job)
        if job.error is not None:
            if isinstance(job.error, WhodidError):
                return self._away(job.error, request_id)
            return problem(500, request_id)
        placed = iter(job.results or ())
        results = [next(placed) if isinstance(one, Event) else one for one in sent.events]
        self._count(results)
        return _answered(sent, results, request_id)

    def _count(self, results: list[Receipt | WhodidError]) -> None:
        taken = [one for one in results if isinstance(one, Receipt)]
        known = sum(one.duplicate for one in taken)
        self._meter.events("recorded", len(taken) - known)
        self._meter.events("known", known)
        self._meter.events("refused", len(results) - len(taken))

    def _at_the_door(self, scope: _Message, headers: dict[bytes, bytes], request_id: str) -> Answer | None:
        """Refuse what need not be read to be refused."""
        if scope.get("query_string"):
            return problem(400, request_id, "This route takes no parameters.", "Send everything in headers and body.")
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > LARGEST_BODY:
            return _too_large(request_id)
        if self._requests.full:
            raise _Busy
        return None

    def _enter(self, held: _Held, workspace: str, length: bytes) -> None:
        """Take the room of a request whose body will be that long.

        Raises:
            _Busy: There is none for this workspace now.
        """
        held.workspace = workspace
        if not self._requests.take(workspace):
            raise _Busy
        held.inside = 1
        self._hold(held, int(length) if length.isdigit() else 0)

    def _leave(self, held: _Held) -> None:
        """Give back the room of a request; idempotent."""
        self._requests.give(held.workspace, held.inside)
        self._bytes.give(held.workspace, held.size)
        held.inside = held.size = 0

    def _hold(self, held: _Held, size: int) -> None:
        """Take room for bytes until a request holds that many.

        Raises:
            _Busy: There is none for this workspace now.
        """
        if size > held.size:
            if not self._bytes.take(held.workspace, size - held.size, own=held.size):
                raise _Busy
            held.size = size

    async def _admitted(self, scope: _Message, headers: dict[bytes, bytes], request_id: str) -> Admitted | Answer:
        shown = headers.get(b"authorization", b"")
        if shown[: len(_BEARER)].lower() != _BEARER:
            return _unknown(request_id)
        text = shown[len(_BEARER) :].strip().decode("latin-1")
        admitted = self._gate.remembered(text)
        if admitted is None and text in self._looking:
            # A key that many requests show is looked up for all of them at once.
            await self._looking[text].wait()
            admitted = self._gate.remembered(text)
        if admitted is None or not admitted.key.may("write"):
            context = self._context(scope, headers, request_id)
            admitted = await self._look_up(text, context)
            if admitted is None:
                return _unknown(request_id)
            if not admitted.key.may("write"):
                known = admitted
                await run_sync(
                    lambda: self._gate.denied(known, "scope", route=_ROUTE, context=context), limiter=self._limiter
                )
                return problem(
                    403, request_id, "This key may not write.", "Use a key with the scope write.", permission="write"
                )
        wanted = headers.get(b"x-whodid-workspace")
        if wanted is not None and wanted.decode("latin-1") != admitted.workspace:
            return problem(
                403,
                request_id,
                "This key belongs to another workspace.",
                "Use the key of the workspace that the events belong to.",
                kind="other-workspace",
            )
        return admitted

    async def _look_up(self, text: str, context: Context) -> Admitted | None:
        """Ask the store whom a key lets in.

        Raises:
            _Busy: Enough keys are being looked up.
        """
        if self._lookups >= _MOST_LOOKING:
            raise _Busy
        self._lookups += 1
        known = Signal()
        first = self._looking.setdefault(text, known) is known
        try:
            return await run_sync(lambda: self._gate.admit(text, route=_ROUTE, context=context), limiter=self._limiter)
        finally:
            self._lookups -= 1
            if first:
                del self._looking[text]
                known.set()

    def _context(self, scope: _Message, headers: dict[bytes, bytes], request_id: str) -> Context:
        peer = scope["client"][0] if scope.get("client") else None
        forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
        client = self._proxies.client(peer, forwarded).ip
        return network_context("api", client, headers.get(b"user-agent", b"").decode("latin-1"), request_id)

    async def _body(self, receive: _Receive, request_id: str, held: _Held) -> bytes | Answer:
        """Read the body; what was not announced is counted as it comes.

        Raises:
            _Busy: There is no room for it.
        """
        parts: list[bytes] = []
        size = 0
        try:
            with fail_after(_BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return problem(400, request_id)
                    part: bytes = message.get("body", b"")
                    held.whole = not message.get("more_body")
                    size += len(part)
                    if size > LARGEST_BODY:
                        return _too_large(request_id)
                    self._hold(held, size)
                    parts.append(part)
                    if held.whole:
                        return b"".join(parts)
        except TimeoutError:
            return problem(408, request_id)

    async def _read(self, body: bytes, headers: dict[bytes, bytes], held: _Held) -> Sent:
        encoding = headers.get(b"content-encoding", b"").decode("latin-1")
        media_type = headers.get(b"content-type", b"").decode("latin-1")
        if encoding:
            unpacked = await run_sync(unpack_body, body, encoding, limiter=self._limiter)
            self._hold(held, len(unpacked))
            body = unpacked
        if len(body) > _LARGE:
            return await run_sync(read_events, body, media_type, limiter=self._limiter)
        return read_events(body, media_type)

    async def _write(self, job: Job) -> None:
        """Have a job written: by whoever came when nobody was writing, and then by the next who waits."""
        self._waiting.add(job)
        # What was taken from the queue must be written even if its request is given up meanwhile.
        with CancelScope(shield=True):
            if self._busy:
                await job.turn.wait()
            if job.done:
                return
            self._busy = True
            try:
                while not job.done:
                    self._give_up()
                    if group := self._waiting.group(_COMMIT_SECONDS * self._drained.rate):
                        await self._write_group(group)
            finally:
                following = self._waiting.next()
                self._busy = following is not None
                if following is not None:
                    following.turn.set()

    def _give_up(self) -> None:
        """Refuse those that have waited too long for a slow store."""
        for one in self._waiting.since(time.monotonic() - _PATIENCE_S):
            one.error = StoreUnavailable("The store is too slow for what is sent", "Send it again")
            one.turn.set()
            self._meter.store_failed(StoreUnavailable.__name__)

    async def _write_group(self, group: list[Job]) -> None:
        began = time.perf_counter()
        try:
            await run_sync(self._commit, group, limiter=self._writing)
        finally:
            for one in group:
                if not one.done:
                    one.error = RuntimeError("The writing was broken off")
                one.turn.set()
        if all(one.error is None for one in group):
            self._drained.learn(sum(one.size for one in group), time.perf_counter() - began)

    def _commit(self, group: list[Job]) -> None:
        by_workspace: dict[str, list[Job]] = {}
        for job in group:
            by_workspace.setdefault(job.workspace, []).append(job)
        for workspace, jobs in by_workspace.items():
            events = [event for job in jobs for event in job.events]
            began = time.perf_counter()
            try:
                with self._tracer.span("whodid.commit", lambda: {"whodid.events": len(events)}):  # noqa: B023
                    results = self._log.record_many(workspace, events)
            except Exception as error:  # noqa: BLE001 - whatever it is, each request gets its answer
                if isinstance(error, WhodidError):
                    self._meter.store_failed(type(error).__name__)
                    _log.error("events were not taken: %s: %s", type(error).__name__, error)
                else:
                    _log.exception("events were not taken")
                for job in jobs:
                    job.error = error
                continue
            finally:
                self._meter.committed(len(events), time.perf_counter() - began)
            at = 0
            for job in jobs:
                job.results = results[at : at + len(job.events)]
                at += len(job.events)

    @staticmethod
    def _away(error: WhodidError, request_id: str) -> Answer:
        if isinstance(error, StoreFull):
            return problem(503, request_id, "The store has no space left.", headers=(("Retry-After", "30"),))
        return problem_of(error, request_id)

    @staticmethod
    async def _drain(receive: _Receive) -> None:
        """Take in what the client is sending, within bounds: one that finds the line cut never sees the answer."""
        size = 0
        try:
            with fail_after(_DRAIN_SECONDS):
                while size < _DRAINED:
                    message = await receive()
                    size += len(message.get("body", b""))
                    if message["type"] != "http.request" or not message.get("more_body"):
                        return
        except TimeoutError:
            return


def _unknown(request_id: str) -> Answer:
    """Answer 401: the same for a missing, garbled, unknown, false, expired and revoked key."""
    return problem(
        401,
        request_id,
        "The API key is missing or not valid.",
        "Send a valid one as Authorization: Bearer wk_….",
        headers=(("WWW-Authenticate", 'Bearer realm="whodid"'),),
    )


def _too_large(request_id: str) -> Answer:
    return problem(413, request_id, f"The body is larger than {LARGEST_BODY:,} bytes.", "Send several smaller batches.")


def _answered(sent: Sent, results: list[Receipt | WhodidError], request_id: str) -> Answer:
    if not sent.single:
        told = [_result(event, result) for event, result in zip(sent.events, results, strict=True)]
        return answer_json(Results(results=told))
    (result,) = results
    if isinstance(result, WhodidError):
        return problem_of(result, request_id)
    return answer_json(_taken(result), status=200 if result.duplicate else 201)


def _taken(receipt: Receipt) -> Taken:
    return Taken(id=receipt.id, status="known" if receipt.duplicate else "recorded", index=receipt.index)


def _result(event: Event | InvalidEvent, result: Receipt | WhodidError) -> Result:
    if isinstance(result, Receipt):
        return Result(id=result.id, status="known" if result.duplicate else "recorded", index=result.index)
    fact = result.fact
    if isinstance(result, InvalidEvent):
        fact = fact.removeprefix(f"{result.pointer or 'The event'}: ")
    return Result(
        status="refused",
        fault=f"{fact}.",
        remedy=f"{result.remedy}.",
        id=event.id if isinstance(event, Event) and isinstance(event.id, str) else UNSET,
        pointer=result.pointer if isinstance(result, InvalidEvent) else UNSET,
        index=result.index if isinstance(result, ConflictingEvent) else UNSET,
    )
