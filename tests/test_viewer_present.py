"""What the page is told about entries: rows, full views, bars, facets and proofs."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

import whodid
from tests.serving import HOME, JOAO, NOW, Clock, dump, event, open_log, record
from whodid import Action, Change, Log, Resource, builtin
from whodid.canonical import fields
from whodid.catalog import detail_label
from whodid.log import Facet
from whodid.proof import leaf
from whodid.query import Query, parse
from whodid.viewer import Reader, Stay, api, present, proofs
from whodid.viewer.veil import HIDDEN


@pytest.fixture(scope="module")
def log() -> Iterator[Log]:
    """Open the story once; nothing is recorded into it."""
    with open_log(Clock()) as opened:
        yield opened


def rows(reader: Reader, text: str = "", lang: str = "en") -> list[dict[str, Any]]:
    """Return the rows of a list."""
    return list(api.entries(reader, parse(text, now=NOW), {}, lang)["items"])


def said(row: dict[str, Any]) -> str:
    """Fill a sentence as the page does."""
    words = row["sentence"]
    return str(words["template"]).format_map({name: part["text"] for name, part in words["parts"].items()})


def test_a_row_is_a_sentence_with_its_reason(log: Log) -> None:
    """The deletion reads as a sentence, and says why on the second line."""
    (row,) = rows(Reader(log, HOME, personal=True), "action:contact.deleted")
    assert said(row) == "Maria Torres deleted contact Juan Pérez"
    assert row["second"] == {"form": "reason", "text": "Asked to be removed by phone, ticket #2231"}
    assert (row["index"], row["kind"], row["outcome"], row["source"], row["country"], row["city"]) == (
        1,
        "delete",
        "success",
        "web",
        "ES",
        "Madrid",
    )
    assert row["occurred_at"] == "2026-11-18T14:00:00.000000Z"
    assert row["sentence"]["parts"]["resource"] == {"text": "Juan Pérez", "type": "contact", "id": "con_juan"}


def test_a_row_speaks_the_language_that_is_asked_for(log: Log) -> None:
    """The same entry in Spanish."""
    (row,) = rows(Reader(log, HOME), "action:contact.deleted", "es")
    assert said(row) == "Maria Torres eliminó el contacto Juan Pérez"


def test_changes_on_the_second_line_are_labelled_and_hidden(log: Log) -> None:
    """A personal change shows that it changed; the plain one beside it shows its values."""
    (row,) = rows(Reader(log, HOME), "action:contact.updated")
    personal, plain = row["second"]["changes"]
    assert personal["before"] == personal["after"] == HIDDEN
    assert (personal["path"], personal["class"], personal["label"]) == ("email", "personal", "Email")
    assert (plain["before"], plain["after"], plain["class"]) == ("opted in", "opted out", "plain")
    (row,) = rows(Reader(log, HOME, personal=True), "action:contact.updated")
    assert row["second"]["changes"][0]["after"] == "ana.new@mail.example"


def test_the_actor_and_address_of_a_row_are_hidden_without_the_permission(log: Log) -> None:
    """E-mail and address say that they are hidden; with the permission they are there."""
    hidden = rows(Reader(log, HOME), "action:auth.login")[0]
    shown = rows(Reader(log, HOME, personal=True), "action:auth.login")[0]
    assert hidden["actor"]["email"] == hidden["ip"] == HIDDEN
    assert (shown["actor"]["email"], shown["ip"]) == (JOAO.email, "198.51.100.77")
    assert "private" not in dump(hidden)


def test_a_list_says_where_it_stands(log: Log) -> None:
    """Count, head, period and the way on."""
    page = api.entries(Reader(log, HOME), parse("date:7d", now=NOW), {"limit": "3"}, "en")
    assert [row["index"] for row in page["items"]] == [6, 5, 4]
    assert page["count"] == {"value": 7, "exact": True}
    assert page["head"] == {"size": 7, "first": 0}
    assert page["range"] == {"since": "2026-11-14T00:00:00.000000Z", "until": "2026-11-21T00:00:00.000000Z"}
    rest = api.entries(Reader(log, HOME), parse("date:7d", now=NOW), {"cursor": page["next"]}, "en")
    assert [row["index"] for row in rest["items"]] == [3, 2, 1, 0]
    assert rest["next"] is None


def test_an_empty_workspace_is_an_empty_list(log: Log) -> None:
    """Nothing has happened yet: no error, no bars, no values."""
    reader = Reader(log, "wsp_nobody")
    assert api.entries(reader, Query(), {}, "en") == {
        "items": [],
        "next": None,
        "count": {"value": 0, "exact": True},
        "head": {"size": 0, "first": 0},
        "range": {"since": None, "until": None},
    }
    assert api.histogram(reader, Query(), {}, now=NOW)["buckets"] == []
    assert api.facets(reader, Query(), {"field": "actor"}, "en") == {"values": [], "exact": True}
    assert api.purges(reader, now=NOW) == []


def test_a_full_view_leads_to_the_cause(log: Log) -> None:
    """The pause shows the entry that made it happen, labels, and when retention will remove it."""
    view = api.entry(Reader(log, HOME), 3, "en", stay=lambda _: Stay(date(2027, 2, 19), held=True))
    assert said(view["cause"]) == "WhatsApp changed the status of template diwali_offer_2026"
    assert view["cause"]["index"] == 2
    named = {"status": "Status", "related.cause": "Cause", "details.sent": "Sent", "details.audience": "Audience"}
    assert view["labels"] == named
    assert (view["removed_on"], view["held"]) == ("2027-02-19", True)
    assert view["entry"]["details"] == {"sent": 8214, "audience": 20000}
    assert view["entry"]["outcome"] == "success"


def test_the_fields_of_a_merge_have_names(log: Log) -> None:
    """What a merge compared is called like what changed, in the reader's language."""
    reader = Reader(log, HOME, personal=True)
    english, spanish = (api.entry(reader, 4, lang)["labels"] for lang in ("en", "es"))
    assert (english["phone_e164"], english["birthday"]) == ("Phone", "Birthday")
    assert (spanish["phone_e164"], spanish["birthday"]) == ("Teléfono", "Cumpleaños")


