"""No request of one workspace reaches another: every route, every id, every kind of token."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.alerting import follow, wrong
from tests.serving import (
    ALL,
    AWAY,
    HOME,
    JOAO,
    MARIA,
    NOW,
    SECRET,
    Clock,
    bearer,
    check_problem,
    client,
    finished,
    linked,
    open_log,
    token,
)
from whodid import Log, Resource
from whodid.evidence import extract, verify
from whodid.server import asgi
from whodid.server.signing import mac, pack
from whodid.server.tokens import Claims

AWAY_IDS = [str(UUID(int=number)) for number in (100, 101, 102)]
FOREIGN = ("wsp_away", "con_100", "con_101", "con_102", "Contact 10", *AWAY_IDS)
ABSENT = ["99", str(UUID(int=999))]


@pytest.fixture(scope="module")
def log() -> Iterator[Log]:
    """Open two workspaces."""
    with open_log(Clock()) as opened:
        yield opened


@pytest.fixture(scope="module")
def http(log: Log) -> Iterator[TestClient]:
    """Open a client; the records of opening are written before anything is compared."""
    with client(log) as opened:
        for workspace in (HOME, AWAY):
            opened.get("/v1/entries", headers=bearer(token(workspace)))
        yield opened


def addresses(log: Log) -> list[tuple[str, str]]:
    """List every (method, pattern) that the application answers to, from the application itself."""
    routes = [route for route in asgi(log, secret=SECRET).routes if isinstance(route, Route)]
    return [(method, route.path) for route in routes for method in sorted((route.methods or set()) - {"HEAD"})]


def test_the_matrix_covers_every_route(log: Log) -> None:
    """A new route of the API has to be added here, or this fails."""
    assert {path for _, path in addresses(log) if path.startswith("/v1/")} == {
        "/v1/events",
        "/v1/entries",
        "/v1/entries/{key}",
        "/v1/entries/{key}/proof",
        "/v1/proofs",
        "/v1/checkpoint",
        "/v1/consistency",
        "/v1/hashes",
        "/v1/tlog/checkpoint",
        "/v1/tlog/tile/{tile:path}",
        "/v1/histogram",
        "/v1/facets",
        "/v1/insights",
        "/v1/suggest",
        "/v1/resources/{type}/{id:path}/history",
        "/v1/catalog",
        "/v1/retention",
        "/v1/retention/preview",
        "/v1/erasures",
        "/v1/erasures/preview",
        "/v1/holds",
        "/v1/holds/preview",
        "/v1/holds/{id}/release",
        "/v1/anchor",
        "/v1/stamps",
        "/v1/stamps/{size}",
        "/v1/alerts",
        "/v1/alerts/{id}",
        "/v1/alerts/{id}/acknowledge",
        "/v1/alerts/{id}/resolve",
        "/v1/alerts/{id}/mute",
        "/v1/reviews",
        "/v1/reviews/open",
        "/v1/reviews/open/items/{id}",
        "/v1/reviews/open/items/{id}/raise",
        "/v1/reviews/open/sign",
        "/v1/reviews/{number}",
        "/v1/alert-rules",
        "/v1/alert-rules/preview",
        "/v1/alert-rules/{name}",
        "/v1/language",
        "/v1/sinks",
        "/v1/sinks/{id}",
        "/v1/sinks/{id}/secret",
        "/v1/sinks/{id}/pause",
        "/v1/sinks/{id}/resume",
        "/v1/sinks/{id}/backfill",
        "/v1/sinks/{id}/test",
        "/v1/sinks/{id}/quarantine",
        "/v1/sinks/{id}/quarantine/retry",
        "/v1/sinks/{id}/quarantine/drop",
        "/v1/alert-budget",
        "/v1/keys",
        "/v1/keys/{id}",
        "/v1/keys/{id}/rotate",
        "/v1/workspaces",
        "/v1/stream",
        "/v1/exports",
        "/v1/exports/estimate",
        "/v1/answers",
        "/v1/answers/{question}",
        "/v1/evidence",
        "/v1/evidence/estimate",
        "/v1/exports/{id}",
        "/v1/exports/{id}/file",
        "/v1/exports/{id}/link",
        "/v1/reports",
        "/v1/openapi.json",
    }


def clean(answer: Any) -> tuple[int, str]:
    """Return status and body without what differs from request to request."""
    return answer.status_code, re.sub(r"req_[0-9a-f]{16}", "req", answer.text)


@pytest.mark.parametrize("rights", [ALL, ("audit:read",), ("audit:read", "audit:export")])
@pytest.mark.parametrize("locked", [None, "type:contact"])
def test_foreign_ids_answer_like_absent_ones(http: TestClient, rights: tuple[str, ...], locked: str | None) -> None:
    """By number beyond the own log or by id: status, body and length are those of nothing."""
    headers = bearer(token(HOME, rights, locked=locked))
    for suffix in ("", "/proof"):
        absent = {clean(http.get(f"/v1/entries/{key}{suffix}", headers=headers)) for key in ABSENT}
        foreign = {clean(http.get(f"/v1/entries/{key}{suffix}", headers=headers)) for key in AWAY_IDS}
        assert len(absent) == 1
        assert foreign == absent
        assert next(iter(absent))[0] == 404


@pytest.mark.parametrize("rights", [ALL, ("audit:read",)])
def test_no_foreign_byte_in_any_answer(http: TestClient, rights: tuple[str, ...]) -> None:
    """Lists, counts, bars, values and retention of HOME hold nothing of AWAY, however they are asked."""
    headers = bearer(token(HOME, rights))
    questions = ["", "wsp_away", "resource:contact:con_100", f"id:{AWAY_IDS[0]}", '"Contact 100"', "-kind:security"]
    for text in questions:
        for path in ("/v1/entries", "/v1/histogram", "/v1/facets"):
            for field in ("actor", "resource") if path == "/v1/facets" else (None,):
                params = {"q": text} | ({"field": field} if field else {})
                answer = http.get(path, params=params, headers=headers)
                assert answer.status_code == 200
                assert [word for word in FOREIGN if word in answer.text] == [], (path, params)
    assert (
        http.get("/v1/entries", params={"q": "resource:contact:con_100"}, headers=headers).json()["count"]["value"] == 0
    )
    for path in ("/v1/retention", "/v1/insights", "/v1/suggest?term=Contact 10", "/v1/suggest?term=actor:"):
        assert [word for word in FOREIGN if word in http.get(path, headers=headers).text] == []
    assert http.get("/v1/resources/contact/con_100/history", headers=headers).json()["items"] == []
    for path in ("deletion?subject=contact:con_100", "roles", "keys", "stop?subject=contact:con_101"):
        answer = http.get(f"/v1/answers/{path}", headers=headers)
        asked = {"con_100", "con_101"} if "subject" in path else set()
        assert [word for word in FOREIGN if word in answer.text and word not in asked] == []
        assert answer.json()["items"] == []
    for path in ("/v1/proofs?at=0..99", "/v1/checkpoint"):
        assert [word for word in FOREIGN if word in http.get(path, headers=headers).text] == []


def test_hashes_and_heads_are_those_of_the_own_log(http: TestClient) -> None:
    """Two workspaces share no hash, no head, no name of a viewer; a locked filter holds for proofs too."""
    answers = [
        {path: http.get(path, headers=bearer(token(workspace))).json() for path in ("/v1/checkpoint", "/v1/hashes")}
        for workspace in (HOME, AWAY)
    ]
    home, away = answers
    assert home["/v1/checkpoint"]["checkpoint"].split("\n")[0] != away["/v1/checkpoint"]["checkpoint"].split("\n")[0]
    assert home["/v1/checkpoint"]["viewer"] != away["/v1/checkpoint"]["viewer"]
    assert home["/v1/hashes"]["hashes"][:40] != away["/v1/hashes"]["hashes"][:40]
    locked = bearer(token(HOME, locked="resource:contact:con_ana"))
    listed = http.get("/v1/proofs?at=0..99", headers=locked).json()["items"]
    assert {item["entry"]["index"] for item in listed} == {0, 4}


def test_a_cursor_of_another_workspace_opens_nothing(http: TestClient) -> None:
    """A cursor is a place in time; used at home it lists what is at home."""
    away = http.get("/v1/entries?limit=1", headers=bearer(token(AWAY))).json()["next"]
    answer = http.get("/v1/entries", params={"cursor": away}, headers=bearer(token(HOME)))
    assert answer.status_code == 200
    assert [word for word in FOREIGN if word in answer.text] == []


def test_tags_of_another_workspace_are_not_known(http: TestClient) -> None:
    """The same question in two workspaces of the same size has two tags."""
    for path in ("/v1/entries", "/v1/histogram", "/v1/retention"):
        away = http.get(path, headers=bearer(token(AWAY))).headers["etag"]
        assert http.get(path, headers=bearer(token(HOME)) | {"If-None-Match": away}).status_code == 200


def test_no_parameter_or_header_names_another_workspace(http: TestClient) -> None:
    """The workspace is the token's; a parameter is refused and a header is not heeded."""
    headers = bearer(token(HOME))
    assert http.get("/v1/entries?workspace=wsp_away", headers=headers).status_code == 400
    answer = http.get("/v1/entries", headers=headers | {"X-Workspace": AWAY})
    assert [word for word in FOREIGN if word in answer.text] == []
    answer = http.post("/v1/exports", json={"format": "csv", "workspace": AWAY}, headers=headers)
    assert answer.status_code == 422


