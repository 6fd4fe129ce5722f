"""The format `head`: instead of entries, a sink gets the signed head of the log, on a schedule.

Whoever keeps the heads that came in holds the log to them: nothing below can change any more without being found. Each
carries the proof that it continues the one before, so that a receiver can check it alone. Deliveries are no entries:
each would make a new head, which would want to be delivered.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Literal

import msgspec

from whodid import canonical
from whodid.log import Log
from whodid.proof.note import parse_note
from whodid.sinks.kinds.base import Message
from whodid.sinks.position import Position
from whodid.sinks.settings import Sink

__all__ = ["HEAD", "USUAL_SECONDS", "make_head", "size_of"]

HEAD = "head"
"""Name of the format."""

USUAL_SECONDS = 86_400
"""Between two heads, unless the sink says otherwise."""


def make_head(
    log: Log, workspace: str, sink: Sink, position: Position, what: Literal["head", "test"] = "head"
) -> Message:
    """Make the message with the newest head.

    Args:
        position: Its `next` is the size of the head before, if one was taken.
        what: A test says so; it is not remembered as a head that was taken.

    Returns:
        The message; `index` is None, and `size` stands in the body.
    """
    snapshot = log.snapshot(workspace)
    size = snapshot.head.size
    previous = position.next if position.sent_at is not None and snapshot.reaches(position.next) else 0
    now = log.now()
    said = {
        "whodid": what,
        "id": f"{sink.id}-{what}-{size}",
        "workspace": workspace,
        "sink": sink.name,
        "at": canonical.time_text(now),
        "size": size,
        "checkpoint": snapshot.checkpoint,
        "vkey": snapshot.vkey,
        "previous": previous,
        "consistency": [b64encode(one).decode() for one in snapshot.consistency(previous)] if previous else [],
    }
    return Message(
        id=f"{sink.id}-{what}-{size}",
        index=None,
        at=now,
        workspace=workspace,
        action=f"whodid.{what}",
        severity="info",
        body=msgspec.json.encode(said),
    )


def size_of(message: Message) -> int:
    """Return the size of the head in a message."""
    return int(parse_note(msgspec.json.decode(message.body)["checkpoint"])[0].split("\n")[1])
