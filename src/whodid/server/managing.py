"""What the routes that manage take and answer: keys, retention, workspaces; the types, and their descriptions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from whodid.catalog import Topic
from whodid.retention import Policy
from whodid.server.described import Description, Form, Parameter, Reply
from whodid.server.keys import FASTEST
from whodid.server.workspaces import WorkspaceList

__all__ = [
    "CREATE_KEY",
    "KEEP",
    "KEYS",
    "PREVIEW",
    "REVOKE_KEY",
    "ROTATE_KEY",
    "WORKSPACES",
    "WORKSPACE_HEADER",
    "KeyList",
    "KeyMade",
    "KeyView",
    "NewKey",
    "PolicyConsidered",
    "PolicyKept",
    "PolicyWanted",
    "Rotation",
    "TermGone",
    "Unanswered",
    "WouldGo",
]

_Scope = Literal["write", "read", "export", "admin"]
_DAY = 86_400


class NewKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to be made.

    Args:
        name: What will use it, for the people who read the log.
        scopes: What it may.
        expires_at: When it ends by itself, an instant with an offset; null for never.
        rate: Events per second that it may send on average; null for what the server lets every key send.
    """

    name: str
    scopes: tuple[str, ...] = ("write",)
    expires_at: datetime | None = None
    rate: int | None = None


class Rotation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a key is followed by another.

    Args:
        overlap: Seconds that the old key stays good, at most 30 days.
        expires_at: When the new key ends by itself; null for never.
    """

    overlap: int = _DAY
    expires_at: datetime | None = None


class KeyView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An API key, without its secret.

    Args:
        id: Names it in entries and addresses.
        scopes: What it may.
        expires_at: It ends then.
        revoked_at: It was ended then.
        replaces: Id of the key that it follows.
        rate: Events per second that it may send on average.
        last_used_at: When it last let somebody in, to within a minute; absent when it never did.
    """

    id: str
    name: str
    scopes: tuple[_Scope, ...]
    status: Literal["active", "expired", "revoked"]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    replaces: str | None = None
    rate: Annotated[int, Meta(ge=1, le=FASTEST)] | None = None
    last_used_at: datetime | None = None


class KeyMade(KeyView, frozen=True, kw_only=True, omit_defaults=True):
    """A new API key.

    Args:
        key: Its text, shown this once.
        replaced_until: To when the key that it follows stays good.
    """

    key: str
    replaced_until: datetime | None = None


class KeyList(Struct, frozen=True, kw_only=True):
    """The API keys of a workspace, oldest first."""

    items: list[KeyView]


