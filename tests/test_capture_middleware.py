"""One scope around each request: who and where are found, nothing leaks, nothing of the application changes."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from wsgiref.util import FileWrapper

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from flask import Flask, Response
from flask import request as flask_request
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

import whodid
from whodid import Actor, Entry, Log, Query
from whodid.capture import Capture, Scope, bind, context, current
from whodid.capture.middleware import ASGIMiddleware, WSGIMiddleware
from whodid.errors import InvalidSetting

AGENT = "Tester/1.0"


@pytest.fixture
def log() -> Iterator[Log]:
    """Open a log."""
    with whodid.open("memory://") as log:
        yield log


@pytest.fixture
def capture(log: Log) -> Capture:
    """Capture to the log."""
    return Capture.to(log)


def entries(log: Log, workspace: str = "w1") -> list[Entry]:
    """Return what was recorded, in order."""
    return sorted(log.find(workspace, Query()).entries, key=lambda entry: entry.index)


def user(name: str) -> Actor:
    """Return a user."""
    return Actor(type="user", id=name)


def signed_in(request: Request) -> str:
    """Sign in synchronously: it runs in a thread, in a copy of the context."""
    name = request.headers["x-user"]
    bind(actor=user(name), session=f"ses_{name}")
    return name


class TestFastAPI:
    """As most applications are."""

    @pytest.fixture
    def client(self, capture: Capture) -> Iterator[TestClient]:
        """Serve an application in the two lines that the documentation shows."""
        app = FastAPI()
        app.add_middleware(
            ASGIMiddleware, workspace=lambda scope: scope["path_params"].get("workspace"), trusted_proxies=1
        )

        @app.post("/{workspace}/things/{thing}")
        async def asynchronous(thing: str, name: Annotated[str, Depends(signed_in)]) -> str:
            await asyncio.sleep(0)
            return capture.record("thing.made", ("thing", thing))

        @app.post("/{workspace}/sync/{thing}")
        def synchronous(thing: str, name: Annotated[str, Depends(signed_in)]) -> str:
            return capture.record("thing.made", ("thing", thing))

        @app.post("/{workspace}/later/{thing}")
        async def later(thing: str, name: Annotated[str, Depends(signed_in)], tasks: BackgroundTasks) -> str:
            def work() -> None:
                capture.record("thing.made", ("thing", thing))

            tasks.add_task(work)
            return capture.record("thing.asked", ("thing", thing))

        @app.get("/{workspace}/nobody")
        async def nobody(workspace: str) -> str:
            return capture.record("thing.read", ("thing", "1"))

        @app.get("/{workspace}/broken")
        async def broken(workspace: str) -> str:
            raise ZeroDivisionError

        with TestClient(app, client=("10.0.0.1", 4711), headers={"user-agent": AGENT, "x-user": "aisha"}) as client:
            yield client

    @pytest.mark.parametrize("kind", ["things", "sync"])
    def test_who_where_and_what(self, client: TestClient, log: Log, kind: str) -> None:
        """An actor that a synchronous dependency binds is seen by the request; the route is a template."""
        answer = client.post(
            f"/w1/{kind}/7?token=hunter2",
            headers={"x-forwarded-for": "198.51.100.1, 203.0.113.7", "x-request-id": "req_abc"},
        )

        (entry,) = entries(log)
        assert (entry.id, entry.actor) == (answer.json(), user("aisha"))
        assert entry.context == whodid.Context(
            source="web",
            ip="203.0.113.7",
            forwarded_ip="198.51.100.1",
            user_agent=AGENT,
            request="req_abc",
            session="ses_aisha",
        )
        assert entry.details == {"route": f"POST /{{workspace}}/{kind}/{{thing}}"}
        assert answer.headers["x-request-id"] == "req_abc"

    def test_nothing_is_left_for_the_next_request(self, client: TestClient, log: Log) -> None:
        """Not the actor, not the id, also after an error."""
        client.post("/w1/things/1")
        with pytest.raises(ZeroDivisionError):
            client.get("/w1/broken")
        client.get("/w1/nobody", headers={"x-request-id": "ghp_" + "a1B2" * 9})

        first, second = entries(log)
        assert second.actor == Actor(type="anonymous", id="unknown")
        assert first.context is not None
        assert second.context is not None
        assert first.context.request != second.context.request
        assert str(second.context.request).startswith("req_")
        assert current() is None

    def test_background_tasks_have_the_actor_and_are_jobs(self, client: TestClient, log: Log) -> None:
        """What runs after the answer is told from the request, and still has the right actor."""
        client.post("/w1/later/7")

        asked, made = entries(log)
        assert asked.context is not None
        assert made.context is not None
        assert (asked.context.source, made.context.source) == ("web", "job")
        assert made.actor == user("aisha")
        assert made.context.request == asked.context.request


class TestASGI:
    """The protocol, without a framework around."""

    def call(self, app: Any, **scope: Any) -> list[dict[str, Any]]:
        """Call an application once and return what it sent."""
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        full = {"type": "http", "method": "GET", "path": "/", "headers": [], "client": ("203.0.113.7", 1), **scope}
        asyncio.run(app(full, receive, send))
        return sent

    def test_work_that_outlives_the_request_is_sealed(self) -> None:
        """It reads the right actor, and can no longer change it."""
        seen: dict[str, Any] = {}
        tasks: list[asyncio.Task[None]] = []

        async def after(done: asyncio.Event) -> None:
            await done.wait()
            scope = current()
            assert scope is not None
            seen["actor"], seen["context"] = scope.actor, scope.context
            with pytest.raises(InvalidSetting, match="ended"):
                bind(actor=user("other"))

        async def app(scope: Any, receive: Any, send: Any) -> None:
            bind(actor=user("aisha"))
            seen["done"] = asyncio.Event()
            tasks.append(asyncio.create_task(after(seen["done"])))

        async def main() -> None:
            await ASGIMiddleware(app)({"type": "http", "headers": []}, None, None)  # type: ignore[arg-type]
            seen["done"].set()
            await tasks[0]

        asyncio.run(main())
        assert seen["actor"] == user("aisha")
        assert seen["context"].source == "job"

    def test_streaming_goes_through_piece_by_piece(self, capture: Capture, log: Log) -> None:
        """What is recorded while the body is made belongs to the request, and nothing is held back."""
        sent: list[bytes] = []
        ahead: list[int] = []

        async def body(request: Request) -> StreamingResponse:
            async def pieces() -> AsyncIterator[bytes]:
                for number in range(3):
                    ahead.append(number - len(sent))
                    capture.record("piece.sent", ("piece", str(number)), actor=user("a"), workspace="w1")
                    yield b"x"

            return StreamingResponse(pieces())

        async def send(message: Any) -> None:
            if message.get("body"):
                sent.append(message["body"])

        async def receive() -> Any:
            await asyncio.sleep(60)

        app = ASGIMiddleware(Starlette(routes=[Route("/{id}", body)]))
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": "/7",
            "headers": [],
            "query_string": b"",
            "client": None,
        }
        asyncio.run(app(scope, receive, send))

        assert ahead == [0, 0, 0]
        assert len({entry.context.request for entry in entries(log) if entry.context}) == 1
        assert entries(log)[0].details == {"route": "GET /{id}"}

    def test_lifespan_and_websockets(self) -> None:
        """Lifespan is none of its business; a socket is one scope from its opening to its end."""
        seen: list[Any] = []

        @asynccontextmanager
        async def lifespan(app: Any) -> AsyncIterator[None]:
            seen.append(current())
            yield

        async def talk(socket: WebSocket) -> None:
            await socket.accept()
            bind(actor=user(await socket.receive_text()))
            await socket.receive_text()
            scope = current()
            assert scope is not None
            seen.append((scope.actor, scope.get("route")))
            await socket.send_text("done")
            await socket.close()

        app = Starlette(routes=[WebSocketRoute("/talk/{room}", talk)], lifespan=lifespan)
        app.add_middleware(ASGIMiddleware)
        with TestClient(app) as client, client.websocket_connect("/talk/1") as socket:
            socket.send_text("aisha")
            socket.send_text("hello")
            assert socket.receive_text() == "done"
        assert seen == [None, (user("aisha"), "WEBSOCKET /talk/{room}")]

    def test_twice_around_is_once(self) -> None:
        """A mounted application with the middleware of its own joins the request that is there."""
        scopes: list[Scope | None] = []

        async def page(request: Request) -> PlainTextResponse:
            scopes.append(current())
            return PlainTextResponse(request.scope["whodid"].get("request"))

        inner = Starlette(routes=[Route("/", page)])
        inner.add_middleware(ASGIMiddleware)
        outer = Starlette(routes=[Mount("/in", inner)])
        outer.add_middleware(ASGIMiddleware)
        answer = TestClient(outer).get("/in/")
        assert answer.text == answer.headers["x-request-id"]
        assert scopes[0] is not None
        assert scopes[0].parent is None

    def test_settings(self) -> None:
        """A fixed workspace, an actor of the framework, a source by path, no header in the answer, no route."""
        seen: list[Scope] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["whodid"])
            scope["user"] = "aisha"
            await send({"type": "http.response.start", "status": 404, "headers": [(b"X-Request-Id", b"mine")]})

        made = ASGIMiddleware(
            app,
            workspace="w1",
            actor=lambda scope: user(scope["user"]),
            source=lambda scope: "api" if scope["path"].startswith("/api") else "web",
        )
        sent = self.call(made, path="/api/x?token=hunter2", headers=[(b"user-agent", b"\xff" * 2000)])
        assert sent[0]["headers"] == [(b"X-Request-Id", b"mine")]
        (scope,) = seen
        assert (scope.workspace, scope.actor, scope.get("route")) == ("w1", user("aisha"), None)
        assert scope.context is not None
        assert len(scope.context.user_agent or "") == 500
        silent = ASGIMiddleware(app, answer_request_id=False)
        assert len(self.call(silent)[0]["headers"]) == 1

    def test_cancelling_ends_the_scope(self) -> None:
        """A request whose client is gone leaves nothing behind."""
        scopes: list[Scope] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scopes.append(scope["whodid"])
            await asyncio.sleep(60)

        async def main() -> None:
            task = asyncio.create_task(ASGIMiddleware(app)({"type": "http"}, None, None))  # type: ignore[arg-type]
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())
        assert scopes[0].sealed

    def test_background_tasks_outside_of_every_scope_run_as_before(self) -> None:
        """The mark on Starlette's tasks changes nothing for others."""

        async def page(request: Request) -> JSONResponse:
            from starlette.background import BackgroundTask

            return JSONResponse({}, background=BackgroundTask(ran.append, 1))

        ran: list[int] = []
        assert TestClient(Starlette(routes=[Route("/", page)])).get("/").status_code == 200
        assert ran == [1]


