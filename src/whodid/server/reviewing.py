"""What the routes of reviews take and answer: the types, and their descriptions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from whodid.detect import Level
from whodid.review import LONGEST_COMMENT, RULE, Why
from whodid.server.acting import MANAGE
from whodid.server.alerting import Who
from whodid.server.described import LANG, Description, Form, Parameter, Reply
from whodid.viewer.shapes import Row

__all__ = ["BEGIN", "LOOKED", "OPEN", "RAISE", "REVIEWS", "SIGN", "SIGNED_REVIEW", "Looked", "Raised", "Signature"]

_Text = Annotated[str, Meta(max_length=LONGEST_COMMENT)]
_Comment = str | dict[str, str]


class Looked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That somebody looked at an item.

    Args:
        seen: False takes it back.
        comment: For whoever reads the report.
    """

    seen: bool = True
    comment: _Text = ""


class Raised(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That an item is worth an alert.

    Args:
        note: What is odd about it.
    """

    note: Annotated[str, Meta(min_length=1, max_length=LONGEST_COMMENT)]
    level: Level = "medium"


class Signature(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a review came to.

    Args:
        comment: In words.
        unseen: Why it is signed although nobody looked at some items; without it that is refused.
    """

    comment: _Text = ""
    unseen: _Text = ""


class SeenMark(Struct, frozen=True, kw_only=True):
    """Who looked at an item.

    Args:
        comment: In words; an object where it is nothing but an address that this viewer may not see.
    """

    at: datetime
    by: Who
    comment: _Comment


class ReviewItem(Struct, frozen=True, kw_only=True):
    """Something that is looked at as one.

    Args:
        why: Why it is in the review; `sample`: it was drawn.
        entries: Indexes.
        rows: The newest three entries, as far as they are kept.
        seen: Who looked at it.
        alert: Id of the alert that was raised over it.
        own: Whether it is an act of the reader of this.
    """

    id: str
    why: Why
    entries: list[int]
    rows: list[Row]
    seen: SeenMark | None
    alert: str | None
    own: bool


class ReviewView(Struct, frozen=True, kw_only=True):
    """A review that is under way.

    Args:
        start: Index of the first entry that it is about.
        stop: The first one after.
        size: Of the tree of the checkpoint that it began with.
        root: Of that tree, hexadecimal: the seed of the sample.
        rule: By which the sample was drawn.
        rest: How many entries it was drawn from.
        more: Whether entries are left for the next one, because there were too many.
    """

    number: int
    start: int
    stop: int
    since: datetime
    until: datetime
    size: int
    root: str
    rule: str
    rest: int
    more: bool
    begun_at: datetime
    begun_by: Who
    items: list[ReviewItem]


class SignedShort(Struct, frozen=True, kw_only=True):
    """A signed review in a list.

    Args:
        index: Of its entry.
        counts: Items by why they were in it, and `seen`, `unseen`, `raised`, `own` (looked at by whoever did them).
    """

    number: int
    index: int
    signed_at: datetime
    signed_by: Who
    since: datetime
    until: datetime
    comment: _Comment
    counts: dict[str, int]


class Rechecked(Struct, frozen=True, kw_only=True):
    """What came of checking a signed review just now.

    Args:
        checkpoint: Whether the log continues the tree that the review names.
        items: Whether the rules make the same items of its period; `gone` when entries of it left by retention.
    """

    checkpoint: bool
    items: Literal["same", "different", "gone"]


class ReviewEvidence(Struct, frozen=True, kw_only=True):
    """The body for `POST /v1/evidence`."""

    ask: list[str]


class SignedView(SignedShort, frozen=True, kw_only=True):
    """A signed review.

    Args:
        unseen_reason: Why it was signed although nobody looked at some items.
        checked: What came of doing it again.
        evidence: What to ask for to have its entry and all that it rests on, proven; null when this viewer cannot have
            evidence.
    """

    start: int
    stop: int
    size: int
    root: str
    rule: str
    rest: int
    begun_at: datetime
    unseen_reason: _Comment
    items: list[ReviewItem]
    checked: Rechecked
    evidence: ReviewEvidence | None


class Underway(Struct, frozen=True, kw_only=True):
    """How far the review is that is under way."""

    number: int
    items: int
    seen: int


class ReviewList(Struct, frozen=True, kw_only=True):
    """How the workspace stands with its reviews.

    Args:
        items: Signed ones, newest first.
        until: Up to when entries were reviewed; null when none ever was.
        due_at: When the next one should be signed.
        manage: Whether the viewer may begin one, look and sign.
    """

    items: list[SignedShort]
    open: Underway | None
    until: datetime | None
    due_at: datetime | None
    overdue: bool
    manage: bool


_AREA = "Reviews"
_READ = ("audit:read",)
_WHO = {"type": "user", "id": "usr_aisha", "name": "Aisha Khan"}
_ITEM: dict[str, Any] = {
    "id": "1822",
    "why": "access",
    "entries": [1822],
    "rows": [],
    "seen": {"at": "2026-11-20T08:05:31.000000Z", "by": _WHO, "comment": "Agreed with João on Friday"},
    "alert": None,
    "own": False,
}
_FIXED: dict[str, Any] = {
    "start": 1204,
    "stop": 3051,
    "since": "2026-11-13T08:00:12.000000Z",
    "until": "2026-11-20T08:02:40.000000Z",
    "size": 3051,
    "root": "6c1f0e7d2b8a4935c0de11f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6",
    "rule": RULE,
    "rest": 1790,
}
_OPEN: dict[str, Any] = {
    "number": 7,
    **_FIXED,
    "more": False,
    "begun_at": "2026-11-20T08:02:40.000000Z",
    "begun_by": _WHO,
    "items": [_ITEM],
}
_SHORT: dict[str, Any] = {
    "number": 7,
    "index": 3060,
    "signed_at": "2026-11-20T08:41:05.000000Z",
    "signed_by": _WHO,
    "since": _FIXED["since"],
    "until": _FIXED["until"],
    "comment": "Nothing unusual",
    "counts": {"access": 1, "seen": 1, "unseen": 0, "raised": 0, "own": 0},
}
_SIGNED: dict[str, Any] = {
    **_SHORT,
    **_FIXED,
    "begun_at": "2026-11-20T08:02:40.000000Z",
    "unseen_reason": "",
    "items": [_ITEM],
    "checked": {"checkpoint": True, "items": "same"},
    "evidence": {"ask": ["entry:1822,3060"]},
}
_NEVER = {"items": [_SHORT], "open": None, "until": _FIXED["until"], "due_at": "2026-11-27T08:02:40.000000Z"}
_ITEM_PATH = (Parameter("id", "the id of the item", str, "1822"),)


REVIEWS = Description(
    name="listReviews",
    area=_AREA,
    does="List reviews, and tell when the next one is due",
    answers="signed reviews, newest first: `items`; `open`, how far the one under way is; `due_at` and `overdue`",
    more="A token with a locked filter opens no review.",
    needs=_READ,
    replies=(Reply(200, "Reviews.", (Form(ReviewList, example={**_NEVER, "overdue": False, "manage": True}),)),),
)
BEGIN = Description(
    name="beginReview",
    area=_AREA,
    does="Begin a review of everything since the last one",
    answers="the review; that it began is an entry, with its period, checkpoint and sample",
    needs=(MANAGE,),
    query=(LANG,),
    replies=(Reply(201, "The review.", (Form(ReviewView, example=_OPEN),)),),
    problems=(404, 422),
)
OPEN = Description(
    name="getOpenReview",
    area=_AREA,
    does="Read the review that is under way",
    answers="the review with its `items` and what was said of each",
    needs=_READ,
    query=(LANG,),
    replies=(Reply(200, "The review.", (Form(ReviewView, example=_OPEN),)),),
    problems=(404,),
)
LOOKED = Description(
    name="lookedAtItem",
    area=_AREA,
    does="Say that an item was looked at, or take that back",
    answers="the item",
    needs=(MANAGE,),
    path=_ITEM_PATH,
    query=(LANG,),
    body=(Form(Looked, example={"seen": True, "comment": "Agreed with João on Friday"}),),
    replies=(Reply(200, "The item.", (Form(ReviewItem, example=_ITEM),)),),
    problems=(404, 422),
)
RAISE = Description(
    name="raiseItem",
    area=_AREA,
    does="Raise an alert over an item",
    answers="the item, looked at, with the id of the alert; the alert is an entry",
    needs=(MANAGE,),
    path=_ITEM_PATH,
    query=(LANG,),
    body=(Form(Raised, example={"note": "Nobody knows who asked for this", "level": "high"}),),
    replies=(
        Reply(200, "The item.", (Form(ReviewItem, example={**_ITEM, "alert": "alt_00000000071e_5f0c2a9be1d4"}),)),
    ),
    problems=(404, 422),
)
SIGN = Description(
    name="signReview",
    area=_AREA,
    does="Sign the review that is under way",
    answers="the signed review; it is an entry",
    more="Only a person with a name signs, no API key. Items at which nobody looked are refused unless `unseen` says "
    "why.",
    needs=(MANAGE,),
    query=(LANG,),
    body=(Form(Signature, example={"comment": "Nothing unusual"}),),
    replies=(Reply(200, "The signed review.", (Form(SignedView, example=_SIGNED),)),),
    problems=(404, 422),
)
SIGNED_REVIEW = Description(
    name="getReview",
    area=_AREA,
    does="Read a signed review",
    answers="the review as its entry has it, `checked` against the log just now, and `evidence`: what to post to "
    "`/v1/evidence` for exactly its entry and those that it rests on",
    needs=_READ,
    path=(Parameter("number", "its number", Annotated[int, Meta(ge=1)], 7),),
    query=(LANG,),
    replies=(Reply(200, "The review.", (Form(SignedView, example=_SIGNED),)),),
    problems=(404,),
)
