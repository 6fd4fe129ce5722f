"""A thread that goes round over all workspaces: what keeps a log purged, sealed and delivered.

What a round does is up to the wing that has it.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar, Self

from whodid.log.log import Log

__all__ = ["Worker"]

_logger = logging.getLogger(__name__)


class Worker(ABC):
    """A thread that goes round over all workspaces, one round per interval.

    Args:
        interval: Seconds between two rounds; what is usual for the worker when not given.
        on_error: Called with the workspace (or an empty text) and what went wrong there; the round goes on with the
            next workspace, and the next round tries again. By default the error goes to the logger of this module.
        on_round: Called after each round with how much was done in it.
    """

    _name: ClassVar[str]
    """What the worker does, for the name of its thread and for the logger."""
    _usual: ClassVar[float]
    """Seconds between two rounds where nobody says otherwise."""

    def __init__(
        self,
        log: Log,
        *,
        interval: float | None = None,
        on_error: Callable[[str, Exception], None] | None = None,
        on_round: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._log = log
        self._on_round = on_round
        self._interval = self._usual if interval is None else interval
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

    def _everywhere(self, act: Callable[[str], int], then: Callable[[], None] = lambda: None) -> int:
        """Do something in every workspace, until the worker is to stop; return how much was done in all.

        Args:
            then: Called after the last workspace, unless the workspaces could not be listed.
        """
        done = 0
        with self._told(""):
            for workspace in self._log.workspaces():
                if self._stopping.is_set():
                    break
                with self._told(workspace):
                    done += act(workspace)
            then()
        return done

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
