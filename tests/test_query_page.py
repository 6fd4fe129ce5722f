"""Cursors: they survive their text, keep their order, and nothing else passes for one."""

from __future__ import annotations

import struct
import zlib
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whodid.errors import InvalidQuery
from whodid.query import Cursor, Page

CURSORS = st.builds(Cursor, occurred_at=st.integers(-(1 << 63), (1 << 63) - 1), index=st.integers(0, (1 << 64) - 1))


@given(cursor=CURSORS)
def test_a_cursor_survives_its_text(cursor: Cursor) -> None:
    """The text is safe in a URL and read back as the same place."""
    text = str(cursor)
    assert Cursor.parse(text) == cursor
    assert len(text) == 28
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_the_text_of_a_cursor_is_frozen() -> None:
    """Cursors in links that people kept stay valid."""
    assert str(Cursor(occurred_at=1_795_180_901_118_000, index=48_207)) == "AQAGYLUf6zAwAAAAAAAAvE_IG7M_"


@given(cursor=CURSORS, at=st.integers(0, 27), character=st.sampled_from("Aa0-_=+/ é\0"))
def test_a_changed_cursor_is_refused(cursor: Cursor, at: int, character: str) -> None:
    """One other character anywhere is noticed."""
    text = str(cursor)
    changed = text[:at] + character + text[at + 1 :]
    if changed != text:
        with pytest.raises(InvalidQuery, match="not a place in the list"):
            Cursor.parse(changed)


@given(text=st.text())
def test_any_other_text_is_refused(text: str) -> None:
    """No text causes anything but the one error."""
    with pytest.raises(InvalidQuery, match="Start again"):
        Cursor.parse(text)


@pytest.mark.parametrize("text", ["", "A" * 28, "_" * 28, "A" * 27, "AQAGYLUf6zAwAAAAAAAAvE_IG7M_=", "é" * 28])
def test_made_up_cursors_are_refused(text: str) -> None:
    """Neither zeroes nor the right length nor padding is enough."""
    with pytest.raises(InvalidQuery):
        Cursor.parse(text)


def test_another_spelling_of_the_same_bytes_is_refused() -> None:
    """A cursor has one text: the other alphabet of base64 does not pass."""
    text = str(Cursor(occurred_at=1_795_180_901_118_000, index=48_207))
    assert "_" in text
    with pytest.raises(InvalidQuery):
        Cursor.parse(text.replace("_", "/"))


def test_a_cursor_of_another_version_is_refused() -> None:
    """Whatever a later form means, it is not read as this one."""
    body = struct.pack(">BqQ", 2, 5, 6)
    with pytest.raises(InvalidQuery):
        Cursor.parse(urlsafe_b64encode(body + struct.pack(">I", zlib.crc32(body))).decode())


def test_cursors_order_as_lists_do() -> None:
    """Time decides, then the index: the order of lists, turned round."""
    places = [Cursor(occurred_at=2, index=0), Cursor(occurred_at=1, index=9), Cursor(occurred_at=1, index=3)]
    assert sorted(places, reverse=True) == places


def test_a_page_may_be_empty_and_go_on() -> None:
    """A store that looked far enough says where to go on, even without a find."""
    cursor = Cursor(occurred_at=5, index=6)
    assert Page(entries=(), next=cursor).next == cursor
    assert Page(entries=()).next is None
