"""Moving the logs of a deployment from one store to another: everything that is kept goes along, byte for byte.

The source is marked first, so that nothing is recorded, changed or signed there any more; then piece after piece is
written to the destination, each with a note of how far the copy has come, in one transaction. A copy that was
interrupted, wherever it was, goes on after the last piece. At the end the destination is verified; the source is marked
as left, and only then does the destination lose its own mark. At no moment do both of them sign.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from whodid.errors import InvalidSetting, StoreCorrupt, StoreMoved, StoreUnavailable
from whodid.log.elsewhere import Elsewhere
from whodid.log.keys import DeploymentKey
from whodid.log.opening import engine, key_of
from whodid.log.owning import DEPLOYMENT, own
from whodid.log.verify import Report, verify_log
from whodid.proof import tile, tree
from whodid.sequence import Head, row_of
from whodid.store.base import Store, restore
from whodid.store.moving import PROGRESS, Mark, Piece

__all__ = ["Moved", "Told", "abandon_between", "abandon_move", "move", "move_between"]

_ENTRIES, _TILES, _SEALS, _STATES, _VOLUMES = 1_000, 128, 8, 100, 1
_STEPS = (_ENTRIES, _TILES, _SEALS, _STATES, _VOLUMES)
"""How much of each part is in one piece. A tile has 8 KiB, the index of a full segment may have a megabyte, that of a
volume many."""
_UPKEEP = 20  # pieces of entries

Told = Callable[[str, int, int], None]
"""Called with what is going on, how much of it is done, and how much there is."""


class Moved(NamedTuple):
    """What a move brought to its destination.

    Args:
        workspaces: What the verification of each log found there; all are `ok`.
        entries: How many have content.
    """

    workspaces: tuple[Report, ...]
    entries: int


class _Place(Struct, frozen=True):
    """How far the copy of a workspace has come.

    Args:
        part: Which of the parts, in the order of `_pieces`.
        at: Where in it the next piece begins.
    """

    part: int = 0
    at: int = 0


_place = msgspec.json.Decoder(_Place).decode


def move(
    source: Store,
    destination: Store,
    key: DeploymentKey,
    destination_key: DeploymentKey,
    told: Told = lambda _what, _done, _all: None,
) -> Moved:
    """Copy every log, or go on with it, verify the copy, and have the destination take the place of the source.

    Args:
        key: That of the source.
        destination_key: The same key, where the destination will look for it.

    Returns:
        What is at the destination now.

    Raises:
        InvalidSetting: The destination holds something else, or the source is being copied to another one.
        StoreCorrupt: What arrived does not verify; the destination cannot be opened, and the source signs no more.
        StoreMoved: This was done before.
        StoreError: Call it again to go on.
    """
    own(source, key)
    mark = _begun(source, destination, key)
    workspaces = source.workspaces()
    for workspace in (DEPLOYMENT, *workspaces):
        _copy(source, destination, workspace, told)
    _bring_notes(source, workspaces, key, destination_key)
    if source.states(DEPLOYMENT) != destination.states(DEPLOYMENT):
        raise StoreCorrupt("What belongs to the deployment did not arrive as it was", _AGAIN)
    reports = tuple(_verified(source, destination, workspace, destination_key, told) for workspace in workspaces)
    if source.mark() == mark:
        source.swap_mark(mark, Mark("left", mark.token, destination.name))
    destination.swap_mark(Mark("arriving", mark.token, source.name), None)
    return Moved(reports, sum(report.checked for report in reports))


def abandon_move(source: Store, destination: Store) -> None:
    """Give up a copy that is not complete: the source is used as before, and the destination never will be.

    Raises:
        InvalidSetting: Nothing is being copied from this source, or the destination is in use.
    """
    mark = source.mark()
    if mark is None or mark.kind != "leaving":
        raise InvalidSetting(f"{source.name} is not being copied", "There is nothing to give up")
    there = destination.mark()
    if there is not None and there.token == mark.token:
        # First the destination: never may both be open.
        if there.kind == "arriving":
            destination.swap_mark(there, Mark("abandoned", mark.token, source.name))
    elif not _empty(destination):
        raise InvalidSetting(
            f"{destination.name} does not hold the copy that is to be given up", f"Name {mark.other}, or an empty store"
        )
    source.swap_mark(mark, None)


def move_between(
    source: str,
    destination: str,
    *,
    key: str | None = None,
    destination_key: str | None = None,
    told: Told = lambda _what, _done, _all: None,
) -> Moved:
    """Do `move` between two addresses; the key file is copied where the destination will look for it.

    Args:
        key: The key file of the source, if it is not where it is by default.
        destination_key: Where the key file of the destination shall be, if not where it is by default.
    """
    with _both(source, destination) as ((one, place), (other, there)):
        mine = key_of(one, Path(key or place))
        return move(one, other, mine, mine.beside(Path(destination_key or there)), told)


def abandon_between(source: str, destination: str) -> None:
    """Do `abandon_move` with two addresses."""
    with _both(source, destination) as ((one, _), (other, _)):
        abandon_move(one, other)


@contextmanager
def _both(source: str, destination: str) -> Iterator[tuple[tuple[Store, Path], tuple[Store, Path]]]:
    with ExitStack() as stack:
        found = []
        for url in (source, destination):
            store, place = engine(url)
            stack.callback(store.close)
            if place is None:
                raise InvalidSetting("A log in memory is gone when its process ends", "Name a database")
            found.append((store, place))
        if found[0][0].name == found[1][0].name:
            raise InvalidSetting("Source and destination are the same store", "Name an empty one as destination")
        yield found[0], found[1]


def _begun(source: Store, destination: Store, key: DeploymentKey) -> Mark:
    """Mark both ends, or find them marked; return the mark of the source."""
    mark, there = source.mark(), destination.mark()
    if mark is not None and mark.kind in {"leaving", "left"}:
        if there is not None and there.token == mark.token and there.kind == "arriving":
            return mark
        if mark.kind == "left":
            raise StoreMoved(f"{source.name} was copied already; its logs are kept in {mark.other}", "Use that store")
        if mark.other != destination.name:
            raise InvalidSetting(
                f"{source.name} is being copied to {mark.other}", "Go on there, or give it up with --abandon"
            )
    if there is not None or not _empty(destination, key):
        raise InvalidSetting(
            f"{destination.name} is not empty, and what it holds is not a copy of {source.name}", "Use an empty store"
        )
    if mark is None:
        mark = Mark("leaving", secrets.token_hex(16), destination.name)
        if not source.swap_mark(None, mark):
            raise StoreUnavailable(f"Somebody else has begun to copy {source.name}", "Look who it is")
    if not destination.swap_mark(None, Mark("arriving", mark.token, source.name)) or not _empty(destination, key):
        raise InvalidSetting(f"{destination.name} was filled at this very moment", "Use an empty store")
    return mark


def _empty(store: Store, key: DeploymentKey | None = None) -> bool:
    """Tell whether a store holds nothing; being bound to the key that it will have is nothing."""
    states = store.states(DEPLOYMENT)
    return not store.workspaces() and (not states or (key is not None and states == {"key": key.identity.encode()}))


def _copy(source: Store, destination: Store, workspace: str, told: Told) -> None:
    """Copy what is missing of a workspace."""
    head = source.head(workspace)
    if head is not None and destination.head(workspace) == head:
        return
    old = destination.states(workspace).get(PROGRESS)
    start = _place(old) if old else _Place()
    for piece, following, done in _pieces(source, workspace, head, start):
        new = None if following is None else msgspec.json.encode(following)
        if not destination.adopt(workspace, piece, old, new):
            raise StoreUnavailable(f"Somebody else copies to {destination.name} as well", "Let one of them do it")
        old = new
        if following is not None and not following.part and not done % (_ENTRIES * _UPKEEP):
            destination.tend()  # compresses the better the more it has seen
        told(f"Copying {workspace or 'the deployment'}", done, head.size if head else 0)


def _pieces(
    source: Store, workspace: str, head: Head | None, start: _Place
) -> Iterator[tuple[Piece, _Place | None, int]]:
    """Cut a log into pieces, beginning at a place; each with the place after it, and how many entries are done."""
    size = head.size if head else 0
    if start.part == 0:
        for at in range(start.at, size, _ENTRIES):
            rows = tuple(
                row_of(restore(kept, workspace), kept.kind, kept.seed, kept.payload)
                for kept in source.read(workspace, at, min(at + _ENTRIES, size))
            )
            done = min(at + _ENTRIES, size)
            yield Piece(rows=rows), _Place(0, done), done
    parts: tuple[list[Any], ...] = (
        [],
        _tiles(head) if head else [],
        source.seals(workspace),
        sorted(source.states(workspace).items()),
        source.volumes(workspace),
    )
    for part in range(max(start.part, 1), len(parts)):
        at = start.at if part == start.part else 0
        step = _STEPS[part]
        while at < len(parts[part]):
            some = parts[part][at : at + step]
            at += len(some)
            if part == 1:
                piece = Piece(nodes=tuple(_nodes(source, workspace, some)))
            elif part == 2:
                second = {one.number: source.second(workspace, one.number) for one in some}
                piece = Piece(
                    seals=tuple((sealed, source.postings(workspace, sealed.number)) for sealed in some),
                    second={number: tags for number, tags in second.items() if tags is not None},
                )
            elif part == 3:
                piece = Piece(states=dict(some))
            else:
                piece = Piece(volumes=tuple((one, source.volume_postings(workspace, one.number)) for one in some))
            yield piece, _Place(part, at), size
    yield Piece(segments=tuple(source.segments(workspace)), head=head), None, size


def _tiles(head: Head) -> list[tuple[int, int]]:
    """List the tiles of a log, by level and number, as far as they are still there."""
    found = []
    level, count = 0, head.size
    while count:
        found += [(level, number) for number in range(-(-count // tile.TILE))]
        level, count = level + 1, count // tile.TILE
    gone = head.first // tile.TILE
    return [one for one in found if one[0] or one[1] >= gone]


def _nodes(source: Store, workspace: str, wanted: list[tuple[int, int]]) -> Iterator[tree.Nodes]:
    for (level, number), hashes in zip(wanted, source.tiles(workspace, wanted), strict=True):
        if not hashes:
            raise StoreCorrupt(f"Tile {number} of level {level} of {workspace} is missing", "Restore a backup first")
        yield tree.Nodes(level * 8, number * tile.TILE, hashes)


def _bring_notes(source: Store, workspaces: list[str], key: DeploymentKey, destination_key: DeploymentKey) -> None:
    """Bring along what stands beside the key: what was signed last, and what was erased."""
    if key.floor is not None and destination_key.floor is not None and key.floor.folder != destination_key.floor.folder:
        heads = [source.head(workspace) for workspace in workspaces]
        for head in heads:
            last = key.floor.last(head.origin) if head is not None else None
            if last is not None:
                destination_key.floor.raise_to(last)
    if key.register != destination_key.register:
        there = Elsewhere(destination_key.register)
        known = set(there.noted().splitlines(keepends=True))
        missing = [line for line in Elsewhere(key.register).noted().splitlines(keepends=True) if line not in known]
        if missing:
            there.note(b"".join(missing))


def _verified(source: Store, destination: Store, workspace: str, key: DeploymentKey, told: Told) -> Report:
    """Check that a log arrived whole, and that it is sound.

    Raises:
        StoreCorrupt: It did not, or is not.
    """
    head, there = source.head(workspace), destination.head(workspace)
    if head is None or head != there:
        raise StoreCorrupt(f"The log of {workspace} did not arrive with the head that it had", _AGAIN)
    for what, one, other in (
        ("named values", source.states(workspace), destination.states(workspace)),
        ("segments", source.segments(workspace), destination.segments(workspace)),
        ("seals", source.seals(workspace), destination.seals(workspace)),
        ("volumes", source.volumes(workspace), destination.volumes(workspace)),
    ):
        if one != other:
            raise StoreCorrupt(f"The {what} of {workspace} did not arrive as they were", _AGAIN)
    report = verify_log(
        destination, workspace, head, key, lambda done, size: told(f"Verifying {workspace}", done, size)
    )
    if not report.ok:
        raise StoreCorrupt(
            f"The copy of {workspace} does not verify: {report.problems[0].fact}",
            "Run whodid verify on the source, and restore a backup of it if it is damaged",
            index=report.first_bad,
        )
    kept = source.stats(workspace)["entries"]
    if report.checked != kept:
        raise StoreCorrupt(f"{report.checked} of {kept} entries of {workspace} arrived", _AGAIN)
    return report


_AGAIN = "Give the copy up with --abandon, and copy to an empty store"
