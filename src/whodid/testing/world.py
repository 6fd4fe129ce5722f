"""Content to feed a store, the ways to append it through the store promise alone, and questions to ask of it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from whodid import sequence
from whodid.model import Actor, Change, Content, Context, Reason, Related, Resource
from whodid.proof import leaf
from whodid.sequence import Batch, Head, Prepared
from whodid.store.base import Known, Store

__all__ = ["EPOCH", "QUESTIONS", "append", "bind_next", "close", "content", "drawer", "prepared", "seal_next"]

EPOCH = datetime(2026, 8, 25, 8, 0, tzinfo=UTC)
_NAMES = ("Juan Pérez", "Ana García López", "राहुल शर्मा", "Lucía Ferrer", "<img src=x onerror=alert(1)>")
_ACTIONS = (
    ("contact.updated", "update", "contact"),
    ("contact.deleted", "delete", "contact"),
    ("campaign.paused", "status", "campaign"),
    ("auth.login", "security", "user"),
    ("contact.created", "create", "contact"),
)


def drawer(seed: str = "") -> Callable[[int], bytes]:
    """Return a source of bytes that is random enough and the same for the same seed."""
    count = iter(range(1 << 62))
    return lambda size: hashlib.shake_256(f"{seed}/{next(count)}".encode()).digest(size)


def content(number: int, **changed: Any) -> Content:
    """Return content that differs by number in actor, action, resource, values and time.

    Args:
        number: Same number, same content.
        changed: Fields to set otherwise.
    """
    action, kind, type_ = _ACTIONS[number % len(_ACTIONS)]
    name = _NAMES[number % len(_NAMES)]
    values: dict[str, Any] = {
        "id": str(UUID(int=number + 1 << 80 | 0x7 << 76 | 0x2 << 62)),
        "occurred_at": EPOCH + timedelta(minutes=7 * number, microseconds=number % 3),
        "actor": Actor(type="user", id=f"usr_{number % 7}", name=f"Person {number % 7}", email=f"p{number % 7}@x.test"),
        "action": action,
        "kind": kind,
        "severity": "warning" if kind == "delete" else "info",
        "resource": Resource(type=type_, id=f"{type_}_{number % 11}", name=name),
        "outcome": "denied" if number % 13 == 5 else "success",
        "changes": (Change(path="city", before="Getafe", after=f"Madrid {number % 5}"),),
        "reason": Reason(text=f"ticket {number}") if number % 3 == 0 else None,
        "related": (Related(type="contact", id=f"contact_{number % 4}", rel="absorbed"),) if number % 6 == 1 else (),
        "context": Context(source="web", ip=f"10.0.{number % 4}.{number % 250}", request=f"req_{number}"),
    }
    return Content(**{**values, **changed})


def prepared(first: int, count: int, **changed: Any) -> list[Prepared]:
    """Return prepared content with consecutive numbers."""
    return [
        sequence.prepare(content(number, **changed), hashlib.sha256(b"%d" % number).digest())
        for number in range(first, first + count)
    ]


def append(
    store: Store,
    workspace: str,
    ready: Sequence[Prepared],
    now: datetime = EPOCH + timedelta(days=30),
) -> Batch:
    """Append through the store promise alone, as the log does but without intake and group commit."""
    draw = drawer(f"{workspace}/{ready[0].content.id}")

    def assemble(head: Head | None, known: Known) -> Batch | None:
        start = head or sequence.begin("test.example", (draw(32), draw(32)))
        return sequence.assemble(start, ready, now)

    batch = store.append(workspace, assemble)
    assert batch is not None
    return batch


def close(store: Store, workspace: str, now: datetime = EPOCH + timedelta(days=30)) -> Batch | None:
    """Close the open segment through the store promise alone."""
    return store.append(workspace, lambda head, _: sequence.close(head, now) if head else None)


def seal_next(store: Store, workspace: str, now: datetime = EPOCH + timedelta(days=30)) -> Batch | None:
    """Seal the closed segment that has no seal, if there is one, with bytes that stand for a seal."""
    salt = hashlib.sha256(f"{workspace}/{threading.get_ident()}".encode()).digest()

    def assemble(head: Head | None, known: Known) -> Batch | None:
        if head is None:
            return None
        number = head.segment.number - 1
        seal = hashlib.shake_256(b"%d" % number).digest(189)
        sealing = sequence.Sealing(
            number=number,
            seal=seal,
            hash=seal[:32],
            previous=head.chain,
            postings=seal * 9,
            salt=salt,
            second=seal[:48],
            volume_salt=head.unbound.salt or salt,
        )
        ready = sequence.prepare(content(8_000 + number), hashlib.sha256(seal).digest(), leaf.SEAL)
        return sequence.seal(head, ready, now, sealing)

    return store.append(workspace, assemble)


def bind_next(store: Store, workspace: str, now: datetime = EPOCH + timedelta(days=30)) -> Batch | None:
    """Bind the sealed segments that are not bound, if there are any, with bytes that stand for a volume."""

    def assemble(head: Head | None, known: Known) -> Batch | None:
        if head is None or head.sealed == head.unbound.first:
            return None
        number = head.unbound.volumes
        volume = hashlib.shake_256(b"volume %d" % number).digest(201)
        binding = sequence.Binding(
            number=number,
            first=head.unbound.first,
            last=head.sealed - 1,
            stop=head.segment.start,
            least=1 << 40,
            volume=volume,
            hash=volume[:32],
            salt=head.unbound.salt,
            postings=volume * 5,
        )
        ready = sequence.prepare(content(7_000 + number), hashlib.sha256(volume).digest(), leaf.SEAL)
        return sequence.bind(head, ready, now, binding)

    return store.append(workspace, assemble)


QUESTIONS = (
    "",
    "action:contact.deleted",
    "action:deleted",
    "action:contact.*",
    "-action:contact.*",
    "kind:create,delete",
    "-kind:security outcome:denied",
    "category:contact",
    "type:user",
    "severity:>=warning",
    "actor:usr_3",
    'actor:"Person 3"',
    "actor:p3@x.test",
    "-actor:usr_3",
    "actor:usr_3 kind:update",
    "resource:contact:contact_3",
    "resource:contact_3",
    'resource:"Juan Pérez"',
    "related:contact_1",
    "change:city",
    "-change:city",
    'after:"Madrid 3"',
    "before:getafe",
    "reason:ticket",
    '"ticket 9"',
    "ticket",
    "tick perez",
    "juan -perez",
    "राहुल",
    "nothinglikethis",
    "ip:10.0.1.0/24",
    "ip:10.0.1.1",
    "via:web",
    "via:api",
    "request:req_12",
    "index:10..20",
    "index:>=290",
    "is:denied",
    "is:failed",
    "date:2026-08-25",
    "date:2026-08-25..2026-08-26 kind:status",
    "date:>=2026-08-26 actor:usr_1",
    "contact_3",
    "onerror",
)
