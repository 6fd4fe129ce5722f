"""Merging two contacts: choose the other one, look at what would happen, do it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from sendero.service import contacts
from sendero.service.merge import Choice, Plan, merge, plan
from sendero.tables import User
from sendero.web.contacts import living
from sendero.web.labels import LABELS
from sendero.web.visit import Form, Page, Visit

__all__ = ["FIELD_LABELS", "PAGES", "RULES"]

FIELD_LABELS = {
    "name": "Name",
    "phone_e164": "Phone",
    "email": "E-mail",
    "birthday": "Birthday",
    "city": "City",
    "language": "Language",
    "owner_user_id": "Owner",
    "lifecycle": "Stage",
    "tags": "Tags",
    "consent.marketing": "Marketing consent",
}
RULES = {
    "survivor_has_value": "stays",
    "survivor_empty": "fills the gap",
    "equal": "same in both",
    "normalised_equal": "same number or address",
    "chosen_by_user": "your choice",
    "united": "both together",
    "strictest_wins": "the stricter consent wins",
}


def choose(visit: Visit) -> Response:
    """Find the contact to merge, or show what merging would do."""
    contact = living(visit.work, visit.path["id"])
    other = visit.query.get("with") or visit.form["with"]
    if other:
        return _preview(visit, plan(contact, living(visit.work, other), _chosen(visit.form)))
    text = visit.query.get("q", "").strip()
    found, _ = contacts.listing(visit.work, text=text, size=20) if text else ([], 0)
    return visit.render(
        "contacts/merge_choose.html",
        contact=contact,
        text=text,
        twins=contacts.duplicates(visit.work, contact),
        found=[one for one in found if one.id != contact.id],
    )


def carry_out(visit: Visit) -> Response:
    """Merge; or show the preview again, the other way round or with other choices."""
    contact, other = living(visit.work, visit.path["id"]), living(visit.work, visit.form["with"])
    if visit.form["do"] == "swap":
        return visit.go(f"/contacts/{other.id}/merge?{urlencode({'with': contact.id})}")
    planned = plan(contact, other, _chosen(visit.form))
    if visit.form["do"] != "merge":
        return _preview(visit, planned)
    visit.check_version(contact)
    merge(visit.work, planned)
    return visit.go(f"/contacts/{contact.id}", done="contact_merged", of=f"contact:{contact.id}")


def _preview(visit: Visit, planned: Plan) -> Response:
    names = {row.path: FIELD_LABELS.get(row.path, row.path.removeprefix("custom.")) for row in planned.rows}

    def told(path: str, value: Any) -> str:
        if path == "owner_user_id" and value:
            user = visit.work.session.get(User, value)
            return user.name if user is not None else ""
        if path == "consent.marketing":
            day = f", {visit.words.day(value['captured_at'])}" if value["captured_at"] else ""
            return visit.words(LABELS[value["marketing"]]) + day
        if path == "lifecycle" and value:
            return visit.words(LABELS[value])
        return ", ".join(value) if isinstance(value, list) else str(value or "")

    return visit.render("contacts/merge.html", plan=planned, names=names, told=told, rules=RULES)


def _chosen(form: Form) -> dict[str, Choice]:
    chosen: dict[str, Choice] = {}
    for path, side in form.group("take:").items():
        if side in ("survivor", "absorbed"):
            chosen[path] = "survivor" if side == "survivor" else "absorbed"
    return chosen


PAGES = (
    Page(path="/contacts/{id}/merge", answer=choose, needs="contacts:merge", title="Merge contacts"),
    Page(
        path="/contacts/{id}/merge",
        method="POST",
        answer=carry_out,
        again=choose,
        needs="contacts:merge",
        action="contact.merged",
    ),
)
