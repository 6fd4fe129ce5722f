"""Whatever comes in at the doors for messages: an answer below 500, and a batch that is there as it was answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from starlette.testclient import TestClient

from tests.serving import HOME, MARIA, Clock, client, open_log
from whodid import Log
from whodid.errors import InvalidEvent
from whodid.server.compat.rfc5424 import Frames, read_message
from whodid.server.compat.syslog_messages import Twins, taken
from whodid.server.keys import KeyRing

NOW = datetime(2026, 11, 20, tzinfo=UTC)
BOUNDED = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

NAMES = st.sampled_from(
    [
        *("action", "actor", "resource", "user", "user.id", "id", "type", "name", "before", "after", "before.x", "$"),
        *(
            "after.x",
            "reason",
            "outcome",
            "event.id",
            "src",
            "target",
            "target.id",
            "related",
            "occurred_at",
            "details",
        ),
        *(
            "resourceLogs",
            "scopeLogs",
            "logRecords",
            "attributes",
            "key",
            "value",
            "stringValue",
            "kvlistValue",
            "body",
        ),
        *("event", "time", "fields", "host", "source", "specversion", "subject", "data", "data_base64", "eventName"),
        *(
            "timeUnixNano",
            "observedTimeUnixNano",
            "intValue",
            "arrayValue",
            "values",
            "password",
            "\ud800",
            "",
            "a" * 600,
        ),
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["1.0", "denied", "user", "contact.deleted", "2026-11-01T00:00:00Z", "203.0.113.7", "\x00", "x" * 70_000]
    )
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=20
)


class World(NamedTuple):
    """A log, a door to it and a key."""

    log: Log
    http: TestClient
    key: str


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Open a log and the doors to it."""
    with open_log(Clock()) as log, client(log, compat=("otlp", "cloudevents", "splunk"), rate=0) as http:
        yield World(log, http, KeyRing(log, HOME, actor=MARIA).create("t").text)


def size(log: Log) -> int:
    """Return how many entries there are."""
    return log.head(HOME).size


def written(value: Any) -> bytes:
    """Write JSON, with whatever Python writes of it."""
    return json.dumps(value).encode()


def otlp(attributes: Any, body: Any) -> Any:
    """Wrap values as a request with two records, the second of which is good."""
    record = {"timeUnixNano": "1795000000000000000", "attributes": attributes, "body": body}
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": [record, {"timeUnixNano": "1795000000000000000"}]}]}]}


def unwrapped(value: Any) -> Any:
    """Write a value as OTLP does."""
    match value:
        case None:
            return {}
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}
        case list():
            return {"arrayValue": {"values": [unwrapped(one) for one in value]}}
    return {"kvlistValue": {"values": [{"key": name, "value": unwrapped(one)} for name, one in value.items()]}}


@BOUNDED
@given(
    body=JSON.map(written) | st.binary(max_size=200),
    kind=st.sampled_from(["application/json", "application/x-protobuf"]),
)
@example(body=b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {}}]}]}]}', kind="application/json")
def test_any_body_of_log_records_has_an_answer(world: World, body: bytes, kind: str) -> None:
    """200, or a refusal of the whole, after which nothing is there."""
    before = size(world.log)
    answer = world.http.post(
        "/v1/logs", content=body, headers={"content-type": kind, "authorization": f"Bearer {world.key}"}
    )
    assert answer.status_code in {200, 400, 413}
    assert answer.status_code == 200 or size(world.log) == before


@BOUNDED
@given(said=JSON)
def test_any_record_keeps_no_other_out(world: World, said: Any) -> None:
    """Attributes and body of any shape: recorded or told as rejected, and as many are there as were not."""
    attributes = unwrapped(said).get("kvlistValue", {}).get("values", [])
    try:
        body = json.dumps(otlp(attributes, unwrapped(said)), allow_nan=False).encode()
    except ValueError:
        assume(False)
    before = size(world.log)
    answer = world.http.post(
        "/v1/logs", content=body, headers={"content-type": "application/json", "authorization": f"Bearer {world.key}"}
    )
    if answer.status_code == 400:  # half a surrogate pair is no JSON
        assert size(world.log) == before
        return
    assert answer.status_code == 200
    rejected = int(answer.json().get("partialSuccess", {}).get("rejectedLogRecords", "0"))
    assert rejected <= 1
    assert size(world.log) - before <= 2 - rejected


