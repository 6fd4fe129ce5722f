"""What a caller tells of an event, whichever way it is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypedDict

from whodid.model import Actor, Change, Kind, Outcome, Reason, Related, Severity

__all__ = ["Told", "check"]


class Told(TypedDict, total=False):
    """What can be told of an event besides its action and its resource, each by its name.

    What is not told comes from the innermost `context`, or is left out.

    Args:
        before: Fields of the resource before; None when it was created.
        after: Fields of the resource after; None when it was deleted.
        changes: The changes themselves, instead of `before` and `after`.
        related: Further resources, each with what it is to this one.
        outcome: `success` when not told, `denied` or `failed`.
        reason: A `Reason`, or its text.
        details: Further JSON values; secret-named keys are replaced at any depth.
        cause: The id of the entry that made this one happen.
        batch: The id of what this one is a part of.
        kind: Of an action that the catalog does not declare.
        severity: When it is another one than the catalog's.
        actor: Who did it.
        occurred_at: When it happened, if not just now.
    """

    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    changes: Iterable[Change] | None
    related: Iterable[Related]
    outcome: Outcome
    reason: Reason | str | None
    details: Mapping[str, Any] | None
    cause: str | None
    batch: str | None
    kind: Kind | None
    severity: Severity | None
    actor: Actor | None
    occurred_at: datetime | None


_NAMES = frozenset(Told.__annotations__)


def check(told: Told, call: str) -> None:
    """Refuse a name that nothing can be told under, as Python refuses an argument that a function does not have.

    Args:
        call: What was called, for the message.

    Raises:
        TypeError: There is such a name.
    """
    if not told.keys() <= _NAMES:
        name = next(name for name in told if name not in _NAMES)
        raise TypeError(f"{call}() got an unexpected keyword argument {name!r}")
