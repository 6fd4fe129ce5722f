"""Exports for WorkOS clients: ordered, pending, then ready behind an address that lives for ten minutes.

An export is a job like every other (`whodid.export`): made in the background as CSV, recorded, and kept for a day. What
was ordered is remembered for a week, so that an order that is sent twice is one, and a file that is gone is told as
expired. The address is a signed ticket; asking for the export again makes a new one.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import IO, Any

import msgspec
from msgspec import Struct

from whodid.canonical import micros, time_text
from whodid.export import Exported, Job, Layout, export
from whodid.export.import_.foreign import read_time
from whodid.export.run import Progress
from whodid.model import Entry
from whodid.query import Query, Term, Value
from whodid.server.answers import Answer, Call, answer_json
from whodid.server.compat.shared import KeptList, Refusal, Shared, asked_action, our_type, read_object
from whodid.server.compat.workos_lists import idempotency, missing, own, refused, reused
from whodid.server.exports import send_job
from whodid.server.gate import Admitted
from whodid.server.sessions import context_of
from whodid.server.signing import mac, pack, same, unpack
from whodid.server.sizing import guess_size
from whodid.viewer import Reader

__all__ = ["WorkOSExports"]

_PREFIX = "audit_log_export_"
_MAKER = "workos"
_PURPOSE = "whodid workos export 1"
_LIFE = timedelta(minutes=10)
_KEPT_FOR = timedelta(days=7)
_REMEMBERED = timedelta(hours=24)
_MOST = 500
WAIT = 60
"""Seconds after which an order that found no room may be sent again."""

_MOST_VALUES = 100
_MAC = 16
_UNTIL = struct.Struct(">q")
_LISTS = ("actions", "actors", "actor_names", "actor_ids", "targets")


class _Asked(Struct, frozen=True, kw_only=True):
    """What the file of an export is of."""

    since: datetime
    until: datetime
    lists: dict[str, list[str]]


class _Order(Struct, frozen=True, kw_only=True):
    """What is remembered of an order.

    Args:
        id: Of the job; clients know it with a prefix.
        made_by: Digests of the idempotency key and the body.
    """

    id: str
    created_at: datetime
    made_by: tuple[str, str] | None = None


class WorkOSExports:
    """The routes of exports."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._log = shared.log
        self._secret = shared.secret
        self._worker = shared.worker
        self._orders = KeptList(shared.log, "workos_exports", _Order, most=_MOST)
        shared.worker.makers[_MAKER] = self._make

    def order(self, call: Call, admitted: Admitted) -> Answer:
        """Answer `POST /audit_logs/exports`."""
        body = read_object(call)
        own(admitted, body.get("organization_id"), "organization_id")
        since, until = _range(body)
        asked = _Asked(since=since, until=until, lists={name: _texts(body, name) for name in _LISTS if body.get(name)})
        now = self._log.now()
        wanted = _Order(id=secrets.token_hex(16), created_at=now, made_by=idempotency(call, admitted))
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
        (order,) = placed
        job = self._worker.folder.get(admitted.workspace, order.id)
        if job is None:
            # Also for an order of which only the memory is there: the server was killed between the two.
            job = self._job(order.id, asked, call, admitted)
            if not self._worker.folder.has_room(admitted.workspace) or not self._worker.order(job):
                self._orders.change(admitted.workspace, lambda before: [one for one in before if one.id != order.id])
                fact = "Too many exports of this organization wait, run or are kept. Wait for them, or remove some."
                raise Refusal(429, fact, code="rate_limit_exceeded", again=WAIT)
        return answer_json(_told(order, "pending", None, order.created_at), status=201)

    def show(self, call: Call, admitted: Admitted) -> Answer:
        """Answer `GET /audit_logs/exports/{id}`."""
        id_ = call.path["id"].removeprefix(_PREFIX)
        order = next((one for one in self._orders.all(admitted.workspace) if one.id == id_), None)
        if order is None or id_ == call.path["id"]:
            raise Refusal(404, "There is no such export. Create one.")
        now, job = self._log.now(), self._worker.folder.get(admitted.workspace, id_)
        if job is None or job.expires_at <= now:
            return answer_json(_told(order, "expired", None, now))
        if job.state != "ready":
            state = "error" if job.state == "failed" else "pending"
            return answer_json(_told(order, state, None, job.finished_at or job.created_at))
        scheme = "https" if call.secure else "http"
        address = f"{scheme}://{call.headers.get('host', '')}{call.base}/audit_logs/exports/"
        url = f"{address}{self._ticket(job, now)}/download"
        return answer_json(_told(order, "ready", url, job.finished_at or job.created_at))

    def download(self, call: Call) -> Answer:
        """Answer the address of a file."""
        job = self._opened(call.path["ticket"])
        if job is None:
            return refused(
                Refusal(404, "This address is not valid, or its ten minutes are over. Get the export again.")
            )
        return send_job(self._worker.folder, job, call)

    def _job(self, id_: str, asked: _Asked, call: Call, admitted: Admitted) -> Job:
        query, _ = _question(asked)
        personal = admitted.key.may("admin")
        reader = Reader(self._log.reading(), admitted.workspace, personal=personal)
        count = reader.count(query)
        return Job(
            id=id_,
            workspace=admitted.workspace,
            created_at=self._log.now(),
            format="csv",
            query=str(query),
            filename=f"{_PREFIX}{id_}.csv",
            actor=admitted.key.actor(),
            context=context_of(call, "api"),
            maker=_MAKER,
            asked=msgspec.to_builtins(asked),
            personal=personal,
            about=guess_size(reader, query, Layout(format="csv"), count=count.value),
            of=count.value,
            exact=count.exact,
        )

    def _make(self, job: Job, out: IO[bytes], progress: Progress) -> Exported:
        query, accept = _question(msgspec.convert(job.asked, _Asked))
        log = self._log.reading()
        reader = Reader(log, job.workspace, personal=job.personal)
        return export(
            log,
            job.workspace,
            query,
            "csv",
            out,
            actor=job.actor,
            context=job.context,
            entries=filter(accept, reader.stream(query)),
            progress=progress,
        )

    def _ticket(self, job: Job, now: datetime) -> str:
        body = _UNTIL.pack(micros(now + _LIFE)) + f"{job.id}\0{job.workspace}".encode()
        return pack(mac(self._secret, _PURPOSE, body)[:_MAC] + body)

    def _opened(self, ticket: str) -> Job | None:
        data = unpack(ticket) or b""
        signature, body = data[:_MAC], data[_MAC:]
        if not same(mac(self._secret, _PURPOSE, body)[:_MAC], signature):
            return None
        if _UNTIL.unpack_from(body)[0] <= micros(self._log.now()):
            return None
        id_, _, workspace = body[_UNTIL.size :].decode().partition("\0")
        job = self._worker.folder.get(workspace, id_)
        return job if job is not None and job.maker == _MAKER else None


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


def _question(asked: _Asked) -> tuple[Query, Callable[[Entry], bool]]:
    """Return what a store can be asked, and what only a look at the entry tells."""
    lists = asked.lists
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

    return Query(terms=tuple(terms), since=asked.since, until=asked.until), accept


def _told(order: _Order, state: str, url: str | None, updated_at: datetime) -> dict[str, Any]:
    return {
        "object": "audit_log_export",
        "id": f"{_PREFIX}{order.id}",
        "state": state,
        "url": url,
        "created_at": time_text(order.created_at),
        "updated_at": time_text(updated_at),
    }
