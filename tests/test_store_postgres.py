"""What only the PostgreSQL store promises: weeks, the second wall, several servers, durable settings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import whodid
from tests.keeping import HOME, Clock, catalog, event, record
from whodid import Log, Resource, sequence
from whodid.errors import InvalidSetting, StoreUnavailable, StoreVersion
from whodid.query import Query, parse
from whodid.sequence import Batch, Head
from whodid.store.base import Known, Store
from whodid.store.postgres.write import REMOVE_IDS
from whodid.testing import EPOCH, StoreContract, append, content, prepared

if TYPE_CHECKING:
    import psycopg

    from tests.postgresing import Server
    from whodid.store.postgres import PostgresStore

pytestmark = pytest.mark.postgres
MONDAY = datetime.fromisoformat("2026-08-31T00:00:00+00:00")
WEEK = timedelta(days=7)


@pytest.fixture
def opened(postgres_url: str) -> Iterator[Callable[[], PostgresStore]]:
    """Lend a function that opens the database once more, as another server would."""
    from whodid.store.postgres import PostgresStore

    stores: list[PostgresStore] = []

    def another() -> PostgresStore:
        stores.append(PostgresStore(postgres_url))
        return stores[-1]

    yield another
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[[], PostgresStore]) -> PostgresStore:
    """Return an empty store."""
    return opened()


@pytest.fixture
def beside(postgres: Server, postgres_url: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Lend a superuser's connection to the same database."""
    with postgres.connect(database_of(postgres_url)) as connection:
        yield connection


def database_of(url: str) -> str:
    """Return the name of the database of a test's address."""
    return url.rpartition("@/")[2].partition("?")[0]


def purge(store: Store, workspace: str, gone: range, now: datetime) -> None:
    """Forget a range and move `first` behind it."""
    record = sequence.prepare(content(90_000 + gone.stop, occurred_at=now), b"\1" * 32, 4)

    def assemble(head: Head | None, known: Known) -> Batch:
        assert head is not None
        return sequence.assemble(msgspec.structs.replace(head, first=gone.stop), [record], now)

    assert store.forget(workspace, [gone], assemble) is not None


def weeks(connection: psycopg.Connection[tuple[Any, ...]]) -> list[str]:
    """List the weeks that have a table."""
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'whodid'::regnamespace AND relkind = 'r' "
        "AND relname LIKE 'entry\\_20%' ORDER BY 1"
    ).fetchall()
    return [name.removeprefix("entry_") for (name,) in rows]


def test_a_week_is_made_when_it_comes_and_one_ahead(store: PostgresStore, beside: Any) -> None:
    """Entries lie in the week of their recording; the next week is there before anybody needs it."""
    append(store, "w", prepared(0, 5), MONDAY - timedelta(microseconds=1))
    append(store, "w", prepared(5, 5), MONDAY)
    append(store, "w", prepared(10, 5), MONDAY + 2 * WEEK)
    assert weeks(beside) == ["2026_08_24", "2026_08_31", "2026_09_07", "2026_09_14", "2026_09_21"]
    counted = [beside.execute(f"SELECT count(*) FROM whodid.entry_{week}").fetchone()[0] for week in weeks(beside)]
    assert counted == [5, 5, 0, 5, 0]
    assert [one.index for one in store.read("w", 0, 15)] == list(range(15))
    assert list(store.check("w")) == []


def test_servers_that_come_to_a_new_week_at_once_make_it_once(opened: Callable[[], PostgresStore]) -> None:
    """Threads of several servers append to different logs at the very beginning of a week."""
    stores = [opened() for _ in range(3)]
    failures: list[BaseException] = []
    begin = threading.Barrier(6)

    def work(number: int) -> None:
        begin.wait()
        try:
            for week in range(3):
                append(stores[number % 3], f"w{number}", prepared(10 * week, 10), MONDAY + week * 2 * WEEK)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(len(list(stores[0].read(f"w{number}", 0, 100))) == 30 for number in range(6))


