"""The acts of the log itself cannot be claimed from outside, through no door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import serving
from tests.sending import wire
from tests.serving import HOME, MARIA, client
from whodid import Log
from whodid.catalog import builtin
from whodid.server.keys import KeyRing

clock, log = serving.clock, serving.log

SAID_OUTSIDE = {"audit.capture_resumed", "audit.capture_stopped", "audit.events_dropped"}
OURS = sorted(action for action in builtin() if action.startswith("audit.") and action not in SAID_OUTSIDE)


@pytest.fixture
def http(log: Log) -> Iterator[TestClient]:
    """Open a client with a key that may write, and every door."""
    with client(log, compat=("workos", "retraced", "otlp", "cloudevents", "splunk")) as opened:
        opened.headers["authorization"] = f"Bearer {KeyRing(log, HOME, actor=MARIA).create('w').text}"
        yield opened


def claimed(action: str) -> dict[str, Any]:
    """Make an event that claims an act."""
    return {**wire(1), "action": action}


@pytest.mark.parametrize("action", OURS)
def test_an_act_of_the_log_is_refused(http: TestClient, log: Log, action: str) -> None:
    """Alone, and in a batch, where the others are taken."""
    before = log.head(HOME).size
    alone = http.post("/v1/events", json=claimed(action))
    assert alone.status_code == 422
    assert "the log alone" in alone.text
    batch = http.post("/v1/events", json={"events": [claimed(action), {**wire(2)}]})
    assert [result["status"] for result in batch.json()["results"]] == ["refused", "recorded"]
    assert log.head(HOME).size == before + 1
    assert not log.find(HOME, f"action:{action}").entries


@pytest.mark.parametrize("action", sorted(SAID_OUTSIDE))
def test_what_only_a_sender_knows_is_taken(http: TestClient, action: str) -> None:
    """That it lost events, that it stopped recording."""
    assert http.post("/v1/events", json=claimed(action)).status_code in {200, 201}


def through_every_door(http: TestClient, action: str) -> None:
    """Send an event of an action to the doors for other products' clients, one each."""
    key = http.headers["authorization"].removeprefix("Bearer ")
    event = {"specversion": "1.0", "id": "1", "source": "/x", "type": action}
    http.post("/cloudevents", content=json.dumps(event), headers={"content-type": "application/cloudevents+json"})
    splunk = {"authorization": f"Splunk {key}"}
    http.post("/services/collector/event", json={"event": {"action": action}, "time": 1}, headers=splunk)
    record = {"eventName": action, "body": {"stringValue": "x"}}
    http.post("/v1/logs", json={"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]})
    actor = {"id": "u", "type": "user"}
    http.post(
        "/audit_logs/events",
        json={
            "organization_id": HOME,
            "event": {
                "action": action, "occurred_at": "2026-11-20T00:00:00Z", "actor": actor,
                "targets": [{"id": "1", "type": "log"}], "context": {"location": "1.1.1.1"},
            },
        },
    )  # fmt: skip
    http.post(
        f"/auditlog/publisher/v1/project/{HOME}/event",
        json={"action": action, "crud": "d", "actor": {"id": "u"}, "group": {"id": HOME}},
        headers={"authorization": f"token={key}"},
    )


def test_no_other_door_takes_it(http: TestClient, log: Log) -> None:
    """CloudEvents, Splunk, OTLP, WorkOS and Retraced take any other action, and none of the log's."""
    through_every_door(http, "invoice.sent")
    assert len(log.find(HOME, "action:invoice.sent").entries) == 5
    through_every_door(http, "audit.purged")
    assert not log.find(HOME, "action:audit.purged").entries
