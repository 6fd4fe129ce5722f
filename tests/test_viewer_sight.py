"""The search oracle: a viewer without audit:pii finds nothing by values that it cannot see."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.serving import HIDDEN_ADDRESS, HOME, JOAO, NOW, Clock, event, open_log, record
from whodid import Change, Context, Log, Resource
from whodid.errors import Denied, NotFound
from whodid.query import Cursor, Query, parse
from whodid.store import rollup
from whodid.store.base import Count
from whodid.viewer import Reader
from whodid.viewer import reader as reader_module


@pytest.fixture(scope="module")
def log() -> Iterator[Log]:
    """Open the story once."""
    with open_log(Clock()) as opened:
        yield opened


def asked(text: str) -> Query:
    """Read a query as of NOW."""
    return parse(text, now=NOW, viewer="usr_maria")


def found(reader: Reader, text: str) -> list[int]:
    """List the indexes that a query finds."""
    return [seen.entry.index for seen in reader.find(asked(text)).items]


HIDDEN_TERMS = [
    "after:ana.new",
    "before:ana.old",
    "after:34611204880",
    "ana.new",
    "joao.private",
    '"joao.private@lumen.example"',
    "actor:joao.p*",
    "resource:joao.private*",
    "198.51.100.77",
    '"198 51 100 77"',
    "archive",
    "0611",
    "related:+34*",
    'related:"+34 611 204 880"',
]


@pytest.mark.parametrize("text", HIDDEN_TERMS)
def test_the_values_are_there_to_be_found(log: Log, text: str) -> None:
    """With the permission each of these finds an entry: the next tests are not empty."""
    assert found(Reader(log, HOME, personal=True), text)


@pytest.mark.parametrize("text", HIDDEN_TERMS)
def test_hidden_values_find_nothing(log: Log, text: str) -> None:
    """Without it no list, count, histogram, facet or export tells that a value is there."""
    reader = Reader(log, HOME)
    query = asked(text)
    assert reader.find(query).items == ()
    assert reader.find(query).next is None
    assert reader.count(query).value == 0
    assert reader.facets(query, "actor").values == ()
    assert list(reader.stream(query)) == []
    edges = [NOW - timedelta(days=30), NOW + timedelta(days=1)]
    assert reader.histogram(query, edges).buckets == ({},)


@pytest.mark.parametrize("text", HIDDEN_TERMS)
def test_excluding_a_hidden_value_excludes_nothing(log: Log, text: str) -> None:
    """Absence would tell as much as presence: `-term` leaves every entry in."""
    reader = Reader(log, HOME)
    assert found(reader, f"-{text}") == found(reader, "")
    assert reader.count(asked(f"-{text}")).value == reader.count(asked("")).value


@pytest.mark.parametrize(
    "text", [f"ip:{HIDDEN_ADDRESS}", "ip:198.51.100.0/24", "-ip:10.0.0.0/8", "actor:joao.private@lumen.example", "ip:*"]
)
def test_terms_that_ask_for_hidden_values_only_are_refused(log: Log, text: str) -> None:
    """An empty list would be a lie; the answer is that the permission is missing."""
    reader = Reader(log, HOME)
    for ask in (reader.find, reader.count, reader.check):
        with pytest.raises(Denied) as caught:
            ask(asked(f"kind:update {text}"))
        assert caught.value.permission == "audit:pii"
    assert Reader(log, HOME, personal=True).find(asked(text)) is not None


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("juan", [1]),
        ('"Juan Pérez"', [1]),
        ("after:opted_out", [0]),
        ("reason:ticket", [1]),
        ("actor:usr_joao", [4, 5]),
        ('actor:"João Silva"', [4, 5]),
        ("actor:jo*", [4, 5]),
        ("resource:contact:con_ana", [0, 4]),
        ("diwali -actor:guard", [2]),
        ("after:paused -reason:low_quality", [3]),
    ],
)
def test_visible_values_are_found_as_ever(log: Log, text: str, entries: list[int]) -> None:
    """What can be seen can be searched for, with the same result as for somebody who sees everything."""
    assert sorted(found(Reader(log, HOME), text)) == entries
    assert sorted(found(Reader(log, HOME, personal=True), text)) == entries


def test_hidden_labels_are_not_facet_labels(log: Log) -> None:
    """A resource that is named by an e-mail address is listed by its id, and not found by its first letters."""
    reader = Reader(log, HOME)
    labels = {one.label for one in reader.facets(Query(), "resource").values}
    assert "usr_joao" in labels
    assert not any("@" in label for label in labels)
    assert reader.facets(Query(), "resource", prefix="joao.private").values == ()
    open_eyes = Reader(log, HOME, personal=True)
    assert len(open_eyes.facets(Query(), "resource", prefix="joao.private").values) == 1


def test_hidden_labels_do_not_crowd_out_others() -> None:
    """Of values that begin alike the hidden ones take no place, whatever the limit."""
    with open_log(Clock()) as log:
        names = [f"sam{number}@mail.example" for number in range(5)] + ["Samira"]
        record(
            log,
            HOME,
            [
                event(number, "contact.updated", resource=Resource(type="contact", id=f"s{at}", name=name))
                for at, name in enumerate(names)
                for number in range(300 + 10 * at, 300 + 10 * at + (3 if "@" in name else 1))
            ],
        )
        values = Reader(log, HOME).facets(Query(), "resource", prefix="sam", limit=1).values
        assert [one.label for one in values] == ["Samira"]


def test_pages_join_without_loss_or_repetition(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Following `next` through short pages gives every matching entry once, in order."""
    monkeypatch.setattr(reader_module, "STRETCH", 4)
    monkeypatch.setattr(reader_module, "_STEP", 2)
    reader = Reader(log, HOME)
    gathered: list[int] = []
    cursor: Cursor | None = None
    for _ in range(50):
        page = reader.find(asked("contact"), cursor=cursor, limit=2)
        gathered.extend(seen.entry.index for seen in page.items)
        cursor = page.next
        if cursor is None:
            break
    whole = [seen.entry.index for seen in Reader(log, HOME, personal=True).find(asked("type:contact")).items]
    assert gathered == whole
    assert not reader.count(asked("contact")).exact


