"""The door for WorkOS without a socket: idempotency over days and crashes, schemas, limits, rates, links and files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from starlette.testclient import TestClient

import whodid
from tests import serving
from tests.serving import HOME, MARIA, SECRET, Clock, bearer, client
from whodid import Log
from whodid.errors import InvalidSetting, StoreFull, StoreUnavailable
from whodid.export import JobFolder
from whodid.server import asgi
from whodid.server.keys import KeyRing

clock, log = serving.clock, serving.log


@pytest.fixture
def http(log: Log) -> Iterator[TestClient]:
    """Open a client."""
    with client(log, compat=("workos",)) as opened:
        yield opened


@pytest.fixture
def key(log: Log) -> dict[str, str]:
    """Make a key that may do everything in HOME, and return the header that shows it."""
    return bearer(KeyRing(log, HOME, actor=MARIA).create("tests", scopes=("admin",)).text)


def said(**more: Any) -> dict[str, Any]:
    """Write an event."""
    return {
        "action": "thing.made",
        "occurred_at": "2026-11-20T12:00:00.000Z",
        "actor": {"id": "usr_1", "type": "user"},
        "targets": [{"id": "t1", "type": "thing"}],
        "context": {"location": "203.0.113.7"},
        **more,
    }


def send(http: TestClient, key: dict[str, str], event: dict[str, Any], once: str | None = None) -> Any:
    """Create an event."""
    headers = key | ({"Idempotency-Key": once} if once else {})
    return http.post("/audit_logs/events", json={"organization_id": HOME, "event": event}, headers=headers)


def count(log: Log, action: str = "thing.made") -> int:
    """Count the entries of an action."""
    return sum(entry.action == action for entry in log.read(HOME))


def test_a_key_is_remembered_for_24_hours(http: TestClient, log: Log, clock: Clock, key: dict[str, str]) -> None:
    """Over midnight too; after that it may stand for another event."""
    assert send(http, key, said(), "k").status_code == 200
    clock.advance(hours=11)  # 01:00 of the next day
    assert send(http, key, said(), "k").status_code == 200
    assert send(http, key, said(version=2), "k").status_code == 409
    clock.advance(hours=12, minutes=59)
    assert send(http, key, said(), "k").status_code == 200
    assert count(log) == 1
    clock.advance(minutes=2)
    assert send(http, key, said(version=2), "k").status_code == 200
    assert send(http, key, said(version=2), "k").status_code == 200
    assert count(log) == 2


def test_a_restart_forgets_no_key(tmp_path: Path) -> None:
    """A server that answered, or died before it could, and another secret: the repetition adds nothing."""
    url = f"sqlite:///{tmp_path}/audit.db"
    text = ""
    for secret in (SECRET, b"another secret of 32 bytes or more, after a restart"):
        with whodid.open(url, clock=Clock()) as log:
            text = text or KeyRing(log, HOME, actor=MARIA).create("t").text
            with TestClient(asgi(log, secret=secret, compat=("workos",))) as http:
                assert send(http, bearer(text), said(), "k").status_code == 200
                assert count(log) == 1


def test_events_without_a_key_are_all_recorded(http: TestClient, log: Log, key: dict[str, str]) -> None:
    """Two equal events without a key may be two events."""
    for _ in range(2):
        assert send(http, key, said()).json() == {"success": True}
    assert count(log) == 2
    assert send(http, key, said(), "x" * 256).status_code == 400


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ({"action": 1}, (422, "event.action")),
        ({"occurred_at": "yesterday"}, (422, "event.occurred_at")),
        ({"occurred_at": "1700000000"}, (422, "event.occurred_at")),
        ({"actor": {"type": "user"}}, (422, "event.actor.id")),
        ({"actor": {"id": "u", "type": "user", "name": 3}}, (422, "event.actor.name")),
        ({"targets": [{"id": "x"}]}, (422, "event.targets.0.type")),
        ({"targets": None}, (422, "event.targets")),
        ({"context": {}}, (422, "event.context.location")),
        ({"version": "1"}, (422, "event.version")),
        ({"metadata": {"a.b": 1}}, (400, "/metadata")),
        ({"metadata": {"a": {"b": 1}}}, (400, "/metadata/a")),
        ({"metadata": {"a": None}}, (400, "/metadata/a")),
        ({"metadata": {"a": "x" * 501}}, (400, "/metadata/a")),
        ({"metadata": {f"k{number}": 1 for number in range(51)}}, (400, "/metadata")),
        ({"targets": [{"id": "x", "type": "t"}] * 33}, (400, "/targets")),
    ],
)
def test_what_is_wrong_is_named(
    http: TestClient, log: Log, key: dict[str, str], event: dict[str, Any], told: tuple[int, str]
) -> None:
    """The status and the place of the fault, in the form of the client; nothing is recorded."""
    answer = send(http, key, said(**event))
    assert answer.status_code == told[0]
    (error,) = answer.json()["errors"]
    assert told[1] in (error.get("field"), error.get("instancePath"))
    assert answer.json()["message"]
    assert answer.headers["x-request-id"]
    assert count(log) == 0


def test_what_intake_refuses_is_told_in_the_form_of_the_client(http: TestClient, key: dict[str, str]) -> None:
    """An id in the format of a secret; a body that is no JSON; a text of 1 MiB."""
    answer = send(http, key, said(targets=[{"id": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc", "type": "thing"}]))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "event.resource.id"
    assert http.post("/audit_logs/events", content=b"{", headers=key).status_code == 400
    large = http.post("/audit_logs/events", content=b" " * (1024 * 1024 + 1), headers=key)
    assert (large.status_code, "message" in large.json()) == (413, True)


def test_a_schema_is_obeyed_in_the_version_that_the_event_names(http: TestClient, key: dict[str, str]) -> None:
    """The newest when it names none; every place that does not fit is told at once."""
    path = "/audit_logs/actions/thing.made/schemas"
    number = {"type": "object", "properties": {"size": {"type": "number"}}, "required": ["size"]}
    first = {"targets": [{"type": "thing"}], "actor": {"metadata": {"type": "object", "properties": {}}}}
    assert http.post(path, json=first, headers=key).json()["version"] == 1
    second = {"targets": [{"type": "thing", "metadata": number}], "metadata": number | {"additionalProperties": False}}
    assert http.post(path, json=second, headers=key).json()["version"] == 2
    assert send(http, key, said(version=1)).status_code == 200
    answer = send(http, key, said(metadata={"size": "large", "more": 1}))
    assert answer.status_code == 400
    places = [one["instancePath"] for one in answer.json()["errors"]]
    assert places == ["/targets/0/metadata/size", "/metadata/size", "/metadata/more"]
    fit = said(metadata={"size": 1}, targets=[{"id": "t", "type": "thing", "metadata": {"size": 2.5}}])
    assert send(http, key, fit).status_code == 200
    assert send(http, key, fit | {"version": 3}).json()["errors"] == [{"instancePath": "/version"}]
    assert send(http, key, fit | {"metadata": {"size": True}}).status_code == 400


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"targets": []},
        {"targets": [{}]},
        {"targets": [{"type": "t", "metadata": {"properties": {"a": {"type": "object"}}}}]},
        {"targets": [{"type": "t", "metadata": {"properties": {"a": {"type": [{}]}}}}]},
        {"targets": [{"type": "t"}], "actor": []},
        {"targets": [{"type": "t"}], "metadata": {"required": ["x"]}},
        {"targets": [{"type": "t"}], "metadata": {"required": [[]], "properties": {}}},
    ],
)
def test_a_schema_that_cannot_be_obeyed_is_refused(http: TestClient, key: dict[str, str], schema: Any) -> None:
    """With the place; no action is made."""
    answer = http.post("/audit_logs/actions/a.b/schemas", json=schema, headers=key)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert http.get("/audit_logs/actions", headers=key).json()["data"] == []


def test_a_repeated_schema_is_made_once(http: TestClient, clock: Clock, key: dict[str, str]) -> None:
    """The same key gives the version that it made; with another body it is refused; after a day it is new."""
    path, headers = "/audit_logs/actions/a.b/schemas", key | {"Idempotency-Key": "k"}
    body = {"targets": [{"type": "t"}]}
    answers = [http.post(path, json=body, headers=headers) for _ in range(2)]
    assert [one.json()["version"] for one in answers] == [1, 1]
    assert http.post(path, json={"targets": [{"type": "u"}]}, headers=headers).status_code == 409
    clock.advance(hours=25)
    assert http.post(path, json=body, headers=headers).json()["version"] == 2


def test_lists_are_cut_in_both_orders(http: TestClient, key: dict[str, str]) -> None:
    """Limits, places and orders; what cannot be used is refused."""
    for number in range(5):
        http.post(f"/audit_logs/actions/a.b{number}/schemas", json={"targets": [{"type": "t"}]}, headers=key)

    def page(text: str) -> tuple[list[str], Any]:
        body = http.get(f"/audit_logs/actions?{text}", headers=key).json()
        assert body["object"] == "list"
        return [one["name"][-1] for one in body["data"]], body["list_metadata"]

    assert page("limit=2") == (["4", "3"], {"before": None, "after": "a.b3"})
    assert page("limit=2&after=a.b3") == (["2", "1"], {"before": "a.b2", "after": "a.b1"})
    assert page("limit=2&after=a.b1") == (["0"], {"before": "a.b0", "after": None})
    assert page("limit=2&before=a.b0") == (["2", "1"], {"before": "a.b2", "after": "a.b1"})
    assert page("order=asc&limit=3")[0] == ["0", "1", "2"]
    for text in ("limit=0", "limit=101", "limit=x", "order=up", "after=nothing"):
        assert http.get(f"/audit_logs/actions?{text}", headers=key).status_code == 422, text


def ready(http: TestClient, id_: str, key: dict[str, str]) -> dict[str, Any]:
    """Ask for an export until it is made, as its clients do, and return it."""
    told: dict[str, Any] = {}
    for _ in range(2_000):
        told = http.get(f"/audit_logs/exports/{id_}", headers=key).json()
        if told["state"] != "pending":
            return told
        time.sleep(0.005)
    raise AssertionError(told)


def test_the_address_of_a_file_lives_for_ten_minutes(
    http: TestClient, log: Log, clock: Clock, key: dict[str, str]
) -> None:
    """Asking again makes a new one; a changed one opens nothing; after a day the file is gone and told as expired."""
    send(http, key, said())
    body = {"organization_id": HOME, "range_start": "2026-11-01", "range_end": "2026-12-01", "actions": ["thing.made"]}
    made = http.post("/audit_logs/exports", json=body, headers=key).json()
    path = f"/audit_logs/exports/{made['id']}"
    url = ready(http, made["id"], key)["url"]
    assert '"thing.made"' in http.get(url).text
    assert http.get(url.replace("/download", "x/download")).status_code == 404
    clock.advance(minutes=10)
    assert http.get(url).status_code == 404
    assert http.get(http.get(path, headers=key).json()["url"]).status_code == 200
    for pause in (1, 6):
        clock.advance(days=pause)
        told = http.get(path, headers=key).json()
        assert (told["state"], told["url"]) == ("expired", None)
    assert count(log, "audit.exported") == 1


def test_an_export_is_a_job_like_every_other(http: TestClient, log: Log, key: dict[str, str]) -> None:
    """Whoever lists the exports of everyone sees it, with who ordered it and how large it is."""
    send(http, key, said())
    body = {"organization_id": HOME, "range_start": "2026-11-01", "range_end": "2026-12-01"}
    made = http.post("/audit_logs/exports", json=body, headers=key).json()
    told = ready(http, made["id"], key)
    text = http.get(told["url"]).content
    (job,) = http.get("/v1/exports?by=everyone", headers=key).json()["items"]
    assert made["id"] == f"audit_log_export_{job['id']}"
    assert (job["state"], job["format"], job["ordered_by"]["type"], job["own"]) == ("ready", "csv", "api_key", False)
    assert (job["size"], job["sha256"]) == (len(text), sha256(text).hexdigest())
    assert job["estimate"] > 0
    assert log.get(HOME, job["index"]).action == "audit.exported"


def test_an_export_that_cannot_be_made_is_an_error(http: TestClient, log: Log, key: dict[str, str]) -> None:
    """The state says so, and there is no address."""
    body = {"organization_id": HOME, "range_start": "2026-11-01", "range_end": "2026-12-01"}
    with patch.object(log, "stream", side_effect=StoreUnavailable("Busy", "Wait")):
        made = http.post("/audit_logs/exports", json=body, headers=key).json()
        assert (made["state"], made["url"]) == ("pending", None)
        told = ready(http, made["id"], key)
    assert (told["state"], told["url"]) == ("error", None)


def test_an_order_is_refused_while_too_many_wait_and_can_be_sent_again(
    http: TestClient, log: Log, key: dict[str, str]
) -> None:
    """429 with Retry-After, in the form of the product; the same order is taken later, also with the same key."""
    body = {"organization_id": HOME, "range_start": "2026-11-01", "range_end": "2026-12-01"}
    again = key | {"Idempotency-Key": "k1"}
    with patch.object(JobFolder, "has_room", return_value=False):
        refused = http.post("/audit_logs/exports", json=body, headers=again)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limit_exceeded")
    assert refused.headers["retry-after"] == "60"
    made = [http.post("/audit_logs/exports", json=body, headers=again).json()["id"] for _ in range(2)]
    assert made[0] == made[1]
    assert ready(http, made[0], key)["state"] == "ready"
    assert count(log, "audit.exported") == 1


def test_a_file_has_no_more_than_its_key_may_see(http: TestClient, log: Log) -> None:
    """Without admin, the addresses in it are hidden; without export, there is none."""
    ring = KeyRing(log, HOME, actor=MARIA)
    plain = bearer(ring.create("x", scopes=("write", "export")).text)
    send(http, plain, said())
    body = {"organization_id": HOME, "range_start": "2026-11-01", "range_end": "2026-12-01"}
    made = http.post("/audit_logs/exports", json=body, headers=plain).json()
    text = http.get(ready(http, made["id"], plain)["url"]).text
    assert '"usr_1"' in text
    assert "203.0.113.7" not in text
    writer = bearer(ring.create("w").text)
    assert http.post("/audit_logs/exports", json=body, headers=writer).status_code == 403


@pytest.mark.parametrize("error", [StoreUnavailable("Busy", "Wait"), StoreFull("Full", "Make room")])
def test_a_store_that_cannot_take_it_says_so_as_clients_retry(
    http: TestClient, log: Log, key: dict[str, str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """503 with Retry-After, never the status that a client gives up on."""

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(log, "record_many", fail)
        answer = send(http, key, said(), "k")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert send(http, key, said(), "k").status_code == 200
    assert count(log) == 1


def test_a_server_with_too_many_requests_says_so_as_clients_retry(
    log: Log, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it reads a body: 503 with Retry-After, in the form of either product."""
    monkeypatch.setattr("whodid.server.app._MOST_WAITING", 0)
    with client(log, threads=0, compat=("workos", "retraced")) as http:
        busy = send(http, key, said(), "k")
        other = http.post("/auditlog/viewer/v1/viewersession", json={})
        monkeypatch.setattr("whodid.server.app._MOST_KEEPING", 0)
        last = http.post(f"/auditlog/publisher/v1/project/{HOME}/event", json={})
    assert (busy.status_code, busy.headers["retry-after"], "message" in busy.json()) == (503, "2", True)
    assert (other.status_code, other.headers["retry-after"], other.json()["type"]) == (503, "2", "UNAVAILABLE")
    assert (last.status_code, last.headers["retry-after"], last.json()["type"]) == (503, "2", "UNAVAILABLE")
    assert other.headers["x-retraced-requestid"]
    assert count(log) == 0


