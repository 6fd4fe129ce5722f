"""The viewer on pages of another origin: as a component, in an iframe, as a short history; under strict policies."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

from tests.browsing import Browser, expect, watched
from tests.embedding import Two, two_origins, visited
from tests.serving import token
from whodid.viewer import __file__ as viewer_file

pytestmark = pytest.mark.browser

MANIFEST = json.loads((Path(viewer_file).parent / "static" / "manifest.json").read_bytes())
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
FORBIDDEN = r"CORS policy|net::ERR_FAILED"


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    """Serve a log and a host whose origin the log's server lists."""
    with two_origins() as made:
        yield made


def test_a_foreign_page_shows_the_log_with_nothing_but_a_token(two: Two, chromium: Browser, tmp_path: Path) -> None:
    """Versioned file with integrity, list, drawer with its proof, and the download of an export: no violation."""
    file = MANIFEST["viewer.js"]
    two.claims.update(origin=two.host)
    with visited(chromium, two) as page:
        page.goto(f"{two.host}/component?file={file['file']}&integrity={quote(file['integrity'], safe='')}")
        viewer = page.locator("audit-log-viewer")
        viewer.get_by_role("link", name="Maria Torres deleted contact").first.click()
        expect(viewer.locator(".prf.ok")).to_contain_text("Verified in this browser")
        page.keyboard.press("Escape")
        viewer.get_by_role("button", name="Export").click()
        with page.expect_download() as download:
            viewer.get_by_role("dialog").get_by_role("button", name="Download", exact=True).click()
        download.value.save_as(tmp_path / "saved.csv")
        assert download.value.suggested_filename.startswith("audit-wsp_home-")
        with (tmp_path / "saved.csv").open(newline="") as saved:
            assert len(list(csv.DictReader(saved))) >= 7
        assert page.evaluate("document.cookie") == ""


def test_a_file_that_is_not_the_one_with_this_hash_does_not_run(two: Two, chromium: Browser) -> None:
    """The browser refuses a viewer whose bytes are others than the page was written for."""
    wrong = MANIFEST["details.js"]["integrity"]
    with visited(chromium, two, "integrity") as page:
        page.goto(f"{two.host}/component?integrity={quote(wrong, safe='')}")
        page.wait_for_timeout(500)
        assert page.evaluate("customElements.get('audit-log-viewer') === undefined")


def test_a_token_for_another_origin_shows_nothing(two: Two, chromium: Browser) -> None:
    """The server says no, and the page says that the session is over."""
    two.claims.update(origin="https://elsewhere.example")
    with visited(chromium, two, "401") as page:
        page.goto(f"{two.host}/component")
        expect(page.locator("audit-log-viewer")).to_contain_text("Your session ended")
        assert page.locator("audit-log-viewer .row[data-index]").count() == 0


def test_an_expired_token_is_replaced(two: Two, chromium: Browser) -> None:
    """The page may read the refusal of its own expired token, and fetches another one."""
    two.expired = 1
    two.claims.update(origin=two.host)
    with visited(chromium, two, "401") as page:
        page.goto(f"{two.host}/component")
        expect(page.locator("audit-log-viewer .row[data-index]").first).to_be_visible()
    assert two.expired == 0


def test_an_origin_that_nobody_lists_reads_with_its_own_token_only(chromium: Browser) -> None:
    """Without the list: neither file nor frame; the API answers the origin that the token names, and no other."""
    ask = """async (audit) => {
        const token = await fetch("/token", { method: "POST" }).then((answer) => answer.text());
        try {
            const answer = await fetch(`${audit}/v1/entries`, { headers: { authorization: `Bearer ${token}` } });
            return [answer.status, answer.headers.get("x-request-id").slice(0, 4)];
        } catch (error) {
            return String(error);
        }
    }"""
    with two_origins(listed=False) as two, visited(chromium, two, FORBIDDEN, "frame-ancestors", "401") as page:
        page.goto(f"{two.host}/component")
        page.wait_for_timeout(300)
        assert page.evaluate("customElements.get('audit-log-viewer') === undefined")
        assert page.evaluate(ask, two.audit) == "TypeError: Failed to fetch"
        two.claims.update(origin=two.host)
        assert page.evaluate(ask, two.audit) == [200, "req_"]
        two.expired = 1
        assert page.evaluate(ask, two.audit) == [401, "req_"]
        page.goto(f"{two.host}/frame")
        page.wait_for_timeout(300)
        assert page.frames[-1].url.startswith("chrome-error:")


def test_the_frame_gets_its_token_from_the_page_around(two: Two, chromium: Browser) -> None:
    """List, drawer, state and height cross the border by messages; nothing is in an address and no cookie is set."""
    two.claims.update(origin=two.host)
    with visited(chromium, two) as page:
        page.goto(f"{two.host}/frame?locale=es&theme=dark&range=30d&q=action%3Acontact.deleted")
        frame = page.frame_locator("#log")
        row = frame.get_by_role("link", name="Maria Torres eliminó el contacto").first
        expect(row).to_be_visible()
        expect(frame.locator("audit-log-viewer")).to_have_attribute("theme", "dark")
        row.click()
        expect(frame.locator(".drawer")).to_contain_text("Juan Pérez")
        page.wait_for_function("window.seen.some(([name, { query }]) => name === 'state' && /entry=/.test(query))")
        assert 301 < page.evaluate("document.querySelector('#log').offsetHeight") <= 804
        assert "token" not in page.frames[-1].url


