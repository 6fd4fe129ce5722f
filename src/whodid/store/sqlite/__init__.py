"""The embedded store on SQLite."""

from whodid.store.sqlite.store import SQLiteStore

__all__ = ["SQLiteStore"]
