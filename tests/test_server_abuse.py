"""Every described route under every kind of credential, asked for another workspace's things; bombs; forged lines."""

from __future__ import annotations

import gzip
import json
import logging
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
import zstandard
from starlette.testclient import TestClient

from tests.serving import ALL, AWAY, HOME, MARIA, READ, Clock, bearer, check_problem, client, linked, open_log, token
from whodid import Log
from whodid.query import parse
from whodid.server.described import Endpoint
from whodid.server.keys import KeyRing

CREDENTIALS = ("viewer", "reader", "locked", "write", "read", "export", "admin", "nobody")
AWAY_ID = str(UUID(int=100))
# What only AWAY has; ids that a question names come back in no answer but that of a problem.
FOREIGN = ("wsp_away", "con_101", "con_102", "Contact 10", str(UUID(int=101)))
THERE = {
    "key": AWAY_ID,
    "type": "contact",
    "id": "con_100",
    "tile": "0/000",
    "question": "deletion",
    "name": "new_country",
    "number": "1",
    "size": "7",
}


@pytest.fixture(scope="module")
def log() -> Iterator[Log]:
    """Open two workspaces."""
    with open_log(Clock()) as opened:
        yield opened


@pytest.fixture(scope="module")
def http(log: Log) -> Iterator[TestClient]:
    """Open a client."""
    with client(log, rate=0) as opened:
        for workspace in (HOME, AWAY):
            opened.get("/v1/entries", headers=bearer(token(workspace)))
        yield opened


@pytest.fixture(scope="module")
def headers(log: Log) -> dict[str, dict[str, str]]:
    """Return the headers of each kind of credential of HOME."""
    ring = KeyRing(log, HOME, actor=MARIA)
    keys = {scope: bearer(ring.create(scope, scopes=(scope,)).text) for scope in ("write", "read", "export", "admin")}
    viewers = {"viewer": token(HOME), "reader": token(HOME, (READ,)), "locked": token(HOME, ALL, locked="type:contact")}
    return keys | {name: bearer(text) for name, text in viewers.items()} | {"nobody": {}}


def asked(one: Endpoint, ticket: str) -> tuple[str, dict[str, Any]]:
    """Return the address of a route with things of AWAY in it, and the parameters that it needs."""
    path = one.path.replace(":path}", "}")
    for parameter in one.described.path:
        path = path.replace(f"{{{parameter.name}}}", quote((THERE | {"ticket": ticket})[parameter.name]))
    query = {parameter.name: parameter.example for parameter in one.described.query if parameter.required}
    if "q" in one.described.takes:
        query["q"] = "resource:contact:con_100"
    return path, query


@pytest.mark.parametrize("kind", CREDENTIALS)
def test_no_route_leads_to_another_workspace(http: TestClient, headers: dict[str, dict[str, str]], kind: str) -> None:
    """Whatever HOME asks for of AWAY, as any credential: nothing of it comes back, and nothing happens there."""
    ticket = linked(http, bearer(token(AWAY))).rpartition("/")[2]
    before = http.get("/v1/checkpoint", headers=bearer(token(AWAY))).json()["size"]
    for one in http.app.state.endpoints:  # type: ignore[attr-defined]
        path, query = asked(one, ticket[:-4] + "AAAA")
        sent = {**headers[kind], "X-Whodid-Workspace": AWAY, "X-Workspace": AWAY}
        if path == "/v1/stream":
            continue  # see test_server_live: it does not end
        if one.method == "GET":
            answer = http.get(path, params=query, headers=sent)
        else:
            body = next((form.example for form in one.described.body if form.type is not None), None)
            answer = http.request(one.method, path, params=query, json=body, headers=sent)
        assert [word for word in FOREIGN if word in answer.text] == [], (one.path, kind)
        if one.described.needs and kind == "nobody":
            assert answer.status_code == 401, one.path
    assert http.get("/v1/checkpoint", headers=bearer(token(AWAY))).json()["size"] == before


