"""The viewer in a real browser: what it says when something is hidden, missing, refused or empty, and for everybody."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

from tests.browsing import Route, expect
from tests.serving import HOME, READ, event, record
from tests.visiting import NARROW, WIDE, Visit, World, open_world
from whodid import Actor, Change, Resource

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Serve a host application with a log."""
    with open_world() as made:
        yield made


def test_hidden_values_say_that_they_are_hidden(visit: Callable[..., Visit], world: World) -> None:
    """Without the right to see them, personal values are pills with a reason, and the proof still holds."""
    world.permissions = (READ,)
    seen = visit()
    seen.row("Maria Torres updated contact Ana").click()
    expect(seen.drawer.locator(".red").first).to_contain_text("Personal, hidden for your role")
    expect(seen.drawer.locator(".prf.ok")).to_contain_text("Verified in this browser")
    assert "ana.old@mail.example" not in seen.page.content()


def test_a_refused_token_is_replaced_once(visit: Callable[..., Visit], world: World) -> None:
    """One refusal is mended silently, with one new token for all requests that it hit."""
    seen = visit(forgive="401")
    before = len(world.tokens)
    refused: list[str] = []

    def refuse(route: Route) -> None:
        if refused and route.request.headers["authorization"] != refused[0]:
            return route.continue_()
        refused.append(route.request.headers["authorization"])
        return route.fulfill(status=401, json={"title": "The token is no longer valid", "status": 401})

    seen.page.route("**/v1/**", refuse)
    # A tick of the clock makes this token differ from the last one.
    seen.viewer.get_by_role("button", name="30 days").click()
    expect(seen.viewer.locator(".list:not(.dim) .row").first).to_be_visible()
    assert len(world.tokens) == before + 1
    assert not seen.page.evaluate("window.seen.some(([name]) => name === 'alv-error')")


def test_a_session_that_ended(visit: Callable[..., Visit], world: World) -> None:
    """The list says so, and the host hears it."""
    world.expired = True
    seen = visit(forgive="401")
    expect(seen.viewer.get_by_role("alert")).to_contain_text("Your session ended")
    errors = seen.page.evaluate("window.seen.filter(([name]) => name === 'alv-error').map(([, detail]) => detail)")
    assert errors
    assert all(error["status"] == 401 and error["ended"] for error in errors)
    world.expired = False
    seen.viewer.get_by_role("button", name="Try again").click()
    expect(seen.viewer.locator(".row").first).to_be_visible()


def test_no_right_to_read(visit: Callable[..., Visit], world: World) -> None:
    """The page says which permission is missing and who can give it."""
    world.permissions = ("audit:export",)
    seen = visit(forgive="403")
    expect(seen.viewer.get_by_role("alert")).to_contain_text("You may not read this log")
    expect(seen.viewer.get_by_role("alert")).to_contain_text("audit:read")


def test_an_entry_that_never_was(visit: Callable[..., Visit]) -> None:
    """A link to a number that the log has not reached says so, and can be closed."""
    seen = visit("?entry=99999", forgive="404")
    expect(seen.drawer.get_by_role("alert")).to_have_text("There is no such entry")
    seen.page.keyboard.press("Escape")
    expect(seen.drawer).to_have_count(0)


def test_nothing_matches(visit: Callable[..., Visit]) -> None:
    """Every filter is offered for removal with the count that this would give."""
    seen = visit("?q=kind:delete+action:contact.created")
    expect(seen.viewer.locator(".empty")).to_contain_text("No entries match")
    lift = seen.viewer.get_by_role("button", name="Without “Kind is")
    expect(lift).to_contain_text("1")
    lift.click()
    expect(seen.viewer.locator(".row")).to_have_count(1)


def test_offline_keeps_what_was_loaded(visit: Callable[..., Visit]) -> None:
    """A banner, and the rows stay; back online everything is asked again."""
    seen = visit(forgive="ERR_INTERNET_DISCONNECTED")
    seen.page.context.set_offline(True)
    seen.viewer.get_by_role("button", name="30 days").click()
    expect(seen.viewer.locator(".banner")).to_contain_text("There is no connection")
    expect(seen.viewer.locator(".row").first).to_be_visible()
    seen.page.context.set_offline(False)
    expect(seen.viewer.locator(".banner")).to_have_count(0)


