"""Signing in and out: passwords, sessions, the brake on guessing, and what the log says of them."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from sendero import passwords
from sendero.service import auth
from sendero.tables import Attempt, Session, User
from tests.lumen import BASE, PASSWORD, SAME, Lumen, email, lumen
from whodid import Actor, Change, Entry

__all__ = ["lumen"]


def attempt(lumen: Lumen, who: str, password: str = "wrong", *, ip: str = "198.51.100.7") -> int:
    """Try to sign in from a browser that was never here, and return the status."""
    browser = TestClient(lumen.app, base_url=BASE, headers=SAME, follow_redirects=False, client=(ip, 50000))
    return browser.post("/sign-in", data={"email": who, "password": password}).status_code


def failures(lumen: Lumen) -> list[Entry]:
    """Return the recorded failures, oldest first."""
    return lumen.entries("action:auth.login_failed")[::-1]


class TestSigningIn:
    """With a password."""

    def test_a_session_begins(self, lumen: Lumen) -> None:
        """Cookies that scripts cannot read, a hash in the database, an entry with the session's id."""
        browser = lumen.visitor()
        answer = browser.post(
            "/sign-in", data={"email": f" {email('Agent').upper()} ", "password": PASSWORD, "next": "/templates"}
        )

        assert answer.headers["location"] == "/templates"
        for cookie in answer.headers.get_list("set-cookie"):
            assert "HttpOnly" in cookie
            assert "SameSite=lax" in cookie
        session: Session = lumen.row(Session)
        token = browser.cookies["sendero_session"]
        assert token not in (session.token_hash, session.id)
        entry = lumen.entry("action:auth.login")
        assert (entry.actor, entry.resource.id) == (lumen.actor("Agent"), session.user_id)
        assert entry.details == {"method": "password", "known_device": False, "known_country": None}
        assert entry.context is not None
        assert entry.context.session == session.id
        assert token.encode() not in b"".join(file.read_bytes() for file in lumen.home.settings.data.iterdir())

    def test_the_same_browser_is_known_the_next_time(self, lumen: Lumen) -> None:
        """By its own cookie, which says nothing about the person."""
        browser = lumen.signed_in("Agent")
        browser.post("/sign-out")
        browser.post("/sign-in", data={"email": email("Agent"), "password": PASSWORD})
        newest, *_ = lumen.entries("action:auth.login")
        assert newest.details is not None
        assert newest.details["known_device"] is True

    @pytest.mark.parametrize("next_", ["https://evil.example", "//evil.example", "/\\evil.example", "/sign-in", "x"])
    def test_it_leads_nowhere_else(self, lumen: Lumen, next_: str) -> None:
        """An address that is not ours becomes the start."""
        answer = lumen.visitor().post("/sign-in", data={"email": email("Agent"), "password": PASSWORD, "next": next_})
        assert answer.headers["location"] == "/"

    def test_on_https_cookies_are_secure(self, lumen: Lumen) -> None:
        """And the browser is told to stay there."""
        browser = TestClient(lumen.app, base_url="https://lumen.example", headers=SAME, follow_redirects=False)
        answer = browser.post("/sign-in", data={"email": email("Agent"), "password": PASSWORD})
        assert all("Secure" in cookie for cookie in answer.headers.get_list("set-cookie"))
        assert "max-age" in answer.headers["strict-transport-security"]

    def test_weak_hashes_are_renewed(self, lumen: Lumen) -> None:
        """A hash that was made with weaker parameters is replaced at the next sign-in."""
        before = lumen.user("Agent").password_hash
        assert before is not None
        # The fixture hashes cheaply; today's parameters are stronger now. It puts its own back afterwards.
        passwords._hasher = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1)
        lumen.signed_in("Agent")
        after = lumen.user("Agent").password_hash
        assert after != before
        assert after is not None
        assert passwords.matches(PASSWORD, after)


