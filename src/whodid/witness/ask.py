"""Ask the witnesses of a policy to cosign the newest head of a log.

Nothing waits for them: the log signs and shows its heads all the same, and a cosignature is put beside the log's own
signature when it has come. A witness that cannot be reached is asked again the next time.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from threading import Timer
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from whodid import egress
from whodid.errors import InvalidSetting, ProofError, WhodidError, WitnessError
from whodid.log import Log
from whodid.proof.checkpoint import parse_checkpoint
from whodid.proof.cosign import format_request
from whodid.proof.note import Signature, Verifier, open_note, parse_note
from whodid.proof.policy import Policy, Witness, parse_policy

__all__ = ["Cosigned", "Post", "cosign", "post", "read_policy"]

Post = Callable[[str, bytes], tuple[int, str, bytes]]
"""Sends a body to an address; returns status, media type and body. Raises WitnessError when there is no answer."""

_SECONDS = 10.0
_LARGEST = 64 * 1024
_AT_ONCE = 8
_TRIES = 3
_STATE = "witnesses"


class Cosigned(Struct, frozen=True, kw_only=True):
    """What came of asking.

    Args:
        size: Of the head that was sent.
        note: The head with all signatures that it has now.
        present: Names, in the policy, of the witnesses that cosigned this head.
        missing: The others, each with the reason.
        met: Whether those present are the quorum of the policy.
    """

    size: int
    note: str
    present: tuple[str, ...]
    missing: dict[str, str]
    met: bool


def cosign(log: Log, workspace: str, policy: Policy, *, send: Post | None = None) -> Cosigned:
    """Let every witness of a policy cosign the newest head that has not cosigned it yet.

    Args:
        send: How requests are sent; over HTTP when not given.

    Raises:
        NotFound: Nothing was recorded in this workspace.
        StoreError: The log cannot be read, or what came cannot be kept.
    """
    note = log.checkpoint(workspace)
    text, _ = parse_note(note)
    size = parse_checkpoint(text).size
    raw = log.state(workspace, _STATE)
    sizes: dict[str, int] = msgspec.json.decode(raw, type=dict[str, int]) if raw else {}
    present = {one.name for one in policy.witnesses if one.key in _signers(note, policy)}
    asked = [one for one in policy.witnesses if one.name not in present and one.url is not None]
    missing = {one.name: "It has no address" for one in policy.witnesses if one.url is None and one.name not in present}

    def ask(witness: Witness) -> tuple[int, Signature | None, str]:
        return _asked(log, workspace, witness, note, sizes.get(witness.key.vkey, 0), send or post)

    found: list[Signature] = []
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        for witness, (seen, signature, why) in zip(asked, pool.map(ask, asked), strict=True):
            sizes[witness.key.vkey] = seen
            if signature is None:
                missing[witness.name] = why
            else:
                present.add(witness.name)
                found.append(signature)
    if found:
        note = log.add_cosignatures(workspace, note, found)
    # Another process may have been faster; then the sizes that it found stay, and a wrong one costs one request more.
    log.swap_state(workspace, _STATE, raw, msgspec.json.encode(sizes))
    ordered = tuple(one.name for one in policy.witnesses if one.name in present)
    keys = [one.key for one in policy.witnesses if one.name in present]
    return Cosigned(size=size, note=note, present=ordered, missing=missing, met=policy.met(keys))


def _asked(  # noqa: PLR0917 - one call, from one place
    log: Log, workspace: str, witness: Witness, note: str, old: int, send: Post
) -> tuple[int, Signature | None, str]:
    """Ask one witness.

    Returns:
        The size that it saw last, its signature or None, and why there is none.
    """
    size = parse_checkpoint(parse_note(note)[0]).size
    address = f"{(witness.url or '').rstrip('/')}/add-checkpoint"
    try:
        for _ in range(_TRIES):
            proof = log.prove_consistency(workspace, old, size) if 0 < old < size else []
            status, media_type, body = send(address, format_request(min(old, size), proof, note))
            if status == 200:
                return size, _signature(witness, note, body), ""
            if status != 409 or media_type.partition(";")[0].strip() != "text/x.tlog.size":
                return old, None, f"It answered {status}"
            said = body.strip()
            if not said.isdigit() or len(said) > 19:
                return old, None, "It answered 409 without a size"
            seen = int(said)
            if seen > size:
                newer = log.head(workspace).size >= seen
                why = "It saw a newer head" if newer else f"It saw {seen} entries, and the log has {size}"
                return seen, None, why
            if seen == size == old:
                return seen, None, f"It saw another history of {seen} entries"
            old = seen
        return old, None, "It names another size each time"
    except WhodidError as error:
        return old, None, error.fact


def _signature(witness: Witness, note: str, body: bytes) -> Signature:
    """Return the signature of a witness from its answer, verified.

    Raises:
        ProofError: It is not there, or does not hold.
    """
    text, _ = parse_note(note)
    opened = open_note(text.encode() + b"\n" + body, [witness.key])
    return opened.known[0].signature


def _signers(note: str, policy: Policy) -> set[Verifier]:
    """Return the keys of a policy that have signed a note."""
    try:
        return {one.by for one in open_note(note, [one.key for one in policy.witnesses]).known}
    except ProofError:  # nobody, or not well: ask again
        return set()


def post(url: str, body: bytes, media_type: str = "text/plain; charset=utf-8") -> tuple[int, str, bytes]:
    """Send a request over HTTP or HTTPS; see `Post`. Redirects are not followed.

    The address is the operator's own setting, so it may lie in a private network.

    Raises:
        WitnessError: The address is none, or nobody answers there within ten seconds.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise WitnessError(f"{url} is not an address to ask", "Use https://…")
    try:
        trust = ssl.create_default_context() if parts.scheme == "https" else None
        connection = egress.Connection(parts, trust, private=True, seconds=_SECONDS)
        late = Timer(_SECONDS, connection.cut)
        late.daemon = True
        late.start()
        try:
            connection.request("POST", parts.path or "/", body, {"Content-Type": media_type, "User-Agent": "whodid"})
            answer = connection.getresponse()
            found = answer.status, answer.headers.get("Content-Type", ""), answer.read(_LARGEST)
        finally:
            late.cancel()
            connection.close()
    except (OSError, HTTPException, ValueError, InvalidSetting) as error:
        raise WitnessError(f"Nobody answers at {url}: {error}", "Check the address") from None
    if connection.late:
        raise WitnessError(f"Nobody answers at {url} within {_SECONDS:.0f} seconds", "Check the address")
    return found


def read_policy(path: str) -> Policy:
    """Read a policy file.

    Raises:
        InvalidSetting: It cannot be read, or is no policy.
    """
    try:
        return parse_policy(Path(path).read_bytes())
    except OSError as error:
        raise InvalidSetting(f"The policy {path} cannot be read: {error.strerror}", "Check the path") from None
