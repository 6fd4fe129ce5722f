"""The log as files for clients that are not ours: signed head, tiles of hashes, bundles of leaf headers.

The addresses and bytes are those of C2SP tlog-tiles (https://c2sp.org/tlog-tiles) with the prefix `/v1/tlog`, so that a
client of any transparency log can mirror and check this one. Nothing in them can be read: leaf headers hold times and
commitments. What retention removed is answered with 410.
"""

from __future__ import annotations

from collections.abc import Callable

from whodid.errors import Denied, MalformedProof, NotFound, Purged
from whodid.proof.tile import TILE, encode_bundle, parse_path
from whodid.server.answers import Answer, Call, Handler
from whodid.server.described import Description, Form, Parameter, Reply
from whodid.server.problems import refusal
from whodid.server.sessions import Session, Sessions
from whodid.viewer import asks

__all__ = ["Tiles"]

_BYTES = "application/octet-stream"
_NEEDS = ("audit:read",)
_YEAR, _DAY = 365 * 86_400, 86_400

_CHECKPOINT = Description(
    name="getTlogCheckpoint",
    area="Proofs",
    does="Read the signed head as a note",
    answers="the signed head as a C2SP [checkpoint](https://c2sp.org/tlog-checkpoint), as it is",
    needs=_NEEDS,
    replies=(Reply(200, "The note.", (Form(None, "text/plain"),)),),
    problems=(404,),
)
_TILE = Description(
    name="getTlogTile",
    area="Proofs",
    does="Read a tile of hashes or a bundle of leaf headers",
    answers="256 hashes of the tree, or with `entries/` the leaf headers of 256 entries; the addresses of C2SP "
    "[tlog-tiles](https://c2sp.org/tlog-tiles)",
    more="A tile that is full never changes. A bundle of which retention removed an entry is gone (410), and so is a "
    "tile of leaf hashes when all of its entries are; the tiles above stay for good. Bundles need a token without a "
    "locked filter.",
    needs=_NEEDS,
    path=(
        Parameter(
            "tile",
            "`<level>/<index>` or `entries/<index>`, and `.p/<width>` for one that is not full",
            str,
            "0/x001/x234/067",
        ),
    ),
    replies=(Reply(200, "The hashes, or the headers with their lengths before them.", (Form(None, _BYTES),)),),
    problems=(404, 410),
)


class Tiles:
    """Routes that serve the log in the layout of C2SP tlog-tiles.

    Args:
        sessions: Opens requests.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self.handlers = (
            Handler("GET", "/v1/tlog/checkpoint", self._opened(self._checkpoint), described=_CHECKPOINT),
            Handler("GET", "/v1/tlog/tile/{tile:path}", self._opened(self._tile), described=_TILE),
        )

    def _opened(self, inner: Callable[[Call, Session], Answer]) -> Callable[[Call], Answer]:
        def answer(call: Call) -> Answer:
            session = self._sessions.open(call)
            if session is None:
                return refusal(call.request_id)
            session.require(*_NEEDS)
            asks.parameters(call.query)
            return inner(call, session)

        return answer

    def _checkpoint(self, call: Call, session: Session) -> Answer:
        note = session.reader.log.checkpoint(session.claims.workspace)
        return Answer(body=note.encode(), media_type="text/plain; charset=utf-8", headers=_cached("private, no-cache"))

    def _tile(self, call: Call, session: Session) -> Answer:
        try:
            level, index, width = parse_path(f"tile/{call.path['tile']}")
        except MalformedProof as error:
            raise NotFound(error.fact, error.remedy) from None
        made = self._bundle(session, index, width) if level is None else self._hashes(session, level, index, width)
        # Hashes stay what they are; headers are kept no longer than it takes until retention removes them here as well.
        age = _YEAR if width == TILE and level is not None else _DAY
        return Answer(body=made, media_type=_BYTES, headers=_cached(f"private, max-age={age}, immutable"))

    def _hashes(self, session: Session, level: int, index: int, width: int) -> bytes:
        start = index * TILE
        row = session.reader.log.hashes(session.claims.workspace, level, start, start + width)
        if len(row) < width:
            raise _absent()
        return b"".join(row)

    def _bundle(self, session: Session, index: int, width: int) -> bytes:
        if session.reader.locked is not None:
            raise Denied(*_NEEDS, "Read headers with a token that is not locked to a filter")
        start, stop = index * TILE, index * TILE + width
        if stop > session.reader.head()[0]:
            raise _absent()
        found = session.reader.log.headers(session.claims.workspace, start, stop).headers
        headers = [header for header in found if header is not None]
        if len(headers) < width:
            raise Purged(start + found.index(None))
        return encode_bundle(headers)


def _cached(how: str) -> tuple[tuple[str, str], ...]:
    return ("Cache-Control", how), ("Vary", "Authorization")


def _absent() -> NotFound:
    return NotFound("The log has no such tile", "Read the checkpoint first: its size says which tiles there are")
