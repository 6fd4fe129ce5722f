"""The questions of an auditor in the page: from the bar, from an entry, in words, with limits and evidence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

from tests.browsing import expect
from tests.serving import EXPORT, HOME, READ, event, record
from tests.visiting import Visit, World, open_world
from whodid import Context
from whodid.evidence import extract, verify

pytestmark = pytest.mark.browser

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@pytest.fixture
def world() -> Iterator[World]:
    """Serve a host application with a log of its own for each test: evidence is recorded."""
    with open_world() as made:
        yield made


def test_a_question_from_the_bar(visit: Callable[..., Visit], world: World, tmp_path: Path) -> None:
    """Why did the campaign stop: the finding, its chain, its limits, and the evidence of the same entries."""
    opened = visit("?range=30d")
    opened.viewer.get_by_role("button", name="Questions").click()
    dialog = opened.viewer.locator("#questions")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Question").select_option("stop")
    dialog.get_by_label("About (type:id)").fill("campaign:cmp_1")
    dialog.get_by_role("button", name="Ask", exact=True).click()
    expect(dialog.locator(".found")).to_contain_text("Campaign guard paused campaign Diwali early access")
    expect(dialog.locator(".told li")).to_have_count(2)
    expect(dialog.locator(".limits")).to_contain_text("What the application does not record, no log can show")
    expect(dialog.locator(".levels li.absent")).to_have_count(2)
    expect(dialog.locator(".levels")).to_contain_text("Nothing is sealed yet; evidence seals first")
    assert Axe().run(opened.page, options=RULES).response["violations"] == []
    with opened.page.expect_download() as saved:
        dialog.get_by_role("button", name="Download the evidence").click()
    saved.value.save_as(tmp_path / "why.html")
    verdict = verify(extract((tmp_path / "why.html").read_bytes()), trusted=[world.log.verifier_key(HOME)])
    assert verdict.ok
    assert [one.index for one in verdict.answers] == [2, 3]
    dialog.get_by_role("button", name="Ask", exact=True).click()
    expect(dialog.locator(".levels li.held")).to_have_count(3)
    expect(dialog.locator(".levels")).to_contain_text(re.compile(r"From entry 0 to entry \d+, no entry .* is missing"))
    opened.page.screenshot(path=tmp_path / "levels.png")
    dialog.locator(".rests a").first.click()
    expect(opened.viewer.locator(".drawer h2")).to_contain_text("paused campaign Diwali early access")


def test_who_deleted_this_from_an_entry(visit: Callable[..., Visit]) -> None:
    """The drawer of a deletion asks who did it, and the answer is there at once."""
    opened = visit("?range=30d&entry=1")
    opened.viewer.get_by_role("button", name="Who deleted Juan Pérez?").click()
    dialog = opened.viewer.locator("#questions")
    expect(dialog.locator(".found")).to_contain_text("Maria Torres deleted contact Juan Pérez")
    expect(dialog.get_by_label("Question")).to_have_value("deletion")


def test_roles_on_a_day_and_what_is_refused(visit: Callable[..., Visit], world: World) -> None:
    """A day that is none is told in words; without the right to export there is no evidence."""
    world.permissions = (READ,)
    opened = visit("?range=30d", forgive="400")
    opened.viewer.get_by_role("button", name="Questions").click()
    dialog = opened.viewer.locator("#questions")
    dialog.get_by_label("Question").select_option("roles")
    dialog.get_by_label("On the day or in the period").fill("someday")
    dialog.get_by_role("button", name="Ask", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text(re.compile("someday"))
    dialog.get_by_label("On the day or in the period").fill("2026-11-19")
    dialog.get_by_role("button", name="Ask", exact=True).click()
    expect(dialog.locator(".told")).to_contain_text("not in the evidence")
    expect(dialog.get_by_role("button", name="Download the evidence")).to_have_count(0)
    assert EXPORT not in world.permissions


def test_the_story_of_a_session_has_its_own_address(visit: Callable[..., Visit], world: World) -> None:
    """From the details of an entry; the link shows the same, and an entry of it leads back into the log."""
    events = [
        event(
            900 + n,
            action,
            ago=timedelta(minutes=9 - n),
            context=Context(source="web", session="ses_1", request=f"r{n}"),
        )
        for n, action in enumerate(("contact.created", "contact.deleted"))
    ]
    record(world.log, HOME, events)
    index = next(
        one.index
        for one in world.log.read(HOME)
        if one.action == "contact.deleted" and one.context == events[1].context
    )
    opened = visit(f"?range=30d&entry={index}")
    opened.viewer.get_by_role("button", name="What happened in this session?").click()
    dialog = opened.viewer.locator("#questions")
    expect(dialog.locator(".found")).to_contain_text("No kept entry tells how session ses_1 began")
    expect(dialog.locator(".told")).to_contain_text("requests: 2")
    # The words lead, not the names that programs gave.
    expect(dialog.locator(".told li").first).to_have_text(re.compile("^entries: 2; requests: 2"))
    expect(dialog.locator(".told li").last).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d .* r1$"))
    expect(opened.page).to_have_url(re.compile(r"story=session:ses_1"))
    assert Axe().run(opened.page, options=RULES).response["violations"] == []

    again = visit("?range=30d&story=session:ses_1")
    dialog = again.viewer.locator("#questions")
    expect(dialog.locator(".found")).to_contain_text("session ses_1")
    expect(dialog.get_by_label("Question")).to_have_value("session")
    dialog.locator(".rests a").first.click()
    expect(again.viewer.locator(".drawer h2")).to_contain_text("deleted contact")
    expect(again.page).not_to_have_url(re.compile("story="))
    # What is no session is no story.
    odd = visit("?range=30d&story=javascript:1")
    expect(odd.viewer.locator(".row").first).to_be_visible()
    expect(odd.viewer.locator("#questions")).to_have_count(0)
