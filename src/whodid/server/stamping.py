"""The `/v1` routes of time stamps: which heads are stamped, one stamp for others to check, and ordering one.

A stamp by order is an act, and an entry; those that `whodid serve` has made once a day are none: each would make a new
head, which would want a stamp.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from typing import Any

from msgspec import Struct

from whodid.canonical import time_text
from whodid.errors import NotFound, WitnessError
from whodid.log import Log, Stamp, read_stamp, stamped
from whodid.server.answers import Answer, Call, Handler, answer_json
from whodid.server.callers import Caller, Callers
from whodid.server.described import Description, Form, Parameter, Reply
from whodid.server.managing import WORKSPACE_HEADER
from whodid.server.problems import problem, refusal
from whodid.server.sessions import Session, Sessions
from whodid.viewer import asks
from whodid.witness.stamp import STAMPED, Authority, order_stamp

__all__ = ["StampRoutes"]

_logger = logging.getLogger(__name__)
_READ = ("audit:read",)


class StampedHead(Struct, frozen=True, kw_only=True):
    """A signed head that an authority has stamped.

    Args:
        size: How many entries it holds.
        at: When the authority says that it was there.
    """

    size: int
    at: str


class StampList(Struct, frozen=True, kw_only=True):
    """Stamped heads, oldest first."""

    items: list[StampedHead]


class StampView(Struct, frozen=True, kw_only=True):
    """A stamp, with what it stamps.

    Args:
        checkpoint: The signed head, a C2SP note. Stamped is the SHA-256 of its text.
        stamp: What the authority answered: a TimeStampResp of RFC 3161, in base64.
        consistency: Proof that the log of now begins with that head (RFC 6962), in base64; null when retention took
            what would prove it.
    """

    size: int
    at: str
    checkpoint: str
    stamp: str
    consistency: list[str] | None


_HEAD: dict[str, Any] = {"size": 31_662, "at": "2026-11-20T02:00:04.000000Z"}
_VIEW = _HEAD | {
    "checkpoint": "audit.example.com/audit/3f9c…\n31662\nq83v…=\n\n— audit.example.com/audit/3f9c… kN0m…\n",
    "stamp": "MIIVfDADAgEA…",
    "consistency": ["w1h5…=", "9fQd…="],
}

_LIST = Description(
    name="listStamps",
    area="Proofs",
    does="List the heads that were stamped with the time",
    answers="`items`: `size` and `at` of every head that a [time stamp authority](../operate/witnesses.md) has stamped",
    needs=_READ,
    replies=(Reply(200, "The heads.", (Form(StampList, example={"items": [_HEAD]}),)),),
)
_SHOW = Description(
    name="getStamp",
    area="Proofs",
    does="Read a time stamp",
    answers="`checkpoint`, the `stamp` of it, and the `consistency` of the present head with it",
    more="Check it with the certificate of the authority, which you have from elsewhere; `openssl ts -verify` can.",
    needs=_READ,
    path=(Parameter("size", "of the stamped head", int, 31_662),),
    replies=(Reply(200, "The stamp.", (Form(StampView, example=_VIEW),)),),
    problems=(404,),
)
_ORDER = Description(
    name="orderStamp",
    area="Managing",
    does="Have the newest head stamped with the time",
    answers="201 and the stamp; 200 and the one that the newest head has already",
    more="The authority is the one that the server is set up with; without one the answer is 501. It sees a hash. The "
    "act is an entry, `audit.stamped`, also where the authority does not stamp (502).",
    needs=("admin",),
    headers=WORKSPACE_HEADER,
    replies=(
        Reply(201, "The new stamp.", (Form(StampView, example=_VIEW),)),
        Reply(200, "The stamp that was there.", (Form(StampView, example=_VIEW),)),
    ),
    problems=(404, 409, 501, 502),
)


class StampRoutes:
    """Routes over one log.

    Args:
        sessions: Opens the requests of readers.
        callers: Tells who manages.
        authority: Who stamps; nobody when not given.
    """

    def __init__(
        self,
        log: Log,
        sessions: Sessions,
        callers: Callers,
        *,
        authority: Authority | None = None,
    ) -> None:
        self._log = log
        self._sessions = sessions
        self._authority = authority
        self.handlers = (
            Handler("GET", "/v1/stamps", self._list, described=_LIST),
            callers.without_body("POST", "/v1/stamps", self._order, _ORDER, action=STAMPED),
            Handler("GET", "/v1/stamps/{size}", self._show, described=_SHOW),
        )

    def _open(self, call: Call) -> Session | None:
        session = self._sessions.open(call)
        if session is not None:
            session.require(*_READ)
        asks.parameters(call.query)
        return session

    def _list(self, call: Call) -> Answer:
        session = self._open(call)
        if session is None:
            return refusal(call.request_id)
        workspace = session.claims.workspace
        listed = stamped(lambda name: self._log.state(workspace, name))
        return answer_json({"items": [{"size": one.size, "at": time_text(one.at)} for one in listed]})

    def _show(self, call: Call) -> Answer:
        session = self._open(call)
        if session is None:
            return refusal(call.request_id)
        workspace, given = session.claims.workspace, call.path["size"]
        known = given.isascii() and given.isdecimal() and len(given) <= len(str(1 << 53))
        stamp = read_stamp(lambda name: self._log.state(workspace, name), int(given)) if known else None
        if stamp is None:
            raise NotFound("No head of this size is stamped", "List the stamps")
        return answer_json(self._view(workspace, stamp))

    def _order(self, call: Call, caller: Caller, _: dict[str, str]) -> Answer:
        if self._authority is None:
            return problem(
                501,
                call.request_id,
                "This server has no time stamp authority.",
                "Whoever runs it sets stamp_url and stamp_certificates.",
            )
        try:
            ordered = order_stamp(
                self._log,
                caller.workspace,
                self._authority,
                actor=caller.actor,
                context=caller.context,
            )
        except WitnessError as error:
            # What the authority said, and where it is, belongs into the server's own log.
            _logger.warning("a time stamp that was ordered was not made: %s", error)
            return problem(502, call.request_id, "The time stamp authority did not stamp the head.")
        if ordered is None:
            again = (("Retry-After", "2"),)
            return problem(
                409, call.request_id, "This log is being stamped.", "Look at it in a moment.", kind="not-ready",
                headers=again,
            )  # fmt: skip
        return answer_json(self._view(caller.workspace, ordered.stamp), status=201 if ordered.new else 200)

    def _view(self, workspace: str, stamp: Stamp) -> dict[str, Any]:
        snapshot = self._log.snapshot(workspace)
        path = snapshot.consistency(stamp.size) if snapshot.reaches(stamp.size) else None
        return {
            "size": stamp.size,
            "at": time_text(stamp.at),
            "checkpoint": stamp.note,
            "stamp": b64encode(stamp.answer).decode(),
            "consistency": None if path is None else [b64encode(one).decode() for one in path],
        }
