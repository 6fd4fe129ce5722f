"""The check of an event: what is let in, in which form, and that every refusal points to the fault."""

from __future__ import annotations

import json
import threading
from collections import UserString
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
import pytest

from tests.intaking import ID, NOW, STRICT, check, dumped, event, fingerprint, nested, refusal, wire
from whodid.catalog import Action, Catalog, builtin
from whodid.intake import Intake, decode_event
from whodid.model import Actor, Change, Content, Context, Event, Reason, Related, Resource

# ------------------------------------------------------------------------------------------------ what is let in


def test_a_sound_event_becomes_content() -> None:
    """Kind and severity come from the catalog, everything else stays as it was sent."""
    content = check(decode_event(dumped(outcome="denied", batch="imp_77", cause=ID)))
    assert content == Content(
        id=ID,
        occurred_at=datetime(2026, 11, 20, 13, 32, 7, 486000, tzinfo=UTC),
        actor=Actor(type="user", id="usr_2M", name="Maria Torres"),
        action="contact.updated",
        kind="update",
        severity="info",
        resource=Resource(type="contact", id="con_7J2R", name="Juan Pérez"),
        outcome="denied",
        cause=ID,
        batch="imp_77",
    )


def test_the_event_may_override_severity_but_not_a_declared_kind() -> None:
    """A declared action keeps its kind; an undeclared one may say its own, or gets what its verb suggests."""
    assert check(event(severity="critical", kind="delete")).severity == "critical"
    assert check(event(kind="delete")).kind == "update"
    assert check(event(action="invoice.removed")).kind == "delete"
    assert check(event(action="invoice.removed")).severity == "notice"
    assert check(event(action="invoice.removed", kind="status")).kind == "status"
    assert check(event(action="invoice.sent")).severity == "info"


def test_marks_are_what_intake_noticed_in_alphabetical_order() -> None:
    """Late, redacted, sensitive and undeclared are marked, each only when it holds."""
    long_ago = NOW - timedelta(hours=24, microseconds=1)
    assert check(event()).marks == ()
    assert check(event(occurred_at=NOW - timedelta(hours=24))).marks == ()
    assert check(event(occurred_at=long_ago)).marks == ("late",)
    assert check(event(action="sso.updated", occurred_at=long_ago)).marks == ("late", "sensitive")
    secret = (Change(path="client_secret", after="s3cr3t"),)
    assert check(event(action="sso.updated", changes=secret)).marks == ("redacted", "sensitive")
    assert check(event(action="sso.petted", changes=secret, occurred_at=long_ago)).marks == (
        "late",
        "redacted",
        "undeclared",
    )


def test_values_get_their_one_form() -> None:
    """Times are in UTC, ids in lower case, addresses short, whole floats are integers, tuples lists."""
    madrid = timezone(timedelta(hours=1))
    content = check(
        event(
            id=ID.upper(),
            occurred_at=datetime(2026, 11, 20, 14, 32, tzinfo=madrid),
            changes=[Change(path="rate", before=600.0, after=(1, 2.5, -0.0))],
            related=[Related(type="template", id="t", rel="cause")],
            details={"nested": {"at": [3.0, {"deep": 4.0}]}, "kept": "é"},
            context=Context(ip="2001:DB8:0::1", forwarded_ip="fe80::1%eth0"),
        )
    )
    assert content.id == ID
    assert content.occurred_at == datetime(2026, 11, 20, 13, 32, tzinfo=UTC)
    assert content.occurred_at.tzinfo is UTC
    assert content.related == (Related(type="template", id="t", rel="cause"),)
    assert json.loads(msgspec.json.encode(content.changes)) == [{"path": "rate", "before": 600, "after": [1, 2.5, 0]}]
    assert msgspec.json.encode(content.details) == '{"nested":{"at":[3,{"deep":4}]},"kept":"é"}'.encode()
    assert content.context == Context(ip="2001:db8::1", forwarded_ip="fe80::1")


