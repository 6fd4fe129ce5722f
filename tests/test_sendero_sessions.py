"""Sessions that somebody ends, and links with which passwords are chosen: who did it, and what it ended."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from msgspec import structs
from starlette.testclient import TestClient

from sendero.service import letters, sessions, sso
from sendero.tables import Letter, ResetLink, Role, Session, User
from sendero.web.devices import device_of
from tests.lumen import PASSWORD, SAME, Lumen, email, lumen
from tests.provider import Company, sso_values
from whodid import Reason, Related

__all__ = ["lumen"]

CHOSEN = "noon light on the stairs"


def act(browser: TestClient, user: User, what: str, **typed: Any) -> Any:
    """Send a form about a person."""
    return browser.post(f"/settings/users/{user.id}/{what}", data={"version": str(user.version), **typed})


def mails(lumen: Lumen) -> list[EmailMessage]:
    """Send what waits, and return what is in the folder, oldest first."""
    while letters.turn(lumen.home):
        pass
    files = sorted((lumen.home.settings.data / "mail").glob("*.eml"))
    return [message_from_bytes(file.read_bytes(), _class=EmailMessage, policy=policy.default) for file in files]


def link_in(message: EmailMessage) -> str:
    """Return the path of the link in a mail."""
    (link,) = re.findall(r"https?://\S+", message.get_content())
    assert isinstance(link, str)
    assert link.startswith("http://127.0.0.1:8000/reset/")
    return link.removeprefix("http://127.0.0.1:8000")


class TestOwnSessions:
    """Where one is signed in."""

    def test_one_is_ended(self, lumen: Lumen) -> None:
        """The other browser is out at once; the entry names the session and whose it was."""
        here, elsewhere = lumen.signed_in("Agent"), lumen.signed_in("Agent")
        with lumen.working() as work:
            other = sessions.living(work, lumen.user("Agent"))[0].id
        page = here.get("/me").text
        assert page.count("this one") == 1
        assert other in page

        answer = here.post("/me/sessions", data={"session": other})

        assert answer.headers["location"] == "/me?done=session_ended"
        entry = lumen.entry("action:auth.session_revoked")
        assert (entry.actor, entry.resource.id) == (lumen.actor("Agent"), lumen.user("Agent").id)
        assert (entry.kind, entry.severity) == ("security", "notice")
        assert entry.related == (Related(type="session", id=other, rel="session"),)
        assert elsewhere.get("/contacts").headers["location"].startswith("/sign-in")
        assert here.get("/contacts").status_code == 200
        assert lumen.row(Session, id=other).end_reason == "revoked"

    def test_all_others_are_ended(self, lumen: Lumen) -> None:
        """Each is an entry of its own; this one goes on."""
        here = lumen.signed_in("Agent")
        others = [lumen.signed_in("Agent") for _ in range(2)]
        lumen.signed_in("Manager")
        assert here.post("/me/sessions").headers["location"] == "/me?done=sessions_ended"
        assert len(lumen.entries("action:auth.session_revoked")) == 2
        assert [browser.get("/contacts").status_code for browser in (here, *others)] == [200, 303, 303]
        assert here.post("/me/sessions").headers["location"] == "/me?done=unchanged"

    def test_not_the_one_one_is_in_and_not_of_others(self, lumen: Lumen) -> None:
        """Nothing is ended, nothing recorded."""
        here = lumen.signed_in("Agent")
        mine = lumen.row(Session).id
        lumen.signed_in("Manager")
        with lumen.working() as work:
            foreign = sessions.living(work, lumen.user("Manager"))[0].id
        assert here.post("/me/sessions", data={"session": mine}).status_code == 422
        assert here.post("/me/sessions", data={"session": foreign}).status_code == 404
        assert here.post("/me/sessions", data={"session": "ses_nowhere"}).status_code == 404
        assert lumen.entries("action:auth.session_revoked") == []


class TestSessionsOfOthers:
    """On the page of a person."""

    def test_an_admin_ends_one_and_says_why(self, lumen: Lumen) -> None:
        """Whose it was, and why, is in the entry."""
        agent = lumen.signed_in("Agent")
        key = lumen.row(Session).id
        answer = act(lumen.signed_in("Admin"), lumen.user("Agent"), "sessions", session=key, reason="not_recognised")
        assert answer.status_code == 303
        entry = lumen.entry("action:auth.session_revoked")
        assert (entry.actor, entry.resource.name) == (lumen.actor("Admin"), "Agent Person")
        assert entry.reason == Reason(code="not_recognised")
        assert agent.get("/contacts").status_code == 303

    def test_all_of_them(self, lumen: Lumen) -> None:
        """One entry each."""
        for _ in range(3):
            lumen.signed_in("Agent")
        act(lumen.signed_in("Admin"), lumen.user("Agent"), "sessions")
        assert len(lumen.entries("action:auth.session_revoked")) == 3

    def test_not_of_an_owner(self, lumen: Lumen) -> None:
        """An admin decides nothing about owners; the attempt is recorded."""
        owner = lumen.signed_in("Owner")
        assert act(lumen.signed_in("Admin"), lumen.user("Owner"), "sessions").status_code == 403
        entry = lumen.entry("action:auth.session_revoked")
        assert (entry.outcome, entry.reason) == ("denied", Reason(code="above_own_rights"))
        assert owner.get("/contacts").status_code == 200

    def test_what_the_page_shows(self, lumen: Lumen) -> None:
        """Nothing of it to somebody who may not end them."""
        browser = lumen.visitor()
        browser.headers["user-agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
        browser.post("/sign-in", data={"email": email("Agent"), "password": PASSWORD})
        page = f"/settings/users/{lumen.user('Agent').id}"
        assert "Firefox, Linux" in lumen.signed_in("Admin").get(page).text
        assert "Firefox" not in lumen.signed_in("Manager").get(page).text


def test_time_is_over_without_the_browser(lumen: Lumen) -> None:
    """The job ends an idle session; the entry says that time was over, and that nobody did it."""
    browser = lumen.signed_in("Agent")
    lumen.advance(hours=11)
    assert sessions.sweep(lumen.home) is False
    assert lumen.entries("action:auth.logout") == []
    lumen.advance(hours=2)
    sessions.sweep(lumen.home)
    sessions.sweep(lumen.home)
    entry = lumen.entry("action:auth.logout")
    assert entry.details == {"session_minutes": 780, "end_reason": "timeout"}
    assert entry.context is not None
    assert entry.context.source == "job"
    assert browser.get("/contacts").status_code == 303


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge, Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile Safari/604.1", "Safari, iPhone"),
        ("curl/8.5.0", "curl/8.5.0"),
        (None, "–"),
    ],
)
def test_devices_have_names(text: str | None, name: str) -> None:
    """Two words that people know, or what the browser calls itself."""
    assert device_of(text) == name


class TestForgotten:
    """A new password by mail."""

    def ask(self, lumen: Lumen, who: str, **headers: str) -> Any:
        """Ask for a link."""
        return lumen.visitor().post("/forgot", data={"email": who}, headers=headers)

    def test_from_the_question_to_the_new_password(self, lumen: Lumen) -> None:
        """Every session ends; the entry says that it was a link, and a notice because the person asked."""
        browser = lumen.signed_in("Agent")
        assert self.ask(lumen, f" {email('Agent').upper()} ").status_code == 200
        (message,) = mails(lumen)
        assert (message["To"], message["Subject"]) == (email("Agent"), "Choose a new password")
        link = link_in(message)
        visitor = lumen.visitor()
        assert visitor.get(link).status_code == 200
        answer = visitor.post(link, data={"chosen": CHOSEN, "repeated": CHOSEN})

        assert answer.headers["location"] == "/sign-in?done=password_reset"
        entry = lumen.entry("action:auth.password_changed")
        assert entry.actor == lumen.actor("Agent")
        assert (entry.severity, entry.details) == ("notice", {"by": "reset_link", "sessions_ended": 1})
        assert browser.get("/contacts").status_code == 303
        old = visitor.post("/sign-in", data={"email": email("Agent"), "password": PASSWORD})
        new = visitor.post("/sign-in", data={"email": email("Agent"), "password": CHOSEN})
        assert (old.status_code, new.status_code) == (422, 303)

    def test_the_link_works_once(self, lumen: Lumen) -> None:
        """And only the newest of several."""
        self.ask(lumen, email("Agent"))
        self.ask(lumen, email("Agent"))
        older, newer = (link_in(message) for message in mails(lumen))
        visitor, form = lumen.visitor(), {"chosen": CHOSEN, "repeated": CHOSEN}
        assert visitor.get(older).status_code == 404
        assert visitor.post(older, data=form).status_code == 404
        assert visitor.post(newer, data=form).status_code == 303
        assert (
            visitor.post(newer, data={"chosen": "another lamp at noon", "repeated": "another lamp at noon"}).status_code
            == 404
        )
        assert len(lumen.entries("action:auth.password_changed")) == 1

    def test_it_is_too_old_after_half_an_hour(self, lumen: Lumen) -> None:
        """Then it says so, and nothing changes."""
        self.ask(lumen, email("Agent"))
        (message,) = mails(lumen)
        lumen.advance(minutes=30)
        assert "too old" in lumen.visitor().get(link_in(message)).text

    def test_a_password_that_is_no_good_uses_nothing_up(self, lumen: Lumen) -> None:
        """It is explained, and the link still works."""
        self.ask(lumen, email("Agent"))
        link, visitor = link_in(mails(lumen)[0]), lumen.visitor()
        assert "at least 12" in visitor.post(link, data={"chosen": "short", "repeated": "short"}).text
        assert "not the same" in visitor.post(link, data={"chosen": CHOSEN, "repeated": "x"}).text
        assert visitor.post(link, data={"chosen": CHOSEN, "repeated": CHOSEN}).status_code == 303

    def test_it_tells_nobody_who_is_here(self, lumen: Lumen) -> None:
        """The same page for somebody and nobody; no mail, no entry for the latter."""
        pages = [self.ask(lumen, who).text for who in (email("Agent"), "nobody@lumen.example", "no address")]
        assert pages[0] == pages[1] == pages[2]
        assert [message["To"] for message in mails(lumen)] == [email("Agent")]
        assert lumen.entries("kind:security") == []

    def test_nobody_is_flooded(self, lumen: Lumen) -> None:
        """Five mails in ten minutes, whoever asks; the page still says the same."""
        pages = {self.ask(lumen, email("Agent")).text for _ in range(9)}
        assert len(pages) == 1
        assert len(mails(lumen)) == 5

    def test_the_link_leads_to_us_whatever_the_request_was_sent_to(self, lumen: Lumen) -> None:
        """The name in the request is chosen by whoever asks: it must not get into the mail."""
        browser = TestClient(lumen.app, base_url="http://evil.example", headers=SAME)
        browser.post("/forgot", data={"email": email("Agent")})
        (message,) = mails(lumen)
        assert "evil" not in message.get_content()
        link_in(message)

    def test_a_deactivated_person_gets_none(self, lumen: Lumen) -> None:
        """Neither a mail nor, with an older link, a password."""
        self.ask(lumen, email("Agent"))
        (message,) = mails(lumen)
        act(lumen.signed_in(), lumen.user("Agent"), "deactivate")
        self.ask(lumen, email("Agent"))
        assert len(mails(lumen)) == 1
        assert lumen.visitor().get(link_in(message)).status_code == 404

    def test_the_token_is_nowhere(self, lumen: Lumen) -> None:
        """Not in the database while the mail waits, not in the log; only its hash is."""
        self.ask(lumen, email("Agent"))
        stored = b"".join(file.read_bytes() for file in lumen.home.settings.data.iterdir())
        token = link_in(mails(lumen)[0]).removeprefix("/reset/")
        assert token.encode() not in stored
        assert lumen.row(ResetLink).token_hash not in (token, "")

    def test_whoever_signs_in_at_a_provider_is_told_so(self, lumen: Lumen) -> None:
        """They get a mail, and no link to a password."""
        lumen.home.fetch = Company(lumen)
        with lumen.working() as work:
            made = sso.create(work, lumen.user("Owner"), sso_values(), lumen.row(Role, name="Agent"))
            made.enforced = True
        self.ask(lumen, email("Agent"))
        (message,) = mails(lumen)
        assert "you sign in with Lumen Login" in message.get_content()
        assert "/reset/" not in message.get_content()


class TestByAnAdministrator:
    """A link for somebody else."""

    def test_shown_once(self, lumen: Lumen) -> None:
        """The password is gone at once and sessions end: a warning by the administrator; then the link is used."""
        agent = lumen.signed_in("Agent")
        made = act(lumen.signed_in("Admin"), lumen.user("Agent"), "reset", way="show", reason="security")

        assert made.status_code == 201
        (link,) = re.findall(r"http://127\.0\.0\.1:8000(/reset/[\w-]+)", made.text)
        taken = lumen.entry("action:auth.password_changed")
        assert (taken.actor, taken.severity) == (lumen.actor("Admin"), "warning")
        assert taken.details == {"by": "admin", "sessions_ended": 1}
        assert taken.reason == Reason(code="security")
        assert [(change.path, change.class_) for change in taken.changes] == [("password_hash", "secret")]
        assert agent.get("/contacts").status_code == 303
        visitor = lumen.visitor()
        assert visitor.post("/sign-in", data={"email": email("Agent"), "password": PASSWORD}).status_code == 422
        assert visitor.post(link, data={"chosen": CHOSEN, "repeated": CHOSEN}).status_code == 303
        chosen, _ = lumen.entries("action:auth.password_changed")
        assert chosen.details == {"by": "reset_link", "sessions_ended": 0, "link_by": "Admin Person"}
        assert mails(lumen) == []

    def test_by_mail(self, lumen: Lumen) -> None:
        """The administrator never sees it."""
        sent = act(lumen.signed_in("Admin"), lumen.user("Agent"), "reset", way="mail")
        assert sent.headers["location"].startswith(f"/settings/users/{lumen.user('Agent').id}?done=link_sent")
        (message,) = mails(lumen)
        assert link_in(message)
        assert "Admin Person lets you into Casa Lumen" in message.get_content()

    @pytest.mark.parametrize(("who", "status"), [("Owner", 403), ("Admin", 403)])
    def test_neither_of_the_mightier_nor_of_oneself(self, lumen: Lumen, who: str, status: int) -> None:
        """It is refused and recorded, and the password stays."""
        assert act(lumen.signed_in("Admin"), lumen.user(who), "reset", way="show").status_code == status
        assert lumen.entry("action:auth.password_changed").outcome == "denied"
        lumen.signed_in(who)

    def test_a_way_that_there_is_not(self, lumen: Lumen) -> None:
        """Nothing is taken before it is clear how the link gets there."""
        assert act(lumen.signed_in("Admin"), lumen.user("Agent"), "reset").status_code == 409
        lumen.signed_in("Agent")

    def test_only_administrators_hear_where_mails_go(self, lumen: Lumen) -> None:
        """The folder is named on their page and not on the page of somebody who forgot a password."""
        page = lumen.signed_in("Admin").get(f"/settings/users/{lumen.user('Agent').id}/reset").text
        assert str(lumen.home.settings.data / "mail") in page
        assert "folder" not in lumen.visitor().get("/forgot").text


def test_invited_by_mail(lumen: Lumen) -> None:
    """No first password exists; the link makes the person active, within three days."""
    form = {
        "name": "João Silva",
        "email": "joao@lumen.example",
        "role": lumen.row(Role, name="Agent").id,
        "way": "mail",
    }
    lumen.signed_in().post("/settings/users/new", data=form)
    user: User = lumen.row(User, email="joao@lumen.example")
    assert (user.status, user.password_hash) == ("invited", None)
    assert lumen.entry().action == "user.created"
    (message,) = mails(lumen)
    lumen.advance(days=2)
    visitor = lumen.visitor()
    assert visitor.post(link_in(message), data={"chosen": CHOSEN, "repeated": CHOSEN}).status_code == 303
    entry = lumen.entry("action:auth.password_changed")
    assert {change.path for change in entry.changes} == {"status", "password_hash"}
    signed = visitor.post("/sign-in", data={"email": "joao@lumen.example", "password": CHOSEN})
    assert signed.headers["location"] == "/"


class TestLetters:
    """Mails that wait."""

    def test_a_server_that_is_away_is_tried_again(self, lumen: Lumen) -> None:
        """Later and later, and given up after eight times; the letter is gone then."""
        with lumen.working() as work:
            letters.write(work, "a@b.example", "Subject", "Text")
        # Nothing listens there.
        lumen.home.settings = structs.replace(lumen.home.settings, smtp="smtp://127.0.0.1:9")
        for tried in range(1, 8):
            assert letters.turn(lumen.home)
            assert letters.turn(lumen.home) is False
            assert lumen.row(Letter).tries == tried
            lumen.advance(minutes=2**tried)
        assert letters.turn(lumen.home)
        with lumen.home.session() as session:
            assert session.query(Letter).count() == 0

    def test_what_was_rolled_back_is_not_sent(self, lumen: Lumen) -> None:
        """A letter is part of the work that it is about."""
        with pytest.raises(RuntimeError), lumen.working() as work:
            letters.write(work, "a@b.example", "Subject", "Text")
            raise RuntimeError
        assert mails(lumen) == []

    def test_a_line_break_in_an_address_is_no_header(self, lumen: Lumen) -> None:
        """Nobody writes headers of a mail through a form."""
        lumen.visitor().post("/forgot", data={"email": f"{email('Agent')}\nBcc: evil@evil.example"})
        assert mails(lumen) == []
