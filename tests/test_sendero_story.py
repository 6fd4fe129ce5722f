"""The story: every question of the user guide finds its answer, and nothing in the log is made up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from sqlalchemy.orm import Session as OrmSession

from sendero import passwords
from sendero.installation import Installation, Settings
from sendero.service.accounts import SECRETS, listing
from sendero.service.contacts import living
from sendero.story import people, teller
from sendero.story.begin import tell
from sendero.story.clock import ZONE, StoryClock
from sendero.story.issuer import Issuer
from sendero.tables import Campaign, Contact, Message, Template, Workspace
from sendero.work import begin
from whodid import Entry, Reason
from whodid.catalog import second_line, sentence

END = datetime(2026, 11, 20, 13, 35, tzinfo=UTC)
WORKSPACE = "wsp_00000000000000000000000001"
GUIDE = (
    "account.created", "account.updated", "account.deleted", "user.created", "user.role_changed", "user.deactivated",
    "template.created", "template.edited", "template.deleted", "campaign.created", "campaign.started",
    "campaign.paused", "campaign.cancelled", "contact.created", "contact.updated", "contact.deleted", "contact.merged",
    "role.updated", "team.modified", "webhook.updated", "auth.login", "auth.sso_login", "auth.logout",
    "auth.password_changed", "api_key.created", "api_key.revoked",
)  # fmt: skip
ELSEWHERE = {
    "audit.alert_raised", "audit.alert_acknowledged", "audit.alert_resolved",  # detection follows while it runs
    "audit.alert_rule_changed", "audit.stream_changed", "audit.stream_tested",  # nobody has a stream, or changed a rule
    "auth.impersonation_started", "auth.impersonation_ended",  # Sendero lets nobody act as somebody else
    "audit.asked",  # no model is let in
    "audit.review_started", "audit.review_signed",  # nobody has looked through a week yet
    "audit.anchored", "audit.bound",  # a server does both while it runs
    "audit.stamped",  # nobody needed the time of an authority
    "audit.capture_stopped", "audit.capture_resumed",  # nobody changes anything unrecorded
    "contact.emptied",  # a job empties whom somebody deleted thirty days ago while the workspace runs
    "audit.purged",  # nothing was older than the retention
    "audit.erased",  # a job erases from the log while the workspace runs
    "audit.hold_placed", "audit.hold_released",  # no court asked for anything
    "audit.sealed",  # a server seals while it runs, and the story is told before it starts
    "audit.events_dropped", "audit.verify_failed",  # nothing went wrong
}  # fmt: skip
"""Actions that the story does not tell, and why."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tell a short story once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        folder = tmp_path_factory.mktemp("story") / "var"
        # In a thread of its own: the browser of the same process may have a loop that runs in this one.
        with ThreadPoolExecutor(1) as apart:
            apart.submit(tell, Settings(data=folder), days=8, end=END).result()
        yield folder


@pytest.fixture(scope="module")
def home(told: Path) -> Iterator[Installation]:
    """Open what was told."""
    with Installation(Settings(data=told), clock=lambda: END) as home:
        yield home


def entries(home: Installation, query: str) -> list[Entry]:
    """Find entries, newest first."""
    return list(home.log.find(WORKSPACE, query, limit=1000).entries)


def said(home: Installation, entry: Entry) -> str:
    """Return the two lines that a reader sees."""
    first = sentence(entry, "en", home.log.catalog).text()
    return f"{first} | {second_line(entry, 'en', home.log.catalog).plain()}"


