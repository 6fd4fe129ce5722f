"""The workspace that the journeys share: one real process per test process, filled once, and people who use it.

A parallel run keeps all journeys in one of its processes (tests/conftest.py), so that one workspace is filled.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.browser.workspace import Person, Sendero
    from tests.browsing import Browser, StorageState

_ROOT = Path(__file__).parent.parent.parent
_FIRST_START_SECONDS = 240.0


def _start(folder: Path, port: int, output: Path) -> subprocess.Popen[bytes]:
    """Start the workspace and wait until it says how to sign in; what it says goes to a file."""
    program = [sys.executable, "-W", "error", "-m", "sendero"]
    command = [*program, "--data", str(folder), "--port", str(port), "--private-sso"]
    path = os.pathsep.join([str(_ROOT), str(_ROOT / "src")])
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, cwd=_ROOT, env=os.environ | {"PYTHONPATH": path}
        )
    patience = time.monotonic() + _FIRST_START_SECONDS
    while " password " not in output.read_text() or not output.read_text().endswith("\n\n"):
        if process.poll() is not None or time.monotonic() > patience:
            process.kill()
            process.wait()
            pytest.fail(f"The workspace did not start: {output.read_text()}")
        time.sleep(0.1)
    return process


@pytest.fixture(scope="session")
def sendero(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sendero]:
    """Run `python -m sendero` on a free port, with the data of its first start."""
    from tests.browser.workspace import Sendero

    home = tmp_path_factory.mktemp("sendero")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    output = home / "output.txt"
    process = _start(home / "data", port, output)
    try:
        said = output.read_text()
        address = re.search(r"http://127\.0\.0\.1:\d+", said)
        shown = re.search(r"Sign in as (\S+) with the password (\S+)", said)
        assert address is not None, said
        assert shown is not None, said
        yield Sendero(address=address[0], data=home / "data", email=shown[1], password=shown[2])
        process.send_signal(signal.SIGINT)
        process.wait(20)
    finally:
        process.kill()
        process.wait()
    # It complained of nothing while it served, and ended in order.
    assert output.read_text() == said


@pytest.fixture(scope="session")
def _owner(chromium: Browser, sendero: Sendero) -> StorageState:
    """Sign the owner in once, look at the log (the day's first look is an entry), and return the cookies."""
    from tests.browser.workspace import Person
    from tests.browsing import watched

    with watched(chromium, sendero.address) as (context, watch):
        person = Person(context, watch, sendero)
        person.sign_in(sendero.email, sendero.password)
        person.open_log()
        return context.storage_state()


@pytest.fixture
def visitor(chromium: Browser, sendero: Sendero) -> Iterator[Callable[..., Person]]:
    """Return a function that opens a browser profile of its own, in which nobody is signed in."""
    from tests.browser.workspace import Person
    from tests.browsing import watched

    with ExitStack() as stack:

        def arrive(**options: Any) -> Person:
            context, watch = stack.enter_context(watched(chromium, sendero.address, **options))
            return Person(context, watch, sendero)

        yield arrive


@pytest.fixture
def owner(visitor: Callable[..., Person], _owner: StorageState) -> Person:
    """Return the owner, signed in, at the first page of the workspace."""
    person = visitor(storage_state=_owner)
    person.page.goto("/")
    return person


@pytest.fixture
def owner_with(visitor: Callable[..., Person], _owner: StorageState) -> Callable[..., Person]:
    """Return a function that gives the owner another browser: a size, a language, a colour scheme."""

    def arrive(**options: Any) -> Person:
        person = visitor(storage_state=_owner, **options)
        person.page.goto("/")
        return person

    return arrive
