"""How many files the process may have open, so that connections do not take what the store needs."""

from __future__ import annotations

import resource

__all__ = ["let_open"]

_BESIDES = 128
"""Files of the store, of exports, of sinks, of the spool and of the libraries, and room to spare."""


def let_open(connections: int) -> str:
    """Let the process have as many files open as that many connections, and twice as many for a moment, may need.

    Systems let a process have fewer than they would at its wish (`ulimit -Sn`, `ulimit -Hn`).

    Returns:
        What to tell whoever runs it where that is more than the system allows; else nothing.
    """
    needed = 2 * connections + _BESIDES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return ""
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if allowed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed == needed:
        return ""
    return (
        f"The process may have {allowed} files open, and {connections} connections may need {needed}: "
        "raise the limit (ulimit -n, LimitNOFILE=), or lower connections"
    )
