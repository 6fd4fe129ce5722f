"""The one byte form: stored content, committed fields, wire."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from whodid import canonical
from whodid.errors import InvalidEvent, StoreCorrupt
from whodid.model import Actor, Change, Content, Context, Entry, Reason, Related, Resource
from whodid.proof import leaf
from whodid.testing import content

VECTORS = json.loads((Path(__file__).parent / "vectors" / "leaf.json").read_text(encoding="utf-8"))

# What intake lets in: no characters that are none, keys of the basic plane, numbers that every language reads alike.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
keys = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=8)
floats = st.floats(min_value=1e-4, max_value=1e14, allow_nan=False).filter(lambda value: not value.is_integer())
scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | floats | floats.map(float.__neg__) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)
instants = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))


@st.composite
def contents(draw: st.DrawFn) -> Content:
    """Draw content with any part present or absent."""
    maybe = st.none() | texts
    return Content(
        id=str(draw(st.uuids())),
        occurred_at=draw(instants),
        actor=Actor(type="user", id="usr_1", name=draw(maybe), email=draw(maybe), role=draw(maybe)),
        action="contact.updated",
        kind="update",
        severity="info",
        resource=Resource(type="contact", id="con_1", name=draw(maybe)),
        related=tuple(
            Related(type="contact", id=f"con_{number}", rel="absorbed", name=draw(maybe))
            for number in range(draw(st.integers(0, 3)))
        ),
        changes=tuple(
            Change(path=f"field_{number}", before=draw(values), after=draw(values))
            for number in range(draw(st.integers(0, 3)))
        ),
        reason=draw(st.none() | st.builds(Reason, code=maybe, text=maybe)),
        details=draw(st.none() | st.dictionaries(keys, values, max_size=3)),
        context=draw(st.none() | st.builds(Context, ip=maybe, user_agent=maybe, country=maybe, request=maybe)),
        marks=tuple(sorted(draw(st.sets(st.sampled_from(["late", "sensitive"]))))),
    )


def placed(one: Content, index: int = 7) -> Entry:
    """Give content a place."""
    said = {name: getattr(one, name) for name in Content.__struct_fields__}
    return Entry(workspace="w", index=index, recorded_at=datetime(2026, 11, 23, tzinfo=UTC), **said)


@given(values)
def test_the_encoding_is_rfc_8785(value: Any) -> None:
    """Whatever intake lets in is encoded as the reference implementation of RFC 8785 does."""
    assert canonical.encode(value) == rfc8785.dumps(value)


@given(contents())
def test_stored_content_comes_back(one: Content) -> None:
    """Payload and columns join to an equal entry, and encode to the same bytes again."""
    entry = placed(one)
    data = canonical.payload(one)
    back = canonical.restore(
        data,
        workspace="w",
        index=7,
        entry_id=one.id,
        occurred_at=canonical.micros(one.occurred_at),
        recorded_at=canonical.micros(entry.recorded_at),
    )
    assert back == entry
    assert canonical.payload(back) == data
    assert canonical.fields(back) == canonical.fields(one)


@given(contents())
def test_the_wire_form_comes_back(one: Content) -> None:
    """An entry survives the wire, and other JSON readers see the same."""
    entry = placed(one)
    line = canonical.wire(entry)
    assert b"\n" not in line
    assert canonical.read_wire(line) == entry
    seen = json.loads(line)
    assert seen["occurred_at"] == canonical.time_text(one.occurred_at)
    assert len(seen["occurred_at"]) == 27
    assert seen["index"] == 7


@given(contents(), contents())
def test_different_content_has_different_fields(one: Content, other: Content) -> None:
    """Two contents commit to the same fields only when they are the same."""
    assert (canonical.fields(one) == canonical.fields(other)) == (one == other)


@given(contents())
def test_every_text_is_in_exactly_one_field(one: Content) -> None:
    """Field paths are unique, and personal values stand alone, so that each can be withheld."""
    listed = [(path, value) for path, value in canonical.fields(one) if value is not None]
    paths = [path for path, _ in listed]
    assert len(set(paths)) == len(paths)
    together = dict(listed)
    assert set(json.loads(together[b"core"])) <= {
        *("action", "batch", "cause", "changes", "id", "kind", "marks", "occurred_at", "outcome"),
        *("request", "schema", "session", "severity", "source"),
    }
    if one.actor.name is not None:
        assert json.loads(together[b"actor.name"]) == one.actor.name


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_the_encodings_are_frozen(vector: dict[str, Any]) -> None:
    """Fields, salts, commitments, tags, header and leaf hash of published examples never change."""
    entry = canonical.read_wire(json.dumps(vector["entry"]))
    seed, segment_salt = bytes.fromhex(vector["seed"]), bytes.fromhex(vector["segment_salt"])
    listed = [(path, value) for path, value in canonical.fields(entry) if value is not None]
    assert [[path.decode(), value.decode()] for path, value in listed] == vector["fields"]
    salts = leaf.salts(seed, len(listed))
    assert [salt.hex() for salt in salts] == vector["salts"]
    commitments = leaf.commitments(seed, listed)
    assert commitments == [leaf.commit(salt, *one) for salt, one in zip(salts, listed, strict=True)]
    assert [one.hex() for one in commitments] == vector["commitments"]
    tags = tuple(leaf.tag(segment_salt, *one) for one in canonical.tag_values(entry))
    header = leaf.Header(vector["kind"], canonical.micros(entry.recorded_at), leaf.content_root(commitments), tags)
    assert header.encode().hex() == vector["header"]
    assert leaf.Header.decode(bytes.fromhex(vector["header"])) == header
    from whodid.proof import leaf_hash

    assert leaf_hash(header.encode()).hex() == vector["leaf_hash"]


def test_damage_is_told_from_content() -> None:
    """Stored bytes that are no payload are StoreCorrupt, and foreign wire forms are InvalidEvent."""
    good = canonical.payload(content(1))
    for bad in (b"", b"{}", good[:-1], good.replace(b'"kind"', b'"kink"'), b"\xff" + good[1:], b"[]"):
        with pytest.raises(StoreCorrupt) as caught:
            canonical.restore(bad, workspace="w", index=5, entry_id="x", occurred_at=0, recorded_at=0)
        assert caught.value.index == 5
    for text in ("", "{", "[]", '{"workspace":1}', "[" * 100_000):
        with pytest.raises(InvalidEvent):
            canonical.read_wire(text)


@given(instants)
def test_times_are_exact_to_the_microsecond(at: datetime) -> None:
    """Instants and microseconds convert both ways, and are written with six digits always."""
    assert canonical.from_micros(canonical.micros(at)) == at
    assert datetime.fromisoformat(canonical.time_text(at)) == at
    assert canonical.micros(at + timedelta(microseconds=1)) == canonical.micros(at) + 1
    line = canonical.wire(placed(msgspec.structs.replace(content(0), occurred_at=at)))
    assert json.loads(line)["occurred_at"] == canonical.time_text(at)


@given(instants | instants.map(lambda at: at.replace(microsecond=0)))
def test_the_committed_time_has_six_digits_always(at: datetime) -> None:
    """Whoever writes it, the field says the same text: a leaf does not depend on how fast it was made."""
    core = dict(canonical.fields(msgspec.structs.replace(content(0), occurred_at=at)))[b"core"]
    assert core is not None
    assert json.loads(core)["occurred_at"] == canonical.time_text(at)
