"""What capture did and could not do, in numbers: how somebody notices that the trail stopped."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

__all__ = ["CaptureStatus", "Counts"]


class CaptureStatus(Struct, frozen=True, kw_only=True):
    """Numbers since the process began.

    Args:
        recorded: Events that were built.
        independent: Those of them that were kept outside a transaction.
        unknown_actor: Events of which nobody said who acts.
        unknown_workspace: Events that were set aside because nobody said whose they are.
        unclaimed: Statements that changed watched tables past every hook.
        unencodable: Values that have no JSON form and left a marker.
        forged: Times that a task came with a header that is not ours, is damaged or too old.
        failures: Times that events could not be kept.
        lost: Failed actions whose failure could not be recorded; the error of the action carries a note of it.
    """

    recorded: int = 0
    independent: int = 0
    unknown_actor: int = 0
    unknown_workspace: int = 0
    unclaimed: int = 0
    unencodable: int = 0
    forged: int = 0
    failures: int = 0
    lost: int = 0


class Counts:
    """Counts; cheap enough for every event. A number may lag under threads, it never breaks."""

    def __init__(self) -> None:
        self._numbers: Counter[str] = Counter()

    def add(self, name: str, number: int = 1) -> None:
        """Count something; `name` is a field of `CaptureStatus`."""
        self._numbers[name] += number

    def status(self) -> CaptureStatus:
        """Return the numbers as they are now."""
        return CaptureStatus(**self._numbers)
