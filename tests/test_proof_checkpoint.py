"""Checkpoints: what is one and what is not, who signed it, and whole histories of other people's logs."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whodid.errors import MalformedProof, ProofError, Refuted, UnverifiedNote
from whodid.proof.checkpoint import (
    MAX_SIZE,
    Checkpoint,
    format_checkpoint,
    open_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
)
from whodid.proof.note import Signer, Verifier, open_note, parse_note, sign_note, vkey
from whodid.proof.tile import decode_bundle, path
from whodid.proof.tree import (
    EMPTY_ROOT,
    check_consistency,
    check_inclusion,
    consistency_proof,
    extend,
    leaf_hash,
    root,
    root_at,
)

FOREIGN = Path(__file__).parent / "vectors" / "foreign"
VECTORS: dict[str, Any] = json.loads((FOREIGN / "notes-checkpoints-tiles.json").read_text(encoding="utf-8"))
TESSERA = Verifier("example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx")
ROOT = leaf_hash(b"root")
ROOT_TEXT = b64encode(ROOT).decode()
LOG = Signer("example.com/log", bytes(32))
CHECKPOINT = Checkpoint(origin="example.com/log", size=20852163, root=ROOT)

LINES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=[*map(chr, range(32))]), min_size=1, max_size=30
)
CHECKPOINTS = st.builds(
    Checkpoint,
    origin=LINES,
    size=st.integers(0, MAX_SIZE),
    root=st.binary(min_size=32, max_size=32),
    extensions=st.lists(LINES, max_size=3).map(tuple),
)

# ----------------------------------------------------------------------------------------------------------------- text


@given(CHECKPOINTS)
def test_checkpoints_round_trip(checkpoint: Checkpoint) -> None:
    """Every checkpoint is read back as it was written."""
    assert parse_checkpoint(format_checkpoint(checkpoint)) == checkpoint


@given(CHECKPOINTS, st.data())
def test_what_is_read_has_one_spelling(checkpoint: Checkpoint, data: st.DataObject) -> None:
    """A text with one character changed, removed or put in is another checkpoint or none, never the same one."""
    text = format_checkpoint(checkpoint)
    at = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.sampled_from("0 \n=A+é\r\x00"))
    changed = data.draw(
        st.sampled_from(
            [text[:at] + character + text[at + 1 :], text[:at] + text[at + 1 :], text[:at] + character + text[at:]]
        )
    )

    try:
        other = parse_checkpoint(changed)
    except MalformedProof:
        return
    assert format_checkpoint(other) == changed
    assert (other == checkpoint) == (changed == text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\n\n\n",
        "log\n",
        "log\n1\n",
        f"log\n1\n{ROOT_TEXT}",
        f"log\n1\n{ROOT_TEXT}\n\n",
        f"log\n1\n\n{ROOT_TEXT}\n",
        f"\n1\n{ROOT_TEXT}\n",
        f"log\n\n{ROOT_TEXT}\n",
        f"log\n1\n{ROOT_TEXT}\n\nmore\n",
        f"log\r\n1\r\n{ROOT_TEXT}\r\n",
        f"log\x00\n1\n{ROOT_TEXT}\n",
        f"\ud800\n1\n{ROOT_TEXT}\n",
        f"log\n01\n{ROOT_TEXT}\n",
        f"log\n00\n{ROOT_TEXT}\n",
        f"log\n+1\n{ROOT_TEXT}\n",
        f"log\n-1\n{ROOT_TEXT}\n",
        f"log\n 1\n{ROOT_TEXT}\n",
        f"log\n1 \n{ROOT_TEXT}\n",
        f"log\n1_0\n{ROOT_TEXT}\n",
        f"log\n1.0\n{ROOT_TEXT}\n",
        f"log\n0x1\n{ROOT_TEXT}\n",
        f"log\n١\n{ROOT_TEXT}\n",
        f"log\n{MAX_SIZE + 1}\n{ROOT_TEXT}\n",
        f"log\n1{'0' * 5000}\n{ROOT_TEXT}\n",
        f"log\n1\n{ROOT_TEXT[:-1]}\n",
        f"log\n1\n{ROOT_TEXT}=\n",
        f"log\n1\n{ROOT_TEXT} \n",
        f"log\n1\n{ROOT.hex()}\n",
        f"log\n1\n{b64encode(ROOT[:31]).decode()}\n",
        f"log\n1\n{b64encode(ROOT + b'x').decode()}\n",
    ],
)
def test_what_is_not_a_checkpoint(text: str) -> None:
    """Anything but three or more plain lines with a decimal size and a root of 32 bytes is refused."""
    with pytest.raises(MalformedProof):
        parse_checkpoint(text)


def test_the_largest_size() -> None:
    """A size of 2^63 - 1 is read, one more is not."""
    assert parse_checkpoint(f"log\n9223372036854775807\n{ROOT_TEXT}\n").size == 2**63 - 1
    with pytest.raises(MalformedProof):
        parse_checkpoint(f"log\n9223372036854775808\n{ROOT_TEXT}\n")


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint(origin="", size=1, root=ROOT),
        Checkpoint(origin="two\nlines", size=1, root=ROOT),
        Checkpoint(origin=f"log\n1\n{ROOT_TEXT}", size=1, root=ROOT),
        Checkpoint(origin="log", size=-1, root=ROOT),
        Checkpoint(origin="log", size=MAX_SIZE + 1, root=ROOT),
        Checkpoint(origin="log", size=1, root=ROOT[:31]),
        Checkpoint(origin="log", size=1, root=ROOT, extensions=("",)),
        Checkpoint(origin="log", size=1, root=ROOT, extensions=("two\nlines",)),
        Checkpoint(origin="log", size=1, root=ROOT, extensions=("\ttab",)),
    ],
)
def test_what_cannot_be_written(checkpoint: Checkpoint) -> None:
    """A checkpoint that would be read as another one, or not at all, is not written and not signed."""
    with pytest.raises(MalformedProof):
        format_checkpoint(checkpoint)
    with pytest.raises(MalformedProof):
        sign_checkpoint(checkpoint, LOG)


def with_our_root(text: str) -> str:
    """Put a root of 32 bytes where a case has the base64 of something shorter or longer."""
    for other in ("YmFuYW5hcw==", "dGhlIHZpZXcgZnJvbSB0aGUgdHJlZSB0b3BzIGlzIGdyZWF0IQ=="):
        text = text.replace(other, ROOT_TEXT)
    return text


@pytest.mark.parametrize("text", VECTORS["checkpoint_parse_cases"]["valid"])
def test_valid_cases_of_transparency_dev(text: str) -> None:
    """The lines of the valid cases are read; their roots, which are not hashes, are the only thing refused in them."""
    with pytest.raises(MalformedProof, match="instead of 32"):
        parse_checkpoint(text)

    checkpoint = parse_checkpoint(with_our_root(text))

    origin, size, _, *extensions = text.rstrip("\n").split("\n")
    assert checkpoint == Checkpoint(origin=origin, size=int(size), root=ROOT, extensions=tuple(extensions))
    assert format_checkpoint(checkpoint) == with_our_root(text)


@pytest.mark.parametrize("text", VECTORS["checkpoint_parse_cases"]["invalid"])
def test_invalid_cases_of_transparency_dev(text: str) -> None:
    """The invalid cases are refused, as they stand and with a proper root in them."""
    for variant in (text, with_our_root(text)):
        with pytest.raises(MalformedProof):
            parse_checkpoint(variant)


# --------------------------------------------------------------------------------------------------------------- signed


def test_signing_and_opening() -> None:
    """A checkpoint that the log signed is opened with the log's key, and is the note that C2SP describes."""
    signed = sign_checkpoint(CHECKPOINT, LOG)

    checkpoint, note = open_checkpoint(signed, Verifier(LOG.vkey))

    assert signed.startswith(f"example.com/log\n20852163\n{ROOT_TEXT}\n\n— example.com/log ")
    assert checkpoint == CHECKPOINT
    assert [verified.by.vkey for verified in note.known] == [LOG.vkey]
    assert open_checkpoint(signed.encode(), Verifier(LOG.vkey)) == (checkpoint, note)


