"""A real server of whodid for the tests of the remote client, one that can be told to misbehave."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

import whodid
from tests.capturing import event
from whodid import Actor, Log
from whodid.server import asgi
from whodid.server.keys import KeyRing

__all__ = [
    "OPERATOR",
    "ROOT",
    "SECRET",
    "WORKSPACE",
    "Server",
    "child",
    "event",
    "ids",
    "nowhere",
    "refused",
    "serving",
    "shipped",
]

ROOT = Path(__file__).resolve().parent.parent
WORKSPACE = "wsp"
SECRET = b"a secret of the tests, 32 bytes or more"
OPERATOR = Actor(type="system", id="tests", name="Tests")


class Server:
    """A server on a port of its own.

    Args:
        mode: `fine`, `slow` (50 ms per request), `503`, `429`, `deaf` (takes the request and never answers), or
            `forgetful` (records and answers 500).
        store: Address of the store; a file in the folder when not given.
    """

    def __init__(self, folder: Path, store: str | None = None) -> None:
        self.log: Log = whodid.open(store or f"sqlite:///{folder}/audit.db")
        self.key = KeyRing(self.log, WORKSPACE, actor=OPERATOR).create("tests").text
        self.mode = "fine"
        self.requests = 0
        self._app = self.application()
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def application(self) -> Any:
        """Make what answers."""
        return asgi(self.log, secret=SECRET, rate=0)

    def start(self) -> None:
        """Listen."""
        if self._socket.fileno() < 0:
            self._socket = socket.socket()
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(("127.0.0.1", self.port))
        config = uvicorn.Config(
            self._answer, interface="asgi3", lifespan="off", log_level="error", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        sockets = [self._socket]
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": sockets}, daemon=True)
        self._thread.start()
        until = time.monotonic() + 20
        while not self._server.started and time.monotonic() < until:
            time.sleep(0.01)

    def stop(self) -> None:
        """Go away, as a machine that is off: connections are refused."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(10)
            self._server = self._thread = None
        self._socket.close()

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests += 1
        if self.mode == "slow":
            await asyncio.sleep(0.05)
        if self.mode in {"503", "429"}:
            await refused(send, int(self.mode), b"", after=1)
        elif self.mode == "deaf":
            await asyncio.sleep(60)
        elif self.mode == "forgetful":
            await self._app(scope, receive, nowhere)
            await refused(send, 500, b"")
        else:
            await self._app(scope, receive, send)


async def nowhere(message: Any) -> None:
    """Take an answer and forget it."""


async def refused(send: Any, status: int, body: bytes, *, after: int | None = None) -> None:
    """Refuse a request.

    Args:
        after: Seconds after which the client may come back.
    """
    headers = [(b"content-type", b"application/json")] if body else []
    headers += [] if after is None else [(b"retry-after", str(after).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(folder: Path, store: str | None = None) -> Iterator[Server]:
    """Run a server; close its log in the end."""
    server = Server(folder, store)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        server.log.close()


@contextmanager
def cutting(port: int) -> Iterator[None]:
    """Listen on a port and cut every connection in the middle of the request."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(16)

    def cut() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.recv(1024)
            connection.close()

    thread = threading.Thread(target=cut, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def environment() -> dict[str, str]:
    """Return an environment in which a child finds the package and the tests."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}


def child(server: Server, spool: Path, ending: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a process that records and ends in some way; see `tests/faults/sender.py`."""
    program = ROOT / "tests" / "faults" / "sender.py"
    return subprocess.Popen(
        [sys.executable, str(program), server.url, server.key, str(spool), ending, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def shipped(server: Server, spool: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run `whodid ship` on a spool."""
    key = tmp_path / "key"
    key.write_text(server.key)
    return subprocess.run(
        [sys.executable, "-m", "whodid", "ship", str(spool), "--url", server.url, "--key-file", str(key), "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=120,
    )


def ids(log: Log, action: str = "thing.made") -> list[str]:
    """List the ids of the recorded events of an action, those that stand there twice twice."""
    return [entry.id for entry in log.read(WORKSPACE) if entry.action == action]
