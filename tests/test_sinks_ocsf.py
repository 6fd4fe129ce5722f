"""OCSF 1.8: what every action becomes is valid by the official schema, and says what the entry says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.keeping import HOME, NOW
from whodid.catalog import builtin
from whodid.model import Actor, Change, Context, Entry, Outcome, Reason, Resource
from whodid.sinks.formats import FORMATS, Notice

AISHA = Actor(type="user", id="usr_1", name="Aisha Khan", email="aisha@casalumen.es", role="Owner")
KEY = Actor(type="api_key", id="key_1", on_behalf_of=AISHA)
NOBODY = Actor(type="anonymous", id="anonymous")
WHERE = Context(source="web", ip="83.45.112.20", user_agent="Mozilla/5.0", country="ES", city="Madrid", request="r1")
_JSON: dict[str, type | tuple[type, ...]] = {
    "integer_t": int,
    "long_t": int,
    "string_t": str,
    "boolean_t": bool,
    "float_t": (int, float),
}
_PROFILES = {"1.8.0": {"host"}, "1.9.0-dev": {"host", "record_integrity"}}
_OPEN = {"object"}


@cache
def schema(version: str) -> dict[str, Any]:
    """Read a compiled schema."""
    path = Path(__file__).with_name("ocsf").joinpath(f"schema-{version}.json")
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def faults(event: dict[str, Any]) -> list[str]:
    """Return what a validator of the schema that an event names says against it; nothing if it is valid."""
    version = event["metadata"]["version"]
    kind = schema(version)["classes"].get(str(event["class_uid"]))
    if kind is None:
        return [f"no class {event['class_uid']}"]
    found = list(of_object(event, kind, "", version))
    if event["category_uid"] != kind["category_uid"]:
        found.append("category_uid of another class")
    if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
        found.append("type_uid is not class and activity")
    if set(event["metadata"]["profiles"]) != _PROFILES[version]:
        found.append("profiles are not declared")
    return found


def of_object(value: dict[str, Any], shape: dict[str, Any], where: str, version: str) -> Any:
    """Yield what is wrong with an object and what is in it."""
    known = shape["attributes"]
    for name in value:
        if name not in known:
            yield f"{where}{name} is unknown"
    for name, about in known.items():
        applies = about.get("profile") is None or about["profile"] in _PROFILES[version]
        if name in value:
            if not applies:
                yield f"{where}{name} is of the profile {about['profile']}"
            one = value[name]
            if about.get("is_array") and not isinstance(one, list):
                yield f"{where}{name} is not a list"
            for item in one if isinstance(one, list) else [one]:
                yield from of_value(item, about, f"{where}{name}", version)
        elif about.get("requirement") == "required" and applies:
            yield f"{where}{name} is missing"
    for rule, names in shape.get("constraints", {}).items():
        present = sum(name in value for name in names)
        if not present or (rule == "just_one" and present > 1):
            yield f"{where or 'event'}: {rule} of {names}"


def of_value(value: Any, about: dict[str, Any], where: str, version: str) -> Any:
    """Yield what is wrong with one value."""
    if about["type"] == "object":
        if not isinstance(value, dict):
            yield f"{where} is not an object"
        elif about["object"] not in _OPEN | schema(version)["objects"].keys():
            yield f"{where}: the object {about['object']} is not among those that are checked"
        elif about["object"] not in _OPEN:
            yield from of_object(value, schema(version)["objects"][about["object"]], f"{where}.", version)
        return
    expected = _JSON[about["type"]]
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        yield f"{where} is {value!r}, not {about['type']}"
    if "enum" in about and str(value) not in about["enum"]:
        yield f"{where} is {value!r}, which is not listed"


def made(action: str, actor: Actor = AISHA, resource: Resource | None = None, **more: Any) -> Entry:
    """Make an entry as the catalog would complete it."""
    declared = builtin().get(action)
    noun = action.partition(".")[0]
    plain = Entry(
        id="0193a0f2-6c3e-7d51-9a4b-5f1e2d3c4b5a",
        workspace=HOME,
        index=7,
        occurred_at=NOW,
        recorded_at=NOW,
        actor=actor,
        action=action,
        kind=declared.kind if declared else "update",
        severity=declared.severity if declared else "info",
        resource=resource or Resource(type=noun, id=f"{noun}_1", name="Its name"),
        context=WHERE,
        marks=() if declared else ("undeclared",),
    )
    return msgspec.structs.replace(plain, **more)


def written(entry: Entry) -> dict[str, Any]:
    """Write an entry and read it back, valid by both schemas."""
    event: dict[str, Any] = json.loads(FORMATS["ocsf"].entry(entry))
    assert faults(event) == []
    assert faults(json.loads(FORMATS["ocsf-1.9"].entry(entry))) == []
    return event


@pytest.mark.parametrize("action", [*builtin(), "audit.alert_raised", "audit.alert_resolved", "invoice.sent"])
@pytest.mark.parametrize("outcome", ["success", "denied", "failed"])
def test_every_action_is_valid(action: str, outcome: Outcome) -> None:
    """With everything an entry may have, and with the least."""
    role = Change(path="role", before="Agent", after="Owner")
    for actor in (AISHA, KEY, NOBODY):
        written(made(action, actor, outcome=outcome, reason=Reason(code="asked", text="They asked"), changes=(role,)))
        written(made(action, actor, Resource(type="thing", id="1"), outcome=outcome, context=None))


@pytest.mark.parametrize(
    ("action", "type_uid"),
    [
        ("account.created", 300401), ("account.updated", 300403), ("account.deleted", 300404),
        ("user.created", 300101), ("user.role_changed", 300501), ("user.deactivated", 300105),
        ("user.reactivated", 300102), ("template.created", 600101), ("template.edited", 600103),
        ("template.deleted", 600104), ("campaign.started", 300410), ("campaign.paused", 300412),
        ("campaign.resumed", 300413), ("campaign.cancelled", 300411), ("contact.created", 600101),
        ("contact.updated", 600103), ("contact.deleted", 600104), ("contact.merged", 600103),
        ("contact.exported", 600107), ("role.updated", 300403), ("webhook.updated", 300403), ("sso.updated", 300403),
        ("auth.login", 300201), ("auth.sso_login", 300201), ("auth.login_failed", 300201), ("auth.logout", 300202),
        ("api_key.created", 300401), ("api_key.revoked", 300404), ("audit.exported", 100803),
        ("audit.alert_raised", 200401), ("account.token_rotated", 300403),
    ],
)  # fmt: skip
def test_an_action_has_the_class_that_analysts_look_for(action: str, type_uid: int) -> None:
    """One table, from the action to class and activity."""
    changes = (Change(path="role", before="Agent", after="Owner"),)
    assert written(made(action, changes=changes, marks=()))["type_uid"] == type_uid


def test_whose_password_it_was_decides() -> None:
    """One's own is changed; that of another is reset."""
    own = Resource(type="user", id=AISHA.id)
    assert written(made("auth.password_changed", resource=own))["activity_id"] == 3
    assert written(made("auth.password_changed", resource=Resource(type="user", id="usr_2")))["activity_id"] == 4


