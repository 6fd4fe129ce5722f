"""Erasing a person on their request, and emptying the contacts that were deleted thirty days ago.

Of an erased contact the row keeps its id, its dates and that it was erased, so that nothing points to nowhere. What an
earlier merge absorbed is the same person: those rows are emptied with it. Messages stay as numbers of their campaigns;
they hold no text.

Emptying after thirty days is the announced end of a deletion, decided by nobody anew: `contact.deleted` says who
deleted whom, when and why, and `contact.emptied` which fields left in the end. No entry repeats their values.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from sendero.errors import Conflict, Invalid
from sendero.installation import Installation
from sendero.service import notes
from sendero.service.automatic import SCHEDULER
from sendero.tables import Contact, Note
from sendero.work import Work, begin, resource_of
from whodid import Reason, Resource
from whodid.errors import Held
from whodid.retention import erase_person

__all__ = ["ERASE_REASONS", "KEPT", "Loss", "empty_deleted", "erase", "erase_from_log", "loss"]

ERASE_REASONS = ("asked_by_person", "asked_by_authority", "no_longer_needed", "other")
KEPT = timedelta(days=30)
"""How long the data of a deleted contact stay."""

_BATCH = 200
_FIELDS = (
    "name", "phone_e164", "bsuid", "username", "email", "birthday", "city", "language", "owner_user_id", "account_id",
    "tags", "custom", "consent_marketing", "consent_source", "consent_evidence", "consent_captured_at",
)  # fmt: skip
_EMPTY = {"name": "", "search_name": "", "tags": [], "custom": {}, "consent_marketing": "unknown"}


class Loss(Struct, frozen=True, kw_only=True):
    """What erasing a contact takes away.

    Args:
        fields: Which fields hold something, custom ones as `custom.<name>`.
        notes: How many notes go.
        messages: How many messages stay, as numbers of their campaigns.
        absorbed: The contacts that were merged into this one.
    """

    fields: tuple[str, ...]
    notes: int
    messages: int
    absorbed: tuple[Contact, ...]


def loss(work: Work, contact: Contact) -> Loss:
    """Say what erasing a contact would take away.

    Raises:
        Conflict: It was erased already, or merged into another one: erase that one.
    """
    if contact.erased_at is not None:
        raise Conflict("This contact was erased already.")
    if contact.merged_into is not None:
        raise Conflict("This contact was merged into another one. Erase that one: it takes this one with it.")
    return _held(work, contact)


def erase(work: Work, contact: Contact, *, request: str, reason: Reason | None) -> Loss:
    """Erase a contact for good.

    Args:
        request: What the request is called: a ticket, a letter.

    Raises:
        Invalid: Neither reason nor request is given.
        Conflict: It is gone already, or somebody else changed it since it was read.
    """
    request = request.strip()
    faults: dict[str, str] = {}
    if not 0 < len(request) <= 100:
        faults["request"] = "Say which request this is: a ticket or a letter, in at most 100 characters."
    if reason is None:
        faults["note"] = "Say why: choose a reason, or write one."
    if faults:
        raise Invalid(faults)
    planned = loss(work, contact)
    for row in (contact, *planned.absorbed):
        row.deleted_at = row.deleted_at or work.now()
        row.erased_at = work.now()
        _empty(work, row)
    work.record(
        "contact.erased",
        Resource(type="contact", id=contact.id),
        reason=reason,
        details={"request": request, **_told(planned, "erased")},
        claims=[resource_of(one) for one in planned.absorbed],
    )
    return planned


def erase_from_log(home: Installation) -> bool:
    """Erase from the audit log whoever was erased from the contacts: the values of all earlier entries.

    The entry `contact.erased` says who did it, when and on which request; the log records its own part.

    What a legal hold keeps is erased once the hold is released.

    Returns:
        Whether there may be more of them.
    """
    with begin(home) as work:
        query = sa.select(Contact).where(Contact.erased_at.is_not(None), Contact.log_erased_at.is_(None))
        found = [(row.workspace_id, row.id) for row in work.session.execute(query.limit(_BATCH)).scalars()]
    # What waits in the outbox was said before the erasure, and is recorded with the values that it had.
    home.relay.drain()
    done = False
    for workspace, contact in found:
        said = next(iter(home.log.stream(workspace, f"action:contact.erased resource:contact:{contact}")), None)
        details = (said.details or {}) if said is not None else {}
        try:
            erase_person(
                home.log,
                workspace,
                f"contact:{contact}",
                actor=said.actor if said is not None else SCHEDULER,
                reason=Reason(text=str(details.get("request") or "The contact was erased")),
            )
        except Held:
            continue
        done = True
        with begin(home) as work:
            row = work.session.get_one(Contact, contact)
            row.log_erased_at = work.now()
    return done and len(found) == _BATCH


def empty_deleted(home: Installation) -> bool:
    """Take the data out of contacts that were deleted thirty days ago.

    Returns:
        Whether there may be more of them.
    """
    with begin(home) as work, work.acting(actor=SCHEDULER, source="job"):
        query = sa.select(Contact).where(
            Contact.deleted_at < work.now() - KEPT, Contact.erased_at.is_(None), Contact.name != ""
        )
        rows = list(work.session.execute(query.limit(_BATCH)).scalars())
        batch = work.new_id("emp") if len(rows) > 1 else None
        for row in rows:
            gone = _held(work, row)
            for one in (row, *gone.absorbed):
                _empty(work, one)
            work.record(
                "contact.emptied",
                Resource(type="contact", id=row.id),
                details=_told(gone, "emptied"),
                batch=batch,
                claims=[resource_of(one) for one in gone.absorbed],
            )
    return len(rows) == _BATCH


def _held(work: Work, contact: Contact) -> Loss:
    """Return what a contact holds, and what was merged into it."""
    absorbed = _absorbed(work, contact)
    fields = dict.fromkeys(path for one in (contact, *absorbed) for path in _filled(one))
    had = notes.counts(work, [contact.id, *(one.id for one in absorbed)])
    return Loss(fields=tuple(fields), notes=had["notes"], messages=had["messages"], absorbed=tuple(absorbed))


def _told(gone: Loss, left: str) -> dict[str, Any]:
    """Return what an entry says of a loss: how much, and which fields under the name `left`."""
    return {
        "fields": len(gone.fields),
        left: list(gone.fields),
        "notes": gone.notes,
        "messages_kept": gone.messages,
        "absorbed": [one.id for one in gone.absorbed],
    }


def _absorbed(work: Work, contact: Contact) -> list[Contact]:
    found: list[Contact] = []
    keys = [contact.id]
    while keys:
        rows = work.session.execute(sa.select(Contact).where(Contact.merged_into.in_(keys))).scalars().all()
        found += rows
        keys = [row.id for row in rows]
    return found


def _filled(contact: Contact) -> list[str]:
    found = []
    for name in _FIELDS:
        value = getattr(contact, name)
        if name == "custom":
            found += [f"custom.{key}" for key in value]
        elif value not in (None, "", [], _EMPTY.get(name)):
            found.append(name)
    return found


def _empty(work: Work, contact: Contact) -> None:
    for name in (*_FIELDS, "search_name", "phone_key", "email_key"):
        setattr(contact, name, _EMPTY.get(name))
    contact.owner = None
    work.session.execute(sa.delete(Note).where(Note.contact_id == contact.id))
    work.touch(contact)
