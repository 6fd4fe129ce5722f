"""Before and after: what changed is said exactly, what did not is not said, and secrets say only that they changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from whodid import Change
from whodid.capture import diff
from whodid.capture.values import DB_COMPUTED, UNKNOWN_VALUE, same
from whodid.catalog import FieldClasses

CLASSES = FieldClasses({"email": "personal", "profile.*": "personal", "vault": "secret"})


def fingerprint(value: Any) -> str:
    """Stand in for the log's keyed fingerprint."""
    return f"fp({value!r})"


def changes(before: dict[str, Any] | None, after: dict[str, Any] | None) -> tuple[Change, ...]:
    """Compare."""
    return diff(before, after, CLASSES, fingerprint)


class Stage(StrEnum):
    """A text enumeration."""

    LEAD = "lead"


def value(side: Any) -> Any:
    """Return a side of a change that is there."""
    assert side is not UNSET
    return side


class TestScalars:
    """Single values."""

    def test_a_replaced_value(self) -> None:
        """Before and after, and nothing of what stayed."""
        assert changes({"city": "Getafe", "age": 3}, {"city": "Madrid", "age": 3}) == (
            Change(path="city", before="Getafe", after="Madrid"),
        )

    def test_a_value_that_came_and_one_that_went(self) -> None:
        """None is no value: its side is absent."""
        assert changes({"a": None, "b": 1}, {"a": 1, "b": None}) == (
            Change(path="a", op="add", after=1),
            Change(path="b", op="remove", before=1),
        )

    def test_a_missing_key_is_no_value(self) -> None:
        """A key that one side lacks came or went."""
        assert changes({"a": 1}, {"b": 2}) == (
            Change(path="b", op="add", after=2),
            Change(path="a", op="remove", before=1),
        )

    @pytest.mark.parametrize("value", [0, False, "", 0.0])
    def test_an_empty_value_is_a_value(self, value: Any) -> None:
        """Zero, false and the empty text are values; None is not."""
        assert changes({"a": value}, {"a": None}) == (Change(path="a", op="remove", before=value),)
        assert changes(None, {"a": value}) == (Change(path="a", op="add", after=value),)

    def test_true_is_not_one(self) -> None:
        """A boolean that became a number changed."""
        assert changes({"a": True, "b": [1]}, {"a": 1, "b": [True]}) == (
            Change(path="a", before=True, after=1),
            Change(path="b", op="set", added=[True], removed=[1]),
        )

    def test_the_class_of_the_catalog_travels_with_the_change(self) -> None:
        """A personal field says so."""
        (change,) = changes({"email": "a@x.es"}, {"email": "b@x.es"})
        assert change.class_ == "personal"

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (Decimal("10.5"), Decimal("10.50")),
            (datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 13, tzinfo=timezone(timedelta(hours=1)))),
            ({"b": 1, "a": {"x": None, "y": 2}}, {"a": {"y": 2, "x": None}, "b": 1}),
            (3.0, 3),
            (Stage.LEAD, "lead"),
            ({"a", "b"}, {"b", "a"}),
            (("a", "b"), ["a", "b"]),
        ],
    )
    def test_the_same_value_in_other_clothes_is_no_change(self, before: Any, after: Any) -> None:
        """Values are compared as JSON values."""
        assert changes({"field": before}, {"field": after}) == ()


