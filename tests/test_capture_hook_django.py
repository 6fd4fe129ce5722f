"""The hook for Django itself: installing, settings, options of models, the outbox and its relay, tests of hosts."""

from __future__ import annotations

import time
import unittest
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from tests import capturing, djangoing
from tests.djangoing import AISHA, events, told
from whodid import Event
from whodid.capture import context
from whodid.errors import InvalidEvent, InvalidSetting, StoreUnavailable


@pytest.fixture(params=djangoing.DATABASES)
def alias(request: pytest.FixtureRequest) -> Iterator[str]:
    """Prepare a database, and act as Aisha."""
    with context(actor=AISHA):
        yield djangoing.prepared(request.param, request)


@pytest.fixture
def default(request: pytest.FixtureRequest) -> Iterator[str]:
    """Prepare the first database only."""
    with context(actor=AISHA):
        yield djangoing.prepared("default", request)


def hook() -> Any:
    """Return the hook of the process."""
    from django.apps import apps

    return apps.get_app_config("whodid").hook


# ---------------------------------------------------------------------------------------------------------- installing


def test_there_is_one_hook(default: str) -> None:
    """Installing twice changes nothing, a second hook is refused, and without one the remedy is named."""
    from tests.django_host.shop.models import Tag
    from whodid.capture.django import installed
    from whodid.capture.django.hook import Hook

    hook().install()
    assert installed() is hook()
    with pytest.raises(InvalidSetting, match="installed already"):
        Hook(hook().capture, hook().plans).install()
    hook().remove()
    with pytest.raises(InvalidSetting, match="INSTALLED_APPS"):
        installed()
    Tag.objects.create(name="unseen")
    hook().install()
    Tag.objects.create(name="seen")
    assert [event.resource.name for event in events(default)] == ["seen"]


def test_a_hook_that_comes_in_the_middle_of_a_transaction(alias: str) -> None:
    """What is changed from then on is told, when its statement is done."""
    from django.db import transaction

    from tests.django_host.shop.models import Tag

    hook().remove()
    with transaction.atomic(alias):
        Tag.objects.create(name="unseen")
        hook().install()
        Tag.objects.create(name="seen")
    assert [event.resource.name for event in events(alias)] == ["seen"]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (None, "WHODID is missing"),
        ({"LOG": "memory://"}, "lacks WORKSPACE"),
        ({"WORKSPACE": "w"}, "lacks LOG"),
        ({"LOG": "memory://", "WORKSPACE": "w", "MODEL": "all"}, "no setting MODEL"),
        ({"LOG": "memory://", "WORKSPACE": "w", "EXCLUDE": "a.*"}, "EXCLUDE is not a list"),
        ({"LOG": "memory://", "WORKSPACE": "w", "UNCLAIMED": "ignore"}, "UNCLAIMED is 'ignore'"),
        ({"LOG": "memory://", "WORKSPACE": "w", "TRUSTED_PROXIES": True}, "TRUSTED_PROXIES is True"),
        ({"LOG": "memory://", "WORKSPACE": "w", "TRUSTED_PROXIES": "10.0.0.0/8"}, "TRUSTED_PROXIES is '10"),
        ({"LOG": "memory://", "WORKSPACE": "w", "ON_FAILURE": "ignore"}, "ON_FAILURE is 'ignore'"),
        ({"LOG": "memory://", "WORKSPACE": "w", "BULK_LIMIT": -1}, "BULK_LIMIT is -1"),
    ],
)
def test_settings_that_cannot_be_used(default: str, said: Any, message: str) -> None:
    """Each is refused with what is wrong and what to do."""
    from django.test import override_settings

    from whodid.capture.django.settings import settings

    with override_settings(WHODID=said), pytest.raises(InvalidSetting, match=message):
        settings()


def test_paths_in_the_settings(default: str) -> None:
    """LOG, WORKSPACE and CATALOG may name functions; a path that leads nowhere is named."""
    from whodid.capture import Capture
    from whodid.capture.django.settings import Home, Settings

    made = Settings(log="tests.test_capture_hook_django.own_log", workspace="tests.test_capture_hook_django.present")
    home = Home(made)
    capture = made.capture(home)
    assert capture.workspace() == "from-a-function"
    assert home.log() is home.log()
    home.close()
    own = Settings(log="tests.test_capture_hook_django.own_capture", workspace="w")
    assert isinstance(own.capture(Home(own)), Capture)
    with pytest.raises(InvalidSetting, match="cannot be imported"):
        Settings(log="memory://", workspace="no.where").capture(Home(made))


def own_log() -> Any:
    """Make a log as a host would."""
    import whodid

    return whodid.open("memory://")


