"""The `/v1` route of the anchor log: where the newest head of a workspace stands in it, with its proofs.

Nothing of it tells of another workspace: what leads from one head to the root of the map is hashes.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from msgspec import Struct

from whodid.canonical import time_text
from whodid.log import Log
from whodid.server.answers import Answer, Call, Handler, answer_json
from whodid.server.described import Description, Form, Reply
from whodid.server.problems import refusal
from whodid.server.sessions import Sessions
from whodid.viewer import asks

__all__ = ["AnchorRoutes"]

_READ = ("audit:read",)


class AnchoredView(Struct, frozen=True, kw_only=True):
    """A head of the log in the anchor log of the deployment.

    Args:
        size: Of that head.
        root: Likewise, in base64.
        at: When the anchor log took it.
        path: From the head to the root of the map, in base64: steps of a bit's number and a hash.
        checkpoint: Signed head of the anchor log, a C2SP note.
        index: Entry of the anchor log that holds the map; the newest of that head.
        leaf: Its leaf header, in base64.
        inclusion: Proof that it is under `checkpoint` (RFC 6962), in base64.
        map: Root of the map, in base64.
        consistency: Proof that the log of now begins with that head (RFC 6962), in base64; null when retention took
            what would prove it.
    """

    size: int
    root: str
    at: str
    path: str
    checkpoint: str
    index: int
    leaf: str
    inclusion: list[str]
    map: str
    consistency: list[str] | None


_VIEW: dict[str, Any] = {
    "size": 31_662,
    "root": "q83v…=",
    "at": "2026-11-20T00:01:00.118Z",
    "path": "A5Ct…==",
    "checkpoint": "audit.example.com/anchors/77ab…\n4120\n9fQd…=\n\n— audit.example.com/anchors/77ab… kN0m…\n",
    "index": 4_119,
    "leaf": "AQYA…=",
    "inclusion": ["w1h5…="],
    "map": "0x3c…=",
    "consistency": ["w1h5…=", "9fQd…="],
}
_SHOW = Description(
    name="getAnchoredHead",
    area="Proofs",
    does="Read where the log stands in the anchor log",
    answers="the newest head of the log in the [anchor log](../spec/anchor-log.md) of the deployment, with its proofs",
    needs=_READ,
    replies=(Reply(200, "The head.", (Form(AnchoredView, example=_VIEW),)),),
    problems=(404,),
)


class AnchorRoutes:
    """Routes over one log.

    Args:
        sessions: Opens the requests of readers.
    """

    def __init__(self, log: Log, sessions: Sessions) -> None:
        self._log = log
        self._sessions = sessions
        self.handlers = (Handler("GET", "/v1/anchor", self._show, described=_SHOW),)

    def _show(self, call: Call) -> Answer:
        session = self._sessions.open(call)
        if session is None:
            return refusal(call.request_id)
        session.require(*_READ)
        asks.parameters(call.query)
        found = self._log.anchored(session.claims.workspace)
        snapshot = self._log.snapshot(session.claims.workspace)
        reaches = snapshot.reaches(found.head.size)
        details = found.entry.details or {}
        return answer_json(
            {
                "size": found.head.size,
                "root": _text(found.head.root),
                "at": time_text(found.entry.recorded_at),
                "path": _text(found.path),
                "checkpoint": found.checkpoint,
                "index": found.entry.index,
                "leaf": _text(found.header.encode()),
                "inclusion": [_text(one) for one in found.inclusion],
                "map": _text(bytes.fromhex(details["map"])),
                "consistency": [_text(one) for one in snapshot.consistency(found.head.size)] if reaches else None,
            }
        )


def _text(data: bytes) -> str:
    return b64encode(data).decode()
