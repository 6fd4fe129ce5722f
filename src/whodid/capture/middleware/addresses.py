"""Who asks: the address of a client behind proxies, from what the connection and the headers say.

A header can be written by anybody. It is believed as far as proxies of ours wrote it, counted from the end or known by
their networks, and not one entry further. What it claims beyond that is kept apart, as a claim.

Nothing here raises: an address that is none is None.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal, NamedTuple

from whodid.errors import InvalidSetting

__all__ = ["Client", "Header", "Proxies", "parse_address"]

Header = Literal["x-forwarded-for", "forwarded"]

_LONGEST = 100
_MOST_HOPS = 50


class Client(NamedTuple):
    """Where a request comes from.

    Args:
        ip: The address that we or a proxy of ours saw; None when it is not known.
        forwarded_ip: The address that the header claims the client to have, when it claims another one.
    """

    ip: str | None
    forwarded_ip: str | None


class Proxies:
    """The proxies of ours that stand in front.

    Args:
        trusted: How many there are, or their networks and addresses (`["10.0.0.0/8", "2001:db8::1"]`). With networks, a
            connection without an address (a socket of this machine) counts as one of ours.
        header: Where they write what they saw. The other header is not believed, because they let it through as
            whoever asks wrote it.

    Raises:
        InvalidSetting: The number is negative, or a network is none.
    """

    def __init__(self, trusted: int | Iterable[str] = 0, *, header: Header = "x-forwarded-for") -> None:
        self.header = header
        self._count = 0
        self._networks: tuple[IPv4Network | IPv6Network, ...] = ()
        if isinstance(trusted, int):
            if trusted < 0:
                raise InvalidSetting(f"There cannot be {trusted} trusted proxies", "Say how many stand in front, or 0")
            self._count = trusted
            return
        try:
            self._networks = tuple(ip_network(network, strict=False) for network in trusted)
        except ValueError as error:
            raise InvalidSetting(f"A trusted proxy is no network: {error}", "Write such as 10.0.0.0/8") from None

    def forwarded(self, peer: str | None) -> bool:
        """Tell whether a proxy of ours sent a request, as far as the connection shows.

        Args:
            peer: Address of the other end of the connection.
        """
        return self._count > 0 or (bool(self._networks) and (not peer or self._is_ours(_parsed(peer))))

    def client(self, peer: str | None, lines: Sequence[str]) -> Client:
        """Find the client.

        Args:
            peer: Address of the other end of the connection.
            lines: Of the header, in their order.
        """
        joined = ",".join(lines)
        hops = (_forwarded(joined) if self.header == "forwarded" else joined.split(","))[-_MOST_HOPS:] if joined else []
        ip = self._ip(peer, hops)
        claimed = parse_address(hops[0]) if hops else None
        return Client(ip, claimed if claimed != ip else None)

    def _ip(self, peer: str | None, hops: list[str]) -> str | None:
        if self._count:
            # A header that is shorter than it must be did not come through all of them: anybody may have written it.
            return parse_address(hops[-self._count] if len(hops) >= self._count else peer)
        if not self.forwarded(peer):
            return parse_address(peer)
        for hop in reversed(hops):
            address = _parsed(hop)
            if not self._is_ours(address):
                return None if address is None else str(address)
        return parse_address(hops[0] if hops else peer)

    def _is_ours(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def parse_address(text: str | None) -> str | None:
    """Return an address in its shortest form: without port, brackets and zone, and IPv4 as IPv4; None if it is none.

    Args:
        text: As it stands in a header or comes from a socket.
    """
    address = _parsed(text)
    return None if address is None else str(address)


def _parsed(text: str | None) -> IPv4Address | IPv6Address | None:
    if not text or len(text) > _LONGEST:
        return None
    text = text.strip().strip('"')
    if text.startswith("["):
        text, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not _is_port(rest[1:] if rest[0] == ":" else "")):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(port):
            return None
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_port(text: str) -> bool:
    return 0 < len(text) <= 5 and text.isascii() and (text.isdigit() or text.startswith("_"))


def _forwarded(text: str) -> list[str]:
    """Return whom each element of a `Forwarded` header is for (RFC 7239, section 4); empty where it does not say."""
    hops: list[str] = []
    for element in _split(text, ","):
        found = ""
        for pair in _split(element, ";"):
            name, _, value = pair.partition("=")
            if name.strip().lower() == "for":
                found = value.strip()
        hops.append(found)
    return hops


def _split(text: str, at: str) -> list[str]:
    """Split a text where a character stands outside of quotes."""
    if '"' not in text:
        return text.split(at)
    parts, quoted, start = list[str](), False, 0
    for place, character in enumerate(text):
        if character == '"' and (place == 0 or text[place - 1] != "\\"):
            quoted = not quoted
        elif character == at and not quoted:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]