class TestWSGI:
    """Flask, and the protocol itself."""

    def answer(self, app: Any, **environ: Any) -> tuple[dict[str, str], Any]:
        """Call an application and return the headers and the answer."""
        headers: dict[str, str] = {}

        def start(status: str, listed: list[tuple[str, str]], *_: Any) -> None:
            headers.update(listed)

        return headers, app({"REQUEST_METHOD": "GET", "PATH_INFO": "/", **environ}, start)

    def test_flask(self, capture: Capture, log: Log) -> None:
        """Two lines; the scope is open until the last piece of a streamed answer."""
        app = Flask("shop")
        app.wsgi_app = WSGIMiddleware(app.wsgi_app, workspace="w1", trusted_proxies=1)  # type: ignore[method-assign]

        @app.before_request
        def sign_in() -> None:
            bind(actor=user(flask_request.headers["x-user"]))

        @app.post("/things/<thing>")
        def make(thing: str) -> str:
            return capture.record("thing.made", ("thing", thing))

        @app.get("/export")
        def export() -> Response:
            def rows() -> Generator[str, None, None]:
                for number in range(2):
                    capture.record("row.sent", ("row", str(number)))
                    yield str(number)

            return Response(rows())

        client = app.test_client()
        answer = client.post("/things/7", headers={"x-user": "aisha", "x-forwarded-for": "203.0.113.7"})
        assert client.get("/export", headers={"x-user": "maria"}).text == "01"

        made, first, second = entries(log)
        assert (made.id, made.actor, made.details) == (answer.text, user("aisha"), {"route": "POST /things/<thing>"})
        assert made.context is not None
        assert (made.context.ip, made.context.request) == ("203.0.113.7", answer.headers["X-Request-Id"])
        assert first.actor == second.actor == user("maria")
        assert first.context == second.context != made.context
        assert current() is None

    def test_answers_that_a_server_interleaves(self) -> None:
        """Between two pieces the scope is not in force, and each answer goes on under its own."""
        ended: list[str] = []

        def app(environ: dict[str, Any], start: Any) -> Generator[bytes, None, None]:
            name = environ["user"]
            bind(actor=user(name))
            start("200 OK", [])
            try:
                with context(batch=name):
                    for _ in range(2):
                        scope = current()
                        assert scope is not None
                        yield f"{scope.actor and scope.actor.id} {scope.get('batch')}".encode()
            finally:
                ended.append(name)

        middleware = WSGIMiddleware(app)
        environs: list[dict[str, Any]] = [{"user": "a"}, {"user": "b"}]
        answers = [self.answer(middleware, **environ)[1] for environ in environs]
        steps = [iter(answer) for answer in answers]
        assert [next(step) for step in (*steps, *steps)] == [b"a a", b"b b", b"a a", b"b b"]
        assert current() is None
        for answer in answers:
            answer.close()
        assert ended == ["a", "b"]
        assert current() is None

    def test_the_scope_ends_with_the_answer(self) -> None:
        """At its closing; at once when the application fails; and a file goes to the server as it is."""
        scopes: list[Scope] = []

        def app(environ: dict[str, Any], start: Any) -> Any:
            scopes.append(environ["whodid"])
            if environ["PATH_INFO"] == "/broken":
                raise ZeroDivisionError
            start("200 OK", [("x-request-id", "mine")])
            return FileWrapper(io.BytesIO(b"file")) if environ["PATH_INFO"] == "/file" else [b"x"]

        middleware = WSGIMiddleware(app)
        headers, answer = self.answer(middleware, REMOTE_ADDR="::ffff:203.0.113.7")
        assert headers == {"x-request-id": "mine"}
        assert list(answer) == [b"x"]
        before = scopes[0].sealed
        answer.close()
        assert (before, scopes[0].sealed) == (False, True)
        assert scopes[0].context is not None
        assert scopes[0].context.ip == "203.0.113.7"

        with pytest.raises(ZeroDivisionError):
            self.answer(middleware, PATH_INFO="/broken")
        _, file = self.answer(middleware, PATH_INFO="/file", **{"wsgi.file_wrapper": FileWrapper})
        assert type(file) is FileWrapper
        assert [scope.sealed for scope in scopes] == [True, True, True]
        assert current() is None

    def test_twice_around_is_once(self) -> None:
        """The inner one joins."""
        requests: list[str] = []

        def app(environ: dict[str, Any], start: Any) -> list[bytes]:
            scope = current()
            requests.append(str(scope is environ["whodid"]))
            start("200 OK", [])
            return []

        headers, _ = self.answer(WSGIMiddleware(WSGIMiddleware(app), answer_request_id=False))
        assert requests == ["True"]
        assert headers == {}


