"""What the kinds that speak HTTP share: a connection that is checked, and what its answers mean.

Redirects are not followed, the proxies of the environment are not heeded, and a receiver has so many seconds for
everything together, however busy it keeps the connection.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from threading import Timer
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from whodid import egress
from whodid.errors import InvalidSetting
from whodid.sinks.kinds.base import TAKEN, Opening, Result
from whodid.sinks.said import said_by

__all__ = ["OPTIONS", "Answer", "Way", "make_trust", "network_fault", "split_address"]

OPTIONS = {"ca": "file with the authority that signed the receiver's certificate"}
"""What every kind that speaks TLS knows."""

_SECONDS = 10.0
_LONGEST_ANSWER = 4 * 1024 * 1024
_LONGEST_WAIT = 24 * 3600.0
_SUCCESS = range(200, 300)
_REDIRECT = range(300, 400)
_LASTING = frozenset({400, 409, 413, 414, 415, 422})
"""What is wrong with the very messages; whatever else is wrong may be put right on the other side."""


class Answer(Struct, frozen=True, kw_only=True):
    """What a receiver answered.

    Args:
        fault: Why there is no answer; empty if there is one.
    """

    status: int = 0
    body: bytes = b""
    retry_after: float | None = None
    fault: str = ""

    def result(self) -> Result:
        """Say what it means, going by the status alone."""
        if self.fault:
            return Result(fault=self.fault)
        if self.status in _SUCCESS:
            return TAKEN
        if self.status in _REDIRECT:
            return Result(fault=f"The receiver redirects (status {self.status}), which is not followed")
        return Result(
            fault=f"The receiver answered {self.status}" + (f": {said_by(self.body)}" if self.body.strip() else ""),
            lasting=self.status in _LASTING,
            gone=self.status == 410,
            retry_after=self.retry_after,
        )


class Way:
    """The way to one address.

    Args:
        opening: Of the sink; its address is where everything goes.
        path: Appended to the path of the address.

    Raises:
        InvalidSetting: The address cannot be used.
    """

    def __init__(self, opening: Opening, path: str = "") -> None:
        self._url = split_address(opening, ("https", "http"), clear="http")
        self._private = opening.sink.private
        self._hushed = _sayings(opening.secrets)
        self._trust = make_trust(opening) if self._url.scheme == "https" else None
        query = f"?{self._url.query}" if self._url.query else ""
        self._path = (self._url.path.rstrip("/") + path or "/") + query
        self._connection: egress.Connection | None = None

    def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a body to the address and read the answer."""
        return self.request("POST", self._path, body, headers)

    def request(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a request to the host of the address and read the answer.

        Args:
            path: From the root, percent-encoded.
        """
        used = self._connection is not None
        answer = self._try(method, path, body, headers)
        if answer is None and used:
            # A receiver may close a connection that was idle; only a new one tells whether it is there.
            answer = self._try(method, path, body, headers)
        return answer or Answer(fault=_CLOSED)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _try(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer | None:
        """Send once; None when the connection turned out to be closed."""
        connection = self._connection or egress.Connection(
            self._url, self._trust, private=self._private, seconds=_SECONDS
        )
        self._connection = None
        late = Timer(_SECONDS, connection.cut)
        late.daemon = True
        late.start()
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            found = response.read(_LONGEST_ANSWER)
            # http.client takes a body that breaks off for the whole of it.
            whole = response.isclosed() or not (response.read(1) or response.length)
            kept = response.isclosed() and not response.will_close
        except (ConnectionResetError, BrokenPipeError):  # http.client's RemoteDisconnected is one of the former
            connection.close()
            return Answer(fault=_LATE) if connection.late else None
        except (OSError, HTTPException, ValueError, InvalidSetting) as error:
            connection.close()
            return Answer(fault=_LATE if connection.late else network_fault(error))
        finally:
            late.cancel()
        if connection.late:
            # http.client takes headers that break off for the whole of them.
            connection.close()
            return Answer(fault=_LATE)
        if not whole:
            connection.close()
            return Answer(fault=_UNENDING if len(found) == _LONGEST_ANSWER else _BROKEN)
        if kept:
            self._connection = connection
        else:
            connection.close()
        if response.status not in _SUCCESS:
            # A receiver may repeat what it was sent, and what it says is shown to people.
            for secret in self._hushed:
                found = found.replace(secret, "…".encode())
        wait = _seconds(response.headers.get("Retry-After", ""))
        return Answer(status=response.status, body=found, retry_after=wait)


def _sayings(secrets: tuple[str, ...]) -> tuple[bytes, ...]:
    """Return the forms in which a receiver could repeat secrets: as they are, and the path of an address."""
    return tuple(
        form.encode() for secret in secrets for form in (secret, urlsplit(secret).path.strip("/")) if len(form) > 1
    )


def split_address(opening: Opening, schemes: tuple[str, ...], *, clear: str) -> SplitResult:
    """Return the parts of a sink's address.

    Args:
        schemes: Those that it may have.
        clear: The one without TLS, for private addresses only.

    Raises:
        InvalidSetting: The address cannot be used.
    """
    address = opening.sink.address
    try:
        url = urlsplit(address)
        port = url.port
    except ValueError:
        url, port = urlsplit(""), None
    if url.scheme not in schemes or not url.hostname or port == 0 or not (address.isascii() and address.isprintable()):
        raise InvalidSetting(f"{address!r} is no address to send to", f"Begin it with {schemes[0]}://HOST")
    if " " in address or url.fragment or url.username is not None or url.password is not None:
        raise InvalidSetting("The address holds a name, a password, a space or a #", "Put secrets into --secret-file")
    if url.scheme == clear and not opening.sink.private:
        raise InvalidSetting(
            f"{clear}:// sends entries in the clear", f"Use {schemes[0]}://, or allow private addresses with --private"
        )
    return url


def make_trust(opening: Opening) -> ssl.SSLContext:
    """Return whom TLS trusts: the authorities of this machine, or the one of the option `ca`.

    Raises:
        InvalidSetting: The file of the authority cannot be used.
    """
    authority = opening.option("ca")
    try:
        return ssl.create_default_context(cafile=authority or None)
    except (OSError, ssl.SSLError) as error:
        raise InvalidSetting(f"The authority {authority} cannot be used: {error}", "Name a PEM file") from None


_CLOSED = "The receiver closed the connection without an answer"
_BROKEN = "The receiver broke off in the middle of its answer"
_UNENDING = "The receiver answers without an end"
_LATE = f"The receiver did not answer within {_SECONDS:.0f} seconds"


def network_fault(error: Exception) -> str:
    """Say what went wrong on the way, in words for people."""
    if isinstance(error, InvalidSetting):
        return error.fact
    if isinstance(error, socket.gaierror):
        return "The host of the address is not known"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, TimeoutError):
        return _LATE
    if isinstance(error, OSError):
        return f"The connection failed: {error.strerror or error}"
    return "The receiver does not speak HTTP"


def _seconds(text: str) -> float | None:
    """Read Retry-After (RFC 9110, 10.2.3): seconds, or a date."""
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return min(float(text), _LONGEST_WAIT)
    with suppress(ValueError):
        at = parsedate_to_datetime(text)
        left = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)
        return min(max(0.0, left.total_seconds()), _LONGEST_WAIT)
    return None
