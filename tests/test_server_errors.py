"""What goes wrong over HTTP: bad questions, hostile text, faults inside. Each is an answer with a remedy."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import anyio
import msgspec
import pytest
from starlette.testclient import TestClient

from tests import serving
from tests.serving import (
    ALL,
    HOME,
    READ,
    SECRET,
    Clock,
    bearer,
    check_problem,
    client,
    linked,
    open_log,
    token,
)
from whodid import Log, Page
from whodid.errors import (
    ConflictingEvent,
    Denied,
    InvalidCatalog,
    InvalidEvent,
    InvalidQuery,
    InvalidRule,
    InvalidSetting,
    MalformedProof,
    NotFound,
    Purged,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreUnavailable,
    StoreVersion,
    WhodidError,
)
from whodid.server import app as app_module
from whodid.server import asgi
from whodid.server.problems import problem_of

http = serving.http


@pytest.fixture
def engine() -> str:
    """Name the engine; tests that are about the store run on both."""
    return "memory"


@pytest.fixture
def log(engine: str, tmp_path: Path) -> Iterator[Log]:
    """Open the story."""
    with open_log(Clock(), f"sqlite:///{tmp_path}/audit.db" if engine == "sqlite" else "memory://") as opened:
        yield opened


MISTAKES = (
    ("/v1/entries?q=nosuch:x", 400, "There is no field nosuch"),
    ("/v1/entries?q=" + "x" * 2001, 400, "2001 characters"),
    ("/v1/entries?limit=201", 400, "limit cannot be"),
    ("/v1/entries?limit=0", 400, "limit cannot be"),
    ("/v1/entries?cursor=abc", 400, "not a place in the list"),
    ("/v1/entries?colour=red", 400, "no parameter"),
    ("/v1/entries?q=a&q=b", 400, "there twice"),
    ("/v1/entries?range=1d", 400, "There is no range"),
    ("/v1/entries?tz=Europe/Atlantis", 400, "no time zone"),
    ("/v1/entries?q=%00", 400, "control characters"),
    ("/v1/entries?q=%0A", 400, "control characters"),
    ("/v1/entries?q=%FF%FE", 400, "UTF-8"),
    ("/v1/entries?q=%ED%A0%80", 400, "UTF-8"),
    ("/v1/entries?" + "&".join(f"p{n}=1" for n in range(40)), 400, "too many parts"),
    ("/v1/entries?q=" + "%20" * 3000, 414, "too long"),
    ("/v1/histogram?buckets=1000", 400, "buckets cannot be"),
    ("/v1/facets", 400, "There is no facet"),
    ("/v1/facets?field=ip", 400, "There is no facet"),
    ("/v1/facets?field=actor;drop", 400, "There is no facet"),
    ("/v1/entries/3?q=x", 400, "no parameter"),
)


def test_bad_questions_are_told_apart_and_answered(http: TestClient) -> None:
    """Every mistake has its own fact; none is dropped and none is a 500."""
    for path, status, part in MISTAKES:
        answer = http.get(path, headers=bearer(token()))
        assert answer.status_code == status, path
        assert part in answer.json()["detail"]
        assert answer.headers["content-type"] == "application/problem+json"


HOSTILE = [
    "' OR 1=1 --",
    '"; DROP TABLE entry; --',
    "actor:\u202euser",
    "before:" + "a" * 1900,
    "(" * 500,
    "-" * 500,
    "*",
    "actor:*",
    "index:1..",
    "index:99999999999999999999",
    "date:9999-12-31",
    "date:0001-01-01..9999-12-31",
    "ip:999.1.1.1",
    "ip:::/0",
    "😀",
    "a" * 2000,
    "\ufffd\ufeff",
    "\\",
    '"\\"',
    "id:" + "0" * 64,
    " ".join(["x"] * 100),
    ",".join(["x"] * 500),
    "x:y:z",
    "is:",
    "..",
    "severity:>=critical",
]


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
@pytest.mark.parametrize("permissions", [ALL, (READ,)])
def test_hostile_queries_are_answered_or_refused(http: TestClient, permissions: tuple[str, ...]) -> None:
    """Whatever is typed is an answer or a problem with a remedy, on every route that takes it, never a 500."""
    headers = bearer(token(permissions=permissions))
    for text in HOSTILE:
        for path in ("/v1/entries", "/v1/histogram", "/v1/facets"):
            params = {"q": text} | ({"field": "actor"} if path == "/v1/facets" else {})
            answer = http.get(path, params=params, headers=headers)
            assert answer.status_code in {200, 400, 403}, (text, answer.text)
            if answer.status_code != 200:
                assert answer.json()["remedy"], text


@pytest.mark.parametrize("error", [StoreFull("The disk is full"), StoreUnavailable("Busy")])
def test_a_full_store_still_can_be_read(log: Log, http: TestClient, error: StoreError) -> None:
    """That opening cannot be recorded now keeps nobody from reading; it is recorded as soon as it can be."""
    with patch.object(type(log), "record", side_effect=error):
        assert http.get("/v1/entries", headers=bearer(token())).status_code == 200
    assert log.head(HOME).size == 7
    http.get("/v1/entries", headers=bearer(token()))
    assert log.head(HOME).size == 8


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (StoreUnavailable("The file /srv/secret/audit.db is locked"), 503, "store-unavailable"),
        (StoreFull("No space on /srv/secret"), 507, "store-full"),
        (StoreCorrupt("Page 7 of /srv/secret/audit.db", index=7), 500, "store-corrupt"),
        (RuntimeError("psycopg://user:password@host"), 500, "internal"),
    ],
)
def test_what_goes_wrong_inside_stays_inside(
    http: TestClient, caplog: pytest.LogCaptureFixture, error: Exception, status: int, name: str
) -> None:
    """The answer names no file, host or code; the server's own log does, under the same request id."""
    with caplog.at_level(logging.ERROR, "whodid.server"), patch.object(Log, "find", side_effect=error):
        answer = http.get("/v1/entries", headers=bearer(token()))
    body = check_problem(answer, status, name)
    assert "secret" not in answer.text
    assert "password" not in answer.text
    assert body["request_id"] in caplog.text
    assert ("retry-after" in answer.headers) == (status in {503, 507})


