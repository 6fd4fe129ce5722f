"""Importing contacts from a file: taken in, its columns named by a person, read in the background, batch by batch.

A batch is one unit of work: its contacts, their entries, its faults and the place where reading goes on are written
together or not at all. Whatever stops the process, every row is imported once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import PurePath
from typing import Any, BinaryIO

import sqlalchemy as sa
from msgspec import Struct

from sendero.errors import Conflict, Invalid
from sendero.installation import Installation
from sendero.service import import_rows, sheets
from sendero.service.import_rows import Book, Draft
from sendero.tables import Import, ImportFault, ImportPart, User
from sendero.work import Work, actor_of, begin
from whodid import Reason, Resource
from whodid.errors import InvalidEvent
from whodid.model import Outcome

__all__ = [
    "LARGEST",
    "MOST_ROWS",
    "UNRECORDED",
    "Preview",
    "discard",
    "listing",
    "preview",
    "start",
    "sweep",
    "take",
    "turn",
    "wrong_rows",
]

LARGEST = 20 * 2**20
MOST_ROWS = 100_000

UNRECORDED = "The audit log cannot take this row, so it was left out."

_BATCH = 200
_MOST_COLUMNS = 60
_SAMPLE = 200
_WAITING = timedelta(days=1)
_FAULTS_KEPT = timedelta(days=30)
_NEEDED = ("contacts:create", "contacts:update")


class Preview(Struct, frozen=True, kw_only=True):
    """How a file looks before it is read.

    Args:
        rows: The first rows.
        faults: What is wrong with the first rows: line, field and words.
        seen: How many rows were looked at.
    """

    rows: list[list[str]]
    faults: list[tuple[int, str, str]]
    seen: int


def take(work: Work, by: User, file: BinaryIO, file_name: str) -> Import:
    """Take a file in; its columns are named next.

    Raises:
        Invalid: It is no table of contacts, or too large.
    """
    file.seek(0, 2)
    if file.tell() == 0:
        raise Invalid({"file": "Choose a file that holds something."})
    if file.tell() > LARGEST:
        raise Invalid({"file": "A file has at most 20 MB. Split it."})
    encoding = sheets.encoding_of(file)
    now = work.now()
    found = Import(
        id=work.new_id("imp"),
        workspace_id=work.workspace.id,
        created_at=now,
        updated_at=now,
        file_name=_file_name(file_name),
        encoding=encoding,
        delimiter=",",
        columns={},
        status="waiting",
        **dict.fromkeys(("total", "position", "rows", "created", "updated", "skipped", "errors"), 0),
        line=1,
        created_by=by.id,
        maker=by,
        ended_at=None,
    )
    work.add(found)
    for number, data in enumerate(sheets.pieces(sheets.decoded(file, encoding))):
        work.session.execute(sa.insert(ImportPart).values(import_id=found.id, number=number, data=data))
    piece = _pieces(work, found)
    found.delimiter = sheets.sniffed(piece(0).partition(b"\n")[0].decode(errors="replace"))
    _read_head(found, piece)
    work.touch(found)
    return found


def preview(work: Work, found: Import, meanings: list[str], evidence: str) -> Preview:
    """Show the first rows of a file, and what is wrong with them when its columns mean that."""
    names = found.columns["names"]
    first: list[list[str]] = []
    wrong: list[tuple[int, str, str]] = []
    seen = 0
    for row in islice(_rows(work, found), _SAMPLE):
        seen += 1
        if len(first) < 5 and row.cells:
            first.append([cell[:80] for cell in row.cells[: len(names)]])
        wrong += [(row.line, field, text) for field, text in _drafted(row, names, meanings, evidence)[1].items()]
    return Preview(rows=first, faults=wrong, seen=seen)


def start(work: Work, found: Import, meanings: list[str], evidence: str) -> None:
    """Let a file be read in the background.

    Raises:
        Invalid: The columns are not enough, or one meaning is given twice.
        Conflict: It was started or given up already.
    """
    if found.status != "waiting":
        raise Conflict("This import was started or given up already.")
    evidence = evidence.strip()
    faults: dict[str, str] = {}
    chosen = [meaning for meaning in meanings if meaning]
    if len(meanings) != len(found.columns["names"]) or not set(chosen) <= set(import_rows.TARGETS):
        faults["columns"] = "Choose one of the list."
    elif any(chosen.count(meaning) > 1 for meaning in chosen if meaning != "custom"):
        faults["columns"] = "Two columns mean the same. Choose one of them."
    elif "phone_e164" not in chosen and "email" not in chosen:
        faults["columns"] = "Say which column is the phone number or the e-mail address."
    elif len(evidence) > 300:
        faults["evidence"] = "Use at most 300 characters."
    elif "consent" in chosen and "consent_evidence" not in chosen and not evidence:
        faults["evidence"] = "Say how these people agreed, or leave the column of the consent out."
    if faults:
        raise Invalid(faults)
    found.columns = {**found.columns, "meanings": meanings, "evidence": evidence}
    found.status = "running"
    work.touch(found)


def discard(work: Work, found: Import) -> None:
    """Give a file up that was not started.

    Raises:
        Conflict: It was started or given up already.
    """
    if found.status != "waiting":
        raise Conflict("This import was started or given up already.")
    found.status = "discarded"
    found.ended_at = work.now()
    _forget_file(work, found)
    work.touch(found)


def turn(home: Installation) -> bool:
    """Read one batch of the oldest import that runs.

    Returns:
        Whether there was one.
    """
    with begin(home) as work:
        query = sa.select(Import.id).where(Import.status == "running").order_by(Import.id).limit(1)
        key = work.session.execute(query).scalar_one_or_none()
    if key is None:
        return False
    try:
        _batch(home, key, _BATCH)
    except InvalidEvent:
        # The log refuses something in it: one by one, so that only that row is lost.
        for _ in range(_BATCH):
            try:
                _batch(home, key, 1)
            except InvalidEvent:
                _batch(home, key, 1, refused=True)
    return True


def sweep(home: Installation) -> bool:
    """Give up files that were never started, and forget the faults of old imports."""
    with begin(home) as work:
        now = work.now()
        old = sa.select(Import).where(Import.status == "waiting", Import.created_at < now - _WAITING)
        for found in work.session.execute(old).scalars():
            discard(work, found)
        ended = sa.select(Import.id).where(Import.ended_at < now - _FAULTS_KEPT)
        work.session.execute(
            sa.delete(ImportFault).where(ImportFault.import_id.in_(ended)),
            execution_options={"synchronize_session": False},
        )
    return False


def listing(work: Work) -> list[Import]:
    """Return the imports that were not given up, newest first."""
    query = sa.select(Import).where(Import.workspace_id == work.workspace.id, Import.status != "discarded")
    return list(work.session.execute(query.order_by(Import.id.desc()).limit(50)).scalars())


def wrong_rows(work: Work, found: Import, limit: int | None = None) -> Iterator[ImportFault]:
    """Yield what was wrong with the rows of an import, in their order."""
    query = sa.select(ImportFault).where(ImportFault.import_id == found.id).order_by(ImportFault.id).limit(limit)
    yield from work.session.execute(query.execution_options(yield_per=500)).scalars()


def _batch(home: Installation, key: str, size: int, *, refused: bool = False) -> None:
    """Read some rows in one unit of work.

    Args:
        refused: The log does not take what the row says: it is noted as broken.
    """
    with begin(home) as work:
        found = work.get(Import, key)
        if found.status != "running":
            return
        by = found.maker
        with work.acting(actor=actor_of(by), source="import"):
            if by.status == "deactivated" or not set(_NEEDED) <= set(by.role.permissions):
                _end(work, found, "stopped")
                return
            columns = found.columns
            read = list(islice(_rows(work, found), size))
            drafts = [_drafted(row, columns["names"], columns["meanings"], columns["evidence"]) for row in read]
            book = Book(work, [draft for draft, _ in drafts if draft is not None])
            for row, (draft, wrong) in zip(read, drafts, strict=True):
                found.rows += 1
                found.errors += refused
                noted = {"row": UNRECORDED} if refused else _row(work, found, book, draft, wrong)
                work.session.add_all(
                    ImportFault(import_id=found.id, line=row.line, field=field, text=text)
                    for field, text in noted.items()
                )
            if len(read) < size:
                _end(work, found, "done")
            else:
                found.position, found.line = read[-1].position, read[-1].next_line
                work.touch(found)


def _row(work: Work, found: Import, book: Book, draft: Draft | None, wrong: dict[str, str]) -> dict[str, str]:
    """Take a row over, count it, and return what is to be noted about it."""
    if draft is None:
        found.errors += 1
        return wrong
    try:
        done, left = import_rows.write(work, book, draft, found.id)
    except Invalid as fault:
        found.errors += 1
        return fault.fields
    setattr(found, done, getattr(found, done) + 1)
    return {"consent": left} if left else {}


def _end(work: Work, found: Import, status: str) -> None:
    """End an import, and say what became of the file."""
    found.status = status
    found.ended_at = work.now()
    _forget_file(work, found)
    work.touch(found)
    outcome: Outcome = "success" if status == "done" else "failed"
    work.record(
        "contact.imported",
        Resource(type="contact", id=found.id, name=found.file_name),
        outcome=outcome,
        reason=None if status == "done" else Reason(code="no_permission"),
        batch=found.id,
        details={
            "file": found.file_name,
            "rows": found.rows,
            "created": found.created,
            "updated": found.updated,
            "skipped": found.skipped,
            "errors": found.errors,
        },
    )


def _forget_file(work: Work, found: Import) -> None:
    work.session.execute(
        sa.delete(ImportPart).where(ImportPart.import_id == found.id), execution_options={"synchronize_session": False}
    )


def _read_head(found: Import, piece: Callable[[int], bytes]) -> None:
    """Read the names of the columns and count the rows."""
    read = sheets.rows(piece, found.delimiter)
    head = next(read, None)
    names = [cell.strip() for cell in head.cells] if head is not None else []
    if head is None or not any(names):
        raise Invalid({"file": "The first line must name the columns."})
    if len(names) > _MOST_COLUMNS:
        raise Invalid({"file": "A file has at most 60 columns."})
    found.total = sum(map(_holds, read))
    if found.total == 0:
        raise Invalid({"file": "There is no row below the names of the columns."})
    if found.total > MOST_ROWS:
        raise Invalid({"file": "A file has at most 100,000 rows. Split it."})
    found.columns = {"names": [name[:80] or f"#{number}" for number, name in enumerate(names, 1)]}
    found.position, found.line = head.position, head.next_line


def _rows(work: Work, found: Import) -> Iterator[sheets.Row]:
    """Yield the rows that are still to be read; empty lines are none."""
    read = sheets.rows(_pieces(work, found), found.delimiter, position=found.position, line=found.line)
    return filter(_holds, read)


def _holds(row: sheets.Row) -> bool:
    return row.fault is not None or any(cell.strip() for cell in row.cells)


def _drafted(
    row: sheets.Row, names: list[str], meanings: list[str], evidence: str
) -> tuple[Draft | None, dict[str, str]]:
    if row.fault is not None:
        return None, {"row": row.fault}
    try:
        return import_rows.drafted(row.cells, names, meanings, evidence), {}
    except Invalid as fault:
        return None, fault.fields


def _pieces(work: Work, found: Import) -> Callable[[int], bytes]:
    def piece(number: int) -> bytes:
        query = sa.select(ImportPart.data).where(ImportPart.import_id == found.id, ImportPart.number == number)
        data: Any = work.session.execute(query).scalar_one_or_none()
        return bytes(data) if data is not None else b""

    return piece


def _file_name(text: str) -> str:
    name = PurePath(text.replace("\\", "/")).name
    return "".join(character for character in name if character.isprintable())[:100] or "contacts.csv"
