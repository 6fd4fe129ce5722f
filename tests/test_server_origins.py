"""Other origins: who may read what, what a browser is told before, and that nothing of it rests on cookies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from tests.serving import NOW, SECRET, Clock, bearer, check_problem, client, open_log, token
from whodid.errors import InvalidSetting
from whodid.server import asgi
from whodid.server.config import load
from whodid.server.origins import check_origins

LISTED, NAMED, OTHER = "https://app.example.com", "https://named.example.com", "https://evil.example"
ALLOW, EXPOSE = "access-control-allow-origin", "access-control-expose-headers"


@pytest.fixture(scope="module")
def http() -> Iterator[TestClient]:
    """Open a client of a deployment that lists one origin."""
    with open_log(Clock()) as log, client(log, origins=[LISTED]) as opened:
        yield opened


def asked(origin: str, *, method: str = "GET") -> dict[str, str]:
    """Return the headers of a browser's question before a request."""
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization",
    }


def test_a_listed_origin_reads_the_api_and_the_files(http: TestClient) -> None:
    """The answer names the origin, lets the page read three headers, and never speaks of cookies."""
    for address, headers in (("/v1/entries", bearer(token())), ("/static/viewer.js", {})):
        answer = http.get(address, headers={**headers, "Origin": LISTED})
        assert answer.status_code == 200
        assert answer.headers[ALLOW] == LISTED
        assert answer.headers[EXPOSE] == "Content-Disposition, ETag, X-Request-Id"
        assert "Origin" in answer.headers["vary"]
        assert "access-control-allow-credentials" not in answer.headers
        assert "set-cookie" not in answer.headers


def test_the_origin_of_a_token_reads_the_api(http: TestClient) -> None:
    """A genuine token lets its own origin read the answer, even the one that says that the token is too old."""
    mine = bearer(token(origin=NAMED))
    answer = http.get("/v1/entries", headers={**mine, "Origin": NAMED})
    assert (answer.status_code, answer.headers[ALLOW]) == (200, NAMED)
    again = http.get("/v1/entries", headers={**mine, "Origin": NAMED, "If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.headers[ALLOW]) == (304, NAMED)
    old = http.get(
        "/v1/entries", headers={**bearer(token(origin=NAMED, now=NOW - timedelta(hours=1))), "Origin": NAMED}
    )
    assert (old.status_code, old.headers[ALLOW]) == (401, NAMED)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({**bearer(token()), "Origin": OTHER}, 200),
        ({**bearer(token(origin=NAMED)), "Origin": OTHER}, 401),
        ({**bearer(token(origin=NAMED)[:-2] + "xx"), "Origin": NAMED}, 401),
        ({"Origin": NAMED}, 401),
        ({**bearer(token(origin=NAMED)), "Origin": "null"}, 401),
        ({**bearer(token()), "Origin": f"{LISTED}.evil.example"}, 200),
        ({**bearer(token()), "Origin": LISTED.upper()}, 200),
    ],
    ids=["no origin in the token", "another", "forged", "no token", "null", "longer", "upper case"],
)
def test_nobody_else_reads_anything(http: TestClient, headers: dict[str, str], status: int) -> None:
    """Whatever the status, the browser of another page is not allowed to show it."""
    answer = http.get("/v1/entries", headers=headers)
    assert answer.status_code == status
    assert ALLOW not in answer.headers
    assert "Origin" in answer.headers["vary"]


def test_our_own_page_may_use_what_its_parent_handed_over(http: TestClient) -> None:
    """The frame sends our own origin with its POST; the token names the page around."""
    own = {**bearer(token(origin=LISTED)), "Origin": "http://audit.test"}
    assert http.post("/v1/exports", json={"format": "csv"}, headers=own).status_code == 201


def test_a_browser_may_ask_before(http: TestClient) -> None:
    """The answer is kept for two hours and names what may be sent; it allows no cookie."""
    for address in ("/v1/entries", "/v1/exports", "/static/details.js"):
        answer = http.options(address, headers=asked(LISTED, method="POST"))
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers[ALLOW] == LISTED
        assert answer.headers["access-control-max-age"] == "7200"
        assert "authorization" in answer.headers["access-control-allow-headers"]
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    ("address", "origin"),
    [("/static/viewer.js", OTHER), ("/v1/entries", "null"), ("/v1/entries", "https://evil.example/x")],
)
def test_a_wrong_origin_is_refused_before(http: TestClient, address: str, origin: str) -> None:
    """Files are for listed origins; what is no origin may nothing."""
    answer = http.options(address, headers=asked(origin))
    assert answer.status_code == 403
    assert ALLOW not in answer.headers


