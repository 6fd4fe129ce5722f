"""Erasing a person: as actor, resource, related, and where others wrote of them; the rest stays and verifies."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from uuid import UUID

import pytest

from tests.keeping import HOME, JOAO, MARIA, STORES, Clock, catalog, event, opened, record
from whodid import Actor, Change, Context, Entry, Event, Log, Reason, Related, Resource, canonical
from whodid.errors import Held, InvalidSetting, NotFound
from whodid.evidence.document import decode
from whodid.evidence.make import make
from whodid.evidence.page import extract
from whodid.evidence.question import ask
from whodid.evidence.verify import verify
from whodid.export import export, verify_export
from whodid.retention import Mention, erase_person, place_hold, preview_erasure, purge
from whodid.retention.erasure import STEP

ANA = Resource(type="contact", id="con_ana", name="Ana Zubizarreta")
ZOE = Actor(type="user", id="usr_zoe", name="Zoë Quillfeather", email="zoe@quill.example", role="Agent")
WHERE = Context(ip="203.0.113.9", city="Bilbao", country="ES", user_agent="Zoë's browser", session="ses_1")
WHY = Reason(text="Request under Art. 17, ticket 2231")


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the log."""
    return Clock()


def told() -> list[Event]:
    """Tell what two people did and suffered."""
    return [
        event(
            1,
            "contact.created",
            actor=ZOE,
            resource=ANA,
            context=WHERE,
            changes=(
                Change(path="phone", op="add", after="+34611204880", class_="personal"),
                Change(path="tags", op="add", after=["vip"]),
            ),
        ),
        event(2, "contact.updated", actor=MARIA, resource=ANA, reason=Reason(text="ana zubizarreta called")),
        event(
            3,
            "contact.merged",
            actor=JOAO,
            resource=Resource(type="contact", id="con_other", name="Other"),
            related=(Related(type="contact", id="con_ana", rel="absorbed", name="Ana Zubizarreta"),),
        ),
        event(
            4,
            "campaign.paused",
            actor=MARIA,
            reason=Reason(text="Ana Zubizarreta, 611 204 880, complained"),
        ),
        event(5, "contact.updated", actor=Actor(type="user", id="usr_aid", on_behalf_of=ZOE)),
        event(6, "contact.updated", resource=Resource(type="contact", id="con_6", name="Ana")),
    ]


@pytest.fixture(params=STORES)
def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Log]:
    """Open a log in which two people did and suffered things."""
    with opened(request.param, tmp_path, clock, catalog()) as log:
        record(log, told())
        yield log


def erase(log: Log, person: str, mentions: bool = False) -> tuple[int, int]:
    """Erase a person, and return how many entries and fields were concerned."""
    found = preview_erasure(log, HOME, person).mentions if mentions else ()
    done = erase_person(log, HOME, person, actor=MARIA, reason=WHY, mentions=found)
    return done.entries, done.fields


def gone_from(entry: Entry) -> tuple[str, ...]:
    """Return the paths that were erased from an entry."""
    return entry.erased.paths if entry.erased else ()


def test_a_contact_goes_wherever_it_is_the_resource_or_related(log: Log) -> None:
    """Name and personal values; not what is nobody's, not the acting people, and not the ids."""
    assert erase(log, "contact:con_ana") == (3, 5)

    assert gone_from(log.get(HOME, 0)) == ("resource.name", "changes.0")
    assert gone_from(log.get(HOME, 1)) == ("resource.name", "reason")
    assert gone_from(log.get(HOME, 2)) == ("related.0.name",)
    first = log.get(HOME, 0)
    assert first.changes[0] == Change(path="phone", op="add", class_="personal")
    assert first.changes[1].after == ["vip"]
    assert (first.actor, first.resource) == (ZOE, Resource(type="contact", id="con_ana"))
    assert [gone_from(log.get(HOME, index)) for index in (3, 4, 5)] == [(), (), ()]
    assert log.verify(HOME).ok


def test_a_person_who_acted_goes_with_place_and_browser(log: Log) -> None:
    """Also where somebody acted for them; the session and the role stay."""
    assert erase(log, "user:usr_zoe") == (2, 5)

    entry = log.get(HOME, 0)
    assert gone_from(entry) == ("actor.name", "actor.email", "context.place", "context.user_agent")
    assert entry.actor == Actor(type="user", id="usr_zoe", role="Agent")
    assert entry.context == Context(session="ses_1")
    assert entry.resource == ANA
    assert log.get(HOME, 4).actor == Actor(type="user", id="usr_aid")
    assert log.verify(HOME).ok


