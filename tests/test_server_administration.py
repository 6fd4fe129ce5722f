"""Managing over HTTP: keys, retention and workspaces; who may, what it leaves in the log, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from msgspec.structs import replace
from starlette.testclient import TestClient

from tests import sending, serving
from tests.sending import wire
from tests.serving import ALL, AWAY, HOME, MARIA, NOW, SECRET, Clock, bearer, check_problem, client, token
from whodid import Actor, Log
from whodid.catalog import TOPICS
from whodid.errors import InvalidSetting, StoreUnavailable
from whodid.retention import preview, purge, read_policy
from whodid.server import gate, mint_operator_token, mint_token
from whodid.server.keys import SCOPES, KeyRing
from whodid.server.operators import verify_operator_token

clock, log, ring, http = serving.clock, serving.log, sending.ring, serving.http

AISHA = Actor(type="user", id="usr_aisha", name="Aisha Khan", role="Operator")
ACTS: tuple[tuple[str, str, dict[str, Any] | None, str], ...] = (
    ("POST", "/v1/keys", {"name": "x"}, "api_key.created"),
    ("POST", "/v1/keys/wk_000000000000/rotate", {}, "api_key.created"),
    ("DELETE", "/v1/keys/wk_000000000000", None, "api_key.revoked"),
    ("PUT", "/v1/retention", {"days": 30}, "audit.retention_changed"),
    ("POST", "/v1/retention/preview", {"days": 30}, "audit.retention_changed"),
    ("POST", "/v1/holds", {"name": "x", "query": "type:contact", "reason": "y"}, "audit.hold_placed"),
    ("POST", "/v1/holds/preview", {"query": "type:contact"}, "audit.hold_placed"),
    ("POST", "/v1/erasures", {"person": "contact:con_ana", "reason": "y"}, "audit.erased"),
    ("POST", "/v1/erasures/preview", {"person": "contact:con_ana"}, "audit.erased"),
    ("POST", "/v1/holds/hld_aaaaaaaaaaaaaaaa/release", {"reason": "y"}, "audit.hold_released"),
)
LOOKS = ("/v1/keys", "/v1/workspaces", "/v1/holds", "/v1/erasures")


@pytest.fixture
def admin(ring: KeyRing) -> dict[str, str]:
    """Return the headers of a key that may administer."""
    return bearer(ring.create("admin", scopes=("admin",)).text)


@pytest.fixture
def operator() -> dict[str, str]:
    """Return the headers of an operator who manages HOME."""
    return bearer(mint_operator_token(SECRET, operator=AISHA, now=NOW)) | {"X-Whodid-Workspace": HOME}


@patch.object(gate, "KEPT_SECONDS", -1.0)
def test_a_key_from_its_making_to_its_end(http: TestClient, log: Log, admin: dict[str, str], clock: Clock) -> None:
    """Made and shown once, used, rotated with an overlap in which both are good, revoked: each act is an entry."""
    wish = {"name": "billing", "scopes": ["write"], "rate": 50, "expires_at": "2027-02-18T00:00:00Z"}
    answer = http.post("/v1/keys", json=wish, headers=admin)
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    made = answer.json()
    assert (made["name"], made["scopes"], made["status"], made["rate"]) == ("billing", ["write"], "active", 50)
    assert "digest" not in made
    assert http.post("/v1/events", json=wire(1), headers=bearer(made["key"])).status_code == 201

    followed = http.post(f"/v1/keys/{made['id']}/rotate", json={"overlap": 3600}, headers=admin).json()
    assert (followed["name"], followed["scopes"], followed["rate"]) == ("billing", ["write"], 50)
    assert followed["replaced_until"] == "2026-11-20T15:00:00.000000Z"
    for number, key in ((2, made["key"]), (3, followed["key"])):
        assert http.post("/v1/events", json=wire(number), headers=bearer(key)).status_code == 201
    clock.advance(hours=1)
    assert http.post("/v1/events", json=wire(4), headers=bearer(made["key"])).status_code == 401
    assert http.post("/v1/events", json=wire(4), headers=bearer(followed["key"])).status_code == 201

    ended = http.delete(f"/v1/keys/{followed['id']}", headers=admin).json()
    assert (ended["id"], ended["status"]) == (followed["id"], "revoked")
    listed = http.get("/v1/keys", headers=admin)
    assert {one["name"]: one["status"] for one in listed.json()["items"]} == {"admin": "active", "billing": "revoked"}
    assert [key for key in (made["key"], followed["key"], "digest") if key in listed.text] == []
    found = log.find(HOME, "action:api_key.created,api_key.revoked billing").entries
    assert [entry.action for entry in found] == ["api_key.revoked", "api_key.created", "api_key.created"]
    assert {entry.actor.type for entry in found} == {"api_key"}
    assert {entry.context.source for entry in found if entry.context} == {"api"}


def test_retention_is_read_foretold_and_set(http: TestClient, log: Log, admin: dict[str, str], clock: Clock) -> None:
    """The preview says what goes and changes nothing; the change has its reason; the purge does what was foretold."""
    clock.advance(days=40)
    seen = http.post("/v1/retention/preview", json={"days": 30}, headers=admin).json()
    assert seen["days"] == 30
    assert seen["entries"] == sum(term["entries"] for term in seen["terms"]) > 0
    assert (seen["held"], seen["people"] > 1, seen["bytes"] > 1_000) == (0, True, True)
    assert [one["question"] for one in seen["questions"]] == list(TOPICS)
    assert read_policy(log, HOME).days == 90
    answer = http.put("/v1/retention", json={"days": 30, "reason": "Asked by the board"}, headers=admin).json()
    assert answer["days"] == 30
    entry = log.get(HOME, answer["index"])
    assert (entry.action, entry.reason and entry.reason.text) == ("audit.retention_changed", "Asked by the board")
    assert entry.actor.name == log.find(HOME, "action:api_key.created").entries[0].resource.name
    assert http.put("/v1/retention", json={"days": 30}, headers=admin).json()["index"] is None
    assert purge(log, HOME).entries == seen["entries"]


def test_an_operator_manages_the_workspace_that_is_named(http: TestClient, log: Log, operator: dict[str, str]) -> None:
    """The first key of a workspace that was not there before, with the operator as actor; and no act without a name."""
    answer = http.post("/v1/keys", json={"name": "first"}, headers=operator | {"X-Whodid-Workspace": "wsp_new"})
    assert answer.status_code == 201
    (entry,) = log.find("wsp_new").entries
    assert (entry.action, entry.actor) == ("api_key.created", AISHA)
    listed = http.get("/v1/workspaces", headers=operator).json()
    assert [one["workspace"] for one in listed["items"]] == [AWAY, HOME, "wsp_new"]
    assert listed["items"][2] == {
        "workspace": "wsp_new",
        "size": 1,
        "entries": 1,
        "oldest_at": "2026-11-20T14:00:00.000000Z",
        "last_at": "2026-11-20T14:00:00.000000Z",
        "retention": {"days": 90, "classes": {}},
    }
    del operator["X-Whodid-Workspace"]
    for name in ("", "a b", "x" * 101):
        named = operator | ({"X-Whodid-Workspace": name} if name else {})
        check_problem(http.get("/v1/keys", headers=named), 400, "bad-request")


def test_workspaces_are_listed_in_pages(http: TestClient, operator: dict[str, str]) -> None:
    """By name, from a name on, with a text in it; the last page says that it is the last."""
    first = http.get("/v1/workspaces?limit=1", headers=operator).json()
    assert ([one["workspace"] for one in first["items"]], first["total"], first["next"]) == ([AWAY], 2, AWAY)
    second = http.get(f"/v1/workspaces?limit=1&after={AWAY}", headers=operator).json()
    assert ([one["workspace"] for one in second["items"]], second["next"]) == ([HOME], None)
    assert http.get("/v1/workspaces?q=HOM", headers=operator).json()["total"] == 1
    for limit in ("0", "201", "x", "²"):
        check_problem(http.get(f"/v1/workspaces?limit={limit}", headers=operator), 400, "invalid-query")


@pytest.mark.parametrize("scopes", [("write",), ("read",), ("export",), ("write", "read", "export")])
def test_other_keys_manage_nothing(http: TestClient, log: Log, ring: KeyRing, scopes: tuple[str, ...]) -> None:
    """Without the scope admin every act is refused, and the refusal is in the log, once an hour."""
    key = ring.create("narrow", scopes=scopes)
    before = ring.all()
    for method, path, body, _ in ACTS:
        answer = http.request(method, path, json=body, headers=bearer(key.text))
        assert check_problem(answer, 403, "denied")["permission"] == "admin"
    for path in LOOKS:
        check_problem(http.get(path, headers=bearer(key.text)), 403, "denied")
    assert [replace(one, last_used_at=None) for one in ring.all()] == list(before)
    (denied,) = log.find(HOME, "action:api_key.denied").entries
    assert (denied.outcome, denied.details and denied.details["cause"]) == ("denied", "scope")


def test_viewers_manage_nothing_and_their_tries_are_entries(http: TestClient, log: Log) -> None:
    """The widest viewer token is refused; what was tried is recorded as denied, once per act and hour."""
    for _ in range(2):
        for method, path, body, _ in ACTS:
            check_problem(http.request(method, path, json=body, headers=bearer(token())), 403, "denied")
        for path in LOOKS:
            check_problem(http.get(path, headers=bearer(token())), 403, "denied")
    denied = log.find(HOME, "outcome:denied actor:usr_maria").entries
    assert sorted(entry.action for entry in denied) == sorted({action for *_, action in ACTS})
    assert all(entry.outcome == "denied" and entry.actor == MARIA for entry in denied)
    assert read_policy(log, HOME).days == 90
    assert KeyRing(log, HOME, actor=MARIA).all() == ()


def test_a_refusal_does_not_depend_on_the_store(http: TestClient, log: Log) -> None:
    """If the entry cannot be written now the caller is refused all the same, and the next refusal writes it."""
    with patch.object(log, "record", side_effect=StoreUnavailable("Away", "Wait")):
        check_problem(http.put("/v1/retention", json={"days": 1}, headers=bearer(token())), 403, "denied")
    check_problem(http.put("/v1/retention", json={"days": 1}, headers=bearer(token())), 403, "denied")
    assert len(log.find(HOME, "outcome:denied").entries) == 1


def strangers(ring: KeyRing, log: Log) -> Iterator[str]:
    """Make whatever opens nothing."""
    yield from ("", "x", "wk_000000000000_" + "x" * 43, "wo1.e30.e30", "wv1.e30.e30")
    revoked = ring.create("gone", scopes=("admin",))
    ring.revoke(revoked.key.id)
    yield revoked.text
    yield mint_operator_token(SECRET, operator=AISHA, now=NOW - timedelta(hours=1))
    yield mint_operator_token(SECRET, operator=AISHA, now=NOW + timedelta(hours=1))
    yield mint_operator_token(b"another secret of 32 bytes or more", operator=AISHA, now=NOW)
    yield "wo1" + mint_token(SECRET, workspace=HOME, viewer=MARIA, permissions=ALL, now=NOW)[3:]
    yield "wv1" + mint_operator_token(SECRET, operator=AISHA, now=NOW)[3:]


def test_strangers_are_answered_alike(http: TestClient, log: Log, ring: KeyRing) -> None:
    """Whatever is no good key and no good token is answered 401 everywhere, and nothing is changed."""
    for text in strangers(ring, log):
        acts: list[tuple[str, str, dict[str, Any] | None]] = [(method, path, body) for method, path, body, _ in ACTS]
        for method, path, body in [*acts, *(("GET", path, None) for path in LOOKS)]:
            sent = bearer(text) | {"X-Whodid-Workspace": HOME}
            check_problem(http.request(method, path, json=body, headers=sent), 401, "unauthorised")
    check_problem(http.get("/v1/keys"), 401, "unauthorised")
    assert [key.name for key in ring.all()] == ["gone"]


def test_a_key_that_was_revoked_a_moment_ago_makes_no_other(http: TestClient, ring: KeyRing) -> None:
    """What sends events may be remembered for a second; what manages is looked up each time."""
    key = ring.create("admin", scopes=SCOPES)
    assert http.post("/v1/events", json=wire(1), headers=bearer(key.text)).status_code == 201
    ring.revoke(key.key.id)
    check_problem(http.post("/v1/keys", json={"name": "x"}, headers=bearer(key.text)), 401, "unauthorised")


@pytest.mark.parametrize(
    ("asked", "body", "pointer"),
    [
        ("POST /v1/keys", {}, ""),
        ("POST /v1/keys", {"name": "x", "scopes": "write"}, "/scopes"),
        ("POST /v1/keys", {"name": "x", "rate": "fast"}, "/rate"),
        ("POST /v1/keys", {"name": "x", "expires_at": "soon"}, "/expires_at"),
        ("POST /v1/keys", {"name": "x", "digest": "0" * 64}, ""),
        ("POST /v1/keys/wk_000000000000/rotate", {"overlap": -1}, "/overlap"),
        ("POST /v1/keys/wk_000000000000/rotate", {"overlap": 30 * 86_400 + 1}, "/overlap"),
        ("PUT /v1/retention", {}, ""),
        ("PUT /v1/retention", {"days": "90"}, "/days"),
        ("PUT /v1/retention", {"days": 90, "class": {}}, ""),
    ],
)
def test_bodies_are_read_strictly(
    http: TestClient, admin: dict[str, str], asked: str, body: dict[str, Any], pointer: str
) -> None:
    """A fault names its place, and nothing happens."""
    method, path = asked.split()
    told = check_problem(http.request(method, path, json=body, headers=admin), 422, "invalid-body")
    assert told.get("pointer", "") == pointer
    ask = admin | {"Content-Type": "text/plain"}
    check_problem(http.request(method, path, content=b"{}", headers=ask), 415, "media-type")


@pytest.mark.parametrize(
    "body", [{"name": "x", "scopes": ["root"]}, {"name": " x"}, {"name": "x", "rate": 0}, {"name": "x", "scopes": []}]
)
def test_keys_that_cannot_be_had_are_refused(http: TestClient, admin: dict[str, str], body: dict[str, Any]) -> None:
    """A form that is right with a value that is not."""
    check_problem(http.post("/v1/keys", json=body, headers=admin), 422, "invalid-setting")


def test_policies_that_cannot_be_had_are_refused_before_they_are_foretold(
    http: TestClient, log: Log, admin: dict[str, str]
) -> None:
    """Days out of bounds and classes that nobody declared; in the library as over HTTP."""
    from whodid.retention import Policy

    for body in ({"days": 0}, {"days": 36_501}, {"days": 90, "classes": {"planet": 1}}):
        check_problem(http.put("/v1/retention", json=body, headers=admin), 422, "invalid-setting")
        check_problem(http.post("/v1/retention/preview", json=body, headers=admin), 422, "invalid-setting")
    with pytest.raises(InvalidSetting):
        preview(log, HOME, Policy(days=0))


def test_an_operator_token_says_who_and_no_more() -> None:
    """It lives ten minutes at most, needs a secret, and is read back as the operator."""
    made = mint_operator_token(SECRET, operator=AISHA, now=NOW)
    assert verify_operator_token(SECRET, made, now=NOW + timedelta(seconds=599)) == AISHA
    assert verify_operator_token(SECRET, made, now=NOW + timedelta(seconds=600)) is None
    for ttl in (0, 601):
        with pytest.raises(InvalidSetting, match="cannot live"):
            mint_operator_token(SECRET, operator=AISHA, ttl=ttl)
    with pytest.raises(InvalidSetting, match="secret"):
        mint_operator_token(b"short", operator=AISHA)
    with pytest.raises(InvalidSetting, match="larger"):
        mint_operator_token(SECRET, operator=Actor(type="user", id="x" * 5000))


def test_a_key_of_its_own_rate_is_slowed_down(log: Log, ring: KeyRing) -> None:
    """Two bursts of a full batch from a slow key: the second one has to wait, and that of another key does not."""
    slow, other = ring.create("slow", rate=5).text, ring.create("other").text
    with client(log) as http:
        batch = {"events": [wire(number) for number in range(1000)]}
        assert http.post("/v1/events", json=batch, headers=bearer(slow)).status_code == 200
        check_problem(http.post("/v1/events", json=batch, headers=bearer(slow)), 429, "too-many")
        assert http.post("/v1/events", json=batch, headers=bearer(other)).status_code == 200
