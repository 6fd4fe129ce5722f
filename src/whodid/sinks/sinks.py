"""The sinks of a workspace, for whoever manages them: add, remove, pause, resume, backfill, test, and how they are.

What is in quarantine is tried again or dropped here as well.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from whodid.errors import InvalidSetting
from whodid.log import Log
from whodid.model import Actor, Change, Context, Reason
from whodid.query import parse
from whodid.sinks.delivery import Turn, make_notice, open_receiver
from whodid.sinks.heads import HEAD, USUAL_SECONDS
from whodid.sinks.health import Health, health_of, healths
from whodid.sinks.kinds import KINDS, Result
from whodid.sinks.position import Position, Quarantined, forget_position, read_position, swap_position
from whodid.sinks.quarantine import chosen, send_again, without
from whodid.sinks.secrets import KEPT, forget_secret, keep_secret, secrets_of
from whodid.sinks.settings import Changed, Sink, change_sinks, find_sink, pausing, read_sinks, record_try

__all__ = ["Sinks"]

MOST = 20
"""How many sinks a workspace may have."""

_LONGEST_NAME = 100


class Sinks:
    """The sinks of one workspace.

    Args:
        actor: Who acts on them.
        context: Where from.
    """

    def __init__(self, log: Log, workspace: str, *, actor: Actor, context: Context | None = None) -> None:
        self._log = log
        self._workspace = workspace
        self._actor = actor
        self._context = context

    def all(self) -> list[Health]:
        """Return every sink and how it is, in the order in which they were added."""
        return healths(self._log, self._workspace)

    def get(self, name: str) -> Health:
        """Return a sink by its id or name.

        Raises:
            NotFound: There is none.
        """
        return health_of(self._log, self._workspace, find_sink(read_sinks(self._log, self._workspace), name))

    def add(
        self,
        name: str,
        kind: str,
        address: str,
        *,
        query: str = "",
        format: str | None = None,
        secret: str = "",
        kept: str = "",
        options: Mapping[str, str] | None = None,
        private: bool = False,
        batch: int | None = None,
        heartbeat: int | None = None,
        start: int | None = None,
    ) -> Sink:
        """Add a sink; see `Sink` for the arguments.

        Args:
            format: The usual one of the kind when absent.
            kept: The secret itself, to be kept in the store, encrypted; instead of `secret`.
            batch: The usual one of the kind when absent.
            heartbeat: A minute when absent, and a day between two heads.
            start: Index of the first entry that goes there; when absent, the first one that is yet to be recorded.

        Raises:
            InvalidSetting: The sink cannot work; nothing changed.
        """
        size = self._log.head(self._workspace).size
        first = size if start is None else start
        if not 0 <= first <= size:
            raise InvalidSetting(f"There is no entry {first} to begin with", f"The log has the entries before {size}")
        known = KINDS.get(kind)
        if known is None:
            raise InvalidSetting(f"There is no kind of sink {kind!r}", f"Use one of {', '.join(KINDS)}")
        written = known.formats[0] if format is None else format
        usual = USUAL_SECONDS if written == HEAD else 60
        sink = Sink(
            id=f"snk_{os.urandom(6).hex()}",
            name=name,
            kind=kind,
            address=address,
            query=query,
            format=written,
            secret=KEPT if kept else secret,
            options=dict(options or {}),
            private=private,
            batch=known.batch if batch is None else batch,
            heartbeat=usual if heartbeat is None else heartbeat,
        )

        def change(sinks: tuple[Sink, ...]) -> Changed:
            if any(one.name == name for one in sinks):
                raise InvalidSetting(f"There is a sink {name!r}", "Choose another name")
            if len(sinks) >= MOST:
                raise InvalidSetting(f"The workspace has {MOST} sinks already", "Remove one that is not needed")
            return (*sinks, sink), sink, (*_described(sink, "after"), *self._fingerprinted(sink, "after"))

        try:
            if kept:
                keep_secret(self._log, self._workspace, sink.id, kept)
            self._check(sink)
            # Whoever feeds it needs a position: so that comes first, and a crash leaves a position without a sink.
            swap_position(self._log, self._workspace, sink.id, None, Position(next=first))
            return self._change(change)
        except BaseException:
            if not any(one.id == sink.id for one in read_sinks(self._log, self._workspace)):
                self._forget(sink.id)
            raise

    def remove(self, name: str, *, reason: Reason | None = None) -> Sink:
        """Remove a sink and forget its position."""

        def change(sinks: tuple[Sink, ...]) -> Changed:
            sink = find_sink(sinks, name)
            return tuple(one for one in sinks if one != sink), sink, _described(sink, "before")

        sink = self._change(change, reason)
        self._forget(sink.id)
        return sink

    def set_secret(self, name: str, text: str, *, beside: bool = False) -> Sink:
        """Give a sink another secret, kept in the store, encrypted.

        Args:
            text: The secret.
            beside: Whether the one before stays good for now: a webhook is signed with both.

        Raises:
            InvalidSetting: The sink has none of its kind, or the secret cannot be used; nothing changed.
        """
        sink = find_sink(read_sinks(self._log, self._workspace), name)
        old = secrets_of(self._log, self._workspace, sink) if beside and sink.secret else ()
        before = self._fingerprinted(sink, "before")
        whole = "\n".join((text, *old[:1]))
        # Tried under a name of its own first: what cannot work must not take the place of what does.
        trial = msgspec.structs.replace(sink, id=f"{sink.id}.new", secret=KEPT)
        try:
            keep_secret(self._log, self._workspace, trial.id, whole)
            self._check(trial)
            (after,) = self._fingerprinted(trial, "after")
        finally:
            forget_secret(self._log, self._workspace, trial.id)
        keep_secret(self._log, self._workspace, sink.id, whole)
        told = Change(
            path="secret", class_="secret", before_fp=before[0].before_fp if before else None, after_fp=after.after_fp
        )

        def change(sinks: tuple[Sink, ...]) -> Changed:
            found = find_sink(sinks, sink.id)
            new = msgspec.structs.replace(found, secret=KEPT)
            return tuple(new if one == found else one for one in sinks), new, (told,)

        return self._change(change)

    def pause(self, name: str, *, reason: Reason | None = None) -> Sink:
        """Feed a sink no more until it is resumed; its position stays."""
        return self._change(pausing(name, self._log.now(), ""), reason)

    def resume(self, name: str, *, reason: Reason | None = None) -> Sink:
        """Feed a sink again from where it was, or try one that is failing at once."""

        def change(sinks: tuple[Sink, ...]) -> Changed:
            sink = find_sink(sinks, name)
            if sink.active:
                return sinks, sink, ()
            active = msgspec.structs.replace(sink, active=True, paused_at=None, paused_because="")
            changes = (Change(path="active", before=False, after=True),)
            return tuple(active if one == sink else one for one in sinks), active, changes

        self._reset(find_sink(read_sinks(self._log, self._workspace), name))
        return self._change(change, reason)

    def backfill(self, name: str, start: int, *, reason: Reason | None = None) -> Sink:
        """Deliver again from an index on.

        Args:
            start: Index of the first entry to deliver; not after the one that is due anyway.

        Raises:
            InvalidSetting: The entry is not before the one that comes next.
        """
        sink = find_sink(read_sinks(self._log, self._workspace), name)
        position = self._position(sink)
        if not 0 <= start < position.next:
            raise InvalidSetting(
                f"There is nothing to deliver again from entry {start}", f"Entry {position.next} comes next anyway"
            )

        def change(sinks: tuple[Sink, ...]) -> Changed:
            return sinks, find_sink(sinks, sink.id), (Change(path="next", before=position.next, after=start),)

        found = self._change(change, reason)
        self._reset(found, next=start, again=True, chain=None, link=None)
        return found

    def test(self, name: str) -> Result:
        """Deliver a message that says it is a test, now, and return what became of it.

        Raises:
            InvalidSetting: The settings or the secret of the sink cannot be used.
        """
        sink = find_sink(read_sinks(self._log, self._workspace), name)
        receiver = open_receiver(self._log, self._workspace, sink, again=True)
        try:
            message = make_notice(self._log, self._workspace, sink, "test", self._position(sink).next)
            result = receiver.send((message,))
        finally:
            receiver.close()
        self._record_try(sink, "audit.stream_tested", result.fault or result.refused.get(0, ""))
        return result

    def retry(self, name: str, indexes: Collection[int] | None = None) -> tuple[int, str]:
        """Deliver what is in quarantine once more, now.

        Args:
            indexes: Of the entries that are tried; all when absent.

        Returns:
            How many the receiver took, and why the last of the others was not taken.

        Raises:
            InvalidSetting: The settings or the secret of the sink cannot be used.
            NotFound: One of them is not in quarantine.
        """
        sink = find_sink(read_sinks(self._log, self._workspace), name)
        tried = chosen(self._position(sink).quarantine, indexes)
        if not tried:
            return 0, ""
        taken, fault = send_again(self._log, self._workspace, sink, tried)
        if taken:
            self._release(sink, taken, delivered=True)
        else:
            self._record_try(sink, "audit.stream_changed", fault)
        return len(taken), fault

    def drop(self, name: str, indexes: Collection[int] | None = None, *, reason: Reason | None = None) -> int:
        """Take entries out of quarantine that nobody wants delivered any more; they stay in the log.

        Args:
            indexes: Of the entries; all when absent.

        Returns:
            How many.

        Raises:
            NotFound: One of them is not in quarantine.
        """
        sink = find_sink(read_sinks(self._log, self._workspace), name)
        dropped = chosen(self._position(sink).quarantine, indexes)
        self._release(sink, dropped, delivered=False, reason=reason)
        return len(dropped)

    def send_head(self, name: str) -> str:
        """Deliver the newest head to a sink of heads now, whether it is due or not.

        Returns:
            What went wrong, in words; empty when the receiver took it.

        Raises:
            InvalidSetting: The sink is not one of heads, or does not run.
        """
        sink = find_sink(read_sinks(self._log, self._workspace), name)
        if sink.format != HEAD or not sink.active:
            raise InvalidSetting(f"The sink {sink.name} gets no heads, or is paused", "Add one with --format head")
        taken = Turn(self._log, self._workspace, sink, lambda: False).run(at_once=True)
        return "" if taken else self._position(sink).fault or "Somebody else is delivering to it"

    def _change(
        self,
        change: Callable[[tuple[Sink, ...]], Changed],
        reason: Reason | None = None,
    ) -> Sink:
        return change_sinks(self._log, self._workspace, change, actor=self._actor, context=self._context, reason=reason)

    def _record_try(self, sink: Sink, action: str, fault: str) -> None:
        record_try(self._log, self._workspace, sink, action, fault=fault, actor=self._actor, context=self._context)

    def _release(
        self, sink: Sink, gone: Collection[Quarantined], *, delivered: bool, reason: Reason | None = None
    ) -> None:
        """Take entries out of quarantine and record that."""
        indexes = [one.index for one in gone]
        told = (Change(path="quarantine", op="set", removed=list(indexes)),) if indexes else ()

        def change(sinks: tuple[Sink, ...]) -> Changed:
            return sinks, find_sink(sinks, sink.id), told

        self._change(change, reason)
        while True:
            old = self._position(sink)
            new = without(old, indexes, delivered=delivered)
            if new == old or swap_position(self._log, self._workspace, sink.id, old, new):
                return

    def _forget(self, sink: str) -> None:
        forget_position(self._log, self._workspace, sink)
        forget_secret(self._log, self._workspace, sink)

    def _fingerprinted(self, sink: Sink, side: str) -> tuple[Change, ...]:
        """Say which secret in the store a sink has, as a change; nothing where the settings name a place."""
        if sink.secret != KEPT:
            return ()
        newest = secrets_of(self._log, self._workspace, sink)[0].encode()
        print_ = self._log.fingerprint(self._workspace, newest)
        if side == "after":
            return (Change(path="secret", op="add", class_="secret", after_fp=print_),)
        return (Change(path="secret", op="remove", class_="secret", before_fp=print_),)

    def _reset(self, sink: Sink, **more: Any) -> None:
        """Let the next delivery be due at once, whatever was before."""
        while True:
            old = self._position(sink)
            new = msgspec.structs.replace(old, attempts=0, fault="", failing_since=None, retry_at=None, **more)
            if new == old or swap_position(self._log, self._workspace, sink.id, old, new):
                return

    def _position(self, sink: Sink) -> Position:
        return read_position(self._log, self._workspace, sink.id) or Position(next=0)

    def _check(self, sink: Sink) -> None:
        kind = KINDS[sink.kind]
        if not 1 <= len(sink.name) <= _LONGEST_NAME or not sink.name.isprintable() or sink.name != sink.name.strip():
            raise InvalidSetting(f"{sink.name!r} is no name for a sink", f"Use 1 to {_LONGEST_NAME} characters")
        if sink.format not in kind.formats:
            raise InvalidSetting(
                f"A {sink.kind} sink has no format {sink.format!r}", f"Use one of {', '.join(kind.formats)}"
            )
        if not 1 <= sink.batch <= kind.most:
            raise InvalidSetting(f"A delivery of {sink.batch} entries cannot be had", f"Use 1 to {kind.most:,}")
        if not 0 <= sink.heartbeat <= 86_400:
            raise InvalidSetting(f"A heartbeat every {sink.heartbeat} seconds cannot be had", "Use 0 to 86,400")
        if sink.format == HEAD and (sink.query or not sink.heartbeat):
            raise InvalidSetting(
                "A head is of the whole log, and is sent on a schedule", "Leave out the filter, or name seconds"
            )
        query = parse(sink.query, now=self._log.now())
        if query.since is not None or query.until is not None:
            raise InvalidSetting("The filter of a sink holds for good and has no dates", "Say where to begin instead")
        for option in sink.options:
            if option not in kind.options:
                known = ", ".join(sorted(kind.options)) or "none"
                raise InvalidSetting(f"A {sink.kind} sink has no option {option!r}", f"It has {known}")
        if kind.secret and not sink.secret:
            raise InvalidSetting(f"A {sink.kind} sink needs a secret", "Name its file or variable")
        open_receiver(self._log, self._workspace, sink, again=False).close()


def _described(sink: Sink, side: str) -> list[Change]:
    """Say what a sink is, as changes: all of it came (`after`) or went (`before`)."""
    said = {
        "kind": sink.kind,
        "address": sink.address,
        "query": sink.query,
        "format": sink.format,
        "private": sink.private,
        "active": sink.active,
        **{f"options.{name}": value for name, value in sorted(sink.options.items())},
    }
    if side == "after":
        return [Change(path=path, op="add", after=value) for path, value in said.items()]
    return [Change(path=path, op="remove", before=value) for path, value in said.items()]
