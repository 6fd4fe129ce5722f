"""The door of the API: whose key it is, how often it came, what it may do; then the call is answered in a thread.

A call is one unit of work. A refused key is recorded, at most once a minute, so that nobody fills the log by trying.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

import anyio
import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.exc import OperationalError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.routing import Route as Address

from sendero.api import contacts, sending
from sendero.api.call import Answer, Call, Route
from sendero.api.limits import Limiter
from sendero.api.problems import MEDIA_TYPE, Problem
from sendero.errors import Conflict, Invalid, Missing
from sendero.installation import Installation
from sendero.service import api_keys
from sendero.tables import ApiKey
from sendero.work import Work, actor_of, begin, resource_of
from whodid import Actor, Resource
from whodid.capture import context
from whodid.errors import InvalidEvent, StoreError

__all__ = ["PER_MINUTE", "ROUTES", "routes"]

_log = logging.getLogger("sendero.api")

ROUTES: tuple[Route, ...] = (*contacts.ROUTES, *sending.ROUTES)
"""Every address of the API, with the permission it needs."""

PER_MINUTE = 300
"""Calls that a key may make in a minute; an address that sends none that is valid has as many attempts."""

_PREFIX = "/api/v1"
_LARGEST = 512 * 1024
_LONGEST_QUERY = 8192
_SECONDS = 15
_MINUTE = timedelta(minutes=1)
_NOBODY = Actor(type="anonymous", id="anonymous")


class _Sent(Struct, frozen=True, kw_only=True):
    """A call as it came, read before any work begins."""

    path: dict[str, str]
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    body: bytes
    ip: str | None
    request_id: str


def routes(home: Installation) -> list[BaseRoute]:
    """Return the addresses of the API for the application."""
    door = _Door(home)
    known = [
        Address(f"{_PREFIX}{route.path}", door.endpoint(route), methods=[route.method], name=f"api {route.says}")
        for route in ROUTES
    ]
    every = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    return [*known, Address(_PREFIX + "/{rest:path}", door.lost, methods=every)]


class _Door:
    def __init__(self, home: Installation) -> None:
        self._home = home
        self._calls = Limiter(PER_MINUTE)
        self._strangers = Limiter(PER_MINUTE)
        self._stranger_recorded: datetime | None = None

    def endpoint(self, route: Route) -> Callable[[Request], Awaitable[Response]]:
        """Return what Starlette calls for a route."""

        async def respond(request: Request) -> Response:
            request_id = request.scope["state"]["request_id"]
            try:
                return await run_in_threadpool(self._guarded, route, await _read(request, request_id))
            except Problem as problem:
                return _told(problem, request_id)

        return respond

    async def lost(self, request: Request) -> Response:
        """Answer what no route took."""
        path = f"/{request.path_params['rest']}"
        allowed = sorted({route.method for route in ROUTES if _fits(route.path, path)})
        problem = Problem(405, headers={"Allow": ", ".join(allowed)}) if allowed else Problem(404)
        return _told(problem, request.scope["state"]["request_id"])

    def _guarded(self, route: Route, sent: _Sent) -> Response:
        """Answer; whatever goes wrong leaves as a problem."""
        try:
            agent = sent.headers.get("user-agent", "")[:300] or None
            with context(source="api", ip=sent.ip, user_agent=agent, request=sent.request_id):
                answer = self._answer(route, sent)
            return _sent_back(answer)
        except Problem as problem:
            return _told(problem, sent.request_id)
        except (StoreError, OperationalError):
            _log.exception("call %s changed nothing, because it could not be recorded", sent.request_id)
            return _told(Problem(503, headers={"Retry-After": "2"}), sent.request_id)
        except Exception:  # noqa: BLE001 - whatever it was, the caller gets a problem and the operator a traceback
            _log.exception("call %s failed", sent.request_id)
            return _told(Problem(500), sent.request_id)

    def _answer(self, route: Route, sent: _Sent) -> Answer:
        key_id = self._admit(route, sent)
        query = _query(route, sent.query)
        try:
            with begin(self._home) as work:
                key = work.get(ApiKey, key_id)
                with work.acting(actor=_actor(key)):
                    headers, path = sent.headers, sent.path
                    return route.answer(
                        Call(work=work, key=key, path=path, query=query, headers=headers, body=sent.body)
                    )
        except Missing as fault:
            raise Problem(404, fault.message) from None
        except Invalid as fault:
            raise Problem(422, errors={_named(name): text for name, text in fault.fields.items()}) from None
        except Conflict as fault:
            raise Problem(409, fault.message) from None
        except InvalidEvent as fault:
            _log.warning("call %s changed nothing, because the log refuses it: %s", sent.request_id, fault)
            raise Problem(422, "The audit log cannot take it: a text is too long.") from None

    def _admit(self, route: Route, sent: _Sent) -> str:
        """Return the id of the key, when it may do this now.

        Raises:
            Problem: There is none, it came too often, or it may not.
        """
        now, stranger = self._home.clock(), str(sent.ip)
        if wait := self._strangers.wait(stranger, now):
            raise _too_many(wait)
        text = sent.headers.get("x-api-key", "")
        if not text:
            raise Problem(401, "The header X-API-Key is missing.")
        where = f"{route.method} {_PREFIX}{route.path}"
        with begin(self._home) as work:
            key = api_keys.find(work, text)
            if key is None:
                self._strangers.take(stranger, now)
                self._record_stranger(work, api_keys.prefix_of(text), where, now)
                refusal: Problem | None = Problem(401, "This API key is not known.")
            else:
                refusal = self._refusal(work, key, route, where, now)
        if refusal is not None or key is None:
            raise refusal or Problem(401)
        return key.id

    def _refusal(self, work: Work, key: ApiKey, route: Route, where: str, now: datetime) -> Problem | None:
        """Say why a key may not do this, and record that; None when it may, and then it is noted that it was used."""
        state = api_keys.state(key, now)
        if state != "active":
            _record_denied(work, key, {"cause": state, "route": where}, now)
            return Problem(401, f"This API key is {state}.")
        if wait := self._calls.take(key.id, now):
            return _too_many(wait)
        if route.needs not in api_keys.permitted(key):
            details = {"cause": "missing_permission", "permission": route.needs, "route": where}
            _record_denied(work, key, details, now)
            return Problem(403, f"This key, or whoever made it, does not have the permission {route.needs}.")
        if key.last_used_at is None or now - key.last_used_at > _MINUTE:
            work.session.execute(sa.update(ApiKey).where(ApiKey.id == key.id).values(last_used_at=now))
        return None

    def _record_stranger(self, work: Work, prefix: str | None, where: str, now: datetime) -> None:
        if self._stranger_recorded is not None and now - self._stranger_recorded < _MINUTE:
            return
        self._stranger_recorded = now
        resource = Resource(type="api_key", id="unknown", name=prefix)
        details = {"cause": "unknown", "route": where}
        work.record("api_key.denied", resource, outcome="denied", details=details, actor=_NOBODY)


def _record_denied(work: Work, key: ApiKey, details: Mapping[str, str], now: datetime) -> None:
    """Record that a key was refused, unless that was recorded within the last minute."""
    silent = sa.or_(ApiKey.denied_recorded_at.is_(None), ApiKey.denied_recorded_at <= now - _MINUTE)
    mine = sa.update(ApiKey).where(ApiKey.id == key.id, silent).values(denied_recorded_at=now)
    if cast("sa.CursorResult[Any]", work.session.execute(mine)).rowcount:
        actor = Actor(type="api_key", id=key.id, name=key.name)
        work.record("api_key.denied", resource_of(key), outcome="denied", details=details, actor=actor)


def _actor(key: ApiKey) -> Actor:
    return Actor(type="api_key", id=key.id, name=key.name, on_behalf_of=actor_of(key.maker))


def _named(field: str) -> str:
    return {"phone_e164": "phone", "owner_user_id": "owner_id"}.get(field, field)


def _too_many(wait: float) -> Problem:
    return Problem(429, headers={"Retry-After": str(math.ceil(wait))})


def _fits(pattern: str, path: str) -> bool:
    want, have = pattern.split("/"), path.split("/")
    return len(want) == len(have) and all(one in ("{id}", other) for one, other in zip(want, have, strict=True))


def _query(route: Route, pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    query: dict[str, str] = {}
    for name, value in pairs:
        if name not in route.query:
            known = ", ".join(route.query) or "none"
            raise Problem(400, f"There is no parameter {name[:40]} here; known: {known}.")
        if name in query:
            raise Problem(400, f"The parameter {name} is there twice.")
        query[name] = value
    return query


async def _read(request: Request, request_id: str) -> _Sent:
    """Read a call, up to a limit of size and time."""
    if len(request.url.query) > _LONGEST_QUERY:
        raise Problem(414)
    body = bytearray()
    try:
        with anyio.fail_after(_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > _LARGEST:
                    raise Problem(413, f"The body has more than {_LARGEST} bytes.", headers={"Connection": "close"})
    except TimeoutError:
        raise Problem(408) from None
    except ClientDisconnect:
        raise Problem(400) from None
    return _Sent(
        path=dict(request.path_params),
        query=tuple(request.query_params.multi_items()),
        headers=dict(request.headers),
        body=bytes(body),
        ip=request.scope["state"]["ip"],
        request_id=request_id,
    )


def _sent_back(answer: Answer) -> Response:
    body = b"" if answer.data is None else msgspec.json.encode(answer.data)
    media_type = None if answer.data is None else "application/json"
    return Response(body, status_code=answer.status, media_type=media_type, headers=answer.headers)


def _told(problem: Problem, request_id: str) -> Response:
    headers = problem.headers | ({"WWW-Authenticate": 'ApiKey realm="sendero"'} if problem.status == 401 else {})
    body = msgspec.json.encode(problem.document(request_id))
    return Response(body, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)
