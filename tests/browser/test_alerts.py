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
    owner.open_log()
    owner.viewer.locator(".row .al").filter(has_text=title).first.click()
    expect(owner.page).to_have_url(re.compile("/settings/alerts[?]alert=alt_"))
    expect(alert.get_by_role("heading", name=title)).to_be_focused()
    expect(alert).to_contain_text("What to do")
    evidence = alert.get_by_role("link", name="Open in the log").get_attribute("href") or ""
    assert re.search(r"[?]range=all&q=index%3A[\d.%C]+$", evidence)
    owner.watch.foresee("status of 404")
    owner.page.goto("/settings/alerts?alert=alt_none")
    expect(owner.page.get_by_role("status")).to_contain_text("There is no alert 'alt_none'")

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
    """Nothing scrolls sideways, whatever the language; axe finds nothing in either direction, in either theme."""
    owner.page.set_viewport_size({"width": width, "height": 800})
    owner.page.goto("/settings/alerts")
    page = owner.page.locator("audit-log-alerts")
    for language, title in LANGUAGES.items():
        page.evaluate("(page, language) => { page.locale = language; }", language)
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        assert page.locator(".alerts").get_attribute("dir") == ("rtl" if language == "ar" else "ltr")
        assert owner.page.evaluate(WIDE) == [], language
        for theme in ("light", "dark") if language in {"en", "ar"} else ():
            page.evaluate("(page, theme) => { page.theme = theme; }", theme)
            found = Axe().run(owner.page, context="audit-log-alerts", options=RULES).response["violations"]
            assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], (language, theme)


def test_a_rule_is_written_tried_and_saved(owner: Person) -> None:
    """As a sentence: nothing is saved that was not tried, in any language; then changed as Sigma, and deleted."""
    owner.watch.foresee("status of 422")
    owner.page.goto("/settings/alerts")
    page = owner.page.locator("audit-log-alerts")
    page.get_by_role("button", name="Write a rule").click()
    expect(page.get_by_role("heading", name="Write a rule")).to_be_focused()
    save = page.get_by_role("button", name="Save", exact=True)
    page.get_by_label("Title").fill("Contacts by night")
    page.get_by_label("does").fill("Contacts: everything")
    page.get_by_label("does").press("Enter")
    page.get_by_label("at", exact=True).select_option("hours")
    expect(save).to_be_disabled()
    page.get_by_role("button", name="Try on the last 30 days").click()
    expect(page.get_by_role("heading", name="It would have raised")).to_be_visible()
    expect(save).to_be_enabled()
    page.get_by_label("how many times").fill("2")
    page.get_by_label("how many times").blur()
    expect(save).to_be_disabled()
    page.get_by_role("button", name="Try on the last 30 days").click()
    expect(save).to_be_enabled()

    found = Axe().run(owner.page, context="audit-log-alerts", options=RULES).response["violations"]
    assert [(one["id"], one["nodes"][0]["target"]) for one in found] == []
    owner.page.set_viewport_size({"width": 320, "height": 800})
    for language in ("ar", "hi", "es", "pt", "en"):
        page.evaluate("(page, language) => { page.locale = language; }", language)
        expect(page.locator(".alerts")).to_have_attribute("lang", language)
        assert owner.page.evaluate(WIDE) == [], language
    owner.page.set_viewport_size({"width": 1_280, "height": 900})

    page.get_by_role("button", name="Try on the last 30 days").click()
    save.click()
    expect(owner.page.get_by_role("status").first).to_have_text("The rule was saved.")
    rule = page.locator(".rules li").filter(has_text="Contacts by night")
    expect(rule).to_contain_text("written here")

    rule.get_by_role("button", name="Change: Contacts by night").click()
    page.get_by_role("button", name="As Sigma").click()
    text = page.get_by_role("textbox", name="The rule")
    text.fill(text.input_value().replace("Contacts by night", "Contacts late").replace("gte", "lte"))
    page.get_by_role("button", name="Try on the last 30 days").click()
    expect(page.locator(".wrong")).to_contain_text("a window begins empty")
    text.fill(text.input_value().replace("lte", "gte"))
    page.get_by_role("button", name="Try on the last 30 days").click()
    save.click()
    rule = page.locator(".rules li").filter(has_text="Contacts late")
    rule.get_by_role("button", name="Change: Contacts late").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Yes, delete").click()
    expect(owner.page.get_by_role("status").first).to_have_text("The rule was deleted.")
    expect(rule).to_have_count(0)

    owner.open_log()
    owner.search("action:audit.alert_rule_changed")
    assert owner.newest() == "Aisha Khan changed alert rule Contacts late"


def test_a_number_of_a_rule_is_changed_in_its_sentence(owner: Person) -> None:
    """With the same trial before; the sentence then says the new number."""
    owner.page.goto("/settings/alerts")
    page = owner.page.locator("audit-log-alerts")
    page.get_by_role("button", name="Change: Guessing the password of one person").click()
    page.get_by_label("Number in the sentence: attempts").fill("7")
    page.get_by_label("Number in the sentence: attempts").blur()
    page.get_by_role("button", name="Try on the last 30 days").click()
    page.get_by_role("button", name="Save", exact=True).click()
    rule = page.locator(".rules li").filter(has_text="Guessing the password of one person")
    expect(rule).to_contain_text("When 7 sign-ins fail within 10 minutes for one person")
    page.get_by_role("button", name="Change: Guessing the password of one person").click()
    page.get_by_role("button", name="Usual numbers").click()
    page.get_by_role("button", name="Try on the last 30 days").click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(rule).to_contain_text("When 5 sign-ins fail")


def test_a_number_of_alerts_says_nothing_of_reviews(owner: Person) -> None:
    """The navigation has a mark beside each: what the page of alerts tells changes its own only."""
    owner.page.goto("/settings/alerts")
    review = owner.page.locator('.nav[href="/settings/reviews"]')
    review.evaluate("""link => link.querySelector(".many") ?? link.append(
        Object.assign(document.createElement("span"), { className: "many", textContent: "overdue" }))""")
    owner.page.locator("audit-log-alerts").evaluate(
        "page => page.dispatchEvent(new CustomEvent('alv-alerts', { detail: { open: 0 } }))"
    )
    expect(review.locator(".many")).to_be_visible()
    expect(review.locator(".many")).to_have_text("overdue")


def test_a_note_stays_with_its_alert(owner: Person) -> None:
    """What somebody types is not moved to another alert when one before it is done with."""
    owner.page.goto("/settings/alerts")
    cards = owner.page.locator("li.alert")
    expect(cards.nth(1)).to_be_visible(timeout=40_000)
    note = owner.page.locator(f"#note-{cards.nth(1).get_attribute('id')}")
    note.fill("About this one")
    cards.first.get_by_role("button", name="Acknowledge", exact=True).click()
    expect(owner.page.get_by_role("status")).to_have_text("Acknowledged.")
    expect(note).to_have_value("About this one")
    typed = cards.locator("input").evaluate_all("inputs => inputs.map((one) => one.value)")
    assert typed.count("About this one") == 1
