"""What the API tells about retention: the policy, what it removed, and when an entry's turn comes.

The server joins here what two wings know: the policy of `retention` and the eyes of `viewer`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec

from whodid.canonical import encode, time_text
from whodid.log import Log
from whodid.model import Entry
from whodid.retention import class_of, read_policy, removed_on
from whodid.viewer import Reader, api

__all__ = ["Keeping"]


class Keeping:
    """Retention of the workspaces of one log, for readers."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def fingerprint(self, workspace: str) -> str:
        """Return a digest that changes with the policy of a workspace."""
        return hashlib.sha256(encode(read_policy(self._log, workspace))).hexdigest()

    def removal(self, workspace: str) -> Callable[[Entry], date | None]:
        """Return a function that tells the day on which an entry will be removed, None when it never will."""
        policy = read_policy(self._log, workspace)

        def day(entry: Entry) -> date | None:
            return removed_on(entry.recorded_at, policy.days_for(class_of(self._log.catalog, entry.action)))

        return day

    def view(self, reader: Reader) -> dict[str, Any]:
        """Return the policy of a workspace and what it removed so far."""
        policy = read_policy(self._log, reader.workspace)
        _, first = reader.head()
        oldest = next(self._log.read(reader.workspace, first), None)
        return {
            **msgspec.to_builtins(policy),
            "first": first,
            "oldest_at": time_text(oldest.recorded_at) if oldest is not None else None,
            "purges": api.purges(reader, now=self._log.now()),
        }
