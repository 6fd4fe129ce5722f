"""The life of a campaign: started, paused, resumed, cancelled, completed, failed; each on record with its reason.

draft → scheduled → running ⇄ paused; running → completed | failed; anything that has not ended → cancelled. A scheduled
campaign can be paused too, and goes back to being scheduled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sendero.errors import Conflict, Invalid
from sendero.hours import Hours
from sendero.service import audience, headers, segments, templates
from sendero.service.campaigns import ENDED, about_template
from sendero.tables import Campaign
from sendero.work import Work, resource_of
from whodid import Reason, Related
from whodid.capture import current
from whodid.model import Severity

__all__ = [
    "CANCEL_REASONS",
    "PAUSE_REASONS",
    "cancel",
    "complete",
    "fail",
    "pause",
    "quiet",
    "resume",
    "start",
]

PAUSE_REASONS = (
    "manual",
    "template_paused",
    "template_disabled",
    "template_in_review",
    "account_restricted",
    "account_disconnected",
    "quality_red",
    "portfolio_limit",
    "spam_rate_limit",
    "payment_problem",
    "failure_rate",
    "quiet_hours",
)
CANCEL_REASONS = ("manual",)


def start(work: Work, campaign: Campaign) -> None:
    """Start a campaign: its audience is frozen, and the sender begins.

    Raises:
        Conflict: It is neither a draft nor scheduled, WhatsApp would take nothing, or nobody would get it.
    """
    if campaign.status not in ("draft", "scheduled"):
        raise Conflict("Only a draft or a scheduled campaign can be started.")
    _check_sendable(campaign)
    now = work.now()
    counted, digest = audience.freeze(work, campaign, now)
    if not counted.many:
        raise Conflict("Nobody in this segment can get it: it is empty, or nobody there allows marketing messages.")
    before = {"status": campaign.status}
    campaign.status = "running"
    campaign.started_at = campaign.next_batch_at = now
    campaign.template_version = campaign.template.version
    campaign.audience = campaign.queued = counted.many
    campaign.left_out = counted.optout + counted.unreachable
    details: dict[str, Any] = {
        "audience": counted.many,
        "rule": segments.rule(campaign.segment.filter),
        "audience_sha256": digest,
    }
    if counted.optout:
        details["skipped_optout"] = counted.optout
    if counted.unreachable:
        details["skipped_unreachable"] = counted.unreachable
    work.record(
        "campaign.started",
        resource_of(campaign),
        before=before,
        after={"status": "running", "started_at": now, "template_version": campaign.template_version},
        related=[about_template(campaign)],
        details=details,
    )
    work.touch(campaign)


def pause(
    work: Work,
    campaign: Campaign,
    reason: Reason | None,
    *,
    resume: str = "manual",
    cause: str | None = None,
    related: Iterable[Related] = (),
    provider_code: int | None = None,
    severity: Severity | None = None,
) -> str:
    """Pause a campaign; what waits goes on waiting.

    Args:
        reason: A code of `PAUSE_REASONS` and, for `manual`, a text.
        resume: How it goes on, in words.
        cause: The id of the entry that made this happen.
        provider_code: What WhatsApp answered.

    Returns:
        The id of the entry.

    Raises:
        Invalid: The reason is missing.
        Conflict: It is neither running nor scheduled, or somebody else changed it since it was read.
    """
    quiet_now = campaign.status == "paused" and campaign.pause["reason"] == "quiet_hours"
    if campaign.status not in ("running", "scheduled") and not quiet_now:
        raise Conflict("Only a running or scheduled campaign can be paused.")
    code, text = _needed(reason, PAUSE_REASONS)
    held = {name: campaign.pause[name] for name in ("reason", "resume")} if quiet_now else {}
    before = {"status": campaign.status, "pause": held, "next_batch_at": campaign.next_batch_at}
    campaign.status, campaign.next_batch_at = "paused", None
    details = {"sent": campaign.sent, "audience": campaign.audience, "waiting": campaign.queued}
    entry = work.record(
        "campaign.paused",
        resource_of(campaign),
        before=before,
        after={"status": "paused", "pause": {"reason": code, "resume": resume}, "next_batch_at": None},
        related=related,
        reason=reason,
        details=details if provider_code is None else {**details, "provider_code": provider_code},
        severity=severity,
        cause=cause,
    )
    campaign.pause = {**_said(work, code, text, entry), "resume": resume, "cause": cause}
    work.touch(campaign)
    return entry


def resume(work: Work, campaign: Campaign) -> None:
    """Let a paused campaign go on; one that had not started is scheduled again.

    Raises:
        Conflict: It is not paused, it is quiet, WhatsApp would take nothing, or somebody else changed it meanwhile.
    """
    if campaign.status != "paused":
        raise Conflict("Only a paused campaign can be resumed.")
    if campaign.started_at is not None and quiet(work) is not None:
        raise Conflict("It is quiet now. A campaign goes on after the quiet hours of the workspace.")
    _check_sendable(campaign)
    now = work.now()
    running = campaign.started_at is not None
    before = {"status": "paused", "pause": {"reason": campaign.pause["reason"]}, "next_batch_at": None}
    campaign.status = "running" if running else "scheduled"
    campaign.next_batch_at = now if running else None
    campaign.held_back = 0
    campaign.pause = {**campaign.pause, "resumed_at": now.isoformat()}
    work.record(
        "campaign.resumed",
        resource_of(campaign),
        before=before,
        after={"status": campaign.status, "pause": {}, "next_batch_at": campaign.next_batch_at},
        details={"waiting": campaign.queued},
    )
    work.touch(campaign)


def cancel(work: Work, campaign: Campaign, reason: Reason | None) -> None:
    """End a campaign for good; what waits is discarded.

    Raises:
        Invalid: The reason is missing.
        Conflict: It has ended, or somebody else changed it since it was read.
    """
    if campaign.status in ENDED:
        raise Conflict("This campaign has ended already.")
    code, text = _needed(reason, CANCEL_REASONS)
    before = {"status": campaign.status}
    discarded = audience.discard(work, campaign)
    entry = work.record(
        "campaign.cancelled",
        resource_of(campaign),
        before=before,
        after={"status": "cancelled"},
        reason=reason,
        details={"sent": campaign.sent, "audience": campaign.audience, "discarded": discarded},
    )
    _end(work, campaign, "cancelled", _said(work, code, text, entry))


def complete(work: Work, campaign: Campaign) -> None:
    """Note that nobody is left to send to.

    Raises:
        Conflict: It is not running.
    """
    if campaign.status != "running":
        raise Conflict("Only a running campaign can be completed.")
    details = {name: getattr(campaign, name) for name in ("sent", "delivered", "read", "failed")}
    details |= {name: many for name in ("skipped", "unknown") if (many := getattr(campaign, name))}
    work.record(
        "campaign.completed",
        resource_of(campaign),
        before={"status": "running"},
        after={"status": "completed"},
        details=details,
    )
    _end(work, campaign, "completed", {})


def fail(work: Work, campaign: Campaign, reason: Reason, provider_code: int | None = None) -> None:
    """Note that a campaign cannot go on; what waits is discarded.

    Raises:
        Conflict: It is a draft, or has ended.
    """
    if campaign.status not in ("running", "scheduled", "paused"):
        raise Conflict("Only a campaign that was scheduled or started can fail.")
    before = {"status": campaign.status}
    audience.discard(work, campaign)
    details = {"sent": campaign.sent, "audience": campaign.audience}
    entry = work.record(
        "campaign.failed",
        resource_of(campaign),
        before=before,
        after={"status": "failed"},
        reason=reason,
        details=details if provider_code is None else {**details, "provider_code": provider_code},
    )
    _end(work, campaign, "failed", _said(work, reason.code or "", reason.text, entry))


def quiet(work: Work) -> Hours | None:
    """Return the quiet hours of the workspace while they last, else None."""
    hours = Hours.read(work.workspace.quiet_hours)
    return hours if hours is not None and hours.hold(work.now(), work.workspace.timezone) else None


def _check_sendable(campaign: Campaign) -> None:
    if campaign.template.deleted_at is not None or campaign.template.status != "approved":
        raise Conflict("WhatsApp takes only approved templates, and the one of this campaign is not approved.")
    if campaign.account.deleted_at is not None or campaign.account.status not in ("connected", "flagged"):
        raise Conflict("The WhatsApp account of this campaign is not connected.")
    parts = campaign.template.components
    wanted = {str(number) for number in templates.variables(parts["body"]["text"])}
    if set(campaign.variables) != wanted or not headers.fits(parts, campaign.header):
        raise Conflict("The template asks for other values than this campaign has. Change the campaign, or cancel it.")


def _needed(reason: Reason | None, codes: tuple[str, ...]) -> tuple[str, str | None]:
    if reason is None or reason.code not in codes:
        raise Invalid({"reason": "Say why: choose a reason."})
    if reason.code == "manual" and not reason.text:
        raise Invalid({"note": "Say why in your own words."})
    return reason.code, reason.text


def _said(work: Work, code: str, text: str | None, entry: str) -> dict[str, Any]:
    scope = current()
    by = scope.actor.name if scope is not None and scope.actor is not None else None
    return {"reason": code, "note": text, "by": by, "at": work.now().isoformat(), "entry": entry}


def _end(work: Work, campaign: Campaign, status: str, why: dict[str, Any]) -> None:
    campaign.status, campaign.next_batch_at, campaign.ended_at = status, None, work.now()
    campaign.cancel = why
    work.touch(campaign)
