"""A server on this machine that speaks as Meta's Graph API does, for the tests of the Cloud API client."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

__all__ = ["Asked", "Graph", "fault", "graph_server"]


class Asked(Struct, frozen=True, kw_only=True):
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    token: str
    body: Any
    offset: str | None = None


class Graph:
    """The server: what it was asked, and what it answers."""

    def __init__(self) -> None:
        self.address = ""
        self.asked: list[Asked] = []
        self.answers: list[tuple[int, bytes, dict[str, str]]] = []
        self.slow = 0.0

    def will(self, status: int, answer: Any, **headers: str) -> None:
        """Answer the next request so."""
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.answers.append((status, body, {name.replace("_", "-"): value for name, value in headers.items()}))


def fault(code: int, message: str, *, subcode: int | None = None, details: str | None = None) -> dict[str, Any]:
    """Return the envelope of an error."""
    error: dict[str, Any] = {
        "message": message,
        "type": "OAuthException",
        "code": code,
        "fbtrace_id": "AVbT8HS3Zl9kZ5rPzYkM0mW",
    }
    if subcode is not None:
        error["error_subcode"] = subcode
    if details is not None:
        error["error_data"] = {"messaging_product": "whatsapp", "details": details}
    return {"error": error}


@contextmanager
def graph_server() -> Iterator[Graph]:
    """Run the server on a free port."""
    graph = Graph()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            graph.asked.append(
                Asked(
                    method=self.command,
                    path=parts.path,
                    query={name: values[0] for name, values in parse_qs(parts.query).items()},
                    token=self.headers.get("Authorization", "").removeprefix("Bearer "),
                    body=json.loads(body) if self.headers.get("Content-Type") == "application/json" else body or None,
                    offset=self.headers.get("file_offset"),
                )
            )
            time.sleep(graph.slow)
            status, answer, headers = graph.answers.pop(0)
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names that the server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Say nothing when a client does not wait for its answer."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    graph.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield graph
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
