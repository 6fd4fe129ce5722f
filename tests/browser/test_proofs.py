"""The reader's own browser checks the proof, and says so when a stored byte was changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.browser.copies import copy_log, serving
from tests.browser.workspace import Person, Sendero
from tests.browsing import Browser, expect, watched
from whodid.store.packing import Packer

pytestmark = pytest.mark.browser


def test_the_proof_of_an_entry_is_verified_in_this_browser(owner: Person) -> None:
    """Every number that the check rests on is shown, and the check can be repeated."""
    owner.open_log()
    owner.rows.nth(3).locator(".hit").click()
    panel = owner.tab("Proof")
    expect(panel).to_contain_text("Verified in this browser")
    size, entry = owner.ask("entries?limit=1")["head"]["size"], owner.rows.nth(3).get_attribute("data-index")
    facts = panel.locator("dd")
    expect(facts.nth(0)).to_have_text(f"{size:,}")
    expect(facts.nth(1)).to_have_text(f"{int(entry or ''):,}")
    hashes = panel.locator(".hashes li").all_inner_texts()
    assert hashes
    assert all(len(one) == 64 for one in hashes)
    panel.get_by_role("button", name="Check again").click()
    expect(panel).to_contain_text("Verified in this browser")


def _tamper(path: Path, name: str, other: str) -> int:
    """Change one byte of a name in the newest entry that has it, as whoever holds the file could; return its place."""
    database = apsw.Connection(str(path))
    try:
        dictionaries: Any = database.execute("SELECT number, bytes FROM dictionary").fetchall()
        packer = Packer(lambda: dict(dictionaries))
        rows: Any = database.execute("SELECT pos, payload FROM entry ORDER BY pos DESC").fetchall()
        for pos, payload in rows:
            content = packer.unpack(payload, 0)
            if name.encode() in content:
                changed = packer.pack(content.replace(name.encode(), other.encode()))
                database.execute("UPDATE entry SET payload = ? WHERE pos = ?", (changed, pos))
                return int(pos) & (1 << 40) - 1
    finally:
        database.close()
    pytest.fail(f"No entry has {name} in it")


def test_a_changed_byte_fails_in_the_readers_browser(
    owner: Person, chromium: Browser, sendero: Sendero, tmp_path: Path
) -> None:
    """The changed entry reads as smoothly as any, but its check fails and names it; its neighbour's still succeeds."""
    owner.create_contact("Witness Innocent")
    owner.create_contact("Victim Genuine")
    owner.open_log()
    path = copy_log(sendero.data, tmp_path)
    index = _tamper(path, "Victim Genuine", "Victim Genuinf")
    with serving(path) as link, watched(chromium, link.partition("/#")[0]) as (context, _):
        page = context.new_page()
        page.goto(link)
        page.locator(".row", has_text="created contact Victim Genuinf").locator(".hit").click()
        alert = page.locator(".drawer").get_by_role("alert")
        expect(alert).to_contain_text("The check failed")
        expect(alert).to_contain_text("This entry does not prove what it shows")
        expect(page.locator(".drawer .dh")).to_contain_text(f"Entry {index:,}")
        page.get_by_role("tab", name="Proof").click()
        expect(alert).to_contain_text("The check failed")
        page.locator(".row", has_text="created contact Witness Innocent").locator(".hit").click()
        expect(page.locator(".drawer")).to_contain_text("Verified in this browser")
