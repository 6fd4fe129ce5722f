"""Exports over HTTP: a ticket for a download that a browser can follow, then the file as it is made.

Browsers cannot send a token with a download, and a token must not stand in an address. So a POST with the token leaves
the question in the log's own state, and hands out a ticket for it (`tickets`).
"""

from __future__ import annotations

import importlib.util
import re
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

from whodid import canonical, query
from whodid.errors import Denied
from whodid.export import Format, pieces
from whodid.log import Log
from whodid.model import Actor
from whodid.server.answers import Answer, Call, Handler, answer_json
from whodid.server.described import PACKED, Description, Form, Parameter, Reply
from whodid.server.ordering import read_order
from whodid.server.problems import problem, refusal
from whodid.server.sessions import Session, Sessions, context_of
from whodid.server.tickets import LIFE, Pending, Tickets, digest
from whodid.viewer import PERSONAL, Reader, asks
from whodid.viewer.shapes import Count

__all__ = ["CSV", "Download", "Exports", "Slot"]

_STATE = "exports"
_PURPOSE = "whodid export ticket 1"
_FILE_CHARACTERS = re.compile(r"[^A-Za-z0-9_.\-]+")

CSV = "text/csv; charset=utf-8; header=present"

_TYPES: dict[Format, str] = {
    "csv": CSV,
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}


class ExportWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to export: the filters of the list, and what to make of them.

    Args:
        q: What to find, in the query language.
        since: A date of the query language, the beginning.
        until: The same, the end.
        range: Excludes since and until.
        tz: IANA time zone in which dates are meant; UTC when absent.
        proofs: Each entry with its proof; ndjson only.
        bom: A byte order mark at the beginning, for spreadsheets; csv only.
    """

    format: Format
    q: str = ""
    since: str | None = None
    until: str | None = None
    range: Literal["7d", "30d", "90d"] | None = None
    tz: str | None = None
    proofs: bool = False
    bom: bool = False


class ExportMade(Struct, frozen=True, kw_only=True):
    """An export that waits for its download.

    Args:
        id: Its name in the log.
        href: Where the file is, good once within 60 seconds.
        count: How many entries it will have.
    """

    id: str
    href: str
    count: Count
    filename: str


class _Pending(Pending, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The export that a ticket stands for.

    Args:
        query: Canonical text.
        locked: Canonical text.
    """

    format: Format
    query: str
    locked: str | None
    personal: bool
    proofs: bool
    bom: bool
    filename: str
    viewer: Actor


_ORDER = Description(
    name="orderExport",
    area="Files",
    does="Order an export",
    answers="`href` of a file, good once within 60 seconds; `count`, `filename`",
    more="Browsers cannot send a token with a download: follow `href` instead. The export is recorded in the log.",
    needs=("audit:read", "audit:export"),
    headers=(PACKED,),
    body=(Form(ExportWish, example={"format": "csv", "q": "type:contact", "range": "30d"}),),
    replies=(
        Reply(
            201,
            "The export waits for its download.",
            (
                Form(
                    ExportMade,
                    example={
                        "id": "7f31bf63acd06d2d",
                        "href": "/v1/exports/AbC…",
                        "count": {"value": 128, "exact": True},
                        "filename": "audit-acme-20261120T140000Z.csv",
                    },
                ),
            ),
        ),
    ),
    problems=(429, 501),
)
_FETCH = Description(
    name="downloadExport",
    area="Files",
    does="Download an export",
    answers="the file, as it is made",
    more="Without a length: the file is made while it is sent. One that is not whole is broken off.",
    opens="the ticket",
    path=(Parameter("ticket", "from the `href` of the export", str, "AbC…"),),
    replies=(
        Reply(
            200,
            "The file.",
            tuple(Form(None, media_type) for media_type in _TYPES.values()),
            (Parameter("Content-Disposition", "the name of the file"),),
        ),
    ),
    problems=(404, 405, 410),
)

_decoder = msgspec.json.Decoder(ExportWish)


