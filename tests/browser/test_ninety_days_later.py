"""Ninety days later: what was deleted is gone from the log too, the page says so, and what is left still verifies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import whodid as library
from tests.browser.copies import copy_log, serving, whodid
from tests.browser.test_exports import export
from tests.browser.workspace import Person, Sendero
from tests.browsing import Browser, expect, watched
from whodid.errors import InvalidSetting
from whodid.retention.steady import check_steady

pytestmark = pytest.mark.browser

LATER = timedelta(days=91)


def test_retention_removes_and_the_rest_verifies(
    owner: Person, chromium: Browser, sendero: Sendero, tmp_path: Path
) -> None:
    """The deletion is exported, grows old and goes by itself; the file and the rest of the log keep their proof."""
    owner.create_contact("Forgotten Person")
    owner.delete_contact("Forgotten Person", "Asked to be forgotten")
    owner.open_log()
    owner.open_entry("Aisha Khan deleted contact Forgotten Person")
    link = owner.address()
    owner.close_entry()
    owner.search("Forgotten")
    evidence, stated = export(owner, "JSON Lines", tmp_path, proofs=True)
    assert stated == 2
    index = int(owner.rows.first.get_attribute("data-index") or "")
    key = owner.ask(f"entries/{index}/proof")["vkey"]

    path = copy_log(sendero.data, tmp_path)
    # Ninety days at once are a leap of the clock: retention believes it when it has stood for a day.
    yesterday = datetime.now(UTC) + LATER - timedelta(days=1)
    with (
        library.open(f"sqlite:///{path}", clock=lambda: yesterday) as log,
        pytest.raises(InvalidSetting, match="The clock says"),
    ):
        check_steady(log, timedelta(hours=1))
    with serving(path, later=LATER) as invitation:
        address = invitation.partition("/#")[0]
        with watched(chromium, address) as (context, watch):
            watch.foresee("status of 410")
            context.clock.set_system_time(datetime.now(UTC) + LATER)
            page = context.new_page()
            page.goto(f"{address}/?range=all&q=Forgotten#code={invitation.partition('#code=')[2]}")
            gone = page.get_by_role("heading", name="No entries match")
            answered = gone.or_(page.locator(".row").first)
            for _ in range(60):
                expect(answered).to_be_visible()
                if gone.is_visible():
                    break
                # Retention works in the background, in small steps.
                page.wait_for_timeout(500)
                page.reload()
            expect(gone).to_be_visible()
            page.goto(f"{address}/?{link.partition('?')[2]}")
            told = page.locator(".drawer").get_by_role("alert")
            expect(told).to_contain_text("Retention removed what this entry held")
            expect(told.get_by_role("link", name="What retention removed")).to_be_visible()
            page.goto(f"{address}/?range=all&q=action:audit.purged")
            end = page.locator(".list .end")
            expect(end).to_contain_text("Older entries were removed by retention:")
            end.get_by_role("link", name="See the entry").click()
            expect(page.locator(".drawer h2")).to_contain_text("Retention removed")
            expect(page.locator(".drawer")).to_contain_text("Verified in this browser")

    with library.open(f"sqlite:///{path}") as log:
        (workspace,) = log.workspaces()
        report = log.verify(workspace)
        assert report.ok, report.problems
        assert report.purged > 6000
        assert b"Forgotten Person" not in path.read_bytes()
    checked = whodid("verify", evidence, "--key", key)
    assert checked.returncode == 0, checked.stdout + checked.stderr