def own_capture() -> Any:
    """Make a capture as a host would."""
    from whodid.capture import Capture

    return Capture.to(own_log())


def present() -> str:
    """Return the present workspace."""
    return "from-a-function"


def test_the_checks(default: str) -> None:
    """A middleware that is missing or not the first one is a warning."""
    from django.test import override_settings

    from whodid.capture.django.checks import check_middleware, check_outbox

    for middleware, found in (
        ([], ["whodid.W001"]),
        (["a.B", "whodid.capture.django.Middleware"], ["whodid.W002"]),
        (["whodid.capture.django.Middleware", "a.B"], []),
    ):
        with override_settings(MIDDLEWARE=middleware):
            assert [one.id for one in check_middleware()] == found
    assert check_outbox(databases=["default"]) == []


# -------------------------------------------------------------------------------------------------------------- options


@pytest.fixture
def options(default: str) -> Iterator[Any]:
    """Return a function that says how the tags are watched."""
    from tests.django_host.shop.models import Tag
    from whodid.capture.django import audited
    from whodid.capture.django.options import _declared

    def declare(**said: Any) -> Any:
        audited(**said)(Tag)
        hook().plans.pop(Tag, None)
        return Tag

    yield declare
    _declared.pop(Tag, None)
    hook().plans.pop(Tag, None)


def test_what_a_model_says(options: Any, default: str) -> None:
    """Its type, what is ignored, what is hidden, and whose it is."""
    tag = options(type="word", redact=["name"])
    tag.objects.create(name="classified")
    (event,) = events(default)
    assert (event.action, event.resource.type, event.resource.name) == ("word.created", "word", None)
    assert [(change.path, change.class_) for change in event.changes] == [("name", "secret")]
    assert "classified" not in str(event)
    djangoing.forgotten(default)

    tag = options(hide_body=True)
    one = tag.objects.get()
    one.name = "other"
    one.save()
    assert [(change.path, change.class_) for change in events(default)[0].changes] == [("name", "secret")]
    assert "other" not in str(events(default))
    djangoing.forgotten(default)

    tag = options(ignore=["name"])
    tag.objects.update(name="touched")
    assert told(default) == []


@pytest.mark.parametrize("workspace", ["name", lambda tag: tag.name])
def test_the_workspace_of_a_row(options: Any, default: str, workspace: Any) -> None:
    """A field or a function says whose log it is."""
    from whodid.capture.django.models import Outbox

    options(workspace=workspace).objects.create(name="shop-7")
    assert list(Outbox.objects.values_list("workspace", flat=True)) == ["shop-7"]


def test_options_that_cannot_be(options: Any) -> None:
    """A field that is not there, and a text in the place of a list."""
    with pytest.raises(InvalidSetting, match="no column nme"):
        options(redact=["nme"]).objects.create(name="x")
    with pytest.raises(InvalidSetting, match="is a text"):
        options(redact="name")


def test_which_models_are_watched(default: str) -> None:
    """Patterns let in and leave out; a declared model is in; two models of one name are told apart."""
    from django.contrib.auth.models import Group, User

    from tests.django_host.shop.models import Customer, Product, Tag
    from whodid.capture.django.plans import Plans

    plans = Plans(["shop.*"], ["shop.product"])
    assert [plans[model] is not None for model in (Tag, Product, User, Group, Customer.tags.through)] == [
        True,
        False,
        False,
        False,
        True,
    ]
    assert plans.why_not(Product) == "excluded by shop.product"
    assert plans.why_not(User) == "not among MODELS"


# --------------------------------------------------------------------------------------------------------------- values


class Hostile:
    """Fails whatever is asked of it."""

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError


class Telephone:
    """Writes itself, as the value of a field that somebody else made."""

    def __str__(self) -> str:
        return "+34 600 000 000"


