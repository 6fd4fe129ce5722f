"""Kill the server under the clients of other products, over and over: what was answered is there, and once."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from workos import WorkOSClient
from workos._errors import WorkOSError
from workos._types import RequestOptions
from workos.audit_logs.models import AuditLogEvent

import whodid
from tests.remoting import WORKSPACE, environment
from whodid import Actor
from whodid.server.compat import PRODUCTS
from whodid.server.keys import KeyRing

ROUNDS = int(os.environ.get("WHODID_KILL_ROUNDS", "50")) // 10 or 1
SENDERS = 4


class Program:
    """`whodid serve` on one port, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.store = f"sqlite:///{folder}/audit.db"
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self.port = self.syslog = 0
        with whodid.open(self.store) as log:
            self.key = KeyRing(log, WORKSPACE, actor=Actor(type="system", id="tests")).create("tests").text

    def start(self) -> None:
        """Start, and wait until it listens."""
        command = [sys.executable, "-m", "whodid", "serve", "--store", self.store, "--port", str(self.port)]
        self._process = subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self._folder,
            env=environment()
            | {"WHODID_SERVE_COMPAT": ",".join(PRODUCTS), "WHODID_SERVE_SYSLOG": f"tcp://127.0.0.1:{self.syslog}"},
        )
        assert self._process.stderr is not None
        lines = [self._process.stderr.readline() for _ in range(5)]
        found = [re.search(rf"{scheme}://127\.0\.0\.1:([0-9]+)", "".join(lines)) for scheme in ("http", "tcp")]
        self.port, self.syslog = (int(one[1]) for one in found if one)

    def kill(self, by: signal.Signals = signal.SIGKILL) -> None:
        """End at once, in the middle of whatever it does; or in good order, by SIGTERM."""
        if self._process is not None:
            self._process.send_signal(by)
            self._process.wait(20)
            if self._process.stderr is not None:
                self._process.stderr.close()
            self._process = None


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """Start a server."""
    running = Program(tmp_path)
    running.start()
    try:
        yield running
    finally:
        running.kill()


def killed(program: Program, senders: list[threading.Thread], answered: list[str]) -> None:
    """Kill and start the server again and again while senders send; let them come to an end."""
    for sender in senders:
        sender.start()
    for _ in range(ROUNDS):
        seen, until = len(answered), time.monotonic() + 30
        while len(answered) < seen + 10 and time.monotonic() < until:
            time.sleep(0.005)
        program.kill()
        program.start()
    for sender in senders:
        sender.join(120)
    assert not [sender for sender in senders if sender.is_alive()]


def recorded(program: Program) -> list[str]:
    """Stop the server and return what each event says that it is, as often as it is there."""
    program.kill()
    with whodid.open(program.store) as log:
        report = log.verify(WORKSPACE)
        assert report.ok, report.problems
        return [entry.resource.id for entry in log.read(WORKSPACE) if entry.action == "thing.made"]


@pytest.mark.timeout(600)
def test_workos_events_survive_kills_and_are_there_once(program: Program) -> None:
    """The client retries by itself, the caller with the same key where it gives up: all are there, none twice."""
    answered: list[str] = []
    count = 40 * ROUNDS // SENDERS

    def send(part: int) -> None:
        with WorkOSClient(api_key=program.key, base_url=f"http://127.0.0.1:{program.port}", max_retries=3) as client:
            for number in range(count):
                name = f"{part}-{number}"
                event = AuditLogEvent.from_dict(
                    {
                        "action": "thing.made",
                        "occurred_at": "2026-11-01T12:00:00Z",
                        "actor": {"id": "usr_1", "type": "user"},
                        "targets": [{"id": name, "type": "thing"}],
                        "context": {"location": "203.0.113.7"},
                    }
                )
                options: RequestOptions = {"extra_headers": {"Idempotency-Key": name}}
                until = time.monotonic() + 90
                while time.monotonic() < until:
                    try:
                        client.audit_logs.create_event(organization_id=WORKSPACE, event=event, request_options=options)
                    except WorkOSError:
                        continue
                    answered.append(name)
                    break

    killed(program, [threading.Thread(target=send, args=(part,)) for part in range(SENDERS)], answered)
    there = recorded(program)
    assert len(answered) == count * SENDERS
    assert set(answered) <= set(there)
    assert len(there) == len(set(there)), "an event was recorded twice"


@pytest.mark.timeout(600)
def test_retraced_events_that_were_answered_survive_kills(program: Program) -> None:
    """Without a key of its own a repetition may be there twice, but nothing that was answered is missing."""
    answered: list[str] = []

    def send(part: int) -> None:
        path = f"http://127.0.0.1:{program.port}/auditlog/publisher/v1/project/{WORKSPACE}/event/bulk"
        headers = {"Authorization": f"token={program.key}", "Content-Type": "application/json"}
        with httpx2.Client(timeout=10) as http:
            for number in range(10 * ROUNDS):
                names = [f"{part}-{number}-{one}" for one in range(5)]
                events = [
                    {"action": "thing.made", "crud": "c", "is_anonymous": True, "target": {"id": name, "type": "thing"}}
                    for name in names
                ]
                until = time.monotonic() + 60
                while time.monotonic() < until:
                    try:
                        answer = http.post(path, content=json.dumps({"events": events}), headers=headers)
                    except httpx2.HTTPError:
                        time.sleep(0.02)
                        continue
                    if answer.status_code == 201:
                        answered.extend(names)
                        break
                    assert answer.status_code == 503
                    assert answer.headers["retry-after"]

    killed(program, [threading.Thread(target=send, args=(part,)) for part in range(SENDERS)], answered)
    there = recorded(program)
    assert len(answered) == 50 * ROUNDS * SENDERS
    assert set(answered) <= set(there)
    counts = {name: there.count(name.rsplit("-", 1)[0] + "-0") for name in answered[:200]}
    # A batch is there whole each time.
    assert all(there.count(name) == times for name, times in counts.items())
