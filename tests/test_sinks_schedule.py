"""When people are told: in office hours or once a day by their own clock; what is urgent never waits."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.channel import clock, log, receiver
from tests.keeping import HOME, Clock, event
from tests.receiving import Receiver
from tests.sinking import managed, only, turn
from whodid import Log
from whodid.errors import InvalidSetting
from whodid.sinks import SinkWorker
from whodid.sinks.kinds.schedule import read_schedule

__all__ = ["clock", "log", "receiver"]

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def at(text: str) -> datetime:
    """Read a moment, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "zone", "moment", "open_"),
    [
        ("mon-fri 09:00-18:00", "Europe/Madrid", "2026-11-27T07:59", False),
        ("mon-fri 09:00-18:00", "Europe/Madrid", "2026-11-27T08:00", True),
        ("mon-fri 09:00-18:00", "Europe/Madrid", "2026-11-27T16:59", True),
        ("mon-fri 09:00-18:00", "Europe/Madrid", "2026-11-27T17:00", False),
        ("mon-fri 09:00-18:00", "Europe/Madrid", "2026-11-28T12:00", False),  # a Saturday
        ("mon-fri 09:00-18:00", "Europe/Madrid", "2026-07-31T07:00", True),  # summer time
        ("mon-fri 09:00-18:00", "UTC", "2026-07-31T08:59", False),
        ("sat-mon 09:00-18:00", "UTC", "2026-11-29T12:00", True),
        ("sat-mon 09:00-18:00", "UTC", "2026-12-01T12:00", False),
        ("fri 22:00-06:00", "UTC", "2026-11-27T23:00", True),
        ("fri 22:00-06:00", "UTC", "2026-11-28T05:59", True),  # the night of Friday
        ("fri 22:00-06:00", "UTC", "2026-11-27T05:59", False),  # the night of Thursday
        ("fri 22:00-06:00", "UTC", "2026-11-28T06:00", False),
    ],
)
def test_hours_are_those_of_the_zone(hours: str, zone: str, moment: str, open_: bool) -> None:
    """With its summer time; a night shift belongs to the day on which it begins."""
    schedule = read_schedule({"hours": hours, "zone": zone})
    assert schedule is not None
    assert schedule.lets(LONG_AGO, at(moment)) is open_


@pytest.mark.parametrize(
    ("since", "now", "goes"),
    [
        ("2026-11-27T06:00", "2026-11-27T06:59", False),
        ("2026-11-27T06:00", "2026-11-27T07:00", True),  # 08:00 in Madrid
        ("2026-11-27T07:30", "2026-11-27T23:00", False),
        ("2026-11-27T07:30", "2026-11-28T07:00", True),
        ("2026-11-20T07:30", "2026-11-27T03:00", True),  # it was missed: the server was away
    ],
)
def test_a_digest_goes_once_a_day(since: str, now: str, goes: bool) -> None:
    """With everything that came before its time, however late it is."""
    schedule = read_schedule({"digest": "08:00", "zone": "Europe/Madrid"})
    assert schedule is not None
    assert schedule.lets(at(since), at(now)) is goes


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hours": "09:00-18:00"}, "mon-fri 09:00-18:00"),
        ({"hours": "mon-fri 9-18"}, "mon-fri 09:00-18:00"),
        ({"hours": "mon-fri 09:00-24:30"}, "mon-fri 09:00-18:00"),
        ({"hours": "mon 09:00-09:00"}, "two times"),
        ({"digest": "8"}, "08:00"),
        ({"digest": "08:00", "hours": "mon-fri 09:00-18:00"}, "hours or a digest"),
        ({"digest": "08:00", "zone": "Europe/Nowhere"}, "no time zone"),
        ({"digest": "08:00", "zone": "../../etc/passwd"}, "no time zone"),
        ({"digest": "08:00", "urgent": "panic"}, "no severity"),
    ],
)
def test_what_cannot_be_read_is_refused(options: dict[str, str], said: str) -> None:
    """With how it is written."""
    with pytest.raises(InvalidSetting) as raised:
        read_schedule(options)
    assert said in str(raised.value)


def added(log: Log, receiver: Receiver, folder: Path, **options: str) -> None:
    """Add a channel."""
    secret = folder / "channel.secret"
    secret.write_text(f"{receiver.url.rstrip('/')}/services/T000/B000/hush\n")
    secret.chmod(0o600)
    managed(log).add(
        "chat", "slack", receiver.url, secret=f"file:{secret}", private=True, query="category:contact", options=options
    )


