"""One action that touches many rows, and acting with somebody else's rights."""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial, wraps
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

_LONGEST_ID = 200

_log = logging.getLogger("whodid.capture")


class Act:
    """An action under way; see `Capture.action`.

    Args:
        id: Of the entry that will tell of it, and the `batch` of everything inside.
        resource: What it is about; may be said on the way, when it is not known before.
        details: What the caller adds on the way.
    """

    def __init__(
        self, capture: Capture, name: str, about: About | Callable[..., About] | None, said: Mapping[str, Any]
    ) -> None:
        self._capture = capture
        self._name = name
        self.resource = about
        self._said = dict(said)
        self._scope: context | None = None
        self._outer: str | None = None
        self.id = capture.new_id()
        self.details: dict[str, Any] = dict(self._said.pop("details", None) or {})

    def __enter__(self) -> Self:
        if self._scope is not None:
            raise InvalidSetting(f"The action {self._name} is under way already", "Make a new one for each time")
        outside = current()
        self._outer = outside.nearest("cause", "action") if outside is not None else None
        self._scope = context(batch=self.id, action=self.id)
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
            elif isinstance(error, GeneratorExit):
                # Nobody asked for the rest. What was done until then was done.
                self.details["ended"] = "early"
                self._end()
            else:
                self.details["error"] = type(error).__name__
                self._fail(error)
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
        about = self.resource
        if inspect.isroutine(about) or isinstance(about, partial):
            about = about(*args, **kwargs)
        elif about is None:
            about = ("function", f"{function.__module__}.{function.__qualname__}"[-_LONGEST_ID:])
        return Act(self._capture, self._name, about, {**self._said, "details": self.details})

    def _end(self, **ending: Any) -> None:
        if self.resource is None:
            raise InvalidEvent("/resource", "the action is about nothing", "Say what: action(name, (type, id))")
        said = {"cause": self._outer, **self._said, **ending}
        self._capture.record(self._name, self.resource, id=self.id, details=self.details or None, **said)

    def _fail(self, error: BaseException) -> None:
        """Record that it failed; what made it fail goes on to the caller, even when that cannot be recorded."""
        try:
            self._end(outcome="failed", bind="independent")
        except Exception as fault:  # noqa: BLE001 - the caller's own error is the one to see
            self._capture.counts.add("lost")
            _log.error("the failure of %s could not be recorded: %s", self._name, type(fault).__name__)
            error.add_note(f"whodid: the failure of {self._name} could not be recorded: {type(fault).__name__}")


def _decorated(act: Act, function: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(function):

        async def stepping(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            with _Steps(act.of(function, args, kwargs)) as inside:
                steps = function(*args, **kwargs)
                step, given = steps.asend, None
                while True:
                    with inside.step():
                        try:
                            item = await step(given)
                        except StopAsyncIteration:
                            return
                    try:
                        step, given = steps.asend, (yield item)
                    except GeneratorExit:
                        with inside.step():
                            await steps.aclose()
                        raise
                    except BaseException as error:  # noqa: BLE001 - it is the generator's to handle
                        step, given = steps.athrow, error

        return stepping
    if inspect.isgeneratorfunction(function):

        def stepped(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with _Steps(act.of(function, args, kwargs)) as inside:
                steps = function(*args, **kwargs)
                step, given = steps.send, None
                while True:
                    with inside.step():
                        try:
                            item = step(given)
                        except StopIteration as end:
                            return end.value
                    try:
                        step, given = steps.send, (yield item)
                    except GeneratorExit:
                        with inside.step():
                            steps.close()
                        raise
                    except BaseException as error:  # noqa: BLE001 - it is the generator's to handle
                        step, given = steps.throw, error

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


class _Steps:
    """Keeps an action under way over the steps of a generator, and its scopes out of the caller's code between them."""

    def __init__(self, act: Act) -> None:
        self._act = act
        self._scope: Scope | None = None

    def __enter__(self) -> Self:
        with entered(current()):
            self._act.__enter__()
            self._scope = current()
        return self

    @contextmanager
    def step(self) -> Iterator[None]:
        """Work under the scopes of the generator: also those that it opened itself and has not left."""
        with entered(self._scope):
            try:
                yield
            finally:
                self._scope = current()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self.step():
            self._act.__exit__(kind, error, traceback)


class Impersonation:
    """Somebody acts with another one's rights; see `Capture.impersonate`."""

    def __init__(self, capture: Capture, user: Actor, reason: Reason | str | None) -> None:
        self._capture = capture
        self._user = user
        self._reason = reason
        self._scope: context | None = None

    def __enter__(self) -> Scope:
        if self._scope is not None:
            raise InvalidSetting("This impersonation has begun already", "Make a new one for each time")
        scope = current()
        actor = scope.actor if scope is not None else None
        if actor is None:
            raise InvalidEvent("/actor", "it is not known who acts", "Open a scope first: context(actor=...)")
        self._began = self._capture.clock()
        self._started = self._say("auth.impersonation_started")
        self._scope = context(actor=msgspec.structs.replace(actor, on_behalf_of=self._user))
        return self._scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._scope is None:
            raise AssertionError("left without having been entered")
        self._scope.__exit__(kind, error, traceback)
        seconds = int((self._capture.clock() - self._began).total_seconds())
        try:
            self._say("auth.impersonation_ended", cause=self._started, details={"seconds": seconds})
        except Exception as fault:
            if error is None:
                raise
            error.add_note(f"whodid: the end of the impersonation could not be recorded: {type(fault).__name__}")

    async def __aenter__(self) -> Scope:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _say(self, action: str, **more: Any) -> str:
        about = Resource(type="user", id=self._user.id, name=self._user.name)
        return self._capture.record(action, about, reason=self._reason, bind="independent", **more)
