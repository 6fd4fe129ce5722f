"""Saying what happened: events kept where they belong, in a transaction, or by themselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol, Self, Unpack

from msgspec.structs import replace

from whodid.capture.action import Act, Impersonation
from whodid.capture.builder import Builder
from whodid.capture.counts import CaptureStatus
from whodid.capture.destination import Destination, Direct
from whodid.capture.events import About, keyed_id
from whodid.capture.hooks import Bind, Hook, Hooks
from whodid.capture.pending import Said
from whodid.capture.relay import Recorder
from whodid.capture.told import Told, check
from whodid.capture.units import Unit
from whodid.capture.values import unencodable
from whodid.catalog import Catalog
from whodid.errors import InvalidSetting, StoreError
from whodid.model import Actor, Event, Reason, Resource

__all__ = ["Capture"]


class _Home(Protocol):
    """What events go to, as far as building them needs it."""

    @property
    def catalog(self) -> Catalog: ...

    def fingerprint(self, workspace: str, value: bytes, /) -> str: ...


class _Log(_Home, Recorder, Protocol):
    """A log."""


class _Client(_Home, Destination, Protocol):
    """A client, which keeps events by itself."""


class Capture(Builder):
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
        super().__init__(catalog, fingerprint, workspace=workspace, strict=strict, clock=clock, entropy=entropy)
        self._destination = destination
        self._hooks = Hooks()

    @classmethod
    def to(cls, log: _Log | _Client, **settings: Any) -> Self:
        """Make a capture whose independent events go straight to a log, or into the spool of a client.

        Args:
            log: The log (`whodid.open`) or the client (`whodid.connect`); its catalog and its fingerprints are used.
            settings: As of the constructor.
        """
        destination = Direct(log) if isinstance(log, Recorder) else log
        return cls(log.catalog, log.fingerprint, destination=destination, **settings)

    # ------------------------------------------------------------------------------------------------ recording

    def record(
        self,
        action: str,
        resource: About,
        *,
        workspace: str | None = None,
        key: str | None = None,
        id: str | None = None,
        claims: Iterable[About] = (),
        bind: Bind = "auto",
        **told: Unpack[Told],
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
            told: What else is known; see `Told`.

        Returns:
            The id of the event.

        Raises:
            InvalidEvent: Nobody is said to have done it, or it is not known in which workspace.
            InvalidSetting: Several transactions are open here, or none is and there is no destination.
            StoreError: It is independent and cannot be kept now.
        """
        check(told, "record")
        whose = self.workspace(workspace)
        made = id or (keyed_id(whose, action, key) if key is not None else None)
        event = self._built(action, self.resource(resource), told, workspace=whose, made=made)
        completes = told.get("changes") is None and told.get("before") is None and told.get("after") is None
        self._say(whose, event, self._hooks.unit(resource, event.outcome, bind), claims, completes=completes)
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
        self._say(workspace, event, self._hooks.unit(event.resource, event.outcome, bind), claims, completes=False)

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
        self._hooks.add(hook)

    def removed(self, hook: Hook) -> None:
        """Forget a hook."""
        self._hooks.remove(hook)

    def resource(self, about: About) -> Resource:
        """Name what an event is about; see `Hooks.resource`."""
        return self._hooks.resource(about)

    def status(self) -> CaptureStatus:
        """Return what capture did so far, in numbers."""
        return replace(self.counts.status(), unencodable=unencodable())
