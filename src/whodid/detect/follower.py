"""The worker that follows the logs of all workspaces, and makes alerts of what its rules find.

It reads entries after they were committed and never keeps anybody waiting. What it knows of a workspace is a `Run` in
memory, saved now and then. Whoever goes on after a crash takes the last saved state and looks at the same entries
again: it finds the same, and alerts that are in the book already are left alone. So nothing is lost and nothing is told
twice, and what was saved when decides nothing.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256

import msgspec
from msgspec import Struct

from whodid.detect.alerts import DETECTION, Alerts
from whodid.detect.geo import Geo
from whodid.detect.loading import built_in, installed
from whodid.detect.looking import recalling
from whodid.detect.own import Rules, rules_of
from whodid.detect.rule import Rule
from whodid.detect.run import Run
from whodid.detect.settings import CHANGED, RuleSettings, read_settings
from whodid.detect.state import State, forget
from whodid.errors import StoreCorrupt
from whodid.log import Holder, Log, Worker, passed
from whodid.model import Context, Resource

__all__ = ["DetectionWorker", "erase", "reach"]

_STATE, _LEASE, _ERASURES = "detection", "detection.lease", "detection.erasures"
_SPAN, _RENEW = timedelta(seconds=60), timedelta(seconds=20)
_REMIND = timedelta(minutes=5)
_SAVE_ENTRIES, _SAVE_AFTER = 20_000, timedelta(minutes=5)
_AT_ONCE = 5_000
_KEPT = 500
_BEFORE = timedelta(days=1)


class _Saved(Struct, frozen=True):
    """A state, and a digest of the rules that made it."""

    rules: str
    state: State


_decoder = msgspec.json.Decoder(_Saved)


class _Follow:
    """What is known of one workspace while this process follows it."""

    def __init__(self, holder: Holder, rules: Rules, run: Run, now: datetime) -> None:
        self.holder = holder
        self.rules = rules
        self.run = run
        self.saved: bytes | None = None
        self.erasures: bytes | None = None
        self.saved_at = self.renewed_at = self.reminded_at = now
        self.saved_next = run.state.next
        self.reported: frozenset[str] = frozenset()


class DetectionWorker(Worker):
    """Follow the logs of all workspaces with the rules; see `Worker`.

    Use it as a context manager, or `start` and `stop` it. Several processes may each run one: a workspace is followed
    by one of them at a time, and by another one a minute after that one died.

    Args:
        log: The log whose entries are looked at.
        rules: Parts before the rules that are made of them; the built-in ones when not given.
        geo: Where addresses are; without, detections that need a place do not hold.
        beside: Called with the log and a workspace that is followed, every five minutes: for what else people are to be
            reminded of.
        interval: Seconds between two looks.
        on_error: As for every `Worker`.
        on_round: Called after each round with the number of findings.

    Raises:
        InvalidSetting: The extra `detect` is not installed.
    """

    _name = "Detection"
    _usual = 1.0

    def __init__(
        self,
        log: Log,
        *,
        rules: Sequence[Rule] | None = None,
        geo: Geo | None = None,
        beside: Callable[[Log, str], object] | None = None,
        interval: float | None = None,
        on_error: Callable[[str, Exception], None] | None = None,
        on_round: Callable[[int], None] = lambda _: None,
    ) -> None:
        super().__init__(log, interval=interval, on_error=on_error, on_round=on_round)
        if rules is None and not installed():
            built_in()  # says what is missing; what is there is read in the thread, so that a server starts at once
        self._given = rules
        self._geo = geo
        self._beside = beside
        self._follows: OrderedDict[str, _Follow] = OrderedDict()

    def round(self) -> int:
        """Look at the new entries of every workspace once, in this thread; return how many findings there were."""
        return self._everywhere(self._follow)

    def stop(self) -> None:
        """Finish the present step, save what is known, and return when the thread has ended; idempotent."""
        super().stop()
        for workspace in list(self._follows):
            with self._told(workspace):
                self._leave(workspace)

    @cached_property
    def _rules(self) -> tuple[Rule, ...]:
        return tuple(built_in() if self._given is None else self._given)

    @cached_property
    def _digest(self) -> str:
        """What tells whether a state was made by these rules."""
        told = [repr((rule.name, rule.level, rule.quiet, rule.reason, rule.group)) for rule in self._rules]
        return sha256("\0".join(told).encode()).hexdigest()[:16]

    def _follow(self, workspace: str) -> int:
        """Look at the new entries of a workspace.

        Whatever goes wrong, the run is let go: it may have seen an entry whose finding is not in the book.
        """
        size = self._log.head(workspace).size
        follow = self._follows.get(workspace)
        if follow is not None and passed(follow.reminded_at, _REMIND, self._log.now()):
            follow.reminded_at = self._log.now()
            Alerts(self._log, workspace).remind()
            if self._beside is not None:
                self._beside(self._log, workspace)
        if follow is not None and follow.run.state.next >= size and not self._due(follow):
            return 0
        if follow is None:
            follow = self._begin(workspace)
            if follow is None:
                return 0
        try:
            return self._advance(workspace, follow, size)
        except BaseException:
            self._follows.pop(workspace, None)
            follow.holder.release()
            raise

    def _advance(self, workspace: str, follow: _Follow, size: int) -> int:
        state, found = follow.run.state, 0
        alerts = Alerts(self._log, workspace)
        while True:
            if not self._still_ours(workspace, follow):
                self._follows.pop(workspace, None)
                return found
            stop = min(size, state.next + _AT_ONCE)
            for entry in self._log.read(workspace, state.next, stop):
                for finding in follow.run.take(entry):
                    found += 1
                    alerts.take(finding, entry)
                if entry.action == CHANGED and entry.outcome == "success":
                    self._renew(workspace, follow)
            state.next = max(state.next, stop)  # of entries that were purged there is nothing to see
            self._report(workspace, follow)
            if state.next - follow.saved_next >= _SAVE_ENTRIES or self._due(follow):
                self._save(workspace, follow)
            if state.next >= size or self._stopping.is_set():
                return found

    def _begin(self, workspace: str) -> _Follow | None:
        """Take up a workspace where it was left; None while another process follows it."""
        holder = Holder(self._log, workspace, _LEASE, _SPAN)
        if not holder.acquired():
            return None
        erasures = self._log.state(workspace, _ERASURES)
        saved = self._log.state(workspace, _STATE)
        state = State()
        if saved is not None:
            kept = _unpacked(saved)
            state = kept.state
            if kept.rules != self._digest:
                # They are other rules than those that failed.
                state.failures.clear()
                state.disabled.clear()
                RuleSettings(self._log, workspace, actor=DETECTION, context=Context(source="job")).mended()
            self._enable(workspace, state)
        Alerts(self._log, workspace).begin(self._log.now() - _BEFORE)
        rules = self._rules_of(workspace)
        run = Run(rules.all, state, geo=self._geo, recall=recalling(self._log, workspace))
        follow = _Follow(holder, rules, run, self._log.now())
        follow.saved, follow.erasures = saved, erasures
        self._follows[workspace] = follow
        while len(self._follows) > _KEPT:
            self._leave(next(iter(self._follows)))
        return follow

    def _rules_of(self, workspace: str) -> Rules:
        if self._given is not None:
            return Rules(all=self._rules, broken={})
        return rules_of(read_settings(self._log, workspace))

    def _renew(self, workspace: str, follow: _Follow) -> None:
        """Take other rules from the next entry on, once what the old ones saw is saved: nothing is looked at with both.

        A rule that somebody enabled again begins anew.
        """
        self._report(workspace, follow)
        self._save(workspace, follow)
        state = follow.run.state
        self._enable(workspace, state)
        follow.reported = frozenset(state.disabled)
        follow.rules = self._rules_of(workspace)
        follow.run = Run(follow.rules.all, state, geo=self._geo, recall=recalling(self._log, workspace))

    def _enable(self, workspace: str, state: State) -> None:
        """Let rules begin anew that failed, were reported, and were enabled again since."""
        failed = read_settings(self._log, workspace).failed
        for rule in state.disabled.keys() - failed.keys():
            del state.disabled[rule]
            state.failures.pop(rule, None)

    def _leave(self, workspace: str) -> None:
        """Save what is known of a workspace, and let others follow it."""
        follow = self._follows.pop(workspace)
        if self._still_ours(workspace, follow):
            self._save(workspace, follow)
            follow.holder.release()

    def _still_ours(self, workspace: str, follow: _Follow) -> bool:
        """Tell whether what is known may be relied on: nobody else follows, and nobody was erased meanwhile."""
        if self._log.state(workspace, _ERASURES) != follow.erasures:
            follow.holder.release()
            return False
        now = self._log.now()
        if passed(follow.renewed_at, _RENEW, now):
            if not follow.holder.renewed():
                return False
            follow.renewed_at = now
        return True

    def _due(self, follow: _Follow) -> bool:
        new = follow.run.state.next > follow.saved_next
        return new and passed(follow.saved_at, _SAVE_AFTER, self._log.now())

    def _save(self, workspace: str, follow: _Follow) -> None:
        if follow.run.state.next == follow.saved_next:
            return
        packed = _packed(_Saved(self._digest, follow.run.state))
        # If somebody else wrote it, what they wrote stands, and the next turn finds that it is not ours.
        if self._log.swap_state(workspace, _STATE, follow.saved, packed):
            follow.saved = packed
        follow.saved_next, follow.saved_at = follow.run.state.next, self._log.now()
        Alerts(self._log, workspace).clear()

    def _report(self, workspace: str, follow: _Follow) -> None:
        """Say which rules were disabled, in the log and to whoever runs the worker."""
        disabled = {**follow.rules.broken, **follow.run.state.disabled}
        if disabled.keys() <= follow.reported:
            return
        settings = RuleSettings(self._log, workspace, actor=DETECTION, context=Context(source="job"))
        titles = {rule.name: rule.title for rule in follow.rules.all}
        titles |= {rule.name: rule.title for rule in read_settings(self._log, workspace).own}
        for rule, why in disabled.items():
            if rule not in follow.reported and settings.failing(rule, titles.get(rule, rule), why):
                self._on_error(workspace, RuntimeError(f"Rule {rule} was disabled: {why}"))
        follow.reported = frozenset(disabled)


def reach(log: Log, workspace: str) -> int | None:
    """Return the index from which detection would go on after a crash; None when it never looked at this workspace."""
    saved = log.state(workspace, _STATE)
    return None if saved is None else _unpacked(saved).state.next


def erase(log: Log, workspace: str, person: str) -> int:
    """Remove a person from what detection knows and said, and from the files: baseline, signals, alerts, mutes.

    That there was an alert stays, without a word about the person. Whoever follows the log at the moment lets go of
    what it has in memory. Call it after the entries of the person were erased (`whodid.retention.erase_person`).

    Args:
        person: `type:id`, such as `user:usr_1`.

    Returns:
        1 when there was something about the person, else 0.
    """
    kind, _, id_ = person.partition(":")
    subject = Resource(type=kind, id=id_)
    known = log.state(workspace, _STATE)
    changed = Alerts(log, workspace).erase(subject)
    changed |= RuleSettings(log, workspace, actor=DETECTION).erase(subject)
    while (saved := log.state(workspace, _STATE)) is not None:
        kept = _unpacked(saved)
        forget(kept.state, id_)
        if log.swap_state(workspace, _STATE, saved, _packed(kept)):
            break
    old = log.state(workspace, _ERASURES)
    log.swap_state(workspace, _ERASURES, old, b"%d" % (int(old or 0) + 1))
    changed |= known != log.state(workspace, _STATE)
    if changed:
        log.compact()
    return int(changed)


def _packed(saved: _Saved) -> bytes:
    return zlib.compress(msgspec.json.encode(saved), 1)


def _unpacked(saved: bytes) -> _Saved:
    try:
        return _decoder.decode(zlib.decompress(saved))
    except (zlib.error, msgspec.DecodeError) as error:
        raise StoreCorrupt(f"What detection knows cannot be read: {error}", "Restore a backup") from None
