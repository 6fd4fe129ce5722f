"""The reviews of one workspace: begin one, look at its items, sign it. Each begins where the one before ended.

A review that is under way is named state of the log; that it began and that it was signed are entries, and a signed
review is nothing but its entry. When one begins, its entry fixes the period, the checkpoint and thereby the sample,
before anybody looked at anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from whodid.canonical import time_text
from whodid.capture.events import uuid7
from whodid.errors import InvalidSetting, NotFound
from whodid.log import Announced, Log
from whodid.model import Actor, Context, Entry, Event, Reason, Related, Resource
from whodid.proof.checkpoint import Checkpoint, parse_checkpoint
from whodid.query import parse, spans
from whodid.review.plan import Item, Mark, Review, plan
from whodid.review.sample import RULE

__all__ = ["EVERY", "LONGEST_COMMENT", "SIGNED", "STARTED", "Reviews", "Standing", "erase"]

EVERY = timedelta(days=7)
"""How long after the end of a review the next one is due."""

LONGEST_COMMENT = 1_000
"""Characters."""

STARTED, SIGNED = "audit.review_started", "audit.review_signed"

_MOST_READ = 50_000
_MOST_TEXT = 60_000


class Register(Struct, frozen=True, kw_only=True):
    """What is known of the reviews of a workspace.

    Args:
        number: Of the last review that began.
        next: Index where the next one begins; None before the first.
        until: Up to when the last signed one went.
        open: The one that is under way.
        missed: The week for which people were told last that none was signed, by its beginning.
    """

    number: int = 0
    next: int | None = None
    until: datetime | None = None
    open: Review | None = None
    missed: datetime | None = None


class Standing(Struct, frozen=True, kw_only=True):
    """How a workspace stands with its reviews.

    Args:
        open: The review that is under way.
        until: Up to when entries were reviewed; None when none ever was.
        due_at: When the next review should be signed; None while there is nothing to review.
        overdue: Whether that has passed.
    """

    open: Review | None
    until: datetime | None
    due_at: datetime | None
    overdue: bool


_REGISTER: Announced[Register] = Announced("reviews", Register, Register(), "The register of reviews")


class Reviews:
    """The reviews of one workspace.

    Args:
        actor: Who reviews.
        context: Where from.
    """

    def __init__(self, log: Log, workspace: str, *, actor: Actor, context: Context | None = None) -> None:
        self._log = log
        self._workspace = workspace
        self._actor = actor
        self._context = context

    # ------------------------------------------------------------------------------------------------------ looking

    def standing(self) -> Standing:
        """Say which review is under way, and when the next one is due."""
        register = _REGISTER.read(self._log, self._workspace)
        since = register.until
        if since is None and self._workspace in self._log.workspaces():
            oldest = next(self._log.read(self._workspace, self._log.head(self._workspace).first), None)
            since = oldest.recorded_at if oldest is not None else None
        due = None if since is None else since + EVERY
        late = due is not None and self._log.now() > due
        return Standing(open=register.open, until=register.until, due_at=due, overdue=late)

    def missed(self) -> datetime | None:
        """Return the beginning of the week for which people are to be told that a review is overdue.

        Returns:
            None when none is, when that was told (`told`), or where nobody ever began one.
        """
        register = _REGISTER.read(self._log, self._workspace)
        due = self.standing().due_at
        now = self._log.now()
        if due is None or not register.number or now <= due:
            return None
        week = due + (now - due) // EVERY * EVERY
        return None if register.missed is not None and register.missed >= week else week

    def told(self, week: datetime) -> None:
        """Note that people were told of a week without a review."""
        _REGISTER.change(self._log, self._workspace, lambda old: (replace(old, missed=week), None))

    def open(self) -> Review:
        """Return the review that is under way.

        Raises:
            NotFound: None is.
        """
        return _opened(_REGISTER.read(self._log, self._workspace))

    def signed(self, *, limit: int = 50) -> tuple[Entry, ...]:
        """Return the entries of signed reviews that are kept, newest first."""
        query = parse(f"action:{SIGNED} outcome:success", now=self._log.now())
        return self._log.find(self._workspace, query, limit=limit).entries

    def entry(self, number: int) -> Entry:
        """Return the entry of a signed review.

        Raises:
            NotFound: There is none of that number, or it left by retention.
        """
        found = (one for one in self.signed(limit=1_000) if (one.details or {}).get("review") == number)
        entry = next(found, None)
        if entry is None:
            raise NotFound(f"There is no signed review {number}", "It may not be signed, or gone by retention")
        return entry

    # ------------------------------------------------------------------------------------------------------- acting

    def begin(self, standing: Iterable[int] = ()) -> Review:
        """Begin a review of everything since the last one; the first goes back seven days. It is an entry.

        Args:
            standing: Entries over which an alert is open.

        Raises:
            InvalidSetting: One is under way, or nothing was recorded since the last.
            NotFound: The workspace has no log.
        """
        note = self._log.checkpoint(self._workspace)
        checkpoint = parse_checkpoint(note.partition("\n\n")[0] + "\n")
        open_alerts = tuple(standing)

        def make(register: Register) -> tuple[Register, Event]:
            if register.open is not None:
                raise InvalidSetting(f"Review {register.open.number} is under way", "Sign it first")
            first = self._log.head(self._workspace).first
            start = max(first, register.next if register.next is not None else self._since(self._log.now() - EVERY))
            if start >= checkpoint.size:
                raise InvalidSetting("Nothing was recorded since the last review", "Come back later")
            review = self._planned(register, start, checkpoint, open_alerts)
            said = {"items": len(review.items), **_facts(review)}
            return replace(register, number=review.number, open=review), self._event(STARTED, said)

        _REGISTER.change(self._log, self._workspace, make)
        return self.open()

    def _planned(self, register: Register, start: int, seed: Checkpoint, alerts: tuple[int, ...]) -> Review:
        now = self._log.now()
        stop = min(seed.size, start + _MOST_READ)
        entries = self._log.read(self._workspace, start, stop)
        before = [at for at in alerts if at < start]
        made = plan(entries, self._log.catalog, seed.root, stop=stop, standing=before)
        return Review(
            number=register.number + 1,
            start=start,
            stop=made.stop,
            since=register.until or self._at(start, now),
            until=now if made.stop == seed.size else self._at(made.stop, now),
            size=seed.size,
            root=seed.root.hex(),
            rest=made.rest,
            items=made.items,
            begun_at=now,
            begun_by=self._actor,
        )

    def mark(self, id: str, comment: str = "", *, seen: bool = True, alert: str | None = None) -> Review:
        """Say that an item of the open review was looked at, or take that back.

        Args:
            id: Of the item.
            alert: Id of an alert that was raised over it.

        Raises:
            NotFound: No review is under way, or it has no such item.
            InvalidSetting: A comment is too long, or all of them are; or an alert was raised over the item.
        """
        if len(comment) > LONGEST_COMMENT:
            raise InvalidSetting(f"The comment has {len(comment):,} characters", f"Use at most {LONGEST_COMMENT:,}")

        def make(review: Review) -> Review:
            self.item(review, id)
            marks = dict(review.marks)
            known = marks.pop(id, None)
            raised = alert or (known.alert if known is not None else None)
            if not seen and raised is not None:
                raise InvalidSetting("An alert was raised over this", "Resolve the alert")
            if seen:
                marks[id] = Mark(at=self._log.now(), by=self._actor, comment=comment, alert=raised)
            if sum(len(one.comment.encode()) for one in marks.values()) > _MOST_TEXT:
                raise InvalidSetting("The comments of this review are too long together", "Shorten some of them")
            return replace(review, marks=marks)

        _REGISTER.change(self._log, self._workspace, lambda old: (replace(old, open=make(_opened(old))), None))
        return self.open()

    def item(self, review: Review, id: str) -> Item:
        """Return an item of a review.

        Raises:
            NotFound: It has none of that id.
        """
        found = next((one for one in review.items if one.id == id), None)
        if found is None:
            raise NotFound(f"The review has no item {id[:40]!r}", "Look at it again")
        return found

    def sign(self, comment: str = "", *, unseen: str = "") -> Entry:
        """Sign the open review: its entry holds the period, the checkpoint, the sample, and what was said of each item.

        Args:
            comment: What the review came to.
            unseen: Why it is signed although there are items at which nobody looked.

        Returns:
            The entry.

        Raises:
            NotFound: No review is under way.
            InvalidSetting: Whoever signs is nobody, or there are items at which nobody looked.
        """
        if self._actor.type != "user" or not self._actor.name:
            raise InvalidSetting("A review is signed by a person with a name", "Sign it in the viewer")
        for text in (comment, unseen):
            if len(text) > LONGEST_COMMENT:
                raise InvalidSetting(f"The comment has {len(text):,} characters", f"Use at most {LONGEST_COMMENT:,}")

        def make(register: Register) -> tuple[Register, Event]:
            review = _opened(register)
            left = len(review.unseen())
            if left and not unseen.strip():
                raise InvalidSetting(
                    f"Nobody looked at {left:,} of {len(review.items):,} items", "Look at them, or say why not"
                )
            said = _account(review)
            if left:
                said["unseen_reason"] = unseen
            done = replace(register, next=review.stop, until=review.until, open=None)
            return done, replace(self._event(SIGNED, said, comment), related=self._others(review))

        receipt = _REGISTER.change(self._log, self._workspace, make)
        if receipt is None:
            raise AssertionError  # `make` always announces
        return self._log.get(self._workspace, receipt.index)

    # ------------------------------------------------------------------------------------------------------ helping

    def _others(self, review: Review) -> tuple[Related, ...]:
        """Return who looked at items besides the one who signs, each once."""
        people = {(mark.by.type, mark.by.id): mark.by for mark in review.marks.values()}
        people.pop((self._actor.type, self._actor.id), None)
        return tuple(Related(type=one.type, id=one.id, name=one.name, rel="reviewer") for one in people.values())

    def _since(self, at: datetime) -> int:
        """Return the first index that was recorded at a time or later, by halving what is kept."""
        head = self._log.head(self._workspace)
        low, high = head.first, head.size
        while low < high:
            middle = (low + high) // 2
            entry = next(self._log.read(self._workspace, middle, high), None)
            if entry is None or entry.recorded_at >= at:
                high = middle
            else:
                low = entry.index + 1
        return low

    def _at(self, index: int, now: datetime) -> datetime:
        """Return when the first entry from an index on was recorded."""
        entry = next(self._log.read(self._workspace, index), None)
        return now if entry is None else entry.recorded_at

    def _event(self, action: str, details: dict[str, Any], comment: str = "") -> Event:
        now = self._log.now()
        return Event(
            id=uuid7(now, os.urandom(8)),
            occurred_at=now,
            actor=self._actor,
            action=action,
            resource=Resource(type="log", id=self._workspace),
            details=details,
            reason=Reason(text=comment) if comment else None,
            context=self._context,
        )


def _opened(register: Register) -> Review:
    if register.open is None:
        raise NotFound("No review is under way", "Begin one")
    return register.open


def _facts(review: Review) -> dict[str, Any]:
    """Return what fixes a review: period, checkpoint, sample."""
    drawn = [one.entries[0] for one in review.items if one.why == "sample"]
    return {
        "review": review.number,
        "start": review.start,
        "stop": review.stop,
        "since": time_text(review.since),
        "until": time_text(review.until),
        "size": review.size,
        "root": review.root,
        "sample": {"rule": RULE, "of": review.rest, "entries": spans(drawn)},
    }


def _account(review: Review) -> dict[str, Any]:
    """Return everything about a review, as its entry seals it."""
    items: list[dict[str, Any]] = []
    for item in review.items:
        one: dict[str, Any] = {"why": item.why, "entries": spans(item.entries)}
        mark = review.marks.get(item.id)
        if mark is not None:
            one |= {"seen": time_text(mark.at), "by": f"{mark.by.type}:{mark.by.id}"}
            one |= {"comment": mark.comment} if mark.comment else {}
            one |= {"alert": mark.alert} if mark.alert is not None else {}
        items.append(one)
    whys = [one.why for one in review.items]
    return {
        **_facts(review),
        "begun_at": time_text(review.begun_at),
        "counts": {
            **{because: whys.count(because) for because in dict.fromkeys(whys)},
            "seen": len(review.marks),
            "unseen": len(review.unseen()),
            "raised": sum(mark.alert is not None for mark in review.marks.values()),
            "own": review.own(),
        },
        "items": items,
    }


def erase(log: Log, workspace: str, person: str) -> int:
    """Remove a person from the review that is under way: their name, and comments on entries that concern them.

    Args:
        person: `type:id`, such as `user:usr_1`.

    Returns:
        1 when there was something about the person, else 0.
    """
    kind, _, id_ = person.partition(":")

    def unnamed(actor: Actor) -> Actor:
        return Actor(type=actor.type, id=actor.id) if (actor.type, actor.id) == (kind, id_) else actor

    def concerns(item: Item) -> bool:
        for at in item.entries:
            for entry in log.read(workspace, at, at + 1):
                actor = entry.actor
                others: tuple[Resource | Related, ...] = (entry.resource, *entry.related)
                if (kind, id_) in {(actor.type, actor.id), *((one.type, one.id) for one in others)}:
                    return True
        return False

    changed: list[bool] = []

    def make(register: Register) -> tuple[Register, None] | None:
        changed[:] = [False]
        review = register.open
        if review is None:
            return None
        told = {one.id for one in review.items if (mark := review.marks.get(one.id)) and mark.comment and concerns(one)}
        marks = {
            name: replace(mark, by=unnamed(mark.by), comment="" if name in told else mark.comment)
            for name, mark in review.marks.items()
        }
        after = replace(review, begun_by=unnamed(review.begun_by), marks=marks)
        changed[:] = [after != review]
        return (replace(register, open=after), None) if changed[0] else None

    _REGISTER.change(log, workspace, make)
    if changed[0]:
        log.compact()
    return int(changed[0])
