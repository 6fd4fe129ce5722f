"""What follows from each notice of WhatsApp, in the unit of work that was begun for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from sendero.service import delivery, identities, reviews, standings, templates
from sendero.tables import Account, Template
from sendero.whatsapp import notices
from sendero.work import Work
from whodid import Reason

__all__ = ["SHAPES", "Notice", "act"]

_LONGEST = 300
_EVENTS = {
    "APPROVED": "approved",
    "REINSTATED": "approved",
    "UNARCHIVED": "approved",
    "REJECTED": "rejected",
    "PENDING": "pending",
    "IN_APPEAL": "pending",
    "PAUSED": "paused",
    "DISABLED": "disabled",
    "ARCHIVED": "archived",
}
_PAUSES = {"FIRST_PAUSE": 1, "SECOND_PAUSE": 2}
_BANS = {"DISABLE": "banned", "SCHEDULE_FOR_DISABLE": "flagged", "REINSTATE": "connected"}
_LOST = ("PARTNER_REMOVED", "PARTNER_APP_UNINSTALLED", "ACCOUNT_OFFBOARDED", "ACCOUNT_DELETED")
_STATUSES = ("sent", "delivered", "read", "failed")
_TIERS = {
    "TIER_250": "250",
    "TIER_1K": "1000",
    "TIER_2K": "2000",
    "TIER_10K": "10000",
    "TIER_100K": "100000",
    "TIER_UNLIMITED": "unlimited",
    "-1": "unlimited",
}

SHAPES: Mapping[str, type[Any]] = {
    "message_template_status_update": notices.TemplateStatus,
    "message_template_quality_update": notices.TemplateQuality,
    "template_category_update": notices.Category,
    "phone_number_quality_update": notices.NumberQuality,
    "business_capability_update": notices.Limit,
    "account_update": notices.AccountUpdate,
}
"""Field of a change → what its value looks like. Other fields mean nothing here."""


class Notice(Struct, frozen=True, kw_only=True):
    """One thing that WhatsApp says.

    Args:
        entry: What it came in.
        field: The field of the change, or which part of it this is.
        key: What tells it apart from the others of its field.
        value: The value of the change.
        part: The one message, status or preference that is meant.
    """

    entry: notices.Entry
    field: str
    key: str
    value: Any
    part: Any = None


def act(work: Work, notice: Notice, names: Collection[str]) -> None:
    """Do what follows from a notice.

    Args:
        names: Ids of the accounts that it may speak of.
    """
    business = notice.entry.id
    if isinstance(notice.value, notices.AccountUpdate) and notice.value.waba_info is not None:
        business = notice.value.waba_info.waba_id or business
    accounts = [
        account
        for account in work.session.execute(sa.select(Account).where(Account.waba_id == business)).scalars()
        if account.id in names and account.deleted_at is None
    ]
    if accounts:
        _ACTS[notice.field](work, notice, accounts)


def _status(work: Work, notice: Notice, _: list[Account]) -> None:
    status: notices.Status = notice.part
    if status.status in _STATUSES:
        code = status.errors[0].code if status.errors else None
        reference = status.biz_opaque_callback_data or status.id
        delivery.noted(work, reference, status.status, code, _at(work, status.timestamp))


def _message(work: Work, notice: Notice, accounts: list[Account]) -> None:
    value: notices.Messages = notice.value
    profile = _profile(value.contacts, notice.part.from_, notice.part.from_user_id)
    person = _person(profile, wa_id=notice.part.from_, user_id=notice.part.from_user_id)
    if person is not None:
        identities.known(work, person, account=_of_number(accounts, value.metadata.phone_number_id))


def _preference(work: Work, notice: Notice, accounts: list[Account]) -> None:
    value: notices.Preferences = notice.value
    said: notices.Preference = notice.part
    wanted = {"stop": "opted_out", "resume": "opted_in"}.get(said.value)
    if said.category != "marketing_messages" or wanted is None:
        return
    profile = _profile(value.contacts, said.wa_id, said.user_id)
    person = _person(profile, wa_id=said.wa_id, user_id=said.user_id)
    if person is not None:
        contact = identities.known(work, person, account=_of_number(accounts, value.metadata.phone_number_id))
        evidence = said.detail[:_LONGEST] or f"In WhatsApp: {said.value}"
        identities.consent_told(work, contact, wanted, evidence)


def _template_status(work: Work, notice: Notice, accounts: list[Account]) -> None:
    value: notices.TemplateStatus = notice.value
    template = _template(work, value, accounts)
    event = value.event.upper()
    if template is None:
        return
    if event == "DELETED":
        templates.tombstone(work, template, None)
        return
    at = _at(work, notice.entry.time)
    title = value.other_info.title.upper() if value.other_info else ""
    text = (value.other_info.description[:_LONGEST] or None) if value.other_info else None
    if event == "FLAGGED":
        ends = notices.number(value.disable_info.disable_date) if value.disable_info else 0
        if ends:
            when = _at(work, ends)
            reviews.told(
                work,
                template,
                reviews.Told(status=template.status, at=at, code="low_quality", text=text, disable_at=when),
            )
        return
    status = _EVENTS.get(event)
    if status is None:
        return
    code = None
    if status == "rejected":
        code, text = "rejected", _rejection(value)
    elif status in ("paused", "disabled"):
        code = "low_quality"
    if template.status == "draft":
        # It was handed in, and we were stopped before we noted it.
        templates.submit(work, template)
    reviews.told(work, template, reviews.Told(status=status, at=at, code=code, text=text, pause=_PAUSES.get(title, 0)))


def _template_quality(work: Work, notice: Notice, accounts: list[Account]) -> None:
    template = _template(work, notice.value, accounts)
    if template is not None:
        reviews.quality_told(work, template, notice.value.new_quality_score.lower())


def _category(work: Work, notice: Notice, accounts: list[Account]) -> None:
    template = _template(work, notice.value, accounts)
    if template is not None and notice.value.new_category:
        reviews.category_told(work, template, notice.value.new_category.lower())


def _number_quality(work: Work, notice: Notice, accounts: list[Account]) -> None:
    value: notices.NumberQuality = notice.value
    digits = re.sub(r"\D", "", value.display_phone_number)
    meant = [one for one in accounts if re.sub(r"\D", "", one.display_phone_number) == digits]
    event = value.event.upper()
    for account in meant:
        if event == "THROUGHPUT_UPGRADE":
            standings.change_facts(work, account, {"throughput_level": "high"})
            continue
        rating = (value.quality_rating or "").lower() or ("red" if event == "FLAGGED" else "")
        if rating:
            reason = Reason(code="low_quality") if rating == "red" else None
            standings.change_quality(work, account, rating, reason=reason)
        if event == "FLAGGED":
            standings.change_status(work, account, "flagged", reason=Reason(code="low_quality"))
        elif event == "UNFLAGGED":
            standings.change_status(work, account, "connected")
    if meant and event != "THROUGHPUT_UPGRADE":
        _tell_limit(work, value.max_daily_conversations_per_business or value.current_limit)


def _limit(work: Work, notice: Notice, _: list[Account]) -> None:
    _tell_limit(work, notice.value.max_daily_conversations_per_business)


def _account(work: Work, notice: Notice, accounts: list[Account]) -> None:
    value: notices.AccountUpdate = notice.value
    digits = re.sub(r"\D", "", value.phone_number)
    status: str | None = None
    code = text = None
    event = value.event.upper()
    if event == "DISABLED_UPDATE" and value.ban_info is not None:
        states = value.ban_info.waba_ban_state
        status = _BANS.get((states if isinstance(states, str) else "".join(states[:1])).upper())
        text = value.violation_info.violation_type[:_LONGEST] or None if value.violation_info else None
    elif event == "ACCOUNT_RESTRICTION":
        status, code = "restricted", "account_restricted"
        text = ", ".join(one.restriction_type for one in value.restriction_info)[:_LONGEST] or None
    elif event in _LOST:
        status, code = "disconnected", "account_disconnected"
    elif event == "ACCOUNT_RECONNECTED":
        status = "connected"
    reason = Reason(code=code, text=text) if code or text else None
    for account in accounts:
        if status and (not digits or re.sub(r"\D", "", account.display_phone_number) == digits):
            standings.change_status(work, account, status, reason=reason)


_ACTS: Mapping[str, Callable[[Work, Notice, list[Account]], None]] = {
    "status": _status,
    "message": _message,
    "preference": _preference,
    "message_template_status_update": _template_status,
    "message_template_quality_update": _template_quality,
    "template_category_update": _category,
    "phone_number_quality_update": _number_quality,
    "business_capability_update": _limit,
    "account_update": _account,
}


def _template(work: Work, named: Any, accounts: list[Account]) -> Template | None:
    """Return the template that is meant, by WhatsApp's id or else by its name; remember the id."""
    key = str(named.message_template_id)
    living = sa.select(Template).where(
        Template.account_id.in_([account.id for account in accounts]), Template.deleted_at.is_(None)
    )
    by_id = living.where(Template.meta_template_id == key)
    by_name = living.where(
        Template.name == named.message_template_name, Template.language == named.message_template_language
    )
    template = work.session.execute(by_id.limit(1)).scalar_one_or_none() if key else None
    if template is None:
        template = work.session.execute(by_name.limit(1)).scalar_one_or_none()
        if template is not None and key:
            template.meta_template_id = key
    return template


