"""What a caller tells of an event, whichever way it is said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypedDict, TypeVar

from whodid.errors import InvalidEvent
from whodid.model import Actor, Change, Kind, Outcome, Reason, Related, Severity

__all__ = ["Told", "check", "each"]


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

_T = TypeVar("_T")

# dict and tuple stand first: they are what is told nearly always, and asking an abstract class takes longer.
_FIELDS = ((dict, Mapping), "a mapping", "Pass fields and their values, such as {'city': 'Madrid'}")
_KINDS: dict[str, tuple[tuple[type, ...], str, str]] = {
    "before": _FIELDS,
    "after": _FIELDS,
    "changes": ((tuple, Iterable), "an iterable of changes", "Pass whodid.Change objects"),
    "related": ((tuple, Iterable), "an iterable of further resources", "Pass whodid.Related objects"),
    "reason": ((str, Reason), "a reason", "Pass its text, or a whodid.Reason"),
    "actor": ((Actor,), "an actor", "Pass a whodid.Actor"),
    "occurred_at": ((datetime,), "a time", "Pass a datetime with its offset from UTC, such as datetime.now(UTC)"),
}


def check(told: Told, call: str) -> None:
    """Refuse a name that nothing can be told under, as Python refuses an argument that a function does not have.

    Args:
        call: What was called, for the message.

    Raises:
        TypeError: There is such a name.
        InvalidEvent: What is told under a name is of another type than it takes.
    """
    if not told.keys() <= _NAMES:
        name = next(name for name in told if name not in _NAMES)
        raise TypeError(f"{call}() got an unexpected keyword argument {name!r}")
    for name, said in told.items():
        if name in _KINDS and said is not None:
            kinds, expected, remedy = _KINDS[name]
            if not isinstance(said, kinds):
                raise InvalidEvent(f"/{name}", f"a value of type {type(said).__name__} is not {expected}", remedy)


def each(told: Iterable[_T], kind: type[_T], member: str) -> Iterator[_T]:
    """Iterate over what is told in a list, each of one type.

    Args:
        told: As given by the caller.
        kind: What each is to be.
        member: Its name, for the message.

    Raises:
        InvalidEvent: One is of another type.
    """
    for at, one in enumerate(told):
        if not isinstance(one, kind):
            raise InvalidEvent(
                f"/{member}/{at}",
                f"a value of type {type(one).__name__} is not a {kind.__name__}",
                f"Pass whodid.{kind.__name__} objects",
            )
        yield one
