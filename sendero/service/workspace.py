"""The settings of the workspace, and how long its audit log is kept.

The retention is a policy of the log, not a row of ours: whodid keeps it and records its changes. The copy in the row is
for whoever reads the workspace alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from zoneinfo import available_timezones

import msgspec

from sendero.errors import Invalid
from sendero.tables import User
from sendero.work import Work, actor_of, resource_of
from whodid.capture import current
from whodid.retention import Policy, Preview, change_policy, preview, read_policy

__all__ = ["LOCALES", "LONGEST_RETENTION", "change_retention", "hours", "retention", "update", "would_remove", "zones"]

LOCALES = ("es-ES", "es-MX", "en-GB", "en-US", "ca-ES", "pt-PT", "pt-BR", "fr-FR", "de-DE", "it-IT")
LONGEST_RETENTION = 3650

_HOUR = re.compile(r"[01]?\d|2[0-3]")


def snapshot(work: Work) -> dict[str, Any]:
    """Return the settings as the log shows them."""
    row = work.workspace
    return {
        "name": row.name,
        "timezone": row.timezone,
        "locale": row.locale,
        "quiet_hours": row.quiet_hours or None,
    }


def update(work: Work, values: Mapping[str, Any]) -> bool:
    """Change the settings.

    Args:
        values: name, timezone, locale, and quiet_from and quiet_to as hours; both empty for no quiet hours.

    Returns:
        Whether anything changed.

    Raises:
        Invalid: A value cannot be taken.
        Conflict: Somebody else changed them since they were read.
    """
    name, faults = str(values["name"]).strip(), {}
    if not 0 < len(name) <= 60:
        faults["name"] = "A workspace needs a name of at most 60 characters."
    if values["timezone"] not in zones():
        faults["timezone"] = "Choose one of the list."
    if values["locale"] not in LOCALES:
        faults["locale"] = "Choose one of the list."
    begins, ends = values["quiet_from"], values["quiet_to"]
    quiet = bool(begins or ends)
    if quiet and not (_HOUR.fullmatch(begins) and _HOUR.fullmatch(ends) and int(begins) != int(ends)):
        faults["quiet_from"] = "Choose when the quiet hours begin and end, or neither."
    if faults:
        raise Invalid(faults)
    row = work.workspace
    before = snapshot(work)
    row.name, row.timezone, row.locale = name, values["timezone"], values["locale"]
    row.quiet_hours = f"{int(begins)}-{int(ends)}" if quiet else ""
    after = snapshot(work)
    if before == after:
        return False
    work.touch(row)
    work.record("workspace.updated", resource_of(row), before=before, after=after)
    return True


def hours(work: Work) -> tuple[str, str]:
    """Return the hours at which quiet begins and ends; empty when it is never quiet."""
    begins, _, ends = work.workspace.quiet_hours.partition("-")
    return begins, ends


@cache
def zones() -> tuple[str, ...]:
    """Return the time zones to choose from."""
    names = (zone for zone in available_timezones() if "/" in zone)
    return tuple(sorted(zone for zone in names if not zone.startswith(("Etc/", "posix/", "right/", "SystemV/"))))


def retention(work: Work) -> int | None:
    """Return how many days the log keeps entries; None when it keeps them for good."""
    return read_policy(work.home.log, work.workspace.id).days


def would_remove(work: Work, days: str) -> tuple[int, Preview]:
    """Return a number of days that was typed, and what the log would remove if it were the retention.

    Raises:
        Invalid: It is no number of days that can be had.
    """
    number = _days(days)
    return number, preview(work.home.log, work.workspace.id, _policy(work, number))


def change_retention(work: Work, by: User, days: str) -> bool:
    """Change how long the log keeps entries. The log itself records it, once.

    Returns:
        Whether anything changed.

    Raises:
        Invalid: It is no number of days that can be had.
    """
    number, scope = _days(days), current()
    where = scope.context if scope is not None else None
    policy = _policy(work, number)
    receipt = change_policy(work.home.log, work.workspace.id, policy, actor=actor_of(by), context=where)
    if work.workspace.retention_days != number:
        work.workspace.retention_days = number
        work.touch(work.workspace)
    return receipt is not None


def _days(typed: str) -> int:
    text = typed.strip()
    if not text.isascii() or not text.isdigit() or len(text) > 4 or not 1 <= int(text) <= LONGEST_RETENTION:
        raise Invalid({"days": "Choose a number of days from 1 to 3650."})
    return int(text)


def _policy(work: Work, days: int) -> Policy:
    """Return the policy with other days; what the classes of the catalog have of their own stays."""
    return msgspec.structs.replace(read_policy(work.home.log, work.workspace.id), days=days)
