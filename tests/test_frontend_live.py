"""The live list in a real browser: what is recorded while somebody reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count

import pytest

from tests.browsing import Route, expect
from tests.serving import HOME, event, record
from tests.visiting import NARROW, Visit, World, open_world

pytestmark = pytest.mark.browser

NUMBERS = count(20_000)


@pytest.fixture
def world() -> Iterator[World]:
    """Serve a host application with a log of its own for each test, for they all write."""
    with open_world() as made:
        yield made


def happen(world: World, action: str = "contact.created", n: int = 1) -> None:
    """Record so many entries now."""
    record(world.log, HOME, [event(next(NUMBERS), action) for _ in range(n)])


def listening(seen: Visit) -> None:
    """Wait until the stream is open."""
    expect(seen.viewer.locator(".live")).to_have_attribute("aria-pressed", "true")
    seen.page.wait_for_timeout(300)


def test_new_entries_come_in_by_themselves_at_the_top(visit: Callable[..., Visit], world: World) -> None:
    """The list, its count and the chart follow; whoever listens is told."""
    seen = visit("?q=type:contact")
    listening(seen)
    expect(seen.viewer.locator(".foot")).to_contain_text("of 144")
    happen(world, n=2)
    expect(seen.viewer.locator(".row.fresh")).to_have_count(2)
    expect(seen.viewer.locator(".foot")).to_contain_text("of 146")
    expect(seen.viewer.get_by_role("status").filter(has_text="2 new entries")).to_be_attached()
    expect(seen.viewer.locator(".news")).to_have_count(0)
    expect(seen.viewer.locator(".hh b")).to_have_text("146 entries", timeout=8000)


def test_nothing_moves_while_somebody_reads_further_down(visit: Callable[..., Visit], world: World) -> None:
    """A pill counts what waits; pressing it shows the new entries and leads to the first."""
    seen = visit()
    listening(seen)
    seen.viewer.locator(".list").evaluate("list => list.scrollTo(0, 400)")
    top = seen.viewer.locator(".row").nth(9).bounding_box()
    happen(world)
    happen(world, n=2)
    pill = seen.viewer.get_by_role("button", name="3 new entries")
    expect(pill).to_be_visible()
    assert seen.viewer.locator(".row").nth(9).bounding_box() == top
    pill.click()
    expect(seen.viewer.locator(".row.fresh")).to_have_count(3)
    expect(pill).to_have_count(0)
    assert seen.viewer.locator(".list").evaluate("list => list.scrollTop") == 0
    expect(seen.viewer.locator(".row").first.locator(".hit")).to_be_focused()


@pytest.mark.parametrize("reading", ["an entry", "a marked text"])
def test_nothing_moves_while_somebody_reads(visit: Callable[..., Visit], world: World, reading: str) -> None:
    """An open entry and a marked text keep the list as it is."""
    seen = visit()
    listening(seen)
    if reading == "an entry":
        seen.row("Maria Torres deleted contact").click()
        seen.heading("Maria Torres deleted contact")
    else:
        seen.viewer.evaluate(
            "viewer => viewer.shadowRoot.getSelection().selectAllChildren(viewer.shadowRoot.querySelector('.row .s1'))"
        )
    rows = seen.viewer.locator(".row[data-index]").count()
    happen(world)
    expect(seen.viewer.get_by_role("button", name="1 new entry")).to_be_visible()
    assert seen.viewer.locator(".row[data-index]").count() == rows


def test_only_what_the_filters_ask_for(visit: Callable[..., Visit], world: World) -> None:
    """An entry of another kind does not come; after the filter is lifted the next one does."""
    seen = visit("?q=action:contact.deleted")
    listening(seen)
    happen(world, "contact.created")
    happen(world, "contact.deleted")
    expect(seen.viewer.locator(".row.fresh")).to_have_count(1)
    expect(seen.viewer.locator(".row.fresh")).to_contain_text("deleted contact")
    seen.viewer.get_by_role("button", name="Clear all").click()
    expect(seen.viewer.locator(".list:not(.dim) .row").nth(5)).to_be_visible()
    listening(seen)
    happen(world, "contact.created")
    expect(seen.viewer.locator(".row.fresh")).to_contain_text("created contact")


def test_the_switch_and_its_key(visit: Callable[..., Visit], world: World) -> None:
    """Switched off nothing comes; switched on again nothing was missed."""
    seen = visit()
    listening(seen)
    seen.viewer.locator(".row .hit").first.focus()
    seen.page.keyboard.press("l")
    expect(seen.viewer.locator(".live")).to_have_attribute("aria-pressed", "false")
    happen(world)
    seen.page.wait_for_timeout(1500)
    expect(seen.viewer.locator(".row.fresh")).to_have_count(0)
    seen.viewer.locator(".live").click()
    expect(seen.viewer.locator(".row.fresh")).to_have_count(1)


def test_without_a_stream_the_list_is_asked_again(visit: Callable[..., Visit], world: World) -> None:
    """A proxy that lets no stream through costs seconds, not entries."""
    seen = visit()
    asked: list[str] = []

    def held_up(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=200, content_type="text/html", body="<p>no streams here")

    seen.page.route("**/v1/stream*", held_up)
    seen.viewer.get_by_role("button", name="30 days").click()
    expect(seen.viewer.locator(".list:not(.dim) .row").first).to_be_visible()
    seen.page.wait_for_timeout(500)
    happen(world)
    expect(seen.viewer.locator(".row.fresh")).to_have_count(1, timeout=20_000)
    assert all("token" not in url for url in asked)


def test_a_stream_that_breaks_is_taken_up_where_it_broke(visit: Callable[..., Visit], world: World) -> None:
    """Each entry comes once, whatever happened to the connection; the token is in the header only."""
    seen = visit()
    listening(seen)
    happen(world)
    expect(seen.viewer.locator(".row.fresh")).to_have_count(1)
    urls: list[str] = []
    seen.page.on("request", lambda request: urls.append(request.url))
    seen.viewer.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    happen(world)
    expect(seen.viewer.locator(".row.fresh")).to_have_count(1)
    places = seen.viewer.locator(".row[data-index]").evaluate_all("rows => rows.map((row) => row.dataset.index)")
    assert len(places) == len(set(places))
    streams = [url for url in urls if "/v1/stream" in url]
    assert streams
    assert all("after=" in url and "wv1" not in url for url in streams)


def test_a_hidden_tab_listens_to_nothing(visit: Callable[..., Visit], world: World) -> None:
    """Hidden, the stream is closed; shown again, what was missed comes."""
    seen = visit()
    listening(seen)
    hide = """hidden => { Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
                          document.dispatchEvent(new Event("visibilitychange")); }"""
    seen.page.evaluate(hide, True)
    happen(world, n=2)
    seen.page.wait_for_timeout(1500)
    expect(seen.viewer.locator(".row.fresh")).to_have_count(0)
    seen.page.evaluate(hide, False)
    expect(seen.viewer.locator(".row.fresh")).to_have_count(2)


def test_more_than_fit_are_asked_for(visit: Callable[..., Visit], world: World) -> None:
    """After a burst the pill counts all of them, and pressing it loads the newest page."""
    seen = visit()
    listening(seen)
    happen(world, n=120)
    pill = seen.viewer.get_by_role("button", name="120 new entries")
    expect(pill).to_be_visible()
    pill.click()
    expect(pill).to_have_count(0)
    expect(seen.viewer.locator(".row").first).to_contain_text("Contact 2")
    expect(seen.viewer.locator(".list:not(.dim) .row")).to_have_count(50)


def test_a_narrow_page(visit: Callable[..., Visit], world: World) -> None:
    """The same where the whole page scrolls."""
    seen = visit(size=NARROW)
    listening(seen)
    happen(world)
    expect(seen.viewer.locator(".row.fresh")).to_have_count(1)
    seen.viewer.locator(".page").evaluate("page => page.scrollTo(0, 500)")
    happen(world)
    expect(seen.viewer.get_by_role("button", name="1 new entry")).to_be_visible()


def test_a_late_entry_takes_its_place(visit: Callable[..., Visit], world: World) -> None:
    """What happened earlier is listed where it happened, not at the top."""
    seen = visit("?q=-category:audit")
    listening(seen)
    record(world.log, HOME, [event(next(NUMBERS), "contact.deleted", ago=timedelta(days=1))])
    fresh = seen.viewer.locator(".row.fresh")
    expect(fresh).to_have_count(1)
    assert fresh.evaluate("row => [...row.getRootNode().querySelectorAll('.row[data-index]')].indexOf(row)") > 0
