"""What WhatsApp says of something of ours, taken over and recorded as its act."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sendero.tables import Account, Template
from sendero.whatsapp.actor import WHATSAPP
from sendero.work import Work, resource_of
from whodid import Reason
from whodid.model import Severity

__all__ = ["QUALITIES", "noted", "of_quality"]

QUALITIES = ("green", "yellow", "red", "unknown")


def noted(
    work: Work,
    thing: Account | Template,
    action: str,
    said: Mapping[str, Any],
    *,
    reason: Reason | None = None,
    details: Mapping[str, Any] | None = None,
    severity: Severity | None = None,
) -> str | None:
    """Take over fields of a number or a template.

    Args:
        said: Field → what it is now.

    Returns:
        The id of the event; None when nothing changed.
    """
    before = {name: getattr(thing, name) for name in said}
    if before == dict(said):
        return None
    for name, value in said.items():
        setattr(thing, name, value)
    work.touch(thing)
    return work.record(
        action,
        resource_of(thing),
        before=before,
        after=said,
        reason=reason,
        details=details,
        severity=severity,
        actor=WHATSAPP,
    )


def of_quality(quality: str) -> Severity | None:
    """Return how grave a quality is; None for as grave as the action."""
    return "warning" if quality == "red" else None
