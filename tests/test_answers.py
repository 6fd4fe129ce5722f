"""The questions of an auditor: what is found, what it rests on and cannot say, and that the evidence is the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest

import whodid
from tests.serving import Clock, record
from whodid import Action, Actor, Change, Event, Log, Reason, Related, Resource
from whodid.answers import QUESTIONS, Answer, Kept, Reading, Said, Speaker, answer, subject_of, title
from whodid.catalog import LANGUAGES, builtin
from whodid.errors import InvalidCatalog, InvalidQuery, NotFound
from whodid.evidence import about, extract, make, prove, verify
from whodid.retention import erase_person, purge

SHOP = "wsp_shop"
NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
AISHA = Actor(type="user", id="usr_aisha", name="Aisha Khan", role="Owner")
MARIA = Actor(type="user", id="usr_maria", name="Maria Torres", role="Manager")
WHATSAPP = Actor(type="provider", id="whatsapp", name="WhatsApp")
GUARD = Actor(type="system", id="guard", name="Campaign guard")
JUAN = Resource(type="contact", id="con_juan", name="Juan Pérez")
OFFER = Resource(type="template", id="tpl_1", name="diwali_offer")
DIWALI = Resource(type="campaign", id="cmp_1", name="Diwali")
JOAO = Resource(type="user", id="usr_joao", name="João Silva")
KEY = Resource(type="api_key", id="key_1", name="Shop sync")


def event(number: int, action: str, actor: Actor, resource: Resource, *, day: float, **more: Any) -> Event:
    """Make an event on a day before NOW."""
    return Event(
        id=str(UUID(int=number)),
        occurred_at=NOW - timedelta(days=day),
        actor=actor,
        action=action,
        resource=resource,
        **more,
    )


def became(path: str, before: Any, after: Any) -> tuple[Change, ...]:
    """Return one change."""
    return (Change(path=path, before=before, after=after),)


def story() -> list[Event]:
    """List what happened, with answers to every question and things that are none."""
    return [
        event(1, "contact.created", MARIA, JUAN, day=9),
        event(2, "contact.deleted", Actor(type="user", id="usr_joao", role="Agent"), JUAN, day=8, outcome="denied"),
        event(3, "contact.deleted", MARIA, JUAN, day=7, reason=Reason(text="Asked by phone, #2231")),
        event(4, "contact.deleted", MARIA, Resource(type="contact", id="con_other", name="con_juan"), day=7),
        event(5, "template.created", MARIA, OFFER, day=9, changes=(Change(path="status", op="add", after="pending"),)),
        event(6, "template.status_changed", WHATSAPP, OFFER, day=8, changes=became("status", "pending", "rejected")),
        event(7, "template.edited", MARIA, OFFER, day=7, changes=became("status", "rejected", "pending")),
        event(8, "template.status_changed", WHATSAPP, OFFER, day=6, changes=became("status", "pending", "approved")),
        event(
            9, "campaign.started", MARIA, DIWALI, day=5, related=(Related(type="template", id="tpl_1", rel="template"),)
        ),
        event(10, "template.status_changed", WHATSAPP, OFFER, day=4, changes=became("status", "approved", "paused")),
        event(
            11,
            "campaign.paused",
            GUARD,
            DIWALI,
            day=3.9,
            cause=str(UUID(int=10)),
            reason=Reason(code="template_paused"),
            related=(Related(type="template", id="tpl_1", rel="cause"),),
        ),
        event(
            12,
            "user.created",
            AISHA,
            JOAO,
            day=20,
            changes=(Change(path="role", op="add", after="Agent"), Change(path="status", op="add", after="invited")),
        ),
        event(13, "user.role_changed", AISHA, JOAO, day=10, changes=became("role", "Agent", "Admin")),
        event(14, "user.deactivated", AISHA, JOAO, day=2, changes=became("status", "active", "deactivated")),
        event(
            15,
            "user.role_changed",
            AISHA,
            Resource(type="user", id="usr_maria", name="Maria Torres"),
            day=1,
            changes=became("role", "Manager", "Admin"),
        ),
        event(16, "api_key.created", AISHA, KEY, day=6),
        event(17, "api_key.revoked", MARIA, KEY, day=3),
        event(18, "api_key.revoked", MARIA, Resource(type="api_key", id="key_old", name="Old"), day=5),
        event(19, "api_key.created", AISHA, Resource(type="api_key", id="key_new", name="New"), day=1),
        event(20, "auth.login", AISHA, Resource(type="user", id="usr_aisha", name="Aisha Khan"), day=4),
    ]


@pytest.fixture
def log() -> Iterator[Log]:
    """Open the story."""
    with whodid.open("memory://", clock=Clock(NOW)) as opened:
        record(opened, SHOP, story())
        yield opened


def asked(log: Log, question: str, subject: str = "", since: float | None = None, until: float | None = None) -> Answer:
    """Ask; times are days before NOW."""
    times = [None if days is None else NOW - timedelta(days=days) for days in (since, until)]
    return answer(
        Reading(log, SHOP),
        log.catalog,
        question,
        subject_of(subject) if subject else None,
        since=times[0],
        until=times[1],
        now=NOW,
    )


def said(log: Log, found: Answer, lang: str = "en") -> str:
    """Return the finding."""
    return Speaker(log.catalog, lang, ZoneInfo("UTC")).say(found.finding)


def rows(log: Log, found: Answer) -> dict[str, str]:
    """Return what is said of each thing, by its id."""
    speaker = Speaker(log.catalog, "en", ZoneInfo("UTC"))
    return {row.subject.id: speaker.line(row.said) for row in found.rows}


def codes(found: Sequence[Said]) -> list[str]:
    """Return which limits are named."""
    return [one.code for one in found]


def ids(found: Answer) -> list[int]:
    """Return the numbers of the events that an answer rests on, newest first."""
    return [UUID(entry.id).int for entry in found.entries]


def test_who_deleted_this(log: Log) -> None:
    """The deletion, its reason, the attempt before it; not the deletion of another thing with this name."""
    found = asked(log, "deletion", "contact:con_juan")
    assert said(log, found) == "Maria Torres deleted contact Juan Pérez, on 2026-11-13 14:00 UTC"
    assert ids(found) == [3, 2, 1]
    assert [row.indexes for row in found.rows] == [(2,), (1,)]
    last = Speaker(log.catalog, "en", ZoneInfo("UTC")).line(found.rows[0].said)
    assert last.endswith("reason: Asked by phone, #2231")
    assert found.subject is not None
    assert found.subject.name == "Juan Pérez"


def test_nobody_deleted_this(log: Log) -> None:
    """What is there is not called deleted, and neither is what never was."""
    for subject in ("template:tpl_1", "contact:con_nobody"):
        assert said(log, asked(log, "deletion", subject)).startswith("No kept entry says that ")


def test_a_contact_that_was_merged_away_or_came_back(log: Log) -> None:
    """Being absorbed is an end, and being created again ends that."""
    record(
        log,
        SHOP,
        [
            event(
                30,
                "contact.merged",
                MARIA,
                Resource(type="contact", id="con_ana", name="Ana"),
                day=1,
                related=(Related(type="contact", id="con_9", rel="absorbed", name="Ana G."),),
            )
        ],
    )
    found = asked(log, "deletion", "contact:con_9")
    assert said(log, found) == "Maria Torres merged contact Ana G. into contact Ana, on 2026-11-19 14:00 UTC"
    record(log, SHOP, [event(31, "contact.created", MARIA, JUAN, day=0.5)])
    assert said(log, asked(log, "deletion", "contact:con_juan")).startswith("It exists again: Maria Torres deleted")


def test_how_did_this_get_approved(log: Log) -> None:
    """The round that led to it, who wrote what was approved, and what became of it."""
    found = asked(log, "approval", "template:tpl_1")
    assert said(log, found) == (
        "Template diwali_offer was approved on 2026-11-14 14:00 UTC by WhatsApp; "
        "it became paused on 2026-11-16 14:00 UTC, by WhatsApp"
    )
    assert [row.indexes for row in found.rows] == [(6, 7)]
    assert ids(found) == [10, 8, 7, 6, 5]
    record(
        log,
        SHOP,
        [event(30, "template.status_changed", WHATSAPP, OFFER, day=1, changes=became("status", "paused", "approved"))],
    )
    again = asked(log, "approval", "template:tpl_1")
    assert again.finding.code == "approval.done"
    assert len(again.rows) == 2


def test_who_had_which_role(log: Log) -> None:
    """On a day: from what was recorded before it, from what was found later, and from what people did."""
    found = rows(log, asked(log, "roles", since=5, until=4.5))
    assert found.pop("usr_aisha") == "Owner, as entry 15 has it, which they made on 2026-11-14 14:00 UTC"
    assert found == {
        "usr_joao": "Admin, since 2026-11-10 14:00 UTC, by Aisha Khan; "
        "status invited, since 2026-10-31 14:00 UTC, by Aisha Khan",
        "usr_maria": "Manager, since before what is kept",
    }
    late = rows(log, asked(log, "roles", since=2.5, until=0.5))
    assert late["usr_joao"].endswith("status became deactivated on 2026-11-18 14:00 UTC, by Aisha Khan")
    assert late["usr_maria"].endswith("became Admin on 2026-11-19 14:00 UTC, by Aisha Khan")
    assert "usr_joao" not in rows(log, asked(log, "roles", since=30, until=29))


def test_a_role_that_only_acts_tell_is_not_called_proven(log: Log) -> None:
    """Aisha's role stands in what she did; the evidence does not hold that, and the answer says so."""
    found = asked(log, "roles", since=3, until=2)
    (aisha,) = [row for row in found.rows if row.subject.id == "usr_aisha"]
    assert not aisha.proven
    assert found.finding.code == "role.partly"
    assert "limit.acted" in codes(found.limits)
    one = asked(log, "roles", "user:usr_aisha", since=3, until=2)
    assert [row.subject.id for row in one.rows] == ["usr_aisha"]
    assert rows(log, asked(log, "roles", "user:usr_joao", since=15, until=14)) == {
        "usr_joao": "Agent, since 2026-10-31 14:00 UTC, by Aisha Khan; "
        "status invited, since 2026-10-31 14:00 UTC, by Aisha Khan"
    }


