"""Doors whose clients never send again: what they send while the store is away waits on the disk, and is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tests import serving
from tests.serving import HOME, MARIA, client
from whodid import Event, Log, Reason, Related, Resource
from whodid.capture.remote.files import Segment
from whodid.errors import StoreFull, StoreUnavailable
from whodid.model import Context
from whodid.retention import erase_person
from whodid.server.gate import KEPT_SECONDS, LATELY, Gate
from whodid.server.keys import KeyRing
from whodid.server.meter import Meter
from whodid.server.metrics import PrometheusMeter
from whodid.server.waiting import Waiting, commit_or_keep

clock, log = serving.clock, serving.log

PUBLISHER = f"/auditlog/publisher/v1/project/{HOME}/event"
TOKEN = b"a token of the tests, of 32 bytes or more"
MIB = 1024 * 1024
FROM = Context(source="api")


@pytest.fixture
def key(log: Log) -> str:
    """Make a key that may send."""
    return KeyRing(log, HOME, actor=MARIA).create("app").text


@contextmanager
def waiting_in(log: Log, folder: Path, *, most_bytes: int = MIB, meter: Meter | None = None) -> Iterator[Waiting]:
    """Open a place to wait."""
    with Waiting(log, folder / "spool", most_bytes=most_bytes, meter=meter or Meter()) as opened:
        yield opened


@contextmanager
def away(*, keys: bool = True) -> Iterator[None]:
    """Take the store away.

    Args:
        keys: Whether it cannot be read either.
    """
    gone = StoreUnavailable("The store is away")
    with patch.object(Log, "record_many", side_effect=gone), patch.object(Log, "swap_state", side_effect=gone):
        if not keys:
            yield
            return
        with patch.object(Log, "shared_state", side_effect=gone), patch.object(Log, "state", side_effect=gone):
            yield


def said(number: int, **more: Any) -> dict[str, Any]:
    """Make an event as the client does."""
    return {"action": "thing.made", "crud": "c", "actor": {"id": "u"}, "external_id": str(number)} | more


def send(http: TestClient, key: str, *events: dict[str, Any]) -> Any:
    """Send as the client does."""
    shown = {"Authorization": f"token={key}"}
    if len(events) == 1:
        return http.post(PUBLISHER, json=events[0], headers=shown)
    return http.post(f"{PUBLISHER}/bulk", json={"events": events}, headers=shown)


def recorded(log: Log) -> list[str]:
    """Return the numbers of what was recorded, in its order."""
    return [str((one.details or {})["external_id"]) for one in log.read(HOME) if one.action == "thing.made"]


def settled(waiting: Waiting) -> None:
    """Wait until nothing waits."""
    assert waiting._sender.flush(30)
    assert waiting.depth == 0


@pytest.mark.parametrize("keys", [True, False])
def test_what_came_while_the_store_was_away_is_recorded_once_and_in_order(
    log: Log, key: str, tmp_path: Path, keys: bool
) -> None:
    """Accepted with its id and hash, then in the log under that id; nothing of it stays in the spool."""
    with waiting_in(log, tmp_path) as waiting, client(log, compat=("retraced",), waiting=waiting) as http:
        assert send(http, key, said(0)).status_code == 201
        with away(keys=keys):
            answers = [send(http, key, said(1)), send(http, key, said(2), said(3)), send(http, key, said(4))]
            assert [one.status_code for one in answers] == [201, 201, 201]
            assert waiting.depth == 4
            assert waiting.age >= 0
        settled(waiting)
        assert send(http, key, said(5)).status_code == 201
        assert recorded(log) == ["0", "1", "2", "3", "4", "5"]
        assert log.get(HOME, answers[0].json()["id"]).details is not None
        assert not list((tmp_path / "spool").glob("*.spool"))
        assert log.verify(HOME).ok


def test_what_comes_while_something_waits_waits_behind_it(log: Log, key: str, tmp_path: Path) -> None:
    """The store may be back: order is kept all the same."""
    with waiting_in(log, tmp_path) as waiting, client(log, compat=("retraced",), waiting=waiting) as http:
        send(http, key, said(0))
        with patch.object(Log, "record_many", side_effect=StoreUnavailable("Away")):
            send(http, key, said(1))
        with patch.object(waiting._sender, "waiting", return_value=1):
            assert send(http, key, said(2)).status_code == 201
        assert waiting._spool.accepted == 2
        settled(waiting)
        assert recorded(log) == ["0", "1", "2"]


def test_what_a_dead_process_left_goes_first(log: Log, tmp_path: Path) -> None:
    """The next server takes over, and what comes meanwhile is behind."""
    story = next(log.read(HOME))
    events = [_event(number, story.occurred_at) for number in range(6)]
    with away(keys=False):
        first = Waiting(log, tmp_path / "spool", most_bytes=MIB, meter=Meter())
        for event in events[:3]:
            commit_or_keep(log, Meter(), HOME, [event], first)
        first._sender.stop()
        first._spool.close(delivered=False)  # as a process that was killed: nothing was said, the files are there
        with waiting_in(log, tmp_path) as second:
            assert second.depth == 3
            for event in events[3:]:
                assert commit_or_keep(log, Meter(), HOME, [event], second) == [None]
            assert second.depth == 6
    with waiting_in(log, tmp_path) as third:
        settled(third)
    assert recorded(log) == [str(number) for number in range(6)]


def test_what_was_recorded_before_a_crash_and_not_crossed_off_is_recorded_once(log: Log, tmp_path: Path) -> None:
    """The id was given at the door."""
    event = _event(1, log.now())
    with waiting_in(log, tmp_path) as waiting:
        real = Log.record_many

        def forgets(self: Log, workspace: str, events: Any) -> Any:
            real(self, workspace, events)
            raise StoreUnavailable("The line broke after the commit")

        with patch.object(Log, "record_many", forgets):
            assert commit_or_keep(log, Meter(), HOME, [event], waiting) == [None]
        settled(waiting)
    assert recorded(log) == ["1"]


def test_nothing_is_answered_before_it_is_on_the_disk(log: Log, key: str, tmp_path: Path) -> None:
    """A disk that does not take it is a server that is busy; the client has the event still."""
    with waiting_in(log, tmp_path) as waiting, client(log, compat=("retraced",), waiting=waiting) as http:
        send(http, key, said(0))
        with away(), patch.object(Segment, "sync", side_effect=OSError(5, "Input/output error")):
            answer = send(http, key, said(1))
        assert (answer.status_code, answer.json()["type"]) == (503, "UNAVAILABLE")


def test_a_full_spool_refuses_and_says_so_to_operators(
    log: Log, key: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """503 like any busy server; what was accepted before stays accepted."""
    metrics = PrometheusMeter(TOKEN)
    with (
        waiting_in(log, tmp_path, meter=metrics) as waiting,
        client(log, compat=("retraced",), waiting=waiting, metrics=metrics) as http,
    ):
        large = {"text": "x" * 60_000}
        assert send(http, key, said(0)).status_code == 201
        accepted = ["0"]
        ready = http.get("/readyz/doors")
        assert (ready.status_code, ready.json()["spool"], ready.json()["waiting"]) == (200, "ok", 0)
        with away():
            for number in range(1, 30):
                answer = send(http, key, said(number, fields=large))
                if answer.status_code == 503:
                    break
                accepted.append(str(number))
            assert 10 < len(accepted) < 20
            assert waiting.full
            assert "spool_bytes" in caplog.text  # the word of who runs a server
            health = client(log, waiting=waiting)
            with health as fresh:
                for path in ("/readyz", "/readyz/doors"):
                    told = fresh.get(path)
                    assert told.status_code == 503
                    assert (told.json()["spool"], told.json()["store"]) == ("SpoolFull", "StoreUnavailable")
                    assert told.json()["waiting"] == len(accepted) - 1
            page = http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN.decode()}"}).text
            found = {one.name: one.value for fam in text_string_to_metric_families(page) for one in fam.samples}
            assert found["whodid_events_spooled"] == len(accepted) - 1
            assert found["whodid_spool_bytes"] > MIB // 2
            assert found["whodid_spool_age_seconds"] >= 0
        settled(waiting)
        assert recorded(log) == accepted


def test_with_room_the_doors_are_ready_though_the_store_is_not(log: Log, tmp_path: Path) -> None:
    """A balancer that asks for the doors goes on sending there; a server that stops is told apart."""
    with waiting_in(log, tmp_path) as waiting:
        with (
            patch.object(Log, "swap_shared_state", side_effect=StoreFull("Full")),
            client(log, waiting=waiting) as http,
        ):
            assert http.get("/readyz").status_code == 503
            told = http.get("/readyz/doors")
            assert (told.status_code, told.json()["spool"]) == (200, "ok")
            assert "store" not in told.json()  # it was not asked, because that may take long
        with client(log, waiting=waiting, ending=lambda: True) as http:
            assert http.get("/readyz/doors").json()["ending"] is True
            assert http.get("/readyz/doors").status_code == 503
    with client(log) as http:
        assert http.get("/readyz/doors").json() == {"ready": True, "ending": False, "store": "ok", "key": "ok"}


def test_a_key_that_was_never_seen_is_refused_as_by_a_busy_server(log: Log, key: str, tmp_path: Path) -> None:
    """Nobody is let in on trust."""
    with waiting_in(log, tmp_path) as waiting, client(log, compat=("retraced",), waiting=waiting) as http:
        with away():
            assert send(http, key, said(0)).status_code == 503
            assert send(http, "rubbish", said(0)).status_code == 401
        assert waiting.depth == 0


def test_a_key_that_was_seen_lately_lets_in_and_a_revoked_one_not_for_longer_than_the_store_is_away(log: Log) -> None:
    """Until a day after it was last looked up; asked once a second; forgotten when it is no more."""
    at = [0.0]
    ring = KeyRing(log, HOME, actor=MARIA)
    made, other = ring.create("app"), ring.create("other")
    gate = Gate(log, secret=b"s" * 32, tick=lambda: at[0])

    def admitted(text: str) -> bool:
        return gate.admit_despite(text, route="POST /x", context=FROM) is not None

    assert admitted(made.text)
    at[0] += 10
    with patch("whodid.server.gate.find_key", side_effect=StoreUnavailable("Away")) as asked:
        for _ in range(20):
            assert admitted(made.text)
        assert asked.call_count == 1
        with pytest.raises(StoreUnavailable):
            admitted(other.text)
        at[0] += 2 * KEPT_SECONDS
        assert admitted(made.text)
        assert asked.call_count == 3
        at[0] += LATELY.total_seconds()
        with pytest.raises(StoreUnavailable):
            admitted(made.text)
    assert admitted(made.text)
    ring.revoke(made.key.id)
    at[0] += 2 * KEPT_SECONDS
    assert not admitted(made.text)
    with patch("whodid.server.gate.find_key", side_effect=StoreUnavailable("Away")), pytest.raises(StoreUnavailable):
        admitted(made.text)


def test_a_key_that_expires_while_the_store_is_away_is_void(log: Log) -> None:
    """What is known of a key holds."""
    made = KeyRing(log, HOME, actor=MARIA).create("app", expires_at=log.now() + timedelta(hours=1))
    gate = Gate(log, secret=b"s" * 32)
    assert gate.admit_despite(made.text, route="POST /x", context=FROM)
    later = log.now() + timedelta(hours=2)
    gone = patch("whodid.server.gate.find_key", side_effect=StoreUnavailable("Away"))
    with gone, patch.object(Log, "now", return_value=later), pytest.raises(StoreUnavailable):
        gate.admit_despite(made.text, route="POST /x", context=FROM)


def test_no_secret_reaches_the_spool(log: Log, key: str, tmp_path: Path) -> None:
    """What lies on the disk has fingerprints already, the same that the entry has."""
    event = said(1, fields={"password": "hush-hush-hush"}, target={"id": "t", "name": "AKIAIOSFODNN7EXAMPLE"})
    with waiting_in(log, tmp_path) as waiting, client(log, compat=("retraced",), waiting=waiting) as http:
        straight = send(http, key, said(1, fields={"password": "hush-hush-hush"})).json()["id"]
        with away():
            id_ = send(http, key, event).json()["id"]
            held = b"".join(one.read_bytes() for one in (tmp_path / "spool").iterdir())
            assert b"thing.made" in held
            assert b"hush-hush" not in held
            assert b"AKIAIOSFODNN7EXAMPLE" not in held
        settled(waiting)
        first, second = log.get(HOME, straight), log.get(HOME, id_)
        assert first.details is not None
        assert second.details is not None
        assert first.details["fields"] == second.details["fields"]
        assert first.marks == second.marks == ("redacted", "undeclared")


def test_a_bad_event_is_refused_while_the_store_is_away(log: Log, key: str, tmp_path: Path) -> None:
    """As always, and nothing of its batch waits."""
    with waiting_in(log, tmp_path) as waiting, client(log, compat=("retraced",), waiting=waiting) as http:
        send(http, key, said(0))
        with away():
            assert send(http, key, said(1), {"action": "x"}).status_code == 400
            assert send(http, key, said(1, action="audit.purged")).status_code == 400
            assert waiting.depth == 0


def test_what_the_log_refuses_at_last_is_set_aside(log: Log, tmp_path: Path) -> None:
    """An id that another event took meanwhile: kept with the reason, and the others go on."""
    taken = next(log.read(HOME))
    clash, fine = _event(1, log.now(), id_=taken.id), _event(2, log.now())
    with waiting_in(log, tmp_path) as waiting:
        with away(keys=False):
            commit_or_keep(log, Meter(), HOME, [clash, fine], waiting)
        settled(waiting)
    assert recorded(log) == ["2"]
    assert b"already belongs to entry" in (tmp_path / "spool" / "refused.ndjson").read_bytes()


def test_what_was_set_aside_leaves_with_the_person(log: Log, tmp_path: Path) -> None:
    """An erasure takes the refused events that name the person, as actor, resource or related, and no others."""
    ids = [entry.id for entry in log.read(HOME)]
    juan = Resource(type="contact", id="con_juan", name="Juan Secreto")
    kin = Related(type="contact", id="con_juan", rel="owner", name="Juan Secreto")
    clashes = [
        replace(_event(1, log.now(), id_=ids[0]), resource=juan),
        replace(_event(2, log.now(), id_=ids[1]), related=(kin,)),
        replace(_event(3, log.now(), id_=ids[2]), resource=Resource(type="contact", id="con_ana", name="Ana Stays")),
    ]
    with waiting_in(log, tmp_path) as waiting:
        with away(keys=False):
            commit_or_keep(log, Meter(), HOME, clashes, waiting)
        settled(waiting)
        file = tmp_path / "spool" / "refused.ndjson"
        with file.open("ab") as cut:
            cut.write(b'{"workspace":"wsp_home","event":{"resource":{"name":"Juan Secreto')
        assert file.read_bytes().count(b"Juan Secreto") == 3
        done = erase_person(log, HOME, "contact:con_juan", actor=MARIA, reason=Reason(text="Request 7"))
        assert done.elsewhere["spool"] == 2
    left = b"".join(path.read_bytes() for path in (tmp_path / "spool").rglob("*") if path.is_file())
    assert b"Juan Secreto" not in left
    assert left.count(b"Ana Stays") == 1


def test_splunks_handler_is_answered_with_success(log: Log, key: str, tmp_path: Path) -> None:
    """Its client never sends again either."""
    event = {"time": 1_763_600_000.25, "event": {"action": "invoice.sent", "user": "bob"}}
    with waiting_in(log, tmp_path) as waiting, client(log, compat=("splunk",), waiting=waiting) as http:
        http.headers["authorization"] = f"Splunk {key}"
        assert http.post("/services/collector", json=event | {"host": "first"}).json()["code"] == 0
        with away():
            assert http.post("/services/collector", json=event).json() == {"text": "Success", "code": 0}
            assert http.post("/services/collector", json=event).json() == {"text": "Success", "code": 0}
        settled(waiting)
        assert sum(one.action == "invoice.sent" for one in log.read(HOME)) == 2


@pytest.mark.parametrize("product", ["retraced", "splunk"])
def test_a_server_that_stops_takes_in_to_the_last(log: Log, key: str, product: str) -> None:
    """503 would be the end of the event."""
    with client(log, compat=(product,), ending=lambda: True) as http:
        if product == "retraced":
            assert send(http, key, said(0)).status_code == 201
        else:
            sent = {"Authorization": f"Splunk {key}"}
            assert http.post("/services/collector", json={"event": "x"}, headers=sent).status_code == 200


def test_many_that_wait_for_a_slow_store_do_not_turn_others_away(log: Log, key: str, tmp_path: Path) -> None:
    """When as many as may wait for the store itself do so, the next goes to the disk after a moment."""
    with waiting_in(log, tmp_path) as waiting, client(log, compat=("retraced",), waiting=waiting) as http:
        send(http, key, said(0))
        with patch("whodid.server.waiting._PATIENCE", 0.01):
            held = [waiting.slots.acquire() for _ in range(4)]
            with patch.object(Log, "record_many", side_effect=StoreUnavailable("Away")):
                assert send(http, key, said(1)).status_code == 201
                assert waiting.depth == 1
            for _ in held:
                waiting.slots.release()
        settled(waiting)
        assert recorded(log) == ["0", "1"]


def _event(number: int, at: Any, *, id_: str | None = None) -> Any:
    return Event(
        id=id_ or str(UUID(int=9_000 + number)),
        occurred_at=at,
        actor=MARIA,
        action="thing.made",
        resource=Resource(type="thing", id="t"),
        details={"external_id": str(number)},
    )
