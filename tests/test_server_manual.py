"""The page that describes the API, in a browser: nothing from elsewhere, no barrier, by keyboard, in both themes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

from tests.browsing import Browser, expect, watched
from tests.listening import listening
from tests.serving import SECRET, Clock, open_log
from whodid.server import asgi

pytestmark = pytest.mark.browser

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve the application below a path, as a host would."""
    with open_log(Clock()) as log, listening(asgi(log, secret=SECRET)) as served:
        yield served


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 320)])
def test_no_barrier(chromium: Browser, address: str, theme: str, width: int) -> None:
    """Axe finds no violation of WCAG 2.2 AA with every example open, and nothing scrolls sideways."""
    size = {"width": width, "height": 900}
    # axe-core is put into the page by the test, which the page's policy rightly forbids.
    with watched(chromium, address, viewport=size, color_scheme=theme, bypass_csp=True) as (context, _):
        page = context.new_page()
        page.goto(f"{address}/docs")
        page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        answer = Axe().run(page, options=RULES)
        assert [(one["id"], one["nodes"][0]["target"]) for one in answer.response["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_it_is_read_by_keyboard(chromium: Browser, address: str) -> None:
    """Under its own policy: skip to the content, follow a link of the contents, open an example, follow a type."""
    with watched(chromium, address) as (context, _):
        page = context.new_page()
        page.goto(f"{address}/docs")
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        page.get_by_role("link", name="List entries").press("Enter")
        assert page.url.endswith("#listEntries")
        expect(page.get_by_role("heading", name="List entries")).to_be_in_viewport()
        entries = page.get_by_role("article", name="List entries")
        entries.locator("summary").first.press("Enter")
        expect(entries.get_by_text("Maria Torres").first).to_be_visible()
        entries.get_by_role("link", name="Page", exact=True).press("Enter")
        expect(page.get_by_role("heading", name="Page", exact=True)).to_be_in_viewport()
