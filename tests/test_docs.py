"""What the pages say is so: their code runs and prints what they show, their links lead somewhere, nothing is missing.

A page is run in an empty folder, from top to bottom:

* a fenced block `python` is executed, all of a page in one namespace, in which `page` is the page's own text;
* a fenced block `console` is typed into a shell, line by line after `$ `, and shows what the commands print;
* a fenced block `output` shows what the block above it printed;
* in anything that is shown, `…` stands for any text within a line, and a line of its own for any lines.

Blocks of other languages are only read.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from inspect import isclass, isfunction
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from starlette.routing import Route

import whodid
from scripts.reference import INTEGRATED, commands, help_text, pages
from whodid.server import asgi
from whodid.server.compat import PRODUCTS
from whodid.server.metrics import PrometheusMeter

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])


class Block(NamedTuple):
    """A fenced block of a page."""

    line: int
    language: str
    text: str


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page, those in longer fences whole."""
    fence, language, start, kept = "", "", 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        opened = re.match(r"(`{3,})\s*(\S*)", line)
        if not fence and opened:
            fence, language, start, kept = opened[1], opened[2], number, []
        elif fence and line.strip() == fence:
            yield Block(start, language, "".join(f"{one}\n" for one in kept))
            fence = ""
        elif fence:
            kept.append(line)


def shown(expected: str) -> re.Pattern[str]:
    """Turn what a page shows into a pattern."""
    lines = [
        r"(?:.*\n)*?" if line.strip() == "…" else r".*".join(map(re.escape, line.split("…"))) + r"[ ]*\n"
        for line in expected.splitlines()
    ]
    return re.compile("".join(lines))


def typed_lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with what it is shown to print."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, rest = part.partition("\n")
        while command.endswith("\\"):
            further, _, rest = rest.partition("\n")
            command += f"\n{further}"
        yield command, rest


def typed(command: str, folder: Path) -> str:
    """Type a command into a shell whose `whodid` is the one under test."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"COLUMNS": "120", "NO_COLOR": "1", "TZ": "UTC"}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
        timeout=120,
    )
    return done.stdout


def run_page(text: str, folder: Path) -> None:
    """Run a page as a reader would, and compare what it shows."""
    namespace: dict[str, Any] = {"__name__": "__page__", "page": text}
    printed: str | None = None
    for block in blocks(text):
        if block.language == "python":
            with contextlib.redirect_stdout(io.StringIO()) as caught:
                exec(compile("\n" * block.line + block.text, "page", "exec", dont_inherit=True), namespace)
            printed = caught.getvalue()
        elif block.language == "output":
            assert printed is not None, f"line {block.line} shows what nothing printed"
            assert shown(block.text).fullmatch(printed), (
                f"line {block.line} shows\n{block.text}but it printed\n{printed}"
            )
        elif block.language == "console":
            for command, expected in typed_lines(block.text):
                answer = typed(command, folder)
                assert shown(expected).fullmatch(answer), f"line {block.line}: {command}\nprinted\n{answer}"


def runnable(path: Path) -> bool:
    """Say whether a page has anything to run."""
    return any(block.language in {"python", "console"} for block in blocks(path.read_text(encoding="utf-8")))


def title(path: Path) -> str:
    """Name a page in a test report."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [path for path in PAGES if runnable(path)], ids=title)
