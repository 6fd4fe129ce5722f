"""WhatsApp and its numbers: what people do here and what WhatsApp does by itself, as the log tells both apart."""

from __future__ import annotations

import pytest

from tests.browser.test_accessible import faults
from tests.browser.workspace import Person
from tests.browsing import expect

pytestmark = pytest.mark.browser

SIMULATOR = "/settings/whatsapp-simulator"
_SECRETS = {
    "Access token": "EAAGm0PX4ZCpsBAsecret0of0the0second0number001",
    "App secret": "the-app-secret-of-the-journey",
    "Webhook verify token": "the-verify-token-of-the-journey",
}


def play(person: Person, thing: str, act: str) -> None:
    """Press a button of the panel, in the part of a number or a template."""
    person.page.goto(SIMULATOR)
    person.page.get_by_role("form", name=thing).get_by_role("button", name=act).click()
    person.told("WhatsApp did it.")


def test_a_number_from_connecting_to_deletion(owner: Person) -> None:
    """Connected by a person, turned red and restricted by WhatsApp, deleted by a person; no secret is ever seen."""
    owner.go("WhatsApp accounts")
    owner.follow("Connect a number")
    typed = {"Name": "Journey line", "Phone number id": "775533", "Business account id": "443322"}
    owner.fill(typed | _SECRETS)
    owner.press("Connect number")
    owner.told("The number is connected.")
    play(owner, "Journey line", "Turn red")
    play(owner, "Journey line", "Restrict for a day")
    owner.go("WhatsApp accounts")
    expect(owner.page.get_by_role("row", name="Journey line")).to_contain_text("Restricted")
    owner.follow("Journey line")
    owner.press("Test the connection")
    owner.told("WhatsApp answered; nothing has changed there.")
    owner.follow("Delete")
    owner.page.get_by_label("In your own words").fill("The journey is over")
    owner.press("Delete account")
    owner.told("The account was deleted.")

    owner.open_log()
    told = (
        "Aisha Khan deleted WhatsApp account Journey line",
        "WhatsApp changed the status of WhatsApp account Journey line",
        "WhatsApp changed the status of WhatsApp account Journey line",
        "WhatsApp changed the quality of WhatsApp account Journey line",
        "Aisha Khan created WhatsApp account Journey line",
    )
    for at, sentence in enumerate(told):
        expect(owner.rows.nth(at).locator(".s1")).to_have_text(sentence)
    owner.open_entry(told[-1])
    assert owner.changes()["Quality"][-1] == "added green"
    shown = owner.drawer.inner_text()
    assert not [secret for secret in _SECRETS.values() if secret in shown]


def test_why_a_template_cannot_be_sent(owner: Person) -> None:
    """A person hands it in, WhatsApp approves it by itself and pauses it for low quality."""
    owner.go("Templates")
    owner.follow("New template")
    owner.fill({"Name": "journey_review", "Shown as": "Journey review", "Body": "The shop opens at nine."})
    owner.press("Send to review")
    owner.told("The template was sent to WhatsApp’s review.")
    expect(owner.page.get_by_text("In review")).to_be_visible()
    # It takes WhatsApp some seconds.
    for _ in range(30):
        owner.page.reload()
        if owner.page.get_by_text("Approved", exact=True).count():
            break
        owner.page.wait_for_timeout(500)
    play(owner, "journey_review", "Pause template")
    owner.go("Templates")
    owner.follow("Journey review")
    expect(owner.page.get_by_text("Paused until")).to_be_visible()

    owner.open_log()
    owner.search("resource:journey_review")
    told = [
        "WhatsApp changed the status of template journey_review",
        "WhatsApp changed the status of template journey_review",
        "Aisha Khan created template journey_review",
    ]
    for at, sentence in enumerate(told):
        expect(owner.rows.nth(at).locator(".s1")).to_have_text(sentence)
    expect(owner.rows.first.locator(".s2 q")).to_have_text("First pause, 3 hours")
    owner.open_row(owner.rows.first)
    assert owner.changes()["Status"] == ("removed approved", "added paused")


def test_a_person_stops_marketing_messages(owner: Person) -> None:
    """In WhatsApp; nobody here can lift it."""
    owner.create_contact("Journey Person", {"Phone": "+34 699 555 112"}, agreed=True)
    owner.page.goto(SIMULATOR)
    owner.fill({"Phone number of a contact": "+34 699 555 112"})
    owner.press("Stops marketing messages")
    owner.told("WhatsApp did it.")
    owner.find_contact("Journey Person")
    expect(owner.page.get_by_text("In WhatsApp", exact=True)).to_be_visible()
    owner.open_log()
    sentence = "WhatsApp changed the marketing consent of Journey Person"
    owner.open_entry(sentence)
    assert owner.changes()["Marketing consent"] == ("removed opted in", "added opted out")


@pytest.mark.parametrize("path", ["/settings/accounts", "/settings/accounts/new", SIMULATOR])
def test_axe_finds_nothing(owner: Person, path: str) -> None:
    """In light and dark."""
    for scheme in ("light", "dark"):
        owner.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        owner.page.goto(path)
        assert faults(owner) == [], scheme
