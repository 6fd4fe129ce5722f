"""Make an evidence file from a log, and record that it was made.

A file that does not hold is never handed out: it is verified first, as its reader would do it. And like an export, it
is handed out only after the entry `audit.exported` with its digest is durable, so nobody holds one that the log does
not know of.
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import Any

from msgspec import Struct

from whodid.capture.events import uuid7
from whodid.errors import StoreCorrupt
from whodid.evidence.build import Show, build
from whodid.evidence.document import encode
from whodid.evidence.page import page
from whodid.evidence.question import Question
from whodid.evidence.verify import verify
from whodid.log import Hiding, Log
from whodid.model import Actor, Context, Entry, Event, Resource

__all__ = ["Made", "make"]


class Made(Struct, frozen=True, kw_only=True):
    """A finished file.

    Args:
        file: One HTML page.
        count: Entries in it that answer the question.
        sha256: Of the file, hexadecimal.
        index: Place of the `audit.exported` entry.
    """

    file: bytes
    count: int
    sha256: str
    index: int


def make(
    log: Log,
    workspace: str,
    question: Question,
    *,
    actor: Actor,
    context: Context | None = None,
    show: Show | None = None,
    headers: bool = False,
    hiding: Hiding | None = None,
) -> Made:
    """Seal what is not sealed yet, and make the file that answers a question.

    Args:
        actor: Who makes it.
        context: Where from.
        show: What the reader of the file may see of an entry; everything by default.
        headers: Carry every header, so that completeness does not rest on the sealed indexes.
        hiding: What is hidden in the file beyond that; completeness holds without it.

    Raises:
        NotFound: The workspace has no log, or nothing that the question asks for is kept.
        InvalidQuery: The answer is too large for one page.
        StoreError: The log could not be read or written, or what it holds does not prove the answer.
    """
    log.seal(workspace, close=True, context=context)
    now = log.now()
    seen = show
    if hiding is not None:

        def seen(entry: Entry) -> Entry:
            return hiding.cover(entry if show is None else show(entry))

    document = build(
        log.snapshot(workspace), question, workspace=workspace, made_at=now, made_by=actor, show=seen, headers=headers
    )
    data = encode(document)
    verdict = verify(data, trusted=[document.vkey])
    if not verdict.ok:
        first = verdict.problems[0]
        raise StoreCorrupt(f"The log cannot prove its answer: {first.place}: {first.fact}", "Run whodid verify")
    file = page(data)
    digest = sha256(file).hexdigest()
    details: dict[str, Any] = {
        "query": str(question),
        "format": "evidence",
        "proofs": True,
        "count": verdict.counts.answers,
        "bytes": len(file),
        "sha256": digest,
    }
    if hiding is not None:
        details["hidden"] = hiding.words()
    event = Event(
        id=uuid7(now, os.urandom(8)),
        occurred_at=now,
        actor=actor,
        action="audit.exported",
        resource=Resource(type="log", id=workspace),
        details=details,
        context=context,
    )
    return Made(file=file, count=verdict.counts.answers, sha256=digest, index=log.record(workspace, event).index)
