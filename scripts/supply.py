"""What whodid is made of: a lock with hashes, the licences, and a bill of materials (CycloneDX 1.6).

    python scripts/supply.py lock          write requirements.lock from pyproject.toml and constraints.txt (needs uv)
    python scripts/supply.py licences      check the licence of everything that is installed for it
    python scripts/supply.py sbom [FILE]   write the bill of materials
    python scripts/supply.py audit         ask PyPI for known vulnerabilities of what is locked (needs uv and pypi.org)

The lock holds what runs in production: every extra but that of the example workspace. The bill lists the same packages
with the hashes of the lock, and the packages of npm whose code is in the built pages. It is the same for the same
lock: no random number and no present time is in it (SOURCE_DATE_EPOCH gives it a time).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

__all__ = ["ALLOWED", "Locked", "audit", "bill", "expression", "licences", "locked", "main"]

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
HEADER = """\
# What runs in production, every file with its hashes. Written by `make constraints`; do not edit by hand.
# pip install --require-hashes -r requirements.lock && pip install --no-deps whodid
"""
EXAMPLE = "sendero"
AUDITOR = "pip-audit@2.10.1"

ALLOWED = frozenset({
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "HPND", "ISC", "LGPL-2.1-only",
    "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Unicode-3.0", "Unlicense",
    "Zlib", "any-OSI",
})  # fmt: skip
"""What code that is used unchanged, as a package of its own, may be under in a program under Apache-2.0."""

_WORDS = (
    ("apache", "Apache-2.0"),
    ("mit license", "MIT"),
    ("mit", "MIT"),
    ("3-clause", "BSD-3-Clause"),
    ("2-clause", "BSD-2-Clause"),
    ("bsd", "BSD-3-Clause"),
    ("lesser general public license v3", "LGPL-3.0-only"),
    ("lgplv3", "LGPL-3.0-only"),
    ("lgpl-2.1", "LGPL-2.1-only"),
    ("lgpl", "LGPL-3.0-only"),
    ("mozilla public license 2.0", "MPL-2.0"),
    ("python software foundation", "PSF-2.0"),
    ("isc", "ISC"),
    ("any-osi", "any-OSI"),
    ("osi approved", "any-OSI"),
)


class Locked(NamedTuple):
    """A package of the lock.

    Args:
        marker: On which platforms it is needed; empty for all.
        hashes: SHA-256 of each of its files, hexadecimal.
    """

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def lock() -> None:
    """Resolve within constraints.txt, and write requirements.lock."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--constraint", "constraints.txt"]
    command += ["--universal", "--python-version", "3.11", "--generate-hashes"]
    command += ["--no-header", "--no-annotate", "--quiet"]
    for extra in sorted(extras.keys() - {EXAMPLE}):
        command += ["--extra", extra]
    resolved = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    LOCK.write_text(HEADER + resolved, encoding="utf-8")


def locked() -> list[Locked]:
    """Read requirements.lock."""
    text = re.sub(r"\\\n\s*", " ", LOCK.read_text(encoding="utf-8"))
    found = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            what, *hashes = line.split(" --hash=sha256:")
            pinned, _, marker = what.partition(";")
            name, _, version = pinned.strip().partition("==")
            found.append(Locked(name, version, marker.strip(), tuple(one.strip() for one in hashes)))
    return found


def expression(name: str) -> str | None:
    """Return the licence of an installed package as an SPDX expression, or None when it is not installed here."""
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    if "License-Expression" in told:
        return told["License-Expression"]
    classifiers = [one for one in told.get_all("Classifier") or [] if one.startswith("License ::")]
    for text in (*classifiers, str(told.json.get("license", ""))[:200]):
        for word, licence in _WORDS:
            if word in text.lower():
                return licence
    return "unknown"


