"""Routes over what only a reader of the whole log may see, and what only those who may manage it may do.

Looking takes `audit:read` and no locked filter, because what is seen is about what the filter leaves out. Acting takes
`audit:manage`, which an API key with the scope `admin` has; whoever else tries is refused, and that is an entry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from whodid.errors import Denied
from whodid.log import Log
from whodid.model import Actor, Context, Resource
from whodid.server.answers import Answer, Call, Handler, answer_json
from whodid.server.described import Description
from whodid.server.ordering import read_order
from whodid.server.problems import refusal
from whodid.server.refusals import Refusals
from whodid.server.sessions import Session, Sessions, bearer, context_of
from whodid.viewer import asks

__all__ = ["MANAGE", "Acts", "came", "may", "who"]

MANAGE = "audit:manage"

_Wish = TypeVar("_Wish")


class Acts:
    """Makes such routes.

    Args:
        sessions: Opens requests.
        secret: Makes the ids of the entries about refusals.
    """

    def __init__(self, log: Log, sessions: Sessions, *, secret: bytes) -> None:
        self._sessions = sessions
        self._refusals = Refusals(log, secret=secret)

    def look(self, path: str, inner: Callable[[Session, dict[str, str], Call], Any], described: Description) -> Handler:
        """Make a route that looks."""

        def answer(call: Call) -> Answer:
            session = self._sessions.open(call)
            if session is None:
                return refusal(call.request_id)
            may(session, *described.needs)
            return answer_json(inner(session, asks.parameters(call.query, *described.takes), call))

        return Handler("GET", path, answer, described=described)

    def act(
        self,
        path: str,
        inner: Callable[[Session, Call], Any],
        described: Description,
        action: str,
        *,
        method: str = "POST",
    ) -> Handler:
        """Make a route that acts.

        Args:
            action: What it does, for the entry that a refused viewer leaves behind.
        """

        def answer(call: Call) -> Answer:
            session = self._sessions.open(call)
            if session is None:
                return refusal(call.request_id)
            asks.parameters(call.query, *described.takes)
            try:
                may(session, *described.needs)
            except Denied:
                claims = session.claims
                self._refusals.record(
                    claims.workspace,
                    claims.viewer,
                    action,
                    Resource(type="log", id=claims.workspace),
                    cause="permission",
                    route=f"{method} {path}",
                    context=came(call),
                )
                raise
            made = inner(session, call)
            return made if isinstance(made, Answer) else answer_json(made)

        return Handler(method, path, answer, described=described)

    def order(
        self,
        path: str,
        wish: type[_Wish],
        inner: Callable[[Session, Call, _Wish], Any],
        described: Description,
        action: str,
        *,
        method: str = "POST",
    ) -> Handler:
        """Make a route that acts as its body says.

        Args:
            wish: The type of the body.
            action: As for `act`.
        """
        decoder = msgspec.json.Decoder(wish)

        def ordered(session: Session, call: Call) -> Any:
            wished = read_order(call, decoder)
            return wished if isinstance(wished, Answer) else inner(session, call, wished)

        return self.act(path, ordered, described, action, method=method)


def may(session: Session, *needs: str) -> None:
    """Raise Denied unless the token carries what is needed, and no filter."""
    for permission in needs:
        session.require(permission)
    if session.claims.locked is not None:
        raise Denied(MANAGE)


def came(call: Call) -> Context:
    """Return where an act came from: a page, or a program with a key."""
    return context_of(call, "api" if (bearer(call) or "").startswith("wk_") else "web")


def who(one: Resource | Actor) -> dict[str, Any]:
    """Return a person, a key or a program as JSON."""
    return {"type": one.type, "id": one.id, **({"name": one.name} if one.name else {})}
