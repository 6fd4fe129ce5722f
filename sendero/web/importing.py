"""Importing contacts: send a file, say what its columns mean, watch it being read, fetch what was wrong with it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from starlette.responses import JSONResponse, Response, StreamingResponse

from sendero.errors import Forbidden, Invalid
from sendero.installation import Installation
from sendero.service import import_rows, imports
from sendero.service.sheets import safe
from sendero.tables import Import
from sendero.web.visit import Page, Visit
from sendero.words import Words
from sendero.work import begin

__all__ = ["DELIMITER_NAMES", "FIELDS", "PAGES"]

FIELDS = {
    "name": "Name",
    "phone_e164": "Phone",
    "email": "E-mail",
    "birthday": "Birthday",
    "city": "City",
    "language": "Language",
    "lifecycle": "Stage",
    "tags": "Tags",
    "consent": "Marketing consent",
    "consent_evidence": "Evidence of the consent",
    "custom": "Custom field",
    "row": "Whole row",
}
"""What the fields of a row are called."""

DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab"}
_NAMES_SHOWN = 20


def listing(visit: Visit) -> Response:
    """Show the form for a file, and the imports so far."""
    return visit.render("imports/list.html", rows=imports.listing(visit.work))


def take(visit: Visit) -> Response:
    """Take a file in."""
    _check(visit)
    if visit.upload is None:
        raise Invalid({"file": "Choose a file that holds something."})
    found = imports.take(visit.work, visit.viewer, visit.upload.file, visit.upload.name)
    return visit.go(f"/contacts/imports/{found.id}")


def show(visit: Visit) -> Response:
    """Show an import: the columns to name, or how far it is."""
    found = visit.work.get(Import, visit.path["id"])
    if found.status != "waiting":
        wrong = list(imports.wrong_rows(visit.work, found, _NAMES_SHOWN))
        return visit.render("imports/show.html", found=found, wrong=wrong, fields=FIELDS)
    names = found.columns["names"]
    posted = visit.form.all("column")
    meanings = posted if len(posted) == len(names) else import_rows.suggested(names)
    evidence = visit.form["evidence"]
    return visit.render(
        "imports/columns.html",
        found=found,
        names=names,
        meanings=meanings,
        evidence=evidence,
        preview=imports.preview(visit.work, found, meanings, evidence),
        fields=FIELDS,
        meaning_codes=import_rows.TARGETS,
        delimiters=DELIMITER_NAMES,
        shown=_NAMES_SHOWN,
    )


def decide(visit: Visit) -> Response:
    """Start an import, give it up, or look at its rows with other meanings."""
    found = visit.work.get(Import, visit.path["id"])
    if visit.form["do"] == "check" and found.status == "waiting":
        return show(visit)
    _check(visit)
    if visit.form["do"] == "discard":
        imports.discard(visit.work, found)
        return visit.go("/contacts/imports", done="import_discarded")
    imports.start(visit.work, found, visit.form.all("column"), visit.form["evidence"])
    return visit.go(f"/contacts/imports/{found.id}")


def progress(visit: Visit) -> Response:
    """Say how far an import is, for the page that shows it."""
    found = visit.work.get(Import, visit.path["id"])
    return JSONResponse({"status": found.status, "rows": found.rows, "total": found.total})


def wrong_rows(visit: Visit) -> Response:
    """Send what was wrong with the rows, as a file."""
    found = visit.work.get(Import, visit.path["id"])
    headers = {"Content-Disposition": f'attachment; filename="faults-{found.id}.csv"'}
    stream = _wrong_rows(visit.home, found.id, visit.words)
    return StreamingResponse(stream, media_type="text/csv; charset=utf-8", headers=headers)


def _wrong_rows(home: Installation, key: str, words: Words) -> Iterator[bytes]:
    """Write the file while it is sent, in a unit of work of its own."""
    with begin(home) as work:
        found = work.get(Import, key)
        out = io.StringIO()
        table = csv.writer(out)
        table.writerow([words("Line"), words("Field"), words("What is wrong")])
        for fault in imports.wrong_rows(work, found):
            table.writerow([fault.line, safe(words(FIELDS.get(fault.field, fault.field))), safe(words(fault.text))])
            if out.tell() > 2**16:
                yield out.getvalue().encode()
                out.seek(0)
                out.truncate()
        yield out.getvalue().encode()


def _check(visit: Visit) -> None:
    """Refuse whoever may create contacts and not change them: an import does both."""
    if not visit.may("contacts:update"):
        raise Forbidden(
            "An import creates and changes contacts; your role does not permit both.", permission="contacts:update"
        )


PAGES = (
    Page(path="/contacts/imports", answer=listing, needs="contacts:create", title="Import contacts"),
    Page(
        path="/contacts/imports",
        method="POST",
        answer=take,
        again=listing,
        needs="contacts:create",
        action="contact.imported",
        largest=imports.LARGEST,
    ),
    Page(path="/contacts/imports/{id}", answer=show, needs="contacts:create", title="Import contacts"),
    Page(
        path="/contacts/imports/{id}",
        method="POST",
        answer=decide,
        again=show,
        needs="contacts:create",
        action="contact.imported",
    ),
    Page(path="/contacts/imports/{id}/progress", answer=progress, needs="contacts:create", title="Import contacts"),
    Page(path="/contacts/imports/{id}/faults", answer=wrong_rows, needs="contacts:create", title="Import contacts"),
)
