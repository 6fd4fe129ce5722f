"""The `/v1` routes of sinks: which there are and how they are, and everything that is done with them.

Whatever reaches into the server itself (a file, a certificate on its disk, an address in its own network) takes an
operator: a key of one workspace must not open a way there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import msgspec
from msgspec.structs import replace

from whodid.canonical import time_text
from whodid.catalog import LANGUAGES
from whodid.errors import Denied, Outdated
from whodid.log import Log
from whodid.model import Reason, Resource
from whodid.server.answers import Answer, Call, Handler, answer_json
from whodid.server.callers import Caller, Callers
from whodid.server.described import Description
from whodid.server.refusals import Refusals
from whodid.server.sinks.bodies import (
    Backfill,
    ChangedSink,
    Dropped,
    LanguageWanted,
    NewSecret,
    NewSink,
    Paused,
    Reasoned,
    Retried,
)
from whodid.server.sinks.descriptions import (
    ADD_SINK,
    BACKFILL_SINK,
    CHANGE_SINK,
    DROP,
    LANGUAGE,
    PAUSE_SINK,
    QUARANTINE,
    REMOVE_SINK,
    RESUME_SINK,
    RETRY,
    SECRET,
    SET_LANGUAGE,
    SINK,
    SINKS,
    TEST_SINK,
)
from whodid.server.sinks.showing import keys_to_show, shared_part
from whodid.sinks import Health, Sink, SinkChange, Sinks, change_language, generate_secret, read_language

__all__ = ["SinkRoutes"]

_CHANGED, _TESTED = "audit.stream_changed", "audit.stream_tested"
_ON_THE_SERVER = frozenset({"file"})
_OPERATORS_OPTIONS = frozenset({"ca"})
_AIMED_BY_SECRET = frozenset({"apprise"})
"""Kinds whose secret alone says where entries go."""

_PLAIN = ("name", "address", "query", "format", "private", "batch", "heartbeat")

_Act = Callable[[Sinks, str, Any], Any]


class SinkRoutes:
    """Routes over one log.

    Args:
        callers: Tells who manages.
        secret: Makes the ids of the entries about refusals.
    """

    def __init__(self, log: Log, callers: Callers, *, secret: bytes) -> None:
        self._log = log
        self._callers = callers
        self._refusals = Refusals(log, secret=secret)
        one = "/v1/sinks/{id}"
        self.handlers = (
            callers.without_body("GET", "/v1/language", self._language, LANGUAGE),
            callers.with_body("PUT", "/v1/language", LanguageWanted, self._speak, SET_LANGUAGE, action=_CHANGED),
            callers.without_body("GET", "/v1/sinks", self._list, SINKS),
            callers.with_body("POST", "/v1/sinks", NewSink, self._add, ADD_SINK, action=_CHANGED),
            callers.without_body("GET", one, self._get, SINK),
            callers.with_body("PATCH", one, ChangedSink, self._change, CHANGE_SINK, action=_CHANGED),
            callers.without_body("DELETE", one, self._remove, REMOVE_SINK, action=_CHANGED),
            callers.with_body("POST", f"{one}/secret", NewSecret, self._set_secret, SECRET, action=_CHANGED),
            self._acts(f"{one}/pause", Paused, _pause, PAUSE_SINK),
            self._acts(f"{one}/resume", Reasoned, _resume, RESUME_SINK),
            self._acts(f"{one}/backfill", Backfill, _backfill, BACKFILL_SINK),
            replace(callers.without_body("POST", f"{one}/test", self._test, TEST_SINK, action=_TESTED), apart=True),
            callers.without_body("GET", f"{one}/quarantine", self._listed, QUARANTINE),
            replace(self._acts(f"{one}/quarantine/retry", Retried, _retry, RETRY), apart=True),
            self._acts(f"{one}/quarantine/drop", Dropped, _drop, DROP),
        )

    def _language(self, _: Call, caller: Caller, __: dict[str, str]) -> Answer:
        self._log.head(caller.workspace)
        return answer_json({"lang": read_language(self._log, caller.workspace), "languages": list(LANGUAGES)})

    def _speak(self, call: Call, caller: Caller, wish: LanguageWanted) -> Answer:
        change_language(
            self._log,
            caller.workspace,
            wish.lang,
            actor=caller.actor,
            context=caller.context,
            reason=_why(wish.reason),
        )
        return self._language(call, caller, {})

    def _list(self, _: Call, caller: Caller, __: dict[str, str]) -> Answer:
        sinks = self._sinks(caller)
        return answer_json({"items": [_view(sinks, one) for one in sinks.all()]})

    def _get(self, call: Call, caller: Caller, _: dict[str, str]) -> Answer:
        sinks = self._sinks(caller)
        return _tagged(sinks, sinks.get(call.path["id"]).sink)

    def _listed(self, call: Call, caller: Caller, _: dict[str, str]) -> Answer:
        return answer_json(_quarantine(self._sinks(caller).get(call.path["id"])))

    def _add(self, _: Call, caller: Caller, wish: NewSink) -> Answer:
        self._check_reach(caller, "POST /v1/sinks", wish.kind, wish.options, private=wish.private)
        made = generate_secret(wish.signature) if wish.kind == "webhook" and wish.secret is None else None
        sinks = self._sinks(caller)
        sink = sinks.add(
            wish.name,
            wish.kind,
            wish.address,
            query=wish.query,
            format=wish.format,
            kept=wish.secret or made or "",
            options=wish.options,
            private=wish.private,
            batch=wish.batch,
            heartbeat=wish.heartbeat,
            start=wish.start,
        )
        return _tagged(sinks, sink, status=201, secret_text=shared_part(made))

    def _change(self, call: Call, caller: Caller, wish: ChangedSink) -> Answer:
        sinks, wanted, route = self._sinks(caller), _wanted(call), "PATCH /v1/sinks"
        named = {name: getattr(wish, name) for name in _PLAIN if getattr(wish, name) is not msgspec.UNSET}
        change = SinkChange(**named, options=wish.options, secret=wish.secret or "")
        while True:
            # What the caller may do is told of these settings, so it is these that change, or none.
            tag = sinks.tag(call.path["id"])
            sink = sinks.get(call.path["id"]).sink
            # What it reaches already counts as well: another address behind the same permission is another way in.
            self._check_reach(caller, route, sink.kind, sink.options, private=sink.private)
            self._check_reach(caller, route, sink.kind, wish.options, private=wish.private is True)
            try:
                return _tagged(sinks, sinks.change(sink.id, change, tag=wanted or tag, reason=_why(wish.reason)))
            except Outdated:
                if wanted is not None:
                    raise

    def _set_secret(self, call: Call, caller: Caller, wish: NewSecret) -> Answer:
        sinks = self._sinks(caller)
        sink = sinks.get(call.path["id"]).sink
        if sink.kind in _AIMED_BY_SECRET:
            self._check_reach(caller, "POST /v1/sinks", sink.kind, sink.options, private=sink.private)
        made = generate_secret(wish.signature) if sink.kind == "webhook" and wish.secret is None else None
        changed = sinks.set_secret(sink.id, wish.secret or made or "", beside=wish.beside)
        return _tagged(sinks, changed, secret_text=shared_part(made))

    def _remove(self, call: Call, caller: Caller, _: dict[str, str]) -> Answer:
        sinks = self._sinks(caller)
        was = _view(sinks, sinks.get(call.path["id"]))
        sinks.remove(was["id"])
        return answer_json(was)

    def _test(self, call: Call, caller: Caller, _: dict[str, str]) -> Answer:
        result = self._sinks(caller).test(call.path["id"])
        fault = result.fault or result.refused.get(0, "")
        return answer_json({"taken": not fault, "fault": fault})

    def _acts(self, path: str, wish: type, act: _Act, described: Description) -> Handler:
        def answer(call: Call, caller: Caller, wanted: Any) -> Answer:
            return answer_json(act(self._sinks(caller), call.path["id"], wanted))

        return self._callers.with_body("POST", path, wish, answer, described, action=_CHANGED)

    def _sinks(self, caller: Caller) -> Sinks:
        return Sinks(self._log, caller.workspace, actor=caller.actor, context=caller.context)

    def _check_reach(self, caller: Caller, route: str, kind: str, options: Collection[str], *, private: bool) -> None:
        """Refuse, and record, what a key may not do: a sink that reaches into the server or its network.

        Raises:
            Denied: It would.
        """
        reaches = private or kind in _ON_THE_SERVER or not _OPERATORS_OPTIONS.isdisjoint(options)
        if caller.everywhere or not reaches:
            return
        self._refusals.record(
            caller.workspace,
            caller.actor,
            _CHANGED,
            Resource(type="log", id=caller.workspace),
            cause="reach",
            route=route,
            context=caller.context,
        )
        raise Denied("operator", "Ask whoever runs the server: this sink would reach into it or into its network")


def _pause(sinks: Sinks, id_: str, wish: Paused) -> dict[str, Any]:
    return _after(sinks, sinks.pause(id_, reason=Reason(text=wish.reason)))


def _resume(sinks: Sinks, id_: str, wish: Reasoned) -> dict[str, Any]:
    return _after(sinks, sinks.resume(id_, reason=_why(wish.reason)))


def _backfill(sinks: Sinks, id_: str, wish: Backfill) -> dict[str, Any]:
    return _after(sinks, sinks.backfill(id_, wish.start, reason=_why(wish.reason)))


def _retry(sinks: Sinks, id_: str, wish: Retried) -> dict[str, Any]:
    taken, fault = sinks.retry(id_, wish.indexes)
    return {**_quarantine(sinks.get(id_)), "taken": taken, "fault": fault}


def _drop(sinks: Sinks, id_: str, wish: Dropped) -> dict[str, Any]:
    dropped = sinks.drop(id_, wish.indexes, reason=Reason(text=wish.reason))
    return {**_quarantine(sinks.get(id_)), "dropped": dropped}


def _after(sinks: Sinks, sink: Sink) -> dict[str, Any]:
    return _view(sinks, sinks.get(sink.id))


def _tagged(sinks: Sinks, sink: Sink, *, status: int = 200, **more: Any) -> Answer:
    """Answer with a sink and with what names its settings."""
    headers = (("Cache-Control", "no-store"), ("ETag", f'"{sinks.tag(sink.id)}"'))
    return answer_json({**_after(sinks, sink), **more}, status=status, headers=headers)


def _wanted(call: Call) -> str | None:
    """Return which settings a change was made for (RFC 9110, 13.1.1); None for whatever is there.

    A tag that became weak because the answer was packed still names the same settings.
    """
    text = call.headers.get("if-match", "*").strip()
    return None if text == "*" else text.removeprefix("W/").strip('"')


def _why(text: str | None) -> Reason | None:
    return Reason(text=text) if text else None


def _view(sinks: Sinks, health: Health) -> dict[str, Any]:
    sink, position = health.sink, health.position
    return {
        "id": sink.id,
        "name": sink.name,
        "kind": sink.kind,
        "address": sink.address,
        "format": sink.format,
        "query": sink.query,
        "secret": sink.secret.partition(":")[0] or "none",
        "public_keys": keys_to_show(sinks, sink.id),
        "options": sink.options,
        "private": sink.private,
        "batch": sink.batch,
        "heartbeat": sink.heartbeat,
        "status": health.status,
        "next": position.next,
        "behind": health.behind,
        "lag": health.lag,
        "delivered": position.delivered,
        "refused": position.refused,
        "quarantined": len(position.quarantine),
        "purged": position.purged,
        "sent_at": position.sent_at and time_text(position.sent_at),
        "silence": health.silence,
        "attempts": position.attempts,
        "fault": position.fault,
        "failing_since": position.failing_since and time_text(position.failing_since),
        "retry_at": position.retry_at and time_text(position.retry_at),
        "paused_at": sink.paused_at and time_text(sink.paused_at),
        "paused": health.paused,
        "paused_because": sink.paused_because,
    }


def _quarantine(health: Health) -> dict[str, Any]:
    position = health.position
    return {
        "items": [
            {"index": one.index, "id": one.id, "at": time_text(one.at), "fault": one.fault}
            for one in position.quarantine
        ],
        "refused": position.refused,
    }
