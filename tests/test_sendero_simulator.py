"""The WhatsApp of the demo: it keeps the promise of a provider, and reaches Sendero only through the signed webhook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from sendero.installation import Installation, Settings
from sendero.service import accounts, templates
from sendero.tables import Account, Contact, Message, Template, Workspace
from sendero.web.app import application
from sendero.whatsapp import inbound
from sendero.whatsapp.actor import WHATSAPP
from sendero.whatsapp.cloud import CloudApi
from sendero.whatsapp.demo import DemoWhatsApp
from sendero.whatsapp.forms import handed_in
from sendero.whatsapp.provider import EXISTS, Line, Outgoing, ProviderFault
from tests.lumen import TOKEN, Lumen, lumen, row_of, source, template_values
from whodid import Change, Reason

__all__ = ["lumen"]

PANEL = "/settings/whatsapp-simulator"
LINE = Line(phone_number_id="2002", waba_id="1001", access_token=TOKEN, api_version="v24.0")
FRESH = Line(phone_number_id="77", waba_id="78", access_token=TOKEN, api_version="v24.0")
HELLO = Outgoing(to="+34611204880", template="order_update", language="en", body=("Ana", "CL-1"), reference="")


def fresh(name: str = "fresh", **more: Any) -> dict[str, Any]:
    """Return a template in WhatsApp's form."""
    return handed_in(templates.checked(template_values(name=name, **more)))


def press(browser: TestClient, act: str, key: str = "", **more: str) -> Any:
    """Press a button of the panel."""
    return browser.post(PANEL, data={"act": act, "key": key, **more})


def key_of(place: Lumen) -> str:
    """Return WhatsApp's id of the template of the set-up."""
    found = place.whatsapp.find_template(LINE, "order_update", "en")
    assert found is not None
    return found.id


class TestPromise:
    """What every provider promises, with WhatsApp's own codes."""

    def test_a_review(self, lumen: Lumen) -> None:
        """Takes some seconds and ends in an approval, which is told."""
        whatsapp = lumen.whatsapp
        made = whatsapp.create_template(FRESH, fresh())
        assert made.status == "pending"
        whatsapp.tick()
        found = whatsapp.find_template(FRESH, "fresh", "en")
        assert found is not None
        assert (found.status, found.id) == ("pending", made.id)
        lumen.whatsapp_goes_on()
        found = whatsapp.find_template(FRESH, "fresh", "en")
        assert found is not None
        assert found.status == "approved"

    def test_a_name_that_is_taken(self, lumen: Lumen) -> None:
        """Has a code of its own."""
        lumen.whatsapp.create_template(FRESH, fresh())
        with pytest.raises(ProviderFault) as raised:
            lumen.whatsapp.create_template(FRESH, fresh())
        assert raised.value.subcode == EXISTS

    @pytest.mark.parametrize(
        ("status", "code"),
        [("pending", 132001), ("rejected", 132001), ("paused", 132015), ("disabled", 132016), ("archived", 132001)],
    )
    def test_what_cannot_be_sent(self, lumen: Lumen, status: str, code: int) -> None:
        """The template stands in the way."""
        with lumen.working() as work:
            work.get(Template, lumen.template.id).status = status
        with pytest.raises(ProviderFault) as raised:
            lumen.whatsapp.send(LINE, HELLO)
        assert (raised.value.code, raised.value.passing) == (code, False)

    def test_other_refusals(self, lumen: Lumen) -> None:
        """No such template, too few values, a token that is none, a number of another account."""
        cases = [
            (LINE, Outgoing(to="+34611204880", template="none", language="en"), 132001),
            (LINE, Outgoing(to="+34611204880", template="order_update", language="en", body=("Ana",)), 132000),
            (Line(phone_number_id="2002", waba_id="1001", access_token="x", api_version="v24.0"), HELLO, 190),
            (Line(phone_number_id="2002", waba_id="9", access_token=TOKEN, api_version="v24.0"), HELLO, 100),
        ]
        for line, message, code in cases:
            with pytest.raises(ProviderFault) as raised:
                lumen.whatsapp.send(line, message)
            assert raised.value.code == code

    @pytest.mark.parametrize(
        ("act", "code", "passing"), [("ban", 131031, False), ("disconnect", 131031, False), ("restrict", 131048, True)]
    )
    def test_a_number_that_may_not_send(self, lumen: Lumen, act: str, code: int, passing: bool) -> None:
        """The number stands in the way."""
        press(lumen.signed_in("Admin"), act, "2002")
        with pytest.raises(ProviderFault) as raised:
            lumen.whatsapp.send(LINE, HELLO)
        assert (raised.value.code, raised.value.passing) == (code, passing)

    def test_the_rate(self, lumen: Lumen) -> None:
        """So many in a second, and the next second as many again."""
        lumen.whatsapp.rate = 3
        lumen.now = lumen.now.replace(microsecond=0)
        for _ in range(3):
            lumen.whatsapp.send(LINE, HELLO)
        with pytest.raises(ProviderFault) as raised:
            lumen.whatsapp.send(LINE, HELLO)
        assert (raised.value.code, raised.value.passing, raised.value.wait) == (130429, True, 1)
        lumen.advance(seconds=1)
        assert lumen.whatsapp.send(LINE, HELLO)

    def test_editing_waits_for_the_review(self, lumen: Lumen) -> None:
        """And deleting what is gone is no fault."""
        made = lumen.whatsapp.create_template(FRESH, fresh())
        with pytest.raises(ProviderFault):
            lumen.whatsapp.edit_template(FRESH, made.id, fresh(body="Another {{1}} {{2}}"))
        lumen.whatsapp.delete_template(FRESH, made.id, "fresh")
        lumen.whatsapp.delete_template(FRESH, made.id, "fresh")
        with pytest.raises(ProviderFault):
            lumen.whatsapp.edit_template(FRESH, made.id, fresh())


