"""The published clients of WorkOS, unchanged, against a real server: versions 10 and 5 for Python, 11 for Node.js."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from workos import WorkOSClient
from workos._errors import (
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    UnprocessableEntityError,
)
from workos._types import RequestOptions
from workos.audit_logs import RetentionPeriod, RetentionPeriodInDays
from workos.audit_logs.models import (
    AuditLogEvent,
    AuditLogEventActor,
    AuditLogEventContext,
    AuditLogEventTarget,
    AuditLogSchemaTargetInput,
)

from tests import compatting
from tests.compatting import (
    WORKSPACE,
    CompatServer,
    needs_clients,
    needs_workos5,
    run_node,
    run_workos5,
)
from whodid import Change
from whodid.export import JobFolder

server = compatting.server

AT = datetime(2026, 11, 1, 12, 0, 0, 123_000, tzinfo=UTC)


@pytest.fixture
def client(server: CompatServer) -> Iterator[WorkOSClient]:
    """Open the client, pointed at the server."""
    with WorkOSClient(api_key=server.admin, base_url=server.url) as opened:
        yield opened


def said(action: str = "invoice.sent", **more: Any) -> AuditLogEvent:
    """Make an event."""
    values: dict[str, Any] = {
        "action": action,
        "occurred_at": AT,
        "actor": AuditLogEventActor(id="usr_1", type="user", name="Ana", metadata={"role": "Owner", "seats": 3}),
        "targets": [
            AuditLogEventTarget(id="inv_1", type="invoice", name="2026-118"),
            AuditLogEventTarget(id="cus_1", type="customer", metadata={"tier": "gold"}),
        ],
        "context": AuditLogEventContext(location="203.0.113.7", user_agent="Chrome/104"),
        "metadata": {"before_total": 10, "after_total": 12, "note": "ñandú"},
    }
    return AuditLogEvent(**(values | more))


def create(client: WorkOSClient, event: AuditLogEvent, key: str | None = None, workspace: str = WORKSPACE) -> None:
    """Create an event."""
    options: RequestOptions | None = {"extra_headers": {"Idempotency-Key": key}} if key else None
    answer = client.audit_logs.create_event(organization_id=workspace, event=event, request_options=options)
    assert answer.success


def test_an_event_arrives_whole(server: CompatServer, client: WorkOSClient) -> None:
    """Actor, targets, address, agent, metadata and the values before and after stand where entries have them."""
    create(client, said())
    (entry,) = server.entries("invoice.sent")
    assert (entry.actor.type, entry.actor.id, entry.actor.name, entry.actor.role) == ("user", "usr_1", "Ana", "Owner")
    assert (entry.resource.type, entry.resource.id, entry.resource.name) == ("invoice", "inv_1", "2026-118")
    assert [(one.type, one.id, one.rel) for one in entry.related] == [("customer", "cus_1", "target")]
    assert entry.context is not None
    assert (entry.context.ip, entry.context.user_agent) == ("203.0.113.7", "Chrome/104")
    assert entry.changes == (Change(path="total", before=10, after=12),)
    assert entry.details == {
        "metadata": {"note": "ñandú"},
        "actor": {"metadata": {"seats": 3}},
        "targets": [{"metadata": {"tier": "gold"}}],
    }
    assert entry.occurred_at == AT


def test_a_secret_in_the_metadata_leaves_a_fingerprint(server: CompatServer, client: WorkOSClient) -> None:
    """Intake redacts here as everywhere."""
    create(client, said(metadata={"password": "correct horse battery"}))
    (entry,) = server.entries("invoice.sent")
    assert "correct horse" not in str(entry)
    assert "redacted" in entry.marks


@pytest.mark.parametrize("fault", ["429", "503", "cut", "ending"])
def test_what_the_client_repeats_is_recorded_once(server: CompatServer, client: WorkOSClient, fault: str) -> None:
    """Refused once, or recorded and cut off before the answer: the client repeats, and there is one entry."""
    server.faults = [fault]
    create(client, said())
    assert len(server.keys) == 2
    assert server.keys[0] == server.keys[1] != ""
    assert len(server.entries("invoice.sent")) == 1


def test_a_key_stands_for_one_event(server: CompatServer, client: WorkOSClient) -> None:
    """The same key twice is one entry; with another event it is refused; another API key does not share it."""
    create(client, said(), "once")
    create(client, said(), "once")
    with pytest.raises(ConflictError) as refused:
        create(client, said(metadata={"note": "other"}), "once")
    assert refused.value.code == "idempotency_key_reused"
    with WorkOSClient(api_key=server.key, base_url=server.url) as other:
        create(other, said(metadata={"note": "other"}), "once")
    assert len(server.entries("invoice.sent")) == 2


def test_refusals_arrive_as_the_exceptions_of_the_client(server: CompatServer, client: WorkOSClient) -> None:
    """Schema, missing member, workspace and key: class, code, faults and the id of the request."""
    target = AuditLogSchemaTargetInput(type="invoice", metadata={"type": "object", "properties": {}})
    client.audit_logs.create_schema("invoice.sent", targets=[target])
    with pytest.raises(BadRequestError) as unfit:
        create(client, said())
    assert unfit.value.code == "invalid_audit_log_event"
    assert unfit.value.errors == [{"instancePath": "/targets/1/type"}]
    assert unfit.value.request_id
    with pytest.raises(UnprocessableEntityError) as missing:
        create(client, said(action=""))
    assert missing.value.errors == [{"code": "required", "field": "event.action"}]
    with pytest.raises(BadRequestError):
        create(client, said("other.made", metadata={"text": "x" * 501}))
    with pytest.raises(NotFoundError):
        create(client, said(), workspace="wsp_other")
    with WorkOSClient(api_key="wk_nobody", base_url=server.url) as stranger, pytest.raises(AuthenticationError):
        create(stranger, said())
    assert server.entries("invoice.sent") == []
    with pytest.raises(UnprocessableEntityError):
        create(client, said("late.made", occurred_at=datetime.now(UTC) + timedelta(days=1)))


def test_an_export_is_pending_then_ready_and_holds_what_was_asked(server: CompatServer, client: WorkOSClient) -> None:
    """The file has the entries of the query and no others; the order is made once however often it is repeated."""
    create(client, said())
    create(client, said(actor=AuditLogEventActor(id="usr_2", type="user", name="Bo")))
    create(client, said("invoice.voided"))
    create(client, said(occurred_at=AT - timedelta(days=40)))
    server.faults = ["cut"]
    made = client.audit_logs.create_export(
        organization_id=WORKSPACE,
        range_start=(AT - timedelta(days=1)).isoformat(),
        range_end=(AT + timedelta(days=1)).isoformat(),
        actions=["invoice.sent"],
        actor_names=["Ana"],
        targets=["customer"],
    )
    assert (made.state, made.url) == ("pending", None)
    while (ready := client.audit_logs.get_export(made.id)).state == "pending":
        time.sleep(0.01)
    assert ready.state == "ready"
    assert ready.url is not None
    rows = httpx2.get(ready.url).text.splitlines()
    assert len(rows) == 2
    assert '"usr_1"' in rows[1]
    assert '"invoice.sent"' in rows[1]
    assert len(server.entries("audit.exported")) == 1
    with pytest.raises(BadRequestError) as refused:
        client.audit_logs.create_export(organization_id=WORKSPACE, range_start="2026-02-01", range_end="2026-01-01")
    assert refused.value.code == "invalid_audit_log_export_range_date"
    with pytest.raises(NotFoundError):
        client.audit_logs.get_export("audit_log_export_none")


def test_an_order_that_is_refused_for_now_is_repeated_by_the_client(
    server: CompatServer, client: WorkOSClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No room once: the client waits as it is told to, sends the order again, and one export is made."""
    rooms = iter((False,))
    monkeypatch.setattr(JobFolder, "has_room", lambda _self, _workspace: next(rooms, True))
    monkeypatch.setattr("whodid.server.compat.workos_exports.WAIT", 0)
    made = client.audit_logs.create_export(
        organization_id=WORKSPACE, range_start="2026-01-01T00:00:00Z", range_end="2027-01-01T00:00:00Z"
    )
    while (told := client.audit_logs.get_export(made.id)).state == "pending":
        time.sleep(0.01)
    assert told.state == "ready"
    assert len(server.entries("audit.exported")) == 1