def test_an_export_holds_the_workspace_of_its_token(http: TestClient) -> None:
    """All formats, asked from HOME for things of AWAY, hold nothing of AWAY."""
    headers = bearer(token(HOME))
    for format in ("csv", "ndjson", "parquet"):
        for text in ("-category:audit", "contact -category:audit"):
            body = http.get(linked(http, headers, format=format, q=text)).content
            assert [word for word in FOREIGN if word.encode() in body] == [], (format, text)


def test_evidence_holds_the_workspace_of_its_token(http: TestClient) -> None:
    """Asked from HOME for everything, and for things of AWAY, a file holds nothing of AWAY beyond the question."""
    headers = bearer(token(HOME))
    body = http.post("/v1/evidence", json={}, headers=headers).content
    assert [word for word in FOREIGN if word.encode() in body] == []
    verdict = verify(
        extract(http.post("/v1/evidence", json={"ask": ["resource:contact:con_100"]}, headers=headers).content)
    )
    assert (verdict.ok, verdict.counts.answers) == (True, 0)
    locked = bearer(token(HOME, locked="resource:contact:con_ana"))
    assert http.post("/v1/evidence", json={}, headers=locked).status_code == 403
    assert http.post("/v1/evidence", json={"workspace": AWAY}, headers=headers).status_code == 422