class TestThreads:
    """What somebody looks for."""

    def test_who_deleted_the_contact(self, home: Installation) -> None:
        """Maria, because he asked for it; the log still knows his name."""
        (entry,) = entries(home, 'action:contact.deleted resource:"Juan Pérez"')
        assert said(home, entry) == (
            "Maria Torres deleted contact Juan Pérez | “Asked to be removed by phone, ticket #2231”"
        )
        assert END - entry.occurred_at < timedelta(minutes=4)

    def test_what_became_of_the_second_ana(self, home: Installation) -> None:
        """She was merged; the history of either contact has it."""
        (entry,) = entries(home, "action:contact.merged resource:Ana*")
        assert said(home, entry).startswith("Maria Torres merged contact Ana Garcia into Ana García López")
        absorbed = entry.related[0].id
        stopped = entries(home, f"resource:contact:{absorbed}")
        assert [one.action for one in stopped] == ["contact.merged", "contact.consent_changed"]
        history = entries(home, f"resource:contact:{entry.resource.id}")
        assert [one.action for one in history] == ["contact.merged", "contact.updated"]
        assert {change.path for change in entry.changes} >= {"email", "birthday", "tags", "consent.marketing"}

    def test_who_made_joao_an_admin(self, home: Installation) -> None:
        """Aisha, minutes after he signed in from Lisbon on a new device."""
        (entry,) = entries(home, 'action:user.role_changed resource:"João Silva"')
        assert said(home, entry).startswith("Aisha Khan changed the role of João Silva | Role: Agent → Admin")
        assert entry.severity == "critical"
        (sign_in,) = entries(home, "action:auth.sso_login country:PT")
        assert said(home, sign_in) == "João Silva signed in with Google Workspace | From Lisbon"
        assert (sign_in.details or {})["known_device"] is False
        assert timedelta(0) < entry.occurred_at - sign_in.occurred_at < timedelta(minutes=10)

    def test_who_guessed_at_marias_password(self, home: Installation) -> None:
        """Six failures from one address; from the fifth on a warning."""
        failed = entries(home, "action:auth.login_failed ip:185.220.101.0/24")
        assert [entry.severity for entry in failed] == ["warning", "warning", "notice", "notice", "notice", "notice"]
        assert {entry.resource.name for entry in failed} == {"Maria Torres"}

    def test_what_happened_to_the_templates(self, home: Installation) -> None:
        """One edited and approved again, one paused for low quality, one deleted."""
        actions = [(entry.action, entry.actor.name) for entry in entries(home, "resource:order_update")]
        assert actions == [("template.status_changed", "WhatsApp"), ("template.edited", "Priya Nair")]
        paused, *_ = entries(home, "action:template.status_changed resource:diwali_offer_2026 after:paused")
        assert paused.reason == Reason(code="low_quality", text="First pause, 3 hours")
        assert {gone.resource.name for gone in entries(home, "action:template.deleted")} == {
            "summer_24",
            "prueba_codigo_qr",
        }

    def test_why_did_the_campaign_stop(self, home: Installation) -> None:
        """Because WhatsApp paused its template, which the entry points to; somebody finds it in three steps."""
        (paused,) = entries(home, 'action:campaign.paused resource:"Diwali early access"')
        assert said(home, paused) == (
            "Campaign guard paused campaign Diwali early access"
            " | “Template diwali_offer_2026 was paused by WhatsApp for low quality”"
        )
        assert timedelta(minutes=13) < END - paused.occurred_at < timedelta(minutes=15)
        details = paused.details or {}
        assert 0 < details["sent"] < details["audience"]
        assert details["provider_code"] == 132015
        cause = home.log.get(WORKSPACE, paused.cause or "")
        assert (cause.action, cause.actor.name) == ("template.status_changed", "WhatsApp")
        assert cause.resource.name == "diwali_offer_2026"
        assert cause in entries(home, 'resource:"diwali_offer_2026" after:paused')

    def test_who_cancelled_the_winter_clearance(self, home: Installation) -> None:
        """Priya, because the audience was wrong; what waited was given up."""
        (entry,) = entries(home, "action:campaign.cancelled actor:priya@casalumen.es")
        assert said(home, entry) == (
            "Priya Nair cancelled campaign Winter clearance | “Wrong audience: it included people who had opted out”"
        )
        details = entry.details or {}
        assert 0 < details["sent"] < details["audience"]
        assert details["discarded"] > 0

    def test_why_did_the_order_follow_up_fail(self, home: Installation) -> None:
        """WhatsApp refused for want of payment, twice: paused first, let go on by Sofía, failed then."""
        told = [(one.action, one.actor.name) for one in entries(home, 'resource:"Order follow-up"')][:4]
        assert told == [
            ("campaign.failed", "Campaign guard"),
            ("campaign.resumed", "Sofía Prieto"),
            ("campaign.paused", "Campaign guard"),
            ("campaign.started", "Scheduler"),
        ]
        (failed,) = entries(home, "action:campaign.failed")
        assert (failed.details or {})["provider_code"] == 131042

    def test_what_paused_by_night_went_on_in_the_morning(self, home: Installation) -> None:
        """The scheduler keeps the quiet hours of the workspace."""
        listed = entries(home, 'resource:"Loyalty points reminder"')
        told = [one for one in listed if one.actor.type == "scheduler"]
        assert [one.action for one in told] == [
            "campaign.completed",
            "campaign.resumed",
            "campaign.paused",
            "campaign.started",
        ]
        paused = told[2]
        assert paused.reason is not None
        assert paused.reason.code == "quiet_hours"
        assert told[1].occurred_at.astimezone(ZONE).hour in (8, 9)

    def test_who_used_the_old_key(self, home: Installation) -> None:
        """Aisha revoked it, and it was tried again."""
        told = entries(home, 'resource:"Old website widget"')
        assert [one.action for one in told] == ["api_key.denied"] * 3 + ["api_key.revoked"]
        assert said(home, told[0]) == "API key Old website widget was refused | It was revoked, from 203.0.113.9"
        assert told[3].actor.name == "Aisha Khan"

    def test_what_came_by_the_api_key(self, home: Installation) -> None:
        """64 contacts as one batch, on behalf of whoever made the key."""
        made = [one for one in entries(home, 'actor:"CRM sync" action:contact.created') if one.batch]
        assert len(made) == 64
        assert len({one.batch for one in made}) == 1
        assert made[0].actor.type == "api_key"
        assert made[0].actor.on_behalf_of is not None
        assert made[0].actor.on_behalf_of.name == "Tomás Ruiz"

    def test_where_the_webhook_went(self, home: Installation) -> None:
        """Tomás moved it to another host, which is a warning; it had failed and recovered."""
        moved, *_ = entries(home, 'action:webhook.updated resource:"Order events" change:url')
        assert (moved.actor.name, moved.severity) == ("Tomás Ruiz", "warning")
        health = entries(home, "action:webhook.health_changed")
        assert [one.reason and one.reason.text for one in health][:2] == ["HTTP 200", "4 × HTTP 502"]

    def test_who_is_in_the_night_shift(self, home: Installation) -> None:
        """João came and Lucía went, by one change of Aisha's."""
        entry, *_ = entries(home, 'action:team.modified resource:"Night shift"')
        assert said(home, entry) == "Aisha Khan modified team Night shift | Members: + João Silva, − Lucía Gil"

    def test_who_was_erased(self, home: Installation) -> None:
        """The entry does not say; it says who did it and for which request."""
        (entry,) = entries(home, "action:contact.erased")
        assert entry.actor.name == "Aisha Khan"
        assert (entry.details or {})["request"] == "#2244"
        assert "Carmen" not in said(home, entry)

    @pytest.mark.parametrize(
        "query",
        [
            "action:account.token_rotated actor:tomas@casalumen.es",
            "action:account.created",
            "action:account.updated change:auto_read_receipt",
            'action:user.created resource:"Joao Silva"',
            "action:user.updated after:João",
            "action:user.deactivated reason:Left",
            "action:user.reactivated",
            "action:role.created resource:Trainee",
            "action:role.deleted resource:Trainee",
            "action:role.updated after:contacts",
            "action:contact.deleted is:denied",
            "action:page.opened is:denied",
            "action:auth.password_changed",
            "action:contact.consent_changed actor:whatsapp",
            "action:contact.created actor:whatsapp via:webhook",
            "action:template.created",
            "action:template.category_changed actor:whatsapp before:utility after:marketing",
            "action:account.deleted resource:Old* reason:closed",
            "action:account.status_changed before:connected after:flagged",
            "action:account.quality_changed before:yellow after:green",
            "action:workspace.limit_changed actor:whatsapp",
            "action:workspace.updated change:quiet_hours",
            "action:audit.retention_changed actor:aisha@casalumen.es",
            "action:sso.created resource:casalumen.es",
            "action:sso.updated change:enforced",
            "action:sso.deleted",
            "action:auth.session_revoked resource:Nuria*",
            "action:auth.password_changed resource:Hugo*",
            "action:contact.imported resource:clientes*",
            "action:contact.exported actor:maria@casalumen.es",
            "action:api_key.expired resource:Zapier*",
            "action:campaign.deleted resource:Test*",
            "action:segment.deleted",
        ],
    )
    def test_every_other_thread(self, home: Installation, query: str) -> None:
        """Each is there to be found."""
        assert entries(home, query) != []


