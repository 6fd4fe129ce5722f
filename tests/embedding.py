"""Two servers of two origins: one has the log, the other's pages show it. What tests of embedding stand on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.browsing import Browser, Page, watched
from tests.listening import listening
from tests.serving import NOW, SECRET, Clock, open_log, token
from whodid.server import asgi

_POLICY = (
    "default-src 'none'; script-src 'self' {audit}; connect-src 'self' {audit}; frame-src {audit}; style-src 'self'; "
    "img-src 'self' data:; require-trusted-types-for 'script'; base-uri 'none'; form-action 'none'"
)
_HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Host</title><link rel="icon" href="data:,">'
_COMPONENT = """<script type="module" src="{audit}/static/{file}" integrity="{integrity}" crossorigin></script>
<script type="module" src="/host.js"></script><audit-log-viewer api="{audit}" {attributes}></audit-log-viewer></html>"""
_FRAME = """<script type="module" src="/framing.js"></script>
<iframe id="log" src="{audit}/embed{query}" width="1200" height="300"></iframe></html>"""
_COMPONENT_SCRIPT = """
const viewer = document.querySelector("audit-log-viewer");
window.seen = [];
for (const name of ["state", "error", "open-log", "open-resource"])
  viewer.addEventListener(`alv-${name}`, (event) => window.seen.push([name, event.detail]));
viewer.getToken = () => fetch("/token", { method: "POST" }).then((answer) => answer.text());
"""
_FRAME_SCRIPT = """
import { connect } from "%s/static/frame.js";
window.seen = [];
const getToken = () => fetch("/token", { method: "POST" }).then((answer) => answer.text());
const on = (name, detail) => window.seen.push([name, detail]);
connect(document.querySelector("#log"), { getToken, maxHeight: 800, on });
"""


@dataclass
class Two:
    """The address of the log, that of the host, what the host's tokens say, and how many of the next are too old."""

    audit: str = ""
    host: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    expired: int = 0


@contextmanager
def two_origins(*, listed: bool = True) -> Iterator[Two]:
    """Serve a log at 127.0.0.1 and a host application at localhost.

    Args:
        listed: Whether the log's server lists the host's origin.
    """
    two = Two()

    def answer(body: str) -> HTMLResponse:
        return HTMLResponse(_HEAD + body, headers={"Content-Security-Policy": _POLICY.format(audit=two.audit)})

    def component(request: Request) -> Response:
        named = {"file": "viewer.js", "integrity": "", **dict(request.query_params)}
        return answer(_COMPONENT.format(audit=two.audit, **{"attributes": "", **named}))

    def frame(request: Request) -> Response:
        return answer(_FRAME.format(audit=two.audit, query=f"?{request.url.query}" if request.url.query else ""))

    def mint(_: Request) -> Response:
        two.expired, old = max(two.expired - 1, 0), two.expired > 0
        return PlainTextResponse(token(**{**two.claims, **({"now": NOW - timedelta(hours=1)} if old else {})}))

    def script(text: str) -> Response:
        return Response(text, media_type="text/javascript")

    app = Starlette(
        routes=[
            Route("/component", component),
            Route("/frame", frame),
            Route("/token", mint, methods=["POST"]),
            Route("/host.js", lambda _: script(_COMPONENT_SCRIPT)),
            Route("/framing.js", lambda _: script(_FRAME_SCRIPT % two.audit)),
        ]
    )
    with open_log(Clock()) as log, listening(app, "localhost") as two.host:
        origins = [two.host] if listed else []
        with listening(asgi(log, secret=SECRET, origins=origins)) as two.audit:
            yield two


@contextmanager
def visited(browser: Browser, two: Two, *foreseen: str, **options: Any) -> Iterator[Page]:
    """Open a page of the host at the moment of the story; complaints that nothing foresaw fail, as do cookies."""
    with watched(browser, "http://", **options) as (context, watch):
        for pattern in foreseen:
            watch.foresee(pattern)
        page = context.new_page()
        page.clock.set_fixed_time(NOW)
        yield page
        assert context.cookies() == []
    two.claims.clear()
