"""What the asynchronous side of the server is made of; the only file that imports anyio."""

from __future__ import annotations

import anyio
import anyio.to_thread

CancelScope = anyio.CancelScope
CapacityLimiter = anyio.CapacityLimiter
Event = anyio.Event
fail_after = anyio.fail_after
run_sync = anyio.to_thread.run_sync
sleep = anyio.sleep
