"""Several files of one export in a zip archive, with a manifest that says what is in each and its SHA-256.

A pure renderer: entries in, bytes out, one file after the other, so memory does not grow with the number of entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from itertools import chain, groupby, islice
from typing import Any, Literal
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo
from zoneinfo import ZoneInfo

import msgspec

from whodid.canonical import time_text
from whodid.errors import InvalidSetting
from whodid.files.handed import Handed
from whodid.model import Entry

__all__ = ["MANIFEST", "MOST_FILES", "render"]

MANIFEST = "manifest.json"

MOST_FILES = 1_000
"""More files than this in one archive are no use to anybody."""

_PIECE = 64 * 1024


class _Counted:
    """Passes entries on, and remembers how many there were and the times of the first and the last."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = entries
        self.count = 0
        self.newest: datetime | None = None
        self.oldest: datetime | None = None

    def __iter__(self) -> Iterator[Entry]:
        for entry in self._entries:
            self.count += 1
            self.newest = self.newest or entry.occurred_at
            self.oldest = entry.occurred_at
            yield entry


def render(
    entries: Iterable[Entry],
    draw: Callable[[Iterable[Entry]], Iterator[bytes]],
    *,
    split: Literal["month"] | int,
    zone: str,
    stem: str,
    ending: str,
    told: dict[str, Any],
    at: datetime,
) -> Iterator[bytes]:
    """Write entries as an archive of files.

    Args:
        entries: Consumed once, one at a time, newest first; so is the first file.
        draw: Writes one of the files.
        split: Where a file ends: with the month of `occurred_at`, or after so many entries.
        zone: IANA time zone of the months.
        stem: What the names of the files begin with; the month or a number follows.
        ending: What they end with.
        told: What the manifest says besides.
        at: When, for the files in the archive; UTC.

    Raises:
        InvalidSetting: There would be more than `MOST_FILES` files.
    """
    sink = Handed()
    files: list[dict[str, Any]] = []
    with ZipFile(sink, "w", ZIP_DEFLATED) as packed:
        for label, part in _parts(entries, split, zone):
            if len(files) == MOST_FILES:
                raise InvalidSetting(
                    f"The export would have more than {MOST_FILES:,} files", "Split it by more rows, or by the month"
                )
            name = f"{stem}-{label}.{ending}"
            counted, digest, size = _Counted(part), sha256(), 0
            with packed.open(_info(name, at), "w", force_zip64=True) as file:
                for piece in draw(counted):
                    digest.update(piece)
                    size += len(piece)
                    file.write(piece)
                    if sink.waiting >= _PIECE:
                        yield sink.take()
            files.append(
                {
                    "name": name,
                    "count": counted.count,
                    "size": size,
                    "sha256": digest.hexdigest(),
                    "newest": time_text(counted.newest) if counted.newest else None,
                    "oldest": time_text(counted.oldest) if counted.oldest else None,
                }
            )
        manifest = told | {
            "split": {"by": "month", "zone": zone} if split == "month" else {"by": "rows", "rows": split},
            "count": sum(one["count"] for one in files),
            "files": files,
        }
        packed.writestr(_info(MANIFEST, at), msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    yield sink.take()


def _parts(entries: Iterable[Entry], split: Literal["month"] | int, zone: str) -> Iterator[tuple[str, Iterable[Entry]]]:
    if split == "month":
        where = ZoneInfo(zone)
        yield from groupby(entries, lambda entry: f"{entry.occurred_at.astimezone(where):%Y-%m}")
        return
    left = iter(entries)
    for number, first in enumerate(left, 1):
        yield f"{number:04}", chain((first,), islice(left, split - 1))


def _info(name: str, at: datetime) -> ZipInfo:
    info = ZipInfo(name, at.timetuple()[:6])
    info.compress_type = ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info
