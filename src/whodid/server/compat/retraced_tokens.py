"""What lets Retraced clients in besides API keys: tokens for viewers, their sessions, and tokens for enterprises.

Viewer tokens and sessions are signed and end by themselves; the session is a JSON Web Token because viewers expect
one. Enterprise tokens are kept as digests, name one group of one workspace, and every act on them is an entry.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from whodid.capture.events import uuid7
from whodid.errors import NotFound
from whodid.log import Log
from whodid.model import Actor, Context, Entry, Event, Resource
from whodid.query import Query, Term, Value
from whodid.server.compat.retraced_events import GROUP, related_group
from whodid.server.compat.shared import KeptList, Refusal, Shared
from whodid.server.signing import mac, pack, same, unpack
from whodid.viewer import Reader

__all__ = [
    "SESSION_SECONDS",
    "TOKEN_SECONDS",
    "EnterpriseToken",
    "EnterpriseTokens",
    "Grant",
    "group_reader",
    "open_grant",
    "sign_grant",
]

TOKEN_SECONDS = 300
SESSION_SECONDS = 600
_PURPOSE = "whodid retraced grant 1"
_TEXT_PURPOSE = "whodid retraced enterprise token 1"
_SHOWN_SECONDS = 600
_HEADER = pack(b'{"alg":"HS256","typ":"JWT"}')
_LARGEST = 4096
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_MOST = 5_000
_OF_GROUP = 50


class Grant(Struct, frozen=True, kw_only=True):
    """What a viewer token or session says.

    Args:
        use: A token only opens a session; a session only reads.
        group: The only one whose entries can be read.
        resource: Id of the only resource whose entries can be read, None for all.
        action: Of the entry that reading leaves behind.
        admin: Whether the viewer manages enterprise tokens.
    """

    use: Literal["token", "session"]
    workspace: str
    group: str
    actor: Actor
    action: str
    resource: str | None
    admin: bool
    export: bool
    personal: bool
    issued_at: int = msgspec.field(name="iat")
    expires_at: int = msgspec.field(name="exp")

    def reader(self, log: Log) -> Reader:
        """Return the reader that sees what may be read."""
        return group_reader(log, self.workspace, self.group, resource=self.resource, personal=self.personal)

    def holds(self, entry: Entry) -> bool:
        """Say whether an entry that the reader finds is meant: the filter of a resource finds its namesakes too."""
        return self.resource is None or entry.resource.id == self.resource


def group_reader(
    log: Log, workspace: str, group: str, *, resource: str | None = None, personal: bool = False
) -> Reader:
    """Return a reader that sees the entries of one group."""
    terms = [Term(field="related", values=(Value(f"{GROUP}:{group}"),))]
    if resource is not None:
        terms.append(Term(field="resource", values=(Value(resource),)))
    return Reader(log.reading(), workspace, locked=Query(terms=tuple(terms)), personal=personal)


_decode = msgspec.json.Decoder(Grant).decode


def sign_grant(secret: bytes, grant: Grant) -> str:
    """Write a grant as a signed token.

    Raises:
        Refusal: 400 when it would be too large for a header.
    """
    signed = f"{_HEADER}.{pack(msgspec.json.encode(grant))}"
    text = f"{signed}.{pack(mac(secret, _PURPOSE, signed.encode()))}"
    if len(text) > _LARGEST:
        raise Refusal(400, "The token would be too large. Shorten the names in it.")
    return text


def open_grant(secret: bytes, text: str, use: Literal["token", "session"], *, now: datetime) -> Grant | None:
    """Read a signed token; None when it is garbled, forged, over, or of the other use."""
    signed, _, signature = text[: _LARGEST + 1].rpartition(".")
    header, _, body = signed.partition(".")
    genuine = same(mac(secret, _PURPOSE, signed.encode("utf-8", "surrogatepass")), unpack(signature) or b"")
    if not genuine or header != _HEADER:
        return None
    try:
        grant = _decode(unpack(body) or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return grant if grant.use == use and now.timestamp() < grant.expires_at else None


class EnterpriseToken(Struct, frozen=True, kw_only=True):
    """What is known of an enterprise token.

    Args:
        id: The beginning of its text.
        digest: SHA-256 of its text, in hexadecimal.
        action: Of the entry that reading leaves behind.
    """

    id: str
    digest: str
    group: str
    name: str
    action: str
    created_at: datetime

    def actor(self) -> Actor:
        """Return the token as the actor of an entry."""
        return Actor(type="api_key", id=f"enterprise:{self.id[:7]}", name=self.name or None)


class EnterpriseTokens:
    """The enterprise tokens of all workspaces of a log."""

    def __init__(self, shared: Shared) -> None:
        self._log = shared.log
        self._secret = shared.secret
        self._kept = KeptList(shared.log, "retraced_tokens", EnterpriseToken, most=_MOST)

    def all(self, workspace: str, group: str) -> list[EnterpriseToken]:
        """Return the tokens of a group, oldest first."""
        return [one for one in self._kept.all(workspace) if one.group == group]

    def one(self, workspace: str, group: str, named: str) -> EnterpriseToken:
        """Return a token of a group by its id or its text.

        Raises:
            NotFound: The group has no such token.
        """
        id_ = named.partition("_")[0]
        for one in self.all(workspace, group):
            if one.id == id_:
                return one
        raise NotFound("There is no such token", "List the tokens of the group")

    def create(
        self, workspace: str, group: str, name: str, action: str, *, actor: Actor, context: Context
    ) -> tuple[EnterpriseToken, str]:
        """Make a token.

        Returns:
            The token, and its text, which is not kept.

        Raises:
            Refusal: The group has as many tokens as it may.
        """
        if len(self.all(workspace, group)) >= _OF_GROUP:
            raise Refusal(400, f"The group has {_OF_GROUP} tokens. Remove one first.")
        id_ = "".join(secrets.choice(_ALPHABET) for _ in range(16))
        text, now = self._text(id_), self._log.now()
        token = EnterpriseToken(id=id_, digest=_digest(text), group=group, name=name, action=action, created_at=now)
        # Recorded first: an entry about a token that nobody got is better than a token that no entry knows of.
        self._record(workspace, "api_key.created", token, actor, context)
        self._log.swap_shared_state(f"retraced_token {id_}", None, workspace.encode())
        self._kept.change(workspace, lambda before: [*before, token])
        return token, text

    def shown(self, token: EnterpriseToken) -> str:
        """Return the text of a token that was made in the last ten minutes, the id of an older one."""
        age = (self._log.now() - token.created_at).total_seconds()
        text = self._text(token.id)
        return text if age < _SHOWN_SECONDS and _digest(text) == token.digest else token.id

    def _text(self, id_: str) -> str:
        # Made from the secret of the server, so that it can be shown for a while without being kept.
        return f"{id_}_{pack(mac(self._secret, _TEXT_PURPOSE, id_.encode()))}"

    def rename(
        self, workspace: str, token: EnterpriseToken, name: str, action: str, *, actor: Actor, context: Context
    ) -> EnterpriseToken:
        """Give a token another name and another action."""
        changed = replace(token, name=name, action=action)
        if changed != token:
            self._record(workspace, "api_key.renamed", changed, actor, context)
            self._kept.change(workspace, lambda before: [changed if one.id == token.id else one for one in before])
        return changed

    def revoke(self, workspace: str, token: EnterpriseToken, *, actor: Actor, context: Context) -> None:
        """End a token."""
        self._record(workspace, "api_key.revoked", token, actor, context)
        self._kept.change(workspace, lambda before: [one for one in before if one.id != token.id])

    def find(self, text: str) -> tuple[str, EnterpriseToken] | None:
        """Return the workspace and the token of a text, None when it is none."""
        id_ = text.partition("_")[0]
        named = self._log.shared_state(f"retraced_token {id_}") if len(id_) == 16 and id_.isalnum() else None
        digest = _digest(text)
        if named is None:
            return None
        workspace = named.decode()
        found = next((one for one in self._kept.all(workspace) if one.id == id_), None)
        genuine = same((found.digest if found else "0" * 64).encode(), digest.encode())
        return (workspace, found) if found is not None and genuine else None

    def _record(self, workspace: str, action: str, token: EnterpriseToken, actor: Actor, context: Context) -> None:
        now = self._log.now()
        event = Event(
            id=uuid7(now, os.urandom(8)),
            occurred_at=now,
            actor=actor,
            action=action,
            resource=Resource(type="api_key", id=token.id[:7], name=token.name or None),
            related=(related_group(token.group),),
            details={"view_log_action": token.action},
            context=context,
        )
        self._log.record(workspace, event)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
