"""The witness: its judgement against a foreign session, its door, and asking it for a log of ours."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import whodid
from tests.remoting import ROOT, environment
from tests.serving import AWAY, HOME, Clock, bearer, client, event, record, token
from tests.serving import open_log as open_story
from whodid import Log
from whodid.errors import InvalidSetting, MalformedProof, WitnessError
from whodid.proof import tree
from whodid.proof.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from whodid.proof.cosign import Cosigner, Request, format_request, parse_request
from whodid.proof.note import Signer, Verifier, format_note, open_note, parse_note, vkey
from whodid.proof.policy import parse_policy
from whodid.server.witnessing import WitnessWorker
from whodid.witness import Seen, cosign, seen
from whodid.witness.ask import post
from whodid.witness.book import Book, Verdict, read_cosigner
from whodid.witness.door import Door

FOREIGN = ROOT / "tests" / "vectors" / "foreign"
SESSION = json.loads((FOREIGN / "notes-checkpoints-tiles.json").read_text())["litewitness_add_checkpoint_session"]
NORTH = Cosigner("north.example/w", bytes([7]) * 32)
SOUTH = Cosigner("south.example/w", bytes([8]) * 32)


@pytest.fixture
def log() -> Iterator[Log]:
    """Open a log with a few entries."""
    with whodid.open("memory://", clock=Clock()) as one:
        grow(one, 5)
        yield one


def grow(log: Log, count: int) -> None:
    """Record further entries."""
    start = log.head(HOME).size if HOME in log.workspaces() else 0
    record(log, HOME, [event(start + at + 1, "contact.created") for at in range(count)])


def book(folder: Path, cosigner: Cosigner, *logs: str, now: float = 1_800_000_000) -> Book:
    """Open the book of a witness."""
    return Book(folder / f"{cosigner.name[:5]}.db", cosigner, [Verifier(one) for one in logs], clock=lambda: now)


def policy(*witnesses: Cosigner, quorum: str = "all", url: str = "http://{}.test/x/") -> Any:
    """Read a policy that names witnesses and a quorum of them."""
    lines = [f"witness {one.name[:5]} {one.vkey} {url.format(one.name[:5])}" for one in witnesses]
    group = f"group g {quorum} {' '.join(one.name[:5] for one in witnesses)}"
    return parse_policy("\n".join([*lines, group, "quorum g", ""]).encode())


class Wire:
    """Carries requests to books without a network."""

    def __init__(self, **books: Book) -> None:
        self.books = books
        self.asked: list[int] = []

    def __call__(self, url: str, body: bytes) -> tuple[int, str, bytes]:
        """Deliver."""
        found = re.fullmatch(r"http://(\w+)\.test/x/add-checkpoint", url)
        assert found is not None
        if found[1] not in self.books:
            raise WitnessError(f"Nobody answers at {url}")
        self.asked.append(parse_request(body).old)
        verdict = self.books[found[1]].add(body)
        return verdict.status, verdict.media_type, verdict.text.encode()


# ------------------------------------------------------------------------------------------------------- the judgement


def test_a_foreign_session_gets_the_foreign_answers(tmp_path: Path) -> None:
    """Nine requests of another witness's test, in order. An unknown log is 404 by now, where that witness said 403."""
    key = vkey(SESSION["log_origin"], bytes.fromhex(SESSION["log_ed25519_public_hex"]))
    with book(tmp_path, NORTH, key) as witness:
        for number, request in enumerate(SESSION["requests"]):
            verdict = witness.add(request["body"].encode())
            unknown = "unknown log" in request["expect"]
            assert verdict.status == (404 if unknown else request["expect_status"]), number
            if verdict.status == 200:
                note = parse_request(request["body"].encode()).note + verdict.text
                (known,) = open_note(note, [Verifier(NORTH.vkey)]).known
                assert known.cosigned_at == 1_800_000_000
            elif "body ==" in request["expect"]:
                assert f'body == "{verdict.text[:-1]}\\n"' == request["expect"]
                assert verdict.media_type == "text/x.tlog.size"


