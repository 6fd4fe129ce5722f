"""The pages of WhatsApp accounts. A secret is typed in and never shown again.

WhatsApp is asked before anything is written (`Page.asks`): a number that it does not know, or a token that does not
speak for it, is never stored.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.responses import Response

from sendero.errors import Missing, Unavailable
from sendero.service import accounts, standings
from sendero.tables import Account
from sendero.web.hook import ADDRESS
from sendero.web.visit import Page, Visit
from sendero.whatsapp.demo import DemoWhatsApp
from sendero.whatsapp.provider import TOKEN_LOST, Provider, ProviderFault, Standing
from sendero.work import Work
from whodid import Reason

__all__ = ["PAGES"]

_ROTATIONS = ("security", "left_the_company", "other")
_DELETIONS = ("not_used", "replaced", "test_data", "other")
_TEXTS = ("name", "waba_id", "phone_number_id", "access_token", "app_secret", "webhook_verify_token", "api_version")
_BOXES = ("is_default_in", "is_default_out", "auto_read_receipt")


def living(work: Work, key: str) -> Account:
    """Return a connected account.

    Raises:
        Missing: There is none.
    """
    account = work.get(Account, key)
    if account.deleted_at is not None:
        raise Missing
    return account


def listing(visit: Visit) -> Response:
    """List the connected numbers."""
    return visit.render("accounts/list.html", rows=accounts.listing(visit.work), played=_played(visit))


def show(visit: Visit) -> Response:
    """Show an account."""
    account = living(visit.work, visit.path["id"])
    return visit.render(
        "accounts/show.html",
        account=account,
        uses=accounts.uses(visit.work, account),
        hook=f"{visit.web_origin}{ADDRESS}",
        played=_played(visit),
    )


def form_new(visit: Visit) -> Response:
    """Show the form for a new number; what is secret is typed again."""
    form = visit.form
    first = not accounts.listing(visit.work)
    return visit.render(
        "accounts/new.html",
        typed={
            **{name: form[name] for name in ("name", "waba_id", "phone_number_id")},
            "api_version": form["api_version"] or accounts.API_VERSIONS[-1],
            **{box: form.on(box) if visit.fault else first and box in accounts.DEFAULTS for box in _BOXES},
        },
        api_versions=accounts.API_VERSIONS,
        played=_played(visit),
    )


def ask_new(visit: Visit) -> Callable[[], Standing]:
    """Check what was typed and ask how the number stands."""
    values = accounts.checked(visit.work, _typed(visit))
    return partial(visit.home.provider.standing, accounts.line(values))


def create(visit: Visit) -> Response:
    """Connect a number."""
    account = accounts.connect(visit.work, accounts.checked(visit.work, _typed(visit)), visit.asked)
    return visit.go(f"/settings/accounts/{account.id}", done="account_connected", of=f"account:{account.id}")


def form_edit(visit: Visit) -> Response:
    """Show the form for an account's settings."""
    account = living(visit.work, visit.path["id"])
    form = visit.form if visit.fault else None
    return visit.render(
        "accounts/form.html",
        account=account,
        typed={
            "name": form["name"] if form else account.name,
            "api_version": form["api_version"] if form else account.api_version,
            **{box: form.on(box) if form else getattr(account, box) for box in _BOXES},
        },
        api_versions=accounts.API_VERSIONS,
    )


def update(visit: Visit) -> Response:
    """Change an account's settings."""
    account = living(visit.work, visit.path["id"])
    visit.check_version(account)
    values = {"name": visit.form["name"], "api_version": visit.form["api_version"]}
    boxes = {box: visit.form.on(box) for box in _BOXES}
    changed = accounts.update(visit.work, account, values | boxes)
    done = "account_saved" if changed else "unchanged"
    return visit.go(f"/settings/accounts/{account.id}", done=done, of=f"account:{account.id}" if changed else "")


def form_token(visit: Visit) -> Response:
    """Show the form for a new access token."""
    return visit.render("accounts/token.html", account=living(visit.work, visit.path["id"]), codes=_ROTATIONS)


def ask_token(visit: Visit) -> Callable[[], Standing]:
    """Check the new token and ask WhatsApp with it."""
    account = living(visit.work, visit.path["id"])
    visit.check_version(account)
    visit.form.reason(_ROTATIONS)
    token = accounts.new_token(visit.work, account, visit.form["token"])
    return partial(visit.home.provider.standing, accounts.line_of(visit.work, account, token))


