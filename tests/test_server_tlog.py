"""The log in the layout of C2SP tlog-tiles: read whole by ourselves, and by two published clients."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from starlette.testclient import TestClient

from tests.remoting import OPERATOR, ROOT, WORKSPACE, Server, serving
from tests.remoting import event as simple
from tests.serving import AWAY, HOME, PII, READ, Clock, bearer, check_problem, client, event, record, token
from tests.serving import open_log as opened
from whodid import Log
from whodid.proof import leaf, tile, tree
from whodid.proof.checkpoint import Checkpoint, open_checkpoint
from whodid.proof.cosign import Cosigner, format_request
from whodid.proof.note import Verifier, parse_note
from whodid.retention import purge
from whodid.server.keys import KeyRing
from whodid.witness.book import Book

READER = ROOT / "tests" / "clients" / "tlog" / "reader"
PREFIX = "/v1/tlog/"


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands at NOW."""
    return Clock()


@pytest.fixture
def log(clock: Clock) -> Iterator[Log]:
    """Open the story, with entries enough for three tiles."""
    with opened(clock) as one:
        record(one, HOME, [event(5000 + at, "contact.created", ago=timedelta(hours=1)) for at in range(700)])
        yield one


@pytest.fixture
def http(log: Log) -> Iterator[TestClient]:
    """Open a client of somebody who may read, and may not read personal values."""
    with client(log) as one:
        one.headers.update(bearer(token(permissions=(READ,))))
        yield one


def head(http: TestClient, log: Log, workspace: str = HOME) -> Checkpoint:
    """Open the signed head."""
    answer = http.get(PREFIX + "checkpoint")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert answer.headers["cache-control"] == "private, no-cache"
    return open_checkpoint(answer.text, Verifier(log.verifier_key(workspace)))[0]


def fetch(http: TestClient, level: int | None, index: int, width: int) -> bytes:
    """Fetch a tile or a bundle by the path that the specification gives it."""
    answer = http.get(PREFIX + tile.path(level, index, width))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream"), answer.text
    return answer.content


def walk(http: TestClient, size: int) -> tuple[bytes, list[bytes]]:
    """Read every bundle and every tile of a tree, compute each tile anew, and return the root and the leaves."""
    leaves: list[bytes] = []
    while len(leaves) < size:
        index = len(leaves) // tile.TILE
        leaves += tile.decode_bundle(fetch(http, None, index, tile.width_at(0, index, size)))
    assert len(leaves) == size
    frontier, nodes = tree.extend((), 0, [tree.leaf_hash(one) for one in leaves])
    for one in tile.additions(nodes):
        width = tile.width_at(one.level, one.index, size)
        assert fetch(http, one.level, one.index, width) == one.hashes
    return tree.root(frontier), leaves


def test_everything_is_read_again_from_bundles_and_tiles(http: TestClient, log: Log) -> None:
    """Bundles hash to the tiles, tiles to the signed root, as the log's own verification says; older sizes as well."""
    signed = head(http, log)
    root, leaves = walk(http, signed.size)
    report = log.verify(HOME)
    assert (report.ok, report.size, report.checked) == (True, signed.size, signed.size)
    assert root == signed.root
    for index in (0, 3, 255, 256, signed.size - 1):
        inclusion = log.prove(HOME, index)
        assert inclusion.leaf == leaves[index]
    headers = [leaf.Header.decode(one) for one in leaves]
    assert [one.recorded_at for one in headers] == sorted(one.recorded_at for one in headers)
    # A size of before is served as it was, partial tiles included.
    record(log, HOME, [event(9000 + at, "contact.created") for at in range(300)])
    assert walk(http, signed.size)[0] == signed.root
    newer = head(http, log)
    assert newer.size == signed.size + 300
    assert walk(http, newer.size)[0] == newer.root


