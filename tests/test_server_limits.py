"""How many files the process may have open: raised as far as the system allows, and said where that is too little."""

from __future__ import annotations

import resource
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import shell
from tests.shell import Run
from whodid.cli import ui
from whodid.errors import StoreUnavailable
from whodid.server.limits import let_open
from whodid.store.sqlite.engine import Engine

run = shell.run


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Stand in for the limits of the process: the soft and the hard one."""
    now = [256, 1_024]
    monkeypatch.setattr(resource, "getrlimit", lambda _which: tuple(now))
    monkeypatch.setattr(resource, "setrlimit", lambda _which, new: now.__setitem__(slice(None), list(new)))
    return now


@pytest.mark.parametrize(
    ("soft", "hard", "after", "told"),
    [
        (256, 4_096, 1_152, ""),
        (256, resource.RLIM_INFINITY, 1_152, ""),
        (2_048, 4_096, 2_048, ""),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, resource.RLIM_INFINITY, ""),
        (256, 1_024, 1_024, "may have 1024 files open, and 512 connections may need 1152: raise"),
        (64, 64, 64, "may have 64 files open, and 512 connections may need 1152: raise"),
    ],
)
def test_the_limit_is_raised_as_far_as_it_goes(limits: list[int], soft: int, hard: int, after: int, told: str) -> None:
    """The hard limit stays; what is not enough is said with the remedy."""
    limits[:] = [soft, hard]
    said = let_open(512)
    assert limits == [after, hard]
    assert told in said
    assert bool(told) == bool(said)


def test_too_many_open_files_are_no_matter_of_permissions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite says only that it cannot open the file."""
    engine = Engine(str(tmp_path / "audit.db"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(int(one.name) for one in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (most + 6, hard))
    try:
        with ExitStack() as readers, pytest.raises(StoreUnavailable) as caught:
            while True:
                readers.enter_context(engine.reading())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        engine.close()
    assert "ulimit -n" in caught.value.remedy


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
def test_a_process_that_gets_no_memory_says_so(run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """It is no mistake of the program, and the remedy is known."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(ui._program, "main", fail)
    done = run("stats")
    assert done.code == 2
    assert done.err.startswith("whodid: The system gives no more memory or threads. Let the process have more")
