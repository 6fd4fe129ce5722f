"""Who acts, where and why: what every event of a request, job or command has in common.

One `ContextVar` holds the innermost `Scope`. `context(...)` opens a scope inside it and leaving restores the outer one
exactly, whatever happened in between. A scope is a mutable cell: code that runs in a *copy* of the context (a thread
pool, a synchronous dependency) may `bind` the actor into it, and the rest of the request sees it. A scope that ended is
sealed: whoever still holds it reads the right actor and can no longer change it.

Nothing here guesses. Without a scope there is no actor, and building an event says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Executor as FuturesExecutor
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from inspect import iscoroutinefunction
from types import TracebackType
from typing import Any, ParamSpec, TypedDict, TypeVar, Unpack, cast
from weakref import WeakSet

from whodid.errors import InvalidSetting
from whodid.model import Actor, Context, Reason, Source

__all__ = ["Executor", "Scope", "Setting", "bind", "context", "current", "entered", "wrap"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_scope: ContextVar[Scope | None] = ContextVar("whodid_scope", default=None)
_asking: ContextVar[tuple[Callable[[], Any], ...]] = ContextVar("whodid_asking", default=())


class Setting(TypedDict, total=False):
    """What a scope can carry.

    `actor` and `workspace` say who and where to record, or are functions that find it out: asked when an event needs
    it, until they answer. `reason`, `cause` and `batch` are given to every event that names none itself, `action` is
    the id of the action under way; `route`, the method and template of a request's route, and `details` stand among the
    details of every event. The others are the fields of `whodid.model.Context`. None is the same as not given.
    """

    actor: Actor | Callable[[], Actor | None] | None
    workspace: str | Callable[[], str | None] | None
    action: str | None
    route: str | Callable[[], str | None] | None
    details: Mapping[str, Any] | None
    reason: Reason | None
    cause: str | None
    batch: str | None
    source: Source | None
    ip: str | None
    forwarded_ip: str | None
    user_agent: str | None
    country: str | None
    city: str | None
    request: str | None
    session: str | None


_CONTEXT_FIELDS = Context.__struct_fields__


class Scope:
    """The values of one `context`, and of those around it where it has none of its own."""

    __slots__ = ("_changes", "_context", "_own", "afterwards", "parent", "sealed", "units")

    def __init__(self, parent: Scope | None, own: Setting) -> None:
        self.parent = parent
        self.sealed = False
        # Opened under a scope that had ended: by a background task, which goes on under that one afterwards.
        self.afterwards = parent is not None and parent.sealed
        self._changes = 0
        self._context: tuple[Context | None, int] | None = None
        # Transactions that are open in here, noted in the outermost scope (`whodid.capture.units`). Weak: a session
        # that was dropped without being closed must not stay open for ever.
        self.units: WeakSet[Any] = WeakSet()
        self._own: dict[str, Any] = {name: value for name, value in own.items() if value is not None}

    def get(self, name: str) -> Any:
        """Return the value of the innermost scope that has one, or None."""
        scope: Scope | None = self
        while scope is not None:
            own = scope._own  # noqa: SLF001 - the parent is a scope too
            if name in own:
                value = own[name]
                if not callable(value):
                    return value
                if (found := _asked(own, name, value)) is not None:
                    return found
            scope = scope.parent
        return None

    def nearest(self, *names: str) -> Any:
        """Return the value of the innermost scope that has one of the names, the first of them first; or None."""
        scope: Scope | None = self
        while scope is not None:
            for name in names:
                if name in scope._own:  # noqa: SLF001
                    return scope.get(name)
            scope = scope.parent
        return None

    @property
    def outermost(self) -> Scope:
        """The scope of the whole request, job or command."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope

    @property
    def actor(self) -> Actor | None:
        """Who acts."""
        actor: Actor | None = self.get("actor")
        return actor

    @property
    def workspace(self) -> str | None:
        """In which workspace."""
        workspace: str | None = self.get("workspace")
        return workspace

    @property
    def context(self) -> Context | None:
        """Where it comes from, or None when nothing is known of it.

        What is done under a scope that has ended is done in the background: its source is `job`.
        """
        version = self.version()
        if self._context is None or self._context[1] != version:
            self._context = self.origin(background=self.sealed), version
        return self._context[0]

    def origin(self, *, background: bool) -> Context | None:
        """Return where something came from that was done under this scope, or in the background after its end."""
        known = {name: value for name in _CONTEXT_FIELDS if (value := self.get(name)) is not None}
        if background:
            known["source"] = "job"
        return Context(**known) if known else None

    def around(self, details: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return details with those that every event in here has; what is given comes first."""
        route, own = self.get("route"), self.get("details")
        if route is None and own is None:
            return details
        return {**({} if route is None else {"route": route}), **(own or {}), **(details or {})}

    def version(self) -> int:
        """Return a number that grows with every change to this scope or one around it; scopes never move."""
        number, scope = 0, self
        while True:
            number += scope._changes + scope.sealed
            if scope.parent is None:
                return number
            scope = scope.parent

    def bind(self, **values: Unpack[Setting]) -> None:
        """Set values of this scope; everybody who holds it sees them.

        Raises:
            InvalidSetting: The scope has ended.
        """
        if self.sealed:
            raise InvalidSetting(
                "The scope has ended and can no longer be changed",
                "Open a scope of its own for work that outlives the request: with context(...)",
            )
        self._own.update({name: value for name, value in values.items() if value is not None})
        self._changes += 1


def _asked(own: dict[str, Any], name: str, ask: Callable[[], Any]) -> Any:
    """Ask for a value, and keep the answer; whoever is asked and asks back gets what stands further out."""
    asking = _asking.get()
    if ask in asking:
        return None
    token = _asking.set((*asking, ask))
    try:
        found = ask()
    finally:
        _asking.reset(token)
    if own.get(name) is not ask:  # bound meanwhile
        return own.get(name)
    if found is not None:
        own[name] = found
    return found


class context:  # noqa: N801 - it is used as a statement: with context(...)
    """Open a scope; leaving it restores the outer values exactly.

    A value that is None or not given is that of the outer scope.

    Example::

        with context(actor=Actor(type="user", id="usr_1", name="Aisha Khan"), workspace="wsp_1", source="web"):
            ...
    """

    def __init__(self, **values: Unpack[Setting]) -> None:
        self._values = values
        self._scope: Scope | None = None

    def __enter__(self) -> Scope:
        self._scope = Scope(_scope.get(), self._values)
        _scope.set(self._scope)
        return self._scope

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._scope is not None:
            self._scope.sealed = True
        # Not a token: a generator may be closed in another context than it was entered in, and scopes may be left out
        # of order. The innermost scope that is still open is the right one in each of these cases.
        scope = _scope.get()
        while scope is not None and scope.sealed:
            ended, scope = scope, scope.parent
            if ended.afterwards:
                break
        _scope.set(scope)


def current() -> Scope | None:
    """Return the innermost scope, or None outside every `context`."""
    return _scope.get()


def bind(**values: Unpack[Setting]) -> None:
    """Set values of the innermost scope: the actor once the sign-in is known, for example.

    Raises:
        InvalidSetting: There is no scope, or it has ended.
    """
    scope = _scope.get()
    if scope is None:
        raise InvalidSetting("There is no scope to bind to", "Open one around the request or job: with context(...)")
    scope.bind(**values)


@contextmanager
def entered(scope: Scope | None) -> Iterator[None]:
    """Work under a scope that was opened elsewhere; leaving restores the one before, and ends neither."""
    before = _scope.get()
    _scope.set(scope)
    try:
        yield
    finally:
        _scope.set(before)


def wrap(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return a function that works under the present scope, in whatever thread it is called.

    Args:
        function: What another thread or task shall do; a coroutine function too.
    """
    scope = _scope.get()
    if iscoroutinefunction(function):

        @wraps(function)
        async def awaited(*args: _P.args, **kwargs: _P.kwargs) -> Any:
            with entered(scope):
                return await cast("Awaitable[Any]", function(*args, **kwargs))

        return cast("Callable[_P, _R]", awaited)

    @wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with entered(scope):
            return function(*args, **kwargs)

    return wrapped


class Executor(FuturesExecutor):
    """Hands every call over to another executor, under the scope of whoever submits it.

    Args:
        pool: Does the work, in threads of this process.
    """

    def __init__(self, pool: FuturesExecutor) -> None:
        self._pool = pool

    def submit(self, fn: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        """Submit a call; see `concurrent.futures.Executor.submit`."""
        return self._pool.submit(wrap(fn), *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as promised
        """End the other executor; see `concurrent.futures.Executor.shutdown`."""
        self._pool.shutdown(wait, cancel_futures=cancel_futures)