def heads(count: int, *, salt: bytes = b"") -> list[bytes]:
    """Return so many leaf hashes."""
    return [tree.leaf_hash(salt + bytes([at])) for at in range(count)]


def ask(signer: Signer, leaves: list[bytes], old: int, proof: list[bytes] | None = None) -> bytes:
    """Write a request for the tree of some leaves."""
    note = sign_checkpoint(Checkpoint(origin=signer.name, size=len(leaves), root=folded(leaves)), signer)
    if proof is None:
        proof = tree.consistency_proof(old, len(leaves), partial(nodes, leaves)) if old else []
    return format_request(old, proof, note)


def nodes(leaves: list[bytes], at: Sequence[tuple[int, int]]) -> list[bytes]:
    """Return the roots of complete subtrees."""
    return [folded(leaves[index << level : index + 1 << level]) for level, index in at]


def folded(leaves: list[bytes]) -> bytes:
    """Return the root of leaves."""
    return tree.root(tree.extend((), 0, leaves)[0])


def test_a_second_history_is_not_cosigned(tmp_path: Path) -> None:
    """Forks, smaller heads and wrong sizes are refused; the state stays, and the honest log goes on."""
    signer = Signer("example.com/log", bytes(32))
    honest, forked = heads(9), [*heads(3), *heads(6, salt=b"x")]
    with book(tmp_path, NORTH, signer.vkey) as witness:
        assert witness.add(ask(signer, honest[:5], 0)).status == 200
        assert witness.add(ask(signer, honest[:5], 5)).status == 200  # the same again, with a time of its own
        size = Verdict(409, "5\n", "text/x.tlog.size")
        assert witness.add(ask(signer, forked[:5], 5)) == size
        assert witness.add(ask(signer, honest[:4], 4)) == size
        assert witness.add(ask(signer, honest[:4], 0)) == size
        assert witness.add(ask(signer, forked, 5)).status == 422
        assert witness.add(ask(signer, honest, 5, [])).status == 422
        assert witness.add(ask(signer, honest[:5], 5, [bytes(32)])).status == 422
        assert witness.add(ask(signer, honest[:3], 5, [])).status == 400
        assert witness.add(ask(Signer(signer.name, bytes([1]) * 32), honest, 5)).status == 403
        assert witness.add(ask(Signer("example.com/other", bytes(32)), honest, 0)).status == 404
        assert witness.add(ask(signer, honest, 5)).status == 200
    with book(tmp_path, NORTH, signer.vkey) as witness:  # it remembers
        assert witness.add(ask(signer, honest[:5], 5)).text == "9\n"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 0\n",
        b"old -1\n\nx",
        b"old 01\n\nx",
        b"old 9223372036854775808\n\nx",
        b"old 1\nAA==\n\nx",
        b"\xff",
        b"old 0\n\nnot a note",
        b"old 1\n" + b"KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" * 64 + b"\nx",
    ],
)
def test_what_is_no_request_is_refused(tmp_path: Path, body: bytes) -> None:
    """With 400, and never with an exception."""
    with book(tmp_path, NORTH) as witness:
        assert witness.add(body).status == 400


def test_a_request_is_written_as_it_is_read() -> None:
    """Both ways, with and without a proof."""
    for request in (Request(0, (), "a\n\n— b c\n"), Request(7, (bytes(32), bytes([1]) * 32), "a\n\n— b c\n")):
        assert parse_request(format_request(*request)) == request
    with pytest.raises(MalformedProof):
        parse_request(b"new 1\n\nx")


