"""What every kind of sink is made of: messages go in, and a result says what became of them.

What a receiver or the network does wrong is a result, not an exception.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from whodid.catalog import Catalog
from whodid.errors import InvalidSetting
from whodid.model import Severity
from whodid.sinks.formats.integrity import Link
from whodid.sinks.settings import Sink

__all__ = [
    "TAKEN",
    "Kind",
    "Message",
    "Opening",
    "Receiver",
    "Result",
    "option_number",
    "read_secrets",
    "split_secrets",
]


class Message(Struct, frozen=True, kw_only=True):
    """An entry or a notice on its way.

    Args:
        id: What a receiver tells repetitions by.
        index: Of the entry; None for a notice.
        at: When it happened.
        body: In the format of the sink, without a line break.
        link: What the next message of a chain refers to.
    """

    id: str
    index: int | None
    at: datetime
    workspace: str
    action: str
    severity: Severity
    body: bytes
    link: Link | None = None


class Result(Struct, frozen=True, kw_only=True):
    """What became of a delivery.

    Args:
        fault: Why none of it was taken; empty when it was.
        lasting: Whether the very same delivery would fail again, whenever it is tried.
        gone: Whether the receiver wants nothing more, ever.
        retry_after: How many seconds the receiver asks to be left alone.
        refused: Of a delivery that was taken: which messages were refused for good, by their place in it, and why.
    """

    fault: str = ""
    lasting: bool = False
    gone: bool = False
    retry_after: float | None = None
    refused: dict[int, str] = {}


TAKEN = Result()


class Receiver(Protocol):
    """An open way to a destination; used by one thread."""

    def send(self, messages: Sequence[Message]) -> Result:
        """Hand over messages (at least one) in order; return when the receiver has them for good, or has not."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


class Opening(Struct, frozen=True):
    """What a receiver is made of.

    Args:
        secrets: The newest first.
        now: Returns the log's present time.
        catalog: Declares the actions of the log.
        lang: Language of the workspace.
        again: Whether what comes may have come before, and is wanted all the same.
    """

    sink: Sink
    secrets: tuple[str, ...]
    now: Callable[[], datetime]
    catalog: Catalog
    lang: str = "en"
    again: bool = False

    def option(self, name: str, default: str = "") -> str:
        """Return an option of the sink."""
        return self.sink.options.get(name, default)


class Kind(Struct, frozen=True, kw_only=True):
    """A kind of destination.

    Args:
        formats: Those it takes, the usual one first.
        options: Those it knows, with what each of them is for.
        batch: How many entries go in one delivery unless the sink says otherwise.
        most: How many can go at most.
        secret: Whether it works only with a secret.
        hands_over: Whether whoever is delivered to gets to see the secret; what only signs with it does not.
        largest: How many bytes go in one delivery, about.
        gathers: Seconds that entries may wait for others, unless the option `every` says otherwise; None for a kind to
            which they go at once.
        open: Makes a receiver; connects to nothing yet. Raises InvalidSetting for what cannot work.
    """

    formats: tuple[str, ...]
    options: dict[str, str]
    batch: int
    most: int
    secret: bool
    hands_over: bool = True
    largest: int = 1024 * 1024
    gathers: int | None = None
    open: Callable[[Opening], Receiver]


def option_number(opening: Opening, name: str, default: int, most: int) -> int:
    """Return an option that is a number from 0 to `most`.

    Raises:
        InvalidSetting: It is none.
    """
    text = opening.option(name, str(default))
    if not (text.isascii() and text.isdecimal() and int(text) <= most):
        raise InvalidSetting(f"The option {name} cannot be {text!r}", f"Use a number from 0 to {most:,}")
    return int(text)


def read_secrets(where: str) -> tuple[str, ...]:
    """Return the secrets that a setting names: the lines of a file, or of a variable of the environment.

    Args:
        where: `file:PATH`, `env:NAME`, or empty for none.

    Raises:
        InvalidSetting: There is none, or others may read the file. What is said never holds a secret.
    """
    if not where:
        return ()
    source, _, name = where.partition(":")
    if source == "env" and name:
        text = os.environ.get(name, "")
        told = f"The variable {name} of the environment"
    elif source == "file" and name:
        text, told = _of_file(Path(name)), f"The secret file {name}"
    else:
        raise InvalidSetting("A secret is named by file:PATH or env:NAME", "Put the secret there, not on the line")
    return split_secrets(text, told)


def split_secrets(text: str, told: str) -> tuple[str, ...]:
    """Return the secrets in a text, one per line.

    Args:
        told: What holds the text, in words.

    Raises:
        InvalidSetting: There is none, or one that no header can carry. What is said never holds it.
    """
    secrets = tuple(filter(None, (line.strip() for line in text.splitlines())))
    if not secrets:
        raise InvalidSetting(f"{told} holds no secret", "Write one per line, the newest first")
    for secret in secrets:
        if not (secret.isascii() and secret.isprintable()):
            raise InvalidSetting(f"{told} holds what no header can carry", "Use printable ASCII")
    return secrets


def _of_file(path: Path) -> str:
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise InvalidSetting(f"Others may read the secret file {path}", f"Run: chmod 600 {path}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InvalidSetting(f"The secret file {path} cannot be read: {told}", "Check the path") from None