def test_which_keys_existed(log: Log) -> None:
    """In a period: made before its end, and not ended before its beginning."""
    assert set(rows(log, asked(log, "keys"))) == {"key_1", "key_old", "key_new"}
    found = asked(log, "keys", since=4, until=2)
    assert rows(log, found) == {
        "key_1": "made by Aisha Khan on 2026-11-14 14:00 UTC; "
        "Maria Torres revoked API key Shop sync, on 2026-11-17 14:00 UTC"
    }
    assert said(log, found) == "API keys in this period: 1; valid at its end: 0"
    assert said(log, asked(log, "keys", since=40, until=30)) == "API keys in this period: 1; valid at its end: 1"
    assert rows(log, asked(log, "keys", since=5.5, until=5.2))["key_old"].startswith("made before what is kept")


def test_why_did_this_stop(log: Log) -> None:
    """The stop, what made it happen, and whether it runs again."""
    found = asked(log, "stop", "campaign:cmp_1")
    assert said(log, found) == (
        "Campaign guard paused campaign Diwali, on 2026-11-16 16:24 UTC, because of this: "
        "WhatsApp changed the status of template diwali_offer, on 2026-11-16 14:00 UTC"
    )
    assert [row.indexes for row in found.rows] == [(10,), (9,)]
    assert {9, 10, 11} <= set(ids(found))
    record(log, SHOP, [event(30, "campaign.resumed", MARIA, DIWALI, day=1)])
    assert said(log, asked(log, "stop", "campaign:cmp_1")).endswith("Maria Torres started it on 2026-11-19 14:00 UTC")
    assert asked(log, "stop", "campaign:cmp_2").finding.code == "stop.none"