def test_an_export_is_seen_by_whoever_ordered_it(http: TestClient) -> None:
    """Another workspace, another viewer, one without personal values and one with a filter find nothing there."""
    own = bearer(token(HOME))
    job = finished(http, http.post("/v1/exports", json={"format": "csv"}, headers=own).json()["id"], own)
    assert job["id"] in {item["id"] for item in http.get("/v1/exports", headers=own).json()["items"]}
    others = [
        token(AWAY),
        token(HOME, viewer=JOAO),
        token(HOME, permissions=["audit:read", "audit:export"]),
        token(HOME, locked="type:contact"),
    ]
    for other in map(bearer, others):
        assert job["id"] not in {item["id"] for item in http.get("/v1/exports", headers=other).json()["items"]}
        for method, suffix in (("GET", ""), ("GET", "/file"), ("POST", "/link"), ("DELETE", "")):
            absent, foreign = (
                clean(http.request(method, f"/v1/exports/{id_}{suffix}", headers=other))
                for id_ in ("0" * 32, job["id"])
            )
            assert foreign == absent
            assert absent[0] == 404
    assert http.get(f"/v1/exports/{job['id']}/file", headers=own).status_code == 200


def test_reviews_are_those_of_the_workspace_of_the_token(http: TestClient, log: Log) -> None:
    """Of a review of AWAY nothing can be read, looked at, raised or signed from HOME; absent ones answer the same."""
    home, away = bearer(token(HOME)), bearer(token(AWAY, viewer=JOAO))
    before = clean(http.get("/v1/reviews", headers=home))
    absent = clean(http.get("/v1/reviews/open", headers=home))
    review = http.post("/v1/reviews", headers=away).json()
    assert clean(http.get("/v1/reviews", headers=home)) == before
    assert clean(http.get("/v1/reviews/open", headers=home)) == absent
    for suffix, body in ((f"/items/{review['items'][0]['id']}", {}), ("/sign", {"unseen": "x"})):
        assert http.post(f"/v1/reviews/open{suffix}", json=body, headers=home).status_code == 404
    assert http.post("/v1/reviews/open/sign", json={"unseen": "A test"}, headers=away).status_code == 200
    assert http.get("/v1/reviews/1", headers=away).status_code == 200
    status, text = clean(http.get("/v1/reviews/1", headers=home))
    assert (status, text.replace("review 1", "review 9")) == clean(http.get("/v1/reviews/9", headers=home))


