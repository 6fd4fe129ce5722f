"""The filters of the guide, alone and together, and that a list, its chart and the API agree on how many there are."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from tests.browser.workspace import Person
from tests.browsing import expect

pytestmark = pytest.mark.browser

MADRID = ZoneInfo("Europe/Madrid")


def counts_agree(person: Person, **asked: str) -> int:
    """Insist that foot, chart, legend and API count the same, and return that number."""
    answer = person.ask(f"entries?{urlencode({**asked, 'tz': 'Europe/Madrid', 'limit': '1'})}")["count"]
    total = person.total()
    assert answer == {"value": total, "exact": True}
    chart = person.viewer.locator(".histo .hh > b")
    expect(chart).to_have_text(re.compile(rf"^{total:,} entr(y|ies)$"))
    legend = person.viewer.locator(".leg button em, .leg button .num").all_inner_texts()
    assert sum(int(text.replace(",", "")) for text in legend) == total
    return total


@pytest.mark.parametrize(("button", "days"), [("Last 7 days", 7), ("30 days", 30), ("90 days", 90)])
def test_a_preset_shows_whole_days(owner: Person, button: str, days: int) -> None:
    """7, 30 and 90 days, today included, from the first midnight on."""
    owner.open_log()
    if days == 90:
        owner.viewer.get_by_role("button", name="Custom").click()
    owner.viewer.get_by_role("button", name=button, exact=True).click()
    owner.settled()
    counts_agree(owner, range=f"{days}d")
    assert f"range={days}d" in owner.address() or days == 7
    items = owner.items(f"entries?range={days}d&tz=Europe/Madrid&limit=200")
    first = datetime.now(MADRID).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    assert all(datetime.fromisoformat(item["occurred_at"]) >= first for item in items)


def test_a_custom_range_is_typed_or_clicked(owner: Person) -> None:
    """Typed dates and clicked days lead to the same list."""
    last = datetime.now(MADRID).date() - timedelta(days=4)
    first = last - timedelta(days=2)
    owner.open_log()
    owner.viewer.get_by_role("button", name="Custom").click()
    owner.viewer.get_by_label("From", exact=True).fill(f"{first}")
    owner.viewer.get_by_label("To", exact=True).fill(f"{last}")
    owner.viewer.get_by_role("button", name="Apply").click()
    owner.settled()
    begin = datetime.combine(first, datetime.min.time(), MADRID).astimezone(UTC)
    end = datetime.combine(last + timedelta(days=1), datetime.min.time(), MADRID).astimezone(UTC)
    total = counts_agree(owner, since=f"{begin:%Y-%m-%dT%H:%M:%SZ}", until=f"{end:%Y-%m-%dT%H:%M:%SZ}")
    assert total > 0
    typed = owner.address()

    owner.viewer.get_by_role("button", name="Last 7 days").click()
    owner.viewer.get_by_role("button", name="Custom").click()
    owner.viewer.get_by_label("From", exact=True).fill("")
    owner.viewer.get_by_label("To", exact=True).fill("")
    for day in (last, first):
        if not owner.viewer.locator(f'[data-day="{day}"]').count():
            owner.viewer.get_by_role("button", name="Earlier month").click()
        owner.viewer.locator(f'[data-day="{day}"]').click()
    owner.viewer.get_by_role("button", name="Apply").click()
    owner.settled()
    assert owner.address() == typed
    assert owner.total() == total


def test_a_date_that_is_none_is_said_to_be_none(owner: Person) -> None:
    """The fault stands under the fields, with what would be understood."""
    owner.open_log()
    owner.viewer.get_by_role("button", name="Custom").click()
    owner.viewer.get_by_label("From", exact=True).fill("the day before")
    owner.viewer.get_by_role("button", name="Apply").click()
    expect(owner.viewer.get_by_role("alert")).to_contain_text("This is not a date. Write 2026-11-01")
    owner.viewer.get_by_label("From", exact=True).fill("2026-11-02")
    owner.viewer.get_by_label("To", exact=True).fill("2026-11-01")
    owner.viewer.get_by_role("button", name="Apply").click()
    expect(owner.viewer.get_by_role("alert")).to_contain_text("The range ends before it begins.")


def test_only_creations_only_deletions(owner: Person) -> None:
    """The menu of kinds: Created alone, Deleted alone, both."""
    owner.open_log()
    owner.choose("Action type", "Created")
    created = counts_agree(owner, q="kind:create", range="7d")
    assert kinds(owner) == {"create"}
    owner.choose("Action type", "Deleted")
    both = counts_agree(owner, q="kind:create,delete", range="7d")
    owner.choose("Action type", "Deleted", only=True)
    deleted = counts_agree(owner, q="kind:delete", range="7d")
    assert created + deleted == both
    assert kinds(owner) == {"delete"}


def kinds(person: Person) -> set[str]:
    """Return the kinds of the listed entries, as their tiles show them."""
    tiles = person.rows.locator(".k").evaluate_all("tiles => tiles.map(tile => tile.className)")
    return {str(tile).removeprefix("k ") for tile in tiles}


def test_user_resource_and_action_together(owner: Person) -> None:
    """Each filter narrows what the others left; the state survives reload, Back and a copied link."""
    owner.open_log()
    owner.page.get_by_role("button", name="30 days").click()
    owner.settled()
    steps = [(owner.address(), owner.total())]
    for menu, option, typed in (
        ("User", "Maria Torres", "maria"),
        ("Resource", "Contact", ""),
        ("Action type", "Updated", ""),
    ):
        owner.choose(menu, option, typed)
        steps.append((owner.address(), owner.total()))
    totals = [total for _, total in steps]
    assert totals == sorted(totals, reverse=True)
    assert 0 < totals[3] < totals[1] < totals[0]
    for sentence in owner.rows.locator(".s1").all_text_contents():
        assert re.match(r"Maria Torres (updated|merged|changed the marketing consent of|assigned) ?", sentence), (
            sentence
        )
    counts_agree(owner, q=f"actor:{actor_id(owner)} type:contact kind:update", range="30d")

    owner.page.reload()
    owner.settled()
    assert (owner.address(), owner.total()) == steps[3]
    friend = owner.context.new_page()
    friend.goto(steps[3][0])
    expect(friend.locator(".foot > .num")).to_have_text(owner.foot.inner_text())
    friend.close()
    for address, total in reversed(steps[:3]):
        owner.page.go_back()
        owner.settled()
        expect(owner.foot).to_have_text(re.compile(rf"\b{total:,}\b"))
        assert owner.address() == address
    owner.page.go_forward()
    owner.settled()
    assert owner.address() == steps[1][0]
    owner.viewer.get_by_role("button", name="Clear all").click()
    owner.settled()
    assert owner.address() == "/settings/audit-logs"


def actor_id(person: Person) -> str:
    """Return the id of who did the newest entry on the page."""
    index = person.rows.first.get_attribute("data-index")
    return str(person.ask(f"entries/{index}")["entry"]["actor"]["id"])


def test_deleted_things_are_found_by_name(owner: Person) -> None:
    """A support agent types a name that no list has any more."""
    owner.open_log()
    owner.choose("Resource", "Juan Pérez", "Juan P")
    expect(owner.rows.first.locator(".s1")).to_contain_text("Juan Pérez")
    expect(owner.viewer.locator(".chips")).to_contain_text("Juan Pérez")
    expect(owner.row("Maria Torres deleted contact Juan Pérez")).to_be_visible()


QUERIES = (
    "juan perez",
    "deleted -actor:aisha*",
    "action:contact.*",
    "action:deleted",
    "kind:delete,create",
    'actor:"Maria Torres" -kind:security',
    "reason:removed",
    "change:tags",
    "before:pending",
    "ip:83.45.112.0/24",
    "country:ES",
    "is:failed",
    "severity:>=warning",
    "date:yesterday",
    "via:webhook",
    "type:contact kind:update date:30d",
)


def test_words_and_qualifiers(owner: Person) -> None:
    """What is typed into the field is what is listed: the page and the API agree on every form of the language."""
    owner.page.goto("/settings/audit-logs?range=90d")
    owner.settled()
    for query in QUERIES:
        while not agrees(owner, query):
            pass


def agrees(owner: Person, query: str) -> bool:
    """Compare what the page and the API say of a query; False when the log grew in between, by an alert for example."""
    before = owner.ask("entries?limit=1")["head"]["size"]
    owner.search(query)
    asked = urlencode({"q": query, "range": "90d", "tz": "Europe/Madrid"})
    answer, bars = owner.ask(f"entries?{asked}&limit=50"), owner.ask(f"histogram?{asked}")
    listed = owner.rows.evaluate_all("rows => rows.map(row => row.dataset.index)")
    same = bool(before == owner.ask("entries?limit=1")["head"]["size"])
    if same:
        # The rows of a person are without what detection says.
        found = [str(item["index"]) for item in answer["items"] if item["action"] != "audit.alert_raised"]
        assert found, query
        assert listed[0] == found[0], query
        # Where many entries are one row, the page has asked for the next ones already.
        assert {one for one in listed if int(one) >= int(found[-1])} <= set(found), query
        count = answer["count"]
        # Where the list stops counting, the bars of the chart know; no number says less than they do.
        barred = sum(bars["kinds"].values())
        exact = count["value"] if count["exact"] else barred if bars["exact"] else None
        some = f" of {max(count['value'], barred):,}+" if exact is None else f" of {exact:,}"
        expect(owner.foot).to_contain_text(some if answer["next"] else f"All {len(answer['items'])} entries")
    for remove in reversed(owner.viewer.get_by_role("button", name=re.compile("^Remove filter")).all()):
        remove.click()
    if owner.viewer.get_by_role("button", name="Clear search").count():
        owner.viewer.get_by_role("button", name="Clear search").click()
    owner.settled()
    assert owner.address() == "/settings/audit-logs?range=90d", query
    return same


def test_a_bad_term_is_underlined_and_explained(owner: Person) -> None:
    """The list stays, the term is marked, and the words tell what to write instead."""
    owner.watch.foresee("status of 400")
    owner.open_log()
    first = owner.rows.first.get_attribute("data-index")
    field = owner.viewer.get_by_label("Search audit logs")
    field.fill("maria severity:purple")
    wrong = owner.viewer.get_by_role("alert")
    expect(wrong).to_contain_text("severity:purple")
    expect(wrong.locator("u")).to_have_text(re.compile("purple"))
    expect(wrong).to_contain_text(re.compile(r"info.*notice.*warning.*critical"))
    expect(owner.viewer.locator(".ul u")).to_have_text(re.compile("purple"))
    expect(field).to_have_attribute("aria-invalid", "true")
    assert owner.rows.first.get_attribute("data-index") == first
    field.fill("maria severity:critical")
    owner.page.keyboard.press("Enter")
    expect(wrong).to_have_count(0)
    owner.settled()


def test_nothing_found_offers_what_would_be(owner: Person) -> None:
    """Each filter is offered for removal with the count it would give."""
    owner.open_log()
    owner.page.get_by_role("button", name="30 days").click()
    owner.search("kind:delete")
    deletions = owner.total()
    owner.search("zzznobody")
    expect(owner.viewer.get_by_role("heading", name="No entries match")).to_be_visible()
    offer = owner.viewer.get_by_role("button", name=re.compile(r"Without “zzznobody”"))
    expect(offer).to_contain_text(f"{deletions:,}")
    offer.click()
    owner.settled()
    assert owner.total() == deletions
