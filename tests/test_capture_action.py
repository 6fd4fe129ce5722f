"""One action over many rows: who did it, what it holds together, how it ends, whatever it is made of."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Generator, Iterator
from functools import partial

import pytest

import whodid
from whodid import Actor, Entry, Log, Query, Reason
from whodid.capture import Capture, bind, context, current
from whodid.errors import InvalidEvent, InvalidSetting

AISHA = Actor(type="user", id="usr_1", name="Aisha Khan")
MARIA = Actor(type="user", id="usr_2", name="Maria Torres")


@pytest.fixture
def log() -> Iterator[Log]:
    """Open a log."""
    with whodid.open("memory://") as log:
        yield log


@pytest.fixture
def capture(log: Log) -> Capture:
    """Capture to the log."""
    return Capture.to(log, workspace="w1")


@pytest.fixture(autouse=True)
def _aisha() -> Iterator[None]:
    with context(actor=AISHA):
        yield


def entries(log: Log) -> list[Entry]:
    """Return what was recorded, in order."""
    return sorted(log.find("w1", Query()).entries, key=lambda entry: entry.index)


def acting() -> str | None:
    """Return the id of the action under way here."""
    scope = current()
    return scope.get("action") if scope is not None else None


class TestBlocks:
    """With and async with."""

    def test_everything_inside_has_its_id_as_the_batch(self, capture: Capture, log: Log) -> None:
        """One entry tells of the action, and the others are found by it."""
        with capture.action("import.run", ("import", "7"), details={"file": "a.csv"}) as act:
            row = capture.record("row.made", ("row", "1"))
            act.details["rows"] = 1
        after = capture.record("row.made", ("row", "2"))

        one, two, three = entries(log)
        assert (one.id, one.batch) == (row, act.id)
        assert (two.id, two.batch, two.outcome) == (act.id, act.id, "success")
        assert two.details == {"file": "a.csv", "rows": 1}
        assert (three.id, three.batch) == (after, None)

    def test_async_with_does_the_same(self, capture: Capture, log: Log) -> None:
        """Nothing needs to be awaited, and the manager serves both kinds."""

        async def work() -> None:
            async with capture.action("import.run", ("import", "7")):
                await asyncio.sleep(0)
                capture.record("row.made", ("row", "1"))

        asyncio.run(work())
        row, act = entries(log)
        assert row.batch == act.id

    def test_what_is_raised_makes_it_failed_with_the_class_of_the_error_only(self, capture: Capture, log: Log) -> None:
        """The text of an error may hold anything; it is not kept."""
        with pytest.raises(KeyError), capture.action("import.run", ("import", "7")):
            raise KeyError("hunter2")

        (entry,) = entries(log)
        assert (entry.outcome, entry.details) == ("failed", {"error": "KeyError"})

    def test_an_action_inside_another_names_it_as_its_cause(self, capture: Capture, log: Log) -> None:
        """Each holds its own rows together; the inner one is there because of the outer one."""
        with capture.action("import.run", ("import", "7")) as outer:
            with capture.action("merge.run", ("merge", "8")) as inner:
                capture.record("row.made", ("row", "1"))
            capture.record("row.made", ("row", "2"))

        row, merge, other, whole = entries(log)
        assert (row.batch, other.batch) == (inner.id, outer.id)
        assert (merge.id, merge.cause, merge.batch) == (inner.id, outer.id, inner.id)
        assert (whole.id, whole.cause) == (outer.id, None)

    def test_a_cause_that_was_given_stays(self, capture: Capture, log: Log) -> None:
        """What the caller says comes before what is around."""
        first = capture.record("thing.happened", ("thing", "1"))
        with capture.action("a.ran", ("a", "1")), capture.action("b.ran", ("b", "1"), cause=first):
            pass

        assert [entry.cause for entry in entries(log)[1:]] == [first, None]

    def test_what_it_is_about_may_be_known_late(self, capture: Capture, log: Log) -> None:
        """The id of what is made is often known only at the end."""
        with capture.action("report.made") as act:
            act.resource = ("report", "9")

        assert entries(log)[0].resource.id == "9"

    def test_about_nothing_is_refused(self, capture: Capture) -> None:
        """Somebody has to say what it is about."""
        with pytest.raises(InvalidEvent, match="about nothing"), capture.action("report.made"):
            pass

    def test_it_cannot_begin_twice(self, capture: Capture) -> None:
        """One manager is one action."""
        act = capture.action("report.made", ("report", "9"))
        with act, pytest.raises(InvalidSetting, match="under way already"), act:
            pass

    def test_a_failure_that_cannot_be_recorded_does_not_hide_the_error(
        self, log: Log, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The caller's own error goes on, with a note; it is counted and logged without a value."""
        nowhere = Capture(log.catalog, log.fingerprint, workspace="w1")
        with (
            caplog.at_level(logging.ERROR),
            pytest.raises(PermissionError) as caught,
            nowhere.action("report.made", ("report", "hunter2")),
        ):
            raise PermissionError("hunter2")

        assert "could not be recorded: InvalidSetting" in caught.value.__notes__[0]
        assert nowhere.status().lost == 1
        assert "InvalidSetting" in caplog.text
        assert "hunter2" not in caplog.text

    def test_the_scope_is_gone_after_it(self, capture: Capture) -> None:
        """However it ends."""
        with contextlib.suppress(ZeroDivisionError), capture.action("a.ran", ("a", "1")):
            raise ZeroDivisionError
        assert acting() is None


