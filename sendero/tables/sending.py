"""What is sent: campaigns and the message of each of their recipients."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from sendero.tables.audience import Segment
from sendero.tables.base import Base, Owned
from sendero.tables.whatsapp import Account, Template

__all__ = ["Campaign", "Message"]


class Campaign(Owned, Base):
    """A template sent to a segment, once. `pause` and `cancel` say why it stopped.

    `pause` is {reason, note, by, at, resume, cause}; `cancel` is {reason, note, by, at}; `counters` are {audience,
    queued, sent, delivered, read, failed, skipped_optout}; `window` is "09:00-21:00" or empty.
    """

    __tablename__ = "campaigns"

    name: Mapped[str]
    account_id: Mapped[str] = mapped_column(sa.ForeignKey("whatsapp_accounts.id"))
    template_id: Mapped[str] = mapped_column(sa.ForeignKey("templates.id"))
    segment_id: Mapped[str] = mapped_column(sa.ForeignKey("segments.id"))
    variables: Mapped[dict[str, Any]]
    schedule_at: Mapped[datetime | None]
    window: Mapped[str]
    rate_per_minute: Mapped[int]
    status: Mapped[str] = mapped_column(index=True)
    pause: Mapped[dict[str, Any]]
    cancel: Mapped[dict[str, Any]]
    counters: Mapped[dict[str, Any]]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    next_batch_at: Mapped[datetime | None]
    template_version: Mapped[int | None]
    deleted_at: Mapped[datetime | None]

    account: Mapped[Account] = relationship(lazy="joined")
    template: Mapped[Template] = relationship(lazy="joined", innerjoin=True)
    segment: Mapped[Segment] = relationship(lazy="joined")


class Message(Base):
    """The message of one recipient. `status` is queued, sent, delivered, read, failed or skipped."""

    __tablename__ = "messages"
    __table_args__ = (
        sa.UniqueConstraint("campaign_id", "contact_id"),
        sa.Index("ix_messages_campaign_id_status", "campaign_id", "status"),
    )

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    campaign_id: Mapped[str | None] = mapped_column(sa.ForeignKey("campaigns.id"))
    contact_id: Mapped[str] = mapped_column(sa.ForeignKey("contacts.id"), index=True)
    account_id: Mapped[str] = mapped_column(sa.ForeignKey("whatsapp_accounts.id"))
    status: Mapped[str]
    provider_id: Mapped[str | None] = mapped_column(index=True)
    error_code: Mapped[int | None]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]