def test_a_tile_is_kept_by_its_reader(http: TestClient) -> None:
    """Full tiles of hashes for a year; what may go by retention, and what is outgrown, for a day; never by others."""
    ages = {
        path: http.get(PREFIX + path).headers["cache-control"]
        for path in ("tile/0/000", "tile/0/002.p/100", "tile/1/000.p/2", "tile/entries/001")
    }
    assert ages == {
        "tile/0/000": "private, max-age=31536000, immutable",
        "tile/0/002.p/100": "private, max-age=86400, immutable",
        "tile/1/000.p/2": "private, max-age=86400, immutable",
        "tile/entries/001": "private, max-age=86400, immutable",
    }
    assert http.get(PREFIX + "tile/0/000").headers["vary"] == "Authorization, Origin"


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/002",  # not full
        "tile/0/002.p/255",
        "tile/0/003.p/1",
        "tile/1/000.p/3",
        "tile/2/000.p/1",
        "tile/63/000.p/1",
        "tile/entries/002",
        "tile/entries/x999/x999/x999/x999/x999/999",
        # no paths of tiles at all
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/0",
        "tile/0/x000/000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/entries/000/",
        "tile/0/%30%30%30x",
        "tile/",
    ],
)
def test_what_is_no_tile_of_this_log(http: TestClient, path: str) -> None:
    """Beyond the end, or written otherwise than the specification writes it: not there."""
    check_problem(http.get(PREFIX + path), 404, "not-found")


def test_what_retention_removed_is_gone(http: TestClient, log: Log, clock: Clock) -> None:
    """Whole tiles below the first kept entry are answered with 410; the tree above still leads to the signed root."""
    clock.advance(days=91)
    record(log, HOME, [event(8000, "contact.created", ago=-timedelta(days=91))])
    purge(log, HOME)
    http.headers.update(bearer(token(permissions=(READ,), now=clock.now)))
    signed = head(http, log)
    first = log.head(HOME).first
    assert 512 < first < signed.size
    for path in ("tile/0/000", "tile/0/001", "tile/0/000.p/7", "tile/entries/000", "tile/entries/001"):
        assert check_problem(http.get(PREFIX + path), 410, "purged")["index"] == int(path[-1] == "1") * 256
    # The tile that straddles the cut keeps its hashes; of its headers some are gone, and so is the bundle.
    width = signed.size - 512
    leaves = fetch(http, 0, 2, width)
    gone = check_problem(http.get(PREFIX + tile.path(None, 2, width)), 410, "purged")
    assert gone["index"] == 512
    above = fetch(http, 1, 0, 2)

    def tiles(level: int, index: int) -> bytes:
        return {(0, 2): leaves, (1, 0): above}[level, index]

    assert tree.root_at(signed.size, tile.node_from_tiles(tiles)) == signed.root


def test_bundles_are_for_readers_of_the_whole_log(http: TestClient, log: Log) -> None:
    """A filter that is locked hides that other entries share an actor; hashes tell nothing and are for everybody."""
    locked = bearer(token(permissions=(READ,), locked="type:contact"))
    assert http.get(PREFIX + "tile/0/000", headers=locked).status_code == 200
    refused = check_problem(http.get(PREFIX + "tile/entries/000", headers=locked), 403, "denied")
    assert "locked" in refused["remedy"]
    scopes = {name: KeyRing(log, HOME, actor=OPERATOR).create(name, scopes=(name,)).text for name in ("read", "write")}
    for path in ("checkpoint", "tile/0/000", "tile/entries/000"):
        check_problem(http.get(PREFIX + path, headers=bearer(token(permissions=(PII,)))), 403, "denied")
        check_problem(http.get(PREFIX + path, headers=bearer(scopes["write"])), 403, "denied")
        assert http.get(PREFIX + path, headers=bearer(scopes["read"])).status_code == 200
        check_problem(http.get(PREFIX + path, headers={"Authorization": ""}), 401, "unauthorised")
        check_problem(http.get(PREFIX + path + "?token=x"), 400, "invalid-query")


