"""One action that touches many rows, and acting with somebody else's rights."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from whodid.capture.context import Scope, context, current, entered
from whodid.capture.events import About
from whodid.errors import InvalidEvent, InvalidSetting
from whodid.model import Actor, Reason, Resource

if TYPE_CHECKING:
    from whodid.capture.capture import Capture

__all__ = ["Act", "Impersonation"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Act:
    """An action under way; see `Capture.action`.

    Args:
        id: Of the entry that will tell of it, and the `batch` of everything inside.
        details: What the caller adds on the way.
    """

    def __init__(
        self, capture: Capture, name: str, about: About | Callable[..., About] | None, said: Mapping[str, Any]
    ) -> None:
        self._capture = capture
        self._name = name
        self._about = about
        self._said = dict(said)
        self._scope: context | None = None
        self.id = capture.new_id()
        self.details: dict[str, Any] = dict(self._said.pop("details", None) or {})

    def __enter__(self) -> Self:
        if self._scope is not None:
            raise InvalidSetting(f"The action {self._name} is under way already", "Make a new one for each time")
        self._scope = context(batch=self.id)
        self._scope.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._scope is None:
            raise AssertionError("left without having been entered")
        try:
            if error is None:
                self._end()
            elif not isinstance(error, GeneratorExit):
                self.details["error"] = type(error).__name__
                self._end(outcome="failed", bind="independent")
        finally:
            self._scope.__exit__(kind, error, traceback)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: _Function) -> _Function:
        """Decorate a function, coroutine function, generator or asynchronous generator; each call is one action."""
        made = _decorated(self, function)
        return wraps(function)(made)  # type: ignore[return-value]  # it takes and returns what the function does

    def of(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Act:
        """Return the action of one call of a decorated function."""
        about = self._about
        if inspect.isfunction(about) or inspect.ismethod(about):
            about = about(*args, **kwargs)
        elif about is None:
            about = ("function", f"{function.__module__}.{function.__qualname__}")
        return Act(self._capture, self._name, about, {**self._said, "details": self.details})

    def _end(self, **ending: Any) -> None:
        if self._about is None:
            raise InvalidEvent("/resource", "the action is about nothing", "Say what: action(name, (type, id))")
        self._capture.record(
            self._name, self._about, id=self.id, details=self.details or None, **{**self._said, **ending}
        )


def _decorated(act: Act, function: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(function):

        async def stepping(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            one, steps = act.of(function, args, kwargs), function(*args, **kwargs)
            with _between(one) as inside:
                while True:
                    with entered(inside):
                        try:
                            item = await anext(steps)
                        except StopAsyncIteration:
                            return
                    yield item

        return stepping
    if inspect.isgeneratorfunction(function):

        def stepped(*args: Any, **kwargs: Any) -> Generator[Any, None, Any]:
            one, steps = act.of(function, args, kwargs), function(*args, **kwargs)
            with _between(one) as inside:
                while True:
                    with entered(inside):
                        try:
                            item = next(steps)
                        except StopIteration as end:
                            return end.value
                    yield item

        return stepped
    if inspect.iscoroutinefunction(function):

        async def awaited(*args: Any, **kwargs: Any) -> Any:
            async with act.of(function, args, kwargs):
                return await function(*args, **kwargs)

        return awaited

    def called(*args: Any, **kwargs: Any) -> Any:
        with act.of(function, args, kwargs):
            return function(*args, **kwargs)

    return called


class _between:  # noqa: N801 - it is used as a statement
    """Keep an action under way over the steps of a generator, and its scope out of the caller's code between them."""

    def __init__(self, act: Act) -> None:
        self._act = act

    def __enter__(self) -> Scope | None:
        outside = current()
        self._act.__enter__()
        inside = current()
        self._restore = entered(outside)
        self._restore.__enter__()
        self._inside = inside
        return inside

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with entered(self._inside):
            self._act.__exit__(kind, error, traceback)


class Impersonation:
    """Somebody acts with another one's rights; see `Capture.impersonate`."""

    def __init__(self, capture: Capture, user: Actor, reason: Reason | str | None) -> None:
        self._capture = capture
        self._user = user
        self._reason = reason
        self._scope: context | None = None

    def __enter__(self) -> Scope:
        scope = current()
        actor = scope.actor if scope is not None else None
        if actor is None:
            raise InvalidEvent("/actor", "it is not known who acts", "Open a scope first: context(actor=...)")
        self._began = self._capture.clock()
        self._say("auth.impersonation_started")
        self._scope = context(actor=msgspec.structs.replace(actor, on_behalf_of=self._user))
        return self._scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._scope is None:
            raise AssertionError("left without having been entered")
        self._scope.__exit__(kind, error, traceback)
        seconds = int((self._capture.clock() - self._began).total_seconds())
        self._say("auth.impersonation_ended", details={"seconds": seconds})

    async def __aenter__(self) -> Scope:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _say(self, action: str, **more: Any) -> None:
        about = Resource(type="user", id=self._user.id, name=self._user.name)
        self._capture.record(action, about, reason=self._reason, bind="independent", **more)
