"""What somebody can make the WhatsApp of the demo do. Every act is WhatsApp's own, and told through the webhook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from sendero.errors import Conflict, Invalid, Missing
from sendero.phones import e164
from sendero.service.reviews import PAUSES
from sendero.whatsapp import demo_post, demo_state
from sendero.whatsapp.demo import DemoWhatsApp

__all__ = ["LIMITS", "NUMBER_ACTS", "PERSON_ACTS", "TEMPLATE_ACTS", "numbers", "play", "templates"]

_DAY = 86400.0

LIMITS = {
    "TIER_250": "250",
    "TIER_2K": "2000",
    "TIER_10K": "10000",
    "TIER_100K": "100000",
    "TIER_UNLIMITED": "unlimited",
}
"""What WhatsApp calls a messaging limit → what we call it."""


def templates(whatsapp: DemoWhatsApp) -> list[dict[str, Any]]:
    """Return the templates that WhatsApp has, in order of their names."""
    return _all(whatsapp, sa.select(demo_state.templates).order_by(demo_state.templates.c.name))


def numbers(whatsapp: DemoWhatsApp) -> list[dict[str, Any]]:
    """Return the numbers that WhatsApp has."""
    return _all(whatsapp, sa.select(demo_state.numbers).order_by(demo_state.numbers.c.display))


def play(whatsapp: DemoWhatsApp, act: str, key: str, choice: str = "") -> None:
    """Make WhatsApp do something, and tell of it at once.

    Args:
        act: One of the acts.
        key: Id of the template or the number, or the telephone number of a person.
        choice: What the act leaves open: a category, a messaging limit.

    Raises:
        Missing: There is no such act, template or number.
        Conflict: The state of things does not allow it.
        Invalid: It is not a telephone number.
    """
    whatsapp.meet()
    now = whatsapp.now()
    with whatsapp.state.begin() as state:
        if act in TEMPLATE_ACTS:
            TEMPLATE_ACTS[act](state, _one(state, demo_state.templates, key), choice, now)
        elif act in NUMBER_ACTS:
            NUMBER_ACTS[act](state, _one(state, demo_state.numbers, key), choice, now)
        elif act in PERSON_ACTS:
            _prefer(state, key, PERSON_ACTS[act], now)
        else:
            raise Missing
    whatsapp.tick()


def _approve(state: sa.Connection, template: Mapping[str, Any], _: str, now: float) -> None:
    _must_be(template, "pending")
    demo_post.reviewed(state, template, "approved", now)


def _reject(state: sa.Connection, template: Mapping[str, Any], _: str, now: float) -> None:
    _must_be(template, "pending")
    demo_post.reviewed(state, template, "TAG_CONTENT_MISMATCH", now)


def _pause(state: sa.Connection, template: Mapping[str, Any], _: str, now: float) -> None:
    """Pause for the first or the second time; the third time the template is disabled."""
    _must_be(template, "approved")
    count = template["pauses"] + 1
    if count not in PAUSES:
        _disable(state, template, "", now)
        return
    hours = int(PAUSES[count].total_seconds() // 3600)
    demo_post.set_template(state, template, status="paused", pauses=count, until=now + PAUSES[count].total_seconds())
    text = f"Your WhatsApp message template has been paused for {hours} hours because it continued to have issues."
    other = {"title": "FIRST_PAUSE" if count == 1 else "SECOND_PAUSE", "description": text}
    demo_post.tell_template(state, template, "PAUSED", now, other_info=other)


def _unpause(state: sa.Connection, template: Mapping[str, Any], _: str, now: float) -> None:
    _must_be(template, "paused")
    demo_post.set_template(state, template, status="approved", until=None)
    other = {"title": "UNPAUSE", "description": "Your WhatsApp message template has been unpaused."}
    demo_post.tell_template(state, template, "APPROVED", now, other_info=other)


def _disable(state: sa.Connection, template: Mapping[str, Any], _: str, now: float) -> None:
    _must_be(template, "approved", "paused")
    demo_post.set_template(state, template, status="disabled", until=None)
    other = {"title": "DISABLED", "description": "Your WhatsApp message template has been disabled."}
    demo_post.tell_template(state, template, "DISABLED", now, other_info=other)


def _flag(state: sa.Connection, template: Mapping[str, Any], _: str, now: float) -> None:
    _must_be(template, "approved")
    demo_post.tell_template(state, template, "FLAGGED", now, disable_info={"disable_date": str(int(now + 7 * _DAY))})


def _archive(state: sa.Connection, template: Mapping[str, Any], _: str, now: float) -> None:
    _must_be(template, "approved")
    demo_post.set_template(state, template, status="archived")
    demo_post.tell_template(state, template, "ARCHIVED", now)


def _unarchive(state: sa.Connection, template: Mapping[str, Any], _: str, now: float) -> None:
    _must_be(template, "archived")
    demo_post.set_template(state, template, status="approved")
    demo_post.tell_template(state, template, "UNARCHIVED", now)


def _category(state: sa.Connection, template: Mapping[str, Any], choice: str, now: float) -> None:
    if choice not in ("marketing", "utility", "authentication") or choice == template["category"]:
        raise Conflict("Choose another category than the present one.")
    demo_post.recategorized(state, template, choice, now)


def _rated(rating: str) -> Callable[[sa.Connection, Mapping[str, Any], str, float], None]:
    def rate(state: sa.Connection, number: Mapping[str, Any], _: str, now: float) -> None:
        status, until, event = number["status"], number["until"], "UNFLAGGED"
        if rating == "red":
            event = "FLAGGED"
            status, until = ("flagged", now + 7 * _DAY) if status == "connected" else (status, until)
        elif status == "flagged":
            status, until = "connected", None
        demo_post.set_number(state, number, quality=rating, status=status, until=until)
        told = event if number["status"] in ("connected", "flagged") else ""
        demo_post.tell_quality(state, number, told, rating, now)

    return rate


def _restrict(state: sa.Connection, number: Mapping[str, Any], _: str, now: float) -> None:
    demo_post.set_number(state, number, status="restricted", until=now + _DAY)
    kinds = [{"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": int(now + _DAY)}]
    demo_post.tell_account(state, number, {"event": "ACCOUNT_RESTRICTION", "restriction_info": kinds}, now)


def _ban(state: sa.Connection, number: Mapping[str, Any], _: str, now: float) -> None:
    demo_post.set_number(state, number, status="banned", until=None)
    value = {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}
    demo_post.tell_account(state, number, value, now)


def _disconnect(state: sa.Connection, number: Mapping[str, Any], _: str, now: float) -> None:
    demo_post.set_number(state, number, status="disconnected", until=None)
    demo_post.tell_account(state, number, {"event": "PARTNER_REMOVED"}, now)


def _reconnect(state: sa.Connection, number: Mapping[str, Any], _: str, now: float) -> None:
    demo_post.set_number(state, number, status="connected", until=None)
    value = {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}}
    demo_post.tell_account(state, number, value, now)


def _limit(state: sa.Connection, number: Mapping[str, Any], choice: str, now: float) -> None:
    if choice not in LIMITS:
        raise Missing
    value = {
        "display_phone_number": "".join(sign for sign in number["display"] if sign.isdigit()),
        "event": "UPGRADE",
        "max_daily_conversations_per_business": choice,
    }
    demo_post.tell(state, number["waba_id"], "phone_number_quality_update", value, now)


TEMPLATE_ACTS: Mapping[str, Callable[[sa.Connection, Mapping[str, Any], str, float], None]] = {
    "approve": _approve,
    "reject": _reject,
    "pause": _pause,
    "unpause": _unpause,
    "disable": _disable,
    "flag": _flag,
    "archive": _archive,
    "unarchive": _unarchive,
    "category": _category,
}
"""What can happen to a template."""

NUMBER_ACTS: Mapping[str, Callable[[sa.Connection, Mapping[str, Any], str, float], None]] = {
    "green": _rated("green"),
    "yellow": _rated("yellow"),
    "red": _rated("red"),
    "restrict": _restrict,
    "ban": _ban,
    "disconnect": _disconnect,
    "reconnect": _reconnect,
    "limit": _limit,
}
"""What can happen to a number."""

PERSON_ACTS = {"stop": True, "resume": False}
"""What a person can decide: whether marketing messages are stopped."""


def _prefer(state: sa.Connection, typed: str, stopped: bool, now: float) -> None:  # noqa: FBT001 - one of two values
    phone = e164(typed)
    if phone is None:
        raise Invalid({"person": "This is not a phone number. Write it like +34 611 204 880."})
    numbers = state.execute(sa.select(demo_state.numbers).order_by(demo_state.numbers.c.id)).mappings().all()
    if not numbers:
        raise Conflict("Connect a WhatsApp account first.")
    people = demo_state.people
    state.execute(people.delete().where(people.c.id == phone))
    state.execute(people.insert().values(id=phone, stopped=stopped))
    digits = phone.removeprefix("+")
    for number in numbers:  # what somebody decides about a business, each of its numbers tells
        value = {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": number["display"], "phone_number_id": number["id"]},
            "contacts": [{"wa_id": digits}],
            "user_preferences": [
                {
                    "wa_id": digits,
                    "detail": f"User requested to {'stop' if stopped else 'resume'} marketing messages",
                    "category": "marketing_messages",
                    "value": "stop" if stopped else "resume",
                    "timestamp": int(now),
                }
            ],
        }
        demo_post.tell(state, number["waba_id"], "user_preferences", value, now)


def _must_be(template: Mapping[str, Any], *statuses: str) -> None:
    if template["status"] not in statuses:
        raise Conflict("There is no way from this status to that one.")


def _one(state: sa.Connection, table: sa.Table, key: str) -> Mapping[str, Any]:
    found = demo_state.one(state, sa.select(table).where(table.c.id == key))
    if found is None:
        raise Missing
    return found


def _all(whatsapp: DemoWhatsApp, query: sa.Select[Any]) -> list[dict[str, Any]]:
    whatsapp.meet()
    with whatsapp.state.begin() as state:
        return demo_state.rows(state, query)
