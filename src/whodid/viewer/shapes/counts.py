"""The shapes of counts, and of what a workspace declares and keeps."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from whodid.model import Kind
from whodid.viewer.shapes.entries import Count, Instant, Shape

__all__ = ["Bars", "CatalogView", "FacetValues", "RetentionView", "StandingOut", "Suggestions"]


class Bar(Shape, frozen=True):
    """Entries of one interval.

    Args:
        counts: Kind → number of entries.
        denied: How many of them were denied; left out when none was.
    """

    start: Instant
    end: Instant
    counts: dict[str, int]
    denied: int | UnsetType = UNSET


class Bars(Shape, frozen=True):
    """Entries per interval and kind.

    Args:
        kinds: Kind → number of entries in all.
        exact: false when there may be more.
    """

    buckets: list[Bar]
    total: Count
    kinds: dict[str, int]
    exact: bool


class FacetValue(Shape, frozen=True):
    """A value of a field, and how many entries have it.

    Args:
        type: Of an actor or resource.
    """

    value: str
    label: str
    count: int
    type: str | UnsetType = UNSET


class FacetValues(Shape, frozen=True):
    """The most frequent values of a field.

    Args:
        exact: false when there may be more.
    """

    values: list[FacetValue]
    exact: bool


class Insight(Shape, frozen=True):
    """A value that stands out.

    Args:
        count: Entries with it in the part.
        expected: How many there would be at the rate of the rest.
        first: Whether it was not seen in the thirty days before.
        term: The term of the query language that finds them.
    """

    field: str
    value: str
    label: str
    count: int
    expected: float
    first: bool
    term: str


class StandingOut(Shape, frozen=True):
    """What stands out in a part of the range.

    Args:
        from_: Beginning of the part; null when no part stands out.
        to: End of the part.
        count: Entries in the part.
    """

    from_: Instant | None = msgspec.field(name="from")
    to: Instant | None
    count: int
    items: list[Insight]


class Suggestion(Shape, frozen=True):
    """A term that can be typed next.

    Args:
        field: Of a value.
        count: Entries that have the value; null when that was not counted.
    """

    kind: Literal["field", "value"]
    term: str
    label: str
    field: str | UnsetType = UNSET
    count: int | UnsetType | None = UNSET


class Suggestions(Shape, frozen=True):
    """Completions of what is being typed."""

    items: list[Suggestion]


class DeclaredAction(Shape, frozen=True):
    """A declared action and what menus call it."""

    name: str
    kind: Kind
    category: str
    label: str


class Choice(Shape, frozen=True):
    """A value and what menus call it."""

    value: str
    label: str


class CatalogView(Shape, frozen=True):
    """What menus offer."""

    actions: list[DeclaredAction]
    kinds: list[Choice]
    categories: list[Choice]
    types: list[Choice]
    outcomes: list[Choice]
    severities: list[Choice]


class PurgeRecord(Shape, frozen=True):
    """What one purge removed.

    Args:
        until: Everything recorded before it went.
        index: Of the entry that says so.
    """

    at: Instant
    entries: int | None
    until: str | None
    index: int


class RetentionView(Shape, frozen=True):
    """How long entries keep their content, and what was removed so far.

    Args:
        days: null keeps it for good.
        classes: The same for retention classes of the catalog that differ from it.
        first: The first index that may still have content.
        oldest_at: When the oldest entry that is still there was recorded.
        purges: Newest first, as far as this viewer may read the records of it.
    """

    days: int | None
    classes: dict[str, int | None]
    first: int
    oldest_at: Instant | None
    purges: list[PurgeRecord]
