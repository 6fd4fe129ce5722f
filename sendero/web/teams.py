"""The pages of teams and who is in them."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from sendero.errors import Missing
from sendero.service import teams
from sendero.tables import Team
from sendero.web.visit import Page, Visit
from sendero.work import Work

__all__ = ["PAGES"]

_DELETE_REASONS = ("not_used", "replaced", "other")
_USUAL = ("09:00", "18:00")


def living(work: Work, key: str) -> Team:
    """Return a team that was not deleted.

    Raises:
        Missing: There is none.
    """
    team = work.get(Team, key)
    if team.deleted_at is not None:
        raise Missing
    return team


def listing(visit: Visit) -> Response:
    """List the teams."""
    rows = [(team, teams.hours(team)) for team in teams.listing(visit.work)]
    return visit.render("teams/list.html", rows=rows)


def form_new(visit: Visit) -> Response:
    """Show the form for a new team."""
    return _form(visit, None)


def create(visit: Visit) -> Response:
    """Create a team."""
    team = teams.create(visit.work, _values(visit))
    return visit.go("/settings/teams", done="team_created", of=f"team:{team.id}")


def form_edit(visit: Visit) -> Response:
    """Show a team, or the form for changing it."""
    return _form(visit, living(visit.work, visit.path["id"]))


def update(visit: Visit) -> Response:
    """Change a team."""
    team = living(visit.work, visit.path["id"])
    visit.check_version(team)
    changed = teams.update(visit.work, team, _values(visit))
    done = "team_saved" if changed else "unchanged"
    return visit.go("/settings/teams", done=done, of=f"team:{team.id}" if changed else "")


def form_delete(visit: Visit) -> Response:
    """Ask whether to delete a team."""
    team = living(visit.work, visit.path["id"])
    return visit.render("teams/delete.html", team=team, codes=_DELETE_REASONS)


def delete(visit: Visit) -> Response:
    """Delete a team."""
    team = living(visit.work, visit.path["id"])
    visit.check_version(team)
    teams.delete(visit.work, team, visit.form.reason(_DELETE_REASONS))
    return visit.go("/settings/teams", done="team_deleted", of=f"team:{team.id}")


def _form(visit: Visit, team: Team | None) -> Response:
    typed: dict[str, Any] = {"name": "", "description": "", "assignment": "round_robin", "members": []}
    typed |= {"days": "weekdays", "opens": _USUAL[0], "closes": _USUAL[1]}
    if visit.fault:
        typed = _values(visit)
    elif team is not None:
        days, opens, closes = teams.hours(team)
        typed = {
            "name": team.name,
            "description": team.description,
            "assignment": team.assignment,
            "members": [member.id for member in team.members],
            "days": days,
            "opens": opens or _USUAL[0],
            "closes": closes or _USUAL[1],
        }
    return visit.render(
        "teams/form.html",
        team=team,
        typed=typed,
        people=teams.people(visit.work, team),
        assignments=teams.ASSIGNMENTS,
        days=teams.DAYS,
    )


def _values(visit: Visit) -> dict[str, Any]:
    names = ("name", "description", "assignment", "days", "opens", "closes")
    return {name: visit.form[name] for name in names} | {"members": visit.form.all("member")}


PAGES = (
    Page(path="/settings/teams", answer=listing, needs="teams:read", title="Teams"),
    Page(path="/settings/teams/new", answer=form_new, needs="teams:create", title="New team"),
    Page(
        path="/settings/teams/new",
        method="POST",
        answer=create,
        again=form_new,
        needs="teams:create",
        action="team.created",
    ),
    Page(path="/settings/teams/{id}", answer=form_edit, needs="teams:read", title="Team"),
    Page(
        path="/settings/teams/{id}",
        method="POST",
        answer=update,
        again=form_edit,
        needs="teams:update",
        action="team.modified",
    ),
    Page(path="/settings/teams/{id}/delete", answer=form_delete, needs="teams:delete", title="Delete team"),
    Page(
        path="/settings/teams/{id}/delete",
        method="POST",
        answer=delete,
        again=form_delete,
        needs="teams:delete",
        action="team.deleted",
    ),
)
