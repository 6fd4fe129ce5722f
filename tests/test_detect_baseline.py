"""What is usual for a person: what is new, what fades, what is bounded, and that nothing is guessed."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tests.detecting import FIREFOX, SAFARI, START, entry, failed, sign_in
from whodid.detect import Baseline, observe
from whodid.detect.hours import tail
from whodid.model import Entry

DAY = timedelta(days=1)


def after(*entries: Entry) -> Baseline | None:
    """Return the baseline that has seen entries."""
    baseline = None
    for one in entries:
        _, baseline = observe(baseline, one)
    return baseline


def daily(count: int) -> Baseline | None:
    """Return the baseline of somebody who signed in at nine on so many days."""
    return after(*(sign_in(number, START + number * DAY) for number in range(count)))


def test_what_is_new_is_said() -> None:
    """Country, device and network, each on its own."""
    baseline = daily(20)
    usual, _ = observe(baseline, sign_in(20, START + 20 * DAY))
    moved, _ = observe(baseline, sign_in(20, START + 20 * DAY, country="PT", ip="188.81.24.7"))
    changed, _ = observe(baseline, sign_in(20, START + 20 * DAY, user_agent=SAFARI))

    assert (usual["new_country"], usual["new_device"], usual["new_network"]) == (False, False, False)
    assert (moved["new_country"], moved["new_device"], moved["new_network"]) == (True, False, True)
    assert (changed["new_country"], changed["new_device"], changed["new_network"]) == (False, True, False)
    assert (usual["sessions"], usual["days_known"], usual["learning"]) == (20, 20, False)
    assert moved["previous_country"] == "ES"


def test_an_update_is_no_new_device_and_a_neighbour_no_new_network() -> None:
    """Versions and the last byte of an address do not count."""
    found, _ = observe(
        daily(3), sign_in(3, START + 3 * DAY, user_agent=FIREFOX.replace("133.0", "134.0.1"), ip="83.45.112.99")
    )

    assert not found["new_device"]
    assert not found["new_network"]


def test_absent_data_is_said_and_nothing_is_guessed() -> None:
    """Without a country there is no opinion on it, and the country before stays the last one known."""
    found, baseline = observe(daily(20), sign_in(20, START + 20 * DAY, country=None, user_agent=None, ip="nonsense"))

    assert found["missing"] == ["country", "device", "network"]
    assert not {"new_country", "new_device", "new_network", "network_failed"} & set(found)
    assert baseline.last_country == "ES"
    assert set(baseline.countries) == {"ES"}


@pytest.mark.parametrize(
    ("count", "days", "learning"), [(9, 30, True), (10, 30, False), (10, 13, True), (10, 14, False)]
)
def test_learning_ends_after_ten_sign_ins_and_fourteen_days(count: int, days: int, learning: bool) -> None:
    """Both are asked for."""
    baseline = after(*(sign_in(number, START) for number in range(count)))

    assert observe(baseline, sign_in(99, START + days * DAY))[0]["learning"] is learning


def test_a_country_is_never_forgotten_and_a_network_is_after_400_days() -> None:
    """Two years later the country is known, the network and the device are new again."""
    found, _ = observe(daily(20), sign_in(20, START + 730 * DAY))

    assert (found["new_country"], found["new_network"], found["new_device"]) == (False, True, True)


def test_everything_is_bounded() -> None:
    """A thousand countries, devices, networks, failures, deletions and actions do not make a baseline grow."""
    baseline = None
    for number in range(1_000):
        at = START + timedelta(seconds=number)
        context = {"country": f"C{number}", "user_agent": "x" * number, "ip": f"10.{number // 250}.{number % 250}.1"}
        for one in (
            sign_in(number, at, **context),
            failed(number, at),
            entry(number, at, f"thing{number}.deleted", kind="delete"),
            entry(number, at, "thing.exported", details={"count": 1}),
        ):
            _, baseline = observe(baseline, one)

    assert baseline is not None
    for part in (baseline.countries, baseline.devices, baseline.networks, baseline.failures, baseline.actions):
        assert len(part) == 64
    assert "C999" in baseline.countries
    assert len(msgspec.json.encode(baseline)) < 80_000
    assert msgspec.json.decode(msgspec.json.encode(baseline), type=Baseline) == baseline


def test_observing_changes_nothing_that_was_given() -> None:
    """The same baseline and entry give the same answer again."""
    baseline = daily(12)
    before = msgspec.json.encode(baseline)
    one = sign_in(12, START + 12 * DAY, country="PT")

    assert observe(baseline, one) == observe(baseline, one)
    assert msgspec.json.encode(baseline) == before


def test_a_failed_sign_in_teaches_nothing_about_places() -> None:
    """Whoever guesses passwords does not make a country usual."""
    baseline = after(failed(0, START, country="RO"), failed(1, START, country="RO"))
    found, _ = observe(baseline, sign_in(2, START, country="RO", ip="203.0.113.77"))

    assert found["new_country"]
    assert found["failures_15m"] == 2
    assert found["network_failed"]


def test_the_tail_of_an_hour() -> None:
    """It is 1 for the usual hour and small for the opposite one, and goes around midnight."""
    nine = [0.0] * 24
    nine[9] = 100
    midnight = [0.0] * 24
    midnight[0] = 100

    assert tail(nine, 9) == pytest.approx(1)
    assert tail(nine, 21) < 0.01
    assert tail(midnight, 23) == pytest.approx(tail(midnight, 1))
    assert tail([0.0] * 24, 3) == pytest.approx(1)
    assert observe(daily(60), sign_in(60, START + 60 * DAY + timedelta(hours=12)))[0]["hour_tail"] < 0.014
    assert observe(daily(60), sign_in(60, START + 60 * DAY))[0]["hour_tail"] == pytest.approx(1)


def test_bulk_removal_is_measured_against_oneself() -> None:
    """Twenty in ten minutes at least, five times one's own highest before today; a batch counts once."""

    def deletes(count: int, first: int, day: int, **more: str) -> list[Entry]:
        return [
            entry(first + one, START + day * DAY + timedelta(seconds=one), "contact.deleted", kind="delete", **more)
            for one in range(count)
        ]

    quiet = after(*deletes(19, 0, 0))
    assert observe(quiet, deletes(1, 19, 0)[0])[0]["bulk_delete"]
    assert not observe(after(*deletes(30, 0, 0, batch="imp_1")), deletes(1, 30, 0, batch="imp_1")[0])[0]["bulk_delete"]
    used = after(*deletes(12, 0, 0))
    found, _ = observe(used, deletes(1, 12, 1)[0])
    assert (found["deletes_10m"], found["deletes_limit"], found["bulk_delete"]) == (1, 60, False)
    assert observe(used, deletes(1, 12, 40)[0])[0]["deletes_limit"] == 20


def test_exports_are_counted_in_rows() -> None:
    """And a number that is not said is not guessed."""

    def export(day: float, count: object) -> Entry:
        return entry(0, START + day * DAY, "contact.exported", kind="security", details={"count": count})

    found, baseline = observe(None, export(0, 999))
    assert (found["exported_24h"], found["bulk_export"]) == (999, False)
    assert observe(baseline, export(0.5, 1))[0]["bulk_export"]
    assert (
        observe(baseline, export(2, 2_996))[0] | {"exported_limit": 2_997, "bulk_export": False}
        == (observe(baseline, export(2, 2_996))[0])
    )
    assert observe(baseline, export(2, "many"))[0]["missing"] == ["count"]
