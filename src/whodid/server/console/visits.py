"""Signing in at the server itself, without a password: codes that work once, and the sessions they begin.

A link carries a code in the fragment of the address, which browsers send to nobody; the page exchanges it by POST for a
session cookie that scripts cannot read, and the session mints the same short viewer tokens that any host mints.
Sessions live in memory: a new start ends them all. Codes are kept in memory, too, or in the store when the command line
made them for a server that runs.
"""

from __future__ import annotations

import hashlib
import http.cookies
import secrets
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from whodid.model import Actor
from whodid.server.answers import Answer, Call, Handler, answer_json
from whodid.server.ordering import read_order
from whodid.server.problems import problem, refusal
from whodid.server.tokens import PERMISSIONS, mint_token

__all__ = ["IDLE", "LIFE", "OPERATOR", "Console", "Visit", "cookie_for", "cookie_of", "digest_of", "from_own_page"]

OPERATOR = Actor(type="user", id="operator", name="Operator", role="Server console")
"""Who reads through the link that the server prints, in the entries that reading leaves behind."""

LIFE = timedelta(hours=8)
"""How long a session lives in any case."""

IDLE = timedelta(hours=1)
"""How long a session lives without use."""

_COOKIE = "whodid_session"
_CODE_LIFE = timedelta(minutes=15)
_MOST_SESSIONS = 100
_MOST_CODES = 1_000


class _Exchange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    code: str


class _Invited(Struct, frozen=True, kw_only=True):
    workspace: str | None
    viewer: Actor
    permissions: tuple[str, ...]
    operator: bool
    until: datetime


class Visit(Struct, kw_only=True):
    """A session.

    Args:
        id: Names it on the page of sessions; opens nothing.
        workspace: The one that it opens; None for an operator who chose none.
        operator: Whether the console is open to it.
        form: What the forms of its pages carry, so that no other page can send them.
        made: Text of a key that was just made, until it was shown.
        said: What the last act did, for the next page to say.
    """

    id: str
    workspace: str | None
    viewer: Actor
    permissions: tuple[str, ...]
    operator: bool
    began: datetime
    used: datetime
    client: str | None
    form: str
    made: str = ""
    said: str = ""

    def alive(self, now: datetime) -> bool:
        """Say whether the session opens anything still."""
        return now < self.began + LIFE and now < self.used + IDLE


_exchange_decoder = msgspec.json.Decoder(_Exchange)


