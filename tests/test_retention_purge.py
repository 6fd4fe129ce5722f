"""Purging real logs: what the policy says goes, what remains verifies, and every step is an entry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.keeping import HOME, MARIA, STORES, Clock, catalog, event, opened, record
from whodid import Context, Entry, Log, Resource
from whodid.canonical import payload
from whodid.errors import NotFound, Purged, StoreCorrupt, StoreUnavailable
from whodid.export import export, verify_export
from whodid.log import forgetting
from whodid.proof import open_checkpoint, tree
from whodid.proof.note import Verifier
from whodid.proof.seal import Seal
from whodid.retention import Loss, Policy, Purge, change_policy, preview, purge, read_policy
from whodid.retention.purge import RETENTION


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the log."""
    return Clock()


@pytest.fixture(params=STORES)
def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Log]:
    """Open an empty log with retention classes."""
    with opened(request.param, tmp_path, clock, catalog()) as log:
        yield log


def days_of(log: Log, clock: Clock, count: int, per_day: int = 10, action: str = "contact.updated") -> None:
    """Record some entries a day, for some days."""
    for _ in range(count):
        start = log.head(HOME).size if HOME in log.workspaces() else 0
        record(log, [event(start + number + 1, action, clock.now) for number in range(per_day)])
        clock.advance(days=1)


def purges_of(log: Log) -> list[Entry]:
    """Return the records of purges, oldest first."""
    return [entry for entry in log.read(HOME) if entry.action == "audit.purged"]


def test_what_is_older_than_ninety_days_goes_and_the_rest_verifies(log: Log, clock: Clock) -> None:
    """A hundred days of entries: ten days go, the others stay, and the log still proves itself."""
    days_of(log, clock, 100)
    done = purge(log, HOME)

    assert done.entries == 100
    assert done.finished
    assert done.first == log.head(HOME).first == 100
    with pytest.raises(Purged):
        log.get(HOME, 99)
    assert log.get(HOME, 100).index == 100
    assert next(log.read(HOME)).index == 100
    report = log.verify(HOME)
    assert report.ok, report.problems
    assert report.purged == 100


def test_the_record_says_what_went_and_why(log: Log, clock: Clock) -> None:
    """Ranges, counts, cut-off and policy; the actor is retention itself."""
    days_of(log, clock, 100)
    done = purge(log, HOME)
    (entry,) = purges_of(log)

    assert done.records == (entry.index,)
    assert entry.actor == RETENTION
    assert entry.kind == "delete"
    details = dict(entry.details or {})
    frozen, root = details.pop("seal"), bytes.fromhex(details.pop("root"))
    assert details == {
        "ranges": [[0, 100]],
        "entries": 100,
        "before": 0,
        "first": 100,
        "until": (clock.now - timedelta(days=91)).date().isoformat(),
        "days": 90,
        "classes": {"standard": 100},
        "policy": {"days": 90, "classes": {}},
    }
    # What an old file says of its first hundred entries leads on to what the record says.
    size = log.head(HOME).size
    tree.check_consistency(100, size, root, log.head(HOME).root, log.prove_consistency(HOME, 100, size))
    path = [bytes.fromhex(one) for one in frozen["path"]]
    note = json.loads(log.state(HOME, "checkpoint") or b"")["note"]
    signed, _ = open_checkpoint(note, Verifier(log.verifier_key(HOME)))
    assert signed.size == frozen["size"]
    tree.check_inclusion(frozen["index"], frozen["size"], bytes.fromhex(frozen["leaf"]), path, signed.root)
    seal = Seal.decode(bytes.fromhex(frozen["seal"]))
    assert (seal.number, seal.start, seal.stop) == (frozen["segment"], 0, 10)


def test_a_record_names_a_seal_only_when_a_whole_segment_went(log: Log, clock: Clock) -> None:
    """Steps within a segment say where content begins, and no more."""
    days_of(log, clock, 100)
    purge(log, HOME, step=30)

    assert [("seal" in (entry.details or {})) for entry in purges_of(log)] == [True, False, False, False]
    assert [(entry.details or {})["before"] for entry in purges_of(log)] == [0, 30, 60, 90]
    assert log.verify(HOME).ok


@pytest.mark.parametrize(
    ("lie", "fact"),
    [
        (("path", []), "is not where it says"),
        (("leaf", "00" * 32), "is not where it says"),
        (("seal", "00" * 189), "is not the one that is kept"),
        (("segment", 3), "is not the one that is kept"),
        (("index", "x"), "is not where it says"),
        (("size", 10**6), "was not there yet"),
    ],
)
def test_a_frozen_seal_that_is_another_is_found(
    log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch, lie: tuple[str, object], fact: str
) -> None:
    """An operator who records another seal, or another place of it, than there was, is told of by `verify`."""
    days_of(log, clock, 100)
    true = forgetting._last_seal

    def lying(*given: Any) -> dict[str, Any]:
        found = true(*given)
        return {"seal": {**found["seal"], lie[0]: lie[1]}} if found else found

    monkeypatch.setattr(forgetting, "_last_seal", lying)
    purge(log, HOME)
    (record_,) = purges_of(log)
    (problem,) = log.verify(HOME).problems
    assert problem.index == record_.index
    assert fact in problem.fact


