"""Sinks into buckets: objects that another client reads, that a repetition does not double, and signed requests."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests import sinking
from tests.bucketing import KEYS, Bucket, serving
from tests.keeping import HOME, Clock, event, opened, record
from tests.receiving import Receiver, receiving
from tests.sinking import managed, only, turn
from whodid import Log, egress
from whodid.errors import InvalidSetting
from whodid.sinks import SinkWorker

clock = sinking.clock
_numbers = itertools.count()


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> Iterator[Log]:
    """Open a log with ten entries."""
    with opened("memory", tmp_path, clock) as log:
        record(log, [event(number) for number in range(1, 11)])
        yield log


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Run the double of S3."""
    with serving() as port:
        yield port


@pytest.fixture
def bucket(port: int) -> Bucket:
    """Make a bucket."""
    return Bucket(port, f"audit-{next(_numbers)}")


@pytest.fixture
def keys(tmp_path: Path) -> str:
    """Write the keys of the bucket."""
    path = tmp_path / "keys"
    path.write_text(f"{KEYS}\n")
    path.chmod(0o600)
    return f"file:{path}"


def added(log: Log, url: str, keys: str, **more: Any) -> None:
    """Add a sink into a bucket to which everything goes at once."""
    options = {"every": "0", **more.pop("options", {})}
    managed(log).add("lake", "s3", url, private=True, start=0, secret=keys, heartbeat=0, options=options, **more)


def test_entries_are_objects_of_lines(log: Log, bucket: Bucket, keys: str) -> None:
    """By workspace and day, named after the first entry; each line is the entry in its wire form."""
    added(log, f"{bucket.url}/logs/prod", keys, batch=4)
    turn(SinkWorker(log))

    days = {f"{entry.occurred_at:%Y-%m-%d}" for entry in log.read(HOME, 0)}
    names = bucket.names()
    assert len(days) == 1
    assert names == [
        f"logs/prod/workspace={HOME}/date={next(iter(days))}/{first:012d}.whodid.ndjson.zst" for first in (0, 4, 8)
    ]
    assert bucket.indexes() == [*range(11)]
    assert bucket.lines(names[0])[0]["id"] == log.get(HOME, 0).id
    assert (only(log).status, only(log).behind) == ("active", 0)


def test_each_day_is_an_object_of_its_own(log: Log, bucket: Bucket, keys: str, clock: Clock) -> None:
    """Whatever the order in which days were recorded."""
    added(log, bucket.url, keys)
    record(log, [event(50, at=clock.now - timedelta(days=2)), event(51, at=clock.now)])
    turn(SinkWorker(log))
    dates = {name.split("date=")[1].partition("/")[0] for name in bucket.names()}
    assert dates == {f"{entry.occurred_at:%Y-%m-%d}" for entry in log.read(HOME, 0)}
    assert sorted(bucket.indexes()) == [*range(13)]


def test_a_repeated_delivery_doubles_nothing(log: Log, bucket: Bucket, keys: str) -> None:
    """What is there is not written again, what is new beside it is; nothing that is there is overwritten."""
    added(log, bucket.url, keys, batch=100)
    turn(SinkWorker(log))
    before = {name: bucket.bytes(name) for name in bucket.names()}
    sinks = managed(log)
    sinks.remove("lake")  # as if the position had been lost: it begins once more, with more to say
    added(log, bucket.url, keys, batch=100)
    turn(SinkWorker(log))

    assert bucket.indexes() == [*range(13)]
    assert {name: bucket.bytes(name) for name in before} == before
    assert only(log).position.next == 13


def test_a_backfill_writes_again(log: Log, bucket: Bucket, keys: str) -> None:
    """Because somebody wants it: the objects may be lost or spoilt."""
    added(log, bucket.url, keys, batch=100)
    turn(SinkWorker(log))
    (name,) = bucket.names()
    obstore.put(bucket.store, name, b"spoilt")
    managed(log).backfill("lake", 0)
    turn(SinkWorker(log))
    assert bucket.indexes() == [*range(12)]