class TestMessages:
    """What is told about messages later."""

    @pytest.fixture
    def sent(self, lumen: Lumen) -> list[str]:
        """Send thirty messages, one of them to a number that nobody has."""
        with lumen.working() as work:
            to = {"contact_id": lumen.juan.id, "account_id": lumen.account.id}
            for number in range(30):
                work.add(row_of(Message, id=f"msg_{number}", status="sending", **to))
        for number in range(30):
            person = "+34611204000" if number == 0 else f"+346112048{number:02}"
            told: dict[str, Any] = {"to": person, "reference": f"msg_{number}"}
            lumen.whatsapp.send(LINE, Outgoing(template="order_update", language="en", body=("Ana", "1"), **told))
        return [f"msg_{number}" for number in range(30)]

    def test_delivered_and_read(self, lumen: Lumen, sent: list[str]) -> None:
        """All are delivered, most are read, one fails with its code."""
        for _ in range(6):
            lumen.whatsapp_goes_on()
        rows = [lumen.row(Message, id=key) for key in sent]
        assert (rows[0].status, rows[0].error_code) == ("failed", 131026)
        assert {row.status for row in rows[1:]} == {"delivered", "read"}
        assert sum(row.status == "read" for row in rows) > 5

    def test_it_survives_a_restart(self, lumen: Lumen, sent: list[str]) -> None:
        """What was not told yet is told afterwards."""
        lumen.home.close()
        lumen.home = Installation(lumen.home.settings, clock=lumen._clock)
        lumen.app = application(lumen.home)
        for _ in range(6):
            lumen.whatsapp_goes_on()
        assert lumen.row(Message, id=sent[1]).status in ("delivered", "read")

    def test_nobody_listens(self, lumen: Lumen, monkeypatch: pytest.MonkeyPatch) -> None:
        """A notice that is not taken is told again."""

        def broken(*_: object) -> None:
            raise RuntimeError("a fault of ours")

        press(lumen.signed_in("Admin"), "green", "2002")
        with monkeypatch.context() as patch:
            patch.setattr(inbound, "trusted", broken)
            press(lumen.signed_in("Admin"), "pause", key_of(lumen))
            assert lumen.row(Template).status == "approved"
        lumen.whatsapp_goes_on()
        assert lumen.row(Template).status == "paused"


