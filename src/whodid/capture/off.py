"""Not recording for a while, on purpose: a load of fixtures, a migration. It is an entry itself.

It holds for the context that said it: another thread, request or task goes on recording.
"""

from __future__ import annotations

from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING

from whodid.errors import InvalidSetting
from whodid.model import Reason

if TYPE_CHECKING:
    from whodid.capture.capture import Capture

__all__ = ["off", "unrecorded"]

_depth: ContextVar[int] = ContextVar("whodid_unrecorded", default=0)


def unrecorded() -> bool:
    """Tell whether changes made here are left unrecorded on purpose."""
    return _depth.get() > 0


class off:  # noqa: N801 - it is used as a statement: with off(capture, reason=...)
    """Leave the changes made inside unrecorded; `with` and `async with`.

    Beginning and end are independent entries, `audit.capture_stopped` and `audit.capture_resumed`, so that the gap is
    on record whatever becomes of the changes. What is said outright (`record`) is recorded all the same.

    Args:
        capture: Says who acts, and in which workspace.
        reason: Why; it must be said.

    Raises:
        InvalidSetting: No reason was given.
    """

    def __init__(self, capture: Capture, *, reason: Reason | str) -> None:
        if not reason:
            raise InvalidSetting(
                "Recording cannot be stopped without a reason", "Say it: off(reason='load of fixtures')"
            )
        self._capture = capture
        self._reason = reason

    def __enter__(self) -> None:
        self._say("audit.capture_stopped")
        _depth.set(_depth.get() + 1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _depth.set(max(0, _depth.get() - 1))
        self._say("audit.capture_resumed")

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _say(self, action: str) -> None:
        whose = self._capture.workspace()
        self._capture.record(
            action, ("log", whose), reason=self._reason, kind="security", severity="warning", bind="independent"
        )
