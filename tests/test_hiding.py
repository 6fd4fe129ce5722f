"""Files without chosen fields and people: nothing of them leaves, and every proof holds."""

from __future__ import annotations

import csv
import json
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO, StringIO
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from tests.serving import (
    EXPORT,
    HOME,
    JOAO,
    MARIA,
    PII,
    READ,
    Clock,
    bearer,
    client,
    event,
    finished,
    open_log,
    record,
    token,
)
from whodid import Actor, Change, Log, Reason, Related, Resource, canonical
from whodid.errors import InvalidSetting
from whodid.evidence import ask, extract, make, verify
from whodid.evidence.document import decode
from whodid.export import Report, export, verify_export
from whodid.export.ndjson import Manifest, Proof, seal
from whodid.log import Hiding
from whodid.proof import leaf
from whodid.retention import erase_person, hiding

FIELDS = (
    *("actor.name", "actor.email", "actor.on_behalf_of", "resource.name", "related.name", "reason", "details"),
    *("context.place", "context.user_agent", "changes"),
)


@pytest.fixture
def log() -> Iterator[Log]:
    """Open the story, with somebody who acts for somebody and one who writes about a person."""
    with open_log(Clock()) as opened:
        more = [
            event(
                60,
                "contact.updated",
                Actor(type="user", id="usr_help", name="Help Desk", on_behalf_of=JOAO),
                resource=Resource(type="contact", id="con_ana", name="Ana García"),
                related=(Related(type="user", id="usr_joao", rel="owner", name="João Silva"),),
                changes=(
                    Change(path="email", before="one@a.example", after="two@a.example", class_="personal"),
                    Change(path="address.street", before="Calle Mayor 1", after="Calle Mayor 2", class_="personal"),
                    Change(path="city", before="Getafe", after="Madrid"),
                    Change(path="token", class_="secret", before_fp="0123456789abcdef", after_fp="fedcba9876543210"),
                ),
                reason=Reason(text="joão silva asked for it"),
            )
        ]
        record(opened, HOME, more)
        yield opened


def proven(log: Log, hidden: Hiding | None, query: str = "") -> list[bytes]:
    """Export with proofs and return the lines."""
    out = BytesIO()
    export(log, HOME, query, "ndjson", out, actor=MARIA, proofs=True, hiding=hidden)
    return out.getvalue().splitlines(keepends=True)


def check(lines: list[bytes]) -> Report:
    """Verify a file."""
    return verify_export(lines, lines[-1])


def forms(data: bytes) -> list[bytes]:
    """Return how bytes could stand in a file."""
    return [data, b64encode(data), b64encode(data).rstrip(b"="), data.hex().encode()]


def leaks(log: Log, file: bytes, hidden: Hiding) -> list[tuple[int, str]]:
    """Say which salts of hidden fields, and seeds of the entries that have some, a file holds."""
    found = []
    for one in log.proven(HOME, "")[1]:
        paths = set(hidden.paths(one.entry))
        for (path, _), salt in zip(canonical.fields(one.entry), one.salts, strict=True):
            if path.decode() in paths and len(salt) == leaf.SALT_SIZE and any(form in file for form in forms(salt)):
                found.append((one.entry.index, path.decode()))
    return found


@pytest.mark.parametrize("field", [*FIELDS, "changes.email", "changes.address"])
def test_a_hidden_field_leaves_no_trace_and_every_proof_holds(log: Log, field: str) -> None:
    """In evidence of everything and in an export with proofs: no value, no salt, and the file says how many."""
    hidden = Hiding(fields=(field,))
    values = {
        (entry.index, path.decode(), value.decode())
        for entry in log.read(HOME)
        for path, value in canonical.fields(entry)
        if path.decode() in hidden.paths(entry) and value is not None
    }
    assert values
    made = make(log, HOME, ask((), catalog=log.catalog), actor=Actor(type="system", id="cli"), hiding=hidden)
    data = extract(made.file)
    verdict = verify(data)
    assert verdict.ok, verdict.problems
    assert verdict.levels.c1.state == verdict.levels.c2.state == "held"
    assert verdict.counts.redacted >= len(values)
    lines = proven(log, hidden)
    report = check(lines)
    assert (report.ok, report.problems) == (True, ())
    assert report.hidden == sum(len(hidden.paths(entry)) for entry in log.read(HOME, 0, report.size))
    for file in (data, b"".join(lines)):
        assert leaks(log, file, hidden) == []
    entries = decode(data).entries
    assert not values & {(entry.index, path, value) for entry in entries for path, _, value in entry.fields}


