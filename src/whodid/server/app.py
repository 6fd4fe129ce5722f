"""The ASGI application: HTTP in, plain calls out to threads, answers back.

The only file that imports Starlette. It owns what is the same for every route: limits, threads, and that every error
leaves in one shape. What is around every request is in `frame`; what the routes say is in `routes`, `exports`,
`evidence`, `console` and `pages`.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
from functools import partial
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Match, Route

from whodid.capture.middleware import Proxies
from whodid.detect import Geo
from whodid.errors import StoreError, WhodidError
from whodid.export import ExportWorker
from whodid.log import Log
from whodid.server.about import About
from whodid.server.administration import Administration
from whodid.server.alerts import AlertRoutes
from whodid.server.anchoring import AnchorRoutes
from whodid.server.answering import AnswerRoutes
from whodid.server.answers import READING, Answer, Call, Handler, media_type_of
from whodid.server.bounds import Lane, Room
from whodid.server.callers import Callers
from whodid.server.compat import Shared, doors
from whodid.server.concurrency import CancelScope, CapacityLimiter, fail_after, run_sync, sleep
from whodid.server.console import Console
from whodid.server.console.desk import Desk
from whodid.server.console.sso import SignOn
from whodid.server.events import Events
from whodid.server.evidence import EvidenceRoutes
from whodid.server.exports import Exports, export_worker
from whodid.server.forgetting import Erasures
from whodid.server.frame import Frame
from whodid.server.gate import Gate, Pace, TooFast
from whodid.server.health import Health
from whodid.server.holding import Holds
from whodid.server.live import Live
from whodid.server.meter import Meter
from whodid.server.metrics import PrometheusMeter
from whodid.server.origins import Origins
from whodid.server.packing import pack_answer
from whodid.server.pages import Pages
from whodid.server.problems import leaving, problem, problem_of
from whodid.server.reports import Reports
from whodid.server.reviews import ReviewRoutes
from whodid.server.routes import Routes
from whodid.server.rules import RuleRoutes
from whodid.server.sessions import OtherWorkspace, Sessions
from whodid.server.signing import check_secret
from whodid.server.sinks import SinkRoutes
from whodid.server.stamping import StampRoutes
from whodid.server.tlog import Tiles
from whodid.server.traces import Tracer
from whodid.server.waiting import Waiting
from whodid.witness.stamp import Authority

__all__ = ["asgi"]

_log = logging.getLogger("whodid.server")

_LONGEST_ADDRESS = 8192
_BODY_SECONDS = 15
_MOST_WAITING = 128
_MOST_KEEPING = 512
_APART = 2
_REST = 1.0
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def asgi(
    log: Log,
    *,
    secret: bytes,
    trusted_proxies: int = 0,
    console: Console | None = None,
    token_address: str | None = None,
    origins: Iterable[str] = (),
    threads: int = 8,
    downloads: int = 4,
    exports: ExportWorker | None = None,
    rate: int = 10_000,
    read_rate: int = 200,
    compat: Collection[str] = (),
    waiting: Waiting | None = None,
    metrics: PrometheusMeter | None = None,
    ending: Callable[[], bool] = lambda: False,
    crowded: Callable[[], bool] = lambda: False,
    sign_on: Callable[[Console, Desk], SignOn] | None = None,
    stamps: Authority | None = None,
    geo: Geo | None = None,
) -> Starlette:
    """Make the HTTP door of a log: the API under `/v1`, the page at `/`, its files under `/static`.

    Mount it anywhere: `app.mount("/audit", asgi(log, secret=…))`. It holds no connection and needs no start-up.

    Args:
        log: The log to read; its owner closes it, and its clock is the clock here.
        secret: At least 32 bytes, shared with whoever mints viewer tokens.
        trusted_proxies: How many proxies of yours stand in front; 0 heeds no forwarded address.
        console: Sign-in for the page by one-time links, as `whodid serve` uses it.
        token_address: Where the page fetches its viewer token (POST, same origin); the console's when not given.
        origins: Web origins of other pages that may load the viewer, read the API and frame `/embed`; the origin
            that a token names may read the API in any case.
        threads: How many requests may work on the store at once: as many that read, that send through the doors of
            other products, and that send through those that must not be turned away.
        downloads: How many exports, and how many evidence files, may be made at once.
        exports: Makes them (`export_worker`); one with a temporary folder of its own when not given.
        rate: Events per second that each API key may send on average; 0 for no limit.
        read_rate: Requests per second with which each API key and each viewer may read on average; 0 for no limit.
        compat: Products whose own clients are to work here: some of `workos`, `retraced`, `otlp`,
            `cloudevents`, `splunk`, `mcp`.
        waiting: Where events of clients that never send again wait while the store is away; without it they are
            refused then. Its owner opens and closes it.
        metrics: Counts what happens and shows it at `/metrics`; without it there is no such page.
        ending: Tells whether the server is asked to stop: live streams end then, and nothing new is taken in.
        crowded: Tells whether there are more connections than there should be: each ends with its answer then.
        sign_on: Makes single sign-on for the console, as `whodid serve` uses it.
        stamps: Who stamps heads with the time by order; without it nobody does.
        geo: Where addresses are, for what a rule of detection would have found.

    Returns:
        The application. Its `state.endpoints` are the described routes.

    Raises:
        InvalidSetting: The secret is too short, an origin is none, or a product is not known.
    """
    check_secret(secret)
    meter = metrics or Meter()
    tracer = Tracer()
    worker = exports or export_worker(log, threads=downloads, meter=meter)
    shared = Origins(origins, secret=secret)
    pages = Pages(token_address=token_address or ("session/token" if console else None), origins=shared.allowed)
    gate = Gate(log, secret=secret)
    pace = Pace(read_rate, meter=meter)
    sessions = Sessions(log, secret=secret, gate=gate, pace=pace)
    callers = Callers(log, sessions, gate, secret=secret)
    handlers: list[Handler] = [
        *Routes(log, sessions).handlers,
        *Tiles(sessions).handlers,
        *Exports(log, sessions, secret=secret, worker=worker).handlers,
        *AnswerRoutes(log, sessions).handlers,
        *EvidenceRoutes(log, sessions, at_once=downloads).handlers,
        *Live(log, sessions, meter=meter, ending=ending).handlers,
        *Reports(log, sessions, secret=secret, pages=pages).handlers,
        *AlertRoutes(log, sessions, secret=secret).handlers,
        *ReviewRoutes(log, sessions, secret=secret).handlers,
        *RuleRoutes(log, sessions, secret=secret, geo=geo, at_once=downloads).handlers,
        *Administration(log, callers).handlers,
        *Holds(log, callers).handlers,
        *StampRoutes(log, sessions, callers, authority=stamps).handlers,
        *AnchorRoutes(log, sessions).handlers,
        *Erasures(log, callers).handlers,
        *SinkRoutes(log, callers, secret=secret).handlers,
        *_console_handlers(log, console, pages, secret, sign_on),
        *doors(
            compat,
            Shared(
                log=log,
                secret=secret,
                gate=gate,
                sessions=sessions,
                console=console,
                slots=threading.BoundedSemaphore(downloads),
                worker=worker,
                rate=rate,
                pace=pace,
                meter=meter,
                waiting=waiting,
            ),
        ),
        *pages.handlers,
        *Health(log, ending=ending, metrics=metrics, waiting=waiting).handlers,
    ]
    door = _Door(trusted_proxies, threads, meter=meter, tracer=tracer, ending=ending)
    events = Events(log, gate, rate=rate, trusted_proxies=trusted_proxies, meter=meter, tracer=tracer, ending=ending)
    about = About([events.endpoint, *(one for handler in handlers for one in handler.endpoints)], pages=pages)
    handlers += about.handlers
    app = Starlette(
        routes=[
            Route(events.endpoint.path, events, methods=[events.endpoint.method]),
            *(Route(handler.path, door.endpoint(handler), methods=[handler.method]) for handler in handlers),
        ],
        exception_handlers={HTTPException: _unrouted},
        middleware=[
            Middleware(
                Frame,
                trust_ids=trusted_proxies > 0,
                origins=shared,
                meter=meter,
                tracer=tracer,
                ending=ending,
                crowded=crowded,
            )
        ],
    )
    # Two addresses for one thing would be two cache entries and two places to check.
    app.router.redirect_slashes = False
    app.state.endpoints = about.endpoints
    return app


def _console_handlers(
    log: Log,
    console: Console | None,
    pages: Pages,
    secret: bytes,
    sign_on: Callable[[Console, Desk], SignOn] | None,
) -> tuple[Handler, ...]:
    if console is None:
        return ()
    desk = Desk(log, console, pages, secret=secret, sso=sign_on is not None)
    return (*console.handlers, *desk.handlers, *(sign_on(console, desk).handlers if sign_on is not None else ()))


class _Door:
    """Turns requests into calls, runs them in threads, and turns answers into responses."""

    def __init__(
        self, trusted_proxies: int, threads: int, *, meter: Meter, tracer: Tracer, ending: Callable[[], bool]
    ) -> None:
        self._ending = ending
        self._proxies = Proxies(trusted_proxies)
        self._meter = meter
        self._tracer = tracer
        self._working = Lane(threads, lambda: threads + _MOST_WAITING)
        self._bringing = Lane(threads, lambda: threads + _MOST_WAITING)
        self._keeping = Lane(threads, lambda: _MOST_KEEPING)
        self._apart = CapacityLimiter(_APART)
        lanes = (self._working, self._bringing, self._keeping)
        meter.watch("requests_inside", lambda: sum(lane.requests.total for lane in lanes))

    def endpoint(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            request_id: str = request.scope["state"]["request_id"]
            request.scope["state"]["route"] = handler.path
            if handler.method not in READING and not handler.keeps and self._ending():
                answer = leaving(request_id)
            else:
                answer = await self._answer(handler, request, request_id)
            if handler.spoken is not None:
                answer = handler.spoken(answer, media_type_of(request.headers.get("content-type", "")))
            return self._response(answer, request_id)

        return respond

    async def _answer(self, handler: Handler, request: Request, request_id: str) -> Answer:
        lane = self._keeping if handler.keeps else self._bringing if handler.brings else self._working
        who = request.headers.get("authorization") or (request.client.host if request.client else "")
        with Room(lane, who) as room:
            read = await self._call(request, request_id, handler.largest, room)
            if isinstance(read, Answer):
                return read
            if handler.apart:
                return await run_sync(self._guarded, handler, read, limiter=self._apart)
            # Asked here, where nothing is awaited in between: all that look together would get in.
            if not room.enter():
                return _busy(request_id)
            return await run_sync(self._guarded, handler, read, limiter=lane.limiter)

    async def _call(self, request: Request, request_id: str, largest: int, room: Room) -> Call | Answer:
        raw: bytes = request.scope["query_string"]
        if len(raw) > _LONGEST_ADDRESS:
            return problem(414, request_id)
        try:
            pairs = parse_qsl(
                raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=32, separator="&"
            )
        except ValueError:
            return problem(400, request_id, "The query string is not UTF-8 in percent encoding, or has too many parts.")
        if any(_UNPRINTABLE.search(name) or _UNPRINTABLE.search(value) for name, value in pairs):
            return problem(400, request_id, "The query string has control characters in it.")
        body = b""
        if request.method not in {"GET", "HEAD"}:
            received = await self._body(request, request_id, largest, room)
            if isinstance(received, Answer):
                return received
            body = received
        headers: dict[str, str] = {}
        for name, value in request.headers.items():
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        peer = request.client.host if request.client else None
        proxied = self._proxies.forwarded(peer)
        return Call(
            method=request.method,
            path=dict(request.path_params),
            query=tuple(pairs),
            headers=headers,
            body=body,
            client=self._proxies.client(peer, request.headers.getlist("x-forwarded-for")).ip,
            secure=(headers.get("x-forwarded-proto") if proxied else None) == "https" or request.url.scheme == "https",
            base=str(request.scope.get("root_path", "")).rstrip("/"),
            request_id=request_id,
        )

    def _guarded(self, handler: Handler, call: Call) -> Answer:
        """Run a handler; whatever goes wrong in it leaves as a problem."""
        try:
            with self._tracer.span("whodid.query" if call.method == "GET" else "whodid.handle"):
                answer = handler.answer(call)
            # The clients of other products get what those products send.
            return answer if handler.spoken else pack_answer(answer, call)
        except TooFast as fast:
            again = (("Retry-After", str(fast.again)),)
            return problem(429, call.request_id, "This key or viewer reads faster than it may.", headers=again)
        except OtherWorkspace:
            fact, remedy = (
                "This token or key belongs to another workspace.",
                "Use one of the workspace that is asked for.",
            )
            return problem(403, call.request_id, fact, remedy, kind="other-workspace")
        except StoreError as error:
            self._meter.store_failed(type(error).__name__)
            _log.error("request %s: %s: %s", call.request_id, type(error).__name__, error)
            return problem_of(error, call.request_id)
        except WhodidError as error:
            return problem_of(error, call.request_id)
        except Exception:  # noqa: BLE001 - whatever it is, the caller gets a problem and the log the traceback
            _log.exception("request %s failed", call.request_id)
            return problem(500, call.request_id)

    @staticmethod
    async def _body(request: Request, request_id: str, largest: int, room: Room) -> bytes | Answer:
        parts: list[bytes] = []
        size, fits = 0, True
        try:
            with fail_after(_BODY_SECONDS):
                async for part in request.stream():
                    size += len(part)
                    if size > largest:
                        return problem(413, request_id, f"The body is larger than {largest} bytes.")
                    # One that does not fit is read to its end all the same: whoever finds the line cut sees no answer.
                    fits = fits and room.hold(len(part))
                    if fits:
                        parts.append(part)
                    else:
                        parts.clear()
        except TimeoutError:
            return problem(408, request_id)
        except ClientDisconnect:
            return problem(400, request_id)
        return b"".join(parts) if fits else _busy(request_id)

    @staticmethod
    def _response(answer: Answer, request_id: str) -> Response:
        if isinstance(answer.body, bytes):
            response = Response(answer.body, status_code=answer.status, media_type=answer.media_type)
        else:
            response = StreamingResponse(
                _pulled(answer.body, request_id), status_code=answer.status, media_type=answer.media_type
            )
        for name, value in answer.headers:
            response.headers.append(name, value)
        return response


def _busy(request_id: str) -> Answer:
    return problem(503, request_id, headers=(("Retry-After", "2"),))


async def _pulled(body: Iterator[bytes], request_id: str) -> AsyncIterator[bytes]:
    """Send what an iterator makes, each step in a thread; close it when the client leaves.

    An empty part says that there is nothing to send yet: the next one is asked for a second later.

    No thread waits for a slow client, and the iterator is never run by two threads at once: a step is waited for even
    when the request is cancelled. How many downloads there may be is decided where they begin.
    """
    step = partial(next, body, None)
    limiter = CapacityLimiter(1)
    try:
        while (part := await run_sync(step, limiter=limiter)) is not None:
            if part:
                yield part
            else:  # there is nothing to say yet
                await sleep(_REST)
    except Exception:
        # The status is sent already: breaking the connection off is how the client learns that the file is not whole.
        _log.exception("request %s broke off", request_id)
        raise
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            with CancelScope(shield=True):
                await run_sync(close, limiter=limiter)


async def _unrouted(request: Request, error: Exception) -> Response:
    """Answer what no route took: unknown addresses and methods."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    answer = problem(status if status in {404, 405} else 400, request.scope["state"]["request_id"])
    headers = dict(answer.headers) | dict((error.headers or {}) if isinstance(error, HTTPException) else {})
    if status == 405:
        # Methods of one address are routes of their own here; the one that refused knows only its own.
        routes = [one for one in request.app.routes if one.matches(request.scope)[0] is not Match.NONE]
        # An address that is written out is itself, although a pattern would take its last word for an id.
        routes = [one for one in routes if not one.param_convertors] or routes
        headers["Allow"] = ", ".join(sorted({method for one in routes for method in one.methods or ()}))
    return Response(answer.body, status_code=answer.status, media_type=answer.media_type, headers=headers)
