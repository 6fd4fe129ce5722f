"""Users and roles: who may do what, and every change of it on record."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from sendero import passwords
from sendero.service import resets, roles, users
from sendero.tables import Role, Team, User
from tests.lumen import PASSWORD, Lumen, email, lumen
from whodid import Change, Reason, Resource

__all__ = ["lumen"]


def act(browser: TestClient, user: User, what: str, **typed: Any) -> Any:
    """Send a form about a person."""
    return browser.post(f"/settings/users/{user.id}/{what}", data={"version": str(user.version), **typed})


def role_id(lumen: Lumen, name: str) -> str:
    """Return the id of a role."""
    return str(lumen.row(Role, name=name).id)


class TestInviting:
    """New people."""

    def test_from_the_invitation_to_the_first_page(self, lumen: Lumen) -> None:
        """The first password is shown once, opens only the page for another one, and is nowhere in clear."""
        owner = lumen.signed_in("Owner")
        form = {"name": "João Silva", "email": "Joao@Lumen.example", "role": role_id(lumen, "Agent")}

        created = owner.post("/settings/users/new", data=form)

        assert created.status_code == 201
        assert created.headers["cache-control"] == "no-store"
        (first,) = re.findall(r'<code class="big" translate="no">([a-z0-9-]+)</code>', created.text)
        entry = lumen.entry()
        assert (entry.action, entry.resource.name, entry.severity) == ("user.created", "João Silva", "notice")
        assert {change.path: change.after for change in entry.changes} == {
            "name": "João Silva",
            "email": "joao@lumen.example",
            "role": "Agent",
            "status": "invited",
            "invited_by": "Owner Person",
        }

        joao = lumen.visitor()
        answer = joao.post("/sign-in", data={"email": "joao@lumen.example", "password": first})
        assert answer.headers["location"] == "/me/password"
        assert joao.get("/contacts").headers["location"] == "/me/password"
        chosen = {"present": first, "chosen": "light comes in at noon", "repeated": "light comes in at noon"}
        assert joao.post("/me/password", data=chosen).status_code == 303
        assert joao.get("/contacts").status_code == 200
        user: User = lumen.row(User, email="joao@lumen.example")
        assert user.status == "active"
        told = lumen.entry("action:auth.password_changed")
        assert {change.path: change.class_ for change in told.changes} == {"status": "plain", "password_hash": "secret"}
        stored = b"".join(file.read_bytes() for file in lumen.home.settings.data.iterdir())
        assert first.encode() not in stored
        assert b"light comes in" not in stored

    @pytest.mark.parametrize(
        ("form", "told"),
        [
            ({"name": "", "email": "a@b.example"}, "A person needs a name"),
            ({"name": "A", "email": "a@b"}, "not an e-mail"),
            ({"name": "A", "email": email("Agent").upper()}, "is here already"),
        ],
    )
    def test_what_cannot_be_taken(self, lumen: Lumen, form: dict[str, str], told: str) -> None:
        """It is marked, and nobody is invited."""
        answer = lumen.signed_in("Owner").post("/settings/users/new", data={**form, "role": role_id(lumen, "Agent")})
        assert answer.status_code == 422
        assert told in answer.text
        assert lumen.entries() == []

    def test_nobody_invites_above_themselves(self, lumen: Lumen) -> None:
        """Whoever may invite cannot make somebody who may more; the attempt is recorded."""
        with lumen.working() as work:
            values = {"name": "Host", "permissions": ["users:read", "users:create"]}
            host = roles.create(work, None, values)
            user = work.get(User, lumen.user("Agent").id)
            user.role_id = host.id
        browser = lumen.signed_in("Agent")

        answer = browser.post(
            "/settings/users/new", data={"name": "X", "email": "x@y.example", "role": role_id(lumen, "Admin")}
        )

        assert answer.status_code == 403
        entry = lumen.entry()
        assert (entry.action, entry.outcome, entry.reason) == (
            "user.created",
            "denied",
            Reason(code="above_own_rights"),
        )


class TestRoleOfAPerson:
    """Giving somebody another role."""

    def test_it_says_what_was_gained(self, lumen: Lumen) -> None:
        """Role and permissions, before and after; to Admin it is critical."""
        agent = lumen.user("Agent")
        act(lumen.signed_in("Owner"), agent, "role", role=role_id(lumen, "Admin"))

        entry = lumen.entry()
        assert (entry.action, entry.kind, entry.severity) == ("user.role_changed", "security", "critical")
        role, permissions = entry.changes
        assert role == Change(path="role", before="Agent", after="Admin")
        assert isinstance(permissions.added, list)
        assert "users:manage" in permissions.added
        assert permissions.removed == []

    def test_to_a_lesser_role_it_is_a_warning(self, lumen: Lumen) -> None:
        """The catalog's own severity."""
        act(lumen.signed_in("Owner"), lumen.user("Manager"), "role", role=role_id(lumen, "Agent"))
        assert lumen.entry().severity == "warning"

    def test_nobody_changes_their_own(self, lumen: Lumen) -> None:
        """Not even the owner; it is recorded."""
        owner = lumen.user("Owner")
        answer = act(lumen.signed_in("Owner"), owner, "role", role=role_id(lumen, "Agent"))
        assert answer.status_code == 403
        assert lumen.entry().reason == Reason(code="own_role")

    def test_an_admin_decides_nothing_about_owners(self, lumen: Lumen) -> None:
        """Neither making one nor unmaking one, although an admin has every permission."""
        admin = lumen.signed_in("Admin")
        assert act(admin, lumen.user("Owner"), "role", role=role_id(lumen, "Agent")).status_code == 403
        assert act(admin, lumen.user("Agent"), "role", role=role_id(lumen, "Owner")).status_code == 403
        assert [entry.outcome for entry in lumen.entries()] == ["denied", "denied"]

    def test_the_same_role_again_records_nothing(self, lumen: Lumen) -> None:
        """Nothing changed."""
        act(lumen.signed_in("Owner"), lumen.user("Agent"), "role", role=role_id(lumen, "Agent"))
        assert lumen.entries() == []


