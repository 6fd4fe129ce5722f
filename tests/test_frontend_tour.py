"""The tour: offered to whoever is here for the first time, taken by keyboard, left at any time, never in the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

from tests.browsing import expect
from tests.test_frontend_alerts import slots
from tests.visiting import NARROW, Visit, World, open_world

FOLDER = Path(__file__).parent.parent / "frontend" / "src" / "tour"
ENGLISH = json.loads((FOLDER / "en.json").read_text(encoding="utf-8"))
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
KEPT = "() => Object.keys(localStorage).filter((name) => name.startsWith('alv-tour:'))"
STEPS = ["Every line is one act", "Open a line", "Find", "Ask", "Trust nobody"]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Serve a host application with a log."""
    with open_world() as made:
        yield made


@pytest.mark.parametrize("language", ["es", "pt", "hi", "ar"])
def test_every_language_has_every_message(language: str) -> None:
    """None is missing, none is left over, none lost a slot."""
    found: dict[str, Any] = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    assert found.keys() == ENGLISH.keys()
    assert all(slots(found[key]) == slots(message) for key, message in ENGLISH.items())


@pytest.mark.browser
def test_it_is_taken_by_keyboard_and_remembered(visit: Callable[..., Visit]) -> None:
    """Step by step with Enter, to the end; the next visit offers nothing, and the list of keys brings it back."""
    opened = visit("?range=30d")
    tour = opened.viewer.locator(".tour")
    expect(tour).to_contain_text("New here?")
    # It took no focus from the page.
    assert opened.page.evaluate("() => document.activeElement === document.body")
    assert Axe().run(opened.page, options=RULES).response["violations"] == []
    tour.get_by_role("button", name="Show me").focus()
    opened.page.keyboard.press("Enter")
    for at, title in enumerate(STEPS):
        heading = tour.get_by_role("heading", name=title)
        expect(heading).to_be_focused()
        expect(tour).to_contain_text(f"{at + 1} of 5")
        if not at:
            expect(tour.get_by_role("listitem")).to_have_count(5)
            expect(tour).to_contain_text("Maria Torres deleted contact Ana García")
        for theme in ("light", "dark"):
            opened.viewer.evaluate("(viewer, theme) => viewer.setAttribute('theme', theme)", theme)
            assert Axe().run(opened.page, options=RULES).response["violations"] == [], (title, theme)
        if at < 4:
            tour.get_by_role("button", name="Next").press("Enter")
    tour.get_by_role("button", name="Back").press("Enter")
    expect(tour.get_by_role("heading", name="Ask")).to_be_focused()
    tour.get_by_role("button", name="Next").press("Enter")
    tour.get_by_role("button", name="Done").press("Enter")
    expect(tour).to_have_count(0)
    assert len(opened.page.evaluate(KEPT)) == 1

    opened.go("?range=30d")
    expect(opened.viewer.get_by_role("button", name="Verified")).to_be_visible()
    expect(tour).to_have_count(0)
    opened.page.keyboard.press("?")
    opened.viewer.get_by_role("button", name="Take the tour").click()
    expect(tour.get_by_role("heading", name=STEPS[0])).to_be_focused()
    opened.page.keyboard.press("Escape")
    expect(tour).to_have_count(0)


@pytest.mark.browser
def test_it_is_never_in_the_way(visit: Callable[..., Visit]) -> None:
    """What lies under an offer can be clicked; beside an open entry it is gone, and afterwards there again."""
    opened = visit("?range=30d")
    tour = opened.viewer.locator(".tour")
    expect(tour).to_be_visible()
    offer = tour.bounding_box()
    assert offer is not None
    # The part of a row that lies below the words of the offer.
    ends = opened.viewer.locator(".row[data-index]").evaluate_all(
        "(rows) => rows.map((row) => [row.getBoundingClientRect().top, row.getBoundingClientRect().bottom])"
    )
    top, bottom = offer["y"], offer["y"] + offer["height"]
    begin, end = next((max(low, top), min(high, bottom)) for low, high in ends if low < bottom - 4 and high > top + 4)
    opened.page.mouse.click(offer["x"] + 20, (begin + end) / 2)
    expect(opened.drawer).to_be_visible()
    expect(tour).to_have_count(0)
    opened.page.keyboard.press("Escape")
    expect(opened.drawer).to_have_count(0)
    tour.get_by_role("button", name="No, thanks").click()
    expect(tour).to_have_count(0)
    opened.go("?range=30d")
    assert len(opened.page.evaluate(KEPT)) == 1


@pytest.mark.browser
def test_it_fits_and_speaks_five_languages(visit: Callable[..., Visit]) -> None:
    """Nothing of it is cut on a narrow page, whatever the language and its direction."""
    opened = visit("?range=30d", size=NARROW)
    tour = opened.viewer.locator(".tour")
    tour.get_by_role("button", name="Show me").click()
    for language in ("es", "pt", "hi", "ar", "en"):
        opened.viewer.evaluate("(viewer, language) => { viewer.locale = language; }", language)
        words = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
        expect(tour).to_contain_text(words["rows.text"])
        assert tour.evaluate("(tour) => tour.scrollWidth <= tour.clientWidth + 1"), language
        found = tour.bounding_box()
        assert found is not None
        assert found["x"] >= 0, language
        assert found["x"] + found["width"] <= NARROW["width"], language
    assert Axe().run(opened.page, options=RULES).response["violations"] == []
