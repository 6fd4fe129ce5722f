"""Signing in and out, and one's own password."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.orm import Session as Database

from sendero import passwords
from sendero.errors import Invalid
from sendero.installation import Installation
from sendero.service import sso_rules, throttle
from sendero.tables import ResetLink, Session, User, Workspace
from sendero.work import Work, actor_of, begin, resource_of
from whodid import Actor, Reason, Resource

__all__ = [
    "IDLE",
    "LIFE",
    "LIVING",
    "NOBODY",
    "Halfway",
    "Origin",
    "SignedIn",
    "change_password",
    "end_session",
    "end_sessions",
    "find_session",
    "mark_ended",
    "open_session",
    "refuse",
    "reset_password",
    "set_password",
    "sign_in",
    "time_out",
    "timed_out",
    "void_links",
]

IDLE = timedelta(hours=12)
LIFE = timedelta(days=7)
_SEEN = timedelta(minutes=1)
LIVING = ("invited", "active")
NOBODY = Actor(type="anonymous", id="anonymous")


class Origin(Struct, frozen=True, kw_only=True):
    """Where a sign-in comes from.

    Args:
        device: The browser's own random id, from its cookie.
    """

    device: str
    ip: str | None = None
    user_agent: str | None = None
    country: str | None = None
    city: str | None = None


class SignedIn(Struct, frozen=True, kw_only=True):
    """A new session and the token that stands for it; the token exists nowhere else."""

    token: str
    session: Session
    user: User


class Halfway(Struct, frozen=True, kw_only=True):
    """Somebody who gave the right password, and has a code to give before they are in (`two_step`)."""

    user: User


def sign_in(home: Installation, email: str, password: str, origin: Origin) -> SignedIn | Halfway:
    """Sign a person in with their password, or ask for a code if they have two-step sign-in.

    Raises:
        Invalid: The two do not belong together, or it was tried too often. Which, the person is not told.
    """
    email = email.strip().casefold()
    with begin(home) as work:
        workspace = work.workspace
        required = sso_rules.enforced(work, email)
        user = work.session.execute(sa.select(User).where(User.email == email)).scalar_one_or_none()
        known = user is not None and _device_known(work.session, user, _device_key(home, origin))
        person = throttle.person_key(home.secret, email, origin.device if known else None)
        counted = throttle.count(work.session, home.secret, person, origin.ip, work.now())
    if counted.locked:
        if counted.noted:
            refuse(home, workspace, email, user=user, cause="locked", counted=counted, origin=origin)
        raise Invalid({"password": "Too many attempts. Wait ten minutes and try again."})
    right = passwords.matches(password, user.password_hash if user is not None else None)
    entering = user is not None and right and user.status in LIVING
    if required is not None and not (entering and sso_rules.is_exempt(user)):
        # The same for everybody of the domain, so that it tells nothing about anybody.
        refuse(home, workspace, email, user=user, cause="sso_required", counted=counted, origin=origin)
        raise Invalid({"password": "People of this address sign in with single sign-on. Use the button below."})
    if user is None or not right or user.status not in LIVING:
        cause = "unknown_user" if user is None else "wrong_password" if not right else "deactivated"
        refuse(home, workspace, email, user=user, cause=cause, counted=counted, origin=origin)
        raise Invalid({"password": "E-mail or password is wrong."})
    with begin(home) as work:
        user = work.get(User, user.id)
        throttle.forgive(work.session, person)
        if user.password_hash is not None and passwords.outdated(user.password_hash):
            user.password_hash = passwords.hashed(password)
        if user.mfa_enabled:
            return Halfway(user=user)
        return open_session(work, user, "password", origin)


def refuse(
    home: Installation,
    workspace: Workspace,
    email: str,
    *,
    user: User | None,
    cause: str,
    counted: throttle.Counted,
    origin: Origin,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Record a failed sign-in; it stands by itself, whatever else is rolled back.

    Args:
        email: What was typed, or what stands for a person whom nobody here knows.
        more: Further details of the entry.
    """
    if user is None:
        # What somebody typed who is nobody here may be a password in the wrong field: only its keyed hash is kept.
        typed = hmac.digest(home.secret, email.encode(), hashlib.sha256).hex()[:16]
        resource = Resource(type="user", id=f"unknown:{typed}")
    else:
        resource = resource_of(user)
    with (
        begin(home, workspace) as work,
        work.acting(ip=origin.ip, user_agent=origin.user_agent, country=origin.country, city=origin.city, source="web"),
    ):
        work.record(
            "auth.login_failed",
            resource,
            outcome="failed",
            details={"cause": cause, "attempts": counted.person, **(more or {})},
            severity="warning" if counted.person >= throttle.ALERT else None,
            actor=NOBODY,
        )


