"""The page of erasure in the console."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import test_server_desk as desk
from tests.serving import HOME, MARIA, event, record
from whodid import Log, Reason
from whodid.retention import place_hold
from whodid.server.console import OPERATOR

clock, console, log, http = desk.clock, desk.console, desk.log, desk.http

PLACE = f"{desk.PLACE}/erasures"
ANA: dict[str, Any] = {"person": " contact:con_ana "}
WHY: dict[str, Any] = {"reason": "Ticket <b>2231"}
BUTTON = "Erase for good"


def test_a_person_is_erased_after_a_look(http: TestClient, log: Log) -> None:
    """First what would go, with what it does not reach; then the act, which is an entry of the operator."""
    assert "Erase a person" in http.get(desk.PLACE).text
    assert BUTTON not in http.get(PLACE).text
    log.elsewhere.add("newsletter", lambda _workspace, _person: 3)
    page = desk.send(http, f"{PLACE}/preview", **ANA).text
    assert BUTTON in page
    assert "values in" in page
    told = "what receivers of sinks answered, what detection knows and said, files of exports that the server keeps"
    assert f"{told}, newsletter, what reviews say." in page
    assert "Not reached: backups, files that somebody fetched, what was delivered to sinks." in page
    assert log.count(HOME, "action:audit.erased").value == 0

    page = desk.send(http, PLACE, **ANA, **WHY).text
    assert "The person is erased." in page
    assert "Ticket &lt;b&gt;2231" in page
    assert "newsletter: 3" in page
    assert "Garc" not in page
    assert {one.resource.name for one in log.find(HOME, "resource:contact:con_ana -category:audit").entries} == {None}
    for record_of in log.find(HOME, "action:audit.erased").entries:
        assert (record_of.actor, record_of.context and record_of.context.source) == (OPERATOR, "web")
    assert "The person is erased." in desk.send(http, PLACE, **ANA, **WHY).text


def test_mentions_are_ticked_and_stay_when_the_tick_is_taken(http: TestClient, log: Log) -> None:
    """They are listed with a way to each; the form decides."""
    record(log, HOME, [event(900, "campaign.paused", MARIA, reason=Reason(text="Ana García complained"))])
    at = log.find(HOME, "id:00000000-0000-0000-0000-000000000384").entries[0].index
    page = desk.send(http, f"{PLACE}/preview", **ANA).text
    assert 'name="also" value="mentions" checked' in page
    assert f"log?entry={at}" in page
    desk.send(http, PLACE, **ANA, **WHY, also="mentions")
    assert log.get(HOME, at).reason is None


def test_a_hold_is_named_and_has_to_be_overridden(http: TestClient, log: Log) -> None:
    """The box is not ticked by itself; without it nothing is erased and what was typed is still there."""
    place_hold(log, HOME, name="Case <i>", query="resource:contact:con_ana", actor=MARIA, reason=Reason(text="Court"))
    page = desk.send(http, f"{PLACE}/preview", **ANA).text
    assert "Case &lt;i&gt;" in page
    assert 'name="also" value="held">' in page
    refused = desk.send(http, PLACE, **ANA, **WHY)
    assert refused.status_code == 422
    assert "Legal hold Case &lt;i&gt;" in refused.text
    assert "Ticket &lt;b&gt;2231" in refused.text
    assert BUTTON in refused.text
    assert log.count(HOME, "action:audit.erased").value == 0
    assert "The person is erased." in desk.send(http, PLACE, **ANA, **WHY, also="held").text


@pytest.mark.parametrize(
    ("fields", "said"), [({"person": "Ana"}, "is nobody"), ({"person": "contact:con_ana", "reason": " "}, "missing")]
)
def test_a_form_that_cannot_be_read_comes_back(http: TestClient, log: Log, fields: dict[str, Any], said: str) -> None:
    """With what is wrong; nothing is erased."""
    page = desk.send(http, PLACE, **fields)
    assert page.status_code == 422
    assert said in page.text
    assert log.count(HOME, "action:audit.erased").value == 0


def test_a_workspace_without_a_log_has_nobody(http: TestClient, log: Log) -> None:
    """Neither looking nor erasing begins one."""
    place = "/console/workspaces/wsp_none/erasures"
    assert http.get(place).status_code == 404
    assert desk.send(http, place, **ANA, **WHY).status_code == 404
    assert "wsp_none" not in log.workspaces()
