"""Open transactions of the caller: where an event belongs that lives and dies with a change.

A hook (`whodid.capture.sqlalchemy`, `whodid.capture.django`) makes a `Unit` for each transaction that it watches and
says when it opens and closes. `Capture.record` asks which are open *here*. The register stands in the outermost scope,
a mutable cell, so that a transaction that was opened in a copied context (a synchronous dependency) is seen by the
whole request; outside every scope it is the context itself.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol
from weakref import ref

from whodid.capture.context import current
from whodid.capture.pending import Pending

__all__ = ["Unit", "closed", "open_units", "opened"]

# Weak, as in a scope: a session that was dropped without being closed must not stay open for ever.
_elsewhere: ContextVar[tuple[ref[Unit], ...]] = ContextVar("whodid_units", default=())


class Unit(Protocol):
    """One transaction of the caller, and what is to be said of it before it commits."""

    pending: Pending

    def owns(self, subject: object) -> bool:
        """Tell whether an object belongs to this transaction."""


def opened(unit: Unit) -> None:
    """Note that a transaction began; closing it is the hook's duty, whatever happens."""
    scope = current()
    if scope is None:
        _elsewhere.set((*_elsewhere.get(), ref(unit)))
    else:
        scope.outermost.units.add(unit)


def closed(unit: Unit) -> None:
    """Note that a transaction ended, wherever it began."""
    scope = current()
    if scope is not None:
        scope.outermost.units.discard(unit)
    if known := _elsewhere.get():
        _elsewhere.set(tuple(one for one in known if one() is not None and one() is not unit))


def open_units() -> list[Unit]:
    """Return the transactions that are open here."""
    scope = current()
    here = [unit for one in _elsewhere.get() if (unit := one()) is not None]
    return here if scope is None else [*here, *(unit for unit in scope.outermost.units if unit not in here)]
