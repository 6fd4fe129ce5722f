"""Exports over HTTP: a job that is ordered, watched and removed, and a file that is fetched whole or in parts.

The file is made in the background and kept for a day (`whodid.export`). Whoever ordered it sees it, with the rights
that it was made with; nobody else does. Browsers cannot send a token with a download, and a token must not stand in an
address, so a POST with the token hands out a link for one download (`tickets`).
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec
from msgspec import UNSET, Struct

from whodid import canonical, query
from whodid.errors import Denied, InvalidQuery, NotFound
from whodid.export import Exported, ExportWorker, Job, JobFolder, Layout, export, stem_of
from whodid.export.run import Progress
from whodid.log import Hiding, Log
from whodid.query import Query, quote
from whodid.retention import hiding
from whodid.server.answers import Answer, Call, Handler, answer_json
from whodid.server.exporting import (
    ESTIMATE,
    FETCH,
    LINK,
    LIST,
    ORDER,
    REMOVE,
    SHOW,
    TYPES,
    ExportEstimate,
    ExportJob,
    ExportJobs,
    ExportLink,
    ExportOrderer,
    ExportWish,
)
from whodid.server.files import send_part
from whodid.server.meter import Meter
from whodid.server.ordering import read_order
from whodid.server.places import add_places
from whodid.server.problems import problem, refusal
from whodid.server.sessions import Session, Sessions, context_of
from whodid.server.sizing import choose_split, count_hidden, guess_size
from whodid.server.tickets import LIFE, Pending, Tickets, digest
from whodid.viewer import PERSONAL, Reader, asks
from whodid.viewer.shapes import Count

__all__ = ["Exports", "export_worker", "send_job"]

_STATE = "export_links"
_PURPOSE = "whodid export link 1"
_MOST_LINKS = 20
_BY = ("me", "everyone")


def export_worker(
    log: Log,
    folder: Path | None = None,
    *,
    threads: int = 4,
    most_bytes: int = 5 * 1024**3,
    meter: Meter | None = None,
) -> ExportWorker:
    """Make what makes the exports of a server.

    Args:
        folder: Its own, which servers of one deployment share; a temporary one that ends with the process when not
            given.
        threads: How many exports may be made at once.
        most_bytes: What their files may take on the disk.
        meter: Counts them.

    Raises:
        InvalidSetting: The folder cannot be made, or others may look into it.
    """
    counted = meter or Meter()
    path = folder or Path(tempfile.mkdtemp(prefix="whodid-exports-"))
    worker = ExportWorker(
        JobFolder(path, most_bytes=most_bytes),
        clock=log.now,
        threads=threads,
        on_end=lambda job, seconds: counted.exported(job.state, job.done, seconds),
    )
    if folder is None:
        weakref.finalize(worker, _remove_folder, path, os.getpid())
    counted.watch_exports(worker.counts)
    add_places(log, exports=path)
    return worker


def _remove_folder(path: Path, owner: int) -> None:
    # A process that was forked from this one ends without taking the folder along.
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)


class _Link(Pending, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The job whose file a link opens."""

    job: str


class _Wanted(Struct, frozen=True, kw_only=True):
    """A wish that can be granted.

    Args:
        hide: Fields that are hidden in the file.
        hide_people: Whose own values are hidden in it, `TYPE:ID`.
        size: Bytes of the file, about.
        hiding: What they come to; None when nothing is hidden.
    """

    asked: Query
    layout: Layout
    hide: tuple[str, ...]
    hide_people: tuple[str, ...]
    count: Count
    size: int
    hiding: Hiding | None


_decoder = msgspec.json.Decoder(ExportWish)