def test_alerts_are_those_of_the_workspace_of_the_token(http: TestClient, log: Log) -> None:
    """An alert of AWAY is to HOME as one that never was; a rule is switched in HOME alone."""
    at, target = NOW - timedelta(hours=1), Resource(type="user", id="usr_away", name="Contact 100")
    log.record_many(AWAY, [wrong(9_000 + one, at, target) for one in range(5)])
    follow(log)
    away, home = bearer(token(AWAY)), bearer(token(HOME))
    (foreign,) = http.get("/v1/alerts", headers=away).json()["items"]
    for query in ("status=all", f"status=all&at={','.join(map(str, foreign['entries']))}"):
        assert http.get(f"/v1/alerts?{query}", headers=home).json() == {
            "items": [], "open": 0, "manage": True, "next": None,
        }, query  # fmt: skip
    absent = "alt_000000000000_000000000000"
    for method, suffix, body in (
        ("GET", "", None),
        ("POST", "/acknowledge", {}),
        ("POST", "/resolve", {"verdict": "mine"}),
        ("POST", "/mute", {}),
    ):
        answers = [
            http.request(method, f"/v1/alerts/{id_}{suffix}", json=body, headers=home)
            for id_ in (foreign["id"], absent)
        ]
        texts = {clean(one)[1].replace(foreign["id"], absent) for one in answers}
        assert ({one.status_code for one in answers}, len(texts)) == ({404}, 1)
    assert http.get(f"/v1/alerts/{foreign['id']}", headers=away).json() == foreign
    switched = http.put("/v1/alert-rules/password_guessing", json={"active": False}, headers=home)
    assert switched.json()["active"] is False
    listed = http.get("/v1/alert-rules", headers=away)
    assert all(rule["active"] for rule in listed.json()["items"])
    assert [word for word in FOREIGN if word in http.get("/v1/alert-rules", headers=home).text] == []
    written = {"sentence": {"title": "Theirs", "actions": ["contact.created"], "outcome": "success"}}
    theirs = http.post("/v1/alert-rules", json=written, headers=away).json()
    assert http.put("/v1/alert-budget", json={"weekly": 3}, headers=away).json()["weekly"] == 3
    listed = http.get("/v1/alert-rules", headers=home)
    assert ("Theirs" in listed.text, listed.json()["budget"]["weekly"]) == (False, 10)
    for verb, wish in (("PUT", {"active": False}), ("DELETE", None)):
        answers = [
            http.request(verb, f"/v1/alert-rules/{name}", json=wish, headers=home) for name in (theirs["name"], "own_7")
        ]
        texts = {clean(one)[1].replace(theirs["name"], "own_7") for one in answers}
        assert ({one.status_code for one in answers}, len(texts)) == ({404}, 1)
    tried = http.post("/v1/alert-rules/preview", json=written, headers=home).json()
    assert [word for word in FOREIGN if word in str(tried)] == []
    assert tried["entries"] == sum(entry.occurred_at >= NOW - timedelta(days=30) for entry in log.read(HOME))