class TestShapes:
    """Dictionaries and lists."""

    def test_dictionaries_are_compared_by_path(self) -> None:
        """Only the leaf that changed is named."""
        before = {"consent": {"marketing": "opted_in", "source": "form"}}
        after = {"consent": {"marketing": "opted_out", "source": "form"}}
        assert changes(before, after) == (Change(path="consent.marketing", before="opted_in", after="opted_out"),)

    def test_a_set_says_what_was_added_and_removed(self) -> None:
        """In the order in which the values stand."""
        assert changes({"tags": ["vip", "old"]}, {"tags": ["new", "vip", "b"]}) == (
            Change(path="tags", op="set", added=["new", "b"], removed=["old"]),
        )

    def test_a_list_that_only_changed_its_order_is_one_value(self) -> None:
        """Order may matter, so the change is not hidden."""
        assert changes({"steps": ["a", "b"]}, {"steps": ["b", "a"]}) == (
            Change(path="steps", before=["a", "b"], after=["b", "a"]),
        )

    def test_a_list_with_repetitions_is_one_value(self) -> None:
        """What is not a set is not written as one."""
        assert changes({"a": [1, 1]}, {"a": [1]}) == (Change(path="a", before=[1, 1], after=[1]),)

    def test_lists_of_objects_are_compared_place_by_place(self) -> None:
        """A button whose link changed shows the link; a button more is shown whole."""
        before = {"buttons": [{"text": "Orders", "url": "https://x/orders"}]}
        after = {"buttons": [{"text": "Orders", "url": "https://x/track"}, {"text": "Call"}]}
        assert changes(before, after) == (
            Change(path="buttons[0].url", before="https://x/orders", after="https://x/track"),
            Change(path="buttons[1]", op="add", after={"text": "Call"}),
        )

    def test_another_shape_is_one_change(self) -> None:
        """A dictionary that became a text is replaced, not taken apart."""
        assert changes({"a": {"x": 1}}, {"a": "gone"}) == (Change(path="a", before={"x": 1}, after="gone"),)
        assert changes({"a": 0}, {"a": {"x": 1}}) == (Change(path="a", before=0, after={"x": 1}),)

    def test_creation_says_what_was_set(self) -> None:
        """Nothing is said of fields that were left empty; lists come whole."""
        after = {
            "name": "Ana",
            "email": None,
            "tags": ["vip"],
            "custom": {},
            "notes": [],
            "consent": {"marketing": "in"},
        }
        assert changes(None, after) == (
            Change(path="name", op="add", after="Ana"),
            Change(path="tags", op="add", after=["vip"]),
            Change(path="consent.marketing", op="add", after="in"),
        )

    def test_deletion_says_what_was_there(self) -> None:
        """The last state, field by field."""
        assert changes({"name": "Ana", "tags": ["vip"]}, None) == (
            Change(path="name", op="remove", before="Ana"),
            Change(path="tags", op="remove", before=["vip"]),
        )


class TestSecrets:
    """Hidden, never untraced."""

    @pytest.mark.parametrize("name", ["vault", "access_token", "clientSecret", "password_hash"])
    def test_a_secret_leaves_fingerprints(self, name: str) -> None:
        """Declared or by its name: neither value is kept, both can be compared."""
        (change,) = changes({name: "hunter2"}, {name: "hunter3"})
        assert change == Change(path=name, class_="secret", before_fp="fp('hunter2')", after_fp="fp('hunter3')")

    def test_a_secret_that_stayed_is_no_change(self) -> None:
        """Equal secrets say nothing."""
        assert changes({"vault": "x"}, {"vault": "x"}) == ()

    def test_a_new_secret_has_one_fingerprint(self) -> None:
        """The side without a value has none."""
        (change,) = changes(None, {"vault": "x"})
        assert (change.op, change.before_fp, change.after_fp) == ("add", None, "fp('x')")

    def test_a_secret_inside_a_value(self) -> None:
        """Secret-named keys are replaced at any depth of a value that is shown whole."""
        (change,) = changes({"hook": "none"}, {"hook": {"url": "u", "headers": [{"authorization": "Bearer x"}]}})
        assert change.after == {
            "url": "u",
            "headers": [{"authorization": {"$": "redacted", "fp": "fp('Bearer x')"}}],
        }

    def test_a_secret_under_an_innocent_name(self) -> None:
        """A value in the format of a secret is one, whatever its field is called."""
        token = "ghp_" + "a1B2" * 9
        (change,) = changes({"note": "see below"}, {"note": token})
        assert change.class_ == "secret"
        assert change.after is UNSET
        assert change.after_fp == fingerprint(token)


