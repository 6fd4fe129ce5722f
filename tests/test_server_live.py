"""The live stream: what is recorded from now on reaches whoever may see it, and nobody else."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests import serving
from tests.serving import (
    ALL,
    AWAY,
    EXPORT,
    HOME,
    JOAO,
    NOW,
    READ,
    SECRET,
    Clock,
    bearer,
    check_problem,
    client,
    event,
    open_log,
    token,
)
from tests.test_server_serve import running
from whodid import Log
from whodid.server.answers import Answer, Call
from whodid.server.live import Live
from whodid.server.sessions import Sessions

clock, log = serving.clock, serving.log


def call(text: str, query: tuple[tuple[str, str], ...] = (), **headers: str) -> Call:
    """Make a request for the stream."""
    return Call(
        method="GET",
        path={},
        query=query,
        headers={"authorization": f"Bearer {text}", **headers},
        body=b"",
        client=None,
        secure=True,
        base="",
        request_id="req_1",
    )


class Listener:
    """Somebody who reads a stream.

    Args:
        live: The route.
        asked: The request.
    """

    def __init__(self, live: Live, asked: Call) -> None:
        answer: Answer = live.handlers[0].answer(asked)
        assert answer.status == 200
        assert answer.media_type == "text/event-stream"
        self.body: Any = answer.body

    def next(self) -> tuple[str, dict[str, Any]] | None:
        """Return the next message, or None when there is nothing to say."""
        part: bytes = next(self.body)
        if not part:
            return None
        lines = dict(line.split(": ", 1) for line in part.decode().strip().splitlines())
        data = json.loads(lines["data"])
        assert int(lines["id"]) == data["size"]
        return lines["event"], data


def live(log: Log, **settings: Any) -> Live:
    """Make the route, whose look at the head is always a new one."""
    made = Live(log, Sessions(log, secret=SECRET), **settings)
    made.size = lambda workspace, session: session.reader.head()[0]  # type: ignore[method-assign]
    return made


def test_new_entries_are_told_and_old_ones_are_not(log: Log) -> None:
    """Nothing of before, each new entry once, with its sentence, then silence."""
    listener = Listener(live(log), call(token()))
    assert listener.next() == ("head", {"size": 8})  # the seven of the story and the record of opening
    assert listener.next() is None
    log.record_many(HOME, [event(50, "contact.created"), event(51, "contact.deleted")])
    told = listener.next()
    assert told is not None
    assert [item["action"] for item in told[1]["items"]] == ["contact.created", "contact.deleted"]
    assert told[1]["items"][0]["sentence"]["template"]
    assert told[1]["size"] == 10
    assert listener.next() is None


def test_a_stream_is_narrowed_like_a_list(log: Log) -> None:
    """By its query, by the locked filter of its token, by the workspace."""
    only = Listener(live(log), call(token(), (("q", "action:contact.deleted"),)))
    locked = Listener(live(log), call(token(locked="resource:contact:con_61")))
    away = Listener(live(log), call(token(AWAY)))
    for listener in (only, locked, away):
        listener.next()
    log.record_many(HOME, [event(60, "contact.deleted"), event(61, "contact.created"), event(62, "contact.created")])
    told = [listener.next() for listener in (only, locked)]
    assert [[item["resource"]["id"] for item in one[1]["items"]] for one in told if one] == [["con_60"], ["con_61"]]
    assert away.next() is None


def test_hidden_values_stay_hidden(log: Log) -> None:
    """Without the permission an address is neither told nor found."""
    seen = Listener(live(log), call(token(permissions=[READ])))
    tried = Listener(live(log), call(token(permissions=[READ]), (("q", "joao.private"),)))
    seen.next(), tried.next()
    log.record(HOME, event(70, "contact.created", JOAO))
    told = seen.next()
    assert told is not None
    assert "joao.private" not in json.dumps(told[1])
    assert tried.next() is None


def test_who_comes_back_misses_nothing(log: Log) -> None:
    """The last id, as header or parameter, is where it goes on."""
    log.record_many(HOME, [event(80, "contact.created"), event(81, "contact.created")])
    for asked in (call(token(), (), **{"last-event-id": "8"}), call(token(), (("after", "8"),))):
        listener = Listener(live(log), asked)
        listener.next()
        told = listener.next()
        assert told is not None
        assert [item["resource"]["id"] for item in told[1]["items"]][-1] in {"con_81", HOME}


def test_a_flood_is_told_in_parts(log: Log) -> None:
    """However much is recorded, a message holds the newest fifty and says how many there were."""
    listener = Listener(live(log), call(token()))
    listener.next()
    log.record_many(HOME, [event(1000 + n, "contact.created") for n in range(700)])
    first, second = listener.next(), listener.next()
    assert first is not None
    assert second is not None
    assert (first[1]["count"], len(first[1]["items"])) == (500, 50)
    assert second[1]["count"] == 200


def test_a_stream_ends_with_its_token(log: Log, clock: Clock) -> None:
    """It says why, and nothing more."""
    listener = Listener(live(log), call(token()))
    listener.next()
    clock.advance(minutes=11)
    assert listener.next() == ("end", {"why": "expired", "size": 8})
    with pytest.raises(StopIteration):
        next(listener.body)


def test_streams_are_counted(log: Log) -> None:
    """One too many is told to come back later; a closed one makes room, one that was never read takes none."""
    route = live(log, most=2)
    Listener(route, call(token()))
    open_ones = [Listener(route, call(token())) for _ in range(2)]
    for one in open_ones:
        one.next()
    refused = route.handlers[0].answer(call(token()))
    assert (refused.status, dict(refused.headers)["Retry-After"]) == (503, "15")
    open_ones[0].body.close()
    open_ones[0].body.close()
    assert route.handlers[0].answer(call(token())).status == 200


def test_only_a_reader_hears_anything(log: Log) -> None:
    """Without a token, with a bad one, without the right to read, with a question that is none."""
    with client(log) as http:
        check_problem(http.get("/v1/stream"), 401, "unauthorised")
        check_problem(http.get("/v1/stream", headers=bearer("x")), 401, "unauthorised")
        check_problem(http.get("/v1/stream", headers=bearer(token(permissions=[EXPORT]))), 403, "denied")
        check_problem(http.get("/v1/stream?q=nope:", headers=bearer(token(permissions=ALL))), 400, "invalid-query")
        check_problem(http.get("/v1/stream?after=-1", headers=bearer(token())), 400, "invalid-query")


def test_over_a_socket_and_to_the_orderly_end(tmp_path: Path) -> None:
    """Another process records, the stream tells it; asked to stop, the server ends the stream and itself."""
    url = f"sqlite:///{tmp_path}/audit.db"
    with open_log(Clock(), url):
        pass
    own = {"Sec-Fetch-Site": "same-origin"}
    with running(url) as (process, address, code), httpx2.Client(base_url=address, timeout=20) as browser:
        browser.post("/session", json={"code": code}, headers=own)
        sent = {"Authorization": f"Bearer {browser.post('/session/token', headers=own).text}"}
        with browser.stream("GET", "/v1/stream", headers=sent) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "event: head"
            with open_log(Clock(NOW), url) as log:
                log.record(HOME, event(90, "contact.deleted"))
            # A round of the server's own sealing may tell of entries, too.
            told = (json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))
            assert next(item for one in told for item in one.get("items", ()) if item["action"] == "contact.deleted")
            process.send_signal(signal.SIGTERM)
            assert next(line for line in lines if line == "event: end")
        assert process.wait(30) == 0
