"""What changes in the settings over the story: teams, webhooks, numbers, the workspace, single sign-on."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import sqlalchemy as sa

from sendero.service import accounts, sso, teams, webhooks, workspace
from sendero.story.calendar import Calendar
from sendero.story.cast import LISBON, PEOPLE, STRANGER
from sendero.story.outside import Outside
from sendero.story.teller import Teller
from sendero.story.threads import account
from sendero.tables import Account, SsoConnection, Team, User, Webhook
from sendero.work import Work, actor_of
from whodid import Reason
from whodid.capture import current
from whodid.export import export

__all__ = ["plan_settings"]

_WHO = {person.key: person for person in PEOPLE}
_AISHA, _TOMAS, _MARIA, _JOAO, _ELENA = _WHO["aisha"], _WHO["tomas"], _WHO["maria"], _WHO["joao"], _WHO["elena"]

_TEAM = {"description": "", "assignment": "round_robin", "days": "every_day", "opens": "14:00", "closes": "22:00"}
_ORDERS = (
    "contact.deleted",
    "contact.merged",
    "campaign.started",
    "campaign.paused",
    "campaign.cancelled",
    "campaign.completed",
)


def plan_settings(teller: Teller, outside: Outside, calendar: Calendar) -> None:
    """Put all of it on the agenda."""
    _plan_teams(teller, calendar)
    _plan_webhooks(teller, outside, calendar)
    _plan_numbers(teller, outside, calendar)
    _plan_workspace(teller, calendar)
    _plan_sign_on(teller, calendar)


def _plan_teams(teller: Teller, calendar: Calendar) -> None:
    def ids(*keys: str) -> list[str]:
        return [teller.people[key].id for key in keys]

    def create(name: str, *keys: str, **more: str) -> Callable[[Work, User], object]:
        return lambda work, _: teams.create(work, {"name": name, **_TEAM, **more, "members": ids(*keys)})

    def change(name: str, *keys: str, **more: str) -> Callable[[Work, User], object]:
        return lambda work, _: teams.update(
            work, _team(work, name), {"name": name, **_TEAM, **more, "members": ids(*keys)}
        )

    def drop(work: Work, _: User) -> None:
        teams.delete(work, _team(work, "Summer help"), Reason(code="not_used", text="The season is over"))

    by, ago = calendar.by, calendar.ago
    shop = {"days": "weekdays", "opens": "09:00", "closes": "18:00"}
    ago(by(_AISHA, create("Shop", "carlos", "nuria", "maria", **shop)), days=76, hours=3)
    ago(by(_AISHA, create("Night shift", "hugo", "lucia")), days=76, hours=2.9)
    ago(by(_MARIA, create("Summer help", "carlos", "hugo")), days=75, hours=5)
    ago(by(_MARIA, drop), days=57, hours=3)
    ago(by(_AISHA, change("Shop", "carlos", "nuria", "sofia", **shop)), days=35, hours=3)
    ago(by(_AISHA, change("Night shift", "hugo", "lucia")), days=26, hours=5)
    ago(by(_AISHA, change("Night shift", "hugo", "joao")), days=6, hours=3.2)
    least = shop | {"assignment": "least_busy"}
    ago(by(_MARIA, change("Shop", "carlos", "nuria", "sofia", **least)), days=2, hours=6)


def _plan_webhooks(teller: Teller, outside: Outside, calendar: Calendar) -> None:
    def values(url: str, *events: str) -> dict[str, Any]:
        return {"url": url, "events": events or _ORDERS, "active": True, "headers": {}}

    def create(name: str, url: str, *events: str) -> Callable[[Work, User], object]:
        def act(work: Work, _: User) -> None:
            webhooks.create(work, {"name": name, **values(url, *events)})
            teller.settle()

        return act

    def move(url: str) -> Callable[[Work, User], None]:
        def act(work: Work, _: User) -> None:
            webhook = _webhook(work, "Order events")
            webhooks.update(work, webhook, {"name": webhook.name, **values(url)})

        return act

    def rotate(work: Work, _: User) -> None:
        webhooks.rotate_secret(work, _webhook(work, "Order events"), Reason(code="security", text="Yearly replacement"))

    def drop(work: Work, _: User) -> None:
        webhooks.delete(work, _webhook(work, "Stock display"), Reason(code="not_used"))
        teller.settle()

    by, ago = calendar.by, calendar.ago
    ago(by(_TOMAS, create("Order events", "https://hooks.casalumen.example/v1")), days=84, hours=5)
    display = create("Stock display", "https://display.casalumen.example/in", "template.status_changed")
    ago(by(_TOMAS, display), days=66, hours=4)
    ago(by(_TOMAS, drop), days=29, hours=4)
    ago(by(_TOMAS, move("https://hooks.casalumen.example/v2")), days=40, hours=3)
    ago(by(_TOMAS, rotate), days=40, hours=2.95)
    ago(by(_TOMAS, move("https://events.parcelo.example/lumen/v2")), days=1, hours=2.5)
    outside.fails(calendar.instant(38, "10:00"), calendar.instant(38, "13:30"))
    outside.fails(calendar.instant(4, "10:15"), calendar.instant(4, "12:30"))
    outside.plan_post(calendar.start, calendar.end)


def _plan_numbers(teller: Teller, outside: Outside, calendar: Calendar) -> None:
    def connect(name: str, number: str) -> Callable[[Work, User], object]:
        extra = {"is_default_in": False, "is_default_out": False}
        return lambda work, _: accounts.create(work, account(name, number, teller) | extra)

    def drop(name: str, text: str) -> Callable[[Work, User], None]:
        def act(work: Work, _: User) -> None:
            accounts.delete(work, _account(work, name), Reason(code="other", text=text))

        return act

    by, ago = calendar.by, calendar.ago
    ago(by(_MARIA, connect("Casa Lumen Support", "+34 910 555 020")), days=45, hours=2)
    ago(by(_TOMAS, connect("Trial number", "+34 910 555 077")), days=6, hours=4)
    ago(by(_TOMAS, drop("Trial number", "The trial is over")), days=2, hours=3.4)
    ago(by(_AISHA, drop("Old Madrid line", "The shop in Calle Mayor closed")), days=5, hours=4)
    shop = "Casa Lumen Shop"
    for act, choice, days, hours in (
        ("limit", "TIER_100K", 50, 7),
        ("yellow", "", 36, 8),
        ("red", "", 35, 8),
        ("green", "", 30, 9),
        ("yellow", "", 3, 7),
        ("green", "", 1, 7),
    ):
        name = "Casa Lumen Support" if act == "red" or days == 30 else shop
        ago(lambda act=act, name=name, choice=choice: outside.of_number(act, name, choice), days=days, hours=hours)  # type: ignore[misc]
    ago(lambda: outside.of_number("green", shop), days=33, hours=9)
    ago(lambda: outside.pretends(STRANGER.ip), days=2, hours=7)
    ago(lambda: outside.of_template("category", "pedido_confirmado", "marketing"), days=5, hours=8)


def _plan_workspace(teller: Teller, calendar: Calendar) -> None:
    def quiet(begins: str, ends: str) -> Callable[[Work, User], object]:
        def act(work: Work, _: User) -> None:
            row = work.workspace
            names = ("name", "timezone", "locale")
            values = {name: getattr(row, name) for name in names} | {"quiet_from": begins, "quiet_to": ends}
            workspace.update(work, values)

        return act

    def keep(days: str) -> Callable[[Work, User], None]:
        def act(work: Work, me: User) -> None:
            # The log itself records this, and takes it when everything before is there.
            teller.settle()
            workspace.change_retention(work, me, days)

        return act

    def take_along(work: Work, me: User) -> None:
        teller.settle()
        scope = current()
        where = scope.context if scope is not None else None
        with BytesIO() as file:
            export(work.home.log, work.workspace.id, "action:role.*", "csv", file, actor=actor_of(me), context=where)

    ago, by = calendar.ago, calendar.by
    ago(by(_ELENA, take_along), days=1, hours=4)
    ago(by(_AISHA, quiet("21", "9")), days=5, hours=2)
    ago(by(_AISHA, keep("60")), days=59, hours=4)
    ago(by(_AISHA, keep("90")), days=58, hours=3)


def _plan_sign_on(teller: Teller, calendar: Calendar) -> None:
    google = {
        "name": "Google Workspace",
        "provider": "google",
        "issuer": "",
        "client_id": "407408718192.apps.googleusercontent.com",
        "client_secret": "",
        "domains": "casalumen.es",
        "auto_provision": False,
    }
    github = google | {
        "name": "GitHub",
        "provider": "github",
        "client_id": "Iv1.8a61f9b3a7aba766",
        "domains": "casalumen.dev",
    }

    def create(values: dict[str, Any]) -> Callable[[Work, User], object]:
        def act(work: Work, me: User) -> None:
            secret = f"GOCSPX-{teller.dice.randbytes(14).hex()}"
            sso.create(work, me, values | {"client_secret": secret}, teller.people["nuria"].role)

        return act

    def enforce(*, enforced: bool) -> Callable[[Work, User], object]:
        def act(work: Work, me: User) -> None:
            row = _connection(work, "Google Workspace")
            sso.update(work, me, row, google | {"enforced": enforced}, row.default_role)

        return act

    def drop(work: Work, _: User) -> None:
        sso.remove(work, _connection(work, "GitHub"), Reason(code="not_used", text="The developers left the domain"))

    ago, by = calendar.ago, calendar.by
    ago(by(_TOMAS, create(github)), days=53, hours=4)
    ago(by(_AISHA, drop), days=42, hours=4)
    ago(by(_AISHA, create(google)), days=6, hours=5)
    ago(lambda: teller.sign_in_by_provider(_TOMAS, "Google Workspace"), days=6, hours=4.7)
    ago(lambda: teller.sign_in_by_provider(_JOAO, "Google Workspace"), days=4, hours=3)
    ago(by(_AISHA, enforce(enforced=True)), days=3, hours=4.9)
    ago(by(_AISHA, enforce(enforced=False)), days=3, hours=4.2)
    ago(lambda: teller.sign_in_by_provider(_JOAO, "Google Workspace", LISBON, device="new"), hours=2, minutes=24)


def _team(work: Work, name: str) -> Team:
    return work.session.execute(sa.select(Team).where(Team.name == name, Team.deleted_at.is_(None))).scalar_one()


def _webhook(work: Work, name: str) -> Webhook:
    query = sa.select(Webhook).where(Webhook.name == name, Webhook.deleted_at.is_(None))
    return work.session.execute(query).scalar_one()


def _account(work: Work, name: str) -> Account:
    query = sa.select(Account).where(Account.name == name, Account.deleted_at.is_(None))
    return work.session.execute(query).scalar_one()


def _connection(work: Work, name: str) -> SsoConnection:
    query = sa.select(SsoConnection).where(SsoConnection.name == name, SsoConnection.deleted_at.is_(None))
    return work.session.execute(query).scalar_one()
