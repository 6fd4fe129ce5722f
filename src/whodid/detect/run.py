"""Rules over the entries of one workspace, one entry after the other in the order of the log.

The core of detection: values in, values out. A `Run` takes entries and returns findings; what it remembers (baselines,
windows, what was told) is a `State` that can be stored and taken up again anywhere, with the same findings. Nothing
asks the clock: time is what the entries say. Therefore running over stored entries gives what following them gave.

An entry that occurred more than 24 hours before what was seen last is judged by itself, without windows and baselines.
A rule that fails three times is disabled and reported; it never keeps an entry from the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from whodid.canonical import micros
from whodid.detect.baseline import DAY, Limits, observe, signs_in
from whodid.detect.compare import shown
from whodid.detect.geo import Geo, Place
from whodid.detect.hearing import RAISED, hear
from whodid.detect.rule import LEVELS, Chain, Level, Rule, fill
from whodid.detect.state import State, forget, renew
from whodid.detect.travel import Stop, travel
from whodid.detect.view import View, network_of, person_of
from whodid.detect.window import Hit, add
from whodid.model import Entry

__all__ = ["Finding", "Run", "State"]

_FAILURES = 3
_COLLEAGUES = 2
_NETWORK_DAYS = 30
_NETWORKS, _PEOPLE_PER_NETWORK = 4_096, 32
_SIGNALS = 64
_EVIDENCE = 50
_SWEEP = 2_048
_HOUR = DAY // 24
_SPANS = (("signals_15m", _HOUR // 4), ("signals_1h", _HOUR), ("signals_24h", DAY))


class Finding(Struct, frozen=True, kw_only=True):
    """That a rule held.

    Args:
        rule: Its name.
        at: When the entry occurred that completed it.
        index: Of that entry.
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
    group: dict[str, str]
    reason: str
    respond: str
    harmless: tuple[str, ...]
    tags: tuple[str, ...]
    numbers: dict[str, Any]
    entries: tuple[int, ...]


_DECODER = msgspec.json.Decoder(State)


class Run:
    """Rules at work on one workspace.

    Args:
        rules: Parts before the rules that are made of them.
        state: Where to go on; from the beginning when absent. It belongs to the run from then on.
        geo: Where addresses are; without, rules that need to know do not hold.
        index: Whether to look only at rules whose action it is; without, every rule sees every entry.
    """

    def __init__(
        self, rules: Sequence[Rule], state: State | None = None, *, geo: Geo | None = None, index: bool = True
    ) -> None:
        self.state = state if state is not None else State()
        self._geo = geo
        self._rules = {rule.name: rule for rule in rules}
        self._index = index
        self._limits = Limits(**{name: value for rule in rules for name, value in rule.limits.items()})
        renew(self.state, {rule.name: rule.digest for rule in rules if rule.digest})
        singles = [rule for rule in rules if rule.test is not None]
        self._anywhere = [rule for rule in singles if rule.actions is None or not index]
        self._by_action: dict[str, list[Rule]] = {}
        for action in {action for rule in singles for action in rule.actions or ()} if index else ():
            self._by_action[action] = [rule for rule in singles if rule.actions is None or action in rule.actions]
        self._chains: dict[str, list[tuple[Rule, int]]] = {}
        for rule in rules:
            for place, part in enumerate(rule.chain.parts if rule.chain is not None else ()):
                self._chains.setdefault(part, []).append((rule, place))

    @classmethod
    def restored(cls, rules: Sequence[Rule], data: bytes, *, geo: Geo | None = None) -> Run:
        """Return a run that goes on where another one was saved."""
        return cls(rules, _DECODER.decode(data), geo=geo)

    def saved(self) -> bytes:
        """Return the state as JSON."""
        return msgspec.json.encode(self.state)

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
        person = person_of(entry)
        found = {} if late or person is None else self._features(entry, person, at)
        view = View(entry, found if features is None else {**found, **features})
        findings: list[Finding] = []
        for rule in self._by_action.get(entry.action.casefold(), self._anywhere) if self._index else self._anywhere:
            if rule.name in state.disabled or (rule.since and micros(entry.recorded_at) < rule.since):
                continue
            try:
                if rule.test is not None and rule.test(view):
                    self._held(rule, view, at, findings, late=late)
            except Exception as error:  # noqa: BLE001 - whatever a rule does wrong, the others go on
                self._failed(rule, error)
        if entry.index % _SWEEP == _SWEEP - 1:
            self._sweep()
        return findings

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
        signals = state.signals.get(person, ())
        for name, span in _SPANS:
            features[name] = sorted({rule for when, rule in signals if 0 <= at - when <= span}) if signals else []
        features["signals_1h_count"] = len(features["signals_1h"])
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
            self._signal(rule, {person_of(view.entry) or ""}, at, late=late)
        if not late:
            self._feed(rule, view, at, findings)

    def _feed(self, part: Rule, view: View, at: int, findings: list[Finding]) -> None:
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
        measure, window = add(chain, hits, hit, DAY)
        if not measure:
            return
        if rule.told:
            indexes = tuple(sorted({one.index for one in window}))
            findings += self._told(rule, view, at, indexes, measure)
            self._signal(rule, {one.person for one in window}, at, late=False)
        self._feed(rule, view, at, findings)

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
        told[key] = (at, rank)
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
                group=group,
                reason=reason,
                respond=rule.respond,
                harmless=rule.harmless,
                tags=rule.tags,
                numbers=numbers,
                entries=indexes[-_EVIDENCE:],
            )
        ]

    def _signal(self, rule: Rule, people: set[str], at: int, *, late: bool) -> None:
        if late:
            return
        for person in people - {""}:
            signals = self.state.signals.setdefault(person, [])
            signals.append((at, rule.name))
            del signals[:-_SIGNALS]

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
        for person in [person for person, signals in state.signals.items() if signals[-1][0] < clock - 3 * DAY]:
            del state.signals[person]
        # Whoever guesses names makes people of them: those who never came in have no habits to remember.
        for person in [one for one, known in state.people.items() if known.idle(clock - 2 * DAY)]:
            del state.people[person]
        for network, people in list(state.networks.items()):
            for person in [one for one, last in people.items() if last < clock - (_NETWORK_DAYS + 2) * DAY]:
                del people[person]
            if not people:
                del state.networks[network]


def _key(values: Iterable[str]) -> str:
    return msgspec.json.encode(list(values)).decode()