def test_a_report_holds_the_workspace_of_its_token(http: TestClient) -> None:
    """By ticket and by form, asked from HOME for things of AWAY, it holds nothing of AWAY beyond the question."""
    for text in ("-category:audit", "contact -category:audit"):
        made = http.post("/v1/reports", json={"q": text}, headers=bearer(token(HOME))).json()
        pages = [http.get(made["href"]), http.post(f"/report?q={text}", data={"token": token(HOME)})]
        for page in pages:
            assert page.status_code == 200
            assert [word for word in FOREIGN if word in page.text] == []
    refused = http.post("/v1/reports", json={"workspace": AWAY}, headers=bearer(token(HOME)))
    assert refused.status_code == 422


ESCAPES = [
    "",
    "resource:contact:con_juan",
    "-resource:contact:con_ana",
    "resource:contact:con_ana,contact:con_juan",
    "actor:* -resource:contact:con_ana",
    "date:90d",
    "index:0..100",
    "is:mine",
    "juan",
    '"Juan Pérez"',
    "contact OR resource:contact:con_juan",
]


@pytest.mark.parametrize("rights", [ALL, ("audit:read", "audit:export")])
def test_a_locked_filter_cannot_be_escaped(http: TestClient, rights: tuple[str, ...]) -> None:
    """Whatever is asked, every list, bar, value and file stays within the filter of the token."""
    headers = bearer(token(HOME, rights, locked="resource:contact:con_ana"))
    for text in ESCAPES:
        listed = http.get("/v1/entries", params={"q": text}, headers=headers).json()
        assert {item["index"] for item in listed["items"]} <= {0, 4}, text
        assert listed["count"]["value"] <= 2, text
        bars = http.get("/v1/histogram", params={"q": text}, headers=headers).json()
        assert sum(bars["kinds"].values()) <= 2, text
        values = http.get("/v1/facets", params={"q": text, "field": "resource"}, headers=headers).json()["values"]
        assert {one["value"] for one in values} <= {"contact:con_ana"}, text
        lines = http.get(linked(http, headers, format="ndjson", q=text)).text.splitlines()
        assert len(lines) <= 2, text
        assert all('"con_ana"' in line for line in lines), text
    for key in ("1", str(UUID(int=2)), "99"):
        assert http.get(f"/v1/entries/{key}", headers=headers).status_code == 404
        assert http.get(f"/v1/entries/{key}/proof", headers=headers).status_code == 404
    assert http.get("/v1/entries/4", headers=headers).status_code == 200


def test_a_cursor_does_not_lead_out_of_a_locked_filter(http: TestClient) -> None:
    """A cursor from a free list continues within the filter."""
    free = http.get("/v1/entries?limit=2", headers=bearer(token(HOME))).json()["next"]
    locked = bearer(token(HOME, locked="resource:contact:con_ana"))
    listed = http.get("/v1/entries", params={"cursor": free}, headers=locked).json()
    assert {item["index"] for item in listed["items"]} <= {0, 4}


def test_a_filter_that_means_nothing_here_is_no_filter_and_no_way_in(http: TestClient) -> None:
    """A token whose locked filter this server cannot read opens nothing; it does not turn into a free one."""
    start = int(NOW.timestamp())
    claims = Claims(
        jti="x",
        workspace=HOME,
        viewer=MARIA,
        permissions=ALL,
        issued_at=start,
        expires_at=start + 60,
        locked="planet:mars",
    )
    payload = msgspec.json.encode(claims, order="sorted")
    minted = f"wv1.{pack(payload)}.{pack(mac(SECRET, 'whodid viewer token 1', payload))}"
    check_problem(http.get("/v1/entries", headers=bearer(minted)), 401, "unauthorised")
