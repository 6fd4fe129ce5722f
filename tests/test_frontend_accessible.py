"""Nothing that axe finds at WCAG 2.2 AA in what stands over the page and in the details, where there is little room.

The other files look at what they test in English; here it is both directions, from 320 px, in both themes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

from tests.browsing import Locator, expect
from tests.serving import HOME, event, record
from tests.visiting import Visit, World, open_world
from whodid import Change, Resource
from whodid.query import parse

pytestmark = pytest.mark.browser

OPTIONS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
SHOP = Resource(type="contact", id="con_shop", name="Corner shop")
REST = "document.querySelector('audit-log-viewer').shadowRoot.getAnimations().forEach((one) => one.finish())"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Serve a host application with a log in which one contact changes again and again."""
    with open_world() as made:
        cities = ["Madrid", "Getafe", "Lisbon", "Faro"]
        record(
            made.log,
            HOME,
            [
                event(
                    60_000 + n,
                    "contact.updated",
                    ago=timedelta(hours=9 - n),
                    resource=SHOP,
                    changes=[Change(path="city", before=cities[n], after=cities[n + 1])],
                )
                for n in range(3)
            ],
        )
        yield made


class Look:
    """One page in one language, looked at in both themes wherever it stands."""

    def __init__(self, seen: Visit, language: str) -> None:
        self.seen = seen
        seen.viewer.evaluate("(one, to) => { one.locale = to; one.alerts = '/alerts'; }", language)
        expect(seen.viewer.locator(f".v[lang={language}] .bell")).to_be_attached()

    def at(self, selector: str) -> Locator:
        """Find something in the viewer."""
        return self.seen.viewer.locator(selector)

    def state(self, query: str, shown: str) -> None:
        """Go to a state, wait for what it shows, and insist that nothing is wrong with it."""
        self.seen.viewer.evaluate("(one, query) => one.restore(query)", query)
        self.clean(shown)

    def clean(self, shown: str) -> None:
        """Wait for something, and insist that axe finds nothing, in either theme."""
        expect(self.at(shown).first).to_be_visible()
        for theme in ("light", "dark"):
            self.seen.viewer.evaluate("(one, theme) => { one.theme = theme; }", theme)
            # Rows that are about to be replaced are dimmed: what is judged is how it stays.
            expect(self.at(".list.dim, .bone")).to_have_count(0)
            self.seen.page.evaluate(REST)
            found: list[dict[str, Any]] = Axe().run(self.seen.page, options=OPTIONS).response["violations"]
            assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], (shown, theme)


@pytest.mark.parametrize(("language", "width"), [("en", 320), ("ar", 320), ("ar", 760), ("ar", 1440)], ids=str)
def test_no_barrier_over_the_page(visit: Callable[..., Visit], language: str, width: int) -> None:
    """Exports, a question with its answer, saved views, the chart as a table, suggestions, an empty list."""
    look = Look(visit(size={"width": width, "height": 800}, bypass_csp=True, reduced_motion="reduce"), language)
    look.state("range=30d&dialog=exports", "#export .cols")
    look.state("range=30d&dialog=questions", "#questions select")
    expect(look.at("#questions option").first).to_be_attached()
    look.at("#questions input").first.fill("contact:con_juan")
    look.at("#questions .btn.p").click()
    look.clean("#questions .found")
    look.state("q=kind:delete&range=30d", ".chip.on, .chips.line .chip")
    look.at(".tw").click()
    look.clean(".twin table")
    look.seen.page.evaluate("document.activeElement?.blur()")
    if width > 760:
        look.at(".fbs + .btn, .bar .btn:has([d^='M4.5 2.5h7v11'])").first.click()
        look.clean("#views input")
        look.seen.page.keyboard.press("Escape")
    look.at(".search input").first.click()
    look.seen.page.keyboard.type(" act")
    look.clean(".sug [role=option]")
    look.seen.page.keyboard.press("Escape")
    look.state("q=zzznobody&range=30d", ".empty .lift")


@pytest.mark.parametrize(("language", "width"), [("en", 320), ("ar", 320), ("ar", 760), ("ar", 1440)], ids=str)
def test_no_barrier_in_the_details(visit: Callable[..., Visit], language: str, width: int) -> None:
    """The JSON tree, the proof with its hashes, a history with its boxes, and a comparison."""
    look = Look(visit(size={"width": width, "height": 800}, bypass_csp=True, reduced_motion="reduce"), language)
    log = look.seen.world.log
    newest = log.find(HOME, parse("resource:contact:con_shop", now=log.now())).entries[0].index
    opened = f"range=30d&q=resource:contact:con_shop&entry={newest}"
    look.state(f"{opened}&tab=json", ".drawer .tree, .drawer details")
    look.state(f"{opened}&tab=proof", ".drawer .hashes")
    look.state(f"{opened}&tab=history", ".drawer .past .row")
    boxes = look.at(".drawer .past input")
    boxes.nth(0).check()
    boxes.nth(2).check()
    look.at(".drawer .dtool .btn").first.click()
    look.clean(".drawer .cmp .fr")
