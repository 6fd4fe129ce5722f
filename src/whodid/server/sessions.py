"""Who a request comes from: its viewer token or API key becomes a reader of one workspace, or the request ends here.

Every route of the API starts from a `Session`; there is no other way to a reader, and a reader sees one workspace only.
"""

from __future__ import annotations

import hashlib
import threading
from urllib.parse import urlsplit

from msgspec import Struct

from whodid import query
from whodid.errors import ConflictingEvent, Denied, InvalidQuery, StoreFull, StoreUnavailable
from whodid.log import Log
from whodid.model import Context, Event, Resource, Source
from whodid.server.answers import Call, network_context
from whodid.server.gate import Gate, Pace
from whodid.server.meter import Meter
from whodid.server.signing import mac, uuid8
from whodid.server.tokens import LONGEST, Claims, verify_token
from whodid.viewer import PERSONAL, Reader, language

__all__ = ["OtherWorkspace", "Session", "Sessions", "bearer", "context_of"]

_BEARER = "bearer "
_MOST_OPENED = 10_000
_PERMISSIONS = {"read": ("audit:read",), "export": ("audit:export",), "admin": (PERSONAL, "audit:manage")}
"""What a scope of an API key is among the permissions of viewers."""
_SCOPES = {permission: scope for scope, permissions in _PERMISSIONS.items() for permission in permissions}


class OtherWorkspace(Exception):
    """A request names another workspace than the one that its token or key opens."""


class Session(Struct, frozen=True, kw_only=True):
    """One authenticated request."""

    claims: Claims
    reader: Reader

    def require(self, permission: str) -> None:
        """Raise Denied unless the token carries a permission; whoever holds a key is told which scope that is."""
        if self.claims.may(permission):
            return
        if self.claims.viewer.type == "api_key" and permission in _SCOPES:
            raise Denied(permission, f"Use a key with the scope {_SCOPES[permission]}")
        raise Denied(permission)

    def lang(self, wish: str | None, call: Call) -> str:
        """Return the language to answer in: the request's, the token's, the browser's."""
        accepted = call.headers.get("accept-language", "").partition(",")[0].partition(";")[0].strip()
        return language(wish, self.claims.lang, accepted)

    def fingerprint(self) -> bytes:
        """Return a digest of everything in the token that an answer depends on."""
        claims = self.claims
        parts = (claims.workspace, claims.viewer.id, *claims.permissions, "", claims.locked or "", claims.lang or "")
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()

    def fingerprint_of_viewer(self) -> str:
        """Return a digest that names this viewer in this workspace, for what a page remembers, and tells nothing."""
        viewer = self.claims.viewer
        parts = (self.claims.workspace, viewer.type, viewer.id)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Sessions:
    """Opens sessions, and records that a viewer opened the log.

    Args:
        secret: What viewer tokens are signed with.
        gate: Reads API keys; one of its own when not given.
        pace: How fast each key and viewer may read; without a limit when not given.
    """

    def __init__(self, log: Log, *, secret: bytes, gate: Gate | None = None, pace: Pace | None = None) -> None:
        self._log = log
        self._gate = gate or Gate(log, secret=secret)
        self.pace = pace or Pace(0, meter=Meter())
        self._secret = secret
        self._lock = threading.Lock()
        self._opened: dict[bytes, None] = {}

    def open(self, call: Call, *, live: bool = False, named: bool = True) -> Session | None:
        """Return the session of a request, or None when its token does not open anything.

        Args:
            live: Whether it goes on and on with what is newest, for which no replica is asked.
            named: Whether a workspace that the request names has to be the one that is opened.

        Raises:
            OtherWorkspace: The request names another one: it would get an answer to a question that it did not ask.
            TooFast: The key or the viewer reads faster than it may.
        """
        text = bearer(call)
        if text is None:
            return None
        now = self._log.now()
        if text.startswith("wk_"):
            claims = self._claims(text, call)
        else:
            claims = verify_token(self._secret, text, now=now, origin=_foreign(call))
        if claims is None:
            return None
        if named and call.headers.get("x-whodid-workspace", claims.workspace) != claims.workspace:
            raise OtherWorkspace
        self.pace.take(claims.workspace, claims.viewer.type, claims.viewer.id)
        locked = None
        if claims.locked is not None:
            try:
                locked = query.parse(claims.locked, now=now, viewer=claims.viewer.id)
            except InvalidQuery:
                # A filter that means nothing here must not turn into no filter.
                return None
        log = self._log if live else self._log.reading()
        reader = Reader(log, claims.workspace, locked=locked, personal=claims.may(PERSONAL))
        return Session(claims=claims, reader=reader)

    def _claims(self, text: str, call: Call) -> Claims | None:
        """Return what an API key may read, in the words of a viewer token."""
        admitted = self._gate.remembered(text) or self._gate.admit(
            text, route=f"{call.method} /v1", context=context_of(call, "api")
        )
        if admitted is None:
            return None
        key = admitted.key
        permissions = [name for scope, names in _PERMISSIONS.items() if key.may(scope) for name in names]
        at = int(self._log.now().timestamp())
        return Claims(
            jti=key.id,
            workspace=admitted.workspace,
            viewer=key.actor(),
            permissions=tuple(sorted(permissions)),
            issued_at=at,
            expires_at=at + LONGEST,
        )

    def opened(self, session: Session, call: Call) -> None:
        """Record `audit.viewer_opened`: once per viewer and UTC day.

        Tokens follow one another every few minutes while somebody reads, so a session is a viewer's day. The event's id
        is made of both: a second server, or the same one after a restart, makes the same id and adds nothing.

        A store that cannot take the entry now does not keep people from reading; the next request tries again.
        """
        now = self._log.now()
        viewer = session.claims.viewer
        who = f"{session.claims.workspace}\0{viewer.type}\0{viewer.id}\0{now.date().isoformat()}"
        key = mac(self._secret, "whodid viewer opened 1", who.encode("utf-8", "surrogatepass"))[:16]
        with self._lock:
            if key in self._opened:
                return
        event = Event(
            id=uuid8(key),
            occurred_at=now,
            actor=viewer,
            action="audit.viewer_opened",
            resource=Resource(type="log", id=session.claims.workspace),
            context=context_of(call),
        )
        try:
            self._log.record(session.claims.workspace, event)
        except ConflictingEvent:
            # Recorded earlier today, from another address or by another process.
            pass
        except (StoreFull, StoreUnavailable):
            return
        with self._lock:
            while len(self._opened) >= _MOST_OPENED:
                del self._opened[next(iter(self._opened))]
            self._opened[key] = None


def bearer(call: Call) -> str | None:
    """Return the token or key that a request carries (RFC 6750), or None."""
    sent = call.headers.get("authorization", "")
    return sent[len(_BEARER) :].strip() if sent[: len(_BEARER)].lower() == _BEARER else None


def context_of(call: Call, source: Source = "web") -> Context:
    """Return where a request came from, for the entries that reading and exporting leave behind."""
    return network_context(source, call.client, call.headers.get("user-agent", ""), call.request_id)


def _foreign(call: Call) -> str | None:
    """Return the origin of the page that asks, unless it is our own: our frame uses what its parent handed over."""
    origin = call.headers.get("origin")
    return None if origin is not None and urlsplit(origin).netloc == call.headers.get("host") else origin
