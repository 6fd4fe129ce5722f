"""WhatsApp: connected numbers, message templates, and what WhatsApp told us."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from sendero.tables.base import Base, Owned, audited

__all__ = ["Account", "Notification", "Template"]


class Account(Owned, Base):
    """A connected WhatsApp number; its three secrets are sealed with the key of the installation."""

    __audit__ = audited("account")
    __tablename__ = "whatsapp_accounts"

    name: Mapped[str]
    waba_id: Mapped[str]
    phone_number_id: Mapped[str]
    display_phone_number: Mapped[str]
    verified_name: Mapped[str]
    name_status: Mapped[str]
    quality_rating: Mapped[str]
    status: Mapped[str]
    throughput_level: Mapped[str]
    mode: Mapped[str]
    is_default_in: Mapped[bool]
    is_default_out: Mapped[bool]
    auto_read_receipt: Mapped[bool]
    api_version: Mapped[str]
    access_token: Mapped[str]
    app_secret: Mapped[str]
    webhook_verify_token: Mapped[str]
    deleted_at: Mapped[datetime | None]


class Template(Owned, Base):
    """A message template and where it stands in WhatsApp's review."""

    __audit__ = audited(
        "template", ignore={"edited_on", "meta_template_id", "pause_count"}, actions={"updated": "template.edited"}
    )
    __tablename__ = "templates"

    account_id: Mapped[str] = mapped_column(sa.ForeignKey("whatsapp_accounts.id"))
    name: Mapped[str]
    display_name: Mapped[str]
    language: Mapped[str]
    category: Mapped[str]
    components: Mapped[dict[str, Any]]
    status: Mapped[str]
    rejected_reason: Mapped[str | None]
    quality: Mapped[str]
    pause_count: Mapped[int]
    paused_until: Mapped[datetime | None]
    disable_at: Mapped[datetime | None]
    meta_template_id: Mapped[str | None]
    edited_on: Mapped[list[str]]
    deleted_at: Mapped[datetime | None]

    account: Mapped[Account] = relationship(lazy="joined")


class Notification(Base):
    """Something that WhatsApp told us through its webhook; told twice, it acts once."""

    __tablename__ = "whatsapp_notifications"

    key: Mapped[str] = mapped_column(primary_key=True)
    received_at: Mapped[datetime] = mapped_column(index=True)
