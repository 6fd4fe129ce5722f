"""Building events: completed from the scope, free of secrets, with an id that orders by time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from msgspec import UNSET

from whodid import Actor, Change, Context, Reason, Related, Resource, builtin
from whodid.capture import Capture, context, uuid7
from whodid.capture.events import identifier
from whodid.errors import InvalidEvent

NOW = datetime(2026, 11, 20, 14, 32, 7, 123456, tzinfo=UTC)
MARIA = Actor(type="user", id="usr_2", name="Maria Torres", role="Manager")
JUAN = Resource(type="contact", id="con_1", name="Juan Pérez")
SHOP = Resource(type="account", id="acc_1", name="Shop")


def fingerprint(workspace: str, value: bytes) -> str:
    """Stand in for the log's keyed fingerprint."""
    return f"{workspace}:{value.decode()}"


@pytest.fixture
def capture() -> Capture:
    """Return a capture whose time stands still and whose randomness counts."""
    numbers = count(1)
    return Capture(
        builtin(), fingerprint, strict=True, clock=lambda: NOW, entropy=lambda size: next(numbers).to_bytes(size, "big")
    )


@pytest.fixture
def scope() -> Iterator[None]:
    """Act as Maria in a workspace."""
    with context(actor=MARIA, workspace="w1", source="web", ip="83.45.112.20", request="req_1"):
        yield


class TestIds:
    """UUIDs of version 7."""

    def test_the_layout_is_that_of_rfc_9562(self) -> None:
        """Version, variant, milliseconds and the fraction of one are where they belong."""
        made = UUID(uuid7(NOW, bytes.fromhex("ffffffffffffffff")))
        assert (made.version, made.variant) == (7, "specified in RFC 4122")
        assert made.int >> 80 == int(NOW.timestamp()) * 1000 + 123
        assert made.int >> 64 & 0xFFF == 456 * 4096 // 1000
        assert made.int & (1 << 62) - 1 == (1 << 62) - 1

    def test_ids_order_by_time(self) -> None:
        """Of two events a microsecond apart the later one has the greater id, whatever the random bytes."""
        made = [uuid7(NOW + timedelta(microseconds=step), bytes([255 - step % 256] * 8)) for step in range(0, 3000, 7)]
        assert made == sorted(made)
        assert len(set(made)) == len(made)


class TestScope:
    """What comes from around."""

    @pytest.mark.usefixtures("scope")
    def test_the_scope_completes_the_event(self, capture: Capture) -> None:
        """Actor, context and time need not be said again."""
        event = capture.event("contact.deleted", JUAN, before={"name": "Juan Pérez"}, reason="Asked to be removed")

        assert event.actor is MARIA
        assert event.occurred_at == NOW
        assert event.context == Context(source="web", ip="83.45.112.20", request="req_1")
        assert event.reason == Reason(text="Asked to be removed")
        assert event.changes == (Change(path="name", op="remove", before="Juan Pérez", class_="personal"),)

    @pytest.mark.usefixtures("scope")
    def test_what_is_said_counts_more_than_the_scope(self, capture: Capture) -> None:
        """Explicit arguments win."""
        guard = Actor(type="system", id="guard")
        earlier = NOW - timedelta(hours=1)
        with context(reason=Reason(code="nightly"), batch="b1", cause="c1"):
            event = capture.event("contact.updated", JUAN, actor=guard, occurred_at=earlier, batch="b2")

        assert (event.actor, event.occurred_at, event.batch) == (guard, earlier, "b2")
        assert (event.reason, event.cause) == (Reason(code="nightly"), "c1")

    def test_nobody_is_never_guessed(self, capture: Capture) -> None:
        """An event without an actor is refused where it is made."""
        with pytest.raises(InvalidEvent) as caught:
            capture.event("contact.deleted", JUAN)
        assert caught.value.pointer == "/actor"

    @pytest.mark.usefixtures("scope")
    def test_the_other_members(self, capture: Capture) -> None:
        """Outcome, severity, related resources and details are taken as they are."""
        other = Related(type="contact", id="con_2", rel="absorbed")
        event = capture.event(
            "contact.merged", JUAN, outcome="denied", severity="critical", related=[other], details={"a": {1, 2}}
        )
        assert (event.outcome, event.severity, event.related, event.details) == (
            "denied",
            "critical",
            (other,),
            {"a": [1, 2]},
        )


