"""Refusals: what somebody attempted and could not do is recorded although nothing changes."""

from __future__ import annotations

from sendero.errors import Unavailable
from sendero.work import Work
from whodid import Reason, Resource

__all__ = ["failed", "refused"]


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


def failed(work: Work, action: str, resource: Resource, fault: Unavailable) -> None:
    """Record that WhatsApp refused what somebody attempted, or did not answer; in a unit of work of its own."""
    work.record(
        action,
        resource,
        outcome="failed",
        reason=Reason(code="provider_refused" if fault.provider_code else "provider_silent", text=fault.text),
        details={"provider_code": fault.provider_code} if fault.provider_code else None,
    )