class TestDeactivating:
    """Keeping somebody out."""

    def test_sessions_end_at_once(self, lumen: Lumen) -> None:
        """Their next click leads to the sign-in, which refuses them."""
        agent = lumen.signed_in("Agent")
        lumen.signed_in("Agent")

        answer = act(lumen.signed_in("Owner"), lumen.user("Agent"), "deactivate", reason="left_the_company")

        assert answer.status_code == 303
        entry = lumen.entry()
        assert entry.action == "user.deactivated"
        assert entry.details == {
            "sessions_ended": 2,
            "api_keys_revoked": 0,
            "conversations_unassigned": 0,
            "teams_left": 0,
        }
        assert entry.reason == Reason(code="left_the_company")
        assert entry.changes == (Change(path="status", before="active", after="deactivated"),)
        assert agent.get("/contacts").headers["location"].startswith("/sign-in")
        refused = lumen.visitor().post("/sign-in", data={"email": email("Agent"), "password": PASSWORD})
        assert refused.status_code == 422
        assert (lumen.entry("action:auth.login_failed").details or {})["cause"] == "deactivated"

    def test_and_letting_them_in_again(self, lumen: Lumen) -> None:
        """Reactivated, they sign in as before."""
        owner = lumen.signed_in("Owner")
        act(owner, lumen.user("Agent"), "deactivate")
        act(owner, lumen.user("Agent"), "reactivate")
        assert [entry.action for entry in lumen.entries()] == ["user.reactivated", "user.deactivated"]
        lumen.signed_in("Agent")

    def test_nobody_deactivates_themselves(self, lumen: Lumen) -> None:
        """It is refused and recorded."""
        answer = act(lumen.signed_in("Owner"), lumen.user("Owner"), "deactivate")
        assert answer.status_code == 403
        assert lumen.entry().reason == Reason(code="oneself")

    def test_an_owner_is_always_left(self, lumen: Lumen) -> None:
        """Only an owner can send an owner away, and not themselves."""
        with lumen.working() as work:
            role = roles.by_name(work, "Owner")
            second, _ = users.create(work, None, {"name": "Second", "email": "second@lumen.example"}, role)
            second.status, second.password_hash = "active", passwords.hashed(PASSWORD)
        browser = lumen.visitor()
        browser.post("/sign-in", data={"email": "second@lumen.example", "password": PASSWORD})

        assert act(lumen.signed_in("Admin"), lumen.user("Owner"), "deactivate").status_code == 403
        assert act(browser, lumen.user("Owner"), "deactivate").status_code == 303
        assert act(browser, lumen.row(User, name="Second"), "deactivate").status_code == 403
        assert lumen.row(User, name="Second").status == "active"

    def test_whoever_never_came_in_still_chooses_a_password(self, lumen: Lumen) -> None:
        """The first password was seen by somebody else: letting them in again does not make it theirs."""
        owner = lumen.signed_in("Owner")
        form = {"name": "João Silva", "email": "joao@lumen.example", "role": role_id(lumen, "Agent")}
        owner.post("/settings/users/new", data=form)
        act(owner, lumen.row(User, name="João Silva"), "deactivate")
        act(owner, lumen.row(User, name="João Silva"), "reactivate")
        assert lumen.row(User, name="João Silva").status == "invited"
        assert lumen.entries()[0].changes == (Change(path="status", before="deactivated", after="invited"),)


