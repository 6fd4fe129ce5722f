"""The standalone page in a real browser: the printed link, the session, the policy, the download."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browsing import Browser, Page, expect, watched
from tests.serving import HOME, Clock, open_log
from tests.test_server_serve import running
from whodid.query import parse

pytestmark = pytest.mark.browser


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Open a page; whatever it complains about fails the test."""
    with watched(chromium, "http://127.0.0.1:") as (context, _):
        yield context.new_page()


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Make a store with the story in it."""
    url = f"sqlite:///{tmp_path}/audit.db"
    open_log(Clock(), url).close()
    return url


def leave(page: Page) -> None:
    """Leave before the server goes: a page that listens would rightly complain of a server that is not there."""
    page.goto("about:blank")


def test_the_printed_link_leads_to_the_entries(store: str, page: Page, tmp_path: Path) -> None:
    """Open the link, read the log, come back by the address alone, export: all under the strict policy."""
    with running(store) as (_, address, code):
        page.goto(f"{address}/?range=90d#code={code}")
        expect(page.get_by_text("deleted contact", exact=False).first).to_be_visible()
        assert code not in page.url
        page.goto(f"{address}/?range=90d")
        expect(page.get_by_text("deleted contact", exact=False).first).to_be_visible()
        assert page.evaluate("document.cookie") == ""
        made = page.evaluate(
            """async () => {
                const token = await document.querySelector("audit-log-viewer").getToken();
                const headers = { "Content-Type": "application/json", "Authorization": `Bearer ${token}` };
                const ask = (path, body) => fetch(`/v1/exports${path}`, { method: "POST", headers, body });
                const made = await (await ask("", JSON.stringify({ format: "csv", q: "-category:audit" }))).json();
                for (let job = made; job.state !== "ready";)
                    job = await (await fetch(`/v1/exports/${made.id}`, { headers })).json();
                return { ...made, ...await (await ask(`/${made.id}/link`, "{}")).json() };
            }"""
        )
        with page.expect_download() as download:
            page.evaluate("href => { location.href = href; }", made["href"])
        assert download.value.suggested_filename == made["filename"]
        saved = tmp_path / "saved.csv"
        download.value.save_as(saved)
        with saved.open(newline="") as file:
            assert len(list(csv.DictReader(file))) == made["count"]["value"] == 7
        leave(page)
    with open_log(Clock(), store) as log:
        found = log.find(HOME, parse("category:audit", now=log.now())).entries
        assert sorted(entry.action for entry in found) == [
            "audit.exported",
            "audit.sealed",
            "audit.viewer_opened",
        ]


def test_nothing_hostile_runs(store: str, page: Page) -> None:
    """A contact that is called like markup is a strange name on the page."""
    with running(store) as (_, address, code):
        page.goto(f"{address}/?range=90d#code={code}")
        expect(page.get_by_text("<img src=x onerror=alert(1)>", exact=False).first).to_be_visible()
        leave(page)
