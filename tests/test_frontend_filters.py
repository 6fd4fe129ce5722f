"""Filters, marks and zones of the viewer in a real browser; and that it bears the text spacing of its reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from tests.browsing import expect
from tests.serving import HOME, JOAO, event, record
from tests.visiting import NARROW, WIDE, Visit, World, open_world

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Serve a host application with a log in which something was refused."""
    with open_world() as made:
        refused = [event(60_000 + n, "contact.deleted", JOAO, outcome="denied", ago=timedelta(hours=2)) for n in (0, 1)]
        record(made.log, HOME, refused)
        yield made


def test_a_chip_is_compared_in_another_way(visit: Callable[..., Visit]) -> None:
    """The middle of a chip lists what the language knows, by keyboard too; a beginning is that of the name."""
    seen = visit("?q=resource:contact:con_juan")
    between = seen.viewer.locator(".chip .op")
    between.click()
    panel = seen.viewer.locator("#panel")
    assert panel.get_by_role("button").all_inner_texts() == ["is", "is not", "begins with", "does not begin with"]
    expect(panel.get_by_role("button", name="is", exact=True)).to_be_focused()
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        seen.page.keyboard.press(key)
    expect(panel).to_be_hidden()
    expect(between).to_be_focused()
    expect(seen.viewer.locator(".chip.on")).to_contain_text("begins with")
    assert "Juan" in seen.page.evaluate("new URLSearchParams(location.search).get('q')")
    expect(seen.row("Maria Torres deleted contact Juan")).to_be_attached()
    between.click()
    seen.page.keyboard.press("Escape")
    expect(between).to_be_focused()


def test_a_menu_that_cannot_be_loaded_says_so(visit: Callable[..., Visit]) -> None:
    """The file of the menus did not come: the reader is told, and the next click fetches it again."""
    seen = visit("", forgive="ERR_FAILED")
    context = seen.page.context
    context.route("**/static/more.js*", lambda route: route.abort())
    seen.page.reload()
    expect(seen.viewer.locator(".row").first).to_be_visible()
    seen.viewer.get_by_role("button", name="User").click()
    expect(seen.viewer.locator(".toast.on")).to_have_text("This could not be loaded. Open it again to retry.")
    context.unroute("**/static/more.js*")
    seen.viewer.get_by_role("button", name="User").click()
    expect(seen.viewer.locator("#panel")).to_be_visible()


def test_texts_contain_and_severities_reach(visit: Callable[..., Visit]) -> None:
    """Chips of reasons and values say that a text occurs; a severity can be a least one."""
    seen = visit("?q=reason:phone+-after:zzz+severity:>=notice+index:0..500")
    said = [text.replace("\n", " ") for text in seen.viewer.locator(".chip .op").all_inner_texts()]
    assert said == ["contains", "does not contain", "is at least", ".."]
    expect(seen.viewer.locator(".chip .op").last).to_be_disabled()
    seen.viewer.locator(".chip .op").first.click()
    seen.viewer.locator("#panel").get_by_role("button", name="does not contain").click()
    assert "-reason:phone" in seen.page.evaluate("new URLSearchParams(location.search).get('q')")


def test_values_that_nobody_counts_are_offered_and_typed(visit: Callable[..., Visit]) -> None:
    """Addresses and changed fields of the list are offered; a field, a request or a session is taken as typed."""
    seen = visit("?q=contact.updated")
    seen.viewer.get_by_role("button", name="More filters").click()
    panel = seen.viewer.locator("#panel")
    expect(panel.get_by_role("group", name="IP address").get_by_role("checkbox").first).to_be_visible()
    seen.page.keyboard.type("83.45.112.0/24")
    panel.get_by_role("group", name="IP address").get_by_role("checkbox", name="83.45.112.0/24").check()
    assert "ip:83.45.112.0/24" in seen.page.evaluate("new URLSearchParams(location.search).get('q')")
    panel.locator(".find input").fill("consent")
    panel.get_by_role("group", name="Changed field").get_by_role("checkbox", name="consent…").check()
    expect(seen.viewer.locator(".chip.on").last).to_contain_text("begins with")
    expect(seen.viewer.locator(".row")).to_have_count(1)


def test_what_was_refused_is_marked_in_the_chart(visit: Callable[..., Visit]) -> None:
    """A mark of two pixels at the base, a line in the card of its bar, and a column in the table."""
    seen = visit()
    mark = seen.viewer.locator(".plot .den")
    expect(mark).to_have_count(1)
    assert mark.get_attribute("height") == "2.0"
    seen.viewer.locator(".pw").focus()
    for _ in range(10):
        seen.page.keyboard.press("ArrowLeft")
        if seen.viewer.locator(".tip .den").count():
            break
    expect(seen.viewer.locator(".tip .den")).to_contain_text("Denied2")
    seen.viewer.get_by_role("button", name="Show as table").click()
    expect(seen.viewer.get_by_role("columnheader", name="Denied")).to_be_visible()


