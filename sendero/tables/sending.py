"""What is sent: campaigns and the message of each of their recipients."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from sendero.tables.audience import Segment
from sendero.tables.base import Base, Owned, audited
from sendero.tables.whatsapp import Account, Template

__all__ = ["COUNTERS", "Campaign", "Message"]

COUNTERS = (
    "audience", "left_out", "queued", "sent", "delivered", "read", "failed", "skipped", "unknown", "discarded",
)  # fmt: skip


class Campaign(Owned, Base):
    """A template sent to a segment, once. `pause` and `cancel` say why it stopped.

    `pause` is {reason, note, by, at, resume, cause, entry} and, once the campaign went on, resumed_at; `cancel` is
    {reason, note, by, at, entry}, of a failure too; `variables` is {number: text}; `header` is {format, link} of a
    file, {format, latitude, longitude, name, address} of a place, or empty; `window` is "09:00-21:00" or empty.

    `audience` counts the people it was started with, `left_out` those of the segment who may or can get nothing. Of the
    audience, `queued` wait, `skipped` got nothing after all, `discarded` were given up when it ended, and of `unknown`
    nobody knows. `sent`, `delivered` and
    `read` count whoever came that far. They are counted up in the database and are no part of the version.

    `held_back` counts how often in a row WhatsApp asked to wait.
    """

    __audit__ = audited("campaign", ignore={"next_batch_at", "held_back", *COUNTERS})
    __tablename__ = "campaigns"

    name: Mapped[str]
    account_id: Mapped[str] = mapped_column(sa.ForeignKey("whatsapp_accounts.id"))
    template_id: Mapped[str] = mapped_column(sa.ForeignKey("templates.id"))
    segment_id: Mapped[str] = mapped_column(sa.ForeignKey("segments.id"))
    variables: Mapped[dict[str, Any]]
    header: Mapped[dict[str, Any]]
    schedule_at: Mapped[datetime | None]
    window: Mapped[str]
    rate_per_minute: Mapped[int]
    status: Mapped[str] = mapped_column(index=True)
    pause: Mapped[dict[str, Any]]
    cancel: Mapped[dict[str, Any]]
    audience: Mapped[int]
    left_out: Mapped[int]
    queued: Mapped[int]
    sent: Mapped[int]
    delivered: Mapped[int]
    read: Mapped[int]
    failed: Mapped[int]
    skipped: Mapped[int]
    unknown: Mapped[int]
    discarded: Mapped[int]
    held_back: Mapped[int]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    next_batch_at: Mapped[datetime | None]
    template_version: Mapped[int | None]
    deleted_at: Mapped[datetime | None]

    account: Mapped[Account] = relationship(lazy="joined")
    template: Mapped[Template] = relationship(lazy="joined", innerjoin=True)
    segment: Mapped[Segment] = relationship(lazy="joined")

    @property
    def counters(self) -> dict[str, int]:
        """How far its messages came."""
        return {name: getattr(self, name) for name in COUNTERS}


class Message(Base):
    """The message of one recipient; its id is the reference that WhatsApp's notices come back with.

    `status` is queued, sending, sent, delivered, read, failed, skipped, discarded (the campaign ended before) or
    unknown: it may have been sent, so it is never sent again. `tried_at` is when it was about to be handed to WhatsApp.
    """

    __tablename__ = "messages"
    __table_args__ = (
        sa.UniqueConstraint("campaign_id", "contact_id"),
        sa.Index("ix_messages_campaign_id_status", "campaign_id", "status"),
        sa.Index("ix_messages_campaign_id_tried_at", "campaign_id", "tried_at"),
    )

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    campaign_id: Mapped[str | None] = mapped_column(sa.ForeignKey("campaigns.id"))
    contact_id: Mapped[str] = mapped_column(sa.ForeignKey("contacts.id"), index=True)
    account_id: Mapped[str] = mapped_column(sa.ForeignKey("whatsapp_accounts.id"))
    status: Mapped[str]
    provider_id: Mapped[str | None] = mapped_column(index=True)
    error_code: Mapped[int | None]
    created_at: Mapped[datetime]
    tried_at: Mapped[datetime | None] = mapped_column(index=True)
    sent_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]
