"""A receiver repeats what it was sent when it refuses it: an erasure reaches its words, down to the bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.keeping import HOME, MARIA, Clock, event, opened, record
from tests.sinking import managed, only, turn
from tests.test_sinks_kinds import answering
from whodid import Log, Reason, Resource
from whodid.retention import erase_person
from whodid.server.places import add_places
from whodid.sinks import SinkWorker, erase
from whodid.sinks.said import said_by, without_words

NAME = "Perpetua Quintanilla"
WORDS = f"value {NAME} is no address".encode()


def refused(log: Log, url: str) -> None:
    """Deliver to a receiver that refuses something."""
    managed(log).add("siem", "otlp", f"{url}/v1/logs", private=True, start=0)
    turn(SinkWorker(log))


def on_disk(path: Path, word: str) -> list[str]:
    """Name the files of the database in which a word stands."""
    return [one.name for one in path.parent.glob("audit.db*") if one.is_file() and word.encode() in one.read_bytes()]


def holding(folder: Path) -> list[str]:
    """Name the files in which the name stands: the database, its log of changes, whatever lies beside it."""
    return [one.name for one in folder.rglob("*") if one.is_file() and NAME.encode() in one.read_bytes()]


def test_the_words_of_a_receiver_leave_with_the_person(tmp_path: Path) -> None:
    """From quarantine, position and the reason of a pause; what became of the entry stays, no byte has the name."""
    with opened("sqlite", tmp_path, Clock()) as log:
        add_places(log, exports=None)
        contact = Resource(type="contact", id="con_q", name=NAME)
        record(log, [event(1), event(2, resource=contact), event(3)])
        with answering(lambda body: (400, WORDS) if NAME.encode() in body else (200, b"")) as (url, _):
            refused(log, url)
        (one,) = only(log).position.quarantine
        assert one.fault == f"The receiver answered 400: {said_by(WORDS)}"
        assert holding(tmp_path)
        report = erase_person(log, HOME, "contact:con_q", actor=MARIA, reason=Reason(text="Request 7"))
        assert report.elsewhere["answers"] == 1
        (one,) = only(log).position.quarantine
        assert (one.index, one.fault) == (1, "The receiver answered 400: “…”")
        assert only(log).position.refused == 1
        assert erase(log, HOME) == 0
        assert holding(tmp_path) == []
    assert holding(tmp_path) == []


def test_no_entry_holds_the_words_of_a_receiver(tmp_path: Path) -> None:
    """Why a sink paused or a test failed is recorded without them; the sink itself keeps them until an erasure."""
    with opened("sqlite", tmp_path, Clock()) as log:
        record(log, [event(number) for number in range(1, 15)])
        with answering(lambda _: (400, WORDS)) as (url, _):
            refused(log, url)
            managed(log).test("siem")
        health = only(log)
        assert health.status == "paused"
        assert NAME in health.sink.paused_because
        reasons = [entry.reason for entry in log.read(HOME) if entry.reason is not None]
        said = [reason.text or "" for reason in reasons if reason.code == "sink_failed"]
        assert len(said) == 2
        assert [text for text in said if NAME in text] == []
        assert all("answered 400: “…”" in text for text in said)
        assert erase(log, HOME) >= 1
        health = only(log)
        assert NAME not in health.sink.paused_because + health.position.fault
        assert "every entry: The receiver answered 400" in health.sink.paused_because


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        ("The receiver answered 400: “no”", "The receiver answered 400: “…”"),
        ("The receiver answered 400: “cut in the mid", "The receiver answered 400: “…”"),
        ("The connection failed: Connection refused", "The connection failed: Connection refused"),
        ("a “b” c “d” e", "a “…” c “…” e"),
        ("", ""),
    ],
)
def test_words_are_taken_out_whole(fault: str, left: str) -> None:
    """Also those that were cut; what we say ourselves stays."""
    assert without_words(fault) == left
    assert without_words(left) == left


@pytest.mark.parametrize("said", ["a ”b” “c", "line\r\nbreak", "x" * 1_000, b"\xff\xfe", ""])
def test_a_receiver_cannot_speak_beyond_its_marks(said: bytes | str) -> None:
    """Marks of its own are plain ones, and there is one line of it."""
    fault = f"The receiver answered 400: {said_by(said)}"
    assert without_words(fault) == "The receiver answered 400: “…”"
    assert len(said_by(said)) <= 302
    assert "\n" not in fault
