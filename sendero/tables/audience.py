"""Who may get messages: contacts, segments of them, and imports."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from sendero.tables.base import Base, Owned
from sendero.tables.people import User

__all__ = ["Contact", "Import", "Note", "Segment"]


class Contact(Owned, Base):
    """A person who may get messages. A deleted or merged row stays as a tombstone."""

    __tablename__ = "contacts"
    __table_args__ = (
        sa.Index("ix_contacts_workspace_id_name", "workspace_id", "search_name"),
        sa.Index("ix_contacts_workspace_id_phone", "workspace_id", "phone_key"),
    )

    name: Mapped[str]
    search_name: Mapped[str]
    phone_e164: Mapped[str | None]
    phone_key: Mapped[str | None]
    bsuid: Mapped[str | None]
    username: Mapped[str | None]
    email: Mapped[str | None]
    birthday: Mapped[str | None]
    city: Mapped[str | None]
    language: Mapped[str | None]
    account_id: Mapped[str | None] = mapped_column(sa.ForeignKey("whatsapp_accounts.id"))
    owner_user_id: Mapped[str | None] = mapped_column(sa.ForeignKey("users.id"))
    tags: Mapped[list[str]]
    custom: Mapped[dict[str, Any]]
    consent_marketing: Mapped[str]
    consent_source: Mapped[str | None]
    consent_evidence: Mapped[str | None]
    consent_captured_at: Mapped[datetime | None]
    lifecycle: Mapped[str]
    source: Mapped[str]
    merged_into: Mapped[str | None] = mapped_column(sa.ForeignKey("contacts.id"))
    deleted_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]

    owner: Mapped[User | None] = relationship(lazy="joined")


class Note(Base):
    """Something that was written down about a contact; it moves along when two contacts become one."""

    __tablename__ = "notes"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    contact_id: Mapped[str] = mapped_column(sa.ForeignKey("contacts.id"), index=True)
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id"))
    text: Mapped[str]
    created_at: Mapped[datetime]


class Segment(Owned, Base):
    """A part of the contacts, by a rule. `filter` is {city, tags, without, lifecycle, consent, language, custom}."""

    __tablename__ = "segments"

    name: Mapped[str]
    filter: Mapped[dict[str, Any]]
    count_cached: Mapped[int]
    deleted_at: Mapped[datetime | None]


class Import(Owned, Base):
    """A file of contacts that was read, or is shown before it is read."""

    __tablename__ = "imports"

    file_name: Mapped[str]
    content: Mapped[bytes | None]
    columns: Mapped[dict[str, Any]]
    status: Mapped[str]
    rows: Mapped[int]
    created: Mapped[int]
    updated: Mapped[int]
    skipped: Mapped[int]
    errors: Mapped[list[dict[str, Any]]]
    created_by: Mapped[str] = mapped_column(sa.ForeignKey("users.id"))
