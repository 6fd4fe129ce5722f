"""How complete an answer from a log is, without making a file: what the verifier would say of its evidence now.

Nothing is written, so what is not sealed yet is not covered. Making the file seals it first.
"""

from __future__ import annotations

from typing import NamedTuple

from whodid.errors import NotFound
from whodid.evidence.build import build
from whodid.evidence.document import encode
from whodid.evidence.question import Question
from whodid.evidence.verdict import State
from whodid.evidence.verify import verify
from whodid.log import Log
from whodid.model import Actor

__all__ = ["Proved", "prove"]

_NOBODY = Actor(type="system", id="log")


class Proved(NamedTuple):
    """What the sealed part of a log proves of an answer.

    Args:
        states: `c0` to `c4` → `held`, `part`, `failed` or `absent`.
        start: Index of the first entry that is covered.
        stop: Index after the last.
        indexes: The entries that answer, of those with content.
    """

    states: dict[str, State]
    start: int
    stop: int
    indexes: frozenset[int]


def prove(log: Log, workspace: str, question: Question) -> Proved:
    """Work out how complete the answer to a question is.

    Raises:
        NotFound: The workspace has no log, or nothing of it is sealed.
        InvalidQuery: The answer is too large for one page.
        StoreError: The log could not be read.
    """
    document = build(log.snapshot(workspace), question, workspace=workspace, made_at=log.now(), made_by=_NOBODY)
    verdict = verify(encode(document), trusted=[document.vkey])
    if verdict.cover is None:
        raise NotFound("What is sealed of this log cannot be verified", "Run whodid verify")
    levels = verdict.levels
    return Proved(
        states={
            "c0": levels.c0.state,
            "c1": levels.c1.state,
            "c2": levels.c2.state,
            "c3": levels.c3.state,
            "c4": levels.c4.state,
        },
        start=verdict.cover.start,
        stop=verdict.cover.stop,
        indexes=frozenset(entry.index for entry in verdict.answers),
    )
