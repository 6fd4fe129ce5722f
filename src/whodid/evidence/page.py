"""The page around a document: one HTML file with the data, and a verifier that needs no connection.

What lives here: putting a document into the page, and cutting it out again without minding anything else in the file.
The page itself is built from `frontend/src/evidence`; empty, it is the stand-alone verifier.
"""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256
from importlib.resources import files

from whodid.errors import MalformedProof

__all__ = ["as_shipped", "extract", "page", "policy", "script_hash", "verifier"]

_OPEN = b'<script id="evidence" type="application/json">'
_CLOSE = b"</script>"
_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_POLICY = re.compile(rb'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')


@cache
def verifier() -> bytes:
    """Return the stand-alone verifier: the page without a document."""
    return (files("whodid.evidence") / "static" / "evidence.html").read_bytes()


def page(document: bytes) -> bytes:
    """Return the file that carries a document.

    Args:
        document: As `whodid.evidence.document.encode` writes it.
    """
    return verifier().replace(_OPEN, _OPEN + document, 1)


def extract(file: bytes) -> bytes:
    """Cut the document out of a file; nothing else of the file is looked at.

    Raises:
        MalformedProof: The file has no place for a document, or several.
    """
    parts = file.split(_OPEN)
    if len(parts) != 2 or _CLOSE not in parts[1]:
        raise MalformedProof("The file has no evidence in it", "Verify the file as it was made, not a copy of its text")
    return parts[1].partition(_CLOSE)[0]


def as_shipped(file: bytes) -> bool:
    """Tell whether everything around the document is what this version of whodid writes."""
    return file.replace(extract(file), b"", 1) == verifier()


def policy() -> str:
    """Return the Content Security Policy that the page carries, for those who serve it."""
    found = _POLICY.search(verifier())
    if found is None:
        raise AssertionError
    return found[1].decode()


def script_hash() -> str:
    """Return the SHA-256 of the verifier's script, hexadecimal, as the page itself shows it."""
    found = _SCRIPT.search(verifier())
    if found is None:
        raise AssertionError
    return sha256(found[1]).hexdigest()
