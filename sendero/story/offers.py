"""The campaigns of the story: whom they are for, when they run, and what comes between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from sendero.service import campaigns, running, segments
from sendero.story.calendar import Calendar
from sendero.story.cast import PEOPLE
from sendero.story.clock import ZONE
from sendero.story.outside import Outside
from sendero.story.sending import Sending
from sendero.story.teller import Teller
from sendero.tables import Campaign, Segment, Template
from sendero.work import Work
from whodid import Reason

__all__ = ["plan_campaigns"]

_WHO = {person.key: person for person in PEOPLE}
_PAYMENT = 131042

_SEGMENTS: dict[str, dict[str, Any]] = {
    "May get offers": {"consent": ["opted_in"]},
    "Madrid, may get offers": {"consent": ["opted_in"], "city": ["Madrid"]},
    "Barcelona, may get offers": {"consent": ["opted_in"], "city": ["Barcelona"]},
    "Newsletter": {"consent": ["opted_in"], "tags": ["newsletter"]},
    "Architects": {"tags": ["architect"]},
    "Customers in Toledo": {"lifecycle": ["customer"], "city": ["Toledo"]},
}


class _Offer(Struct, frozen=True, kw_only=True):
    """A campaign.

    Args:
        days: So many days before the end it starts.
        at: When on that day.
        minutes: How long it takes, more or less, to send.
        then: What else happens to it: minutes after its start, and which act.
    """

    name: str
    segment: str
    template: str
    days: int
    at: str = "10:30"
    texts: tuple[str, ...] = ("{first_name}", "la serie Duna")
    minutes: int = 40
    window: str = ""
    by: str = "priya"
    then: tuple[tuple[float, str], ...] = ()


_NEWS, _SALE, _POINTS, _AFTER = "novedades_lumen", "rebajas_lumen", "puntos_lumen", "seguimiento_pedido"
_PICTURES = {_SALE: "https://casalumen.es/ofertas/rebajas.jpg"}
"""What the templates with a picture above are sent with."""
_OFFERS = (
    _Offer(name="Back from summer", segment="Madrid, may get offers", template=_NEWS, days=87),
    _Offer(name="Autumn collection", segment="Newsletter", template=_NEWS, days=80, at="11:00"),
    _Offer(name="Showroom opening", segment="Barcelona, may get offers", template=_NEWS, days=74, by="maria"),
    _Offer(
        name="Order follow-up September",
        segment="Customers in Toledo",
        template=_AFTER,
        days=67,
        texts=("{first_name}",),
        by="sofia",
    ),
    _Offer(name="Duna series", segment="Madrid, may get offers", template=_NEWS, days=60, at="12:15"),
    _Offer(
        name="Evening for architects", segment="Architects", template=_NEWS, days=54, at="09:45", window="09:00-19:00"
    ),
    _Offer(
        name="Loyalty points, October",
        segment="Newsletter",
        template=_POINTS,
        days=46,
        at="21:40",
        texts=("{first_name}", "31 de octubre"),
        minutes=190,
    ),
    _Offer(name="Autumn collection, second call", segment="Barcelona, may get offers", template=_NEWS, days=39),
    _Offer(
        name="Terrace clearance",
        segment="Madrid, may get offers",
        template=_SALE,
        days=32,
        texts=("{first_name}", "25 %"),
        then=((8, "slower"), (25, "pause"), (95, "resume")),
    ),
    _Offer(
        name="Order follow-up October",
        segment="Customers in Toledo",
        template=_AFTER,
        days=25,
        texts=("{first_name}",),
        by="sofia",
        then=((0, "no_payment"), (140, "resume")),
    ),
    _Offer(name="Lamps for long evenings", segment="Newsletter", template=_NEWS, days=18, at="11:30"),
    _Offer(name="Advent preview", segment="Madrid, may get offers", template=_NEWS, days=11),
    _Offer(
        name="Loyalty points reminder",
        segment="Newsletter",
        template=_POINTS,
        days=6,
        at="20:45",
        texts=("{first_name}", "31 de diciembre"),
        minutes=120,
    ),
    _Offer(
        name="Order follow-up",
        segment="Customers in Toledo",
        template=_AFTER,
        days=3,
        at="12:00",
        texts=("{first_name}",),
        by="sofia",
        then=((0, "no_payment"), (130, "resume")),
    ),
    _Offer(
        name="Winter lights",
        segment="Madrid, may get offers",
        template=_NEWS,
        days=4,
        minutes=60,
        then=((12, "pause"), (55, "resume"), (235, "resume")),
    ),
    _Offer(
        name="Winter clearance",
        segment="May get offers",
        template=_SALE,
        days=2,
        at="11:20",
        texts=("{first_name}", "30 %"),
        then=((16, "cancel"),),
    ),
    _Offer(name="Showroom in Barcelona", segment="Barcelona, may get offers", template=_NEWS, days=1, by="maria"),
)


def plan_campaigns(teller: Teller, outside: Outside, calendar: Calendar) -> None:
    """Put the segments and campaigns on the agenda."""
    _plan_segments(calendar)
    stage = _Stage(teller, calendar, Sending(teller), outside)
    for offer in _OFFERS:
        at = calendar.instant(offer.days, offer.at)
        made = calendar.day_before(at, "16:10")
        if made > calendar.start + timedelta(hours=1):
            _Told(stage, offer, at).plan(made)
    _plan_drafts(calendar)
    at = calendar.end - timedelta(minutes=52)
    diwali = _Offer(
        name="Diwali early access",
        segment="May get offers",
        template="diwali_offer_2026",
        days=0,
        minutes=88,
        texts=("{first_name}", "15 %"),
        then=((38, "bad_template"),),
    )
    _Told(stage, diwali, at).plan(calendar.end - timedelta(hours=4, minutes=9))


class _Stage(Struct):
    """What every campaign of the story needs."""

    teller: Teller
    calendar: Calendar
    sending: Sending
    outside: Outside


class _Told:
    """One campaign, from its first draft on."""

    def __init__(self, stage: _Stage, offer: _Offer, at: datetime) -> None:
        self._teller, self._calendar = stage.teller, stage.calendar
        self._sending, self._outside = stage.sending, stage.outside
        self._offer, self._at = offer, at
        self._key = ""

    def plan(self, made: datetime) -> None:
        """Put it on the agenda."""
        person = _WHO[self._offer.by]
        self._teller.at(made, self._calendar.by(person, lambda work, _: self._create(work)))
        self._teller.at(made + timedelta(minutes=6), self._calendar.by(person, lambda work, _: self._schedule(work)))
        # The scheduler looks every two seconds.
        self._teller.at(self._at + timedelta(seconds=1), lambda: self._sending.look(self._key))
        for minutes, act in self._offer.then:
            self._teller.at(self._at + timedelta(minutes=minutes), self._act(act))

    def _create(self, work: Work) -> None:
        values = campaigns.checked(work, _form(work, self._offer, self._at))
        self._key = campaigns.create(work, values).id

    def _schedule(self, work: Work) -> None:
        campaigns.schedule(work, work.get(Campaign, self._key))

    def _act(self, act: str) -> Callable[[], None]:
        offer, by = self._offer, self._calendar.by
        person = _WHO[offer.by]

        def campaign(work: Work) -> Campaign:
            found = work.get(Campaign, self._key)
            work.session.refresh(found)
            return found

        def pause(work: Work, _: object) -> None:
            if (found := campaign(work)).status == "running":
                why = Reason(code="manual", text="The link leads to the old collection")
                running.pause(work, found, why)

        def resume(work: Work, _: object) -> None:
            if (found := campaign(work)).status != "paused":
                return
            running.resume(work, found)
            self._teller.at(self._teller.clock.now() + timedelta(seconds=2), lambda: self._sending.go(self._key))

        def cancel(work: Work, _: object) -> None:
            if (found := campaign(work)).status not in campaigns.ENDED:
                why = Reason(code="manual", text="Wrong audience: it included people who had opted out")
                running.cancel(work, found, why)

        def slower(work: Work, _: object) -> None:
            if (found := campaign(work)).status in campaigns.ENDED:
                return
            values = {name: getattr(found, name) for name in campaigns.FIELDS}
            campaigns.update(work, found, values | {"rate_per_minute": max(1, found.rate_per_minute // 2)})

        acts: dict[str, Callable[[], None]] = {
            "pause": by(person, pause),
            "resume": by(person, resume),
            "cancel": by(person, cancel),
            "slower": by(person, slower),
            "no_payment": lambda: self._sending.expect(self._key, _PAYMENT, after=5),
            "bad_template": self._bad_template,
        }
        return acts[act]

    def _bad_template(self) -> None:
        self._outside.of_template("pause", self._offer.template)


def _form(work: Work, offer: _Offer, at: datetime | None) -> dict[str, Any]:
    """Return a campaign as its form does."""
    template = work.session.execute(
        sa.select(Template.id).where(Template.name == offer.template, Template.deleted_at.is_(None))
    ).scalar_one()
    segment = work.session.execute(
        sa.select(Segment).where(Segment.name == offer.segment, Segment.deleted_at.is_(None))
    ).scalar_one()
    rate = max(1, segments.count(work, segment.filter) // offer.minutes)
    return {
        "name": offer.name,
        "template_id": template,
        "segment_id": segment.id,
        "variables": offer.texts,
        "header_link": _PICTURES.get(offer.template, ""),
        "schedule_at": "" if at is None else at.astimezone(ZONE).replace(tzinfo=None).isoformat(),
        "window": offer.window,
        "rate_per_minute": str(rate),
    }


def _plan_segments(calendar: Calendar) -> None:
    priya = _WHO["priya"]

    def create(name: str, rule: dict[str, Any]) -> Callable[[], None]:
        return calendar.by(priya, lambda work, _: segments.create(work, segments.checked({"name": name, **rule})))

    for number, (name, rule) in enumerate(_SEGMENTS.items()):
        calendar.ago(create(name, rule), days=92, hours=4, minutes=-9 * number)
    calendar.ago(create("Black Friday, window shoppers", {"tags": ["black-friday"]}), days=43, hours=3)

    def widen(work: Work, _: object) -> None:
        rule = {"lifecycle": ["customer"], "city": ["Toledo", "Segovia"]}
        values = segments.checked({"name": "Customers in Toledo", **rule})
        segments.update(work, _segment(work, "Customers in Toledo"), values)

    def drop(work: Work, _: object) -> None:
        segments.delete(work, _segment(work, "Black Friday, window shoppers"), Reason(code="not_used"))

    calendar.ago(calendar.by(priya, widen), days=28, hours=4)
    calendar.ago(calendar.by(priya, drop), days=3, hours=5)


def _plan_drafts(calendar: Calendar) -> None:
    """Plan what is never sent: a draft that is deleted, one that waits, and a campaign of the days to come."""
    priya, sofia = _WHO["priya"], _WHO["sofia"]
    kept: dict[str, str] = {}

    def create(name: str, template: str, texts: tuple[str, ...], at: datetime | None = None) -> Callable[..., None]:
        offer = _Offer(name=name, segment="Newsletter", template=template, days=0, texts=texts)

        def act(work: Work, _: object) -> None:
            made = campaigns.create(work, campaigns.checked(work, _form(work, offer, at)))
            kept[name] = made.id
            if at is not None:
                campaigns.schedule(work, made)

        return act

    def drop(work: Work, _: object) -> None:
        campaigns.delete(work, work.get(Campaign, kept["Test 3"]))

    news = ("{first_name}", "los horarios de Navidad")
    calendar.ago(calendar.by(priya, create("Test 3", _NEWS, ("{first_name}", "una prueba"))), days=3, hours=4)
    calendar.ago(calendar.by(priya, drop), days=3, hours=3.8)
    calendar.ago(calendar.by(sofia, create("Christmas opening hours", _NEWS, news)), days=1, hours=5)

    def cancel(work: Work, _: object) -> None:
        why = Reason(code="manual", text="The prices are not final yet")
        running.cancel(work, work.get(Campaign, kept["Flash weekend"]), why)

    soon = calendar.instant(0, "10:00") + timedelta(days=1)
    calendar.ago(calendar.by(sofia, create("Flash weekend", _SALE, ("{first_name}", "40 %"), soon)), days=5, hours=3)
    calendar.ago(calendar.by(sofia, cancel), days=1, hours=2)
    monday = calendar.instant(0, "10:00") + timedelta(days=7)
    calendar.ago(
        calendar.by(sofia, create("December offers", _SALE, ("{first_name}", "20 %"), monday)), days=1, hours=4.5
    )


def _segment(work: Work, name: str) -> Segment:
    query = sa.select(Segment).where(Segment.name == name, Segment.deleted_at.is_(None))
    return work.session.execute(query).scalar_one()