def test_asking_for_what_is_elsewhere_takes_as_long_as_for_what_is_nowhere(
    http: TestClient, headers: dict[str, dict[str, str]], log: Log
) -> None:
    """The shortest of many times, one after the other, differs by less than a third.

    So it is with an id, and with a key whose secret is guessed, whichever workspace it belongs to.
    """
    absent, away = str(UUID(int=999_999)), AWAY_ID
    ours, theirs = (KeyRing(log, one, actor=MARIA).create("guessed", scopes=("read",)).text for one in (HOME, AWAY))
    pairs = [
        ([f"/v1/entries/{one}" for one in (absent, away)], [headers["admin"]] * 2),
        (["/v1/entries/0"] * 2, [bearer(one[:-43] + "x" * 43) for one in (ours, theirs)]),
    ]
    for paths, sent in pairs:
        best = [float("inf"), float("inf")]
        for _ in range(60):
            for at in (0, 1):
                begun = time.perf_counter()
                answer = http.get(paths[at], headers=sent[at])
                best[at] = min(best[at], time.perf_counter() - begun)
                assert answer.status_code in {401, 404}
        assert max(best) < 1.34 * min(best), best


@pytest.mark.parametrize("path", ["/v1/exports", "/v1/reports"])
@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_an_order_may_be_packed_and_no_bomb(http: TestClient, path: str, pack: Any) -> None:
    """A packed body is read; one that unpacks to too much, or not at all, or in a way unknown here, is refused."""
    name = "gzip" if pack is gzip.compress else "zstd"
    sent = bearer(token()) | {"Content-Type": "application/json", "Content-Encoding": name}
    order = b'{"format": "csv", "q": "type:contact"}' if path == "/v1/exports" else b'{"q": "type:contact"}'
    assert http.post(path, content=pack(order), headers=sent).status_code == 201
    check_problem(http.post(path, content=pack(b" " * 10_000_000), headers=sent), 413, "too-large")
    check_problem(http.post(path, content=pack(order)[:-6], headers=sent), 400, "bad-request")
    check_problem(http.post(path, content=order, headers=sent | {"Content-Encoding": "br"}), 415, "media-type")


def test_a_fault_in_an_order_has_its_place(http: TestClient) -> None:
    """Both orders say where the body is wrong, in the same way."""
    for path, body in (("/v1/exports", {"format": "csv", "q": 1}), ("/v1/reports", {"q": 1})):
        told = check_problem(http.post(path, json=body, headers=bearer(token())), 422, "invalid-body")
        assert told["pointer"] == "/q"


def test_nobody_forges_a_line(log: Log, http: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    """Line breaks and control characters reach no header, no line of the server's log and no entry."""
    caplog.set_level(logging.DEBUG, logger="whodid")
    hostile = "forged\r\nSet-Cookie: a=b\x1b[2J"
    agent = "agent\x1b[2J\x85next".encode("latin-1")
    sent: dict[str, Any] = {**bearer(token(viewer=MARIA)), "User-Agent": agent, "X-Request-Id": "forged id"}
    answers = [
        http.get("/v1/entries", params={"q": hostile}, headers=sent),
        http.get(f"/v1/entries/{quote(hostile)}", headers=sent),
        http.get("/v1/facets", params={hostile: "x"}, headers=sent),
        http.get(f"/static/{quote(hostile)}", headers=sent),
        http.post("/v1/exports", json={"format": "csv", "q": hostile}, headers=sent),
        http.post("/report", data={"token": hostile}, headers=sent),
    ]
    for answer in answers:
        assert 400 <= answer.status_code < 500
        assert "set-cookie" not in answer.headers
        assert answer.headers["x-request-id"].startswith("req_")
        assert json.loads(answer.text)["request_id"] == answer.headers["x-request-id"]
    assert [record for record in caplog.records if "forged" in record.getMessage()] == []
    for entry in log.find(HOME, parse("category:audit", now=log.now())).entries:
        kept = entry.context.user_agent if entry.context else None
        assert kept is None or kept.isprintable()
