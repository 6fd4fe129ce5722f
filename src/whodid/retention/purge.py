"""Carrying retention out: bounded steps, each one transaction of the log that removes content and records that it did.

`preview` says what `purge` would do and changes nothing. A lease keeps two processes from purging one workspace at the
same time; a process that dies holds it for ten minutes at most.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from time import monotonic

import msgspec
from msgspec import Struct

from whodid import canonical
from whodid.capture.events import uuid7
from whodid.log import Holder, Log, leased
from whodid.model import Actor, Context, Entry, Event, Resource
from whodid.retention.holds import HOLDS, digest, holder, kept_and_lost, standing_holds
from whodid.retention.loss import Loss, LossCount
from whodid.retention.pace import STEP, Pace
from whodid.retention.plan import PURGE_RECORD, Step, Tally, Term, plan_step, tally, terms
from whodid.retention.policy import POLICY, STANDARD, Policy, check_policy, class_of, read_policy

__all__ = ["RETENTION", "Preview", "Purge", "preview", "purge"]

RETENTION = Actor(type="system", id="retention", name="Retention")
"""Who purges when nobody asked for it."""

_LEASE = timedelta(minutes=10)
_LEASE_STATE = "retention.lease"
_SWEPT_STATE = "retention.swept"


class Purge(Struct, frozen=True, kw_only=True):
    """What a purge did.

    Args:
        entries: Entries that lost their content.
        classes: How many of them in each retention class.
        records: Indexes of the `audit.purged` entries, one per step.
        first: Index below which no content is left.
        finished: Whether nothing more may go now; false when it was stopped, or when another process is at it.
    """

    entries: int = 0
    classes: dict[str, int] = {}
    records: tuple[int, ...] = ()
    first: int = 0
    finished: bool = True


class Preview(Struct, frozen=True, kw_only=True):
    """What a purge would do now.

    Args:
        entries: Entries that would lose their content.
        stays: Entries that would keep it.
        held: Entries among them that would go, were it not for a legal hold.
        terms: Of which classes and up to when, shortest retention first.
        loss: What is lost with the entries that would go.
    """

    policy: Policy
    entries: int
    stays: int
    held: int
    terms: tuple[Tally, ...]
    loss: Loss


class _Swept(Struct, frozen=True):
    """How far each term was looked through, so that entries that are kept longer are not looked at every day.

    Args:
        classes: Digest of the retention classes of all actions: another catalog sees other entries.
        holds: Digest of the legal holds: what a released one kept must be looked at again.
    """

    policy: Policy
    classes: str
    holds: str
    marks: dict[int, int] = {}

    @classmethod
    def read(cls, log: Log, workspace: str, policy: Policy, holds: str) -> _Swept:
        """Return the marks; there are none after a change of the policy or the holds, or under another catalog."""
        classes = sha256(canonical.encode({name: action.retention for name, action in log.catalog.items()})).hexdigest()
        kept = log.state(workspace, _SWEPT_STATE)
        swept = msgspec.json.decode(kept, type=cls) if kept else None
        if swept is not None and (swept.policy, swept.classes, swept.holds) == (policy, classes, holds):
            return swept
        return cls(policy, classes, holds)

    def moved(self, log: Log, workspace: str, days: int, index: int) -> _Swept:
        """Put a mark further; whoever loses a race over it only looks twice."""
        if self.marks.get(days) == index:
            return self
        swept = _Swept(self.policy, self.classes, self.holds, {**self.marks, days: index})
        log.swap_state(workspace, _SWEPT_STATE, log.state(workspace, _SWEPT_STATE), msgspec.json.encode(swept))
        return swept


def preview(log: Log, workspace: str, policy: Policy | None = None) -> Preview:
    """Return what a purge would do now; nothing changes.

    Args:
        policy: What to go by; the policy of the workspace when not given. It shows what a change would remove.

    Raises:
        NotFound: The workspace has no log.
        InvalidSetting: The policy cannot be had.
    """
    if policy is not None:
        check_policy(log.catalog, policy)
    head = log.head(workspace)
    policy = read_policy(log, workspace) if policy is None else policy
    held_by = holder(standing_holds(log, workspace))
    lost = LossCount(log.catalog)
    found = tally(log.read(workspace, head.first), _terms(log, policy), _class_of(log), held_by, lost.add)
    entries = sum(one.entries for one in found)
    kept = log.stats(workspace)["entries"]
    held = sum(one.held for one in found)
    return Preview(
        policy=policy, entries=entries, stays=kept - entries, held=held, terms=tuple(found), loss=lost.loss()
    )


def purge(
    log: Log,
    workspace: str,
    *,
    actor: Actor = RETENTION,
    context: Context | None = None,
    step: int = STEP,
    rest: Callable[[float], bool] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Purge:
    """Remove what the policy says, step by step, and record each step as `audit.purged`.

    Args:
        actor: Who purges.
        context: Where from, if a person asked for it.
        step: How many entries one step looks at, at most; fewer where a step takes long (see `whodid.retention.pace`).
        rest: Called after every step with the seconds that it took, to leave time to writers; returns whether to stop.
        progress: Called after every step with the number of entries removed so far.

    Returns:
        What was done.

    Raises:
        NotFound: The workspace has no log.
        StoreError: A step failed; the steps before it stand.
    """
    work = _Work(log, workspace, actor, context)
    if work.idle():
        return work.done(finished=True)
    with leased(log, workspace, _LEASE_STATE, _LEASE) as lease:
        if lease is None:
            return work.done(finished=False)
        # A segment that lost content before it was sealed could not be indexed as a whole.
        log.seal(workspace)
        finished = work.run(lease, Pace(step), rest or (lambda _took: False), progress or (lambda _entries: None))
        return work.done(finished=finished)


class _Work:
    def __init__(self, log: Log, workspace: str, actor: Actor, context: Context | None) -> None:
        self._log = log
        self._workspace = workspace
        self._actor = actor
        self._context = context
        self._first = log.head(workspace).first
        self._policy = read_policy(log, workspace)
        self._kept, lost = kept_and_lost(log, workspace)
        self._holds = (*self._kept, *lost)
        self._held_by = holder(self._holds)
        self._terms = _terms(log, self._policy)
        self._swept = _Swept.read(log, workspace, self._policy, digest(self._holds))
        self._entries = 0
        self._classes: dict[str, int] = {}
        self._records: list[int] = []

    def idle(self) -> bool:
        """Tell, without writing anything, whether no term has anything to look at."""
        oldest = [next(self._log.read(self._workspace, self._start(term)), None) for term in self._terms]
        return all(
            entry is None or entry.recorded_at >= term.cutoff for entry, term in zip(oldest, self._terms, strict=True)
        )

    def run(self, lease: Holder, pace: Pace, rest: Callable[[float], bool], progress: Callable[[int], None]) -> bool:
        """Take step after step; say whether nothing is left."""
        class_of_entry = _class_of(self._log)
        for term in self._terms:
            at, done = self._start(term), False
            while not done:
                begun = monotonic()
                # What was changed meanwhile holds from this step on: the next purge begins with it.
                if not lease.renewed() or not self._unchanged():
                    return False
                planned = plan_step(self._log.read(self._workspace, at), term, class_of_entry, pace.size, self._held_by)
                if planned.entries:
                    pace.took(planned.entries, self._forget(term, planned))
                    progress(self._entries)
                done = planned.done and self._unchanged()
                at = max(at, planned.following)
                if term.classes or self._holds:
                    self._swept = self._swept.moved(self._log, self._workspace, term.days, at)
                if not done and rest(monotonic() - begun):
                    return False
        return True

    def _unchanged(self) -> bool:
        """Tell whether policy and holds still are those that this purge goes by."""
        log, workspace = self._log, self._workspace
        return POLICY.glance(log, workspace) == self._policy and HOLDS.glance(log, workspace) == self._kept

    def _start(self, term: Term) -> int:
        """Return where a term begins.

        Without holds the longest term takes everything below its cut-off, so it begins where content begins.
        """
        return max(self._first, self._swept.marks.get(term.days, 0)) if term.classes or self._holds else self._first

    def _forget(self, term: Term, planned: Step) -> float:
        """Take a step, unless it may not be taken any more; return the seconds that writers waited for it."""
        now = self._log.now()
        event = Event(
            id=uuid7(now, os.urandom(8)),
            occurred_at=now,
            actor=self._actor,
            action=PURGE_RECORD,
            resource=Resource(type="log", id=self._workspace),
            details={
                "until": (term.cutoff - timedelta(days=1)).date().isoformat(),
                "days": term.days,
                "classes": planned.classes,
                "policy": msgspec.to_builtins(self._policy),
            },
            context=self._context,
        )
        # Looked at once more inside the transaction: a hold whose placing returned before it is heeded by it.
        forgotten = self._log.forget(self._workspace, planned.ranges, event, still=self._unchanged)
        if forgotten is None:
            return 0.0
        self._entries += forgotten.entries
        self._first = forgotten.first
        self._records.append(forgotten.receipt.index)
        for name, count in planned.classes.items():
            self._classes[name] = self._classes.get(name, 0) + count
        return forgotten.seconds

    def done(self, *, finished: bool) -> Purge:
        return Purge(
            entries=self._entries,
            classes=self._classes,
            records=tuple(self._records),
            first=self._first,
            finished=finished,
        )


def _terms(log: Log, policy: Policy) -> list[Term]:
    return terms(policy, {STANDARD, *(action.retention for action in log.catalog.values())}, log.now())


def _class_of(log: Log) -> Callable[[Entry], str | None]:
    """Return the function that tells an entry's retention class.

    An action that this catalog does not know, but the one that recorded the entry did, has a class that is not known
    here: a tool run without the application's own catalog must not take what the application keeps longer.
    """

    def known(entry: Entry) -> str | None:
        declared = entry.action in log.catalog or "undeclared" in entry.marks
        return class_of(log.catalog, entry.action) if declared else None

    return known
