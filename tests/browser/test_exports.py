"""Exports from the dialog: what is downloaded is what was promised, and can be checked without the workspace."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.browser.copies import whodid
from tests.browser.workspace import Person
from tests.browsing import expect

pytestmark = pytest.mark.browser

FORMULA = '=HYPERLINK("http://evil.example","Click")'


def export(person: Person, name: str, folder: Path, *, proofs: bool = False) -> tuple[Path, int]:
    """Export what is on the page; return the file and how many entries the dialog said it has."""
    person.viewer.get_by_role("button", name="Export", exact=True).click()
    dialog = person.viewer.get_by_role("dialog", name="Export audit logs")
    dialog.get_by_role("radio", name=name).check()
    if proofs:
        dialog.get_by_label("With proofs, to be verified offline").check()
    with person.page.expect_download() as download:
        dialog.get_by_role("button", name="Download", exact=True).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    said = dialog.get_by_role("status")
    expect(said).to_contain_text(f"Your download has started: {path.name}")
    count = re.search(r"([\d,]+) entr(?:y|ies)\.$", said.inner_text())
    assert count is not None
    dialog.get_by_role("button", name="Close").click()
    return path, int(count[1].replace(",", ""))


def test_an_export_with_proofs_verifies_offline(owner: Person, tmp_path: Path) -> None:
    """As many rows as stated, good without any store, refused after one changed byte, and recorded itself."""
    owner.open_log()
    owner.page.get_by_role("button", name="30 days").click()
    owner.search("kind:delete")
    expected = owner.total()
    path, stated = export(owner, "JSON Lines", tmp_path, proofs=True)
    assert stated == expected > 0
    with path.open("rb") as file:
        lines = [json.loads(line) for line in file]
    assert sum("proof" in line for line in lines) == stated

    (shown,) = owner.items("entries?limit=1")
    key = owner.ask(f"entries/{shown['index']}/proof")["vkey"]
    checked = whodid("verify", path, "--key", key)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{stated:,}" in checked.stdout + checked.stderr
    unknown = whodid("verify", path)
    assert unknown.returncode == 5, unknown.stdout + unknown.stderr

    whole = path.read_bytes()
    place = whole.index(b"contact.deleted") + 3
    changed = tmp_path / "changed.ndjson"
    changed.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    refused = whodid("verify", changed, "--key", key)
    assert refused.returncode == 1, refused.stdout + refused.stderr

    owner.open_log()
    expect(owner.rows.first.locator(".s1")).to_contain_text("exported")
    expect(owner.rows.first.locator(".code")).to_have_text("audit.exported")
    drawer = owner.open_entry(owner.newest())
    expect(drawer).to_contain_text(f"{stated:,}")


def test_a_spreadsheet_gets_no_formula(owner: Person, tmp_path: Path) -> None:
    """A contact that is called like a formula is text in every cell of the file; the log itself keeps the name."""
    owner.create_contact(FORMULA, {"City": "+1+1", "Evidence": "@SUM(1)"})
    owner.page.get_by_role("link", name="See it in the audit log").click()
    owner.settled()
    expect(owner.rows.first.locator(".s1")).to_have_text(f"Aisha Khan created contact {FORMULA}")
    path, stated = export(owner, "CSV", tmp_path)
    assert stated == owner.total() == 1
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 1 + stated
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}]
    assert any("HYPERLINK" in cell for cell in cells)


@pytest.mark.parametrize("query", ["", "kind:create"])
def test_parquet_has_the_rows_of_the_page(owner: Person, tmp_path: Path, query: str) -> None:
    """Typed columns, as many rows as the page and the dialog say."""
    owner.open_log()
    owner.search(query)
    expected = owner.total()
    path, stated = export(owner, "Parquet", tmp_path)
    table = pq.read_table(path)
    assert table.num_rows == stated == expected
    assert {"action", "occurred_at"} <= set(table.column_names)
