"""When API keys were last used, and the entry that one leaves when its time is over: once, whoever looks."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

import pytest

from tests import serving
from tests.serving import AWAY, HOME, MARIA, NOW, SECRET, Clock, bearer, client
from whodid import Context, Entry, Log
from whodid.errors import StoreUnavailable
from whodid.server.gate import Gate
from whodid.server.keys import KeyRing, note_use
from whodid.server.lapsing import LapseWorker

clock, log = serving.clock, serving.log


@pytest.fixture
def ring(log: Log) -> KeyRing:
    """Return the keys of HOME."""
    return KeyRing(log, HOME, actor=MARIA, context=Context(source="cli"))


def expired(log: Log, workspace: str = HOME) -> list[Entry]:
    """List the records of keys that expired."""
    return [entry for entry in log.read(workspace) if entry.action == "api_key.expired"]


def test_a_use_is_shown_and_written_once_a_minute(log: Log, ring: KeyRing, clock: Clock) -> None:
    """A key that was never used says so; a busy one costs the store one write a minute."""
    made, gate = ring.create("busy", scopes=("read",)), Gate(log, secret=SECRET)
    other = ring.create("idle").key.id
    assert ring.get(made.key.id).last_used_at is None
    with patch.object(log, "swap_state", wraps=log.swap_state) as writes:
        for _ in range(5):
            assert gate.admit(made.text, route="GET /v1", context=Context())
        assert writes.call_count == 1
        clock.advance(seconds=59)
        gate.admit(made.text, route="GET /v1", context=Context())
        Gate(log, secret=SECRET).admit(made.text, route="GET /v1", context=Context())  # another process
        assert writes.call_count == 1
        assert ring.get(made.key.id).last_used_at == NOW
        clock.advance(seconds=1)
        gate.admit(made.text, route="GET /v1", context=Context())
        assert writes.call_count == 2
    assert ring.get(made.key.id).last_used_at == NOW + timedelta(minutes=1)
    assert ring.get(other).last_used_at is None


def test_a_refused_key_was_not_used(log: Log, ring: KeyRing) -> None:
    """Neither a wrong secret nor a revoked key counts."""
    made = ring.create("wrong")
    gate = Gate(log, secret=SECRET)
    assert gate.admit(made.text[:-1] + ("A" if made.text[-1] != "A" else "B"), route="x", context=Context()) is None
    ring.revoke(made.key.id)
    assert gate.admit(made.text, route="x", context=Context()) is None
    assert ring.get(made.key.id).last_used_at is None


def test_a_store_that_cannot_take_the_time_lets_the_key_in(log: Log, ring: KeyRing, clock: Clock) -> None:
    """The time is a hint; it is written with the next use that is a minute later."""
    made, gate = ring.create("app"), Gate(log, secret=SECRET)
    with patch.object(log, "swap_state", side_effect=StoreUnavailable("Busy", "Wait")):
        assert gate.admit(made.text, route="x", context=Context())
    assert ring.get(made.key.id).last_used_at is None
    clock.advance(minutes=1)
    assert gate.admit(made.text, route="x", context=Context())
    assert ring.get(made.key.id).last_used_at == NOW + timedelta(minutes=1)


def test_what_another_process_wrote_first_stays(log: Log, ring: KeyRing) -> None:
    """Two that write at once: one is told that it did not, and tries again with the next use."""
    one, two = ring.create("one").key.id, ring.create("two").key.id
    whole = log.swap_state

    def beaten(workspace: str, name: str, old: bytes | None, new: bytes) -> bool:
        whole(workspace, name, old, b'{"%s":"2026-11-20T14:00:00Z"}' % two.encode())
        return whole(workspace, name, old, new)

    with patch.object(log, "swap_state", side_effect=beaten):
        assert not note_use(log, HOME, one)
    assert (ring.get(one).last_used_at, ring.get(two).last_used_at) == (None, NOW)
    assert note_use(log, HOME, one)
    assert (ring.get(one).last_used_at, ring.get(two).last_used_at) == (NOW, NOW)


def test_the_api_shows_it_and_the_end_of_a_key_tells_it(log: Log, ring: KeyRing) -> None:
    """`GET /v1/keys` has it; whoever revokes a key records when it was last used."""
    admin, unused = ring.create("admin", scopes=("admin",)), ring.create("unused")
    with client(log) as http:
        items = {one["id"]: one for one in http.get("/v1/keys", headers=bearer(admin.text)).json()["items"]}
        assert items[f"wk_{admin.key.id}"]["last_used_at"] == "2026-11-20T14:00:00Z"
        assert "last_used_at" not in items[f"wk_{unused.key.id}"]
    ring.revoke(admin.key.id)
    ring.revoke(unused.key.id)
    revoked = [entry.details for entry in log.read(HOME) if entry.action == "api_key.revoked"]
    assert revoked == [{"last_used_at": "2026-11-20T14:00:00.000000Z"}, None]


def test_a_key_that_ends_is_recorded_once(log: Log, ring: KeyRing, clock: Clock) -> None:
    """By the clock, at the time of its end, whoever goes round and however often; keys without an end say nothing."""
    key = ring.create("trial", expires_at=NOW + timedelta(hours=1)).key
    ring.create("for good")
    KeyRing(log, AWAY, actor=MARIA).create("away", expires_at=NOW + timedelta(days=9))
    workers = [LapseWorker(log), LapseWorker(log)]
    assert [worker.round() for worker in workers] == [0, 0]
    clock.advance(hours=2)
    assert [worker.round() for worker in workers] == [1, 0]
    clock.advance(minutes=5)
    assert [worker.round() for worker in workers] == [0, 0]
    (entry,) = expired(log)
    assert (entry.resource, entry.occurred_at) == (key.resource(), key.expires_at)
    assert (entry.actor.type, entry.context and entry.context.source) == ("scheduler", "job")
    assert [(one.path, one.before, one.after) for one in entry.changes] == [("status", "active", "expired")]
    assert expired(log, AWAY) == []
    assert "lapsed" not in ring.get(key.id).view(log.now())


def test_a_crash_after_the_note_is_made_good(log: Log, ring: KeyRing, clock: Clock) -> None:
    """The process is killed before the entry is recorded: whoever reads the keys next records it, and nobody twice."""
    ring.create("trial", expires_at=NOW + timedelta(hours=1))
    clock.advance(hours=2)
    failures: list[Exception] = []
    worker = LapseWorker(log, on_error=lambda _, error: failures.append(error))
    with patch.object(log, "record", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        worker.round()
    assert expired(log) == []
    ring.all()
    assert len(expired(log)) == 1
    clock.advance(minutes=5)
    assert worker.round() == 0
    assert len(expired(log)) == 1
    assert failures == []


def test_a_store_that_cannot_record_is_asked_again(log: Log, ring: KeyRing, clock: Clock) -> None:
    """Nothing is noted as told; the next round tells it."""
    ring.create("trial", expires_at=NOW + timedelta(hours=1))
    clock.advance(hours=2)
    failures: list[str] = []
    worker = LapseWorker(log, on_error=lambda where, _: failures.append(where))
    with patch.object(log, "record", side_effect=StoreUnavailable("Busy", "Wait")):
        assert worker.round() == 0
    assert failures == [HOME]
    clock.advance(minutes=5)
    assert worker.round() == 1
    assert len(expired(log)) == 1


def test_a_rotated_key_is_recorded_when_its_overlap_is_over(log: Log, ring: KeyRing, clock: Clock) -> None:
    """The old one, not the one that follows it."""
    old = ring.create("app").key
    ring.rotate(old.id, overlap=timedelta(hours=1))
    clock.advance(hours=1)
    assert LapseWorker(log).round() == 1
    assert [entry.resource.id for entry in expired(log)] == [f"wk_{old.id}"]
