"""Middleware for WSGI applications: one scope around each request, until its last byte is sent.

app.wsgi_app = WSGIMiddleware(app.wsgi_app, trusted_proxies=1)  # Flask
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from whodid.capture.context import Scope, context, current, entered
from whodid.capture.middleware.addresses import Header
from whodid.capture.middleware.door import Door
from whodid.model import Actor, Source

__all__ = ["WSGIMiddleware"]

_Environ = dict[str, Any]
_App = Callable[[_Environ, Callable[..., Any]], Iterable[bytes]]

_KEY = "whodid"


class WSGIMiddleware:
    """Opens a scope around each request, with its address, id, agent and route; `bind` fills in who acts.

    The scope stays open while the server iterates the answer, also through a generator, and is sealed when the answer
    is closed. Between two pieces of the answer it is not in force, so a server may serve others there. It stands in
    the environment as `environ["whodid"]`.

    Args:
        app: The application.
        workspace: A name, or a function of the environment, asked when an event needs it.
        actor: A function of the environment, asked when an event needs it and nobody bound an actor.
        trusted_proxies: How many proxies of yours stand in front, or their networks; 0 believes no forwarded address
            and no request id.
        forwarded_header: Where they write what they saw: `x-forwarded-for` or `forwarded`.
        source: Where events come from, or a function of the environment.
        answer_request_id: Whether answers name the request in `X-Request-Id`.
    """

    def __init__(
        self,
        app: _App,
        *,
        workspace: str | Callable[[_Environ], str | None] | None = None,
        actor: Callable[[_Environ], Actor | None] | None = None,
        trusted_proxies: int | Iterable[str] = 0,
        forwarded_header: Header = "x-forwarded-for",
        source: Source | Callable[[_Environ], Source] = "web",
        answer_request_id: bool = True,
    ) -> None:
        self._app = app
        self._answer = answer_request_id
        self._door = Door[_Environ](
            workspace=workspace,
            actor=actor,
            trusted_proxies=trusted_proxies,
            forwarded_header=forwarded_header,
            source=source,
        )
        self._forwarded = "HTTP_" + forwarded_header.upper().replace("-", "_")

    def __call__(self, environ: _Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve a request; see PEP 3333."""
        if _KEY in environ:
            return self._app(environ, start_response)
        forwarded = environ.get(self._forwarded)
        values = self._door.values(
            environ,
            peer=environ.get("REMOTE_ADDR"),
            forwarded=[forwarded] if forwarded else [],
            agent=environ.get("HTTP_USER_AGENT"),
            request_id=environ.get("HTTP_X_REQUEST_ID"),
            route=lambda: _route(environ),
        )
        if self._answer:
            start_response = _naming(start_response, str(values["request"]))
        answer = _Answer(context(**values))
        return answer.begin(self._app, environ, start_response)


class _Answer:
    """An answer that is iterated under the scope of its request."""

    def __init__(self, opened: context) -> None:
        self._opened = opened
        self._scope: Scope | None = None
        self._parts: Iterable[bytes] = ()
        self._steps: Iterator[bytes] | None = None

    def begin(self, app: _App, environ: _Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        with entered(current()):
            environ[_KEY] = self._opened.__enter__()
            try:
                self._parts = app(environ, start_response)
            except BaseException:
                self._opened.__exit__(None, None, None)
                raise
            if type(self._parts) is environ.get("wsgi.file_wrapper"):
                # The server knows a quicker way to send a file, if it is given the very object.
                self._opened.__exit__(None, None, None)
                return self._parts
            self._scope = current()
        return self

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with entered(self._scope):
            if self._steps is None:
                self._steps = iter(self._parts)
            try:
                return next(self._steps)
            finally:
                self._scope = current()

    def close(self) -> None:
        """End the request: the server calls it, whatever happened."""
        with entered(self._scope):
            try:
                close = getattr(self._parts, "close", None)
                if close is not None:
                    close()
            finally:
                self._opened.__exit__(None, None, None)


def _naming(start_response: Callable[..., Any], request_id: str) -> Callable[..., Any]:
    """Return a `start_response` that names the request in the answer, unless the application did."""

    def named(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        if not any(name.lower() == "x-request-id" for name, _ in headers):
            headers = [*headers, ("X-Request-Id", request_id)]
        return start_response(status, headers, *rest)

    return named


def _route(environ: _Environ) -> str | None:
    """Return method and template of Flask's route (`PUT /contacts/<id>`), or None where it is not known."""
    rule = getattr(getattr(environ.get("werkzeug.request"), "url_rule", None), "rule", None)
    return None if rule is None else f"{environ.get('REQUEST_METHOD', 'GET')} {rule}"
