"""Signing in to the page that `whodid serve` shows, without a password.

The program prints a link with a code that works once. The code travels in the fragment of the address, which browsers
send to nobody; the page exchanges it by POST for a session cookie that scripts cannot read, and the session mints the
same short viewer tokens that any host mints. Nothing is kept on disk: a new start makes a new link.
"""

from __future__ import annotations

import hashlib
import http.cookies
import secrets
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from whodid.model import Actor
from whodid.server.answers import Answer, Call, Handler, answer_json
from whodid.server.problems import problem, refusal
from whodid.server.tokens import PERMISSIONS, mint_token

__all__ = ["OPERATOR", "Console"]

OPERATOR = Actor(type="user", id="operator", name="Operator", role="Server console")
"""Who reads through a sign-in link, in the entries that reading leaves behind."""

_COOKIE = "whodid_session"
_CODE_LIFE = timedelta(minutes=15)
_SESSION_LIFE = timedelta(hours=12)
_MOST_SESSIONS = 100
_MOST_CODES = 1_000


class _Exchange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    code: str


class _Session(NamedTuple):
    workspace: str
    until: datetime
    viewer: Actor
    permissions: tuple[str, ...]


_decode_exchange = msgspec.json.Decoder(_Exchange).decode


class Console:
    """Codes that were printed and sessions that were begun, in memory; safe between threads.

    Args:
        secret: The secret of the application that reads the tokens.
        clock: Returns now, UTC.
    """

    def __init__(self, *, secret: bytes, clock: Callable[[], datetime]) -> None:
        self._secret = secret
        self._clock = clock
        self._lock = threading.Lock()
        self._codes: dict[bytes, _Session] = {}
        self._sessions: dict[bytes, _Session] = {}
        self.handlers = (
            Handler("POST", "/session", self._begin),
            Handler("DELETE", "/session", self._end),
            Handler("POST", "/session/token", self._token),
        )

    def invite(self, workspace: str, *, viewer: Actor = OPERATOR, permissions: tuple[str, ...] = PERMISSIONS) -> str:
        """Make a code that opens one session on one workspace, once, within fifteen minutes.

        Args:
            viewer: Who will read.
            permissions: What the session may do.
        """
        code = secrets.token_urlsafe(32)
        now = self._clock()
        with self._lock:
            self._codes = {key: one for key, one in self._codes.items() if one.until > now}
            while len(self._codes) >= _MOST_CODES:
                del self._codes[next(iter(self._codes))]
            self._codes[_digest(code)] = _Session(workspace, now + _CODE_LIFE, viewer, permissions)
        return code

    def _begin(self, call: Call) -> Answer:
        if not _from_own_page(call):
            return problem(403, call.request_id, "The sign-in did not come from this page.", "Open the printed link.")
        if call.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return problem(415, call.request_id)
        try:
            code = _decode_exchange(call.body).code
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return problem(422, call.request_id, 'The body is not {"code": "…"}.')
        now = self._clock()
        with self._lock:
            # Looked up by digest: how long that takes says nothing about the codes there are.
            invited = self._codes.pop(_digest(code), None)
            if invited is None or invited.until <= now:
                return problem(
                    403,
                    call.request_id,
                    "This sign-in link was used before, or is too old.",
                    "Start the server again; it prints a new one.",
                )
            self._sessions = {key: one for key, one in self._sessions.items() if one.until > now}
            while len(self._sessions) >= _MOST_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
            key = secrets.token_urlsafe(32)
            self._sessions[_digest(key)] = invited._replace(until=now + _SESSION_LIFE)
        return _answer({"workspace": invited.workspace}, call, key, int(_SESSION_LIFE.total_seconds()))

    def _end(self, call: Call) -> Answer:
        if not _from_own_page(call):
            return problem(403, call.request_id, "The request did not come from this page.")
        key = _cookie(call)
        if key is not None:
            with self._lock:
                self._sessions.pop(_digest(key), None)
        return _answer({}, call, "", 0)

    def _token(self, call: Call) -> Answer:
        if not _from_own_page(call):
            return problem(403, call.request_id, "The request did not come from this page.")
        key, now = _cookie(call), self._clock()
        with self._lock:
            session = self._sessions.get(_digest(key)) if key is not None else None
        if session is None or session.until <= now:
            return refusal(call.request_id)
        token = mint_token(
            self._secret,
            workspace=session.workspace,
            viewer=session.viewer,
            permissions=session.permissions,
            now=now,
        )
        return Answer(body=token.encode(), media_type="text/plain", headers=(("Cache-Control", "no-store"),))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _cookie(call: Call) -> str | None:
    try:
        found = http.cookies.SimpleCookie(call.headers.get("cookie", "")).get(_COOKIE)
    except http.cookies.CookieError:
        return None
    return found.value if found else None


def _answer(value: object, call: Call, key: str, seconds: int) -> Answer:
    path = call.base or "/"
    secure = "; Secure" if call.secure else ""
    cookie = f"{_COOKIE}={key}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    return answer_json(value, headers=(("Cache-Control", "no-store"), ("Set-Cookie", cookie)))


def _from_own_page(call: Call) -> bool:
    """Say whether a request with a cookie was made by our own page.

    SameSite=Strict already keeps the cookie from other sites; this also refuses other origins of the same site, and
    browsers that know neither header send the cookie to nobody else anyway.
    """
    site = call.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = call.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == call.headers.get("host")
