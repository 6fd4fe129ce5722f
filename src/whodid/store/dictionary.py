"""Train a better dictionary from what a database really holds, without learning anybody's data.

A dictionary outlives the entries it was trained on, so nothing personal may enter it. Of all the words in the samples
only those are kept that several actors and many resources share (paths, roles, browsers, states, everyday words) and
that stand in no personal place of any sample; everything else is replaced by noise before training.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import zstandard

from whodid.canonical import encode

__all__ = ["SAMPLES", "train"]

SAMPLES = 5_000
_SIZE = 64 * 1024
_RESOURCES = 20  # a word must stand in entries about that many different resources
_ACTORS = 3  # and by that many different actors
_TELLING = 3  # shorter words (numbers, initials) tell nobody apart
_WORD = re.compile(r"\w+")
_NOISE = "abcdefghijklmnopqrstuvwxyz0123456789"
_PERSONAL_KEYS = {"name", "email", "ip", "forwarded_ip", "request", "session", "id", "text"}


def train(payloads: Sequence[bytes], seed: int) -> bytes | None:
    """Train a dictionary.

    Args:
        payloads: Stored content of different entries.
        seed: Makes the noise; same input, same dictionary.

    Returns:
        The dictionary, or None when the samples have too little in common.
    """
    values = [msgspec.json.decode(payload) for payload in payloads]
    actors: defaultdict[str, set[str]] = defaultdict(set)
    resources: defaultdict[str, set[str]] = defaultdict(set)
    personal: set[str] = set()
    for value in values:
        actor, resource = str(value["actor"]["id"]), str(value["resource"]["id"])
        for text, is_personal in _texts(value, personal=False):
            words = _WORD.findall(text)
            if is_personal:
                personal.update(word for word in words if len(word) > _TELLING)
                continue
            for word in words:
                actors[word].add(actor)
                resources[word].add(resource)
    shared = {word for word in actors if len(actors[word]) >= _ACTORS and len(resources[word]) >= _RESOURCES}
    noise = _Noise(shared - personal, seed)
    try:
        return zstandard.train_dictionary(_SIZE, [encode(noise.over(value)) for value in values]).as_bytes()
    except zstandard.ZstdError:
        return None


def _texts(value: Any, *, personal: bool) -> Iterator[tuple[str, bool]]:
    """Iterate over the texts of a payload, and whether each stands in a personal place."""
    if isinstance(value, str):
        yield value, personal
    elif isinstance(value, dict):
        inside = personal or value.get("class", "plain") != "plain"
        for key, inner in value.items():
            if key not in _OUTLINE:
                yield from _texts(inner, personal=inside or key in _PERSONAL_KEYS)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, personal=personal)


# What says how a change or a resource is meant, not what it contains.
_OUTLINE = {"class", "path", "op", "type", "rel", "action", "kind", "severity", "outcome", "source", "marks"}


class _Noise:
    def __init__(self, known: set[str], seed: int) -> None:
        self._known = known
        self._draw = random.Random(seed)

    def over(self, value: Any, key: str = "") -> Any:
        """Return a copy in which only known words and the outline are left."""
        if isinstance(value, str):
            return value if key in _OUTLINE else _WORD.sub(self._word, value)
        if isinstance(value, dict):
            return {name: self.over(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.over(inner, key) for inner in value]
        return value

    def _word(self, found: re.Match[str]) -> str:
        word = found[0]
        return word if word in self._known else "".join(self._draw.choices(_NOISE, k=len(word)))
