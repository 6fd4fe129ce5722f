"""A person at the workspace: what they click and type, and what they then see."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

from msgspec import Struct

from tests.browsing import BrowserContext, Locator, Page, Watch, expect

__all__ = ["Person", "Sendero"]

_ASK = """
async ([path, body]) => {
  const token = await document.querySelector("audit-log-viewer").getToken();
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const answer = await fetch(`/audit/v1/${path}`, { headers, method: body ? "POST" : "GET", body: body || undefined });
  return answer.json();
}
"""


class Sendero(Struct, frozen=True, kw_only=True):
    """The running workspace, its folder, and what its first start printed."""

    address: str
    data: Path
    email: str
    password: str


class Person:
    """Somebody with a browser of their own.

    Args:
        context: The profile of the browser.
        watch: What its pages complain about.
        sendero: The workspace.
    """

    def __init__(self, context: BrowserContext, watch: Watch, sendero: Sendero) -> None:
        self.context = context
        self.watch = watch
        self.sendero = sendero
        self.page: Page = context.new_page()

    # ------------------------------------------------------------------------------------------------ the workspace

    def sign_in(self, email: str, password: str) -> None:
        """Open the workspace and sign in."""
        self.page.goto("/")
        self.try_password(email, password)
        expect(self.page.get_by_role("button", name="Sign out").first).to_be_visible()

    def try_password(self, email: str, password: str) -> None:
        """Fill the form of the sign-in page and send it."""
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("main").get_by_role("button", name="Sign in").click()

    def sign_out(self) -> None:
        """Leave by the button at the foot of the navigation."""
        self.page.get_by_role("navigation", name="Workspace").get_by_role("button", name="Sign out").click()

    def go(self, link: str) -> None:
        """Follow a link of the navigation."""
        self.page.get_by_role("navigation", name="Workspace").get_by_role("link", name=link, exact=True).click()

    def follow(self, link: str) -> None:
        """Follow a link of the page."""
        self.page.get_by_role("main").get_by_role("link", name=link, exact=True).first.click()

    def press(self, button: str) -> None:
        """Press a button of the page."""
        self.page.get_by_role("main").get_by_role("button", name=button, exact=True).click()

    def fill(self, values: dict[str, str]) -> None:
        """Fill fields, by their labels."""
        for label, value in values.items():
            self.page.get_by_role("main").get_by_label(label).first.fill(value)

    def told(self, text: str) -> None:
        """See what the page says after an act."""
        expect(self.page.get_by_role("status").filter(has_text=text)).to_be_visible()

    def create_contact(self, name: str, values: dict[str, str] | None = None, *, agreed: bool = False) -> None:
        """Create a contact, from the list of contacts."""
        self.go("Contacts")
        self.follow("New contact")
        self.fill({"Name": name, **(values or {})})
        if agreed:
            self.page.get_by_label("This person agreed to marketing messages").check()
            self.page.get_by_label("Where").select_option("form")
            self.page.get_by_label("Evidence").fill("Web form")
        self.press("Create contact")
        self.told("The contact was created.")

    def find_contact(self, name: str) -> None:
        """Open the page of a contact, by the search of the list."""
        self.go("Contacts")
        self.page.get_by_role("searchbox", name="Search contacts").fill(name)
        self.page.keyboard.press("Enter")
        self.follow(name)

    def delete_contact(self, name: str, reason: str) -> None:
        """Delete a contact and say why."""
        self.find_contact(name)
        self.follow("Delete")
        self.page.get_by_label("In your own words").fill(reason)
        self.press("Delete contact")
        self.told("The contact was deleted.")

    def create_template(self, name: str, body: str) -> None:
        """Hand in a template, and have WhatsApp approve it at once, by the panel of the simulator."""
        self.go("Templates")
        self.follow("New template")
        self.fill({"Name": name, "Shown as": name, "Body": body})
        self.press("Send to review")
        self.told("The template was sent to WhatsApp’s review.")
        self.simulate(name, "Approve now")

    def simulate(self, thing: str, act: str) -> None:
        """Make WhatsApp do something with a number or a template, by the panel of the simulator."""
        self.go("WhatsApp accounts")
        self.follow("WhatsApp simulator")
        self.page.get_by_role("form", name=thing).get_by_role("button", name=act).click()
        self.told("WhatsApp did it.")

    def invite(self, name: str, role: str) -> tuple[str, str]:
        """Invite a person and return the address and the first password."""
        email = f"{name.split(maxsplit=1)[0].lower()}@casalumen.es"
        self.go("Users")
        self.follow("Invite a person")
        self.fill({"Name": name, "E-mail": email})
        self.page.get_by_label("Role").select_option(label=role)
        self.press("Invite")
        return email, self.page.locator("code.big").inner_text()

    def change_password(self, present: str, chosen: str) -> None:
        """Fill the form in which people choose a password, and send it."""
        for label, value in (("Present password", present), ("New password", chosen), ("New password again", chosen)):
            self.page.get_by_label(label, exact=True).fill(value)
        self.press("Change password")
        self.told("Your password was changed")

    # ------------------------------------------------------------------------------------------------ the audit log

    @property
    def viewer(self) -> Locator:
        """The viewer on the page."""
        return self.page.locator("audit-log-viewer")

    @property
    def rows(self) -> Locator:
        """The entries that are listed, without those of detection, which come by themselves a second after others."""
        return self.viewer.locator(".list .row[data-index]").filter(has_not_text="Detection raised an alert")

    @property
    def drawer(self) -> Locator:
        """The open entry."""
        return self.viewer.locator(".drawer")

    @property
    def foot(self) -> Locator:
        """How many entries the list says there are."""
        return self.viewer.locator(".foot > .num")

    def open_log(self) -> None:
        """Go to Settings → Audit logs."""
        self.go("Audit logs")
        self.settled()

    def settled(self) -> None:
        """Wait until the list answers the present filters: with entries, with none, or with what is wrong."""
        answered = self.viewer.locator(".foot > .num").filter(has_text=re.compile(r"\d"))
        expect(answered.or_(self.viewer.locator(".empty, .wrong")).first).to_be_visible()
        expect(self.viewer.locator(".list.dim, .bone")).to_have_count(0)

    def newest(self, at: int = 0) -> str:
        """Return the sentence of an entry, counted from the newest."""
        return (self.rows.nth(at).locator(".s1").text_content() or "").strip()

    def row(self, sentence: str) -> Locator:
        """Return the newest entry with exactly this sentence."""
        return self.rows.filter(has=self.page.locator(".s1").get_by_text(sentence, exact=True)).first

    def open_entry(self, sentence: str) -> Locator:
        """Click an entry of the list and wait until all of it is there."""
        return self.open_row(self.row(sentence))

    def open_row(self, row: Locator) -> Locator:
        """Click a row beside its links and wait until all of the entry is there."""
        row.locator(".hit").click(position={"x": 6, "y": 6})
        expect(self.drawer.get_by_role("tablist")).to_be_visible()
        return self.drawer

    def close_entry(self) -> None:
        """Press Escape and wait until the details are gone."""
        self.page.keyboard.press("Escape")
        expect(self.drawer).to_have_count(0)

    def search(self, text: str) -> None:
        """Type into the search field and press Enter."""
        self.viewer.get_by_label("Search audit logs").fill(text)
        self.page.keyboard.press("Enter")
        self.settled()

    def choose(self, menu: str, option: str, typed: str = "", *, only: bool = False) -> None:
        """Open a menu of the filter bar, tick an option (alone, if wished), and close the menu again."""
        self.viewer.get_by_role("button", name=menu, exact=True).click()
        panel = self.viewer.get_by_role("dialog", name=menu)
        if typed:
            panel.get_by_role("textbox").fill(typed)
        if only:
            panel.get_by_role("button", name=f"Only {option}", exact=True).click()
        else:
            named = self.page.locator("bdi").get_by_text(option, exact=True)
            panel.locator(".opt").filter(has=named).first.get_by_role("checkbox").check()
        self.page.keyboard.press("Escape")
        expect(panel).to_be_hidden()
        self.settled()

    def total(self) -> int:
        """Return the number of entries that the foot of the list tells."""
        return int(self.foot.inner_text().replace(",", "").replace("All", "").split("of")[-1].split()[0])

    def ask(self, path: str, body: str = "") -> Any:
        """Ask the API with the reader's own token."""
        return self.page.evaluate(_ASK, [path, body])

    def address(self) -> str:
        """Return the address that the browser shows, without the server."""
        return self.page.url.removeprefix(self.sendero.address)

    def changes(self) -> dict[str, tuple[str, ...]]:
        """Return the changed fields of the open entry: before and after, or what was added and removed."""
        found: dict[str, tuple[str, ...]] = {}
        for block in self.drawer.locator(".diff .fr").all():
            texts = block.locator(".ba .val, .set > *, .txt, .red").all_inner_texts()
            found[block.locator(".fn b").inner_text()] = tuple(" ".join(text.split()) for text in texts)
        return found

    def tab(self, name: str) -> Locator:
        """Choose a tab of the open entry and return its panel."""
        self.drawer.get_by_role("tab", name=name).click()
        return self.drawer.get_by_role("tabpanel")

    def items(self, path: str) -> list[dict[str, Any]]:
        """Return the entries of one answer of the API."""
        return cast("list[dict[str, Any]]", self.ask(path)["items"])
