"""The net below the ORM: statements that change a watched table and for which no hook answers.

It sees every statement of every connection, and looks closer only at those that may write. It never reads the values of
a statement.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.backends.signals import connection_created
from django.db.backends.utils import CursorWrapper
from django.db.migrations.executor import MigrationExecutor

from whodid.capture.django.outbox import TABLE
from whodid.capture.django.unit import Patches, Unit, existing_unit, unit_of
from whodid.capture.off import unrecorded
from whodid.capture.pending import Said
from whodid.errors import InvalidEvent, InvalidSetting
from whodid.model import Resource

if TYPE_CHECKING:
    from whodid.capture.django.hook import Hook

__all__ = ["POLICIES", "READS", "Net", "written_tables"]

POLICIES = ("warn", "record", "raise")

_log = logging.getLogger("whodid.capture")

_NAME = r'(?:ONLY\s+)?((?:[`"\[]?\w+[`"\]]?\s*\.\s*)?[`"\[]?\w+[`"\]]?)'
_WRITE = re.compile(
    rf"""\b(?:
        (?P<insert>INSERT\s+(?:OR\s+\w+\s+)?INTO|REPLACE\s+INTO|MERGE\s+INTO|COPY)\s+{_NAME}
      | (?P<update>UPDATE)\s+(?:OR\s+\w+\s+)?{_NAME}
      | (?P<delete>DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?)\s+{_NAME}
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_QUOTES = str.maketrans("", "", '`"[]')
_LITERALS = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")
_COMMENTS = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
_VERBS = {"insert": "created", "update": "updated", "delete": "deleted"}
READS = ("SELECT ", "SAVEPOI", "RELEASE", "ROLLBAC", "PRAGMA ", "BEGIN", "COMMIT")
"""How statements begin that change nothing."""

_CONFLICT = re.compile(
    r"\bON\s+(?:CONFLICT\b.*?\bDO|DUPLICATE\s+KEY)\s+UPDATE\b|\bFOR\s+(?:NO\s+KEY\s+)?UPDATE\b",
    re.IGNORECASE | re.DOTALL,
)


@lru_cache(maxsize=2048)
def written_tables(statement: str) -> tuple[tuple[str, str], ...]:
    """Name the tables that a statement writes, each with the verb of what happens to its rows.

    Args:
        statement: SQL; what stands in quotes and comments is not read.
    """
    text = _CONFLICT.sub(" ", _LITERALS.sub("?", _COMMENTS.sub(" ", statement)))
    found = []
    for match in _WRITE.finditer(text):
        verb = next(verb for kind, verb in _VERBS.items() if match[kind])
        name = next(name for name in match.groups()[1::2] if name)
        found.append((name.translate(_QUOTES).rpartition(".")[2].strip(), verb))
    if text.lstrip()[:4].upper() == "COPY" and re.search(r"\bTO\s+(?:STDOUT|PROGRAM|\?)", text, re.IGNORECASE):
        return ()
    return tuple(found)


class Net:
    """Watches the statements of every connection.

    Args:
        policy: `warn` counts and writes a line, `record` makes an entry of it too, `raise` refuses the statement.
        patches: Where replaced methods are remembered.
    """

    def __init__(self, hook: Hook, policy: str, patches: Patches) -> None:
        if policy not in POLICIES:
            raise InvalidSetting(f"UNCLAIMED is {policy!r}", f"Use one of {', '.join(POLICIES)}")
        self._hook = hook
        self._policy = policy
        self._patches = patches
        self._tables: dict[str, Any] | None = None
        self._migrating = 0

    def install(self) -> None:
        """Watch the connections that exist, and those to come."""
        for connection in connections.all(initialized_only=True):
            self._watch(connection=connection)
        connection_created.connect(self._watch, weak=False)
        net = self

        def copy(cursor: Any, statement: Any, *args: Any, **kwargs: Any) -> Any:
            noted = net._seen(cursor.db, statement)
            if noted is not None:
                noted(lambda: None)  # the rows follow, in the transaction that is open, if one is
            return cursor.cursor.copy(statement, *args, **kwargs)

        def migrating(original: Any) -> Any:
            def migrate(self: Any, *args: Any, **kwargs: Any) -> Any:
                net._migrating += 1
                try:
                    return original(self, *args, **kwargs)
                finally:
                    net._migrating -= 1

            return migrate

        self._patches.add(CursorWrapper, "copy", copy)
        self._patches.put(MigrationExecutor, "migrate", migrating)

    def remove(self) -> None:
        """Watch no connection any longer."""
        connection_created.disconnect(self._watch)
        for connection in connections.all(initialized_only=True):
            while self._execute in connection.execute_wrappers:
                connection.execute_wrappers.remove(self._execute)

    def _watch(self, *, connection: Any, **_: Any) -> None:
        if self._execute not in connection.execute_wrappers:
            connection.execute_wrappers.insert(0, self._execute)

    def _execute(self, execute: Any, statement: Any, params: Any, many: Any, context: Any) -> Any:
        if type(statement) is str and statement.startswith(READS):
            unit = existing_unit(context["connection"])
            if unit is None or not unit.pending or TABLE not in statement:
                return execute(statement, params, many, context)
            unit.flush()  # whoever reads the outbox sees what this transaction did
            return execute(statement, params, many, context)
        noted = self._seen(context["connection"], statement)
        if noted is None:
            return execute(statement, params, many, context)
        return noted(lambda: execute(statement, params, many, context))

    def _seen(self, connection: Any, statement: Any) -> Any:
        """Look at a statement that may write; return what executes it together with its entry, if it needs one."""
        unit = unit_of(self._hook, connection)
        if unit.claimed:
            return None
        text = statement if isinstance(statement, str) else _text(statement, connection)
        written = [(table, verb) for table, verb in written_tables(text) if table in self._watched()]
        if not written:
            return None
        hook = self._hook
        if unrecorded():
            return None
        hook.capture.counts.add("unclaimed")
        if self._migrating:
            return None  # a migration moves data; what it did stands in its file
        where = _call_site()
        names = ", ".join(dict.fromkeys(table for table, _ in written))
        if self._policy == "raise":
            raise InvalidEvent(
                "",
                f"a statement at {where} changes the watched table {names} past the ORM",
                "Use the ORM, record it with capture.record and UNCLAIMED = 'record', or exclude the model",
            )
        _log.warning("a statement at %s changed the watched table %s past the ORM", where, names)
        if self._policy == "warn":
            return None

        def execute(work: Any) -> Any:
            def noted(unit: Unit) -> Any:
                result = work()
                self._summaries(unit, written, text, where)
                return result

            return hook.run(connection.alias, noted)

        return execute

    def _summaries(self, unit: Unit, written: list[tuple[str, str]], text: str, where: str) -> None:
        hook = self._hook
        shape = _LITERALS.sub("?", " ".join(_COMMENTS.sub(" ", text).split()))[:500]
        for table, verb in dict.fromkeys(written):
            plan = self._watched()[table]
            whose = hook.capture.workspace()
            event = hook.capture.event(
                f"{plan.type}.{verb}",
                Resource(type=plan.type, id="*"),
                details={"unclaimed": True, "statement": shape, "at": where},
                workspace=whose,
            )
            unit.pending.say(Said(workspace=whose, event=event, completes=False))

    def _watched(self) -> dict[str, Any]:
        if self._tables is None:
            self._tables = self._hook.plans.tables()
        return self._tables


def _text(statement: Any, connection: Any) -> str:
    with suppress(Exception):
        return str(statement.as_string(connection.connection))
    return str(statement)


def _call_site() -> str:
    """Return file and line of the application's code that executes a statement now."""
    for name, line in _frames():
        if "/django/" not in name and "/whodid/" not in name and "/contextlib.py" not in name:
            return f"{name}:{line}"
    return "an unknown place"


def _frames() -> Iterator[tuple[str, int]]:
    frame = sys._getframe(1)
    while frame is not None:
        yield frame.f_code.co_filename, frame.f_lineno
        if frame.f_back is None:
            return
        frame = frame.f_back
