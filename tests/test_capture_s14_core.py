"""S14, any value: whatever is recorded, the event is valid, bounded, quick, and nothing is raised."""

from __future__ import annotations

import sys
from collections import OrderedDict, deque, namedtuple
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from hashlib import sha256
from ipaddress import ip_address, ip_network
from pathlib import PurePosixPath
from types import FrameType
from typing import Any
from uuid import UUID

import msgspec
import pytest
from django.utils.functional import lazystr
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

import whodid
from whodid import Actor, Change, Event, Log, Reason, Resource
from whodid.capture import Capture
from whodid.capture.bounds import MOST_BYTES
from whodid.capture.values import Hidden, plain, same

MOST_STEPS = 60_000
AISHA = Actor(type="user", id="usr_1", name="Aisha Khan")


class Stage(StrEnum):
    """A text enumeration."""

    LEAD = "lead"


class Level(IntEnum):
    """A numeric enumeration."""

    HIGH = 3


class Pair(Enum):
    """A plain enumeration of something that is no scalar."""

    BOTH = (1, "b")


@dataclass
class Point:
    """A dataclass."""

    x: int
    y: Decimal


class Model(BaseModel):
    """A pydantic model."""

    name: str
    at: datetime


class Record(msgspec.Struct):
    """A msgspec struct."""

    name: str
    id: UUID


Named = namedtuple("Named", "a b")  # noqa: PYI024 - what applications have


