"""WhatsApp accounts: connecting, testing, defaults, tokens, deleting; WhatsApp is asked before anything is written."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from sendero.service import accounts
from sendero.tables import Account, Campaign, Segment
from sendero.whatsapp import turns
from sendero.whatsapp.actor import WHATSAPP
from tests.graphing import fault, graph_server
from tests.lumen import TOKEN, Lumen, account_values, lumen, row_of, source
from whodid import Change, Entry, Reason, Resource

__all__ = ["lumen"]

SETTINGS = "/settings/accounts"
SECRETS = {
    "access_token": "EAANewTokenOfTheSecondNumber0000001",
    "app_secret": "the-app-secret-of-the-second",
    "webhook_verify_token": "the-verify-token-of-the-second",
}
FORM = {"name": "Support", "waba_id": "1001", "phone_number_id": "3003", "api_version": "v25.0", **SECRETS}


def changes(entry: Entry) -> dict[str, Change]:
    """Return the changes of an entry by their paths."""
    return {change.path: change for change in entry.changes}


def campaign(place: Lumen, status: str) -> None:
    """Put a campaign on the account of the set-up."""
    with place.working() as work:
        mine = {"workspace_id": place.workspace}
        work.add(row_of(Segment, id="seg_1", **mine))
        on = {"account_id": place.account.id, "template_id": place.template.id, "segment_id": "seg_1"}
        work.add(row_of(Campaign, id="cmp_1", name="Diwali", status=status, **on, **mine))


class TestConnecting:
    """A number that WhatsApp knows."""

    def test_a_second_number(self, lumen: Lumen) -> None:
        """What WhatsApp says of it is saved with what was typed; secrets are sealed, their fingerprints on record."""
        browser = lumen.signed_in("Admin")
        answer = browser.post(f"{SETTINGS}/new", data=FORM)
        assert answer.status_code == 303

        entry = lumen.entry()
        assert (entry.action, entry.actor, entry.kind) == ("account.created", lumen.actor("Admin"), "create")
        assert (entry.outcome, entry.resource.name, source(entry)) == ("success", "Support", "web")
        told = changes(entry)
        assert str(told["display_phone_number"].after).startswith("+34 910 555 ")
        assert (told["quality_rating"].after, told["status"].after) == ("green", "connected")
        assert {path for path, change in told.items() if change.class_ == "secret"} == set(SECRETS)
        row = lumen.row(Account, name="Support")
        assert lumen.home.vault.open(row.access_token) == SECRETS["access_token"]
        stored = b"".join(file.read_bytes() for file in lumen.home.settings.data.iterdir())
        for secret in SECRETS.values():
            assert secret.encode() not in stored
            assert secret not in browser.get(answer.headers["location"]).text

    @pytest.mark.parametrize(
        ("field", "value", "told"),
        [
            ("name", " ", "needs a name"),
            ("name", "x" * 101, "at most 100"),
            ("waba_id", "", "without spaces"),
            ("phone_number_id", "../me", "without spaces"),
            ("phone_number_id", "2002", "connected already"),
            ("access_token", "short", "paste it whole"),
            ("access_token", "EAA with spaces in it, all of it", "paste it whole"),
            ("app_secret", "x", "8 to 200"),
            ("webhook_verify_token", "contraseña-ñ", "8 to 200"),
            ("api_version", "v1.0", "Choose one"),
        ],
    )
    def test_what_cannot_be_taken(self, lumen: Lumen, field: str, value: str, told: str) -> None:
        """Is said beside the field, and WhatsApp is not even asked; no secret comes back with the form."""
        answer = lumen.signed_in("Admin").post(f"{SETTINGS}/new", data=FORM | {field: value})
        assert answer.status_code == 422
        assert told in answer.text
        assert not [secret for secret in SECRETS.values() if secret in answer.text]
        assert lumen.entries() == []

    def test_whatsapp_does_not_know_it(self, lumen: Lumen) -> None:
        """Its words are shown, nothing is saved, and the attempt is on record as failed."""
        answer = lumen.signed_in("Admin").post(f"{SETTINGS}/new", data=FORM | {"access_token": "XYZ" + "0" * 30})
        assert answer.status_code == 409
        assert "WhatsApp refuses this: Invalid OAuth access token" in answer.text
        assert 'value="Support"' in answer.text
        entry = lumen.entry()
        assert (entry.action, entry.outcome) == ("account.created", "failed")
        assert entry.details == {"provider_code": 190}
        assert lumen.row(Account).name == "Casa Lumen Shop"

    def test_whatsapp_is_away(self, lumen: Lumen) -> None:
        """The person is told to try again; nothing is half done."""
        lumen.speaks_with("http://127.0.0.1:9", timeout=httpx2.Timeout(0.5))
        browser = lumen.signed_in("Admin")
        for path, data in (
            (f"{SETTINGS}/new", FORM),
            (f"{SETTINGS}/{lumen.account.id}/test", {}),
            (f"{SETTINGS}/{lumen.account.id}/token", {"token": SECRETS["access_token"], "version": "1"}),
        ):
            answer = browser.post(path, data=data)
            assert answer.status_code == 409, path
            assert "WhatsApp cannot be used now" in answer.text
        assert [entry.outcome for entry in lumen.entries()] == ["failed"] * 3
        assert {entry.reason.code for entry in lumen.entries() if entry.reason} == {"provider_silent"}
        row = lumen.row(Account)
        assert (row.version, lumen.home.vault.open(row.access_token)) == (1, TOKEN)

    def test_the_cloud_api(self, lumen: Lumen) -> None:
        """The same over HTTP, as Meta answers."""
        with graph_server() as graph:
            lumen.speaks_with(graph.address)
            number = {
                "display_phone_number": "+34 910 555 020",
                "verified_name": "Casa Lumen",
                "name_status": "APPROVED",
            }
            graph.will(
                200, {**number, "quality_rating": "YELLOW", "status": "CONNECTED", "throughput": {"level": "HIGH"}}
            )
            answer = lumen.signed_in("Admin").post(f"{SETTINGS}/new", data=FORM)
            assert answer.status_code == 303
            assert graph.asked[0].path == "/v25.0/3003"
            assert graph.asked[0].token == SECRETS["access_token"]
        row = lumen.row(Account, name="Support")
        assert (row.display_phone_number, row.quality_rating, row.throughput_level) == (
            "+34 910 555 020", "yellow", "high",
        )  # fmt: skip


class TestDefaults:
    """There is one default for what comes in, and one for what goes out."""

    def test_a_new_default_takes_over(self, lumen: Lumen) -> None:
        """Both accounts change, each with its entry, and the second names the first as its cause."""
        browser = lumen.signed_in("Admin")
        browser.post(f"{SETTINGS}/new", data=FORM | {"is_default_in": "on"})
        lost, created = lumen.entries()
        assert (lost.action, lost.resource.name, lost.cause) == ("account.updated", "Casa Lumen Shop", created.id)
        assert lost.changes == (Change(path="is_default_in", before=True, after=False),)

        shop = lumen.row(Account, name="Casa Lumen Shop")
        typed = {"name": shop.name, "api_version": shop.api_version, "version": str(shop.version)}
        browser.post(f"{SETTINGS}/{shop.id}/edit", data=typed | {"is_default_in": "on", "is_default_out": "on"})
        with lumen.home.session() as session:
            query = sa.select(Account.name).where(Account.is_default_in)
            assert list(session.execute(query).scalars()) == ["Casa Lumen Shop"]
        assert [entry.action for entry in lumen.entries()] == ["account.updated"] * 3 + ["account.created"]


class TestTesting:
    """The button that asks WhatsApp."""

    def test_nothing_new(self, lumen: Lumen) -> None:
        """Says so, and records nothing."""
        browser = lumen.signed_in("Admin")
        answer = browser.post(f"{SETTINGS}/{lumen.account.id}/test")
        assert answer.headers["location"].endswith("?done=account_tested")
        assert lumen.entries() == []

    def test_what_is_new(self, lumen: Lumen) -> None:
        """Is WhatsApp's act, although a person asked."""
        with graph_server() as graph:
            lumen.speaks_with(graph.address)
            number = {
                "display_phone_number": "+34 910 555 014",
                "verified_name": "Casa Lumen",
                "name_status": "APPROVED",
            }
            graph.will(
                200, {**number, "quality_rating": "YELLOW", "status": "FLAGGED", "throughput": {"level": "HIGH"}}
            )
            lumen.signed_in("Admin").post(f"{SETTINGS}/{lumen.account.id}/test")
        status, quality, facts = lumen.entries()
        assert {entry.actor for entry in (status, quality, facts)} == {WHATSAPP}
        assert facts.changes == (Change(path="throughput_level", before="standard", after="high"),)
        assert quality.changes == (Change(path="quality_rating", before="green", after="yellow"),)
        assert status.changes == (Change(path="status", before="connected", after="flagged"),)

    def test_a_token_that_is_lost(self, lumen: Lumen) -> None:
        """The number is disconnected, by WhatsApp; a new token connects it again."""
        browser = lumen.signed_in("Admin")
        fresh = TOKEN.replace("1", "9")
        with graph_server() as graph:
            lumen.speaks_with(graph.address)
            graph.will(401, fault(190, "Error validating access token: Session has expired"))
            answer = browser.post(f"{SETTINGS}/{lumen.account.id}/test")
            assert answer.status_code == 409
            assert "Session has expired" in answer.text
            lost = lumen.entry()
            assert (lost.action, lost.actor) == ("account.status_changed", WHATSAPP)
            assert lost.changes == (Change(path="status", before="connected", after="disconnected"),)
            assert lost.reason == Reason(code="token_lost", text="Error validating access token: Session has expired")

            number = {
                "display_phone_number": "+34 910 555 014",
                "verified_name": "Casa Lumen",
                "name_status": "APPROVED",
            }
            graph.will(200, {**number, "quality_rating": "GREEN", "status": "CONNECTED"})
            typed = {"token": fresh, "version": str(lumen.row(Account).version)}
            assert browser.post(f"{SETTINGS}/{lumen.account.id}/token", data=typed).status_code == 303
            assert graph.asked[-1].token == fresh
        connected, rotated, _ = lumen.entries()
        assert (rotated.action, rotated.actor) == ("account.token_rotated", lumen.actor("Admin"))
        assert connected.changes == (Change(path="status", before="disconnected", after="connected"),)

    def test_asked_again_and_again(self, lumen: Lumen) -> None:
        """A job asks as well: what WhatsApp does not tell by itself is seen all the same."""
        with graph_server() as graph:
            lumen.speaks_with(graph.address)
            graph.will(503, fault(2, "Service temporarily unavailable"))
            turns.ask_standings(lumen.home)
            assert lumen.entries() == []
            graph.will(401, fault(190, "The token was revoked"))
            turns.ask_standings(lumen.home)
        entry = lumen.entry()
        assert (entry.actor, source(entry), entry.details) == (WHATSAPP, "job", {"provider_code": 190})
        assert lumen.row(Account).status == "disconnected"