def test_the_other_header_of_proxies() -> None:
    """Where proxies write `Forwarded` (RFC 7239), that one is read, and the other one is not believed."""
    forwarded, other = 'for=198.51.100.1, for="203.0.113.9"', "192.0.2.66"
    seen: list[tuple[Any, Any]] = []

    def look() -> None:
        at = current()
        assert at is not None
        seen.append((at.get("ip"), at.get("forwarded_ip")))

    async def asgi(_scope: Any, _receive: Any, _send: Any) -> None:
        look()

    def wsgi(_environ: Any, start: Any) -> list[bytes]:
        look()
        start("204 No Content", [])
        return []

    headers = [(b"forwarded", forwarded.encode()), (b"x-forwarded-for", other.encode())]
    TestASGI().call(ASGIMiddleware(asgi, trusted_proxies=1, forwarded_header="forwarded"), headers=headers)
    environ = {"REQUEST_METHOD": "GET", "REMOTE_ADDR": "203.0.113.7", "HTTP_FORWARDED": forwarded}
    around = WSGIMiddleware(wsgi, trusted_proxies=1, forwarded_header="forwarded")
    list(around({**environ, "HTTP_X_FORWARDED_FOR": other}, lambda *_: None))
    assert seen == [("203.0.113.9", "198.51.100.1")] * 2
