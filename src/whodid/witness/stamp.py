"""Time stamps (RFC 3161): an authority states that a signed head existed at a time.

The only file that imports rfc3161_client. What is stamped is the SHA-256 of the text of a checkpoint: the bytes that
the log signs. A stamp says "not later than", for the head and for every entry under it; it is checked offline, with the
certificate of the authority, which whoever checks has from elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from cryptography import x509
from msgspec import Struct

from whodid.canonical import time_text
from whodid.capture.events import uuid7
from whodid.errors import InvalidSetting, MalformedProof, ProofError, Refuted, WitnessError
from whodid.log import Log, Stamp, keep_stamp, leased, read_stamp, stamped
from whodid.model import Actor, Context, Event, Outcome, Resource
from whodid.proof.checkpoint import parse_checkpoint
from whodid.proof.note import parse_note
from whodid.witness.ask import post

__all__ = [
    "LEASE",
    "LEASE_STATE",
    "STAMPED",
    "Authority",
    "Dated",
    "Ordered",
    "Send",
    "check_stamp",
    "dated",
    "kept",
    "order_stamp",
    "read_certificates",
    "stamp_head",
]

STAMPED = "audit.stamped"
"""The action of having a head stamped by order."""

LEASE_STATE = "stamps.lease"
LEASE = timedelta(minutes=5)
"""Whoever stamps a log holds it for so long at most."""

_QUERY = "application/timestamp-query"
_REPLY = "application/timestamp-reply"

Send = Callable[[str, bytes, str], tuple[int, str, bytes]]
"""As `whodid.witness.ask.post`."""


class Authority(Struct, frozen=True, kw_only=True):
    """Somebody who stamps.

    Args:
        url: Where requests go, by POST.
        certificates: Of the authority; see `read_certificates`.
    """

    url: str
    certificates: tuple[x509.Certificate, ...]


class Dated(Struct, frozen=True, kw_only=True):
    """What a stamp of a head says.

    Args:
        size: Of the head.
        at: When the authority saw it; None when the stamp does not hold.
        fault: Why it does not; empty when it does.
    """

    size: int
    at: datetime | None
    fault: str = ""

    def __str__(self) -> str:
        if self.at is None:
            return f"The time stamp of {self.size:,} entries does not hold: {self.fault}."
        return f"{self.size:,} entries existed on {self.at:%Y-%m-%d %H:%M:%S} UTC, by time stamp."


def read_certificates(path: str) -> tuple[x509.Certificate, ...]:
    """Read the certificates of an authority.

    Args:
        path: PEM file with its root, with certificates between, if the stamps do not carry them; and, if no other may
            do, the very one that stamps are signed with.

    Raises:
        InvalidSetting: It cannot be read, or holds no root.
    """
    try:
        found = tuple(x509.load_pem_x509_certificates(Path(path).read_bytes()))
    except OSError as error:
        raise InvalidSetting(f"The certificates {path} cannot be read: {error.strerror}", "Check the path") from None
    except ValueError as error:
        raise InvalidSetting(f"The file {path} holds no certificates: {error}", "Name a PEM file") from None
    if not any(_is_root(one) for one in found):
        raise InvalidSetting(f"No certificate in {path} is a root", "Add the root of the authority to the file")
    return found


class Ordered(NamedTuple):
    """What came of an order.

    Args:
        new: Whether the stamp was made now; an older one of the very same head is as good.
    """

    stamp: Stamp
    new: bool


def order_stamp(
    log: Log,
    workspace: str,
    authority: Authority,
    *,
    actor: Actor,
    context: Context | None = None,
    send: Send | None = None,
) -> Ordered | None:
    """Have the newest head stamped by order of somebody, and record that, also when nothing came of it.

    Args:
        actor: Who orders it.
        context: Where from.
        send: How the request is sent; over HTTP when not given.

    Returns:
        None when somebody else has this log stamped at this moment.

    Raises:
        WitnessError: The authority did not answer with a stamp that holds.
        NotFound: Nothing was recorded in this workspace.
    """
    with leased(log, workspace, LEASE_STATE, LEASE) as lease:
        if lease is None:
            return None
        size = log.head(workspace).size
        known = read_stamp(lambda name: log.state(workspace, name), size)
        if known is not None:
            return Ordered(known, new=False)

        def record(outcome: Outcome, **details: str | int) -> None:
            now = log.now()
            log.record(
                workspace,
                Event(
                    id=uuid7(now, os.urandom(8)),
                    occurred_at=now,
                    actor=actor,
                    action=STAMPED,
                    resource=Resource(type="log", id=workspace),
                    outcome=outcome,
                    details=details,
                    context=context,
                ),
            )

        try:
            made = stamp_head(log, workspace, authority, send=send)
        except WitnessError:
            record("failed", entries=size)
            raise
        record("success", entries=made.size, stamped_at=time_text(made.at), bytes=len(made.answer))
        return Ordered(made, new=True)


def stamp_head(
    log: Log, workspace: str, authority: Authority, *, send: Send | None = None, again: bool = False
) -> Stamp:
    """Have the newest head stamped, and keep the stamp.

    Args:
        send: How the request is sent; over HTTP when not given.
        again: Stamp it even when there is a stamp of this very head.

    Returns:
        The stamp of the head, which was there already or is new.

    Raises:
        WitnessError: The authority did not answer with a stamp that holds.
        NotFound: Nothing was recorded in this workspace.
    """
    library = _library()
    note = log.checkpoint(workspace)
    text, _ = parse_note(note)
    known = read_stamp(lambda name: log.state(workspace, name), parse_checkpoint(text).size)
    if known is not None and not again:
        return known
    builder = library.TimestampRequestBuilder().data(text.encode())
    request = builder.hash_algorithm(library.HashAlgorithm.SHA256).nonce(nonce=True).cert_request(cert_request=True)
    asked = request.build()
    status, media_type, body = (send or post)(authority.url, asked.as_bytes(), _QUERY)
    if status != 200 or media_type.partition(";")[0].strip().lower() != _REPLY:
        raise WitnessError(f"The time stamp authority answered {status} {media_type}".rstrip(), "Check its address")
    try:
        at = check_stamp(body, text, authority.certificates, nonce=asked.nonce)
    except ProofError as error:
        raise WitnessError(f"The answer of the time stamp authority does not hold: {error.fact}") from None
    made = Stamp(at=at, note=note, answer=body)
    keep_stamp(log, workspace, made)
    return made


def check_stamp(
    answer: bytes, text: str, certificates: Sequence[x509.Certificate], *, nonce: int | None = None
) -> datetime:
    """Check a time stamp, offline.

    Args:
        answer: TimeStampResp (RFC 3161, 2.4.2), DER.
        text: The text of the checkpoint that it is for.
        certificates: That the caller trusts; see `read_certificates`.
        nonce: That the request had, if the answer is to this very request.

    Returns:
        When the authority saw the text.

    Raises:
        MalformedProof: It is not a time stamp.
        Refuted: It does not hold.
        InvalidSetting: rfc3161-client is not installed.
    """
    library = _library()
    builder = library.VerifierBuilder(nonce=nonce)
    for one in dict.fromkeys(certificates):
        if _is_root(one):
            builder = builder.add_root_certificate(one)
        elif _is_authority(one):
            builder = builder.add_intermediate_certificate(one)
        else:
            # Held against the one in the stamp; as a trusted one it would vouch for whatever the stamp carries instead.
            builder = builder.tsa_certificate(one)
    try:
        verifier = builder.build()
    except ValueError as error:
        raise InvalidSetting(f"The certificates cannot be used: {error}", "Name the root of the authority") from None
    try:
        response = library.decode_timestamp_response(answer)
        status = response.status
        at: datetime = response.tst_info.gen_time if not status else datetime.min.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, x509.InvalidVersion, x509.DuplicateExtension) as error:
        raise MalformedProof(f"It is not a time stamp: {error}") from None
    if status:
        raise Refuted(f"The authority refused, with status {status}")
    try:
        verifier.verify_message(response, text.encode())
    except (library.VerificationError, ValueError, x509.InvalidVersion, x509.DuplicateExtension) as error:
        raise Refuted(f"The time stamp does not hold: {error}") from None
    return at.astimezone(UTC)


def dated(answer: bytes, note: str, certificates: Sequence[x509.Certificate]) -> Dated:
    """Say what a stamp says of a head; see `check_stamp`.

    Raises:
        MalformedProof: The head is none.
        InvalidSetting: rfc3161-client is not installed.
    """
    text, _ = parse_note(note)
    size = parse_checkpoint(text).size
    try:
        return Dated(size=size, at=check_stamp(answer, text, certificates))
    except ProofError as error:
        return Dated(size=size, at=None, fault=error.fact)


def kept(log: Log, workspace: str, certificates: Sequence[x509.Certificate]) -> list[Dated]:
    """Check every stamp that is kept of a log: the stamp itself, and that the log still continues the stamped head."""

    def state(name: str) -> bytes | None:
        return log.state(workspace, name)

    found = []
    snapshot = log.snapshot(workspace)
    for one in stamped(state):
        stamp = read_stamp(state, one.size)
        if stamp is None:
            found.append(Dated(size=one.size, at=None, fault="It is not there any more"))
            continue
        said = dated(stamp.answer, stamp.note, certificates)
        if said.at is not None and not snapshot.continues(parse_checkpoint(parse_note(stamp.note)[0])):
            said = Dated(size=said.size, at=None, fault="The log has another history than the one that was stamped")
        found.append(said)
    return found


def _is_root(one: x509.Certificate) -> bool:
    return one.subject == one.issuer


def _is_authority(one: x509.Certificate) -> bool:
    try:
        return one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _library() -> ModuleType:
    try:
        import rfc3161_client
    except ImportError:
        raise InvalidSetting(
            "Time stamps need rfc3161-client, which is not installed", "Run: pip install 'whodid[stamps]'"
        ) from None
    return rfc3161_client
