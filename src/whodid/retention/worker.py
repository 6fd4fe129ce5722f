"""The clock of retention: a thread that purges every workspace when its time comes, and gives space back.

It leaves writers more time than it takes: after each step it rests at least three times as long as the step took. What
it shares with the other threads that go round over all workspaces is `Worker`.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar, Self

from whodid.log import Log
from whodid.retention.purge import purge

__all__ = ["RetentionWorker", "Worker"]

_logger = logging.getLogger(__name__)

_INTERVAL = 3600.0
_LEAST_REST = 0.01
_REST = 3


class Worker(ABC):
    """A thread that goes round over all workspaces, one round per interval.

    Args:
        interval: Seconds between two rounds.
        on_error: Called with the workspace (or an empty text) and what went wrong there; the round goes on with the
            next workspace, and the next round tries again. By default the error goes to the logger of this module.
        on_round: Called after each round with how much was done in it.
    """

    _name: ClassVar[str]
    """What the worker does, for the name of its thread and for the logger."""

    def __init__(
        self,
        log: Log,
        interval: float,
        on_error: Callable[[str, Exception], None] | None,
        on_round: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._log = log
        self._on_round = on_round
        self._interval = interval
        self._on_error = on_error or self._tell
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin with a round at once, then one per interval; does nothing when it runs already."""
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._run, name=f"whodid-{self._name.lower()}", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Finish the present step and return when the thread has ended; idempotent."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @abstractmethod
    def round(self) -> int:
        """Go round over every workspace once, in this thread; return how much was done."""

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._on_round(self.round())
            self._stopping.wait(self._interval)

    @contextmanager
    def _told(self, workspace: str) -> Iterator[None]:
        """Tell of an error instead of raising it: a worker that ended with its first error would end unnoticed."""
        try:
            yield
        except Exception as error:  # noqa: BLE001
            self._on_error(workspace, error)

    def _tell(self, workspace: str, error: Exception) -> None:
        _logger.error("%s of %s: %s", self._name, workspace or "the deployment", error)


class RetentionWorker(Worker):
    """Purge automatically.

    Use it as a context manager, or `start` and `stop` it. Several processes may each run one: a workspace is purged by
    one of them at a time.

    Args:
        log: The log to purge.
        interval: Seconds between two rounds over all workspaces. Content goes by whole days, so rounds are cheap.
        on_error: Called with the workspace (or an empty text) and what went wrong there; the round goes on with the
            next workspace, and the next round tries again. By default the error goes to the logger of this module.
        on_round: Called after each round with the number of entries that lost their content in it.
    """

    _name = "Retention"

    def __init__(
        self,
        log: Log,
        *,
        interval: float = _INTERVAL,
        on_error: Callable[[str, Exception], None] | None = None,
        on_round: Callable[[int], None] = lambda _: None,
    ) -> None:
        super().__init__(log, interval, on_error, on_round)

    def round(self) -> int:
        """Purge every workspace once, in this thread.

        Returns:
            How many entries lost their content.
        """
        removed = 0
        with self._told(""):
            for workspace in self._log.workspaces():
                if self._stopping.is_set():
                    break
                with self._told(workspace):
                    removed += purge(self._log, workspace, rest=self._rest).entries
            while not self._stopping.is_set() and self._log.tend():
                self._rest(_LEAST_REST)
        return removed

    def _rest(self, took: float) -> bool:
        return self._stopping.wait(max(_LEAST_REST, _REST * took))
