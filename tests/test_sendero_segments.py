"""Segments: rules that mean the same in every database, and every change of them on record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from argon2 import PasswordHasher

from sendero import passwords
from sendero.service import contacts, running, segments, sender
from sendero.tables import Contact, Segment
from tests.campaigning import Told, acting_on, campaign, changes, madrid, now, people, send, started
from tests.lumen import Lumen, lumen
from whodid import Reason

__all__ = ["lumen"]

PEOPLE: list[dict[str, Any]] = [
    {"name": "Ana", "city": "Madrid", "tags": ["vip"], "language": "es", "lifecycle": "customer"},
    {"name": "Bea", "city": "madrid", "tags": ["VIP", "niños"], "language": "en", "lifecycle": "lead"},
    {"name": "Carla", "city": "Málaga", "tags": ["vip", "niños"], "custom": {"shoe_size": "42"}, "language": "es"},
    {"name": "Dora", "city": "MALAGA", "tags": ["vi"], "custom": {"shoe_size": "4"}},
    {"name": "Eva", "city": None, "tags": [], "custom": {"shoe_size": "42", "note": 'a "quote" 50 %'}},
    {"name": "Fina", "city": "Madrid", "tags": ["100_% off"]},
]
RULES: list[tuple[dict[str, Any], str]] = [
    ({}, "Ana Bea Carla Dora Eva Fina"),
    ({"city": ["MADRID"]}, "Ana Bea Fina"),
    ({"city": ["malaga", "Madrid"]}, "Ana Bea Carla Dora Fina"),
    ({"city": ["Nowhere"]}, ""),
    ({"tags": ["vip"]}, "Ana Carla"),
    ({"tags": ["VIP"]}, "Bea"),
    ({"tags": ["vip", "niños"]}, "Carla"),
    ({"tags": ["vi"]}, "Dora"),
    ({"tags": ["100_% off"]}, "Fina"),
    ({"tags": ["100__ off"]}, ""),
    ({"without": ["vip"]}, "Bea Dora Eva Fina"),
    ({"lifecycle": ["customer"]}, "Ana"),
    ({"language": ["es", "en"]}, "Ana Bea Carla"),
    ({"consent": ["opted_in"]}, "Ana"),
    ({"consent": ["unknown", "opted_out"]}, "Bea Carla Dora Eva Fina"),
    ({"custom": {"shoe_size": "42"}}, "Carla Eva"),
    ({"custom": {"note": 'a "quote" 50 %'}}, "Eva"),
    ({"custom": {"shoe_size": "42"}, "city": ["Málaga"]}, "Carla"),
]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lumen]:
    """Open a workspace on each database."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", quick)
    address = None
    if request.param == "postgres":
        server = request.getfixturevalue("postgres")
        name = "t_sendero_segments"
        with server.connect("postgres") as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name}")
        address = server.database(name).replace("postgresql://", "postgresql+psycopg://")
        with server.connect(name) as connection:
            connection.execute("GRANT ALL ON SCHEMA public TO whodid")
    place = Lumen(tmp_path / "var", database=address)
    yield place
    place.home.close()


