"""Files with secrets: made whole, for their owner alone, and never in the place of another."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import whodid
from whodid.errors import InvalidSetting
from whodid.files.private import make_private
from whodid.log import DeploymentKey
from whodid.server.config import Settings, read_secret
from whodid.witness.book import read_cosigner


def test_a_file_is_made_once(tmp_path: Path) -> None:
    """The second one does not replace it, and nothing else is left in the folder."""
    path = tmp_path / "secret"
    make_private(path, "first\n")
    make_private(path, "second\n")
    assert path.read_text() == "first\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("make", [
    lambda path: DeploymentKey.at(path, create=True),
    lambda path: read_secret(Settings(store="memory://", secret_file=str(path))),
    lambda path: read_cosigner(path, "witness.example.com/w1"),
])  # fmt: skip
def test_a_crash_at_the_first_start_is_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object]
) -> None:
    """No half file is read at the next start, which has the same number of process, as it has in a container."""
    path = tmp_path / "file"
    monkeypatch.setattr(os, "getpid", lambda: 1)

    def die(_descriptor: int) -> None:
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr(os, "fsync", die)
        dying.setattr(Path, "unlink", die)  # a process that is killed tidies nothing up
        with pytest.raises(SystemExit):
            make(path)
    assert not path.exists()
    assert list(tmp_path.iterdir())
    make(path)
    make(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_that_cannot_be_made_is_told_with_the_remedy(tmp_path: Path) -> None:
    """The path is the operator's, and not that of a file that stood aside for a moment."""
    key = tmp_path / "nowhere" / "audit.db.key"
    with pytest.raises(InvalidSetting) as caught:
        whodid.open(f"sqlite:///{tmp_path}/audit.db", key=key)
    assert caught.value.fact == f"The key file {key} cannot be made: No such file or directory"
    assert caught.value.remedy
    with pytest.raises(InvalidSetting, match=rf"The key file {tmp_path} cannot be read: Is a directory\."):
        whodid.open(f"sqlite:///{tmp_path}/audit.db", key=tmp_path)