class TestDetailsOfOthers:
    """The name and the address of somebody else."""

    def test_both_are_changed(self, lumen: Lumen) -> None:
        """By whoever manages people; with the new address they sign in."""
        answer = act(
            lumen.signed_in("Admin"), lumen.user("Agent"), "details", name="Agente", email="Agente@lumen.example"
        )
        assert answer.status_code == 303
        entry = lumen.entry()
        assert (entry.action, entry.severity, entry.actor) == ("user.updated", "info", lumen.actor("Admin"))
        assert entry.changes == (
            Change(path="name", before="Agent Person", after="Agente", class_="personal"),
            Change(path="email", before="agent@lumen.example", after="agente@lumen.example", class_="personal"),
        )
        browser = lumen.visitor()
        signed = browser.post("/sign-in", data={"email": "agente@lumen.example", "password": PASSWORD})
        assert signed.status_code == 303

    def test_an_address_of_somebody_mightier(self, lumen: Lumen) -> None:
        """Could be used to take their place: it is refused and recorded."""
        answer = act(lumen.signed_in("Admin"), lumen.user("Owner"), "details", name="X", email="mine@evil.example")
        assert answer.status_code == 403
        assert (lumen.entry().outcome, lumen.entry().reason) == ("denied", Reason(code="above_own_rights"))
        assert lumen.user("Owner").name == "Owner Person"

    def test_links_to_the_old_address_are_worth_nothing(self, lumen: Lumen) -> None:
        """Whoever reads its mails now gets nowhere with them."""
        with lumen.working() as work:
            token = resets.make(work, work.get(User, lumen.user("Agent").id), None, resets.LIFE)
        act(lumen.signed_in("Admin"), lumen.user("Agent"), "details", name="Agent Person", email="new@lumen.example")
        assert lumen.visitor().get(f"/reset/{token}").status_code == 404

    @pytest.mark.parametrize(
        ("typed", "status"),
        [
            ({"name": "", "email": "a@b.example"}, 422),
            ({"name": "A", "email": "nothing"}, 422),
            ({"name": "A", "email": "manager@lumen.example"}, 422),
            ({"name": "Agent Person", "email": "AGENT@lumen.example"}, 303),
        ],
    )
    def test_what_changes_nothing(self, lumen: Lumen, typed: dict[str, str], status: int) -> None:
        """Because it cannot be taken, or is the same."""
        assert act(lumen.signed_in("Admin"), lumen.user("Agent"), "details", **typed).status_code == status
        assert lumen.entries() == []

    def test_their_teams_are_shown(self, lumen: Lumen) -> None:
        """On the page of the person."""
        with lumen.working() as work:
            agent = work.get(User, lumen.user("Agent").id)
            now = work.now()
            work.add(
                Team(
                    id=work.new_id("tea"),
                    workspace_id=lumen.workspace,
                    created_at=now,
                    updated_at=now,
                    name="Night shift",
                    description="",
                    assignment="manual",
                    working_hours="",
                    deleted_at=None,
                    members=[agent],
                )
            )
        assert "Night shift" in lumen.signed_in("Manager").get(f"/settings/users/{lumen.user('Agent').id}").text


class TestOwnName:
    """One's own name."""

    def test_it_is_recorded_with_the_name_of_the_moment(self, lumen: Lumen) -> None:
        """The actor of the entry still has the old name; later entries have the new one."""
        browser, agent = lumen.signed_in("Agent"), lumen.user("Agent")
        browser.post("/me/name", data={"version": str(agent.version), "name": "Agente Nueva"})

        entry = lumen.entry()
        assert entry.action == "user.updated"
        assert entry.changes == (Change(path="name", before="Agent Person", after="Agente Nueva", class_="personal"),)
        assert entry.actor.name == "Agent Person"
        assert "Agente Nueva" in browser.get("/me").text


