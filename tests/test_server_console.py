"""Signing in by a printed link: once, soon, from our own page, into a cookie that no script reads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from tests import serving
from tests.serving import AWAY, HOME, SECRET, Clock, bearer, check_problem, client, open_log
from whodid.server import verify_token
from whodid.server.console import OPERATOR, Console

clock = serving.clock

OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def console(clock: Clock) -> Console:
    """Make a console."""
    return Console(secret=SECRET, clock=clock)


@pytest.fixture
def http(clock: Clock, console: Console) -> Iterator[TestClient]:
    """Open a client of an application with the console."""
    with open_log(clock) as log, client(log, console=console) as opened:
        yield opened


def sign_in(http: TestClient, code: str, headers: dict[str, str] = OWN) -> object:
    """Exchange a code."""
    return http.post("/session", json={"code": code}, headers=headers)


def test_a_link_opens_a_session_and_the_session_mints_tokens(http: TestClient, console: Console, clock: Clock) -> None:
    """Code → cookie → token of ten minutes with every right on the one workspace → entries."""
    answer = http.post("/session", json={"code": console.invite(HOME)}, headers=OWN)
    assert (answer.status_code, answer.json()) == (200, {"workspace": HOME})
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=28800"))
    assert "Secure" not in cookie  # the test client came by http
    minted = http.post("/session/token", headers=OWN)
    assert minted.headers["cache-control"] == "no-store"
    claims = verify_token(SECRET, minted.text, now=clock.now)
    assert claims is not None
    assert (claims.workspace, claims.viewer) == (HOME, OPERATOR)
    assert set(claims.permissions) == {"audit:read", "audit:export", "audit:pii", "audit:manage"}
    assert http.get("/v1/entries", headers=bearer(minted.text)).json()["items"][0]["actor"]["id"] == "operator"


def test_the_page_knows_where_its_tokens_are(http: TestClient) -> None:
    """With a console the page fetches tokens from it."""
    assert 'data-tokens="/session/token"' in http.get("/").text


def test_a_code_works_once(http: TestClient, console: Console) -> None:
    """Used, unknown and expired codes are one answer."""
    code = console.invite(HOME)
    assert http.post("/session", json={"code": code}, headers=OWN).status_code == 200
    used = http.post("/session", json={"code": code}, headers=OWN)
    unknown = http.post("/session", json={"code": "x" * 43}, headers=OWN)
    bodies = [check_problem(one, 403, "denied") | {"request_id": ""} for one in (used, unknown)]
    assert bodies[0] == bodies[1]
    assert "set-cookie" not in used.headers


def test_a_code_ends_after_a_quarter_of_an_hour(http: TestClient, console: Console, clock: Clock) -> None:
    """A link that lies around opens nothing."""
    code = console.invite(HOME)
    clock.advance(minutes=15)
    check_problem(http.post("/session", json={"code": code}, headers=OWN), 403, "denied")


def test_a_session_ends(http: TestClient, console: Console, clock: Clock) -> None:
    """After eight hours, after one without use, or when it is ended; then there are no more tokens."""
    http.post("/session", json={"code": console.invite(HOME)}, headers=OWN)
    for _ in range(9):
        assert http.post("/session/token", headers=OWN).status_code == 200
        clock.advance(minutes=53, seconds=20)
    check_problem(http.post("/session/token", headers=OWN), 401, "unauthorised")
    http.post("/session", json={"code": console.invite(HOME)}, headers=OWN)
    clock.advance(minutes=60)
    check_problem(http.post("/session/token", headers=OWN), 401, "unauthorised")
    http.post("/session", json={"code": console.invite(HOME)}, headers=OWN)
    held = http.cookies.get("whodid_session")
    assert http.request("DELETE", "/session", headers=OWN).status_code == 200
    assert held is not None
    replayed = http.post("/session/token", headers=OWN | {"Cookie": f"whodid_session={held}"})
    check_problem(replayed, 401, "unauthorised")


def test_a_session_is_for_its_workspace(http: TestClient, console: Console, clock: Clock) -> None:
    """A link for one workspace never yields a token for another."""
    http.post("/session", json={"code": console.invite(AWAY)}, headers=OWN)
    claims = verify_token(SECRET, http.post("/session/token", headers=OWN).text, now=clock.now)
    assert claims is not None
    assert claims.workspace == AWAY


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://audit.test.evil.example"},
    ],
)
def test_other_pages_cannot_use_the_cookie(http: TestClient, console: Console, headers: dict[str, str]) -> None:
    """Whatever site a request comes from, only our own page signs in, takes tokens and signs out."""
    code = console.invite(HOME)
    check_problem(http.post("/session", json={"code": code}, headers=headers), 403, "denied")
    assert http.post("/session", json={"code": code}, headers=OWN).status_code == 200
    check_problem(http.post("/session/token", headers=headers), 403, "denied")
    check_problem(http.request("DELETE", "/session", headers=headers), 403, "denied")
    assert http.post("/session/token", headers={"Origin": "http://audit.test"}).status_code == 200


def test_a_cookie_alone_reads_nothing(http: TestClient, console: Console) -> None:
    """The API takes tokens only, so no forged request can read with the cookie."""
    http.post("/session", json={"code": console.invite(HOME)}, headers=OWN)
    check_problem(http.get("/v1/entries", headers=OWN), 401, "unauthorised")


@pytest.mark.parametrize(
    "cookie", ["", "whodid_session=", "whodid_session=x", 'whodid_session="\\', "a=b; whodid_session", "\x7f"]
)
def test_broken_cookies_open_nothing(http: TestClient, cookie: str) -> None:
    """What is no cookie of ours is no session."""
    check_problem(http.post("/session/token", headers=OWN | {"Cookie": cookie}), 401, "unauthorised")


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 422), (b"{}", 422), (b'{"code":1}', 422), (b'{"code":"x","more":1}', 422), (b"\xff", 422)],
)
def test_bodies_are_read_strictly(http: TestClient, body: bytes, status: int) -> None:
    """Only {"code": "…"} as JSON is an exchange."""
    ask = OWN | {"Content-Type": "application/json"}
    assert http.post("/session", content=body, headers=ask).status_code == status
    assert http.post("/session", content=body, headers=OWN | {"Content-Type": "text/plain"}).status_code == 415


def test_the_cookie_is_secure_behind_https(clock: Clock, console: Console) -> None:
    """Over https, or behind a declared proxy that says so, the cookie never travels in clear."""
    with open_log(clock) as log, client(log, console=console, trusted_proxies=1) as http:
        sent = OWN | {"X-Forwarded-Proto": "https"}
        answer = http.post("/session", json={"code": console.invite(HOME)}, headers=sent)
        assert "; Secure" in answer.headers["set-cookie"]
    with open_log(clock) as log, client(log, console=console) as http:
        answer = http.post("/session", json={"code": console.invite(HOME)}, headers=sent)
        assert "; Secure" not in answer.headers["set-cookie"]


def test_sessions_are_bounded(console: Console, http: TestClient) -> None:
    """The hundred and first session ends the oldest."""
    http.post("/session", json={"code": console.invite(HOME)}, headers=OWN)
    first = http.cookies.get("whodid_session")
    for _ in range(100):
        http.post("/session", json={"code": console.invite(HOME)}, headers=OWN)
    assert http.post("/session/token", headers=OWN).status_code == 200
    http.cookies.clear()
    replayed = http.post("/session/token", headers=OWN | {"Cookie": f"whodid_session={first}"})
    check_problem(replayed, 401, "unauthorised")


def test_there_is_no_session_without_a_console(clock: Clock) -> None:
    """A host that mounts the application has no second way in."""
    with open_log(clock) as log, client(log) as http:
        check_problem(http.post("/session", json={"code": "x"}, headers=OWN), 404, "not-found")
        check_problem(http.post("/session/token", headers=OWN), 404, "not-found")
