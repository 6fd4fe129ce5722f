"""What roll-ups count by: `Shape`, and which terms it decides.

A shape is everything about an entry that has few values. A query whose terms are all decided by the shape is counted
exactly from counts per hour and shape, without looking at an entry.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from msgspec import Struct

from whodid.model import SEVERITIES, ActorType, Content, Kind, Outcome, Severity, Source
from whodid.query.terms import Term

__all__ = ["Shape", "flag_test", "matches_shape", "shape_of", "value_test"]

_SEVERITIES: tuple[str, ...] = SEVERITIES

Test = Callable[[str | None], bool]


class Shape(Struct, frozen=True, gc=False, kw_only=True):
    """The values of an entry that roll-ups count by.

    Args:
        type: Of the resource.
        marks: Sorted.
    """

    action: str
    type: str
    kind: Kind
    severity: Severity
    outcome: Outcome
    source: Source | None
    actor_type: ActorType
    marks: tuple[str, ...] = ()


def shape_of(content: Content) -> Shape:
    """Return the shape of an entry."""
    context = content.context
    return Shape(
        action=content.action,
        type=content.resource.type,
        kind=content.kind,
        severity=content.severity,
        outcome=content.outcome,
        source=None if context is None else context.source,
        actor_type=content.actor.type,
        marks=tuple(sorted(content.marks)) if content.marks else (),
    )


def matches_shape(term: Term, shape: Shape) -> bool | None:
    """Tell whether a term holds for every entry of a shape.

    Returns:
        True or False when the shape decides; None when the entry has to be looked at. Whether it is None depends on
        the term alone.
    """
    test = _shape_test(term)
    return None if test is None else test(shape) != term.negated


def value_test(term: Term) -> Test:
    """Return the test that a term makes of one text (a kind, an action, a request id …), without its negation.

    Texts are compared as they are; an absent one (None) never passes.
    """
    if term.field == "severity":
        return _severities(term).__contains__
    exact = frozenset(value.text for value in term.values if not value.prefix)
    prefixes = tuple(value.text for value in term.values if value.prefix)
    if term.field == "action":
        return _action_test(exact, prefixes)
    if not prefixes:
        return exact.__contains__
    return lambda text: text is not None and (text in exact or text.startswith(prefixes))


def flag_test(flags: frozenset[str]) -> Callable[[str, tuple[str, ...]], bool]:
    """Return the test that flags of `is:` make of outcome and marks: whether one of them is there.

    Args:
        flags: Any but `batch`, which neither outcome nor marks tell.
    """
    outcomes = flags & {"denied", "failed"}
    return lambda outcome, marks: outcome in outcomes or not flags.isdisjoint(marks)


@lru_cache(maxsize=1024)
def _shape_test(term: Term) -> Callable[[Shape], bool] | None:
    if term.field == "is":
        flags = frozenset(value.text for value in term.values)
        holds = flag_test(flags)
        return None if "batch" in flags else lambda shape: holds(shape.outcome, shape.marks)
    test = value_test(term)
    tests: dict[str, Callable[[Shape], bool]] = {
        "action": lambda shape: test(shape.action),
        "category": lambda shape: test(shape.action.partition(".")[0]),
        "kind": lambda shape: test(shape.kind),
        "type": lambda shape: test(shape.type),
        "severity": lambda shape: test(shape.severity),
        "outcome": lambda shape: test(shape.outcome),
        "via": lambda shape: test(shape.source),
    }
    return tests.get(term.field)


def _severities(term: Term) -> frozenset[str | None]:
    places = [_SEVERITIES.index(value.text) for value in term.values]
    first = places[0]
    allowed = {
        "is": [_SEVERITIES[place] for place in places],
        "range": _SEVERITIES[first : places[-1] + 1],
        "<": _SEVERITIES[:first],
        "<=": _SEVERITIES[: first + 1],
        ">": _SEVERITIES[first + 1 :],
        ">=": _SEVERITIES[first:],
    }
    return frozenset(allowed[term.op])


def _action_test(exact: frozenset[str], prefixes: tuple[str, ...]) -> Test:
    """An action is found by its full name and by its verb, whole or up to a `*`."""

    def found(text: str) -> bool:
        return text in exact or text.startswith(prefixes)

    return lambda action: action is not None and (found(action) or found(action.rpartition(".")[2]))
