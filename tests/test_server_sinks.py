"""Sinks over HTTP: adding, looking, and everything done with them; who may, and what nobody is ever answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import standardwebhooks
from starlette.testclient import TestClient

from tests import sending, serving
from tests.receiving import Got, Receiver, receiving
from tests.serving import AWAY, HOME, NOW, SECRET, Clock, bearer, check_problem, token
from tests.sinking import turn
from whodid import Actor, Log, egress
from whodid.server import mint_operator_token
from whodid.server.keys import KeyRing
from whodid.sinks import Sinks, SinkWorker
from whodid.sinks.kinds import http as kinds_http

clock, log, ring, http = serving.clock, serving.log, sending.ring, serving.http

AISHA = Actor(type="user", id="usr_aisha", name="Aisha Khan", role="Operator")
HOOK = {"name": "hook", "kind": "webhook", "address": "https://hooks.example.com/audit", "start": 0}


@pytest.fixture
def admin(ring: KeyRing) -> dict[str, str]:
    """Return the headers of a key that may administer."""
    return bearer(ring.create("admin", scopes=("admin",)).text)


@pytest.fixture
def operator() -> dict[str, str]:
    """Return the headers of an operator who manages HOME."""
    return bearer(mint_operator_token(SECRET, operator=AISHA, now=NOW)) | {"X-Whodid-Workspace": HOME}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run a receiver on this machine."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def hook(http: TestClient, operator: dict[str, str], receiver: Receiver) -> dict[str, Any]:
    """Add a webhook to the receiver, with a secret that the server made; return what was answered."""
    wish = HOOK | {"address": receiver.url, "private": True, "heartbeat": 0}
    answer = http.post("/v1/sinks", json=wish, headers=operator)
    assert answer.status_code == 201
    made: dict[str, Any] = answer.json()
    return made


def signed(got: Got, secret: str) -> bool:
    """Tell whether a delivery is signed with a secret; the log's clock stands still, so `verify` finds it too old."""
    at = datetime.fromtimestamp(int(got.headers["webhook-timestamp"]), tz=UTC)
    wanted = standardwebhooks.Webhook(secret).sign(got.headers["webhook-id"], at, got.body.decode())
    return wanted in got.headers["webhook-signature"].split(" ")


def test_from_adding_to_removing(
    http: TestClient, log: Log, admin: dict[str, str], hook: dict[str, Any], receiver: Receiver
) -> None:
    """Each step shows in the list and is an entry, with its reason."""
    one = f"/v1/sinks/{hook['id']}"
    size = log.head(HOME).size
    assert http.get("/v1/sinks", headers=admin).json() == {
        "items": [{name: value for name, value in hook.items() if name != "secret_text"} | {"behind": size}]
    }
    turn(SinkWorker(log))
    assert [[entry["index"] for entry in json.loads(got.body)] for got in receiver.got] == [[*range(size)]]
    assert signed(receiver.got[0], hook["secret_text"])
    found = http.get(one, headers=admin).json()
    assert (found["status"], found["behind"], found["lag"], found["delivered"]) == ("active", 0, 0.0, size)
    assert found["silence"] is not None

    check_problem(http.post(f"{one}/pause", json={}, headers=admin), 422, "invalid-body")
    paused = http.post(f"{one}/pause", json={"reason": "They move"}, headers=admin).json()
    assert (paused["status"], paused["paused"]) == ("paused", 0.0)
    again = http.post(f"{one}/backfill", json={"start": 1}, headers=admin).json()
    assert again["next"] == 1
    resumed = http.post(f"{one}/resume", json={}, headers=admin).json()
    assert (resumed["status"], resumed["paused"], resumed["paused_at"]) == ("active", None, None)
    assert http.post(f"{one}/test", headers=admin).json() == {"taken": True, "fault": ""}
    receiver.statuses = [401]
    assert http.post(f"{one}/test", headers=admin).json() == {"taken": False, "fault": "The receiver answered 401"}
    removed = http.delete(one, headers=admin)
    assert removed.json()["id"] == hook["id"]
    check_problem(http.get(one, headers=admin), 404, "not-found")

    told = log.find(HOME, "action:audit.stream_changed,audit.stream_tested").entries
    acts = [(entry.action.partition("_")[2], entry.outcome, [one.path for one in entry.changes][:1]) for entry in told]
    assert acts[::-1] == [
        ("changed", "success", ["kind"]),
        ("changed", "success", ["active"]),
        ("changed", "success", ["next"]),
        ("changed", "success", ["active"]),
        ("tested", "success", []),
        ("tested", "failed", []),
        ("changed", "success", ["kind"]),
    ]
    assert {entry.actor.type for entry in told} == {"user", "api_key"}
    assert told[-2].reason is not None
    assert told[-2].reason.text == "They move"


