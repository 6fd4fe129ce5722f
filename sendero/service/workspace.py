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

from sendero.actions import ACCESS
from sendero.errors import Invalid
from sendero.tables import User
from sendero.work import Work, actor_of, resource_of
from whodid.capture import current
from whodid.retention import Policy, Preview, change_policy, preview, read_policy

__all__ = [
    "LOCALES",
    "LONGEST_RETENTION",
    "access_retention",
    "change_retention",
    "hours",
    "retention",
    "update",
    "would_remove",
    "zones",
]

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


def access_retention(work: Work) -> int | None:
    """Return how many days the log keeps who could get in, if that differs from the rest."""
    return read_policy(work.home.log, work.workspace.id).classes.get(ACCESS)


def would_remove(work: Work, days: str, access: str = "") -> tuple[int, int | None, Preview]:
    """Return the days that were typed, and what the log would remove if they were the retention.

    Args:
        access: Days for who could get in; empty for those of the rest.

    Raises:
        Invalid: It is no number of days that can be had.
    """
    number, own = _days(days), _days(access, "access") if access.strip() else None
    return number, own, preview(work.home.log, work.workspace.id, _policy(work, number, own))


def change_retention(work: Work, by: User, days: str, access: str = "") -> bool:
    """Change how long the log keeps entries. The log itself records it, once.

    Args:
        access: As for `would_remove`.

    Returns:
        Whether anything changed.

    Raises:
        Invalid: It is no number of days that can be had.
    """
    number, scope = _days(days), current()
    own = _days(access, "access") if access.strip() else None
    where = scope.context if scope is not None else None
    policy = _policy(work, number, own)
    receipt = change_policy(work.home.log, work.workspace.id, policy, actor=actor_of(by), context=where)
    if work.workspace.retention_days != number:
        work.workspace.retention_days = number
        work.touch(work.workspace)
    return receipt is not None


def _days(typed: str, field: str = "days") -> int:
    text = typed.strip()
    if not text.isascii() or not text.isdigit() or len(text) > 4 or not 1 <= int(text) <= LONGEST_RETENTION:
        raise Invalid({field: "Choose a number of days from 1 to 3650."})
    return int(text)


def _policy(work: Work, days: int, access: int | None) -> Policy:
    """Return the policy with other days; what further classes have of their own stays."""
    old = read_policy(work.home.log, work.workspace.id)
    classes = {name: kept for name, kept in old.classes.items() if name != ACCESS}
    return Policy(days=days, classes=classes if access is None else {**classes, ACCESS: access})
