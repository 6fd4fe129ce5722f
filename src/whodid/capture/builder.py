"""Events, built from what the caller tells and the scope around.

The event gets its id here, at once: it is the idempotency key in the outbox, the spool, on the wire and in the log.
Secrets are replaced here too, before the event is written anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Unpack

from whodid.canonical import encode
from whodid.capture.bounds import bounded
from whodid.capture.context import Scope, current
from whodid.capture.counts import Counts
from whodid.capture.diff import diff
from whodid.capture.events import UNKNOWN, uuid7
from whodid.capture.redact import Fingerprint, masked, masked_change, reason_of, tidied
from whodid.capture.told import Told, check, each
from whodid.capture.values import plain
from whodid.catalog import Catalog
from whodid.errors import InvalidEvent
from whodid.model import Actor, Change, Event, Related, Resource

__all__ = ["Builder"]


class Builder:
    """What events are built with.

    Args:
        catalog: And everything else, as of `Capture`.
    """

    def __init__(
        self,
        catalog: Catalog,
        fingerprint: Callable[[str, bytes], str] | None,
        *,
        workspace: str | Callable[[], str | None] | None = None,
        strict: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.catalog = catalog
        self.counts = Counts()
        self.clock = clock
        self.strict = strict
        self.entropy = entropy
        self._fingerprint = fingerprint
        self._workspace = workspace

    def event(
        self,
        action: str,
        resource: Resource,
        *,
        workspace: str | None = None,
        id: str | None = None,
        scope: Scope | None = None,
        **told: Unpack[Told],
    ) -> Event:
        """Build an event.

        Args:
            action: `noun.verb`, past tense.
            workspace: Whose fingerprints secrets get; needed here or in the scope when there is a secret.
            id: Of the event; a new one when not given.
            scope: Who acts and where, instead of the innermost `context`.
            told: What else is known; see `Told`.

        Returns:
            The event, with its id.

        Raises:
            InvalidEvent: Nobody is said to have done it, and the capture is strict.
        """
        check(told, "event")
        return self._built(action, resource, told, workspace=workspace, made=id, scope=scope)

    def _built(
        self,
        action: str,
        resource: Resource,
        told: Told,
        *,
        workspace: str | None,
        made: str | None,
        scope: Scope | None = None,
    ) -> Event:
        """Build an event of what is told under known names; see `event`."""
        scope = scope or current() or Scope(None, {})
        who = self.actor(told.get("actor"), scope)
        now = self.clock()
        fingerprint = self.keyed(workspace or scope.workspace)
        classes = self.catalog.classes(action)
        before, after, given = told.get("before"), told.get("after"), told.get("changes")
        changes: tuple[Change, ...] = ()
        if given is not None:
            changes = tuple(masked_change(change, classes, fingerprint) for change in each(given, Change, "changes"))
        elif before is not None or after is not None:
            changes = diff(before, after, classes, fingerprint)
        details = scope.around(told.get("details"))
        more = masked(plain(details), "", classes, fingerprint) if details else None
        changes, more = bounded(changes, more)
        if resource.name is not None:
            resource = tidied(resource)
        reason = told.get("reason")
        self.counts.add("recorded")
        return Event(
            id=made or uuid7(now, self.entropy(8)),
            occurred_at=told.get("occurred_at") or now,
            actor=who,
            action=action,
            resource=resource,
            outcome=told.get("outcome", "success"),
            related=tuple(map(tidied, each(told.get("related", ()), Related, "related"))),
            changes=changes,
            reason=reason_of(reason if reason is not None else scope.get("reason")),
            cause=told.get("cause") or scope.get("cause"),
            batch=told.get("batch") or scope.get("batch"),
            details=more,
            context=scope.context,
            kind=told.get("kind"),
            severity=told.get("severity"),
        )

    def changes(
        self,
        action: str,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
        *,
        workspace: str | None = None,
    ) -> tuple[Change, ...]:
        """Compare two states of a resource as `event` does, for a caller who wants to complete the changes first.

        Returns:
            The changes; none when the two are equal, and then there is nothing to record.
        """
        scope = current()
        keyed = self.keyed(workspace or (scope.workspace if scope is not None else None))
        return diff(before, after, self.catalog.classes(action), keyed)

    def new_id(self, at: datetime | None = None) -> str:
        """Return the id of an event that will be built later.

        Args:
            at: When it is made, if not just now.
        """
        return uuid7(self.clock() if at is None else at, self.entropy(8))

    def actor(self, given: Actor | None = None, scope: Scope | None = None) -> Actor:
        """Return who acts; `unknown`, and counted, when nobody said it.

        Raises:
            InvalidEvent: Nobody said it, and the capture is strict.
        """
        who = given or (scope.actor if scope is not None else None)
        if who is None:
            if self.strict:
                raise InvalidEvent(
                    "/actor", "it is not known who acts", "Pass actor=, or open a scope: context(actor=...)"
                )
            self.counts.add("unknown_actor")
            who = UNKNOWN
        return who

    def workspace(self, given: str | None = None, scope: Scope | None = None) -> str:
        """Return whose log an event is for.

        Args:
            given: What the caller said.
            scope: The scope to ask, instead of the innermost one.

        Raises:
            InvalidEvent: Nobody said it.
        """
        if found := self.known_workspace(given, scope):
            return found
        raise InvalidEvent(
            "/workspace",
            "it is not known in which workspace it happened",
            "Pass workspace=, open a scope with one, or give the capture a default",
        )

    def known_workspace(self, given: str | None = None, scope: Scope | None = None) -> str | None:
        """Return whose log an event is for, or None when nobody said it."""
        scope = scope or current()
        whose = given or (scope.workspace if scope is not None else None)
        if whose is None:
            whose = self._workspace() if callable(self._workspace) else self._workspace
        return whose

    @property
    def one_workspace(self) -> str | None:
        """The workspace that was named for everything that names none itself; None when it is asked for each time."""
        return self._workspace if isinstance(self._workspace, str) else None

    def keyed(self, workspace: str | None) -> Fingerprint:
        """Return what makes fingerprints of JSON values for a workspace; without one it refuses to."""
        keyed = self._fingerprint

        def fingerprint(value: Any) -> str | None:
            if keyed is None:
                return None
            if workspace is None:
                raise InvalidEvent(
                    "", "it holds a secret and the workspace is not known", "Pass workspace=, or open a scope with one"
                )
            return keyed(workspace, encode(value))

        return fingerprint