class Exports:
    """The routes of exports.

    Args:
        secret: Signs tickets, so that an invented one does not reach the store.
        slots: How many files may be made at once; each holds a read of the store open.
    """

    def __init__(self, log: Log, sessions: Sessions, *, secret: bytes, slots: threading.BoundedSemaphore) -> None:
        self._log = log
        self._sessions = sessions
        self._tickets = Tickets(log, secret=secret, state=_STATE, purpose=_PURPOSE, holds=_Pending)
        self._slots = slots
        self.handlers = (
            Handler("POST", "/v1/exports", self._order, described=_ORDER),
            Handler("GET", "/v1/exports/{ticket}", self._download, described=_FETCH),
        )

    def _order(self, call: Call) -> Answer:
        session = self._sessions.open(call)
        if session is None:
            return refusal(call.request_id)
        session.require("audit:read")
        session.require("audit:export")
        asks.parameters(call.query)
        wish = read_order(call, _decoder)
        if isinstance(wish, Answer):
            return wish
        return self._accept(wish, call, session)

    def _accept(self, wish: ExportWish, call: Call, session: Session) -> Answer:
        now, claims, reader = self._log.now(), session.claims, session.reader
        pairs = [(name, getattr(wish, name)) for name in ("q", "since", "until", "range", "tz")]
        found = asks.parameters([(name, value) for name, value in pairs if value], *asks.FILTERS)
        asked = asks.question(found, now=now, viewer=claims.viewer.id)
        reader.check(asked)
        if wish.proofs and wish.format != "ndjson":
            return problem(
                422, call.request_id, f"A {wish.format} file cannot carry proofs.", "Ask for ndjson.", pointer="/proofs"
            )
        if wish.proofs and not reader.personal:
            raise Denied(PERSONAL, "Proofs need whole entries: export without proofs, or ask for the permission")
        if wish.format == "parquet" and importlib.util.find_spec("pyarrow") is None:
            return problem(501, call.request_id, "Parquet is not installed on this server.", "Ask for csv or ndjson.")
        count = reader.count(asked)
        ticket = self._tickets.make(claims.workspace)
        filename = _filename(claims.workspace, now, wish.format)
        pending = _Pending(
            ticket=digest(ticket),
            until=canonical.micros(now + LIFE),
            format=wish.format,
            query=str(asked),
            locked=str(reader.locked) if reader.locked is not None else None,
            personal=reader.personal,
            proofs=wish.proofs,
            bom=wish.bom,
            filename=filename,
            viewer=claims.viewer,
        )
        if not self._tickets.leave(claims.workspace, pending, now):
            return problem(
                429, call.request_id, "Too many exports wait for their download.", headers=(("Retry-After", "60"),)
            )
        made = ExportMade(
            id=pending.ticket[:16],
            href=f"{call.base}/v1/exports/{ticket}",
            count=Count(value=count.value, exact=count.exact),
            filename=filename,
        )
        return answer_json(made, status=201)

    def _download(self, call: Call) -> Answer:
        asks.parameters(call.query)
        ticket = call.path["ticket"]
        workspace = self._tickets.workspace(ticket)
        if workspace is None:
            return problem(404, call.request_id, "There is no such export.", "Start the export again.")
        if call.method == "HEAD":
            return problem(405, call.request_id, headers=(("Allow", "GET"),))
        if not self._slots.acquire(blocking=False):
            # Asked before the ticket is spent: the browser may try again with it.
            return problem(503, call.request_id, "Enough exports are running.", headers=(("Retry-After", "5"),))
        slot = Slot(self._slots)
        try:
            pending = self._tickets.take(workspace, ticket)
            if pending is None:
                slot.release()
                return problem(
                    410, call.request_id, "This download was used, or its minute is over.", "Start the export again."
                )
            return self._file(workspace, pending, call, slot)
        except BaseException:
            slot.release()
            raise

    def _file(self, workspace: str, pending: _Pending, call: Call, slot: Slot) -> Answer:
        now = self._log.now()
        asked = query.parse(pending.query, now=now)
        locked = query.parse(pending.locked, now=now) if pending.locked is not None else None
        reader = Reader(self._log, workspace, locked=locked, personal=pending.personal)
        made = pieces(
            self._log,
            workspace,
            reader.within(asked),
            pending.format,
            actor=pending.viewer,
            context=context_of(call),
            proofs=pending.proofs,
            bom=pending.bom,
            entries=None if pending.personal else reader.stream(asked),
        )
        # What fails before the first byte is still an answer with a status.
        first = next(made, b"")
        headers = (
            ("Content-Disposition", f'attachment; filename="{pending.filename}"'),
            ("Cache-Control", "no-store"),
            ("X-Accel-Buffering", "no"),
        )
        return Answer(body=Download(first, made, slot), media_type=_TYPES[pending.format], headers=headers)


class Slot:
    """A place among the downloads, given back once."""

    def __init__(self, slots: threading.BoundedSemaphore) -> None:
        self._slots: threading.BoundedSemaphore | None = slots

    def release(self) -> None:
        """Give the place back, once however often it is asked to."""
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.release()


class Download(Iterator[bytes]):
    """The pieces of a file; gives its place back at the end, when it is closed, and when nobody ever asks for it."""

    def __init__(self, first: bytes, rest: Iterator[bytes], slot: Slot) -> None:
        self._first: bytes | None = first
        self._rest = rest
        self._slot = slot

    def __next__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        try:
            return next(self._rest)
        except BaseException:
            self._slot.release()
            raise

    def close(self) -> None:
        """Stop; an export that is not complete is recorded as failed."""
        try:
            close = getattr(self._rest, "close", None)
            if close is not None:
                close()
        finally:
            self._slot.release()

    def __del__(self) -> None:
        self._slot.release()


def _filename(workspace: str, now: datetime, format: Format) -> str:
    name = _FILE_CHARACTERS.sub("-", workspace).strip("-.") or "log"
    return f"audit-{name}-{now:%Y%m%dT%H%M%SZ}.{format}"
