"""Record what a file holds, in batches, and account for every line of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from io import BufferedReader
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from whodid.errors import InvalidEvent, StoreError, WhodidError
from whodid.export.import_ import cloudtrail, foreign, github, read, whodid
from whodid.log import Log
from whodid.model import Event

__all__ = ["BATCH", "MAPPERS", "Fault", "Imported", "Mapper", "import_file"]

BATCH = 500


class Mapper(Protocol):
    """Turns a foreign record into an event, or into None where the record is no event at all."""

    def __call__(self, record: Mapping[str, Any], undated: datetime | None = None) -> Event | None:
        """Map one record; `undated` is its time if it carries none."""


MAPPERS: dict[str, Mapper] = {
    "whodid": whodid.to_event,
    "github": github.to_event,
    "cloudtrail": cloudtrail.to_event,
}
"""Products by the name that `--from` takes."""


class Fault(Struct, frozen=True, kw_only=True):
    """A line that was not recorded, and why."""

    line: int
    fact: str


class Imported(Struct, frozen=True, kw_only=True):
    """What became of a file; the four counts add up to `read`.

    Args:
        read: Records in the file.
        recorded: Entries that are new.
        duplicates: Records whose event the log already had.
        passed: Lines that are no event, such as the manifest of an export.
        refused: Records that could not be recorded; each was reported as a `Fault`.
    """

    read: int = 0
    recorded: int = 0
    duplicates: int = 0
    passed: int = 0
    refused: int = 0


def import_file(
    log: Log,
    workspace: str,
    file: BufferedReader,
    product: str,
    *,
    undated: datetime | None = None,
    on_fault: Callable[[Fault], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """Record every event of a file.

    Importing the same file again records nothing new: ids are derived from the records.

    Args:
        log: The log to record in.
        workspace: Whose log.
        file: Open for reading, at its beginning.
        product: A key of `MAPPERS`.
        undated: Time for records that carry none; without it they are refused.
        on_fault: Called once for every record that is refused, in the order of the batches.
        progress: Called after every batch with the number of records read.

    Returns:
        The account.

    Raises:
        StoreError: The store failed; what was recorded before stays, and importing again goes on from there.
    """
    account = _Account(log, workspace, on_fault)
    mapper = MAPPERS[product]
    report = progress or (lambda _read: None)
    for line in read.read(file):
        account.read += 1
        try:
            event = _event(line, mapper, product, undated)
        except InvalidEvent as error:
            account.refuse(line.number, error)
            continue
        if event is None:
            account.passed += 1
            continue
        account.pending.append((line.number, event))
        if len(account.pending) >= BATCH:
            account.flush()
            report(account.read)
    account.flush()
    report(account.read)
    return account.total()


def _event(line: read.Line, mapper: Mapper, product: str, undated: datetime | None) -> Event | None:
    if line.record is None:
        raise line.fault or InvalidEvent("", "The line holds no record")
    event = mapper(line.record, undated)
    if event is None or not line.around:
        return event
    kept = dict(event.details or {})
    name = "envelope"
    while name in kept:
        name += "_"
    kept[name] = foreign.fit(line.around)
    identity = foreign.event_id(product, {"raw": line.record, **line.around}, event.id)
    return msgspec.structs.replace(event, id=identity, details=kept)


class _Account:
    """Counts, and the batch that waits to be recorded."""

    def __init__(self, log: Log, workspace: str, on_fault: Callable[[Fault], None] | None) -> None:
        self._log = log
        self._workspace = workspace
        self._on_fault = on_fault
        self.pending: list[tuple[int, Event]] = []
        self.read = self.recorded = self.duplicates = self.passed = self.refused = 0

    def refuse(self, number: int, error: WhodidError) -> None:
        self.refused += 1
        if self._on_fault is not None:
            self._on_fault(Fault(line=number, fact=str(error)))

    def flush(self) -> None:
        if not self.pending:
            return
        receipts = self._log.record_many(self._workspace, [event for _, event in self.pending])
        for (number, _), receipt in zip(self.pending, receipts, strict=True):
            if isinstance(receipt, StoreError):
                raise receipt
            if isinstance(receipt, WhodidError):
                self.refuse(number, receipt)
            elif receipt.duplicate:
                self.duplicates += 1
            else:
                self.recorded += 1
        self.pending.clear()

    def total(self) -> Imported:
        return Imported(
            read=self.read,
            recorded=self.recorded,
            duplicates=self.duplicates,
            passed=self.passed,
            refused=self.refused,
        )
