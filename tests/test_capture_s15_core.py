"""S15, the right actor, always: two hundred requests at once, and no entry has anything of another request."""

from __future__ import annotations

import asyncio
import gc
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx2
import msgspec
import pytest
from fastapi import Depends, FastAPI, Request
from flask import Flask, Response
from flask import request as flask_request
from starlette.background import BackgroundTask

from whodid import Actor, Event
from whodid.capture import Capture, Executor, Scope, bind, context, current, wrap
from whodid.capture.middleware import ASGIMiddleware, WSGIMiddleware
from whodid.catalog import builtin

REQUESTS = 200
CHANGES = 100  # of each request: twenty thousand together
UNKNOWN = Actor(type="anonymous", id="unknown")
ELSEWHERE = Actor(type="system", id="elsewhere")
SPOOFS = ("10.9.9.9", "garbage, ", "::1, 127.0.0.1", "\xff\xfe, ", '"[', "")


class Kept:
    """Keeps events in memory; the place of many threads."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Event]] = []

    def take(self, workspace: str, events: Sequence[Event]) -> None:
        """Keep them."""
        self.events += [(workspace, event) for event in events]


def address(number: int) -> str:
    """Return the address of a request."""
    return f"203.0.{number // 250}.{number % 250 + 1}"


def headers(number: int) -> dict[bytes, bytes]:
    """Return the headers of a request: what the proxy of ours wrote, after whatever somebody else wrote before."""
    spoof = SPOOFS[number % len(SPOOFS)]
    forwarded = f"{spoof}{', ' if spoof and not spoof.endswith(', ') else ''}{address(number)}"
    return {
        b"x-forwarded-for": forwarded.encode("latin-1"),
        b"x-request-id": f"req_{number}".encode(),
        b"x-user": f"usr_{number}".encode(),
    }


def signed_in(request: Request) -> int:
    """Sign in synchronously: in a thread, in a copy of the context."""
    user = request.headers["x-user"]
    bind(actor=Actor(type="user", id=user), workspace=f"w_{user}")
    return int(user.removeprefix("usr_"))


@pytest.fixture
def kept() -> Kept:
    """Return the place for events."""
    return Kept()


@pytest.fixture
def capture(kept: Kept) -> Capture:
    """Capture to the place."""
    return Capture(builtin(), lambda workspace, value: "f" * 16, destination=kept, workspace="nowhere")


class Work:
    """What requests do: changes in every way in which Python hands work over."""

    def __init__(self, capture: Capture, pool: ThreadPoolExecutor) -> None:
        self.capture = capture
        self.pool = pool

    def change(self, number: int, way: str, times: int = 1) -> None:
        """Record changes of a request."""
        for _ in range(times):
            self.capture.record("thing.changed", ("thing", f"{number}/{way}"), before={"a": 1}, after={"a": 2})

    def inside(self, number: int) -> None:
        """Act as somebody else for a moment; the outer actor is back after it, also after an error."""
        with context(actor=ELSEWHERE):
            self.change(number, "elsewhere")
        try:
            with context(actor=ELSEWHERE):
                raise KeyError
        except KeyError:
            self.change(number, "after")

    def thread(self, function: Callable[[], None]) -> None:
        """Do something in a thread of its own."""
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()

    async def asynchronous(self, number: int) -> None:
        """Change in tasks, threads and executors, handed over and not."""
        loop = asyncio.get_running_loop()
        self.change(number, "here", CHANGES // 2)
        await asyncio.sleep(0)
        await asyncio.to_thread(self.change, number, "to_thread", 10)
        await loop.run_in_executor(self.pool, wrap(lambda: self.change(number, "wrapped", 10)))
        await loop.run_in_executor(self.pool, lambda: self.change(number, "bare", 2))
        await loop.run_in_executor(Executor(self.pool), self.change, number, "executor", 10)
        await asyncio.gather(*(asyncio.create_task(self.later(number)) for _ in range(5)))
        self.inside(number)
        self.change(number, "here", 11)

    async def later(self, number: int) -> None:
        """Change in a task."""
        await asyncio.sleep(0)
        self.change(number, "task")

    def synchronous(self, number: int) -> None:
        """Change in threads, handed over and not."""
        self.change(number, "here", CHANGES // 2)
        self.thread(wrap(lambda: self.change(number, "wrapped", 10)))
        self.thread(lambda: self.change(number, "bare", 2))
        Executor(self.pool).submit(self.change, number, "executor", 10).result()
        self.inside(number)
        self.change(number, "here", 26)


def wrong(events: list[tuple[str, Event]]) -> list[tuple[str, Event]]:
    """Return the events that carry anything which is not of their request."""
    found = []
    for workspace, event in events:
        number, _, way = event.resource.id.partition("/")
        context_ = event.context
        if way == "bare":
            right = event.actor == UNKNOWN and context_ is None and workspace == "nowhere"
        else:
            actor = ELSEWHERE if way == "elsewhere" else Actor(type="user", id=f"usr_{number}")
            right = (
                event.actor == actor
                and workspace == f"w_usr_{number}"
                and context_ is not None
                and context_.ip == address(int(number))
                and context_.request == f"req_{number}"
            )
        if not right:
            found.append((workspace, event))
    return found


def scopes() -> int:
    """Count the scopes that are still held by anything."""
    gc.collect()
    return sum(type(one) is Scope for one in gc.get_objects())


class TestASGI:
    """FastAPI, all requests in one event loop."""

    @pytest.fixture
    def app(self, capture: Capture) -> Iterator[FastAPI]:
        """Make the application."""
        app = FastAPI()
        app.add_middleware(ASGIMiddleware, trusted_proxies=1)
        with ThreadPoolExecutor(8) as pool:
            work = Work(capture, pool)

            @app.post("/async/{n}")
            async def asynchronous(n: int, number: Annotated[int, Depends(signed_in)]) -> None:
                await work.asynchronous(number)
                if number % 5 == 0:
                    raise ZeroDivisionError

            @app.post("/sync/{n}")
            def synchronous(n: int, number: Annotated[int, Depends(signed_in)]) -> None:
                work.synchronous(number)
                if number % 5 == 1:
                    raise ZeroDivisionError

            yield app

    async def request(self, app: Any, number: int) -> str:
        """Send a request; five of a hundred are cancelled on the way."""
        transport = httpx2.ASGITransport(app, client=("10.0.0.1", 4711))
        async with httpx2.AsyncClient(transport=transport, base_url="http://shop") as client:
            sending = client.post(f"/{'async' if number % 2 else 'sync'}/{number}", headers=headers(number))
            task = asyncio.create_task(sending)
            if number % 20 == 7:
                await asyncio.sleep(0.02)
                task.cancel()
            try:
                return str((await task).status_code)
            except ZeroDivisionError:
                return "raised"
            except asyncio.CancelledError:
                return "cancelled"

    async def round(self, app: Any) -> Counter[str]:
        """Send all requests at once."""
        return Counter(await asyncio.gather(*(self.request(app, number) for number in range(REQUESTS))))

    def test_nothing_of_another_request(self, app: FastAPI, kept: Kept, capture: Capture) -> None:
        """Actor, workspace, address and request id are those of the request, in each of the changes."""
        answers = asyncio.run(self.round(app))

        assert answers["raised"] >= 30
        assert answers["cancelled"] >= 5
        assert answers["200"] >= 100
        assert wrong(kept.events) == []
        ways = Counter(event.resource.id.partition("/")[2] for _, event in kept.events)
        assert {"here", "to_thread", "wrapped", "bare", "executor", "task", "elsewhere", "after"} <= set(ways)
        assert len(kept.events) >= (REQUESTS - 2 * answers["cancelled"]) * CHANGES * 0.95
        assert capture.status().unknown_actor == ways["bare"]
        assert current() is None

    def test_a_mistake_would_be_seen(self, app: FastAPI, kept: Kept) -> None:
        """The comparison finds an event that carries the actor of another request."""
        asyncio.run(self.request(app, 2))
        workspace, event = kept.events[0]
        stolen = msgspec.structs.replace(event, actor=Actor(type="user", id="usr_3"))
        assert wrong(kept.events) == []
        assert wrong([(workspace, stolen)])

    def test_listeners_and_memory_are_flat(self, app: FastAPI, kept: Kept) -> None:
        """After a hundred times as many requests nothing of them is left."""

        async def few(numbers: range) -> None:
            await asyncio.gather(*(self.request(app, number) for number in numbers))
            kept.events.clear()

        asyncio.run(few(range(20)))
        called, held = BackgroundTask.__call__, scopes()
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            for start in (20, 60, 100):
                asyncio.run(few(range(start, start + 40)))
            left = scopes()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert BackgroundTask.__call__ is called
        assert left <= held
        assert after - before < 1_000_000


class _Quiet(WSGIRequestHandler):
    """A handler that writes no log."""

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing."""