def test_a_checkpoint_of_another_log_is_refused() -> None:
    """A key stands for one log: its signature under another origin does not count, unless that origin is named."""
    foreign = Checkpoint(origin="example.com/other", size=1, root=ROOT)
    signed = sign_checkpoint(foreign, LOG)

    with pytest.raises(Refuted, match=r"the log example[.]com/other"):
        open_checkpoint(signed, Verifier(LOG.vkey))
    assert open_checkpoint(signed, Verifier(LOG.vkey), origin="example.com/other")[0] == foreign
    with pytest.raises(Refuted, match=r"not of example[.]com/third"):
        open_checkpoint(signed, Verifier(LOG.vkey), origin="example.com/third")


def test_witnesses_do_not_replace_the_log() -> None:
    """Without the log's own signature witnesses count for nothing; with it, theirs are verified and reported."""
    witness = Signer("example.com/witness", bytes([1] * 32))
    log_key, witness_key = Verifier(LOG.vkey), Verifier(witness.vkey)

    with pytest.raises(UnverifiedNote, match="Only witnesses"):
        open_checkpoint(sign_checkpoint(CHECKPOINT, witness), log_key, witnesses=[witness_key])
    with pytest.raises(UnverifiedNote):
        open_checkpoint(sign_checkpoint(CHECKPOINT, witness), log_key)

    both = sign_checkpoint(CHECKPOINT, LOG, witness)
    assert [known.by for known in open_checkpoint(both, log_key, witnesses=[witness_key])[1].known] == [
        log_key,
        witness_key,
    ]
    forged = both[:-20] + ("A" if both[-20] != "A" else "B") + both[-19:]
    with pytest.raises(Refuted, match=r"example[.]com/witness"):
        open_checkpoint(forged, log_key, witnesses=[witness_key])


