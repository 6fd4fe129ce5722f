"""The hook for SQLAlchemy 2: every row that a session changes makes an entry, in the transaction of the change.

`install` watches the sessions of a sessionmaker; `model` says how the rows of a class are told. Creates, updates,
deletes, orphans, many-to-many, statements in bulk and what the database cascades are told row by row; what passes the
session by is caught by the net below it.

Only this folder, and the outbox, import SQLAlchemy.
"""

from whodid.capture.sqlalchemy.install import Handle, install
from whodid.capture.sqlalchemy.model import Model, model

__all__ = ["Handle", "Model", "install", "model"]
