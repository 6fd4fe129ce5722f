"""`whodid relay`: a process between the outbox of an application and a log, which may be killed at any time."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

import whodid
from tests import shell
from tests.capturing import TABLE, Base, event
from tests.remoting import WORKSPACE, Server, environment, ids, serving
from tests.shell import Run
from whodid.capture.outbox import Outbox, outbox_table
from whodid.capture.remote import RemoteRecorder
from whodid.errors import StoreUnavailable

run = shell.run


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    """Open the application's database."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def write(engine: sa.Engine) -> Callable[..., None]:
    """Return what commits events of a workspace, as the application does."""
    outbox = Outbox(engine, TABLE)

    def commit(*numbers: int, workspace: str = WORKSPACE) -> None:
        with engine.begin() as connection:
            outbox.write(connection, workspace, [event(number) for number in numbers])

    return commit


def recorded(tmp_path: Path, workspace: str = WORKSPACE) -> list[str]:
    """List the things of the entries, and check the log."""
    with whodid.open(f"sqlite:///{tmp_path / 'audit.db'}") as log:
        assert log.verify(workspace).ok
        return [entry.resource.id for entry in log.read(workspace)]


def until(happened: Callable[[], bool]) -> None:
    """Wait for something to happen."""
    end = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@contextmanager
def started(tmp_path: Path, *more: str, database: str = "sqlite:///shop.db") -> Iterator[subprocess.Popen[str]]:
    """Run the command in a process of its own, which does not outlive the test."""
    command = [sys.executable, "-m", "whodid", "relay", database, "--store", "sqlite:///audit.db", *more]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


# --------------------------------------------------------------------------------------------------------------- once


def test_once_delivers_what_is_committed_and_ends(run: Run, write: Callable[..., None], tmp_path: Path) -> None:
    """Everything arrives in order, and a second call finds nothing."""
    write(*range(5))
    write(7, workspace="other")
    first = run("relay", "sqlite:///shop.db", "--store", "sqlite:///audit.db", "--once")
    second = run("relay", "sqlite:///shop.db", "--store", "sqlite:///audit.db", "--once", "--json")

    assert (first.code, first.out, first.err) == (0, "", "Delivered 6 events.\n")
    assert second.code == 0
    assert {**second.json(), "at": ""} == {
        "at": "", "delivered": 0, "refused": 0, "waiting": 0, "oldest": None, "aside": 0, "fault": ""
    }  # fmt: skip
    assert recorded(tmp_path) == ["0", "1", "2", "3", "4"]
    assert recorded(tmp_path, "other") == ["7"]


