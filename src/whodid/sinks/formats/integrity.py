"""OCSF 1.9 with its profile `record_integrity`: an event carries a fingerprint of itself and names the one before it.

OCSF 1.9 is not published yet, so this is a format of its own (`ocsf-1.9`) until it is. The fingerprint is the SHA-256
of the event in the JSON Canonicalization Scheme (RFC 8785), all of it but the fingerprint itself. A receiver that keeps
the events can tell by itself whether one of them was altered or taken out later. It is a chain of what one sink
delivers, beside the tree that the log is proved by; it begins anew where a sink delivers again from an earlier entry.

Source: OCSF schema 1.9.0-dev of July 2026, profiles/record_integrity.json and objects/attestation.json.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from whodid import canonical
from whodid.model import Entry
from whodid.sinks.formats import ocsf

__all__ = ["Chain", "Link", "alone", "chained"]

_VERSION = "1.9.0-dev"


class Link(Struct, frozen=True):
    """The event that came last: what the next one refers to.

    Args:
        uid: Of the entry.
        type: `type_uid` of the event.
        value: Its fingerprint, in hexadecimal digits.
    """

    uid: str
    type: int
    value: str


class Chain(Struct, frozen=True):
    """What all events of a chain have in common.

    Args:
        uid: Names the chain; the same from its first event to its last.
        authority: Who made the fingerprints: the origin of the log.
    """

    uid: str
    authority: str


def chained(entry: Entry, chain: Chain, last: Link | None) -> tuple[bytes, Link]:
    """Write an entry as the next event of a chain.

    Args:
        last: The event before it; None for the first one.

    Returns:
        The event, and what the one after it refers to.
    """
    attestation: dict[str, Any] = {"authority_uid": chain.authority, "chain_uid": chain.uid}
    if last is not None:
        attestation["prev_event"] = {"uid": last.uid, "type_uid": last.type, "fingerprint": _fingerprint(last.value)}
    event = _attested(entry, attestation)
    return msgspec.json.encode(event), Link(entry.id, event["type_uid"], attestation["fingerprint"]["value"])


def alone(entry: Entry) -> bytes:
    """Write an entry as an event of no chain."""
    return msgspec.json.encode(_attested(entry, {}))


def _attested(entry: Entry, attestation: dict[str, Any]) -> dict[str, Any]:
    """Return an event with an attestation, to which the fingerprint is added."""
    event = ocsf.event(entry)
    event["metadata"] |= {"version": _VERSION, "profiles": ["host", "record_integrity"]}
    event["unmapped"] = {"whodid": msgspec.json.decode(canonical.wire(entry))}
    event["attestation_list"] = [attestation]
    attestation["fingerprint"] = _fingerprint(sha256(canonical.encode(event)).hexdigest())
    return event


def _fingerprint(value: str) -> dict[str, Any]:
    return {
        "algorithm_id": 3,
        "algorithm": "SHA-256",
        "encoding_id": 1,
        "encoding": "Hex",
        "serialization_id": 2,
        "serialization": "JCS",
        "value": value,
    }
