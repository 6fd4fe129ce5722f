"""Time stamps: what holds, what does not, and where they are told of."""

from __future__ import annotations

import json
import shutil
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from msgspec.structs import replace

import whodid
from tests.evidencing import ABOUT, Workshop, checked, codes, furnished
from tests.remoting import ROOT
from tests.serving import HOME, MARIA, Clock
from tests.stamping import REPLY, Stamper
from tests.test_evidence_agree import agree
from tests.test_witness import NORTH, SOUTH, grow, policy, run
from whodid import Log
from whodid.cli.outside import Outside
from whodid.errors import InvalidSetting, MalformedProof, ProofError, Refuted, WitnessError
from whodid.evidence import ask, extract, make, verify
from whodid.evidence.document import Anchor, decode, encode
from whodid.export import export, verify_export
from whodid.export.ndjson import Manifest, seal
from whodid.log import MOST_STAMPS, Stamp, keep_stamp, read_stamp, stamped
from whodid.proof.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from whodid.proof.note import Signer, format_note, parse_note
from whodid.proof.seal import NOTHING, anchor_hash
from whodid.server.witnessing import StampWorker
from whodid.witness.stamp import Authority, check_stamp, dated, kept, read_certificates, stamp_head

FOREIGN = ROOT / "tests" / "vectors" / "foreign" / "rfc3161"
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is missing: it is the authority")


@pytest.fixture(scope="module")
def stamper(tmp_path_factory: pytest.TempPathFactory) -> Stamper:
    """Make an authority."""
    return Stamper(tmp_path_factory.mktemp("tsa") / "good")


@pytest.fixture
def log() -> Iterator[Log]:
    """Open a log with a few entries."""
    with whodid.open("memory://", clock=Clock()) as one:
        grow(one, 5)
        yield one


def authority(stamper: Stamper) -> Authority:
    """Return the authority as a log knows it."""
    return Authority(url="https://tsa.example/", certificates=stamper.certificates)


def state(log: Log) -> Any:
    """Return what reads the state of the workspace."""
    return lambda name: log.state(HOME, name)


def _foreign() -> tuple[x509.Certificate, ...]:
    return read_certificates(str(FOREIGN / "ts_chain.pem"))


def test_a_foreign_stamp_is_checked() -> None:
    """A stamp by the authority of Sigstore holds for its message and no other; one with a bad signature does not."""
    good = (FOREIGN / "response-sha256.tsr").read_bytes()
    assert check_stamp(good, "hello", _foreign()).isoformat() == "2025-05-09T11:58:55+00:00"
    with pytest.raises(Refuted, match="messages"):
        check_stamp(good, "hallo", _foreign())
    with pytest.raises(ProofError):
        check_stamp((FOREIGN / "response-invalid-signature.tsr").read_bytes(), "hello", _foreign())


def test_no_byte_that_matters_can_be_changed() -> None:
    """Of a changed stamp nothing holds, or it still says the very same time; the certificate in it is no exception."""
    good = (FOREIGN / "response-sha256.tsr").read_bytes()
    held = 0
    for at in range(len(good)):
        changed = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
        try:
            assert check_stamp(changed, "hello", _foreign()).isoformat() == "2025-05-09T11:58:55+00:00"
            held += 1
        except ProofError:
            pass
    # Version numbers and the name of an algorithm, which no signature of CMS covers.
    assert held <= 10


def test_a_head_is_stamped_and_kept(log: Log, stamper: Stamper) -> None:
    """The stamp names the time, is kept beside the log, and is not asked for twice for one head."""
    made = stamp_head(log, HOME, authority(stamper), send=stamper)
    assert read_stamp(state(log), 5) == made
    assert stamped(state(log))[0].at == made.at
    count = len(stamper.asked)
    assert stamp_head(log, HOME, authority(stamper), send=stamper) == made
    assert len(stamper.asked) == count
    stamp_head(log, HOME, authority(stamper), send=stamper, again=True)
    assert len(stamper.asked) == count + 1
    grow(log, 2)
    stamp_head(log, HOME, authority(stamper), send=stamper)
    assert [(one.size, one.at is not None) for one in kept(log, HOME, stamper.certificates)] == [(5, True), (7, True)]