class TestRules:
    """Who belongs."""

    def test_the_same_in_every_database(self, anywhere: Lumen) -> None:
        """Cities without regard to case and accents, tags exactly, all parts together."""
        with anywhere.working() as work:
            for values in PEOPLE:
                contacts.create(work, values)
            contacts.delete(work, work.get(Contact, anywhere.juan.id), None)
            ana = work.session.query(Contact).filter_by(name="Ana").one()
            contacts.change_consent(work, ana, "opted_in", "form", "Web form")
            for filter_, names in RULES:
                found = segments.matching(work, filter_).order_by(Contact.search_name)
                assert " ".join(one.name for one in work.session.execute(found).scalars()) == names, filter_
                assert segments.count(work, filter_) == len(names.split())
            assert segments.tags(work) == sorted({"vip", "VIP", "niños", "vi", "100_% off"} | {"newsletter"})

    def test_a_campaign_on_every_database(self, anywhere: Lumen) -> None:
        """Started, paused, resumed, sent and completed, with counters that add up."""
        made = started(anywhere, many=12, rate_per_minute="60")
        anywhere.home.provider = provider = Told()
        sender.turn(anywhere.home)
        with acting_on(anywhere, made) as (work, found):
            running.pause(work, found, Reason(code="manual", text="Wait"))
        send(anywhere)
        assert (now(anywhere, made).sent, now(anywhere, made).queued) == (5, 7)
        with acting_on(anywhere, made) as (work, found):
            running.resume(work, found)
        send(anywhere)
        assert (now(anywhere, made).status, now(anywhere, made).sent) == ("completed", 12)
        assert len({message.to for message in provider.sent}) == 12

    def test_nobody_who_is_gone(self, lumen: Lumen) -> None:
        """Deleted, merged and erased people belong to nothing."""
        with lumen.working() as work:
            one, two, three, _ = people(work, 4)
            contacts.delete(work, one, None)
            two.merged_into = three.id
            three.erased_at = lumen.now
            assert segments.count(work, {"city": ["Madrid"]}) == 1

    def test_in_words(self) -> None:
        """The rule as the log shows it."""
        assert segments.rule({}) == "everybody"
        assert (
            segments.rule({"city": ["Madrid"], "consent": ["opted_in"]})
            == "consent.marketing = opted_in and city = Madrid"
        )
        full = {
            "city": ["Madrid", "Getafe"],
            "tags": ["vip", "b2b"],
            "without": ["old"],
            "lifecycle": ["lead"],
            "language": ["es"],
            "custom": {"shoe_size": "42"},
        }
        assert segments.rule(full) == (
            "city in (Madrid, Getafe) and lifecycle = lead and language = es and tags has vip and tags has b2b "
            "and tags lacks old and custom.shoe_size = 42"
        )


