"""AWS CloudTrail records as events.

Pure: one record in, one event out. The record format is that of the CloudTrail user guide
(https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html). Keys are
found whatever their case, because some pipelines fold it. Actions get the prefix `aws.`: `aws.ec2.run_instances`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from whodid.errors import InvalidEvent
from whodid.export.import_ import foreign
from whodid.model import Actor, Context, Event, Outcome, Reason, Related, Resource, Severity

__all__ = ["to_event"]

_API_VERSION = re.compile(r"(?<=[A-Za-z])20\d{6}(v\d)?$")
_DENIED = ("accessdenied", "unauthorized", "forbidden", "notauthorized", "signaturedoesnotmatch", "invalidclienttoken")
# What a call is about, by the names that its parameters have: the first that is present is the resource.
_PARAMETERS = (
    ("bucketName", "bucket"),
    ("functionName", "function"),
    ("snapshotId", "snapshot"),
    ("imageId", "image"),
    ("volumeId", "volume"),
    ("networkAclId", "network_acl"),
    ("routeTableId", "route_table"),
    ("groupId", "security_group"),
    ("instanceId", "instance"),
    ("vpcId", "vpc"),
    ("dBSnapshotIdentifier", "db_snapshot"),
    ("dBClusterIdentifier", "db_cluster"),
    ("dBInstanceIdentifier", "db_instance"),
    ("dBSecurityGroupName", "db_security_group"),
    ("repositoryName", "repository"),
    ("trailName", "trail"),
    ("deliveryChannelName", "delivery_channel"),
    ("loadBalancerName", "load_balancer"),
    ("projectArn", "project"),
    ("keyId", "key"),
    ("roleName", "role"),
    ("roleArn", "role"),
    ("userName", "user"),
    ("groupName", "group"),
    ("policyArn", "policy"),
)


class _Record:
    """A record whose keys are found in any case, and which remembers what was placed verbatim in the event."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._record = record
        self._keys = {key.lower(): key for key in reversed(list(record))}
        self.placed: set[str] = set()

    def get(self, key: str) -> Any:
        return self._record.get(self._keys.get(key.lower(), key))

    def group(self, key: str) -> Mapping[str, Any]:
        found = self.get(key)
        return found if isinstance(found, dict) else {}

    def place(self, key: str, limit: int = 500) -> str | None:
        found = foreign.text(self.get(key), limit)
        if found is not None:
            self.placed.add(self._keys[key.lower()])
        return found


def to_event(record: Mapping[str, Any], undated: datetime | None = None) -> Event:
    """Turn a CloudTrail record into an event.

    Args:
        record: One member of `Records`.
        undated: When it happened if the record does not say.

    Returns:
        The event; whatever has no field of its own is in `details`.

    Raises:
        InvalidEvent: The record has no event name, or no time.
    """
    known = _Record(record)
    name = known.get("eventName")
    if not isinstance(name, str) or not name:
        raise InvalidEvent("/eventName", "This is no CloudTrail record: it names no event", "Check the file and --from")
    service = str(known.get("eventSource") or "").removesuffix(".amazonaws.com")
    outcome, reason = _outcome(known)
    resource, related = _resources(known)
    ip = foreign.address(known.get("sourceIPAddress"))
    if ip is not None and ip == known.get("sourceIPAddress"):
        known.place("sourceIPAddress")
    return Event(
        id=foreign.event_id("cloudtrail", record, known.get("eventID")),
        occurred_at=foreign.when(map(known.get, ("eventTime", "@timestamp", "p_event_time")), undated),
        actor=_actor(known),
        action=foreign.action_name("aws", service, _API_VERSION.sub("", name)),
        kind="security" if known.get("readOnly") is True else foreign.kind_of(name),
        severity=_severity(known, outcome),
        resource=resource,
        related=related,
        outcome=outcome,
        reason=reason,
        context=Context(
            source="import", ip=ip, user_agent=known.place("userAgent"), request=known.place("requestID", 200)
        ),
        details=foreign.details(record, known.placed),
    )


