"""Reviews of a log: what is looked at, what is drawn, who signs, and that it can be checked afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.alerting import MARIA, signed_in, wrong
from tests.keeping import HOME, NOW, STORES, Clock, event, opened
from whodid import Log, builtin
from whodid.errors import InvalidSetting, NotFound
from whodid.model import Actor, Context, Entry, Reason, Related, Resource
from whodid.query import indexes_of, spans
from whodid.retention import erase_person
from whodid.review import RULE, SIGNED, STARTED, Review, Reviews, check, erase, rests_on, why
from whodid.review.plan import MOST_ITEMS, plan
from whodid.review.sample import draw, size

OWNER = Actor(type="user", id="usr_aisha", name="Aisha Khan")
WEB = Context(source="web", ip="83.45.112.20")
ROLE = Resource(type="role", id="rol_1", name="Managers")


@pytest.fixture
def clock() -> Clock:
    """Return a clock an hour after what happens."""
    return Clock(NOW + timedelta(hours=1))


@pytest.fixture(params=STORES)
def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Log]:
    """Open a log with forty updates of contacts, two deletions by one person, and a role that changed."""
    with opened(request.param, tmp_path, clock) as made:
        fill(made)
        yield made


def fill(log: Log, start: int = 0) -> None:
    """Record forty entries for the sample and three that matter."""
    log.record_many(HOME, [event(start + one) for one in range(1, 41)])
    log.record_many(HOME, [event(start + one, "contact.deleted") for one in (41, 43)])
    log.record(HOME, event(start + 45, "role.updated", resource=ROLE, actor=OWNER))


def reviews(log: Log, actor: Actor = OWNER) -> Reviews:
    """Return the reviews as somebody makes them."""
    return Reviews(log, HOME, actor=actor, context=WEB)


def looked_at(log: Log) -> Review:
    """Begin a review and look at everything in it."""
    mine = reviews(log)
    for item in mine.begin().items:
        mine.mark(item.id, f"Looked at {item.why}" if item.why != "sample" else "")
    return mine.open()


def said(entry: Entry) -> dict[str, Any]:
    """Return the details of an entry."""
    assert entry.details is not None
    return entry.details


# ------------------------------------------------------------------------------------------------------ what matters


@pytest.mark.parametrize(
    ("action", "more", "wanted"),
    [
        ("audit.alert_raised", {}, "alert"),
        ("audit.exported", {}, "export"),
        ("contact.exported", {}, "export"),
        ("contact.erased", {}, "erasure"),
        ("audit.erased", {}, "erasure"),
        ("audit.retention_changed", {}, "log"),
        ("audit.stream_changed", {}, "log"),
        ("audit.viewer_opened", {}, None),
        ("audit.sealed", {}, None),
        ("audit.review_signed", {}, None),
        ("api_key.created", {}, "keys"),
        ("api_key.denied", {"outcome": "denied"}, "keys"),
        ("user.role_changed", {}, "access"),
        ("sso.updated", {}, "access"),
        ("auth.login", {}, None),
        ("auth.login", {"details": {"known_device": True}}, None),
        ("auth.login", {"details": {"known_device": False}}, "sign_in"),
        ("auth.login_failed", {"outcome": "failed"}, "sign_in"),
        ("auth.password_changed", {}, "sign_in"),
        ("contact.deleted", {}, "deletion"),
        ("contact.deleted", {"outcome": "denied"}, "refused"),
        ("workspace.updated", {}, "settings"),
        ("webhook.updated", {}, "settings"),
        ("campaign.cancelled", {}, "grave"),
        ("contact.updated", {}, None),
        ("invoice.voided", {"kind": "delete"}, "deletion"),
        ("invoice.paid", {"severity": "critical"}, "grave"),
        ("invoice.paid", {}, None),
    ],
)
def test_what_has_to_be_looked_at(tmp_path: Path, action: str, more: dict[str, Any], wanted: str | None) -> None:
    """What the catalog says of an action decides, and what the entry says of itself where the catalog is silent."""
    with opened("memory", tmp_path, Clock()) as log:
        log.record(HOME, event(1, action, **more))
        assert why(log.get(HOME, 0), builtin()) == wanted


def test_acts_of_one_kind_are_one_item(tmp_path: Path) -> None:
    """Deletions by one person, failed sign-ins by strangers, whatever was said of one alert; roles one by one."""
    with opened("memory", tmp_path, Clock()) as log:
        log.record_many(HOME, [event(one, "contact.deleted") for one in (1, 2, 3, 5)])
        log.record_many(HOME, [wrong(10 + one, NOW, Resource(type="user", id=f"usr_{one}")) for one in range(3)])
        log.record_many(
            HOME,
            [
                event(20, "audit.alert_raised", details={"alert": "alt_1"}),
                event(21, "audit.alert_resolved", details={"alert": "alt_1"}),
                event(22, "audit.alert_raised", details={"alert": "alt_2"}),
                event(23, "role.updated", resource=ROLE, actor=OWNER),
                event(24, "role.updated", resource=Resource(type="role", id="rol_2"), actor=OWNER),
                event(25, "role.updated", resource=ROLE, actor=OWNER),
            ],
        )
        made = plan(log.read(HOME), builtin(), bytes(32), stop=13)
        assert [(one.why, one.entries) for one in made.items] == [
            ("alert", (7, 8)),
            ("alert", (9,)),
            ("access", (10, 12)),
            ("access", (11,)),
            ("deletion", (0, 2, 3)),
            ("deletion", (1,)),
            ("sign_in", (4, 5, 6)),
        ]
        assert (made.stop, made.rest) == (13, 0)


def test_a_review_has_an_end(tmp_path: Path) -> None:
    """What comes after so many items is for the next one; an alert that is open from before is in it all the same."""
    with opened("memory", tmp_path, Clock()) as log:
        roles = [Resource(type="role", id=f"rol_{one}") for one in range(MOST_ITEMS + 10)]
        log.record_many(HOME, [event(n, "role.updated", resource=one, actor=OWNER) for n, one in enumerate(roles, 1)])
        made = plan(log.read(HOME, 5), builtin(), bytes(32), stop=len(roles), standing=(2,))
        assert (len(made.items), made.stop) == (MOST_ITEMS, MOST_ITEMS + 4)
        assert (made.items[0].why, made.items[0].entries) == ("alert", (2,))


# -------------------------------------------------------------------------------------------------------- the sample


def test_the_rule_of_the_sample_as_it_is_told() -> None:
    """The lowest SHA-256 of label, root and index, of what is left to draw from."""
    root, indexes = bytes(range(32)), [3, 5, 8, 13, 21, 34]
    scores = {at: sha256(b"whodid/review-sample/v1\n" + root + at.to_bytes(8, "big")).digest() for at in indexes}
    assert draw(root, indexes, 3) == tuple(sorted(sorted(indexes, key=scores.__getitem__)[:3]))
    assert draw(root, indexes, 0) == draw(root, [], 3) == ()
    assert draw(bytes(32), range(1000), 10) != draw(root, range(1000), 10)


@pytest.mark.parametrize(("rest", "wanted"), [(0, 0), (4, 4), (10, 10), (400, 10), (1_000, 20), (90_000, 50)])
def test_how_many_are_drawn(rest: int, wanted: int) -> None:
    """One in fifty, ten at least and fifty at most."""
    assert size(rest) == wanted


@pytest.mark.parametrize("indexes", [(), (5,), (5, 6), (1, 3, 4, 5, 9, 11, 12)])
def test_indexes_are_written_in_short(indexes: tuple[int, ...]) -> None:
    """And read again."""
    assert indexes_of(spans(indexes)) == indexes
    assert spans((1, 3, 4, 5, 9)) == "1,3..5,9"


# --------------------------------------------------------------------------------------------------- begin and sign


def test_that_a_review_began_is_an_entry_with_everything_that_fixes_it(log: Log, clock: Clock) -> None:
    """Period, checkpoint and sample stand in the log before anybody looked."""
    review = reviews(log).begin()
    entry = log.get(HOME, 43)
    assert (entry.action, entry.actor, entry.context) == (STARTED, OWNER, WEB)
    assert (review.number, review.start, review.stop, review.size) == (1, 0, 43, 43)
    assert said(entry)["root"] == review.root
    drawn = [one.entries[0] for one in review.items if one.why == "sample"]
    assert list(draw(bytes.fromhex(review.root), range(40), 10)) == drawn
    assert said(entry)["sample"] == {"rule": RULE, "of": 40, "entries": spans(drawn)}
    assert [one.why for one in review.items[:2]] == ["access", "deletion"]
    with pytest.raises(InvalidSetting, match="Review 1 is under way"):
        reviews(log).begin()


def test_nobody_signs_what_nobody_looked_at(log: Log) -> None:
    """Unless they say why; and that is in the entry."""
    mine = reviews(log)
    review = mine.begin()
    mine.mark(review.items[0].id, "Agreed")
    with pytest.raises(InvalidSetting, match="Nobody looked at 11 of 12 items"):
        mine.sign("Fine")
    entry = mine.sign("Fine", unseen="The fair is on; the rest next week")
    assert said(entry)["unseen_reason"] == "The fair is on; the rest next week"
    assert said(entry)["counts"] == {
        "access": 1, "deletion": 1, "sample": 10, "seen": 1, "unseen": 11, "raised": 0, "own": 1,
    }  # fmt: skip


def test_a_signed_review_is_an_entry_that_says_everything(log: Log) -> None:
    """Who looked at what, when, with which comment; and the log proves it like every entry."""
    review = looked_at(log)
    entry = reviews(log).sign("Nothing unusual")
    assert (entry.action, entry.actor, entry.reason) == (SIGNED, OWNER, Reason(text="Nothing unusual"))
    first = said(entry)["items"][0]
    assert (first["why"], first["entries"], first["by"], first["comment"]) == (
        "access", "42", "user:usr_aisha", "Looked at access",
    )  # fmt: skip
    assert len(said(entry)["items"]) == len(review.items) == said(entry)["counts"]["seen"]
    assert reviews(log).entry(1) == entry == reviews(log).signed()[0]
    assert set(rests_on(entry)) == {at for one in review.items for at in one.entries} | {entry.index}
    with pytest.raises(NotFound, match="No review is under way"):
        reviews(log).mark("42")


def test_the_next_one_begins_where_it_ended(log: Log, clock: Clock) -> None:
    """Its own beginning and end are entries of the next one; nothing is in two, nothing in none."""
    looked_at(log)
    reviews(log).sign()
    clock.advance(days=3)
    fill(log, 100)
    review = reviews(log).begin()
    assert (review.number, review.start, review.stop) == (2, 43, 88)
    assert review.since == NOW + timedelta(hours=1)
    assert all(43 <= at < 88 for one in review.items for at in one.entries)


def test_without_anything_new_there_is_nothing_to_review(tmp_path: Path, clock: Clock) -> None:
    """What a review itself leaves behind is new, so it takes a log that never had any."""
    with opened("memory", tmp_path, clock) as log:
        with pytest.raises(NotFound):
            reviews(log).begin()
        assert reviews(log).standing().due_at is None
        log.record(HOME, event(1))
        clock.advance(days=8)
        with pytest.raises(InvalidSetting, match="Nothing was recorded since"):
            reviews(log).begin()


def test_the_first_review_goes_back_seven_days(tmp_path: Path, clock: Clock) -> None:
    """What is older was never reviewed, and it does not become the work of one morning."""
    with opened("memory", tmp_path, clock) as log:
        for day in range(12):
            clock.now = NOW + timedelta(days=day)
            log.record(HOME, event(day + 1, at=clock.now))
        review = reviews(log).begin()
        assert (review.start, review.stop, review.since) == (4, 12, NOW + timedelta(days=4))


def test_a_review_is_due_after_a_week(log: Log, clock: Clock) -> None:
    """From the first entry on, then from where the last review ended; one that is begun is not yet done."""
    now = clock.now
    assert (reviews(log).standing().due_at, reviews(log).standing().overdue) == (now + timedelta(days=7), False)
    clock.advance(days=7, minutes=1)
    assert reviews(log).standing().overdue
    log.record(HOME, event(900))
    reviews(log).begin()
    assert reviews(log).standing().overdue
    reviews(log).sign(unseen="A test")
    found = reviews(log).standing()
    assert (found.overdue, found.open, found.until) == (False, None, clock.now)


@pytest.mark.parametrize("actor", [Actor(type="api_key", id="key_1", name="CRM"), Actor(type="user", id="usr_1")])
def test_only_a_person_with_a_name_signs(log: Log, actor: Actor) -> None:
    """A key is nobody who could answer for it."""
    looked_at(log)
    with pytest.raises(InvalidSetting, match="signed by a person"):
        reviews(log, actor).sign()


def test_progress_is_kept_and_can_be_taken_back(log: Log) -> None:
    """Several people may look; over what an alert was raised, that stays."""
    mine, other = reviews(log), reviews(log, Actor(type="user", id="usr_2", name="Tomás Ruiz"))
    first, second = mine.begin().items[:2]
    mine.mark(first.id, "Seen")
    other.mark(second.id, "Odd", alert="alt_7")
    assert {name: mark.by.id for name, mark in mine.open().marks.items()} == {first.id: "usr_aisha", second.id: "usr_2"}
    assert mine.mark(first.id, seen=False).marks.keys() == {second.id}
    assert mine.mark(second.id, "Odd indeed").marks[second.id].alert == "alt_7"
    with pytest.raises(InvalidSetting, match="An alert was raised"):
        mine.mark(second.id, seen=False)
    with pytest.raises(NotFound, match="no item '999'"):
        mine.mark("999")


def test_comments_have_bounds(log: Log) -> None:
    """Each by itself, and all of them together: they have to fit into one entry."""
    roles = [Resource(type="role", id=f"rol_{one}") for one in range(10, 20)]
    log.record_many(HOME, [event(600 + n, "role.updated", resource=one, actor=OWNER) for n, one in enumerate(roles)])
    mine = reviews(log)
    items = mine.begin().items
    for act in (lambda: mine.mark(items[0].id, "x" * 1_001), lambda: mine.sign("x" * 1_001)):
        with pytest.raises(InvalidSetting, match="1,001 characters"):
            act()
    for item in items[:15]:
        mine.mark(item.id, "\N{GRINNING FACE}" * 1_000)
    with pytest.raises(InvalidSetting, match="too long together"):
        mine.mark(items[15].id, "x")
    assert said(mine.sign(unseen="Too much to say"))["counts"]["seen"] == 15


# ------------------------------------------------------------------------------------------------- checked afterwards


def test_anybody_can_do_it_again(log: Log) -> None:
    """The same rules over the same entries give the same items, and the log continues the tree that it names."""
    looked_at(log)
    entry = reviews(log).sign()
    found = check(log, HOME, entry)
    assert (found.checkpoint, found.items) == (True, "same")


def test_a_sample_that_somebody_chose_is_found(log: Log, clock: Clock) -> None:
    """Likewise a root that the log never had."""
    looked_at(log)
    real = reviews(log).sign()
    items = [dict(one) for one in said(real)["items"]]
    chosen = next(at for at in range(40) if not any(one["entries"] == str(at) for one in items))
    items[-1]["entries"] = str(chosen)
    claim = event(700, SIGNED, clock.now, actor=OWNER, details={**said(real), "items": items, "root": "11" * 32})
    forged = log.get(HOME, log.record(HOME, claim).index)
    found = check(log, HOME, forged)
    assert (found.checkpoint, found.items) == (False, "different")


def test_an_erased_person_is_in_no_open_review(log: Log) -> None:
    """Neither as who looked, nor in what was said about entries that concern them."""
    mine = reviews(log)
    first, second = mine.begin().items[:2]
    mine.mark(first.id, "My own change, ask Aisha")
    reviews(log, Actor(type="user", id="usr_2", name="Tomás Ruiz")).mark(second.id, "Fine")
    erase_person(log, HOME, f"user:{OWNER.id}", actor=Actor(type="system", id="t"), reason=Reason(text="On request"))
    assert erase(log, HOME, f"user:{OWNER.id}") == 1
    open_ = mine.open()
    assert (open_.begun_by.name, open_.marks[first.id].by.name, open_.marks[first.id].comment) == (None, None, "")
    assert (open_.marks[second.id].by.name, open_.marks[second.id].comment) == ("Tomás Ruiz", "Fine")
    assert erase(log, HOME, f"user:{OWNER.id}") == 0


def test_sign_ins_as_usual_are_no_work(tmp_path: Path, clock: Clock) -> None:
    """Only those that stood out are looked at one by one."""
    with opened("memory", tmp_path, clock) as log:
        log.record_many(HOME, [signed_in(one, NOW, MARIA) for one in range(1, 6)])
        log.record(
            HOME,
            event(
                9,
                "auth.impersonation_started",
                resource=MARIA,
                related=(Related(type="user", id="usr_9", rel="agent"),),
            ),
        )
        assert next((one.why, one.entries) for one in reviews(log).begin().items) == ("access", (5,))
        assert len(reviews(log).open().items) == 6
