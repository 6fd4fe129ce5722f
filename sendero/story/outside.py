"""Who is not in the office: WhatsApp and the people who write there, programs with an API key, receivers of webhooks.

They come the way they come in production. What WhatsApp does to templates and numbers goes through its demo and its
signed webhook, programs call the API of the application, and webhooks go through the queue of deliveries; only the
network is not there.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx2
import msgspec
import sqlalchemy as sa
from msgspec import Struct
from starlette.types import ASGIApp

from sendero.egress import Answer
from sendero.installation import Installation
from sendero.service import deliveries
from sendero.story.teller import Teller
from sendero.tables import Account, Contact, Template
from sendero.web.hook import ADDRESS
from sendero.whatsapp import demo_acts, inbound
from sendero.whatsapp.demo import DemoWhatsApp

__all__ = ["Outside", "Program"]

_META = "157.240.212.35"
_POST = timedelta(hours=6)
_OUTAGE_POST = timedelta(minutes=5)


class Program(Struct):
    """A program with an API key.

    Args:
        key: Its key, once it has one.
    """

    ip: str
    agent: str
    key: str = ""


class Outside:
    """The world around the office.

    Args:
        app: The application, as programs reach it.
    """

    def __init__(self, teller: Teller, whatsapp: DemoWhatsApp, app: ASGIApp) -> None:
        self.teller = teller
        self.whatsapp = whatsapp
        self._app = app
        self._outages: list[tuple[datetime, datetime]] = []

    # ------------------------------------------------------------------------------------------------ WhatsApp

    def of_template(self, act: str, name: str, choice: str = "") -> None:
        """Let WhatsApp do something to a template."""
        with self.teller.apart():
            listed = demo_acts.templates(self.whatsapp)
            demo_acts.play(self.whatsapp, act, next(one["id"] for one in listed if one["name"] == name), choice)

    def of_number(self, act: str, name: str, choice: str = "") -> None:
        """Let WhatsApp do something to the number of an account."""
        work = self.teller.work
        key = work.session.execute(sa.select(Account.phone_number_id).where(Account.name == name)).scalar_one()
        with self.teller.apart():
            demo_acts.play(self.whatsapp, act, key, choice)

    def review(self, template: Template, *, minutes: float, reject: bool = False) -> None:
        """Let WhatsApp review a template that was just handed in."""
        name, at = template.name, self.teller.clock.now() + timedelta(minutes=minutes)

        def answer() -> None:
            row = self._waiting(name)
            if row is not None:
                self.of_template("reject" if reject else "approve", name)

        self.teller.at(at, answer)

    def writes(self, name: str, phone: str, bsuid: str) -> Contact:
        """Let somebody write for the first time; returns the contact that they become."""
        digits = phone.removeprefix("+")
        account = self._account()
        value = {
            "metadata": {
                "display_phone_number": account.display_phone_number,
                "phone_number_id": account.phone_number_id,
            },
            "contacts": [{"wa_id": digits, "user_id": bsuid, "profile": {"name": name}}],
            "messages": [{"id": f"wamid.{bsuid}", "from": digits, "from_user_id": bsuid, "timestamp": self._seconds()}],
        }
        self._tell(account, "messages", value)
        return self.teller.work.session.execute(sa.select(Contact).where(Contact.bsuid == bsuid)).scalar_one()

    def prefers(self, contact: Contact, *, marketing: bool) -> None:
        """Let somebody stop or allow marketing messages."""
        account = self._account()
        digits = (contact.phone_e164 or "").removeprefix("+")
        who = {"user_id": contact.bsuid} if contact.bsuid else {"wa_id": digits}
        wish = "resume" if marketing else "stop"
        said = {
            **who,
            "category": "marketing_messages",
            "value": wish,
            "detail": f"User requested to {wish} marketing messages",
            "timestamp": self._seconds(),
        }
        value = {
            "metadata": {
                "display_phone_number": account.display_phone_number,
                "phone_number_id": account.phone_number_id,
            },
            "contacts": [who],
            "user_preferences": [said],
        }
        self._tell(account, "user_preferences", value, contact)

    def pretends(self, ip: str) -> None:
        """Let somebody pass for WhatsApp, who has no secret to sign with."""
        body = {"object": "whatsapp_business_account", "entry": []}
        stranger = Program(ip=ip, agent="curl/8.5.0")
        with self.teller.apart():
            answer = asyncio.run(self._ask(stranger, "POST", ADDRESS, body))
        if answer.status_code != httpx2.codes.UNAUTHORIZED:
            raise AssertionError("a forged notice of the story was taken")

    def _tell(self, account: Account, field: str, value: dict[str, Any], *concerned: Contact) -> None:
        entry = {"id": account.waba_id, "time": self._seconds(), "changes": [{"field": field, "value": value}]}
        body = msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]})
        origin = inbound.Origin(ip=_META, user_agent="facebookexternalua", request=self.teller.request())
        with self.teller.apart(*concerned) as home:
            if not inbound.take(home, body, [account.id], origin):
                raise AssertionError("a notice of the story was not taken")

    def _waiting(self, name: str) -> Template | None:
        query = sa.select(Template).where(
            Template.name == name, Template.status == "pending", Template.deleted_at.is_(None)
        )
        return self.teller.work.session.execute(query).scalar_one_or_none()

    def _account(self) -> Account:
        query = sa.select(Account).where(Account.is_default_in, Account.deleted_at.is_(None))
        return self.teller.work.session.execute(query).scalar_one()

    def _seconds(self) -> int:
        return int(self.teller.clock.now().timestamp())

    # ------------------------------------------------------------------------------------------------ programs

    def call(self, program: Program, method: str, path: str, body: object, *concerned: Contact) -> tuple[int, Any]:
        """Call the API.

        Args:
            concerned: The contacts that this may change.

        Returns:
            The status, and what was answered.
        """
        with self.teller.apart(*concerned):
            answer = asyncio.run(self._ask(program, method, f"/api/v1{path}", body))
        return answer.status_code, msgspec.json.decode(answer.content) if answer.content else None

    async def _ask(self, program: Program, method: str, path: str, body: object) -> httpx2.Response:
        transport = httpx2.ASGITransport(app=self._app, client=(program.ip, 44312))
        headers = {"X-API-Key": program.key, "User-Agent": program.agent, "Content-Type": "application/json"}
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, content=msgspec.json.encode(body), headers=headers)

    # ------------------------------------------------------------------------------------------------ webhooks

    def fails(self, start: datetime, end: datetime) -> None:
        """Let whoever receives webhooks be out of order for a while."""
        self._outages.append((start, end))
        at = start
        while at < end + timedelta(hours=3):
            self.teller.at(at, self.deliver)
            at += _OUTAGE_POST

    def plan_post(self, start: datetime, end: datetime) -> None:
        """Put the rounds of the post on the agenda."""
        at = start
        while at < end:
            self.teller.at(at, self.deliver)
            at += _POST
        self.teller.at(end, self._last_post)

    def _last_post(self) -> None:
        self.deliver()
        with self.teller.apart() as home:
            deliveries.forget(home)

    def deliver(self) -> None:
        """Deliver to webhooks what is due."""
        with self.teller.apart() as home:
            while deliveries.deliver(home, self._receive):
                pass

    def _receive(self, home: Installation, _: deliveries.Parcel) -> Answer:
        out_of_order = any(start <= home.clock() < end for start, end in self._outages)
        return Answer(status=502 if out_of_order else 200)
