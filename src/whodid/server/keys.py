"""API keys of a deployment: what a program shows to write to, read or export the log of one workspace.

A key is `wk_<id>_<secret>`. The log keeps the SHA-256 of the whole text and never the text: 256 random bits need no
slow hash. The keys of a workspace are one named state of it, changed by compare-and-set; under the id of a key, the
deployment keeps the name of its workspace. Every act on a key is an entry of that workspace's log, and a crash between
the two is made good by whoever reads the keys next, as with the retention policy.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from whodid.canonical import time_text
from whodid.capture.events import uuid7
from whodid.errors import InvalidSetting, NotFound, StoreCorrupt, WhodidError
from whodid.log import Log
from whodid.model import Actor, Change, Context, Event, Related, Resource

__all__ = [
    "FASTEST",
    "MOST_KEYS",
    "SCOPES",
    "USE_EVERY",
    "ApiKey",
    "KeyRing",
    "MadeKey",
    "find_key",
    "key_digest",
    "note_use",
]

SCOPES = ("write", "read", "export", "admin")
"""Send events; read entries; export them; all of these, and personal values."""

MOST_KEYS = 200
"""Keys of one workspace, revoked and expired ones included until they are forgotten."""

FASTEST = 1_000_000
"""Events per second that a key of its own rate may be given."""

USE_EVERY = timedelta(minutes=1)
"""How often it is written that a key was used."""

_STATE = "api_keys"
_USES = "api_keys.used"
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ID_LENGTH = 12
_NAME = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,100}")
_KEY = re.compile(rf"wk_([{_ALPHABET}]{{{_ID_LENGTH}}})_([A-Za-z0-9\-_]{{43}})")
_FORGOTTEN_AFTER = timedelta(days=30)


class ApiKey(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is known of a key.

    Args:
        id: Names the key in entries and commands; the middle of the text of the key.
        name: For people: what uses it.
        scopes: Some of `SCOPES`.
        digest: SHA-256 of the text of the key, in hexadecimal.
        expires_at: The key is void from then on; None for never.
        replaces: Id of the key that this one was made to follow.
        rate: Events per second that it may send on average; what the server lets every key send, when not given.
        last_used_at: When it last let somebody in, to within a minute; kept apart from the keys.
        lapsed: Whether it is recorded that it expired.
    """

    id: str
    name: str
    scopes: tuple[str, ...]
    digest: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    replaces: str | None = None
    rate: int | None = None
    last_used_at: datetime | None = None
    lapsed: bool = False

    def may(self, scope: str) -> bool:
        """Say whether the key has a scope; admin has all of them."""
        return scope in self.scopes or "admin" in self.scopes

    def status(self, now: datetime) -> str:
        """Return `active`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"

    def view(self, now: datetime) -> dict[str, object]:
        """Return what of the key is shown; its digest is not."""
        shown: dict[str, object] = msgspec.to_builtins(self)
        for name in ("digest", "lapsed"):
            shown.pop(name, None)
        return {**shown, "id": f"wk_{self.id}", "status": self.status(now)}

    def resource(self) -> Resource:
        """Return the key as the resource of an entry; its name tells it from the keys of the host."""
        return Resource(type="api_key", id=f"wk_{self.id}", name=f"{self.name} (wk_{self.id})")

    def actor(self) -> Actor:
        """Return the key as the actor of an entry."""
        return Actor(type="api_key", id=f"wk_{self.id}", name=f"{self.name} (wk_{self.id})")


class MadeKey(Struct, frozen=True, kw_only=True):
    """A new key.

    Args:
        text: What its holder sends; it is shown now and never again.
    """

    key: ApiKey
    text: str


class _Kept(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state: the keys, and the events that announce the latest act until they are recorded."""

    keys: tuple[ApiKey, ...] = ()
    pending: tuple[Event, ...] = ()


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(_Kept)
_uses_decoder = msgspec.json.Decoder(dict[str, datetime])


