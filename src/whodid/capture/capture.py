"""Saying what happened: events built from what the caller knows and the scope around, and kept where they belong.

The event gets its id here, at once: it is the idempotency key in the outbox, the spool, on the wire and in the log.
Secrets are replaced here too, before the event is written anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, Protocol, Self

from msgspec.structs import replace

from whodid.canonical import encode
from whodid.capture.action import Act, Impersonation
from whodid.capture.bounds import bounded
from whodid.capture.context import Scope, current
from whodid.capture.counts import CaptureStatus, Counts
from whodid.capture.destination import Destination, Direct
from whodid.capture.diff import diff
from whodid.capture.events import UNKNOWN, About, keyed_id, uuid7
from whodid.capture.pending import Said
from whodid.capture.redact import Fingerprint, masked, masked_change, reason_of, tidied
from whodid.capture.relay import Recorder
from whodid.capture.units import Unit, open_units
from whodid.capture.values import plain, unencodable
from whodid.catalog import Catalog
from whodid.errors import InvalidEvent, InvalidSetting, StoreError
from whodid.model import Actor, Change, Event, Kind, Outcome, Reason, Related, Resource, Severity

__all__ = ["Capture", "Hook"]

Bind = Literal["auto", "independent"] | object


class Hook(Protocol):
    """What an installed hook can tell of the caller's objects."""

    def resource(self, subject: object) -> Resource | None:
        """Name an object, or return None when it is not of this hook. It never loads anything."""

    def unit(self, bind: object) -> Unit | None:
        """Return the transaction of a session, connection or alias; None when it is not of this hook."""


class _Home(Recorder, Protocol):
    """A log, as far as capture needs one."""

    @property
    def catalog(self) -> Catalog: ...

    def fingerprint(self, workspace: str, value: bytes, /) -> str: ...


