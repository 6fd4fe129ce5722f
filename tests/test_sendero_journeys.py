"""Journeys through the pages of people and contacts in a real browser, and through a real provider of sign-ons."""

from __future__ import annotations

import re
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
import uvicorn
from msgspec import structs

from sendero.fetching import Fetcher
from sendero.jobs import Jobs
from sendero.tables import Contact, User
from tests.browsing import Browser, Page, expect, watched
from tests.lumen import PASSWORD, Lumen, email, lumen
from tests.oidc_running import free_port, provider
from tests.oidc_server import CLIENT, SECRET
from tests.oidc_server import PASSWORD as THEIRS

__all__ = ["lumen", "provider"]

pytestmark = pytest.mark.browser

CHOSEN = "noon light on the stairs"


@contextmanager
def served(lumen: Lumen) -> Iterator[str]:
    """Serve a workspace and do its jobs; its clock goes on from the present."""
    lumen.now = datetime.now(UTC)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    lumen.home.settings = structs.replace(lumen.home.settings, url=address, private_sso=True)
    lumen.home.fetch = Fetcher(private=True)
    config = uvicorn.Config(lumen.app, host="127.0.0.1", port=port, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        with Jobs(lumen.home):
            yield address
    finally:
        server.should_exit = True
        thread.join(10)


def sign_in(page: Page, who: str, password: str = PASSWORD) -> None:
    """Sign in with a password."""
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill(who)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("button", name="Sign out").first).to_be_visible()


def test_single_sign_on_at_a_real_provider(lumen: Lumen, chromium: Browser, provider: str) -> None:
    """Set up by the form, tried by somebody new, enforced; a stranger of the same provider stays outside."""
    with served(lumen) as address, watched(chromium, address) as (context, _):
        page = context.new_page()
        sign_in(page, email("Owner"))
        page.goto("/settings/sso/new")
        page.get_by_label("Name").fill("Lumen Login")
        page.get_by_label("Provider").select_option("oidc")
        page.get_by_label("Issuer").fill(f"{provider}/o")
        page.get_by_label("Client id").fill(CLIENT)
        page.get_by_label("Client secret").fill(SECRET)
        page.get_by_label("Domains", exact=True).fill("lumen.example")
        page.get_by_label("Create people of these domains").check()
        page.get_by_role("button", name="Set up").click()
        expect(page.get_by_role("status")).to_contain_text("The connection was set up.")
        redirect_uri = page.locator("code.mono").inner_text()
        assert redirect_uri.startswith(f"{address}/sign-in/sso/sso_")
        urllib.request.urlopen(f"{provider}/register?redirect_uri={quote(redirect_uri)}").close()

        for person, heading in (("nadia", "Contacts"), ("stranger", "Sign in to Casa Lumen")):
            with watched(chromium, address) as (other, watch):
                watch.foresee(re.escape(provider))
                watch.foresee("status of 422")
                visitor = other.new_page()
                visitor.goto("/contacts")
                visitor.get_by_role("link", name="Sign in with Lumen Login").click()
                visitor.get_by_label("User").fill(person)
                visitor.get_by_label("Secret").fill(THEIRS)
                visitor.get_by_role("button", name="Let me in").click()
                expect(visitor.get_by_role("heading", level=1, name=heading)).to_be_visible()
                if person == "stranger":
                    expect(visitor.get_by_role("alert")).to_contain_text("does not belong to your company")

        page.reload()
        page.get_by_label("Refuse passwords of these domains").check()
        page.get_by_role("button", name="Save connection").click()
        expect(page.get_by_role("status")).to_contain_text("The connection was saved.")

    nadia: User = lumen.row(User, email="nadia@lumen.example")
    assert (nadia.name, nadia.auth_provider, nadia.role.name) == ("Nadia Haddad", "oidc", "Agent")
    signed = lumen.entry("action:auth.sso_login")
    assert (signed.actor.id, (signed.details or {})["auto_provisioned"]) == (nadia.id, True)
    failed = lumen.entry("action:auth.login_failed")
    assert ((failed.details or {})["cause"], (failed.details or {})["check"]) == ("sso_mismatch", "domain")
    assert [entry.action for entry in lumen.entries()] == ["sso.updated", "user.created", "sso.created"]


