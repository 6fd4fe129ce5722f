"""Numbered, forward-only migrations in `.sql` files, with a checksum each; equal numbers in every engine."""

from __future__ import annotations

from hashlib import sha256
from importlib import resources
from typing import NamedTuple

from whodid.errors import StoreVersion

__all__ = ["Migration", "check_current", "migrations", "newest", "pending"]


class Migration(NamedTuple):
    """One step of a schema.

    Args:
        number: From 1, without gaps.
        checksum: SHA-256 of the text, hexadecimal.
    """

    number: int
    name: str
    text: str
    checksum: str


def migrations(engine: str) -> list[Migration]:
    """Read the migrations of an engine, in order.

    Args:
        engine: Name of the folder below `store/sql`.
    """
    folder = resources.files("whodid.store") / "sql" / engine
    found = []
    for file in folder.iterdir():
        if file.name.endswith(".sql"):
            number, _, name = file.name.removesuffix(".sql").partition("_")
            text = file.read_text(encoding="utf-8")
            found.append(Migration(int(number), name, text, sha256(text.encode()).hexdigest()))
    return sorted(found)


def newest(engine: str) -> int:
    """Return the number of the newest migration that this program knows."""
    return migrations(engine)[-1].number


def check_current(found: int, known: int) -> None:
    """Refuse to go on with a database that a newer program has migrated since it was opened.

    Raises:
        StoreVersion: Its schema is newer than the one that this program knows; nothing was written.
    """
    if found > known:
        raise StoreVersion(
            f"The database was brought to schema {found} while this program, which knows schema {known}, was running",
            "Restart it with the newer whodid; nothing was written",
        )


def pending(engine: str, applied: dict[int, str]) -> list[Migration]:
    """Decide which migrations a database still needs.

    Args:
        applied: Number → checksum of what the database has.

    Returns:
        The missing ones, in order.

    Raises:
        StoreVersion: The database is newer than this program, or was made by another text of a migration.
    """
    known = {migration.number: migration for migration in migrations(engine)}
    for number, checksum in applied.items():
        if number not in known:
            raise StoreVersion(
                f"The database has schema {max(applied)} and this program knows up to {max(known)}",
                "Use the newer whodid that wrote it",
            )
        if known[number].checksum != checksum:
            raise StoreVersion(
                f"Migration {number} of the database was another text than this program's",
                "Use the whodid release that wrote the database",
            )
    return [known[number] for number in sorted(known) if number not in applied]
