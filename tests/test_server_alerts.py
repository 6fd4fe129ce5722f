"""Alerts over HTTP: who sees them, who acts on them, and what that leaves in the log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from starlette.testclient import TestClient

from tests import serving
from tests.alerting import MARIA as HER
from tests.alerting import follow, wrong
from tests.serving import (
    EXPORT,
    HOME,
    MARIA,
    NOW,
    PII,
    READ,
    Clock,
    bearer,
    check_problem,
    open_log,
    token,
)
from whodid import Log, Resource
from whodid.errors import InvalidSetting
from whodid.server.keys import KeyRing

http = serving.http

AT = NOW - timedelta(hours=1)


@pytest.fixture
def log() -> Iterator[Log]:
    """Open a log in which a stranger guessed five times at one password, and five times at another."""
    with open_log(Clock()) as opened:
        opened.record_many(HOME, [wrong(800 + one, AT) for one in range(5)])
        follow(opened)
        yield opened


@pytest.fixture
def id_(http: TestClient) -> str:
    """Return the id of the alert."""
    found: str = listed(http)["items"][0]["id"]
    return found


def listed(http: TestClient, status: str = "", *rights: str, **more: Any) -> dict[str, Any]:
    """Return a list of alerts as somebody with rights gets it."""
    headers = bearer(token(HOME, rights, **more) if rights else token(HOME))
    answer = http.get("/v1/alerts", params={"status": status} if status else {}, headers=headers)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_an_alert_says_what_it_rests_on(http: TestClient, log: Log, id_: str) -> None:
    """Its reason with numbers, its entries, what to do; and how many are open."""
    found = listed(http)
    (alert,) = found["items"]
    first = alert["index"] - 4
    assert log.get(HOME, first).action == "auth.login_failed"
    assert alert["reason"] == "5 failed sign-ins for Maria Torres within 10 minutes."
    assert alert["person"] == {"type": "user", "id": "usr_maria", "name": "Maria Torres"}
    assert alert["entries"] == list(range(first, first + 5))
    assert (found["open"], found["manage"], found["next"]) == (1, True, None)
    assert http.get(f"/v1/alerts/{id_}", headers=bearer(token(HOME))).json() == alert


def test_alerts_are_found_by_the_entries_that_they_rest_on(http: TestClient, id_: str) -> None:
    """Whatever their status; levels and verdicts are said in the language that was asked for."""
    headers = bearer(token(HOME))
    (alert,) = listed(http)["items"]
    first, last = alert["entries"][0], alert["entries"][-1]
    assert alert["called"] == {"level": "low"}
    http.post(f"/v1/alerts/{id_}/resolve", json={"verdict": "mine"}, headers=headers)
    found = http.get(f"/v1/alerts?status=all&at=0..2,{last}&lang=es", headers=headers).json()["items"]
    assert [(one["id"], one["called"]) for one in found] == [(id_, {"level": "bajo", "verdict": "era la persona"})]
    for query in (f"at={last}", f"status=all&at={last + 1}", f"status=all&at={first - 1}"):
        assert http.get(f"/v1/alerts?{query}", headers=headers).json()["items"] == [], query


def test_without_personal_values_there_is_no_reason(http: TestClient) -> None:
    """It may hold an address; and who may not act is told so."""
    found = listed(http, "", READ, EXPORT)
    assert found["items"][0]["reason"] == {"$": "hidden"}
    assert found["manage"] is False


def test_a_locked_filter_opens_no_alert(http: TestClient, id_: str) -> None:
    """An alert is about what the filter leaves out."""
    headers = bearer(token(HOME, locked="type:contact"))
    for path in ("/v1/alerts", f"/v1/alerts/{id_}", "/v1/alert-rules"):
        check_problem(http.get(path, headers=headers), 403, "denied")
    check_problem(http.post(f"/v1/alerts/{id_}/acknowledge", json={}, headers=headers), 403, "denied")


def test_somebody_looks_after_it_and_says_what_it_was(http: TestClient, log: Log, id_: str) -> None:
    """Both acts are entries with the viewer, the address and the note; then it is among the resolved ones."""
    headers = bearer(token(HOME))
    done = http.post(f"/v1/alerts/{id_}/acknowledge", json={"note": "Calling her"}, headers=headers).json()
    assert (done["status"], done["acknowledged"]["by"]["id"]) == ("acknowledged", MARIA.id)
    assert (listed(http)["open"], listed(http, "acknowledged")["items"]) == (0, [done])
    done = http.post(f"/v1/alerts/{id_}/resolve", json={"verdict": "confirmed"}, headers=headers).json()
    assert (done["status"], done["verdict"]) == ("resolved", "confirmed")
    assert (listed(http)["items"], listed(http, "resolved")["items"]) == ([], [done])
    acts = [one for one in log.read(HOME) if one.action in {"audit.alert_acknowledged", "audit.alert_resolved"}]
    assert [(one.actor.id, one.context and one.context.source) for one in acts] == [(MARIA.id, "web")] * 2
    check_problem(
        http.post(f"/v1/alerts/{id_}/resolve", json={"verdict": "mine"}, headers=headers), 422, "invalid-setting"
    )


def test_whoever_may_not_act_is_refused_and_that_is_an_entry(http: TestClient, log: Log, id_: str) -> None:
    """Once per act, whatever the route; the alert stays as it was."""
    headers = bearer(token(HOME, (READ, EXPORT, PII)))
    for path, body in (("acknowledge", {}), ("resolve", {"verdict": "mine"}), ("mute", {})):
        answer = http.post(f"/v1/alerts/{id_}/{path}", json=body, headers=headers)
        assert check_problem(answer, 403, "denied")["permission"] == "audit:manage"
    refused = http.put("/v1/alert-rules/password_guessing", json={"active": False}, headers=headers)
    check_problem(refused, 403, "denied")
    denied = [(one.action, one.actor.id) for one in log.read(HOME) if one.outcome == "denied"]
    assert denied[-3:] == [
        (f"audit.alert_{name}", MARIA.id) for name in ("acknowledged", "resolved", "rule_changed")
    ]  # fmt: skip
    assert listed(http)["open"] == 1


def test_a_key_that_administers_acts_too(http: TestClient, log: Log, id_: str) -> None:
    """Its entry says that it came over the API; a key that reads does not act."""
    ring = KeyRing(log, HOME, actor=MARIA)
    reads, administers = (bearer(ring.create(one, scopes=(one,)).text) for one in ("read", "admin"))
    check_problem(http.post(f"/v1/alerts/{id_}/acknowledge", json={}, headers=reads), 403, "denied")
    assert http.post(f"/v1/alerts/{id_}/acknowledge", json={}, headers=administers).status_code == 200
    (entry,) = [
        one for one in log.read(HOME) if one.action == "audit.alert_acknowledged" and one.outcome == "success"
    ]  # fmt: skip
    assert (entry.actor.type, entry.context and entry.context.source) == ("api_key", "api")


def test_a_rule_is_muted_for_the_person_of_an_alert(http: TestClient, id_: str) -> None:
    """It is listed with the rule; an alert about nobody mutes nobody."""
    headers = bearer(token(HOME))
    http.post(f"/v1/alerts/{id_}/mute", json={"days": 7, "note": "Test"}, headers=headers)
    (rule,) = [one for one in rules(http)["items"] if one["name"] == "password_guessing"]
    until = (NOW + timedelta(days=7)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    assert rule["mutes"] == [{"person": {"type": "user", "id": HER.id, "name": HER.name}, "until": until}]
    assert (rule["recent"], rule["last_at"][:10]) == (1, "2026-11-20")
    answer = http.post(f"/v1/alerts/{id_}/mute", json={"days": 91}, headers=headers)
    assert answer.json()["pointer"] == "/days"


def test_an_alert_about_a_network_mutes_nobody(http: TestClient, log: Log) -> None:
    """Spraying tries many people."""
    log.record_many(HOME, [wrong(900 + one, AT, somebody(f"usr_{one}")) for one in range(5)])
    follow(log)
    (spraying,) = [one for one in listed(http)["items"] if one["rule"] == "password_spraying"]
    assert spraying["person"] is None
    answer = http.post(f"/v1/alerts/{spraying['id']}/mute", json={}, headers=bearer(token(HOME)))
    check_problem(answer, 422, "invalid-setting")


def somebody(id_: str) -> Resource:
    """Return somebody."""
    return Resource(type="user", id=id_)


def rules(http: TestClient) -> dict[str, Any]:
    """Return the rules."""
    found: dict[str, Any] = http.get("/v1/alert-rules", headers=bearer(token(HOME))).json()
    return found


def test_rules_are_switched_but_for_the_one_that_watches_the_log(http: TestClient, log: Log) -> None:
    """Each switch is an entry; a rule that is not there is not found."""
    headers = bearer(token(HOME))
    off = http.put("/v1/alert-rules/bulk_export", json={"active": False}, headers=headers).json()
    assert off["active"] is False
    assert [one["name"] for one in rules(http)["items"] if not one["active"]] == ["bulk_export"]
    assert [one["name"] for one in rules(http)["items"] if one["always"]] == ["log_touched"]
    assert sum(one.action == "audit.alert_rule_changed" for one in log.read(HOME)) == 1
    for name, status in (("log_touched", 422), ("nothing", 404)):
        assert http.put(f"/v1/alert-rules/{name}", json={"active": False}, headers=headers).status_code == status
    assert http.put("/v1/alert-rules/bulk_export", json={"active": 1}, headers=headers).status_code == 422


def test_what_is_asked_wrongly_is_said(http: TestClient, id_: str) -> None:
    """A status, a limit, a parameter, a verdict, an alert or a token that is none."""
    headers = bearer(token(HOME))
    for query in ("status=x", "limit=101", "limit=0", "what=1", "at=x", "at=0..200", "at=1,,2"):
        assert http.get(f"/v1/alerts?{query}", headers=headers).status_code == 400, query
    for body in ({"verdict": "x"}, {}):
        assert http.post(f"/v1/alerts/{id_}/resolve", json=body, headers=headers).status_code == 422
    check_problem(http.post("/v1/alerts/alt_1/acknowledge", json={}, headers=headers), 404, "not-found")
    assert http.get("/v1/alerts").status_code == 401
    assert http.post(f"/v1/alerts/{id_}/acknowledge", json={}).status_code == 401


def test_without_the_extra_there_are_alerts_and_no_rules(http: TestClient) -> None:
    """What was raised by another server is shown; the list of rules says why it is empty."""
    with patch("whodid.server.alerts.rules_of", side_effect=InvalidSetting("Rules need pySigma")):
        budget = {"weekly": 10, "recent": 1}
        assert rules(http) == {"items": [], "available": False, "manage": True, "budget": budget}
        assert listed(http)["open"] == 1
