"""The clocks of witnesses and time stamps: threads that have new heads cosigned and stamped. Nothing waits for them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from whodid.errors import NotFound, WitnessError
from whodid.log import ANCHORS, Log, Worker, leased, stamped
from whodid.proof.policy import Policy
from whodid.witness import cosign
from whodid.witness.ask import Post
from whodid.witness.stamp import LEASE, LEASE_STATE, Authority, Send, stamp_head

__all__ = ["AnchorWorker", "StampWorker", "WitnessWorker"]

_LEASE = timedelta(minutes=5)
_LEASE_STATE = "witnesses.lease"
_ANCHOR_LEASE = "anchors.lease"
_DAY = timedelta(days=1)


class AnchorWorker(Worker):
    """Put the newest heads of all workspaces into the anchor log of the deployment, once a minute where there are any.

    Several processes may each run one: one of them does it at a time.
    """

    _name = "Anchoring"
    _usual = 60.0

    def round(self) -> int:
        """Anchor once, in this thread.

        Returns:
            How many entries the anchor log gained: one, or none.
        """
        gained = 0
        with self._told(""), leased(self._log, ANCHORS, _ANCHOR_LEASE, _LEASE) as lease:
            if lease is not None:
                gained += self._log.anchor(self._on_error) is not None
        return gained


class _Outside(Worker):
    """Act on every workspace, or on the anchor log of the deployment alone."""

    def _round(self, act: Callable[[str], int], *, anchored: bool) -> int:
        if not anchored:
            return self._everywhere(act)
        done = 0
        with self._told(ANCHORS), suppress(NotFound):  # until the first heads are anchored
            done += act(ANCHORS)
        return done


class WitnessWorker(_Outside):
    """Have the newest head of every workspace cosigned, once a minute where it is a new one.

    Several processes may each run one: a workspace is cosigned by one of them at a time.

    Args:
        log: The log whose heads are cosigned.
        policy: The witnesses.
        send: How requests are sent; over HTTP when not given.
        anchored: Whether they see the anchor log of the deployment in the place of all its workspaces.
    """

    _name = "Cosigning"
    _usual = 60.0

    def __init__(
        self,
        log: Log,
        policy: Policy,
        *,
        send: Post | None = None,
        anchored: bool = False,
    ) -> None:
        super().__init__(log)
        self._policy = policy
        self._send = send
        self._anchored = anchored
        self._told_missing: dict[str, dict[str, str]] = {}

    def round(self) -> int:
        """Ask the witnesses for every workspace once, in this thread.

        Returns:
            How many heads have the quorum of the policy.
        """
        return self._round(self._cosign, anchored=self._anchored)

    def _cosign(self, workspace: str) -> bool:
        with leased(self._log, workspace, _LEASE_STATE, _LEASE) as lease:
            if lease is None:
                return False
            made = cosign(self._log, workspace, self._policy, send=self._send)
        # The same witness with the same trouble is told of once, not every minute.
        if made.missing != self._told_missing.get(workspace, {}):
            self._told_missing[workspace] = made.missing
            for name, why in made.missing.items():
                self._on_error(workspace, WitnessError(f"The witness {name} did not cosign: {why}"))
        return made.met


class StampWorker(_Outside):
    """Have the head of every workspace stamped once a day, where it is a new one.

    An authority that does not answer is asked again in the next round. Several processes may each run one: a workspace
    is stamped by one of them at a time.

    Args:
        log: The log whose heads are stamped.
        authority: Who stamps.
        send: How requests are sent; over HTTP when not given.
        anchored: Whether they see the anchor log of the deployment in the place of all its workspaces.
    """

    _name = "Time stamping"
    _usual = 600.0

    def __init__(
        self,
        log: Log,
        authority: Authority,
        *,
        send: Send | None = None,
        anchored: bool = False,
    ) -> None:
        super().__init__(log)
        self._authority = authority
        self._send = send
        self._anchored = anchored

    def round(self) -> int:
        """Look at every workspace once, in this thread.

        Returns:
            How many heads were stamped.
        """
        return self._round(self._stamp, anchored=self._anchored)

    def _stamp(self, workspace: str) -> bool:
        with leased(self._log, workspace, LEASE_STATE, LEASE) as lease:
            if lease is None:
                return False
            known = stamped(lambda name: self._log.state(workspace, name))
            if known and (known[-1].size >= self._log.head(workspace).size or self._log.now() - known[-1].at < _DAY):
                return False
            stamp_head(self._log, workspace, self._authority, send=self._send)
            return True
