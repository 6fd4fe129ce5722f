"""How fast may be read: by each key and viewer on its own, at every door, and counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tests import serving
from tests.serving import AWAY, HOME, JOAO, MARIA, bearer, check_problem, client, event, token
from whodid import Log
from whodid.server.gate import Pace, TooFast
from whodid.server.keys import KeyRing
from whodid.server.meter import Limit, Meter
from whodid.server.metrics import PrometheusMeter

clock, log = serving.clock, serving.log

METRICS = b"a token of the tests, of 32 bytes or more"


@pytest.fixture
def http(log: Log) -> Iterator[TestClient]:
    """Open a client of a server on which ten requests at once are enough, and then one in a second."""
    with client(log, read_rate=1, compat=("workos", "retraced"), metrics=PrometheusMeter(METRICS)) as opened:
        yield opened


def spend(http: TestClient, path: str, headers: dict[str, str]) -> None:
    """Read as often as may be at once."""
    for _ in range(10):
        assert http.get(path, headers=headers).status_code == 200


def limited(http: TestClient) -> dict[str, float]:
    """Return what was refused, by what was done too fast."""
    page = http.get("/metrics", headers=bearer(METRICS.decode())).text
    return {
        one.labels["limit"]: one.value
        for family in text_string_to_metric_families(page)
        for one in family.samples
        if one.name == "whodid_rate_limited_total"
    }


def test_a_viewer_that_reads_too_fast_is_told_to_wait(http: TestClient) -> None:
    """429 with when to come back, on every route; another viewer, and the same one of another workspace, are let in."""
    spend(http, "/v1/entries", bearer(token()))
    for path in ("/v1/entries", "/v1/facets?field=actor", "/v1/exports", "/v1/entries/0/proof"):
        refused = http.get(path, headers=bearer(token()))
        check_problem(refused, 429, "too-many")
        assert refused.headers["retry-after"] == "1"
    check_problem(http.post("/v1/exports", json={"format": "csv"}, headers=bearer(token())), 429, "too-many")
    assert http.get("/v1/entries", headers=bearer(token(viewer=JOAO))).status_code == 200
    assert http.get("/v1/entries", headers=bearer(token(AWAY))).status_code == 200
    assert limited(http) == {"read": 5.0, "write": 0.0}


def test_a_new_token_is_no_new_reader(http: TestClient) -> None:
    """Tokens follow one another every few minutes; the viewer stays the same."""
    for permissions in (("audit:read",), ("audit:read", "audit:export")) * 5:
        assert http.get("/v1/entries", headers=bearer(token(permissions=permissions))).status_code == 200
    assert http.get("/v1/entries", headers=bearer(token())).status_code == 429


def test_reading_too_fast_does_not_keep_a_key_from_writing(http: TestClient, log: Log) -> None:
    """What is sent has its own rate: a reader that went wild loses nothing."""
    key = bearer(KeyRing(log, HOME, actor=MARIA).create("both", scopes=("read", "write")).text)
    spend(http, "/v1/entries", key)
    assert http.get("/v1/entries", headers=key).status_code == 429
    sent = {"id": str(event(900, "contact.created").id), "occurred_at": "2026-11-20T14:00:00Z",
            "actor": {"type": "user", "id": "usr_1"}, "action": "contact.created",
            "resource": {"type": "contact", "id": "con_9"}}  # fmt: skip
    assert http.post("/v1/events", json=sent, headers=key).status_code == 201


def test_a_key_that_administers_too_fast_is_told_to_wait(http: TestClient, log: Log) -> None:
    """Lists of keys are reads, too."""
    key = bearer(KeyRing(log, HOME, actor=MARIA).create("admin", scopes=("admin",)).text)
    spend(http, "/v1/keys", key)
    check_problem(http.get("/v1/keys", headers=key), 429, "too-many")


def test_clients_of_other_products_are_told_in_their_form(http: TestClient, log: Log) -> None:
    """WorkOS gets its code, Retraced its type, both Retry-After."""
    ring = KeyRing(log, HOME, actor=MARIA)
    key = bearer(ring.create("workos", scopes=("read",)).text)
    spend(http, "/audit_logs/actions", key)
    refused = http.get("/audit_logs/actions", headers=key)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limit_exceeded")
    assert refused.headers["retry-after"] == "1"
    shown = {"Authorization": f"token={ring.create('retraced', scopes=('read', 'write')).text}"}
    base = f"/auditlog/publisher/v1/project/{HOME}"
    token_ = http.get(f"{base}/viewertoken?group_id=g&actor_id=v", headers=shown).json()["token"]
    session = http.post("/auditlog/viewer/v1/viewersession", json={"token": token_}).json()["token"]
    spend(http, f"/auditlog/viewer/v1/project/{HOME}/exports", {"Authorization": session})
    refused = http.get(f"/auditlog/viewer/v1/project/{HOME}/exports", headers={"Authorization": session})
    assert (refused.status_code, refused.json()["type"]) == (429, "TOO_MANY_REQUESTS")
    assert refused.headers["retry-after"] == "1"


def test_no_limit_is_no_limit(log: Log) -> None:
    """0 switches it off."""
    with client(log, read_rate=0) as http:
        answers = {http.get("/v1/checkpoint", headers=bearer(token())).status_code for _ in range(40)}
    assert answers == {200}


def test_the_pace_comes_back_with_time() -> None:
    """One request after a second, and the meter is told of each refusal only."""
    now, told = 0.0, list[Limit]()

    class Counted(Meter):
        def limited(self, limit: Limit) -> None:
            told.append(limit)

    pace = Pace(1, meter=Counted(), tick=lambda: now)
    for _ in range(10):
        pace.take("one")
    with pytest.raises(TooFast) as refused:
        pace.take("one")
    assert (refused.value.again, told) == (1, ["read"])
    now = 1.0
    pace.take("one")
    with pytest.raises(TooFast):
        pace.take("one")
