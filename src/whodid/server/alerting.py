"""What the routes of alerts take and answer: the types, and their descriptions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from whodid.detect import LONGEST_MUTE, Level, Verdict
from whodid.server.acting import MANAGE
from whodid.server.described import LANG, RUNS, Description, Form, Parameter, Reply

__all__ = [
    "ACKNOWLEDGE",
    "ALERT",
    "ALERTS",
    "MOST_OVER",
    "MUTE",
    "RESOLVE",
    "Muting",
    "Noted",
    "Resolution",
    "Who",
]

MOST_OVER = 200
"""Entries that one question for alerts names."""

_Note = Annotated[str, Meta(max_length=1_000)]
_Status = Literal["open", "acknowledged", "resolved", "muted", "inhibited"]


class Noted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A note.

    Args:
        note: For whoever reads the log.
    """

    note: _Note = ""


class Resolution(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an alert was.

    Args:
        verdict: `mine`: it was the person. `harmless`: it was somebody who may. `confirmed`: it was a stranger.
        note: For whoever reads the log.
    """

    verdict: Verdict
    note: _Note = ""


class Muting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how long a rule is silent about the person of an alert.

    Args:
        days: 1 to 90.
        note: For whoever reads the log.
    """

    days: Annotated[int, Meta(ge=1, le=LONGEST_MUTE)] = 7
    note: _Note = ""


class Who(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person, a key or a program."""

    type: str
    id: str
    name: str | None = None


class Done(Struct, frozen=True, kw_only=True):
    """What somebody did about an alert."""

    at: datetime
    by: Who
    note: str


class AlertView(Struct, frozen=True, kw_only=True):
    """An alert.

    Args:
        level: The highest so far.
        called: What the level, and the verdict if there is one, are called in the language that was asked for.
        reason: Why, in plain words with its numbers; an object for a viewer without `audit:pii`, empty when a person in
            it was erased.
        template: The reason in the language that was asked for; `{name}` stands for one of `numbers`. Null where the
            reason cannot be told in it, or not at all.
        numbers: The values that the reason holds, by name.
        respond: What to do now.
        harmless: Known causes that are no harm.
        person: Whom it is about.
        index: Of the entry that completed the first finding.
        entries: Indexes of the entries that it rests on, the last 50 at most.
        at: When the first finding occurred.
        last_at: When the last one did.
        times: How many findings it stands for.
        raised_at: When it was raised, last at a higher level than before.
        within: Id of the alert that stands for it.
    """

    id: str
    rule: str
    title: str
    level: Level
    status: _Status
    called: dict[str, str]
    reason: str | dict[str, str]
    template: str | None
    numbers: dict[str, Any]
    respond: str
    harmless: list[str]
    person: Who | None
    index: int
    entries: list[int]
    at: datetime
    last_at: datetime
    times: int
    raised_at: datetime
    acknowledged: Done | None
    resolved: Done | None
    verdict: Verdict | None
    within: str | None


class AlertList(Struct, frozen=True, kw_only=True):
    """Alerts, newest first.

    Args:
        open: How many are open, whatever was asked for.
        manage: Whether the viewer may act on them.
        next: Where to go on: `after`.
    """

    items: list[AlertView]
    open: int
    manage: bool
    next: str | None


_AREA = "Alerts"
_READ = ("audit:read",)
_ID = "alt_000000000039_5f0c2a9be1d4"
_SHOWN: dict[str, Any] = {
    "id": _ID,
    "rule": "password_guessing",
    "title": "Somebody guesses a password",
    "level": "low",
    "status": "open",
    "called": {"level": "low"},
    "reason": "6 failed sign-ins for Maria Torres within 10 minutes.",
    "template": "{count} failed sign-ins for {what} within {span}.",
    "numbers": {"count": 6, "what": "Maria Torres", "span": 600},
    "respond": "Ask the person.",
    "harmless": ["A forgotten password"],
    "person": {"type": "user", "id": "usr_maria", "name": "Maria Torres"},
    "index": 57,
    "entries": [52, 53, 54, 55, 56, 57],
    "at": "2026-11-20T13:58:02.000000Z",
    "last_at": "2026-11-20T13:58:02.000000Z",
    "times": 1,
    "raised_at": "2026-11-20T13:58:03.100000Z",
    "acknowledged": None,
    "resolved": None,
    "verdict": None,
    "within": None,
}
_BY = {"type": "user", "id": "usr_aisha", "name": "Aisha Khan"}
_ACT = {"at": "2026-11-20T14:00:00.000000Z", "by": _BY, "note": "Called her"}
_PATH = (Parameter("id", "the id of the alert", str, _ID),)


def _one(means: str, **more: Any) -> tuple[Reply, ...]:
    return (Reply(200, means, (Form(AlertView, example={**_SHOWN, **more}),)),)


ALERTS = Description(
    name="listAlerts",
    area=_AREA,
    does="List alerts",
    answers="alerts, newest first: `items`, `next`; `open`, how many are; `manage`, whether the viewer may act on them",
    more="A token with a locked filter opens no alert, and a viewer without `audit:pii` sees no reason.",
    needs=_READ,
    query=(
        Parameter(
            "status",
            "`open`, `acknowledged`, `active` (both), `resolved`, `muted`, `inhibited` or `all`; `active` when absent",
            Literal["open", "acknowledged", "active", "resolved", "muted", "inhibited", "all"],
            "active",
        ),
        Parameter(
            "at",
            "only alerts that rest on one of these entries: indexes and ranges of them, `3,7,10..109`; at most 200",
            Annotated[str, Meta(max_length=2_000, pattern=RUNS)],
            "52..57",
        ),
        Parameter("after", "the id after which to go on: `next`", Annotated[str, Meta(max_length=100)], _ID),
        Parameter("limit", "1 to 100; 50 when absent", Annotated[int, Meta(ge=1, le=100)], 50),
        LANG,
    ),
    replies=(
        Reply(200, "Alerts.", (Form(AlertList, example={"items": [_SHOWN], "open": 1, "manage": True, "next": None}),)),
    ),
)
ALERT = Description(
    name="getAlert",
    area=_AREA,
    does="Read one alert",
    answers="one alert",
    needs=_READ,
    path=_PATH,
    query=(LANG,),
    replies=_one("The alert."),
    problems=(404,),
)
ACKNOWLEDGE = Description(
    name="acknowledgeAlert",
    area=_AREA,
    does="Say that somebody looks after an alert",
    answers="the alert; the act is an entry",
    needs=(MANAGE,),
    path=_PATH,
    body=(Form(Noted, example={"note": "Called her"}),),
    replies=_one("The alert.", status="acknowledged", acknowledged=_ACT),
    problems=(404, 422),
)
RESOLVE = Description(
    name="resolveAlert",
    area=_AREA,
    does="Say what an alert was",
    answers="the alert, resolved; the act is an entry, and detection learns from it",
    more="`confirmed` takes from what is usual for the person what those sign-ins added; `mine` and `harmless` are no "
    "signal for other rules any more.",
    needs=(MANAGE,),
    path=_PATH,
    body=(Form(Resolution, example={"verdict": "harmless", "note": "Called her"}),),
    replies=_one("The alert.", status="resolved", resolved=_ACT, verdict="harmless"),
    problems=(404, 422),
)
MUTE = Description(
    name="muteRule",
    area=_AREA,
    does="Let a rule be silent about the person of an alert",
    answers="the alert as it is; from now on the rule is silent about that person; the act is an entry",
    needs=(MANAGE,),
    path=_PATH,
    body=(Form(Muting, example={"days": 7, "note": "A journey"}),),
    replies=_one("The alert."),
    problems=(404, 422),
)