def test_causes_that_run_in_a_circle_or_lead_nowhere(log: Log) -> None:
    """A chain ends, and says where it broke."""
    lost = Resource(type="campaign", id="cmp_lost")
    record(
        log, SHOP, [event(30, "campaign.paused", GUARD, lost, day=1, cause=str(UUID(int=999)), reason=Reason(text="?"))]
    )
    found = asked(log, "stop", "campaign:cmp_lost")
    assert found.finding.code == "stop.done"
    assert "limit.cause" in codes(found.limits)
    ring = Resource(type="campaign", id="cmp_ring")
    record(
        log,
        SHOP,
        [
            event(40 + at, "campaign.paused", GUARD, ring, day=1, cause=str(UUID(int=41 - at)), reason=Reason(text="?"))
            for at in range(2)
        ],
    )
    assert len(asked(log, "stop", "campaign:cmp_ring").rows) == 2


@pytest.mark.parametrize(
    ("question", "subject"),
    [
        ("deletion", "contact:con_juan"),
        ("approval", "template:tpl_1"),
        ("roles", ""),
        ("roles", "user:usr_joao"),
        ("keys", ""),
        ("stop", "campaign:cmp_1"),
    ],
)
def test_the_evidence_holds_exactly_what_the_answer_rests_on(log: Log, question: str, subject: str) -> None:
    """Entry by entry, and the verifier finds that none is missing."""
    found = asked(log, question, subject)
    assert found.basis is not None
    made = make(log, SHOP, about(found.basis.actions, found.basis.resources), actor=AISHA)
    verdict = verify(extract(made.file))
    assert verdict.ok
    assert verdict.levels.c2.state == "held"
    assert [one.index for one in verdict.answers] == sorted(entry.index for entry in found.entries)
    assert {index for row in found.rows if row.proven for index in row.indexes} <= {
        one.index for one in verdict.answers
    }


