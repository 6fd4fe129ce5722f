"""The standalone page: strict policy, files from memory, addresses that can be kept for ever."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from tests.serving import Clock, check_problem, client, open_log


@pytest.fixture(scope="module")
def http() -> Iterator[TestClient]:
    """Open a client."""
    with open_log(Clock()) as log, client(log) as opened:
        yield opened


def test_the_page_has_the_strict_policy(http: TestClient) -> None:
    """Nothing but our own files, no inline code, no strings turned into code, no frame around it."""
    answer = http.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    directives = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert directives == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "require-trusted-types-for": "'script'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["cache-control"] == "no-cache"


def test_the_page_needs_nothing_that_its_policy_forbids(http: TestClient) -> None:
    """No inline script, style or handler, and no file from elsewhere."""
    page = http.get("/").text
    assert "<audit-log-viewer" in page
    assert re.findall(r"<script(?![^>]*\ssrc=)", page) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:", page) == []
    assert [
        one for one in re.findall(r'(?:src|href)="([^"]+)"', page) if not one.startswith(("/static/", "data:,"))
    ] == []


@pytest.mark.parametrize(
    ("wishes", "language"), [("es-MX,es;q=0.9,en;q=0.8", "es"), ("fr-FR, pt;q=0.5", "pt"), ("*", "en"), ("", "en")]
)
def test_the_texts_come_along_with_the_code(http: TestClient, wishes: str, language: str) -> None:
    """The page names the catalogue that its reader will want, as it will be asked for, before any code has run."""
    page = http.get("/", headers={"Accept-Language": wishes})
    address = re.search(r'rel="preload" as="fetch" crossorigin href="(/static/locales/[^"]+)"', page.text)
    assert address is not None
    assert address[1].startswith(f"/static/locales/{language}.json?v=")
    assert http.get(address[1]).headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "Accept-Language" in page.headers["vary"]


def test_the_alerts_are_a_page_of_their_own(http: TestClient) -> None:
    """The log leads to it and it leads back, in the reader's language, under the same policy."""
    log, alerts = http.get("/"), http.get("/alerts", headers={"Accept-Language": "ar"})
    assert 'alerts="/alerts"' in log.text
    assert '<audit-log-alerts api="/" log="/"' in alerts.text.replace('api=""', 'api="/"')
    assert re.search(r'<a href="/">‹ \S', alerts.text)
    assert re.search(r'src="/static/alerts\.js\?v=[0-9a-f]{16}"', alerts.text)
    assert alerts.headers["content-security-policy"] == log.headers["content-security-policy"]
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=", alerts.text) == []


def test_the_exports_have_an_address(http: TestClient) -> None:
    """It leads to the log with the dialog open; filters come along, whatever they hold."""
    answer = http.get("/exports?q=kind:delete&dialog=questions&range=30d", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/?q=kind%3Adelete&range=30d&dialog=exports")
    hostile = http.get("/exports?q=//evil.example&x=%22%3E", follow_redirects=False)
    assert hostile.headers["location"] == "/?q=%2F%2Fevil.example&x=%22%3E&dialog=exports"
    check_problem(http.get("/exports?q=a%0D%0ASet-Cookie:%20x", follow_redirects=False), 400, "bad-request")


def test_files_are_kept_for_ever_under_the_address_with_their_digest(http: TestClient) -> None:
    """The address in the page is immutable; one without digest, or with an old one, is asked again."""
    address = re.search(r'src="(/static/page\.js\?v=[0-9a-f]{16})"', http.get("/").text)
    assert address is not None
    exact = http.get(address[1])
    assert exact.status_code == 200
    assert exact.headers["content-type"] == "text/javascript; charset=utf-8"
    assert exact.headers["cache-control"] == "public, max-age=31536000, immutable"
    for other in ("/static/page.js", "/static/page.js?v=0123456789abcdef"):
        answer = http.get(other)
        assert answer.headers["cache-control"] == "public, no-cache"
        assert answer.content == exact.content
    again = http.get("/static/page.js", headers={"If-None-Match": exact.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nothing.js",
        "../app.py",
        "..%2Fapp.py",
        "%2e%2e/app.py",
        "/etc/passwd",
        "..\\app.py",
        "page.js/",
        "page.js%00",
        "PAGE.JS",
    ],
)
def test_only_listed_files_exist(http: TestClient, name: str) -> None:
    """No path leads out of the list, and a folder is nothing."""
    check_problem(http.get(f"/static/{name}"), 404, "not-found")


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip, br", True), ("br;q=1.0, gzip;q=0.5", True), ("*", True), ("gzip;q=0", False), ("identity", False)],
)
def test_files_are_packed_for_those_who_take_it(http: TestClient, accepted: str, *, packed: bool) -> None:
    """The content is the same either way, and caches keep the two apart."""
    answer = http.get("/static/viewer.js", headers={"Accept-Encoding": accepted})
    plain = http.get("/static/viewer.js", headers={"Accept-Encoding": "identity"})
    assert answer.headers.get("content-encoding") == ("gzip" if packed else None)
    assert "Accept-Encoding" in answer.headers["vary"]
    assert answer.content == plain.content
    assert packed == (int(answer.headers["content-length"]) < len(plain.content) / 2)


def test_the_page_asks_for_tokens_where_its_host_says() -> None:
    """The address is relative to the mount unless it is absolute, and is written as text."""
    with open_log(Clock()) as log:
        with client(log) as http:
            assert "data-tokens" not in http.get("/").text
        with client(log, token_address="/settings/token?for=audit&x=<y>") as http:
            assert 'data-tokens="/settings/token?for=audit&amp;x=&lt;y&gt;"' in http.get("/").text
        with client(log, token_address="my/token") as http:
            assert 'data-tokens="/my/token"' in http.get("/").text
