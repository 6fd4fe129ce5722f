"""People: invited, given a role, deactivated, reactivated; never deleted, so that the log can always name them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from sendero import passwords
from sendero.errors import Conflict, Forbidden, Invalid
from sendero.service import api_keys, contacts
from sendero.service.auth import end_sessions, void_links
from sendero.service.teams import leave, teams_of
from sendero.tables import Role, User
from sendero.work import Work, resource_of
from whodid import Reason

__all__ = [
    "AVATAR_COLORS",
    "AWAY_REASONS",
    "change_role",
    "check_power",
    "create",
    "deactivate",
    "invite",
    "listing",
    "reactivate",
    "rename",
    "update",
]

AWAY_REASONS = ("left_the_company", "on_leave", "security", "other")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
AVATAR_COLORS = ("#7a5bd0", "#b0446a", "#276f9f", "#2f7d5b", "#a15c07", "#5d5b63", "#c4343a", "#3c47c4")
_MIGHTY = ("Owner", "Admin")


def snapshot(user: User) -> dict[str, Any]:
    """Return the fields of a person as the log shows them."""
    return {"name": user.name, "email": user.email, "role": user.role.name, "status": user.status}


def create(work: Work, by: User | None, values: Mapping[str, Any], role: Role) -> tuple[User, str]:
    """Invite a person and give them a first password.

    Args:
        by: Who invites; None for the installation itself.
        values: name and email.

    Returns:
        The person and their first password, which is kept nowhere but as a hash.

    Raises:
        Invalid: A value cannot be taken.
        Forbidden: The role can do more than `by`.
    """
    password = passwords.generate()
    return invite(work, by, values, role, password=password), password


def invite(
    work: Work,
    by: User | None,
    values: Mapping[str, Any],
    role: Role,
    *,
    password: str | None = None,
    provider: str = "password",
) -> User:
    """Invite a person, who chooses a password by a link, or signs in at a provider.

    Args:
        provider: What they sign in with; somebody who comes from a provider is active at once.

    Raises:
        Invalid: A value cannot be taken.
        Forbidden: The role can do more than `by`.
    """
    name, email = _checked(work, values, None)
    now = work.now()
    user = User(
        id=work.new_id("usr"),
        workspace_id=work.workspace.id,
        created_at=now,
        updated_at=now,
        name=name,
        email=email,
        role_id=role.id,
        role=role,
        status="invited" if provider == "password" else "active",
        password_hash=None,
        password_changed_at=None,
        mfa_enabled=False,
        auth_provider=provider,
        last_login_at=None,
        avatar_color=AVATAR_COLORS[sum(email.encode()) % len(AVATAR_COLORS)],
    )
    if by is not None:
        check_power(by, role, "user.created", user)
    user.password_hash = None if password is None else passwords.hashed(password)
    work.add(user)
    work.record(
        "user.created",
        resource_of(user),
        after=snapshot(user) | ({"invited_by": by.name} if by is not None else {}),
        severity="warning" if role.name in _MIGHTY else None,
    )
    return user


def update(work: Work, by: User, user: User, values: Mapping[str, Any]) -> bool:
    """Change the name and the e-mail address of somebody else.

    Returns:
        Whether anything changed.

    Raises:
        Invalid: A value cannot be taken.
        Forbidden: Their role can do more than `by`: a new address could be used to take their place.
    """
    check_power(by, user.role, "user.updated", user)
    name, email = _checked(work, values, user)
    before = snapshot(user)
    if (name, email) == (user.name, user.email):
        return False
    if email != user.email:
        void_links(work, user)
    user.name, user.email = name, email
    work.touch(user)
    _check_in_power(work, by)
    work.record("user.updated", resource_of(user), before=before, after=snapshot(user))
    return True


def rename(work: Work, user: User, name: str) -> bool:
    """Change the name of a person.

    Returns:
        Whether anything changed.
    """
    name = name.strip()
    if not 0 < len(name) <= 100:
        raise Invalid({"name": "A person needs a name of at most 100 characters."})
    if name == user.name:
        return False
    before = snapshot(user)
    user.name = name
    work.touch(user)
    work.record("user.updated", resource_of(user), before=before, after=snapshot(user))
    return True


def change_role(work: Work, by: User, user: User, role: Role) -> bool:
    """Give a person another role; it acts at once.

    Returns:
        Whether anything changed.

    Raises:
        Forbidden: The role, the present one or the new one, can do more than `by`; or it is one's own. Only an owner
            decides about owners, and nobody about themselves: an owner is always left.
    """
    if role.id == user.role_id:
        return False
    if by.id == user.id:
        raise Forbidden(
            "You cannot change your own role. Ask another administrator.",
            action="user.role_changed",
            resource=resource_of(user),
            code="own_role",
        )
    check_power(by, user.role, "user.role_changed", user)
    check_power(by, role, "user.role_changed", user)
    before = {"role": user.role.name, "permissions": user.role.permissions}
    user.role_id, user.role = role.id, role
    work.touch(user)
    _check_in_power(work, by)
    work.record(
        "user.role_changed",
        resource_of(user),
        before=before,
        after={"role": role.name, "permissions": role.permissions},
        severity="critical" if role.name in _MIGHTY else None,
    )
    return True


def deactivate(work: Work, by: User, user: User, reason: Reason | None) -> None:
    """Keep a person from signing in; their sessions end and their API keys are revoked at once.

    They leave their teams, and the contacts they looked after have nobody until somebody takes over: what is assigned
    to a person who cannot sign in would be answered by nobody. Each of these changes is an entry of its own that points
    to this one.

    Raises:
        Forbidden: It is oneself, or their role can do more than `by`.
        Conflict: They are deactivated already.
    """
    if by.id == user.id:
        raise Forbidden(
            "You cannot deactivate yourself. Ask another administrator.",
            action="user.deactivated",
            resource=resource_of(user),
            code="oneself",
        )
    if user.status == "deactivated":
        raise Conflict("This person is deactivated already.")
    check_power(by, user.role, "user.deactivated", user)
    before = {"status": user.status}
    user.status = "deactivated"
    work.touch(user)
    _check_in_power(work, by)
    event = work.record(
        "user.deactivated",
        resource_of(user),
        before=before,
        after={"status": user.status},
        reason=reason,
        details={
            "sessions_ended": end_sessions(work, user, "deactivated"),
            "api_keys_revoked": len(api_keys.active_of(work, user)),
            "conversations_unassigned": len(contacts.owned_by(work, user)),
            "teams_left": teams_of(work, user),
        },
    )
    void_links(work, user)
    api_keys.revoke_all(work, user, event)
    contacts.unassign(work, user, event)
    leave(work, user, event)


def reactivate(work: Work, by: User, user: User, reason: Reason | None = None) -> None:
    """Let a person sign in again.

    Raises:
        Forbidden: Their role can do more than `by`.
        Conflict: They are not deactivated.
    """
    if user.status != "deactivated":
        raise Conflict("This person is not deactivated.")
    check_power(by, user.role, "user.reactivated", user)
    # Whoever never came in still has to choose a password: the first one was seen by somebody else.
    user.status = "invited" if user.last_login_at is None else "active"
    work.touch(user)
    work.record(
        "user.reactivated",
        resource_of(user),
        before={"status": "deactivated"},
        after={"status": user.status},
        reason=reason,
    )


def listing(work: Work) -> list[User]:
    """Return everybody, those who can sign in first."""
    query = sa.select(User).where(User.workspace_id == work.workspace.id)
    people = work.session.execute(query.order_by(User.name)).scalars().all()
    return sorted(people, key=lambda user: user.status == "deactivated")


def _checked(work: Work, values: Mapping[str, Any], user: User | None) -> tuple[str, str]:
    """Return a name and an address as they are stored.

    Args:
        user: Whose they are already.
    """
    name, email = str(values["name"]).strip(), str(values["email"]).strip().casefold()
    faults: dict[str, str] = {}
    if not 0 < len(name) <= 100:
        faults["name"] = "A person needs a name of at most 100 characters."
    taken = sa.select(sa.exists().where(User.email == email, User.id != (user.id if user is not None else "")))
    if not _EMAIL.fullmatch(email):
        faults["email"] = "This is not an e-mail address."
    elif work.session.execute(taken).scalar():
        faults["email"] = "Somebody with this e-mail address is here already."
    if faults:
        raise Invalid(faults)
    return name, email


def check_power(by: User, role: Role, action: str, user: User) -> None:
    """Refuse to decide about a role that can do more than the person who decides."""
    more = set(role.permissions) - set(by.role.permissions)
    if more or (role.name == "Owner" and by.role.name != "Owner"):
        raise Forbidden(
            "This role can do more than you can. Only somebody with at least its permissions may decide about it.",
            action=action,
            resource=resource_of(user),
            code="above_own_rights",
        )


def _check_in_power(work: Work, by: User) -> None:
    """Refuse when whoever decides lost their own place meanwhile: of two who decide about one another, one is first.

    Called after the write, which waits for the other one's commit.
    """
    query = sa.select(User.status, User.role_id).where(User.id == by.id).with_for_update()
    if work.session.execute(query).one() != (by.status, by.role_id):
        raise Conflict("Somebody else changed this in the meantime. Look at it again and repeat your change.")
