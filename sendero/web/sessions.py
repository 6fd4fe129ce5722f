"""Ending sessions: one's own, and those of others."""

from __future__ import annotations

from starlette.responses import Response

from sendero.service import sessions
from sendero.tables import User
from sendero.web import me, people
from sendero.web.visit import Page, Visit

__all__ = ["PAGES"]


def end_own(visit: Visit) -> Response:
    """End one of one's own sessions, or all but this one."""
    key = visit.form["session"]
    ended = sessions.revoke(visit.work, visit.viewer, visit.viewer, key, here=visit.session)
    return visit.go("/me", done=_done(ended, key))


def end(visit: Visit) -> Response:
    """End one session of somebody else, or all of them."""
    user = visit.work.get(User, visit.path["id"])
    key = visit.form["session"]
    reason = visit.form.reason(sessions.REVOKE_REASONS)
    here = visit.session if user.id == visit.viewer.id else None
    ended = sessions.revoke(visit.work, visit.viewer, user, key, here=here, reason=reason)
    return visit.go(f"/settings/users/{user.id}", done=_done(ended, key), of=f"user:{user.id}" if ended else "")


def _done(ended: int, key: str) -> str:
    if not ended:
        return "unchanged"
    return "session_ended" if key else "sessions_ended"


PAGES = (
    Page(path="/me/sessions", method="POST", answer=end_own, again=me.me, action="auth.session_revoked"),
    Page(
        path="/settings/users/{id}/sessions",
        method="POST",
        answer=end,
        again=people.show,
        needs="users:manage",
        action="auth.session_revoked",
    ),
)
