"""Scopes: who acts is never guessed, never leaks, and is found where the work is done."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import pytest

from whodid import Actor, Context, Reason
from whodid.capture import Executor, Scope, bind, context, current, wrap
from whodid.errors import InvalidSetting

AISHA = Actor(type="user", id="usr_1", name="Aisha Khan")
MARIA = Actor(type="user", id="usr_2", name="Maria Torres")


def actor() -> Actor | None:
    """Return who acts here."""
    scope = current()
    return scope.actor if scope is not None else None


class TestNesting:
    """Scopes in scopes."""

    def test_there_is_none_at_first(self) -> None:
        """Nobody acts outside every scope."""
        assert current() is None

    def test_an_inner_scope_covers_and_leaving_restores(self) -> None:
        """The innermost value counts, and the outer one is back exactly after it."""
        with context(actor=AISHA, workspace="w1", ip="10.0.0.1") as outer:
            with context(actor=MARIA, ip=None) as inner:
                assert (inner.actor, inner.workspace, inner.context) == (MARIA, "w1", Context(ip="10.0.0.1"))
            assert current() is outer
            assert actor() is AISHA
        assert current() is None

    def test_an_exception_leaves_nothing_behind(self) -> None:
        """A scope ends with its block, however the block ends."""
        with pytest.raises(ZeroDivisionError), context(actor=AISHA):
            raise ZeroDivisionError
        assert current() is None

    def test_leaving_out_of_order_never_brings_an_ended_scope_back(self) -> None:
        """When the outer scope ends first, the inner one goes on, and nothing is left after it."""
        outer, inner = context(actor=AISHA), context(actor=MARIA)
        outer.__enter__()
        inner.__enter__()

        outer.__exit__(None, None, None)
        assert actor() is MARIA

        inner.__exit__(None, None, None)
        assert current() is None

    def test_a_generator_closed_in_another_context_is_no_error(self) -> None:
        """A scope that is left in another context than it was entered in ends there without harm."""

        def steps() -> Generator[None, None, None]:
            with context(actor=AISHA):
                yield

        started = steps()
        contextvars.copy_context().run(next, started)

        started.close()
        assert current() is None

    def test_the_parts_of_the_context(self) -> None:
        """Fields of the context come together from every level; none at all is no context."""
        with context(source="web", request="req_1"), context(session="ses_1"):
            scope = current()
            assert scope is not None
            assert scope.context == Context(source="web", request="req_1", session="ses_1")
        assert Scope(None, {"actor": AISHA, "reason": Reason(text="x")}).context is None


class TestBinding:
    """Filling in what is known later."""

    def test_a_copied_context_fills_the_same_cell(self) -> None:
        """A sign-in that happens in a thread of a pool is seen by the rest of the request."""
        with context(request="req_1"), ThreadPoolExecutor(1) as pool:
            pool.submit(contextvars.copy_context().run, lambda: bind(actor=AISHA)).result()
            assert actor() is AISHA

    def test_a_bare_thread_knows_nobody(self) -> None:
        """A thread that was started without the context does not inherit somebody else's actor."""
        seen: list[Actor | None] = []
        with context(actor=AISHA):
            thread = threading.Thread(target=lambda: seen.append(actor()))
            thread.start()
            thread.join()
        assert seen == [None]

    def test_binding_does_not_reach_the_outer_scope(self) -> None:
        """What is bound inside ends inside."""
        with context(actor=AISHA):
            with context():
                bind(actor=MARIA)
                assert actor() is MARIA
            assert actor() is AISHA

    def test_binding_without_a_scope_is_refused(self) -> None:
        """There is no place for a value outside every scope."""
        with pytest.raises(InvalidSetting, match="no scope"):
            bind(actor=AISHA)

    def test_an_ended_scope_is_sealed_and_still_right(self) -> None:
        """Work that outlives its request keeps the right actor and cannot change it."""
        with context(actor=AISHA) as scope:
            later = contextvars.copy_context()

        assert later.run(actor) is AISHA
        with pytest.raises(InvalidSetting, match="ended"):
            later.run(lambda: bind(actor=MARIA))
        assert scope.actor is AISHA

    def test_a_scope_inside_the_background_gives_the_ended_one_back(self) -> None:
        """Work that outlives its request may open scopes of its own, and has the right actor after them too."""
        with context(actor=AISHA, source="web"):
            later = contextvars.copy_context()

        def background() -> tuple[Actor | None, Actor | None, Context | None]:
            with context(actor=MARIA):
                inner = actor()
            scope = current()
            return inner, actor(), scope.context if scope is not None else None

        assert later.run(background) == (MARIA, AISHA, Context(source="job"))