def test_the_host_hears_and_is_asked(visit: Callable[..., Visit]) -> None:
    """Ready, state and open-resource are events with their details."""
    seen = visit()
    seen.row("Maria Torres deleted contact").click()
    seen.drawer.get_by_role("button", name="Open", exact=True).click()
    events = seen.page.evaluate("window.seen")
    assert ["alv-open-resource", {"type": "contact", "id": "con_juan"}] in events
    assert ["alv-state", {"query": "entry=1"}] in events
    seen.row("Campaign guard paused").click()
    expect(seen.drawer.get_by_role("button", name="Open", exact=True)).to_have_count(0)


def test_spanish(visit: Callable[..., Visit]) -> None:
    """The page's language is the viewer's: sentences, labels and dates."""
    seen = visit()
    seen.viewer.evaluate("viewer => { viewer.locale = 'es'; }")
    expect(seen.viewer.get_by_role("heading", level=1)).to_have_text("Registro de auditoría")
    expect(seen.row("Maria Torres eliminó")).to_be_attached()
    expect(seen.viewer.locator(".day").first).to_contain_text("Hoy viernes 20 de noviembre")


STATES: dict[str, tuple[str, Callable[[Visit], object]]] = {
    "list": ("", lambda _: None),
    "drawer": ("", lambda seen: seen.row("Campaign guard paused").click()),
    "merge": ("", lambda seen: seen.row("João Silva merged").click()),
    "history": ("&entry=1&tab=history", lambda _: None),
    "json": ("&entry=1&tab=json", lambda _: None),
    "proof": ("&entry=1&tab=proof", lambda _: None),
    "nothing": ("+zzzz", lambda _: None),
    "dates": ("", lambda seen: seen.viewer.locator("#menu-dates, .chips.line .chip.sel").click()),
    "export": ("", lambda seen: seen.viewer.get_by_role("button", name="Export").click()),
    "compare": ("", lambda seen: seen.viewer.locator(".chip .op").last.click()),
    "more": ("", lambda seen: seen.viewer.get_by_role("button", name="More filters").click()),
    "seal": ("", lambda seen: seen.viewer.locator(".proof.ok").click()),
    "help": ("", lambda seen: seen.page.keyboard.press("?")),
}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_no_barrier(visit: Callable[..., Visit], size: dict[str, int], state: str) -> None:
    """Axe finds no violation of WCAG 2.2 AA, in either theme."""
    query, act = STATES[state]
    # axe-core is put into the page by the test, which the page's policy rightly forbids.
    seen = visit(f"?q=-category:audit+-action:contact.updated{query}", size=size, bypass_csp=True)
    act(seen)
    for theme in ("light", "dark"):
        seen.viewer.evaluate("(viewer, theme) => { viewer.theme = theme; }", theme)
        seen.page.wait_for_timeout(300)
        answer = Axe().run(seen.page, options=RULES)
        assert [(one["id"], one["nodes"][0]["target"]) for one in answer.response["violations"]] == [], theme


def test_the_order_in_which_it_is_read_aloud(visit: Callable[..., Visit]) -> None:
    """Title, badge and export, search, filters, the chart in a sentence, days with their entries, then the details."""
    seen = visit("?q=-category:audit+-action:contact.updated")
    expect(seen.viewer.locator(".proof.ok")).to_be_visible()

    def said(*order: str) -> None:
        """Insist that the tree of roles and names has these, one after the other."""
        tree = seen.viewer.aria_snapshot()
        at = 0
        for part in order:
            found = tree.find(part, at)
            assert found >= 0, f"{part!r} is not there, or too early, in\n{tree}"
            at = found + len(part)

    page = (
        'heading "Audit logs" [level=1]',
        'link "Kept for 90 days."',
        'button "Verified',
        'button "Live" [pressed]',
        'button "Export"',
        'combobox "Search audit logs"',
        'button "User"',
        'button "Action type"',
        'button "Resource"',
        'button "More filters"',
        'group "Date range"',
        'button "Remove filter Category"',
        'button "Clear all"',
        'region "Activity over time"',
        'group "Kinds"',
        'group "Entries over time',
        'region "Audit log entries, newest first"',
        'heading "Today Friday 20 November',
        'link "João Silva merged contact',
        'heading "Yesterday Thursday 19 November" [level=2]',
        'link "Campaign guard paused campaign',
    )
    said(*page)
    seen.row("Campaign guard paused").click()
    expect(seen.drawer.locator(".prf.ok")).to_be_visible()
    said(
        'region "Audit log entries, newest first"',
        'complementary "Entry details"',
        'button "Newer entry"',
        'button "Close"',
        'heading "Campaign guard paused campaign',
        "Why it stopped",
        "term: When",
        "term: Who",
        "term: Resource",
        'tab "Changes',
        'tab "Proof"',
        "tabpanel",
        "Verified in this browser",
        'button "History of',
    )


