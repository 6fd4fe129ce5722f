"""Who comes and goes: sign-in with the printed password, a wrong one, and sign-out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.workspace import Person, Sendero
from tests.browsing import expect

pytestmark = pytest.mark.browser


def test_signing_in_and_out_appears(visitor: Callable[..., Person], sendero: Sendero) -> None:
    """A wrong password is refused and seen as a failed sign-in; the printed one lets in; leaving appears as well."""
    person = visitor()
    person.watch.foresee("status of 422")
    person.page.goto("/settings/audit-logs")
    assert person.address() == "/sign-in?next=/settings/audit-logs"
    person.try_password(sendero.email, "not the printed password")
    expect(person.page.get_by_role("alert")).to_have_text("E-mail or password is wrong.")
    person.try_password(sendero.email, sendero.password)
    person.settled()
    assert person.address() == "/settings/audit-logs"

    person.search("category:auth")
    expect(person.rows.nth(0).locator(".s1")).to_have_text("Aisha Khan signed in")
    failed = person.rows.nth(1)
    expect(failed.locator(".s1")).to_have_text("Sign-in failed for Aisha Khan")
    expect(failed.get_by_text("Failed", exact=True)).to_be_visible()

    person.sign_out()
    expect(person.page.get_by_role("heading", name="Sign in to Casa Lumen")).to_be_visible()
    person.page.go_back()
    expect(person.page.get_by_role("heading", name="Sign in to Casa Lumen")).to_be_visible()
    person.try_password(sendero.email, sendero.password)
    person.settled()
    person.go("Audit logs")
    person.search("category:auth")
    expect(person.rows.nth(0).locator(".s1")).to_have_text("Aisha Khan signed in")
    expect(person.rows.nth(1).locator(".s1")).to_have_text("Aisha Khan signed out")
    assert sendero.password not in person.page.content()
