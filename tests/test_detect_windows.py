"""Sliding windows against a slow and obvious reading of what they mean, with entries in any order."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from whodid.detect.rule import Chain
from whodid.detect.window import MOST, Hit, add

KINDS = ("event_count", "value_count", "temporal", "temporal_ordered")


def chain(kind: Any, least: int, parts: int = 2, span: int = 10) -> Chain:
    """Make a chain over parts that are called p0, p1 and so on."""
    names = tuple(f"p{number}" for number in range(parts))
    return Chain(kind=kind, parts=names, span=span, groups=(("person",),) * parts, least=least, field="network")


def reaches(asked: Chain, hits: list[Hit], last: Hit) -> bool:
    """Tell, by trying every choice of hits that holds the last one, whether some window is enough."""
    near = [hit for hit in hits if abs(hit.at - last.at) <= asked.span]
    for first in near:
        window = sorted(hit for hit in near if first.at <= hit.at <= first.at + asked.span)
        if last not in window:
            continue
        if asked.kind == "event_count" and len({hit.index for hit in window}) >= asked.least:
            return True
        if asked.kind == "value_count" and len({hit.value for hit in window}) >= asked.least:
            return True
        if asked.kind == "temporal" and len({hit.part for hit in window}) >= asked.least:
            return True
        if asked.kind == "temporal_ordered":
            wanted = list(range(len(asked.parts)))
            if any([hit.part for hit in some] == wanted for some in combinations(window, len(wanted))):
                return True
    return False


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2), st.sampled_from("abc")), min_size=1, max_size=12),
)
def test_a_window_is_found_exactly_when_there_is_one(kind: str, least: int, drawn: list[tuple[int, int, str]]) -> None:
    """In order, a hit completes a window exactly when one that ends there is enough; late, the same hits in the end."""
    asked = chain(kind, 3 if kind.startswith("temporal") else least, parts=3)
    hits = [Hit(at, index, part, value) for index, (at, part, value) in enumerate(drawn)]
    kept: list[Hit] = []
    seen: list[Hit] = []
    completed: dict[Hit, int] = {}
    for hit in sorted(hits):
        seen.append(hit)
        found = add(asked, kept, hit, keep=1_000)
        assert bool(found) == reaches(asked, seen, hit)
        for one in found:
            assert one.end is hit is one.hits[-1]
            assert hit.at - one.hits[0].at <= asked.span
            completed[hit] = one.measure
    kept, late = [], {}
    for hit in hits:
        for one in add(asked, kept, hit, keep=1_000, steps=range(1, 13)):
            late[one.end] = one.measure
        assert add(asked, kept, hit, keep=1_000) == []
    assert late == completed


def test_the_edge_of_a_window_belongs_to_it() -> None:
    """Exactly the span apart counts, one microsecond more does not."""
    for gap, measures in ((10, [2]), (11, [])):
        hits: list[Hit] = []
        add(chain("event_count", 2), hits, Hit(0, 0, 0), keep=0)

        assert [one.measure for one in add(chain("event_count", 2), hits, Hit(gap, 1, 0), keep=0)] == measures


def test_a_window_is_bounded() -> None:
    """It keeps what late hits may need and no more, and never more than the limit."""
    hits: list[Hit] = []
    for number in range(3_000):
        add(chain("event_count", 2, span=5), hits, Hit(number, number, 0), keep=100)
    assert len(hits) == 106

    hits = []
    for number in range(MOST + 50):
        add(chain("event_count", 2_000), hits, Hit(0, number, 0), keep=100)
    assert len(hits) == MOST
    assert hits[0].index == 50


def test_one_entry_counts_once() -> None:
    """Two parts that hold for the same entry are not two entries."""
    hits: list[Hit] = []
    add(chain("event_count", 2), hits, Hit(0, 7, 0), keep=0)

    assert add(chain("event_count", 2), hits, Hit(0, 7, 1), keep=0) == []
