"""Who tells the story: an agenda of acts in order of time, each done by somebody through the services."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random
from typing import Any
from weakref import WeakSet

import sqlalchemy as sa

from sendero import passwords
from sendero.installation import Installation
from sendero.service import auth, refusals, sessions, sso_rules, sso_sign_in
from sendero.service.throttle import Counted
from sendero.story.cast import Person, Place
from sendero.story.clock import StoryClock
from sendero.story.issuer import Issuer
from sendero.story.people import customer
from sendero.tables import Contact, Role, Session, User
from sendero.work import Work, actor_of
from whodid import Resource
from whodid.capture import context

__all__ = ["Teller"]

Act = Callable[[], object]

_TOGETHER = 100  # acts in one transaction
_OURS = (Contact, Role, Session, User)  # rows that nobody else changes, but for a contact that is named


class Teller:
    """Tells the story.

    Args:
        work: The unit of work that everything happens in; it is committed every now and then.
        dice: All chance of the story comes from here.
        issuer: Where people sign in by single sign-on.
    """

    def __init__(self, work: Work, clock: StoryClock, dice: Random, issuer: Issuer) -> None:
        self.work = work
        self.clock = clock
        self.dice = dice
        self.people: dict[str, User] = {}
        self.contacts: list[Contact] = []
        self._phones: set[str] = set()
        self._sessions: dict[str, Session] = {}
        self._agenda: list[tuple[datetime, int, Act]] = []
        self._noted = 0
        self._issuer = issuer
        self._theirs: WeakSet[Any] = WeakSet([work.workspace])
        for moment in ("loaded_as_persistent", "pending_to_persistent"):
            sa.event.listen(work.session, moment, self._seen)

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
        # A unit of work looks up once which webhooks listen.
        self.work = Work(self.work.home, self.work.session, self.work.workspace)

    @contextmanager
    def apart(self, *concerned: Contact) -> Iterator[Installation]:
        """Let others act in units of work of their own; what they may have changed is read again afterwards.

        Args:
            concerned: The contacts that they may change.
        """
        self.work.session.commit()
        yield self.work.home
        for row in (*self._theirs, *concerned):
            if row in self.work.session:
                self.work.session.expire(row)

    def soon(self, *, minutes: tuple[float, float]) -> datetime:
        """Return an instant between so and so many minutes from now."""
        return self.clock.now() + timedelta(minutes=self.dice.uniform(*minutes))

    # ------------------------------------------------------------------------------------------------ who acts

    @contextmanager
    def acting(self, person: Person) -> Iterator[Work]:
        """Act as somebody who sits at their browser, in a unit of work."""
        where, session = person.place, self._session(person)
        with self.work.acting(
            actor=actor_of(self.people[person.key]),
            source="web",
            ip=where.ip,
            user_agent=person.browser,
            country=where.country,
            city=where.city,
            request=self.request(),
            session=None if session is None else session.id,
        ):
            yield self.work

    # ------------------------------------------------------------------------------------------------ coming and going

    def sign_in(self, person: Person, place: Place | None = None, *, device: str = "usual") -> None:
        """Sign somebody in, the way they have to; an older session of theirs goes on elsewhere."""
        user = self.people[person.key]
        if user.status == "deactivated":
            return
        required = sso_rules.enforced(self.work, user.email)
        if required is not None and not sso_rules.is_exempt(user):
            self.sign_in_by_provider(person, required.name, place, device=device)
            return
        with context(request=self.request()):
            origin = self.origin(person, place, device=device)
            self._sessions[person.key] = auth.open_session(self.work, user, "password", origin).session

    def sign_in_by_provider(
        self, person: Person, name: str, place: Place | None = None, *, device: str = "usual"
    ) -> None:
        """Sign somebody in at a provider, as browsers do it: there, and back with a code."""
        work, origin = self.work, self.origin(person, place, device=device)
        connection = next(one for one in sso_rules.living(work) if one.name == name)
        back = f"https://sendero.casalumen.es/sign-in/sso/{connection.id}/callback"
        address = sso_sign_in.start(work, connection, origin, back, "/")
        brought = self._issuer.agree(address, person)
        returned = sso_sign_in.Returned(query=brought, redirect_uri=back, origin=origin)
        with self.apart() as home, context(request=self.request()):
            signed, _ = sso_sign_in.finish(home, connection.id, returned)
        self._sessions[person.key] = work.session.get_one(Session, signed.session.id)

    def origin(self, person: Person, place: Place | None = None, *, device: str = "usual") -> auth.Origin:
        """Return where somebody's browser is."""
        where = place or person.place
        return auth.Origin(
            device=f"{person.key}-{device}",
            ip=where.ip,
            user_agent=person.browser,
            country=where.country,
            city=where.city,
        )

    def sweep(self) -> None:
        """End the sessions that nobody uses any more."""
        with self.apart() as home:
            while sessions.sweep(home):
                pass
        for session in self._sessions.values():
            self.work.session.expire(session)

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
        with context(request=self.request()):
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

    def customer(self) -> dict[str, Any]:
        """Return what somebody types in about a new customer, whose number nobody else of the story has.

        WhatsApp tells of people by their numbers: of two with the same it would be left to chance whom it means.
        """
        values = customer(self.dice)
        while values["phone_e164"] in self._phones:
            values = customer(self.dice)
        self._phones.add(values["phone_e164"])
        return values

    def contact(self) -> Contact:
        """Return some living contact, more likely one of the newer ones."""
        last = len(self.contacts) - 1
        return self.contacts[last - int(last * self.dice.random() ** 1.6)]

    def gone(self, contact: Contact) -> None:
        """Note that a contact was deleted or merged."""
        self.contacts.remove(contact)

    def request(self) -> str:
        """Return the id of a new request."""
        return f"req_{self.dice.randbytes(8).hex()}"

    def _seen(self, _: object, row: object) -> None:
        if not isinstance(row, _OURS):
            self._theirs.add(row)

    def _session(self, person: Person) -> Session | None:
        session = self._sessions.get(person.key)
        return session if session is not None and session.ended_at is None else None
