"""The unit of a connection: a transaction and what is to be said of it, exact to the savepoint."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any
from weakref import ref

from whodid.capture.pending import Pending, Row
from whodid.capture.units import closed, opened

if TYPE_CHECKING:
    from whodid.capture.django.hook import Hook

__all__ = ["Patches", "Unit", "existing_unit", "unit_of"]

_KEY = "whodid_unit"
_MANY = 200
_REMEMBERED = 1000


class Patches:
    """Replaced attributes of other people's classes, and the way back."""

    def __init__(self) -> None:
        self._replaced: list[tuple[type, str, Any]] = []

    def put(self, owner: type, name: str, make: Callable[[Any], Any]) -> None:
        """Replace a method by what `make` returns for it."""
        original = owner.__dict__[name]
        plain = original.__func__ if isinstance(original, classmethod) else original
        made = wraps(plain)(make(plain))
        self._replaced.append((owner, name, original))
        setattr(owner, name, classmethod(made) if isinstance(original, classmethod) else made)

    def add(self, owner: type, name: str, made: Any) -> None:
        """Add a method that the class lacks."""
        self._replaced.append((owner, name, None))
        setattr(owner, name, made)

    def restore(self) -> None:
        """Put back what was there."""
        for owner, name, original in reversed(self._replaced):
            if original is None:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
        self._replaced.clear()


class Unit:
    """The transaction of a connection, and what is to be said of it.

    Args:
        hook: Whose it is.
        connection: A Django database connection.

    Attributes:
        open: Whether a transaction is under way.
        claimed: Whether a hook answers for the statements that are executed now.
        whole: Whether updates that are made now are told as a whole.
        deletion: The batch of what is being deleted with its cascades.
        teller: Who acts, as the database was told in this transaction; None when it was not.
        collecting: Whether a collector is deleting, which answers for the statements that name rows by their keys.
    """

    def __init__(self, hook: Hook, connection: Any) -> None:
        self.hook = hook
        self.connection = connection
        self.alias: str = connection.alias
        self.pending = Pending()
        self.open = False
        self.claimed = False
        self.whole = False
        self.collecting = False
        self.deletion: Callable[[], str] | None = None
        self._deleted: Row | None = None
        self._batch: str | None = None
        self._points: list[tuple[str, int]] = []
        self._known: list[tuple[ref[Any], Any]] = []
        self._most = _REMEMBERED
        self._wrote = False
        self.teller: Any = None

    def owns(self, subject: object) -> bool:
        """Tell whether an object was loaded from, or saved to, this database."""
        state = getattr(subject, "_state", None)
        return state is not None and state.db == self.alias

    # ------------------------------------------------------------------------------------------------ transaction

    def begin(self) -> None:
        """Note that a transaction began."""
        if not self.open:
            self.open = True
            opened(self)

    def end(self, *, undone: bool) -> None:
        """Note that it ended.

        Args:
            undone: Whether it was rolled back.
        """
        if undone:
            self._forget(0)
        if self.open:
            self.open = False
            closed(self)
        self.pending.clear()
        self._points.clear()
        self._known.clear()
        self.teller = None
        if self._wrote:
            self._wrote = False
            if not undone:
                self.hook.wake(self.alias)

    def mark(self, name: str) -> None:
        """Note that a savepoint begins."""
        if self.open:
            self.pending.mark()
            self._points.append((name, len(self._known)))

    def release(self, name: str) -> None:
        """Note that a savepoint, and those inside it, became part of what is around them."""
        while any(point == name for point, _ in self._points):
            last, _ = self._points.pop()
            self.pending.release()
            if last == name:
                break
        self.written()

    def rollback(self, name: str) -> None:
        """Note that everything since a savepoint was undone; the savepoint itself remains."""
        self.teller = None  # the database may have forgotten it, too
        while any(point == name for point, _ in self._points):
            last, length = self._points.pop()
            self.pending.rollback()
            self._forget(length)
            if last == name:
                self.mark(name)
                break

    # ------------------------------------------------------------------------------------------------ notes

    def knows(self, state: Any, before: Any) -> None:
        """Remember what was known of an object, for when the transaction is undone."""
        if len(self._known) >= self._most and not self._points:
            self._known = [(one, what) for one, what in self._known if one() is not None]
            self._most = max(_REMEMBERED, 2 * len(self._known))  # looked through rarely, however many are alive
        self._known.append((ref(state), before))

    def _forget(self, length: int) -> None:
        """Let what is known of objects be what is in the database: what it was before they were saved."""
        for one, before in reversed(self._known[length:]):
            if (state := one()) is not None:
                state.whodid = before
        del self._known[length:]

    def row(self, row: Row) -> None:
        """Note what happened to a row."""
        if self.deletion is not None:
            if self._deleted is None:
                self._deleted = row
            else:
                row.place = self._joint(self.deletion)
        self.pending.row(row)
        self.written()

    def together(self, draw: Callable[[], str] | None) -> None:
        """Give what is noted from now on a batch, until None is given; what turns out to be one row needs none.

        Args:
            draw: Makes the id of the batch.
        """
        self._deleted = self._batch = None
        self.deletion = draw

    def _joint(self, draw: Callable[[], str]) -> str:
        """Return the batch of the rows that go together, and give it to the first of them."""
        if self._batch is None:
            self._batch = draw()
            if self._deleted is not None:
                self._deleted.place = self._batch
        return self._batch

    def wakes(self) -> None:
        """Note that its commit is to wake the relay."""
        self._wrote = True

    def written(self) -> None:
        """Write what is noted once it is much."""
        if len(self.pending) >= _MANY and not self._points:
            self.flush()

    def flush(self, *, last: bool = False) -> None:
        """Write what is noted outside every savepoint.

        Args:
            last: The transaction is about to commit, and with it the savepoints that nobody ended.

        Raises:
            InvalidEvent: Capture is strict, and it is not known who acts or in which workspace.
            StoreUnavailable: The rows could not be written; the transaction must be rolled back.
        """
        if last:
            for _ in self._points:
                self.pending.release()
            self._points.clear()
        if self.pending and not self._points:
            if self._deleted is not None and self.deletion is not None:
                self._joint(self.deletion)  # others may follow
            self._wrote |= self.hook.write(self)


def unit_of(hook: Hook, connection: Any) -> Unit:
    """Return the unit of a connection."""
    unit: Unit | None = connection.__dict__.get(_KEY)
    if unit is None or unit.hook is not hook:
        unit = Unit(hook, connection)
        setattr(connection, _KEY, unit)
    return unit


def existing_unit(connection: Any) -> Unit | None:
    """Return the unit of a connection in which a transaction is open; None when there is none."""
    unit: Unit | None = connection.__dict__.get(_KEY)
    return unit if unit is not None and unit.open else None