def test_nothing_is_copied_that_needs_no_change() -> None:
    """Values that are in their form already are the sender's very objects."""
    said = decode_event(msgspec.json.encode(builtin()["contact.merged"].example))
    content = check(said)
    assert content.details is said.details
    assert content.context is said.context
    assert all(mine is theirs for mine, theirs in zip(content.changes, said.changes, strict=True))


def test_values_of_the_caller_are_never_touched() -> None:
    """What intake changes it changes in a copy."""
    details = {"list": [1.0], "password": "hunter2", "deep": {"token": "abc"}}
    before = json.dumps(details)
    check(event(details=details))
    assert json.dumps(details) == before


def test_the_limits_are_let_in() -> None:
    """What just fits is taken."""
    check(event(actor=Actor(type="user", id="x" * 200, name="é" * 500)))
    check(event(action="a." + "b" * 98))
    check(event(related=tuple(Related(type="t", id=str(n), rel="member") for n in range(32))))
    check(event(changes=tuple(Change(path=f"f{n}", after=n) for n in range(500))))
    check(event(reason=Reason(text="é" * 32_768)))
    check(event(details={"x" * 500: 1, **{f"k{n}": n for n in range(199)}}))
    check(event(details={"n": [2**53 - 1, -(2**53) + 1, 0.0001, 999_999_999_999_999.9]}))
    check(event(details=nested(15)))
    check(event(changes=(Change(path="p", after=nested(13)),)))
    check(event(occurred_at=NOW + timedelta(minutes=5)))
    check(event(occurred_at=datetime(1970, 1, 1, tzinfo=UTC)))
    check(event(details={"text": "tab\tline\r\nend \u202e\x7f\u0085", "path": "C:\\bin\\u0041\\f"}))
    filled = event(details={f"k{n}": "x" * 60_000 for n in range(4)})
    room = 256 * 1024 - len(msgspec.json.encode(check(filled)))
    check(event(details={**(filled.details or {}), "rest": "x" * (room - len(',"rest":""'))}))


# ---------------------------------------------------------------------------------------------------- what is not

