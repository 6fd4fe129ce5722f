"""One transaction of a session: what is to be said of it, and on which connections it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from weakref import ref

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.orm import Session, object_session
from sqlalchemy.orm.exc import UnmappedInstanceError
from sqlalchemy.orm.session import SessionTransaction

from whodid.capture.context import Scope, current
from whodid.capture.describe import Describer
from whodid.capture.pending import Pending, Row, Said
from whodid.capture.sqlalchemy.plan import Plan
from whodid.errors import StoreUnavailable
from whodid.model import Event

if TYPE_CHECKING:
    from whodid.capture.sqlalchemy.hook import SessionHook

__all__ = ["Now", "SessionUnit"]


class Now(Struct):
    """When and by whom the rows of one flush or statement are written."""

    at: datetime
    scope: Scope | None
    workspace: str | None


class _Notes(Pending):
    """Notes that are written at once when the commit has begun: nobody would come back for them."""

    def __init__(self, unit: SessionUnit) -> None:
        super().__init__()
        self._unit = ref(unit)

    def say(self, said: Said) -> None:
        super().say(said)
        unit = self._unit()
        if unit is not None and unit.committing:
            unit.write()


class SessionUnit:
    """The transaction of one session.

    Attributes:
        known: Values before, by state and attribute, that the flush under way could not have told otherwise.
        computing: Attributes, by state, of which the flush lets the database make the value.
        committing: Whether the outermost commit has begun.
        released: The savepoint that was kept, between its release and its end.
        kept: Whether the transaction was committed.
        undone: What is to be called when it is not.
        claimed: How many statements are under way that somebody takes care of.
        lost: Children that the database itself may delete in the flush under way.
    """

    def __init__(self, hook: SessionHook, session: Session) -> None:
        self._hook = hook
        self._session = ref(session)
        self.pending: Pending = _Notes(self)
        self.known: dict[Any, dict[str, Any]] = {}
        self.computing: dict[Any, set[str]] = {}
        self.lost: list[Any] = []
        self.committing = False
        self.released: SessionTransaction | None = None
        self.kept = False
        self.undone: list[Callable[[], None]] = []
        self.claimed = 0

    @property
    def session(self) -> Session:
        """The session; whoever works with the unit holds it."""
        session = self._session()
        if session is None:
            raise AssertionError("the session of the unit is gone")
        return session

    def owns(self, subject: object) -> bool:
        """Tell whether an object is in this session."""
        try:
            return object_session(subject) is self._session()
        except UnmappedInstanceError:
            return False

    def end(self) -> None:
        """Begin afresh: the transaction is over."""
        if not self.kept:
            for undo in self.undone:
                undo()
        self.undone.clear()
        self.kept = self.committing = False
        self.claimed = 0

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Take care of the statements that are run inside."""
        self.claimed += 1
        try:
            yield
        finally:
            self.claimed -= 1

    def now(self) -> Now:
        """Return who acts here now, and when that is."""
        capture, scope = self._hook.capture, current()
        return Now(capture.clock(), scope, capture.known_workspace(scope=scope))

    def connection(self, plan: Plan) -> sa.Connection:
        """Return the connection that writes the rows of a mapper."""
        return self.session.connection(bind_arguments={"mapper": plan.mapper, "clause": self._hook.writing})

    def note(
        self,
        plan: Plan,
        identity: tuple[Any, ...],
        values: Any,
        now: Now,
        place: sa.Connection,
        *,
        before: dict[str, Any] | None,
        after: dict[str, Any] | None,
    ) -> Row:
        """Note what happened to a row.

        Args:
            values: Its loaded columns by attribute, for its name, owner and workspace.
        """
        said = plan.said
        row = Row(
            resource=plan.resource(identity, values),
            workspace=now.workspace if said.workspace is None else plan.workspace(values) or now.workspace,
            before=before,
            after=after,
            scope=now.scope,
            at=now.at,
            related=() if said.owner is None else plan.owner(values),
            shape=plan.shape,
            place=place,
        )
        self.pending.row(row)
        return row

    def write(self) -> None:
        """Write the events of what is noted outside every savepoint.

        Raises:
            InvalidEvent: One of them is refused; the transaction must be rolled back.
            StoreUnavailable: They cannot be written; the same.
        """
        if self._hook.teller is not None and (spoken := self.pending.hand_over(self._hook.speaks)):
            self._hook.outbox.say(self._default_place(), spoken)
            self._hook.outbox.wrote(self.session)
            self._hook.watched(self, [(one.workspace, one.event) for one in spoken])
        describer = Describer(self._hook.capture)
        told = self.pending.take(describer.describe, describer.compare)
        if not told:
            return
        places: dict[int, tuple[sa.Connection, list[tuple[str, Event]]]] = {}
        for one in told:
            place = describer.places.get(one[1].id) or self._default_place()
            places.setdefault(id(place), (place, []))[1].append(one)
        for place, some in places.values():
            self._put(place, some, describer.faults)

    def _put(self, place: sa.Connection, told: list[tuple[str, Event]], faults: dict[str, str]) -> None:
        hook = self._hook
        try:
            if hook.on_failure == "spool":
                with place.begin_nested():
                    hook.outbox.put(place, told, faults)
            else:
                hook.outbox.put(place, told, faults)
            hook.outbox.wrote(self.session)
        except StoreUnavailable:
            hook.capture.counts.add("failures")
            if hook.on_failure != "spool":
                raise
            hook.capture.spool(told, faults)
        hook.watched(self, told)

    def _default_place(self) -> sa.Connection:
        """Return the connection for what was said without a row."""
        session = self.session
        try:
            # An update of the outbox: whoever routes reading elsewhere knows by it that something is written.
            return session.connection(bind_arguments={"clause": self._hook.writing})
        except UnboundExecutionError:
            return session.connection(bind_arguments={"bind": self._hook.outbox.engine})