def test_a_signed_text_that_is_no_checkpoint() -> None:
    """The signature of the log on another text does not make a checkpoint."""
    with pytest.raises(MalformedProof):
        open_checkpoint(sign_note("Nothing happened today.\n", LOG), Verifier(LOG.vkey))


def test_nobody_signs_nothing() -> None:
    """A checkpoint without a signature is not written."""
    with pytest.raises(MalformedProof):
        sign_checkpoint(CHECKPOINT)


# ------------------------------------------------------------------------------------------------------- logs of others


@pytest.mark.parametrize("size", range(16))
def test_tessera_log(size: int) -> None:
    """From the entries of Tessera's log to its leaf tile, to the root, to the checkpoint signed at each size."""
    folder = FOREIGN / "tessera-log"
    checkpoint, note = open_checkpoint((folder / f"checkpoint.{size}").read_bytes(), TESSERA)
    assert (checkpoint.origin, checkpoint.size, checkpoint.extensions) == ("example.com/log/testdata", size, ())
    assert note.unknown == ()
    if size == 0:
        assert checkpoint.root == EMPTY_ROOT
        return

    entries = decode_bundle((folder / path(None, 0, size)).read_bytes())
    leaves = [leaf_hash(entry) for entry in entries]

    assert b"".join(leaves) == (folder / path(0, 0, size)).read_bytes()
    frontier, nodes = extend((), 0, leaves)
    assert root(frontier) == checkpoint.root
    assert nodes[0].hashes == b"".join(leaves)


def test_tessera_history_is_consistent() -> None:
    """Every checkpoint of Tessera's log continues every earlier one, and the newest is the one that is served."""
    folder = FOREIGN / "tessera-log"
    checkpoints = [open_checkpoint((folder / f"checkpoint.{size}").read_bytes(), TESSERA)[0] for size in range(16)]
    entries = decode_bundle((folder / path(None, 0, 15)).read_bytes())

    def hashes(positions: Any) -> list[bytes]:
        return [
            root(extend((), 0, [leaf_hash(entry) for entry in entries[index << level : (index + 1) << level]])[0])
            for level, index in positions
        ]

    assert (folder / "checkpoint").read_bytes() == (folder / "checkpoint.15").read_bytes()
    for new in checkpoints[1:]:
        assert root_at(new.size, hashes) == new.root
        for old in checkpoints[1 : new.size + 1]:
            proof = consistency_proof(old.size, new.size, hashes)
            check_consistency(old.size, new.size, old.root, new.root, proof)


@pytest.mark.parametrize("size", [1514086, 35225469])
def test_sum_golang_org(size: int) -> None:
    """Two real checkpoints of sum.golang.org are verified by its key, whose name is not the origin."""
    vector = VECTORS[f"sum_golang_org_{size}"]
    signed = vector["note"] if "note" in vector else vector["add_checkpoint"][0]["body"].partition("\n\n")[2]

    checkpoint, _ = open_checkpoint(signed, Verifier(vector["vkey"]), origin="go.sum database tree")

    assert checkpoint.size == size
    with pytest.raises(Refuted):
        open_checkpoint(signed, Verifier(vector["vkey"]))


def test_monkeys_from_5_to_8() -> None:
    """Two signed checkpoints of a log are consistent by its proof, and no damaged proof will do."""
    vector = VECTORS["monkeys_5_to_8"]
    key = Verifier(vector["vkey"])
    old, _ = open_checkpoint(vector["note_size5"], key)
    new, _ = open_checkpoint(vector["note_size8"], key)
    proof = [bytes.fromhex(value) for value in vector["consistency_5_8_hex"]]

    check_consistency(5, 8, old.root, new.root, proof)
    assert (old.size, new.size) == (5, 8)
    for at, value in enumerate(proof):
        for damaged in (
            [*proof[:at], bytes([value[0] ^ 1]) + value[1:], *proof[at + 1 :]],
            [*proof[:at], *proof[at + 1 :]],
            [*proof[:at], value, *proof[at:]],
        ):
            with pytest.raises(ProofError):
                check_consistency(5, 8, old.root, new.root, damaged)


