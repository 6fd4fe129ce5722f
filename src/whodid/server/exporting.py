"""What the reference says about exports: their shapes, and what their routes take and answer."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from whodid.export import Format
from whodid.export.jobs import State
from whodid.server.described import PACKED, Description, Form, Parameter, Reply
from whodid.viewer.shapes import Count

__all__ = [
    "FETCH",
    "LINK",
    "LIST",
    "ORDER",
    "REMOVE",
    "SHOW",
    "TYPES",
    "ExportJob",
    "ExportJobs",
    "ExportLink",
    "ExportWish",
]

TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8; header=present",
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
        hide: Fields to hide, as for evidence; proofs hold without them.
        hide_people: Whose own values to hide, TYPE:ID.
    """

    format: Format
    q: str = ""
    since: str | None = None
    until: str | None = None
    range: Literal["7d", "30d", "90d"] | None = None
    tz: str | None = None
    proofs: bool = False
    bom: bool = False
    hide: Annotated[list[str], Meta(max_length=100)] = []
    hide_people: Annotated[list[str], Meta(max_length=100)] = []


class ExportJob(Struct, frozen=True, kw_only=True):
    """A job that makes a file.

    Args:
        state: How far it is: over are `ready` and `failed`.
        query: What was asked, in the query language.
        expires_at: When it and its file are removed: 24 hours after its end.
        count: How many entries matched when it was ordered.
        done: How many entries are in the file so far.
        size: Of the finished file, bytes.
        sha256: Of the finished file, hexadecimal.
        index: The `audit.exported` entry that says who exported what.
        fault: Why it failed.
        remedy: What to do about it.
    """

    id: str
    state: State
    format: Format
    query: str
    proofs: bool
    filename: str
    created_at: str
    finished_at: str | None
    expires_at: str
    count: Count
    done: int
    size: int | None
    sha256: str | None
    index: int | None
    fault: str | None
    remedy: str | None


class ExportJobs(Struct, frozen=True, kw_only=True):
    """The jobs of a viewer, newest first."""

    items: list[ExportJob]


class ExportLink(Struct, frozen=True, kw_only=True):
    """The address of a download.

    Args:
        href: Good for one download, within 60 seconds. Whoever got its beginning may ask for the rest, with `Range` and
            the `ETag` as `If-Range`.
    """

    href: str
    filename: str


_NEEDS = ("audit:read", "audit:export")
_ID = (Parameter("id", "which export", str, "7f31bf63acd06d2d7f31bf63acd06d2d"),)
_EXAMPLE = {
    "id": "7f31bf63acd06d2d7f31bf63acd06d2d",
    "state": "running",
    "format": "csv",
    "query": "type:contact",
    "proofs": False,
    "filename": "audit-acme-20261120T140000Z.csv",
    "created_at": "2026-11-20T14:00:00.000000Z",
    "finished_at": None,
    "expires_at": "2026-11-21T14:00:00.000000Z",
    "count": {"value": 12800, "exact": True},
    "done": 6400,
    "size": None,
    "sha256": None,
    "index": None,
    "fault": None,
    "remedy": None,
}
_JOB = (Form(ExportJob, example=_EXAMPLE),)
_FILE_HEADERS = (
    Parameter("Content-Disposition", "the name of the file"),
    Parameter("Accept-Ranges", "that parts can be asked for: `bytes`"),
    Parameter("Repr-Digest", "SHA-256 of the whole file (RFC 9530)"),
)
ORDER = Description(
    name="orderExport",
    area="Files",
    does="Order an export",
    answers="a job that makes a file: see [exports](#exports)",
    more="The file is made in the background; the finished export is recorded in the log.",
    needs=_NEEDS,
    headers=(PACKED,),
    body=(Form(ExportWish, example={"format": "csv", "q": "type:contact", "range": "30d"}),),
    replies=(Reply(201, "The job.", _JOB, (Parameter("Location", "the address of the job"),)),),
    problems=(404, 429, 501),
)
LIST = Description(
    name="listExports",
    area="Files",
    does="List exports",
    answers="`items`: the viewer's own jobs of the last 24 hours, newest first",
    needs=_NEEDS,
    replies=(Reply(200, "The jobs.", (Form(ExportJobs, example={"items": [_EXAMPLE]}),)),),
)
SHOW = Description(
    name="getExport",
    area="Files",
    does="Read how far an export is",
    answers="the job, with how far it is",
    needs=_NEEDS,
    path=_ID,
    replies=(Reply(200, "The job.", _JOB),),
    problems=(404,),
)
REMOVE = Description(
    name="removeExport",
    area="Files",
    does="Cancel an export, or remove its file",
    answers="the job as it was; it ends, whatever its state, and its file is removed",
    needs=_NEEDS,
    path=_ID,
    replies=(Reply(200, "The job as it was.", _JOB),),
    problems=(404, 408, 413),
)
FETCH = Description(
    name="downloadExport",
    area="Files",
    does="Download the file of an export",
    answers="the file, or a part of it",
    needs=_NEEDS,
    path=_ID,
    headers=(
        Parameter("Range", "one range of bytes", str, "bytes=1024-"),
        Parameter("If-Range", "the ETag of the file that the rest is wanted of"),
    ),
    replies=(
        Reply(200, "The file.", tuple(Form(None, kind) for kind in TYPES.values()), _FILE_HEADERS),
        Reply(
            206,
            "The part of the file.",
            tuple(Form(None, kind) for kind in TYPES.values()),
            (*_FILE_HEADERS, Parameter("Content-Range", "which part of how many bytes")),
        ),
    ),
    problems=(404, 409, 410, 416),
    tagged=True,
)
LINK = Description(
    name="linkExport",
    area="Files",
    does="Make a link to the file of an export",
    answers="`href` of a download for browsers, good once within 60 seconds; `filename`",
    more="Browsers cannot send a token with a download: follow `href` instead.",
    needs=_NEEDS,
    path=_ID,
    replies=(
        Reply(
            201,
            "The link.",
            (Form(ExportLink, example={"href": "/export/AbC…", "filename": "audit-acme-20261120T140000Z.csv"}),),
        ),
    ),
    problems=(404, 408, 409, 410, 413, 429),
)