class TestReviews:
    """What WhatsApp thinks of a text."""

    @pytest.mark.parametrize(
        ("body", "reason"),
        [("Visit our casino, {{1}} {{2}}", "Abusive content"), ("Buy crypto now, {{1}} {{2}}!", "Scam")],
    )
    def test_rejected(self, lumen: Lumen, body: str, reason: str) -> None:
        """With the reason, on the page and in the log."""
        browser = lumen.signed_in("Manager")
        submit(browser, lumen, body=body)
        lumen.whatsapp_goes_on()
        told, created = lumen.entries()
        assert (created.actor, told.actor) == (lumen.actor("Manager"), WHATSAPP)
        assert (told.action, told.reason) == ("template.status_changed", Reason(code="rejected", text=reason))
        assert reason in browser.get(f"/templates/{lumen.row(Template, name='fresh').id}").text

    def test_another_category(self, lumen: Lumen) -> None:
        """A utility that advertises is marketing."""
        submit(lumen.signed_in("Manager"), lumen, body="A discount for {{1}}: {{2}}")
        lumen.whatsapp_goes_on()
        category, approved, _ = lumen.entries()
        assert approved.changes == (Change(path="status", before="pending", after="approved"),)
        assert (category.action, category.actor) == ("template.category_changed", WHATSAPP)
        assert category.changes == (Change(path="category", before="utility", after="marketing"),)


def submit(browser: TestClient, place: Lumen, **more: str) -> None:
    """Hand a template in by its form."""
    values = template_values(name="fresh", buttons=[], **more)
    typed = {**values, "samples": "\n".join(values["samples"]), "do": "submit"}
    del typed["buttons"]
    answer = browser.post("/templates/new", data=typed)
    assert answer.status_code == 303, answer.text
    assert place.row(Template, name="fresh").meta_template_id