def test_rekor_entry() -> None:
    """An entry of Rekor v2: its checkpoint is signed by the log's key, and the entry is in the tree."""
    vector = json.loads((FOREIGN / "rekor-v2-entry.json").read_text(encoding="utf-8"))
    entry, proof = vector["tlog_entry"], vector["tlog_entry"]["inclusionProof"]
    spki = b64decode(vector["log_key"]["publicKey"]["rawBytes"])
    key = Verifier(vkey("log2025-alpha1.rekor.sigstage.dev", spki[-32:]))

    checkpoint, _ = open_checkpoint(proof["checkpoint"]["envelope"], key)

    assert key.key_id == b64decode(entry["logId"]["keyId"])[:4]
    assert checkpoint.size == int(proof["treeSize"])
    assert checkpoint.root == b64decode(proof["rootHash"])
    index = int(entry["logIndex"])
    body = b64decode(entry["canonicalizedBody"])
    siblings = [b64decode(value) for value in proof["hashes"]]
    check_inclusion(index, checkpoint.size, leaf_hash(body), siblings, checkpoint.root)
    with pytest.raises(Refuted):
        check_inclusion(index, checkpoint.size, leaf_hash(body + b" "), siblings, checkpoint.root)


def test_sunlight_checkpoints_are_their_witness_s() -> None:
    """A checkpoint of which only the witness is known is a note of the witness, and none of the log."""
    folder = FOREIGN / "sunlight-witness"
    signed = (folder / "witness-checkpoint.txt").read_bytes()
    keys = json.loads((folder / "witness.v0.json").read_text(encoding="utf-8"))["verifier_keys"]

    checkpoint = parse_checkpoint(open_note(signed, [Verifier(keys[0])]).text)

    assert (checkpoint.origin, checkpoint.size) == ("rome2026h1.example.org", 300)
    with pytest.raises(UnverifiedNote):
        open_checkpoint(signed, Verifier(LOG.vkey), witnesses=[Verifier(keys[0])])


class Witness:
    """The least that a C2SP witness does with `add-checkpoint`, to be held against litewitness."""

    def __init__(self, log: Verifier) -> None:
        self.log = log
        self.seen = Checkpoint(origin=log.name, size=0, root=EMPTY_ROOT)

    def add(self, body: str) -> tuple[int, str]:
        """Return the status and, when the sizes do not meet, the size that was seen."""
        head, _, signed = body.partition("\n\n")
        old, *proof = head.split("\n")
        try:
            new, _ = open_checkpoint(signed, self.log)
        except ProofError:
            return 403, ""
        if int(old.removeprefix("old ")) != self.seen.size:
            return 409, f"{self.seen.size}\n"
        if self.seen.size:
            try:
                check_consistency(
                    self.seen.size, new.size, self.seen.root, new.root, [b64decode(value) for value in proof]
                )
            except ProofError:
                return 422, ""
        self.seen = new
        return 200, ""


def test_litewitness_session() -> None:
    """Nine requests, in order, get the answers of litewitness: accepted, forged, unknown, inconsistent, stale."""
    session = VECTORS["litewitness_add_checkpoint_session"]
    witness = Witness(Verifier(vkey(session["log_origin"], bytes.fromhex(session["log_ed25519_public_hex"]))))

    answers = [witness.add(request["body"]) for request in session["requests"]]

    assert [status for status, _ in answers] == [request["expect_status"] for request in session["requests"]]
    assert [status for status, _ in answers] == [200, 403, 403, 422, 422, 200, 409, 200, 409]
    for (status, text), request in zip(answers, session["requests"], strict=True):
        if status == 409:
            assert json.loads(request["expect"].removeprefix("body == ")) == text
    assert witness.seen.size == 5


def test_signature_lines_of_other_types_are_kept() -> None:
    """A note with signatures that nobody here understands is read and written without losing any of them."""
    data = (FOREIGN / "sunlight-witness" / "witness-checkpoint.txt").read_text(encoding="utf-8")

    text, signatures = parse_note(data)

    assert text == data.partition("\n\n")[0] + "\n"
    assert [(signature.name, len(signature.value)) for signature in signatures] == [
        ("rome2026h1.example.org", 83),
        ("witness.example.org", 72),
    ]
