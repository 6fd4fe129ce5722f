"""How whoever is gone without a word is noticed: by our end of a connection, and by the server's.

Where packets are lost, both kernels notice. Where something in between, or a process that stands still, keeps the
connection open and says nothing, only limits of time help: ours, and those that the server has for silence within a
transaction. But while it waits for the rows of a COPY, or within a pipeline for what comes next, PostgreSQL heeds none
for statements and silence, and for the rows of a COPY not even the one for the transaction as a whole. It keeps the
lock of the workspace meanwhile, for as long as the connection is there.
"""

from __future__ import annotations

__all__ = ["ASIDE", "END_SILENT", "NOTICED", "NOTICING", "SILENT_WRITING_MS"]

NOTICED = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
"""A network that swallows what is sent is noticed in about this time by our end; libpq's own words."""

NOTICING = (
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; "
    "SET tcp_user_timeout = 20000"
)
"""The same for the server's end."""

ASIDE = {"tcp_user_timeout": 5_000, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 2}
"""A replica that went away without a word is to be noticed before whoever waits for it gives up."""

SILENT_WRITING_MS = 20_000
"""How long we may be silent within a transaction that writes. A server that cannot be told that we are gone keeps our
locks that long; less than others wait for a lock, so that whoever looks after a lost commit finds out how it ended."""

END_SILENT = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid() "
    "AND application_name = current_setting('application_name') "
    "AND state = 'active' AND wait_event = 'ClientRead' "
    f"AND state_change < clock_timestamp() - interval '{SILENT_WRITING_MS} ms'"
)
"""End sessions of ours that are in the middle of a statement or a pipeline and wait for us, for longer than that."""
