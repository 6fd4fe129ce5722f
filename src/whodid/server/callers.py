"""Who manages which workspace: the one door of all `/v1` routes that manage.

An API key with the scope `admin` manages the workspace that it belongs to. An operator token manages the one that the
header `X-Whodid-Workspace` names. Whoever else tries is refused, and the refusal is an entry of that workspace.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from whodid.errors import InvalidSetting
from whodid.log import Log
from whodid.model import Actor, Context, Resource
from whodid.server.answers import Answer, Call, Handler
from whodid.server.described import Description
from whodid.server.gate import Gate
from whodid.server.operators import verify_operator_token
from whodid.server.ordering import read_order
from whodid.server.problems import problem, refusal
from whodid.server.refusals import Refusals
from whodid.server.sessions import Sessions, bearer, context_of
from whodid.viewer import asks

__all__ = ["Caller", "Callers", "Person"]

_WORKSPACE = re.compile(r"[A-Za-z0-9_.:\-]{1,100}")
_Wish = TypeVar("_Wish")
_About = Callable[[Call], Resource]


class Person(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who decided what a program orders.

    Args:
        id: Of the user, as in the actors of entries.
        name: What people call them.
    """

    id: Annotated[str, Meta(min_length=1, max_length=200)]
    name: Annotated[str, Meta(min_length=1, max_length=200)]


class Caller(Struct, frozen=True, kw_only=True):
    """Who manages.

    Args:
        workspace: Which one; empty for an operator who named none.
        everywhere: Whether it is an operator.
    """

    workspace: str
    actor: Actor
    context: Context
    everywhere: bool

    def named(self, by: Person | None) -> Actor:
        """Return the actor of an act that a person has to answer for.

        Args:
            by: Whom a key acts for; an operator token names its person itself.

        Raises:
            InvalidSetting: Nobody is named, or somebody else than the token names.
        """
        if self.everywhere:
            if by is not None:
                raise InvalidSetting("An operator token names who acts", "Leave `by` out")
            return self.actor
        if by is None:
            raise InvalidSetting(
                "A key is nobody, and somebody has to answer for this", "Say who decided it in `by`: `id` and `name`"
            )
        return replace(self.actor, on_behalf_of=Actor(type="user", id=by.id, name=by.name))


class Callers:
    """Admit whoever manages.

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

    def without_body(
        self,
        method: str,
        path: str,
        inner: Callable[[Call, Caller, dict[str, str]], Answer],
        described: Description,
        *,
        action: str = "",
        about: _About | None = None,
        chosen: bool = True,
    ) -> Handler:
        """Make a route without a body: it reads the parameters that its description names, and admits who manages.

        Args:
            inner: Answers whoever was admitted.
            action: As for `_admit`.
            about: Names what it is tried on; the log when not given.
            chosen: As for `_admit`.
        """

        def answer(call: Call) -> Answer:
            found = asks.parameters(call.query, *described.takes)
            caller = self._admit(call, action, about(call) if about else None, chosen=chosen)
            return caller if isinstance(caller, Answer) else inner(call, caller, found)

        return Handler(method, path, answer, described=described)

    def with_body(
        self,
        method: str,
        path: str,
        wish: type[_Wish],
        inner: Callable[[Call, Caller, _Wish], Answer],
        described: Description,
        *,
        action: str,
        about: _About | None = None,
    ) -> Handler:
        """Make a route with a body: it takes no parameters, admits who manages, and reads what is ordered.

        Args:
            wish: The type of the body.
            inner: Carries out what whoever was admitted orders.
            action: As for `_admit`.
            about: Names what it is tried on; the log when not given.
        """
        decoder = msgspec.json.Decoder(wish)

        def order(call: Call, caller: Caller, _: dict[str, str]) -> Answer:
            ordered = read_order(call, decoder)
            return ordered if isinstance(ordered, Answer) else inner(call, caller, ordered)

        return self.without_body(method, path, order, described, action=action, about=about)

    def _admit(self, call: Call, action: str, resource: Resource | None, *, chosen: bool) -> Caller | Answer:
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
            return Caller(workspace=wanted or "", actor=operator, context=context, everywhere=True)
        if not text.startswith("wk_"):
            session = self._sessions.open(call, named=False)
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
        return Caller(workspace=admitted.workspace, actor=admitted.key.actor(), context=context, everywhere=False)


def _forbidden(call: Call) -> Answer:
    return problem(
        403, call.request_id, "This takes a key that may administer.", "Use a key with the scope admin.",
        permission="admin",
    )  # fmt: skip
