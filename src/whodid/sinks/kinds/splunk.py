"""Splunk HTTP Event Collector: JSON objects one after another, each with the time at which the entry occurred."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from whodid.sinks.formats import JSON_FORMATS
from whodid.sinks.kinds.base import Kind, Message, Opening, Result
from whodid.sinks.kinds.http import OPTIONS, Way

__all__ = ["SPLUNK"]


class _Splunk:
    """Wraps and posts."""

    def __init__(self, opening: Opening) -> None:
        self._way = Way(opening)
        self._token = opening.secrets[0]
        self._said = {"source": "whodid", "sourcetype": opening.option("sourcetype", "whodid:audit")}
        if index := opening.option("index"):
            self._said["index"] = index

    def send(self, messages: Sequence[Message]) -> Result:
        """Post the messages."""
        body = b"".join(msgspec.json.encode(self._event(message)) for message in messages)
        headers = {"Authorization": f"Splunk {self._token}", "Content-Type": "application/json"}
        return self._way.post(body, headers).result()

    def close(self) -> None:
        """Close the connection."""
        self._way.close()

    def _event(self, message: Message) -> dict[str, Any]:
        return {
            "time": f"{message.at.timestamp():.6f}",
            **self._said,
            "event": Raw(message.body),
            "fields": {"workspace": message.workspace, "action": message.action, "severity": message.severity},
        }


SPLUNK = Kind(
    formats=JSON_FORMATS,
    options={**OPTIONS, "index": "index of Splunk", "sourcetype": "(whodid:audit)"},
    batch=200,
    most=5_000,
    secret=True,
    open=_Splunk,
)