CHECKED: list[tuple[str, dict[str, Any], str]] = [
    ("id", {"id": "7"}, "/id"),
    ("id without dashes", {"id": ID.replace("-", "")}, "/id"),
    ("id with line break", {"id": ID[:-1] + "\n"}, "/id"),
    ("id of another type", {"id": 7}, "/id"),
    ("no offset", {"occurred_at": datetime(2026, 11, 20)}, "/occurred_at"),
    ("ahead", {"occurred_at": NOW + timedelta(minutes=5, microseconds=1)}, "/occurred_at"),
    ("before 1970", {"occurred_at": datetime(1969, 12, 31, tzinfo=UTC)}, "/occurred_at"),
    ("first year", {"occurred_at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))}, "/occurred_at"),
    ("last year", {"occurred_at": datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=14)))}, "/occurred_at"),
    ("no time", {"occurred_at": "2026-11-20T13:32:07Z"}, "/occurred_at"),
    ("action", {"action": "Contact.Updated"}, "/action"),
    ("action without verb", {"action": "contact"}, "/action"),
    ("long action", {"action": "a." + "b" * 99}, "/action"),
    ("action with line break", {"action": "contact.updated\n"}, "/action"),
    ("no action", {"action": ["contact.updated"]}, "/action"),
    ("outcome", {"outcome": "ok"}, "/outcome"),
    ("outcome of another type", {"outcome": []}, "/outcome"),
    ("kind", {"action": "a.b", "kind": "other"}, "/kind"),
    ("kind of a declared action", {"kind": "other"}, "/kind"),
    ("severity", {"severity": {}}, "/severity"),
    ("no actor", {"actor": None}, "/actor"),
    ("actor type", {"actor": Actor(type="robot", id="r")}, "/actor/type"),  # type: ignore[arg-type]
    ("actor id", {"actor": Actor(type="user", id="")}, "/actor/id"),
    ("long actor id", {"actor": Actor(type="user", id="x" * 201)}, "/actor/id"),
    ("actor id with spaces", {"actor": Actor(type="user", id=" x")}, "/actor/id"),
    ("actor id with line break", {"actor": Actor(type="user", id="x\n")}, "/actor/id"),
    ("long name", {"actor": Actor(type="user", id="x", name="n" * 501)}, "/actor/name"),
    ("email", {"actor": Actor(type="user", id="x", email=b"x")}, "/actor/email"),  # type: ignore[arg-type]
    ("role", {"actor": Actor(type="user", id="x", role="r" * 501)}, "/actor/role"),
    (
        "principal",
        {"actor": Actor(type="user", id="x", on_behalf_of=Actor(type="user", id=""))},
        "/actor/on_behalf_of/id",
    ),
    ("credential as id", {"actor": Actor(type="api_key", id="sk_live_51HabcdEFGHijklmn")}, "/actor/id"),
    ("no resource", {"resource": "con_1"}, "/resource"),
    ("resource type", {"resource": Resource(type="Contact", id="c")}, "/resource/type"),
    ("resource type of another type", {"resource": Resource(type=7, id="c")}, "/resource/type"),  # type: ignore[arg-type]
    ("resource id", {"resource": Resource(type="contact", id="a\tb")}, "/resource/id"),
    ("resource name", {"resource": Resource(type="contact", id="c", name="n" * 501)}, "/resource/name"),
    ("33 related", {"related": (Related(type="t", id="i", rel="r"),) * 33}, "/related"),
    ("related", {"related": "x"}, "/related"),
    ("one related", {"related": (Related(type="t", id="i", rel="r"), None)}, "/related/1"),
    ("rel", {"related": (Related(type="t", id="i", rel="A B"),)}, "/related/0/rel"),
    ("related id", {"related": (Related(type="t", id="", rel="r"),)}, "/related/0/id"),
    ("501 changes", {"changes": (Change(path="p"),) * 501}, "/changes"),
    ("changes", {"changes": {"a": 1}}, "/changes"),
    ("one change", {"changes": (Change(path="p"), {})}, "/changes/1"),
    ("path", {"changes": (Change(path=""),)}, "/changes/0/path"),
    ("long path", {"changes": (Change(path="p" * 501),)}, "/changes/0/path"),
    ("path with control", {"changes": (Change(path="p\x00"),)}, "/changes/0/path"),
    ("op", {"changes": (Change(path="p", op="x"),)}, "/changes/0/op"),  # type: ignore[arg-type]
    ("class", {"changes": (Change(path="p", class_="x"),)}, "/changes/0/class"),  # type: ignore[arg-type]
    ("from", {"changes": (Change(path="p", from_=""),)}, "/changes/0/from"),
    (
        "before",
        {"changes": (Change(path="p"), Change(path="p", before={"a": [1, Decimal(1)]}))},
        "/changes/1/before/a/1",
    ),
    ("after", {"changes": (Change(path="p", after=2**60),)}, "/changes/0/after"),
    ("added", {"changes": (Change(path="p", added="vip"),)}, "/changes/0/added"),  # type: ignore[arg-type]
    ("removed", {"changes": (Change(path="p", removed=[1, object()]),)}, "/changes/0/removed/1"),
    ("secret value", {"changes": (Change(path="token", after={"x": object()}),)}, "/changes/0/after/x"),
    ("fingerprint", {"changes": (Change(path="token", before_fp="hunter2"),)}, "/changes/0/before_fp"),
    ("empty reason", {"reason": Reason()}, "/reason"),
    ("reason", {"reason": "because"}, "/reason"),
    ("reason code", {"reason": Reason(code="")}, "/reason/code"),
    ("long reason", {"reason": Reason(text="é" * 32_769)}, "/reason/text"),
    ("reason text", {"reason": Reason(text=7)}, "/reason/text"),  # type: ignore[arg-type]
    ("cause", {"cause": "48206"}, "/cause"),
    ("batch", {"batch": ""}, "/batch"),
    ("details", {"details": [1]}, "/details"),
    ("time in details", {"details": {"at": [NOW]}}, "/details/at/0"),
    ("bytes in details", {"details": {"raw": b"x"}}, "/details/raw"),
    ("set in details", {"details": {"tags": {"vip"}}}, "/details/tags"),
    ("text-like in details", {"details": {"name": UserString("x")}}, "/details/name"),
    ("long text in details", {"details": {"a": "é" * 32_769}}, "/details/a"),
    ("number as key", {"details": {"a": {1: 2}}}, "/details/a"),
    ("long key", {"details": {"a": {"k" * 501: 2}}}, "/details/a"),
    ("201 members", {"details": {"a": {str(n): n for n in range(201)}}}, "/details/a"),
    ("NaN", {"details": {"a": float("nan")}}, "/details/a"),
    ("half a pair", {"details": {"a": ["\ud800"]}}, "/details/a/0"),
    ("half a pair in a secret", {"details": {"token": "\ud800"}}, "/details/token"),
    ("half a pair in a key", {"details": {"a": {"\ud800": 1}}}, "/details/a"),
    ("half a pair below such a key", {"details": {"\ud800": {"b": object()}}}, "/details/\\ud800/b"),
    ("half a pair in a name", {"resource": Resource(type="contact", id="c", name="\udfff")}, "/resource/name"),
    ("control in a name", {"actor": Actor(type="user", id="x", name="a\x07")}, "/actor/name"),
    ("context", {"context": {"ip": "::1"}}, "/context"),
    ("source", {"context": Context(source="fax")}, "/context/source"),  # type: ignore[arg-type]
    ("address", {"context": Context(ip="83.45.112")}, "/context/ip"),
    ("address with port", {"context": Context(ip="83.45.112.20:443")}, "/context/ip"),
    ("forwarded address", {"context": Context(forwarded_ip="unknown")}, "/context/forwarded_ip"),
    ("address with NUL", {"context": Context(ip="1.1.1.1\x00")}, "/context/ip"),
    ("address of another type", {"context": Context(ip=7)}, "/context/ip"),  # type: ignore[arg-type]
    ("user agent of another type", {"context": Context(user_agent=7)}, "/context/user_agent"),  # type: ignore[arg-type]
    ("id of another type", {"context": Context(request=7)}, "/context/request"),  # type: ignore[arg-type]
    ("country", {"context": Context(country="es")}, "/context/country"),
    ("country in words", {"context": Context(country="Spain")}, "/context/country"),
    ("city", {"context": Context(city="x" * 501)}, "/context/city"),
    ("user agent", {"context": Context(user_agent="x" * 16_385)}, "/context/user_agent"),
    ("request", {"context": Context(request="")}, "/context/request"),
    ("session", {"context": Context(session="a\nb")}, "/context/session"),
    ("more than 256 KiB", {"details": {f"k{n}": "x" * 60_000 for n in range(5)}}, ""),
]


