"""The clock of sealing: a thread that seals segments soon after they ended.

Sealing itself lives in the log (`Log.seal`); entries are appended meanwhile as at any other time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from whodid.log import Log, Worker, leased

__all__ = ["SealingWorker"]

_INTERVAL = 20.0
_LEASE = timedelta(minutes=2)
_LEASE_STATE = "sealing.lease"


class SealingWorker(Worker):
    """Seal automatically: the segment of a day within a minute after the day is over, a full one likewise.

    Use it as a context manager, or `start` and `stop` it. Several processes may each run one: a workspace is sealed by
    one of them at a time.

    Args:
        log: The log whose segments are sealed.
        interval: Seconds between two rounds over all workspaces. A round reads one head per workspace.
        on_error: As for `RetentionWorker`.
        on_round: Called after each round with the number of segments that were sealed in it.
    """

    _name = "Sealing"

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
        """Seal what is closed or due in every workspace, in this thread.

        Returns:
            How many segments were sealed.
        """
        sealed = 0
        with self._told(""):
            for workspace in self._log.workspaces():
                if self._stopping.is_set():
                    break
                with self._told(workspace):
                    sealed += self._seal(workspace)
        return sealed

    def _seal(self, workspace: str) -> int:
        if not self._log.awaits_seal(workspace):
            return 0
        with leased(self._log, workspace, _LEASE_STATE, _LEASE) as lease:
            return 0 if lease is None else len(self._log.seal(workspace))
