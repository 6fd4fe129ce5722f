"""What a witness remembers, and its judgement: the newest head of each log that it knows, and never a second history.

The state is one small SQLite file; looking at the old head and writing the new one is one transaction, and durable
before anything is cosigned.
"""

from __future__ import annotations

import base64
import binascii
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Self

import apsw

from whodid.errors import InvalidSetting, MalformedProof, ProofError, StoreUnavailable
from whodid.files.private import make_private
from whodid.proof.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from whodid.proof.cosign import Cosigner, Request, parse_request
from whodid.proof.note import Verifier, format_signature
from whodid.proof.tree import EMPTY_ROOT, check_consistency

__all__ = ["Book", "Verdict", "read_cosigner"]

_FIRST_LINE = "whodid witness key v1"
_TEXT = "text/plain; charset=utf-8"
_BUSY_MS = 5_000


class Verdict(NamedTuple):
    """What a witness answers.

    Args:
        status: Of HTTP.
        text: The body.
        media_type: What Content-Type says.
    """

    status: int
    text: str
    media_type: str = _TEXT


class Book:
    """The judgement of a witness, safe between threads and processes.

    Args:
        path: File of its state, made when it is not there.
        cosigner: Its key.
        logs: Keys of the logs that it knows; the name of each is the origin of the log.
        clock: Returns seconds since 1970.

    Raises:
        StoreUnavailable: The file cannot be used.
    """

    def __init__(
        self, path: Path, cosigner: Cosigner, logs: Iterable[Verifier], *, clock: Callable[[], float] = time.time
    ) -> None:
        self.cosigner = cosigner
        self._logs = {one.name: one for one in logs}
        self._clock = clock
        self._lock = threading.Lock()
        try:
            self._state = apsw.Connection(str(path))
            self._state.set_busy_timeout(_BUSY_MS)
            self._state.execute("PRAGMA synchronous = EXTRA")
            self._state.execute(
                "CREATE TABLE IF NOT EXISTS heads (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL,"
                " note TEXT NOT NULL) STRICT"
            )
        except apsw.Error as error:
            raise StoreUnavailable(f"The state of the witness, {path}, cannot be used: {error}", "Check it") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._state.close()

    def add(self, body: bytes) -> Verdict:
        """Judge a checkpoint, and cosign it when it continues what was cosigned before.

        Args:
            body: Of the request, as C2SP tlog-witness has it.

        Returns:
            200 with a signature line; 400, 403, 404 or 422 with the reason; 409 with the size that was cosigned last;
            503 when the state cannot be written.
        """
        try:
            asked = parse_request(body)
            text = asked.note.rpartition("\n\n")[0] + "\n"
            origin = parse_checkpoint(text).origin
        except MalformedProof as error:
            return _refused(400, error.fact)
        log = self._logs.get(origin)
        if log is None:
            return _refused(404, "This log is not known here")
        try:  # signature lines that cannot be read are no signatures either
            head, _ = open_checkpoint(asked.note, log)
        except ProofError as error:
            return _refused(403, error.fact)
        if asked.old > head.size:
            return _refused(400, "The old size is larger than the checkpoint's")
        try:
            with self._lock:
                return self._judge(asked, head, text)
        except apsw.Error as error:
            return _refused(503, f"The state of the witness cannot be written: {error}")

    def _judge(self, asked: Request, head: Checkpoint, text: str) -> Verdict:
        self._state.execute("BEGIN IMMEDIATE")
        try:
            row = self._state.execute("SELECT size, root FROM heads WHERE origin = ?", (head.origin,)).get
            size, root = row or (0, EMPTY_ROOT)
            verdict = self._continues(asked, head, size, root)
            if verdict is None:
                self._state.execute(
                    "INSERT INTO heads VALUES (?1, ?2, ?3, ?4)"
                    " ON CONFLICT DO UPDATE SET size = ?2, root = ?3, note = ?4",
                    (head.origin, head.size, head.root, asked.note),
                )
                self._state.execute("COMMIT")
        finally:
            if self._state.in_transaction:
                self._state.execute("ROLLBACK")
        if verdict is not None:
            return verdict
        return Verdict(200, format_signature(self.cosigner.sign(text, int(self._clock()))))

    @staticmethod
    def _continues(asked: Request, head: Checkpoint, size: int, root: bytes) -> Verdict | None:
        if asked.old != size or (head.size == size and head.root != root):
            return Verdict(409, f"{size}\n", "text/x.tlog.size")
        try:
            if size and head.size:
                check_consistency(size, head.size, root, head.root, asked.proof)
            elif asked.proof:
                raise MalformedProof("From nothing there is no consistency proof")
        except ProofError as error:
            return _refused(422, f"The consistency proof does not hold: {error.fact}")
        return None


def read_cosigner(path: Path, name: str | None) -> Cosigner:
    """Read the key file of a witness, or make it at first start.

    Args:
        name: Of a new witness, such as `witness.example.com/w1`; one that exists keeps its name.

    Raises:
        InvalidSetting: There is no file and no name, the name is another, or the file cannot be used.
    """
    try:
        if not path.exists():
            if name is None:
                raise InvalidSetting(f"There is no key file {path} yet", "Name the new witness with --name")
            Cosigner(name, bytes(32))  # refuses what cannot be a name
            make_private(path, f"{_FIRST_LINE}\n{name}\n{base64.b64encode(os.urandom(32)).decode()}\n")
        first, known, seed = path.read_text(encoding="utf-8").splitlines()
        if first != _FIRST_LINE:
            raise ValueError
        cosigner = Cosigner(known, base64.b64decode(seed, validate=True))
    except OSError as error:
        raise InvalidSetting(f"The key file {path} cannot be used: {error.strerror}", "Check its folder") from None
    except (ValueError, binascii.Error):
        raise InvalidSetting(f"{path} is not the key file of a witness", "Restore it from its backup") from None
    if name is not None and name != known:
        raise InvalidSetting(f"The witness of {path} is called {known}", "Leave --name out, or use another key file")
    return cosigner


def _refused(status: int, fact: str) -> Verdict:
    return Verdict(status, f"{fact}.\n")
