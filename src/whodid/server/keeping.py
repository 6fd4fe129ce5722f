"""What the API tells about retention: the policy, what it removed, and when an entry's turn comes, or why it does not.

The server joins here what two wings know: the policy of `retention` and the eyes of `viewer`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from whodid.canonical import encode, time_text
from whodid.log import Log
from whodid.model import Entry
from whodid.retention import class_of, holder, read_holds, read_policy, removed_on, standing_holds
from whodid.viewer import Reader, Stay, api

__all__ = ["Keeping"]


class Keeping:
    """Retention of the workspaces of one log, for readers."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def fingerprint(self, workspace: str) -> str:
        """Return a digest that changes with the policy and the legal holds of a workspace."""
        log = self._log
        return hashlib.sha256(encode([read_policy(log, workspace), read_holds(log, workspace)])).hexdigest()

    def stay(self, workspace: str) -> Callable[[Entry], Stay]:
        """Return a function that tells how long an entry stays."""
        policy = read_policy(self._log, workspace)
        held_by = holder(standing_holds(self._log, workspace))

        def stay(entry: Entry) -> Stay:
            day = removed_on(entry.recorded_at, policy.days_for(class_of(self._log.catalog, entry.action)))
            return Stay(day, held_by(entry) is not None)

        return stay

    def view(self, reader: Reader) -> dict[str, Any]:
        """Return the policy of a workspace and what it removed so far."""
        policy = read_policy(self._log, reader.workspace)
        _, first = reader.head()
        oldest = next(reader.log.read(reader.workspace, first), None)
        return {
            **msgspec.to_builtins(policy),
            "first": first,
            "oldest_at": time_text(oldest.recorded_at) if oldest is not None else None,
            "purges": api.purges(reader, now=self._log.now()),
        }
