"""Where an address is and whose network it belongs to, as far as files of the operator know it.

A folder holds tables in MaxMind's format and one of network names (`whodid geo fetch` brings them). Two sources that
disagree about a country are one answer: disputed. What is not in the folder, or not in its tables, is absent; nothing
is guessed, and the features that would rest on it do not exist.
"""

from __future__ import annotations

import csv
import ipaddress
import json
import math
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Struct

from whodid.errors import InvalidSetting

try:
    import maxminddb
except ImportError:  # the extra `geo` is not installed
    maxminddb = None  # type: ignore[assignment]

__all__ = ["ASN", "ATTRIBUTION", "CITY", "COUNTRY", "REGISTRY", "Geo", "NetType", "Place", "distance", "write_networks"]

CITY, COUNTRY, REGISTRY, ASN = "city", "country", "registry", "networks.bin"
"""Names in the folder: the first three begin the names of tables (`city-ipv4.mmdb`), one is a file."""

ATTRIBUTION = "IP geolocation by DB-IP (https://db-ip.com), CC BY 4.0; countries by the NRO; networks by RouteViews."
"""What the licences of the tables want to be shown wherever a place is."""

NetType = Literal["hosting", "relay", "tor"]

_OWN = "networks.csv"
_V4, _V6 = 4, 6
_EARTH = 6_371.0
_HOSTING = re.compile(
    r"\b(amazon|aws|google[ -]?cloud|azure|digital ?ocean|hetzner|ovh|linode|vultr|choopa|contabo|leaseweb|m247|"
    r"datacamp|oracle cloud|alibaba|tencent cloud|scaleway|online s\.?a\.?s|ionos|hosting|hoster|datacenter|"
    r"data ?cent(?:er|re)|colo(?:cation)?|vps|dedicated servers?|servers?)\b",
    re.IGNORECASE,
)
_RELAY = re.compile(r"\b(cloudflare|fastly|akamai|private relay|nordvpn|mullvad|proton ?vpn|vpn)\b", re.IGNORECASE)


class Place(Struct, frozen=True):
    """What is known of an address; what is not known is None.

    Args:
        country: By the first source, ISO 3166-1 alpha-2.
        second: By the second source.
        city: With its coordinates in degrees; country tables have none.
        asn: Number of the network (autonomous system).
        network: Its name.
        net_type: What kind of network it is, where that is known: a hoster, a relay for the public, Tor.
    """

    country: str | None = None
    second: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    asn: int | None = None
    network: str | None = None
    net_type: NetType | None = None

    @property
    def disputed(self) -> bool:
        """Whether two sources name two countries."""
        return self.country is not None and self.second is not None and self.country != self.second

    @property
    def agreed(self) -> bool:
        """Whether two sources name the same country."""
        return self.country is not None and self.country == self.second


class _Network(NamedTuple):
    asn: int
    name: str


class _Table(Protocol):
    def get(self, ip_address: str) -> Any: ...


