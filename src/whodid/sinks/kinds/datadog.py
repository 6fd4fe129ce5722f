"""Datadog logs: a JSON array whose messages are the entries as text, which Datadog reads as attributes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from whodid.sinks.formats import JSON_FORMATS
from whodid.sinks.kinds.base import Kind, Message, Opening, Result
from whodid.sinks.kinds.http import OPTIONS, Way

__all__ = ["DATADOG"]


class _Datadog:
    """Wraps and posts."""

    def __init__(self, opening: Opening) -> None:
        self._way = Way(opening)
        self._key = opening.secrets[0]
        self._service = opening.option("service", "whodid")
        self._tags = opening.option("tags")

    def send(self, messages: Sequence[Message]) -> Result:
        """Post the messages."""
        body = msgspec.json.encode(
            [
                {
                    "ddsource": "whodid",
                    "service": self._service,
                    "ddtags": ",".join(filter(None, (f"workspace:{message.workspace}", self._tags))),
                    "status": message.severity,
                    "timestamp": int(message.at.timestamp() * 1_000),
                    "message": message.body.decode(),
                }
                for message in messages
            ]
        )
        return self._way.post(body, {"DD-API-KEY": self._key, "Content-Type": "application/json"}).result()

    def close(self) -> None:
        """Close the connection."""
        self._way.close()


DATADOG = Kind(
    formats=JSON_FORMATS,
    options={**OPTIONS, "service": "(whodid)", "tags": "further tags, as in env:prod,team:security"},
    batch=100,
    most=1_000,  # of their interface
    secret=True,
    open=_Datadog,
)
