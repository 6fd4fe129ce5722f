"""A database of every earlier schema, of both engines, goes forward, even while an older program runs on it."""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path

import pytest

import whodid
from tests.keeping import HOME, NOW, Clock, event, record
from whodid.errors import StoreVersion
from whodid.store import migrate

DATA = Path(__file__).parent / "data"
OLD = sorted(
    file.name.split(".")[0]
    for file in DATA.iterdir()
    if re.fullmatch(r"(sqlite|postgres)_[0-9]+\.(db|sql)\.gz", file.name)
)


def later() -> Clock:
    """Return a clock of two days after the databases were written."""
    clock = Clock(NOW)
    clock.advance(days=3)
    return clock


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.postgres) if "postgres" in name else name for name in OLD],
)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """Return the address of a database with an earlier schema, and its key."""
    name: str = request.param
    key = tmp_path / "audit.key"
    shutil.copy(DATA / f"{name}.key", key)
    if name.startswith("sqlite"):
        (tmp_path / "audit.db").write_bytes(gzip.decompress((DATA / f"{name}.db.gz").read_bytes()))
        return f"sqlite:///{tmp_path}/audit.db", key
    server = request.getfixturevalue("postgres")
    url = str(request.getfixturevalue("postgres_url"))
    dump = server.folder / "old.sql"
    dump.write_bytes(gzip.decompress((DATA / f"{name}.sql.gz").read_bytes()))
    dump.chmod(0o644)
    server.run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(dump), server.url("t_test_upgrade", "postgres"))
    return url, key


def test_every_earlier_schema_of_every_engine_is_here() -> None:
    """A new step of the schema needs a database of the step before it."""
    for engine in ("sqlite", "postgres"):
        assert {f"{engine}_{number}" for number in range(1, migrate.newest(engine))} <= set(OLD)


def test_it_goes_forward_and_verifies(old: tuple[str, Path]) -> None:
    """Entries, proofs, search and what was erased are as they were; it goes on, and is sealed and signed."""
    url, key = old
    with whodid.open(url, key=key, clock=later()) as log:
        for workspace in log.workspaces():
            report = log.verify(workspace)
            assert report.ok, report.problems
            assert report.checkpoint or workspace == "other"
        size = log.head(HOME).size
        assert size in {301, 302}
        assert [one.id for one in log.find(HOME, "resource:con_77").entries] == [event(77).id]
        assert not log.find(HOME, '"contact 200"').entries
        assert [one.resource.name for one in log.find("other", "zephyrine").entries] == ["Zephyrine"]
        record(log, [event(77), *(event(number) for number in range(1_000, 1_300))])
        assert log.head(HOME).size == size + 300
        log.seal(HOME, close=True)
        assert log.verify(HOME).ok
        assert log.checkpoint(HOME)


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_program_that_runs_on_while_a_newer_one_migrates_writes_nothing_wrong(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the migration it records; after it, it is told to restart; the newer one has everything."""
    url = f"sqlite:///{tmp_path}/audit.db" if engine == "sqlite" else str(request.getfixturevalue("postgres_url"))
    key = tmp_path / "audit.key"
    steps = migrate.migrations(engine)
    statement = "CREATE TABLE {}newer (n integer)".format("whodid." if engine == "postgres" else "")
    newer = migrate.Migration(len(steps) + 1, "newer", statement, "0" * 64)
    with whodid.open(url, key=key, clock=Clock()) as running:
        record(running, (event(number) for number in range(20)))
        monkeypatch.setattr(migrate, "migrations", lambda _engine: [*steps, newer])
        whodid.open(url, key=key, clock=Clock()).close()
        with pytest.raises(StoreVersion, match=r"Restart it with the newer whodid; nothing was written"):
            record(running, [event(20)])
        if engine == "sqlite":
            # Its steps change what stands in columns, so an older program would read something else.
            with pytest.raises(StoreVersion):
                running.find(HOME, "")
        else:
            from whodid.store.postgres import write

            monkeypatch.setattr(write, "_KNOWN", newer.number)
        with whodid.open(url, key=key, clock=Clock()) as log:
            record(log, [event(20)])
            assert [entry.index for entry in log.read(HOME)] == list(range(21))
            assert log.verify(HOME).ok
