"""Contacts in JSON: read, create, change, tag, delete, and what they agreed to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from sendero.api.call import Answer, Call, Route, instant
from sendero.errors import Invalid, Missing
from sendero.service import contacts
from sendero.tables import Contact, User
from whodid import Reason

__all__ = ["ROUTES"]

_MOST_AT_ONCE = 100
# Names in JSON → names in the database, where they differ.
_NAMES = {"phone": "phone_e164", "owner_id": "owner_user_id"}
_FIELDS = {stored: name for name, stored in _NAMES.items()}


class ConsentIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether somebody agreed to marketing messages, and how that could be shown."""

    marketing: str
    source: str
    evidence: str | None = None


class ContactIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields of a contact that can be written; what is left out stays as it is."""

    name: str | UnsetType = UNSET
    phone: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    birthday: str | UnsetType | None = UNSET
    city: str | UnsetType | None = UNSET
    language: str | UnsetType | None = UNSET
    owner_id: str | UnsetType | None = UNSET
    lifecycle: str | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET
    custom: dict[str, str] | UnsetType = UNSET


class NewContact(ContactIn, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A contact that is created, perhaps with its consent."""

    consent: ConsentIn | None = None


class BulkIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Contacts that are created together or not at all."""

    contacts: list[NewContact]


class TagsIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tags that come and go."""

    add: list[str] = []
    remove: list[str] = []


def listing(call: Call) -> Answer:
    """List and search contacts."""
    page, limit = call.page()
    rows, total = contacts.listing(
        call.work,
        text=call.query.get("q", ""),
        consent=_one_of(call, "consent", contacts.CONSENTS),
        lifecycle=_one_of(call, "lifecycle", contacts.LIFECYCLES),
        tag=call.query.get("tag", ""),
        page=page,
        size=limit,
    )
    return Answer(data={"items": [_shown(row) for row in rows], "total": total, "page": page, "limit": limit})


def show(call: Call) -> Answer:
    """Show a contact."""
    return _answer(_living(call))


def create(call: Call) -> Answer:
    """Create a contact."""
    contact = contacts.create(call.work, _new(call, call.json(NewContact)), source="api")
    return _answer(contact, status=201)


def create_many(call: Call) -> Answer:
    """Create up to a hundred contacts, all or none; their entries are one batch."""
    given = call.json(BulkIn).contacts
    if not 1 <= len(given) <= _MOST_AT_ONCE:
        raise Invalid({"contacts": "Send 1 to 100 contacts."})
    values, faults = list[dict[str, Any]](), dict[str, str]()
    for at, one in enumerate(given):
        try:
            values.append(_new(call, one))
        except Invalid as fault:
            faults |= {f"contacts[{at}].{_FIELDS.get(name, name)}": text for name, text in fault.fields.items()}
    if faults:
        raise Invalid(faults)
    batch = call.work.new_id("bat")
    made = [contacts.create(call.work, one, source="api", batch=batch) for one in values]
    return Answer(status=201, data={"batch": batch, "contacts": [_shown(contact) for contact in made]})


def update(call: Call) -> Answer:
    """Change fields of a contact."""
    contact = _living(call)
    call.check_version(contact)
    contacts.update(call.work, contact, _changed(call, contact, _given(call.json(ContactIn))))
    return _answer(contact)


def tag(call: Call) -> Answer:
    """Add tags to a contact and take tags off it."""
    contact, wanted = _living(call), call.json(TagsIn)
    call.check_version(contact)
    kept = [tag for tag in contact.tags if tag not in wanted.remove]
    tags = list(dict.fromkeys([*kept, *(tag.strip() for tag in wanted.add)]))
    contacts.update(call.work, contact, _changed(call, contact, {"tags": tags}))
    return _answer(contact)


def consent(call: Call) -> Answer:
    """Note that somebody gave or withdrew consent to marketing messages."""
    contact, given = _living(call), call.json(ConsentIn)
    call.check_version(contact)
    evidence = (given.evidence or "").strip() or None
    contacts.change_consent(call.work, contact, given.marketing, given.source, evidence)
    return _answer(contact)


def delete(call: Call) -> Answer:
    """Delete a contact."""
    contact = _living(call)
    call.check_version(contact)
    code, text = _one_of(call, "reason", contacts.DELETE_REASONS), call.query.get("note", "").strip()
    if len(text) > 500:
        raise Invalid({"note": "Use at most 500 characters."})
    contacts.delete(call.work, contact, Reason(code=code or None, text=text or None) if code or text else None)
    return Answer(status=204)


