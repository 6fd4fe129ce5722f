"""Answers: the questions of an auditor, and what the log has to say to them.

What lives here: the questions (`ask`), one file for how each is answered, how complete an answer is (`standing`), and
the sentences of the answers in every language (`words`). A question reads entries through a `Reader`, so it knows
what its reader may know and no more. It names its `Basis`: what an evidence file asks for to hold exactly the entries
that the answer rests on. What does not live here: proofs (`whodid.evidence`). Which actions answer what, the catalog
says.
"""

from whodid.answers.ask import QUESTIONS, Asked, answer
from whodid.answers.reading import Reading
from whodid.answers.shape import Answer, Basis, Kept, Level, Reader, Row, Said, Standing, Subject, subject_of
from whodid.answers.standing import Proved
from whodid.answers.words import Speaker, title

__all__ = [
    "QUESTIONS",
    "Answer",
    "Asked",
    "Basis",
    "Kept",
    "Level",
    "Proved",
    "Reader",
    "Reading",
    "Row",
    "Said",
    "Speaker",
    "Standing",
    "Subject",
    "answer",
    "subject_of",
    "title",
]
