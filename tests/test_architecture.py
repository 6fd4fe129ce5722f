"""The rules of the house that no linter knows: words, sizes, optional packages, one SQLite, documented names.

The direction of imports is not here: import-linter reads it from pyproject.toml (`make check`).
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests import djangoing

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "whodid"
CEILING = 500
BASE = {"apsw", "cryptography", "msgspec", "zstandard"}


@cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def modules() -> list[Path]:
    """List the Python files of the package."""
    return sorted(SOURCE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Name the top-level packages that a file imports anywhere."""
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


# ---------------------------------------------------------------------------------------------------------------- words


def forbidden_words(text: str) -> list[tuple[str, str, set[str]]]:
    """Read the table of words that are not used: (word, what to say instead, where it is looked for)."""
    _, _, section = text.partition("\n## Words we do not use\n")
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    found = []
    for row in rows:
        wrong, right, where = (cell.strip() for cell in row.strip("|").split("|"))
        found += [(word.strip(), right, {place.strip() for place in where.split(",")}) for word in wrong.split(",")]
    return found


def split_name(name: str) -> str:
    """Write an identifier as lower-case words with a space on either side: `_TreeHead` becomes ` tree head `."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name).replace("_", " ")
    return f" {' '.join(spaced.lower().split())} "


def defined_names(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield every name that a file defines: functions, classes, arguments, variables, attributes, imported aliases."""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)) or (
            isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        ):
            yield node.lineno, node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield getattr(node, "lineno", 0), node.asname


