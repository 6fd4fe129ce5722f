"""Choosing a password by a link: asking for one, getting one from an administrator, using it."""

from __future__ import annotations

from starlette.responses import Response

from sendero.errors import Conflict
from sendero.mail import folder
from sendero.service import letters, resets
from sendero.tables import User
from sendero.web.visit import Page, Visit

__all__ = ["PAGES", "send_invitation"]


def form_ask(visit: Visit) -> Response:
    """Show the form for somebody who forgot their password."""
    return visit.render("reset/ask.html", asked=False)


def ask(visit: Visit) -> Response:
    """Send a link, if there is anybody; the page says the same in any case."""
    wanted = resets.ask(visit.work, visit.form["email"], visit.origin.ip)
    if wanted is not None and wanted.token is not None:
        text = visit.words(
            "Hello {name},\n\nsomebody asked for a new password for your account. If it was you, choose it here:\n\n"
            "{link}\n\nThe link works once, for 30 minutes. If it was not you, do nothing: nothing was changed.\n",
            name=wanted.user.name,
            link=_link(visit, wanted.token),
        )
        letters.write(visit.work, wanted.user.email, visit.words("Choose a new password"), text)
    elif wanted is not None and wanted.connection is not None:
        text = visit.words(
            "Hello {name},\n\nsomebody asked for a new password for your account. You need none: you sign in with "
            "{provider}, here:\n\n{link}\n",
            name=wanted.user.name,
            provider=wanted.connection.name,
            link=f"{visit.home.settings.url}/sign-in",
        )
        letters.write(visit.work, wanted.user.email, visit.words("You need no password"), text)
    return visit.render("reset/ask.html", asked=True)


def form_use(visit: Visit) -> Response:
    """Show the form for a new password; looking at it uses nothing up."""
    link = resets.find(visit.work, visit.path["token"])
    return visit.render("reset/use.html", status=200 if link else 404, user=None if link is None else link.user)


def use(visit: Visit) -> Response:
    """Choose a password by a link."""
    resets.use(visit.home, visit.path["token"], visit.form["chosen"], visit.form["repeated"], visit.origin)
    return visit.go("/sign-in", done="password_reset")


def form_make(visit: Visit) -> Response:
    """Ask how and why to make a link for somebody."""
    user = visit.work.get(User, visit.path["id"])
    return visit.render("reset/make.html", user=user, mail_folder=folder(visit.home), codes=REASONS)


def make(visit: Visit) -> Response:
    """Take somebody's password away and make a link for a new one."""
    user = visit.work.get(User, visit.path["id"])
    visit.check_version(user)
    if visit.form["way"] not in ("mail", "show"):
        raise Conflict("Choose whether the link is sent by mail or shown to you.")
    resets.take_password(visit.work, visit.viewer, user, visit.form.reason(REASONS))
    if visit.form["way"] == "mail":
        send_invitation(visit, user)
        return visit.go(f"/settings/users/{user.id}", done="link_sent", of=f"user:{user.id}")
    token = resets.make(visit.work, user, visit.viewer, resets.LIFE)
    return visit.render("reset/made.html", status=201, user=user, link=_link(visit, token))


def send_invitation(visit: Visit, user: User) -> None:
    """Send somebody the link with which they choose a password."""
    token = resets.make(visit.work, user, visit.viewer, resets.INVITATION_LIFE)
    text = visit.words(
        "Hello {name},\n\n{by} lets you into {workspace}. Choose your password here:\n\n{link}\n\n"
        "The link works once, for three days.\n",
        name=user.name,
        by=visit.viewer.name,
        workspace=visit.work.workspace.name,
        link=_link(visit, token),
    )
    letters.write(visit.work, user.email, visit.words("Choose your password"), text)


def _link(visit: Visit, token: str) -> str:
    # Never by the name that the request was sent to: whoever asks could choose it.
    return f"{visit.home.settings.url}/reset/{token}"


REASONS = ("password_forgotten", "security", "other")

PAGES = (
    Page(path="/forgot", answer=form_ask, needs=None),
    Page(path="/forgot", method="POST", answer=ask, again=form_ask, needs=None),
    Page(path="/reset/{token}", answer=form_use, needs=None),
    Page(path="/reset/{token}", method="POST", answer=use, again=form_use, needs=None),
    Page(path="/settings/users/{id}/reset", answer=form_make, needs="users:manage", title="Reset a password"),
    Page(
        path="/settings/users/{id}/reset",
        method="POST",
        answer=make,
        again=form_make,
        needs="users:manage",
        action="auth.password_changed",
    ),
)
