"""`POST /v1/events` through a real `whodid serve`: sockets that drip, break off and lie, and a stop in the middle."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

import whodid
from tests.remoting import environment, event
from whodid import Actor
from whodid.server.keys import KeyRing

WORKSPACE = "wsp"


class Program(NamedTuple):
    """A running server."""

    process: subprocess.Popen[str]
    port: int
    key: str
    store: str


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """Start `whodid serve` on a store with a key."""
    store = f"sqlite:///{tmp_path}/audit.db"
    with whodid.open(store) as log:
        key = KeyRing(log, WORKSPACE, actor=Actor(type="system", id="tests")).create("tests").text
    process = subprocess.Popen(
        [sys.executable, "-m", "whodid", "serve", "--store", store, "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment() | {"PYTHONWARNINGS": "error"},
    )
    try:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(3)]
        found = re.search(r"http://127\.0\.0\.1:([0-9]+)/", lines[1])
        assert found is not None, lines
        yield Program(process, int(found[1]), key, store)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        if process.stderr is not None:
            process.stderr.close()


def head(program: Program, *more: str) -> bytes:
    """Write the head of a request."""
    lines = ["POST /v1/events HTTP/1.1", "Host: x", f"Authorization: Bearer {program.key}", *more, "", ""]
    return "\r\n".join(lines).encode()


def talk(program: Program, *parts: bytes, patience: float = 20.0) -> bytes:
    """Send bytes as they are and return what comes back until the line is closed, broken off or quiet."""
    said = b""
    with socket.create_connection(("127.0.0.1", program.port), timeout=patience) as line:
        try:
            for part in parts:
                line.sendall(part)
            while part := line.recv(65536):
                said += part
                if b"\r\n\r\n" in said and said.rstrip().endswith(b"}"):
                    break
        except (TimeoutError, ConnectionError):
            pass
    return said


def wire(number: int) -> bytes:
    """Write an event."""
    return json.dumps(
        {
            "id": event(number).id,
            "occurred_at": "2026-01-01T00:00:00Z",
            "actor": {"type": "user", "id": "usr_1"},
            "action": "thing.made",
            "resource": {"type": "thing", "id": str(number)},
        }
    ).encode()


def test_requests_that_lie_about_themselves_record_nothing(program: Program) -> None:
    """Two lengths, a length and chunks, a length that is none: refused; the next honest request is served."""
    body = wire(1)
    kind = "Content-Type: application/json"
    for lie in (
        [kind, f"Content-Length: {len(body)}", "Content-Length: 5"],
        [kind, f"Content-Length: {len(body)}", "Transfer-Encoding: chunked"],
        [kind, "Content-Length: -1"],
        [kind, "Content-Length: x"],
    ):
        said = talk(program, head(program, *lie), body, patience=3)
        assert not said.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")), (lie, said)
    honest = talk(program, head(program, kind, f"Content-Length: {len(body)}"), body)
    assert honest.startswith(b"HTTP/1.1 201"), honest
    chunked = talk(
        program, head(program, kind, "Transfer-Encoding: chunked"), b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    )
    assert chunked.startswith(b"HTTP/1.1 200"), chunked


def test_slow_and_broken_bodies_hold_nobody_up(program: Program) -> None:
    """Forty connections that never finish their bodies; an honest sender is answered quickly meanwhile."""
    lines = []
    for _ in range(40):
        line = socket.create_connection(("127.0.0.1", program.port))
        line.sendall(head(program, "Content-Type: application/json", "Content-Length: 1000") + b'{"events": [')
        lines.append(line)
    started = time.monotonic()
    body = wire(1)
    said = talk(program, head(program, "Content-Type: application/json", f"Content-Length: {len(body)}"), body)
    assert said.startswith(b"HTTP/1.1 201"), said
    assert time.monotonic() - started < 5
    for line in lines:
        line.close()
    with httpx2.Client(base_url=f"http://127.0.0.1:{program.port}") as http:
        headers = {"Authorization": f"Bearer {program.key}"}
        again = http.post("/v1/events", content=body, headers=headers | {"Content-Type": "application/json"})
        assert again.json()["status"] == "known"


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_whatever_was_acknowledged_is_there_after_a_stop(program: Program, ending: signal.Signals) -> None:
    """Eight senders while the server is stopped or killed: every acknowledged event is in the log, and it verifies."""
    acknowledged: list[str] = []

    def send(part: int) -> None:
        with httpx2.Client(base_url=f"http://127.0.0.1:{program.port}", timeout=20) as http:
            for number in range(part * 1000, part * 1000 + 1000):
                try:
                    answer = http.post(
                        "/v1/events",
                        content=b'{"events": [%s]}' % wire(number),
                        headers={"Authorization": f"Bearer {program.key}", "Content-Type": "application/json"},
                    )
                except httpx2.HTTPError:
                    return
                if answer.status_code == 200:
                    acknowledged.extend(one["id"] for one in answer.json()["results"])

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(send, part) for part in range(8)]
        until = time.monotonic() + 30
        while len(acknowledged) < 50 and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(program.process.pid, ending)
        for future in futures:
            future.result()
    program.process.wait(40)
    assert len(acknowledged) >= 50
    with whodid.open(program.store) as log:
        recorded = [entry.id for entry in log.read(WORKSPACE) if entry.action == "thing.made"]
        assert set(acknowledged) <= set(recorded)
        assert len(recorded) == len(set(recorded))
        assert log.verify(WORKSPACE).ok
