"""`GET /v1/stream`: what is recorded from now on, as server-sent events, narrowed like every list.

The token travels in the header, so a page reads the stream with `fetch`. A stream ends with its token, or when the
server is asked to stop, and says so; whoever goes on names the last id that it saw and misses nothing that is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from msgspec import Meta

from whodid.canonical import encode
from whodid.errors import StoreUnavailable
from whodid.log import Log
from whodid.query import compile_query
from whodid.server.answers import Answer, Call, Handler
from whodid.server.described import FILTERS, Description, Form, Parameter, Reply
from whodid.server.meter import Meter
from whodid.server.problems import problem, refusal
from whodid.server.sessions import Session, Sessions
from whodid.viewer import asks, present

__all__ = ["Live"]

_MOST_AT_ONCE = 50
_STEP = 500
_HEARTBEAT = 15.0
_FRESH = 0.5

_STREAM = Description(
    name="streamEntries",
    area="Entries",
    does="Follow what is recorded from now on",
    answers="server-sent events: `head`, then `entries` (`items`, `count`, `size`) as they are recorded, `end`",
    more="Server-sent events. `head` comes first and says the `size` of the log. `entries` has `items`, the newest 50 "
    "of them, their `count` and the `size`. `end` says `why`: `expired` or `stopping`. The id of each event is the "
    "size of the log. A comment comes every fifteen seconds when nothing else does.",
    needs=("audit:read",),
    query=(
        *FILTERS,
        Parameter("after", "size of the log from which to tell", Annotated[int, Meta(ge=0, le=asks.LARGEST)], 8204),
    ),
    headers=(Parameter("Last-Event-ID", "means the same as `after`", str, "8204"),),
    replies=(
        Reply(
            200,
            "The stream, until the token ends or the server stops.",
            (Form(None, "text/event-stream", 'event: head\nid: 8204\ndata: {"size":8204}\n\n'),),
        ),
    ),
)


class Live:
    """The route of the live stream.

    Args:
        sessions: Opens requests.
        most: How many streams there may be at once.
        meter: Counts the open ones.
        ending: Tells whether the server is asked to stop.
    """

    def __init__(
        self,
        log: Log,
        sessions: Sessions,
        *,
        most: int = 256,
        meter: Meter | None = None,
        ending: Callable[[], bool] = lambda: False,
    ) -> None:
        self._log = log
        self._sessions = sessions
        self._most = most
        self._ending = ending
        self._lock = threading.Lock()
        self._open = 0
        self._sizes: dict[str, tuple[float, int]] = {}
        (meter or Meter()).watch("streams", lambda: self._open)
        self.handlers = (Handler("GET", "/v1/stream", self._stream, described=_STREAM),)

    def _stream(self, call: Call) -> Answer:
        session = self._sessions.open(call, live=True)
        if session is None:
            return refusal(call.request_id)
        session.require("audit:read")
        found = asks.parameters(call.query, *_STREAM.takes)
        asked = asks.question(found, now=self._log.now(), viewer=session.claims.viewer.id)
        session.reader.check(asked)
        if self._ending() or self._open >= self._most:
            return problem(503, call.request_id, headers=(("Retry-After", "15"),))
        self._sessions.opened(session, call)
        size = session.reader.head()[0]
        after = asks.number(found, "after", size, 0, asks.LARGEST)
        last = call.headers.get("last-event-id", "")
        if last.isascii() and last.isdigit() and len(last) < 19:
            after = int(last)
        lang = session.lang(found.get("lang"), call)
        return Answer(
            body=_Feed(self, session, asked, lang, min(after, size)),
            media_type="text/event-stream",
            headers=(("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")),
        )

    def size(self, workspace: str, session: Session) -> int:
        """Return the size of a log as it was half a second ago at most: many streams look at one head."""
        now = time.monotonic()
        at, size = self._sizes.get(workspace, (-1.0, 0))
        if now - at > _FRESH:
            size = session.reader.head()[0]
            self._sizes[workspace] = (now, size)
        return size

    def ends(self, session: Session) -> str | None:
        """Return why a stream ends now, or None."""
        if self._ending():
            return "stopping"
        return "expired" if self._log.now().timestamp() >= session.claims.expires_at else None

    def opened(self) -> None:
        """Note that a stream began; one that nobody ever read from takes no place."""
        with self._lock:
            self._open += 1

    def closed(self) -> None:
        """Note that a stream is over."""
        with self._lock:
            self._open -= 1


class _Feed(Iterator[bytes]):
    """The parts of one stream; an empty part says that there is nothing to say yet."""

    def __init__(self, live: Live, session: Session, asked: Any, lang: str, after: int) -> None:
        self._live = live
        self._session = session
        self._asked = asked
        self._lang = lang
        self._at = after
        self._ended = False
        self._spoke = time.monotonic()
        self._first = True

    def __next__(self) -> bytes:
        if self._ended:
            raise StopIteration
        if self._first:
            self._first = False
            self._live.opened()
            return self._say("head", {"size": self._at})
        if (why := self._live.ends(self._session)) is not None:
            self._ended = True
            return self._say("end", {"why": why, "size": self._at})
        try:
            said = self._news()
        except StoreUnavailable:
            said = b""  # busy; the next look is in a second
        if not said and time.monotonic() - self._spoke > _HEARTBEAT:
            self._spoke = time.monotonic()
            return b": still here\n\n"
        return said

    def close(self) -> None:
        """Give the place of this stream to another one; idempotent."""
        if not self._first:
            self._first = True
            self._ended = True
            self._live.closed()

    def _news(self) -> bytes:
        reader = self._session.reader
        size = self._live.size(reader.workspace, self._session)
        if size <= self._at:
            return b""
        stop = min(size, self._at + _STEP)
        shown = []
        accept = compile_query(self._asked)
        within = compile_query(reader.within(self._asked))
        for entry in reader.log.read(reader.workspace, self._at, stop):
            # What a viewer cannot see is not there when a term is tried on it; the locked filter sees everything.
            seen = reader.seen(entry)
            if within(entry) and accept(seen.entry):
                shown.append(seen)
        self._at = stop
        if not shown:
            return b""
        items = [present.summary(seen, self._lang, reader.log.catalog) for seen in shown[-_MOST_AT_ONCE:]]
        return self._say("entries", {"items": items, "count": len(shown), "size": self._at})

    def _say(self, event: str, data: Any) -> bytes:
        self._spoke = time.monotonic()
        return b"event: %s\nid: %d\ndata: %s\n\n" % (event.encode(), self._at, encode(data))