def test_a_role_is_given_or_taken() -> None:
    """What was given is named; where nothing follows, what was taken."""
    given = written(made("user.role_changed", changes=(Change(path="role", before="Agent", after="Owner"),)))
    assert (given["activity_id"], given["privileges"]) == (1, ["Owner"])
    taken = written(made("user.role_changed", changes=(Change(path="role", op="remove", before="Owner"),)))
    assert (taken["activity_id"], taken["privileges"]) == (2, ["Owner"])


def test_the_entry_is_told() -> None:
    """Who, what, when, from where, how it ended; and the whole entry beside."""
    event = written(made("contact.deleted", KEY, outcome="denied", reason=Reason(text="Not allowed")))
    assert event["time"] == int(NOW.timestamp() * 1000)
    assert datetime.fromisoformat(event["metadata"]["original_time"]) == NOW
    assert event["actor"]["app_uid"] == "key_1"
    assert event["actor"]["user"]["email_addr"] == "aisha@casalumen.es"
    assert event["src_endpoint"] == {"ip": "83.45.112.20", "location": {"country": "ES", "city": "Madrid"}}
    assert (event["status_id"], event["status_detail"]) == (2, "denied: Not allowed")
    assert event["metadata"]["correlation_uid"] == "r1"
    assert event["unmapped"]["whodid"]["index"] == 7


def test_a_failed_sign_in_names_whom_it_was_about() -> None:
    """The actor is nobody, the user is the account that was tried."""
    event = written(made("auth.login_failed", NOBODY, Resource(type="user", id="usr_9"), outcome="failed"))
    assert event["user"]["uid"] == "usr_9"
    assert event["actor"]["user"]["uid"] == "anonymous"


def test_a_notice_is_valid() -> None:
    """A heartbeat, too."""
    event = json.loads(
        FORMATS["ocsf"].notice(
            Notice(what="heartbeat", id="n1", workspace=HOME, sink="siem", at=datetime.now(UTC), next=3, size=3)
        )
    )
    assert faults(event) == []


def test_the_validator_finds_what_is_wrong() -> None:
    """A check that passes everything would prove nothing."""
    event = written(made("contact.deleted"))
    assert faults(event | {"nonsense": 1}) == ["nonsense is unknown"]
    assert faults({name: value for name, value in event.items() if name != "web_resources"}) == [
        "web_resources is missing"
    ]
    assert "severity_id is 9, which is not listed" in faults(event | {"severity_id": 9})
    assert "actor.: at_least_one" in " ".join(faults(event | {"actor": {}}))
    assert any("profile" in one for one in faults(event | {"cloud": {"provider": "x"}}))
