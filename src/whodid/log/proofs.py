"""The proofs of a log: signed heads, what is in it, that it only grew, and that nothing is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from whodid.errors import Purged
from whodid.log.access import Access
from whodid.log.anchoring import AnchorLog, Linked
from whodid.log.completing import Complete, Headers, complete, headers
from whodid.log.proving import Inclusion, ProvenEntry, existing
from whodid.log.snapshot import Snapshot
from whodid.log.verify import Progress, Report, lost_logs, verify_log
from whodid.proof.note import Signature
from whodid.query import Query
from whodid.store.base import restore

__all__ = ["Proofs"]


class Proofs(Access):
    """Prove and verify the logs of a deployment."""

    def checkpoint(self, workspace: str) -> str:
        """Return the signed head (a C2SP checkpoint), signing it if it is newer than the last signed one."""
        return self._prover(workspace).checkpoint()

    def check_signing(self, workspace: str) -> None:
        """Look whether a head of this log can be signed, and sign none.

        Raises:
            StoreCorrupt: More was signed than the log has, or another history: it is an older copy.
        """
        self._prover(workspace).check_signing()

    def cosigned(self, workspace: str) -> str | None:
        """Return the newest checkpoint that witnesses have cosigned, or None; a newer one may be without."""
        return self._prover(workspace).cosigned()

    def add_cosignatures(self, workspace: str, note: str, signatures: Sequence[Signature]) -> str:
        """Put verified signatures of witnesses under a checkpoint; return it with all that are known for it."""
        return self._prover(workspace).add_cosignatures(note, signatures)

    def verifier_key(self, workspace: str) -> str:
        """Return the key (vkey) that checks this log's checkpoints; publish it where auditors find it."""
        return self._key.verifier_key(self._existing(workspace).origin)

    def prove(self, workspace: str, key: int | str) -> Inclusion:
        """Prove that an entry is in the log under its newest checkpoint."""
        return self._prover(workspace).inclusion(self._kept(workspace, key))

    def disclose(self, workspace: str, indexes: Iterable[int]) -> Iterator[tuple[Inclusion, list[bytes]]]:
        """Prove entries under one checkpoint, each with the salts of its fields; what was purged is left out."""
        prover = self._prover(workspace)
        for index in indexes:
            try:
                kept = self._kept(workspace, index)
            except Purged:
                continue
            yield prover.disclosed(kept)

    def hashes(self, workspace: str, level: int, start: int, stop: int) -> list[bytes]:
        """Return hashes of the tree from `start` up to `stop`, as far as there are any.

        Args:
            level: 0 for leaves, 1 for roots of complete subtrees of 256 leaves, 2 for those of 65,536, and so on.

        Raises:
            Purged: Retention removed the hashes of these leaves; the roots above them are kept.
        """
        return self._prover(workspace).row(level, start, stop)

    def prove_consistency(self, workspace: str, old: int, new: int) -> list[bytes]:
        """Prove that the log of size `new` extends the log of size `old` (RFC 6962, 2.1.2)."""
        return self._prover(workspace).consistency(old, new)

    def hold_against(self, workspace: str, note: str) -> None:
        """Check that a signed head that somebody kept is an earlier state of this log, or its present one.

        Args:
            note: The head, signed by the log (a C2SP checkpoint).

        Raises:
            UnverifiedNote: The key of this log did not sign it.
            Refuted: It is the head of another past: entries were changed or removed since, or somebody was shown
                another log.
            MalformedProof: It is no signed head.
            Purged: Retention took the hashes that would tell.
        """
        self._prover(workspace).hold_against(note)

    def complete(
        self, workspace: str, dimension: int, value: bytes, start: int = 0, stop: int | None = None
    ) -> Complete:
        """Find every entry that carries a tag, with proof that there are no others.

        Answered by the sealed segments that the range touches, or by one volume for all of its segments, where the
        range has them all; `seal` with `close` first leaves no tail. Whoever checks it
        (`whodid.proof.complete.check_answer`) needs the proof of the entry with the newest seal as well, and where
        volumes answer, of the one with the newest volume.

        Args:
            dimension: leaf.ACTOR, leaf.RESOURCE (related ones included) or leaf.ACTION.
            value: What `leaf.tag` blinds: for an actor and a resource the type, a zero byte and the id.
            start: Index of the first entry asked about; segments that were purged as a whole do not answer.
            stop: Index after the last; the size of the log when not given.

        Raises:
            NotFound: No segment of the range is sealed and kept.
        """
        prover = self._prover(workspace)
        bounds = range(start, prover.head.size if stop is None else stop)
        return complete(self._reads, prover, dimension, value, bounds)

    def headers(self, workspace: str, start: int, stop: int) -> Headers:
        """Return every leaf header in [start, stop) with proof that they are all; see `proof.complete.check_range`.

        Raises:
            MalformedProof: There is no such range, or it is empty.
            Purged: The leaves at its start are gone.
        """
        return headers(self._reads, self._prover(workspace), start, stop)

    def proven(self, workspace: str, query: Query | str = "") -> tuple[str, Iterator[ProvenEntry]]:
        """Return a checkpoint, and an iterator over all matching entries with their proofs under it."""
        prover = self._prover(workspace)
        note = prover.checkpoint()
        kept = self._reads.stream(workspace, self._query(query), prover.head.size)
        return note, (prover.proven(one, restore(one, workspace)) for one in kept)

    def anchored(self, workspace: str) -> Linked:
        """Return the newest head of a workspace in the anchor log of the deployment, with its proofs.

        Raises:
            NotFound: Nothing was recorded, or no head of it is in an anchor log.
        """
        return AnchorLog(self._store, self._key).newest(self._existing(workspace).origin)

    def snapshot(self, workspace: str) -> Snapshot:
        """Return the log as it is now, signed, with everything that evidence is made of; seal first (`seal`)."""
        return Snapshot(self._reads, workspace, self._existing(workspace), self._key)

    def verify(self, workspace: str, progress: Progress | None = None) -> Report:
        """Check everything stored for a workspace: content, leaves, tree, head, signature, search structures.

        Args:
            progress: Called now and then with (entries checked, entries in all).
        """
        return verify_log(self._store, workspace, existing(self._store, workspace), self._key, progress)

    def lost(self) -> tuple[Report, ...]:
        """Report the logs that the store does not have although heads of them were signed here: none, if all is well.

        What was signed last stands beside the key file. A log that is in it and nowhere else was removed with all its
        entries, or the store was replaced by a copy from before it began. Which workspace it was of, nobody knows any
        more: the reports name its origin.
        """
        return lost_logs(self._store, self._key)
