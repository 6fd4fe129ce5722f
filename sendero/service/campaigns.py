"""Campaigns before they run: a template, a segment, and how fast and when. What happens then is in `running`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from sendero.errors import Conflict, Invalid, Missing
from sendero.hours import Hours
from sendero.service import audience, headers, segments, templates
from sendero.tables import Campaign, Segment, Template
from sendero.tables.sending import COUNTERS
from sendero.work import Work, resource_of
from whodid import Related

__all__ = [
    "ENDED",
    "FIELDS",
    "PLACEHOLDERS",
    "RATES",
    "STATUSES",
    "checked",
    "create",
    "delete",
    "filled",
    "instant",
    "listing",
    "schedule",
    "unschedule",
    "update",
]

STATUSES = ("draft", "scheduled", "running", "paused", "completed", "cancelled", "failed")
ENDED = segments.ENDED
RATES = (1, 6000)
PLACEHOLDERS = ("{name}", "{first_name}")

_PLANNED = ("name", "account_id", "template_id", "segment_id", "variables", "header", "schedule_at")
_RUNNING = ("window", "rate_per_minute")
FIELDS = (*_PLANNED, *_RUNNING)


def checked(work: Work, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a form as they are stored.

    Args:
        values: name, template_id, segment_id, variables (texts in order), those of `headers.FIELDS`, schedule_at (local
            time like `2026-11-20T10:31`, or empty), window, rate_per_minute.

    Raises:
        Invalid: Some of them cannot be taken; all faults at once.
    """
    faults: dict[str, str] = {}
    clean: dict[str, Any] = {"name": str(values["name"]).strip()}
    if not 0 < len(clean["name"]) <= 100:
        faults["name"] = "A campaign needs a name of at most 100 characters."
    template = _living(work, Template, values["template_id"])
    segment = _living(work, Segment, values["segment_id"])
    if template is None:
        faults["template_id"] = "Choose one of the list."
    else:
        clean |= {"account_id": template.account_id, "template_id": template.id}
        texts = [str(text).strip() for text in values["variables"] if str(text).strip()]
        numbers = sorted(templates.variables(template.components["body"]["text"]))
        if len(texts) != len(numbers):
            faults["variables"] = "The template has {count} variables: write one line for each."
        elif any(len(text) > 200 for text in texts):
            faults["variables"] = "Use at most 200 characters for each variable."
        clean["header"] = headers.sent(template.components.get("header"), values, faults)
        clean["variables"] = {str(number): text for number, text in zip(numbers, texts, strict=False)}
    if segment is None:
        faults["segment_id"] = "Choose one of the list."
    else:
        clean["segment_id"] = segment.id
    try:
        clean["schedule_at"] = instant(work, values["schedule_at"])
    except ValueError:
        faults["schedule_at"] = "Write a day and a time, like 2026-11-20T10:31."
    try:
        clean["window"] = str(Hours.read(values["window"]) or "")
    except ValueError:
        faults["window"] = "Write two times of the day, like 09:00-21:00."
    rate = str(values["rate_per_minute"]).strip()
    if not (rate.isascii() and rate.isdigit() and RATES[0] <= int(rate[:6]) <= RATES[1]):
        faults["rate_per_minute"] = "Send between 1 and 6,000 messages a minute."
    else:
        clean["rate_per_minute"] = int(rate)
    if faults:
        count = 0 if template is None else len(templates.variables(template.components["body"]["text"]))
        raise Invalid(faults, count=count)
    return clean


def filled(campaign: Campaign, name: str) -> list[str]:
    """Return the values of the template's variables for a recipient, in order."""
    parts = dict(zip(PLACEHOLDERS, (name, name.split(maxsplit=1)[0] if name.split() else name), strict=True))
    texts = []
    for number in sorted(campaign.variables, key=int):
        text = campaign.variables[number]
        for placeholder in PLACEHOLDERS:
            text = text.replace(placeholder, parts[placeholder])
        # WhatsApp takes neither line breaks nor wide gaps in a variable.
        texts.append(" ".join(text.split()))
    return texts


def create(work: Work, values: Mapping[str, Any]) -> Campaign:
    """Create a draft from checked values.

    Raises:
        Invalid: The time it is planned for has passed.
    """
    now = work.now()
    _check_future(values["schedule_at"], now)
    template, segment = work.get(Template, values["template_id"]), work.get(Segment, values["segment_id"])
    campaign = Campaign(
        id=work.new_id("cmp"),
        workspace_id=work.workspace.id,
        created_at=now,
        updated_at=now,
        **values,
        account=template.account,
        template=template,
        segment=segment,
        status="draft",
        pause={},
        cancel={},
        **dict.fromkeys((*COUNTERS, "held_back"), 0),
        started_at=None,
        ended_at=None,
        next_batch_at=None,
        template_version=None,
        deleted_at=None,
    )
    work.add(campaign)
    work.record(
        "campaign.created",
        resource_of(campaign),
        after=snapshot(campaign),
        related=[about_template(campaign)],
        details={"audience": audience.preview(work, campaign).many, "rule": segments.rule(segment.filter)},
    )
    return campaign


