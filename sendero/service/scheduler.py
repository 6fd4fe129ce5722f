"""The scheduler: it starts campaigns when they are due, and keeps the quiet hours of the workspace."""

from __future__ import annotations

import logging
from collections.abc import Callable
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from sendero.errors import Conflict
from sendero.hours import Hours
from sendero.installation import Installation
from sendero.service import audience, guard, running
from sendero.service.automatic import GUARD, SCHEDULER, by_itself
from sendero.tables import Campaign
from sendero.work import Work, begin
from whodid import Reason

__all__ = ["hold", "turn"]

_log = logging.getLogger("sendero.scheduler")


def turn(home: Installation) -> bool:
    """Hold, start and let go on whatever is due; each campaign by itself."""
    with begin(home) as work:
        silent = running.quiet(work) is not None
        status, act = (("running",), hold) if silent else (("scheduled", "paused"), _wake)
        query = sa.select(Campaign.id).where(
            Campaign.workspace_id == work.workspace.id,
            Campaign.deleted_at.is_(None),
            Campaign.status.in_(status),
            sa.or_(Campaign.status != "scheduled", Campaign.schedule_at <= work.now()),
        )
        keys = list(work.session.execute(query.order_by(Campaign.schedule_at, Campaign.id)).scalars())
    for key in keys:
        _do(home, key, act)
    return False


def hold(work: Work, campaign: Campaign) -> None:
    """Pause a running campaign for the quiet hours."""
    hours = running.quiet(work)
    if campaign.status == "running" and hours is not None:
        by_itself(work, SCHEDULER, lambda: _hold(work, campaign, hours))


def _hold(work: Work, campaign: Campaign, hours: Hours) -> None:
    zone = work.workspace.timezone
    end = hours.next_end(work.now(), zone).astimezone(ZoneInfo(zone))
    reason = Reason(code="quiet_hours", text=f"Quiet hours of the workspace: {hours}")
    running.pause(work, campaign, reason, resume=f"automatic, at {end:%H:%M}")


def _do(home: Installation, key: str, act: Callable[[Work, Campaign], None]) -> None:
    try:
        with begin(home) as work:
            act(work, work.get(Campaign, key))
    except Conflict as conflict:
        # Somebody was quicker; the next turn looks again.
        _log.info("campaign %s is looked at again: %s", key, conflict)


def _wake(work: Work, campaign: Campaign) -> None:
    if campaign.status == "paused":
        if campaign.pause["reason"] == "quiet_hours" and guard.check(work, campaign):
            by_itself(work, SCHEDULER, lambda: running.resume(work, campaign))
    elif campaign.status == "scheduled" and guard.check(work, campaign):
        if audience.preview(work, campaign).many:
            by_itself(work, SCHEDULER, lambda: running.start(work, campaign))
        else:
            nobody = Reason(code="no_recipients", text=f"Nobody in {campaign.segment.name} can get it")
            by_itself(work, GUARD, lambda: running.fail(work, campaign, nobody))
