"""S16, people behind people and machines: who acts is right in everything that a request sets off, or it is nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery, chain, chord, signals
from celery.beat import Service
from celery.contrib.testing.worker import start_worker
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

import whodid
from whodid import Actor, Entry, Log, Query
from whodid.capture import Capture, bind, context, current
from whodid.capture.celery import Installed, install
from whodid.capture.middleware import ASGIMiddleware
from whodid.capture.propagate import HEADER, Propagation

KEY = b"k" * 32
AISHA = Actor(type="user", id="usr_1", name="Aisha Khan")
MARIA = Actor(type="user", id="usr_2", name="Maria Torres")
UNKNOWN = Actor(type="anonymous", id="unknown")


@pytest.fixture
def log() -> Iterator[Log]:
    """Open a log."""
    with whodid.open("memory://") as log:
        yield log


@pytest.fixture
def capture(log: Log) -> Capture:
    """Capture to the log."""
    return Capture.to(log, workspace="w1")


def entries(log: Log, action: str = "") -> list[Entry]:
    """Return what was recorded, in order."""
    found = sorted(log.find("w1", Query(), limit=200).entries, key=lambda entry: entry.index)
    return [entry for entry in found if not action or entry.action == action]


def eventually(check: Callable[[], bool]) -> None:
    """Wait for something that another thread does."""
    until = time.monotonic() + 20
    while not check():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.02)


class TestCelery:
    """A real worker, in a thread of this process, and a broker in its memory."""

    @pytest.fixture
    def app(self, capture: Capture) -> Iterator[Celery]:
        """Make an application with the two lines of the documentation."""
        app = Celery("shop", broker="memory://", backend="cache+memory://")
        app.conf.update(broker_connection_retry_on_startup=True, broker_transport_options={"polling_interval": 0.01})
        installed = install(app, Propagation(KEY, counts=capture.counts))
        assert install(app, Propagation(KEY)) is installed

        def make(thing: Any, *_: Any) -> str:
            capture.record("thing.made", ("thing", str(thing)))
            return str(thing)

        def again(task: Any, thing: str) -> str:
            capture.record("thing.tried", ("thing", thing))
            if task.request.retries < 2:
                raise task.retry(countdown=0)
            return thing

        def publish(thing: str) -> str:
            with capture.action("batch.run", ("batch", thing)):
                self.make.delay(thing)
            return thing

        def fail() -> None:
            raise ZeroDivisionError

        def task(function: Callable[..., Any], **options: Any) -> Any:
            return app.task(name=f"shop.{function.__name__}", shared=False, **options)(function)

        self.make, self.publish, self.fail = task(make), task(publish), task(fail)
        self.again = task(again, bind=True, max_retries=2)
        yield app
        installed.remove()

    @pytest.fixture
    def worker(self, app: Celery) -> Iterator[None]:
        """Start a worker."""
        with start_worker(app, perform_ping_check=False, pool="threads", concurrency=2, shutdown_timeout=20):
            yield

    def test_a_task_acts_for_whoever_published_it(self, worker: None, capture: Capture, log: Log) -> None:
        """Actor, whom it acts for, workspace, request and cause; the details name the task."""
        with context(actor=AISHA, request="req_1", source="web"), capture.impersonate(MARIA):
            with capture.action("import.run", ("import", "1")) as act:
                result = self.make.delay(7)
            assert result.get(timeout=20) == "7"

        (made,) = entries(log, "thing.made")
        assert (made.actor.id, made.actor.on_behalf_of) == (AISHA.id, MARIA)
        assert (made.cause, made.batch) == (act.id, act.id)
        assert made.context == whodid.Context(source="job", request="req_1")
        assert made.details == {"task": {"name": "shop.make", "id": result.id, "retries": 0}}

    def test_a_retry_acts_for_the_same_one(self, worker: None, log: Log) -> None:
        """And is counted; its cause stays what it was."""
        with context(actor=AISHA, cause="01a08f3c-6d2e-7b41-9c5a-2f8e6b1d7a90"):
            result = self.again.delay("7")
        assert result.get(timeout=20) == "7"

        tried = entries(log, "thing.tried")
        assert [entry.details["task"]["retries"] for entry in tried if entry.details] == [0, 1, 2]
        assert {(entry.actor, entry.cause) for entry in tried} == {(AISHA, "01a08f3c-6d2e-7b41-9c5a-2f8e6b1d7a90")}

    def test_chains_chords_and_tasks_of_tasks(self, worker: None, log: Log) -> None:
        """Whoever set the first one off acts in all of them."""
        with context(actor=AISHA):
            assert chain(self.make.s(1), self.make.s(), self.make.s()).delay().get(timeout=20) == "1"
            chord([self.make.s(2), self.make.s(3)], self.make.s()).delay().get(timeout=20)
            self.publish.delay("4").get(timeout=20)
        eventually(lambda: len(entries(log, "thing.made")) == 7)

        assert {entry.actor for entry in entries(log)} == {AISHA}
        (run,) = entries(log, "batch.run")
        assert [entry.cause for entry in entries(log, "thing.made") if entry.resource.id == "4"] == [run.id]

    def test_an_eager_task_runs_inside_the_scope_of_its_caller(self, app: Celery, log: Log) -> None:
        """It acts for the caller, as a job, and the caller's own scope is back after it, also after an error."""
        with context(actor=AISHA, request="req_1", source="web") as scope:
            self.make.apply((7,))
            assert isinstance(self.fail.apply().result, ZeroDivisionError)
            assert current() is scope

        (made,) = entries(log)
        assert made.actor == AISHA
        assert made.context == whodid.Context(source="job", request="req_1")
        assert made.details is not None
        assert made.details["task"]["name"] == "shop.make"

    def test_forged_and_missing_headers_are_nobody(self, worker: None, app: Celery, capture: Capture, log: Log) -> None:
        """Whoever can write to the queue can be nobody else."""
        with context(actor=AISHA):
            stolen = Propagation(KEY).inject("another-task")
            other = Propagation(b"x" * 32).inject()
        handlers = install(app, Propagation(KEY))
        signals.before_task_publish.disconnect(handlers._publishing)
        try:
            for headers in ({}, stolen, other, {HEADER: "garbage"}, {HEADER: "x" * 10_000}):
                self.make.apply_async(("7",), headers=headers).get(timeout=20)
        finally:
            signals.before_task_publish.connect(handlers._publishing, weak=False)
        with context(actor=AISHA):
            self.make.apply_async(("8",), headers={HEADER: "garbage"}).get(timeout=20)

        *bad, good = entries(log)
        assert [entry.actor for entry in bad] == [UNKNOWN] * 5
        assert good.actor == AISHA
        assert (capture.status().forged, capture.status().unknown_actor) == (4, 5)

    def test_one_worker_thread_does_not_remember(self, app: Celery, log: Log) -> None:
        """After a task that failed the next one on the thread is nobody's, unless somebody published it."""
        with start_worker(app, perform_ping_check=False, pool="solo", shutdown_timeout=20):
            with context(actor=AISHA):
                self.fail.delay().get(timeout=20, propagate=False)
                self.make.delay("1").get(timeout=20)
            self.make.delay("2").get(timeout=20)
            with context(actor=MARIA):
                self.make.delay("3").get(timeout=20)
        assert [entry.actor for entry in entries(log)] == [AISHA, UNKNOWN, MARIA]

    def test_the_schedule_is_the_scheduler(self, worker: None, app: Celery, log: Log) -> None:
        """What beat publishes is done by the scheduler, a type of actor of its own."""
        app.conf.beat_schedule = {"every": {"task": "shop.make", "schedule": 0.1, "args": ("7",)}}
        beat = Service(app, max_interval=0.1, scheduler_cls="celery.beat:Scheduler")
        thread = threading.Thread(target=beat.start)
        thread.start()
        try:
            eventually(lambda: len(entries(log, "thing.made")) >= 2)
        finally:
            beat.stop(wait=True)
            thread.join()

        assert {(entry.actor.type, entry.actor.id) for entry in entries(log)} == {("scheduler", "celery-beat")}

    def test_it_can_be_removed(self, app: Celery) -> None:
        """No handler of ours is left, however often it was installed."""
        listened = (signals.before_task_publish, signals.task_prerun, signals.task_postrun, signals.beat_init)
        before = [len(signal.receivers) for signal in listened]
        other = Celery("other", broker="memory://")
        installed: Installed = install(other, Propagation(KEY))
        assert [len(signal.receivers) for signal in listened] == [number + 1 for number in before]
        installed.remove()
        assert [len(signal.receivers) for signal in listened] == before
        assert install(other, Propagation(KEY)) is not installed
        install(other, Propagation(KEY)).remove()


