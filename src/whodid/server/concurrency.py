"""What the asynchronous side of the server is made of; the only file that imports anyio."""

from __future__ import annotations

from anyio import CancelScope, CapacityLimiter, Lock, fail_after
from anyio.to_thread import run_sync

__all__ = ["CancelScope", "CapacityLimiter", "Lock", "fail_after", "run_sync"]
