"""Answers packed as the caller takes them: which, how, and which never."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest
import zstandard
from starlette.testclient import TestClient

from tests.serving import NOW, SECRET, Clock, bearer, client, linked, open_log, token
from whodid import Log
from whodid.server.console import Console

LARGE = ("/v1/entries", "/v1/catalog", "/v1/openapi.json", "/docs", "/static/docs.css")


@pytest.fixture(scope="module")
def log() -> Iterator[Log]:
    """Open the story."""
    with open_log(Clock()) as opened:
        yield opened


@pytest.fixture(scope="module")
def http(log: Log) -> Iterator[TestClient]:
    """Open a client."""
    with client(log) as opened:
        opened.get("/v1/entries", headers=bearer(token()))
        yield opened


def raw(http: TestClient, path: str, accepted: str) -> tuple[dict[str, str], bytes]:
    """Return the headers and the bytes as they came over the line."""
    with http.stream("GET", path, headers=bearer(token()) | {"Accept-Encoding": accepted}) as answer:
        assert answer.status_code == 200
        return dict(answer.headers), b"".join(answer.iter_raw())


@pytest.mark.parametrize("path", LARGE)
def test_it_is_the_same_however_it_is_packed(http: TestClient, path: str) -> None:
    """Plain, gzip and zstd unpack to the same bytes, packed ones are shorter, and caches can tell them apart."""
    head, plain = raw(http, path, "identity")
    assert "content-encoding" not in head
    assert "Accept-Encoding" in head["vary"]
    for encoding in ("gzip", "zstd"):
        headers, packed = raw(http, path, encoding)
        unpacked = zlib.decompress(packed, 31) if encoding == "gzip" else zstandard.decompress(packed)
        assert unpacked == plain
        assert len(packed) < len(plain) * 0.7
        assert headers["content-encoding"] == encoding
        assert headers["etag"].startswith("W/")
        known = bearer(token()) | {"Accept-Encoding": encoding, "If-None-Match": headers["etag"]}
        again = http.get(path, headers=known)
        assert (again.status_code, again.content) == (304, b"")
        assert "Accept-Encoding" in again.headers["vary"]


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("", None),
        ("br, deflate", None),
        ("gzip;q=0, zstd;q=0.000", None),
        ("gzip, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("GZIP ; q=0.3", "gzip"),
        ("*", "gzip"),
        ("*, gzip;q=0", None),
        ("zstd;q=x, gzip;q=9", None),
    ],
)
def test_the_caller_chooses(http: TestClient, accepted: str, encoding: str | None) -> None:
    """The best of what Accept-Encoding weighs; nothing that it does not name."""
    assert raw(http, "/v1/catalog", accepted)[0].get("content-encoding") == encoding


def test_what_is_never_packed(log: Log) -> None:
    """Streams, files, short answers, problems, and whatever hands out a token or a cookie."""
    console = Console(secret=SECRET, clock=log.now)
    looks: list[bool] = []  # what the server is told, look by look, when it asks whether it is to stop
    with client(log, console=console, ending=lambda: bool(looks) and looks.pop(0)) as http:
        asking = bearer(token(now=NOW)) | {"Accept-Encoding": "gzip, zstd"}
        begun = http.post("/session", json={"code": console.invite("wsp_home")}, headers={"Accept-Encoding": "gzip"})
        handed = http.post("/session/token", headers={"Accept-Encoding": "gzip"})
        export = http.post("/v1/exports", json={"format": "csv"}, headers=asking)
        file = http.get(linked(http, asking), headers=asking)
        looks += [False, False, True]  # the stream is let in, and ends at once
        answers = [
            begun,
            handed,
            export,
            file,
            http.get("/v1/stream", headers=asking),
            http.get("/v1/checkpoint", headers=asking),
            http.get("/v1/nothing", headers=asking),
        ]
    assert [answer.status_code for answer in answers] == [200, 200, 201, 200, 200, 200, 404]
    assert [answer.headers.get("content-encoding") for answer in answers] == [None] * 7