def test_the_salts_are_looked_for_where_they_would_be(log: Log) -> None:
    """What finds leaks finds them in files that hide nothing."""
    hidden = Hiding(fields=FIELDS)
    assert len(leaks(log, b"".join(proven(log, None)), hidden)) > 20
    data = extract(make(log, HOME, ask((), catalog=log.catalog), actor=MARIA).file)
    assert len(leaks(log, data, hidden)) > 20


def test_no_seed_can_be_told_from_the_salts_that_stay(log: Log) -> None:
    """The salts of an entry come out of its seed, which is in no file."""
    file = b"".join(proven(log, Hiding(fields=("actor.name",))))
    seeds = [kept.seed for kept in log._store.read(HOME, 0, 8)]
    assert len(seeds) == 8
    assert [seed for seed in seeds if any(form in file for form in forms(seed))] == []


def test_a_hidden_person_is_nowhere(log: Log) -> None:
    """As actor, as whom somebody acts for, as related, and where others wrote the name; the opaque id stays."""
    hidden = hiding(log, HOME, people=["user:usr_joao"])
    assert hidden is not None
    words = ("João", "joão", "Jo\\u00e3o", "joao.private", "198.51.100.77", "203.0.113.9", "Lisbon")
    data = extract(make(log, HOME, ask((), catalog=log.catalog), actor=MARIA, hiding=hidden).file)
    lines = proven(log, hidden)
    assert verify(data).ok
    assert check(lines).ok
    for file in (data.decode(), b"".join(lines).decode()):
        assert [word for word in words if word in file] == []
        assert "usr_joao" in file
        assert "Maria Torres" in file
    whole = b"".join(proven(log, None)).decode()
    assert [word for word in words if word in whole] != []


def test_who_came_after_the_search_is_hidden_whole(log: Log) -> None:
    """An entry that was recorded while the file was made shows nothing that could be the person's."""
    hidden = hiding(log, HOME, people=["user:usr_joao"])
    record(log, HOME, [event(70, "contact.deleted", JOAO, reason=Reason(text="João Silva again"))])
    assert hidden is not None
    file = b"".join(proven(log, hidden)).decode()
    assert "João" not in file
    assert "usr_joao" in file


def test_plain_files_say_what_is_hidden(log: Log) -> None:
    """CSV and NDJSON without proofs carry a cover, not an empty cell."""
    hidden = Hiding(fields=("actor.name", "changes.email", "reason"))
    out = BytesIO()
    export(log, HOME, "", "csv", out, actor=MARIA, hiding=hidden)
    rows = list(csv.DictReader(StringIO(out.getvalue().decode())))
    assert {row["actor_name"] for row in rows} <= {"[hidden]", ""}
    out = BytesIO()
    export(log, HOME, "contact.updated", "ndjson", out, actor=MARIA, hiding=hidden)
    first = json.loads(out.getvalue().splitlines()[0])
    assert first["changes"][0]["before"] == {"$": "hidden"}
    assert first["changes"][2]["before"] == "Getafe"
    assert first["reason"] == {"text": "[hidden]"}


def test_what_was_hidden_is_recorded(log: Log) -> None:
    """The record of the file names the fields and the people."""
    hidden = hiding(log, HOME, ["reason"], ["contact:con_ana"])
    proven(log, hidden)
    assert (log.find(HOME, "action:audit.exported").entries[0].details or {})["hidden"] == ["reason", "contact:con_ana"]


def test_what_was_erased_stays_erased(log: Log) -> None:
    """A file tells hidden from erased, and both verify."""
    erase_person(log, HOME, "contact:con_ana", actor=MARIA, reason=Reason(text="Request 9"))
    hidden = Hiding(fields=("actor.name", "resource.name"))
    lines = proven(log, hidden)
    assert check(lines).ok
    verdict = verify(extract(make(log, HOME, ask((), catalog=log.catalog), actor=MARIA, hiding=hidden).file))
    assert verdict.ok
    assert verdict.counts.erased > 0
    assert verdict.counts.redacted > 0


# --------------------------------------------------------------------------------------------------------- attacks