class TestLarge:
    """Compared by path first, bounded afterwards."""

    def test_one_key_of_a_hundred_thousand_is_found(self) -> None:
        """However large an object is, a small change to it is a small change."""
        before = {f"key{number}": number for number in range(100_000)}
        after = {**before, "key77": -1}

        assert changes({"settings": before}, {"settings": after}) == (
            Change(path="settings.key77", before=77, after=-1),
        )

    def test_too_many_changes_below_a_path_are_one_change_of_it(self) -> None:
        """Both sides are told apart by their digests."""
        before = {f"key{number}": number for number in range(1000)}
        (change,) = changes({"settings": before}, {"settings": dict.fromkeys(before, -1)})

        assert change.path == "settings"
        assert (value(change.before)["$"], value(change.before)["items"]) == ("truncated", 1000)
        assert value(change.before)["sha256"] != value(change.after)["sha256"]
        assert value(change.before)["head"]["key3"] == 3

    def test_more_fields_than_an_event_has_room_for_are_counted(self) -> None:
        """The last change says how many there are."""
        found = changes(None, {f"key{number}": number for number in range(2000)})

        assert len(found) == 500
        assert found[-1] == Change(path="*", op="add", after={"$": "truncated", "items": 2000})

    def test_of_two_long_texts_the_difference_is_kept(self) -> None:
        """How they begin, where they differ, and how they read there."""
        text = "Lorem ipsum dolor sit amet. " * 2000
        (change,) = changes({"body": text + "old end" + text}, {"body": text + "new end" + text})

        assert value(change.before)["head"] == value(change.after)["head"] == text[:256]
        assert value(change.before)["at"] == value(change.after)["at"] == len(text) - 40
        assert "old end" in value(change.before)["part"]
        assert "new end" in value(change.after)["part"]
        assert len(value(change.after)["part"]) < 200

    def test_no_part_is_kept_beside_a_secret(self) -> None:
        """A secret that begins or ends outside of the part must not be shown in half."""
        text = "Lorem ipsum dolor sit amet. " * 2000
        token = "ghp_" + "a1B2" * 9
        (change,) = changes({"body": text + token + text}, {"body": text + token[:-1] + "x" + text})

        assert "part" not in value(change.after)
        assert "ghp_" not in repr(change)

    def test_a_very_deep_object_ends_somewhere(self) -> None:
        """Paths end, and what is below is one value; a cycle too."""
        deep: dict[str, Any] = {"x": 1}
        for _ in range(50):
            deep = {"a": deep}
        cycle: dict[str, Any] = {}
        cycle["self"] = cycle

        assert len(changes(None, {"deep": deep, "cycle": cycle})) == 2
        assert changes({"cycle": cycle}, {"cycle": cycle}) == ()


class TestMarkers:
    """Values that a hook could not learn."""

    def test_they_are_one_value_never_taken_apart(self) -> None:
        """A marker on one side is a side of the change."""
        (change,) = changes({"a": UNKNOWN_VALUE, "b": UNKNOWN_VALUE}, {"a": {"x": 1}, "b": UNKNOWN_VALUE})
        assert change == Change(path="a", before={"$": "unknown"}, after={"x": 1})

    def test_of_a_secret_they_leave_no_fingerprint(self) -> None:
        """What is not known has none."""
        (change,) = changes({"vault": UNKNOWN_VALUE}, {"vault": DB_COMPUTED})
        assert change == Change(path="vault", class_="secret")


scalars = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.sampled_from(["", "a", "b", "ñ"]))
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)),
    max_leaves=8,
)
states = st.dictionaries(st.sampled_from("abcd"), trees, max_size=4)


def emptied(value: Any) -> Any:
    """Return a value without what counts as no value: None, and containers with nothing in them."""
    if isinstance(value, dict):
        kept = {key: emptied(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None} or None
    if isinstance(value, list):
        return [emptied(item) or {} if isinstance(item, dict) else item for item in value] or None
    return value


@given(states)
def test_equal_states_never_differ(state: dict[str, Any]) -> None:
    """Nothing changed, nothing is said."""
    assert changes(state, state) == ()


@given(states, states)
def test_different_states_always_differ(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Whatever changed is said, and both sides of every change are different."""
    found = changes(before, after)

    assert found or same(emptied(before), emptied(after))
    for change in found:
        assert (
            change.added
            or change.removed
            or not same(
                None if change.before is UNSET else change.before, None if change.after is UNSET else change.after
            )
        )