def test_what_an_authority_may_not_answer(log: Log, stamper: Stamper, tmp_path: Path) -> None:
    """Another authority, an expired one, another text, an old answer, a refusal, no stamp."""
    forger = Stamper(tmp_path / "forger")
    expired = Stamper(tmp_path / "expired", days=(-30, -1))
    grow(log, 1)
    stamp_head(log, HOME, authority(stamper), send=stamper)
    mine = stamper.asked[-1]
    replayed = stamper.stamp(mine)
    text = parse_note(log.checkpoint(HOME))[0]
    check_stamp(replayed, text, stamper.certificates)
    with pytest.raises(Refuted, match=r"[Nn]once"):
        check_stamp(replayed, text, stamper.certificates, nonce=7)
    with pytest.raises(Refuted, match="messages"):
        check_stamp(replayed, text.replace("6", "7"), stamper.certificates)
    pinned = (stamper.root, forger.certificate)
    with pytest.raises(Refuted):
        check_stamp(replayed, text, pinned)
    assert check_stamp(replayed, text, (stamper.root, stamper.certificate)).tzinfo is not None
    grow(log, 1)
    answers = {
        "another authority": lambda _url, body, _type: (200, REPLY, forger.stamp(body)),
        "an old answer": lambda _url, _body, _type: (200, REPLY, replayed),
        "nothing": lambda _url, _body, _type: (200, REPLY, b""),
        "a page": lambda _url, _body, _type: (200, "text/html", b"<html>"),
        "an error": lambda _url, body, _type: (500, REPLY, stamper.stamp(body)),
        "a refusal": lambda _url, _body, _type: (200, REPLY, bytes.fromhex("30053003020102")),
    }
    for answer in answers.values():
        with pytest.raises(WitnessError):
            stamp_head(log, HOME, authority(stamper), send=answer)
    with pytest.raises(WitnessError, match="does not hold"):
        stamp_head(log, HOME, authority(expired), send=expired)
    assert [one.size for one in stamped(state(log))] == [6]


def test_a_stamp_of_another_history_is_found(log: Log, stamper: Stamper) -> None:
    """A log that was rewritten after its head was stamped cannot continue that head; a stamp that is gone is missed."""
    stamp_head(log, HOME, authority(stamper), send=stamper)
    grow(log, 3)
    origin = log.head(HOME).origin
    note = sign_checkpoint(Checkpoint(origin=origin, size=6, root=bytes(32)), Signer(origin, bytes(32)))
    request = Stamp(at=log.now(), note=note, answer=_stamped(stamper, note))
    keep_stamp(log, HOME, request)
    one, other = kept(log, HOME, stamper.certificates)
    assert (one.at is not None, other.at, "another history" in other.fault) == (True, None, True)
    assert log.swap_state(HOME, "stamp.5", log.state(HOME, "stamp.5"), None)
    assert kept(log, HOME, stamper.certificates)[0].fault == "It is not there any more"


def _stamped(stamper: Stamper, note: str) -> bytes:
    import rfc3161_client as library

    builder = library.TimestampRequestBuilder().data(parse_note(note)[0].encode())
    return stamper.stamp(builder.hash_algorithm(library.HashAlgorithm.SHA256).build().as_bytes())


def test_a_seal_names_the_newest_stamp(log: Log, stamper: Stamper) -> None:
    """Whatever is recorded after the seal was recorded after the stamp; without a stamp it names none."""
    log.seal(HOME, close=True)
    made = stamp_head(log, HOME, authority(stamper), send=stamper)
    grow(log, 1)
    log.seal(HOME, close=True)
    anchors = [one.seal.anchor for one in log.snapshot(HOME).segments]
    assert anchors == [NOTHING, anchor_hash(made.answer)]
    assert log.verify(HOME).ok