@pytest.mark.parametrize("width", [320, 390, 760, 1024, 1440])
def test_nothing_scrolls_sideways(visit: Callable[..., Visit], width: int) -> None:
    """At every width the page and the drawer fit, and no button is under 24 pixels."""
    seen = visit(size={"width": width, "height": 800})
    measure = """async viewer => {
        // The drawer slides in: what counts is where it comes to rest.
        const all = viewer.shadowRoot.getAnimations();
        const moving = all.filter((one) => one.effect.getTiming().iterations !== Infinity);
        await Promise.all(moving.map((one) => one.finished));
        const inside = (selector) => [...viewer.shadowRoot.querySelectorAll(selector)];
        const size = (one) => [one.className || one.id, one.getBoundingClientRect()];
        const wide = inside(".v, .page, .list, .drawer, .db").filter((one) => one.scrollWidth > one.clientWidth + 1);
        const small = inside("button:not(.tag), input").filter((one) => one.checkVisibility()).map(size)
            .filter(([, box]) => box.width && Math.min(box.width, box.height) < 24 && box.width !== 15);
        return { wide: wide.map((one) => one.className), small: small.map(([name]) => name) };
    }"""
    expect(seen.viewer.locator(".row").first).to_be_visible()
    measured = [seen.viewer.evaluate(measure)]
    seen.row("João Silva merged").click()
    seen.heading("João Silva merged")
    measured.append(seen.viewer.evaluate(measure))
    assert measured == [{"wide": [], "small": []}] * 2


def test_a_lost_connection_says_so_until_it_is_back(visit: Callable[..., Visit]) -> None:
    """What was loaded stays; the switch does not claim to be live meanwhile."""
    seen = visit(forgive="net::ERR_FAILED")
    live, banner = seen.viewer.locator(".live"), seen.viewer.locator(".banner")
    expect(live).to_be_visible()
    for address in ("**/v1/stream?*", "**/v1/entries?*"):
        seen.page.route(address, lambda route: route.abort())
    live.click()
    live.click()
    expect(banner).to_have_text("There is no connection. What was loaded stays on the page.")
    expect(live).to_have_class(re.compile(r"\blost\b"))
    expect(seen.viewer.locator(".row").first).to_be_visible()
    seen.page.unroute_all()
    live.click()
    live.click()
    expect(banner).to_have_count(0)
    expect(live).not_to_have_class(re.compile(r"\blost\b"))


def test_trying_again_brings_everything_back(visit: Callable[..., Visit], world: World) -> None:
    """The list, the chart, what stands out, and what is recorded from then on."""
    seen = visit(forgive="Failed to load resource")
    expect(seen.viewer.locator(".live")).to_be_visible()
    seen.page.route("**/v1/**", lambda route: route.abort())
    seen.viewer.get_by_role("button", name="30 days").click()
    banner = seen.viewer.locator(".banner")
    expect(banner.locator("b")).to_have_text("The log could not be loaded")
    expect(banner).to_contain_text("Your filters are kept.")
    expect(seen.viewer.locator(".live.lost")).to_be_visible()
    seen.viewer.locator(".row .hit").nth(2).click()
    expect(seen.drawer.get_by_role("alert")).to_contain_text("This entry could not be loaded")
    failed = seen.drawer.locator(".empty path").get_attribute("d")
    seen.page.keyboard.press("Escape")
    seen.page.unroute_all()
    banner.get_by_role("button", name="Try again").click()
    expect(banner).to_have_count(0)
    expect(seen.viewer.locator(".hh b")).to_have_text(re.compile(r"^\d+ entries$"))
    expect(seen.viewer.locator(".expl .lab")).not_to_have_text("")
    expect(seen.viewer.locator(".expl")).not_to_contain_text("could not be loaded")
    record(world.log, HOME, [event(70_000, "contact.created")])
    expect(seen.viewer.locator(".row.fresh")).to_have_count(1)
    seen.viewer.evaluate("viewer => viewer.restore('entry=99999')")
    expect(seen.drawer.get_by_role("alert")).to_contain_text("There is no such entry")
    # A bin is for what is gone, not for what is out of reach.
    assert seen.drawer.locator(".empty path").get_attribute("d") != failed


