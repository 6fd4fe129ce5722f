"""Nothing changes in the workspace without an entry: what no service speaks of is told by itself."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from sendero.tables import WATCHED, Base, Contact, Template
from tests.lumen import Lumen, lumen
from whodid import Actor
from whodid.errors import InvalidEvent, InvalidSetting

__all__ = ["lumen"]

SOMEBODY = Actor(type="system", id="maintenance", name="Maintenance")

UNWATCHED = {
    "Attempt": "counts failed sign-ins for the throttle; each has its entry auth.login_failed",
    "Delivery": "what a webhook is told; the change that it tells of has its entry",
    "Import": "a file under way; contact.imported tells of it at its end",
    "ImportFault": "a row of it that was not taken; counted in contact.imported",
    "ImportPart": "a part of its text, deleted when it was read",
    "Letter": "a mail under way; the act that sends it has its entry",
    "Message": "what a campaign sends; counted in its entries",
    "Note": "a remark about a contact; the domain names no action for it",
    "Notification": "that a notice of WhatsApp was told already",
    "RecoveryCode": "user.updated tells that they were made, auth.login that one was used",
    "ResetLink": "auth.password_changed tells of its use",
    "SecondStep": "what an app shares; user.updated tells that it is on or off",
    "Session": "auth.login, auth.logout and auth.session_revoked tell of it",
    "SsoAttempt": "a sign-in under way; auth.sso_login or auth.login_failed tell of its end",
    "SsoIdentity": "who somebody is at a provider; auth.sso_login tells of it",
    "TeamMember": "told as a member of its team",
}
"""Classes that are not watched, and why nothing is missing."""


def test_what_nobody_speaks_of_is_told_by_itself(lumen: Lumen) -> None:
    """A row that changes has an entry with the actor, before and after, whoever forgot to say it."""
    with lumen.working(SOMEBODY) as work:
        work.get(Contact, lumen.juan.id).city = "Toledo"
    entry = lumen.entry("actor:maintenance")
    assert (entry.action, entry.resource.name) == ("contact.updated", "Juan Pérez")
    assert [(change.path, change.before, change.after) for change in entry.changes] == [("city", "Getafe", "Toledo")]


def test_an_act_speaks_for_its_rows(lumen: Lumen) -> None:
    """What a service said has one entry, not two."""
    browser = lumen.signed_in("Manager")
    page = browser.get(f"/contacts/{lumen.juan.id}/delete").text
    version = page.partition('name="version" value="')[2].partition('"')[0]
    browser.post(f"/contacts/{lumen.juan.id}/delete", data={"version": version, "note": "Asked for it"})
    assert [entry.action for entry in lumen.entries()] == ["contact.deleted"]


def test_nobody_changes_anything_unnamed(lumen: Lumen) -> None:
    """Without an actor the change does not happen."""
    with pytest.raises(InvalidEvent, match="who acts"), lumen.home.sessions.begin() as session:
        session.get_one(Template, lumen.template.id).display_name = "Nobody's"
    assert lumen.row(Template).display_name == "Order update"


def test_a_statement_past_the_session_is_refused(lumen: Lumen) -> None:
    """It never reaches the database."""
    with pytest.raises(InvalidSetting, match="without an entry"), lumen.home.engine.begin() as connection:
        connection.execute(sa.text("UPDATE contacts SET city = 'Toledo'"))
    assert lumen.row(Contact).city == "Getafe"


def test_every_table_is_watched_or_has_a_reason(lumen: Lumen) -> None:
    """A new table has to be watched, or named here with why nothing is missing."""
    plan = lumen.home.watching.hook.plan
    missed = {mapper.class_.__name__ for mapper in Base.registry.mappers if plan(mapper) is None}
    assert missed == set(UNWATCHED)
    assert len(Base.registry.mappers) == len(missed) + len(WATCHED)