def open_session(
    work: Work,
    user: User,
    method: str,
    origin: Origin,
    *,
    more: Mapping[str, Any] | None = None,
    before: Mapping[str, Any] | None = None,
    second_step: str | None = None,
) -> SignedIn:
    """Begin a session for a person who proved who they are.

    Args:
        method: password or sso.
        more: Details of the entry of a single sign-on.
        before: The status, if the sign-in changed it.
        second_step: What they gave besides the password, if anything: app or recovery_code.
    """
    token = secrets.token_urlsafe(32)
    now = work.now()
    device = _device_key(work.home, origin)
    known = _device_known(work.session, user, device)
    country = None if origin.country is None else _country_known(work.session, user, origin.country)
    details = {**(more or {"method": method}), "known_device": known, "known_country": country}
    if second_step is not None:
        details["second_step"] = second_step
    session = Session(
        id=work.new_id("ses"),
        user_id=user.id,
        user=user,
        token_hash=_hash(token),
        method=method,
        ip=origin.ip,
        user_agent=origin.user_agent,
        device_key=device,
        country=origin.country,
        created_at=now,
        last_seen_at=now,
        ended_at=None,
        end_reason=None,
    )
    # Not through the row: a sign-in is no new version of the person, which would spoil a form that is open elsewhere.
    work.session.execute(sa.update(User).where(User.id == user.id).values(last_login_at=now))
    work.add(session)
    with work.acting(
        actor=actor_of(user),
        session=session.id,
        ip=origin.ip,
        user_agent=origin.user_agent,
        country=origin.country,
        city=origin.city,
        source="web" if more is None else "sso",
    ):
        work.record(
            "auth.login" if more is None else "auth.sso_login",
            resource_of(user),
            before=before,
            after=None if before is None else {"status": user.status},
            details=details,
            severity="notice" if more is not None and not known else None,
        )
    return SignedIn(token=token, session=session, user=user)


def find_session(work: Work, token: str) -> Session | None:
    """Return the living session of a token, and note that it was used.

    Returns:
        The session, or None when there is none or it ended; one that timed out is ended here.
    """
    session = work.session.execute(sa.select(Session).where(Session.token_hash == _hash(token))).scalar_one_or_none()
    if session is None or session.ended_at is not None or session.user.status not in LIVING:
        return None
    now = work.now()
    if timed_out(session, now):
        time_out(work, session)
        return None
    if now - session.last_seen_at > _SEEN:
        session.last_seen_at = now
    return session


def timed_out(session: Session, now: datetime) -> bool:
    """Tell whether a session was idle, or lasted, too long."""
    return now - session.last_seen_at > IDLE or now - session.created_at > LIFE


def time_out(work: Work, session: Session) -> None:
    """End a session because its time is over; the person it belongs to did nothing, and the source says so."""
    with work.acting(actor=actor_of(session.user), session=session.id, source="job"):
        end_session(work, session, "timeout")


