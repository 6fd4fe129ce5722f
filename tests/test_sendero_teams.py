"""Teams: who is in them, and every change of it on record."""

from __future__ import annotations

from typing import Any

import pytest

from sendero.service import teams
from sendero.tables import Contact, Team, TeamMember
from tests.lumen import Lumen, lumen
from whodid import Change, Reason, Related, Resource

__all__ = ["lumen"]

TEAMS = "/settings/teams"
FORM = {
    "name": "Night shift",
    "description": "After six",
    "assignment": "round_robin",
    "days": "every_day",
    "opens": "18:00",
    "closes": "02:00",
}


def made(lumen: Lumen, *roles: str, **other: Any) -> Team:
    """Create a team of the people of some roles."""
    members = [lumen.user(role).id for role in roles]
    answer = lumen.signed_in("Owner").post(f"{TEAMS}/new", data=FORM | {"member": members} | other)
    assert answer.status_code == 303, answer.text
    found: Team = lumen.row(Team)
    return found


def member(lumen: Lumen, role: str) -> Related:
    """Return somebody as a related resource."""
    user = lumen.user(role)
    return Related(type="user", id=user.id, name=user.name, rel="member")


def test_creating(lumen: Lumen) -> None:
    """The members are named, and can be found by themselves too."""
    team = made(lumen, "Agent", "Manager")

    entry = lumen.entry()
    assert (entry.action, entry.kind, entry.severity) == ("team.created", "create", "info")
    assert entry.actor == lumen.actor("Owner")
    assert entry.resource == Resource(type="team", id=team.id, name="Night shift")
    assert entry.changes == (
        Change(path="name", op="add", after="Night shift"),
        Change(path="description", op="add", after="After six"),
        Change(path="assignment", op="add", after="round_robin"),
        Change(path="working_hours", op="add", after="every_day 18:00-02:00"),
        Change(path="members", op="set", added=["Agent Person", "Manager Person"], removed=[]),
    )
    assert entry.related == (member(lumen, "Agent"), member(lumen, "Manager"))
    page = lumen.signed_in("Manager").get(TEAMS).text
    assert "Night shift" in page
    assert "2 members" in page


def test_modifying(lumen: Lumen) -> None:
    """Who came and who went; the same again says nothing."""
    team = made(lumen, "Agent", "Manager")
    browser, address = lumen.signed_in("Manager"), f"{TEAMS}/{team.id}"
    same = FORM | {"version": "1", "member": [lumen.user("Agent").id, lumen.user("Manager").id]}

    assert "done=unchanged" in browser.post(address, data=same).headers["location"]
    other = same | {"member": [lumen.user("Manager").id, lumen.user("Admin").id], "assignment": "least_busy"}
    assert browser.post(address, data=other).status_code == 303

    entry = lumen.entries()[0]
    assert (entry.action, entry.kind, entry.severity) == ("team.modified", "update", "info")
    assert entry.actor == lumen.actor("Manager")
    assert entry.changes == (
        Change(path="assignment", before="round_robin", after="least_busy"),
        Change(path="members", op="set", added=["Admin Person"], removed=["Agent Person"]),
    )
    assert entry.related == (member(lumen, "Admin"), member(lumen, "Agent"))
    assert browser.post(address, data=other).status_code == 409
    assert len(lumen.entries()) == 2


def test_two_people_of_one_name(lumen: Lumen) -> None:
    """One in place of the other is a change, although the names stay the same."""
    team = made(lumen, "Agent")
    for role in ("Agent", "Manager"):
        with lumen.working() as work:
            work.session.merge(lumen.user(role)).name = "Ana García"
    other = FORM | {"version": "1", "member": [lumen.user("Manager").id]}
    lumen.signed_in("Owner").post(f"{TEAMS}/{team.id}", data=other)

    entry = lumen.entries("action:team.modified")[0]
    assert entry.changes == (Change(path="members", op="set", added=["Ana García"], removed=["Ana García"]),)
    assert [related.id for related in entry.related] == [lumen.user("Manager").id, lumen.user("Agent").id]


