"""The threads that somebody looks for in the log: planted in the ordinary days, told through the same services."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from sendero.service import accounts, contacts, merge, roles, templates, users
from sendero.story.cast import LISBON, PEOPLE, STRANGER, TRAINEE, Person
from sendero.story.teller import Teller
from sendero.story.texts import DIWALI, ORDER_UPDATE
from sendero.tables import Account, Contact, Template, User
from sendero.work import Work, resource_of
from whodid import Reason, Resource

__all__ = ["plan_threads"]

_WHO = {person.key: person for person in PEOPLE}
_AISHA, _MARIA, _PRIYA, _TOMAS = _WHO["aisha"], _WHO["maria"], _WHO["priya"], _WHO["tomas"]
_JOAO, _LUCIA, _HUGO, _CARLOS, _ELENA = _WHO["joao"], _WHO["lucia"], _WHO["hugo"], _WHO["carlos"], _WHO["elena"]


def plan_threads(teller: Teller, end: datetime) -> None:
    """Put the threads on the agenda; the newest end minutes before the story does."""

    def ago(act: Callable[[], None], *, days: float = 0, hours: float = 0, minutes: float = 0) -> None:
        teller.at(end - timedelta(days=days, hours=hours, minutes=minutes), act)

    def by(person: Person, act: Callable[[Work, User], None]) -> Callable[[], None]:
        """Sign somebody in if they are not, and act as them."""

        def do() -> None:
            if not teller.is_in(person):
                teller.sign_in(person)
                teller.clock.to(teller.clock.now() + timedelta(seconds=40))
            with teller.acting(person) as work:
                act(work, teller.people[person.key])

        return do

    # João Silva: invited, spells his name right, signs in from Lisbon on a new device, is made Admin minutes later.
    ago(by(_AISHA, lambda work, me: _invite(teller, work, me, _JOAO)), days=78, hours=3)
    ago(lambda: _settle_in(teller, _JOAO), days=78, hours=2)
    ago(by(_JOAO, lambda work, me: _do(users.rename(work, me, "João Silva"))), days=77, hours=2)
    ago(lambda: teller.sign_in(_JOAO, LISBON, device="new"), hours=2, minutes=24)
    ago(by(_AISHA, lambda work, me: _give_role(teller, work, me, _JOAO, "Admin")), hours=2, minutes=19)

    # Lucía Gil: on leave, back, and gone.
    ago(
        by(_AISHA, lambda work, me: _away(teller, work, me, "on_leave", "Parental leave until October")),
        days=44,
        hours=4,
    )
    ago(by(_AISHA, lambda work, me: users.reactivate(work, me, teller.people[_LUCIA.key])), days=27, hours=5)
    ago(by(_AISHA, lambda work, me: _away(teller, work, me, "left_the_company", "Left the company")), days=6, hours=3)

    # Roles: a trainee's that nobody needed, agents who could delete for two days.
    ago(by(_AISHA, lambda work, me: _do(roles.create(work, me, TRAINEE))), days=61, hours=2)
    ago(by(_AISHA, lambda work, me: roles.delete(work, me, roles.by_name(work, "Trainee"), None)), days=37, hours=4)
    ago(by(_AISHA, lambda work, me: _permit(work, me, add=("contacts:delete",))), days=12, hours=6)
    ago(by(_AISHA, lambda work, me: _permit(work, me, drop=("contacts:delete",))), days=10, hours=4)

    # The WhatsApp numbers: a second one, another default, a token that was replaced.
    ago(by(_MARIA, lambda work, _: _do(accounts.create(work, support_account(teller)))), days=45, hours=2)
    ago(by(_AISHA, lambda work, _: _default_out(work)), days=2, hours=5)
    ago(by(_TOMAS, lambda work, _: _rotate(teller, work)), days=8, hours=4)

    # Templates: one goes, one is edited and reviewed again, one is paused for low quality.
    ago(by(_MARIA, lambda work, _: _drop_template(work, "summer_24")), days=52, hours=3)
    ago(by(_PRIYA, lambda work, _: _create_template(work, DIWALI)), days=1, hours=3)
    ago(lambda: _whatsapp(teller, "diwali_offer_2026", "approved"), days=1, hours=2, minutes=12)
    ago(by(_PRIYA, lambda work, _: _edit_order_update(work)), hours=3, minutes=32)
    ago(lambda: _whatsapp(teller, "order_update", "approved"), hours=2, minutes=51)
    ago(lambda: _pause(teller), minutes=14)

    # Refused: an agent who wanted to delete, another who wanted to see the roles, an auditor who wanted to change them.
    for days, person in ((63, _CARLOS), (31, _HUGO), (9, _CARLOS), (1, _HUGO)):
        ago(lambda person=person: _try_delete(teller, person), days=days, hours=3)  # type: ignore[misc]
    page = Resource(type="page", id="/settings/roles", name="Roles")
    ago(lambda: _try(teller, _HUGO, "page.opened", page, "roles:read"), days=1, hours=3, minutes=-1)
    ago(lambda: _try(teller, _ELENA, "role.updated", Resource(type="role", id="new"), "roles:update"), days=20, hours=5)

    # Passwords: some change theirs; a stranger guesses Maria's.
    for days, person in ((70, _CARLOS), (49, _MARIA), (33, _WHO["nuria"]), (15, _TOMAS), (5, _PRIYA)):
        ago(lambda person=person: _new_password(teller, person), days=days, hours=4)  # type: ignore[misc]
    for attempt in range(1, 7):
        ago(
            lambda attempt=attempt: teller.fail_sign_in(_MARIA, attempt, STRANGER),  # type: ignore[misc]
            hours=2,
            minutes=52 - attempt * 0.7,
        )

    # Ana García: two contacts that are one person. Juan Pérez: deleted because he asked for it.
    ago(by(_WHO["sofia"], lambda work, _: _tag(work, "Ana García López", "vip")), days=24, hours=4)
    ago(by(_CARLOS, lambda work, _: _stop_double(work)), days=5, hours=5)
    ago(by(_MARIA, lambda work, _: _move_juan(work)), days=2, hours=5)
    ago(by(_MARIA, lambda work, _: _merge_ana(work)), minutes=6)
    ago(by(_MARIA, lambda work, _: _delete_juan(work)), minutes=2.9)


def support_account(teller: Teller) -> dict[str, Any]:
    """Return the second number of the workspace."""
    return account("Casa Lumen Support", "+34 910 555 020", teller) | {"is_default_in": False, "is_default_out": False}


def account(name: str, number: str, teller: Teller) -> dict[str, Any]:
    """Return a number as WhatsApp describes it, with invented secrets."""
    dice = teller.dice
    return {
        "name": name,
        "waba_id": str(dice.randrange(10**14, 10**15)),
        "phone_number_id": str(dice.randrange(10**14, 10**15)),
        "display_phone_number": number,
        "verified_name": "Casa Lumen",
        "name_status": "approved",
        "quality_rating": "green",
        "status": "connected",
        "throughput_level": "standard",
        "mode": "live",
        "is_default_in": True,
        "is_default_out": True,
        "auto_read_receipt": False,
        "api_version": "v24.0",
        "access_token": f"EAA{dice.randbytes(40).hex()}",
        "app_secret": dice.randbytes(16).hex(),
        "webhook_verify_token": dice.randbytes(12).hex(),
    }


def _do(_: object) -> None:
    """Take no notice of what an act returns."""


def _invite(teller: Teller, work: Work, me: User, person: Person) -> None:
    user, _ = users.create(work, me, {"name": person.name, "email": person.email}, roles.by_name(work, person.role))
    teller.people[person.key] = user


def _settle_in(teller: Teller, person: Person) -> None:
    teller.sign_in(person)
    teller.clock.to(teller.clock.now() + timedelta(minutes=1))
    teller.change_password(person)


def _give_role(teller: Teller, work: Work, me: User, person: Person, role: str) -> None:
    users.change_role(work, me, teller.people[person.key], roles.by_name(work, role))


def _away(teller: Teller, work: Work, me: User, code: str, text: str) -> None:
    user = teller.people[_LUCIA.key]
    if user.status != "deactivated":
        users.deactivate(work, me, user, Reason(code=code, text=text))


def _permit(work: Work, me: User, *, add: tuple[str, ...] = (), drop: tuple[str, ...] = ()) -> None:
    role = roles.by_name(work, "Agent")
    permissions = [one for one in (*role.permissions, *add) if one not in drop]
    roles.update(work, me, role, {"name": role.name, "description": role.description, "permissions": permissions})


def _shop(work: Work) -> Account:
    return work.session.execute(sa.select(Account).where(Account.name == "Casa Lumen Shop")).scalar_one()


def _default_out(work: Work) -> None:
    shop = _shop(work)
    values = {name: getattr(shop, name) for name in accounts.EDITABLE}
    accounts.update(work, shop, values | {"auto_read_receipt": True, "api_version": "v25.0"})


def _rotate(teller: Teller, work: Work) -> None:
    token = f"EAA{teller.dice.randbytes(40).hex()}"
    accounts.rotate_token(work, _shop(work), token, Reason(code="security", text="Yearly replacement"))


def _named(work: Work, name: str) -> Template:
    query = sa.select(Template).where(Template.name == name, Template.deleted_at.is_(None))
    return work.session.execute(query).scalar_one()


def _create_template(work: Work, values: dict[str, Any]) -> None:
    templates.create(work, _shop(work), templates.checked(values), submitted=True)


def _drop_template(work: Work, name: str) -> None:
    template = _named(work, name)
    if template.status != "pending":
        templates.delete(work, template, Reason(code="not_used", text="The season is over"))


def _edit_order_update(work: Work) -> None:
    """Say where the order is, and lead to the tracking."""
    body = "Hi {{1}}, your order {{2}} is on its way and should arrive by {{3}}. Track it with the button below."
    button = {"type": "url", "text": "Track order", "value": "https://casalumen.es/track"}
    values = ORDER_UPDATE | {"body": body, "samples": ["Ana", "CL-20418", "Friday"], "buttons": [button]}
    templates.edit(work, _named(work, "order_update"), templates.checked(values))


def _whatsapp(teller: Teller, name: str, status: str) -> None:
    with teller.whatsapp() as work:
        template = _named(work, name)
        if template.status == "pending":
            templates.change_status(work, template, status)


def _pause(teller: Teller) -> None:
    with teller.whatsapp() as work:
        until = work.now() + timedelta(hours=3)
        why = Reason(code="low_quality", text="First pause, 3 hours")
        templates.change_status(work, _named(work, "diwali_offer_2026"), "paused", reason=why, until=until)


def _try_delete(teller: Teller, person: Person) -> None:
    _try(teller, person, "contact.deleted", resource_of(teller.contact()), "contacts:delete")


def _try(teller: Teller, person: Person, action: str, resource: Resource, permission: str) -> None:
    if not teller.is_in(person):
        teller.sign_in(person)
        teller.clock.to(teller.clock.now() + timedelta(seconds=50))
    teller.be_refused(person, action, resource, permission)


def _new_password(teller: Teller, person: Person) -> None:
    if not teller.is_in(person):
        teller.sign_in(person)
        teller.clock.to(teller.clock.now() + timedelta(minutes=2))
    teller.change_password(person)


def _merge_ana(work: Work) -> None:
    ana, double = _contact(work, "Ana García López"), _contact(work, "Ana Garcia")
    merge.merge(work, merge.plan(ana, double, {}))


def _tag(work: Work, name: str, tag: str) -> None:
    contact = _contact(work, name)
    contacts.update(work, contact, {"tags": [*contact.tags, tag]})


def _stop_double(work: Work) -> None:
    contacts.change_consent(work, _contact(work, "Ana Garcia"), "opted_out", "phone", "Said so on the phone")


def _move_juan(work: Work) -> None:
    juan = _contact(work, "Juan Pérez")
    contacts.update(work, juan, {"city": "Madrid", "tags": [*juan.tags, "vip"]})


def _delete_juan(work: Work) -> None:
    juan = _contact(work, "Juan Pérez")
    why = Reason(code="asked_to_be_removed", text="Asked to be removed by phone, ticket #2231")
    contacts.delete(work, juan, why)


def _contact(work: Work, name: str) -> Contact:
    query = sa.select(Contact).where(Contact.name == name, Contact.deleted_at.is_(None), Contact.merged_into.is_(None))
    return work.session.execute(query).scalar_one()
