"""The pages of two-step sign-in: the code at the door, turning it on and off for oneself, and off for somebody else."""

from __future__ import annotations

import segno
from starlette.responses import Response

from sendero.errors import Invalid
from sendero.service import auth, two_step
from sendero.tables import User
from sendero.web import me, people
from sendero.web.visit import Page, Visit

__all__ = ["PAGES"]


def begin_again(visit: Visit) -> Response:
    """Send somebody who comes without a password to where it is asked for."""
    return visit.go("/sign-in")


def form_code(visit: Visit) -> Response:
    """Ask for the code again, after a wrong one."""
    return visit.render("two_step/ask.html", next=me.own_page(visit.form["next"]), sealed=visit.form["sealed"])


def code(visit: Visit) -> Response:
    """Sign somebody in who gave the right password before."""
    if not visit.form["code"].strip():
        raise Invalid({"code": "Type the code that the app shows, or a recovery code."})
    device = visit.origin.device
    origin = auth.Origin(device=device, ip=visit.origin.ip, user_agent=visit.origin.user_agent)
    signed = two_step.finish(visit.home, visit.form["sealed"], visit.form["code"], origin)
    return me.let_in(visit, signed, device)


def form_on(visit: Visit) -> Response:
    """Show the secret as a picture and as text, and ask for the first code."""
    offer = two_step.offer(visit.work, visit.viewer, visit.form["sealed"])
    picture = segno.make(offer.address, error="m", micro=False)
    # Only lines of one path: nothing of what a person typed is markup here.
    drawn = picture.svg_inline(scale=4, border=2, omitsize=True, svgclass="qr", lineclass=None)
    return visit.render("two_step/on.html", offer=offer, drawn=drawn)


def on(visit: Visit) -> Response:
    """Turn it on for oneself, and show the recovery codes this once."""
    codes = two_step.turn_on(visit.work, visit.viewer, visit.form["sealed"], visit.form["code"])
    return visit.render("two_step/codes.html", status=201, codes=codes)


def form_off(visit: Visit) -> Response:
    """Ask for the password and a code."""
    return visit.render("two_step/off.html")


def off(visit: Visit) -> Response:
    """Turn it off for oneself."""
    two_step.turn_off(visit.work, visit.viewer, visit.form["present"], visit.form["code"])
    return visit.go("/me", done="two_step_off")


def take_off(visit: Visit) -> Response:
    """Turn it off for somebody who has lost everything."""
    user = visit.work.get(User, visit.path["id"])
    visit.check_version(user)
    two_step.take_off(visit.work, visit.viewer, user, visit.form.reason(two_step.REASONS))
    return visit.go(f"/settings/users/{user.id}", done="two_step_off", of=f"user:{user.id}")


PAGES = (
    Page(path="/sign-in/code", answer=begin_again, needs=None),
    Page(path="/sign-in/code", method="POST", answer=code, again=form_code, needs=None),
    Page(path="/me/two-step", answer=form_on),
    Page(path="/me/two-step", method="POST", answer=on, again=form_on, action="user.updated"),
    Page(path="/me/two-step/off", answer=form_off),
    Page(path="/me/two-step/off", method="POST", answer=off, again=form_off, action="user.updated"),
    Page(
        path="/settings/users/{id}/two-step",
        method="POST",
        answer=take_off,
        again=people.show,
        needs="users:manage",
        action="user.updated",
    ),
)
