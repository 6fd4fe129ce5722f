"""A real receiver of syslog for the tests: rsyslog on this machine, which writes what it got into a file."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.receiving import certified

__all__ = ["RSYSLOG", "Rsyslog", "rsyslogging"]

RSYSLOG = os.environ.get("WHODID_RSYSLOG") or shutil.which("rsyslogd", path=os.environ.get("PATH", "") + ":/usr/sbin")

_CONFIGURATION = """\
global(
    workDirectory="{folder}" maxMessageSize="64k"
    defaultNetstreamDriverCAFile="{authority}"
    defaultNetstreamDriverCertFile="{authority}"
    defaultNetstreamDriverKeyFile="{key}"
)
module(load="imtcp" {driver})
input(type="imtcp" port="0" address="127.0.0.1" listenPortFileName="{folder}/port")
template(name="raw" type="string" string="%pri% %timestamp:::date-rfc3339% %hostname% %app-name% %msgid% %msg%\\n")
action(type="omfile" file="{folder}/out" template="raw")
"""
_TLS = 'streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon"'


class Rsyslog:
    """What an rsyslog got.

    Args:
        url: Where it listens.
        authority: Who signed its certificate.
    """

    def __init__(self, folder: Path, url: str, authority: Path) -> None:
        self._folder = folder
        self.url = url
        self.authority = authority

    def lines(self) -> list[str]:
        """Return what it wrote so far: priority, time, host, program, name of the message, message."""
        out = self._folder / "out"
        return out.read_text(encoding="utf-8").split("\n")[:-1] if out.exists() else []


@contextmanager
def rsyslogging(folder: Path, *, tls: bool) -> Iterator[Rsyslog]:
    """Run rsyslog.

    Args:
        folder: Empty; its own.
    """
    assert RSYSLOG is not None
    _, authority = certified(folder)
    settings = folder / "rsyslog.conf"
    settings.write_text(
        _CONFIGURATION.format(
            folder=folder, authority=authority, key=folder / "localhost.key", driver=_TLS if tls else ""
        )
    )
    command = [RSYSLOG, "-n", "-f", str(settings), "-i", str(folder / "pid")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            port = folder / "port"
            while not (port.exists() and port.read_text().strip()):
                if process.poll() is not None:
                    message = f"rsyslog ended with {process.returncode}"
                    raise RuntimeError(message)
                time.sleep(0.01)
            scheme = "tls" if tls else "tcp"
            yield Rsyslog(folder, f"{scheme}://localhost:{port.read_text().strip()}", authority)
        finally:
            process.kill()
