"""Kill the server under senders of messages: what was answered is there, what is sent again is there once."""

from __future__ import annotations

import json
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx2
import pytest
from rfc5424logging import Rfc5424SysLogHandler

from tests.faults.test_compat import ROUNDS, SENDERS, Program, killed, recorded
from tests.faults.test_compat import program as program  # noqa: PLC0414 - a fixture

_AT = 1_780_000_000
_BATCH = 5


class Door(NamedTuple):
    """How a batch is sent to one door."""

    path: str
    scheme: str
    kind: str
    body: Callable[[list[str]], bytes]


def otlp(names: list[str]) -> bytes:
    """Write log records."""
    records = [
        {
            "timeUnixNano": str(_AT * 10**9),
            "eventName": "thing.made",
            "attributes": [{"key": "resource.id", "value": {"stringValue": name}}],
        }
        for name in names
    ]
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()


def splunk(names: list[str]) -> bytes:
    """Write events for the collector."""
    said: list[dict[str, Any]] = [
        {"time": _AT, "event": {"action": "thing.made", "resource": {"type": "thing", "id": name}}} for name in names
    ]
    return "".join(map(json.dumps, said)).encode()


def cloudevents(names: list[str]) -> bytes:
    """Write a batch."""
    head = {"specversion": "1.0", "source": "/t", "type": "thing.made", "time": "2026-06-01T00:00:00Z"}
    return json.dumps([head | {"id": name, "subject": name} for name in names]).encode()


DOORS = [
    Door("/v1/logs", "Bearer", "application/json", otlp),
    Door("/services/collector/event", "Splunk", "application/json", splunk),
    Door("/cloudevents", "Bearer", "application/cloudevents-batch+json", cloudevents),
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.body.__name__)
def test_batches_that_are_sent_again_are_there_once_and_whole(program: Program, door: Door) -> None:
    """A sender that repeats each batch until it is answered finds each event exactly once."""
    answered: list[str] = []

    def post(part: int) -> None:
        headers = {"Authorization": f"{door.scheme} {program.key}", "Content-Type": door.kind}
        with httpx2.Client(base_url=f"http://127.0.0.1:{program.port}", timeout=10) as http:
            for number in range(10 * ROUNDS):
                names = [f"{part}-{number}-{one}" for one in range(_BATCH)]
                until = time.monotonic() + 60
                while time.monotonic() < until:
                    try:
                        answer = http.post(door.path, content=door.body(names), headers=headers)
                    except httpx2.HTTPError:
                        time.sleep(0.02)
                        continue
                    if answer.status_code in {200, 204}:
                        answered.extend(names)
                        break
                    assert answer.status_code == 503
                    assert answer.headers["retry-after"]

    killed(program, [threading.Thread(target=post, args=(part,)) for part in range(SENDERS)], answered)
    assert len(answered) == 10 * ROUNDS * SENDERS * _BATCH
    assert sorted(recorded(program)) == sorted(answered)


def sender(program: Program) -> Rfc5424SysLogHandler:
    """Open the published handler."""
    return Rfc5424SysLogHandler(
        address=("127.0.0.1", program.syslog),
        socktype=socket.SOCK_STREAM,
        enterprise_id="32473",
        structured_data={"whodid": {"key": program.key}},
    )


def message(made: Rfc5424SysLogHandler, name: str) -> bytes:
    """Make the message that says that a thing was made."""
    record = logging.LogRecord("app", logging.INFO, __file__, 1, "made", None, None)
    record.created, record.msgid = _AT, "thing.made"
    record.structured_data = {"audit": {"resource.id": name}}
    written: bytes = made.build_msg(record)
    return written


def send(program: Program, names: list[str], left: list[str]) -> None:
    """Send messages, over a new connection where one broke."""
    made: Rfc5424SysLogHandler | None = None
    for name in names:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                made = made or sender(program)
                made.transport.transmit(message(made, name))
            except OSError:
                time.sleep(0.02)
                continue
            left.append(name)
            break
    if made is not None:
        made.close()


@pytest.mark.timeout(600)
def test_syslog_messages_that_are_sent_again_are_there_once(program: Program) -> None:
    """What a kill took from the wire is missing until it is sent again; nothing is there twice or out of proof."""
    names: list[str] = []
    for round_ in range(ROUNDS):
        left: list[str] = []
        of_round = [f"{round_}-{number}" for number in range(200)]
        sending = threading.Thread(target=send, args=(program, of_round, left))
        sending.start()
        until = time.monotonic() + 30
        while len(left) < 20 and time.monotonic() < until:
            time.sleep(0.001)
        program.kill()
        program.start()
        sending.join(120)
        assert left == of_round
        names += of_round
    again = sender(program)
    for name in names:
        again.transport.transmit(message(again, name))
    again.close()
    program.kill(signal.SIGTERM)
    there = recorded(program)
    assert len(there) == len(set(there))
    assert sorted(there) == sorted(names)


def test_a_server_that_is_asked_to_stop_records_what_arrived(program: Program) -> None:
    """SIGTERM right after the last message left: all are there."""
    made = sender(program)
    for number in range(1_000):
        made.transport.transmit(message(made, str(number)))
    program.kill(signal.SIGTERM)
    made.close()
    assert sorted(recorded(program)) == sorted(map(str, range(1_000)))
