"""The first start: what was there before the log, and the story from then until now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from sendero.installation import Installation, Settings
from sendero.permissions import BUILTIN
from sendero.service import accounts, contacts, roles, templates, users
from sendero.story.calendar import Calendar
from sendero.story.cast import LUMEN, MARKETING, PEOPLE
from sendero.story.clock import Punctual, StoryClock, working_time
from sendero.story.days import plan_days
from sendero.story.issuer import Issuer
from sendero.story.offers import plan_campaigns
from sendero.story.outside import Outside
from sendero.story.programs import TRIAL_LIFE, Programs
from sendero.story.settings import plan_settings
from sendero.story.teller import Teller
from sendero.story.texts import TEMPLATES
from sendero.story.threads import account, plan_threads
from sendero.tables import Workspace, outbox
from sendero.web.app import application
from sendero.whatsapp.demo import DemoWhatsApp
from sendero.work import Work
from whodid import Actor
from whodid.capture import Relay, context

__all__ = ["DAYS", "OWNER", "tell"]

DAYS = 95
OWNER = PEOPLE[0].email

_BEFORE = 1100  # contacts that were there before the log, for a story of full length
_FEWEST = 240  # and for the shortest
_REVIEW = 1800.0  # seconds after which the demo's WhatsApp reviews a template by itself
_INSTALLER = Actor(type="system", id="sendero", name="Sendero")


def tell(
    settings: Settings,
    *,
    seed: int = 2026,
    days: int = DAYS,
    times: int = 1,
    end: datetime | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> str:
    """Fill a new installation with the story, ending now.

    The same seed and the same end tell the same story.

    Args:
        settings: Where; there is no workspace yet.
        days: How long it is.
        times: How many times the usual happens on an ordinary day; what was planted happens once.
        end: The present of the story.
        progress: Called now and then with the part that was told, 0 to 1.

    Returns:
        The owner's password; it is kept nowhere but as a hash.
    """
    end = working_time(end or datetime.now(UTC))
    start = end - timedelta(days=days)
    dice = Random(f"{seed}")  # noqa: S311 - a story, not a secret
    clock = StoryClock(start - timedelta(days=400))
    # Whatever WhatsApp it will be: none but the demo's has a part in the story.
    settings = msgspec.structs.replace(settings, provider="demo")
    with ExitStack() as opened:
        home = Installation(settings, clock=clock.now, log_clock=clock.log_now, entropy=dice.randbytes)
        opened.enter_context(home)
        home.relay = Relay(home.outbox, Punctual(home.log, clock))
        home.fetch = issuer = Issuer(clock.now)
        home.provider = whatsapp = opened.enter_context(closing(DemoWhatsApp(home, review=_REVIEW)))
        session = opened.enter_context(home.session())
        with context(actor=_INSTALLER):
            work = Work(home, session, _workspace(session, clock.now()))
        teller = Teller(work, clock, dice, issuer)
        outside = Outside(teller, whatsapp, application(home))
        with context(workspace=work.workspace.id):
            programs, calendar = Programs(teller, outside), Calendar(teller, start, end)
            password = _found(teller, programs, calendar, max(_FEWEST, _BEFORE * days // DAYS) * times)
            clock.to(start)
            plan_days(teller, outside, start, end, times)
            plan_threads(teller, outside, calendar)
            plan_settings(teller, outside, calendar)
            programs.plan(calendar)
            plan_campaigns(teller, outside, calendar)
            teller.tell(end, progress)
    return password


def _workspace(session: Session, now: datetime) -> Workspace:
    workspace = Workspace(
        id="wsp_" + "0" * 25 + "1",
        created_at=now,
        updated_at=now,
        name=LUMEN,
        slug="casa-lumen",
        timezone="Europe/Madrid",
        locale="es-ES",
        owner_user_id=None,
        portfolio_limit="10000",
        retention_days=90,
        quiet_hours="22-8",
    )
    session.add(workspace)
    session.flush()
    return workspace


def _found(teller: Teller, programs: Programs, calendar: Calendar, many: int) -> str:
    """Set the workspace up as it was when the log began, without entries: the log knows only what came after."""
    with teller.work.acting(actor=_INSTALLER):
        password = _people(teller)
        _things(teller, programs, calendar, many)
    teller.work.session.commit()
    teller.work.session.execute(sa.delete(outbox))
    teller.work.session.commit()
    return password


def _people(teller: Teller) -> str:
    work, clock = teller.work, teller.clock
    for name, (description, permissions) in BUILTIN.items():
        values = {"name": name, "description": description, "permissions": permissions}
        clock.to(clock.now() + timedelta(seconds=1))
        roles.create(work, None, values, builtin=True)
    roles.create(work, None, MARKETING)
    password = ""
    for person in PEOPLE:
        if person.since is not None:
            continue
        clock.to(clock.now() + timedelta(days=3))
        values, role = {"name": person.name, "email": person.email}, roles.by_name(work, person.role)
        if person.email == OWNER:
            user, password = users.create(work, None, values, role)
            work.workspace.owner_user_id = user.id
        else:
            # Without a password: nobody would know it, and `python -m sendero password` makes one.
            user = users.invite(work, None, values, role)
        user.status = "active"
        teller.people[person.key] = user
        work.touch(user)
    return password


def _things(teller: Teller, programs: Programs, calendar: Calendar, many: int) -> None:
    work, clock, start = teller.work, teller.clock, calendar.start
    shop = accounts.create(work, account("Casa Lumen Shop", "+34 910 555 014", teller))
    old = account("Old Madrid line", "+34 910 555 002", teller)
    accounts.create(work, old | {"is_default_in": False, "is_default_out": False})
    programs.found(work, teller.people["tomas"])
    for text in TEMPLATES:
        clock.to(clock.now() + timedelta(days=2))
        template = templates.create(work, shop, templates.checked(text), submitted=True)
        templates.change_status(work, template, "approved")
    span = (start - clock.now()) / (many + 1)
    trial: datetime | None = calendar.end - TRIAL_LIFE - timedelta(days=6)
    for _ in range(many):
        clock.to(clock.now() + span)
        if trial is not None and clock.now() >= trial - span:
            clock.to(max(clock.now(), trial))
            programs.trial(work, teller.people["tomas"])
            trial = None
        _contact(teller, teller.customer())
    carmen = {"name": "Carmen Ortega Lara", "phone_e164": "+34633470218", "email": "carmen.ortega@correo.example"}
    _contact(teller, carmen | {"city": "Madrid", "birthday": "1979-03-22", "lifecycle": "customer"}, hidden=True)
    juan = {"name": "Juan Pérez", "phone_e164": "+34655018342", "city": "Getafe", "tags": ["newsletter"]}
    _contact(teller, juan | {"lifecycle": "customer"}, hidden=True)
    ana = {
        "name": "Ana García López",
        "phone_e164": "+34611204880",
        "city": "Madrid",
        "tags": ["newsletter"],
        "lifecycle": "customer",
        "consent": _consent("opted_in", "form", "Web form, double opt-in", start - timedelta(days=200)),
    }
    double = {
        "name": "Ana Garcia",
        "phone_e164": "0611 204880",
        "email": "ana.gl@correo.example",
        "birthday": "--05-12",
        "city": "Getafe",
        "tags": ["newsletter", "ramadan-24"],
        "lifecycle": "customer",
        "consent": _consent("opted_in", "in_person", "Signed card in the shop", start - timedelta(days=90)),
    }
    lucia = {"name": "Lucía Ferrer", "phone_e164": "+34622901177", "city": "Madrid", "tags": ["vip", "lamps"]}
    again = {"name": "Lucia Ferrer Soto", "phone_e164": "622 901 177", "email": "lucia.ferrer@correo.example"}
    for values in (ana, double, lucia | {"lifecycle": "customer"}, again | {"lifecycle": "lead", "city": "Toledo"}):
        _contact(teller, values, hidden=True)


def _contact(teller: Teller, values: Mapping[str, Any], *, hidden: bool = False) -> None:
    """Create a contact; a hidden one is left alone on ordinary days."""
    if "consent" in values:
        values = {**values, "consent": {"captured_at": teller.work.now(), **values["consent"]}}
    made = contacts.create(teller.work, values, source="import")
    if not hidden:
        teller.contacts.append(made)


def _consent(marketing: str, source: str, evidence: str, at: datetime) -> dict[str, object]:
    return {"marketing": marketing, "source": source, "evidence": evidence, "captured_at": at}