def test_what_others_wrote_is_listed_and_goes_on_demand(log: Log) -> None:
    """A name or a number in somebody else's words; a mere namesake is not meant."""
    preview = preview_erasure(log, HOME, "contact:con_ana")
    assert preview.mentions == (Mention(index=3, path="reason"),)
    assert (preview.entries, preview.fields, preview.held) == (3, 5, ())

    assert erase(log, "contact:con_ana", mentions=True) == (4, 6)
    assert gone_from(log.get(HOME, 3)) == ("reason",)
    assert log.get(HOME, 5).resource.name == "Ana"
    assert log.count(HOME, "zubizarreta").value == 0


def test_the_preview_changes_nothing(log: Log) -> None:
    """It may be asked as often as one likes."""
    size = log.head(HOME).size
    before = [canonical.wire(entry) for entry in log.read(HOME)]
    assert preview_erasure(log, HOME, "user:usr_zoe") == preview_erasure(log, HOME, "user:usr_zoe")
    assert [canonical.wire(entry) for entry in log.read(HOME)] == before
    assert log.head(HOME).size == size


def test_the_record_is_in_the_history_of_the_person_and_names_no_value(log: Log) -> None:
    """Who erased, on which request, which fields of which entries."""
    done = erase_person(log, HOME, "contact:con_ana", actor=JOAO, reason=WHY, context=Context(ip="198.51.100.4"))
    (index,) = done.records
    entry = log.get(HOME, index)

    assert (entry.action, entry.actor, entry.reason) == ("audit.erased", JOAO, WHY)
    assert entry.related == (Related(type="contact", id="con_ana", rel="subject"),)
    assert UUID(str((entry.details or {})["erasure"])).version == 7
    assert {name: value for name, value in (entry.details or {}).items() if name != "erasure"} == {
        "subject": "contact:con_ana",
        "beyond": ["backups", "downloads", "sinks"],
        "entries": 3,
        "ranges": [[0, 3]],
        "fields": {
            "resource.name changes.0": [[0, 1]],
            "resource.name reason": [[1, 2]],
            "related.0.name": [[2, 3]],
        },
    }
    assert {one.index for one in log.stream(HOME, "resource:contact:con_ana")} == {index, 2, 1, 0}
    assert all((one.erased is None or one.erased.record == index) for one in log.read(HOME))


def test_many_entries_go_in_steps_and_a_stop_between_them_is_made_good(log: Log, clock: Clock) -> None:
    """Each step is recorded; what is done is skipped by the next erasure."""
    record(log, [event(1_000 + number, at=clock.now, resource=ANA) for number in range(STEP + 10)])
    steps: list[int] = []

    class Stopped(Exception):
        """Somebody pulled the plug."""

    def stop(entries: int) -> None:
        steps.append(entries)
        raise Stopped

    with pytest.raises(Stopped):
        erase_person(log, HOME, "contact:con_ana", actor=MARIA, reason=WHY, progress=stop)
    assert steps == [STEP]
    done = erase_person(log, HOME, "contact:con_ana", actor=MARIA, reason=WHY)

    assert (done.entries, len(done.records)) == (13, 1)
    assert log.count(HOME, "zubizarreta").value == 1  # the mention, which nobody asked to erase
    assert log.verify(HOME).ok
    again = erase_person(log, HOME, "contact:con_ana", actor=MARIA, reason=WHY)
    assert (again.entries, again.records) == (0, ())


def test_a_legal_hold_stands_in_the_way_unless_it_is_overridden(log: Log) -> None:
    """Nothing goes, and the hold is named; despite it, the record names it."""
    hold = place_hold(log, HOME, name="Case 118", query="resource:contact:con_ana", actor=MARIA, reason=WHY)
    assert preview_erasure(log, HOME, "contact:con_ana").held == (hold,)
    with pytest.raises(Held) as caught:
        erase_person(log, HOME, "contact:con_ana", actor=MARIA, reason=WHY)
    assert caught.value.hold == hold.id
    assert log.get(HOME, 0).resource == ANA

    done = erase_person(log, HOME, "contact:con_ana", actor=MARIA, reason=WHY, despite_holds=True)
    details = log.get(HOME, done.records[0]).details
    assert details is not None
    assert details["held_by"] == [hold.id]
    assert log.get(HOME, 0).resource.name is None