class TestFailing:
    """Without the right password."""

    def test_a_wrong_password(self, lumen: Lumen) -> None:
        """The entry names whose account it was, and nobody as the actor."""
        assert attempt(lumen, email("Manager")) == 422
        (entry,) = failures(lumen)
        assert entry.outcome == "failed"
        assert entry.actor == Actor(type="anonymous", id="anonymous")
        assert (entry.resource.id, entry.resource.name) == (lumen.user("Manager").id, "Manager Person")
        assert entry.details == {"cause": "wrong_password", "attempts": 1}
        assert entry.context is not None
        assert entry.context.ip == "198.51.100.7"

    def test_an_unknown_name_is_not_written_down(self, lumen: Lumen) -> None:
        """It may be a password in the wrong field: a keyed hash tells repetitions apart."""
        attempt(lumen, "hunter2-my-real-password")
        attempt(lumen, "hunter2-my-real-password")
        attempt(lumen, "somebody@else.example")
        first, again, other = failures(lumen)
        assert first.resource.id == again.resource.id != other.resource.id
        assert first.resource.id.startswith("unknown:")
        assert (first.details or {})["cause"] == "unknown_user"
        lumen.home.relay.drain()
        assert b"hunter2" not in b"".join(file.read_bytes() for file in lumen.home.settings.data.iterdir())

    def test_both_answers_are_the_same(self, lumen: Lumen) -> None:
        """Neither the words nor the work tell whether somebody exists."""
        browser = lumen.visitor()
        pages = []
        for who in (email("Manager"), "nobody@lumen.example"):
            page = browser.post("/sign-in", data={"email": who, "password": "wrong"})
            pages.append(page.text.replace(who, "…"))
        assert pages[0] == pages[1]
        assert "E-mail or password is wrong." in pages[0]

    def test_an_unknown_name_costs_a_hash(self) -> None:
        """Checking nobody's password takes a hash like any other."""
        began = time.process_time()
        assert not passwords.matches("x", None)
        assert time.process_time() - began > 0.002


class TestBrake:
    """Guessing is slowed down."""

    def test_five_times_then_not_even_the_right_one(self, lumen: Lumen) -> None:
        """Per person, wherever it comes from; after ten minutes it is open again."""
        for number in range(5):
            assert attempt(lumen, email("Manager"), ip=f"198.51.100.{number}") == 422
        assert attempt(lumen, email("Manager"), PASSWORD, ip="203.0.113.5") == 422
        entries = failures(lumen)
        assert [(entry.details or {})["cause"] for entry in entries] == ["wrong_password"] * 5 + ["locked"]
        assert [entry.severity for entry in entries] == ["notice"] * 4 + ["warning"] * 2
        assert attempt(lumen, email("Agent"), PASSWORD) == 303

        lumen.advance(minutes=11)
        assert attempt(lumen, email("Manager"), PASSWORD, ip="203.0.113.5") == 303

    def test_a_known_browser_is_not_locked_out_by_strangers(self, lumen: Lumen) -> None:
        """Whoever signed in here before gets in while somebody else guesses."""
        browser = lumen.signed_in("Manager")
        for _ in range(8):
            attempt(lumen, email("Manager"))
        answer = browser.post("/sign-in", data={"email": email("Manager"), "password": PASSWORD})
        assert answer.status_code == 303

    def test_one_address_that_tries_everybody(self, lumen: Lumen) -> None:
        """Thirty attempts from one address, whoever they are for."""
        for number in range(30):
            attempt(lumen, f"nobody{number}@lumen.example")
        assert attempt(lumen, email("Agent"), PASSWORD) == 422
        assert attempt(lumen, email("Agent"), PASSWORD, ip="203.0.113.5") == 303

    def test_whoever_keeps_trying_does_not_fill_the_log(self, lumen: Lumen) -> None:
        """Of the locked attempts the first, second, fourth, eighth … is recorded, with how many there were."""
        for _ in range(5 + 20):
            attempt(lumen, email("Manager"))
        counts = [(entry.details or {})["attempts"] for entry in failures(lumen)]
        assert counts == [1, 2, 3, 4, 5, 6, 7, 9, 13, 21]

    def test_old_attempts_are_forgotten(self, lumen: Lumen) -> None:
        """They are kept for a day."""
        attempt(lumen, email("Manager"))
        lumen.advance(days=2)
        attempt(lumen, email("Agent"))
        with lumen.home.session() as session:
            assert session.query(Attempt).count() == 2


