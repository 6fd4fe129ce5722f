"""The command line as fixtures: `run` calls a command in this process, `store` is a small store that it finds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import whodid
from tests.keeping import HOME, event, full_event, record
from whodid.cli import ui

DATA = Path(__file__).parent / "data"


class Result(NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return standard output as JSON."""
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command in this process, in a folder of its own, without the environment of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith("WHODID_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Result:
        capfd.readouterr()
        code = ui.run(arguments)
        out, err = capfd.readouterr()
        return Result(code, out, err)

    return call


@pytest.fixture
def store(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a store with thirty entries of today and one workspace, and name both in the environment."""
    url = f"sqlite:///{tmp_path / 'audit.db'}"
    now = datetime.now(UTC) - timedelta(minutes=5)
    with whodid.open(url) as log:
        record(log, [full_event(1, now), *(event(number, at=now) for number in range(2, 31))])
    monkeypatch.setenv("WHODID_STORE", url)
    monkeypatch.setenv("WHODID_WORKSPACE", HOME)
    return url


def program(*arguments: str, folder: Path, **more: Any) -> subprocess.Popen[bytes]:
    """Start the program in a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "whodid", *arguments], cwd=folder, **more)
