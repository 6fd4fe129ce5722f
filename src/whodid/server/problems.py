"""Errors as answers: one shape for all of them (RFC 9457), with the remedy and the name of the request.

The only place where an error of the family becomes a status. What an unexpected error says stays in the server's own
log; the answer carries the request id that finds it there.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from whodid.errors import (
    ConflictingEvent,
    Denied,
    Held,
    InvalidCatalog,
    InvalidEvent,
    InvalidQuery,
    InvalidRule,
    InvalidSetting,
    NotFound,
    Outdated,
    Purged,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreMoved,
    StoreUnavailable,
    StoreVersion,
    WhodidError,
)
from whodid.server.answers import Answer, answer_json

__all__ = ["MEDIA_TYPE", "Kind", "Problem", "kinds", "problem", "problem_of", "refusal"]

MEDIA_TYPE = "application/problem+json"
_PREFIX = "urn:whodid:problem:"


class Problem(Struct, frozen=True, kw_only=True):
    """Why a request was not done (RFC 9457).

    Args:
        type: What programs tell problems apart by.
        title: The same for people; it does not change from one to the next.
        detail: The fact.
        remedy: What to do about it; empty where there is nothing.
        request_id: The name of the request, also in `X-Request-Id` and in the server's own log.
        pointer: JSON Pointer (RFC 6901) to the fault in the body; empty for the whole.
        start: Where in the query the fault begins, in characters.
        end: Where it ends.
        index: The entry that is concerned.
        permission: What the token or key lacks.
    """

    type: Annotated[str, Meta(extra_json_schema={"format": "uri"})]
    title: str
    status: int
    detail: str
    remedy: str
    request_id: str
    pointer: str | UnsetType = UNSET
    start: int | UnsetType = UNSET
    end: int | UnsetType = UNSET
    index: int | UnsetType = UNSET
    permission: str | UnsetType = UNSET


class Kind(NamedTuple):
    """A kind of problem."""

    status: int
    name: str
    title: str

    @property
    def type(self) -> str:
        """What stands in `type`."""
        return f"{_PREFIX}{self.name}"


_KINDS: tuple[tuple[type[WhodidError], Kind], ...] = (
    # First match wins: narrow before wide.
    (InvalidEvent, Kind(422, "invalid-event", "The event is not valid")),
    (ConflictingEvent, Kind(409, "conflicting-event", "The event id is taken")),
    (InvalidQuery, Kind(400, "invalid-query", "The question could not be understood")),
    (InvalidCatalog, Kind(422, "invalid-catalog", "The declaration is not valid")),
    (InvalidRule, Kind(422, "invalid-rule", "The rule is not valid")),
    (InvalidSetting, Kind(422, "invalid-setting", "The setting cannot be used")),
    (Denied, Kind(403, "denied", "You may not do this")),
    (Held, Kind(409, "held", "A legal hold keeps this")),
    (Outdated, Kind(412, "outdated", "Somebody else changed it")),
    (Purged, Kind(410, "purged", "The content was removed by retention")),
    (NotFound, Kind(404, "not-found", "There is nothing here")),
    (StoreFull, Kind(507, "store-full", "The store has no space left")),
    (StoreMoved, Kind(503, "store-moved", "The log is kept elsewhere")),
    (StoreUnavailable, Kind(503, "store-unavailable", "The store cannot be reached")),
    (StoreCorrupt, Kind(500, "store-corrupt", "Stored bytes are damaged")),
    (StoreVersion, Kind(500, "store-version", "The database belongs to another version")),
    (StoreError, Kind(500, "store-error", "The store failed")),
)

_PLAIN: dict[int, tuple[str, str, str]] = {
    400: ("bad-request", "The request cannot be read", "Send what the reference of this route describes"),
    401: ("unauthorised", "Sign in to read this log", "Send a fresh viewer token as Authorization: Bearer …"),
    403: ("denied", "You may not do this", "Ask an administrator of the workspace"),
    404: ("not-found", "There is nothing here", "Check the address"),
    405: ("method-not-allowed", "This address does not answer to that method", "Use a method that Allow names"),
    408: ("slow-request", "The body of the request did not arrive in time", "Send it again"),
    409: ("conflicting-event", "The event id is taken", "Give every event an id of its own"),
    410: ("gone", "This was here once", "Start again"),
    413: ("too-large", "The request is too large", "Shorten it"),
    414: ("too-long", "The address is too long", "Shorten the query"),
    415: ("media-type", "The body is not JSON", "Send Content-Type: application/json"),
    416: ("range", "The file has no such part", "Ask for a part of it, or for all of it"),
    422: ("invalid-body", "The body is not what this route takes", "Correct the named place"),
    429: ("too-many", "Too many at once", "Wait a moment and try again"),
    500: ("internal", "The server made a mistake", "Report the request id to whoever runs the server"),
    501: ("not-available", "This server cannot do that", "Ask whoever runs the server"),
    502: ("bad-gateway", "Somebody whom this server asks did not answer", "Try again later"),
    503: ("busy", "The server is busy", "Try again in a moment"),
    507: ("no-room", "There is no room left", "Remove what nobody needs"),
}

_FURTHER: dict[str, Kind] = {
    "export-failed": Kind(410, "export-failed", "This export failed"),
    "not-ready": Kind(409, "not-ready", "This is not ready yet"),
    "other-workspace": Kind(403, "other-workspace", "This key belongs to another workspace"),
    "stopping": Kind(503, "stopping", "The server is about to stop"),
}
"""Problems that programs have to tell from others of their status."""


def kinds() -> tuple[Kind, ...]:
    """Return every kind of problem that this server knows, by status."""
    plain = [Kind(status, name, title) for status, (name, title, _) in _PLAIN.items()]
    known = {(kind.status, kind.name): kind for kind in [*plain, *(kind for _, kind in _KINDS), *_FURTHER.values()]}
    return tuple(sorted(known.values()))


def problem(
    status: int,
    request_id: str,
    detail: str | None = None,
    remedy: str | None = None,
    *,
    kind: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    pointer: str | UnsetType = UNSET,
    permission: str | UnsetType = UNSET,
) -> Answer:
    """Answer with a problem that is not an error of the family.

    Args:
        status: One of the statuses that this server uses.
        detail: The fact; the title of the status when not given.
        remedy: What to do; the usual remedy of the status when not given.
        kind: Name of the problem where programs have to tell it from others of its status.
        pointer: Where the fault is in the body.
        permission: What is lacking.
    """
    name, title, usual = _PLAIN[status]
    of = Kind(status, name, title) if kind is None else _FURTHER[kind]
    text = f"{usual}." if remedy is None else remedy
    told = _told(of, request_id, detail or f"{of.title}.", text)
    return _answer(msgspec.structs.replace(told, pointer=pointer, permission=permission), headers)


def refusal(request_id: str) -> Answer:
    """Answer 401: the same for a missing, garbled, forged, expired and foreign token."""
    return problem(401, request_id, headers=(("WWW-Authenticate", 'Bearer realm="whodid"'),))


def leaving(request_id: str) -> Answer:
    """Answer 503: the server is asked to stop, and takes nothing in any more."""
    return problem(
        503,
        request_id,
        "The server is about to stop; nothing was taken in.",
        "Send it again: another server, or this one after its restart, will take it.",
        kind="stopping",
        headers=(("Retry-After", "2"),),
    )


def problem_of(error: WhodidError, request_id: str) -> Answer:
    """Answer with an error of the family, with the data that it carries."""
    kind = next((kind for family, kind in _KINDS if isinstance(error, family)), None)
    if kind is None:
        return problem(500, request_id)
    headers = (("Retry-After", "2"),) if kind.status in {503, 507} else ()
    if isinstance(error, StoreError):
        # What a store says names files and machines; it belongs into the server's own log.
        remedy = _PLAIN[503 if headers else 500][2]
        return _answer(_told(kind, request_id, f"{kind.title}.", f"{remedy}."), headers)
    told = _told(kind, request_id, f"{error.fact}.", f"{error.remedy}." if error.remedy else "")
    match error:
        case InvalidEvent():
            told = msgspec.structs.replace(told, pointer=error.pointer)
        case ConflictingEvent() | Purged():
            told = msgspec.structs.replace(told, index=error.index)
        case InvalidQuery():
            told = msgspec.structs.replace(told, start=error.start, end=error.end)
        case Denied():
            told = msgspec.structs.replace(told, permission=error.permission)
    return _answer(told, headers)


def _told(kind: Kind, request_id: str, detail: str, remedy: str) -> Problem:
    return Problem(
        type=kind.type, title=kind.title, status=kind.status, detail=detail, remedy=remedy, request_id=request_id
    )


def _answer(told: Problem, headers: tuple[tuple[str, str], ...]) -> Answer:
    return answer_json(
        told, status=told.status, media_type=MEDIA_TYPE, headers=(("Cache-Control", "no-store"), *headers)
    )
