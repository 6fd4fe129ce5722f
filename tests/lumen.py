"""A small workspace for the tests of Sendero: one person per role, a few contacts, a template, a number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from sendero import passwords
from sendero.installation import Installation, Settings
from sendero.permissions import BUILTIN
from sendero.service import accounts, contacts, roles, templates, users
from sendero.tables import Account, Contact, Template, User, Workspace
from sendero.web.app import application
from sendero.whatsapp.cloud import CloudApi
from sendero.whatsapp.demo import DemoWhatsApp
from sendero.work import Work, actor_of, begin
from whodid import Actor, Entry
from whodid.capture import context

PASSWORD = "a lamp on every table"
TOKEN = "EAAGm0PX4ZCpsBA0ZBtoken0of0the0tests0000000001"
BASE = "http://lumen.example"
SAME = {"Sec-Fetch-Site": "same-origin"}
NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
SETTER_UP = Actor(type="system", id="tests", name="Set-up")


class Lumen:
    """The workspace of a test.

    Everything that its set-up recorded is told apart by its actor: `entries` shows what the test did.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.now = NOW
        self.home = Installation(Settings(data=folder, **settings), clock=self._clock)
        self.app = application(self.home)
        self._clouds: list[CloudApi] = []
        self._found()

    def close(self) -> None:
        """Close everything that it opened."""
        for cloud in self._clouds:
            cloud.close()
        self.home.close()

    def _clock(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def advance(self, **length: float) -> None:
        """Move on by days, hours, minutes or seconds."""
        self.now += timedelta(**length)

    @contextmanager
    def working(self, actor: Actor = SETTER_UP) -> Iterator[Work]:
        """Work on the rows directly."""
        with begin(self.home) as work, work.acting(actor=actor):
            yield work

    @property
    def whatsapp(self) -> DemoWhatsApp:
        """The WhatsApp that the workspace speaks with."""
        provider = self.home.provider
        assert isinstance(provider, DemoWhatsApp)
        return provider

    def speaks_with(self, address: str, **settings: Any) -> None:
        """Have the workspace speak with a WhatsApp at an address from now on."""
        cloud = CloudApi(address, **settings)
        self._clouds.append(cloud)
        self.home.provider = cloud

    def whatsapp_goes_on(self, seconds: float = 10) -> None:
        """Let time pass over there, and everything arrive that is told."""
        self.advance(seconds=seconds)
        while self.whatsapp.tick():
            pass

    def visitor(self, *, follow: bool = False) -> TestClient:
        """Return a browser that nobody is signed in with."""
        return TestClient(self.app, base_url=BASE, headers=SAME, follow_redirects=follow)

    def signed_in(self, role: str = "Owner") -> TestClient:
        """Return a browser in which the person of a role is signed in."""
        browser = self.visitor()
        answer = browser.post("/sign-in", data={"email": email(role), "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        return browser

    def entries(self, query: str = "") -> list[Entry]:
        """Return what was recorded since the set-up, newest first; sign-ins are left out unless asked for."""
        self.home.relay.drain()
        quiet = "" if query else "-category:auth"
        found = self.home.log.find(self.workspace, f"{query} {quiet}".strip(), limit=200).entries
        return [entry for entry in found if entry.actor.id != SETTER_UP.id]

    def entry(self, query: str = "") -> Entry:
        """Return the only entry since the set-up."""
        (found,) = self.entries(query)
        return found

    def row(self, table: type, **where: Any) -> Any:
        """Return the only row with these values."""
        with self.home.session() as session:
            return session.query(table).filter_by(**where).one()

    def _found(self) -> None:
        with context(actor=SETTER_UP), self.home.sessions.begin() as session:
            now = self._clock()
            self.workspace = "wsp_tests"
            session.add(
                Workspace(
                    id=self.workspace,
                    created_at=now,
                    updated_at=now,
                    name="Casa Lumen",
                    slug="casa-lumen",
                    timezone="Europe/Madrid",
                    locale="es-ES",
                    owner_user_id=None,
                    portfolio_limit="1000",
                    retention_days=90,
                    quiet_hours="",
                )
            )
        with self.working() as work:
            for name, (description, permissions) in BUILTIN.items():
                values = {"name": name, "description": description, "permissions": permissions}
                role = roles.create(work, None, values, builtin=True)
                user, _ = users.create(work, None, {"name": f"{name} Person", "email": email(name)}, role)
                user.status, user.password_hash = "active", passwords.hashed(PASSWORD)
            account = accounts.create(work, account_values())
            juan = {"name": "Juan Pérez", "phone_e164": "+34655018342", "city": "Getafe", "tags": ["newsletter"]}
            contacts.create(work, juan)
            template = templates.create(work, account, templates.checked(template_values()), submitted=True)
            templates.change_status(work, template, "approved")
        self.home.relay.drain()
        self.juan: Contact = self.row(Contact, name="Juan Pérez")
        self.template: Template = self.row(Template)
        self.account: Account = self.row(Account)

    def user(self, role: str) -> User:
        """Return the person of a role."""
        found: User = self.row(User, email=email(role))
        return found

    def actor(self, role: str) -> Actor:
        """Return the person of a role as the log names them."""
        return actor_of(self.user(role))


def row_of(table: Any, **given: Any) -> Any:
    """Return a row with these values, and with as little as it can have in its other columns."""
    least: dict[str, Any] = {}
    for column in table.__table__.columns:
        if column.nullable:
            least[column.name] = None
        elif column.name != "version":
            least[column.name] = {"JSON": {}, "INTEGER": 0, "DATETIME": NOW}.get(str(column.type), "")
    return table(**least | given)


def source(entry: Entry) -> str | None:
    """Return how an entry came about, such as web, webhook or job."""
    return None if entry.context is None else entry.context.source


def email(role: str) -> str:
    """Return the address of the person of a role."""
    return f"{role.lower()}@lumen.example"


def account_values() -> dict[str, Any]:
    """Return a connected number."""
    return {
        "name": "Casa Lumen Shop",
        "waba_id": "1001",
        "phone_number_id": "2002",
        "display_phone_number": "+34 910 555 014",
        "verified_name": "Casa Lumen",
        "name_status": "approved",
        "quality_rating": "green",
        "status": "connected",
        "throughput_level": "standard",
        "mode": "live",
        "is_default_in": True,
        "is_default_out": False,
        "auto_read_receipt": False,
        "api_version": "v24.0",
        "access_token": TOKEN,
        "app_secret": "the-app-secret-of-the-tests",
        "webhook_verify_token": "the-verify-token-of-the-tests",
    }


def template_values(**more: Any) -> dict[str, Any]:
    """Return a template as its form has it."""
    return {
        "name": "order_update",
        "display_name": "Order update",
        "language": "en",
        "category": "utility",
        "header": "",
        "body": "Hi {{1}}, your order {{2}} has been confirmed.",
        "samples": ["Ana", "CL-1"],
        "footer": "",
        "buttons": [{"type": "url", "text": "Track", "value": "https://casalumen.es/orders"}],
        **more,
    }


@pytest.fixture
def lumen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lumen]:
    """Open a workspace whose passwords are hashed quickly."""
    quick_passwords(monkeypatch)
    place = Lumen(tmp_path / "var")
    yield place
    place.close()


def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords quickly."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", quick)
    monkeypatch.setattr(passwords, "_NOBODY", quick.hash("nobody"))
