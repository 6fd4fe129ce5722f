"""What is set for a connection, and for each transaction on it."""

from __future__ import annotations

__all__ = ["DURABLE", "PLANNED_ONCE", "beginning"]

# To plan over all weeks takes longer than to read a page from them: what is read again and again is planned once. Which
# weeks a period leaves out is then found at the beginning of each reading. Citus needs the workspace to plan at all.
PLANNED_ONCE = (
    "SELECT set_config('plan_cache_mode', 'force_generic_plan', false) "
    "WHERE current_setting('citus.shard_count', true) IS NULL"
)
# A commit must mean a disk. Whatever waits for more than that (a replica) stays as the operator set it.
DURABLE = "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"


def beginning(how: str, lock: int, statement: int, silent: int) -> tuple[str, ...]:
    """Return the statements that begin a transaction.

    Args:
        how: Its isolation level, and whether it only reads.
        lock: Milliseconds for which a lock is waited for.
        statement: Milliseconds that a statement may take.
        silent: Milliseconds for which we may say nothing.
    """
    return (
        f"BEGIN ISOLATION LEVEL {how}",
        f"SET LOCAL lock_timeout = {lock}",
        f"SET LOCAL statement_timeout = {statement}",
        f"SET LOCAL idle_in_transaction_session_timeout = {silent}",
        "SET LOCAL jit = off",
    )