def test_a_year_of_stamps_is_kept(log: Log) -> None:
    """The oldest goes when there are too many, and the list names none that is not there."""
    signer = Signer("example.com/x", bytes(32))
    for size in range(1, MOST_STAMPS + 4):
        note = sign_checkpoint(Checkpoint(origin=signer.name, size=size, root=bytes(32)), signer)
        keep_stamp(log, HOME, Stamp(at=log.now(), note=note, answer=b"x"))
    listed = stamped(state(log))
    assert (len(listed), listed[0].size) == (MOST_STAMPS, 4)
    assert [read_stamp(state(log), size) is None for size in (3, 4)] == [True, False]


def test_the_worker_stamps_once_a_day(stamper: Stamper) -> None:
    """A head that did not grow is not stamped again, and one that grew only after a day."""
    clock = Clock()
    clock.now = datetime.now(UTC)  # what the authority says is the true time
    with whodid.open("memory://", clock=clock) as log:
        grow(log, 2)
        worker = StampWorker(log, authority(stamper), send=stamper)
        assert [worker.round(), worker.round()] == [1, 0]
        grow(log, 1)
        assert worker.round() == 0
        clock.advance(hours=25)
        assert [worker.round(), worker.round()] == [1, 0]
        assert [one.size for one in stamped(state(log))] == [2, 3]


# ------------------------------------------------------------------------------------------------------------ evidence


def _anchored(stamper: Stamper) -> Workshop:
    """Return a log of which a witness and an authority have seen earlier heads."""
    shop = furnished()
    shop.seen_outside = []
    for size in (11, 25):
        shop.sign(size)
        text, signatures = parse_note(shop.checkpoint)
        note = format_note(text, [*signatures, NORTH.sign(text, 1_800_000_000)])
        shop.seen_outside.append((note, _stamped(stamper, note) if size == 11 else b""))
    shop.sign()
    return shop


def test_a_file_is_linked_to_heads_that_others_saw(stamper: Stamper) -> None:
    """Both verifiers check that the log went on from them; whatever is changed of them is a problem in both."""
    shop = _anchored(stamper)
    document = shop.evidence(ABOUT)
    one, two = document.anchors
    verdict = checked(document, shop.vkey)
    assert verdict.ok
    assert [(anchor.size, bool(anchor.stamp)) for anchor in verdict.anchors] == [(11, True), (25, False)]
    assert dated(verdict.anchors[0].stamp, verdict.anchors[0].checkpoint, stamper.certificates).at is not None
    lying = Workshop("liar")
    lying.signer = shop.signer
    lying.hashes = [bytes([at]) * 32 for at in range(40)]
    lying.sign(11)
    wrong = {
        "swapped": [two, one],
        "twice": [one, one],
        "another path": [replace(one, consistency=two.consistency)],
        "no path": [replace(one, consistency="")],
        "another history": [replace(one, checkpoint=lying.checkpoint)],
        "another log": [replace(one, checkpoint=furnished("forger").checkpoint)],
        "no head": [replace(one, checkpoint="")],
        "no base64": [replace(one, stamp="?")],
        "a short path": [replace(one, consistency=b64encode(b64decode(one.consistency)[:-1]).decode())],
    }
    files = {name: encode(replace(document, anchors=anchors)) for name, anchors in wrong.items()}
    verdicts = agree([encode(document), *files.values()], shop.vkey)
    for name, verdict in zip(wrong, verdicts[1:], strict=True):
        assert codes(verdict)[0][0] == "anchor", name
        assert verdict.problems[0].place.startswith("anchor ")
    newest = Anchor(checkpoint=document.checkpoint, consistency="", stamp="")
    assert checked(replace(document, anchors=[newest]), shop.vkey).ok


def test_every_byte_of_an_anchor_counts(stamper: Stamper) -> None:
    """A change of one is refuted, unless it is in a stamp or a cosignature: those need to know whom to trust."""
    shop = _anchored(stamper)
    document = shop.evidence(ABOUT)
    data = encode(document)
    start, stop = data.index(b'"anchors":'), data.index(b'"asides":')
    free: set[int] = set()
    for anchor in document.anchors:
        witness = parse_note(anchor.checkpoint)[1][-1]
        line = format_note("x\n", [witness]).partition("\n\n")[2].strip()
        for part in filter(None, (line, anchor.stamp)):
            at = data.index(part.encode())
            free |= set(range(at, at + len(part.encode())))
    for at in range(start, stop):
        changed = bytearray(data)
        changed[at] ^= 1 + at % 7
        if verify(bytes(changed), trusted=[shop.vkey]).ok:
            assert at in free, data[at - 20 : at + 20]
    assert len(free) > 500


