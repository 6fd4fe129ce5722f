"""The pages of contacts."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from sendero.errors import Invalid, Missing
from sendero.service import contacts, notes
from sendero.tables import Contact
from sendero.web.visit import Form, Page, Visit
from sendero.work import Work

__all__ = ["PAGES", "living"]

_SIZE = 50
_TEXTS = ("name", "phone_e164", "email", "birthday", "city", "language", "lifecycle")


def living(work: Work, key: str) -> Contact:
    """Return a contact that is neither deleted nor merged.

    Raises:
        Missing: There is none.
    """
    contact = work.get(Contact, key)
    if contact.deleted_at is not None or contact.merged_into is not None:
        raise Missing
    return contact


def listing(visit: Visit) -> Response:
    """List and search contacts."""
    chosen = {name: visit.query.get(name, "").strip() for name in ("q", "consent", "lifecycle", "tag")}
    page = visit.number("page")
    rows, total = contacts.listing(
        visit.work,
        text=chosen["q"],
        consent=chosen["consent"],
        lifecycle=chosen["lifecycle"],
        tag=chosen["tag"],
        page=page,
        size=_SIZE,
    )
    kept = {name: value for name, value in chosen.items() if value}
    pages = max(1, -(-total // _SIZE))
    return visit.render(
        "contacts/list.html",
        rows=rows,
        total=total,
        chosen=chosen,
        filtered=bool(kept),
        kept=urlencode(kept),
        page=page,
        pages=pages,
        newer=urlencode({**kept, "page": page - 1}) if page > 1 else None,
        older=urlencode({**kept, "page": page + 1}) if page < pages else None,
        lifecycles=contacts.LIFECYCLES,
        consents=contacts.CONSENTS,
    )


def show(visit: Visit) -> Response:
    """Show a contact; a merged one leads to its survivor."""
    if visit.path["id"].startswith("imp_"):
        # The entry of an import names it as its resource.
        return visit.go(f"/contacts/imports/{visit.path['id']}")
    contact = visit.work.get(Contact, visit.path["id"])
    if contact.merged_into is not None:
        return visit.go(f"/contacts/{contact.merged_into}")
    contact = living(visit.work, contact.id)
    twins = contacts.duplicates(visit.work, contact)
    written = notes.listing(visit.work, contact)
    return visit.render("contacts/show.html", contact=contact, twins=twins, written=written)


def add_note(visit: Visit) -> Response:
    """Write something down about a contact."""
    contact = living(visit.work, visit.path["id"])
    notes.add(visit.work, visit.viewer, contact, visit.form["text"])
    return visit.go(f"/contacts/{contact.id}", done="note_added")


def form_new(visit: Visit) -> Response:
    """Show the form for a new contact."""
    typed = _typed(visit.form) if visit.fault else {"lifecycle": "lead"}
    return _form(visit, None, typed)


def create(visit: Visit) -> Response:
    """Create a contact."""
    values = contacts.checked(_values(visit.form))
    if visit.form["marketing"] == "opted_in":
        if not visit.form["evidence"].strip():
            raise Invalid({"evidence": "Say how the person agreed: a form, a signature, a call."})
        values["consent"] = {
            "marketing": "opted_in",
            "source": visit.form["consent_source"],
            "evidence": visit.form["evidence"].strip(),
            "captured_at": visit.work.now(),
        }
        if values["consent"]["source"] not in contacts.CONSENT_SOURCES:
            raise Invalid({"evidence": "Choose one of the list."})
    contact = contacts.create(visit.work, values)
    return visit.go(f"/contacts/{contact.id}", done="contact_created", of=f"contact:{contact.id}")


def form_edit(visit: Visit) -> Response:
    """Show the form for changing a contact."""
    contact = living(visit.work, visit.path["id"])
    if visit.fault:
        return _form(visit, contact, _typed(visit.form))
    typed = {name: getattr(contact, name) or "" for name in (*_TEXTS, "owner_user_id")}
    typed["tags"] = ", ".join(contact.tags)
    typed["custom"] = "\n".join(f"{key}: {value}" for key, value in contact.custom.items())
    return _form(visit, contact, typed)


def update(visit: Visit) -> Response:
    """Change a contact."""
    contact = living(visit.work, visit.path["id"])
    visit.check_version(contact)
    values = _values(visit.form)
    if values["phone_e164"] == contact.phone_e164:
        # An old number that was taken over as it stood may stay as it is.
        checked = contacts.checked(values | {"phone_e164": None}) | {"phone_e164": contact.phone_e164}
    else:
        checked = contacts.checked(values)
    changed = contacts.update(visit.work, contact, checked)
    done = "contact_saved" if changed else "unchanged"
    return visit.go(f"/contacts/{contact.id}", done=done, of=f"contact:{contact.id}" if changed else "")


def form_consent(visit: Visit) -> Response:
    """Show the form for a contact's consent."""
    contact = living(visit.work, visit.path["id"])
    return visit.render(
        "contacts/consent.html", contact=contact, consents=contacts.CONSENTS, sources=contacts.CONSENT_SOURCES
    )


