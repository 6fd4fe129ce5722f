"""The JSON body of a POST becomes a value of its type, or the answer that says why not; and the filters in one."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from whodid.query import Query
from whodid.server.answers import Answer, Call, media_type_of
from whodid.server.bodies import Refused, unpack_body
from whodid.server.problems import problem
from whodid.viewer import FILTERS, asks

__all__ = ["Filters", "read_order"]

_LARGEST = 64 * 1024
_PLACE = re.compile(r" - at `\$((?:\.\w+|\[\d+\])*)`")

_T = TypeVar("_T")


class Filters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The filters of the list.

    Args:
        q: What to find, in the query language.
        since: A date of the query language, the beginning.
        until: The same, the end.
        range: Excludes since and until.
        tz: IANA time zone in which dates are meant; UTC when absent.
    """

    q: str = ""
    since: str | None = None
    until: str | None = None
    range: Literal["7d", "30d", "90d"] | None = None
    tz: str | None = None

    def question(self, *, now: datetime, viewer: str) -> Query:
        """Make one query of them; see `asks.question`."""
        pairs = [(name, getattr(self, name)) for name in ("q", "since", "until", "range", "tz")]
        found = asks.parameters([(name, value) for name, value in pairs if value], *FILTERS)
        return asks.question(found, now=now, viewer=viewer)


def read_order(call: Call, decoder: msgspec.json.Decoder[_T]) -> _T | Answer:
    """Read what a request orders.

    Args:
        decoder: Of the type of the body.

    Returns:
        The value; or a problem: 415 for another media type or encoding, 413 for a body that unpacks to too much, 400
        for one that does not unpack, 422 with a JSON Pointer where the decoder names a place.
    """
    if media_type_of(call.headers.get("content-type", "")) != "application/json":
        return problem(415, call.request_id)
    try:
        return decoder.decode(unpack_body(call.body, call.headers.get("content-encoding", ""), largest=_LARGEST))
    except Refused as refused:
        return problem(refused.status, call.request_id, f"{refused.fact}.", f"{refused.remedy}.")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        text = str(error)
        place = _PLACE.search(text)
        pointer = re.sub(r"[.\[]", "/", place[1]).replace("]", "") if place else ""
        fact = text[: place.start()] if place else text
        return problem(422, call.request_id, f"{fact[:200]}.", pointer=pointer)
