"""Transactions of Django's connections, seen from the outside: when they begin and end, and where their savepoints are.

A unit stands for the outermost `atomic` block of the application. Blocks that the test framework opens around a test
are not the application's: inside of them a block begins a unit, and its entries are there when it ends. What is noted
is written just before the COMMIT, in the transaction itself; nothing is left to hooks that run afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from whodid.capture.django.unit import Patches, Unit, existing_unit, unit_of

if TYPE_CHECKING:
    from whodid.capture.django.hook import Hook

__all__ = ["watch_transactions"]


def watch_transactions(hook: Hook, patches: Patches) -> None:
    """Follow the transactions of every connection."""
    patches.put(transaction.Atomic, "__enter__", lambda original: _entering(hook, original))
    patches.put(transaction.Atomic, "__exit__", lambda original: _leaving(hook, original))
    patches.put(BaseDatabaseWrapper, "savepoint", _following(lambda unit, name: unit.mark(name) if name else None))
    patches.put(BaseDatabaseWrapper, "savepoint_commit", _following(lambda unit, name: unit.release(name)))
    patches.put(BaseDatabaseWrapper, "savepoint_rollback", _following(lambda unit, name: unit.rollback(name)))
    patches.put(BaseDatabaseWrapper, "commit", _committing)
    patches.put(BaseDatabaseWrapper, "rollback", _following(lambda unit, _: unit.end(undone=True)))


def _outermost(connection: Any) -> bool:
    """Tell whether the innermost block is the outermost one of the application."""
    blocks = connection.atomic_blocks
    return len(blocks) == 1 or (len(blocks) > 1 and blocks[-2]._from_testcase)


def _entering(hook: Hook, original: Any) -> Any:
    def enter(self: Any) -> Any:
        original(self)
        if not self._from_testcase and _outermost(connection := transaction.get_connection(self.using)):
            unit_of(hook, connection).begin()

    return enter


def _leaving(hook: Hook, original: Any) -> Any:
    def leave(self: Any, kind: Any, error: Any, traceback: Any) -> Any:
        connection = transaction.get_connection(self.using)
        if self._from_testcase or not connection.in_atomic_block or not _outermost(connection):
            return original(self, kind, error, traceback)
        unit = unit_of(hook, connection)
        undone = kind is not None or connection.needs_rollback or connection.closed_in_transaction
        if not undone:
            try:
                unit.flush(last=True)
            except BaseException as fault:
                unit.end(undone=True)
                original(self, type(fault), fault, fault.__traceback__)
                raise
        try:
            result = original(self, kind, error, traceback)
        except BaseException:
            unit.end(undone=True)  # a COMMIT that failed is a rollback; after one that did not, nothing is left to undo
            raise
        unit.end(undone=undone)
        return result

    return leave


def _following(after: Callable[[Unit, Any], None]) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        def follow(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(self, *args, **kwargs)
            unit = existing_unit(self)
            if unit is not None:
                after(unit, args[0] if args else kwargs.get("sid", result))
            return result

        return follow

    return make


def _committing(original: Any) -> Any:
    def commit(self: Any) -> Any:
        unit = existing_unit(self)
        if unit is not None and not self.in_atomic_block:
            unit.flush(last=True)
        result = original(self)
        if unit is not None and not self.atomic_blocks:
            unit.end(undone=False)
        return result

    return commit