def test_the_address_may_come_from_the_environment(
    run: Run, write: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address with a password need not stand in the list of processes."""
    write(1)
    monkeypatch.setenv("WHODID_OUTBOX", "sqlite:///shop.db")

    assert run("relay", "--store", "sqlite:///audit.db", "--once").code == 0
    assert recorded(tmp_path) == ["1"]


def test_one_workspace_leaves_the_others_waiting(run: Run, write: Callable[..., None], tmp_path: Path) -> None:
    """Events of other workspaces neither travel nor stand in the way."""
    write(*range(3), workspace="other")
    write(3)
    done = run("relay", "sqlite:///shop.db", "--store", "sqlite:///audit.db", "--once", "-w", WORKSPACE)

    assert done.err == "Delivered 1 event.\n"
    assert recorded(tmp_path) == ["3"]
    assert Outbox.at(f"sqlite:///{tmp_path / 'shop.db'}").backlog().waiting == 3


def test_what_the_log_refuses_is_named_and_can_be_tried_again(
    run: Run, write: Callable[..., None], engine: sa.Engine, tmp_path: Path
) -> None:
    """A refused event is a problem that the exit code tells; `--refused` delivers it once it is good."""
    arguments = ("relay", "sqlite:///shop.db", "--store", "sqlite:///audit.db", "--once")
    write(1, 2)
    with engine.begin() as connection:
        (good,) = connection.execute(sa.select(TABLE.c.event).where(TABLE.c.place == 1)).one()
        connection.execute(sa.update(TABLE).where(TABLE.c.place == 1).values(event="{not json"))
    first = run(*arguments)
    with engine.begin() as connection:
        connection.execute(sa.update(TABLE).where(TABLE.c.place == 1).values(event=good))

    assert first.code == 1
    assert first.err.startswith("Delivered 1 event, 1 were refused.\nwsp, place 1: It cannot be read: ")
    assert run(*arguments).err == "Delivered 0 events.\n"
    assert run(*arguments, "--refused").err == "Delivered 1 event.\n"
    assert recorded(tmp_path) == ["2", "1"]


def test_actions_of_the_application_are_declared(
    run: Run, write: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its catalog, entries have the kind that it declares; without, they would be marked."""
    (tmp_path / "relay_shop.py").write_text(
        "import whodid\n"
        "made = whodid.Action(name='thing.made', kind='create', severity='info', resource_type='thing',"
        " label={'en': 'Made'}, sentences={'en': '{actor} made {resource}'})\n"
        "catalog = whodid.builtin().declare(made)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    write(1)
    arguments = ("relay", "sqlite:///shop.db", "--store", "sqlite:///audit.db", "--once")

    assert run(*arguments, "--catalog", "relay_shop:made").code == 2
    assert run(*arguments, "--catalog", "relay_shop:catalog").code == 0
    with whodid.open(f"sqlite:///{tmp_path / 'audit.db'}") as log:
        (entry,) = log.read(WORKSPACE)
        assert (entry.kind, "undeclared" in entry.marks) == ("create", False)


# -------------------------------------------------------------------------------------------------------- as a process


def test_it_runs_until_it_is_told_to_end(write: Callable[..., None], tmp_path: Path) -> None:
    """What commits while it runs arrives; SIGTERM ends it in order, and it tells what it did."""
    write(0)
    with started(tmp_path, "--interval", "0.02") as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Carrying events from sqlite:///shop.db to sqlite:///audit.db")
        outbox = Outbox.at(f"sqlite:///{tmp_path / 'shop.db'}")
        for number in range(1, 4):
            until(lambda: outbox.backlog().waiting == 0)
            write(number)
        until(lambda: outbox.backlog().waiting == 0)
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=30)[1]

    assert process.returncode == 0
    assert rest.splitlines()[-1] == "Delivered 4 events."
    assert recorded(tmp_path) == ["0", "1", "2", "3"]


def test_it_says_when_the_log_is_away_and_when_it_is_back(write: Callable[..., None], tmp_path: Path) -> None:
    """A failure is told once, not again and again, and so is its end; nothing is lost in between."""
    with serving(tmp_path) as server:
        (tmp_path / "api.key").write_text(server.key)
        server.mode = "503"
        write(1, 2)
        command = (*to(server), "--json", "--interval", "0.05")
        with started(tmp_path, *command) as process:
            assert process.stdout is not None
            away = json.loads(process.stdout.readline())
            server.mode = "fine"
            back = json.loads(process.stdout.readline())
            process.send_signal(signal.SIGINT)
            last = json.loads(process.communicate(timeout=30)[0])

        assert (away["delivered"], away["waiting"]) == (0, 2)
        assert "503" in away["fault"]
        assert (back["delivered"], back["waiting"], back["fault"]) == (2, 0, "")
        assert {**last, "at": back["at"]} == back
        assert len(set(ids(server.log))) == len(ids(server.log)) == 2


@pytest.mark.faults
def test_kills_lose_nothing_and_double_nothing(write: Callable[..., None], tmp_path: Path, run: Run) -> None:
    """Killed in the middle of its work, again and again: in the end each event has exactly one entry."""
    outbox = Outbox.at(f"sqlite:///{tmp_path / 'shop.db'}")
    left = []
    for round_ in range(4):
        write(*range(2000 * round_, 2000 * round_ + 2000))
        waited = outbox.backlog().waiting
        with started(tmp_path) as process:
            until(lambda waited=waited: outbox.backlog().waiting < waited)  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
        left.append(outbox.backlog().waiting)
    assert any(left), "it was never killed in the middle of its work"
    assert run("relay", "sqlite:///shop.db", "--store", "sqlite:///audit.db", "--once").code == 0

    found = recorded(tmp_path)
    assert len(found) == 8000
    assert sorted(found, key=int) == [str(number) for number in range(8000)]


@pytest.mark.postgres
def test_two_relays_share_the_work(postgres_url: str, tmp_path: Path) -> None:
    """Beside each other, on PostgreSQL and in a schema of the application, one of them killed: once each, and told."""
    address = postgres_url.replace("postgresql://", "postgresql+psycopg://")
    engine = sa.create_engine(address)
    table = outbox_table(sa.MetaData(), schema="shop")
    outbox = Outbox(engine, table)
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema("shop"))
    outbox.create()
    with engine.begin() as connection:
        outbox.write(connection, WORKSPACE, [event(number) for number in range(3000)])
    more = ("--schema", "shop", "--interval", "0.05")
    with started(tmp_path, *more, database=address) as one, started(tmp_path, *more, database=address) as other:
        until(lambda: outbox.backlog().waiting < 3000)
        one.kill()
        until(lambda: outbox.backlog().waiting == 0)
        other.terminate()
        told = other.communicate(timeout=30)[1]
    engine.dispose()

    assert sorted(recorded(tmp_path), key=int) == [str(number) for number in range(3000)]
    assert told.splitlines()[-1].startswith("Delivered ")


