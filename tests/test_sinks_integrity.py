"""OCSF 1.9 with `record_integrity`: what a receiver can check by itself, with a canonical form that is not ours."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rfc8785

from tests import sinking
from tests.keeping import HOME, event, record
from tests.sinking import Told, managed, only, turn
from tests.test_sinks_ocsf import faults
from whodid import Log
from whodid.sinks import KINDS, SinkWorker
from whodid.sinks.kinds import Message, Result

clock, log = sinking.clock, sinking.log


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """Put a receiver that does as it is told in the place of webhooks."""
    told = Told()
    monkeypatch.setitem(KINDS, "webhook", msgspec.structs.replace(told.kind(), formats=("ocsf-1.9",)))
    return told


def fingerprint(event: dict[str, Any]) -> str:
    """Compute what the attestation of an event should say, as the schema tells: all of it but the fingerprint."""
    bare = copy.deepcopy(event)
    del bare["attestation_list"][0]["fingerprint"]
    return hashlib.sha256(rfc8785.dumps(bare)).hexdigest()


def broken(events: Sequence[dict[str, Any]]) -> list[int]:
    """Return where a chain does not hold: the places of events that were altered, or do not follow the one before."""
    found = []
    for at, one in enumerate(events):
        (attestation,) = one["attestation_list"]
        before = events[at - 1] if at else None
        wanted = None if before is None else {
            "uid": before["metadata"]["uid"],
            "type_uid": before["type_uid"],
            "fingerprint": before["attestation_list"][0]["fingerprint"],
        }  # fmt: skip
        good = attestation["fingerprint"]["value"] == fingerprint(one) and attestation.get("prev_event") == wanted
        if not good or attestation["chain_uid"] != events[0]["attestation_list"][0]["chain_uid"]:
            found.append(at)
    return found


def came(told: Told) -> list[dict[str, Any]]:
    """Return the events that came, in order."""
    return [one for batch in told.got for one in batch]


def test_events_are_a_chain_that_anybody_can_check(log: Log, told: Told) -> None:
    """Over deliveries and turns; valid by the schema; altered or taken out, it breaks where that was done."""
    managed(log).add("siem", "webhook", "https://x", start=0)
    worker = SinkWorker(log)
    turn(worker)
    record(log, [event(number) for number in range(40, 46)])
    turn(worker)

    events = came(told)
    assert [one["metadata"]["sequence"] for one in events] == [*range(17)]
    assert [faults(one) for one in events] == [[]] * 17
    assert "prev_event" not in events[0]["attestation_list"][0]
    assert events[0]["attestation_list"][0]["authority_uid"] == log.head(HOME).origin
    assert broken(events) == []
    altered = copy.deepcopy(events)
    altered[5]["message"] = "Nothing happened"
    assert broken(altered) == [5]
    assert broken(events[:5] + events[6:]) == [5]
    assert broken([events[0], events[2], events[1], *events[3:]]) == [1, 2, 3]


def test_a_repeated_delivery_is_the_same(log: Log, told: Told) -> None:
    """What a crash repeats is byte for byte what came before it, so the chain holds for whoever drops repetitions."""
    managed(log).add("siem", "webhook", "https://x", start=0)
    worker = SinkWorker(log)
    told.results = [Result(), Result(fault="The receiver is down")]
    turn(worker)
    managed(log).resume("siem")
    turn(worker)
    first, lost, *rest = told.got
    assert rest[0] == lost
    assert broken([one for batch in (first, *rest) for one in batch]) == []


def test_what_is_refused_stays_in_the_chain(log: Log, told: Told) -> None:
    """The event after it refers to it: a receiver that lacks it can tell which one it is."""

    def judge(messages: Sequence[Message]) -> Result:
        return Result(refused={at: "No" for at, one in enumerate(messages) if one.index == 5})

    told.judge = judge
    managed(log).add("siem", "webhook", "https://x", start=0)
    turn(SinkWorker(log))
    events = came(told)
    assert broken(events) == []
    assert [one.index for one in only(log).position.quarantine] == [5]
    assert events[6]["attestation_list"][0]["prev_event"]["uid"] == log.get(HOME, 5).id
    told.judge = lambda _: Result()
    assert managed(log).retry("siem") == (1, "")
    (again,) = told.got[-1]
    assert (again["metadata"]["sequence"], faults(again)) == (5, [])
    assert again["attestation_list"][0]["fingerprint"]["value"] == fingerprint(again)


def test_a_backfill_begins_a_chain_of_its_own(log: Log, told: Told) -> None:
    """With a name of its own, the same whenever it is done from there."""
    managed(log).add("siem", "webhook", "https://x", start=0)
    worker = SinkWorker(log)
    turn(worker)
    names = set()
    for _ in range(2):
        told.got.clear()
        managed(log).backfill("siem", 4)
        turn(worker)
        events = came(told)
        assert broken(events) == []
        names.add(events[0]["attestation_list"][0]["chain_uid"])
    assert names == {f"{only(log).sink.id}-4"}


def test_a_file_of_it_is_a_chain(log: Log, tmp_path: Path) -> None:
    """With the file as it is written for real."""
    out = tmp_path / "audit.ndjson"
    managed(log).add("siem", "file", str(out), start=0, format="ocsf-1.9", heartbeat=0)
    turn(SinkWorker(log))
    events: list[dict[str, Any]] = [msgspec.json.decode(line) for line in out.read_bytes().splitlines()]
    assert (len(events), broken(events)) == (11, [])


def test_what_no_receiver_believes_begins_a_new_chain(log: Log, told: Told) -> None:
    """A receiver that refuses ten in a row is paused before the first of them; what follows is a chain that holds."""
    told.judge = lambda messages: Result(refused=dict.fromkeys(range(len(messages)), "No"))
    managed(log).add("siem", "webhook", "https://x", start=0)
    worker = SinkWorker(log)
    turn(worker)
    assert only(log).status == "paused"
    told.judge = lambda _: Result()
    told.got.clear()
    managed(log).resume("siem")
    turn(worker)
    assert broken(came(told)) == []
