"""Check an exported file with proofs, offline: no log, no network, no trust in who sent it.

Pure, over the lines of the file. Everything that an entry says is authenticated: field by field it is bound to its
leaf, the leaf to its place under the root, the root to the signature; and each line has only one spelling. Of the
manifest, the checkpoint is signed, and origin, size, count and key must agree with what is signed or counted. The
rest is covered by the digest alone, and whoever forges a file can recompute a digest: `query`, `exported_at`, and the
name of the workspace (proofs know a log by its origin, which never names a customer).

What a file proves: that each entry was recorded as it stands, at its place. Where the indexes run without a gap up to
the size of the signed log (`gapless`), nothing newer than the lowest was left out. Of a filtered export the file cannot
tell; then the log's own `audit.exported` entry, which knows count and digest of the file, is what to compare with.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256

import msgspec
from msgspec import Struct

from whodid import canonical
from whodid.errors import InvalidEvent, InvalidSetting, MalformedProof, Refuted, UnverifiedNote, WhodidError
from whodid.export.ndjson import VERSION, Manifest, Proof, seal
from whodid.model import Entry, Erased
from whodid.proof import leaf, tree
from whodid.proof.checkpoint import Checkpoint, open_checkpoint
from whodid.proof.note import Verifier, decode_base64

__all__ = ["MAX_LINE", "Anchored", "Problem", "Report", "verify_export"]

MAX_LINE = 16 * 1024 * 1024
"""Bytes; no line that was exported is longer."""

_MAX_PROBLEMS = 100
_PROOF = b',"proof":{'

_decode_manifest = msgspec.json.Decoder(Manifest).decode
_decode_proof = msgspec.json.Decoder(Proof).decode


class Problem(Struct, frozen=True, kw_only=True):
    """Something in the file that is not as it was exported.

    Args:
        line: Line of the file, from 1; None for the manifest.
        index: The entry at fault, as far as it could be read.
    """

    line: int | None
    index: int | None = None
    fact: str


class Anchored(Struct, frozen=True, kw_only=True):
    """A head that the log went on from, which somebody outside may have seen.

    Args:
        checkpoint: The signed note. Who else signed it is for a policy to say (`whodid.proof.policy`).
        stamp: Its time stamp (RFC 3161), which is not checked here; empty when there is none.
    """

    size: int
    checkpoint: str
    stamp: bytes


class Report(Struct, frozen=True, kw_only=True):
    """What a verification found.

    Args:
        proven: Entries whose proof holds.
        count: Entries that the manifest announces.
        size: Entries in the log when the file was made.
        trusted: Whether a key that the caller trusts signed the checkpoint. Otherwise it was the key that the file
            brought along, and the file shows only that it agrees with itself.
        hidden: Fields that whoever made the file hid in it.
        gapless: Whether the indexes run without a gap up to the size of the log.
        first: Lowest index in the file, or None for an empty file.
        anchors: Heads that somebody outside has seen; those that hold, by size.
        digest: SHA-256 of the whole file, hexadecimal, as the `audit.exported` entry of the log has it.
        problems: At most 100: lines in their order, then the manifest's.
    """

    workspace: str = ""
    origin: str = ""
    query: str = ""
    exported_at: datetime | None = None
    vkey: str = ""
    trusted: bool = False
    proven: int = 0
    count: int = 0
    size: int = 0
    hidden: int = 0
    gapless: bool = False
    first: int | None = None
    anchors: tuple[Anchored, ...] = ()
    digest: str = ""
    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; look at `trusted` as well."""
        return not self.problems


def verify_export(lines: Iterable[bytes], manifest: bytes, *, trusted: Iterable[str] = ()) -> Report:
    """Verify an exported file with proofs.

    Args:
        lines: Every line of the file with its newline, the last one included; read once, one at a time.
        manifest: The last line, which is needed before the first.
        trusted: Verifier keys (vkeys) that the caller got from elsewhere. Without any, the key in the file is used.

    Returns:
        A report; whatever the file holds, nothing is raised for it.

    Raises:
        InvalidSetting: A trusted key is not a key.
    """
    work = _Verification([Verifier(key) for key in trusted])
    return work.run(lines, manifest)