def test_the_frame_takes_no_token_of_another_origin(two: Two, chromium: Browser) -> None:
    """A token that names another page is not used, even when an allowed page hands it over."""
    two.claims.update(origin="https://elsewhere.example")
    with visited(chromium, two) as page:
        page.goto(f"{two.host}/frame")
        expect(page.frame_locator("#log").locator("audit-log-viewer")).to_contain_text("Your session ended")


def test_the_frame_listens_to_listed_pages_only(two: Two, chromium: Browser) -> None:
    """A message from the frame itself or from another window is no page around."""
    with visited(chromium, two, "401") as page:
        page.goto(f"{two.audit}/embed")
        page.evaluate("postMessage({ whodid: 'restore', query: 'q=kind:delete' }, '*')")
        page.wait_for_timeout(300)
        assert page.locator("audit-log-viewer .chip.on").count() == 0


def test_a_short_history_for_the_page_of_a_resource(two: Two, chromium: Browser) -> None:
    """Rows of one contact, details over the page by keyboard and back, and filters are the full log's."""
    attributes = quote('resource="contact:con_ana" view="history" open-types="contact"')
    with visited(chromium, two, viewport={"width": 480, "height": 700}) as page:
        page.goto(f"{two.host}/component?attributes={attributes}")
        viewer = page.locator("audit-log-viewer")
        expect(viewer.get_by_role("heading", name="History of Ana García")).to_be_visible()
        expect(viewer.locator(".row")).to_have_count(2)
        assert viewer.evaluate("one => one.offsetHeight") < 400
        viewer.get_by_role("link", name="Maria Torres updated contact").first.press("Enter")
        dialog = viewer.get_by_role("dialog", name="Entry details")
        expect(dialog.get_by_role("heading", name="Maria Torres updated contact Ana García")).to_be_focused()
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        focused = "document.querySelector('audit-log-viewer').shadowRoot.activeElement.ariaLabel"
        assert page.evaluate(focused).startswith("Maria Torres updated contact")
        viewer.locator(".row a.r", has_text="+34 611 204 880").click()
        page.wait_for_function("window.seen.length")
        assert page.evaluate("window.seen.at(-1)") == ["open-log", {"query": "q=resource:contact:con_9"}]
        expect(viewer.locator(".row")).to_have_count(2)


@pytest.mark.parametrize("locale", ["en", "ar"])
@pytest.mark.parametrize("width", [320, 480, 1024])
def test_axe_finds_nothing_in_a_short_history(two: Two, chromium: Browser, locale: str, width: int) -> None:
    """WCAG 2.2 AA, both themes, in the list and in the details over the page."""
    attributes = quote(f'resource="contact:con_ana" view="history" locale="{locale}"')
    options = {"viewport": {"width": width, "height": 700}, "reduced_motion": "reduce", "bypass_csp": True}
    with visited(chromium, two, **options) as page:
        page.goto(f"{two.host}/component?attributes={attributes}")
        viewer = page.locator("audit-log-viewer")
        expect(viewer.locator(".row")).to_have_count(2)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for open_entry in (False, True):
            if open_entry:
                viewer.locator(".row .hit").first.press("Enter")
                expect(viewer.locator(".prf.ok")).to_be_visible()
            for theme in ("light", "dark"):
                # The page around has no colours of its own; it follows the viewer's.
                dress = "([one, theme]) => { one.theme = theme; document.documentElement.style.colorScheme = theme; }"
                page.evaluate(dress, [viewer.element_handle(), theme])
                page.wait_for_timeout(100)
                found = Axe().run(page, options={"runOnly": RULES}).response["violations"]
                assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], (theme, open_entry)


@pytest.mark.parametrize("lang", ["en", "ar"])
def test_the_report_prints_with_its_footers(two: Two, chromium: Browser, tmp_path: Path, lang: str) -> None:
    """Chromium prints it: page numbers, the range of entries and the head are on the paper; no policy is violated."""
    with watched(chromium, two.audit) as (context, _):
        page = context.new_page()
        made = context.request.post(
            f"{two.audit}/v1/reports", data={"lang": lang}, headers={"Authorization": f"Bearer {token()}"}
        ).json()
        page.goto(two.audit + made["href"])
        assert page.evaluate("document.documentElement.dir") == ("rtl" if lang == "ar" else "ltr")
        style = page.evaluate(
            "[...document.styleSheets].map(one => [...one.cssRules].map(rule => rule.cssText)).join()"
        )
        assert "counter(page)" in style
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        answer = Axe().run(page, options={"runOnly": RULES})
        assert [(one["id"], one["nodes"][0]["target"]) for one in answer.response["violations"]] == []
        page.emulate_media(media="print")
        path = tmp_path / "report.pdf"
        page.pdf(path=path, format="A4", prefer_css_page_size=True)
        assert path.read_bytes().startswith(b"%PDF-")
