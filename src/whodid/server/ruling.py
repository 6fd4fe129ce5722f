"""What the routes of rules take and answer: the types, and their descriptions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from whodid.detect import Level, Number, Sentence
from whodid.server.acting import MANAGE
from whodid.server.alerting import Who
from whodid.server.described import LANG, Description, Form, Parameter, Reply

__all__ = [
    "BUDGET",
    "CHANGE",
    "CREATE",
    "DELETE",
    "PREVIEW",
    "RULES",
    "Budget",
    "Change",
    "Draft",
    "Trial",
]

_Text = Annotated[str, Meta(max_length=20_000)]
_Numbers = Annotated[dict[str, float], Meta(max_length=20)]


class Draft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule of the workspace: one of the two.

    Args:
        sentence: As choices.
        text: As Sigma.
    """

    sentence: Sentence | None = None
    text: _Text = ""


class Trial(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be tried on the last 30 days: a rule as it is written, or a rule that is there with other numbers.

    Args:
        rule: Name of the rule whose numbers change, or in whose place what is written would come.
        numbers: Of a built-in rule, by name; the others stay as they are.
        sentence: A rule as choices.
        text: A rule as Sigma.
        lang: Language of the reasons.
    """

    rule: str | None = None
    lang: Annotated[str, Meta(max_length=40)] | None = None
    numbers: _Numbers | None = None
    sentence: Sentence | None = None
    text: _Text = ""


class Change(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change in a rule; what is not named stays.

    Args:
        active: Whether it makes alerts; true also enables one that failed.
        numbers: Of a built-in rule, by name.
        sentence: What a rule of the workspace is from now on, as choices.
        text: The same, as Sigma.
    """

    active: bool | None = None
    numbers: _Numbers | None = None
    sentence: Sentence | None = None
    text: _Text = ""


class Budget(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many alerts a week are few enough."""

    weekly: Annotated[int, Meta(ge=1, le=10_000)]


class BudgetView(Struct, frozen=True, kw_only=True):
    """The budget of alerts.

    Args:
        weekly: How many a week are few enough.
        recent: How many were raised in the last 7 days.
    """

    weekly: int
    recent: int


class MuteView(Struct, frozen=True, kw_only=True):
    """Whom a rule is silent about, and until when."""

    person: Who
    until: datetime


class RuleView(Struct, frozen=True, kw_only=True):
    """A rule.

    Args:
        form: The rule as a sentence; `{name}` stands for one of its numbers. Empty for one of the workspace.
        numbers: What may be changed in it: the value, the usual one and the bounds; times in seconds.
        active: Whether it makes alerts.
        always: Whether it cannot be switched off.
        failed: Why it was disabled; null for a rule that works.
        own: Whether the workspace wrote it.
        sentence: What it is made of, if the workspace wrote it as a sentence.
        text: The Sigma of a rule that the workspace wrote; null without `audit:pii` where it may name somebody.
        changed_at: When the workspace last wrote it.
        changed_by: Who did.
        last_at: When it last made an alert, of those that are kept.
        recent: How many alerts it made in the last 30 days.
    """

    name: str
    title: str
    level: Level
    form: str
    numbers: list[Number]
    active: bool
    always: bool
    failed: str | None
    respond: str
    harmless: list[str]
    own: bool
    sentence: Sentence | None
    text: str | None
    changed_at: datetime | None
    changed_by: Who | None
    last_at: datetime | None
    recent: int
    mutes: list[MuteView]


class RuleList(Struct, frozen=True, kw_only=True):
    """The rules.

    Args:
        available: Whether the server has what rules need (the extra `detect`).
        manage: Whether the viewer may change them.
    """

    items: list[RuleView]
    available: bool
    manage: bool
    budget: BudgetView


class Found(Struct, frozen=True, kw_only=True):
    """What a rule would have found.

    Args:
        index: Of the entry that completed it.
        reason: Why, in plain words; an object for a viewer without `audit:pii`.
        template: The reason in the language that was asked for; `{name}` stands for one of `numbers`.
        numbers: The values that the reason holds, by name.
        entries: Indexes of the entries that it rests on, the last 50 at most.
    """

    at: datetime
    index: int
    level: Level
    reason: str | dict[str, str]
    template: str | None
    numbers: dict[str, Any]
    entries: list[int]


class PreviewView(Struct, frozen=True, kw_only=True):
    """What a rule would have done.

    Args:
        since: When the first entry occurred that was looked at.
        entries: How many were.
        whole: Whether all of the last 30 days were; more than 100,000 entries are not.
        found: How many alerts there would have been.
        levels: How many of each level.
        weekly: How many in a week.
        others: How many alerts other rules raise in a week, as in the last 30 days.
        budget: How many a week are few enough.
        over: Whether this rule and the others are more than that.
        last: The last 20 that it would have found, newest first.
        text: The rule as Sigma, where it is one of the workspace.
        refused: Why it could not be saved: it would find something in nearly everything, or it fails.
    """

    since: datetime
    entries: int
    whole: bool
    found: int
    levels: dict[str, int]
    weekly: float
    others: float
    budget: int
    over: bool
    last: list[Found]
    text: str | None
    refused: str | None


_AREA = "Alerts"
_NAME = "password_guessing"
_NUMBER = {"name": "attempts", "value": 5, "usual": 5, "unit": "count", "least": 2, "most": 1000}
_RULE: dict[str, Any] = {
    "name": _NAME,
    "title": "Guessing the password of one person",
    "level": "low",
    "form": "When {attempts} sign-ins fail within {within} for one person; medium from {grave} on.",
    "numbers": [_NUMBER],
    "active": True,
    "always": False,
    "failed": None,
    "respond": "Ask the person.",
    "harmless": ["A forgotten password"],
    "own": False,
    "sentence": None,
    "text": None,
    "changed_at": None,
    "changed_by": None,
    "last_at": "2026-11-20T13:58:02.000000Z",
    "recent": 1,
    "mutes": [],
}
_BUDGET = {"weekly": 10, "recent": 1}
_SENTENCE = {
    "title": "Exports at night", "actions": ["*.exported"], "outcome": "success", "hours": [20, 7],
    "zone": "Europe/Madrid",
}  # fmt: skip
_SIGMA = """title: Exports at night
level: medium
logsource: {product: auditlog, service: audit}
detection:
  export: {action|endswith: .exported, outcome: success}
  condition: export
"""
_OWN: dict[str, Any] = {
    **_RULE, "name": "own_1", "title": "Exports at night", "level": "medium", "form": "", "numbers": [], "own": True,
    "sentence": _SENTENCE, "text": _SIGMA, "respond": "", "harmless": [], "last_at": None, "recent": 0,
    "changed_at": "2026-11-20T13:58:02.000000Z",
    "changed_by": {"type": "user", "id": "usr_aisha", "name": "Aisha Khan"},
}  # fmt: skip
_PREVIEW: dict[str, Any] = {
    "since": "2026-10-21T13:58:02.000000Z", "entries": 8314, "whole": True, "found": 3, "levels": {"medium": 3},
    "weekly": 0.7, "others": 1.4, "budget": 10, "over": False,
    "last": [
        {
            "at": "2026-11-18T22:10:00.000000Z", "index": 57, "level": "medium",
            "reason": "Maria Torres: contact.exported, exp_1.", "entries": [57], "template": "{who}: {action}, {what}.",
            "numbers": {"who": "Maria Torres", "action": "Contacts exported", "what": "exp_1"},
        }
    ],
    "text": _SIGMA, "refused": None,
}  # fmt: skip
_PATH = (Parameter("name", "the name of the rule", str, _NAME),)


def _one(means: str, example: dict[str, Any], status: Literal[200, 201] = 200) -> tuple[Reply, ...]:
    return (Reply(status, means, (Form(RuleView, example=example),)),)


RULES = Description(
    name="listAlertRules",
    area=_AREA,
    does="List the rules of detection",
    answers="`items`: rules, their `numbers`, whether they are `active`, when they last made an alert, whom they are "
    "silent about; `budget`: alerts a week",
    needs=("audit:read",),
    query=(LANG,),
    replies=(
        Reply(
            200,
            "The rules.",
            (Form(RuleList, example={"items": [_RULE], "available": True, "manage": True, "budget": _BUDGET}),),
        ),
    ),
)
CREATE = Description(
    name="writeAlertRule",
    area=_AREA,
    does="Write a rule of the workspace",
    answers="the rule; the act is an entry with the rule as Sigma",
    more="A rule that cannot be read, that holds for every entry, or that would have raised more than 300 alerts in "
    "the last 30 days is refused.",
    needs=(MANAGE,),
    body=(Form(Draft, example={"sentence": _SENTENCE}),),
    replies=_one("The rule.", _OWN, 201),
    problems=(422, 503),
)
PREVIEW = Description(
    name="previewAlertRule",
    area=_AREA,
    does="Try a rule on the last 30 days",
    answers="how many alerts it would have raised, the last of them, and what that is of the budget; nothing changes",
    needs=(MANAGE,),
    body=(Form(Trial, example={"rule": _NAME, "numbers": {"attempts": 8}}),),
    replies=(Reply(200, "What it would have done.", (Form(PreviewView, example=_PREVIEW),)),),
    problems=(404, 422, 503),
)
CHANGE = Description(
    name="changeAlertRule",
    area=_AREA,
    does="Change a rule: whether it makes alerts, its numbers, what it says",
    answers="the rule; each change is an entry",
    more="The rule that watches over the log itself cannot be switched off. Other numbers are refused where a rule "
    "written like that would be.",
    needs=(MANAGE,),
    path=_PATH,
    body=(Form(Change, example={"active": False}),),
    replies=_one("The rule.", {**_RULE, "active": False}),
    problems=(404, 422, 503),
)
DELETE = Description(
    name="deleteAlertRule",
    area=_AREA,
    does="Delete a rule that the workspace wrote",
    answers="the rule as it was; the act is an entry, and the alerts of the rule stay",
    needs=(MANAGE,),
    path=(Parameter("name", "the name of the rule", str, "own_1"),),
    replies=_one("The rule as it was.", _OWN),
    problems=(404,),
)
BUDGET = Description(
    name="setAlertBudget",
    area=_AREA,
    does="Say how many alerts a week are few enough",
    answers="the budget, and how many alerts were raised in the last 7 days; a change is an entry",
    needs=(MANAGE,),
    body=(Form(Budget, example={"weekly": 10}),),
    replies=(Reply(200, "The budget.", (Form(BudgetView, example=_BUDGET),)),),
    problems=(422,),
)
