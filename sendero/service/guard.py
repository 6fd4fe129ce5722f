"""The campaign guard: it stops campaigns before they do harm, and says why and because of what.

It acts when WhatsApp tells of a template or a number, when WhatsApp refuses a message in a way that concerns them all,
when too many messages fail, and at the messaging limit of the workspace. Only a person lets a campaign go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from sendero.service import running
from sendero.service.automatic import GUARD, by_itself
from sendero.service.campaigns import about_template
from sendero.tables import Account, Campaign, Message, Template
from sendero.work import Work
from whodid import Reason, Related

__all__ = [
    "CODES",
    "SPARED",
    "account_changed",
    "check",
    "known",
    "limit_reached",
    "obstacle",
    "refused",
    "room",
    "template_changed",
]

CODES = {
    132015: "template_paused",
    132016: "template_disabled",
    131031: "account_restricted",
    368: "account_restricted",
    131042: "payment_problem",
    131048: "spam_rate_limit",
    190: "account_disconnected",
}
"""What WhatsApp answers when no message of a campaign can go on → why the campaign is paused."""

SPARED = (131049, 131050, 131056)
"""What WhatsApp answers when it spares this one person; the others get theirs."""

_PROVIDER_CODES = {"template_paused": 132015, "template_disabled": 132016}
_RESUME = {
    "template_paused": "manual, after approval",
    "template_in_review": "manual, after approval",
    "template_disabled": "never: WhatsApp disables a template for good",
    "account_restricted": "manual, when the account is connected",
    "account_disconnected": "manual, when the account is connected",
    "quality_red": "manual, when the quality is better",
    "portfolio_limit": "manual, when the 24 hours are over",
    "spam_rate_limit": "manual, when WhatsApp has lifted the limit",
    "payment_problem": "manual, when the payment is settled",
    "failure_rate": "manual, when the failures are explained",
}
_WINDOW = 500
_ENOUGH = 100
_TOLERATED = 0.15
_COUNTED = ("sending", "sent", "delivered", "read", "unknown")


class Obstacle(Struct, frozen=True, kw_only=True):
    """Why WhatsApp would take no message of a campaign."""

    code: str
    text: str
    final: bool = False


def template_changed(work: Work, template: Template, cause: str) -> None:
    """Pause the campaigns of a template that WhatsApp paused or disabled, or that somebody sent back to review.

    Args:
        cause: The id of the entry that told of it.
    """
    if template.status != "approved":
        code = _state_of_template(template)
        for campaign in _stoppable(work, Campaign.template_id == template.id):
            text = _of_template(template, code)
            _stop(work, campaign, code, text, cause=cause, provider_code=_PROVIDER_CODES.get(code))


def account_changed(work: Work, account: Account, cause: str, code: int | str | None = None) -> None:
    """Pause the campaigns of a number that is restricted, disconnected or banned, or whose quality is red.

    Args:
        cause: The id of the entry that told of it.
        code: WhatsApp's own code, if it said one.
    """
    reason = _state_of(account) or ("quality_red" if account.quality_rating == "red" else None)
    if reason is not None:
        number = code if isinstance(code, int) else None
        for campaign in _stoppable(work, Campaign.account_id == account.id):
            _stop(work, campaign, reason, _of_account(account, reason), cause=cause, provider_code=number)


def obstacle(campaign: Campaign) -> Obstacle | None:
    """Say why WhatsApp would take no message of a campaign; None when it would."""
    template, account = campaign.template, campaign.account
    if template.deleted_at is not None:
        return Obstacle(code="template_deleted", text=f"Template {template.name} was deleted", final=True)
    if account.deleted_at is not None:
        return Obstacle(code="account_deleted", text=f"The account {account.name} was deleted", final=True)
    if template.status != "approved":
        code = _state_of_template(template)
        return Obstacle(code=code, text=_of_template(template, code))
    if (state := _state_of(account)) is not None:
        return Obstacle(code=state, text=_of_account(account, state))
    return None


def check(work: Work, campaign: Campaign) -> bool:
    """Tell whether a running campaign may send its next batch; if not, it was stopped."""
    if (found := obstacle(campaign)) is not None:
        reason = Reason(code=found.code, text=found.text)
        if found.final:
            by_itself(work, GUARD, lambda: running.fail(work, campaign, reason))
        else:
            _stop(work, campaign, found.code, found.text)
        return False
    failed, many = _failures(work, campaign)
    if many >= _ENOUGH and failed > many * _TOLERATED:
        _stop(work, campaign, "failure_rate", f"{failed} of the last {many} messages failed")
        return False
    return True


def refused(work: Work, campaign: Campaign, provider_code: int) -> None:
    """Stop a campaign because of what WhatsApp answered, and the others that would be answered the same.

    A payment problem pauses once: if WhatsApp refuses for it again after somebody let the campaign go on, it failed.
    """
    code = CODES[provider_code]
    if code.startswith("template_"):
        text, concerned = _of_template(campaign.template, code), Campaign.template_id == campaign.template_id
    else:
        text, concerned = _of_account(campaign.account, code), Campaign.account_id == campaign.account_id
    if code in ("payment_problem", "spam_rate_limit"):
        text = {"payment_problem": "Payment problem", "spam_rate_limit": "People reported messages as spam"}[code]
        text = f"{text} ({provider_code})"
    if code == "payment_problem" and campaign.pause.get("reason") == code:
        reason = Reason(code=code, text=text)
        by_itself(work, GUARD, lambda: running.fail(work, campaign, reason, provider_code))
        return
    entry = _stop(work, campaign, code, text, provider_code=provider_code)
    for other in _stoppable(work, concerned):
        _stop(work, other, code, text, cause=entry, provider_code=provider_code)


def room(work: Work) -> int | None:
    """Return how many more people may get a message within these 24 hours; None when there is no limit."""
    limit = _limit(work)
    if limit is None:
        return None
    query = sa.select(sa.func.count(sa.distinct(Message.contact_id))).where(*_recent(work))
    return max(0, limit - work.session.execute(query).scalar_one())


def known(work: Work, contacts: Iterable[str]) -> set[str]:
    """Return those of some contacts who got a message within 24 hours: another one does not count."""
    query = sa.select(Message.contact_id).where(*_recent(work), Message.contact_id.in_(list(contacts))).distinct()
    return set(work.session.execute(query).scalars())


def limit_reached(work: Work, campaign: Campaign) -> None:
    """Pause a campaign at the messaging limit of the workspace."""
    text = f"{_limit(work):,} people got messages within 24 hours, which is the limit of the workspace"
    _stop(work, campaign, "portfolio_limit", text)


def _stop(
    work: Work,
    campaign: Campaign,
    code: str,
    text: str,
    *,
    cause: str | None = None,
    provider_code: int | None = None,
) -> str:
    related: list[Related] = []
    if code.startswith("template_"):
        related = [about_template(campaign, rel="cause")]
    elif code in ("account_restricted", "account_disconnected", "quality_red", "payment_problem", "spam_rate_limit"):
        related = [Related(type="account", id=campaign.account.id, name=campaign.account.name, rel="cause")]
    entries: list[str] = []

    def act() -> None:
        entries.append(
            running.pause(
                work,
                campaign,
                Reason(code=code, text=text),
                resume=_RESUME[code],
                cause=cause,
                related=related,
                provider_code=provider_code,
                severity="warning",
            )
        )

    by_itself(work, GUARD, act)
    return entries[0]


def _stoppable(work: Work, which: sa.ColumnElement[bool]) -> list[Campaign]:
    """Return the campaigns that run, will run by themselves, or go on by themselves after the quiet hours."""
    query = sa.select(Campaign).where(
        Campaign.workspace_id == work.workspace.id,
        Campaign.deleted_at.is_(None),
        Campaign.status.in_(("running", "scheduled", "paused")),
        which,
    )
    rows = work.session.execute(query.order_by(Campaign.id)).scalars()
    return [row for row in rows if row.status != "paused" or row.pause["reason"] == "quiet_hours"]


def _state_of_template(template: Template) -> str:
    return f"template_{template.status}" if template.status in ("paused", "disabled") else "template_in_review"


def _state_of(account: Account) -> str | None:
    if account.status in ("restricted", "banned"):
        return "account_restricted"
    return None if account.status in ("connected", "flagged") else "account_disconnected"


def _of_template(template: Template, code: str) -> str:
    said = {
        "template_paused": "was paused by WhatsApp for low quality",
        "template_disabled": "was disabled by WhatsApp",
        "template_in_review": "is not approved",
    }
    return f"Template {template.name} {said[code]}"


def _of_account(account: Account, code: str) -> str:
    if code == "quality_red":
        return f"The quality of {account.name} turned red"
    if code == "account_disconnected":
        return f"The account {account.name} lost its connection to WhatsApp"
    return f"WhatsApp {'banned' if account.status == 'banned' else 'restricted'} the account {account.name}"


def _failures(work: Work, campaign: Campaign) -> tuple[int, int]:
    """Count the failed ones of the last messages since the campaign was started or resumed, and those."""
    conditions = [Message.campaign_id == campaign.id, Message.status.in_(("sent", "delivered", "read", "failed"))]
    if resumed := campaign.pause.get("resumed_at"):
        conditions.append(Message.tried_at >= datetime.fromisoformat(resumed))
    last = (
        sa.select(Message.status, Message.error_code)
        .where(*conditions)
        .order_by(Message.tried_at.desc())
        .limit(_WINDOW)
        .subquery()
    )
    # Whoever is spared after all says nothing about the campaign.
    counts = sa.and_(last.c.status == "failed", sa.func.coalesce(last.c.error_code, 0).not_in(SPARED))
    counting = sa.select(sa.func.count(), sa.func.sum(sa.case((counts, 1), else_=0)))
    many, failed = work.session.execute(counting.select_from(last)).one()
    return int(failed or 0), int(many)


def _limit(work: Work) -> int | None:
    text = work.workspace.portfolio_limit
    return int(text) if text.isdecimal() else None


def _recent(work: Work) -> tuple[Any, ...]:
    accounts = sa.select(Account.id).where(Account.workspace_id == work.workspace.id)
    since = work.now() - timedelta(hours=24)
    # What WhatsApp took and could not deliver counts as well.
    counted = sa.or_(Message.status.in_(_COUNTED), Message.sent_at.is_not(None))
    return (Message.tried_at > since, counted, Message.account_id.in_(accounts))