def test_any_value_has_a_form_that_the_log_takes(default: str) -> None:
    """Nothing raises, nothing is without an end, and the log accepts every one of them."""
    from django.core.files.uploadedfile import SimpleUploadedFile
    from django.utils.translation import gettext_lazy

    import whodid
    from whodid.capture.django.values import jsonable

    cyclic: dict[str, Any] = {}
    cyclic["self"] = cyclic
    values = [
        None, True, 2**70, float("nan"), float("inf"), 1e-9, Decimal("10.50"), Decimal("NaN"),
        UUID(int=1), datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1), date(2026, 1, 1),
        timedelta(days=2), b"\x00", memoryview(b"x"),
        {1, 2}, gettext_lazy("lazy"), cyclic, Hostile(), object(), "\ud800", "a\x00b", "x" * 10_000_000,
        {str(number): number for number in range(100_000)}, [[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]],
    ]  # fmt: skip
    with whodid.open("memory://") as log:
        for value in values:
            start = time.process_time()
            made = jsonable(value)
            assert time.process_time() - start < 0.5
            event = capturing.event(1, details={"value": made})
            log.check("w", event)
            assert len(msgspec.json.encode(event)) < 64 * 1024
    assert jsonable(Decimal("10.50")) == "10.5"
    assert jsonable(datetime(2026, 1, 1, 2, tzinfo=UTC)) == "2026-01-01T02:00:00Z"
    assert jsonable(datetime(2026, 1, 1, 2)) == "2026-01-01T08:00:00Z"  # in the zone of the application
    assert jsonable(SimpleUploadedFile("a.txt", b"")) == "a.txt"
    assert jsonable(Telephone()) == "+34 600 000 000"
    assert jsonable(Hostile()) == {"$": "unencodable", "type": "Hostile"}


# ---------------------------------------------------------------------------------------------------- outbox and relay


def test_the_outbox_and_its_relay(alias: str) -> None:
    """Delivered rows go, refused ones are set aside and can be released; another claim takes what is left."""
    import whodid
    from whodid.capture import Relay
    from whodid.capture.django.outbox import Outbox

    outbox = Outbox(alias)
    good = capturing.event(1)
    bad = msgspec.structs.replace(capturing.event(2), action="not an action")
    outbox.write(djangoing.WORKSPACE, [good, bad])
    backlog = outbox.backlog()
    assert (backlog.waiting, backlog.quarantined) == (2, 0)
    assert backlog.oldest is not None
    with pytest.raises(ZeroDivisionError), outbox.claim(10) as claim:
        assert [msgspec.json.decode(row.event, type=Event).id for row in claim.rows] == [good.id, bad.id]
        raise ZeroDivisionError
    with whodid.open("memory://") as log:
        relay = Relay(outbox, log)
        assert relay.drain() == 2
        assert log.head(djangoing.WORKSPACE).size == 1
        (aside,) = outbox.quarantined()
        assert "noun.verb" in aside.fault
        outbox.release([aside.place])
        assert outbox.backlog().waiting == 1
        assert relay.drain() == 1
        assert relay.status().quarantined == 2
    djangoing.emptied(alias)


@pytest.mark.parametrize("workspaces", [["w1"] * 3, ["w1", "w2", "w1"], ["w1", "w\x1e2", "w'3\\"]])
@pytest.mark.parametrize("aside", [False, True])
def test_many_rows_are_one_statement_whatever_they_hold(alias: str, workspaces: list[str], *, aside: bool) -> None:
    """Events with quotes, controls and separators, of several workspaces, arrive as they are and in order."""
    from django.db import connections, transaction

    from whodid.capture.django.models import Outbox as Table
    from whodid.capture.django.outbox import Outbox

    text = "a 'quote', a \\backslash, \x1e and \x1f, \U0001f600 %s %(x)s"
    told = [(whose, capturing.event(at, details={"note": text})) for at, whose in enumerate(workspaces)]
    faults = {told[1][1].id: "refused: it's \x1e so"} if aside else {}
    with transaction.atomic(alias), djangoing.queries(alias) as seen:
        Outbox(alias).put(connections[alias], told, faults)
    rows = list(Table.objects.order_by("place").values_list("workspace", "event", "fault"))

    assert len(seen) == 1
    assert [(whose, msgspec.json.decode(event, type=Event)) for whose, event, _ in rows] == told
    assert [fault for *_, fault in rows] == [faults.get(event.id) for _, event in told]
    djangoing.emptied(alias)


def test_what_the_log_would_refuse_can_fail_the_change(default: str) -> None:
    """With CHECK the error comes at once, and the row is not changed."""
    from tests.django_host.shop.models import Tag

    def check(workspace: str, event: Any) -> None:
        raise InvalidEvent("/action", "not this one")

    hook()._check = check
    try:
        with pytest.raises(InvalidEvent, match="not this one"):
            Tag.objects.create(name="x")
    finally:
        hook()._check = None
    assert Tag.objects.count() == 0


