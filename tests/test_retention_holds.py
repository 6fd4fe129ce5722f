"""Legal holds: a hold wins over every term, from the moment that placing it returned, and both acts are entries."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.keeping import HOME, JOAO, MARIA, STORES, Clock, catalog, event, opened, record
from whodid import Context, Entry, Event, Log, Reason
from whodid.errors import InvalidEvent, InvalidQuery, InvalidSetting, NotFound, Purged, StoreCorrupt
from whodid.export import export, verify_export
from whodid.retention import (
    Hold,
    Policy,
    change_policy,
    holder,
    lost_holds,
    place_hold,
    preview,
    preview_hold,
    purge,
    read_holds,
    release_hold,
    standing_holds,
)
from whodid.retention.holds import MAX_HOLDS

WHY = Reason(text="Complaint 2026/118")


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the log."""
    return Clock()


@pytest.fixture(params=STORES)
def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Log]:
    """Open a log with a hundred days of ten entries each."""
    with opened(request.param, tmp_path, clock, catalog()) as log:
        number = 0
        for _ in range(100):
            record(log, [event(number + one + 1, at=clock.now) for one in range(10)])
            number += 10
            clock.advance(days=1)
        yield log


def place(log: Log, query: str, name: str = "Case 118") -> Hold:
    """Place a hold."""
    return place_hold(log, HOME, name=name, query=query, actor=MARIA, reason=WHY)


def acts_of(log: Log, action: str) -> list[Entry]:
    """Return the entries of an action."""
    return list(log.stream(HOME, f"action:{action}"))


def kept_below(log: Log, stop: int) -> list[int]:
    """Return the indexes below `stop` that have content."""
    return [entry.index for entry in log.read(HOME, 0, stop)]


def test_a_held_resource_outlives_its_term_and_stays_provable(log: Log) -> None:
    """Of a hundred entries whose time is over one stays: it can be read, proven, exported and verified."""
    place(log, "resource:contact:con_42")
    done = purge(log, HOME)

    assert (done.entries, done.finished) == (99, True)
    assert kept_below(log, 100) == [41]
    assert log.get(HOME, 41).resource.id == "con_42"
    with pytest.raises(Purged):
        log.get(HOME, 40)
    assert log.prove(HOME, 41).index == 41
    report = log.verify(HOME)
    assert report.ok, report.problems


def test_a_held_entry_in_an_export_verifies_offline(log: Log, tmp_path: Path) -> None:
    """The file with proofs holds the entry that a purge went around."""
    place(log, "resource:contact:con_42")
    purge(log, HOME)
    path = tmp_path / "held.ndjson"
    with path.open("wb") as file:
        export(log, HOME, "resource:contact:con_42", "ndjson", file, proofs=True, actor=MARIA)
    lines = path.read_bytes().splitlines(keepends=True)

    report = verify_export(lines, lines[-1])
    assert report.ok, report.problems
    assert (report.proven, report.first) == (1, 41)


def test_placing_is_recorded_with_who_why_and_what(log: Log) -> None:
    """The entry names the hold, the query and the reason."""
    hold = place_hold(
        log,
        HOME,
        name="  Case 118 ",
        query="actor:usr_maria",
        actor=JOAO,
        reason=WHY,
        context=Context(ip="203.0.113.9"),
    )
    (entry,) = acts_of(log, "audit.hold_placed")

    assert read_holds(log, HOME) == (hold,)
    assert (entry.actor.id, entry.resource.id, entry.resource.name) == ("usr_joao", hold.id, "Case 118")
    assert entry.details == {"query": "actor:usr_maria"}
    assert entry.reason == WHY
    assert entry.context is not None
    assert entry.context.ip == "203.0.113.9"
    assert (hold.placed_by, hold.placed_at) == (JOAO, log.now())


def test_a_released_hold_lets_the_next_purge_take_what_it_kept(log: Log) -> None:
    """Also what an earlier purge had looked at and left."""
    hold = place(log, "resource:contact:con_42")
    purge(log, HOME)
    assert purge(log, HOME).entries == 0

    released = release_hold(log, HOME, hold.id, actor=JOAO, reason=Reason(text="Closed"))
    assert released == hold
    assert read_holds(log, HOME) == ()
    (entry,) = acts_of(log, "audit.hold_released")
    assert (entry.actor.id, entry.resource.id) == ("usr_joao", hold.id)

    assert purge(log, HOME).entries == 1
    assert kept_below(log, 100) == []
    assert log.head(HOME).first >= 100
    assert log.verify(HOME).ok


