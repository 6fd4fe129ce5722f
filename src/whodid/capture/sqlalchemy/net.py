"""The net below the session: statements on watched tables that nobody took care of.

`text()`, Core on a connection, INSERT … SELECT, WITH … UPDATE, COPY, TRUNCATE: whatever reaches the engine. What a
statement does is worked out once per text, so that the others cost a look into a dictionary.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from weakref import WeakKeyDictionary, WeakSet, ref

import sqlalchemy as sa
from sqlalchemy import event

from whodid.capture.off import unrecorded
from whodid.capture.sqlalchemy.plan import Plan
from whodid.errors import InvalidSetting

if TYPE_CHECKING:
    from whodid.capture.describe import Verb
    from whodid.capture.sqlalchemy.hook import SessionHook
    from whodid.capture.sqlalchemy.unit import SessionUnit

__all__ = ["Hit", "Net", "Policy", "changes", "shape"]

Policy = Literal["warn", "record", "raise"]

_log = logging.getLogger("whodid.capture")

_MEMO = 4096
_UNASKED: Any = object()
_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_NAME = r"((?:[\w$]+|\"[^\"]+\"|`[^`]+`|\[[^\]]+\])(?:\s*\.\s*(?:[\w$]+|\"[^\"]+\"|`[^`]+`|\[[^\]]+\]))*)"
_CHANGES = re.compile(
    rf"""
      \b(?P<insert>INSERT\s+(?:OR\s+\w+\s+|IGNORE\s+)?INTO|REPLACE\s+INTO|MERGE\s+INTO)\s+{_NAME}
    | (?<!FOR\s)(?<!KEY\s)(?<!DO\s)(?<!ON\s)\b(?P<update>UPDATE(?:\s+OR\s+\w+)?(?:\s+ONLY)?)\s+{_NAME}
    | \b(?P<delete>DELETE\s+FROM(?:\s+ONLY)?)\s+{_NAME}
    | \b(?P<truncate>TRUNCATE(?:\s+TABLE)?(?:\s+ONLY)?)\s+(?P<tables>{_NAME}(?:\s*,\s*{_NAME})*)
    | \bCOPY\s+(?P<copy>{_NAME})(?:\s*\([^)]*\))?\s+FROM\b
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_SET = re.compile(r"(?:\s+(?:AS\s+)?(?!SET\b)[\w$]+)?\s+SET\s+", re.IGNORECASE)
_COLUMN = re.compile(rf"\s*{_NAME}\s*=(?!=)")
_CLAUSE = re.compile(r"\s(?:WHERE|RETURNING|FROM|ORDER|LIMIT)\b", re.IGNORECASE)
_LITERAL = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")
_LONGEST = 500


class Hit(NamedTuple):
    """A change of a table that a statement makes.

    Args:
        columns: Those that an update assigns; None when they cannot be told.
    """

    verb: Verb
    table: str
    columns: frozenset[str] | None = None


def changes(statement: str) -> list[Hit]:
    """Read which tables a statement changes.

    Args:
        statement: SQL of any engine, with or without comments and literals.
    """
    found: list[Hit] = []
    quiet = _NOISE.sub(" ", statement)
    for match in _CHANGES.finditer(quiet):
        groups = match.groupdict()
        names = [text for text in match.groups() if text]
        if groups["truncate"]:
            found += [Hit("deleted", _bare(name)) for name in groups["tables"].split(",")]
        elif groups["copy"]:
            found.append(Hit("created", _bare(groups["copy"])))
        else:
            verb: Verb = "created" if groups["insert"] else "updated" if groups["update"] else "deleted"
            assigned = _assigned(quiet[match.end() :]) if verb == "updated" else None
            found.append(Hit(verb, _bare(names[1]), assigned))
    return found


def _assigned(rest: str) -> frozenset[str] | None:
    """Return the columns that the rest of an UPDATE assigns one by one; None when that is not its form."""
    start = _SET.match(rest)
    if start is None:
        return None
    columns: set[str] = set()
    depth, beginning = 0, True
    at = start.end()
    while at < len(rest):
        character = rest[at]
        if depth == 0 and beginning:
            column = _COLUMN.match(rest, at)
            if column is None:
                return None
            columns.add(_bare(column[1]))
            at, beginning = column.end(), False
            continue
        if depth == 0 and _CLAUSE.match(rest, at):
            break
        depth += (character == "(") - (character == ")")
        beginning = depth == 0 and character == ","
        at += 1
    return frozenset(columns)