@pytest.mark.parametrize(
    ("lang", "sent"), [("en", "Sent"), ("es", "Enviados"), ("pt", "Enviados"), ("hi", "भेजे गए"), ("ar", "المرسلة")]
)
def test_details_have_names_in_each_language(log: Log, lang: str, sent: str) -> None:
    """What an entry tells beside its changes is named like everything else, and what nobody declared is readable."""
    labels = api.entry(Reader(log, HOME), 3, lang)["labels"]
    assert labels["details.sent"] == sent
    assert detail_label("shelf_number", lang) == "Shelf number"


@pytest.mark.parametrize(("lang", "kept"), [("es", "aceptado"), ("ar", "موافق")])
def test_codes_have_names_in_each_language(log: Log, lang: str, kept: str) -> None:
    """The view names the codes that it shows, and none of a value that is hidden from this reader."""
    view = api.entry(Reader(log, HOME, personal=True), 0, lang)
    assert view["entry"]["changes"][1]["before"] == "opted_in"
    assert view["values"]["consent.marketing"]["opted_in"] == kept
    told = {"path": "status", "op": "replace", "before": "paused", "after": HIDDEN}
    wire = {"changes": [told], "details": {"events": ["contact.merged", "x.y"], "fields": [{"path": 7}, 7]}}
    assert present.values(wire, "en", builtin()) == {
        "details.events": {"contact.merged": "Contacts merged"},
    }
    since = {"path": "consent.marketing", "survivor": "opted_in 2025-03-03", "absorbed": "opted_out of it all"}
    merged = present.values({"details": {"fields": [since]}}, "en", builtin())["consent.marketing"]
    assert merged["opted_in 2025-03-03"] == "opted in \u20662025-03-03\u2069"


@pytest.mark.parametrize(("lang", "called"), [("en", "Somebody not signed in"), ("es", "Alguien sin iniciar sesión")])
def test_whoever_has_no_name_is_called_something(lang: str, called: str) -> None:
    """Menus, suggestions and what stands out say who an anonymous actor is, not its id."""
    catalog = builtin()
    assert present.facet_label("actor", Facet("anonymous", "anonymous", "anonymous", 6), lang, catalog) == called
    assert present.facet_label("actor", Facet("usr_1", "usr_1", "user", 6), lang, catalog) == "usr_1"


