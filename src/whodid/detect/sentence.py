"""A rule as a sentence: who did what, to what, when, and how often within which time; written out as Sigma.

The sentence is what somebody chose in the interface. What runs is always Sigma, so that there is one reader of rules.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from whodid.detect.rule import Level
from whodid.detect.view import known
from whodid.errors import InvalidSetting

__all__ = ["LONGEST", "Sentence", "sigma"]

LONGEST = 8_000
"""Characters of a rule that a workspace wrote."""

_ACTION = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+|\.\*)|\*\.[a-z0-9_]+")
_WHO = {"person": "person", "role": "actor.role", "type": "actor.type"}
_PER = {"person": "person", "resource": "resource.id", "network": "network", "everybody": "workspace"}
_DAY_MINUTES = 1_440

_Text = Annotated[str, Meta(max_length=200)]
_Texts = Annotated[tuple[_Text, ...], Meta(max_length=50)]


class Sentence(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a rule notices.

    Args:
        title: What people call it.
        level: How grave an alert is.
        respond: What to do then.
        actions: Names of actions; `contact.*` for all of contacts, `*.deleted` for every deletion; any when empty.
        outcome: Whether it worked.
        who: Whether `names` are ids of persons, roles, or types of actors.
        names: Whom it is about; anybody when empty.
        resource_type: What kind of thing it was done to; any when empty.
        resource_id: Which one; any when empty.
        hours: From which full hour to which, of the day in `zone`; 20 to 7 goes past midnight.
        weekdays: On which days, 1 (Monday) to 7; any when empty.
        zone: IANA name of the time zone of hours and days.
        count: How many entries it takes.
        minutes: Within how much time, when it takes more than one.
        per: What must be the same of all of them.
        again: After how many minutes the same is told again.
    """

    title: Annotated[str, Meta(min_length=1, max_length=100)]
    level: Literal["low", "medium", "high", "critical"] = "medium"
    respond: Annotated[str, Meta(max_length=500)] = ""
    actions: _Texts = ()
    outcome: Literal["any", "success", "denied", "failed"] = "any"
    who: Literal["person", "role", "type"] = "person"
    names: _Texts = ()
    resource_type: _Text = ""
    resource_id: _Text = ""
    hours: Annotated[tuple[Annotated[int, Meta(ge=0, le=24)], ...], Meta(min_length=2, max_length=2)] | None = None
    weekdays: Annotated[tuple[Annotated[int, Meta(ge=1, le=7)], ...], Meta(max_length=7)] = ()
    zone: Annotated[str, Meta(max_length=100)] = "UTC"
    count: Annotated[int, Meta(ge=1, le=1_000)] = 1
    minutes: Annotated[int, Meta(ge=1, le=7 * _DAY_MINUTES)] = 10
    per: Literal["person", "resource", "network", "everybody"] = "person"
    again: Annotated[int, Meta(ge=1, le=30 * _DAY_MINUTES)] = _DAY_MINUTES

    @property
    def persons(self) -> tuple[str, ...]:
        """Ids of the persons that it names."""
        return self.names if self.who == "person" else ()


def sigma(sentence: Sentence) -> str:
    """Write a sentence out as Sigma.

    Raises:
        InvalidSetting: An action or the zone is none, the hours are empty, or nothing at all is asked for.
    """
    level: Level = sentence.level
    wanted = _wanted(sentence)
    if not wanted:
        raise InvalidSetting(
            "The rule asks for nothing: every entry would raise it", "Choose what was done, or by whom"
        )
    told = {"reason": None, "respond": sentence.respond or None}
    head = {"title": sentence.title, "name": "sentence", "level": level}
    source = {"logsource": {"product": "auditlog", "service": "audit"}, "detection": {**_both(wanted)}}
    group = {"group": [_PER[sentence.per]], "quiet": f"{sentence.again}m"}
    if sentence.count == 1:
        return _written({**head, **source, **group, **told})
    part = {"title": "One of them", "name": "one", **source}
    chain = {
        "type": "event_count",
        "rules": ["one"],
        "group-by": [_PER[sentence.per]],
        "timespan": f"{sentence.minutes}m",
        "condition": {"gte": sentence.count},
    }
    return f"{_written(part)}---\n{_written({**head, 'correlation': chain, **group, **told})}"


def _both(wanted: dict[str, Any]) -> dict[str, Any]:
    return {"wanted": wanted, "condition": "wanted"}


def _wanted(sentence: Sentence) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    for action in sentence.actions:
        if _ACTION.fullmatch(action) is None:
            raise InvalidSetting(f"{action!r} is no action", "Write one like contact.deleted, contact.* or *.deleted")
    if sentence.actions:
        wanted["action"] = list(sentence.actions)
    if sentence.outcome != "any":
        wanted["outcome"] = sentence.outcome
    if sentence.names:
        wanted[_WHO[sentence.who]] = [_plain(name) for name in sentence.names]
    if sentence.resource_type:
        wanted["resource.type"] = _plain(sentence.resource_type)
    if sentence.resource_id:
        wanted["resource.id"] = _plain(sentence.resource_id)
    timed = {"hour": _hours(sentence), "weekday": sorted(set(sentence.weekdays))}
    for name, values in timed.items():
        if values:
            field = f"{name}.{sentence.zone}"
            if not known(field):
                raise InvalidSetting(f"There is no time zone {sentence.zone!r}", "Use a name such as Europe/Madrid")
            wanted[field] = values
    return wanted


def _hours(sentence: Sentence) -> list[int]:
    if sentence.hours is None:
        return []
    start, stop = sentence.hours
    if start % 24 == stop % 24:
        raise InvalidSetting(f"From {start} to {stop} o'clock is the whole day or nothing", "Leave the hours out")
    return [hour % 24 for hour in range(start, stop if stop > start else stop + 24)]


def _plain(text: str) -> str:
    """Return a text so that Sigma looks for it as it is, though it may hold what means something there."""
    return re.sub(r"([*?\\])", r"\\\1", text)


def _written(document: dict[str, Any]) -> str:
    """Write YAML; values are written as JSON, which is YAML."""
    lines = []
    for name, value in document.items():
        if name == "detection":
            lines.append("detection:")
            for part, inner in value.items():
                lines.append(f"  {part}:" if isinstance(inner, dict) else f"  {part}: {inner}")
                if isinstance(inner, dict):
                    lines += [f"    {field}: {_json(one)}" for field, one in inner.items()]
        elif value is not None:
            lines.append(f"{name}: {_json(value)}")
    return "\n".join(lines) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
