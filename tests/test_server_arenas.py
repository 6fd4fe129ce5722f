"""The server's threads share the memory that they take from the system."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

THREADS = 12
HELD = f"""
import sys, threading
from whodid.server.arenas import bound_arenas
bound_arenas()
met = threading.Barrier({THREADS} + 1)
def hold():
    kept = [bytes(100_000) for _ in range(20)]
    met.wait()
    met.wait()
    return kept
threads = [threading.Thread(target=hold) for _ in range({THREADS})]
for one in threads:
    one.start()
met.wait()
lines = [line.split() for line in open("/proc/self/maps")]
print(sum(int(line[0].partition("-")[0], 16) % (1 << 26) == 0 for line in lines if len(line) == 5))
met.wait()
"""
"""Counts the arenas beside the first one: each begins at a multiple of 64 MiB, and is the mapping of no file."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only the C library of GNU has arenas: run it on Linux")
@pytest.mark.parametrize(("environment", "least", "most"), [({}, 0, 1), ({"MALLOC_ARENA_MAX": "20"}, 2, THREADS)])
def test_threads_take_memory_from_two_arenas(environment: dict[str, str], least: int, most: int) -> None:
    """However many there are, unless whoever runs the server gave a number."""
    told = {name: text for name, text in os.environ.items() if name != "MALLOC_ARENA_MAX"} | environment
    counted = subprocess.run([sys.executable, "-c", HELD], env=told, capture_output=True, text=True, check=True)
    assert least <= int(counted.stdout) <= most
