"""`GET /v1/openapi.json`: what the application answers to, as an OpenAPI document."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import msgspec
from msgspec import Struct

from whodid.server.answers import Answer, Call, Handler
from whodid.server.described import Description, Endpoint, Form, Reply
from whodid.server.openapi import VERSION, document
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
    tag: str


class About:
    """The description of the API.

    Args:
        endpoints: What the application answers to, besides these.
    """

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self.handlers = (Handler("GET", "/v1/openapi.json", self._document, described=_DESCRIBED),)
        self.endpoints = (*endpoints, *(one for handler in self.handlers for one in handler.endpoints))
        self._lock = threading.Lock()
        self._made: dict[str, _Made] = {}

    def _document(self, call: Call) -> Answer:
        asks.parameters(call.query, *_DESCRIBED.takes)
        with self._lock:
            made = self._made.get(call.base)
            if made is None:
                body = msgspec.json.encode(document(self.endpoints, version=version("whodid"), base=call.base))
                # Where it is mounted is the host's to say and does not change; were it to, one is remembered.
                self._made = {call.base: (made := _Made(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'))}
        headers = (("ETag", made.tag), ("Cache-Control", "public, no-cache"))
        if made.tag in [part.strip() for part in call.headers.get("if-none-match", "").split(",")]:
            return Answer(status=304, headers=headers)
        return Answer(body=made.body, media_type="application/json", headers=headers)
