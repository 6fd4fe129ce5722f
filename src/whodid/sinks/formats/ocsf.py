"""Open Cybersecurity Schema Framework 1.8: the class, activity and objects of each action, and the whole entry beside.

Actions of the built-in catalog have classes of their own; any other is API Activity, with the verb told by its kind.
What OCSF has no name for is under `unmapped`, the entry in its wire form. The profile `host` is declared,
so that an actor is allowed in every class.

Source: OCSF schema 1.8.0, https://schema.ocsf.io/1.8.0/; the rules are those of its classes and objects.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw

from whodid import canonical
from whodid.model import Actor, Entry, Resource
from whodid.sinks.formats.notice import Notice

__all__ = ["entry", "event", "notice"]

_VERSION = "1.8.0"
_OTHER = 99


class _Class(NamedTuple):
    """A class of events: its number and that of its category."""

    uid: int
    category: int


_BASE = _Class(0, 0)
_LOG = _Class(1008, 1)
_DETECTION = _Class(2004, 2)
_ACCOUNT = _Class(3001, 3)
_SIGN_IN = _Class(3002, 3)
_ENTITY = _Class(3004, 3)
_ACCESS = _Class(3005, 3)
_GROUP = _Class(3006, 3)
_WEB = _Class(6001, 6)
_API = _Class(6003, 6)

_VERBS = {"created": 1, "updated": 3, "deleted": 4}
_ENTITIES = frozenset({"account", "api_key", "campaign", "role", "sso", "team", "webhook", "workspace"})
_WEB_RESOURCES = frozenset({"contact", "template"})
_POLICIES = frozenset({"role", "sso"})
_ENTITY_VERBS = _VERBS | {
    "started": 10, "cancelled": 11, "completed": 11, "failed": 11, "revoked": 4, "expired": 11, "paused": 12,
    "resumed": 13,
}  # fmt: skip
_WEB_VERBS = _VERBS | {"erased": 4, "merged": 3, "edited": 3, "imported": 6, "exported": 7}
_USER_VERBS = {"created": 1, "reactivated": 2, "deactivated": 5, "deleted": 6}
_GROUP_VERBS = {"created": 6, "deleted": 5}
_LOG_VERBS = {"purged": 2, "erased": 2, "exported": 3, "sealed": 4, "capture_resumed": 6, "capture_stopped": 7}
_SIGN_IN_VERBS = {
    "login": 1, "sso_login": 1, "login_failed": 1, "logout": 2, "session_revoked": 2, "impersonation_started": 7,
    "impersonation_ended": 7,
}  # fmt: skip
_ALERTS = {"alert_raised": 1, "alert_acknowledged": 2, "alert_resolved": 3}
_BY_KIND = {"create": 1, "update": 3, "delete": 4}
_SEVERITIES = {"info": 1, "notice": 2, "warning": 3, "critical": 5}
_OPENID = 4


def entry(entry: Entry) -> bytes:
    """Write an entry."""
    return msgspec.json.encode(event(entry))


def event(entry: Entry) -> dict[str, Any]:
    """Return what an entry becomes, before it is encoded."""
    kind, activity = _classified(entry)
    event = _common(kind, activity, entry.occurred_at)
    event["severity_id"] = _SEVERITIES[entry.severity]
    event["status_id"] = 1 if entry.outcome == "success" else 2
    if kind is _DETECTION:
        event["status_id"] = 4 if activity == 3 else 1
    event["message"] = f"{entry.actor.name or entry.actor.id} {entry.action} {entry.resource.name or entry.resource.id}"
    detail = _detail(entry)
    if detail:
        event["status_detail"] = detail
    if activity == _OTHER:
        event["activity_name"] = entry.action
    event["metadata"] |= {
        "uid": entry.id,
        "event_code": entry.action,
        "sequence": entry.index,
        "tenant_uid": entry.workspace,
        "log_name": "audit",
        "original_time": canonical.time_text(entry.occurred_at),
        "logged_time": _milliseconds(entry.recorded_at),
    }
    event["actor"] = _actor(entry.actor)
    where = entry.context
    if where is not None:
        if where.request is not None:
            event["metadata"]["correlation_uid"] = where.request
        if where.user_agent is not None and kind.category in {3, 6}:
            event["http_request"] = {"user_agent": where.user_agent}
    source = _source(entry)
    if source and kind is not _DETECTION:
        event["src_endpoint"] = source
    event |= _about(kind, entry)
    event["unmapped"] = {"whodid": Raw(canonical.wire(entry))}
    return event


def notice(notice: Notice) -> bytes:
    """Write a notice."""
    event = _common(_BASE, _OTHER, notice.at)
    event["severity_id"] = 1
    event["activity_name"] = f"whodid.{notice.what}"
    event["message"] = notice.text
    event["metadata"] |= {"uid": notice.id, "tenant_uid": notice.workspace, "log_name": "audit"}
    event["unmapped"] = {"whodid": Raw(notice.wire())}
    return msgspec.json.encode(event)


def _common(kind: _Class, activity: int, at: datetime) -> dict[str, Any]:
    return {
        "time": _milliseconds(at),
        "category_uid": kind.category,
        "class_uid": kind.uid,
        "activity_id": activity,
        "type_uid": kind.uid * 100 + activity,
        "metadata": {
            "version": _VERSION,
            "profiles": ["host"],
            "product": {"name": "whodid", "vendor_name": "whodid"},
        },
    }


def _classified(entry: Entry) -> tuple[_Class, int]:
    noun, _, verb = entry.action.partition(".")
    if "undeclared" in entry.marks:
        return _API, _BY_KIND.get(entry.kind, _OTHER)
    if noun == "auth":
        if verb == "password_changed":
            return _ACCOUNT, 3 if entry.resource.id == entry.actor.id else 4
        return _SIGN_IN, _SIGN_IN_VERBS.get(verb, _OTHER)
    if noun == "user":
        if verb == "role_changed":
            return _ACCESS, 1 if _roles(entry, "after") else 2
        return _ACCOUNT, _USER_VERBS.get(verb, _OTHER)
    if noun == "audit":
        return (_DETECTION, _ALERTS[verb]) if verb in _ALERTS else (_LOG, _LOG_VERBS.get(verb, _OTHER))
    if noun == "team" and verb in _GROUP_VERBS:
        return _GROUP, _GROUP_VERBS[verb]
    if noun in _ENTITIES:
        # What else happens to an entity, a changed status or limit, is an update of it.
        return _ENTITY, _ENTITY_VERBS.get(verb, 3)
    if noun in _WEB_RESOURCES:
        return _WEB, _WEB_VERBS.get(verb, 3)
    return _API, _BY_KIND.get(entry.kind, _OTHER)


def _about(kind: _Class, entry: Entry) -> dict[str, Any]:
    resource = entry.resource
    named = _named(resource)
    if kind is _ENTITY:
        return {"entity": _entity(resource)} | _comment(entry)
    if kind is _WEB:
        merged = {"web_resources_result": [named]} if entry.action.endswith(".merged") else {}
        return {"web_resources": [named | {"type": resource.type}], **merged}
    if kind is _ACCOUNT:
        return {"user": _person(resource)}
    if kind is _ACCESS:
        told = _roles(entry, "after") or _roles(entry, "before") or ["unknown"]
        return {"user": _person(resource), "privileges": told}
    if kind is _GROUP:
        return {"group": named}
    if kind is _SIGN_IN:
        return {"user": _signed_in(entry), "service": {"name": entry.workspace}, "is_remote": True} | _protocol(entry)
    if kind is _LOG:
        return {"device": {"type_id": 0, "name": "whodid"}, "log_name": "audit", "log_provider": "whodid"}
    if kind is _DETECTION:
        title = resource.name or entry.action
        return {"finding_info": {"uid": resource.id, "title": title, "types": ["audit log"]}, "is_alert": True}
    return {
        "api": {"operation": entry.action},
        "resources": [named | {"type": resource.type}],
        "src_endpoint": _source(entry) or {"svc_name": entry.workspace},
    }


def _entity(resource: Resource) -> dict[str, Any]:
    entity: dict[str, Any] = _named(resource) | {"type": resource.type}
    if resource.type in _POLICIES:
        entity |= {"type_id": 5, "type": "Policy", "policy": _named(resource)}
    else:
        entity["type_id"] = _OTHER
    return entity


def _comment(entry: Entry) -> dict[str, str]:
    return {"comment": entry.reason.text} if entry.reason is not None and entry.reason.text else {}


def _detail(entry: Entry) -> str | None:
    told = (entry.reason.text or entry.reason.code) if entry.reason is not None else None
    if entry.outcome == "success":
        return told
    return f"{entry.outcome}: {told}" if told else entry.outcome


def _protocol(entry: Entry) -> dict[str, Any]:
    return {"auth_protocol_id": _OPENID} if entry.action == "auth.sso_login" else {}


def _signed_in(entry: Entry) -> dict[str, Any]:
    """Return whose sign-in it is: a failed one has an anonymous actor and tells whom it was about."""
    return _person(entry.resource) if entry.resource.type == "user" else _user(entry.actor)


def _roles(entry: Entry, side: str) -> list[str]:
    values = (getattr(change, side) for change in entry.changes if change.path.rpartition(".")[2] in {"role", "roles"})
    return [value for value in values if value is not UNSET and isinstance(value, str) and value]


def _named(resource: Resource) -> dict[str, Any]:
    return {"uid": resource.id} | ({"name": resource.name} if resource.name else {})


def _person(resource: Resource) -> dict[str, Any]:
    return _named(resource) | {"type_id": 1}


def _actor(actor: Actor) -> dict[str, Any]:
    if actor.type in {"user", "anonymous"}:
        told: dict[str, Any] = {"user": _user(actor)}
    else:
        told = {"app_uid": actor.id, "app_name": actor.name or actor.id}
    if actor.on_behalf_of is not None:
        told["invoked_by"] = actor.name or actor.id
        told["user"] = _user(actor.on_behalf_of)
    return told


def _user(actor: Actor) -> dict[str, Any]:
    user: dict[str, Any] = {"uid": actor.id, "type_id": 1 if actor.type == "user" else 0}
    if actor.name is not None:
        user["name"] = actor.name
    if actor.email is not None:
        user["email_addr"] = actor.email
    return user


def _source(entry: Entry) -> dict[str, Any]:
    where = entry.context
    if where is None or where.ip is None:
        return {}
    place = {"country": where.country, "city": where.city}
    known = {name: value for name, value in place.items() if value is not None}
    return {"ip": where.ip} | ({"location": known} if known else {})


def _milliseconds(at: datetime) -> int:
    return canonical.micros(at) // 1000
