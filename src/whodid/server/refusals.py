"""Records that somebody was not allowed to do something, as an entry of the workspace where it was tried.

Once per actor, act, cause and hour: enough to see it, too few to flood the log.
"""

from __future__ import annotations

import threading

from whodid.errors import StoreError, WhodidError
from whodid.log import Log
from whodid.model import Actor, Context, Event, Resource
from whodid.server.signing import mac, uuid8

__all__ = ["Refusals"]

_MOST_TOLD = 10_000


class Refusals:
    """Acts that were refused; safe between threads.

    Args:
        secret: Makes the ids of the entries, so that two servers make the same one.
    """

    def __init__(self, log: Log, *, secret: bytes) -> None:
        self._log = log
        self._secret = secret
        self._lock = threading.Lock()
        self._told: dict[bytes, None] = {}

    def record(
        self,
        workspace: str,
        actor: Actor,
        action: str,
        resource: Resource,
        *,
        cause: str,
        route: str,
        context: Context,
    ) -> None:
        """Record an act as denied; a store that cannot take the entry changes nothing for the caller.

        Args:
            cause: Why it was refused, as a code.
            route: Method and address of the request.
        """
        now = self._log.now()
        parts = (workspace, actor.type, actor.id, action, resource.id, cause, now.strftime("%Y-%m-%dT%H"))
        told = mac(self._secret, "whodid act denied 1", "\0".join(parts).encode("utf-8", "surrogatepass"))[:16]
        with self._lock:
            if told in self._told:
                return
            while len(self._told) >= _MOST_TOLD:
                del self._told[next(iter(self._told))]
            self._told[told] = None
        event = Event(
            id=uuid8(told),
            occurred_at=now,
            actor=actor,
            action=action,
            resource=resource,
            outcome="denied",
            details={"cause": cause, "route": route},
            context=context,
        )
        try:
            self._log.record(workspace, event)
        except StoreError:
            with self._lock:
                self._told.pop(told, None)
        except WhodidError:
            pass  # another process said it first, of another request
