"""How roll-ups are added up: exactly what counting one by one gives, and from few of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from whodid.store import rollup
from whodid.store.tally import SHAPE_SCALES

DAY, HOUR, QUARTER = (unit for _, unit in SHAPE_SCALES)
UNITS = dict(SHAPE_SCALES)

Spans = Sequence[tuple[int, int, int]]


class Search:
    """Entries as (occurred_at, shape), and how many buckets of each scale were asked for."""

    def __init__(self, entries: Sequence[tuple[int, int]]) -> None:
        self.entries = entries
        self.asked: Counter[int] = Counter()
        self.looked = 0

    def tallied(self, scale: int, spans: Spans) -> Iterator[tuple[int, int, int]]:
        """Count whole buckets, as a store does."""
        self.asked[scale] += sum(high - low for _, low, high in spans)
        return self._summed((number, low * UNITS[scale], high * UNITS[scale]) for number, low, high in spans)

    def counted(self, column: str, spans: Spans) -> Iterator[tuple[int, int, int]]:
        """Count entries."""
        assert column == "shape"
        assert all(0 < high - low < 2 * QUARTER for _, low, high in spans)  # no whole quarter lies within
        self.looked += len(spans)
        return self._summed(iter(spans))

    def _summed(self, spans: Iterator[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
        for number, low, high in spans:
            for shape, n in Counter(shape for at, shape in self.entries if low <= at < high).items():
                yield number, shape, n


def counts(search: Search, spans: Sequence[tuple[int, int]]) -> list[dict[int, int]]:
    """Count by roll-ups."""
    found: Any = rollup._counts(search, "shape", SHAPE_SCALES, spans)  # type: ignore[arg-type]
    return [dict(one) for one in found]


instants = st.integers(-2 * DAY, 5 * DAY) | st.integers(-8, 20).map(lambda number: number * DAY // 4)


@given(
    st.lists(st.tuples(instants, st.integers(1, 3)), max_size=30),
    st.lists(st.tuples(instants, instants), min_size=1, max_size=6),
)
def test_a_span_has_what_counting_one_by_one_gives(
    entries: list[tuple[int, int]], spans: list[tuple[int, int]]
) -> None:
    """Whatever its ends: on a midnight, an hour, a quarter or within one, before 1970, empty, or turned round."""
    wanted = [dict(Counter(shape for at, shape in entries if low <= at < high)) for low, high in spans]
    assert counts(Search(entries), spans) == wanted


def test_days_of_a_zone_are_made_of_days_of_utc() -> None:
    """Ninety days that begin at 18:30 UTC: a day each, and five hours and two quarters once for each border."""
    begin = -11 * HOUR // 2
    spans = [(begin + day * DAY, begin + (day + 1) * DAY) for day in range(90)]
    search = Search([(number * HOUR * 7, number % 3) for number in range(300)])
    counts(search, spans)
    assert search.asked == {0: 90, 1: 91 * 5, 2: 91 * 2}
    assert search.looked == 0


def test_short_spans_are_made_of_their_own_hours() -> None:
    """Three hours are three hours, wherever they lie in a day."""
    search = Search([])
    counts(search, [(hour * HOUR, (hour + 3) * HOUR) for hour in range(0, 168, 3)])
    assert search.asked == {1: 168}
