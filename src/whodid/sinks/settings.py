"""A sink as a value, and reading and changing the sinks of a workspace.

Every change of them is an `audit.stream_changed` entry.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from whodid.capture.events import uuid7
from whodid.errors import NotFound
from whodid.log import Announced, Log
from whodid.model import Actor, Change, Context, Event, Outcome, Reason, Related, Resource
from whodid.sinks.said import without_words

__all__ = [
    "STATE",
    "Changed",
    "Sink",
    "change_sinks",
    "find_sink",
    "make_event",
    "pause_by_itself",
    "pausing",
    "read_sinks",
    "record_try",
]

STATE = "sinks"


class Sink(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A destination that is fed continuously.

    Args:
        name: For people; unique in its workspace.
        kind: One of `KINDS`.
        address: A URL, or the path of a file.
        query: Which entries go there; empty for all.
        format: One of `FORMATS`; the kind says which of them it takes.
        secret: Where the secret is: `file:PATH`, `env:NAME`, or `kept` in the store; never the secret itself.
        options: Of the kind, by name.
        private: Whether addresses that are not on the public internet may be reached.
        batch: How many entries go in one delivery at most.
        heartbeat: Seconds of silence after which a sign of life is sent; 0 sends none. For heads, between two of them.
        active: Whether it is fed.
        paused_at: Since when it is not.
        paused_because: Why it paused by itself; empty when a person paused it.
    """

    id: str
    name: str
    kind: str
    address: str
    query: str = ""
    format: str
    secret: str = ""
    options: dict[str, str] = {}
    private: bool = False
    batch: int
    heartbeat: int = 60
    active: bool = True
    paused_at: datetime | None = None
    paused_because: str = ""


Changed = tuple[tuple[Sink, ...], Sink, Sequence[Change]]
"""The sinks as they shall be, the one that is concerned, and what changes about it (nothing: nothing happens)."""


SINKS: Announced[tuple[Sink, ...]] = Announced(STATE, tuple[Sink, ...], (), "The list of sinks")


def read_sinks(log: Log, workspace: str) -> tuple[Sink, ...]:
    """Return the sinks of a workspace, in the order in which they were added."""
    return SINKS.read(log, workspace)


def change_sinks(
    log: Log,
    workspace: str,
    change: Callable[[tuple[Sink, ...]], Changed],
    *,
    actor: Actor,
    context: Context | None = None,
    reason: Reason | None = None,
) -> Sink:
    """Change one sink of a workspace and record that it changed.

    Args:
        change: Tells from the sinks as they are what shall become of them. It may be called again.
        actor: Who changes it.
        context: Where from.
        reason: Why.

    Returns:
        The sink that is concerned.

    Raises:
        NotFound: The workspace has no log.
        InvalidEvent: The entry was refused (actor, context or reason are at fault); nothing changed.
    """
    log.head(workspace)
    concerned: list[Sink] = []

    def make(before: tuple[Sink, ...]) -> tuple[tuple[Sink, ...], Event] | None:
        sinks, sink, changes = change(before)
        concerned[:] = [sink]
        if not changes:
            return None
        return sinks, make_event(
            log, workspace, sink, "audit.stream_changed", changes=changes, actor=actor, context=context, reason=reason
        )

    SINKS.change(log, workspace, make)
    return concerned[0]


def record_try(
    log: Log, workspace: str, sink: Sink, action: str, *, fault: str, actor: Actor, context: Context | None
) -> None:
    """Record that somebody tried something with a sink, which changed nothing.

    Args:
        action: What was tried.
        fault: Why it did not work; empty when it did.
    """
    why = Reason(code="sink_failed", text=without_words(fault)[:1_000]) if fault else None
    outcome: Outcome = "failed" if fault else "success"
    log.record(workspace, make_event(log, workspace, sink, action, outcome, actor=actor, context=context, reason=why))


def make_event(
    log: Log,
    workspace: str,
    sink: Sink | None,
    action: str,
    outcome: Outcome = "success",
    *,
    changes: Sequence[Change] = (),
    actor: Actor,
    context: Context | None,
    reason: Reason | None,
) -> Event:
    """Make the event about something that somebody did with sinks.

    Args:
        sink: With which one; None for what concerns them all.
    """
    now = log.now()
    return Event(
        id=uuid7(now, os.urandom(8)),
        occurred_at=now,
        actor=actor,
        action=action,
        outcome=outcome,
        resource=Resource(type="log", id=workspace),
        related=() if sink is None else (Related(type="sink", id=sink.id, name=sink.name, rel="sink"),),
        changes=tuple(changes),
        context=context,
        reason=reason,
    )


def pause_by_itself(log: Log, workspace: str, sink: str, why: str, *, actor: Actor, context: Context) -> None:
    """Pause a sink that cannot go on; the reason is recorded, without the words of the receiver.

    Args:
        sink: Its id.
        why: In words, for people.
    """
    text = Reason(code="sink_failed", text=without_words(why)[:1_000])
    change_sinks(log, workspace, pausing(sink, log.now(), why[:1_000]), actor=actor, context=context, reason=text)


def pausing(name: str, now: datetime, why: str) -> Callable[[tuple[Sink, ...]], Changed]:
    """Return the change that pauses a sink.

    Args:
        why: Why it pauses by itself; empty when a person asked for it.
    """

    def change(sinks: tuple[Sink, ...]) -> Changed:
        sink = find_sink(sinks, name)
        if not sink.active:
            return sinks, sink, ()
        paused = msgspec.structs.replace(sink, active=False, paused_at=now, paused_because=why)
        changes = (Change(path="active", before=True, after=False),)
        return tuple(paused if one == sink else one for one in sinks), paused, changes

    return change


def find_sink(sinks: Sequence[Sink], name: str) -> Sink:
    """Return a sink by its id or name.

    Raises:
        NotFound: There is none.
    """
    for sink in sinks:
        if name in {sink.id, sink.name}:
            return sink
    known = ", ".join(sink.name for sink in sinks)
    raise NotFound(f"There is no sink {name!r}", f"There are {known}" if known else "Add one first")
