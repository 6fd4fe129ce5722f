"""Templates, people, roles and secrets: what administrators do, as the log tells it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.browser.test_exports import export
from tests.browser.workspace import Person
from tests.browsing import expect

pytestmark = pytest.mark.browser

SECRET = "EAAGm0PX4ZCpsBAsecret0of0the0journey0000000042"


def test_a_template_from_draft_to_deletion(owner: Person) -> None:
    """Created, edited and deleted: three sentences, the words that changed, and why it went."""
    owner.go("Templates")
    owner.follow("New template")
    owner.fill({"Name": "journey_offer", "Shown as": "Journey offer", "Body": "Hello, the shop opens at nine."})
    owner.press("Save draft")
    owner.told("The template was created.")
    owner.follow("Edit")
    owner.fill({"Body": "Hello, the shop opens at ten today."})
    owner.press("Save draft")
    owner.told("The template was saved.")
    owner.follow("Delete")
    owner.page.get_by_label("In your own words").fill("Nobody needs it")
    owner.press("Delete template")
    owner.told("The template was deleted.")

    owner.open_log()
    told = [f"Aisha Khan {what} template journey_offer" for what in ("deleted", "edited", "created")]
    for at, sentence in enumerate(told):
        expect(owner.rows.nth(at).locator(".s1")).to_have_text(sentence)
    expect(owner.rows.first.locator(".s2 q")).to_have_text("Nobody needs it")
    owner.open_entry("Aisha Khan edited template journey_offer")
    text = owner.drawer.locator(".diff .fr").filter(has_text="Body").locator(".txt, .ba")
    expect(text.locator("del").first).to_contain_text("nine")
    expect(text.locator("ins").first).to_contain_text("ten")


def test_roles_of_people_and_what_roles_may(owner: Person) -> None:
    """A person gets another role, a role gets another permission; both say what was and what is."""
    owner.go("Users")
    owner.follow("Sofía Prieto")
    owner.page.get_by_label("What this person may do").select_option(label="Agent")
    owner.press("Change role")
    owner.told("The role was changed; it acts at once.")
    owner.open_log()
    assert owner.newest() == "Aisha Khan changed the role of Sofía Prieto"
    owner.open_entry(owner.newest())
    assert owner.changes()["Role"] == ("removed Manager", "added Agent")
    assert "removed − contacts:delete" in owner.changes()["Permissions"]
    owner.close_entry()

    owner.go("Roles")
    owner.follow("Marketing")
    area = owner.page.get_by_role("group", name="Contacts")
    area.get_by_role("checkbox", name="Delete").check()
    owner.press("Save role")
    owner.told("The role was saved")
    owner.open_log()
    assert owner.newest() == "Aisha Khan changed role Marketing"
    owner.open_entry(owner.newest())
    assert owner.changes() == {"Permissions": ("added + contacts:delete",)}


def test_a_secret_is_nowhere_and_its_change_is(owner: Person, tmp_path: Path) -> None:
    """A replaced token is told by two fingerprints; the token itself is in no page, no answer and no file."""
    seen: list[str] = []
    owner.go("WhatsApp accounts")
    owner.follow("Casa Lumen Shop")
    owner.follow("Replace access token")
    owner.page.get_by_label("New access token").fill(SECRET)
    owner.page.get_by_label("In your own words").fill("Yearly rotation")
    owner.press("Replace token")
    owner.told("The access token was replaced.")
    seen.append(owner.page.content())

    owner.open_log()
    sentence = owner.newest()
    assert "Casa Lumen Shop" in sentence
    owner.open_entry(sentence)
    pill = owner.drawer.locator(".fr", has_text="Access token").locator(".red")
    expect(pill).to_contain_text("Hidden before it was stored")
    prints = pill.locator("[title]").evaluate_all("prints => prints.map(one => one.title)")
    assert len(prints) == 2
    assert prints[0] != prints[1]
    expect(owner.drawer.locator(".fr", has_text="Access token").locator(".tag")).to_have_text("changed")
    seen.append(owner.viewer.evaluate("viewer => viewer.shadowRoot.innerHTML"))
    seen.append(owner.tab("JSON").inner_text())
    assert all(one in seen[-1] for one in prints)
    index = owner.rows.first.get_attribute("data-index")
    seen.append(json.dumps(owner.ask(f"entries/{index}")))
    owner.tab("Proof")
    seen.append(json.dumps(owner.ask(f"entries/{index}/proof")))
    owner.close_entry()
    owner.search(f"index:{index}")
    for name in ("JSON Lines", "CSV", "Parquet"):
        path, stated = export(owner, name, tmp_path)
        assert stated == 1
        seen.append(path.read_bytes().decode("latin-1"))
    stored = (file for file in owner.sendero.data.rglob("*") if file.is_file() and ".db" in str(file))
    seen += [file.read_bytes().decode("latin-1") for file in stored]
    hidden = re.compile(f"{SECRET}|{SECRET[8:30]}")
    assert not [at for at, text in enumerate(seen) if hidden.search(text)]
