"""The real OpenID provider of the tests, running in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

__all__ = ["free_port", "provider"]

_PROGRAM = Path(__file__).parent / "oidc_server.py"


def free_port() -> int:
    """Return a port that nobody listens at."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[str]:
    """Run the provider in a process of its own."""
    folder, port = tmp_path / "provider", free_port()
    folder.mkdir()
    command = [sys.executable, str(_PROGRAM), str(folder), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
