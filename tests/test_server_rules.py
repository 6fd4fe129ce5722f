"""Rules over HTTP: written as a sentence or as Sigma, tried on the last 30 days, changed, deleted; and the budget."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import serving
from tests.alerting import follow, wrong
from tests.serving import (
    EXPORT,
    HOME,
    JOAO,
    MANAGE,
    MARIA,
    NOW,
    PII,
    READ,
    Clock,
    bearer,
    check_problem,
    event,
    open_log,
    token,
)
from whodid import Log, Resource
from whodid.detect import DetectionWorker
from whodid.model import Entry

http = serving.http

HEADERS = bearer(token(HOME))
DELETIONS = {"title": "Contacts deleted", "level": "high", "actions": ["contact.deleted"], "respond": "Ask them."}
SIGMA = """title: Exports of the client
level: low
logsource: {product: auditlog}
detection:
  wanted: {action: file.exported, actor.name|contains: maria}
  condition: wanted
"""


@pytest.fixture
def log() -> Iterator[Log]:
    """Open a log in which somebody deletes a contact every day at 22:30 in Madrid, and somebody else six today."""
    with open_log(Clock()) as opened:
        night = NOW.replace(hour=21, minute=30)
        opened.record_many(
            HOME,
            [
                event(500 + day, "contact.deleted", JOAO, ago=NOW - night + timedelta(days=day))
                for day in range(20, 0, -1)
            ],
        )
        opened.record_many(
            HOME, [event(600 + n, "contact.deleted", MARIA, ago=timedelta(minutes=60 - 2 * n)) for n in range(6)]
        )
        yield opened


def tried(http: TestClient, **wish: Any) -> dict[str, Any]:
    """Return what a rule would have done."""
    answer = http.post("/v1/alert-rules/preview", json=wish, headers=HEADERS)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def saved(http: TestClient, **wish: Any) -> dict[str, Any]:
    """Write a rule."""
    answer = http.post("/v1/alert-rules", json=wish, headers=HEADERS)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def listed(http: TestClient, *rights: str) -> dict[str, dict[str, Any]]:
    """Return the rules by name."""
    headers = bearer(token(HOME, rights)) if rights else HEADERS
    return {one["name"]: one for one in http.get("/v1/alert-rules", headers=headers).json()["items"]}


def changes(log: Log) -> list[Entry]:
    """Return the entries about changes of rules, oldest first."""
    return [one for one in log.read(HOME) if one.action == "audit.alert_rule_changed"]


def test_a_sentence_is_tried_before_it_is_saved(http: TestClient, log: Log) -> None:
    """Counts, the entries themselves and the budget; and nothing changes by it."""
    size = log.head(HOME).size
    found = tried(http, sentence={**DELETIONS, "again": 1})
    assert (found["found"], found["levels"], found["whole"]) == (27, {"high": 27}, True)
    assert found["entries"] == sum(one.occurred_at >= NOW - timedelta(days=30) for one in log.read(HOME))
    assert found["weekly"] == pytest.approx(27 * 7 / 19.7, abs=0.2)
    assert (found["budget"], found["over"], found["refused"]) == (10, False, None)
    assert [one["index"] for one in found["last"]] == sorted((one["index"] for one in found["last"]), reverse=True)
    newest = log.get(HOME, found["last"][0]["index"])
    assert (newest.action, found["last"][0]["reason"]) == (
        "contact.deleted",
        "Maria Torres: contact.deleted, Contact 605.",
    )
    assert 'action: ["contact.deleted"]' in found["text"]
    assert log.head(HOME).size == size


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, 12),  # of days that follow each other every second one, and two of hers
        ({"again": 1}, 27),
        ({"again": 1, "names": ["usr_joao"]}, 20),
        ({"again": 1, "who": "role", "names": ["manager"]}, 7),
        ({"again": 1, "who": "type", "names": ["api_key"]}, 0),
        ({"again": 1, "hours": [22, 6], "zone": "Europe/Madrid"}, 20),
        ({"again": 1, "hours": [22, 6], "zone": "UTC"}, 0),
        ({"again": 1, "weekdays": [6, 7]}, 6),
        ({"again": 1, "outcome": "denied"}, 0),
        ({"again": 1, "resource_type": "contact", "resource_id": "con_605"}, 1),
        ({"again": 1, "actions": ["*.deleted"]}, 27),
        ({"count": 6, "minutes": 10}, 1),
        ({"count": 6, "minutes": 4}, 0),
        ({"count": 6, "minutes": 10, "per": "resource"}, 0),
        ({"count": 6, "minutes": 10, "per": "everybody"}, 1),
    ],
)
def test_a_sentence_means_what_it_says(http: TestClient, more: dict[str, Any], expected: int) -> None:
    """Who, what, to what, when, how many in which time, for whom: each choice counts."""
    assert tried(http, sentence={**DELETIONS, **more})["found"] == expected


def test_a_rule_is_written_and_then_finds_what_comes(http: TestClient, log: Log) -> None:
    """It is an entry with its Sigma; it looks at what comes after it, and its alerts are like any other's."""
    follow(log)
    made = saved(http, sentence=DELETIONS)
    assert (made["name"], made["own"], made["active"], made["level"]) == ("own_1", True, True, "high")
    assert made["sentence"] == DELETIONS
    assert made["changed_by"]["id"] == MARIA.id
    (entry,) = changes(log)
    (change,) = entry.changes
    assert (change.path, change.op, change.after) == ("rule", "add", made["text"])
    assert [(one.id, one.name) for one in entry.related] == [("own_1", "Contacts deleted")]
    follow(log)
    assert http.get("/v1/alerts", headers=HEADERS).json()["items"] == []
    log.record(HOME, event(700, "contact.deleted", JOAO))
    follow(log)
    (alert,) = http.get("/v1/alerts?lang=es", headers=HEADERS).json()["items"]
    assert (alert["rule"], alert["title"], alert["level"]) == ("own_1", "Contacts deleted", "high")
    assert (alert["template"], alert["respond"]) == ("{who}: {action}, {what}.", "Ask them.")
    assert alert["numbers"] == {"who": "João Silva", "action": "Contacto eliminado", "what": "Contact 700"}
    assert listed(http)["own_1"]["recent"] == 1