def _living(call: Call) -> Contact:
    contact = call.work.get(Contact, call.path["id"])
    if contact.deleted_at is not None or contact.merged_into is not None:
        raise Missing
    return contact


def _new(call: Call, given: NewContact) -> dict[str, Any]:
    """Return the values of a new contact."""
    wanted = given.consent
    blank = dict.fromkeys(contacts.EDITABLE) | {"lifecycle": "lead", "tags": [], "custom": {}}
    values = _checked(call, blank | _given(given))
    if wanted is not None and wanted.marketing != "unknown":
        evidence = (wanted.evidence or "").strip() or None
        if wanted.marketing not in contacts.CONSENTS:
            raise Invalid({"consent.marketing": _choose(contacts.CONSENTS)})
        if wanted.source not in contacts.CONSENT_SOURCES:
            raise Invalid({"consent.source": _choose(contacts.CONSENT_SOURCES)})
        if wanted.marketing == "opted_in" and evidence is None:
            raise Invalid({"consent.evidence": "Say how the person agreed: a form, a signature, a call."})
        values["consent"] = {
            "marketing": wanted.marketing,
            "source": wanted.source,
            "evidence": evidence,
            "captured_at": call.work.now(),
        }
    return values


def _changed(call: Call, contact: Contact, given: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a contact with some others."""
    present = {name: getattr(contact, name) for name in contacts.EDITABLE}
    if given.get("phone_e164", present["phone_e164"]) == present["phone_e164"]:
        # An old number that was taken over as it stood may stay as it is.
        return _checked(call, present | given | {"phone_e164": None}) | {"phone_e164": present["phone_e164"]}
    return _checked(call, present | given)


def _given(body: ContactIn) -> dict[str, Any]:
    """Return what a body says, under the names of the database."""
    said = {name: getattr(body, name) for name in ContactIn.__struct_fields__}
    return {_NAMES.get(name, name): value for name, value in said.items() if value is not UNSET}


def _checked(call: Call, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return checked values."""
    owner = values["owner_user_id"]
    if owner is not None:
        row: User | None = call.work.find("user", owner)
        if row is None or row.status == "deactivated":
            raise Invalid({"owner_id": "Nobody who can sign in has this id."})
    return contacts.checked(values)


def _one_of(call: Call, name: str, allowed: tuple[str, ...]) -> str:
    value = call.query.get(name, "")
    if value and value not in allowed:
        raise Invalid({name: _choose(allowed)})
    return value


def _choose(allowed: tuple[str, ...]) -> str:
    return f"Use one of: {', '.join(allowed)}."


def _answer(contact: Contact, *, status: int = 200) -> Answer:
    return Answer(status=status, data=_shown(contact), headers={"ETag": f'"{contact.version}"'})


def _shown(contact: Contact) -> dict[str, Any]:
    fields = {_FIELDS.get(name, name): getattr(contact, name) for name in contacts.EDITABLE}
    consented = contacts.consent_of(contact)
    return {
        "id": contact.id,
        **fields,
        "consent": consented | {"captured_at": instant(contact.consent_captured_at)},
        "source": contact.source,
        "created_at": instant(contact.created_at),
        "updated_at": instant(contact.updated_at),
        "version": contact.version,
    }


ROUTES = (
    Route(
        method="GET",
        path="/contacts",
        needs="contacts:read",
        answer=listing,
        says="contacts in order of their names, a page at a time",
        query=("q", "consent", "lifecycle", "tag", "page", "limit"),
    ),
    Route(method="POST", path="/contacts", needs="contacts:create", answer=create, says="creates a contact"),
    Route(
        method="POST",
        path="/contacts/bulk",
        needs="contacts:create",
        answer=create_many,
        says="creates up to 100 contacts, all or none, recorded as one batch",
    ),
    Route(method="GET", path="/contacts/{id}", needs="contacts:read", answer=show, says="a contact"),
    Route(
        method="PATCH",
        path="/contacts/{id}",
        needs="contacts:update",
        answer=update,
        says="changes the fields that are sent",
    ),
    Route(
        method="DELETE",
        path="/contacts/{id}",
        needs="contacts:delete",
        answer=delete,
        says="deletes a contact",
        query=("reason", "note"),
    ),
    Route(
        method="POST",
        path="/contacts/{id}/tags",
        needs="contacts:update",
        answer=tag,
        says="adds tags (`add`) and takes others off (`remove`)",
    ),
    Route(
        method="PUT",
        path="/contacts/{id}/consent",
        needs="contacts:update",
        answer=consent,
        says="notes a consent or its withdrawal",
    ),
)
