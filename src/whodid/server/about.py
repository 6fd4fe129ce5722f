"""`GET /v1/openapi.json` and `GET /docs`: what the application answers to, for programs and for people."""

from __future__ import annotations

import hashlib
import html
import threading
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any

import msgspec
from msgspec import Struct

from whodid.server.answers import Answer, Call, Handler
from whodid.server.described import Description, Endpoint, Form, Reply
from whodid.server.manual import POLICY, write_manual
from whodid.server.openapi import VERSION, document
from whodid.server.pages import Pages
from whodid.viewer import asks

__all__ = ["About"]


class OpenApi(Struct, frozen=True, kw_only=True):
    """An OpenAPI document."""

    openapi: str
    info: dict[str, Any]
    servers: list[dict[str, Any]]
    tags: list[dict[str, Any]]
    paths: dict[str, Any]
    components: dict[str, Any]


_DESCRIBED = Description(
    name="describe",
    area="About",
    does="Read this description",
    answers=f"the API as an [OpenAPI](https://spec.openapis.org/oas/v{VERSION}) document",
    replies=(Reply(200, "The document.", (Form(OpenApi),)),),
    tagged=True,
)


class _Made(Struct, frozen=True):
    body: bytes
    media_type: str
    headers: tuple[tuple[str, str], ...]
    tag: str


class About:
    """The description of the API.

    Args:
        endpoints: What the application answers to, besides these.
        pages: Knows the address of the style sheet.
    """

    def __init__(self, endpoints: Iterable[Endpoint], *, pages: Pages) -> None:
        self._pages = pages
        self.handlers = (
            Handler("GET", "/v1/openapi.json", self._document, described=_DESCRIBED),
            Handler("GET", "/docs", self._manual),
        )
        self.endpoints = (*endpoints, *(one for handler in self.handlers for one in handler.endpoints))
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str], _Made] = {}

    def _document(self, call: Call) -> Answer:
        asks.parameters(call.query, *_DESCRIBED.takes)
        return self._kept(call, "document", lambda: _made(msgspec.json.encode(self._describe(call))))

    def _manual(self, call: Call) -> Answer:
        asks.parameters(call.query)
        return self._kept(call, "manual", lambda: self._page(call))

    def _describe(self, call: Call) -> dict[str, Any]:
        return document(self.endpoints, version=version("whodid"), base=call.base)

    def _page(self, call: Call) -> _Made:
        # Through JSON: what the page shows is what the document says.
        described = msgspec.json.decode(msgspec.json.encode(self._describe(call)))
        source = html.escape(f"{call.base}/v1/openapi.json")
        text = write_manual(described, style=self._pages.address(call.base, "docs.css"), source=source)
        return _made(text.encode(), "text/html; charset=utf-8", (("Content-Security-Policy", POLICY),))

    def _kept(self, call: Call, name: str, make: Callable[[], _Made]) -> Answer:
        """Answer with what is made once; where the application is mounted is the host's to say and does not change."""
        with self._lock:
            made = self._made.get((name, call.base))
            if made is None:
                self._made = {key: one for key, one in self._made.items() if key[1] == call.base}
                made = self._made[name, call.base] = make()
        headers = (("ETag", made.tag), ("Cache-Control", "public, no-cache"), *made.headers)
        if made.tag in [part.strip().removeprefix("W/") for part in call.headers.get("if-none-match", "").split(",")]:
            return Answer(status=304, headers=headers)
        return Answer(body=made.body, media_type=made.media_type, headers=headers)


def _made(body: bytes, media_type: str = "application/json", headers: tuple[tuple[str, str], ...] = ()) -> _Made:
    return _Made(body, media_type, headers, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