def test_a_commit_wakes_the_relay(default: str) -> None:
    """A relay that would look once an hour delivers at once; a rollback and another database do not wake it."""
    from django.apps import apps
    from django.db import transaction

    from tests.django_host.shop.models import Tag
    from whodid.capture.django import relays

    log = apps.get_app_config("whodid").home.log()
    log.record(djangoing.WORKSPACE, capturing.event(0))
    start = log.head(djangoing.WORKSPACE).size
    (relay,) = relays(["default"], interval=3600)
    woken: list[str] = []
    hook().wakers.append(woken.append)
    try:
        with relay:
            time.sleep(0.2)
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                Tag.objects.create(name="never")
                raise ZeroDivisionError
            assert woken == []
            Tag.objects.create(name="x")
            end = time.monotonic() + 20
            while log.head(djangoing.WORKSPACE).size == start:
                assert time.monotonic() < end
                time.sleep(0.01)
    finally:
        hook().wakers.clear()
    assert woken == ["default"]
    assert log.get(djangoing.WORKSPACE, start).resource.name == "x"


def test_without_its_table_there_is_no_relay(default: str, tmp_path: Path) -> None:
    """The remedy is named; and reading such an outbox is an error of ours."""
    from django.db import connections

    from whodid.capture.django import relays
    from whodid.capture.django.outbox import Outbox

    connections.settings["bare"] = {**connections.settings["default"], "NAME": str(tmp_path / "bare.db")}
    try:
        with pytest.raises(InvalidSetting, match="migrate whodid"):
            relays(["bare"])
        with pytest.raises(StoreUnavailable, match="whodid_outbox"):
            Outbox("bare").backlog()
    finally:
        connections["bare"].close()
        del connections.settings["bare"]


# --------------------------------------------------------------------------------------------------- tests of hosts


def test_entries_are_visible_inside_a_test_of_the_host(default: str) -> None:
    """In a `TestCase`, which rolls everything back, and in a `TransactionTestCase`, events are there at once."""
    from django.db import transaction
    from django.test import TestCase, TransactionTestCase

    from tests.django_host.shop.models import Tag

    seen: list[Any] = []

    class Inside:
        def test_it(self) -> None:
            with context(actor=AISHA):
                Tag.objects.create(name="alone")
                seen.append([event.resource.name for event in events("default")])
                with pytest.raises(ZeroDivisionError), transaction.atomic():
                    Tag.objects.create(name="undone")
                    raise ZeroDivisionError
                with transaction.atomic():
                    Tag.objects.create(name="together")
                    hook().capture.record("tag.praised", ("tag", "1"))
                seen.append([event.action for event in events("default")])

    for kind in (TestCase, TransactionTestCase):
        case = type("Case", (Inside, kind), {"databases": {"default"}})
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
        assert (result.errors, result.failures, result.testsRun) == ([], [], 1)
        assert told("default") == []
        assert seen == [["alone"], ["tag.created", "tag.created", "tag.praised"]]
        seen.clear()


# ------------------------------------------------------------------------------------------------------ on purpose


def test_not_recording_on_purpose(default: str) -> None:
    """What is changed inside leaves no entry, for this context; afterwards everything does."""
    from django.core.management import call_command

    from tests.django_host.shop.models import Tag
    from whodid.capture.off import off

    with off(hook().capture, reason="fixtures"):
        tag = Tag.objects.create(name="a")
        Tag.objects.update(name="b")
        tag.refresh_from_db()
        tag.delete()
    assert told(default) == []
    call_command("migrate", "shop", run_syncdb=True, verbosity=0)
    Tag.objects.create(name="c")
    assert [action for action, _ in told(default)] == ["tag.created"]


def test_fixtures_are_told(default: str, tmp_path: Path) -> None:
    """`loaddata` writes rows, and they are told like others."""
    from django.core.management import call_command

    (tmp_path / "tags.json").write_text(
        '[{"model": "shop.tag", "pk": 5, "fields": {"name": "five"}}]', encoding="utf-8"
    )
    call_command("loaddata", str(tmp_path / "tags.json"), verbosity=0)
    call_command("loaddata", str(tmp_path / "tags.json"), verbosity=0)
    assert told(default) == [("tag.created", "5")]


def test_an_event_that_was_said_speaks_for_its_row(alias: str) -> None:
    """It takes the changes of the row, and no second event is made of them; an object names its database."""
    from django.db import transaction

    from tests.django_host.shop.models import Customer

    one = Customer.objects.create(name="A", email="a@example.com")
    djangoing.forgotten(alias)
    with transaction.atomic(alias):
        one.city = "Oslo"
        one.save()
        hook().capture.record("customer.moved", one, reason="asked for it", bind=one)
    (event,) = events(alias)
    assert (event.action, event.resource.id) == ("customer.moved", str(one.pk))
    assert [(change.path, change.before, change.after) for change in event.changes] == [("city", "", "Oslo")]
    with pytest.raises(InvalidSetting, match="No transaction is open"):
        hook().capture.record("customer.moved", one, bind=alias)
