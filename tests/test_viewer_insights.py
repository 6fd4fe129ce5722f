"""What stands out, and what can be typed next."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from tests.serving import (
    HOME,
    MARIA,
    NOW,
    PII,
    READ,
    Clock,
    bearer,
    check_problem,
    client,
    event,
    open_log,
    token,
)
from whodid import Actor, Context, Log
from whodid.query import Query
from whodid.viewer.insights import insights, newest_peak
from whodid.viewer.reader import Reader

STRANGER = Actor(type="user", id="usr_night", name="Night Person")


def quiet_month(log: Log) -> None:
    """Tell thirty days of Maria's work, then one evening of somebody else's deletions from elsewhere."""
    madrid, lisbon = Context(source="web", country="ES"), Context(source="api", country="PT")
    log.record_many(
        HOME,
        [event(100 + n, "contact.updated", ago=timedelta(days=30, hours=-7 * n), context=madrid) for n in range(90)],
    )
    log.record_many(
        HOME,
        [
            event(300 + n, "contact.deleted", STRANGER, ago=timedelta(hours=20, minutes=-n), context=lisbon)
            for n in range(12)
        ],
    )


@pytest.fixture
def http() -> Iterator[TestClient]:
    """Open a client on a log in which one evening stands out."""
    with open_log(Clock()) as log:
        quiet_month(log)
        with client(log) as opened:
            yield opened


def ask(http: TestClient, path: str, *, permissions: tuple[str, ...] = (READ, PII)) -> dict[str, object]:
    """Ask the API as Maria."""
    answer = http.get(path, headers=bearer(token(permissions=list(permissions))))
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_a_part_is_held_against_the_rest(http: TestClient) -> None:
    """Who, what and from where stood out that evening, each as a term that finds it."""
    start, end = NOW - timedelta(hours=21), NOW - timedelta(hours=19)
    found = ask(
        http,
        f"/v1/insights?range=30d&from={start:%Y-%m-%dT%H:%M:%SZ}&to={end:%Y-%m-%dT%H:%M:%SZ}",
    )
    items = found["items"]
    assert isinstance(items, list)
    assert found["count"] == 12
    assert {one["field"] for one in items} <= {"actor", "action", "country", "via", "type"}
    assert [(one["term"], one["count"], one["first"]) for one in items if one["field"] == "actor"] == [
        ("actor:usr_night", 12, True)
    ]
    for one in items:
        assert one["count"] >= 3 * one["expected"]
        listed = ask(http, f"/v1/entries?range=30d&q={one['term']}")
        assert len(listed["items"]) >= 12  # type: ignore[arg-type]


def test_what_the_log_does_by_itself_does_not_stand_out() -> None:
    """The first seals of a log are new in it, and nobody needs to be told."""
    with open_log(Clock()) as log:
        quiet_month(log)
        for number in range(4):
            log.record_many(HOME, [event(500 + number, "contact.updated")])
            assert log.seal(HOME, close=True)
        assert log.count(HOME, "action:audit.sealed actor:sealing").value == 4
        asked = Query(since=NOW - timedelta(days=30), until=NOW + timedelta(hours=1))
        found = insights(Reader(log, HOME, personal=True), asked, NOW, NOW + timedelta(hours=1), "en")
    assert found["count"] >= 4
    assert not {"action:audit.sealed", "actor:sealing"} & {one["term"] for one in found["items"]}


def test_the_newest_peak_is_found_by_itself(http: TestClient) -> None:
    """Without a part the evening is found, because nothing else is so high."""
    found = ask(http, "/v1/insights?range=7d")
    assert found["count"] == 12
    assert found["from"] is not None


def test_an_even_log_says_nothing() -> None:
    """Where every bar is alike, nothing stands out."""
    start = datetime(2026, 11, 1, tzinfo=UTC)
    bars = [(start + timedelta(hours=n), start + timedelta(hours=n + 1), 10) for n in range(24)]
    assert newest_peak(bars) is None
    assert newest_peak([*bars[:-1], (bars[-1][0], bars[-1][1], 40)]) == bars[-1][:2]


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-11-19T00:00:00Z",
        "from=yesterday&to=2026-11-19T00:00:00Z",
        "from=2026-11-19T02:00:00Z&to=2026-11-19T01:00:00Z",
        "from=2020-01-01T00:00:00Z&to=2026-11-19T01:00:00Z",
    ],
)
def test_a_part_that_is_none_is_refused(http: TestClient, query: str) -> None:
    """Half a part, no instant, backwards, or outside the range."""
    check_problem(
        http.get(f"/v1/insights?range=7d&{query}", headers=bearer(token(permissions=[READ]))), 400, "invalid-query"
    )


@pytest.mark.parametrize(
    ("term", "first"),
    [
        ("act", "actor:"),
        ("actor:nig", "actor:usr_night"),
        ("-actor:nig", "-actor:usr_night"),
        ("Night", "actor:usr_night"),
        ("action:del", "action:contact.deleted"),
        ("is:sens", "is:sensitive"),
        ("country:p", "country:PT"),
        ("user:mar", "actor:usr_maria"),
    ],
)
def test_terms_are_completed(http: TestClient, term: str, first: str) -> None:
    """Fields by their beginning, values by their names, each a whole term; counts are those of the range."""
    ask(http, "/v1/entries?range=30d")  # it records that the log was opened, before anything is counted
    found = ask(http, f"/v1/suggest?range=30d&term={term}")
    items = found["items"]
    assert isinstance(items, list)
    assert items[0]["term"] == first
    if items[0]["kind"] == "value" and items[0]["count"] is not None:
        listed = ask(http, f"/v1/entries?range=30d&limit=200&q={first.removeprefix('-')}")
        assert items[0]["count"] == len(listed["items"])  # type: ignore[arg-type]


def test_counts_of_suggestions_heed_the_rest_of_the_query(http: TestClient) -> None:
    """What is asked besides narrows the counts."""
    found = ask(http, "/v1/suggest?range=30d&q=action:contact.deleted&term=actor:m")
    items = found["items"]
    assert isinstance(items, list)
    assert all(one["count"] <= 2 for one in items)


def test_addresses_are_not_suggested_to_those_who_may_not_see_them(http: TestClient) -> None:
    """An actor's e-mail address is no way to find them without the permission."""
    found = ask(http, f"/v1/suggest?term=actor:{(MARIA.email or '')[:8]}", permissions=(READ,))
    assert found["items"] == []


def test_the_history_of_a_resource_is_an_address_of_its_own(http: TestClient) -> None:
    """Entries about it and entries that relate it."""
    found = ask(http, "/v1/resources/template/tpl_1/history")
    items = found["items"]
    assert isinstance(items, list)
    assert [one["action"] for one in items] == ["campaign.paused", "template.status_changed"]
