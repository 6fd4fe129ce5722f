"""The viewer in a real browser, on the real HTTP API: the questions it answers, keys, links, export."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browsing import Route, expect
from tests.serving import HOME
from tests.visiting import Visit, World, open_world
from whodid.query import parse

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Serve a host application with a log."""
    with open_world() as made:
        yield made


def test_why_did_the_campaign_stop(visit: Callable[..., Visit]) -> None:
    """From the list: open the pause, read why, go to what caused it."""
    seen = visit()
    seen.row("Campaign guard paused campaign").click()
    why = seen.drawer.locator(".why")
    expect(why).to_contain_text("Why it stopped")
    expect(why).to_contain_text("Template diwali_offer_2026 was paused by WhatsApp")
    why.get_by_role("link").click()
    seen.heading("WhatsApp changed the status of template diwali_offer_2026")
    expect(seen.drawer.locator(".val.b")).to_contain_text("approved")
    expect(seen.drawer.locator(".val.a")).to_contain_text("paused")


def test_when_was_this_contact_deleted(visit: Callable[..., Visit]) -> None:
    """Type a name; the deleted contact is found, with who and when."""
    seen = visit()
    seen.page.keyboard.press("/")
    seen.page.keyboard.type("pérez")
    expect(seen.viewer.locator(".row")).to_have_count(1)
    seen.row("Maria Torres deleted contact Juan Pérez").click()
    facts = seen.drawer.locator(".meta")
    expect(facts).to_contain_text("Wed 18 Nov 2026, 15:00:00")
    expect(facts).to_contain_text("Madrid, UTC+1")
    expect(facts).to_contain_text("Manager · maria@lumen.example")
    assert "q=p%C3%A9rez" in seen.page.url


def test_who_changed_this(visit: Callable[..., Visit]) -> None:
    """The history of a resource is one key away, and its changes are before and after."""
    seen = visit("?q=change:consent.marketing")
    seen.row("Maria Torres updated contact").click()
    expect(seen.drawer.locator(".fr").nth(1)).to_contain_text("opted in")
    seen.page.keyboard.press("2")
    expect(seen.drawer.locator(".past .row")).to_have_count(2)
    seen.drawer.get_by_role("link", name="João Silva merged").click()
    seen.heading("João Silva merged")
    expect(seen.drawer.get_by_role("tab", name="History")).to_have_attribute("aria-selected", "true")


def test_an_entry_is_verified_in_the_browser(visit: Callable[..., Visit]) -> None:
    """The drawer says so, and the Proof tab shows what it rests on."""
    seen = visit()
    seen.row("Maria Torres deleted contact").click()
    expect(seen.drawer.locator(".prf.ok")).to_contain_text("Verified in this browser")
    seen.drawer.get_by_role("tab", name="Proof").click()
    expect(seen.drawer.locator(".hashes li").first).to_have_text(
        "".join([]) or seen.drawer.locator(".hashes li").first.inner_text()
    )
    assert len(seen.drawer.locator(".hashes li").first.inner_text()) == 64


