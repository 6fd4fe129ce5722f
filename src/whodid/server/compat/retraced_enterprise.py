"""The routes that a customer's own programs call with an enterprise token: searches over one group.

Each call is recorded. An active search and an ad hoc one walk the log in its own order, so that what is recorded
meanwhile comes later and nothing is left out.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from whodid.export.import_.foreign import read_time
from whodid.server.answers import Answer, Call, Handler, answer_json
from whodid.server.compat.retraced_events import node
from whodid.server.compat.retraced_search import answer_fields, by_lists, follow
from whodid.server.compat.retraced_tokens import EnterpriseToken, EnterpriseTokens, group_reader
from whodid.server.compat.retraced_words import BASE, Recorder, guarded, read_query, shown_token, spoken
from whodid.server.compat.shared import KeptList, Refusal, Shared, newest, read_object
from whodid.viewer import Reader

__all__ = ["Enterprise"]

_ENTERPRISE = f"{BASE}/enterprise/v1"
_MOST = 5_000
_OF_GROUP = 50
_LARGEST_PAGE = 200
_MOST_VALUES = 50
_PLACE = re.compile(r'(?:W/)?"?(0|[1-9][0-9]{0,15})"?')


class _Saved(Struct, frozen=True, kw_only=True):
    """A question that is kept."""

    id: str
    group: str
    name: str
    actions: list[str]
    actor_ids: list[str]
    start: datetime | None


class _Active(Struct, frozen=True, kw_only=True):
    """A walk through the log with a kept question; `next` is the index to go on from."""

    id: str
    group: str
    saved: str
    next: int = 0


class _Caller(Struct, frozen=True, kw_only=True):
    workspace: str
    token: EnterpriseToken
    reader: Reader


_Inner = Callable[[Call, _Caller], Answer]


class Enterprise:
    """The routes of enterprise tokens."""

    def __init__(self, shared: Shared, tokens: EnterpriseTokens, recorder: Recorder) -> None:
        self._log = shared.log
        self._pace = shared.pace
        self._tokens = tokens
        self._recorder = recorder
        self._saved = KeptList(shared.log, "retraced_saved", _Saved, most=_MOST)
        self._active = KeptList(shared.log, "retraced_active", _Active, most=_MOST)
        self.handlers = [
            self._handler("POST", f"{_ENTERPRISE}/graphql", self._query),
            self._handler("POST", f"{_ENTERPRISE}/search/saved", self._save),
            self._handler("POST", f"{_ENTERPRISE}/search/active", self._begin),
            self._handler("GET", f"{_ENTERPRISE}/search/active/{{id}}", self._pump),
            self._handler("GET", f"{_ENTERPRISE}/search/adhoc", self._adhoc),
        ]

    def _handler(self, method: str, path: str, inner: _Inner) -> Handler:
        def answer(call: Call) -> Answer:
            found = self._tokens.find(shown_token(call))
            if found is None:
                raise Refusal(401, "The enterprise token is missing or not valid. Send it as token=….")
            workspace, token = found
            self._pace.take(workspace, token.group, token.id)
            caller = _Caller(workspace=workspace, token=token, reader=group_reader(self._log, workspace, token.group))
            made = inner(call, caller)
            self._recorder.read(call, workspace, token.group, token.actor(), token.action)
            return made

        return Handler(method, path, guarded(answer), spoken=spoken)

    def _query(self, call: Call, caller: _Caller) -> Answer:
        return answer_json({"data": answer_fields(caller.reader, read_query(call))})

    def _save(self, call: Call, caller: _Caller) -> Answer:
        body = read_object(call)
        name, start = body.get("name"), body.get("start")
        if not isinstance(name, str) or not 0 < len(name) <= 200:
            raise Refusal(400, "name is no text of 1 to 200 characters.")
        since = None if start is None else read_time(start)
        if start is not None and since is None:
            raise Refusal(400, "start is no time in ISO 8601.")
        kept = _Saved(
            id=secrets.token_hex(12),
            group=caller.token.group,
            name=name,
            actions=_texts(body, "actions"),
            actor_ids=_texts(body, "actor_ids"),
            start=since,
        )
        self._saved.change(caller.workspace, lambda before: newest(before, kept, _OF_GROUP))
        return answer_json({"id": kept.id}, status=201)

    def _begin(self, call: Call, caller: _Caller) -> Answer:
        wanted = read_object(call).get("saved_search_id")
        kept = _one(self._saved.all(caller.workspace), wanted, caller)
        active = _Active(id=secrets.token_hex(12), group=kept.group, saved=kept.id)
        self._active.change(caller.workspace, lambda before: newest(before, active, _OF_GROUP))
        return answer_json({"id": active.id}, status=201)

    def _pump(self, call: Call, caller: _Caller) -> Answer:
        active = _one(self._active.all(caller.workspace), call.path["id"], caller)
        kept = _one(self._saved.all(caller.workspace), active.saved, caller)
        asked = dict(call.query)
        start = _place(asked["next"], "next") if asked.get("next") else active.next
        search = by_lists(kept.actions, kept.actor_ids, kept.start)
        found, following = follow(caller.reader, search, start, _size(asked))
        self._active.change(
            caller.workspace,
            lambda before: [replace(one, next=following) if one.id == active.id else one for one in before],
        )
        return answer_json({"events": [node(one) for one in found], "next": str(following)})

    def _adhoc(self, call: Call, caller: _Caller) -> Answer:
        asked = dict(call.query)
        search = by_lists(
            [asked["action"]] if asked.get("action") else [], [asked["actor_id"]] if asked.get("actor_id") else [], None
        )
        known = call.headers.get("if-none-match")
        start = _place(known, "If-None-Match") if known else 0
        found, following = follow(caller.reader, search, start, _size(asked))
        headers = (("ETag", f'W/"{following}"'), ("Cache-Control", "no-store"))
        return answer_json({"events": [node(one) for one in found], "next": str(following)}, headers=headers)


def _one(kept: list[Any], id_: Any, caller: _Caller) -> Any:
    found = next((one for one in kept if one.id == id_ and one.group == caller.token.group), None)
    if found is None:
        raise Refusal(404, "There is no such search. Create it first.")
    return found


def _texts(body: dict[str, Any], name: str) -> list[str]:
    value = body.get(name) or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value) or len(value) > _MOST_VALUES:
        raise Refusal(400, f"{name} is not a list of at most {_MOST_VALUES} texts.")
    return value


def _size(asked: dict[str, str]) -> int:
    text = asked.get("page_size", "100")
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= _LARGEST_PAGE:
        raise Refusal(400, f"page_size is not 1 to {_LARGEST_PAGE}.")
    return int(text)


def _place(text: str, name: str) -> int:
    found = _PLACE.fullmatch(text.strip())
    if found is None:
        raise Refusal(400, f"{name} is no place that this server gave.")
    return int(found[1])
