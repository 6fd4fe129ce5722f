"""Events as Retraced clients send them: checked, hashed, made into ours, and told back.

Pure. What has no place of its own in an event is kept in its details, so that a search returns what was sent, except
for secrets: those leave fingerprints here as everywhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from whodid.canonical import encode
from whodid.export.import_.foreign import address, identifier, read_time
from whodid.model import Actor, Context, Entry, Event, Kind, Related, Resource
from whodid.server.compat.shared import Refusal, our_action, our_type

__all__ = ["GROUP", "check_event", "crud_of", "event_hash", "group_of", "make_event", "node", "refuse", "related_group"]

GROUP = "group"
"""Type and `rel` of the related resource that an event's group becomes."""

_KINDS: dict[str, Kind] = {"c": "create", "r": "security", "u": "update", "d": "delete"}
_CRUD = {"create": "c", "update": "u", "delete": "d", "status": "u", "security": "r"}
_TEXTS = ("source_ip", "description", "component", "version", "external_id", "created")
_UNFIT_KEY = re.compile("[\x00-\x1f\x7f\U00010000-\U0010ffff]")
_MOST_KEYS = 150
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!<>|~&])")
_REDACTED = "[redacted]"

_Fault = tuple[str, str, Any]
"""Field, what was violated, and what came."""


def check_event(event: Any) -> list[_Fault]:
    """Return what is wrong with an event; unknown members are not heeded."""
    if not isinstance(event, dict):
        return [("event", "is not an object", None)]
    faults: list[_Fault] = []
    if not isinstance(event.get("action"), str) or not event["action"]:
        faults.append(("action", "is missing or no text", event.get("action")))
    if event.get("crud") not in _KINDS:
        faults.append(("crud", "is not c, r, u or d", event.get("crud")))
    faults += [
        (name, "is neither true nor false", event[name])
        for name in ("is_failure", "is_anonymous")
        if not isinstance(event.get(name), bool | None)
    ]
    if event.get("actor") is None and not event.get("is_anonymous"):
        faults.append(("actor", "is missing, and the event is not anonymous", None))
    for name in ("actor", "group", "target"):
        faults += _thing_faults(event.get(name), name)
    faults += [(name, "is no text", event[name]) for name in _TEXTS if not isinstance(event.get(name), str | None)]
    if isinstance(event.get("created"), str) and read_time(event["created"]) is None:
        faults.append(("created", "is no time in ISO 8601", event["created"]))
    for name in ("fields", "metadata"):
        faults += _map_faults(event.get(name), name)
    group = event.get("group")
    if not faults and group is not None and identifier(group["id"]).startswith(f"{GROUP}:"):
        # In a filter, `group:a` is the group a; a group of that very name would be seen by the viewers of a.
        faults.append(("group.id", f"begins with {GROUP}:", group["id"]))
    return faults


def _thing_faults(thing: Any, name: str) -> list[_Fault]:
    if thing is None:
        return []
    if not isinstance(thing, dict):
        return [(name, "is not an object", None)]
    faults: list[_Fault] = []
    if not isinstance(thing.get("id"), str) or not thing["id"]:
        faults.append((f"{name}.id", "is missing or no text", thing.get("id")))
    faults += [
        (f"{name}.{part}", "is no text", thing[part])
        for part in ("name", "href", "type")
        if not isinstance(thing.get(part), str | None)
    ]
    return faults + _map_faults(thing.get("fields"), f"{name}.fields")


def _map_faults(value: Any, name: str) -> list[_Fault]:
    if value is None:
        return []
    if not isinstance(value, dict):
        return [(name, "is not an object", None)]
    return [(f"{name}.{key}", "is no text", item) for key, item in value.items() if not isinstance(item, str)]


