"""Campaigns in a real browser: the page follows the sender by itself, and leads to why a campaign stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

from sendero.service import guard, running, sender, templates
from sendero.tables import Template
from tests.browsing import Browser, Page, expect, watched
from tests.campaigning import WHATSAPP, Told, acting_on, campaign, started
from tests.listening import listening
from tests.lumen import PASSWORD, Lumen, email, lumen
from whodid import Reason

__all__ = ["lumen"]

pytestmark = pytest.mark.browser

OPTIONS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}


@contextmanager
def manager(browser: Browser, address: str, **options: Any) -> Iterator[Page]:
    """Sign the manager in, in a browser whose complaints fail the test."""
    with watched(browser, address, **options) as (profile, _):
        page = profile.new_page()
        page.goto("/sign-in")
        page.locator("[name=email]").fill(email("Manager"))
        page.locator("[name=password]").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.locator("nav.side")).to_be_attached()
        yield page


def test_the_page_follows_and_says_why_it_stopped(lumen: Lumen, chromium: Browser) -> None:
    """Counters move without a reload; a pause by WhatsApp appears by itself and leads to its cause in two clicks."""
    made = started(lumen, many=20, rate_per_minute="60")
    lumen.home.provider = Told()
    with listening(lumen.app) as address, manager(chromium, address) as page:
        page.goto(f"/campaigns/{made.id}")
        sent = page.locator("[data-text=sent]")
        expect(sent).to_have_text("0")
        page.evaluate("window.stayed = true")
        sender.turn(lumen.home)
        expect(sent).to_have_text("5")
        assert page.evaluate("document.querySelector('progress').value") == 5
        assert page.evaluate("window.stayed")

        with lumen.working() as work, work.acting(actor=WHATSAPP, source="webhook"):
            template = work.get(Template, made.template_id)
            cause = templates.change_status(work, template, "paused", reason=Reason(code="low_quality"))
            guard.template_changed(work, template, cause)
        expect(page.get_by_text("The campaign guard paused this campaign")).to_be_visible()
        expect(page.get_by_role("button", name="Resume")).to_be_visible()
        page.get_by_role("link", name="See it in the audit log").click()
        drawer = page.locator("audit-log-viewer .drawer")
        expect(drawer.get_by_role("heading", name="Campaign guard paused campaign Diwali early access")).to_be_visible()
        page.go_back()
        page.get_by_role("link", name="See what caused it").click()
        expect(
            drawer.get_by_role("heading", name="WhatsApp changed the status of template diwali_offer_2026")
        ).to_be_visible()


def test_from_a_segment_to_a_start(lumen: Lumen, chromium: Browser) -> None:
    """Typed and clicked as people do, without a script of ours."""
    campaign(lumen, many=3, name="Earlier")
    with listening(lumen.app) as address, manager(chromium, address, java_script_enabled=False) as page:
        page.goto("/segments/new")
        page.get_by_label("Name").fill("Madrid again")
        page.get_by_label("City").fill("madrid")
        page.get_by_role("button", name="Count").click()
        expect(page.get_by_role("status").filter(has_text="3 people now")).to_be_visible()
        page.get_by_role("button", name="Create segment").click()
        page.get_by_role("link", name="New campaign").click()
        page.get_by_label("Name").fill("Diwali early access")
        page.get_by_label("Template", exact=True).select_option(label="Diwali offer · es · Casa Lumen Shop")
        page.get_by_label("Values of the variables").fill("{first_name}\nlámparas")
        page.get_by_role("button", name="Create draft").click()
        page.get_by_role("link", name="Start now").click()
        expect(page.get_by_text("3 people get it.")).to_be_visible()
        page.get_by_role("button", name="Start now").click()
        expect(page.get_by_text("The campaign has started.")).to_be_visible()
        page.get_by_role("link", name="Pause").click()
        page.get_by_label("Why?").fill("A typo in the offer")
        page.get_by_role("button", name="Pause campaign").click()
        expect(page.get_by_text("A typo in the offer")).to_be_visible()
    assert [entry.action for entry in reversed(lumen.entries())] == [
        "segment.created",
        "campaign.created",
        "campaign.started",
        "campaign.paused",
    ]


@pytest.mark.parametrize(
    ("scheme", "width", "lang"), [("light", 1280, "en-GB"), ("dark", 320, "es-ES"), ("light", 320, "en-GB")]
)
def test_axe_finds_nothing(lumen: Lumen, chromium: Browser, scheme: str, width: int, lang: str) -> None:
    """Every page of segments and campaigns, and none is wider than the window."""
    made = started(lumen, many=4)
    with acting_on(lumen, made) as (work, found):
        running.pause(work, found, Reason(code="manual", text="A typo in the offer, and a rather long reason for it"))
    draft = campaign(lumen, name="Lanzamiento de la colección de lámparas de otoño con un nombre larguísimo")
    pages = [
        "/segments",
        "/segments/new",
        *(f"/segments/{made.segment_id}{more}" for more in ("", "/edit", "/delete")),
        "/campaigns",
        "/campaigns/new",
        *(f"/campaigns/{made.id}{more}" for more in ("", "/edit", "/cancel", "/pause")),
        *(f"/campaigns/{draft.id}{more}" for more in ("", "/edit", "/start", "/schedule", "/delete")),
    ]
    options: dict[str, Any] = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme, "locale": lang}
    with listening(lumen.app) as address, manager(chromium, address, **options) as page:
        for path in pages:
            page.goto(path)
            found_faults = Axe().run(page, options=OPTIONS).response["violations"]
            assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found_faults] == [], path
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
