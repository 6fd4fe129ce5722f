"""Who tells the story: an agenda of acts in order of time, each done by somebody through the services."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random

from sendero import passwords
from sendero.service import auth, refusals
from sendero.service.throttle import Counted
from sendero.story.cast import Person, Place
from sendero.story.clock import StoryClock
from sendero.tables import Contact, Session, User
from sendero.whatsapp.actor import WHATSAPP
from sendero.work import Work, actor_of
from whodid import Resource
from whodid.capture import context

__all__ = ["Teller"]

Act = Callable[[], None]

_TOGETHER = 100  # acts in one transaction


class Teller:
    """Tells the story.

    Args:
        work: The unit of work that everything happens in; it is committed every now and then.
        dice: All chance of the story comes from here.
    """

    def __init__(self, work: Work, clock: StoryClock, dice: Random) -> None:
        self.work = work
        self.clock = clock
        self.dice = dice
        self.people: dict[str, User] = {}
        self.contacts: list[Contact] = []
        self._sessions: dict[str, Session] = {}
        self._agenda: list[tuple[datetime, int, Act]] = []
        self._noted = 0

    # ------------------------------------------------------------------------------------------------ the agenda

    def at(self, when: datetime, act: Act) -> None:
        """Put an act on the agenda."""
        self._noted += 1
        heapq.heappush(self._agenda, (when, self._noted, act))

    def tell(self, until: datetime, progress: Callable[[float], None]) -> None:
        """Do what is on the agenda, in order of time; what comes after the end does not happen.

        Args:
            progress: Called now and then with the part that was told, 0 to 1.
        """
        start = self.clock.now()
        told = 0
        while self._agenda and self._agenda[0][0] <= until:
            when, _, act = heapq.heappop(self._agenda)
            self.clock.to(when)
            act()
            told += 1
            if told % _TOGETHER == 0:
                self.settle()
                progress((when - start) / (until - start))
        self.settle()

    def settle(self) -> None:
        """Commit what happened, and let the log take it."""
        self.work.session.commit()
        self.work.home.relay.drain()

    def soon(self, *, minutes: tuple[float, float]) -> datetime:
        """Return an instant between so and so many minutes from now."""
        return self.clock.now() + timedelta(minutes=self.dice.uniform(*minutes))

    # ------------------------------------------------------------------------------------------------ who acts

    @contextmanager
    def acting(self, person: Person, place: Place | None = None) -> Iterator[Work]:
        """Act as somebody who sits at their browser, in a unit of work."""
        where = place or person.place
        session = self._session(person)
        with self.work.acting(
            actor=actor_of(self.people[person.key]),
            source="web",
            ip=where.ip,
            user_agent=person.browser,
            country=where.country,
            city=where.city,
            request=self._request(),
            session=None if session is None else session.id,
        ):
            yield self.work

    @contextmanager
    def whatsapp(self) -> Iterator[Work]:
        """Act as WhatsApp, through its webhook."""
        with self.work.acting(actor=WHATSAPP, source="webhook", ip="157.240.212.35", request=self._request()):
            yield self.work

    # ------------------------------------------------------------------------------------------------ coming and going

    def sign_in(self, person: Person, place: Place | None = None, *, device: str = "usual") -> None:
        """Sign somebody in; an older session of theirs goes on elsewhere."""
        where = place or person.place
        user = self.people[person.key]
        if user.status == "deactivated":
            return
        origin = auth.Origin(
            device=f"{person.key}-{device}",
            ip=where.ip,
            user_agent=person.browser,
            country=where.country,
            city=where.city,
        )
        with context(request=self._request()):
            self._sessions[person.key] = auth.open_session(self.work, user, "password", origin).session

    def sign_out(self, person: Person) -> None:
        """Sign somebody out, if they are in."""
        session = self._session(person)
        if session is not None:
            with self.acting(person) as work:
                auth.end_session(work, session, "logout")

    def is_in(self, person: Person) -> bool:
        """Tell whether somebody is signed in, and not since yesterday."""
        session = self._session(person)
        return session is not None and self.clock.now() - session.created_at < auth.IDLE

    def fail_sign_in(self, person: Person, attempt: int, place: Place) -> None:
        """Fail to sign in as somebody, for the so-manieth time."""
        self.settle()
        with context(request=self._request()):
            auth.refuse(
                self.work.home,
                self.work.workspace,
                person.email,
                user=self.people[person.key],
                cause="wrong_password",
                counted=Counted(person=attempt, address=attempt),
                origin=auth.Origin(
                    device="stranger",
                    ip=place.ip,
                    user_agent="python-requests/2.32.3",
                    country=place.country,
                    city=place.city,
                ),
            )

    def change_password(self, person: Person) -> None:
        """Change somebody's own password."""
        session = self._session(person)
        if session is not None:
            with self.acting(person) as work:
                auth.set_password(work, session.user, passwords.generate(), but=session, by="self")

    def open_log(self, person: Person) -> None:
        """Look at the audit log, which whodid's own server records in life."""
        with self.acting(person) as work:
            work.record("audit.viewer_opened", Resource(type="log", id=work.workspace.id))

    def be_refused(self, person: Person, action: str, resource: Resource, permission: str) -> None:
        """Try what one's role does not permit."""
        self.settle()
        with self.acting(person) as work:
            refusals.refused(work, action, resource, code="no_permission", permission=permission)

    # ------------------------------------------------------------------------------------------------ contacts

    def contact(self) -> Contact:
        """Return some living contact, more likely one of the newer ones."""
        last = len(self.contacts) - 1
        return self.contacts[last - int(last * self.dice.random() ** 1.6)]

    def gone(self, contact: Contact) -> None:
        """Note that a contact was deleted or merged."""
        self.contacts.remove(contact)

    def _session(self, person: Person) -> Session | None:
        session = self._sessions.get(person.key)
        return session if session is not None and session.ended_at is None else None

    def _request(self) -> str:
        return f"req_{self.dice.randbytes(8).hex()}"
