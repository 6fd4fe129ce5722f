"""Exports for WorkOS clients: ordered, pending, then ready behind an address that lives for ten minutes.

An export keeps the question and makes the file when it is fetched: as CSV, streamed, and recorded like every export.
The address is a signed ticket; asking for the export again makes a new one.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from whodid.canonical import micros, time_text
from whodid.export import pieces
from whodid.export.import_.foreign import read_time
from whodid.model import Actor, Entry
from whodid.query import Query, Term, Value
from whodid.server.answers import Answer, Call, answer_json
from whodid.server.compat.shared import KeptList, Refusal, Shared, asked_action, our_type, read_object, send_file
from whodid.server.compat.workos_lists import idempotency, missing, own, refused, reused
from whodid.server.gate import Admitted
from whodid.server.sessions import context_of
from whodid.server.signing import mac, pack, same, unpack
from whodid.viewer import Reader

__all__ = ["WorkOSExports"]

_PREFIX = "audit_log_export_"
_PURPOSE = "whodid workos export 1"
_LIFE = timedelta(minutes=10)
_KEPT_FOR = timedelta(days=7)
_REMEMBERED = timedelta(hours=24)
_MOST = 500
_MOST_VALUES = 100
_MAC = 16
_UNTIL = struct.Struct(">q")
_LISTS = ("actions", "actors", "actor_names", "actor_ids", "targets")


class _Order(Struct, frozen=True, kw_only=True):
    """What an export is of.

    Args:
        actor: Who ordered it, and who it is recorded as exported by.
        personal: Whether personal values are in it.
        made_by: Digests of the idempotency key and the body.
    """

    id: str
    created_at: datetime
    since: datetime
    until: datetime
    lists: dict[str, list[str]]
    actor: Actor
    personal: bool
    made_by: tuple[str, str] | None = None


class WorkOSExports:
    """The routes of exports."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._log = shared.log
        self._secret = shared.secret
        self._orders = KeptList(shared.log, "workos_exports", _Order, most=_MOST)

    def order(self, call: Call, admitted: Admitted) -> Answer:
        """Answer `POST /audit_logs/exports`."""
        body = read_object(call)
        own(admitted, body.get("organization_id"), "organization_id")
        since, until = _range(body)
        now = self._log.now()
        wanted = _Order(
            id=_PREFIX + secrets.token_hex(13),
            created_at=now,
            since=since,
            until=until,
            lists={name: _texts(body, name) for name in _LISTS if body.get(name)},
            actor=admitted.key.actor(),
            personal=admitted.key.may("admin"),
            made_by=idempotency(call, admitted),
        )
        placed: list[_Order] = []

        def add(before: list[_Order]) -> list[_Order]:
            placed.clear()
            for one in before:
                twin = wanted.made_by is not None and one.made_by is not None and one.made_by[0] == wanted.made_by[0]
                if twin and one.created_at > now - _REMEMBERED:
                    if one.made_by != wanted.made_by:
                        raise reused()
                    placed.append(one)
                    return before
            placed.append(wanted)
            return [*[one for one in before if one.created_at > now - _KEPT_FOR][1 - _MOST :], wanted]

        self._orders.change(admitted.workspace, add)
        return answer_json(_told(placed[0], "pending", None, now), status=201)

    def show(self, call: Call, admitted: Admitted) -> Answer:
        """Answer `GET /audit_logs/exports/{id}`."""
        order = self._order(admitted.workspace, call.path["id"])
        if order is None:
            raise Refusal(404, "There is no such export. Create one.")
        now = self._log.now()
        if order.created_at <= now - _KEPT_FOR:
            return answer_json(_told(order, "expired", None, now))
        scheme = "https" if call.secure else "http"
        address = f"{scheme}://{call.headers.get('host', '')}{call.base}/audit_logs/exports/"
        return answer_json(
            _told(order, "ready", f"{address}{self._ticket(admitted.workspace, order, now)}/download", now)
        )

    def download(self, call: Call) -> Answer:
        """Answer the address of a file."""
        opened = self._opened(call.path["ticket"])
        if opened is None or call.method == "HEAD":
            return refused(
                Refusal(404, "This address is not valid, or its ten minutes are over. Get the export again.")
            )
        workspace, order = opened
        query, accept = _question(order)
        reader = Reader(self._log, workspace, personal=order.personal)
        made = pieces(
            self._log,
            workspace,
            query,
            "csv",
            actor=order.actor,
            context=context_of(call, "api"),
            entries=filter(accept, reader.stream(query)),
        )
        try:
            return send_file(self._shared, made, f"{order.id}.csv")
        except Refusal as refusal:
            return refused(refusal)

    def _order(self, workspace: str, id_: str) -> _Order | None:
        return next((one for one in self._orders.all(workspace) if one.id == id_), None)

    def _ticket(self, workspace: str, order: _Order, now: datetime) -> str:
        body = _UNTIL.pack(micros(now + _LIFE)) + f"{order.id}\0{workspace}".encode()
        return pack(mac(self._secret, _PURPOSE, body)[:_MAC] + body)

    def _opened(self, ticket: str) -> tuple[str, _Order] | None:
        data = unpack(ticket) or b""
        signature, body = data[:_MAC], data[_MAC:]
        if not same(mac(self._secret, _PURPOSE, body)[:_MAC], signature):
            return None
        if _UNTIL.unpack_from(body)[0] <= micros(self._log.now()):
            return None
        id_, _, workspace = body[_UNTIL.size :].decode().partition("\0")
        order = self._order(workspace, id_)
        return None if order is None else (workspace, order)


