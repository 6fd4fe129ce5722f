"""The published Retraced viewer, in a real browser, on a page of another origin."""

from __future__ import annotations

import http.server
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest

from tests import compatting
from tests.browsing import Browser
from tests.compatting import CLIENTS, WORKSPACE, CompatServer, needs_clients

server = compatting.server

pytestmark = pytest.mark.browser

PAGE = '<!doctype html><meta charset="utf-8"><title>Shop</title><div id="app"></div><script src="viewer.js"></script>'


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[str]:
    """Serve the page of an application with the viewer in it."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "index.html").write_text(PAGE)
    subprocess.run(
        [
            str(CLIENTS / "node_modules" / ".bin" / "esbuild"),
            str(CLIENTS / "viewer.mjs"),
            "--bundle",
            "--minify",
            "--log-level=error",
            '--define:process.env.NODE_ENV="production"',
            f"--outfile={folder / 'viewer.js'}",
        ],
        check=True,
        timeout=120,
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as serving:
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        yield f"http://localhost:{serving.server_address[1]}"
        serving.shutdown()
        thread.join(10)


@needs_clients
def test_list_filter_export_and_tokens_work(server: CompatServer, shop: str, chromium: Browser) -> None:
    """Pages of the list, the filter, a file, and a token that lets a program in."""
    base = f"{server.url}/auditlog"
    with httpx2.Client(base_url=base, headers={"Authorization": f"token={server.admin}"}) as reporting:
        path = f"/publisher/v1/project/{WORKSPACE}"
        for number in range(30):
            event = {
                "action": "thing.made",
                "crud": "c" if number else "d",
                "actor": {"id": f"u{number}", "name": f"Person {number}"},
                "group": {"id": "g1"},
            }
            assert reporting.post(f"{path}/event", json=event).status_code == 201
        asked = {"group_id": "g1", "actor_id": "me", "is_admin": "true"}
        token = reporting.get(f"{path}/viewertoken", params=asked).json()["token"]
    page = chromium.new_page()
    page.goto(f"{shop}/?host={base}/viewer/v1&token={token}")
    page.get_by_text("Person 29", exact=True).first.wait_for()
    page.locator(".next").click()
    page.get_by_text("Person 9", exact=True).first.wait_for()
    page.get_by_test_id("search-events").fill("crud:d")
    page.get_by_test_id("search-button").click()
    page.get_by_text("Person 0", exact=True).first.wait_for()
    assert page.get_by_text("Person 9", exact=True).count() == 0

    page.get_by_test_id("manage-api-tokens").click()
    modal = page.get_by_role("dialog")
    modal.get_by_text("Create new token").click()
    modal.get_by_placeholder("Token Name").fill("SIEM")
    modal.get_by_role("button", name="Create Token").click()
    text = modal.locator("p", has_text="_").inner_text()
    modal.get_by_text("Close").click()

    page.get_by_test_id("export-events").click()
    modal.get_by_role("button", name="Export").click()
    modal.get_by_role("textbox").fill("All of it")
    with page.expect_download() as downloading:
        modal.get_by_role("button", name="Name & Save").click()
    assert downloading.value.suggested_filename == "All-of-it.csv"
    assert '"u0"' in Path(downloading.value.path()).read_text()
    pulled = httpx2.get(
        f"{base}/enterprise/v1/search/adhoc?action=thing.made", headers={"Authorization": f"token={text}"}
    )
    assert len(pulled.json()["events"]) == 30
    assert {entry.actor.id for entry in server.entries("audit.log.view")} == {"me", f"enterprise:{text[:7]}"}
    page.close()
