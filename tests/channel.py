"""A log with one entry and a channel that people read, for the tests of sinks that tell people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keeping import HOME, Clock, event, opened
from tests.receiving import Receiver, receiving
from whodid import Log

__all__ = ["clock", "log", "receiver"]


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the log: it stands at a Friday, 14:00 UTC."""
    return Clock()


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> Iterator[Log]:
    """Open a log."""
    with opened("memory", tmp_path, clock) as made:
        made.record(HOME, event(1))
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run a channel."""
    with receiving() as made:
        yield made