def test_what_left_by_retention_is_a_limit() -> None:
    """After a purge the answer says from when on it can speak, and does not say that nothing happened."""
    clock = Clock(NOW - timedelta(days=120))
    with whodid.open("memory://", clock=clock) as log:
        record(log, SHOP, [event(1, "contact.deleted", MARIA, JUAN, day=121)])
        clock.advance(hours=24 * 119)
        record(log, SHOP, [event(2, "contact.created", MARIA, Resource(type="contact", id="con_2"), day=1)])
        clock.advance(hours=24)
        assert said(log, asked(log, "deletion", "contact:con_juan")).startswith("Maria Torres deleted")
        purge(log, SHOP)
        found = asked(log, "deletion", "contact:con_juan")
    assert found.finding.code == "deletion.none"
    assert "limit.kept" in codes(found.limits)
    assert "limit.purged" not in codes(found.limits)
    (kept,) = [one for one in found.limits if one.code == "limit.kept"]
    assert kept.parts["at"] == NOW - timedelta(days=1)


def test_what_left_before_what_stays_longer_is_a_limit(log: Log) -> None:
    """Where some kinds outlive others, the oldest entry says nothing about the others; the answer does."""

    class Partly(Reading):
        def kept(self) -> Kept:
            return Kept(size=12, first=0, since=NOW - timedelta(days=30), until="2026-11-10")

    found = answer(Partly(log, SHOP), log.catalog, "keys", now=NOW)
    (purged,) = [one for one in found.limits if one.code == "limit.purged"]
    assert purged.parts == {"until": "2026-11-10"}


def test_what_was_erased_is_a_limit(log: Log) -> None:
    """The deletion is still answered; the name is gone, and the answer says that something was erased."""
    erase_person(log, SHOP, "contact:con_juan", actor=AISHA, reason=Reason(text="Request 9"))
    found = asked(log, "deletion", "contact:con_juan")
    assert "Juan" not in said(log, found)
    assert found.finding.code == "deletion.done"
    assert "limit.erased" in codes(found.limits)


def test_every_answer_says_what_no_log_shows(log: Log) -> None:
    """Limits that always hold are always said."""
    for question, one in QUESTIONS.items():
        found = asked(log, question, "contact:con_1" if one.subject else "")
        last = "limit.genuine" if question == "session" else "limit.unproven"
        assert codes(found.limits)[-2:] == ["limit.unrecorded", last]
        assert "limit.begins" in codes(found.limits)


def test_an_application_says_itself_what_its_actions_answer() -> None:
    """Nothing is known by a name of ours: another catalog, other nouns, the same questions."""

    def action(name: str, kind: Any, type_: str, *answers: str) -> Action:
        return Action(
            name=name,
            kind=kind,
            resource_type=type_,
            label={"en": name},
            sentences={"en": "{actor} did something to {resource}"},
            answers=answers,
        )

    catalog = builtin().declare(
        action("policy.approved", "status", "policy", "approval"),
        action("policy.drafted", "create", "policy", "approval"),
        action("member.granted", "security", "member", "role"),
        action("machine.halted", "status", "machine", "stop"),
        action("credential.issued", "security", "credential", "key_made"),
    )
    ana = Resource(type="member", id="m1", name="Ana")
    with whodid.open("memory://", clock=Clock(NOW), catalog=catalog) as log:
        record(
            log,
            SHOP,
            [
                event(1, "policy.drafted", MARIA, Resource(type="policy", id="p1"), day=3),
                event(2, "policy.approved", AISHA, Resource(type="policy", id="p1"), day=2),
                event(3, "member.granted", AISHA, ana, day=3, changes=became("access.role", "guest", "editor")),
                event(4, "machine.halted", AISHA, Resource(type="machine", id="x"), day=1),
                event(5, "credential.issued", AISHA, Resource(type="credential", id="c"), day=1),
                event(6, "invoice.deleted", MARIA, Resource(type="invoice", id="i1"), day=1),
            ],
        )
        assert asked(log, "approval", "policy:p1").finding.code == "approval.done"
        assert rows(log, asked(log, "roles", "member:m1"))["m1"].startswith("editor, since")
        assert asked(log, "stop", "machine:x").finding.code == "stop.done"
        assert "c" in rows(log, asked(log, "keys"))
        assert said(log, asked(log, "deletion", "invoice:i1")).endswith("on 2026-11-19 14:00 UTC")
        assert "limit.undeclared" in codes(asked(log, "approval", "machine:x").limits)
    with pytest.raises(InvalidCatalog, match="cannot answer nothing"):
        builtin().declare(action("a.b", "create", "a", "nothing"))


