"""What the WhatsApp of the demo does by itself, and how it tells Sendero.

Notices go to the application by a call within the process, through the same address, the same checks and the same
signature as over the network: it needs no open port, works behind every proxy, and nothing in Sendero knows the
difference. A notice that is not taken is sent again, as WhatsApp does.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

import httpx2
import msgspec
import sqlalchemy as sa
from starlette.types import ASGIApp

from sendero.tables import Account
from sendero.whatsapp import demo_state
from sendero.whatsapp.forms import body_of
from sendero.whatsapp.signing import signature

if TYPE_CHECKING:
    from sendero.whatsapp.demo import DemoWhatsApp

__all__ = [
    "Post",
    "recategorized",
    "reviewed",
    "set_number",
    "set_template",
    "tell",
    "tell_account",
    "tell_quality",
    "tell_template",
]

_AT_ONCE = 200
_KEPT = timedelta(days=7).total_seconds()
_LONGEST_WAIT = 3600.0
_FORBIDDEN = {
    "casino": "ABUSIVE_CONTENT",
    "apuesta": "ABUSIVE_CONTENT",
    "lottery": "SCAM",
    "lotería": "SCAM",
    "crypto": "SCAM",
    "cripto": "SCAM",
    "http://": "INVALID_FORMAT",
}
_PROMOTIONAL = ("offer", "discount", "sale", "oferta", "descuento", "rebaja", "promo")


def tell(state: sa.Connection, waba_id: str, field: str, value: Mapping[str, Any], at: float) -> None:
    """Remember a notice to send."""
    state.execute(
        demo_state.notices.insert().values(waba_id=waba_id, field=field, value=dict(value), at=at, due=at, tries=0)
    )


def tell_template(state: sa.Connection, template: Mapping[str, Any], event: str, at: float, **more: Any) -> None:
    """Remember a notice about the status of a template."""
    value = {"event": event, **named(template), "reason": "NONE", **more}
    tell(state, template["waba_id"], "message_template_status_update", value, at)


def named(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return how notices name a template."""
    return {
        "message_template_id": int(template["id"]),
        "message_template_name": template["name"],
        "message_template_language": template["language"],
    }


def reviewed(state: sa.Connection, template: Mapping[str, Any], verdict: str | None, at: float) -> None:
    """End a review.

    Args:
        verdict: `approved`, or a reason to reject; None to read the text and decide.
    """
    text = (body_of(template["components"]) or "").lower()
    reason = next((code for word, code in _FORBIDDEN.items() if word in text), None) if verdict is None else verdict
    if reason is not None and reason != "approved":
        set_template(state, template, status="rejected", until=None)
        tell_template(state, template, "REJECTED", at, reason=reason)
        return
    set_template(state, template, status="approved", until=None)
    tell_template(state, template, "APPROVED", at)
    if template["category"] == "utility" and any(word in text for word in _PROMOTIONAL):
        recategorized(state, template, "marketing", at)


def recategorized(state: sa.Connection, template: Mapping[str, Any], category: str, at: float) -> None:
    """Move a template to another category."""
    set_template(state, template, category=category)
    value = {
        **named(template),
        "previous_category": template["category"].upper(),
        "new_category": category.upper(),
    }
    tell(state, template["waba_id"], "template_category_update", value, at)


def set_template(state: sa.Connection, template: Mapping[str, Any], **values: Any) -> None:
    """Change a template."""
    state.execute(demo_state.templates.update().where(demo_state.templates.c.id == template["id"]).values(**values))