def forged(line: bytes, *, hidden: tuple[str, ...] | None = None, **entry: object) -> list[bytes]:
    """Take a line of a file, change it, and make the manifest fit."""
    at = line.rfind(b',"proof":{')
    said = canonical.read_wire(line[:at] + b"}")
    proof = msgspec.json.decode(line[at + 9 : -2], type=Proof)
    said = msgspec.structs.replace(said, **entry)
    if hidden is not None:
        proof = msgspec.structs.replace(proof, hidden=hidden)
    return [canonical.wire(said)[:-1] + b',"proof":' + canonical.encode(proof) + b"}\n"]


def completed(lines: list[bytes], manifest: bytes) -> list[bytes]:
    """Complete a file with a manifest that fits."""
    known = msgspec.structs.replace(msgspec.json.decode(manifest, type=Manifest), count=len(lines))
    return [*lines, seal(known, sha256(b"".join(lines))).encode()]


def test_a_value_cannot_stand_where_one_is_hidden(log: Log) -> None:
    """Showing something else than what was committed to, and calling it hidden, is found."""
    lines = proven(log, Hiding(fields=("resource.name",)), "contact.deleted")
    assert check(lines).ok
    deleted = canonical.read_wire(lines[0][: lines[0].rfind(b',"proof":{')] + b"}")
    other = msgspec.structs.replace(deleted.resource, name="Somebody Else")
    assert not check(completed(forged(lines[0], resource=other), lines[-1])).ok
    for hidden in ((), ("resource.name", "resource.name"), ("actor.name",), ("core",), ("resource.name", "actor.name")):
        assert not check(completed(forged(lines[0], hidden=hidden), lines[-1])).ok, hidden
    assert check(completed(forged(lines[0]), lines[-1])).ok


def test_a_value_cannot_stand_where_one_was_erased(log: Log) -> None:
    """What an erasure took cannot be written anew over its commitment."""
    erase_person(log, HOME, "contact:con_juan", actor=MARIA, reason=Reason(text="Request 9"))
    lines = proven(log, None, "contact.deleted")
    assert check(lines).ok
    erased = canonical.read_wire(lines[0][: lines[0].rfind(b',"proof":{')] + b"}")
    assert erased.erased is not None
    other = msgspec.structs.replace(erased.resource, name="Somebody Else")
    report = check(completed(forged(lines[0], resource=other), lines[-1]))
    assert not report.ok


def test_what_cannot_be_hidden_is_refused(log: Log) -> None:
    """Ids and actions stay in every file; a wrong name hides nothing silently."""
    for field in ("actor.id", "core", "changes.", "action", "", "details.x", "resource"):
        with pytest.raises(InvalidSetting, match="cannot be hidden"):
            Hiding(fields=(field,))
    with pytest.raises(InvalidSetting):
        hiding(log, HOME, people=["nobody"])
    assert hiding(log, HOME) is None


def test_evidence_over_http_hides_what_is_asked(log: Log) -> None:
    """By the body of the request; the file verifies and counts what is withheld."""
    headers = bearer(token(permissions=(READ, EXPORT, PII)))
    with client(log) as http:
        for wish, word in (({"hide": ["reason"]}, b"2231"), ({"hide_people": ["contact:con_juan"]}, "Pérez".encode())):
            ask_ = {"ask": ["resource:contact:con_juan"]}
            assert word in http.post("/v1/evidence", json=ask_, headers=headers).content
            file = http.post("/v1/evidence", json=ask_ | wish, headers=headers).content
            assert word not in file
            verdict = verify(extract(file))
            assert verdict.ok
            assert verdict.counts.redacted >= 1
        refused = http.post("/v1/evidence", json={"hide": ["actor.id"]}, headers=headers)
        assert refused.status_code in {400, 422}


@pytest.mark.parametrize(
    "question",
    [
        ["access"],
        ["approvals"],
        ["resource:contact:con_juan"],
        ["actor:user:usr_maria"],
        ["actor:usr_maria", "action:contact.*"],
        ["entry:0,2..3"],
    ],
    ids=["access", "approvals", "resource", "actor", "both", "entries"],
)
def test_an_estimate_of_evidence_tells_what_it_will_hold(log: Log, question: list[str]) -> None:
    """Of ready-made questions as of any other; what is asked for is neither made nor recorded."""
    headers = bearer(token(permissions=(READ, EXPORT, PII)))
    told = (("user.role_changed", "user", "usr_joao"), ("template.approved", "template", "tpl_spring"))
    more = [
        event(70 + at, action, MARIA, resource=Resource(type=type_, id=id_, name=id_), reason=Reason(text="She asked"))
        for at, (action, type_, id_) in enumerate(told)
    ]
    record(log, HOME, more)
    wish = {"ask": question, "hide": ["reason", "resource.name"]}
    with client(log) as http:
        before = log.head(HOME).size
        estimate = http.post("/v1/evidence/estimate", json=wish, headers=headers)
        assert log.head(HOME).size == before
        counts = verify(extract(http.post("/v1/evidence", json=wish, headers=headers).content)).counts
    assert estimate.json() == {
        "count": {"value": counts.answers, "exact": True},
        "hidden": {"value": counts.redacted, "exact": True},
    }
    assert counts.redacted > 0