def test_importing_and_exporting(lumen: Lumen, chromium: Browser) -> None:
    """A file is chosen, its columns confirmed, the page counts until the job is done; a file comes out again."""
    rows = "".join(f"Person {n};+346{n:08};Madrid\n" for n in range(600))
    content = f"Nombre;Teléfono;Ciudad\n{rows}Rota;12;Madrid\n".encode("cp1252")
    with served(lumen) as address, watched(chromium, address) as (context, _):
        page = context.new_page()
        sign_in(page, email("Manager"))
        page.get_by_role("link", name="Import", exact=True).click()
        page.get_by_label("File").set_input_files({"name": "clientes.csv", "mimeType": "text/csv", "buffer": content})
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_text("601 rows · CP1252 · semicolon")).to_be_visible()
        expect(page.get_by_label("Nombre")).to_have_value("name")
        expect(page.get_by_label("Teléfono")).to_have_value("phone_e164")
        page.get_by_role("button", name="Start the import").click()
        expect(page.get_by_role("heading", name="Done")).to_be_visible(timeout=60_000)
        expect(page.get_by_text("Line 602")).to_be_visible()

        page.goto("/contacts?q=Person 59")
        page.get_by_role("link", name="Export", exact=True).click()
        for _ in range(2):  # the page stays, and can send the file again
            with page.expect_download() as download:
                page.get_by_role("button", name="Export as CSV").click()
            text = Path(download.value.path()).read_text("utf-8-sig")
            assert "\nPerson 59,+34600000059,," in text
            assert len(text.splitlines()) == 1 + 16
    with lumen.home.session() as session:
        assert session.query(Contact).filter(Contact.source == "import").count() == 600


def test_forgotten_and_found_again(lumen: Lumen, chromium: Browser) -> None:
    """From the sign-in page over the mail to a new password; the other browser is out."""
    with (
        served(lumen) as address,
        watched(chromium, address) as (elsewhere, _),
        watched(chromium, address) as (context, _),
    ):
        other = elsewhere.new_page()
        sign_in(other, email("Agent"))
        page = context.new_page()
        page.goto("/sign-in")
        page.get_by_role("link", name="Forgot your password?").click()
        page.get_by_label("E-mail").fill(email("Agent"))
        page.get_by_role("button", name="Send the link").click()
        expect(page.get_by_role("status")).to_contain_text("a mail is on its way")
        folder = lumen.home.settings.data / "mail"
        patience = time.monotonic() + 15
        while not (found := list(folder.glob("*.eml"))) and time.monotonic() < patience:
            time.sleep(0.1)
        link = re.search(rf"{address}/reset/[\w-]+", found[0].read_text())
        assert link is not None
        page.goto(link[0])
        page.get_by_label("New password", exact=True).fill(CHOSEN)
        page.get_by_label("New password again").fill(CHOSEN)
        page.get_by_role("button", name="Choose this password").click()
        expect(page.get_by_role("status")).to_contain_text("Your password was changed. Sign in with it.")
        sign_in(page, email("Agent"), CHOSEN)
        other.reload()
        expect(other.get_by_role("heading", level=1)).to_contain_text("Sign in")


def test_ending_sessions_and_erasing(lumen: Lumen, chromium: Browser) -> None:
    """One button ends the session of another browser; a person is erased, and the page says what stays."""
    with (
        served(lumen) as address,
        watched(chromium, address) as (elsewhere, _),
        watched(chromium, address) as (context, _),
    ):
        other = elsewhere.new_page()
        sign_in(other, email("Admin"))
        page = context.new_page()
        sign_in(page, email("Admin"))
        page.goto("/me")
        page.get_by_role("button", name=re.compile(r"^End\s*:")).click()
        expect(page.get_by_role("status")).to_contain_text("The session was ended.")
        other.reload()
        expect(other.get_by_role("heading", level=1)).to_contain_text("Sign in")

        page.goto(f"/contacts/{lumen.juan.id}")
        page.get_by_label("New note").fill("Prefers evenings")
        page.get_by_role("button", name="Add note").click()
        expect(page.get_by_text("Prefers evenings")).to_be_visible()
        page.get_by_role("link", name="Erase for good").click()
        expect(page.get_by_text("lose name and values within a minute")).to_be_visible()
        page.get_by_label("Request").fill("#2244")
        page.get_by_text("The person asked for it").click()
        page.get_by_role("button", name="Erase for good").click()
        expect(page.get_by_role("status")).to_contain_text("The contact was erased for good.")
    assert lumen.entry("action:contact.erased").severity == "critical"