class TestWSGI:
    """Flask behind a server with a thread per request, over real connections."""

    @pytest.fixture
    def address(self, capture: Capture) -> Iterator[str]:
        """Serve the application."""
        from socketserver import ThreadingMixIn
        from wsgiref.simple_server import WSGIServer

        class Server(ThreadingMixIn, WSGIServer):
            daemon_threads = True
            request_queue_size = 256

        app = Flask("shop")
        app.wsgi_app = WSGIMiddleware(app.wsgi_app, trusted_proxies=1)  # type: ignore[method-assign]

        @app.before_request
        def sign_in() -> None:
            user = flask_request.headers["x-user"]
            bind(actor=Actor(type="user", id=user), workspace=f"w_{user}")

        with ThreadPoolExecutor(8) as pool:
            work = Work(capture, pool)

            @app.post("/<int:number>")
            def change(number: int) -> Response:
                work.synchronous(number)
                if number % 5 == 0:
                    raise ZeroDivisionError

                def rows() -> Iterator[str]:
                    for _ in range(5):
                        work.change(number, "streamed")
                        yield "x"

                return Response(rows())

            with make_server("127.0.0.1", 0, app, server_class=Server, handler_class=_Quiet) as server:
                thread = threading.Thread(target=server.serve_forever)
                thread.start()
                yield f"http://127.0.0.1:{server.server_port}"
                server.shutdown()
                thread.join()

    def test_nothing_of_another_request(
        self, address: str, kept: Kept, capture: Capture, caplog: pytest.LogCaptureFixture
    ) -> None:
        """In the answer's generator too, and the threads that a server uses again remember nobody."""

        def request(number: int) -> str:
            with httpx2.Client(timeout=60) as client:
                answer = client.post(f"{address}/{number}", headers=headers(number))
                assert answer.headers["x-request-id"] == f"req_{number}"
                return str(answer.status_code)

        with ThreadPoolExecutor(32) as pool:
            answers = Counter(pool.map(request, range(REQUESTS)))

        assert answers == {"200": 160, "500": 40}
        assert wrong(kept.events) == []
        ways = Counter(event.resource.id.partition("/")[2] for _, event in kept.events)
        assert ways["streamed"] == 800
        assert ways["here"] == REQUESTS * 76
        assert capture.status().unknown_actor == ways["bare"] == 400
