"""The pages of roles and what they permit."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from sendero.permissions import AREAS
from sendero.service import roles
from sendero.tables import Role
from sendero.web.visit import Page, Visit

__all__ = ["PAGES"]


def listing(visit: Visit) -> Response:
    """List the roles."""
    rows = [(role, roles.holders(visit.work, role)) for role in roles.listing(visit.work)]
    return visit.render("roles/list.html", rows=rows)


def form_new(visit: Visit) -> Response:
    """Show the form for a new role."""
    return _form(visit, None)


def create(visit: Visit) -> Response:
    """Create a role."""
    role = roles.create(visit.work, visit.viewer, _values(visit))
    return visit.go("/settings/roles", done="role_created", of=f"role:{role.id}")


def form_edit(visit: Visit) -> Response:
    """Show a role, or the form for changing it."""
    return _form(visit, visit.work.get(Role, visit.path["id"]))


def update(visit: Visit) -> Response:
    """Change a role."""
    role = visit.work.get(Role, visit.path["id"])
    visit.check_version(role)
    changed = roles.update(visit.work, visit.viewer, role, _values(visit))
    done = "role_saved" if changed else "unchanged"
    return visit.go("/settings/roles", done=done, of=f"role:{role.id}" if changed else "")


def form_delete(visit: Visit) -> Response:
    """Ask whether to delete a role."""
    role = visit.work.get(Role, visit.path["id"])
    return visit.render("roles/delete.html", role=role, people=roles.holders(visit.work, role))


def delete(visit: Visit) -> Response:
    """Delete a role."""
    role = visit.work.get(Role, visit.path["id"])
    visit.check_version(role)
    roles.delete(visit.work, visit.viewer, role, visit.form.reason(()))
    return visit.go("/settings/roles", done="role_deleted", of=f"role:{role.id}")


def _form(visit: Visit, role: Role | None) -> Response:
    typed: dict[str, Any] = {"name": "", "description": "", "permissions": []}
    if visit.fault:
        typed = _values(visit)
    elif role is not None:
        typed = {"name": role.name, "description": role.description, "permissions": role.permissions}
    return visit.render(
        "roles/form.html",
        role=role,
        typed=typed,
        areas=AREAS,
        mine=visit.viewer.role.permissions,
        people=0 if role is None else roles.holders(visit.work, role),
        fixed=role is not None and role.builtin and role.name == "Owner",
    )


def _values(visit: Visit) -> dict[str, Any]:
    return {
        "name": visit.form["name"],
        "description": visit.form["description"],
        "permissions": visit.form.all("permission"),
    }


PAGES = (
    Page(path="/settings/roles", answer=listing, needs="roles:read", title="Roles"),
    Page(path="/settings/roles/new", answer=form_new, needs="roles:create", title="New role"),
    Page(
        path="/settings/roles/new",
        method="POST",
        answer=create,
        again=form_new,
        needs="roles:create",
        action="role.created",
    ),
    Page(path="/settings/roles/{id}", answer=form_edit, needs="roles:read", title="Role"),
    Page(
        path="/settings/roles/{id}",
        method="POST",
        answer=update,
        again=form_edit,
        needs="roles:update",
        action="role.updated",
    ),
    Page(path="/settings/roles/{id}/delete", answer=form_delete, needs="roles:delete", title="Delete role"),
    Page(
        path="/settings/roles/{id}/delete",
        method="POST",
        answer=delete,
        again=form_delete,
        needs="roles:delete",
        action="role.deleted",
    ),
)
