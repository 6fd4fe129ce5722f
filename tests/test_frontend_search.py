"""Finding in a real browser: suggestions, what stands out, saved views, further filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

from tests.browsing import Route, expect
from tests.serving import HOME, JOAO, event, record
from tests.visiting import NARROW, WIDE, Visit, World, open_world

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Serve a host application with a log in which one morning is unlike the others."""
    with open_world() as made:
        record(
            made.log,
            HOME,
            [
                event(40_000 + n, "auth.login_failed", JOAO, ago=timedelta(days=1, hours=3, minutes=n))
                for n in range(24)
            ],
        )
        yield made


def field(seen: Visit) -> None:
    """Put the cursor into the search field, once it can suggest."""
    expect(seen.viewer.locator("#q[role=combobox]")).to_be_attached()
    expect(seen.viewer.locator(".proof.ok")).to_be_visible()
    seen.page.keyboard.press("/")
    expect(seen.viewer.locator("#q")).to_be_focused()


def test_fields_then_values_with_counts_by_keyboard_alone(visit: Callable[..., Visit]) -> None:
    """A few letters, arrows and Enter make a filter."""
    seen = visit()
    field(seen)
    seen.page.keyboard.type("act")
    options = seen.viewer.get_by_role("option")
    expect(options.filter(has_text="actor:")).to_be_visible()
    seen.page.keyboard.press("ArrowDown")
    expect(seen.viewer.locator("#q")).to_have_attribute("aria-activedescendant", "suggestion-0")
    expect(options.first).to_have_attribute("aria-selected", "true")
    seen.page.keyboard.press("Enter")
    expect(seen.viewer.locator("#q")).to_have_value("actor:")
    expect(options.filter(has_text="Maria Torres")).to_contain_text("14")
    seen.page.keyboard.type("joão")
    expect(options).to_have_count(1)
    seen.page.keyboard.press("ArrowDown")
    seen.page.keyboard.press("Enter")
    expect(seen.viewer.locator(".chip.on")).to_contain_text("João Silva")
    assert "q=actor:usr_joao" in seen.page.url
    expect(seen.viewer.locator("#q")).to_have_value("")
    expect(options).to_have_count(0)


def test_escape_closes_then_clears(visit: Callable[..., Visit]) -> None:
    """The list first, then the text, then the field."""
    seen = visit()
    field(seen)
    seen.page.keyboard.type("action:")
    expect(seen.viewer.get_by_role("listbox")).to_be_visible()
    expect(seen.viewer.locator(".wrong")).to_have_count(0)
    seen.page.keyboard.press("Escape")
    expect(seen.viewer.get_by_role("listbox")).to_have_count(0)
    expect(seen.viewer.locator("#q")).to_have_value("action:")
    expect(seen.viewer.locator("#q")).to_have_attribute("aria-expanded", "false")
    seen.page.keyboard.press("Escape")
    expect(seen.viewer.locator("#q")).to_have_value("")


def test_a_value_is_counted_within_the_rest(visit: Callable[..., Visit]) -> None:
    """Counts are those of the chips and the other words; a click takes a value."""
    seen = visit("?q=actor:usr_joao")
    field(seen)
    seen.page.keyboard.type("-action:fail")
    option = seen.viewer.get_by_role("option").first
    expect(option).to_contain_text("24")
    option.click()
    assert "-action:auth.login_failed" in seen.page.url
    expect(seen.viewer.locator(".chip.on").last).to_contain_text("is not")