def test_what_somebody_else_put_there_is_left_alone(log: Log, bucket: Bucket, keys: str) -> None:
    """The sink fails and says so; with a prefix of its own it goes on."""
    added(log, bucket.url, keys, batch=100)
    sinks = managed(log)
    sinks.pause("lake")
    name = f"workspace={HOME}/date={log.get(HOME, 0).occurred_at:%Y-%m-%d}/000000000000.whodid.ndjson.zst"
    obstore.put(bucket.store, name, b"theirs")
    sinks.resume("lake")
    turn(SinkWorker(log))
    assert "is there already and holds something else" in only(log).position.fault
    assert bucket.bytes(name) == b"theirs"


@pytest.mark.parametrize("replace", ["no", "yes"])
def test_parquet_has_the_columns_of_an_export(log: Log, bucket: Bucket, keys: str, replace: str) -> None:
    """And is repeated like lines; a test is an object without a row."""
    options = {"file": "parquet", "replace": replace}
    added(log, bucket.url, keys, options=options)
    managed(log).test("lake")
    turn(SinkWorker(log))
    test, whole = sorted(bucket.names(), key=lambda name: "/date=" in name)
    assert (bucket.rows(test), whole.endswith("/000000000000.parquet")) == ([], True)
    rows = bucket.rows(whole)
    assert [row["index"] for row in rows] == [*range(12)]
    assert (rows[0]["actor_name"], rows[0]["workspace"]) == (log.get(HOME, 0).actor.name, HOME)
    managed(log).remove("lake")
    added(log, bucket.url, keys, options=options)
    turn(SinkWorker(log))
    found = sorted(row["index"] for name in bucket.names() if "/date=" in name for row in bucket.rows(name))
    assert found == [*range(14)]


def test_entries_wait_for_others(log: Log, bucket: Bucket, keys: str, clock: Clock) -> None:
    """Until a delivery is full, or the first of them has waited long enough: a bucket is no place for crumbs."""
    added(log, bucket.url, keys, batch=12, options={"every": "300"})
    assert turn(SinkWorker(log)) == 0
    clock.advance(seconds=299)
    assert turn(SinkWorker(log)) == 0
    clock.advance(seconds=1)
    assert turn(SinkWorker(log)) == 1
    assert bucket.indexes() == [*range(11)]
    record(log, [event(number, at=clock.now) for number in range(60, 72)])
    assert turn(SinkWorker(log)) == 1
    assert bucket.indexes() == [*range(23)]


def test_a_sign_of_life_is_no_object(log: Log, bucket: Bucket, keys: str, clock: Clock) -> None:
    """A test is one, under a name that says so."""
    managed(log).add(
        "lake", "s3", bucket.url, private=True, secret=keys, heartbeat=60, options={"every": "0"}, format="ocsf"
    )
    turn(SinkWorker(log))
    clock.advance(seconds=61)
    turn(SinkWorker(log))
    assert not managed(log).test("lake").fault
    (entry,) = [name for name in bucket.names() if "/date=" in name]
    (test,) = [name for name in bucket.names() if "/test/" in name]
    assert bucket.lines(entry)[0]["class_uid"] == 1008
    assert bucket.lines(test)[0]["activity_name"] == "whodid.test"


