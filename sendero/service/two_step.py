"""Two-step sign-in: after the password a code of an app on a phone (RFC 6238), or a recovery code.

Between the two steps the browser holds a sealed text that says who gave the right password, from which browser and
until when; nothing is kept here for somebody who never comes back. Single sign-on has its own second step, at the
provider.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from msgspec import Struct

from sendero import passwords
from sendero.errors import Conflict, Forbidden, Invalid
from sendero.installation import Installation
from sendero.service import auth, throttle, users
from sendero.tables import RecoveryCode, SecondStep, User
from sendero.work import Work, begin, resource_of
from whodid import Reason
from whodid.errors import InvalidSetting

__all__ = ["REASONS", "Offer", "codes_left", "finish", "halfway", "offer", "take_off", "turn_off", "turn_on"]

REASONS = ("device_lost", "security", "other")

_CODES = 10
_PERIOD = 30
_PATIENCE = timedelta(minutes=5)
_OFFERED = timedelta(minutes=30)


class Offer(Struct, frozen=True, kw_only=True):
    """What an app needs to begin.

    Args:
        secret: For typing it in, in groups of four.
        address: For a picture that the app reads (`otpauth:`).
        sealed: For `turn_on`; only this installation can read it.
    """

    secret: str
    address: str
    sealed: str


def offer(work: Work, user: User, sealed: str = "") -> Offer:
    """Make a secret for an app; nothing is stored until its first code is typed.

    Args:
        sealed: The offer that was made before, for a form that is shown again; one that is too old is replaced.

    Raises:
        Conflict: The person has two-step sign-in already, or no password.
    """
    _check_off(user)
    key = _offered(work, user, sealed)
    if key is None:
        key = secrets.token_bytes(20)
        sealed = _seal(work.home, "offer", user.id, key.hex(), work.now() + _OFFERED)
    text = base64.b32encode(key).decode()
    return Offer(
        secret=" ".join(text[at : at + 4] for at in range(0, len(text), 4)),
        address=_app(key).get_provisioning_uri(user.email, f"Sendero {work.workspace.name}"),
        sealed=sealed,
    )


def turn_on(work: Work, user: User, sealed: str, code: str) -> list[str]:
    """Ask for a code at every sign-in from now on.

    Args:
        sealed: Of the offer.
        code: What the app shows.

    Returns:
        The recovery codes; they are kept nowhere but as hashes.

    Raises:
        Conflict: It is on already, the person has no password, or the offer is too old.
        Invalid: The code is wrong.
    """
    _check_off(user)
    key = _offered(work, user, sealed)
    if key is None:
        raise Conflict("This took too long. Open the page again and scan the new picture.")
    count = _matching(key, code, work.now())
    if count is None:
        raise Invalid({"code": "This is not the code that the app shows now. Look at the clock of your phone, too."})
    work.add(
        SecondStep(user_id=user.id, secret=work.home.vault.seal(key.hex()), last_count=count, created_at=work.now())
    )
    codes = [f"{secrets.token_hex(3)}-{secrets.token_hex(3)}" for _ in range(_CODES)]
    for one in codes:
        work.add(RecoveryCode(user_id=user.id, code_hash=_hash(work.home, user, one)))
    _say(work, user, enabled=True)
    return codes


def turn_off(work: Work, user: User, password: str, code: str) -> None:
    """Ask for the password alone again.

    Raises:
        Conflict: It is off already.
        Invalid: The password or the code is wrong.
    """
    if not user.mfa_enabled:
        raise Conflict("Two-step sign-in is off already.")
    if not passwords.matches(password, user.password_hash):
        raise Invalid({"present": "This is not your present password."})
    if _used(work, user, code) is None:
        raise _wrong()
    _forget(work, user)
    _say(work, user, enabled=False)


def take_off(work: Work, by: User, user: User, reason: Reason | None) -> None:
    """Let somebody else in with the password alone, who has lost the phone and the recovery codes.

    Raises:
        Forbidden: It is oneself, or their role can do more than `by`.
        Conflict: It is off already.
        Invalid: No reason is given.
    """
    if by.id == user.id:
        raise Forbidden(
            "You turn your own two-step sign-in off on the page of your account.",
            action="user.updated",
            resource=resource_of(user),
            code="oneself",
        )
    users.check_power(by, user.role, "user.updated", user)
    if not user.mfa_enabled:
        raise Conflict("Two-step sign-in is off already.")
    if reason is None:
        raise Invalid({"reason": "Say why; it is shown in the audit log."})
    _forget(work, user)
    _say(work, user, enabled=False, reason=reason)


def codes_left(work: Work, user: User) -> int:
    """Return how many recovery codes a person has not used."""
    query = sa.select(sa.func.count()).where(RecoveryCode.user_id == user.id)
    return work.session.execute(query).scalar_one()


def halfway(home: Installation, user: User, origin: auth.Origin) -> str:
    """Return what the browser of somebody who gave the right password brings back with the code."""
    return _seal(home, "halfway", user.id, _standing(user, origin), home.clock() + _PATIENCE)


def finish(home: Installation, sealed: str, code: str, origin: auth.Origin) -> auth.SignedIn:
    """Sign a person in who gave the right password before.

    Args:
        sealed: What `halfway` returned.
        code: What the app shows, or a recovery code.

    Raises:
        Invalid: The code is wrong, it was tried too often, or the password was given too long ago.
    """
    opened = _open(home, "halfway", sealed, home.clock())
    with begin(home) as work:
        workspace = work.workspace
        user = None if opened is None else work.session.get(User, opened[0])
        if opened is None or user is None or user.status not in auth.LIVING or opened[1] != _standing(user, origin):
            raise Invalid({"code": "This took too long, or something changed meanwhile. Sign in again from the start."})
        # A counter of its own: a right password resets nothing, and guesses of codes lock nobody's password.
        person = throttle.purpose_key(home.secret, "code", user.id)
        counted = throttle.count(work.session, home.secret, person, origin.ip, work.now())
    if not counted.locked:
        with begin(home) as work:
            user = work.get(User, user.id)
            used = _used(work, user, code)
            if used is not None:
                throttle.forgive(work.session, person)
                return auth.open_session(work, user, "password", origin, second_step=used)
    if not counted.locked or counted.noted:
        cause = "locked" if counted.locked else "wrong_code"
        auth.refuse(home, workspace, user.email, user=user, cause=cause, counted=counted, origin=origin)
    if counted.locked:
        raise Invalid({"code": "Too many attempts. Wait ten minutes and try again."})
    raise _wrong()


def _wrong() -> Invalid:
    text = "This code is wrong. Type the code that the app shows now, or a recovery code that you have not used."
    return Invalid({"code": text})


def _check_off(user: User) -> None:
    if user.mfa_enabled:
        raise Conflict("Two-step sign-in is on already.")
    if user.password_hash is None:
        raise Conflict("You sign in with a provider; its own second step counts.")


def _used(work: Work, user: User, code: str) -> str | None:
    """Use a code up and return what it was: `app` or `recovery_code`; None for a wrong one.

    Two who bring the same code at once find one row to change: the second one changes nothing.
    """
    kept = work.session.get(SecondStep, user.id)
    if kept is None:
        return None
    count = _matching(bytes.fromhex(work.home.vault.open(kept.secret)), code, work.now())
    if count is not None:
        newer = sa.update(SecondStep).where(SecondStep.user_id == user.id, SecondStep.last_count < count)
        return "app" if _changed(work, newer.values(last_count=count)) else None
    one = (RecoveryCode.user_id == user.id, RecoveryCode.code_hash == _hash(work.home, user, code))
    return "recovery_code" if _changed(work, sa.delete(RecoveryCode).where(*one)) else None


def _changed(work: Work, statement: sa.Update | sa.Delete) -> bool:
    result = work.session.execute(statement, execution_options={"synchronize_session": False})
    return bool(result.rowcount)  # type: ignore[attr-defined]


def _forget(work: Work, user: User) -> None:
    for table in (RecoveryCode, SecondStep):
        _changed(work, sa.delete(table).where(table.user_id == user.id))


def _say(work: Work, user: User, *, enabled: bool, reason: Reason | None = None) -> None:
    before = {"mfa_enabled": user.mfa_enabled}
    user.mfa_enabled = enabled
    work.touch(user)
    work.record(
        "user.updated",
        resource_of(user),
        before=before,
        after={"mfa_enabled": enabled},
        reason=reason,
        severity="notice" if enabled else "warning",
    )


def _app(key: bytes) -> TOTP:
    # SHA-1 and six digits are what every app understands (RFC 6238, RFC 4226); nothing here rests on collisions.
    return TOTP(key, 6, SHA1(), _PERIOD)  # noqa: S303


def _matching(key: bytes, code: str, now: datetime) -> int | None:
    """Return the period of a code, the one before or after the present one included (RFC 6238 5.2)."""
    typed = "".join(code.split()).encode()
    present = int(now.timestamp()) // _PERIOD
    for count in (present, present - 1, present + 1):
        if hmac.compare_digest(_app(key).generate(count * _PERIOD), typed):
            return count
    return None


def _hash(home: Installation, user: User, code: str) -> str:
    typed = "".join(code.split()).casefold()
    return hmac.digest(home.secret, f"recovery\n{user.id}\n{typed}".encode(), hashlib.sha256).hex()


def _standing(user: User, origin: auth.Origin) -> str:
    """Return what must not change between the two steps: the browser and the password."""
    text = f"{origin.device}\n{user.password_hash}"
    return hashlib.sha256(text.encode()).hexdigest()


def _offered(work: Work, user: User, sealed: str) -> bytes | None:
    opened = _open(work.home, "offer", sealed, work.now())
    return bytes.fromhex(opened[1]) if opened is not None and opened[0] == user.id else None


def _seal(home: Installation, purpose: str, user_id: str, text: str, until: datetime) -> str:
    return home.vault.seal(json.dumps([purpose, user_id, text, until.timestamp()]))


def _open(home: Installation, purpose: str, sealed: str, now: datetime) -> tuple[str, str] | None:
    """Return whose it is and what it says; None when it is not ours, for something else, or too old."""
    try:
        kind, user_id, text, until = json.loads(home.vault.open(sealed))
    except (InvalidSetting, ValueError):
        return None
    return (user_id, text) if kind == purpose and now.timestamp() < until else None
