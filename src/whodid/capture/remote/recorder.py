"""A log behind a server as what a relay gives its events to: no spool, because the outbox keeps what is not settled."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from whodid.canonical import encode
from whodid.capture.remote.transport import Elsewhere, Later, Result, Transport, checked_key, settled
from whodid.errors import InvalidEvent, StoreUnavailable, WhodidError
from whodid.model import Event

__all__ = ["RemoteRecorder"]


class RemoteRecorder:
    """Records in the log of a server, in the calling thread.

    Args:
        url: Address of the server.
        key: Its API key with the scope write, or what returns it.

    Raises:
        InvalidSetting: The address or the key cannot be used, or the extra `client` is not installed.
    """

    def __init__(self, url: str, key: str | Callable[[], str]) -> None:
        checked_key(key)
        self._transport = Transport(url, key)
        self._not_before = 0.0
        self._fault = ""

    def record_many(self, workspace: str, events: Sequence[Event], /) -> Sequence[object | WhodidError]:
        """Record events; one answer per event in the same order, an error where it was refused.

        Raises:
            StoreUnavailable: The server cannot take them now. As long as it asked not to be bothered, it is not.
        """
        if time.monotonic() < self._not_before:
            raise StoreUnavailable(self._fault)
        try:
            results = settled(partial(self._transport.send, workspace), [encode(event) for event in events])
        except Later as error:
            self._not_before, self._fault = time.monotonic() + error.pause, error.fault.rstrip(".")
            raise StoreUnavailable(self._fault, "It is tried again, and nothing is lost") from None
        except Elsewhere as error:
            raise StoreUnavailable(str(error).rstrip("."), "Use the key of this workspace") from None
        return [_answer(result) for result in results]

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


def _answer(result: Result) -> object | WhodidError:
    if result.status != "refused":
        return result
    return InvalidEvent(result.pointer or "", result.fault.rstrip("."), result.remedy.rstrip("."))