def test_a_page_does_what_it_shows(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example of a page runs in order, and prints what the page shows."""
    monkeypatch.chdir(tmp_path)

    run_page(path.read_text(encoding="utf-8"), tmp_path)


def test_the_runner_notices(tmp_path: Path) -> None:
    """A page that shows something else, or whose code fails, does not pass."""
    run_page("```python\nprint(6 * 7)\n```\n```output\n4…\n```\n```console\n$ echo a; echo b\n…\n```\n", tmp_path)

    with pytest.raises(AssertionError, match="line 4 shows"):
        run_page("```python\nprint(6 * 7)\n```\n```output\n41\n```\n", tmp_path)
    with pytest.raises(AssertionError, match="printed"):
        run_page("```console\n$ echo a\nb\n```\n", tmp_path)
    with pytest.raises(ZeroDivisionError):
        run_page("```python\n1 / 0\n```\n", tmp_path)


# ---------------------------------------------------------------------------------------------------------------- links


def prose(text: str) -> list[str]:
    """Return the lines of a page that are not in a fenced block."""
    outside, fence = list[str](), ""
    for line in text.splitlines():
        opened = re.match(r"`{3,}", line)
        if opened and (not fence or line.strip() == fence):
            fence = "" if fence else opened[0]
        elif not fence:
            outside.append(line)
    return outside


def anchors(text: str) -> set[str]:
    """Return the anchors that a page's headings get."""
    headings = [line.lstrip("# ").lower() for line in prose(text) if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in headings}


def broken_links(path: Path) -> list[str]:
    """List the links of a page, within the repository, that lead nowhere."""
    found = []
    text = re.sub(r"`[^`]*`", "", "\n".join(prose(path.read_text(encoding="utf-8"))))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        other = (path.parent / name).resolve() if name else path
        if not other.exists() or (anchor and anchor not in anchors(other.read_text(encoding="utf-8"))):
            found.append(link)
    return found


@pytest.mark.parametrize("path", PAGES, ids=title)
def test_every_link_leads_somewhere(path: Path) -> None:
    """Links between pages, and to headings in them, resolve."""
    assert broken_links(path) == []


def test_every_page_is_reached() -> None:
    """Following links from docs/index.md reaches every page of docs."""
    reached, todo = set[Path](), [DOCS / "index.md"]
    while todo:
        path = todo.pop()
        if path in reached:
            continue
        reached.add(path)
        links = re.findall(r"\]\(([^)#\s]+\.md)", path.read_text(encoding="utf-8"))
        todo += [(path.parent / link).resolve() for link in links if not re.match(r"[a-z]+:", link)]

    assert sorted(title(path) for path in set(DOCS.rglob("*.md")) - reached) == []


# ------------------------------------------------------------------------------------------------------------ reference


def reference(name: str) -> str:
    """Return a page of the reference."""
    return (DOCS / "reference" / name).read_text(encoding="utf-8")


def test_the_reference_is_current() -> None:
    """The generated pages are what `make reference` would write now."""
    for name, text in pages().items():
        assert reference(name) == text, f"docs/reference/{name} is out of date: run make reference"


def test_every_public_name_is_in_the_reference() -> None:
    """Every name of `whodid.__all__` has a heading."""
    assert set(whodid.__all__) <= {line[3:] for line in reference("python.md").splitlines() if line.startswith("## ")}


def test_every_method_is_in_the_reference() -> None:
    """Also those that a class has from another one of ours: a log proves and verifies."""
    headings = {line[4:] for line in reference("python.md").splitlines() if line.startswith("### ")}
    assert {f"Log.{name}" for name in dir(whodid.Log) if not name.startswith("_")} <= headings
    assert "Log.verify" in headings


@pytest.mark.parametrize("module", INTEGRATED)
def test_every_name_of_a_module_is_in_the_reference(module: str) -> None:
    """Whatever an application can import and call has a heading below that of its module."""
    (text,) = re.findall(
        rf"^## {re.escape(module)}\n(.*?)(?=^## |\Z)", reference("integration.md"), re.MULTILINE | re.DOTALL
    )
    found = import_module(module)
    called = {name for name in found.__all__ if isfunction(getattr(found, name)) or isclass(getattr(found, name))}
    assert called
    assert called <= set(re.findall(r"^### (\w+)$", text, re.MULTILINE))


def test_every_error_is_in_the_reference() -> None:
    """Every error class has a heading."""
    family = {name for name, value in vars(whodid.errors).items() if isinstance(value, type)}

    assert family == {line[3:] for line in reference("errors.md").splitlines() if line.startswith("## ")}


def test_every_action_is_in_the_reference() -> None:
    """Every action of the built-in catalog has a row."""
    rows = re.findall(r"^\| `([a-z_.]+)` \|", reference("actions.md"), flags=re.MULTILINE)

    assert sorted(rows) == sorted(whodid.builtin())


def test_every_command_is_in_the_reference() -> None:
    """Every command that the program lists has a heading and a usage line."""
    text = reference("cli.md")
    names = commands(help_text())

    assert {"export", "import", "purge", "search", "serve", "show", "stats", "tail", "verify"} <= set(names)
    for name in names:
        assert f"\n## whodid {name}\n" in text
        assert f"Usage: whodid {name}" in text


def test_every_route_is_in_the_reference() -> None:
    """The table of the HTTP API has the routes of the application, and no others."""
    with whodid.open("memory://") as log:
        app = asgi(log, secret=bytes(32), compat=PRODUCTS, metrics=PrometheusMeter(bytes(32)))
        routes = {
            (method, route.path) for route in app.routes if isinstance(route, Route) for method in route.methods or ()
        }
    rows = re.findall(r"^\| `([A-Z]+) (/\S*)` \|", reference("http.md"), flags=re.MULTILINE)

    assert sorted(rows) == sorted((method, path) for method, path in routes if method != "HEAD")