class Capture:
    """What an application says what happened with.

    Args:
        catalog: The declared actions; it knows the class of every field.
        fingerprint: A keyed fingerprint of bytes for a workspace; the log's own (`Log.fingerprint`) makes secrets
            comparable whichever way they came. None makes none: then a secret says only that it changed.
        destination: Keeps events that live outside every transaction; without one, `record` needs a transaction.
        workspace: Whose log it is when neither the caller nor the scope says so: a name, or what returns it.
        strict: Refuse an event of which nobody said who acts. Otherwise the actor is `unknown`, and counted.
        clock: Returns now, UTC.
        entropy: Returns that many random bytes.

    Attributes:
        watchers: Told of the events of every capture when they are written, with the transaction that they live and
            die with; for the tests of applications.
    """

    watchers: ClassVar[list[Callable[[Unit | None, Sequence[tuple[str, Event]]], None]]] = []

    def __init__(
        self,
        catalog: Catalog,
        fingerprint: Callable[[str, bytes], str] | None,
        *,
        destination: Destination | None = None,
        workspace: str | Callable[[], str | None] | None = None,
        strict: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.catalog = catalog
        self.counts = Counts()
        self.clock = clock
        self._fingerprint = fingerprint
        self._destination = destination
        self._workspace = workspace
        self.strict = strict
        self.entropy = entropy
        self._hooks: list[Hook] = []

    @classmethod
    def to(cls, log: _Home, **settings: Any) -> Self:
        """Make a capture whose independent events go straight to a log.

        Args:
            log: The log; its catalog and its fingerprints are used.
            settings: As of the constructor.
        """
        return cls(log.catalog, log.fingerprint, destination=Direct(log), **settings)

    # ------------------------------------------------------------------------------------------------ building

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
        kind: Kind | None = None,
        severity: Severity | None = None,
        actor: Actor | None = None,
        workspace: str | None = None,
        occurred_at: datetime | None = None,
        id: str | None = None,
        scope: Scope | None = None,
    ) -> Event:
        """Build an event; what is not given comes from the innermost `context`.

        Args:
            action: `noun.verb`, past tense.
            before: Fields of the resource before; None when it was created.
            after: Fields of the resource after; None when it was deleted.
            changes: The changes themselves, instead of `before` and `after`.
            reason: A `Reason`, or its text.
            details: Further JSON values; secret-named keys are replaced at any depth.
            kind: Of an action that the catalog does not declare.
            workspace: Whose fingerprints secrets get; needed here or in the scope when there is a secret.
            occurred_at: When it happened, if not just now.
            id: Of the event; a new one when not given.
            scope: Who acts and where, instead of the innermost `context`.

        Returns:
            The event, with its id.

        Raises:
            InvalidEvent: Nobody is said to have done it, and the capture is strict.
        """
        scope = scope or current() or Scope(None, {})
        who = self.actor(actor, scope)
        now = self.clock()
        fingerprint = self.keyed(workspace or scope.workspace)
        classes = self.catalog.classes(action)
        if changes is not None:
            told = tuple(masked_change(change, classes, fingerprint) for change in changes)
        elif before is not None or after is not None:
            told = diff(before, after, classes, fingerprint)
        else:
            told = ()
        details = scope.around(details)
        more = masked(plain(details), "", classes, fingerprint) if details else None
        told, more = bounded(told, more)
        if resource.name is not None:
            resource = tidied(resource)
        self.counts.add("recorded")
        return Event(
            id=id or uuid7(now, self.entropy(8)),
            occurred_at=occurred_at or now,
            actor=who,
            action=action,
            resource=resource,
            outcome=outcome,
            related=tuple(map(tidied, related)),
            changes=told,
            reason=reason_of(reason if reason is not None else scope.get("reason")),
            cause=cause or scope.get("cause"),
            batch=batch or scope.get("batch"),
            details=more,
            context=scope.context,
            kind=kind,
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

    # ------------------------------------------------------------------------------------------------ recording

    def record(
        self,
        action: str,
        resource: About,
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
        kind: Kind | None = None,
        severity: Severity | None = None,
        actor: Actor | None = None,
        workspace: str | None = None,
        occurred_at: datetime | None = None,
        key: str | None = None,
        id: str | None = None,
        claims: Iterable[About] = (),
        bind: Bind = "auto",
    ) -> str:
        """Say what happened, and keep it where it belongs; the call needs no `await` and never touches the network.

        With `bind="auto"` an event of success goes into the transaction that is open here and lives and dies with it.
        Outside of one, and whenever the outcome is `denied` or `failed`, it is independent: it is on the disk when the
        call returns, and no rollback takes it away.

        About an object of a watched session that is changed in the same transaction, the event speaks for those
        changes: it carries them when it is given none, and they make no second entry.

        Args:
            action: `noun.verb`, past tense.
            resource: What was affected: a resource, `(type, id)`, `(type, id, name)`, or an object of a watched model.
            key: Names the occasion: said again with the same key, it is recorded once.
            id: Of the event, when it was made before (`new_id`).
            claims: Further objects whose changes in this transaction it speaks for.
            bind: `"auto"`, `"independent"`, or the session, connection or database alias whose transaction it is.

        Returns:
            The id of the event.

        Raises:
            InvalidEvent: Nobody is said to have done it, or it is not known in which workspace.
            InvalidSetting: Several transactions are open here, or none is and there is no destination.
            StoreError: It is independent and cannot be kept now.
        """
        whose = self.workspace(workspace)
        event = self.event(
            action,
            self.resource(resource),
            before=before,
            after=after,
            changes=changes,
            related=related,
            outcome=outcome,
            reason=reason,
            details=details,
            cause=cause,
            batch=batch,
            kind=kind,
            severity=severity,
            actor=actor,
            workspace=whose,
            occurred_at=occurred_at,
            id=id or (keyed_id(whose, action, key) if key is not None else None),
        )
        completes = changes is None and before is None and after is None
        self._say(whose, event, self._unit(resource, outcome, bind), claims, completes=completes)
        return event.id

    def say(self, workspace: str, event: Event, *, claims: Iterable[About] = (), bind: Bind = "auto") -> None:
        """Keep an event that is built already where it belongs, as `record` does; it gets no changes but its own.

        Args:
            claims: Further objects whose changes in this transaction it speaks for.
            bind: As of `record`.

        Raises:
            InvalidSetting: Several transactions are open here, or none is and there is no destination.
            StoreError: It is independent and cannot be kept now.
        """
        self._say(workspace, event, self._unit(event.resource, event.outcome, bind), claims, completes=False)

    def _say(
        self, workspace: str, event: Event, unit: Unit | None, claims: Iterable[About], *, completes: bool
    ) -> None:
        if unit is None:
            self.keep(workspace, [event])
        else:
            also = frozenset((one.type, one.id) for one in map(self.resource, claims))
            unit.pending.say(Said(workspace=workspace, event=event, completes=completes, claims=also))

    def keep(self, workspace: str, events: list[Event]) -> None:
        """Keep events outside every transaction.

        Raises:
            InvalidSetting: There is no destination.
            StoreError: They cannot be kept now.
        """
        if self._destination is None:
            raise InvalidSetting(
                "The event belongs to no transaction and there is no destination for such events",
                "Make the capture with one: Capture.to(log), or Capture(..., destination=...)",
            )
        try:
            self._destination.take(workspace, events)
        except Exception:
            self.counts.add("failures")
            raise
        self.counts.add("independent", len(events))
        for watcher in self.watchers:
            watcher(None, [(workspace, event) for event in events])

    def spool(self, told: Iterable[tuple[str, Event]], faults: Mapping[str, str]) -> None:
        """Keep events outside their transaction, because its outbox fails.

        Args:
            told: Workspace and event, in order.
            faults: Id of an event → why the outbox would have set it aside.

        Raises:
            StoreError: One of them would have been set aside, or they cannot be kept now.
        """
        by_workspace: dict[str, list[Event]] = {}
        for workspace, event in told:
            if event.id in faults:
                raise StoreError(faults[event.id], "Without the outbox such an event cannot be set aside")
            by_workspace.setdefault(workspace, []).append(event)
        for workspace, events in by_workspace.items():
            self.keep(workspace, events)

    def action(self, name: str, resource: About | Callable[..., About] | None = None, **said: Any) -> Act:
        """Make of many rows one action: a decorator, or a manager for `with` and `async with`.

        Everything that is recorded inside has the id of the action as its `batch`. When it ends well, one entry is
        recorded in the transaction that is open then; when something is raised, one independent entry says that it
        failed and with what class of error.

        Args:
            name: `noun.verb`, past tense.
            resource: What it is about; of a decorated function also a function of its arguments.
            said: Further arguments of `record`.
        """
        return Act(self, name, resource, said)

    def impersonate(self, user: Actor, *, reason: Reason | str | None = None) -> Impersonation:
        """Act with somebody else's rights: the actor stays who really acts, `on_behalf_of` says with whose rights.

        Beginning and end are independent entries. It serves `with` and `async with`.

        Args:
            user: Whose rights are used.
            reason: Why.

        Raises:
            InvalidEvent: It is not known who acts.
        """
        return Impersonation(self, user, reason)

    # ------------------------------------------------------------------------------------------------ hooks

    def installed(self, hook: Hook) -> None:
        """Note a hook, so that its objects can be named and its transactions be found."""
        self._hooks.append(hook)

    def removed(self, hook: Hook) -> None:
        """Forget a hook."""
        self._hooks.remove(hook)

    def resource(self, about: About) -> Resource:
        """Name what an event is about.

        Raises:
            InvalidEvent: It is neither a resource, nor a type and id, nor an object that a hook knows.
        """
        match about:
            case Resource():
                return about
            case (str(type_), str(id_)):
                return Resource(type=type_, id=id_)
            case (str(type_), str(id_), None | str() as name):
                return Resource(type=type_, id=id_, name=name)
        for hook in self._hooks:
            if (found := hook.resource(about)) is not None:
                return found
        raise InvalidEvent(
            "/resource",
            f"a {type(about).__name__} cannot be named",
            "Pass (type, id), or an object of a model that is watched",
        )

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

    def status(self) -> CaptureStatus:
        """Return what capture did so far, in numbers."""
        return replace(self.counts.status(), unencodable=unencodable())

    def _unit(self, about: About, outcome: Outcome, bind: Bind) -> Unit | None:
        """Return the transaction that an event belongs to; None when it is independent."""
        if bind == "independent" or (bind == "auto" and outcome != "success"):
            return None
        if bind != "auto":
            for hook in self._hooks:
                if (unit := hook.unit(bind)) is not None:
                    return unit
            raise InvalidSetting(
                f"No hook watches this {type(bind).__name__}",
                "Install the hook of its library, or pass bind='independent'",
            )
        units = open_units()
        if len(units) > 1:
            units = [unit for unit in units if unit.owns(about)] or units
        if len(units) > 1:
            raise InvalidSetting(
                f"{len(units)} transactions are open here, and the event could belong to any of them",
                "Say which: bind=session, or bind='independent'",
            )
        return units[0] if units else None

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
