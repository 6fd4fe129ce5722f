"""Who acts, carried from one process to another: in the headers of a task or of a message of any queue.

What travels is one header of at most 2 KB: actor, workspace, request, session, cause and batch, signed and with an end.
Whoever can write to the queue can write headers, so a header that is not signed with our key, was made for another
message or is too old is not believed: then it is not known who acts, which is counted, and the work goes on.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from whodid.capture.context import Scope, context, current, entered
from whodid.capture.counts import Counts
from whodid.errors import InvalidSetting
from whodid.model import Actor

__all__ = ["HEADER", "Propagation"]

HEADER = "whodid-scope"
"""The name of the header."""

_LARGEST = 2048
_SHORTEST_KEY = 32
_PURPOSE = b"whodid scope 1\n"


class _Carried(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a header says.

    Args:
        until: Seconds since 1970; it is void from this second on.
        message: The one message that it was made for; empty when it is not bound to one.
    """

    until: int
    message: str = ""
    actor: Actor
    workspace: str | None = None
    request: str | None = None
    session: str | None = None
    cause: str | None = None
    batch: str | None = None


_SAID = ("actor", "workspace", "request", "session", "cause", "batch")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Carried).decode


class Propagation:
    """Writes and reads the header.

    Args:
        key: At least 32 secret bytes that all processes share; several while they change: the first one signs.
        lifetime: How long a header is believed; longer than a task may wait.
        clock: Returns now, UTC.
        counts: Where headers that are not believed are counted: those of the capture (`capture.counts`).

    Raises:
        InvalidSetting: A key is missing or too short.
    """

    def __init__(
        self,
        key: bytes | Sequence[bytes],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        lifetime: timedelta = timedelta(days=7),
        counts: Counts | None = None,
    ) -> None:
        self._keys = (key,) if isinstance(key, bytes) else tuple(key)
        if not self._keys or any(len(one) < _SHORTEST_KEY for one in self._keys):
            raise InvalidSetting(
                f"The key of a propagation has at least {_SHORTEST_KEY} bytes",
                'Make one with: python -c "import secrets; print(secrets.token_hex(32))"',
            )
        self._clock = clock
        self._lifetime = lifetime
        self._counts = counts or Counts()

    def inject(self, message: str = "") -> dict[str, str]:
        """Return the header that says who acts here; nothing when nobody knows.

        Args:
            message: The id of the one message that it is for; it is believed with no other.
        """
        scope = current()
        actor = scope.actor if scope is not None else None
        if scope is None or actor is None:
            return {}
        carried = _Carried(
            until=int((self._clock() + self._lifetime).timestamp()),
            message=message,
            actor=actor,
            workspace=scope.workspace,
            request=scope.get("request"),
            session=scope.get("session"),
            cause=scope.nearest("action", "cause"),
            batch=scope.get("batch"),
        )
        for form in _shorter(carried):
            text = self._signed(_encode(form))
            if len(text) + len(HEADER) <= _LARGEST:
                return {HEADER: text}
        return {}

    @contextmanager
    def extract(self, headers: Mapping[str, Any], message: str = "", **more: Any) -> Iterator[Scope]:
        """Work for whoever sent a message; a manager for `with`.

        The scope has nothing of the one around it. Its source is `job`.

        Args:
            headers: Of the message; names in any case, values text or bytes.
            message: The id of the message.
            more: Further values of the scope.
        """
        values: dict[str, Any] = {"source": "job"}
        carried = self._read(headers, message)
        if carried is not None:
            values |= {name: getattr(carried, name) for name in _SAID}
        values |= more
        with entered(None), context(**values) as scope:
            yield scope

    def _signed(self, data: bytes) -> str:
        return f"{_text(data)}.{_text(hmac.digest(self._keys[0], _PURPOSE + data, 'sha256'))}"

    def _read(self, headers: Mapping[str, Any], message: str) -> _Carried | None:
        """Return what the header says, or None when there is none or it is not believed."""
        found = next((value for name, value in headers.items() if str(name).lower() == HEADER), None)
        if found is None:
            return None
        carried = self._believed(found, message)
        if carried is None:
            self._counts.add("forged")
        return carried

    def _believed(self, found: Any, message: str) -> _Carried | None:
        try:
            text = found.decode("ascii") if isinstance(found, bytes) else found
            if not isinstance(text, str) or len(text) > _LARGEST:
                return None
            said, _, digest = text.partition(".")
            data, given = _bytes(said), _bytes(digest)
            if not any(hmac.compare_digest(hmac.digest(key, _PURPOSE + data, "sha256"), given) for key in self._keys):
                return None
            carried = _decode(data)
        except (ValueError, msgspec.DecodeError):
            return None
        if carried.until <= self._clock().timestamp() or carried.message not in ("", message):
            return None
        return carried


def _shorter(carried: _Carried) -> Iterator[_Carried]:
    """Yield a header and ever shorter ones, which lack what is only shown: names, addresses, roles."""
    yield carried
    actor = carried.actor
    principal = actor.on_behalf_of
    bare = None if principal is None else Actor(type=principal.type, id=principal.id)
    yield replace(carried, actor=replace(actor, on_behalf_of=bare))
    yield replace(carried, actor=Actor(type=actor.type, id=actor.id, on_behalf_of=bare))


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