def _range(body: dict[str, Any]) -> tuple[datetime, datetime]:
    found: list[datetime] = []
    for name in ("range_start", "range_end"):
        if not isinstance(body.get(name), str):
            raise missing(name)
        at = read_time(body[name])
        if at is None:
            raise _bad_range(f"{name} is not a time in ISO 8601.")
        found.append(at)
    if found[0] >= found[1]:
        raise _bad_range("range_start is not before range_end.")
    return found[0], found[1]


def _bad_range(fact: str) -> Refusal:
    return Refusal(400, fact, code="invalid_audit_log_export_range_date")


def _texts(body: dict[str, Any], name: str) -> list[str]:
    value = body[name]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value) or len(value) > _MOST_VALUES:
        raise Refusal(
            422,
            f"{name} is not a list of at most {_MOST_VALUES} texts.",
            errors=[{"code": "invalid", "field": name}],
        )
    return value


def _question(order: _Order) -> tuple[Query, Callable[[Entry], bool]]:
    """Return what a store can be asked, and what only a look at the entry tells."""
    lists = order.lists
    terms = []
    if "actions" in lists:
        names = dict.fromkeys(asked_action(one) for one in lists["actions"])
        terms.append(Term(field="action", values=tuple(Value(name) for name in names)))
    terms += [
        Term(field="actor", values=tuple(Value(one) for one in lists[name]))
        for name in ("actors", "actor_names", "actor_ids")
        if name in lists
    ]
    names_of_actors, ids = set(lists.get("actor_names", ())), set(lists.get("actor_ids", ()))
    actions = set(lists.get("actions", ()))
    types = {our_type(one) for one in lists.get("targets", ())}

    def accept(entry: Entry) -> bool:
        said = (entry.details or {}).get("workos_action", entry.action)
        return (
            (not names_of_actors or entry.actor.name in names_of_actors)
            and (not ids or entry.actor.id in ids)
            and (not types or not types.isdisjoint({entry.resource.type, *(one.type for one in entry.related)}))
            and (not actions or said in actions)
        )

    return Query(terms=tuple(terms), since=order.since, until=order.until), accept


def _told(order: _Order, state: str, url: str | None, now: datetime) -> dict[str, Any]:
    return {
        "object": "audit_log_export",
        "id": order.id,
        "state": state,
        "url": url,
        "created_at": time_text(order.created_at),
        "updated_at": time_text(order.created_at if state == "pending" else now),
    }