def _actor(known: _Record) -> Actor:
    """Name the caller: the user, the session of a role (with the role), or the service that acted by itself."""
    identity = known.group("userIdentity")
    service = identity.get("invokedBy")
    kind = identity.get("type")
    if kind == "AWSService" or (not kind and service):
        return Actor(type="provider", id=foreign.identifier(service or "AWSService"), name=foreign.text(service))
    context = identity.get("sessionContext")
    issuer = context.get("sessionIssuer") if isinstance(context, dict) else None
    arn = identity.get("arn")
    session = arn.rpartition("/")[2] if isinstance(arn, str) else None
    found = identity.get("principalId") or arn or identity.get("userName") or identity.get("accountId")
    if not found:
        return Actor(type="anonymous", id="unknown")
    name = identity.get("userName") or ("root" if kind == "Root" else session)
    by_service = isinstance(service, str) and service.endswith(".amazonaws.com")
    return Actor(
        type="system" if by_service else "user",
        id=foreign.identifier(found),
        name=foreign.text(name),
        role=foreign.text(issuer.get("userName")) if isinstance(issuer, dict) else None,
    )


def _resources(known: _Record) -> tuple[Resource, tuple[Related, ...]]:
    found: list[Resource] = []
    listed = known.get("resources")
    for resource in listed if isinstance(listed, list) else ():
        if not isinstance(resource, dict):
            continue
        arn = resource.get("ARN") or resource.get("arn")
        if arn:
            kind = str(resource.get("type") or "").removeprefix("AWS::").rpartition("::")[2] or _type_of(str(arn))
            found.append(_resource(kind, arn, re.split("[/:]", str(arn))[-1]))
    parameters = known.group("requestParameters")
    for key, kind in _PARAMETERS:
        value = parameters.get(key)
        if isinstance(value, str) and value and all(value not in (other.id, other.name) for other in found):
            found.append(_resource(kind, value, value))
    instances = _instances(parameters, known.group("responseElements"))
    found.extend(_resource("instance", instance, None) for instance in instances)
    account = known.get("recipientAccountId") or known.group("userIdentity").get("accountId")
    if account:
        found.append(_resource("account", account, None))
    if not found:
        found.append(Resource(type="account", id="unknown"))
    related = (Related(type=other.type, id=other.id, name=other.name, rel="context") for other in found[1:32])
    return found[0], tuple(related)


def _instances(*groups: Mapping[str, Any]) -> Iterator[str]:
    """Yield the instances that a call on several at once names, in its parameters or else in its answer."""
    for group in groups:
        listed = group.get("instancesSet")
        items = listed.get("items") if isinstance(listed, dict) else None
        names = [item.get("instanceId") for item in items if isinstance(item, dict)] if isinstance(items, list) else []
        if any(names):
            yield from (name for name in names if isinstance(name, str) and name)
            return


def _resource(kind: str, value: object, name: str | None) -> Resource:
    label = foreign.text(name)
    return Resource(
        type=foreign.action_name(kind) or "resource",
        id=foreign.identifier(value),
        name=label if label != value else None,
    )


def _type_of(arn: str) -> str:
    """Return the type of resource in `arn:partition:service:region:account:type/id`, else the service."""
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return "resource"
    kind = re.split("[/:]", parts[5])
    return kind[0] if len(kind) > 1 else parts[2]


def _outcome(known: _Record) -> tuple[Outcome, Reason | None]:
    code = known.get("errorCode")
    message = known.get("errorMessage")
    login = known.group("responseElements").get("ConsoleLogin")
    if not code and login != "Failure" and not message:
        return "success", None
    folded = str(code or "").lower()
    outcome: Outcome = "denied" if any(mark in folded for mark in _DENIED) else "failed"
    reason = Reason(code=known.place("errorCode", 100), text=known.place("errorMessage"))
    return outcome, reason if reason.code or reason.text else None


def _severity(known: _Record, outcome: Outcome) -> Severity:
    if outcome == "denied" or known.group("userIdentity").get("type") == "Root":
        return "warning"
    return "info" if known.get("readOnly") is True else "notice"
