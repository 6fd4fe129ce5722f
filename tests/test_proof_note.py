"""Signed notes: other people's, our own, and damaged ones; the keys that sign them."""

from __future__ import annotations

import doctest
import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from whodid.errors import InvalidSetting, MalformedProof, ProofError, Refuted, UnverifiedNote
from whodid.proof import note as room
from whodid.proof.note import (
    COSIGNATURE,
    MAX_SIGNATURES,
    Signature,
    Signer,
    Verifier,
    check_text,
    format_note,
    key_id,
    open_note,
    parse_note,
    sign_note,
    vkey,
)

FOREIGN = Path(__file__).parent / "vectors" / "foreign"
VECTORS: dict[str, Any] = json.loads((FOREIGN / "notes-checkpoints-tiles.json").read_text(encoding="utf-8"))
GO: dict[str, Any] = VECTORS["go_sumdb_note"]
PETER, ENOCH = (Verifier(text) for text in GO["vkeys"])
PETER_LINE, ENOCH_LINE = GO["signature_lines"]
# The private key in the example of golang/mod sumdb/note/note.go, which every reader of it may use.
PETER_SEED = b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]

TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=[*map(chr, range(32))]) | st.just("\n")
).map(lambda text: text + "\n")
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="+"), min_size=1)
SIGNATURES = st.builds(Signature, NAMES, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80))


def go_note(*lines: str) -> str:
    """Return Go's example text with some signature lines below it."""
    return "\n".join([GO["text"], "".join(lines)])


def test_the_package_comment_is_true() -> None:
    """The example that explains the format runs, and its note is verified by the key it names."""
    failures, examples = doctest.testmod(room)
    lines = (room.__doc__ or "").split("\n")
    start = next(at for at, line in enumerate(lines) if line.startswith("    If you think"))
    note = "".join(f"{line.removeprefix('    ')}\n" for line in lines[start : start + 4])
    vkey_line = next(line for line in lines if line.startswith("    PeterNeumann+"))

    assert (failures, examples > 0) == (0, True)
    assert open_note(note, [Verifier(vkey_line.strip())]).text == GO["text"]


# ------------------------------------------------------------------------------------------------------ notes of others


def test_go_note_with_both_keys() -> None:
    """Both signatures of Go's example hold, in the order of the note."""
    note = open_note(go_note(PETER_LINE, ENOCH_LINE), [ENOCH, PETER])

    assert note.text == GO["text"]
    assert [verified.by for verified in note.known] == [PETER, ENOCH]
    assert [verified.cosigned_at for verified in note.known] == [None, None]
    assert note.unknown == ()
    assert [(verified.signature.name, verified.signature.key_id.hex()) for verified in note.known] == [
        ("PeterNeumann", "c74f20a3"),
        ("EnochRoot", "af0cfe78"),
    ]


def test_go_note_with_one_key() -> None:
    """The signature of a key that is not known is reported as unknown and does not matter."""
    note = open_note(go_note(PETER_LINE, ENOCH_LINE).encode(), [PETER])

    assert [verified.by for verified in note.known] == [PETER]
    assert [signature.name for signature in note.unknown] == ["EnochRoot"]


def test_go_note_with_no_key() -> None:
    """Without a known key there is no note, and the message names the signatures that it bears."""
    with pytest.raises(UnverifiedNote, match="PeterNeumann, EnochRoot"):
        open_note(go_note(PETER_LINE, ENOCH_LINE), [])


def test_we_sign_as_go_does() -> None:
    """With the private key of Go's example we write the very same note and verifier key."""
    signer = Signer("PeterNeumann", PETER_SEED)

    assert signer.vkey == GO["vkeys"][0]
    assert sign_note(GO["text"], signer) == go_note(PETER_LINE)


@pytest.mark.parametrize("bad", GO["bad_vkeys"])
def test_go_bad_verifier_keys(bad: str) -> None:
    """Verifier keys that Go refuses, for their length or their type, are refused."""
    with pytest.raises(InvalidSetting, match="cannot be used"):
        Verifier(bad)


def test_c2sp_example() -> None:
    """The example of the signed-note specification is verified by its key."""
    example = VECTORS["c2sp_signed_note_example"]

    note = open_note(example["note"], [Verifier(example["vkey"])])

    assert note.text == "This is an example message.\n"


