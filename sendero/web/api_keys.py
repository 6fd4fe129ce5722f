"""The pages of API keys. A key is shown once, on the page that answers its making."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from sendero.permissions import KEY_PERMISSIONS
from sendero.service import api_keys
from sendero.tables import ApiKey
from sendero.web.visit import Page, Visit

__all__ = ["PAGES"]


def listing(visit: Visit) -> Response:
    """List the keys."""
    now = visit.work.now()
    rows = [(key, api_keys.state(key, now)) for key in api_keys.listing(visit.work)]
    return visit.render("keys/list.html", rows=rows)


def form_new(visit: Visit) -> Response:
    """Show the form for a new key."""
    typed = _values(visit) if visit.fault else {"name": "", "lifetime": "90_days", "permissions": []}
    mine = visit.viewer.role.permissions
    areas: dict[str, list[str]] = {}
    for permission in KEY_PERMISSIONS:
        if permission in mine:
            area, _, verb = permission.partition(":")
            areas.setdefault(area, []).append(verb)
    return visit.render("keys/new.html", typed=typed, areas=areas, lifetimes=api_keys.LIFETIMES)


def create(visit: Visit) -> Response:
    """Make a key and show it, this once."""
    key, text = api_keys.create(visit.work, visit.viewer, _values(visit))
    return visit.render("keys/created.html", status=201, key=key, text=text, base=visit.web_origin)


def show(visit: Visit) -> Response:
    """Show a key: what it may do and when it was used."""
    key = visit.work.get(ApiKey, visit.path["id"])
    state = api_keys.state(key, visit.work.now())
    return visit.render("keys/show.html", key=key, state=state, permitted=api_keys.permitted(key))


def form_revoke(visit: Visit) -> Response:
    """Ask whether and why to revoke a key."""
    key = visit.work.get(ApiKey, visit.path["id"])
    return visit.render("keys/revoke.html", key=key, codes=api_keys.REVOKE_REASONS)


def revoke(visit: Visit) -> Response:
    """Revoke a key."""
    key = visit.work.get(ApiKey, visit.path["id"])
    visit.check_version(key)
    api_keys.revoke(visit.work, key, visit.form.reason(api_keys.REVOKE_REASONS))
    return visit.go("/settings/api-keys", done="key_revoked", of=f"api_key:{key.id}")


def _values(visit: Visit) -> dict[str, Any]:
    return {
        "name": visit.form["name"],
        "lifetime": visit.form["lifetime"],
        "permissions": visit.form.all("permission"),
    }


PAGES = (
    Page(path="/settings/api-keys", answer=listing, needs="keys:read", title="API keys"),
    Page(path="/settings/api-keys/new", answer=form_new, needs="keys:create", title="New API key"),
    Page(
        path="/settings/api-keys/new",
        method="POST",
        answer=create,
        again=form_new,
        needs="keys:create",
        action="api_key.created",
    ),
    Page(path="/settings/api-keys/{id}", answer=show, needs="keys:read", title="API key"),
    Page(path="/settings/api-keys/{id}/revoke", answer=form_revoke, needs="keys:delete", title="Revoke API key"),
    Page(
        path="/settings/api-keys/{id}/revoke",
        method="POST",
        answer=revoke,
        again=form_revoke,
        needs="keys:delete",
        action="api_key.revoked",
    ),
)
