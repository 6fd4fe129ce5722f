"""Erasing a person over HTTP: what would go, what went, what it reaches besides the log, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import alerting, sending, serving, test_server_holds
from tests.serving import AWAY, HOME, MARIA, bearer, check_problem, client, finished, token
from whodid import Actor, Log, Reason
from whodid.retention import place_hold
from whodid.server import export_worker
from whodid.server.keys import KeyRing

clock, log, ring, http = serving.clock, serving.log, sending.ring, serving.http
admin, operator = test_server_holds.admin, test_server_holds.operator

BY = test_server_holds.BY
ANA = {"person": "contact:con_ana"}
WISH = ANA | {"reason": "Ticket 2231"}


def test_a_person_is_foretold_erased_and_listed(http: TestClient, log: Log, admin: dict[str, str]) -> None:
    """The preview says what goes and changes nothing; the act does that, and the list has it without a value."""
    seen = http.post("/v1/erasures/preview", json=ANA, headers=admin).json()
    assert (seen["person"], seen["held"], seen["elsewhere"]) == (
        "contact:con_ana",
        [],
        ["answers", "detection", "exports", "reviews"],
    )
    assert seen["entries"] > 0
    assert seen["beyond"] == ["backups", "downloads", "sinks"]
    assert "Ana Garc" in (log.find(HOME, "resource:contact:con_ana").entries[0].resource.name or "")
    assert http.get("/v1/erasures", headers=admin).json() == {"items": []}

    done = http.post("/v1/erasures", json=WISH | {"by": BY}, headers=admin).json()
    assert (done["entries"], done["fields"]) == (seen["entries"], seen["fields"])
    assert {entry.resource.name for entry in log.find(HOME, "resource:contact:con_ana -category:audit").entries} == {
        None
    }
    record = log.get(HOME, done["records"][0])
    assert record.actor.on_behalf_of == Actor(type="user", id="usr_2", name="Carmen Ruiz")
    listed = http.get("/v1/erasures", headers=admin)
    (one,) = listed.json()["items"]
    assert (one["person"], one["reason"], one["records"]) == ("contact:con_ana", "Ticket 2231", done["records"])
    assert (one["entries"], one["fields"]) == (done["entries"], done["fields"])
    assert one["actor"]["on_behalf_of"] == BY
    assert "Garc" not in listed.text
    again = http.post("/v1/erasures", json=WISH | {"by": BY}, headers=admin).json()
    assert (again["entries"], again["records"]) == (0, [])
    assert log.verify(HOME).ok


def test_what_others_wrote_goes_on_demand(http: TestClient, log: Log, operator: dict[str, str], ring: KeyRing) -> None:
    """Mentions are listed by the preview, and go when they are meant."""
    event = sending.wire(1, reason={"text": "Ana García complained"})
    assert log.count(HOME, '"ana garcia"').value > 0
    at = http.post("/v1/events", json=event, headers=bearer(ring.create("w").text)).json()["index"]
    seen = http.post("/v1/erasures/preview", json=ANA, headers=operator).json()
    assert {"index": at, "path": "reason"} in seen["mentions"]
    assert seen["mentioned"] == len(seen["mentions"])
    assert log.get(HOME, at).reason == Reason(text="Ana García complained")
    http.post("/v1/erasures", json=WISH | {"mentions": True}, headers=operator)
    assert log.get(HOME, at).reason is None
    assert log.count(HOME, '"ana garcia"').value == 0


def test_what_others_wrote_stays_when_it_is_not_meant(
    http: TestClient, log: Log, operator: dict[str, str], ring: KeyRing
) -> None:
    """And is not found again: the name by which it was known is gone."""
    event = sending.wire(1, reason={"text": "Ana García complained"})
    at = http.post("/v1/events", json=event, headers=bearer(ring.create("w").text)).json()["index"]
    http.post("/v1/erasures", json=WISH, headers=operator)
    assert log.get(HOME, at).reason == Reason(text="Ana García complained")
    assert http.post("/v1/erasures/preview", json=ANA, headers=operator).json()["mentioned"] == 0


def test_a_hold_stands_in_the_way_until_it_is_overridden(http: TestClient, log: Log, operator: dict[str, str]) -> None:
    """409 with its name and nothing erased; despite it, the record names the hold."""
    hold = place_hold(
        log, HOME, name="Case 118", query="resource:contact:con_ana", actor=MARIA, reason=Reason(text="Court")
    )
    told = check_problem(http.post("/v1/erasures", json=WISH, headers=operator), 409, "held")
    assert "Case 118" in told["detail"]
    assert http.get("/v1/erasures", headers=operator).json() == {"items": []}
    seen = http.post("/v1/erasures/preview", json=ANA, headers=operator).json()
    assert seen["held"] == [{"id": hold.id, "name": "Case 118"}]
    done = http.post("/v1/erasures", json=WISH | {"despite_holds": True}, headers=operator).json()
    assert (log.get(HOME, done["records"][0]).details or {})["held_by"] == [hold.id]


def test_exports_that_the_server_keeps_go_with_the_person(log: Log, operator: dict[str, str], tmp_path: Path) -> None:
    """Those of the workspace, not those of another; the record counts them, and the file is not there any more."""
    folder = tmp_path / "exports"
    with client(log, exports=export_worker(log, folder)) as http:
        jobs = {}
        for workspace in (HOME, AWAY):
            sent = bearer(token(workspace))
            order = http.post("/v1/exports", json={"format": "csv"}, headers=sent).json()
            jobs[workspace] = finished(http, order["id"], sent)
        done = http.post("/v1/erasures", json=WISH, headers=operator).json()
        assert done["elsewhere"] == {"exports": 1}
        gone, left = (
            http.get(f"/v1/exports/{job['id']}/file", headers=bearer(token(workspace)))
            for workspace, job in jobs.items()
        )
        assert (gone.status_code, left.status_code) == (404, 200)
    last = log.get(HOME, done["records"][-1]).details or {}
    assert last["elsewhere"] == {"exports": 1}
    kept = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert "Ana García".encode() not in kept


def test_what_detection_knows_goes_with_the_person(http: TestClient, log: Log, operator: dict[str, str]) -> None:
    """Habits and alerts alike; that it was so is in the record."""
    alerting.settle(log)
    alerting.guess(log)
    alerting.follow(log)
    (alert,) = alerting.alerts(log)
    assert alert.reason != ""
    meant = {"person": "user:usr_maria", "reason": "Ticket 2232"}
    done = http.post("/v1/erasures", json=meant, headers=operator).json()
    assert done["elsewhere"] == {"detection": 1}
    (alert,) = alerting.alerts(log)
    assert (alert.reason, alert.numbers) == ("", {})
    assert log.verify(HOME).ok


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ({"by": None}, (422, "invalid-setting")),
        ({"person": "nobody"}, (422, "invalid-setting")),
        ({"reason": "  "}, (422, "invalid-setting")),
        ({"reason": ""}, (422, "invalid-body")),
        ({"person": ""}, (422, "invalid-body")),
        ({"mentions": "all"}, (422, "invalid-body")),
        ({"force": True}, (422, "invalid-body")),
    ],
)
def test_erasures_that_cannot_be_had_are_refused(
    http: TestClient, log: Log, admin: dict[str, str], more: dict[str, Any], refused: tuple[int, str]
) -> None:
    """A key that names nobody, nobody to erase, no reason; nothing is erased."""
    check_problem(http.post("/v1/erasures", json=WISH | {"by": BY} | more, headers=admin), *refused)
    assert log.count(HOME, "action:audit.erased").value == 0


def test_a_workspace_without_a_log_has_nobody(http: TestClient, log: Log, operator: dict[str, str]) -> None:
    """Neither looking nor erasing begins one."""
    sent = operator | {"X-Whodid-Workspace": "wsp_none"}
    answers = [
        http.get("/v1/erasures", headers=sent),
        http.post("/v1/erasures/preview", json=ANA, headers=sent),
        http.post("/v1/erasures", json=WISH, headers=sent),
    ]
    for answer in answers:
        check_problem(answer, 404, "not-found")
    assert "wsp_none" not in log.workspaces()