@pytest.mark.parametrize("who", ["witness", "witness2", "mirror"])
def test_sunlight_cosignatures(who: str) -> None:
    """Cosignatures of Sunlight's witnesses hold and say when they were made; other types of signature are unknown."""
    folder = FOREIGN / "sunlight-witness"
    keys = json.loads((folder / f"{who}.v0.json").read_text(encoding="utf-8"))["verifier_keys"]
    data = (folder / f"{who}-checkpoint.txt").read_bytes()
    verifier = Verifier(keys[0])

    note = open_note(data, [verifier])

    assert verifier.type == COSIGNATURE
    assert [(verified.by, verified.cosigned_at) for verified in note.known] == [(verifier, 1767139200)]
    assert len(note.unknown) == data.count("— ".encode()) - 1
    signature = note.known[0].signature.value
    for at in range(len(signature)):
        with pytest.raises(Refuted):
            verifier.check(note.text, signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :])
    for short in (b"", signature[:7], signature[:8], signature[:-1], signature + b"\x00"):
        with pytest.raises(Refuted):
            verifier.check(note.text, short)


# -------------------------------------------------------------------------------------------------------- damaged notes


def test_every_changed_byte_of_a_note_is_refused() -> None:
    """Whichever byte of a signed note is changed, removed or doubled, the note is refused."""
    data = go_note(PETER_LINE).encode()

    for at in range(len(data)):
        for damaged in (
            data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :],
            data[:at] + bytes([data[at] ^ 0x80]) + data[at + 1 :],
            data[:at] + data[at + 1 :],
            data[:at] + data[at : at + 1] + data[at:],
        ):
            with pytest.raises(ProofError):
                open_note(damaged, [PETER])


def test_one_false_signature_condemns_a_note() -> None:
    """A known key whose signature does not hold is not excused by another that does, nor by a repeat."""
    false = ENOCH_LINE[:60] + "A" + ENOCH_LINE[61:]
    assert false != ENOCH_LINE

    for lines in ([PETER_LINE, false], [false, PETER_LINE], [PETER_LINE, ENOCH_LINE, false], [false]):
        with pytest.raises(Refuted, match="EnochRoot"):
            open_note(go_note(*lines), [PETER, ENOCH])
    assert len(open_note(go_note(PETER_LINE, false), [PETER]).unknown) == 1


def test_repeats_count_once() -> None:
    """Repeated signatures are verified and reported once, known and unknown ones alike (as in Go)."""
    other = ENOCH_LINE[:60] + "ABCD" + ENOCH_LINE[60:]

    note = open_note(go_note(PETER_LINE, PETER_LINE, ENOCH_LINE, ENOCH_LINE, other), [PETER])

    assert [verified.by for verified in note.known] == [PETER]
    assert [len(signature.value) for signature in note.unknown] == [64, 67]


def test_name_and_id_must_both_match() -> None:
    """A signature that shares only the name or only the id with a known key is unknown."""
    renamed = PETER_LINE.replace("PeterNeumann", "CarmenSandiego")
    other_id = PETER_LINE.replace("x08g", "xxxx")

    for line in (renamed, other_id):
        with pytest.raises(UnverifiedNote):
            open_note(go_note(line), [PETER])


def test_the_number_of_signatures_is_limited() -> None:
    """100 signatures are read, one more is not, and neither is none."""
    assert len(open_note(go_note(*[PETER_LINE] * MAX_SIGNATURES), [PETER]).known) == 1

    with pytest.raises(MalformedProof, match="101 signatures"):
        open_note(go_note(*[PETER_LINE] * (MAX_SIGNATURES + 1)), [PETER])
    with pytest.raises(MalformedProof, match="0 signatures"):
        sign_note("text\n")


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        GO["text"],
        GO["text"] + "\n",
        go_note(PETER_LINE[:-1]),
        go_note(PETER_LINE, "Unexpected line.\n"),
        go_note("Unexpected line.\n", PETER_LINE),
        "\x01" + go_note(PETER_LINE),
        "\ud800" + go_note(PETER_LINE),
        b"\xff" + go_note(PETER_LINE).encode(),
        go_note(PETER_LINE).replace("\n", "\r\n"),
        go_note(PETER_LINE).replace("your problem,", "your\tproblem,"),
        go_note(PETER_LINE.replace("— ", "- ")),
        go_note(PETER_LINE.replace("— ", "—")),
        go_note(PETER_LINE.replace("PeterNeumann", "Peter Neumann")),
        go_note(PETER_LINE.replace("PeterNeumann", "Peter\u00a0Neumann")),
        go_note(PETER_LINE.replace("PeterNeumann", "Peter\u2003Neumann")),
        go_note(PETER_LINE.replace("PeterNeumann", "Peter+Neumann")),
        go_note(PETER_LINE.replace("PeterNeumann", "Peter\x7f\x1fNeumann")),
        go_note(PETER_LINE.replace("PeterNeumann", "Peter\udc00Neumann")),
        go_note(PETER_LINE.replace("PeterNeumann ", "")),
        go_note(PETER_LINE.replace("PeterNeumann", "")),
        go_note("— PeterNeumann\n"),
        go_note("— PeterNeumann \n"),
        go_note("— PeterNeumann x08gow==\n"),
        go_note(PETER_LINE.replace("=\n", "\n")),
        go_note(PETER_LINE.replace("=\n", "==\n")),
        go_note(PETER_LINE.replace("AM=\n", "AN=\n")),
        go_note(PETER_LINE.replace("x08g", "x08-")),
        go_note(PETER_LINE.replace("x08g", "x08é")),
        go_note(PETER_LINE.replace("\n", " \n")),
    ],
)
def test_malformed_notes_are_refused(note: str | bytes) -> None:
    """What is not a note is refused as malformed, whoever is known."""
    with pytest.raises(MalformedProof):
        open_note(note, [PETER])


