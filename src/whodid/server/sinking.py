"""What the routes of sinks take and answer: the types, and their descriptions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from whodid.server.described import Description, Form, Parameter, Reply
from whodid.server.managing import WORKSPACE_HEADER

__all__ = [
    "ADD_SINK",
    "BACKFILL_SINK",
    "DROP",
    "PAUSE_SINK",
    "QUARANTINE",
    "REMOVE_SINK",
    "RESUME_SINK",
    "RETRY",
    "SECRET",
    "SINK",
    "SINKS",
    "TEST_SINK",
    "Backfill",
    "Dropped",
    "NewSecret",
    "NewSink",
    "Paused",
    "Reasoned",
    "Retried",
]

_Why = Annotated[str, Meta(min_length=1, max_length=2_000)]
_Secret = Annotated[str, Meta(min_length=1, max_length=4_000)]
_Index = Annotated[int, Meta(ge=0)]
_Indexes = Annotated[list[_Index], Meta(min_length=1, max_length=100)]


class NewSink(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sink to be added.

    Args:
        name: For people; unique in its workspace.
        kind: `webhook`, `syslog`, `splunk`, `elastic` and so on.
        address: Where entries go.
        format: What an entry becomes; the usual one of the kind when absent.
        query: Which entries go there, in the query language without dates; empty for all.
        secret: The secret of its kind; it is kept encrypted and never answered. A webhook without one is given one.
        options: Of the kind.
        private: Whether addresses that are not on the public internet may be reached; an operator alone may say so.
        batch: How many entries go in one delivery at most; the usual number of the kind when absent.
        heartbeat: Seconds of silence after which a sign of life is sent; 0 sends none.
        start: Index of the first entry that goes there; when absent, the first that is yet to be recorded.
    """

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    kind: Annotated[str, Meta(max_length=40)]
    address: Annotated[str, Meta(min_length=1, max_length=2_000)]
    format: Annotated[str, Meta(max_length=40)] | None = None
    query: Annotated[str, Meta(max_length=2_000)] = ""
    secret: _Secret | None = None
    options: dict[str, Annotated[str, Meta(max_length=2_000)]] = {}
    private: bool = False
    batch: int | None = None
    heartbeat: int | None = None
    start: _Index | None = None


