"""Asking providers of single sign-on, over the same checked way out as everything that somebody typed in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlencode

from msgspec import Struct

from sendero import egress

__all__ = ["Fetch", "Fetched", "Fetcher", "Unreachable"]

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
    """

    def __init__(self, *, private: bool = False) -> None:
        self._private = private

    def __call__(
        self, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Fetched:
        """Ask an address.

        Raises:
            Unreachable: It is not https, not public, or does not answer in time.
        """
        if fault := egress.url_fault(url, loopback=self._private):
            raise Unreachable(fault)
        sent = {"Accept": "application/json", "User-Agent": "Sendero", **(headers or {})}
        body = None if form is None else urlencode(form).encode()
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        answer, found = egress.fetch(url, body, sent, largest=_LARGEST, loopback=self._private)
        if answer.status is None:
            raise Unreachable(answer.fault)
        return Fetched(status=answer.status, body=found)
