"""Who a request comes from: the viewer token becomes a reader bound to one workspace, or the request ends here.

Every route of the API starts from a `Session`; there is no other way to a reader, and a reader sees one workspace only.
"""

from __future__ import annotations

import hashlib
import ipaddress
import threading
from urllib.parse import urlsplit
from uuid import UUID

from msgspec import Struct

from whodid import query
from whodid.errors import ConflictingEvent, Denied, InvalidQuery, StoreFull, StoreUnavailable
from whodid.log import Log
from whodid.model import Context, Event, Resource
from whodid.server.answers import Call
from whodid.server.signing import mac
from whodid.server.tokens import Claims, verify_token
from whodid.viewer import PERSONAL, Reader, language

__all__ = ["Session", "Sessions", "context_of"]

_BEARER = "bearer "
_MOST_OPENED = 10_000
_AGENT = 500


class Session(Struct, frozen=True, kw_only=True):
    """One authenticated request."""

    claims: Claims
    reader: Reader

    def require(self, permission: str) -> None:
        """Raise Denied unless the token carries a permission."""
        if not self.claims.may(permission):
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


class Sessions:
    """Opens sessions, and records that a viewer opened the log.

    Args:
        secret: What viewer tokens are signed with.
    """

    def __init__(self, log: Log, *, secret: bytes) -> None:
        self._log = log
        self._secret = secret
        self._lock = threading.Lock()
        self._opened: dict[bytes, None] = {}

    def open(self, call: Call) -> Session | None:
        """Return the session of a request, or None when its token does not open anything."""
        sent = call.headers.get("authorization", "")
        if sent[: len(_BEARER)].lower() != _BEARER:
            return None
        now = self._log.now()
        claims = verify_token(self._secret, sent[len(_BEARER) :].strip(), now=now, origin=_foreign(call))
        if claims is None:
            return None
        locked = None
        if claims.locked is not None:
            try:
                locked = query.parse(claims.locked, now=now, viewer=claims.viewer.id)
            except InvalidQuery:
                # A filter that means nothing here must not turn into no filter.
                return None
        reader = Reader(self._log, claims.workspace, locked=locked, personal=claims.may(PERSONAL))
        return Session(claims=claims, reader=reader)

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
            id=_uuid8(key),
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


def context_of(call: Call) -> Context:
    """Return where a request came from, for the entries that reading and exporting leave behind."""
    agent = _printable(call.headers.get("user-agent", ""))[:_AGENT]
    return Context(source="web", ip=_address(call.client), user_agent=agent or None, request=call.request_id)


def _foreign(call: Call) -> str | None:
    """Return the origin of the page that asks, unless it is our own: our frame uses what its parent handed over."""
    origin = call.headers.get("origin")
    return None if origin is not None and urlsplit(origin).netloc == call.headers.get("host") else origin


def _address(text: str | None) -> str | None:
    """Return an IP address as text, or None: a test or a socket in a file system has other names."""
    try:
        return str(ipaddress.ip_address(text or ""))
    except ValueError:
        return None


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())


def _uuid8(digest: bytes) -> str:
    """Make a version 8 UUID (RFC 9562 section 5.8) of 16 bytes."""
    value = int.from_bytes(digest[:16], "big")
    value = value & ~(0xF << 76) | 8 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return str(UUID(int=value))
