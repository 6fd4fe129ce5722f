"""CloudEvents 1.0 in the JSON event format; the entry in its wire form is the data.

`sequence` is the extension of that name: the index with leading zeros, so that it orders as text.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from whodid import canonical
from whodid.model import Entry
from whodid.sinks.formats.notice import Notice

__all__ = ["entry", "notice"]


def entry(entry: Entry) -> bytes:
    """Write an entry."""
    event = _event(entry.id, entry.workspace, f"audit.{entry.action}", canonical.time_text(entry.occurred_at))
    event |= {
        "subject": f"{entry.resource.type}/{entry.resource.id}",
        "sequence": f"{entry.index:020d}",
        "data": Raw(canonical.wire(entry)),
    }
    return msgspec.json.encode(event)


def notice(notice: Notice) -> bytes:
    """Write a notice."""
    event = _event(notice.id, notice.workspace, f"whodid.{notice.what}", canonical.time_text(notice.at))
    return msgspec.json.encode(event | {"data": Raw(notice.wire())})


def _event(id: str, workspace: str, type: str, time: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": id,
        "source": f"/workspaces/{workspace}",
        "type": type,
        "time": time,
        "datacontenttype": "application/json",
    }
