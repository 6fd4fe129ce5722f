"""What `POST /v1/events` takes and answers: its types and its description."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from whodid.model import Event
from whodid.server.bodies import MOST_EVENTS
from whodid.server.described import PACKED, Description, Form, Parameter, Reply

__all__ = ["SENDING", "EventBatch", "Result", "Results", "Taken"]


class EventBatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Events that are sent together; one that is refused keeps no other out."""

    events: Annotated[list[Event], Meta(max_length=MOST_EVENTS)]


class Taken(Struct, frozen=True, kw_only=True):
    """An event that is in the log.

    Args:
        status: Whether it was recorded now, or was known.
        index: Its place.
    """

    id: str
    status: Literal["recorded", "known"]
    index: int


class Result(Struct, frozen=True, kw_only=True):
    """What became of one event of a batch.

    Args:
        status: Whether it was recorded now, was known, or was refused.
        id: Of the event; absent where it could not be read.
        index: Its place; of a refused one that of the entry that has its id.
        fault: Why it was refused.
        remedy: What to do about it.
        pointer: JSON Pointer to the fault.
    """

    status: Literal["recorded", "known", "refused"]
    id: str | UnsetType = UNSET
    index: int | UnsetType = UNSET
    fault: str | UnsetType = UNSET
    remedy: str | UnsetType = UNSET
    pointer: str | UnsetType = UNSET


class Results(Struct, frozen=True, kw_only=True):
    """What became of each event of a batch, in order."""

    results: list[Result]


_EXAMPLE = {
    "id": "0197c3a2-5f0e-7c11-9d2b-3a1f64c0b7e5",
    "occurred_at": "2026-11-18T14:00:00Z",
    "actor": {"type": "user", "id": "usr_maria", "name": "Maria Torres", "role": "Manager"},
    "action": "contact.deleted",
    "resource": {"type": "contact", "id": "con_juan", "name": "Juan Pérez"},
    "reason": {"code": "request", "text": "Asked to be removed by phone, ticket #2231"},
}
_TAKEN = {"id": _EXAMPLE["id"], "status": "recorded", "index": 17}

SENDING = Description(
    name="sendEvents",
    area="Events",
    does="Send events",
    answers="what became of each event: see [sending events](#sending-events)",
    more="One event, or a batch of at most 1,000. The body has at most 5 MiB and may be packed (`Content-Encoding: "
    "gzip` or `zstd`) if it unpacks to no more than that and to no more than a hundred times its size.\n\nAn event is "
    "acknowledged when it is durable. Its `id` makes sending again harmless: an event is recorded once.",
    needs=("write",),
    headers=(
        PACKED,
        Parameter("X-Whodid-Workspace", "a check: the workspace that the key has to be of"),
    ),
    body=(
        Form(Event, example=_EXAMPLE),
        Form(EventBatch, example={"events": [_EXAMPLE]}),
        Form(None, "application/x-ndjson", msgspec.json.encode(_EXAMPLE).decode() + "\n"),
    ),
    replies=(
        Reply(201, "The one event was recorded.", (Form(Taken, example=_TAKEN),)),
        Reply(
            200,
            "The one event was known; or the batch was taken, with one result per event, in order.",
            (
                Form(Taken, example={**_TAKEN, "status": "known"}),
                Form(
                    Results,
                    example={
                        "results": [
                            _TAKEN,
                            {
                                "status": "refused",
                                "id": "0197c3a2-5f0e-7c11-9d2b-3a1f64c0b7e6",
                                "pointer": "/actor/id",
                                "fault": "It is empty.",
                                "remedy": "Send the id of the actor.",
                            },
                        ]
                    },
                ),
            ),
        ),
    ),
    problems=(409, 429),
)
