"""The `/v1` routes of legal holds: which there are, what one would keep, placing and releasing; and what they say."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from whodid.canonical import time_text
from whodid.log import Log
from whodid.model import Actor, Reason, Resource
from whodid.retention import Hold, HoldPreview, place_hold, preview_hold, release_hold, standing_holds
from whodid.server.answers import Answer, Call, answer_json
from whodid.server.callers import Caller, Callers, Person
from whodid.server.described import Description, Form, Parameter, Reply
from whodid.server.managing import WORKSPACE_HEADER

__all__ = ["ActedBy", "HoldList", "HoldQuery", "HoldView", "Holds", "NewHold", "Release", "WouldKeep", "acted_by"]

_PLACED = "audit.hold_placed"
_RELEASED = "audit.hold_released"
_HOLD_ID = re.compile(r"hld_[a-z2-7]{16}")

Why = Annotated[str, Meta(min_length=1, max_length=2_000)]
"""A reason as it is sent."""


class HoldQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a hold would be about.

    Args:
        query: In the query language, times in UTC.
    """

    query: Annotated[str, Meta(max_length=2_000)]


class NewHold(HoldQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A hold to be placed.

    Args:
        query: What to keep, in the query language, times in UTC. Relative dates become absolute.
        name: The matter, or the number of the case.
        reason: Why; it is recorded.
        by: Who decided it, where a key orders it; an operator token names its person itself.
    """

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    reason: Why
    by: Person | None = None


class Release(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a hold is released.

    Args:
        reason: It is recorded.
        by: Who decided it, where a key orders it.
    """

    reason: Why
    by: Person | None = None


class ActedBy(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who did it.

    Args:
        on_behalf_of: For whom, where it was a program.
    """

    type: str
    id: str
    name: str | None = None
    on_behalf_of: Person | None = None


class HoldView(Struct, frozen=True, kw_only=True):
    """A legal hold: while it is there, no purge removes what it matches.

    Args:
        query: What it keeps.
        reason: Why it was placed.
    """

    id: str
    name: str
    query: str
    placed_at: datetime
    placed_by: ActedBy
    reason: str


class HoldList(Struct, frozen=True, kw_only=True):
    """The holds of a workspace, oldest first."""

    items: list[HoldView]


class WouldKeep(Struct, frozen=True, kw_only=True):
    """What a hold would keep of what is there now.

    Args:
        query: As it would be kept.
        oldest: When the first of the entries was recorded.
        newest: When the last of them was recorded.
    """

    query: str
    entries: int
    oldest: datetime | None
    newest: datetime | None


_SHOWN: dict[str, Any] = {
    "id": "hld_q4dzx2k7m5ap3wne",
    "name": "Complaint 2026/118",
    "query": "resource:contact:con_7",
    "placed_at": "2026-11-20T14:00:00.000000Z",
    "placed_by": {
        "type": "api_key",
        "id": "wk_7NBEV3W6RQ4X",
        "name": "legal desk (wk_7NBEV3W6RQ4X)",
        "on_behalf_of": {"id": "usr_2", "name": "Aisha Khan"},
    },
    "reason": "Complaint before the authority",
}
_BY = {"id": "usr_2", "name": "Aisha Khan"}
_ID = (Parameter("id", "the id of the hold", str, "hld_q4dzx2k7m5ap3wne"),)

HOLDS = Description(
    name="listHolds",
    area="Managing",
    does="List the legal holds",
    answers="the legal holds of the workspace, oldest first: `items`",
    needs=("admin",),
    headers=WORKSPACE_HEADER,
    replies=(Reply(200, "The holds.", (Form(HoldList, example={"items": [_SHOWN]}),)),),
)
PREVIEW_HOLD = Description(
    name="previewHold",
    area="Managing",
    does="See what a legal hold would keep",
    answers="what a hold would keep now: `query`, `entries`, `oldest`, `newest`; changes nothing",
    needs=("admin",),
    headers=WORKSPACE_HEADER,
    body=(Form(HoldQuery, example={"query": "resource:contact:con_7"}),),
    replies=(
        Reply(
            200,
            "What it would keep.",
            (
                Form(
                    WouldKeep,
                    example={
                        "query": "resource:contact:con_7",
                        "entries": 12,
                        "oldest": "2026-09-01T08:00:00.000000Z",
                        "newest": "2026-11-19T17:20:00.000000Z",
                    },
                ),
            ),
        ),
    ),
    problems=(404,),
)
PLACE_HOLD = Description(
    name="placeHold",
    area="Managing",
    does="Place a legal hold",
    answers="201 and the hold; from then on no purge removes what it matches",
    more="A hold is placed by a person, with a reason: a key says in `by` who decided it. The act is an entry.",
    needs=("admin",),
    headers=WORKSPACE_HEADER,
    body=(
        Form(
            NewHold,
            example={
                "name": "Complaint 2026/118",
                "query": "resource:contact:con_7",
                "reason": "Complaint before the authority",
                "by": _BY,
            },
        ),
    ),
    replies=(Reply(201, "The hold.", (Form(HoldView, example=_SHOWN),)),),
)
RELEASE_HOLD = Description(
    name="releaseHold",
    area="Managing",
    does="Release a legal hold",
    answers="the hold as it was; the next purge may remove what it kept",
    more="By a person, with a reason, like placing it. The act is an entry.",
    needs=("admin",),
    path=_ID,
    headers=WORKSPACE_HEADER,
    body=(Form(Release, example={"reason": "The authority closed the case", "by": _BY}),),
    replies=(Reply(200, "The hold.", (Form(HoldView, example=_SHOWN),)),),
    problems=(404,),
)


class Holds:
    """Routes over one log.

    Args:
        callers: Tells who manages.
    """

    def __init__(self, log: Log, callers: Callers) -> None:
        self._log = log
        self.handlers = (
            callers.without_body("GET", "/v1/holds", self._list, HOLDS),
            callers.with_body("POST", "/v1/holds", NewHold, self._place, PLACE_HOLD, action=_PLACED, about=_named),
            callers.with_body(
                "POST", "/v1/holds/preview", HoldQuery, self._foretell, PREVIEW_HOLD, action=_PLACED, about=_named
            ),
            callers.with_body(
                "POST", "/v1/holds/{id}/release", Release, self._release, RELEASE_HOLD, action=_RELEASED, about=_named
            ),
        )

    def _list(self, call: Call, caller: Caller, found: dict[str, str]) -> Answer:
        return answer_json({"items": [_view(one) for one in standing_holds(self._log, caller.workspace)]})

    def _foretell(self, call: Call, caller: Caller, wish: HoldQuery) -> Answer:
        return answer_json(_kept(preview_hold(self._log, caller.workspace, wish.query)))

    def _place(self, call: Call, caller: Caller, wish: NewHold) -> Answer:
        placed = place_hold(
            self._log,
            caller.workspace,
            name=wish.name,
            query=wish.query,
            actor=caller.named(wish.by),
            reason=Reason(text=wish.reason),
            context=caller.context,
        )
        return answer_json(_view(placed), status=201)

    def _release(self, call: Call, caller: Caller, wish: Release) -> Answer:
        released = release_hold(
            self._log,
            caller.workspace,
            call.path["id"],
            actor=caller.named(wish.by),
            reason=Reason(text=wish.reason),
            context=caller.context,
        )
        return answer_json(_view(released))


def acted_by(actor: Actor) -> ActedBy:
    """Return who did something, for an answer."""
    behalf = actor.on_behalf_of
    person = Person(id=behalf.id, name=behalf.name or behalf.id) if behalf is not None else None
    return ActedBy(type=actor.type, id=actor.id, name=actor.name, on_behalf_of=person)


def _view(hold: Hold) -> dict[str, Any]:
    return {
        "id": hold.id,
        "name": hold.name,
        "query": hold.query,
        "placed_at": time_text(hold.placed_at),
        "placed_by": msgspec.to_builtins(acted_by(hold.placed_by)),
        "reason": hold.reason.text or "",
    }


def _kept(found: HoldPreview) -> dict[str, Any]:
    return {
        "query": found.query,
        "entries": found.entries,
        "oldest": found.oldest and time_text(found.oldest),
        "newest": found.newest and time_text(found.newest),
    }


def _named(call: Call) -> Resource:
    """Return the hold that a request is about; what is not the id of a hold is not repeated."""
    given = call.path.get("id", "")
    known = given if _HOLD_ID.fullmatch(given) else "unplaced"
    return Resource(type="hold", id=known, name=known)
