"""Elastic Common Schema 8: the parts of an entry under the names that dashboards look for, and the whole entry beside.

What ECS has no name for is under `whodid`, the entry in its wire form.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from whodid import canonical
from whodid.model import Entry
from whodid.sinks.formats.notice import Notice

__all__ = ["entry", "notice"]

_VERSION = "8.17.0"
_SIGN_IN = frozenset({"auth"})
_IDENTITY = frozenset({"account", "api_key", "role", "sso", "team", "user"})
_SETTINGS = frozenset({"audit", "webhook", "workspace"})
_TYPES = {"create": "creation", "update": "change", "delete": "deletion", "status": "change", "security": "info"}
_OUTCOMES = {"success": "success", "denied": "failure", "failed": "failure"}
SEVERITIES = {"info": 1, "notice": 3, "warning": 6, "critical": 9}
"""On a scale up to ten, as other formats have it, too."""


def entry(entry: Entry) -> bytes:
    """Write an entry."""
    category = _category(entry.category)
    event: dict[str, Any] = {
        "id": entry.id,
        "kind": "event",
        "action": entry.action,
        "category": [category],
        "type": [_type(entry, category)],
        "outcome": _OUTCOMES[entry.outcome],
        "severity": SEVERITIES[entry.severity],
        "sequence": entry.index,
        "created": canonical.time_text(entry.recorded_at),
        **_source(),
    }
    if entry.reason is not None:
        event["reason"] = entry.reason.text or entry.reason.code
    document: dict[str, Any] = {
        "@timestamp": canonical.time_text(entry.occurred_at),
        "ecs": {"version": _VERSION},
        "event": event,
        "message": f"{entry.actor.name or entry.actor.id} {entry.action} {entry.resource.name or entry.resource.id}",
        "organization": {"id": entry.workspace},
        "user": _user(entry),
        "related": {"user": _people(entry)},
        "whodid": Raw(canonical.wire(entry)),
    }
    where = entry.context
    if where is not None and where.ip is not None:
        document["source"] = {"ip": where.ip, **_place(where.country, where.city)}
        document["related"]["ip"] = [where.ip]
    if where is not None and where.user_agent is not None:
        document["user_agent"] = {"original": where.user_agent}
    return msgspec.json.encode(document)


def notice(notice: Notice) -> bytes:
    """Write a notice."""
    return msgspec.json.encode(
        {
            "@timestamp": canonical.time_text(notice.at),
            "ecs": {"version": _VERSION},
            "event": {"id": notice.id, "kind": "metric", "action": f"whodid.{notice.what}", **_source()},
            "message": notice.text,
            "organization": {"id": notice.workspace},
            "whodid": Raw(notice.wire()),
        }
    )


def _source() -> dict[str, str]:
    return {"module": "whodid", "provider": "whodid", "dataset": "whodid.audit"}


def _category(noun: str) -> str:
    if noun in _SIGN_IN:
        return "authentication"
    if noun in _IDENTITY:
        return "iam"
    return "configuration" if noun in _SETTINGS else "api"


def _type(entry: Entry, category: str) -> str:
    if category == "authentication":
        verb = entry.action.partition(".")[2]
        return "end" if verb == "logout" else "start" if "login" in verb else "info"
    return _TYPES[entry.kind]


def _user(entry: Entry) -> dict[str, Any]:
    actor = entry.actor
    user: dict[str, Any] = {"id": actor.id}
    if actor.name is not None:
        user["name"] = actor.name
    if actor.email is not None:
        user["email"] = actor.email
    if actor.role is not None:
        user["roles"] = [actor.role]
    return user


def _people(entry: Entry) -> list[str]:
    named = [entry.actor.id, entry.actor.name, entry.actor.email]
    if entry.resource.type == "user":
        named += [entry.resource.id, entry.resource.name]
    return list(dict.fromkeys(one for one in named if one))


def _place(country: str | None, city: str | None) -> dict[str, Any]:
    place = {"country_iso_code": country, "city_name": city}
    known = {name: value for name, value in place.items() if value is not None}
    return {"geo": known} if known else {}
