"""The log on each engine against a list: any sequence of recording, repeating, purging and reopening."""

from __future__ import annotations

import shutil
import tempfile
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import whodid
from whodid.model import Actor, Change, Context, Entry, Event, Resource
from whodid.query import compile_query, parse
from whodid.testing import EPOCH, QUESTIONS

if TYPE_CHECKING:
    from tests.postgresing import Server

_ACTIONS = ("contact.created", "contact.updated", "contact.deleted", "auth.login", "campaign.started", "shop.opened")


class LogMachine(RuleBasedStateMachine):
    """Drive a log and a plain list side by side."""

    @initialize()
    def begin(self) -> None:
        """Open an empty log."""
        self.folder = tempfile.mkdtemp(prefix="whodid-machine-")
        self.now = EPOCH + timedelta(days=100)
        self.said: list[Event] = []
        self.expected: dict[int, Entry] = {}
        self.purges = 0
        self.url = self._address()
        self._open()

    def teardown(self) -> None:
        """Close and remove."""
        if hasattr(self, "log"):
            self.log.close()
            shutil.rmtree(self.folder)

    def _open(self) -> None:
        self.log = whodid.open(self.url, clock=self._clock, key=f"{self.folder}/key")

    def _address(self) -> str:
        return f"sqlite:///{self.folder}/audit.db"

    def _clock(self) -> datetime:
        return self.now

    @rule(
        picks=st.lists(
            st.tuples(
                st.sampled_from(_ACTIONS),
                st.integers(0, 4),
                st.integers(0, 6),
                st.integers(-60, 60),
                st.text(max_size=8),
            ),
            min_size=1,
            max_size=30,
        )
    )
    def record(self, picks: list[tuple[str, int, int, int, str]]) -> None:
        """Record a batch; what intake refuses is not expected."""
        batch = []
        for action, who, what, hours, text in picks:
            number = len(self.said)
            event = Event(
                id=str(UUID(int=number + 1 << 80 | 0x7 << 76 | 0x2 << 62)),
                occurred_at=EPOCH + timedelta(hours=hours, microseconds=number % 2),
                actor=Actor(type="user", id=f"usr_{who}", name=f"Person {who}"),
                action=action,
                resource=Resource(type=action.split(".")[0], id=f"contact_{what}", name=text or None),
                changes=(Change(path="city", before="Getafe", after=text),),
                context=Context(source="web", ip=f"10.0.0.{what}"),
            )
            self.said.append(event)
            batch.append(event)
        self._expect(batch, self.log.record_many("w", batch))

    def _expect(self, batch: list[Event], results: list[whodid.Receipt | whodid.WhodidError]) -> None:
        for event, result in zip(batch, results, strict=True):
            if isinstance(result, whodid.Receipt) and not result.duplicate:
                assert result.index not in self.expected
                entry = self.log.get("w", result.index)
                assert (entry.id, entry.resource, entry.occurred_at) == (event.id, event.resource, event.occurred_at)
                self.expected[result.index] = entry

    @precondition(lambda self: self.expected)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """Send an event again that is still kept."""
        entry = data.draw(st.sampled_from(sorted(self.expected.values(), key=lambda one: one.index)))
        event = next((one for one in self.said if one.id == entry.id), None)
        if event is not None:
            receipt = self.log.record("w", event)
            assert (receipt.index, receipt.duplicate) == (entry.index, True)

    @precondition(lambda self: self.expected)
    @rule(low=st.integers(0, 60), width=st.integers(0, 40))
    def purge(self, low: int, width: int) -> None:
        """Purge a range."""
        self.purges += 1
        event = Event(
            id=str(UUID(int=self.purges << 90 | 0x7 << 76 | 0x2 << 62)),
            occurred_at=self.now,
            actor=Actor(type="system", id="retention"),
            action="audit.purged",
            resource=Resource(type="log", id="w"),
        )
        done = self.log.forget("w", [range(low, low + width)], event)
        if done is not None:
            for index in range(low, low + width):
                entry = self.expected.get(index)
                if entry is not None and (entry.action != "audit.purged" or index < done.first):
                    del self.expected[index]
            self.expected[done.receipt.index] = self.log.get("w", done.receipt.index)

    @rule()
    def reopen(self) -> None:
        """Close and open again."""
        self.log.close()
        self._open()

    @rule(days=st.integers(0, 3))
    def wait(self, days: int) -> None:
        """Let time pass."""
        self.now += timedelta(days=days)

    @rule(text=st.sampled_from(QUESTIONS), limit=st.integers(1, 9))
    def ask(self, text: str, limit: int) -> None:
        """Compare a list page by page, and a count, with the list."""
        query = parse(text, now=self.now)
        wanted = compile_query(query)
        expected = sorted(
            (entry for entry in self.expected.values() if wanted(entry)),
            key=lambda one: (one.occurred_at, one.index),
            reverse=True,
        )
        found: list[Entry] = []
        cursor = None
        while True:
            page = self.log.find("w", query, cursor=cursor, limit=limit)
            found.extend(page.entries)
            cursor = page.next
            if cursor is None:
                break
        assert found == expected, text
        count = self.log.count("w", query)
        assert count.value == len(expected) if count.exact else count.value <= len(expected)

    @invariant()
    def verifies(self) -> None:
        """The log verifies and is gap-free after every step."""
        if getattr(self, "expected", None):
            report = self.log.verify("w")
            assert report.ok, report.problems
            assert report.checked == len(self.expected)


SETTINGS = settings(max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))

TestLogMachine = LogMachine.TestCase
TestLogMachine.settings = SETTINGS


@pytest.mark.postgres
def test_the_log_on_postgres_against_a_list(postgres: Server) -> None:
    """The same on PostgreSQL."""

    class OnPostgres(LogMachine):
        def _address(self) -> str:
            return postgres.database("machine")

    run_state_machine_as_test(OnPostgres, settings=settings(SETTINGS, max_examples=15))
