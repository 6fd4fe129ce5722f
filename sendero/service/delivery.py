"""How far a message came, by what WhatsApp tells: a message only ever moves forward, and is counted once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sendero.service.audience import tally
from sendero.tables import Message
from sendero.work import Work

__all__ = ["move", "noted"]

_WAY = ("sent", "delivered", "read")
_ENTERS = {
    **{status: _WAY[: at + 1] for at, status in enumerate(_WAY)},
    "failed": ("failed",),
    "skipped": ("skipped",),
    "unknown": ("unknown",),
    "queued": ("queued",),
}
"""Status → the counters that a message in it counts in. A message that failed after it was sent counts in both."""
_BEFORE = {
    "sending": ("queued",),
    "queued": ("sending",),
    "skipped": ("queued", "sending"),
    "unknown": ("sending",),
    "sent": ("sending", "unknown"),
    "delivered": ("sending", "unknown", "sent"),
    "read": ("sending", "unknown", "sent", "delivered"),
    "failed": ("sending", "unknown", "sent"),
}
"""Status → those that a message can come from."""


def noted(work: Work, key: str, status: str, error_code: int | None, at: datetime) -> bool:
    """Note what WhatsApp says of a message. Told twice, or told late, it changes nothing.

    Args:
        key: Our id of the message, or WhatsApp's.
        status: sent, delivered, read or failed.
        error_code: Why it failed.
        at: When that happened.

    Returns:
        Whether there is such a message.
    """
    if status not in (*_WAY, "failed"):
        return False
    found = work.session.execute(
        sa.select(Message.id).where(sa.or_(Message.id == key, Message.provider_id == key)).limit(1)
    ).scalar()
    if found is None:
        return False
    more: dict[str, Any] = {"error_code": error_code} if status == "failed" else {}
    move(work, found, status, at, **more)
    return True


def move(work: Work, key: str, status: str, at: datetime, *conditions: sa.ColumnElement[bool], **values: Any) -> bool:
    """Move a message to another status if it can come there from where it is, and count it.

    Args:
        conditions: What else must hold.
        values: Further columns to set.

    Returns:
        Whether it moved.
    """
    table = Message.__table__
    connection = work.session.connection()
    for was in _BEFORE[status]:
        # The condition and the change are one statement: of two who move a message from here, one does.
        moving = (
            sa.update(table)  # type: ignore[arg-type]
            .where(table.c.id == key, table.c.status == was, *conditions)
            .values(status=status, updated_at=work.now(), **values, **_sent_at(status, was, at))
            .returning(table.c.campaign_id)
        )
        moved = connection.execute(moving).first()
        if moved is not None:
            if moved[0] is not None:
                tally(work, moved[0], **_difference(was, status))
            return True
    return False


def _sent_at(status: str, was: str, at: datetime) -> dict[str, datetime]:
    return {"sent_at": at} if status in _WAY and was in ("sending", "unknown") else {}


def _difference(was: str, status: str) -> dict[str, int]:
    left, entered = set(_ENTERS.get(was, ())), set(_ENTERS.get(status, ()))
    gone = left - entered if was in ("queued", "unknown") else set()
    return {**dict.fromkeys(entered - left, 1), **dict.fromkeys(gone, -1)}