def titles(receiver: Receiver) -> list[list[str]]:
    """Return what was posted: the first lines of each post."""
    return [[block["text"]["text"].split("\n")[0] for block in json.loads(got.body)["blocks"]] for got in receiver.got]


def recorded(log: Log, clock: Clock, number: int, **more: Any) -> None:
    """Record something at the present time."""
    log.record(HOME, event(number, "contact.updated", clock.now, **more))


def test_what_is_not_urgent_waits_for_the_hours(log: Log, receiver: Receiver, clock: Clock, tmp_path: Path) -> None:
    """Over the night it gathers, signs of life or not; in the morning it is one post."""
    added(log, receiver, tmp_path, hours="mon-fri 09:00-18:00")
    clock.now = at("2026-11-23T19:00")
    recorded(log, clock, 10)
    recorded(log, clock, 11)
    worker = SinkWorker(log)
    for _ in range(3):
        clock.advance(hours=4)
        assert turn(worker) == 0
    clock.now = at("2026-11-24T09:00")
    assert turn(worker) == 1
    assert [len(post) for post in titles(receiver)] == [2]
    recorded(log, clock, 12)
    assert turn(worker) == 1
    assert [len(post) for post in titles(receiver)] == [2, 1]


@pytest.mark.parametrize("when", [{"hours": "mon-fri 09:00-18:00"}, {"digest": "08:00"}])
def test_what_is_urgent_goes_at_once(
    log: Log, receiver: Receiver, clock: Clock, tmp_path: Path, when: dict[str, str]
) -> None:
    """It takes along what waits before it, in order; what is urgent and not asked for wakes nobody."""
    added(log, receiver, tmp_path, **when)
    worker = SinkWorker(log)
    clock.now = at("2026-11-23T10:00")
    turn(worker)
    clock.now = at("2026-11-23T23:00")
    recorded(log, clock, 10)
    log.record(HOME, event(11, "role.updated", clock.now, severity="critical"))
    assert turn(worker) == 0
    recorded(log, clock, 12, severity="critical")
    assert turn(worker) == 1
    assert [len(post) for post in titles(receiver)] == [2]
    assert only(log).behind == 0


def test_nothing_is_urgent_where_nothing_shall_be(log: Log, receiver: Receiver, clock: Clock, tmp_path: Path) -> None:
    """A digest of everything: once a day, whatever happens."""
    added(log, receiver, tmp_path, digest="08:00", zone="Europe/Madrid", urgent="none")
    worker = SinkWorker(log)
    clock.now = at("2026-11-23T12:00")
    turn(worker)
    recorded(log, clock, 10, severity="critical")
    assert turn(worker) == 0
    clock.now = at("2026-11-24T06:59")
    assert turn(worker) == 0
    clock.now = at("2026-11-24T07:00")
    assert turn(worker) == 1
    clock.advance(seconds=30)
    recorded(log, clock, 11)
    assert turn(worker) == 0
    assert [len(post) for post in titles(receiver)] == [1]


def test_heads_have_a_schedule_of_their_own(log: Log) -> None:
    """Hours for letters with entries only."""
    people = {"from": "a@example.com", "to": "b@example.com"}
    for format in ("head", "whodid"):
        options = {**people, "hours": "mon-fri 09:00-18:00"}
        if format == "head":
            with pytest.raises(InvalidSetting, match="schedule of their own"):
                managed(log).add("mail", "email", "smtps://mail.example.com", format=format, options=options)
        else:
            assert managed(log).add("mail", "email", "smtps://mail.example.com", format=format, options=options).active


def test_a_failing_channel_is_tried_on_its_own_schedule(
    log: Log, receiver: Receiver, clock: Clock, tmp_path: Path
) -> None:
    """What did not get through at nine is tried again in the hours, and waits like the rest after them."""
    added(log, receiver, tmp_path, hours="mon-fri 09:00-18:00")
    clock.now = at("2026-11-23T17:59:50")
    recorded(log, clock, 10)
    receiver.statuses = [500]
    worker = SinkWorker(log)
    turn(worker)
    assert only(log).status == "failing"
    clock.advance(seconds=30)
    assert turn(worker) == 0
    clock.now = at("2026-11-24T09:00")
    turn(worker)
    assert (only(log).status, only(log).behind) == ("active", 0)
    assert timedelta(0) <= clock.now - (only(log).position.sent_at or LONG_AGO) < timedelta(minutes=1)
