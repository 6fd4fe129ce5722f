"""Evidence over HTTP and by command: it verifies, it withholds what its reader may not see, and it is recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import serving
from tests.serving import (
    EXPORT,
    HOME,
    MARIA,
    NOW,
    PII,
    READ,
    Clock,
    bearer,
    check_problem,
    event,
    open_log,
    record,
    token,
)
from whodid import Log, Resource, canonical
from whodid.cli import main
from whodid.errors import NotFound, StoreCorrupt
from whodid.evidence import ask, extract, make, policy, verifier, verify
from whodid.log import Snapshot
from whodid.query import parse
from whodid.retention import purge

http = serving.http

PERSONAL = (b"maria@lumen", b"joao.private", b"83.45.112", b"198.51.100", b"203.0.113", b"ana.old", b"611 204 880")


@pytest.fixture(params=["memory", "sqlite"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    """Open the story on each engine."""
    with open_log(Clock(), f"sqlite:///{tmp_path}/audit.db" if request.param == "sqlite" else "memory://") as opened:
        yield opened


def asked(
    http: TestClient, rights: tuple[str, ...] = (READ, EXPORT, PII), *, locked: str | None = None, **wish: Any
) -> Any:
    """Ask for a file."""
    return http.post("/v1/evidence", json=wish, headers=bearer(token(permissions=rights, locked=locked)))


def test_a_file_over_http_verifies_and_is_recorded(http: TestClient, log: Log) -> None:
    """The answer is a page that verifies under the key of the log, and the log knows its digest."""
    answer = asked(http, ask=["resource:contact:con_ana"])
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="evidence-{HOME}-')
    verdict = verify(extract(answer.content), trusted=[log.verifier_key(HOME)])
    assert verdict.ok
    assert verdict.trusted
    shown = {one.index for one in verdict.answers}
    assert {entry.index for entry in log.stream(HOME, "resource:contact:con_ana")} <= shown
    (entry,) = log.find(HOME, parse("action:audit.exported", now=NOW)).entries
    assert entry.actor.id == MARIA.id
    assert entry.details is not None
    assert entry.details["format"] == "evidence"
    assert entry.details["sha256"] == sha256(answer.content).hexdigest()
    assert entry.details["count"] == len(verdict.answers)
    assert log.verify(HOME).ok


def test_a_reader_without_personal_data_gets_proofs_without_them(http: TestClient) -> None:
    """What the reader may not see is withheld, and every proof still holds."""
    whole, veiled = asked(http), asked(http, (READ, EXPORT))
    assert [word for word in PERSONAL if word in whole.content]
    assert [word for word in PERSONAL if word in veiled.content] == []
    verdict = verify(extract(veiled.content))
    assert verdict.ok
    assert verdict.counts.redacted > 0
    assert verdict.levels.c1.state == verdict.levels.c2.state == "held"


@pytest.mark.parametrize(
    ("rights", "locked", "wish", "status", "name"),
    [
        ((READ,), None, {}, 403, "denied"),
        ((EXPORT,), None, {}, 403, "denied"),
        ((READ, EXPORT, PII), "type:contact", {}, 403, "denied"),
        ((READ, EXPORT), None, {"ask": ["maria"]}, 400, "invalid-query"),
        ((READ, EXPORT), None, {"ask": "resource:contact:a"}, 422, "invalid-body"),
        ((READ, EXPORT), None, {"workspace": "other"}, 422, "invalid-body"),
        ((READ, EXPORT), None, {"since": "2026-12", "until": "2026-11"}, 400, "invalid-query"),
    ],
)
def test_what_cannot_be_had_is_refused(  # noqa: PLR0917 - a table of cases
    http: TestClient, rights: tuple[str, ...], locked: str | None, wish: dict[str, Any], status: int, name: str
) -> None:
    """Rights, a locked filter and a bad question each have their answer."""
    answer = asked(http, rights, locked=locked, **wish)
    assert (answer.status_code, name in answer.json()["type"]) == (status, True), answer.text


def test_the_verifier_is_a_page_of_its_own(http: TestClient) -> None:
    """The stand-alone verifier is served as it is shipped, under a policy that forbids every connection."""
    answer = http.get("/verify")
    assert answer.content == verifier()
    assert answer.headers["content-security-policy"] == f"{policy()}; frame-ancestors 'none'"
    assert "default-src 'none'" in policy()
    assert "connect-src" not in policy()
    check_problem(http.post("/verify"), 405, "method-not-allowed")


def test_a_file_that_would_not_hold_is_never_handed_out(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the store hides an entry from its own index, nothing is made and nothing is recorded as made."""
    question = ask(["resource:contact:con_ana"], catalog=log.catalog)
    look_up = Snapshot.look_up
    monkeypatch.setattr(Snapshot, "look_up", lambda self, number, tag: ((), look_up(self, number, tag)[1]))
    with pytest.raises(StoreCorrupt, match="segment 0"):
        make(log, HOME, question, actor=MARIA)
    assert log.count(HOME, "action:audit.exported").value == 0
    monkeypatch.undo()
    assert make(log, HOME, question, actor=MARIA).count > 0