def test_a_second_purge_on_the_same_day_does_nothing(log: Log, clock: Clock) -> None:
    """Nothing goes, and nothing is recorded for nothing."""
    days_of(log, clock, 100)
    purge(log, HOME)
    size = log.head(HOME).size
    clock.advance(hours=5)
    again = purge(log, HOME)

    assert (again.entries, again.records, again.finished) == (0, (), True)
    assert log.head(HOME).size == size


def test_steps_are_bounded_and_each_is_recorded(log: Log, clock: Clock) -> None:
    """Many small steps remove the same as one, and writers get their turn in between."""
    days_of(log, clock, 100)
    rests: list[float] = []
    told: list[int] = []

    def rest(took: float) -> bool:
        rests.append(took)
        record(log, [event(10_000 + len(rests), at=clock.now)])
        return False

    done = purge(log, HOME, step=25, rest=rest, progress=told.append)

    assert done.entries == 100
    assert [len(entry.details["ranges"]) for entry in purges_of(log) if entry.details] == [1] * 4
    assert told == [25, 50, 75, 100]
    assert len(rests) == 3
    assert log.verify(HOME).ok


def test_a_purge_that_is_stopped_leaves_whole_steps(log: Log, clock: Clock) -> None:
    """It says that it is not finished, and the next one goes on."""
    days_of(log, clock, 100)
    stopped = purge(log, HOME, step=25, rest=lambda _took: True)
    assert (stopped.entries, stopped.finished) == (25, False)
    assert log.verify(HOME).ok

    rest = purge(log, HOME)
    assert (rest.entries, rest.finished) == (75, True)
    assert log.verify(HOME).ok