class Exports:
    """The routes of exports.

    Args:
        secret: Signs links, so that an invented one does not reach the store.
        worker: Makes the files.
    """

    def __init__(self, log: Log, sessions: Sessions, *, secret: bytes, worker: ExportWorker) -> None:
        self._log = log
        self._sessions = sessions
        self._worker = worker
        self._folder = worker.folder
        self._links = Tickets(log, secret=secret, state=_STATE, purpose=_PURPOSE, holds=_Link)
        worker.makers[""] = self._make
        self.handlers = (
            Handler("POST", "/v1/exports", self._order, described=ORDER),
            Handler("GET", "/v1/exports", self._list, described=LIST),
            Handler("POST", "/v1/exports/estimate", self._estimate, described=ESTIMATE),
            Handler("GET", "/v1/exports/{id}", self._show, described=SHOW),
            Handler("DELETE", "/v1/exports/{id}", self._remove, described=REMOVE),
            Handler("GET", "/v1/exports/{id}/file", self._file, described=FETCH),
            Handler("POST", "/v1/exports/{id}/link", self._link, described=LINK),
            Handler("GET", "/export/{ticket}", self._download),
        )

    def _open(self, call: Call) -> Session | None:
        session = self._allowed(call)
        if session is not None:
            asks.parameters(call.query)
        return session

    def _allowed(self, call: Call) -> Session | None:
        session = self._sessions.open(call)
        if session is not None:
            session.require("audit:read")
            session.require("audit:export")
        return session

    def _order(self, call: Call) -> Answer:
        return self._wished(call, self._accept)

    def _estimate(self, call: Call) -> Answer:
        return self._wished(call, self._guess)

    def _wished(self, call: Call, answer: Callable[[_Wanted, Call, Session], Answer]) -> Answer:
        """Read what is wished, refuse what cannot be, and answer the rest."""
        session = self._open(call)
        if session is None:
            return refusal(call.request_id)
        wish = read_order(call, _decoder)
        if isinstance(wish, Answer):
            return wish
        reader = session.reader
        asked = wish.question(now=self._log.now(), viewer=session.claims.viewer.id)
        reader.check(asked)
        layout = wish.layout()
        for member, fact, remedy in layout.faults():
            return problem(422, call.request_id, f"{fact}.", f"{remedy}.", pointer=f"/{member}")
        if wish.proofs and not reader.personal:
            raise Denied(PERSONAL, "Proofs need whole entries: export without proofs, or ask for the permission")
        if wish.format == "parquet" and importlib.util.find_spec("pyarrow") is None:
            return problem(501, call.request_id, "Parquet is not installed on this server.", "Ask for csv or ndjson.")
        hidden = hiding(self._log, session.claims.workspace, wish.hide, wish.hide_people)  # what cannot be is told now
        self._log.head(session.claims.workspace)  # a log that is not there is told now
        count = reader.count(asked)
        if wish.split is UNSET:
            split = choose_split(reader, asked, layout, count=count.value, exact=count.exact)
            layout = msgspec.structs.replace(layout, split=split)
        size = guess_size(reader, asked, layout, count=count.value)
        wanted = _Wanted(
            asked=asked,
            layout=layout,
            hide=wish.hide,
            hide_people=wish.hide_people,
            count=Count(value=count.value, exact=count.exact),
            size=size,
            hiding=hidden,
        )
        return answer(wanted, call, session)

    def _guess(self, wanted: _Wanted, _call: Call, session: Session) -> Answer:
        hidden = count_hidden(session.reader, wanted.asked, wanted.hiding)
        told = ExportEstimate(count=wanted.count, size=wanted.size, hidden=hidden, split=wanted.layout.split)
        return answer_json(told)

    def _accept(self, wanted: _Wanted, call: Call, session: Session) -> Answer:
        now, claims, reader, layout = self._log.now(), session.claims, session.reader, wanted.layout
        if not self._folder.has_room(claims.workspace):
            return problem(
                507, call.request_id, "The files of exports take all the room there is.", "Remove what nobody needs."
            )
        job = Job(
            id=secrets.token_hex(16),
            workspace=claims.workspace,
            created_at=now,
            format=layout.format,
            query=str(wanted.asked),
            filename=f"{stem_of(claims.workspace, now)}.{layout.ending}",
            actor=claims.viewer,
            context=context_of(call),
            locked=str(reader.locked) if reader.locked is not None else None,
            personal=reader.personal,
            proofs=layout.proofs,
            bom=layout.bom,
            hide=wanted.hide,
            hide_people=wanted.hide_people,
            columns=layout.columns,
            split=layout.split,
            zone=layout.zone,
            about=wanted.size,
            of=wanted.count.value,
            exact=wanted.count.exact,
        )
        if not self._worker.order(job):
            return problem(
                429,
                call.request_id,
                "Too many exports of this workspace wait, run or are kept.",
                "Wait for them, or remove some.",
                headers=(("Retry-After", "60"),),
            )
        place = f"{call.base}/v1/exports/{job.id}"
        return answer_json(
            _told(job, own=True), status=201, headers=(("Location", place), ("Cache-Control", "no-store"))
        )

    def _list(self, call: Call) -> Answer:
        session = self._allowed(call)
        if session is None:
            return refusal(call.request_id)
        by = asks.parameters(call.query, *LIST.takes).get("by", "me")
        if by not in _BY:
            raise InvalidQuery(f"Exports cannot be listed by {quote(by)}", f"Use {' or '.join(_BY)}")
        told: list[ExportJob] = []
        for job in self._folder.all(session.claims.workspace):
            own = self._sees(session, job)
            if own or (by == "everyone" and self._knows(session, job)):
                told.append(_told(job, own=own))
        return answer_json(ExportJobs(items=told))

    def _show(self, call: Call) -> Answer:
        session = self._open(call)
        return refusal(call.request_id) if session is None else answer_json(_told(self._job(session, call), own=True))

    def _remove(self, call: Call) -> Answer:
        session = self._open(call)
        if session is None:
            return refusal(call.request_id)
        job = self._job(session, call)
        self._folder.remove(job.workspace, job.id)
        return answer_json(_told(job, own=True))

    def _file(self, call: Call) -> Answer:
        session = self._open(call)
        return refusal(call.request_id) if session is None else send_job(self._folder, self._job(session, call), call)

    def _link(self, call: Call) -> Answer:
        session = self._open(call)
        if session is None:
            return refusal(call.request_id)
        job = self._job(session, call)
        if job.state != "ready":
            return _unready(job, call)
        now = self._log.now()
        ticket = self._links.make(job.workspace)
        link = _Link(ticket=digest(ticket), until=canonical.micros(now + LIFE), job=job.id)
        if not self._links.leave(job.workspace, link, now):
            return problem(
                429, call.request_id, "Too many links wait for their download.", headers=(("Retry-After", "60"),)
            )
        return answer_json(ExportLink(href=f"{call.base}/export/{ticket}", filename=job.filename), status=201)

    def _download(self, call: Call) -> Answer:
        """Answer a link: once from the beginning, and from where that broke off for whoever got its beginning."""
        asks.parameters(call.query)
        ticket = call.path["ticket"]
        workspace = self._links.workspace(ticket)
        if workspace is None:
            return problem(404, call.request_id, "There is no such export.", "Start the export again.")
        if call.method == "HEAD":
            return problem(405, call.request_id, headers=(("Allow", "GET"),))
        link, mark = self._links.take(workspace, ticket), digest(ticket)
        if link is not None:
            # What is not begun yet cannot be asked for from its middle.
            begun = self._folder.change(
                workspace, link.job, lambda job: msgspec.structs.replace(job, links=(*job.links, mark)[-_MOST_LINKS:])
            )
            if begun is not None:
                return send_job(self._folder, begun, call)
        elif "range" in call.headers:
            for job in self._folder.all(workspace):
                if mark in job.links and call.headers.get("if-range") == f'"{job.tag}"':
                    return send_job(self._folder, job, call)
        return problem(
            410, call.request_id, "This link was used, or its minute is over.", "Ask for the download again."
        )

    def _job(self, session: Session, call: Call) -> Job:
        """Return the job of an address.

        Raises:
            NotFound: There is none, or it is not this viewer's; the two answers are the same.
        """
        job = self._folder.get(session.claims.workspace, call.path["id"])
        if job is None or not self._sees(session, job):
            raise NotFound("There is no such export", "Start the export again")
        return job

    def _sees(self, session: Session, job: Job) -> bool:
        """Tell whether a job is a viewer's own, and holds nothing that the viewer may not read now."""
        reader, viewer = session.reader, session.claims.viewer
        locked = str(reader.locked) if reader.locked is not None else None
        return (
            job.maker == ""
            and job.expires_at > self._log.now()
            and (job.actor.type, job.actor.id) == (viewer.type, viewer.id)
            and job.locked == locked
            and (reader.personal or not job.personal)
        )

    def _knows(self, session: Session, job: Job) -> bool:
        """Tell whether a viewer may read all that is in the file of somebody else's job, and so know of it."""
        reader = session.reader
        return job.expires_at > self._log.now() and reader.locked is None and (reader.personal or not job.personal)

    def _make(self, job: Job, out: IO[bytes], progress: Progress) -> Exported:
        now = self._log.now()
        asked = query.parse(job.query, now=now)
        locked = query.parse(job.locked, now=now) if job.locked is not None else None
        log = self._log.reading()
        reader = Reader(log, job.workspace, locked=locked, personal=job.personal)
        return export(
            log,
            job.workspace,
            reader.within(asked),
            job.format,
            out,
            actor=job.actor,
            context=job.context,
            proofs=job.proofs,
            bom=job.bom,
            columns=job.columns,
            split=job.split,
            zone=job.zone,
            entries=None if job.personal else reader.stream(asked),
            hiding=hiding(self._log, job.workspace, job.hide, job.hide_people),
            progress=progress,
        )


