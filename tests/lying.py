"""Receivers that mean harm, for the tests: each takes connections and answers as badly as its name says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

__all__ = ["LIES", "Liar", "lying"]

_OK = b"HTTP/1.1 200 OK\r\n"


def _hangs(connection: socket.socket, over: threading.Event) -> None:
    over.wait()


def _drips_headers(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(_OK)
    while not over.wait(0.02):
        connection.sendall(b"X-Slow: yes\r\n")


def _drips_a_body(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(_OK + b"Content-Length: 1000000\r\n\r\n")
    while not over.wait(0.02):
        connection.sendall(b"x")


def _floods(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(_OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while not over.is_set():
        connection.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")


def _says(answer: bytes) -> Callable[[socket.socket, threading.Event], None]:
    def say(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(answer)

    return say


LIES: dict[str, Callable[[socket.socket, threading.Event], None]] = {
    "hangs": _hangs,
    "drips headers": _drips_headers,
    "drips a body": _drips_a_body,
    "floods": _floods,
    "says nothing": _says(b""),
    "speaks something else": _says(b"220 mail.example ESMTP ready\r\n"),
    "speaks noise": _says(bytes(range(256)) * 64),
    "breaks off": _says(_OK + b"Content-Length: 100\r\n\r\nhalf"),
    "counts wrongly": _says(_OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\nx"),
    "never ends its headers": _says(_OK + b"X: " + b"x" * 100_000),
    "has no status": _says(b"HTTP/1.1 what ever\r\n\r\n"),
    "goes on for ever": _says(b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000),
    "is gone": _says(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"),
}
"""By name."""


class Liar:
    """A receiver that lies.

    Args:
        port: Where it listens.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.connections = 0


@contextmanager
def lying(lie: Callable[[socket.socket, threading.Event], None]) -> Iterator[Liar]:
    """Run a receiver that answers each connection with a lie, once something came in."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        liar = Liar(server.getsockname()[1])

        def answer(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.settimeout(10)
                connection.recv(65_536)
                lie(connection, over)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65_536):  # what was not read would turn the end into a reset
                    pass

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    liar.connections += 1
                    threading.Thread(target=answer, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield liar
        finally:
            over.set()
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()
            thread.join(10)