def test_a_failing_step_leaves_the_steps_before_it(log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error is raised, nothing is half gone, and the next purge is not locked out."""
    days_of(log, clock, 100)
    real, calls = log.forget, 0

    def forget(*arguments: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise StoreUnavailable("The store is busy", "Try again")
        return real(*arguments, **more)

    monkeypatch.setattr(log, "forget", forget)
    with pytest.raises(StoreUnavailable):
        purge(log, HOME, step=25)

    assert log.head(HOME).first == 50
    assert log.verify(HOME).ok
    assert purge(log, HOME).entries == 50


def test_classes_go_when_their_own_time_is_over(log: Log, clock: Clock) -> None:
    """A class kept shorter goes earlier, one kept longer stays, and all of it verifies."""
    for _ in range(50):
        number = log.head(HOME).size * 2 if HOME in log.workspaces() else 0
        actions = ("door.seen", "contact.updated", "door.opened", "nobody.declared")
        record(log, [event(number + at, action, clock.now) for at, action in enumerate(actions, 1)])
        clock.advance(days=1)
    change_policy(log, HOME, Policy(days=30, classes={"brief": 7, "security": 365}), actor=MARIA)
    foreseen = preview(log, HOME)
    done = purge(log, HOME, step=7)

    assert done.classes == {"brief": 43, "standard": 40}
    assert foreseen.entries == done.entries == 83
    left = [entry.action for entry in log.read(HOME)]
    assert left.count("door.opened") == 50
    assert left.count("door.seen") == 7
    assert left.count("contact.updated") == left.count("nobody.declared") == 30
    assert log.verify(HOME).ok
    assert purge(log, HOME).entries == 0

    clock.advance(days=365)
    purge(log, HOME)
    assert {entry.action for entry in log.read(HOME)} <= {"audit.purged", "audit.retention_changed", "audit.sealed"}
    assert log.verify(HOME).ok


def test_standard_entries_are_counted_by_class(log: Log, clock: Clock) -> None:
    """Undeclared actions count as standard ones."""
    days_of(log, clock, 95, per_day=2, action="nobody.declared")

    assert purge(log, HOME).classes == {"standard": 10}


def test_another_catalog_does_not_take_what_it_does_not_know(tmp_path: Path, clock: Clock) -> None:
    """A tool without the application's catalog leaves its classes alone until the longest term is over."""
    with opened("sqlite", tmp_path, clock, catalog()) as log:
        days_of(log, clock, 10, per_day=1, action="door.opened")
        change_policy(log, HOME, Policy(days=30, classes={"security": 365}), actor=MARIA)
        clock.advance(days=100)
    with opened("sqlite", tmp_path, clock) as stranger:
        purge(stranger, HOME)
        assert [entry.action for entry in stranger.read(HOME)].count("door.opened") == 10
        clock.advance(days=300)
        purge(stranger, HOME)
        assert [entry.action for entry in stranger.read(HOME)].count("door.opened") == 0
        assert stranger.verify(HOME).ok


def test_a_tool_with_another_catalog_does_not_hide_entries_from_the_right_one(tmp_path: Path, clock: Clock) -> None:
    """What the stranger passed over, the application's own catalog still finds and removes in time."""
    with opened("sqlite", tmp_path, clock, catalog()) as log:
        change = Policy(days=90, classes={"brief": 7})
        days_of(log, clock, 10, per_day=1, action="door.seen")
        change_policy(log, HOME, change, actor=MARIA)
        clock.advance(days=20)
    with opened("sqlite", tmp_path, clock) as stranger:
        assert purge(stranger, HOME).entries == 0
    with opened("sqlite", tmp_path, clock, catalog()) as log:
        assert purge(log, HOME).classes == {"brief": 10}


def test_a_policy_that_changes_meanwhile_holds_from_the_next_step(log: Log, clock: Clock) -> None:
    """Whoever decides to keep more does not lose what the running purge had planned."""
    days_of(log, clock, 100)

    def keep_more(_took: float) -> bool:
        change_policy(log, HOME, Policy(days=365), actor=MARIA)
        return False

    done = purge(log, HOME, step=25, rest=keep_more)

    assert (done.entries, done.finished) == (25, False)
    assert purge(log, HOME).entries == 0
    assert log.verify(HOME).ok


def test_a_policy_that_cannot_be_read_purges_nothing(log: Log, clock: Clock) -> None:
    """Damaged state is an error with a remedy, not ninety days by default."""
    days_of(log, clock, 100)
    log.swap_state(HOME, "retention", None, b'{"policy":{"days":"many"}}')

    with pytest.raises(StoreCorrupt):
        purge(log, HOME)
    assert log.head(HOME).first == 0


def test_a_purge_with_nothing_to_do_writes_nothing(log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds over thousands of quiet workspaces cost reads only."""
    days_of(log, clock, 3)
    writes: list[object] = []
    monkeypatch.setattr(log, "swap_state", lambda *arguments: writes.append(arguments))

    assert purge(log, HOME) == Purge(first=0, finished=True)
    assert writes == []


def test_what_is_kept_for_good_stays(log: Log, clock: Clock) -> None:
    """A policy without days purges nothing."""
    days_of(log, clock, 100)
    change_policy(log, HOME, Policy(days=None), actor=MARIA)
    clock.advance(days=10_000)

    assert preview(log, HOME).entries == 0
    assert purge(log, HOME).entries == 0


def test_a_quiet_workspace_comes_to_rest(log: Log, clock: Clock) -> None:
    """When only records of purges and seals are left, no purge replaces the last of them by another."""
    days_of(log, clock, 3)
    clock.advance(days=100)
    purge(log, HOME)
    clock.advance(days=100)
    purge(log, HOME)  # the record of the first purge is sealed
    size = log.head(HOME).size
    for _ in range(5):
        clock.advance(days=100)
        assert purge(log, HOME).entries == 0

    assert log.head(HOME).size == size
    assert [entry.action for entry in log.read(HOME)] == [
        "audit.sealed",
        "audit.sealed",
        "audit.purged",
        "audit.sealed",
    ]
    assert log.verify(HOME).ok


def test_records_of_purges_go_in_their_turn(log: Log, clock: Clock) -> None:
    """In a busy workspace an old record goes with what is above it; the newest covers all that is missing."""
    for _ in range(4):
        days_of(log, clock, 60, per_day=1)
        purge(log, HOME)
        assert log.verify(HOME).ok

    assert len(purges_of(log)) < 4
    assert log.verify(HOME).ok


def test_exports_verify_before_and_after_a_purge(log: Log, clock: Clock) -> None:
    """An old file outlives its entries, and a new file of what is left verifies, too."""
    days_of(log, clock, 100)
    key = log.verifier_key(HOME)
    before, after = BytesIO(), BytesIO()
    export(log, HOME, "", "ndjson", before, actor=MARIA, proofs=True)
    purge(log, HOME)
    export(log, HOME, "", "ndjson", after, actor=MARIA, proofs=True)

    for file, count, first in ((before, 1000, 0), (after, 904, 100)):
        lines = file.getvalue().splitlines(keepends=True)
        report = verify_export(lines, lines[-1], trusted=[key])
        assert report.ok, report.problems
        assert (report.proven, report.first, report.gapless) == (count, first, True)


def test_the_preview_changes_nothing_and_foresees_the_purge(log: Log, clock: Clock) -> None:
    """What would go is what goes, and only the purge writes."""
    days_of(log, clock, 100)
    size = log.head(HOME).size
    foreseen = preview(log, HOME)

    assert log.head(HOME).size == size
    assert (foreseen.entries, foreseen.stays) == (100, 900)
    (term,) = foreseen.terms
    assert (term.days, term.lowest, term.highest, term.classes) == (90, 0, 99, {"standard": 100})
    assert purge(log, HOME).entries == 100


def test_the_preview_foresees_what_another_policy_takes(log: Log, clock: Clock) -> None:
    """A policy that is only considered is shown against what is there; the one that holds stays."""
    days_of(log, clock, 100)
    before = read_policy(log, HOME)
    foreseen = preview(log, HOME, Policy(days=30))

    assert read_policy(log, HOME) == before
    assert foreseen.policy.days == 30
    assert preview(log, HOME, Policy(days=None)).entries == 0
    change_policy(log, HOME, Policy(days=30), actor=MARIA)
    assert purge(log, HOME).entries == foreseen.entries > preview(log, HOME, before).entries


def test_a_person_who_purges_is_named(log: Log, clock: Clock) -> None:
    """Somebody who does by hand what retention does by itself is in the record."""
    days_of(log, clock, 100)
    purge(log, HOME, actor=MARIA, context=Context(source="cli"))
    (entry,) = purges_of(log)

    assert entry.actor == MARIA
    assert entry.context == Context(source="cli")


def test_two_purges_at_once_are_one(log: Log, clock: Clock) -> None:
    """The second finds the lease taken and says that it is not finished; later it can go on."""
    days_of(log, clock, 100)
    inner = []

    def rest(_took: float) -> bool:
        inner.append(purge(log, HOME))
        return False

    done = purge(log, HOME, step=50, rest=rest)

    assert done.entries == 100
    assert [(one.entries, one.finished) for one in inner] == [(0, False)]
    assert purge(log, HOME).finished


def test_a_dead_process_holds_the_lease_for_ten_minutes_at_most(
    log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever died in the middle does not stop retention for ever."""
    days_of(log, clock, 100)

    def die(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    real_swap, real_forget = log.swap_state, log.forget
    monkeypatch.setattr(log, "forget", die)
    # A process that is killed does not give its lease back.
    monkeypatch.setattr(log, "swap_state", lambda w, n, old, new: new is None or real_swap(w, n, old, new))
    with pytest.raises(KeyboardInterrupt):
        purge(log, HOME)
    monkeypatch.setattr(log, "forget", real_forget)
    monkeypatch.setattr(log, "swap_state", real_swap)

    assert not purge(log, HOME).finished
    clock.advance(minutes=11)
    assert purge(log, HOME).entries == 100


def test_whoever_lost_the_lease_stops(log: Log, clock: Clock) -> None:
    """A process that slept through its lease does not go on beside the one that took over."""
    days_of(log, clock, 100)

    def sleep(_took: float) -> bool:
        clock.advance(minutes=11)
        assert purge(log, HOME, step=10, rest=lambda _: True).entries == 10
        return False

    done = purge(log, HOME, step=50, rest=sleep)

    assert not done.finished
    assert done.entries < 100
    assert log.verify(HOME).ok
    assert len(purges_of(log)) == len({tuple(map(tuple, (e.details or {})["ranges"])) for e in purges_of(log)})


def test_a_workspace_without_a_log_is_named(log: Log) -> None:
    """Purging a workspace that nobody knows is a mistake, not a success."""
    with pytest.raises(NotFound):
        purge(log, "nobody")
    with pytest.raises(NotFound):
        preview(log, "nobody")
    assert read_policy(log, "nobody") == Policy()


def test_the_preview_tells_what_can_no_longer_be_said(log: Log, clock: Clock) -> None:
    """Bytes, people, and up to when each question of an auditor loses its answer."""
    record(
        log,
        [
            event(1, "contact.deleted", clock.now),
            event(2, "user.role_changed", clock.now, resource=Resource(type="user", id="usr_joao")),
            event(3, "campaign.paused", clock.now, resource=Resource(type="campaign", id="cmp_1")),
            event(4, "contact.updated", clock.now),
        ],
    )
    assert preview(log, HOME).loss == Loss()
    clock.advance(days=92)
    record(log, [event(5, "contact.deleted", clock.now)])

    loss = preview(log, HOME).loss
    assert {one.question: one.entries for one in loss.questions} == {"deletions": 1, "access": 1, "stops": 1}
    assert {one.until for one in loss.questions} == {entry.occurred_at for entry in log.read(HOME, 0, 3)}
    assert loss.people == len({"usr_maria", "usr_joao", "con_1", "con_4"})
    assert loss.bytes == sum(len(payload(entry)) for entry in log.read(HOME, 0, 4))