class TestPages:
    """What people do with them."""

    FORM: ClassVar[dict[str, str]] = {
        "name": "Getafe",
        "city": "getafe, Madrid",
        "tags": "newsletter",
        "lifecycle": "lead",
        "custom": "",
    }

    def test_created(self, lumen: Lumen) -> None:
        """With its rule and how many people it has."""
        answer = lumen.signed_in("Manager").post("/segments/new", data=self.FORM | {"do": "save"})
        made: Segment = lumen.row(Segment)
        assert answer.headers["location"].startswith(f"/segments/{made.id}?done=segment_created")
        entry = lumen.entry()
        assert (entry.action, entry.kind, entry.actor) == ("segment.created", "create", lumen.actor("Manager"))
        assert (entry.resource.type, entry.resource.name) == ("segment", "Getafe")
        told = changes(entry)
        assert told["filter.city"].after == ["getafe", "Madrid"]
        assert told["filter.tags"].after == ["newsletter"]
        assert entry.details == {
            "people": 1,
            "rule": "city in (getafe, Madrid) and lifecycle = lead and tags has newsletter",
        }
        page = lumen.signed_in("Agent").get(f"/segments/{made.id}").text
        assert "Juan Pérez" in page
        assert "1 person now" in page

    def test_counted_before(self, lumen: Lumen) -> None:
        """The number is shown, what was typed stays, and nothing is saved."""
        answer = lumen.signed_in("Manager").post("/segments/new", data=self.FORM | {"do": "count"})
        assert answer.status_code == 200
        assert "1 person now" in answer.text
        assert 'value="getafe, Madrid"' in answer.text
        assert lumen.entries() == []

    def test_updated(self, lumen: Lumen) -> None:
        """Only what changed; a campaign that was started keeps its people."""
        made = started(lumen, many=2)
        segment = madrid(lumen)
        form = {"version": "1", "name": "Madrid and Getafe", "city": "Madrid, Getafe", "consent": "opted_in"}
        browser = lumen.signed_in("Manager")
        assert browser.post(f"/segments/{segment.id}/edit", data=form | {"do": "save"}).status_code == 303
        entry = lumen.entry()
        assert (entry.action, entry.kind) == ("segment.updated", "update")
        told = changes(entry)
        assert set(told) == {"name", "filter.city"}
        assert (told["filter.city"].added, told["filter.city"].removed) == (["Getafe"], [])
        assert now(lumen, made).audience == 2
        again = browser.post(f"/segments/{segment.id}/edit", data=form | {"do": "save"})
        assert again.status_code == 409
        form["version"] = "2"
        same = browser.post(f"/segments/{segment.id}/edit", data=form | {"do": "save"})
        assert "done=unchanged" in same.headers["location"]
        assert len(lumen.entries()) == 1

    def test_deleted(self, lumen: Lumen) -> None:
        """With its last rule and why."""
        segment = madrid(lumen)
        browser = lumen.signed_in("Manager")
        data = {"version": "1", "reason": "not_used", "note": "Nobody lives there"}
        answer = browser.post(f"/segments/{segment.id}/delete", data=data)
        assert "done=segment_deleted" in answer.headers["location"]
        entry = lumen.entry()
        assert (entry.action, entry.kind) == ("segment.deleted", "delete")
        assert entry.reason == Reason(code="not_used", text="Nobody lives there")
        assert changes(entry)["filter.city"].before == ["Madrid"]
        assert browser.get(f"/segments/{segment.id}").status_code == 404

    def test_not_while_a_campaign_needs_it(self, lumen: Lumen) -> None:
        """Refused with the name of the campaign; once it has ended the segment may go."""
        made = campaign(lumen, many=1)
        browser = lumen.signed_in("Manager")
        address = f"/segments/{made.segment_id}/delete"
        answer = browser.post(address, data={"version": "1"})
        assert answer.status_code == 409
        assert "The campaign Diwali early access uses this segment" in answer.text
        with acting_on(lumen, made) as (work, found):
            running.cancel(work, found, Reason(code="manual", text="x"))
        assert browser.post(address, data={"version": "1"}).status_code == 303

    @pytest.mark.parametrize(
        ("more", "told"),
        [
            ({"name": ""}, "A segment needs a name"),
            ({"name": "x" * 101}, "A segment needs a name"),
            ({"name": "MADRÍD"}, "There is a segment of this name already."),
            ({"consent": "maybe"}, "Choose one of the list."),
            ({"tags": "vip", "without": "vip"}, "A tag cannot be asked for and ruled out: vip"),
            ({"city": ",".join(map(str, range(31)))}, "Name at most 30"),
            ({"tags": "x" * 101}, "Name at most 30"),
            ({"custom": "shoe_size"}, "Write one custom field per line"),
            ({"custom": "a.b: c"}, "Write one custom field per line"),
            ({"custom": '"]: c'}, "Write one custom field per line"),
        ],
    )
    def test_what_cannot_be_taken(self, lumen: Lumen, more: dict[str, str], told: str) -> None:
        """Told at the field; nothing is saved."""
        madrid(lumen)
        answer = lumen.signed_in("Manager").post("/segments/new", data=self.FORM | more | {"do": "save"})
        assert answer.status_code == 422
        assert told in answer.text
        assert lumen.entries() == []

    def test_who_may_not_see_contacts(self, lumen: Lumen) -> None:
        """Sees how many, but nobody's name."""
        with lumen.working() as work:
            people(work, 2)
            role = lumen.user("Agent").role
            found = work.session.get(type(role), role.id)
            assert found is not None
            found.permissions = ["segments:read"]
        page = lumen.signed_in("Agent").get(f"/segments/{madrid(lumen).id}").text
        assert "2 people now" in page
        assert "Person 0000" not in page
