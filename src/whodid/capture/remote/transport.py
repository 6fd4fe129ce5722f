"""Events over HTTP to `POST /v1/events`; the only file of the package that imports httpx2.

What an answer means is decided here, once: settled event by event, to be tried later, or to be tried in smaller parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
import zstandard
from msgspec import Struct

from whodid.catalog import without_password
from whodid.errors import InvalidSetting

__all__ = ["Elsewhere", "Later", "Result", "Transport", "Unreadable", "checked_key", "checked_url", "settled"]

_LONG = 60.0
_LONGEST = 600.0
_ANSWER_S = 10.0  # for an answer of the server
_CONNECT_S = 5.0
_PACKED_FROM = 1024


class Result(Struct, frozen=True, kw_only=True):
    """What the log says of one event."""

    status: str
    id: str | None = None
    index: int | None = None
    pointer: str | None = None
    fault: str = ""
    remedy: str = ""


class _Results(Struct, frozen=True):
    results: list[Result]


_results = msgspec.json.Decoder(_Results).decode
_problem = msgspec.json.Decoder(dict[str, Any]).decode


class Later(Exception):
    """The log cannot take the events now.

    Args:
        pause: Seconds after which to try again, as far as the log said so.
    """

    def __init__(self, fault: str, pause: float = 0.0) -> None:
        self.fault = fault
        self.pause = pause
        super().__init__(fault)


class Unreadable(Exception):
    """The log will never take this request; smaller parts of it may be taken."""


class Elsewhere(Exception):
    """The key belongs to another workspace than the events."""


class Transport:
    """A connection to a server of whodid.

    Args:
        url: Where it is, without `/v1`.
        key: The API key, or what returns it: asked before each request, so that a key can be rotated.

    Raises:
        InvalidSetting: The address or the key cannot be used, or the extra `client` is not installed.
    """

    def __init__(self, url: str, key: str | Callable[[], str]) -> None:
        try:
            import httpx2
        except ImportError:
            raise InvalidSetting(
                "Sending events needs httpx2, which is not installed", "Run: pip install 'whodid[client]'"
            ) from None
        self._url = checked_url(url) + "/v1/events"
        self._key = key
        self._broken = httpx2.HTTPError
        self._client = httpx2.Client(timeout=httpx2.Timeout(_ANSWER_S, connect=_CONNECT_S))
        self._packer = zstandard.ZstdCompressor(level=3)

    def send(self, workspace: str, events: Sequence[bytes], *, timeout: float | None = None) -> list[Result]:
        """Send events of one workspace and return what became of each.

        Args:
            events: Each as JSON.
            timeout: Seconds, when less than usual.

        Raises:
            Later: None was acknowledged; send them again later.
            Unreadable: The request as a whole is refused for what is in it.
            Elsewhere: The key is another workspace's.
        """
        body = b'{"events":[' + b",".join(events) + b"]}"
        headers = {
            "Authorization": f"Bearer {checked_key(self._key)}",
            "Content-Type": "application/json",
            "X-Whodid-Workspace": workspace,
        }
        if len(body) >= _PACKED_FROM:
            body = self._packer.compress(body)
            headers["Content-Encoding"] = "zstd"
        try:
            answer = self._client.post(
                self._url, content=body, headers=headers, timeout=min(timeout or _ANSWER_S, _ANSWER_S)
            )
        except self._broken as error:
            raise Later(f"The server cannot be reached: {type(error).__name__}") from None
        if answer.status_code == 200:
            return self._settled(answer.content, len(events))
        fault, kind = _said(answer.status_code, answer.content)
        match answer.status_code:
            case 403 if kind == "urn:whodid:problem:other-workspace":
                raise Elsewhere(fault)
            case 400 | 413 | 415 | 422:
                raise Unreadable(fault)
            case 408 | 425 | 429 | 500 | 502 | 503 | 504 | 507:
                raise Later(fault, _pause(answer.headers.get("retry-after"), answer.headers.get("date")))
        # The key, the address or the server has to be put right; the events can wait for that.
        raise Later(fault, _LONG)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    @staticmethod
    def _settled(content: bytes, count: int) -> list[Result]:
        try:
            results = _results(content).results
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Later("The answer is not one of whodid; check the address", _LONG) from None
        if len(results) != count:
            raise Later(f"The server told of {len(results)} events and was sent {count}")
        return results


def settled(send: Callable[[Sequence[bytes]], list[Result]], events: Sequence[bytes]) -> list[Result]:
    """Return what became of each event: a request that is refused as a whole is sent again in halves.

    Args:
        send: `Transport.send` of a workspace; raises what that raises.
        events: Each as JSON.

    Raises:
        Later: Not all were acknowledged; send them again later, which the log takes once.
        Elsewhere: The key is another workspace's.
    """
    try:
        return send(events)
    except Unreadable as error:
        if len(events) == 1:
            return [Result(status="refused", fault=str(error))]
    half = len(events) // 2
    return [*settled(send, events[:half]), *settled(send, events[half:])]


def checked_url(url: str) -> str:
    """Return the address of a server without a slash at its end.

    Raises:
        InvalidSetting: It is none, or carries a password, a query or a fragment.
    """
    try:
        seen = urlsplit(url)
        usable = seen.scheme in {"http", "https"} and bool(seen.hostname)
        _ = seen.port
    except ValueError:
        usable, seen = False, urlsplit("")
    if not usable or seen.username or seen.password or seen.query or seen.fragment:
        shown = without_password(url.partition("?")[0])  # what follows may be a key
        raise InvalidSetting(f"{shown!r} is not the address of a server", "Write it like https://audit.example.com")
    return url.rstrip("/")


def checked_key(key: str | Callable[[], str] | None) -> str:
    """Return the text of an API key.

    Raises:
        InvalidSetting: It cannot stand in a header.
    """
    if key is None:  # what the environment does not say, from a caller without types
        raise InvalidSetting("There is no API key", "Make one with: whodid keys create")
    text = (key if isinstance(key, str) else key()).strip()
    if not text.isascii() or not text.isprintable() or not text or " " in text:
        raise InvalidSetting("This is not an API key", "Make one with: whodid keys create")
    return text


def _said(status: int, content: bytes) -> tuple[str, str]:
    """Return what a problem document says, and its type."""
    try:
        found = _problem(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = {}
    detail, remedy = str(found.get("detail", "")), str(found.get("remedy", ""))
    text = f"{detail} {remedy}".strip()[:500]
    return f"The server answered {status}: {text}" if text else f"The server answered {status}", str(found.get("type"))


def _pause(retry_after: str | None, date: str | None) -> float:
    """Return the seconds that Retry-After (RFC 9110, section 10.2.3) asks for, within reason."""
    if not retry_after:
        return 0.0
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), _LONGEST)
    try:
        wanted = parsedate_to_datetime(retry_after)
        now = parsedate_to_datetime(date or "")
        return max(0.0, min((wanted - now).total_seconds(), _LONGEST))
    except (TypeError, ValueError):
        return 0.0