@pytest.mark.parametrize("text", ["", "no newline", "a\rb\n", "a\x00b\n", "\udfff\n"])
def test_texts_that_cannot_be_signed(text: str) -> None:
    """A text that a note cannot contain is neither signed nor formatted nor checked."""
    with pytest.raises(MalformedProof):
        check_text(text)
    with pytest.raises(MalformedProof):
        sign_note(text, Signer("example.com/log", bytes(32)))
    with pytest.raises(MalformedProof):
        format_note(text, [Signature("example.com/log", bytes(4), b"x")])
    with pytest.raises(MalformedProof):
        PETER.check(text, bytes(64))


@pytest.mark.parametrize(
    "signature",
    [
        Signature("", bytes(4), b"x"),
        Signature("a b", bytes(4), b"x"),
        Signature("a+b", bytes(4), b"x"),
        Signature("a\nb", bytes(4), b"x"),
        Signature("a", bytes(3), b"x"),
        Signature("a", bytes(5), b"x"),
        Signature("a", bytes(4), b""),
    ],
)
def test_signatures_that_cannot_be_written(signature: Signature) -> None:
    """A signature that could not be read back is not written."""
    with pytest.raises(MalformedProof):
        format_note("text\n", [signature])


@given(TEXTS, st.lists(SIGNATURES, min_size=1, max_size=5))
def test_notes_round_trip(text: str, signatures: list[Signature]) -> None:
    """Any text with any signatures is read back as it was written, from text and from bytes."""
    note = format_note(text, signatures)

    assert parse_note(note) == (text, signatures)
    assert parse_note(note.encode()) == (text, signatures)


@given(st.text(st.sampled_from("\n— +aA=\x00é")), st.booleans())
def test_what_is_read_has_one_spelling(start: str, whole: bool) -> None:
    """Whatever looks like a note and is read as one is written back byte for byte."""
    note = start + go_note(PETER_LINE) if whole else go_note(PETER_LINE) + start

    try:
        text, signatures = parse_note(note)
    except MalformedProof:
        return
    assert format_note(text, signatures) == note


@given(TEXTS, st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=4, unique=True))
def test_what_we_sign_we_verify(text: str, seeds: list[bytes]) -> None:
    """Notes signed by several keys are verified by each of them, and by all."""
    signers = [Signer(f"example.com/{at}", seed) for at, seed in enumerate(seeds)]
    verifiers = [Verifier(signer.vkey) for signer in signers]

    signed = sign_note(text, *signers)

    assert [verified.by for verified in open_note(signed, verifiers).known] == verifiers
    for verifier in verifiers:
        note = open_note(signed, [verifier])
        assert (note.text, len(note.known), len(note.unknown)) == (text, 1, len(seeds) - 1)


# ----------------------------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "+",
        "++",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "PeterNeumann+c74f20a3+",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+0c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeuman+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n",
        "PeterNeumann+c74f20a3+AR!c2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz",
    ],
)
def test_verifier_keys_that_cannot_be_used(bad: str) -> None:
    """A verifier key that is malformed or contradicts its own id is refused."""
    with pytest.raises(InvalidSetting, match="cannot be used"):
        Verifier(bad)


@pytest.mark.parametrize(("type", "size"), [(1, 31), (1, 33), (4, 33), (1, 0), (0, 32), (2, 32), (5, 32), (6, 1312)])
def test_verifier_keys_of_other_types(type: int, size: int) -> None:
    """A well-formed verifier key that is not an Ed25519 key of the two types, or not 32 bytes, is refused."""
    with pytest.raises(InvalidSetting, match="type 01 or 04"):
        Verifier(vkey("example.com/log", bytes(size), type))


