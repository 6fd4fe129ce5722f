"""The brake on guessing passwords: failed sign-ins are counted per person and per address.

An attempt is counted before the password is looked at, so that parallel guesses do not slip through. A browser that the
person signed in with before has a counter of its own: strangers who guess cannot lock the person out of it.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.orm import Session

from sendero.tables import Attempt

__all__ = ["ALERT", "Counted", "count", "forgive", "person_key", "purpose_key"]

WINDOW = timedelta(minutes=10)
PER_PERSON = 5
PER_ADDRESS = 30
ALERT = 5
"""From this many failures in the window on, they are a warning."""

_KEPT = timedelta(days=1)


class Counted(Struct, frozen=True, kw_only=True):
    """How often it was tried in the window, this time included."""

    person: int
    address: int

    @property
    def locked(self) -> bool:
        """Whether it was tried too often, so that the password must not be looked at."""
        return self.person > PER_PERSON or self.address > PER_ADDRESS

    @property
    def noted(self) -> bool:
        """Whether to record it: every failure, and of the locked ones only the first, second, fourth, eighth.

        Whoever keeps trying must not be able to fill the log.
        """
        excess = max(self.person - PER_PERSON, self.address - PER_ADDRESS, 0)
        return excess & (excess - 1) == 0


def person_key(secret: bytes, email: str, device: str | None) -> str:
    """Return the counter of a person, as seen from a browser they signed in with (`device`) or from anywhere else."""
    return _key(secret, f"device:{email}:{device}" if device else f"person:{email}")


def purpose_key(secret: bytes, purpose: str, text: str) -> str:
    """Return the counter of something else than passwords: links that were asked for, answers of a provider."""
    return _key(secret, f"{purpose}:{text}")


def count(session: Session, secret: bytes, person: str, ip: str | None, now: datetime) -> Counted:
    """Count one attempt.

    Args:
        person: What `person_key` returned.
        ip: The address it came from.
    """
    address = _key(secret, f"address:{ip}")
    session.execute(sa.delete(Attempt).where(Attempt.at < now - _KEPT))
    session.add_all([Attempt(key=person, at=now), Attempt(key=address, at=now)])
    session.flush()
    return Counted(person=_recent(session, person, now), address=_recent(session, address, now))


def forgive(session: Session, person: str) -> None:
    """Forget the attempts of a person who got in."""
    session.execute(sa.delete(Attempt).where(Attempt.key == person))


def _recent(session: Session, key: str, now: datetime) -> int:
    query = sa.select(sa.func.count()).where(Attempt.key == key, Attempt.at > now - WINDOW)
    return session.execute(query).scalar_one()


def _key(secret: bytes, text: str) -> str:
    return hmac.digest(secret, b"sign-in\n" + text.encode(), hashlib.sha256).hex()[:32]
