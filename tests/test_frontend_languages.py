"""The viewer in every language and direction, on paper, on small screens and under a reader's own settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

from tests.browsing import expect
from tests.visiting import NARROW, WIDE, Visit, World, open_world
from whodid.catalog import LANGUAGES

pytestmark = pytest.mark.browser

STYLES = Path(__file__).resolve().parent.parent / "frontend" / "src" / "styles"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
DELETED = {
    "en": "Maria Torres deleted contact Juan Pérez",
    "es": "Maria Torres eliminó el contacto Juan Pérez",
    "pt": "Maria Torres excluiu o contato Juan Pérez",
    "hi": "Maria Torres ने संपर्क Juan Pérez हटाया",
    "ar": "حذف Maria Torres جهة الاتصال Juan Pérez",
}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Serve a host application with a log."""
    with open_world() as made:
        yield made


def speak(seen: Visit, language: str) -> None:
    """Have the viewer speak a language, and wait until it does."""
    seen.viewer.evaluate("(viewer, language) => { viewer.locale = language; }", language)
    expect(seen.row(DELETED[language])).to_be_visible()


def test_style_sheets_know_no_left_and_no_right() -> None:
    """Only logical properties, so that the other direction needs no rules of its own."""
    physical = re.compile(
        r"(?:margin|padding|border|inset)-(?:left|right)|text-align:\s*(?:left|right)|[;{]\s*(?:left|right):"
    )
    side = r"((?:[^\s;(]|\([^)]*\))+)"
    lopsided = re.compile(rf"(?:margin|padding):\s*{side}\s+{side}\s+{side}\s+{side}\s*[;}}]")
    for path in STYLES.glob("*.css"):
        text = path.read_text()
        assert physical.findall(text) == [], path.name
        assert [found[0] for found in lopsided.finditer(text) if found[2] != found[4]] == [], path.name


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_is_spoken_throughout(visit: Callable[..., Visit], language: str) -> None:
    """Page, rows and details are in the language, the text runs its way, and nothing is left to fill in."""
    seen = visit()
    speak(seen, language)
    root = seen.viewer.locator(".v")
    expect(root).to_have_attribute("lang", language)
    expect(root).to_have_attribute("dir", "rtl" if language == "ar" else "ltr")
    seen.row(DELETED[language]).click()
    expect(seen.drawer.locator(".prf.ok")).to_be_visible()
    text = seen.viewer.evaluate("viewer => viewer.shadowRoot.textContent")
    assert not re.search(r"\{\w+\}", text)
    if language != "en":
        assert "Verified in this browser" not in text
        assert "Everything that happened" not in text


def test_the_other_direction_is_the_mirror_image(visit: Callable[..., Visit]) -> None:
    """The list begins at the right, the details open at the left, chevrons turn round, time still runs rightwards."""
    seen = visit("?q=-category:audit")
    box = "one => { const { left, right } = one.getBoundingClientRect(); return [left, right]; }"
    first, last = [seen.viewer.locator(".plot rect.b").nth(at) for at in (0, -1)]
    before = [one.evaluate(box)[0] for one in (first, last)]
    speak(seen, "ar")
    row = seen.viewer.locator(".row").first
    time, chevron = row.locator("time"), row.locator("> .i.along")
    assert time.evaluate(box)[0] > chevron.evaluate(box)[1]
    assert chevron.evaluate("one => getComputedStyle(one).scale") == "-1 1"
    after = [one.evaluate(box)[0] for one in (first, last)]
    assert after[0] < after[1]
    assert before[0] < before[1]
    code = row.locator(".code bdi")
    assert code.evaluate("one => getComputedStyle(one).direction") == "ltr"
    seen.row(DELETED["ar"]).click()
    expect(seen.drawer).to_be_visible()
    seen.page.wait_for_timeout(300)
    assert seen.drawer.evaluate(box)[0] == 0


def test_keys_follow_the_direction(visit: Callable[..., Visit]) -> None:
    """In the tabs the left arrow goes on where the text runs to the left."""
    seen = visit()
    speak(seen, "ar")
    seen.row(DELETED["ar"]).click()
    seen.drawer.get_by_role("tab").first.focus()
    seen.page.keyboard.press("ArrowLeft")
    expect(seen.drawer.get_by_role("tab").nth(1)).to_have_attribute("aria-selected", "true")
    seen.page.keyboard.press("ArrowRight")
    expect(seen.drawer.get_by_role("tab").first).to_have_attribute("aria-selected", "true")


