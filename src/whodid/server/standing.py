"""Tells whoever runs the server of logs that sign nothing, because an older copy of the database came back."""

from __future__ import annotations

from whodid.errors import StoreCorrupt
from whodid.log import Worker

__all__ = ["StandingWorker"]


class StandingWorker(Worker):
    """Look at every log, at the start and now and then, whether it still continues what was signed of it.

    Entries are recorded and read as ever in one that does not, so nobody would notice before somebody wants a proof.
    """

    _name = "Signing"
    _usual = 600.0

    refused = 0
    """How many logs signed nothing when they were last looked at."""

    def round(self) -> int:
        """Go round over every workspace, in this thread; return how many logs cannot sign."""
        self._found = 0
        done = self._everywhere(self._look)
        self.refused = self._found
        return done

    def _look(self, workspace: str) -> int:
        try:
            self._log.check_signing(workspace)
        except StoreCorrupt:
            self._found += 1
            raise
        return 0