def licences() -> list[str]:
    """Return what is wrong with the licences of the installed packages of the lock."""
    found = []
    for one in locked():
        told = expression(one.name)
        names = [] if told is None else re.findall(r"[A-Za-z0-9.+-]+", re.sub(r"\b(AND|OR|WITH)\b", " ", told))
        found += [f"{one.name} {one.version}: {told}" for name in names if name not in ALLOWED]
    return sorted(set(found))


def audit() -> int:
    """Say which vulnerabilities are known of what is locked.

    Returns:
        0: none. 1: some. 2: nobody could be asked, so nothing is known.
    """
    command = [sys.executable, "-m", "uv", "tool", "run", "--quiet", AUDITOR, "--strict", "--require-hashes"]
    command += ["--disable-pip", "--progress-spinner", "off", "--format", "json", "--requirement", str(LOCK)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(
            f"Known vulnerabilities were NOT checked: {done.stderr.strip().rpartition(chr(10))[2]}\n"
            "Advisories come from https://pypi.org/pypi/NAME/VERSION/json. Where a mirror stands in for it they are "
            "mostly missing: run this where pypi.org itself is reached. Licences and the bill need no network."
        )
        return 2
    known = [(one["name"], one["version"], each) for one in found for each in one["vulns"]]
    for name, version, each in known:
        print(f"{name} {version}: {each['id']}, mended in {', '.join(each['fix_versions']) or 'no version yet'}")
    print(f"{len(found)} packages, and {len(known) or 'no'} vulnerabilities of them are known.")
    return int(bool(known))


def bill() -> bytes:
    """Return the bill of materials of this version, as JSON."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    components = [*_python(), *_npm()]
    reference = f"pkg:pypi/whodid@{project['version']}"
    stamp: dict[str, Any] = {}
    if "SOURCE_DATE_EPOCH" in os.environ:
        at = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
        stamp = {"timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
    body = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            **stamp,
            "component": {
                "type": "application",
                "bom-ref": reference,
                "name": "whodid",
                "version": project["version"],
                "description": project["description"],
                "licenses": [{"expression": project["license"]}],
                "purl": reference,
            },
        },
        "components": components,
        "dependencies": [{"ref": reference, "dependsOn": [one["bom-ref"] for one in components]}],
    }
    serial = uuid5(NAMESPACE_URL, json.dumps(body, sort_keys=True))
    return json.dumps({**body, "serialNumber": f"urn:uuid:{serial}"}, indent=2, ensure_ascii=False).encode() + b"\n"


def _python() -> Iterator[dict[str, Any]]:
    for one in locked():
        purl = f"pkg:pypi/{one.name}@{one.version}"
        told = expression(one.name)
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": one.name,
            "version": one.version,
            # Of several files, each platform uses one; a component has the hash of one thing, so all are properties.
            "properties": [{"name": "whodid:file:sha256", "value": value} for value in one.hashes],
            **({"licenses": [{"expression": told}]} if told not in {None, "unknown", "any-OSI"} else {}),
            "purl": purl,
        }


def _npm() -> Iterator[dict[str, Any]]:
    """Yield what of the front end's packages is in the built pages: those that are not for development only."""
    packages = json.loads((ROOT / "frontend" / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for place, told in sorted(packages.items()):
        if not place or told.get("dev"):
            continue
        name = place.rpartition("node_modules/")[2]
        purl = f"pkg:npm/{name.replace('@', '%40')}@{told['version']}"
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": told["version"],
            **({"licenses": [{"expression": told["license"]}]} if "license" in told else {}),
            "purl": purl,
        }


def main() -> None:
    """Do what was asked."""
    match sys.argv[1:]:
        case ["lock"]:
            lock()
        case ["licences"]:
            wrong = licences()
            print("\n".join(wrong) or f"{len(locked())} packages, and the licence of each may be used.")
            sys.exit(bool(wrong))
        case ["audit"]:
            sys.exit(audit())
        case ["sbom"]:
            sys.stdout.buffer.write(bill())
        case ["sbom", file]:
            Path(file).write_bytes(bill())
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
