"""Rules over the entries of one workspace, one entry after the other in the order of the log.

The core of detection: values in, values out. A `Run` takes entries and returns findings; what it remembers (baselines,
windows, what was told) is a `State` that can be stored and taken up again anywhere, with the same findings. Nothing
asks the clock: time is what the entries say. Therefore running over stored entries gives what following them gave.

Entries may come late. What counts is when they occurred: windows are looked at again around one that comes late, and
when it completes something before other entries of a person, rules that ask for that judge those entries again. So
whatever the order of arrival, within 24 hours, the same rules hold for the same entries at the same levels, as far as
a person's last 64 entries (and last 64 that failed) reach. What is new or unusual for a person is judged by what was
known when the entry arrived. An entry that occurred more than 24 hours before what was seen last is judged by itself,
without windows and baselines.
A rule that fails three times is disabled and reported; it never keeps an entry from the others.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from whodid.canonical import micros
from whodid.detect.baseline import DAY, SIGN_INS, Limits, failures, observe, signs_in
from whodid.detect.compare import shown
from whodid.detect.geo import Geo, Place
from whodid.detect.hearing import RAISED, hear
from whodid.detect.rule import LEVELS, Chain, Level, Rule, fill, slots
from whodid.detect.state import Act, Signal, State, forget, renew
from whodid.detect.travel import Stop, travel
from whodid.detect.view import View, network_of, person_of
from whodid.detect.window import Hit, Reached, add
from whodid.model import Entry

__all__ = ["Finding", "Run", "State"]

_FAILURES = 3
_COLLEAGUES = 2
_NETWORK_DAYS = 30
_NETWORKS, _PEOPLE_PER_NETWORK = 4_096, 32
_SIGNALS = _ACTS = 64
_EVIDENCE = 50
_SWEEP = 2_048
_HOUR = DAY // 24
_SPANS = (("signals_15m", _HOUR // 4), ("signals_1h", _HOUR), ("signals_24h", DAY))
_NOTHING_HEARD: dict[str, Any] = {**{name: [] for name, _ in _SPANS}, "signals_1h_count": 0}
_HEARD = frozenset({*_NOTHING_HEARD, "failures_15m", "network_failed"})
"""Features that entries which come late change."""


class Finding(Struct, frozen=True, kw_only=True):
    """That a rule held.

    Args:
        rule: Its name.
        at: When the entry occurred that completed it.
        index: Of that entry.
        seen: Of the entry after which it was known: the same one, unless an earlier one came late.
        group: What makes two findings the same, as field and value.
        reason: Why, in plain words with its numbers.
        numbers: The values that the reason holds, by field.
        entries: Indexes of the entries that it rests on, ascending; the last 50 at most.
    """

    rule: str
    title: str
    level: Level
    at: datetime
    index: int
    seen: int
    group: dict[str, str]
    reason: str
    respond: str
    harmless: tuple[str, ...]
    tags: tuple[str, ...]
    numbers: dict[str, Any]
    entries: tuple[int, ...]


class Run:
    """Rules at work on one workspace.

    Args:
        rules: Parts before the rules that are made of them.
        state: Where to go on; from the beginning when absent. It belongs to the run from then on.
        geo: Where addresses are; without, rules that need to know do not hold.
        recall: Returns an entry that was seen before, by index; None when it is gone. Without, nothing is judged again.
        index: Whether to look only at rules whose action it is; without, every rule sees every entry.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        state: State | None = None,
        *,
        geo: Geo | None = None,
        recall: Callable[[int], Entry | None] | None = None,
        index: bool = True,
    ) -> None:
        self.state = state if state is not None else State()
        self._geo = geo
        self._recall = recall
        self._seen = -1
        self._again: dict[str, tuple[int, int, int]] = {}
        self._rules = {rule.name: rule for rule in rules}
        self._index = index
        self._limits = Limits(**{name: value for rule in rules for name, value in rule.limits.items()})
        renew(self.state, {rule.name: rule.digest for rule in rules if rule.digest})
        singles = [rule for rule in rules if rule.test is not None]
        self._anywhere = [rule for rule in singles if rule.actions is None or not index]
        self._by_action: dict[str, list[Rule]] = {}
        for action in {action for rule in singles for action in rule.actions or ()} if index else ():
            self._by_action[action] = [rule for rule in singles if rule.actions is None or action in rule.actions]
        heard = {f"features.{name}" for name in _HEARD}
        self._hearing = [rule for rule in singles if rule.reads & heard]
        asked = {name for rule in self._hearing for name in (*rule.reads, *rule.group, *slots(rule.reason))}
        self._asked = frozenset(
            name.removeprefix("features.") for name in asked - heard if name.startswith("features.")
        )
        self._chains: dict[str, list[tuple[Rule, int]]] = {}
        for rule in rules:
            for place, part in enumerate(rule.chain.parts if rule.chain is not None else ()):
                self._chains.setdefault(part, []).append((rule, place))

    def erase(self, person: str) -> None:
        """Forget a person: baseline, signals, networks, and every hit and finding that was about them."""
        forget(self.state, person)

    def take(self, entry: Entry, features: Mapping[str, Any] | None = None) -> list[Finding]:
        """Look at the next entry; one that was seen already, by its index, is left alone.

        Args:
            features: To have instead of those that the baselines say, by name: for rules that are tried out.

        Returns:
            The findings that it completes, in the order of the rules.
        """
        state = self.state
        if entry.index < state.next:
            return []
        state.next = entry.index + 1
        hear(state, entry)
        if entry.action == RAISED:
            return []  # a rule that holds for everything would hold for its own alert, and for the alert of that
        at = micros(entry.occurred_at)
        late = at < state.clock - DAY
        state.clock = max(state.clock, min(at, micros(entry.recorded_at)))
        self._seen = entry.index
        person = person_of(entry)
        found = {} if late or person is None else self._features(entry, person, at)
        if found and person is not None and self._hearing:
            self._remember(entry, person, at, found)
        view = View(entry, found if features is None else {**found, **features})
        findings: list[Finding] = []
        rules = self._by_action.get(entry.action.casefold(), self._anywhere) if self._index else self._anywhere
        self._judge(rules, view, at, findings, late=late)
        while self._again:
            self._judge_again(*self._again.popitem(), findings)
        if entry.index % _SWEEP == _SWEEP - 1:
            self._sweep()
        return findings

    def _judge(self, rules: Iterable[Rule], view: View, at: int, findings: list[Finding], *, late: bool) -> None:
        recorded = view.entry.recorded_at
        for rule in rules:
            if rule.name in self.state.disabled or (rule.since and micros(recorded) < rule.since):
                continue
            try:
                if rule.test is not None and rule.test(view):
                    self._held(rule, view, at, findings, late=late)
            except Exception as error:  # noqa: BLE001 - whatever a rule does wrong, the others go on
                self._failed(rule, error)

    # --------------------------------------------------------------------------------------------- what comes late

    def _remember(self, entry: Entry, person: str, at: int, found: Mapping[str, Any]) -> None:
        """Keep the place of an entry, for when something comes late that lies before it."""
        kept = self.state.acts if entry.outcome == "success" else self.state.tries
        acts = kept.get(person)
        if acts is None:
            acts = kept[person] = []
        asked = self._asked & found.keys()
        act = Act(at, entry.index, {name: found[name] for name in asked} if asked else {})
        if acts and acts[-1].at >= at:
            insort(acts, act, key=_place)
        else:
            acts.append(act)
        if len(acts) > _ACTS:
            del acts[0]
        if entry.action == "auth.login_failed":
            self._came_late(person, at, entry.index, at + _HOUR // 4)

    def _came_late(self, person: str, at: int, index: int, until: int) -> None:
        """Have what a person did after a place, and up to a time, judged again."""
        if self._recall is None:
            return
        for kept in (self.state.acts, self.state.tries):
            acts = kept.get(person)
            if acts and acts[-1].place > (at, index):
                known = self._again.get(person, (at, index, until))
                self._again[person] = (*min(known[:2], (at, index)), max(known[2], until))

    def _judge_again(self, person: str, since: tuple[int, int, int], findings: list[Finding]) -> None:
        """Judge what a person did after a place, and up to a time, once more."""
        at, index, until = since
        acts = (*self.state.acts.get(person, ()), *self.state.tries.get(person, ()))
        for act in sorted((one for one in acts if one.place > (at, index) and one.at <= until), key=_place):
            view = self._past(act.index)
            if view is not None:
                rules = (
                    one for one in self._hearing if one.actions is None or view.entry.action.casefold() in one.actions
                )
                self._judge(rules, view, act.at, findings, late=False)

    def _past(self, index: int) -> View | None:
        """Return an entry that was seen before as it is seen now; None when it is gone."""
        entry = self._recall(index) if self._recall is not None else None
        if entry is None:
            return None
        person, at = person_of(entry), micros(entry.occurred_at)
        if person is None:
            return View(entry, {})
        kept = self.state.acts if entry.outcome == "success" else self.state.tries
        act = next((one for one in kept.get(person, ()) if one.index == index), None)
        found = dict(act.features) if act is not None else {}
        known = self.state.people.get(person)
        if known is not None and (entry.action in SIGN_INS or entry.action == "auth.login_failed"):
            found |= failures(known, at, network_of(entry))
        return View(entry, found | self._heard(person, at, index))

    def _heard(self, person: str, at: int, index: int) -> dict[str, Any]:
        """Return the features that say which rules held for a person before an entry."""
        signals = self.state.signals.get(person)
        if not signals:
            return _NOTHING_HEARD
        found: dict[str, Any] = {
            name: sorted({one.rule for one in signals if one.before(at, index, span)}) for name, span in _SPANS
        }
        found["signals_1h_count"] = len(found["signals_1h"])
        return found

    # ------------------------------------------------------------------------------------------------------ features

    def _features(self, entry: Entry, person: str, at: int) -> dict[str, Any]:
        state = self.state
        place = self._place(entry)
        known = state.people.get(person)
        features, state.people[person] = observe(known, entry, place, self._limits)
        if signs_in(entry):
            state.sign_ins += 1
            for name in features["missing"]:
                state.missing[name] = state.missing.get(name, 0) + 1
        features |= self._heard(person, at, entry.index)
        network = network_of(entry) if entry.category == "auth" else None
        if network is not None:
            people = state.networks.get(network, {})
            near = sum(1 for other, last in people.items() if other != person and abs(at - last) <= _NETWORK_DAYS * DAY)
            features["workspace_known_network"] = near >= _COLLEAGUES
            if signs_in(entry):
                people = state.networks.setdefault(network, people)
                people[person] = max(at, people.get(person, 0))
                if len(people) > _PEOPLE_PER_NETWORK:
                    del people[min(people, key=lambda other: (people[other], other))]
                if len(state.networks) > _NETWORKS:
                    del state.networks[min(state.networks, key=lambda one: (max(state.networks[one].values()), one))]
        if place is not None and signs_in(entry):
            now = Stop(at, place, bool(features.get("workspace_known_network")))
            features |= travel(known.stop if known is not None else None, now)
            state.people[person] = replace(state.people[person], stop=now)
        return features

    def _place(self, entry: Entry) -> Place | None:
        where = entry.context
        if self._geo is None or where is None or where.ip is None or entry.category != "auth":
            return None
        return self._geo.place(where.ip)

    # ------------------------------------------------------------------------------------------------------ findings

    def _held(self, rule: Rule, view: View, at: int, findings: list[Finding], *, late: bool) -> None:
        """Note that a rule on single entries holds: tell it, and hand it to the chains that it is part of."""
        if rule.told:
            findings += self._told(rule, view, at, (view.entry.index,), 0)
            if not late:
                self._signal(rule, {person_of(view.entry) or ""}, at, view.entry.index)
        if not late:
            self._feed(rule, view, findings)

    def _feed(self, part: Rule, view: View, findings: list[Finding]) -> None:
        """Hand what a part saw to the chains that it belongs to; one that fails keeps nothing from the others."""
        for rule, place in self._chains.get(part.name, ()):
            if rule.chain is None or rule.name in self.state.disabled:
                continue
            try:
                self._link(rule, rule.chain, place, view, findings)
            except Exception as error:  # noqa: BLE001 - as in `take`
                self._failed(rule, error)

    def _link(self, rule: Rule, chain: Chain, place: int, view: View, findings: list[Finding]) -> None:
        at = micros(view.entry.occurred_at)
        values = [view.get(group) for group in chain.groups[place]]
        counted = view.get(chain.field) if chain.field is not None else ("",)
        if not all(values) or not counted:
            return  # what does not say its group belongs to none
        hits = self.state.windows.setdefault(rule.name, {}).setdefault(_key(shown(value[0]) for value in values), [])
        hit = Hit(at, view.entry.index, place, shown(counted[0]), person_of(view.entry) or "")
        steps = [when for _, when in rule.raises if isinstance(when, int)]
        for reached in add(chain, hits, hit, DAY, steps):
            self._reached(rule, reached, view, findings)

    def _reached(self, rule: Rule, reached: Reached, view: View, findings: list[Finding]) -> None:
        """Note that a window is complete, as of the hit that completed it."""
        end = reached.end
        if end.index != view.entry.index:
            view = self._past(end.index) or view
        if rule.told:
            indexes = tuple(sorted({one.index for one in reached.hits}))
            findings += self._told(rule, view, end.at, indexes, reached.measure)
            self._signal(rule, {one.person for one in reached.hits}, end.at, end.index)
        self._feed(rule, view, findings)

    def _told(self, rule: Rule, view: View, at: int, indexes: tuple[int, ...], measure: int) -> list[Finding]:
        """Make a finding, unless the same one was told a short while ago at that level or above."""
        level = rule.level
        for higher, when in rule.raises:
            if (measure >= when if isinstance(when, int) else when(view)) and LEVELS.index(higher) > LEVELS.index(
                level
            ):
                level = higher
        group = {name: ", ".join(map(shown, view.get(name))) for name in rule.group}
        key = _key(group.values())
        told = self.state.told.setdefault(rule.name, {})
        before = told.get(key)
        rank = LEVELS.index(level)
        if before is not None and abs(at - before[0]) <= rule.quiet and rank <= before[1]:
            return []
        told[key] = (at, rank) if before is None or at >= before[0] else before
        span = timedelta(microseconds=rule.chain.span if rule.chain is not None else 0)
        more: dict[str, Any] = {number.name: number.value for number in rule.numbers}
        more |= {"count": measure or len(indexes), "span": span}
        reason, numbers, _ = fill(rule.reason, view, more)
        return [
            Finding(
                rule=rule.name,
                title=rule.title,
                level=level,
                at=view.entry.occurred_at,
                index=view.entry.index,
                seen=self._seen,
                group=group,
                reason=reason,
                respond=rule.respond,
                harmless=rule.harmless,
                tags=rule.tags,
                numbers=numbers,
                entries=indexes[-_EVIDENCE:],
            )
        ]

    def _signal(self, rule: Rule, people: set[str], at: int, index: int) -> None:
        """Note that a rule held for people; what they did after it is judged again."""
        signal = Signal(at, rule.name, index)
        for person in people - {""}:
            signals = self.state.signals.setdefault(person, [])
            if signals and signals[-1] >= signal:
                place = bisect_left(signals, signal)
                if signals[place] == signal:
                    continue
                signals.insert(place, signal)
            else:
                signals.append(signal)
            del signals[:-_SIGNALS]
            if signals[0] <= signal:
                self._came_late(person, at, index, at + DAY)

    def _failed(self, rule: Rule, error: Exception) -> None:
        count = self.state.failures[rule.name] = self.state.failures.get(rule.name, 0) + 1
        if count >= _FAILURES:
            self.state.disabled[rule.name] = f"It failed {count} times, the last time with {error!r}"

    def _sweep(self) -> None:
        """Let go of what can matter to no entry any more; when depends on the index alone, as all else does."""
        state, clock = self.state, self.state.clock
        for name, groups in state.windows.items():
            rule = self._rules.get(name)
            keep = 2 * DAY + (rule.chain.span if rule is not None and rule.chain is not None else 0)
            for key in [key for key, hits in groups.items() if not hits or hits[-1].at < clock - keep]:
                del groups[key]
        for name, told in state.told.items():
            rule = self._rules.get(name)
            keep = 2 * DAY + (rule.quiet if rule is not None else 0)
            for key in [key for key, (at, _) in told.items() if at < clock - keep]:
                del told[key]
        for person in [person for person, signals in state.signals.items() if signals[-1].at < clock - 3 * DAY]:
            del state.signals[person]
        for kept in (state.acts, state.tries):
            for person in [person for person, acts in kept.items() if acts[-1].at < clock - 2 * DAY]:
                del kept[person]
        # Whoever guesses names makes people of them: those who never came in have no habits to remember.
        for person in [one for one, known in state.people.items() if known.idle(clock - 2 * DAY)]:
            del state.people[person]
        for network, people in list(state.networks.items()):
            for person in [one for one, last in people.items() if last < clock - (_NETWORK_DAYS + 2) * DAY]:
                del people[person]
            if not people:
                del state.networks[network]


def _place(act: Act) -> tuple[int, int]:
    return act.place


def _key(values: Iterable[str]) -> str:
    return msgspec.json.encode(list(values)).decode()
