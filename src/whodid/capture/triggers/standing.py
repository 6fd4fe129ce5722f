"""Whether the triggers of a database are as the script would make them: none missing, none old, none switched off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from whodid.capture.triggers.ddl import OPERATIONS, Script, function_name, literal, qualified, trigger_name
from whodid.capture.triggers.tables import Table

__all__ = ["Fault", "faults"]

Ask = Callable[[str], Sequence[Sequence[Any]]]
"""Run a query without parameters and return its rows."""


class Fault(Struct, frozen=True, kw_only=True):
    """Something that is not told, or not as it should be.

    Args:
        table: With its schema; a partition where it is one that is at fault.
        why: In one sentence.
    """

    table: str
    why: str


def faults(script: Script, ask: Ask) -> list[Fault]:
    """Return what a database lacks of a script.

    Args:
        script: What should be installed.
        ask: Asks the database.
    """
    return [fault for table in script.tables for fault in _of_table(script, table, ask)]


def _of_table(script: Script, table: Table, ask: Ask) -> Iterator[Fault]:
    place, name = literal(qualified(table)), f"{table.schema}.{table.name}"
    if ask(f"SELECT to_regclass({place}) IS NULL")[0][0]:
        yield Fault(table=name, why="There is no such table.")
        return
    sources = {row[0]: row[1] for row in ask(_FUNCTIONS.replace("<schema>", literal(table.schema)))}
    parts = ask(_TRIGGERS.replace("<table>", place))
    for operation in OPERATIONS:
        function = function_name(table, operation)
        for part, trigger, enabled, called in parts:
            if trigger != trigger_name(operation):
                continue
            if called is None:
                yield Fault(table=part, why=f"It has no trigger that tells of {operation}.")
            elif enabled not in ("O", "A"):
                yield Fault(table=part, why=f"The trigger that tells of {operation} is switched off.")
            elif called != function:
                yield Fault(table=part, why=f"The trigger {trigger} calls {called}, which is not ours.")
        if function in sources and sources[function] != script.body(table, operation):
            yield Fault(table=name, why=f"What tells of {operation} is out of date: run the script again.")
    there = {row[0] for row in ask(f"{_COLUMNS} {place}::regclass")}
    told = {one.name for one in table.columns} | set(table.key)
    for missing in sorted(there - told - table.ignored):
        yield Fault(table=name, why=f"The column {missing} is not told: describe it, or ignore it.")
    for gone in sorted(told - there):
        yield Fault(table=name, why=f"The column {gone} is gone, and the next change will fail: run the script again.")


_FUNCTIONS = """
SELECT proname, prosrc FROM pg_catalog.pg_proc
WHERE pronamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = <schema>)
"""
_TRIGGERS = f"""
SELECT part.relid::regclass::text, wanted.name, t.tgenabled::text, p.proname
FROM (SELECT <table>::regclass AS relid UNION SELECT relid FROM pg_catalog.pg_partition_tree(<table>)) AS part
CROSS JOIN (VALUES {", ".join(f"('{trigger_name(operation)}')" for operation in OPERATIONS)}) AS wanted (name)
LEFT JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = part.relid AND t.tgname = wanted.name
LEFT JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
ORDER BY 1, 2
"""
_COLUMNS = "SELECT attname FROM pg_catalog.pg_attribute WHERE attnum > 0 AND NOT attisdropped AND attrelid ="