# ---------------------------------------------------------------------------------------------------------- to a server


def to(server: Server) -> tuple[str, ...]:
    """Return the options that name a server and the file of its key."""
    return "--url", server.url, "--api-key", "api.key", "-w", WORKSPACE


def test_a_server_takes_what_a_store_would(run: Run, write: Callable[..., None], tmp_path: Path) -> None:
    """Each event is recorded once, also when the answer was lost; a request too large for the server is divided."""
    with serving(tmp_path) as server:
        (tmp_path / "api.key").write_text(server.key)
        arguments = ("relay", "sqlite:///shop.db", *to(server), "--once")
        write(*range(1100))
        server.mode = "forgetful"
        lost = run(*arguments)
        server.mode = "fine"
        done = run(*arguments)

        assert lost.code == 1
        assert lost.err.startswith("Delivered 0 events, 1,100 wait.\nThe server answered 500.")
        assert (done.code, done.err) == (0, "Delivered 1,100 events.\n")
        assert len(set(ids(server.log))) == len(ids(server.log)) == 1100


def test_a_server_refuses_one_event_and_takes_the_others(run: Run, write: Callable[..., None], tmp_path: Path) -> None:
    """The reason of the server lies in the outbox."""
    with serving(tmp_path) as server:
        (tmp_path / "api.key").write_text(server.key)
        outbox = Outbox.at(f"sqlite:///{tmp_path / 'shop.db'}")
        write(1, 2)
        with outbox.engine.begin() as connection:
            outbox.write(connection, WORKSPACE, [event(3, details={"note": "x" * 400_000})])
        arguments = ("relay", "sqlite:///shop.db", *to(server), "--once")
        done = run(*arguments)

        assert done.code == 1
        assert len(ids(server.log)) == 2
        (aside,) = outbox.quarantined()
        assert aside.fault
        assert aside.fault in done.err


def test_the_key_of_another_workspace_moves_nothing(run: Run, write: Callable[..., None], tmp_path: Path) -> None:
    """The key is at fault, not the events: they wait for the right one."""
    with serving(tmp_path) as server:
        (tmp_path / "api.key").write_text(server.key)
        write(1, workspace="other")
        done = run("relay", "sqlite:///shop.db", "--url", server.url, "--api-key", "api.key", "-w", "other", "--once")

        assert done.code == 1
        assert "Use the key of this workspace" in done.err
        assert Outbox.at(f"sqlite:///{tmp_path / 'shop.db'}").backlog().waiting == 1


def test_a_server_that_asks_for_a_pause_gets_it(tmp_path: Path) -> None:
    """After Retry-After was said, no request is made before its time."""
    with serving(tmp_path) as server:
        recorder = RemoteRecorder(server.url, server.key)
        server.mode = "429"
        for _ in range(5):
            with pytest.raises(StoreUnavailable):
                recorder.record_many(WORKSPACE, [event(1)])
        recorder.close()

        assert server.requests == 1


# -------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["nonsense"], 2, "not the address of a database"),
        (["nosuch://host/shop"], 2, "nosuch"),
        (["postgresql+nosuch://shop:hunter2@host/shop"], 2, "nosuch"),
        (["sqlite+aiosqlite:///shop.db"], 2, "synchronous"),
        (["sqlite:///nowhere.db"], 3, "There is no database"),
        (["sqlite:///empty.db", "--store", "memory://"], 3, "whodid_outbox"),
        (["sqlite:///shop.db"], 2, "No store was named"),
        (["sqlite:///shop.db", "--store", "sqlite:///./shop.db"], 2, "one file"),
        (["sqlite:///shop.db", "--interval", "0"], 2, "interval"),
        (["sqlite:///shop.db", "--url", "http://127.0.0.1:9"], 2, "--api-key"),
        (["sqlite:///shop.db", "--url", "http://127.0.0.1:9", "--api-key", "x"], 2, "--workspace"),
        (["sqlite:///shop.db", "--url", "http://127.0.0.1:9", "--api-key", "nowhere.key", "-w", "w"], 2, "nowhere.key"),
        (["sqlite:///shop.db", "--store", "sqlite:///audit.db", "--catalog", "json:dumps"], 2, "not a catalog"),
    ],
)
def test_errors_are_a_sentence_and_an_exit_code(
    run: Run, engine: sa.Engine, arguments: list[str], code: int, text: str
) -> None:
    """Fact and remedy; never a password of the address."""
    tmp_path = Path(str(engine.url.database)).parent
    (tmp_path / "empty.db").touch()
    done = run("relay", "--once", *arguments)

    assert (done.code, done.out) == (code, "")
    assert text in done.err
    assert "hunter2" not in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "nowhere.db").exists()
