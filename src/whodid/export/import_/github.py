"""GitHub audit log records, and GitHub webhook payloads, as events.

Pure: one record in, one event out. Audit log: the JSON export and the API of organizations and enterprises, as
described at https://docs.github.com under "Reviewing the audit log for your organization". A webhook payload has no
`noun.verb` action; its noun is found by what it carries. Actions get the prefix `github.`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from msgspec import UNSET

from whodid.errors import InvalidEvent
from whodid.export.import_ import foreign
from whodid.model import Actor, Change, Context, Event, Kind, Related, Resource

__all__ = ["to_event"]

_PAYLOADS = (
    ("review", "pull_request_review"),
    ("comment", "comment"),
    ("workflow_job", "workflow_job"),
    ("workflow_run", "workflow_run"),
    ("pages", "wiki"),
    ("pull_request", "pull_request"),
    ("issue", "issue"),
    ("repository", "repository"),
)
_TIMED = ("updated_at", "submitted_at", "completed_at", "started_at", "created_at", "timestamp")
_OPERATIONS: dict[str, Kind] = {
    "create": "create",
    "modify": "update",
    "remove": "delete",
    "restore": "status",
    "transfer": "status",
    "access": "security",
    "authentication": "security",
}
# Noun of the action → (our type of resource, keys of its id, keys of its name).
_NOUNS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "business": ("enterprise", ("business_id", "business"), ("business",)),
    "hook": ("hook", ("hook_id",), ("name",)),
    "integration_installation": ("app", ("integration_id", "integration", "name"), ("integration", "name")),
    "organization_moderators": ("user", ("user_id", "user"), ("user",)),
    "personal_access_token": ("token", ("token_id",), ()),
    "public_key": ("public_key", ("key_id", "fingerprint"), ("title",)),
    "repository_ruleset": ("ruleset", ("ruleset_id",), ("ruleset_name",)),
    "team": ("team", ("team_id", "team"), ("team",)),
    "workflows": ("workflow_run", ("workflow_run_id", "workflow_id"), ("name",)),
}
_MEMBER_VERBS = ("add_", "invite_", "remove_", "update_", "cancel_")


def to_event(record: Mapping[str, Any], undated: datetime | None = None) -> Event:
    """Turn a GitHub record into an event.

    Args:
        record: A record of the audit log, or the payload of a webhook.
        undated: When it happened if the record does not say.

    Returns:
        The event; whatever has no field of its own is in `details`.

    Raises:
        InvalidEvent: The record names neither an action nor anything an action could be told from, or has no time.
    """
    noun, verb, payload = _action(record)
    data = record.get("data")
    lookup = {**data, **record} if isinstance(data, dict) else dict(record)
    placed: set[str] = set()
    actor = _actor(record)
    resource, related = _resources(noun, verb, lookup, payload)
    return Event(
        id=foreign.event_id("github", record, record.get("_document_id")),
        occurred_at=foreign.when(_times(record, payload), undated),
        actor=actor,
        action=foreign.action_name("github", noun, verb),
        kind=_OPERATIONS.get(str(record.get("operation_type"))) or foreign.kind_of(verb),
        resource=resource,
        related=related,
        changes=_changes(record, placed),
        context=_context(record, placed),
        details=foreign.details(record, placed),
    )


def _action(record: Mapping[str, Any]) -> tuple[str, str, Mapping[str, Any]]:
    """Return noun, verb and, for a webhook, the object it is about."""
    action = record.get("action")
    named = action if isinstance(action, str) else ""
    if "." in named:
        noun, _, verb = named.partition(".")
        return noun, verb, {}
    if isinstance(record.get("ref"), str):
        head = record.get("head_commit")
        return "repository", "pushed", head if isinstance(head, dict) else {}
    for key, noun in _PAYLOADS:
        carried = record.get(key)
        first = carried[0] if isinstance(carried, list) and carried else carried
        if isinstance(first, dict):
            return noun, named or str(first.get("action") or "received"), first
    if not named:
        raise InvalidEvent("/action", "This is no GitHub record: it has no action", "Check the file and --from")
    return "", named, {}


def _times(record: Mapping[str, Any], payload: Mapping[str, Any]) -> Iterator[object]:
    for key in ("@timestamp", "at_sign_timestamp", "created_at", "p_event_time"):
        yield record.get(key)
    for key in _TIMED:
        yield payload.get(key)


def _actor(record: Mapping[str, Any]) -> Actor:
    login, number, kind = record.get("actor"), record.get("actor_id"), ""
    if not login:
        for key in ("sender", "pusher"):
            person = record.get(key)
            if isinstance(person, dict) and (person.get("login") or person.get("name")):
                login, number = person.get("login") or person.get("name"), person.get("id")
                kind = str(person.get("type") or "")
                break
    if not login:
        for key in ("comment", "review", "pull_request", "issue"):
            carried = record.get(key)
            person = carried.get("user") if isinstance(carried, dict) else None
            if isinstance(person, dict) and person.get("login"):
                login, number, kind = person["login"], person.get("id"), str(person.get("type") or "")
                break
    if not login:
        return Actor(type="anonymous", id="unknown")
    name = str(login)
    bot = record.get("actor_is_bot") is True or kind == "Bot" or name.endswith("[bot]")
    address = record.get("external_identity_nameid")
    return Actor(
        type="system" if bot else "user",
        id=foreign.identifier(number if number not in (None, "") else name),
        name=foreign.text(name),
        email=foreign.text(address, 320) if isinstance(address, str) and "@" in address else None,
    )


def _resources(
    noun: str, verb: str, lookup: Mapping[str, Any], payload: Mapping[str, Any]
) -> tuple[Resource, tuple[Related, ...]]:
    around = list(_surroundings(lookup))
    own = _own(noun, verb, lookup, payload)
    if own is None:
        own = around.pop(0) if around else Resource(type=foreign.action_name(noun) or "event", id="unknown")
    related = tuple(
        Related(type=other.type, id=other.id, name=other.name, rel="context") for other in around if other != own
    )
    return own, related


def _own(noun: str, verb: str, lookup: Mapping[str, Any], payload: Mapping[str, Any]) -> Resource | None:
    if payload and noun != "repository":
        number = payload.get("number") or payload.get("id") or payload.get("page_name")
        name = payload.get("title") or payload.get("name")
        if number:
            repository = _repository(lookup)
            place = f"{repository.id}#{number}" if repository and payload.get("number") else number
            return Resource(type=foreign.action_name(noun), id=foreign.identifier(place), name=foreign.text(name))
        return None
    rule = _NOUNS.get(noun)
    if noun == "org" and lookup.get("user") and verb.startswith(_MEMBER_VERBS):
        rule = _NOUNS["organization_moderators"]
    if rule is None:
        return None
    kind, ids, names = rule
    found = next((lookup[key] for key in ids if lookup.get(key)), None)
    if found is None:
        return None
    return Resource(
        type=kind,
        id=foreign.identifier(found),
        name=next((name for key in names if (name := foreign.text(lookup.get(key)))), None),
    )


def _surroundings(lookup: Mapping[str, Any]) -> Iterator[Resource]:
    """Yield the repository, the organization and the enterprise of a record, narrowest first."""
    repository = _repository(lookup)
    if repository is not None:
        yield repository
    for kind, key in (("organization", "org"), ("enterprise", "business")):
        name = lookup.get(key)
        if name:
            number = lookup.get(f"{key}_id")
            yield Resource(type=kind, id=foreign.identifier(number or name), name=foreign.text(name))


def _repository(lookup: Mapping[str, Any]) -> Resource | None:
    found: Any = lookup.get("repo") or lookup.get("repository")
    if isinstance(found, dict):
        name, number = found.get("full_name") or found.get("name"), found.get("id")
    else:
        name, number = found, lookup.get("repo_id") or lookup.get("repository_id")
    if not name:
        return None
    return Resource(type="repository", id=foreign.identifier(number or name), name=foreign.text(name))


def _changes(record: Mapping[str, Any], placed: set[str]) -> tuple[Change, ...]:
    """Read before and after where a record carries both: `x` beside `old_x` or `a_b` beside `a_old_b`."""
    changes = []
    for key, before in record.items():
        path = key.replace("old_", "", 1)
        if path == key or path not in record or not foreign.is_path(path):
            continue
        after = record[path]
        changes.append(
            Change(
                path=path,
                before=UNSET if before is None else foreign.fit(before),
                after=UNSET if after is None else foreign.fit(after),
            )
        )
        placed.update((key, path))
    return tuple(changes)


def _context(record: Mapping[str, Any], placed: set[str]) -> Context:
    ip = foreign.address(record.get("actor_ip"))
    if ip is not None and ip == record.get("actor_ip"):
        placed.add("actor_ip")
    agent = foreign.text(record.get("user_agent"))
    if agent is not None:
        placed.add("user_agent")
    request = foreign.text(record.get("request_id"), 200)
    if request is not None:
        placed.add("request_id")
    location = record.get("actor_location")
    country = location.get("country_code") if isinstance(location, dict) else None
    known = isinstance(country, str) and len(country) == 2 and country.isascii() and country.isupper()
    return Context(source="import", ip=ip, user_agent=agent, request=request, country=country if known else None)
