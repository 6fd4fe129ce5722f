"""Evidence over HTTP: a file that proves itself offline, and the verifier that needs no file's own script."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from whodid.errors import Denied
from whodid.evidence import Question, ask, make, policy, verifier
from whodid.export import stem_of
from whodid.log import Hiding, Log
from whodid.retention import hiding
from whodid.server.answers import Answer, Call, Handler, answer_json, media_type_of
from whodid.server.described import Description, Form, Parameter, Reply
from whodid.server.problems import problem, refusal
from whodid.server.sessions import Session, Sessions, context_of
from whodid.server.sizing import count_hidden
from whodid.viewer import asks
from whodid.viewer.shapes import Count

__all__ = ["EvidenceRoutes"]

_HTML = "text/html; charset=utf-8"


class EvidenceWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file is to answer.

    Args:
        ask: Parts of the question, all of which must hold; none asks for everything.
        since: A date of the query language, the beginning of when it was recorded.
        until: The same, the end.
        range: Excludes since and until.
        tz: IANA time zone in which dates are meant; UTC when absent.
        headers: Every header, so that completeness does not rest on the sealed indexes.
        hide: Fields to leave out: actor.name, actor.email, actor.on_behalf_of, resource.name, related.name, reason,
            details, context.place, context.user_agent, changes, or changes.FIELD.
        hide_people: Whose own values to leave out, TYPE:ID.
    """

    ask: list[str] = []
    since: str | None = None
    until: str | None = None
    range: Literal["7d", "30d", "90d"] | None = None
    tz: str | None = None
    headers: bool = False
    hide: Annotated[list[str], Meta(max_length=100)] = []
    hide_people: Annotated[list[str], Meta(max_length=100)] = []


class EvidenceEstimate(Struct, frozen=True, kw_only=True):
    """What evidence will hold.

    Args:
        count: How many entries answer, by when they occurred.
        hidden: How many fields `hide` and `hide_people` hide in it, of those that this viewer sees; of so many at least
            when not exact.
    """

    count: Count
    hidden: Count


class _Wanted(NamedTuple):
    """What a wish asks for.

    Args:
        hidden: What `hide` and `hide_people` come to; None when nothing is hidden.
    """

    question: Question
    headers: bool
    hidden: Hiding | None


_NEEDS = ("audit:read", "audit:export")
_BODY = (Form(EvidenceWish, example={"ask": ["resource:contact:con_4H7P"], "range": "90d"}),)
_MAKE = Description(
    name="makeEvidence",
    area="Files",
    does="Make evidence",
    answers="one HTML file that answers a question and [proves itself offline](../spec/evidence.md)",
    more=(
        "A part is `resource:TYPE:ID`, `actor:TYPE:ID` or `action:NAME` (also `action:contact.*`), with commas between "
        "alternatives, `access` (all changes of access rights) or `approvals` (how things such as templates got "
        "approved); or `entry:5,7..9` alone, for exactly these entries. Values that "
        "the reader may not see are withheld, and so is what `hide` and `hide_people` name; "
        "all proofs still hold. A reader with a locked filter cannot have "
        "evidence. The file is recorded in the log."
    ),
    needs=_NEEDS,
    body=_BODY,
    replies=(
        Reply(200, "The file.", (Form(None, _HTML),), (Parameter("Content-Disposition", "the name of the file"),)),
    ),
    problems=(404, 503),
)
_ESTIMATE = Description(
    name="estimateEvidence",
    area="Files",
    does="Tell what evidence will hold",
    answers="`count`: how many entries answer; `hidden`: how many fields `hide` and `hide_people` hide in it",
    more="It takes what `POST /v1/evidence` takes, and refuses what that refuses; nothing is made, sealed or recorded.",
    needs=_NEEDS,
    body=_BODY,
    replies=(
        Reply(
            200,
            "The estimate.",
            (
                Form(
                    EvidenceEstimate,
                    example={"count": {"value": 12, "exact": True}, "hidden": {"value": 3, "exact": True}},
                ),
            ),
        ),
    ),
    problems=(404,),
)

