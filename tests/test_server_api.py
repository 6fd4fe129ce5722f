"""The API over HTTP: each route, its rights, its errors in one shape, its caching."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch
from uuid import UUID

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from tests import serving
from tests.serving import (
    EXPORT,
    HIDDEN_ADDRESS,
    HOME,
    JOAO,
    NOW,
    PII,
    READ,
    SECRET,
    Clock,
    bearer,
    check_problem,
    client,
    event,
    open_log,
    record,
    token,
)
from whodid import Actor, Log
from whodid.errors import InvalidSetting
from whodid.query import parse
from whodid.server import asgi
from whodid.server import sessions as sessions_module

clock, http = serving.clock, serving.http

READS = (
    "/v1/entries",
    "/v1/entries/3",
    f"/v1/entries/{UUID(int=4)}",
    "/v1/entries/3/proof",
    "/v1/proofs?at=3",
    "/v1/checkpoint",
    "/v1/consistency?from=2",
    "/v1/hashes",
    "/v1/histogram",
    "/v1/facets?field=actor",
    "/v1/insights",
    "/v1/suggest?term=ac",
    "/v1/resources/contact/con_ana/history",
    "/v1/catalog",
    "/v1/retention",
)


@pytest.fixture
def engine() -> str:
    """Name the engine; tests that are about the store run on both."""
    return "memory"


@pytest.fixture
def log(engine: str, clock: Clock, tmp_path: Path) -> Iterator[Log]:
    """Open the story."""
    with open_log(clock, f"sqlite:///{tmp_path}/audit.db" if engine == "sqlite" else "memory://") as opened:
        yield opened


@pytest.mark.parametrize("path", READS)
def test_every_route_answers_its_reader(http: TestClient, path: str) -> None:
    """With the right to read each route answers JSON, and says how it may be kept."""
    answer = http.get(path, headers=bearer(token(permissions=[READ])))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert "Authorization" in answer.headers["vary"]
    assert answer.headers["etag"].startswith('W/"')


VOID: tuple[dict[str, str], ...] = (
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer x"},
    {"Authorization": "Basic dXNlcjpwYXNz"},
    bearer(token()[:-1]),
    bearer(token(now=NOW - timedelta(seconds=600))),
    bearer(token(now=NOW + timedelta(hours=1))),
    {**bearer(token(origin="https://app.example.com")), "Origin": "https://evil.example"},
)


@pytest.mark.parametrize("path", READS)
def test_without_a_good_token_every_route_answers_the_same(http: TestClient, path: str) -> None:
    """Missing, garbled, forged, expired, early and foreign tokens cannot be told apart."""
    for headers in VOID:
        answer = http.get(path, headers=headers)
        body = check_problem(answer, 401, "unauthorised")
        assert answer.headers["www-authenticate"] == 'Bearer realm="whodid"'
        assert body.keys() == {"type", "title", "status", "detail", "remedy", "request_id"}
        assert body["detail"] == "Sign in to read this log."


@pytest.mark.parametrize("path", READS)
def test_reading_needs_the_permission(http: TestClient, path: str) -> None:
    """A token that may export or see personal values and not read, reads nothing."""
    body = check_problem(http.get(path, headers=bearer(token(permissions=[EXPORT, PII]))), 403, "denied")
    assert body["permission"] == "audit:read"


@pytest.mark.parametrize("path", READS)
def test_a_token_in_an_address_is_refused(http: TestClient, path: str) -> None:
    """A token does not open anything from the query string, and beside a good header it is refused."""
    join = "&" if "?" in path else "?"
    check_problem(http.get(f"{path}{join}token={token()}"), 401, "unauthorised")
    body = check_problem(http.get(f"{path}{join}token=x", headers=bearer(token())), 400, "invalid-query")
    assert "does not belong in an address" in body["detail"]


@pytest.mark.parametrize("path", READS)
def test_asking_again_costs_nothing(http: TestClient, path: str) -> None:
    """The tag of an answer is good until something is recorded, and only for the same rights."""
    http.get("/v1/entries", headers=bearer(token()))  # the record of opening is written once
    first = http.get(path, headers=bearer(token()))
    tag = {"If-None-Match": f'W/"other", {first.headers["etag"]}'}
    again = http.get(path, headers=bearer(token()) | tag)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    if path != "/v1/catalog":
        weaker = http.get(path, headers=bearer(token(permissions=[READ])) | tag)
        assert weaker.status_code == 200
        locked = http.get(path, headers=bearer(token(locked="index:3")) | tag)
        assert locked.status_code == 200


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_a_new_entry_voids_the_tags(log: Log, http: TestClient) -> None:
    """After something was recorded lists, bars and counts are made anew."""
    http.get("/v1/entries", headers=bearer(token()))
    paths = [path for path in READS if path != "/v1/catalog"]
    tags = {path: http.get(path, headers=bearer(token())).headers["etag"] for path in paths}
    record(log, HOME, [event(70, "contact.created")])
    for path in paths:
        assert http.get(path, headers=bearer(token()) | {"If-None-Match": tags[path]}).status_code == 200


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_a_list_filters_pages_and_counts(http: TestClient) -> None:
    """The filters of the page alone and together, and the way through the pages."""
    ask = bearer(token())
    http.get("/v1/entries", headers=ask)
    for params, expected in (
        ({"q": "kind:delete"}, [1]),
        ({"q": "actor:usr_joao"}, [5, 4]),
        ({"q": f"ip:{HIDDEN_ADDRESS}"}, [5, 4]),
        ({"q": "resource:template:tpl_1"}, [3, 2]),
        ({"since": "2026-11-18", "until": "2026-11-19"}, [3, 2, 1]),
        ({"q": "-kind:security", "range": "7d", "tz": "Europe/Madrid"}, [6, 4, 3, 2, 1, 0]),
    ):
        body = http.get("/v1/entries", params=params, headers=ask).json()
        assert [item["index"] for item in body["items"]] == expected, params
        assert body["count"] == {"value": len(expected), "exact": True}, params
    gathered, cursor = [], None
    while True:
        params = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        body = http.get("/v1/entries", params=params, headers=ask).json()
        gathered += [item["index"] for item in body["items"]]
        cursor = body["next"]
        if cursor is None:
            break
    assert gathered == [7, 6, 5, 4, 3, 2, 1, 0]


def test_the_language_is_the_requests_then_the_tokens_then_the_browsers(http: TestClient) -> None:
    """Sentences come in the language that somebody asked for."""

    def first(headers: dict[str, str], **params: str) -> str:
        body = http.get("/v1/entries/1", params=params, headers=headers).json()
        return str(body["sentence"]["template"])

    assert "deleted" in first(bearer(token()))
    assert "eliminó" in first(bearer(token(lang="es")))
    assert "eliminó" in first(bearer(token()) | {"Accept-Language": "es-MX,es;q=0.9,en;q=0.8"})
    assert "deleted" in first(bearer(token(lang="es")), lang="en")


def test_what_is_not_there_looks_the_same_everywhere(http: TestClient) -> None:
    """A number too high, an unknown id, another workspace's id and a word that is neither are one answer."""
    bodies = []
    for key in ("999", "9999999999999999", str(UUID(int=999)), str(UUID(int=100)), "abc", "-1", "007", "1e3", "٣"):
        for path in (f"/v1/entries/{key}", f"/v1/entries/{key}/proof"):
            body = check_problem(http.get(path, headers=bearer(token())), 404, "not-found")
            del body["request_id"]
            bodies.append(body)
    assert all(body == bodies[0] for body in bodies)


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_what_was_purged_says_so(log: Log, clock: Clock, http: TestClient) -> None:
    """Content that left by retention is gone (410) and not unknown; the list of purges says when."""
    from whodid.retention import purge

    clock.advance(days=120)
    ask = bearer(token(now=clock.now))
    done = purge(log, HOME)
    assert done.entries == 7
    body = check_problem(http.get("/v1/entries/3", headers=ask), 410, "purged")
    assert body["index"] == 3
    check_problem(http.get("/v1/entries/3/proof", headers=ask), 410, "purged")
    check_problem(http.get("/v1/entries/999", headers=ask), 404, "not-found")
    told = http.get("/v1/retention", headers=ask).json()
    assert told["days"] == 90
    assert told["first"] == 7
    assert [one["entries"] for one in told["purges"]] == [7]
    assert told["purges"][0]["index"] == 8  # the seal came first
    locked = bearer(token(now=clock.now, locked="resource:contact:con_ana"))
    check_problem(http.get("/v1/entries/3", headers=locked), 404, "not-found")
    assert http.get("/v1/retention", headers=locked).json()["purges"] == []


