"""What is done to campaigns: schedule, start, pause, resume, cancel."""

from __future__ import annotations

from starlette.responses import Response

from sendero.errors import Invalid
from sendero.service import audience, campaigns, running
from sendero.tables import Campaign
from sendero.web.campaigns import living, local, show
from sendero.web.visit import Page, Visit

__all__ = ["PAGES"]


def form_start(visit: Visit) -> Response:
    """Ask whether to start, and say whom it reaches."""
    campaign = living(visit.work, visit.path["id"])
    return visit.render("campaigns/start.html", campaign=campaign, preview=audience.preview(visit.work, campaign))


def start(visit: Visit) -> Response:
    """Start a campaign now."""
    campaign = _chosen(visit)
    running.start(visit.work, campaign)
    return _done(visit, campaign, "campaign_started")


def form_schedule(visit: Visit) -> Response:
    """Ask when to start."""
    campaign = living(visit.work, visit.path["id"])
    typed = visit.form["schedule_at"] if visit.fault else local(visit.work, campaign)
    return visit.render(
        "campaigns/schedule.html",
        campaign=campaign,
        typed=typed,
        zone=visit.work.workspace.timezone,
        preview=audience.preview(visit.work, campaign),
    )


def schedule(visit: Visit) -> Response:
    """Let a draft start by itself."""
    campaign = _chosen(visit)
    typed = visit.form["schedule_at"]
    try:
        at = campaigns.instant(visit.work, typed) if typed != local(visit.work, campaign) else campaign.schedule_at
    except ValueError:
        raise Invalid({"schedule_at": "Write a day and a time, like 2026-11-20T10:31."}) from None
    if at is None:
        raise Invalid({"schedule_at": "Say when it shall start."})
    campaigns.schedule(visit.work, campaign, at)
    return _done(visit, campaign, "campaign_scheduled")


def unschedule(visit: Visit) -> Response:
    """Take a scheduled campaign back to the drafts."""
    campaign = _chosen(visit)
    campaigns.unschedule(visit.work, campaign)
    return _done(visit, campaign, "campaign_unscheduled")


def form_pause(visit: Visit) -> Response:
    """Ask why to pause."""
    return visit.render("campaigns/pause.html", campaign=living(visit.work, visit.path["id"]))


def pause(visit: Visit) -> Response:
    """Pause a campaign."""
    campaign = _chosen(visit)
    running.pause(visit.work, campaign, visit.form.reason(("manual",)))
    return _done(visit, campaign, "campaign_paused")


def resume(visit: Visit) -> Response:
    """Let a paused campaign go on."""
    campaign = _chosen(visit)
    running.resume(visit.work, campaign)
    return _done(visit, campaign, "campaign_resumed")


def form_cancel(visit: Visit) -> Response:
    """Ask why to cancel."""
    return visit.render("campaigns/cancel.html", campaign=living(visit.work, visit.path["id"]))


def cancel(visit: Visit) -> Response:
    """End a campaign for good."""
    campaign = _chosen(visit)
    running.cancel(visit.work, campaign, visit.form.reason(running.CANCEL_REASONS))
    return _done(visit, campaign, "campaign_cancelled")


def _chosen(visit: Visit) -> Campaign:
    campaign = living(visit.work, visit.path["id"])
    visit.check_version(campaign)
    return campaign


def _done(visit: Visit, campaign: Campaign, done: str) -> Response:
    return visit.go(f"/campaigns/{campaign.id}", done=done, of=f"campaign:{campaign.id}")


PAGES = (
    Page(path="/campaigns/{id}/start", answer=form_start, needs="campaigns:start", title="Start campaign"),
    Page(
        path="/campaigns/{id}/start",
        method="POST",
        answer=start,
        again=show,
        needs="campaigns:start",
        action="campaign.started",
    ),
    Page(path="/campaigns/{id}/schedule", answer=form_schedule, needs="campaigns:start", title="Schedule campaign"),
    Page(
        path="/campaigns/{id}/schedule",
        method="POST",
        answer=schedule,
        again=form_schedule,
        needs="campaigns:start",
        action="campaign.updated",
    ),
    Page(
        path="/campaigns/{id}/unschedule",
        method="POST",
        answer=unschedule,
        again=show,
        needs="campaigns:start",
        action="campaign.updated",
    ),
    Page(path="/campaigns/{id}/pause", answer=form_pause, needs="campaigns:pause", title="Pause campaign"),
    Page(
        path="/campaigns/{id}/pause",
        method="POST",
        answer=pause,
        again=form_pause,
        needs="campaigns:pause",
        action="campaign.paused",
    ),
    Page(
        path="/campaigns/{id}/resume",
        method="POST",
        answer=resume,
        again=show,
        needs="campaigns:start",
        action="campaign.resumed",
    ),
    Page(path="/campaigns/{id}/cancel", answer=form_cancel, needs="campaigns:pause", title="Cancel campaign"),
    Page(
        path="/campaigns/{id}/cancel",
        method="POST",
        answer=cancel,
        again=form_cancel,
        needs="campaigns:pause",
        action="campaign.cancelled",
    ),
)
