"""The SQL of the triggers: a plain script that a host reads, commits as a migration and runs.

Each table gets one function per operation, and statement-level triggers that call them. A function writes one row into
the outbox per statement, in the caller's own transaction: the rows that changed, as positions of a JSON array, and what
`whodid.context` says of who acts. The script can be run again at any time; it replaces what was there.

Whoever runs it owns the functions, and they run with that role's rights: a role that may change the tables need not be
able to write the outbox. Their search path is fixed, every name in them is quoted, and nobody else may call them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from msgspec import Struct

from whodid.capture.triggers.forms import Form, changed, named, written
from whodid.capture.triggers.notes import OF_TRANSACTION
from whodid.capture.triggers.tables import Column, Table
from whodid.capture.triggers.veil import SHARED, shared
from whodid.errors import InvalidSetting

__all__ = ["OPERATIONS", "VERSION", "Script", "function_name", "literal", "qualified", "trigger_name"]

VERSION = 1
OPERATIONS = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
_LONGEST_NAME = 63
_LIMITS = 1, 100_000
_AT_ONCE = 90
_REFERENCING = {
    "INSERT": " REFERENCING NEW TABLE AS whodid_new",
    "UPDATE": " REFERENCING OLD TABLE AS whodid_old NEW TABLE AS whodid_new",
    "DELETE": " REFERENCING OLD TABLE AS whodid_old",
    "TRUNCATE": "",
}


def identifier(name: str) -> str:
    """Quote a name."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text, whatever `standard_conforming_strings` says."""
    quoted = text.replace("'", "''")
    return " E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in text else f"'{quoted}'"


def function_name(table: Table, operation: str) -> str:
    """Return the name of the function that tells of an operation on a table."""
    whole = f"whodid_{table.name}_{operation.lower()}"
    if len(whole.encode()) <= _LONGEST_NAME:
        return whole
    digest = sha256(whole.encode()).hexdigest()[:16]
    return f"whodid_{digest}_{operation.lower()}"


def trigger_name(operation: str) -> str:
    """Return the name of the trigger of an operation; the same on every table."""
    return f"whodid_{operation.lower()}"