def update(work: Work, campaign: Campaign, values: Mapping[str, Any]) -> bool:
    """Change a campaign; once it was started only how fast and when it sends.

    Args:
        values: What `checked` returned.

    Returns:
        Whether anything changed.

    Raises:
        Conflict: It has ended, or somebody else changed it since it was read.
        Invalid: What it was started with was changed, or it is planned for a time that has passed.
    """
    if campaign.status in ENDED:
        raise Conflict("A campaign that has ended cannot be changed.")
    before = snapshot(campaign)
    if campaign.started_at is not None:
        wrong = {
            name: "It was started with this, so this can no longer change."
            for name in _PLANNED
            if values[name] != getattr(campaign, name)
        }
        if wrong:
            raise Invalid(wrong)
    elif values["schedule_at"] != campaign.schedule_at:
        _check_future(values["schedule_at"], work.now())
    if campaign.status != "draft" and campaign.started_at is None and values["schedule_at"] is None:
        raise Invalid({"schedule_at": "A scheduled campaign needs a time. Take it back to the drafts first."})
    template, segment = work.get(Template, values["template_id"]), work.get(Segment, values["segment_id"])
    for name in FIELDS:
        setattr(campaign, name, values[name])
    campaign.template, campaign.account, campaign.segment = template, template.account, segment
    after = snapshot(campaign)
    if before == after:
        return False
    work.touch(campaign)
    work.record("campaign.updated", resource_of(campaign), before=before, after=after)
    return True


def schedule(work: Work, campaign: Campaign, at: datetime | None = None) -> None:
    """Let a draft start by itself.

    Args:
        at: When; at the time it is planned for when not given.

    Raises:
        Conflict: It is no draft.
        Invalid: There is no time, or it has passed.
    """
    if campaign.status != "draft":
        raise Conflict("Only a draft can be scheduled.")
    when = at or campaign.schedule_at
    if when is None:
        raise Invalid({"schedule_at": "Say when it shall start."})
    _check_future(when, work.now())
    _move(work, campaign, "scheduled", when)


def unschedule(work: Work, campaign: Campaign) -> None:
    """Take a scheduled campaign back to the drafts; the time it was planned for stays.

    Raises:
        Conflict: It is not scheduled.
    """
    if campaign.status != "scheduled":
        raise Conflict("Only a scheduled campaign can be taken back to the drafts.")
    _move(work, campaign, "draft", campaign.schedule_at)


def delete(work: Work, campaign: Campaign) -> None:
    """Delete a draft.

    Raises:
        Conflict: It is no draft, or somebody else changed it since it was read.
    """
    if campaign.status != "draft":
        raise Conflict("Only a draft can be deleted. A campaign that was scheduled or started can be cancelled.")
    before = {"status": campaign.status, **snapshot(campaign)}
    campaign.deleted_at = work.now()
    work.touch(campaign)
    work.record("campaign.deleted", resource_of(campaign), before=before)


def listing(
    work: Work, *, text: str = "", status: str = "", page: int = 1, size: int = 50
) -> tuple[list[Campaign], int]:
    """Return one page of the campaigns, newest first, and how many there are in all.

    Raises:
        Invalid: The text is longer than a search can be.
    """
    if len(text) > 200:
        raise Invalid({"q": "Search for at most 200 characters."})
    query = sa.select(Campaign).where(Campaign.workspace_id == work.workspace.id, Campaign.deleted_at.is_(None))
    if text:
        query = query.where(Campaign.name.icontains(text, autoescape=True))
    if status in STATUSES:
        query = query.where(Campaign.status == status)
    ids = query.with_only_columns(Campaign.id).subquery()
    total = work.session.execute(sa.select(sa.func.count()).select_from(ids)).scalar_one()
    rows = query.order_by(Campaign.created_at.desc(), Campaign.id).offset((page - 1) * size).limit(size)
    return list(work.session.execute(rows).scalars()), total


def instant(work: Work, text: str) -> datetime | None:
    """Read a day and a time of the workspace; None when the text is empty.

    Raises:
        ValueError: The text is something else.
    """
    if not text.strip():
        return None
    at = datetime.fromisoformat(text.strip())
    local = at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(work.workspace.timezone))
    return local.astimezone(work.now().tzinfo)


def snapshot(campaign: Campaign) -> dict[str, Any]:
    """Return the fields of a campaign as the log shows them."""
    fields = {name: getattr(campaign, name) for name in FIELDS}
    return {
        **fields,
        "variables": dict(campaign.variables),
        "header": dict(campaign.header) or None,
        "window": campaign.window or None,
    }


def about_template(campaign: Campaign, rel: str = "template") -> Related:
    """Name the template of a campaign as related to what happened."""
    return Related(type="template", id=campaign.template.id, name=campaign.template.name, rel=rel)


def _move(work: Work, campaign: Campaign, status: str, at: datetime | None) -> None:
    before = {"status": campaign.status, "schedule_at": campaign.schedule_at}
    campaign.status, campaign.schedule_at = status, at
    work.touch(campaign)
    work.record("campaign.updated", resource_of(campaign), before=before, after={"status": status, "schedule_at": at})


def _check_future(at: datetime | None, now: datetime) -> None:
    if at is not None and at <= now:
        raise Invalid({"schedule_at": "This time has passed. Choose one to come."})


def _living(work: Work, table: type[Template | Segment], key: str) -> Any:
    try:
        row = work.get(table, key)
    except Missing:
        return None
    return row if row.deleted_at is None else None
