"""Permissions: every address, every role; what is refused is recorded as denied."""

from __future__ import annotations

from io import BytesIO

import pytest

from sendero.permissions import AREAS, BUILTIN, PERMISSIONS
from sendero.service import api_keys, holds, imports, sso, sso_rules, teams, webhooks
from sendero.tables import Campaign, Contact, Role, User
from sendero.web.app import PAGES
from sendero.web.visit import Page
from tests.campaigning import campaign, madrid
from tests.lumen import SETTER_UP, Lumen, lumen
from tests.provider import Company, sso_values
from whodid import Reason, Resource
from whodid.retention import place_hold

__all__ = ["lumen"]

GUARDED = [page for page in PAGES if page.needs]


def any_campaign(lumen: Lumen) -> Campaign:
    """Return the campaign of a workspace, made once."""
    with lumen.home.session() as session:
        found: Campaign | None = session.query(Campaign).first()
    return found or campaign(lumen)


def address(lumen: Lumen, page: Page) -> str:
    """Return an address of a page, about something that exists."""
    noun = page.path.split("/")[2 if page.path.startswith("/settings/") else 1]
    rows = {
        "contacts": lumen.juan.id,
        "templates": lumen.template.id,
        "segments": madrid(lumen).id,
        "campaigns": any_campaign(lumen).id,
        "accounts": lumen.account.id,
        "users": lumen.user("Agent").id,
        "roles": lumen.row(Role, name="Auditor").id,
        "sso": connection(lumen),
        **connections(lumen),
    }
    if page.path.startswith("/contacts/imports/"):
        return page.path.replace("{id}", file_of_contacts(lumen))
    return page.path.replace("{id}", rows.get(noun, ""))


def connection(lumen: Lumen) -> str:
    """Return a connection of single sign-on, set up when there is none."""
    with lumen.working() as work:
        for found in sso_rules.living(work):
            return found.id
        values = sso_values()
        lumen.home.fetch = Company(lumen)
        return sso.create(work, lumen.user("Owner"), values, lumen.row(Role, name="Agent")).id


def file_of_contacts(lumen: Lumen) -> str:
    """Return an import that waits, taken in when there is none."""
    with lumen.working() as work:
        for found in imports.listing(work):
            return found.id
        file = BytesIO(b"name,phone\nAna,+34611204880\n")
        return imports.take(work, lumen.user("Owner"), file, "clients.csv").id


def connections(lumen: Lumen) -> dict[str, str]:
    """Return the ids of a team, a webhook, an API key and a legal hold; make them if there are none."""
    owner = lumen.user("Owner")
    with lumen.working() as work:
        team, hook, key = teams.listing(work), webhooks.listing(work), api_keys.listing(work)
        if not team:
            hours = {"assignment": "manual", "days": "", "opens": "", "closes": ""}
            where = {"url": "https://hooks.lumen.es/", "events": ["contact.created"], "headers": {}, "active": True}
            what = {"name": "Key", "lifetime": "30_days", "permissions": ["contacts:read"]}
            team = [teams.create(work, {"name": "Team", "members": [], **hours})]
            hook = [webhooks.create(work, {"name": "Hook", **where})[0]]
            key = [api_keys.create(work, work.get(User, owner.id), what)[0]]
            why = Reason(text="A complaint")
            place_hold(lumen.home.log, lumen.workspace, name="Case 118", query="actor:x", actor=SETTER_UP, reason=why)
        kept = holds.all_holds(work)
        return {"teams": team[0].id, "webhooks": hook[0].id, "api-keys": key[0].id, "holds": kept[0].id}


def test_every_page_says_what_it_needs() -> None:
    """Only signing in and out, one's own things, the start and the language need no permission."""
    free = {page.path for page in PAGES if not page.needs}
    assert free == {
        "/",
        "/sign-in",
        "/sign-in/code",
        "/sign-out",
        "/language",
        "/me",
        "/me/name",
        "/me/password",
        "/me/two-step",
        "/me/two-step/off",
        "/me/sessions",
        "/forgot",
        "/reset/{token}",
        "/sign-in/sso/{id}",
        "/sign-in/sso/{id}/callback",
        "/go/{type}/{id:path}",
    }
    assert {page.needs for page in GUARDED} <= set(PERMISSIONS)


