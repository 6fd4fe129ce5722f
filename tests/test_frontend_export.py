"""The export dialog: how far the file is, closing it meanwhile, cancelling, failing, and the files of the last day."""

from __future__ import annotations

import json
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

from tests.browsing import Locator, Route, expect
from tests.serving import HOME
from tests.visiting import NARROW, WIDE, Visit, World, open_world
from whodid import Log
from whodid.errors import StoreUnavailable
from whodid.evidence import extract, verify
from whodid.export import verify_export
from whodid.query import parse

pytestmark = pytest.mark.browser

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@pytest.fixture
def world() -> Iterator[World]:
    """Serve a host application with a log of its own for each test: exports are kept."""
    with open_world() as made:
        yield made


@contextmanager
def held() -> Iterator[threading.Event]:
    """Make exports wait until the event is set."""
    leave, real = threading.Event(), Log.stream_wire

    def slow(self: Log, *args: Any) -> Iterator[bytes]:
        assert leave.wait(30)
        yield from real(self, *args)

    with patch.object(Log, "stream_wire", slow):
        yield leave


def half(route: Route) -> None:
    """Say of whatever runs that half of it is done."""
    answer = route.fetch()
    body = answer.json()
    if body.get("state") in {"waiting", "running"}:
        body |= {"state": "running", "done": body["count"]["value"] // 2}
    route.fulfill(response=answer, json=body)


def begun(seen: Visit) -> Locator:
    """Order an export of JSON Lines in the dialog."""
    seen.viewer.get_by_role("button", name="Export").click()
    dialog = seen.viewer.get_by_role("dialog")
    dialog.get_by_text("JSON Lines").click()
    dialog.get_by_role("button", name="Download", exact=True).click()
    return dialog


def test_the_dialog_shows_how_far_it_is_and_may_be_closed(visit: Callable[..., Visit], tmp_path: Path) -> None:
    """Entries done of all; whoever closes it gets the file all the same, and is told."""
    seen = visit("?q=type:contact+-action:contact.updated")
    seen.page.route("**/v1/exports/*", half)
    with held() as leave:
        dialog = begun(seen)
        expect(dialog).to_contain_text("1 of 3 entries")
        expect(dialog.get_by_role("progressbar")).to_have_js_property("position", 1 / 3)
        expect(dialog).to_contain_text("You may close this.")
        dialog.get_by_role("button", name="Close").click()
        expect(dialog).to_be_hidden()
        with seen.page.expect_download() as download:
            leave.set()
    download.value.save_as(tmp_path / "saved.ndjson")
    assert len((tmp_path / "saved.ndjson").read_text(encoding="utf-8").splitlines()) == 3
    expect(seen.viewer.get_by_text("Your download has started", exact=False).first).to_be_attached()


def test_an_export_can_be_cancelled(visit: Callable[..., Visit], world: World) -> None:
    """It ends on the server, and the dialog is where it was."""
    seen = visit()
    with held() as leave:
        dialog = begun(seen)
        expect(dialog.get_by_role("progressbar")).to_be_visible()
        dialog.get_by_role("button", name="Cancel the export").click()
        expect(dialog.get_by_role("button", name="Download", exact=True)).to_be_visible()
        expect(dialog.locator(".files")).to_have_count(0)
        expect(dialog.get_by_role("alert")).to_have_count(0)
        leave.set()


def test_the_hand_is_on_the_chosen_format(visit: Callable[..., Visit]) -> None:
    """A dialog that is opened again shows one choice, not the ring of another."""
    seen = visit()
    export = seen.viewer.get_by_role("button", name="Export")
    export.click()
    dialog = seen.viewer.get_by_role("dialog")
    expect(dialog.get_by_role("radio", name="CSV")).to_be_focused()
    dialog.get_by_role("radio", name="JSON Lines").check()
    seen.page.keyboard.press("Escape")
    export.click()
    expect(dialog.get_by_role("radio", name="JSON Lines")).to_be_focused()


def test_files_of_the_last_day_are_offered_again(visit: Callable[..., Visit], world: World) -> None:
    """Fetched once more without a second entry, and removed."""
    seen = visit("?q=type:contact+-action:contact.updated")
    with seen.page.expect_download() as download:
        dialog = begun(seen)
    name = download.value.suggested_filename
    expect(dialog).to_contain_text(f"Your download has started: {name}, 3 entries.")
    dialog.get_by_role("button", name="Close").click()
    expect(seen.page).not_to_have_url(re.compile("dialog="))
    seen.page.reload()
    seen.viewer.get_by_role("button", name="Export").click()
    expect(dialog.locator(".files li")).to_contain_text(name)
    expect(dialog.locator(".files li")).to_contain_text("3 entries")
    with seen.page.expect_download() as again:
        dialog.get_by_role("button", name=f"Download {name}").click()
    assert again.value.suggested_filename == name
    dialog.get_by_role("button", name=f"Remove {name}").click()
    expect(dialog.locator(".files")).to_have_count(0)
    found = world.log.find(HOME, parse("action:audit.exported", now=world.log.now())).entries
    assert len(found) == 1


def test_columns_and_files_are_chosen_and_the_size_is_told_before(visit: Callable[..., Visit], tmp_path: Path) -> None:
    """The file has the columns that were left on, in one file for each month; its size was about what was said."""
    seen = visit("?q=type:contact+-action:contact.updated")
    seen.viewer.get_by_role("button", name="Export").click()
    dialog = seen.viewer.get_by_role("dialog")
    columns = dialog.get_by_role("group", name="Columns")
    expect(dialog).to_contain_text("About ")
    whole = dialog.locator(".est").inner_text()
    for name in ("Entry", "User", "Action", "Changes", "Reason", "From", "Request", "Details"):
        columns.get_by_label(name, exact=True).uncheck()
    expect(dialog.locator(".est")).not_to_have_text(whole, use_inner_text=True)
    columns.get_by_label("Resource", exact=True).uncheck()
    expect(columns.get_by_label("When")).to_be_disabled()
    dialog.get_by_label("Files").select_option("One for each month (zip)")
    with seen.page.expect_download() as download:
        dialog.get_by_role("button", name="Download", exact=True).click()
    download.value.save_as(tmp_path / "saved.zip")
    with zipfile.ZipFile(tmp_path / "saved.zip") as archive:
        (name,) = (one for one in archive.namelist() if one.endswith(".csv"))
        lines = archive.read(name).decode().splitlines()
        assert json.loads(archive.read("manifest.json"))["files"][0]["name"] == name
    assert lines[0] == '"occurred_at","recorded_at"'
    assert len(lines) == 1 + 3


def test_a_large_file_is_split_by_itself(
    visit: Callable[..., Visit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody chose, the server does: the dialog shows what it chose, and the file has several."""
    monkeypatch.setattr("whodid.server.sizing.LARGE", 2)
    seen = visit("?q=type:contact+-action:contact.updated")
    seen.viewer.get_by_role("button", name="Export").click()
    files = seen.viewer.get_by_role("dialog").get_by_label("Files")
    expect(files.locator("option:checked")).not_to_have_text("One file")
    with seen.page.expect_download() as download:
        seen.viewer.get_by_role("dialog").get_by_role("button", name="Download", exact=True).click()
    download.value.save_as(tmp_path / "saved.zip")
    with zipfile.ZipFile(tmp_path / "saved.zip") as archive:
        assert len([one for one in archive.namelist() if one.endswith(".csv")]) == 2


def test_the_dialog_hides_fields_and_people(visit: Callable[..., Visit], world: World, tmp_path: Path) -> None:
    """It says how many values will be hidden; the file verifies, and neither the value nor the name is in it."""
    seen = visit("?q=type:contact+-action:contact.updated", bypass_csp=True)
    seen.viewer.get_by_role("button", name="Export").click()
    dialog = seen.viewer.get_by_role("dialog")
    dialog.get_by_role("radio", name="JSON Lines").check()
    dialog.get_by_label("With proofs, to be verified offline").check()
    dialog.get_by_text("Hide something").click()
    dialog.get_by_label("Names of resources", exact=True).check()
    expect(dialog.locator(".hid")).to_have_text("3 values will be hidden.")
    who = dialog.get_by_label("Somebody’s id", exact=False)
    who.fill("nobody")
    who.press("Enter")
    expect(dialog.get_by_role("button", name="Show nobody again")).to_have_count(0)
    expect(dialog.locator("#hide-people option[value='user:usr_maria']")).to_have_count(1)
    who.fill("user:usr_maria")
    who.press("Enter")
    expect(dialog.get_by_role("button", name="Show user:usr_maria again")).to_be_visible()
    expect(dialog.locator(".hid")).to_have_text(re.compile(r"^(?!3 )\d+ values will be hidden\.$"))
    told = int(dialog.locator(".hid").inner_text().split()[0])
    seen.page.screenshot(path=tmp_path / "hide.png")
    assert [one["id"] for one in Axe().run(seen.page, options=RULES).response["violations"]] == []
    with seen.page.expect_download() as download:
        dialog.get_by_role("button", name="Download", exact=True).click()
    download.value.save_as(tmp_path / "saved.ndjson")
    lines = (tmp_path / "saved.ndjson").read_bytes().splitlines(keepends=True)
    report = verify_export(lines, lines[-1])
    assert (report.ok, report.count, report.hidden) == (True, 3, told)
    text = b"".join(lines).decode()
    assert "Juan Pérez" not in text
    assert "Maria Torres" not in text
    found = world.log.find(HOME, parse("action:audit.exported", now=world.log.now())).entries
    assert (found[0].details or {})["hidden"] == ["resource.name", "user:usr_maria"]


def test_evidence_of_the_dialog_hides_too(visit: Callable[..., Visit], tmp_path: Path) -> None:
    """The page verifies, counts what is withheld, and does not hold it."""
    seen = visit("?q=action:contact.deleted")
    seen.viewer.get_by_role("button", name="Export").click()
    dialog = seen.viewer.get_by_role("dialog")
    dialog.get_by_role("radio", name="Evidence").check()
    dialog.get_by_text("Hide something").click()
    dialog.get_by_label("Names of resources", exact=True).check()
    expect(dialog.locator(".hid")).to_have_text("1 value will be hidden.")
    about = dialog.get_by_label("About what the filters")
    for question, told in (("access", "No value will be hidden"), ("approvals", "1 value"), ("filters", "1 value")):
        about.select_option(question)
        expect(dialog.locator(".hid")).to_contain_text(told)
    with seen.page.expect_download() as download:
        dialog.get_by_role("button", name="Download", exact=True).click()
    download.value.save_as(tmp_path / "saved.html")
    data = extract((tmp_path / "saved.html").read_bytes())
    verdict = verify(data)
    assert verdict.ok
    assert verdict.counts.redacted == 1
    assert "Juan Pérez" not in data.decode()


def test_a_format_offers_what_it_can(visit: Callable[..., Visit]) -> None:
    """Whole entries have no columns, and what is proven is one file."""
    seen = visit()
    seen.viewer.get_by_role("button", name="Export").click()
    dialog = seen.viewer.get_by_role("dialog")
    dialog.get_by_role("radio", name="JSON Lines").check()
    expect(dialog.get_by_role("group", name="Columns")).to_have_count(0)
    dialog.get_by_label("With proofs, to be verified offline").check()
    expect(dialog.get_by_label("Files")).to_have_count(0)
    expect(dialog.locator(".est")).to_contain_text("About ")


def test_what_is_made_meanwhile_stands_in_the_list(visit: Callable[..., Visit]) -> None:
    """With how far it is, until when its file is kept, its hash, and a way to end it."""
    seen = visit("?q=type:contact+-action:contact.updated")
    with held() as leave:
        dialog = begun(seen)
        expect(dialog.get_by_role("progressbar")).to_be_visible()
        seen.page.reload()
        made = dialog.locator(".files li")
        expect(made.get_by_role("progressbar")).to_be_visible()
        expect(made.get_by_role("button", name="Cancel the export")).to_be_visible()
        leave.set()
        expect(made).to_contain_text("kept until")
        expect(made).to_contain_text("SHA-256")
        expect(made.get_by_role("progressbar")).to_have_count(0)


def test_an_export_that_fails_says_why(visit: Callable[..., Visit]) -> None:
    """The fact and what to do, in the dialog, which lets one try again."""
    seen = visit()
    with patch.object(Log, "stream_wire", side_effect=StoreUnavailable("Locked")):
        dialog = begun(seen)
        expect(dialog.get_by_role("alert")).to_have_text(
            "The export could not be made. Start the export again.", use_inner_text=True
        )
    with seen.page.expect_download():
        dialog.get_by_role("button", name="Download", exact=True).click()


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_no_barrier_while_a_file_is_made_and_after(
    visit: Callable[..., Visit], size: dict[str, int], tmp_path: Path
) -> None:
    """Axe finds no violation of WCAG 2.2 AA, in either theme."""
    seen = visit(size=size, bypass_csp=True)
    seen.page.route("**/v1/exports/*", half)

    def check(state: str) -> None:
        for theme in ("light", "dark"):
            seen.viewer.evaluate("(viewer, theme) => { viewer.theme = theme; }", theme)
            seen.page.wait_for_timeout(300)
            seen.page.screenshot(path=tmp_path / f"{state}-{theme}.png")
            # A row that came in a moment ago fades; what is judged is how it stays.
            seen.page.evaluate("""for (const one of document.getAnimations()) one.finish();
                document.querySelector('audit-log-viewer').shadowRoot.getAnimations().forEach((one) => one.finish())""")
            answer = Axe().run(seen.page, options=RULES)
            assert answer.violations_count == 0, [
                (one["id"], str(one["nodes"])[:400]) for one in answer.response["violations"]
            ]

    with held() as leave:
        dialog = begun(seen)
        expect(dialog.get_by_role("progressbar")).to_be_visible()
        expect(dialog).to_contain_text(" of ")
        check("running")
        with seen.page.expect_download():
            leave.set()
    check("done")
    dialog.get_by_role("button", name="Close").click()
    seen.viewer.get_by_role("button", name="Export").click()
    expect(dialog.locator(".files li")).to_have_count(1)
    check("recent")