def test_an_entry_says_when_it_will_go(http: TestClient) -> None:
    """Ninety days after it was recorded, on the day that the policy of retention names."""
    from whodid.retention import removed_on

    body = http.get("/v1/entries/3", headers=bearer(token())).json()
    assert body["removed_on"] == str(removed_on(NOW, 90))


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_opening_the_log_is_recorded_once_a_day(log: Log, clock: Clock, http: TestClient) -> None:
    """Whatever the number of tokens and pages, one entry per viewer and UTC day, with where from."""

    def opened() -> list[str]:
        found = log.find(HOME, parse("action:audit.viewer_opened", now=clock.now)).entries
        return [entry.actor.id for entry in found]

    for _ in range(3):
        http.get("/v1/entries", headers=bearer(token(now=clock.now)) | {"User-Agent": "Firefox"})
        clock.advance(minutes=5)
    assert opened() == ["usr_maria"]
    http.get("/v1/entries", headers=bearer(token(viewer=JOAO, now=clock.now)))
    assert opened() == ["usr_joao", "usr_maria"]
    with client(log) as restarted:
        restarted.get("/v1/entries", headers=bearer(token(now=clock.now)) | {"User-Agent": "Another"})
    assert opened() == ["usr_joao", "usr_maria"]
    clock.advance(days=1)
    http.get("/v1/entries", headers=bearer(token(now=clock.now)))
    assert opened() == ["usr_maria", "usr_joao", "usr_maria"]
    entry = log.find(HOME, parse("action:audit.viewer_opened", now=clock.now)).entries[-1]
    assert entry.context is not None
    assert (entry.context.source, entry.context.user_agent) == ("web", "Firefox")
    assert entry.actor.name == "Maria Torres"


