"""Roles: named sets of permissions. What a role may do changes for everybody who has it, at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

from sendero.errors import Conflict, Forbidden, Invalid
from sendero.permissions import PERMISSIONS, touches_power
from sendero.tables import Role, User
from sendero.work import Work, resource_of
from whodid import Reason, Resource

__all__ = ["by_name", "create", "delete", "holders", "listing", "update"]


def snapshot(role: Role) -> dict[str, Any]:
    """Return the fields of a role as the log shows them."""
    return {"name": role.name, "description": role.description, "permissions": role.permissions}


def create(work: Work, by: User | None, values: Mapping[str, Any], *, builtin: bool = False, said: bool = True) -> Role:
    """Create a role.

    Args:
        by: Who creates it; None for the installation itself.
        values: name, description and permissions.
        said: Whether it is recorded; the roles that every workspace starts with are not.

    Raises:
        Invalid: A value cannot be taken.
        Forbidden: It would permit more than `by` may.
    """
    clean = _checked(work, values, None)
    role_id = work.new_id("rol")
    if by is not None:
        _check_power(by, clean["permissions"], "role.created", Resource(type="role", id=role_id, name=clean["name"]))
    now = work.now()
    role = Role(id=role_id, workspace_id=work.workspace.id, created_at=now, updated_at=now, builtin=builtin, **clean)
    work.add(role)
    if said:
        work.record("role.created", resource_of(role), after=snapshot(role))
    return role


def update(work: Work, by: User, role: Role, values: Mapping[str, Any]) -> bool:
    """Change a role.

    Returns:
        Whether anything changed.

    Raises:
        Invalid: A value cannot be taken.
        Forbidden: It would give or take what `by` has not, or change one's own role.
        Conflict: It is the role of the owner, or somebody else changed it.
    """
    if role.name == "Owner" and role.builtin:
        raise Conflict("The owner's role can do everything; it cannot be changed.")
    clean = _checked(work, values, role)
    if role.builtin:
        clean["name"] = role.name
    gained = sorted(set(clean["permissions"]) - set(role.permissions))
    lost = sorted(set(role.permissions) - set(clean["permissions"]))
    _check_power(by, [*gained, *lost], "role.updated", resource_of(role))
    if by.role_id == role.id and (gained or lost):
        raise Forbidden(
            "You cannot change what your own role may do. Ask another administrator.",
            action="role.updated",
            resource=resource_of(role),
            code="own_role",
        )
    before = snapshot(role)
    for name, value in clean.items():
        if getattr(role, name) != value:
            setattr(role, name, value)
    after = snapshot(role)
    if before == after:
        return False
    work.touch(role)
    work.record(
        "role.updated",
        resource_of(role),
        before=before,
        after=after,
        details={"people": holders(work, role)},
        severity="critical" if touches_power(gained) else None,
    )
    return True


def delete(work: Work, by: User, role: Role, reason: Reason | None) -> None:
    """Delete a role that nobody has.

    Raises:
        Conflict: It came with the workspace, or somebody has it.
        Forbidden: It permits more than `by` may.
    """
    if role.builtin:
        raise Conflict("This role came with the workspace; it cannot be deleted.")
    if holders(work, role):
        raise Conflict("Somebody has this role. Give them another one first.")
    _check_power(by, role.permissions, "role.deleted", resource_of(role))
    before = snapshot(role)
    resource = resource_of(role)
    work.session.delete(role)
    work.session.flush()
    work.record("role.deleted", resource, before=before, reason=reason, details={"holders": 0})


def holders(work: Work, role: Role) -> int:
    """Count the people who have a role."""
    return work.session.execute(sa.select(sa.func.count()).where(User.role_id == role.id)).scalar_one()


def listing(work: Work) -> list[Role]:
    """Return the roles, those that came with the workspace first."""
    query = sa.select(Role).where(Role.workspace_id == work.workspace.id)
    return list(work.session.execute(query.order_by(Role.builtin.desc(), Role.created_at, Role.id)).scalars())


def by_name(work: Work, name: str) -> Role:
    """Return a role by its name."""
    query = sa.select(Role).where(Role.workspace_id == work.workspace.id, Role.name == name)
    return work.session.execute(query).scalar_one()


def _checked(work: Work, values: Mapping[str, Any], role: Role | None) -> dict[str, Any]:
    name, faults = str(values["name"]).strip(), {}
    if not 0 < len(name) <= 60:
        faults["name"] = "A role needs a name of at most 60 characters."
    else:
        same = sa.select(Role.id).where(
            Role.workspace_id == work.workspace.id, sa.func.lower(Role.name) == name.lower()
        )
        if any(found != (role.id if role is not None else None) for found in work.session.execute(same).scalars()):
            faults["name"] = "There is a role of this name already."
    wanted = set(values["permissions"])
    if not wanted <= set(PERMISSIONS):
        faults["permissions"] = "Choose permissions of the list."
    if faults:
        raise Invalid(faults)
    ordered = [permission for permission in PERMISSIONS if permission in wanted]
    return {"name": name, "description": str(values.get("description") or "").strip()[:300], "permissions": ordered}


def _check_power(by: User, permissions: Collection[str], action: str, resource: Resource) -> None:
    if more := sorted(set(permissions) - set(by.role.permissions)):
        raise Forbidden(
            "You can only give or take permissions that you have yourself.",
            permission=more[0],
            action=action,
            resource=resource,
            code="above_own_rights",
        )
