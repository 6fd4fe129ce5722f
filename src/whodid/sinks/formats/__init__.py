"""What an entry becomes on the way to a sink: one function per format, from an entry or a notice to bytes.

Every format is one line of text without a line break. The JSON formats are what JSON sinks put into their own forms.
The format `head` has no entries; it is made in `whodid.sinks.heads`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from whodid import canonical
from whodid.model import Entry
from whodid.sinks.formats import cloudevents, ecs, integrity, ocsf, siem
from whodid.sinks.formats.notice import Notice

__all__ = ["CHAINED", "FORMATS", "JSON_FORMATS", "LINE_FORMATS", "Format", "Notice"]


class Format(NamedTuple):
    """How entries and notices are written."""

    entry: Callable[[Entry], bytes]
    notice: Callable[[Notice], bytes]


FORMATS = {
    "whodid": Format(canonical.wire, Notice.wire),
    "cloudevents": Format(cloudevents.entry, cloudevents.notice),
    "ecs": Format(ecs.entry, ecs.notice),
    "ocsf": Format(ocsf.entry, ocsf.notice),
    "ocsf-1.9": Format(integrity.alone, ocsf.notice),
    "cef": Format(siem.cef, siem.cef_notice),
    "leef": Format(siem.leef, siem.leef_notice),
}
"""By name."""

CHAINED = "ocsf-1.9"
"""The format whose events refer to one another; a sink writes them with `integrity.chained`."""

JSON_FORMATS: tuple[str, ...] = ("whodid", "cloudevents", "ecs", "ocsf", CHAINED)
LINE_FORMATS: tuple[str, ...] = (*FORMATS, "head")
