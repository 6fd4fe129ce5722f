"""Ordinary days: people come, look after contacts and templates, and go; customers write and stop messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from sendero.service import contacts, headers, merge, reviews, templates
from sendero.story.cast import PEOPLE, Person
from sendero.story.clock import ZONE
from sendero.story.outside import Outside
from sendero.story.people import CITIES, TAGS, birthday, email_of
from sendero.story.teller import Teller
from sendero.story.texts import DIWALI, DRAFTS, EDITS, OFFERS, ORDER_UPDATE, SUMMER, TRIAL
from sendero.tables import Account, Template
from whodid import Reason

__all__ = ["edit", "hand_in", "plan_days"]

_WEEKDAYS = (1.0, 1.12, 1.15, 1.05, 0.85, 0.22, 0.1)
_DELETIONS = (
    Reason(code="asked_to_be_removed", text="Asked to be removed by e-mail"),
    Reason(code="asked_to_be_removed", text="Asked to be removed by phone"),
    Reason(code="wrong_number", text="The number belongs to somebody else now"),
    Reason(code="duplicate"),
    Reason(code="test_data"),
    None,
)
_PLANTED = tuple(text["name"] for text in (DIWALI, ORDER_UPDATE, SUMMER, TRIAL, *OFFERS))


def plan_days(teller: Teller, outside: Outside, start: datetime, end: datetime, times: int) -> None:
    """Put the ordinary days between two instants on the agenda.

    Args:
        times: How many times the usual happens on them.
    """
    day = start.astimezone(ZONE).date()
    last = end.astimezone(ZONE).date()
    number = 0
    while day <= last:
        busy = _WEEKDAYS[day.weekday()] * (0.96 + 0.0035 * number)  # the shop grows a little
        for person in PEOPLE:
            if person.since is None or end - datetime.combine(day, time(8), ZONE) < timedelta(days=person.since):
                _plan_person(teller, outside, person, datetime.combine(day, time(), ZONE), busy=busy, times=times)
        _plan_customers(teller, outside, datetime.combine(day, time(), ZONE), busy=busy, times=times)
        teller.at(datetime.combine(day, time(4), ZONE), teller.sweep)
        day += timedelta(days=1)
        number += 1


def _plan_person(
    teller: Teller, outside: Outside, person: Person, midnight: datetime, *, busy: float, times: int
) -> None:
    dice = teller.dice
    weekend = busy < 0.4
    if dice.random() > (0.16 if weekend else 0.92 if person.acts > 3 else 0.55):
        return
    opens, closes = person.day
    begin = midnight + timedelta(hours=opens + dice.gauss(0, 0.25))
    end = midnight + timedelta(hours=(opens + 3 if weekend else closes) + dice.gauss(0, 0.4))
    teller.at(begin, lambda: teller.sign_in(person))
    many = max(0, round(dice.gauss(person.acts * busy, person.acts * 0.3))) * times
    for _ in range(many):
        when = begin + (end - begin) * dice.betavariate(1.6, 1.9)
        # Work comes in runs: one thing after the other, seconds apart.
        for step in range(dice.choices((1, 2, 3), (70, 22, 8))[0]):
            teller.at(when + timedelta(seconds=step * dice.uniform(9, 40)), _ordinary(teller, outside, person))
    if person.key in ("elena", "aisha") and dice.random() < 0.3:
        teller.at(begin + timedelta(minutes=dice.uniform(4, 40)), lambda: teller.open_log(person))
    if dice.random() < 0.85:
        teller.at(end, lambda: teller.sign_out(person))


def _ordinary(teller: Teller, outside: Outside, person: Person) -> Callable[[], None]:
    """Return something that somebody does on an ordinary day."""
    manages = person.role in ("Owner", "Manager", "Admin")
    acts: list[tuple[Callable[[Teller, Person], None], float]] = [
        (_update, 66),
        (_create, 15),
        (_consent, 7),
        (_delete, 6 if manages else 0),
        (_merge, 4 if manages else 0),
        (
            lambda teller, person: _template(teller, outside, person),
            34 if person.role == "Marketing" else 1 if manages else 0,
        ),
    ]
    chosen = teller.dice.choices([act for act, _ in acts], [weight for _, weight in acts])[0]

    def act() -> None:
        if teller.is_in(person):
            chosen(teller, person)

    return act


def _update(teller: Teller, person: Person) -> None:
    dice = teller.dice
    with teller.acting(person) as work:
        contact = teller.contact()
        what = dice.choices(
            ("tags", "city", "stage", "owner", "email", "birthday", "points"), (34, 14, 16, 12, 9, 6, 9)
        )[0]
        changed: dict[str, Any]
        match what:
            case "tags":
                fresh = [tag for tag in TAGS if tag not in contact.tags]
                tags = list(contact.tags)
                if tags and (not fresh or dice.random() < 0.35):
                    tags.remove(dice.choice(tags))
                if fresh and (len(tags) == len(contact.tags) or dice.random() < 0.2):
                    tags.append(dice.choice(fresh))
                changed = {"tags": tags}
            case "city":
                changed = {"city": dice.choice(CITIES)}
            case "stage":
                changed = {"lifecycle": dice.choice([one for one in contacts.LIFECYCLES if one != contact.lifecycle])}
            case "owner":
                changed = {
                    "owner_user_id": teller.people[dice.choice(("carlos", "nuria", "hugo", "maria", "sofia"))].id
                }
            case "email":
                changed = {"email": email_of(f"{contact.name} Casa", dice)}
            case "birthday":
                changed = {"birthday": birthday(dice)}
            case _:
                changed = {"custom": {**contact.custom, "loyalty_points": dice.randrange(10, 900)}}
        contacts.update(work, contact, changed)


def _create(teller: Teller, person: Person) -> None:
    values = teller.customer()
    with teller.acting(person) as work:
        if "consent" in values:
            values["consent"]["captured_at"] = work.now()
        teller.contacts.append(contacts.create(work, values))


def _consent(teller: Teller, person: Person) -> None:
    with teller.acting(person) as work:
        contact = teller.contact()
        if contact.consent_source == "whatsapp" and contact.consent_marketing == "opted_out":
            return
        if contact.consent_marketing == "opted_in":
            contacts.change_consent(work, contact, "opted_out", "phone", "Said so on the phone")
        else:
            contacts.change_consent(work, contact, "opted_in", "in_person", "Signed card in the shop")


def _delete(teller: Teller, person: Person) -> None:
    with teller.acting(person) as work:
        contact = teller.contact()
        contacts.delete(work, contact, teller.dice.choice(_DELETIONS))
        teller.gone(contact)


def _merge(teller: Teller, person: Person) -> None:
    """Find out that a customer was typed in twice, and merge the two."""
    dice = teller.dice
    with teller.acting(person) as work:
        contact = teller.contact()
        twin = teller.customer() | {"name": contact.name, "phone_e164": contact.phone_e164, "custom": {}}
        twin.pop("consent", None)
        double = contacts.create(work, twin, source="inbound")
        merge.merge(work, merge.plan(contact, double, {"city": "absorbed"} if dice.random() < 0.3 else {}))


def _template(teller: Teller, outside: Outside, person: Person) -> None:
    """Write a new template, or better an old one; WhatsApp reviews either."""
    dice = teller.dice
    listed = templates.listing(teller.work)
    fresh = [draft for draft in DRAFTS if draft["name"] not in {template.name for template in listed}]
    can = [one for one in listed if one.name not in _PLANTED and not templates.editable(one, teller.work.now())]
    if fresh and (not can or dice.random() < 0.3):
        template = hand_in(teller, person, dice.choice(fresh))
    elif can:
        chosen = dice.choice(can)
        values = _as_form(chosen)
        old, new = dice.choice(EDITS.get(chosen.language, EDITS["es"]))
        if old in values["body"]:
            values["body"] = values["body"].replace(old, new)
        elif new in values["body"]:
            values["body"] = values["body"].replace(new, old)
        else:
            values["footer"] = dice.choice(("Casa Lumen, Madrid", "Responde BAJA para no recibir más mensajes", ""))
        if not edit(teller, person, chosen, values):
            return
        template = chosen
    else:
        return
    outside.review(template, minutes=dice.uniform(2, 28), reject=dice.random() < 0.1)


def hand_in(teller: Teller, person: Person, text: Mapping[str, Any]) -> Template:
    """Write a template as somebody, and hand it in for review."""
    values = templates.checked(text)
    account = teller.work.session.execute(
        sa.select(Account).where(Account.is_default_out, Account.deleted_at.is_(None))
    ).scalar_one()
    ask = reviews.to_hand_in(teller.work, account)
    with teller.apart():
        answer = ask(values)
    with teller.acting(person) as work:
        template = templates.create(work, work.get(Account, account.id), values, submitted=True)
        reviews.note(work, template, answer)
    return template


def edit(teller: Teller, person: Person, template: Template, text: Mapping[str, Any]) -> bool:
    """Change a template as somebody, and hand it in for review; returns whether anything changed."""
    values = templates.checked(text)
    if not templates.check_edit(teller.work, template, values):
        return False
    ask = reviews.to_edit(teller.work, template)
    with teller.apart():
        answer = ask(values)
    with teller.acting(person) as work:
        cause = templates.edit(work, template, values)
        reviews.note(work, template, answer)
        if cause is not None:
            reviews.changed(work, template, cause)
    return True


def _plan_customers(teller: Teller, outside: Outside, midnight: datetime, *, busy: float, times: int) -> None:
    """Customers write for the first time, and stop or allow marketing messages, at any hour."""
    dice = teller.dice
    for _ in range(round(dice.gauss(5 + 4 * busy, 2)) * times):
        when = midnight + timedelta(hours=8 + 15 * dice.betavariate(1.8, 1.8))
        teller.at(when, lambda: _first_message(teller, outside))
    for _ in range(round(dice.gauss(2.2 + busy, 1)) * times):
        when = midnight + timedelta(hours=7 + 16 * dice.betavariate(1.5, 1.5))
        teller.at(when, lambda: _preference(teller, outside))


def _first_message(teller: Teller, outside: Outside) -> None:
    values = teller.customer()
    bsuid = f"ES.{teller.dice.randrange(10**19, 10**20)}"
    teller.contacts.append(outside.writes(values["name"], values["phone_e164"], bsuid))


def _preference(teller: Teller, outside: Outside) -> None:
    contact = teller.contact()
    outside.prefers(contact, marketing=contact.consent_marketing == "opted_out")


def _as_form(template: Template) -> dict[str, Any]:
    """Return a template as the form for editing it does."""
    parts = template.components
    return {
        "name": template.name,
        "display_name": template.display_name,
        "language": template.language,
        "category": template.category,
        **headers.form_of(parts),
        "body": parts["body"]["text"],
        "samples": parts["body"]["samples"],
        "footer": parts.get("footer", {}).get("text", ""),
        "buttons": [
            {"type": one["type"], "text": one["text"], "value": one.get("url") or one.get("phone") or ""}
            for one in parts.get("buttons", [])
        ],
    }
