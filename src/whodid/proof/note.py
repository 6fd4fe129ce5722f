r"""Signed notes: text, and under it the signatures of those who stand for it.

The format is C2SP signed-note (https://c2sp.org/signed-note). A note is a text that ends in a newline, an empty line,
and one line per signature: an em dash, a space, the name of the key, a space, and the base64 of the 4-byte key id and
the signature. Here is one::

    If you think cryptography is the answer to your problem,
    then you don't know what your problem is.

    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=

The text includes its last newline, not the empty line. It may contain empty lines itself: the last empty line of the
note divides it from the signatures. Text and names are UTF-8 without control characters other than the newline; a name
is not empty and has neither spaces nor ``+`` in it.

Whoever wants to check a note holds verifier keys, one line of text each: the name, the key id in hexadecimal, and the
base64 of the signature type and the public key. The one for the note above::

    PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW

The key id is the beginning of SHA-256(name, newline, type, public key). It only says which key to try; it proves
nothing. Two types of signature are understood here, both Ed25519 (RFC 8032):

* 0x01, over the text itself: what a log makes;
* 0x04, over the text preceded by the time of signing: what a witness makes; checked here, made in
  `whodid.proof.cosign` (cosignature/v1, https://c2sp.org/tlog-cosignature).

Signatures of other keys are unknown. They neither help nor harm: a note is worth what its known signatures are worth,
and one of those that does not hold condemns the whole note.

    >>> signer = Signer("example.com/log", bytes(32))
    >>> signed = sign_note("Nothing happened today.\n", signer)
    >>> open_note(signed, [Verifier(signer.vkey)]).text
    'Nothing happened today.\n'
    >>> open_note(signed.replace("Nothing", "Much"), [Verifier(signer.vkey)])
    Traceback (most recent call last):
    whodid.errors.Refuted: The signature of example.com/log+1dde4531 does not belong to this text.

One note has one spelling: base64 with stray bits or a missing padding is refused. What a text means is decided
elsewhere (`whodid.proof.checkpoint`).
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from whodid.errors import InvalidSetting, MalformedProof, Refuted, UnverifiedNote

__all__ = [
    "COSIGNATURE",
    "ED25519",
    "MAX_SIGNATURES",
    "Note",
    "Signature",
    "Signer",
    "Verified",
    "Verifier",
    "check_text",
    "cosigned_message",
    "decode_base64",
    "format_note",
    "format_signature",
    "key_id",
    "open_note",
    "parse_note",
    "sign_note",
    "verify_ed25519",
    "vkey",
]

ED25519 = 0x01
COSIGNATURE = 0x04

MAX_SIGNATURES = 100
"""Notes with more signatures are refused unread; C2SP demands that at least 16 are accepted."""

_DASH = "\u2014 "
_KEY_ID_SIZE = 4
_KEY_SIZE = 32  # of a public key, and of the seed that is a private one
_TIME_SIZE = 8
_MAX_TIME = (1 << 63) - 1
# What a note cannot contain: control characters but the newline, and halves of surrogate pairs, which are not UTF-8.
_FORBIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")
_NAME = re.compile(r"[^\s+\x00-\x1f\ud800-\udfff]+")


class Signature(NamedTuple):
    """What one signature line says; whether it holds is another matter.

    Args:
        name: Name of the key.
        key_id: Its 4-byte id.
        value: The signature, in the form of its type.
    """

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A signature that holds, by a known key.

    Args:
        by: The key.
        signature: Its signature.
        cosigned_at: When a witness signed, by its own clock, in seconds since 1970; None for a signature of type 0x01,
            which has no time.
    """

    by: Verifier
    signature: Signature
    cosigned_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note that at least one known key has signed.

    Args:
        text: The text, with its final newline.
        known: One verified signature per known key, in the order of the note.
        unknown: Signatures of other keys, without repeats. They say nothing.
    """

    text: str
    known: tuple[Verified, ...]
    unknown: tuple[Signature, ...]


class Verifier:
    """A public key that somebody trusts, to check signatures with.

    Args:
        vkey: The verifier key, `<name>+<key id>+<type and public key>`. Verifiers are equal when their keys are.

    Raises:
        InvalidSetting: If it is malformed, contradicts its own key id, or is of a type other than 0x01 and 0x04.
    """

    __slots__ = ("_public", "key_id", "name", "type", "vkey")

    def __init__(self, vkey: str) -> None:
        self.vkey = vkey
        try:
            self.name, id_text, key_text = vkey.split("+", 2)
            type, *public = decode_base64(key_text)
        except (ValueError, MalformedProof) as error:
            raise _unusable(vkey, "it is not <name>+<key id>+<key>") from error
        self.type, self._public = type, bytes(public)
        if not _NAME.fullmatch(self.name):
            raise _unusable(vkey, "it is not <name>+<key id>+<key>")
        if self.type not in {ED25519, COSIGNATURE} or len(self._public) != _KEY_SIZE:
            raise _unusable(vkey, "it is not an Ed25519 key of type 01 or 04")
        self.key_id = key_id(self.name, self._public, self.type)
        if self.key_id.hex() != id_text:
            raise _unusable(vkey, f"the id of this key is {self.key_id.hex()}")

    def check(self, text: str, signature: bytes) -> int | None:
        """Check a signature of this key over a text.

        Args:
            text: The text of a note, with its final newline.
            signature: The signature in the form of this key's type, without the key id.

        Returns:
            The time of a cosignature, in seconds since 1970; None for a key of type 0x01.

        Raises:
            Refuted: If this key did not sign this text so.
            MalformedProof: If the text cannot be the text of a note.
        """
        check_text(text)
        message = text.encode()
        cosigned_at: int | None = None
        if self.type == COSIGNATURE:
            cosigned_at = int.from_bytes(signature[:_TIME_SIZE], "big")
            message = cosigned_message(cosigned_at, message)
            signature = signature[_TIME_SIZE:]
        if (cosigned_at or 0) > _MAX_TIME or not verify_ed25519(self._public, message, signature):
            raise Refuted(f"The signature of {self.name}+{self.key_id.hex()} does not belong to this text")
        return cosigned_at

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verifier) and self.vkey == other.vkey

    def __hash__(self) -> int:
        return hash(self.vkey)

    def __repr__(self) -> str:
        return f"Verifier({self.vkey!r})"


class Signer:
    """A private key that makes signatures of type 0x01.

    Args:
        name: Name of the key, for a log the origin of its checkpoints.
        seed: The private key of RFC 8032: 32 random bytes, to be kept secret. `repr` does not show it.

    Raises:
        InvalidSetting: If the name cannot be the name of a key, or the seed is not 32 bytes.
    """

    __slots__ = ("_key", "key_id", "name", "vkey")

    def __init__(self, name: str, seed: bytes) -> None:
        if len(seed) != _KEY_SIZE:
            raise InvalidSetting(f"A signing key has 32 bytes, not {len(seed)}")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._key.public_key().public_bytes_raw()
        self.name, self.vkey, self.key_id = name, vkey(name, public), key_id(name, public)

    def sign(self, text: str) -> Signature:
        """Sign a text.

        Raises:
            MalformedProof: If it cannot be the text of a note.
        """
        check_text(text)
        return Signature(self.name, self.key_id, self._key.sign(text.encode()))

    def __repr__(self) -> str:
        return f"Signer({self.vkey!r})"


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether an Ed25519 signature holds (RFC 8032 section 5.1.7, without the cofactor).

    How edge cases are judged is OpenSSL's: S must be reduced and R is compared as bytes, so that nobody but the owner
    of a key can make a second signature from a first. Keys of small order are not refused: with such a key some
    signatures hold for many messages, which harms only somebody who trusts it.

    Args:
        public: 32 bytes.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def cosigned_message(at: int, message: bytes) -> bytes:
    """Return what a witness signs at a time, in seconds since 1970 (cosignature/v1, C2SP tlog-cosignature)."""
    return b"cosignature/v1\ntime %d\n%b" % (at, message)


def key_id(name: str, public: bytes, type: int = ED25519) -> bytes:
    """Return the 4-byte id of the key with this name, public key and type of signatures."""
    return sha256(b"%b\n%c%b" % (name.encode(), type, public)).digest()[:_KEY_ID_SIZE]


def vkey(name: str, public: bytes, type: int = ED25519) -> str:
    """Return the verifier key, as `Verifier` takes it, of the key with this name, public key and type of signatures.

    Raises:
        InvalidSetting: If the name cannot be the name of a key.
    """
    if not _NAME.fullmatch(name):
        raise InvalidSetting(
            f"A key cannot have the name {name!a}", "Use one without spaces and plus, as in example.com/log"
        )
    return f"{name}+{key_id(name, public, type).hex()}+{b64encode(bytes([type]) + public).decode()}"


def sign_note(text: str, *signers: Signer) -> str:
    """Return a text as a note with the signature of every signer, in their order.

    Raises:
        MalformedProof: If the text cannot be the text of a note, or there is no signer.
    """
    return format_note(text, [signer.sign(text) for signer in signers])


def format_note(text: str, signatures: Sequence[Signature]) -> str:
    """Return a text with signatures as a note; the inverse of `parse_note`.

    Raises:
        MalformedProof: If `parse_note` would refuse the result.
    """
    check_text(text)
    _require_count(len(signatures))
    return f"{text}\n{''.join(map(format_signature, signatures))}"


def format_signature(signature: Signature) -> str:
    """Return a signature as a line of a note, its newline included.

    Raises:
        MalformedProof: If `parse_note` would refuse it.
    """
    name, key_id, value = signature
    if not _NAME.fullmatch(name) or len(key_id) != _KEY_ID_SIZE or not value:
        raise MalformedProof(f"A signature by {name!a} is not a name, a 4-byte key id and a value")
    return f"{_DASH}{name} {b64encode(key_id + value).decode()}\n"


def parse_note(data: str | bytes) -> tuple[str, list[Signature]]:
    """Read a note, as text or UTF-8, without verifying it. Do not act on its text: `open_note` is for that.

    Returns:
        The text with its final newline, and at least one signature, in the order of the note.

    Raises:
        MalformedProof: If it is not a note.
    """
    try:
        note = data if isinstance(data, str) else data.decode()
    except UnicodeDecodeError as error:
        raise MalformedProof("The note is not UTF-8") from error
    text, divided, lines = note.rpartition("\n\n")
    if not divided or not lines.endswith("\n"):
        raise MalformedProof("The note does not end in an empty line and signature lines")
    text += "\n"
    check_text(text)
    signature_lines = lines[:-1].split("\n")
    _require_count(len(signature_lines))
    return text, [_parse_signature(line) for line in signature_lines]


def open_note(data: str | bytes, verifiers: Iterable[Verifier]) -> Note:
    """Read a note and verify it.

    Args:
        data: The note as text, or as the UTF-8 of it.
        verifiers: The known keys.

    Returns:
        The note, with at least one known signature.

    Raises:
        MalformedProof: If it is not a note.
        Refuted: If a signature of a known key does not hold; others that do hold make no difference.
        UnverifiedNote: If none of the signatures is by a known key.
        InvalidSetting: If two known keys share name and id, so that a signature line could mean either.
    """
    keys: dict[tuple[str, bytes], Verifier] = {}
    for verifier in verifiers:
        if keys.setdefault((verifier.name, verifier.key_id), verifier) != verifier:
            raise _unusable(verifier.vkey, "another key has the same name and id")
    text, signatures = parse_note(data)
    known: dict[Verifier, Verified] = {}
    unknown: dict[Signature, None] = {}
    for signature in signatures:
        key = keys.get((signature.name, signature.key_id))
        if key is None:
            unknown[signature] = None
        else:  # repeats are verified too: that one line holds does not excuse another
            verified = Verified(by=key, signature=signature, cosigned_at=key.check(text, signature.value))
            known.setdefault(key, verified)
    if not known:
        names = ", ".join(dict.fromkeys(signature.name for signature in signatures))
        raise UnverifiedNote(
            f"No known key signed the note; it bears the names {names}",
            "Get the verifier key of the log from its operator, by another way than the note came",
        )
    return Note(text=text, known=tuple(known.values()), unknown=tuple(unknown))


def check_text(text: str) -> None:
    """Refuse what cannot be the text of a note.

    Raises:
        MalformedProof: If it has characters that a note cannot contain, or no newline at its end.
    """
    if not text.endswith("\n"):
        raise MalformedProof("The text of a note does not end in a newline")
    if _FORBIDDEN.search(text):
        raise MalformedProof("The text of a note has a control character or half of a surrogate pair in it")


def decode_base64(text: str) -> bytes:
    """Return the bytes that a base64 text means (RFC 4648 section 4), if it is their only spelling.

    Raises:
        MalformedProof: If the text has other characters, padding that is missing, or stray bits before it.
    """
    try:
        data = b64decode(text, validate=True)
    except ValueError as error:  # binascii.Error is one
        raise MalformedProof("A value is not base64") from error
    if b64encode(data).decode() != text:
        raise MalformedProof("A value is not in the one spelling that base64 has for it")
    return data


def _parse_signature(line: str) -> Signature:
    name, _, value = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not _NAME.fullmatch(name):
        raise MalformedProof("A signature line is not an em dash, a name and a base64 value")
    data = decode_base64(value)
    if len(data) <= _KEY_ID_SIZE:
        raise MalformedProof(f"The signature of {name} is too short")
    return Signature(name, data[:_KEY_ID_SIZE], data[_KEY_ID_SIZE:])


def _require_count(count: int) -> None:
    if not 1 <= count <= MAX_SIGNATURES:
        raise MalformedProof(f"A note cannot have {count} signatures", f"Keep 1 to {MAX_SIGNATURES} of them")


def _unusable(vkey: str, reason: str) -> InvalidSetting:
    return InvalidSetting(f"The verifier key {vkey!a} cannot be used: {reason}", "Copy the whole line from its source")
