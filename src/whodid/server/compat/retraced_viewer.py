"""The routes that the Retraced viewer calls, from the page of any application: sessions, searches, exports, tokens."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from whodid.export import pieces
from whodid.export.import_.foreign import read_time
from whodid.query import narrow
from whodid.server.answers import Answer, Call, Handler, answer_json
from whodid.server.compat.retraced_events import crud_of
from whodid.server.compat.retraced_search import Search, answer_fields, read_search
from whodid.server.compat.retraced_tokens import (
    SESSION_SECONDS,
    EnterpriseToken,
    EnterpriseTokens,
    Grant,
    open_grant,
    sign_grant,
)
from whodid.server.compat.retraced_words import BASE, VIEW_ACTION, Recorder, guarded, read_query, spoken
from whodid.server.compat.shared import KeptList, Refusal, Shared, newest, read_object, send_file
from whodid.server.sessions import context_of

__all__ = ["Viewing"]

_VIEWER = f"{BASE}/viewer/v1"
_MOST_EXPORTS = 5_000
_OF_GROUP = 50
_NAME = re.compile(r"[^A-Za-z0-9_.\-]+")
_SHOWN = {"showCreate": "c", "showRead": "r", "showUpdate": "u", "showDelete": "d"}

# A token travels in a header that a page has to set itself, so no page can use another's.
_ORIGINS = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "Content-Disposition, X-Retraced-RequestId, Retry-After"),
)
_PREFLIGHT = (
    *_ORIGINS,
    ("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type, Accept"),
    ("Access-Control-Max-Age", "600"),
)

_Inner = Callable[[Call, Grant], Answer]


class _Saved(Struct, frozen=True, kw_only=True):
    """A question that a viewer keeps."""

    id: str
    group: str
    name: str
    text: str
    letters: str
    since: datetime | None
    until: datetime | None
    saved_at: datetime


class Viewing:
    """The routes of viewers."""

    def __init__(self, shared: Shared, tokens: EnterpriseTokens, recorder: Recorder) -> None:
        self._shared = shared
        self._log = shared.log
        self._tokens = tokens
        self._recorder = recorder
        self._saved = KeptList(shared.log, "retraced_exports", _Saved, most=_MOST_EXPORTS)
        project = f"{_VIEWER}/project/{{project}}"
        self.handlers = [
            Handler("OPTIONS", f"{_VIEWER}/{{rest:path}}", lambda _: Answer(status=204, headers=_PREFLIGHT)),
            Handler("POST", f"{_VIEWER}/viewersession", guarded(self._begin), spoken=_spoken),
            self._handler("POST", f"{_VIEWER}/graphql", self._query),
            self._handler("POST", f"{_VIEWER}/graphql/paginated", self._query),
            self._handler("GET", f"{project}/exports", self._list),
            self._handler("POST", f"{project}/export", self._save),
            self._handler("GET", f"{project}/export/{{id}}/rendered", self._render),
            self._handler("GET", f"{project}/eitapi_tokens", self._tokens_of),
            self._handler("POST", f"{project}/eitapi_token", self._create_token),
            self._handler("PUT", f"{project}/eitapi_token/{{id}}", self._rename_token),
            self._handler("DELETE", f"{project}/eitapi_token/{{id}}", self._revoke_token),
        ]

    def _handler(self, method: str, path: str, inner: _Inner) -> Handler:
        def answer(call: Call) -> Answer:
            shown = call.headers.get("authorization", "").strip()
            grant = open_grant(self._shared.secret, shown, "session", now=self._log.now())
            if grant is None or call.path.get("project", grant.workspace) != grant.workspace:
                raise Refusal(401, "The session is missing, over, or of another project. Open one with a new token.")
            self._shared.pace.take(grant.workspace, grant.group, grant.actor.type, grant.actor.id)
            return inner(call, grant)

        return Handler(method, path, guarded(answer), spoken=_spoken)

    def _begin(self, call: Call) -> Answer:
        token, now = read_object(call).get("token"), self._log.now()
        grant = open_grant(self._shared.secret, token, "token", now=now) if isinstance(token, str) else None
        if grant is None:
            raise Refusal(401, "The viewer token is not valid, or its five minutes are over. Ask for a new one.")
        at = int(now.timestamp())
        session = replace(grant, use="session", issued_at=at, expires_at=at + SESSION_SECONDS)
        return answer_json({"project_id": grant.workspace, "token": sign_grant(self._shared.secret, session)})

    def _query(self, call: Call, grant: Grant) -> Answer:
        answered = answer_fields(grant.reader(self._log), read_query(call), grant.holds if grant.resource else None)
        if dict(call.query).get("skipViewLogEvent") != "true":
            self._recorder.read(call, grant.workspace, grant.group, grant.actor, grant.action)
        return answer_json({"data": answered})

    # ------------------------------------------------------------------------------------------------------- exports

    def _list(self, call: Call, grant: Grant) -> Answer:
        limit = dict(call.query).get("limit") or "100"  # the viewer leaves it empty
        if not re.fullmatch(r"[0-9]{1,4}", limit):
            raise Refusal(400, "The limit is no number.")
        kept = [one for one in self._saved.all(grant.workspace) if one.group == grant.group]
        return answer_json([_told(one, grant) for one in kept[::-1][: int(limit)]])

    def _save(self, call: Call, grant: Grant) -> Answer:
        body = read_object(call)
        name, asked = body.get("name"), body.get("exportBody")
        if not isinstance(name, str) or not 0 < len(name) <= 200 or not isinstance(asked, dict):
            raise Refusal(400, "name is no text of 1 to 200 characters, or exportBody no object.")
        text = asked.get("searchQuery") or ""
        if not isinstance(text, str) or asked.get("version", 1) != 1:
            raise Refusal(400, "searchQuery is no text, or the version is not 1.")
        read_search(text)
        times: list[datetime | None] = []
        for part in ("startTime", "endTime"):
            said = asked.get(part)
            times.append(None if said is None else read_time(said))
            if said is not None and times[-1] is None:
                raise Refusal(400, f"{part} is no time.")
        kept = _Saved(
            id=secrets.token_hex(12),
            group=grant.group,
            name=name,
            text=text,
            letters="".join(letter for part, letter in _SHOWN.items() if asked.get(part, True)),
            since=times[0],
            until=times[1],
            saved_at=self._log.now(),
        )
        self._saved.change(grant.workspace, lambda before: newest(before, kept, _OF_GROUP))
        return answer_json(_told(kept, grant), status=201)

    def _render(self, call: Call, grant: Grant) -> Answer:
        if not grant.export:
            raise Refusal(403, "This viewer may not export. Make its token with a key that has the scope export.")
        kept = next(
            (one for one in self._saved.all(grant.workspace) if one.id == call.path["id"] and one.group == grant.group),
            None,
        )
        if kept is None:
            raise Refusal(404, "There is no such export. Save it first.")
        search, reader = read_search(kept.text), grant.reader(self._log)
        query = narrow(search.query, since=kept.since, until=kept.until)
        narrowed = Search(query=query, accept=(*search.accept, grant.holds, lambda one: crud_of(one) in kept.letters))
        made = pieces(
            self._log,
            grant.workspace,
            reader.within(query),
            "csv",
            actor=grant.actor,
            context=context_of(call, "api"),
            entries=filter(narrowed.holds, reader.stream(query)),
        )
        name = _NAME.sub("-", kept.name).strip("-.") or "export"
        return send_file(self._shared, made, f"{name}.csv")

    # -------------------------------------------------------------------------------------------------------- tokens

    def _tokens_of(self, call: Call, grant: Grant) -> Answer:
        _require_admin(grant)
        kept = self._tokens.all(grant.workspace, grant.group)
        # The viewer reads a new token from this list and nowhere else.
        return answer_json([_shown(one) | {"id": self._tokens.shown(one)} for one in kept])

    def _create_token(self, call: Call, grant: Grant) -> Answer:
        _require_admin(grant)
        token, text = self._tokens.create(
            grant.workspace, grant.group, _wish(call), VIEW_ACTION, actor=grant.actor, context=context_of(call, "api")
        )
        return answer_json(_shown(token) | {"id": text}, status=201)

    def _rename_token(self, call: Call, grant: Grant) -> Answer:
        _require_admin(grant)
        token = self._tokens.one(grant.workspace, grant.group, call.path["id"])
        renamed = self._tokens.rename(
            grant.workspace, token, _wish(call), token.action, actor=grant.actor, context=context_of(call, "api")
        )
        return answer_json(_shown(renamed))

    def _revoke_token(self, call: Call, grant: Grant) -> Answer:
        _require_admin(grant)
        token = self._tokens.one(grant.workspace, grant.group, call.path["id"])
        self._tokens.revoke(grant.workspace, token, actor=grant.actor, context=context_of(call, "api"))
        return Answer(status=204)


def _spoken(answer: Answer, asked: str) -> Answer:
    """Turn an answer into the form that viewers read, on pages of whatever origin."""
    made = spoken(answer, asked)
    return replace(made, headers=(*made.headers, *_ORIGINS))


def _require_admin(grant: Grant) -> None:
    # A token made here sees what its maker sees, and outlives the session.
    if not grant.admin or grant.resource is not None:
        raise Refusal(403, "Only administrators of the group manage its tokens. Make the viewer token with is_admin.")


def _wish(call: Call) -> str:
    name = read_object(call).get("displayName")
    if not isinstance(name, str) or not 0 < len(name) <= 200:
        raise Refusal(400, "displayName is no text of 1 to 200 characters.")
    return name


def _shown(token: EnterpriseToken) -> dict[str, Any]:
    return {"id": token.id, "display_name": token.name}


def _told(kept: _Saved, grant: Grant) -> dict[str, Any]:
    return {
        "id": kept.id,
        "project_id": grant.workspace,
        "group_id": kept.group,
        "name": kept.name,
        "saved_at": int(kept.saved_at.timestamp() * 1000),
        "exportBody": {
            "version": 1,
            "searchQuery": kept.text,
            **{part: letter in kept.letters for part, letter in _SHOWN.items()},
            "startTime": None if kept.since is None else int(kept.since.timestamp() * 1000),
            "endTime": None if kept.until is None else int(kept.until.timestamp() * 1000),
        },
    }