class TestFunctions:
    """Decorated functions."""

    def test_each_call_is_one_action_and_arguments_are_not_kept(self, capture: Capture, log: Log) -> None:
        """What it is about is a function of the arguments; nothing else of them is recorded."""

        @capture.action("door.opened", lambda door, password: ("door", door), reason="asked")
        def open_door(door: str, password: str) -> str:
            return f"{door} {acting() is not None}"

        assert (open_door("a", password="hunter2"), open_door("b", password="hunter2")) == ("a True", "b True")
        first, second = entries(log)
        assert (first.resource.id, second.resource.id) == ("a", "b")
        assert first.id != second.id
        assert first.reason == Reason(text="asked")
        assert (first.details, first.changes) == (None, ())

    def test_about_a_partial_or_nothing(self, capture: Capture, log: Log) -> None:
        """Every callable of the arguments will do; without one the function itself is named."""

        def about(kind: str, number: int) -> tuple[str, str]:
            return kind, str(number)

        @capture.action("a.ran", partial(about, "lift"))
        def one(number: int) -> None: ...

        @capture.action("a.ran")
        def other(number: int) -> None: ...

        one(4)
        other(4)
        assert [entry.resource.type for entry in entries(log)] == ["lift", "function"]
        assert entries(log)[1].resource.id.endswith("other")

    def test_a_coroutine_function(self, capture: Capture, log: Log) -> None:
        """It stays one, and cancelling it makes it failed."""

        @capture.action("sleep.done", ("bed", "1"))
        async def sleep(seconds: float) -> float:
            await asyncio.sleep(seconds)
            return seconds

        async def main() -> None:
            assert await sleep(0) == 0
            task = asyncio.create_task(sleep(60))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        assert asyncio.iscoroutinefunction(sleep)
        asyncio.run(main())
        assert [(entry.outcome, entry.details) for entry in entries(log)] == [
            ("success", None),
            ("failed", {"error": "CancelledError"}),
        ]


