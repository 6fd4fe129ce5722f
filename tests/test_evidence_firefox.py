"""Evidence in Firefox: the page from the disk comes to the verdict that Chromium and Python come to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.evidencing import ABOUT, Workshop, furnished, veiled
from tests.firefoxing import Firefox, firefox_started
from whodid.evidence.document import Document, encode
from whodid.evidence.page import page as whole
from whodid.evidence.page import script_hash, verifier
from whodid.evidence.question import Question
from whodid.evidence.verify import verify

pytestmark = pytest.mark.firefox

DONE = "document.querySelector('main').dataset.verdict"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    """Start Firefox once."""
    with firefox_started(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def shop() -> Workshop:
    """Lend a log with a purged entry."""
    made = furnished()
    made.purge(0)
    made.close()
    return made


def text(browser: Firefox, selector: str) -> str:
    """Return what an element shows."""
    shown: str = browser.run("return document.querySelector(arguments[0]).innerText", selector)
    return shown


def saved(folder: Path, document: Document, old: bytes = b"", new: bytes = b"") -> Path:
    """Write a page, with something changed in its document if that is wanted."""
    data = encode(document)
    assert old in data
    file = folder / "evidence.html"
    file.write_bytes(whole(data.replace(old, new, 1) if old else data))
    return file


def test_a_file_from_the_disk_says_that_nothing_is_wrong(browser: Firefox, shop: Workshop, tmp_path: Path) -> None:
    """Verdict, levels, entries, what is missing; its own Ed25519 agrees; and nothing was asked of anybody."""
    browser.open(saved(tmp_path, shop.evidence(ABOUT)))
    assert browser.until(DONE) == "ok"
    assert text(browser, "h1") == "Nothing is wrong with this file"
    assert browser.run("return document.querySelectorAll('.verdict li.held').length") == 4
    assert browser.run("return document.querySelectorAll('.entries > li').length") == 8
    assert browser.until("document.querySelector('#opinion').innerText") == ("This browser’s own cryptography agrees.")
    assert "Entry 0: content purged by retention" in text(browser, "main")
    assert script_hash() in text(browser, "footer")
    assert browser.run("return performance.getEntriesByType('resource').map((one) => one.name)") == []


@pytest.mark.parametrize("question", [ABOUT, Question()], ids=["about", "everything"])
def test_hidden_values_stay_hidden(browser: Firefox, shop: Workshop, tmp_path: Path, question: Question) -> None:
    """A file that hides something verifies, counts it, and does not show it."""
    document = shop.evidence(question, show=veiled)
    browser.open(saved(tmp_path, document))
    assert browser.until(DONE) == "ok"
    redacted = verify(encode(document)).counts.redacted
    assert f"{redacted} fields withheld" in text(browser, "main")
    assert "+34 700" not in text(browser, "main")


def test_a_changed_file_names_the_first_problem(browser: Firefox, shop: Workshop, tmp_path: Path) -> None:
    """A word that was changed, a signature that was: the verdict of Python, in its words."""
    document = shop.evidence(ABOUT)
    for old, new, said in (
        (b"absorbed", b"absorbet", "Entry 3: The entry is not what was recorded"),
        (b"Contact \\u003c0", b"Contact \\u003c9", "The entry is not what was recorded"),
    ):
        browser.open(saved(tmp_path, document, old, new))
        assert browser.until(DONE) != "ok"
        assert text(browser, "h1") == "Do not rely on this file"
        assert said in text(browser, "header")


def test_the_verifier_alone_takes_a_file(browser: Firefox, shop: Workshop, tmp_path: Path) -> None:
    """The page without a document reads one that is handed to it, and comes to the same verdict."""
    page = tmp_path / "verifier.html"
    page.write_bytes(verifier())
    browser.open(page)
    file = saved(tmp_path, shop.evidence(ABOUT))
    field = browser.ask("WebDriver:FindElement", using="css selector", value="input[type=file]")["value"]
    browser.ask("WebDriver:ElementSendKeys", id=next(iter(field.values())), text=str(file))
    assert browser.until(DONE) == "ok"
    assert browser.run("return document.querySelectorAll('.entries > li').length") == 8


def test_the_policy_of_the_page_holds(browser: Firefox, shop: Workshop, tmp_path: Path) -> None:
    """Nothing that is put into the page can ask anybody for anything: Firefox heeds the policy inside the file."""
    browser.open(saved(tmp_path, shop.evidence(ABOUT)))
    assert browser.until(DONE) == "ok"
    refused = browser.ask(
        "WebDriver:ExecuteAsyncScript",
        script="""
        const [done] = arguments;
        addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
        const picture = document.createElement("img");
        picture.src = "http://127.0.0.1:9/leak";
        document.body.append(picture);
        """,
        args=[],
    )["value"]
    assert refused == "img-src"
