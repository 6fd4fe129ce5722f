"""The commands that show reviews: what was signed, that it can be done again, and its evidence."""

from __future__ import annotations

from pathlib import Path

import whodid
from tests import shell
from tests.keeping import HOME, MARIA, event
from tests.shell import Run
from whodid.evidence import extract, verify
from whodid.review import SIGNED, Reviews, rests_on

run, store = shell.run, shell.store


def sign(store: str) -> whodid.Entry:
    """Look at everything in the log of the store and sign."""
    with whodid.open(store) as log:
        reviews = Reviews(log, HOME, actor=MARIA)
        for item in reviews.begin().items:
            reviews.mark(item.id, "Fine" if item.why != "sample" else "")
        return reviews.sign("Nothing unusual")


def test_a_signed_review_is_shown_and_done_again(run: Run, store: str) -> None:
    """Period, checkpoint, sample and every item; and the same came out when it was done again."""
    entry = sign(store)
    listed = run("review", "list", "--json").json()
    assert [(one["number"], one["index"], one["signed_by"]) for one in listed["items"]] == [
        (1, entry.index, "Maria Torres")
    ]
    assert (listed["overdue"], listed["open"]) == (False, None)
    assert "The next review is due on" in run("review", "list").err
    shown = run("review", "show", "1")
    assert (shown.code, "Comment: Nothing unusual" in shown.out) == (0, True)
    assert "The log continues its checkpoint" in shown.out
    assert "The rules make the same items" in shown.out
    assert run("review", "show", "2").code == 4


def test_its_evidence_is_its_entry_and_what_it_rests_on(run: Run, store: str, tmp_path: Path) -> None:
    """No more and no less; a second file takes --force."""
    entry = sign(store)
    made = run("review", "show", "1", "-o", "review.html", "--json").json()
    found = verify(extract((tmp_path / "review.html").read_bytes()))
    assert found.ok
    assert tuple(one.index for one in found.answers) == rests_on(entry)
    assert made["evidence"]["count"] == len(rests_on(entry))
    assert found.levels.c2.words == "Every entry that the question names is here"
    assert run("review", "show", "1", "-o", "review.html").code == 2


def test_a_review_that_was_not_done_by_the_rules_is_a_problem(run: Run, store: str) -> None:
    """A claim in the log that names another sample is told from what the rules make."""
    entry = sign(store)
    details = dict(entry.details or {})
    details |= {"review": 2, "items": details["items"][:1]}
    with whodid.open(store) as log:
        log.record(HOME, event(900, SIGNED, entry.recorded_at, actor=MARIA, details=details))
    shown = run("review", "show", "2", "--json")
    assert (shown.code, shown.json()["checked"]) == (1, {"checkpoint": True, "items": "different"})
