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
    """How many logs signed nothing, or were gone, when they were last looked at."""

    def round(self) -> int:
        """Go round over every workspace, in this thread; return how many logs cannot sign."""
        self._found = 0
        done = self._everywhere(self._look, self._miss)
        self.refused = self._found
        return done

    def _look(self, workspace: str) -> int:
        try:
            self._log.check_signing(workspace)
        except StoreCorrupt:
            self._found += 1
            raise
        return 0

    def _miss(self) -> None:
        """Look for logs that were signed and are not there at all."""
        lost = self._log.lost()
        self._found += len(lost)
        if lost:
            more = f"; and {len(lost) - 1} more like it" if len(lost) > 1 else ""
            raise StoreCorrupt(f"{lost[0].problems[0].fact}{more}", "Run whodid verify, then restore the newest backup")
