"""Events as WorkOS clients send them: read, checked against their schema, and made into ours.

Pure. The same request always makes the same event, so that sending it again is recognised.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any, get_args

from msgspec import Struct

from whodid.export.import_.foreign import address, identifier, read_time
from whodid.model import Actor, ActorType, Change, Context, Event, Related, Resource
from whodid.server.compat.shared import Refusal, our_action, our_type

__all__ = ["Schema", "check_event", "check_schema", "make_event", "obey"]

_MOST_KEYS = 50
_KEY = re.compile(r"[A-Za-z0-9_\-]{1,40}")
_LONGEST = 500
_MOST_TARGETS = 32
_SIDE = re.compile(r"(before|after)_(.+)")
_ACTORS = get_args(ActorType)
_VALUES = {"string": str, "boolean": bool, "number": (int, float)}


class Schema(Struct, frozen=True, kw_only=True):
    """One version of what events of an action hold.

    Args:
        version: Counts from 1.
        targets: `type`, and `metadata` as JSON Schema where it is declared.
        actor: `metadata` as JSON Schema.
        metadata: Of the event, as JSON Schema.
        made_by: Digest of the idempotency key that made it, and of what was asked.
    """

    version: int
    targets: list[dict[str, Any]]
    created_at: datetime
    actor: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    made_by: tuple[str, str] | None = None


def check_schema(body: dict[str, Any]) -> None:
    """Refuse a schema that events could not be checked against.

    Raises:
        Refusal: 422, with the place.
    """
    targets = body.get("targets")
    if not isinstance(targets, list) or not targets:
        raise _missing("targets")
    if len(targets) > _MOST_TARGETS:
        raise _invalid(422, f"There are more than {_MOST_TARGETS} targets. Declare fewer.", "targets")
    for at, one in enumerate(targets):
        if not isinstance(one, dict) or not isinstance(one.get("type"), str) or not one["type"]:
            raise _missing(f"targets.{at}.type")
        _check_declared(one.get("metadata"), f"targets.{at}.metadata")
    actor = body.get("actor")
    if actor is not None:
        if not isinstance(actor, dict):
            raise _invalid(422, "The actor is not an object.", "actor")
        _check_declared(actor.get("metadata"), "actor.metadata")
    _check_declared(body.get("metadata"), "metadata")


def _check_declared(declared: Any, at: str) -> None:
    if declared is None:
        return
    properties = declared.get("properties", {}) if isinstance(declared, dict) else None
    if not isinstance(properties, dict) or declared.get("type", "object") != "object":
        raise _invalid(422, 'Metadata is declared as {"type": "object", "properties": {…}}.', at)
    required = declared.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) and name in properties for name in required):
        raise _invalid(422, "What is required must be declared.", f"{at}.required")
    if len(properties) > _MOST_KEYS:
        raise _invalid(422, f"There are more than {_MOST_KEYS} keys. Declare fewer.", at)
    for name, one in properties.items():
        if not isinstance(one, dict) or not set(_types(one)) <= {*_VALUES, "null"} or not _types(one):
            raise _invalid(422, "A value is declared as string, boolean or number.", f"{at}.properties.{name}")


def _types(declared: dict[str, Any]) -> list[Any]:
    said = declared.get("type")
    types = said if isinstance(said, list) else [said]
    return types if all(isinstance(one, str) for one in types) else [""]


def _missing(field: str) -> Refusal:
    return Refusal(422, f"{field} is missing. Send it.", errors=[{"code": "required", "field": field}])


def _invalid(status: int, fact: str, field: str) -> Refusal:
    return Refusal(status, fact, errors=[{"code": "invalid", "field": field}])


def _unfit(fact: str, *places: str) -> Refusal:
    return Refusal(400, fact, code="invalid_audit_log_event", errors=[{"instancePath": place} for place in places])


def check_event(event: Any) -> dict[str, Any]:
    """Return an event whose shape is as described.

    Raises:
        Refusal: 422 for a member that is missing or of another type, 400 for metadata beyond its limits.
    """
    if not isinstance(event, dict):
        raise _missing("event")
    for name in ("action", "occurred_at"):
        if not isinstance(event.get(name), str) or not event[name]:
            raise _missing(f"event.{name}")
    if len(event["action"]) > _LONGEST:
        raise _invalid(422, f"The action is longer than {_LONGEST} characters.", "event.action")
    if read_time(event["occurred_at"]) is None or event["occurred_at"].strip().isdecimal():
        raise _invalid(422, "The time is not in ISO 8601. Write 2026-01-31T12:00:00Z.", "event.occurred_at")
    actor, targets, context = event.get("actor"), event.get("targets"), event.get("context")
    _check_thing(actor, "event.actor", "/actor")
    if not isinstance(targets, list):
        raise _missing("event.targets")
    if len(targets) > _MOST_TARGETS:
        raise _unfit(f"There are more than {_MOST_TARGETS} targets. Send several events.", "/targets")
    for at, one in enumerate(targets):
        _check_thing(one, f"event.targets.{at}", f"/targets/{at}")
    if not isinstance(context, dict) or not isinstance(context.get("location"), str):
        raise _missing("event.context.location")
    if not isinstance(context.get("user_agent"), str | None):
        raise _invalid(422, "The user agent is not text.", "event.context.user_agent")
    version = event.get("version")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
        raise _invalid(422, "The version is not a number.", "event.version")
    _check_metadata(event.get("metadata"), "/metadata")
    return event


def _check_thing(thing: Any, field: str, place: str) -> None:
    if not isinstance(thing, dict):
        raise _missing(field)
    for name in ("id", "type"):
        if not isinstance(thing.get(name), str) or not thing[name]:
            raise _missing(f"{field}.{name}")
    if not isinstance(thing.get("name"), str | None):
        raise _invalid(422, "The name is not text.", f"{field}.name")
    _check_metadata(thing.get("metadata"), f"{place}/metadata")


def _check_metadata(metadata: Any, place: str) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, dict):
        raise _unfit("The metadata is not an object.", place)
    if len(metadata) > _MOST_KEYS:
        raise _unfit(f"The metadata has more than {_MOST_KEYS} keys. Send fewer.", place)
    for key, value in metadata.items():
        if not _KEY.fullmatch(key):
            raise _unfit("A key of the metadata is not made of at most 40 letters, digits, _ and -.", place)
        if not isinstance(value, str | int | float):
            raise _unfit("A value of the metadata is no text, number or truth. Write it as text.", f"{place}/{key}")
        if isinstance(value, str) and len(value) > _LONGEST:
            raise _unfit(f"A value of the metadata is longer than {_LONGEST} characters.", f"{place}/{key}")


def obey(event: dict[str, Any], schema: Schema) -> None:
    """Refuse a checked event that does not fit the schema of its action.

    Raises:
        Refusal: 400, with every place that does not fit.
    """
    places = []
    declared = {one["type"]: one.get("metadata") for one in schema.targets}
    for at, one in enumerate(event["targets"]):
        if one["type"] not in declared:
            places.append(f"/targets/{at}/type")
        else:
            places += _misfits(one.get("metadata"), declared[one["type"]], f"/targets/{at}/metadata")
    if not event["targets"]:
        places.append("/targets")
    places += _misfits(event["actor"].get("metadata"), (schema.actor or {}).get("metadata"), "/actor/metadata")
    places += _misfits(event.get("metadata"), schema.metadata, "/metadata")
    if places:
        raise _unfit(f"The event does not fit version {schema.version} of the schema of its action.", *places)


def _misfits(metadata: dict[str, Any] | None, declared: dict[str, Any] | None, place: str) -> list[str]:
    if declared is None:
        return []
    held, properties = metadata or {}, declared.get("properties", {})
    places = [f"{place}/{name}" for name in declared.get("required", []) if name not in held]
    for name, value in held.items():
        if name not in properties:
            if declared.get("additionalProperties") is False:
                places.append(f"{place}/{name}")
        elif not any(_fits(value, kind) for kind in _types(properties[name])):
            places.append(f"{place}/{name}")
    return places


def _fits(value: Any, kind: str) -> bool:
    if kind == "null" or (isinstance(value, bool) and kind != "boolean"):
        return False
    return isinstance(value, _VALUES[kind])  # type: ignore[arg-type]


def make_event(event: dict[str, Any], id_: str, workspace: str) -> Event:
    """Return a checked event as one of ours.

    Args:
        id_: The id of the event.
        workspace: Stands for the resource of an event that has no target.
    """
    targets, context, actor = event["targets"], event["context"], event["actor"]
    metadata = event.get("metadata") or {}
    sides, rest = _split(metadata)
    first = targets[0] if targets else None
    resource = (
        Resource(type="workspace", id=workspace)
        if first is None
        else Resource(type=our_type(first["type"]), id=identifier(first["id"]), name=first.get("name") or None)
    )
    action = our_action(event["action"], resource.type)
    ip = address(context["location"])
    details: dict[str, Any] = {"metadata": rest}
    details["version"] = event.get("version")
    details["location"] = context["location"] if ip is None else None
    details["workos_action"] = event["action"] if action != event["action"] else None
    details["actor"] = _kept(actor, {"email", "role"})
    details["targets"] = [kept for one in targets if (kept := _kept(one))]
    occurred_at = read_time(event["occurred_at"])
    assert occurred_at is not None  # noqa: S101 - `check_event` saw to it
    return Event(
        id=id_,
        occurred_at=occurred_at,
        actor=_actor(actor),
        action=action,
        resource=resource,
        related=tuple(
            Related(type=our_type(one["type"]), id=identifier(one["id"]), rel="target", name=one.get("name") or None)
            for one in targets[1:]
        ),
        changes=sides,
        details={name: value for name, value in details.items() if value not in (None, {}, [], "")} or None,
        context=Context(source="api", ip=ip, user_agent=(context.get("user_agent") or None)),
    )


def _actor(said: dict[str, Any]) -> Actor:
    metadata = said.get("metadata") or {}
    email, role = metadata.get("email"), metadata.get("role")
    return Actor(
        type=said["type"] if said["type"] in _ACTORS else "user",
        id=identifier(said["id"]),
        name=said.get("name") or None,
        email=email if isinstance(email, str) else None,
        role=role if isinstance(role, str) else None,
    )


def _kept(said: dict[str, Any], placed: Collection[str] = ()) -> dict[str, Any]:
    """Return what an actor or a target says that has no place of its own.

    Args:
        placed: Keys of the metadata that have one.
    """
    kept: dict[str, Any] = {}
    if said["type"] != our_type(said["type"]) or (placed and said["type"] not in _ACTORS):
        kept["type"] = said["type"]
    if said["id"] != identifier(said["id"]):
        kept["id"] = said["id"]
    metadata = {
        name: value
        for name, value in (said.get("metadata") or {}).items()
        if name not in placed or not isinstance(value, str)
    }
    return kept | ({"metadata": metadata} if metadata else {})


def _split(metadata: dict[str, Any]) -> tuple[tuple[Change, ...], dict[str, Any]]:
    """Take the values before and after a change out of the metadata."""
    sides: dict[str, dict[str, Any]] = {}
    rest = {}
    for key, value in metadata.items():
        found = _SIDE.fullmatch(key)
        if found is None:
            rest[key] = value
        else:
            sides.setdefault(found[2], {})[found[1]] = value
    changes = tuple(
        Change(path=path, op="replace" if len(both) == 2 else "add" if "after" in both else "remove", **both)
        for path, both in sides.items()
    )
    return changes, rest
