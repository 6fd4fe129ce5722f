"""Refusals: what somebody attempted and was not allowed to do is recorded although nothing changes."""

from __future__ import annotations

from sendero.work import Work
from whodid import Reason, Resource

__all__ = ["refused"]


def refused(work: Work, action: str, resource: Resource, *, code: str, permission: str) -> None:
    """Record that somebody was refused; it goes straight to the log, because the request is rolled back.

    Args:
        action: What was attempted; it has the same name whether it succeeds or is refused.
        code: Why, as a reason code.
        permission: What was missing; empty when it was something else.
    """
    event = work.home.capture.event(
        action,
        resource,
        outcome="denied",
        reason=Reason(code=code),
        details={"permission": permission} if permission else None,
        workspace=work.workspace.id,
    )
    work.home.log.record(work.workspace.id, event)
