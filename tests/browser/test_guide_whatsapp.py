"""The user guide, row by row: accounts, templates, contacts and campaigns, done on the pages and read in the log."""

from __future__ import annotations

import pytest

from tests.browser.guide import OWNER, Told, read
from tests.browser.workspace import Person
from tests.browsing import expect

pytestmark = pytest.mark.browser


def test_accounts(owner: Person) -> None:
    """Account: created, updated, deleted."""
    owner.go("WhatsApp accounts")
    owner.follow("Connect a number")
    owner.fill(
        {
            "Name": "Guide line",
            "Phone number id": "886644",
            "Business account id": "332211",
            "Access token": "EAAGm0PX4ZCpsBAsecret0of0the0number0of0guide1",
            "App secret": "the-app-secret-of-the-guide",
            "Webhook verify token": "the-verify-token-of-the-guide",
        }
    )
    owner.press("Connect number")
    owner.told("The number is connected.")
    owner.follow("Edit")
    owner.page.get_by_label("Send read receipts").check()
    owner.press("Save account")
    owner.told("The account was saved.")
    owner.follow("Delete")
    owner.page.get_by_label("No longer used").check()
    owner.press("Delete account")
    owner.told("The account was deleted.")

    read(
        owner,
        "WhatsApp account",
        Told(
            action="account.created",
            kind="create",
            sentence=f"{OWNER} created WhatsApp account Guide line",
            resource="Guide line",
            second="quality green",
            changes={"Name": ("empty", "added Guide line")},
        ),
        Told(
            action="account.updated",
            kind="update",
            sentence=f"{OWNER} updated WhatsApp account Guide line",
            resource="Guide line",
            changes={"Read receipts": ("removed no", "added yes")},
        ),
        Told(
            action="account.deleted",
            kind="delete",
            sentence=f"{OWNER} deleted WhatsApp account Guide line",
            resource="Guide line",
            second="No longer used",
        ),
    )


def test_templates(owner: Person) -> None:
    """Template: created, edited, deleted."""
    owner.create_template("guide_hours", "The shop opens at nine.")
    owner.go("Templates")
    owner.follow("guide_hours")
    owner.follow("Edit")
    owner.fill({"Body": "The shop opens at ten."})
    owner.press("Send to review")
    owner.told("The template was sent to WhatsApp’s review.")
    owner.simulate("guide_hours", "Approve now")
    owner.go("Templates")
    owner.follow("guide_hours")
    owner.follow("Delete")
    owner.page.get_by_label("In your own words").fill("The hours stand on the door")
    owner.press("Delete template")
    owner.told("The template was deleted.")

    read(
        owner,
        "Template",
        Told(
            action="template.created",
            kind="create",
            sentence=f"{OWNER} created template guide_hours",
            resource="guide_hours",
        ),
        Told(
            action="template.edited",
            kind="update",
            sentence=f"{OWNER} edited template guide_hours",
            resource="guide_hours",
            changes={"Status": ("removed approved", "added pending")},
        ),
        Told(
            action="template.deleted",
            kind="delete",
            sentence=f"{OWNER} deleted template guide_hours",
            resource="guide_hours",
            second="The hours stand on the door",
        ),
    )


def test_contacts(owner: Person) -> None:
    """Contact: created, updated, deleted, merged."""
    owner.create_contact("Guide Survivor", {"Phone": "+34 600 777 001", "City": "Toledo"})
    owner.follow("Edit")
    owner.fill({"City": "Cuenca", "Tags": "guide"})
    owner.press("Save contact")
    owner.told("The contact was saved.")
    owner.create_contact("Guide Double", {"Phone": "+34 600 777 001", "City": "Soria"})
    owner.find_contact("Guide Survivor")
    owner.follow("Compare with Guide Double")
    owner.press("Merge contacts")
    owner.told("The two contacts are one now.")
    owner.delete_contact("Guide Survivor", "Asked to be removed, ticket #2231")

    read(
        owner,
        "Contact",
        Told(
            action="contact.created",
            kind="create",
            sentence=f"{OWNER} created contact Guide Survivor",
            resource="Guide Survivor",
            changes={"City": ("empty", "added Toledo"), "Phone": ("empty", "added +34600777001")},
        ),
        Told(
            action="contact.updated",
            kind="update",
            sentence=f"{OWNER} updated contact Guide Survivor",
            resource="Guide Survivor",
            second="City Toledo → Cuenca",
            changes={"City": ("removed Toledo", "added Cuenca"), "Tags": ("added + guide",)},
        ),
        Told(
            action="contact.merged",
            kind="update",
            sentence=f"{OWNER} merged contact Guide Double into Guide Survivor",
            resource="Guide Survivor",
        ),
        Told(
            action="contact.deleted",
            kind="delete",
            sentence=f"{OWNER} deleted contact Guide Survivor",
            resource="Guide Survivor",
            second="Asked to be removed, ticket #2231",
            changes={"City": ("removed Cuenca", "empty")},
        ),
    )