def test_sessions_and_pages_are_shared_with_nobody(http: TestClient) -> None:
    """Where there are cookies there is no other origin."""
    for address in ("/", "/session", "/session/token", "/embed"):
        assert ALLOW not in http.get(address, headers={"Origin": LISTED}).headers
        assert http.options(address, headers=asked(LISTED)).status_code in {404, 405}


def test_an_options_request_that_asks_nothing_is_refused(http: TestClient) -> None:
    """Without the question of a browser it is a method that no route takes."""
    check_problem(http.options("/v1/entries"), 405, "method-not-allowed")


def test_without_a_list_the_files_stay_at_home() -> None:
    """The default: our own origin only, and no page may frame."""
    with open_log(Clock()) as log, client(log) as http:
        answer = http.get("/static/viewer.js", headers={"Origin": LISTED})
        assert ALLOW not in answer.headers
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        embed = http.get("/embed")
        assert "frame-ancestors 'none'" in embed.headers["content-security-policy"]
        assert embed.headers["cross-origin-resource-policy"] == "same-origin"


def test_the_frame_is_for_the_listed_origins(http: TestClient) -> None:
    """The policy of the frame is that of the page but for who may show it, and its page knows the list."""
    embed = http.get("/embed?theme=dark")
    policy = embed.headers["content-security-policy"]
    page = http.get("/").headers["content-security-policy"]
    assert policy == page.replace("frame-ancestors 'none'", f"frame-ancestors {LISTED}")
    assert f'data-origins="{LISTED}"' in embed.text
    assert embed.headers["cross-origin-resource-policy"] == "cross-origin"
    assert http.get("/static/viewer.js").headers["cross-origin-resource-policy"] == "cross-origin"


def test_a_token_in_the_address_of_the_frame_is_refused(http: TestClient) -> None:
    """It would stand in histories and logs."""
    check_problem(http.get("/embed?token=wv1.a.b"), 400, "bad-request")


def test_the_paths_are_those_below_the_mount() -> None:
    """Under another path the same rules hold."""
    with open_log(Clock()) as log:
        host = Starlette(routes=[Mount("/audit", asgi(log, secret=SECRET, origins=[LISTED]))])
        with TestClient(host) as http:
            answer = http.get("/audit/v1/entries", headers={**bearer(token()), "Origin": LISTED})
            assert answer.headers[ALLOW] == LISTED
            assert http.options("/audit/v1/entries", headers=asked(LISTED)).status_code == 204


@pytest.mark.parametrize(
    "origin", ["*", "app.example.com", "https://app.example.com/", "https://*.example.com", "null"]
)
def test_what_is_no_origin_cannot_be_listed(origin: str) -> None:
    """No wildcards, no paths: each page that may read is named."""
    with pytest.raises(InvalidSetting, match="is not a web origin"):
        check_origins([origin])
    with pytest.raises(InvalidSetting, match="is not a web origin"):
        load({"store": "memory://", "origins": [origin]}, environment={})


def test_origins_come_from_the_environment_too() -> None:
    """Separated by spaces, and named once each."""
    settings = load(environment={"WHODID_STORE": "memory://", "WHODID_SERVE_ORIGINS": f"{LISTED} {NAMED}"})
    assert settings.origins == (LISTED, NAMED)
    assert check_origins([LISTED, NAMED, LISTED]) == (LISTED, NAMED)


def test_a_name_with_the_digest_is_kept_for_ever(http: TestClient) -> None:
    """The manifest tells it; with another digest there is no such file."""
    file = http.get("/static/manifest.json").json()["viewer.js"]["file"]
    answer = http.get(f"/static/{file}")
    assert answer.content == http.get("/static/viewer.js").content
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    check_problem(http.get("/static/viewer-0123456789abcdef.js"), 404, "not-found")
