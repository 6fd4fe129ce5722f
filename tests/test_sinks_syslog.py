"""Syslog to a real receiver: rsyslog, over TLS and over TCP, with hostile names and every format."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keeping import HOME, Clock, event, full_event, opened, record
from tests.sinking import managed, only, turn
from tests.syslogging import RSYSLOG, Rsyslog, rsyslogging
from whodid import Log, Reason, Resource
from whodid.sinks import SinkWorker

pytestmark = pytest.mark.skipif(
    RSYSLOG is None, reason="rsyslog is missing; install it (apt-get install rsyslog rsyslog-gnutls)"
)
NAME = '<0>1 - - - - - - forged \\ "] [x@1 y="z" Ärger 🐛'
TEXT = "first\r\n<0>1 - - - - - - forged\nlast\tcolumn"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """Open a log with ten entries."""
    with opened("memory", tmp_path, Clock()) as made:
        record(made, [event(number) for number in range(1, 11)])
        yield made


@pytest.fixture(params=[True, False], ids=["tls", "tcp"])
def rsyslog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rsyslog]:
    """Run rsyslog."""
    folder = tmp_path / "rsyslog"
    folder.mkdir()
    with rsyslogging(folder, tls=request.param) as running:
        yield running


def lines(rsyslog: Rsyslog, count: int) -> list[str]:
    """Return what it wrote, once it wrote so many lines."""
    while len(found := rsyslog.lines()) < count:
        time.sleep(0.02)
    return found


@pytest.mark.parametrize("format", ["whodid", "ocsf", "cef", "leef"])
def test_rsyslog_reads_what_was_sent(log: Log, rsyslog: Rsyslog, format: str) -> None:
    """Priority, time, program, name and message, one line for each entry, whatever stands in a name."""
    hostile = event(61, resource=Resource(type="contact", id="con_x", name=NAME), reason=Reason(text=TEXT))
    record(log, [full_event(60), hostile])
    options = {"host": "audit.example"}
    if rsyslog.url.startswith("tls"):
        options["ca"] = str(rsyslog.authority)
    managed(log).add("siem", "syslog", rsyslog.url, private=True, start=0, format=format, options=options)
    turn(SinkWorker(log))
    assert (only(log).status, only(log).behind) == ("active", 0)

    found = lines(rsyslog, 13)
    assert len(found) == 13
    entries = list(log.read(HOME, 0))
    for line, entry in zip(found, entries, strict=True):
        priority, at, host, program, msgid, message = line.split(" ", 5)
        assert (host, program, msgid) == ("audit.example", "whodid", entry.action[:32])
        assert int(priority) // 8 == 13
        assert at.startswith(f"{entry.occurred_at:%Y-%m-%dT%H:%M:%S}")
        if format == "whodid":
            assert json.loads(message)["index"] == entry.index
    if format == "whodid":
        said = json.loads(found[11].split(" ", 5)[5])
        assert (said["resource"]["name"], said["reason"]["text"]) == (NAME, TEXT)
