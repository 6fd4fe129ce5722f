"""How large an export will be, in how many files it is best made, what a file hides: told before anything is made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

from whodid.export import SAMPLE, Layout, estimate, estimate_proven
from whodid.export.layout import Split
from whodid.log import Hiding
from whodid.query import Query
from whodid.viewer import Reader
from whodid.viewer.shapes import Count

__all__ = ["LARGE", "choose_split", "count_hidden", "guess_size"]

LARGE = 250_000
"""Entries that a file for a spreadsheet holds at most where nobody chose; programs open no more than 1,048,576 rows."""

_YEARS = 10

_MOST_LOOKED_AT = 10_000
"""Entries in which it is counted what will be hidden."""


def guess_size(reader: Reader, asked: Query, layout: Layout, *, count: int) -> int:
    """Return about how many bytes an export will have, by what its newest entries take.

    Args:
        asked: Not narrowed by the locked filter yet.
        count: How many entries it will have.
    """
    if layout.proofs:
        return estimate_proven(reader.log, reader.workspace, reader.within(asked), count=count)
    sample = [seen.shown for seen in reader.find(asked, limit=SAMPLE).items]
    return estimate(layout, sample, count=count, at=reader.log.now())


def choose_split(reader: Reader, asked: Query, layout: Layout, *, count: int, exact: bool) -> Split | None:
    """Return where the files of an export end when nobody says so: CSV in files that a spreadsheet can open.

    Args:
        count: How many entries match; when not exact, there may be more.

    Returns:
        `month` where no month has more than `LARGE` entries, else `LARGE`; None for one file, which is enough for
        so many or fewer, and for every other format.
    """
    if layout.format != "csv" or layout.proofs:
        return None
    if not exact:
        # Beyond what is counted for people; for this it has to be known.
        count = reader.count(asked, cap=LARGE + 1).value
    if count <= LARGE:
        return None
    months = reader.histogram(asked, _months(reader.log.now(), layout.zone))
    counts = [sum(kinds.values()) for kinds in months.buckets]
    return "month" if months.exact and sum(counts) == count and max(counts) <= LARGE else LARGE


def count_hidden(reader: Reader, asked: Query, hiding: Hiding | None) -> Count:
    """Count the fields that will be hidden in a file, of those that its reader sees.

    Args:
        asked: Not narrowed by the locked filter yet.
        hiding: What is hidden; None when nothing is.
    """
    if hiding is None:
        return Count(value=0, exact=True)
    entries = reader.stream(asked)
    value = sum(hiding.count(entry) for entry in islice(entries, _MOST_LOOKED_AT))
    return Count(value=value, exact=next(iter(entries), None) is None)


def _months(now: datetime, zone: str) -> Sequence[datetime]:
    """Return where months begin, from some years ago to after now."""
    local = now.astimezone(ZoneInfo(zone))
    last = local.year * 12 + local.month
    return [
        datetime(month // 12, month % 12 + 1, 1, tzinfo=local.tzinfo) for month in range(last - 12 * _YEARS, last + 1)
    ]
