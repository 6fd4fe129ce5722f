"""`/healthz`, `/readyz` and `/metrics`: what whoever runs the server asks it, cheap and without a word about people.

The first says that the process answers. The second says whether requests should come here: the store takes a write, the
key that signs can be read, and nobody asked the server to stop. It is asked by everybody and often, so what it found is
good for some seconds.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial

from whodid.errors import StoreError, WhodidError
from whodid.log import Log
from whodid.server.answers import Answer, Call, Handler, answer_json
from whodid.server.metrics import MEDIA_TYPE, PrometheusMeter
from whodid.server.problems import problem
from whodid.server.waiting import Waiting
from whodid.viewer import asks

__all__ = ["KEPT_SECONDS", "Health"]

_logger = logging.getLogger("whodid.server")

KEPT_SECONDS = 5.0
"""How long a look at store and key is good."""

_STATE = "ready"
_AGAIN = (("Retry-After", "5"), ("Cache-Control", "no-store"))


class Health:
    """The routes for operators.

    Args:
        ending: Tells whether the server is asked to stop.
        metrics: What `/metrics` shows; None for no such page.
        waiting: Where events of clients that never send again wait.
        tick: Monotonic seconds.
    """

    def __init__(
        self,
        log: Log,
        *,
        ending: Callable[[], bool],
        metrics: PrometheusMeter | None = None,
        waiting: Waiting | None = None,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._ending = ending
        self._waiting = waiting
        self._tick = tick
        self._lock = threading.Lock()
        self._looked: tuple[float, dict[str, str]] | None = None
        self.handlers: tuple[Handler, ...] = (
            Handler("GET", "/healthz", self._alive, apart=True),
            Handler("GET", "/readyz", self._ready, apart=True),
            Handler("GET", "/readyz/doors", self._doors, apart=True),
        )
        if metrics is not None:
            self.handlers += (Handler("GET", "/metrics", partial(_page, metrics), apart=True),)

    def _alive(self, call: Call) -> Answer:
        asks.parameters(call.query)
        return answer_json({"alive": True})

    def _ready(self, call: Call) -> Answer:
        asks.parameters(call.query)
        ending = self._ending()
        # Who is about to leave need not ask the store.
        found = {} if ending else self._look()
        return self._answer(found, ready=not ending and all(fact == "ok" for fact in found.values()))

    def _doors(self, call: Call) -> Answer:
        """Tell whether the doors of clients that never send again take events: into the store, or to wait for it."""
        asks.parameters(call.query)
        if self._ending():
            return self._answer({}, ready=False)
        if self._waiting is not None and not self._waiting.full:
            # The store need not be asked, and one that is away may take long to say so.
            return self._answer({"spool": "ok"}, ready=True)
        found = self._look()
        return self._answer(found, ready=found["store"] == "ok")

    def _answer(self, found: dict[str, str], *, ready: bool) -> Answer:
        waits = {} if self._waiting is None else {"waiting": self._waiting.depth, "waiting_seconds": self._waiting.age}
        # Whether one is there decides nothing: the primary answers what a replica does not.
        standings = [one.standing for one in self._log.replicas().replicas]
        replicas = {"replicas": standings} if standings else {}
        return answer_json(
            {"ready": ready, "ending": not found, **found, **waits, **replicas},
            status=200 if ready else 503,
            headers=(("Cache-Control", "no-store"),) if ready else _AGAIN,
        )

    def _look(self) -> dict[str, str]:
        """Return what is the matter with store and key: `ok`, or the name of what went wrong."""
        # One looks; whoever comes meanwhile waits for what that one finds.
        with self._lock:
            now = self._tick()
            if self._looked is None or now - self._looked[0] >= KEPT_SECONDS:
                self._looked = (self._tick(), {"store": self._store(), "key": self._key()})
            # The spool is looked at each time: it fills between two looks at the store.
            spool = {} if self._waiting is None else {"spool": "SpoolFull" if self._waiting.full else "ok"}
            return {**self._looked[1], **spool}

    def _store(self) -> str:
        """Write something: a disk that is full or read-only reads perfectly well."""
        try:
            old = self._log.shared_state(_STATE)
            # Not taken means that another server wrote here a moment ago.
            self._log.swap_shared_state(_STATE, old, os.urandom(8).hex().encode())
        except StoreError as error:
            return _told("store", error)
        return "ok"

    def _key(self) -> str:
        try:
            self._log.check_key()
        except WhodidError as error:
            return _told("key", error)
        return "ok"


def _page(metrics: PrometheusMeter, call: Call) -> Answer:
    asks.parameters(call.query)
    scheme, _, shown = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not metrics.opens(shown.strip()):
        return problem(
            401,
            call.request_id,
            "The token of the metrics is missing or not valid.",
            "Send the one in metrics_token_file as Authorization: Bearer ….",
            headers=(("WWW-Authenticate", 'Bearer realm="whodid"'),),
        )
    return Answer(body=metrics.page(), media_type=MEDIA_TYPE, headers=(("Cache-Control", "no-store"),))


def _told(what: str, error: WhodidError) -> str:
    _logger.error("not ready: %s: %s: %s", what, type(error).__name__, error)
    return type(error).__name__