@BOUNDED
@given(raw=st.binary(max_size=300), at=st.integers(0, 200), cut=st.integers(0, 5))
def test_any_damage_to_protobuf_has_an_answer(world: World, raw: bytes, at: int, cut: int) -> None:
    """A good message with something in the middle of it."""
    message = ExportLogsServiceRequest()
    inner = message.resource_logs.add().scope_logs.add()
    for number in range(2):
        record = inner.log_records.add(time_unix_nano=1_795_000_000_000_000_000 + number, event_name="thing.made")
        record.attributes.add(key="user.id").value.string_value = "u" * 20
        record.body.kvlist_value.values.add(key="x").value.array_value.values.add(int_value=number)
    good = message.SerializeToString()
    body = good[: at % len(good)] + raw + good[at % len(good) + cut :]
    before = size(world.log)
    headers = {"content-type": "application/x-protobuf", "authorization": f"Bearer {world.key}"}
    answer = world.http.post("/v1/logs", content=body, headers=headers)
    if answer.status_code == 200:
        ExportLogsServiceResponse.FromString(answer.content)
    else:
        assert answer.status_code in {400, 413}
        assert size(world.log) == before


@BOUNDED
@given(said=st.lists(JSON, max_size=3), whole=st.booleans(), raw=st.binary(max_size=20))
def test_any_events_for_splunk_are_recorded_whole_or_not_at_all(
    world: World, said: list[Any], whole: bool, raw: bytes
) -> None:
    """Objects one after the other, as the event or as the envelope, with rubbish behind them."""
    good = {"event": "good", "time": 1_795_000_000}
    body = b"".join(written(one if whole else good | {"event": one}) for one in [good, *said]) + raw
    before = size(world.log)
    for path in ("/services/collector/event", "/services/collector/raw"):
        answer = world.http.post(path, content=body, headers={"authorization": f"Splunk {world.key}"})
        assert answer.status_code in {200, 400}
        if answer.status_code == 400:
            assert size(world.log) == before
        before = size(world.log)


@BOUNDED
@given(said=JSON, more=st.dictionaries(NAMES, JSON, max_size=3), body=st.binary(max_size=50), batch=st.booleans())
def test_any_cloudevents_are_recorded_whole_or_not_at_all(
    world: World, said: Any, more: dict[str, Any], body: bytes, batch: bool
) -> None:
    """As data, as attributes, as a batch, as the body of a binary event."""
    good = {"specversion": "1.0", "id": "1", "source": "/a", "type": "a.b", "time": "2026-11-01T00:00:00Z"}
    event = good | {"data": said, "id": json.dumps(said)} | more
    kind = f"application/cloudevents{'-batch' if batch else ''}+json"
    before = size(world.log)
    headers = {"content-type": kind, "authorization": f"Bearer {world.key}"}
    answer = world.http.post("/cloudevents", content=written([good, event] if batch else event), headers=headers)
    assert answer.status_code in {204, 400, 409, 422}
    if answer.status_code in {400, 422}:
        assert size(world.log) == before
    head = {f"ce-{name}": value for name, value in good.items()}
    answer = world.http.post(
        "/cloudevents", content=body, headers=head | {"authorization": f"Bearer {world.key}", "ce-id": f"b{body.hex()}"}
    )
    assert answer.status_code == 204


@BOUNDED
@given(
    pieces=st.lists(
        st.binary(max_size=60)
        | st.sampled_from(
            [
                b"<13>1 2026-11-01T00:00:00Z h a p m ",
                b'[whodid@1 key="wk_x" user.id="u"]',
                b'[a b="\\"\\]"]',
                b"\n",
                b"\x00",
                b"20 <",
                b" @cee: ",
                b'{"action": "a.b", "actor": {"type": "user", "id": "1"}, "resource": {"type": "t", "id": "r"}}',
                b'{"user": {"id": 7}}',
            ]
        ),
        max_size=12,
    )
)
def test_any_bytes_of_syslog_are_messages_or_refused(world: World, pieces: list[bytes]) -> None:
    """Cut anywhere, they are the same messages; each is an event without a key, or refused as one that is not valid."""
    whole = b"".join(pieces)
    frames = Frames()
    found = [raw for piece in pieces for raw in frames.feed(piece)]
    assert found == Frames().feed(whole)
    twins = Twins()
    for raw in found:
        try:
            arrived = taken(read_message(raw), twins.count(raw), NOW)
            world.log.check(HOME, arrived.event)
        except InvalidEvent:
            continue
        if b'[whodid@1 key="wk_x"' in raw and (arrived.event.details or {}).get("unparsed") is None:
            assert "wk_x" not in str(arrived)
