"""Exporting contacts as a file (CSV), and saying in the log which ones, with which columns, and how many.

The file is written whole before anything is said of it, so that the entry counts exactly what left.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, cast

from sqlalchemy import Select

from sendero.errors import Invalid
from sendero.service import contacts
from sendero.service.sheets import safe
from sendero.tables import Contact
from sendero.work import Work
from whodid import Resource

__all__ = ["COLUMNS", "write"]

COLUMNS = (
    "name", "phone_e164", "email", "birthday", "city", "language", "lifecycle", "tags", "owner", "consent",
    "consent_evidence", "custom",
)  # fmt: skip
"""What can be exported; importing knows the same names, all but the owner."""

_IN_MEMORY = 2**20


def write(work: Work, wish: Mapping[str, str], columns: Sequence[str]) -> tuple[BinaryIO, str]:
    """Write the contacts that match, and record it.

    Args:
        wish: What `contacts.search` takes; recorded as the filter.
        columns: Some of `COLUMNS`.

    Returns:
        The file, at its beginning, and its name. A large one lies on the disk.

    Raises:
        Invalid: No column is chosen, or one that there is not.
    """
    chosen = [name for name in COLUMNS if name in columns]
    if not chosen or len(chosen) != len(set(columns)):
        raise Invalid({"column": "Choose at least one column."})
    query = contacts.search(work, **wish).order_by(Contact.search_name, Contact.id)
    file = cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115 - sent, then closed
    count = _fill(work, query, chosen, file)
    file.seek(0)
    key = work.new_id("exp")
    name = f"contacts-{work.now():%Y-%m-%d}.csv"
    kept = [f"{field} = {value}" for field, value in wish.items() if value and field != "text"]
    if wish.get("text"):
        # What somebody searched for is mostly a name: that there was a search is enough for the log.
        kept.append("text search")
    work.record(
        "contact.exported",
        Resource(type="contact", id=key, name=name),
        details={"count": count, "format": "CSV", "columns": chosen, "filter": ", ".join(kept) or "all"},
    )
    return file, name


def _fill(work: Work, query: Select[Contact], columns: Sequence[str], file: BinaryIO) -> int:
    text = io.TextIOWrapper(file, "utf-8-sig", newline="", write_through=True)
    table = csv.writer(text)
    table.writerow(columns)
    count = 0
    rows = work.session.execute(query.execution_options(yield_per=500)).scalars()
    for contact in rows:
        table.writerow([safe(_cell(contact, name)) for name in columns])
        count += 1
    text.flush()
    text.detach()
    return count


def _cell(contact: Contact, name: str) -> str:
    if name == "tags":
        return ", ".join(contact.tags)
    if name == "custom":
        return "; ".join(f"{key}: {value}" for key, value in contact.custom.items())
    if name == "owner":
        return contact.owner.name if contact.owner is not None else ""
    if name == "consent":
        return contact.consent_marketing
    value: Any = getattr(contact, name)
    return str(value or "")
