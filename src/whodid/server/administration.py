"""The `/v1` routes that manage: API keys, retention, and which workspaces there are."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import msgspec

from whodid.canonical import time_text
from whodid.log import Log
from whodid.model import Reason, Resource
from whodid.retention import Preview, change_policy, preview, read_policy
from whodid.server.answers import Answer, Call, answer_json
from whodid.server.callers import Caller, Callers
from whodid.server.keys import KeyRing
from whodid.server.managing import (
    CREATE_KEY,
    KEEP,
    KEYS,
    PREVIEW,
    REVOKE_KEY,
    ROTATE_KEY,
    WORKSPACES,
    NewKey,
    PolicyConsidered,
    PolicyWanted,
    Rotation,
)
from whodid.server.problems import problem
from whodid.server.workspaces import WorkspaceView, look_at, page_of
from whodid.viewer import asks

__all__ = ["LONGEST_OVERLAP", "Administration"]

LONGEST_OVERLAP = timedelta(days=30)
"""How long a rotated key may stay good beside the one that follows it."""

_MOST_LISTED = 200
_MADE = "api_key.created"
_CHANGED = "audit.retention_changed"
_KEY_ID = re.compile(r"wk_[0-9A-Z]{12}")


class Administration:
    """Routes over one log.

    Args:
        callers: Tells who manages.
    """

    def __init__(self, log: Log, callers: Callers) -> None:
        self._log = log
        self.handlers = (
            callers.without_body("GET", "/v1/keys", self._keys, KEYS),
            callers.with_body("POST", "/v1/keys", NewKey, self._create, CREATE_KEY, action=_MADE, about=_unmade),
            callers.with_body(
                "POST", "/v1/keys/{id}/rotate", Rotation, self._rotate, ROTATE_KEY, action=_MADE, about=_unmade
            ),
            callers.without_body(
                "DELETE", "/v1/keys/{id}", self._revoke, REVOKE_KEY, action="api_key.revoked", about=_named
            ),
            callers.with_body("PUT", "/v1/retention", PolicyWanted, self._keep, KEEP, action=_CHANGED),
            callers.with_body(
                "POST", "/v1/retention/preview", PolicyConsidered, self._foretell, PREVIEW, action=_CHANGED
            ),
            callers.without_body("GET", "/v1/workspaces", self._workspaces, WORKSPACES, chosen=False),
        )

    # ------------------------------------------------------------------------------------------------------------ keys

    def _keys(self, call: Call, caller: Caller, found: dict[str, str]) -> Answer:
        now = self._log.now()
        return answer_json({"items": [key.view(now) for key in self._ring(caller).all()]})

    def _create(self, call: Call, caller: Caller, wish: NewKey) -> Answer:
        made = self._ring(caller).create(wish.name, scopes=wish.scopes, expires_at=wish.expires_at, rate=wish.rate)
        return answer_json({**made.key.view(self._log.now()), "key": made.text}, status=201)

    def _rotate(self, call: Call, caller: Caller, wish: Rotation) -> Answer:
        if not 0 <= wish.overlap <= LONGEST_OVERLAP.total_seconds():
            longest = int(LONGEST_OVERLAP.total_seconds())
            return problem(422, call.request_id, f"The overlap is not 0 to {longest:,} seconds.", pointer="/overlap")
        ring = self._ring(caller)
        overlap = timedelta(seconds=wish.overlap)
        made = ring.rotate(call.path["id"], overlap=overlap, expires_at=wish.expires_at)
        ends = ring.get(call.path["id"]).expires_at
        told = {**made.key.view(self._log.now()), "key": made.text, "replaced_until": ends and time_text(ends)}
        return answer_json(told, status=201)

    def _revoke(self, call: Call, caller: Caller, found: dict[str, str]) -> Answer:
        return answer_json(self._ring(caller).revoke(call.path["id"]).view(self._log.now()))

    def _ring(self, caller: Caller) -> KeyRing:
        return KeyRing(self._log, caller.workspace, actor=caller.actor, context=caller.context)

    # ------------------------------------------------------------------------------------------------------- retention

    def _keep(self, call: Call, caller: Caller, wish: PolicyWanted) -> Answer:
        workspace = caller.workspace
        receipt = change_policy(
            self._log,
            workspace,
            wish.policy(),
            actor=caller.actor,
            context=caller.context,
            reason=Reason(text=wish.reason) if wish.reason else None,
        )
        told = msgspec.to_builtins(read_policy(self._log, workspace))
        return answer_json({**told, "index": receipt.index if receipt else None})

    def _foretell(self, call: Call, caller: Caller, wish: PolicyConsidered) -> Answer:
        return answer_json(_preview_view(preview(self._log, caller.workspace, wish.policy())))

    # ------------------------------------------------------------------------------------------------------ workspaces

    def _workspaces(self, call: Call, caller: Caller, found: dict[str, str]) -> Answer:
        limit = asks.number(found, "limit", 50, 1, _MOST_LISTED)
        if not caller.everywhere:
            own = look_at(self._log, caller.workspace)
            return answer_json({"items": [_view(own)], "total": 1, "next": None})
        page = page_of(self._log, search=found.get("q", ""), after=found.get("after", ""), limit=limit)
        return answer_json({"items": [_view(one) for one in page.items], "total": page.total, "next": page.next})


def _preview_view(found: Preview) -> dict[str, Any]:
    """Return what a policy would remove now, as JSON."""
    terms = [
        {
            "days": term.days,
            "before": time_text(term.cutoff),
            "entries": term.entries,
            "classes": term.classes,
            "lowest": term.lowest,
            "highest": term.highest,
        }
        for term in found.terms
    ]
    questions = [
        {"question": one.question, "entries": one.entries, "until": time_text(one.until)}
        for one in found.loss.questions
    ]
    return {
        **msgspec.to_builtins(found.policy),
        "entries": found.entries,
        "stays": found.stays,
        "held": found.held,
        "bytes": found.loss.bytes,
        "people": found.loss.people,
        "questions": questions,
        "terms": terms,
    }


def _view(one: WorkspaceView) -> dict[str, Any]:
    return {
        "workspace": one.workspace,
        "size": one.size,
        "entries": one.entries,
        "oldest_at": one.oldest_at and time_text(one.oldest_at),
        "last_at": one.last_at and time_text(one.last_at),
        "retention": msgspec.to_builtins(one.retention),
    }


def _unmade(call: Call) -> Resource:
    """Return the key that was asked for, as far as a refusal can name it."""
    replaced = _named(call).name if call.path.get("id") else None
    return Resource(type="api_key", id="unmade", name=f"to follow {replaced}" if replaced else "that was asked for")


def _named(call: Call) -> Resource:
    """Return the key that the address names; what is not the id of a key is not repeated."""
    given = call.path.get("id", "")
    known = given if _KEY_ID.fullmatch(given) else "unknown"
    return Resource(type="api_key", id=known, name=known)