def _profile(profiles: list[notices.Profile], wa_id: str, user_id: str) -> notices.Profile:
    """Return what is said about a person, who is named by a number, by an id, or by both."""
    for one in profiles:
        if (one.user_id and one.user_id == user_id) or (one.wa_id and one.wa_id == wa_id):
            return one
    return notices.Profile()


def _person(profile: notices.Profile, *, wa_id: str, user_id: str) -> identities.Person | None:
    number = profile.wa_id or wa_id
    key = profile.user_id or user_id
    if not number and not key:
        return None
    return identities.Person(
        phone=f"+{number.removeprefix('+')}" if number else None,
        bsuid=key or None,
        username=profile.username or None,
        name=profile.profile.name.strip() or None,
    )


def _of_number(accounts: list[Account], phone_number_id: str) -> Account | None:
    return next((one for one in accounts if one.phone_number_id == phone_number_id), None)


def _rejection(value: notices.TemplateStatus) -> str | None:
    if value.rejection_info is not None and value.rejection_info.reason:
        return f"{value.rejection_info.reason} {value.rejection_info.recommendation}".strip()[:_LONGEST]
    reason = value.reason or ""
    return None if reason in ("", "NONE") else reason.replace("_", " ").capitalize()[:_LONGEST]


def _tell_limit(work: Work, said: str | int | None) -> None:
    if said is not None:
        standings.change_limit(work, _TIERS.get(str(said).upper(), str(said)))


def _at(work: Work, seconds: Any) -> datetime:
    """Return an instant that WhatsApp wrote in seconds; now when it wrote none."""
    count = notices.number(seconds)
    if not 0 < count < 2**33:
        return work.now()
    return datetime.fromtimestamp(count, UTC)
