"""Legal holds: what they keep, no purge removes.

A hold is a query: a resource, an actor, a period or anything else that the log can be asked for. It is placed and
released by a named person with a reason, and both are entries. Several may be there at once; an entry is kept while at
least one of them matches it, also one that is recorded after the hold was placed.
"""

from __future__ import annotations

import os
from base64 import b32encode
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256

import msgspec
from msgspec import Struct

from whodid.capture.events import uuid7
from whodid.errors import InvalidSetting, NotFound
from whodid.log import Announced, Log
from whodid.model import Actor, Context, Entry, Event, Reason, Resource
from whodid.query import Query, compile_query, parse

__all__ = [
    "HOLDS",
    "MAX_HOLDS",
    "Hold",
    "HoldPreview",
    "holder",
    "kept_and_lost",
    "lost_holds",
    "place_hold",
    "preview_hold",
    "read_holds",
    "release_hold",
    "standing_holds",
]

MAX_HOLDS = 100
"""Holds of one workspace at a time: each is asked about every entry whose time is over."""

_MAX_NAME = 200
_ACTS = "action:audit.hold_placed,audit.hold_released outcome:success"


class Hold(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A hold that was placed and is not released.

    Args:
        id: `hld_` and sixteen letters and digits.
        name: What people call it: the matter, a case number.
        query: Canonical text of the query whose entries it keeps.
        placed_at: UTC.
        placed_by: Who placed it.
        reason: Why.
    """

    id: str
    name: str
    query: str
    placed_at: datetime
    placed_by: Actor
    reason: Reason

    def resource(self) -> Resource:
        """Return the hold as the resource of an entry."""
        return Resource(type="hold", id=self.id, name=self.name)


class HoldPreview(Struct, frozen=True, kw_only=True):
    """What a hold would keep of what is there now.

    Args:
        query: Canonical text of the query.
        entries: Entries that it matches.
        oldest: When the first of them was recorded, or None.
        newest: When the last of them was recorded, or None.
    """

    query: str
    entries: int
    oldest: datetime | None = None
    newest: datetime | None = None


HOLDS: Announced[tuple[Hold, ...]] = Announced("holds", tuple[Hold, ...], (), "The legal holds")


def read_holds(log: Log, workspace: str) -> tuple[Hold, ...]:
    """Return the holds of a workspace, oldest first.

    Raises:
        StoreCorrupt: They cannot be read; nothing may be purged then.
    """
    return HOLDS.read(log, workspace)


def lost_holds(log: Log, workspace: str) -> tuple[Hold, ...]:
    """Return the holds that the log says were placed and never released, and that are kept no more, oldest first.

    There is none, unless somebody who can write to the database took it away there. Of one whose entries are purged
    the log says nothing.

    Raises:
        StoreCorrupt: The holds cannot be read.
    """
    return kept_and_lost(log, workspace)[1]


def standing_holds(log: Log, workspace: str) -> tuple[Hold, ...]:
    """Return the holds that are heeded: those that are kept, and those that were taken away past the log.

    Raises:
        StoreCorrupt: They cannot be read; nothing may be purged then.
    """
    kept, lost = kept_and_lost(log, workspace)
    return (*kept, *lost)


def kept_and_lost(log: Log, workspace: str) -> tuple[tuple[Hold, ...], tuple[Hold, ...]]:
    """Return the holds that are kept, and those that were taken away past the log; see `lost_holds`.

    Raises:
        StoreCorrupt: They cannot be read.
    """
    while True:
        kept = read_holds(log, workspace)
        placed: dict[str, Hold] = {}
        ended = {hold.id for hold in kept}
        for entry in log.stream(workspace, _ACTS):
            if entry.action == "audit.hold_released":
                ended.add(entry.resource.id)
            else:
                placed[entry.resource.id] = _placed_by(entry)
        lost = tuple(hold for hold in reversed(placed.values()) if hold.id not in ended)
        # One that was placed after the first look has an entry and was not seen to be kept.
        if not lost or HOLDS.glance(log, workspace) == kept:
            return kept, lost


def _placed_by(entry: Entry) -> Hold:
    return Hold(
        id=entry.resource.id,
        name=entry.resource.name or entry.resource.id,
        query=str((entry.details or {}).get("query", "")),
        placed_at=entry.occurred_at,
        placed_by=entry.actor,
        reason=entry.reason or Reason(),
    )


def holder(holds: Sequence[Hold]) -> Callable[[Entry], Hold | None]:
    """Return the function that tells the first hold that keeps an entry, or None when none does."""
    tests = [(hold, compile_query(parse(hold.query, now=hold.placed_at))) for hold in holds]

    def held_by(entry: Entry) -> Hold | None:
        return next((hold for hold, matches in tests if matches(entry)), None)

    return held_by


def digest(holds: Sequence[Hold]) -> str:
    """Return a text that changes with what the holds keep."""
    return sha256(msgspec.json.encode([hold.query for hold in holds])).hexdigest()


def preview_hold(log: Log, workspace: str, query: Query | str) -> HoldPreview:
    """Return what a hold on a query would keep; nothing changes.

    Args:
        query: A query, or its text with times in UTC.

    Raises:
        InvalidQuery: The text is no query.
        InvalidSetting: The query asks for nothing in particular.
        NotFound: The workspace has no log.
    """
    asked = _asked(log, query)
    head = log.head(workspace)
    matches = compile_query(asked)
    found = [entry.recorded_at for entry in log.read(workspace, head.first) if matches(entry)]
    return HoldPreview(
        query=str(asked),
        entries=len(found),
        oldest=found[0] if found else None,
        newest=found[-1] if found else None,
    )


def place_hold(
    log: Log,
    workspace: str,
    *,
    name: str,
    query: Query | str,
    actor: Actor,
    reason: Reason,
    context: Context | None = None,
) -> Hold:
    """Place a hold and record that it was placed.

    From the return on, no purge removes what it matches, one that runs already included.

    Args:
        name: The matter, 1 to 200 characters.
        query: What to keep: a query, or its text with times in UTC. Relative dates become absolute.
        actor: Who places it.
        reason: Why; its text must not be empty.
        context: Where from.

    Raises:
        InvalidQuery: The text is no query.
        InvalidSetting: The name, the query or the reason is missing, or there are too many holds.
        InvalidEvent: The entry was refused; no hold was placed.
    """
    asked = _asked(log, query)
    name = name.strip()
    if not 1 <= len(name) <= _MAX_NAME:
        raise InvalidSetting("A hold needs a name", f"Give the matter or case number, up to {_MAX_NAME} characters")
    _need_reason(reason)
    now = log.now()
    hold = Hold(
        id=f"hld_{b32encode(os.urandom(10)).decode().lower()}",
        name=name,
        query=str(asked),
        placed_at=now,
        placed_by=actor,
        reason=reason,
    )

    def make(holds: tuple[Hold, ...]) -> tuple[tuple[Hold, ...], Event]:
        if len(holds) >= MAX_HOLDS:
            raise InvalidSetting(f"There are {MAX_HOLDS} holds already", "Release one, or widen the query of another")
        return (*holds, hold), _event(log, hold, "audit.hold_placed", actor=actor, reason=reason, context=context)

    HOLDS.change(log, workspace, make)
    return hold


def release_hold(
    log: Log, workspace: str, hold_id: str, *, actor: Actor, reason: Reason, context: Context | None = None
) -> Hold:
    """Release a hold and record that it was released: the next purge may remove what it kept.

    Args:
        actor: Who releases it.
        reason: Why; its text must not be empty.
        context: Where from.

    Returns:
        The hold that was released.

    Raises:
        NotFound: There is no such hold.
        InvalidSetting: The reason is missing.
        InvalidEvent: The entry was refused; the hold stays.
    """
    _need_reason(reason)
    released: list[Hold] = []

    def make(holds: tuple[Hold, ...]) -> tuple[tuple[Hold, ...], Event]:
        released[:] = [hold for hold in holds if hold.id == hold_id] or [
            hold for hold in lost_holds(log, workspace) if hold.id == hold_id
        ]
        if not released:
            raise NotFound(f"There is no hold {hold_id[:40]!r}", "List the holds; it may be released already")
        stays = tuple(hold for hold in holds if hold.id != hold_id)
        return stays, _event(log, released[0], "audit.hold_released", actor=actor, reason=reason, context=context)

    HOLDS.change(log, workspace, make)
    return released[0]


def _event(log: Log, hold: Hold, action: str, *, actor: Actor, reason: Reason, context: Context | None) -> Event:
    now = log.now()
    return Event(
        id=uuid7(now, os.urandom(8)),
        occurred_at=now,
        actor=actor,
        action=action,
        resource=hold.resource(),
        details={"query": hold.query},
        reason=reason,
        context=context,
    )


def _asked(log: Log, query: Query | str) -> Query:
    asked = parse(query, now=log.now()) if isinstance(query, str) else query
    if not asked.terms and asked.since is None and asked.until is None:
        raise InvalidSetting(
            "A hold on everything would end retention",
            "Name a resource, an actor or a period, or keep entries for good",
        )
    return asked


def _need_reason(reason: Reason) -> None:
    if not (reason.text or "").strip():
        raise InvalidSetting("A hold is placed and released with a reason", "Say why")
