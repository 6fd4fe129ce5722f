"""Single sign-on: the settings of its connections, and the way to a provider and back."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from sendero.errors import Invalid, Missing
from sendero.service import auth, roles, sso, sso_rules, sso_sign_in
from sendero.tables import Role, SsoConnection
from sendero.web.me import DEVICE_COOKIE, SESSION_COOKIE, own_page, put_cookies, sign_in_form
from sendero.web.visit import Page, Visit

__all__ = ["PAGES"]

REASONS = ("not_used", "replaced", "security", "other")
_TEXTS = ("name", "provider", "issuer", "client_id", "domains")


def listing(visit: Visit) -> Response:
    """List the connections."""
    return visit.render("sso/list.html", rows=sso_rules.living(visit.work))


def form_new(visit: Visit) -> Response:
    """Show the form for a new connection."""
    return _form(visit, None)


def create(visit: Visit) -> Response:
    """Set a connection up."""
    role = visit.work.get(Role, visit.form["role"])
    connection = sso.create(visit.work, visit.viewer, _values(visit), role)
    return visit.go(f"/settings/sso/{connection.id}", done="sso_created", of=f"sso:{connection.id}")


def show(visit: Visit) -> Response:
    """Show a connection, to change it."""
    return _form(visit, _connection(visit))


def update(visit: Visit) -> Response:
    """Change a connection."""
    connection = _connection(visit)
    visit.check_version(connection)
    role = visit.work.get(Role, visit.form["role"])
    changed = sso.update(visit.work, visit.viewer, connection, _values(visit), role)
    done = "sso_saved" if changed else "unchanged"
    return visit.go(f"/settings/sso/{connection.id}", done=done, of=f"sso:{connection.id}" if changed else "")


def form_remove(visit: Visit) -> Response:
    """Ask whether and why to remove a connection."""
    return visit.render("sso/delete.html", connection=_connection(visit), codes=REASONS)


def remove(visit: Visit) -> Response:
    """Remove a connection."""
    connection = _connection(visit)
    visit.check_version(connection)
    sso.remove(visit.work, connection, visit.form.reason(REASONS))
    return visit.go("/settings/sso", done="sso_removed", of=f"sso:{connection.id}")


def leave(visit: Visit) -> Response:
    """Send the browser to a provider.

    It is a link and no form: our policy lets a form lead nowhere but here.
    """
    connection = _connection(visit)
    device = visit.origin.device or secrets.token_urlsafe(18)
    origin = auth.Origin(device=device, ip=visit.origin.ip, user_agent=visit.origin.user_agent)
    next_ = own_page(visit.query.get("next", ""))
    address = sso_sign_in.start(visit.work, connection, origin, _redirect_uri(visit, connection.id), next_)
    response = RedirectResponse(address, status_code=303)
    put_cookies(visit, response, {DEVICE_COOKIE: device})
    return response


def come_back(visit: Visit) -> Response:
    """Sign in whoever comes back from a provider."""
    key = visit.path["id"]
    if visit.query.get("state") is None:
        raise Invalid({"sso": "This sign-in was not begun here, or too long ago. Begin again."})
    returned = sso_sign_in.Returned(query=visit.query, redirect_uri=_redirect_uri(visit, key), origin=visit.origin)
    signed, next_ = sso_sign_in.finish(visit.home, key, returned)
    response = visit.go(own_page(next_))
    put_cookies(visit, response, {SESSION_COOKIE: signed.token, DEVICE_COOKIE: visit.origin.device})
    return response


def _connection(visit: Visit) -> SsoConnection:
    connection = visit.work.get(SsoConnection, visit.path["id"])
    if connection.deleted_at is not None:
        raise Missing
    return connection


def _redirect_uri(visit: Visit, key: str) -> str:
    return f"{visit.web_origin}/sign-in/sso/{quote(key, safe='')}/callback"


def _values(visit: Visit) -> dict[str, Any]:
    values: dict[str, Any] = {name: visit.form[name] for name in (*_TEXTS, "client_secret")}
    return values | {name: visit.form.on(name) for name in ("auto_provision", "enforced")}


def _form(visit: Visit, connection: SsoConnection | None) -> Response:
    if visit.fault is not None and visit.page.method == "POST":
        typed: dict[str, Any] = {**_values(visit), "role": visit.form["role"]}
    elif connection is not None:
        typed = {name: getattr(connection, name) for name in (*_TEXTS, "auto_provision", "enforced")}
        typed |= {"domains": ", ".join(connection.domains), "role": connection.default_role_id}
    else:
        typed = {**dict.fromkeys(_TEXTS, ""), "auto_provision": False, "enforced": False, "role": ""}
    listed = [role for role in roles.listing(visit.work) if role.name != "Owner"]
    return visit.render(
        "sso/form.html",
        connection=connection,
        typed=typed,
        providers=sso.PROVIDERS,
        roles=[(role.id, role.name) for role in listed],
        agent=next((role.id for role in listed if role.name == "Agent"), ""),
        tried=connection is not None and sso.is_tried(visit.work, connection),
        redirect_uri=None if connection is None else _redirect_uri(visit, connection.id),
        origin=visit.web_origin,
    )


PAGES = (
    Page(path="/settings/sso", answer=listing, needs="sso:read", title="Single sign-on"),
    Page(path="/settings/sso/new", answer=form_new, needs="sso:manage", title="New connection"),
    Page(
        path="/settings/sso/new",
        method="POST",
        answer=create,
        again=form_new,
        needs="sso:manage",
        action="sso.created",
    ),
    Page(path="/settings/sso/{id}", answer=show, needs="sso:read", title="Single sign-on"),
    Page(
        path="/settings/sso/{id}",
        method="POST",
        answer=update,
        again=show,
        needs="sso:manage",
        action="sso.updated",
    ),
    Page(path="/settings/sso/{id}/delete", answer=form_remove, needs="sso:manage", title="Remove a connection"),
    Page(
        path="/settings/sso/{id}/delete",
        method="POST",
        answer=remove,
        again=form_remove,
        needs="sso:manage",
        action="sso.deleted",
    ),
    Page(path="/sign-in/sso/{id}", answer=leave, again=sign_in_form, needs=None),
    Page(path="/sign-in/sso/{id}/callback", answer=come_back, again=sign_in_form, needs=None),
)
