"""Contacts: the people who may get messages. A deleted contact is a tombstone; its name stays in the log."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select

from sendero.errors import Conflict, Invalid
from sendero.phones import e164, phone_key
from sendero.tables import Contact, User
from sendero.work import Work, resource_of
from whodid import Reason

__all__ = [
    "CONSENTS",
    "DELETE_REASONS",
    "EDITABLE",
    "LIFECYCLES",
    "change_consent",
    "consent_of",
    "counted",
    "create",
    "delete",
    "duplicates",
    "email_key",
    "folded",
    "listing",
    "search",
    "snapshot",
    "update",
]

LIFECYCLES = ("lead", "customer", "inactive")
CONSENTS = ("unknown", "opted_in", "opted_out")
CONSENT_SOURCES = ("form", "in_person", "phone", "whatsapp", "import")
DELETE_REASONS = ("asked_to_be_removed", "duplicate", "wrong_number", "test_data", "other")

EDITABLE = (
    "name", "phone_e164", "email", "birthday", "city", "language", "owner_user_id", "lifecycle", "tags", "custom",
)  # fmt: skip
"""What a person edits; consent has its own act."""

LONGEST_SEARCH = 200

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_TAG = re.compile(r"[\w][\w .+-]{0,39}")
_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")
_YEARLESS = re.compile(r"--(\d\d)-(\d\d)")


def folded(text: str) -> str:
    """Return a text for comparing: lower case, without accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character)).strip()


def email_key(email: str | None) -> str | None:
    """Return what two writings of the same e-mail address share."""
    return email.casefold() if email else None


def consent_of(contact: Contact) -> dict[str, Any]:
    """Return the marketing consent of a contact."""
    return {
        "marketing": contact.consent_marketing,
        "source": contact.consent_source,
        "evidence": contact.consent_evidence,
        "captured_at": contact.consent_captured_at,
    }


