"""The trigger tier: changes that PostgreSQL itself tells of, whoever made them and however.

`Script` writes the SQL of statement-level triggers for some tables; what they write is made into events by the relay. A
model of SQLAlchemy or Django describes its table by itself, `table` describes one without a model.
"""

from whodid.capture.triggers.ddl import Script
from whodid.capture.triggers.tables import Column, Link, Table, column, table

__all__ = ["Column", "Link", "Script", "Table", "column", "table"]
