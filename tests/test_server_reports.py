"""The report: the entries that match as one page for paper; a token in a form or a ticket, never in the address."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import serving
from tests.serving import (
    AWAY,
    HOME,
    PII,
    READ,
    SHOWN_ADDRESS,
    Clock,
    bearer,
    check_problem,
    event,
    linked,
    record,
    token,
)
from whodid import Log
from whodid.catalog import LANGUAGES
from whodid.server import reports
from whodid.server.printing import words

clock, log, http = serving.clock, serving.log, serving.http


def order(http: TestClient, *, sent: str = "", **wish: Any) -> str:
    """Order a report and return the address of its page."""
    answer = http.post("/v1/reports", json=wish, headers=bearer(sent or token()))
    assert answer.status_code == 201
    href: str = answer.json()["href"]
    return href


def test_every_word_is_there_in_every_language() -> None:
    """The report speaks what the catalog speaks, with the same slots."""
    assert tuple(words()) == LANGUAGES
    english = words()["en"]
    for lang in LANGUAGES:
        assert words()[lang].keys() == english.keys()
        for name, text in words()[lang].items():
            assert text.strip()
            assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", english[name])), (lang, name)


def test_the_report_shows_what_matches(http: TestClient, log: Log) -> None:
    """Sentences, reasons, changes, the filters in words of the query, and the head of the log."""
    href = order(http, q="-category:audit", range="7d", tz="Europe/Madrid")
    answer = http.get(href)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    page = answer.text
    assert "<b><bdi>Maria Torres</bdi></b> deleted contact <bdi>Juan Pérez</bdi>" in page
    assert "“Asked to be removed by phone, ticket #2231”" in page
    assert "Marketing consent: <bdi>opted in</bdi> → <bdi>opted out</bdi>" in page
    assert '<td class="time">12:00:00</td>' in page
    assert "<code><bdi>-category:audit</bdi></code>" in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "Entries 0 to 6" in page
    head = log.head(HOME)
    assert f"Log of {head.size} entries" in page
    assert page.count("<tr><td") == 7
    assert "<script" not in page


def test_the_policy_lets_one_style_through_and_nothing_else(http: TestClient) -> None:
    """The nonce is that of the page, and of no other page."""
    answer = http.get(order(http))
    policy = answer.headers["content-security-policy"]
    nonce = re.search(r"'nonce-([\w-]+)'", policy)
    assert nonce is not None
    assert f'<style nonce="{nonce[1]}">' in answer.text
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
    assert nonce[1] not in http.get(order(http)).text


def test_a_ticket_opens_one_report_once(http: TestClient, clock: Clock) -> None:
    """Used, too old, invented: each is nothing."""
    href = order(http)
    assert http.head(href).status_code == 405
    assert http.get(href).status_code == 200
    check_problem(http.get(href), 410, "gone")
    late = order(http)
    clock.advance(seconds=61)
    check_problem(http.get(late), 410, "gone")
    check_problem(http.get("/report/invented"), 404, "not-found")


def test_a_ticket_of_an_export_is_none_of_a_report(http: TestClient) -> None:
    """Each purpose has its own signature."""
    ticket = linked(http, bearer(token())).rpartition("/")[2]
    check_problem(http.get(f"/report/{ticket}"), 404, "not-found")


def test_a_form_carries_the_token_in_its_body(http: TestClient) -> None:
    """For hosts without scripts: filters in the address as everywhere, the token in the form."""
    answer = http.post("/report?q=action:contact.deleted&lang=es", data={"token": token()})
    assert answer.status_code == 200
    assert "eliminó el contacto <bdi>Juan Pérez</bdi>" in answer.text
    assert answer.text.count("<tr><td") == 1


@pytest.mark.parametrize(
    ("address", "sent", "status", "name"),
    [
        ("/report", {"data": {"token": "wv1.forged.token"}}, 401, "unauthorised"),
        ("/report", {"data": {}}, 401, "unauthorised"),
        ("/report", {"json": {"token": "x"}}, 415, "media-type"),
        ("/report", {"data": {"token": token(permissions=[])}}, 403, "denied"),
        (f"/report?token={token()}", {"data": {"token": token()}}, 400, "invalid-query"),
        ("/report?nosuch=1", {"data": {"token": token()}}, 400, "invalid-query"),
        ("/report?q=nosuch:1", {"data": {"token": token()}}, 400, "invalid-query"),
        ("/report", {"data": {f"f{n}": "x" for n in range(9)}}, 400, "bad-request"),
    ],
)
def test_bad_forms_say_what_is_wrong(
    http: TestClient, address: str, sent: dict[str, Any], status: int, name: str
) -> None:
    """No token, a forged one, one in the address, no right, and questions that nobody understands."""
    if "data" in sent and not sent["data"]:
        sent = {"content": b"", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}
    check_problem(http.post(address, **sent), status, name)


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [({"nosuch": 1}, 422, "invalid-body"), ({"range": "8d"}, 422, "invalid-body"), ({"q": "("}, 400, "invalid-query")],
)
def test_bad_orders_say_what_is_wrong(http: TestClient, body: dict[str, Any], status: int, name: str) -> None:
    """Unknown members and questions."""
    if name == "invalid-query":
        body = {"q": "nosuch:1"}
    check_problem(http.post("/v1/reports", json=body, headers=bearer(token())), status, name)
    check_problem(http.post("/v1/reports", json={}), 401, "unauthorised")
    check_problem(http.post("/v1/reports", content=b"{}", headers=bearer(token())), 415, "media-type")
    check_problem(http.get("/report"), 405, "method-not-allowed")


def test_the_report_hides_what_the_list_hides(http: TestClient) -> None:
    """Without the right to personal values, and within the locked filter, whatever is asked for."""
    plain = http.get(order(http, sent=token(permissions=[READ]))).text
    assert SHOWN_ADDRESS not in plain
    assert "ana.new@mail.example" not in plain
    assert "ana.new@mail.example" in http.get(order(http, sent=token(permissions=[READ, PII]))).text
    narrow = http.get(order(http, sent=token(locked="resource:contact:con_juan"))).text
    assert narrow.count("<tr><td") == 1
    assert "Contact 100" not in narrow
    assert "Contact 100" in http.get(order(http, sent=token(AWAY))).text


def test_a_long_report_says_that_it_is_cut(http: TestClient, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest entries are there, and where all of them are."""
    record(log, HOME, [event(2_000 + n, "contact.created") for n in range(8)])
    monkeypatch.setattr(reports, "MOST_ROWS", 5)
    page = http.get(order(http, q="action:contact.created")).text
    assert page.count("<tr><td") == 5
    assert "The newest 5 of 9 entries are here." in page


def test_an_empty_log_and_no_match_are_pages_too(http: TestClient) -> None:
    """They say so instead of showing an empty table."""
    assert "No entries match." in http.get(order(http, q="nothing-like-this")).text
    assert "<table" not in http.get(order(http, sent=token("wsp_new"), q="nothing-like-this")).text
