"""A request and its answer as plain values.

Routes are synchronous functions from `Call` to `Answer` and know no web framework: they run in threads, and a test can
call them. What turns HTTP into a `Call` and an `Answer` into HTTP is `app`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from whodid.canonical import encode
from whodid.model import Context, Source

__all__ = ["Answer", "Call", "Handler", "answer_json", "client_address", "network_context"]


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


class Handler(NamedTuple):
    """A method and an address, and the function that answers there.

    Args:
        path: Pattern with `{name}` for one segment and `{name:path}` for the rest.
        largest: Bytes that a body may have.
        spoken: Turns every answer into the form that the clients of this route read, problems above all.
    """

    method: str
    path: str
    answer: Callable[[Call], Answer]
    largest: int = 64 * 1024
    spoken: Callable[[Answer], Answer] | None = None


def answer_json(
    value: Any,
    *,
    status: int = 200,
    media_type: str = "application/json",
    headers: tuple[tuple[str, str], ...] = (("Cache-Control", "no-store"),),
) -> Answer:
    """Answer with a JSON value."""
    return Answer(status=status, body=encode(value), media_type=media_type, headers=headers)


def client_address(peer: str | None, forwarded: str | None, trusted_proxies: int) -> str | None:
    """Find the address of the client behind a known number of proxies.

    Args:
        peer: Address of the other end of the connection.
        forwarded: The `X-Forwarded-For` header, all its lines joined by commas.
        trusted_proxies: How many proxies of ours stand in front; each appended the address that it saw.

    Returns:
        The address that the outermost proxy of ours saw; the peer's where the header is shorter than it must be,
        because then the request did not come through all of them and anybody may have written the rest.
    """
    if trusted_proxies <= 0 or not forwarded:
        return peer
    hops = [hop.strip() for hop in forwarded.split(",")]
    return hops[-trusted_proxies] if len(hops) >= trusted_proxies and hops[-trusted_proxies] else peer


def network_context(source: Source, client: str | None, agent: str, request_id: str) -> Context:
    """Return a context of what the network says, with nothing in it that an event may not hold."""
    shown = _printable(agent)[:_AGENT]
    return Context(source=source, ip=_address(client), user_agent=shown or None, request=request_id)


def _address(text: str | None) -> str | None:
    """Return an IP address as text, or None: a test or a socket in a file system has other names."""
    try:
        return str(ipaddress.ip_address(text or ""))
    except ValueError:
        return None


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())