def send_job(folder: JobFolder, job: Job, call: Call) -> Answer:
    """Answer with the file of a job, or with why there is none."""
    if job.state != "ready":
        return _unready(job, call)
    file = folder.open(job)
    if file is None or job.sha256 is None:
        return problem(
            410, call.request_id, "The file of this export is not what was made.", "Remove it, and start it again."
        )
    kind = TYPES[job.filename.rpartition(".")[2]]
    return send_part(file, call, tag=job.tag or "", sha256=job.sha256, filename=job.filename, media_type=kind)


def _unready(job: Job, call: Call) -> Answer:
    if job.state == "failed":
        return problem(410, call.request_id, job.fault, job.remedy, kind="export-failed")
    again = (("Retry-After", "1"),)
    return problem(
        409, call.request_id, "The file is not made yet.", "Ask again in a moment.", kind="not-ready", headers=again
    )


def _told(job: Job, *, own: bool) -> ExportJob:
    return ExportJob(
        id=job.id,
        state=job.state,
        ordered_by=ExportOrderer(type=job.actor.type, id=job.actor.id, name=job.actor.name),
        own=own,
        format=job.format,
        query=job.query,
        columns=job.columns,
        split=job.split,
        proofs=job.proofs,
        bom=job.bom,
        hidden=(*job.hide, *job.hide_people),
        filename=job.filename,
        created_at=canonical.time_text(job.created_at),
        finished_at=canonical.time_text(job.finished_at) if job.finished_at is not None else None,
        expires_at=canonical.time_text(job.expires_at),
        count=Count(value=job.of, exact=job.exact),
        estimate=job.about,
        done=job.done,
        size=job.size,
        sha256=job.sha256,
        index=job.index,
        fault=job.fault or None,
        remedy=job.remedy or None,
    )
