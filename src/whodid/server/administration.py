"""The `/v1` routes that manage: API keys, retention, and which workspaces there are.

An API key with the scope `admin` manages the workspace that it belongs to. An operator token manages the one that the
header `X-Whodid-Workspace` names. Whoever else tries is refused, and the refusal is an entry of that workspace.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from whodid.canonical import time_text
from whodid.log import Log
from whodid.model import Actor, Context, Reason, Resource
from whodid.retention import Preview, change_policy, preview, read_policy
from whodid.server.answers import Answer, Call, Handler, answer_json
from whodid.server.gate import Gate
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
from whodid.server.operators import verify_operator_token
from whodid.server.ordering import read_order
from whodid.server.problems import problem, refusal
from whodid.server.refusals import Refusals
from whodid.server.sessions import Sessions, bearer, context_of
from whodid.server.workspaces import WorkspaceView, look_at, page_of
from whodid.viewer import asks

__all__ = ["LONGEST_OVERLAP", "Administration", "view_of_preview"]

LONGEST_OVERLAP = timedelta(days=30)
"""How long a rotated key may stay good beside the one that follows it."""

_MOST_LISTED = 200
_WORKSPACE = re.compile(r"[A-Za-z0-9_.:\-]{1,100}")
_Wish = TypeVar("_Wish")
_KEY_ID = re.compile(r"wk_[0-9A-Z]{12}")


_key_decoder = msgspec.json.Decoder(NewKey)
_rotation_decoder = msgspec.json.Decoder(Rotation)
_considered_decoder = msgspec.json.Decoder(PolicyConsidered)
_wanted_decoder = msgspec.json.Decoder(PolicyWanted)


class _Caller(Struct, frozen=True, kw_only=True):
    """Who manages.

    Args:
        workspace: Which one; None for an operator who named none.
        everywhere: Whether it is an operator.
    """

    workspace: str | None
    actor: Actor
    context: Context
    everywhere: bool


class Administration:
    """Routes over one log.

    Args:
        sessions: Opens the requests of viewers, to refuse them.
        gate: Reads API keys.
        secret: What operator tokens are signed with.
    """

    def __init__(self, log: Log, sessions: Sessions, gate: Gate, *, secret: bytes) -> None:
        self._log = log
        self._sessions = sessions
        self._gate = gate
        self._secret = secret
        self._refusals = Refusals(log, secret=secret)
        self.handlers = (
            Handler("GET", "/v1/keys", self._keys, described=KEYS),
            Handler("POST", "/v1/keys", self._create, described=CREATE_KEY),
            Handler("POST", "/v1/keys/{id}/rotate", self._rotate, described=ROTATE_KEY),
            Handler("DELETE", "/v1/keys/{id}", self._revoke, described=REVOKE_KEY),
            Handler("PUT", "/v1/retention", self._keep, described=KEEP),
            Handler("POST", "/v1/retention/preview", self._foretell, described=PREVIEW),
            Handler("GET", "/v1/workspaces", self._workspaces, described=WORKSPACES),
        )

    # ------------------------------------------------------------------------------------------------------------ keys

    def _keys(self, call: Call) -> Answer:
        asks.parameters(call.query)
        caller = self._caller(call)
        if isinstance(caller, Answer):
            return caller
        now = self._log.now()
        return answer_json({"items": [key.view(now) for key in self._ring(caller).all()]})

    def _create(self, call: Call) -> Answer:
        ordered = self._ordered(call, _key_decoder, "api_key.created", _unmade(call))
        if isinstance(ordered, Answer):
            return ordered
        caller, wish = ordered
        made = self._ring(caller).create(wish.name, scopes=wish.scopes, expires_at=wish.expires_at, rate=wish.rate)
        return answer_json({**made.key.view(self._log.now()), "key": made.text}, status=201)

    def _rotate(self, call: Call) -> Answer:
        ordered = self._ordered(call, _rotation_decoder, "api_key.created", _unmade(call))
        if isinstance(ordered, Answer):
            return ordered
        caller, wish = ordered
        if not 0 <= wish.overlap <= LONGEST_OVERLAP.total_seconds():
            longest = int(LONGEST_OVERLAP.total_seconds())
            return problem(422, call.request_id, f"The overlap is not 0 to {longest:,} seconds.", pointer="/overlap")
        ring = self._ring(caller)
        overlap = timedelta(seconds=wish.overlap)
        made = ring.rotate(call.path["id"], overlap=overlap, expires_at=wish.expires_at)
        ends = ring.get(call.path["id"]).expires_at
        told = {**made.key.view(self._log.now()), "key": made.text, "replaced_until": ends and time_text(ends)}
        return answer_json(told, status=201)

    def _revoke(self, call: Call) -> Answer:
        asks.parameters(call.query)
        caller = self._caller(call, "api_key.revoked", _named(call))
        if isinstance(caller, Answer):
            return caller
        return answer_json(self._ring(caller).revoke(call.path["id"]).view(self._log.now()))

    def _ring(self, caller: _Caller) -> KeyRing:
        return KeyRing(self._log, caller.workspace or "", actor=caller.actor, context=caller.context)

    # ------------------------------------------------------------------------------------------------------- retention

    def _keep(self, call: Call) -> Answer:
        ordered = self._ordered(call, _wanted_decoder, "audit.retention_changed")
        if isinstance(ordered, Answer):
            return ordered
        caller, wish = ordered
        workspace = caller.workspace or ""
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

    def _foretell(self, call: Call) -> Answer:
        ordered = self._ordered(call, _considered_decoder, "audit.retention_changed")
        if isinstance(ordered, Answer):
            return ordered
        caller, wish = ordered
        return answer_json(view_of_preview(preview(self._log, caller.workspace or "", wish.policy())))

    # ------------------------------------------------------------------------------------------------------ workspaces

    def _workspaces(self, call: Call) -> Answer:
        found = asks.parameters(call.query, *WORKSPACES.takes)
        caller = self._caller(call, chosen=False)
        if isinstance(caller, Answer):
            return caller
        limit = asks.number(found, "limit", 50, 1, _MOST_LISTED)
        if not caller.everywhere:
            own = look_at(self._log, caller.workspace or "")
            return answer_json({"items": [_view(own)], "total": 1, "next": None})
        page = page_of(self._log, search=found.get("q", ""), after=found.get("after", ""), limit=limit)
        return answer_json({"items": [_view(one) for one in page.items], "total": page.total, "next": page.next})

    # ---------------------------------------------------------------------------------------------------------- caller

    def _ordered(
        self, call: Call, decoder: msgspec.json.Decoder[_Wish], action: str, resource: Resource | None = None
    ) -> tuple[_Caller, _Wish] | Answer:
        """Return who orders what, or the answer to one that may not or cannot be carried out; see `_caller`."""
        asks.parameters(call.query)
        caller = self._caller(call, action, resource)
        if isinstance(caller, Answer):
            return caller
        wish = read_order(call, decoder)
        return wish if isinstance(wish, Answer) else (caller, wish)

    def _caller(
        self, call: Call, action: str = "", resource: Resource | None = None, *, chosen: bool = True
    ) -> _Caller | Answer:
        """Return who manages which workspace, or the refusal, which is recorded.

        Args:
            action: What is tried, for the entry that a refused viewer leaves behind; empty for looking only.
            resource: What it is tried on; the log when not given.
            chosen: Whether a workspace has to be named.
        """
        text, wanted = bearer(call), call.headers.get("x-whodid-workspace")
        route = f"{call.method} /v1"
        context = context_of(call, "api")
        if text is None:
            return refusal(call.request_id)
        if text.startswith("wo1."):
            operator = verify_operator_token(self._secret, text, now=self._log.now())
            if operator is None:
                return refusal(call.request_id)
            if chosen and (wanted is None or not _WORKSPACE.fullmatch(wanted)):
                return problem(
                    400, call.request_id, "No workspace is named.", "Name one in the header X-Whodid-Workspace."
                )
            return _Caller(workspace=wanted, actor=operator, context=context, everywhere=True)
        if not text.startswith("wk_"):
            session = self._sessions.open(call)
            if session is None:
                return refusal(call.request_id)
            claims = session.claims
            if action:
                about = resource or Resource(type="log", id=claims.workspace)
                self._refusals.record(
                    claims.workspace, claims.viewer, action, about, cause="token", route=route, context=context_of(call)
                )
            return _forbidden(call)
        # Looked up each time: a key that was revoked a moment ago makes no other key.
        admitted = self._gate.admit(text, route=route, context=context)
        if admitted is None:
            return refusal(call.request_id)
        self._sessions.pace.take(admitted.key.id)
        if wanted is not None and wanted != admitted.workspace:
            return problem(
                403,
                call.request_id,
                "This key belongs to another workspace.",
                "Use a key of the workspace that is to be managed.",
                kind="other-workspace",
            )
        if not admitted.key.may("admin"):
            self._gate.denied(admitted, "scope", route=route, context=context)
            return _forbidden(call)
        return _Caller(workspace=admitted.workspace, actor=admitted.key.actor(), context=context, everywhere=False)


def view_of_preview(found: Preview) -> dict[str, Any]:
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
    return {**msgspec.to_builtins(found.policy), "entries": found.entries, "stays": found.stays, "terms": terms}


def _view(one: WorkspaceView) -> dict[str, Any]:
    return {
        "workspace": one.workspace,
        "size": one.size,
        "entries": one.entries,
        "oldest_at": one.oldest_at and time_text(one.oldest_at),
        "last_at": one.last_at and time_text(one.last_at),
        "retention": msgspec.to_builtins(one.retention),
    }


def _forbidden(call: Call) -> Answer:
    return problem(
        403, call.request_id, "This takes a key that may administer.", "Use a key with the scope admin.",
        permission="admin",
    )  # fmt: skip


def _unmade(call: Call) -> Resource:
    """Return the key that was asked for, as far as a refusal can name it."""
    replaced = _named(call).name if call.path.get("id") else None
    return Resource(type="api_key", id="unmade", name=f"to follow {replaced}" if replaced else "that was asked for")


def _named(call: Call) -> Resource:
    """Return the key that the address names; what is not the id of a key is not repeated."""
    given = call.path.get("id", "")
    known = given if _KEY_ID.fullmatch(given) else "unknown"
    return Resource(type="api_key", id=known, name=known)