def test_unknown_addresses_and_methods_are_problems_too(http: TestClient) -> None:
    """404 and 405 have the shape of every other error, and 405 says what is allowed."""
    check_problem(http.get("/v1/nothing", headers=bearer(token())), 404, "not-found")
    check_problem(http.get("/v1/entries/", headers=bearer(token())), 404, "not-found")
    answer = http.delete("/v1/entries", headers=bearer(token()))
    check_problem(answer, 405, "method-not-allowed")
    assert "GET" in answer.headers["allow"]
    assert http.patch("/v1/exports", headers=bearer(token())).headers["allow"] == "GET, HEAD, POST"


def test_a_download_that_fails_under_way_is_broken_off(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    """A fault after the first bytes breaks the connection, so that half a file is never taken for the whole."""
    steps = iter([b"x" * 70_000])

    def failing(_: object) -> bytes:
        for piece in steps:
            return piece
        raise OSError(5, "The disk went away")

    with client(log) as http:
        href = linked(http, bearer(token()))
        with (
            patch("whodid.server.files._Part.__next__", failing),
            caplog.at_level(logging.ERROR, "whodid.server"),
            pytest.raises(OSError, match="went away"),
        ):
            http.get(href)
    assert "broke off" in caplog.text


def test_more_waiting_requests_than_can_be_served_are_told_so(log: Log) -> None:
    """While one request works and the queue is full, the next is answered at once instead of waiting for ever."""
    entered, release = threading.Event(), threading.Event()

    def slow(self: Log, *_: object, **__: object) -> Page:
        entered.set()
        assert release.wait(20)
        return Page(entries=(), next=None)

    with (
        patch.object(Log, "find", slow),
        patch.object(app_module, "_MOST_WAITING", 1),
        client(log, threads=1) as http,
    ):
        statuses: list[int] = []
        rights = bearer(token())

        def ask() -> None:
            statuses.append(http.get("/v1/entries", headers=rights).status_code)

        threads = [threading.Thread(target=ask)]
        threads[0].start()
        assert entered.wait(20)
        for _ in range(3):
            threads.append(threading.Thread(target=ask))
            threads[-1].start()
        deadline = time.monotonic() + 20
        while statuses.count(503) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        release.set()
        for thread in threads:
            thread.join(20)
    assert sorted(statuses) == [200, 200, 503, 503]


def test_a_dripping_body_is_given_up(log: Log) -> None:
    """A body that does not end in time is a 408, and holds nothing up."""
    sent: list[dict[str, Any]] = []
    parts = [{"type": "http.request", "body": b'{"format":', "more_body": True}]

    async def receive() -> dict[str, Any]:
        if parts:
            return parts.pop()
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {token()}".encode()), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/exports",
        "query_string": b"",
        "headers": headers,
        "client": ("10.0.0.1", 1),
        "scheme": "http",
        "root_path": "",
    }
    with patch.object(app_module, "_BODY_SECONDS", 0.05):
        anyio.run(asgi(log, secret=SECRET), scope, receive, send)
    assert sent[0]["status"] == 408
    assert b"urn:whodid:problem:slow-request" in sent[1]["body"]


FAMILY: tuple[tuple[WhodidError, int, dict[str, object]], ...] = (
    (InvalidEvent("/actor/id", "It is empty"), 422, {"pointer": "/actor/id"}),
    (ConflictingEvent("x", 7), 409, {"index": 7}),
    (InvalidQuery("No such field", "Use another", start=3, end=9), 400, {"start": 3, "end": 9}),
    (InvalidCatalog("Two sentences"), 422, {}),
    (InvalidRule("mine.yml", "night", "It has no fixtures"), 422, {}),
    (InvalidSetting("Not a number"), 422, {}),
    (Denied("audit:read"), 403, {"permission": "audit:read"}),
    (NotFound("Nothing"), 404, {}),
    (Purged(12), 410, {"index": 12}),
    (StoreError("/srv/audit.db"), 500, {}),
    (StoreFull("/srv/audit.db"), 507, {}),
    (StoreUnavailable("/srv/audit.db"), 503, {}),
    (StoreCorrupt("/srv/audit.db", index=3), 500, {}),
    (StoreVersion("/srv/audit.db"), 500, {}),
    (MalformedProof("/srv/audit.db"), 500, {}),
)


@pytest.mark.parametrize(("error", "status", "data"), FAMILY, ids=lambda value: type(value).__name__)
def test_every_error_of_the_family_has_its_status(error: WhodidError, status: int, data: dict[str, object]) -> None:
    """Each tells what it carries, states a fact and a remedy, and names nothing of the inside."""
    answer = problem_of(error, "req_1")
    assert isinstance(answer.body, bytes)
    body = msgspec.json.decode(answer.body)
    assert (answer.status, body["status"], body["request_id"]) == (status, status, "req_1")
    assert {name: body[name] for name in data} == data
    assert body.keys() - data.keys() == {"type", "title", "status", "detail", "remedy", "request_id"}
    assert b"/srv/" not in answer.body
