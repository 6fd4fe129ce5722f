"""A copy to another store is killed at random points, over and over, and ends whole."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import whodid
from tests.keeping import HOME
from tests.moving import furnish, picture
from whodid.errors import StoreMoved

STEP_S = 12 / int(os.environ.get("WHODID_KILL_ROUNDS", "50"))
COMMAND = "import sys; from whodid.cli import main; main(sys.argv[1:])"


@pytest.mark.parametrize(
    "way",
    [
        "sqlite-sqlite",
        pytest.param("sqlite-postgres", marks=pytest.mark.postgres),
        pytest.param("postgres-sqlite", marks=pytest.mark.postgres),
    ],
)
@pytest.mark.timeout(600)
def test_kill_9_of_a_copy_leaves_nothing_out(way: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Whatever was killed when: in between no end signs, and at last everything is there, once, and verifies."""
    key, there = tmp_path / "a.key", tmp_path / "b.key"
    urls = [
        f"sqlite:///{tmp_path}/{place}.db" if engine == "sqlite" else str(request.getfixturevalue("postgres_url"))
        for place, engine in zip(("one", "other"), way.split("-"), strict=True)
    ]
    source, destination = urls
    furnish(source, key, entries=6_000)
    with whodid.open(source, key=key) as log:
        before = picture(log)
    command = [sys.executable, "-c", COMMAND, "copy", source, destination]
    command += ["--key-file", str(key), "--to-key-file", str(there)]
    draw = random.Random(20261127)
    killed = 0
    for number in itertools.count():
        # Killed ever later, so that it ends: beginning takes as long as it takes on this machine.
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            _, said = process.communicate(timeout=0.3 + number * STEP_S + draw.random() * 0.3)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += 1
            _never_both(source, key, destination, there)
            continue
        # It may have been killed when everything was done, before it could say so.
        assert process.returncode == 0 or b"was copied already" in said, said.decode()
        break
    assert killed
    with whodid.open(destination, key=there) as log:
        assert picture(log) == before
        assert log.verify(HOME).ok
        assert log.checkpoint(HOME)
    with whodid.open(source, key=key) as log, pytest.raises(StoreMoved):
        log.checkpoint(HOME)


def _never_both(source: str, key: Path, destination: str, there: Path) -> None:
    """Insist that one end at most can be written and signed for."""
    open_ends = 0
    for url, file in ((source, key), (destination, there)):
        if file.exists():
            with suppress(StoreMoved), whodid.open(url, key=file) as log:
                log.check_place()
                # Before the first mark, the destination is a store without a log.
                open_ends += bool(log.workspaces())
    assert open_ends <= 1
