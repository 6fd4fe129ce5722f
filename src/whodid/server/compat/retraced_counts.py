"""The counts that Retraced clients ask for: how many events there are per action or per group. Pure."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from whodid.export.import_.foreign import read_time
from whodid.model import Entry
from whodid.server.compat.retraced_events import crud_of, group_of
from whodid.server.compat.shared import Refusal

__all__ = ["COUNTS_ARGUMENTS", "Counts", "read_counts"]

COUNTS_ARGUMENTS = ("type", "startTime", "endTime", "crud", "first", "after")

_TYPES = {"action": "Action", "group": "Group"}
_LETTERS = "crud"
_TICK = timedelta(microseconds=1)


class Counts(Struct, frozen=True, kw_only=True):
    """What is asked.

    Args:
        type: `action` or `group`.
        since, until: When the events happened; the second one is left out.
        letters: Of the kinds that count.
        start: How many values come before the first to tell.
    """

    type: str
    since: datetime | None
    until: datetime | None
    letters: frozenset[str]
    start: int

    def holds(self, entry: Entry) -> bool:
        """Say whether the kind of an entry counts."""
        return crud_of(entry) in self.letters

    def connection(self, entries: Iterable[Entry], count: int) -> dict[str, Any]:
        """Return a page of values, the most frequent first.

        Args:
            entries: Newest first; a group is called what the newest one calls it.
            count: How many values the page may have.
        """
        counted: Counter[str] = Counter()
        nodes: dict[str, dict[str, Any]] = {}
        for entry in entries:
            node = self._node(entry)
            if node is not None:
                value = node.get("action") or node["id"]
                counted[value] += 1
                nodes.setdefault(value, node)
        ranked = sorted(counted, key=lambda value: (-counted[value], value))
        page = ranked[self.start : self.start + count]
        return {
            "totalCount": len(ranked),
            "pageInfo": {"hasNextPage": self.start + count < len(ranked), "hasPreviousPage": self.start > 0},
            "edges": [
                {"node": nodes[value], "count": counted[value], "cursor": _cursor(self.start + at)}
                for at, value in enumerate(page)
            ],
        }

    def _node(self, entry: Entry) -> dict[str, Any] | None:
        named = {"__typename": _TYPES[self.type]}
        if self.type == "action":
            return named | {"action": (entry.details or {}).get("retraced_action", entry.action)}
        group = group_of(entry)
        return None if group is None else named | {"id": group.id, "name": group.name}


def read_counts(arguments: Mapping[str, Any]) -> Counts:
    """Read the arguments of the field.

    Raises:
        Refusal: 400 for one that cannot be used.
    """
    wanted = arguments.get("type")
    if wanted not in _TYPES:
        raise Refusal(400, "type is neither action nor group.")
    letters = arguments.get("crud", _LETTERS)
    if not isinstance(letters, str) or not set(letters.strip().lower()) <= set(_LETTERS):
        raise Refusal(400, "crud is not made of the letters c, r, u and d.")
    until = _time(arguments, "endTime")
    return Counts(
        type=wanted,
        since=_time(arguments, "startTime"),
        until=None if until is None else until + _TICK,
        letters=frozenset(letters.strip().lower()),
        start=_place(arguments),
    )


def _time(arguments: Mapping[str, Any], name: str) -> datetime | None:
    said = arguments.get(name)
    if said is None:
        return None
    at = read_time(said) if isinstance(said, str) else None
    if at is None or at.year > 9998:
        raise Refusal(400, f"{name} is no time in ISO 8601.")
    return at


def _cursor(place: int) -> str:
    return base64.b64encode(str(place).encode()).decode()


def _place(arguments: Mapping[str, Any]) -> int:
    said = arguments.get("after")
    if said is None:
        return 0
    try:
        place = base64.b64decode(said, validate=True).decode()
        if place.isascii() and place.isdecimal() and len(place) < 10:
            return int(place) + 1
    except (binascii.Error, ValueError, TypeError):
        pass
    raise Refusal(400, "after is no place in the list. Start again without it.")
