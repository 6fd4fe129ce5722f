"""What the server writes about itself: one JSON object per line, with nothing in it that names a person.

A line of a request has its id, the pattern of its address, status and duration; never the address itself, a client's
address, a token or a body. An error of the family says what it says; of any other error the class and the places in the
code are written and not its text, which may hold what somebody sent. Of what other packages write, the text is taken
before values were put into it.
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import IO, Any

import msgspec

from whodid.errors import StoreError, WhodidError

__all__ = ["Failures", "JsonLines", "note_request", "written_as_lines"]

_OURS = "whodid"
_REQUESTS = logging.getLogger("whodid.requests")
_SERVER = logging.getLogger("whodid.server")
_AGAIN_SECONDS = 60.0
_FACTS = "whodid_facts"
_MOST_PLACES = 20
_MOST_LINES = 10_000
_LAST_SECONDS = 2.0
_encode = msgspec.json.Encoder().encode


def note_request(*, request_id: str, route: str, method: str, status: int, seconds: float, whole: bool) -> None:
    """Write the line of a request.

    Args:
        route: The pattern of the address.
        seconds: From the request to the last byte of the answer.
        whole: Whether the answer was sent to its end.
    """
    if _REQUESTS.isEnabledFor(logging.INFO):
        facts = {
            "request_id": request_id,
            "route": route,
            "method": method,
            "status": status,
            "ms": round(seconds * 1000, 2),
            "whole": whole,
        }
        _REQUESTS.info("request", extra={_FACTS: facts})


class Failures:
    """Write what fails in a worker, round after round: at once, and then once a minute that it still does.

    A store that is away for an hour would be told of thousands of times, and hide what else happens.

    Args:
        what: The worker does.
        count: Called for each failure.
        tick: Monotonic seconds.
    """

    def __init__(
        self, what: str, count: Callable[[], None] = lambda: None, *, tick: Callable[[], float] = time.monotonic
    ) -> None:
        self._what = what
        self._count = count
        self._tick = tick
        self._told: dict[str, tuple[type[Exception], float]] = {}

    def __call__(self, workspace: str, error: Exception) -> None:
        """Take notice of a failure in a workspace, or, with an empty name, in the deployment."""
        self._count()
        kind, now = type(error), self._tick()
        last = self._told.get(workspace)
        if last is not None and last[0] is kind and now < last[1] + _AGAIN_SECONDS:
            return
        self._told[workspace] = kind, now
        where = workspace or "the deployment"
        if isinstance(error, StoreError):
            # It says itself what is the matter, and where in the code it was noticed helps nobody.
            _SERVER.error("%s of %s failed: %s: %s", self._what, where, kind.__name__, error)
        else:
            _SERVER.error("%s of %s failed", self._what, where, exc_info=error)


class JsonLines(logging.Formatter):
    """Write records as JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, without a newline in it."""
        ours = record.name.partition(".")[0] == _OURS
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage() if ours else str(record.msg).partition("\n")[0],
            **getattr(record, _FACTS, {}),
        }
        if record.exc_info is not None and record.exc_info[1] is not None:
            line["error"] = _told(record.exc_info[1])
        return _encode(line).decode()


def _told(error: BaseException) -> list[dict[str, Any]]:
    """Return an error and what it came from, outermost first, with places instead of texts."""
    told: list[dict[str, Any]] = []
    at: BaseException | None = error
    while at is not None and len(told) < _MOST_PLACES:
        frames = traceback.extract_tb(at.__traceback__)[-_MOST_PLACES:]
        one: dict[str, Any] = {
            "class": f"{type(at).__module__}.{type(at).__qualname__}",
            "places": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        }
        if isinstance(at, WhodidError):
            one["fact"] = at.fact
        told.append(one)
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return told


def _worth_telling(record: logging.LogRecord) -> bool:
    """Keep what others say about their daily work out: it is told with the values taken out of it."""
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] == _OURS


class _Lines(logging.Handler):
    """Hand lines to a thread that writes them: whoever reads them slowly holds no request up.

    What finds no room is dropped and counted, and the count is written.
    """

    def __init__(self, stream: IO[str]) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.addFilter(_worth_telling)
        self._stream = stream
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="whodid-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record."""
        if self._lines.qsize() >= _MOST_LINES:
            self._dropped += 1
            return
        dropped, self._dropped = self._dropped, 0
        if dropped:
            self._lines.put(f'{{"level":"warning","message":"{dropped} lines were dropped"}}\n')
        self._lines.put(self.format(record) + "\n")

    def close(self) -> None:
        """Write what waits, and give up on whoever does not read it."""
        self._lines.put(None)
        self._thread.join(_LAST_SECONDS)
        super().close()

    def _write(self) -> None:
        # A stream that is gone ends the lines, not the server.
        with suppress(OSError, ValueError):
            while (line := self._lines.get()) is not None:
                self._stream.write(line)
                if self._lines.empty():
                    self._stream.flush()
            self._stream.flush()


@contextmanager
def written_as_lines(level: str, stream: IO[str] | None = None) -> Iterator[None]:
    """Have everything that is logged in this process written as lines, to standard error unless told otherwise."""
    root = logging.getLogger()
    handler = _Lines(stream or sys.stderr)
    before = root.level, root.handlers[:]
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    try:
        yield
    finally:
        root.setLevel(before[0])
        root.handlers[:] = before[1]
        handler.close()
