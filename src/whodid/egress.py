"""The way out: which addresses a program may connect to when somebody typed them in, and a connection to one of them.

A name is resolved here, every address it has is checked, and the connection is made to the very address that was
checked, so that a name which answers differently the next time gains nothing. The proxies of the environment are not
heeded.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from contextlib import suppress
from http.client import HTTPConnection
from urllib.parse import SplitResult

from whodid.errors import InvalidSetting

__all__ = ["Connection", "connect", "is_public", "resolve"]

_CLOSED_4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "168.63.129.16/32",  # looks public, and answers to the machines of one cloud about themselves
    )
)  # fmt: skip
_OPEN_6 = ipaddress.IPv6Network("2000::/3")
_CLOSED_6 = tuple(
    ipaddress.IPv6Network(text)
    # Protocol assignments with Teredo, documentation twice, AS112.
    for text in ("2001::/23", "2001:db8::/32", "3fff::/20", "2620:4f:8000::/48")
)
# Addresses that carry an IPv4 address which the connection ends up at: network, and the bits to its right.
_CARRIERS = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # mapped
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4
)


def is_public(text: str, *, loopback: bool = False) -> bool:
    """Tell whether an address may be connected to.

    Args:
        text: An IPv4 or IPv6 address; anything else may not.
        loopback: Whether this machine itself may be reached as well.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        for network, rest in _CARRIERS:
            if address in network:
                carried = ipaddress.IPv4Address(int(address) >> rest & 0xFFFF_FFFF)
                return is_public(str(carried), loopback=loopback and rest == 0)
        if loopback and address.is_loopback:
            return True
        return address in _OPEN_6 and not any(address in network for network in _CLOSED_6)
    if loopback and address.is_loopback:
        return True
    return not any(address in network for network in _CLOSED_4)


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, in the order in which to try them.

    Raises:
        OSError: It has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(where[0]) for _, _, _, _, where in found))


def connect(host: str, port: int, *, private: bool, seconds: float) -> socket.socket:
    """Connect to a host by TCP, at an address that was checked.

    Args:
        private: Whether addresses that are not on the public internet may be reached as well.
        seconds: Time for each address that is tried, and for each step of what is done with the connection.

    Raises:
        InvalidSetting: An address of the host is not on the public internet, and may not be reached.
        OSError: The host has no address, or none of them answers.
    """
    try:
        addresses = resolve(host, port)
    except UnicodeError:
        raise InvalidSetting(f"{host!r} is no name of a host") from None
    for address in addresses:
        if not private and not is_public(address):
            raise InvalidSetting(
                f"{host} leads to {address}, which is not on the public internet",
                "Allow private addresses if this is meant",
            )
    for address in addresses[:-1]:
        try:
            return socket.create_connection((address, port), seconds)
        except OSError:
            continue
    return socket.create_connection((addresses[-1], port), seconds)


class Connection(HTTPConnection):
    """A connection by HTTP to an address that is checked when it is made.

    Args:
        url: Where to.
        trust: Whom TLS trusts; None for a connection in the clear.
        private: Whether addresses that are not on the public internet may be reached as well.
        seconds: Time for each step; for everything together, `cut` it from another thread.
    """

    def __init__(self, url: SplitResult, trust: ssl.SSLContext | None, *, private: bool, seconds: float) -> None:
        self.default_port = 443 if trust else 80
        super().__init__(url.hostname or "", url.port or self.default_port, timeout=seconds)
        self._trust = trust
        self._private = private
        self._seconds = seconds
        self.late = False

    def connect(self) -> None:
        """Connect, with TLS if there is a trust."""
        self.sock = connect(self.host, self.port, private=self._private, seconds=self._seconds)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._trust is not None:
            self.sock = self._trust.wrap_socket(self.sock, server_hostname=self.host)

    def cut(self) -> None:
        """End the connection from another thread, because the time is over."""
        self.late = True
        if self.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