def shape(statement: str) -> str:
    """Return a statement without its values and with single spaces, bounded."""
    text = " ".join(_LITERAL.sub("?", statement).split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " …"


def _bare(name: str) -> str:
    """Return the last part of a qualified name, without quotes, in lower case."""
    return re.split(r"\s*\.\s*", name.strip())[-1].strip('"`[] ').lower()


class Net:
    """The statements of the watched engines."""

    def __init__(self, hook: SessionHook, policy: Policy) -> None:
        self._hook = hook
        self._policy = policy
        self._engines: WeakSet[sa.Engine] = WeakSet()
        self._units: WeakKeyDictionary[sa.Connection, ref[SessionUnit]] = WeakKeyDictionary()
        self._seen: dict[str, list[Hit] | None] = {}
        self._tables: dict[str, Plan] = {}
        self._between: set[str] = set()

    def watch(self, engine: sa.Engine) -> None:
        """Listen to an engine, once."""
        if engine not in self._engines:
            self._engines.add(engine)
            event.listen(engine, "before_cursor_execute", self._before)
            event.listen(engine, "after_cursor_execute", self._after)

    def unwatch(self) -> None:
        """Stop listening."""
        for engine in list(self._engines):
            event.remove(engine, "before_cursor_execute", self._before)
            event.remove(engine, "after_cursor_execute", self._after)
        self._engines.clear()

    def belongs(self, connection: sa.Connection, unit: SessionUnit) -> None:
        """Note whose connection it is."""
        self._units[connection] = ref(unit)

    def unit(self, connection: sa.Connection) -> SessionUnit | None:
        """Return the transaction of a connection, when a session has it."""
        found = self._units.get(connection)
        return None if found is None else found()

    def _hits(self, statement: str) -> list[Hit] | None:
        """Return what a statement changes of watched tables; None when that is nothing."""
        if statement.startswith("SELECT"):
            return None
        found: list[Hit] | None = self._seen.get(statement, _UNASKED)
        if found is _UNASKED:
            found = None
            if hits := changes(statement):
                self._learn()
                found = [hit for hit in hits if hit.table in self._tables and not self._aside(hit)] or None
            if len(self._seen) >= _MEMO:
                self._seen.clear()
            self._seen[statement] = found
        return found

    def _learn(self) -> None:
        """Note the tables that are watched now; mappers may have come."""
        for plan in self._hook.plans():
            for table in plan.tables:
                known = self._tables.get(table.name.lower())
                if known is None or known.mapper.isa(plan.mapper):
                    self._tables[table.name.lower()] = plan
            for many in plan.many:
                name = many.secondary.name.lower()
                self._between.add(name)
                if many.owns or name not in self._tables:
                    self._tables[name] = plan

    def _aside(self, hit: Hit) -> bool:
        """Tell whether triggers tell of the table, or only ignored columns are assigned, which are worth no entry."""
        if self._hook.told_by_triggers(hit.table):
            return True
        if hit.columns is None or hit.table in self._between:
            return False
        watched = self._tables[hit.table].by_name
        return hit.columns.isdisjoint(name.lower() for name in watched)

    def engines(self) -> list[sa.Engine]:
        """Return the engines that are listened to."""
        return list(self._engines)

    def watches(self, table: str) -> bool:
        """Tell whether the rows of a table are watched."""
        self._learn()
        return table in self._tables

    def unclaimed(self, connection: sa.Connection, statement: str, context: Any) -> list[Hit] | None:
        """Return what a statement changes that nobody takes care of; None when that is nothing."""
        hits = self._hits(statement)
        if hits is None or unrecorded():
            return None
        unit = self.unit(connection)
        if unit is None:
            return hits
        if unit.claimed:
            return None
        if unit.session._flushing:  # noqa: SLF001 - nothing else tells the statements of a flush from others
            own = context is not None and "compiled_cache" in context.execution_options
            hits = [] if own else [hit for hit in hits if hit.table not in self._between]
        return hits or None

    def _before(
        self, connection: sa.Connection, _cursor: Any, statement: str, _values: Any, context: Any, _many: object
    ) -> None:
        if self._hits(statement) is None or (hits := self.unclaimed(connection, statement, context)) is None:
            return
        self._hook.capture.counts.add("unclaimed")
        tables = ", ".join(dict.fromkeys(hit.table for hit in hits))
        if self._policy == "raise":
            raise InvalidSetting(
                f"A statement would change {tables} without an entry: {shape(statement)}",
                "Use the session (objects, or session.execute of update, delete, insert), or say off(reason=...)",
            )
        if self._policy == "warn":
            _log.warning("A statement changed %s without an entry: %s", tables, shape(statement))

    def _after(
        self, connection: sa.Connection, cursor: Any, statement: str, _values: Any, context: Any, _many: object
    ) -> None:
        if self._policy != "record" or self._hits(statement) is None:
            return
        hits = self.unclaimed(connection, statement, context)
        if hits is None:
            return
        for hit in dict.fromkeys(hits):
            plan = self._tables[hit.table]
            verb: Verb = "updated" if hit.table in self._between else hit.verb
            details: dict[str, Any] = {"table": hit.table, "statement": shape(statement)}
            if len(hits) == 1 and getattr(cursor, "rowcount", -1) >= 0:
                details["rows"] = cursor.rowcount
            self._hook.unclaimed(connection, plan, verb, details)
