"""The clock of sealing: a thread that seals segments soon after they ended.

Sealing itself lives in the log (`Log.seal`); entries are appended meanwhile as at any other time.
"""

from __future__ import annotations

from datetime import timedelta

from whodid.log import Worker, leased

__all__ = ["SealingWorker"]

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
    _usual = 20.0

    def round(self) -> int:
        """Seal what is closed or due in every workspace, in this thread.

        Returns:
            How many segments were sealed.
        """
        return self._everywhere(self._seal)

    def _seal(self, workspace: str) -> int:
        if not self._log.awaits_seal(workspace):
            return 0
        with leased(self._log, workspace, _LEASE_STATE, _LEASE) as lease:
            return 0 if lease is None else len(self._log.seal(workspace))
