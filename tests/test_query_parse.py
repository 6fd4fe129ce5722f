"""The query language: what each text means, which texts are refused and how, and that nothing else can happen."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from whodid.errors import InvalidQuery
from whodid.query import FIELDS, Query, Term, Value, narrow, parse
from whodid.query.parse import LONGEST, MOST_TERMS

NOW = datetime(2026, 11, 20, 13, 21, 41, 118_000, tzinfo=UTC)
LATER = datetime(2031, 2, 3, tzinfo=UTC)
CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "vectors" / "query.json").read_text(encoding="utf-8")
)["cases"]

GOOD = [case for case in CASES if "query" in case]
BAD = [case for case in CASES if "error" in case]


def instant(text: str | None) -> datetime | None:
    """Read a time of a vector."""
    return None if text is None else datetime.fromisoformat(text)


def ask(case: dict[str, Any]) -> Query:
    """Parse the text of a vector as the vector says."""
    return parse(case["text"], now=datetime.fromisoformat(case["now"]), zone=case["zone"], viewer=case.get("viewer"))


def outline(term: Term) -> dict[str, Any]:
    """Write a term as the vectors do."""
    values = [{"text": one.text, "prefix": True} if one.prefix else {"text": one.text} for one in term.values]
    return {
        "field": term.field,
        "values": values,
        "op": term.op,
        "negated": term.negated,
        "start": term.start,
        "end": term.end,
    }


@pytest.mark.parametrize("case", GOOD, ids=lambda case: f"{case['text']} {case['zone']}")
def test_a_query_means_what_its_vector_says(case: dict[str, Any]) -> None:
    """Terms, their places and the period are those of the vector."""
    query = ask(case)
    wanted = case["query"]
    assert [outline(term) for term in query.terms] == wanted["terms"]
    assert (query.since, query.until) == (instant(wanted["since"]), instant(wanted["until"]))


@pytest.mark.parametrize("case", GOOD, ids=lambda case: f"{case['text']} {case['zone']}")
def test_the_canonical_text_asks_the_same(case: dict[str, Any]) -> None:
    """Canonical text is read back as an equal query later, in another zone and by nobody in particular."""
    query = ask(case)
    text = str(query)
    if "canonical" in case:
        assert text == case["canonical"]
    again = parse(text, now=LATER, zone="Asia/Kathmandu")
    assert again == query
    assert str(again) == text


@pytest.mark.parametrize("case", BAD, ids=lambda case: f"{case['text']} {case['zone']}")
def test_a_fault_is_shown_where_it_is_with_its_remedy(case: dict[str, Any]) -> None:
    """Place, fact and remedy of the error are those of the vector."""
    with pytest.raises(InvalidQuery) as caught:
        ask(case)
    error = caught.value
    assert {
        "start": error.start,
        "end": error.end,
        "fact": error.fact,
        "remedy": error.remedy,
    } == case["error"]


def test_the_vectors_cover_every_field_with_good_and_bad_texts() -> None:
    """Each field occurs in a query that is understood; there are at least 120 vectors."""
    used = {term["field"] for case in GOOD for term in case["query"]["terms"]}
    assert used >= set(FIELDS) - {"date"}
    assert any(case["query"]["since"] for case in GOOD)
    assert len(CASES) >= 120
    assert len(BAD) >= 60


def test_the_rest_of_a_text_with_an_error_is_not_looked_at_silently() -> None:
    """A fault anywhere refuses the whole text: no term is dropped and the others used."""
    for text in ("kind:create nonsense:1", "nonsense:1 kind:create", "kind:create -nonsense:1 juan"):
        with pytest.raises(InvalidQuery, match="There is no field nonsense") as caught:
            parse(text, now=NOW)
        assert text[caught.value.start : caught.value.end].lstrip("-") == "nonsense:1"


def test_a_query_has_bounds() -> None:
    """Texts of the greatest length and number of terms are read, longer ones are refused with a place."""
    assert len(parse("x" * LONGEST, now=NOW).terms) == 1
    with pytest.raises(InvalidQuery) as caught:
        parse("x" * (LONGEST + 1), now=NOW)
    assert (caught.value.start, caught.value.end) == (LONGEST, LONGEST + 1)
    many = " ".join(f"w{number}" for number in range(MOST_TERMS))
    assert len(parse(many, now=NOW).terms) == MOST_TERMS
    with pytest.raises(InvalidQuery, match=f"more than {MOST_TERMS} terms"):
        parse(f"{many} date:7d", now=NOW)
    with pytest.raises(InvalidQuery, match=f"more than {MOST_TERMS} terms"):
        parse("date:7d " * (MOST_TERMS + 1), now=NOW)


@pytest.mark.parametrize("character", ["\0", "\x07", "\x7f", "\x9b", "\ud800"])
def test_characters_that_are_no_text_are_refused(character: str) -> None:
    """Controls and lone surrogates cannot hide in a query, quoted or not."""
    for text in (f"ju{character}an", f'actor:"ju{character}an"'):
        with pytest.raises(InvalidQuery, match=f"U\\+{ord(character):04X}") as caught:
            parse(text, now=NOW)
        assert text[caught.value.start : caught.value.end] == character


@pytest.mark.parametrize("zone", ["Nowhere/Land", "", "..", "../UTC", "Europe", "\0", "é" * 300, "Europe/Madrid "])
def test_an_unknown_zone_is_an_invalid_query(zone: str) -> None:
    """No name of a zone causes anything but the one error."""
    with pytest.raises(InvalidQuery, match="There is no time zone"):
        parse("juan", now=NOW, zone=zone)


def test_terms_are_equal_when_they_ask_the_same() -> None:
    """Where a term stands in its text does not distinguish it; what it asks does."""
    one, two = parse("kind:create", now=NOW).terms[0], parse("  kind:create", now=NOW).terms[0]
    assert one == two
    assert hash(one) == hash(two)
    assert (one.start, two.start) == (0, 2)
    assert one != parse("-kind:create", now=NOW).terms[0]
    assert one != parse("kind:update", now=NOW).terms[0]
    assert not one != two  # noqa: SIM202 - the operator itself is tried
    assert one != "kind:create"
    assert not one == "kind:create"  # noqa: SIM201
    assert parse("kind:create", now=NOW) != parse("kind:update", now=NOW)


def test_narrowing_keeps_every_term_and_the_shorter_period() -> None:
    """The locked filter of a viewer and his own question hold together; neither can widen the other."""
    asked = parse("kind:create date:2026-11-01..2026-11-20", now=NOW)
    locked = parse("resource:contact:con_1 kind:create date:>=2026-11-10", now=NOW)
    term = Term(field="action", values=(Value(text="deleted"),))
    both = narrow(asked, locked, term, until=datetime(2026, 11, 15, tzinfo=UTC))
    assert str(both) == (
        "kind:create resource:contact:con_1 action:deleted date:>=2026-11-10T00:00:00Z date:<2026-11-15T00:00:00Z"
    )
    assert narrow(asked) == asked


def test_a_term_made_by_hand_is_written_so_that_it_is_read_back() -> None:
    """Values with every character that means something in the language survive the way through text."""
    texts = [
        "a b",
        'a"b',
        "a\\b",
        "a,b",
        "a*b",
        "*",
        ">5",
        "<=5",
        "a..b",
        "..",
        "-a",
        "“a”",
        "note:x",
        "a:b",
        "é\u3000é",
    ]
    for text in texts:
        for prefix in (False, True):
            for field in ("actor", "reason", "change", "text"):
                query = Query(terms=(Term(field=field, values=(Value(text=text, prefix=prefix),)),))
                if field == "text" and text in ("*", ".."):
                    continue  # no token: nobody can ask for it
                assert parse(str(query), now=NOW) == query, str(query)


ALPHABET = "ab1é客 \t\"'“”\\:,.*-<>=_/@%" + "\U0001f389"
PIECES = st.sampled_from(
    [
        *(f"{field}:" for field in FIELDS),
        "user:",
        "seq:",
        "nope:",
        '"',
        "\\",
        "..",
        ",",
        "*",
        ">=",
        "<",
        "-",
        " ",
        "create",
        "denied",
        "mine",
        "warning",
        "critical",
        "10.0.0.1",
        "10.0.0.0/8",
        "2001:db8::/32",
        "ES",
        "7",
        "3h",
        "7d",
        "today",
        "last tue",
        "2026-11-01",
        "2026-03-29 02:30",
        "14:00",
        "contact:con_1",
        "María",
        "https://x.y",
        "999999999999999999999",
    ]
)
TEXTS = st.one_of(st.text(), st.text(ALPHABET), st.lists(PIECES, max_size=12).map("".join))


def read(text: str, zone: str, viewer: str | None) -> Query | InvalidQuery:
    """Parse, and hand the one expected error back."""
    try:
        return parse(text, now=NOW, zone=zone, viewer=viewer)
    except InvalidQuery as error:
        return error


@given(text=TEXTS, zone=st.sampled_from(["UTC", "Europe/Madrid", "Pacific/Apia"]), viewer=st.none() | st.just("usr 1"))
@example(text="9" * 5000, zone="UTC", viewer=None)
@example(text="index:" + "9" * 5000, zone="UTC", viewer=None)
@example(text="date:" + "9" * 5000 + "d", zone="UTC", viewer=None)
@example(text="\\", zone="UTC", viewer=None)
@example(text='"\\', zone="UTC", viewer=None)
def test_any_text_is_a_query_or_an_invalid_query(text: str, zone: str, viewer: str | None) -> None:
    """Nothing but `InvalidQuery` is ever raised, it points into the text, and what is read survives its own text."""
    query = read(text, zone, viewer)
    if isinstance(query, InvalidQuery):
        assert 0 <= query.start <= query.end <= len(text)
        assert query.fact
        assert query.remedy
        return
    assert parse(str(query), now=LATER, zone="America/Havana") == query
    for term in query.terms:
        assert 0 <= term.start < term.end <= len(text)
        assert parse(text[term.start : term.end], now=NOW, zone=zone, viewer=viewer).terms == (term,)