def test_questions_that_cannot_be_asked(log: Log) -> None:
    """Each refusal says what to do."""
    for question, subject, since in (("nothing", "", None), ("stop", "", None), ("deletion", "contact:con_juan", 2.0)):
        with pytest.raises(InvalidQuery):
            asked(log, question, subject, since)
    for text in ("contact", "contact:", ":x", "a:b\0c"):
        with pytest.raises(InvalidQuery, match="names nothing"):
            subject_of(text)
    with pytest.raises(NotFound):
        answer(Reading(log, "wsp_none"), log.catalog, "keys", now=NOW)


def standing(log: Log, question: str, subject: str, reader: Reading | None = None) -> dict[str, str]:
    """Ask with proofs, and return the state of each level."""
    found = answer(
        reader or Reading(log, SHOP),
        log.catalog,
        question,
        subject_of(subject),
        now=NOW,
        prove=lambda basis: prove(log, SHOP, about(basis.actions, basis.resources)),
    )
    assert found.standing is not None
    speaker = Speaker(log.catalog, "en", ZoneInfo("UTC"))
    assert "no log can show" in speaker.say(found.standing.levels[-1].said)
    states = {one.name: one.state for one in found.standing.levels}
    return states | {
        "words": speaker.line(one.said for one in found.standing.levels),
        "sealed": str(found.standing.stop),
        "unsealed": str(found.standing.unsealed),
    }


def test_an_answer_says_how_complete_it_is(log: Log) -> None:
    """Nothing is claimed before the first seal; after it, what the verifier of evidence finds, up to where it goes."""
    before = standing(log, "deletion", "contact:con_juan")
    assert {before[name] for name in ("C0", "C1", "C2", "C3", "C4")} == {"absent"}
    assert "Nothing is sealed yet" in before["words"]
    log.seal(SHOP, close=True)
    size = log.head(SHOP).size - 1
    sealed = standing(log, "deletion", "contact:con_juan")
    assert [sealed[name] for name in ("C0", "C1", "C2", "C3", "C4")] == ["held", "absent", "held", "held", "absent"]
    assert f"From entry 0 to entry {size - 1}, no entry that answers is missing" in sealed["words"]
    assert (sealed["sealed"], sealed["unsealed"]) == (str(size), "0")
    record(log, SHOP, [event(900, "contact.created", MARIA, JUAN, day=0)])
    assert standing(log, "deletion", "contact:con_juan")["unsealed"] == "1"
    assert log.head(SHOP).size == size + 2  # asking wrote nothing


def test_an_answer_that_leaves_an_entry_out_does_not_claim_to_be_complete(log: Log) -> None:
    """What the sealed indexes hold and the answer lacks, or the other way round, fails C2."""
    log.seal(SHOP, close=True)

    def find(query: Any) -> Iterator[Any]:
        return (one for one in log.stream(SHOP, query) if one.action != "contact.deleted" or one.outcome != "success")

    lacking = standing(log, "deletion", "contact:con_juan", Reading(log, SHOP, find=find))
    assert (lacking["C0"], lacking["C2"]) == ("held", "failed")
    assert "may be missing here" in lacking["words"]


def test_a_narrowed_reader_is_not_told_what_is_complete(log: Log) -> None:
    """The sealed indexes know entries that this reader may not count."""
    log.seal(SHOP, close=True)
    told = standing(log, "deletion", "contact:con_juan", Reading(log, SHOP, narrowed=True))
    assert {told[name] for name in ("C0", "C1", "C2", "C3")} == {"absent"}
    assert (told["sealed"], told["unsealed"]) == ("0", "0")


def test_every_language_says_everything(log: Log) -> None:
    """The files have the same keys and the same parts, and no sentence stays English."""
    texts = {
        lang: msgspec.json.decode((resources.files("whodid.answers") / "locales" / f"{lang}.json").read_bytes())
        for lang in LANGUAGES
    }
    for lang, sentences in texts.items():
        assert sentences.keys() == texts["en"].keys()
        for key, text in sentences.items():
            assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", texts["en"][key])), (lang, key)
            assert lang == "en" or text != texts["en"][key] or not re.sub(r"\{\w+\}|\W", "", text), (lang, key)
        assert said(log, asked(log, "stop", "campaign:cmp_1"), lang)
        assert all(title(question, lang) for question in QUESTIONS)
