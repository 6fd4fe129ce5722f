"""Who acts travels in a signed header, and a header that is not ours is not believed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whodid import Actor
from whodid.capture import context, current
from whodid.capture.counts import Counts
from whodid.capture.propagate import HEADER, Propagation
from whodid.errors import InvalidSetting

KEY = b"k" * 32
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
AISHA = Actor(type="user", id="usr_1", name="Aisha Khan", email="aisha@casalumen.es", role="Owner")
MARIA = Actor(type="user", id="usr_2", name="Maria Torres")


def carrier(**members: Any) -> Propagation:
    """Make a propagation at noon."""
    return Propagation(members.pop("key", KEY), members.pop("clock", lambda: NOW), **members)


def received(headers: Mapping[str, Any], message: str = "", **members: Any) -> tuple[Actor | None, int]:
    """Return who acts for a message with these headers, and how many were not believed."""
    counts = Counts()
    with carrier(counts=counts, **members).extract(headers, message) as scope:
        return scope.actor, counts.status().forged


def test_everything_that_an_event_needs_is_carried() -> None:
    """Actor with whom it acts for, workspace, request, session, batch, and the action as the cause."""
    actor = Actor(type="user", id="usr_1", name="Aisha Khan", on_behalf_of=MARIA)
    outer = context(actor=actor, workspace="w1", request="req_1", session="ses_1", ip="203.0.113.7", source="web")
    with outer, context(batch="b1", action="a1"):
        headers = carrier().inject()

    with context(actor=MARIA, ip="10.0.0.1"), carrier().extract(headers) as scope:
        assert scope is current()
        assert (scope.actor, scope.workspace) == (actor, "w1")
        assert [scope.get(name) for name in ("cause", "batch", "action")] == ["a1", "b1", None]
        assert scope.context is not None
        assert (scope.context.request, scope.context.session) == ("req_1", "ses_1")
        assert (scope.context.source, scope.context.ip) == ("job", None)
    assert current() is None


def test_a_cause_that_was_given_nearer_counts() -> None:
    """The entry that the caller names is nearer than the action around it."""
    with context(actor=AISHA, action="a1"), context(cause="c1"):
        headers = carrier().inject()
    with carrier().extract(headers) as scope:
        assert scope.get("cause") == "c1"


def test_nobody_is_not_carried() -> None:
    """Without an actor there is no header, and a message without one is nobody's."""
    assert carrier().inject() == {}
    with context(workspace="w1"):
        assert carrier().inject() == {}
    with context(actor=AISHA):
        assert received({}) == (None, 0)


def test_what_is_not_ours_is_not_believed() -> None:
    """Changed, signed with another key, too old, for another message, or garbage: counted, never an error."""
    with context(actor=AISHA):
        headers = carrier().inject("task_1")
    text = headers[HEADER]
    said, _, digest = text.partition(".")

    assert received(headers, "task_1") == (AISHA, 0)
    assert received({HEADER.upper(): text.encode()}, "task_1") == (AISHA, 0)
    flipped = ("B" if said[20] == "A" else "A").join([said[:20], said[21:]])
    for forged in (
        f"{flipped}.{digest}",
        said,
        f"{said}.",
        f"{said}.AAAA",
        f".{digest}",
        "",
        "ñ.ñ",
        "x" * 5000,
        b"\xff",
    ):
        assert received({HEADER: forged}, "task_1") == (None, 1), forged
    assert received({HEADER: 7}, "task_1") == (None, 1)
    assert received(headers, "task_2") == (None, 1)
    assert received(headers, "task_1", key=b"x" * 32) == (None, 1)
    late = NOW + timedelta(days=7)
    assert received(headers, "task_1", clock=lambda: late) == (None, 1)
    assert received(headers, "task_1", clock=lambda: late - timedelta(seconds=1)) == (AISHA, 0)


def test_the_key_can_be_changed() -> None:
    """While both are known, headers of both are believed; the first one signs."""
    old, new = b"o" * 32, b"n" * 32
    with context(actor=AISHA):
        before, after = carrier(key=old).inject(), carrier(key=[new, old]).inject()
    assert received(before, key=[new, old]) == (AISHA, 0)
    assert received(after, key=new) == (AISHA, 0)
    assert received(before, key=new) == (None, 1)


@pytest.mark.parametrize("key", [b"", b"short", [], [b"k" * 32, b"short"]])
def test_a_weak_key_is_refused(key: Any) -> None:
    """A key that could be guessed would let anybody be anybody."""
    with pytest.raises(InvalidSetting, match="32 bytes"):
        Propagation(key)


def test_it_takes_two_kilobytes_at_most() -> None:
    """What is only shown is left out first; who acts is carried always."""
    name = "ñ" * 500
    longest = Actor(
        type="user", id="u" * 200, name=name, email=name, role=name,
        on_behalf_of=Actor(type="user", id="v" * 200, name=name),
    )  # fmt: skip
    with context(actor=longest, workspace="w" * 100, request="r" * 100, session="s" * 200, batch="b" * 200):
        headers = carrier().inject("t" * 36)
    assert len(HEADER) + len(headers[HEADER]) <= 2048
    actor, forged = received(headers, "t" * 36)
    assert forged == 0
    assert actor == Actor(type="user", id="u" * 200, on_behalf_of=Actor(type="user", id="v" * 200))

    with context(actor=Actor(type="user", id="u", name="n" * 500, role="r" * 300, on_behalf_of=longest)):
        actor, _ = received(carrier().inject())
    assert actor is not None
    assert (actor.name, actor.on_behalf_of) == ("n" * 500, Actor(type="user", id="u" * 200))


@given(st.dictionaries(st.text() | st.just(HEADER), st.text() | st.binary() | st.integers() | st.none()))
def test_nothing_in_a_header_is_an_error(headers: dict[str, Any]) -> None:
    """A worker goes on, whatever somebody wrote into the queue."""
    assert received(headers)[0] is None
