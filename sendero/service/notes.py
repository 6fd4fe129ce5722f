"""What belongs to a contact: notes that somebody wrote down, and messages; both move along in a merge.

Neither has actions of its own in the log: that a note was written is no change of the contact.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import sqlalchemy as sa
from msgspec import Struct

from sendero.errors import Invalid
from sendero.tables import Contact, Message, Note, User
from sendero.work import Work

__all__ = ["LONGEST", "Written", "add", "counts", "listing", "move"]

LONGEST = 2000


class Written(Struct, frozen=True, kw_only=True):
    """A note and who wrote it."""

    note: Note
    by: User


def add(work: Work, by: User, contact: Contact, text: str) -> Note:
    """Write something down about a contact.

    Raises:
        Invalid: There is no text, or too much of it.
    """
    text = text.strip()
    if not text:
        raise Invalid({"text": "Write something first."})
    if len(text) > LONGEST:
        raise Invalid({"text": "Use at most 2,000 characters."})
    note = Note(id=work.new_id("not"), contact_id=contact.id, user_id=by.id, text=text, created_at=work.now())
    work.add(note)
    return note


def listing(work: Work, contact: Contact) -> list[Written]:
    """Return the notes of a contact, newest first."""
    query = sa.select(Note, User).join(User, User.id == Note.user_id).where(Note.contact_id == contact.id)
    rows = work.session.execute(query.order_by(Note.created_at.desc(), Note.id.desc()))
    return [Written(note=note, by=user) for note, user in rows]


def counts(work: Work, keys: Iterable[str]) -> dict[str, int]:
    """Return how many notes and messages some contacts have, by their ids."""
    listed = list(keys)
    return {
        name: work.session.execute(
            sa.select(sa.func.count()).select_from(table).where(table.contact_id.in_(listed))
        ).scalar_one()
        for name, table in (("notes", Note), ("messages", Message))
    }


def move(work: Work, survivor: Contact, absorbed: Contact) -> dict[str, int]:
    """Give the survivor of a merge what the other contact had, and return how much it was.

    Of a campaign that wrote to both, each keeps its own message: a campaign writes to nobody twice.
    """
    mine = sa.select(Message.campaign_id).where(Message.contact_id == survivor.id, Message.campaign_id.is_not(None))
    free = sa.or_(Message.campaign_id.is_(None), Message.campaign_id.not_in(mine))
    moved = {
        "messages": sa.update(Message).where(Message.contact_id == absorbed.id, free),
        "notes": sa.update(Note).where(Note.contact_id == absorbed.id),
    }
    return {name: _count(work, statement.values(contact_id=survivor.id)) for name, statement in moved.items()}


def _count(work: Work, statement: sa.Update) -> int:
    result = work.session.execute(statement, execution_options={"synchronize_session": False})
    return cast("sa.CursorResult[Any]", result).rowcount
