"""Personal values: hidden wherever they stand, and everything else left as it is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.serving import NOW, dump
from whodid import Actor, Change, Context, Entry, Reason, Related, Resource, builtin
from whodid.canonical import wire
from whodid.query import words
from whodid.viewer.veil import HIDDEN, bare, covered, formed_personal, open_wire, veiled_wire

CATALOG = builtin()
SECRETS = (
    "boss@private.example",
    "maria@private.example",
    "198.51.100.77",
    "2001:db8::77",
    "old-value-1",
    "new-value-1",
    "+34 611 204 880",
    "lost@private.example",
    "--05-12",
    "0611-204-881",
    "archive@private.example",
    "203.0.113.99",
    "member-1",
    "walk-in@private.example",
    "12 Hidden Street",
)


def full() -> Entry:
    """Return an entry with a personal value in every place that can hold one."""
    return Entry(
        workspace="w",
        index=7,
        id="00000000-0000-0000-0000-000000000001",
        recorded_at=NOW,
        occurred_at=NOW,
        action="contact.updated",
        kind="update",
        severity="info",
        actor=Actor(
            type="user",
            id="usr_1",
            name="Maria Torres",
            email="maria@private.example",
            on_behalf_of=Actor(type="user", id="usr_2", email="boss@private.example"),
        ),
        resource=Resource(type="contact", id="con_1", name="+34 611 204 880"),
        related=(Related(type="contact", id="con_2", rel="absorbed", name="lost@private.example"),),
        reason=Reason(code="request", text="walk-in@private.example"),
        changes=(
            Change(path="nick", before="old-value-1", after="new-value-1", class_="personal"),
            Change(path="phone_e164", before=None, after="+34 611 204 880"),
            Change(path="list", op="set", added=["member-1"], removed=[], class_="personal"),
            Change(path="notify", before={"to": ["archive@private.example", "Sales"]}, after=None),
            Change(path="consent.marketing", before="opted_in", after="opted_out"),
            Change(path="password", class_="secret", before_fp="9f2c", after_fp="41ab"),
        ),
        details={
            "fields": [{"path": "birthday", "class": "personal", "survivor": "--05-12", "winner": "survivor"}],
            "phone": "0611-204-881",
            "seen_from": "203.0.113.99",
            "nested": {"homeAddress": {"line": "12 Hidden Street"}},
            "moved": {"messages": 38},
            "email_verified": True,
            "note": "called on Monday",
        },
        context=Context(
            source="web", ip="198.51.100.77", forwarded_ip="2001:db8::77", country="ES", city="Madrid", session="ses_1"
        ),
    )


def test_nothing_personal_is_left_in_any_form() -> None:
    """Neither the wire form nor the forms for search and export hold one of the values."""
    for form in (veiled_wire(full(), CATALOG), bare(full(), CATALOG), covered(full(), CATALOG)):
        text = dump(form)
        assert [secret for secret in SECRETS if secret in text] == []


def test_the_open_form_holds_everything() -> None:
    """With the permission nothing is missing: the wire form is the one that exports use."""
    text = dump(open_wire(full()))
    assert [secret for secret in SECRETS if secret not in text] == []
    assert msgspec.json.decode(text) == msgspec.json.decode(wire(full()))


def test_what_is_hidden_says_so() -> None:
    """Each hidden value leaves a marker in its own place."""
    shown = veiled_wire(full(), CATALOG)
    assert shown["actor"]["email"] == HIDDEN
    assert shown["actor"]["on_behalf_of"]["email"] == HIDDEN
    assert shown["context"]["ip"] == shown["context"]["forwarded_ip"] == HIDDEN
    assert shown["resource"]["name"] == shown["related"][0]["name"] == shown["reason"]["text"] == HIDDEN
    by_path = {change["path"]: change for change in shown["changes"]}
    assert by_path["nick"]["before"] == by_path["nick"]["after"] == HIDDEN
    assert by_path["phone_e164"]["after"] == HIDDEN
    assert by_path["list"]["added"] == [HIDDEN]
    assert by_path["notify"]["before"] == {"to": [HIDDEN, "Sales"]}
    assert shown["details"]["fields"] == [
        {"path": "birthday", "class": "personal", "survivor": HIDDEN, "winner": "survivor"}
    ]
    assert shown["details"]["phone"] == shown["details"]["seen_from"] == HIDDEN


def test_what_is_not_personal_stays() -> None:
    """Ids, places, plain changes, fingerprints, counts and yes or no are shown."""
    shown = veiled_wire(full(), CATALOG)
    by_path = {change["path"]: change for change in shown["changes"]}
    assert by_path["consent.marketing"]["after"] == "opted_out"
    assert by_path["password"]["after_fp"] == "41ab"
    assert by_path["phone_e164"]["before"] is None
    assert shown["details"]["moved"] == {"messages": 38}
    assert shown["details"]["email_verified"] is True
    assert shown["details"]["note"] == "called on Monday"
    assert (shown["context"]["country"], shown["context"]["city"], shown["context"]["session"]) == (
        "ES",
        "Madrid",
        "ses_1",
    )
    assert shown["actor"]["name"] == "Maria Torres"


def test_the_entry_itself_is_not_touched() -> None:
    """Hiding works on a copy: a store in memory keeps what it has."""
    entry = full()
    before = wire(entry)
    veiled_wire(entry, CATALOG)
    bare(entry, CATALOG)
    covered(entry, CATALOG)
    assert wire(entry) == before


def test_the_form_for_search_has_no_marker_in_it() -> None:
    """Nobody finds hidden values by searching for the word hidden."""
    assert "hidden" not in words(bare(full(), CATALOG))


def test_the_form_for_export_is_an_entry_again() -> None:
    """Covered entries have the types of the model, so that every renderer can write them."""
    assert msgspec.convert(msgspec.to_builtins(covered(full(), CATALOG)), Entry) == covered(full(), CATALOG)


def test_the_catalog_decides_before_the_name_does() -> None:
    """A field that the catalog declares plain is shown, whatever it is called, and a declared personal one is not."""
    catalog = CATALOG.declare(
        whodid_action("shop.opened", {"address": "plain", "owner": "personal", "till.*": "personal"})
    )
    entry = msgspec.structs.replace(
        full(),
        action="shop.opened",
        changes=(Change(path="address", before="1 Open Road", after="2 Open Road"), Change(path="till.code", after=12)),
        details={"address": "2 Open Road", "owner": "Somebody", "ip": "not an address"},
    )
    shown = veiled_wire(entry, catalog)
    assert shown["changes"][0]["after"] == "2 Open Road"
    assert shown["changes"][1]["after"] == HIDDEN
    assert shown["details"] == {"address": "2 Open Road", "owner": HIDDEN, "ip": HIDDEN}


def whodid_action(name: str, classes: dict[str, Any]) -> Any:
    """Declare a small action."""
    from whodid import Action

    return Action(
        name=name, kind="create", label={"en": "Opened"}, sentences={"en": "{actor} opened {resource}"}, classes=classes
    )


@pytest.mark.parametrize(
    "text",
    [
        "a@b.example",
        " ana.garcia+tag@mail.example ",
        "+34 611 204 880",
        "0034611204880",
        "10.0.0.1",
        "10.0.0.0/8",
        "2001:db8::1",
    ],
)
def test_addresses_are_known_by_their_form(text: str) -> None:
    """E-mail addresses, international telephone numbers and IP addresses."""
    assert formed_personal(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ana",
        "order_update",
        "12:30:45",
        "1.2.3",
        "2026-11-20",
        "ticket #2231",
        "@casa",
        "3.14",
        "usr_1",
        "20,000",
        "a@b",
    ],
)
def test_other_texts_are_not_taken_for_addresses(text: str) -> None:
    """Times, versions, numbers, names and codes stay."""
    assert not formed_personal(text)
