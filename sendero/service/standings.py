"""What WhatsApp says about accounts: status, quality, and how many people the workspace may write to in a day.

Every change is WhatsApp's act, whether it told us by itself or because we asked. The campaign guard hears of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sendero.service import guard
from sendero.service.noted import QUALITIES, noted, of_quality
from sendero.tables import Account
from sendero.whatsapp.actor import WHATSAPP
from sendero.whatsapp.provider import Standing
from sendero.work import Work, resource_of
from whodid import Reason
from whodid.model import Severity

__all__ = [
    "LIMITS",
    "STATUSES",
    "apply",
    "change_facts",
    "change_limit",
    "change_quality",
    "change_status",
]

STATUSES = ("connecting", "connected", "flagged", "restricted", "banned", "disconnected")
LIMITS = ("250", "1000", "2000", "10000", "100000", "unlimited")

_GRAVE: dict[str, Severity] = {"connected": "notice", "connecting": "notice", "banned": "critical"}
_FACTS = ("display_phone_number", "verified_name", "name_status", "throughput_level", "mode")


def change_status(
    work: Work, account: Account, status: str, *, reason: Reason | None = None, code: int | None = None
) -> str | None:
    """Note the status of an account.

    Args:
        code: WhatsApp's error code, when a refusal told us.

    Returns:
        The id of the event; None when nothing changed.
    """
    if status not in STATUSES:
        return None
    cause = noted(
        work,
        account,
        "account.status_changed",
        {"status": status},
        reason=reason,
        details=None if code is None else {"provider_code": code},
        severity=_GRAVE.get(status),
    )
    if cause is not None:
        guard.account_changed(work, account, cause, code)
    return cause


def change_quality(work: Work, account: Account, quality: str, *, reason: Reason | None = None) -> str | None:
    """Note the quality of a number; returns like `change_status`."""
    if quality not in QUALITIES:
        return None
    said = {"quality_rating": quality}
    cause = noted(work, account, "account.quality_changed", said, reason=reason, severity=of_quality(quality))
    if cause is not None:
        guard.account_changed(work, account, cause, None)
    return cause


def change_limit(work: Work, limit: str) -> str | None:
    """Note how many people the workspace may write to in a day; returns like `change_status`."""
    workspace = work.workspace
    before = workspace.portfolio_limit
    if limit not in LIMITS or limit == before:
        return None
    workspace.portfolio_limit = limit
    workspace.updated_at = work.now()
    work.session.flush()
    return work.record(
        "workspace.limit_changed",
        resource_of(workspace),
        before={"portfolio_limit": _number(before)},
        after={"portfolio_limit": _number(limit)},
        actor=WHATSAPP,
    )


def apply(work: Work, account: Account, standing: Standing) -> bool:
    """Note everything that WhatsApp says about a number.

    Returns:
        Whether anything changed.
    """
    facts = change_facts(work, account, {name: getattr(standing, name) for name in _FACTS})
    quality = change_quality(work, account, standing.quality_rating)
    status = change_status(work, account, standing.status)
    return any(cause is not None for cause in (facts, quality, status))


def change_facts(work: Work, account: Account, facts: Mapping[str, str]) -> str | None:
    """Note other facts of a number, such as its throughput; returns like `change_status`."""
    return noted(work, account, "account.updated", facts)


def _number(limit: str) -> Any:
    """Return a limit as the log shows it."""
    return int(limit) if limit.isdecimal() else limit
