"""Evidence in a real browser: opened from the disk, without a connection, and made from the viewer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

from tests.browsing import Browser, BrowserContext, Page, expect, watched
from tests.evidencing import ABOUT, Workshop, furnished
from tests.visiting import Visit, World, open_world
from whodid.evidence.document import encode
from whodid.evidence.page import extract, script_hash, verifier
from whodid.evidence.page import page as whole
from whodid.evidence.verify import verify

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def shop() -> Workshop:
    """Lend a log with a purged entry."""
    made = furnished()
    made.purge(0)
    made.close()
    return made


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """Open a browser that nothing can be reached from; what a page complains about fails the test."""
    with watched(chromium, "file:///", offline=True) as (opened, _):
        yield opened


def opened(context: BrowserContext, file: Path) -> Page:
    """Open a file from the disk."""
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    expect(page.locator("main > header h1")).to_be_visible()
    assert asked == [file.as_uri()]
    return page


def test_a_file_from_the_disk_says_that_nothing_is_wrong(
    context: BrowserContext, shop: Workshop, tmp_path: Path
) -> None:
    """Verdict, levels, key, entries with before and after, what is missing, and the hash of the script."""
    file = tmp_path / "evidence.html"
    file.write_bytes(whole(encode(shop.evidence(ABOUT))))
    page = opened(context, file)
    expect(page.locator("h1")).to_have_text("Nothing is wrong with this file")
    expect(page.locator(".verdict li.held")).to_have_count(4)
    expect(page.locator(".verdict")).to_contain_text("by the sealed indexes")
    expect(page.locator("#opinion")).to_have_text("This browser’s own cryptography agrees.")
    expect(page.locator(".entries > li")).to_have_count(8)
    expect(page.locator(".entries > li").nth(1)).to_contain_text("Maria Torres updated contact Contact <0>")
    expect(page.locator(".entries td.after").first).to_have_text("+34 700 ñ 😀")
    expect(page.get_by_text("Entry 0: content purged by retention, recorded as entry 40.")).to_be_visible()
    expect(page.locator("footer")).to_contain_text(script_hash())
    fingerprint = page.locator("dl.mono dd").first.inner_text()
    page.get_by_label("Key or fingerprint").fill(fingerprint)
    expect(page.get_by_text("This is the key that signed.")).to_be_visible()
    page.get_by_label("Key or fingerprint").fill(furnished("forger").vkey)
    expect(page.get_by_text("This is another key.")).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert [one["id"] for one in Axe().run(page).response["violations"]] == []


def test_a_changed_file_names_the_first_problem(context: BrowserContext, shop: Workshop, tmp_path: Path) -> None:
    """A word that was changed turns the page red, with the entry."""
    file = tmp_path / "evidence.html"
    file.write_bytes(whole(encode(shop.evidence(ABOUT)).replace(b"absorbed", b"absorbet", 1)))
    page = opened(context, file)
    expect(page.locator("h1")).to_have_text("Do not rely on this file")
    expect(page.locator("header")).to_contain_text("Entry 3: The entry is not what was recorded")
    expect(page.locator(".verdict li.failed").first).to_be_visible()
    expect(page.locator(".entries > li.wrong")).to_have_count(1)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    expect(page.locator(".entries details dl").first).to_be_visible()
    expect(page.get_by_label("Key or fingerprint")).to_be_hidden()


def test_the_verifier_opens_files_and_ignores_their_scripts(
    context: BrowserContext, shop: Workshop, tmp_path: Path
) -> None:
    """The stand-alone page reads the data of a chosen file, whatever its own script would say."""
    own = tmp_path / "verifier.html"
    own.write_bytes(verifier())
    page = opened(context, own)
    expect(page.locator("h1")).to_have_text("Check an evidence file")
    lying = tmp_path / "lying.html"
    good = whole(encode(shop.evidence(ABOUT)))
    lying.write_bytes(
        good.replace(b"absorbed", b"absorbet", 1).replace(b"Do not rely on this file", b"Nothing is wrong with it")
    )
    page.locator("input[type=file]").set_input_files(lying)
    expect(page.locator("h1")).to_have_text("Do not rely on this file")
    page.reload()
    lying.write_bytes(good)
    page.locator("input[type=file]").set_input_files(lying)
    expect(page.locator("h1")).to_have_text("Nothing is wrong with this file")
    page.reload()
    lying.write_bytes(b"\xff\xfe")
    page.locator("input[type=file]").set_input_files(lying)
    expect(page.locator("header")).to_contain_text("not an evidence document")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Serve a host application with a log."""
    with open_world() as made:
        yield made


def test_an_entry_and_the_dialog_make_evidence(visit: Callable[..., Visit], tmp_path: Path) -> None:
    """From the drawer, everything about the resource; from the dialog, what the filters ask or a ready question."""
    seen = visit()
    seen.row("Maria Torres updated contact Ana").click()
    with seen.page.expect_download() as download:
        seen.drawer.get_by_role("button", name="Evidence about").click()
    file = tmp_path / "one.html"
    download.value.save_as(file)
    verdict = verify(extract(file.read_bytes()))
    assert verdict.ok
    assert verdict.statement is not None
    assert [one.values for one in verdict.statement.asks] == [[["contact", "con_ana"]]]
    seen.page.keyboard.press("Escape")
    for choice, dimension in (("what the filters ask", "actor"), ("all changes of access rights", "action")):
        seen.go("?q=actor:usr_maria")
        seen.page.keyboard.press("e")
        dialog = seen.viewer.get_by_role("dialog")
        dialog.get_by_text("Evidence", exact=True).click()
        dialog.get_by_role("combobox").select_option(label=choice)
        with seen.page.expect_download() as download:
            dialog.get_by_role("button", name="Download", exact=True).click()
        download.value.save_as(file)
        verdict = verify(extract(file.read_bytes()))
        assert verdict.ok
        assert verdict.statement is not None
        assert [one.dimension for one in verdict.statement.asks] == [dimension]
        assert verdict.statement.since is not None
        expect(dialog).to_contain_text("Saved: evidence-")