class TestMistakes:
    """What callers without a type checker pass: each is refused by name, before anything is written."""

    @pytest.mark.usefixtures("scope")
    @pytest.mark.parametrize(
        ("told", "pointer", "words"),
        [
            ({"before": 5}, "/before", "of type int is not a mapping. Pass fields and their values"),
            ({"after": [("city", "Madrid")]}, "/after", "of type list is not a mapping"),
            ({"reason": 5}, "/reason", "Pass its text, or a whodid.Reason"),
            ({"actor": "usr_2"}, "/actor", "of type str is not an actor. Pass a whodid.Actor"),
            ({"related": 5}, "/related", "Pass whodid.Related objects"),
            ({"related": [("contact", "con_2")]}, "/related/0", "of type tuple is not a Related"),
            ({"changes": [Change(path="a", after=1), {"path": "b"}]}, "/changes/1", "of type dict is not a Change"),
            ({"occurred_at": "2026-11-20"}, "/occurred_at", "Pass a datetime with its offset from UTC"),
        ],
    )
    def test_a_value_of_another_type_is_named(
        self, capture: Capture, told: dict[str, Any], pointer: str, words: str
    ) -> None:
        """Never an AttributeError from the depths."""
        with pytest.raises(InvalidEvent) as caught:
            capture.event("contact.updated", JUAN, **told)
        assert caught.value.pointer == pointer
        assert words in str(caught.value)

    @pytest.mark.usefixtures("scope")
    @pytest.mark.parametrize(
        ("about", "pointer", "words"),
        [
            (("contact", 7), "/resource/id", "the id is of type int, not text. Pass str(id)"),
            (("contact", UUID(int=7), "Juan"), "/resource/id", "the id is of type UUID, not text"),
            (("contact",), "/resource", "Pass (type, id), (type, id, name)"),
            (None, "/resource", "nothing can be named"),
        ],
    )
    def test_what_an_event_is_about_is_named(self, capture: Capture, about: Any, pointer: str, words: str) -> None:
        """Who passed a type and an id is not told to pass a type and an id."""
        with pytest.raises(InvalidEvent) as caught:
            capture.record("contact.updated", about)
        assert caught.value.pointer == pointer
        assert words in str(caught.value)


class TestSecrets:
    """What never leaves the process."""

    @pytest.mark.usefixtures("scope")
    def test_a_secret_of_the_catalog(self, capture: Capture) -> None:
        """The catalog's classes decide; the fingerprint is that of the workspace."""
        event = capture.event(
            "account.token_rotated", SHOP, before={"access_token": "old"}, after={"access_token": "new"}
        )
        (change,) = event.changes
        assert (change.class_, change.before_fp, change.after_fp) == ("secret", 'w1:"old"', 'w1:"new"')
        assert change.before is UNSET
        assert change.after is UNSET

    @pytest.mark.usefixtures("scope")
    @pytest.mark.parametrize(
        ("change", "fingerprints"),
        [
            (Change(path="access_token", before="old", after="new"), ('w1:"old"', 'w1:"new"')),
            (Change(path="access_token", op="set", removed=["old"], added=["new"]), ('w1:["old"]', 'w1:["new"]')),
            (Change(path="plain", class_="secret", before="old", after="new"), ('w1:"old"', 'w1:"new"')),
        ],
    )
    def test_changes_that_were_made_by_hand(
        self, capture: Capture, change: Change, fingerprints: tuple[str, str]
    ) -> None:
        """Nobody can put a secret in by building the change themselves."""
        (made,) = capture.event("account.updated", SHOP, changes=[change]).changes
        assert (made.class_, made.before_fp, made.after_fp) == ("secret", *fingerprints)
        assert (made.before, made.after, made.added, made.removed) == (UNSET, UNSET, UNSET, UNSET)

    @pytest.mark.usefixtures("scope")
    def test_a_handmade_change_without_secrets_stays(self, capture: Capture) -> None:
        """It only gains the class that the catalog knows."""
        change = Change(path="email", op="add", after="a@b.es", from_="con_2")
        (made,) = capture.event("contact.merged", JUAN, changes=[change]).changes
        assert made == Change(path="email", op="add", after="a@b.es", from_="con_2", class_="personal")

    @pytest.mark.usefixtures("scope")
    def test_details_and_reasons(self, capture: Capture) -> None:
        """A secret name at any depth, and a pasted token, are replaced."""
        token = "ghp_" + "a1B2" * 9
        event = capture.event(
            "contact.updated", JUAN, details={"list": [{"api_key": "k", "n": 1}], "note": f"see {token}"}, reason=token
        )
        assert event.details == {
            "list": [{"api_key": {"$": "redacted", "fp": 'w1:"k"'}, "n": 1}],
            "note": "see [redacted]",
        }
        assert event.reason == Reason(text="[redacted]")

    def test_a_secret_needs_its_workspace(self, capture: Capture) -> None:
        """Without a workspace there is no key for the fingerprint, and nothing is written in clear instead."""
        with context(actor=MARIA), pytest.raises(InvalidEvent, match="workspace"):
            capture.event("account.updated", SHOP, after={"access_token": "x"})


class TestChanges:
    """Looking at the changes first."""

    @pytest.mark.usefixtures("scope")
    def test_they_are_those_of_the_event(self, capture: Capture) -> None:
        """The same comparison, without the event."""
        before: dict[str, Any] = {"city": "Getafe", "email": "a@b.es"}
        after = {"city": "Madrid", "email": "a@b.es"}
        made = capture.changes("contact.updated", before, after)
        assert made == capture.event("contact.updated", JUAN, before=before, after=after).changes
        assert capture.changes("contact.updated", before, before) == ()


def test_any_key_can_be_the_id_of_a_resource() -> None:
    """What the log would not take as one is named by its digest, the same every time and no other's."""
    assert identifier("42") == "42"
    odd = ["", " 42", "a\x00b", "x" * 201, "y" * 201, "\ud800"]
    named = [identifier(one) for one in odd]
    assert all(one.startswith("sha256:") and len(one) < 200 for one in named)
    assert len(set(named)) == len(odd)
    assert named == [identifier(one) for one in odd]
