"""The drawer in a real browser: the history of a resource, two entries compared, what happened around an entry."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

from tests.browsing import expect
from tests.serving import HOME, event, record
from tests.visiting import NARROW, WIDE, Visit, World, open_world
from whodid import Change, Resource
from whodid.export import verify_export

pytestmark = pytest.mark.browser

SHOP = Resource(type="contact", id="con/shop-1", name="Corner shop")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Serve a host application with a log in which one contact changes again and again."""
    with open_world() as made:
        changes = [
            (Change(path="city", before="Madrid", after="Getafe"), Change(path="tags", added=["vip"])),
            (Change(path="city", before="Getafe", after="Lisbon"), Change(path="note", op="add", after="Ask for Ana")),
            (Change(path="note", op="remove", before="Ask for Ana"), Change(path="tags", added=["new"])),
        ]
        record(
            made.log,
            HOME,
            [
                event(60_000 + n, "contact.updated", ago=timedelta(hours=9 - n), resource=SHOP, changes=listed)
                for n, listed in enumerate(changes)
            ],
        )
        stopped = event(
            60_009,
            "campaign.paused",
            ago=timedelta(hours=5),
            resource=Resource(type="campaign", id="cmp_1", name="Diwali"),
            details={"sent": 8214, "provider_code": 132015},
        )
        record(made.log, HOME, [stopped])
        made.log.seal(HOME, close=True)
        yield made


def past(seen: Visit) -> None:
    """Open the newest entry of the contact at its history."""
    seen.row("Maria Torres updated contact Corner shop").click()
    seen.heading("Maria Torres updated contact Corner shop")
    seen.page.keyboard.press("h")
    expect(seen.drawer.locator(".past .row")).to_have_count(3)


def test_two_entries_of_a_history_are_compared(visit: Callable[..., Visit]) -> None:
    """What changed between them in sum: the first before and the last after, and nothing that came and went."""
    seen = visit()
    past(seen)
    boxes_of = [row.bounding_box() for row in seen.drawer.locator(".past .row").all()]
    rows = [box for box in boxes_of if box is not None]
    assert [row["width"] for row in rows] == [seen.drawer.evaluate("drawer => drawer.clientWidth")] * 3
    assert [row["y"] for row in rows] == sorted({row["y"] for row in rows})
    compare = seen.drawer.get_by_role("button", name="Compare")
    expect(compare).to_be_disabled()
    boxes = seen.drawer.get_by_role("checkbox")
    boxes.nth(0).check()
    boxes.nth(2).check()
    compare.click()
    title = seen.drawer.get_by_role("heading", name="Changed from 20 Nov 06:00 to 20 Nov 08:00")
    expect(title).to_be_focused()
    fields = seen.drawer.locator(".cmp .fr")
    expect(fields).to_have_count(2)
    expect(fields.nth(0)).to_contain_text("Getafe")
    expect(fields.nth(0)).to_contain_text("Lisbon")
    expect(fields.nth(1)).to_contain_text("new")
    expect(seen.drawer.locator(".cmp")).not_to_contain_text("Ask for Ana")
    seen.drawer.get_by_role("button", name="Back to the history").click()
    expect(seen.drawer.locator(".past .row")).to_have_count(3)


def test_a_third_choice_takes_the_place_of_the_first(visit: Callable[..., Visit]) -> None:
    """Two at most; opening another entry of the history is still one click."""
    seen = visit()
    past(seen)
    boxes = seen.drawer.get_by_role("checkbox")
    for n in range(3):
        boxes.nth(n).check()
    expect(boxes.nth(0)).not_to_be_checked()
    expect(boxes.nth(2)).to_be_checked()
    seen.drawer.locator(".past .row .hit").nth(2).click()
    expect(seen.drawer.locator(".past .row.sel time")).to_contain_text("06:00")