@pytest.mark.parametrize("path", ["entries/0", "entries/0/proof", "histogram", "facets?field=actor"])
def test_no_way_around_the_list_is_silent(log: Log, http: TestClient, path: str) -> None:
    """Whoever reads entries one by one, or counts them, is recorded like whoever lists them."""
    size = log.head(HOME).size
    assert http.get(f"/v1/{path}", headers=bearer(token())).status_code == 200
    assert log.head(HOME).size == size + 1
    assert log.get(HOME, size).action == "audit.viewer_opened"


def test_what_does_not_count_as_opening(log: Log, http: TestClient) -> None:
    """A refused request opens nothing, and neither does asking for the catalog."""
    http.get("/v1/entries")
    http.get("/v1/entries", headers=bearer(token(permissions=[EXPORT])))
    http.get("/v1/entries?q=nosuch:x", headers=bearer(token()))
    http.get("/v1/entries/999", headers=bearer(token()))
    http.get("/v1/catalog", headers=bearer(token()))
    assert log.head(HOME).size == 7


def test_every_answer_carries_the_security_headers(http: TestClient) -> None:
    """Data, problems, unknown addresses: nothing runs, nothing is sniffed, nothing is framed, nothing refers."""
    for path in ("/v1/entries", "/v1/nothing", "/static/nothing.js", "/"):
        headers = http.get(path, headers=bearer(token())).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
        assert headers["x-request-id"].startswith("req_")