class NewSecret(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another secret for a sink.

    Args:
        secret: The secret; a webhook without one is given one.
        beside: Whether the one before stays good for now: a webhook is signed with both until the next change.
    """

    secret: _Secret | None = None
    beside: bool = False


class Reasoned(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why; it is recorded."""

    reason: _Why | None = None


class Paused(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a sink is fed no more.

    Args:
        reason: It is recorded.
    """

    reason: _Why


class Backfill(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From where entries are delivered again.

    Args:
        start: Index of the first of them; before the one that comes next.
        reason: Why; it is recorded.
    """

    start: _Index
    reason: _Why | None = None


class Retried(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is delivered once more.

    Args:
        indexes: Of entries in quarantine; all of them when absent.
    """

    indexes: _Indexes | None = None


class Dropped(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is not delivered any more.

    Args:
        indexes: Of entries in quarantine; all of them when absent.
        reason: Why; it is recorded.
    """

    indexes: _Indexes | None = None
    reason: _Why


class SinkView(Struct, frozen=True, kw_only=True):
    """A sink and how it is.

    Args:
        query: Which entries go there; empty for all.
        secret: Where its secret is: nowhere, in the store, or in a file or a variable of the server.
        private: Whether addresses that are not on the public internet may be reached.
        status: `failing`: the last delivery failed, the next one is due at `retry_at`.
        next: Index of the entry that comes next.
        behind: How many entries of the log are still to be looked at.
        lag: Seconds since the first of them was recorded; 0 when there are none.
        delivered: How many entries the receiver took, those that it took twice counted twice.
        refused: How many it refuses for good.
        quarantined: How many of those are in quarantine, the newest hundred at most.
        purged: How many entries were purged before their turn came.
        sent_at: When it last took anything, signs of life included.
        silence: Seconds since then; null when it never took anything.
        attempts: How many deliveries in a row failed.
        fault: Why the last one did; empty when it did not.
        failing_since: When the first of them failed.
        retry_at: When the next one is due.
        paused_at: Since when it is not fed.
        paused: Seconds since then.
        paused_because: Why it paused by itself; empty when a person paused it.
    """

    id: str
    name: str
    kind: str
    address: str
    format: str
    query: str
    secret: Literal["none", "kept", "file", "env"]
    options: dict[str, str]
    private: bool
    batch: int
    heartbeat: int
    status: Literal["active", "failing", "paused"]
    next: int
    behind: int
    lag: float
    delivered: int
    refused: int
    quarantined: int
    purged: int
    sent_at: datetime | None
    silence: float | None
    attempts: int
    fault: str
    failing_since: datetime | None
    retry_at: datetime | None
    paused_at: datetime | None
    paused: float | None
    paused_because: str


class SinkMade(SinkView, frozen=True, kw_only=True):
    """A sink whose secret was set.

    Args:
        secret_text: The secret, where the server made one, shown this once; null where it was sent.
    """

    secret_text: str | None


class SinkList(Struct, frozen=True, kw_only=True):
    """The sinks of a workspace, in the order in which they were added."""

    items: list[SinkView]


class TestView(Struct, frozen=True, kw_only=True):
    """What became of a test.

    Args:
        taken: Whether the receiver took it.
        fault: Why not.
    """

    taken: bool
    fault: str


class QuarantinedView(Struct, frozen=True, kw_only=True):
    """An entry that the receiver refuses for good.

    Args:
        index: Of the entry.
        id: Of the entry.
        at: When it was refused.
        fault: What the receiver said.
    """

    index: int
    id: str
    at: datetime
    fault: str


class QuarantineList(Struct, frozen=True, kw_only=True):
    """What is in quarantine, oldest first.

    Args:
        refused: How many entries the receiver refuses for good; older ones than the newest hundred are not listed.
    """

    items: list[QuarantinedView]
    refused: int


class RetryView(QuarantineList, frozen=True, kw_only=True):
    """What became of a new try, and what is left.

    Args:
        taken: How many entries the receiver took now.
        fault: Why the last of the others was not taken.
    """

    taken: int
    fault: str


class DropView(QuarantineList, frozen=True, kw_only=True):
    """What is left in quarantine.

    Args:
        dropped: How many entries left it.
    """

    dropped: int


_AREA = "Sinks"
_ID = "snk_4f1d20a97b3c"
_PATH = (Parameter("id", "the id of the sink", str, _ID),)
_NEEDS = ("admin",)
_SHOWN: dict[str, Any] = {
    "id": _ID,
    "name": "siem",
    "kind": "webhook",
    "address": "https://siem.example.com/audit",
    "format": "ocsf",
    "query": "severity:warning,critical",
    "secret": "kept",
    "options": {},
    "private": False,
    "batch": 25,
    "heartbeat": 60,
    "status": "failing",
    "next": 8190,
    "behind": 2,
    "lag": 41.5,
    "delivered": 311,
    "refused": 1,
    "quarantined": 1,
    "purged": 0,
    "sent_at": "2026-11-20T13:59:00.000000Z",
    "silence": 60.0,
    "attempts": 1,
    "fault": "The receiver answered 503",
    "failing_since": "2026-11-20T13:59:20.000000Z",
    "retry_at": "2026-11-20T14:04:20.000000Z",
    "paused_at": None,
    "paused": None,
    "paused_because": "",
}
_PAUSED = {**_SHOWN, "status": "paused", "paused_at": "2026-11-20T14:00:00.000000Z", "paused": 0.0}
_LEFT: dict[str, Any] = {
    "items": [
        {
            "index": 4711,
            "id": "0193a0f2-6c3e-7d51-9a4b-5f1e2d3c4b5a",
            "at": "2026-11-20T13:58:00.000000Z",
            "fault": "The receiver answered 422: field too long",
        }
    ],
    "refused": 1,
}


def _one(means: str = "The sink.", example: dict[str, Any] = _SHOWN) -> tuple[Reply, ...]:
    return (Reply(200, means, (Form(SinkView, example=example),)),)


SINKS = Description(
    name="listSinks",
    area=_AREA,
    does="List the sinks",
    answers="the sinks of the workspace and how each of them is: `items`; never a secret",
    needs=_NEEDS,
    headers=WORKSPACE_HEADER,
    replies=(Reply(200, "The sinks.", (Form(SinkList, example={"items": [_SHOWN]}),)),),
    problems=(404,),
)
SINK = Description(
    name="getSink",
    area=_AREA,
    does="Read one sink",
    answers="one sink and how it is: `status`, `behind`, `lag`, `silence`, `fault`, `retry_at`, `quarantined`",
    needs=_NEEDS,
    path=_PATH,
    headers=WORKSPACE_HEADER,
    replies=_one(),
    problems=(404,),
)
ADD_SINK = Description(
    name="addSink",
    area=_AREA,
    does="Add a sink",
    answers="201 and the sink; `secret_text` is the secret of a webhook that brought none, shown this once",
    more=(
        "Whoever adds a sink lets whole entries out, personal values included. A kind that writes on the server "
        "(`file`), the option `ca`, and `private` take an operator. The act is an entry."
    ),
    needs=_NEEDS,
    headers=WORKSPACE_HEADER,
    body=(
        Form(
            NewSink,
            example={
                "name": "siem",
                "kind": "webhook",
                "address": "https://siem.example.com/audit",
                "format": "ocsf",
                "query": "severity:warning,critical",
            },
        ),
    ),
    replies=(
        Reply(
            201,
            "The sink.",
            (Form(SinkMade, example={**_SHOWN, "status": "active", "fault": "", "secret_text": "whsec_…"}),),
        ),
    ),
    problems=(404,),
)
SECRET = Description(
    name="setSinkSecret",
    area=_AREA,
    does="Give a sink another secret",
    answers="the sink; `secret_text` is the secret of a webhook when none was sent, shown this once",
    more="With `beside` a webhook is signed with both, the new one first. The act is an entry, without the secret.",
    needs=_NEEDS,
    path=_PATH,
    headers=WORKSPACE_HEADER,
    body=(Form(NewSecret, example={"beside": True}),),
    replies=(Reply(200, "The sink.", (Form(SinkMade, example={**_SHOWN, "secret_text": "whsec_…"}),)),),
    problems=(404,),
)
PAUSE_SINK = Description(
    name="pauseSink",
    area=_AREA,
    does="Pause a sink",
    answers="the sink, paused: nothing is delivered until it is resumed, and what waits is kept",
    more="The act is an entry, with its reason; so are the others.",
    needs=_NEEDS,
    path=_PATH,
    headers=WORKSPACE_HEADER,
    body=(Form(Paused, example={"reason": "The receiver moves to another house"}),),
    replies=_one("The sink.", _PAUSED),
    problems=(404,),
)
RESUME_SINK = Description(
    name="resumeSink",
    area=_AREA,
    does="Resume a sink",
    answers="the sink, active: it goes on where it was; one that is failing is tried at once",
    needs=_NEEDS,
    path=_PATH,
    headers=WORKSPACE_HEADER,
    body=(Form(Reasoned, example={"reason": "The receiver has moved"}),),
    replies=_one(),
    problems=(404,),
)
TEST_SINK = Description(
    name="testSink",
    area=_AREA,
    does="Test a sink",
    answers="`taken`, and `fault` if it was not: a message that says it is a test is delivered now",
    needs=_NEEDS,
    path=_PATH,
    headers=WORKSPACE_HEADER,
    replies=(
        Reply(
            200,
            "What became of it.",
            (Form(TestView, example={"taken": False, "fault": "The receiver answered 401"}),),
        ),
    ),
    problems=(404,),
)
BACKFILL_SINK = Description(
    name="backfillSink",
    area=_AREA,
    does="Deliver entries again",
    answers="the sink: `next` is where it begins now",
    needs=_NEEDS,
    path=_PATH,
    headers=WORKSPACE_HEADER,
    body=(Form(Backfill, example={"start": 4000, "reason": "The receiver lost a day"}),),
    replies=_one(),
    problems=(404,),
)
REMOVE_SINK = Description(
    name="removeSink",
    area=_AREA,
    does="Remove a sink",
    answers="the sink as it was; its position and its secret are forgotten",
    needs=_NEEDS,
    path=_PATH,
    headers=WORKSPACE_HEADER,
    replies=_one(),
    problems=(404,),
)
QUARANTINE = Description(
    name="listQuarantine",
    area=_AREA,
    does="List what a receiver refuses",
    answers="the entries that the receiver refuses for good: `items`, the newest hundred; `refused`, how many in all",
    needs=_NEEDS,
    path=_PATH,
    headers=WORKSPACE_HEADER,
    replies=(Reply(200, "What is in quarantine.", (Form(QuarantineList, example=_LEFT),)),),
    problems=(404,),
)
RETRY = Description(
    name="retryQuarantine",
    area=_AREA,
    does="Deliver what a receiver refused once more",
    answers="`taken`, `fault`, and what is left in quarantine",
    more="One entry after the other, now; it ends when the receiver is away.",
    needs=_NEEDS,
    path=_PATH,
    headers=WORKSPACE_HEADER,
    body=(Form(Retried, example={"indexes": [4711]}),),
    replies=(
        Reply(
            200,
            "What became of it.",
            (
                Form(
                    RetryView,
                    example={**_LEFT, "taken": 0, "fault": "The receiver answered 422: field too long"},
                ),
            ),
        ),
    ),
    problems=(404,),
)
DROP = Description(
    name="dropQuarantine",
    area=_AREA,
    does="Let go of what a receiver refused",
    answers="`dropped`, and what is left in quarantine; the entries stay in the log",
    needs=_NEEDS,
    path=_PATH,
    headers=WORKSPACE_HEADER,
    body=(Form(Dropped, example={"indexes": [4711], "reason": "The receiver has no place for it"}),),
    replies=(Reply(200, "What is left.", (Form(DropView, example={"items": [], "refused": 1, "dropped": 1}),)),),
    problems=(404,),
)