def test_deleting(lumen: Lumen) -> None:
    """Everybody leaves, with the reason; the page is gone."""
    team = made(lumen, "Agent")
    data = {"version": "1", "reason": "not_used", "note": "Nobody works at night any more"}
    assert lumen.signed_in("Owner").post(f"{TEAMS}/{team.id}/delete", data=data).status_code == 303

    entry = lumen.entries()[0]
    assert (entry.action, entry.kind) == ("team.deleted", "delete")
    assert Change(path="name", op="remove", before="Night shift") in entry.changes
    assert entry.changes[-1] == Change(path="members", op="set", added=[], removed=["Agent Person"])
    assert entry.reason == Reason(code="not_used", text="Nobody works at night any more")
    assert lumen.signed_in("Owner").get(f"{TEAMS}/{team.id}").status_code == 404
    with lumen.home.session() as session:
        assert session.query(TeamMember).count() == 0


def test_whoever_is_deactivated_leaves(lumen: Lumen) -> None:
    """Their teams, and the contacts they looked after: each an entry that points to the deactivation."""
    agent = lumen.user("Agent")
    made(lumen, "Agent", "Manager")
    with lumen.working() as work:
        work.session.merge(lumen.juan).owner_user_id = agent.id
        work.session.flush()
    lumen.home.relay.drain()
    before = len(lumen.entries())
    address = f"/settings/users/{agent.id}/deactivate"
    assert lumen.signed_in("Owner").post(address, data={"version": str(agent.version)}).status_code == 303

    team, contact, gone = lumen.entries()[:3]
    assert len(lumen.entries()) == before + 3
    assert gone.action == "user.deactivated"
    assert gone.details == {
        "sessions_ended": 0,
        "api_keys_revoked": 0,
        "conversations_unassigned": 1,
        "teams_left": 1,
    }
    assert (team.action, team.cause, team.actor) == ("team.modified", gone.id, lumen.actor("Owner"))
    assert team.changes == (Change(path="members", op="set", added=[], removed=["Agent Person"]),)
    assert (contact.action, contact.cause) == ("contact.updated", gone.id)
    assert contact.changes == (Change(path="owner", op="remove", before="Agent Person"),)
    assert lumen.row(Contact, id=lumen.juan.id).owner_user_id is None
    assert [user.name for user in lumen.row(Team).members] == ["Manager Person"]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"name": " "}, "A team needs a name"),
        ({"name": "NIGHT SHIFT"}, "of this name already"),
        ({"name": "X", "assignment": "by_lot"}, "Choose one of the list"),
        ({"name": "X", "days": "sometimes"}, "Choose one of the list"),
        ({"name": "X", "opens": "25:00"}, "Say when the team begins"),
        ({"name": "X", "closes": "18:00"}, "Say when the team begins"),
        ({"name": "X", "member": ["usr_nobody"]}, "Choose people of the list"),
    ],
)
def test_what_cannot_be_taken(lumen: Lumen, other: dict[str, Any], told: str) -> None:
    """It is marked, and nothing is created."""
    made(lumen)
    answer = lumen.signed_in("Owner").post(f"{TEAMS}/new", data=FORM | other)
    assert answer.status_code == 422
    assert told in answer.text
    assert len(lumen.entries()) == 1


def test_a_team_has_no_more_members_than_an_entry_names(lumen: Lumen, monkeypatch: pytest.MonkeyPatch) -> None:
    """More are refused before the log would refuse them."""
    monkeypatch.setattr(teams, "LARGEST", 1)
    members = [lumen.user("Agent").id, lumen.user("Manager").id]
    answer = lumen.signed_in("Owner").post(f"{TEAMS}/new", data=FORM | {"member": members})
    assert "A team has at most 32 members" in answer.text
    team = made(lumen, "Agent")
    other = FORM | {"version": "1", "member": [lumen.user("Manager").id]}
    answer = lumen.signed_in("Owner").post(f"{TEAMS}/{team.id}", data=other)
    assert "Change at most 32 members at once" in answer.text


def test_a_team_that_is_always_there(lumen: Lumen) -> None:
    """Without days it works at all hours, whatever stands beside them."""
    team = made(lumen, days="")
    assert team.working_hours == ""
    assert "At all hours" in lumen.signed_in("Manager").get(TEAMS).text