def test_an_evidence_file_carries_what_others_saw(log: Log, stamper: Stamper) -> None:
    """The first stamp that covers the answer, or else the newest; and the newest head that a witness cosigned."""
    stamp_head(log, HOME, authority(stamper), send=stamper)
    question = ask(["resource:contact:con_1"], catalog=log.catalog)
    anchors = decode(extract(make(log, HOME, question, actor=MARIA).file)).anchors
    assert [bool(one.stamp) for one in anchors] == [True]
    grow(log, 2)
    note = log.checkpoint(HOME)
    log.add_cosignatures(HOME, note, [NORTH.sign(parse_note(note)[0], 1_800_000_000)])
    stamp_head(log, HOME, authority(stamper), send=stamper)
    grow(log, 2)
    made = make(log, HOME, question, actor=MARIA)
    verdict = verify(extract(made.file))
    assert verdict.ok
    (anchor,) = verdict.anchors
    assert anchor.stamp
    heads = [(decode(extract(made.file)).checkpoint, b""), (anchor.checkpoint, anchor.stamp)]
    vkey = log.verifier_key(HOME)
    for witness, good in ((NORTH, True), (SOUTH, False)):
        said = Outside(policy(witness), stamper.certificates).of_heads(heads, vkey)
        assert said.good == good
        who = "north, which is the quorum" if good else "nobody, which is not"
        assert said.words()[0].endswith(f"entries are cosigned by {who}{'' if good else ' the quorum of the policy'}.")
    assert not Outside(None, stamper.certificates).of_heads(heads[:1], vkey).good


def exported(log: Log, query: str = "") -> list[bytes]:
    """Export with proofs, and return the lines."""
    out = BytesIO()
    export(log, HOME, query, "ndjson", out, actor=MARIA, proofs=True)
    return out.getvalue().splitlines(keepends=True)


def test_an_export_carries_what_others_saw(log: Log, stamper: Stamper) -> None:
    """As an evidence file does: the first stamp that covers its entries, and the newest cosigned head, each linked."""
    key = log.verifier_key(HOME)
    plain = exported(log)
    assert b'"anchors"' not in plain[-1]
    assert verify_export(plain, plain[-1], trusted=[key]).anchors == ()
    made = stamp_head(log, HOME, authority(stamper), send=stamper)
    grow(log, 2)
    stamp_head(log, HOME, authority(stamper), send=stamper)
    note = log.checkpoint(HOME)
    log.add_cosignatures(HOME, note, [NORTH.sign(parse_note(note)[0], 1_800_000_000)])
    grow(log, 2)
    lines = exported(log, "index:0..3")
    report = verify_export(lines, lines[-1], trusted=[key])
    assert report.ok, report.problems
    assert [(one.size, bool(one.stamp)) for one in report.anchors] == [(made.size, True), (parsed(note), False)]
    heads = [(one.checkpoint, one.stamp) for one in report.anchors]
    for witness, good in ((NORTH, True), (SOUTH, False)):
        assert Outside(policy(witness), stamper.certificates).of_heads(heads, key).good == good


