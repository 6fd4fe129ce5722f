"""Migrations for PostgreSQL 15, which cannot say in CREATE TABLE how a column is stored."""

from __future__ import annotations

import re

__all__ = ["for_15"]

_STORAGE = " STORAGE EXTERNAL"
_TABLE = re.compile(r"CREATE TABLE (\S+) \(")
_COLUMN = re.compile(rf"^\s*(\w+)\s.*{_STORAGE}")


def for_15(text: str) -> str:
    """Return the text of a migration with the storage of columns said in statements of their own."""
    table = ""
    lines, after = [], []
    for line in text.splitlines():
        begun = _TABLE.match(line)
        table = begun[1] if begun else table
        column = _COLUMN.match(line)
        if column:
            after.append(f"ALTER TABLE {table} ALTER COLUMN {column[1]} SET{_STORAGE};")
        lines.append(line.replace(_STORAGE, ""))
    return "\n".join([*lines, *after])
