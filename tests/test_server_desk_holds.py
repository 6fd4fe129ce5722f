"""The pages of legal holds in the console."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import test_server_desk as desk
from tests.serving import HOME
from whodid import Log
from whodid.retention import read_holds
from whodid.server.console import OPERATOR

clock, console, log, http = desk.clock, desk.console, desk.log, desk.http

PLACE = f"{desk.PLACE}/holds"
WISH: dict[str, Any] = {"name": "Case <b>118", "query": "resource:contact:con_ana", "reason": "A complaint <i>"}


def test_a_hold_is_foretold_placed_shown_and_released(http: TestClient, log: Log) -> None:
    """Each page says what it is about to do; both acts are entries of the operator; texts are texts."""
    assert "Nothing is held." in http.get(desk.PLACE).text
    page = desk.send(http, f"{PLACE}/preview", **WISH).text
    assert "2 entries of those that are there now." in page
    assert 'value="Case &lt;b&gt;118"' in page
    assert read_holds(log, HOME) == ()

    page = desk.send(http, PLACE, **WISH).text
    assert "The hold is in force." in page
    assert "Case &lt;b&gt;118" in page
    assert "<b>118" not in page
    (hold,) = read_holds(log, HOME)
    assert (hold.placed_by, hold.reason.text) == (OPERATOR, "A complaint <i>")
    assert "1 hold keeps entries" in http.get(desk.PLACE).text

    one = http.get(f"{PLACE}/{hold.id}").text
    assert "2 entries of those" in one
    assert f'href="/console/workspaces/{HOME}/log?q=resource%3Acontact%3Acon_ana&amp;range=90d"' in one
    again = desk.send(http, f"{PLACE}/{hold.id}/release", reason=" ")
    assert again.status_code == 422
    assert "A reason is missing" in again.text
    assert "The hold is released." in desk.send(http, f"{PLACE}/{hold.id}/release", reason="Over").text
    assert read_holds(log, HOME) == ()
    assert http.get(f"{PLACE}/{hold.id}").status_code == 404
    assert desk.send(http, f"{PLACE}/{hold.id}/release", reason="Over").status_code == 404
    found = log.find(HOME, "action:audit.hold_placed,audit.hold_released").entries
    assert [entry.actor for entry in found] == [OPERATOR, OPERATOR]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"name": " "}, "A hold needs a name"),
        ({"query": ""}, "A hold on everything"),
        ({"query": "planet:mars"}, "planet"),
        ({"reason": ""}, "A reason is missing"),
    ],
)
def test_a_form_that_cannot_be_read_comes_back(http: TestClient, log: Log, more: dict[str, Any], said: str) -> None:
    """With what was typed and what is wrong; nothing is held."""
    page = desk.send(http, PLACE, **WISH | more)
    assert page.status_code == 422
    assert said in page.text
    notice = re.search(r'role="alert">([^<]+)<', page.text)
    assert notice is not None
    assert read_holds(log, HOME) == ()


def test_a_workspace_without_a_log_holds_nothing(http: TestClient, log: Log) -> None:
    """Neither looking nor placing begins one."""
    place = "/console/workspaces/wsp_none/holds"
    assert http.get(place).status_code == 404
    assert desk.send(http, place, **WISH).status_code == 404
    assert "wsp_none" not in log.workspaces()
