"""Witnesses: how a log asks for a cosignature, and how a witness gives one.

The exchange is C2SP tlog-witness (https://c2sp.org/tlog-witness): the log sends its checkpoint with a consistency proof
from the size that the witness saw last, and gets signature lines back (cosignature/v1, C2SP tlog-cosignature). The body
of a request::

    old 20852014
    PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=

    example.com/behind-the-sofa
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+x…

the size before, a hash per line, an empty line, and the checkpoint.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from whodid.errors import InvalidSetting, MalformedProof
from whodid.proof.checkpoint import MAX_SIZE
from whodid.proof.note import COSIGNATURE, Signature, check_text, cosigned_message, decode_base64, key_id, vkey
from whodid.proof.tree import HASH_SIZE

__all__ = ["MAX_PROOF", "Cosigner", "Request", "format_request", "parse_request"]

MAX_PROOF = 63
"""Hashes that a consistency proof between two sizes below 2^63 can have."""

_KEY_SIZE = 32
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


class Cosigner:
    """A private key that makes signatures of type 0x04: what a witness saw, and when.

    Args:
        name: Name of the witness.
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
        self.name, self.vkey = name, vkey(name, public, COSIGNATURE)
        self.key_id = key_id(name, public, COSIGNATURE)

    def sign(self, text: str, at: int) -> Signature:
        """Cosign a text.

        Args:
            text: The text of a checkpoint.
            at: Seconds since 1970.

        Raises:
            MalformedProof: If it cannot be the text of a note.
        """
        check_text(text)
        signed = self._key.sign(cosigned_message(at, text.encode()))
        return Signature(self.name, self.key_id, at.to_bytes(8, "big") + signed)

    def __repr__(self) -> str:
        return f"Cosigner({self.vkey!r})"


class Request(NamedTuple):
    """What a log asks of a witness.

    Args:
        old: Size that the witness cosigned last, 0 for none.
        proof: Consistency proof from there to the checkpoint.
        note: The checkpoint, signed.
    """

    old: int
    proof: tuple[bytes, ...]
    note: str


def format_request(old: int, proof: Sequence[bytes], note: str) -> bytes:
    """Return the body of a request to a witness; the inverse of `parse_request`."""
    lines = [f"old {old}", *(b64encode(one).decode() for one in proof)]
    return ("".join(f"{line}\n" for line in lines) + "\n" + note).encode()


def parse_request(body: bytes) -> Request:
    """Read the body of a request to a witness; its note is neither read nor verified.

    Raises:
        MalformedProof: If it is not one.
    """
    try:
        head, divided, note = body.decode().partition("\n\n")
    except UnicodeDecodeError as error:
        raise MalformedProof("The request is not UTF-8") from error
    first, *hashes = head.split("\n")
    said = _OLD.fullmatch(first)
    if not divided or said is None or int(said[1]) > MAX_SIZE:
        raise MalformedProof("The request does not begin with the line of the old size, or has no checkpoint")
    if len(hashes) > MAX_PROOF:
        raise MalformedProof(f"A consistency proof has at most {MAX_PROOF} hashes, not {len(hashes)}")
    proof = tuple(decode_base64(line) for line in hashes)
    if any(len(one) != HASH_SIZE for one in proof):
        raise MalformedProof("A hash is not 32 bytes long")
    return Request(int(said[1]), proof, note)
