"""What became of messages that were sent."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from sendero.tables import Message
from sendero.work import Work

__all__ = ["noted"]

_ORDER = ("queued", "sending", "sent", "delivered", "read", "failed", "skipped")


def noted(work: Work, reference_or_provider_id: str, status: str, error_code: int | None, at: datetime) -> None:
    """Note what WhatsApp says about a message; what is older than what is known changes nothing.

    Args:
        reference_or_provider_id: Our id of the message, or WhatsApp's.
        status: sent, delivered, read or failed.
        error_code: Why it failed.
        at: When it happened.
    """
    key = reference_or_provider_id
    query = sa.select(Message).where(sa.or_(Message.id == key, Message.provider_id == key))
    message = work.session.execute(query).scalar_one_or_none()
    if message is None or _ORDER.index(status) <= _ORDER.index(message.status):
        return
    message.status = status
    message.error_code = error_code
    message.updated_at = at
    if status == "sent" or message.sent_at is None:
        message.sent_at = at