def test_stale_questions_are_dropped(visit: Callable[..., Visit]) -> None:
    """Not every letter is a question, and typing on aborts the one that was asked."""
    seen = visit()
    asked: list[str] = []
    dropped: list[str] = []

    def hold(route: Route) -> None:
        asked.append(route.request.url)
        if route.request.url.endswith("term=act&lang=en"):
            return
        route.continue_()

    seen.page.route("**/v1/suggest?*", hold)
    seen.page.on("requestfailed", lambda request: dropped.append(request.url))
    field(seen)
    seen.page.keyboard.type("act")
    while not any("term=act&" in url for url in asked):
        seen.page.wait_for_timeout(50)
    seen.page.keyboard.type("or:mar")
    expect(seen.viewer.get_by_role("option")).to_have_count(1)
    assert "term=actor%3Amar" in asked[-1]
    assert len(asked) < len("actor:mar")
    assert any("term=act&" in url for url in dropped)


def test_searches_of_before_are_offered(visit: Callable[..., Visit]) -> None:
    """In an empty field, newest first, for this viewer in this browser."""
    seen = visit()
    for text in ("kind:delete", "ana garcía"):
        field(seen)
        seen.page.keyboard.type(text)
        seen.page.keyboard.press("Enter")
        expect(seen.viewer.locator("#q")).to_be_focused()
        seen.go()
    field(seen)
    group = seen.viewer.get_by_role("group", name="Recent searches")
    expect(group.get_by_role("option")).to_have_text(["ana garcía", "kind:delete"])
    group.get_by_text("kind:delete").click()
    assert "q=kind:delete" in seen.page.url
    expect(seen.viewer.locator(".chip.on")).to_contain_text("Deleted")


def test_without_storage_nothing_is_remembered_and_all_else_works(visit: Callable[..., Visit]) -> None:
    """A frame that is denied storage has suggestions, but neither searches of before nor saved views."""
    seen = visit()
    seen.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } });"
    )
    seen.page.reload()
    field(seen)
    expect(seen.viewer.get_by_role("group", name="Filter by")).to_be_visible()
    expect(seen.viewer.get_by_role("group", name="Recent searches")).to_have_count(0)
    expect(seen.viewer.get_by_role("button", name="Saved views")).to_have_count(0)


def test_what_stands_out_at_the_newest_peak(visit: Callable[..., Visit]) -> None:
    """In words with numbers; a phrase is a filter that shows exactly those entries."""
    seen = visit("?q=-category:audit")
    line = seen.viewer.locator(".expl")
    expect(line).to_contain_text("What stands out, 19 Nov")
    phrase = line.get_by_role("button").first
    expect(phrase).to_have_text("Sign-in failed: 23 entries usually 0")
    phrase.click()
    expect(seen.viewer.locator(".foot")).to_contain_text("All 23 entries")
    assert "since=" in seen.page.url


def test_what_stands_out_in_a_marked_part(visit: Callable[..., Visit]) -> None:
    """The marked bars are held against the others; Clear goes back to the peak."""
    seen = visit("?q=-category:audit")
    line = seen.viewer.locator(".expl")
    expect(line).to_contain_text("What stands out, 19 Nov")
    box = seen.viewer.locator(".pw").bounding_box()
    assert box is not None
    seen.page.mouse.move(box["x"] + box["width"] * 0.86, box["y"] + 30)
    seen.page.mouse.down()
    seen.page.mouse.move(box["x"] + box["width"] * 0.95, box["y"] + 30, steps=5)
    seen.page.mouse.up()
    expect(line).to_contain_text("20 Nov")
    expect(line.get_by_role("button", name="Show only this")).to_be_visible()
    line.get_by_role("button", name="Clear").click()
    expect(line).to_contain_text("What stands out, 19 Nov")


def test_the_chart_is_as_high_before_as_after(visit: Callable[..., Visit]) -> None:
    """What stands out comes late and moves nothing."""
    seen = visit()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    seen.page.route("**/v1/insights?*", hold)
    seen.viewer.get_by_role("button", name="30 days").click()
    while not held:
        seen.page.wait_for_timeout(50)
    before = seen.viewer.locator(".histo").bounding_box()
    for route in held:
        route.continue_()
    expect(seen.viewer.locator(".expl .pill").first).to_be_visible()
    assert seen.viewer.locator(".histo").bounding_box() == before


