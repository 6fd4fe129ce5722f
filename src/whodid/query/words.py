r"""The words of an entry: which texts free search sees, and how a text becomes tokens.

Case and accents do not count: `fold` writes a text without them. A token is a run of letters, digits, `_` and vowel
signs. In an index a token is pure ASCII: a run of other characters in it is written `x` and the hexadecimal digits of
its UTF-8, which keeps prefixes prefixes, and only its first 64 characters count.

Nothing here knows queries.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple

from msgspec import UNSET

from whodid.model import Content

__all__ = ["BREAK", "Address", "address", "encode", "fold", "leaves", "runs", "split", "words"]

BREAK = "\0"
"""Stands between the tokens of two texts, so that no phrase reaches from one into the next."""

_TOKEN_LENGTH = 64
_REMEMBERED = 20_000  # characters: enough for the living scripts, and a bound for hostile text
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_LONGEST_INT = 1 << 64

# A capital becomes small, what is no part of a token a space. Bytes, because translating them costs a tenth.
_ASCII = bytes(
    ord(chr(code).lower()) if chr(code).isalnum() or chr(code) in ("_", BREAK) else ord(" ") for code in range(128)
)
_ASCII_BYTES = _ASCII + bytes(128)  # the table of `bytes.translate` has 256 places


class _Characters(dict[int, int | str | None]):
    """A translation table that fills itself while it is used."""

    def __init__(self, *, split: bool) -> None:
        self._split = split
        super().__init__()

    def __missing__(self, code: int) -> int | str | None:
        character = chr(code)
        kept: int | str | None = code
        if self._split and code < len(_ASCII):
            kept = _ASCII[code]
        elif unicodedata.combining(character):
            kept = None
        elif self._split and not (character.isalnum() or unicodedata.category(character)[0] == "M"):
            kept = " "
        if len(self) < _REMEMBERED:
            self[code] = kept
        return kept


_MARKS = _Characters(split=False)
_SPLIT = _Characters(split=True)
_LATIN_MARKS = re.compile("[\u0300-\u034e\u0350-\u036f]+")


def fold(text: str) -> str:
    """Return a text without case and accents: casefolded, NFKD, combining marks removed.

    Only marks of a non-zero combining class go (accents, harakat, nukta, virama): the vowel signs of the Indic scripts
    are letters in all but name and stay.
    """
    if text.isascii():
        return text.lower()
    # Decomposing first reaches the letters inside ligatures and circled characters; casefolding may compose anew.
    folded = _LATIN_MARKS.sub("", unicodedata.normalize("NFKD", text).casefold())
    if folded.isascii():
        return folded
    return unicodedata.normalize("NFKD", folded).translate(_MARKS)


def split(text: str) -> list[str]:
    """Return the tokens of a text in order, folded, not yet encoded for an index."""
    return _split_folded(fold(text).replace(BREAK, " "))


def _split_folded(text: str) -> list[str]:
    """Split a text that is folded, apart from its ASCII capitals."""
    if text.isascii():
        return text.encode("ascii").translate(_ASCII_BYTES).decode("ascii").split()
    return text.translate(_SPLIT).split()


def encode(token: str) -> str:
    """Return a folded token as indexes hold it: ASCII letters, digits and `_`, at most 64 of them."""
    if not token.isascii():
        token = _NOT_ASCII.sub(lambda run: "x" + run[0].encode("utf-8", "surrogatepass").hex(), token)
    return token[:_TOKEN_LENGTH]


def words(content: Content) -> list[str]:
    """Return the distinct tokens that free search finds an entry by, encoded, in order of first occurrence.

    They come from the names and emails of the actor and of those it acts for (and the ids of the latter), the names of
    the resource and the related resources, the reason, the values that changed, the strings and numbers of the
    details, the action, and the address, place, request and session of the context. Ids are not among them: look for
    those with `ids` in an index of their own.
    """
    found = dict.fromkeys(_tokens(content, " "))
    if len(max(found, key=len, default="")) <= _TOKEN_LENGTH and "".join(found).isascii():
        return list(found)
    return list(dict.fromkeys(map(encode, found)))


def runs(content: Content) -> str:
    """Return all folded tokens of an entry with one space before and after each, and `BREAK` between two texts.

    A phrase occurs in the entry exactly when its tokens, joined in the same way, occur in this text.
    """
    return f" {' '.join(_tokens(content, f' {BREAK} '))} "


def leaves(value: Any) -> Iterator[str]:
    """Iterate over the texts of a JSON value: its scalars, at any depth.

    Strings as they are; numbers, true, false and null as JSON writes them. Keys are not values. What stands in for a
    value that was taken out (an object with the key `$`) has no text.
    """
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, bool):
            yield "true" if one else "false"
        elif one is None:
            yield "null"
        elif isinstance(one, int):
            # Python refuses to write out integers of thousands of digits; intake lets none in.
            if -_LONGEST_INT < one < _LONGEST_INT:
                yield str(one)
        elif isinstance(one, float):
            yield repr(one)
        elif isinstance(one, dict):
            if "$" not in one:
                pending.extend(reversed(one.values()))
        elif isinstance(one, list | tuple):
            pending.extend(reversed(one))


class Address(NamedTuple):
    """An IP address, read.

    Args:
        version: 4 or 6.
        number: Its 32 or 128 bits.
        text: Its usual text.
    """

    version: int
    number: int
    text: str


@lru_cache(maxsize=4096)
def address(text: str) -> Address | None:
    """Read an IP address; an IPv4 address inside IPv6 is the IPv4 address, a zone (`%eth0`) does not count.

    Returns:
        None when the text is no address.
    """
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return Address(found.version, int(found), str(found))


def _tokens(content: Content, joint: str) -> list[str]:
    """Return the folded tokens of an entry, with what is written between two texts.

    Args:
        joint: A space, or `BREAK` with spaces around it.
    """
    texts = _texts(content)
    joined = joint.join(texts)
    if not joined.isascii():
        texts = [text if text.isascii() else fold(text) for text in texts]
        joined = joint.join(texts)
    if joined.count(BREAK) >= len(texts) or (joint == " " and BREAK in joined):
        # Intake lets no NUL in, but an entry made by hand is no reason to stumble.
        joined = joint.join([text.replace(BREAK, " ") for text in texts])
    return _split_folded(joined)


def _texts(content: Content) -> list[str]:
    """Return the texts whose tokens are the words of an entry. On the way in: written for speed."""
    actor, reason, context = content.actor, content.reason, content.context
    texts: list[str | None] = [content.action, actor.name, actor.email, content.resource.name]
    principal = actor.on_behalf_of
    while principal is not None:
        texts += (principal.id, principal.name, principal.email)
        principal = principal.on_behalf_of
    if content.related:
        texts += [related.name for related in content.related]
    if reason is not None:
        texts += (reason.code, reason.text)
    for change in content.changes:
        if change.class_ != "secret":
            for value in (change.before, change.after, change.added, change.removed):
                if type(value) is str:
                    texts.append(value)
                elif value is not UNSET:
                    texts += _scalars(value)
    if content.details:
        for value in content.details.values():
            if type(value) is str:
                texts.append(value)
            else:
                texts += _scalars(value)
    if context is not None:
        if context.ip is not None:
            found = address(context.ip)
            texts.append(context.ip if found is None else found.text)
        texts += (context.city, context.country, context.request, context.session)
    return [text for text in texts if text]


def _scalars(value: Any) -> list[str]:
    """Return the strings and numbers of a JSON value: `true`, `false` and `null` are no words to look for."""
    if value is None or isinstance(value, bool):
        return []
    if isinstance(value, int) and -_LONGEST_INT < value < _LONGEST_INT:
        return [str(value)]
    return [text for text in leaves(value) if text not in ("true", "false", "null")]
