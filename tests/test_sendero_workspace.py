"""The settings of the workspace, and how long its audit log is kept."""

from __future__ import annotations

import html
from typing import Any, ClassVar

import pytest

from sendero.tables import Workspace
from tests.lumen import Lumen, lumen
from whodid import Change, Resource
from whodid.retention import purge, read_policy

__all__ = ["lumen"]

HERE = "/settings/workspace"
FORM = {"name": "Casa Lumen", "timezone": "Europe/Madrid", "locale": "es-ES", "quiet_from": "", "quiet_to": ""}


def test_updating(lumen: Lumen) -> None:
    """What changed, and nothing when nothing did."""
    browser = lumen.signed_in("Admin")
    assert "done=unchanged" in browser.post(HERE, data=FORM | {"version": "1"}).headers["location"]
    new = {"name": "Casa Lumen SL", "timezone": "America/Mexico_City", "quiet_from": "22", "quiet_to": "8"}
    assert browser.post(HERE, data=FORM | new | {"version": "1"}).status_code == 303

    entry = lumen.entry()
    assert (entry.action, entry.kind, entry.severity) == ("workspace.updated", "update", "notice")
    assert entry.actor == lumen.actor("Admin")
    assert entry.resource == Resource(type="workspace", id=lumen.workspace, name="Casa Lumen SL")
    assert entry.changes == (
        Change(path="name", before="Casa Lumen", after="Casa Lumen SL"),
        Change(path="timezone", before="Europe/Madrid", after="America/Mexico_City"),
        Change(path="quiet_hours", op="add", after="22-8"),
    )
    assert browser.post(HERE, data=FORM | {"version": "1"}).status_code == 409
    assert 'value="22" selected' in browser.get(HERE).text


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"name": ""}, "A workspace needs a name"),
        ({"timezone": "Europe/Atlantis"}, "Choose one of the list"),
        ({"locale": "xx"}, "Choose one of the list"),
        ({"quiet_from": "22"}, "Choose when the quiet hours begin"),
        ({"quiet_from": "25", "quiet_to": "8"}, "Choose when the quiet hours begin"),
        ({"quiet_from": "8", "quiet_to": "8"}, "Choose when the quiet hours begin"),
    ],
)
def test_what_cannot_be_taken(lumen: Lumen, other: dict[str, Any], told: str) -> None:
    """It is marked, and nothing changes."""
    answer = lumen.signed_in("Owner").post(HERE, data=FORM | other | {"version": "1"})
    assert answer.status_code == 422
    assert told in answer.text
    assert lumen.entries() == []