def test_a_secret_is_answered_once_and_kept_where_the_store_cannot_read_it(
    http: TestClient, log: Log, admin: dict[str, str], hook: dict[str, Any]
) -> None:
    """In no later answer, no entry and no state; the entry has its fingerprint. Removing the sink forgets it."""
    secret = hook["secret_text"]
    assert (hook["secret"], secret[:6]) == ("kept", "whsec_")
    one = f"/v1/sinks/{hook['id']}"
    texts = [http.get(path, headers=admin).text for path in ("/v1/sinks", one, f"{one}/quarantine")]
    kept = log.state(HOME, f"sinks.secret.{hook['id']}")
    whole = b"".join([*log.stream_wire(HOME), kept or b"", log.state(HOME, "sinks") or b""])
    assert secret not in "".join(texts)
    assert secret.encode() not in whole
    assert kept is not None
    changed = log.find(HOME, "action:audit.stream_changed").entries
    (added,) = [change for entry in changed for change in entry.changes if change.path == "secret"]
    assert (added.class_, added.after_fp) == ("secret", log.fingerprint(HOME, secret.encode()))
    http.delete(one, headers=admin)
    assert log.state(HOME, f"sinks.secret.{hook['id']}") is None


def test_two_secrets_sign_while_they_change(
    http: TestClient, log: Log, admin: dict[str, str], hook: dict[str, Any], receiver: Receiver
) -> None:
    """The new one first; the next change leaves the oldest behind. One that cannot be used changes nothing."""
    one = f"/v1/sinks/{hook['id']}/secret"
    check_problem(http.post(one, json={"secret": "abc"}, headers=admin), 422, "invalid-setting")
    second = http.post(one, json={"beside": True}, headers=admin).json()["secret_text"]
    turn(SinkWorker(log))
    assert signed(receiver.got[0], hook["secret_text"])
    assert signed(receiver.got[0], second)
    assert http.post(one, json={"secret": hook["secret_text"]}, headers=admin).json()["secret_text"] is None
    http.post(f"/v1/sinks/{hook['id']}/test", headers=admin)
    assert signed(receiver.got[-1], hook["secret_text"])
    assert not signed(receiver.got[-1], second)
    assert log.state(HOME, f"sinks.secret.{hook['id']}.new") is None
    changed = [change for entry in log.find(HOME, "action:audit.stream_changed").entries for change in entry.changes]
    prints = [(change.before_fp, change.after_fp) for change in changed if change.op == "replace"]
    assert prints[0][0] == prints[1][1] == log.fingerprint(HOME, second.encode())


def test_what_is_refused_for_good_is_tried_again_or_let_go(
    http: TestClient, log: Log, admin: dict[str, str], hook: dict[str, Any], receiver: Receiver
) -> None:
    """Each is delivered alone; what is taken leaves the list, what is dropped leaves it with a reason."""
    one = f"/v1/sinks/{hook['id']}/quarantine"
    receiver.refuses = lambda body: any(entry.get("index") in {1, 2, 3} for entry in json.loads(body))
    turn(SinkWorker(log))
    listed = http.get(one, headers=admin).json()
    assert ([item["index"] for item in listed["items"]], listed["refused"]) == ([1, 2, 3], 3)
    assert http.get(f"/v1/sinks/{hook['id']}", headers=admin).json()["quarantined"] == 3

    failed = http.post(f"{one}/retry", json={}, headers=admin).json()
    assert (failed["taken"], failed["fault"], len(failed["items"])) == (0, "The receiver answered 422", 3)
    receiver.refuses = lambda body: json.loads(body)[0]["index"] == 3
    taken = http.post(f"{one}/retry", json={"indexes": [1, 3]}, headers=admin).json()
    assert (taken["taken"], taken["refused"], [item["index"] for item in taken["items"]]) == (1, 2, [2, 3])
    check_problem(http.post(f"{one}/retry", json={"indexes": [1]}, headers=admin), 404, "not-found")
    check_problem(http.post(f"{one}/drop", json={"indexes": [2]}, headers=admin), 422, "invalid-body")
    dropped = http.post(f"{one}/drop", json={"indexes": [2], "reason": "No place"}, headers=admin).json()
    assert (dropped["dropped"], dropped["refused"], [item["index"] for item in dropped["items"]]) == (1, 2, [3])

    told = log.find(HOME, "action:audit.stream_changed").entries[:3]
    assert [(entry.outcome, [one.removed for one in entry.changes]) for entry in told] == [
        ("success", [[2]]),
        ("success", [[1]]),
        ("failed", []),
    ]
    assert told[0].reason is not None
    assert told[0].reason.text == "No place"


