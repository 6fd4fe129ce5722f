"""Answers packed for their way, as Accept-Encoding allows: zstd or gzip.

What is packed together with a secret can be guessed from its length by whoever may ask again and again and puts a guess
beside it (BREACH). Here nobody can: what opens a log is a token in a header, which no other site can make a browser
send, and no answer that is packed has a token, a key or a cookie in it. So only answers of known kinds are packed, and
none that sets a cookie; the token that the console hands out to its cookie is none of them. Streams and files are made
while they are sent and stay as they are.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache

import msgspec
import zstandard

from whodid.server.answers import Answer, Call

__all__ = ["pack_answer"]

_LEAST = 1024
"""Bytes below which packing costs more than it saves."""

_TYPES = frozenset(
    {
        "application/json",
        "image/svg+xml",
        "text/css; charset=utf-8",
        "text/html; charset=utf-8",
        "text/javascript; charset=utf-8",
    }
)
_VARIES = ("Vary", "Accept-Encoding")
_WEIGHT = re.compile(r"\s*;\s*q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*$")


def pack_answer(answer: Answer, call: Call) -> Answer:
    """Return an answer packed in the way that the caller takes, or as it is."""
    if answer.status == 304:
        return msgspec.structs.replace(answer, headers=(*answer.headers, _VARIES))
    body, headers = answer.body, dict(answer.headers)
    if not isinstance(body, bytes) or answer.media_type not in _TYPES or "Set-Cookie" in headers:
        return answer
    varied = [*answer.headers, _VARIES]
    encoding = _taken(call.headers.get("accept-encoding", ""))
    if len(body) < _LEAST or not encoding:
        return msgspec.structs.replace(answer, headers=tuple(varied))
    packed = _packed_file(body, encoding) if "public" in headers.get("Cache-Control", "") else _packed(body, encoding)
    # Other bytes are another representation: a tag that promises each byte would be wrong (RFC 9110, 8.8.1).
    tagged = [(name, f"W/{text}" if name == "ETag" and text[:2] != "W/" else text) for name, text in varied]
    return msgspec.structs.replace(answer, body=packed, headers=(*tagged, ("Content-Encoding", encoding)))


def _taken(accepted: str) -> str:
    """Return the best encoding that a caller takes (RFC 9110, 12.5.3); empty for none but the plain one."""
    weights: dict[str, float] = {}
    for one in accepted.lower().split(","):
        weight = _WEIGHT.search(one)
        name = (one[: weight.start()] if weight else one).strip()
        weights[name] = float(weight[1]) if weight else 1.0
    # Whoever takes anything takes what everybody knows.
    taken = {"zstd": weights.get("zstd", 0.0), "gzip": weights.get("gzip", weights.get("*", 0.0))}
    best = max(taken, key=lambda name: taken[name])
    return best if taken[best] > 0 else ""


def _packed(body: bytes, encoding: str, *, hard: bool = False) -> bytes:
    if encoding == "zstd":
        return zstandard.ZstdCompressor(level=19 if hard else 3).compress(body)
    packer = zlib.compressobj(level=9 if hard else 5, wbits=31)
    return packer.compress(body) + packer.flush()


@lru_cache(maxsize=64)
def _packed_file(body: bytes, encoding: str) -> bytes:
    """Pack what is the same for everybody: once, and as small as it gets."""
    return _packed(body, encoding, hard=True)
