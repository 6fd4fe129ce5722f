"""The questions that an evidence file answers: who, what, which actions, when.

What lives here: a question, how people write one, and the ready-made ones. A question has the form that a sealed index
can answer; anything finer (a text, an address) is for the query language and for exports.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from whodid import canonical
from whodid.catalog import Catalog
from whodid.errors import InvalidQuery
from whodid.evidence.document import Ask

__all__ = ["PRESETS", "Question", "ask"]

_ACCESS = frozenset({"api_key", "auth", "role", "sso", "team", "user"})
_APPROVALS = "template"

PRESETS = ("access", "approvals")
"""Ready-made sets of actions: changes of access rights, approval records of templates."""


class Question(NamedTuple):
    """What is asked of a log.

    Args:
        asks: All of them must hold; within one, any value. None asks for every entry.
        since: First `recorded_at` that counts, microseconds since 1970; None from the beginning.
        until: First `recorded_at` that does not count any more; None up to now.
    """

    asks: tuple[Ask, ...] = ()
    since: int | None = None
    until: int | None = None

    def has(self, recorded_at: int) -> bool:
        """Tell whether the period contains a moment, microseconds since 1970."""
        return (self.since is None or recorded_at >= self.since) and (self.until is None or recorded_at < self.until)
