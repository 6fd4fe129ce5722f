"""A file to write to that hands over what was written: for writers that insist on a file."""

from __future__ import annotations

from typing import Any

__all__ = ["Handed"]


class Handed:
    """Keeps what was written until somebody takes it; there is no way back to an earlier place."""

    closed = False

    def __init__(self) -> None:
        self._written: list[bytes] = []
        self.waiting = 0

    def write(self, data: Any) -> int:
        """Keep a copy of some bytes and return how many."""
        piece = bytes(data)
        self._written.append(piece)
        self.waiting += len(piece)
        return len(piece)

    def flush(self) -> None:
        """Do nothing: what was written can be taken at once."""

    def close(self) -> None:
        """Say that nothing follows."""
        self.closed = True

    def take(self) -> bytes:
        """Return what was written since the last time."""
        joined = b"".join(self._written)
        self._written.clear()
        self.waiting = 0
        return joined