def test_three_zones_by_turns(visit: Callable[..., Visit]) -> None:
    """The workspace's zone first, then the reader's own, then UTC; the button says which comes next."""
    seen = visit()
    seen.viewer.evaluate("viewer => { viewer.zone = 'America/Lima'; }")
    zone = seen.viewer.locator(".z")
    for shown, following, address in (
        ("Lima", "your own zone", ""),
        ("Madrid", "UTC", "tz=Europe"),
        ("UTC", "the workspace’s zone", "tz=UTC"),
        ("Lima", "your own zone", ""),
    ):
        expect(zone).to_contain_text(shown)
        expect(zone).to_have_attribute("title", f"Show times in {following}")
        assert address in seen.page.url
        zone.click()


def test_the_readers_own_acts_say_so(visit: Callable[..., Visit]) -> None:
    """It is shown and not copied; others are just named."""
    seen = visit()
    said = "name => getComputedStyle(name, '::after').content"
    own = seen.viewer.locator(".row .s1 b", has_text="Maria Torres").first
    assert own.evaluate(said) == '" (you)"'
    assert "(you)" not in (own.text_content() or "")
    assert seen.viewer.locator(".row .s1 b", has_text="João Silva").first.evaluate(said) == "none"


def test_retention_leads_to_its_record(visit: Callable[..., Visit]) -> None:
    """How long entries are kept is a link to what the log says of it."""
    seen = visit()
    seen.viewer.get_by_role("link", name="Kept for 90 days.").click()
    assert "q=action:audit.retention_changed,audit.purged&range=all" in seen.page.url


def test_the_card_of_the_badge_names_the_witness_or_says_that_there_is_none(visit: Callable[..., Visit]) -> None:
    """Also where the list found nothing: the log is checked all the same."""
    seen = visit("?q=zzzz")
    expect(seen.viewer.locator(".proof.ok")).to_be_visible()
    seen.viewer.locator(".proof").click()
    expect(seen.viewer.locator("#seal")).to_contain_text("None: nobody outside has signed this head.")


# What a reader may ask for (WCAG 2.2, 1.4.12): nothing may be cut off by it.
SPACING = """viewer => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    * { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important }
    p { margin-block-end: 2em !important }`);
  viewer.shadowRoot.adoptedStyleSheets.push(sheet);
}"""
# Texts that stand higher than what shows them, or wider without an ellipsis.
CUT = """viewer => {
  const cut = [];
  const walker = document.createTreeWalker(viewer.shadowRoot, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  while (walker.nextNode()) {
    const text = walker.currentNode;
    const holder = text.parentElement;
    if (!text.data.trim() || !holder?.checkVisibility() || holder.closest(".sr, .toast, svg, .tip, .ul")) continue;
    range.selectNodeContents(text);
    const box = range.getBoundingClientRect();
    if (!box.width) continue;
    for (let at = holder; at && at !== viewer; at = at.parentElement) {
      const style = getComputedStyle(at);
      const scrolls = /auto|scroll/.test(style.overflowY + style.overflowX);
      if (scrolls) break;
      const button = at.matches("button, .btn, .chip");
      if (style.overflowX === "visible" && !button) continue;
      const view = at.getBoundingClientRect();
      const sideways = style.textOverflow !== "ellipsis" && (box.right > view.right + 1 || box.left < view.left - 1);
      if (box.bottom - view.bottom > 3 || view.top - box.top > 3 || (sideways && !at.querySelector("bdi, .t")))
        cut.push(`${at.tagName}.${at.className}: ${text.data.trim().slice(0, 40)}`);
      break;
    }
  }
  return [...new Set(cut)];
}"""
OPENED: dict[str, Callable[[Visit], object]] = {
    "list": lambda _: None,
    "details": lambda seen: seen.row("Campaign guard paused").click(),
    "merge": lambda seen: seen.row("João Silva merged").click(),
    "menu": lambda seen: seen.viewer.locator("[aria-haspopup=dialog]", has_text="User").first.click(),
    "dates": lambda seen: seen.viewer.locator("[aria-haspopup=dialog]", has_text="2026").first.click(),
    "export": lambda seen: seen.viewer.get_by_role("button", name="Export").click(),
    "help": lambda seen: seen.page.keyboard.press("?"),
    "badge": lambda seen: seen.viewer.locator(".proof.ok").click(),
}


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_text_spacing_cuts_nothing_off(visit: Callable[..., Visit], size: dict[str, int]) -> None:
    """Lines, letters and words further apart: everything can still be read, in the page and in what it opens."""
    for state, act in OPENED.items():
        seen = visit("?q=-category:audit+-action:contact.updated&since=2026-11-01T00:00:00Z", size=size)
        seen.viewer.evaluate(SPACING)
        act(seen)
        seen.page.wait_for_timeout(200)
        assert seen.viewer.evaluate(CUT) == [], state
        sideways = "viewer => viewer.shadowRoot.querySelector('.page').scrollWidth <= viewer.clientWidth"
        assert seen.viewer.evaluate(sideways), state
        seen.page.context.close()
