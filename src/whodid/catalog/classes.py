"""Field classes: which fields are personal, which are secret, by declaration and by name.

What a value itself looks like is judged in `secrets`; replacing a value is the work of intake and capture.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any

from whodid.errors import InvalidCatalog
from whodid.model import FieldClass

__all__ = ["SECRET_NAMES", "FieldClasses", "check_pattern", "is_secret_name", "stricter"]

_RANK: dict[FieldClass, int] = {"plain": 0, "personal": 1, "secret": 2}
_SPLIT = re.compile(r"[./\[\]]+")
_PATTERN = re.compile(r"\*|[^\s.\[\]/*]+(\.([^\s.\[\]/*]+|\*))*")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORDS = re.compile(r"[^\W\d_]+|\d+")
_MEMO = 4096
_LONGEST = 500
_UNASKED: Any = object()

# One of these words anywhere in a name makes it secret …
_SECRET_WORDS = frozenset(
    """
    apikey authorization bearer contrasena contraseña cookie cookies credential credentials cvc cvv jwt mnemonic otp
    passcode passphrase passwd password passwords privatekey pwd secret secrets secretkey senha token tokens totp
    """.split()  # noqa: SIM905 - a list of words reads as words
)
# … or a word that ends so (`clientsecret`) …
_SECRET_ENDS = ("apikey", "passwd", "password", "secret", "token")
# … or these two side by side …
_SECRET_PAIRS = frozenset(
    {
        *((first, "key") for first in ("access", "api", "auth", "encryption", "license", "master", "private")),
        *((first, "key") for first in ("session", "shared", "signing", "ssh", "storage")),
        ("backup", "code"),
        ("backup", "codes"),
        ("card", "number"),
        ("connection", "string"),
        ("key", "hash"),
        ("one", "time"),
        ("recovery", "code"),
        ("recovery", "codes"),
        ("security", "code"),
        ("seed", "phrase"),
        ("verification", "code"),
    }
)
# … or the whole name is one of these.
_SECRET_NAMES = frozenset({"dsn", "pan", "pass", "pin", "pincode"})
# A name that ends so speaks about a secret and does not hold it.
_ABOUT = frozenset(
    """
    age at changed consent count counts days disabled enabled expired expires expiration expiry hours kind length
    minutes on policy present required rotated seconds set state status strength total ttl type used version
    """.split()  # noqa: SIM905 - a list of words reads as words
)
# {"name": "api_key", "value": "…"}: the first says what the second is.
_NAMING = ("name", "key", "field", "path", "header", "column", "attribute", "property", "variable")
_HOLDING = frozenset(
    {"value", "values", "val", "content", "data", "text", "raw", "before", "after", "old", "new", "added", "removed"}
    | {"from", "to", "previous", "current", "default", "survivor", "absorbed"}
)
# What may stay readable beside a class "secret".
_DESCRIBING = frozenset({*_NAMING, "class", "op", "rule", "type", "winner"})
_HARMLESS = frozenset(
    """
    authorization_endpoint authorization_url cached_tokens completion_tokens input_tokens max_tokens output_tokens
    prompt_tokens token_endpoint token_url
    """.split()  # noqa: SIM905 - a list of words reads as words
)

SECRET_NAMES: Mapping[str, frozenset[str]] = {
    "words": _SECRET_WORDS,
    "ends": frozenset(_SECRET_ENDS),
    "pairs": frozenset("_".join(pair) for pair in _SECRET_PAIRS),
    "names": _SECRET_NAMES,
    "about": _ABOUT,
    "harmless": _HARMLESS,
}
"""What `is_secret_name` knows, for who must decide the same in another language; words are joined by underscores."""


@lru_cache(maxsize=_MEMO)
def is_secret_name(name: str) -> bool:
    """Tell whether a field of this name is denied by default.

    The name is split into words (`clientSecret`, `client-secret` and `CLIENT_SECRET` are one), so that a prefix or a
    case does not let a secret through. A word that only speaks about a secret (`password_changed_at`, `token_count`)
    is let in.

    Args:
        name: One key or one segment of a path.
    """
    words = _WORDS.findall(_CAMEL.sub("_", name).lower())
    if not words:
        return False
    joined = "_".join(words)
    if joined in _HARMLESS:
        return False
    if joined in _SECRET_NAMES:
        return True
    if words[-1] in _ABOUT and len(words) > 1:
        return False
    return any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDS) for word in words) or any(
        pair in _SECRET_PAIRS for pair in pairwise(words)
    )


def stricter(one: FieldClass, other: FieldClass) -> FieldClass:
    """Return the class that shows less."""
    return one if _RANK[one] >= _RANK[other] else other


def check_pattern(pattern: object, class_: object, where: str) -> None:
    """Refuse a pattern of a path that could never match, or a class that does not exist.

    Raises:
        InvalidCatalog: The pattern or the class is malformed.
    """
    if not isinstance(pattern, str) or not _PATTERN.fullmatch(pattern):
        raise InvalidCatalog(
            f"{where}: {pattern!r} is not a pattern of a path",
            "Join segments with dots; '*' stands for one segment, and at the end for the field and all below it",
        )
    if class_ not in _RANK:
        raise InvalidCatalog(f"{where}: {class_!r} is not a field class", f"Use one of {', '.join(_RANK)}")


class FieldClasses:
    """The classes of the fields of one action: declared patterns first, then names.

    Args:
        patterns: Pattern of a path → class. Segments are joined by dots, an index in brackets counts as a segment.
            `*` stands for one segment; at the end it stands for the field before it and everything below. The most
            specific pattern wins. Declaring `plain` or `personal` lets in a name that is denied by default.
    """

    __slots__ = ("_classes", "_declared", "_patterns", "suspects")

    def __init__(self, patterns: Mapping[str, FieldClass]) -> None:
        listed = [(tuple(pattern.split(".")), class_) for pattern, class_ in patterns.items()]
        self._patterns = sorted(listed, key=lambda item: (-len(item[0]), item[0].count("*")))
        self._declared: dict[str, FieldClass | None] = {}
        self._classes: dict[str, FieldClass] = {}
        self.suspects = frozenset(
            segment
            for segments, class_ in listed
            if class_ == "secret"
            for segment in [one for one in segments if one != "*"][-1:]
        )
        """Keys that may be secret because a pattern ends in them, wherever they stand."""

    def declared(self, path: str) -> FieldClass | None:
        """Return the class that a pattern gives to a path, or None when no pattern speaks of it."""
        if not self._patterns:
            return None
        known: FieldClass | None = self._declared.get(path, _UNASKED)
        if known is not _UNASKED:
            return known
        segments = tuple(segment for segment in _SPLIT.split(path) if segment)
        found = next((class_ for pattern, class_ in self._patterns if _matches(pattern, segments)), None)
        if len(self._declared) >= _MEMO:
            self._declared.clear()  # paths come from outside: the memory they take must have an end
        if len(path) <= _LONGEST:
            self._declared[path] = found
        return found

    def of(self, path: str, said: FieldClass = "plain") -> FieldClass:
        """Return the class of a changed field.

        Args:
            path: The path of the change.
            said: What the sender said; it can only make the class stricter.
        """
        known = self._classes.get(path)
        if known is None:
            known = self.declared(path)
            if known is None:
                known = "secret" if any(is_secret_name(part) for part in _SPLIT.split(path)) else "plain"
            if len(self._classes) >= _MEMO:
                self._classes.clear()
            if len(path) <= _LONGEST:
                self._classes[path] = known
        return known if said == "plain" else stricter(known, said)

    def hides(self, path: str, key: str) -> bool:
        """Tell whether a member of an object is secret.

        Args:
            path: Path of the member, from the change or from the root of the details.
            key: Its key, the last segment of the path.
        """
        declared = self.declared(path)
        if declared is None:
            declared = self.declared(key)
        return is_secret_name(key) if declared is None else declared == "secret"

    def telling(self, value: Mapping[Any, Any]) -> Callable[[str], bool] | None:
        """Return which members of an object are secret because another member says so, or None when none does.

        Args:
            value: A JSON object.
        """
        if value.get("class") == "secret":
            return lambda key: key not in _DESCRIBING
        if not _HOLDING.isdisjoint(value):
            for key in _NAMING:
                name = value.get(key)
                if type(name) is str and len(name) <= _LONGEST and " " not in name and self.of(name) == "secret":
                    return _HOLDING.__contains__
        return None


def _matches(pattern: tuple[str, ...], segments: tuple[str, ...]) -> bool:
    if pattern[-1] == "*":
        head = pattern[:-1]
        if len(segments) < len(head):
            return False
        segments = segments[: len(head)]
        pattern = head
    if len(pattern) != len(segments):
        return False
    return all(want in ("*", have) for want, have in zip(pattern, segments, strict=True))
