"""What was signed last, kept outside of the database: a restored backup does not know what it signed once.

Beside the key file stands a folder with one small file per log, the text of the newest checkpoint that was signed. It
is not part of a backup of the database, so that an older copy of the database finds it where it was. A log that signs
two different heads of one size has lost its proof for good; this is what keeps an accident from doing it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from whodid.errors import MalformedProof, StoreCorrupt, StoreFull, StoreUnavailable
from whodid.proof.checkpoint import Checkpoint, format_checkpoint, parse_checkpoint

__all__ = ["Floor"]

_logger = logging.getLogger(__name__)

_FULL = {errno.ENOSPC, errno.EDQUOT}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


class Floor:
    """The newest signed head of each log of a deployment, in files.

    Where the folder cannot be written (a key on a read-only mount) nothing is kept, and a warning says so once.

    Args:
        folder: Made when the first head is signed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read_only = False

    def last(self, origin: str) -> Checkpoint | None:
        """Return the newest head that was signed for a log, or None when that is not known.

        Raises:
            StoreCorrupt: The file is not what was written.
            StoreUnavailable: The file cannot be read.
        """
        path = self._path(origin)
        try:
            found = parse_checkpoint(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreUnavailable(f"{path} cannot be read: {error.strerror}", "Check its permissions") from None
        except (MalformedProof, UnicodeDecodeError):
            found = None
        if found is None or found.origin != origin:
            raise StoreCorrupt(
                f"{path} does not tell which head of this log was signed last",
                "Run whodid verify; if a checkpoint that somebody kept is a state of this log, remove the file",
            )
        return found

    def every(self) -> Iterator[tuple[Path, Checkpoint]]:
        """Iterate over the newest signed heads of all logs, each with its file.

        A file that cannot be read is left out: whoever verifies its log is told of it by `last`.
        """
        for path in sorted(self.folder.iterdir()) if self.folder.is_dir() else ():
            try:
                found = parse_checkpoint(path.read_text(encoding="utf-8"))
            except (OSError, MalformedProof, UnicodeDecodeError):
                continue
            if path == self._path(found.origin):
                yield path, found

    def raise_to(self, checkpoint: Checkpoint) -> None:
        """Note that a head is about to be signed; a smaller one than is noted changes nothing.

        Raises:
            StoreFull: There is no space; do not sign.
            StoreUnavailable: The file cannot be written; do not sign.
        """
        path = self._path(checkpoint.origin)
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            with (self.folder / ".lock").open("wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                known = self.last(checkpoint.origin)
                if known is None or known.size < checkpoint.size:
                    aside = path.with_suffix(".new")
                    with aside.open("w", encoding="utf-8") as out:
                        out.write(format_checkpoint(checkpoint))
                        out.flush()
                        os.fsync(out.fileno())
                    aside.replace(path)
        except OSError as error:
            if error.errno not in _READ_ONLY:
                full = error.errno in _FULL
                raise (StoreFull if full else StoreUnavailable)(
                    f"{path} cannot be written: {error.strerror}", "Make room" if full else "Check its folder"
                ) from None
            if not self._read_only:
                self._read_only = True
                _logger.warning("%s cannot be written: a restored backup will not be noticed", self.folder)

    def _path(self, origin: str) -> Path:
        # The random id at its end makes an origin unique, but not a file name.
        return self.folder / hashlib.sha256(origin.encode()).hexdigest()[:32]