def test_purge_export_and_proofs_go_on(log: Log, clock: Clock) -> None:
    """Files from before, between and after verify; what is erased is purged like everything."""
    files = []
    for step in (lambda: None, lambda: erase(log, "contact:con_ana"), lambda: clock.advance(days=92)):
        step()
        file = BytesIO()
        export(log, HOME, "", "ndjson", file, proofs=True, actor=MARIA)
        files.append(file.getvalue().splitlines(keepends=True))
    assert purge(log, HOME).entries > 6

    for lines in files:
        report = verify_export(lines, lines[-1])
        assert report.ok, report.problems
    assert log.verify(HOME).ok


def test_evidence_from_before_and_after_verifies_and_names_the_erasure(log: Log, clock: Clock) -> None:
    """The later file has commitments where values were, and the record that took them; the earlier one stays good."""
    about = ask(["resource:contact:con_ana"], catalog=log.catalog)
    before = make(log, HOME, about, actor=MARIA)
    done = erase_person(log, HOME, "contact:con_ana", actor=JOAO, reason=WHY)
    clock.advance(minutes=5)
    after = make(log, HOME, about, actor=MARIA)

    for made in (before, after):
        verdict = verify(extract(made.file), trusted=[log.verifier_key(HOME)])
        assert verdict.ok, verdict.problems
    assert b"Zubizarreta" in before.file
    assert b"Zubizarreta" not in after.file
    verdict = verify(extract(after.file))
    assert verdict.counts.erased == 5
    assert verdict.counts.redacted == 0
    assert done.records[0] in {reason.record for reason in decode(extract(after.file)).reasons}


@pytest.mark.parametrize("person", ["", "con_ana", "contact:", ":con_ana", "Contact:con_ana"])
def test_nobody_cannot_be_erased(log: Log, person: str) -> None:
    """A type and an id are needed."""
    with pytest.raises(InvalidSetting):
        preview_erasure(log, HOME, person)


def test_a_reason_is_needed_and_a_log(log: Log) -> None:
    """Nothing goes without a word."""
    with pytest.raises(InvalidSetting):
        erase_person(log, HOME, "contact:con_ana", actor=MARIA, reason=Reason(text=" "))
    with pytest.raises(NotFound):
        preview_erasure(log, "wsp_nowhere", "contact:con_ana")
    assert erase(log, "contact:con_nobody") == (0, 0)


def test_every_other_place_is_emptied_after_the_last_step_and_the_last_record_says_so(log: Log) -> None:
    """Whatever the log knows of is asked; what held something is in a record of the same erasure."""
    seen: list[tuple[str, str, int]] = []

    def forget(workspace: str, person: str) -> int:
        seen.append((workspace, person, log.count(HOME, "action:audit.erased").value))
        return 2 if len(seen) == 1 else 0

    log.elsewhere.add("exports", forget)
    log.elsewhere.add("findings", lambda _workspace, _person: 0)
    assert preview_erasure(log, HOME, "contact:con_ana").elsewhere == ("exports", "findings")
    assert seen == []

    done = erase_person(log, HOME, "contact:con_ana", actor=JOAO, reason=WHY)
    assert seen == [(HOME, "contact:con_ana", 1)]
    assert done.elsewhere == {"exports": 2}
    step, last = (log.get(HOME, index) for index in done.records)
    assert last.details == {
        "subject": "contact:con_ana",
        "erasure": (step.details or {})["erasure"],
        "elsewhere": {"exports": 2},
    }
    assert (last.action, last.actor, last.reason) == ("audit.erased", JOAO, WHY)
    assert last.related == (Related(type="contact", id="con_ana", rel="subject"),)

    again = erase_person(log, HOME, "contact:con_ana", actor=JOAO, reason=WHY)
    assert (again.records, len(seen)) == ((), 2)
    assert log.verify(HOME).ok


def test_whoever_is_in_no_entry_empties_no_other_place(log: Log) -> None:
    """A mistyped id must not cost the exports of a workspace."""
    log.elsewhere.add("exports", lambda _workspace, _person: 1)
    assert erase_person(log, HOME, "contact:con_typo", actor=JOAO, reason=WHY).elsewhere == {}
    assert log.count(HOME, "action:audit.erased").value == 0