def rotate(visit: Visit) -> Response:
    """Replace the access token; a number that was lost with the old one is connected again."""
    account = living(visit.work, visit.path["id"])
    visit.check_version(account)
    accounts.rotate_token(visit.work, account, visit.form["token"], visit.form.reason(_ROTATIONS))
    standings.apply(visit.work, account, visit.asked)
    return visit.go(f"/settings/accounts/{account.id}", done="token_rotated", of=f"account:{account.id}")


def ask_standing(visit: Visit) -> Callable[[], Standing | ProviderFault]:
    """Ask how a number stands."""
    account = living(visit.work, visit.path["id"])
    return partial(_standing_or_fault, visit.home.provider, accounts.line_of(visit.work, account))


def test(visit: Visit) -> Response:
    """Note what WhatsApp says about a number when it is asked."""
    account = living(visit.work, visit.path["id"])
    address = f"/settings/accounts/{account.id}"
    if isinstance(visit.asked, Standing):
        changed = standings.apply(visit.work, account, visit.asked)
        done = "account_told" if changed else "account_tested"
        return visit.go(address, done=done, of=f"account:{account.id}" if changed else "")
    # The token is lost, and with it the number: that is worth knowing although the test failed.
    lost = Reason(code="token_lost", text=visit.asked.text)
    standings.change_status(visit.work, account, "disconnected", reason=lost, code=visit.asked.code)
    visit.fault = Unavailable(visit.asked.code, visit.asked.text)
    return show(visit)


def form_delete(visit: Visit) -> Response:
    """Ask whether and why to delete an account."""
    account = living(visit.work, visit.path["id"])
    return visit.render(
        "accounts/delete.html", account=account, uses=accounts.uses(visit.work, account), codes=_DELETIONS
    )


def delete(visit: Visit) -> Response:
    """Delete an account."""
    account = living(visit.work, visit.path["id"])
    visit.check_version(account)
    accounts.delete(visit.work, account, visit.form.reason(_DELETIONS))
    return visit.go("/settings/accounts", done="account_deleted", of=f"account:{account.id}")


def _typed(visit: Visit) -> dict[str, Any]:
    return {name: visit.form[name] for name in _TEXTS} | {box: visit.form.on(box) for box in _BOXES}


def _played(visit: Visit) -> bool:
    return isinstance(visit.home.provider, DemoWhatsApp)


def _standing_or_fault(provider: Provider, line: Any) -> Standing | ProviderFault:
    try:
        return provider.standing(line)
    except ProviderFault as fault:
        if fault.code != TOKEN_LOST:
            raise
        return fault


PAGES = (
    Page(path="/settings/accounts", answer=listing, needs="accounts:read", title="WhatsApp accounts"),
    Page(path="/settings/accounts/new", answer=form_new, needs="accounts:create", title="Connect a number"),
    Page(
        path="/settings/accounts/new",
        method="POST",
        asks=ask_new,
        answer=create,
        again=form_new,
        needs="accounts:create",
        action="account.created",
    ),
    Page(path="/settings/accounts/{id}", answer=show, needs="accounts:read", title="WhatsApp account"),
    Page(path="/settings/accounts/{id}/edit", answer=form_edit, needs="accounts:update", title="Edit WhatsApp account"),
    Page(
        path="/settings/accounts/{id}/edit",
        method="POST",
        answer=update,
        again=form_edit,
        needs="accounts:update",
        action="account.updated",
    ),
    Page(
        path="/settings/accounts/{id}/test",
        method="POST",
        asks=ask_standing,
        answer=test,
        again=show,
        needs="accounts:update",
        action="account.updated",
    ),
    Page(
        path="/settings/accounts/{id}/token", answer=form_token, needs="accounts:manage", title="Replace access token"
    ),
    Page(
        path="/settings/accounts/{id}/token",
        method="POST",
        asks=ask_token,
        answer=rotate,
        again=form_token,
        needs="accounts:manage",
        action="account.token_rotated",
    ),
    Page(
        path="/settings/accounts/{id}/delete",
        answer=form_delete,
        needs="accounts:delete",
        title="Delete WhatsApp account",
    ),
    Page(
        path="/settings/accounts/{id}/delete",
        method="POST",
        answer=delete,
        again=form_delete,
        needs="accounts:delete",
        action="account.deleted",
    ),
)
