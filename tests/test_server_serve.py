"""`serve` for real: a process with a socket, from the printed link to the orderly end."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.serving import HOME, Clock, check_problem, linked, open_log
from whodid.errors import InvalidSetting
from whodid.server.config import Settings
from whodid.server.serve import serve

PROGRAM = """
import sys
from whodid.server.config import load
from whodid.server.serve import serve
serve(load({"store": sys.argv[1], "port": 0}), announce=lambda line: print(line, flush=True))
print("closed", flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Make a store with the story in it."""
    url = f"sqlite:///{tmp_path}/audit.db"
    with open_log(Clock(), url) as log:
        assert log.workspaces() == ["wsp_away", "wsp_home"]
    return url


@contextmanager
def running(
    store: str, *, workspace: str | None = HOME, **settings: object
) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """Start the server as a process of its own; yield it, its address and the code of its link."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    if workspace is not None:
        environment["WHODID_WORKSPACE"] = workspace
    environment |= {
        f"WHODID_SERVE_{name.upper()}": str(value) for name, value in ({"drain_seconds": 0} | settings).items()
    }
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, store],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        link = re.search(r"(http://127\.0\.0\.1:[0-9]+)/(?:console)?#code=([A-Za-z0-9_\-]{43})", lines[-1])
        assert link is not None, (lines, process.stderr and process.stderr.read() if process.poll() else "")
        yield process, link[1], link[2]
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def test_from_the_link_to_the_entries_to_the_end(store: str) -> None:
    """Sign in once, read the log, ask it to stop: it finishes, closes the store and ends with 0."""
    own = {"Sec-Fetch-Site": "same-origin"}
    with running(store) as (process, address, code), httpx2.Client(base_url=address) as browser:
        page = browser.get("/")
        assert "<audit-log-viewer" in page.text
        assert "server" not in page.headers
        assert browser.post("/session", json={"code": code}, headers=own).status_code == 200
        check_problem(browser.post("/session", json={"code": code}, headers=own), 403, "denied")
        sent = {"Authorization": f"Bearer {browser.post('/session/token', headers=own).text}"}
        listed = browser.get("/v1/entries", params={"q": "-category:audit"}, headers=sent).json()
        assert [item["index"] for item in listed["items"]] == [6, 5, 4, 3, 2, 1, 0]
        assert browser.get(linked(browser, sent, q="-category:audit")).text.count("\r\n") == 8
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.read() == "closed\n"
        assert process.wait(20) == 0
        assert process.stderr is not None
        lines = [json.loads(line) for line in process.stderr]
        assert {line["message"] for line in lines} == {"request"}
        assert [line["route"] for line in lines][:3] == ["/", "/session", "/session"]


def test_an_interrupt_ends_it_in_order_too(store: str) -> None:
    """Ctrl+C is no traceback."""
    with running(store) as (process, _, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stdout is not None
        assert process.stdout.read() == "closed\n"


def test_oversized_headers_are_refused(store: str) -> None:
    """A header that does not end is cut off long before it fills the memory."""
    with running(store) as (_, address, _):
        host, port = address.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        connection.request("GET", "/", headers={"X-Long": "x" * 200_000})
        try:
            assert connection.getresponse().status in {400, 431}
        except (ConnectionError, http.client.HTTPException):
            pass  # closing the connection at once is an answer as well
        finally:
            connection.close()
        assert httpx2.get(f"{address}/").status_code == 200


def test_a_taken_port_says_so(tmp_path: Path) -> None:
    """The error names the port and the way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidSetting, match=f"Port {port} of 127.0.0.1 cannot be used"):
            serve(Settings(store="memory://", workspace="w", port=port))


def test_with_several_workspaces_the_link_leads_to_the_console(store: str, tmp_path: Path) -> None:
    """Nothing to choose beforehand; and the command line makes further links for the server that runs, good once."""
    own = {"Sec-Fetch-Site": "same-origin"}
    with running(store, workspace=None) as (_, address, printed), httpx2.Client(base_url=address) as browser:
        command = [sys.executable, "-m", "whodid", "serve", "--link", "--store", store]
        command += ["--url", address, "--operator", "Aisha Khan"]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        made = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()
        place, _, code = made.partition("#code=")
        assert place == f"{address}/console"
        for one, name in ((printed, "Operator"), (code, "Aisha Khan")):
            assert browser.post("/session", json={"code": one}, headers=own).status_code == 200
            check_problem(browser.post("/session", json={"code": one}, headers=own), 403, "denied")
            page = browser.get("/console").text
            assert [text for text in ("wsp_away", "wsp_home", name) if text not in page] == []


def test_a_host_that_is_none_says_so() -> None:
    """The error names the host."""
    with pytest.raises(InvalidSetting, match="no address to listen on"):
        serve(Settings(store="memory://", workspace="w", host="256.256.256.256"))


@pytest.mark.parametrize(
    ("changed", "remedy"),
    [
        ({"host": "192.0.2.1"}, "Use an address of this machine"),
        ({"syslog": ("tcp://192.0.2.1:0?exposed=yes",)}, "Write tcp://HOST:PORT"),
        ({"syslog": ("tls://127.0.0.1:0?cert=nowhere.pem",)}, "Check cert, cert_key and client_ca"),
    ],
)
def test_what_cannot_be_listened_on_is_said_before_anything_is_announced(changed: dict[str, Any], remedy: str) -> None:
    """No link is printed to a server that does not start."""
    said: list[str] = []
    with pytest.raises(InvalidSetting) as caught:
        serve(Settings(store="memory://", **({"port": 0} | changed)), announce=said.append)
    assert caught.value.remedy.startswith(remedy)
    assert said == []
