"""Evidence: one file that answers a question about a log and proves itself offline.

What lives here: the document (`document`), how it is made from a log (`build`, `make`), what it would say without a
file (`prove`), how it is checked without a log (`verify`, `verdict`), and the page that carries it (`page`). The
checking part depends on `whodid.proof` and `whodid.canonical` only. What does not live here: whole files of entries
without a page (`whodid.export`).
"""

from whodid.evidence.make import Made, make
from whodid.evidence.page import as_shipped, extract, policy, script_hash, verifier
from whodid.evidence.prove import Proved, prove
from whodid.evidence.question import PRESETS, Question, about, ask
from whodid.evidence.verdict import Verdict
from whodid.evidence.verify import verify

__all__ = [
    "PRESETS",
    "Made",
    "Proved",
    "Question",
    "Verdict",
    "about",
    "as_shipped",
    "ask",
    "extract",
    "make",
    "policy",
    "prove",
    "script_hash",
    "verifier",
    "verify",
]