class Script(Struct, frozen=True, kw_only=True):
    """The SQL for some tables.

    Args:
        tables: What triggers are to tell of.
        outbox: Name of the outbox.
        outbox_schema: Its database schema.
        zoned: Whether its column `written_at` has a zone, as Django makes it.
        row_limit: Most rows of one statement that are told one by one; above it there is one entry with the count.
        speakers: Roles whose word counts for who acts; of the statements of others only the role is told. Empty when
            everybody's does.
        workspace: Whose log it is when neither the row nor who acts says so.
    """

    tables: tuple[Table, ...]
    outbox: str = "whodid_outbox"
    outbox_schema: str = "public"
    zoned: bool = False
    row_limit: int = 1000
    speakers: tuple[str, ...] = ()
    workspace: str | None = None

    def __post_init__(self) -> None:
        least, most = _LIMITS
        if not least <= self.row_limit <= most:
            raise InvalidSetting(f"row_limit={self.row_limit} cannot be used", f"Use {least} to {most:,}")
        names = [(table.schema, table.name) for table in self.tables]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise InvalidSetting(f"The table {'.'.join(twice)} is described twice", "Describe each table once")
        if (self.outbox_schema, self.outbox) in names:
            raise InvalidSetting("The outbox cannot tell of itself", "Leave it out of the tables")

    def install(self) -> str:
        """Return the SQL that installs the triggers, or brings them up to date."""
        return "\n\n".join([f"-- whodid: statement-level triggers, version {VERSION}", *self.statements()]) + "\n"

    def statements(self) -> Iterator[str]:
        """Yield the statements of `install`, each with its semicolon."""
        for schema in self._schemas():
            yield from shared(schema)
        for table in self.tables:
            for operation in OPERATIONS:
                yield self._function(table, operation)
                yield f"REVOKE ALL ON FUNCTION {_function(table, operation)} FROM PUBLIC;"
            for operation in OPERATIONS:
                before, after = _trigger(table, operation)
                yield before + qualified(table) + after
            yield _partitions(table)

    def remove(self) -> str:
        """Return the SQL that removes every trigger and function; what waits in the outbox stays, and is delivered."""
        made = [f"-- whodid: removal of the statement-level triggers, version {VERSION}"]
        for table in self.tables:
            # The triggers go with their functions, those of the partitions too.
            made += [f"DROP FUNCTION IF EXISTS {_function(table, operation)} CASCADE;" for operation in OPERATIONS]
        for schema in self._schemas():
            # Other tables may go on using what is shared.
            dropped = "".join(f"    DROP FUNCTION IF EXISTS {schema}.{name};\n" for name in SHARED)
            body = (
                "\nBEGIN\n  IF NOT EXISTS (SELECT FROM pg_proc WHERE prorettype = 'trigger'::regtype\n"
                f"    AND proname LIKE 'whodid\\_%' AND pronamespace = {literal(schema)}::regnamespace) THEN\n"
                f"{dropped}  END IF;\nEND\n"
            )
            made.append(f"DO {_quote(body)}{body}{_quote(body)};")
        return "\n".join(made) + "\n"

    def body(self, table: Table, operation: str) -> str:
        """Return the source of a function, as the database keeps it."""
        make = {"INSERT": self._one_side, "DELETE": self._one_side, "UPDATE": self._both, "TRUNCATE": self._emptied}
        salt = ""
        if operation != "TRUNCATE" and any(one.form in ("secret", "json") for one in table.columns):
            # Digests under it can be compared within the transaction. It is kept nowhere.
            salt = (
                "  IF coalesce(current_setting('whodid.salt', true), '') = '' THEN\n"
                "    PERFORM set_config('whodid.salt', gen_random_uuid()::text, true);\n  END IF;\n"
            )
        return f"\nBEGIN\n{salt}{make[operation](table, operation)}  RETURN NULL;\nEND\n"

    def _schemas(self) -> list[str]:
        return list(dict.fromkeys(identifier(table.schema) for table in self.tables))

    def _function(self, table: Table, operation: str) -> str:
        body = self.body(table, operation)
        quote = _quote(body)
        # ISO 8601 is the one form of a duration that does not depend on who asks.
        more = " SET intervalstyle = 'iso_8601'" if any(one.form == "duration" for one in table.columns) else ""
        return (
            f"CREATE OR REPLACE FUNCTION {_function(table, operation)} RETURNS trigger LANGUAGE plpgsql\n"
            f"SECURITY DEFINER SET search_path = pg_catalog, pg_temp{more} AS {quote}{body}{quote};"
        )

    def _note(self, head: dict[str, Any], rest: str, source: str, condition: str = "") -> str:
        """Return the statement that writes a note into the outbox.

        Args:
            head: What all notes of the function have in common.
            rest: SQL of what comes after it.
            source: What `rest` is taken from.
            condition: When it is to be written.
        """
        if self.workspace is not None:
            head = {**head, "workspace": self.workspace}
        opening = json.dumps(head, ensure_ascii=False, separators=(",", ":"))[:-1]
        context = "current_setting('whodid.context', true)"
        if self.speakers:
            roles = ", ".join(map(literal, self.speakers))
            context = f"CASE WHEN session_user IN ({roles}) THEN {context} END"
        now = "clock_timestamp()" if self.zoned else "clock_timestamp() AT TIME ZONE 'UTC'"
        return (
            f"  INSERT INTO {identifier(self.outbox_schema)}.{identifier(self.outbox)} (workspace, event, written_at)\n"
            f"  SELECT {OF_TRANSACTION},\n"
            f"    {literal(opening + ',')} || {rest} || E'}}\\n'\n"
            f"    || to_json(session_user)::text || E'\\n' || coalesce({context}, ''),\n"
            f"    {now}\n{source}{condition}".rstrip()
            + ";\n"
        )

    def _one_side(self, table: Table, operation: str) -> str:
        side = "whodid_new" if operation == "INSERT" else "whodid_old"
        told = [one for one in table.columns if one.listed]
        values = [*_named(table, "r", {}), *(_written(table, one, f"r.{identifier(one.name)}") for one in told)]
        limit = self.row_limit
        rows = f"SELECT {_array(values)}\n      FROM {side} AS r LIMIT {limit + 1}"
        whole = self._note(
            _head(table, operation, ()),
            "'\"count\":' || t.total",
            f"  FROM (SELECT count(*) AS total FROM {side}) AS t\n",
        )
        return (
            self._note(
                _head(table, operation, told),
                "'\"rows\":[' || array_to_string(t.told, ',') || ']'",
                f"  FROM (SELECT ARRAY({rows}) AS told OFFSET 0) AS t\n",
                f"  WHERE cardinality(t.told) BETWEEN 1 AND {limit}",
            )
            + f"  IF NOT FOUND AND EXISTS (SELECT FROM {side}) THEN\n{_indented(whole)}  END IF;\n"
        )

    def _both(self, table: Table, operation: str) -> str:
        told = table.columns
        names = list(dict.fromkeys([*(one.name for one in told), *table.key, *(name for _, name in table.named)]))
        head = _head(table, operation, told)
        limit = self.row_limit

        def each(before: dict[str, str], after: dict[str, str]) -> tuple[str, str]:
            differs = [changed(before[one.name], after[one.name], one.type) for one in told]
            cells = [
                _pair(table, one, test, before[one.name], after[one.name])
                for one, test in zip(told, differs, strict=True)
            ]
            return "\n      OR ".join(differs) or "false", _array([*_named(table, "", after), *cells])

        # One row, as from an object that is saved: there is nothing to match. Otherwise the places decide, as rows are
        # noted in pairs; a key would not do, because it may have changed. A full join is never one of nested loops.
        test, row = each(*({name: f"{side}.{identifier(name)}" for name in names} for side in "on"))
        single = (
            f"SELECT CASE WHEN {test}\n      THEN {row} END\n"
            "      FROM whodid_old AS o CROSS JOIN whodid_new AS n LIMIT 2"
        )
        old, new = ({name: f"{side}{at}" for at, name in enumerate(names)} for side in "on")
        sides = [
            "(SELECT row_number() OVER () AS place, "
            + ", ".join(f"{side[0]}.{identifier(name)} AS {alias[name]}" for name in names)
            + f" FROM {source} AS {side}) AS {side}s"
            for side, alias, source in (("o", old, "whodid_old"), ("n", new, "whodid_new"))
        ]
        test, row = each(old, new)
        matched = f"{sides[0]}\n      FULL JOIN {sides[1]} USING (place)\n      WHERE {test}"
        rows = "'\"rows\":[' || array_to_string(t.told, ',') || ']'"
        one = self._note(
            head,
            rows,
            f"  FROM (SELECT ARRAY({single}) AS told OFFSET 0) AS t\n",
            "  WHERE cardinality(t.told) = 1 AND t.told[1] IS NOT NULL",
        )
        many = self._note(
            head,
            rows,
            f"  FROM (SELECT ARRAY(SELECT {row}\n      FROM {matched} LIMIT {limit + 1}) AS told OFFSET 0) AS t\n",
            f"  WHERE cardinality(t.told) BETWEEN 1 AND {limit}",
        )
        whole = self._note(
            _head(table, operation, ()),
            "'\"count\":' || t.total",
            f"  FROM (SELECT count(*) AS total FROM {matched}) AS t\n",
            "  WHERE t.total > 0",
        )
        return (
            f"{one}  IF NOT FOUND AND EXISTS (SELECT FROM whodid_new OFFSET 1) THEN\n{_indented(many)}"
            f"    IF NOT FOUND THEN\n{_indented(_indented(whole))}    END IF;\n  END IF;\n"
        )

    def _emptied(self, table: Table, operation: str) -> str:
        return self._note(_head(table, operation, ()), "'\"count\":null'", "")