def test_servers_share_one_log(opened: Callable[[], PostgresStore]) -> None:
    """Appends of several servers to one log leave no gap, and each sees what the others wrote at once."""
    stores = [opened() for _ in range(3)]
    threads = [
        threading.Thread(target=lambda number=number: [
            append(stores[number], "w", prepared(1_000 * number + step * 5, 5)) for step in range(10)
        ])
        for number in range(3)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        assert [one.index for one in store.read("w", 0, 1_000)] == list(range(150))
        assert store.count("w", Query(), 1_000) == (150, True)
        assert list(store.check("w")) == []


def test_a_purge_drops_a_week_as_a_whole(store: PostgresStore, beside: Any) -> None:
    """When everything of a closed week goes, its tables go; what other workspaces have in a week keeps it."""
    append(store, "w", prepared(0, 50), MONDAY)
    append(store, "w", prepared(50, 50), MONDAY + WEEK)
    append(store, "other", prepared(0, 3), MONDAY + WEEK)
    purge(store, "w", range(100), MONDAY + 5 * WEEK)
    assert "2026_08_31" not in weeks(beside)
    assert "2026_09_07" in weeks(beside)
    assert [one.index for one in store.read("w", 0, 200)] == [100]
    assert [one.index for one in store.read("other", 0, 9)] == [0, 1, 2]
    assert list(store.check("w")) == list(store.check("other")) == []
    # Whoever goes last takes the week along.
    purge(store, "other", range(3), MONDAY + 5 * WEEK)
    assert "2026_09_07" not in weeks(beside)
    assert list(store.check("other")) == []


def test_a_week_in_use_is_dropped_later(store: PostgresStore, beside: Any) -> None:
    """A purge does not wait for a long reader: it deletes, and upkeep drops the empty week afterwards."""
    append(store, "w", prepared(0, 10), EPOCH)
    append(store, "w", prepared(10, 10), EPOCH + WEEK)
    with beside.transaction():
        beside.execute("SELECT count(*) FROM whodid.entry")
        purge(store, "w", range(20), EPOCH + 5 * WEEK)
        assert [one.index for one in store.read("w", 0, 99)] == [20]
    week = "2026_08_24"
    assert week in weeks(beside)
    while store.tend():
        pass
    assert week not in weeks(beside)
    append(store, "w", prepared(30, 5), EPOCH + 6 * WEEK)
    assert list(store.check("w")) == []


def test_a_dropped_week_can_come_back(opened: Callable[[], PostgresStore], beside: Any) -> None:
    """A server whose clock is behind, and who knew the week, makes it again."""
    behind, ahead = opened(), opened()
    append(behind, "a", prepared(0, 5), MONDAY)
    append(behind, "a", prepared(5, 5), MONDAY)  # now it knows the week
    purge(ahead, "a", range(10), MONDAY + 4 * WEEK)
    assert "2026_08_31" not in weeks(beside)
    append(behind, "b", prepared(0, 5), MONDAY)
    assert len(list(behind.read("b", 0, 9))) == 5


# ------------------------------------------------------------------------------------------------------ the second wall


def test_a_statement_sees_its_own_workspace_only(store: PostgresStore) -> None:
    """Without a workspace nothing is there; with one, only its rows: in every table, whatever the statement says."""
    append(store, "a", prepared(0, 30))
    append(store, "b", prepared(0, 20))
    store.swap_state("b", "x", None, b"1")
    ws = store.coding.keys.workspace("b")
    tables = ("log", "segment", "entry", "entry_id", "touch", "shape", "tally", "tile", "state")
    for table in tables:
        with store.engine.keeping() as connection:
            assert connection.value(f"SELECT count(*) FROM whodid.{table}") == 0
        with store.engine.reading(ws) as connection:
            assert [row[0] for row in connection.rows(f"SELECT DISTINCT ws FROM whodid.{table}")] == [ws]


def test_a_statement_writes_its_own_workspace_only(store: PostgresStore) -> None:
    """Writing into another workspace is refused, and changing or deleting its rows finds none."""
    append(store, "a", prepared(0, 3))
    append(store, "b", prepared(0, 3))
    a, b = store.coding.keys.workspace("a"), store.coding.keys.workspace("b")
    with pytest.raises(InvalidSetting, match="row-level security"), store.engine.writing(b) as connection:
        connection.execute("INSERT INTO whodid.state VALUES (%s, 'x', 'y')", (a,))
    with store.engine.writing(b) as connection:
        assert connection.execute("DELETE FROM whodid.entry WHERE ws = %s", (a,)) == 0
        assert connection.execute("UPDATE whodid.log SET size = 0 WHERE ws = %s", (a,)) == 0
    assert len(list(store.read("a", 0, 9))) == 3


def test_listing_reads_nothing_but_the_list(store: PostgresStore) -> None:
    """The transaction that names the workspaces has no entry of any."""
    append(store, "a", prepared(0, 3))
    with store.engine.listing() as connection:
        assert connection.value("SELECT count(*) FROM whodid.log") == 1
        assert connection.value("SELECT count(*) FROM whodid.entry") == 0


def test_every_unique_key_holds_the_workspace(store: PostgresStore, beside: Any) -> None:
    """So that the tables can be distributed by workspace; what belongs to none is exempt."""
    shared = {"setting", "dictionary", "migration"}
    rows = beside.execute(
        "SELECT c.relname, array_agg(a.attname::text) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey) "
        "WHERE c.relnamespace = 'whodid'::regnamespace AND i.indisunique GROUP BY c.relname, i.indexrelid"
    ).fetchall()
    assert {name for name, columns in rows if "ws" not in columns} == shared


# ------------------------------------------------------------------------------------------------------------- settings


def test_without_an_index_of_words_the_answers_are_the_same(opened: Callable[[], PostgresStore], beside: Any) -> None:
    """The index may be dropped: every question has the same answer."""
    opened()
    beside.execute("DROP INDEX whodid.entry_words")
    without = opened()
    assert not without.coding.has_words
    StoreContract().test_every_question_agrees_with_its_meaning(without)


def test_a_frequent_word_is_found_in_order(store: PostgresStore) -> None:
    """Pages of a word that everything has are those of the list without it, over several weeks."""
    for week in range(3):
        append(store, "w", prepared(400 * week, 400), EPOCH + timedelta(days=30) + week * WEEK)
    found, cursor = list[int](), None
    while True:
        page = store.find("w", parse("getafe", now=EPOCH), cursor, 97)
        found += [one.index for one in page.entries]
        cursor = page.next
        if cursor is None:
            break
    assert found == [one.index for one in store.find("w", Query(), None, 2_000).entries]
    assert len(found) == 1_200


def test_a_step_of_a_purge_reads_no_ids_but_its_own(store: PostgresStore, beside: Any) -> None:
    """The statement goes through the key, however many entries the log has: a step must not grow with the log."""
    append(store, "w", prepared(0, 3_000), EPOCH + timedelta(days=30))
    beside.execute("ANALYZE whodid.entry_id")
    ids = [kept.id for kept in store.read("w", 100, 150)]
    ws = store.coding.keys.workspace("w")
    plan = "\n".join(line for (line,) in beside.execute(f"EXPLAIN {REMOVE_IDS}", (ws, ids)))
    assert "entry_id_pkey" in plan
    assert "Seq Scan" not in plan


def test_a_commit_is_on_the_disk_whatever_the_role_says(store: PostgresStore, beside: Any) -> None:
    """A role that was set to asynchronous commits does not make ours asynchronous."""
    with store.engine.keeping() as connection:
        connection.execute("SET SESSION synchronous_commit = off")
    with store.engine.writing(1) as connection:
        assert connection.value("SELECT current_setting('synchronous_commit')") == "on"


def test_a_server_that_does_not_sync_is_refused(postgres: Server, postgres_url: str) -> None:
    """Without fsync every receipt would be a lie."""
    from whodid.store.postgres import PostgresStore

    postgres.kill()
    postgres.start(fsync="off")
    try:
        with pytest.raises(InvalidSetting, match="fsync"):
            PostgresStore(postgres_url)
    finally:
        postgres.kill()
        postgres.start()


def test_servers_that_open_an_empty_database_at_once_agree(opened: Callable[[], PostgresStore]) -> None:
    """The schema is made once, and all of them use the same secret."""
    stores: list[PostgresStore] = []
    threads = [threading.Thread(target=lambda: stores.append(opened())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.coding.keys.workspace("w") for one in stores}) == 1
    assert len(stores) == 4


def test_a_newer_schema_is_left_alone(opened: Callable[[], PostgresStore], beside: Any) -> None:
    """A database that a newer program wrote is refused."""
    opened()
    beside.execute("INSERT INTO whodid.migration VALUES (999, 'future', '')")
    with pytest.raises(StoreVersion):
        opened()


def test_a_lock_that_is_not_to_be_had_is_an_error_in_our_words(store: PostgresStore, beside: Any) -> None:
    """Whoever waits too long for a workspace is told to try again, and nothing was written."""
    append(store, "w", prepared(0, 1))
    with beside.transaction():
        beside.execute("SELECT 1 FROM whodid.log FOR UPDATE")
        with pytest.raises(StoreUnavailable), store.engine.writing(store.coding.keys.workspace("w")) as writer:
            writer.execute("SET LOCAL lock_timeout = '50ms'")
            writer.execute("UPDATE whodid.log SET size = size")
    assert len(list(store.read("w", 0, 9))) == 1


def test_a_database_that_is_not_there_is_an_error_in_our_words(postgres: Server) -> None:
    """The password of the address is not in the message."""
    from whodid.store.postgres import PostgresStore

    url = f"postgresql://somebody:secret@/nothing?host={postgres.folder}"
    with pytest.raises(StoreUnavailable) as caught:
        PostgresStore(url)
    assert "secret" not in str(caught.value)
    with pytest.raises(InvalidSetting):
        PostgresStore("postgresql://[broken")


def test_threads_append_to_different_logs_at_once(store: PostgresStore) -> None:
    """Workspaces do not wait for one another within a process either, and no entry is garbled."""

    def work(number: int) -> None:
        for step in range(6):
            append(store, f"w{number}", prepared(100 * step, 100))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(5):
        assert len(list(store.read(f"w{number}", 0, 1_000))) == 600
        assert list(store.check(f"w{number}")) == []


SECRET = "Zephyrine Quackenbush"


def erase_name(log: Log, index: int) -> None:
    """Erase a name as an erasure does, and clear the files."""
    said = event(90_000 + index, "audit.erased", resource=Resource(type="log", id=HOME))
    assert log.erase(HOME, {index: ["resource.name"]}, said) is not None


def bytes_of(server: Server) -> bytes:
    """Return what stands in the files of all databases of a server, its write-ahead log excepted."""
    with server.connect("postgres") as connection:
        connection.execute("CHECKPOINT")
    return b"".join(path.read_bytes() for path in sorted((server.data / "base").rglob("*")) if path.is_file())


@pytest.fixture
def crowded(postgres_url: str) -> Iterator[tuple[Log, bytes]]:
    """Open a log with a person in a crowd, and return the person's content as it is stored."""
    with whodid.open(postgres_url, clock=Clock(), catalog=catalog()) as log:
        crowd = [
            event(number, resource=Resource(type="contact", id=f"con_{number}", name=f"Crowd {number}"))
            for number in range(1, 400)
        ]
        record(log, crowd[:200])
        record(log, [event(1_000, resource=Resource(type="contact", id="con_1", name=SECRET))])
        record(log, crowd[200:])
        store: Any = log._store
        with store.engine.reading(store.coding.keys.workspace(HOME)) as reader:
            packed: bytes = reader.value("SELECT payload FROM whodid.entry WHERE index = 200")
        yield log, packed


def test_erased_bytes_are_gone_from_the_files_after_a_checkpoint(crowded: tuple[Log, bytes], postgres: Server) -> None:
    """The week is rewritten, dead rows, large values and indexes included; the rest stays, and it verifies."""
    log, packed = crowded
    assert packed in bytes_of(postgres)
    erase_name(log, 200)
    assert packed in bytes_of(postgres)
    log.compact()

    data = bytes_of(postgres)
    for needle in (packed, SECRET.encode(), b"zephyrine", b"quackenbush"):
        assert needle not in data
    assert log.get(HOME, 199).resource.name == "Crowd 200"
    assert log.count(HOME, "crowd").value == 399
    assert log.verify(HOME).ok


def test_a_rewriting_that_was_not_done_is_done_the_next_time(
    crowded: tuple[Log, bytes], postgres: Server, postgres_url: str
) -> None:
    """Whoever dies between the erasure and the rewriting leaves a note of it, which another server finds."""
    log, packed = crowded
    erase_name(log, 200)
    with whodid.open(postgres_url, clock=Clock(), catalog=catalog()) as other:
        other.compact()
        assert packed not in bytes_of(postgres)
        with other._store.engine.keeping() as writer:  # type: ignore[attr-defined]  # it is a PostgresStore
            assert writer.rows("SELECT name FROM whodid.setting WHERE name <> 'key'") == []


def test_whoever_may_still_look_at_erased_rows_is_not_passed_over(
    crowded: tuple[Log, bytes], postgres: Server, beside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old transaction keeps the rows alive, and a reader keeps the table: both are said, and nothing is lost."""
    monkeypatch.setattr("whodid.store.postgres.rewrite._PATIENCE", "20ms")
    monkeypatch.setattr("whodid.store.postgres.rewrite._REST_S", 0)
    log, packed = crowded
    beside.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    beside.execute("SELECT count(*) FROM whodid.setting")
    erase_name(log, 200)
    with pytest.raises(StoreUnavailable, match="old transaction"):
        log.compact()
    assert packed in bytes_of(postgres)
    beside.execute("SELECT count(*) FROM whodid.entry")
    with pytest.raises(StoreUnavailable, match="in use"):
        log.compact()
    beside.execute("ROLLBACK")
    log.compact()
    assert packed not in bytes_of(postgres)


def test_a_role_to_which_no_wall_applies_is_told_of(
    postgres: Server, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A superuser reads over the second wall; its own role does not, and nothing is said."""
    with whodid.open(postgres_url) as log:
        record(log, [event(1)])
    assert "row-level security" not in caplog.text
    with whodid.open(postgres.url(database_of(postgres_url), "postgres")) as log:
        assert log.count(HOME, parse("", now=EPOCH)).value == 1
    (told,) = [one.getMessage() for one in caplog.records if "row-level security" in one.getMessage()]
    assert told.startswith("The role postgres of ")
    assert told.endswith("Use a role that is NOSUPERUSER and NOBYPASSRLS.")
