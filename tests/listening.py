"""An application of a test on a port of its own, in a thread: for what a client in the same process cannot show."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

__all__ = ["listening"]


@contextmanager
def listening(app: ASGIApp, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve an application and return its address.

    Args:
        host: Under which it is asked for; names of this machine only.
    """
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive(), "the server did not start"
    try:
        yield f"http://{host}:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
