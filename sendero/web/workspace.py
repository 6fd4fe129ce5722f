"""The settings of the workspace, and how long its audit log is kept."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from sendero.errors import Conflict
from sendero.service import workspace
from sendero.web.visit import Page, Visit
from whodid.retention import DEFAULT_DAYS

__all__ = ["PAGES", "QUESTIONS"]

_HERE = "/settings/workspace"

QUESTIONS = {
    "deletions": "Who deleted something?",
    "access": "Who had which right?",
    "approvals": "How was a template approved?",
    "keys": "Which API keys were there?",
    "sign_ins": "Who signed in, and from where?",
    "stops": "Why did a campaign stop?",
}


def form(visit: Visit) -> Response:
    """Show the settings."""
    row = visit.work.workspace
    begins, ends = workspace.hours(visit.work)
    typed: dict[str, Any] = {"name": row.name, "timezone": row.timezone, "locale": row.locale}
    typed |= {"quiet_from": begins, "quiet_to": ends}
    if visit.fault and visit.form.on("name"):
        typed = _values(visit)
    return visit.render(
        "workspace/form.html",
        typed=typed,
        zones=workspace.zones(),
        locales=workspace.LOCALES,
        hours=[(str(hour), f"{hour}:00") for hour in range(24)],
        days=visit.query.get("days") or visit.form["days"] or workspace.retention(visit.work),
        access=visit.query.get("access") or visit.form["access"] or workspace.access_retention(visit.work),
        longest=workspace.LONGEST_RETENTION,
    )


def update(visit: Visit) -> Response:
    """Change the settings."""
    visit.check_version(visit.work.workspace)
    changed = workspace.update(visit.work, _values(visit))
    done = "workspace_saved" if changed else "unchanged"
    return visit.go(_HERE, done=done, of=f"workspace:{visit.work.workspace.id}" if changed else "")


def form_retention(visit: Visit) -> Response:
    """Show what another retention removes, before it does."""
    present = workspace.retention(visit.work)
    days, access, found = workspace.would_remove(
        visit.work, visit.query.get("days") or str(present or DEFAULT_DAYS), visit.query.get("access", "")
    )
    return visit.render(
        "workspace/retention.html",
        days=days,
        access=access,
        found=found,
        present=present,
        present_access=workspace.access_retention(visit.work),
        shown=_present(visit),
        questions=_questions(visit),
    )


def _present(visit: Visit) -> str:
    """Return the retention as the form carries it, to notice that somebody else changed it."""
    days, access = workspace.retention(visit.work), workspace.access_retention(visit.work)
    return f"{days or ''}" if access is None else f"{days or ''} {access}"


def _questions(visit: Visit) -> dict[str, str]:
    return {name: visit.words(text) for name, text in QUESTIONS.items()}


def change_retention(visit: Visit) -> Response:
    """Change the retention."""
    if visit.form["present"] != _present(visit):
        raise Conflict("Somebody else changed this in the meantime. Look at it again and repeat your change.")
    changed = workspace.change_retention(visit.work, visit.viewer, visit.form["days"], visit.form["access"])
    done = "retention_saved" if changed else "unchanged"
    return visit.go(_HERE, done=done, of=f"log:{visit.work.workspace.id}" if changed else "")


def _values(visit: Visit) -> dict[str, Any]:
    return {name: visit.form[name] for name in ("name", "timezone", "locale", "quiet_from", "quiet_to")}


PAGES = (
    Page(path=_HERE, answer=form, needs="workspace:update", title="Workspace settings"),
    Page(
        path=_HERE,
        method="POST",
        answer=update,
        again=form,
        needs="workspace:update",
        action="workspace.updated",
    ),
    Page(
        path=f"{_HERE}/retention",
        answer=form_retention,
        again=form,
        needs="audit:manage",
        title="Change retention",
    ),
    Page(
        path=f"{_HERE}/retention",
        method="POST",
        answer=change_retention,
        again=form,
        needs="audit:manage",
        action="audit.retention_changed",
    ),
)
