"""The sessions of a person: which there are, ending one or all others, and those whose time is over."""

from __future__ import annotations

import sqlalchemy as sa

from sendero.errors import Invalid, Missing
from sendero.installation import Installation
from sendero.service import auth, users
from sendero.tables import Session, User
from sendero.work import Work, begin, resource_of
from whodid import Reason, Related

__all__ = ["REVOKE_REASONS", "living", "revoke", "sweep"]

REVOKE_REASONS = ("not_recognised", "device_lost", "security", "other")

_BATCH = 100


def living(work: Work, user: User) -> list[Session]:
    """Return the sessions of a person that can be used, the last used first."""
    query = sa.select(Session).where(Session.user_id == user.id, Session.ended_at.is_(None))
    found = work.session.execute(query.order_by(Session.last_seen_at.desc())).scalars()
    return [session for session in found if not auth.timed_out(session, work.now())]


def revoke(
    work: Work, by: User, user: User, key: str, *, here: Session | None = None, reason: Reason | None = None
) -> int:
    """End one session of a person, or all of them; each is an entry of its own.

    Args:
        by: Who ends them.
        key: Which one; empty for all.
        here: The one to leave, because it is the visitor's own.

    Returns:
        How many ended.

    Raises:
        Forbidden: The person's role can do more than `by`.
        Invalid: It is the session that the visitor is in.
        Missing: There is no such session.
    """
    if by.id != user.id:
        users.check_power(by, user.role, "auth.session_revoked", user)
    if here is not None and key == here.id:
        raise Invalid({"session": "This is the session you are in. Sign out instead."})
    chosen = [one for one in living(work, user) if (one.id == key if key else here is None or one.id != here.id)]
    if key and not chosen:
        raise Missing
    for session in chosen:
        auth.mark_ended(work, session, "revoked")
        work.record(
            "auth.session_revoked",
            resource_of(user),
            related=[Related(type="session", id=session.id, rel="session")],
            reason=reason,
        )
    return len(chosen)


def sweep(home: Installation) -> bool:
    """End the sessions whose time is over, so that the log says so without waiting for their browsers.

    Returns:
        Whether there may be more of them.
    """
    with begin(home) as work, work.acting():
        now = work.now()
        over = sa.or_(Session.last_seen_at < now - auth.IDLE, Session.created_at < now - auth.LIFE)
        query = sa.select(Session).where(Session.ended_at.is_(None), over).limit(_BATCH)
        found = list(work.session.execute(query).scalars())
        for session in found:
            auth.time_out(work, session)
    return len(found) == _BATCH
