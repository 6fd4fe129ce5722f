"""Entries on which an alert rests say so, in the list and in the details, to readers who may see alerts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

from tests.alerting import MARIA, follow
from tests.browsing import Browser, Locator, expect
from tests.serving import HOME, event, record
from tests.visiting import Visit, World, open_world, visiting
from whodid.detect import Alerts
from whodid.model import Actor

pytestmark = pytest.mark.browser

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
OWNER = Actor(type="user", id="usr_aisha", name="Aisha Khan")
STRANGER = Actor(type="anonymous", id="anonymous")
NAMES = {
    "en": "Alert: Guessing the password of one person, low",
    "es": "Alerta: Alguien adivina una contraseña, bajo",
    "pt": "Alerta: Alguém adivinha uma senha, baixo",
    "hi": "अलर्ट: कोई पासवर्ड का अनुमान लगा रहा है, कम",
    "ar": "تنبيه: أحدهم يخمّن كلمة مرور، منخفض",
}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Serve a host application with a log in which somebody guessed at a password."""
    with open_world() as made:
        record(made.log, HOME, [
            event(9_000 + n, "auth.login_failed", actor=STRANGER, outcome="failed", resource=MARIA,
                  details={"cause": "wrong_password"})
            for n in range(6)
        ])  # fmt: skip
        follow(made.log)
        yield made


@pytest.fixture
def asks() -> list[str]:
    """Return the addresses under which a page asks for alerts, from now on."""
    return []


@pytest.fixture
def visit(chromium: Browser, world: World, asks: list[str]) -> Iterator[Callable[..., Visit]]:
    """Return a function that opens a page with an address of alerts; what it complains about fails the test."""
    with visiting(chromium, world) as opening:

        def opened(query: str = "", language: str = "en", **more: object) -> Visit:
            seen: Visit = opening(query, **more)
            seen.page.on("request", lambda asked: asks.append(asked.url) if "/v1/alerts" in asked.url else None)
            seen.viewer.evaluate("(one, to) => { one.locale = to; one.alerts = '/alerts?in=acme'; }", language)
            return seen

        yield opened


def tags(seen: Visit) -> Locator:
    """Find the tags in the list."""
    return seen.viewer.locator(".row .al")


@pytest.mark.parametrize("language", NAMES)
def test_a_row_leads_to_the_alert_that_rests_on_it(visit: Callable[..., Visit], world: World, language: str) -> None:
    """Title and level in words; the folded row has one tag, and each of its members has it once they are shown."""
    (alert,) = Alerts(world.log, HOME).all()
    seen = visit("?range=all", language)
    tag = tags(seen)
    expect(tag).to_have_count(1)
    expect(tag).to_have_accessible_name(NAMES[language])
    expect(tag).to_have_attribute("href", f"/alerts?in=acme&alert={alert.id}")
    seen.viewer.locator(".row:has(.al) .fold").click()
    expect(tag).to_have_count(5)
    for theme in ("light", "dark"):
        seen.viewer.evaluate("(one, theme) => { one.theme = theme; }", theme)
        found = Axe().run(seen.page, context="audit-log-viewer", options=RULES).response["violations"]
        assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], theme


def test_one_question_is_asked_for_all_rows_that_are_shown(visit: Callable[..., Visit], asks: list[str]) -> None:
    """None per row: one for those that fit at first, one for the others, one for the next page; and no row twice."""
    seen = visit("?range=all")
    expect(tags(seen)).to_have_count(1)
    with seen.page.expect_request(re.compile("/v1/alerts[?].*at=")):
        seen.viewer.locator(".end .lk").click()
    expect(tags(seen)).to_have_count(1)
    named = [parse_qs(urlsplit(one).query)["at"][0].split(",") for one in asks if "at=" in one]
    # Another language, or what the page is told of alerts, is a new beginning: it asks for all rows again.
    newest = max((index for one in named for index in one), key=int)
    named = named[max(at for at, one in enumerate(named) if newest in one) :]
    every = [index for one in named for index in one]
    assert len(every) == len(set(every)) > 50
    assert len(named) <= 4


def test_the_details_name_every_alert_and_closed_ones_are_quieter(visit: Callable[..., Visit], world: World) -> None:
    """One that was raised by hand comes in by itself; the verdict of a closed one is said."""
    (guessing,) = Alerts(world.log, HOME).all()
    seen = visit("?range=all")
    expect(tags(seen)).to_have_count(1)
    alerts = Alerts(world.log, HOME, actor=OWNER)
    odd = alerts.raise_by_hand(world.log.get(HOME, guessing.index), "Why her?", level="high")
    expect(tags(seen).first).to_have_accessible_name("Alert: Raised by a person, high, +1")
    seen.viewer.evaluate("(one, query) => one.restore(query)", f"range=all&entry={guessing.index}")
    named = seen.drawer.locator(".als .al")
    expect(named).to_have_count(2)
    expect(named.first).to_have_accessible_name("Alert: Raised by a person, high")
    seen.page.keyboard.press("Escape")
    alerts.resolve(odd.id, "harmless")
    expect(tags(seen).first).to_have_accessible_name(f"{NAMES['en']}, +1")
    seen.viewer.evaluate("(one, query) => one.restore(query)", f"range=all&entry={guessing.index}")
    expect(named.last).to_have_accessible_name("Alert: Raised by a person, high, harmless")
    expect(named.last).to_have_class(re.compile(r"\boff\b"))
    expect(named.first).to_have_accessible_name(NAMES["en"])


def test_who_may_not_see_alerts_asks_for_none(visit: Callable[..., Visit], world: World, asks: list[str]) -> None:
    """An alert is about what a locked filter leaves out: whether there are any is asked, and nothing after that."""
    world.locked = "kind:security"
    seen = visit("?range=all", forgive="status of 403")
    expect(seen.viewer.locator("[part=badge]")).to_be_visible()
    expect(seen.viewer.locator(".row[data-index]").first).to_be_visible()
    expect(tags(seen)).to_have_count(0)
    assert {one.partition("?")[2] for one in asks} == {"status=open&limit=1"}