@pytest.mark.parametrize("fields", [7, "path", {"path": "name"}, [7, {"path": 7}, {}]])
def test_details_that_are_no_merge_name_no_field(fields: object) -> None:
    """A host's own details may be called `fields` and be anything."""
    log = whodid.open("memory://", clock=Clock())
    record(log, HOME, [event(1, "contact.updated", details={"fields": fields})])
    with log:
        assert api.entry(Reader(log, HOME), 0, "en")["labels"] == {"details.fields": "Fields"}


def test_a_cause_out_of_reach_is_not_shown(log: Log) -> None:
    """A viewer who is locked to the campaign does not get the template's entry by way of it."""
    locked = Reader(log, HOME, locked=parse("type:campaign", now=NOW), personal=True)
    view = api.entry(locked, 3, "en")
    assert "cause" not in view
    assert view["entry"]["cause"] == str(UUID(int=3))


def test_an_entry_is_found_by_id_as_well(log: Log) -> None:
    """Number and id lead to the same view."""
    reader = Reader(log, HOME)
    assert api.entry(reader, str(UUID(int=4)), "en") == api.entry(reader, 3, "en")


def test_bars_add_up(log: Log) -> None:
    """The bars of a week hold every entry of the week, by kind, and the total is the count of the list."""
    answer = api.histogram(Reader(log, HOME), parse("date:7d", now=NOW), {}, now=NOW)
    assert len(answer["buckets"]) == 56
    assert answer["kinds"] == {"update": 2, "delete": 1, "status": 2, "security": 1, "create": 1}
    assert answer["total"] == {"value": 7, "exact": True}
    assert sum(sum(bar["counts"].values()) for bar in answer["buckets"]) == 7
    assert answer["buckets"][0]["start"] == "2026-11-14T00:00:00.000000Z"
    assert answer["buckets"][-1]["end"] == "2026-11-21T00:00:00.000000Z"


def test_bars_tell_how_many_were_denied() -> None:
    """An attempt that was refused is in the bar of its kind, and counted once more beside it."""
    with open_log(Clock()) as log:
        record(log, HOME, [event(51, "contact.deleted", outcome="denied")])
        answer = api.histogram(Reader(log, HOME), parse("date:7d", now=NOW), {}, now=NOW)
    marked = [bar for bar in answer["buckets"] if "denied" in bar]
    assert [bar["denied"] for bar in marked] == [1]
    assert marked[0]["counts"]["delete"] >= 1


def test_bars_without_a_period_reach_back_to_the_oldest_entry() -> None:
    """An entry that was backfilled with an old date is inside the first bar."""
    with open_log(Clock()) as log:
        record(log, HOME, [event(50, "contact.created", ago=timedelta(days=200))])
        for personal in (True, False):
            answer = api.histogram(Reader(log, HOME, personal=personal), Query(), {}, now=NOW)
            assert sum(answer["kinds"].values()) == answer["total"]["value"] == 8


def test_bars_of_the_future_are_none(log: Log) -> None:
    """A period that lies ahead, however far, costs nothing and shows nothing."""
    answer = api.histogram(Reader(log, HOME), parse("date:2099-01-01..2999-01-01", now=NOW), {}, now=NOW)
    assert (answer["buckets"], answer["total"]["value"]) == ([], 0)


def test_facets_have_names_counts_and_types(log: Log) -> None:
    """Actors with the newest name and their type; actions with the label of the catalog."""
    reader = Reader(log, HOME)
    actors = api.facets(reader, Query(), {"field": "actor"}, "en")["values"]
    assert actors[0] == {"value": "usr_maria", "label": "Maria Torres", "count": 3, "type": "user"}
    actions = api.facets(reader, Query(), {"field": "action"}, "es")["values"]
    assert {"value": "contact.deleted", "label": "Contacto eliminado", "count": 1} in actions
    kinds = api.facets(reader, parse("kind:status", now=NOW), {"field": "kind"}, "es")["values"]
    assert kinds == [{"value": "status", "label": "Estado", "count": 2}]


def test_the_catalog_holds_the_actions_of_the_host() -> None:
    """An action that the host declared is in the menus, in the language where it has one."""
    own = Action(
        name="shop.opened",
        kind="create",
        resource_type="shop",
        label={"en": "Shop opened", "es": "Tienda abierta"},
        sentences={"en": "{actor} opened shop {resource}"},
    )
    view = present.catalog_view(builtin().declare(own), "es")
    assert {"name": "shop.opened", "kind": "create", "category": "shop", "label": "Tienda abierta"} in view["actions"]
    assert len(view["actions"]) == 85
    assert {one["value"] for one in view["kinds"]} == {"create", "update", "delete", "status", "security"}
    assert "shop" in {one["value"] for one in view["types"]}
    assert all(one["label"] for part in view.values() for one in part)