class TestGenerators:
    """Actions that are done step by step."""

    def test_its_scope_does_not_reach_the_caller(self, capture: Capture, log: Log) -> None:
        """Between two steps the caller's own scope is in force, and inside the action's."""

        @capture.action("export.read", ("export", "1"))
        def rows() -> Generator[str | None, None, str]:
            yield acting()
            yield acting()
            return "end"

        with context(actor=MARIA):
            steps = rows()
            first = next(steps)
            assert acting() is None
            capture.record("other.done", ("other", "1"))
            assert next(steps) == first is not None
            with pytest.raises(StopIteration, match="end"):
                next(steps)

        other, export = entries(log)
        assert (other.batch, export.id) == (None, first)

    def test_scopes_that_the_generator_opens_stay_open_over_its_steps(self, capture: Capture) -> None:
        """A `with context(...)` around a yield holds on the far side of it, and only there."""

        @capture.action("export.read", ("export", "1"))
        def rows() -> Generator[str, None, None]:
            with context(batch="inner"):
                yield "a"
                scope = current()
                yield scope.get("batch") if scope is not None else "none"
            scope = current()
            yield "same" if scope is not None and scope.get("batch") == acting() else "other"

        steps = rows()
        assert [next(steps), next(steps), next(steps)] == ["a", "inner", "same"]
        assert acting() is None

    def test_what_is_sent_and_thrown_in_reaches_the_generator(self, capture: Capture, log: Log) -> None:
        """The decorated generator is used as it was before."""

        @capture.action("talk.held", ("talk", "1"))
        def talk() -> Generator[object, object, None]:
            heard = yield "ready"
            try:
                yield ("heard", heard)
            except KeyError:
                yield ("caught", acting() is not None)

        steps = talk()
        assert next(steps) == "ready"
        assert steps.send("hello") == ("heard", "hello")
        assert steps.throw(KeyError("x")) == ("caught", True)
        assert list(steps) == []
        assert [entry.outcome for entry in entries(log)] == ["success"]

    def test_what_it_does_not_catch_makes_it_failed(self, capture: Capture, log: Log) -> None:
        """An error that was thrown in is the action's error."""

        @capture.action("talk.held", ("talk", "1"))
        def talk() -> Generator[int, None, None]:
            yield 1

        steps = talk()
        next(steps)
        with pytest.raises(KeyError):
            steps.throw(KeyError("x"))
        assert [(entry.outcome, entry.details) for entry in entries(log)] == [("failed", {"error": "KeyError"})]

    def test_closing_it_early_is_recorded_as_such(self, capture: Capture, log: Log) -> None:
        """Half an export is an export; the generator's own clean-up runs inside the action."""
        seen: list[bool] = []

        @capture.action("export.read", ("export", "1"))
        def rows() -> Generator[int, None, None]:
            try:
                yield from range(100)
            finally:
                seen.append(acting() is not None)

        steps = rows()
        next(steps)
        steps.close()
        assert seen == [True]
        (entry,) = entries(log)
        assert (entry.outcome, entry.details) == ("success", {"ended": "early"})

    def test_a_generator_nobody_starts_does_nothing(self, capture: Capture, log: Log) -> None:
        """No step, no action."""

        @capture.action("export.read", ("export", "1"))
        def rows() -> Generator[int, None, None]:
            yield 1

        rows().close()
        assert entries(log) == []

    def test_an_asynchronous_generator(self, capture: Capture, log: Log) -> None:
        """The same holds for sending, throwing, closing and scopes between the steps."""

        @capture.action("talk.held", lambda name: ("talk", name))
        async def talk(name: str) -> AsyncGenerator[object, object]:
            heard = yield acting()
            try:
                with context(batch="inner"):
                    await asyncio.sleep(0)
                    yield heard
            except KeyError:
                await asyncio.sleep(0)
                yield ("caught", acting() is not None)

        async def main() -> None:
            steps = talk("1")
            assert await anext(steps) is not None
            assert acting() is None
            assert await steps.asend("hello") == "hello"
            assert await steps.athrow(KeyError("x")) == ("caught", True)
            assert [item async for item in steps] == []
            early = talk("2")
            await anext(early)
            await early.aclose()
            bad = talk("3")
            await anext(bad)
            with pytest.raises(ValueError, match="x"):
                await bad.athrow(ValueError("x"))
            assert acting() is None

        asyncio.run(main())
        assert [(entry.resource.id, entry.outcome, entry.details) for entry in entries(log)] == [
            ("1", "success", None),
            ("2", "success", {"ended": "early"}),
            ("3", "failed", {"error": "ValueError"}),
        ]

    def test_many_asynchronous_generators_at_once(self, capture: Capture, log: Log) -> None:
        """Interleaved steps of many tasks keep each its own actor and action."""

        @capture.action("export.read", lambda number: ("export", str(number)))
        async def rows(number: int) -> AsyncGenerator[int, None]:
            for at in range(3):
                await asyncio.sleep(0)
                capture.record("row.read", ("row", f"{number}.{at}"))
                yield at

        async def request(number: int) -> None:
            with context():
                bind(actor=Actor(type="user", id=f"usr_{number}"))
                async for _ in rows(number):
                    await asyncio.sleep(0)
                    assert acting() is None

        async def main() -> None:
            await asyncio.gather(*(request(number) for number in range(20)))

        asyncio.run(main())
        found = log.find("w1", Query(), limit=100).entries
        assert len(found) == 80
        whole = {entry.id: entry.resource.id for entry in found if entry.action == "export.read"}
        for entry in found:
            number = entry.resource.id.partition(".")[0]
            assert entry.actor.id == f"usr_{number}"
            assert entry.batch is not None
            assert whole[entry.batch] == number


class TestImpersonation:
    """Acting with somebody else's rights."""

    def test_both_are_named_and_beginning_and_end_are_entries(self, capture: Capture, log: Log) -> None:
        """The actor stays who really acts."""
        with capture.impersonate(MARIA, reason="ticket 12"):
            capture.record("thing.made", ("thing", "1"))
        capture.record("thing.made", ("thing", "2"))

        began, inside, ended, after = entries(log)
        assert [e.action for e in (began, ended)] == ["auth.impersonation_started", "auth.impersonation_ended"]
        assert [e.marks for e in (began, ended)] == [("sensitive",), ("sensitive",)]
        assert began.resource.id == ended.resource.id == MARIA.id
        assert (began.reason, ended.cause) == (Reason(text="ticket 12"), began.id)
        assert ended.details == {"seconds": 0}
        assert (inside.actor.id, inside.actor.on_behalf_of) == (AISHA.id, MARIA)
        assert began.actor == ended.actor == after.actor == AISHA

    def test_its_end_is_recorded_when_something_is_raised(self, capture: Capture, log: Log) -> None:
        """Asynchronously too."""

        async def work() -> None:
            async with capture.impersonate(MARIA):
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            asyncio.run(work())
        assert [entry.action for entry in entries(log)] == ["auth.impersonation_started", "auth.impersonation_ended"]

    def test_nobody_cannot_act_for_somebody(self, capture: Capture, log: Log) -> None:
        """It has to be known who really acts, and nothing begins otherwise."""

        async def bare() -> None:
            capture.impersonate(MARIA).__enter__()

        import contextvars

        with pytest.raises(InvalidEvent, match="not known who acts"):
            contextvars.Context().run(asyncio.run, bare())
        assert entries(log) == []

    def test_it_cannot_begin_twice(self, capture: Capture) -> None:
        """One manager is one impersonation."""
        acting_for = capture.impersonate(MARIA)
        with acting_for, pytest.raises(InvalidSetting, match="begun already"), acting_for:
            pass
