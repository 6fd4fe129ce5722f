"""What WhatsApp tells us by itself: whether it is WhatsApp, whether it was told before, and what follows.

A notice acts once: a key of its content is written in the same transaction as what it changes. What fails is told
again by WhatsApp for days, so a fault of ours loses nothing; what cannot be understood is logged without its values and
let go.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
from collections.abc import Iterable
from datetime import timedelta

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.exc import IntegrityError

from sendero.installation import Installation
from sendero.tables import Account, Notification
from sendero.whatsapp import acts
from sendero.whatsapp.actor import WHATSAPP
from sendero.whatsapp.notices import Change, Entry, Messages, Parcel, Preferences, read
from sendero.whatsapp.signing import signature
from sendero.work import Work, begin, resource_of
from whodid import Actor, Resource
from whodid.capture import context

__all__ = ["KEPT", "Origin", "Unreadable", "challenge", "forget", "refused", "take", "trusted"]

KEPT = timedelta(days=8)
"""How long a notice is remembered; WhatsApp repeats one for seven days."""

_STRANGER = Actor(type="anonymous", id="anonymous")
_log = logging.getLogger("sendero.whatsapp")


class Unreadable(Exception):
    """What came is signed and is no notice."""


class Origin(Struct, frozen=True, kw_only=True):
    """Where a request came from."""

    ip: str | None
    user_agent: str | None
    request: str


def challenge(work: Work, mode: str, token: str) -> bool:
    """Tell whether whoever asks knows the verify token of one of our accounts."""
    living = [account for account in _accounts(work) if account.deleted_at is None]
    known = [work.home.vault.open(account.webhook_verify_token) for account in living]
    # Every token is compared, each in the same time.
    matches = [hmac.compare_digest(one.encode(), token.encode()) for one in known]
    return any(matches) and mode == "subscribe"


def trusted(work: Work, body: bytes, given: str) -> list[Account]:
    """Return the accounts in whose name a request may speak: those whose application's secret signed it.

    An application of one account says nothing about the others. Accounts that were deleted are known as well: their
    notices are not forged, they only have nothing to change.
    """
    found = []
    for account in _accounts(work):
        expected = signature(work.home.vault.open(account.app_secret), body)
        if hmac.compare_digest(expected.encode(), given.encode()):
            found.append(account)
    return found


def take(home: Installation, body: bytes, names: Iterable[str], origin: Origin) -> bool:
    """Act on a signed request, notice by notice.

    Args:
        names: Ids of the accounts that it may speak for.

    Returns:
        Whether everything that can be understood was done; if not, it shall be sent again.

    Raises:
        Unreadable: It is no notice.
    """
    try:
        parcel = msgspec.json.decode(body, type=Parcel)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        raise Unreadable from None
    accounts = frozenset(names)
    done = True
    for entry in parcel.entry:
        for change in entry.changes:
            try:
                for notice in _parts(entry, change):
                    done = _once(home, notice, accounts, origin) and done
            except msgspec.ValidationError as fault:
                _log.warning("a notice %s is not as documented and was let go: %s", change.field[:60], fault)
    return done


def refused(home: Installation, origin: Origin, cause: str) -> None:
    """Record that somebody passed for WhatsApp; once a minute and address, so that they cannot fill the log."""
    with begin(home) as work:
        now = work.now()
        network = _network(origin.ip)
        text = f"refused\n{network}\n{now:%Y-%m-%dT%H:%M}"
        key = hmac.digest(home.secret, text.encode(), hashlib.sha256).hex()
        if not _first(work, key):
            return
        with context(source="webhook", ip=origin.ip, user_agent=origin.user_agent, request=origin.request):
            workspace = resource_of(work.workspace)
            work.record(
                "account.notice_refused",
                Resource(type="workspace", id=workspace.id, name=workspace.name),
                outcome="denied",
                actor=_STRANGER,
                details={"cause": cause},
            )


def forget(home: Installation) -> bool:
    """Forget notices that are not told again."""
    with begin(home) as work:
        work.session.execute(sa.delete(Notification).where(Notification.received_at < work.now() - KEPT))
    return False


def _accounts(work: Work) -> list[Account]:
    query = sa.select(Account).where(Account.workspace_id == work.workspace.id).order_by(Account.id)
    return list(work.session.execute(query).scalars())


def _parts(entry: Entry, change: Change) -> list[acts.Notice]:
    """Take a change apart, so that each message and each preference acts for itself."""
    value: Messages | Preferences
    if change.field == "messages":
        value = read(change.value, Messages)
        return [
            *(
                acts.Notice(entry=entry, field="status", key=f"{one.id}\n{one.status}", value=value, part=one)
                for one in value.statuses
            ),
            *(acts.Notice(entry=entry, field="message", key=one.id, value=value, part=one) for one in value.messages),
        ]
    if change.field == "user_preferences":
        value = read(change.value, Preferences)
        return [
            acts.Notice(
                entry=entry,
                field="preference",
                key=f"{one.wa_id}\n{one.user_id}\n{one.category}\n{one.value}\n{one.timestamp}",
                value=value,
                part=one,
            )
            for one in value.user_preferences
        ]
    shape = acts.SHAPES.get(change.field)
    if shape is None:
        return []
    content = msgspec.json.encode(msgspec.json.decode(change.value), order="sorted")
    return [
        acts.Notice(
            entry=entry,
            field=change.field,
            key=f"{entry.time}\n{hashlib.sha256(content).hexdigest()}",
            value=read(change.value, shape),
        )
    ]


def _once(home: Installation, notice: acts.Notice, accounts: frozenset[str], origin: Origin) -> bool:
    """Act on a notice unless it was told before; return whether it is done."""
    text = f"{notice.entry.id}\n{notice.field}\n{notice.key}"
    try:
        with (
            begin(home) as work,
            work.acting(
                actor=WHATSAPP,
                source="webhook",
                ip=origin.ip,
                user_agent=origin.user_agent,
                request=origin.request,
            ),
        ):
            if _first(work, hashlib.sha256(text.encode()).hexdigest()):
                acts.act(work, notice, accounts)
    except IntegrityError:
        # The same notice is being done by another request; if that one fails, it is told again.
        return False
    except Exception:  # noqa: BLE001 - one notice must not stop the others, and WhatsApp repeats it
        _log.exception("a notice %s was not taken; it will be told again", notice.field)
        return False
    return True


def _first(work: Work, key: str) -> bool:
    """Tell whether something happens for the first time, and remember it with whatever follows from it."""
    if work.session.get(Notification, key) is not None:
        return False
    work.add(Notification(key=key, received_at=work.now()))
    return True


def _network(ip: str | None) -> str:
    """Return what stands for an address; whoever has one IPv6 address has a whole network of them."""
    try:
        address = ipaddress.ip_address(ip or "")
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
