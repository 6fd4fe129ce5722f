"""Answers over HTTP and by command: what may be seen, what is refused, and evidence of the same entries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import serving
from tests.serving import (
    ALL,
    EXPORT,
    HOME,
    MARIA,
    READ,
    Clock,
    bearer,
    check_problem,
    event,
    open_log,
    record,
    token,
)
from whodid import Log, Reason, Resource
from whodid.answers import QUESTIONS
from whodid.cli import main
from whodid.evidence import extract, verify

clock, log, http = serving.clock, serving.log, serving.http


def asked(
    http: TestClient, question: str, *, rights: tuple[str, ...] = ALL, locked: str | None = None, **more: str
) -> Any:
    """Ask a question."""
    return http.get(f"/v1/answers/{question}", params=more, headers=bearer(token(permissions=rights, locked=locked)))


def test_the_list_of_questions_has_titles_and_types(http: TestClient) -> None:
    """In the language that is asked for."""
    items: list[Any] = []
    for lang, words in (("en", "Who deleted this?"), ("es", "¿Quién eliminó esto?")):
        items = http.get(f"/v1/answers?lang={lang}", headers=bearer(token())).json()["items"]
        assert [item["question"] for item in items] == list(QUESTIONS)
        assert items[0]["title"] == words
    assert items[1]["types"] == ["template"]


def test_an_answer_says_how_complete_it_is(http: TestClient, log: Log) -> None:
    """Level by level in the language that is asked for; a viewer of a part of the log is not told."""
    log.seal(HOME, close=True)
    size = log.head(HOME).size
    found = asked(http, "stop", subject="campaign:cmp_1").json()["completeness"]
    states = {one["level"]: one["state"] for one in found["levels"]}
    assert states == {"C0": "held", "C1": "absent", "C2": "held", "C3": "held", "C4": "absent"}
    assert (found["sealed"], found["unsealed"], found["words"]) == (size - 1, 0, None)
    record(log, HOME, [event(61, "campaign.started", MARIA, resource=Resource(type="campaign", id="cmp_1"))])
    open_ = asked(http, "stop", subject="campaign:cmp_1", lang="es").json()["completeness"]
    assert open_["unsealed"] == 1
    assert open_["words"].startswith("Aún sin sellar")
    assert "no falta ninguna" in open_["levels"][2]["words"]
    assert asked(http, "stop", subject="campaign:cmp_1", completeness="no").json()["completeness"] is None
    assert asked(http, "stop", subject="campaign:cmp_1", completeness="some").status_code == 400
    narrow = asked(http, "stop", subject="campaign:cmp_1", locked="type:campaign").json()["completeness"]
    assert {one["state"] for one in narrow["levels"]} == {"absent"}


def test_an_answer_and_the_evidence_for_it(http: TestClient) -> None:
    """What is answered can be posted as it is, and the file holds the same entries."""
    found = asked(http, "stop", subject="campaign:cmp_1").json()
    assert found["finding"].startswith("Campaign guard paused campaign Diwali early access")
    assert found["subject"]["name"] == "Diwali early access"
    assert [row["entries"] for row in found["rows"]] == [[3], [2]]
    file = http.post("/v1/evidence", json=found["evidence"], headers=bearer(token()))
    verdict = verify(extract(file.content))
    assert verdict.ok
    assert sorted(item["index"] for item in found["items"]) == [one.index for one in verdict.answers]
    assert found["count"] == {"value": len(verdict.answers), "exact": True}


def test_who_may_not_see_personal_values_is_not_told_them(http: TestClient, log: Log) -> None:
    """A name in the form of an address is hidden in the sentence, the rows and the entries, and that is said."""
    mail = Resource(type="contact", id="con_mail", name="private.person@mail.example")
    reason = Reason(text="+34 600 111 222")
    record(log, HOME, [event(50, "contact.deleted", MARIA, resource=mail, reason=reason)])
    secrets = ("private.person", "600 111 222", "maria@lumen")
    whole = asked(http, "deletion", subject="contact:con_mail").text
    assert all(text in whole for text in secrets)
    answer = asked(http, "deletion", rights=(READ,), subject="contact:con_mail")
    assert [text for text in secrets if text in answer.text] == []
    assert "Personal values are hidden from you" in answer.json()["limits"]
    assert "[hidden]" in answer.json()["finding"]


def test_a_locked_filter_narrows_the_answer(http: TestClient) -> None:
    """The chain ends where the filter does, it is said so, and there is no evidence."""
    found = asked(http, "stop", locked="type:campaign", subject="campaign:cmp_1").json()
    assert [row["entries"] for row in found["rows"]] == [[3]]
    assert found["evidence"] is None
    assert any("not for you to see" in limit for limit in found["limits"])
    assert any("part of the log" in limit for limit in found["limits"])
    outside = asked(http, "deletion", locked="type:campaign", subject="contact:con_juan").json()
    absent = asked(http, "deletion", locked="type:campaign", subject="contact:con_nobody").json()
    assert outside["finding"].replace("con_juan", "con_nobody") == absent["finding"]
    assert (outside["items"], outside["rows"], outside["limits"]) == ([], [], absent["limits"])
    assert "usr_joao" not in asked(http, "roles", locked="type:campaign").text


def test_what_is_refused(http: TestClient) -> None:
    """A question that is none, one without its subject, one about a day that has none, and nobody's."""
    check_problem(asked(http, "nothing"), 400, "invalid-query")
    check_problem(asked(http, "stop"), 400, "invalid-query")
    check_problem(asked(http, "stop", subject="campaign"), 400, "invalid-query")
    check_problem(asked(http, "stop", subject="campaign:cmp_1", on="2026-11-20"), 400, "invalid-query")
    check_problem(asked(http, "roles", on="someday"), 400, "invalid-query")
    check_problem(asked(http, "keys", rights=(EXPORT,)), 403, "denied")
    assert asked(http, "keys", rights=(READ,)).json()["evidence"] is None
    assert http.get("/v1/answers/keys").status_code == 401
    assert http.get("/v1/answers").status_code == 401