def _array(values: Sequence[str]) -> str:
    """Return the SQL of the text of a JSON array; a function takes at most a hundred values at once."""
    parts = [
        f"json_build_array({(',' + chr(10) + '        ').join(values[at : at + _AT_ONCE])})::text"
        for at in range(0, len(values), _AT_ONCE)
    ]
    made = parts[0]
    for part in parts[1:]:
        made = f"left({made}, -1) || ',' || substr({part}, 2)"
    return made


def _head(table: Table, operation: str, told: Sequence[Column]) -> dict[str, Any]:
    """Return what the relay must know to read the notes of a function."""
    head: dict[str, Any] = {
        "$": "rows",
        "op": operation,
        "table": f"{table.schema}.{table.name}",
        "type": table.type,
        "key": [[_form(table, name).replace("secret", "")] for name in table.key],
        "named": [what for what, _ in table.named],
        "columns": [_reading(one) for one in told],
        "actions": dict(table.actions),
        "soft_delete": table.soft_delete,
        "owner": table.owner and table.owner[0],
    }
    if operation == "UPDATE":
        head["keys"] = [next((at for at, one in enumerate(told) if one.name == name), -1) for name in table.key]
    if table.link is not None:
        link, names = table.link, [one.name for one in told]
        head["link"] = {
            "type": link.type,
            "field": link.field,
            "source": [names.index(name) for name in link.source] if names else [],
            "member": [names.index(name) for name in link.member] if names else [],
        }
    return {name: value for name, value in head.items() if value}