def test_a_view_is_saved_used_and_deleted(visit: Callable[..., Visit]) -> None:
    """Filters under a name, kept for this viewer in this browser."""
    seen = visit("?q=kind:delete&range=30d")
    seen.viewer.get_by_role("button", name="Save view").click()
    card = seen.viewer.locator("#views")
    expect(card).to_contain_text("20 at most")
    card.get_by_label("Name of this view").fill("Deletions")
    seen.page.keyboard.press("Enter")
    expect(card).to_be_hidden()
    seen.page.goto(seen.world.address)
    seen.viewer.get_by_role("button", name="Saved views").click()
    card.get_by_role("link", name="Deletions").click()
    expect(seen.viewer.locator(".chip.on")).to_contain_text("Deleted")
    assert "q=kind:delete&range=30d" in seen.page.url
    seen.viewer.get_by_role("button", name="Saved views").click()
    card.get_by_role("button", name="Delete the view Deletions").click()
    expect(card).to_contain_text("No view is saved yet")
    seen.page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    expect(seen.viewer.get_by_role("button", name="Saved views")).to_be_focused()


def test_views_have_a_limit_that_is_said(visit: Callable[..., Visit]) -> None:
    """The twenty-first is refused, with what to do."""
    seen = visit()
    seen.viewer.get_by_role("button", name="Saved views").click()
    card = seen.viewer.locator("#views")
    for n in range(21):
        card.get_by_label("Name of this view").fill(f"View {n}")
        seen.page.keyboard.press("Enter")
        if n < 20:
            expect(card).to_be_hidden()
            seen.viewer.get_by_role("button", name="Saved views").click()
    expect(card.get_by_role("alert")).to_contain_text("There are 20 views already. Delete one first.")
    expect(card.get_by_role("listitem")).to_have_count(20)


def test_further_filters(visit: Callable[..., Visit]) -> None:
    """Outcome, severity, source and country, each with counts."""
    seen = visit()
    seen.viewer.get_by_role("button", name="More filters").click()
    panel = seen.viewer.locator("#panel")
    panel.get_by_role("group", name="Country").get_by_role("checkbox", name="Portugal").check()
    seen.page.keyboard.press("Escape")
    assert "q=country:PT" in seen.page.url
    expect(seen.viewer.locator(".chip.on")).to_contain_text("Portugal")
    seen.viewer.locator(".chip.on").get_by_role("button", name="Portugal").click()
    expect(panel.get_by_role("checkbox", name="Portugal")).to_be_checked()


RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_barrier(visit: Callable[..., Visit], size: dict[str, int], theme: str) -> None:
    """Axe finds nothing in the suggestions, the phrases and the views."""
    seen = visit("?q=-category:audit", size=size, bypass_csp=True)
    seen.viewer.evaluate("(viewer, theme) => { viewer.theme = theme; }", theme)

    def clean() -> None:
        seen.page.wait_for_timeout(300)
        assert [
            (one["id"], one["nodes"][0]["target"]) for one in Axe().run(seen.page, options=RULES).response["violations"]
        ] == []

    expect(seen.viewer.locator(".expl")).to_contain_text("What stands out")
    clean()
    field(seen)
    expect(seen.viewer.get_by_role("option").first).to_be_visible()
    clean()
    seen.page.keyboard.type("actor:")
    expect(seen.viewer.get_by_role("option").filter(has_text="Maria")).to_be_visible()
    seen.page.keyboard.press("ArrowDown")
    clean()
    seen.page.keyboard.press("Escape")
    seen.page.keyboard.press("Escape")
    seen.viewer.get_by_role("button", name="Saved views").click()
    seen.viewer.locator("#views input").fill("A view")
    seen.page.keyboard.press("Enter")
    seen.viewer.get_by_role("button", name="Saved views").click()
    expect(seen.viewer.locator("#views").get_by_role("link", name="A view")).to_be_visible()
    clean()
