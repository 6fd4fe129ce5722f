"""What an outbox asks before it writes: whether the log would take the events of a change."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

from whodid.model import Event

__all__ = ["Check", "insist"]

Check = Callable[[str, Event], object]
"""Raises `InvalidEvent` for an event that the log of a workspace would refuse: `log.check`."""


def insist(check: Check | None, told: Iterable[tuple[str, Event]], aside: Container[str] = ()) -> None:
    """Refuse a change whose events the log would refuse, while it can still be rolled back.

    Args:
        check: Who knows it; None leaves it to the relay, which sets such events aside after the commit.
        told: Workspace and event.
        aside: Ids of events that are set aside already.

    Raises:
        InvalidEvent: The log would refuse one of them.
    """
    if check is not None:
        for workspace, event in told:
            if event.id not in aside:
                check(workspace, event)