def test_actions_and_schemas_are_listed_over_pages(client: WorkOSClient) -> None:
    """Five of each in pages of two, newest first; a name may hold slashes and spaces."""
    for number in range(5):
        client.audit_logs.create_schema(f"thing.made_{number}", targets=[AuditLogSchemaTargetInput(type="thing")])
        client.audit_logs.create_schema("a/b c", targets=[AuditLogSchemaTargetInput(type=f"t{number}")])
    actions = [one.name for one in client.audit_logs.list_actions(limit=2).auto_paging_iter()]
    assert actions == [*(f"thing.made_{number}" for number in (4, 3, 2, 1)), "a/b c", "thing.made_0"]
    versions = [one.version for one in client.audit_logs.list_action_schemas("a/b c", limit=2).auto_paging_iter()]
    assert versions == [5, 4, 3, 2, 1]


def test_retention_is_set_in_both_forms(server: CompatServer, client: WorkOSClient) -> None:
    """In days and as a period; every change is an entry; other lengths are refused."""
    logs = client.audit_logs
    assert logs.get_organization_audit_logs_retention(WORKSPACE).retention_period_in_days == 90
    for retention, days in ((RetentionPeriodInDays(365), 365), (RetentionPeriod("3_MONTHS"), 90)):
        told = logs.update_organization_audit_logs_retention(WORKSPACE, retention=retention)
        assert told.retention_period_in_days == days
    assert len(server.entries("audit.retention_changed")) == 2
    with pytest.raises(UnprocessableEntityError):
        logs.update_organization_audit_logs_retention(WORKSPACE, retention=RetentionPeriodInDays(31))
    told_all = client.organizations.get_audit_log_configuration(WORKSPACE)
    assert (told_all.organization_id, told_all.state) == (WORKSPACE, "active")


