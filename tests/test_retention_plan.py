"""The pure plan of retention: whole days of UTC, classes, bounded steps, and records of purges that never go alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.keeping import MARIA
from whodid import Entry, Resource
from whodid.retention.plan import PURGE_RECORD, Term, cutoff, plan_step, removed_on, tally, terms
from whodid.retention.policy import Policy

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def entry(index: int, recorded_at: datetime, action: str = "standard.done") -> Entry:
    """Make an entry whose retention class is the noun of its action."""
    return Entry(
        workspace="w",
        index=index,
        recorded_at=recorded_at,
        id=f"00000000-0000-7000-8000-{index:012}",
        occurred_at=recorded_at,
        actor=MARIA,
        action=action,
        kind="update",
        severity="info",
        resource=Resource(type="t", id="i"),
    )


def class_of(one: Entry) -> str | None:
    """Return the noun as the class; nobody knows the class of `unknown`."""
    return {"unknown": None, "audit": "standard"}.get(one.category, one.category)


def everything(days: int, now: datetime = NOON) -> Term:
    """Return the term that takes every class."""
    return Term(days=days, cutoff=cutoff(days, now), classes=frozenset())


def test_content_goes_by_whole_days() -> None:
    """Whatever the hour, what goes was recorded on a day that is over and out of the term."""
    midnight = datetime(2026, 8, 22, tzinfo=UTC)

    assert cutoff(90, NOON) == midnight
    assert cutoff(90, NOON.replace(hour=0)) == midnight
    assert cutoff(90, NOON.replace(hour=23, minute=59)) == midnight
    assert cutoff(90, NOON.astimezone(timezone(timedelta(hours=-11)))) == midnight


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    st.integers(min_value=1, max_value=400),
)
def test_the_day_of_removal_agrees_with_the_cut_off(recorded_at: datetime, days: int) -> None:
    """The day that is shown is the first on which a purge takes the entry, and it is kept its full term."""
    day = removed_on(recorded_at, days)
    assert isinstance(day, date)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)

    assert recorded_at < cutoff(days, start)
    assert recorded_at >= cutoff(days, start - timedelta(microseconds=1))
    assert timedelta(days=days) <= start - recorded_at <= timedelta(days=days + 1)


def test_what_is_kept_for_good_has_no_day_of_removal() -> None:
    """None means never."""
    assert removed_on(NOON, None) is None


def test_classes_that_are_kept_equally_long_are_one_term() -> None:
    """The longest term takes every class: whatever is older than it is over for all."""
    policy = Policy(days=90, classes={"brief": 7, "door": 90, "law": 365, "named": 7})
    found = terms(policy, {"standard", "brief", "door", "law"}, NOON)

    assert [(term.days, set(term.classes)) for term in found] == [
        (7, {"brief", "named"}),
        (90, {"standard", "door"}),
        (365, set()),
    ]
    assert [term.cutoff for term in found] == [cutoff(days, NOON) for days in (7, 90, 365)]


def test_no_term_takes_everything_while_a_class_is_kept_for_good() -> None:
    """What is kept for good never goes, however old."""
    found = terms(Policy(days=90, classes={"law": None}), {"standard", "law"}, NOON)

    assert [(term.days, set(term.classes)) for term in found] == [(90, {"standard"})]
    assert terms(Policy(days=None), {"standard"}, NOON) == []


def test_a_step_takes_what_is_over_and_stops_at_what_is_not() -> None:
    """Only entries recorded before the cut-off go."""
    old, new = NOON - timedelta(days=100), NOON - timedelta(days=10)
    step = plan_step([entry(3, old), entry(4, old), entry(7, old), entry(8, new)], everything(90), class_of, 100)

    assert step.ranges == (range(3, 5), range(7, 8))
    assert (step.entries, step.classes) == (3, {"standard": 3})
    assert (step.following, step.done) == (8, True)


def test_a_step_is_bounded() -> None:
    """The rest is for the next step, which goes on where this one ended."""
    old = NOON - timedelta(days=100)
    step = plan_step((entry(index, old) for index in range(10)), everything(90), class_of, 4)

    assert step.ranges == (range(4),)
    assert (step.following, step.done) == (4, False)


def test_a_term_takes_its_own_classes_only() -> None:
    """Entries of other classes stay, and so does one whose class is not known here."""
    old = NOON - timedelta(days=100)
    actions = ("standard.done", "law.passed", "unknown.done", "standard.done")
    term = Term(days=90, cutoff=cutoff(90, NOON), classes=frozenset({"standard"}))
    step = plan_step((entry(index, old, action) for index, action in enumerate(actions)), term, class_of, 100)

    assert step.ranges == (range(1), range(3, 4))


def test_the_longest_term_takes_what_nobody_knows() -> None:
    """When even the longest term is over, the class does not matter."""
    old = NOON - timedelta(days=400)
    step = plan_step([entry(0, old, "unknown.done"), entry(1, old)], everything(365), class_of, 100)

    assert step.entries == 2
    assert step.classes == {"unknown": 1, "standard": 1}


def test_records_of_purges_never_go_alone() -> None:
    """Otherwise a workspace where nothing happens would write a new one for the last one for ever."""
    old = NOON - timedelta(days=100)
    records = [entry(index, old, PURGE_RECORD) for index in range(5)]

    assert plan_step(records, everything(90), class_of, 2).entries == 0
    assert plan_step(records, everything(90), class_of, 2).done
    together = plan_step([*records, entry(5, old), entry(6, old, PURGE_RECORD)], everything(90), class_of, 2)
    assert together.ranges == (range(6),)
    assert together.following == 6


def test_a_shorter_term_leaves_records_of_purges() -> None:
    """They stay until everything below them goes: what is missing is covered by a record that is still there."""
    old = NOON - timedelta(days=100)
    term = Term(days=90, cutoff=cutoff(90, NOON), classes=frozenset({"standard"}))
    step = plan_step([entry(0, old), entry(1, old, PURGE_RECORD), entry(2, old)], term, class_of, 100)

    assert step.ranges == (range(1), range(2, 3))


@given(
    st.lists(
        st.tuples(
            st.integers(min_value=0, max_value=500),
            st.sampled_from(["standard.done", "brief.done", "law.done", "unknown.done", PURGE_RECORD]),
        ),
        max_size=40,
    ),
    st.sampled_from(
        [Policy(), Policy(days=30), Policy(classes={"brief": 7, "law": 365}), Policy(classes={"law": None})]
    ),
    st.integers(min_value=1, max_value=10),
)
def test_steps_together_take_exactly_what_the_policy_says(
    made: list[tuple[int, str]], policy: Policy, limit: int
) -> None:
    """All steps of all terms remove an entry if and only if its own class is over, and the preview counts the same."""
    ages = sorted((age for age, _ in made), reverse=True)
    entries = [
        entry(index, NOON - timedelta(days=age), action)
        for index, (age, (_, action)) in enumerate(zip(ages, made, strict=True))
    ]
    ordered = terms(policy, {"standard", "brief", "law"}, NOON)
    gone: set[int] = set()
    for term in ordered:
        at, done = 0, False
        while not done:
            left = [one for one in entries if one.index >= at and one.index not in gone]
            step = plan_step(left, term, class_of, limit)
            taken = {index for one in step.ranges for index in one}
            assert taken <= {one.index for one in left}
            gone |= taken
            done, at = step.done, max(at, step.following)

    longest = max((term.days for term in ordered), default=0) if policy.classes.get("law", 0) is not None else None
    for one in entries:
        name = class_of(one)
        days = longest if name is None or one.action == PURGE_RECORD else policy.days_for(name)
        over = days is not None and one.recorded_at < cutoff(days, NOON)
        if one.action != PURGE_RECORD:
            assert (one.index in gone) == over
        else:
            assert over or one.index not in gone
    counted = sum(count.entries for count in tally(entries, ordered, class_of))
    assert counted == len(gone)


def test_the_preview_says_which_entries_of_which_class() -> None:
    """Per term: how many, from where to where, of what."""
    policy = Policy(days=90, classes={"brief": 7})
    old, recent = NOON - timedelta(days=100), NOON - timedelta(days=10)
    entries = [entry(0, old), entry(1, old, "brief.done"), entry(2, recent), entry(3, recent, "brief.done")]
    brief, rest = tally(entries, terms(policy, {"standard", "brief"}, NOON), class_of)

    assert (brief.entries, brief.classes, brief.lowest, brief.highest) == (2, {"brief": 2}, 1, 3)
    assert (rest.entries, rest.classes, rest.lowest, rest.highest) == (1, {"standard": 1}, 0, 0)


@pytest.mark.parametrize("policy", [Policy(days=None), Policy()])
def test_the_preview_of_nothing_is_nothing(policy: Policy) -> None:
    """Neither an empty log nor a policy that keeps everything is a special case."""
    assert all(count.entries == 0 for count in tally([], terms(policy, {"standard"}, NOON), class_of))