class TestPanel:
    """Each button is an act of WhatsApp."""

    def test_pausing_until_it_is_disabled(self, lumen: Lumen) -> None:
        """Three hours, six hours, for good; each pause ends by itself."""
        browser = lumen.signed_in("Admin")
        press(browser, "pause", key_of(lumen))
        entry = lumen.entry()
        assert (entry.action, entry.actor, source(entry)) == (
            "template.status_changed", WHATSAPP, "webhook",
        )  # fmt: skip
        assert (entry.reason, entry.severity) == (Reason(code="low_quality", text="First pause, 3 hours"), "warning")
        assert "Paused until" in browser.get(f"/templates/{lumen.template.id}").text

        lumen.whatsapp_goes_on(3 * 3600 + 1)
        assert lumen.row(Template).status == "approved"
        browser = lumen.signed_in("Admin")
        press(browser, "pause", key_of(lumen))
        assert lumen.entries()[0].reason == Reason(code="low_quality", text="Second pause, 6 hours")
        lumen.whatsapp_goes_on(6 * 3600 + 1)
        press(lumen.signed_in("Admin"), "pause", key_of(lumen))
        assert lumen.row(Template).status == "disabled"

    def test_deciding_a_review(self, lumen: Lumen) -> None:
        """Before its time."""
        submit(lumen.signed_in("Manager"), lumen)
        browser = lumen.signed_in("Admin")
        key = lumen.row(Template, name="fresh").meta_template_id
        press(browser, "reject", key)
        row = lumen.row(Template, name="fresh")
        assert (row.status, row.rejected_reason) == ("rejected", "Tag content mismatch")
        assert press(browser, "approve", key).status_code == 409

    @pytest.mark.parametrize(
        ("act", "status"), [("disable", "disabled"), ("archive", "archived"), ("flag", "approved")]
    )
    def test_templates(self, lumen: Lumen, act: str, status: str) -> None:
        """What else can happen to one."""
        browser = lumen.signed_in("Admin")
        press(browser, act, key_of(lumen))
        assert lumen.row(Template).status == status
        assert lumen.entry().actor == WHATSAPP
        if act == "archive":
            press(browser, "unarchive", key_of(lumen))
            assert lumen.row(Template).status == "approved"
        if act == "flag":
            assert lumen.row(Template).disable_at is not None

    def test_a_category(self, lumen: Lumen) -> None:
        """Is moved; to where it is already it cannot be."""
        browser = lumen.signed_in("Admin")
        press(browser, "category", key_of(lumen), choice="marketing")
        assert lumen.entry().action == "template.category_changed"
        assert press(browser, "category", key_of(lumen), choice="marketing").status_code == 409

    def test_quality(self, lumen: Lumen) -> None:
        """Yellow is quality only; red flags the number for a week."""
        browser = lumen.signed_in("Admin")
        press(browser, "yellow", "2002")
        assert lumen.entry().changes == (Change(path="quality_rating", before="green", after="yellow"),)
        press(browser, "red", "2002")
        assert lumen.row(Account).status == "flagged"
        lumen.whatsapp_goes_on(7 * 24 * 3600 + 1)
        row = lumen.row(Account)
        assert (row.status, row.quality_rating) == ("connected", "red")

    @pytest.mark.parametrize(
        ("act", "status"), [("restrict", "restricted"), ("ban", "banned"), ("disconnect", "disconnected")]
    )
    def test_numbers(self, lumen: Lumen, act: str, status: str) -> None:
        """Cannot send any more, until they can again."""
        browser = lumen.signed_in("Admin")
        press(browser, act, "2002")
        entry = lumen.entry()
        assert (entry.action, entry.actor) == ("account.status_changed", WHATSAPP)
        assert entry.changes == (Change(path="status", before="connected", after=status),)
        if act == "restrict":
            lumen.whatsapp_goes_on(24 * 3600 + 1)
        else:
            press(browser, "reconnect", "2002")
        assert lumen.row(Account).status == "connected"

    def test_the_limit(self, lumen: Lumen) -> None:
        """Of the whole workspace."""
        press(lumen.signed_in("Admin"), "limit", "2002", choice="TIER_100K")
        assert lumen.entry().changes == (Change(path="portfolio_limit", before=1000, after=100000),)
        assert lumen.row(Workspace).portfolio_limit == "100000"

    def test_a_person(self, lumen: Lumen) -> None:
        """Stops marketing messages; a marketing template then fails, a utility arrives."""
        browser = lumen.signed_in("Admin")
        press(browser, "stop", person="655 018 342")
        entry = lumen.entry()
        assert (entry.action, entry.actor, entry.resource.id) == (
            "contact.consent_changed", WHATSAPP, lumen.juan.id,
        )  # fmt: skip
        assert lumen.row(Contact, id=lumen.juan.id).consent_marketing == "opted_out"
        press(browser, "resume", person="+34655018342")
        assert lumen.row(Contact, id=lumen.juan.id).consent_marketing == "opted_in"
        assert press(browser, "stop", person="nobody").status_code == 422

    def test_the_act_is_not_the_persons(self, lumen: Lumen) -> None:
        """Nothing in the log names who pressed."""
        admin = lumen.signed_in("Admin")
        for act in ("yellow", "restrict", "reconnect", "red"):
            press(admin, act, "2002")
        assert {entry.actor.id for entry in lumen.entries()} == {"whatsapp"}

    @pytest.mark.parametrize(("act", "key"), [("explode", "2002"), ("pause", "0"), ("red", "0"), ("", "")])
    def test_what_there_is_not(self, lumen: Lumen, act: str, key: str) -> None:
        """Is not found."""
        assert press(lumen.signed_in("Admin"), act, key).status_code == 404
        assert lumen.entries() == []

    def test_only_with_the_demo(self, lumen: Lumen) -> None:
        """Meta's WhatsApp has no such buttons."""
        lumen.speaks_with("http://127.0.0.1:9")
        browser = lumen.signed_in("Admin")
        assert browser.get(PANEL).status_code == 404
        assert press(browser, "pause", "1").status_code == 404
        assert "simulator" not in browser.get("/settings/accounts").text


def test_the_settings_choose_whom_to_speak_with(tmp_path: Path) -> None:
    """Meta's, or one of our own whose memory is made when it is first needed."""
    with Installation(Settings(data=tmp_path / "a", provider="cloud")) as home:
        assert isinstance(home.provider, CloudApi)
    with Installation(Settings(data=tmp_path / "b")) as home:
        assert isinstance(home.provider, DemoWhatsApp)
    assert not list(tmp_path.glob("*/whatsapp-demo.db"))


def test_it_holds_no_secret(lumen: Lumen) -> None:
    """Its memory has neither the token nor what notices are signed with."""
    lumen.whatsapp.send(LINE, HELLO)
    press(lumen.signed_in("Admin"), "red", "2002")
    stored = b"".join(file.read_bytes() for file in lumen.home.settings.data.glob("whatsapp-demo.db*"))
    assert b"order_update" in stored
    with lumen.working() as work:
        for name in accounts.SECRETS:
            secret = lumen.home.vault.open(getattr(work.get(Account, lumen.account.id), name))
            assert secret.encode() not in stored
