"""Tokens: how texts fold and split, which texts of an entry are searched, and that prefixes stay prefixes."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whodid.model import Actor, Change, Context, Entry, Reason, Related, Resource
from whodid.query import fold, matches, parse, words
from whodid.query.words import encode, leaves, runs, split

NOW = datetime(2026, 11, 20, tzinfo=UTC)
TOKEN = re.compile("[a-z0-9_]{1,64}")
ANY_TEXT = st.text() | st.text("aA éßﬁİΣς客हिन्दी\u0301\u034f_-.\0\ud800")


def entry(**parts: Any) -> Entry:
    """Return an entry with nothing to search but what is given."""
    plain: dict[str, Any] = {
        "workspace": "wsp",
        "index": 0,
        "recorded_at": NOW,
        "id": "0193a0b1-7c1e-7d10-8a41-00000000000a",
        "occurred_at": NOW,
        "actor": Actor(type="system", id="sys_1"),
        "action": "a.b",
        "kind": "create",
        "severity": "info",
        "resource": Resource(type="contact", id="con_1"),
    }
    return Entry(**{**plain, **parts})


FOLDED = [
    ("María Núñez", "maria nunez"),
    ("ŁÓDŹ", "łodz"),
    ("Straße", "strasse"),
    ("ﬁnal ②", "final 2"),
    ("İstanbul", "istanbul"),
    ("ΟΔΟΣ οδος", "οδοσ οδοσ"),
    ("e\u0301 é", "e e"),
    ("Ⅷ ℡", "viii tel"),
    ("مُحَمَّد", "محمد"),
    ("किताब", "किताब"),
    ("ｆｕｌｌ", "full"),
    ("A-b_C 9", "a-b_c 9"),
]


@pytest.mark.parametrize(("text", "folded"), FOLDED)
def test_case_accents_and_forms_do_not_count(text: str, folded: str) -> None:
    """Folding is what a reader expects in several scripts."""
    assert fold(text) == folded


def test_folding_twice_is_folding_once() -> None:
    """Every character of Unicode, alone, is at rest after one folding, and no mark or capital is left."""
    for code in range(0x110000):
        once = fold(chr(code))
        if once != chr(code):
            assert fold(once) == once, hex(code)
            assert once.casefold() == once, hex(code)
        assert not any(unicodedata.combining(character) for character in once), hex(code)


@given(text=ANY_TEXT)
def test_folding_a_text_twice_is_folding_it_once(text: str) -> None:
    """The same for texts, where characters stand beside one another."""
    assert fold(fold(text)) == fold(text)


SPLIT = [
    ("Maria Torres", ["maria", "torres"]),
    ("maria@casa.es", ["maria", "casa", "es"]),
    ("opted_out", ["opted_out"]),
    ("diwali-offer/2026", ["diwali", "offer", "2026"]),
    ("客户服务, 多", ["客户服务", "多"]),
    ("हिन्दी में", ["हिनदी", "में"]),
    ("10:30", ["10", "30"]),
    ("½ l", ["1", "2", "l"]),
    ("a\0b\nc", ["a", "b", "c"]),
    ("… — !", []),
    ("", []),
]


@pytest.mark.parametrize(("text", "wanted"), SPLIT)
def test_texts_split_at_what_is_no_letter_digit_or_underscore(text: str, wanted: list[str]) -> None:
    """Tokens are what a reader would call words."""
    assert split(text) == wanted


@given(text=ANY_TEXT)
def test_splitting_agrees_with_a_plain_reading(text: str) -> None:
    """Fast paths and tables give what the definition gives, character by character."""
    token, wanted = "", []
    for character in [*fold(text), " "]:
        if character.isalnum() or character == "_" or unicodedata.category(character).startswith("M"):
            token += character
        elif token:
            wanted.append(token)
            token = ""
    assert split(text) == wanted


@given(text=ANY_TEXT, cut=st.integers(0, 10))
def test_a_prefix_of_a_token_is_a_prefix_of_its_code(text: str, cut: int) -> None:
    """What an index finds by prefix includes what matching finds by prefix, in every script."""
    for token in split(text):
        assert TOKEN.fullmatch(encode(token))
        assert encode(token).startswith(encode(token[:cut]))


def test_long_tokens_are_cut_alike() -> None:
    """A token and its beginning are cut at the same place, so the one still finds the other."""
    assert encode("a" * 100) == "a" * 64
    assert encode("é" * 100) == ("x" + "c3a9" * 100)[:64]
    long = entry(reason=Reason(text="q" * 90))
    assert words(long) == ["a", "b", "q" * 64]
    assert matches(parse("q" * 80, now=NOW), long)
    assert not matches(parse("q" * 91, now=NOW), long)


def test_words_come_from_all_texts_of_an_entry_and_from_no_others() -> None:
    """Each searched text contributes its own word; ids, secrets, marks and codes of fields do not."""
    full = entry(
        actor=Actor(
            type="user",
            id="no1",
            name="w01",
            email="w02@w03",
            role="no2",
            on_behalf_of=Actor(
                type="user", id="w04", name="w05", email="w06", on_behalf_of=Actor(type="user", id="w07", name="w08")
            ),
        ),
        action="w09.w10",
        resource=Resource(type="no3", id="no4", name="w11"),
        related=(Related(type="no5", id="no6", rel="no7", name="w12"), Related(type="no5", id="no8", rel="no9")),
        changes=(
            Change(path="no10", before="w13", after={"no11": ["w14", {"no12": 15}]}),
            Change(path="no13", added=["w16"], removed=["w17", True, None]),
            Change(path="no14", class_="personal", after="w18"),
            Change(path="no15", class_="secret", before="no16", before_fp="no17", after_fp="no18"),
            Change(path="no19", after={"$": "hidden"}),
        ),
        reason=Reason(code="w19", text="w20"),
        cause="no20",
        batch="no21",
        details={"no22": "w21", "no23": [1.5, False, {"$": "redacted", "fp": "no24"}], "no25": None},
        context=Context(
            source="web",
            ip="10.9.8.7",
            forwarded_ip="no26",
            user_agent="no27",
            country="ES",
            city="w22",
            request="w23",
            session="w24",
        ),
        marks=("late",),
    )
    wanted = {f"w{number:02}" for number in range(1, 25) if number != 15}
    assert set(words(full)) == wanted | {"15", "1", "5", "10", "9", "8", "7", "es"}
    assert len(words(full)) == len(set(words(full)))


def test_an_address_has_the_words_of_its_usual_text() -> None:
    """However an address was written, it is found by its usual text; what is no address is a text like any other."""
    for written, wanted in (
        ("2001:DB8:0:0:0:0:0:1", ["2001", "db8", "1"]),
        ("::ffff:10.1.2.3", ["10", "1", "2", "3"]),
        ("10.1.2.999", ["10", "1", "2", "999"]),
    ):
        assert words(entry(context=Context(ip=written)))[2:] == wanted


@given(texts=st.lists(ANY_TEXT, max_size=4))
def test_words_are_ascii_and_distinct_for_any_text(texts: list[str]) -> None:
    """An index never meets anything but its own alphabet, NUL and lone surrogates included."""
    found = words(entry(details={str(place): text for place, text in enumerate(texts)}))
    assert len(found) == len(set(found))
    assert all(TOKEN.fullmatch(word) for word in found)
    assert set(found) == {"a", "b", *(encode(token) for text in texts for token in split(text))}


@given(texts=st.lists(ANY_TEXT, min_size=1, max_size=3))
def test_phrases_stay_within_one_text(texts: list[str]) -> None:
    """All tokens of a text follow one another; no phrase leads from one text into the next."""
    found = runs(entry(details={str(place): text for place, text in enumerate(texts)}))
    parts = [part.split() for part in found.split("\0")]
    wanted = [split(text) for text in texts if text]
    assert sorted(parts) == sorted([["a", "b"], *wanted])


def test_a_phrase_does_not_reach_into_the_next_text() -> None:
    """The last word of a name and the first of the reason are no phrase, although they stand side by side."""
    one = entry(resource=Resource(type="contact", id="con_1", name="Ana García"), reason=Reason(text="asked by phone"))
    phrases = ["ana garcía", "asked by", "by phone"]
    assert all(matches(parse(f'"{phrase}"', now=NOW), one) for phrase in phrases)
    assert not matches(parse('"garcía asked"', now=NOW), one)


def test_leaves_are_the_scalars_of_a_value_in_order() -> None:
    """Scalars are written as JSON writes them; keys and what stands in for a value are not texts."""
    value = ["a", {"k": [True, None, 1, -2.5], "z": {"$": "redacted", "fp": "77"}}, "b", 1 << 70, {"fine": False}]
    assert list(leaves(value)) == ["a", "true", "null", "1", "-2.5", "b", "false"]


def test_deep_values_are_read_without_recursion() -> None:
    """Nesting beyond anything that intake lets in does not overflow the stack."""
    value: Any = "deep"
    for _ in range(100_000):
        value = [value]
    nested = entry(details={"a": value}, changes=(Change(path="x", after=value),))
    assert "deep" in words(nested)
    assert matches(parse("deep after:deep", now=NOW), nested)
    while isinstance(value, list) and value:
        value = value.pop()  # taken apart by hand: freeing it in one go would overflow the stack of the interpreter