def docstrings(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield every docstring of a file, those of attributes included."""
    for node in ast.walk(module):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for before, child in zip([None, *node.body], node.body, strict=False):
            documents = before is None or isinstance(before, ast.Assign | ast.AnnAssign)
            value = child.value if isinstance(child, ast.Expr) else None
            if documents and isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value.lineno, value.value


def wrong_words(module: ast.Module, words: list[tuple[str, str, set[str]]]) -> list[str]:
    """Say where a file uses a word of the table."""
    found = []
    for word, right, places in words:
        if "names" in places:
            pattern = re.compile(f" {word}s? ")
            found += [
                f"line {line}: the name {name} says {word!r}; we say {right!r}"
                for line, name in defined_names(module)
                if pattern.search(split_name(name))
            ]
        if "prose" in places:
            spaced = r"\s+".join(map(re.escape, word.split()))
            pattern = re.compile(rf"(?<![\w.`]){spaced}s?(?![\w`])", re.IGNORECASE)
            found += [
                f"line {line}: the docstring says {word!r}; we say {right!r}"
                for line, text in docstrings(module)
                if pattern.search(text)
            ]
    return found


def own_words() -> list[Path]:
    """List the files that speak our words; importers and compatible doors speak of other products in their words."""
    foreign = {SOURCE / "export" / "import_", SOURCE / "server" / "compat"}
    return [path for path in modules() if path.parent not in foreign]


@pytest.mark.parametrize("path", own_words(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_the_words_of_the_glossary(path: Path) -> None:
    """No file uses a word that the glossary rules out."""
    words = forbidden_words((ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"))

    assert wrong_words(parsed(path), words) == []


def test_the_word_search_finds_and_spares() -> None:
    """The search sees names and docstrings, and leaves attributes of others, strings and parts of words alone."""
    words = [("tenant", "workspace", {"names", "prose"}), ("tree head", "head", {"names"})]
    guilty = ast.parse('class TreeHeads:\n    """Of every tenant."""\ndef f(tenant_id): ...\nself.tenant = x = 1')
    innocent = ast.parse('"""The lieutenant."""\nx = other.tenant\ny = "tenant"\nlieutenant = 1\ntree, head = 1, 2')

    assert len(wrong_words(guilty, words)) == 4
    assert wrong_words(innocent, words) == []


def test_the_table_of_words_is_read() -> None:
    """The glossary has the table, and every row says where to look."""
    words = forbidden_words((ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"))

    assert ("tenant", "workspace", {"names", "prose"}) in words
    assert all(places and places <= {"names", "prose"} for _, _, places in words)


# ---------------------------------------------------------------------------------------------------------------- sizes


def sources() -> list[Path]:
    """List the files that people write and read."""
    folders = ["src", "sendero", "tests", "benchmarks", "scripts", "frontend"]
    found = [path for folder in folders for kind in ("*.py", "*.ts", "*.mjs") for path in (ROOT / folder).rglob(kind)]
    return sorted(path for path in found if "node_modules" not in path.parts)


def test_the_house_is_drawn_as_it_is_built() -> None:
    """The drawing for contributors has the floors that imports are held to, and every room there is."""
    held = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    floors = next(one["layers"] for one in held if one["type"] == "layers")
    drawn = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("```text\n")[1].split("```")[0]
    assert drawn.splitlines() == floors
    rooms = {path.stem for path in SOURCE.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert rooms - {"__init__", "__main__", "__pycache__", "testing"} == set(re.findall(r"\w+", drawn))


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    """A file has at most 500 lines."""
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}

    assert {name: length for name, length in lengths.items() if length > CEILING} == {}


# -------------------------------------------------------------------------------------------------- optional packages


FOLDERS = {"capture/sqlalchemy", "capture/django", "capture/middleware"}
"""Folders that are one part each: what is imported in several of their files is imported in one place."""
TOGETHER = {
    "opentelemetry": {"server/compat/otlp_wire.py", "server/traces.py"},  # two packages of one name: proto and API
    "httpx2": {"capture/remote/transport.py", "server/console/provider.py"},  # one sends events, one asks who it is
    "sqlalchemy": {"capture/outbox.py", "capture/sqlalchemy"},  # the outbox serves hosts without the hook, too
    "psycopg": {"store/postgres/engine.py", "store/postgres/line.py"},  # one keeps connections, one is a connection
    "pytest": {"testing/__init__.py", "capture/testing.py"},  # for authors of stores, and for applications
}
"""Packages that have two places, and why."""


def place(path: Path) -> str:
    """Name the file, or the folder that is one part, that a file belongs to."""
    name = str(path.relative_to(SOURCE))
    return next((folder for folder in FOLDERS if name.startswith(f"{folder}/")), name)


def test_an_optional_package_is_imported_in_one_place() -> None:
    """Every package that the base install lacks is imported in one file, or in the folder of one part, only."""
    places: dict[str, set[str]] = {}
    for path in modules():
        for name in imported(path) - BASE - {"whodid"} - sys.stdlib_module_names:
            places.setdefault(name, set()).add(place(path))

    assert {
        name: found for name, found in places.items() if len(found) > 1 and not found <= TOGETHER.get(name, set())
    } == {}


def test_there_is_one_sqlite_in_the_process() -> None:
    """Nothing in the package imports sqlite3: the second library would drop the locks that the first one holds."""
    assert [str(path) for path in modules() if imported(path) & {"sqlite3", "_sqlite3", "pysqlite3", "aiosqlite"}] == []


GUARD = """
import sys
from importlib.abc import MetaPathFinder
from importlib.metadata import packages_distributions, requires
from packaging.requirements import Requirement

def closure(names):
    seen, todo = set(), list(names)
    while todo:
        name = todo.pop().lower().replace("_", "-")
        if name not in seen:
            seen.add(name)
            needed = [Requirement(text) for text in requires(name) or []]
            todo += [r.name for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    return seen

allowed = closure(["whodid"])
owners = packages_distributions()

class Guard(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        owned = {owner.lower().replace("_", "-") for owner in owners.get(top, [])}
        if top in ("sqlite3", "_sqlite3") or (owned and not owned & allowed):
            raise ImportError(f"{name} is not part of the base install")
        return None

for name in [name for name in sys.modules if name.partition(".")[0] == "packaging"]:
    del sys.modules[name]
sys.meta_path.insert(0, Guard())
"""

JOURNEY = """
import datetime, uuid, whodid
from whodid.model import Actor, Event, Resource

for url in ("memory://", "sqlite:///audit.db"):
    log = whodid.open(url)
    receipt = log.record("w", Event(
        id=str(uuid.uuid4()), occurred_at=datetime.datetime.now(datetime.UTC), action="contact.deleted",
        actor=Actor(type="user", id="usr_1", name="Maria Torres"), resource=Resource(type="contact", id="con_1"),
    ))
    assert log.get("w", receipt.index).actor.name == "Maria Torres"
    assert log.verify("w").ok
    log.close()
print("travelled")
"""


def guarded(code: str, where: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter that refuses whatever the base install does not contain."""
    # Measuring coverage in it would import what is refused.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(
        [sys.executable, "-c", GUARD + code],
        cwd=where,
        env={**environment, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_base_install_imports_nothing_optional(tmp_path: Path) -> None:
    """The face, the in-memory log and the SQLite log work with the base packages alone."""
    done = guarded(JOURNEY, tmp_path)

    assert done.stdout == "travelled\n", done.stderr


def test_the_guard_refuses(tmp_path: Path) -> None:
    """The interpreter of the test above does refuse optional packages and the second SQLite."""
    for name in ("click", "starlette", "sqlite3"):
        done = guarded(f"import {name}", tmp_path)

        assert f"ImportError: {name} is not part of the base install" in done.stderr


# -------------------------------------------------------------------------------------------------------- public names


def all_modules() -> list[str]:
    """Name every module of the package."""
    names = (".".join(path.relative_to(SOURCE.parent).with_suffix("").parts) for path in modules())
    return [name.removesuffix(".__init__") for name in names]


@pytest.mark.parametrize("name", all_modules())
def test_every_public_name_is_documented(name: str) -> None:
    """Modules, and the classes, functions and methods that they list in `__all__`, have docstrings."""
    if name.startswith("whodid.capture.django"):
        djangoing.ready()  # models exist only where there are settings
    module = importlib.import_module(name)
    missing = [] if (module.__doc__ or "").strip() else [name]
    for public in getattr(module, "__all__", ()):
        value = getattr(module, public)
        if inspect.isclass(value) or inspect.isfunction(value):
            own = value.__dict__.get("__doc__") if inspect.isclass(value) else value.__doc__
            if not (own or "").strip():
                missing.append(f"{name}.{public}")

    assert missing == []


def test_the_face_is_one_page() -> None:
    """`whodid/__init__.py` re-exports and lists, in order, loads what is asked for, and does nothing else."""
    face = parsed(SOURCE / "__init__.py")
    module = importlib.import_module("whodid")

    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)
    others = [node for node in face.body if not isinstance(node, allowed)]
    assert [ast.unparse(node).partition("\n")[0] for node in others] == [
        "if TYPE_CHECKING:",
        "if not TYPE_CHECKING:",
        "def __dir__() -> list[str]:",
    ]
    assert sorted(module.__all__) == sorted(set(module.__all__))
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
    assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018 -- asking is the test


LOADED = """
import sys

def rooms():
    return " ".join(sorted({name.split(".")[1] for name in sys.modules if name.startswith("whodid.")}))

import whodid
print(rooms())
import whodid.capture
print(rooms())
import whodid.capture.remote
whodid.connect
print(rooms())
whodid.open
print(rooms())
"""


def test_a_part_is_loaded_with_its_first_name() -> None:
    """Words alone load words; capturing and the client of a server load no log, no store and no query."""
    done = guarded(LOADED, ROOT)

    assert done.stdout.splitlines() == [
        "errors model",
        "canonical capture catalog errors model proof",
        "canonical capture catalog connecting errors intake model proof",
        "canonical capture catalog connecting errors files intake log model proof query sequence store",
    ], done.stderr
