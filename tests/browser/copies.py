"""Copies of the running log, to be tampered with or to grow old, served by `whodid serve`."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

__all__ = ["copy_log", "serving", "whodid"]

_PATIENCE = 60.0

# The command as it is, with a log whose present is another.
_PROGRAM = """
import functools, sys
from datetime import UTC, datetime, timedelta
from whodid.cli import main
from whodid.server import serve
later = timedelta(seconds=float(sys.argv.pop(1)))
serve.open_log = functools.partial(serve.open_log, clock=lambda: datetime.now(UTC) + later)
main()
"""


def copy_log(folder: Path, to: Path) -> Path:
    """Copy the log of a running workspace, as it is at this moment, with its key."""
    path = to / "audit.db"
    source = apsw.Connection(str(folder / "audit.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        source.execute("VACUUM INTO ?", (str(path),))
    finally:
        source.close()
    shutil.copy(folder / "audit.db.key", f"{path}.key")
    return path


def whodid(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command of `whodid` in a folder without a store, and return how it ended."""
    command = [sys.executable, "-m", "whodid", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False, env=_environment())


@contextmanager
def serving(path: Path, *, later: timedelta = timedelta()) -> Iterator[str]:
    """Serve a log by `whodid serve`, some time later than now; yield the link that signs in."""
    output = path.with_name("served.txt")
    arguments = ["serve", "--store", f"sqlite:///{path}", "--port", "0"]
    command = [sys.executable, "-W", "error", "-c", _PROGRAM, str(later.total_seconds()), *arguments]
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=_environment())
    try:
        until = time.monotonic() + _PATIENCE
        while (link := re.search(r"http://127\.0\.0\.1:\d+/#code=[\w-]{43}", output.read_text())) is None:
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"whodid serve did not start: {output.read_text()}")
            time.sleep(0.1)
        yield link[0]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0, output.read_text()
    finally:
        process.kill()
        process.wait()


def _environment() -> dict[str, str]:
    root = Path(__file__).parent.parent.parent
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(root), str(root / "src")])}