def test_a_page_and_its_count_agree_with_each_alone(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for both at once gives what asking for each gives, for every sort of query and page."""
    for stretch in (4, 4_000):
        monkeypatch.setattr(reader_module, "STRETCH", stretch)
        monkeypatch.setattr(reader_module, "_STEP", 2)
        for personal in (True, False):
            reader = Reader(log, HOME, personal=personal)
            for text in ("", "contact", "-juan", "needle", "kind:update"):
                for limit in (1, 2, 50):
                    cursor: Cursor | None = None
                    while True:
                        page, count = reader.find_and_count(asked(text), cursor=cursor, limit=limit)
                        assert page == reader.find(asked(text), cursor=cursor, limit=limit)
                        assert count == reader.count(asked(text))
                        cursor = page.next
                        if cursor is None:
                            break


def test_no_list_says_less_than_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where counting gives up before the list does, the first page mends the number; all of it makes it exact."""
    monkeypatch.setattr(rollup, "_COUNT_LOOK", 3)
    with open_log(Clock(), f"sqlite:///{tmp_path}/audit.db") as log:
        reader = Reader(log, HOME, personal=True)
        assert reader.count(asked("-before:never")) == Count(3, False)
        page, count = reader.find_and_count(asked("-before:never"), cursor=None, limit=50)
        assert count == Count(len(page.items), True) == Count(7, True)
        page, count = reader.find_and_count(asked("-before:never"), cursor=None, limit=5)
        assert page.next is not None
        assert count == Count(5, False)


def test_where_a_stretch_ends_does_not_depend_on_hidden_values() -> None:
    """Two logs that differ in hidden values only give the same pages, cursors and counts to every question."""

    def pages(secret: str) -> list[object]:
        with open_log(Clock()) as log:
            for number in range(200, 240):
                private = secret if number % 3 else "other"
                record(
                    log,
                    HOME,
                    [
                        event(
                            number,
                            "contact.updated",
                            JOAO,
                            ago=timedelta(minutes=number),
                            resource=Resource(type="contact", id=f"c{number}", name=f"{private}@mail.example"),
                            changes=(
                                Change(path="email", before=f"{private}@a.example", class_="personal", op="remove"),
                            ),
                            context=Context(ip="10.0.0.1" if private == secret else "10.0.0.2"),
                        )
                    ],
                )
            reader = Reader(log, HOME)
            told: list[object] = []
            for text in ("needle", "-needle", "before:needle", "-before:needle", "resource:needle*", "actor:needle*"):
                page = reader.find(asked(text), limit=10)
                told.append([(seen.entry.index, seen.wire) for seen in page.items])
                told.append((page.next, reader.count(asked(text)), reader.facets(asked(text), "resource")))
            return told

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader_module, "STRETCH", 20)
        patch.setattr(reader_module, "_STEP", 5)
        assert pages("needle") == pages("sewing")


def test_a_locked_reader_has_nothing_else() -> None:
    """Lists, counts, facets, exports and single entries stay within the filter, purged or absent all the same."""
    with open_log(Clock()) as log:
        locked = Reader(log, HOME, locked=asked("resource:contact:con_ana"), personal=True)
        assert found(locked, "") == [4, 0]
        assert found(locked, "kind:delete") == []
        assert found(locked, "resource:contact:con_juan") == []
        assert found(locked, "-resource:contact:con_ana") == []
        assert locked.count(Query()).value == 2
        assert {one.value for one in locked.facets(Query(), "actor").values} == {"usr_maria", "usr_joao"}
        assert [entry.index for entry in locked.stream(Query())] == [4, 0]
        with pytest.raises(NotFound) as outside:
            locked.get(1)
        with pytest.raises(NotFound) as absent:
            locked.get(999)
        assert str(outside.value) == str(absent.value)
        assert locked.get(4).entry.index == 4


def test_a_locked_filter_sees_what_its_viewer_does_not() -> None:
    """The host may lock a viewer by a value that stays hidden from that viewer."""
    with open_log(Clock()) as log:
        reader = Reader(log, HOME, locked=asked(f"ip:{HIDDEN_ADDRESS}"))
        assert found(reader, "") == [5, 4]
        assert found(reader, "joao") == [5, 4]
        with pytest.raises(Denied):
            reader.find(asked("ip:10.0.0.1"))
