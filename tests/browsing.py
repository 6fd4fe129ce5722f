"""How tests start Chromium, and how a page is watched: what it complains about fails the test that opened it.

Importing this file skips the importing file, and says why, where Playwright or Chromium is missing; so what tests need
of Playwright is imported from here.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip(
    "playwright.sync_api",
    reason="Playwright is missing; install it with: pip install --group test",
    exc_type=ImportError,
)

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Route,
    StorageState,
    expect,
    sync_playwright,
)

__all__ = [
    "Browser",
    "BrowserContext",
    "Locator",
    "Page",
    "Route",
    "StorageState",
    "Watch",
    "expect",
    "started",
    "watched",
]

CHROMIUM = os.environ.get("WHODID_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")

if CHROMIUM is None:
    pytest.skip(
        "Chromium is missing; install it with: apt-get install chromium, or name it in WHODID_CHROMIUM",
        allow_module_level=True,
    )

_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

# What the policy of a page forbade is reported to the page itself; nothing else would tell of a picture that was not
# loaded quietly.
_REPORTER = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy violated: ${event.effectiveDirective} by ${event.blockedURI} on ${location.pathname}`);
});
"""


@contextmanager
def started() -> Iterator[Browser]:
    """Start Chromium; one per process is enough."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield browser
        browser.close()


class Watch:
    """What pages complained about, and which complaints are meant to come."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self._foreseen: list[str] = []

    def foresee(self, pattern: str) -> None:
        """Let complaints pass that a regular expression finds something in: a refusal that is the point of a test."""
        self._foreseen.append(pattern)

    def unforeseen(self) -> list[str]:
        """Return the complaints that nothing foresaw."""
        return [said for said in self.complaints if not any(re.search(one, said) for one in self._foreseen)]

    def _message(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.text} ({message.page.url if message.page else ''})")

    def _page(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("dialog", lambda dialog: self.complaints.append(f"a script ran: {dialog.message}"))

    def over(self, context: BrowserContext, base: str) -> None:
        """Watch every page of a context, and let none of them ask another server for anything."""

        def asked(request: Request) -> None:
            if not request.url.startswith((base, "data:", "blob:")):
                self.complaints.append(f"{request.url} was asked for")

        context.on("console", self._message)
        context.on("page", self._page)
        context.on("request", asked)
        context.add_init_script(_REPORTER)


@contextmanager
def watched(browser: Browser, base: str, **options: Any) -> Iterator[tuple[BrowserContext, Watch]]:
    """Open a browser profile of its own whose pages must not complain.

    Args:
        base: Address of the server; addresses without one are below it.
        options: For Playwright: language, zone, size, cookies.
    """
    usual: dict[str, Any] = {"locale": "en-GB", "timezone_id": "Europe/Madrid"}
    size = {"width": 1440, "height": 900}
    context = browser.new_context(base_url=base, **{**usual, "viewport": size, **options})
    context.set_default_timeout(10_000)
    watch = Watch()
    watch.over(context, base)
    try:
        yield context, watch
    finally:
        context.close()
    assert watch.unforeseen() == [], watch.unforeseen()
