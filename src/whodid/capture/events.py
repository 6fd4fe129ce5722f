"""Building events: what an application says happened, completed from the scope it happens in.

The event gets its id here, at once: it is the idempotency key in the outbox, on the wire and in the log. Secrets are
replaced here too, before the event is written anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from whodid.canonical import encode, micros
from whodid.capture.context import Scope, current
from whodid.capture.diff import diff
from whodid.capture.redact import masked, masked_change
from whodid.capture.values import plain
from whodid.catalog import Catalog
from whodid.catalog.secrets import without_secrets
from whodid.errors import InvalidEvent
from whodid.model import Actor, Change, Event, Outcome, Reason, Related, Resource, Severity

__all__ = ["Capture", "uuid7"]


def uuid7(at: datetime, entropy: bytes) -> str:
    """Make a version 7 UUID (RFC 9562, section 5.7, with the clock's fraction as in section 6.2, method 3).

    Args:
        at: The instant it is made; ids order by it to a quarter of a microsecond.
        entropy: Eight random bytes.

    Returns:
        The UUID as text.
    """
    milliseconds, rest = divmod(micros(at), 1000)
    tail = int.from_bytes(entropy[:8], "big") & ((1 << 62) - 1)
    return str(UUID(int=milliseconds << 80 | 7 << 76 | (rest * 4096 // 1000) << 64 | 2 << 62 | tail))


class Capture:
    """What an application builds its events with.

    Args:
        catalog: The declared actions; it knows the class of every field.
        fingerprint: A keyed fingerprint of bytes for a workspace; the log's own (`Log.fingerprint`) makes secrets
            comparable whichever way they came.
        clock: Tells the present instant, in UTC.
        entropy: Makes as many random bytes as asked for.
    """

    def __init__(
        self,
        catalog: Catalog,
        fingerprint: Callable[[str, bytes], str],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.catalog = catalog
        self._fingerprint = fingerprint
        self._clock = clock
        self._entropy = entropy

    def event(
        self,
        action: str,
        resource: Resource,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        changes: Iterable[Change] | None = None,
        related: Iterable[Related] = (),
        outcome: Outcome = "success",
        reason: Reason | str | None = None,
        details: Mapping[str, Any] | None = None,
        cause: str | None = None,
        batch: str | None = None,
        severity: Severity | None = None,
        actor: Actor | None = None,
        workspace: str | None = None,
        occurred_at: datetime | None = None,
    ) -> Event:
        """Build an event; what is not given comes from the innermost `context`.

        Args:
            action: `noun.verb`, past tense.
            before: Fields of the resource before; None when it was created.
            after: Fields of the resource after; None when it was deleted.
            changes: The changes themselves, instead of `before` and `after`.
            reason: A `Reason`, or its text.
            details: Further JSON values; secret-named keys are replaced at any depth.
            workspace: Whose fingerprints secrets get; needed here or in the scope when there is a secret.
            occurred_at: When it happened, if not just now.

        Returns:
            The event, with its id.

        Raises:
            InvalidEvent: Nobody is said to have done it, or a value has no JSON form.
        """
        scope = current() or Scope(None, {})
        who = actor or scope.actor
        if who is None:
            raise InvalidEvent("/actor", "it is not known who acts", "Pass actor=, or open a scope: context(actor=...)")
        now = self._clock()
        fingerprint = self._keyed(workspace or scope.workspace)
        classes = self.catalog.classes(action)
        if changes is not None:
            changes = [masked_change(change, classes, fingerprint) for change in changes]
        elif before is not None or after is not None:
            changes = diff(before, after, classes, fingerprint)
        return Event(
            id=uuid7(now, self._entropy(8)),
            occurred_at=occurred_at or now,
            actor=who,
            action=action,
            resource=resource,
            outcome=outcome,
            related=tuple(related),
            changes=tuple(changes or ()),
            reason=_without_secrets(Reason(text=reason) if isinstance(reason, str) else reason or scope.get("reason")),
            cause=cause or scope.get("cause"),
            batch=batch or scope.get("batch"),
            details=masked(plain(details, "/details"), "", classes, fingerprint) if details else None,
            context=scope.context,
            severity=severity,
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

        Raises:
            InvalidEvent: A value has no JSON form.
        """
        scope = current()
        keyed = self._keyed(workspace or (scope.workspace if scope is not None else None))
        return diff(before, after, self.catalog.classes(action), keyed)

    def _keyed(self, workspace: str | None) -> Callable[[Any], str]:
        def fingerprint(value: Any) -> str:
            if workspace is None:
                raise InvalidEvent(
                    "", "it holds a secret and the workspace is not known", "Pass workspace=, or open a scope with one"
                )
            return self._fingerprint(workspace, encode(value))

        return fingerprint


def _without_secrets(reason: Reason | None) -> Reason | None:
    if reason is None or reason.text is None:
        return reason
    return Reason(code=reason.code, text=without_secrets(reason.text))
