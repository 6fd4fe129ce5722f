"""Secrets never pass intake: not under a secret name or class, not by their look, not in a refusal."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.intaking import ID, LENIENT, NOW, SECRET, check, dumped, event, fingerprint, refusal
from whodid.catalog import Action, Catalog
from whodid.intake import Intake
from whodid.model import Actor, Change, Event, Reason, Related, Resource


def shown(said: Event) -> str:
    """Return everything that would be recorded of an event, as text."""
    content = check(said)
    assert "redacted" in content.marks
    return msgspec.json.encode(content).decode()


PLANTED: list[dict[str, Any]] = [
    {"changes": (Change(path="password", before="old " + SECRET, after=SECRET),)},
    {"changes": (Change(path="settings.smtp.Password", after=SECRET),)},
    {"changes": (Change(path="tokens[3].value", after=SECRET),)},
    {"changes": (Change(path="note", after=SECRET, class_="secret"),)},
    {"changes": (Change(path="note", after={"deep": [SECRET]}, class_="secret"),)},
    {"changes": (Change(path="api_keys", op="set", added=[SECRET], removed=[SECRET + "!"], class_="secret"),)},
    {"changes": (Change(path="config", before={"db": {"clientSecret": SECRET}}, after=[{"pwd": SECRET}]),)},
    {"changes": (Change(path="config", op="set", added=[{"apiKey": SECRET}], removed=[]),)},
    {"changes": (Change(path="token", before_fp="9f2c41d07be85ae1", after=SECRET),)},
    {"changes": (Change(path="innocent", before=SECRET, after_fp="9f2c41d07be85ae1"),)},
    {"action": "webhook.updated", "changes": (Change(path="headers.X-Custom", after=SECRET),)},
    {"action": "webhook.updated", "changes": (Change(path="headers", after={"X-Custom": SECRET}),)},
    {"action": "webhook.tested", "details": {"request": {"headers": {"X-Custom": SECRET}}}},
    {"action": "api_key.created", "details": {"key_hash": SECRET}},
    {"details": {"password": SECRET}},
    {"details": {"a": {"b": [{"c": {"accessToken": SECRET}}]}}},
    {"details": {"credentials": {"user": "x", "value": SECRET, "more": [SECRET]}}},
    {"details": {"form": [{"name": "password", "value": SECRET}]}},
    {"details": {"fields": [{"path": "app_secret", "survivor": SECRET, "absorbed": SECRET, "winner": "survivor"}]}},
    {"details": {"fields": [{"path": "note", "class": "secret", "survivor": SECRET, "extra": {"x": SECRET}}]}},
    {"details": {"token": {"$": "redacted", "fp": SECRET}}},
    {"details": {"token": {"$": "redacted", "fp": "9f2c41d07be85ae1", "note": SECRET}}},
]


@pytest.mark.parametrize("parts", PLANTED)
def test_a_secret_never_gets_through(parts: dict[str, Any]) -> None:
    """Wherever a secret stands under a secret name or class, only fingerprints are recorded."""
    assert SECRET not in shown(event(**parts))


LOOKING = [
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "sk_live_51HabcdEFGHijklmn",
    "postgres://app:hunter2hunter2@db/main",
]


@pytest.mark.parametrize("secret", LOOKING)
def test_a_secret_is_known_by_its_look_under_an_innocent_name(secret: str) -> None:
    """A token that was pasted into a value, a reason or a name is taken out."""
    for parts in (
        {"changes": (Change(path="note", before=f"use {secret}", after="use it"),)},
        {"changes": (Change(path="notes", op="set", added=[secret], removed=[]),)},
        {"details": {"note": secret, "list": [f"x {secret}"]}},
        {"reason": Reason(text=f"Rotated {secret} today")},
        {"resource": Resource(type="webhook", id="w", name=f"Hook {secret}")},
        {"actor": Actor(type="user", id="x", name=f"Maria {secret}")},
        {"related": (Related(type="webhook", id="w", name=secret, rel="cause"),)},
        {"actor": Actor(type="user", id="x", on_behalf_of=Actor(type="user", id="y", name=secret))},
    ):
        assert secret not in shown(event(**parts))
    kept = check(event(reason=Reason(code="rotated", text=f"Rotated {secret} today")))
    assert kept.reason == Reason(code="rotated", text="Rotated [redacted] today")
    hidden = check(event(changes=(Change(path="note", before=f"use {secret}", after="use it"),))).changes[0]
    assert (hidden.class_, hidden.after_fp is not None) == ("secret", True)


def test_fingerprints_tell_whether_a_secret_changed_and_came_back() -> None:
    """Equal values of one workspace have equal fingerprints, and only these."""
    first, second = (
        check(event(changes=(Change(path="token", before="a", after=after),))).changes[0] for after in ("b", "a")
    )
    assert first == Change(
        path="token",
        class_="secret",
        before_fp=fingerprint("wsp_3F", b'"a"'),
        after_fp=fingerprint("wsp_3F", b'"b"'),
    )
    assert second.before_fp == second.after_fp == first.before_fp
    elsewhere = LENIENT.check(event(changes=(Change(path="token", after="a"),)), "wsp_4G", NOW).changes[0]
    assert elsewhere.after_fp != first.before_fp


def test_the_fingerprint_is_of_the_canonical_value() -> None:
    """The order of keys and the writing of a number do not make another secret."""
    one = check(event(changes=(Change(path="token", before={"a": 1, "b": 2.0}, after={"b": 2, "a": 1.0}),))).changes[0]
    assert one.before_fp == one.after_fp == fingerprint("wsp_3F", b'{"a":1,"b":2}')


def test_a_side_without_a_value_gets_no_fingerprint() -> None:
    """A secret that was set for the first time is told from one that was replaced."""
    for change in (Change(path="token", op="add", after="x"), Change(path="token", op="add", before=None, after="x")):
        made = check(event(changes=(change,))).changes[0]
        assert (made.op, made.before_fp) == ("add", None)
        assert made.after_fp == fingerprint("wsp_3F", b'"x"')


def test_what_was_hidden_before_it_arrived_stays_as_it_is() -> None:
    """Fingerprints and markers made by a client are kept and noticed."""
    change = Change(
        path="secret", class_="secret", before_fp="9f2c41d07be85ae1", after_fp="41ab03c98d6f2e77", from_="c"
    )
    marker = {"$": "redacted", "fp": "9f2c41d07be85ae1"}
    content = check(event(changes=(change,), details={"token": marker, "other": {"deep": marker}}))
    assert content.changes == (change,)
    assert content.details == {"token": marker, "other": {"deep": marker}}
    assert content.marks == ("redacted",)
    assert check(event(details={"other": marker})).marks == ("redacted",)


def test_a_declared_class_lets_a_name_in() -> None:
    """A host that declares a field plain is believed, in changes and in details alike."""
    mine = Catalog(
        Action(
            name="contact.updated",
            kind="update",
            label={"en": "Updated"},
            sentences={"en": "{actor}"},
            classes={"token_prefix": "plain", "config.key": "secret"},
        )
    )
    intake = Intake(mine, strict=True, fingerprint=fingerprint)
    said = event(
        changes=(Change(path="token_prefix", after="ak_live_7Q"), Change(path="config", after={"key": "x", "n": 1})),
        details={"token_prefix": "ak_live_7Q", "key": "kept", "password": None},
    )
    content = check(said, intake)
    assert content.changes[0] == said.changes[0]
    assert content.changes[1].after == {"key": {"$": "redacted", "fp": fingerprint("wsp_3F", b'"x"')}, "n": 1}
    assert content.details == said.details


def test_refusals_hold_no_values() -> None:
    """What a refusal says can be logged: facts, types and places, never what was sent."""
    for raw in (
        dumped(outcome=SECRET),
        dumped(occurred_at=SECRET),
        dumped(action=SECRET),
        dumped(cause=SECRET),
        dumped(context={"ip": SECRET, "source": "web"}),
        dumped(context={"source": SECRET}),
        dumped(details={"token": [SECRET, 2**60]}),
        dumped(changes=[{"path": "token", "before_fp": SECRET}]),
        dumped(id=ID)[:-1] + b', "x": "' + SECRET.encode(),
        dumped(details={"password": SECRET, "a": float("nan")}),
    ):
        refused = refusal(raw)
        assert SECRET not in f"{refused} {refused.args} {refused.__cause__!r}"