def test_no_number_says_less_than_the_bars(visit: Callable[..., Visit]) -> None:
    """Where counting ended early, the head and the foot say what the chart knows."""
    seen = visit()

    def fewer(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        body |= {"exact": False} if "buckets" in body else {}
        body["total" if "buckets" in body else "count"] = {"value": 3, "exact": False}
        route.fulfill(response=answer, json=body)

    for address in ("**/v1/entries?*", "**/v1/histogram?*"):
        seen.page.route(address, fewer)
    seen.viewer.get_by_role("button", name="30 days").click()
    expect(seen.viewer.locator(".hh b")).to_have_text(re.compile(r"^1\d\d\+ entries$"))
    total = seen.viewer.locator(".hh b").inner_text().split()[0]
    expect(seen.viewer.locator(".foot")).to_contain_text(f"of {total}")


def test_the_way_to_a_resource_stands_at_the_end(visit: Callable[..., Visit]) -> None:
    """Also when the buttons before it take the whole line."""
    seen = visit("?entry=1")
    seen.viewer.evaluate("viewer => { viewer.openTypes = '*'; }")
    for width in (1440, 1000, 900):
        seen.page.set_viewport_size({"width": width, "height": 800})
        foot, button = seen.drawer.locator(".df"), seen.drawer.get_by_role("button", name="Open", exact=True)
        expect(button).to_be_visible()
        right = foot.evaluate(
            "foot => foot.getBoundingClientRect().right - parseFloat(getComputedStyle(foot).paddingRight)"
        )
        box = button.bounding_box()
        assert box is not None
        assert abs(box["x"] + box["width"] - right) < 2


@pytest.mark.parametrize("width", [1100, 940, 900, 760, 759])
def test_buttons_without_a_word_keep_their_picture(visit: Callable[..., Visit], width: int) -> None:
    """Where room is short the pictures beside words go, and the long line under the title; never a whole button."""
    seen = visit(size={"width": width, "height": 800})
    for button in seen.viewer.locator(".bar .btn, .acts .btn").all():
        if button.is_visible() and not button.inner_text().strip():
            expect(button.locator(".i")).to_be_visible()
    title = seen.viewer.locator(".h1row").bounding_box()
    assert title is not None
    assert title["height"] <= 70


@pytest.mark.parametrize("width", [1440, 320])
def test_a_long_name_makes_nothing_wider(visit: Callable[..., Visit], world: World, width: int) -> None:
    """Names of 200 characters without a space are broken or cut, and the details scroll down only."""
    long = event(
        71_000 + width,
        "contact.updated",
        actor=Actor(type="user", id="u" * 100, name="X" * 200, role="R" * 100),
        resource=Resource(type="contact", id="c" * 100, name="N" * 200),
        changes=[Change(path="p" * 100, before="b" * 3_000, after="a" * 3_000)],
    )
    record(world.log, HOME, [long])
    seen = visit(f"?entry={long.id}", size={"width": width, "height": 800})
    expect(seen.drawer.locator("h2")).to_contain_text("NNN")
    expect(seen.drawer.locator(".ask .btn").first).to_be_visible()
    wider = """drawer => [drawer, ...drawer.querySelectorAll(".db, .db > *, .df")]
        .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.className)"""
    assert seen.drawer.evaluate(wider) == []
