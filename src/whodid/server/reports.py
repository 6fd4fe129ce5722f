"""The routes of the report: the entries that match as one page for paper, without scripts.

A browser that opens a page sends no token, and a token must not stand in an address. So the viewer orders the report
with its token and gets a ticket to open it with; a host without scripts posts a form with the token in its body.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from datetime import datetime
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from whodid import canonical, query
from whodid.catalog import write
from whodid.errors import NotFound
from whodid.log import Log
from whodid.model import Actor
from whodid.query import Cursor, Query
from whodid.server.answers import Answer, Call, Handler, answer_json, media_type_of
from whodid.server.described import PACKED, Description, Form, Reply
from whodid.server.ordering import Filters, read_order
from whodid.server.pages import Pages
from whodid.server.printing import Report, render
from whodid.server.problems import problem, refusal
from whodid.server.sessions import Session, Sessions
from whodid.server.tickets import LIFE, Pending, Tickets, digest
from whodid.viewer import FILTERS, Reader, asks
from whodid.viewer.reader import Seen

__all__ = ["MOST_ROWS", "Reports"]

MOST_ROWS = 5_000
"""A longer table is no use on paper; an export has everything."""

_PAGE = 200
_STATE = "reports"
_PURPOSE = "whodid report ticket 1"
_POLICY = (
    "default-src 'none'; style-src 'self' 'nonce-{nonce}'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_FORM = "application/x-www-form-urlencoded"


class ReportWish(Filters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to print: the filters of the list, in whose zone times are written too.

    Args:
        lang: Language of the report.
    """

    lang: str | None = None


class ReportMade(Struct, frozen=True, kw_only=True):
    """A report that waits to be opened.

    Args:
        href: Where the page is, good once within 60 seconds.
    """

    href: str