class TestRoles:
    """What a role may do."""

    def test_creating_changing_deleting(self, lumen: Lumen) -> None:
        """Each is one entry; gaining power over people is critical."""
        owner = lumen.signed_in("Owner")
        owner.post("/settings/roles/new", data={"name": "Night", "permission": ["contacts:read", "templates:read"]})
        role: Role = lumen.row(Role, name="Night")
        owner.post(
            f"/settings/roles/{role.id}",
            data={"name": "Night agent", "version": "1", "permission": ["contacts:read", "users:manage"]},
        )
        owner.post(f"/settings/roles/{role.id}/delete", data={"version": "2", "note": "Not needed"})

        deleted, changed, created = lumen.entries()
        assert (created.action, created.changes[-1].after) == ("role.created", ["contacts:read", "templates:read"])
        assert (changed.action, changed.severity, changed.details) == ("role.updated", "critical", {"people": 0})
        assert changed.changes == (
            Change(path="name", before="Night", after="Night agent"),
            Change(path="permissions", op="set", added=["users:manage"], removed=["templates:read"]),
        )
        assert (deleted.action, deleted.reason) == ("role.deleted", Reason(text="Not needed"))
        assert deleted.resource == Resource(type="role", id=role.id, name="Night agent")

    def test_nobody_gives_what_they_have_not(self, lumen: Lumen) -> None:
        """A manager of roles cannot make them mightier than themselves."""
        with lumen.working() as work:
            values = {"name": "Roler", "permissions": ["roles:read", "roles:create", "roles:update"]}
            roler = roles.create(work, None, values)
            user = work.get(User, lumen.user("Agent").id)
            user.role_id = roler.id
        browser = lumen.signed_in("Agent")

        made = browser.post("/settings/roles/new", data={"name": "Mighty", "permission": ["contacts:delete"]})
        auditor = lumen.row(Role, name="Auditor")
        taken = browser.post(f"/settings/roles/{auditor.id}", data={"name": "Auditor", "version": "1"})

        assert (made.status_code, taken.status_code) == (403, 403)
        assert {(entry.action, entry.outcome) for entry in lumen.entries()} == {
            ("role.created", "denied"),
            ("role.updated", "denied"),
        }
        assert lumen.row(Role, name="Auditor").permissions == ["audit:read", "audit:export"]

    def test_nobody_changes_their_own_role(self, lumen: Lumen) -> None:
        """An admin cannot strip or feed the role they hold."""
        admin = lumen.row(Role, name="Admin")
        form = {"name": "Admin", "version": "1", "permission": ["contacts:read"]}
        answer = lumen.signed_in("Admin").post(f"/settings/roles/{admin.id}", data=form)
        assert answer.status_code == 403
        assert lumen.entry().reason == Reason(code="own_role")

    def test_what_stays_as_it_is(self, lumen: Lumen) -> None:
        """The owner's role, the names of the first roles, roles that somebody has, names that are taken."""
        owner = lumen.signed_in("Owner")
        first, agent = lumen.row(Role, name="Owner"), lumen.row(Role, name="Agent")
        with lumen.working() as work:
            used = roles.create(work, None, {"name": "Used", "permissions": []})
            work.get(User, lumen.user("Auditor").id).role_id = used.id

        assert owner.post(f"/settings/roles/{first.id}", data={"name": "x", "version": "1"}).status_code == 409
        assert owner.post(f"/settings/roles/{agent.id}/delete", data={"version": "1"}).status_code == 409
        assert owner.post(f"/settings/roles/{used.id}/delete", data={"version": "1"}).status_code == 409
        assert owner.post("/settings/roles/new", data={"name": "AGENT"}).status_code == 422
        assert owner.post("/settings/roles/new", data={"name": "X", "permission": "world:rule"}).status_code == 422
        permissions = agent.permissions
        owner.post(f"/settings/roles/{agent.id}", data={"name": "Renamed", "version": "1", "permission": permissions})
        assert lumen.row(Role, id=agent.id).name == "Agent"
        assert [entry.action for entry in lumen.entries()] == ["role.updated"]