@pytest.mark.parametrize(("parts", "at"), [row[1:] for row in CHECKED], ids=[row[0] for row in CHECKED])
def test_the_check_refuses_where_the_fault_is(parts: dict[str, Any], at: str) -> None:
    """Whatever is wrong in an event made by hand, the refusal points to it."""
    assert refusal(event(**parts)).pointer == at


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"actor": "usr_2M"}, "/actor: This is a value of type str, not an Actor. Send an Actor."),
        ({"actor": None}, "/actor: This is None, not an Actor. Send an Actor."),
        ({"id": UUID(ID)}, "/id: This is a value of type UUID, not text. Send text."),
        (
            {"related": (Resource(type="contact", id="c"),)},
            "/related/0: This is a value of type Resource, not a Related. Send a Related.",
        ),
    ],
)
def test_what_was_given_and_what_belongs_there_are_both_named(parts: dict[str, Any], words: str) -> None:
    """An event made by hand with a member of another type: "not an object" would be no help to who gave an object."""
    assert str(refusal(event(**parts))) == words


def test_what_is_no_event_at_all_is_refused() -> None:
    """A dictionary in place of an event is refused, not taken apart."""
    assert refusal(wire()).pointer == ""  # type: ignore[arg-type]


def test_a_cycle_is_refused_and_never_overflows() -> None:
    """A value that contains itself ends at the depth limit."""
    loop: dict[str, Any] = {}
    loop["a"] = [loop]
    assert refusal(event(details=loop)).pointer == "/details" + "/a/0" * 7 + "/a"
    assert refusal(event(details={"token": loop})).pointer.startswith("/details/token/a/0")


