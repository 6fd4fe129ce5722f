"""Teams: groups of people that conversations are given to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from sendero.errors import Invalid
from sendero.tables import Team, TeamMember, User
from sendero.work import Work, resource_of
from whodid import Change, Reason, Related

__all__ = ["ASSIGNMENTS", "DAYS", "LARGEST", "create", "delete", "leave", "listing", "teams_of", "update"]

ASSIGNMENTS = ("round_robin", "least_busy", "manual")
DAYS = ("every_day", "weekdays", "weekend")
LARGEST = 32
"""Members of a team: as many as an entry can name as related."""

_HOURS = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")


def snapshot(team: Team) -> dict[str, Any]:
    """Return the fields of a team as the log shows them, but for its members."""
    return {
        "name": team.name,
        "description": team.description or None,
        "assignment": team.assignment,
        "working_hours": team.working_hours or None,
    }


def create(work: Work, values: Mapping[str, Any]) -> Team:
    """Create a team.

    Args:
        values: name, description, assignment, days, opens, closes and members (ids of people).

    Raises:
        Invalid: A value cannot be taken.
    """
    clean, members = _checked(work, values, None)
    now = work.now()
    team = Team(
        id=work.new_id("tea"),
        workspace_id=work.workspace.id,
        created_at=now,
        updated_at=now,
        deleted_at=None,
        members=members,
        **clean,
    )
    work.add(team)
    _record(work, "team.created", team, None, snapshot(team), came=members)
    return team


def update(work: Work, team: Team, values: Mapping[str, Any]) -> bool:
    """Change a team and who is in it.

    Returns:
        Whether anything changed.

    Raises:
        Invalid: A value cannot be taken.
        Conflict: Somebody else changed it since it was read.
    """
    clean, members = _checked(work, values, team)
    before, was = snapshot(team), list(team.members)
    for name, value in clean.items():
        setattr(team, name, value)
    after = snapshot(team)
    added = [user for user in members if user not in was]
    removed = [user for user in was if user not in members]
    if before == after and not added and not removed:
        return False
    team.members = members
    work.touch(team)
    _record(work, "team.modified", team, before, after, came=added, went=removed)
    return True


def delete(work: Work, team: Team, reason: Reason | None) -> None:
    """Delete a team; the people stay.

    Raises:
        Conflict: Somebody else changed it since it was read.
    """
    before, was = snapshot(team), list(team.members)
    team.deleted_at, team.members = work.now(), []
    work.touch(team)
    _record(work, "team.deleted", team, before, None, went=was, reason=reason)


def leave(work: Work, user: User, cause: str) -> None:
    """Take somebody who can no longer sign in out of their teams: nobody else would answer what is given to them.

    Args:
        cause: Id of the event that made them leave.
    """
    query = _living(work).where(Team.id.in_(sa.select(TeamMember.team_id).where(TeamMember.user_id == user.id)))
    for team in work.session.execute(query).scalars().all():
        team.members = [member for member in team.members if member.id != user.id]
        work.touch(team)
        fields = snapshot(team)
        _record(work, "team.modified", team, fields, fields, went=[user], cause=cause)


def teams_of(work: Work, user: User) -> int:
    """Count the teams that somebody is in."""
    query = _living(work).where(Team.id.in_(sa.select(TeamMember.team_id).where(TeamMember.user_id == user.id)))
    return work.session.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one()


def listing(work: Work) -> list[Team]:
    """Return the teams in order of their names."""
    return list(work.session.execute(_living(work).order_by(Team.name, Team.id)).scalars())


def people(work: Work, team: Team | None) -> list[User]:
    """Return who can be in a team: everybody who can sign in, and who is in it already."""
    query = sa.select(User).where(User.workspace_id == work.workspace.id, User.status != "deactivated")
    found = list(work.session.execute(query).scalars())
    found += [member for member in (team.members if team is not None else ()) if member not in found]
    return sorted(found, key=lambda user: user.name)


def hours(team: Team) -> tuple[str, str, str]:
    """Return the working hours of a team as days, beginning and end; empty when it works at all hours."""
    days, _, span = team.working_hours.partition(" ")
    opens, _, closes = span.partition("-")
    return days, opens, closes


def _living(work: Work) -> sa.Select[Team]:
    return sa.select(Team).where(Team.workspace_id == work.workspace.id, Team.deleted_at.is_(None))


def _record(
    work: Work,
    action: str,
    team: Team,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    *,
    came: Sequence[User] = (),
    went: Sequence[User] = (),
    reason: Reason | None = None,
    cause: str | None = None,
) -> None:
    """Record a change of a team. Members are told apart by their ids and named: two may have the same name."""
    changes = list(work.home.capture.changes(action, before, after, workspace=work.workspace.id))
    if came or went:
        added, removed = [user.name for user in came], [user.name for user in went]
        changes.append(Change(path="members", op="set", added=added, removed=removed))
    related = [Related(type="user", id=user.id, name=user.name, rel="member") for user in [*came, *went]]
    work.record(action, resource_of(team), changes=changes, related=related, reason=reason, cause=cause)


def _checked(work: Work, values: Mapping[str, Any], team: Team | None) -> tuple[dict[str, Any], list[User]]:
    faults: dict[str, str] = {}
    name = str(values["name"]).strip()
    if not 0 < len(name) <= 60:
        faults["name"] = "A team needs a name of at most 60 characters."
    elif any(other is not team and other.name.lower() == name.lower() for other in listing(work)):
        faults["name"] = "There is a team of this name already."
    if values["assignment"] not in ASSIGNMENTS:
        faults["assignment"] = "Choose one of the list."
    days, opens, closes = values["days"], values["opens"], values["closes"]
    if days and days not in DAYS:
        faults["days"] = "Choose one of the list."
    elif days and (not _HOURS.fullmatch(opens) or not _HOURS.fullmatch(closes) or opens == closes):
        faults["opens"] = "Say when the team begins and ends, like 09:00 and 18:00."
    able = {user.id: user for user in people(work, team)}
    wanted = list(dict.fromkeys(values["members"]))
    if not able.keys() >= set(wanted):
        faults["members"] = "Choose people of the list."
    elif len(wanted) > LARGEST:
        faults["members"] = "A team has at most 32 members."
    elif team is not None and len(set(wanted) ^ {member.id for member in team.members}) > LARGEST:
        faults["members"] = "Change at most 32 members at once: the log names each of them."
    if faults:
        raise Invalid(faults)
    clean = {
        "name": name,
        "description": str(values.get("description") or "").strip()[:300],
        "assignment": values["assignment"],
        "working_hours": f"{days} {opens}-{closes}" if days else "",
    }
    return clean, sorted((able[key] for key in wanted), key=lambda user: user.name)
