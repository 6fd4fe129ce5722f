"""Asking providers of single sign-on: the one place that goes out for it, and what it refuses to reach.

A name is resolved here, every address it has must be public, and the connection goes to the very address that was
checked. Redirects are not followed, the environment's proxies are not heeded, an answer has a largest size, and all
of it together a longest time.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlencode

import httpx2
from msgspec import Struct

__all__ = ["Fetch", "Fetched", "Fetcher", "Unreachable"]

_SECONDS = 10.0
_LARGEST = 512 * 1024


class Unreachable(Exception):
    """An address cannot be asked, or does not answer."""


class Fetched(Struct, frozen=True, kw_only=True):
    """An answer."""

    status: int
    body: bytes


class Fetch(Protocol):
    """What asks an address: by GET, or by POST when there is a form.

    Raises:
        Unreachable: It cannot be asked, or does not answer.
    """

    def __call__(
        self, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Fetched:
        """Ask."""


class Fetcher:
    """Asks over the network.

    Args:
        private: Whether addresses of this machine may be asked, without TLS too: for trying out.
        transport: What carries the requests; one that checks every address when not given.
    """

    def __init__(self, *, private: bool = False, transport: httpx2.BaseTransport | None = None) -> None:
        self._private = private
        self._transport = transport

    def __call__(
        self, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Fetched:
        """Ask an address.

        Raises:
            Unreachable: It is not https, not public, or does not answer in time.
        """
        try:
            parsed = httpx2.URL(url)
        except httpx2.InvalidURL:
            raise Unreachable("not an address") from None
        own = self._private and parsed.host in ("localhost", "127.0.0.1", "::1")
        if parsed.scheme != "https" and not (own and parsed.scheme == "http"):
            raise Unreachable("not https")
        transport = self._transport or _Checked(loopback=self._private)
        sent = {"Accept": "application/json", "User-Agent": "Sendero", **(headers or {})}
        content = None if form is None else urlencode(form).encode()
        if content is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        ends = time.monotonic() + _SECONDS
        try:
            with (
                httpx2.Client(transport=transport, timeout=_SECONDS, follow_redirects=False, trust_env=False) as client,
                client.stream("GET" if form is None else "POST", url, content=content, headers=sent) as answer,
            ):
                body = b""
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > _LARGEST or time.monotonic() > ends:
                        raise Unreachable("the answer is too long")
                return Fetched(status=answer.status_code, body=body)
        except (httpx2.HTTPError, OSError) as error:
            raise Unreachable(type(error).__name__) from error


class _Checked(httpx2.HTTPTransport):
    """Connects to addresses that were checked; TLS still asks for the name."""

    def __init__(self, *, loopback: bool) -> None:
        super().__init__(trust_env=False)
        self._loopback = loopback

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Unreachable("no address") from error
        addresses = [str(where[0]) for _, _, _, _, where in found]
        if not all(self._open(address) for address in addresses):
            raise Unreachable("not public")
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=addresses[0])
        return super().handle_request(request)

    def _open(self, text: str) -> bool:
        address = ipaddress.ip_address(text)
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        address = mapped or address
        if address.is_loopback:
            return self._loopback
        return address.is_global and not address.is_multicast
