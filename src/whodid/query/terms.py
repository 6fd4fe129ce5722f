"""What can be asked, as values: `Query`, `Term` and `Value`, and their canonical text.

Only shapes and their text. How text becomes a query stands in `parse`, what a query means in `match`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from msgspec import Struct

from whodid.errors import InvalidQuery

__all__ = ["ALIASES", "FIELDS", "TEXT", "Op", "Query", "Span", "Term", "Value", "name_end", "narrow", "quote", "spell"]

FIELDS: tuple[str, ...] = (
    "actor",
    "action",
    "category",
    "kind",
    "type",
    "resource",
    "related",
    "id",
    "change",
    "before",
    "after",
    "reason",
    "via",
    "ip",
    "country",
    "outcome",
    "severity",
    "request",
    "session",
    "batch",
    "cause",
    "index",
    "date",
    "is",
)
"""Every field name, in the order in which help and suggestions name them."""

ALIASES = {"user": "actor"}

TEXT = "text"
"""The field of a term that is free text. It has no name in the query language: one just writes the words."""

Op = Literal["is", "range", "<", "<=", ">", ">="]

# What a value must not contain to be written without quotes.
_BARE = re.compile(r'(?![<>])(?:(?!\.\.)[^\s,*"“”\x00-\x1f])+')
_BARE_WORD = re.compile(r'(?!-)[^\s*"“”\x00-\x1f]+')


class Span(NamedTuple):
    """Where a term stands in the query text: offsets in characters (Unicode code points), end exclusive."""

    start: int
    end: int

    def wrong(self, fact: str, remedy: str) -> InvalidQuery:
        """Return the error that underlines this place."""
        return InvalidQuery(fact, remedy, start=self.start, end=self.end)


class Value(Struct, frozen=True, omit_defaults=True):
    """One value of a term.

    Args:
        text: As written, in the normal form of its field (an action in lower case, an address as `ipaddress` writes
            it …).
        prefix: Whether `*` follows. A free word without quotes is always a prefix.
    """

    text: str
    prefix: bool = False


class Term(Struct, frozen=True, kw_only=True, eq=False):
    """One condition. Two terms are equal when they ask the same, wherever they stand in the text.

    Args:
        field: One of `FIELDS` except `date`, or `TEXT`.
        values: One or more; the condition holds when it holds for one of them. With `range` exactly two: the first
            and the last value that belong to it. With a comparison and in free text exactly one.
        negated: Whether the entries for which the condition holds are left out.
        start: Offset of the term's first character in the query text.
        end: Offset one past its last character.
    """

    field: str
    values: tuple[Value, ...]
    op: Op = "is"
    negated: bool = False
    start: int = 0
    end: int = 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Term):
            return NotImplemented
        return self._key() == other._key()

    # The base class brings its own, which would still compare identities.
    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        sign = "-" if self.negated else ""
        if self.field == TEXT:
            return sign + _word_text(self.values[0])
        values = [spell(value) for value in self.values]
        if self.op == "range":
            return f"{sign}{self.field}:{'..'.join(values)}"
        return f"{sign}{self.field}:{'' if self.op == 'is' else self.op}{','.join(values)}"

    def _key(self) -> tuple[str, tuple[Value, ...], Op, bool]:
        return self.field, self.values, self.op, self.negated


class Query(Struct, frozen=True, kw_only=True):
    """A question to a log: every term holds, and the entry occurred in the period. `str(query)` is its canonical text.

    Parsing the canonical text yields an equal query, at any `now`, in any zone and for any viewer: relative dates and
    `is:mine` have become absolute.

    Args:
        terms: All of them hold.
        since: The first instant of the period (UTC), compared with `occurred_at`; None for no bound.
        until: The first instant after the period (UTC); None for no bound.
    """

    terms: tuple[Term, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def __str__(self) -> str:
        parts = [str(term) for term in self.terms]
        if self.since is not None:
            parts.append(f"date:>={_instant_text(self.since)}")
        if self.until is not None:
            parts.append(f"date:<{_instant_text(self.until)}")
        return " ".join(parts)


def narrow(query: Query, *more: Query | Term, since: datetime | None = None, until: datetime | None = None) -> Query:
    """Return the query that asks for everything at once; it never finds more than each part alone.

    Args:
        more: Further queries or terms, for example the filter that a viewer is locked into.
        since: A further lower bound (UTC).
        until: A further upper bound (UTC).

    Returns:
        A query whose period may be empty (`since` not before `until`): then nothing matches it.
    """
    terms = list(query.terms)
    lows, highs = [query.since, since], [query.until, until]
    for part in more:
        if isinstance(part, Term):
            terms.append(part)
        else:
            terms.extend(part.terms)
            lows.append(part.since)
            highs.append(part.until)
    return Query(
        terms=tuple(dict.fromkeys(terms)),
        since=max((low for low in lows if low is not None), default=None),
        until=min((high for high in highs if high is not None), default=None),
    )


def name_end(text: str, start: int) -> int | None:
    """Tell whether a field name stands at a place of a query text, or something that was meant to be one.

    It does where a letter, then letters, `_` or `-`, then a colon follow one another. An unknown name is excused, and
    the word is free text, when another colon or `//` comes next: `https://example.com`, `std::vector`. So `10:30` and
    `2001:db8::1` are free text as well, and `note:x` is not.

    Returns:
        The offset of the colon, or None when the text there is no field.
    """
    at = start
    while at < len(text) and (text[at].isalpha() or (at > start and text[at] in "_-")):
        at += 1
    if at == start or not text.startswith(":", at):
        return None
    name = text[start:at].lower()
    if name in FIELDS or name in ALIASES or not text.startswith((":", "//"), at + 1):
        return at
    return None


def quote(text: str) -> str:
    r"""Write a text in quotes; `"` and `\` inside it get a `\` before them."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def spell(value: Value) -> str:
    """Write a value of a field, in quotes where it needs them."""
    if value.text == "" and value.prefix:
        return "*"
    return (value.text if _BARE.fullmatch(value.text) else quote(value.text)) + ("*" if value.prefix else "")


def _word_text(value: Value) -> str:
    if not value.prefix:
        return quote(value.text)
    bare = _BARE_WORD.fullmatch(value.text) and name_end(value.text, 0) is None
    return value.text if bare else quote(value.text) + "*"


def _instant_text(at: datetime) -> str:
    at = at.astimezone(UTC)
    return at.isoformat(timespec="microseconds" if at.microsecond else "seconds")[:-6] + "Z"
