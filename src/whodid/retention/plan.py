"""What retention may take now, and when it will take the rest.

Pure: values in, values out. Entries are judged by `recorded_at`, in whole days of UTC: content goes with the first
midnight after its last full day, so a purge removes whole days and is recorded once a day, not once an hour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta

from msgspec import Struct

from whodid.model import Entry
from whodid.retention.policy import Policy
from whodid.sequence import runs

__all__ = ["PURGE_RECORD", "UNKNOWN", "Step", "Tally", "Term", "cutoff", "plan_step", "removed_on", "tally", "terms"]

PURGE_RECORD = "audit.purged"
_ABOUT_OTHERS = frozenset({PURGE_RECORD, "audit.bound", "audit.sealed"})
UNKNOWN = "unknown"
"""What counts call the retention class of entries whose class is not known."""


def _nobody(_: Entry) -> None:
    return None


class Term(Struct, frozen=True, kw_only=True):
    """Retention classes that are kept equally long.

    Args:
        cutoff: What was recorded before it may go.
        classes: The classes; empty stands for all, because no class is kept longer.
    """

    days: int
    cutoff: datetime
    classes: frozenset[str]


class Step(Struct, frozen=True, kw_only=True):
    """What one step of a purge may remove.

    Args:
        ranges: Index ranges, ascending and disjoint.
        entries: How many entries they hold.
        classes: How many of them in each retention class.
        following: Index at which the next step goes on.
        done: Whether the term has nothing more to give now.
    """

    ranges: tuple[range, ...] = ()
    entries: int = 0
    classes: dict[str, int] = {}
    following: int = 0
    done: bool = True


class Tally(Struct, frozen=True, kw_only=True):
    """What of one term may go.

    Args:
        cutoff: What was recorded before it may go.
        entries: How many entries may go.
        classes: How many of them in each retention class.
        lowest: Lowest of their indexes, or None.
        highest: Highest of their indexes, or None.
        held: How many entries would go, were it not for a legal hold.
    """

    days: int
    cutoff: datetime
    entries: int = 0
    classes: dict[str, int] = {}
    lowest: int | None = None
    highest: int | None = None
    held: int = 0


def cutoff(days: int, now: datetime) -> datetime:
    """Return the instant before which an entry must have been recorded to go after so many days."""
    day = (now.astimezone(UTC) - timedelta(days=days)).date()
    return datetime.combine(day, time(), UTC)


def removed_on(recorded_at: datetime, days: int | None) -> date | None:
    """Return the day (UTC) that an entry loses its content on, or None when it is kept for good."""
    return None if days is None else recorded_at.astimezone(UTC).date() + timedelta(days=days + 1)


def terms(policy: Policy, classes: Iterable[str], now: datetime) -> list[Term]:
    """Group retention classes by how long they are kept, shortest first.

    Args:
        classes: All classes of the catalog; those that the policy names are added.
    """
    grouped: dict[int, set[str]] = {}
    for_good = False
    for name in {*classes, *policy.classes}:
        days = policy.days_for(name)
        if days is None:
            for_good = True
        else:
            grouped.setdefault(days, set()).add(name)
    ordered = sorted(grouped)
    return [
        Term(
            days=days,
            cutoff=cutoff(days, now),
            classes=frozenset() if days == ordered[-1] and not for_good else frozenset(grouped[days]),
        )
        for days in ordered
    ]


def plan_step(
    entries: Iterable[Entry],
    term: Term,
    class_of: Callable[[Entry], str | None],
    limit: int,
    held: Callable[[Entry], object] = _nobody,
) -> Step:
    """Choose what one step removes.

    A record of an earlier purge goes only with the longest term, which leaves nothing below it that could be missing
    without a record, and only together with an entry above it: a workspace where nothing happens any more would
    otherwise replace the last record by a new one for ever. The same holds for the seals of segments.

    Args:
        entries: With content, by index, from where the term goes on.
        class_of: Retention class of an entry; None where it is not known, and only the longest term may take it.
        limit: How many entries a step looks at; more only while all that it found are records of purges.
        held: Tells whether a legal hold keeps an entry. A hold wins over every term.

    Returns:
        The step; empty when nothing may go.
    """
    chosen: list[int] = []
    classes: dict[str, int] = {}
    waiting: list[tuple[int, str]] = []
    following = 0
    done = True
    for looked_at, entry in enumerate(entries):
        if entry.recorded_at >= term.cutoff:
            break
        if looked_at >= limit and (chosen or not waiting):
            done = False
            break
        following = entry.index + 1
        name = _name_in(term, entry, class_of)
        if name is None or held(entry):
            continue
        waiting.append((entry.index, name))
        if entry.action not in _ABOUT_OTHERS:
            for index, counted in waiting:
                chosen.append(index)
                classes[counted] = classes.get(counted, 0) + 1
            waiting.clear()
    if waiting:
        following = waiting[0][0]
    return Step(ranges=tuple(runs(chosen)), entries=len(chosen), classes=classes, following=following, done=done)


def _name_in(term: Term, entry: Entry, class_of: Callable[[Entry], str | None]) -> str | None:
    """Return the class that an entry is counted under if the term may take it, else None."""
    name = class_of(entry)
    if not term.classes:
        return name or UNKNOWN
    return name if name in term.classes and entry.action not in _ABOUT_OTHERS else None


def tally(
    entries: Iterable[Entry],
    ordered: list[Term],
    class_of: Callable[[Entry], str | None],
    held: Callable[[Entry], object] = _nobody,
    gone: Callable[[Entry], object] = _nobody,
) -> list[Tally]:
    """Count what all steps of a purge together would remove.

    Args:
        entries: With content, by index, from the lowest; read no further than the latest cut-off.
        ordered: The terms, as `terms` returns them.
        class_of: Retention class of an entry; None where it is not known, and only the longest term may take it.
        held: Tells whether a legal hold keeps an entry.
        gone: Called with every entry that would go, but for records of purges.

    Returns:
        One per term, in their order.
    """
    counts = [_Count() for _ in ordered]
    latest = max((term.cutoff for term in ordered), default=None)
    for entry in entries:
        if latest is None or entry.recorded_at >= latest:
            break
        for term, count in zip(ordered, counts, strict=True):
            name = _name_in(term, entry, class_of)
            if name is not None and entry.recorded_at < term.cutoff:
                if held(entry):
                    count.held += 1
                else:
                    count.add(entry, name)
                    if entry.action != PURGE_RECORD:
                        gone(entry)
                break
    return [count.tally(term) for term, count in zip(ordered, counts, strict=True)]


class _Count:
    def __init__(self) -> None:
        self.held = 0
        self._classes: dict[str, int] = {}
        self._indexes: list[int] = []
        self._waiting: list[tuple[int, str]] = []

    def add(self, entry: Entry, name: str) -> None:
        self._waiting.append((entry.index, name))
        if entry.action not in _ABOUT_OTHERS:
            for index, counted in self._waiting:
                # The lowest and the highest are enough.
                self._indexes[1:] = [index]
                self._classes[counted] = self._classes.get(counted, 0) + 1
            self._waiting.clear()

    def tally(self, term: Term) -> Tally:
        return Tally(
            days=term.days,
            cutoff=term.cutoff,
            entries=sum(self._classes.values()),
            classes=self._classes,
            lowest=self._indexes[0] if self._indexes else None,
            highest=self._indexes[-1] if self._indexes else None,
            held=self.held,
        )