class TestSessions:
    """Ending."""

    def test_signing_out(self, lumen: Lumen) -> None:
        """The token is worthless at once, and the entry says how long it was."""
        browser = lumen.signed_in("Agent")
        token = browser.cookies["sendero_session"]
        lumen.advance(minutes=192)
        browser.post("/sign-out")

        entry = lumen.entry("action:auth.logout")
        assert entry.details == {"session_minutes": 192, "end_reason": "logout"}
        browser.cookies.set("sendero_session", token)
        assert browser.get("/contacts").headers["location"].startswith("/sign-in")

    @pytest.mark.parametrize("idle", [True, False])
    def test_timing_out(self, lumen: Lumen, idle: bool) -> None:
        """After twelve idle hours, or seven days in any case; the end is recorded when it is noticed."""
        browser = lumen.signed_in("Agent")
        if idle:
            lumen.advance(hours=12, minutes=1)
        else:
            for _ in range(17):
                lumen.advance(hours=10)
                browser.get("/contacts")
        answer = browser.get("/contacts?q=x")
        assert answer.headers["location"] == "/sign-in?next=/contacts"
        entry = lumen.entry("action:auth.logout")
        assert (entry.details or {})["end_reason"] == "timeout"
        assert entry.context is not None
        assert entry.context.source == "job"

    def test_a_made_up_token(self, lumen: Lumen) -> None:
        """Opens nothing."""
        browser = lumen.visitor()
        browser.cookies.set("sendero_session", "made-up")
        assert browser.get("/contacts").status_code == 303

    def test_being_seen_is_not_written_at_every_click(self, lumen: Lumen) -> None:
        """Once a minute is enough."""
        browser = lumen.signed_in("Agent")
        seen = lumen.row(Session).last_seen_at
        browser.get("/contacts")
        assert lumen.row(Session).last_seen_at == seen
        lumen.advance(minutes=2)
        browser.get("/contacts")
        assert lumen.row(Session).last_seen_at - seen > timedelta(minutes=2)


class TestOwnPassword:
    """Changing it."""

    CHOSEN = "noon light on the stairs"

    def test_other_sessions_end(self, lumen: Lumen) -> None:
        """This one goes on; both passwords are only compared."""
        here, elsewhere = lumen.signed_in("Agent"), lumen.signed_in("Agent")

        answer = here.post("/me/password", data={"present": PASSWORD, "chosen": self.CHOSEN, "repeated": self.CHOSEN})

        assert answer.headers["location"] == "/me?done=password_changed"
        entry = lumen.entry("action:auth.password_changed")
        assert (entry.severity, entry.details) == ("notice", {"by": "self", "sessions_ended": 1})
        (change,) = entry.changes
        assert change == Change(
            path="password_hash", class_="secret", before_fp=change.before_fp, after_fp=change.after_fp
        )
        assert change.before_fp != change.after_fp
        assert here.get("/contacts").status_code == 200
        assert elsewhere.get("/contacts").status_code == 303

    @pytest.mark.parametrize(
        ("present", "chosen", "repeated", "told"),
        [
            ("wrong", CHOSEN, CHOSEN, "not your present password"),
            (PASSWORD, "short", "short", "at least 12"),
            (PASSWORD, "x" * 201, "x" * 201, "at most 200"),
            (PASSWORD, "agent-person-agent", "agent-person-agent", "too easy to guess"),
            (PASSWORD, "passwordpassword", "passwordpassword", "too easy to guess"),
            (PASSWORD, PASSWORD, PASSWORD, "choose another one"),
            (PASSWORD, CHOSEN, CHOSEN + "!", "not the same"),
        ],
    )
    def test_what_is_no_good(self, lumen: Lumen, *, present: str, chosen: str, repeated: str, told: str) -> None:
        """It is explained, and nothing typed is sent back."""
        answer = lumen.signed_in("Agent").post(
            "/me/password", data={"present": present, "chosen": chosen, "repeated": repeated}
        )
        assert answer.status_code == 422
        assert told in answer.text
        assert chosen not in answer.text
        assert lumen.entries("action:auth.password_changed") == []

    def test_generated_ones_are_strong(self) -> None:
        """Sixteen characters of thirty-one, and good enough for the rule that people are held to."""
        made = {passwords.generate() for _ in range(50)}
        assert len(made) == 50
        assert all(passwords.weakness(one, email="a@b.example", name="A") is None for one in made)


def test_an_operator_resets_a_password(lumen: Lumen) -> None:
    """Every session ends, and it is a warning that somebody else did it."""
    browser = lumen.signed_in("Agent")
    with lumen.working(Actor(type="system", id="operator", name="Operator")) as work:
        password = auth.reset_password(work, work.get(User, lumen.user("Agent").id))

    entry = lumen.entry("action:auth.password_changed")
    assert (entry.severity, entry.details) == ("warning", {"by": "operator", "sessions_ended": 1})
    assert browser.get("/contacts").status_code == 303
    assert lumen.visitor().post("/sign-in", data={"email": email("Agent"), "password": password}).status_code == 303
