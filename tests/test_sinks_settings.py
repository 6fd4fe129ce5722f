"""Sinks as settings: every change is an entry, what cannot work is refused, and nothing is guessed."""

from __future__ import annotations

import pytest

from tests import sinking
from tests.keeping import HOME, MARIA
from tests.sinking import Told, managed
from whodid import Log
from whodid.errors import InvalidQuery, InvalidSetting, NotFound, StoreCorrupt, StoreUnavailable
from whodid.sinks.kinds import Result
from whodid.sinks.settings import STATE

clock, log, told = sinking.clock, sinking.log, sinking.told


def test_every_change_is_an_entry(log: Log, told: Told) -> None:
    """Adding, pausing, resuming and removing; doing what is so already is none."""
    sinks = managed(log)
    sink = sinks.add("siem", "file", "/tmp/x", query="kind:delete")
    sinks.pause(sink.id)
    sinks.pause("siem")
    sinks.resume("siem")
    sinks.resume("siem")
    sinks.remove("siem")

    found = list(log.read(HOME, 10))
    assert {entry.action for entry in found} == {"audit.stream_changed"}
    assert {(entry.actor, entry.related[0].id, entry.related[0].name) for entry in found} == {(MARIA, sink.id, "siem")}
    assert [[(one.path, one.op) for one in entry.changes if one.path in {"active", "query"}] for entry in found] == [
        [("query", "add"), ("active", "add")],
        [("active", "replace")],
        [("active", "replace")],
        [("query", "remove"), ("active", "remove")],
    ]
    assert sinks.all() == []
    assert log.state(HOME, f"sinks.position.{sink.id}") is None


def test_a_test_is_an_entry(log: Log, told: Told) -> None:
    """Whether the receiver took it or not, and then why; it is no change of the sink."""
    sinks = managed(log)
    sink = sinks.add("siem", "file", "/tmp/x")
    told.results = [Result(), Result(fault="The receiver is down")]
    sinks.test("siem")
    sinks.test("siem")

    taken, missed = log.read(HOME, 11)
    assert {one.action for one in (taken, missed)} == {"audit.stream_tested"}
    assert (taken.outcome, taken.reason, taken.changes, taken.related[0].id) == ("success", None, (), sink.id)
    assert (missed.outcome, missed.reason and missed.reason.text) == ("failed", "The receiver is down")


def test_a_change_that_a_crash_left_unannounced_is_announced(
    log: Log, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads the sinks next records it, once."""

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(log, "record", crash)
        with pytest.raises(KeyboardInterrupt):
            managed(log).add("siem", "file", "/tmp/x")
    assert log.head(HOME).size == 10
    for _ in range(2):
        assert [health.sink.name for health in managed(log).all()] == ["siem"]
    assert [entry.action for entry in log.read(HOME, 10)] == ["audit.stream_changed"]


def test_a_change_that_cannot_be_recorded_does_not_happen(
    log: Log, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings are as they were, and no position is left behind."""

    def full(*_: object) -> None:
        raise StoreUnavailable("The store is busy")

    with monkeypatch.context() as patch:
        patch.setattr(log, "record", full)
        with pytest.raises(StoreUnavailable):
            managed(log).add("siem", "file", "/tmp/x")
    assert managed(log).all() == []


@pytest.mark.parametrize(
    ("more", "told_"),
    [
        ({"name": ""}, "no name for a sink"),
        ({"name": "a\nb"}, "no name for a sink"),
        ({"name": "x" * 101}, "no name for a sink"),
        ({"kind": "pigeon"}, "no kind of sink 'pigeon'"),
        ({"format": "morse"}, "has no format 'morse'"),
        ({"batch": 0}, "A delivery of 0 entries"),
        ({"batch": 101}, "A delivery of 101 entries"),
        ({"heartbeat": -1}, "A heartbeat every -1 seconds"),
        ({"options": {"colour": "red"}}, "has no option 'colour'"),
        ({"query": "date:today"}, "has no dates"),
        ({"start": 11}, "no entry 11 to begin with"),
        ({"secret": "hunter2"}, "file:PATH or env:NAME"),
        ({"secret": "env:WHODID_NO_SUCH"}, "holds no secret"),
        ({"secret": "file:/no/such"}, "cannot be read"),
    ],
)
def test_settings_that_cannot_work_are_refused(log: Log, told: Told, more: dict[str, object], told_: str) -> None:
    """With the reason; nothing is recorded, and a secret that stood in the wrong place is not repeated."""
    arguments = {"name": "siem", "kind": "file", "address": "/tmp/x", **more}
    with pytest.raises(InvalidSetting, match=told_) as caught:
        managed(log).add(**arguments)  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)
    assert log.head(HOME).size == 10


def test_a_filter_that_is_none_is_refused(log: Log, told: Told) -> None:
    """Queries are checked when the sink is added, not when it is fed."""
    with pytest.raises(InvalidQuery):
        managed(log).add("siem", "file", "/tmp/x", query="severity:loud")


def test_names_are_unique_and_found(log: Log, told: Told) -> None:
    """A name names one sink; what there is not is said."""
    managed(log).add("siem", "file", "/tmp/x")
    with pytest.raises(InvalidSetting, match="There is a sink 'siem'"):
        managed(log).add("siem", "file", "/tmp/x")
    with pytest.raises(NotFound, match=r"no sink 'mail'\. There are siem"):
        managed(log).get("mail")
    with pytest.raises(NotFound):
        managed(log, "wsp_none").add("siem", "file", "/tmp/x")


def test_there_is_a_limit(log: Log, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread per sink is cheap, not free."""
    monkeypatch.setattr("whodid.sinks.sinks.MOST", 2)
    for name in ("a", "b"):
        managed(log).add(name, "file", "/tmp/x")
    with pytest.raises(InvalidSetting, match="has 2 sinks already"):
        managed(log).add("c", "file", "/tmp/x")


def test_state_that_cannot_be_read_is_not_guessed(log: Log, told: Told) -> None:
    """It is said what is broken."""
    sink = managed(log).add("siem", "file", "/tmp/x")
    state = f"sinks.position.{sink.id}"
    log.swap_state(HOME, state, log.state(HOME, state), b"{")
    with pytest.raises(StoreCorrupt, match="position of sink"):
        managed(log).all()
    log.swap_state(HOME, STATE, log.state(HOME, STATE), b"{")
    with pytest.raises(StoreCorrupt, match="sinks cannot be read"):
        managed(log).all()