class PolicyConsidered(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long entries would keep their content.

    Args:
        days: 1 to 36,500; null for good.
        classes: The same for retention classes of the catalog that differ.
    """

    days: int | None
    classes: dict[str, int | None] = {}

    def policy(self) -> Policy:
        """Return it as a policy."""
        return Policy(days=self.days, classes=self.classes)


class PolicyWanted(PolicyConsidered, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long entries keep their content from now on.

    Args:
        days: 1 to 36,500; null for good.
        classes: The same for retention classes of the catalog that differ.
        reason: Why; it is recorded.
    """

    reason: str | None = None


class PolicyKept(Struct, frozen=True, kw_only=True):
    """How long entries keep their content.

    Args:
        days: Null for good.
        classes: The same for retention classes of the catalog that differ.
        index: The entry about the change; null when it was the policy already.
    """

    days: int | None
    classes: dict[str, int | None]
    index: int | None


class TermGone(Struct, frozen=True, kw_only=True):
    """What would go of the classes that are kept equally long.

    Args:
        before: What was recorded before it may go.
        entries: How many entries may go.
        classes: How many of them in each retention class.
        lowest: Lowest of their indexes.
        highest: Highest of their indexes.
    """

    days: int
    before: datetime
    entries: int
    classes: dict[str, int]
    lowest: int | None
    highest: int | None


class Unanswered(Struct, frozen=True, kw_only=True):
    """A question that can no longer be answered for a part of the past.

    Args:
        question: Who deleted something; who had which right; how was a template approved; which API keys were there;
            who signed in; why did a campaign stop.
        entries: How many entries that answer it would go.
        until: When the newest of them occurred.
    """

    question: Topic
    entries: int
    until: datetime


class WouldGo(Struct, frozen=True, kw_only=True):
    """What a policy would remove now.

    Args:
        entries: Entries that would lose their content.
        stays: Entries that would keep it.
        held: How many of those would go, were it not for a legal hold.
        bytes: Size of the content that would go, before compression.
        people: How many users and contacts it is about.
        questions: What could no longer be answered.
        terms: Of which classes and up to when, shortest first.
    """

    days: int | None
    classes: dict[str, int | None]
    entries: int
    stays: int
    held: int
    bytes: int
    people: int
    questions: list[Unanswered]
    terms: list[TermGone]


WORKSPACE_HEADER = (
    Parameter("X-Whodid-Workspace", "which workspace: an operator has to say, a key may; it has to be the key's own"),
)
_KEY = (Parameter("id", "the id of the key, with or without `wk_`", str, "wk_7NBEV3W6RQ4X"),)
_SHOWN: dict[str, Any] = {
    "id": "wk_7NBEV3W6RQ4X",
    "name": "billing",
    "scopes": ["write"],
    "status": "active",
    "created_at": "2026-11-20T14:00:00.000000Z",
    "expires_at": "2027-02-18T14:00:00.000000Z",
    "rate": 100,
}
_MADE = {**_SHOWN, "key": "wk_7NBEV3W6RQ4X_…"}

KEYS = Description(
    name="listKeys",
    area="Managing",
    does="List the API keys",
    answers="the API keys of the workspace, oldest first: `items`; never a secret",
    needs=("admin",),
    headers=WORKSPACE_HEADER,
    replies=(Reply(200, "The keys.", (Form(KeyList, example={"items": [_SHOWN]}),)),),
)
CREATE_KEY = Description(
    name="createKey",
    area="Managing",
    does="Make an API key",
    answers="201 and a new key: `key` is its text, shown this once",
    more="The log keeps a digest of the key. The act is an entry.",
    needs=("admin",),
    headers=WORKSPACE_HEADER,
    body=(Form(NewKey, example={"name": "billing", "expires_at": "2027-02-18T14:00:00Z", "rate": 100}),),
    replies=(Reply(201, "The key.", (Form(KeyMade, example=_MADE),)),),
)
ROTATE_KEY = Description(
    name="rotateKey",
    area="Managing",
    does="Make a key that follows another",
    answers="201 and the key that follows: `key`, `replaces`, and `replaced_until`, to which the old one is good",
    more="Name, scopes and rate go on. Both keys are good for the overlap, so nothing stops meanwhile.",
    needs=("admin",),
    path=_KEY,
    headers=WORKSPACE_HEADER,
    body=(Form(Rotation, example={"overlap": 3_600}),),
    replies=(
        Reply(
            201,
            "The key that follows.",
            (
                Form(
                    KeyMade,
                    example={**_MADE, "replaces": "SQDWJXPVVCX3", "replaced_until": "2026-11-20T15:00:00.000000Z"},
                ),
            ),
        ),
    ),
    problems=(404,),
)
REVOKE_KEY = Description(
    name="revokeKey",
    area="Managing",
    does="End an API key now",
    answers="the key, revoked",
    more="A server refuses it within a second.",
    needs=("admin",),
    path=_KEY,
    headers=WORKSPACE_HEADER,
    replies=(
        Reply(
            200,
            "The key.",
            (Form(KeyView, example={**_SHOWN, "status": "revoked", "revoked_at": "2026-11-20T14:30:00.000000Z"}),),
        ),
    ),
    problems=(404,),
)
KEEP = Description(
    name="setRetention",
    area="Managing",
    does="Set how long entries keep their content",
    answers="the policy from now on, and `index` of the entry about it, null when it was the policy already",
    more="It holds for entries that are there already, too.",
    needs=("admin",),
    headers=WORKSPACE_HEADER,
    body=(Form(PolicyWanted, example={"days": 365, "reason": "The auditor asked for a year"}),),
    replies=(Reply(200, "The policy.", (Form(PolicyKept, example={"days": 365, "classes": {}, "index": 8191}),)),),
)
PREVIEW = Description(
    name="previewRetention",
    area="Managing",
    does="See what a policy would remove now",
    answers="what a policy would remove now: `entries`, `stays`, `held`, `bytes`, `people`, `questions`, `terms`",
    needs=("admin",),
    headers=WORKSPACE_HEADER,
    body=(Form(PolicyConsidered, example={"days": 30}),),
    replies=(
        Reply(
            200,
            "What would go.",
            (
                Form(
                    WouldGo,
                    example={
                        "days": 30,
                        "classes": {},
                        "entries": 1200,
                        "stays": 6990,
                        "held": 12,
                        "bytes": 681_600,
                        "people": 214,
                        "questions": [{"question": "deletions", "entries": 31, "until": "2026-10-20T16:12:00.000000Z"}],
                        "terms": [
                            {
                                "days": 30,
                                "before": "2026-10-21T00:00:00.000000Z",
                                "entries": 1200,
                                "classes": {"standard": 1200},
                                "lowest": 0,
                                "highest": 1199,
                            }
                        ],
                    },
                ),
            ),
        ),
    ),
    problems=(404,),
)
WORKSPACES = Description(
    name="listWorkspaces",
    area="Managing",
    does="List workspaces",
    answers="`items` with `workspace`, `size`, `entries`, `oldest_at`, `last_at`, `retention`; `total`; `next`",
    more="An operator sees all, a key its own.",
    needs=("admin",),
    headers=WORKSPACE_HEADER,
    query=(
        Parameter("q", "a part of the name", Annotated[str, Meta(max_length=2_000)], "casa"),
        Parameter("after", "the name after which to go on: `next`", Annotated[str, Meta(max_length=100)], "casa-lumen"),
        Parameter("limit", "how many, 1 to 200; 50 when absent", Annotated[int, Meta(ge=1, le=200)], 50),
    ),
    replies=(
        Reply(
            200,
            "The workspaces.",
            (
                Form(
                    WorkspaceList,
                    example={
                        "items": [
                            {
                                "workspace": "casa-lumen",
                                "size": 8192,
                                "entries": 6990,
                                "oldest_at": "2026-08-23T00:00:01.000000Z",
                                "last_at": "2026-11-20T14:00:00.000000Z",
                                "retention": {"days": 90, "classes": {}},
                            }
                        ],
                        "total": 1,
                        "next": None,
                    },
                ),
            ),
        ),
    ),
)
