"""Errors as answers: one shape for all of them (RFC 9457), with the remedy and the name of the request.

The only place where an error of the family becomes a status. What an unexpected error says stays in the server's own
log; the answer carries the request id that finds it there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from whodid.errors import (
    ConflictingEvent,
    Denied,
    InvalidCatalog,
    InvalidEvent,
    InvalidQuery,
    InvalidSetting,
    NotFound,
    Purged,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreUnavailable,
    StoreVersion,
    WhodidError,
)
from whodid.server.answers import Answer, answer_json

__all__ = ["MEDIA_TYPE", "problem", "problem_of", "refusal"]

MEDIA_TYPE = "application/problem+json"


class _Kind(NamedTuple):
    status: int
    name: str
    title: str


_KINDS: tuple[tuple[type[WhodidError], _Kind], ...] = (
    # First match wins: narrow before wide.
    (InvalidEvent, _Kind(422, "invalid-event", "The event is not valid")),
    (ConflictingEvent, _Kind(409, "conflicting-event", "The event id is taken")),
    (InvalidQuery, _Kind(400, "invalid-query", "The question could not be understood")),
    (InvalidCatalog, _Kind(422, "invalid-catalog", "The declaration is not valid")),
    (InvalidSetting, _Kind(422, "invalid-setting", "The setting cannot be used")),
    (Denied, _Kind(403, "denied", "You may not do this")),
    (Purged, _Kind(410, "purged", "The content was removed by retention")),
    (NotFound, _Kind(404, "not-found", "There is nothing here")),
    (StoreFull, _Kind(507, "store-full", "The store has no space left")),
    (StoreUnavailable, _Kind(503, "store-unavailable", "The store cannot be reached")),
    (StoreCorrupt, _Kind(500, "store-corrupt", "Stored bytes are damaged")),
    (StoreVersion, _Kind(500, "store-version", "The database belongs to another version")),
    (StoreError, _Kind(500, "store-error", "The store failed")),
)

_PLAIN: dict[int, tuple[str, str, str]] = {
    400: ("bad-request", "The request cannot be read", "Send what the reference of this route describes"),
    401: ("unauthorised", "Sign in to read this log", "Send a fresh viewer token as Authorization: Bearer …"),
    403: ("denied", "You may not do this", "Ask an administrator of the workspace"),
    404: ("not-found", "There is nothing here", "Check the address"),
    405: ("method-not-allowed", "This address does not answer to that method", "Use a method that Allow names"),
    408: ("slow-request", "The body of the request did not arrive in time", "Send it again"),
    409: ("not-ready", "This is not ready yet", "Ask again in a moment"),
    410: ("gone", "This was here once", "Start again"),
    413: ("too-large", "The request is too large", "Shorten it"),
    414: ("too-long", "The address is too long", "Shorten the query"),
    415: ("media-type", "The body is not JSON", "Send Content-Type: application/json"),
    416: ("range", "The file has no such part", "Ask for a part of it, or for all of it"),
    422: ("invalid-body", "The body is not what this route takes", "Correct the named place"),
    429: ("too-many", "Too many at once", "Wait a moment and try again"),
    500: ("internal", "The server made a mistake", "Report the request id to whoever runs the server"),
    501: ("not-available", "This server cannot do that", "Ask whoever runs the server"),
    503: ("busy", "The server is busy", "Try again in a moment"),
    507: ("no-room", "There is no room left", "Remove what nobody needs"),
}


def problem(
    status: int,
    request_id: str,
    detail: str | None = None,
    remedy: str | None = None,
    *,
    kind: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    **data: Any,
) -> Answer:
    """Answer with a problem that is not an error of the family.

    Args:
        status: One of the statuses that this server uses.
        detail: The fact; the title of the status when not given.
        remedy: What to do; the usual remedy of the status when not given.
        kind: Name of the problem where programs have to tell it from others of its status.
        data: Further members (`pointer` …).
    """
    name, title, usual = _PLAIN[status]
    text = f"{usual}." if remedy is None else remedy
    return _answer(
        _Kind(status, kind or name, title), request_id, detail or f"{title}.", text, data=data, headers=headers
    )


def refusal(request_id: str) -> Answer:
    """Answer 401: the same for a missing, garbled, forged, expired and foreign token."""
    return problem(401, request_id, headers=(("WWW-Authenticate", 'Bearer realm="whodid"'),))


def problem_of(error: WhodidError, request_id: str) -> Answer:
    """Answer with an error of the family, with the data that it carries."""
    kind = next((kind for family, kind in _KINDS if isinstance(error, family)), None)
    if kind is None:
        return problem(500, request_id)
    data: dict[str, Any] = {}
    match error:
        case InvalidEvent():
            data["pointer"] = error.pointer
        case ConflictingEvent() | Purged():
            data["index"] = error.index
        case InvalidQuery():
            data |= {"start": error.start, "end": error.end}
        case Denied():
            data["permission"] = error.permission
    headers = (("Retry-After", "2"),) if kind.status in {503, 507} else ()
    detail, remedy = f"{error.fact}.", f"{error.remedy}." if error.remedy else ""
    if isinstance(error, StoreError):
        # What a store says names files and machines; it belongs into the server's own log.
        detail, remedy = f"{kind.title}.", _PLAIN[503 if headers else 500][2] + "."
    return _answer(kind, request_id, detail, remedy, data=data, headers=headers)


def _answer(
    kind: _Kind,
    request_id: str,
    detail: str,
    remedy: str,
    *,
    data: dict[str, Any],
    headers: tuple[tuple[str, str], ...],
) -> Answer:
    body = {
        "type": f"urn:whodid:problem:{kind.name}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "remedy": remedy,
        "request_id": request_id,
        **data,
    }
    return answer_json(
        body, status=kind.status, media_type=MEDIA_TYPE, headers=(("Cache-Control", "no-store"), *headers)
    )
