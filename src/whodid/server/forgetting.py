"""The `/v1` routes of erasure: which persons were erased, what erasing one would take, erasing; and what they say."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from whodid.canonical import time_text
from whodid.log import Log
from whodid.model import Reason
from whodid.retention import Erased, ErasurePreview, erase_person, preview_erasure, read_erasures
from whodid.server.answers import Answer, Call, answer_json
from whodid.server.callers import Caller, Callers, Person
from whodid.server.described import Description, Form, Reply
from whodid.server.holding import ActedBy, Why, acted_by
from whodid.server.managing import WORKSPACE_HEADER

__all__ = [
    "Erasure",
    "ErasureDone",
    "ErasureList",
    "ErasureWanted",
    "Erasures",
    "HoldNamed",
    "MentionView",
    "PersonMeant",
    "WouldErase",
]

_RECORD = "audit.erased"
_MOST_MENTIONS = 1_000
"""How many mentions a preview lists; it counts all of them."""

_Text = Annotated[str, Meta(min_length=3, max_length=300)]


class PersonMeant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom an erasure would be about.

    Args:
        person: Type and id, such as `contact:con_7` or `user:usr_1`.
    """

    person: _Text


class ErasureWanted(PersonMeant, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to erase.

    Args:
        person: Type and id, such as `contact:con_7` or `user:usr_1`.
        reason: On which request; it is recorded, and must not name the person.
        mentions: Whether what others wrote about the person goes as well, as the preview lists it. Later it cannot be
            found any more: the names that it is found by are gone then.
        despite_holds: Whether to erase what a legal hold keeps; the records then name the holds.
        by: Who decided it, where a key orders it; an operator token names its person itself.
    """

    reason: Why
    mentions: bool = False
    despite_holds: bool = False
    by: Person | None = None


class MentionView(Struct, frozen=True, kw_only=True):
    """A field that tells of the person in an entry that is not about the person.

    Args:
        index: Of the entry.
        path: Of the field.
    """

    index: int
    path: str


class HoldNamed(Struct, frozen=True, kw_only=True):
    """A legal hold that stands in the way."""

    id: str
    name: str


class WouldErase(Struct, frozen=True, kw_only=True):
    """What an erasure would do now.

    Args:
        entries: Entries that would lose fields.
        fields: Fields that they would lose.
        mentioned: How many fields of other entries tell of the person.
        mentions: The first thousand of them.
        held: Legal holds that keep some of the entries.
        elsewhere: Places besides the log that would be emptied of the person, by kind.
        beyond: What an erasure does not reach.
    """

    person: str
    entries: int
    fields: int
    mentioned: int
    mentions: list[MentionView]
    held: list[HoldNamed]
    elsewhere: list[str]
    beyond: list[str]


class ErasureDone(Struct, frozen=True, kw_only=True):
    """What an erasure did.

    Args:
        entries: Entries that lost fields.
        fields: Fields that they lost.
        records: Indexes of the entries about it.
        elsewhere: How many things were removed from other places, by kind.
        beyond: What it did not reach.
    """

    person: str
    entries: int
    fields: int
    records: list[int]
    elsewhere: dict[str, int]
    beyond: list[str]


class Erasure(Struct, frozen=True, kw_only=True):
    """An erasure of a person.

    Args:
        id: What its records have in common.
        person: Type and id.
        reason: On which request.
        entries: How many entries lost fields.
        fields: How many fields they lost.
        records: Indexes of the entries about it.
        elsewhere: How many things were removed from other places, by kind.
    """

    id: str
    person: str
    at: datetime
    actor: ActedBy
    reason: str
    entries: int
    fields: int
    records: list[int]
    elsewhere: dict[str, int]


class ErasureList(Struct, frozen=True, kw_only=True):
    """The erasures of a workspace, oldest first, as far as their records are kept."""

    items: list[Erasure]


_BEYOND = ["backups", "downloads", "sinks"]
_DONE: dict[str, Any] = {
    "person": "contact:con_7",
    "entries": 12,
    "fields": 31,
    "records": [8191, 8192],
    "elsewhere": {"exports": 2},
    "beyond": _BEYOND,
}

ERASURES = Description(
    name="listErasures",
    area="Managing",
    does="List the erasures of persons",
    answers="the erasures of the workspace, oldest first: `items`; none of the values",
    needs=("admin",),
    headers=WORKSPACE_HEADER,
    replies=(
        Reply(
            200,
            "The erasures.",
            (
                Form(
                    ErasureList,
                    example={
                        "items": [
                            {
                                "id": "019a1234-5678-7abc-8def-0123456789ab",
                                "person": "contact:con_7",
                                "at": "2026-11-20T14:00:00.000000Z",
                                "actor": {"type": "user", "id": "usr_2", "name": "Aisha Khan"},
                                "reason": "Request of 12 November, ticket 2231",
                                "entries": 12,
                                "fields": 31,
                                "records": [8191, 8192],
                                "elsewhere": {"exports": 2},
                            }
                        ]
                    },
                ),
            ),
        ),
    ),
    problems=(404,),
)
PREVIEW_ERASURE = Description(
    name="previewErasure",
    area="Managing",
    does="See what erasing a person would take",
    answers="what would go: `entries`, `fields`, `mentioned`, `mentions`, `held`, `elsewhere`, `beyond`",
    needs=("admin",),
    headers=WORKSPACE_HEADER,
    body=(Form(PersonMeant, example={"person": "contact:con_7"}),),
    replies=(
        Reply(
            200,
            "What would go.",
            (
                Form(
                    WouldErase,
                    example={
                        "person": "contact:con_7",
                        "entries": 12,
                        "fields": 31,
                        "mentioned": 1,
                        "mentions": [{"index": 731, "path": "reason"}],
                        "held": [{"id": "hld_q4dzx2k7m5ap3wne", "name": "Complaint 2026/118"}],
                        "elsewhere": ["exports"],
                        "beyond": _BEYOND,
                    },
                ),
            ),
        ),
    ),
    problems=(404,),
)
ERASE = Description(
    name="erasePerson",
    area="Managing",
    does="Erase a person",
    answers="what went: `entries`, `fields`, `records`, `elsewhere`, `beyond`",
    more=(
        "Values go for good, from the files of the store as well, which may take as long as copying them; entries, ids "
        "and every proof stay. A person decides it, with a reason: a key says in `by` who. Each step is an entry. What "
        "is erased already is skipped, so it may be sent again."
    ),
    needs=("admin",),
    headers=WORKSPACE_HEADER,
    body=(
        Form(
            ErasureWanted,
            example={
                "person": "contact:con_7",
                "reason": "Request of 12 November, ticket 2231",
                "mentions": True,
                "by": {"id": "usr_2", "name": "Aisha Khan"},
            },
        ),
    ),
    replies=(Reply(200, "What went.", (Form(ErasureDone, example=_DONE),)),),
    problems=(404, 409),
)


class Erasures:
    """Routes over one log.

    Args:
        callers: Tells who manages.
    """

    def __init__(self, log: Log, callers: Callers) -> None:
        self._log = log
        self.handlers = (
            callers.without_body("GET", "/v1/erasures", self._list, ERASURES),
            callers.with_body("POST", "/v1/erasures", ErasureWanted, self._erase, ERASE, action=_RECORD),
            callers.with_body(
                "POST", "/v1/erasures/preview", PersonMeant, self._foretell, PREVIEW_ERASURE, action=_RECORD
            ),
        )

    def _list(self, call: Call, caller: Caller, found: dict[str, str]) -> Answer:
        return answer_json({"items": [_view(one) for one in read_erasures(self._log, caller.workspace)]})

    def _foretell(self, call: Call, caller: Caller, wish: PersonMeant) -> Answer:
        return answer_json(_foretold(wish.person, preview_erasure(self._log, caller.workspace, wish.person)))

    def _erase(self, call: Call, caller: Caller, wish: ErasureWanted) -> Answer:
        actor = caller.named(wish.by)
        found = preview_erasure(self._log, caller.workspace, wish.person) if wish.mentions else None
        done = erase_person(
            self._log,
            caller.workspace,
            wish.person,
            actor=actor,
            reason=Reason(text=wish.reason),
            context=caller.context,
            mentions=found.mentions if found is not None else (),
            despite_holds=wish.despite_holds,
        )
        return answer_json({"person": wish.person, **msgspec.to_builtins(done)})


def _foretold(person: str, found: ErasurePreview) -> dict[str, Any]:
    return {
        "person": person,
        "entries": found.entries,
        "fields": found.fields,
        "mentioned": len(found.mentions),
        "mentions": msgspec.to_builtins(found.mentions[:_MOST_MENTIONS]),
        "held": [{"id": hold.id, "name": hold.name} for hold in found.held],
        "elsewhere": list(found.elsewhere),
        "beyond": list(found.beyond),
    }


def _view(one: Erased) -> dict[str, Any]:
    return {
        "id": one.erasure,
        "person": one.person,
        "at": time_text(one.at),
        "actor": msgspec.to_builtins(acted_by(one.actor)),
        "reason": one.reason,
        "entries": one.entries,
        "fields": one.fields,
        "records": list(one.records),
        "elsewhere": one.elsewhere,
    }