def test_every_permission_opens_something() -> None:
    """A permission that nothing asks for would be an empty promise; two are asked for by the log's own pages."""
    asked = {page.needs for page in GUARDED} | {"audit:export", "audit:pii"}
    assert asked == set(PERMISSIONS)
    assert [permission.partition(":")[0] for permission in PERMISSIONS] == [
        area for area, verbs in AREAS.items() for _ in verbs
    ]


@pytest.mark.parametrize("role", BUILTIN)
def test_each_role_reaches_what_it_may_and_nothing_else(lumen: Lumen, role: str) -> None:
    """Each page that can be looked at answers, or refuses and records the refusal."""
    browser = lumen.signed_in(role)
    may = set(BUILTIN[role][1])
    refused = []
    for page in GUARDED:
        if page.method == "GET":
            answer = browser.get(address(lumen, page))
            # One address only leads to another one, with a dialog open.
            answers = (303,) if page.path == "/settings/audit-logs/exports" else (200,)
            assert answer.status_code in (answers if page.needs in may else (403,)), page.path
            if answer.status_code == 403:
                refused.append(page)

    denied = lumen.entries("is:denied")
    assert len(denied) == len(refused)
    assert {entry.actor.id for entry in denied} <= {lumen.user(role).id}
    for entry, page in zip(reversed(denied), refused, strict=True):
        assert entry.details == {"permission": page.needs}
        assert entry.reason == Reason(code="no_permission")


@pytest.mark.parametrize("page", [page for page in GUARDED if page.method == "POST"], ids=lambda page: page.path)
def test_no_act_is_possible_without_its_permission(lumen: Lumen, page: Page) -> None:
    """Whoever may nothing changes nothing, and the attempt is recorded under the name of the act."""
    role = "Agent" if page.needs not in BUILTIN["Agent"][1] else "Auditor"
    browser = lumen.signed_in(role)

    answer = browser.post(address(lumen, page), data={"name": "x", "version": "1"})

    assert answer.status_code == 403
    (entry,) = lumen.entries("is:denied")
    assert (entry.action, entry.outcome) == (page.action, "denied")
    assert entry.actor == lumen.actor(role)


def test_a_refusal_names_what_it_was_about(lumen: Lumen) -> None:
    """The contact by its name; the page by its title; something that does not exist yet as new."""
    browser = lumen.signed_in("Agent")
    browser.post(f"/contacts/{lumen.juan.id}/delete", data={"version": "1"})
    browser.get("/settings/roles")
    browser.post("/templates/new")
    browser.post("/contacts/con_nowhere/delete")

    told = [*reversed(lumen.entries())]

    assert [entry.action for entry in told] == [
        "contact.deleted",
        "page.opened",
        "template.created",
        "contact.deleted",
    ]
    assert [entry.resource for entry in told] == [
        Resource(type="contact", id=lumen.juan.id, name="Juan Pérez"),
        Resource(type="page", id="/settings/roles", name="Roles"),
        Resource(type="template", id="new"),
        Resource(type="contact", id="con_nowhere"),
    ]
    assert lumen.row(Contact, id=lumen.juan.id).deleted_at is None


def test_a_new_role_acts_at_once(lumen: Lumen) -> None:
    """Within the session, with the next request."""
    agent, owner = lumen.signed_in("Agent"), lumen.signed_in("Owner")
    assert agent.get("/settings/roles").status_code == 403
    user, admin = lumen.user("Agent"), lumen.row(Role, name="Admin")

    owner.post(f"/settings/users/{user.id}/role", data={"version": str(user.version), "role": admin.id})

    assert agent.get("/settings/roles").status_code == 200


def test_a_stranger_gets_nowhere(lumen: Lumen) -> None:
    """Without a session every address leads to the sign-in, and nothing is recorded."""
    browser = lumen.visitor()
    for page in PAGES:
        if page.needs is not None:
            answer = browser.request(page.method, address(lumen, page))
            assert answer.status_code == 303, page
            assert answer.headers["location"].startswith("/sign-in"), page
    assert lumen.entries() == []
