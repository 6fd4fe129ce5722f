"""How big the steps of a purge are: counted in entries, with a clock that the test moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.keeping import HOME, Clock, catalog, event, opened, record
from whodid import Log
from whodid.log import forgetting
from whodid.retention import pace as module
from whodid.retention import purge
from whodid.retention.pace import GOAL, STEP, Pace


def sizes(pace: Pace, seconds_per_entry: float, count: int) -> list[int]:
    """Take full steps, and return how many entries each of them had."""
    found = []
    for _ in range(count):
        found.append(pace.size)
        pace.took(pace.size, pace.size * seconds_per_entry)
    return found


def test_a_fast_machine_comes_to_full_steps_by_doubling() -> None:
    """It begins small, because nothing is known of the machine."""
    assert sizes(Pace(), 0.00001, 6) == [250, 500, 1_000, 2_000, STEP, STEP]


@pytest.mark.parametrize("cost", [0.000_2, 0.000_85, 0.002])
def test_after_the_first_step_none_takes_longer_than_the_goal(cost: float) -> None:
    """On machines from a fast to a very slow one; the first one itself is within a second of the budget."""
    first, *others = sizes(Pace(), cost, 12)
    assert first * cost <= 1
    assert max(others) * cost <= GOAL
    assert min(others[3:]) * cost > GOAL * 0.9


def test_one_bad_moment_is_forgotten_step_by_step() -> None:
    """A step that took long makes the next one small; it then grows again."""
    pace = Pace()
    sizes(pace, 0.00001, 4)
    pace.took(STEP, 8.0)
    assert sizes(pace, 0.00001, 7) == [100, 200, 400, 800, 1_600, STEP, STEP]


def test_a_step_never_vanishes_and_never_exceeds_what_was_asked_for() -> None:
    """A purge goes on on the slowest machine, and a caller who asks for seven entries gets seven."""
    pace = Pace()
    pace.took(250, 3_600.0)
    assert pace.size == 100
    small = Pace(7)
    assert small.size == 7
    small.took(7, 0.0)
    small.took(7, 60.0)
    assert small.size == 7


def test_a_purge_keeps_to_the_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where 149 entries and a half block writers for as long as they may, no step but the first has more."""
    monkeypatch.setattr(module, "_BEGIN", 60)
    clock, ticking = Clock(), [0.0]
    monkeypatch.setattr(forgetting, "monotonic", lambda: ticking[0])
    with opened("memory", tmp_path, clock, catalog()) as log:
        record(log, [event(number, at=clock.now) for number in range(1, 451)])
        clock.advance(days=100)
        blocked = slow(log, ticking, monkeypatch, cost=GOAL / 149.5)
        done = purge(log, HOME)
        assert done.entries == sum(blocked) == 450
        assert blocked == [60, 120, 149, 121]
        assert len(done.records) == len(blocked)
        assert log.verify(HOME).ok


def slow(log: Log, ticking: list[float], monkeypatch: pytest.MonkeyPatch, cost: float) -> list[int]:
    """Have removing cost seconds per entry of a clock; return the list of what each step removed."""
    real, removed = log._store.forget, []

    def forget(workspace: str, ranges: Any, *rest: Any) -> Any:
        if ranges:  # this store appends by forgetting nothing
            removed.append(sum(map(len, ranges)))
            ticking[0] += removed[-1] * cost
        return real(workspace, ranges, *rest)

    monkeypatch.setattr(log._store, "forget", forget)
    return removed
