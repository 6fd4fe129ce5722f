"""The routes that clients of WorkOS Audit Logs call: events, schemas, exports, retention and the link to the viewer.

An API key of ours is the client's key, and what it calls an organization is the workspace of that key; any other
is answered as one that is not there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import Struct

from whodid.canonical import time_text
from whodid.capture.events import uuid7
from whodid.errors import ConflictingEvent, NotFound, Purged, WhodidError
from whodid.retention import change_policy, read_policy
from whodid.server.answers import Answer, Call, Handler, answer_json
from whodid.server.compat.shared import (
    KeptList,
    Refusal,
    Shared,
    bearer,
    find_caller,
    make_buckets,
    read_object,
)
from whodid.server.compat.workos_events import Schema, check_event, check_schema, make_event, obey
from whodid.server.compat.workos_exports import WorkOSExports
from whodid.server.compat.workos_lists import (
    cut,
    idempotency,
    idempotency_key,
    missing,
    own,
    refused,
    reused,
    spoken,
)
from whodid.server.gate import Admitted
from whodid.server.reserved import reserved
from whodid.server.sessions import context_of
from whodid.server.signing import uuid8
from whodid.server.waiting import commit

__all__ = ["WorkOS"]

_LARGEST = 1024 * 1024
_REMEMBERED = timedelta(hours=24)
_LARGEST_SCHEMA = 16 * 1024
_LONGEST_NAME = 200
_MOST_ACTIONS = 500
_MOST_VERSIONS = 50
_PERIODS = {f"{count}_MONTH{'S' if count > 1 else ''}": 30 * count for count in range(1, 12)} | {
    f"{count}_YEAR{'S' if count > 1 else ''}": 365 * count for count in range(1, 11)
}
_DAYS = frozenset(_PERIODS.values())

_PERMISSION = {"read": "audit:read", "export": "audit:export", "admin": "audit:pii"}


class _Declared(Struct, frozen=True, kw_only=True):
    """An action and the versions of its schema, oldest first."""

    name: str
    schemas: list[Schema]


class WorkOS:
    """The routes of one application."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._log = shared.log
        self._take = make_buckets(shared, least=1)
        self._declared = KeptList(shared.log, "workos_schemas", _Declared, most=_MOST_ACTIONS)
        exports = WorkOSExports(shared)
        self.handlers = [
            self._handler("POST", "/audit_logs/events", self._event, "write"),
            self._handler("POST", "/audit_logs/exports", exports.order, "export"),
            # The ticket is the permission: whoever follows the link has no key.
            Handler("GET", "/audit_logs/exports/{ticket}/download", exports.download, spoken=spoken),
            self._handler("GET", "/audit_logs/exports/{id}", exports.show, "export"),
            self._handler("GET", "/audit_logs/actions", self._actions, "read"),
            self._handler("GET", "/audit_logs/actions/{name:path}/schemas", self._schemas, "read"),
            self._handler("POST", "/audit_logs/actions/{name:path}/schemas", self._declare, "admin"),
            self._handler("GET", "/organizations/{id}/audit_logs_retention", self._retention, "read"),
            self._handler("PUT", "/organizations/{id}/audit_logs_retention", self._keep, "admin"),
            self._handler("GET", "/organizations/{id}/audit_log_configuration", self._configuration, "read"),
            self._handler("POST", "/portal/generate_link", self._link, "read"),
        ]

    def _handler(self, method: str, path: str, inner: Callable[[Call, Admitted], Answer], scope: str) -> Handler:
        def answer(call: Call) -> Answer:
            try:
                return inner(call, find_caller(self._shared, bearer(call), call, scope, route=f"{method} {path}"))
            except Refusal as refusal:
                return refused(refusal)

        return Handler(method, path, answer, largest=_LARGEST, spoken=spoken, brings=scope == "write")

    # ------------------------------------------------------------------------------------------------------- events

    def _event(self, call: Call, admitted: Admitted) -> Answer:
        body = read_object(call)
        own(admitted, body.get("organization_id"), "organization_id")
        said = check_event(body.get("event"))
        schema = self._schema(admitted.workspace, said)
        if schema is not None:
            obey(said, schema)
        self._take(admitted, 1)
        event = make_event(said, self._id(call, admitted), admitted.workspace)
        claimed = reserved(event)
        if claimed is not None:
            raise claimed
        (result,) = commit(self._log, self._shared.meter, admitted.workspace, [event])
        if isinstance(result, ConflictingEvent):
            raise reused()
        if isinstance(result, WhodidError):
            raise result
        self._shared.meter.events("known" if result.duplicate else "recorded", 1)
        return answer_json({"success": True})

    def _id(self, call: Call, admitted: Admitted) -> str:
        """Derive the id of an event from its idempotency key, so that the log itself remembers what was answered.

        The id holds the day (UTC) on which the key was first seen; a key that was first seen yesterday, less than 24
        hours ago, keeps its id over midnight.
        """
        now = self._log.now()
        key = idempotency_key(call)
        if key is None:
            return uuid7(now, os.urandom(8))
        ids = [
            uuid8(hashlib.sha256(f"workos event 1\0{admitted.key.id}\0{key}\0{day}".encode()).digest())
            for day in ((now - timedelta(days=1)).date().isoformat(), now.date().isoformat())
        ]
        try:
            first = self._log.get(admitted.workspace, ids[0])
        except (NotFound, Purged):
            return ids[1]
        return ids[0] if first.recorded_at > now - _REMEMBERED else ids[1]

    def _schema(self, workspace: str, event: dict[str, Any]) -> Schema | None:
        found = next((one for one in self._declared.all(workspace) if one.name == event["action"]), None)
        if found is None:
            return None
        wanted = event.get("version")
        schema = found.schemas[-1] if wanted is None else next((s for s in found.schemas if s.version == wanted), None)
        if schema is None:
            raise Refusal(
                400,
                f"The action has no schema of version {wanted}. Leave the version out, or create that schema.",
                code="invalid_audit_log_event",
                errors=[{"instancePath": "/version"}],
            )
        return schema

    # ------------------------------------------------------------------------------------------------------ schemas

    def _actions(self, call: Call, admitted: Admitted) -> Answer:
        told = [
            {
                "object": "audit_log_action",
                "name": one.name,
                "schema": _told(one.schemas[-1]),
                "created_at": time_text(one.schemas[0].created_at),
                "updated_at": time_text(one.schemas[-1].created_at),
            }
            for one in self._declared.all(admitted.workspace)
        ]
        return answer_json(cut(call, told, lambda one: str(one["name"])))

    def _schemas(self, call: Call, admitted: Admitted) -> Answer:
        name = call.path["name"]
        found = next((one for one in self._declared.all(admitted.workspace) if one.name == name), None)
        if found is None:
            raise Refusal(404, "There is no such action. Create a schema for it first.")
        return answer_json(cut(call, [_told(one) for one in found.schemas], lambda one: str(one["version"])))

    def _declare(self, call: Call, admitted: Admitted) -> Answer:
        body, name = read_object(call), call.path["name"]
        if len(call.body) > _LARGEST_SCHEMA or len(name) > _LONGEST_NAME:
            raise Refusal(422, "The schema takes more than 16 KiB, or the action more than 200 characters. Shorten it.")
        check_schema(body)
        made_by, now = idempotency(call, admitted), self._log.now()
        wanted: dict[str, Any] = {part: body.get(part) for part in ("targets", "actor", "metadata")}
        answered: list[Schema] = []

        def add(before: list[_Declared]) -> list[_Declared]:
            answered.clear()
            old = next((one for one in before if one.name == name), None)
            versions = old.schemas if old else []
            for one in versions:
                if made_by and one.made_by and one.made_by[0] == made_by[0] and one.created_at > now - _REMEMBERED:
                    if one.made_by != made_by:
                        raise reused()
                    answered.append(one)
                    return before
            number = versions[-1].version + 1 if versions else 1
            schema = Schema(version=number, created_at=now, made_by=made_by, **wanted)
            answered.append(schema)
            renewed = _Declared(name=name, schemas=[*versions[1 - _MOST_VERSIONS :], schema])
            return [renewed if one is old else one for one in before] if old else [*before, renewed]

        self._declared.change(admitted.workspace, add)
        return answer_json(_told(answered[0]), status=201)

    # ---------------------------------------------------------------------------------------------------- workspace

    def _retention(self, call: Call, admitted: Admitted) -> Answer:
        own(admitted, call.path["id"])
        return answer_json({"retention_period_in_days": read_policy(self._log, admitted.workspace).days})

    def _keep(self, call: Call, admitted: Admitted) -> Answer:
        own(admitted, call.path["id"])
        body = read_object(call)
        days = body.get("retention_period_in_days")
        if days is None and isinstance(body.get("retention_period"), str):
            days = _PERIODS.get(body["retention_period"], 0)
        if days is None:
            raise missing("retention_period_in_days")
        if not isinstance(days, int) or isinstance(days, bool) or days not in _DAYS:
            raise Refusal(
                422,
                "Use 30 to 330 days in steps of 30, 365 to 3650 in steps of 365, or a period such as 3_MONTHS.",
                errors=[{"code": "invalid", "field": "retention_period_in_days"}],
            )
        policy = msgspec.structs.replace(read_policy(self._log, admitted.workspace), days=days)
        context = context_of(call, "api")
        change_policy(self._log, admitted.workspace, policy, actor=admitted.key.actor(), context=context)
        return answer_json({"retention_period_in_days": days})

    def _configuration(self, call: Call, admitted: Admitted) -> Answer:
        own(admitted, call.path["id"])
        return answer_json(
            {
                "organization_id": admitted.workspace,
                "retention_period_in_days": read_policy(self._log, admitted.workspace).days,
                "state": "active",
            }
        )

    def _link(self, call: Call, admitted: Admitted) -> Answer:
        body = read_object(call)
        own(admitted, body.get("organization"), "organization")
        intent = body.get("intent")
        if intent is None:
            raise missing("intent")
        if intent != "audit_logs":
            raise Refusal(
                422,
                "This server has no page for that intent. Use audit_logs.",
                errors=[{"code": "invalid", "field": "intent"}],
            )
        console = self._shared.console
        if console is None:
            raise Refusal(404, "There is no sign-in here. Mint a viewer token in the application that shows the log.")
        key = admitted.key
        permissions = tuple(name for scope, name in _PERMISSION.items() if key.may(scope))
        code = console.invite(admitted.workspace, viewer=key.actor(), permissions=permissions)
        scheme = "https" if call.secure else "http"
        link = f"{scheme}://{call.headers.get('host', '')}{call.base}/#code={code}"
        return answer_json({"link": link}, status=201)


def _told(schema: Schema) -> dict[str, Any]:
    told = {
        "object": "audit_log_schema",
        "version": schema.version,
        "targets": schema.targets,
        "actor": schema.actor,
        "metadata": schema.metadata,
        "created_at": time_text(schema.created_at),
    }
    return {name: value for name, value in told.items() if value is not None}