class TestWhole:
    """Everything that can happen, happens."""

    def test_every_action_of_the_catalog_occurs(self, home: Installation) -> None:
        """Only what no part of the workspace does, or what a sound log never says, is missing."""
        told = {entry.action for entry in home.log.read(WORKSPACE)}
        assert set(home.log.catalog) - told == ELSEWHERE

    def test_what_the_user_guide_names_occurs_more_than_once(self, home: Installation) -> None:
        """Each of its actions, so that a filter always has something to choose from."""
        times = Counter(entry.action for entry in home.log.read(WORKSPACE))
        assert {action for action in GUIDE if times[action] < 2} == set()

    def test_the_last_week_has_every_thread(self, home: Installation) -> None:
        """The page opens with seven days: each part of the workspace has something in them."""
        week = END - timedelta(days=7)
        lately = {entry.action for entry in home.log.read(WORKSPACE) if entry.occurred_at > week}
        assert set(GUIDE) <= lately
        assert lately >= {action for action in home.log.catalog if action.startswith(("campaign.", "api_key.denied"))}


class TestTruth:
    """The log and the workspace agree."""

    def test_nobody_got_what_they_had_refused(self, home: Installation) -> None:
        """No message of an offer was sent to somebody whose consent, then, was no."""
        said_no: dict[str, list[tuple[datetime, bool]]] = defaultdict(list)
        for entry in reversed(entries(home, "action:contact.consent_changed")):
            after = {change.path: change.after for change in entry.changes}
            if "consent.marketing" in after:
                refused = after["consent.marketing"] != "opted_in"
                said_no[entry.resource.id].append((entry.occurred_at, refused))
        with begin(home) as work:
            query = sa.select(Message.contact_id, Message.tried_at).join(Campaign).join(Template)
            sent = work.session.execute(query.where(Message.sent_at.is_not(None), Template.category == "marketing"))
            rows = [(contact, at) for contact, at in sent if at is not None]
        assert len(rows) > 100
        for contact, tried_at in rows:
            before = [refused for at, refused in said_no.get(contact, ()) if at < tried_at]
            assert not (before and before[-1])

    def test_the_counters_of_the_campaigns_are_those_of_their_messages(self, home: Installation) -> None:
        """What a campaign's page says can be counted."""
        with begin(home) as work:
            for campaign in work.session.execute(sa.select(Campaign)).scalars():
                query = sa.select(Message.status, sa.func.count()).where(Message.campaign_id == campaign.id)
                many = dict(work.session.execute(query.group_by(Message.status)).all())
                assert campaign.audience == sum(many.values())
                assert campaign.queued == many.get("queued", 0)
                assert campaign.read == many.get("read", 0)
                assert campaign.discarded == many.get("discarded", 0)

    def test_nobody_acts_before_they_were_invited_or_after_they_left(self, home: Installation) -> None:
        """Who is new begins with the invitation; whoever was deactivated does nothing."""
        listed = list(home.log.read(WORKSPACE))
        for created in [one for one in listed if one.action == "user.created"]:
            before = listed[: listed.index(created)]
            assert not [one for one in before if one.actor.id == created.resource.id]
        gone = [one for one in listed if one.action == "user.deactivated"][-1]
        after = listed[listed.index(gone) :]
        assert not [one for one in after if one.actor.id == gone.resource.id]

    def test_the_log_verifies_and_nothing_was_refused(self, home: Installation) -> None:
        """Every event of the story was taken."""
        assert home.log.verify(WORKSPACE).ok
        backlog = home.outbox.backlog()
        assert (backlog.waiting, backlog.quarantined) == (0, 0)

    def test_each_entry_was_taken_when_it_happened(self, home: Installation) -> None:
        """The log's clock follows the story."""
        delays = [entry.recorded_at - entry.occurred_at for entry in home.log.read(WORKSPACE)]
        assert timedelta(0) <= min(delays)
        assert max(delays) < timedelta(seconds=3)
        newest = entries(home, "")[0]
        assert timedelta(0) <= END - newest.occurred_at < timedelta(minutes=5)

    def test_every_contact_that_is_gone_has_an_entry_and_none_else(self, home: Installation) -> None:
        """Deleted rows and entries of deletion are the same contacts; merged ones likewise."""
        with begin(home) as work:
            rows = work.session.query(Contact).all()
            deleted = {row.id for row in rows if row.deleted_at and not row.erased_at}
            erased = {row.id for row in rows if row.erased_at}
            merged = {row.id for row in rows if row.merged_into}
            left = len(work.session.execute(living(work)).scalars().all())
        assert {entry.resource.id for entry in entries(home, "action:contact.deleted -is:denied")} == deleted
        assert {entry.related[0].id for entry in entries(home, "action:contact.merged")} == merged
        assert {entry.resource.id for entry in entries(home, "action:contact.erased")} == erased
        assert left == len(rows) - len(deleted) - len(merged) - len(erased)

    def test_nobody_works_at_night(self, home: Installation) -> None:
        """People keep their hours; only the planted threads, which a short story squeezes together, may not."""
        people = [entry for entry in entries(home, "action:contact.updated") if entry.actor.type == "user"]
        hours = [entry.occurred_at.astimezone(ZONE).hour for entry in people]
        assert len(hours) > 50
        assert sum(7 <= hour <= 21 for hour in hours) / len(hours) > 0.97

    def test_no_secret_is_anywhere(self, home: Installation, told: Path) -> None:
        """Tokens of the accounts are sealed in one database and fingerprints in the other."""
        with begin(home) as work:
            secrets = [home.vault.open(getattr(one, name)) for one in listing(work) for name in SECRETS]
        stored = b"".join(file.read_bytes() for file in told.iterdir())
        assert len(secrets) == 6
        assert not [secret for secret in secrets if secret.encode() in stored]


