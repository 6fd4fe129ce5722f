"""What queries find: the shared vectors, and the laws that hold for every query and every entry."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whodid.model import Actor, Change, Context, Entry, Reason, Related, Resource
from whodid.query import (
    FIELDS,
    Query,
    Term,
    Value,
    compile_query,
    ids,
    matches,
    matches_shape,
    narrow,
    needs_text,
    parse,
    shape_of,
    tokens,
    words,
)
from whodid.query.terms import Op
from whodid.query.values import FLAGS, SOURCES

NOW = datetime(2026, 11, 20, 13, 21, 41, 118_000, tzinfo=UTC)
VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "vectors" / "query_match.json").read_text(encoding="utf-8")
)
ENTRIES = {name: msgspec.convert(wire, Entry) for name, wire in VECTORS["entries"].items()}

# ------------------------------------------------------------------------------------------------------------- vectors


def ask(text: str) -> Query:
    """Parse a query as the vectors want it."""
    return parse(text, now=datetime.fromisoformat(VECTORS["now"]), zone=VECTORS["zone"], viewer=VECTORS["viewer"])


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["query"] or "nothing")
def test_a_query_finds_what_its_vector_says(case: dict[str, Any]) -> None:
    """Exactly the named entries are found."""
    query = ask(case["query"])
    assert [name for name, entry in ENTRIES.items() if matches(query, entry)] == case["finds"]


def test_the_vectors_use_every_field_and_find_every_entry() -> None:
    """No field and no entry is left out; each field is seen to find something and to leave something out."""
    decided: dict[str, set[bool]] = {}
    for case in VECTORS["cases"]:
        for term in ask(case["query"]).terms:
            decided.setdefault(term.field, set()).update(name in case["finds"] for name in ENTRIES)
    assert {field for field, outcomes in decided.items() if outcomes == {True, False}} >= set(FIELDS) - {"date"}
    assert set().union(*(case["finds"] for case in VECTORS["cases"] if case["query"])) == set(ENTRIES)
    assert len(VECTORS["cases"]) * len(ENTRIES) >= 80


# ---------------------------------------------------------------------------------------------------------- strategies

# Few different texts, so that queries and entries meet often; among them what is hard to split and to fold.
TEXTS = st.sampled_from(
    [
        "Maria Torres",
        "María",
        "maria",
        "Straße 5",
        "STRASSE",
        "客户服务",
        "vip客户",
        "हिन्दी",
        "ﬁnal cut",
        "opted_out",
        "a.b@c.es",
        "-5",
        "5",
        "12.5",
        "true",
        "nu",
        "null and void",
        "a\nb",
        "a b",
        "\u0301",
        "x" * 70,
        "é" * 40,
        "İstanbul",
        "Ωmega ΟΣ",
        "…",
        "con_1",
        "contact:con_1",
        "10.0.0.7",
        "!",
        "a\0b",
        "\ud800",
    ]
) | st.text(max_size=6)
IDS = st.sampled_from(["con_1", "con_2", "usr_1", "con_1 x", "a:b", "Maria", "客", "-"])
NAMES = st.none() | TEXTS
ADDRESSES = st.sampled_from(
    ["10.0.0.7", "10.0.1.7", "::ffff:10.0.0.7", "2001:db8::1", "2001:DB8:0::1", "fe80::1%eth0", "nowhere", "::", ""]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "$", "b"]), inner),
    max_leaves=4,
)
UNSET = st.just(msgspec.UNSET)

ACTORS = st.builds(
    Actor,
    type=st.sampled_from(["user", "api_key", "system"]),
    id=IDS,
    name=NAMES,
    email=NAMES,
    on_behalf_of=st.none() | st.builds(Actor, type=st.just("user"), id=IDS, name=NAMES, email=NAMES),
)
CHANGES = st.builds(
    Change,
    path=st.sampled_from(["status", "consent.marketing", "Consent.sms"]),
    before=UNSET | VALUES,
    after=UNSET | VALUES,
    added=UNSET | st.lists(VALUES, max_size=2),
    removed=UNSET | st.lists(VALUES, max_size=2),
    class_=st.sampled_from(["plain", "personal", "secret"]),
)
TYPES = st.sampled_from(["contact", "campaign"])
MOMENTS = st.integers(-3, 3).map(lambda hours: NOW + timedelta(hours=hours))
ENTRY = st.builds(
    Entry,
    workspace=st.just("wsp"),
    index=st.integers(0, 5),
    recorded_at=st.just(NOW),
    id=st.sampled_from(["0193a0b1-7c1e-7d10-8a41-00000000000a", "0193A0B1-7C1E-7D10-8A41-00000000000A"]),
    occurred_at=MOMENTS,
    actor=ACTORS,
    action=st.sampled_from(["contact.deleted", "contact.created", "campaign.paused", "a.b.deleted"]),
    kind=st.sampled_from(["create", "delete", "status"]),
    severity=st.sampled_from(["info", "notice", "warning", "critical"]),
    resource=st.builds(Resource, type=TYPES, id=IDS, name=NAMES),
    outcome=st.sampled_from(["success", "denied", "failed"]),
    related=st.lists(st.builds(Related, type=TYPES, id=IDS, rel=st.just("cause"), name=NAMES), max_size=2).map(tuple),
    changes=st.lists(CHANGES, max_size=2).map(tuple),
    reason=st.none() | st.builds(Reason, code=NAMES, text=NAMES),
    cause=st.none() | IDS,
    batch=st.none() | IDS,
    details=st.none() | st.dictionaries(TEXTS, VALUES, max_size=2),
    context=st.none()
    | st.builds(
        Context,
        source=st.none() | st.sampled_from(["web", "api"]),
        ip=st.none() | ADDRESSES,
        country=st.none() | st.sampled_from(["ES", "DE"]),
        city=NAMES,
        request=NAMES,
        session=NAMES,
    ),
    marks=st.lists(st.sampled_from(["late", "redacted", "sensitive", "undeclared"]), unique=True)
    .map(sorted)
    .map(tuple),
)

CHOICES = {
    "kind": ["create", "delete", "status"],
    "outcome": ["success", "denied", "failed"],
    "severity": ["info", "notice", "warning", "critical"],
    "is": [flag for flag in FLAGS if flag != "mine"],
    "index": ["0", "2", "5"],
    "ip": ["10.0.0.7", "10.0.0.0/8", "10.0.0.0/23", "2001:db8::1", "2001:db8::/32", "0.0.0.0/0", "::/0", "::"],
    "country": ["ES", "DE"],
    "via": list(SOURCES),
    "action": ["contact.deleted", "deleted", "contact.", "pau"],
    "category": ["contact", "c"],
    "type": ["contact", "camp"],
    "change": ["status", "consent.marketing", "consent."],
    "id": ["0193a0b1-7c1e-7d10-8a41-00000000000a", "0193"],
}
WITHOUT_STAR = {"kind", "outcome", "severity", "is", "index", "ip", "country", "via"}


@st.composite
def terms(draw: st.DrawFn, fields: tuple[str, ...] = (*FIELDS, "text")) -> Term:
    """Draw a term that parsing could yield."""
    field = draw(st.sampled_from([name for name in fields if name != "date"]))
    texts = st.sampled_from(CHOICES[field]) if field in CHOICES else (TEXTS | IDS).filter(len)
    value = st.builds(Value, text=texts, prefix=st.just(False) if field in WITHOUT_STAR else st.booleans())
    if field in {"index", "severity"}:
        op = draw(st.sampled_from(get_args(Op)))
        found = draw(st.lists(value, min_size=1, max_size=2, unique=True))
        if op == "range":
            found = [found[0], found[-1]]
        elif op != "is":
            found = found[:1]
        return Term(field=field, values=tuple(found), op=op, negated=draw(st.booleans()))
    if field not in {"kind", "outcome", "is", "text"}:
        value |= st.just(Value(text="", prefix=True))
    found = draw(st.lists(value, min_size=1, max_size=1 if field == "text" else 3, unique=True))
    return Term(field=field, values=tuple(found), negated=draw(st.booleans()))


QUERIES = st.builds(
    Query,
    terms=st.lists(terms(), max_size=3).map(tuple),
    since=st.none() | MOMENTS,
    until=st.none() | MOMENTS,
)

# ---------------------------------------------------------------------------------------------------------------- laws


@given(query=QUERIES, entry=ENTRY)
def test_every_entry_has_an_answer(query: Query, entry: Entry) -> None:
    """Matching never fails, whatever the query and the entry, and the two ways of asking agree."""
    answer = matches(query, entry)
    assert answer is True or answer is False
    assert bool(compile_query(query)(entry)) is answer


@given(query=QUERIES, entry=ENTRY)
def test_all_terms_and_the_period_must_hold(query: Query, entry: Entry) -> None:
    """A query is the conjunction of its terms, in any order, and of its period."""
    inside = (query.since is None or query.since <= entry.occurred_at) and (
        query.until is None or entry.occurred_at < query.until
    )
    alone = [matches(Query(terms=(term,)), entry) for term in query.terms]
    assert matches(query, entry) == (inside and all(alone))
    backwards = narrow(Query(since=query.since, until=query.until), *reversed(query.terms))
    assert matches(backwards, entry) == matches(query, entry)


@given(term=terms(), entry=ENTRY)
def test_a_minus_turns_the_answer_round(term: Term, entry: Entry) -> None:
    """Every entry is found either by a term or by its exclusion, never by both."""
    turned = msgspec.structs.replace(term, negated=not term.negated)
    assert matches(Query(terms=(term,)), entry) != matches(Query(terms=(turned,)), entry)


@given(term=terms(), entry=ENTRY)
def test_a_list_finds_what_one_of_its_values_finds(term: Term, entry: Entry) -> None:
    """A comma is OR."""
    if term.op == "is" and not term.negated:
        single = [matches(Query(terms=(msgspec.structs.replace(term, values=(one,)),)), entry) for one in term.values]
        assert matches(Query(terms=(term,)), entry) == any(single)


@given(term=terms(("index", "severity")), entry=ENTRY)
def test_comparisons_fit_together(term: Term, entry: Entry) -> None:
    """`<` and `>=` share the entries among themselves, `<=` and `>` as well, and a range is both of its bounds."""

    def holds(op: str, value: Value) -> bool:
        return matches(Query(terms=(Term(field=term.field, values=(value,), op=op),)), entry)  # type: ignore[arg-type]

    first, last = term.values[0], term.values[-1]
    assert holds("<", first) != holds(">=", first)
    assert holds("<=", first) != holds(">", first)
    assert holds("is", first) == (holds("<=", first) and holds(">=", first))
    both = Query(terms=(Term(field=term.field, values=(first, last), op="range"),))
    assert matches(both, entry) == (holds(">=", first) and holds("<=", last))


@given(term=terms(), entry=ENTRY)
def test_a_shape_decides_as_its_entries_do(term: Term, entry: Entry) -> None:
    """Where the shape decides a term, it says what matching says; so counts by shape are exact."""
    decided = matches_shape(term, shape_of(entry))
    if decided is not None:
        assert decided == matches(Query(terms=(term,)), entry)


@given(term=terms(), one=ENTRY, other=ENTRY)
def test_whether_a_shape_decides_depends_on_the_term_alone(term: Term, one: Entry, other: Entry) -> None:
    """A store may ask once, with any shape."""
    undecided = matches_shape(term, shape_of(one)) is None
    assert undecided == (matches_shape(term, shape_of(other)) is None)
    shaped = term.field in {"action", "category", "kind", "type", "severity", "outcome", "via", "is"}
    assert undecided == (not shaped or Value(text="batch") in term.values)


def test_secret_values_are_never_looked_at() -> None:
    """Not even in an entry made by hand, that should not hold one."""
    change = Change(path="token", class_="secret", before="hunter2", after="hunter3", added=["hunter4"])
    entry = msgspec.structs.replace(ENTRIES["merged"], changes=(change,))
    for text in ("after:hunter", "before:hunter", "before:*", "after:*", "hunter2", "hunter4"):
        assert not matches(ask(text), entry), text
    assert matches(ask("change:token"), entry)


def test_an_address_that_cannot_be_read_is_in_no_network() -> None:
    """A host may hand in anything as an address: it is there, and nowhere."""
    entry = msgspec.structs.replace(ENTRIES["merged"], context=Context(ip="unix socket"))
    assert matches(ask("ip:*"), entry)
    for text in ("ip:0.0.0.0/0", "ip:::/0", "ip:10.0.0.1"):
        assert not matches(ask(text), entry)
        assert matches(ask(f"-{text}"), entry)


def test_the_order_of_marks_makes_no_other_shape() -> None:
    """Equal sets of marks are counted together."""
    one = msgspec.structs.replace(ENTRIES["merged"], marks=("late", "sensitive"))
    other = msgspec.structs.replace(one, marks=("sensitive", "late"))
    assert shape_of(one) == shape_of(other)
    assert hash(shape_of(one)) == hash(shape_of(other))
    assert shape_of(one) != shape_of(ENTRIES["merged"])


# --------------------------------------------------------------------------------------------------------------- clues


def carries(term: Term, keys: tuple[str, ...], entry: Entry) -> bool:
    """Tell whether an entry carries one of the ids, in the role that `whodid.query.clues` names for the field."""
    actor = {entry.actor.id}
    resources = {entry.resource.id, *(related.id for related in entry.related)}
    carried = {"actor": actor, "resource": resources, "related": resources, "text": actor | resources}
    if not carried.get(term.field, set()).isdisjoint(keys):
        return True
    return term.field == "text" and entry.id.lower() in {key.lower() for key in keys}


def proven(groups: tuple[tuple[str, ...], ...], entry: Entry) -> bool:
    """Tell whether all token prefixes of some group occur among the words of an entry."""
    found = words(entry)
    return any(all(any(word.startswith(prefix) for word in found) for prefix in group) for group in groups)


@given(
    term=terms(("text", "actor", "resource", "related", "ip", "request", "session", "reason", "before", "after")),
    entry=ENTRY,
)
def test_an_index_of_words_and_ids_misses_no_match(term: Term, entry: Entry) -> None:
    """Every entry for which a term holds has the words of one of its groups, or one of its ids."""
    groups, keys = tokens(term), ids(term)
    assert (groups is None) == (keys is None)
    if groups is None or keys is None:
        return
    assert not term.negated
    assert all(groups)
    if matches(Query(terms=(term,)), entry):
        assert proven(groups, entry) or carries(term, keys, entry)


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["query"] or "nothing")
def test_clues_hold_for_the_vectors(case: dict[str, Any]) -> None:
    """The same, where matches are certain to occur."""
    for term in ask(case["query"]).terms:
        groups, keys = tokens(term), ids(term)
        if groups is None or keys is None:
            continue
        for name in case["finds"]:
            assert proven(groups, ENTRIES[name]) or carries(term, keys, ENTRIES[name]), (term, name)


CLUES = [
    ("juan", (("juan",),), ("juan",)),
    ("María@casa.es", (("maria", "casa", "es"),), ("María@casa.es",)),
    ('"wrong audience"', (("wrong", "audience"),), ("wrong audience",)),
    ("客", (("xe5aea2",),), ("客",)),
    ("vip客户", (("vipxe5aea2e688b7",),), ("vip客户",)),
    ("-juan", None, None),
    ("actor:usr_2M", (("usr_2m",),), ("usr_2M",)),
    ('actor:"Maria Torres",usr_1', (("maria", "torres"), ("usr_1",)), ("Maria Torres", "usr_1")),
    ("actor:mar*", (("mar",),), ()),
    ("actor:*", None, None),
    ("actor:maria,*", None, None),
    ("resource:contact:con_4H7P", (), ("contact:con_4H7P", "con_4H7P")),
    ("resource:con_4H7P", (("con_4h7p",),), ("con_4H7P",)),
    ("related:contact:con_1,Ana", (("ana",),), ("contact:con_1", "con_1", "Ana")),
    ("ip:83.45.112.7", (("83", "45", "112", "7"),), ()),
    ("ip:83.45.112.0/23", (("83", "45"),), ()),
    ("ip:0.0.0.0/7", None, None),
    ("ip:2001:db8::1", (("2001", "db8", "1"),), ()),
    ("ip:2001:db8::/32", None, None),
    ("ip:*", None, None),
    ("request:req-A1", (("req", "a1"),), ()),
    ("session:ses_*", (("ses_",),), ()),
    ('reason:"asked to be removed"', (("to", "be", "removed"),), ()),
    ("reason:phone", None, None),
    ("reason:template_*", (("template_",),), ()),
    ("after:tr*", None, None),
    ("after:opted*", (("opted",),), ()),
    ("after:opted", None, None),
    ("kind:create", None, None),
    ("change:status", None, None),
]


@pytest.mark.parametrize(("text", "groups", "keys"), CLUES, ids=str)
def test_clues_are_as_narrow_as_they_can_be(
    text: str, groups: tuple[tuple[str, ...], ...] | None, keys: tuple[str, ...] | None
) -> None:
    """What an index is asked for is known, so that no change makes searches slow unnoticed."""
    query = parse(text, now=NOW)
    (term,) = query.terms
    assert tokens(term) == groups
    assert ids(term) == keys
    assert needs_text(query) == bool(groups)


def test_one_term_with_words_is_enough_to_need_the_text_index() -> None:
    """A query needs the index of words as soon as one of its terms has groups."""
    assert needs_text(parse("kind:create juan date:7d", now=NOW))
    assert not needs_text(parse("kind:create -juan resource:contact:con_1", now=NOW))
    assert not needs_text(Query())
