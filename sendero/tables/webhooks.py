"""Webhooks: where the workspace tells other programs what happened, and what was told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from sendero.tables.base import Base, Owned, audited

__all__ = ["Delivery", "Webhook"]


class Webhook(Owned, Base):
    """An address that is told of events, signed; its secret and the values of its headers are sealed."""

    __audit__ = audited("webhook", ignore={"consecutive_failures"})
    __tablename__ = "webhooks"

    name: Mapped[str]
    url: Mapped[str]
    events: Mapped[list[str]]
    headers: Mapped[dict[str, Any]]
    secret: Mapped[str]
    active: Mapped[bool]
    health: Mapped[str]
    consecutive_failures: Mapped[int]
    deleted_at: Mapped[datetime | None]


class Delivery(Base):
    """One event for one webhook. `status` is waiting, delivered or failed."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (sa.Index("ix_webhook_deliveries_status_due_at", "status", "due_at"),)

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    webhook_id: Mapped[str] = mapped_column(sa.ForeignKey("webhooks.id"), index=True)
    event: Mapped[str]
    body: Mapped[str]
    status: Mapped[str]
    tries: Mapped[int]
    due_at: Mapped[datetime]
    last_status: Mapped[int | None]
    last_fault: Mapped[str | None]
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]

    webhook: Mapped[Webhook] = relationship(lazy="joined")