def test_menus_open_below_their_buttons_in_both_directions(visit: Callable[..., Visit]) -> None:
    """A menu begins where its button begins."""
    seen = visit()
    start = "one => { const { left, right } = one.getBoundingClientRect(); return [left, right].map(Math.round); }"
    for language, side in (("en", 0), ("ar", 1)):
        speak(seen, language)
        button = seen.viewer.locator("#menu-user")
        button.click()
        panel = seen.viewer.locator("#panel")
        expect(panel.get_by_role("checkbox").first).to_be_visible()
        assert panel.evaluate(start)[side] == button.evaluate(start)[side]
        seen.page.keyboard.press("Escape")


@pytest.mark.parametrize("width", [320, 390, 760, 1024, 1440])
@pytest.mark.parametrize("language", ["pt", "hi", "ar"])
def test_nothing_scrolls_sideways_in_any_language(visit: Callable[..., Visit], language: str, width: int) -> None:
    """Longer words and the other direction fit at every width, with the details too."""
    seen = visit(size={"width": width, "height": 800})
    speak(seen, language)
    wide = """viewer => [...viewer.shadowRoot.querySelectorAll(".v, .page, .list, .drawer, .db, .head, .bar")]
        .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.className)"""
    assert seen.viewer.evaluate(wide) == []
    seen.row(DELETED[language]).click()
    expect(seen.drawer.locator(".prf")).to_be_visible()
    seen.page.wait_for_timeout(300)
    assert seen.viewer.evaluate(wide) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_title_row_fits_a_phone(visit: Callable[..., Visit], language: str) -> None:
    """The badge says its word in full and the button beside it keeps its size, however long the title is."""
    seen = visit(size=NARROW)
    speak(seen, language)
    badge, export = seen.viewer.locator("[part=badge]"), seen.viewer.locator(".acts .btn.p")
    expect(badge).to_have_class(re.compile(r"\bok\b"))
    box = export.bounding_box()
    assert box is not None
    assert (round(box["width"]), round(box["height"])) == (40, 40)
    assert badge.locator(".t").evaluate("(text) => text.scrollWidth <= text.clientWidth")


@pytest.mark.parametrize("language", ["hi", "ar"])
@pytest.mark.parametrize("size", [{"width": 320, "height": 800}, NARROW, {"width": 1024, "height": 800}, WIDE], ids=str)
def test_axe_finds_nothing(visit: Callable[..., Visit], language: str, size: dict[str, int]) -> None:
    """WCAG 2.2 AA in another script and in the other direction, both themes, with the list and with the details."""
    seen = visit(size=size, reduced_motion="reduce")
    speak(seen, language)
    for open_entry in (False, True):
        if open_entry:
            seen.row(DELETED[language]).click()
            expect(seen.drawer.locator(".prf.ok")).to_be_visible()
        for theme in ("light", "dark"):
            seen.viewer.evaluate("(viewer, theme) => { viewer.theme = theme; }", theme)
            seen.page.wait_for_timeout(100)
            answer = Axe().run(seen.page, options=RULES)
            found = [(one["id"], one["nodes"][0]["target"]) for one in answer.response["violations"]]
            assert found == [], (theme, open_entry)


def test_a_small_screen_has_a_sheet_at_the_bottom(visit: Callable[..., Visit]) -> None:
    """Filters are a line to scroll and a sheet with the count of what it shows; touch targets are large."""
    seen = visit(size=NARROW, has_touch=True)
    line = seen.viewer.locator(".chips.line")
    expect(line.get_by_role("button", name="Last 7 days")).to_be_visible()
    line.get_by_role("button", name="User").click()
    panel = seen.viewer.locator("#panel")
    panel.get_by_role("checkbox", name="João Silva").check()
    box = panel.bounding_box()
    assert box is not None
    assert (round(box["x"]), round(box["y"] + box["height"]), round(box["width"])) == (0, 844, 390)
    low = "panel => [...panel.querySelectorAll('.pf button, .opt label')].filter(one => one.offsetHeight < 40).length"
    assert panel.evaluate(low) == 0
    panel.get_by_role("button", name="Show 2 entries").click()
    expect(panel).to_be_hidden()
    expect(seen.viewer.locator(".row")).to_have_count(2)
    seen.viewer.locator(".row .hit").first.click()
    sheet = seen.drawer.bounding_box()
    assert sheet is not None
    assert round(sheet["width"]) == 390


def test_presets_are_in_the_sheet_of_the_dates(visit: Callable[..., Visit]) -> None:
    """On a small screen the presets are one tap behind the chip of the dates."""
    seen = visit(size=NARROW)
    seen.viewer.locator(".chips.line").get_by_role("button", name="Last 7 days").click()
    seen.viewer.locator("#panel").get_by_role("button", name="30 days").click()
    expect(seen.viewer.locator(".chips.line").get_by_role("button", name="30 days")).to_be_visible()
    assert "range=30d" in seen.page.url


