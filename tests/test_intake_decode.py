"""From bytes to events: hostile JSON is refused where it is hostile, and a bad event never spoils the others."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import msgspec
import pytest

from tests.intaking import check, dumped, nested, refusal, wire
from whodid.errors import InvalidEvent
from whodid.intake import decode_batch, decode_event
from whodid.model import Event

MARIA = {"type": "user", "id": "usr_2M"}
JUAN = {"type": "contact", "id": "con_7J2R"}

DECODED = [
    ("no object", b"[]", "", "a list"),
    ("no event", b"42", "", "a number"),
    ("nothing", b"", "", "truncated"),
    ("half", dumped()[:-5], "", "truncated"),
    ("two", dumped() + b"{}", "", "trailing"),
    ("byte order mark", b"\xef\xbb\xbf" + dumped(), "", "byte order mark"),
    ("not UTF-8", dumped().replace(b"Maria", b"Mari\xff"), "", "UTF-8"),
    ("UTF-16", dumped().decode().encode("utf-16"), "", ""),
    ("single quotes", b"{'id': 1}", "", "malformed"),
    ("missing", b"{}", "/id", "missing"),
    ("missing below", dumped(actor={"type": "user"}), "/actor/id", "missing"),
    ("unknown", dumped(target={}), "/target", "no such field"),
    ("unknown below", dumped(actor={**MARIA, "mail": "x"}), "/actor/mail", "no such field"),
    ("unknown with slash", dumped(**{"a/b~c": 1}), "/a~1b~0c", "no such field"),
    ("type", dumped(id=7), "/id", "a number"),
    ("null", dumped(resource=None), "/resource", "null"),
    ("type below", dumped(related=[{**JUAN, "rel": "x"}, {**JUAN, "rel": []}]), "/related/1/rel", "a list"),
    ("choice", dumped(outcome="success!"), "/outcome", "none of success, denied, failed"),
    ("choice of actors", dumped(actor={**MARIA, "type": "robot"}), "/actor/type", "none of user, api_key"),
    ("choice below", dumped(changes=[{"path": "a", "op": "move"}]), "/changes/0/op", "none of add"),
    ("choice of classes", dumped(changes=[{"path": "a", "class": "x"}]), "/changes/0/class", "none of plain"),
    ("time", dumped(occurred_at="yesterday"), "/occurred_at", "not a time"),
    ("time as number", dumped(occurred_at=1_795_180_901), "/occurred_at", "a number"),
    ("details as list", dumped(details=[]), "/details", "a list"),
]


@pytest.mark.parametrize(("raw", "at", "fact"), [row[1:] for row in DECODED], ids=[row[0] for row in DECODED])
def test_what_is_no_event_is_refused_where_it_is_wrong(raw: bytes, at: str, fact: str) -> None:
    """Decoding points to the fault and speaks our words."""
    refused = refusal(raw)
    assert refused.pointer == at
    assert fact in refused.fact


def test_a_wrong_name_of_a_field_gets_the_right_one() -> None:
    """The remedy names the field that was meant."""
    assert "'resource'" in refusal(dumped(target={})).remedy
    assert "'occurred_at'" in refusal(dumped(ocurred_at="x")).remedy
    assert "'email'" in refusal(dumped(actor={**MARIA, "e_mail": "x"})).remedy
    assert refusal(dumped(zzz=1)).remedy == "Put it into details"


HOSTILE = [
    ("NUL", dumped(reason={"text": "a\x00b"}), "/reason/text", "control character"),
    ("escape sequence", dumped(resource={**JUAN, "name": "\x1b[31mred"}), "/resource/name", "control character"),
    ("backspace", dumped(details={"a": ["x", "\b"]}), "/details/a/1", "control character"),
    ("form feed in a key", dumped(details={"a": {"\f": 1}}), "/details/a", "control character"),
    ("lone surrogate", dumped().replace(b"Maria", rb"\ud800"), "/actor/name", "surrogate"),
    ("lone low surrogate", dumped(details={"a": 1}).replace(b'"a"', rb'"\udc00"'), "/details", "surrogate"),
    ("17 levels", dumped(details=nested(16)), "/details" + "/0/a" * 7 + "/0", "deeper than 16"),
    ("300 levels", dumped(details=nested(300)), "/details" + "/0/a" * 7 + "/0", "deeper than 16"),
    ("100,000 lists", b'{"x":1,"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "/a" + "/0" * 15, "deeper than 16"),
    ("100,000 objects", b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "/a" * 16, "deeper than 16"),
    ("NaN", dumped(details={"a": float("nan")}), "/details/a", "NaN"),
    ("Infinity", dumped(details={"a": [1, float("-inf")]}), "/details/a/1", "NaN and Infinity"),
    ("1e400", dumped(details={"a": 0}).replace(b": 0", b": 1e400"), "/details/a", "too large"),
    ("2^53", dumped(details={"a": 2**53}), "/details/a", "beyond"),
    ("2^64", dumped(details={"a": 2**64}), "/details/a", "beyond"),
    ("5,000 digits", dumped(details={"a": 0}).replace(b": 0", b": " + b"9" * 5_000), "/details/a", "too large"),
    ("small float", dumped(details={"a": 1e-5}), "/details/a", "not between"),
    ("large float", dumped(details={"a": 1e15}), "/details/a", "not between"),
    ("repeated key", dumped(details={"a": 1}).replace(b'{"a": 1}', b'{"a": 1, "a": 1}'), "/details/a", "twice"),
    ("repeated below", b'{"x":[{"y":1},{"y":1,"z":{"k":[],"k":2}}]}', "/x/1/z/k", "twice"),
    ("repeated by escape", dumped()[:-1] + rb', "\u0069d": 1}', "/id", "twice"),
    ("repeated, compact", msgspec.json.encode(wire())[:-1] + b',"action":"a.b"}', "/action", "twice"),
    ("key beyond the BMP", dumped(details={"a": {"\U0001f600": 1}}), "/details/a", "U+FFFF"),
    ("more than 1 MiB", dumped(details={"a": " " * 2**20}), "", "1 MiB"),
]


@pytest.mark.parametrize(("raw", "at", "fact"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_hostile_json_is_refused(raw: bytes, at: str, fact: str) -> None:
    """Whatever readers of JSON disagree about is refused with its place."""
    refused = refusal(raw)
    assert refused.pointer == at
    assert fact in refused.fact


@pytest.mark.parametrize(
    "raw",
    [
        dumped(reason={"text": 'quotes " and \\" and \\\\ {[:'}),
        json.dumps(wire(reason={"text": 'Zoë "quoted" \\ \u2028'}, details={"": {"": '"'}})).encode(),
        json.dumps(wire(details={"a": {"x": 1}, "b": {"x": 1}, "c": [{"x": 1}, {"x": 1}]}), indent=2).encode(),
        dumped(details={"brackets": "[[[[[[[[[[[[[[[[[[[[[[[[{{{{{{{{{{{{{{{{{{"}),
        dumped(details={"line ends": "a\r\nb", "direction": "\u202eabc"}),
        dumped().replace(b"Maria", rb"\u004daria"),
        dumped(details={"a": 1e3, "b": 100000.5}),
    ],
)
def test_unusual_but_sound_json_is_let_in(raw: bytes) -> None:
    """Escapes, spaces, brackets in texts and equal keys of different objects are no fault."""
    said = decode_event(raw)
    assert said == msgspec.convert(json.loads(raw), Event)
    check(said)


# --------------------------------------------------------------------------------------------------------- batches


def outcomes(raw: bytes) -> list[str]:
    """Return, for each event of a batch, its action or the pointer of its refusal."""
    return [one.action if isinstance(one, Event) else f"refused {one.pointer}".strip() for one in decode_batch(raw)]


GOOD = msgspec.json.encode(wire())
OTHER = msgspec.json.encode(wire(action="contact.created"))

BATCHES = [
    ("nothing", b"", []),
    ("blank", b" \r\n\n ", []),
    ("empty list", b"[ ]", []),
    ("one line", GOOD, ["contact.updated"]),
    ("lines", GOOD + b"\n\n" + OTHER + b"\r\n", ["contact.updated", "contact.created"]),
    ("array", b" [" + GOOD + b", " + OTHER + b"]\n", ["contact.updated", "contact.created"]),
    ("bad line", GOOD + b"\n{]}\n" + OTHER, ["contact.updated", "refused", "contact.created"]),
    ("half line", GOOD[:40] + b"\n" + OTHER, ["refused", "contact.created"]),
    ("half string", GOOD + b'\n{"a": "x\n' + OTHER, ["contact.updated", "refused", "contact.created"]),
    (
        "deep line later",
        GOOD + b"\n" + b"[" * 99_999 + b"\n" + OTHER,
        ["contact.updated", "refused /0/0", "contact.created"],
    ),
    ("written by hand", json.dumps(wire(), indent=2).encode(), ["contact.updated"]),
    ("wrong by hand", json.dumps(wire(id=1), indent=2).encode(), ["refused /id"]),
    ("array by hand", json.dumps([wire(), wire()], indent=2).encode(), ["contact.updated"] * 2),
    ("values", b"[1, " + GOOD + b', "x", null, [' + GOOD + b"]]", ["refused", "contact.updated"] + ["refused"] * 3),
    ("NaN inside", b"[" + GOOD + b',{"a":NaN},' + OTHER + b"]", ["contact.updated", "refused /a", "contact.created"]),
    (
        "repeated key",
        b"[" + GOOD + b',{"a":1,"a":1},' + OTHER + b"]",
        ["contact.updated", "refused /a", "contact.created"],
    ),
    ("not UTF-8 inside", b'[{"a":"\xff"},' + OTHER + b"]", ["refused", "contact.created"]),
    ("garbage element", b"[" + GOOD + b",nonsense," + OTHER + b"]", ["contact.updated", "refused", "contact.created"]),
    ("missing element", b"[" + GOOD + b",," + OTHER + b"]", ["contact.updated", "refused", "contact.created"]),
    ("brackets in text", b'[{"a":"]},{"},' + GOOD + b",1e999]", ["refused /a", "contact.updated", "refused"]),
    ("closed too much", b"[" + GOOD + b"}, " + OTHER + b"]", ["contact.updated", "refused"]),
    ("text after the end", b"[" + GOOD + b"] x", ["contact.updated", "refused"]),
    ("cut in an element", b"[" + GOOD + b"," + OTHER[:50], ["contact.updated", "refused", "refused"]),
    ("cut between elements", b"[" + GOOD + b"," + OTHER, ["contact.updated", "contact.created", "refused"]),
    ("cut in a text", b"[" + GOOD + b',{"a":"' + OTHER[:1], ["contact.updated", "refused", "refused"]),
    ("cut after a backslash", b"[" + GOOD + b',{"a":"x\\', ["contact.updated", "refused", "refused"]),
    ("only an opening", b"[", ["refused"]),
]


@pytest.mark.parametrize(("raw", "expected"), [row[1:] for row in BATCHES], ids=[row[0] for row in BATCHES])
def test_a_bad_event_never_spoils_the_others(raw: bytes, expected: list[str]) -> None:
    """Each event of a batch is read or refused by itself, in order."""
    found = outcomes(raw)
    assert [
        one if one.startswith("contact") else one[: len(want)] for one, want in zip(found, expected, strict=True)
    ] == expected


@pytest.mark.parametrize("more", [{}, {"outcome": "success"}, {"reason": None, "changes": [], "kind": None}])
def test_what_goes_without_saying_may_be_said(more: dict[str, Any]) -> None:
    """It makes the same event; and a key that is repeated beside it is found all the same."""
    raw = dumped(**more)
    assert decode_event(raw) == decode_event(dumped())
    for added in (b',"action":"a.b"}', b',"outcome":"success","outcome":"success"}', rb',"\u0069d":"x"}'):
        with pytest.raises(InvalidEvent, match="twice"):
            decode_event(raw[:-1] + added)


def test_a_batch_has_a_limit() -> None:
    """A batch of more events than agreed is refused before any is read, in lines and as an array."""
    assert len(decode_batch(b"\n".join([GOOD] * 1_000))) == 1_000
    assert len(decode_batch(b"[" + b",".join([GOOD] * 3) + b"]", limit=3)) == 3
    for raw in (b"\n".join([GOOD] * 4), b"[" + b",".join([GOOD] * 4) + b"]", b"[" + b",".join([GOOD] * 4)):
        with pytest.raises(InvalidEvent, match="more than 3 events"):
            decode_batch(raw, limit=3)


@pytest.mark.parametrize("seed", [b'"\\', b'["', b"[", b'{"a":', b"\\", b",", b"\n[", b'{"a":1}', b"}", b"\n"])
def test_a_hostile_batch_takes_linear_time(seed: bytes) -> None:
    """A megabyte of quotation marks, escapes or brackets is dealt with in seconds."""
    raw = (seed * 1_000_000)[:1_000_000]
    begun = time.process_time()
    for batch in (raw, b"[" + raw):
        with contextlib.suppress(InvalidEvent):
            assert any(isinstance(one, InvalidEvent) for one in decode_batch(batch)) or not batch.strip()
    assert time.process_time() - begun < 4