def test_the_command_makes_what_the_command_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`whodid evidence` writes a file; `whodid verify` trusts it by key or by store, and finds what was changed."""
    store, file = f"sqlite:///{tmp_path}/audit.db", tmp_path / "contact.html"
    with open_log(Clock(), store) as log:
        key = log.verifier_key(HOME)

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        told = capsys.readouterr()
        return int(str(ended.value.code)), told.out + told.err

    code, _ = run("evidence", "resource:contact:con_ana", "-o", str(file), "-w", HOME, "--store", store, "--headers")
    assert code == 0
    assert run("verify", str(file))[0] == 5
    code, told = run("verify", str(file), "--key", key)
    assert code == 0
    assert "by all headers" in told
    code, told = run("verify", str(file), "--store", store)
    assert code == 0
    assert "this very file, as entry" in told
    code, told = run("verify", str(file), "--json", "--key", key)
    assert json.loads(told)["levels"]["c1"]["state"] == "held"
    file.write_bytes(file.read_bytes().replace(b"con_ana", b"con_anb"))
    code, told = run("verify", str(file), "--key", key)
    assert code == 1
    assert "NOT proven" in told
    file.write_bytes(b"<!DOCTYPE html>nothing")
    assert run("verify", str(file))[0] == 1


def test_evidence_survives_retention(tmp_path: Path) -> None:
    """After segments were purged, evidence begins where content begins, says so, and still verifies."""
    clock = Clock()
    with open_log(clock, f"sqlite:///{tmp_path}/audit.db") as log:
        for day in range(95):
            clock.advance(days=1)
            ago = NOW - clock.now
            for at in range(3):
                contact = Resource(type="contact", id=f"con_{at}")
                record(log, HOME, [event(1_000 + 3 * day + at, "contact.updated", ago=ago, resource=contact)])
            log.seal(HOME)
        question = ask(["resource:contact:con_1"], catalog=log.catalog)
        before = make(log, HOME, question, actor=MARIA)
        purge(log, HOME, actor=MARIA)
        assert log.head(HOME).first > 0
        for asked_for in (question, ask([], catalog=log.catalog)):
            verdict = verify(extract(make(log, HOME, asked_for, actor=MARIA).file))
            assert verdict.ok
            assert verdict.cover is not None
            assert verdict.cover.first > 0
            assert verdict.counts.shown > 80
        assert verify(extract(before.file)).ok
        early = question._replace(since=canonical.micros(NOW + timedelta(hours=1)))
        verdict = verify(extract(make(log, HOME, early, actor=MARIA).file))
        assert verdict.ok
        assert verdict.statement is not None
        assert verdict.statement.since is None
        with pytest.raises(NotFound, match="left by retention"):
            make(log, HOME, early._replace(until=canonical.micros(NOW + timedelta(days=1))), actor=MARIA)
