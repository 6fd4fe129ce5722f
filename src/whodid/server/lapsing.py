"""The clock of API keys: a thread that records soon after a key expired that it did."""

from __future__ import annotations

from datetime import timedelta

from whodid.log import Worker, leased
from whodid.model import Actor, Context
from whodid.server.keys import KeyRing

__all__ = ["LapseWorker"]

_LEASE = timedelta(minutes=2)
_LEASE_STATE = "api_keys.lease"
_CLOCK = Actor(type="scheduler", id="api_keys", name="API keys")


class LapseWorker(Worker):
    """Record `api_key.expired` once for each key that ended by itself, within a minute.

    Several processes may each run one: the keys of a workspace are looked at by one of them at a time, and a crash
    between the record and its note is made good as for every act on a key.
    """

    _name = "Keys"
    _usual = 30.0

    def round(self) -> int:
        """Go round over every workspace, in this thread.

        Returns:
            How many keys expired.
        """
        return self._everywhere(self._lapse)

    def _lapse(self, workspace: str) -> int:
        ring = KeyRing(self._log, workspace, actor=_CLOCK, context=Context(source="job"))
        now = self._log.now()
        if not any(key.status(now) == "expired" and not key.lapsed for key in ring.all()):
            return 0
        with leased(self._log, workspace, _LEASE_STATE, _LEASE) as lease:
            return 0 if lease is None else ring.lapse()
