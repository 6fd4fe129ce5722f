"""Elasticsearch and OpenSearch: the bulk interface, each entry created under its own id.

Creating what is there already is refused with 409, which here means that it arrived: repetitions leave nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from whodid.errors import InvalidSetting
from whodid.sinks.formats import JSON_FORMATS
from whodid.sinks.kinds.base import Kind, Message, Opening, Result
from whodid.sinks.kinds.http import OPTIONS, Way
from whodid.sinks.said import said_by

__all__ = ["ELASTIC"]

_THERE_ALREADY = 409
_BUSY = frozenset({408, 429, *range(500, 600)})


class _Item(Struct):
    status: int
    error: Any = None


class _Bulk(Struct):
    """What the receiver answers; its items stand in the order of the messages."""

    items: list[dict[str, _Item]]


_decoder = msgspec.json.Decoder(_Bulk)


class _Elastic:
    """Writes bulk requests, and reads what became of each entry."""

    def __init__(self, opening: Opening) -> None:
        index = opening.option("index")
        if not index:
            raise InvalidSetting("An elastic sink needs an index or a data stream", "Name it with --set index=audit")
        self._way = Way(opening, "/_bulk")
        self._index = index
        self._headers = {"Content-Type": "application/x-ndjson"}
        if opening.secrets:
            self._headers["Authorization"] = f"ApiKey {opening.secrets[0]}"

    def send(self, messages: Sequence[Message]) -> Result:
        """Post the messages."""
        lines = []
        for message in messages:
            place = {"create": {"_index": self._index, "_id": f"{message.workspace}:{message.id}"}}
            lines += [msgspec.json.encode(place), message.body]
        answer = self._way.post(b"\n".join([*lines, b""]), self._headers)
        result = answer.result()
        if result.fault:
            return result
        try:
            items = [next(iter(item.values())) for item in _decoder.decode(answer.body).items]
        except (msgspec.DecodeError, UnicodeDecodeError, StopIteration):
            items = []
        if len(items) != len(messages):
            return Result(fault="The receiver answered what the bulk interface does not")
        return _judge(items)

    def close(self) -> None:
        """Close the connection."""
        self._way.close()


def _judge(items: Sequence[_Item]) -> Result:
    """Say what became of a delivery from what became of each message."""
    refused = {}
    for at, item in enumerate(items):
        if 200 <= item.status < 300 or item.status == _THERE_ALREADY:
            continue
        told = f"status {item.status}: {said_by(msgspec.json.encode(item.error))}"
        if item.status in _BUSY:
            # What was taken of it is there under its id, and is not written twice.
            return Result(fault=f"The receiver could not write all of it, {told}")
        refused[at] = told
    return Result(refused=refused)


ELASTIC = Kind(
    formats=("ecs", *(name for name in JSON_FORMATS if name != "ecs")),
    options={**OPTIONS, "index": "index or data stream; it must be set"},
    batch=500,
    most=5_000,
    secret=False,
    open=_Elastic,
)