def start_campaign(owner: Person, name: str, phones: str) -> None:
    """Start a campaign to three people, one message a minute, with a template and a segment of its own."""
    tag = name.lower().replace(" ", "_")
    owner.go("Workspace settings")
    owner.page.get_by_label("Quiet from").select_option(label="Never quiet")
    owner.page.get_by_label("Quiet until").select_option(label="Never quiet")
    owner.press("Save settings")
    owner.create_template(tag, "The new lamps are here.")
    for at in range(3):
        owner.create_contact(f"{name} {at}", {"Phone": f"{phones}{at}", "Tags": tag}, agreed=True)
    owner.go("Segments")
    owner.follow("New segment")
    owner.fill({"Name": f"Segment of {name}", "With tags": tag})
    owner.press("Create segment")
    owner.told("The segment was created.")
    owner.go("Campaigns")
    owner.follow("New campaign")
    owner.fill({"Name": name, "Messages a minute": "1"})
    chosen = owner.page.locator("option", has_text=tag).first.inner_text()
    owner.page.get_by_label("Template", exact=True).select_option(label=chosen)
    owner.page.get_by_label("Segment", exact=True).select_option(label=f"Segment of {name}")
    owner.press("Create draft")
    owner.told("The campaign is a draft now: nothing is sent yet.")
    owner.follow("Start now")
    expect(owner.page.get_by_text("3 people get it.")).to_be_visible()
    owner.press("Start now")
    owner.told("The campaign has started.")


def test_campaigns(owner: Person) -> None:
    """Campaign: created, started, paused, cancelled."""
    start_campaign(owner, "Guide walk", "+34 600 777 11")
    owner.follow("Pause")
    owner.page.get_by_label("Why?").fill("A typo in the offer")
    owner.press("Pause campaign")
    owner.told("The campaign is paused")
    owner.follow("Cancel campaign")
    owner.page.get_by_label("Why?").fill("Wrong audience")
    owner.press("Cancel campaign")
    owner.told("The campaign was cancelled")

    read(
        owner,
        "Campaign",
        Told(
            action="campaign.created",
            kind="create",
            sentence=f"{OWNER} created campaign Guide walk",
            resource="Guide walk",
            second="Audience: 3 people",
        ),
        Told(
            action="campaign.started",
            kind="status",
            sentence=f"{OWNER} started campaign Guide walk",
            resource="Guide walk",
            changes={"Status": ("removed draft", "added running")},
        ),
        Told(
            action="campaign.paused",
            kind="status",
            sentence=f"{OWNER} paused campaign Guide walk",
            resource="Guide walk",
            second="A typo in the offer",
            changes={"Status": ("removed running", "added paused")},
        ),
        Told(
            action="campaign.cancelled",
            kind="status",
            sentence=f"{OWNER} cancelled campaign Guide walk",
            resource="Guide walk",
            second="Wrong audience",
            changes={"Status": ("removed paused", "added cancelled")},
        ),
    )


def test_why_did_the_campaign_stop(owner: Person) -> None:
    """WhatsApp pauses the template; the campaign says why, one click leads to the entry, and another to its cause."""
    start_campaign(owner, "Guide stop", "+34 600 777 22")
    owner.simulate("guide_stop", "Pause template")
    owner.go("Campaigns")
    owner.follow("Guide stop")
    why = owner.page.locator(".stopped")
    expect(why).to_contain_text("The campaign guard paused this campaign on")
    expect(why).to_contain_text("WhatsApp paused the template for low quality.")
    campaign = owner.address()

    owner.follow("See it in the audit log")
    expect(owner.drawer.get_by_role("heading", level=2)).to_have_text("Campaign guard paused campaign Guide stop")
    told = owner.drawer.locator(".why")
    expect(told).to_contain_text("Why it stopped")
    expect(told).to_contain_text("guide_stop")
    told.get_by_role("link", name="See the entry that caused this").click()
    cause = "WhatsApp changed the status of template guide_stop"
    expect(owner.drawer.get_by_role("heading", level=2)).to_have_text(cause)
    assert owner.changes()["Status"] == ("removed approved", "added paused")

    owner.page.goto(campaign)
    owner.follow("See what caused it")
    expect(owner.drawer.get_by_role("heading", level=2)).to_have_text(cause)

    read(
        owner,
        "Campaign",
        Told(
            action="campaign.paused",
            kind="status",
            sentence="Campaign guard paused campaign Guide stop",
            resource="Guide stop",
            changes={"Status": ("removed running", "added paused")},
        ),
        actor="Campaign guard",
    )
