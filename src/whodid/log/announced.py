"""A setting of a workspace whose every change is an entry: what policies, holds and sinks have in common.

It is kept as named state of the log. The event that announces a change is written with the changed state and recorded
right after it; a crash between the two is made good by whoever reads the state next, and the event's id keeps it from
being recorded twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from whodid.errors import StoreCorrupt, WhodidError
from whodid.log.commit import Receipt
from whodid.log.log import Log
from whodid.model import Event

__all__ = ["Announced"]

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


class _Kept(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state: the value, and the event that announces it until that is recorded."""

    value: Any
    pending: Event | None = None


class _State(NamedTuple):
    bytes: bytes | None
    value: Any


class Announced(Generic[T]):
    """Read and change one setting.

    Args:
        name: Of the state.
        type: Of the value.
        start: The value while none was ever set.
        what: What it is, for the message when it cannot be read.
    """

    def __init__(self, name: str, type: Any, start: T, what: str) -> None:
        self._name = name
        self._type = type
        self._start = start
        self._what = what

    def read(self, log: Log, workspace: str) -> T:
        """Return the value.

        Raises:
            StoreCorrupt: It cannot be read: acting on a guess would remove what must stay.
        """
        value: T = self._settled(log, workspace).value
        return value

    def glance(self, log: Log, workspace: str) -> T:
        """Return the value like `read`, but write nothing: for a look from inside a transaction of the log."""
        kept = log.state(workspace, self._name)
        return self._start if kept is None else self._decode(kept)[0]

    def change(self, log: Log, workspace: str, make: Callable[[T], tuple[T, Event | None] | None]) -> Receipt | None:
        """Change the value and record that it changed.

        Args:
            make: Returns the value from now on and the event that announces it (None where nobody has to know), or
                None to leave it. Called again when another changed the value meanwhile.

        Returns:
            The receipt of the entry, or None when there is none.

        Raises:
            InvalidEvent: The entry was refused; nothing changed.
        """
        while True:
            old = self._settled(log, workspace)
            made = make(old.value)
            if made is None:
                return None
            value, event = made
            announced = _encode(_Kept(value=value, pending=event))
            if log.swap_state(workspace, self._name, old.bytes, announced):
                break
        if event is None:
            return None
        try:
            receipt = log.record(workspace, event)
        except WhodidError:
            log.swap_state(workspace, self._name, announced, old.bytes)
            raise
        log.swap_state(workspace, self._name, announced, _encode(_Kept(value=value)))
        return receipt

    def _settled(self, log: Log, workspace: str) -> _State:
        """Return the state, after recording a change that a crash left unannounced."""
        while (kept := log.state(workspace, self._name)) is not None:
            value, pending = self._decode(kept)
            if pending is None:
                return _State(kept, value)
            log.record(workspace, pending)
            log.swap_state(workspace, self._name, kept, _encode(_Kept(value=value)))
        return _State(None, self._start)

    def _decode(self, kept: bytes) -> tuple[T, Event | None]:
        try:
            found = msgspec.json.decode(kept, type=_Kept)
            return msgspec.convert(found.value, self._type), found.pending
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StoreCorrupt(
                f"{self._what} cannot be read: {error}", "Use the program that wrote it, or restore a backup"
            ) from None
