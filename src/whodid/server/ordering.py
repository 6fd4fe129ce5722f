"""The JSON body of a POST becomes a value of its type, or the answer that says why not."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from whodid.server.answers import Answer, Call
from whodid.server.bodies import Refused, unpack_body
from whodid.server.problems import problem

__all__ = ["read_order"]

_LARGEST = 64 * 1024
_PLACE = re.compile(r" - at `\$((?:\.\w+|\[\d+\])*)`")

_T = TypeVar("_T")


def read_order(call: Call, decoder: msgspec.json.Decoder[_T]) -> _T | Answer:
    """Read what a request orders.

    Args:
        decoder: Of the type of the body.

    Returns:
        The value; or a problem: 415 for another media type or encoding, 413 for a body that unpacks to too much, 400
        for one that does not unpack, 422 with a JSON Pointer where the decoder names a place.
    """
    if call.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
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
