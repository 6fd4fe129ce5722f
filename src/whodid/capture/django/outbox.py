"""The outbox of an application that uses Django: events as rows of its own databases, in its own transactions.

Writing uses the connection that made the change; delivering uses the connection of the relay's thread. The table is
never written through the ORM: events are many, and a statement takes them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError, InterfaceError, close_old_connections, connections, transaction
from django.db.models import Count, Min, Q

from whodid.canonical import encode
from whodid.capture.builder import Builder
from whodid.capture.insisting import Check, insist
from whodid.capture.pending import Said
from whodid.capture.relay import Backlog, Quarantined, Waiting
from whodid.capture.triggers.notes import HEAD, OF_TRANSACTION, UNFOLDING, Note, is_note, said, told_of
from whodid.catalog import builtin
from whodid.errors import StoreUnavailable
from whodid.model import Event

__all__ = ["TABLE", "Outbox"]

TABLE = "whodid_outbox"
_CHUNK = 200
_SEPARATOR = "\x1e"
_LIST = "string_to_array(%s, %s)"


class Outbox:
    """The rows of `whodid_outbox` in one database.

    Args:
        alias: The database.
        check: Raises for an event that the log would refuse, before the change is committed.
        capture: What events are made with of the rows that triggers tell of; the built-in catalog, and secrets without
            fingerprints, when not given.
    """

    def __init__(
        self,
        alias: str = "default",
        *,
        check: Check | None = None,
        capture: Builder | None = None,
    ) -> None:
        self.alias = alias
        self._capture = capture
        self._check = check

    def write(self, workspace: str, events: Sequence[Event]) -> None:
        """Write events into the transaction that is open in this thread.

        Raises:
            InvalidEvent: The log would refuse one of them.
            StoreUnavailable: The rows could not be written; the transaction must be rolled back.
        """
        self.put(connections[self.alias], [(workspace, event) for event in events])

    def put(self, connection: Any, told: Sequence[tuple[str, Event]], faults: Mapping[str, str] | None = None) -> None:
        """Write events of any workspaces, a statement for each 200; all are encoded before the first byte is sent.

        Args:
            connection: The one that made the changes.
            told: Workspace and event, in order.
            faults: Id of an event → why it is set aside at once.

        Raises:
            InvalidEvent: As of `write`.
            StoreUnavailable: As of `write`.
        """
        aside = faults or {}
        insist(self._check, told, aside)
        self._put(connection, told, aside)

    def say(self, connection: Any, told: Sequence[Said]) -> None:
        """Write events that were said outright beside the notes of triggers, so that they speak for their rows.

        Args:
            connection: The one that made the changes, on PostgreSQL.
            told: The events, in order.

        Raises:
            InvalidEvent: As of `write`.
            StoreUnavailable: As of `write`.
        """
        insist(self._check, ((one.workspace, one.event) for one in told))
        now = connection.ops.adapt_datetimefield_value(_now())
        into = f"INSERT INTO {TABLE} (workspace, event, written_at)"
        with _faults("written"), connection.cursor() as cursor:
            cursor.executemany(
                f"{into} VALUES ({OF_TRANSACTION}, %s, %s)",
                [(said(one), now) for one in told],
            )

    def _put(self, connection: Any, told: Sequence[tuple[str, Event]], aside: Mapping[str, str]) -> None:
        now = connection.ops.adapt_datetimefield_value(_now())
        rows = [(whose, encode(event).decode(), now, aside.get(event.id)) for whose, event in told]
        with _faults("written"), connection.cursor() as cursor:
            for at in range(0, len(rows), _CHUNK):
                _insert(connection, cursor, rows[at : at + _CHUNK])

    @contextmanager
    def claim(self, limit: int) -> Iterator[_Claim]:
        """Take up to `limit` waiting rows, in order of their places.

        Other relays skip them while the claim lasts, where the database can lock rows; where it cannot, two relays may
        deliver the same row, which the log takes once.

        Raises:
            StoreUnavailable: The database cannot be reached or is busy.
        """
        connection = connections[self.alias]
        if not connection.in_atomic_block:
            close_old_connections()
        if connection.vendor == "postgresql":
            self._unfold(connection, limit)
        waiting = self._rows().filter(fault=None).order_by("place").values_list("place", "workspace", "event")
        with _faults("read"):
            if connection.features.has_select_for_update_skip_locked:
                with transaction.atomic(self.alias):
                    yield self._claimed(waiting.select_for_update(skip_locked=True)[:limit])
            else:
                # Without row locks nothing is gained by a transaction, which would make writers wait.
                yield self._claimed(waiting[:limit])

    def _unfold(self, connection: Any, limit: int) -> None:
        """Put events in the place of the notes of triggers, whole transactions at once, in a transaction of its own."""
        waits = self._rows().filter(fault=None).order_by("place")
        while any(is_note(one) for one in waits.values_list("workspace", flat=True)[:limit]):
            with _faults("read"), transaction.atomic(self.alias):
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [UNFOLDING])
                first = waits.filter(workspace__startswith=HEAD).values_list("workspace", flat=True)[:limit]
                rows = waits.filter(workspace__in=set(first)).values_list("place", "workspace", "event", "written_at")
                notes = [
                    Note(place=place, transaction=whose, text=text, at=_instant(at)) for place, whose, text, at in rows
                ]
                made = told_of(notes, self._capture or Builder(builtin(), None))
                self._put(connection, made.events, made.faults)
                _Claim(self._rows(), ()).settle((note.place for note in notes), made.unreadable)

    def backlog(self) -> Backlog:
        """Count what waits and what was refused.

        Raises:
            StoreUnavailable: The database cannot be reached or is busy.
        """
        waits = Q(fault=None)
        with _faults("read"):
            found = self._rows().aggregate(
                waiting=Count("place", filter=waits), oldest=Min("written_at", filter=waits), quarantined=Count("fault")
            )
        return Backlog(**found)

    def quarantined(self, limit: int = 100) -> list[Quarantined]:
        """Return events that were set aside, oldest place first.

        Raises:
            StoreUnavailable: The database cannot be reached or is busy.
        """
        rows = self._rows().exclude(fault=None).order_by("place")
        with _faults("read"):
            return [
                Quarantined(place=place, workspace=workspace, event=event.encode(), fault=fault)
                for place, workspace, event, fault in rows.values_list("place", "workspace", "event", "fault")[:limit]
            ]

    def release(self, places: Iterable[int]) -> None:
        """Let events that were set aside wait for delivery again: after an action was declared, for example.

        Raises:
            StoreUnavailable: The database cannot be reached or is busy.
        """
        with _faults("written"):
            self._rows().filter(place__in=list(places)).update(fault=None)

    def _claimed(self, rows: Any) -> _Claim:
        found = [Waiting(place=place, workspace=whose, event=str(event).encode()) for place, whose, event in rows]
        return _Claim(self._rows(), found)

    def _rows(self) -> Any:
        from whodid.capture.django.models import Outbox as Table

        return Table._base_manager.using(self.alias)


class _Claim:
    """Rows in delivery."""

    def __init__(self, table: Any, rows: Sequence[Waiting]) -> None:
        self.rows = rows
        self._table = table

    def settle(self, delivered: Iterable[int], refused: Mapping[int, str]) -> None:
        gone = [place for place in delivered if place not in refused]
        with transaction.atomic(self._table.db):
            for at in range(0, len(gone), _CHUNK):
                self._table.filter(place__in=gone[at : at + _CHUNK]).delete()
            for place, fault in refused.items():
                self._table.filter(place=place).update(fault=fault)


def _insert(connection: Any, cursor: Any, rows: list[tuple[Any, ...]]) -> None:
    into = f"INSERT INTO {TABLE} (workspace, event, written_at, fault)"
    if connection.vendor == "postgresql" and all(row[3] is None and _SEPARATOR not in row[0] for row in rows):
        # JSON has no control characters, so that one text can carry all events. A list of texts would be quoted once
        # more, character by character, in the process of the application.
        take = f"{into} SELECT w, e, %s, NULL FROM unnest({_LIST}, {_LIST}) AS t(w, e)"  # noqa: S608 - constants
        whose, events, times, _ = zip(*rows, strict=True)
        lists = (_SEPARATOR.join(whose), _SEPARATOR, _SEPARATOR.join(events), _SEPARATOR)
        cursor.execute(take, [times[0], *lists])
    else:
        cursor.executemany(f"{into} VALUES (%s, %s, %s, %s)", rows)


def _now() -> datetime:
    from django.conf import settings

    return datetime.now(UTC) if settings.USE_TZ else datetime.now()  # noqa: DTZ005 - as the host keeps its times


def _instant(at: datetime) -> datetime:
    """Return when a row was written."""
    return at.astimezone(UTC)  # without a zone it is in the one of the process, which Django sets


@contextmanager
def _faults(done: str) -> Iterator[None]:
    """Turn a database error into ours; its text must not carry the values of the statement."""
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        raise StoreUnavailable(
            f"The outbox could not be {done}: {type(error).__name__}",
            "Check the application's database and that the table whodid_outbox exists (manage.py migrate whodid); "
            "nothing was lost",
        ) from error.with_traceback(None)
