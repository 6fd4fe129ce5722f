"""How much memory the process keeps that it does not use."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

__all__ = ["bound_arenas"]

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h
_ARENAS = 2


def bound_arenas() -> None:
    """Let all threads take memory from two arenas, before they are started; a number in the environment stays.

    The C library of GNU gives each thread an arena of its own, up to eight per core, and what one of them freed serves
    no other. A server whose threads come and go then grows for hours to several times of what it uses. Python's
    threads hardly ever wait for each other there: they wait for Python's own lock first.

    Source: mallopt(3), `M_ARENA_MAX`. Other C libraries have no such call, and no need of it.
    """
    if "MALLOC_ARENA_MAX" not in os.environ:
        with suppress(AttributeError, OSError):
            ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)
