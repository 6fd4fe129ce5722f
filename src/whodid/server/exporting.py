"""What the reference says about exports: their shapes, and what their routes take and answer."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from whodid.export import Format, Layout
from whodid.export.jobs import State
from whodid.server.described import PACKED, Description, Form, Parameter, Reply
from whodid.server.ordering import Filters
from whodid.viewer.shapes import Count

__all__ = [
    "ESTIMATE",
    "FETCH",
    "LINK",
    "LIST",
    "ORDER",
    "REMOVE",
    "SHOW",
    "TYPES",
    "ExportEstimate",
    "ExportJob",
    "ExportJobs",
    "ExportLink",
    "ExportOrderer",
    "ExportWish",
]

TYPES: dict[str, str] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "zip": "application/zip",
}
"""Media types, by what `Layout.ending` says."""


class ExportWish(Filters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to export: the filters of the list, and what to make of them.

    Args:
        columns: Which columns, in the order wanted; all when empty. Not for ndjson, which holds whole entries.
        split: `month`, or how many rows a file has: a zip archive of several files, with a manifest. Months are those
            of `tz`. One plain file when null. When absent, one plain file too, except for csv of more than 250,000
            entries: by month, or by 250,000 rows where a month has more.
        proofs: Each entry with its proof; ndjson in one file only.
        bom: A byte order mark at the beginning, for spreadsheets; csv only.
        hide: Fields to hide, as for evidence; proofs hold without them.
        hide_people: Whose own values to hide, TYPE:ID.
    """

    format: Format
    columns: tuple[Annotated[str, Meta(max_length=40)], ...] = ()
    split: Literal["month"] | Annotated[int, Meta(ge=1)] | UnsetType | None = UNSET
    proofs: bool = False
    bom: bool = False
    hide: Annotated[tuple[str, ...], Meta(max_length=100)] = ()
    hide_people: Annotated[tuple[str, ...], Meta(max_length=100)] = ()

    def layout(self) -> Layout:
        """Return what it says of files."""
        return Layout(
            format=self.format,
            columns=self.columns,
            proofs=self.proofs,
            bom=self.bom,
            split=None if self.split is UNSET else self.split,
            zone=self.tz or "UTC",
        )


class ExportEstimate(Struct, frozen=True, kw_only=True):
    """What an export will be.

    Args:
        count: How many entries match.
        size: About how many bytes the file will have, by what its newest entries take.
        hidden: How many fields `hide` and `hide_people` hide in it, of those that this viewer sees; of so many at least
            when not exact.
        split: Where files of an archive end, whoever chose that; null for one plain file.
    """

    count: Count
    size: int
    hidden: Count
    split: Literal["month"] | int | None


class ExportOrderer(Struct, frozen=True, kw_only=True):
    """Who ordered an export."""

    type: str
    id: str
    name: str | None


class ExportJob(Struct, frozen=True, kw_only=True):
    """A job that makes a file.

    Args:
        state: How far it is: over are `ready` and `failed`.
        ordered_by: Who ordered it.
        own: Whether that is who asks now: nobody else can download, cancel or remove it.
        query: What was asked, in the query language.
        columns: Which columns, in their order; all when empty.
        split: Where files of an archive end; null for one plain file.
        hidden: Fields and people that are hidden in the file.
        estimate: About how many bytes the file will have.
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
    ordered_by: ExportOrderer
    own: bool
    format: Format
    query: str
    columns: tuple[str, ...]
    split: Literal["month"] | int | None
    proofs: bool
    bom: bool
    hidden: tuple[str, ...]
    filename: str
    created_at: str
    finished_at: str | None
    expires_at: str
    count: Count
    estimate: int
    done: int
    size: int | None
    sha256: str | None
    index: int | None
    fault: str | None
    remedy: str | None


class ExportJobs(Struct, frozen=True, kw_only=True):
    """Jobs, newest first."""

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
    "ordered_by": {"type": "user", "id": "usr_7", "name": "Maria Torres"},
    "own": True,
    "format": "csv",
    "query": "type:contact",
    "columns": ["occurred_at", "actor_name", "action"],
    "split": None,
    "proofs": False,
    "bom": False,
    "hidden": [],
    "filename": "audit-acme-20261120T140000Z.csv",
    "created_at": "2026-11-20T14:00:00.000000Z",
    "finished_at": None,
    "expires_at": "2026-11-21T14:00:00.000000Z",
    "count": {"value": 12800, "exact": True},
    "estimate": 1510400,
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
_WISH = (
    Form(ExportWish, example={"format": "csv", "q": "type:contact", "range": "30d"}),
    Form(
        ExportWish,
        example={
            "format": "csv",
            "columns": ["occurred_at", "actor_name", "action"],
            "split": "month",
            "tz": "Europe/Madrid",
        },
    ),
)
ESTIMATE = Description(
    name="estimateExport",
    area="Files",
    does="Tell how large an export will be",
    answers=(
        "`count`: how many entries match; `size`: about how many bytes the file will have; `hidden`: how many fields "
        "`hide` and `hide_people` hide in it; `split`: in which files it will be"
    ),
    more="It takes what `POST /v1/exports` takes, and refuses what that refuses; nothing is made.",
    needs=_NEEDS,
    headers=(PACKED,),
    body=_WISH,
    replies=(
        Reply(
            200,
            "The estimate.",
            (
                Form(
                    ExportEstimate,
                    example={
                        "count": {"value": 12800, "exact": True},
                        "size": 1510400,
                        "hidden": {"value": 0, "exact": True},
                        "split": None,
                    },
                ),
            ),
        ),
    ),
    problems=(404, 501),
)
ORDER = Description(
    name="orderExport",
    area="Files",
    does="Order an export",
    answers="a job that makes a file: see [exports](#exports)",
    more="The file is made in the background; the finished export is recorded in the log.",
    needs=_NEEDS,
    headers=(PACKED,),
    body=_WISH,
    replies=(Reply(201, "The job.", _JOB, (Parameter("Location", "the address of the job"),)),),
    problems=(404, 429, 501),
)
LIST = Description(
    name="listExports",
    area="Files",
    does="List exports",
    answers="`items`: the jobs of the last 24 hours, newest first; the viewer's own unless `by` says otherwise",
    more="With `by=everyone`, jobs of others are listed too as far as the viewer may read all that is in their files.",
    needs=_NEEDS,
    query=(Parameter("by", "whose jobs: `me`, or `everyone`", Literal["me", "everyone"], "everyone"),),
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
