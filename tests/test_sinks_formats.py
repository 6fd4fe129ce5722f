"""Formats of sinks: every entry in every format is one line from which a strict reader gets its values back."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.keeping import HOME, NOW
from whodid import canonical
from whodid.catalog import builtin
from whodid.model import Actor, Context, Entry, Reason, Resource
from whodid.sinks import FORMATS
from whodid.sinks.formats import JSON_FORMATS, Notice

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
HOSTILE = "a=b|c\\d\r\ne\tf\u2028g\x1b[2J \\= \\| \\n %s ${x}"


def entry(text: str, action: str = "contact.updated") -> Entry:
    """Make an entry whose every free text is one text."""
    return Entry(
        id="0193a0f2-6c3e-7d51-9a4b-5f1e2d3c4b5a",
        workspace=HOME,
        index=7,
        occurred_at=NOW,
        recorded_at=NOW + timedelta(seconds=1),
        actor=Actor(type="user", id="usr_1", name=text, email="a@b.example", role=text),
        action=action,
        kind="update",
        severity="warning",
        resource=Resource(type="contact", id="con_1", name=text),
        reason=Reason(text=text),
        details={"said": text},
        context=Context(ip="203.0.113.9", user_agent=text, country="ES", city="Madrid"),
    )


def read_cef(line: str) -> tuple[list[str], dict[str, str]]:
    """Read a line as strictly as CEF is defined: the header's parts and the extension."""
    parts = re.split(r"(?<!\\)(?:\\\\)*\|", line.replace("\\\\", "\x00"), maxsplit=7)
    assert len(parts) == 8
    header = [re.sub(r"\\(.)", r"\1", part).replace("\x00", "\\") for part in parts[:7]]
    places = list(re.finditer(r"(?:^| )([A-Za-z0-9]+)(?<!\\)=", parts[7]))
    found = {}
    for place, following in zip(places, [*places[1:], None], strict=True):
        value = parts[7][place.end() : following.start() if following else None]
        assert not re.search(r"(?<!\\)=", value)
        value = re.sub(r"\\(.)", lambda got: {"n": "\n", "r": "\r"}.get(got[1], got[1]), value)
        found[place[1]] = value.replace("\x00", "\\")
    return header, found


def read_leef(line: str) -> tuple[list[str], dict[str, str]]:
    """Read a line as LEEF 2.0: the header's parts and the attributes."""
    *header, rest = line.split("|", 6)
    assert header[5] == "x09"
    return header, dict(pair.split("=", 1) for pair in rest.split("\t"))


@given(_TEXT)
def test_every_format_is_one_line(text: str) -> None:
    """No text, however hostile, makes two lines of an entry, or no UTF-8."""
    for format in FORMATS.values():
        line = format.entry(entry(text)).decode()
        assert not re.search("[\n\r\0]", line)


@given(_TEXT)
def test_the_whole_entry_is_in_every_json_format(text: str) -> None:
    """What a schema has no place for is there all the same."""
    whole = json.loads(canonical.wire(entry(text)))
    found = {name: json.loads(FORMATS[name].entry(entry(text))) for name in JSON_FORMATS}
    assert found["whodid"] == found["cloudevents"]["data"] == found["ecs"]["whodid"] == whole
    assert found["ocsf"]["unmapped"]["whodid"] == whole


@pytest.mark.parametrize("text", [HOSTILE, "", "plain", "= ", "\\", "|", " src=6.6.6.6", "a\tsrc=6.6.6.6"])
def test_nothing_gets_out_of_its_field(text: str) -> None:
    """Whoever chooses a name cannot choose an address with it."""
    header, found = read_cef(FORMATS["cef"].entry(entry(text)).decode())
    assert header == ["CEF:0", "whodid", "whodid", "1", "contact.updated", "contact updated", "6"]
    assert (found["src"], found["suid"], found["cn1"], found["cs1"]) == ("203.0.113.9", "usr_1", "7", HOME)
    assert found.get("suser", "") == re.sub("[\t\x1b\u2028]", " ", text)
    assert json.loads(found["msg"]) == json.loads(canonical.wire(entry(text)).replace("\u2028".encode(), b" "))

    header, found = read_leef(FORMATS["leef"].entry(entry(text)).decode())
    assert header == ["LEEF:2.0", "whodid", "whodid", "1", "contact.updated", "x09"]
    assert (found["src"], found["accountName"], found["index"]) == ("203.0.113.9", "usr_1", "7")


def test_ecs_has_the_values_that_dashboards_look_for() -> None:
    """Every built-in action has a category and a type that ECS allows together."""
    allowed = {
        "authentication": {"start", "end", "info"},
        "iam": {"admin", "change", "creation", "deletion", "group", "info", "user"},
        "configuration": {"access", "change", "creation", "deletion", "info"},
        "api": {
            "access",
            "admin",
            "allowed",
            "change",
            "creation",
            "deletion",
            "denied",
            "end",
            "info",
            "start",
            "user",
        },
    }
    for action in builtin():
        event: dict[str, Any] = json.loads(FORMATS["ecs"].entry(entry("x", action)))["event"]
        (category,), (type_,) = event["category"], event["type"]
        assert type_ in allowed[category], action
        assert event["outcome"] == "success"
    found = json.loads(FORMATS["ecs"].entry(entry("Maria")))
    assert found["@timestamp"] == "2026-11-20T14:00:00.000000Z"
    assert found["user"] == {"id": "usr_1", "name": "Maria", "email": "a@b.example", "roles": ["Maria"]}
    assert found["source"] == {"ip": "203.0.113.9", "geo": {"country_iso_code": "ES", "city_name": "Madrid"}}


@pytest.mark.parametrize("what", ["heartbeat", "test"])
@pytest.mark.parametrize("name", FORMATS)
def test_notices_are_told_from_entries(name: str, what: Any) -> None:
    """In every format, one line that says what it is, of which log and how long that is."""
    notice = Notice(what=what, id="snk_1-x", workspace=HOME, sink="a|b=c", at=NOW, next=5, size=7)
    line = FORMATS[name].notice(notice).decode()
    assert "\n" not in line
    assert what in line
    if name in JSON_FORMATS:
        read = json.loads(line)
        said = {
            "whodid": lambda: read,
            "cloudevents": lambda: read["data"],
            "ecs": lambda: read["whodid"],
            "ocsf": lambda: read["unmapped"]["whodid"],
            "ocsf-1.9": lambda: read["unmapped"]["whodid"],
        }[name]()
    elif name == "cef":
        said = json.loads(read_cef(line)[1]["msg"])
    else:
        said = json.loads(read_leef(line)[1]["entry"])
    assert (said["whodid"], said["sink"], said["next"], said["size"]) == (what, "a|b=c", 5, 7)
