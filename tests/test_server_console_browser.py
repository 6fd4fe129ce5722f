"""The console in a real browser: an operator's tour by mouse and by keyboard, under its policy, in every size."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from msgspec.structs import replace

from tests import oidc_running
from tests.browsing import Browser, Page, expect, watched
from tests.listening import listening
from tests.oidc_running import free_port
from tests.oidc_server import CLIENT as REAL_CLIENT
from tests.oidc_server import PASSWORD
from tests.oidc_server import SECRET as REAL_SECRET
from tests.serving import HOME, MARIA, SECRET, Clock, open_log
from whodid import Actor, Log
from whodid.retention import read_policy
from whodid.server import asgi
from whodid.server.console import Console
from whodid.server.keys import KeyRing
from whodid.sinks import Quarantined, Sinks, generate_secret
from whodid.sinks.position import read_position, swap_position

pytestmark = pytest.mark.browser
provider = oidc_running.provider

AISHA = Actor(type="user", id="usr_aisha", name="Aisha Khan", role="Operator")
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RULES = {"runOnly": {"type": "tag", "values": LEVELS}}


@dataclass
class Bed:
    """A server with the story in it."""

    log: Log
    console: Console
    address: str

    def link(self) -> str:
        """Make a sign-in link."""
        return f"{self.address}/console#code={self.console.invite(None, viewer=AISHA, operator=True)}"


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    """Serve the story with keys of every state, twenty days later."""
    clock = Clock()
    with open_log(clock) as log:
        ring = KeyRing(log, HOME, actor=MARIA)
        ring.rotate(ring.create("CRM sync", scopes=("write", "read"), rate=500).key.id)
        ring.revoke(ring.create("Old website widget").key.id)
        ring.create("A key with a long name that has to be broken over several lines on a telephone", scopes=("admin",))
        fill(log)
        clock.advance(days=20)
        console = Console(secret=SECRET, clock=clock)
        with listening(asgi(log, secret=SECRET, console=console)) as address:
            yield Bed(log, console, address)


def fill(log: Log) -> None:
    """Add a sink that is failing, with two entries in quarantine, and one that is paused."""
    sinks = Sinks(log, HOME, actor=MARIA)
    address = "https://a-receiver-with-a-long-name.security.example.com/services/collector/audit"
    sink = sinks.add("A SIEM with a long name that has to be broken on a telephone", "otlp", address, start=0)
    old = read_position(log, HOME, sink.id)
    assert old is not None
    fault = f"The receiver answered 422: “{'field_too_long_' * 12}”"
    refused = tuple(Quarantined(index=at, id=str(at), at=log.now(), fault=fault) for at in range(2))
    new = replace(old, next=3, refused=2, quarantine=refused, attempts=1, fault=fault, failing_since=log.now())
    swap_position(log, HOME, sink.id, old, new)
    sinks.add("off", "webhook", "https://hooks.example.com", kept=generate_secret())
    sinks.pause("off")


@contextmanager
def operator(chromium: Browser, bed: Bed, **options: Any) -> Iterator[Page]:
    """Open a page that is signed in; whatever it complains about fails the test."""
    with watched(chromium, bed.address, **options) as (context, watch):
        watch.foresee("status of 422")
        page = context.new_page()
        page.goto(bed.link())
        expect(page.get_by_role("heading", name="Workspaces", exact=True)).to_be_visible()
        yield page
        page.goto("about:blank")


def test_an_operator_s_tour(bed: Bed, chromium: Browser) -> None:
    """From the link to a key that is shown once, rotated and revoked, retention with its preview, the log, and out."""
    with operator(chromium, bed, permissions=["clipboard-read", "clipboard-write"]) as page:
        assert "code" not in page.url
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("link", name=HOME).click()

        page.get_by_text("New key").click()
        page.get_by_label("Name", exact=True).fill("Billing")
        page.get_by_label("read", exact=False).first.check()
        page.get_by_role("button", name="Make the key").click()
        text = page.get_by_label("Key", exact=True).input_value()
        assert text.startswith("wk_")
        page.get_by_role("button", name="Copy").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == text
        page.reload()
        expect(page.get_by_label("Key", exact=True)).to_have_count(0)

        page.get_by_role("link", name="Billing").click()
        page.get_by_label("This key stays good for").select_option(label="an hour")
        page.get_by_role("button", name="Make the new key").click()
        expect(page.get_by_text("The key that it follows is good until 2026-12-10 15:00 UTC.")).to_be_visible()
        page.get_by_role("link", name="Billing").first.click()
        page.get_by_role("button", name="Revoke this key").click()
        expect(page.get_by_role("status")).to_have_text("The key is revoked.")

        page.get_by_role("link", name="Change retention").click()
        page.get_by_label("Keep entries for").fill("10")
        page.get_by_role("button", name="Show what would go").click()
        expect(page.get_by_role("status")).to_contain_text("entries would lose their content")
        page.get_by_role("button", name="Save retention").click()
        expect(page.get_by_role("alert")).to_contain_text("A reason is missing")
        page.get_by_label("Reason").fill("The board decided so")
        page.get_by_role("button", name="Save retention").click()
        expect(page.get_by_role("status")).to_have_text("The retention is saved.")

        page.get_by_role("link", name="Open audit log").click()
        expect(page.get_by_text("changed the retention of the audit log").first).to_be_visible()
        page.get_by_role("link", name=HOME).click()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        page.goto(f"{bed.address}/console/workspaces/{HOME}")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert read_policy(bed.log, HOME).days == 10
    acts = bed.log.find(HOME, "actor:usr_aisha").entries
    assert [entry.action for entry in acts if entry.action != "audit.viewer_opened"] == [
        "audit.retention_changed",
        "api_key.revoked",
        "api_key.created",
        "api_key.created",
    ]


def test_by_keyboard_alone(bed: Bed, chromium: Browser) -> None:
    """Past the bar, through a form and back, without a mouse."""
    with operator(chromium, bed) as page:
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_role("searchbox")).to_be_focused()
        page.keyboard.type("home")
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="wsp_away")).to_have_count(0)
        page.get_by_role("link", name=HOME).focus()
        page.keyboard.press("Enter")
        page.get_by_text("New key").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.type("By keyboard")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="The key By keyboard is made")).to_be_visible()


def test_a_used_link_says_so(bed: Bed, chromium: Browser) -> None:
    """And what to do about it."""
    link = bed.link()
    for text in ("Workspaces", "Sign in"):
        with watched(chromium, bed.address) as (context, watch):
            watch.foresee("status of 403")
            page = context.new_page()
            page.goto(link)
            expect(page.get_by_role("heading", name=text, exact=True)).to_be_visible()
            if text == "Sign in":
                expect(page.get_by_role("alert")).to_contain_text("was used before, or is too old")
                expect(page.get_by_role("alert")).to_contain_text("whodid serve --link")
            page.goto("about:blank")


def test_signing_in_at_a_real_provider(provider: str, chromium: Browser, tmp_path: Path) -> None:
    """As its user does: the program with its settings, a provider of another site, its page, and in."""
    port, store, held = free_port(), f"sqlite:///{tmp_path}/audit.db", tmp_path / "client.secret"
    open_log(Clock(), store).close()
    held.write_text(REAL_SECRET)
    held.chmod(0o600)
    # By this name the console is another site than the provider, as it is anywhere else.
    address = f"http://localhost:{port}"
    settings = {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "WHODID_SERVE_URL": address,
        "WHODID_SERVE_OIDC_ISSUER": f"{provider}/o",
        "WHODID_SERVE_OIDC_CLIENT_ID": REAL_CLIENT,
        "WHODID_SERVE_OIDC_SECRET_FILE": str(held),
        "WHODID_SERVE_OIDC_OPERATORS": "somebody@lumen.example nadia@lumen.example",
    }
    httpx2.get(f"{provider}/register", params={"redirect_uri": f"{address}/console/oidc/return"}).raise_for_status()
    command = [sys.executable, "-m", "whodid", "serve", "--store", store, "--host", "localhost", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | settings) as process:
        try:
            assert process.stderr is not None
            assert [process.stderr.readline() for _ in range(4)][2].split() == ["Console", f"{address}/console"]
            for person, entered in (("stranger", False), ("nadia", True)):
                with watched(chromium, address) as (context, watch):
                    watch.foresee("was asked for|status of 403|status of 404")
                    page = context.new_page()
                    page.goto(f"{address}/console")
                    page.get_by_role("link", name="Continue with single sign-on").click()
                    page.get_by_label("User").fill(person)
                    page.get_by_label("Secret").fill(PASSWORD)
                    page.get_by_role("button", name="Let me in").click()
                    if not entered:
                        expect(page.get_by_text("The single sign-on did not let you in.")).to_be_visible()
                        continue
                    expect(page.get_by_role("heading", name="Workspaces", exact=True)).to_be_visible()
                    expect(page.get_by_text("Nadia Haddad")).to_be_visible()
                    page.reload()
                    expect(page.get_by_role("link", name=HOME)).to_be_visible()
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390), ("light", 320), ("dark", 1024)])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(bed: Bed, chromium: Browser, scheme: str, width: int) -> None:
    """Every page, in both themes, from 320 to 1,440 pixels."""
    size = {"width": width, "height": 900}
    (key, *_) = KeyRing(bed.log, HOME, actor=MARIA).all()
    place = f"/console/workspaces/{HOME}"
    with operator(chromium, bed, color_scheme=scheme, viewport=size) as page:
        looks = ("/console", "/console?q=zzz", "/console/sessions")
        sinks = [f"{place}/sinks/{one.sink.id}" for one in Sinks(bed.log, HOME, actor=MARIA).all()]
        for path in (*looks, place, f"{place}/retention", f"{place}/keys/wk_{key.id}", f"{place}/sinks", *sinks):
            page.goto(f"{bed.address}{path}")
            page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            check(page, path)
        page.goto(f"{bed.address}{place}/retention")
        page.get_by_label("Keep entries for").fill("5")
        page.get_by_role("button", name="Show what would go").click()
        check(page, "preview")
        page.get_by_role("button", name="Save retention").click()
        check(page, "fault")
        page.get_by_role("button", name="Sign out").click()
        check(page, "sign in")


def check(page: Page, where: str) -> None:
    """Insist that a page is in order."""
    found = Axe().run(page, options=RULES).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == [], where
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where
    small = page.evaluate(
        """[...document.querySelectorAll("button, .btn, select, input:not([type=hidden], [type=checkbox])")]
             .filter((one) => one.checkVisibility()).filter((one) => one.getBoundingClientRect().height < 24).length"""
    )
    assert small == 0, where
