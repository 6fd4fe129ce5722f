"""What every test shares: the rule about skipping, and how properties are tried.

A test that needs something which a machine may lack (a browser, Node.js) skips itself and says why. On the machine
that decides, nothing may be skipped by accident: the variable WHODID_REQUIRE names the parts (separated by spaces)
that have to run, and a skipped test of such a part fails there. A test belongs to a part by its marker of that name
(`browser`, `firefox`, `frontend`, `faults`, `go`, `postgres`) or, without a marker, by the part's name in the name of
its file or folder (`sqlite`).
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.postgresing import Server
    from tests.visiting import Visit, World
    from tests.watching import Bed

REQUIRED = frozenset(os.environ.get("WHODID_REQUIRE", "").split())

# How long an example takes depends on what else the machine does; pytest-timeout ends what hangs. Where the result
# decides, examples are the same every time.
settings.register_profile("whodid", deadline=None, print_blob=True, derandomize=bool(REQUIRED))
settings.load_profile("whodid")


def pytest_configure() -> None:
    """Heed Ctrl-C again where a shell that started this in the background had it ignored: programs inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start the browser of this test process."""
    from tests.browsing import started

    with started() as browser:
        yield browser


@pytest.fixture
def visit(chromium: Browser, world: World) -> Iterator[Callable[..., Visit]]:
    """Return a function that opens a page of a file's `world`; what the page complains about fails the test."""
    from tests.visiting import visiting

    with visiting(chromium, world) as opening:
        yield opening


@pytest.fixture(autouse=True)
def _loop_of_the_browser_aside(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let other tests of the process run event loops of their own.

    Playwright's loop counts as running in the main thread from the first browser test to the end of the process, even
    while nobody uses it, and asyncio refuses to start another one beside it.
    """
    if request.node.get_closest_marker("browser"):
        yield
        return
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(loop)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep in one process what shares something costly: the tests of a file, and all journeys (one workspace)."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Together(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return "journeys" if nodeid.startswith("tests/browser/") else nodeid.partition("::")[0]

    return Together(config, log)


def _parts(node: pytest.Item | pytest.Collector) -> set[str]:
    names = {marker.name for marker in node.iter_markers()}
    return {part for part in REQUIRED if part in names or part in {*node.path.stem.split("_"), node.path.parent.name}}


def _refuse(report: pytest.TestReport | pytest.CollectReport, node: pytest.Item | pytest.Collector) -> None:
    parts = _parts(node) if report.outcome == "skipped" and not hasattr(report, "wasxfail") else set()
    if parts:
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{node.nodeid} was skipped, but {', '.join(sorted(parts))} must run here. {why}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skipping of a required test into a failure."""
    report = yield
    _refuse(report, item)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skipping of a whole required file into a failure."""
    report = yield
    _refuse(report, collector)
    return report


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """Lend a running PostgreSQL, one per test process."""
    pytest.importorskip("psycopg", reason="the driver is missing: pip install 'psycopg[binary]'")
    from tests import postgresing

    with postgresing.lent() as server:
        yield server


@pytest.fixture(scope="session")
def replicated() -> Iterator[tuple[Server, Server]]:
    """Lend a PostgreSQL of its own with a streaming replica, one pair per test process."""
    pytest.importorskip("psycopg", reason="the driver is missing: pip install 'psycopg[binary]'")
    from tests import postgresing

    place = postgresing.required("pg_basebackup")
    with ExitStack() as stack:
        primary = postgresing.Server(place, tiny=True)
        stack.callback(primary.stop)
        replica = postgresing.Server(place, of=primary)
        stack.callback(replica.stop)
        yield primary, replica


@pytest.fixture
def replicated_url(replicated: tuple[Server, Server], request: pytest.FixtureRequest) -> tuple[str, str]:
    """Return the addresses of an empty database and of its replica, one per test file; the replica has caught up."""
    primary, replica = replicated
    name = f"t_{request.path.stem}"
    url = primary.database(name)
    replica.follow(primary)
    return url, replica.url(name)


@pytest.fixture
def postgres_url(postgres: Server, request: pytest.FixtureRequest) -> str:
    """Return the address of an empty database, one per test file."""
    return postgres.database(f"t_{request.path.stem}")


@pytest.fixture(
    params=[
        "sqlite",
        "aiosqlite",
        pytest.param("psycopg", marks=pytest.mark.postgres),
        pytest.param("psycopg_async", marks=pytest.mark.postgres),
    ]
)
def bed_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of a database for a watched application, per engine and kind of session."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'host.db'}"
    if request.param == "aiosqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'host.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url.replace("postgresql://", f"postgresql+{request.param}://")


@pytest.fixture
def bed(bed_url: str) -> Iterator[Bed]:
    """Open a watched application on each engine, with sync and async sessions."""
    from tests.watching import Bed

    bed = Bed(bed_url)
    yield bed
    bed.close()
