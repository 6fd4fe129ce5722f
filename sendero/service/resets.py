"""Links with which a person chooses a password: asked for by themselves, made by an administrator, or in an invitation.

A link works once and for a short time; only its hash is kept, and whoever gets in by it has no older session left. Who
asked for a link is told nothing about who is here.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

import sqlalchemy as sa
from msgspec import Struct

from sendero import passwords
from sendero.errors import Conflict, Forbidden, Invalid
from sendero.installation import Installation
from sendero.service import auth, sso_rules, throttle, users
from sendero.tables import ResetLink, SsoConnection, User
from sendero.work import Work, actor_of, begin, resource_of
from whodid import Reason

__all__ = ["INVITATION_LIFE", "LIFE", "Wanted", "ask", "find", "make", "take_password", "use"]

LIFE = timedelta(minutes=30)
INVITATION_LIFE = timedelta(days=3)

_KEPT = timedelta(days=30)


class Wanted(Struct, frozen=True, kw_only=True):
    """What a person who asked for a link gets by mail.

    Args:
        token: For the link; None when they sign in at a provider.
    """

    user: User
    token: str | None
    connection: SsoConnection | None


def ask(work: Work, email: str, ip: str | None) -> Wanted | None:
    """Let somebody who forgot a password have a link.

    Returns:
        What to send; None when there is nobody, or it was asked for too often. Whoever asked must not be told which.
    """
    email = email.strip().casefold()
    key = throttle.purpose_key(work.home.secret, "link", email)
    if throttle.count(work.session, work.home.secret, key, ip, work.now()).locked:
        return None
    user = work.session.execute(sa.select(User).where(User.email == email)).scalar_one_or_none()
    if user is None or user.status not in auth.LIVING:
        return None
    connection = sso_rules.enforced(work, email)
    if connection is not None and not sso_rules.is_exempt(user):
        return Wanted(user=user, token=None, connection=connection)
    return Wanted(user=user, token=make(work, user, None, LIFE), connection=None)


def make(work: Work, user: User, by: User | None, life: timedelta) -> str:
    """Make a link for a person; the links they had before are worth nothing from now on.

    Args:
        by: Who makes it; None when the person asked for it.

    Returns:
        The token of the link; it is kept nowhere but as a hash.
    """
    now = work.now()
    auth.void_links(work, user)
    work.session.execute(sa.delete(ResetLink).where(ResetLink.expires_at < now - _KEPT))
    token = secrets.token_urlsafe(32)
    work.add(
        ResetLink(
            id=work.new_id("rst"),
            user_id=user.id,
            token_hash=_hash(token),
            made_by=None if by is None else by.id,
            created_at=now,
            expires_at=now + life,
            used_at=None,
        )
    )
    return token


def find(work: Work, token: str) -> ResetLink | None:
    """Return the link of a token, or None when it was used, is too old or never was."""
    query = sa.select(ResetLink).where(ResetLink.token_hash == _hash(token))
    link = work.session.execute(query).scalar_one_or_none()
    if link is None or link.used_at is not None or link.expires_at <= work.now():
        return None
    if link.user.status not in auth.LIVING:
        return None
    if sso_rules.enforced(work, link.user.email) is not None and not sso_rules.is_exempt(link.user):
        return None
    return link


def use(home: Installation, token: str, chosen: str, repeated: str, origin: auth.Origin) -> None:
    """Choose a password by a link; every session of the person ends.

    Raises:
        Conflict: The link is not good, or not any more.
        Invalid: The chosen password is not good.
    """
    with begin(home) as work:
        link = find(work, token)
        if link is None:
            raise Conflict("This link was used already or is too old. Ask for a new one.")
        user = link.user
        if weak := passwords.weakness(chosen, email=user.email, name=user.name):
            raise Invalid({"chosen": weak})
        if chosen != repeated:
            raise Invalid({"repeated": "The two are not the same."})
        used = sa.update(ResetLink).where(ResetLink.id == link.id, ResetLink.used_at.is_(None))
        # Of two who use it at the same time, the second one waits here and finds it used.
        taken = work.session.execute(
            used.values(used_at=work.now()).returning(ResetLink.id), execution_options={"synchronize_session": False}
        )
        if taken.scalar_one_or_none() is None:
            raise Conflict("This link was used already or is too old. Ask for a new one.")
        maker = None if link.made_by is None else work.get(User, link.made_by)
        with work.acting(actor=actor_of(user), source="web", ip=origin.ip, user_agent=origin.user_agent):
            more = None if maker is None else {"link_by": maker.name}
            auth.set_password(work, user, chosen, but=None, by="reset_link", more=more)


def take_password(work: Work, by: User, user: User, reason: Reason | None) -> None:
    """Take a person's password away, because somebody else makes a link for a new one; their sessions end.

    Raises:
        Forbidden: It is oneself, or their role can do more than `by`.
        Conflict: They are deactivated, or sign in at a provider.
    """
    if by.id == user.id:
        raise Forbidden(
            "Change your own password on your own page.",
            action="auth.password_changed",
            resource=resource_of(user),
            code="oneself",
        )
    users.check_power(by, user.role, "auth.password_changed", user)
    if user.status not in auth.LIVING:
        raise Conflict("This person is deactivated. Reactivate them first.")
    if sso_rules.enforced(work, user.email) is not None and not sso_rules.is_exempt(user):
        raise Conflict("This person signs in with single sign-on and needs no password.")
    if user.password_hash is not None:
        auth.set_password(work, user, None, but=None, by="admin", reason=reason)


def _hash(token: str) -> str:
    return hashlib.sha256(b"link\n" + token.encode()).hexdigest()
