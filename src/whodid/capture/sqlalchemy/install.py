"""Watching the sessions of a sessionmaker, and stopping to."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Literal
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from whodid.capture.capture import Capture
from whodid.capture.off import off
from whodid.capture.outbox import Outbox
from whodid.capture.sqlalchemy.asynchronous import is_async
from whodid.capture.sqlalchemy.hook import SessionHook
from whodid.capture.sqlalchemy.legacy import legacy_methods
from whodid.capture.sqlalchemy.net import Policy
from whodid.capture.triggers import Script, Table
from whodid.errors import InvalidSetting
from whodid.model import Reason

__all__ = ["Handle", "install", "installed"]

_handles: WeakKeyDictionary[Any, Handle] = WeakKeyDictionary()

Settings = tuple[Any, ...]


class Handle:
    """An installed hook; see `install`.

    Attributes:
        outbox: Where the events are written; give it to the relay.
        removed: Whether it was removed.
    """

    def __init__(self, hook: SessionHook, settings: Settings, undo: list[Callable[[], None]]) -> None:
        self.hook = hook
        self.outbox = hook.outbox
        self._settings = settings
        self._undo = undo
        self.removed = False

    def off(self, *, reason: Reason | str) -> off:
        """Leave the changes made inside unrecorded, and record that; see `whodid.capture.off.off`."""
        return off(self.hook.capture, reason=reason)

    def triggers(self) -> Script:
        """Return the SQL of the triggers that tell of what was given as `triggers` to `install`."""
        return self.hook.script()

    def tell(self, connection: sa.Connection) -> None:
        """Tell the database who acts, before something is written that SQLAlchemy does not see; see `Teller.tell`."""
        if self.hook.teller is not None:
            self.hook.teller.tell(connection)

    def remove(self) -> None:
        """Stop watching; nothing of the hook is left. Doing it again does nothing."""
        if not self.removed:
            self.removed = True
            for undo in reversed(self._undo):
                undo()

    def same(self, settings: Settings) -> bool:
        """Tell whether the hook is installed, and with these settings."""
        return not self.removed and self._settings == settings


def install(
    sessions: Any,
    capture: Capture,
    outbox: Outbox | None = None,
    *,
    models: Collection[type] | Literal["all"] = "all",
    exclude: Collection[type] = (),
    unclaimed: Policy = "record",
    row_limit: int = 1000,
    hold: int = 1000,
    on_failure: Literal["raise", "spool"] = "raise",
    triggers: Collection[type | Table] | Literal["all"] = (),
) -> Handle:
    """Record what the sessions of an application change.

    Installing again with the same arguments changes nothing; with others, the new ones take the place of the old.

    Args:
        sessions: A `sessionmaker` or `async_sessionmaker`, a scoped session, or a class of sessions.
        capture: What events are made with.
        outbox: Where they are written; without one, the table `whodid_outbox` of the sessions' database, which
            `handle.outbox.create()` makes if it is missing.
        models: The classes to watch, with their subclasses.
        exclude: Classes not to watch, with their subclasses.
        unclaimed: What to do when a statement changes a watched table past the session: `warn` logs it, `record`
            makes one entry with the actor and the statement's shape, `raise` refuses it before it runs.
        row_limit: Most rows of one statement that are told one by one; above it there is one entry with the count.
        hold: Most changes that a transaction holds before it writes their events.
        on_failure: `raise` fails the commit when the outbox fails; `spool` gives the events to the capture's
            destination then.
        triggers: Classes, with their subclasses, that triggers of PostgreSQL tell of, and not the hook; also tables
            that no class has (`whodid.capture.triggers.table`). `handle.triggers()` returns the SQL to install.

    Returns:
        A handle; `handle.remove()` stops it.

    Raises:
        InvalidSetting: It cannot be installed there, there is no database to make an outbox for, or triggers are to
            tell of changes and it is not PostgreSQL.
    """
    owner, class_, engines, prepared = _watched(sessions)
    settings: Settings = (capture, outbox, models if models == "all" else tuple(models), tuple(exclude))
    settings += (unclaimed, row_limit, hold, on_failure, triggers if triggers == "all" else tuple(triggers))
    former = _handles.get(owner)
    if former is not None:
        if former.same(settings):
            return former
        former.remove()
        owner, class_, engines, prepared = _watched(sessions)
    if unclaimed not in ("warn", "record", "raise"):
        raise InvalidSetting(f"unclaimed={unclaimed!r} is not a policy", "Use 'warn', 'record' or 'raise'")
    if on_failure not in ("raise", "spool"):
        raise InvalidSetting(f"on_failure={on_failure!r} is not a policy", "Use 'raise' or 'spool'")
    if outbox is None:
        if not engines:
            raise InvalidSetting(
                "The sessions are bound to no database, so that no outbox can be made for them",
                "Pass outbox=Outbox(engine)",
            )
        outbox = Outbox(engines[0], capture=capture)
    hook = SessionHook(
        capture,
        outbox,
        models=models,
        exclude=exclude,
        unclaimed=unclaimed,
        row_limit=row_limit,
        hold=hold,
        on_failure=on_failure,
        triggers=triggers,
    )
    undo = [*prepared, hook.unwatch, *_listen(hook, class_), legacy_methods(hook, class_)]
    capture.installed(hook)
    undo.append(lambda: capture.removed(hook))
    # A handle knows whose it is, so the entry would keep its own key, and with it all that was captured with.
    undo.append(partial(_forget, owner))
    try:
        for engine in engines:
            hook.binds(engine)
    except InvalidSetting:
        for step in reversed(undo):
            step()
        raise
    handle = _handles[owner] = Handle(hook, settings, undo)
    return handle


def _forget(owner: Any) -> None:
    _handles.pop(owner, None)


def installed(sessions: Any) -> Handle | None:
    """Return the handle of what was installed on a sessionmaker; None when it is not watched."""
    if isinstance(sessions, scoped_session) or is_async(sessions, "async_scoped_session"):
        sessions = sessions.session_factory
    handle = _handles.get(sessions)
    return None if handle is None or handle.removed else handle


def _listen(hook: SessionHook, class_: type[Session]) -> list[Callable[[], None]]:
    listeners: dict[str, Callable[..., Any]] = {
        "after_transaction_create": hook.began,
        "after_begin": hook.connected,
        "after_transaction_end": hook.ended,
        "after_commit": hook.committed,
        "before_commit": hook.committing,
        "before_flush": hook.flushing,
        "after_flush": hook.flushed,
        "do_orm_execute": hook.executing,
    }
    undo: list[Callable[[], None]] = []
    for name, listener in listeners.items():
        event.listen(class_, name, listener)
        undo.append(lambda name=name, listener=listener: event.remove(class_, name, listener))  # type: ignore[misc]
    return undo


def _watched(sessions: Any) -> tuple[Any, type[Session], list[sa.Engine], list[Callable[[], None]]]:
    """Return what stands for the sessions, their class, their databases, and what undoes the preparations."""
    if isinstance(sessions, scoped_session) or is_async(sessions, "async_scoped_session"):
        sessions = sessions.session_factory
    if isinstance(sessions, sessionmaker):
        return sessions, sessions.class_, _engines(sessions.kw), []
    if is_async(sessions, "async_sessionmaker"):
        return sessions, *_async(sessions)
    if isinstance(sessions, type) and issubclass(sessions, Session) and sessions is not Session:
        return sessions, sessions, [], []
    raise InvalidSetting(
        f"Sessions cannot be watched through {sessions!r}",
        "Pass the sessionmaker or async_sessionmaker that the application makes its sessions with",
    )


def _async(sessions: Any) -> tuple[type[Session], list[sa.Engine], list[Callable[[], None]]]:
    """Give the sessions of an asynchronous maker a class of their own: the default one is everybody's."""
    former = sessions.kw.get("sync_session_class")
    base = former or sessions.class_.sync_session_class
    class_ = type(base.__name__, (base,), {"__doc__": base.__doc__})
    sessions.kw["sync_session_class"] = class_

    def restore() -> None:
        if former is None:
            sessions.kw.pop("sync_session_class", None)
        else:
            sessions.kw["sync_session_class"] = former

    return class_, _engines(sessions.kw), [restore]


def _engines(kw: dict[str, Any]) -> list[sa.Engine]:
    """Return the databases that sessions are bound to."""
    found: list[sa.Engine] = []
    for bind in (kw.get("bind"), *(kw.get("binds") or {}).values()):
        engine = bind.sync_engine if is_async(bind, "AsyncEngine") else getattr(bind, "engine", None)
        if isinstance(engine, sa.Engine) and engine not in found:
            found.append(engine)
    return found