def test_a_rule_takes_the_place_of_another_and_is_deleted(http: TestClient, log: Log) -> None:
    """Before and after are in the entries; a name is never given twice; what is gone is not found."""
    first = saved(http, sentence=DELETIONS)
    other = {**DELETIONS, "count": 5, "minutes": 5}
    second = http.put("/v1/alert-rules/own_1", json={"sentence": other}, headers=HEADERS).json()
    assert http.put("/v1/alert-rules/own_1", json={"sentence": other}, headers=HEADERS).json() == second
    assert http.put("/v1/alert-rules/own_1", json={"active": False}, headers=HEADERS).json()["active"] is False
    assert http.delete("/v1/alert-rules/own_1", headers=HEADERS).json()["text"] == second["text"]
    told = [(one.op, one.before, one.after) for entry in changes(log) for one in entry.changes if one.path == "rule"]
    assert [op for op, _, _ in told] == ["add", "replace", "remove"]
    assert told[1][1:] == (first["text"], second["text"])
    assert told[2][1] == second["text"]
    assert "own_1" not in listed(http)
    for method, body in (("PUT", {"active": True}), ("DELETE", None)):
        check_problem(http.request(method, "/v1/alert-rules/own_1", json=body, headers=HEADERS), 404, "not-found")
    assert saved(http, sentence=DELETIONS)["name"] == "own_2"
    check_problem(http.delete("/v1/alert-rules/new_country", headers=HEADERS), 404, "not-found")


