"""A real server with the doors for other products' clients, faults on demand, and those clients as programs."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.remoting import OPERATOR, ROOT, SECRET, WORKSPACE, Server, nowhere, refused
from whodid import Entry
from whodid.server import asgi
from whodid.server.compat import PRODUCTS
from whodid.server.console import Console
from whodid.server.keys import KeyRing

__all__ = [
    "WORKSPACE",
    "CompatServer",
    "compat_server",
    "needs_clients",
    "needs_workos5",
    "run_node",
    "run_workos5",
    "server",
]

CLIENTS = ROOT / "tests" / "clients"
WORKOS5 = Path(sys.prefix) / "clients" / "workos5"


def needs_clients(test: Any) -> Any:
    """Mark a test that needs the published clients for Node.js."""
    missing = shutil.which("node") is None or not (CLIENTS / "node_modules").is_dir()
    skip = pytest.mark.skipif(missing, reason="the published clients are missing; run: make clients")
    return pytest.mark.clients(skip(test))


def needs_workos5(test: Any) -> Any:
    """Mark a test that needs version 5 of the published WorkOS client."""
    skip = pytest.mark.skipif(not WORKOS5.is_dir(), reason="workos 5 is missing; run: make clients")
    return pytest.mark.clients(skip(test))


class CompatServer(Server):
    """A server on a port of its own.

    Args:
        faults: What happens to the next requests that change something, one after the other: `429` and `503` refuse
            it, `ending` has the server say that it is about to stop, `cut` does it and breaks the line off before the
            answer, anything else lets it through.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ring = KeyRing(self.log, WORKSPACE, actor=OPERATOR)
        self.admin = self.ring.create("admin", scopes=("admin",)).text
        self.faults: list[str] = []
        self.ending = False
        self.keys: list[str] = []

    def application(self) -> Any:
        """Make what answers, with all doors open."""
        self.console = Console(secret=SECRET, clock=self.log.now)
        return asgi(self.log, secret=SECRET, rate=0, compat=PRODUCTS, console=self.console, ending=lambda: self.ending)

    def entries(self, action: str) -> list[Entry]:
        """Return the entries of an action, oldest first."""
        return [entry for entry in self.log.read(WORKSPACE) if entry.action == action]

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests += 1
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        self.keys.append(dict(scope["headers"]).get(b"idempotency-key", b"").decode())
        fault = self.faults.pop(0) if self.faults else "fine"
        self.ending = fault == "ending"
        if fault in {"429", "503"}:
            body = json.dumps({"message": "Wait.", "code": "rate_limit_exceeded"}).encode()
            await refused(send, int(fault), body, after=0)
        elif fault == "cut":
            await self._app(scope, receive, nowhere)
            receive.__self__.transport.abort()
            await asyncio.sleep(0.05)
        else:
            await self._app(scope, receive, send)


@contextmanager
def compat_server(folder: Path) -> Iterator[CompatServer]:
    """Run a server; close its log in the end."""
    server = CompatServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        server.log.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CompatServer]:
    """Run a server."""
    with compat_server(tmp_path) as running:
        yield running


def run_node(program: str, told: dict[str, Any]) -> list[Any]:
    """Run one of the programs of `tests/clients`, and return what it writes."""
    return _run(["node", str(CLIENTS / program)], told)


def run_workos5(told: dict[str, Any]) -> list[Any]:
    """Run version 5 of the WorkOS client, and return what it writes."""
    own = {"PYTHONPATH": str(WORKOS5), "PATH": "/usr/bin:/bin"}
    return _run([sys.executable, str(CLIENTS / "workos5.py")], told, own)


def _run(command: list[str], told: dict[str, Any], environment: dict[str, str] | None = None) -> list[Any]:
    done = subprocess.run(
        command,
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=CLIENTS,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    results: list[Any] = json.loads(done.stdout)
    return results
