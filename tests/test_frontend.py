"""The viewer's source and what was built from it: types, tests, size, and that the committed files are the build's.

Everything happens in a copy, so that nothing of the work tree is touched while other tests read it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

import whodid
from tests.serving import HOME, JOAO, MARIA, Clock, event, open_log, record
from whodid import Actor, Reason
from whodid.catalog import builtin
from whodid.model import Event
from whodid.proof.leaf import EVENT, PURGE, SEAL, Header, commit
from whodid.retention import erase_person, preview_erasure
from whodid.viewer import Reader, api, proofs

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "src" / "whodid" / "viewer" / "static"
LIMIT = 40 * 1024

needs_node = pytest.mark.skipif(
    shutil.which("npm") is None,
    reason="Node.js with npm is missing; install Node.js 20.19 or newer, then run: pytest tests/test_frontend.py",
)


def built() -> dict[str, bytes]:
    """Read the committed files, by their path below `static`."""
    return {str(path.relative_to(STATIC)): path.read_bytes() for path in STATIC.rglob("*") if path.is_file()}


def test_the_manifest_tells_the_hash_of_every_file() -> None:
    """Whoever embeds a file with its hash gets the hash from the manifest."""
    files = built()
    manifest = json.loads(files["manifest.json"])

    assert sorted(manifest) == sorted(files.keys() - {"manifest.json", "viewer.licenses.txt"})
    for name, told in manifest.items():
        digest = base64.b64encode(hashlib.sha384(files[name]).digest()).decode()
        version = hashlib.sha256(files[name]).hexdigest()[:16]
        file = f"{Path(name).with_suffix('')}-{version}{Path(name).suffix}"
        assert told == {"bytes": len(files[name]), "file": file, "integrity": f"sha384-{digest}"}


def test_the_viewer_is_small() -> None:
    """What a page loads first stays under the limit, compressed as servers compress."""
    assert len(gzip.compress(built()["viewer.js"], 9)) <= LIMIT


def test_the_built_files_say_that_they_are_built() -> None:
    """A person who opens a built file learns where its source is and whose code it contains."""
    files = built()
    for name in ("viewer.js", "details.js", "more.js", "alerts.js", "export.js"):
        head = files[name][:300].decode()
        assert "Generated from frontend/" in head
        assert "viewer.licenses.txt" in head
    licences = files["viewer.licenses.txt"].decode()
    assert all(f"{name} " in licences for name in ("lit", "lit-html", "lit-element", "diff"))
    assert licences.count("Redistribution and use in source and binary forms") == 5


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install what the lock file says into a copy of the front end."""
    root = tmp_path_factory.mktemp("viewer")
    frontend = root / "frontend"
    shutil.copytree(ROOT / "frontend", frontend, ignore=shutil.ignore_patterns("node_modules"))
    for folder in ("tests/vectors", "docs/spec"):
        shutil.copytree(ROOT / folder, root / folder)
    run(frontend, "npm", "ci", "--no-audit", "--no-fund", "--prefer-offline")
    return frontend


def run(folder: Path, *command: str, text: str = "") -> str:
    """Run a command of the front end; what it says is in the message when it fails."""
    environment = {**os.environ, "npm_config_update_notifier": "false"}
    done = subprocess.run(
        command, cwd=folder, input=text, capture_output=True, text=True, check=False, timeout=300, env=environment
    )
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@needs_node
@pytest.mark.frontend
class TestSource:
    """What needs Node.js."""

    def test_types(self, copy: Path) -> None:
        """The source is well typed, strictly."""
        run(copy, "npm", "run", "--silent", "check")

    def test_units(self, copy: Path) -> None:
        """The pure functions pass their tests."""
        run(copy, "npm", "run", "--silent", "test")

    def test_the_committed_files_are_what_the_source_builds(self, copy: Path) -> None:
        """No byte differs, no file is missing and none is left over."""
        run(copy, "npm", "run", "--silent", "build")
        made = copy.parent / "src" / "whodid" / "viewer" / "static"
        page = Path("src", "whodid", "evidence", "static", "evidence.html")
        assert (copy.parent / page).read_bytes() == (ROOT / page).read_bytes()
        fresh = {str(path.relative_to(made)): path.read_bytes() for path in made.rglob("*") if path.is_file()}

        stale = sorted(name for name in fresh.keys() | built().keys() if fresh.get(name) != built().get(name))

        assert stale == [], "Run `npm run build` in frontend/ and commit src/whodid/viewer/static"

    @pytest.mark.parametrize("personal", [True, False], ids=["all", "hidden"])
    def test_a_browser_accepts_what_the_log_proves(self, copy: Path, *, personal: bool) -> None:
        """Every declared action, seen with and without personal values, is verified field by field."""
        pairs = recorded(personal=personal)

        verdicts = judge(copy, pairs)

        assert len(pairs) >= len(builtin())
        assert [verdict for verdict in verdicts if verdict["state"] != "verified" or not verdict["content"]] == []

    def test_a_browser_accepts_what_keeping_records(self, copy: Path) -> None:
        """Seals and records of purges have leaves of a kind of their own, and are verified like the rest."""
        with whodid.open("memory://") as log:
            log.record("casa-lumen", told("contact.created"))
            log.record("casa-lumen", told("contact.deleted"))
            log.seal("casa-lumen", close=True)
            assert log.forget("casa-lumen", [range(1)], msgspec.structs.replace(told("audit.purged"), details=None))
            pairs = answers(Reader(log, "casa-lumen", personal=True), 1)
        kinds = [Header.decode(base64.b64decode(pair["proof"]["leaf"])).kind for pair in pairs]

        verdicts = judge(copy, pairs)

        assert kinds == [EVENT, SEAL, PURGE]
        assert [(verdict["state"], verdict.get("content")) for verdict in verdicts] == [("verified", True)] * 3

    def test_a_browser_refuses_what_was_not_recorded(self, copy: Path) -> None:
        """An actor's name changed after recording is found, and the field is named."""
        pairs = recorded(personal=True)
        for pair in pairs:
            pair["entry"]["actor"]["name"] = "Somebody Else"

        verdicts = judge(copy, pairs)

        assert {(verdict["state"], verdict["field"]) for verdict in verdicts} == {("failed", "actor.name")}

    @pytest.mark.parametrize("personal", [True, False], ids=["all", "hidden"])
    def test_a_browser_accepts_what_is_left_after_an_erasure(self, copy: Path, *, personal: bool) -> None:
        """Erased fields are in their places, whoever looks; where something else is hidden, that is named."""
        with open_log(Clock()) as log:
            record(log, HOME, [event(60, "contact.updated", HELP, reason=Reason(text="João Silva asked for it"))])
            for person in ("user:usr_joao", "contact:con_ana"):
                told_of = preview_erasure(log, HOME, person).mentions
                erase_person(log, HOME, person, actor=MARIA, reason=Reason(text="Request 9"), mentions=told_of)
            pairs = answers(Reader(log, HOME, personal=personal))

        verdicts = judge(copy, pairs)

        assert sum(len(pair["entry"].get("erased", {}).get("paths", ())) for pair in pairs) > 10
        assert [verdict for verdict in verdicts if verdict["state"] != "verified" or not verdict["content"]] == []
        parts = {part for verdict in verdicts for part in verdict["parts"]}
        assert parts == (set() if personal else {"context.place", "details"})

    def test_a_browser_refuses_what_is_only_said_to_be_hidden(self, copy: Path) -> None:
        """A part of an entry is disclosed, hidden whole, or counted; nothing else can stand behind a commitment."""
        with open_log(Clock()) as log:
            erase_person(log, HOME, "contact:con_juan", actor=MARIA, reason=Reason(text="Request 9"))
            honest = answers(Reader(log, HOME, personal=False))
        lies = [pair for one in honest for pair in misled(one)]

        verdicts = judge(copy, [*honest, *lies])

        assert {verdict["state"] for verdict in verdicts[: len(honest)]} == {"verified"}
        assert len(lies) > 5 * len(honest)
        assert [verdict for verdict in verdicts[len(honest) :] if verdict["state"] != "failed"] == []


