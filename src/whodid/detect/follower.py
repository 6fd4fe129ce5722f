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
from hashlib import sha256

import msgspec
from msgspec import Struct

from whodid.detect.alerts import DETECTION, Alerts
from whodid.detect.geo import Geo
from whodid.detect.loading import built_in
from whodid.detect.rule import Rule
from whodid.detect.run import Run
from whodid.detect.settings import RuleSettings
from whodid.detect.state import State, forget
from whodid.errors import StoreCorrupt
from whodid.log import Holder, Log, Worker
from whodid.model import Context, Resource

__all__ = ["DetectionWorker", "erase", "reach"]

_STATE, _LEASE, _ERASURES = "detection", "detection.lease", "detection.erasures"
_SPAN, _RENEW = timedelta(seconds=60), timedelta(seconds=20)
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

    def __init__(self, holder: Holder, run: Run, saved: bytes | None, erasures: bytes | None, now: datetime) -> None:
        self.holder = holder
        self.run = run
        self.saved = saved
        self.erasures = erasures
        self.saved_at = self.renewed_at = now
        self.saved_next = run.state.next
        self.reported = 0


class DetectionWorker(Worker):
    """Follow the logs of all workspaces with the rules; see `Worker`.

    Use it as a context manager, or `start` and `stop` it. Several processes may each run one: a workspace is followed
    by one of them at a time, and by another one a minute after that one died.

    Args:
        log: The log whose entries are looked at.
        rules: Parts before the rules that are made of them; the built-in ones when not given.
        geo: Where addresses are; without, detections that need a place do not hold.
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
        interval: float | None = None,
        on_error: Callable[[str, Exception], None] | None = None,
        on_round: Callable[[int], None] = lambda _: None,
    ) -> None:
        super().__init__(log, interval=interval, on_error=on_error, on_round=on_round)
        self._rules = tuple(built_in() if rules is None else rules)
        self._geo = geo
        self._titles = {rule.name: rule.title for rule in self._rules}
        self._digest = sha256("\0".join(map(repr, self._rules_as_text())).encode()).hexdigest()[:16]
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

    def _rules_as_text(self) -> list[tuple[str, str, int, str, tuple[str, ...]]]:
        return [(rule.name, rule.level, rule.quiet, rule.reason, rule.group) for rule in self._rules]

    def _follow(self, workspace: str) -> int:
        """Look at the new entries of a workspace.

        Whatever goes wrong, the run is let go: it may have seen an entry whose finding is not in the book.
        """
        size = self._log.head(workspace).size
        follow = self._follows.get(workspace)
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
        Alerts(self._log, workspace).begin(self._log.now() - _BEFORE)
        follow = _Follow(holder, Run(self._rules, state, geo=self._geo), saved, erasures, self._log.now())
        self._follows[workspace] = follow
        while len(self._follows) > _KEPT:
            self._leave(next(iter(self._follows)))
        return follow

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
        if now - follow.renewed_at >= _RENEW:
            if not follow.holder.renewed():
                return False
            follow.renewed_at = now
        return True

    def _due(self, follow: _Follow) -> bool:
        new = follow.run.state.next > follow.saved_next
        return new and self._log.now() - follow.saved_at >= _SAVE_AFTER

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
        disabled = follow.run.state.disabled
        if len(disabled) == follow.reported:
            return
        settings = RuleSettings(self._log, workspace, actor=DETECTION, context=Context(source="job"))
        for rule, why in disabled.items():
            if settings.failing(rule, self._titles.get(rule, rule), why):
                self._on_error(workspace, RuntimeError(f"Rule {rule} was disabled: {why}"))
        follow.reported = len(disabled)


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
