"""Every error that whodid raises on purpose.

The family, drawn once so that a caller can choose how widely to catch::

    WhodidError
    ├── InvalidEvent          your event is wrong: `pointer` says where
    ├── ConflictingEvent      the same event id was used for another event
    ├── InvalidQuery          your question is wrong: `start` and `end` say where
    ├── InvalidCatalog        your declaration of an action is wrong
    ├── InvalidRule           your detection rule is wrong: `source` and `rule` say which
    ├── InvalidSetting        your configuration is wrong
    ├── Denied                you may not do this: `permission` says what is missing
    ├── NotFound              there is no such entry, workspace or export
    ├── Outdated              somebody else changed it meanwhile; nothing was changed
    ├── Purged                the content existed and left by retention
    ├── StoreError            our storage
    │   ├── StoreUnavailable  try again later; nothing was written
    │   ├── StoreMoved        the logs are kept in another store; nothing was written
    │   ├── StoreFull         no space; nothing was written
    │   ├── StoreCorrupt      the stored bytes are not what was written
    │   └── StoreVersion      the database is newer or older than this program
    ├── SpoolError            the disk of a sender: the event was not kept
    │   └── SpoolFull         no space, or the limit of the spool is reached
    ├── WitnessError          a witness did not answer
    └── ProofError            the mathematics says no
        ├── MalformedProof    the proof, note or tile cannot be read
        ├── UnverifiedNote    the note is well formed, but no trusted key signed it
        └── Refuted           the proof is well formed and it is false

A message states the fact and then the remedy. Data travels as attributes, never only inside the text.
"""

from __future__ import annotations


class WhodidError(Exception):
    """Base of the family; never raised itself.

    Args:
        fact: What is the case, in one sentence without a full stop.
        remedy: What to do about it, in one sentence without a full stop; empty when there is nothing to do.
    """

    def __init__(self, fact: str, remedy: str = "") -> None:
        self.fact = fact
        self.remedy = remedy
        super().__init__(f"{fact}. {remedy}." if remedy else f"{fact}.")


class InvalidEvent(WhodidError):
    """An event was refused; nothing of it was kept.

    Args:
        pointer: JSON Pointer (RFC 6901) to the fault inside the event; empty for the whole event.
    """

    def __init__(self, pointer: str, fact: str, remedy: str = "") -> None:
        self.pointer = pointer
        super().__init__(f"{pointer or 'The event'}: {fact}", remedy)


class ConflictingEvent(WhodidError):
    """The event id is already taken by an entry with other content."""

    def __init__(self, event_id: str, index: int) -> None:
        self.event_id = event_id
        self.index = index
        super().__init__(
            f"Event id {event_id} already belongs to entry {index}, which has other content",
            "Give every event its own id; repeat an id only to send the very same event again",
        )


class InvalidQuery(WhodidError):
    """A query text could not be understood.

    Args:
        start: Offset (in characters) of the first character of the term at fault.
        end: Offset one past its last character.
    """

    def __init__(self, fact: str, remedy: str = "", *, start: int = 0, end: int = 0) -> None:
        self.start = start
        self.end = end
        super().__init__(fact, remedy)


class InvalidCatalog(WhodidError):
    """A declared action, class or sentence contradicts itself or the catalog."""


class InvalidRule(WhodidError):
    """A detection rule was refused.

    Args:
        source: The file that it stands in.
        rule: The name of the rule; empty when the file as a whole is at fault.
    """

    def __init__(self, source: str, rule: str, fact: str, remedy: str = "") -> None:
        self.source = source
        self.rule = rule
        super().__init__(f"{source}{f', rule {rule}' if rule else ''}: {fact}", remedy)


class InvalidSetting(WhodidError):
    """A setting, address or key file cannot be used."""


class Denied(WhodidError):
    """The caller lacks a permission."""

    def __init__(self, permission: str, remedy: str = "Ask an administrator of the workspace for it") -> None:
        self.permission = permission
        super().__init__(f"This needs the permission {permission}", remedy)


class NotFound(WhodidError):
    """There is nothing under this name in this workspace."""


class Outdated(WhodidError):
    """A change was made for a version that is not there any more; nothing was changed."""


class Held(WhodidError):
    """A legal hold keeps what was to go; nothing of it went.

    Args:
        hold: Id of the hold.
        name: Its name.
    """

    def __init__(self, hold: str, name: str) -> None:
        self.hold = hold
        super().__init__(
            f"Legal hold {name} ({hold}) keeps some of these entries", "Release it first, or say despite it"
        )


class Purged(NotFound):
    """The content left the log by its retention policy; its place in the log remains."""

    def __init__(self, index: int) -> None:
        self.index = index
        super().__init__(
            f"The content of entry {index} was purged by the retention policy",
            "Look for the audit.purged entry that covers it, or in an earlier export",
        )


class StoreError(WhodidError):
    """The storage under the log failed."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or is busy; nothing was written."""


class StoreMoved(StoreUnavailable):
    """The logs are kept in another store now, or are on their way there; nothing was written."""


class StoreFull(StoreError):
    """The store has no space left; nothing was written."""


class StoreCorrupt(StoreError):
    """Stored bytes are not what was once written.

    Args:
        index: The first entry at fault, or None when the fault is not inside one entry.
    """

    def __init__(self, fact: str, remedy: str = "", *, index: int | None = None) -> None:
        self.index = index
        super().__init__(fact, remedy)


class StoreVersion(StoreError):
    """The database was written by another version of the schema."""


class SpoolError(WhodidError):
    """The spool of a sender could not take an event."""


class SpoolFull(SpoolError):
    """The spool has reached its limit, or its disk is full.

    Args:
        kept: How many of the events of this call were kept before that, from the first on.
    """

    def __init__(self, fact: str, remedy: str = "", *, kept: int = 0) -> None:
        self.kept = kept
        super().__init__(fact, remedy)


class WitnessError(WhodidError):
    """A witness cannot be reached; the log goes on without its cosignature."""


class ProofError(WhodidError):
    """A proof, a note or a tile did not convince."""


class MalformedProof(ProofError):
    """The bytes are not a proof, a note, a tile or a header."""


class UnverifiedNote(ProofError):
    """No signature of the note is by a trusted key."""


class Refuted(ProofError):
    """The proof is well formed and does not hold."""
