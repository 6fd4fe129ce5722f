"""The badge of the log in a real browser: verified, pending, after retention, by the server, failed, everything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

from tests.browsing import Route, expect
from tests.serving import HOME, NOW, event, record
from tests.visiting import NARROW, WIDE, Visit, World, open_world
from whodid.retention import purge

pytestmark = pytest.mark.browser


@pytest.fixture
def world() -> Iterator[World]:
    """Serve a host application with a log of its own for each test."""
    with open_world() as made:
        yield made


def forged(change: Callable[[Any], None]) -> Callable[[Route], None]:
    """Change an answer between the log and the reader."""

    def forge(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        change(body)
        route.fulfill(response=answer, json=body)

    return forge


def test_the_page_is_verified_in_this_browser(visit: Callable[..., Visit], world: World) -> None:
    """Signed head and every row; the card says what was checked, with which key, and when."""
    seen = visit()
    badge = seen.viewer.locator(".proof.ok")
    size = world.log.head(HOME).size
    expect(badge).to_have_text(f"Verified {size} entries")
    expect(badge).to_have_attribute("title", "Checked in this browser at 15:00:00")
    badge.click()
    card = seen.viewer.locator("#seal")
    expect(card).to_contain_text("50 entries that were shown match the signed log, field by field.")
    expect(card).to_contain_text(world.log.head(HOME).root.hex())
    expect(card).to_contain_text("ed25519:")
    seen.page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    expect(badge).to_be_focused()


def test_everything_is_verified_on_request(visit: Callable[..., Visit], world: World) -> None:
    """Every hash up to the signed root, every entry against its leaf; with progress, and an end."""
    record(world.log, HOME, [event(30_000 + n, "contact.created", ago=timedelta(days=2)) for n in range(700)])
    seen = visit()
    seen.viewer.locator(".proof.ok").click()
    asked: list[str] = []
    seen.page.on("request", lambda request: asked.append(request.url))
    seen.viewer.get_by_role("button", name="Verify everything").click()
    size = world.log.head(HOME).size
    expect(seen.viewer.locator("#seal [role=status]")).to_contain_text(f"The whole log of {size} entries was verified")
    assert any("/v1/hashes?level=0&start=0" in url for url in asked)
    assert sum("/v1/proofs?at=" in url for url in asked) == -(-size // 200)


def test_everything_can_be_stopped(visit: Callable[..., Visit], world: World) -> None:
    """Cancel ends it where it is, and says so."""
    record(world.log, HOME, [event(30_000 + n, "contact.created", ago=timedelta(days=2)) for n in range(700)])
    seen = visit()
    seen.viewer.locator(".proof.ok").click()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    seen.page.route("**/v1/proofs?at=200*", hold)
    seen.viewer.get_by_role("button", name="Verify everything").click()
    expect(seen.viewer.get_by_role("progressbar")).to_be_visible()
    while not held:
        seen.page.wait_for_timeout(50)
    seen.viewer.locator("#seal").get_by_role("button", name="Cancel").click()
    expect(seen.viewer.locator("#seal")).to_contain_text("Stopped. Until then nothing wrong was found.")
    expect(seen.viewer.locator(".proof.ok")).to_be_visible()


def test_a_forged_row_turns_the_badge_red(visit: Callable[..., Visit], tmp_path: Path) -> None:
    """What the list shows is not what the leaf commits to: the entry is named, both versions can be saved."""
    seen = visit()

    def change(body: Any) -> None:
        for item in body["items"]:
            if item["index"] == 1:
                item["resource"]["name"] = "Somebody Else"

    seen.page.route("**/v1/entries?*", forged(change))
    seen.page.reload()
    badge = seen.viewer.locator(".proof.bad")
    expect(badge).to_have_text("Check failed at entry 1")
    badge.click()
    expect(seen.viewer.locator("#seal").get_by_role("alert")).to_contain_text(
        "another resource.name than the entry has"
    )
    with seen.page.expect_download() as download:
        seen.viewer.get_by_role("button", name="Download both versions").click()
    saved = tmp_path / "both.json"
    download.value.save_as(saved)
    both = json.loads(saved.read_text(encoding="utf-8"))["evidence"]
    assert both["shown"]["resource"]["name"] == "Somebody Else"
    assert both["recorded"]["resource"]["name"] == "Juan Pérez"
    seen.page.unroute_all()
    seen.viewer.locator("#seal").get_by_role("button", name="Check again").click()
    expect(badge).to_be_visible()


def test_a_forged_entry_deep_in_the_log_is_found(visit: Callable[..., Visit], world: World) -> None:
    """One that no page showed: verifying everything finds it and names it."""
    seen = visit("?q=action:contact.deleted")
    expect(seen.viewer.locator(".proof.ok")).to_be_visible()

    def change(body: Any) -> None:
        for item in body["items"]:
            if item["entry"]["index"] == 77:
                item["entry"]["actor"]["name"] = "Somebody Else"

    seen.page.route("**/v1/proofs?*", forged(change))
    seen.viewer.locator(".proof").click()
    seen.viewer.get_by_role("button", name="Verify everything").click()
    expect(seen.viewer.locator(".proof.bad")).to_have_text("Check failed at entry 77")
    expect(seen.viewer.locator("#seal").get_by_role("alert")).to_contain_text("actor.name")


def test_hashes_that_do_not_lead_to_the_head_are_found(visit: Callable[..., Visit]) -> None:
    """One changed hash anywhere in the tree."""
    seen = visit()

    def change(body: Any) -> None:
        body["hashes"] = "A" + body["hashes"][1:] if body["hashes"][0] != "A" else "B" + body["hashes"][1:]

    seen.page.route("**/v1/hashes?*", forged(change))
    seen.viewer.locator(".proof.ok").click()
    seen.viewer.get_by_role("button", name="Verify everything").click()
    expect(seen.viewer.locator(".proof.bad")).to_have_text("Check of the log failed")
    expect(seen.viewer.locator("#seal").get_by_role("alert")).to_contain_text("do not fold to the signed root")


def test_the_log_still_holds_what_this_browser_saw(visit: Callable[..., Visit], world: World) -> None:
    """On the next visit the new head is proven to extend the one that was seen, and a rewritten past is noticed."""
    seen = visit()
    expect(seen.viewer.locator(".proof.ok")).to_be_visible()
    size = world.log.head(HOME).size
    record(world.log, HOME, [event(31_000, "contact.created")])
    seen.page.reload()
    seen.viewer.locator(".proof.ok").click()
    expect(seen.viewer.locator("#seal")).to_contain_text(f"still holds the {size} entries that this browser saw before")
    forget = """() => { const [name] = Object.keys(localStorage).filter((one) => one.startsWith("alv-head:"));
        const head = JSON.parse(localStorage.getItem(name));
        localStorage.setItem(name, JSON.stringify(%s)); }"""
    for changed, words in [
        ('{ ...head, root: head.root.replace(/^../, head.root.startsWith("00") ? "11" : "00") }', "does not contain"),
        ("{ ...head, size: head.size + 5 }", "is shorter than"),
        ('{ ...head, key: "ed25519:00" }', "another key"),
    ]:
        kept = seen.page.evaluate("JSON.stringify(localStorage)")
        seen.page.evaluate(forget % changed)
        seen.page.reload()
        seen.viewer.locator(".proof.bad").click()
        expect(seen.viewer.locator("#seal").get_by_role("alert")).to_contain_text(words)
        seen.page.evaluate("kept => Object.assign(localStorage, JSON.parse(kept))", kept)


def test_new_entries_are_pending_until_they_are_checked(visit: Callable[..., Visit], world: World) -> None:
    """The badge says how many, then that they are verified as well."""
    seen = visit()
    expect(seen.viewer.locator(".proof.ok")).to_be_visible()
    seen.page.wait_for_timeout(300)
    record(world.log, HOME, [event(32_000, "contact.created"), event(32_001, "contact.deleted")])
    expect(seen.viewer.locator(".proof.pending")).to_have_text("2 newest entries are checked within a minute")
    expect(seen.viewer.locator(".proof.ok")).to_contain_text(f"{world.log.head(HOME).size} entries", timeout=8000)


def test_entries_that_wait_above_the_list_are_checked_too(visit: Callable[..., Visit], world: World) -> None:
    """While somebody reads further down, the badge goes from pending to verified all the same."""
    seen = visit()
    expect(seen.viewer.locator(".proof.ok")).to_be_visible()
    seen.viewer.locator(".list").evaluate("list => list.scrollTo(0, 300)")
    seen.page.wait_for_timeout(300)
    record(world.log, HOME, [event(32_100, "contact.created")])
    expect(seen.viewer.get_by_role("button", name="1 new entry")).to_be_visible()
    expect(seen.viewer.locator(".proof.pending")).to_be_visible()
    expect(seen.viewer.locator(".proof.ok")).to_contain_text(f"{world.log.head(HOME).size} entries", timeout=8000)
    expect(seen.viewer.get_by_role("button", name="1 new entry")).to_be_visible()


def test_what_retention_removed_is_said(visit: Callable[..., Visit], world: World) -> None:
    """Amber: verified from the first entry that is kept, and everything can still be verified."""
    world.log._clock.now = NOW + timedelta(days=91)  # type: ignore[attr-defined]
    record(world.log, HOME, [event(33_000 + n, "contact.created", ago=-timedelta(days=91)) for n in range(5)])
    purge(world.log, HOME)
    first = world.log.head(HOME).first
    world.log._clock.now = NOW  # type: ignore[attr-defined]
    seen = visit("?range=all")
    badge = seen.viewer.locator(".proof.gap")
    expect(badge).to_have_text(f"Verified since entry {first}")
    badge.click()
    expect(seen.viewer.locator("#seal")).to_contain_text(
        f"Retention removed entries 0 to {first - 1}; the rest is intact."
    )
    seen.viewer.get_by_role("button", name="Verify everything").click()
    expect(seen.viewer.locator("#seal [role=status]")).to_contain_text("was verified at")

    # A link of before: what it led to is gone, in the reader's language, and the record of that is one step away.
    seen = visit("?range=all&entry=0", forgive="410")
    expect(seen.drawer.get_by_role("alert")).to_contain_text("Retention removed what this entry held")
    seen.viewer.evaluate("viewer => { viewer.locale = 'es'; }")
    expect(seen.drawer.get_by_role("alert")).to_contain_text("La retención eliminó el contenido de esta entrada")
    seen.drawer.get_by_role("link", name="Lo que eliminó la retención").click()
    expect(seen.viewer.locator(".row[data-index]")).to_have_count(1)
    expect(seen.viewer.locator(".row .code")).to_have_text("audit.purged")


def test_where_the_browser_cannot_check(visit: Callable[..., Visit]) -> None:
    """Without the means (http, an old browser) the badge says who checked."""
    seen = visit()
    seen.page.add_init_script("SubtleCrypto.prototype.importKey = () => Promise.reject(new Error('no Ed25519'));")
    seen.page.reload()
    expect(seen.viewer.locator(".proof.server")).to_have_text("Checked by the server")
    seen.viewer.locator(".proof").click()
    expect(seen.viewer.locator("#seal")).to_contain_text("needs https and a current version")
    expect(seen.viewer.get_by_role("button", name="Verify everything")).to_have_count(0)


def test_a_check_that_could_not_be_made(visit: Callable[..., Visit]) -> None:
    """Grey, with the reason; asked again it succeeds."""
    seen = visit(forgive="500")
    seen.page.route("**/v1/checkpoint", lambda route: route.fulfill(status=500, json={"detail": "Too busy."}))
    seen.page.reload()
    badge = seen.viewer.locator(".proof.none")
    expect(badge).to_have_text("Not checked")
    badge.click()
    expect(seen.viewer.locator("#seal")).to_contain_text("Too busy.")
    seen.page.unroute_all()
    seen.viewer.locator("#seal").get_by_role("button", name="Check again").click()
    expect(seen.viewer.locator(".proof.ok")).to_be_visible()


RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_barrier(visit: Callable[..., Visit], size: dict[str, int], theme: str) -> None:
    """Axe finds nothing in the card, verified and failed."""
    seen = visit(size=size, bypass_csp=True)
    seen.viewer.evaluate("(viewer, theme) => { viewer.theme = theme; }", theme)
    seen.viewer.locator(".proof.ok").click()
    seen.viewer.get_by_role("button", name="Verify everything").click()
    expect(seen.viewer.locator("#seal [role=status]")).to_contain_text("was verified at")
    assert [one["id"] for one in Axe().run(seen.page, options=RULES).response["violations"]] == []
    seen.page.route("**/v1/hashes?*", forged(lambda body: body.update(count=0)))
    seen.viewer.get_by_role("button", name="Verify everything").click()
    expect(seen.viewer.locator(".proof.bad")).to_be_visible()
    assert [one["id"] for one in Axe().run(seen.page, options=RULES).response["violations"]] == []
