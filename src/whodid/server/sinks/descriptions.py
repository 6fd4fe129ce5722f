"""How the routes of sinks are described."""

from __future__ import annotations

from typing import Any

from whodid.catalog import LANGUAGES
from whodid.server.described import Description, Form, Parameter, Reply
from whodid.server.managing import WORKSPACE_HEADER
from whodid.server.sinks.bodies import (
    Backfill,
    ChangedSink,
    Dropped,
    DropView,
    LanguageView,
    LanguageWanted,
    NewSecret,
    NewSink,
    Paused,
    QuarantineList,
    Reasoned,
    Retried,
    RetryView,
    SinkList,
    SinkMade,
    SinkView,
    TestView,
)

__all__ = [
    "ADD_SINK",
    "BACKFILL_SINK",
    "CHANGE_SINK",
    "DROP",
    "LANGUAGE",
    "PAUSE_SINK",
    "QUARANTINE",
    "REMOVE_SINK",
    "RESUME_SINK",
    "RETRY",
    "SECRET",
    "SET_LANGUAGE",
    "SINK",
    "SINKS",
    "TEST_SINK",
]

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
    "public_keys": [],
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


_TAG = (Parameter("ETag", "names these settings; send it as If-Match to change no others"),)


def _one(
    means: str = "The sink.", example: dict[str, Any] = _SHOWN, headers: tuple[Parameter, ...] = ()
) -> tuple[Reply, ...]:
    return (Reply(200, means, (Form(SinkView, example=example),), headers),)


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
    replies=_one(headers=_TAG),
    problems=(404,),
)
ADD_SINK = Description(
    name="addSink",
    area=_AREA,
    does="Add a sink",
    answers="201 and the sink; `secret_text` is the secret of a webhook that brought none, shown this once",
    more=(
        "Whoever adds a sink lets whole entries out, personal values included. A kind that writes on the server "
        "(`file`), the option `ca`, and `private` take an operator. With `signature` `ed25519` a webhook is given a "
        "secret that nobody is shown; `public_keys` has its public key. The act is an entry."
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
            _TAG,
        ),
    ),
    problems=(404,),
)
CHANGE_SINK = Description(
    name="changeSink",
    area=_AREA,
    does="Change a sink",
    answers="the sink with its new settings; it goes on where it was, and one that is failing is tried at once",
    more=(
        "What is not named stays. What cannot work is refused as for a new sink, and nothing changes. With `If-Match` "
        "the sink changes only while its settings are those that were read: 412 otherwise. A sink that reaches into "
        "the server (kind `file`, option `ca`, `private`), or that shall, takes an operator. The act is an entry with "
        "what was and what is, without secrets."
    ),
    needs=_NEEDS,
    path=_PATH,
    headers=(*WORKSPACE_HEADER, Parameter("If-Match", "the ETag of the sink as it was read")),
    body=(
        Form(
            ChangedSink,
            example={"query": "severity:critical", "options": {"zone": "Europe/Madrid"}, "reason": "Too many"},
        ),
    ),
    replies=_one(headers=_TAG),
    problems=(404, 412),
)
SECRET = Description(
    name="setSinkSecret",
    area=_AREA,
    does="Give a sink another secret",
    answers="the sink; `secret_text` is the secret of a webhook when none was sent, shown this once",
    more=(
        "With `beside` a webhook is signed with both, the new one first; they may be of two kinds. The act is an "
        "entry, without the secret."
    ),
    needs=_NEEDS,
    path=_PATH,
    headers=WORKSPACE_HEADER,
    body=(Form(NewSecret, example={"beside": True}),),
    replies=(Reply(200, "The sink.", (Form(SinkMade, example={**_SHOWN, "secret_text": "whsec_…"}),), _TAG),),
    problems=(404,),
)
_SPOKEN = (Reply(200, "The language.", (Form(LanguageView, example={"lang": "es", "languages": list(LANGUAGES)}),)),)
LANGUAGE = Description(
    name="getLanguage",
    area=_AREA,
    does="Read the language of the workspace",
    answers="`lang`: in which mails and chats tell people where a sink names no other; `languages`: those there are",
    needs=_NEEDS,
    headers=WORKSPACE_HEADER,
    replies=_SPOKEN,
    problems=(404,),
)
SET_LANGUAGE = Description(
    name="setLanguage",
    area=_AREA,
    does="Choose the language of the workspace",
    answers="the same, as it is from now on; the act is an entry",
    needs=_NEEDS,
    headers=WORKSPACE_HEADER,
    body=(Form(LanguageWanted, example={"lang": "es"}),),
    replies=_SPOKEN,
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