def _reading(column: Column) -> list[Any]:
    """Return how the values of a column are read: its path, its form, its choices, as far as there are any."""
    if column.choices is not None:
        return [column.path, column.form, dict(column.choices)]
    return [column.path, column.form] if column.form else [column.path]


def _form(table: Table, name: str) -> Form:
    return next((one.form for one in table.columns if one.name == name), "")


def _named(table: Table, side: str, aliases: dict[str, str]) -> list[str]:
    """Return the SQL of the key of a row, and of what names it."""
    names = [*table.key, *(name for _, name in table.named)]
    return [named(aliases.get(name) or f"{side}.{identifier(name)}", _form(table, name)) for name in names]


def _written(table: Table, column: Column, value: str) -> str:
    return written(value, column.type, column.form, identifier(table.schema))


def _pair(table: Table, column: Column, differs: str, before: str, after: str) -> str:
    sides = ", ".join(_written(table, column, side) for side in (before, after))
    if table.link is not None:  # a member is told with its owner, whichever of the two has changed
        return f"json_build_array({sides})"
    return f"CASE WHEN {differs} THEN json_build_array({sides}) END"


def _function(table: Table, operation: str) -> str:
    return f"{identifier(table.schema)}.{identifier(function_name(table, operation))}()"


def qualified(table: Table) -> str:
    """Return the name of a table with its schema, quoted."""
    return f"{identifier(table.schema)}.{identifier(table.name)}"


def _quote(body: str) -> str:
    """Return a dollar quote that a text does not contain."""
    quote = "$whodid$"
    while quote in body:
        quote = f"{quote[:-1]}_$"
    return quote


def _trigger(table: Table, operation: str) -> tuple[str, str]:
    """Return the SQL that makes a trigger: what comes before the name of the table, and what comes after it."""
    return f"CREATE OR REPLACE TRIGGER {trigger_name(operation)} AFTER {operation} ON ", (
        f"{_REFERENCING[operation]}\n  FOR EACH STATEMENT EXECUTE FUNCTION {_function(table, operation)};"
    )


def _partitions(table: Table) -> str:
    """Return the SQL that puts the triggers on the partitions too: a statement may name one of them itself."""
    lines = "".join(
        f"    EXECUTE {literal(before)} || part::text || {literal(after)};\n"
        for before, after in (_trigger(table, operation) for operation in OPERATIONS)
    )
    body = (
        f"\nDECLARE part regclass;\nBEGIN\n"
        f"  FOR part IN SELECT relid FROM pg_partition_tree({literal(qualified(table))}) WHERE level > 0 LOOP\n"
        f"{lines}  END LOOP;\nEND\n"
    )
    return f"DO {_quote(body)}{body}{_quote(body)};"


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())