def test_a_changed_entry_is_refused_by_the_browser(visit: Callable[..., Visit]) -> None:
    """One value altered between the log and the reader: the check fails and names the field."""
    seen = visit()

    def forge(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        body["entry"]["resource"]["name"] = "Somebody Else"
        route.fulfill(response=answer, json=body)

    seen.page.route(lambda url: "/v1/entries/" in url and not url.endswith("/proof"), forge)
    seen.row("Maria Torres deleted contact").click()
    failed = seen.drawer.get_by_role("alert")
    expect(failed).to_contain_text("The check failed")
    expect(failed).to_contain_text("resource.name")


def test_filters_survive_reload_back_and_a_copied_link(visit: Callable[..., Visit]) -> None:
    """Menus write the address; the address makes the same list again."""
    seen = visit()
    panel = seen.viewer.locator("#panel")
    seen.viewer.get_by_role("button", name="User", exact=True).click()
    panel.get_by_role("checkbox", name="João Silva").check()
    seen.page.keyboard.press("Escape")
    seen.viewer.get_by_role("button", name="Action type", exact=True).click()
    panel.get_by_role("checkbox", name="Signed in").check()
    seen.page.keyboard.press("Escape")
    seen.viewer.get_by_role("button", name="30 days").click()
    expect(seen.viewer.locator(".row")).to_have_count(1)
    assert "q=actor:usr_joao+action:auth.login&range=30d" in seen.page.url
    link = seen.page.url
    seen.page.reload()
    expect(seen.viewer.locator(".row")).to_have_count(1)
    expect(seen.viewer.locator(".chip.on").first).to_contain_text("João Silva")
    seen.page.go_back()
    expect(seen.viewer.get_by_role("button", name="Last 7 days")).to_have_attribute("aria-pressed", "true")
    copied = visit(link.removeprefix(f"{seen.world.address}/"))
    expect(copied.viewer.locator(".foot")).to_contain_text("1 entry in all")


def test_dates_are_typed_or_picked(visit: Callable[..., Visit]) -> None:
    """The custom range takes words and days; what it does not understand it says."""
    seen = visit()
    seen.viewer.get_by_role("button", name="Custom").click()
    panel = seen.viewer.locator("#panel")
    panel.get_by_label("From").fill("nonsense")
    seen.page.keyboard.press("Enter")
    expect(panel.get_by_role("alert")).to_contain_text("This is not a date")
    panel.get_by_label("From").fill("2026-11-18")
    panel.get_by_label("To", exact=True).fill("2026-11-18 23:59")
    seen.page.keyboard.press("Enter")
    expect(seen.viewer.locator(".seg")).to_contain_text("18 Nov")
    assert "since=2026-11-17T23:00:00Z&until=2026-11-18T23:00:00Z" in seen.page.url
    seen.viewer.locator("#menu-dates").click()
    panel.get_by_role("button", name="Thursday 19 November").click()
    panel.get_by_role("button", name="Wednesday 18 November").click()
    panel.get_by_role("button", name="Apply").click()
    assert "since=2026-11-17T23:00:00Z&until=2026-11-19T23:00:00Z" in seen.page.url


def test_a_query_that_cannot_be_understood(visit: Callable[..., Visit]) -> None:
    """The term is underlined, with a sentence and a fix; nothing is dropped."""
    seen = visit("?q=kind:create+nosuch:thing", forgive="400")
    expect(seen.viewer.locator(".wrong")).to_contain_text("There is no field nosuch")
    assert seen.viewer.locator(".ul u").inner_text() == "nosuch:thing"
    expect(seen.viewer.locator("#q")).to_have_value("nosuch:thing")
    expect(seen.viewer.locator("#q")).to_have_attribute("aria-invalid", "true")


def test_the_keyboard_tour(visit: Callable[..., Visit]) -> None:
    """Everything can be read without a mouse, and the focus is where it should be."""
    seen = visit("?q=-category:audit", permissions=["clipboard-read", "clipboard-write"])
    press = seen.page.keyboard.press
    press("j")
    press("j")
    assert seen.focused().startswith("João Silva signed in")
    press("k")
    assert seen.focused().startswith("Maria Torres created contact")
    press("Enter")
    seen.heading("Maria Torres created contact")
    assert seen.focused() == "Maria Torres created contact <img src=x onerror=alert(1)>"
    press("]")
    seen.heading("João Silva signed in")
    press("[")
    seen.heading("Maria Torres created contact")
    press("c")
    expect(seen.viewer.get_by_role("status").filter(has_text="Link copied")).to_be_attached()
    assert "entry=6" in seen.page.evaluate("navigator.clipboard.readText()")
    press("3")
    expect(seen.drawer.locator(".json")).to_contain_text('"action": "contact.created"')
    press("Escape")
    expect(seen.drawer).to_have_count(0)
    assert seen.focused().startswith("Maria Torres created contact")
    press("f")
    expect(seen.viewer.locator(".chip.on").last).to_contain_text("<img src=x onerror=alert(1)>")
    assert "resource:contact:con_xss" in seen.page.url
    press("?")
    expect(seen.viewer.get_by_role("dialog")).to_contain_text("Keyboard shortcuts")
    press("Escape")
    press("e")
    expect(seen.viewer.get_by_role("dialog")).to_contain_text("Export audit logs")


def test_reading_on(visit: Callable[..., Visit]) -> None:
    """Pages follow one another without losing or repeating an entry."""
    seen = visit("?q=-category:audit")
    expect(seen.viewer.locator(".foot")).to_contain_text("Showing 1–50 of 147")
    for _ in range(4):
        seen.viewer.locator(".list").evaluate("list => list.scrollTo(0, list.scrollHeight)")
        seen.page.wait_for_timeout(200)
    expect(seen.viewer.locator(".foot")).to_contain_text("All 147 entries")
    places = seen.viewer.locator(".row").evaluate_all("rows => rows.map(row => row.dataset.index)")
    assert len(places) == len(set(places)) == 147


def test_the_histogram_zooms(visit: Callable[..., Visit]) -> None:
    """A bar is read and chosen with the keyboard; its table has the same numbers."""
    seen = visit("?q=-category:audit")
    plot = seen.viewer.locator(".pw")
    plot.focus()
    seen.page.keyboard.press("End")
    for _ in range(2):
        seen.page.keyboard.press("ArrowLeft")
    expect(seen.viewer.locator(".tip")).to_be_visible()
    seen.page.keyboard.press("Enter")
    expect(seen.viewer.locator(".seg")).to_contain_text("20 Nov")
    assert "since=" in seen.page.url
    seen.page.go_back()
    seen.viewer.get_by_role("button", name="Show as table").click()
    cells = seen.viewer.locator(".twin tbody tr td:last-child").all_inner_texts()
    assert sum(int(cell) for cell in cells) == 147


def test_an_export_is_downloaded_and_is_an_entry(visit: Callable[..., Visit], tmp_path: Path) -> None:
    """The dialog says how many, the file has as many, and the log knows."""
    seen = visit("?q=type:contact+-action:contact.updated")
    seen.page.keyboard.press("e")
    dialog = seen.viewer.get_by_role("dialog")
    expect(dialog).to_contain_text("3 entries, 14 – 20 Nov.")
    expect(dialog).to_contain_text("Resource is Contact")
    dialog.get_by_text("JSON Lines").click()
    with seen.page.expect_download() as download:
        dialog.get_by_role("button", name="Download", exact=True).click()
    saved = tmp_path / "saved.ndjson"
    download.value.save_as(saved)
    assert len(saved.read_text(encoding="utf-8").splitlines()) == 3
    expect(dialog).to_contain_text("Your download has started")
    log = seen.world.log
    newest = log.find(HOME, parse("action:audit.exported", now=log.now())).entries[0]
    assert newest.actor.id == "usr_maria"


def test_a_name_is_only_ever_text(visit: Callable[..., Visit]) -> None:
    """Markup in a name is shown as it is, everywhere it appears."""
    seen = visit()
    seen.page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    seen.row("Maria Torres created contact").click()
    seen.heading("<img src=x onerror=alert(1)>")
    for tab in ("History", "JSON", "Proof"):
        seen.drawer.get_by_role("tab", name=tab).click()
    assert seen.viewer.evaluate("viewer => viewer.shadowRoot.querySelectorAll('img').length") == 0