def test_an_estimate_of_evidence_refuses_what_evidence_does(log: Log) -> None:
    """Without the right, with a locked filter, of what is no question."""
    with client(log) as http:
        for path in ("/v1/evidence", "/v1/evidence/estimate"):
            for rights, locked, wish, status in (
                ((READ,), None, {}, 403),
                ((READ, EXPORT), "type:contact", {}, 403),
                ((READ, EXPORT), None, {"ask": ["everything"]}, 400),
                ((READ, EXPORT), None, {"hide": ["actor.id"]}, 422),
                ((READ, EXPORT), None, {"since": "whenever"}, 400),
            ):
                sent = bearer(token(permissions=rights, locked=locked))
                assert http.post(path, json=wish, headers=sent).status_code == status, (path, wish)


def asked(http: Any, headers: dict[str, str], **wish: object) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Return the estimate of an export, its finished job and its file."""
    estimate = http.post("/v1/exports/estimate", json=wish, headers=headers)
    assert estimate.status_code == 200, estimate.text
    job = finished(http, http.post("/v1/exports", json=wish, headers=headers).json()["id"], headers)
    assert job["state"] == "ready", job
    return estimate.json(), job, http.get(f"/v1/exports/{job['id']}/file", headers=headers).content


@pytest.mark.parametrize(
    "wish",
    [
        {"hide": ["reason", "changes.email"]},
        {"hide_people": ["user:usr_joao"]},
        {"hide": ["context.place"], "hide_people": ["contact:con_ana"]},
    ],
    ids=["fields", "person", "both"],
)
def test_an_export_job_hides_what_it_said_it_would(log: Log, wish: dict[str, list[str]]) -> None:
    """The estimate tells how many values; the file verifies, lacks as many, and holds no salt of theirs and no seed."""
    headers = bearer(token(permissions=(READ, EXPORT, PII)))
    with client(log) as http:
        estimate, job, file = asked(http, headers, format="ndjson", proofs=True, **wish)
    hidden = hiding(log, HOME, wish.get("hide", []), wish.get("hide_people", []))
    assert hidden is not None
    lines = file.splitlines(keepends=True)
    report = check(lines)
    assert (report.ok, report.problems) == (True, ())
    assert estimate["hidden"] == {"value": report.hidden, "exact": True}
    assert report.hidden > 0
    assert job["hidden"] == hidden.words()
    assert leaks(log, file, hidden) == []
    seeds = [kept.seed for kept in log._store.read(HOME, 0, report.size)]
    assert seeds
    assert [seed for seed in seeds if any(form in file for form in forms(seed))] == []


def test_an_estimate_does_not_count_what_is_hidden_anyway(log: Log) -> None:
    """Whoever may not see personal values learns nothing of them from the number."""
    wish = {"format": "ndjson", "hide": list(FIELDS)}
    with client(log) as http:
        told = [
            asked(http, bearer(token(permissions=rights)), **wish)[0]["hidden"]["value"]
            for rights in ((READ, EXPORT), (READ, EXPORT, PII))
        ]
    assert 0 < told[0] < told[1]


def test_an_estimate_of_much_says_that_there_is_more(log: Log) -> None:
    """It looks at so many entries and no more."""
    headers = bearer(token(permissions=(READ, EXPORT, PII)))
    wish = {"format": "csv", "hide": ["resource.name"]}
    with client(log) as http, patch("whodid.server.sizing._MOST_LOOKED_AT", 3):
        told = http.post("/v1/exports/estimate", json=wish, headers=headers).json()["hidden"]
        assert told == {"value": 3, "exact": False}
        assert http.post("/v1/exports/estimate", json=wish | {"hide": ["id"]}, headers=headers).status_code == 422
