"""What is usual for a person: small, bounded, made of entries only, and gone when the person is erased.

`observe` is pure: it takes a baseline and an entry and returns the features of the entry (what the baseline says of it)
and the baseline that has seen it. Countries never expire, because a memory of the last few sign-ins calls a person's
second home new again and again; networks and devices do after 400 days. A feature whose data the entry does not carry
is absent and named in `missing`; nothing is guessed.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from whodid.canonical import micros
from whodid.detect import hours
from whodid.detect.geo import Place
from whodid.detect.travel import Stop
from whodid.detect.view import network_of
from whodid.model import Entry

__all__ = ["DAY", "SIGN_INS", "Baseline", "Limits", "Seen", "failures", "observe", "signs_in"]

SIGN_INS = frozenset({"auth.login", "auth.sso_login"})
"""The actions that open a session."""

DAY = 86_400_000_000
"""Microseconds of a day."""

_MINUTE = 60_000_000
_FAILED = 15 * _MINUTE
_KEEP = 64
_EXPIRY = 400 * DAY
_LEARN_SESSIONS, _LEARN_DAYS = 10, 14
_RATE_DAYS = 30
_RECENT = 1_000
_NOWHERE = Place()
_VERSION = re.compile(r"[\d._]+")


class Limits(Struct, frozen=True, kw_only=True):
    """From where on removal and export are unusual, whatever the person usually does.

    Args:
        deletes: Deletions in 10 minutes at least.
        deletes_times: How many times the person's own highest of 30 days they must be.
        exported: Rows exported in 24 hours at least.
        exported_times: The same for rows.
    """

    deletes: float = 20
    deletes_times: float = 5
    exported: float = 1_000
    exported_times: float = 3


_USUAL = Limits()


class Seen(Struct, frozen=True, array_like=True):
    """How often something was seen, and from when to when (microseconds since 1970)."""

    first: int
    last: int
    count: int


class Baseline(Struct, frozen=True, omit_defaults=True):
    """The habits of one person in one workspace.

    Args:
        first: When the person was first seen, in microseconds since 1970.
        sessions: Successful sign-ins so far.
        hours: Of the sign-ins, per hour of day, faded.
        hours_at: When `hours` was last brought up to date.
        last_country: Of the last successful sign-in that carried one.
        net_types: Kinds of networks that are not ordinary, from which the person came.
        stop: Where the last successful sign-in was, if that is known.
        failures: Failed sign-ins of the last day and 15 minutes, by time: time and network.
        deletes: Deletions of the last day and 10 minutes, by time, with batch; one batch counts once.
        exports: Rows exported in the last 48 hours: time and number.
        delete_peaks: The most deletions in 10 minutes, per day (days since 1970), of the last 30 days.
        export_peaks: The most rows in 24 hours, per day, of the last 30 days.
        actions: What the person has done before.
    """

    first: int = 0
    sessions: int = 0
    countries: dict[str, Seen] = field(default_factory=dict)
    devices: dict[str, Seen] = field(default_factory=dict)
    networks: dict[str, Seen] = field(default_factory=dict)
    hours: tuple[float, ...] = (0.0,) * 24
    hours_at: int = 0
    last_country: str | None = None
    net_types: dict[str, Seen] = field(default_factory=dict)
    stop: Stop | None = None
    failures: tuple[tuple[int, str], ...] = ()
    deletes: tuple[tuple[int, str], ...] = ()
    exports: tuple[tuple[int, int], ...] = ()
    delete_peaks: dict[str, int] = field(default_factory=dict)
    export_peaks: dict[str, int] = field(default_factory=dict)
    actions: dict[str, Seen] = field(default_factory=dict)

    def idle(self, since: int) -> bool:
        """Tell whether there is nothing in it but failed sign-ins before a time (microseconds since 1970)."""
        return not self.sessions and not self.actions and all(at < since for at, _ in self.failures)


def signs_in(entry: Entry) -> bool:
    """Tell whether an entry is a sign-in that succeeded."""
    return entry.action in SIGN_INS and entry.outcome == "success"


def observe(
    baseline: Baseline | None, entry: Entry, place: Place | None = None, limits: Limits = _USUAL
) -> tuple[dict[str, Any], Baseline]:
    """Return the features of an entry, and the baseline that has seen it.

    Args:
        baseline: Of the person whom the entry is about; None for somebody never seen before.
        place: Where the address of the entry is, if there are tables that say so.
        limits: From where on much is unusual.
    """
    at = micros(entry.occurred_at)
    known = baseline if baseline is not None else Baseline(first=at, hours_at=at)
    features: dict[str, Any] = {
        "sessions": known.sessions,
        "days_known": max(0, at - known.first) // DAY,
        "learning": known.sessions < _LEARN_SESSIONS or at - known.first < _LEARN_DAYS * DAY,
    }
    changed: dict[str, Any] = {}
    if entry.action in SIGN_INS or entry.action == "auth.login_failed":
        changed |= _sign_in(known, entry, at, features, place or _NOWHERE)
    elif entry.outcome == "success":
        features["first_time_action"] = entry.action not in known.actions
        changed["actions"] = _with(known.actions, entry.action, at)
        if entry.kind == "delete":
            changed |= _deleted(known, entry, at, features, limits)
        elif entry.action.endswith(".exported"):
            changed |= _exported(known, entry, at, features, limits)
    return features, replace(known, first=min(known.first, at), **changed)


def _sign_in(known: Baseline, entry: Entry, at: int, features: dict[str, Any], place: Place) -> dict[str, Any]:
    context = entry.context
    told = context.country if context is not None else None
    country = told or place.country
    device = _device(context.user_agent) if context is not None and context.user_agent else None
    network = network_of(entry)
    carried = (("country", country), ("device", device), ("network", network))
    features["missing"] = [name for name, value in carried if value is None]
    features["countries_known"] = len(known.countries)
    if known.last_country is not None:
        features["previous_country"] = known.last_country
    if country is not None:
        features["country"] = country
        features["new_country"] = country not in known.countries
        if place.second is not None:
            features["country_disputed"] = place.second != country
    if place.net_type is not None:
        features |= {
            "net_type": place.net_type,
            "net_name": place.network,
            "new_net_type": place.net_type not in known.net_types,
        }
    if device is not None:
        features["new_device"] = _lapsed(known.devices.get(device), at)
    features |= failures(known, at, network)
    if network is not None:
        features["new_network"] = _lapsed(known.networks.get(network), at)
    features["hour"] = hours.hour_of(at)
    weights = hours.faded(known.hours, known.hours_at, at)
    if known.sessions:
        features["hour_tail"] = hours.tail(weights, features["hour"])
    if not signs_in(entry):
        tried = sorted((*known.failures, (at, network or "")))
        return {"failures": tuple(one for one in tried if tried[-1][0] - one[0] <= _FAILED + DAY)[-_KEEP:]}
    weights[features["hour"]] += 1
    return {
        "sessions": known.sessions + 1,
        "countries": known.countries if country is None else _with(known.countries, country, at),
        "devices": known.devices if device is None else _with(known.devices, device, at),
        "networks": known.networks if network is None else _with(known.networks, network, at),
        "hours": tuple(weights),
        "hours_at": max(known.hours_at, at),
        "last_country": country or known.last_country,
        "net_types": known.net_types if place.net_type is None else _with(known.net_types, place.net_type, at),
    }


def failures(known: Baseline, at: int, network: str | None) -> dict[str, Any]:
    """Return the features that say how many sign-ins failed before a time, and whether from a network.

    Args:
        at: In microseconds since 1970.
    """
    recent = [other for when, other in known.failures if 0 <= at - when <= _FAILED]
    found: dict[str, Any] = {"failures_15m": len(recent)}
    if network is not None:
        found["network_failed"] = network in recent
    return found


def _deleted(known: Baseline, entry: Entry, at: int, features: dict[str, Any], limits: Limits) -> dict[str, Any]:
    recent = _kept(known.deletes, (at, entry.batch or ""), 10 * _MINUTE)
    count = max(map(_times, _windows(recent, at, 10 * _MINUTE)))
    limit = ceil(max(limits.deletes, limits.deletes_times * _usual(known.delete_peaks, at)))
    features |= {"deletes_10m": count, "deletes_limit": limit, "bulk_delete": count >= limit}
    return {"deletes": recent, "delete_peaks": _peak(known.delete_peaks, at, count)}


def _exported(known: Baseline, entry: Entry, at: int, features: dict[str, Any], limits: Limits) -> dict[str, Any]:
    said = (entry.details or {}).get("count")
    if not isinstance(said, int) or isinstance(said, bool) or said < 0:
        features["missing"] = ["count"]
        return {}
    recent = _kept(known.exports, (at, said), DAY)
    rows = max(sum(number for _, number in window) for window in _windows(recent, at, DAY))
    limit = ceil(max(limits.exported, limits.exported_times * _usual(known.export_peaks, at)))
    features |= {"exported_24h": rows, "exported_limit": limit, "bulk_export": rows >= limit}
    return {"exports": recent, "export_peaks": _peak(known.export_peaks, at, rows)}


_Done = tuple[tuple[int, Any], ...]


def _kept(done: _Done, one: tuple[int, Any], span: int) -> _Done:
    """Return acts with one more in its place, for as long as a late one may need them; the last 1,000 at most."""
    place = bisect_right(done, one[0], key=_when)
    found = (*done[:place], one, *done[place:])
    return found[bisect_left(found, found[-1][0] - span - DAY, key=_when) :][-_RECENT:]


def _windows(done: _Done, at: int, span: int) -> Iterator[_Done]:
    """Yield the windows of a length that hold a time, each ending with an act: one, unless others came before it."""
    for end in range(bisect_right(done, at, key=_when), bisect_right(done, at + span, key=_when) + 1):
        yield done[bisect_left(done, done[end - 1][0] - span, key=_when) : end] if end else ()


def _when(done: tuple[int, Any]) -> int:
    return done[0]


def _times(deletes: _Done) -> int:
    return sum(1 for _, batch in deletes if not batch) + len({batch for _, batch in deletes if batch})


def _device(agent: str) -> str:
    """Return a hash of a user agent without its versions, so that an update is no new device."""
    return hashlib.sha256(_VERSION.sub("", agent).encode()).hexdigest()[:16]


def _lapsed(seen: Seen | None, at: int) -> bool:
    return seen is None or at - seen.last > _EXPIRY


def _with(seen: Mapping[str, Seen], name: str, at: int) -> dict[str, Seen]:
    """Return what was seen with one more, at most 64: whatever was seen longest ago makes room."""
    old = seen.get(name)
    added = Seen(at, at, 1) if old is None else Seen(min(old.first, at), max(old.last, at), old.count + 1)
    found = {**seen, name: added}
    if len(found) > _KEEP:
        del found[min(found, key=lambda other: (found[other].last, other))]
    return found


def _usual(peaks: Mapping[str, int], at: int) -> int:
    """Return the highest peak of the 30 days before today: what grows today must not excuse itself."""
    today = at // DAY
    return max((peak for day, peak in peaks.items() if today - _RATE_DAYS <= int(day) < today), default=0)


def _peak(peaks: Mapping[str, int], at: int, value: int) -> dict[str, int]:
    today = at // DAY
    kept = {day: peak for day, peak in peaks.items() if abs(today - int(day)) <= _RATE_DAYS}
    kept[str(today)] = max(value, kept.get(str(today), 0))
    return kept
