"""What the client makes of the answers of a server: settled, later, in smaller parts, or set aside."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
import zstandard

import whodid
from tests.remoting import WORKSPACE, event
from whodid import Actor
from whodid.capture.remote import transport
from whodid.capture.remote.courier import pause_after
from whodid.capture.remote.transport import Later, Transport, Unreadable

OPERATOR = Actor(type="system", id="tests", name="Tests")


class Scripted(BaseHTTPRequestHandler):
    """Answers what the test wrote down, and remembers the requests."""

    script: ClassVar[list[tuple[int, dict[str, str], bytes]]] = []
    seen: ClassVar[list[tuple[dict[str, str], bytes]]] = []

    def do_POST(self) -> None:
        """Answer the next line of the script."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.seen.append(({name.lower(): value for name, value in self.headers.items()}, body))
        status, headers, answer = self.script.pop(0)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def scripted() -> Iterator[str]:
    """Run a server that follows a script."""
    Scripted.script.clear()
    Scripted.seen.clear()
    server = HTTPServer(("127.0.0.1", 0), Scripted)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def answer(*statuses: str) -> bytes:
    """Write an answer with one result per status."""
    return json.dumps({"results": [{"status": status} for status in statuses]}).encode()


def test_one_bad_event_cannot_hold_up_a_batch(scripted: str, tmp_path: Path) -> None:
    """A server that refuses the whole batch gets halves of it, until the one event is alone and set aside."""
    bad: tuple[int, dict[str, str], bytes] = (413, {}, b"{}")
    Scripted.script += [bad, (200, {}, answer("recorded", "known")), bad, bad, (200, {}, answer("recorded"))]
    with whodid.connect(scripted, "wk_1", spool=tmp_path / "spool", exit_flush_s=0) as client:
        client.take(WORKSPACE, [event(number) for number in range(4)])
        assert client.flush(20)
        assert (client.status().delivered, client.status().quarantined) == (3, 1)
    (line,) = (tmp_path / "spool" / "refused.ndjson").read_text().splitlines()
    assert json.loads(line)["event"]["id"] == event(2).id


def test_bodies_are_packed_and_no_key_stands_in_an_address(scripted: str) -> None:
    """Larger bodies travel as zstd; the key is a header, and so is the workspace."""
    Scripted.script += [(200, {}, answer("recorded")), (200, {}, answer(*["recorded"] * 40))]
    sender = Transport(scripted, "wk_secret")
    one = msgspec.json.encode(event(1))
    sender.send("w", [one])
    sender.send("w", [one] * 40)
    sender.close()
    (small, _), (large, body) = Scripted.seen
    assert "content-encoding" not in small
    assert large["content-encoding"] == "zstd"
    assert json.loads(zstandard.ZstdDecompressor().decompressobj().decompress(body))["events"] == [json.loads(one)] * 40
    assert large["authorization"] == "Bearer wk_secret"
    assert large["x-whodid-workspace"] == "w"


LATER = [
    ((503, {"Retry-After": "7"}, b"{}"), 7.0),
    ((429, {"Retry-After": "99999"}, b""), 600.0),
    ((503, {"Retry-After": "soon"}, b""), 0.0),
    ((500, {}, b"<html>"), 0.0),
    ((401, {}, b'{"detail":"No.","remedy":"Yes."}'), 60.0),
    ((302, {"Location": "http://127.0.0.1:1/"}, b""), 60.0),
    ((404, {}, b""), 60.0),
    ((200, {}, b"<html>a portal</html>"), 60.0),
    ((200, {}, answer("recorded", "recorded")), 0.0),
]


@pytest.mark.parametrize(("said", "pause"), LATER)
def test_what_is_tried_again_and_when(scripted: str, said: tuple[int, dict[str, str], bytes], pause: float) -> None:
    """Whatever is not an answer about the events leaves them where they are; the server's wish is heeded."""
    Scripted.script.append(said)
    sender = Transport(scripted, "wk_1")
    with pytest.raises(Later) as later:
        sender.send("w", [b"{}"])
    sender.close()
    assert later.value.pause == pause


def test_retry_after_may_be_a_date(scripted: str) -> None:
    """The other form of the header counts from the server's own clock."""
    dates = {"Date": "Thu, 26 Nov 2026 10:00:00 GMT", "Retry-After": "Thu, 26 Nov 2026 10:00:40 GMT"}
    assert transport._pause(dates["Retry-After"], dates["Date"]) == 40.0
    assert transport._pause("Thu, 26 Nov 2026 09:00:00 GMT", dates["Date"]) == 0.0


def test_pauses_grow_and_scatter() -> None:
    """The part of chance grows to half a minute, and what the server asked for is added to it."""
    early = [pause_after(Later("x"), 1) for _ in range(500)]
    late = [pause_after(Later("x"), 40) for _ in range(500)]
    asked = [pause_after(Later("x", 5.0), 1) for _ in range(500)]
    assert max(early) <= 1.0
    assert 20 < max(late) <= 30.0
    assert min(late) < 10
    assert min(asked) >= 5.0
    assert len(set(late)) > 400


def test_a_request_that_is_wrong_is_not_repeated(scripted: str) -> None:
    """400, 413, 415 and 422 say that the same request will never do."""
    sender = Transport(scripted, "wk_1")
    for status in (400, 413, 415, 422):
        Scripted.script.append((status, {}, b'{"detail":"It is wrong."}'))
        with pytest.raises(Unreadable, match="It is wrong"):
            sender.send("w", [b"{}"])
    sender.close()