def test_the_same_seed_tells_the_same_story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another seed tells another one, and more of the usual makes a longer one."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))

    def story(seed: int, name: str, times: int = 1) -> list[tuple[str, str, str, str]]:
        settings = Settings(data=tmp_path / name)
        tell(settings, days=1, times=times, end=END, seed=seed)
        with Installation(settings) as home:
            listed = list(home.log.read(WORKSPACE))
        # What the log says of itself has ids of its own making.
        return [
            ("" if one.action.startswith("audit.") else one.id, one.action, one.actor.id, one.resource.id)
            for one in listed
        ]

    first = story(1, "a")
    assert len(first) > 60
    assert story(1, "b") == first
    assert story(2, "c") != first
    assert len(story(1, "d", times=3)) > 1.5 * len(first)


def test_whom_the_story_tells_about_has_a_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An invented customer who would be called the same gets another name."""
    name = people.customer(Random(1))["name"]
    monkeypatch.setattr(people, "ALONE", (name,))
    assert people.customer(Random(1))["name"] != name


def test_nobody_of_the_story_has_the_number_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """WhatsApp tells of people by their numbers."""
    drawn = iter(["+34600000001", "+34600000001", "+34600000002"])
    monkeypatch.setattr(teller, "customer", lambda _: {"phone_e164": next(drawn)})
    work: Any = SimpleNamespace(session=OrmSession(), workspace=Workspace())
    storyteller = teller.Teller(work, StoryClock(END), Random(1), Issuer(lambda: END))
    assert [storyteller.customer()["phone_e164"] for _ in range(2)] == ["+34600000001", "+34600000002"]