class Console:
    """Codes that were given out and sessions that were begun; safe between threads.

    Args:
        secret: The secret of the application that reads the tokens.
        clock: Returns now, UTC.
        links: Takes a code that the command line left in the store: returns its operator, once.
    """

    def __init__(
        self,
        *,
        secret: bytes,
        clock: Callable[[], datetime],
        links: Callable[[str], Actor | None] = lambda _: None,
    ) -> None:
        self._secret = secret
        self._clock = clock
        self._links = links
        self._lock = threading.Lock()
        self._codes: dict[bytes, _Invited] = {}
        self._visits: dict[bytes, Visit] = {}
        self.handlers = (
            Handler("POST", "/session", self._begin),
            Handler("DELETE", "/session", self._end),
            Handler("POST", "/session/token", self._token),
        )

    def invite(
        self,
        workspace: str | None,
        *,
        viewer: Actor = OPERATOR,
        permissions: tuple[str, ...] = PERMISSIONS,
        operator: bool = False,
    ) -> str:
        """Make a code that opens one session, once, within fifteen minutes.

        Args:
            workspace: The one that the session opens; only an operator needs none.
            viewer: Who will read.
            permissions: What the session may do.
            operator: Whether it opens the console, too, and with it every workspace.
        """
        code = secrets.token_urlsafe(32)
        now = self._clock()
        invited = _Invited(
            workspace=workspace, viewer=viewer, permissions=permissions, operator=operator, until=now + _CODE_LIFE
        )
        with self._lock:
            self._codes = {key: one for key, one in self._codes.items() if one.until > now}
            while len(self._codes) >= _MOST_CODES:
                del self._codes[next(iter(self._codes))]
            self._codes[digest_of(code)] = invited
        return code

    def visit(self, call: Call) -> Visit | None:
        """Return the session of a request, which counts as use of it."""
        key, now = cookie_of(call, _COOKIE), self._clock()
        with self._lock:
            found = self._visits.get(digest_of(key)) if key is not None else None
            if found is None or not found.alive(now):
                return None
            found.used = now
            return found

    def visits(self) -> list[Visit]:
        """Return the sessions that open anything, newest first."""
        now = self._clock()
        with self._lock:
            return [one for one in reversed(self._visits.values()) if one.alive(now)]

    def end(self, visit_id: str) -> bool:
        """End a session by its id; say whether there was one."""
        with self._lock:
            left = {key: one for key, one in self._visits.items() if one.id != visit_id}
            ended, self._visits = len(left) < len(self._visits), left
        return ended

    def begin(
        self, call: Call, viewer: Actor, *, workspace: str | None, permissions: tuple[str, ...], operator: bool
    ) -> tuple[str, str]:
        """Begin a session and return the header that gives it to the browser."""
        now, key = self._clock(), secrets.token_urlsafe(32)
        visit = Visit(
            id=secrets.token_hex(8),
            workspace=workspace,
            viewer=viewer,
            permissions=permissions,
            operator=operator,
            began=now,
            used=now,
            client=call.client,
            form=secrets.token_urlsafe(24),
        )
        with self._lock:
            self._visits = {key: one for key, one in self._visits.items() if one.alive(now)}
            while len(self._visits) >= _MOST_SESSIONS:
                del self._visits[next(iter(self._visits))]
            self._visits[digest_of(key)] = visit
        return _set_cookie(call, key, int(LIFE.total_seconds()))

    def leave(self, call: Call) -> tuple[str, str]:
        """End the session of a request and return the header that takes the cookie back."""
        visit = self.visit(call)
        if visit is not None:
            self.end(visit.id)
        return _set_cookie(call, "", 0)

    def _begin(self, call: Call) -> Answer:
        if not from_own_page(call):
            return problem(403, call.request_id, "The sign-in did not come from this page.", "Open the printed link.")
        exchange = read_order(call, _exchange_decoder)
        if isinstance(exchange, Answer):
            return exchange
        invited = self._taken(exchange.code)
        if invited is None:
            return problem(
                403,
                call.request_id,
                "This sign-in link was used before, or is too old.",
                "Make a new one with: whodid serve --link.",
            )
        cookie = self.begin(
            call,
            invited.viewer,
            workspace=invited.workspace,
            permissions=invited.permissions,
            operator=invited.operator,
        )
        return _answer({"workspace": invited.workspace}, cookie)

    def _taken(self, code: str) -> _Invited | None:
        """Take what a code stands for, which no second exchange finds any more."""
        now = self._clock()
        with self._lock:
            # Looked up by digest: how long that takes says nothing about the codes there are.
            invited = self._codes.pop(digest_of(code), None)
        if invited is not None:
            return invited if invited.until > now else None
        operator = self._links(code)
        if operator is None:
            return None
        return _Invited(workspace=None, viewer=operator, permissions=PERMISSIONS, operator=True, until=now)

    def _end(self, call: Call) -> Answer:
        if not from_own_page(call):
            return problem(403, call.request_id, "The request did not come from this page.")
        return _answer({}, self.leave(call))

    def _token(self, call: Call) -> Answer:
        if not from_own_page(call):
            return problem(403, call.request_id, "The request did not come from this page.")
        visit = self.visit(call)
        if visit is None:
            return refusal(call.request_id)
        wanted = dict(call.query).get("workspace", visit.workspace)
        if wanted is None:
            return problem(400, call.request_id, "No workspace is named.", "Open a log from the console.")
        if wanted != visit.workspace and not visit.operator:
            return problem(403, call.request_id, "This sign-in opens another workspace.")
        token = mint_token(
            self._secret,
            workspace=wanted,
            viewer=visit.viewer,
            permissions=visit.permissions,
            now=self._clock(),
        )
        return Answer(body=token.encode(), media_type="text/plain", headers=(("Cache-Control", "no-store"),))


def from_own_page(call: Call) -> bool:
    """Say whether a request with a cookie was made by our own page.

    SameSite=Strict already keeps the cookie from other sites; this also refuses other origins of the same site, and
    browsers that know neither header send the cookie to nobody else anyway.
    """
    site = call.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = call.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == call.headers.get("host")


def digest_of(text: str) -> bytes:
    """Return what is kept of a secret that a browser holds."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def cookie_of(call: Call, name: str) -> str | None:
    """Return a cookie that a request carries."""
    try:
        found = http.cookies.SimpleCookie(call.headers.get("cookie", "")).get(name)
    except http.cookies.CookieError:
        return None
    return found.value if found else None


def cookie_for(call: Call, name: str, value: str, seconds: int, *, path: str, site: str = "Strict") -> tuple[str, str]:
    """Return the header that leaves a cookie in the browser, where no script reads it.

    Args:
        seconds: Its life; 0 takes it back.
        site: `Strict`, or `Lax` for one that has to come along when another site sends the browser back.
    """
    secure = "; Secure" if call.secure else ""
    return ("Set-Cookie", f"{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite={site}{secure}")


def _set_cookie(call: Call, key: str, seconds: int) -> tuple[str, str]:
    return cookie_for(call, _COOKIE, key, seconds, path=call.base or "/")


def _answer(value: object, cookie: tuple[str, str]) -> Answer:
    return answer_json(value, headers=(("Cache-Control", "no-store"), cookie))
