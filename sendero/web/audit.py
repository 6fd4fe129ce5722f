"""Settings → Audit logs, Alerts, Reviews: the pages, the token that lets them in, and the way to the thing itself."""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response

from sendero.errors import Missing
from sendero.web.visit import Page, Visit
from sendero.work import actor_of
from whodid.errors import StoreError
from whodid.server import PERMISSIONS, mint_token

__all__ = ["PAGES"]

_PLACES = {
    "contact": ("/contacts/{id}", "contacts:read"),
    "segment": ("/segments/{id}", "segments:read"),
    "template": ("/templates/{id}", "templates:read"),
    "campaign": ("/campaigns/{id}", "campaigns:read"),
    "account": ("/settings/accounts/{id}", "accounts:read"),
    "user": ("/settings/users/{id}", "users:read"),
    "role": ("/settings/roles/{id}", "roles:read"),
    "sso": ("/settings/sso/{id}", "sso:read"),
    "team": ("/settings/teams/{id}", "teams:read"),
    "webhook": ("/settings/webhooks/{id}", "webhooks:read"),
    "api_key": ("/settings/api-keys/{id}", "keys:read"),
    "hold": ("/settings/holds", "audit:manage"),
    "workspace": ("/settings/workspace", "workspace:update"),
    "log": ("/settings/audit-logs", "audit:read"),
    "page": ("/", ""),
}
"""Where each type of resource has its page, and the permission that opens it."""

_NOWHERE_ELSE = frozenset({"log", "page"})
"""Types whose page is the one that the reader is on, or none in particular: nothing to offer."""


def page(visit: Visit) -> Response:
    """Show the audit log, and say so when it does not hold everything that happened."""
    behind = False
    try:
        visit.home.relay.drain()
    except StoreError:
        behind = True
    return visit.render(
        "audit.html",
        behind=behind,
        refused=visit.home.outbox.backlog().quarantined > 0,
        # Who may not open a page is not sent there: the refusal would be an entry against them.
        opens=[name for name, (_, needs) in _PLACES.items() if name not in _NOWHERE_ELSE and visit.may(needs)],
    )


def alerts(visit: Visit) -> Response:
    """Show what detection noticed."""
    return visit.render("alerts.html")


def reviews(visit: Visit) -> Response:
    """Show what somebody looks at every week, and what was signed."""
    return visit.render("reviews.html")


def exports(visit: Visit) -> Response:
    """Show the audit log with the files that were exported."""
    return visit.go("/settings/audit-logs?dialog=exports")


def token(visit: Visit) -> Response:
    """Hand a viewer token to our own page."""
    actor = actor_of(visit.viewer)
    text = mint_token(
        visit.home.secret,
        workspace=visit.work.workspace.id,
        viewer=actor,
        permissions=[name for name in PERMISSIONS if visit.may(name)],
        origin=visit.web_origin,
        lang=visit.words.lang,
        now=visit.work.now(),
    )
    return PlainTextResponse(text)


def go(visit: Visit) -> Response:
    """Send the browser to the page of a resource that the log names."""
    place, _ = _PLACES.get(visit.path["type"], ("", ""))
    if not place:
        raise Missing
    return visit.go(place.format(id=visit.path["id"]))


PAGES = (
    Page(
        path="/settings/audit-logs",
        answer=page,
        needs="audit:read",
        action="audit.viewer_opened",
        title="Audit logs",
    ),
    Page(path="/settings/audit-logs/exports", answer=exports, needs="audit:read", action="audit.viewer_opened"),
    Page(path="/settings/alerts", answer=alerts, needs="audit:read", action="audit.viewer_opened", title="Alerts"),
    Page(path="/settings/reviews", answer=reviews, needs="audit:read", action="audit.viewer_opened", title="Reviews"),
    Page(path="/audit-token", method="POST", answer=token, needs="audit:read", action="audit.viewer_opened"),
    Page(path="/go/{type}/{id:path}", answer=go),
)
