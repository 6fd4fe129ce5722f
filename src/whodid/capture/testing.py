"""The fixture `audit_log` for the tests of an application: what was recorded while a test ran.

Installing whodid makes it known to pytest. It sees events as they are written, so that it works inside a transaction
that the test rolls back in the end; what the application itself rolled back is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import count
from typing import Any

import pytest
from msgspec import UNSET

from whodid.capture.capture import Capture
from whodid.capture.units import Unit
from whodid.model import Actor, Change, Event, Resource

__all__ = ["AuditLog", "Seen", "audit_log"]


class Seen:
    """One event, as tests like to read it.

    Attributes:
        workspace: Whose log it is for.
        event: The event.
    """

    def __init__(self, workspace: str, event: Event) -> None:
        self.workspace = workspace
        self.event = event

    @property
    def action(self) -> str:
        """What was done."""
        return self.event.action

    @property
    def actor(self) -> Actor:
        """Who did it."""
        return self.event.actor

    @property
    def resource(self) -> Resource:
        """What was affected."""
        return self.event.resource

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """Path → before and after; None where there is no value. Of members: who left and who came."""
        return {change.path: _sides(change) for change in self.event.changes}

    def __repr__(self) -> str:
        return f"<{self.action} {self.resource.type} {self.resource.id} {self.changes}>"


def _sides(change: Change) -> tuple[Any, Any]:
    if change.class_ == "secret":
        return change.before_fp, change.after_fp
    sides = (change.removed, change.added) if change.op == "set" else (change.before, change.after)
    before, after = (None if side is UNSET else side for side in sides)
    return before, after


class AuditLog:
    """What was recorded since the test began, or since `clear`."""

    def __init__(self) -> None:
        self._seen: list[Seen] = []
        self._frozen: list[tuple[Capture, Any, Any]] = []

    def all(self, action: str | None = None) -> list[Seen]:
        """Return what was recorded, in order.

        Args:
            action: Only of this action.
        """
        return [one for one in self._seen if action in (None, one.action)]

    def one(self, action: str | None = None) -> Seen:
        """Return the only event, of an action if it is given.

        Raises:
            AssertionError: There is none, or there are several; they are listed.
        """
        found = self.all(action)
        if len(found) != 1:
            what = "events" if action is None else f"events {action}"
            raise AssertionError(f"{len(found)} {what} were recorded, not one: {self._seen}")
        return found[0]

    def clear(self) -> None:
        """Forget what was recorded so far."""
        self._seen.clear()

    def freeze(self, capture: Capture, at: datetime) -> None:
        """Stop the time of a capture, and make its ids the same in every run, until the test ends.

        Args:
            at: The instant, with its zone.
        """
        self._frozen.append((capture, capture.clock, capture.entropy))
        numbers = count(1)
        capture.clock = lambda: at
        capture.entropy = lambda size: next(numbers).to_bytes(size, "big")

    def take(self, unit: Unit | None, told: Sequence[tuple[str, Event]]) -> None:
        """Note events that were written; those of a transaction are forgotten if it is rolled back."""
        some = [Seen(workspace, event) for workspace, event in told]
        self._seen += some
        undone = getattr(unit, "undone", None)
        if undone is not None:
            undone.append(lambda: self._forget(some))

    def end(self) -> None:
        """Let the time of every capture go on."""
        for capture, clock, entropy in reversed(self._frozen):
            capture.clock, capture.entropy = clock, entropy

    def _forget(self, some: list[Seen]) -> None:
        self._seen = [one for one in self._seen if one not in some]


@pytest.fixture
def audit_log() -> Iterator[AuditLog]:
    """See what is recorded while the test runs."""
    log = AuditLog()
    Capture.watchers.append(log.take)
    try:
        yield log
    finally:
        Capture.watchers.remove(log.take)
        log.end()