def test_machines(capture: Capture, log: Log) -> None:
    """An API key, a webhook, a schedule, a command and an agent each say what they are, in one request or job each."""
    app = FastAPI()
    app.add_middleware(ASGIMiddleware, source=lambda scope: "webhook" if scope["path"] == "/hook" else "api")

    @app.post("/api")
    async def api(request: Request) -> str:
        bind(actor=Actor(type="api_key", id="key_1", name=request.headers["x-name"]))
        return capture.record("thing.made", ("thing", "api"))

    @app.post("/hook")
    async def hook() -> str:
        bind(actor=Actor(type="provider", id="whatsapp"))
        return capture.record("thing.made", ("thing", "hook"))

    client = TestClient(app)
    client.post("/api", headers={"x-name": "CRM sync"})
    client.post("/hook")
    with context(actor=Actor(type="scheduler", id="invoice-run"), source="job"):
        capture.record("thing.made", ("thing", "schedule"))
    with context(actor=Actor(type="system", id="migration"), source="cli"):
        capture.record("thing.made", ("thing", "command"))

    assert [(e.actor.type, e.actor.id, e.context and e.context.source) for e in entries(log)] == [
        ("api_key", "key_1", "api"),
        ("provider", "whatsapp", "webhook"),
        ("scheduler", "invoice-run", "job"),
        ("system", "migration", "cli"),
    ]
