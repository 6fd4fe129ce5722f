"""The descriptions of the routes that read; the routes themselves are in `routes`."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from whodid.server.described import CURSOR, FILTERS, LANG, LIMIT, RUNS, Description, Form, Parameter, Reply
from whodid.viewer import api, asks, shapes

__all__ = [
    "CATALOG",
    "CHECKPOINT",
    "CONSISTENCY",
    "ENTRIES",
    "ENTRY",
    "FACETS",
    "HASHES",
    "HISTOGRAM",
    "HISTORY",
    "INSIGHTS",
    "PROOF",
    "PROOFS",
    "RETENTION",
    "SUGGEST",
]

_READ = ("audit:read",)
_ID = "00000000-0000-0000-0000-000000000002"
_KEY = Parameter("key", "index or id of the entry", str, _ID)
_BUCKETS = Parameter(
    "buckets", "about how many bars, 10 to 200; 60 when absent", Annotated[int, Meta(ge=10, le=200)], 60
)
_Size = Annotated[int, Meta(ge=1)]

_ROW: dict[str, Any] = {
    "index": 1,
    "id": _ID,
    "occurred_at": "2026-11-18T14:00:00.000000Z",
    "recorded_at": "2026-11-18T14:00:00.412000Z",
    "actor": {"type": "user", "id": "usr_maria", "name": "Maria Torres", "email": {"$": "hidden"}, "role": "Manager"},
    "action": "contact.deleted",
    "kind": "delete",
    "severity": "notice",
    "resource": {"type": "contact", "id": "con_juan", "name": "Juan Pérez"},
    "reason": {"code": "request", "text": "Asked to be removed by phone, ticket #2231"},
    "outcome": "success",
    "marks": [],
    "source": "web",
    "country": "ES",
    "city": "Madrid",
    "ip": {"$": "hidden"},
    "sentence": {
        "template": "{actor} deleted contact {resource}",
        "parts": {
            "actor": {"text": "Maria Torres", "type": "user", "id": "usr_maria"},
            "resource": {"text": "Juan Pérez", "type": "contact", "id": "con_juan"},
        },
    },
    "second": {"form": "reason", "text": "Asked to be removed by phone, ticket #2231"},
}
_PAGE: dict[str, Any] = {
    "items": [_ROW],
    "next": CURSOR.example,
    "count": {"value": 128, "exact": True},
    "head": {"size": 8204, "first": 0},
    "range": {"since": "2026-11-01T00:00:00.000000Z", "until": None},
    "viewer": "usr_maria",
}
_SHOWN = ("occurred_at", "recorded_at", "actor", "action", "kind", "severity", "resource", "reason", "id", "index")
_ENTRY: dict[str, Any] = {
    "entry": {name: _ROW[name] for name in _SHOWN} | {"workspace": "acme", "outcome": "success", "marks": []},
    "sentence": _ROW["sentence"],
    "second": _ROW["second"],
    "labels": {},
    "values": {},
    "removed_on": "2027-02-16",
    "held": False,
}


def _told(type: Any, means: str, example: Any = None) -> tuple[Reply, ...]:
    return (Reply(200, means, (Form(type, example=example),)),)


ENTRIES = Description(
    name="listEntries",
    area="Entries",
    does="List entries",
    answers="a page of entries, newest first: `items`, `next` (cursor), `count`, `head`, `range`, `viewer` (the id of "
    "whoever reads)",
    needs=_READ,
    query=(*FILTERS, CURSOR, LIMIT),
    replies=_told(shapes.Page, "A page of entries, newest first.", _PAGE),
    tagged=True,
)
ENTRY = Description(
    name="getEntry",
    area="Entries",
    does="Read one entry",
    answers="one entry in full, by index or id: `entry`, `sentence`, `second`, `labels`, `values`, `cause`, "
    "`removed_on`, `held`",
    needs=_READ,
    path=(_KEY,),
    query=(LANG,),
    replies=_told(shapes.EntryView, "The entry.", _ENTRY),
    problems=(404, 410),
    tagged=True,
)
PROOF = Description(
    name="proveEntry",
    area="Proofs",
    does="Prove that an entry is in the log",
    answers="`leaf`, `path`, `checkpoint`, `vkey`, and `fields`: each field that the viewer may see with its salt, "
    "each other one as its commitment",
    needs=_READ,
    path=(_KEY,),
    replies=_told(shapes.Proof, "The proof, under the signed head."),
    problems=(404, 410),
    tagged=True,
)
PROOFS = Description(
    name="proveEntries",
    area="Proofs",
    does="Prove many entries under one head",
    answers="many entries in wire form with `leaf`, `path` and `fields` each, under one `checkpoint`: `items`; what "
    "the viewer may not read is left out",
    needs=_READ,
    query=(
        Parameter(
            "at",
            "indexes and ranges of them, `3,7,10..109`; at most 200",
            Annotated[str, Meta(min_length=1, max_length=2_000, pattern=RUNS)],
            "3,7,10..109",
            required=True,
        ),
    ),
    replies=_told(shapes.Proofs, "Those of the entries that this viewer may read."),
    tagged=True,
)
CHECKPOINT = Description(
    name="getCheckpoint",
    area="Proofs",
    does="Read the signed head",
    answers="the signed head: `size`, `first`, `checkpoint`, `vkey`, and `viewer`, an opaque name for what a page "
    "remembers",
    needs=_READ,
    replies=_told(shapes.Checkpoint, "The signed head of the log."),
    problems=(404,),
    tagged=True,
)
CONSISTENCY = Description(
    name="proveConsistency",
    area="Proofs",
    does="Prove that the log only grew",
    answers="`path`: that the log of size `to` extends the one of size `from`",
    needs=_READ,
    query=(
        Parameter("from", "size of the log; the newest when absent", _Size, 100),
        Parameter("to", "size of the log; the newest when absent", _Size, 200),
    ),
    replies=_told(shapes.Consistency, "The proof."),
    problems=(404,),
    tagged=True,
)
HASHES = Description(
    name="readHashes",
    area="Proofs",
    does="Read hashes of the tree",
    answers="hashes of the tree, one after the other in base64: `start`, `count`, `hashes`",
    needs=_READ,
    query=(
        Parameter(
            "level",
            "0 for leaves, 8 for roots of complete subtrees of 256",
            Annotated[int, Meta(extra_json_schema={"enum": [0, 8]})],
            0,
        ),
        Parameter("start", "the first", Annotated[int, Meta(ge=0, le=asks.LARGEST)], 0),
        Parameter("limit", "how many, 1 to 16,384", Annotated[int, Meta(ge=1, le=16_384)], 256),
    ),
    replies=_told(shapes.Hashes, "The hashes that there are from `start` on."),
    problems=(404,),
    tagged=True,
)
HISTOGRAM = Description(
    name="countByTime",
    area="Counts",
    does="Count entries over time",
    answers="entries per interval and kind, and how many of them were `denied`: `buckets`, `total`, `kinds`, `exact`",
    needs=_READ,
    query=(*FILTERS, _BUCKETS),
    replies=_told(
        shapes.Bars,
        "The bars, oldest first.",
        {
            "buckets": [
                {
                    "start": "2026-11-18T00:00:00.000000Z",
                    "end": "2026-11-19T00:00:00.000000Z",
                    "counts": {"create": 12, "delete": 1},
                }
            ],
            "total": {"value": 13, "exact": True},
            "kinds": {"create": 12, "delete": 1},
            "exact": True,
        },
    ),
    tagged=True,
)
FACETS = Description(
    name="countByValue",
    area="Counts",
    does="Count the values of a field",
    answers="the most frequent values of a field: `values`, `exact`",
    needs=_READ,
    query=(
        *FILTERS,
        Parameter(
            "field",
            "which field: " + ", ".join(f"`{one}`" for one in api.FACETS),
            Annotated[str, Meta(extra_json_schema={"enum": list(api.FACETS)})],
            "actor",
            required=True,
        ),
        Parameter("prefix", "beginning of the values", Annotated[str, Meta(max_length=200)], "ma"),
        LIMIT,
    ),
    replies=_told(
        shapes.FacetValues,
        "The values, the most frequent first.",
        {"values": [{"value": "usr_maria", "label": "Maria Torres", "count": 41, "type": "user"}], "exact": True},
    ),
    tagged=True,
)
INSIGHTS = Description(
    name="findInsights",
    area="Counts",
    does="Say what stands out",
    answers="what stands out in a part of the range against the rest: `from`, `to`, `count`, `items` with a `term` "
    "each",
    needs=_READ,
    query=(
        *FILTERS,
        Parameter(
            "from",
            "beginning of the part, an instant with an offset; with neither `from` nor `to` the newest bar that is far "
            "higher than the others",
            Annotated[str, Meta(extra_json_schema={"format": "date-time"})],
            "2026-11-18T00:00:00Z",
        ),
        Parameter(
            "to",
            "its end",
            Annotated[str, Meta(extra_json_schema={"format": "date-time"})],
            "2026-11-19T00:00:00Z",
        ),
        _BUCKETS,
    ),
    replies=_told(
        shapes.StandingOut,
        "Up to three values, the most surprising first.",
        {
            "from": "2026-11-18T00:00:00.000000Z",
            "to": "2026-11-19T00:00:00.000000Z",
            "count": 420,
            "items": [
                {
                    "field": "actor",
                    "value": "usr_joao",
                    "label": "João Silva",
                    "count": 380,
                    "expected": 14.2,
                    "first": False,
                    "term": "actor:usr_joao",
                }
            ],
        },
    ),
    tagged=True,
)
SUGGEST = Description(
    name="suggestTerms",
    area="Counts",
    does="Complete what is being typed",
    answers="completions of what is being typed, with counts: `items`",
    needs=_READ,
    query=(
        *FILTERS,
        Parameter("term", "what is typed so far", Annotated[str, Meta(max_length=200)], "actor:ma"),
        Parameter("limit", "1 to 20; 8 when absent", Annotated[int, Meta(ge=1, le=20)], 8),
    ),
    replies=_told(
        shapes.Suggestions,
        "Whole terms of the query language.",
        {
            "items": [
                {"kind": "value", "field": "actor", "term": "actor:usr_maria", "label": "Maria Torres", "count": 41}
            ]
        },
    ),
    tagged=True,
)
HISTORY = Description(
    name="listHistory",
    area="Entries",
    does="List what happened to one resource",
    answers="like `/v1/entries`, for one resource",
    more="The id of a resource may have slashes in it, which are sent as they are, but no line break.",
    needs=_READ,
    path=(
        Parameter("type", "type of the resource", str, "contact"),
        Parameter("id", "id of the resource", str, "con_juan"),
    ),
    query=(*FILTERS, CURSOR, LIMIT),
    replies=_told(shapes.Page, "A page of the entries in which the resource takes part, newest first."),
    problems=(404,),
    tagged=True,
)
CATALOG = Description(
    name="getCatalog",
    area="Workspace",
    does="Read what menus offer",
    answers="actions, kinds, categories, types, outcomes and severities with their names",
    needs=_READ,
    query=(LANG,),
    replies=_told(shapes.CatalogView, "Every value with its name in the language."),
    tagged=True,
)
RETENTION = Description(
    name="getRetention",
    area="Workspace",
    does="Read how long entries keep their content",
    answers="the policy: `days`, `classes`; `first`, `oldest_at`, and `purges`, what was removed so far",
    needs=_READ,
    replies=_told(
        shapes.RetentionView,
        "The policy, and what it removed.",
        {
            "days": 90,
            "classes": {"security": 365},
            "first": 1200,
            "oldest_at": "2026-08-23T00:00:01.000000Z",
            "purges": [
                {
                    "at": "2026-11-20T02:00:00.000000Z",
                    "entries": 1200,
                    "until": "2026-08-22T00:00:00.000000Z",
                    "index": 8190,
                }
            ],
        },
    ),
    tagged=True,
)
