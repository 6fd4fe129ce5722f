"""The retention policy: its default, its classes, and that every change of it is an entry, crash or no crash."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.keeping import HOME, MARIA, STORES, Clock, catalog, event, opened, record
from whodid import Actor, Context, Entry, Log, Reason
from whodid.errors import InvalidEvent, InvalidSetting
from whodid.retention import Policy, change_policy, class_of, read_policy
from whodid.retention.policy import MAX_DAYS


@pytest.fixture(params=STORES)
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    """Open a log with one entry and a catalog with retention classes."""
    with opened(request.param, tmp_path, Clock(), catalog()) as log:
        record(log, [event(1)])
        yield log


def changes_of(log: Log) -> list[Entry]:
    """Return the entries that say that the policy changed, oldest first."""
    return [entry for entry in log.read(HOME) if entry.action == "audit.retention_changed"]


def test_ninety_days_is_the_default(log: Log) -> None:
    """Nobody has to set anything."""
    assert read_policy(log, HOME) == Policy(days=90, classes={})
    assert changes_of(log) == []


def test_a_change_holds_and_is_an_entry(log: Log) -> None:
    """Who changed what, from what to what, and why."""
    receipt = change_policy(
        log,
        HOME,
        Policy(days=365, classes={"security": None, "brief": 7}),
        actor=MARIA,
        context=Context(source="web"),
        reason=Reason(text="The auditor asked for a year"),
    )
    (entry,) = changes_of(log)

    assert read_policy(log, HOME) == Policy(days=365, classes={"security": None, "brief": 7})
    assert receipt is not None
    assert receipt.index == entry.index
    assert entry.severity == "critical"
    assert entry.actor == MARIA
    assert entry.reason == Reason(text="The auditor asked for a year")
    values = {change.path: (change.op, change.before, change.after) for change in entry.changes}
    assert values == {
        "retention_days": ("replace", 90, 365),
        "retention_days.brief": ("add", msgspec.UNSET, 7),
        "retention_days.security": ("add", msgspec.UNSET, None),
    }


def test_a_class_that_leaves_the_policy_is_a_change(log: Log) -> None:
    """Taking an exception back is said as clearly as making it."""
    change_policy(log, HOME, Policy(classes={"brief": 7, "security": 365}), actor=MARIA)
    change_policy(log, HOME, Policy(classes={"security": 30}), actor=MARIA)
    values = {change.path: (change.op, change.before, change.after) for change in changes_of(log)[1].changes}

    assert values == {
        "retention_days.brief": ("remove", 7, msgspec.UNSET),
        "retention_days.security": ("replace", 365, 30),
    }


def test_setting_what_holds_already_writes_nothing(log: Log) -> None:
    """An update that changed nothing is no entry."""
    change_policy(log, HOME, Policy(days=30), actor=MARIA)

    assert change_policy(log, HOME, Policy(days=30), actor=MARIA) is None
    assert len(changes_of(log)) == 1


@pytest.mark.parametrize(
    "policy",
    [
        Policy(days=0),
        Policy(days=-1),
        Policy(days=MAX_DAYS + 1),
        Policy(classes={"brief": 0}),
        Policy(classes={"standard": 30}),
        Policy(classes={"secutiry": 365}),
    ],
)
def test_a_policy_that_cannot_be_is_refused(log: Log, policy: Policy) -> None:
    """A mistyped class or an impossible number of days changes nothing."""
    with pytest.raises(InvalidSetting):
        change_policy(log, HOME, policy, actor=MARIA)

    assert read_policy(log, HOME) == Policy()
    assert changes_of(log) == []


def test_a_change_that_cannot_be_recorded_does_not_hold(log: Log) -> None:
    """What cannot be audited does not happen."""
    with pytest.raises(InvalidEvent):
        change_policy(log, HOME, Policy(days=30), actor=Actor(type="user", id=""))

    assert read_policy(log, HOME) == Policy()


@pytest.mark.parametrize("recorded", [False, True], ids=["before the entry", "after the entry"])
def test_a_crash_between_policy_and_entry_is_made_good(
    log: Log, monkeypatch: pytest.MonkeyPatch, recorded: bool
) -> None:
    """Whoever reads the policy next records the change that the dead process announced, once."""
    real_record = log.record

    def die(workspace: str, event: Any) -> Any:
        if recorded:
            real_record(workspace, event)
        raise KeyboardInterrupt

    monkeypatch.setattr(log, "record", die)
    with pytest.raises(KeyboardInterrupt):
        change_policy(log, HOME, Policy(days=30), actor=MARIA)
    monkeypatch.setattr(log, "record", real_record)

    assert read_policy(log, HOME) == Policy(days=30)
    assert read_policy(log, HOME) == Policy(days=30)
    (entry,) = changes_of(log)
    assert entry.actor == MARIA


def test_of_two_who_change_at_once_both_are_recorded(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever loses the race begins again from what the other set."""
    real = log.swap_state
    interfered = False

    def swap(workspace: str, name: str, old: bytes | None, new: bytes | None) -> bool:
        nonlocal interfered
        if not interfered and name == "retention":
            interfered = True
            change_policy(log, HOME, Policy(days=60), actor=MARIA)
        return real(workspace, name, old, new)

    monkeypatch.setattr(log, "swap_state", swap)
    change_policy(log, HOME, Policy(days=30), actor=MARIA)

    seen = [(entry.changes[0].before, entry.changes[0].after) for entry in changes_of(log)]
    assert seen == [(90, 60), (60, 30)]
    assert read_policy(log, HOME) == Policy(days=30)


def test_the_class_of_an_action_comes_from_the_catalog(log: Log) -> None:
    """Undeclared actions are kept like most."""
    assert class_of(log.catalog, "door.opened") == "security"
    assert class_of(log.catalog, "contact.deleted") == "standard"
    assert class_of(log.catalog, "nobody.declared") == "standard"


def test_policies_of_workspaces_do_not_touch(log: Log) -> None:
    """Each workspace has its own."""
    record(log, [event(2)], "wsp_away")
    change_policy(log, HOME, Policy(days=30), actor=MARIA)

    assert read_policy(log, "wsp_away") == Policy()
