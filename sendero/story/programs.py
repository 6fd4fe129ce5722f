"""The API keys of the story: who made and revoked them, and what the programs do that have them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta

from sendero.service import api_keys
from sendero.story.calendar import Calendar
from sendero.story.cast import PEOPLE
from sendero.story.clock import ZONE
from sendero.story.outside import Outside, Program
from sendero.story.people import CITIES, TAGS, email_of
from sendero.story.teller import Teller
from sendero.tables import ApiKey, Contact, User
from sendero.work import Work
from whodid import Reason

__all__ = ["TRIAL_LIFE", "Programs"]

_WHO = {person.key: person for person in PEOPLE}
_AISHA, _TOMAS = _WHO["aisha"], _WHO["tomas"]
_CONTACTS = ("contacts:read", "contacts:create", "contacts:update")
_OLD_LAST_USED = 62
TRIAL_LIFE = timedelta(days=90)
"""How long the key of the trial is good."""


class Programs:
    """The programs, and the keys they have."""

    def __init__(self, teller: Teller, outside: Outside) -> None:
        self._teller = teller
        self._outside = outside
        self._rows: dict[str, str] = {}
        self._crm = Program(ip="51.15.88.204", agent="lumen-crm-sync/3.2")
        self._widget = Program(ip="203.0.113.9", agent="casalumen-widget/1.0")
        self._tablet = Program(ip="83.45.112.20", agent="lumen-counter/0.4")

    def found(self, work: Work, by: User) -> None:
        """Make the keys that were there before the log; the caller sees to it that one of them expires in time."""
        self._widget.key = self._make(work, by, "Old website widget", "no_expiry")

    def trial(self, work: Work, by: User) -> None:
        """Make the key of the trial."""
        self._make(work, by, "Zapier trial", "90_days")

    def plan(self, calendar: Calendar) -> None:
        """Put the keys and the programs on the agenda."""

        def make_crm(work: Work, me: User) -> None:
            self._crm.key = self._make(work, me, "CRM sync", "1_year")

        def make_tablet(work: Work, me: User) -> None:
            self._tablet.key = self._make(work, me, "Counter tablet", "30_days")

        calendar.ago(calendar.by(_TOMAS, make_crm), days=82, hours=4)
        calendar.ago(lambda: self._call_as(self._widget), days=_OLD_LAST_USED, hours=2)
        calendar.ago(calendar.by(_TOMAS, make_tablet), days=6, hours=5)
        calendar.ago(lambda: self._call_as(self._tablet), days=4, hours=2)
        calendar.ago(calendar.by(_TOMAS, self._revoking("Counter tablet", "replaced", None)), days=2, hours=4)
        why = "Nobody uses the old website any more"
        calendar.ago(calendar.by(_AISHA, self._revoking("Old website widget", "not_used", why)), days=4, hours=3)
        for days, hours in ((2, 9), (1, 2), (0, 3.6)):
            calendar.ago(lambda: self._call_as(self._widget), days=days, hours=hours)
        # Keys expire by themselves; the job that says so looks twice a minute.
        self._teller.at(calendar.end - timedelta(days=6, minutes=-1), self._expire)
        calendar.ago(self._import, days=3, hours=4.4)
        self._plan_days(calendar)

    def _plan_days(self, calendar: Calendar) -> None:
        dice, day = self._teller.dice, calendar.start.astimezone(ZONE).date()
        while day <= calendar.end.astimezone(ZONE).date():
            for _ in range(dice.choice((2, 3, 4)) if day.weekday() < 5 else 1):
                at = datetime.combine(day, time(), ZONE) + timedelta(hours=dice.uniform(7, 22))
                self._teller.at(at, self._sync)
            day += timedelta(days=1)

    def _make(self, work: Work, by: User, name: str, lifetime: str) -> str:
        key, text = api_keys.create(work, by, {"name": name, "lifetime": lifetime, "permissions": _CONTACTS})
        self._rows[name] = key.id
        return text

    def _revoking(self, name: str, code: str, text: str | None) -> Callable[[Work, User], None]:
        def act(work: Work, _: User) -> None:
            api_keys.revoke(work, work.get(ApiKey, self._rows[name]), Reason(code=code, text=text))

        return act

    def _expire(self) -> None:
        with self._teller.apart() as home:
            api_keys.expire(home)

    def _call_as(self, program: Program) -> None:
        """Put in somebody who asked on the website; a key that is not good any more is refused."""
        self._create(program)

    def _sync(self) -> None:
        """Bring a customer of the CRM over, or what changed about one."""
        if not self._crm.key:
            return
        dice = self._teller.dice
        if dice.random() < 0.45:
            self._create(self._crm)
            return
        contact = self._teller.contact()
        if dice.random() < 0.4:
            body, path, method = {"add": [dice.choice(TAGS)]}, f"/contacts/{contact.id}/tags", "POST"
        else:
            changed = dice.choice(({"city": dice.choice(CITIES)}, {"email": email_of(f"{contact.name} Casa", dice)}))
            body, path, method = changed, f"/contacts/{contact.id}", "PATCH"  # type: ignore[assignment]
        self._must(self._outside.call(self._crm, method, path, body, contact)[0], 200)

    def _create(self, program: Program) -> None:
        values = self._teller.customer()
        body = {name: values[name] for name in ("name", "email", "city", "language", "tags", "lifecycle")}
        status, answer = self._outside.call(program, "POST", "/contacts", {**body, "phone": values["phone_e164"]})
        if status == 201:
            self._teller.contacts.append(self._teller.work.get(Contact, answer["id"]))
        else:
            self._must(status, 401)

    def _import(self) -> None:
        """Bring over the customers of a shop that was bought: 64 at once."""
        listed = []
        for _ in range(64):
            values = self._teller.customer()
            body = {name: values[name] for name in ("name", "city", "language", "tags")}
            listed.append({**body, "phone": values["phone_e164"], "lifecycle": "customer"})
        status, answer = self._outside.call(self._crm, "POST", "/contacts/bulk", {"contacts": listed})
        self._must(status, 201)
        self._teller.contacts += [self._teller.work.get(Contact, one["id"]) for one in answer["contacts"]]

    def _must(self, status: int, wanted: int) -> None:
        if status != wanted:
            raise AssertionError(f"the API answered {status} in the story, not {wanted}")
