"""Every state has a link: the dialogs of exports and of questions in the address, and the way to the alerts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from tests.browsing import Locator, Route, expect
from tests.serving import HOME, event, record
from tests.visiting import NARROW, Visit, World, open_world
from whodid.detect import DetectionWorker
from whodid.model import Actor, Resource
from whodid.review import Reviews

pytestmark = pytest.mark.browser

SMALL = {"width": 320, "height": 700}
MARIA = Resource(type="user", id="usr_maria", name="Maria Torres")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Serve a host application with a log in which somebody guesses passwords."""
    with open_world() as made:
        yield made


def dialog(seen: Visit) -> Locator:
    """Find the dialog that stands over the page."""
    return seen.viewer.locator("dialog[open]")


def test_a_link_opens_the_log_with_its_exports(visit: Callable[..., Visit]) -> None:
    """The address has the dialog and the filters; closing it and opening it by key keep the address in step."""
    seen = visit("?q=kind:delete&dialog=exports")
    expect(dialog(seen)).to_contain_text("Export audit logs")
    expect(dialog(seen)).to_contain_text("Kind")
    seen.page.keyboard.press("Escape")
    expect(dialog(seen)).to_have_count(0)
    expect(seen.page).to_have_url(seen.world.address + "/?q=kind:delete")
    seen.viewer.locator(".row .hit").first.focus()
    seen.page.keyboard.press("e")
    expect(dialog(seen)).to_be_visible()
    expect(seen.page).to_have_url(seen.world.address + "/?q=kind:delete&dialog=exports")
    dialog(seen).get_by_role("button", name="Cancel").click()
    expect(dialog(seen)).to_have_count(0)
    expect(seen.page).to_have_url(seen.world.address + "/?q=kind:delete")


def test_the_host_hears_of_a_dialog_and_restores_it(visit: Callable[..., Visit]) -> None:
    """What `alv-state` reports opens the same dialog again; a state without one closes it."""
    seen = visit()
    seen.viewer.get_by_role("button", name="Questions").click()
    expect(dialog(seen)).to_contain_text("Ask the log")
    states = seen.page.evaluate("window.seen.filter(([name]) => name === 'alv-state').map(([, { query }]) => query)")
    assert states[-1] == "dialog=questions"
    seen.viewer.evaluate("viewer => viewer.restore('')")
    expect(dialog(seen)).to_have_count(0)
    seen.viewer.evaluate("viewer => viewer.restore('dialog=exports')")
    expect(dialog(seen)).to_contain_text("Export audit logs")


def test_a_dialog_follows_the_language(visit: Callable[..., Visit]) -> None:
    """A viewer that is told to speak another language while a dialog stands says all of it in that language."""
    seen = visit("?dialog=questions")
    expect(dialog(seen).get_by_label("Question")).to_contain_text("Who deleted this?")
    seen.viewer.evaluate("viewer => { viewer.locale = 'es'; }")
    expect(dialog(seen).get_by_label("Pregunta")).to_contain_text("¿Quién eliminó esto?")


@pytest.mark.parametrize("language", ["en", "pt", "hi", "ar"])
def test_a_phone_has_questions_and_alerts_in_its_last_row(visit: Callable[..., Visit], language: str) -> None:
    """Large enough to touch, inside the screen at 320 px, in every script; nothing above is cut either."""
    seen = visit(size=SMALL, has_touch=True)
    seen.viewer.evaluate("(viewer, to) => { viewer.locale = to; viewer.alerts = '/alerts'; }", language)
    foot = seen.viewer.locator(f".v[lang={language}] .foot")
    expect(foot.locator(".bell")).to_be_visible()
    for one in (".asks", ".bell", ".live"):
        box = foot.locator(one).bounding_box()
        assert box is not None
        assert box["width"] >= 40
        assert box["height"] >= 40
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= SMALL["width"]
    assert foot.evaluate("foot => foot.scrollHeight <= foot.clientHeight + 1")
    expect(seen.viewer.locator(".expl .pill").first).to_be_visible()
    cut = """viewer => [...viewer.shadowRoot.querySelectorAll(".expl .lab > span, .expl .pill > span, .day > span")]
        .filter(one => one.offsetParent && one.scrollWidth > one.clientWidth + 1).map(one => one.textContent)"""
    assert seen.viewer.evaluate(cut) == []
    foot.locator(".asks").click()
    expect(seen.viewer.locator("#questions")).to_be_visible()


@pytest.mark.parametrize("size", [SMALL, NARROW], ids=["320", "390"])
def test_what_stands_out_moves_nothing_on_a_phone(visit: Callable[..., Visit], size: dict[str, int]) -> None:
    """The room for it is there before it comes."""
    seen = visit(size=size)
    expect(seen.viewer.locator(".expl .pill").first).to_be_visible()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    seen.page.route("**/v1/insights?*", hold)
    seen.viewer.evaluate("viewer => viewer.restore('range=30d')")
    while not held:
        seen.page.wait_for_timeout(50)
    before = seen.viewer.locator(".histo").bounding_box()
    for route in held:
        route.continue_()
    expect(seen.viewer.locator(".expl .pill").first).to_be_visible()
    assert seen.viewer.locator(".histo").bounding_box() == before


