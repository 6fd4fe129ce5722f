"""The story of a session: its sign-in, its requests, pauses, its end; and what it cannot say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

import whodid
from tests.serving import ALL, AWAY, Clock, bearer, client, record, token
from whodid import Actor, Context, Event, Log, Related, Resource
from whodid.answers import Answer, Reading, Speaker, answer, subject_of
from whodid.catalog import LANGUAGES
from whodid.errors import NotFound
from whodid.evidence import ask, extract, make, verify
from whodid.retention import purge

SHOP = "wsp_shop"
NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
MARIA = Actor(type="user", id="usr_maria", name="Maria Torres")
AISHA = Actor(type="user", id="usr_aisha", name="Aisha Khan")
DENIED = "2026-11-20 09:01 UTC: Maria Torres was not allowed to delete contact Contact 5"
HER = Resource(type="user", id="usr_maria", name="Maria Torres")


def at(minute: float, number: int, action: str, who: Actor = MARIA, **more: Any) -> Event:
    """Make an event so many minutes after NOW less five hours."""
    session, request = more.pop("session", "ses_1"), more.pop("request", None)
    more.setdefault("resource", Resource(type="contact", id=f"con_{number}", name=f"Contact {number}"))
    return Event(
        id=str(UUID(int=number)),
        occurred_at=NOW - timedelta(hours=5) + timedelta(minutes=minute),
        actor=who,
        action=action,
        context=Context(source="web", session=session, request=request),
        **more,
    )


def story() -> list[Event]:
    """List a session with three requests, a pause and an end, and what is none of it."""
    return [
        at(0, 1, "auth.login", resource=HER, request="req_1"),
        at(1, 2, "contact.updated", request="req_2"),
        at(1, 3, "contact.deleted", request="req_3"),
        at(1.1, 4, "contact.deleted", request="req_3"),
        at(1.2, 5, "contact.deleted", request="req_3", outcome="denied"),
        at(2, 6, "contact.updated", AISHA, session="ses_2"),
        at(50, 7, "contact.exported", request="req_4"),
        at(60, 8, "auth.logout", resource=HER, request="req_5"),
        at(70, 9, "contact.updated", session="ses_12"),
    ]


@pytest.fixture
def log() -> Iterator[Log]:
    """Open the story."""
    with whodid.open("memory://", clock=Clock(NOW)) as opened:
        record(opened, SHOP, story())
        yield opened


def asked(log: Log, subject: str) -> Answer:
    """Ask what happened."""
    return answer(Reading(log, SHOP), log.catalog, "session", subject_of(subject), now=NOW)


def told(log: Log, found: Answer, lang: str = "en") -> list[str]:
    """Return the lines of an answer."""
    speaker = Speaker(log.catalog, lang, ZoneInfo("UTC"))
    return [
        speaker.say(found.finding),
        *(f"{speaker.name(one.subject)}: {speaker.line(one.said)}" for one in found.rows),
    ]


def test_a_session_is_told_request_by_request(log: Log) -> None:
    """Equal acts of a request in one breath, a pause where there was one, then its end."""
    found = asked(log, "session:ses_1")
    assert told(log, found) == [
        "Maria Torres signed in, on 2026-11-20 09:00 UTC; it ended on 2026-11-20 10:00 UTC: Maria Torres signed out",
        "session ses_1: entries: 7; requests: 5; changes: 2; exports: 1; denied or failed: 1",
        "request req_1: 2026-11-20 09:00 UTC: Maria Torres signed in",
        "request req_2: 2026-11-20 09:01 UTC: Maria Torres updated contact Contact 2",
        "request req_3: 2026-11-20 09:01 UTC: Maria Torres deleted contact Contact 3 (and 1 more like it); " + DENIED,
        "session ses_1: nothing for 48 minutes",
        "request req_4: 2026-11-20 09:50 UTC: Maria Torres exported contacts",
        "request req_5: 2026-11-20 10:00 UTC: Maria Torres signed out",
    ]
    assert [one.index for one in found.entries] == [7, 6, 4, 3, 2, 1, 0]


def test_the_evidence_is_of_exactly_these_entries(log: Log) -> None:
    """It proves that they are genuine; that there are no others, it does not claim."""
    found = asked(log, "session:ses_1")
    assert found.basis is not None
    made = make(log, SHOP, ask(found.basis.terms(), catalog=log.catalog), actor=AISHA)
    verdict = verify(extract(made.file))
    assert verdict.ok
    assert [one.index for one in verdict.answers] == [0, 1, 2, 3, 4, 6, 7]
    codes = [one.code for one in found.limits]
    assert ("limit.genuine" in codes, "limit.unproven" in codes, "limit.session" in codes) == (True, False, True)


def test_one_of_its_entries_is_enough(log: Log) -> None:
    """The session of the entry is told, whichever entry it is."""
    whole = asked(log, "session:ses_1")
    for index in (0, 3, 7):
        found = asked(log, f"entry:{index}")
        assert (found.finding, found.rows, found.entries) == (whole.finding, whole.rows, whole.entries)


def test_somebody_else_may_end_it(log: Log) -> None:
    """That entry does not carry the session; it names it."""
    revoked = at(
        65, 20, "auth.session_revoked", AISHA, session="ses_2", resource=HER,
        related=(Related(type="session", id="ses_12", rel="session"),),
    )  # fmt: skip
    record(log, SHOP, [at(61, 21, "auth.login", resource=HER, session="ses_12"), revoked])
    found = asked(log, "session:ses_12")
    assert told(log, found)[0].endswith("Aisha Khan ended a session of Maria Torres")
    assert len(found.entries) == 3


def test_a_session_without_end_and_one_without_beginning(log: Log) -> None:
    """Neither is invented."""
    record(
        log,
        SHOP,
        [at(80, 30, "auth.login", resource=HER, session="ses_3"), at(81, 31, "contact.updated", session="ses_3")],
    )
    assert "no entry says that it ended" in told(log, asked(log, "session:ses_3"))[0]
    assert told(log, asked(log, "session:ses_2"))[0].startswith("No kept entry tells how session ses_2 began")
    assert told(log, asked(log, "session:ses_9")) == ["No kept entry belongs to session ses_9"]
    assert asked(log, "session:ses_9").basis is None


def test_without_an_id_it_is_the_time_between_two_sign_ins(log: Log) -> None:
    """And the answer says that sessions side by side run together."""
    bare: dict[str, Any] = {"session": None}
    record(
        log,
        SHOP,
        [
            at(100, 40, "auth.login", resource=HER, **bare),
            at(101, 41, "contact.updated", **bare),
            at(102, 42, "contact.updated", AISHA, **bare),
            at(103, 43, "auth.logout", resource=HER, **bare),
            at(104, 44, "contact.updated", **bare),
            at(110, 45, "auth.login", resource=HER, **bare),
            at(111, 46, "contact.updated", **bare),
        ],
    )
    for index in (9, 10, 12):
        found = asked(log, f"entry:{index}")
        assert [one.index for one in found.entries][::-1] == [9, 10, 12]
        assert "limit.guessed" in [one.code for one in found.limits]
    assert [one.index for one in asked(log, "entry:15").entries][::-1] == [14, 15]
    with pytest.raises(NotFound, match="no such entry"):
        asked(log, "entry:99")
    with pytest.raises(NotFound, match="no such entry"):
        asked(log, "entry:x")


def test_a_beginning_that_left_by_retention_is_not_invented() -> None:
    """What is left is told, and from when on anything is kept."""
    clock = Clock(NOW)
    with whodid.open("memory://", clock=clock) as log:
        record(log, SHOP, story())
        clock.advance(hours=24 * 100)
        record(log, SHOP, [at(60 * 24 * 100, 50, "contact.updated")])
        purge(log, SHOP)
        found = answer(Reading(log, SHOP), log.catalog, "session", subject_of("session:ses_1"), now=clock())
    assert (found.finding.code, [one.index for one in found.entries]) == ("story.begun", [9])
    assert "limit.kept" in [one.code for one in found.limits]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_it_is_told_in_every_language(log: Log, lang: str) -> None:
    """Each line has its words."""
    assert len(told(log, asked(log, "session:ses_1"), lang)) == 8


def test_over_http_it_is_the_session_of_the_workspace_of_the_token(log: Log) -> None:
    """Another workspace has none of it."""
    with client(log) as http:
        mine = http.get("/v1/answers/session?subject=session:ses_1", headers=bearer(token(SHOP, ALL))).json()
        assert mine["count"]["value"] == 7
        assert mine["evidence"] == {"ask": ["entry:0..4,6..7"]}
        record(log, AWAY, [at(0, 90, "contact.created", session="ses_9")])
        other = http.get("/v1/answers/session?subject=session:ses_1", headers=bearer(token(AWAY, ALL))).json()
        assert (other["count"]["value"], other["rows"], other["evidence"]) == (0, [], None)