@pytest.mark.parametrize("personal", [True, False])
@pytest.mark.parametrize("index", range(7))
def test_a_proof_binds_what_is_shown_to_the_leaf(log: Log, index: int, personal: bool) -> None:
    """Commitments recomputed from what is disclosed, and bare ones, give the content root of the leaf."""
    reader = Reader(log, HOME, personal=personal)
    answer = proofs.proof(reader, index)
    commitments = [
        base64.b64decode(field["commitment"])
        if "commitment" in field
        else leaf.commit(base64.b64decode(field["salt"]), field["path"].encode(), field["value"].encode())
        for field in answer["fields"]
    ]
    header = leaf.Header.decode(base64.b64decode(answer["leaf"]))
    assert leaf.content_root(commitments) == header.root
    assert (answer["index"], answer["size"]) == (index, 7)


def test_a_proof_discloses_nothing_hidden(log: Log) -> None:
    """Without the permission personal fields are bare commitments, without salt and text."""
    hidden, shown = (proofs.proof(Reader(log, HOME, personal=personal), 4) for personal in (False, True))
    assert [field for field in shown["fields"] if "commitment" in field] == []
    withheld = {field["path"] for field in shown["fields"]} - {field.get("path") for field in hidden["fields"]}
    assert {"changes.0", "actor.email", "details", "related.0.name"} < withheld
    assert {"core", "actor.id", "actor.name", "resource.name", "changes"} & withheld == set()
    for value in ("34611204880", "198.51.100.77", "203.0.113.9", "archive@lumen", "05-12", "0611"):
        assert value not in dump(hidden)
        assert value in dump(shown)


def test_hostile_names_stay_text(log: Log) -> None:
    """A contact called like markup is a strange name in JSON, and nothing else."""
    (row,) = rows(Reader(log, HOME), "resource:contact:con_xss")
    assert row["sentence"]["parts"]["resource"]["text"] == "<img src=x onerror=alert(1)>"
    assert row["second"]["changes"][0]["after"] == "=cmd|' /C calc'!A0"


def test_an_undeclared_action_has_words_too() -> None:
    """What the catalog does not know is said in general words, and marked."""
    with open_log(Clock()) as log:
        record(
            log,
            HOME,
            [
                event(
                    60,
                    "shop.opened",
                    resource=Resource(type="shop", id="s1", name="Centro"),
                    changes=(Change(path="hours", after=9),),
                )
            ],
        )
        row = rows(Reader(log, HOME), "action:shop.opened")[0]
        assert said(row) == "Maria Torres: shop.opened on Centro"
        assert "undeclared" in row["marks"]


def test_everything_told_is_plain_json(log: Log) -> None:
    """Whatever a presenter returns can be written as JSON as it is."""
    reader = Reader(log, HOME)
    for value in (api.entries(reader, Query(), {}, "en"), api.entry(reader, 4, "es"), proofs.proof(reader, 4)):
        assert msgspec.json.decode(msgspec.json.encode(value))


def test_what_was_erased_is_shown_as_erased() -> None:
    """With and without the permission for personal values: a marker where a value stood, and which entry records it."""
    with open_log(Clock()) as log:
        paths = [path.decode() for path, _ in fields(log.get(HOME, 3))]
        record_of = event(700, "audit.erased", resource=Resource(type="log", id=HOME), changes=(), related=())
        done = log.erase(HOME, {3: paths}, record_of)
        assert done is not None
        for personal in (True, False):
            view = api.entry(Reader(log, HOME, personal=personal), 3, "en")["entry"]
            assert view["resource"]["name"] == {"$": "erased"}
            assert view["actor"]["name"] == {"$": "erased"}
            assert view["erased"]["record"] == done.receipt.index
            assert view["erased"]["at"].endswith("Z")
            proven = proofs.proof(Reader(log, HOME, personal=personal), 3)
            assert len(proven["fields"]) == len(paths)
            assert all("erased" not in one for one in proven["fields"])
