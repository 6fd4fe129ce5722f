"""The hooks that are installed: what they can tell of the caller's objects, and of the transactions that are open."""

from __future__ import annotations

from typing import Literal, Protocol

from whodid.capture.events import About
from whodid.capture.units import Unit, open_units
from whodid.errors import InvalidEvent, InvalidSetting
from whodid.model import Outcome, Resource

__all__ = ["Bind", "Hook", "Hooks"]

Bind = Literal["auto", "independent"] | object
"""Which transaction an event lives and dies with: found by itself, none, or a session, connection or alias of it."""


class Hook(Protocol):
    """What an installed hook can tell of the caller's objects."""

    def resource(self, subject: object) -> Resource | None:
        """Name an object, or return None when it is not of this hook. It never loads anything."""

    def unit(self, bind: object) -> Unit | None:
        """Return the transaction of a session, connection or alias; None when it is not of this hook."""


class Hooks:
    """The hooks of a capture, in the order in which they were installed."""

    def __init__(self) -> None:
        self._hooks: list[Hook] = []

    def add(self, hook: Hook) -> None:
        """Note a hook."""
        self._hooks.append(hook)

    def remove(self, hook: Hook) -> None:
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
            case (str(), id_) | (str(), id_, _) if not isinstance(id_, str):
                raise InvalidEvent("/resource/id", f"the id is of type {type(id_).__name__}, not text", "Pass str(id)")
        for hook in self._hooks:
            if (found := hook.resource(about)) is not None:
                return found
        raise InvalidEvent(
            "/resource",
            "nothing can be named" if about is None else f"a value of type {type(about).__name__} cannot be named",
            "Pass (type, id), (type, id, name), or an object of a model that is watched",
        )

    def unit(self, about: About, outcome: Outcome, bind: Bind) -> Unit | None:
        """Return the transaction that an event belongs to; None when it is independent.

        Raises:
            InvalidSetting: No hook knows what `bind` names, or several transactions are open here.
        """
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
