"""A WhatsApp that is played in this process, for the demo and for tests.

It keeps the promise of every provider, reviews templates after some seconds, delivers messages a little later, and
refuses with WhatsApp's own codes. What it tells by itself goes through the signed webhook (`demo_post`). What somebody
can make it do is in `demo_acts`.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from starlette.types import ASGIApp

from sendero.tables import Account, Template
from sendero.whatsapp import demo_post, demo_state
from sendero.whatsapp.forms import body_of, handed_in, header_of
from sendero.whatsapp.provider import (
    EXISTS,
    TOKEN_LOST,
    Found,
    Line,
    Media,
    Outgoing,
    ProviderFault,
    Standing,
    Submitted,
)

if TYPE_CHECKING:
    from sendero.installation import Installation

__all__ = ["DemoWhatsApp"]

_VARIABLE = re.compile(r"\{\{\d+\}\}")
_LATER = timedelta(minutes=30)
_PLAIN = (None, "text")
_HANDLE = "4::"


class DemoWhatsApp:
    """WhatsApp, played.

    Args:
        home: The installation; its clock is WhatsApp's as well.
        review: Seconds that a review takes.
        rate: Messages that a number may send in a second.
    """

    def __init__(self, home: Installation, *, review: float = 5, rate: int = 80) -> None:
        self.home = home
        self.review = review
        self.rate = rate
        self.state = demo_state.State(home.settings.data / "whatsapp-demo.db")
        self._post = demo_post.Post(self)
        self._sending = Lock()
        self._second: dict[str, tuple[int, int]] = {}

    def close(self) -> None:
        """Close its memory."""
        self.state.close()

    def reach(self, app: ASGIApp, address: str) -> None:
        """Let it know the application that its notices go to."""
        self._post.to(app, address)

    def tick(self) -> bool:
        """Do what is due, and send what there is to tell; return whether there is more."""
        self.meet()
        return self._post.turn()

    def now(self) -> float:
        """Return the present, in seconds."""
        return self.home.clock().timestamp()

    # ------------------------------------------------------------------------------------------------ the promise

    def standing(self, line: Line) -> Standing:
        """Return how a number stands."""
        number = self._number(line)
        return Standing(
            display_phone_number=number["display"],
            verified_name=number["verified_name"],
            name_status=number["name_status"],
            quality_rating=number["quality"],
            status=number["status"],
            throughput_level=number["throughput"],
            mode=number["mode"],
        )

    def send(self, line: Line, message: Outgoing) -> str:
        """Send a message and return its id; whether it arrives is told later."""
        number = self._number(line)
        if number["status"] in ("banned", "disconnected"):
            raise ProviderFault(131031, "Business Account locked")
        if number["status"] == "restricted":
            raise ProviderFault(131048, "Spam rate limit hit", passing=True, wait=3600)
        self._throttle(line.phone_number_id)
        key = f"wamid.{secrets.token_hex(16)}"
        if not self._has(line, message):
            self.meet()
        with self.state.begin() as state:
            template = _template(state, line.waba_id, message.template, message.language)
            _check_sendable(template, message)
            person = state.execute(
                sa.select(demo_state.people.c.stopped).where(demo_state.people.c.id == message.to)
            ).scalar()
            code = None
            if message.to.endswith("000"):
                code = 131026  # nobody with WhatsApp has this number
            elif person and template is not None and template["category"] == "marketing":
                code = 131050  # the person stopped marketing messages
            state.execute(
                demo_state.messages.insert().values(
                    id=key,
                    number_id=line.phone_number_id,
                    waba_id=line.waba_id,
                    to=message.to,
                    reference=message.reference,
                    status="accepted",
                    code=code,
                    due=self.now() + 0.5,
                )
            )
        return key

    def upload(self, line: Line, media: Media) -> str:
        """Take the example of a header; the same file always has the same handle."""
        self._number(line)
        media.file.seek(0)
        digest = hashlib.sha256(media.file.read()).hexdigest()
        return f"{_HANDLE}{base64.b64encode(media.type.encode()).decode()}:{digest[:32]}"

    def create_template(self, line: Line, template: Mapping[str, Any]) -> Submitted:
        """Hand a template in for review."""
        self._number(line)
        _check_example(template["components"])
        key = _new_key()
        with self.state.begin() as state:
            if _template(state, line.waba_id, template["name"], template["language"]) is not None:
                raise ProviderFault(100, "Content in this language already exists", subcode=EXISTS)
            state.execute(
                demo_state.templates.insert().values(
                    id=key,
                    waba_id=line.waba_id,
                    name=template["name"],
                    language=template["language"],
                    category=template["category"].lower(),
                    components=list(template["components"]),
                    status="pending",
                    pauses=0,
                    until=self.now() + self.review,
                )
            )
        return Submitted(id=key, status="pending", category=template["category"].lower())

    def find_template(self, line: Line, name: str, language: str) -> Found | None:
        """Return what it has under a name in a language; None when it has nothing."""
        self._number(line)
        with self.state.begin() as state:
            found = _template(state, line.waba_id, name, language)
        if found is None:
            return None
        return Found(id=found["id"], status=found["status"], category=found["category"], components=found["components"])

    def edit_template(self, line: Line, template_id: str, template: Mapping[str, Any]) -> None:
        """Hand changed components in for review."""
        self._number(line)
        _check_example(template["components"])
        with self.state.begin() as state:
            query = sa.select(demo_state.templates).where(
                demo_state.templates.c.id == template_id, demo_state.templates.c.waba_id == line.waba_id
            )
            found = demo_state.one(state, query)
            if found is None:
                raise ProviderFault(100, "Unsupported post request: this template does not exist")
            if found["status"] not in ("approved", "rejected", "paused"):
                raise ProviderFault(100, "Only approved, rejected and paused templates can be edited")
            state.execute(
                demo_state.templates.update()
                .where(demo_state.templates.c.id == template_id)
                .values(
                    components=list(template["components"]),
                    category=str(template.get("category", found["category"])).lower(),
                    status="pending",
                    until=self.now() + self.review,
                )
            )

    def delete_template(self, line: Line, template_id: str, name: str) -> None:
        """Delete one language of a template; one that is gone already is no fault."""
        self._number(line)
        with self.state.begin() as state:
            state.execute(
                demo_state.templates.delete().where(
                    demo_state.templates.c.id == template_id,
                    demo_state.templates.c.waba_id == line.waba_id,
                    demo_state.templates.c.name == name,
                )
            )

    # ------------------------------------------------------------------------------------------------ who is known

    def _number(self, line: Line) -> Mapping[str, Any]:
        """Return a number; one that nobody spoke of before is connected, unless its token cannot be one."""
        if not line.access_token.startswith("EAA"):
            raise ProviderFault(TOKEN_LOST, "Invalid OAuth access token - Cannot parse access token")
        query = sa.select(demo_state.numbers).where(demo_state.numbers.c.id == line.phone_number_id)
        with self.state.begin() as state:
            found = demo_state.one(state, query)
        if found is None:
            self.meet()
            with self.state.begin() as state:
                found = demo_state.one(state, query)
                if found is None:
                    found = _new_number(line)
                    state.execute(demo_state.numbers.insert().values(**found))
        if found["waba_id"] != line.waba_id:
            raise ProviderFault(100, "Unsupported get request: this number is not of this business account")
        return found

    def _has(self, line: Line, message: Outgoing) -> bool:
        with self.state.begin() as state:
            return _template(state, line.waba_id, message.template, message.language) is not None

    def meet(self) -> None:
        """Get to know the numbers and templates that Sendero has and this WhatsApp has not: those of the story.

        In production they would be known over there before; here they come from the first start. A template that was
        handed in has an id, and is never met again once it is gone.
        """
        living = sa.select(Account).where(Account.deleted_at.is_(None))
        unmet = sa.select(Template).where(
            Template.meta_template_id.is_(None), Template.deleted_at.is_(None), Template.status != "draft"
        )
        with self.home.session() as session, self.state.begin() as state:
            known = set(state.execute(sa.select(demo_state.numbers.c.id)).scalars())
            for account in session.execute(living).scalars():
                if account.phone_number_id not in known:
                    state.execute(demo_state.numbers.insert().values(**_old_number(account)))
            for template in session.execute(unmet).scalars():
                if _template(state, template.account.waba_id, template.name, template.language) is None:
                    state.execute(demo_state.templates.insert().values(**self._old_template(template)))

    def _old_template(self, template: Template) -> dict[str, Any]:
        until = template.paused_until.timestamp() if template.paused_until else None
        if template.status == "pending":
            until = self.now() + _LATER.total_seconds()
        fields = ("name", "language", "category", "components")
        return {
            "id": _new_key(),
            "waba_id": template.account.waba_id,
            "name": template.name,
            "language": template.language,
            "category": template.category,
            "components": handed_in({name: getattr(template, name) for name in fields})["components"],
            "status": template.status,
            "pauses": template.pause_count,
            "until": until,
        }

    def _throttle(self, number: str) -> None:
        with self._sending:
            second = int(self.now())
            began, sent = self._second.get(number, (second, 0))
            if began != second:
                sent = 0
            if sent >= self.rate:
                raise ProviderFault(130429, "Rate limit hit", passing=True, wait=1)
            self._second[number] = (second, sent + 1)


def _new_key() -> str:
    return str(10**14 + secrets.randbelow(9 * 10**14))


def _template(state: sa.Connection, waba_id: str, name: str, language: str) -> Mapping[str, Any] | None:
    query = sa.select(demo_state.templates).where(
        demo_state.templates.c.waba_id == waba_id,
        demo_state.templates.c.name == name,
        demo_state.templates.c.language == language,
    )
    return demo_state.one(state, query)


def _check_sendable(template: Mapping[str, Any] | None, message: Outgoing) -> None:
    if template is None or template["status"] in ("pending", "rejected", "archived"):
        raise ProviderFault(132001, "Template name does not exist in the translation")
    if template["status"] == "paused":
        raise ProviderFault(132015, "Template is paused due to low quality")
    if template["status"] == "disabled":
        raise ProviderFault(132016, "Template is disabled due to low quality")
    wanted = len(set(_VARIABLE.findall(body_of(template["components"]) or "")))
    if wanted != len(message.body):
        raise ProviderFault(132000, "Number of parameters does not match the expected number of params")
    expected, received = header_of(template["components"]), message.header.get("format", "text")
    if received != ("text" if expected in _PLAIN else expected):
        raise ProviderFault(132012, "Parameter format does not match format in the created template")


def _check_example(components: Sequence[Mapping[str, Any]]) -> None:
    """Refuse the header of a file without a handle that was given here."""
    header = next((part for part in components if part["type"] == "HEADER"), None)
    if header is None or header["format"] in ("TEXT", "LOCATION"):
        return
    if not header.get("example", {}).get("header_handle", [""])[0].startswith(_HANDLE):
        raise ProviderFault(100, "Invalid parameter: the example of the header has no valid handle")


def _old_number(account: Account) -> dict[str, Any]:
    return {
        "id": account.phone_number_id,
        "waba_id": account.waba_id,
        "display": account.display_phone_number,
        "verified_name": account.verified_name,
        "name_status": account.name_status,
        "quality": account.quality_rating,
        "status": account.status,
        "throughput": account.throughput_level,
        "mode": account.mode,
        "until": None,
    }


def _new_number(line: Line) -> dict[str, Any]:
    """Make a number up; the same id always has the same number."""
    digits = int(hashlib.sha256(line.phone_number_id.encode()).hexdigest(), 16) % 1000
    return {
        "id": line.phone_number_id,
        "waba_id": line.waba_id,
        "display": f"+34 910 555 {digits:03}",
        "verified_name": "Casa Lumen",
        "name_status": "approved",
        "quality": "green",
        "status": "connected",
        "throughput": "standard",
        "mode": "live",
        "until": None,
    }
