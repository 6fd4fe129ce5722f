"""Exporting contacts: choose the columns of what was searched for, and get a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import urlencode

from starlette.responses import Response, StreamingResponse

from sendero.service import contact_export, contacts
from sendero.web.labels import LABELS
from sendero.web.visit import Page, Visit

__all__ = ["COLUMN_LABELS", "PAGES"]

COLUMN_LABELS = {
    "name": "Name",
    "phone_e164": "Phone",
    "email": "E-mail",
    "birthday": "Birthday",
    "city": "City",
    "language": "Language",
    "lifecycle": "Stage",
    "tags": "Tags",
    "owner": "Owner",
    "consent": "Marketing consent",
    "consent_evidence": "Evidence of the consent",
    "custom": "Custom fields",
}
_USUAL = ("name", "phone_e164", "email", "city", "lifecycle", "tags", "consent")


def form(visit: Visit) -> Response:
    """Show what would be exported."""
    asked = _asked(visit)
    told = [visit.words(LABELS[asked[name]]) for name in ("lifecycle", "consent") if asked[name] in LABELS]
    told += [text for text in (asked["tag"], asked["q"]) if text]
    return visit.render(
        "contacts/export.html",
        total=contacts.counted(visit.work, contacts.search(visit.work, **_wish(asked))),
        told=told,
        asked=asked,
        back=urlencode({name: value for name, value in asked.items() if value}),
        columns=COLUMN_LABELS,
        ticked=visit.form.all("column") if visit.fault else _USUAL,
    )


def export(visit: Visit) -> Response:
    """Send the file."""
    file, name = contact_export.write(visit.work, _wish(_asked(visit)), visit.form.all("column"))
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_sent(file), media_type="text/csv; charset=utf-8", headers=headers)


def _asked(visit: Visit) -> dict[str, str]:
    names = ("q", "consent", "lifecycle", "tag")
    return {name: (visit.query.get(name) or visit.form[name]).strip() for name in names}


def _wish(asked: dict[str, str]) -> dict[str, str]:
    return {"text": asked["q"], **{name: asked[name] for name in ("consent", "lifecycle", "tag")}}


def _sent(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while part := file.read(2**16):
            yield part


PAGES = (
    Page(path="/contacts/export", answer=form, needs="contacts:export", title="Export contacts"),
    Page(
        path="/contacts/export",
        method="POST",
        answer=export,
        again=form,
        needs="contacts:export",
        action="contact.exported",
    ),
)
