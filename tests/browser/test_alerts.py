"""What detection noticed: somebody makes a key that never ends, and the owner looks after the alert."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

from tests.browser.workspace import Person
from tests.browsing import expect

pytestmark = pytest.mark.browser

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
LANGUAGES = {"en": "Alerts", "es": "Alertas", "pt": "Alertas", "hi": "अलर्ट", "ar": "التنبيهات"}
WIDE = """() => [...document.querySelector("audit-log-alerts").shadowRoot.querySelectorAll("*")]
  .filter((one) => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== "inline")
  .filter((one) => !one.matches(".sr, input")).map((one) => one.className)"""


def test_an_alert_is_seen_and_looked_after(owner: Person) -> None:
    """A new browser, then a key: that may be a takeover. Who looks after it, and what it was, are entries."""
    owner.go("API keys")
    owner.follow("New API key")
    owner.fill({"Name": "Journey for ever"})
    owner.page.get_by_role("group", name="Contacts").get_by_role("checkbox", name="see").check()
    owner.press("Create key")
    owner.page.goto("/settings/alerts")
    title = "An account may have been taken over"
    alert = owner.page.locator("li.alert").filter(has_text=title).filter(has_text="Aisha Khan")
    expect(alert).to_be_visible(timeout=20_000)
    alert.locator("summary").click()
    expect(alert.get_by_role("link").first).to_be_visible()
    expect(alert).to_contain_text("What to do")

    for theme in ("light", "dark"):
        owner.page.locator("audit-log-alerts").evaluate("(page, theme) => { page.theme = theme; }", theme)
        found = Axe().run(owner.page, context="audit-log-alerts", options=RULES).response["violations"]
        assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], theme

    owner.open_log()
    bell = owner.viewer.get_by_role("link", name="open alert")
    expect(bell.locator(".n")).to_have_text(re.compile(r"\d"))
    bell.click()
    expect(owner.page).to_have_url(re.compile("/settings/alerts$"))

    alert.get_by_label("Note, kept in the log").fill("It is my own key")
    alert.get_by_role("button", name="Acknowledge", exact=True).click()
    expect(owner.page.get_by_role("status")).to_have_text("Acknowledged.")
    expect(alert).to_have_count(0)
    owner.page.get_by_role("button", name="Acknowledged", exact=True).click()
    expect(alert).to_contain_text("It is my own key")
    alert.get_by_role("button", name="It was them").click()
    expect(owner.page.get_by_role("status")).to_have_text("Resolved.")

    owner.open_log()
    owner.search("action:audit.alert_acknowledged,audit.alert_resolved")
    for at, said in enumerate(("resolved an alert of rule", "acknowledged an alert of rule")):
        assert owner.newest(at) == f"Aisha Khan {said} {title}"


@pytest.mark.parametrize("width", [320, 1_440])
def test_it_fits_and_speaks_five_languages(owner: Person, width: int) -> None:
    """Nothing scrolls sideways, whatever the language and its direction."""
    owner.page.set_viewport_size({"width": width, "height": 800})
    owner.page.goto("/settings/alerts")
    page = owner.page.locator("audit-log-alerts")
    for language, title in LANGUAGES.items():
        page.evaluate("(page, language) => { page.locale = language; }", language)
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        assert page.locator(".alerts").get_attribute("dir") == ("rtl" if language == "ar" else "ltr")
        assert owner.page.evaluate(WIDE) == [], language
