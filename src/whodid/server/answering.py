"""Answers over HTTP: the questions of an auditor, and what the log has to say to each."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from whodid.answers import QUESTIONS, Answer, Basis, Proved, Reading, Said, Speaker, Standing, answer, subject_of, title
from whodid.canonical import time_text
from whodid.errors import InvalidQuery
from whodid.evidence import about, prove
from whodid.log import Log
from whodid.query import quote
from whodid.server import answers
from whodid.server.answers import Call, Handler, answer_json
from whodid.server.described import LANG, Description, Form, Parameter, Reply
from whodid.server.problems import refusal
from whodid.server.sessions import Session, Sessions
from whodid.viewer import asks
from whodid.viewer.present import summary
from whodid.viewer.reader import Reader
from whodid.viewer.shapes import Count, Row

__all__ = ["AnswerRoutes", "answered"]

_SHOWN = 100
_READ = ("audit:read",)


class QuestionView(Struct, frozen=True, kw_only=True):
    """A question that can be asked.

    Args:
        types: Types of resources that it can be asked about; none means any.
        subject: Whether it needs a subject.
        period: Whether it takes a day or a period.
    """

    question: str
    title: str
    types: list[str]
    subject: bool
    period: bool


class Questions(Struct, frozen=True, kw_only=True):
    """All questions."""

    items: list[QuestionView]


class AnsweredAbout(Struct, frozen=True, kw_only=True):
    """What an answer, or a part of it, is about."""

    type: str
    id: str
    name: str | None
    label: str


class AnswerRow(Struct, frozen=True, kw_only=True):
    """What there is to say of one of several things.

    Args:
        said: In words.
        entries: Indexes of the entries that say so.
        proven: Whether the evidence holds them.
    """

    subject: AnsweredAbout
    said: str
    entries: list[int]
    proven: bool


class CompletenessLevel(Struct, frozen=True, kw_only=True):
    """How one level of completeness stands.

    Args:
        level: C0 to C4.
        words: What that means for this answer.
    """

    level: Literal["C0", "C1", "C2", "C3", "C4"]
    state: Literal["held", "part", "failed", "absent"]
    words: str


class CompletenessView(Struct, frozen=True, kw_only=True):
    """How [complete](../concepts/proofs.md) an answer is, as the verifier of evidence finds it now.

    Args:
        sealed: Index after the last sealed entry; 0 when nothing is sealed, or nothing could be proven.
        unsealed: Entries that the answer rests on and that are not sealed yet.
        words: What is to be said of these; null when there are none.
    """

    levels: list[CompletenessLevel]
    sealed: int
    unsealed: int
    words: str | None


class EvidenceAsk(Struct, frozen=True, kw_only=True):
    """The body for `POST /v1/evidence`."""

    ask: list[str]


class AnswerView(Struct, frozen=True, kw_only=True):
    """An answer.

    Args:
        finding: The answer in a sentence.
        limits: What it cannot say.
        completeness: Whether anything is missing, level by level; null where nobody wanted to know.
        items: The entries that it rests on, newest first; at most 100.
        count: How many there are.
        evidence: What to ask for to have them all, proven; null when this viewer cannot have evidence.
    """

    question: str
    title: str
    subject: AnsweredAbout | None
    since: str | None
    until: str | None
    finding: str
    rows: list[AnswerRow]
    limits: list[str]
    completeness: CompletenessView | None
    items: list[Row]
    count: Count
    evidence: EvidenceAsk | None


_LIST = Description(
    name="listQuestions",
    area="Answers",
    does="List the questions that can be asked",
    answers="`items`: each [question](#answers) with its `title`, the `types` "
    "that it can be asked about, and what it takes",
    needs=_READ,
    query=(LANG,),
    replies=(Reply(200, "The questions.", (Form(Questions),)),),
)
_ASK = Description(
    name="answerQuestion",
    area="Answers",
    does="Answer a question of an auditor",
    answers="the `finding` in a sentence, `rows` where there are several things to say, `items` and `count` of the "
    "entries that it rests on, `limits`: what it cannot say, `completeness`: what is proven of it, level by level, and "
    "`evidence`: what to post to `/v1/evidence` for "
    "exactly these entries with their proofs",
    needs=_READ,
    path=(
        Parameter(
            "question", "which one", Annotated[str, Meta(extra_json_schema={"enum": list(QUESTIONS)})], "deletion"
        ),
    ),
    query=(
        Parameter("subject", "what it is about, `TYPE:ID`", Annotated[str, Meta(max_length=600)], "contact:con_juan"),
        Parameter(
            "completeness",
            "`no` leaves `completeness` out (null): the first thing to show, for proving takes seconds in a large log",
            Literal["yes", "no"],
            "no",
        ),
        Parameter("on", "the day or period that is asked about, a date of the query language", str, "2026-11-20"),
        Parameter("tz", "IANA time zone in which dates are meant and times are told; UTC when absent", str, "UTC"),
        LANG,
    ),
    replies=(Reply(200, "The answer.", (Form(AnswerView),)),),
    problems=(404,),
)


class AnswerRoutes:
    """The routes of answers.

    Args:
        sessions: Opens requests.
    """

    def __init__(self, log: Log, sessions: Sessions) -> None:
        self._log = log
        self._sessions = sessions
        self.handlers = (
            Handler("GET", "/v1/answers", self._list, described=_LIST),
            Handler("GET", "/v1/answers/{question}", self._answer, described=_ASK),
        )

    def _list(self, call: Call) -> answers.Answer:
        session = self._sessions.open(call)
        if session is None:
            return refusal(call.request_id)
        session.require("audit:read")
        lang = session.lang(asks.parameters(call.query, *_LIST.takes).get("lang"), call)
        return answer_json(
            {
                "items": [
                    {
                        "question": name,
                        "title": title(name, lang),
                        "types": asked.types(self._log.catalog),
                        "subject": asked.subject,
                        "period": asked.period,
                    }
                    for name, asked in QUESTIONS.items()
                ]
            }
        )

    def _answer(self, call: Call) -> answers.Answer:
        session = self._sessions.open(call)
        if session is None:
            return refusal(call.request_id)
        session.require("audit:read")
        found = asks.parameters(call.query, *_ASK.takes)
        view = answered(session, call.path["question"], found, session.lang(found.get("lang"), call))
        self._sessions.opened(session, call)
        return answer_json(view)


def answered(session: Session, question: str, found: dict[str, str], lang: str) -> dict[str, Any]:
    """Answer a question as far as a session may see that.

    Args:
        found: Further parameters: `subject`, `on`, `tz` and `completeness`.

    Raises:
        InvalidQuery: A parameter cannot be read, or the question lacks one.
        NotFound: There is no such question.
    """
    reader = session.reader
    log = reader.log
    now = log.now()
    wanted = found.get("completeness", "yes")
    if wanted not in {"yes", "no"}:
        raise InvalidQuery(f"completeness cannot be {quote(wanted)}", "Use yes or no")

    def proven(basis: Basis) -> Proved:
        return prove(log, reader.workspace, about(basis.actions, basis.resources))

    period = asks.question(
        {"q": f"date:{found['on']}", **_zone(found)} if "on" in found else _zone(found), now=now, viewer=""
    )
    made = answer(
        _reading(reader),
        log.catalog,
        question,
        subject_of(found["subject"]) if "subject" in found else None,
        since=period.since,
        until=period.until,
        now=now,
        prove=proven if wanted == "yes" else None,
    )
    speaker = Speaker(log.catalog, lang, ZoneInfo(found.get("tz", "UTC")))
    return _view(made, session, speaker, lang)


def _zone(found: dict[str, str]) -> dict[str, str]:
    return {"tz": found["tz"]} if "tz" in found else {}


def _reading(reader: Reader) -> Reading:
    return Reading(
        reader.log,
        reader.workspace,
        find=reader.stream,
        get=lambda key: reader.get(key).shown,
        personal=reader.personal,
        narrowed=reader.locked is not None,
    )


def _standing(standing: Standing, speaker: Speaker) -> dict[str, Any]:
    count = standing.unsealed
    return {
        "levels": [{"level": one.name, "state": one.state, "words": speaker.say(one.said)} for one in standing.levels],
        "sealed": standing.stop,
        "unsealed": count,
        "words": speaker.say(Said.of("level.open", count=count)) if count and standing.stop else None,
    }


def _view(made: Answer, session: Session, speaker: Speaker, lang: str) -> dict[str, Any]:
    reader = session.reader
    provable = made.basis is not None and reader.locked is None and session.claims.may("audit:export")
    return {
        "question": made.question,
        "title": title(made.question, lang),
        "subject": None if made.subject is None else speaker.about(made.subject),
        "since": None if made.since is None else time_text(made.since),
        "until": None if made.until is None else time_text(made.until),
        "finding": speaker.say(made.finding),
        "rows": [
            {
                "subject": speaker.about(row.subject),
                "said": speaker.line(row.said),
                "entries": row.indexes,
                "proven": row.proven,
            }
            for row in made.rows
        ],
        "limits": [speaker.say(limit) for limit in made.limits],
        "completeness": None if made.standing is None else _standing(made.standing, speaker),
        "items": [summary(reader.get(one.index), lang, reader.log.catalog) for one in made.entries[:_SHOWN]],
        "count": {"value": len(made.entries), "exact": True},
        "evidence": {"ask": made.basis.terms()} if provable and made.basis is not None else None,
    }
