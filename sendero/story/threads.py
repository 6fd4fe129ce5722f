"""The threads that somebody looks for in the log: planted in the ordinary days, told through the same services."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from sendero import passwords
from sendero.service import (
    accounts,
    contact_export,
    contacts,
    erase,
    import_rows,
    imports,
    merge,
    notes,
    resets,
    reviews,
    roles,
    sessions,
    templates,
    users,
)
from sendero.story.calendar import Calendar
from sendero.story.cast import PEOPLE, STRANGER, TRAINEE, Person
from sendero.story.days import edit, hand_in
from sendero.story.outside import Outside
from sendero.story.teller import Teller
from sendero.story.texts import DIWALI, ORDER_UPDATE, TRIAL
from sendero.tables import Account, Contact, Template, User
from sendero.work import Work, resource_of
from whodid import Reason, Resource

__all__ = ["account", "plan_threads"]

_WHO = {person.key: person for person in PEOPLE}
_AISHA, _MARIA, _PRIYA, _TOMAS = _WHO["aisha"], _WHO["maria"], _WHO["priya"], _WHO["tomas"]
_SOFIA, _NURIA = _WHO["sofia"], _WHO["nuria"]
_JOAO, _LUCIA, _HUGO, _CARLOS, _ELENA = _WHO["joao"], _WHO["lucia"], _WHO["hugo"], _WHO["carlos"], _WHO["elena"]


def plan_threads(teller: Teller, outside: Outside, calendar: Calendar) -> None:
    """Put the threads on the agenda; the newest end minutes before the story does."""
    ago, by = calendar.ago, calendar.by
    _plan_people(teller, calendar)
    _plan_contacts(teller, outside, calendar)

    # A token that was replaced, and what else changes about the numbers.
    ago(by(_AISHA, lambda work, _: _change(work, "Casa Lumen Support")), days=29, hours=5)
    ago(by(_AISHA, lambda work, _: _change(work, "Casa Lumen Shop")), days=2, hours=5)
    ago(by(_TOMAS, lambda work, _: _rotate(teller, work)), days=8, hours=4)

    # Templates: two go, one is edited and reviewed again, one is written for a campaign that it stops.
    ago(lambda: _hand_in(teller, outside, _MARIA, TRIAL, minutes=12), days=20, hours=5)
    ago(by(_MARIA, lambda *_: _drop_template(teller, TRIAL["name"], "Only a trial")), days=6, hours=6)
    ago(by(_MARIA, lambda *_: _drop_template(teller, "summer_24", "The season is over")), days=52, hours=3)
    ago(lambda: _hand_in(teller, outside, _PRIYA, DIWALI, minutes=27), days=1, hours=3)
    ago(lambda: _edit_order_update(teller, outside), hours=3, minutes=32)

    # Refused: an agent who wanted to delete, another who wanted to see the roles, an auditor who wanted to change them.
    for days, person in ((63, _CARLOS), (31, _HUGO), (9, _CARLOS), (1, _HUGO)):
        ago(lambda person=person: _try_delete(teller, person), days=days, hours=3)  # type: ignore[misc]
    page = Resource(type="page", id="/settings/roles", name="Roles")
    ago(lambda: _try(teller, _HUGO, "page.opened", page, "roles:read"), days=1, hours=3, minutes=-1)
    ago(lambda: _try(teller, _ELENA, "role.updated", Resource(type="role", id="new"), "roles:update"), days=20, hours=5)
    ago(by(_ELENA, lambda *_: teller.open_log(_ELENA)), days=2, hours=4)


def _plan_people(teller: Teller, calendar: Calendar) -> None:
    ago, by = calendar.ago, calendar.by

    # Elena Costa audits, Clara Soto is expected. João Silva: invited, spells his name right, comes from Lisbon on a
    # new device (with the settings of single sign-on), and is made Admin minutes later.
    ago(by(_AISHA, lambda work, me: _invite(teller, work, me, _ELENA)), days=86, hours=3)
    ago(lambda: _settle_in(teller, _ELENA), days=86, hours=1)
    ago(by(_AISHA, lambda work, me: _invite(teller, work, me, _JOAO)), days=78, hours=3)
    ago(lambda: _settle_in(teller, _JOAO), days=78, hours=2)
    ago(by(_JOAO, lambda work, me: users.rename(work, me, "João Silva")), days=77, hours=2)
    ago(by(_AISHA, lambda work, me: _give_role(teller, work, me, _JOAO, "Admin")), hours=2, minutes=19)

    ago(by(_AISHA, lambda work, me: _expect(work, me, "Clara Soto", "clara@casalumen.es")), days=3, hours=3)

    # Hugo Martín stood in for a manager.
    ago(by(_AISHA, lambda work, me: _give_role(teller, work, me, _HUGO, "Manager")), days=51, hours=4)
    ago(by(_AISHA, lambda work, me: _give_role(teller, work, me, _HUGO, "Agent")), days=38, hours=4)

    # Lucía Gil: on leave, back, and gone.
    ago(
        by(_AISHA, lambda work, me: _away(teller, work, me, "on_leave", "Parental leave until October")),
        days=44,
        hours=4,
    )
    ago(by(_AISHA, lambda work, me: users.reactivate(work, me, teller.people[_LUCIA.key])), days=27, hours=5)
    ago(by(_AISHA, lambda work, me: _away(teller, work, me, "left_the_company", "Left the company")), days=6, hours=3)

    # Roles: a trainee's that nobody needed, agents who could delete for two days.
    ago(by(_AISHA, lambda work, me: roles.create(work, me, TRAINEE)), days=61, hours=2)
    ago(by(_AISHA, lambda work, me: roles.delete(work, me, roles.by_name(work, "Trainee"), None)), days=37, hours=4)
    ago(by(_AISHA, lambda work, me: _permit(work, me, add=("contacts:delete",))), days=8, hours=6)
    ago(by(_AISHA, lambda work, me: _permit(work, me, drop=("contacts:delete",))), days=6, hours=2)

    # Passwords: some change theirs, one forgot his, one lost her telephone; a stranger guesses Maria's.
    for days, person in ((70, _CARLOS), (49, _MARIA), (33, _NURIA), (15, _TOMAS), (5, _PRIYA)):
        ago(lambda person=person: _new_password(teller, person), days=days, hours=4)  # type: ignore[misc]
    ago(by(_AISHA, lambda work, me: _reset(teller, work, me, _HUGO)), days=4, hours=6)
    ago(by(_AISHA, lambda work, me: _end_sessions(teller, work, me)), days=3, hours=2)
    for attempt in range(1, 7):
        ago(
            lambda attempt=attempt: teller.fail_sign_in(_MARIA, attempt, STRANGER),  # type: ignore[misc]
            hours=2,
            minutes=52 - attempt * 0.7,
        )


def _plan_contacts(teller: Teller, outside: Outside, calendar: Calendar) -> None:
    ago, by = calendar.ago, calendar.by

    # Ana García: two contacts that are one person. Juan Pérez: deleted because he asked for it. Carmen Ortega: erased.
    ago(by(_SOFIA, lambda work, me: _note(work, me, "Ana Garcia", "Wants the Duna lamp in brass")), days=26, hours=4)
    ago(by(_SOFIA, lambda work, _: _tag(work, "Ana García López", "vip")), days=24, hours=4)
    ago(by(_CARLOS, lambda work, _: _stop_double(work)), days=5, hours=5)
    ago(by(_MARIA, lambda work, _: _move_juan(work)), days=2, hours=5)
    ago(lambda: outside.prefers(_contact(teller.work, "Juan Pérez"), marketing=False), days=1, hours=6)
    ago(by(_MARIA, lambda work, _: _merge_ana(work)), minutes=6)
    ago(by(_MARIA, lambda work, _: _delete_juan(work)), minutes=2.9)
    ago(by(_CARLOS, lambda work, _: _tag(work, "Carmen Ortega Lara", "lamps")), days=4, hours=7)
    ago(by(_AISHA, lambda work, _: _erase(work, "Carmen Ortega Lara", "#2244")), days=2, hours=3)

    # Files: one comes in, two go out.
    ago(lambda: _import(teller, calendar, _SOFIA, "feria-del-habitat.csv", 48), days=34, hours=5)
    ago(lambda: _import(teller, calendar, _MARIA, "clientes-noviembre.csv", 37), days=4, hours=5)
    ago(by(_MARIA, lambda work, _: _export(work, ("name", "email", "city"), tag="newsletter")), days=40, hours=4)
    ago(by(_MARIA, lambda work, _: _export(work, ("name", "phone_e164", "email", "city", "consent"))), days=1, hours=5)


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


def _invite(teller: Teller, work: Work, me: User, person: Person) -> None:
    user, _ = users.create(work, me, {"name": person.name, "email": person.email}, roles.by_name(work, person.role))
    teller.people[person.key] = user


def _expect(work: Work, me: User, name: str, email: str) -> None:
    """Invite somebody who has not come yet."""
    user = users.invite(work, me, {"name": name, "email": email}, roles.by_name(work, "Agent"))
    resets.make(work, user, me, resets.INVITATION_LIFE)


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


def _change(work: Work, name: str) -> None:
    """Let a number tell people that they were read."""
    row = work.session.execute(sa.select(Account).where(Account.name == name)).scalar_one()
    values = {field: getattr(row, field) for field in accounts.EDITABLE}
    accounts.update(work, row, values | {"auto_read_receipt": True, "api_version": "v25.0"})


def _rotate(teller: Teller, work: Work) -> None:
    token = f"EAA{teller.dice.randbytes(40).hex()}"
    accounts.rotate_token(work, _shop(work), token, Reason(code="security", text="Yearly replacement"))


def _named(work: Work, name: str) -> Template:
    query = sa.select(Template).where(Template.name == name, Template.deleted_at.is_(None))
    return work.session.execute(query).scalar_one()


def _hand_in(teller: Teller, outside: Outside, person: Person, text: dict[str, Any], *, minutes: float) -> None:
    if not teller.is_in(person):
        teller.sign_in(person)
        teller.clock.to(teller.clock.now() + timedelta(minutes=3))
    outside.review(hand_in(teller, person, text), minutes=minutes)


def _drop_template(teller: Teller, name: str, text: str) -> None:
    work = teller.work
    template = _named(work, name)
    if template.status == "pending":
        return  # in a story that is too short for its review
    ask = reviews.to_delete(work, template)
    if ask is not None:
        with teller.apart():
            ask()
    templates.delete(work, template, Reason(code="not_used", text=text))


def _edit_order_update(teller: Teller, outside: Outside) -> None:
    """Say where the order is, and lead to the tracking."""
    body = "Hi {{1}}, your order {{2}} is on its way and should arrive by {{3}}. Track it with the button below."
    button = {"type": "url", "text": "Track order", "value": "https://casalumen.es/track"}
    values = ORDER_UPDATE | {"body": body, "samples": ["Ana", "CL-20418", "Friday"], "buttons": [button]}
    if not teller.is_in(_PRIYA):
        teller.sign_in(_PRIYA)
        teller.clock.to(teller.clock.now() + timedelta(minutes=3))
    template = _named(teller.work, "order_update")
    edit(teller, _PRIYA, template, values)
    outside.review(template, minutes=28)


def _try_delete(teller: Teller, person: Person) -> None:
    _try(teller, person, "contact.deleted", resource_of(teller.contact()), "contacts:delete")


def _try(teller: Teller, person: Person, action: str, resource: Resource, permission: str) -> None:
    if not teller.is_in(person):
        teller.sign_in(person)
        teller.clock.to(teller.clock.now() + timedelta(seconds=50))
    teller.be_refused(person, action, resource, permission)


def _reset(teller: Teller, work: Work, me: User, person: Person) -> None:
    """Make a link for somebody who forgot their password; they use it minutes later."""
    user = teller.people[person.key]
    resets.take_password(work, me, user, Reason(code="forgotten", text="He forgot it over the holidays"))
    token = resets.make(work, user, me, resets.LIFE)

    def use() -> None:
        chosen = passwords.generate()
        with teller.apart() as home:
            resets.use(home, token, chosen, chosen, teller.origin(person))
        teller.work.session.refresh(user)

    teller.at(teller.soon(minutes=(6, 12)), use)


def _end_sessions(teller: Teller, work: Work, me: User) -> None:
    """End the sessions of somebody who lost her telephone."""
    teller.sign_in(_NURIA, device="telephone")
    sessions.revoke(work, me, teller.people[_NURIA.key], "", reason=Reason(code="device_lost", text="Lost telephone"))


def _new_password(teller: Teller, person: Person) -> None:
    if not teller.is_in(person):
        teller.sign_in(person)
        teller.clock.to(teller.clock.now() + timedelta(minutes=2))
    teller.change_password(person)


def _note(work: Work, me: User, name: str, text: str) -> None:
    notes.add(work, me, _contact(work, name), text)


def _erase(work: Work, name: str, request: str) -> None:
    erase.erase(work, _contact(work, name), request=request, reason=Reason(code="asked_by_person"))


def _export(work: Work, columns: tuple[str, ...], **wish: str) -> None:
    file, _ = contact_export.write(work, wish, columns)
    file.close()


def _import(teller: Teller, calendar: Calendar, person: Person, name: str, many: int) -> None:
    """Bring a file of people over who left their address at a fair; some lines are broken."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["Nombre", "Teléfono", "Correo", "Ciudad", "Etiquetas"])
    for number in range(many):
        values = teller.customer()
        phone = "no lo sabe" if number % 17 == 11 else values["phone_e164"]
        table.writerow([values["name"], phone, values["email"] or "", values["city"], "feria"])
    file = io.BytesIO(text.getvalue().encode())

    def send(work: Work, me: User) -> None:
        found = imports.take(work, me, file, name)
        imports.start(work, found, import_rows.suggested(found.columns["names"]), "")

    calendar.by(person, send)()
    with teller.apart() as home:
        while imports.turn(home):
            pass


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
