"""The retention policy of a workspace: how long entries keep their content, counted from `recorded_at`.

A value, and the two ways to it: reading it and changing it. Every change of it is an `audit.retention_changed` entry.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from msgspec import UNSET, Struct

from whodid.capture.events import uuid7
from whodid.catalog import Catalog
from whodid.errors import InvalidSetting
from whodid.log import Announced, Log, Receipt
from whodid.model import Actor, Change, Context, Event, Reason, Resource

__all__ = [
    "DEFAULT_DAYS",
    "MAX_DAYS",
    "POLICY",
    "STANDARD",
    "Policy",
    "change_policy",
    "check_policy",
    "class_of",
    "read_policy",
]

DEFAULT_DAYS = 90
MAX_DAYS = 36_500
STANDARD = "standard"
"""The retention class of actions whose declaration names no other, and of undeclared ones."""


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long entries keep their content.

    Args:
        days: 1 to 36,500; None keeps it for good.
        classes: The same for retention classes of the catalog that differ from it.
    """

    days: int | None = DEFAULT_DAYS
    classes: dict[str, int | None] = {}

    def days_for(self, retention_class: str) -> int | None:
        """Return the days that hold for a class."""
        return self.classes.get(retention_class, self.days)


POLICY: Announced[Policy] = Announced("retention", Policy, Policy(), "The retention policy")


def class_of(catalog: Catalog, action: str) -> str:
    """Return the retention class of an action."""
    declared = catalog.get(action)
    return STANDARD if declared is None else declared.retention


def read_policy(log: Log, workspace: str) -> Policy:
    """Return the policy of a workspace; the default one if none was ever set."""
    return POLICY.read(log, workspace)


def change_policy(
    log: Log,
    workspace: str,
    policy: Policy,
    *,
    actor: Actor,
    context: Context | None = None,
    reason: Reason | None = None,
) -> Receipt | None:
    """Set the policy of a workspace and record that it changed.

    Args:
        policy: From now on; it holds for entries that are there already, too.
        actor: Who changes it.
        context: Where from.
        reason: Why.

    Returns:
        The receipt of the `audit.retention_changed` entry, or None when it was the policy already.

    Raises:
        InvalidSetting: The policy cannot be used; nothing changed.
        InvalidEvent: The entry was refused (actor, context or reason are at fault); nothing changed.
    """
    check_policy(log.catalog, policy)

    def make(before: Policy) -> tuple[Policy, Event] | None:
        if before == policy:
            return None
        now = log.now()
        return policy, Event(
            id=uuid7(now, os.urandom(8)),
            occurred_at=now,
            actor=actor,
            action="audit.retention_changed",
            resource=Resource(type="log", id=workspace),
            changes=tuple(_changes(before, policy)),
            context=context,
            reason=reason,
        )

    return POLICY.change(log, workspace, make)


def check_policy(catalog: Catalog, policy: Policy) -> None:
    """Refuse a policy that cannot be had.

    Raises:
        InvalidSetting: Days are out of bounds, or a class is not known.
    """
    classes = {action.retention for action in catalog.values()}
    for days in (policy.days, *policy.classes.values()):
        if days is not None and not 1 <= days <= MAX_DAYS:
            raise InvalidSetting(f"A retention of {days} days cannot be had", f"Use 1 to {MAX_DAYS:,} days, or none")
    for name in policy.classes:
        if name == STANDARD:
            raise InvalidSetting(f"The class {STANDARD} has the days of the policy itself", "Set those")
        if name not in classes:
            known = ", ".join(sorted(classes - {STANDARD})) or "no other class"
            raise InvalidSetting(f"The catalog knows no retention class {name!r}", f"It knows {known}")


def _changes(before: Policy, after: Policy) -> Iterable[Change]:
    if before.days != after.days:
        yield Change(path="retention_days", before=before.days, after=after.days)
    for name in sorted({*before.classes, *after.classes}):
        if before.days_for(name) != after.days_for(name) or (name in before.classes) != (name in after.classes):
            yield Change(
                path=f"retention_days.{name}",
                op="replace"
                if name in before.classes and name in after.classes
                else "add"
                if name in after.classes
                else "remove",
                before=before.classes.get(name, UNSET),
                after=after.classes.get(name, UNSET),
            )
