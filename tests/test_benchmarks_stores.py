"""Big logs of the benchmarks: a fill that was killed goes on, and a store is found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import whodid
from benchmarks.corpus import events
from benchmarks.stores import WORKSPACE, StoryClock, fill, place, recorded

COUNT = 720


def test_a_fill_that_was_killed_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each event of the corpus once, in its order, whatever was recorded before; a full log is left alone."""
    clock = StoryClock()
    with whodid.open("memory://", clock=clock) as log:
        real, calls = log.record_many, 0

        def record_many(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 100:
                raise KeyboardInterrupt
            return real(*arguments)

        monkeypatch.setattr(log, "record_many", record_many)
        with pytest.raises(KeyboardInterrupt):
            fill(log, clock, COUNT)
        assert 0 < recorded(log) < COUNT
        fill(log, clock, COUNT)
        assert recorded(log) == COUNT
        kept = [entry.id for entry in log.read(WORKSPACE) if not entry.action.startswith("audit.")]
        assert kept == [event.id for event in events(COUNT)]
        size = log.head(WORKSPACE).size
        fill(log, clock, COUNT)
        assert log.head(WORKSPACE).size == size


def test_a_store_is_found_again(tmp_path: Path) -> None:
    """The same folder, the same log, under the same key."""
    for _ in range(2):
        with place(tmp_path, "sqlite") as at, whodid.open(at.url, key=at.key) as log:
            log.record(WORKSPACE, next(events(1)))
            assert recorded(log) == 1
