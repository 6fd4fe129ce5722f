"""A verifier written from docs/spec alone takes what a real log hands over, and believes no insider's lie about it.

The log has lived: seventy days in a segment each, most of them in a volume; retention took the first weeks, a person
was erased, and files hide what is nobody's business.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

import whodid
from tests import independent
from tests.independent import Found, Wrong
from whodid.evidence import ask, extract, make, verify
from whodid.model import Reason
from whodid.retention import Policy, change_policy, erase_person, hiding, purge

OPERATOR = whodid.Actor(type="system", id="tests")
MARIA = whodid.Actor(type="user", id="usr_2M", name="Maria Torres", email="maria@example.com", role="Manager")
EVA = whodid.Actor(type="user", id="usr_9K", name="Eva Díaz", role="Agent")
DAYS = 70
START = datetime(2026, 9, 1, 9, tzinfo=UTC)


class Handed(NamedTuple):
    """What an auditor has: files by what they are about, and a key."""

    pages: dict[str, str]
    vkey: str


@pytest.fixture(scope="module")
def handed() -> Handed:
    """Live through seventy days, and hand over files."""
    now = [START]
    log = whodid.open("memory://", name="example.com", clock=lambda: now[0])
    for day in range(DAYS):
        now[0] = START + timedelta(days=day)
        for number in range(3):
            log.record(
                "w",
                whodid.Event(
                    id=f"0193a0f2-6c3e-7d51-9a4b-{day * 3 + number:012}",
                    occurred_at=now[0],
                    actor=(MARIA, EVA)[(day + number) % 2],
                    action=("contact.updated", "contact.deleted")[number % 2],
                    resource=whodid.Resource(type="contact", id=f"con_{(day * 3 + number) % 5}", name="Juan <b>"),
                    related=(whodid.Related(type="campaign", id=f"cmp_{day % 4}", rel="member", name="Autumn"),),
                    changes=(whodid.Change(path="city", before="Getafe", after="Madrid"),),
                    reason=Reason(text="Asked"),
                ),
            )
        log.seal("w")
    early = make(log, "w", ask(["resource:contact:con_2"], catalog=log.catalog), actor=OPERATOR).file.decode()
    change_policy(log, "w", Policy(days=30), actor=OPERATOR)
    purge(log, "w")
    erase_person(log, "w", "user:usr_2M", actor=OPERATOR, reason=Reason(text="Request 1"))
    november = {"since": datetime(2026, 11, 1, tzinfo=UTC), "until": datetime(2026, 11, 5, tzinfo=UTC)}
    asked: dict[str, tuple[list[str], dict[str, Any], dict[str, Any]]] = {
        "a contact": (["resource:contact:con_1"], {}, {}),
        "a person": (["actor:user:usr_2M"], {}, {}),
        "what a person deleted": (["actor:user:usr_9K", "action:contact.deleted"], {}, {}),
        "nobody": (["actor:user:usr_XX"], {}, {}),
        "a period": (["resource:campaign:cmp_1"], november, {}),
        "a period with its headers": (["actor:user:usr_9K"], november, {"headers": True}),
        "everything": ([], {}, {}),
        "some entries": (["entry:221,225..227"], {}, {}),
        "what hides": (["actor:user:usr_9K"], {}, {"hiding": hiding(log, "w", ["reason", "changes.city"])}),
    }
    pages = {"before retention": early}
    for name, (terms, period, more) in asked.items():
        question = ask(terms, catalog=log.catalog, **period)
        pages[name] = make(log, "w", question, actor=OPERATOR, **more).file.decode()
    vkey = log.verifier_key("w")
    log.close()
    return Handed(pages, vkey)


NAMES = [
    "before retention",
    *("a contact", "a person", "what a person deleted", "nobody", "a period", "a period with its headers"),
    *("everything", "some entries", "what hides"),
]


@pytest.mark.parametrize("name", NAMES)
def test_the_pages_of_the_specification_are_enough(handed: Handed, name: str) -> None:
    """Both verifiers find the same entries, the same gaps and the same reach, and nothing wrong."""
    verdict = verify(extract(handed.pages[name].encode()), trusted=[handed.vkey])
    assert verdict.ok
    assert verdict.cover is not None
    found = independent.check(handed.pages[name], handed.vkey)
    counts = verdict.counts
    assert found == (counts.shown, counts.purged, counts.erased, counts.redacted)


def test_every_form_of_a_file_was_looked_at(handed: Handed) -> None:
    """Spans, volumes, reasons of both kinds, asides, proofs of absence: a file that lacks them would test nothing."""
    files = {name: json.loads(independent.data_of(page)) for name, page in handed.pages.items()}
    found = {name: independent.check(page, handed.vkey) for name, page in handed.pages.items()}
    assert {file["version"] for file in files.values()} == {1, 2}
    assert files["a period with its headers"]["span"]["leaves"]
    assert files["before retention"]["bound"]["covered"]
    assert {reason["why"] for file in files.values() for reason in file["reasons"]} == {"purged", "erased"}
    assert found["nobody"].shown == found["nobody"].purged == 0
    assert found["a person"].purged
    assert found["a person"].erased > 20
    assert any(
        why == "redacted" for entry in files["what hides"]["entries"] for path, _, why in entry["fields"] if not path
    )


def entry_of(file: dict[str, Any]) -> dict[str, Any]:
    """Return an entry that is part of the answer, with all that it says."""
    return next(one for one in file["entries"] if one["kind"] == 1)


def change_a_word(file: dict[str, Any]) -> None:
    """Rewrite what was recorded."""
    field = next(field for field in entry_of(file)["fields"] if field[0] == "core")
    field[2] = field[2].replace("contact.", "contract.")


def change_a_time(file: dict[str, Any]) -> None:
    """Say that it was recorded a second later."""
    entry_of(file)["recorded_at"] += 1_000_000


def leave_an_entry_out(file: dict[str, Any]) -> None:
    """Remove one of the answer."""
    file["entries"].remove(entry_of(file))


def leave_it_out_of_the_index_too(file: dict[str, Any]) -> None:
    """Remove it, and its position where it was looked up."""
    entry = entry_of(file)
    leave_an_entry_out(file)
    for _, _, lookups in [*file["segments"], *file.get("bound", {}).get("covered", [])]:
        for found in lookups:
            found[0] = [at for at in found[0] if at != entry["index"]]


def call_it_purged(file: dict[str, Any]) -> None:
    """Remove it, and say that retention took it."""
    entry = entry_of(file)
    leave_an_entry_out(file)
    file["reasons"] = [one for one in file["reasons"] if one["index"] != entry["index"]]
    record = next((one["index"] for one in file["entries"] if one["kind"] == 4), file["sealed"])
    file["reasons"].append({"index": entry["index"], "stop": entry["index"] + 1, "why": "purged", "record": record})
    file["reasons"].sort(key=lambda one: one["index"])


def give_an_erased_field_a_value(file: dict[str, Any]) -> None:
    """Write something where a person was erased."""
    for entry in file["entries"]:
        for field in entry["fields"]:
            if not field[0] and field[2] == "erased":
                field[:] = ["actor.name", field[1], '"Somebody else"']
                return


def take_an_older_head(file: dict[str, Any]) -> None:
    """Cut the log short: a smaller size under the same signature."""
    lines = file["checkpoint"].split("\n")
    lines[1] = str(int(lines[1]) - 1)
    file["checkpoint"] = "\n".join(lines)


def swap_two_entries(file: dict[str, Any]) -> None:
    """Let two entries change places, with their paths."""
    first, second = [one for one in file["entries"] if one["kind"] == 1][:2]
    first["index"], second["index"] = second["index"], first["index"]


def drop_a_segment(file: dict[str, Any]) -> None:
    """Cover less than the question asks for, and say nothing of it."""
    covered = file["segments"]
    del covered[len(covered) // 2]


def spelled(file: dict[str, Any]) -> str:
    """Write data as the specification spells them."""
    return json.dumps(file, sort_keys=True, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


LIES: list[tuple[Callable[[dict[str, Any]], None], list[str]]] = [
    (change_a_word, ["before retention", "everything", "a period", "some entries", "what hides"]),
    (change_a_time, ["a contact", "everything", "a period"]),
    (leave_an_entry_out, ["a contact", "before retention", "everything", "a period", "some entries"]),
    (leave_it_out_of_the_index_too, ["a contact", "before retention", "a period", "what a person deleted"]),
    (call_it_purged, ["a contact", "a person", "what a person deleted"]),
    (give_an_erased_field_a_value, ["a person", "everything"]),
    (take_an_older_head, ["a contact", "nobody"]),
    (swap_two_entries, ["a contact", "a person"]),
    (drop_a_segment, ["a contact", "nobody", "before retention"]),
]


@pytest.mark.parametrize(
    ("lie", "name"), [pytest.param(lie, name, id=f"{lie.__name__}-{name}") for lie, names in LIES for name in names]
)
def test_an_insider_is_found(handed: Handed, lie: Callable[[dict[str, Any]], None], name: str) -> None:
    """Whoever holds the log and the program, but not the past, convinces neither verifier."""
    page = handed.pages[name]
    data = independent.data_of(page)
    file = json.loads(data)
    lie(file)
    spelt = spelled(file)
    assert spelt != data
    told = page.replace(data, spelt)
    with pytest.raises((Wrong, ValueError, LookupError)):
        independent.check(told, handed.vkey)
    assert verify(extract(told.encode()), trusted=[handed.vkey]).problems


def test_who_hides_a_field_cannot_say_that_a_request_erased_it(handed: Handed) -> None:
    """Only a record of the log says that: without one the field is withheld by the maker, in the page as well."""
    page = handed.pages["what a person deleted"]
    data = independent.data_of(page)
    file = json.loads(data)
    entry = next(one for one in file["entries"] if one["kind"] == 1 and all(field[0] for field in one["fields"]))
    at = next(at for at, field in enumerate(entry["fields"]) if field[0] == "resource.name")
    path, salt, value = entry["fields"][at]
    entry["fields"][at] = ["", independent.commitment(path, salt, value), "erased"]
    spelt = spelled(file)
    found, before = (independent.check(one, handed.vkey) for one in (page.replace(data, spelt), page))
    assert (found.erased, found.withheld) == (before.erased, before.withheld + 1)
    counts = verify(extract(page.replace(data, spelt).encode()), trusted=[handed.vkey]).counts
    assert (counts.erased, counts.redacted) == (found.erased, found.withheld)


def test_another_log_under_the_same_name_has_another_key(handed: Handed) -> None:
    """The file convinces only who got this key from elsewhere."""
    other = handed.vkey.replace("example.com", "example.org")
    with pytest.raises(Wrong, match="key"):
        independent.check(handed.pages["a contact"], other)
    assert isinstance(independent.check(handed.pages["a contact"], handed.vkey), Found)