def test_head_is_get_without_a_body(http: TestClient) -> None:
    """HEAD has the status and the tag of GET."""
    http.get("/v1/entries", headers=bearer(token()))
    got, head = (getattr(http, how)("/v1/entries", headers=bearer(token())) for how in ("get", "head"))
    assert (head.status_code, head.headers["etag"]) == (200, got.headers["etag"])


def test_forwarded_addresses_count_only_behind_declared_proxies(log: Log) -> None:
    """With one proxy the address is the last of the header; without, the header is somebody's claim."""

    def seen(forwarded: str, proxies: int, viewer: str) -> str | None:
        who = Actor(type="user", id=viewer)
        with client(log, trusted_proxies=proxies) as http:
            headers = bearer(token(viewer=who)) | {"X-Forwarded-For": forwarded}
            assert http.get("/v1/entries", headers=headers).status_code == 200
        entry = log.find(HOME, parse(f"actor:{viewer}", now=NOW)).entries[0]
        assert entry.context is not None
        return entry.context.ip

    assert seen("6.6.6.6", 0, "u1") is None  # the test client's own name is no address
    assert seen("6.6.6.6, 198.51.100.1", 1, "u2") == "198.51.100.1"
    assert seen("6.6.6.6, 198.51.100.1, 10.0.0.1", 2, "u3") == "198.51.100.1"
    assert seen("198.51.100.1", 2, "u4") is None  # it did not come through both proxies
    assert seen("6.6.6.6, <script>", 1, "u5") is None


def test_a_request_id_is_taken_from_a_trusted_proxy_only(log: Log) -> None:
    """A proxy of ours may name the request; a client may not, and never with anything but a plain name."""
    sent = {"X-Request-Id": "edge-0123456789"}
    with client(log) as http:
        assert http.get("/v1/catalog", headers=sent).headers["x-request-id"].startswith("req_")
    with client(log, trusted_proxies=1) as http:
        assert http.get("/v1/catalog", headers=sent).headers["x-request-id"] == "edge-0123456789"
        hostile = {"X-Request-Id": "x" * 65}
        assert http.get("/v1/catalog", headers=hostile).headers["x-request-id"].startswith("req_")


def test_it_can_be_mounted_anywhere(log: Log) -> None:
    """Below a path of a host's application every route and link carries that path."""
    host = Starlette(routes=[Mount("/settings/audit", app=asgi(log, secret=SECRET))])
    with TestClient(host) as http:
        assert http.get("/settings/audit/v1/entries", headers=bearer(token())).status_code == 200
        page = http.get("/settings/audit/").text
        assert 'api="/settings/audit"' in page
        assert 'src="/settings/audit/static/page.js?v=' in page
        made = http.post("/settings/audit/v1/exports", json={"format": "csv"}, headers=bearer(token()))
        assert made.headers["location"] == f"/settings/audit/v1/exports/{made.json()['id']}"
        while (link := http.post(f"{made.headers['location']}/link", headers=bearer(token()))).status_code == 409:
            pass
        assert link.json()["href"].startswith("/settings/audit/export/")
        assert http.get(link.json()["href"]).status_code == 200


def test_a_short_secret_is_refused_at_the_start(log: Log) -> None:
    """The application does not come up with a secret that can be guessed."""
    with pytest.raises(InvalidSetting):
        asgi(log, secret=b"short")


def test_what_is_remembered_of_openings_is_bounded(log: Log) -> None:
    """When the oldest is forgotten, the log itself still knows that it was recorded."""
    with patch.object(sessions_module, "_MOST_OPENED", 2), client(log) as http:
        for name in ("u1", "u2", "u3", "u1", "u2", "u3"):
            viewer = Actor(type="user", id=name)
            assert http.get("/v1/entries", headers=bearer(token(viewer=viewer))).status_code == 200
    found = log.find(HOME, parse("action:audit.viewer_opened", now=NOW)).entries
    assert sorted(entry.actor.id for entry in found) == ["u1", "u2", "u3"]