@pytest.mark.parametrize("workspace", ["wsp:a.b-c_1", ".."])
def test_requests_are_signed_as_their_own_library_signs(tmp_path: Path, keys: str, workspace: str) -> None:
    """The signature is the one of botocore for the same request, whatever stands in the name of the workspace."""
    with opened("memory", tmp_path, Clock()) as log, receiving() as receiver:
        log.record(workspace, event(1))
        url = receiver.url.replace("/in", "/bucket/pre+fix~x")
        options = {"every": "0", "region": "eu-central-1"}
        managed(log, workspace).add("lake", "s3", url, private=True, start=0, secret=keys, options=options)
        turn(SinkWorker(log))
    got = receiver.got[0]
    id_, _, secret = KEYS.partition(":")
    signer = S3SigV4Auth(Credentials(id_, secret), "s3", "eu-central-1")
    shown = {name: got.headers[name] for name in ("host", "x-amz-content-sha256", "x-amz-date")}
    request = AWSRequest(got.method, f"http://{shown['host']}{got.path}", data=got.body, headers=shown)
    request.context["timestamp"] = shown["x-amz-date"]
    wanted = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    assert got.headers["authorization"].endswith(f"Signature={wanted}")
    assert (got.method, got.headers["if-none-match"]) == ("PUT", "*")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run a receiver that knows no S3."""
    with receiving() as receiver:
        yield receiver


_CODE = "<Error><Code>{}</Code></Error>"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            (403, "<Error><Code>SignatureDoesNotMatch</Code><Message>No</Message></Error>"),
            "403: “SignatureDoesNotMatch, No”",
        ),
        ((503, _CODE.format("SlowDown")), "503: “SlowDown”"),
        ((301, _CODE.format("PermanentRedirect")), "301: “PermanentRedirect”"),
        ((501, _CODE.format("NotImplemented")), "set the option replace=yes"),
        ((400, "<html>"), "The receiver answered 400: “<html>”"),
        ((410, ""), "The receiver answered 410"),
        ((409, _CODE.format("ConditionalRequestConflict")), "409: “ConditionalRequestConflict”"),
    ],
)
def test_no_entry_is_at_fault_for_what_a_bucket_says(
    log: Log, receiver: Receiver, keys: str, answer: tuple[int, str], said: str
) -> None:
    """It is tried again later, in words; nothing goes into quarantine, and the sink does not pause by itself."""
    receiver.statuses, receiver.body = [answer[0]], answer[1].encode()
    added(log, receiver.url, keys)
    turn(SinkWorker(log))
    health = only(log)
    assert said in health.position.fault
    assert (health.status, health.position.quarantine, health.position.next) == ("failing", (), 0)


def test_a_bucket_that_leads_inside_is_not_reached(
    log: Log, keys: str, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    """As for every kind, the address is checked for each connection."""
    monkeypatch.setattr(egress, "resolve", lambda host, port: ["169.254.169.254"])
    managed(log).add("lake", "s3", "https://s3.example.com/b", start=0, secret=keys, options={"every": "0"})
    turn(SinkWorker(log))
    assert only(log).position.fault == "s3.example.com leads to 169.254.169.254, which is not on the public internet"


@pytest.mark.parametrize(
    ("url", "more", "said"),
    [
        ("https://s3.example.com", {}, "ends with a bucket"),
        ("https://s3.example.com/b/../c", {}, "ends with a bucket"),
        ("https://s3.example.com/b?x=1", {}, "ends with a bucket"),
        ("http://s3.example.com/b", {"private": False}, "in the clear"),
        ("https://s3.example.com/b", {"options": {"region": "EU west"}}, "region"),
        ("https://s3.example.com/b", {"options": {"file": "csv"}}, "Use ndjson or parquet"),
        ("https://s3.example.com/b", {"options": {"every": "-1"}}, "every"),
        ("https://s3.example.com/b", {"options": {"replace": "maybe"}}, "replace"),
        ("https://s3.example.com/b", {"options": {"file": "parquet"}, "format": "ocsf"}, "has no format 'ocsf'"),
    ],
)
def test_what_cannot_work_is_refused(log: Log, keys: str, url: str, more: dict[str, Any], said: str) -> None:
    """When the sink is added, not when the first entry comes."""
    with pytest.raises(InvalidSetting) as raised:
        managed(log).add("lake", "s3", url, **{"private": True, "secret": keys, **more})
    assert said in str(raised.value)


def test_keys_are_two(log: Log, tmp_path: Path) -> None:
    """An id and a secret; what is said does not hold them."""
    path = tmp_path / "half"
    path.write_text("AKIDEXAMPLE")
    path.chmod(0o600)
    with pytest.raises(InvalidSetting, match="KEY_ID:SECRET_KEY") as raised:
        managed(log).add("lake", "s3", "https://s3.example.com/b", secret=f"file:{path}")
    assert "AKID" not in str(raised.value)