class KeyRing:
    """The keys of one workspace.

    Args:
        workspace: The one whose log the keys open.
        actor: Who acts on them.
        context: From where.
    """

    def __init__(self, log: Log, workspace: str, *, actor: Actor, context: Context | None = None) -> None:
        self._log = log
        self._workspace = workspace
        self._actor = actor
        self._context = context

    def all(self) -> tuple[ApiKey, ...]:
        """Return the keys, oldest first."""
        kept = _settled(self._log, self._workspace)
        uses = _uses(self._log.state(self._workspace, _USES))
        keys = () if kept is None else _decode(kept).keys
        return tuple(replace(key, last_used_at=uses.get(key.id)) for key in keys)

    def get(self, key_id: str) -> ApiKey:
        """Return one key.

        Raises:
            NotFound: There is no such key.
        """
        return self._one(self.all(), key_id)

    def create(
        self,
        name: str,
        *,
        scopes: Iterable[str] = ("write",),
        expires_at: datetime | None = None,
        rate: int | None = None,
    ) -> MadeKey:
        """Make a key and record it.

        Args:
            name: For people: what will use it.
            scopes: Some of `SCOPES`.
            expires_at: When it ends by itself; None for never.
            rate: Events per second that it may send on average; it can only be less than what the server lets every
                key send.

        Raises:
            InvalidSetting: The name, a scope, the end or the rate cannot be used, or there are too many keys.
        """
        made = self._made(name, tuple(scopes), expires_at, rate, None)
        self._change(lambda keys, now: ((*self._room(keys, now), made.key), (self._created(made.key),)))
        return made

    def rotate(
        self, key_id: str, *, overlap: timedelta = timedelta(days=1), expires_at: datetime | None = None
    ) -> MadeKey:
        """Make a key that follows another; for a while both are good, so that nothing stops meanwhile.

        Args:
            key_id: The key to follow; its name, scopes and rate go on.
            overlap: How long the old key stays good.
            expires_at: When the new one ends by itself; None for never.

        Raises:
            NotFound: There is no such key.
            InvalidSetting: It is not active any more, or the overlap is negative.
        """
        if overlap < timedelta():
            raise InvalidSetting("The overlap is negative", "Use 0 to end the old key at once")
        old = self.get(key_id)
        made = self._made(old.name, old.scopes, expires_at, old.rate, old.id)

        def change(keys: tuple[ApiKey, ...], now: datetime) -> tuple[tuple[ApiKey, ...], tuple[Event, ...]]:
            known = self._one(keys, old.id)
            if known.status(now) != "active":
                raise InvalidSetting(f"The key wk_{old.id} is {known.status(now)}", "Create a new one instead")
            end = now + overlap
            ending = replace(known, expires_at=end if known.expires_at is None else min(end, known.expires_at))
            others = tuple(ending if one.id == old.id else one for one in self._room(keys, now))
            return (*others, made.key), (self._created(made.key, ending),)

        self._change(change)
        return made

    def revoke(self, key_id: str) -> ApiKey:
        """End a key now and record it; one that was revoked before stays as it is.

        Raises:
            NotFound: There is no such key.
        """

        def change(keys: tuple[ApiKey, ...], now: datetime) -> tuple[tuple[ApiKey, ...], tuple[Event, ...]]:
            known = self._one(keys, key_id)
            if known.revoked_at is not None:
                return keys, ()
            changes = (
                Change(path="status", before=known.status(now), after="revoked"),
                Change(path="revoked_at", op="add", after=time_text(now)),
            )
            revoked = replace(known, revoked_at=now)
            event = self._event("api_key.revoked", known, now, changes=changes)
            used = _uses(self._log.state(self._workspace, _USES)).get(known.id)
            if used is not None:
                event = replace(event, details={"last_used_at": time_text(used)})
            return tuple(revoked if one.id == known.id else one for one in keys), (event,)

        self._change(change)
        return self.get(key_id)

    def lapse(self) -> int:
        """Record once of each key that expired that it did, in the name of the clock; return how many there were."""
        told = 0

        def change(keys: tuple[ApiKey, ...], now: datetime) -> tuple[tuple[ApiKey, ...], tuple[Event, ...]]:
            nonlocal told
            over = [one for one in keys if not one.lapsed and one.status(now) == "expired"]
            told = len(over)
            changes = (Change(path="status", before="active", after="expired"),)
            events = tuple(self._event("api_key.expired", one, one.expires_at or now, changes=changes) for one in over)
            return tuple(replace(one, lapsed=True) if one in over else one for one in keys), events

        self._change(change)
        return told

    def _made(
        self,
        name: str,
        scopes: tuple[str, ...],
        expires_at: datetime | None,
        rate: int | None,
        replaces: str | None,
    ) -> MadeKey:
        now = self._log.now()
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown or not scopes:
            raise InvalidSetting(
                f"There is no scope {unknown[0]}" if unknown else "A key needs a scope",
                f"Use some of {', '.join(SCOPES)}",
            )
        if not _NAME.fullmatch(name) or name != name.strip():
            raise InvalidSetting("This is not a name for a key", "Use 1 to 100 printable characters")
        if expires_at is not None and (expires_at.tzinfo is None or expires_at <= now):
            raise InvalidSetting("A key cannot end in the past", "Name a later time, with its offset from UTC")
        if rate is not None and not 1 <= rate <= FASTEST:
            raise InvalidSetting(f"A key cannot send {rate} events per second", f"Use 1 to {FASTEST:,}, or none")
        key_id = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
        text = f"wk_{key_id}_{secrets.token_urlsafe(32)}"
        key = ApiKey(
            id=key_id,
            name=name,
            scopes=tuple(scope for scope in SCOPES if scope in scopes),
            digest=key_digest(text),
            created_at=now,
            expires_at=expires_at,
            replaces=replaces,
            rate=rate,
        )
        return MadeKey(key=key, text=text)

    def _room(self, keys: tuple[ApiKey, ...], now: datetime) -> tuple[ApiKey, ...]:
        """Forget what ended long ago when there are too many; whoever shows such a key is answered as by any other."""
        if len(keys) < MOST_KEYS:
            return keys
        left = tuple(one for one in keys if (one.revoked_at or one.expires_at or now) > now - _FORGOTTEN_AFTER)
        if len(left) >= MOST_KEYS:
            raise InvalidSetting(f"The workspace has {len(left)} API keys", "Revoke some; they go after 30 days")
        return left

    @staticmethod
    def _one(keys: tuple[ApiKey, ...], key_id: str) -> ApiKey:
        wanted = key_id.removeprefix("wk_")
        for one in keys:
            if one.id == wanted:
                return one
        raise NotFound(f"There is no API key wk_{wanted[:_ID_LENGTH]}", "Look at: whodid keys list")

    def _created(self, key: ApiKey, old: ApiKey | None = None) -> Event:
        ends = None if key.expires_at is None else time_text(key.expires_at)
        changes = [
            Change(path="prefix", op="add", after=f"wk_{key.id}"),
            Change(path="permissions", op="add", after=list(key.scopes)),
            *([Change(path="expires_at", op="add", after=ends)] if ends else []),
            *([Change(path="rate", op="add", after=key.rate)] if key.rate else []),
            Change(
                path="key_hash",
                op="add",
                class_="secret",
                after_fp=self._log.fingerprint(self._workspace, key.digest.encode()),
            ),
        ]
        related: tuple[Related, ...] = ()
        details = None
        if old is not None and old.expires_at is not None:
            one = old.resource()
            related = (Related(type=one.type, id=one.id, rel="replaced", name=one.name),)
            details = {"replaced_until": time_text(old.expires_at)}
        event = self._event("api_key.created", key, key.created_at, changes=tuple(changes))
        return replace(event, related=related, details=details)

    def _event(self, action: str, key: ApiKey, now: datetime, *, changes: tuple[Change, ...]) -> Event:
        return Event(
            id=uuid7(now, os.urandom(8)),
            occurred_at=now,
            actor=self._actor,
            action=action,
            resource=key.resource(),
            changes=changes,
            context=self._context,
        )

    def _change(
        self, change: Callable[[tuple[ApiKey, ...], datetime], tuple[tuple[ApiKey, ...], tuple[Event, ...]]]
    ) -> None:
        """Change the keys and record it: the new state holds the events until they are recorded."""
        while True:
            old = _settled(self._log, self._workspace)
            before = _Kept() if old is None else _decode(old)
            keys, events = change(before.keys, self._log.now())
            if keys == before.keys:
                return
            for key in keys:
                if key not in before.keys:
                    self._log.swap_shared_state(f"api_key {key.id}", None, self._workspace.encode())
            announced = _encode(_Kept(keys=keys, pending=events))
            if self._log.swap_state(self._workspace, _STATE, old, announced):
                break
        try:
            for event in events:
                self._log.record(self._workspace, event)
        except WhodidError:
            self._log.swap_state(self._workspace, _STATE, announced, old)
            raise
        self._log.swap_state(self._workspace, _STATE, announced, _encode(_Kept(keys=keys)))


