"""One row of an imported file: which column means what, what the row says, and which contact it is about.

Consent is taken as the law wants it: a yes counts only with its evidence and never lifts a no; a no always counts.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from sendero.errors import Invalid
from sendero.phones import e164, phone_key
from sendero.service import contacts
from sendero.service.sheets import opened
from sendero.tables import Contact
from sendero.work import Work

__all__ = ["LANGUAGES", "TARGETS", "UNPROVEN", "UNWANTED", "Book", "Draft", "drafted", "suggested", "write"]

TARGETS = (
    "name", "phone_e164", "email", "birthday", "city", "language", "lifecycle", "tags", "consent", "consent_evidence",
    "custom",
)  # fmt: skip
LANGUAGES = ("es", "en", "ca", "pt", "fr", "de", "it")

UNPROVEN = "The consent was not taken: it has no evidence."
UNWANTED = "The consent was not taken: this person said no, and a file does not change that."

_LONGEST_CELL = 500
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_KNOWN = {
    "name": ("name", "full name", "nombre", "nombre completo", "contact", "contacto"),
    "phone_e164": ("phone", "phone number", "phone_e164", "mobile", "telefono", "movil", "tel", "whatsapp"),
    "email": ("email", "e-mail", "mail", "correo", "correo electronico", "email address"),
    "birthday": ("birthday", "birth date", "cumpleanos", "fecha de nacimiento"),
    "city": ("city", "town", "ciudad", "poblacion", "localidad"),
    "language": ("language", "idioma"),
    "lifecycle": ("stage", "lifecycle", "etapa", "fase"),
    "tags": ("tags", "tag", "etiquetas", "etiqueta"),
    "consent": ("consent", "marketing consent", "opt in", "opt-in", "consentimiento"),
    "consent_evidence": ("evidence", "consent evidence", "consent_evidence", "prueba", "prueba del consentimiento"),
}
_SAYS = {
    "opted_in": ("yes", "y", "true", "1", "si", "s", "opted_in", "allowed", "permitido"),
    "opted_out": ("no", "n", "false", "0", "opted_out", "stopped", "detenido"),
    "": ("", "unknown", "desconocido"),
}
_STAGES = {"cliente": "customer", "inactivo": "inactive", "contacto": "lead"}


class Draft(Struct, frozen=True, kw_only=True):
    """What a row says.

    Args:
        values: The fields that hold something, as they are stored.
        consent: opted_in, opted_out or nothing.
    """

    values: dict[str, Any]
    consent: str
    evidence: str | None


def suggested(names: Sequence[str]) -> list[str]:
    """Guess what the columns of a file mean by their names; empty for those that say nothing, and no meaning twice."""
    found: list[str] = []
    for name in names:
        plain = contacts.folded(name).replace("_", " ")
        fits = [code for code, known in _KNOWN.items() if plain in known and code not in found]
        found.append(fits[0] if fits else "")
    return found


def drafted(cells: Sequence[str], names: Sequence[str], meanings: Sequence[str], evidence: str) -> Draft:
    """Read a row.

    Args:
        names: What the columns are called.
        meanings: What they mean, each one of `TARGETS` or empty.
        evidence: Of the consent of every row that brings none of its own.

    Raises:
        Invalid: Some of it cannot be taken; all faults at once.
    """
    if len(cells) > len(names):
        raise Invalid({"row": "This row has more values than the first line has columns."})
    said: dict[str, str] = {}
    custom: dict[str, str] = {}
    faults: dict[str, str] = {}
    for cell, name, meaning in zip(cells, names, meanings, strict=False):
        value = opened(cell).strip()
        if not meaning or not value:
            continue
        if _CONTROLS.search(value):
            faults[meaning] = "This value has invisible characters."
        elif len(value) > _LONGEST_CELL:
            faults[meaning] = "This value is longer than 500 characters."
        elif meaning == "custom":
            custom[_key(name)] = value
        else:
            said[meaning] = value
    language = said.get("language", "").casefold()
    if language and language not in LANGUAGES:
        faults["language"] = "Write a language as es, en, ca, pt, fr, de or it."
    answer = contacts.folded(said.get("consent", ""))
    consent = next((code for code, words in _SAYS.items() if answer in words), None)
    if consent is None:
        faults["consent"] = "Write the consent as yes or no, or leave it empty."
    if not said.get("phone_e164") and not said.get("email"):
        faults["row"] = "A row needs a phone number or an e-mail address, so that it is recognised the next time."
    tags = [part.strip() for part in re.split(r"[,;|]", said.get("tags", "")) if part.strip()]
    stage = contacts.folded(said.get("lifecycle", "")) or "lead"
    candidate = {
        **{name: said.get(name) for name in ("phone_e164", "email", "birthday", "city")},
        "name": said.get("name") or "–",
        "language": language or None,
        "lifecycle": _STAGES.get(stage, stage),
        "tags": list(dict.fromkeys(tags)),
        "custom": custom,
    }
    try:
        clean = contacts.checked(candidate)
    except Invalid as fault:
        raise Invalid({**fault.fields, **faults}) from None
    if faults:
        raise Invalid(faults)
    given = {name: value for name, value in clean.items() if value and (name in said or name == "custom")}
    return Draft(values=given, consent=consent or "", evidence=said.get("consent_evidence") or evidence or None)


class Book:
    """The contacts that some rows may be about, found by phone number and by e-mail address."""

    def __init__(self, work: Work, drafts: Iterable[Draft]) -> None:
        self._work = work
        self._phones: dict[str, list[Contact]] = defaultdict(list)
        self._emails: dict[str, list[Contact]] = defaultdict(list)
        read = [draft.values for draft in drafts]
        query = sa.select(Contact).where(
            Contact.workspace_id == work.workspace.id,
            Contact.erased_at.is_(None),
            sa.or_(
                Contact.phone_key.in_({phone_key(one.get("phone_e164")) for one in read} - {None}),
                Contact.email_key.in_({contacts.email_key(one.get("email")) for one in read} - {None}),
            ),
        )
        for contact in work.session.execute(query.order_by(Contact.id)).scalars():
            self.add(contact)

    def add(self, contact: Contact) -> None:
        """Enter a contact, so that a later row finds it."""
        if contact.phone_e164 and (number := e164(contact.phone_e164)):
            self._phones[number].append(contact)
        if contact.email_key:
            self._emails[contact.email_key].append(contact)

    def find(self, draft: Draft) -> Contact | None:
        """Return the contact that a row is about; of one that was merged, its survivor.

        Raises:
            Invalid: There are several, or it was deleted a short time ago.
        """
        found = [
            *self._phones.get(draft.values.get("phone_e164", ""), ()),
            *self._emails.get(contacts.email_key(draft.values.get("email")) or "", ()),
        ]
        ends = {contact.id: contact for contact in map(self._end, found)}
        living = [contact for contact in ends.values() if contact.deleted_at is None]
        if len(living) > 1:
            raise Invalid({"row": "Several contacts have this number or this address. Merge them first."})
        if ends and not living:
            raise Invalid({"row": "This contact was deleted a short time ago, so it is not imported again."})
        return living[0] if living else None

    def _end(self, contact: Contact) -> Contact:
        while contact.merged_into is not None:
            contact = self._work.get(Contact, contact.merged_into)
        return contact


def write(work: Work, book: Book, draft: Draft, batch: str) -> tuple[str, str | None]:
    """Create or update the contact of a row.

    Returns:
        created, updated or skipped (it says nothing new), and what of it was not taken, in words for people.

    Raises:
        Invalid: It is about no contact in particular, or about a new one without a name.
    """
    contact = book.find(draft)
    agreed = draft.consent == "opted_in"
    left = UNPROVEN if agreed and not draft.evidence else None
    if contact is None:
        if "name" not in draft.values:
            raise Invalid({"name": "A contact needs a name."})
        consent = None if left or not draft.consent else _consent(work, draft)
        book.add(contacts.create(work, {**draft.values, "consent": consent}, source="import", batch=batch))
        return "created", left
    changed = contacts.update(work, contact, _joined(contact, draft.values), batch=batch)
    if changed:
        book.add(contact)
    if agreed and contact.consent_marketing == "opted_out":
        left = UNWANTED
    elif draft.consent and not left and draft.consent != contact.consent_marketing:
        evidence = draft.evidence if agreed else None
        changed |= contacts.change_consent(work, contact, draft.consent, "import", evidence, batch=batch)
    return "updated" if changed else "skipped", left


def _consent(work: Work, draft: Draft) -> dict[str, Any]:
    return {
        "marketing": draft.consent,
        "source": "import",
        "evidence": draft.evidence if draft.consent == "opted_in" else None,
        "captured_at": work.now(),
    }


def _joined(contact: Contact, values: dict[str, Any]) -> dict[str, Any]:
    """Add what a row says to what a contact has: tags are united, an empty cell changes nothing."""
    joined = dict(values)
    if "tags" in joined:
        joined["tags"] = [*contact.tags, *(tag for tag in joined["tags"] if tag not in contact.tags)]
    if "custom" in joined:
        joined["custom"] = {**contact.custom, **joined["custom"]}
    return joined


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", contacts.folded(name)).strip("_")[:40]
