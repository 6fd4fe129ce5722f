"""How much may be inside the server at once, and how much of that whoever sends much leaves to the others.

Nothing here waits, and nothing here is safe between threads: it belongs to the event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from whodid.server.concurrency import CapacityLimiter

__all__ = ["Bound", "Drain", "Lane", "Room"]

_FIRST_RATE = 2_000_000.0
_WEIGHT = 0.2
_MOST_BYTES = 32 * 1024 * 1024  # of bodies, per lane and sender


class Bound:
    """How much of something may be inside at once: requests, or bytes.

    Everybody may take as much as is left free. So one alone gets half of the whole, two get a third each, and there is
    always room for the little that somebody else brings.

    Args:
        share: What one may take while there is nobody else; the whole is twice that. It may change at any time.
    """

    def __init__(self, share: Callable[[], int]) -> None:
        self._share = share
        self._held: dict[str, int] = {}
        self.total = 0

    @property
    def full(self) -> bool:
        """Whether there is no room for anybody."""
        return self.total >= 2 * self._share()

    def held(self, who: str) -> int:
        """Return how much somebody holds."""
        return self._held.get(who, 0)

    def take(self, who: str, count: int = 1, *, own: int = 0) -> bool:
        """Take some, or say that there is no room.

        What is larger than everything is let in where nothing else is inside: it would never be otherwise.

        Args:
            own: What is inside already of the very thing that grows by `count`, and therefore is nothing else.
        """
        if not count:
            return True
        share, held = self._share(), self.held(who)
        free = 2 * share - self.total
        if share <= 0 or (self.total > own and (count > free or (held and held + count > free))):
            return False
        self._held[who] = held + count
        self.total += count
        return True

    def give(self, who: str, count: int = 1) -> None:
        """Give back what was taken."""
        if not count:
            return
        self.total -= count
        left = self._held[who] - count
        if left:
            self._held[who] = left
        else:
            del self._held[who]


class Drain:
    """How fast the log takes bytes of events, learned from what it took: how many may wait follows from it.

    Args:
        seconds: How long what waits may take to be written.
        least: Bytes that may wait however slow the log is; commits of fewer teach nothing, for they are all overhead.
        most: Bytes that may wait however fast it is, for they are in memory.
    """

    def __init__(self, seconds: float, *, least: int, most: int) -> None:
        self._seconds = seconds
        self._least = least
        self._most = most
        self.rate = _FIRST_RATE
        """Bytes per second."""

    def learn(self, size: int, seconds: float) -> None:
        """Note that so many bytes were written in that time."""
        if size >= self._least and seconds > 0:
            self.rate += _WEIGHT * (size / seconds - self.rate)

    @property
    def share(self) -> int:
        """Bytes of one workspace that may wait."""
        return int(max(self._least, min(self._most, self.rate * self._seconds)))

    def pause(self, size: int) -> int:
        """Return the whole seconds in which so many bytes will be written, at least one."""
        return 1 + int(size / self.rate)


class Lane:
    """Threads for requests of one sort, and how many of these may wait for them: one sort does not hold up another.

    Args:
        threads: How many work at once.
        most: How many of one sender may be inside, as long as there are no others.
    """

    def __init__(self, threads: int, most: Callable[[], int]) -> None:
        self.limiter = CapacityLimiter(threads)
        self.requests = Bound(most)
        self.bytes = Bound(lambda: _MOST_BYTES)


class Room:
    """What a request takes of its lane; a context that gives it back.

    Args:
        who: Names the sender before anybody knows him: the key or token that is shown, or else the address.
    """

    def __init__(self, lane: Lane, who: str) -> None:
        self.lane = lane
        self._who = who
        self._inside = 0
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.lane.requests.give(self._who, self._inside)
        self.lane.bytes.give(self._who, self._bytes)

    def enter(self) -> bool:
        """Take the place of a request, or say that there is none."""
        self._inside = int(self.lane.requests.take(self._who))
        return bool(self._inside)

    def hold(self, size: int) -> bool:
        """Take room for so many bytes more, or say that there is none."""
        if not self.lane.bytes.take(self._who, size, own=self._bytes):
            return False
        self._bytes += size
        return True