class TestRetention:
    """How long the log is kept."""

    def test_it_is_the_policy_of_the_log(self, lumen: Lumen) -> None:
        """The log itself records the change, once, with who did it from where; the same again changes nothing."""
        browser = lumen.signed_in("Owner")
        assert "Nothing is removed by this change" in browser.get(f"{HERE}/retention?days=365").text
        form = {"days": "365", "present": "90"}
        answer = browser.post(f"{HERE}/retention", data=form, headers={"User-Agent": "Tests"})
        assert answer.status_code == 303, answer.text

        (entry,) = lumen.entries("action:audit.retention_changed")
        assert (entry.kind, entry.severity, entry.outcome) == ("security", "critical", "success")
        assert entry.actor == lumen.actor("Owner")
        assert (entry.resource.type, entry.resource.id) == ("log", lumen.workspace)
        assert entry.changes == (Change(path="retention_days", before=90, after=365),)
        assert entry.context is not None
        assert (entry.context.source, entry.context.user_agent) == ("web", "Tests")
        assert entry.context.request is not None
        assert read_policy(lumen.home.log, lumen.workspace).days == 365
        assert lumen.row(Workspace).retention_days == 365

        again = browser.post(f"{HERE}/retention", data=form | {"present": "365"})
        assert "done=unchanged" in again.headers["location"]
        assert len(lumen.entries("action:audit.retention_changed")) == 1

    def test_what_it_shows_is_what_goes(self, lumen: Lumen) -> None:
        """The page counts what a purge under the new policy then removes; looking at it removes nothing."""
        size = lumen.home.log.stats(lumen.workspace)["entries"]
        lumen.advance(days=40)
        browser = lumen.signed_in("Owner")
        lumen.home.relay.drain()
        page = browser.get(f"{HERE}/retention?days=30").text
        assert f"{size} entries lose their content" in page
        assert read_policy(lumen.home.log, lumen.workspace).days == 90

        browser.post(f"{HERE}/retention", data={"days": "30", "present": "90"})
        done = purge(lumen.home.log, lumen.workspace)

        assert done.entries == size

    def test_who_could_get_in_is_kept_for_days_of_its_own(self, lumen: Lumen) -> None:
        """The simulator heeds them, the change is one entry, a purge takes the rest only; empty follows the rest."""
        assert lumen.signed_in("Owner").post("/sign-out").status_code == 303
        (left,) = lumen.entries("action:auth.logout")
        lumen.advance(days=40)
        browser = lumen.signed_in("Owner")
        lumen.home.relay.drain()
        page = browser.get(f"{HERE}/retention?days=30&access=365").text
        assert "Who could get in would be kept for 365 days." in page
        assert "Who signed in, and from where?" not in page
        assert "Who signed in, and from where?" in browser.get(f"{HERE}/retention?days=30").text
        browser.post(f"{HERE}/retention", data={"days": "30", "access": "365", "present": "90"})
        policy = read_policy(lumen.home.log, lumen.workspace)
        assert (policy.days, policy.classes) == (30, {"access": 365})
        (entry,) = lumen.entries("action:audit.retention_changed")
        assert entry.changes[1] == Change(path="retention_days.access", op="add", after=365)

        purge(lumen.home.log, lumen.workspace)
        assert lumen.entries("action:auth.logout") == [left]
        assert lumen.entries("category:workspace") == []
        assert "Who could get in is kept for 365 days." in browser.get(f"{HERE}/retention?days=30").text
        late = browser.post(f"{HERE}/retention", data={"days": "30", "present": "30"})
        assert late.status_code == 409
        browser.post(f"{HERE}/retention", data={"days": "30", "access": "", "present": "30 365"})
        assert read_policy(lumen.home.log, lumen.workspace).classes == {}

    @pytest.mark.parametrize("access", ["0", "3651", "x"])
    def test_days_for_access_that_cannot_be_had(self, lumen: Lumen, access: str) -> None:
        """Like those for the rest, and the field says so."""
        browser = lumen.signed_in("Owner")
        sent = {"days": "90", "access": access, "present": "90"}
        assert browser.post(f"{HERE}/retention", data=sent).status_code == 422
        assert browser.get(f"{HERE}/retention", params={"days": "90", "access": access}).status_code == 422
        assert lumen.entries("action:audit.retention_changed") == []

    def test_somebody_else_was_faster(self, lumen: Lumen) -> None:
        """What was shown no longer holds: look again."""
        browser = lumen.signed_in("Owner")
        browser.post(f"{HERE}/retention", data={"days": "365", "present": "90"})
        assert browser.post(f"{HERE}/retention", data={"days": "30", "present": "90"}).status_code == 409
        assert read_policy(lumen.home.log, lumen.workspace).days == 365

    @pytest.mark.parametrize("days", ["0", "-1", "3651", "9999999", "1.5", "ninety", "٣", ""])
    def test_days_that_cannot_be_had(self, lumen: Lumen, days: str) -> None:
        """From one day to ten years."""
        browser = lumen.signed_in("Owner")
        assert browser.post(f"{HERE}/retention", data={"days": days, "present": "90"}).status_code == 422
        answer = browser.get(f"{HERE}/retention", params={"days": days})
        assert answer.status_code == (422 if days else 200)
        assert lumen.entries("action:audit.retention_changed") == []

    def test_it_needs_its_own_permission(self, lumen: Lumen) -> None:
        """Whoever may not is refused, and the refusal is about the log."""
        answer = lumen.signed_in("Manager").post(f"{HERE}/retention", data={"days": "1", "present": "90"})
        assert answer.status_code == 403
        entry = lumen.entry()
        assert (entry.action, entry.outcome) == ("audit.retention_changed", "denied")
        assert entry.resource == Resource(type="log", id=lumen.workspace, name="Casa Lumen")
        lumen.signed_in("Manager").post(HERE, data=FORM)
        denied = lumen.entries("action:workspace.updated is:denied")[0]
        assert denied.resource == Resource(type="workspace", id=lumen.workspace, name="Casa Lumen")


