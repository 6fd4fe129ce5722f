"""The server's store on PostgreSQL."""

from whodid.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