def test_a_wrong_anchor_of_an_export_is_found(log: Log, stamper: Stamper) -> None:
    """Swapped, doubled, with another path, of another history, or no head at all; with a digest that fits."""
    stamp_head(log, HOME, authority(stamper), send=stamper)
    grow(log, 2)
    note = log.checkpoint(HOME)
    log.add_cosignatures(HOME, note, [NORTH.sign(parse_note(note)[0], 1_800_000_000)])
    grow(log, 3)
    lines = exported(log, "index:0..1")
    manifest = msgspec.json.decode(lines[-1], type=Manifest)
    one, two = manifest.anchors
    wrong = {
        "swapped": [two, one],
        "twice": [one, one],
        "another path": [replace(one, consistency=two.consistency)],
        "no path": [replace(one, consistency="")],
        "another head": [replace(one, checkpoint=note)],
        "another log": [replace(one, checkpoint=furnished("forger").checkpoint)],
        "no head": [replace(one, checkpoint="")],
        "no base64": [replace(one, stamp="?")],
        "a short path": [replace(one, consistency=b64encode(b64decode(one.consistency)[:-1]).decode())],
    }
    for name, anchors in wrong.items():
        forged = [*lines[:-1], seal(replace(manifest, anchors=anchors), sha256(b"".join(lines[:-1]))).encode()]
        report = verify_export(forged, forged[-1])
        assert not report.ok, name
        assert "somebody outside has seen" in report.problems[0].fact, name
    left_out = [*lines[:-1], seal(replace(manifest, anchors=[one]), sha256(b"".join(lines[:-1]))).encode()]
    assert [anchor.size for anchor in verify_export(left_out, left_out[-1]).anchors] == [5]


def parsed(note: str) -> int:
    """Return the size of a head."""
    return parse_checkpoint(parse_note(note)[0]).size


# ------------------------------------------------------------------------------------------------------------- program


@contextmanager
def served(stamper: Stamper) -> Iterator[str]:
    """Serve an authority over HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            _, media_type, answer = stamper("", body, self.headers["Content-Type"])
            self.send_response(200)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/tsr"
        finally:
            server.shutdown()
            thread.join()


def test_the_program_stamps_and_verifies(stamper: Stamper, tmp_path: Path) -> None:
    """`whodid stamp`, then `whodid verify --stamps` of the store and of a page; 1 when no stamp holds."""
    with whodid.open(f"sqlite:///{tmp_path}/audit.db", clock=Clock()) as log:
        grow(log, 3)
        key = log.verifier_key(HOME)
    other = Stamper(tmp_path / "other")
    store, good = ("--store", "sqlite:///audit.db"), str(stamper.folder / "root.pem")
    lacking = run(tmp_path, "verify", *store, "--stamps", good)
    assert (lacking.returncode, "There is no time stamp." in lacking.stderr) == (1, True)
    with served(stamper) as url:
        told = run(tmp_path, "stamp", *store, "--url", url, "--certificates", good)
        assert (told.returncode, told.stdout.split("\t")[0]) == (0, "3"), told.stderr
        refused = run(tmp_path, "stamp", *store, "--url", url, "--certificates", str(other.folder / "tsa.pem"))
        assert (refused.returncode, "is a root" in refused.stderr) == (2, True)
    assert run(tmp_path, "evidence", *store, "-o", "page.html", "resource:contact:con_1").returncode == 0
    told = run(tmp_path, "export", *store, "--format", "ndjson", "--proofs", "-o", "all.ndjson")
    assert told.returncode == 0, told.stderr
    named = run(tmp_path, "verify", "all.ndjson", "--key", key).stdout
    assert "it went on from a head of 3 entries, with a time stamp" in named
    for what in (store, ("page.html", "--key", key), ("all.ndjson", "--key", key)):
        held = run(tmp_path, "verify", *what, "--stamps", good)
        assert (held.returncode, "3 entries existed on 20" in held.stderr) == (0, True), held.stderr
        failed = run(tmp_path, "verify", *what, "--stamps", str(other.folder / "root.pem"), "--json")
        assert failed.returncode == 1
        found = json.loads(failed.stdout)
        stamps = (found if isinstance(found, dict) else found[0])["stamps"]
        assert [(one["size"], one["at"]) for one in stamps] == [(3, None)]


def test_certificates_that_cannot_be_used(tmp_path: Path) -> None:
    """No file, no certificates in it, and none that is a root."""
    with pytest.raises(InvalidSetting, match="cannot be read"):
        read_certificates(str(tmp_path / "none"))
    (tmp_path / "text").write_text("hello")
    with pytest.raises(InvalidSetting, match="no certificates"):
        read_certificates(str(tmp_path / "text"))
    with pytest.raises(MalformedProof):
        check_stamp(b"\x30\x00", "x", _foreign())
