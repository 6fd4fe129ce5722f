"""A unit of work: one database transaction, and what happens in it is said in the same transaction.

Services get a `Work` and nothing else: the rows, the time, new ids and `record`. They never commit; whoever began the
work does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar, Unpack

from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from sendero import outgoing
from sendero.errors import Conflict, Missing
from sendero.ids import ulid
from sendero.installation import Installation
from sendero.tables import (
    Account,
    ApiKey,
    Campaign,
    Contact,
    Owned,
    Role,
    Segment,
    SsoConnection,
    Team,
    Template,
    User,
    Webhook,
    Workspace,
)
from whodid import Actor, Event, Resource
from whodid.capture import Told, context

__all__ = ["Work", "actor_of", "begin", "resource_of"]

_Row = TypeVar("_Row", bound=Owned)

_TYPES: Mapping[type, str] = {
    Account: "account",
    ApiKey: "api_key",
    Campaign: "campaign",
    Contact: "contact",
    Role: "role",
    Segment: "segment",
    SsoConnection: "sso",
    Team: "team",
    Template: "template",
    User: "user",
    Webhook: "webhook",
    Workspace: "workspace",
}


class Work:
    """What a service works with.

    Args:
        home: The installation.
        session: The open database transaction.
        workspace: Whose rows these are.
    """

    def __init__(self, home: Installation, session: Session, workspace: Workspace) -> None:
        self.home = home
        self.session = session
        self.workspace = workspace
        self._listeners: tuple[outgoing.Listener, ...] | None = None

    def now(self) -> datetime:
        """Return the present instant."""
        return self.home.clock()

    def new_id(self, prefix: str) -> str:
        """Return a new id."""
        return ulid(prefix, self.now(), self.home.entropy(10))

    @contextmanager
    def acting(self, **who: Any) -> Iterator[None]:
        """Act as somebody; see `whodid.capture.context`.

        What changes inside is written before it ends, so that it is told of whoever changed it.
        """
        with context(workspace=self.workspace.id, **who):
            yield
            self.session.flush()

    def get(self, table: type[_Row], key: str) -> _Row:
        """Return a row of this workspace by its id.

        Raises:
            Missing: There is none.
        """
        row: _Row | None = self.session.get(table, key)
        if row is None or row.workspace_id != self.workspace.id:
            raise Missing
        return row

    def find(self, type_: str, key: str) -> Any:
        """Return the row of a resource type with an id, or None when there is none."""
        for table, name in _TYPES.items():
            if name == type_ and issubclass(table, Owned):
                row = self.session.get(table, key)
                return row if row is not None and row.workspace_id == self.workspace.id else None
        return None

    def add(self, row: Any) -> None:
        """Insert a row now, so that it has passed the database's checks before anything is said of it."""
        self.session.add(row)
        self.session.flush()

    def touch(self, row: Owned | Workspace) -> None:
        """Write the changes of a row now.

        Raises:
            Conflict: Somebody else changed it since it was read.
        """
        row.updated_at = self.now()
        try:
            self.session.flush()
        except StaleDataError:
            raise Conflict(
                "Somebody else changed this in the meantime. Look at it again and repeat your change."
            ) from None

    def record(self, action: str, resource: Resource, *, claims: Iterable[Resource] = (), **told: Unpack[Told]) -> str:
        """Say what happened, in this transaction.

        A row that changes without anything being said of it is told by itself.

        Args:
            claims: What else changes by this act, besides `resource`: it needs no entry of its own.
            told: What else is known; see `whodid.capture.Told`.

        Returns:
            The id of the event.
        """
        event = self.home.capture.event(action, resource, workspace=self.workspace.id, **told)
        self.home.capture.say(self.workspace.id, event, claims=claims, bind=self.session)
        if event.outcome == "success" and action in outgoing.EVENTS:
            self._tell(event)
        return event.id

    def _tell(self, event: Event) -> None:
        """Let the webhooks know that asked for it; who they are is looked up once."""
        if self._listeners is None:
            self._listeners = outgoing.listeners(self.session, self.workspace.id)
        asking = [listener for listener in self._listeners if event.action in listener.events]
        if asking:
            body = outgoing.body_of(event, self.workspace.id)
            self.session.execute(*outgoing.queue(asking, event.action, body, self.now(), self.new_id))


@contextmanager
def begin(home: Installation, workspace: Workspace | None = None) -> Iterator[Work]:
    """Begin a unit of work and commit it, or roll everything back when something is raised.

    Args:
        workspace: Whose; the only one of the installation when not given.
    """
    with home.sessions.begin() as session:
        whose = session.query(Workspace).one() if workspace is None else workspace
        yield Work(home, session, whose)


def resource_of(row: Any) -> Resource:
    """Name a row as it is called now."""
    return Resource(type=_TYPES[type(row)], id=row.id, name=row.name)


def actor_of(user: User) -> Actor:
    """Name a person as they are now."""
    return Actor(type="user", id=user.id, name=user.name, email=user.email, role=user.role.name)
