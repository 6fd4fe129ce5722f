"""Who may get messages: contacts, segments of them, and imports."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from sendero.tables.base import Base, Owned, audited
from sendero.tables.people import User

__all__ = ["Contact", "Import", "ImportFault", "ImportPart", "Note", "Segment"]


class Contact(Owned, Base):
    """A person who may get messages. A deleted or merged row stays as a tombstone."""

    __audit__ = audited("contact", ignore={"search_name", "phone_key", "email_key", "log_erased_at"})
    __tablename__ = "contacts"
    __table_args__ = (
        sa.Index("ix_contacts_workspace_id_name", "workspace_id", "search_name"),
        sa.Index("ix_contacts_workspace_id_phone", "workspace_id", "phone_key"),
        sa.Index("ix_contacts_workspace_id_email", "workspace_id", "email_key"),
        sa.Index("ix_contacts_workspace_id_bsuid", "workspace_id", "bsuid"),
    )

    name: Mapped[str]
    search_name: Mapped[str]
    phone_e164: Mapped[str | None]
    phone_key: Mapped[str | None]
    bsuid: Mapped[str | None]
    username: Mapped[str | None]
    email: Mapped[str | None]
    email_key: Mapped[str | None]
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
    log_erased_at: Mapped[datetime | None]

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

    __audit__ = audited("segment", ignore={"count_cached"})
    __tablename__ = "segments"

    name: Mapped[str]
    filter: Mapped[dict[str, Any]]
    count_cached: Mapped[int]
    deleted_at: Mapped[datetime | None]


class Import(Owned, Base):
    """A file of contacts that waits for its columns to be named, is being read, or was read.

    `columns` is {names, targets, evidence}; `position` and `line` are where reading goes on, `total` how many rows the
    file has. The file itself is in `ImportPart` until it was read.
    """

    __tablename__ = "imports"

    file_name: Mapped[str]
    encoding: Mapped[str]
    delimiter: Mapped[str]
    columns: Mapped[dict[str, Any]]
    status: Mapped[str]
    total: Mapped[int]
    position: Mapped[int]
    line: Mapped[int]
    rows: Mapped[int]
    created: Mapped[int]
    updated: Mapped[int]
    skipped: Mapped[int]
    errors: Mapped[int]
    created_by: Mapped[str] = mapped_column(sa.ForeignKey("users.id"))
    ended_at: Mapped[datetime | None]

    maker: Mapped[User] = relationship(lazy="joined")

    @property
    def name(self) -> str:
        """What an import is called: its file."""
        return self.file_name


class ImportPart(Base):
    """A piece of a file, as UTF-8; in pieces, so that reading goes on anywhere without the whole in memory."""

    __tablename__ = "import_parts"

    import_id: Mapped[str] = mapped_column(sa.ForeignKey("imports.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[bytes]


class ImportFault(Base):
    """What was wrong with a row of a file: where and what, never the value itself."""

    __tablename__ = "import_faults"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    import_id: Mapped[str] = mapped_column(sa.ForeignKey("imports.id"), index=True)
    line: Mapped[int]
    field: Mapped[str]
    text: Mapped[str]
