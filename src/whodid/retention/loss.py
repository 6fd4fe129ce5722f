"""What is lost with entries that go: bytes, people, and answers to the questions that are asked of an audit log.

Pure. A simulator adds up entries that would go; whoever is about to shorten retention sees what can no longer be said.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from whodid import canonical
from whodid.catalog import TOPICS, Catalog, Topic, topics
from whodid.model import Actor, Entry, Related, Resource

__all__ = ["Answerless", "Loss", "LossCount"]

_PEOPLE = frozenset({"user", "contact"})


class Answerless(Struct, frozen=True, kw_only=True):
    """A question that can no longer be answered for a part of the past.

    Args:
        question: What it is about.
        entries: How many entries that answer it would go.
        until: When the newest of them occurred: nothing can be said about what lies before, nothing complete up to it.
    """

    question: Topic
    entries: int
    until: datetime


class Loss(Struct, frozen=True, kw_only=True):
    """What goes with entries.

    Args:
        bytes: Size of their content, before compression.
        people: Different people (users and contacts) among actors and resources.
        questions: What can no longer be answered, in the order of `catalog.TOPICS`.
    """

    bytes: int = 0
    people: int = 0
    questions: tuple[Answerless, ...] = ()


class LossCount:
    """Add up what is lost.

    Args:
        catalog: Tells which questions an action answers.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._bytes = 0
        self._people: set[tuple[str, str]] = set()
        self._answers: dict[Topic, tuple[int, datetime]] = {}

    def add(self, entry: Entry) -> None:
        """Count an entry that would go."""
        self._bytes += len(canonical.payload(entry))
        concerned: list[Actor | Resource | Related] = [entry.actor, entry.resource, *entry.related]
        self._people.update((one.type, one.id) for one in concerned if one.type in _PEOPLE)
        for question in topics(self._catalog, entry.action, entry.kind):
            count, until = self._answers.get(question, (0, entry.occurred_at))
            self._answers[question] = count + 1, max(until, entry.occurred_at)

    def loss(self) -> Loss:
        """Return the sum."""
        questions = [
            Answerless(question=question, entries=self._answers[question][0], until=self._answers[question][1])
            for question in TOPICS
            if question in self._answers
        ]
        return Loss(bytes=self._bytes, people=len(self._people), questions=tuple(questions))
