"""The story: every question of the user guide finds its answer, and nothing in the log is made up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from sendero import passwords
from sendero.installation import Installation, Settings
from sendero.service.accounts import SECRETS, listing
from sendero.service.contacts import living
from sendero.story.begin import tell
from sendero.story.days import ZONE
from sendero.tables import Contact
from sendero.work import begin
from whodid import Entry, Reason
from whodid.catalog import second_line, sentence

END = datetime(2026, 11, 20, 13, 35, tzinfo=UTC)
WORKSPACE = "wsp_00000000000000000000000001"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tell a short story once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        folder = tmp_path_factory.mktemp("story") / "var"
        tell(Settings(data=folder), days=8, end=END)
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
        (entry,) = entries(home, "action:user.role_changed")
        assert said(home, entry).startswith("Aisha Khan changed the role of João Silva | Role: Agent → Admin")
        assert entry.severity == "critical"
        sign_in = next(one for one in entries(home, "action:auth.login country:PT"))
        assert sign_in.actor.name == "João Silva"
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
        paused, *_ = entries(home, "resource:diwali_offer_2026 after:paused")
        assert paused.reason == Reason(code="low_quality", text="First pause, 3 hours")
        (gone,) = entries(home, "action:template.deleted")
        assert gone.resource.name == "summer_24"

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
        ],
    )
    def test_every_other_thread(self, home: Installation, query: str) -> None:
        """Each is there to be found."""
        assert entries(home, query) != []


class TestTruth:
    """The log and the workspace agree."""

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
            deleted = {row.id for row in rows if row.deleted_at}
            merged = {row.id for row in rows if row.merged_into}
            left = len(work.session.execute(living(work)).scalars().all())
        assert {entry.resource.id for entry in entries(home, "action:contact.deleted -is:denied")} == deleted
        assert {entry.related[0].id for entry in entries(home, "action:contact.merged")} == merged
        assert left == len(rows) - len(deleted) - len(merged)

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
    """Another seed tells another one."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))

    def story(seed: int, name: str) -> list[tuple[str, str, str, str]]:
        settings = Settings(data=tmp_path / name)
        tell(settings, days=1, end=END, seed=seed)
        with Installation(settings) as home:
            return [(one.id, one.action, one.actor.id, one.resource.id) for one in home.log.read(WORKSPACE)]

    first = story(1, "a")
    assert len(first) > 60
    assert story(1, "b") == first
    assert story(2, "c") != first
