"""The checks of single members: ids, names, actors, resources, reasons, contexts.

Every function takes the tokens of its place (outermost first), so that a refusal can point to it.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Collection
from ipaddress import ip_address
from typing import Any, NoReturn, TypeVar, get_args

from msgspec.structs import replace

from whodid.catalog import SHORTEST, is_credential, without_secrets
from whodid.intake.limits import IDENTIFIER, MAX_DEPTH, NAME, TEXT, Fault, invalid
from whodid.intake.values import Hider, check_text
from whodid.model import Actor, ActorType, Context, Reason, Related, Resource, Source

__all__ = [
    "check_actor",
    "check_context",
    "check_id",
    "check_name",
    "check_reason",
    "check_uuid",
    "choice",
    "refuse_choice",
    "refuse_type",
    "renamed",
]

_Token = str | int
_Named = TypeVar("_Named", Actor, Resource, Related)

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ACTORS: tuple[str, ...] = get_args(ActorType)
_SOURCES: tuple[str, ...] = get_args(Source)


def refuse_type(said: object, expected: str, *at: _Token) -> NoReturn:
    """Refuse a value of another type than the member takes; it was made by hand, for decoding knows no such one.

    Args:
        expected: Such as `an Actor`.
    """
    what = "None" if said is None else f"a value of type {type(said).__name__}"
    raise invalid(f"This is {what}, not {expected}", f"Send {expected}", *at)


def refuse_choice(choices: Collection[str], *at: _Token) -> NoReturn:
    """Refuse a value that is none of those which the member takes."""
    raise invalid(f"This is none of {', '.join(choices)}", "Send one of them", *at)


def choice(value: Any, choices: tuple[str, ...], otherwise: str, at: str) -> Any:
    """Return one of the choices, or the other value when none was sent."""
    if value is None:
        return otherwise
    if value not in choices:
        refuse_choice(choices, at)
    return value


def check_uuid(text: Any, at: str) -> str:
    """Return a UUID in lower case, so that equal ids are equal texts."""
    if type(text) is not str:
        refuse_type(text, "text", at)
    if not _UUID.fullmatch(text):
        text = text.lower()
        if not _UUID.fullmatch(text):
            raise invalid("This is not a UUID", "Use 36 characters such as 01a08f3c-6d2e-7b41-9c5a-2f8e6b1d7a90", at)
    return str(text)


def check_id(text: Any, *at: _Token) -> None:
    """Refuse what cannot be an id."""
    if type(text) is not str:
        refuse_type(text, "text", *at)
    if not 0 < len(text) <= IDENTIFIER or not text.isprintable() or text[0] == " " or text[-1] == " ":
        raise invalid("This is not an id", f"Use 1 to {IDENTIFIER} printable characters, no space at the ends", *at)
    if len(text) >= SHORTEST and is_credential(text):
        raise invalid("The id has the format of a secret", "Send an id that is not a credential", *at)


def check_name(text: Any, *at: _Token) -> None:
    """Refuse what cannot be a name, an address or a role."""
    if type(text) is not str:
        refuse_type(text, "text", *at)
    if len(text) > NAME:
        raise invalid(f"The text is longer than {NAME} characters", "Shorten it", *at)


def renamed(thing: _Named, hider: Hider) -> _Named:
    """Take what has the format of a secret out of a checked name."""
    if thing.name is not None and len(thing.name) >= SHORTEST:
        name = without_secrets(thing.name)
        if name is not thing.name:
            hider.hid = True
            return replace(thing, name=name)
    return thing


def check_actor(said: Any, hider: Hider, *at: _Token) -> Actor:
    """Return a checked actor, with whom it acts for."""
    if not isinstance(said, Actor):
        refuse_type(said, "an Actor", *at)
    actor: Actor = said
    if actor.type not in _ACTORS:
        refuse_choice(_ACTORS, *at, "type")
    check_id(actor.id, *at, "id")
    if actor.name is not None:
        check_name(actor.name, *at, "name")
    if actor.email is not None:
        check_name(actor.email, *at, "email")
    if actor.role is not None:
        check_name(actor.role, *at, "role")
    if actor.on_behalf_of is not None:
        if len(at) == MAX_DEPTH - 1:
            raise invalid("Actors act on behalf of one another too many times", "Name the one that matters", *at)
        principal = check_actor(actor.on_behalf_of, hider, *at, "on_behalf_of")
        if principal is not actor.on_behalf_of:
            actor = replace(actor, on_behalf_of=principal)
    return renamed(actor, hider)


def check_reason(reason: Any, hider: Hider) -> Reason:
    """Return a checked reason without secrets in its text."""
    if not isinstance(reason, Reason):
        refuse_type(reason, "a Reason", "reason")
    if reason.code is None and reason.text is None:
        raise invalid("The reason says nothing", "Send a code, a text or both", "reason")
    if reason.code is not None:
        check_id(reason.code, "reason", "code")
    if reason.text is None:
        return reason
    if type(reason.text) is not str:
        refuse_type(reason.text, "text", "reason", "text")
    try:
        check_text(reason.text)
    except Fault as fault:
        raise fault.at("reason", "text") from None
    text = without_secrets(reason.text)
    if text is reason.text:
        return reason
    hider.hid = True
    return replace(reason, text=text)


def check_context(context: Any) -> Context:
    """Return a checked context with addresses in their shortest form."""
    if not isinstance(context, Context):
        refuse_type(context, "a Context", "context")
    if context.source is not None and context.source not in _SOURCES:
        refuse_choice(_SOURCES, "context", "source")
    if context.request is not None:
        check_id(context.request, "context", "request")
    if context.session is not None:
        check_id(context.session, "context", "session")
    if context.user_agent is not None:
        if type(context.user_agent) is not str:
            refuse_type(context.user_agent, "text", "context", "user_agent")
        if len(context.user_agent) > TEXT // 4:
            raise invalid(f"The text is longer than {TEXT // 4} characters", "Shorten it", "context", "user_agent")
    country = context.country
    if country is not None and not (
        type(country) is str and len(country) == 2 and country.isascii() and country.isalpha() and country.isupper()
    ):
        raise invalid(
            "This is not a country", "Use two capital letters of ISO 3166-1, such as ES", "context", "country"
        )
    if context.city is not None:
        check_name(context.city, "context", "city")
    ip = None if context.ip is None else _address(context.ip, "ip")
    forwarded_ip = None if context.forwarded_ip is None else _address(context.forwarded_ip, "forwarded_ip")
    if ip != context.ip or forwarded_ip != context.forwarded_ip:
        return replace(context, ip=ip, forwarded_ip=forwarded_ip)
    return context


def _address(text: Any, member: str) -> str:
    if type(text) is not str:
        refuse_type(text, "text", "context", member)
    try:
        socket.inet_pton(socket.AF_INET, text)  # nearly all are of version 4, and this is ten times as fast
    except (OSError, ValueError):
        try:
            return ip_address(text.partition("%")[0]).compressed
        except ValueError:
            raise invalid(
                "This is not an IP address", "Send one address without a port, or leave it out", "context", member
            ) from None
    return str(text)
