"""What is around every request, whatever it asks: its id, its security headers, its line, its time, and the end.

Plain ASGI, because every event passes here. A server that is asked to stop takes in nothing new, says when to come
back (each door in its own form), and lets no connection live on; what is under way is finished.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from whodid.server.answers import READING, Answer
from whodid.server.logs import note_request
from whodid.server.meter import Meter
from whodid.server.origins import Origins
from whodid.server.traces import Span, Tracer

__all__ = ["UNKNOWN", "Frame"]

UNKNOWN = "(none)"
"""The route of a request that no route took."""

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{8,64}")
_METHODS = READING | {"POST", "PUT", "PATCH", "DELETE"}
_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    # Answers of the API are data: nothing in them may run, load, or be framed, should a browser show one. The page
    # brings its own policy.
    (
        b"content-security-policy",
        b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)


class Frame:
    """The application around the application.

    Args:
        app: Answers requests; it leaves the pattern of the address as `route` in the state of the scope.
        trust_ids: Whether a proxy of ours gives requests their ids.
        ending: Tells whether the server is asked to stop.
        crowded: Tells whether connections are to end with their answers, to make room for others.
    """

    def __init__(
        self,
        app: _App,
        *,
        trust_ids: bool,
        origins: Origins,
        meter: Meter,
        tracer: Tracer,
        ending: Callable[[], bool],
        crowded: Callable[[], bool],
    ) -> None:
        self._app = app
        self._trust_ids = trust_ids
        self._origins = origins
        self._meter = meter
        self._tracer = tracer
        self._ending = ending
        self._crowded = crowded

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with self._tracer.request(scope["method"], scope["headers"]) as span:
            await self._framed(scope, receive, send, span)

    async def _framed(self, scope: _Message, receive: _Receive, send: _Send, span: Span) -> None:
        began = time.perf_counter()
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
        request_id = self._request_id(headers)
        # A host that mounts the application may share its state between requests; ours is per request.
        state = scope["state"] = {**scope.get("state", {}), "request_id": request_id, "route": UNKNOWN}
        path = str(scope["path"]).removeprefix(str(scope.get("root_path", "")).rstrip("/"))
        ends = self._ending() or self._crowded()
        added = [(name.lower().encode(), value.encode()) for name, value in self._origins.headers(path, headers)]
        method = scope["method"] if scope["method"] in _METHODS else "other"
        status, whole = 0, False

        async def framed(message: _Message) -> None:
            nonlocal status, whole
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = self._headers([*message["headers"], *added], request_id, ends=ends)
                self._meter.answered(state["route"], method, status, time.perf_counter() - began)
            elif message["type"] == "http.response.body" and not message.get("more_body"):
                whole = True
            await send(message)

        try:
            asked = self._origins.preflight(scope["method"], path, headers)
            if asked is not None:
                added = []
                await _send(asked, framed)
            else:
                await self._app(scope, receive, framed)
        finally:
            route = state["route"]
            span.named(f"{method} {route}")
            span.tell(
                {
                    "http.request.method": method,
                    "http.route": route,
                    "http.response.status_code": status,
                    "whodid.request_id": request_id,
                },
                failed=status >= 500 or not whole,
            )
            note_request(
                request_id=request_id,
                route=route,
                method=method,
                status=status,
                seconds=time.perf_counter() - began,
                whole=whole,
            )

    @staticmethod
    def _headers(sent: list[tuple[bytes, bytes]], request_id: str, *, ends: bool) -> list[tuple[bytes, bytes]]:
        present = {name.lower() for name, _ in sent}
        sent += [pair for pair in _HEADERS if pair[0] not in present]
        sent.append((b"x-request-id", request_id.encode()))
        if ends:
            sent.append((b"connection", b"close"))
        return sent

    def _request_id(self, headers: dict[str, str]) -> str:
        if self._trust_ids:
            sent = headers.get("x-request-id", "")
            if _REQUEST_ID.fullmatch(sent):
                return sent
        return f"req_{secrets.token_hex(8)}"


async def _send(answer: Answer, send: _Send) -> None:
    body = answer.body if isinstance(answer.body, bytes) else b""
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers]
    if answer.media_type is not None:
        headers.append((b"content-type", answer.media_type.encode()))
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