def test_what_happened_around_an_entry(visit: Callable[..., Visit]) -> None:
    """Ten minutes before and after, whoever did it, with the entry still open."""
    seen = visit("?q=action:campaign.paused")
    seen.row("Campaign guard paused").click()
    seen.heading("Campaign guard paused")
    seen.drawer.get_by_role("button", name="Around this (±10 min)").click()
    expect(seen.viewer.locator(".list .row")).to_have_count(2)
    expect(seen.row("WhatsApp changed the status")).to_be_visible()
    seen.heading("Campaign guard paused")
    assert "since=2026-11-19T13:50:00Z&until=2026-11-19T14:10:00Z" in seen.page.url


def test_keys_of_the_drawer(visit: Callable[..., Visit]) -> None:
    """Tabs by number, JSON by Y, filter and exclude by F on the focused value, the zone by T."""
    seen = visit(permissions=["clipboard-read", "clipboard-write"])
    seen.row("Campaign guard paused").click()
    seen.heading("Campaign guard paused")
    press = seen.page.keyboard.press
    for number, name in (("2", "History"), ("3", "JSON"), ("4", "Proof"), ("1", "Changes")):
        press(number)
        expect(seen.drawer.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
    press("y")
    expect(seen.viewer.get_by_role("status").filter(has_text="JSON copied")).to_be_attached()
    assert '"campaign.paused"' in seen.page.evaluate("navigator.clipboard.readText()")
    press("t")
    expect(seen.viewer.locator(".day .z").first).to_have_text("UTC")
    press("t")
    seen.drawer.locator("dd[data-field=actor] button").first.focus()
    press("Shift+F")
    expect(seen.viewer.locator(".chip.on")).to_contain_text("is not")
    expect(seen.viewer.locator(".chip.on")).to_contain_text("Campaign guard")


def test_g_twice_leads_to_the_top_and_once_nowhere(visit: Callable[..., Visit]) -> None:
    """From anywhere in the list to the newest entry."""
    seen = visit()
    seen.viewer.locator(".row .hit").nth(20).focus()
    assert seen.viewer.locator(".list").evaluate("list => list.scrollTop") > 0
    seen.page.keyboard.press("g")
    seen.page.wait_for_timeout(900)
    seen.page.keyboard.press("g")
    expect(seen.viewer.locator(".row .hit").nth(20)).to_be_focused()
    seen.page.keyboard.press("g")
    expect(seen.viewer.locator(".row .hit").first).to_be_focused()
    assert seen.viewer.locator(".list").evaluate("list => list.scrollTop") == 0


def test_the_help_lists_every_key_and_switches_them_off(visit: Callable[..., Visit]) -> None:
    """What the help says is remembered in this browser."""
    seen = visit()
    seen.page.keyboard.press("?")
    help_ = seen.viewer.get_by_role("dialog", name="Keyboard shortcuts")
    for words in ("To the newest entry", "Live on or off", "Exclude the focused value", "Your zone or UTC"):
        expect(help_).to_contain_text(words)
    help_.get_by_role("checkbox", name="Single-key shortcuts").uncheck()
    seen.page.keyboard.press("Escape")
    seen.page.reload()
    expect(seen.viewer.locator(".row .hit").first).to_be_visible()
    seen.viewer.locator(".row .hit").first.focus()
    seen.page.keyboard.press("e")
    seen.page.keyboard.press("?")
    seen.page.wait_for_timeout(500)
    expect(seen.viewer.get_by_role("dialog")).to_have_count(0)


def test_json_folds_and_is_copied_in_parts(visit: Callable[..., Visit]) -> None:
    """A tree whose keys copy their value or path, the bare text, and the request as a command."""
    seen = visit("?entry=1&tab=json", permissions=["clipboard-read", "clipboard-write"])
    tree = seen.drawer.locator(".json.tree")
    expect(tree).to_contain_text('"action": "contact.deleted"')
    copied = "navigator.clipboard.readText()"
    key = tree.locator("button[title='actor.name']")
    key.click()
    expect(seen.viewer.get_by_role("status").filter(has_text="Value of actor.name copied")).to_be_attached()
    assert seen.page.evaluate(copied) == "Maria Torres"
    key.click(modifiers=["Shift"])
    expect(seen.viewer.get_by_role("status").filter(has_text="Path copied: actor.name")).to_be_attached()
    assert seen.page.evaluate(copied) == "actor.name"
    tree.locator("summary").filter(has_text='"actor"').click(position={"x": 3, "y": 12})
    expect(key).to_be_hidden()
    seen.drawer.get_by_role("button", name="curl").click()
    expect(seen.viewer.get_by_role("status").filter(has_text="Command copied")).to_be_attached()
    command = seen.page.evaluate(copied)
    assert command.endswith(f"'{seen.world.address}/audit/v1/entries/1'")
    assert "wv1" not in command
    seen.drawer.get_by_role("button", name="Text", exact=True).click()
    expect(seen.drawer.locator("pre.json")).to_contain_text('"index": 1')


def test_the_evidence_of_an_entry_is_a_file_that_verifies(visit: Callable[..., Visit], tmp_path: Path) -> None:
    """One entry with its proof, as the command line verifies it."""
    seen = visit("?entry=1&tab=proof")
    with seen.page.expect_download() as download:
        seen.drawer.get_by_role("button", name="Download evidence for this entry").click()
    saved = tmp_path / "evidence.ndjson"
    download.value.save_as(saved)
    lines = saved.read_bytes().splitlines(keepends=True)
    report = verify_export(lines, lines[-1])
    assert report.problems == ()
    assert (report.proven, report.count, report.first) == (1, 1, 1)


def test_a_seal_is_verified_and_the_log_has_a_name(visit: Callable[..., Visit]) -> None:
    """What the log records of itself is proven like the rest, is about the log, and a long hash is cut to a line."""
    seen = visit("?q=action:audit.sealed")
    seen.row("Sealing sealed the audit log").click()
    expect(seen.drawer).to_contain_text("Verified in this browser")
    expect(seen.drawer.locator(".meta [data-field=resource]")).to_contain_text(re.compile(rf"Audit log\s+{HOME}"))
    expect(seen.drawer.get_by_role("button", name="History of Audit log")).to_be_visible()
    seal = seen.drawer.locator("dt", has_text="Seal").locator("+ dd")
    expect(seal).to_have_text(re.compile(r"^[0-9a-f]{63}…$"))
    expect(seal).to_have_attribute("title", re.compile(r"^[0-9a-f]{100,}$"))
    expect(seen.viewer.locator("[part=badge]")).to_contain_text("Verified")


def test_a_code_is_no_number(visit: Callable[..., Visit]) -> None:
    """Counts are grouped, an error code is written as its owner writes it."""
    seen = visit("?q=action:campaign.paused+Diwali")
    seen.row("Maria Torres paused campaign Diwali").click()
    details = seen.drawer.locator(".kv")
    expect(details).to_contain_text(re.compile(r"Sent\s*8,214"))
    expect(details).to_contain_text(re.compile(r"error code\s*132015"))


RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_barrier(visit: Callable[..., Visit], size: dict[str, int], theme: str) -> None:
    """Axe finds nothing in the history with its boxes and in a comparison."""
    seen = visit(size=size, bypass_csp=True)
    seen.viewer.evaluate("(viewer, theme) => { viewer.theme = theme; }", theme)
    past(seen)
    seen.page.wait_for_timeout(300)
    assert [one["id"] for one in Axe().run(seen.page, options=RULES).response["violations"]] == []
    seen.drawer.get_by_role("checkbox").nth(0).check()
    seen.drawer.get_by_role("checkbox").nth(2).check()
    seen.drawer.get_by_role("button", name="Compare").click()
    expect(seen.drawer.locator(".cmp .fr").first).to_be_visible()
    assert [one["id"] for one in Axe().run(seen.page, options=RULES).response["violations"]] == []
