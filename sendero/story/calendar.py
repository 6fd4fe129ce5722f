"""When things happen in the story, counted back from its end, and who does them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta

from sendero.story.cast import Person
from sendero.story.clock import ZONE
from sendero.story.teller import Teller
from sendero.tables import User
from sendero.work import Work

__all__ = ["Calendar"]

_FRIDAY = 4
_LATELY = 3  # days before the end, from which on nothing can be put off until Monday
_A_WHILE = timedelta(seconds=40)


class Calendar:
    """The agenda of the threads.

    A story that is shorter than a thread squeezes the older parts of it together at its beginning.

    Args:
        start: Where the story begins.
        end: Where it ends.
    """

    def __init__(self, teller: Teller, start: datetime, end: datetime) -> None:
        self._teller = teller
        self.start = start
        self.end = end

    def ago(self, act: Callable[[], object], *, days: float = 0, hours: float = 0, minutes: float = 0) -> None:
        """Let something happen so long before the end; what would be on a weekend is on the Monday after."""
        at = self.end - timedelta(days=days, hours=hours, minutes=minutes)
        day = at.astimezone(ZONE).date()
        self._teller.at(at + (_workday(day, ahead=days >= _LATELY) - day if days >= _LATELY else timedelta()), act)

    def instant(self, days: int, clock: str) -> datetime:
        """Return an instant at so many days before the end, or on a working day near it when that is a weekend.

        Args:
            clock: The local time of the day, such as 10:30.
        """
        day = self.end.astimezone(ZONE).date() - timedelta(days=days)
        return self._at(_workday(day, ahead=days >= _LATELY), clock)

    def day_before(self, at: datetime, clock: str) -> datetime:
        """Return an instant on the last working day before another one."""
        return self._at(_workday(at.astimezone(ZONE).date() - timedelta(days=1), ahead=False), clock)

    def by(self, person: Person, act: Callable[[Work, User], object]) -> Callable[[], None]:
        """Sign somebody in if they are not, and act as them."""
        teller = self._teller

        def do() -> None:
            if not teller.is_in(person):
                teller.sign_in(person)
                teller.clock.to(teller.clock.now() + _A_WHILE)
            with teller.acting(person) as work:
                act(work, teller.people[person.key])

        return do

    def _at(self, day: date, clock: str) -> datetime:
        return datetime.combine(day, time.fromisoformat(clock), ZONE).astimezone(self.end.tzinfo)


def _workday(day: date, *, ahead: bool) -> date:
    late = day.weekday() - _FRIDAY
    if late <= 0:
        return day
    return day + timedelta(days=3 - late) if ahead else day - timedelta(days=late)
