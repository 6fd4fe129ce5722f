"""A connection that does not wait for ever, and that takes several statements with one message.

A letter is what travels together: the server answers it as a whole, so that it costs one round trip however many
statements it has. Its statements are prepared once per connection, and its values need no types of their own: numbers
and texts go as text, bytes as they are, and the server takes them for what the statement says.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Generator, Sequence
from functools import lru_cache
from itertools import count
from typing import Any

import psycopg
from psycopg import errors, generators, pq
from psycopg.adapt import Transformer
from psycopg.rows import TupleRow

__all__ = ["Letter", "Line", "Value"]

Value = int | str | bytes | Sequence[int] | Sequence[bytes]

_ANSWER_S = 70.0  # for an answer of any kind: longer than the server lets a statement run
_TEXT, _BINARY = pq.Format.TEXT, pq.Format.BINARY
_MARK = re.compile("%[sb]")


class Letter:
    """Statements that are sent together; what they gave is there once the letter was answered.

    Args:
        once: Statements without values that are not worth preparing, such as settings.
    """

    def __init__(self, *once: str) -> None:
        self.parts: list[tuple[str, Sequence[Value] | None]] = [(statement, None) for statement in once]
        self.results: list[pq.abc.PGresult] = []

    def add(self, statement: str, values: Sequence[Value] | None = ()) -> None:
        """Add a statement with a mark, %s or %b, for each value; None: it has none and is not worth preparing."""
        self.parts.append((statement, values))

    def rows(self, place: int) -> list[tuple[Any, ...]]:
        """Return, after the answer, the rows of a statement by its place in the letter."""
        result = self.results[place]
        reader = Transformer()
        reader.set_pgresult(result)
        return reader.load_rows(0, result.ntuples, tuple)


class Line(psycopg.Connection[TupleRow]):
    """A connection that does not wait for ever: what swallows our bytes and never answers is as good as gone."""

    until: float | None = None
    """Monotonic seconds after which nothing is waited for any more."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._named: dict[str, bytes] = {}
        self._numbers = count()
        self._sent: deque[tuple[Letter, list[str | None]]] = deque()

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **options: Any) -> Any:
        """Wait for an answer of the server, within bounds."""
        return super().wait(self._bounded(gen), *arguments, **options)

    def _bounded(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Pass on what is waited for; the driver comes by several times a second even when nothing happens."""
        end = time.monotonic() + _ANSWER_S
        if self.until is not None:
            end = min(end, self.until)
        try:
            waits = next(gen)
            while True:
                ready = yield waits
                if time.monotonic() >= end:
                    self.pgconn.finish()
                    message = "it did not answer in time"
                    raise psycopg.OperationalError(message)
                waits = gen.send(ready)
        except StopIteration as done:
            return done.value

    # ---------------------------------------------------------------- letters

    def send(self, *letters: Letter) -> None:
        """Send letters; each has to be answered before anything else is said."""
        self.pgconn.enter_pipeline_mode()
        for letter in letters:
            letter.results.clear()
            self._sent.append((letter, [self._send(statement, values) for statement, values in letter.parts]))
            self.pgconn.pipeline_sync()
        self.wait(generators.send(self.pgconn))

    def _send(self, statement: str, values: Sequence[Value] | None) -> str | None:
        """Send a statement; return it if it is prepared by this."""
        if values is None:
            self.pgconn.send_query_params(statement.encode(), None)
            return None
        name = self._named.get(statement)
        fresh = name is None
        if name is None:
            name = self._named[statement] = b"letter_%d" % next(self._numbers)
            self.pgconn.send_prepare(name, _numbered(statement))
        written = [value if isinstance(value, bytes) else _text(value) for value in values]
        formats = [_BINARY if isinstance(value, bytes) else _TEXT for value in values]
        self.pgconn.send_query_prepared(name, written, formats, _BINARY)
        return statement if fresh else None

    def answer(self) -> None:
        """Wait for the answer to the oldest letter that has none.

        Raises:
            psycopg.Error: The first of its statements that the server refused; those after it were not executed.
        """
        letter, prepared = self._sent.popleft()
        found: list[pq.abc.PGresult] = self.wait(self._answers())
        if not self._sent:
            self.pgconn.exit_pipeline_mode()
        answers = iter(found)
        for statement in prepared:
            if statement is not None and next(answers).status != pq.ExecStatus.COMMAND_OK:
                del self._named[statement]
            letter.results.append(next(answers))
        for result in found:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                raise errors.error_from_result(result)

    def _answers(self) -> Generator[Any, Any, list[pq.abc.PGresult]]:
        found: list[pq.abc.PGresult] = []
        while True:
            given = yield from generators.fetch_many(self.pgconn)  # by one statement
            if given and given[0].status == pq.ExecStatus.PIPELINE_SYNC:
                return found
            if self.pgconn.status == pq.ConnStatus.BAD:
                raise psycopg.OperationalError(self.pgconn.get_error_message())
            found += given

    def _deallocate(self, name: bytes | None) -> Generator[Any, Any, None]:
        """Let the driver throw away what it prepared; after some statements that is everything, ours too."""
        if name is None:
            self._named.clear()
        return super()._deallocate(name)


@lru_cache
def _numbered(statement: str) -> bytes:
    """Write a statement as the server wants it: its values have numbers."""
    numbers = count(1)
    return _MARK.sub(lambda _: f"${next(numbers)}", statement).encode()


def _text(value: int | str | Sequence[int] | Sequence[bytes]) -> bytes:
    if isinstance(value, (int, str)):
        return str(value).encode()
    items = [f'"\\\\x{item.hex()}"' if isinstance(item, bytes) else str(item) for item in value]
    return f"{{{','.join(items)}}}".encode()
