"""Whose cosignatures are enough: a policy file names witnesses, groups of them, and a quorum.

The format is C2SP tlog-policy (https://c2sp.org/tlog-policy), line by line::

    witness north north.example/w+a1b2c3d4+BA… https://north.example/witness
    witness south south.example/w+e5f6a7b8+BA… https://south.example/witness
    group both all north south
    quorum both

A group is `all`, `any` or a number, and the names of witnesses or earlier groups; `quorum none` asks for nobody. A
`log` line names a log whose checkpoints are meant. The address of a witness is where a log sends its checkpoints.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from whodid.errors import InvalidSetting
from whodid.proof.note import COSIGNATURE, ED25519, Verifier, decode_base64

__all__ = ["Policy", "Witness", "parse_policy"]

_MOST = 256
"""Logs, witnesses or groups that a file may have; C2SP asks for 32."""

_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_NUMBER = re.compile(r"[1-9][0-9]{0,3}")


@dataclass(frozen=True, slots=True)
class Witness:
    """Somebody whose cosignature counts.

    Args:
        name: In this policy.
        key: Its verifier key.
        url: Where it takes checkpoints (its submission prefix), or None.
    """

    name: str
    key: Verifier
    url: str | None


@dataclass(frozen=True, slots=True)
class _Group:
    needs: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Which cosignatures make a checkpoint good.

    Args:
        logs: Keys of the logs that are meant; empty when that is known otherwise.
        witnesses: In the order of the file.
    """

    logs: tuple[Verifier, ...]
    witnesses: tuple[Witness, ...]
    _groups: dict[str, _Group]
    _quorum: str

    def met(self, present: Collection[Verifier]) -> bool:
        """Tell whether the witnesses with these keys are enough."""
        known = {one.name: one.key in present for one in self.witnesses}
        for name, group in self._groups.items():  # a group names what stands before it
            known[name] = sum(known[member] for member in group.members) >= group.needs
        return self._quorum == "none" or known[self._quorum]


def parse_policy(data: bytes) -> Policy:
    """Read a policy file.

    Raises:
        InvalidSetting: If it is none; the message names the line.
    """
    reading = _Reading()
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            if _FORBIDDEN.search(line):
                raise InvalidSetting("It has a control character in it")
            # Names are compared as bytes: what is not UTF-8 stays what it is.
            words = [word for word in re.split(r"[ \t]+", line.decode("utf-8", "surrogateescape")) if word]
            if words and not words[0].startswith("#"):
                reading.line(*words)
        except InvalidSetting as error:
            raise InvalidSetting(f"Line {number} of the policy: {error.fact}", error.remedy) from None
    if reading.quorum is None:
        raise InvalidSetting("The policy has no quorum", "End it with: quorum <name>, or: quorum none")
    return Policy(tuple(reading.logs), tuple(reading.witnesses), reading.groups, reading.quorum)


class _Reading:
    def __init__(self) -> None:
        self.logs: list[Verifier] = []
        self.witnesses: list[Witness] = []
        self.groups: dict[str, _Group] = {}
        self.quorum: str | None = None
        self._names: set[str] = set()
        self._members: set[str] = set()
        self._keys: set[bytes] = set()

    def line(self, kind: str, *rest: str) -> None:
        match kind, rest:
            case "log", (key, *url) if len(url) <= 1:
                self.logs.append(self._key(key, ED25519))
            case "witness", (name, key, *url) if len(url) <= 1:
                self._define(name)
                self.witnesses.append(Witness(name, self._key(key, COSIGNATURE), url[0] if url else None))
            case "group", (name, needs, *members) if members:
                self._group(name, needs, members)
            case "quorum", (name,) if self.quorum is None:
                if name != "none":
                    self._defined(name)
                self.quorum = name
            case _:
                raise InvalidSetting("It cannot be understood", "Write log, witness, group or, once, quorum")
        if max(len(self.logs), len(self.witnesses), len(self.groups)) > _MOST:
            raise InvalidSetting(f"There are more than {_MOST} of a kind")

    def _group(self, name: str, needs: str, members: list[str]) -> None:
        for member in members:
            self._defined(member)
            if member in self._members:
                raise InvalidSetting(f"{member} is a member twice", "Let each witness count in one place only")
            self._members.add(member)
        count = {"all": len(members), "any": 1}.get(needs) or (int(needs) if _NUMBER.fullmatch(needs) else 0)
        if not 1 <= count <= len(members):
            raise InvalidSetting(f"A group of {len(members)} cannot need {needs}", "Write all, any or a number")
        self._define(name)
        self.groups[name] = _Group(count, tuple(members))

    def _define(self, name: str) -> None:
        if name == "none" or name in self._names:
            raise InvalidSetting(f"{name} is taken", "Give each witness and group a name of its own")
        self._names.add(name)

    def _defined(self, name: str) -> None:
        if name not in self._names:
            raise InvalidSetting(f"Nothing before it is called {name}", "Define a name before using it")

    def _key(self, text: str, type: int) -> Verifier:
        key = Verifier(text)
        if key.type != type:
            raise InvalidSetting(f"{key.name} has a key of type {key.type:02x}, not {type:02x}")
        public = decode_base64(text.split("+", 2)[2])
        if public in self._keys:
            raise InvalidSetting(f"The key of {key.name} is there twice", "Let each key count once")
        self._keys.add(public)
        return key
