"""How an export is laid out: its format, its columns, in how many files, and how large it will be.

What fits together is checked here, for every door alike; the bytes come from the renderers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Literal, get_args

from msgspec import Struct

from whodid import canonical
from whodid.errors import InvalidSetting
from whodid.export import bundle, csv, ndjson
from whodid.files import parquet
from whodid.log import Log
from whodid.model import Entry
from whodid.query import Query

__all__ = ["FORMATS", "SAMPLE", "Format", "Layout", "Split", "draw", "estimate", "estimate_proven", "stem_of"]

Format = Literal["csv", "ndjson", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)

Split = Literal["month"] | int
"""Where a file ends and the next begins: with the month, or after so many rows."""

_FILE_CHARACTERS = re.compile(r"[^A-Za-z0-9_.\-]+")

SAMPLE = 200
"""How many entries an estimate looks at."""


class Layout(Struct, frozen=True, kw_only=True):
    """What to make of entries.

    Args:
        columns: Some of `csv.COLUMNS`, in the order wanted; all when empty. Not for NDJSON, which holds whole entries.
        proofs: Each entry with its proof, and a manifest at the end; NDJSON in one file only.
        bom: A byte order mark at the beginning; CSV only.
        split: Several files in one zip archive, with a manifest; one plain file when not given.
        zone: IANA time zone whose months those of `split` are.
        stem: What the names of the files in the archive begin with.
    """

    format: Format
    columns: tuple[str, ...] = ()
    proofs: bool = False
    bom: bool = False
    split: Split | None = None
    zone: str = "UTC"
    stem: str = "audit"

    @property
    def ending(self) -> str:
        """What the name of the file ends with."""
        return self.format if self.split is None else "zip"

    def check(self) -> None:
        """Refuse what does not fit together.

        Raises:
            InvalidSetting: It does not.
        """
        for _, fact, remedy in self.faults():
            raise InvalidSetting(fact, remedy)

    def faults(self) -> Iterator[tuple[str, str, str]]:
        """Tell what does not fit together: the member, the fact and the remedy."""
        if self.format not in FORMATS:
            yield "format", f"There is no export format {self.format!r}", f"Use one of {', '.join(FORMATS)}"
        if self.proofs and self.format != "ndjson":
            yield "proofs", f"A {self.format} file cannot carry proofs", "Export proofs as ndjson"
        if self.proofs and self.split is not None:
            yield "split", "Proofs and their manifest are one file", "Export with proofs, or split"
        if self.columns and self.format == "ndjson":
            yield "columns", "An ndjson file holds whole entries", "Choose columns of a csv or parquet file"
        for name in self.columns:
            if name not in csv.COLUMNS:
                yield "columns", f"There is no column {name[:40]!r}", f"Use some of {', '.join(csv.COLUMNS)}"
        if len(set(self.columns)) != len(self.columns):
            yield "columns", "A column is there twice", "Name each once"
        if isinstance(self.split, int) and self.split < 1:
            yield "split", "A file of an export has at least one row", "Split by the month or by a number of rows"


def stem_of(workspace: str, at: datetime, what: str = "audit") -> str:
    """Return what the name of a file of a workspace begins with, in characters that every system takes."""
    name = _FILE_CHARACTERS.sub("-", workspace).strip("-.") or "log"
    return f"{what}-{name}-{at:%Y%m%dT%H%M%SZ}"


def draw(layout: Layout, entries: Iterable[Entry], about: dict[str, str], at: datetime) -> Iterator[bytes]:
    """Write entries without their proofs as a layout says.

    Args:
        entries: Consumed once, one at a time, newest first.
        about: Facts for the metadata of a Parquet file and the manifest of an archive: workspace, query …
        at: When, for the archive.
    """
    if layout.split is None:
        return _file(layout, entries, about)
    told = about | {"format": layout.format, "columns": list(layout.columns), "exported_at": canonical.time_text(at)}
    return bundle.render(
        entries,
        lambda part: _file(layout, part, about),
        split=layout.split,
        zone=layout.zone,
        stem=layout.stem,
        ending=layout.format,
        told=told,
        at=at,
    )


def estimate(layout: Layout, sample: Sequence[Entry], *, count: int, at: datetime) -> int:
    """Tell about how many bytes a file without proofs will have.

    Args:
        sample: Some of its entries, the newest.
        count: How many there will be.
        at: Now, UTC.
    """
    frame, whole = (sum(map(len, draw(layout, some, {}, at))) for some in ((), sample))
    return frame + count * (whole - frame) // len(sample) if sample else frame


def estimate_proven(log: Log, workspace: str, query: Query, *, count: int) -> int:
    """Tell about how many bytes a file with proofs will have, by its newest entries."""
    _, proven = log.proven(workspace, query)
    sizes = [len(line) for line in ndjson.render_proven((one, ()) for one in islice(proven, SAMPLE))]
    return count * sum(sizes) // len(sizes) if sizes else 0


def _file(layout: Layout, entries: Iterable[Entry], about: dict[str, str]) -> Iterator[bytes]:
    if layout.format == "csv":
        return csv.render(entries, bom=layout.bom, columns=layout.columns)
    if layout.format == "parquet":
        metadata = {f"whodid.{name}": value for name, value in about.items()}
        return parquet.render(entries, metadata, columns=layout.columns)
    return ndjson.render(map(canonical.wire, entries))
