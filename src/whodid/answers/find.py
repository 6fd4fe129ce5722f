"""How all questions read: the entries of a basis, in order, each whole, and what is said about all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from whodid.answers.shape import Basis, Reader, Said, Subject, concerned, named
from whodid.catalog import Action, Catalog
from whodid.errors import InvalidQuery
from whodid.model import Entry
from whodid.query import Query, Term, Value

__all__ = ["MOST", "Work", "declared", "term"]

MOST = 20_000
"""More entries than this no answer rests on; an evidence file could not hold them either."""


def declared(catalog: Catalog, *marks: str, of: str = "") -> tuple[str, ...]:
    """Name the actions that answer one of some questions, in the order of the catalog.

    Args:
        of: Only those about this type of resource.
    """
    return _names(catalog, lambda action: bool(set(marks) & set(action.answers)), of)


def _names(catalog: Catalog, wanted: Callable[[Action], bool], of: str) -> tuple[str, ...]:
    return tuple(
        name
        for name, action in catalog.items()
        if wanted(action) and (not of or action.resource_type in {"", of} or action.category == of)
    )


def term(field: str, *values: str) -> Term:
    """Make a condition of a query: the field is one of these values."""
    return Term(field=field, values=tuple(Value(value) for value in values))


class Work:
    """What one answer is worked out with.

    Args:
        reader: The log.
        catalog: Says what its actions mean.
        subject: What is asked about, if about one thing.
        since: First moment that is asked about.
        until: First moment after.
        now: The present.
    """

    def __init__(
        self,
        reader: Reader,
        catalog: Catalog,
        subject: Subject | None,
        *,
        since: datetime | None,
        until: datetime | None,
        now: datetime,
    ) -> None:
        self.reader = reader
        self.catalog = catalog
        self.subject = subject
        self.since = since
        self.until = until
        self.now = now
        self.limits: list[Said] = []

    def about(self) -> Subject:
        """Return the subject.

        Raises:
            InvalidQuery: None was named.
        """
        if self.subject is None:
            raise InvalidQuery("This question is about one thing, and none was named", "Name it as TYPE:ID")
        return self.subject

    def kinds(self, *kinds: str) -> tuple[str, ...]:
        """Name the actions by which a thing like the subject is created, or deleted: declared, or seen in the log."""
        subject = self.about()
        known = _names(self.catalog, lambda action: action.kind in kinds, subject.type)
        query = Query(terms=(term("resource", f"{subject.type}:{subject.id}"), term("kind", *kinds)))
        seen = {entry.action for entry in self.bounded(query) if entry.resource.type == subject.type}
        return (*known, *sorted(seen - set(known)))

    def entries(self, basis: Basis) -> tuple[Entry, ...]:
        """Read the entries of a basis, newest first.

        Raises:
            InvalidQuery: There are too many for one answer.
        """
        if not basis.actions:
            return ()
        terms = [term("action", *basis.actions)]
        if basis.resources:
            terms.append(term("resource", *(f"{type_}:{id_}" for type_, id_ in basis.resources)))
        wanted, actions = set(basis.resources), set(basis.actions)
        return tuple(
            entry
            for entry in self.bounded(Query(terms=tuple(terms)))
            # The query language also finds by name, and actions by their verb.
            if entry.action in actions and (not wanted or any((one.type, one.id) in wanted for one in concerned(entry)))
        )

    def bounded(self, query: Query) -> Iterable[Entry]:
        """Read the entries that match, newest first.

        Raises:
            InvalidQuery: There are too many for one answer.
        """
        for count, entry in enumerate(self.reader.find(query)):
            if count == MOST:
                raise InvalidQuery(f"The answer would rest on more than {MOST:,} entries", "Ask about one thing")
            yield entry

    def known(self, entries: Iterable[Entry]) -> Subject:
        """Return the subject with the newest name that entries have for it."""
        subject = self.about()
        names = (named(entry, subject.type, subject.id) for entry in entries)
        return Subject(type=subject.type, id=subject.id, name=next(filter(None, names), None))