def test_a_day_in_a_zone(http: TestClient) -> None:
    """The day begins where the viewer is."""
    found = asked(http, "roles", on="2026-11-19", tz="Europe/Madrid").json()
    assert (found["since"], found["until"]) == ("2026-11-18T23:00:00.000000Z", "2026-11-19T23:00:00.000000Z")
    maria = next(row for row in found["rows"] if row["subject"]["id"] == "usr_maria")
    assert maria["said"].startswith("Manager, as entry ")
    assert not maria["proven"]


def test_the_command_answers_and_writes_the_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As text, as JSON, and as a file that verifies."""
    monkeypatch.chdir(tmp_path)
    with open_log(Clock(), "sqlite:///audit.db"):
        pass
    own = ("--store", "sqlite:///audit.db", "-w", HOME)
    with pytest.raises(SystemExit) as ended:
        main(["answer", "stop", "campaign:cmp_1", "-o", "why.html", *own])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("Why did this stop? campaign Diwali early access\nCampaign guard paused campaign")
    assert "It rests on these entries: 3, 2" in text
    assert "- What the application does not record, no log can show." in text
    verdict = verify(extract(Path("why.html").read_bytes()))
    assert verdict.ok
    assert [one.index for one in verdict.answers] == [2, 3]
    with pytest.raises(SystemExit) as ended:
        main(["answer", "roles", "--on", "2026-11-19", "--json", "--lang", "es", *own])
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["evidence"] is None
    assert {row["id"] for row in told["rows"]} == {"usr_maria"}
    with pytest.raises(SystemExit) as ended:
        main(["answer", "stop", *own])
    assert ended.value.code != 0
