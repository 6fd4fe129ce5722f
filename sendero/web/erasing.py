"""Erasing a contact: what would go, and doing it, for good."""

from __future__ import annotations

from starlette.responses import Response

from sendero.service import erase
from sendero.tables import Contact
from sendero.web.visit import Page, Visit

__all__ = ["FIELD_NAMES", "PAGES"]

FIELD_NAMES = {
    "name": "Name",
    "phone_e164": "Phone",
    "bsuid": "WhatsApp id",
    "username": "WhatsApp username",
    "email": "E-mail",
    "birthday": "Birthday",
    "city": "City",
    "language": "Language",
    "owner_user_id": "Owner",
    "account_id": "WhatsApp account",
    "tags": "Tags",
    "consent_marketing": "Marketing consent",
    "consent_source": "Source of the consent",
    "consent_evidence": "Evidence of the consent",
    "consent_captured_at": "Date of the consent",
}


def form(visit: Visit) -> Response:
    """Show what erasing a contact would take away."""
    contact = visit.work.get(Contact, visit.path["id"])
    planned = erase.loss(visit.work, contact)
    names = [
        path.removeprefix("custom.") if path.startswith("custom.") else visit.words(FIELD_NAMES[path])
        for path in planned.fields
    ]
    return visit.render(
        "contacts/erase.html",
        contact=contact,
        loss=planned,
        names=names,
        codes=erase.ERASE_REASONS,
    )


def carry_out(visit: Visit) -> Response:
    """Erase a contact."""
    contact = visit.work.get(Contact, visit.path["id"])
    visit.check_version(contact)
    erase.erase(visit.work, contact, request=visit.form["request"], reason=visit.form.reason(erase.ERASE_REASONS))
    return visit.go("/contacts", done="contact_erased", of=f"contact:{contact.id}")


PAGES = (
    Page(path="/contacts/{id}/erase", answer=form, needs="contacts:manage", title="Erase contact"),
    Page(
        path="/contacts/{id}/erase",
        method="POST",
        answer=carry_out,
        again=form,
        needs="contacts:manage",
        action="contact.erased",
    ),
)
