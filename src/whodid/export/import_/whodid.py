"""Entries and events in whodid's own wire form: exports, with proofs or without, and events as a client sends them.

Pure: one record in, one event out. Place and time of recording (`workspace`, `index`, `recorded_at`, `marks`) and
proofs belong to the log that gave them; the log that imports gives its own. The event itself stays as it is, id
included, so an export can be imported into the log it came from and adds nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from whodid.intake import decode_event
from whodid.model import Event

__all__ = ["to_event"]

_PLACE = frozenset({"workspace", "index", "recorded_at", "marks", "proof"})


def to_event(record: Mapping[str, Any], undated: datetime | None = None) -> Event | None:  # noqa: ARG001
    """Turn a line of ours into an event.

    Args:
        record: An entry or an event in wire form, or a line of an export with proofs.
        undated: Unused: every line of ours has a time.

    Returns:
        The event, or None for the manifest of an export, which is no entry.

    Raises:
        InvalidEvent: The line is neither; `pointer` says where it differs.
    """
    if record.get("whodid") == "export":
        return None
    return decode_event(json.dumps({key: value for key, value in record.items() if key not in _PLACE}).encode())
