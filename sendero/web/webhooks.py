"""The pages of webhooks. A secret is shown once, on the page that answers its making."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from sendero import outgoing
from sendero.errors import Missing
from sendero.service import deliveries, webhooks
from sendero.tables import Webhook
from sendero.web.visit import Page, Visit
from sendero.work import Work

__all__ = ["PAGES"]

_DELETE_REASONS = ("not_used", "replaced", "security", "other")
_ROTATIONS = ("security", "left_the_company", "other")
_HEADER_ROWS = 3


def living(work: Work, key: str) -> Webhook:
    """Return a webhook that was not deleted.

    Raises:
        Missing: There is none.
    """
    webhook = work.get(Webhook, key)
    if webhook.deleted_at is not None:
        raise Missing
    return webhook


def listing(visit: Visit) -> Response:
    """List the webhooks."""
    return visit.render("webhooks/list.html", rows=webhooks.listing(visit.work))


def show(visit: Visit) -> Response:
    """Show a webhook and what became of its newest deliveries."""
    webhook = living(visit.work, visit.path["id"])
    rows = deliveries.newest(visit.work, webhook)
    return visit.render("webhooks/show.html", webhook=webhook, rows=rows, tries=deliveries.TRIES)


def form_new(visit: Visit) -> Response:
    """Show the form for a new webhook."""
    return _form(visit, None)


def create(visit: Visit) -> Response:
    """Create a webhook and show its secret, this once."""
    webhook, secret = webhooks.create(visit.work, _values(visit))
    return visit.render("webhooks/secret.html", status=201, webhook=webhook, secret=secret)


def form_edit(visit: Visit) -> Response:
    """Show the form for changing a webhook."""
    return _form(visit, living(visit.work, visit.path["id"]))


def update(visit: Visit) -> Response:
    """Change a webhook."""
    webhook = living(visit.work, visit.path["id"])
    visit.check_version(webhook)
    changed = webhooks.update(visit.work, webhook, _values(visit))
    done = "webhook_saved" if changed else "unchanged"
    return visit.go(f"/settings/webhooks/{webhook.id}", done=done, of=f"webhook:{webhook.id}" if changed else "")


def form_secret(visit: Visit) -> Response:
    """Ask whether and why to replace the secret."""
    return visit.render("webhooks/rotate.html", webhook=living(visit.work, visit.path["id"]), codes=_ROTATIONS)


def rotate(visit: Visit) -> Response:
    """Replace the secret and show the new one, this once."""
    webhook = living(visit.work, visit.path["id"])
    visit.check_version(webhook)
    secret = webhooks.rotate_secret(visit.work, webhook, visit.form.reason(_ROTATIONS))
    return visit.render("webhooks/secret.html", status=201, webhook=webhook, secret=secret)


def try_out(visit: Visit) -> Response:
    """Send a test."""
    webhook = living(visit.work, visit.path["id"])
    webhooks.try_out(visit.work, webhook)
    return visit.go(f"/settings/webhooks/{webhook.id}", done="webhook_tested")


def form_delete(visit: Visit) -> Response:
    """Ask whether and why to delete a webhook."""
    return visit.render("webhooks/delete.html", webhook=living(visit.work, visit.path["id"]), codes=_DELETE_REASONS)


def delete(visit: Visit) -> Response:
    """Delete a webhook."""
    webhook = living(visit.work, visit.path["id"])
    visit.check_version(webhook)
    webhooks.delete(visit.work, webhook, visit.form.reason(_DELETE_REASONS))
    return visit.go("/settings/webhooks", done="webhook_deleted", of=f"webhook:{webhook.id}")


def _form(visit: Visit, webhook: Webhook | None) -> Response:
    typed: dict[str, Any] = {"name": "", "url": "", "events": [], "active": True, "kept": []}
    if visit.fault:
        typed = _values(visit)
    elif webhook is not None:
        typed = {name: getattr(webhook, name) for name in ("name", "url", "events", "active")}
        typed["kept"] = list(webhook.headers)
    groups: dict[str, list[str]] = {}
    for event in outgoing.EVENTS:
        groups.setdefault(f"{event.partition('.')[0]}s", []).append(event)
    return visit.render("webhooks/form.html", webhook=webhook, typed=typed, groups=groups, header_rows=_HEADER_ROWS)


def _values(visit: Visit) -> dict[str, Any]:
    form = visit.form
    pairs = [(form[f"header_name_{row}"].strip(), form[f"header_value_{row}"].strip()) for row in range(_HEADER_ROWS)]
    return {
        "name": form["name"],
        "url": form["url"],
        "events": form.all("event"),
        "active": form.on("active"),
        "kept": form.all("kept"),
        "headers": {name: value for name, value in pairs if name or value},
    }


PAGES = (
    Page(path="/settings/webhooks", answer=listing, needs="webhooks:read", title="Webhooks"),
    Page(path="/settings/webhooks/new", answer=form_new, needs="webhooks:create", title="New webhook"),
    Page(
        path="/settings/webhooks/new",
        method="POST",
        answer=create,
        again=form_new,
        needs="webhooks:create",
        action="webhook.created",
    ),
    Page(path="/settings/webhooks/{id}", answer=show, needs="webhooks:read", title="Webhook"),
    Page(path="/settings/webhooks/{id}/edit", answer=form_edit, needs="webhooks:update", title="Edit webhook"),
    Page(
        path="/settings/webhooks/{id}/edit",
        method="POST",
        answer=update,
        again=form_edit,
        needs="webhooks:update",
        action="webhook.updated",
    ),
    Page(path="/settings/webhooks/{id}/secret", answer=form_secret, needs="webhooks:update", title="Replace secret"),
    Page(
        path="/settings/webhooks/{id}/secret",
        method="POST",
        answer=rotate,
        again=form_secret,
        needs="webhooks:update",
        action="webhook.updated",
    ),
    Page(
        path="/settings/webhooks/{id}/test",
        method="POST",
        answer=try_out,
        again=show,
        needs="webhooks:update",
        action="webhook.updated",
    ),
    Page(path="/settings/webhooks/{id}/delete", answer=form_delete, needs="webhooks:delete", title="Delete webhook"),
    Page(
        path="/settings/webhooks/{id}/delete",
        method="POST",
        answer=delete,
        again=form_delete,
        needs="webhooks:delete",
        action="webhook.deleted",
    ),
)
