"""Signing in at a provider: sending the browser there, and judging what it comes back with.

What comes back must belong to a sign-in that this browser began, at this provider, a short time ago and only once.
Whom the provider means is remembered by its own name of the person, so that an address that changes hands opens
nothing; and only addresses of the connection's domains open anything at all.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from sendero import github, oidc
from sendero.errors import Invalid
from sendero.installation import Installation
from sendero.oidc import Fault, Identity
from sendero.service import auth, sso_rules, throttle, users
from sendero.tables import SsoAttempt, SsoConnection, SsoIdentity, User
from sendero.work import Work, begin
from whodid import Actor

__all__ = ["LIFE", "Returned", "finish", "start"]

LIFE = timedelta(minutes=10)


class Returned(Struct, frozen=True, kw_only=True):
    """What a browser comes back with from a provider.

    Args:
        query: What stands in the address.
        redirect_uri: The address itself.
    """

    query: Mapping[str, str]
    redirect_uri: str
    origin: auth.Origin


class _Refusal(Exception):
    """The sign-in is refused.

    Args:
        cause: As the entry says it.
        text: What the person is told.
        check: Which check of the provider's answer failed.
    """

    def __init__(self, cause: str, text: str, *, check: str = "", user: User | None = None, email: str = "") -> None:
        self.cause = cause
        self.text = text
        self.check = check
        self.user_id = None if user is None else user.id
        self.email = email
        super().__init__(cause)


def start(work: Work, connection: SsoConnection, origin: auth.Origin, redirect_uri: str, next_: str) -> str:
    """Begin a sign-in, and return the address to send the browser to.

    Raises:
        Invalid: The provider does not answer.
    """
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    wish = {"client_id": connection.client_id, "redirect_uri": redirect_uri, "state": state, "verifier": verifier}
    try:
        address = (
            github.request(**wish)
            if connection.provider == "github"
            else oidc.request(oidc.discover(work.home.fetch, connection.issuer), nonce=nonce, **wish)
        )
    except Fault:
        raise Invalid({"sso": "The provider does not answer. Try again in a moment."}) from None
    now = work.now()
    work.session.execute(sa.delete(SsoAttempt).where(SsoAttempt.expires_at < now))
    work.add(
        SsoAttempt(
            state_hash=_hash(state),
            connection_id=connection.id,
            nonce=nonce,
            verifier=verifier,
            device=_device(work.home, origin),
            next=next_,
            expires_at=now + LIFE,
        )
    )
    return address


def finish(home: Installation, key: str, returned: Returned) -> tuple[auth.SignedIn, str]:
    """Judge what a browser came back with, and sign the person in.

    Args:
        key: The connection that the address names.

    Returns:
        The session, and where the person wanted to go.

    Raises:
        Invalid: The sign-in is refused; it is recorded.
    """
    with begin(home) as work:
        attempt = _taken(work, returned.query.get("state", ""))
        connection = None if attempt is None else _living(work, attempt.connection_id)
    try:
        if attempt is None or connection is None or connection.id != key:
            raise _Refusal("sso_state", "This sign-in was not begun here, or too long ago. Begin again.")
        _match(home, attempt, connection, returned)
        identity = _identity(home, attempt, connection, returned)
        with begin(home) as work:
            signed = _enter(work, connection, identity, returned.origin)
    except _Refusal as refusal:
        _record(home, key, connection, refusal, returned.origin)
        raise Invalid({"sso": refusal.text}) from None
    return signed, attempt.next


def _taken(work: Work, state: str) -> SsoAttempt | None:
    """Take the sign-in of a state, which no second answer finds any more."""
    attempt = work.session.get(SsoAttempt, _hash(state))
    if attempt is None:
        return None
    gone = sa.delete(SsoAttempt).where(SsoAttempt.state_hash == attempt.state_hash).returning(SsoAttempt.state_hash)
    found = work.session.execute(gone, execution_options={"synchronize_session": False}).scalar_one_or_none()
    work.session.expunge(attempt)
    return attempt if found is not None and attempt.expires_at > work.now() else None


def _match(home: Installation, attempt: SsoAttempt, connection: SsoConnection, returned: Returned) -> None:
    query = returned.query
    if not hmac.compare_digest(attempt.device, _device(home, returned.origin)):
        raise _Refusal("sso_state", "This sign-in was begun in another browser. Begin again.", check="browser")
    if query.get("iss", connection.issuer) != connection.issuer:
        # An answer of one provider, brought to the address of another one.
        raise _Refusal("sso_invalid", "The provider's answer cannot be trusted. Begin again.", check="issuer")
    if "error" in query or not query.get("code"):
        raise _Refusal("sso_denied", "The provider did not let you in.", check=query.get("error", "")[:60])


def _identity(home: Installation, attempt: SsoAttempt, connection: SsoConnection, returned: Returned) -> Identity:
    """Ask the provider who it is; no transaction is open meanwhile."""
    redeemed: dict[str, Any] = {
        "client_id": connection.client_id,
        "secret": home.vault.open(connection.client_secret),
        "code": returned.query["code"],
        "redirect_uri": returned.redirect_uri,
        "verifier": attempt.verifier,
    }
    try:
        if connection.provider == "github":
            return github.identity(home.fetch, **redeemed, domains=connection.domains)
        provider = oidc.discover(home.fetch, connection.issuer)
        if provider.authorization_response_iss_parameter_supported and "iss" not in returned.query:
            raise Fault("issuer")
        return oidc.identity(
            home.fetch,
            provider,
            oidc.exchange(home.fetch, provider, **redeemed),
            client_id=connection.client_id,
            nonce=attempt.nonce,
            now=home.clock(),
            by_login=connection.provider == "microsoft",
        )
    except Fault as fault:
        if fault.check == "email":
            text = "The provider names no address of yours that was verified. Ask your administrator."
        elif fault.check == "provider":
            text = "The provider does not answer. Try again in a moment."
        else:
            text = "The provider's answer cannot be trusted. Begin again."
        raise _Refusal("sso_invalid", text, check=fault.check) from None


def _enter(work: Work, connection: SsoConnection, identity: Identity, origin: auth.Origin) -> auth.SignedIn:
    """Find or create the person, and begin a session.

    Raises:
        _Refusal: They are nobody here, or not the one whom the provider meant before.
    """
    subject = subject_hash(work.home, connection, identity.subject)
    if sso_rules.domain_of(identity.email) not in connection.domains:
        text = "This address does not belong to your company's domains. Choose another account at the provider."
        raise _Refusal("sso_mismatch", text, check="domain", email=identity.email)
    known = work.session.get(SsoIdentity, (connection.id, subject))
    if known is not None:
        user: User | None = work.get(User, known.user_id)
    else:
        query = sa.select(User).where(User.email == identity.email, User.workspace_id == work.workspace.id)
        user = work.session.execute(query).scalar_one_or_none()
        if user is not None and _has_other(work, connection, user):
            text = "This address belonged to somebody else at the provider before. Ask your administrator."
            raise _Refusal("sso_mismatch", text, check="subject", user=user)
    if sso_rules.is_exempt(user):
        # Whoever may set up a provider must not become an owner with it.
        text = "Owners sign in with their password: single sign-on can be changed by others."
        raise _Refusal("sso_mismatch", text, check="owner", user=user)
    provisioned = user is None and connection.auto_provision
    if user is None:
        if not provisioned:
            text = "Nobody here has this address. Ask your administrator for an invitation."
            raise _Refusal("unknown_user", text, email=identity.email)
        user = _provision(work, connection, identity)
    if user.status not in auth.LIVING:
        raise _Refusal("deactivated", "You cannot sign in here any more. Ask your administrator.", user=user)
    if known is None:
        work.add(SsoIdentity(connection_id=connection.id, subject_hash=subject, user_id=user.id, created_at=work.now()))
    before = None
    if user.status == "invited":
        # The provider vouches for them: there is no first password to replace.
        before = {"status": user.status}
        user.status = "active"
        work.touch(user)
    more = {"provider": connection.name, "subject_hash": subject, "auto_provisioned": provisioned}
    return auth.open_session(work, user, "sso", origin, more=more, before=before)


def subject_hash(home: Installation, connection: SsoConnection, subject: str) -> str:
    """Return what stands for the provider's own name of a person."""
    return hmac.digest(home.secret, f"subject\n{connection.id}\n{subject}".encode(), hashlib.sha256).hex()[:32]