@pytest.mark.parametrize(
    "more",
    [
        {"private": True},
        {"kind": "file", "address": "/etc/cron.d/whodid"},
        {"options": {"ca": "/etc/shadow"}},
    ],
)
def test_a_key_opens_no_way_into_the_server(
    http: TestClient, log: Log, admin: dict[str, str], operator: dict[str, str], more: dict[str, Any]
) -> None:
    """Files, certificates on its disk and its own network are for operators; the refusal is an entry."""
    before = log.head(HOME).size
    refused = http.post("/v1/sinks", json=HOOK | more, headers=admin)
    assert check_problem(refused, 403, "denied")["permission"] == "operator"
    (denied,) = log.find(HOME, "action:audit.stream_changed").entries
    assert (denied.outcome, denied.details and denied.details["cause"]) == ("denied", "reach")
    assert log.head(HOME).size == before + 1
    assert Sinks(log, HOME, actor=AISHA).all() == []
    if more.get("private"):
        assert http.post("/v1/sinks", json=HOOK | more, headers=operator).status_code == 201


def test_an_address_that_leads_inside_is_not_reached(
    http: TestClient, log: Log, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    """Whatever the name says when the sink is added, it is looked up for each connection."""
    monkeypatch.setattr(egress, "resolve", lambda host, port: ["127.0.0.1"])
    address = f"https://hooks.example.com:{receiver.port}/in"
    made = http.post("/v1/sinks", json=HOOK | {"address": address}, headers=admin).json()
    tested = http.post(f"/v1/sinks/{made['id']}/test", headers=admin).json()
    assert tested["fault"] == "hooks.example.com leads to 127.0.0.1, which is not on the public internet"
    assert receiver.got == []


@pytest.mark.parametrize("scopes", [("write",), ("read", "export")])
def test_other_keys_and_viewers_are_refused(
    http: TestClient, log: Log, ring: KeyRing, scopes: tuple[str, ...], operator: dict[str, str]
) -> None:
    """Looking as well as acting, and acting leaves an entry behind."""
    made = http.post("/v1/sinks", json=HOOK, headers=operator).json()
    one = f"/v1/sinks/{made['id']}"
    for headers in (bearer(ring.create("other", scopes=scopes).text), bearer(token(HOME))):
        for method, path, body in (
            ("GET", "/v1/sinks", None),
            ("GET", "/v1/language", None),
            ("PUT", "/v1/language", {"lang": "es"}),
            ("POST", "/v1/sinks", HOOK | {"name": "mine"}),
            ("GET", one, None),
            ("DELETE", one, None),
            ("PATCH", one, {"name": "mine"}),
            ("POST", f"{one}/secret", {}),
            ("POST", f"{one}/pause", {"reason": "x"}),
            ("POST", f"{one}/resume", {}),
            ("POST", f"{one}/backfill", {"start": 0}),
            ("POST", f"{one}/test", None),
            ("GET", f"{one}/quarantine", None),
            ("POST", f"{one}/quarantine/retry", {}),
            ("POST", f"{one}/quarantine/drop", {"reason": "x"}),
        ):
            check_problem(http.request(method, path, json=body, headers=headers), 403, "denied")
    (now,) = Sinks(log, HOME, actor=AISHA).all()
    assert (now.status, now.sink.id) == ("active", made["id"])
    denied = [entry for entry in log.find(HOME, "outcome:denied").entries if entry.action.startswith("audit.stream")]
    assert {entry.action for entry in denied} == {"audit.stream_changed", "audit.stream_tested"}
    assert http.get("/v1/sinks").status_code == 401


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"kind": "pigeon"}, "There is no kind of sink 'pigeon'"),
        ({"format": "csv"}, "A webhook sink has no format 'csv'"),
        ({"query": "date:today"}, "dates"),
        ({"batch": 100_000}, "A delivery of 100000 entries"),
        ({"start": 10_000}, "There is no entry 10000"),
        ({"options": {"planet": "mars"}}, "no option 'planet'"),
        ({"address": "http://hooks.example.com"}, "in the clear"),
        ({"secret": "abc"}, "The secret of a webhook is whsec_"),
        ({"kind": "splunk"}, "A splunk sink needs a secret"),
    ],
)
def test_what_cannot_work_is_refused(
    http: TestClient, log: Log, admin: dict[str, str], more: dict[str, Any], fault: str
) -> None:
    """With what is wrong; nothing is left behind."""
    before = log.head(HOME).size
    answer = http.post("/v1/sinks", json=HOOK | more, headers=admin)
    assert answer.status_code in {400, 422}
    assert fault in answer.json()["detail"]
    assert http.get("/v1/sinks", headers=admin).json() == {"items": []}
    assert log.head(HOME).size == before


