"""What whodid is made of: all of it locked, licensed and listed, and the wheel the same whoever builds it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from scripts import supply

ROOT = Path(__file__).resolve().parent.parent
STATIC = "whodid/viewer/static"


def test_every_requirement_is_locked_with_a_hash() -> None:
    """Every extra but the example's, at the version that is tested, and nothing without a hash."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    found = {one.name: one for one in supply.locked()}
    wanted = list(project["dependencies"])
    for extra, needed in project["optional-dependencies"].items():
        wanted += needed if extra != supply.EXAMPLE else []
    names = {re.split(r"[\[><=;, ]", one)[0].lower() for one in wanted} - {"whodid"}
    assert names <= found.keys()
    assert all(
        one.hashes and all(re.fullmatch("[0-9a-f]{64}", value) for value in one.hashes) for one in found.values()
    )
    tested = {
        line.split(";")[0].strip()
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    }
    assert {f"{one.name}=={one.version}" for one in supply.locked()} <= tested


def test_every_licence_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is installed is under a licence that is not listed; one that would be is named."""
    assert supply.licences() == []
    monkeypatch.setattr(supply, "expression", lambda name: "MIT AND AGPL-3.0-only" if name == "rich" else "MIT")
    (wrong,) = supply.licences()
    assert re.fullmatch(r"rich [0-9.]+: MIT AND AGPL-3\.0-only", wrong)


VULNERABLE = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3", "4"]}]}


@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], 0, "1 packages, and no vulnerabilities of them are known."),
        (
            [VULNERABLE],
            1,
            "b 2: PYSEC-1, mended in 3, 4\n1 packages, and 1 vulnerabilities of them are known.",
        ),
        ("WARNING\nERROR: a: Dependency not found on PyPI", 2, "NOT checked: ERROR: a: Dependency not found"),
    ],
)
def test_what_is_known_and_what_could_not_be_asked_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str | list[object],
    code: int,
    told: str,
) -> None:
    """A mirror without advisories is no clean bill of health, and no vulnerability either."""
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        if isinstance(answer, str):
            return subprocess.CompletedProcess(command, 1, "", answer)
        return subprocess.CompletedProcess(command, code, json.dumps({"dependencies": answer, "fixes": []}), "")

    monkeypatch.setattr(subprocess, "run", run)
    assert supply.audit() == code
    assert told in capsys.readouterr().out
    ((*_, locked),) = asked
    assert locked == str(ROOT / "requirements.lock")


def test_the_bill_lists_what_is_locked_and_what_is_in_the_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """CycloneDX with purls, licences and hashes; the same twice; a time only when it is given."""
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    made = supply.bill()
    assert made == supply.bill()
    bill = json.loads(made)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert "timestamp" not in bill["metadata"]
    listed = {one["purl"]: one for one in bill["components"]}
    assert len(listed) == len(bill["components"])
    for one in supply.locked():
        told = listed[f"pkg:pypi/{one.name}@{one.version}"]
        assert [value["value"] for value in told["properties"]] == list(one.hashes)
    assert any(purl.startswith("pkg:npm/lit@") for purl in listed)
    assert not any("esbuild" in purl for purl in listed)
    assert bill["dependencies"][0]["dependsOn"] == [one["bom-ref"] for one in bill["components"]]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795773803")
    assert json.loads(supply.bill())["metadata"]["timestamp"] == "2026-11-27T10:03:23Z"


def build(folder: Path, when: int) -> Path:
    """Build the wheel from a copy of the source whose files are of that time, and return it."""
    copy = folder / "source"
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    for file in copy.rglob("*"):
        os.utime(file, (when, when))
        file.chmod(0o755 if file.is_dir() else 0o600 if when % 2 else 0o644)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "dist")],
        cwd=copy,
        env=os.environ | {"SOURCE_DATE_EPOCH": "1795773803"},
        capture_output=True,
        check=True,
    )
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel of this source."""
    return build(tmp_path_factory.mktemp("wheel"), 1_700_000_000)


def test_the_wheel_is_the_same_twice(wheel: Path, tmp_path: Path) -> None:
    """Other times and rights of the files, another folder: the same bytes."""
    other = build(tmp_path, 1_750_000_001)
    assert other.name == wheel.name
    assert sha256(other.read_bytes()).hexdigest() == sha256(wheel.read_bytes()).hexdigest()


def test_the_wheel_holds_what_runs_and_nothing_else(wheel: Path) -> None:
    """Every file of the package, the built pages byte for byte, and no test, source of pages or cache."""
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        wanted = {
            str(file.relative_to(ROOT / "src"))
            for file in (ROOT / "src" / "whodid").rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        }
        assert {name for name in names if ".dist-info/" not in name} == wanted
        pages = [name for name in wanted if name.startswith(STATIC)]
        assert pages
        for name in pages:
            assert packed.read(name) == (ROOT / "src" / name).read_bytes()


PROGRAM = """
import sys, threading, urllib.request
from pathlib import Path
import whodid
from whodid.cli import main
place = Path(whodid.__file__).resolve()
assert place.is_relative_to(sys.argv[1]), place
from starlette.testclient import TestClient
from whodid.server import asgi
with whodid.open("sqlite:///audit.db") as log:
    log.record("w", whodid.Event(
        id="0193a0f2-6c3e-7d51-9a4b-5f1e2d3c4b5a", occurred_at=log.now(), action="contact.deleted",
        actor=whodid.Actor(type="user", id="usr_2M"), resource=whodid.Resource(type="contact", id="con_4H7P")))
    http = TestClient(asgi(log, secret=bytes(32)))
    for file in sorted((place.parent / "viewer" / "static").iterdir()):
        if file.suffix == ".js":
            told = http.get(f"/static/{file.name}")
            assert told.status_code == 200 and told.content == file.read_bytes(), (file.name, told.status_code)
main(["verify", "--store", "sqlite:///audit.db"])
"""


def test_the_wheel_runs_outside_of_the_repository(wheel: Path, tmp_path: Path) -> None:
    """Installed in a folder of its own it records, serves its pages, and verifies."""
    place, work = tmp_path / "place", tmp_path / "work"
    work.mkdir()
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(place)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", PROGRAM, str(place)],
        cwd=work,
        env={name: value for name, value in os.environ.items() if not name.startswith("WHODID_")}
        | {"PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ok" in done.stdout
