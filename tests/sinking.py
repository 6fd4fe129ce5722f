"""A small world for the tests of sinks: a log with ten entries, and a receiver that does as it is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.keeping import HOME, MARIA, STORES, Clock, event, opened, record
from whodid import Log
from whodid.sinks import KINDS, Health, Sinks, SinkWorker
from whodid.sinks.kinds import Kind, Message, Opening, Result

TAKEN = Result()


class Told:
    """What a receiver got and answers: the next result of `results`, or what `judge` says, or that it took all."""

    def __init__(self) -> None:
        self.got: list[list[dict[str, Any]]] = []
        self.taken: list[int] = []
        self.results: list[Result] = []
        self.judge: Callable[[Sequence[Message]], Result] = lambda _: TAKEN
        self.opened = self.closed = 0

    def open(self, opening: Opening) -> Told:
        """Count, and be the receiver."""
        self.opened += 1
        return self

    def send(self, messages: Sequence[Message]) -> Result:
        """Keep what came."""
        self.got.append([json.loads(message.body) for message in messages])
        result = self.results.pop(0) if self.results else self.judge(messages)
        if not result.fault:
            refused = result.refused
            self.taken += [
                message.index for at, message in enumerate(messages) if message.index is not None and at not in refused
            ]
        return result

    def close(self) -> None:
        """Count."""
        self.closed += 1

    def kind(self) -> Kind:
        """Return a kind whose receivers this is."""
        return msgspec.structs.replace(KINDS["file"], open=self.open, batch=4, most=100)


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the log."""
    return Clock()


@pytest.fixture(params=STORES)
def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Log]:
    """Open a log with ten entries."""
    with opened(request.param, tmp_path, clock) as log:
        record(log, [event(number) for number in range(1, 11)])
        yield log


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """Put a receiver that does as it is told in the place of files."""
    told = Told()
    monkeypatch.setitem(KINDS, "file", told.kind())
    return told


def managed(log: Log, workspace: str = HOME) -> Sinks:
    """Return the sinks of a workspace, managed by Maria."""
    return Sinks(log, workspace, actor=MARIA)


def turn(worker: SinkWorker) -> int:
    """Let every sink that is due have a turn, and wait for the end of it."""
    begun = worker.round()
    worker.wait()
    return begun


def only(log: Log) -> Health:
    """Return how the only sink is."""
    (health,) = managed(log).all()
    return health