def test_each_workspace_has_tiles_of_its_own(http: TestClient, log: Log) -> None:
    """The address is the same; the token says whose log it is, and no byte is shared."""
    mine = head(http, log)
    bundle = fetch(http, None, 0, 3)
    http.headers.update(bearer(token(AWAY, permissions=(READ,))))
    theirs = head(http, log, AWAY)
    assert (theirs.size, theirs.origin != mine.origin) == (3, True)
    assert not set(tile.decode_bundle(bundle)) & set(tile.decode_bundle(fetch(http, None, 0, 3)))
    check_problem(http.get(PREFIX + "tile/0/000"), 404, "not-found")


def test_a_log_without_an_entry_has_no_head(http: TestClient) -> None:
    """Nothing was recorded: nothing to sign."""
    http.headers.update(bearer(token("wsp_new", permissions=(READ,))))
    check_problem(http.get(PREFIX + "checkpoint"), 404, "not-found")
    check_problem(http.get(PREFIX + "tile/0/000.p/1"), 404, "not-found")
    check_problem(http.get(PREFIX + "tile/entries/000.p/1"), 404, "not-found")


def needs_reader(test: object) -> object:
    """Mark a test that needs the published clients in Go."""
    missing = "go is missing; install it and run: make clients" if shutil.which("go") is None else "run: make clients"
    return pytest.mark.go(pytest.mark.skipif(not READER.is_file(), reason=missing)(test))


def mirror(server: Server) -> str:
    """Make a key that reads."""
    return KeyRing(server.log, WORKSPACE, actor=OPERATOR).create("mirror", scopes=("read",)).text


def read_foreign(server: Server, **more: object) -> subprocess.CompletedProcess[str]:
    """Let the published clients read the log of a server."""
    asked = {"url": server.url + PREFIX, "vkey": server.log.verifier_key(WORKSPACE), **more}
    return subprocess.run(
        [str(READER)],
        input=msgspec.json.encode(asked).decode(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@needs_reader
def test_published_clients_read_and_check_the_log(tmp_path: Path) -> None:
    """Tessera's fsck finds nothing wrong; it and the client of Go's checksum database prove single entries."""
    with serving(tmp_path) as server:
        server.log.record_many(WORKSPACE, [simple(at) for at in range(600)])
        token = mirror(server)  # an entry, like every key
        cosigner = Cosigner("witness.example/w", bytes(32))
        with Book(tmp_path / "w.db", cosigner, [Verifier(server.log.verifier_key(WORKSPACE))]) as book:
            verdict = book.add(format_request(0, [], server.log.checkpoint(WORKSPACE)))
        note = server.log.checkpoint(WORKSPACE)
        signature = parse_note(note + verdict.text)[1][-1]
        server.log.add_cosignatures(WORKSPACE, note, [signature])
        done = read_foreign(server, entries=[0, 255, 256, 599], fsck=True, token=token, witnesses=[cosigner.vkey])
        assert done.returncode == 0, done.stderr
        told = msgspec.json.decode(done.stdout)
        assert told["Witnesses"] == [cosigner.name]
        signed, _ = open_checkpoint(server.log.checkpoint(WORKSPACE), Verifier(server.log.verifier_key(WORKSPACE)))
        assert (told["Origin"], told["Size"], told["Root"]) == (signed.origin, signed.size, signed.root.hex())
        ours = [tree.leaf_hash(server.log.prove(WORKSPACE, at).leaf).hex() for at in (0, 255, 256, 599)]
        assert told["Leaves"] == ours


@needs_reader
def test_published_clients_find_what_was_changed(tmp_path: Path) -> None:
    """The same clients refuse a log of which one stored hash was changed."""
    with serving(tmp_path) as server:
        server.log.record_many(WORKSPACE, [simple(at) for at in range(300)])
        server.log.checkpoint(WORKSPACE)
        real = server.log.hashes

        def changed(workspace: str, level: int, start: int, stop: int) -> list[bytes]:
            row = real(workspace, level, start, stop)
            return [struct.pack(">Q", 1) + row[0][8:], *row[1:]] if level == 0 else row

        server.log.hashes = changed  # type: ignore[method-assign]
        token = mirror(server)
        assert "fsck" in read_foreign(server, fsck=True, token=token).stderr
        assert read_foreign(server, entries=[299], token=token).returncode == 1
