"""What a hostile or unlucky browser sends: nothing happens without its entry, and nothing ends in a bare error."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from sendero import passwords
from sendero.service import users
from sendero.tables import Contact, Role, User
from tests.lumen import PASSWORD, Lumen, email, lumen
from whodid.errors import StoreUnavailable

__all__ = ["lumen"]

NEW = {"name": "Ana", "lifecycle": "lead"}


class TestEveryChangeHasItsEntry:
    """Nobody can act in a way that the log does not take."""

    @pytest.mark.parametrize("fields", [{"city": "x" * 70_000}, {"language": "x" * 70_000}])
    def test_what_is_too_long_does_not_happen(self, lumen: Lumen, fields: dict[str, str]) -> None:
        """A value that is no city is refused with the form, and nothing of it is kept."""
        answer = lumen.signed_in().post("/contacts/new", data=NEW | fields)

        assert answer.status_code == 422
        assert "Use at most 200 characters." in answer.text
        assert lumen.entries() == []
        assert lumen.home.outbox.backlog().quarantined == 0
        with lumen.home.session() as session:
            assert session.query(Contact).filter_by(name="Ana").count() == 0

    def test_a_name_does_not_silence_its_bearer(self, lumen: Lumen) -> None:
        """Control characters are taken out of what is typed, and the acts of such a person recorded."""
        browser = lumen.signed_in()
        version = lumen.user("Owner").version
        browser.post("/me/name", data={"name": "Owner\x01 Per\x7fson II", "version": version})
        browser.post("/contacts/new", data=NEW | {"city": "\x1b[31mGetafe"})

        created, renamed = lumen.entries()
        assert (renamed.action, created.action) == ("user.updated", "contact.created")
        assert created.actor.name == "Owner Person II"
        assert lumen.row(Contact, name="Ana").city == "[31mGetafe"

    def test_a_refusal_about_nothing_is_recorded(self, lumen: Lumen) -> None:
        """An id in the address that cannot stand in an entry does not keep the refusal out of the log."""
        answer = lumen.signed_in("Agent").post("/settings/users/%01%02/role", data={})

        assert answer.status_code == 403
        assert (lumen.entry().outcome, lumen.entry().resource.id) == ("denied", "unknown")


class TestTheLogIsAway:
    """What nobody may do is recorded, too, when the log comes back."""

    def test_nothing_is_lost(self, lumen: Lumen, monkeypatch: pytest.MonkeyPatch) -> None:
        """Changes, refusals and failed sign-ins wait in the outbox, and the page of the log says that they do."""

        def away(*_: object) -> None:
            raise StoreUnavailable("The log is away", "Wait")

        owner, agent = lumen.signed_in(), lumen.signed_in("Agent")
        lumen.home.relay.drain()
        with monkeypatch.context() as broken:
            broken.setattr(lumen.home.log, "record_many", away)
            assert owner.post("/contacts/new", data=NEW).status_code == 303
            assert agent.get("/settings/roles").status_code == 403
            failed = lumen.visitor().post("/sign-in", data={"email": email("Owner"), "password": "wrong"})
            assert failed.status_code == 422
            assert "The newest changes are not shown yet" in owner.get("/settings/audit-logs").text

        assert "not shown" not in owner.get("/settings/audit-logs").text
        found = [entry.action for entry in lumen.entries("action:contact.created,page.opened,auth.login_failed")]
        assert found == ["auth.login_failed", "page.opened", "contact.created"]

    def test_what_the_log_refused_is_told(self, lumen: Lumen) -> None:
        """Entries that were set aside are not just missing from the page."""
        with lumen.home.engine.begin() as connection:
            values = {"workspace": lumen.workspace, "event": "{}", "written_at": lumen.now}
            connection.execute(lumen.home.outbox._table.insert(), [values])

        assert "the log refused their entries" in lumen.signed_in().get("/settings/audit-logs").text


@pytest.mark.parametrize("act", ["deactivate", "role"])
def test_an_owner_is_always_left(lumen: Lumen, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    """Two owners who put one another out at the same moment: one of them is first, the other one too late."""
    with lumen.working() as work:
        values = {"name": "Second Person", "email": email("Second")}
        second, _ = users.create(work, None, values, lumen.row(Role, name="Owner"))
        second.status, second.password_hash = "active", passwords.hashed(PASSWORD)
    agent = lumen.row(Role, name="Agent")
    browsers = [lumen.signed_in("Owner"), lumen.signed_in("Second")]
    victims = [lumen.user("Second"), lumen.user("Owner")]
    looked, check = threading.Barrier(2, timeout=20), users.check_power

    def check_together(*asked: Any) -> None:
        check(*asked)
        if asked[1].name == "Owner":
            looked.wait()

    monkeypatch.setattr(users, "check_power", check_together)

    def put_out(browser: TestClient, victim: User) -> bool:
        data = {"version": victim.version, "role": agent.id}
        answer = browser.post(f"/settings/users/{victim.id}/{act}", data=data)
        assert answer.status_code in {303, 409}
        return "done=" in answer.headers.get("location", "")

    with ThreadPoolExecutor(2) as both:
        assert sorted(both.map(put_out, browsers, victims)) == [False, True]
    with lumen.home.session() as session:
        owners = session.query(User).filter(User.role.has(name="Owner"), User.status == "active").count()
    assert owners == 1


class TestOddRequests:
    """They get an answer."""

    @pytest.mark.parametrize("odd", ["a,b=1", "foo[bar]=1", '{"a":1}=3', "a b=1", '"="'])
    def test_cookies_of_others(self, lumen: Lumen, odd: str) -> None:
        """What other applications of the same host set does not end a session."""
        browser = lumen.signed_in()
        own = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        browser.cookies.clear()

        assert browser.get("/me", headers={"Cookie": f"{odd}; {own}"}).status_code == 200

    @pytest.mark.parametrize("path", ["/nowhere", "/static/none.css"])
    @pytest.mark.parametrize("body", [b"a=" + b"x" * 300_000, b"\xff"])
    def test_forms_to_nowhere(self, lumen: Lumen, path: str, body: bytes) -> None:
        """What no page takes is not read."""
        assert lumen.signed_in().post(path, content=body).status_code in {404, 405}

    @pytest.mark.parametrize("page", ["/contacts", "/templates"])
    @pytest.mark.parametrize(("text", "status"), [("a " * 101, 409), ("x" * 201, 409), ("x" * 9_000, 414)])
    def test_endless_searches(self, lumen: Lumen, page: str, text: str, status: int) -> None:
        """A search that no database would take is refused."""
        assert lumen.signed_in().get(page, params={"q": text}).status_code == status

    def test_the_longest_search(self, lumen: Lumen) -> None:
        """A hundred words are searched for."""
        assert lumen.signed_in().get("/contacts", params={"q": "a " * 100}).status_code == 200


def test_what_is_typed_stays_out_of_the_servers_log(lumen: Lumen, caplog: pytest.LogCaptureFixture) -> None:
    """A database that fails is told to the person, and to the server without the values of its statement."""
    browser = lumen.signed_in()
    with lumen.home.engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {Contact.__tablename__} RENAME TO elsewhere")

    answer = browser.post("/contacts/new", data=NEW | {"city": "Springfield"})

    assert answer.status_code == 503
    assert "Nothing was changed" in answer.text
    assert "OperationalError" in caplog.text
    assert "Springfield" not in caplog.text
