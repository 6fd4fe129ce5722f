"""Syslog: RFC 5424 messages, framed by their length, over TLS (RFC 5425) or TCP (RFC 6587).

Syslog has no answer. What is known is that the connection stands before and after a delivery; what was under way when a
receiver died is lost, and nobody is told.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress

from whodid import canonical, egress
from whodid.errors import InvalidSetting
from whodid.sinks.formats import LINE_FORMATS
from whodid.sinks.kinds.base import TAKEN, Kind, Message, Opening, Result
from whodid.sinks.kinds.http import OPTIONS, make_trust, network_fault, split_address

__all__ = ["SYSLOG"]

_SECONDS = 10.0
_ENDING_SECONDS = 1.0
_FACILITY = 13  # log audit
_SEVERITIES = {"info": 6, "notice": 5, "warning": 4, "critical": 2}
_PORTS = {"tls": 6514, "tcp": 601}
_LONGEST_HOST = 255
_LONGEST_MSGID = 32


class _Syslog:
    """Frames and writes."""

    def __init__(self, opening: Opening) -> None:
        url = split_address(opening, ("tls", "tcp"), clear="tcp")
        self._host, self._port = url.hostname or "", url.port or _PORTS[url.scheme]
        self._private = opening.sink.private
        self._trust = make_trust(opening) if url.scheme == "tls" else None
        self._name = _header(opening.option("host", socket.gethostname()), _LONGEST_HOST, "host")
        self._socket: socket.socket | None = None

    def send(self, messages: Sequence[Message]) -> Result:
        """Write the messages."""
        try:
            connection = self._socket
            if connection is None or _ended(connection):
                self.close()
                connection = self._socket = self._connect()
            connection.sendall(b"".join(self._frame(message) for message in messages))
            if _ended(connection):
                self.close()
                return Result(fault="The receiver closed the connection")
        except (OSError, InvalidSetting) as error:
            self.close()
            return Result(fault=network_fault(error))
        return TAKEN

    def close(self) -> None:
        """End the connection in order, so that what is under way arrives."""
        if self._socket is not None:
            connection, self._socket = self._socket, None
            with suppress(OSError):
                connection.settimeout(_ENDING_SECONDS)
                if isinstance(connection, ssl.SSLSocket):
                    connection = connection.unwrap()
                connection.shutdown(socket.SHUT_WR)
            connection.close()

    def _connect(self) -> socket.socket:
        connection = egress.connect(self._host, self._port, private=self._private, seconds=_SECONDS)
        if self._trust is None:
            return connection
        try:
            return self._trust.wrap_socket(connection, server_hostname=self._host)
        except BaseException:
            connection.close()
            raise

    def _frame(self, message: Message) -> bytes:
        priority = _FACILITY * 8 + _SEVERITIES[message.severity]
        name = message.action[:_LONGEST_MSGID]
        head = f"<{priority}>1 {canonical.time_text(message.at)} {self._name} whodid - {name} - "
        line = head.encode() + message.body
        return b"%d %b" % (len(line), line)


def _ended(connection: socket.socket) -> bool:
    """Tell whether the other side closed; what else it may say is of no interest."""
    connection.settimeout(0)
    try:
        while connection.recv(4_096):
            pass
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    finally:
        connection.settimeout(_SECONDS)
    return True


def _header(text: str, longest: int, name: str) -> str:
    if not text or len(text) > longest or not all("!" <= character <= "~" for character in text):
        raise InvalidSetting(f"The option {name} cannot be {text!r}", f"Use 1 to {longest} printable ASCII characters")
    return text


SYSLOG = Kind(
    formats=LINE_FORMATS,
    options={**OPTIONS, "host": "name of the sending host (this machine's)"},
    batch=100,
    most=5_000,
    secret=False,
    open=_Syslog,
)