@pytest.mark.parametrize("name", ["", "two words", "a\u00a0b", "a\nb"])
def test_verifier_keys_with_bad_names(name: str) -> None:
    """A name that no signature line can bear is refused, even if the id is right for it."""
    key = b64encode(bytes([1, *bytes(32)])).decode()

    with pytest.raises(InvalidSetting, match="cannot be used"):
        Verifier(f"{name}+{key_id(name, bytes(32)).hex()}+{key}")


def test_two_keys_with_one_name_and_id_are_ambiguous() -> None:
    """Ids are short: two keys were found that share one. Knowing both is refused, knowing one twice is not."""
    first, second = (Signer("example.com/log", number.to_bytes(32, "big")) for number in (64063, 139885))
    assert first.key_id == second.key_id
    assert first.vkey != second.vkey
    signed = sign_note("text\n", first)

    assert len(open_note(signed, [Verifier(first.vkey), Verifier(first.vkey)]).known) == 1
    with pytest.raises(Refuted):
        open_note(signed, [Verifier(second.vkey)])
    with pytest.raises(InvalidSetting, match="another key has the same name and id"):
        open_note(signed, [Verifier(first.vkey), Verifier(second.vkey)])


def test_signers_refuse_bad_names_and_seeds() -> None:
    """A name that a key cannot have, and a seed of another length, are refused."""
    for name in ("", "two words", "a+b", "a\nb", "\ud800"):
        with pytest.raises(InvalidSetting, match="cannot have the name"):
            Signer(name, bytes(32))
    for seed in (b"", bytes(31), bytes(33)):
        with pytest.raises(InvalidSetting, match="32 bytes"):
            Signer("example.com/log", seed)


def test_a_seed_is_not_shown() -> None:
    """Neither the text of a signer nor its attributes give its seed away."""
    seed = bytes(range(32))
    signer = Signer("example.com/log", seed)

    shown = f"{signer!r} {signer} {[getattr(signer, name) for name in ('name', 'vkey', 'key_id')]}"

    assert repr(signer) == f"Signer({signer.vkey!r})"
    for spelling in (seed.hex(), repr(seed)[2:-1], b64encode(seed).decode()):
        assert spelling not in shown


def test_verifiers_are_values() -> None:
    """Verifiers of one key are equal and say which key it is."""
    twin = Verifier(PETER.vkey)

    assert twin == PETER
    assert twin != ENOCH
    assert twin != PETER.vkey
    assert {twin, PETER, ENOCH} == {PETER, ENOCH}
    assert repr(twin) == f"Verifier({PETER.vkey!r})"


def cosign(key: Ed25519PrivateKey, text: str, cosigned_at: int) -> bytes:
    """Make a cosignature as the specification describes it."""
    message = f"cosignature/v1\ntime {cosigned_at}\n{text}".encode()
    return cosigned_at.to_bytes(8, "big") + key.sign(message)


@pytest.mark.parametrize(("cosigned_at", "good"), [(0, True), (1, True), (2**63 - 1, True), (2**63, False)])
def test_times_of_cosignatures(cosigned_at: int, good: bool) -> None:
    """A cosignature may be of any time below 2^63, and of none above."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    verifier = Verifier(vkey("example.com/witness", key.public_key().public_bytes_raw(), COSIGNATURE))
    value = cosign(key, "text\n", cosigned_at)

    if good:
        assert verifier.check("text\n", value) == cosigned_at
    else:
        with pytest.raises(Refuted):
            verifier.check("text\n", value)


def test_types_of_signatures_do_not_mix() -> None:
    """A signature over the text is no cosignature, and a cosignature is no signature, of the same key."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public = key.public_key().public_bytes_raw()
    plain = Verifier(vkey("example.com/both", public))
    witness = Verifier(vkey("example.com/both", public, COSIGNATURE))
    cosignature = cosign(key, "text\n", 7)

    assert plain.key_id == key_id("example.com/both", public) != witness.key_id
    assert plain.check("text\n", key.sign(b"text\n")) is None
    assert witness.check("text\n", cosignature) == 7
    for verifier, value in (
        (plain, cosignature),
        (plain, cosignature[8:]),
        (witness, key.sign(b"text\n")),
        (witness, bytes(8) + key.sign(b"text\n")),
    ):
        with pytest.raises(Refuted):
            verifier.check("text\n", value)
