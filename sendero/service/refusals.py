"""Refusals: what somebody attempted and was not allowed to do is recorded although nothing changes."""

from __future__ import annotations

from sendero.work import Work
from whodid import Reason, Resource

__all__ = ["refused"]


def refused(work: Work, action: str, resource: Resource, *, code: str, permission: str) -> None:
    """Record that somebody was refused, in a unit of work of its own, because the request is rolled back.

    Args:
        action: What was attempted; it has the same name whether it succeeds or is refused.
        code: Why, as a reason code.
        permission: What was missing; empty when it was something else.
    """
    work.record(
        action,
        resource,
        outcome="denied",
        reason=Reason(code=code),
        details={"permission": permission} if permission else None,
    )
