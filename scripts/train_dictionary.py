"""Train the dictionary that new databases compress payloads with: src/whodid/store/payload.dict.

The samples are the catalog's examples with other ids, names, words and addresses, so that the dictionary learns the
shape of entries and the vocabulary of the catalog and of browsers, and nothing about anybody. Deterministic.

A database keeps the dictionary it was made with. Run this only to change what new databases start with.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from whodid import canonical
from whodid.catalog import builtin
from whodid.model import Content, Event

TARGET = Path(__file__).parents[1] / "src/whodid/store/payload.dict"
SIZE = 64 * 1024
ROUNDS = 400

_ID = re.compile(r"^([a-z]{3})_[0-9A-Za-z]+$")
_NAMED = {"name", "email", "phone_e164", "text", "before", "after", "request", "session", "ip", "user_agent"}
_WORDS = {"type", "action", "path", "rel", "op", "class", "code", "kind", "severity", "outcome", "source"}
_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_AGENTS = (
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/{{}}.0.0.0 Safari/537.36",
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_WEBKIT} Chrome/{{}}.0.0.0 Safari/537.36",
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_SAFARI} Version/{{}} Safari/605.1.15",
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) {_SAFARI} Version/{{}} Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:{}.0) Gecko/20100101 Firefox/{}.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{}.0) Gecko/20100101 Firefox/{}.0",
    f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} Chrome/{{}}.0.0.0 Mobile Safari/537.36",
)


def varied(value: Any, draw: random.Random, key: str = "") -> Any:
    """Return a copy with ids, names and free values replaced."""
    if isinstance(value, dict):
        return {name: varied(inner, draw, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [varied(inner, draw, key) for inner in value]
    if not isinstance(value, str):
        return value
    if key == "user_agent":
        version = str(draw.randrange(110, 150))
        return draw.choice(_AGENTS).replace("{}", version)
    if key == "ip":
        return ".".join(str(draw.randrange(1, 255)) for _ in range(4))
    found = _ID.match(value)
    if found and key not in _WORDS:
        return f"{found[1]}_{draw.getrandbits(40):010X}"
    if key in _NAMED and draw.random() < 0.7:
        return " ".join("".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randrange(3, 9))) for _ in range(2))
    return value


def main() -> None:
    """Train and write the file."""
    draw = random.Random(20261123)
    samples: list[bytes | bytearray | memoryview] = []
    for action in builtin().values():
        for _ in range(ROUNDS):
            event = msgspec.convert(varied(action.example, draw), Event, strict=False)
            content = Content(
                kind=action.kind,
                severity=action.severity,
                **{name: getattr(event, name) for name in Event.__struct_fields__ if name not in ("kind", "severity")},
            )
            samples.append(canonical.payload(content))
    draw.shuffle(samples)
    dictionary = zstandard.train_dictionary(SIZE, samples, level=3, threads=0)
    TARGET.write_bytes(dictionary.as_bytes())
    print(json.dumps({"samples": len(samples), "bytes": TARGET.stat().st_size}))


if __name__ == "__main__":
    main()
