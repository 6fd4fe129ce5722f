"""Legal holds of the audit log: which there are, placing one after a look at what it keeps, and releasing it."""

from __future__ import annotations

from starlette.responses import Response

from sendero.errors import Missing
from sendero.service import holds
from sendero.web.visit import Page, Visit
from whodid.retention import Hold

__all__ = ["PAGES"]

_HERE = "/settings/holds"
_FIELDS = ("name", "query", "reason")


def show(visit: Visit) -> Response:
    """List the holds."""
    return visit.render("holds/list.html", rows=holds.all_holds(visit.work))


def form(visit: Visit) -> Response:
    """Show the form, and what the hold would keep once a query was typed."""
    typed = {name: visit.form[name] if visit.fault else visit.query.get(name, "") for name in _FIELDS}
    typed["query"] = holds.query_of(typed["query"])
    found = holds.would_keep(visit.work, typed["query"]) if typed["query"] and not visit.fault else None
    return visit.render("holds/form.html", typed=typed, found=found)


def place(visit: Visit) -> Response:
    """Place a hold."""
    form = visit.form
    hold = holds.place(
        visit.work, visit.viewer, name=form["name"], query=holds.query_of(form["query"]), reason=form["reason"]
    )
    return visit.go(_HERE, done="hold_placed", of=f"hold:{hold.id}")


def form_release(visit: Visit) -> Response:
    """Ask why a hold is released."""
    return visit.render("holds/release.html", hold=_hold(visit))


def release(visit: Visit) -> Response:
    """Release a hold."""
    hold = holds.release(visit.work, visit.viewer, visit.path["id"], reason=visit.form["reason"])
    return visit.go(_HERE, done="hold_released", of=f"hold:{hold.id}")


def _hold(visit: Visit) -> Hold:
    found = next((hold for hold in holds.all_holds(visit.work) if hold.id == visit.path["id"]), None)
    if found is None:
        raise Missing
    return found


PAGES = (
    Page(path=_HERE, answer=show, needs="audit:manage", title="Legal holds"),
    Page(path=f"{_HERE}/new", answer=form, again=form, needs="audit:manage", title="Place legal hold"),
    Page(
        path=f"{_HERE}/new",
        method="POST",
        answer=place,
        again=form,
        needs="audit:manage",
        action="audit.hold_placed",
    ),
    Page(path=f"{_HERE}/{{id}}/release", answer=form_release, needs="audit:manage", title="Release legal hold"),
    Page(
        path=f"{_HERE}/{{id}}/release",
        method="POST",
        answer=release,
        again=form_release,
        needs="audit:manage",
        action="audit.hold_released",
    ),
)
