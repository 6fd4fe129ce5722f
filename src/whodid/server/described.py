"""What the reference says about a route: the OpenAPI document and the tables of docs/reference are made of it.

To describe a route, give its `Handler` a `Description` as `described`; under `/v1` no handler can be made without.

    Handler(
        "GET", "/v1/things/{id}", self._thing,
        described=Description(
            name="getThing", area="Things", does="Read one thing", answers="one thing: `id`, `name`",
            needs=("audit:read",), path=(Parameter("id", "which one"),), query=(LANG,),
            replies=(Reply(200, "The thing.", (Form(Thing, example={"id": "t1", "name": "One"}),)),),
            tagged=True, problems=(404,),
        ),
    )

A body or an answer is described by its type, a msgspec struct whose docstring says what the fields mean (`Args:`): the
JSON Schema is made of it. The routes read the parameters that `query` names and no others. A raw ASGI route (like that
of events) passes an `Endpoint` to `asgi` beside its route in `app`.

The tests hold every answer that they get from any route against its description, so what is written here is so. After
a change: `make reference`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta, Struct

from whodid.catalog import LANGUAGES
from whodid.query import Cursor

__all__ = [
    "AREAS",
    "CURSOR",
    "FILTERS",
    "LANG",
    "LIMIT",
    "PACKED",
    "RUNS",
    "Description",
    "Endpoint",
    "Form",
    "Parameter",
    "Reply",
]

AREAS = {
    "Events": "Sending what happened.",
    "Entries": "Lists, single entries, what happens now.",
    "Answers": "The questions of an auditor.",
    "Counts": "Bars, values, what stands out, what can be typed next.",
    "Alerts": "What was noticed, and what is done about it.",
    "Reviews": "Looking at what happened, and signing that somebody did.",
    "Proofs": "Checking that nothing was altered and nothing is missing.",
    "Files": "Exports and reports.",
    "Workspace": "What a workspace declares and how long it keeps it.",
    "Sinks": "Where entries go continuously, and how that is going.",
    "Managing": "Keys, retention, holds, erasures and workspaces, for whoever administers them.",
    "About": "This description.",
}
"""Areas of the API in their order, each with a sentence."""

RUNS = r"^[0-9]+(\.\.[0-9]+)?(,[0-9]+(\.\.[0-9]+)?)*$"
"""Indexes and ranges of them, as a pattern."""


class Parameter(NamedTuple):
    """A parameter in a path, a query or a header.

    Args:
        name: As it is sent.
        means: What it says, without a capital and a full stop.
        type: Type of its value.
        example: A value that works.
        required: Whether the route needs it; of a path it always is.
    """

    name: str
    means: str
    type: Any = str
    example: Any = None
    required: bool = False


class Form(NamedTuple):
    """One form of a body.

    Args:
        type: Type of the JSON value; None for what is no JSON.
        media_type: What Content-Type says.
        example: A JSON value of the type, or text.
    """

    type: Any
    media_type: str = "application/json"
    example: Any = None


class Reply(NamedTuple):
    """One answer, other than a problem.

    Args:
        means: What it says.
        forms: Forms of its body; several of one media type are alternatives.
        headers: Beyond those that every answer has.
    """

    status: int
    means: str
    forms: tuple[Form, ...] = ()
    headers: tuple[Parameter, ...] = ()


class Description(Struct, frozen=True, kw_only=True):
    """What a route takes and answers.

    Args:
        name: Of the operation, for generated clients; unique.
        area: One of `AREAS`.
        does: A short imperative sentence, without a full stop.
        answers: For the table of the reference: what comes back.
        more: Further text, in Markdown.
        needs: Permissions of viewers (`audit:read`), or scopes of API keys (`write`, `admin`); empty for everybody.
        opens: What else opens it where that is neither a token nor a key, such as a ticket.
        path: In the order of the address.
        query: Every parameter that the route reads.
        headers: Beyond Authorization and If-None-Match.
        body: Forms of the body that the request may have.
        replies: Answers that are no problems; 304 follows from `tagged`.
        problems: Statuses beyond those that every route of its kind may answer with.
        tagged: Whether its answers have an ETag.
    """

    name: str
    area: str
    does: str
    answers: str
    more: str = ""
    needs: tuple[str, ...] = ()
    opens: str = ""
    path: tuple[Parameter, ...] = ()
    query: tuple[Parameter, ...] = ()
    headers: tuple[Parameter, ...] = ()
    body: tuple[Form, ...] = ()
    replies: tuple[Reply, ...]
    problems: tuple[int, ...] = ()
    tagged: bool = False

    @property
    def takes(self) -> tuple[str, ...]:
        """Names of the parameters of the query."""
        return tuple(one.name for one in self.query)


class Endpoint(NamedTuple):
    """A method and an address with their description.

    Args:
        path: Pattern with `{name}` for one segment and `{name:path}` for the rest.
    """

    method: str
    path: str
    described: Description


def _language() -> Any:
    return Annotated[str, Meta(extra_json_schema={"examples": list(LANGUAGES)}, max_length=64)]


LANG = Parameter(
    "lang", f"language of sentences and labels: {', '.join(f'`{one}`' for one in LANGUAGES)}", _language(), "es"
)
FILTERS = (
    Parameter(
        "q",
        "what to find, in the query language",
        Annotated[str, Meta(max_length=2_000)],
        "type:contact action:contact.deleted",
    ),
    Parameter(
        "since", "a date of the query language, the beginning", Annotated[str, Meta(max_length=64)], "2026-11-01"
    ),
    Parameter("until", "the same, the end", Annotated[str, Meta(max_length=64)], "2026-11-03"),
    Parameter(
        "range",
        "`7d`, `30d` or `90d`; excludes `since` and `until`",
        Annotated[str, Meta(extra_json_schema={"enum": ["7d", "30d", "90d"]})],
        "30d",
    ),
    Parameter(
        "tz",
        "IANA time zone in which dates are meant; UTC when absent",
        Annotated[str, Meta(max_length=64)],
        "Europe/Madrid",
    ),
    LANG,
)
"""Parameters that every list, count and export understands."""

CURSOR = Parameter(
    "cursor",
    "where the last page ended: its `next`",
    Annotated[str, Meta(max_length=100)],
    str(Cursor(occurred_at=1_763_474_400_000_000, index=1)),
)
PACKED = Parameter(
    "Content-Encoding",
    "how the body is packed; empty is the same as absent",
    Literal["", "identity", "gzip", "x-gzip", "zstd"],
)
LIMIT = Parameter("limit", "1 to 200; 50 when absent", Annotated[int, Meta(ge=1, le=200)], 50)