def test_colours_of_the_reader_are_respected(visit: Callable[..., Visit]) -> None:
    """Where the system's colours are forced, selection, chips and bars still have shapes."""
    seen = visit(forced_colors="active")
    seen.row(DELETED["en"]).click()
    outline = seen.viewer.locator(".row.sel").evaluate("row => getComputedStyle(row).outlineStyle")
    assert outline == "solid"
    assert seen.viewer.locator(".row .k").first.evaluate("tile => getComputedStyle(tile).borderTopWidth") == "1px"
    assert seen.viewer.locator(".plot .b").first.evaluate("bar => getComputedStyle(bar).forcedColorAdjust") == "none"


def test_nothing_moves_for_who_wants_rest(visit: Callable[..., Visit]) -> None:
    """With reduced motion nothing is animated, and nothing waits for an animation."""
    seen = visit(reduced_motion="reduce")
    seen.row(DELETED["en"]).click()
    expect(seen.drawer).to_be_visible()
    assert seen.viewer.evaluate("viewer => viewer.shadowRoot.getAnimations().length") == 0


@pytest.mark.parametrize("language", ["en", "ar"])
def test_large_text_still_fits(visit: Callable[..., Visit], language: str) -> None:
    """At 200 % (as the browser enlarges it) and at 400 % (320 px) nothing is cut off sideways."""
    for width in (720, 360, 320):
        seen = visit(size={"width": width, "height": 450}, device_scale_factor=2)
        speak(seen, language)
        wide = "document.documentElement.scrollWidth <= innerWidth"
        assert seen.page.evaluate(wide)
        assert seen.viewer.evaluate(
            "viewer => viewer.shadowRoot.querySelector('.page').scrollWidth <= viewer.clientWidth"
        )


def test_paper_has_the_filters_and_the_rows(visit: Callable[..., Visit], tmp_path: Path) -> None:
    """Printed, the controls are gone, the filters are said, and every loaded row is there in dark themes too."""
    seen = visit("?q=type:contact+-category:audit", color_scheme="dark")
    seen.page.emulate_media(media="print")
    expect(seen.viewer.locator(".bar")).to_be_hidden()
    expect(seen.viewer.locator(".row .k").first).to_be_hidden()
    said = seen.viewer.locator(".ponly")
    expect(said).to_be_visible()
    expect(said).to_contain_text("14 – 20 Nov")
    expect(said).to_contain_text("Resource is Contact")
    expect(said).to_contain_text("Showing 1–50 of 144. The report has all of them.")
    colour = seen.viewer.locator(".v").evaluate("root => getComputedStyle(root).backgroundColor")
    assert colour == "rgb(255, 255, 255)"
    seen.page.pdf(path=tmp_path / "list.pdf", format="A4")
    pages = len(re.findall(rb"/Type /Page\b", (tmp_path / "list.pdf").read_bytes()))
    assert pages >= 2


def report_of(seen: Visit, act: Callable[[], Any]) -> str:
    """Do what opens a report, and return the text of its table."""
    with seen.page.context.expect_page() as opened:
        act()
    page = opened.value
    expect(page.locator("table")).to_be_visible()
    assert "token" not in page.url
    assert page.evaluate("document.scripts.length") == 0
    return page.locator("body").inner_text()


def test_the_key_for_printing_leads_to_the_report(visit: Callable[..., Visit]) -> None:
    """More matches than is loaded: the report has everything. All of it loaded: the browser prints the page."""
    seen = visit("?q=action:contact.updated")
    expect(seen.viewer.locator(".row").first).to_be_visible()
    text = report_of(seen, lambda: seen.page.keyboard.press("Control+p"))
    assert "141" in text
    assert "Contact 139" in text
    seen.viewer.get_by_role("button", name="Remove filter Action").click()
    few = visit("?q=kind:delete")
    few.page.evaluate(
        "addEventListener('keydown', (event) => { window.asked = event.defaultPrevented; event.preventDefault(); })"
    )
    few.page.keyboard.press("Control+p")
    assert few.page.evaluate("window.asked") is False


def test_the_export_dialog_offers_the_report(visit: Callable[..., Visit]) -> None:
    """In the reader's language, with the same filters."""
    seen = visit("?q=action:contact.deleted")
    speak(seen, "pt")
    seen.viewer.get_by_role("button", name="Exportar").click()
    button = seen.viewer.get_by_role("button", name="Relatório para imprimir")
    text = report_of(seen, button.click)
    assert "excluiu o contato Juan Pérez" in text
    assert "Log de auditoria" in text
