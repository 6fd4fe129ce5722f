"""The panel of the demo: what WhatsApp would do by itself is done on demand, by WhatsApp and through its webhook."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import sqlalchemy as sa
from starlette.responses import Response

from sendero.errors import Missing
from sendero.service.contacts import living
from sendero.tables import Account, Contact
from sendero.web.visit import Page, Visit
from sendero.whatsapp import demo_acts
from sendero.whatsapp.demo import DemoWhatsApp

__all__ = ["PAGES"]

_ADDRESS = "/settings/whatsapp-simulator"
_SUGGESTED = 12


def show(visit: Visit) -> Response:
    """Show what WhatsApp knows, and what it can be made to do."""
    whatsapp = _whatsapp(visit)
    query = sa.select(Account.phone_number_id, Account.name).where(Account.deleted_at.is_(None))
    names = {row.phone_number_id: row.name for row in visit.work.session.execute(query)}
    people = living(visit.work).where(Contact.phone_e164.is_not(None)).order_by(Contact.updated_at.desc())
    return visit.render(
        "simulator.html",
        templates=demo_acts.templates(whatsapp),
        numbers=demo_acts.numbers(whatsapp),
        names=names,
        limits=demo_acts.LIMITS,
        people=list(visit.work.session.execute(people.limit(_SUGGESTED)).scalars()),
    )


def ask(visit: Visit) -> Callable[[], None]:
    """Make WhatsApp do something; it tells of it before the answer is written."""
    form = visit.form
    return partial(demo_acts.play, _whatsapp(visit), form["act"], form["key"] or form["person"], form["choice"])


def played(visit: Visit) -> Response:
    """Go back to the panel."""
    return visit.go(_ADDRESS, done="played")


def _whatsapp(visit: Visit) -> DemoWhatsApp:
    """Return the WhatsApp of the demo; there is no such page without it."""
    if not isinstance(visit.home.provider, DemoWhatsApp):
        raise Missing
    return visit.home.provider


PAGES = (
    Page(path=_ADDRESS, answer=show, needs="accounts:manage", title="WhatsApp simulator"),
    Page(
        path=_ADDRESS,
        method="POST",
        asks=ask,
        answer=played,
        again=show,
        needs="accounts:manage",
        title="WhatsApp simulator",
    ),
)
