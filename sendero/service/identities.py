"""Who a person of WhatsApp is here: a contact has several identifiers, none of them certain to be known.

A person is found by the id that WhatsApp gives them for this business, then by their number. Somebody who was merged is
the contact that they were merged into.
"""

from __future__ import annotations

import sqlalchemy as sa
from msgspec import Struct

from sendero.phones import phone_key
from sendero.service import contacts
from sendero.tables import Account, Contact
from sendero.work import Work, resource_of

__all__ = ["Person", "consent_told", "known"]

_NAMELESS = "WhatsApp contact"
_LONGEST = 200


class Person(Struct, frozen=True, kw_only=True):
    """Somebody as WhatsApp names them.

    Args:
        phone: Telephone number (E.164); people may hide it.
        bsuid: Business-scoped user id; it is new when the number is.
    """

    phone: str | None = None
    bsuid: str | None = None
    username: str | None = None
    name: str | None = None


def known(work: Work, person: Person, *, account: Account | None = None) -> Contact:
    """Return the contact of a person; create it when there is none, and note identifiers that are new.

    Args:
        account: The number that they write to.
    """
    contact = _find(work, person)
    if contact is None:
        name = person.name or person.username or _NAMELESS
        values = {
            "name": name[:_LONGEST],
            "phone_e164": person.phone,
            "bsuid": person.bsuid,
            "username": person.username,
            "account_id": account.id if account is not None else None,
            "lifecycle": "lead",
        }
        return contacts.create(work, values, source="inbound")
    before = {"phone_e164": contact.phone_e164, "bsuid": contact.bsuid, "username": contact.username}
    after = {
        "phone_e164": contact.phone_e164 or person.phone,
        "bsuid": person.bsuid or contact.bsuid,
        "username": person.username or contact.username,
    }
    if before != after:
        for name, value in after.items():
            setattr(contact, name, value)
        contact.phone_key = phone_key(contact.phone_e164)
        work.touch(contact)
        work.record("contact.updated", resource_of(contact), before=before, after=after)
    return contact


def consent_told(work: Work, contact: Contact, marketing: str, evidence: str) -> None:
    """Note that a person stopped or resumed marketing messages in WhatsApp."""
    if (contact.consent_marketing, contact.consent_source) != (marketing, "whatsapp"):
        contacts.change_consent(work, contact, marketing, "whatsapp", evidence)


def _find(work: Work, person: Person) -> Contact | None:
    # The number as a whole: two countries have the same last nine digits, and consent is one person's.
    for wanted in _ways(person):
        query = sa.select(Contact).where(
            Contact.workspace_id == work.workspace.id, *wanted, Contact.deleted_at.is_(None)
        )
        # The living before those that were merged, the oldest first.
        query = query.order_by(Contact.merged_into.is_not(None), Contact.id).limit(1)
        contact = work.session.execute(query).scalar_one_or_none()
        while contact is not None and contact.merged_into is not None:
            contact = work.session.get(Contact, contact.merged_into)
        if contact is not None and contact.deleted_at is None:
            return contact
    return None


def _ways(person: Person) -> list[tuple[sa.ColumnElement[bool], ...]]:
    ways: list[tuple[sa.ColumnElement[bool], ...]] = []
    if person.bsuid is not None:
        ways.append((Contact.bsuid == person.bsuid,))
    if person.phone is not None:
        # The key has an index.
        ways.append((Contact.phone_key == phone_key(person.phone), Contact.phone_e164 == person.phone))
    return ways
