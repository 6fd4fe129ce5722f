"""The routes that Retraced publishers call; viewers and enterprises have files of their own.

A project is a workspace, and its key an API key of ours. A group is a part of that workspace: what a viewer or an
enterprise token reads is locked to one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from whodid.capture.events import uuid7
from whodid.errors import InvalidEvent, WhodidError
from whodid.export.import_.foreign import identifier
from whodid.model import Actor
from whodid.server.answers import Answer, Call, Handler, answer_json
from whodid.server.compat.retraced_enterprise import Enterprise
from whodid.server.compat.retraced_events import check_event, event_hash, make_event, refuse
from whodid.server.compat.retraced_search import answer_fields
from whodid.server.compat.retraced_tokens import TOKEN_SECONDS, EnterpriseToken, EnterpriseTokens, Grant, sign_grant
from whodid.server.compat.retraced_viewer import Viewing
from whodid.server.compat.retraced_words import (
    BASE,
    VIEW_ACTION,
    Recorder,
    guarded,
    read_query,
    shown_token,
    spoken,
)
from whodid.server.compat.shared import Refusal, Shared, find_caller, make_buckets, read_object
from whodid.server.gate import Admitted
from whodid.server.reserved import reserved
from whodid.server.sessions import Session, context_of
from whodid.server.tokens import LONGEST, Claims
from whodid.server.waiting import commit_or_keep
from whodid.viewer import Reader

__all__ = ["Retraced"]

_PROJECT = f"{BASE}/publisher/v1/project/{{project}}"
_LARGEST = 5 * 1024 * 1024
_MOST_EVENTS = 50

_Inner = Callable[[Call, Admitted], Answer]


class Retraced:
    """The routes of one application."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._log = shared.log
        self._take = make_buckets(shared, least=_MOST_EVENTS)
        self._tokens = EnterpriseTokens(shared)
        recorder = Recorder(shared)
        tokens = f"{_PROJECT}/group/{{group:path}}/enterprisetoken"
        self.handlers = [
            self._handler("POST", f"{_PROJECT}/event", self._event, "write"),
            self._handler("POST", f"{_PROJECT}/event/bulk", self._bulk, "write"),
            self._handler("GET", f"{_PROJECT}/viewertoken", self._viewer_token, "read"),
            self._handler("POST", f"{_PROJECT}/graphql", self._query, "read"),
            self._handler("GET", tokens, self._list, "read"),
            self._handler("POST", tokens, self._create, "admin"),
            self._handler("GET", f"{tokens}/{{token}}", self._show, "read"),
            self._handler("PUT", f"{tokens}/{{token}}", self._rename, "admin"),
            self._handler("DELETE", f"{tokens}/{{token}}", self._revoke, "admin"),
            *Viewing(shared, self._tokens, recorder).handlers,
            *Enterprise(shared, self._tokens, recorder).handlers,
        ]

    def _handler(self, method: str, path: str, inner: _Inner, scope: str) -> Handler:
        keeps = scope == "write"

        def answer(call: Call) -> Answer:
            route = f"{method} {path}"
            admitted = find_caller(self._shared, shown_token(call), call, scope, route=route, despite=keeps)
            if call.path["project"] != admitted.workspace:
                raise Refusal(401, "The key belongs to another project. Use the workspace of the key as the project.")
            return inner(call, admitted)

        return Handler(method, path, guarded(answer), largest=_LARGEST, spoken=spoken, keeps=keeps)

    # ------------------------------------------------------------------------------------------------------- events

    def _event(self, call: Call, admitted: Admitted) -> Answer:
        (told,) = self._record(admitted, [read_object(call)], bulk=False)
        return answer_json(told, status=201)

    def _bulk(self, call: Call, admitted: Admitted) -> Answer:
        events = read_object(call).get("events")
        if not isinstance(events, list) or not events:
            raise Refusal(400, "events is no list, or empty. Send at least one event.")
        if len(events) > _MOST_EVENTS:
            raise Refusal(400, f"There are more than {_MOST_EVENTS} events. Send several requests.")
        return answer_json(self._record(admitted, events, bulk=True), status=201)

    def _record(self, admitted: Admitted, said: list[Any], *, bulk: bool) -> list[dict[str, str]]:
        """Record all events or none."""
        refusal = refuse([check_event(one) for one in said], bulk=bulk)
        if refusal is not None:
            raise refusal
        self._take(admitted, len(said))
        now, workspace = self._log.now(), admitted.workspace
        ids = [uuid7(now, os.urandom(8)) for _ in said]
        events = [make_event(one, id_, workspace, now) for one, id_ in zip(said, ids, strict=True)]
        faults: list[list[tuple[str, str, Any]]] = []
        for event in events:
            try:
                claimed = reserved(event)
                if claimed is not None:
                    raise claimed
                self._log.check(workspace, event)
                faults.append([])
            except InvalidEvent as error:
                place = error.pointer.strip("/").replace("/", ".").removeprefix("details.") or "event"
                faults.append([(place, f"cannot be recorded: {error.fact}", None)])
        refusal = refuse(faults, bulk=bulk)
        if refusal is not None:
            raise refusal
        results = commit_or_keep(self._log, self._shared.meter, workspace, events, self._shared.waiting)
        for result in results:
            if isinstance(result, WhodidError):
                raise result
        self._shared.meter.events("recorded", len(events) - results.count(None))
        return [{"id": id_, "hash": event_hash(one, id_)} for one, id_ in zip(said, ids, strict=True)]

    # ------------------------------------------------------------------------------------------------------ reading

    def _viewer_token(self, call: Call, admitted: Admitted) -> Answer:
        asked = dict(call.query)
        for name in ("group_id", "actor_id"):
            if not asked.get(name):
                raise Refusal(400, f"{name} is missing. Send it as a parameter.")
        key = admitted.key
        at = int(self._log.now().timestamp())
        admin = asked.get("is_admin") == "true"
        wanted = asked.get("target_id")
        grant = Grant(
            use="token",
            workspace=admitted.workspace,
            group=identifier(asked["group_id"]),
            actor=Actor(type="user", id=identifier(asked["actor_id"]), role="admin" if admin else None),
            action=asked.get("view_log_action") or VIEW_ACTION,
            resource=identifier(wanted) if wanted else None,
            admin=admin,
            export=key.may("export"),
            personal=key.may("admin"),
            issued_at=at,
            expires_at=at + TOKEN_SECONDS,
        )
        return answer_json({"token": sign_grant(self._shared.secret, grant)}, status=201)

    def _query(self, call: Call, admitted: Admitted) -> Answer:
        key = admitted.key
        reader = Reader(self._log.reading(), admitted.workspace, personal=key.may("admin"))
        answered = answer_fields(reader, read_query(call))
        at = int(self._log.now().timestamp())
        claims = Claims(
            jti=key.id,
            workspace=admitted.workspace,
            viewer=key.actor(),
            permissions=("audit:read",),
            issued_at=at,
            expires_at=at + LONGEST,
        )
        self._shared.sessions.opened(Session(claims=claims, reader=reader), call)
        return answer_json({"data": answered})

    # ----------------------------------------------------------------------------------------------- enterprise tokens

    def _list(self, call: Call, admitted: Admitted) -> Answer:
        return answer_json([_told(one) for one in self._tokens.all(admitted.workspace, call.path["group"])])

    def _create(self, call: Call, admitted: Admitted) -> Answer:
        name, action = _wishes(read_object(call))
        group = call.path["group"]
        if identifier(group) != group or not group.isprintable():
            raise Refusal(400, "The group is not 1 to 200 printable characters.")
        token, text = self._tokens.create(
            admitted.workspace, group, name, action, actor=admitted.key.actor(), context=context_of(call, "api")
        )
        return answer_json(_told(token) | {"token": text}, status=201)

    def _show(self, call: Call, admitted: Admitted) -> Answer:
        return answer_json(_told(self._one(call, admitted)))

    def _rename(self, call: Call, admitted: Admitted) -> Answer:
        name, action = _wishes(read_object(call))
        token = self._tokens.rename(
            admitted.workspace,
            self._one(call, admitted),
            name,
            action,
            actor=admitted.key.actor(),
            context=context_of(call, "api"),
        )
        return answer_json(_told(token))

    def _revoke(self, call: Call, admitted: Admitted) -> Answer:
        token = self._one(call, admitted)
        self._tokens.revoke(admitted.workspace, token, actor=admitted.key.actor(), context=context_of(call, "api"))
        return Answer(status=204)

    def _one(self, call: Call, admitted: Admitted) -> EnterpriseToken:
        return self._tokens.one(admitted.workspace, call.path["group"], call.path["token"])


def _wishes(body: dict[str, Any]) -> tuple[str, str]:
    name, action = body.get("display_name") or "", body.get("view_log_action") or VIEW_ACTION
    if not isinstance(name, str) or not isinstance(action, str) or len(name) > 200 or len(action) > 200:
        raise Refusal(400, "display_name and view_log_action are texts of at most 200 characters.")
    return name, action


def _told(token: EnterpriseToken) -> dict[str, Any]:
    """Tell a token by its id: its text was shown when it was made, and is not kept."""
    return {"token": token.id, "display_name": token.name, "view_log_action": token.action}
