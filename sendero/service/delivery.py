"""How far a message came, by what WhatsApp tells: a message only ever moves forward, and is counted once."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from sendero.service.audience import CONDITIONS, tally
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


def move(work: Work, key: str, status: str, at: datetime, *, only: str = "", **values: Any) -> bool:
    """Move a message to another status if it can come there from where it is, and count it.

    Args:
        only: What else must hold: a key of `CONDITIONS`, or nothing.
        values: Further columns to set.

    Returns:
        Whether it moved.
    """
    connection = work.session.connection()
    for was in _BEFORE[status]:
        # The condition and the change are one statement: of two who move a message from here, one does.
        changed = values if status not in _WAY or was not in ("sending", "unknown") else {**values, "sent_at": at}
        moving = _moving(was, status, only, tuple(changed))
        given = {f"to_{name}": value for name, value in changed.items()}
        moved = connection.execute(moving, {"key": key, "to_updated_at": work.now(), **given}).first()
        if moved is not None:
            if moved[0] is not None:
                tally(work, moved[0], **_difference(was, status))
            return True
    return False


@cache
def _moving(was: str, status: str, only: str, names: tuple[str, ...]) -> sa.Update:
    """Return the statement of a move; made once, because making it costs more than running it."""
    table = Message.__table__
    changed: dict[str, Any] = {name: sa.bindparam(f"to_{name}") for name in (*names, "updated_at")}
    moving = (
        sa.update(table)  # type: ignore[arg-type]
        .where(table.c.id == sa.bindparam("key"), table.c.status == was)
        .values(status=status, **changed)
        .returning(table.c.campaign_id)
    )
    return moving.where(CONDITIONS[only]) if only else moving


def _difference(was: str, status: str) -> dict[str, int]:
    left, entered = set(_ENTERS.get(was, ())), set(_ENTERS.get(status, ()))
    gone = left - entered if was in ("queued", "unknown") else set()
    return {**dict.fromkeys(entered - left, 1), **dict.fromkeys(gone, -1)}