_decode_wish = msgspec.json.Decoder(EvidenceWish).decode


class EvidenceRoutes:
    """The routes of evidence.

    Args:
        at_once: How many files may be made at once.
    """

    def __init__(self, log: Log, sessions: Sessions, *, at_once: int) -> None:
        self._log = log
        self._sessions = sessions
        self._slots = threading.BoundedSemaphore(at_once)
        self.handlers = (
            Handler("POST", "/v1/evidence", self._make, described=_MAKE),
            Handler("POST", "/v1/evidence/estimate", self._estimate, described=_ESTIMATE),
            Handler("GET", "/verify", self._verifier),
        )

    def _make(self, call: Call) -> Answer:
        return self._wished(call, self._slotted)

    def _estimate(self, call: Call) -> Answer:
        return self._wished(call, self._guess)

    def _wished(self, call: Call, answer: Callable[[_Wanted, Call, Session], Answer]) -> Answer:
        """Read what is wished, refuse what cannot be, and answer the rest."""
        session = self._sessions.open(call)
        if session is None:
            return refusal(call.request_id)
        session.require("audit:read")
        session.require("audit:export")
        asks.parameters(call.query)
        if media_type_of(call.headers.get("content-type", "")) != "application/json":
            return problem(415, call.request_id)
        try:
            wish = _decode_wish(call.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return problem(422, call.request_id, f"{str(error)[:200]}.")
        if session.reader.locked is not None:
            raise Denied("audit:read", "Evidence proves that nothing is missing from the whole log: ask for all of it")
        claims = session.claims
        pairs = [(name, getattr(wish, name)) for name in ("since", "until", "range", "tz")]
        found = asks.parameters([(name, value) for name, value in pairs if value], *asks.FILTERS)
        period = asks.question(found, now=self._log.now(), viewer=claims.viewer.id)
        wanted = _Wanted(
            question=ask(wish.ask, catalog=self._log.catalog, since=period.since, until=period.until),
            headers=wish.headers,
            hidden=hiding(self._log, claims.workspace, wish.hide, wish.hide_people),
        )
        return answer(wanted, call, session)

    def _guess(self, wanted: _Wanted, _call: Call, session: Session) -> Answer:
        reader, asked = session.reader, wanted.question.query()
        self._log.head(reader.workspace)  # a log that is not there is told
        count = reader.count(asked)
        told = EvidenceEstimate(
            count=Count(value=count.value, exact=count.exact), hidden=count_hidden(reader, asked, wanted.hidden)
        )
        return answer_json(told)

    def _slotted(self, wanted: _Wanted, call: Call, session: Session) -> Answer:
        if not self._slots.acquire(blocking=False):
            return problem(503, call.request_id, "Enough evidence is being made.", headers=(("Retry-After", "5"),))
        try:
            return self._file(wanted, call, session)
        finally:
            self._slots.release()

    def _file(self, wanted: _Wanted, call: Call, session: Session) -> Answer:
        claims, reader = session.claims, session.reader
        now = self._log.now()
        made = make(
            reader.log,
            claims.workspace,
            wanted.question,
            actor=claims.viewer,
            context=context_of(call),
            show=None if reader.personal else lambda entry: reader.seen(entry).shown,
            headers=wanted.headers,
            hiding=wanted.hidden,
        )
        name = stem_of(claims.workspace, now, "evidence")
        headers = (
            ("Content-Disposition", f'attachment; filename="{name}.html"'),
            ("Cache-Control", "no-store"),
        )
        return Answer(body=made.file, media_type=_HTML, headers=headers)

    def _verifier(self, call: Call) -> Answer:
        asks.parameters(call.query)
        headers = (
            ("Cache-Control", "no-cache"),
            ("Content-Security-Policy", f"{policy()}; frame-ancestors 'none'"),
        )
        return Answer(body=verifier(), media_type=_HTML, headers=headers)
