"""The HTTP door of a witness, on nothing but the standard library: one address, `POST /add-checkpoint`.

Behind a proxy that speaks TLS it can face the internet; what a request may cost is bounded.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Any

from whodid.witness.book import Book, Verdict

__all__ = ["Door"]

_LARGEST = 64 * 1024
_SECONDS = 15.0
_MOST = 64


class Door(ThreadingHTTPServer):
    """A server for a witness; `serve_forever` runs it.

    Args:
        address: Host and port to listen on; port 0 takes a free one.
        book: The judgement.
    """

    daemon_threads = True

    def __init__(self, address: tuple[str, int], book: Book) -> None:
        self.book = book
        self._free = threading.BoundedSemaphore(_MOST)
        super().__init__(address, _Handler)

    def process_request(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        """Answer in a thread; beyond a number of connections, not at all."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        """Answer, and give the place free again."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let go of a connection that broke: its client asks again."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "whodid-witness"
    sys_version = ""
    timeout = _SECONDS
    server: Door

    def do_POST(self) -> None:
        """Take a checkpoint."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self._answer(Verdict(411, "Send Content-Length.\n"), whole=False)
        elif len(length) > 9 or int(length) > _LARGEST:
            self._answer(Verdict(413, f"A request has at most {_LARGEST} bytes.\n"), whole=False)
        else:
            body = self.rfile.read(int(length))
            known = self.path.rstrip("/").endswith("/add-checkpoint")
            self._answer(self.server.book.add(body) if known else Verdict(404, "POST to /add-checkpoint.\n"))

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def _answer(self, verdict: Verdict, *, whole: bool = True) -> None:
        """Send a verdict; close the connection when the body was not read as a whole."""
        data = verdict.text.encode()
        self.send_response(verdict.status)
        self.send_header("Content-Type", verdict.media_type)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        if not whole:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)
