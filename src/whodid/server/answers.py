"""A request and its answer as plain values.

Routes are synchronous functions from `Call` to `Answer` and know no web framework: they run in threads, and a test can
call them. What turns HTTP into a `Call` and an `Answer` into HTTP is `app`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from whodid.canonical import encode
from whodid.capture.middleware import parse_address
from whodid.errors import InvalidSetting
from whodid.model import Context, Source
from whodid.server.described import Description, Endpoint

__all__ = ["READING", "Answer", "Call", "Handler", "answer_json", "media_type_of", "network_context"]

READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""


_AGENT = 500


class Call(Struct, frozen=True, kw_only=True):
    """One request.

    Args:
        path: Values that the route took from the path.
        query: Parameters in their order, repeated ones included.
        headers: Names in lower case.
        client: Address of the client, or None when the transport does not know one.
        secure: Whether the client came by https.
        base: Path under which the application is mounted, without a slash at its end.
        request_id: Name of this request in answers and in the server's own log.
    """

    method: str
    path: Mapping[str, str]
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    client: str | None
    secure: bool
    base: str
    request_id: str


class Answer(Struct, frozen=True, kw_only=True):
    """One answer.

    Args:
        body: The bytes, or an iterator that makes them while they are sent.
        headers: Besides content type and length and the ones that every answer carries.
    """

    status: int = 200
    body: bytes | Iterator[bytes] = b""
    media_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


class Handler(Struct, frozen=True):
    """A method and an address, and the function that answers there.

    Args:
        path: Pattern with `{name}` for one segment and `{name:path}` for the rest.
        largest: Bytes that a body may have.
        spoken: Turns every answer into the form that the clients of this route read, problems above all; it is told
            the media type of the request.
        apart: Whether it does not wait for its turn with those that work on the store.
        brings: Whether it takes in events: it has threads of its own, so that those who read do not wait for them.
        keeps: Whether its clients never send again: it has threads of its own, many more of them may wait, and it
            takes in to the last, while the server stops as well.
        described: What the reference says about it; under `/v1` there is no handler without, except for those that
            speak in the form of another product.
    """

    method: str
    path: str
    answer: Callable[[Call], Answer]
    largest: int = 64 * 1024
    spoken: Callable[[Answer, str], Answer] | None = None
    apart: bool = False
    brings: bool = False
    keeps: bool = False
    described: Description | None = None

    def __post_init__(self) -> None:
        if self.described is None and self.spoken is None and self.path.startswith("/v1/"):
            raise InvalidSetting(f"{self.method} {self.path} is not described", "Say what it takes and answers")

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """What of it belongs into the description of the API: nothing, or itself."""
        return () if self.described is None else (Endpoint(self.method, self.path, self.described),)


def answer_json(
    value: Any,
    *,
    status: int = 200,
    media_type: str = "application/json",
    headers: tuple[tuple[str, str], ...] = (("Cache-Control", "no-store"),),
) -> Answer:
    """Answer with a JSON value."""
    return Answer(status=status, body=encode(value), media_type=media_type, headers=headers)


def media_type_of(header: str) -> str:
    """Return what Content-Type names, without its parameters."""
    return header.partition(";")[0].strip().lower()


def network_context(source: Source, client: str | None, agent: str, request_id: str) -> Context:
    """Return a context of what the network says, with nothing in it that an event may not hold."""
    shown = _printable(agent)[:_AGENT]
    return Context(source=source, ip=parse_address(client), user_agent=shown or None, request=request_id)


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())