def snapshot(contact: Contact) -> dict[str, Any]:
    """Return the fields of a contact as the log shows them."""
    fields = {name: getattr(contact, name) for name in EDITABLE if name != "owner_user_id"}
    owner = contact.owner.name if contact.owner is not None else None
    ids = {"bsuid": contact.bsuid, "username": contact.username}
    return {**fields, **ids, "owner": owner, "consent": consent_of(contact), "source": contact.source}


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a form as they are stored.

    Raises:
        Invalid: Some of them cannot be taken; all faults at once.
    """
    faults: dict[str, str] = {}
    clean: dict[str, Any] = {
        name: value.strip() or None if isinstance(value, str) else value for name, value in values.items()
    }
    if not clean.get("name"):
        faults["name"] = "A contact needs a name."
    elif len(clean["name"]) > 200:
        faults["name"] = "Use at most 200 characters."
    for name in ("city", "language"):
        if len(clean.get(name) or "") > 200:
            faults[name] = "Use at most 200 characters."
    if phone := clean.get("phone_e164"):
        clean["phone_e164"] = e164(phone)
        if clean["phone_e164"] is None:
            faults["phone_e164"] = "This is not a phone number. Write it like +34 611 204 880."
    if (email := clean.get("email")) and not _EMAIL.fullmatch(email):
        faults["email"] = "This is not an e-mail address."
    if (birthday := clean.get("birthday")) and not _is_birthday(birthday):
        faults["birthday"] = "Write a date like 1988-05-12, or --05-12 without the year."
    if clean.get("lifecycle") not in LIFECYCLES:
        faults["lifecycle"] = "Choose one of the list."
    tags: list[str] = values.get("tags") or []
    if len(tags) > 30 or not all(_TAG.fullmatch(tag) for tag in tags):
        faults["tags"] = "Use up to 30 tags of letters, digits, spaces and - + . with at most 40 characters each."
    if not all(_KEY.fullmatch(key) and len(str(value)) <= 500 for key, value in (values.get("custom") or {}).items()):
        faults["custom"] = (
            "A custom field needs a name of lower-case letters, digits and _, and at most 500 characters."
        )
    if faults:
        raise Invalid(faults)
    return clean


def create(work: Work, values: Mapping[str, Any], *, source: str = "manual", batch: str | None = None) -> Contact:
    """Create a contact from checked values.

    Args:
        values: The fields of `EDITABLE`, and `consent` with its four fields if it was given.
        source: manual, import, inbound or api.
        batch: Common to the contacts of one import.
    """
    now = work.now()
    consent = values.get("consent") or {}
    contact = Contact(
        id=work.new_id("con"),
        workspace_id=work.workspace.id,
        created_at=now,
        updated_at=now,
        search_name=folded(values["name"]),
        phone_key=phone_key(values.get("phone_e164")),
        email_key=email_key(values.get("email")),
        bsuid=values.get("bsuid"),
        username=values.get("username"),
        account_id=values.get("account_id"),
        consent_marketing=consent.get("marketing", "unknown"),
        consent_source=consent.get("source"),
        consent_evidence=consent.get("evidence"),
        consent_captured_at=consent.get("captured_at"),
        source=source,
        merged_into=None,
        deleted_at=None,
        erased_at=None,
        **{name: values.get(name) for name in EDITABLE if name not in ("tags", "custom", "lifecycle")},
        tags=list(values.get("tags") or ()),
        custom=dict(values.get("custom") or {}),
        lifecycle=values.get("lifecycle") or "lead",
    )
    _name_owner(work, contact)
    work.add(contact)
    work.record("contact.created", resource_of(contact), after=snapshot(contact), batch=batch)
    return contact


def update(work: Work, contact: Contact, values: Mapping[str, Any], *, batch: str | None = None) -> bool:
    """Change fields of a contact; what is not in `values` stays.

    Returns:
        Whether anything changed.

    Raises:
        Conflict: Somebody else changed it since it was read.
    """
    before = snapshot(contact)
    for name in EDITABLE:
        if name in values and getattr(contact, name) != values[name]:
            setattr(contact, name, values[name])
    _name_owner(work, contact)
    contact.search_name = folded(contact.name)
    contact.phone_key = phone_key(contact.phone_e164)
    contact.email_key = email_key(contact.email)
    after = snapshot(contact)
    if before == after:
        return False
    work.touch(contact)
    work.record("contact.updated", resource_of(contact), before=before, after=after, batch=batch)
    return True


def change_consent(
    work: Work, contact: Contact, marketing: str, source: str, evidence: str | None, *, batch: str | None = None
) -> bool:
    """Note that a person gave or withdrew consent to marketing messages.

    Returns:
        Whether anything changed.

    Raises:
        Invalid: Consent without a source or evidence.
        Conflict: The person withdrew it in WhatsApp; only they can give it again.
    """
    if marketing not in CONSENTS or source not in CONSENT_SOURCES:
        raise Invalid({"marketing": "Choose one of the list."})
    if marketing == "opted_in" and not evidence:
        raise Invalid({"evidence": "Say how the person agreed: a form, a signature, a call."})
    by_person = contact.consent_source == "whatsapp" and contact.consent_marketing == "opted_out"
    if by_person and source != "whatsapp" and marketing != "opted_out":
        raise Conflict("This person stopped marketing messages in WhatsApp. Only they can allow them again.")
    if (marketing, evidence) == (contact.consent_marketing, contact.consent_evidence):
        return False
    before = {"consent": consent_of(contact)}
    contact.consent_marketing = marketing
    contact.consent_source = source
    contact.consent_evidence = evidence
    contact.consent_captured_at = work.now()
    work.touch(contact)
    after = {"consent": consent_of(contact)}
    work.record("contact.consent_changed", resource_of(contact), before=before, after=after, batch=batch)
    return True


def delete(work: Work, contact: Contact, reason: Reason | None) -> None:
    """Delete a contact; the row stays as a tombstone for thirty days.

    Raises:
        Conflict: Somebody else changed it since it was read.
    """
    before = snapshot(contact)
    contact.deleted_at = work.now()
    work.touch(contact)
    work.record("contact.deleted", resource_of(contact), before=before, reason=reason)


def owned_by(work: Work, user: User) -> list[Contact]:
    """Return the contacts that somebody looks after."""
    return list(work.session.execute(living(work).where(Contact.owner_user_id == user.id)).scalars())


def unassign(work: Work, user: User, cause: str) -> None:
    """Leave the contacts that somebody looks after to whoever takes them.

    Args:
        cause: Id of the event that made it happen; common to the entries as their batch, too.
    """
    for contact in owned_by(work, user):
        before = snapshot(contact)
        contact.owner_user_id, contact.owner = None, None
        work.touch(contact)
        after = snapshot(contact)
        work.record("contact.updated", resource_of(contact), before=before, after=after, batch=cause, cause=cause)


def living(work: Work) -> Select[Contact]:
    """Select the contacts of the workspace that are neither deleted nor merged."""
    return sa.select(Contact).where(
        Contact.workspace_id == work.workspace.id, Contact.deleted_at.is_(None), Contact.merged_into.is_(None)
    )


def search(work: Work, *, text: str = "", consent: str = "", lifecycle: str = "", tag: str = "") -> Select[Contact]:
    """Select contacts by name, phone, e-mail or city, and by what they are.

    Raises:
        Invalid: The text is longer than a search can be.
    """
    if len(text) > LONGEST_SEARCH:
        raise Invalid({"q": "Search for at most 200 characters."})
    query = living(work)
    for word in folded(text).split():
        pattern = f"%{_escaped(word)}%"
        digits = re.sub(r"\D", "", word)
        query = query.where(
            sa.or_(
                Contact.search_name.like(pattern, escape="\\"),
                sa.func.lower(Contact.email).like(pattern, escape="\\"),
                sa.func.lower(Contact.city).like(pattern, escape="\\"),
                Contact.phone_e164.like(f"%{digits}%") if len(digits) >= 3 else sa.false(),
            )
        )
    if consent in CONSENTS:
        query = query.where(Contact.consent_marketing == consent)
    if lifecycle in LIFECYCLES:
        query = query.where(Contact.lifecycle == lifecycle)
    if tag:
        # JSON lists are text in every engine; a tag stands in it as JSON writes it, with its quotes.
        query = query.where(sa.cast(Contact.tags, sa.Text).like(f"%{_escaped(json.dumps(tag))}%", escape="\\"))
    return query


def counted(work: Work, query: Select[Contact]) -> int:
    """Return how many contacts a query selects."""
    return work.session.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one()


def listing(work: Work, *, page: int = 1, size: int = 50, **wish: str) -> tuple[list[Contact], int]:
    """Search contacts.

    Args:
        wish: What `search` takes.

    Returns:
        One page in order of names, and how many match in all.

    Raises:
        Invalid: The text is longer than a search can be.
    """
    query = search(work, **wish)
    rows = query.order_by(Contact.search_name, Contact.id).offset((page - 1) * size).limit(size)
    return list(work.session.execute(rows).scalars()), counted(work, query)


def duplicates(work: Work, contact: Contact) -> list[Contact]:
    """Return other contacts with the same telephone number."""
    if contact.phone_key is None:
        return []
    query = living(work).where(Contact.phone_key == contact.phone_key, Contact.id != contact.id).limit(10)
    return list(work.session.execute(query).scalars())


def owners(work: Work) -> list[User]:
    """Return the people who can own a contact."""
    query = sa.select(User).where(User.workspace_id == work.workspace.id, User.status != "deactivated")
    return list(work.session.execute(query.order_by(User.name)).scalars())


def _name_owner(work: Work, contact: Contact) -> None:
    """Load the owner that the id names, so that the log can call them by their name."""
    owner = None if contact.owner_user_id is None else work.get(User, contact.owner_user_id)
    if contact.owner is not owner:
        contact.owner = owner


def _is_birthday(text: str) -> bool:
    yearless = _YEARLESS.fullmatch(text)
    try:
        born = date.fromisoformat(f"2000-{yearless[1]}-{yearless[2]}" if yearless else text)
    except ValueError:
        return False
    return born.year >= 1900


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
