"""The clock of retention: a thread that purges every workspace when its time comes, and gives space back.

It leaves writers more time than it takes: after each step it rests at least three times as long as the step took.
"""

from __future__ import annotations

from datetime import timedelta

from whodid.log import Worker
from whodid.retention.purge import purge
from whodid.retention.steady import check_steady

__all__ = ["RetentionWorker"]

_LEAST_REST = 0.01
_REST = 3


class RetentionWorker(Worker):
    """Purge automatically.

    Use it as a context manager, or `start` and `stop` it. Several processes may each run one: a workspace is purged by
    one of them at a time. While the clock is not believed (`steady`), nothing is purged and `on_error` is told.

    Args:
        log: The log to purge.
        interval: Seconds between two rounds over all workspaces. Content goes by whole days, so rounds are cheap.
        on_error: Called with the workspace (or an empty text) and what went wrong there; the round goes on with the
            next workspace, and the next round tries again. By default the error goes to the logger of this module.
        on_round: Called after each round with the number of entries that lost their content in it.
    """

    _name = "Retention"
    _usual = 3600.0

    def round(self) -> int:
        """Purge every workspace once, in this thread.

        Returns:
            How many entries lost their content.
        """
        steady = False
        with self._told(""):
            check_steady(self._log, timedelta(seconds=self._interval))
            steady = True
        return self._everywhere(self._purge, self._tend) if steady else 0

    def _purge(self, workspace: str) -> int:
        return purge(self._log, workspace, rest=self._rest).entries

    def _tend(self) -> None:
        while not self._stopping.is_set() and self._log.tend():
            self._rest(_LEAST_REST)

    def _rest(self, took: float) -> bool:
        return self._stopping.wait(max(_LEAST_REST, _REST * took))