def test_several_holds_at_once(log: Log) -> None:
    """An entry is kept while at least one of them matches it."""
    first = place(log, "resource:contact:con_42", "One")
    place(log, "resource:contact:con_42,contact:con_43", "Two")
    purge(log, HOME)
    assert kept_below(log, 100) == [41, 42]

    release_hold(log, HOME, first.id, actor=MARIA, reason=WHY)
    purge(log, HOME)
    assert kept_below(log, 100) == [41, 42]


def test_a_period_an_actor_and_a_free_word_can_be_held(log: Log, clock: Clock) -> None:
    """A hold is any query; relative dates are those of the day on which it was placed."""
    hold = place(log, "date:>100d actor:usr_joao")
    assert "100d" not in hold.query
    clock.advance(days=5)
    purge(log, HOME)

    assert all(entry.actor.id == "usr_joao" for entry in log.read(HOME, 0, 150))
    assert kept_below(log, 150)


def test_what_is_recorded_after_a_hold_is_held_too(log: Log, clock: Clock) -> None:
    """A hold keeps what matches it, not what matched when it was placed."""
    place(log, "resource:contact:con_5000")
    record(log, [event(5000, at=clock.now)])
    late = log.head(HOME).size - 1
    clock.advance(days=200)
    purge(log, HOME)

    assert log.get(HOME, late).resource.id == "con_5000"


def test_a_hold_wins_over_the_term_of_a_class(log: Log, clock: Clock) -> None:
    """Classes that go earlier are held as well, and go once it is released."""
    change_policy(log, HOME, Policy(days=90, classes={"brief": 7}), actor=MARIA)
    record(log, [event(6000, "door.seen", clock.now), event(6001, "door.seen", clock.now)])
    index = log.head(HOME).size - 2
    hold = place(log, "resource:contact:con_6000")
    clock.advance(days=20)
    purge(log, HOME)
    assert kept_below(log, index + 2)[-1] == index

    release_hold(log, HOME, hold.id, actor=MARIA, reason=WHY)
    purge(log, HOME)
    assert index not in kept_below(log, index + 2)


def test_records_of_purges_stay_while_something_below_them_is_held(log: Log, clock: Clock) -> None:
    """Whatever is missing around a held entry is covered by records that are still there."""
    place(log, "resource:contact:con_42")
    purge(log, HOME)
    clock.advance(days=300)
    purge(log, HOME)

    gone = set(range(log.head(HOME).size)) - {entry.index for entry in log.read(HOME)}
    covered: set[int] = set()
    for entry in acts_of(log, "audit.purged"):
        assert entry.details is not None
        for start, stop in entry.details["ranges"]:
            covered.update(range(start, stop))
    assert gone == covered
    assert log.verify(HOME).ok