def test_a_sink_without_a_secret_is_given_none(http: TestClient, admin: dict[str, str]) -> None:
    """Only webhooks are: what another kind needs, only its receiver can know."""
    wish = {"name": "otel", "kind": "otlp", "address": "https://otel.example.com/v1/logs"}
    made = http.post("/v1/sinks", json=wish, headers=admin).json()
    assert (made["secret"], made["secret_text"]) == ("none", None)
    key = http.post("/v1/sinks", json=wish | {"name": "dd", "kind": "datadog", "secret": "k"}, headers=admin).json()
    assert (key["secret"], key["secret_text"]) == ("kept", None)


def test_a_hanging_receiver_is_given_up(
    http: TestClient, admin: dict[str, str], hook: dict[str, Any], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test answers in any case."""
    monkeypatch.setattr(kinds_http, "_SECONDS", 0.1)
    receiver.drip.set()
    answer = http.post(f"/v1/sinks/{hook['id']}/test", headers=admin).json()
    assert not answer["taken"]
    assert answer["fault"].startswith("The receiver did not answer within")


def test_a_workspace_without_a_log_has_no_sinks(http: TestClient, log: Log) -> None:
    """An operator who mistypes its name begins none."""
    nowhere = bearer(mint_operator_token(SECRET, operator=AISHA, now=NOW)) | {"X-Whodid-Workspace": "wsp_none"}
    assert http.post("/v1/sinks", json=HOOK, headers=nowhere).status_code == 404
    assert "wsp_none" not in log.workspaces()


def test_the_vault_opens_for_its_own_use_alone(log: Log, clock: Clock) -> None:
    """What was encrypted for one sink or workspace is nothing to another, and nothing once a bit is altered."""
    kept = log.vault.encrypt(HOME, "sinks.secret.a", "whsec_x")
    assert log.vault.decrypt(HOME, "sinks.secret.a", kept) == "whsec_x"
    assert log.vault.encrypt(HOME, "sinks.secret.a", "whsec_x") != kept
    altered = kept[:-6] + ("A" if kept[-6] != "A" else "B") + kept[-5:]
    for workspace, use, text in (
        (HOME, "sinks.secret.b", kept),
        (AWAY, "sinks.secret.a", kept),
        (HOME, "sinks.secret.a", altered),
        (HOME, "sinks.secret.a", "§"),
        (HOME, "sinks.secret.a", ""),
    ):
        with pytest.raises(Exception, match="cannot be read with this key file"):
            log.vault.decrypt(workspace, use, text)


def test_orders_are_what_is_described(http: TestClient, admin: dict[str, str]) -> None:
    """A member that nobody knows is refused rather than passed over."""
    check_problem(http.post("/v1/sinks", json=HOOK | {"secret_file": "x"}, headers=admin), 422, "invalid-body")
    assert msgspec.json.decode(http.get("/v1/sinks", headers=admin).content) == {"items": []}