def test_a_chain_of_principals_ends() -> None:
    """Acting on behalf of somebody is let in to a depth that no honest event reaches."""
    actor = Actor(type="user", id="x")
    for _ in range(13):
        actor = Actor(type="user", id="x", on_behalf_of=actor)
    check(event(actor=actor))
    longer = Actor(type="user", id="x", on_behalf_of=Actor(type="user", id="x", on_behalf_of=actor))
    assert "too many times" in refusal(event(actor=longer)).fact


class Tier(StrEnum):
    """A text with a type of its own, as applications have them."""

    GOLD = "gold"


class Moment(datetime):
    """A time with a type of its own."""


def test_texts_and_times_of_other_types_become_plain() -> None:
    """An enumeration inside a value and a time from another library are taken for what they are."""
    moment = Moment(2026, 11, 20, 13, tzinfo=UTC)
    content = check(event(occurred_at=moment, details={"tier": Tier.GOLD}))
    assert type(content.occurred_at) is datetime
    assert content.occurred_at == moment
    assert type((content.details or {})["tier"]) is str
    assert content.details == {"tier": "gold"}


# -------------------------------------------------------------------------------------------------- strict intake


def test_strict_intake_obeys_the_catalog() -> None:
    """Undeclared actions, foreign resource types and missing reasons are refused; otherwise they are let in."""
    cases = [
        (event(action="contact.petted"), "/action"),
        (event(resource=Resource(type="campaign", id="c")), "/resource/type"),
        (event(action="campaign.paused", resource=Resource(type="campaign", id="c")), "/reason"),
    ]
    for said, at in cases:
        check(said)
        assert refusal(said, STRICT).pointer == at
    denied = event(action="campaign.paused", resource=Resource(type="campaign", id="c"), outcome="denied")
    check(denied, STRICT)


def test_a_host_action_without_resource_type_takes_any() -> None:
    """Strict intake asks for a type only where the catalog names one."""
    mine = builtin().declare(
        Action(name="invoice.sent", kind="create", label={"en": "Sent"}, sentences={"en": "{actor} sent {resource}"})
    )
    intake = Intake(mine, strict=True, fingerprint=fingerprint)
    assert check(event(action="invoice.sent"), intake).marks == ()


def test_the_skew_is_a_setting() -> None:
    """How far ahead a sender may be is said when intake is made, and in the refusal."""
    intake = Intake(builtin(), strict=False, fingerprint=fingerprint, skew=timedelta(seconds=1))
    check(event(occurred_at=NOW + timedelta(seconds=1)), intake)
    assert "more than 1 seconds" in refusal(event(occurred_at=NOW + timedelta(seconds=2)), intake).fact


def test_inventing_names_does_not_fill_the_memory() -> None:
    """However many actions, types and fields a sender invents, what intake remembers stays small."""
    intake = Intake(Catalog(), strict=False, fingerprint=fingerprint)
    for number in range(9_000):
        said = event(
            action=f"thing.verb_{number}",
            resource=Resource(type=f"type_{number}", id="x"),
            changes=(Change(path=f"field_{number}", after={f"token_{number}": 1}),),
        )
        check(said, intake)
    classes = Catalog().classes("thing.verb_1")
    assert len(intake._plans) <= 4_096
    assert len(intake._types) <= 4_097
    assert len(classes._classes) <= 4_096
    assert intake._plans["thing.verb_8999"].classes is intake._plans["thing.verb_8998"].classes


def test_one_intake_serves_many_threads() -> None:
    """Threads that check at once get what each would get alone."""
    examples = [msgspec.convert(action.example, Event) for action in builtin().values()]
    now = NOW + timedelta(hours=4)
    expected = [STRICT.check(said, "wsp_3F", now) for said in examples]
    shared = Intake(builtin(), strict=True, fingerprint=fingerprint)
    results: list[list[Content]] = []
    threads = [
        threading.Thread(target=lambda: results.append([shared.check(said, "wsp_3F", now) for said in examples]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 8