class Post:
    """Does what is due and sends what there is to tell.

    Args:
        whatsapp: Whose post this is.
    """

    def __init__(self, whatsapp: DemoWhatsApp) -> None:
        self._whatsapp = whatsapp
        self._app: ASGIApp | None = None
        self._address = ""
        self._at_work = Lock()

    def to(self, app: ASGIApp, address: str) -> None:
        """Let it know where notices go."""
        self._app, self._address = app, address

    def turn(self) -> bool:
        """Do what is due, send what there is; return whether there is more at once."""
        # One at a time: whoever presses a button of the panel sees what comes of it, not that it is on its way.
        with self._at_work:
            now = self._whatsapp.now()
            with self._whatsapp.state.begin() as state:
                _review(state, now)
                _lift(state, now)
                busy = _deliver(state, now)
            return self._send(now) or busy

    def _send(self, now: float) -> bool:
        if self._app is None:
            return False
        query = sa.select(demo_state.notices).where(demo_state.notices.c.due <= now)
        with self._whatsapp.state.begin() as state:
            due = demo_state.rows(state, query.order_by(demo_state.notices.c.id).limit(_AT_ONCE))
        secrets = self._secrets() if due else {}
        by_business: dict[str, list[Mapping[str, Any]]] = {}
        for notice in due:
            by_business.setdefault(notice["waba_id"], []).append(notice)
        for business, listed in by_business.items():
            taken = business in secrets and self._post(business, listed, secrets[business])
            with self._whatsapp.state.begin() as state:
                _settle(state, listed, now, taken=taken)
        return len(due) == _AT_ONCE

    def _post(self, business: str, listed: Sequence[Mapping[str, Any]], secret: str) -> bool:
        entries = [
            {
                "id": business,
                "time": int(notice["at"]),
                "changes": [{"field": notice["field"], "value": notice["value"]}],
            }
            for notice in listed
        ]
        body = msgspec.json.encode({"object": "whatsapp_business_account", "entry": entries})
        return asyncio.run(self._call(body, signature(secret, body))) == 200

    async def _call(self, body: bytes, signed: str) -> int:
        if self._app is None:
            raise AssertionError("there is no application to tell")
        transport = httpx2.ASGITransport(app=self._app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            headers = {
                "Content-Type": "application/json",
                "X-Hub-Signature-256": signed,
                "User-Agent": "facebookexternalua",
            }
            answer = await client.post(self._address, content=body, headers=headers)
            return answer.status_code

    def _secrets(self) -> dict[str, str]:
        """Return the secret of each business account's application, which WhatsApp knows as well as we do."""
        home = self._whatsapp.home
        with home.session() as session:
            accounts = session.execute(sa.select(Account).order_by(Account.deleted_at.is_(None))).scalars()
            return {account.waba_id: home.vault.open(account.app_secret) for account in accounts}


def _settle(state: sa.Connection, listed: Sequence[Mapping[str, Any]], now: float, *, taken: bool) -> None:
    """Forget notices that were taken; put the others off, and give up after a week."""
    for notice in listed:
        row = demo_state.notices.c.id == notice["id"]
        if taken or now - notice["at"] > _KEPT:
            state.execute(demo_state.notices.delete().where(row))
        else:
            wait = min(2.0 ** min(notice["tries"], 12), _LONGEST_WAIT)
            state.execute(demo_state.notices.update().where(row).values(tries=notice["tries"] + 1, due=now + wait))


def _review(state: sa.Connection, now: float) -> None:
    table = demo_state.templates
    due = sa.select(table).where(table.c.status == "pending", table.c.until <= now)
    for template in demo_state.rows(state, due):
        reviewed(state, template, None, now)


def _lift(state: sa.Connection, now: float) -> None:
    """End pauses, restrictions and the week of a flag whose time is over."""
    table = demo_state.templates
    paused = sa.select(table).where(table.c.status == "paused", table.c.until <= now)
    for template in demo_state.rows(state, paused):
        set_template(state, template, status="approved", until=None)
        other = {"title": "UNPAUSE", "description": "Your WhatsApp message template has been unpaused."}
        tell_template(state, template, "APPROVED", now, other_info=other)
    over = sa.select(demo_state.numbers).where(demo_state.numbers.c.until <= now)
    for number in demo_state.rows(state, over):
        set_number(state, number, status="connected", until=None)
        if number["status"] == "flagged":
            tell_quality(state, number, "UNFLAGGED", number["quality"], now)
        else:
            tell_account(state, number, {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}}, now)


def set_number(state: sa.Connection, number: Mapping[str, Any], **values: Any) -> None:
    """Change a number."""
    state.execute(demo_state.numbers.update().where(demo_state.numbers.c.id == number["id"]).values(**values))


def tell_quality(state: sa.Connection, number: Mapping[str, Any], event: str, rating: str, at: float) -> None:
    """Remember a notice about the quality of a number."""
    value = {
        "display_phone_number": "".join(sign for sign in number["display"] if sign.isdigit()),
        "event": event,
        "quality_rating": rating.upper(),
    }
    tell(state, number["waba_id"], "phone_number_quality_update", value, at)


def tell_account(state: sa.Connection, number: Mapping[str, Any], value: Mapping[str, Any], at: float) -> None:
    """Remember a notice about the status of a number."""
    digits = "".join(sign for sign in number["display"] if sign.isdigit())
    tell(state, number["waba_id"], "account_update", {"phone_number": digits, **value}, at)


def _deliver(state: sa.Connection, now: float) -> bool:
    """Move messages on: sent, delivered, and mostly read; or failed."""
    table = demo_state.messages
    due = demo_state.rows(state, sa.select(table).where(table.c.due <= now).limit(_AT_ONCE))
    for message in due:
        luck = hashlib.sha256(message["id"].encode()).digest()
        if message["status"] == "accepted":
            status, wait = "sent", 1 + luck[0] / 64
        elif message["code"] is not None:
            status, wait = "failed", None
        elif message["status"] == "sent":
            status, wait = "delivered", (3 + luck[1] / 16 if luck[2] < 160 else None)
        else:
            status, wait = "read", None
        state.execute(
            table.update()
            .where(table.c.id == message["id"])
            .values(status=status, due=None if wait is None else now + wait)
        )
        tell(state, message["waba_id"], "messages", _status(message, status, now), now)
    return len(due) == _AT_ONCE


def _status(message: Mapping[str, Any], status: str, now: float) -> dict[str, Any]:
    said: dict[str, Any] = {
        "id": message["id"],
        "status": status,
        "timestamp": str(int(now)),
    }
    number = message["to"].startswith("+")
    said["recipient_id" if number else "recipient_user_id"] = message["to"].removeprefix("+")
    if message["reference"]:
        said["biz_opaque_callback_data"] = message["reference"]
    if status == "failed":
        said["errors"] = [{"code": message["code"], "title": "Message undeliverable"}]
    return {
        "messaging_product": "whatsapp",
        "metadata": {"phone_number_id": message["number_id"]},
        "statuses": [said],
    }