def test_sigma_needs_no_fixtures_and_no_reason(http: TestClient, log: Log) -> None:
    """It is read like the rules of whodid; its text is a personal value where it may name somebody."""
    made = saved(http, text=SIGMA)
    assert (made["title"], made["sentence"], made["text"]) == ("Exports of the client", None, SIGMA)
    assert listed(http, READ, EXPORT, MANAGE)["own_1"]["text"] is None
    assert [one.class_ for one in changes(log)[0].changes] == ["personal"]


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({}, "A rule is a sentence or Sigma", "Give one of the two"),
    ({"sentence": DELETIONS, "text": SIGMA}, "A rule is a sentence or Sigma", "Give one"),
    ({"sentence": {"title": "All"}}, "asks for nothing", "Choose what was done"),
    ({"sentence": {"title": "All", "actions": ["contact.del*"]}}, "is no action", "contact.deleted"),
    ({"sentence": {**DELETIONS, "zone": "Mars/Base", "hours": [1, 2]}}, "no time zone", "Europe/Madrid"),
    ({"sentence": {**DELETIONS, "hours": [0, 24]}}, "the whole day", "Leave the hours out"),
    ({"text": SIGMA.replace("wanted: {", "wanted: [")}, "pySigma refuses it", "Sigma"),
    ({"text": SIGMA.replace("action:", "act:")}, "no field act", "docs/reference/rules.md"),
    ({"text": SIGMA.replace("action: file.exported", "action|re: '(a+)+(?=b)'")}, "pySigma refuses it", "Sigma"),
    (
        {"text": SIGMA.replace("action: file.exported, actor.name|contains: maria", "action: '*'")},
        "holds for every",
        "an",
    ),
    (
        {"text": SIGMA.replace("condition: wanted", "condition: not wanted")},
        "holds for every entry",
        "Ask for an action",
    ),
    ({"text": SIGMA + "---\n" + SIGMA.replace("Exports", "Others")}, "2 kinds of findings", "one rule at a time"),
    ({"text": SIGMA + "#" * 9_000}, "characters", "8,000"),
]


@pytest.mark.parametrize(("wish", "fact", "remedy"), REFUSED, ids=[fact for _, fact, _ in REFUSED])
def test_what_is_no_rule_is_refused_with_the_remedy(
    http: TestClient, log: Log, wish: dict[str, Any], fact: str, remedy: str
) -> None:
    """When it is tried, and when it is saved; nothing is kept."""
    size = log.head(HOME).size
    for path in ("/v1/alert-rules/preview", "/v1/alert-rules"):
        answer = http.post(path, json=wish, headers=HEADERS)
        assert answer.status_code == 422, path
        assert fact in answer.json()["detail"]
        assert remedy in answer.json()["remedy"]
    assert log.head(HOME).size == size


def test_what_would_find_something_in_nearly_everything_is_shown_and_not_saved(http: TestClient, log: Log) -> None:
    """Its preview says so and what to do; saving it is refused, and so are numbers that would do the same."""
    log.record_many(HOME, [event(1_000 + n, "contact.updated", ago=timedelta(hours=n)) for n in range(310)])
    wish = {"sentence": {"title": "Too much", "actions": ["contact.*"], "again": 1}}
    found = tried(http, **wish)
    assert (found["found"] > 300, found["over"]) == (True, True)
    assert "alerts in" in found["refused"]
    assert "Narrow it" in found["refused"]
    problem = check_problem(http.post("/v1/alert-rules", json=wish, headers=HEADERS), 422, "invalid-rule")
    assert "more than anybody looks at" in problem["detail"]


def test_an_expression_that_would_explode_takes_no_time(http: TestClient, log: Log) -> None:
    """Nested repetition over a long text: RE2 does not backtrack."""
    long = Resource(type="contact", id="con_long", name="a" * 200 + "!")
    log.record_many(HOME, [event(2_000 + n, "contact.created", resource=long) for n in range(20)])
    text = SIGMA.replace("action: file.exported, actor.name|contains: maria", "resource.name|re: '^((a+)+)+$'")
    assert tried(http, text=text)["found"] == 0


def test_numbers_of_a_built_in_rule_are_tried_and_changed(http: TestClient, log: Log) -> None:
    """With the same preview; before and after are in the entry; what comes is judged by them."""
    log.record_many(HOME, [wrong(800 + one, NOW - timedelta(hours=1)) for one in range(4)])
    usual = {one["name"]: one for one in listed(http)["password_guessing"]["numbers"]}
    assert (usual["attempts"]["value"], usual["within"]["value"], usual["within"]["unit"]) == (5, 600, "seconds")
    assert tried(http, rule="password_guessing", numbers={})["found"] == 0
    assert tried(http, rule="password_guessing", numbers={"attempts": 4})["found"] == 1
    answer = http.put("/v1/alert-rules/password_guessing", json={"numbers": {"attempts": 4}}, headers=HEADERS)
    assert {one["name"]: one["value"] for one in answer.json()["numbers"]}["attempts"] == 4
    assert [(one.path, one.before, one.after) for one in changes(log)[0].changes] == [("numbers.attempts", 5, 4)]
    follow(log)
    assert [one["rule"] for one in http.get("/v1/alerts", headers=HEADERS).json()["items"]] == ["password_guessing"]
    http.put("/v1/alert-rules/password_guessing", json={"numbers": {"attempts": 5}}, headers=HEADERS)
    assert [(one.before, one.after) for one in changes(log)[1].changes] == [(4, 5)]
    for numbers, fact in (
        ({"attempts": 1}, "cannot be 1"),
        ({"attempts": 4.5}, "cannot be 4.5"),
        ({"x": 1}, "no number"),
    ):
        wish = {"numbers": numbers}
        answer = http.put("/v1/alert-rules/password_guessing", json=wish, headers=HEADERS)
        assert fact in check_problem(answer, 422, "invalid-setting")["detail"]
    check_problem(
        http.put("/v1/alert-rules/new_country", json={"text": SIGMA}, headers=HEADERS), 422, "invalid-setting"
    )


