"""A store as one request or one job reads it: at a replica where one is as new as the primary, else at the primary."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

from whodid.sequence import Batch
from whodid.store.base import Assemble, Problem, ReplicaReport, Store
from whodid.store.moving import Mark, Piece
from whodid.store.postgres.engine import Connection
from whodid.store.postgres.read import Reading
from whodid.store.postgres.replicas import Newest, Replicas

__all__ = ["ReplicaReading"]

_GOOD_S = 1.0  # how long a look at the primary is good, for whoever reads on and on

_Found = TypeVar("_Found")


class _Look(NamedTuple):
    newest: Newest | None
    until: float
    written: object


class ReplicaReading(Reading):
    """A store whose reads go to a replica where one is as new as the primary; for one request or one job.

    What it answers never goes back: a replica must have what the primary had at the last look, and what was seen since.

    Args:
        origin: The store itself, for whatever writes, decides, or cannot be had at a replica.
        written: Returns another object whenever this process has written to a workspace.
    """

    def __init__(self, origin: Reading, replicas: Replicas, written: Callable[[int], object]) -> None:
        self.coding = origin.coding
        self._origin = origin
        self._replicas = replicas
        self._written = written
        self._looks: dict[int, _Look] = {}

    def within(self, ws: int, work: Callable[[Connection], _Found]) -> _Found:
        look = self._looked(ws)
        answer = None if look.newest is None else self._replicas.ask(ws, look.newest, work)
        if answer is None:
            # The primary may be ahead of all replicas, so these wait for the next look.
            self._looks[ws] = look._replace(newest=None)
            self._replicas.count_elsewhere()
            return self._origin.within(ws, work)
        found, newest = answer
        self._looks[ws] = look._replace(newest=newest)
        return found

    def _looked(self, ws: int) -> _Look:
        written = self._written(ws)
        look = self._looks.get(ws)
        if look is None or look.written is not written or time.monotonic() >= look.until:
            look = _Look(self._replicas.newest(ws), time.monotonic() + _GOOD_S, written)
        return look

    @property
    def deciding(self) -> Store:
        return self._origin

    def reading(self) -> Store:
        return self

    def replicas(self) -> ReplicaReport:
        return self._replicas.report()

    # ---------------------------------------------------------------- what is the primary's

    def append(self, workspace: str, assemble: Assemble, ids: Sequence[bytes] = ()) -> Batch | None:
        return self._origin.append(workspace, assemble, ids)

    def forget(
        self, workspace: str, ranges: Sequence[range], assemble: Assemble, ids: Sequence[bytes] = ()
    ) -> Batch | None:
        return self._origin.forget(workspace, ranges, assemble, ids)

    def workspaces(self) -> list[str]:
        return self._origin.workspaces()

    def state(self, workspace: str, name: str) -> bytes | None:
        return self._origin.state(workspace, name)

    def swap_state(self, workspace: str, name: str, old: bytes | None, new: bytes | None) -> bool:
        return self._origin.swap_state(workspace, name, old, new)

    def states(self, workspace: str) -> dict[str, bytes]:
        return self._origin.states(workspace)

    @property
    def name(self) -> str:
        return self._origin.name

    def now(self) -> datetime:
        return self._origin.now()

    def mark(self) -> Mark | None:
        return self._origin.mark()

    def swap_mark(self, old: Mark | None, new: Mark | None) -> bool:
        return self._origin.swap_mark(old, new)

    def adopt(self, workspace: str, piece: Piece, old: bytes | None, new: bytes | None) -> bool:
        return self._origin.adopt(workspace, piece, old, new)

    def check(self, workspace: str) -> Iterator[Problem]:
        return self._origin.check(workspace)

    def tend(self) -> bool:
        return self._origin.tend()

    def compact(self) -> None:
        self._origin.compact()

    def stats(self, workspace: str) -> dict[str, int]:
        return self._origin.stats(workspace)

    def close(self) -> None:
        """Leave the store open: it belongs to whoever opened it."""