class TestDeleting:
    """An account goes; its traces stay."""

    def test_deleting(self, lumen: Lumen) -> None:
        """The last state is on record with what it was used for; the token is destroyed."""
        browser = lumen.signed_in("Admin")
        page = browser.get(f"{SETTINGS}/{lumen.account.id}/delete").text
        assert "1 template is left without a number." in page
        typed = {"version": str(lumen.account.version), "reason": "replaced", "note": "Moved to the new line"}
        browser.post(f"{SETTINGS}/{lumen.account.id}/delete", data=typed)

        entry = lumen.entry()
        assert (entry.action, entry.actor, entry.kind) == ("account.deleted", lumen.actor("Admin"), "delete")
        assert entry.resource == Resource(type="account", id=lumen.account.id, name="Casa Lumen Shop")
        assert entry.reason == Reason(code="replaced", text="Moved to the new line")
        assert entry.details == {"templates": 1, "running_campaigns": 0}
        told = changes(entry)
        assert told["display_phone_number"] == Change(
            path="display_phone_number", op="remove", before="+34 910 555 014"
        )
        assert told["status"] == Change(path="status", before="connected", after="deleted")
        assert told["access_token"].class_ == "secret"
        row = lumen.row(Account)
        assert lumen.home.vault.open(row.access_token) == ""
        assert browser.get(f"{SETTINGS}/{lumen.account.id}").status_code == 404
        assert "Casa Lumen Shop" not in browser.get(SETTINGS).text

    @pytest.mark.parametrize("status", ["scheduled", "running"])
    def test_a_campaign_is_on_it(self, lumen: Lumen, status: str) -> None:
        """It stays until the campaign has ended."""
        campaign(lumen, status)
        browser = lumen.signed_in("Admin")
        answer = browser.post(f"{SETTINGS}/{lumen.account.id}/delete", data={"version": str(lumen.account.version)})
        assert answer.status_code == 409
        assert "Cancel it first" in answer.text
        assert lumen.entries() == []
        assert lumen.row(Account).deleted_at is None

    def test_a_campaign_was_on_it(self, lumen: Lumen) -> None:
        """What has ended does not matter."""
        campaign(lumen, "completed")
        typed = {"version": str(lumen.account.version)}
        lumen.signed_in("Admin").post(f"{SETTINGS}/{lumen.account.id}/delete", data=typed)
        assert lumen.entry().action == "account.deleted"

    def test_its_templates_cannot_be_handed_in(self, lumen: Lumen) -> None:
        """There is nobody to hand them to; deleting one is possible."""
        with lumen.working() as work:
            accounts.delete(work, work.get(Account, lumen.account.id))
        browser = lumen.signed_in("Manager")
        version = {"version": str(lumen.template.version)}
        typed = {"body": "Hi {{1}}, order {{2}}.", "samples": "Ana\nCL-1", "do": "submit", "category": "utility"}
        edit = browser.post(f"/templates/{lumen.template.id}/edit", data=version | typed)
        assert edit.status_code == 409
        assert "was deleted" in edit.text
        assert browser.post(f"/templates/{lumen.template.id}/delete", data=version).status_code == 303


def test_what_the_form_asks_twice_is_asked_once(lumen: Lumen) -> None:
    """Somebody else changed the account while WhatsApp was asked: nothing is written over theirs."""
    provider = lumen.home.provider
    account = account_values()

    class Slow:
        """A WhatsApp that is so slow that somebody else acts meanwhile."""

        def standing(self, line: Any) -> Any:
            with lumen.working() as work:
                accounts.update(work, work.get(Account, lumen.account.id), account | {"name": "Meanwhile"})
            return provider.standing(line)

    lumen.home.provider = Slow()  # type: ignore[assignment]
    typed = {"token": TOKEN.replace("1", "9"), "version": str(lumen.account.version)}
    answer = lumen.signed_in("Admin").post(f"{SETTINGS}/{lumen.account.id}/token", data=typed)
    assert answer.status_code == 409
    assert lumen.home.vault.open(lumen.row(Account).access_token) == TOKEN
    assert lumen.entries() == []
