"""What about a sink may change, what that makes of it, and how a change that was made for another version is found."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Struct, UnsetType

from whodid.errors import InvalidSetting, Outdated
from whodid.log import Log
from whodid.model import Change
from whodid.sinks.heads import HEAD
from whodid.sinks.kinds import KINDS
from whodid.sinks.secrets import kept_secret
from whodid.sinks.settings import Sink

__all__ = ["SinkChange", "applied", "as_changes", "check_tag", "differences", "tag_of"]

_OPTIONS = "options."


class SinkChange(Struct, frozen=True, kw_only=True):
    """What is to change about a sink; see `Sink`. What is not named stays.

    Args:
        options: By name; None removes one, and those that are not named stay.
        secret: Another secret, kept in the store, encrypted; empty for the one that is there.
        place: Where another secret is, `file:PATH` or `env:NAME`; instead of `secret`.
    """

    name: str | UnsetType = UNSET
    address: str | UnsetType = UNSET
    query: str | UnsetType = UNSET
    format: str | UnsetType = UNSET
    options: Mapping[str, str | None] = {}
    private: bool | UnsetType = UNSET
    batch: int | UnsetType = UNSET
    heartbeat: int | UnsetType = UNSET
    secret: str = ""
    place: str = ""


_PLAIN = tuple(name for name in SinkChange.__struct_fields__ if name not in {"options", "secret", "place"})


def applied(sink: Sink, change: SinkChange) -> Sink:
    """Return a sink as it is after a change; its secret is another matter.

    Raises:
        InvalidSetting: A sink cannot become that.
    """
    named = {name: value for name in _PLAIN if (value := getattr(change, name)) is not UNSET}
    options = {**sink.options, **change.options}
    kept = {name: value for name, value in options.items() if value is not None}
    new = msgspec.structs.replace(sink, **named, options=kept)
    if (new.format == HEAD) != (sink.format == HEAD):
        raise InvalidSetting("A sink of heads gets no entries, and one of entries no heads", "Add another sink")
    given = change.secret or change.place
    if sink.secret and not given and KINDS[sink.kind].hands_over and _whose(new.address) != _whose(sink.address):
        # Or whoever may change an address could have a secret sent to themselves that nobody ever shows.
        raise InvalidSetting("The secret was given for another host", "Give it again, together with the address")
    return new


def _whose(address: str) -> tuple[str, str]:
    try:
        url = urlsplit(address)
    except ValueError:
        return "", address
    return url.scheme, url.netloc.lower()


def _described(sink: Sink) -> dict[str, Any]:
    """Return what an entry tells of a sink, by path; never a secret."""
    return {
        "kind": sink.kind,
        "address": sink.address,
        "query": sink.query,
        "format": sink.format,
        "private": sink.private,
        "active": sink.active,
        "batch": sink.batch,
        "heartbeat": sink.heartbeat,
        **{f"{_OPTIONS}{name}": value for name, value in sorted(sink.options.items())},
    }


def differences(before: Sink, after: Sink) -> list[Change]:
    """Return what is other about a sink, with what it was and what it is."""
    old = {"name": before.name, **_described(before)}
    new = {"name": after.name, **_described(after)}
    changes = [Change(path=path, before=old[path], after=new[path]) for path in old if path in new]
    added = [Change(path=path, op="add", after=value) for path, value in new.items() if path not in old]
    removed = [Change(path=path, op="remove", before=value) for path, value in old.items() if path not in new]
    return [*(one for one in changes if one.before != one.after), *added, *removed]


def as_changes(sink: Sink, side: Literal["before", "after"]) -> list[Change]:
    """Say what a sink is, as changes: all of it came (`after`) or went (`before`)."""
    if side == "after":
        return [Change(path=path, op="add", after=value) for path, value in _described(sink).items()]
    return [Change(path=path, op="remove", before=value) for path, value in _described(sink).items()]


def tag_of(log: Log, workspace: str, sink: Sink) -> str:
    """Return what names the present settings of a sink, its secret included; how it is does not matter."""
    kept = kept_secret(log, workspace, sink.id) or b""
    return sha256(msgspec.json.encode(sink) + b"\n" + kept).hexdigest()[:32]


def check_tag(log: Log, workspace: str, sink: Sink, tag: str | None) -> None:
    """Refuse a change that was made for other settings than those that are there.

    Args:
        tag: What named them (`tag_of`); None for whatever is there.

    Raises:
        Outdated: They are others.
    """
    if tag is not None and tag != tag_of(log, workspace, sink):
        raise Outdated(f"The sink {sink.name} was changed meanwhile", "Read it again and repeat the change")