class TestAsking:
    """Values that are found out when they are needed."""

    def test_a_function_is_asked_until_it_answers_and_then_never_again(self) -> None:
        """The workspace of a request is often known only after the sign-in."""
        answers = iter([None, "w1", "w2"])
        with context(workspace=lambda: next(answers)) as scope:
            assert [scope.workspace, scope.workspace, scope.workspace] == [None, "w1", "w1"]

    def test_while_it_does_not_know_the_outer_scope_answers(self) -> None:
        """Not knowing is the same as not saying."""
        with context(actor=AISHA), context(actor=lambda: None):
            assert actor() is AISHA

    def test_it_may_ask_back(self) -> None:
        """A function that itself asks who acts does not ask itself for ever."""
        with context(actor=lambda: actor() or MARIA):
            assert actor() is MARIA

    def test_what_is_bound_meanwhile_counts(self) -> None:
        """The sign-in that the question caused has the last word."""

        def sign_in() -> Actor:
            bind(actor=AISHA)
            return MARIA

        with context(actor=sign_in):
            assert actor() is AISHA

    def test_what_it_raises_reaches_the_caller(self) -> None:
        """And the next one asks again."""
        known: dict[str, str] = {}
        with context(workspace=lambda: known["none"]) as scope:
            for _ in range(2):
                with pytest.raises(KeyError):
                    _ = scope.workspace


class TestHandingOver:
    """Other threads and tasks."""

    def test_wrapped_work_has_the_scope_of_whoever_wrapped_it(self) -> None:
        """In a thread, in an executor, and as a coroutine function in another context."""

        async def later() -> Actor | None:
            await asyncio.sleep(0)
            return actor()

        with ThreadPoolExecutor(1) as pool:
            with context(actor=AISHA):
                work, waiting = wrap(actor), wrap(later)
                handed = Executor(pool).submit(actor).result()
                mapped = list(Executor(pool).map(lambda _: actor(), range(2)))
                bare = pool.submit(actor).result()
            assert pool.submit(work).result() is handed is mapped[0] is mapped[1] is AISHA
        assert bare is None
        assert contextvars.Context().run(asyncio.run, waiting()) is AISHA
        assert actor() is None

    def test_the_end_of_the_wrapper_ends_the_other_executor(self) -> None:
        """It takes nothing after that."""
        pool = ThreadPoolExecutor(1)
        with Executor(pool):
            pass
        with pytest.raises(RuntimeError):
            pool.submit(actor)


class TestConcurrency:
    """Many requests at once."""

    def test_tasks_do_not_see_one_another(self) -> None:
        """Each of many interleaved tasks keeps its own actor through nesting and waiting."""

        async def request(number: int) -> bool:
            me = Actor(type="user", id=f"usr_{number}")
            with context(request=f"req_{number}"):
                await asyncio.sleep(0)
                await asyncio.to_thread(bind, actor=me)
                with context(actor=MARIA):
                    await asyncio.sleep(0)
                return actor() is me

        async def main() -> list[bool]:
            return await asyncio.gather(*(request(number) for number in range(50)))

        assert all(asyncio.run(main()))
