"""What requests of Retraced clients have in common: tokens, bodies, errors, and the entry that reading leaves."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from whodid.capture.events import uuid7
from whodid.model import Actor, Event, Resource
from whodid.server.answers import Answer, Call, answer_json
from whodid.server.compat.graphql import Field, parse_document
from whodid.server.compat.retraced_events import related_group
from whodid.server.compat.shared import Refusal, Shared, Told, our_action, read_object, retold
from whodid.server.sessions import context_of

__all__ = ["BASE", "VIEW_ACTION", "Recorder", "guarded", "read_query", "shown_token", "spoken"]

BASE = "/auditlog"
VIEW_ACTION = "audit.log.view"
"""The action of reading, when whoever lets a viewer in names no other."""

_SHOWN = re.compile(r"token=(\S+)")
_TYPES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    413: "TOO_LARGE",
    429: "TOO_MANY_REQUESTS",
    503: "UNAVAILABLE",
}
_REQUEST_ID = "X-Retraced-RequestId"


def shown_token(call: Call) -> str:
    """Return the key or token that a request shows as `token=…`; empty when it shows none."""
    found = _SHOWN.search(call.headers.get("authorization", ""))
    return found[1] if found else ""


def read_query(call: Call) -> tuple[Field, ...]:
    """Return the selection of a GraphQL request.

    Raises:
        Refusal: 400 for everything but a plain query.
    """
    body = read_object(call)
    text, variables = body.get("query"), body.get("variables") or {}
    if not isinstance(text, str) or not isinstance(variables, dict):
        raise Refusal(400, "query is no text, or variables no object.")
    return parse_document(text, dict(variables))


def guarded(inner: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
    """Make a handler that tells refusals in the form that the clients read."""

    def answer(call: Call) -> Answer:
        try:
            made = inner(call)
        except Refusal as refusal:
            made = _refused(refusal)
        return replace(made, headers=(*made.headers, (_REQUEST_ID, call.request_id)))

    return answer


def _refused(refusal: Refusal) -> Answer:
    body: dict[str, Any] = {
        "status": refusal.status,
        "type": _TYPES.get(refusal.status, "ERROR"),
        "error": refusal.fact,
    }
    if refusal.status == 400:
        # A viewer shows these; without them it takes its session to be over, and asks for a new token.
        body["errors"] = [{"message": refusal.fact}]
    if refusal.errors:
        body["invalid"] = refusal.errors
    return answer_json(body, status=refusal.status, headers=refusal.headers)


@retold
def spoken(told: Told, answer: Answer, _: str) -> Answer:
    """Say a problem in the form that the clients read; what is not valid is a bad request there."""
    made = _refused(Refusal(400 if told.status == 422 else told.status, told.fact))
    ours = tuple(pair for pair in answer.headers if pair[0] != _REQUEST_ID)
    return replace(made, headers=(*ours, (_REQUEST_ID, told.request_id)))


class Recorder:
    """Records that somebody read."""

    def __init__(self, shared: Shared) -> None:
        self._log = shared.log

    def read(self, call: Call, workspace: str, group: str, actor: Actor, action: str) -> None:
        """Record one reading of the entries of a group.

        Raises:
            WhodidError: It cannot be recorded; then nothing is to be shown.
        """
        now = self._log.now()
        event = Event(
            id=uuid7(now, os.urandom(8)),
            occurred_at=now,
            actor=actor,
            action=our_action(action, "log"),
            resource=Resource(type="log", id=workspace),
            related=(related_group(group),),
            details={"crud": "r", "no_target": True}
            | ({"retraced_action": action} if our_action(action, "log") != action else {}),
            context=context_of(call, "api"),
            kind="security",
        )
        self._log.record(workspace, event)
