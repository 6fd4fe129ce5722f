"""What stores write with: many rows in one statement, and roll-ups folded from the finest ones."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from whodid.store.sqlite.engine import Connection, Engine
from whodid.store.tally import ACTOR_SCALES, SHAPE_SCALES, Tally, count_in, folded


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 63, 64, 65, 72, 129, 500])
def test_rows_are_inserted_once_and_in_order(tmp_path: Path, count: int) -> None:
    """However many there are."""
    connection = Connection(str(tmp_path / "x.db"))
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, n INTEGER DEFAULT 1)")
    rows = [(number, f"text {number}") for number in range(count)]
    connection.insert("INSERT INTO t (a, b)", rows)
    assert connection.rows("SELECT a, b FROM t ORDER BY rowid") == rows
    connection.insert("INSERT INTO t (a, b)", rows, "ON CONFLICT (a) DO UPDATE SET n = n + 1")
    assert connection.rows("SELECT DISTINCT n FROM t") == ([(2,)] if count else [])
    connection.close()


def test_readers_that_came_all_at_once_do_not_stay(tmp_path: Path) -> None:
    """Each holds a cache of its own: some are kept for the next readers, the others are closed."""
    engine = Engine(str(tmp_path / "x.db"))
    kept = engine._idle
    for _ in range(2):
        with ExitStack() as stack:
            lent = [stack.enter_context(engine.reading()) for _ in range(25)]
            assert {one.value("SELECT count(*) FROM migration") for one in lent} == {engine._known}
        assert (len(kept), sum(one in kept for one in lent)) == (10, 10)
    engine.close()
    assert kept == []


def test_larger_buckets_are_the_sums_of_smaller_ones() -> None:
    """At any time, before 1970 and at the edges of days too: the same as counting each entry in each roll-up."""
    draw = random.Random(1)
    day = SHAPE_SCALES[0][1]
    times = [draw.randrange(-3 * day, 3 * day) for _ in range(500)] + list(range(-day, day + 1, day // 96))
    tally: Tally = Counter()
    wanted: Tally = Counter()
    for at in times:
        shape, actor = draw.randrange(3), draw.randrange(3)
        count_in(tally, at, shape, actor)
        for scales, value in ((SHAPE_SCALES, shape), (ACTOR_SCALES, actor)):
            wanted.update((scale, at // unit, value) for scale, unit in scales)
    assert folded(tally) == wanted
