"""Events of rows get what every event gets: the details of their scope, bounds, and nothing that no log takes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

import whodid
from whodid import Actor, Event, Log, Resource
from whodid.capture import Capture, context, current
from whodid.capture.bounds import MOST_BYTES
from whodid.capture.describe import Describer, Shape
from whodid.capture.pending import Row
from whodid.capture.values import plain

AISHA = Actor(type="user", id="usr_1", name="Aisha Khan")
SHAPE = Shape(actions={verb: f"thing.{verb}" for verb in ("created", "updated", "deleted", "restored")})


@pytest.fixture
def log() -> Iterator[Log]:
    """Open a log."""
    with whodid.open("memory://") as log:
        yield log


def described(log: Log, after: dict[str, Any], *, name: str = "One", details: dict[str, Any] | None = None) -> Event:
    """Make the event of a new row, and let the log check it."""
    row = Row(
        resource=Resource(type="thing", id="1", name=name),
        workspace="w1",
        before=None,
        after=after,
        scope=current(),
        at=datetime.now(UTC),
        shape=SHAPE,
        details=details,
    )
    told = Describer(Capture.to(log)).describe(row)
    assert told is not None
    log.check(*told)
    return told[1]


def test_the_details_of_the_scope_stand_beside_those_of_the_row(log: Log) -> None:
    """Route and task of a row's event are those of its request or job, without secrets."""
    with context(actor=AISHA, route="PUT /things/{id}", details={"task": {"name": "x", "token": "hunter2"}}):
        event = described(log, {"a": 1}, details={"rows": 3})
    assert event.details is not None
    assert event.details["route"] == "PUT /things/{id}"
    assert event.details["rows"] == 3
    assert event.details["task"]["token"]["$"] == "redacted"


def test_a_text_that_no_log_takes_does_not_make_the_change_fail(log: Log) -> None:
    """Not in a short column, not in the name."""
    event = described(log, {"a": "x\x01y", "b": "fine"}, name="a\x00b")
    assert [isinstance(change.after, dict) for change in event.changes] == [True, False]


def test_the_event_of_a_row_is_bounded(log: Log) -> None:
    """Ten long columns are cut to what an event has room for."""
    event = described(log, {f"f{number}": "x" * 15_000 for number in range(10)})
    assert len(msgspec.json.encode(event)) <= MOST_BYTES


def test_a_wrapped_secret_leaves_its_own_fingerprint(log: Log) -> None:
    """The same as that of the bare value."""
    event = described(log, {"note": plain(SecretStr("hunter2"))})
    assert event.changes[0].after_fp == log.fingerprint("w1", b'"hunter2"')