class _Pending(Pending, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The report that a ticket stands for.

    Args:
        query: Canonical text.
        locked: Canonical text.
    """

    query: str
    locked: str | None
    personal: bool
    zone: str
    lang: str
    viewer: Actor


_ORDER = Description(
    name="orderReport",
    area="Files",
    does="Order a report for printing",
    answers="`href` of a report for printing, good once within 60 seconds",
    more="The report is one page without scripts, for paper: the newest 5,000 entries that match.",
    needs=("audit:read",),
    headers=(PACKED,),
    body=(Form(ReportWish, example={"q": "type:contact", "range": "30d", "tz": "Europe/Madrid", "lang": "es"}),),
    replies=(Reply(201, "The report waits to be opened.", (Form(ReportMade, example={"href": "/report/AbC…"}),)),),
    problems=(429,),
)

_decoder = msgspec.json.Decoder(ReportWish)


class Reports:
    """The routes of reports.

    Args:
        secret: Signs tickets.
        pages: Knows the address of the style sheet.
    """

    def __init__(self, log: Log, sessions: Sessions, *, secret: bytes, pages: Pages) -> None:
        self._log = log
        self._sessions = sessions
        self._pages = pages
        self._tickets = Tickets(log, secret=secret, state=_STATE, purpose=_PURPOSE, holds=_Pending)
        self.handlers = (
            Handler("POST", "/v1/reports", self._order, described=_ORDER),
            Handler("GET", "/report/{ticket}", self._open),
            Handler("POST", "/report", self._posted),
        )

    def _order(self, call: Call) -> Answer:
        session = self._sessions.open(call)
        if session is None:
            return refusal(call.request_id)
        session.require("audit:read")
        asks.parameters(call.query)
        wish = read_order(call, _decoder)
        if isinstance(wish, Answer):
            return wish
        found = {name: value for name, value in msgspec.to_builtins(wish).items() if value}
        now, workspace = self._log.now(), session.claims.workspace
        ticket = self._tickets.make(workspace)
        pending = self._pending(found, call, session, now, ticket)
        if not self._tickets.leave(workspace, pending, now):
            return problem(
                429, call.request_id, "Too many reports wait to be opened.", headers=(("Retry-After", "60"),)
            )
        return answer_json(ReportMade(href=f"{call.base}/report/{ticket}"), status=201)

    def _open(self, call: Call) -> Answer:
        asks.parameters(call.query)
        ticket = call.path["ticket"]
        workspace = self._tickets.workspace(ticket)
        if workspace is None:
            return problem(404, call.request_id, "There is no such report.", "Open it from the log again.")
        if call.method == "HEAD":
            return problem(405, call.request_id, headers=(("Allow", "GET"),))
        pending = self._tickets.take(workspace, ticket)
        if pending is None:
            return problem(
                410, call.request_id, "This report was opened, or its minute is over.", "Open it from the log again."
            )
        return self._page(workspace, pending, call)

    def _posted(self, call: Call) -> Answer:
        """Answer a form: the filters in the address as everywhere, the token in the body and nothing else there."""
        if media_type_of(call.headers.get("content-type", "")) != _FORM:
            return problem(415, call.request_id, "The body is not a form.", f"Send Content-Type: {_FORM}.")
        try:
            fields = dict(parse_qsl(call.body.decode("ascii"), keep_blank_values=True, max_num_fields=4))
        except ValueError:
            return problem(400, call.request_id, "The form cannot be read.")
        bearing = {**call.headers, "authorization": f"Bearer {fields.get('token', '')}"}
        session = self._sessions.open(msgspec.structs.replace(call, headers=bearing))
        if session is None:
            return refusal(call.request_id)
        session.require("audit:read")
        found = asks.parameters(call.query, *FILTERS)
        pending = self._pending(found, call, session, self._log.now(), "")
        return self._page(session.claims.workspace, pending, call)

    def _pending(self, found: dict[str, str], call: Call, session: Session, now: datetime, ticket: str) -> _Pending:
        asked = asks.question(asks.parameters(found.items(), *FILTERS), now=now, viewer=session.claims.viewer.id)
        session.reader.check(asked)
        self._sessions.opened(session, call)
        locked = session.reader.locked
        return _Pending(
            ticket=digest(ticket),
            until=canonical.micros(now + LIFE),
            query=str(asked),
            locked=str(locked) if locked is not None else None,
            personal=session.reader.personal,
            zone=found.get("tz", "UTC"),
            lang=session.lang(found.get("lang"), call),
            viewer=session.claims.viewer,
        )

    def _page(self, workspace: str, pending: _Pending, call: Call) -> Answer:
        now = self._log.now()
        asked = query.parse(pending.query, now=now)
        locked = query.parse(pending.locked, now=now) if pending.locked is not None else None
        reader = Reader(self._log.reading(), workspace, locked=locked, personal=pending.personal)
        size, root = _head(reader)
        rows, whole = _rows(reader, asked)
        count = reader.count(asked)
        total = max(count.value, len(rows))
        report = Report(
            workspace=workspace,
            reader=pending.viewer.name or pending.viewer.id,
            printed=now,
            zone=ZoneInfo(pending.zone),
            zone_name=pending.zone,
            since=asked.since,
            until=asked.until,
            query=str(msgspec.structs.replace(asked, since=None, until=None)),
            rows=rows,
            total=write(total, pending.lang) + ("" if count.exact or whole else "+"),
            whole=whole,
            size=size,
            root=root,
        )
        nonce = secrets.token_urlsafe(16)
        style = self._pages.address(call.base, "report.css")
        body = render(report, pending.lang, self._log.catalog, style=style, nonce=nonce).encode()
        return Answer(
            body=body,
            media_type="text/html; charset=utf-8",
            headers=(("Cache-Control", "no-store"), ("Content-Security-Policy", _POLICY.format(nonce=nonce))),
        )


def _head(reader: Reader) -> tuple[int, str]:
    try:
        head = reader.log.head(reader.workspace)
    except NotFound:
        return 0, "-"
    return head.size, b64encode(head.root).decode()


def _rows(reader: Reader, asked: Query) -> tuple[list[Seen], bool]:
    """Return the newest entries up to the limit, and whether these are all."""
    rows: list[Seen] = []
    cursor: Cursor | None = None
    while len(rows) < MOST_ROWS:
        page = reader.find(asked, cursor=cursor, limit=min(_PAGE, MOST_ROWS - len(rows)))
        rows.extend(page.items)
        cursor = page.next
        if cursor is None:
            return rows, True
    return rows, False