HELP = Actor(type="user", id="usr_help", name="Help Desk", on_behalf_of=JOAO)


def misled(pair: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a lying server could answer: the leaf holds, and the entry shows something that nothing binds."""
    lies = []

    def closed(at: int) -> dict[str, Any]:
        lie: dict[str, Any] = copy_of(pair)
        field = lie["proof"]["fields"][at]
        salt, value = base64.b64decode(field["salt"]), field["value"].encode()
        bound = commit(salt, field["path"].encode(), value)
        lie["proof"]["fields"][at] = {"commitment": base64.b64encode(bound).decode()}
        lies.append(lie)
        return dict(lie["entry"])

    for at, field in enumerate(pair["proof"]["fields"]):
        path = field.get("path")
        if path == "core":
            closed(at)["severity"] = {"$": "hidden"}
            lies[-1]["entry"] |= {"action": "contact.created", "severity": {"$": "hidden"}}
        elif path in {"actor.id", "resource.id"}:
            noun = path.partition(".")[0]
            closed(at)[noun] |= {"id": "somebody", "type": {"$": "hidden"}}
        elif path in {"actor.name", "resource.name"}:
            noun = path.partition(".")[0]
            closed(at)[noun]["name"] = "Somebody Else"
            del closed(at)[noun]["name"]  # as if there had been none
        elif path in {"reason", "details"}:
            closed(at)
            del lies[-1]["entry"][path]
    for path in pair["entry"].get("erased", {}).get("paths", ()):
        noun, _, rest = path.partition(".")
        if noun == "resource":
            lie = copy_of(pair)
            lie["entry"][noun][rest] = "Somebody Else"
            lies.append(lie)
            lies.append(copy_of(pair))
            lies[-1]["entry"]["erased"]["paths"].remove(path)
            del lies[-1]["entry"][noun][rest]
    return lies


def copy_of(pair: dict[str, Any]) -> dict[str, Any]:
    """Return a copy that can be changed."""
    copied: dict[str, Any] = json.loads(json.dumps(pair))
    return copied


def recorded(*, personal: bool) -> list[dict[str, Any]]:
    """Record the example of every declared action and return what the API answers about each."""
    with whodid.open("memory://") as log:
        for action in builtin().values():
            log.record("casa-lumen", told(action.name))
        return answers(Reader(log, "casa-lumen", personal=personal))


def told(action: str) -> Event:
    """Return the example of a declared action."""
    return msgspec.convert(builtin()[action].example, Event)


def answers(reader: Reader, first: int = 0) -> list[dict[str, Any]]:
    """Return what the API answers about each entry from the first one on."""
    size, _ = reader.head()
    found = [
        {"proof": proofs.proof(reader, index), "entry": api.entry(reader, index, "en")["entry"]}
        for index in range(first, size)
    ]
    return list(msgspec.json.decode(msgspec.json.encode(found)))


def judge(frontend: Path, pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Have the viewer's own code check proofs."""
    lines = "\n".join(json.dumps(pair) for pair in pairs)
    return [json.loads(line) for line in run(frontend, "node", "test/accept.mjs", text=lines).splitlines()]