class _Verification:
    def __init__(self, trusted: list[Verifier]) -> None:
        self._keys = trusted
        self._problems: list[Problem] = []
        self._manifest: Manifest | None = None
        self._checkpoint: Checkpoint | None = None
        self._trusted = False
        self._before = sha256()
        self._digest = sha256()
        self._lines = 0
        self._proven = 0
        self._hidden = 0
        self._lowest: int | None = None
        self._last: tuple[datetime, int] | None = None
        self._anchors: list[Anchored] = []

    def run(self, lines: Iterable[bytes], manifest: bytes) -> Report:
        try:
            self._manifest, self._checkpoint = self._open(manifest)
            self._anchored(self._manifest, self._checkpoint)
        except WhodidError as error:
            self._problems.append(Problem(line=None, fact=error.fact))
        held: bytes | None = None
        for line in lines:
            if held is not None:
                self._lines += 1
                self._entry(held)
            held = line
            self._digest.update(line)
        self._end(held, manifest)
        return self._report()

    def _open(self, data: bytes) -> tuple[Manifest, Checkpoint]:
        """Read the manifest and open its checkpoint with a trusted key, or with its own if no key was given."""
        try:
            manifest = _decode_manifest(data)
            canonical_form = manifest.encode() == data
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
            raise MalformedProof(
                "The file does not end in a manifest: it was cut, or exported without proofs"
            ) from None
        if manifest.whodid != "export" or manifest.version != VERSION:
            raise MalformedProof(f"The manifest is of version {manifest.version}, which is unknown here")
        if not canonical_form:
            raise MalformedProof("The manifest is not written as it was exported")
        checkpoint = self._signed(manifest)
        if checkpoint.origin != manifest.origin or checkpoint.size != manifest.size:
            raise MalformedProof("The manifest names another log or size than its checkpoint")
        return manifest, checkpoint

    def _signed(self, manifest: Manifest) -> Checkpoint:
        try:
            own = Verifier(manifest.vkey)
        except InvalidSetting as error:
            raise MalformedProof(f"The key in the manifest is not a key: {error.fact}") from None
        if self._keys and own not in self._keys:
            raise UnverifiedNote(f"The file names the key {own.name}+{own.key_id.hex()}, which is not a trusted one")
        checkpoint, _ = open_checkpoint(manifest.checkpoint, own)
        self._trusted = bool(self._keys)
        return checkpoint

    def _anchored(self, manifest: Manifest, checkpoint: Checkpoint) -> None:
        """Check that the log went on from every head that somebody outside is said to have seen."""
        below = 0
        for anchor in manifest.anchors:
            try:
                earlier, _ = open_checkpoint(anchor.checkpoint, Verifier(manifest.vkey))
                stamp, path = decode_base64(anchor.stamp), decode_base64(anchor.consistency)
                if not below < earlier.size <= checkpoint.size:
                    raise MalformedProof("The anchors do not ascend, or lie beyond the signed head")
                hashes = [path[at : at + tree.HASH_SIZE] for at in range(0, len(path), tree.HASH_SIZE)]
                tree.check_consistency(earlier.size, checkpoint.size, earlier.root, checkpoint.root, hashes)
            except (WhodidError, ValueError):
                self._add("The head that somebody outside has seen is not an earlier state of this log")
            else:
                below = earlier.size
                self._anchors.append(Anchored(size=earlier.size, checkpoint=anchor.checkpoint, stamp=stamp))

    def _entry(self, line: bytes) -> None:
        if self._checkpoint is None or self._manifest is None or len(self._problems) >= _MAX_PROBLEMS:
            self._before.update(line)
            return
        self._before.update(line)
        index: int | None = None
        try:
            entry, proof = _read(line)
            index = entry.index
            if entry.workspace != self._manifest.workspace:
                raise MalformedProof(f"The entry is of the workspace {entry.workspace!r}, the file of another")
            _prove(entry, proof, self._checkpoint)
            place = (entry.occurred_at, entry.index)
            if self._last is not None and place >= self._last:
                raise MalformedProof("The entry stands at the wrong place, or a second time")
            self._last = place
            self._lowest = index if self._lowest is None else min(self._lowest, index)
            self._proven += 1
            self._hidden += len(proof.hidden)
        except Refuted:
            fact = "The entry is not what was recorded at this place of the log"
            self._problems.append(Problem(line=self._lines, index=index, fact=fact))
        except WhodidError as error:
            self._problems.append(Problem(line=self._lines, index=index, fact=error.fact))
        except (RecursionError, OverflowError, ValueError) as error:
            self._problems.append(Problem(line=self._lines, index=index, fact=f"The line cannot be read: {error}"))

    def _end(self, last: bytes | None, manifest: bytes) -> None:
        """Compare what was announced with what came."""
        known = self._manifest
        if known is None:
            return
        if last != manifest:
            self._add("The file goes on after its manifest, or ends before it")
        if self._lines != known.count:
            self._add(f"The manifest announces {known.count} entries, and the file has {self._lines}")
        if seal(known, self._before).sha256 != known.sha256:
            self._add("The digest in the manifest is not that of the file")

    def _add(self, fact: str) -> None:
        self._problems.append(Problem(line=None, fact=fact))

    def _report(self) -> Report:
        problems = tuple(self._problems[:_MAX_PROBLEMS])
        digest = self._digest.hexdigest()
        known = self._manifest
        if known is None:
            return Report(digest=digest, problems=problems)
        return Report(
            workspace=known.workspace,
            origin=known.origin,
            query=known.query,
            exported_at=known.exported_at,
            vkey=known.vkey,
            trusted=self._trusted,
            proven=self._proven,
            count=known.count,
            size=known.size,
            hidden=self._hidden,
            gapless=self._lowest is not None and not problems and self._proven == known.size - self._lowest,
            first=self._lowest,
            anchors=tuple(self._anchors),
            digest=digest,
            problems=problems,
        )


