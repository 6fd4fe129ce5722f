"""The searches of Retraced clients: their query text, put to a reader as ours, and GraphQL answers made of entries."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from msgspec import Struct

from whodid.canonical import micros
from whodid.errors import InvalidQuery, NotFound
from whodid.export.import_.foreign import identifier, read_time
from whodid.model import Entry
from whodid.query import TEXT, Cursor, Query, Term, Value, compile_query, fold, narrow
from whodid.server.compat.graphql import OF_TYPE, Field
from whodid.server.compat.retraced_counts import COUNTS_ARGUMENTS, read_counts
from whodid.server.compat.retraced_events import crud_of, node
from whodid.server.compat.shared import Refusal, asked_action, our_type
from whodid.viewer import Reader

__all__ = ["Search", "answer_fields", "by_lists", "follow", "read_search"]

_KEYS = (
    "action",
    "crud",
    "received",
    "created",
    "actor.id",
    "actor.name",
    "description",
    "location",
    "external_id",
    "target.id",
    "target.name",
    "target.type",
)
_PART = r'"[^"]*"|[^\s",]*'
_ITEM = re.compile(
    rf'(?P<key>[A-Za-z_.]+):(?!//)(?P<values>(?:{_PART})(?:,(?:{_PART}))*)|"(?P<phrase>[^"]*)"|(?P<word>\S+)'
)
_VALUE = re.compile(rf"({_PART})(?:,|$)")
_MOST_ITEMS = 50
_LONGEST = 8_192
_SKEW = timedelta(minutes=5)
_MOST_SCANNED = 100_000
_STEP = 200
_LARGEST_PAGE = 1_000
_FOLLOWED = 4_000

Accept = Callable[[Entry], bool]


class Search(Struct, frozen=True, kw_only=True):
    """A question in two parts: what a store can be asked, and what only a look at an entry tells."""

    query: Query = Query()
    accept: tuple[Accept, ...] = ()

    def within(self, accept: Accept | None) -> Search:
        """Return the search with one more condition."""
        return self if accept is None else Search(query=self.query, accept=(*self.accept, accept))

    def holds(self, entry: Entry) -> bool:
        """Say whether an entry that the query finds is meant."""
        return all(accept(entry) for accept in self.accept)


def read_search(text: str) -> Search:
    """Read a query text.

    Raises:
        Refusal: 400 for a key that is not known, a value that it does not take, and too long a text.
    """
    if len(text) > _LONGEST:
        raise Refusal(400, f"The query has more than {_LONGEST} characters. Shorten it.")
    terms: list[Term] = []
    accepts: list[Accept] = []
    since = until = None
    items = list(_ITEM.finditer(text))
    if len(items) > _MOST_ITEMS:
        raise Refusal(400, f"The query has more than {_MOST_ITEMS} parts. Shorten it.")
    for found in items:
        key = found["key"]
        if key is None:
            phrase = found["phrase"]
            word = phrase if phrase is not None else found["word"]
            if word:
                terms.append(Term(field=TEXT, values=(Value(word, prefix=phrase is None),)))
            continue
        if key not in _KEYS:
            raise Refusal(400, f"There is no key {key[:40]}. Known are {', '.join(_KEYS)}.")
        values = [one.strip('"') for one in _VALUE.findall(found["values"])]
        if key in {"received", "created"}:
            start, end = _period(key, values)
            if key == "created":
                since = max(filter(None, (since, start)), default=None)
                until = min(filter(None, (until, end)), default=None)
            else:
                accepts.append(_received(start, end))
                # What happens is received, so nothing that was received before `end` happened much after it.
                until = min(filter(None, (until, end and end + _SKEW)), default=None)
            continue
        values = [one for one in values if one]
        if values:
            term, accept = _condition(key, values)
            terms += [term] if term is not None else []
            accepts += [accept] if accept is not None else []
    return Search(query=Query(terms=tuple(terms), since=since, until=until), accept=tuple(accepts))


def _period(key: str, values: list[str]) -> tuple[datetime | None, datetime | None]:
    # Their own client leaves either side empty.
    sides = [read_time(one) if one else None for one in (*values, "", "")[:2]]
    if any(one and side is None for one, side in zip(values, sides, strict=False)):
        raise Refusal(400, f"{key} takes two times in ISO 8601, of which one may be empty: {key}:START,END.")
    return sides[0], sides[1]


def _received(start: datetime | None, end: datetime | None) -> Accept:
    return lambda entry: (start is None or entry.recorded_at >= start) and (end is None or entry.recorded_at < end)


def _condition(key: str, values: list[str]) -> tuple[Term | None, Accept | None]:
    wanted = frozenset(values)
    folded = frozenset(map(fold, values))
    match key:
        case "action":
            exact = frozenset(one for one in values if not one.endswith("*"))
            begins = tuple(one[:-1] for one in values if one.endswith("*"))
            asked = tuple(
                Value(one[:-1].lower(), prefix=True) if one.endswith("*") else Value(asked_action(one))
                for one in values
            )

            def named(entry: Entry) -> bool:
                said = (entry.details or {}).get("retraced_action", entry.action)
                return said in exact or said.startswith(begins)

            # The beginning of a foreign name may have become something else here.
            return (None if begins else Term(field="action", values=asked)), named
        case "crud":
            return None, lambda entry: crud_of(entry) in wanted
        case "actor.id":
            ids = frozenset(map(identifier, values))
            return Term(field="actor", values=tuple(map(Value, ids))), lambda entry: entry.actor.id in ids
        case "actor.name":
            return None, lambda entry: fold(entry.actor.name or "") in folded
        case "target.id":
            ids = frozenset(map(identifier, values))
            return Term(field="resource", values=tuple(map(Value, ids))), lambda entry: entry.resource.id in ids
        case "target.name":
            return None, lambda entry: fold(entry.resource.name or "") in folded
        case "target.type":
            types = dict.fromkeys(our_type(one) for one in values)
            return Term(field="type", values=tuple(map(Value, types))), None
        case "location":
            return None, lambda entry: bool(
                entry.context and {fold(entry.context.country or ""), fold(entry.context.city or "")} & folded
            )
        case "external_id":
            return None, lambda entry: (entry.details or {}).get("external_id") in wanted
    return None, lambda entry: any(one in fold(_description(entry)) for one in folded)


def _description(entry: Entry) -> str:
    said = (entry.details or {}).get("description")
    return said if isinstance(said, str) else ""


# ------------------------------------------------------------------------------------------------------------- reading


class _Page(NamedTuple):
    entries: list[Entry]
    more: bool


def _place(entry: Entry) -> Cursor:
    return Cursor(occurred_at=micros(entry.occurred_at), index=entry.index)


def _newest(reader: Reader, search: Search, cursor: Cursor | None) -> Iterator[Entry]:
    """Iterate over what a search finds, newest first.

    Raises:
        Refusal: 400 when far too many entries would have to be looked at.
    """
    for _ in range(_MOST_SCANNED // _STEP):
        page = reader.find(search.query, cursor=cursor, limit=_STEP)
        yield from (one.entry for one in page.items if search.holds(one.entry))
        cursor = page.next
        if cursor is None:
            return
    raise Refusal(400, f"More than {_MOST_SCANNED} entries would have to be looked at. Narrow the time with received.")


def _backward(reader: Reader, search: Search, count: int, before: Cursor | None) -> _Page:
    found: list[Entry] = []
    for entry in _newest(reader, search, before):
        if len(found) == count:
            return _Page(found, True)
        found.append(entry)
    return _Page(found, False)


def _forward(reader: Reader, search: Search, count: int, after: Cursor | None) -> _Page:
    nearest: deque[Entry] = deque(maxlen=count + 1)
    for entry in _newest(reader, search, None):
        if after is not None and _place(entry) <= after:
            break
        nearest.append(entry)
    oldest = list(nearest)[::-1]
    return _Page(oldest[:count], len(oldest) > count)


def _count(reader: Reader, search: Search) -> int:
    if not search.accept:
        counted = reader.count(search.query, cap=_MOST_SCANNED)
        if counted.exact:
            return counted.value
    return sum(1 for _ in _newest(reader, search, None))


def follow(reader: Reader, search: Search, start: int, count: int) -> tuple[list[Entry], int]:
    """Return the first entries from an index on that a search finds, and the index to go on from.

    A call looks at a bounded number of entries; it may return none and still go on.
    """
    holds = compile_query(reader.within(search.query))
    try:
        size = reader.log.head(reader.workspace).size
    except NotFound:
        return [], start
    stop = min(size, start + _FOLLOWED)
    found: list[Entry] = []
    for entry in reader.log.read(reader.workspace, start, stop):
        if holds(entry):
            seen = reader.seen(entry).entry
            if search.holds(seen):
                found.append(seen)
                if len(found) == count:
                    return found, entry.index + 1
    return found, max(start, stop)


# ------------------------------------------------------------------------------------------------------------- GraphQL


def answer_fields(reader: Reader, fields: tuple[Field, ...], within: Accept | None = None) -> dict[str, Any]:
    """Answer the fields of a query.

    Args:
        within: Narrows what is found, where the filter of the reader cannot.

    Raises:
        Refusal: 400 for a field or an argument that is not known.
    """
    made = {"search": _search, "searchPaginated": _paginated, "counts": _counts}
    answered = {}
    for field in fields:
        if field.name not in made:
            raise Refusal(400, f"There is no field {field.name}. Known are {', '.join(made)}.")
        answered[field.name] = _selected(made[field.name](reader, field, within), field)
    return answered


def _search(reader: Reader, field: Field, within: Accept | None) -> dict[str, Any]:
    arguments = _arguments(field, "query", "last", "before", "first", "after")
    if ("last" in arguments and "first" in arguments) or ("before" in arguments and "after" in arguments):
        raise Refusal(400, "last and first, and before and after, exclude each other. Use one of each pair.")
    search = read_search(_text(arguments, "query")).within(within)
    if "first" in arguments or "after" in arguments:
        found = _forward(reader, search, _size(arguments, "first"), _cursor(arguments, "after"))
        return _connection(reader, search, found, forward=True)
    found = _backward(reader, search, _size(arguments, "last"), _cursor(arguments, "before"))
    return _connection(reader, search, found, forward=False)


def _paginated(reader: Reader, field: Field, within: Accept | None) -> dict[str, Any]:
    arguments = _arguments(field, "query", "pageOffset", "pageLimit", "startCursor", "sortOrder")
    search = read_search(_text(arguments, "query")).within(within)
    limit, offset = _size(arguments, "pageLimit"), arguments.get("pageOffset", 0)
    if not isinstance(offset, int) or isinstance(offset, bool) or not 0 <= offset <= _MOST_SCANNED:
        raise Refusal(400, f"pageOffset is not 0 to {_MOST_SCANNED}.")
    order = str(arguments.get("sortOrder", "desc")).lower()
    if order not in {"asc", "desc"}:
        raise Refusal(400, "sortOrder is neither asc nor desc.")
    read = _forward if order == "asc" else _backward
    page = read(reader, search, offset + limit, _cursor(arguments, "startCursor"))
    return _connection(reader, search, _Page(page.entries[offset:], page.more), forward=order == "asc")


def _counts(reader: Reader, field: Field, within: Accept | None) -> dict[str, Any]:
    arguments = _arguments(field, *COUNTS_ARGUMENTS)
    asked = read_counts(arguments)
    search = Search(query=Query(since=asked.since, until=asked.until), accept=(asked.holds,)).within(within)
    return asked.connection(_newest(reader, search, None), _size(arguments, "first"))


def _arguments(field: Field, *known: str) -> dict[str, Any]:
    for name in field.arguments:
        if name not in known:
            raise Refusal(400, f"{field.name} has no argument {name}. Known are {', '.join(known)}.")
    # The first page has an empty cursor, and a variable that was left out is null.
    return {
        name: value
        for name, value in field.arguments.items()
        if value is not None and (value or name == "query" or value == 0)
    }


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name, "")
    if not isinstance(value, str):
        raise Refusal(400, f"{name} is no text.")
    return value


def _size(arguments: Mapping[str, Any], name: str) -> int:
    value = arguments.get(name, 20)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _LARGEST_PAGE:
        raise Refusal(400, f"{name} is not 1 to {_LARGEST_PAGE}.")
    return value


def _cursor(arguments: Mapping[str, Any], name: str) -> Cursor | None:
    text = _text(arguments, name)
    if not text:
        return None
    try:
        return Cursor.parse(text)
    except InvalidQuery:
        raise Refusal(400, f"{name} is no place in the list. Start again without it.") from None


def _connection(reader: Reader, search: Search, page: _Page, *, forward: bool) -> dict[str, Any]:
    edges = [{"cursor": str(_place(entry)), "node": node(entry)} for entry in page.entries]
    return {
        "totalCount": _count(reader, search),
        "pageInfo": {
            "hasPreviousPage": not forward and page.more,
            "hasNextPage": forward and page.more,
            "startCursor": edges[0]["cursor"] if edges else None,
            "endCursor": edges[-1]["cursor"] if edges else None,
        },
        "edges": edges,
    }


def _selected(value: Any, field: Field) -> Any:
    """Cut an answer down to what was selected."""
    if value is None:
        return None
    if isinstance(value, list):
        return [_selected(one, field) for one in value]
    if not isinstance(value, dict):
        if field.selection:
            raise Refusal(400, f"{field.name} has no fields of its own.")
        return value
    if not field.selection:
        raise Refusal(400, f"{field.name} needs a selection of its fields.")
    cut: dict[str, Any] = {}
    for one in field.selection:
        if one.name.startswith(OF_TYPE) and "__typename" in value:
            if one.name == OF_TYPE + value["__typename"]:
                cut |= _selected(value, one)
            continue
        if one.name not in value:
            raise Refusal(400, f"{field.name} has no field {one.name}.")
        if one.arguments:
            raise Refusal(400, f"{one.name} takes no arguments.")
        cut[one.name] = _selected(value[one.name], one)
    return cut


def by_lists(actions: list[str], actor_ids: list[str], start: datetime | None) -> Search:
    """Return the search for any of some actions by any of some actors."""
    terms: list[Term] = []
    accepts: list[Accept] = []
    for key, values in (("action", actions), ("actor.id", actor_ids)):
        if values:
            term, accept = _condition(key, values)
            terms += [term] if term is not None else []
            accepts += [accept] if accept is not None else []
    return Search(query=narrow(Query(terms=tuple(terms)), since=start), accept=tuple(accepts))