def refuse(faults: list[list[_Fault]], *, bulk: bool) -> Refusal | None:
    """Return the refusal of a request by the faults of its events, None when there are none."""
    invalid = [
        {
            "index": index,
            "message": f"{of_one[0][0]} {of_one[0][1]}.",
            "violations": [
                {"field": field, "message": f"{field} {violation}.", "violation": violation, "received": received}
                for field, violation, received in of_one
            ],
        }
        for index, of_one in enumerate(faults)
        if of_one
    ]
    if not invalid:
        return None
    first = next(one for one in faults if one)[0]
    fact = f"{first[0]} {first[1]}. Correct it; nothing was recorded."
    return Refusal(400, fact, errors=invalid if bulk else None)


# ------------------------------------------------------------------------------------------------------------- hashing


def event_hash(event: Mapping[str, Any], id_: str) -> str:
    """Return the hash that clients compute as well, from the event as it was received."""
    things = [(event.get(name) or {}).get("id") for name in ("target", "actor", "group")]
    heads = [id_, event.get("action"), *things, event.get("source_ip")]
    parts = [f"{_escaped(one or '')}:" for one in heads]
    parts += ["1:" if event.get(name) else "0:" for name in ("is_failure", "is_anonymous")]
    fields, external_id, metadata = event.get("fields"), event.get("external_id"), event.get("metadata")
    parts.append(":" if fields is None else _pairs(fields))
    if external_id:
        parts.append(f":{_escaped(external_id)}")
    if metadata is not None:
        parts.append(f":{_pairs(metadata)}")
    return hashlib.sha256("".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace(":", "%3A")


def _pairs(values: Mapping[str, str]) -> str:
    # JavaScript sorts by UTF-16 code units, Python by code points; they differ beyond the basic plane.
    keys = sorted(values, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    return "".join(f"{_strict(key)}={_strict(values[key])};" for key in keys)


def _strict(text: str) -> str:
    return _escaped(text).replace("=", "%3D").replace(";", "%3B")


# ------------------------------------------------------------------------------------------------------- there and back


def make_event(event: Mapping[str, Any], id_: str, workspace: str, now: datetime) -> Event:
    """Return a checked event as one of ours.

    Args:
        id_: The id of the event.
        workspace: Stands for the resource of an event that has neither target nor group.
        now: When it happened, if it does not say so.
    """
    actor, thing, group = event.get("actor") or {}, event.get("target"), event.get("group")
    resource = _resource(thing, group, workspace)
    action = our_action(event["action"], resource.type)
    anonymous = bool(event.get("is_anonymous"))
    ip = address(event.get("source_ip"))
    details: dict[str, Any] = {"crud": event["crud"]}
    details |= {name: event.get(name) for name in ("description", "component", "version", "external_id")}
    details |= {name: _kept_map(event.get(name)) for name in ("fields", "metadata")}
    details["retraced_action"] = event["action"] if action != event["action"] else None
    details["source_ip"] = event.get("source_ip") if ip is None else None
    details["actor"] = _kept(actor)
    details["target"] = _kept(thing or {}) | ({"type": thing["type"]} if thing and thing.get("type") else {})
    details["group"] = _kept(group or {})
    details["no_target"] = True if thing is None else None
    created = event.get("created")
    return Event(
        id=id_,
        occurred_at=(read_time(created) if created else None) or now,
        actor=Actor(
            type="anonymous" if anonymous else "user",
            id=identifier(actor.get("id", "anonymous")),
            name=actor.get("name") or None,
        ),
        action=action,
        resource=resource,
        outcome="failed" if event.get("is_failure") else "success",
        related=() if group is None else (related_group(group["id"], group.get("name")),),
        details={name: value for name, value in details.items() if value not in (None, {}, [], "")},
        context=Context(source="api", ip=ip),
        kind=_KINDS[event["crud"]],
    )


def related_group(id_: str, name: str | None = None) -> Related:
    """Return a group as the related resource that viewers are locked to."""
    return Related(type=GROUP, id=identifier(id_), rel=GROUP, name=name or None)


def _resource(thing: Mapping[str, Any] | None, group: Mapping[str, Any] | None, workspace: str) -> Resource:
    if thing is not None:
        kind = our_type(thing.get("type") or "", "thing")
        return Resource(type=kind, id=identifier(thing["id"]), name=thing.get("name") or None)
    if group is not None:
        return Resource(type=GROUP, id=identifier(group["id"]), name=group.get("name") or None)
    return Resource(type="workspace", id=workspace)


def _kept(thing: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {"href": thing.get("href"), "fields": _kept_map(thing.get("fields"))}
    if "id" in thing and thing["id"] != identifier(thing["id"]):
        kept["id"] = thing["id"]
    return {name: value for name, value in kept.items() if value}


def _kept_map(values: Mapping[str, str] | None) -> Any:
    """Return a map as an event may hold it: as pairs where its keys do not fit."""
    if values and (len(values) > _MOST_KEYS or any(_UNFIT_KEY.search(key) or len(key) > 200 for key in values)):
        return [{"key": key, "value": value} for key, value in values.items()]
    return dict(values) if values else None


def crud_of(entry: Entry) -> str:
    """Return the letter of an entry."""
    said = (entry.details or {}).get("crud")
    return said if said in _KINDS else _CRUD[entry.kind]


def group_of(entry: Entry) -> Related | None:
    """Return the group of an entry, if it has one."""
    return next((one for one in entry.related if one.type == GROUP and one.rel == GROUP), None)


def node(entry: Entry) -> dict[str, Any]:
    """Return an entry with all the members that a search can select."""
    details = entry.details or {}
    context, group = entry.context or Context(), group_of(entry)
    kept_target = _object(details.get("target"))
    told: dict[str, Any] = {
        "id": entry.id,
        "action": details.get("retraced_action", entry.action),
        "description": details.get("description"),
        "group": None if group is None else _thing(group.id, group.name, details.get("group")),
        "actor": _thing(entry.actor.id, entry.actor.name, details.get("actor")),
        "target": None
        if details.get("no_target")
        else _thing(entry.resource.id, entry.resource.name, kept_target)
        | {"type": kept_target.get("type", entry.resource.type)},
        "crud": crud_of(entry),
        "display": {"markdown": _sentence(entry)},
        "received": _time(entry.recorded_at),
        "created": _time(entry.occurred_at),
        "canonical_time": _time(entry.occurred_at),
        "is_failure": entry.outcome != "success",
        "is_anonymous": entry.actor.type == "anonymous",
        "source_ip": context.ip or details.get("source_ip"),
        "country": context.country,
        "loc_subdiv1": context.city,
        "loc_subdiv2": None,
        "component": details.get("component"),
        "version": details.get("version"),
        "fields": _told_map(details.get("fields")),
        "external_id": details.get("external_id"),
        "metadata": _told_map(details.get("metadata")),
    }
    told = {name: _REDACTED if isinstance(value, dict) and "$" in value else value for name, value in told.items()}
    return told | {"raw": encode(told).decode()}


def _thing(id_: str, name: str | None, kept: Any) -> dict[str, Any]:
    more = _object(kept)
    return {
        "id": more.get("id", id_),
        "name": name,
        "href": more.get("href"),
        "fields": _told_map(more.get("fields")),
    }


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _told_map(kept: Any) -> list[dict[str, str]]:
    if isinstance(kept, list):
        pairs = [(one.get("key"), one.get("value")) for one in kept if isinstance(one, dict)]
    elif isinstance(kept, dict) and "$" not in kept:
        pairs = list(kept.items())
    else:
        pairs = []
    return [{"key": str(key), "value": value if isinstance(value, str) else _text(value)} for key, value in pairs]


def _text(value: Any) -> str:
    return _REDACTED if isinstance(value, dict) and "$" in value else encode(value).decode()


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _sentence(entry: Entry) -> str:
    """Write an entry for a page that renders Markdown: nothing that was sent may become markup."""
    who, what = entry.actor.name or entry.actor.id, entry.resource.name or entry.resource.id
    return f"**{_plain(who)}** `{entry.action}` **{_plain(what)}**"


def _plain(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)