def _provision(work: Work, connection: SsoConnection, identity: Identity) -> User:
    name = identity.name.strip()[:100] or identity.email.partition("@")[0]
    actor = Actor(type="system", id=connection.id, name=connection.name)
    with work.acting(actor=actor, source="sso"):
        return users.invite(
            work, None, {"name": name, "email": identity.email}, connection.default_role, provider=connection.provider
        )


def _has_other(work: Work, connection: SsoConnection, user: User) -> bool:
    query = sa.exists().where(SsoIdentity.connection_id == connection.id, SsoIdentity.user_id == user.id)
    return bool(work.session.execute(sa.select(query)).scalar())


def _living(work: Work, key: str) -> SsoConnection | None:
    connection = work.session.get(SsoConnection, key)
    return connection if connection is not None and connection.deleted_at is None else None


def _record(
    home: Installation, key: str, connection: SsoConnection | None, refusal: _Refusal, origin: auth.Origin
) -> None:
    """Record a refusal; of many from one address only some, like those of passwords."""
    with begin(home) as work:
        counter = throttle.purpose_key(home.secret, "sso", f"{key}:{origin.ip}")
        counted = throttle.count(work.session, home.secret, counter, origin.ip, work.now())
        workspace = work.workspace
        user = None if refusal.user_id is None else work.get(User, refusal.user_id)
    if not counted.noted:
        return
    more = {"provider": connection.name} if connection is not None else {}
    if refusal.check:
        more["check"] = refusal.check
    who = refusal.email or "sso"
    auth.refuse(home, workspace, who, user=user, cause=refusal.cause, counted=counted, origin=origin, more=more)


def _device(home: Installation, origin: auth.Origin) -> str:
    return hmac.digest(home.secret, b"sso\n" + origin.device.encode(), hashlib.sha256).hex()


def _hash(state: str) -> str:
    return hashlib.sha256(b"state\n" + state.encode()).hexdigest()