def test_two_at_once_get_one_history(tmp_path: Path) -> None:
    """Two processes at one book, two heads of one size: one is cosigned."""
    signer = Signer("example.com/log", bytes(32))
    histories = [heads(4), heads(4, salt=b"x")]
    with book(tmp_path, NORTH, signer.vkey) as one, book(tmp_path, NORTH, signer.vkey) as other:
        found: list[int] = []
        threads = [
            threading.Thread(target=lambda w=w, h=h: found.append(w.add(ask(signer, h, 0)).status))
            for w, h in zip((one, other), histories, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == [200, 409]


# ------------------------------------------------------------------------------------------------------------- asking


def test_a_head_is_cosigned_and_kept(tmp_path: Path, log: Log) -> None:
    """The cosignatures stand beside the log's own, in its checkpoint and for good; the next head goes on from there."""
    key = log.verifier_key(HOME)
    both = policy(NORTH, SOUTH)
    with book(tmp_path, NORTH, key) as north, book(tmp_path, SOUTH, key) as south:
        wire = Wire(north=north)
        first = cosign(log, HOME, both, send=wire)
        assert (first.size, first.present, first.met) == (5, ("north",), False)
        assert "Nobody answers" in first.missing["south"]
        wire.books["south"] = south
        second = cosign(log, HOME, both, send=wire)
        assert (second.present, second.missing, second.met) == (("north", "south"), {}, True)
        assert log.checkpoint(HOME) == second.note == log.cosigned(HOME)
        _, note = open_checkpoint(second.note, Verifier(key), witnesses=[one.key for one in both.witnesses])
        assert [one.cosigned_at for one in note.known] == [None, 1_800_000_000, 1_800_000_000]
        assert wire.asked == [0, 0]  # nobody is asked again
        cosign(log, HOME, both, send=wire)
        assert wire.asked == [0, 0]
        grow(log, 300)
        assert len(parse_note(log.checkpoint(HOME))[1]) == 1  # the new head waits for nobody
        assert log.cosigned(HOME) == second.note
        third = cosign(log, HOME, both, send=wire)
        assert (third.size, third.met, wire.asked[2:]) == (305, True, [5, 5])
        assert log.verify(HOME).ok


def test_a_witness_that_knows_another_size_is_asked_from_there(tmp_path: Path, log: Log) -> None:
    """409 names the size; a log that lost what it knew of its witnesses, or never knew, finds the way."""
    with book(tmp_path, NORTH, log.verifier_key(HOME)) as north:
        wire, one = Wire(north=north), policy(NORTH)
        cosign(log, HOME, one, send=wire)
        grow(log, 4)
        assert log.swap_state(HOME, "witnesses", log.state(HOME, "witnesses"), None)
        assert cosign(log, HOME, one, send=wire).met
        assert wire.asked == [0, 0, 5]


def test_a_witness_that_saw_more_than_the_log_has_says_so(tmp_path: Path) -> None:
    """That is how a restored backup is found by somebody else; and another history of the same size likewise."""
    clock = Clock()
    for name, count in (("a", 9), ("b", 5)):
        with whodid.open(f"sqlite:///{tmp_path}/{name}.db", key=tmp_path / "k", clock=clock) as log:
            grow(log, count)
    signer = Signer("example.com/log", bytes(32))
    with whodid.open(f"sqlite:///{tmp_path}/b.db", key=tmp_path / "k", clock=clock) as log:
        for said, why in ((b"9\n", "It saw 9 entries, and the log has 5"), (b"x", "409 without a size")):
            made = cosign(log, HOME, policy(NORTH), send=lambda *_, said=said: (409, "text/x.tlog.size", said))
            assert why in made.missing["north"]
            assert not made.met
        made = cosign(log, HOME, policy(NORTH), send=lambda *_: (409, "text/x.tlog.size", b"5\n"))
        assert "another history of 5 entries" in made.missing["north"]
        forged = "— north.example/w " + "A" * 100 + "\n"
        for answer in (
            "",
            forged,
            parse_note(sign_checkpoint(Checkpoint(origin="o", size=1, root=bytes(32)), signer))[0],
        ):
            made = cosign(log, HOME, policy(NORTH), send=lambda *_, answer=answer: (200, "", answer.encode()))
            assert made.present == ()
        assert log.cosigned(HOME) is None
        made = cosign(log, HOME, policy(NORTH), send=lambda *_: (503, "", b""))
        assert made.missing == {"north": "It answered 503"}


# ----------------------------------------------------------------------------------------------------------- the door


@contextmanager
def running(one: Book) -> Iterator[str]:
    """Run a door in this process; yields its address."""
    with Door(("127.0.0.1", 0), one) as door:
        thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{door.server_address[1]}"
        finally:
            door.shutdown()
            thread.join()


def test_the_door_answers_as_the_protocol_says(tmp_path: Path, log: Log) -> None:
    """Over HTTP: cosigned, 409 with its media type, other addresses, and requests that are too large."""
    with book(tmp_path, NORTH, log.verifier_key(HOME)) as north, running(north) as url:
        assert cosign(log, HOME, policy(NORTH, url=url)).met
        body = format_request(0, [], log.checkpoint(HOME))
        assert post(f"{url}/add-checkpoint", body) == (409, "text/x.tlog.size", b"5\n")
        assert post(f"{url}/w1/add-checkpoint", body)[0] == 409
        assert post(f"{url}/other", body)[0] == 404
        assert post(f"{url}/add-checkpoint", b"x" * 70_000)[0] == 413
    with pytest.raises(WitnessError, match="Nobody answers"):
        post(f"{url}/add-checkpoint", b"")
    for bad in ("ftp://x/add-checkpoint", "http:///x", "http://x:99999/"):
        with pytest.raises(WitnessError):
            post(bad, b"")


def start(folder: Path, key: str) -> tuple[subprocess.Popen[str], str]:
    """Start `whodid witness` as a process; returns it and its address."""
    command = [sys.executable, "-m", "whodid", "witness", "--key", "w.key", "--state", "w.db", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--name", "w.example/1", "--log", key],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stderr is not None
    told = [process.stderr.readline() for _ in range(2)]
    found = re.search(r"http://127\.0\.0\.1:\d+", "".join(told))
    assert found is not None, told
    return process, found[0]


def test_a_witness_that_was_killed_goes_on_where_it_was(tmp_path: Path, log: Log) -> None:
    """Kill -9 between two heads: the witness that comes back knows the first, and refuses a second history."""
    key = log.verifier_key(HOME)
    process, url = start(tmp_path, key)
    try:
        cosigner = read_cosigner(tmp_path / "w.key", None)
        assert (tmp_path / "w.key").stat().st_mode & 0o777 == 0o600
        one = parse_policy(f"witness w {cosigner.vkey} {url}\nquorum w\n".encode())
        assert cosign(log, HOME, one).met
    finally:
        process.kill()
        process.communicate()
    grow(log, 3)
    assert "Nobody answers" in cosign(log, HOME, one).missing["w"]
    process, url = start(tmp_path, key)
    try:
        one = parse_policy(f"witness w {cosigner.vkey} {url}\nquorum w\n".encode())
        assert post(f"{url}/add-checkpoint", format_request(0, [], log.checkpoint(HOME)))[2] == b"5\n"
        assert cosign(log, HOME, one).met
    finally:
        process.terminate()
        assert process.wait(10) == 0
        process.communicate()


def test_a_key_file_of_a_witness(tmp_path: Path) -> None:
    """Made once; it keeps its name, and what is none is refused."""
    path = tmp_path / "w.key"
    with pytest.raises(InvalidSetting, match="--name"):
        read_cosigner(path, None)
    with pytest.raises(InvalidSetting, match="cannot have the name"):
        read_cosigner(path, "with space")
    made = read_cosigner(path, "w.example/1")
    assert read_cosigner(path, None).vkey == made.vkey
    with pytest.raises(InvalidSetting, match="is called w"):
        read_cosigner(path, "w.example/2")
    path.write_text("nonsense")
    with pytest.raises(InvalidSetting, match="not the key file"):
        read_cosigner(path, None)


# ---------------------------------------------------------------------------------------------- who tells of witnesses


def test_a_cosignature_that_comes_later_is_shown(tmp_path: Path) -> None:
    """The head in the API is the same size before and after; its tag is not, so that no browser keeps the old one."""
    with open_story(Clock()) as log, client(log) as http, book(tmp_path, NORTH, log.verifier_key(HOME)) as north:
        headers = bearer(token(permissions=("audit:read",)))
        before = http.get("/v1/checkpoint", headers=headers)
        # The other workspace is not known to the witness.
        assert WitnessWorker(log, policy(NORTH), send=Wire(north=north)).round() == 1
        assert (bool(log.cosigned(HOME)), log.cosigned(AWAY)) == (True, None)
        after = http.get("/v1/checkpoint", headers=headers | {"If-None-Match": before.headers["etag"]})
        assert (after.status_code, after.json()["size"]) == (200, before.json()["size"])
        assert NORTH.name in after.json()["checkpoint"]
        assert NORTH.name in http.get("/v1/tlog/checkpoint", headers=headers).text
        proof = http.get("/v1/entries/0/proof", headers=headers).json()
        assert seen(proof["checkpoint"], proof["vkey"], policy(NORTH)).size == proof["size"]


def test_a_worker_tells_of_a_missing_witness_once(tmp_path: Path, log: Log, caplog: pytest.LogCaptureFixture) -> None:
    """Not every minute; and again when it is another trouble."""
    with book(tmp_path, NORTH, log.verifier_key(HOME)) as north:
        wire = Wire()
        worker = WitnessWorker(log, policy(NORTH), send=wire)
        assert [worker.round(), worker.round()] == [0, 0]
        (told,) = (one.getMessage() for one in caplog.records)
        assert told.startswith(f"Cosigning of {HOME}: The witness north did not cosign: Nobody answers at http://north")
        wire.books["north"] = north
        assert [worker.round(), worker.round()] == [1, 1]
        assert len(caplog.records) == 1


def test_a_forged_cosignature_condemns_the_head(tmp_path: Path, log: Log) -> None:
    """A signature in the name of a known witness that does not hold: nobody is present, and verify says so."""
    key = log.verifier_key(HOME)
    with book(tmp_path, NORTH, key) as north, book(tmp_path, SOUTH, key) as south:
        note = cosign(log, HOME, policy(NORTH, SOUTH), send=Wire(north=north, south=south)).note
    assert seen(note, key, policy(NORTH, SOUTH)) == Seen(size=5, present=("north", "south"), met=True)
    assert seen(note, key, policy(SOUTH)).present == ("south",)
    assert not seen(log.checkpoint(HOME).rsplit("— north", 1)[0], key, policy(NORTH, SOUTH)).met
    text, (own, first, second) = parse_note(note)
    swapped = format_note(text, [own, first, second._replace(value=first.value)])
    assert seen(swapped, key, policy(NORTH, SOUTH)) == Seen(size=0, present=(), met=False)
    assert seen(None, key, policy(NORTH)) == Seen(size=0, present=(), met=False)
    kept = log.state(HOME, "cosigned")
    assert kept is not None
    assert log.swap_state(HOME, "cosigned", kept, kept.replace(b'"size":5', b'"size":4'))
    assert not log.verify(HOME).ok


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program."""
    command = [sys.executable, "-m", "whodid", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment(), check=False)


def test_the_program_asks_and_verifies(tmp_path: Path) -> None:
    """`whodid cosign`, then `whodid verify --policy` of a store and of a file; exit code 1 when they lack."""
    with whodid.open(f"sqlite:///{tmp_path}/audit.db", clock=Clock()) as log:
        grow(log, 3)
        key = log.verifier_key(HOME)
    store = ("--store", "sqlite:///audit.db")
    with book(tmp_path, NORTH, key) as north, running(north) as url:
        lines = f"witness north {NORTH.vkey} {url}\nwitness south {SOUTH.vkey}\ngroup g any north south\nquorum g\n"
        (tmp_path / "any.txt").write_text(lines)
        (tmp_path / "all.txt").write_text(lines.replace("any", "all"))
        lacking = run(tmp_path, "verify", *store, "--policy", "any.txt")
        assert (lacking.returncode, "cosigned by nobody" in lacking.stderr) == (1, True)
        asked = run(tmp_path, "cosign", *store, "--policy", "any.txt")
        assert (asked.returncode, asked.stdout.split("\t")[:3]) == (0, ["3", "north", "yes"]), asked.stderr
        assert "south: It has no address" in asked.stderr
    assert run(tmp_path, "export", *store, "--proofs", "-o", "x.ndjson").returncode == 0
    for what in ((*store,), ("x.ndjson", "--key", key)):
        good = run(tmp_path, "verify", *what, "--policy", "any.txt")
        assert (good.returncode, "3 entries are cosigned by north, which is the quorum" in good.stderr) == (0, True)
        bad = run(tmp_path, "verify", *what, "--policy", "all.txt", "--json")
        assert bad.returncode == 1
        assert '"present": ["north"]' in bad.stdout or '"present":["north"]' in bad.stdout


def test_the_head_of_a_page_is_looked_at_too(tmp_path: Path) -> None:
    """An evidence page under a head that nobody cosigned is good for `quorum none` only."""
    with whodid.open(f"sqlite:///{tmp_path}/audit.db", clock=Clock()) as log:
        grow(log, 3)
        key = log.verifier_key(HOME)
    made = run(tmp_path, "evidence", "--store", "sqlite:///audit.db", "-o", "page.html", "resource:contact:con_1")
    assert made.returncode == 0, made.stderr
    for name, quorum, code in (("none.txt", "none", 0), ("one.txt", "north", 1)):
        (tmp_path / name).write_text(f"witness north {NORTH.vkey}\nquorum {quorum}\n")
        told = run(tmp_path, "verify", "page.html", "--key", key, "--policy", name)
        assert told.returncode == code, told.stderr
        assert "cosigned by nobody" in told.stderr


# ------------------------------------------------------------------------------------------------------------ policies

KEYS = [Cosigner(f"w{at}", bytes([at + 1]) * 32).vkey for at in range(6)]


def test_a_quorum_of_groups() -> None:
    """The example of the specification: two of three here, and any of three there."""
    lines = [f"witness {'XY'[at // 3]}{at % 3 + 1} {key}" for at, key in enumerate(KEYS)]
    text = "\n".join(
        ["# a comment", "", f"log {Signer('o', bytes(32)).vkey} https://o.example", *lines,
         "\tgroup X-witnesses 2 X1 X2 X3", "group Y-witnesses any Y1 Y2 Y3", "group both all X-witnesses Y-witnesses",
         "quorum both", ""]
    )  # fmt: skip
    rules = parse_policy(text.encode())
    keys = [one.key for one in rules.witnesses]
    assert [one.name for one in rules.witnesses] == ["X1", "X2", "X3", "Y1", "Y2", "Y3"]
    for present in range(64):
        chosen = [key for at, key in enumerate(keys) if present >> at & 1]
        assert rules.met(chosen) == ((present & 7).bit_count() >= 2 and present >> 3 > 0)
    assert parse_policy(b"quorum none").met(())
    one = parse_policy(f"witness a {KEYS[0]}\nquorum a".encode())
    assert (one.met(()), one.met(keys), one.witnesses[0].url) == (False, True, None)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "no quorum"),
        ("quorum a", "Line 1 .*Nothing before it is called a"),
        ("quorum none\nquorum none", "Line 2 .*cannot be understood"),
        ("witness none {0}", "none is taken"),
        ("witness a {0}\nwitness a {1}", "Line 2 .*a is taken"),
        ("witness a {0}\nwitness b {0}", "is there twice"),
        ("witness a {log}", "type 01, not 04"),
        ("log {0}", "type 04, not 01"),
        ("witness a nonsense", "cannot be used"),
        ("witness a {0} u v", "cannot be understood"),
        ("group g any", "cannot be understood"),
        ("group g any none", "Nothing before it is called none"),
        ("witness a {0}\ngroup g 2 a", "cannot need 2"),
        ("witness a {0}\ngroup g 0 a", "cannot need 0"),
        ("witness a {0}\ngroup g 01 a", "cannot need 01"),
        ("witness a {0}\ngroup g any a\ngroup h any a", "a is a member twice"),
        ("witness a {0}\ngroup g any a a", "a is a member twice"),
        ("group g any g", "Nothing before it is called g"),
        ("# \r\nquorum none", "control character"),
        ("nonsense", "cannot be understood"),
    ],
)
def test_what_is_no_policy(text: str, match: str) -> None:
    """Refused with the line, and what is wrong there."""
    filled = text.format(*KEYS, log=Signer("o", bytes(32)).vkey)
    with pytest.raises(InvalidSetting, match=match):
        parse_policy(filled.encode())