def consent(visit: Visit) -> Response:
    """Change a contact's consent."""
    contact = living(visit.work, visit.path["id"])
    visit.check_version(contact)
    evidence = visit.form["evidence"].strip()[:500] or None
    changed = contacts.change_consent(
        visit.work, contact, visit.form["marketing"], visit.form["consent_source"], evidence
    )
    done = "consent_saved" if changed else "unchanged"
    return visit.go(f"/contacts/{contact.id}", done=done, of=f"contact:{contact.id}" if changed else "")


def form_delete(visit: Visit) -> Response:
    """Ask whether and why to delete a contact."""
    contact = living(visit.work, visit.path["id"])
    return visit.render("contacts/delete.html", contact=contact, codes=contacts.DELETE_REASONS)


def delete(visit: Visit) -> Response:
    """Delete a contact."""
    contact = living(visit.work, visit.path["id"])
    visit.check_version(contact)
    contacts.delete(visit.work, contact, visit.form.reason(contacts.DELETE_REASONS))
    return visit.go("/contacts", done="contact_deleted", of=f"contact:{contact.id}")


def _form(visit: Visit, contact: Contact | None, typed: dict[str, Any]) -> Response:
    return visit.render(
        "contacts/form.html",
        contact=contact,
        typed={name: typed.get(name, "") for name in (*_TEXTS, "owner_user_id", "tags", "custom")},
        lifecycles=contacts.LIFECYCLES,
        sources=contacts.CONSENT_SOURCES,
        owners=[(user.id, user.name) for user in contacts.owners(visit.work)],
    )


def _typed(form: Form) -> dict[str, str]:
    return {name: form[name] for name in (*_TEXTS, "owner_user_id", "tags", "custom")}


def _values(form: Form) -> dict[str, Any]:
    """Read the form; `contacts.checked` judges it."""
    values: dict[str, Any] = {name: form[name].strip() or None for name in (*_TEXTS, "owner_user_id")}
    values["tags"] = list(dict.fromkeys(tag for part in form["tags"].split(",") if (tag := part.strip())))
    values["custom"] = {}
    for line in form["custom"].splitlines():
        key, colon, value = line.partition(":")
        if line.strip():
            values["custom"][key.strip() if colon else ""] = value.strip()
    return values


PAGES = (
    Page(path="/contacts", answer=listing, needs="contacts:read", title="Contacts"),
    Page(path="/contacts/new", answer=form_new, needs="contacts:create", title="New contact"),
    Page(
        path="/contacts/new",
        method="POST",
        answer=create,
        again=form_new,
        needs="contacts:create",
        action="contact.created",
    ),
    Page(path="/contacts/{id}", answer=show, needs="contacts:read", title="Contact"),
    Page(
        path="/contacts/{id}/notes",
        method="POST",
        answer=add_note,
        again=show,
        needs="contacts:update",
        action="contact.updated",
    ),
    Page(path="/contacts/{id}/edit", answer=form_edit, needs="contacts:update", title="Edit contact"),
    Page(
        path="/contacts/{id}/edit",
        method="POST",
        answer=update,
        again=form_edit,
        needs="contacts:update",
        action="contact.updated",
    ),
    Page(path="/contacts/{id}/consent", answer=form_consent, needs="contacts:update", title="Consent of a contact"),
    Page(
        path="/contacts/{id}/consent",
        method="POST",
        answer=consent,
        again=form_consent,
        needs="contacts:update",
        action="contact.consent_changed",
    ),
    Page(path="/contacts/{id}/delete", answer=form_delete, needs="contacts:delete", title="Delete contact"),
    Page(
        path="/contacts/{id}/delete",
        method="POST",
        answer=delete,
        again=form_delete,
        needs="contacts:delete",
        action="contact.deleted",
    ),
)