def test_the_limits_of_bulk_removal_are_numbers(http: TestClient, log: Log) -> None:
    """They are of a feature, which follows them."""
    assert tried(http, rule="bulk_removal", numbers={"least": 6})["found"] == 1
    assert tried(http, rule="bulk_removal", numbers={"least": 7})["found"] == 0


def test_a_rule_that_fails_is_disabled_reported_and_enabled_again(
    http: TestClient, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others go on; the page says why; switching it on lets it begin anew."""
    saved(http, text=SIGMA.replace("{action: file.exported, actor.name|contains: maria}", "['*x*']"))
    worker = DetectionWorker(log)
    with monkeypatch.context() as patch:
        patch.setattr("whodid.detect.view.View.texts", lambda _: 1 / 0)
        log.record_many(HOME, [event(900 + n, "contact.created") for n in range(3)])
        log.record_many(HOME, [wrong(800 + one, NOW - timedelta(hours=1)) for one in range(5)])
        worker.round()
    worker.stop()
    rule = listed(http)["own_1"]
    assert rule["active"] is False
    assert "ZeroDivisionError" in rule["failed"]
    failed = changes(log)[-1]
    assert (failed.actor.id, failed.reason and failed.reason.code) == ("detection", "rule_failed")
    assert [one["rule"] for one in http.get("/v1/alerts", headers=HEADERS).json()["items"]] == ["password_guessing"]
    again = http.put("/v1/alert-rules/own_1", json={"active": True}, headers=HEADERS).json()
    assert (again["active"], again["failed"]) == (True, None)
    follow(log)
    log.record(HOME, event(990, "contact.created", resource=Resource(type="contact", id="con_x", name="axb")))
    follow(log)
    assert "own_1" in {one["rule"] for one in http.get("/v1/alerts", headers=HEADERS).json()["items"]}


def test_the_budget_is_a_setting(http: TestClient, log: Log) -> None:
    """Its change is an entry; a rule that would break it is shown so, and may be saved."""
    assert http.put("/v1/alert-budget", json={"weekly": 2}, headers=HEADERS).json() == {"weekly": 2, "recent": 0}
    assert [(one.path, one.before, one.after) for one in changes(log)[0].changes] == [("budget", 10, 2)]
    assert http.put("/v1/alert-budget", json={"weekly": 2}, headers=HEADERS).status_code == 200
    assert len(changes(log)) == 1
    assert tried(http, sentence={**DELETIONS, "again": 1})["over"] is True
    for wrong_one in ({"weekly": 0}, {"weekly": 20_000}, {}):
        assert http.put("/v1/alert-budget", json=wrong_one, headers=HEADERS).status_code == 422


def test_whoever_may_not_manage_rules_is_refused_and_that_is_an_entry(http: TestClient, log: Log) -> None:
    """Writing, trying, changing, deleting, the budget."""
    headers = bearer(token(HOME, (READ, EXPORT, PII)))
    for method, path, body in (
        ("POST", "/v1/alert-rules", {"sentence": DELETIONS}),
        ("POST", "/v1/alert-rules/preview", {"sentence": DELETIONS}),
        ("PUT", "/v1/alert-rules/own_1", {"active": False}),
        ("DELETE", "/v1/alert-rules/own_1", None),
        ("PUT", "/v1/alert-budget", {"weekly": 1}),
    ):
        answer = http.request(method, path, json=body, headers=headers)
        assert check_problem(answer, 403, "denied")["permission"] == MANAGE
    assert {one.outcome for one in changes(log)} == {"denied"}
