"""The pages of campaigns: the list, the plan, and how far each came. What is done to them is in `campaign_acts`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.responses import JSONResponse, Response

from sendero.errors import Missing
from sendero.hours import Hours
from sendero.service import audience, campaigns, headers, running, segments, templates
from sendero.service.automatic import GUARD, SCHEDULER
from sendero.tables import Campaign, Template
from sendero.web.visit import Form, Page, Visit
from sendero.work import Work

__all__ = ["PAGES", "living", "show"]

_SIZE = 50
_PLAN = ("name", "template_id", "segment_id", "variables", *headers.FIELDS, "schedule_at")
_PACE = ("window", "rate_per_minute")
_COUNTS = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read_by",
    "failed": "failures",
    "skipped": "skipped",
    "unknown": "unsure",
    "queued": "queued",
    "discarded": "discarded",
}
"""Counter → the code of what it is called."""


def living(work: Work, key: str) -> Campaign:
    """Return a campaign that was not deleted.

    Raises:
        Missing: There is none.
    """
    campaign = work.get(Campaign, key)
    if campaign.deleted_at is not None:
        raise Missing
    return campaign


def listing(visit: Visit) -> Response:
    """List campaigns."""
    chosen = {name: visit.query.get(name, "").strip() for name in ("q", "status")}
    page = visit.number("page")
    rows, total = campaigns.listing(visit.work, text=chosen["q"], status=chosen["status"], page=page, size=_SIZE)
    kept = {name: value for name, value in chosen.items() if value}
    pages = max(1, -(-total // _SIZE))
    return visit.render(
        "campaigns/list.html",
        rows=rows,
        chosen=chosen,
        filtered=bool(kept),
        statuses=campaigns.STATUSES,
        page=page,
        pages=pages,
        newer=urlencode({**kept, "page": page - 1}) if page > 1 else None,
        older=urlencode({**kept, "page": page + 1}) if page < pages else None,
    )


def show(visit: Visit) -> Response:
    """Show a campaign: how far it came and, if it stopped, why."""
    campaign = living(visit.work, visit.path["id"])
    started, stopped = campaign.started_at is not None, campaign.status in ("cancelled", "failed")
    return visit.render(
        "campaigns/show.html",
        campaign=campaign,
        why=_why(campaign),
        machines=(GUARD.name, SCHEDULER.name),
        rule=segments.rule(campaign.segment.filter),
        preview=None if started else audience.preview(visit.work, campaign),
        counts=[(count, code) for count, code in _COUNTS.items() if count != ("queued" if stopped else "discarded")],
        live=_live(visit, campaign),
        message=_message(campaign),
        ended=campaign.status in campaigns.ENDED,
    )


def progress(visit: Visit) -> Response:
    """Say how far a campaign came, in the words that the page shows."""
    campaign = living(visit.work, visit.path["id"])
    return JSONResponse(_live(visit, campaign))


def form_new(visit: Visit) -> Response:
    """Show the form for a new campaign."""
    typed: dict[str, Any] = {"rate_per_minute": 600, "window": "", "segment_id": visit.query.get("segment", "")}
    return _form(visit, None, _typed(visit.form) if visit.fault else typed)


def create(visit: Visit) -> Response:
    """Create a draft."""
    campaign = campaigns.create(visit.work, campaigns.checked(visit.work, _values(visit.form)))
    return visit.go(f"/campaigns/{campaign.id}", done="campaign_created", of=f"campaign:{campaign.id}")


def form_edit(visit: Visit) -> Response:
    """Show the form for changing a campaign."""
    campaign = living(visit.work, visit.path["id"])
    if visit.fault:
        plan = _typed_of(visit.work, campaign) if campaign.started_at is not None else {}
        return _form(visit, campaign, _typed(visit.form) | plan | {name: visit.form[name] for name in _PACE})
    return _form(visit, campaign, _typed_of(visit.work, campaign))


def update(visit: Visit) -> Response:
    """Change a campaign; of one that was started only its pace."""
    campaign = living(visit.work, visit.path["id"])
    visit.check_version(campaign)
    typed = _typed_of(visit.work, campaign)
    values = _values(visit.form)
    if campaign.started_at is not None:
        values |= {**typed, "variables": typed["variables"].splitlines(), **{name: visit.form[name] for name in _PACE}}
    checked = campaigns.checked(visit.work, values)
    if values["schedule_at"] == typed["schedule_at"]:
        checked["schedule_at"] = campaign.schedule_at  # a form tells minutes; the seconds stay as well
    changed = campaigns.update(visit.work, campaign, checked)
    done = "campaign_saved" if changed else "unchanged"
    return visit.go(f"/campaigns/{campaign.id}", done=done, of=f"campaign:{campaign.id}" if changed else "")


def form_delete(visit: Visit) -> Response:
    """Ask whether to delete a draft."""
    return visit.render("campaigns/delete.html", campaign=living(visit.work, visit.path["id"]))


def delete(visit: Visit) -> Response:
    """Delete a draft."""
    campaign = living(visit.work, visit.path["id"])
    visit.check_version(campaign)
    campaigns.delete(visit.work, campaign)
    return visit.go("/campaigns", done="campaign_deleted", of=f"campaign:{campaign.id}")


def local(work: Work, campaign: Campaign) -> str:
    """Return the planned time as a field for a day and a time takes it; empty when there is none."""
    at = campaign.schedule_at
    return "" if at is None else f"{at.astimezone(ZoneInfo(work.workspace.timezone)):%Y-%m-%dT%H:%M}"


def _why(campaign: Campaign) -> dict[str, Any] | None:
    """Return why a campaign stopped, or None when it did not."""
    if campaign.status == "paused":
        return campaign.pause
    return campaign.cancel if campaign.status in ("cancelled", "failed") else None


def _live(visit: Visit, campaign: Campaign) -> dict[str, Any]:
    words = visit.words
    done = campaign.audience - campaign.queued - campaign.discarded
    part = done * 100 // campaign.audience if campaign.audience else 0
    return {
        "version": campaign.version,
        "value": done,
        "max": max(1, campaign.audience),
        "texts": {
            **{name: words.number(getattr(campaign, name)) for name in _COUNTS},
            "part": visit.words("{part} % of {people}", part=part, people=words.number(campaign.audience)),
            "next": _next(visit, campaign),
        },
    }


def _next(visit: Visit, campaign: Campaign) -> str:
    """Say what happens next by itself; empty when nothing does."""
    zone = visit.work.workspace.timezone
    if campaign.status == "scheduled":
        if running.quiet(visit.work) is not None and (campaign.schedule_at or visit.work.now()) <= visit.work.now():
            return visit.words("It waits for the end of the quiet hours.")
        return visit.words("It starts on {moment}.", moment=visit.words.moment(campaign.schedule_at))
    if campaign.status == "paused" and campaign.pause.get("reason") == "quiet_hours":
        return visit.words("It goes on by itself after the quiet hours.")
    if campaign.status != "running":
        return ""
    window = Hours.read(campaign.window)
    if window is not None and not window.hold(visit.work.now(), zone):
        return visit.words("It waits for its hours, {hours}.", hours=campaign.window)
    if campaign.held_back:
        return visit.words("WhatsApp asks to wait; it goes on by itself.")
    return visit.words.count("{n} message a minute.", "{n} messages a minute.", campaign.rate_per_minute)


def _message(campaign: Campaign) -> dict[str, Any]:
    """Return the message as somebody called Ana García would get it."""
    parts = campaign.template.components
    body: str = parts["body"]["text"]
    for number, text in zip(sorted(campaign.variables, key=int), campaigns.filled(campaign, "Ana García"), strict=True):
        body = body.replace(f"{{{{{number}}}}}", text)
    return {
        "header": {**parts.get("header", {}), **campaign.header},
        "body": body,
        "footer": parts.get("footer", {}).get("text", ""),
        "buttons": parts.get("buttons", []),
    }


def _form(visit: Visit, campaign: Campaign | None, typed: dict[str, Any]) -> Response:
    own = None if campaign is None else campaign.template_id
    offered = [one for one in templates.listing(visit.work) if one.status == "approved" or one.id == own]
    return visit.render(
        "campaigns/form.html",
        campaign=campaign,
        typed={name: typed.get(name, "") for name in (*_PLAN, *_PACE)},
        offered=[(one.id, f"{one.display_name} · {one.language} · {one.account.name}") for one in offered],
        segments=[(one.id, one.name) for one in segments.listing(visit.work)],
        with_file=_ids(offered, headers.MEDIA),
        with_place=_ids(offered, ("location",)),
        bodies=[(one.display_name, one.components["body"]["text"]) for one in offered],
        fixed=campaign is not None and campaign.started_at is not None,
        zone=visit.work.workspace.timezone,
    )


def _ids(offered: Sequence[Template], formats: Sequence[str]) -> list[str]:
    """Return the ids of the templates whose header is one of these formats."""
    return [one.id for one in offered if one.components.get("header", {}).get("format") in formats]


def _typed(form: Form) -> dict[str, Any]:
    return {name: form[name] for name in (*_PLAN, *_PACE)}


def _typed_of(work: Work, campaign: Campaign) -> dict[str, Any]:
    typed = {name: getattr(campaign, name) for name in ("name", "template_id", "segment_id", *_PACE)}
    texts = (campaign.variables[number] for number in sorted(campaign.variables, key=int))
    return {
        **typed,
        "variables": "\n".join(texts),
        **headers.typed(campaign.header),
        "schedule_at": local(work, campaign),
    }


def _values(form: Form) -> dict[str, Any]:
    values = _typed(form)
    return values | {"variables": [line for line in form["variables"].splitlines() if line.strip()]}


PAGES = (
    Page(path="/campaigns", answer=listing, needs="campaigns:read", title="Campaigns"),
    Page(path="/campaigns/new", answer=form_new, needs="campaigns:create", title="New campaign"),
    Page(
        path="/campaigns/new",
        method="POST",
        answer=create,
        again=form_new,
        needs="campaigns:create",
        action="campaign.created",
    ),
    Page(path="/campaigns/{id}", answer=show, needs="campaigns:read", title="Campaign"),
    Page(path="/campaigns/{id}/progress", answer=progress, needs="campaigns:read", title="Campaign"),
    Page(path="/campaigns/{id}/edit", answer=form_edit, needs="campaigns:update", title="Edit campaign"),
    Page(
        path="/campaigns/{id}/edit",
        method="POST",
        answer=update,
        again=form_edit,
        needs="campaigns:update",
        action="campaign.updated",
    ),
    Page(path="/campaigns/{id}/delete", answer=form_delete, needs="campaigns:delete", title="Delete campaign"),
    Page(
        path="/campaigns/{id}/delete",
        method="POST",
        answer=delete,
        again=form_delete,
        needs="campaigns:delete",
        action="campaign.deleted",
    ),
)