def end_session(work: Work, session: Session, why: str) -> None:
    """End a session.

    Args:
        why: logout, timeout, revoked, deactivated or password_changed.
    """
    mark_ended(work, session, why)
    length = work.now() - session.created_at
    work.record(
        "auth.logout",
        resource_of(session.user),
        details={"session_minutes": int(length.total_seconds() // 60), "end_reason": why},
    )


def end_sessions(work: Work, user: User, why: str, *, but: Session | None = None) -> int:
    """End the living sessions of a person and return how many they were.

    Args:
        but: The one to leave.
    """
    living = work.session.execute(sa.select(Session).where(Session.user_id == user.id, Session.ended_at.is_(None)))
    ended = [session for session in living.scalars() if but is None or session.id != but.id]
    for session in ended:
        mark_ended(work, session, why)
    return len(ended)


def change_password(work: Work, session: Session, present: str, chosen: str, repeated: str) -> int:
    """Change one's own password; every other session ends.

    Returns:
        How many sessions ended.

    Raises:
        Invalid: The present password is wrong, or the chosen one is not good.
    """
    user = session.user
    if not passwords.matches(present, user.password_hash):
        raise Invalid({"present": "This is not your present password."})
    if weak := passwords.weakness(chosen, email=user.email, name=user.name):
        raise Invalid({"chosen": weak})
    if passwords.matches(chosen, user.password_hash):
        raise Invalid({"chosen": "This is your present password; choose another one."})
    if chosen != repeated:
        raise Invalid({"repeated": "The two are not the same."})
    return set_password(work, user, chosen, but=session, by="self")


def reset_password(work: Work, user: User) -> str:
    """Give a person a new generated password; every session of theirs ends.

    Returns:
        The password; it is kept nowhere but as a hash.
    """
    password = passwords.generate()
    set_password(work, user, password, but=None, by="operator")
    return password


def set_password(
    work: Work,
    user: User,
    password: str | None,
    *,
    but: Session | None,
    by: str,
    reason: Reason | None = None,
    more: Mapping[str, Any] | None = None,
) -> int:
    """Store a password, end sessions and record it.

    Args:
        password: The new one; None takes the present one away.
        but: The session to leave.
        by: self, admin, operator or reset_link.
        more: Further details of the entry.

    Returns:
        How many sessions ended.
    """
    before = _secret_state(user)
    user.password_hash = None if password is None else passwords.hashed(password)
    user.password_changed_at = work.now()
    if user.status == "invited" and by in ("self", "reset_link"):
        user.status = "active"
    ended = end_sessions(work, user, "password_changed", but=but)
    void_links(work, user)
    work.touch(user)
    work.record(
        "auth.password_changed",
        resource_of(user),
        before=before,
        after=_secret_state(user),
        reason=reason,
        details={"by": by, "sessions_ended": ended, **(more or {})},
        severity="warning" if by in ("admin", "operator") else None,
    )
    return ended


def void_links(work: Work, user: User) -> None:
    """Make the links with which a person could choose a password worth nothing."""
    unused = sa.update(ResetLink).where(ResetLink.user_id == user.id, ResetLink.used_at.is_(None))
    work.session.execute(unused.values(used_at=work.now()), execution_options={"synchronize_session": False})


def _secret_state(user: User) -> dict[str, str | None]:
    return {"status": user.status, "password_hash": user.password_hash}


def mark_ended(work: Work, session: Session, why: str) -> None:
    """End a session without saying so: whoever calls records why."""
    session.ended_at = work.now()
    session.end_reason = why
    work.session.flush()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _device_key(home: Installation, origin: Origin) -> str:
    return hmac.digest(home.secret, b"device\n" + origin.device.encode(), hashlib.sha256).hex()[:32]


def _device_known(database: Database, user: User, device: str) -> bool:
    query = sa.select(sa.exists().where(Session.user_id == user.id, Session.device_key == device))
    return bool(database.execute(query).scalar())


def _country_known(database: Database, user: User, country: str) -> bool:
    query = sa.select(sa.exists().where(Session.user_id == user.id, Session.country == country))
    return bool(database.execute(query).scalar())
