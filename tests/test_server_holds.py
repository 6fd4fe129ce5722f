"""Legal holds over HTTP: looking, placing and releasing by people who answer for it; what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import sending, serving
from tests.serving import AWAY, HOME, NOW, SECRET, Clock, bearer, check_problem
from whodid import Actor, Log
from whodid.retention import Policy, change_policy, purge, read_holds
from whodid.server import mint_operator_token
from whodid.server.keys import KeyRing

clock, log, ring, http = serving.clock, serving.log, sending.ring, serving.http

AISHA = Actor(type="user", id="usr_aisha", name="Aisha Khan", role="Operator")
BY = {"id": "usr_2", "name": "Carmen Ruiz"}
WISH = {"name": "Case 118", "query": "resource:contact:con_ana", "reason": "A complaint"}


@pytest.fixture
def admin(ring: KeyRing) -> dict[str, str]:
    """Return the headers of a key that may administer."""
    return bearer(ring.create("admin", scopes=("admin",)).text)


@pytest.fixture
def operator() -> dict[str, str]:
    """Return the headers of an operator who manages HOME."""
    return bearer(mint_operator_token(SECRET, operator=AISHA, now=NOW)) | {"X-Whodid-Workspace": HOME}


def test_a_hold_from_its_preview_to_its_release(
    http: TestClient, log: Log, admin: dict[str, str], clock: Clock
) -> None:
    """What the preview counts is what a purge leaves; after the release the next purge takes it; both are entries."""
    seen = http.post("/v1/holds/preview", json={"query": WISH["query"]}, headers=admin).json()
    assert (seen["query"], seen["entries"]) == ("resource:contact:con_ana", 2)
    assert seen["oldest"] <= seen["newest"]
    assert http.get("/v1/holds", headers=admin).json() == {"items": []}

    answer = http.post("/v1/holds", json=WISH | {"by": BY}, headers=admin)
    assert answer.status_code == 201
    placed = answer.json()
    assert placed["placed_by"]["type"] == "api_key"
    assert placed["placed_by"]["on_behalf_of"] == BY
    assert http.get("/v1/holds", headers=admin).json() == {"items": [placed]}
    (said,) = log.find(HOME, "action:audit.hold_placed").entries
    assert said.actor.on_behalf_of == Actor(type="user", id="usr_2", name="Carmen Ruiz")
    assert (said.resource.id, said.reason and said.reason.text) == (placed["id"], "A complaint")

    change_policy(log, HOME, Policy(days=1), actor=AISHA)
    clock.advance(days=40)
    purge(log, HOME)
    assert log.count(HOME, "resource:contact:con_ana").value == 2

    released = http.post(f"/v1/holds/{placed['id']}/release", json={"reason": "Over", "by": BY}, headers=admin)
    assert released.json() == placed
    assert read_holds(log, HOME) == ()
    (said,) = log.find(HOME, "action:audit.hold_released").entries
    assert said.reason is not None
    assert said.reason.text == "Over"
    assert log.count(HOME, "resource:contact:con_ana").value == 2
    purge(log, HOME)
    assert log.count(HOME, "resource:contact:con_ana").value == 0
    again = http.post(f"/v1/holds/{placed['id']}/release", json={"reason": "Over", "by": BY}, headers=admin)
    check_problem(again, 404, "not-found")


def test_an_operator_answers_for_it_without_being_named(http: TestClient, log: Log, operator: dict[str, str]) -> None:
    """The token names the person; naming another one beside it is refused."""
    placed = http.post("/v1/holds", json=WISH, headers=operator).json()
    assert placed["placed_by"] == {"type": "user", "id": "usr_aisha", "name": "Aisha Khan"}
    assert read_holds(log, HOME)[0].placed_by == AISHA
    assert http.get("/v1/holds", headers=operator | {"X-Whodid-Workspace": AWAY}).json() == {"items": []}
    check_problem(http.post("/v1/holds", json=WISH | {"by": BY}, headers=operator), 422, "invalid-setting")
    assert len(read_holds(log, HOME)) == 1


def test_a_hold_knows_when_it_was_placed(http: TestClient, operator: dict[str, str], clock: Clock) -> None:
    """A relative date is that of the day on which it was placed."""
    placed = http.post("/v1/holds", json=WISH | {"query": "date:7d"}, headers=operator).json()
    assert placed["placed_at"] == "2026-11-20T14:00:00.000000Z"
    assert f"{NOW - timedelta(days=7):%Y-%m}" in placed["query"]
    assert "7d" not in placed["query"]


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ({"by": None}, (422, "invalid-setting")),
        ({"name": "  "}, (422, "invalid-setting")),
        ({"reason": "  "}, (422, "invalid-setting")),
        ({"query": ""}, (422, "invalid-setting")),
        ({"query": "planet:mars"}, (400, "invalid-query")),
        ({"name": ""}, (422, "invalid-body")),
        ({"name": "x" * 201}, (422, "invalid-body")),
        ({"reason": ""}, (422, "invalid-body")),
        ({"by": {"id": "usr_2"}}, (422, "invalid-body")),
        ({"by": {"id": "", "name": "x"}}, (422, "invalid-body")),
        ({"until": "2027"}, (422, "invalid-body")),
    ],
)
def test_holds_that_cannot_be_had_are_refused(
    http: TestClient, log: Log, admin: dict[str, str], more: dict[str, Any], refused: tuple[int, str]
) -> None:
    """A key that names nobody, no matter, no reason, everything, no query; and nothing is placed."""
    check_problem(http.post("/v1/holds", json=WISH | {"by": BY} | more, headers=admin), *refused)
    assert read_holds(log, HOME) == ()


def test_a_release_needs_somebody_and_a_reason(http: TestClient, log: Log, admin: dict[str, str]) -> None:
    """The hold stays until both are said."""
    placed = http.post("/v1/holds", json=WISH | {"by": BY}, headers=admin).json()["id"]
    for body in ({"reason": "Over"}, {"by": BY}, {"reason": " ", "by": BY}):
        assert http.post(f"/v1/holds/{placed}/release", json=body, headers=admin).status_code == 422
    assert [one.id for one in read_holds(log, HOME)] == [placed]


def test_a_workspace_without_a_log_has_nothing_to_foretell(
    http: TestClient, log: Log, operator: dict[str, str]
) -> None:
    """Looking brings no log into being."""
    sent = operator | {"X-Whodid-Workspace": "wsp_none"}
    check_problem(http.post("/v1/holds/preview", json={"query": "type:contact"}, headers=sent), 404, "not-found")
    assert http.get("/v1/holds", headers=sent).json() == {"items": []}
    assert "wsp_none" not in log.workspaces()
