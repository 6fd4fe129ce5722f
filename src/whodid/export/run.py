"""Carry out an export: stream the entries of a query in a format, and record that it happened.

The file is complete only when its entry is: the last piece is handed out after `audit.exported` is durable, so nobody
holds a whole file that the log does not know of. An export that breaks off is recorded too, as failed. Memory does not
grow with the number of entries.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import IO, Any, TypeVar

from msgspec import Struct

from whodid import canonical
from whodid.capture.events import uuid7
from whodid.errors import InvalidSetting, WhodidError
from whodid.export import ndjson
from whodid.export.layout import Format, Layout, Split, draw, stem_of
from whodid.log import Hiding, Log, ProvenEntry, hide_proven
from whodid.model import Actor, Context, Entry, Event, Outcome, Resource
from whodid.proof.checkpoint import parse_checkpoint
from whodid.proof.note import parse_note
from whodid.query import Query, parse

__all__ = ["Exported", "Progress", "Suspended", "export", "pieces"]

Progress = Callable[[int], None]
"""Called now and then with the number of entries written so far."""


class Suspended(Exception):
    """Raised by a `Progress` to stop an export that somebody else will begin again: nothing left, nothing failed."""


_PIECE = 64 * 1024

_Item = TypeVar("_Item")


class Exported(Struct, frozen=True, kw_only=True):
    """A finished export.

    Args:
        count: Entries in the file.
        size: Bytes of the file.
        sha256: Of the file, hexadecimal.
        index: Place of the `audit.exported` entry.
    """

    count: int
    size: int
    sha256: str
    index: int


def export(
    log: Log,
    workspace: str,
    query: Query | str,
    format: Format,
    out: IO[bytes],
    *,
    actor: Actor,
    context: Context | None = None,
    proofs: bool = False,
    bom: bool = False,
    columns: Sequence[str] = (),
    split: Split | None = None,
    zone: str = "UTC",
    entries: Iterator[Entry] | None = None,
    hiding: Hiding | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write an export to an open file; see `pieces` for the arguments.

    Args:
        out: Open for writing; it is neither flushed nor closed. If anything is raised, what was written is no export.
    """
    steps = pieces(
        log,
        workspace,
        query,
        format,
        actor=actor,
        context=context,
        proofs=proofs,
        bom=bom,
        columns=columns,
        split=split,
        zone=zone,
        entries=entries,
        hiding=hiding,
        progress=progress,
    )
    try:
        while True:
            out.write(next(steps))
    except StopIteration as end:
        done: Exported = end.value
        return done
    finally:
        steps.close()


def pieces(
    log: Log,
    workspace: str,
    query: Query | str,
    format: Format,
    *,
    actor: Actor,
    context: Context | None = None,
    proofs: bool = False,
    bom: bool = False,
    columns: Sequence[str] = (),
    split: Split | None = None,
    zone: str = "UTC",
    entries: Iterator[Entry] | None = None,
    hiding: Hiding | None = None,
    progress: Progress | None = None,
) -> Generator[bytes, None, Exported]:
    """Return the bytes of an export piece by piece, for a file or an HTTP answer.

    Entries recorded after the start are not in it. Nothing is cut: it ends with the last matching entry or raises.

    Args:
        log: The log to read and to record the export in.
        workspace: Whose log.
        query: What to export, or its text with times in UTC.
        format: One of `FORMATS`.
        actor: Who exports.
        context: Where from.
        proofs: Let every line carry its proof, and end with a manifest; NDJSON only.
        bom: Begin with a byte order mark; CSV only.
        columns: Some of `csv.COLUMNS` in the order wanted, all when empty; not for NDJSON.
        split: Several files in a zip archive with a manifest: one for each month, or so many rows.
        zone: IANA time zone of the months.
        entries: What to write instead of the matching entries, for a reader who may not see all of them; not with
            proofs, which prove whole entries.
        hiding: What is hidden in the file; proofs hold without it.
        progress: Called after every piece.

    Returns:
        A generator; what it returns in the end is an `Exported`. Close it if you stop early: then `audit.exported` says
        that the export failed.

    Raises:
        InvalidSetting: Format and options do not fit together; raised at once.
        NotFound: The workspace has no log; raised at once.
    """
    layout = Layout(
        format=format,
        columns=tuple(columns),
        proofs=proofs,
        bom=bom,
        split=split,
        zone=zone,
        stem=stem_of(workspace, log.now()),
    )
    layout.check()
    if proofs and entries is not None:
        raise InvalidSetting(
            "Proofs need whole entries, and this reader may not see them all",
            "Export without proofs, or ask for audit:pii",
        )
    log.head(workspace)
    asked = parse(query, now=log.now()) if isinstance(query, str) else query
    work = _Export(log, workspace, asked, layout, actor=actor, context=context, hiding=hiding or Hiding())
    if hiding and not proofs:
        entries = map(hiding.cover, log.stream(workspace, asked) if entries is None else entries)
    if proofs:
        rendered = work.proven()
    elif format == "ndjson" and split is None:
        wire = log.stream_wire(workspace, asked) if entries is None else map(canonical.wire, entries)
        rendered = ndjson.render(work.counted(wire))
    else:
        whole = work.counted(log.stream(workspace, asked) if entries is None else entries)
        rendered = draw(layout, whole, {"workspace": workspace, "query": str(asked)}, log.now())
    return work.run(rendered, progress)


