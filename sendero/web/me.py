"""Signing in and out, one's own name and password, and the language."""

from __future__ import annotations

import secrets

from starlette.responses import RedirectResponse, Response

from sendero.errors import Invalid
from sendero.service import auth, sessions, sso_rules, two_step, users
from sendero.web.devices import device_of
from sendero.web.visit import Page, Visit
from sendero.words import LANGUAGES

__all__ = [
    "DEVICE_COOKIE",
    "LANGUAGE_COOKIE",
    "PAGES",
    "SESSION_COOKIE",
    "let_in",
    "me",
    "own_page",
    "put_cookies",
    "sign_in_form",
]

SESSION_COOKIE = "sendero_session"
DEVICE_COOKIE = "sendero_device"
LANGUAGE_COOKIE = "sendero_lang"

_YEAR = 365 * 24 * 3600


def home(visit: Visit) -> Response:
    """Send a person to the first page that their role can open."""
    for permission, address in (("contacts:read", "/contacts"), ("templates:read", "/templates")):
        if visit.may(permission):
            return visit.go(address)
    return visit.go("/settings/audit-logs" if visit.may("audit:read") else "/me")


def sign_in_form(visit: Visit) -> Response:
    """Show the sign-in page."""
    if visit.session is not None:
        return visit.go("/")
    return visit.render(
        "sign_in.html",
        next=own_page(visit.query.get("next", "") or visit.form["next"]),
        connections=sso_rules.living(visit.work),
    )


def sign_in(visit: Visit) -> Response:
    """Sign a person in."""
    device = visit.origin.device or secrets.token_urlsafe(18)
    origin = auth.Origin(device=device, ip=visit.origin.ip, user_agent=visit.origin.user_agent)
    if not visit.form["email"].strip() or not visit.form["password"]:
        raise Invalid({"password": "Type your e-mail address and your password."})
    signed = auth.sign_in(visit.home, visit.form["email"], visit.form["password"], origin)
    if isinstance(signed, auth.Halfway):
        sealed = two_step.halfway(visit.home, signed.user, origin)
        response = visit.render("two_step/ask.html", next=own_page(visit.form["next"]), sealed=sealed)
        put_cookies(visit, response, {DEVICE_COOKIE: device})
        return response
    return let_in(visit, signed, device)


def let_in(visit: Visit, signed: auth.SignedIn, device: str) -> Response:
    """Give the browser its session, and send it to where it wanted to go."""
    address = "/me/password" if signed.user.status == "invited" else own_page(visit.form["next"])
    response = visit.go(address)
    put_cookies(visit, response, {SESSION_COOKIE: signed.token, DEVICE_COOKIE: device})
    return response


def put_cookies(visit: Visit, response: Response, values: dict[str, str]) -> None:
    """Give the browser cookies that scripts cannot read; the one of a session ends with the browser."""
    secure = visit.web_origin.startswith("https:")
    for name, value in values.items():
        age = None if name == SESSION_COOKIE else _YEAR
        response.set_cookie(name, value, max_age=age, path="/", httponly=True, samesite="lax", secure=secure)


def sign_out(visit: Visit) -> Response:
    """End the session."""
    if visit.session is not None:
        auth.end_session(visit.work, visit.session, "logout")
    response = visit.go("/sign-in")
    response.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="lax")
    return response


def me(visit: Visit) -> Response:
    """Show one's own page."""
    return visit.render(
        "me.html",
        sessions=sessions.living(visit.work, visit.viewer),
        device_of=device_of,
        codes_left=two_step.codes_left(visit.work, visit.viewer),
    )


def rename(visit: Visit) -> Response:
    """Change one's own name."""
    visit.check_version(visit.viewer)
    changed = users.rename(visit.work, visit.viewer, visit.form["name"])
    return visit.go("/me", done="name_saved" if changed else "unchanged")


def password_form(visit: Visit) -> Response:
    """Show the form for a new password."""
    return visit.render("password.html", first=visit.viewer.status == "invited")


def password(visit: Visit) -> Response:
    """Change one's own password."""
    if visit.session is None:
        raise AssertionError("nobody is signed in")
    form = visit.form
    auth.change_password(visit.work, visit.session, form["present"], form["chosen"], form["repeated"])
    return visit.go("/me", done="password_changed")


def language(visit: Visit) -> Response:
    """Choose the language of the pages."""
    response = RedirectResponse(own_page(visit.form["next"]), status_code=303)
    if visit.form["lang"] in LANGUAGES:
        put_cookies(visit, response, {LANGUAGE_COOKIE: visit.form["lang"]})
    return response


def own_page(address: str) -> str:
    """Return an address of ours to go to; anything else becomes the home page."""
    own = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if own and not address.startswith("/sign-in") else "/"


PAGES = (
    Page(path="/", answer=home),
    Page(path="/sign-in", answer=sign_in_form, needs=None),
    Page(path="/sign-in", method="POST", answer=sign_in, again=sign_in_form, needs=None),
    Page(path="/sign-out", method="POST", answer=sign_out, needs=None),
    Page(path="/language", method="POST", answer=language, needs=None),
    Page(path="/me", answer=me),
    Page(path="/me/name", method="POST", answer=rename, again=me, action="user.updated"),
    Page(path="/me/password", answer=password_form, invited=True),
    Page(
        path="/me/password",
        method="POST",
        answer=password,
        again=password_form,
        action="auth.password_changed",
        invited=True,
    ),
)
