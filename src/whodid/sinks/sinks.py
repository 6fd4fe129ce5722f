"""The sinks of a workspace, for whoever manages them: add, remove, pause, resume, backfill, test, and how they are.

What is in quarantine is tried again or dropped here as well.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from whodid.errors import InvalidSetting, Outdated
from whodid.log import Log
from whodid.model import Actor, Change, Context, Reason
from whodid.sinks.changing import SinkChange, applied, as_changes, check_tag, differences, tag_of
from whodid.sinks.checking import check_sink
from whodid.sinks.delivery import Turn, make_notice, open_receiver
from whodid.sinks.heads import HEAD, USUAL_SECONDS
from whodid.sinks.health import Health, health_of, healths
from whodid.sinks.kinds import KINDS, Result
from whodid.sinks.kinds.webhook import public_keys
from whodid.sinks.position import Position, Quarantined, forget_position, read_position, swap_position
from whodid.sinks.quarantine import chosen, send_again, without
from whodid.sinks.secrets import KEPT, forget_secret, keep_secret, kept_secret, restore_secret, secrets_of
from whodid.sinks.settings import Changed, Sink, change_sinks, find_sink, pausing, read_sinks, record_try

__all__ = ["Sinks"]

MOST = 20
"""How many sinks a workspace may have."""


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
            print_ = self._fingerprint(sink) if kept else None
            told = (Change(path="secret", op="add", class_="secret", after_fp=print_),) if print_ else ()
            return (*sinks, sink), sink, (*as_changes(sink, "after"), *told)

        try:
            if kept:
                keep_secret(self._log, self._workspace, sink.id, kept)
            check_sink(self._log, self._workspace, sink)
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
            return tuple(one for one in sinks if one != sink), sink, as_changes(sink, "before")

        sink = self._change(change, reason)
        self._forget(sink.id)
        return sink

    def tag(self, name: str) -> str:
        """Return what names the present settings of a sink: a change can be made for these alone."""
        return tag_of(self._log, self._workspace, find_sink(read_sinks(self._log, self._workspace), name))

    def public_keys(self, name: str) -> tuple[str, ...]:
        """Return what the receiver of a webhook checks deliveries with, the newest first; empty where that is a secret.

        Raises:
            InvalidSetting: The secret of the sink cannot be read here.
        """
        sink = find_sink(read_sinks(self._log, self._workspace), name)
        return public_keys(secrets_of(self._log, self._workspace, sink)) if sink.kind == "webhook" else ()

    def change(self, name: str, wish: SinkChange, *, tag: str | None = None, reason: Reason | None = None) -> Sink:
        """Change a sink; it goes on where it was, and one that is failing is tried at once.

        Args:
            tag: Names the settings that the change was made for; None for whatever is there.

        Raises:
            InvalidSetting: The sink could not work like that; nothing changed.
            Outdated: Its settings are not those that `tag` names; nothing changed.
        """
        sink = find_sink(read_sinks(self._log, self._workspace), name)
        check_tag(self._log, self._workspace, sink, tag)
        changed = self._changed(sink, wish, strict=tag is not None, reason=reason)
        if changed.active:
            self._reset(changed)
        return changed

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
        return self._changed(sink, SinkChange(secret="\n".join((text, *old[:1]))), strict=False)

    def _changed(self, sink: Sink, wish: SinkChange, *, strict: bool, reason: Reason | None = None) -> Sink:
        """Check a change, make it, and record it with what was and what is.

        Args:
            sink: As it is now.
            strict: Whether it must be that still when it changes.
        """
        new = applied(sink, wish)
        told: tuple[Change, ...] = ()
        if wish.secret or wish.place:
            told = (self._tried(sink, msgspec.structs.replace(new, secret=wish.place or KEPT), wish.secret),)
        else:
            check_sink(self._log, self._workspace, new)

        def change(sinks: tuple[Sink, ...]) -> Changed:
            found = find_sink(sinks, sink.id)
            if strict and found != sink:
                raise Outdated(f"The sink {sink.name} was changed meanwhile", "Read it again and repeat the change")
            new = applied(found, wish)
            if any(one.name == new.name for one in sinks if one != found):
                raise InvalidSetting(f"There is a sink {new.name!r}", "Choose another name")
            if told:
                new = msgspec.structs.replace(new, secret=wish.place or KEPT)
            return tuple(new if one == found else one for one in sinks), new, (*differences(found, new), *told)

        if not wish.secret:
            changed = self._change(change, reason)
            if wish.place:
                forget_secret(self._log, self._workspace, sink.id)
            return changed
        kept = kept_secret(self._log, self._workspace, sink.id)
        keep_secret(self._log, self._workspace, sink.id, wish.secret)
        try:
            return self._change(change, reason)
        except BaseException:
            restore_secret(self._log, self._workspace, sink.id, kept)
            raise

    def _tried(self, sink: Sink, new: Sink, text: str) -> Change:
        """Check a sink with another secret, which is still nowhere, and say what changes about that.

        Args:
            text: What would be in the store, one per line, the newest first; empty for a secret that is elsewhere.
        """
        # Under a name of its own: what cannot work must not take the place of what does.
        trial = msgspec.structs.replace(new, id=f"{sink.id}.new")
        try:
            if text:
                keep_secret(self._log, self._workspace, trial.id, text)
            check_sink(self._log, self._workspace, trial)
            after = self._fingerprint(trial)
        finally:
            forget_secret(self._log, self._workspace, trial.id)
        return Change(path="secret", class_="secret", before_fp=self._fingerprint(sink), after_fp=after)

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

    def _fingerprint(self, sink: Sink) -> str | None:
        """Return what an entry tells of the newest secret of a sink; None where there is none, or none to be read."""
        try:
            found = secrets_of(self._log, self._workspace, sink)
        except InvalidSetting:
            return None
        return self._log.fingerprint(self._workspace, found[0].encode()) if found else None

    def _reset(self, sink: Sink, **more: Any) -> None:
        """Let the next delivery be due at once, whatever was before."""
        while True:
            old = self._position(sink)
            new = msgspec.structs.replace(old, attempts=0, fault="", failing_since=None, retry_at=None, **more)
            if new == old or swap_position(self._log, self._workspace, sink.id, old, new):
                return

    def _position(self, sink: Sink) -> Position:
        return read_position(self._log, self._workspace, sink.id) or Position(next=0)
