"""The pages of segments."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from sendero.errors import Missing
from sendero.service import contacts, segments
from sendero.tables import Segment
from sendero.web.visit import Form, Page, Visit
from sendero.work import Work

__all__ = ["PAGES", "living"]

_SIZE = 50
_LINES = ("city", "tags", "without")
_BOXES = ("lifecycle", "consent", "language")
_REASONS = ("not_used", "replaced", "test_data", "other")


def living(work: Work, key: str) -> Segment:
    """Return a segment that was not deleted.

    Raises:
        Missing: There is none.
    """
    segment = work.get(Segment, key)
    if segment.deleted_at is not None:
        raise Missing
    return segment


def listing(visit: Visit) -> Response:
    """List segments, each with the people it has now."""
    rows = [(segment, segments.count(visit.work, segment.filter)) for segment in segments.listing(visit.work)]
    return visit.render("segments/list.html", rows=rows)


def show(visit: Visit) -> Response:
    """Show a segment, who is in it and which campaigns use it."""
    segment = living(visit.work, visit.path["id"])
    total = segments.count(visit.work, segment.filter)
    page, pages = visit.number("page"), max(1, -(-total // _SIZE))
    people = segments.members(visit.work, segment, page=page, size=_SIZE) if visit.may("contacts:read") else []
    return visit.render(
        "segments/show.html",
        segment=segment,
        total=total,
        people=people,
        page=page,
        pages=pages,
        campaigns=segments.users_of(visit.work, segment),
    )


def form_new(visit: Visit) -> Response:
    """Show the form for a new segment."""
    return _form(visit, None, _typed(visit.form) if visit.fault else {"consent": ["opted_in"]})


def create(visit: Visit) -> Response:
    """Create a segment, or only count whom it would have."""
    values = segments.checked(_values(visit.form))
    if visit.form["do"] == "count":
        return _form(visit, None, _typed(visit.form), segments.count(visit.work, values["filter"]))
    segment = segments.create(visit.work, values)
    return visit.go(f"/segments/{segment.id}", done="segment_created", of=f"segment:{segment.id}")


def form_edit(visit: Visit) -> Response:
    """Show the form for changing a segment."""
    segment = living(visit.work, visit.path["id"])
    if visit.fault:
        return _form(visit, segment, _typed(visit.form))
    rule = segment.filter
    typed: dict[str, Any] = {"name": segment.name, **{name: rule.get(name, []) for name in _BOXES}}
    typed |= {name: ", ".join(rule.get(name, [])) for name in _LINES}
    typed["custom"] = "\n".join(f"{key}: {value}" for key, value in rule.get("custom", {}).items())
    return _form(visit, segment, typed, segments.count(visit.work, rule))


def update(visit: Visit) -> Response:
    """Change a segment, or only count whom it would have."""
    segment = living(visit.work, visit.path["id"])
    values = segments.checked(_values(visit.form))
    if visit.form["do"] == "count":
        return _form(visit, segment, _typed(visit.form), segments.count(visit.work, values["filter"]))
    visit.check_version(segment)
    changed = segments.update(visit.work, segment, values)
    done = "segment_saved" if changed else "unchanged"
    return visit.go(f"/segments/{segment.id}", done=done, of=f"segment:{segment.id}" if changed else "")


def form_delete(visit: Visit) -> Response:
    """Ask whether and why to delete a segment."""
    return visit.render("segments/delete.html", segment=living(visit.work, visit.path["id"]), codes=_REASONS)


def delete(visit: Visit) -> Response:
    """Delete a segment."""
    segment = living(visit.work, visit.path["id"])
    visit.check_version(segment)
    segments.delete(visit.work, segment, visit.form.reason(_REASONS))
    return visit.go("/segments", done="segment_deleted", of=f"segment:{segment.id}")


def _form(visit: Visit, segment: Segment | None, typed: dict[str, Any], counted: int | None = None) -> Response:
    return visit.render(
        "segments/form.html",
        segment=segment,
        typed={name: typed.get(name, "") for name in ("name", *_LINES, "custom")},
        ticked={name: typed.get(name, []) for name in _BOXES},
        counted=counted,
        cities=segments.cities(visit.work),
        tags=segments.tags(visit.work),
        lifecycles=contacts.LIFECYCLES,
        consents=contacts.CONSENTS,
        speech=segments.LANGUAGES,
    )


def _typed(form: Form) -> dict[str, Any]:
    texts: dict[str, Any] = {name: form[name] for name in ("name", *_LINES, "custom")}
    return texts | {name: form.all(name) for name in _BOXES}


def _values(form: Form) -> dict[str, Any]:
    values = _typed(form)
    values |= {name: form[name].split(",") for name in _LINES}
    values["custom"] = {}
    for line in form["custom"].splitlines():
        if line.strip():
            key, _, value = line.partition(":")
            values["custom"][key.strip()] = value.strip()
    return values


PAGES = (
    Page(path="/segments", answer=listing, needs="segments:read", title="Segments"),
    Page(path="/segments/new", answer=form_new, needs="segments:create", title="New segment"),
    Page(
        path="/segments/new",
        method="POST",
        answer=create,
        again=form_new,
        needs="segments:create",
        action="segment.created",
    ),
    Page(path="/segments/{id}", answer=show, needs="segments:read", title="Segment"),
    Page(path="/segments/{id}/edit", answer=form_edit, needs="segments:update", title="Edit segment"),
    Page(
        path="/segments/{id}/edit",
        method="POST",
        answer=update,
        again=form_edit,
        needs="segments:update",
        action="segment.updated",
    ),
    Page(path="/segments/{id}/delete", answer=form_delete, needs="segments:delete", title="Delete segment"),
    Page(
        path="/segments/{id}/delete",
        method="POST",
        answer=delete,
        again=form_delete,
        needs="segments:delete",
        action="segment.deleted",
    ),
)