GAP = """viewer => {
  const root = viewer.shadowRoot, line = document.createRange();
  line.selectNodeContents(root.querySelector(".sub"));
  const text = [...line.getClientRects()];
  const buttons = [...root.querySelectorAll(".acts .btn")].map((one) => one.getBoundingClientRect());
  const acts = buttons.filter(({ width }) => width);
  return root.querySelector(".v").dir === "rtl"
    ? Math.min(...text.map(({ left }) => left)) - Math.max(...acts.map(({ right }) => right))
    : Math.min(...acts.map(({ left }) => left)) - Math.max(...text.map(({ right }) => right));
}"""


@pytest.mark.parametrize("width", [1280, 1000, 760])
def test_the_second_line_of_the_title_keeps_away_from_the_buttons(visit: Callable[..., Visit], width: int) -> None:
    """In every language, whatever there is room for: it takes a second line before it comes near them."""
    seen = visit(size={"width": width, "height": 800})
    for language in ("en", "es", "pt", "hi", "ar"):
        seen.viewer.evaluate("(viewer, to) => { viewer.locale = to; viewer.alerts = '/alerts'; }", language)
        expect(seen.viewer.locator(f".v[lang={language}] .acts .asks")).to_be_visible()
        expect(seen.viewer.locator(".acts .bell")).to_be_visible()
        assert seen.viewer.evaluate(GAP) >= 10, language


def test_the_bell_counts_open_alerts_and_leads_to_them(visit: Callable[..., Visit], world: World) -> None:
    """Without an address it is not there; a new alert counts by itself."""
    seen = visit()
    expect(seen.viewer.locator("[part=badge]")).to_be_visible()
    expect(seen.viewer.locator(".bell")).to_have_count(0)
    seen.viewer.evaluate("viewer => { viewer.alerts = '/alerts'; }")
    bell = seen.viewer.locator(".bell")
    expect(bell).to_have_accessible_name("0 open alerts")
    expect(bell).to_have_attribute("href", "/alerts")
    stranger = Actor(type="anonymous", id="anonymous")
    record(world.log, HOME, [
        event(9_000 + n, "auth.login_failed", actor=stranger, outcome="failed", resource=MARIA,
              details={"cause": "wrong_password"})
        for n in range(6)
    ])  # fmt: skip
    worker = DetectionWorker(world.log)
    try:
        assert worker.round()
    finally:
        worker.stop()
    expect(bell).to_have_accessible_name(re.compile(r"^[1-9]\d* open alerts?$"))


def test_an_overdue_review_is_said_and_led_to(
    visit: Callable[..., Visit], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only where somebody reviews, at every width and in every language; once it is signed it goes by itself."""
    reviews = Reviews(world.log, HOME, actor=Actor(type="user", id="usr_aisha", name="Aisha Khan"))
    told = "viewer => { viewer.alerts = '/alerts'; viewer.reviews = '/reviews'; }"
    seen = visit(size={"width": 1280, "height": 800})
    late, badge = seen.viewer.locator(".late"), seen.viewer.locator("[part=badge]")
    with monkeypatch.context() as passed:
        passed.setattr("whodid.review.reviews.EVERY", timedelta(days=-1))
        with seen.page.expect_response("**/v1/reviews"):
            seen.viewer.evaluate(told)
        expect(badge).to_be_visible()
        expect(late).to_have_count(0)
    reviews.begin()
    monkeypatch.setattr("whodid.review.reviews.EVERY", timedelta(days=-1))
    seen.page.reload()
    seen.viewer.evaluate(told)
    expect(late).to_have_accessible_name("Review overdue")
    expect(late).to_have_attribute("href", "/reviews")
    tint = "one => getComputedStyle(one).color"
    assert late.evaluate(tint) != seen.viewer.locator(".bell").evaluate(tint)
    for width in (1280, 1000, 760, 320):
        seen.page.set_viewport_size({"width": width, "height": 800})
        for language in ("en", "es", "pt", "hi", "ar"):
            seen.viewer.evaluate("(viewer, to) => { viewer.locale = to; }", language)
            expect(seen.viewer.locator(f".v[lang={language}] .late")).to_be_visible()
            if width > SMALL["width"]:
                assert seen.viewer.evaluate(GAP) >= 10, (width, language)
            else:
                foot = seen.viewer.locator(".foot")
                assert foot.evaluate("foot => foot.scrollHeight <= foot.clientHeight + 1"), language
                assert foot.evaluate("foot => foot.scrollWidth <= foot.clientWidth"), language
    monkeypatch.setattr("whodid.review.reviews.EVERY", timedelta(days=7))
    reviews.sign(unseen="Looked at elsewhere")
    expect(late).to_have_count(0)