class _Export:
    """One export under way: what was counted and hashed so far, and how to record it."""

    def __init__(
        self,
        log: Log,
        workspace: str,
        query: Query,
        layout: Layout,
        *,
        actor: Actor,
        context: Context | None,
        hiding: Hiding,
    ) -> None:
        self._log = log
        self._workspace = workspace
        self._query = query
        self._layout = layout
        self._actor = actor
        self._context = context
        self._hiding = hiding
        self._digest = sha256()
        self._count = 0
        self._size = 0
        self._stop = 0  # index after the last entry in the file

    def counted(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Pass items on and count them."""
        for item in items:
            self._count += 1
            yield item

    def proven(self) -> Iterator[bytes]:
        """Render lines with proofs, then the manifest; `run` hashes each line before it asks for the next."""
        started = self._log.now()
        note, entries = self._log.proven(self._workspace, self._query)
        yield from ndjson.render_proven(map(self._hidden, self.counted(entries)))
        checkpoint = parse_checkpoint(parse_note(note)[0])
        manifest = ndjson.Manifest(
            workspace=self._workspace,
            origin=checkpoint.origin,
            query=str(self._query),
            count=self._count,
            size=checkpoint.size,
            exported_at=started,
            checkpoint=note,
            vkey=self._log.verifier_key(self._workspace),
            anchors=self._anchors(checkpoint.size),
        )
        yield ndjson.seal(manifest, self._digest).encode()

    def _anchors(self, size: int) -> list[ndjson.Anchor]:
        """Return the heads that somebody outside has seen, linked to the head of this size."""
        found = self._log.snapshot(self._workspace).anchors(self._stop, size=size)
        return [
            ndjson.Anchor(
                checkpoint=one.checkpoint,
                consistency=b64encode(b"".join(one.consistency)).decode(),
                stamp=b64encode(one.stamp).decode(),
            )
            for one in found
        ]

    def _hidden(self, proven: ProvenEntry) -> tuple[ProvenEntry, Sequence[str]]:
        self._stop = max(self._stop, proven.entry.index + 1)
        paths = self._hiding.paths(proven.entry)
        return hide_proven(proven, paths), paths

    def run(self, rendered: Iterator[bytes], progress: Progress | None) -> Generator[bytes, None, Exported]:
        """Hand out the file, holding the last piece back until the export is recorded."""
        held = b""
        try:
            for piece in self._joined(rendered):
                if held:
                    yield held
                    if progress is not None:
                        progress(self._count)
                held = piece
        except Suspended:
            raise
        except BaseException:
            # The first error is the one to tell; a store that is gone cannot record it.
            with suppress(WhodidError):
                self._record("failed")
            raise
        index = self._record("success")
        if held:
            yield held
        if progress is not None:
            progress(self._count)
        return Exported(count=self._count, size=self._size, sha256=self._digest.hexdigest(), index=index)

    def _joined(self, rendered: Iterator[bytes]) -> Iterator[bytes]:
        parts: list[bytes] = []
        waiting = 0
        for part in rendered:
            self._digest.update(part)
            self._size += len(part)
            parts.append(part)
            waiting += len(part)
            if waiting >= _PIECE:
                yield b"".join(parts)
                parts.clear()
                waiting = 0
        if parts:
            yield b"".join(parts)

    def _record(self, outcome: Outcome) -> int:
        now = self._log.now()
        details: dict[str, Any] = {
            "query": str(self._query),
            "format": self._layout.format,
            "proofs": self._layout.proofs,
            "count": self._count,
        }
        if self._layout.columns:
            details["columns"] = list(self._layout.columns)
        if self._layout.split is not None:
            details["split"] = self._layout.split
        if self._hiding:
            details["hidden"] = self._hiding.words()
        if outcome == "success":
            details |= {"bytes": self._size, "sha256": self._digest.hexdigest()}
        event = Event(
            id=uuid7(now, os.urandom(8)),
            occurred_at=now,
            actor=self._actor,
            action="audit.exported",
            resource=Resource(type="log", id=self._workspace),
            outcome=outcome,
            details=details,
            context=self._context,
        )
        return self._log.record(self._workspace, event).index
