"""What a review consists of: the items that somebody looks at, made of the entries of a period. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct

from whodid.catalog import Catalog
from whodid.model import Actor, Entry
from whodid.review.matter import WHYS, Why, group_of, why
from whodid.review.sample import draw, size

__all__ = ["MOST_ITEMS", "MOST_QUEUED", "Item", "Mark", "Plan", "Review", "plan"]

MOST_ITEMS = 300
"""Items of one review; what comes after is for the next one."""

MOST_QUEUED = 10_000
"""Entries that the items stand for, the sample aside."""

_PER_ITEM = 500


class Item(Struct, frozen=True, kw_only=True):
    """Something that is looked at as one.

    Args:
        why: Why it is in the review.
        actor: Who did it: type and id; none where it is about an alert.
        entries: Indexes, ascending; the first one is what the item is named by.
    """

    why: Why
    actor: tuple[str, str] | None = None
    entries: tuple[int, ...]

    @property
    def id(self) -> str:
        """Its name within the review."""
        return str(self.entries[0])


class Mark(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That somebody looked at an item.

    Args:
        alert: Id of the alert that was raised over it.
    """

    at: datetime
    by: Actor
    comment: str = ""
    alert: str | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """What there is to look at.

    Args:
        items: What matters, then the sample.
        stop: The first index that is not part of it: where the entries ended, or where there were enough items.
        rest: How many entries the sample was drawn from.
    """

    items: tuple[Item, ...]
    stop: int
    rest: int


class Review(Struct, frozen=True, kw_only=True):
    """A review that was begun.

    Args:
        number: One more than that of the review before.
        start: Index of the first entry that it is about.
        stop: The first one after.
        since: When the review before ended; of the first review, when the first entry was recorded.
        until: When this one begins to leave entries out.
        size: Of the tree that its checkpoint signs.
        root: Of that tree, hexadecimal: the seed of the sample.
        rest: How many entries the sample was drawn from.
        marks: What was looked at, by the id of the item.
    """

    number: int
    start: int
    stop: int
    since: datetime
    until: datetime
    size: int
    root: str
    rest: int
    items: tuple[Item, ...]
    begun_at: datetime
    begun_by: Actor
    marks: dict[str, Mark] = {}

    def unseen(self) -> list[Item]:
        """Return what nobody looked at yet."""
        return [one for one in self.items if one.id not in self.marks]

    def own(self) -> int:
        """Count the items that were looked at by the one who did them."""
        return sum(
            one.actor is not None
            and (mark := self.marks.get(one.id)) is not None
            and (mark.by.type, mark.by.id) == one.actor
            for one in self.items
        )


def plan(entries: Iterable[Entry], catalog: Catalog, root: bytes, *, stop: int, standing: Iterable[int] = ()) -> Plan:
    """Make the items of a review.

    Args:
        entries: Of the period, by index.
        root: Of the tree of the checkpoint.
        stop: The first index after the period.
        standing: Entries of before over which an alert is still open.
    """
    groups: dict[tuple[Any, ...], list[list[int]]] = {}
    actors: dict[int, tuple[str, str] | None] = {}
    whys: dict[int, Why] = {}
    rest: list[int] = []
    count = queued = 0
    for at in sorted(set(standing)):
        groups["standing", at] = [[at]]
        whys[at], actors[at] = "alert", None
        count += 1
    for entry in entries:
        because = why(entry, catalog)
        if because is None:
            rest.append(entry.index)
            continue
        group = groups.setdefault(group_of(entry, because), [])
        fresh = not group or len(group[-1]) >= _PER_ITEM
        if (fresh and count >= MOST_ITEMS) or queued >= MOST_QUEUED:
            stop = entry.index
            break
        if fresh:
            group.append([])
            count += 1
            whys[entry.index] = because
            actors[entry.index] = None if because == "alert" else (entry.actor.type, entry.actor.id)
        group[-1].append(entry.index)
        queued += 1
    made = [
        Item(why=whys[one[0]], actor=actors[one[0]], entries=tuple(one))
        for group in groups.values()
        for one in group
        if one
    ]
    made.sort(key=lambda item: (WHYS.index(item.why), item.entries))
    drawn = [Item(why="sample", entries=(at,)) for at in draw(root, rest, size(len(rest)))]
    return Plan(items=(*made, *drawn), stop=stop, rest=len(rest))