def note_use(log: Log, workspace: str, key_id: str) -> bool:
    """Remember that a key let somebody in now, unless that was remembered within the last minute.

    Args:
        key_id: Without its prefix.

    Returns:
        Whether it is remembered; False when another process was faster, and the next use tries again.
    """
    now, kept = log.now(), log.state(workspace, _USES)
    uses = _uses(kept)
    last = uses.get(key_id)
    if last is not None and now - last < USE_EVERY:
        return True
    known = log.state(workspace, _STATE)
    ids = {one.id for one in _decode(known).keys} if known is not None else set()
    uses = {one: at for one, at in uses.items() if one in ids} | {key_id: now}
    return log.swap_state(workspace, _USES, kept, _encode(uses))


def key_digest(text: str) -> str:
    """Return what is kept of the text of a key."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def find_key(log: Log, text: str) -> tuple[str, ApiKey] | None:
    """Return the workspace and the key that a text names by its id, whether or not its secret is right.

    The look-up goes by id, which is not secret; comparing the digest is the caller's, in constant time.
    """
    match = _KEY.fullmatch(text)
    if match is None:
        return None
    named = log.shared_state(f"api_key {match[1]}")
    if named is None:
        return None
    workspace = named.decode()
    kept = _settled(log, workspace)
    keys = () if kept is None else _decode(kept).keys
    return next(((workspace, one) for one in keys if one.id == match[1]), None)


def _decode(kept: bytes) -> _Kept:
    try:
        return _decoder.decode(kept)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreCorrupt(
            f"The API keys cannot be read: {error}", "Use the program that wrote them, or restore a backup"
        ) from None


def _uses(kept: bytes | None) -> dict[str, datetime]:
    """Return when keys were last used; nothing where that cannot be read: it is a hint, and comes again."""
    try:
        return {} if kept is None else _uses_decoder.decode(kept)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def _settled(log: Log, workspace: str) -> bytes | None:
    """Return the state, after recording acts that a crash left unannounced (the ids of the events make that safe)."""
    while (kept := log.state(workspace, _STATE)) is not None:
        state = _decode(kept)
        if not state.pending:
            break
        for event in state.pending:
            log.record(workspace, event)
        log.swap_state(workspace, _STATE, kept, _encode(_Kept(keys=state.keys)))
    return kept
