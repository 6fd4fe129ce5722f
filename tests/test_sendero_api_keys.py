"""API keys: made, used, refused, expired and revoked; each of it on record, and the key itself nowhere."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from sendero.api import ROUTES
from sendero.permissions import KEY_PERMISSIONS
from sendero.service import api_keys
from sendero.tables import ApiKey, Role
from tests.lumen import BASE, Lumen, lumen
from whodid import Actor, Change, Reason, Resource

__all__ = ["lumen"]

KEYS = "/settings/api-keys"
FORM = {"name": "CRM sync", "lifetime": "90_days", "permission": ["contacts:read", "contacts:update"]}


def made(lumen: Lumen, role: str = "Admin", **other: Any) -> str:
    """Make a key as the person of a role and return its text."""
    answer = lumen.signed_in(role).post(f"{KEYS}/new", data=FORM | other)
    assert answer.status_code == 201, answer.text
    (text,) = re.findall(r'<code class="big" translate="no">(ak_live_[\w-]{43})</code>', answer.text)
    return str(text)


def program(lumen: Lumen, text: str) -> TestClient:
    """Return a program that sends a key."""
    return TestClient(lumen.app, base_url=BASE, headers={"X-API-Key": text, "User-Agent": "CRM/1"})


def stored(lumen: Lumen) -> ApiKey:
    """Return the key of the test."""
    found: ApiKey = lumen.row(ApiKey)
    return found


class TestPages:
    """Making and revoking."""

    def test_creating(self, lumen: Lumen) -> None:
        """The key is shown once; the entry has its beginning, what it may do and until when."""
        text = made(lumen)

        entry, key = lumen.entry(), stored(lumen)
        assert (entry.action, entry.kind, entry.severity) == ("api_key.created", "security", "warning")
        assert entry.actor == lumen.actor("Admin")
        assert entry.resource == Resource(type="api_key", id=key.id, name="CRM sync")
        hashed = entry.changes[-1]
        assert entry.changes[:-1] == (
            Change(path="prefix", op="add", after=text[:12]),
            Change(path="permissions", op="add", after=["contacts:read", "contacts:update"]),
            Change(path="expires_at", op="add", after="2027-02-18"),
        )
        assert (hashed.path, hashed.class_) == ("key_hash", "secret")
        assert hashed.after_fp is not None
        browser = lumen.signed_in("Admin")
        for page in (KEYS, f"{KEYS}/{key.id}"):
            assert text not in browser.get(page).text
            assert text[:12] in browser.get(page).text

    def test_the_key_is_nowhere(self, lumen: Lumen, caplog: pytest.LogCaptureFixture) -> None:
        """Not in the databases, not in the log, not in an error, not in what the server writes down."""
        caplog.set_level(logging.DEBUG)
        text = made(lumen)
        answers = [
            program(lumen, text).get("/api/v1/contacts").text,
            program(lumen, text).get("/api/v1/templates").text,
            program(lumen, text + "x").get("/api/v1/contacts").text,
            program(lumen, text).post("/api/v1/contacts", content=text).text,
        ]
        lumen.home.relay.drain()
        files = b"".join(file.read_bytes() for file in lumen.home.settings.data.iterdir())
        assert text.encode() not in files
        assert text[8:].encode() not in files
        assert text not in caplog.text
        assert text not in repr(lumen.entries())
        assert all(text not in answer for answer in answers)

    def test_revoking(self, lumen: Lumen) -> None:
        """At once, with the reason and when it was last used; a second time there is nothing to revoke."""
        text = made(lumen)
        assert program(lumen, text).get("/api/v1/contacts").status_code == 200
        address = f"{KEYS}/{stored(lumen).id}/revoke"
        data = {"version": str(stored(lumen).version), "reason": "replaced", "note": "New CRM"}
        assert lumen.signed_in("Owner").post(address, data=data).status_code == 303

        entry = lumen.entries()[0]
        assert (entry.action, entry.kind, entry.severity) == ("api_key.revoked", "security", "warning")
        assert entry.actor == lumen.actor("Owner")
        assert entry.changes[0] == Change(path="status", before="active", after="revoked")
        assert (entry.changes[1].path, entry.changes[1].op) == ("revoked_at", "add")
        assert entry.reason == Reason(code="replaced", text="New CRM")
        assert entry.details == {"last_used_at": "2026-11-20"}
        assert program(lumen, text).get("/api/v1/contacts").status_code == 401
        assert lumen.signed_in("Owner").post(address, data=data).status_code == 409

    def test_nobody_gives_more_than_they_have(self, lumen: Lumen) -> None:
        """A permission that the maker lacks is refused, and the attempt recorded."""
        role = lumen.row(Role, name="Agent")
        with lumen.working() as work:
            work.get(Role, role.id).permissions = ["keys:read", "keys:create", "contacts:read"]
        answer = lumen.signed_in("Agent").post(f"{KEYS}/new", data=FORM)
        assert answer.status_code == 403
        entry = lumen.entry()
        assert (entry.action, entry.outcome) == ("api_key.created", "denied")
        assert entry.reason == Reason(code="above_own_rights")
        assert entry.details == {"permission": "contacts:update"}
        assert "contacts:update" not in lumen.signed_in("Agent").get(f"{KEYS}/new").text

    @pytest.mark.parametrize(
        ("other", "told"),
        [
            ({"name": ""}, "A key needs a name"),
            ({"lifetime": "forever"}, "Choose one of the list"),
            ({"permission": []}, "Choose at least one permission"),
            ({"permission": ["users:manage"]}, "Choose permissions of the list"),
        ],
    )
    def test_what_cannot_be_taken(self, lumen: Lumen, other: dict[str, Any], told: str) -> None:
        """It is marked, and no key is made."""
        answer = lumen.signed_in("Admin").post(f"{KEYS}/new", data=FORM | other)
        assert answer.status_code == 422
        assert told in answer.text
        assert lumen.entries() == []


class TestLife:
    """What happens to a key by itself."""

    def test_it_expires_once(self, lumen: Lumen) -> None:
        """The scheduler records it one time; the key is refused from the instant on, recorded or not."""
        text = made(lumen, lifetime="30_days")
        lumen.advance(days=29)
        assert not api_keys.expire(lumen.home)
        assert program(lumen, text).get("/api/v1/contacts").status_code == 200
        lumen.advance(days=1)
        assert program(lumen, text).get("/api/v1/contacts").status_code == 401
        for _ in range(3):
            api_keys.expire(lumen.home)

        (entry,) = lumen.entries("action:api_key.expired")
        assert (entry.kind, entry.severity) == ("security", "notice")
        assert entry.actor == Actor(type="scheduler", id="scheduler", name="Scheduler")
        assert entry.resource.name == "CRM sync"
        assert entry.changes == (Change(path="status", before="active", after="expired"),)
        assert entry.context is not None
        assert entry.context.source == "job"
        assert "Expired" in lumen.signed_in("Admin").get(KEYS).text

    def test_what_never_expires(self, lumen: Lumen) -> None:
        """It is good after years, and its entry has no day."""
        text = made(lumen, lifetime="no_expiry")
        assert "expires_at" not in {change.path for change in lumen.entry().changes}
        lumen.advance(days=3000)
        api_keys.expire(lumen.home)
        assert program(lumen, text).get("/api/v1/contacts").status_code == 200

    def test_the_maker_loses_a_permission(self, lumen: Lumen) -> None:
        """The key loses it at once and has it again with them."""
        text = made(lumen)
        role = lumen.row(Role, name="Admin")
        with lumen.working() as work:
            work.get(Role, role.id).permissions = [one for one in role.permissions if one != "contacts:update"]
        address = f"/api/v1/contacts/{lumen.juan.id}"
        refused = program(lumen, text).patch(address, json={"city": "Madrid"})
        assert refused.status_code == 403
        assert "contacts:update" in refused.json()["detail"]
        assert program(lumen, text).get(address).status_code == 200
        assert 'lost">contacts:update' in lumen.signed_in("Admin").get(f"{KEYS}/{stored(lumen).id}").text
        with lumen.working() as work:
            work.get(Role, role.id).permissions = role.permissions
        assert program(lumen, text).patch(address, json={"city": "Madrid"}).status_code == 200

    def test_the_maker_is_deactivated(self, lumen: Lumen) -> None:
        """Their active keys are revoked, counted in the entry, and stay so when they come back."""
        text = made(lumen)
        made(lumen, name="Second")
        with lumen.working() as work:
            work.session.execute(
                sa.update(ApiKey).where(ApiKey.name == "Second").values(expires_at=lumen.now - timedelta(days=1))
            )
        user = lumen.user("Admin")
        owner = lumen.signed_in("Owner")
        owner.post(f"/settings/users/{user.id}/deactivate", data={"version": str(user.version)})

        gone, revoked = lumen.entries("action:user.deactivated")[0], lumen.entries("action:api_key.revoked")
        assert gone.details is not None
        assert gone.details["api_keys_revoked"] == 1
        (entry,) = revoked
        assert (entry.resource.name, entry.cause, entry.actor) == ("CRM sync", gone.id, lumen.actor("Owner"))
        assert entry.reason == Reason(code="maker_deactivated")
        owner.post(f"/settings/users/{user.id}/reactivate", data={"version": str(user.version + 1)})
        assert lumen.user("Admin").status == "active"
        assert program(lumen, text).get("/api/v1/contacts").status_code == 401


class TestDenied:
    """A refused key is recorded, at most once a minute."""

    def refused(self, lumen: Lumen) -> list[Any]:
        """Return the entries about refused keys."""
        return lumen.entries("action:api_key.denied")

    def test_a_revoked_one(self, lumen: Lumen) -> None:
        """With its name, the cause and where it came from; again after a minute."""
        text = made(lumen)
        with lumen.working() as work:
            api_keys.revoke(work, work.get(ApiKey, stored(lumen).id), None)
        for _ in range(5):
            answer = program(lumen, text).get("/api/v1/contacts")
            assert answer.status_code == 401
            assert answer.json()["detail"] == "This API key is revoked."

        (entry,) = self.refused(lumen)
        assert (entry.kind, entry.severity, entry.outcome) == ("security", "warning", "denied")
        assert entry.actor == Actor(type="api_key", id=stored(lumen).id, name="CRM sync")
        assert entry.resource == Resource(type="api_key", id=stored(lumen).id, name="CRM sync")
        assert entry.details == {"cause": "revoked", "route": "GET /api/v1/contacts"}
        assert entry.context.source == "api"
        assert entry.context.user_agent == "CRM/1"
        lumen.advance(seconds=61)
        program(lumen, text).get("/api/v1/contacts")
        assert len(self.refused(lumen)) == 2

    def test_an_unknown_one(self, lumen: Lumen) -> None:
        """Nobody is named; what looks like a key of ours leaves its beginning, and nothing else of what was sent."""
        unknown = "ak_live_" + "x" * 43
        assert program(lumen, unknown).get("/api/v1/contacts").status_code == 401
        assert program(lumen, "hunter2-hunter2-hunter2").get("/api/v1/contacts").status_code == 401

        (entry,) = self.refused(lumen)
        assert entry.actor.type == "anonymous"
        assert entry.resource == Resource(type="api_key", id="unknown", name="ak_live_xxxx")
        assert entry.details == {"cause": "unknown", "route": "GET /api/v1/contacts"}
        lumen.advance(seconds=61)
        program(lumen, "hunter2-hunter2-hunter2").get("/api/v1/contacts")
        assert self.refused(lumen)[0].resource == Resource(type="api_key", id="unknown")
        assert "hunter2" not in repr(self.refused(lumen))

    def test_one_without_the_permission(self, lumen: Lumen) -> None:
        """What it lacked is said, to the program and to the log."""
        text = made(lumen)
        answer = program(lumen, text).delete(f"/api/v1/contacts/{lumen.juan.id}")
        assert answer.status_code == 403
        (entry,) = self.refused(lumen)
        assert entry.details == {
            "cause": "missing_permission",
            "permission": "contacts:delete",
            "route": "DELETE /api/v1/contacts/{id}",
        }

    def test_without_a_key(self, lumen: Lumen) -> None:
        """A stranger is told which header is missing, and nothing is recorded."""
        answer = TestClient(lumen.app, base_url=BASE).get("/api/v1/contacts")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("ApiKey")
        assert "X-API-Key" in answer.json()["detail"]
        assert self.refused(lumen) == []

    def test_a_session_is_no_key(self, lumen: Lumen) -> None:
        """A browser that is signed in cannot be made to use the API."""
        assert lumen.signed_in("Owner").get("/api/v1/contacts").status_code == 401


def test_every_permission_of_a_key_is_asked_for() -> None:
    """What can be given is what the addresses of the API need, and the other way round."""
    assert {route.needs for route in ROUTES} == set(KEY_PERMISSIONS)
