"""A host application with the viewer in its page, in a real browser: a world for the tests of the viewer.

A page that complains (a script error, a violated policy, a failed request that was not forgiven) fails its test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from tests.browsing import Browser, Locator, Page, expect
from tests.listening import listening
from tests.serving import ALL, HOME, NOW, SECRET, Clock, event, open_log, record, token
from whodid import Context, Log, Resource
from whodid.server import asgi

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "require-trusted-types-for 'script'; base-uri 'none'; form-action 'none'"
)
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Host</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/host.css">
<script type="module" src="/audit/static/viewer.js"></script><script type="module" src="/host.js"></script>
<audit-log-viewer api="/audit" url-sync open-types="contact"></audit-log-viewer></html>"""
SCRIPT = """
const viewer = document.querySelector("audit-log-viewer");
window.seen = [];
for (const name of ["alv-ready", "alv-state", "alv-error", "alv-open-resource"])
  viewer.addEventListener(name, (event) => window.seen.push([name, event.detail]));
viewer.getToken = () => fetch("/token", { method: "POST" }).then((answer) => answer.text());
"""
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@dataclass
class World:
    """A host application with the log of one workspace, and what its pages asked for."""

    log: Log
    address: str = ""
    permissions: tuple[str, ...] = ALL
    expired: bool = False
    locked: str = ""
    tokens: list[str] = field(default_factory=list)

    def token(self, _: Request) -> PlainTextResponse:
        """Say who is looking; an expired token if the test wants one."""
        age = timedelta(hours=1) if self.expired else timedelta()
        self.tokens.append(token(permissions=self.permissions, locked=self.locked or None, now=NOW - age))
        return PlainTextResponse(self.tokens[-1])


@contextmanager
def serving(world: World) -> Iterator[None]:
    """Serve the host application on a free port."""

    def host(_: Request) -> HTMLResponse:
        return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})

    def asset(text: str, media_type: str) -> Callable[[Request], Response]:
        return lambda _: Response(text, media_type=media_type)

    app = Starlette(
        routes=[
            Route("/", host),
            Route("/host.css", asset("body{margin:0}", "text/css")),
            Route("/host.js", asset(SCRIPT, "text/javascript")),
            Route("/token", world.token, methods=["POST"]),
            Mount("/audit", asgi(world.log, secret=SECRET)),
        ]
    )
    with listening(app) as world.address:
        yield


@contextmanager
def open_world() -> Iterator[World]:
    """Open a log with the story and two days of ordinary work, and serve it."""
    web = Context(source="web", ip="83.45.112.9", country="ES", city="Madrid")
    with open_log(Clock()) as log:
        record(
            log,
            HOME,
            [
                event(
                    1000 + n,
                    "contact.updated",
                    ago=timedelta(days=3.5, minutes=20 * n),
                    resource=Resource(type="contact", id=f"con_{n}", name=f"Contact {n}"),
                    context=web,
                )
                for n in range(140)
            ],
        )
        made = World(log)
        with serving(made):
            yield made


class Visit:
    """A page of the host with the viewer in it. Whatever it complains about fails the test."""

    def __init__(self, page: Page, world: World) -> None:
        self.page = page
        self.world = world
        self.viewer = page.locator("audit-log-viewer")
        self.forgiven = 0

    def go(self, query: str = "") -> Visit:
        """Open the page and wait for the list, or for what stands in its place."""
        self.page.goto(f"{self.world.address}/{query}")
        expect(self.viewer.locator(".row[data-index], .empty, .wrong").first).to_be_visible()
        return self

    def row(self, text: str) -> Locator:
        """Find the link of an entry by the beginning of its sentence."""
        return self.viewer.get_by_role("link", name=text).first

    @property
    def drawer(self) -> Locator:
        """The details of the open entry."""
        return self.viewer.locator(".drawer")

    def heading(self, text: str) -> None:
        """Insist that the drawer shows an entry."""
        expect(self.drawer.get_by_role("heading", name=text)).to_be_visible()

    def focused(self) -> str:
        """Return the name of what has the focus inside the viewer."""
        name: str = self.page.evaluate(
            """() => { const at = document.querySelector("audit-log-viewer").shadowRoot.activeElement;
                       return at ? at.getAttribute("aria-label") ?? at.textContent : ""; }"""
        )
        return name


@contextmanager
def visiting(browser: Browser, world: World) -> Iterator[Callable[..., Visit]]:
    """Give a function that opens a page in a context of its own, at the moment of the story."""
    complaints: list[str] = []
    contexts = []

    def opening(query: str = "", *, size: Any = WIDE, forgive: str = "", **more: Any) -> Visit:
        context = browser.new_context(viewport=size, timezone_id="Europe/Madrid", locale="en-GB", **more)
        contexts.append(context)
        page = context.new_page()
        page.clock.set_fixed_time(NOW)
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text)
                if message.type == "error" and not (forgive and forgive in message.text)
                else None
            ),
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return Visit(page, world).go(query)

    yield opening
    world.permissions, world.expired, world.locked = ALL, False, ""
    for context in contexts:
        context.close()
    assert complaints == []
