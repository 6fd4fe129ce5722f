"""The pages of WhatsApp accounts. A secret is typed in and never shown again."""

from __future__ import annotations

from starlette.responses import Response

from sendero.errors import Missing
from sendero.service import accounts
from sendero.tables import Account
from sendero.web.visit import Page, Visit
from sendero.work import Work

__all__ = ["PAGES"]

_ROTATIONS = ("security", "left_the_company", "other")


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
    return visit.render("accounts/list.html", rows=accounts.listing(visit.work))


def show(visit: Visit) -> Response:
    """Show an account."""
    return visit.render("accounts/show.html", account=living(visit.work, visit.path["id"]))


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
            **{
                box: form.on(box) if form else getattr(account, box)
                for box in ("is_default_in", "is_default_out", "auto_read_receipt")
            },
        },
        api_versions=accounts.API_VERSIONS,
    )


def update(visit: Visit) -> Response:
    """Change an account's settings."""
    account = living(visit.work, visit.path["id"])
    visit.check_version(account)
    values = {"name": visit.form["name"], "api_version": visit.form["api_version"]}
    boxes = {box: visit.form.on(box) for box in ("is_default_in", "is_default_out", "auto_read_receipt")}
    changed = accounts.update(visit.work, account, values | boxes)
    done = "account_saved" if changed else "unchanged"
    return visit.go(f"/settings/accounts/{account.id}", done=done, of=f"account:{account.id}" if changed else "")


def form_token(visit: Visit) -> Response:
    """Show the form for a new access token."""
    return visit.render("accounts/token.html", account=living(visit.work, visit.path["id"]), codes=_ROTATIONS)


def rotate(visit: Visit) -> Response:
    """Replace the access token."""
    account = living(visit.work, visit.path["id"])
    visit.check_version(account)
    accounts.rotate_token(visit.work, account, visit.form["token"], visit.form.reason(_ROTATIONS))
    return visit.go(f"/settings/accounts/{account.id}", done="token_rotated", of=f"account:{account.id}")


PAGES = (
    Page(path="/settings/accounts", answer=listing, needs="accounts:read", title="WhatsApp accounts"),
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
        path="/settings/accounts/{id}/token", answer=form_token, needs="accounts:manage", title="Replace access token"
    ),
    Page(
        path="/settings/accounts/{id}/token",
        method="POST",
        answer=rotate,
        again=form_token,
        needs="accounts:manage",
        action="account.token_rotated",
    ),
)