def test_the_portal_link_signs_in_once(client: WorkOSClient) -> None:
    """The link opens the viewer of the workspace with the rights of the key, once."""
    link = client.admin_portal.generate_link(organization=WORKSPACE, intent="audit_logs").link
    address, _, code = link.partition("/#code=")
    answers = [
        httpx2.post(f"{address}/session", json={"code": code}, headers={"Sec-Fetch-Site": "same-origin"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 403]
    assert answers[0].json() == {"workspace": WORKSPACE}


WIRE: dict[str, Any] = {
    "action": "invoice.sent",
    "occurred_at": "2026-11-01T12:00:00Z",
    "actor": {"id": "usr_1", "type": "user", "name": "Ana", "metadata": {}},
    "targets": [{"id": "inv_1", "type": "invoice", "metadata": {}}],
    "context": {"location": "203.0.113.7", "user_agent": "Chrome/104"},
    "metadata": {"note": "ñandú"},
}


@needs_workos5
def test_version_5_works_without_idempotency_keys(server: CompatServer) -> None:
    """It sends no key on events, and maps refusals to its own exceptions."""
    calls = [
        ["audit_logs", "create_event", {"organization_id": WORKSPACE, "event": WIRE}],
        ["audit_logs", "create_event", {"organization_id": WORKSPACE, "event": WIRE | {"action": ""}}],
        ["audit_logs", "create_event", {"organization_id": "wsp_other", "event": WIRE}],
        [
            "audit_logs",
            "create_export",
            {"organization_id": WORKSPACE, "range_start": "2026-01-01", "range_end": "2026-12-01"},
        ],
        [
            "audit_logs",
            "create_schema",
            {"action": "a.b", "targets": [{"type": "thing", "metadata": {"size": "number"}}]},
        ],
        ["audit_logs", "list_actions", {}],
    ]
    results = run_workos5({"key": server.admin, "url": f"{server.url}/", "calls": calls})
    assert results[0] == {"result": None}
    assert results[1]["error"]["name"] == "BadRequestException"
    assert results[2]["error"]["name"] == "NotFoundException"
    assert results[3]["result"]["state"] == "pending"
    assert results[4]["result"]["version"] == 1
    assert "a.b" in str(results[5])
    assert server.keys[0] == ""
    assert len(server.entries("invoice.sent")) == 1


@needs_clients
def test_node_works_and_retries(server: CompatServer) -> None:
    """Events through a 429 and a cut line once each; refusals, exports, schemas and retention in its own shapes."""
    event = {
        "action": "invoice.sent",
        "occurredAt": {"$date": "2026-11-01T12:00:00Z"},
        "actor": {"id": "usr_1", "type": "user", "metadata": {"role": "Owner"}},
        "targets": [{"id": "inv_1", "type": "invoice"}],
        "context": {"location": "203.0.113.7", "userAgent": "Chrome/104"},
        "metadata": {"after_state": "sent"},
    }
    ranged = {"rangeStart": {"$date": "2026-10-01T00:00:00Z"}, "rangeEnd": {"$date": "2026-12-01T00:00:00Z"}}
    calls: list[list[Any]] = [
        ["auditLogs", "createEvent", WORKSPACE, event],
        ["auditLogs", "createEvent", WORKSPACE, event],
        ["auditLogs", "createEvent", WORKSPACE, event | {"action": ""}],
        ["auditLogs", "createEvent", "wsp_other", event],
        ["auditLogs", "createExport", {"organizationId": WORKSPACE, **ranged}],
        [
            "auditLogs",
            "createSchema",
            {"action": "a/b c", "targets": [{"type": "thing", "metadata": {"size": "number"}}]},
        ],
        ["auditLogs", "listSchemas", "a/b c"],
        ["adminPortal", "generateLink", {"organization": WORKSPACE, "intent": "audit_logs"}],
    ]
    server.faults = ["429", "fine", "cut"]
    results = run_node("workos.mjs", {"key": server.admin, "port": server.port, "calls": calls})
    assert [list(one) for one in results[:2]] == [["result"], ["result"]]
    assert len(server.entries("invoice.sent")) == 2
    assert server.keys[0] == server.keys[1] != server.keys[2] == server.keys[3]
    assert results[2]["error"]["status"] == 422
    assert results[3]["error"]["status"] == 404
    assert results[3]["error"]["requestID"]
    assert results[4]["result"]["state"] == "pending"
    assert results[5]["result"]["version"] == 1
    assert [one["version"] for one in results[6]["result"]] == [1]
    assert results[7]["result"]["link"].startswith(server.url)
    assert server.entries("invoice.sent")[0].changes == (Change(path="state", op="add", after="sent"),)
