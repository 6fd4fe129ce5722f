"""Intake under arbitrary input: content or a refusal, nothing lost, nothing leaked, nothing else raised."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import example as given_example
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.intaking import ID, SECRET, check, dumped, event, tried, wire
from whodid.errors import InvalidEvent
from whodid.intake import decode_batch, decode_event
from whodid.model import Change, Event

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=40)
    | st.sampled_from(["password", "user", "contact.updated", ID, "2026-11-20T13:32:07Z", "\ud800", "\x00", "$"])
)
KEYS = st.text(st.characters(), max_size=10) | st.sampled_from(["token", "name", "value", "class", "path", "$", "fp"])
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)
PARTS = st.dictionaries(st.sampled_from(Event.__struct_fields__), JSON, max_size=4)


@given(PARTS)
@settings(max_examples=400, deadline=None)
def test_arbitrary_members_raise_nothing_but_refusals(parts: dict[str, Any]) -> None:
    """Decoding and checking any JSON value either gives content or an InvalidEvent with a pointer and a remedy."""
    for made in (lambda: decode_event(json.dumps(wire(**parts)).encode()), lambda: event(**parts)):
        result = tried(made)
        if isinstance(result, InvalidEvent):
            assert result.remedy
            assert result.pointer == "" or result.pointer.startswith("/")
            assert str(result).encode()
        else:
            assert json.loads(msgspec.json.encode(result))["action"] == result.action


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
@given_example(b'{"id":"\\ud83d"}')
@given_example(b"-")
@given_example(b"\xff\xfe{\x00}\x00")
@settings(max_examples=400, deadline=None)
def test_arbitrary_bytes_raise_nothing_but_refusals(raw: bytes) -> None:
    """Any bytes are an event or a refusal, alone and as a batch."""
    result = tried(lambda: decode_event(raw))
    assert not isinstance(result, InvalidEvent) or result.remedy
    assert all(isinstance(one, Event | InvalidEvent) for one in decode_batch(raw))


@given(st.lists(st.tuples(st.integers(0, 300), st.binary(max_size=3)), max_size=4))
@settings(max_examples=300, deadline=None)
def test_damaged_events_are_read_alike_or_refused(damage: list[tuple[int, bytes]]) -> None:
    """An event with bytes changed is either refused or read as the standard library reads it."""
    raw = bytearray(dumped(details={"a": [1, {"b": "ü"}], "c": "x\\y"}))
    for at, piece in damage:
        raw[at : at + len(piece)] = piece
    try:
        said = decode_event(bytes(raw))
    except InvalidEvent:
        return
    repeated = 0

    def joined(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal repeated
        repeated += len(pairs) - len(dict(pairs))
        return dict(pairs)

    read = json.loads(raw, object_pairs_hook=joined)
    assert repeated == 0
    assert said == msgspec.convert(read, Event)


LINES = st.sampled_from(range(10)).map(lambda n: msgspec.json.encode(wire(batch=f"b{n}"))) | st.binary(max_size=60).map(
    lambda line: line.replace(b"\n", b"").lstrip(b"[ \t\r\x0b\x0c") or b"x"
)


@settings(deadline=None)
@given(st.lists(LINES, min_size=1, max_size=12))
def test_no_good_line_is_lost(lines: list[bytes]) -> None:
    """In lines, every good event comes out, in order, whatever the other lines hold."""
    found = decode_batch(b"\n".join(lines))
    good = [line for line in lines if line.startswith(b'{"id":"01a08f3c')]
    assert [msgspec.json.encode(one) for one in found if isinstance(one, Event)] == [
        msgspec.json.encode(decode_event(line)) for line in good
    ]
    assert len(found) == len([line for line in lines if line.strip()])


BAD_ELEMENTS = JSON.map(lambda value: json.dumps(value).encode()) | st.sampled_from(
    [b'{"a":1,"a":2}', b"NaN", b'{"a":Infinity}', b"nonsense", b'"\xff"', b'"\\ud800"', b"[" * 500 + b"]" * 500, b"01"]
)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(range(10)).map(lambda n: msgspec.json.encode(wire(batch=f"b{n}"))) | BAD_ELEMENTS, max_size=12
    )
)
def test_no_good_element_is_lost(elements: list[bytes]) -> None:
    """In an array, every good event comes out, in order, whatever the other well-ended elements hold."""
    found = decode_batch(b"[" + b" ,".join(elements) + b"]")
    good = [element for element in elements if element.startswith(b'{"id":"01a08f3c')]
    assert [msgspec.json.encode(one) for one in found if isinstance(one, Event)] == [
        msgspec.json.encode(decode_event(element)) for element in good
    ]
    assert len(found) == len(elements)


HIDING_NAMES = st.sampled_from(["password", "apiToken", "x-api-key", "client_secret", "Authorization", "set-cookie"])


@given(JSON, HIDING_NAMES, st.lists(st.sampled_from(["a", "list", "class", "name"]), max_size=5), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_secret_planted_anywhere_is_never_encoded(around: Any, name: str, path: list[str], changed: bool) -> None:
    """Under a secret name at any depth, in details or in a change, a value leaves nothing but its fingerprint."""
    value: Any = {name: {"x": ["planted-" + SECRET, around]} if path else "planted-" + SECRET}
    for step in path:
        value = [value, around] if step == "list" else {step: value, "beside": around}
    parts = {"changes": (Change(path="config", after=value),)} if changed else {"details": {"config": value}}
    result = tried(lambda: event(**parts))
    if isinstance(result, InvalidEvent):
        assert SECRET not in str(result)
    else:
        assert SECRET not in msgspec.json.encode(result).decode()
        assert "redacted" in result.marks


@settings(deadline=None)
@given(JSON, st.sampled_from(["plain", "personal", "secret"]))
def test_a_secret_class_is_never_encoded(around: Any, side: str) -> None:
    """Whatever shape a secret-class change has, only fingerprints come out."""
    value = [{"planted": SECRET}, around]
    change = Change(path="note", before=value, added=value, removed=value, class_="secret")
    related = Change(path="other", after=around, class_=side)  # type: ignore[arg-type]
    result = tried(lambda: event(changes=(change, related)))
    if isinstance(result, InvalidEvent):
        assert SECRET not in str(result)
    else:
        assert SECRET not in msgspec.json.encode(result).decode()
        assert result.changes[0].class_ == "secret"


@settings(deadline=None)
@given(JSON)
def test_checking_twice_changes_nothing(value: Any) -> None:
    """What intake let in is in its one form: a second check returns the same."""
    once = tried(lambda: event(details={"value": value}, changes=(Change(path="config", after=value),)))
    if not isinstance(once, InvalidEvent):
        twice = check(event(details=once.details, changes=once.changes))
        assert msgspec.json.encode(twice) == msgspec.json.encode(once)