class Geo:
    """The tables of a folder.

    Args:
        folder: Where they are. Files that are not there are listed in `missing`.

    Raises:
        InvalidSetting: There is no such folder or no table in it, a table cannot be read, or the extra `geo` is not
            installed.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InvalidSetting(f"There is no folder {folder} with geo tables", "Fetch them: whodid geo fetch FOLDER")
        self._city = _tables(folder, CITY)
        self._country = _tables(folder, COUNTRY)
        self._registry = _tables(folder, REGISTRY)
        self._networks = _Networks(folder / ASN) if (folder / ASN).is_file() else None
        self._own = _own(folder / _OWN) if (folder / _OWN).is_file() else ()
        self.missing = tuple(
            name
            for name, there in (
                (CITY, self._city),
                (REGISTRY, self._registry),
                ("networks", self._networks),
            )
            if not there
        )
        if not (self._city or self._country or self._registry or self._networks):
            raise InvalidSetting(f"There are no geo tables in {folder}", "Fetch them: whodid geo fetch FOLDER")
        self.place = lru_cache(maxsize=16_384)(self._place)

    def _place(self, address: str) -> Place | None:
        """Return what is known of an address; None for what is no address of the public internet."""
        try:
            one = ipaddress.ip_address(address)
        except ValueError:
            return None
        if isinstance(one, ipaddress.IPv6Address) and one.ipv4_mapped is not None:
            one = one.ipv4_mapped
        if not one.is_global:
            return None
        text = str(one)
        city = _first(self._city, text)
        country = city.get("country_code") or _first(self._country, text).get("country_code")
        network = self._networks.of(one) if self._networks is not None else None
        located = bool(city.get("city"))
        return Place(
            country=country or None,
            second=_first(self._registry, text).get("country_code") or None,
            city=city.get("city") or None,
            latitude=city.get("latitude") if located else None,
            longitude=city.get("longitude") if located else None,
            asn=network.asn if network is not None else None,
            network=network.name if network is not None else None,
            net_type=self._net_type(one, network),
        )

    def _net_type(self, one: ipaddress.IPv4Address | ipaddress.IPv6Address, network: _Network | None) -> NetType | None:
        for range_, asn, kind in self._own:
            if (range_ is not None and one in range_) or (
                asn is not None and network is not None and asn == network.asn
            ):
                return kind
        if network is None:
            return None
        return "relay" if _RELAY.search(network.name) else "hosting" if _HOSTING.search(network.name) else None


def distance(first: Place, second: Place) -> float | None:
    """Return the distance of two places in kilometres along the surface; None unless both have coordinates."""
    if None in {first.latitude, first.longitude, second.latitude, second.longitude}:
        return None
    here, there = ((math.radians(one.latitude or 0.0), math.radians(one.longitude or 0.0)) for one in (first, second))
    part = (
        math.sin((there[0] - here[0]) / 2) ** 2
        + math.cos(here[0]) * math.cos(there[0]) * math.sin((there[1] - here[1]) / 2) ** 2
    )
    return 2 * _EARTH * math.asin(min(1.0, math.sqrt(part)))


def write_networks(path: Path, rows: Iterable[tuple[str, str, str, str]]) -> int:
    """Write the file of network names.

    Args:
        rows: First address, last address, number and name of each network, in any order.

    Returns:
        How many ranges there are.
    """
    places: dict[tuple[int, str], int] = {}
    ranges: dict[int, list[tuple[int, int, int]]] = {_V4: [], _V6: []}
    for first, last, asn, name in rows:
        start, stop = ipaddress.ip_address(first), ipaddress.ip_address(last)
        number = places.setdefault((int(asn), name), len(places))
        ranges[start.version].append((_number(start), _number(stop), number))
    packed: dict[int, tuple[bytes, bytes, bytes]] = {}
    for version, found in ranges.items():
        if found:
            starts, stops, numbers = (array("Q", column).tobytes() for column in zip(*sorted(found), strict=True))
            packed[version] = (starts, stops, numbers)
    whole = _Whole(names=list(places), ranges=packed)
    draft = path.with_name(f"{path.name}.part")
    draft.write_bytes(msgspec.msgpack.encode(whole))
    draft.replace(path)
    return sum(map(len, ranges.values()))


class _Whole(Struct, frozen=True):
    """The file of networks: names, and per version of IP the columns first, last and number of the name, sorted."""

    names: list[tuple[int, str]]
    ranges: dict[int, tuple[bytes, bytes, bytes]]


class _Networks:
    """Names of networks by address."""

    def __init__(self, path: Path) -> None:
        try:
            whole = msgspec.msgpack.decode(path.read_bytes(), type=_Whole, strict=False)
            self._ranges = {version: tuple(_column(one) for one in kept) for version, kept in whole.ranges.items()}
            if any(len({len(column) for column in kept}) > 1 for kept in self._ranges.values()):
                raise ValueError("its columns are not of one length")
        except (OSError, msgspec.DecodeError, ValueError) as error:
            raise _unreadable(path, error) from None
        self._names = whole.names

    def of(self, one: ipaddress.IPv4Address | ipaddress.IPv6Address) -> _Network | None:
        """Return the network of an address."""
        starts, stops, names = self._ranges.get(one.version, ((), (), ()))
        number = _number(one)
        place = bisect_right(starts, number) - 1
        if place < 0 or stops[place] < number:
            return None
        return _Network(*self._names[names[place]])


def _column(data: bytes) -> array[int]:
    column = array("Q")
    column.frombytes(data)
    return column


def _number(one: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    """Return an address as a whole number; of IPv6 the upper half, for no network is smaller than a /64."""
    return int(one) if one.version == _V4 else int(one) >> 64


def _tables(folder: Path, name: str) -> tuple[_Table, ...]:
    """Open the tables whose names begin so."""
    paths = sorted(folder.glob(f"{name}*.mmdb"))
    if not paths:
        return ()
    if maxminddb is None:
        raise InvalidSetting("Geo tables need a reader", "Install it: pip install 'whodid[geo]'")
    opened: list[_Table] = []
    for path in paths:
        try:
            opened.append(maxminddb.open_database(path, maxminddb.MODE_AUTO))
        except (OSError, maxminddb.InvalidDatabaseError) as error:
            raise _unreadable(path, error) from None
    return tuple(opened)


def _first(tables: tuple[_Table, ...], address: str) -> dict[str, Any]:
    """Return what the first table says that knows an address; a table of IPv4 alone cannot be asked for IPv6."""
    for table in tables:
        try:
            found = table.get(address)
        except ValueError:
            continue
        except maxminddb.InvalidDatabaseError as error:
            # A table that was cut short says so only when the missing part is asked for.
            raise InvalidSetting(f"A geo table cannot be read: {error}", "Fetch it again: whodid geo fetch") from None
        if isinstance(found, dict):
            return found
    return {}


def _own(path: Path) -> tuple[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network | None, int | None, NetType], ...]:
    """Read the operator's own list: a range or a network number, and its kind, in each line."""
    found: list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network | None, int | None, NetType]] = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file), 1):
            if not row or row[0].startswith("#"):
                continue
            try:
                what, kind = row[0].strip(), row[1].strip()
                if kind not in {"hosting", "relay", "tor"}:
                    raise ValueError(kind)
                asn = int(what[2:]) if what.upper().startswith("AS") else None
                range_ = None if asn is not None else ipaddress.ip_network(what, strict=False)
            except (IndexError, ValueError):
                raise InvalidSetting(
                    f"Line {number} of {path} is no network", "Write 192.0.2.0/24,tor or AS64500,hosting; or relay"
                ) from None
            found.append((range_, asn, kind))  # type: ignore[arg-type]
    return tuple(found)


def _unreadable(path: Path, error: Exception) -> InvalidSetting:
    return InvalidSetting(
        f"The geo table {path} cannot be read: {json.dumps(str(error))}", "Fetch it again: whodid geo fetch"
    )
