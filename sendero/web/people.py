"""The pages of users: inviting people, their roles, letting them in and keeping them out."""

from __future__ import annotations

from starlette.responses import Response

from sendero.mail import folder
from sendero.service import roles, sessions, teams, two_step, users
from sendero.tables import Role, User
from sendero.web.devices import device_of
from sendero.web.resetting import send_invitation
from sendero.web.visit import Page, Visit

__all__ = ["PAGES"]


def listing(visit: Visit) -> Response:
    """List everybody."""
    return visit.render("users/list.html", rows=users.listing(visit.work))


def show(visit: Visit) -> Response:
    """Show a person."""
    user = visit.work.get(User, visit.path["id"])
    may_manage = visit.may("users:manage")
    return visit.render(
        "users/show.html",
        user=user,
        roles=roles.listing(visit.work),
        teams=[team.name for team in teams.listing(visit.work) if user.id in {member.id for member in team.members}],
        sessions=sessions.living(visit.work, user) if may_manage else [],
        device_of=device_of,
        reasons=sessions.REVOKE_REASONS,
        two_step_reasons=two_step.REASONS,
    )


def form_new(visit: Visit) -> Response:
    """Show the form for inviting somebody."""
    return visit.render("users/new.html", roles=roles.listing(visit.work), mail_folder=folder(visit.home))


def create(visit: Visit) -> Response:
    """Invite somebody: by mail, or with a first password that is shown this once."""
    role = visit.work.get(Role, visit.form["role"])
    values = {"name": visit.form["name"], "email": visit.form["email"]}
    if visit.form["way"] == "mail":
        user = users.invite(visit.work, visit.viewer, values, role)
        send_invitation(visit, user)
        return visit.go(f"/settings/users/{user.id}", done="link_sent", of=f"user:{user.id}")
    user, password = users.create(visit.work, visit.viewer, values, role)
    return visit.render("users/created.html", status=201, user=user, password=password)


def update(visit: Visit) -> Response:
    """Change the name and the address of somebody else."""
    user = visit.work.get(User, visit.path["id"])
    visit.check_version(user)
    values = {"name": visit.form["name"], "email": visit.form["email"]}
    changed = users.update(visit.work, visit.viewer, user, values)
    done = "user_saved" if changed else "unchanged"
    return visit.go(f"/settings/users/{user.id}", done=done, of=f"user:{user.id}" if changed else "")


def change_role(visit: Visit) -> Response:
    """Give a person another role."""
    user = visit.work.get(User, visit.path["id"])
    visit.check_version(user)
    changed = users.change_role(visit.work, visit.viewer, user, visit.work.get(Role, visit.form["role"]))
    done = "role_changed" if changed else "unchanged"
    return visit.go(f"/settings/users/{user.id}", done=done, of=f"user:{user.id}" if changed else "")


def form_deactivate(visit: Visit) -> Response:
    """Ask whether and why to deactivate a person."""
    return visit.render("users/deactivate.html", user=visit.work.get(User, visit.path["id"]), codes=users.AWAY_REASONS)


def deactivate(visit: Visit) -> Response:
    """Keep a person from signing in."""
    user = visit.work.get(User, visit.path["id"])
    visit.check_version(user)
    users.deactivate(visit.work, visit.viewer, user, visit.form.reason(users.AWAY_REASONS))
    return visit.go(f"/settings/users/{user.id}", done="user_deactivated", of=f"user:{user.id}")


def reactivate(visit: Visit) -> Response:
    """Let a person sign in again."""
    user = visit.work.get(User, visit.path["id"])
    visit.check_version(user)
    users.reactivate(visit.work, visit.viewer, user)
    return visit.go(f"/settings/users/{user.id}", done="user_reactivated", of=f"user:{user.id}")


PAGES = (
    Page(path="/settings/users", answer=listing, needs="users:read", title="Users"),
    Page(path="/settings/users/new", answer=form_new, needs="users:create", title="Invite a person"),
    Page(
        path="/settings/users/new",
        method="POST",
        answer=create,
        again=form_new,
        needs="users:create",
        action="user.created",
    ),
    Page(path="/settings/users/{id}", answer=show, needs="users:read", title="User"),
    Page(
        path="/settings/users/{id}/details",
        method="POST",
        answer=update,
        again=show,
        needs="users:manage",
        action="user.updated",
    ),
    Page(
        path="/settings/users/{id}/role",
        method="POST",
        answer=change_role,
        again=show,
        needs="users:manage",
        action="user.role_changed",
    ),
    Page(
        path="/settings/users/{id}/deactivate",
        answer=form_deactivate,
        needs="users:manage",
        title="Deactivate a person",
    ),
    Page(
        path="/settings/users/{id}/deactivate",
        method="POST",
        answer=deactivate,
        again=form_deactivate,
        needs="users:manage",
        action="user.deactivated",
    ),
    Page(
        path="/settings/users/{id}/reactivate",
        method="POST",
        answer=reactivate,
        again=show,
        needs="users:manage",
        action="user.reactivated",
    ),
)
