"""The way out: requests to addresses that somebody typed in reach the public internet and nothing else.

A name is resolved here, every address it has is checked, and the connection is made to the very address that was
checked, so that a name which answers differently the next time gains nothing. TLS still asks for the name. Redirects
are not followed, the environment's proxies are not heeded, and a receiver has so many seconds for everything together.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Any

import httpcore2
import httpx2
from msgspec import Struct

from whodid.egress import is_public, resolve

__all__ = ["Answer", "fetch", "post", "url_fault"]

SECONDS = 10.0
"""Time for a request in all, from the first connection attempt to the end of the answer's head."""

_READ = 16 * 1024
_LONGEST_URL = 500


class _Refused(httpcore2.ConnectError):
    """A name leads to an address that is not public."""


class Answer(Struct, frozen=True, kw_only=True):
    """What became of a request.

    Args:
        status: The HTTP status, if there was an answer.
        fault: Why there was none: refused_address, unknown_host, connection, tls, timeout or protocol.
    """

    status: int | None = None
    fault: str | None = None

    @property
    def taken(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300


def url_fault(url: str, *, loopback: bool = False) -> str | None:
    """Say what keeps an address from being sent to, in words for people; None when nothing does.

    The host is not looked up: where its name leads is checked whenever something is sent.

    Args:
        loopback: Whether this machine itself may be reached; it needs no TLS.
    """
    try:
        parsed = httpx2.URL(url)
        host = parsed.host
    except httpx2.InvalidURL:
        return "This is not an address. Write it like https://hooks.example.com/sendero."
    if not host or len(url) > _LONGEST_URL or any(character.isspace() for character in url):
        return "This is not an address. Write it like https://hooks.example.com/sendero."
    if parsed.userinfo or parsed.fragment:
        return "Leave name, password and # out of the address. Use a header for a password."
    own = host == "localhost" or (_is_address(host) and not is_public(host) and is_public(host, loopback=True))
    if parsed.scheme != "https" and not (loopback and own and parsed.scheme == "http"):
        return "The address has to begin with https://."
    if (own and not loopback) or (_is_address(host) and not is_public(host, loopback=loopback)):
        return "This address is not on the public internet."
    return None


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    loopback: bool = False,
    seconds: float = SECONDS,
) -> Answer:
    """Send a body to an address that was typed in.

    Args:
        loopback: Whether this machine itself may be reached.
        seconds: Time for everything.

    Returns:
        What became of it; faults of the network are no exceptions here.
    """
    try:
        with (
            httpx2.Client(transport=_Transport(loopback, seconds), timeout=seconds, follow_redirects=False) as client,
            client.stream("POST", url, content=body, headers=headers) as answer,
        ):
            _read(answer)
            return Answer(status=answer.status_code)
    except httpx2.TimeoutException:
        return Answer(fault="timeout")
    except httpx2.NetworkError as error:
        return Answer(fault=_fault(error))
    except (httpx2.HTTPError, httpx2.InvalidURL):
        return Answer(fault="protocol")


def fetch(
    url: str,
    body: bytes | None,
    headers: Mapping[str, str],
    *,
    largest: int,
    loopback: bool = False,
    seconds: float = SECONDS,
) -> tuple[Answer, bytes]:
    """Ask an address that was typed in, and read what it answers.

    Args:
        body: What to send by POST; None asks by GET.
        largest: How many bytes of an answer are read; a longer one counts as a fault.
        loopback: Whether this machine itself may be reached.
        seconds: Time for everything.

    Returns:
        What became of it, and the answer; faults of the network are no exceptions here.
    """
    method = "GET" if body is None else "POST"
    try:
        with (
            httpx2.Client(transport=_Transport(loopback, seconds), timeout=seconds, follow_redirects=False) as client,
            client.stream(method, url, content=body, headers=headers) as answer,
        ):
            found = b""
            for part in answer.iter_bytes():
                found += part
                if len(found) > largest:
                    return Answer(fault="protocol"), b""
            return Answer(status=answer.status_code), found
    except httpx2.TimeoutException:
        return Answer(fault="timeout"), b""
    except httpx2.NetworkError as error:
        return Answer(fault=_fault(error)), b""
    except (httpx2.HTTPError, httpx2.InvalidURL):
        return Answer(fault="protocol"), b""


def _read(answer: httpx2.Response) -> None:
    """Read a little of an answer, out of politeness; what it says is of no interest, nor whether it ends."""
    size = 0
    try:
        for part in answer.iter_raw():
            size += len(part)
            if size > _READ:
                return
    except httpx2.HTTPError:
        return


def _fault(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, _Refused):
            return "refused_address"
        if isinstance(cause, socket.gaierror):
            return "unknown_host"
        if isinstance(cause, ssl.SSLError):
            return "tls"
        cause = cause.__cause__ or cause.__context__
    return "connection"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class _Transport(httpx2.HTTPTransport):
    """A transport whose every connection is checked."""

    def __init__(self, loopback: bool, seconds: float) -> None:  # noqa: FBT001 - private
        trust = httpx2.create_ssl_context()
        super().__init__(verify=trust, trust_env=False)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=trust, network_backend=_Checked(loopback, monotonic() + seconds), max_keepalive_connections=0
        )


class _Checked(httpcore2.NetworkBackend):
    """Connects to addresses that were checked, and to nothing else.

    Args:
        ends: When the time is over, on the monotonic clock.
    """

    def __init__(self, loopback: bool, ends: float) -> None:  # noqa: FBT001 - private
        self._loopback = loopback
        self._ends = ends
        self._plain = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        try:
            addresses = resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"{host} has no address") from error
        if not addresses or not all(is_public(address, loopback=self._loopback) for address in addresses):
            raise _Refused(f"{host} is not on the public internet")
        for address in addresses[:-1]:
            try:
                return self._connect(address, port, local_address, socket_options)
            except httpcore2.ConnectError:
                continue
        return self._connect(addresses[-1], port, local_address, socket_options)

    def _connect(
        self, address: str, port: int, local_address: str | None, options: Iterable[Any] | None
    ) -> httpcore2.NetworkStream:
        stream = self._plain.connect_tcp(address, port, _left(self._ends), local_address, options)
        return _Timed(stream, self._ends)


class _Timed(httpcore2.NetworkStream):
    """A stream that ends when the time is over, however busy the other side keeps it."""

    def __init__(self, stream: httpcore2.NetworkStream, ends: float) -> None:
        self._stream = stream
        self._ends = ends

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._ends))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._ends))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, _left(self._ends))
        return _Timed(stream, self._ends)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(ends: float) -> float:
    left = ends - monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("the time is over")
    return left
