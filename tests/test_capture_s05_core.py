"""S5, failures stay on record: what was refused or went wrong survives the rollback, and nothing succeeds silently.

Here with a transaction that a test opens by hand; the ORM hooks have their own part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Self

import pytest
from fastapi import FastAPI, HTTPException
from starlette.testclient import TestClient

import whodid
from whodid import Actor, Change, Entry, Event, Log, Query, Reason, Related, Resource
from whodid.capture import Capture, bind, context
from whodid.capture.middleware import ASGIMiddleware
from whodid.capture.pending import Pending, Row
from whodid.capture.units import closed, opened
from whodid.errors import InvalidEvent, InvalidSetting, StoreFull, StoreUnavailable

AISHA = Actor(type="user", id="usr_1", name="Aisha Khan")
MARIA = Actor(type="user", id="usr_2", name="Maria Torres")
THING = Resource(type="thing", id="1")


class Transaction:
    """A transaction of the application: what is said in it is recorded when it commits."""

    def __init__(self, log: Log, *owned: object) -> None:
        self.pending = Pending()
        self._log = log
        self._owned = owned

    def owns(self, subject: object) -> bool:
        """Tell whether an object belongs to it."""
        return any(subject is one for one in self._owned)

    def __enter__(self) -> Self:
        opened(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        closed(self)
        if kind is not None:
            self.pending.clear()

        def told(row: Row) -> tuple[str, Event] | None:
            raise AssertionError("no rows here")

        for workspace, event in self.pending.take(told, lambda row, event, workspace: ()):
            self._log.record(workspace, event)


class Hook:
    """Knows the objects and transactions of the tests."""

    def resource(self, subject: object) -> Resource | None:
        """Name a dictionary."""
        return Resource(type="thing", id=subject["id"], name=subject["name"]) if isinstance(subject, dict) else None

    def unit(self, bind: object) -> Transaction | None:
        """Return a transaction itself."""
        return bind if isinstance(bind, Transaction) else None


@pytest.fixture
def log() -> Iterator[Log]:
    """Open a log."""
    with whodid.open("memory://") as log:
        yield log


@pytest.fixture
def capture(log: Log) -> Capture:
    """Capture to the log, with a hook."""
    capture = Capture.to(log, workspace="w1")
    capture.installed(Hook())
    return capture


@pytest.fixture(autouse=True)
def _aisha() -> Iterator[None]:
    with context(actor=AISHA):
        yield


def entries(log: Log, workspace: str = "w1") -> list[Entry]:
    """Return what was recorded, in order."""
    return sorted(log.find(workspace, Query()).entries, key=lambda entry: entry.index)


class TestRollback:
    """Two classes of events: those that share the fate of the transaction, and those that do not."""

    def test_success_lives_and_dies_with_the_transaction(self, capture: Capture, log: Log) -> None:
        """Nothing is recorded before it commits, and nothing after a rollback."""
        with pytest.raises(ZeroDivisionError), Transaction(log):
            capture.record("thing.made", THING)
            raise ZeroDivisionError
        assert entries(log) == []
        with Transaction(log):
            kept = capture.record("thing.made", THING)
            assert entries(log) == []
        assert [entry.id for entry in entries(log)] == [kept]
        assert capture.status().independent == 0

    @pytest.mark.parametrize("outcome", ["denied", "failed"])
    def test_what_was_refused_or_failed_survives_the_rollback(self, capture: Capture, log: Log, outcome: Any) -> None:
        """It is there before the transaction ends, whichever way it ends."""
        with pytest.raises(PermissionError), Transaction(log):
            capture.record("thing.deleted", THING, outcome=outcome)
            assert [entry.outcome for entry in entries(log)] == [outcome]
            raise PermissionError
        assert len(entries(log)) == 1

    def test_the_caller_can_choose(self, capture: Capture, log: Log) -> None:
        """Success outside the transaction, a refusal inside of it."""
        with pytest.raises(ZeroDivisionError), Transaction(log) as transaction:
            capture.record("thing.read", THING, bind="independent")
            capture.record("thing.deleted", THING, outcome="denied", bind=transaction)
            raise ZeroDivisionError
        assert [entry.action for entry in entries(log)] == ["thing.read"]

    def test_of_several_transactions_the_one_with_the_object_counts(self, capture: Capture, log: Log) -> None:
        """It is never guessed: what belongs to none of them is refused until the caller says."""
        thing, other = {"id": "1", "name": "One"}, {"id": "2", "name": "Two"}
        with Transaction(log, thing) as first, pytest.raises(ZeroDivisionError), Transaction(log):
            capture.record("thing.made", thing)
            with pytest.raises(InvalidSetting, match="2 transactions are open here"):
                capture.record("thing.made", other)
            capture.record("thing.made", other, bind=first)
            raise ZeroDivisionError
        assert [(entry.resource.id, entry.resource.name) for entry in entries(log)] == [("1", "One"), ("2", "Two")]

    def test_a_transaction_that_nobody_watches_is_refused(self, capture: Capture) -> None:
        """An entry without its change would be worse than an error."""
        with pytest.raises(InvalidSetting, match="No hook watches this object"):
            capture.record("thing.made", THING, bind=object())

    def test_three_requests_that_fail_leave_three_entries(self, capture: Capture, log: Log) -> None:
        """A failed sign-in, a refused deletion and an action that raised: 401, 403 and 500."""
        app = FastAPI()
        app.add_middleware(ASGIMiddleware)

        @app.post("/sign-in")
        async def sign_in() -> None:
            with Transaction(log):
                capture.record("auth.login_failed", ("user", "usr_2"), outcome="failed", details={"cause": "password"})
                raise HTTPException(401)

        @app.delete("/things/{thing}")
        async def delete(thing: str) -> None:
            bind(actor=MARIA)
            with Transaction(log):
                capture.record("thing.deleted", ("thing", thing), outcome="denied")
                raise HTTPException(403)

        @app.post("/imports")
        async def load() -> None:
            bind(actor=MARIA)
            with Transaction(log), capture.action("import.run", ("import", "1")):
                capture.record("thing.made", THING)
                raise KeyError("hunter2")

        client = TestClient(app, raise_server_exceptions=False)
        answers = [client.post("/sign-in"), client.delete("/things/1"), client.post("/imports")]

        assert [answer.status_code for answer in answers] == [401, 403, 500]
        failed, denied, broken = entries(log)
        assert [entry.outcome for entry in (failed, denied, broken)] == ["failed", "denied", "failed"]
        assert [entry.actor.id for entry in (failed, denied, broken)] == ["usr_1", "usr_2", "usr_2"]
        assert broken.details == {"route": "POST /imports", "error": "KeyError"}


class TestKeeping:
    """When the event cannot be kept."""

    @pytest.mark.parametrize("fault", [StoreUnavailable("It is away"), StoreFull("It is full")])
    def test_the_caller_learns_of_it(self, log: Log, fault: Exception) -> None:
        """There is no success with neither the change nor the entry; it is counted."""

        class Broken:
            def take(self, workspace: str, events: Any) -> None:
                raise fault

        capture = Capture(log.catalog, log.fingerprint, destination=Broken(), workspace="w1")
        with pytest.raises(type(fault)):
            capture.record("thing.read", THING)
        status = capture.status()
        assert (status.recorded, status.independent, status.failures) == (1, 0, 1)

    def test_without_a_destination_it_says_what_to_do(self, log: Log) -> None:
        """A transaction is all that such a capture has."""
        capture = Capture(log.catalog, log.fingerprint, workspace="w1")
        with pytest.raises(InvalidSetting, match=r"Capture\.to"):
            capture.record("thing.read", THING)
        with Transaction(log):
            capture.record("thing.made", THING)
        assert len(entries(log)) == 1

    def test_what_the_log_refuses_is_raised(self, capture: Capture, log: Log) -> None:
        """With the place of the fault."""
        with pytest.raises(InvalidEvent, match="/resource/type"):
            capture.record("thing.read", ("Not A Type", "1"))
        assert entries(log) == []

    def test_nothing_is_noted_of_a_bad_event(self, capture: Capture, log: Log) -> None:
        """An event that cannot be built leaves the transaction as it was."""
        with Transaction(log):
            with pytest.raises(InvalidEvent, match="a value of type int cannot be named"):
                capture.record("thing.made", 7)
            capture.record("thing.made", THING)
        assert len(entries(log)) == 1


class TestSaying:
    """What a caller can say, and what comes from around."""

    @pytest.mark.parametrize("call", ["record", "event"])
    def test_a_word_that_nothing_can_be_told_under(self, capture: Capture, log: Log, call: str) -> None:
        """Is refused as Python does, and nothing is recorded or counted."""
        with pytest.raises(TypeError, match=rf"{call}\(\) got an unexpected keyword argument 'detail'"):
            getattr(capture, call)("thing.made", Resource(type="thing", id="1"), detail={"rows": 1})
        assert (entries(log), capture.status().recorded) == ([], 0)

    def test_everything(self, capture: Capture, log: Log) -> None:
        """Each argument has its place in the entry."""
        at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        cause = capture.record("thing.asked", THING)
        with context(reason=Reason(text="nightly fix"), source="job"):
            entry_id = capture.record(
                "thing.changed",
                ("thing", "2", "Two"),
                before={"a": 1},
                after={"a": 2},
                related=[Related(type="thing", id="3", rel="member")],
                details={"rows": 4200},
                cause=cause,
                batch="b1",
                kind="security",
                severity="critical",
                actor=MARIA,
                workspace="w2",
                occurred_at=at,
            )
        entry = log.get("w2", entry_id)
        assert entry.resource == Resource(type="thing", id="2", name="Two")
        assert entry.changes == (Change(path="a", before=1, after=2),)
        assert (entry.kind, entry.severity, entry.actor, entry.occurred_at) == ("security", "critical", MARIA, at)
        assert (entry.reason, entry.cause, entry.batch) == (Reason(text="nightly fix"), cause, "b1")
        assert entry.details == {"rows": 4200}
        assert entry.related == (Related(type="thing", id="3", rel="member"),)

    def test_said_twice_with_a_key_it_is_recorded_once(self, capture: Capture, log: Log) -> None:
        """The key names the occasion, within the workspace and the action."""
        at = datetime(2026, 1, 2, tzinfo=UTC)

        def say(key: str = "stripe:evt_1", **members: Any) -> str:
            return capture.record("plan.changed", ("plan", "1"), key=key, occurred_at=at, **members)

        assert say() == say() != say("stripe:evt_2")
        assert say(workspace="w2") != say()
        assert len(entries(log)) == 2

    def test_nobody_is_unknown_and_counted_or_refused(self, log: Log) -> None:
        """It is never guessed, and a strict capture does not take it."""
        import contextvars

        def nobody(capture: Capture) -> Callable[[], str]:
            return lambda: contextvars.Context().run(capture.record, "thing.made", THING)

        lenient, strict = Capture.to(log, workspace="w1"), Capture.to(log, workspace="w1", strict=True)
        nobody(lenient)()
        assert entries(log)[0].actor == Actor(type="anonymous", id="unknown")
        assert lenient.status().unknown_actor == 1
        with pytest.raises(InvalidEvent, match="not known who acts"):
            nobody(strict)()

    def test_an_explicit_actor_comes_before_every_scope(self, capture: Capture, log: Log) -> None:
        """Argument, nearest scope, outer scope, in this order."""
        with context(actor=MARIA):
            capture.record("thing.made", THING)
            capture.record("thing.made", THING, actor=AISHA)
        capture.record("thing.made", THING)
        assert [entry.actor for entry in entries(log)] == [MARIA, AISHA, AISHA]

    def test_a_workspace_has_to_be_known(self, log: Log) -> None:
        """By argument, scope or default, which may be a function."""
        nowhere = Capture.to(log)
        with pytest.raises(InvalidEvent, match="in which workspace"):
            nowhere.record("thing.made", THING)
        with context(workspace="w3"):
            nowhere.record("thing.made", THING)
        Capture.to(log, workspace=lambda: "w4").record("thing.made", THING)
        with pytest.raises(InvalidEvent, match="in which workspace"):
            Capture.to(log, workspace=lambda: None).record("thing.made", THING)
        assert log.workspaces() == ["w3", "w4"]

    def test_a_hook_can_leave(self, capture: Capture) -> None:
        """Its objects cannot be named any more."""
        other = Capture.to(whodid.open("memory://"))
        hook = Hook()
        other.installed(hook)
        assert other.resource({"id": "1", "name": "One"}).name == "One"
        other.removed(hook)
        with pytest.raises(InvalidEvent, match="a value of type dict cannot be named"):
            other.resource({"id": "1", "name": "One"})
