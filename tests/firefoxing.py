"""Firefox for the tests: started without a window and without a network, and driven by its own protocol, Marionette.

Playwright drives only a Firefox of its own making; what people have is driven by what is built into it
(https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html): JSON with its length before it, over TCP.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Firefox", "firefox_started"]

FIREFOX = os.environ.get("WHODID_FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")

if FIREFOX is None:
    pytest.skip(
        "Firefox is missing; install it with: apt-get install firefox-esr, or name it in WHODID_FIREFOX",
        allow_module_level=True,
    )

_PATIENCE = 120.0
_PREFERENCES = {
    "marionette.port": 0,
    "network.dns.disabled": True,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "remote.prefs.recommended": True,
}


class Firefox:
    """One window of a browser.

    Args:
        port: Where Marionette listens.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
        self._file = self._socket.makefile("rb")
        self._number = 0
        assert self._receive()["marionetteProtocol"] == 3
        self.ask("WebDriver:NewSession", capabilities={"alwaysMatch": {"acceptInsecureCerts": False}})

    def ask(self, command: str, **parameters: Any) -> Any:
        """Send a command and return its result."""
        self._number += 1
        text = json.dumps([0, self._number, command, parameters])
        self._socket.sendall(f"{len(text.encode())}:{text}".encode())
        kind, number, error, result = self._receive()
        assert (kind, number) == (1, self._number)
        assert error is None, error
        return result

    def open(self, file: Path) -> None:
        """Open a file from the disk, and wait until it is loaded."""
        self.ask("WebDriver:Navigate", url=file.as_uri())

    def run(self, script: str, *args: Any) -> Any:
        """Run the body of a function in the page and return what it returns."""
        return self.ask("WebDriver:ExecuteScript", script=script, args=list(args))["value"]

    def until(self, expression: str) -> Any:
        """Wait until an expression is true in the page, and return its value."""
        limit = time.monotonic() + _PATIENCE
        while time.monotonic() < limit:
            value = self.run(f"return {expression}")
            if value:
                return value
            time.sleep(0.05)
        raise AssertionError(f"{expression} never was true")

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()

    def _receive(self) -> Any:
        length = b""
        while (byte := self._file.read(1)) != b":":
            assert byte, "Firefox ended"
            length += byte
        return json.loads(self._file.read(int(length)))


@contextmanager
def firefox_started(folder: Path) -> Iterator[Firefox]:
    """Start Firefox with a profile of its own, and end it.

    Args:
        folder: Its own, empty.
    """
    assert FIREFOX is not None
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in _PREFERENCES.items()]
    (folder / "user.js").write_text("\n".join(lines))
    said = folder / "said.log"
    # A group of its own: Firefox is several processes, and all of them end with it.
    with said.open("wb") as out:
        process = subprocess.Popen(
            [FIREFOX, "--headless", "--marionette", "--no-remote", "--profile", folder],
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "HOME": str(folder), "MOZ_CRASHREPORTER_DISABLE": "1"},
        )
    try:
        browser = Firefox(_port(folder, process, said))
        try:
            yield browser
        finally:
            browser.close()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _port(folder: Path, process: subprocess.Popen[bytes], said: Path) -> int:
    """Wait for Firefox to say where it listens."""
    file, limit = folder / "MarionetteActivePort", time.monotonic() + _PATIENCE
    while time.monotonic() < limit:
        if file.exists() and (text := file.read_text().strip()):
            return int(text)
        assert process.poll() is None, said.read_text(errors="replace")
        time.sleep(0.05)
    raise AssertionError(f"Firefox does not listen: {said.read_text(errors='replace')}")
