"""The questions that an evidence file answers: who, what, which actions, when.

What lives here: a question, how people write one, and the ready-made ones. A question has the form that a sealed index
can answer; anything finer (a text, an address) is for the query language and for exports.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from whodid import canonical
from whodid.catalog import Catalog, Topic, topics
from whodid.errors import InvalidQuery
from whodid.evidence.document import DIMENSIONS, ENTRY, Ask
from whodid.model import ACTORS
from whodid.query import Query, Term, Value, indexes_of, quote, spans

__all__ = ["PRESETS", "Question", "about", "ask"]

PRESETS: tuple[Topic, ...] = ("access", "approvals")
"""Ready-made sets of actions: changes of access rights, approval records such as those of templates."""

_FIELDS = {"actor": "actor", "action": "action", "resource": "resource", ENTRY: "index"}
"""Dimension → field of the query language."""


class Question(NamedTuple):
    """What is asked of a log.

    Args:
        asks: All of them must hold; within one, any value. None asks for every entry.
        since: First `recorded_at` that counts, microseconds since 1970; None from the beginning.
        until: First `recorded_at` that does not count any more; None up to now.
    """

    asks: tuple[Ask, ...] = ()
    since: int | None = None
    until: int | None = None

    def __str__(self) -> str:
        """Return it as people write it, for the record of a file."""
        parts = [f"{one.dimension}:{_spelt(one)}" for one in self.asks]
        since, until = ["" if at is None else canonical.time_text(canonical.from_micros(at)) for at in self[1:]]
        return " ".join([*parts, f"recorded:{since}..{until}"] if since or until else parts)

    def has(self, recorded_at: int) -> bool:
        """Tell whether the period contains a moment, microseconds since 1970."""
        return (self.since is None or recorded_at >= self.since) and (self.until is None or recorded_at < self.until)

    def query(self) -> Query:
        """Ask the same in the query language, which knows actors by their ids and a period by when entries occurred."""
        terms = [Term(field=_FIELDS[one.dimension], values=_sought(one)) for one in self.asks]
        since, until = [None if at is None else canonical.from_micros(at) for at in self[1:]]
        return Query(terms=tuple(terms), since=since, until=until)


def ask(
    terms: Sequence[str], *, catalog: Catalog, since: datetime | None = None, until: datetime | None = None
) -> Question:
    """Read a question.

    Args:
        terms: `resource:TYPE:ID`, `actor:TYPE:ID` (or `actor:ID`, of any type), `action:NAME`, with commas between
            alternatives; an action may end in `.*`. `access` stands for all changes of access rights, `approvals` for
            all that say how a thing such as a template got approved. `entry:5,7..9` names entries by their indexes, and
            stands alone. No term asks for everything.
        catalog: Knows which actions there are.
        since: First moment that counts, UTC.
        until: First moment that does not count any more, UTC.

    Raises:
        InvalidQuery: A term is not one of these, or the period is empty.
    """
    found: dict[str, dict[tuple[str, ...], None]] = {}
    for term in terms:
        dimension, values = _read(term, catalog)
        if found.setdefault(dimension, {}):
            raise InvalidQuery(f"The question names {dimension} twice", "Write alternatives with a comma between them")
        found[dimension] = dict.fromkeys(values)
    period = [None if at is None else canonical.micros(at) for at in (since, until)]
    if ENTRY in found and (len(found) > 1 or period != [None, None]):
        raise InvalidQuery("Entries that are named are all that a question asks for", "Leave out everything else")
    if period[0] is not None and period[1] is not None and period[0] >= period[1]:
        raise InvalidQuery("The period ends before it begins", "Exchange its ends")
    asks = tuple(Ask(dimension=one, values=[list(value) for value in found[one]]) for one in DIMENSIONS if one in found)
    return Question(asks, *period)


def about(actions: Sequence[str], resources: Sequence[tuple[str, str]] = ()) -> Question:
    """Make the question for every entry of some actions, about some resources or about any."""
    asks = [Ask(dimension="action", values=[[name] for name in actions])]
    if resources:
        asks.append(Ask(dimension="resource", values=[list(one) for one in resources]))
    return Question(tuple(asks))


def _spelt(ask: Ask) -> str:
    if ask.dimension == ENTRY:
        return spans(int(value) for (value,) in ask.values)
    return ",".join(":".join(value) for value in ask.values)


def _sought(ask: Ask) -> tuple[Value, ...]:
    texts = (value[-1] if ask.dimension == "actor" else ":".join(value) for value in ask.values)
    return tuple(Value(text) for text in dict.fromkeys(texts))


def _read(term: str, catalog: Catalog) -> tuple[str, list[tuple[str, ...]]]:
    if term in PRESETS:
        return "action", [(name,) for name, one in catalog.items() if term in topics(catalog, name, one.kind)]
    dimension, _, text = term.partition(":")
    if dimension == ENTRY and text:
        return dimension, [(str(at),) for at in indexes_of(text)]
    values: list[tuple[str, ...]] = []
    for value in text.split(","):
        type_, _, id_ = value.partition(":")
        if "\0" in value or not value:
            raise _unknown(term)
        if dimension == "action":
            values += _actions(value, catalog)
        elif dimension == "actor" and type_ not in ACTORS:
            values += [(one, value) for one in ACTORS]
        elif dimension in {"actor", "resource"} and type_ and id_:
            values.append((type_, id_))
        else:
            raise _unknown(term)
    return dimension, values


def _actions(value: str, catalog: Catalog) -> list[tuple[str, ...]]:
    if not value.endswith(".*"):
        return [(value,)]
    found: list[tuple[str, ...]] = [(name,) for name in catalog if name.startswith(value[:-1])]
    if not found:
        raise InvalidQuery(f"The catalog has no action {quote(value)}", "Name the actions one by one")
    return found


def _unknown(term: str) -> InvalidQuery:
    return InvalidQuery(
        f"A question cannot have the part {quote(term)}",
        f"Use resource:TYPE:ID, actor:TYPE:ID, action:NAME, entry:INDEXES, or {' or '.join(PRESETS)}",
    )
