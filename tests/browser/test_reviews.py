"""The weekly review: the owner looks at what happened, raises an alert, signs, and prints what was signed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

from tests.browser.test_alerts import RULES
from tests.browser.workspace import Person
from tests.browsing import expect
from whodid.evidence import extract, verify

pytestmark = pytest.mark.browser

TITLES = {"en": "Reviews", "es": "Revisiones", "pt": "Revisões", "hi": "समीक्षाएँ", "ar": "المراجعات"}
WIDE = """() => [...document.querySelector("audit-log-reviews").shadowRoot.querySelectorAll("*")]
  .filter((one) => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== "inline")
  .filter((one) => !one.matches(".sr, input, progress")).map((one) => one.className || one.tagName)"""


def clean(owner: Person, what: str) -> None:
    """Insist that axe finds nothing, light and dark, and that nothing scrolls sideways in any language or width."""
    page = owner.page.locator("audit-log-reviews")
    for theme in ("light", "dark"):
        page.evaluate("(page, theme) => { page.theme = theme; }", theme)
        found = Axe().run(owner.page, context="audit-log-reviews", options=RULES).response["violations"]
        assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], (what, theme)
    for width in (320, 1_440):
        owner.page.set_viewport_size({"width": width, "height": 800})
        for language, title in TITLES.items():
            page.evaluate("(page, language) => { page.locale = language; }", language)
            expect(page.get_by_role("heading", level=1)).to_have_text(title)
            assert page.locator(".reviews").get_attribute("dir") == ("rtl" if language == "ar" else "ltr")
            assert owner.page.evaluate(WIDE) == [], (what, language, width)
    page.evaluate("(page) => { page.locale = 'en'; }")


def test_a_review_is_begun_looked_at_and_signed(owner: Person, tmp_path: Path) -> None:
    """From the navigation to a document that an auditor takes, and the entries that it left in the log."""
    page = owner.page
    owner.go("Reviews")
    expect(page.get_by_text("Nobody has reviewed this log yet.")).to_be_visible()
    owner.press("Begin a review")
    expect(page.get_by_role("status")).to_have_text("The review began; that is an entry.")
    expect(page.get_by_role("heading", name="Sample of the rest")).to_be_visible()
    clean(owner, "open")

    # One item with a comment, by keyboard; then it is kept, also after the page is opened anew.
    first = page.locator("li.item").first
    first.get_by_label("Comment, kept in the log").fill("Agreed on Friday")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Saved.")
    page.reload()
    first = page.locator("li.item").first
    expect(first.get_by_label("Comment, kept in the log")).to_have_value("Agreed on Friday")
    expect(first.get_by_role("button", name="Looked at")).to_have_attribute("aria-pressed", "true")

    # An alert says what is odd: without words there is none.
    second = page.locator("li.item").nth(1)
    second.get_by_role("button", name="Raise an alert").click()
    expect(page.get_by_role("status")).to_contain_text("Write in the comment")
    second.get_by_label("Comment, kept in the log").fill("Nobody knows who asked for this")
    second.get_by_role("button", name="Raise an alert").click()
    expect(second.get_by_role("link", name="Alert raised")).to_have_attribute("href", "/settings/alerts")

    # What nobody looked at has to be explained.
    page.get_by_label("What the review came to").fill("One thing to ask about")
    page.get_by_label("not looked at?").fill("The first review: the rest was before my time")
    page.get_by_role("button", name="Sign the review").click()
    expect(page.get_by_role("heading", name="Review 1 of the audit log")).to_be_visible()
    assert "review=1" in page.url
    report = page.locator("article.report")
    for text in ("Aisha Khan", "lowest-sha256/1", "Agreed on Friday", "One thing to ask about", "before my time"):
        expect(report).to_contain_text(text)
    expect(report).to_contain_text("The log continues the checkpoint. The rules make the same items of this period.")
    clean(owner, "report")

    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Print")).to_be_hidden()
    expect(report).to_be_visible()
    # Nothing is cut at the end of the first sheet.
    assert len(re.findall(rb"/Type /Page\b", page.pdf())) > 1
    page.emulate_media(media="screen")
    with page.expect_download() as started:
        page.get_by_role("button", name="Evidence file").click()
    started.value.save_as(tmp_path / "review.html")
    found = verify(extract((tmp_path / "review.html").read_bytes()))
    assert found.ok
    assert b"audit.review_signed" in (tmp_path / "review.html").read_bytes()

    page.get_by_role("link", name="All reviews").click()
    expect(page.get_by_role("link", name="Review 1, signed by Aisha Khan")).to_be_visible()
    expect(page.get_by_text("The next review is due on")).to_be_visible()
    page.goto("/settings/alerts")
    expect(page.locator("li.alert").filter(has_text="Nobody knows who asked for this")).to_be_visible()
    owner.open_log()
    owner.search("action:audit.review_started,audit.review_signed")
    for at, said in enumerate(("signed", "began")):
        assert owner.newest(at) == f"Aisha Khan {said} review 1 of the log"
