"""Middleware for ASGI applications: one scope around each request and each WebSocket.

It is a plain ASGI application: it never reads or holds back a body, runs the application in the caller's own task and
context, and lets streaming, cancelling and lifespan through as they are. FastAPI and Starlette take it as any other:

    app.add_middleware(ASGIMiddleware, trusted_proxies=1)
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import wraps
from typing import Any

from whodid.capture.context import context, current
from whodid.capture.middleware.addresses import Header
from whodid.capture.middleware.door import Door
from whodid.model import Actor, Source

__all__ = ["ASGIMiddleware"]

_Scope = MutableMapping[str, Any]
_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Scope, _Receive, _Send], Awaitable[None]]

_KEY = "whodid"
_ID = b"x-request-id"


class ASGIMiddleware:
    """Opens a scope around each request, with its address, id, agent and route; `bind` fills in who acts.

    The scope is a cell that copies of the context share: an actor that a synchronous dependency binds in a thread is
    seen by the whole request. It is sealed when the application is done with the request; what still runs then keeps
    the actor and has the source `job`, and so have Starlette's background tasks. It stands in the ASGI scope as
    `scope["whodid"]`.

    Args:
        app: The application.
        workspace: A name, or a function of the ASGI scope, asked when an event needs it.
        actor: A function of the ASGI scope, asked when an event needs it and nobody bound an actor.
        trusted_proxies: How many proxies of yours stand in front, or their networks; 0 believes no forwarded address
            and no request id.
        forwarded_header: Where they write what they saw: `x-forwarded-for` or `forwarded`.
        source: Where events come from, or a function of the ASGI scope.
        answer_request_id: Whether answers name the request in `X-Request-Id`.
    """

    def __init__(
        self,
        app: _App,
        *,
        workspace: str | Callable[[_Scope], str | None] | None = None,
        actor: Callable[[_Scope], Actor | None] | None = None,
        trusted_proxies: int | Iterable[str] = 0,
        forwarded_header: Header = "x-forwarded-for",
        source: Source | Callable[[_Scope], Source] = "web",
        answer_request_id: bool = True,
    ) -> None:
        self._app = app
        self._answer = answer_request_id
        self._door = Door[_Scope](
            workspace=workspace,
            actor=actor,
            trusted_proxies=trusted_proxies,
            forwarded_header=forwarded_header,
            source=source,
        )
        self._forwarded = forwarded_header.encode()

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Serve a connection; see ASGI."""
        if scope["type"] not in ("http", "websocket") or _KEY in scope:
            await self._app(scope, receive, send)
            return
        _mark_background_tasks()
        headers: dict[bytes, bytes] = {}
        forwarded: list[str] = []
        for name, value in scope.get("headers", ()):
            if name == self._forwarded:
                forwarded.append(value.decode("latin-1"))
            else:
                headers.setdefault(name, value)
        values = self._door.values(
            scope,
            peer=scope["client"][0] if scope.get("client") else None,
            forwarded=forwarded,
            agent=headers.get(b"user-agent", b"").decode("latin-1"),
            request_id=headers.get(_ID, b"").decode("latin-1"),
            route=lambda: _route(scope),
        )
        with context(**values) as opened:
            scope[_KEY] = opened
            if self._answer and scope["type"] == "http":
                send = _naming(send, str(values["request"]).encode())
            await self._app(scope, receive, send)


def _naming(send: _Send, request_id: bytes) -> _Send:
    """Return a `send` that names the request in the answer, unless the application did."""

    async def named(message: _Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            if not any(name.lower() == _ID for name, _ in headers):
                message = {**message, "headers": [*headers, (_ID, request_id)]}
        await send(message)

    return named


def _route(scope: _Scope) -> str | None:
    """Return method and template of the route (`PUT /contacts/{id}`), or None before it is known."""
    template = getattr(scope.get("route"), "path_format", None)
    if template is None:
        if "endpoint" not in scope:
            return None
        # Starlette does not say which route it was. Its parameters are taken out of the path instead.
        template = scope["path"]
        for name, value in scope.get("path_params", {}).items():
            template = template.replace(str(value), f"{{{name}}}", 1) if value != "" else template
    return f"{scope.get('method', 'WEBSOCKET')} {template}"


def _mark_background_tasks() -> None:
    """Give Starlette's background tasks a scope of their own: they run inside the request, after its answer."""
    module = sys.modules.get("starlette.background")
    task = getattr(module, "BackgroundTask", None)
    if task is None or hasattr(task.__call__, _KEY):
        return
    original = task.__call__

    @wraps(original)
    async def called(self: Any) -> None:
        if current() is None:
            await original(self)
            return
        with context(source="job"):
            await original(self)

    setattr(called, _KEY, True)
    task.__call__ = called