def test_a_purge_with_nothing_but_held_entries_writes_nothing(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held entries do not make every round look and write anew."""
    place(log, "actor:usr_maria,usr_joao")
    purge(log, HOME)
    size = log.head(HOME).size

    monkeypatch.setattr(log, "swap_state", lambda *_: pytest.fail("A purge without work writes no state"))
    done = purge(log, HOME)
    assert (done.entries, done.finished, log.head(HOME).size) == (0, True, size)


def test_a_hold_that_is_placed_while_a_purge_runs_is_heeded_at_once(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Placed between the plan of a step and its transaction: the step removes nothing, and the purge ends."""
    real = log.forget

    def forget(*arguments: Any, **more: Any) -> Any:
        monkeypatch.setattr(log, "forget", real)
        worker = threading.Thread(target=place, args=(log, "resource:contact:con_3"))
        worker.start()
        worker.join()
        return real(*arguments, **more)

    monkeypatch.setattr(log, "forget", forget)
    done = purge(log, HOME)
    assert (done.entries, done.finished) == (0, False)

    assert purge(log, HOME).entries == 99
    assert kept_below(log, 100) == [2]


def test_the_previews_tell_what_is_held(log: Log) -> None:
    """What a hold would keep, and what a purge leaves because of it."""
    found = preview_hold(log, HOME, "resource:contact:con_42")
    assert (found.entries, found.query) == (1, "resource:contact:con_42")
    assert found.oldest == found.newest
    assert read_holds(log, HOME) == ()
    assert preview_hold(log, HOME, "actor:nobody").oldest is None

    place(log, "resource:contact:con_42")
    foreseen = preview(log, HOME)
    assert (foreseen.entries, foreseen.held, foreseen.stays) == (99, 1, 902)
    assert purge(log, HOME).entries == 99


def test_the_one_who_holds_an_entry_is_named(log: Log) -> None:
    """The first that matches."""
    hold = place(log, "resource:contact:con_42")
    held_by = holder(read_holds(log, HOME))

    assert held_by(log.get(HOME, 41)) == hold
    assert held_by(log.get(HOME, 40)) is None


@pytest.mark.parametrize(
    ("name", "query", "reason", "error"),
    [
        ("", "actor:usr_maria", WHY, InvalidSetting),
        ("x" * 201, "actor:usr_maria", WHY, InvalidSetting),
        ("Case", "", WHY, InvalidSetting),
        ("Case", "no_such_field:x", WHY, InvalidQuery),
        ("Case", "actor:usr_maria", Reason(), InvalidSetting),
        ("Case", "actor:usr_maria", Reason(text="  "), InvalidSetting),
        ("Case", "actor:usr_maria", Reason(text="x" * 100_000), InvalidEvent),
    ],
)
def test_a_hold_that_cannot_be_placed_leaves_nothing(
    log: Log, name: str, query: str, reason: Reason, error: type[Exception]
) -> None:
    """No name, no query, a false one, no reason, one that no entry takes."""
    with pytest.raises(error):
        place_hold(log, HOME, name=name, query=query, actor=MARIA, reason=reason)

    assert read_holds(log, HOME) == ()
    assert acts_of(log, "audit.hold_placed") == []


def test_a_hold_that_is_not_there_cannot_be_released(log: Log) -> None:
    """Nor one that is released already."""
    hold = place(log, "actor:usr_maria")
    release_hold(log, HOME, hold.id, actor=MARIA, reason=WHY)

    with pytest.raises(NotFound):
        release_hold(log, HOME, hold.id, actor=MARIA, reason=WHY)
    with pytest.raises(InvalidSetting):
        release_hold(log, HOME, hold.id, actor=MARIA, reason=Reason())
    assert len(acts_of(log, "audit.hold_released")) == 1


def test_there_are_only_so_many(log: Log) -> None:
    """The bound is told, and releasing one makes room."""
    holds = [place(log, f"resource:contact:con_{number}") for number in range(MAX_HOLDS)]
    with pytest.raises(InvalidSetting):
        place(log, "actor:usr_maria")

    release_hold(log, HOME, holds[0].id, actor=MARIA, reason=WHY)
    assert place(log, "actor:usr_maria") in read_holds(log, HOME)


def test_holds_that_cannot_be_read_purge_nothing(log: Log) -> None:
    """Acting on a guess would remove what a court wants to see."""
    log.swap_state(HOME, "holds", None, b'{"value": "all of it"}')

    with pytest.raises(StoreCorrupt):
        purge(log, HOME)
    assert log.head(HOME).first == 0


def test_a_hold_that_was_taken_away_past_the_log_is_heeded(log: Log) -> None:
    """Whoever writes to the database can take a hold from there; the log says that it was never released."""
    hold, other = place(log, "resource:contact:con_42"), place(log, "resource:contact:con_43", "Other")
    assert log.swap_state(HOME, "holds", log.state(HOME, "holds"), b'{"value":[]}')

    assert (read_holds(log, HOME), lost_holds(log, HOME)) == ((), (hold, other))
    assert preview(log, HOME).held == 2
    purge(log, HOME)
    assert kept_below(log, 100) == [41, 42]

    assert release_hold(log, HOME, hold.id, actor=JOAO, reason=Reason(text="Closed")) == hold
    late = place(log, "resource:contact:con_44", "Late")
    assert standing_holds(log, HOME) == (late, other)
    purge(log, HOME)
    assert kept_below(log, 100) == [42]


def test_a_hold_that_comes_or_goes_meanwhile_is_not_lost(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """State and entries are read one after the other: what changed between is looked at again."""
    gone = place(log, "resource:contact:con_42")
    real = log.stream

    def stream(*arguments: Any) -> Any:
        monkeypatch.setattr(log, "stream", real)
        release_hold(log, HOME, gone.id, actor=MARIA, reason=WHY)
        place(log, "resource:contact:con_43", "New")
        return real(*arguments)

    monkeypatch.setattr(log, "stream", stream)
    assert lost_holds(log, HOME) == ()


def test_a_crash_between_state_and_entry_is_made_good(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hold holds already; whoever reads the holds next records that it was placed, once."""

    class Killed(BaseException):
        """The process ends here."""

    def killed(_workspace: str, _event: Event) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(log, "record", killed)
        place(log, "resource:contact:con_42")

    assert purge(log, HOME).entries == 99
    assert [hold.query for hold in read_holds(log, HOME)] == ["resource:contact:con_42"]
    assert len(acts_of(log, "audit.hold_placed")) == 1


def test_holds_and_a_policy_without_end_go_together(log: Log, clock: Clock) -> None:
    """A hold on entries that no term takes changes nothing."""
    change_policy(log, HOME, Policy(days=None), actor=MARIA)
    place(log, "resource:contact:con_42")
    clock.advance(days=1000)

    assert purge(log, HOME).entries == 0
    assert preview(log, HOME).held == 0
    assert clock.now - log.get(HOME, 0).recorded_at > timedelta(days=1000)