class Hostile:
    """An object that answers every question with an error."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("hunter2")

    def __repr__(self) -> str:
        raise RuntimeError("hunter2")

    __str__ = __repr__
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("hunter2")

    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("hunter2")

    def __len__(self) -> int:
        raise RuntimeError("hunter2")


class Lies(Mapping[str, Any]):
    """A mapping that breaks while it is read."""

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


class Shout(str):
    """A text that pretends to be another one."""

    __slots__ = ()

    def __str__(self) -> str:
        return "hunter2"


def cycle() -> dict[str, Any]:
    """Return an object that holds itself."""
    made: dict[str, Any] = {"a": [1]}
    made["a"].append(made)
    return made


def laughs() -> list[Any]:
    """Return a small value that is large when it is written out."""
    made: list[Any] = ["ha"]
    for _ in range(30):
        made = [made] * 10
    return made


EXACT: list[tuple[Any, Any]] = [
    (None, None),
    (True, True),
    (7, 7),
    (2**53 - 1, 2**53 - 1),
    (2**53, "9007199254740992"),
    (-(10**30), "-1000000000000000000000000000000"),
    (0.5, 0.5),
    (-0.0, 0),
    (3.0, 3),
    (1.5e-7, "0.00000015"),
    (1e20, "100000000000000000000"),
    (float("nan"), "NaN"),
    (float("inf"), "Infinity"),
    (float("-inf"), "-Infinity"),
    (Decimal("10.50"), "10.5"),
    (Decimal("-0.00"), "0"),
    (Decimal("1E+3"), "1000"),
    (Decimal("1E+1000000"), "1E+1000000"),
    (Decimal("123456789.123456789123456789123456789123"), "123456789.123456789123456789123456789123"),
    (Decimal("NaN"), "NaN"),
    (Decimal("-Infinity"), "-Infinity"),
    (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
    (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:04:05.000006Z"),
    (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05"),
    (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2))), "0001-01-01T00:00:00+02:00"),
    (date(2026, 1, 2), "2026-01-02"),
    (time(3, 4, 5), "03:04:05"),
    (time(3, 4, tzinfo=UTC), "03:04:00+00:00"),
    (timedelta(days=1, hours=2, minutes=3, seconds=4, microseconds=500000), "P1DT2H3M4.5S"),
    (timedelta(0), "PT0S"),
    (timedelta(days=2), "P2D"),
    (timedelta(seconds=-90), "-PT1M30S"),
    (Stage.LEAD, "lead"),
    (Level.HIGH, 3),
    (Pair.BOTH, [1, "b"]),
    ({"b", "a"}, ["a", "b"]),
    (frozenset({2, 1}), [1, 2]),
    ((1, "a"), [1, "a"]),
    (deque([1, 2]), [1, 2]),
    (range(0, 10, 2), "range(0, 10, 2)"),
    (ip_address("203.0.113.7"), "203.0.113.7"),
    (ip_address("2001:db8::1"), "2001:db8::1"),
    (ip_network("10.0.0.0/8"), "10.0.0.0/8"),
    (PurePosixPath("/srv/x"), "/srv/x"),
    (lazystr("Bienvenido"), "Bienvenido"),
    (Shout("loud"), "loud"),
    (Point(1, Decimal("2.0")), {"x": 1, "y": "2"}),
    (Model(name="a", at=datetime(2026, 1, 1, tzinfo=UTC)), {"name": "a", "at": "2026-01-01T00:00:00Z"}),
    (Record(name="a", id=UUID(int=1)), {"name": "a", "id": "00000000-0000-0000-0000-000000000001"}),
    (Named(1, [2]), {"a": 1, "b": [2]}),
    (OrderedDict(b=1, a=Decimal(2)), {"b": 1, "a": "2"}),
    ({1: "a", "1": "b", None: "c", UUID(int=1): "d"},
     {"1": "a", "1 (str)": "b", "null": "c", "00000000-0000-0000-0000-000000000001": "d"}),
    ("two\nlines\tand ñ 🎉", "two\nlines\tand ñ 🎉"),
    (b"abc", {"$": "bytes", "length": 3, "sha256": sha256(b"abc").hexdigest()}),
    (memoryview(b"abc"), {"$": "bytes", "length": 3, "sha256": sha256(b"abc").hexdigest()}),
    (bytearray(b"abc"), {"$": "bytes", "length": 3, "sha256": sha256(b"abc").hexdigest()}),
]  # fmt: skip

MARKED: list[tuple[str, Any, str]] = [
    ("an object", object(), "unencodable"),
    ("a function", cycle, "unencodable"),
    ("a class", Point, "unencodable"),
    ("a generator", (one for one in "ab"), "unencodable"),
    ("an error", ValueError("hunter2"), "unencodable"),
    ("a hostile object", Hostile(), "unencodable"),
    ("a mapping that lies", Lies(), "unencodable"),
    ("half a surrogate pair", "a\ud800b", "unencodable"),
    ("NUL", "a\x00b", "unencodable"),
    ("10 MB of text", "x" * 10_000_000, "truncated"),
    ("10 MB of four-byte characters", "🎉" * 2_500_000, "truncated"),
    ("100,000 keys", {f"key{number}": number for number in range(100_000)}, "truncated"),
    ("100,000 items", list(range(100_000)), "truncated"),
    ("100,000 members", set(range(100_000)), "truncated"),
    ("an integer of 100,000 digits", 7**120_000, "truncated"),
]

ANY = [("any", value) for value, _ in EXACT] + [
    *((name, value) for name, value, _ in MARKED),
    ("a cycle", cycle()),
    ("a billion laughs", laughs()),
    ("hostile inside", {"a": [{"b": Hostile()}, "fine"]}),
    ("long keys", {"k" * 10_000: 1, "k" * 9_999 + "l": 2}),
    ("strange keys", {"": 1, "\x00": 2, "🎉": 3, "\ud800": 4, (1, 2): 5, 3.5: 6}),
    ("a secret", SecretStr("hunter2hunter2hunter2")),
    ("200 texts of 16 KiB", {f"k{number}": "x" * 16_000 for number in range(200)}),
    ("1,000 texts of 4 KiB", ["é" * 4_000] * 1000),
]


@pytest.fixture(scope="module")
def log() -> Iterator[Log]:
    """Open a log."""
    with whodid.open("memory://") as log:
        yield log


@pytest.fixture(scope="module")
def capture(log: Log) -> Capture:
    """Capture to the log."""
    return Capture.to(log, workspace="w1")


def calls(act: Callable[[], Event]) -> tuple[Event, int]:
    """Act; return what it made, and how many functions were called for it, those written in C among them."""
    seen = 0

    def count(_frame: FrameType, event: str, _subject: object) -> None:
        nonlocal seen
        seen += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        return act(), seen
    finally:
        sys.setprofile(before)


@pytest.mark.parametrize(("value", "form"), EXACT, ids=lambda value: type(value).__name__)
def test_each_type_has_one_readable_form(value: Any, form: Any) -> None:
    """What JSON has stays what it is; everything else is a text that says all of it."""
    assert msgspec.json.encode(plain(value)) == msgspec.json.encode(form)


@pytest.mark.parametrize(("name", "value", "marker"), MARKED, ids=[name for name, *_ in MARKED])
def test_what_has_no_form_leaves_a_marker(name: str, value: Any, marker: str) -> None:
    """The marker says what kind of thing it was, never what a hostile object says of itself."""
    made = plain(value)
    assert made["$"] == marker
    assert "hunter2" not in repr(made)


@pytest.mark.parametrize(("name", "value"), ANY, ids=[f"{name}-{type(value).__name__}" for name, value in ANY])
def test_any_value_is_recorded_in_bounds(capture: Capture, log: Log, name: str, value: Any) -> None:
    """As before, after, details and a change of the caller's own: no exception, at most 64 KiB, work that ends.

    The 20 ms that a value may take are measured by `benchmarks/record.py`; here the steps are counted, which are the
    same on every machine: 100,000 keys or a nest of 10^9 items may take no more of them than a thousand texts do.
    """
    about, fields = Resource(type="thing", id="1"), {"field": value, "other": "fine"}
    ways: list[tuple[int, dict[str, Any]]] = [
        (1, {"after": fields}),
        (1, {"before": fields}),
        (1, {"before": {"field": 1, "other": "x"}, "after": fields}),
        (1, {"details": fields}),
        (1, {"changes": [Change(path="field", before=value, after="fine")]}),
        (5, {"after": {f"field{number}": value for number in range(5)}}),
    ]
    for times, way in ways:
        event, steps = calls(
            lambda way=way: capture.event("thing.made", about, actor=AISHA, workspace="w1", **way)  # type: ignore[misc]
        )
        log.check("w1", event)
        data = msgspec.json.encode(event)
        assert len(data) <= MOST_BYTES
        assert b"hunter2" not in data
        assert msgspec.json.decode(data)
        assert steps <= MOST_STEPS * times


def test_fields_that_are_small_stay_when_a_large_one_is_cut(capture: Capture) -> None:
    """What is longest is cut; the others are read as before."""
    after = {**{f"f{number}": "y" * 15_000 for number in range(6)}, "name": "Ana", "note": "z" * 150}
    event = capture.event("thing.made", Resource(type="thing", id="1"), after=after, actor=AISHA, workspace="w1")

    sides = {change.path: change.after for change in event.changes}
    assert (sides["name"], sides["note"]) == ("Ana", "z" * 150)
    cut = [value for value in sides.values() if isinstance(value, dict)]
    assert 0 < len(cut) < 6
    assert all(value["length"] == 15_000 and value["head"] == "y" * 64 for value in cut)


def test_too_many_paths_are_counted(capture: Capture, log: Log) -> None:
    """When even the paths are too long together, the last change says how many there are."""
    after = {f"{number:03d}{'k' * 97}": {"l" * 100: {"m" * 100: True}} for number in range(400)}
    event = capture.event("thing.made", Resource(type="thing", id="1"), after=after, actor=AISHA, workspace="w1")

    assert event.changes[-1] == Change(path="*", after={"$": "truncated", "items": 400})
    assert len(msgspec.json.encode(event)) <= MOST_BYTES
    log.check("w1", event)


def test_names_and_reasons_are_made_fit(capture: Capture, log: Log) -> None:
    """A name with a control character or of a thousand characters does not make the change fail."""
    about = Resource(type="thing", id="1", name="a\x00b" + "n" * 1000)
    event = capture.event("thing.made", about, actor=AISHA, workspace="w1", reason="why\x07 " + "r" * 100_000)

    log.check("w1", event)
    assert event.resource.name is not None
    assert event.resource.name.startswith("a\N{REPLACEMENT CHARACTER}b")
    assert event.reason is not None
    assert event.reason.text is not None
    assert event.reason.text.endswith("…")
    assert capture.event("thing.made", about, actor=AISHA, reason=Reason(code="x")).reason == Reason(code="x")


def test_what_left_a_marker_is_counted(capture: Capture) -> None:
    """Somebody can notice that a type lacks a form."""
    was = capture.status().unencodable
    capture.event("thing.made", Resource(type="thing", id="1"), details={"a": object()}, actor=AISHA)
    assert capture.status().unencodable == was + 1


def test_wrapped_secrets_are_told_apart_and_not_shown() -> None:
    """Two of them are the same exactly when their secrets are."""
    one, again, other = (plain(SecretStr(text)) for text in ("a", "a", "b"))
    assert isinstance(one, Hidden)
    assert same(one, again)
    assert not same(one, other)
    assert repr(one) == "Hidden()"


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary() | st.decimals()
    | st.datetimes() | st.timedeltas() | st.uuids() | st.ip_addresses(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()) | st.integers(), inner) | st.tuples(inner),
    max_leaves=20,
)  # fmt: skip


@given(json, json)
def test_whatever_is_made_of_these_passes_the_log(before: Any, after: Any) -> None:
    """Capture never makes what intake refuses."""
    with whodid.open("memory://") as log:
        capture = Capture.to(log, workspace="w1")
        event = capture.event(
            "thing.updated",
            Resource(type="thing", id="1"),
            before={"a": before},
            after={"a": after},
            details={"d": after},
            actor=AISHA,
            workspace="w1",
        )
        log.check("w1", event)
    assert same(plain(before), plain(before))
