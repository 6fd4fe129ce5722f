"""What entries say to detection itself: who was erased, and what came of an alert.

What people answer is an entry, and a run takes it from the log like every other. So a run over stored entries knows
what the one that follows the log knew, at the same place.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from whodid.detect import hours
from whodid.detect.baseline import Baseline, Seen
from whodid.detect.state import State, forget
from whodid.model import Entry

__all__ = ["RAISED", "RESOLVED", "hear"]

RAISED, RESOLVED = "audit.alert_raised", "audit.alert_resolved"
_ERASED = "audit.erased"
_PERSONS = frozenset({"user", "api_key"})


def hear(state: State, entry: Entry) -> None:
    """Heed an entry that speaks to detection; every other one changes nothing.

    An alert that somebody was behind whom it must not have been takes from the baseline what those sign-ins added. One
    that was the person, or harmless, is no signal any more.
    """
    if entry.action == _ERASED and entry.outcome == "success":
        for one in entry.related:
            if one.rel == "subject" and one.type in _PERSONS:
                forget(state, one.id)
    elif entry.action == RESOLVED and entry.outcome == "success":
        said = entry.details or {}
        person = next((one.id for one in entry.related if one.rel == "person"), None)
        if person is None:
            return
        if said.get("verdict") == "confirmed":
            _disown(state, person, said.get("sign_ins"))
        elif said.get("verdict") in {"mine", "harmless"}:
            rules = {one.id for one in entry.related if one.rel == "rule"}
            signals = [one for one in state.signals.get(person, ()) if one.rule not in rules]
            if signals:
                state.signals[person] = signals
            else:
                state.signals.pop(person, None)


def _disown(state: State, person: str, sign_ins: Any) -> None:
    """Take from a baseline what some sign-ins added.

    Args:
        sign_ins: When they occurred, in microseconds since 1970.
    """
    known = state.people.get(person)
    if known is None or not isinstance(sign_ins, list):
        return
    times = {one for one in sign_ins if isinstance(one, int)}
    networks = {name for name, seen in known.networks.items() if seen.first in times}
    for network in networks:
        state.networks.get(network, {}).pop(person, None)
    countries = _without(known.countries, times)
    state.people[person] = replace(
        known,
        sessions=max(0, known.sessions - len(times)),
        countries=countries,
        devices=_without(known.devices, times),
        networks=_without(known.networks, times),
        net_types=_without(known.net_types, times),
        stop=known.stop if known.stop is None or known.stop.at not in times else None,
        hours=_hours(known, times),
        last_country=known.last_country if known.last_country in countries else None,
    )


def _without(seen: dict[str, Seen], times: set[int]) -> dict[str, Seen]:
    return {name: one for name, one in seen.items() if one.first not in times}


def _hours(known: Baseline, times: set[int]) -> tuple[float, ...]:
    weights = list(known.hours)
    for at in times:
        hour = hours.hour_of(at)
        weights[hour] = max(0.0, weights[hour] - 0.5 ** (max(0, known.hours_at - at) / hours.HALF_LIFE))
    return tuple(weights)