def test_a_key_that_sends_too_much_is_slowed_down(log: Log, key: dict[str, str]) -> None:
    """429 with the code and Retry-After that the clients read."""
    with client(log, compat=("workos",), rate=1) as http:
        answers = [send(http, key, said()) for _ in range(4)]
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert answers[-1].json()["code"] == "rate_limit_exceeded"
    assert answers[-1].headers["retry-after"] == "1"


def test_without_a_console_there_is_no_link(http: TestClient, key: dict[str, str]) -> None:
    """An embedded log has no sign-in of its own, and other intents have no page."""
    body = {"organization": HOME, "intent": "audit_logs"}
    assert http.post("/portal/generate_link", json=body, headers=key).status_code == 404
    assert http.post("/portal/generate_link", json=body | {"intent": "sso"}, headers=key).status_code == 422


def test_foreign_names_become_ours_and_are_kept(http: TestClient, log: Log, key: dict[str, str]) -> None:
    """Actions, types and ids that do not fit are translated, and the details hold what was sent."""
    event = said(action="Login!", actor={"id": "u" * 300, "type": "Service-Bot"}, context={"location": "Lisbon"})
    assert send(http, key, event | {"targets": [{"id": "1", "type": "Team Space"}]}).status_code == 200
    entry = list(log.read(HOME))[-1]
    assert (entry.action, entry.resource.type, entry.actor.type) == ("team_space.login", "team_space", "user")
    assert entry.details is not None
    assert entry.details["workos_action"] == "Login!"
    assert entry.details["location"] == "Lisbon"
    assert entry.details["actor"] == {"type": "Service-Bot", "id": "u" * 300}
    assert entry.details["targets"] == [{"type": "Team Space"}]


def test_a_product_that_is_not_known_is_refused(log: Log) -> None:
    """At the start, by name."""
    with pytest.raises(InvalidSetting, match="workoss"):
        asgi(log, secret=SECRET, compat=("workoss",))
