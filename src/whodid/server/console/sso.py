"""Signing in to the console at a provider: sending the browser there, and judging what it comes back with.

What comes back must belong to a sign-in that this browser began, a short time ago and only once. Then the provider says
who it is, and the configuration says whether that is an operator.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from msgspec import Struct

from whodid.model import Actor
from whodid.server.answers import Answer, Call, Handler
from whodid.server.console import views
from whodid.server.console.desk import Desk
from whodid.server.console.provider import Identity, Provider, Refused
from whodid.server.console.visits import Console, cookie_for, cookie_of, digest_of
from whodid.server.signing import same
from whodid.server.tokens import PERMISSIONS

__all__ = ["SignOn"]

_LIFE = timedelta(minutes=10)
_MOST_ATTEMPTS = 1_000
_COOKIE = "whodid_attempt"
_LONGEST_CODE = 4_096

_log = logging.getLogger("whodid.server")


class _Attempt(Struct, frozen=True, kw_only=True):
    browser: bytes
    nonce: str
    verifier: str
    until: datetime


class SignOn:
    """The two addresses of single sign-on; safe between threads.

    Args:
        operators: Who may enter: e-mail addresses, and `@example.com` for everybody of a domain.
        url: How browsers reach the server; the provider sends them back there.
        clock: Returns now, UTC.
    """

    def __init__(
        self,
        console: Console,
        desk: Desk,
        provider: Provider,
        *,
        operators: Iterable[str],
        url: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._console = console
        self._desk = desk
        self._provider = provider
        self._operators = frozenset(one.casefold() for one in operators)
        self._redirect_uri = f"{url.rstrip('/')}/console/oidc/return"
        self._clock = clock
        self._lock = threading.Lock()
        self._attempts: dict[bytes, _Attempt] = {}
        self.handlers = (
            Handler("GET", "/console/oidc", self._begin),
            Handler("GET", "/console/oidc/return", self._finish),
        )

    def _begin(self, call: Call) -> Answer:
        state, nonce, verifier, browser = (secrets.token_urlsafe(32) for _ in range(4))
        try:
            address = self._provider.begin(redirect_uri=self._redirect_uri, state=state, nonce=nonce, verifier=verifier)
        except Refused as refused:
            return self._refusal(call, refused, "sso_away")
        now = self._clock()
        attempt = _Attempt(browser=digest_of(browser), nonce=nonce, verifier=verifier, until=now + _LIFE)
        with self._lock:
            self._attempts = {key: one for key, one in self._attempts.items() if one.until > now}
            while len(self._attempts) >= _MOST_ATTEMPTS:
                del self._attempts[next(iter(self._attempts))]
            self._attempts[digest_of(state)] = attempt
        cookie = _cookie(call, browser, int(_LIFE.total_seconds()))
        return Answer(status=303, headers=(("Location", address), ("Cache-Control", "no-store"), cookie))

    def _finish(self, call: Call) -> Answer:
        try:
            identity = self._identity(call)
        except Refused as refused:
            return self._refusal(call, refused, "sso_refused")
        operator = Actor(
            type="user",
            id=f"oidc:{identity.subject}",
            name=identity.name or identity.email,
            email=identity.email,
            role="Operator",
        )
        entered = self._console.begin(call, operator, workspace=None, permissions=PERMISSIONS, operator=True)
        # A redirect from elsewhere would not bring the cookie, which is for our own pages only; a page of ours does.
        page = self._desk.page(call, None, views.signed_in_page)
        return Answer(
            status=page.status,
            body=page.body,
            media_type=page.media_type,
            headers=(*page.headers, entered, _cookie(call, "", 0)),
        )

    def _identity(self, call: Call) -> Identity:
        asked = dict(call.query)
        with self._lock:
            attempt = self._attempts.pop(digest_of(asked.get("state", "")), None)
        now = self._clock()
        if attempt is None or attempt.until <= now:
            raise Refused("state")
        if not same(attempt.browser, digest_of(cookie_of(call, _COOKIE) or "")):
            raise Refused("browser")
        code = asked.get("code", "")
        if not code or len(code) > _LONGEST_CODE:
            raise Refused("code")
        identity = self._provider.finish(
            code=code, redirect_uri=self._redirect_uri, nonce=attempt.nonce, verifier=attempt.verifier, now=now
        )
        domain = f"@{identity.email.rpartition('@')[2]}"
        if identity.email not in self._operators and domain not in self._operators:
            raise Refused("operator")
        return identity

    def _refusal(self, call: Call, refused: Refused, fact: str) -> Answer:
        _log.warning("request %s: sign-in to the console refused: %s", call.request_id, refused.cause)
        return self._desk.trouble(call, None, 403, fact, "sso_again")


def _cookie(call: Call, value: str, seconds: int) -> tuple[str, str]:
    return cookie_for(call, _COOKIE, value, seconds, path=f"{call.base}/console/oidc", site="Lax")
