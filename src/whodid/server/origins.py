"""Which pages of other origins may read the answers: cross-origin sharing, framing, and how answers say so.

There are no cookies in any of it: what opens a log is the token in a header. So an origin is allowed when the
deployment lists it, or when the token that came with the request names it. A browser asks first (the preflight) without
the token; that answer tells nothing, and what counts is the answer to the request itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from whodid.errors import InvalidSetting
from whodid.server.answers import Answer
from whodid.server.tokens import is_origin, origin_of

__all__ = ["Origins", "check_origins"]

_SHARED = ("/v1/", "/static/")
_EXPOSED = "Content-Disposition, ETag, X-Request-Id"
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_ASKED = "authorization, content-type, if-match, if-none-match, idempotency-key, last-event-id, x-whodid-workspace"
_REMEMBERED = "7200"

_Headers = tuple[tuple[str, str], ...]


def check_origins(origins: Iterable[str]) -> tuple[str, ...]:
    """Return origins without repetition, in their order.

    Raises:
        InvalidSetting: One is not scheme, host and port alone, or stands for every origin.
    """
    found = tuple(dict.fromkeys(origins))
    for origin in found:
        if not is_origin(origin):
            raise InvalidSetting(
                f"{origin!r} is not a web origin", "Write scheme, host and port only: https://app.example.com"
            )
    return found


class Origins:
    """The origins that a deployment allows, and those that tokens name.

    Args:
        allowed: Checked as `check_origins` does.
        secret: What viewer tokens are signed with.
    """

    def __init__(self, allowed: Iterable[str], *, secret: bytes) -> None:
        self.allowed = check_origins(allowed)
        self._secret = secret

    def preflight(self, method: str, path: str, headers: Mapping[str, str]) -> Answer | None:
        """Answer the question that a browser asks before a request to another origin; None when it is another one."""
        origin = headers.get("origin", "")
        if method != "OPTIONS" or "access-control-request-method" not in headers or not _shared(path):
            return None
        if not is_origin(origin) or (path.startswith("/static/") and origin not in self.allowed):
            return Answer(status=403, headers=(("Vary", "Origin"),))
        return Answer(
            status=204,
            headers=(
                ("Access-Control-Allow-Origin", origin),
                ("Access-Control-Allow-Methods", _METHODS),
                ("Access-Control-Allow-Headers", _ASKED),
                ("Access-Control-Max-Age", _REMEMBERED),
                ("Vary", "Origin"),
            ),
        )

    def headers(self, path: str, headers: Mapping[str, str]) -> _Headers:
        """Return what an answer says about who else may read it."""
        if not _shared(path):
            return ()
        shared: _Headers = (("Vary", "Origin"),)
        origin = headers.get("origin")
        if origin is not None and (origin in self.allowed or origin == self._named(path, headers)):
            shared += (("Access-Control-Allow-Origin", origin), ("Access-Control-Expose-Headers", _EXPOSED))
        if path.startswith("/static/") and self.allowed:
            # Public files: without this, a page that isolates itself could not load them.
            shared += (("Cross-Origin-Resource-Policy", "cross-origin"),)
        return shared

    def _named(self, path: str, headers: Mapping[str, str]) -> str | None:
        """Return the origin that the token of the request names; an expired token may still learn that it is."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return (
            origin_of(self._secret, token.strip()) if path.startswith("/v1/") and scheme.lower() == "bearer" else None
        )


def _shared(path: str) -> bool:
    return path.startswith(_SHARED)
