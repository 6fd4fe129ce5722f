"""What rules see of an entry: its fields under dotted names, and beside them the features.

A field has a list of values, because much of an entry is a list; a comparison holds when one of them does. Nothing here
is worked out before a rule asks for it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import msgspec

from whodid.errors import InvalidQuery
from whodid.model import Change, Entry
from whodid.query.dates import find_zone

__all__ = ["FEATURES", "View", "known", "network_of", "person_of"]

FEATURES: tuple[str, ...] = (
    "sessions",
    "days_known",
    "learning",
    "country",
    "country_disputed",
    "new_country",
    "countries_known",
    "new_device",
    "new_network",
    "workspace_known_network",
    "hour",
    "hour_tail",
    "previous_country",
    "net_type",
    "net_name",
    "new_net_type",
    "travel_km",
    "travel_hours",
    "travel_kmh",
    "previous_city",
    "impossible_travel",
    "failures_15m",
    "network_failed",
    "missing",
    "first_time_action",
    "deletes_10m",
    "deletes_limit",
    "bulk_delete",
    "exported_24h",
    "exported_limit",
    "bulk_export",
    "signals_15m",
    "signals_1h",
    "signals_24h",
    "signals_1h_count",
)
"""The names that may follow `features.`."""

_PLAIN = frozenset({
    "action", "batch", "category", "cause", "id", "index", "kind", "marks", "network", "occurred_at", "outcome",
    "person", "recorded_at", "severity", "what", "who", "workspace",
})  # fmt: skip
_PARTS: dict[str, frozenset[str]] = {
    "actor": frozenset({"type", "id", "name", "email", "role"}),
    "resource": frozenset({"type", "id", "name"}),
    "related": frozenset({"type", "id", "name", "rel"}),
    "reason": frozenset({"code", "text"}),
    "context": frozenset(
        {"source", "ip", "forwarded_ip", "user_agent", "country", "city", "request", "session"},
    ),
    "features": frozenset(FEATURES),
    "changes": frozenset({"path", "lowered", "raised", "switched_on", "switched_off", "emptied", "moved"}),
}
_CLOCKS: dict[str, Callable[[datetime], int]] = {"hour": lambda at: at.hour, "weekday": datetime.isoweekday}
"""What a clock on the wall says: `hour.Europe/Madrid`."""
_SIDES = ("before", "after", "added", "removed")
_V4, _V6 = 24, 48
_PERSONS = ("user", "api_key")


def known(field: str) -> bool:
    """Tell whether an entry can have a field of this name."""
    head, dot, rest = field.partition(".")
    if not dot:
        return head in _PLAIN
    if head in _PARTS:
        return rest in _PARTS[head]
    if head == "change":
        path, _, side = rest.rpartition(".")
        return bool(path) and side in _SIDES
    if head in _CLOCKS:
        return _zone(rest) is not None
    return head == "details" and bool(rest)


@lru_cache(maxsize=1_024)
def _zone(name: str) -> tzinfo | None:
    try:
        return find_zone(name)
    except InvalidQuery:
        return None


def person_of(entry: Entry) -> str | None:
    """Return the id of whom an entry is about: whose account is signed in to, else who acted.

    Returns:
        None for the system, a provider and strangers: they have no habits.
    """
    if entry.category == "auth" and entry.resource.type == "user":
        return entry.resource.id
    return entry.actor.id if entry.actor.type in _PERSONS else None


def network_of(entry: Entry) -> str | None:
    """Return the network that an entry came from: the /24 of an IPv4 address, the /48 of an IPv6 address."""
    text = entry.context.ip if entry.context is not None else None
    return None if text is None else _network(text)


@lru_cache(maxsize=4_096)
def _network(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    bits = _V4 if address.version == 4 else _V6
    return str(ipaddress.ip_network((address, bits), strict=False))


class View:
    """The fields of one entry, worked out when they are asked for.

    Args:
        features: What the baselines said of it, by name without `features.`.
    """

    __slots__ = ("_found", "entry", "features")

    def __init__(self, entry: Entry, features: Mapping[str, Any]) -> None:
        self.entry = entry
        self.features = features
        self._found: dict[str, tuple[Any, ...]] = {"action": (entry.action,)}

    def get(self, field: str) -> tuple[Any, ...]:
        """Return the values of a field; none when it is absent or null."""
        found = self._found.get(field)
        if found is None:
            value = self._one(field)
            found = self._found[field] = (value,) if isinstance(value, str) else tuple(_flat(value))
        return found

    def texts(self) -> Iterator[str]:
        """Yield every text in the entry, wherever it stands; features are no part of it."""
        yield from (value for value in _leaves(msgspec.to_builtins(self.entry)) if isinstance(value, str))

    def _one(self, field: str) -> Any:
        head, dot, rest = field.partition(".")
        entry = self.entry
        if not dot:
            if head == "person":
                return person_of(entry)
            if head in {"who", "what"}:
                named = entry.actor if head == "who" else entry.resource
                return named.name or named.id
            return network_of(entry) if head == "network" else getattr(entry, head, None)
        if head == "features":
            return self.features.get(rest)
        if head == "related":
            return [getattr(related, rest) for related in entry.related]
        if head == "changes":
            return [change.path for change in entry.changes if rest == "path" or _moved(change, rest)]
        if head == "change":
            path, _, side = rest.rpartition(".")
            return [getattr(change, side) for change in entry.changes if change.path == path]
        if head in _CLOCKS:
            zone = _zone(rest)
            return None if zone is None else _CLOCKS[head](entry.occurred_at.astimezone(zone))
        if head == "details":
            value: Any = entry.details
            for part in rest.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            return value
        return getattr(getattr(entry, head), rest, None)


def _flat(value: Any) -> Iterator[Any]:
    """Yield what a value consists of, lists opened; objects and absent values yield nothing."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from _flat(item)
    elif value is not None and value is not msgspec.UNSET and not isinstance(value, dict):
        yield value


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _moved(change: Change, how: str) -> bool:
    """Tell whether a change went a way: lowered, raised, switched_on, switched_off, emptied, or moved to another host.

    A number that takes the place of null was lowered and the other way round: null stands for no limit.
    """
    before, after = change.before, change.after
    if how in {"lowered", "raised"}:
        first, second = (before, after) if how == "lowered" else (after, before)
        if not isinstance(second, int | float) or isinstance(second, bool):
            return False
        return first is None or (isinstance(first, int | float) and not isinstance(first, bool) and second < first)
    if how in {"switched_on", "switched_off"}:
        return before is (how == "switched_off") and after is (how == "switched_on")
    if how == "emptied":
        return (
            bool(before) and before is not msgspec.UNSET and (after is msgspec.UNSET or after in (None, [], ""))
        ) or (bool(change.removed) and change.removed is not msgspec.UNSET and after == [])
    return _host(before) is not None and _host(after) is not None and _host(before) != _host(after)


def _host(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        return urlsplit(value).hostname
    except ValueError:
        return None