class TestHolds:
    """Legal holds."""

    HOLDS = "/settings/holds"
    FORM: ClassVar = {"name": "Case 118", "query": "actor:usr_1,usr_2", "reason": "A complaint <b>"}

    def test_placing_and_releasing(self, lumen: Lumen) -> None:
        """Who, why and what; the list shows it; a purge goes around it until it is released."""
        browser = lumen.signed_in("Owner")
        owner = lumen.actor("Owner")
        form = self.FORM | {"query": f"actor:{owner.id}"}
        answer = browser.post(f"{self.HOLDS}/new", data=form, headers={"User-Agent": "Tests"})
        assert answer.status_code == 303, answer.text

        (entry,) = lumen.entries("action:audit.hold_placed")
        assert (entry.kind, entry.severity, entry.actor) == ("security", "warning", owner)
        assert (entry.resource.type, entry.resource.name) == ("hold", "Case 118")
        assert entry.details == {"query": f"actor:{owner.id}"}
        assert entry.reason is not None
        assert entry.reason.text == "A complaint <b>"
        assert entry.context is not None
        assert (entry.context.source, entry.context.user_agent) == ("web", "Tests")
        page = browser.get(self.HOLDS).text
        assert "Case 118" in page
        assert "A complaint &lt;b&gt;" in page

        lumen.advance(days=100)
        purge(lumen.home.log, lumen.workspace)
        assert lumen.entries("action:audit.hold_placed")

        browser = lumen.signed_in("Owner")
        release = f"{self.HOLDS}/{entry.resource.id}/release"
        assert f"actor:{owner.id}" in browser.get(release).text
        assert browser.post(release, data={"reason": " "}).status_code == 422
        assert browser.post(release, data={"reason": "Closed"}).status_code == 303
        (released,) = lumen.entries("action:audit.hold_released")
        assert released.resource == entry.resource
        assert "No legal holds" in browser.get(self.HOLDS).text
        assert browser.post(release, data={"reason": "Closed"}).status_code == 404
        assert browser.get(release).status_code == 404

    def test_what_it_shows_is_what_it_keeps(self, lumen: Lumen) -> None:
        """A look places nothing, and dates are those of the workspace's zone."""
        browser = lumen.signed_in("Owner")
        query = 'after:"Casa Lumen SL"'
        lumen.home.relay.drain()
        assert "It would keep 0 entries now" in browser.get(f"{self.HOLDS}/new", params={"query": query}).text
        browser.post(HERE, data=FORM | {"name": "Casa Lumen SL", "version": "1"})
        lumen.home.relay.drain()

        page = browser.get(f"{self.HOLDS}/new", params={"query": query, "name": "Case 118"}).text
        assert "It would keep 1 entry now" in page
        assert 'value="Case 118"' in page
        assert lumen.entries("action:audit.hold_placed") == []

    @pytest.mark.parametrize(
        ("shown", "query"),
        [
            ("?range=30d&q=actor:usr_1+-kind:security&entry=7", "actor:usr_1 -kind:security"),
            (
                "?since=2026-10-01T00:00:00Z&until=2026-11-01T00:00:00Z&q=resource%3Acontact%3Acon_1",
                "resource:contact:con_1 date:&gt;=2026-10-01T00:00:00Z date:&lt;2026-11-01T00:00:00Z",
            ),
            ("?entry=7", "index:7"),
        ],
    )
    def test_the_address_of_the_log_says_what_to_keep(self, lumen: Lumen, shown: str, query: str) -> None:
        """Nobody has to write a search: what the page shows is what its address holds, and no more."""
        browser = lumen.signed_in("Owner")
        link = f"https://lumen.example/settings/audit-logs{shown}"
        assert f'value="{query}"' in browser.get(f"{self.HOLDS}/new", params={"query": link}).text

        assert browser.post(f"{self.HOLDS}/new", data=self.FORM | {"query": link}).status_code == 303
        (entry,) = lumen.entries("action:audit.hold_placed")
        assert (entry.details or {})["query"] == html.unescape(query)

    @pytest.mark.parametrize(
        ("other", "told"),
        [
            ({"name": " "}, "Give the matter or the case number"),
            ({"reason": ""}, "Say why"),
            ({"query": ""}, "Say what is to be kept"),
            ({"query": "https://lumen.example/settings/audit-logs"}, "Say what is to be kept"),
            ({"query": "nosuchfield:x"}, "This is no search of the audit log"),
            ({"reason": "x" * 501}, "Use at most 500 characters"),
        ],
    )
    def test_what_cannot_be_taken(self, lumen: Lumen, other: dict[str, str], told: str) -> None:
        """It is marked, what was typed stays, and nothing is placed."""
        answer = lumen.signed_in("Owner").post(f"{self.HOLDS}/new", data=self.FORM | other)
        assert answer.status_code == 422
        assert told in answer.text
        assert lumen.entries("action:audit.hold_placed") == []

    def test_it_needs_the_permission_to_manage_the_log(self, lumen: Lumen) -> None:
        """Whoever may not is refused, and the refusal is an entry."""
        browser = lumen.signed_in("Manager")
        assert browser.get(self.HOLDS).status_code == 403
        assert browser.post(f"{self.HOLDS}/new", data=self.FORM).status_code == 403
        (entry,) = lumen.entries("action:audit.hold_placed")
        assert (entry.outcome, entry.resource) == ("denied", Resource(type="hold", id="new"))

    def test_the_simulator_tells_what_is_held_and_what_is_lost(self, lumen: Lumen) -> None:
        """The page of a shorter retention names both."""
        browser = lumen.signed_in("Owner")
        browser.post(f"{self.HOLDS}/new", data=self.FORM | {"query": "category:user"})
        lumen.advance(days=40)
        page = lumen.signed_in("Owner").get(f"{HERE}/retention?days=30").text
        assert "Kept by a legal hold" in page
        assert "People concerned" in page