def _read(line: bytes) -> tuple[Entry, Proof]:
    """Cut a line into entry and proof, each in its only spelling."""
    at = line.rfind(_PROOF)
    if at < 0 or not line.endswith(b"}}\n"):
        raise MalformedProof("The line is not an entry with its proof")
    written, proof_text = line[:at] + b"}", line[at + len(_PROOF) - 1 : -2]
    try:
        entry = canonical.read_wire(written)
        proof = _decode_proof(proof_text)
    except InvalidEvent as error:
        raise MalformedProof(error.fact) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedProof(f"The proof cannot be read: {error}") from None
    if canonical.wire(entry) != written or canonical.encode(proof) != proof_text:
        raise MalformedProof("The line is not written as it was exported")
    return entry, proof


def _fields(entry: Entry, hidden: tuple[str, ...]) -> list[leaf.Field]:
    """List the fields of an entry, with None for what was erased or is hidden.

    Raises:
        MalformedProof: What is said to be hidden is not, or is named in another way than it was exported.
    """
    if not hidden:
        return canonical.fields(entry)
    gone = entry.erased.paths if entry.erased is not None else ()
    both = Erased(at=entry.recorded_at, paths=(*gone, *hidden), record=0)
    listed = canonical.fields(msgspec.structs.replace(entry, erased=both))
    missing = [path.decode() for path, value in listed if value is None and path.decode() not in gone]
    if missing != list(hidden):
        raise MalformedProof("The entry shows what is said to be hidden, or cannot have such a field")
    return listed


def _prove(entry: Entry, proof: Proof, checkpoint: Checkpoint) -> None:
    """Recompute the leaf of an entry and find it in the tree.

    Raises:
        ProofError: It is not there.
    """
    listed = _fields(entry, proof.hidden)
    openings = [decode_base64(salt) for salt in proof.salts]
    sizes = [leaf.SALT_SIZE if value is not None else leaf.COMMITMENT_SIZE for _, value in listed]
    if [len(one) for one in openings] != sizes:
        raise MalformedProof("The proof does not have one salt per field, and one commitment per field without a value")
    root = leaf.content_root(leaf.bindings(openings, listed))
    tags = tuple(decode_base64(tag) for tag in proof.tags)
    recorded_at = canonical.micros(entry.recorded_at)
    # What a header has no room for is refused before it is packed; the rest is for `decode` to judge.
    if not 0 <= proof.kind <= 0xFF or recorded_at < 0 or len(tags) > leaf.MAX_TAGS:
        raise MalformedProof("The proof does not make a leaf")
    header = leaf.Header(proof.kind, recorded_at, root, tags)
    if leaf.Header.decode(header.encode()) != header:
        raise MalformedProof("The proof does not make a leaf")
    path = [decode_base64(value) for value in proof.path]
    tree.check_inclusion(entry.index, checkpoint.size, tree.leaf_hash(header.encode()), path, checkpoint.root)
